"""Following a service's own log: its views, its reactions to its own facts, and the planning of its schedules.

Each of them has a cursor of its own, so one that cannot get past a fact stops alone; those that stand at the same
place share one pass. Rows and cursors are saved in one transaction: a crash at any point repeats nothing.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import lru_cache

import asyncpg
import structlog
from prometheus_client import Counter, Gauge

from kehu.applying import apply_facts, view_lock
from kehu.clock import Clock
from kehu.event_store import Conflict, Connection, EventStore
from kehu.facts import START, Fact, Position, StoredFact
from kehu.policies import Policies
from kehu.reacting import Reacting
from kehu.recording import Codec
from kehu.schedules import plan
from kehu.service import OWN_LOG, Reaction, Schedule, Service, View
from kehu.waiting import POLL_SECONDS, Pace

log = structlog.get_logger(__name__)

#: Facts in one transaction: more hold every reader of the log back for longer than they save.
PAGE = 500
#: A stopped view tries its fact again after as many seconds, doubled up to the second number.
_RETRY_SECONDS = (1.0, 60.0)
#: Answers of `folds` that are remembered: it is asked for every fact, and a system has some hundred types and views.
_TYPES_KEPT = 10_000
#: Seconds that a session may leave the leader without an answer before it gives way.
_SESSION_TIMEOUT_SECONDS = 5.0
#: Seconds between two notifications from one process: each takes a lock that all commits with one share.
_NOTIFY_GAP_SECONDS = 0.02

#: Faults of the infrastructure, not of a fact or a projection: everything waits and starts again.
_INFRASTRUCTURE = (
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # what is left of a connection that was lost in the middle of something
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
)

_LAG = Gauge("kehu_view_lag_seconds", "Age of the oldest own fact that a view does not show.", ["view"])
_STOPPED = Gauge("kehu_view_stopped", "1 while it cannot get past a fact: look at the log.", ["view"])
_FACTS = Counter("kehu_follower_facts", "Facts of the own log that were followed.")


@dataclass(slots=True)
class _Part:
    """Something that follows the log with a cursor of its own: one view, one reaction or one schedule."""

    name: str
    facts: tuple[type[Fact], ...]
    page: int
    view: View | None = None
    reaction: Reaction | None = None
    schedule: Schedule | None = None
    retry_at: float = 0.0
    pause: float = _RETRY_SECONDS[0]
    stopped: bool = False


class _CursorMovedError(Exception):
    """Somebody else has followed these facts: a second leader, or a rebuild that was swapped in."""


def _parts(service: Service) -> list[_Part]:
    parts = [
        _Part(view_cursor(view.name), view.facts, PAGE, view=view)
        for view in service.each("views")
        if view.source in (OWN_LOG, service.name)
    ]
    parts += [
        _Part(f"reaction/{reaction.name}", (reaction.on,), PAGE, reaction=reaction)
        for reaction in service.each("reactions")
        if reaction.source == service.name
    ]
    parts += [
        _Part(f"schedule/{schedule.kind}", tuple(schedule.planned_by), PAGE, schedule=schedule)
        for schedule in service.each("schedules")
    ]
    return parts


@lru_cache(_TYPES_KEPT)
def folds(facts: tuple[type[Fact], ...], type_name: str) -> bool:
    """Whether a type is among these facts, also in a version that this process does not know: it is never skipped."""
    return type_name.split(".")[1] in {fact.__name__ for fact in facts}


def view_cursor(view: str) -> str:
    """The name under which a view's cursor is kept."""
    return f"view/{view}"


