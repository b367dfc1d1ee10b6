"""The one clock of the system: the real time in UTC, plus what a demonstration has put it ahead.

Everything that asks what time it is asks a `Clock`; decisions are told the time and ask nobody.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import structlog

from kehu.errors import Invalid, Refused
from kehu.event_store import Connection

log = structlog.get_logger(__name__)

CHANNEL = "kehu_clock"
#: Seconds between looks at the database; what a lost notification costs at most.
POLL_SECONDS = 1.0
#: A look that takes longer is taken for a dead connection.
_TIMEOUT_SECONDS = 5.0
_BACKWARDS = "KE010"
READ = "SELECT ahead FROM event_store.clock"


class ClockCannotMove(Refused):
    """The system does not run in demonstration mode."""

    code = "clock-cannot-move"


class ClockGoesForward(Invalid):
    """Somebody asked for a time that is past."""

    code = "clock-goes-forward"


class Clock:
    """Tells the time that decisions are made at.

    Args:
        pool: connections with the service's own database role. `run` keeps one of them.

    """

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool
        self._ahead = timedelta(0)
        self._hint = asyncio.Event()
        self._listeners: list[Callable[[], None]] = []
        self.healthy = False

    def now(self) -> datetime:
        """The time now, aware, in UTC."""
        return datetime.now(UTC) + self._ahead

    def on_jump(self, listener: Callable[[], None]) -> None:
        """Have `listener` called whenever the clock has been moved: what waits for a time must look again."""
        self._listeners.append(listener)

    async def refresh(self) -> None:
        """Take the offset from the database now."""
        self._take(await self._pool.fetchval(READ))

    async def run(self) -> None:
        """Keep the offset fresh until cancelled: at once when told of a change, else within a second.

        Raises:
            asyncpg.PostgresError, OSError, TimeoutError: the connection was lost; run it again.

        """
        async with self._pool.acquire() as connection:
            await connection.add_listener(CHANNEL, self._told)
            try:
                while True:
                    self._hint.clear()
                    self._take(await connection.fetchval(READ, timeout=_TIMEOUT_SECONDS))
                    self.healthy = True
                    await _either(self._hint, POLL_SECONDS)
            finally:
                self.healthy = False
                # Whatever state it is in: nobody else gets a connection that still listens.
                connection.terminate()

    def _told(self, *_: object) -> None:
        self._hint.set()

    def _take(self, ahead: timedelta) -> None:
        if ahead == self._ahead:
            return
        log.warning("clock.moved", ahead=str(ahead))
        self._ahead = ahead
        for listener in self._listeners:
            listener()


async def advance(connection: Connection, by: timedelta, *, demonstration: bool) -> timedelta:
    """Move the clock of the whole system forward.

    Args:
        connection: with the role `kehu_owner`.
        by: how far; zero or more.
        demonstration: whether the system runs in demonstration mode (`Settings.demonstration`).

    Returns:
        How far it is ahead of the real time now.

    Raises:
        ClockCannotMove: not in demonstration mode.
        ClockGoesForward: `by` is negative.

    """
    if not demonstration:
        raise ClockCannotMove(
            "只有演示模式才能调整时钟。请以 KEHU_DEMONSTRATION=true 启动系统。",
            "The clock moves in demonstration mode only: start the system with KEHU_DEMONSTRATION=true.",
        )
    try:
        ahead: Any = await connection.fetchval("SELECT event_store.advance_clock($1)", by)
    except asyncpg.PostgresError as error:
        if getattr(error, "sqlstate", None) == _BACKWARDS:
            raise ClockGoesForward(
                f"时钟不能倒退({by})。请给出不小于零的时长。",
                f"The clock does not go back ({by}). Give a length of time of zero or more.",
            ) from None
        raise
    return ahead


async def _either(event: asyncio.Event, seconds: float) -> None:
    """Wait for the event, but no longer than that."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return
