"""The event store as a service sees it: append, read, and a queue that makes one call of many concurrent appends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import asyncpg
import structlog

from kehu.event_store.appending import (
    MAX_STREAMS_PER_CALL,
    Append,
    Appended,
    Connection,
    InboxMove,
    Outcome,
    call_append,
    check_size,
)
from kehu.facts import Position, StoredFact

log = structlog.get_logger(__name__)

#: More facts than this in one coalesced call make the others wait longer than they gain.
MAX_FACTS_PER_CALL = 2_000
#: Calls in flight at once: one that waits for a slow stream does not hold back the rest of the queue.
CONCURRENT_CALLS = 4


def _fail(batch: Sequence[tuple[Append, asyncio.Future[Outcome]]], error: Exception) -> None:
    for _, future in batch:
        if not future.done():
            future.set_exception(error)


#: What `StoredFact._make` does, in half of its time.
_new = tuple.__new__


class EventStore:
    """Appends to and reads from the streams of one service.

    Args:
        pool: connections with the service's own database role.
        wake: called after every commit that appended facts, so that relay and followers need not wait for their poll.

    """

    def __init__(self, pool: asyncpg.Pool, wake: Callable[[], None] = lambda: None) -> None:
        self._pool = pool
        self._wake = wake
        self._queue: list[tuple[Append, asyncio.Future[Outcome]]] = []
        self._workers: set[asyncio.Task[None]] = set()
        self._working = 0

    # --- appending -----------------------------------------------------------------------------------------------

    async def append(self, append: Append) -> Appended:
        """Append to one stream, in one database call with whatever else is being appended at the moment.

        Raises:
            Conflict: the stream is not at the expected version.
            Taken: another holder has one of the claims.
            FactTooLarge: a fact is over 256 KiB.

        """
        check_size(append)
        if not self._working:
            outcome = await self._append_alone(append)
        else:
            outcome = await self._append_queued(append)
        if isinstance(outcome, Appended):
            return outcome
        raise outcome

    async def _append_alone(self, append: Append) -> Outcome:
        """Nothing is under way: no queue, and no task of its own."""
        self._working += 1
        try:
            async with self._pool.acquire() as connection:
                (outcome,) = await call_append(connection, [append])
        finally:
            self._working -= 1
        self._wake()
        return outcome

    async def _append_queued(self, append: Append) -> Outcome:
        future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._queue.append((append, future))
        self._start_worker()
        return await future

    async def append_together(
        self, connection: Connection, appends: Sequence[Append], moves: Sequence[InboxMove] = ()
    ) -> list[Appended]:
        """Append to several streams, all or none, as the first write of the caller's transaction on `connection`.

        Raises:
            Conflict, Taken: the first append that could not be done; the caller's transaction must be rolled back,
                which leaving its block by this exception does.
            InboxMoved: another consumer was faster; same.

        """
        for append in appends:
            check_size(append)
        outcomes = await call_append(connection, appends, moves)
        done: list[Appended] = []
        for outcome in outcomes:
            if not isinstance(outcome, Appended):
                raise outcome
            done.append(outcome)
        return done

    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator[Connection]:
        """A transaction whose first write is to be `append_together`; wakes the relay once it has committed."""
        async with self._pool.acquire() as connection, connection.transaction():
            yield connection
        self._wake()

    def _start_worker(self) -> None:
        if self._working < CONCURRENT_CALLS:
            self._working += 1
            worker = asyncio.create_task(self._work(), name="event-store-append")
            self._workers.add(worker)
            worker.add_done_callback(self._workers.discard)

    async def _work(self) -> None:
        """Carry out what is queued until nothing is.

        It sees the queue empty and stops counting as a worker in one step of the event loop: an append that comes
        later starts a new one, so none is left behind without a worker.
        """
        batch: list[tuple[Append, asyncio.Future[Outcome]]] = []
        try:
            while batch := self._take_batch():
                try:
                    await self._carry_out(batch)
                except Exception as error:  # noqa: BLE001 - handed to the appends' own callers
                    _fail(batch, error)
        finally:
            self._working -= 1
            for _, future in batch:  # left only when this worker was cancelled
                future.cancel()

    def _take_batch(self) -> list[tuple[Append, asyncio.Future[Outcome]]]:
        """What goes into the next call: in order, one append per stream and claim; the rest waits its turn."""
        batch: list[tuple[Append, asyncio.Future[Outcome]]] = []
        left: list[tuple[Append, asyncio.Future[Outcome]]] = []
        used: set[tuple[str, ...]] = set()
        facts = 0
        for entry in self._queue:
            append, future = entry
            if future.done():  # its caller was cancelled while it waited
                continue
            wanted: set[tuple[str, ...]] = {(append.stream,)}
            wanted.update((claim.scope, claim.value) for claim in append.claims)
            full = len(batch) >= MAX_STREAMS_PER_CALL or (batch and facts + len(append.facts) > MAX_FACTS_PER_CALL)
            if full or not used.isdisjoint(wanted):
                left.append(entry)
            else:
                batch.append(entry)
                facts += len(append.facts)
            used |= wanted  # later ones of the same stream wait behind this one, whichever call it goes into
        self._queue = left
        return batch

    async def _carry_out(self, batch: list[tuple[Append, asyncio.Future[Outcome]]]) -> None:
        appends = [append for append, _ in batch]
        async with self._pool.acquire() as connection:
            try:
                # A single statement is its own transaction: no round trips for BEGIN and COMMIT.
                outcomes = await call_append(connection, appends)
            except asyncpg.PostgresError as error:
                if len(batch) == 1 or connection.is_closed():
                    raise
                log.warning("append.call_failed", appends=len(batch), error=type(error).__name__)
                outcomes = None
        if outcomes is None:
            await self._one_by_one(batch)
            return
        for (_, future), outcome in zip(batch, outcomes, strict=True):
            if not future.done():
                future.set_result(outcome)
        self._wake()

    async def _one_by_one(self, batch: list[tuple[Append, asyncio.Future[Outcome]]]) -> None:
        """One bad append must not fail its neighbours: each gets a call, and an error, of its own."""
        for append, future in batch:
            try:
                async with self._pool.acquire() as connection:
                    (outcome,) = await call_append(connection, [append])
            except Exception as error:  # noqa: BLE001 - handed to the append's own caller
                if not future.done():
                    future.set_exception(error)
            else:
                if not future.done():
                    future.set_result(outcome)
        self._wake()

    # --- reading -------------------------------------------------------------------------------------------------

    async def read_stream(self, stream: str, after: int = 0) -> list[StoredFact]:
        """The facts of one of the service's own streams after version `after`, in order."""
        return (await self.read_streams({stream: after}))[stream]

    async def read_streams(self, streams: Mapping[str, int]) -> dict[str, list[StoredFact]]:
        """The facts of several of the service's own streams, each after the version given for it."""
        rows = await self._pool.fetch(
            "SELECT * FROM event_store.read_streams($1, $2)", list(streams), list(streams.values())
        )
        found: dict[str, list[StoredFact]] = {stream: [] for stream in streams}
        for row in rows:
            found[row["stream"]].append(_new(StoredFact, row))
        return found

    async def read_log(
        self, after: Position, limit: int, *, only_published: bool = False, connection: Connection | None = None
    ) -> list[StoredFact]:
        """A page of the service's own log after a position, in the one order in which nothing is ever skipped."""
        rows = await (connection or self._pool).fetch(
            "SELECT * FROM event_store.read_log($1, $2, $3, $4)", after.tx, after.position, limit, only_published
        )
        return [_new(StoredFact, row) for row in rows]

    def read_pages(self, after: Position, limit: int) -> AsyncGenerator[list[StoredFact]]:
        """Page after page of the service's own log, to its end; while the caller works at one, the next is fetched.

        Close it (`contextlib.aclosing`) when leaving it early: it holds a connection.
        """
        return self._pages(after, lambda at, connection: self.read_log(at, limit, connection=connection))

    def read_published_pages(
        self, service: str, types: Sequence[str], after: Position, limit: int
    ) -> AsyncGenerator[list[StoredFact]]:
        """The same of another service's published facts, of types that this service subscribes to."""
        return self._pages(
            after, lambda at, connection: self.read_published(service, types, at, limit, connection=connection)
        )

    async def _pages(
        self, after: Position, read: Callable[[Position, Connection], Coroutine[Any, Any, list[StoredFact]]]
    ) -> AsyncGenerator[list[StoredFact]]:
        async with self._pool.acquire() as connection:
            page = await read(after, connection)
            while page:
                following = asyncio.create_task(read(page[-1].position, connection))
                try:
                    await asyncio.sleep(0)  # so that the question is on its way before the caller starts to work
                    yield page
                    page = await following
                finally:
                    if not following.done():
                        following.cancel()
                        await asyncio.wait([following])

    async def read_published(
        self, service: str, types: Sequence[str], after: Position, limit: int, *, connection: Connection | None = None
    ) -> list[StoredFact]:
        """A page of another service's published facts, of types that this service subscribes to."""
        rows = await (connection or self._pool).fetch(
            "SELECT * FROM event_store.read_published($1, $2, $3, $4, $5)",
            service,
            list(types),
            after.tx,
            after.position,
            limit,
        )
        return [_new(StoredFact, row) for row in rows]

    async def read_fact(self, fact: UUID) -> StoredFact | None:
        """One fact of the service's own log; None where it has none of this id."""
        row = await self._pool.fetchrow("SELECT * FROM event_store.read_fact($1)", fact)
        return None if row is None else _new(StoredFact, row)

    async def read_inbox(self, wanted: Sequence[tuple[str, str]]) -> dict[tuple[str, str], int]:
        """The last sequence per (consumer, stream); 0 where there is none yet."""
        rows = await self._pool.fetch(
            "SELECT consumer, stream, sequence FROM event_store.read_inbox($1, $2)",
            [consumer for consumer, _ in wanted],
            [stream for _, stream in wanted],
        )
        found = dict.fromkeys(wanted, 0)
        found.update({(row["consumer"], row["stream"]): row["sequence"] for row in rows})
        return found

    async def read_claim(self, scope: str, value: str) -> asyncpg.Record | None:
        """Who holds a value: `holder`, `digest`, `answer` (JSON text); None when nobody does."""
        return await self._pool.fetchrow(
            "SELECT holder, digest, answer FROM event_store.read_claim($1, $2)", scope, value
        )

    async def read_claims(self, scope: str, values: Sequence[str]) -> dict[str, str]:
        """The holders of those of many values that somebody holds, by value."""
        rows = await self._pool.fetch("SELECT value, holder FROM event_store.read_claims($1, $2)", scope, list(values))
        return {row["value"]: row["holder"] for row in rows}
