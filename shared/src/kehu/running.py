"""Runs a service: `assemble` puts its loops and its HTTP application together, `serve` makes a process of them."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Mapping
from functools import partial
from typing import Any

import asyncpg
import structlog
import uvicorn
from fastapi import FastAPI

from kehu.consuming import Consumers
from kehu.http.app import Part, build_app
from kehu.identity import load_issuer
from kehu.loops import Loop
from kehu.memory import leave_to_stay
from kehu.metrics import PARKED, WATERMARK_AGE
from kehu.parts import Running, check_cursors, connect
from kehu.relay import Relay
from kehu.schedules import Scheduler
from kehu.service import Service
from kehu.settings import Settings
from kehu.tracing import configure_tracing

log = structlog.get_logger(__name__)

#: From SIGTERM to exit: what orchestrators give before they kill, less a margin.
STOP_SECONDS = 14.0
_HTTP_SECONDS = 5
_LOOP_SECONDS = 6.0
_HEALTH_SECONDS = 2.0


class Assembly:
    """A service put together: its parts, its loops and its HTTP application.

    Made by `assemble`. `start` and `stop` its loops; the application answers as long as the pool is open.
    """

    def __init__(self, running: Running, relay: Relay, consumers: Consumers, scheduler: Scheduler) -> None:
        self.running = running
        self.relay = relay
        self.consumers = consumers
        self.scheduler = scheduler
        self.stopping = False
        self._was_caught_up = False
        self.loops = [
            Loop("clock", running.clock.run),
            Loop("relay", relay.run),
            Loop("follower", running.follower.run),
            Loop("scheduler", scheduler.run),
            *(
                Loop(f"{feature.name}/{getattr(worker, '__name__', 'worker')}", partial(worker, running))
                for feature in running.service.features
                for worker in feature.workers
            ),
        ]
        self.app: FastAPI = build_app(
            running.service,
            running=running,
            issuer=load_issuer(running.settings),
            health=self.health,
            measure=self._measure,
        )

    async def start(self) -> None:
        """Start everything that runs beside the requests."""
        for loop in self.loops:
            loop.start()
        await self.consumers.start()

    async def stop(self) -> None:
        """End it in order: nothing new comes in, what is in hand is finished, the relay goes last."""
        self.stopping = True
        await self.consumers.stop()
        relay, *others = sorted(self.loops, key=lambda loop: loop.name != "relay")
        await asyncio.gather(*(loop.stop(_LOOP_SECONDS) for loop in others))
        await relay.stop(_LOOP_SECONDS)

    async def health(self) -> dict[str, Part]:
        """Every part and how it is; the service is ready when all of them are."""
        self._was_caught_up = self._was_caught_up or self.relay.caught_up
        parts = {
            "process": Part(ready=not self.stopping, state="stopping" if self.stopping else "running"),
            "database": await self._database(),
            "relay": _part(
                self.relay.healthy and self._was_caught_up,
                "relaying" if self._was_caught_up else "bringing Kafka up to date with the log",
                "cannot reach Kafka, or the topic is not as declared: see the log",
            )
            if self.relay.healthy
            else Part(ready=False, state="not relaying: see the log"),
            "consumers": _part(self.consumers.ready, "consuming", "joining their groups"),
            "follower": _part(
                self.running.follower.healthy,
                "following",
                f"stopped: {', '.join(self.running.follower.stopped) or '—'}",
            ),
            "scheduler": _part(self.scheduler.healthy, "running", "something failed to fire: see the log"),
            "clock": _part(self.running.clock.healthy, self.running.clock.now().isoformat(), "not fresh"),
        }
        for loop in self.loops:
            if not loop.ready or loop.name not in parts:
                parts[loop.name] = Part(ready=loop.ready, state=loop.state)
        return parts

    async def _database(self) -> Part:
        try:
            async with asyncio.timeout(_HEALTH_SECONDS):
                age = await self._watermark_age()
        except (TimeoutError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            return Part(ready=False, state=f"not reachable ({type(error).__name__})")
        return Part(ready=True, state=f"reachable; oldest writing transaction {age:.1f} s")

    async def _watermark_age(self) -> float:
        age: float = await self.running.pool.fetchval("SELECT age_seconds FROM event_store.watermark()")
        return age

    async def _measure(self) -> None:
        with contextlib.suppress(TimeoutError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            WATERMARK_AGE.set(await self._watermark_age())
            PARKED.set(await self.running.pool.fetchval("SELECT count(*) FROM parked"))


def _part(ready: bool, fine: str, otherwise: str) -> Part:  # noqa: FBT001 - what the part is asked, not an option
    return Part(ready=ready, state=fine if ready else otherwise)


@contextlib.asynccontextmanager
async def assemble(service: Service, settings: Settings) -> AsyncGenerator[Assembly]:
    """Put a service together, nothing started yet; at the end, close its connections.

    Args:
        service: which one.
        settings: where everything is.

    Raises:
        kehu.parts.NotMigratedError: `kehu migrate` has not been run for it.
        kehu.parts.RestoredLogError: the log's transaction ids, or a view's, are not below the server's next one.

    """
    async with connect(service, settings) as running:
        await check_cursors(running.pool)
        pool, store, codec, clock, policies = (
            running.pool,
            running.store,
            running.codec,
            running.clock,
            running.policies,
        )

        async def in_force() -> Mapping[str, Any]:
            return await policies.in_force(clock.now())

        relay = Relay(service, store, settings)
        running.wakes.append(relay.wake)
        consumers = Consumers(service, pool, store, codec, running.keyring, settings, clock.now, in_force)
        yield Assembly(running, relay, consumers, Scheduler(service, pool, store, codec, clock, policies))


class _Server(uvicorn.Server):
    """Uvicorn without its signal handlers: the process has its own, which stop more than the server."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Capture none."""
        yield


