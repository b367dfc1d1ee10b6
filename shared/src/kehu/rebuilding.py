"""`kehu rebuild VIEW`: fold a view anew beside the old one, compare them, and swap.

The service goes on meanwhile. Tables like the view's are made in the schema `<service>_rebuild` and filled from the
store in pages; at the end those who apply facts to the view wait for a moment, the last facts are folded, and the new
tables take the place of the old ones in one transaction.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass

import asyncpg
import structlog

from kehu.applying import apply_facts, digest, view_lock_to_swap
from kehu.errors import NotFound, Refused
from kehu.event_store import Connection, EventStore
from kehu.facts import START, Fact, Position, RecordedFact, StoredFact
from kehu.migrations import MIGRATION_LOCK
from kehu.parts import Running
from kehu.service import OWN_LOG, Service, View
from kehu.shadows import Shadow
from kehu.views import folds, view_cursor

log = structlog.get_logger(__name__)

#: Facts in one transaction; some 50 ms of work, while nobody's reading of the log is held back for long.
PAGE = 2_000
#: Published facts that the consumer has not applied yet are kept in memory; at 2 KB each this is 40 MB.
MOST_AHEAD = 20_000
#: How long a swap waits for a lock: readers and appliers queue behind it, and their transactions end after 5 s.
LOCK_MILLISECONDS = 1_000
#: What is folded under the swap's lock must not take longer, for the same reason.
SWAP_SECONDS = 2.0
#: How often a swap that takes too long is tried again.
SWAP_ATTEMPTS = 10
SWAP_PAUSE_SECONDS = 0.5

Progress = Callable[[int, int], None]
Consumed = Callable[[Sequence[str]], Awaitable[dict[str, int]]]


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What a rebuild came to. `same`: at the same place in the log the old rows and the new ones were equal."""

    view: str
    facts: int
    before: str
    after: str

    @property
    def same(self) -> bool:
        """Whether nothing changed."""
        return self.before == self.after


class RebuildRunning(Refused):
    """Somebody else is rebuilding this view."""

    code = "rebuild-running"


class ConsumerBehind(Refused):
    """Too many facts of the topic have not been consumed yet."""

    code = "consumer-behind"


class ProjectionFailed(Refused):
    """A projection raised; the old view stays as it is."""

    code = "projection-failed"


class SwapTimedOut(Refused):
    """The tables were in use for too long, or facts came too fast, again and again."""

    code = "swap-timed-out"


async def rebuild(
    running: Running, view_name: str, owner: asyncpg.Connection, progress: Progress | None = None
) -> Rebuilt:
    """Fold a view anew and swap it in; whatever goes wrong, the old one stays.

    Args:
        running: the parts of the service; its loops, and other processes of it, may run or not.
        view_name: which of its views.
        owner: a connection with the role `kehu_owner`, for this alone.
        progress: called with how many facts have been folded, and about how many there are.

    Raises:
        NotFound: the service has no such view.
        RebuildRunning: it is being rebuilt by somebody else.
        ProjectionFailed: naming the fact that the projection raised on.
        ConsumerBehind: try again when the consumer has caught up.
        SwapTimedOut: somebody keeps reading the tables for seconds.
        TypeError: the tables have what cannot be copied (foreign keys, triggers).

    """
    view = _find(running.service, view_name)
    async with _alone(owner, running.service, view):
        shadow = Shadow(owner, running.service, view)
        await shadow.create()
        try:
            work = _Rebuild(running, view, owner, shadow, progress or _silent)
            return await work.run()
        finally:
            await shadow.drop()


def _silent(_done: int, _total: int) -> None:
    return


def _find(service: Service, name: str) -> View:
    views: dict[str, View] = {view.name: view for view in service.each("views")}
    if name not in views:
        known = ", ".join(sorted(views))
        raise NotFound(
            f"{service.name} 没有视图 {name}。现有:{known}。", f"There is no view {name}; there are {known}."
        )
    return views[name]


