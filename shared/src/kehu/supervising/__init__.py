"""`kehu up`: the whole system on one machine, each service a process of its own, started and stopped in order.

Database, broker, migrations, services, in this order; services, broker, database when it ends. A service that crashes
is started again; so is the database, and the broker.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
import signal
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Self

import structlog
from rich.console import Console
from rich.status import Status
from rich.table import Table

from kehu.embedded import EmbeddedBroker, EmbeddedPlatform, EmbeddedPlatformError, EmbeddedPostgres
from kehu.logs import configure_logs
from kehu.migrations import migrate
from kehu.processes import AlreadyRunningError, KeptPorts, ProcessFailedError, exclusive, open_log, until
from kehu.service import Service, find_services
from kehu.settings import Settings, create_secrets
from kehu.supervising.running import RUNNING_FILE, Running
from kehu.supervising.services import (
    FIRST_BACK_OFF_SECONDS,
    LONGEST_BACK_OFF_SECONDS,
    ServiceProcess,
    Supervisor,
    clear_services,
    in_order,
    keep_running,
    serve_command,
)

__all__ = ["AfterReady", "BeforeReady", "Running", "run_up", "up"]

log = structlog.get_logger(__name__)

_FIRST_PORT = 8101

AfterReady = Callable[[Running], Awaitable[None]]
BeforeReady = Callable[[Settings], Awaitable[None]]


class Announcer:
    """Says what is being waited for: on a terminal in a line that changes, elsewhere a line whenever it changes."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._status = Status("", console=console)
        self._last = ""

    def __call__(self, what: str) -> None:
        """Say what is waited for now."""
        if what != self._last:
            self._last = what
            if self.console.is_terminal:
                self._status.update(f"waiting for {what}")
            else:
                self.console.print(f"waiting for {what}", highlight=False)

    def __enter__(self) -> Self:
        self._status.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._status.stop()


async def keep_embedded_running(part: EmbeddedPostgres | EmbeddedBroker, changed: Callable[[], None]) -> None:
    """Start database or broker again whenever it ends by itself, for ever."""
    while True:
        await until(lambda: part.has_ended, None)
        back_off = FIRST_BACK_OFF_SECONDS
        started = False
        while not started:
            log.warning("platform.crashed", part=type(part).__name__, seconds=back_off)
            await asyncio.sleep(back_off)
            back_off = min(back_off * 2, LONGEST_BACK_OFF_SECONDS)
            started = await _started(part)
        changed()


async def _started(part: EmbeddedPostgres | EmbeddedBroker) -> bool:
    try:
        await part.start()
    except (ProcessFailedError, EmbeddedPlatformError, TimeoutError):
        log.exception("platform.failed", part=type(part).__name__)
        return False
    return True