async def serve(service: Service, settings: Settings) -> None:
    """Run a service until SIGTERM or SIGINT, then end within 15 s.

    Args:
        service: which one.
        settings: where everything is, and where to listen.

    Raises:
        NotMigratedError, RestoredLogError: as `assemble`.
        OSError: the address to listen on is not free.

    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    tracing = configure_tracing(service.name)
    # Bound before anything is started, so that a port in use is told at once.
    listener = _listen(settings)
    try:
        async with assemble(service, settings) as assembly:
            await _serve(assembly, listener, stop)
    finally:
        listener.close()
        if tracing is not None:
            tracing.shutdown()
    log.info("service.stopped", service=service.name)


def _listen(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    return socket.create_server((settings.host, settings.port), family=family, backlog=2_048)


async def _serve(assembly: Assembly, listener: socket.socket, stop: asyncio.Event) -> None:
    server = _Server(
        uvicorn.Config(
            assembly.app,
            log_config=None,
            access_log=False,
            lifespan="off",
            server_header=False,
            timeout_graceful_shutdown=_HTTP_SECONDS,
        )
    )
    await assembly.start()
    serving = asyncio.create_task(server.serve([listener]), name="http")
    leave_to_stay()
    address = listener.getsockname()
    log.info("service.started", service=assembly.running.service.name, host=address[0], port=address[1])
    waiting = asyncio.create_task(stop.wait(), name="stop")
    await asyncio.wait({serving, waiting}, return_when=asyncio.FIRST_COMPLETED)
    log.info("service.stopping")
    assembly.stopping = True
    waiting.cancel()
    server.should_exit = True
    try:
        async with asyncio.timeout(STOP_SECONDS):
            await _finish(serving, assembly.stop)
    except TimeoutError:
        log.warning("service.stopped_late", seconds=STOP_SECONDS)


async def _finish(serving: asyncio.Task[None], stop: Callable[[], Awaitable[None]]) -> None:
    """Let the requests in hand be answered, then end what they lean on."""
    try:
        await serving
    finally:
        await stop()
