"""Work that falls due: planned by facts of the own log, fired once, whichever process gets to it first.

Firing appends and takes the item off the list in one transaction, and the ids of what it appends follow from the fact
that planned it: a second firing, after whatever crash, changes nothing.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
import structlog
from prometheus_client import Counter

from kehu.clock import Clock
from kehu.commands import Commands, first_of_its_stream, record_derived
from kehu.deciding import Context, system_actor
from kehu.event_store import Append, Conflict, Connection, EventStore
from kehu.facts import Fact, RecordedFact
from kehu.metrics import SCHEDULE_LATENESS
from kehu.policies import Policies
from kehu.recording import Codec, Origin
from kehu.service import Done, Due, Schedule, Service
from kehu.waiting import Pace

log = structlog.get_logger(__name__)

#: Items taken at once; a worker that dies leaves as many to wait for the end of their lease.
BATCH = 50
#: How many of them are fired at once: as many as leave connections for others.
CONCURRENT = 4
#: A worker has an item for so long; firing takes milliseconds, and no transaction may last longer than 5 s.
LEASE_SECONDS = 30
#: Seconds until an item whose firing failed is tried again, times 2 for every failure, at most an hour.
RETRY_SECONDS = 1
_MAX_RETRY_DOUBLINGS = 12
#: The longest of both, and a minute by which the database's clock may be set right without anybody's lease being lost.
LONGEST_LEASE_SECONDS = RETRY_SECONDS * 2**_MAX_RETRY_DOUBLINGS + 60

_PLAN = """
INSERT INTO schedules (kind, key, due_at, planned_by) VALUES ($1, $2, $3, $4)
ON CONFLICT (kind, key) DO UPDATE
SET due_at = excluded.due_at, planned_by = excluded.planned_by, leased_until = NULL, failures = 0
"""
_DONE = "DELETE FROM schedules WHERE kind = $1 AND key = $2"
# Uses schedules_due. Leases run in the database's real time, whatever the policy's clock is told. One that lasts longer
# than any was given while that time was wrong: nobody waits for it.
_LEASE = """
UPDATE schedules SET leased_until = clock_timestamp() + make_interval(secs => $4)
WHERE (kind, key) IN (
    SELECT kind, key FROM schedules
    WHERE due_at <= $1 AND kind = ANY ($2) AND (
        leased_until IS NULL
        OR leased_until NOT BETWEEN clock_timestamp() AND clock_timestamp() + make_interval(secs => $5))
    ORDER BY due_at LIMIT $3 FOR UPDATE SKIP LOCKED
)
RETURNING kind, key, due_at, planned_by, failures
"""
_FIRED = "DELETE FROM schedules WHERE kind = $1 AND key = $2 AND due_at = $3 AND planned_by = $4 RETURNING 1"
_FAILED = """
UPDATE schedules SET failures = failures + 1, leased_until = clock_timestamp() + make_interval(secs => $5)
WHERE kind = $1 AND key = $2 AND due_at = $3 AND planned_by = $4
"""
_GIVEN_BACK = """
UPDATE schedules SET leased_until = NULL WHERE kind = $1 AND key = $2 AND due_at = $3 AND planned_by = $4
"""
_OLDEST = "SELECT min(due_at) FROM schedules WHERE due_at <= $1 AND kind = ANY ($2)"

_ITEMS = Counter("kehu_schedule_items", "Due items by what became of them.", ["kind", "outcome"])


async def plan(connection: Connection, schedules: Sequence[Schedule], facts: Sequence[RecordedFact[Fact]]) -> None:
    """Put on the list, or take off it, what facts of the own log say; within the follower's transaction.

    Args:
        connection: with the list on its search path.
        schedules: which of them plan.
        facts: in order; the last word on a key counts.

    """
    last: dict[tuple[str, str], tuple[datetime, UUID] | None] = {}
    for recorded in facts:
        for schedule in schedules:
            planned = schedule.planned_by.get(type(recorded.fact), _nothing)(recorded)
            if isinstance(planned, Due):
                last[schedule.kind, planned.key] = (planned.at, recorded.id)
            elif isinstance(planned, Done):
                last[schedule.kind, planned.key] = None
    gone = [item for item, due in last.items() if due is None]
    due = [(*item, *due) for item, due in last.items() if due is not None]
    if gone:
        await connection.executemany(_DONE, gone)
    if due:
        await connection.executemany(_PLAN, due)


def _nothing(_: RecordedFact[Any]) -> None:
    return None


@dataclass(frozen=True, slots=True)
class Item:
    """A due item that this worker has for now."""

    kind: str
    key: str
    due_at: datetime
    planned_by: UUID
    failures: int

    @property
    def identity(self) -> tuple[str, str, datetime, UUID]:
        """What tells it from another item planned for the same key meanwhile."""
        return self.kind, self.key, self.due_at, self.planned_by


class _ItemChangedError(Exception):
    """It was planned anew or taken off the list meanwhile; what this worker decided does not count."""


class Scheduler:
    """Fires what is due, as one of any number of workers.

    Args:
        service: whose schedules.
        pool: connections with the service's role.
        store: its event store.
        codec: its facts.
        clock: by which things fall due.
        policies: the data that firing decides by.

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
        self._commands = Commands(store, codec)
        self._schedules: dict[str, Schedule] = {schedule.kind: schedule for schedule in service.each("schedules")}
        self._pace = Pace()
        self._unwell_until = 0.0
        clock.on_jump(self.wake)

    @property
    def healthy(self) -> bool:
        """Whether nothing has failed to fire lately."""
        return time.monotonic() >= self._unwell_until

    def wake(self) -> None:
        """Something may have fallen due."""
        self._pace.hint()

    async def run(self) -> None:
        """Fire what falls due, until cancelled.

        Raises:
            asyncpg.PostgresError, asyncpg.InterfaceError, OSError: the database is away; run it again.

        """
        while self._schedules:
            if not await self.fire_due():
                await self._pace.next()

    async def fire_due(self) -> int:
        """Take some of what is due now and fire it.

        Returns:
            How many items it took; 0 when nothing is due that another worker does not have.

        """
        now = self._clock.now()
        rows = await self._pool.fetch(_LEASE, now, list(self._schedules), BATCH, LEASE_SECONDS, LONGEST_LEASE_SECONDS)
        await self._measure(now)
        items = sorted((Item(*row) for row in rows), key=lambda item: item.due_at)
        turn = asyncio.Semaphore(CONCURRENT)
        async with asyncio.TaskGroup() as group:
            for item in items:
                group.create_task(self._take_turn(item, turn))
        return len(items)

    async def _take_turn(self, item: Item, turn: asyncio.Semaphore) -> None:
        async with turn:
            try:
                outcome = await self._fire(item)
            except (Conflict, _ItemChangedError):
                # Somebody wrote to the stream, or planned anew: what is due then is decided from what is then true.
                await self._pool.execute(_GIVEN_BACK, *item.identity)
                outcome = "again"
            except Exception as error:  # noqa: BLE001 - one item that fails must not keep the others waiting
                await self._note_failure(item, error)
                outcome = "failed"
        _ITEMS.labels(item.kind, outcome).inc()

    async def _fire(self, item: Item) -> str:
        schedule = self._schedules[item.kind]
        stream_id = schedule.stream_id(item.key)
        stream = schedule.category.stream(stream_id)
        history = await self._commands.history(schedule.category, stream_id)
        state = schedule.category.fold([recorded.fact for recorded in history])
        now = self._clock.now()
        actor = system_actor(self._service.name, f"schedule:{item.kind}")
        context = Context(actor, now, await self._policies.in_force(now))
        decision = schedule.fire(item.key, item.due_at, state, context)
        facts = await record_derived(
            self._codec,
            stream,
            decision.facts,
            item.planned_by,
            f"schedule:{item.kind}",
            Origin(actor.id, now, _correlation(history, item), item.planned_by),
        )
        key = first_of_its_stream(decision.facts[0], stream) if decision.facts else stream_id
        version = history[-1].version if history else 0
        async with self._store.transaction() as connection:
            await self._store.append_together(connection, [Append(stream, version, key, facts, decision.claims)])
            if not await connection.fetchval(_FIRED, *item.identity):
                raise _ItemChangedError
        return "fired" if facts else "nothing-to-do"

    async def _note_failure(self, item: Item, error: Exception) -> None:
        pause = RETRY_SECONDS * 2 ** min(item.failures, _MAX_RETRY_DOUBLINGS)
        self._unwell_until = time.monotonic() + pause
        log.error(
            "schedule.failed",
            service=self._service.name,
            kind=item.kind,
            planned_by=str(item.planned_by),
            failures=item.failures + 1,
            retry_seconds=pause,
            exc_info=error,
        )
        await self._pool.execute(_FAILED, *item.identity, pause)

    async def _measure(self, now: datetime) -> None:
        oldest: datetime | None = await self._pool.fetchval(_OLDEST, now, list(self._schedules))
        SCHEDULE_LATENESS.set((now - oldest).total_seconds() if oldest else 0.0)


def _correlation(history: Sequence[RecordedFact[Fact]], item: Item) -> UUID:
    """That of the fact which planned it, where it stands on the same stream; else that fact's id."""
    return next((fact.correlation for fact in history if fact.id == item.planned_by), item.planned_by)