@asynccontextmanager
async def _alone(owner: asyncpg.Connection, service: Service, view: View) -> AsyncGenerator[None]:
    name = f"rebuild {service.name}/{view.name}"
    if not await owner.fetchval("SELECT pg_try_advisory_lock(hashtextextended($1, 0))", name):
        raise RebuildRunning(
            f"视图 {view.name} 正在重建。请等待其完成。",
            f"The view {view.name} is being rebuilt already. Wait until that has ended.",
        )
    # A migration would change tables whose likeness is being filled.
    await owner.execute("SELECT pg_advisory_lock_shared($1)", MIGRATION_LOCK)
    try:
        yield
    finally:
        if not owner.is_closed():
            await owner.execute("SELECT pg_advisory_unlock_shared($1)", MIGRATION_LOCK)
            await owner.execute("SELECT pg_advisory_unlock(hashtextextended($1, 0))", name)


async def _end_of_log(owner: asyncpg.Connection, service: str) -> Position:
    """Where a service's log ends for its readers; so a pass through it ends too, however fast others append."""
    row = await owner.fetchrow(
        """
        SELECT tx::text::bigint AS tx, "position" FROM event_store.events
        WHERE service = $1 AND tx < pg_snapshot_xmin(pg_current_snapshot())
        ORDER BY events.tx DESC, "position" DESC LIMIT 1 -- the index events_log, backwards
        """,
        service,
    )
    return Position(row["tx"], row["position"]) if row else START


async def _up_to(end: Position, pages: AsyncGenerator[list[StoredFact]]) -> AsyncGenerator[list[StoredFact]]:
    """Pages without what stands behind `end`; none of them is empty."""
    async with aclosing(pages):
        async for page in pages:
            rows = page if page[-1].position <= end else [row for row in page if row.position <= end]
            if rows:
                yield rows
            if len(rows) < len(page):
                return


class _SwapTooLongError(Exception):
    """More facts came before the lock was held than can be folded under it."""


class _OwnLog:
    """The service's own log, as a view is folded from it."""

    def __init__(self, running: Running, view: View, owner: asyncpg.Connection) -> None:
        self._store = running.store
        self._service = running.service
        self._cursor = view_cursor(view.name)
        self._owner = owner
        self._at = START

    async def count(self) -> int:
        """About how many facts there are."""
        (row,) = await self._owner.fetch(
            "SELECT count(*) FROM event_store.events WHERE service = $1", self._service.name
        )
        return int(row[0])

    async def as_far_as_before(self) -> AsyncGenerator[list[StoredFact]]:
        """Pages up to where the old rows stand; within the transaction in which those were looked at."""
        row = await self._owner.fetchrow(
            f'SELECT tx, "position" FROM {self._service.schema}.view_cursors WHERE name = $1', self._cursor
        )
        async for rows in self._pages(Position(row["tx"], row["position"]) if row else START):
            yield rows

    async def rest(self) -> AsyncGenerator[list[StoredFact]]:
        """Pages up to the end of the log as it is now; the new rows may well be ahead of the old ones."""
        async for rows in self._pages(await _end_of_log(self._owner, self._service.name)):
            yield rows

    async def _pages(self, end: Position) -> AsyncGenerator[list[StoredFact]]:
        async for rows in _up_to(end, self._store.read_pages(self._at, PAGE)):
            self._at = rows[-1].position
            yield rows

    async def swapped(self) -> None:
        """Let the follower go on behind the new rows; in the swap's transaction."""
        await self._owner.execute(
            f"""
            INSERT INTO {self._service.schema}.view_cursors (name, tx, "position") VALUES ($1, $2, $3)
            ON CONFLICT (name) DO UPDATE SET tx = excluded.tx, "position" = excluded."position",
                                             stopped_at = NULL, stopped_by = NULL, error = NULL
            """,
            self._cursor,
            self._at.tx,
            self._at.position,
        )