async def up(
    directory: Path,
    *,
    console: Console,
    demonstration: bool = False,
    before_ready: BeforeReady | None = None,
    after_ready: AfterReady | None = None,
    services: Sequence[Service] | None = None,
    command: Callable[[str], Sequence[str]] = serve_command,
) -> None:
    """Run the system until SIGINT or SIGTERM; everything is stopped when it returns.

    Args:
        directory: where data, secrets, logs and pid files go.
        console: where progress and addresses are shown.
        demonstration: whether the clock may be moved.
        before_ready: called once the database is migrated, before any service runs.
        after_ready: called once every service is ready; what it needs from the services it asks them.
        services: others than the installed ones (tests).
        command: what starts a service.

    Raises:
        AlreadyRunningError: another one runs in this directory.
        EmbeddedPlatformError: database or broker cannot run on this machine.
        ProcessFailedError: something ends as soon as it is started; the message shows its log.

    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    # Explicitly: a shell starts its background jobs with SIGINT ignored, and Python then leaves it so.
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    installed = find_services().values() if services is None else services
    with exclusive(directory / "up.lock", "kehu up"):
        work = asyncio.create_task(
            _run(directory, console, installed, command, demonstration, before_ready, after_ready)
        )
        stopped = asyncio.create_task(stop.wait())
        await asyncio.wait({work, stopped}, return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        if not work.done():
            console.print("stopping: services, broker, database")
            work.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await work


async def _run(
    directory: Path,
    console: Console,
    services: Iterable[Service],
    command: Callable[[str], Sequence[str]],
    demonstration: bool,  # noqa: FBT001 - one caller, the function above
    before_ready: BeforeReady | None,
    after_ready: AfterReady | None,
) -> None:
    async with AsyncExitStack() as stack:
        with Announcer(console) as announce:
            await clear_services(directory)
            platform = await stack.enter_async_context(EmbeddedPlatform(directory, announce=announce))
            settings = platform.settings().model_copy(update={"demonstration": demonstration})
            announce("the database's migrations")
            names = in_order(service.name for service in services)
            create_secrets(platform.secrets, names)
            await migrate(settings, services=services)
            if before_ready:
                await before_ready(settings)
            processes = _processes(directory, names, command, settings)
            supervisor = await stack.enter_async_context(_supervised(processes, announce))
            running = await stack.enter_async_context(_watched(directory, platform, settings, supervisor))
        console.print(_addresses(running, directory))
        if after_ready:
            await after_ready(running)
        await asyncio.Event().wait()


def _processes(
    directory: Path, names: Sequence[str], command: Callable[[str], Sequence[str]], settings: Settings
) -> list[ServiceProcess]:
    ports = KeptPorts(directory / "ports.json")
    return [
        ServiceProcess(
            name, command(name), settings.model_copy(update={"port": ports.get(name, preferred=port)}), directory
        )
        for port, name in enumerate(names, _FIRST_PORT)
    ]


@asynccontextmanager
async def _supervised(
    processes: Sequence[ServiceProcess], announce: Callable[[str], None]
) -> AsyncGenerator[Supervisor]:
    supervisor = Supervisor(processes, announce)
    try:
        await supervisor.start()
        yield supervisor
    finally:
        await supervisor.stop()


@asynccontextmanager
async def _watched(
    directory: Path, platform: EmbeddedPlatform, settings: Settings, supervisor: Supervisor
) -> AsyncGenerator[Running]:
    """Keep everything running, and `running.json` true, as long as the block lasts."""

    def write() -> None:
        _describe(platform, settings, supervisor.services).write(directory)

    try:
        async with asyncio.TaskGroup() as tasks:
            watchers = [
                *(tasks.create_task(keep_running(service, write)) for service in supervisor.services),
                *(tasks.create_task(keep_embedded_running(p, write)) for p in (platform.postgres, platform.broker)),
            ]
            write()
            yield _describe(platform, settings, supervisor.services)
            for watcher in watchers:
                watcher.cancel()
    finally:
        (directory / RUNNING_FILE).unlink(missing_ok=True)


def _describe(platform: EmbeddedPlatform, settings: Settings, services: Sequence[ServiceProcess]) -> Running:
    return Running(
        pid=os.getpid(),
        services={service.name: service.url for service in services},
        brokers=settings.brokers,
        broker_kind=settings.broker_kind,
        database={"host": settings.database_host, "port": settings.database_port, "name": settings.database_name},
        secrets=str(settings.secrets),
        pids={
            **{service.name: service.pid for service in services},
            "postgres": platform.postgres.pid,
            "broker": platform.broker.pid,
        },
        demonstration=settings.demonstration,
    )


def _addresses(running: Running, directory: Path) -> Table:
    table = Table(title=f"客户 Kehu · {directory}", title_justify="left")
    table.add_column("service", no_wrap=True)
    table.add_column("address", no_wrap=True, overflow="fold")
    for name, url in running.services.items():
        table.add_row(name, f"{url}/docs")
    table.add_row("broker", running.brokers)
    database = running.database
    table.add_row("database", f"{database['host']}:{database['port']}/{database['name']}")
    table.add_row("logs", str(directory / "log"))
    return table


def run_up(
    directory: Path,
    *,
    demonstration: bool = False,
    before_ready: BeforeReady | None = None,
    after_ready: AfterReady | None = None,
    services: Sequence[Service] | None = None,
    command: Callable[[str], Sequence[str]] = serve_command,
) -> int:
    """Do `up` for a command line: its logs go to `log/up.log`, what stands in its way is said in a sentence.

    Args:
        directory: as for `up`; `.kehu` of the working directory in the `kehu` command.
        demonstration: as for `up`.
        before_ready: as for `up`.
        after_ready: as for `up`.
        services: as for `up`.
        command: as for `up`.

    Returns:
        The exit code: 0 after SIGINT or SIGTERM, 1 where it could not run.

    """
    directory = directory.absolute()
    console = Console()
    with open_log(directory / "log" / "up.log") as file, io.TextIOWrapper(file, line_buffering=True) as stream:
        configure_logs("INFO", "up", stream=stream)
        try:
            asyncio.run(
                up(
                    directory,
                    console=console,
                    demonstration=demonstration,
                    before_ready=before_ready,
                    after_ready=after_ready,
                    services=services,
                    command=command,
                )
            )
        except (AlreadyRunningError, EmbeddedPlatformError, ProcessFailedError) as error:
            console.print(f"kehu up: {error}", markup=False, highlight=False)
            return 1
    return 0