class Follower:
    """Folds a service's own log into what is derived from it, in one process of the service at a time.

    Args:
        service: whose log, views, reactions and schedules.
        pool: connections with the service's role; `run` keeps one of them.
        store: its event store.
        codec: its facts.
        clock: the time at which reactions decide.
        policies: the data that they decide by.

    """

    def __init__(
        self, service: Service, pool: asyncpg.Pool, store: EventStore, codec: Codec, clock: Clock, policies: Policies
    ) -> None:
        self._service = service
        self._pool = pool
        self._store = store
        self._codec = codec
        self._clock = clock
        self._policies = policies
        self._reacting = Reacting(service.name, pool, store, codec)
        self._parts = _parts(service)
        self._channel = f"kehu_log_{service.schema}"
        self._pace = Pace()
        self._at: dict[str, Position] = {}
        self._progress = asyncio.Event()
        self._connected = False
        self.leading = False
        self.lag = 0.0

    @property
    def healthy(self) -> bool:
        """Whether it follows or stands by, and nothing that it leads has stopped."""
        return self._connected and not any(part.stopped for part in self._parts)

    @property
    def stopped(self) -> list[str]:
        """What cannot get past a fact, by cursor name; known in the process that leads."""
        return [part.name for part in self._parts if part.stopped]

    def wake(self) -> None:
        """There may be new facts: look at once, or let the process that leads do so."""
        self._pace.hint()

    async def run(self) -> None:
        """Lead, or stand by until the leader is gone; until cancelled.

        Raises:
            asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError: the connection was lost; run it
                again.

        """
        try:
            async with self._pool.acquire() as session:
                await self._serve(session)
        finally:
            self.leading = self._connected = False

    # --- leading -------------------------------------------------------------------------------------------------

    async def _serve(self, session: Connection) -> None:
        await session.add_listener(self._channel, self._told)
        try:
            self._connected = True
            await self._stand_by(session)
            self.leading = True
            log.info("follower.leads", service=self._service.name)
            await self._begin()
            while True:
                # A session that was cut off may have lost the lock without knowing.
                await session.execute("SELECT 1", timeout=_SESSION_TIMEOUT_SECONDS)
                if await self._round():
                    self._pace.found()
                else:
                    await self._pace.next()
        finally:
            # Whatever state it is in: nobody else gets a connection that still listens, or holds the lock.
            session.terminate()

    def _told(self, *_: object) -> None:
        self._pace.hint()

    async def _stand_by(self, session: Connection) -> None:
        """Wait for the lock, which is the session's; meanwhile pass hints on to whoever has it."""
        while not await session.fetchval(
            "SELECT pg_try_advisory_lock(hashtextextended('follower ' || $1, 0))",
            self._service.name,
            timeout=_SESSION_TIMEOUT_SECONDS,
        ):
            if await self._pace.next():
                await session.execute(f"NOTIFY {self._channel}")
                await asyncio.sleep(_NOTIFY_GAP_SECONDS)

    async def _begin(self) -> None:
        names = [part.name for part in self._parts]
        await self._pool.execute(
            "INSERT INTO view_cursors (name) SELECT unnest($1::text[]) ON CONFLICT DO NOTHING", names
        )
        await self._read_cursors()

    async def _read_cursors(self) -> None:
        rows = await self._pool.fetch('SELECT name, tx, "position" FROM view_cursors')
        found = {row["name"]: Position(row["tx"], row["position"]) for row in rows}
        for part in self._parts:
            if part.stopped and found.get(part.name) != self._at.get(part.name):
                self._go_on(part)  # a rebuild has taken it past the fact
        self._at = found

    async def _round(self) -> bool:
        """Take every part one page further, the hindmost first; whether any of them moved."""
        before = dict(self._at)
        places = self._places()
        for number, (at, parts) in enumerate(places):
            # A page ends where the next parts stand, so that those behind come up to them and share the next pass.
            until = next((place for place, _ in places[number + 1 :] if place > at), None)
            await self._advance(parts, at, until)
        if self._at == before:
            return False
        self._progress.set()
        self._progress = asyncio.Event()
        return True

    def _places(self) -> list[tuple[Position, list[_Part]]]:
        """The parts that may go on now, by where they stand; one that is feeling its way to a bad fact goes alone."""
        now = time.monotonic()
        places: dict[tuple[Position, str], list[_Part]] = {}
        for part in self._parts:
            if part.retry_at <= now:
                alone = part.name if part.page < PAGE else ""
                places.setdefault((self._at.get(part.name, START), alone), []).append(part)
        return [(at, parts) for (at, _), parts in sorted(places.items(), key=lambda place: place[0])]

    async def _advance(self, parts: Sequence[_Part], at: Position, until: Position | None) -> None:
        try:
            await self._pass(parts, at, until)
        except (_CursorMovedError, Conflict, asyncpg.TransactionRollbackError) as error:
            if not isinstance(error, _CursorMovedError):
                for part in parts:  # fewer facts at once meet fewer other writers
                    part.page = max(1, part.page // 2)
            log.info("follower.again", service=self._service.name, why=type(error).__name__)
            await self._read_cursors()
        except Exception as error:  # noqa: BLE001 - whatever a projection raises stops that projection, and only it
            if isinstance(error, _INFRASTRUCTURE):
                # A page that takes too long ends its connection as well; it is raised here if the database is away.
                await self._pool.execute("SELECT 1", timeout=_SESSION_TIMEOUT_SECONDS)
            if len(parts) > 1:
                for part in parts:
                    await self._advance([part], at, until)
            elif parts[0].page > 1:
                parts[0].page //= 2
            else:
                await self._stop(parts[0], at, error)

    async def _pass(self, parts: Sequence[_Part], at: Position, until: Position | None) -> None:
        """Apply one page to parts that stand at the same place, and save rows and cursors together."""
        rows = await self._store.read_log(at, min(part.page for part in parts))
        if until is not None:
            rows = [row for row in rows if row.position <= until]
        if not rows:
            self._measure(parts, rows)
            return
        facts = await self._codec.decode([row for row in rows if any(folds(part.facts, row.type) for part in parts)])
        reactions = [part.reaction for part in parts if part.reaction]
        now = self._clock.now()
        policies = await self._policies.in_force(now) if reactions else {}
        appends = await self._reacting.decide(reactions, facts, now, policies)
        end = rows[-1].position
        async with self._store.transaction() if appends else self._transaction() as connection:
            if appends and any(done.known for done in await self._store.append_together(connection, appends)):
                raise _CursorMovedError(parts[0].name)
            views = [part.view for part in parts if part.view]
            await view_lock(connection, self._service.name, *(view.name for view in views))
            await self._hold_cursors(connection, parts, at)
            await apply_facts(connection, views, facts, self._codec.index_key)
            await plan(connection, [part.schedule for part in parts if part.schedule], facts)
            await connection.execute(
                'UPDATE view_cursors SET tx = $2, "position" = $3, stopped_at = NULL, stopped_by = NULL, error = NULL'
                " WHERE name = ANY ($1)",
                [part.name for part in parts],
                end.tx,
                end.position,
            )
        self._moved(parts, end, rows)

    @asynccontextmanager
    async def _transaction(self) -> AsyncGenerator[Connection]:
        """One that appends nothing, so there is nobody to wake."""
        async with self._pool.acquire() as connection, connection.transaction():
            yield connection

    async def _hold_cursors(self, connection: Connection, parts: Sequence[_Part], at: Position) -> None:
        rows = await connection.fetch(
            'SELECT tx, "position" FROM view_cursors WHERE name = ANY ($1) ORDER BY name FOR UPDATE',
            [part.name for part in parts],
        )
        if len(rows) != len(parts) or any(Position(row["tx"], row["position"]) != at for row in rows):
            raise _CursorMovedError(", ".join(part.name for part in parts))

    def _moved(self, parts: Sequence[_Part], end: Position, rows: Sequence[StoredFact]) -> None:
        for part in parts:
            self._at[part.name] = end
            part.page = min(PAGE, part.page * 2)
            part.pause = _RETRY_SECONDS[0]
            if part.stopped:
                self._go_on(part)
        _FACTS.inc(len(rows))
        self._measure(parts, rows)

    def _go_on(self, part: _Part) -> None:
        part.stopped = False
        part.retry_at = 0.0
        _STOPPED.labels(part.name).set(0)
        log.info("view.goes_on", service=self._service.name, name=part.name)

    def _measure(self, parts: Sequence[_Part], rows: Sequence[StoredFact]) -> None:
        lag = max(0.0, time.time() - rows[-1].recorded_at.timestamp()) if rows else 0.0
        for part in parts:
            _LAG.labels(part.name).set(lag)
        self.lag = lag

    async def _stop(self, part: _Part, at: Position, error: Exception) -> None:
        """A projection that fails on a fact must not skip it: it stays in front of it, and everybody is told."""
        (row,) = await self._store.read_log(at, 1)
        part.stopped = True
        part.retry_at = time.monotonic() + part.pause
        part.pause = min(part.pause * 2, _RETRY_SECONDS[1])
        _STOPPED.labels(part.name).set(1)
        log.error(
            "view.stopped", service=self._service.name, name=part.name, fact=str(row.id), type=row.type, exc_info=error
        )
        await self._pool.execute(
            "UPDATE view_cursors SET stopped_at = coalesce(stopped_at, clock_timestamp()), stopped_by = $2, error = $3"
            " WHERE name = $1",
            part.name,
            row.id,
            type(error).__name__,
        )

    # --- asking --------------------------------------------------------------------------------------------------

    async def wait_for(self, position: Position, timeout: float, *, view: str | None = None) -> bool:  # noqa: ASYNC109 - the API's own limit
        """Wait until views have seen the log up to a place; in any process of the service.

        Args:
            position: of the fact that one wants to see, as `Commands.handle` returned it.
            timeout: seconds to wait at most.
            view: one view; None for all views of the own log that have not stopped.

        Returns:
            Whether they have.

        """
        end = time.monotonic() + timeout
        pause = 0.005
        while True:
            progress = self._progress
            if await self._seen(view) >= position:
                return True
            left = end - time.monotonic()
            if left <= 0:
                return False
            try:
                async with asyncio.timeout(min(left, POLL_SECONDS if self.leading else pause)):
                    await progress.wait()
            except TimeoutError:
                pause = min(pause * 2, 0.1)

    async def _seen(self, view: str | None) -> Position:
        wanted = [part.name for part in self._parts if part.view and view in (None, part.view.name)]
        stopped = set(self.stopped)
        at = self._at
        if not self.leading:
            rows = await self._pool.fetch(
                'SELECT name, tx, "position", stopped_at FROM view_cursors WHERE name = ANY ($1)', wanted
            )
            at = {row["name"]: Position(row["tx"], row["position"]) for row in rows}
            stopped = {row["name"] for row in rows if row["stopped_at"]}
        if view is None:
            wanted = [name for name in wanted if name not in stopped]
        return min((at.get(name, START) for name in wanted), default=_END if view is None else START)


#: Where everything has been seen that there will ever be.
_END = Position(2**63 - 1, 2**63 - 1)