class _Topic:
    """The published facts of another service, as far as the consumer of its topic has come (its inbox)."""

    def __init__(self, running: Running, view: View, owner: asyncpg.Connection) -> None:
        self._store: EventStore = running.store
        self._source = view.source
        self._types = [
            f"kehu.{fact.__name__}.v{version}" for fact in view.facts for version in range(1, fact.schema_version + 1)
        ]
        self._service = running.service.name
        #: As the consumer calls itself in its inbox (see kehu.parking).
        self._consumer = f"kehu.{running.service.name}"
        self._owner = owner
        self._at = START
        #: Read, and not consumed when it was last looked; and what is to be looked at again.
        self._ahead: list[StoredFact] = []
        self._again: list[StoredFact] = []

    async def count(self) -> int:
        """About how many facts there are."""
        (row,) = await self._owner.fetch(
            "SELECT count(*) FROM event_store.events WHERE service = $1 AND type = ANY ($2)", self._source, self._types
        )
        return int(row[0])

    async def as_far_as_before(self) -> AsyncGenerator[list[StoredFact]]:
        """Pages up to where the old rows stand; within the transaction in which those were looked at."""
        async for rows in self._pages(self._consumed_before):
            yield rows

    async def rest(self) -> AsyncGenerator[list[StoredFact]]:
        """Pages up to where the consumer is now. Under the swap's lock nothing is applied that these do not hold."""
        async for rows in self._pages(self._consumed_now):
            yield rows

    async def swapped(self) -> None:
        """Nothing to do: the inbox is where it was."""

    async def _consumed_before(self, streams: Sequence[str]) -> dict[str, int]:
        rows = await self._owner.fetch(
            "SELECT stream, sequence FROM event_store.inbox WHERE service = $1 AND consumer = $2 AND stream = ANY ($3)",
            self._service,
            self._consumer,
            streams,
        )
        return {row["stream"]: row["sequence"] for row in rows}

    async def _consumed_now(self, streams: Sequence[str]) -> dict[str, int]:
        found = await self._store.read_inbox([(self._consumer, stream) for stream in streams])
        return {stream: sequence for (_, stream), sequence in found.items()}

    async def _pages(self, consumed: Consumed) -> AsyncGenerator[list[StoredFact]]:
        end = await _end_of_log(self._owner, self._source)
        self._again, self._ahead = self._ahead + self._again, []
        while self._again:
            rows, self._again = self._again[:PAGE], self._again[PAGE:]
            yield await self._consumed_of(rows, consumed)
        pages = self._store.read_published_pages(self._source, self._types, self._at, PAGE)
        async for rows in _up_to(end, pages):
            self._at = rows[-1].position
            yield await self._consumed_of(rows, consumed)

    async def _consumed_of(self, rows: Sequence[StoredFact], consumed: Consumed) -> list[StoredFact]:
        """Those that the consumer has had; the others, and what is behind them under the same key, are kept."""
        inbox = await consumed(sorted({row.stream for row in rows}))
        if not self._ahead and all(row.sequence <= inbox.get(row.stream, 0) for row in rows if row.sequence):
            return list(rows)  # nearly always
        waiting = {row.key for row in self._ahead}
        done: list[StoredFact] = []
        for row in rows:
            if row.key in waiting or (row.sequence or 0) > inbox.get(row.stream, 0):
                waiting.add(row.key)
                self._ahead.append(row)
            else:
                done.append(row)
        if len(self._ahead) > MOST_AHEAD:
            raise ConsumerBehind(
                f"尚有 {MOST_AHEAD} 条以上来自 {self._source} 的事实未处理。请等待消费完成后再重建。",
                f"More than {MOST_AHEAD} facts of {self._source} are not consumed yet. Rebuild when they are.",
            )
        return done


