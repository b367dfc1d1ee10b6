"""Services as processes: started, asked whether they are ready, started again when they crash, stopped."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from http import HTTPStatus
from pathlib import Path
from typing import Any

import httpx2
import structlog

from kehu.processes import Child, clear_leftover, until
from kehu.settings import Settings

log = structlog.get_logger(__name__)

FIRST_BACK_OFF_SECONDS = 0.5
LONGEST_BACK_OFF_SECONDS = 30.0

#: In the order in which a reader of the documentation meets them; what else is installed comes after.
_ORDER = ("customer-registry", "vetting", "grading", "engagement", "notifier")
STOP = ((signal.SIGTERM, 15.0),)  # a service finishes its batch and leaves its groups within 14 seconds
_STABLE_SECONDS = 60.0  # whoever ran this long has overcome its fault: the next back-off starts anew
_STARTS_BEFORE_GIVING_UP = 3  # at the first start, where nobody is served yet and the reason is for the reader
_POLL_SECONDS = 0.2


class ServiceProcess:
    """One service as a process: started, asked whether it is ready, started again when it crashes.

    Args:
        name: of the service.
        command: what starts it.
        settings: its own, port included; handed over as variables.
        directory: where its pid file and log go.

    """

    def __init__(self, name: str, command: Sequence[str], settings: Settings, directory: Path) -> None:
        self.name = name
        self.url = f"http://{settings.host}:{settings.port}"
        self._command = command
        self._environment = {**os.environ, **variables(settings)}
        self._record = record_of(directory, name)
        self._log = directory / "log" / f"{name}.log"
        self._child: Child | None = None
        self._began = 0.0
        self._back_off = FIRST_BACK_OFF_SECONDS
        self.starts = 0

    @property
    def pid(self) -> int:
        """Its process id; 0 where there is none."""
        return self._child.pid if self._child else 0

    @property
    def has_ended(self) -> bool:
        """Whether it was started and has ended by itself."""
        return self._child is not None and self._child.exit_code is not None

    def start(self) -> None:
        """Start it."""
        self._child = Child(self._command, record=self._record, log=self._log, environment=self._environment)
        self._began = time.monotonic()
        self.starts += 1

    async def start_again(self) -> None:
        """Start it after a crash, later each time unless it had run well in between."""
        if time.monotonic() - self._began > _STABLE_SECONDS:
            self._back_off = FIRST_BACK_OFF_SECONDS
        log.warning("service.crashed", service=self.name, seconds=self._back_off, log=str(self._log))
        await asyncio.sleep(self._back_off)
        self._back_off = min(self._back_off * 2, LONGEST_BACK_OFF_SECONDS)
        self.start()

    async def stop(self) -> None:
        """Let it finish what it has in hand, and end it."""
        if self._child is not None:
            await self._child.stop(*STOP)
            self._child = None

    def check(self) -> None:
        """Make sure that it runs.

        Raises:
            ProcessFailedError: it has ended; the message shows the end of its log.

        """
        if self._child is not None:
            self._child.check()

    async def wait_for(self, client: httpx2.AsyncClient) -> str | None:
        """Return what it still waits for, in a few words; None when it is ready."""
        try:
            answer = await client.get(f"{self.url}/health/ready")
            if answer.status_code == HTTPStatus.OK:
                return None
            parts: dict[str, dict[str, Any]] = answer.json()["parts"]
        except (httpx2.HTTPError, ValueError, KeyError):
            return "starting"
        return "; ".join(f"{name}: {part['state']}" for name, part in parts.items() if not part["ready"])


def variables(settings: Settings) -> dict[str, str]:
    """Return the settings as the variables that `Settings` reads."""
    return {f"KEHU_{name.upper()}": str(value) for name, value in settings.model_dump(mode="json").items()}


def record_of(directory: Path, service: str) -> Path:
    """Name the pid file of a service."""
    return directory / "run" / f"service-{service}.json"


async def clear_services(directory: Path) -> None:
    """End every service that an earlier `kehu up` has left behind when it was killed."""
    records = (directory / "run").glob("service-*.json")
    await asyncio.gather(*(clear_leftover(record, *STOP) for record in records))


def in_order(names: Iterable[str]) -> list[str]:
    """Sort the names of services: those of the documentation first, in its order."""
    given = set(names)
    return [name for name in _ORDER if name in given] + sorted(given.difference(_ORDER))


def serve_command(service: str) -> Sequence[str]:
    """Return the command that runs a service."""
    return [sys.executable, "-m", "kehu.cli", "serve", service]


class Supervisor:
    """The services of one machine.

    Args:
        services: what to run.
        announce: told what is being waited for.

    """

    def __init__(self, services: Sequence[ServiceProcess], announce: Callable[[str], None]) -> None:
        self.services = services
        self._announce = announce

    async def start(self) -> None:
        """Start every service and wait until all are ready.

        Raises:
            ProcessFailedError: one ends again and again.

        """
        for service in self.services:
            service.start()
        async with httpx2.AsyncClient(timeout=5.0, trust_env=False) as client:
            waiting = list(self.services)
            while waiting:
                await self._replace_crashed(waiting)
                states = await asyncio.gather(*(service.wait_for(client) for service in waiting))
                still = [(service, state) for service, state in zip(waiting, states, strict=True) if state]
                waiting = [service for service, _ in still]
                if still:
                    self._announce(" · ".join(f"{service.name} ({state})" for service, state in still))
                    await asyncio.sleep(_POLL_SECONDS)

    async def _replace_crashed(self, services: Sequence[ServiceProcess]) -> None:
        for service in services:
            if service.has_ended:
                if service.starts >= _STARTS_BEFORE_GIVING_UP:
                    service.check()
                await service.start_again()

    async def stop(self) -> None:
        """Stop all of them at the same time."""
        await asyncio.gather(*(service.stop() for service in self.services))


async def keep_running(part: ServiceProcess, changed: Callable[[], None]) -> None:
    """Start a service again whenever it crashes, for ever."""
    while True:
        await until(lambda: part.has_ended, None)
        await part.start_again()
        changed()
