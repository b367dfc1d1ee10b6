"""Processes that outlive a crash of the one that started them: recorded in files, and cleared by the next start.

A pid alone proves nothing, it may have been given to somebody else since: a process is ours only if its command line is
the one recorded and it began when the record says.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import random
import signal
import socket
import subprocess
import time
from collections.abc import Awaitable, Callable, Generator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

import psutil

_POLL_SECONDS = 0.02  # far below what a person notices, and 50 look-ups a second cost nothing
#: A process's start is computed from the boot time, which a step of the system's clock moves.
_START_TOLERANCE_SECONDS = 30.0
#: Below Linux's (32768) and macOS's (49152) ephemeral ports: a client that keeps trying an ephemeral port where nobody
#: listens may end up connected to itself, and then hold the port.
_PORTS = range(20_000, 32_000)
_LOG_LIMIT_BYTES = 16 * 1024 * 1024  # kept twice: the current log and the one before


class AlreadyRunningError(RuntimeError):
    """Somebody else works in the same directory."""


class ProcessFailedError(RuntimeError):
    """A process that was started has ended, or did not become ready in time."""


@dataclass(frozen=True, slots=True)
class Record:
    """What a pid file says: enough to tell our process from a later one with the same pid."""

    pid: int
    started: float
    command: tuple[str, ...]

    def find(self) -> psutil.Process | None:
        """Return the process if it still runs and is the one recorded."""
        try:
            process = psutil.Process(self.pid)
            if process.status() == psutil.STATUS_ZOMBIE:
                return None
            # A launcher in front of the command (see embedded.py) is gone once it has replaced itself by the command.
            same_command = tuple(process.cmdline()[-len(self.command) :]) == self.command
            same_start = abs(process.create_time() - self.started) < _START_TOLERANCE_SECONDS
        except psutil.Error:
            return None
        return process if same_command and same_start else None

    def write(self, path: Path) -> None:
        """Write it to `path` in one step."""
        temporary = path.with_suffix(".new")
        temporary.write_text(json.dumps(asdict(self)), encoding="utf-8")
        temporary.replace(path)

    @classmethod
    def read(cls, path: Path) -> Record | None:
        """Read it from `path`; None where there is none, or only half a one."""
        try:
            held = json.loads(path.read_text(encoding="utf-8"))
            return cls(int(held["pid"]), float(held["started"]), tuple(held["command"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None


class Child:
    """A process of ours, with a pid file from its first moment to its end.

    It is in a session of its own, so that Ctrl-C in a terminal reaches us alone and the order of stopping is ours.

    Args:
        command: the program and its arguments.
        record: its pid file.
        log: where its output is appended.
        prefix: a launcher that replaces itself by the command, keeping the pid.
        environment: all of its environment.
        user: user id to run as; ours where None.
        group: group id to run as; ours where None.
        directory: working directory; ours where None.

    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        record: Path,
        log: Path,
        environment: Mapping[str, str],
        prefix: Sequence[str] = (),
        user: int | None = None,
        group: int | None = None,
        directory: Path | None = None,
    ) -> None:
        self._record = record
        self.log = log
        self.name = record.stem
        with open_log(log) as output:
            self._output_begins = output.tell()
            self._popen = subprocess.Popen(  # noqa: S603 - the command is ours
                [*prefix, *command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=dict(environment),
                cwd=directory,
                user=user,
                group=group,
                extra_groups=None if user is None else [],
                start_new_session=True,
            )
        record.parent.mkdir(parents=True, exist_ok=True)
        Record(self.pid, time.time(), tuple(command)).write(record)

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._popen.pid

    @property
    def exit_code(self) -> int | None:
        """How it ended; None while it runs."""
        return self._popen.poll()

    def check(self) -> None:
        """Make sure that it runs.

        Raises:
            ProcessFailedError: it has ended; the message shows the end of its log.

        """
        if self.exit_code is not None:
            raise ProcessFailedError(
                f"{self.name} ended with {self.exit_code}; the end of {self.log}:\n{self.output()}"
            )

    def output(self, lines: int = 15) -> str:
        """Return the last lines of what it has written."""
        with self.log.open("rb") as file:
            file.seek(self._output_begins)
            return "\n".join(file.read().decode(errors="replace").splitlines()[-lines:])

    async def wait(self, seconds: float | None = None) -> bool:
        """Wait until it has ended; False when it still runs after `seconds`."""
        return await until(lambda: self.exit_code is not None, seconds)

    async def stop(self, *steps: tuple[signal.Signals, float]) -> None:
        """Send each signal in turn and wait its seconds, until it has ended; kill it and its children at last."""
        await _end(psutil.Process(self.pid) if self.exit_code is None else None, steps, self.wait)
        await self.wait()
        self._record.unlink(missing_ok=True)


async def clear_leftover(record: Path, *steps: tuple[signal.Signals, float]) -> bool:
    """End the process that an earlier, crashed run has left behind, if it is still there.

    Args:
        record: its pid file, which is removed.
        steps: signals and seconds, as for `Child.stop`.

    Returns:
        Whether there was one.

    """
    held = Record.read(record)
    process = held.find() if held else None
    await _end(process, steps, lambda seconds: until(lambda: _gone(process), seconds))
    record.unlink(missing_ok=True)  # noqa: ASYNC240 - one system call, at start only
    return process is not None


async def _end(
    process: psutil.Process | None,
    steps: Sequence[tuple[signal.Signals, float]],
    wait: Callable[[float], Awaitable[bool]],
) -> None:
    if process is None:
        return
    for signal_, seconds in steps:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.send_signal(signal_)
        if await wait(seconds):
            return
    family = [process]
    with contextlib.suppress(psutil.NoSuchProcess):
        family += process.children(recursive=True)
    for member in family:
        with contextlib.suppress(psutil.NoSuchProcess):
            member.kill()
    await until(lambda: all(_gone(member) for member in family), None)


def _gone(process: psutil.Process | None) -> bool:
    try:
        return process is None or not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


async def until(true: Callable[[], bool], seconds: float | None) -> bool:
    """Wait until the condition holds; False when it still does not after `seconds` (None: wait for ever)."""
    deadline = None if seconds is None else time.monotonic() + seconds
    while not true():
        if deadline is not None and time.monotonic() > deadline:
            return False
        await asyncio.sleep(_POLL_SECONDS)
    return True


@contextlib.contextmanager
def exclusive(path: Path, what: str) -> Generator[None]:
    """Hold the lock file `path`; the operating system lets go of it whenever and however this process ends.

    Args:
        path: the lock file; it stays, only the lock on it matters.
        what: who else may hold it, for the message, such as ``kehu up``.

    Raises:
        AlreadyRunningError: another process holds it.

    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise AlreadyRunningError(
                f"{what} already runs in {path.parent.resolve()} (process {file.read().strip() or 'unknown'}): "
                "use that one, or stop it first."
            ) from None
        file.truncate(0)
        file.write(f"{psutil.Process().pid}\n")
        file.flush()
        yield


def is_free(port: int) -> bool:
    """Tell whether nobody listens on this port of 127.0.0.1."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def free_port(preferred: int | None = None) -> int:
    """Return `preferred` if it is free on 127.0.0.1, else another port that is."""
    if preferred is not None and is_free(preferred):
        return preferred
    return next(port for port in iter(lambda: random.choice(_PORTS), None) if is_free(port))  # noqa: S311 - no secret


class KeptPorts:
    """Free ports on 127.0.0.1 that stay the same from run to run, as long as nobody else has taken them."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def get(self, name: str, preferred: int | None = None) -> int:
        """Return `preferred`, or the port kept under `name`, or any, whichever is first to be free; and keep it."""
        try:
            kept: dict[str, int] = json.loads(self._path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            kept = {}
        port = free_port(preferred if preferred and is_free(preferred) else kept.get(name))
        if kept.get(name) != port:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._path.write_text(json.dumps(kept | {name: port}), encoding="utf-8")
        return port


def open_log(path: Path) -> IO[bytes]:
    """Open a log for appending; one that has grown too large is set aside first, replacing the one set aside before."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists() and path.stat().st_size > _LOG_LIMIT_BYTES:
        path.replace(path.with_suffix(".1.log"))
    return path.open("ab")
