"""`kehu up` as a process of its own, with real PostgreSQL and Tansu, and services of a few lines."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import httpx2
import psutil
import pytest

from kehu.processes import until
from kehu.supervising import Running
from kehu.supervising.services import in_order

#: Ready at the second question; at SIGTERM it writes down whether database and broker are still there.
SERVICE = """
import os, signal, socket, sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from kehu.settings import Settings

name, settings, asked = sys.argv[1], Settings(), 0
if name == "broken":
    sys.exit("the reason why")

def stop(*_):
    brokers = settings.brokers.rpartition(":")
    for address in ((settings.database_host, settings.database_port), (brokers[0], int(brokers[2]))):
        socket.create_connection(address).close()
    open(os.environ["EVIDENCE"] + name, "w").write("database and broker were there")
    os._exit(0)

class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        global asked
        if self.path == "/crash":
            os._exit(3)
        asked += 1
        ready = name != "slow" and asked > 1
        body = b'{"parts": {"relay": {"ready": false, "state": "4 of 9 facts"}}}'
        self.send_response(200 if ready else 503)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

signal.signal(signal.SIGTERM, stop)
ThreadingHTTPServer((settings.host, settings.port), Handler).serve_forever()
"""

UP = """
import sys
from pathlib import Path
from kehu.service import Service
from kehu.supervising import run_up

directory, script, *names = sys.argv[1:]
empty = Path(directory).with_name("no-migrations")
empty.mkdir(exist_ok=True)

async def say(running):
    print("after_ready", sorted(running.services), flush=True)

sys.exit(run_up(
    Path(directory),
    after_ready=say,
    services=[Service(name=name, title=name, features=(), migrations=empty) for name in names],
    command=lambda name: [sys.executable, script, name],
))
"""


class Up:
    """A `kehu up` under test."""

    def __init__(self, tmp_path: Path, *names: str) -> None:
        self.directory = tmp_path / "kehu"
        self.evidence = tmp_path / "evidence-"
        script = tmp_path / "service.py"
        script.write_text(SERVICE)
        self.output = tmp_path / "output"
        # As a background job of a shell has it: SIGINT ignored from the start.
        command = ["/bin/sh", "-c", 'trap "" INT; exec "$0" "$@"', sys.executable, "-c", UP]
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(  # noqa: S603 - the command is ours
                [*command, str(self.directory), str(script), *names],
                stdout=output,
                stderr=subprocess.STDOUT,
                env=os.environ | {"EVIDENCE": str(self.evidence), "COLUMNS": "200"},
            )

    @property
    def text(self) -> str:
        return self.output.read_text()

    async def says(self, words: str) -> None:
        await until(lambda: words in self.text or self.process.poll() is not None, 60)
        assert words in self.text

    async def ends(self) -> int:
        assert await until(lambda: self.process.poll() is not None, 60), self.text
        return self.process.returncode

    def running(self) -> Running:
        running = Running.read(self.directory)
        assert running, self.text
        return running

    def processes(self) -> list[psutil.Process]:
        return [psutil.Process(pid) for pid in self.running().pids.values()]


@asynccontextmanager
async def up(tmp_path: Path, *names: str) -> AsyncGenerator[Up]:
    started = Up(tmp_path, *names)
    try:
        yield started
    finally:
        family: list[psutil.Process] = []
        with suppress(psutil.NoSuchProcess):
            family = psutil.Process(started.process.pid).children(recursive=True)
        started.process.kill()
        started.process.wait()
        for member in family:
            with suppress(psutil.NoSuchProcess):
                member.kill()


def gone(process: psutil.Process) -> bool:
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


async def test_it_starts_everything_says_where_and_stops_services_before_what_they_need(tmp_path: Path) -> None:
    async with up(tmp_path, "vetting", "alpha") as system:
        await system.says("after_ready ['alpha', 'vetting']")
        running, processes = system.running(), system.processes()
        for name, url in running.services.items():
            assert httpx2.get(f"{url}/health/ready").status_code == 200
            assert url in system.text, name
        assert "waiting for PostgreSQL" in system.text
        assert "vetting (relay: 4 of 9 facts)" in system.text
        assert running.settings().broker_kind == "embedded"
        system.process.send_signal(signal.SIGINT)
        assert await system.ends() == 0
        assert all(gone(process) for process in processes)
        for name in ("vetting", "alpha"):
            assert Path(f"{system.evidence}{name}").read_text() == "database and broker were there"  # noqa: ASYNC240 - a test
        assert Running.read(system.directory) is None
        assert not any((system.directory / "run").iterdir())


async def test_a_second_one_in_the_same_directory_is_refused(tmp_path: Path) -> None:
    async with up(tmp_path, "alpha") as system:
        await system.says("after_ready")
        (tmp_path / "second").mkdir()
        second = Up(tmp_path, "alpha")
        assert await second.ends() == 1
        assert "kehu up already runs in" in second.text
        assert f"process {system.process.pid}" in second.text
        assert not gone(system.processes()[0])


async def test_a_crashed_service_is_started_again_and_so_are_database_and_broker(tmp_path: Path) -> None:
    async with up(tmp_path, "alpha") as system:
        await system.says("after_ready")
        before = system.running()
        with pytest.raises(httpx2.HTTPError):
            httpx2.get(before.services["alpha"] + "/crash")
        assert await until(lambda: system.running().pids["alpha"] != before.pids["alpha"], 30)
        for part in ("postgres", "broker"):
            psutil.Process(before.pids[part]).kill()
            assert await until(lambda part=part: system.running().pids[part] not in (0, before.pids[part]), 30)
        assert system.running().database == before.database
        assert system.running().brokers == before.brokers
        system.process.terminate()
        assert await system.ends() == 0


async def test_what_a_killed_one_left_behind_is_cleared(tmp_path: Path) -> None:
    async with up(tmp_path, "alpha") as first:
        await first.says("after_ready")
        ports, left = first.running().services, first.processes()
        first.process.kill()
        first.process.wait()
        assert not any(gone(process) for process in left)
        assert Running.read(first.directory) is None
        async with up(tmp_path, "alpha") as second:
            await second.says("after_ready")
            assert all(gone(process) for process in left)
            assert second.running().services == ports


async def test_a_service_that_cannot_start_ends_it_with_the_reason(tmp_path: Path) -> None:
    async with up(tmp_path, "alpha", "broken") as system:
        assert await system.ends() == 1
        assert "broken ended with 1" in system.text
        assert "the reason why" in system.text
        assert not any((system.directory / "run").iterdir())


async def test_it_can_be_stopped_while_it_waits(tmp_path: Path) -> None:
    async with up(tmp_path, "slow") as system:
        await system.says("slow (relay: 4 of 9 facts)")
        system.process.send_signal(signal.SIGINT)
        assert await system.ends() == 0
        assert not any((system.directory / "run").iterdir())


def test_ports_follow_the_documented_order_and_newcomers_come_last() -> None:
    assert in_order(["zeta", "notifier", "alpha", "customer-registry"]) == [
        "customer-registry",
        "notifier",
        "alpha",
        "zeta",
    ]


def test_a_stale_file_does_not_pass_for_a_running_system(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        pass
    fields = {"services": {}, "brokers": "", "broker_kind": "embedded", "database": {}, "secrets": "", "pids": {}}
    (tmp_path / "running.json").write_text(json.dumps({"pid": ended.pid, "demonstration": False, **fields}))
    assert Running.read(tmp_path) is None