class _Rebuild:
    """One rebuild, with its tables made and its view locked against a second one."""

    def __init__(
        self, running: Running, view: View, owner: asyncpg.Connection, shadow: Shadow, progress: Progress
    ) -> None:
        self._running = running
        self._service = running.service
        self._view = view
        self._owner = owner
        self._shadow = shadow
        self._progress = progress
        own = view.source in (OWN_LOG, running.service.name)
        self._source = _OwnLog(running, view, owner) if own else _Topic(running, view, owner)
        self._done = 0
        self._total = 0

    async def run(self) -> Rebuilt:
        """Fold, compare, catch up, swap."""
        # In one snapshot: the old rows, and the place in the log where they stand. It writes nothing, so no reader of
        # the log is held back, however long it takes.
        async with self._owner.transaction(isolation="repeatable_read", readonly=True):
            self._total = await self._source.count()
            before = await self._digest(self._service.schema)
            await self._fold(self._source.as_far_as_before())
        async with self._owner.transaction():
            after = await self._digest(self._service.rebuild_schema)
        left = self._done + 1
        # Until so little is left that appliers can wait for it, or facts come as fast as they are folded.
        while (folded := await self._fold(self._source.rest())) >= PAGE and folded < left:
            left = folded
        await self._shadow.analyze()
        await self._swap_patiently()
        rebuilt = Rebuilt(self._view.name, self._done, before, after)
        log.info("view.rebuilt", service=self._service.name, view=rebuilt.view, facts=rebuilt.facts, same=rebuilt.same)
        return rebuilt

    async def _digest(self, schema: str) -> str:
        await self._owner.execute(f"SET LOCAL search_path = {schema}")
        return await digest(self._owner, self._view)

    async def _fold(self, pages: AsyncGenerator[list[StoredFact]], seconds: float = math.inf) -> int:
        """Apply pages to the new tables, each in a transaction; how many facts there were.

        A page is read and decoded while the one before it is applied.

        Raises:
            _SwapTooLongError: after so many seconds; what is left comes with the next fold.

        """
        folded = 0
        end = time.monotonic() + seconds
        types = self._view.facts
        applying: asyncio.Task[None] | None = None
        async with self._running.pool.acquire() as connection:
            # For as long as it is ours: the pool resets what it gets back. The commit of the swap, which is durable,
            # comes after these in the write-ahead log.
            await connection.execute(f"SET search_path = {self._service.rebuild_schema}; SET synchronous_commit = off")
            try:
                async with aclosing(pages):
                    async for rows in pages:
                        facts = await self._running.codec.decode([row for row in rows if folds(types, row.type)])
                        if applying is not None:
                            await applying
                        applying = asyncio.create_task(self._apply_page(connection, facts, len(rows)))
                        folded += len(rows)
                        if time.monotonic() > end:
                            raise _SwapTooLongError
            finally:
                if applying is not None:
                    await applying
        return folded

    async def _apply_page(self, connection: Connection, facts: Sequence[RecordedFact[Fact]], rows: int) -> None:
        try:
            await self._apply(connection, facts)
        except (asyncpg.PostgresConnectionError, asyncpg.InterfaceError, OSError):
            raise
        except Exception as error:  # noqa: BLE001 - whatever a projection raises; the fact is looked for and named
            await self._name_the_fact(connection, facts, error)
        self._done += rows
        self._progress(self._done, max(self._done, self._total))

    async def _apply(self, connection: Connection, facts: Sequence[RecordedFact[Fact]]) -> None:
        async with connection.transaction():
            await apply_facts(connection, [self._view], facts, self._running.keyring.index_key)

    async def _name_the_fact(
        self, connection: Connection, facts: Sequence[RecordedFact[Fact]], error: Exception
    ) -> None:
        for fact in facts:
            try:
                await self._apply(connection, [fact])
            except Exception as its_own:
                raise ProjectionFailed(
                    f"视图 {self._view.name} 无法处理事实 {fact.id}。旧视图保持不变;请修正投影后再重建。",
                    f"The view {self._view.name} fails on the fact {fact.id}. The old one stays; mend the projection.",
                    fact=str(fact.id),
                    stream=fact.stream,
                ) from its_own
        raise error

    async def _swap_patiently(self) -> None:
        for _ in range(SWAP_ATTEMPTS):
            try:
                async with self._owner.transaction():
                    await self._swap()
            except (_SwapTooLongError, asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError) as error:
                log.warning("view.swap_again", view=self._view.name, why=type(error).__name__)
                await asyncio.sleep(SWAP_PAUSE_SECONDS)
                await self._fold(self._source.rest())
            else:
                return
        raise SwapTimedOut(
            f"视图 {self._view.name} 一直在使用或写入中,无法切换。请在业务较少时重建。",
            f"{self._view.name} is in use all the time, so it cannot be swapped: rebuild it at a quieter time.",
        )

    async def _swap(self) -> None:
        # Whoever waits for these tables, or for the view's lock, waits behind this transaction.
        await self._owner.execute(f"SET LOCAL lock_timeout = {LOCK_MILLISECONDS}")
        await view_lock_to_swap(self._owner, self._service.name, self._view.name)
        await self._fold(self._source.rest(), SWAP_SECONDS)
        await self._shadow.take_over()
        await self._source.swapped()
