"""The rows of the table that need PostgreSQL only: append and read, against eventsourcing and plain SQL.

Against eventsourcing both sides go from an object of the domain to a committed row, and from the log back to objects,
as their users do, with the same in every event: what happened, who did it, when, in answer to which request. Against
plain SQL only the store is measured, with rows that are ready.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import asyncpg
from bench import Row
from eventsourcing.application import Application
from eventsourcing.domain import Aggregate, event
from eventsourcing.persistence import JSONTranscoder, Transcoding

from kehu.calendar import Month
from kehu.contracts.customers import ContractVolumeReported
from kehu.event_store import Append, EventStore, NewFact
from kehu.facts import START, FactTypes
from kehu.ids import new_id
from kehu.parts import open_store_pool
from kehu.privacy import Keyring
from kehu.recording import Codec, Origin, Unrecorded
from kehu.settings import OWNER_ROLE, Settings
from kehu.testing.pair import MAKER, THING

DATA = '{"customer":"0199c0de-0000-7000-8000-000000000000","month":"2026-10","amount_fen":512345678,"late":false}'
WHEN = datetime(2026, 11, 1, tzinfo=UTC)
SINGLES = 400
CONCURRENT = 4_000
BATCHES = 80
BATCH = 100
READ_PAGE = 2_000
READ_TOTAL = 60_000
#: As many connections for the peers as for us, also where the requests are more.
CONNECTIONS = 16

PLAIN = """
CREATE TABLE IF NOT EXISTS bench_plain (
    position bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, stream text NOT NULL, version bigint NOT NULL,
    id uuid NOT NULL UNIQUE, type text NOT NULL, data json NOT NULL, actor text NOT NULL,
    occurred_at timestamptz NOT NULL, recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    UNIQUE (stream, version))
"""
INSERT = (
    "INSERT INTO bench_plain (stream, version, id, type, data, actor, occurred_at) VALUES ($1, $2, $3, $4, $5, $6, $7)"
)
UNNEST = """
INSERT INTO bench_plain (stream, version, id, type, data, actor, occurred_at)
SELECT * FROM unnest($1::text[], $2::bigint[], $3::uuid[], $4::text[], $5::text[]::json[], $6::text[],
                     $7::timestamptz[])
"""


def new_fact() -> NewFact:
    """One fact of ordinary size."""
    return NewFact(new_id(), "kehu.ContractVolumeReported.v1", 1, DATA, "{}", "u-1", new_id(), WHEN, published=True)


def report() -> ContractVolumeReported:
    """The same as a fact of the domain."""
    return ContractVolumeReported(customer=str(new_id()), month=Month(2026, 10), amount_fen=512_345_678)


class Volumes(Aggregate):
    """The same as an aggregate of eventsourcing: its creation is the first event. Each carries its envelope too."""

    def __init__(
        self,
        customer: str,
        month: Month,
        amount_fen: int,
        department: str | None,
        late: bool,  # noqa: FBT001 - a field of the event
        reference: str | None,
        actor: str,
        correlation: UUID,
        occurred_at: datetime,
    ) -> None:
        self.last = customer, month, amount_fen, department, late, reference, actor, correlation, occurred_at

    @event("Reported")
    def report(
        self,
        customer: str,
        month: Month,
        amount_fen: int,
        department: str | None,
        late: bool,  # noqa: FBT001 - a field of the event
        reference: str | None,
        actor: str,
        correlation: UUID,
        occurred_at: datetime,
    ) -> None:
        """A further event."""
        self.last = customer, month, amount_fen, department, late, reference, actor, correlation, occurred_at


class MonthAsText(Transcoding):
    """How eventsourcing stores a value type: its documentation has one of these for each."""

    type = Month
    name = "month"

    def encode(self, obj: Month) -> str:
        """Write it as Kehu does."""
        return str(obj)

    def decode(self, data: str) -> Month:
        """Read it as Kehu does."""
        return Month.parse(data)


class Reports(Application[UUID]):
    """The peer's application."""

    def register_transcodings(self, transcoder: JSONTranscoder) -> None:
        """Add the domain's value type to those that eventsourcing has."""
        super().register_transcodings(transcoder)
        transcoder.register(MonthAsText())


def peer_report() -> tuple[Any, ...]:
    """What `report` and its `Origin` say, for `Volumes`."""
    return str(new_id()), Month(2026, 10), 512_345_678, None, False, None, "u-1", new_id(), WHEN


def plain_row(version: int = 1) -> tuple[Any, ...]:
    """The same as a row of the plain table."""
    return f"volumes-{new_id()}", version, new_id(), "kehu.ContractVolumeReported.v1", DATA, "u-1", WHEN


async def leave_as_is(_connection: Any) -> None:
    """No round trip to reset a connection of the peers either."""


async def shared_out(total: int, workers: int, work: Callable[[int], Coroutine[Any, Any, None]]) -> float:
    """Have `workers` do `total` operations, each its share; operations a second."""
    started = time.perf_counter()
    await asyncio.gather(*(work(total // workers) for _ in range(workers)))
    return total / (time.perf_counter() - started)


class StoreRows:
    """Measures the store of one service against peers on the same server.

    Args:
        settings: of a database migrated with the pair.

    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    async def open(self) -> None:
        """Connect, and make the peers' tables."""
        self._pool = await open_store_pool(MAKER, self._settings)
        self._owner = await asyncpg.create_pool(
            **self._settings.connection(OWNER_ROLE), min_size=CONNECTIONS, max_size=CONNECTIONS, reset=leave_as_is
        )
        await self._owner.execute(PLAIN)
        self._store = EventStore(self._pool)
        where = self._settings.connection(OWNER_ROLE)
        self._application = Reports(
            env={
                "PERSISTENCE_MODULE": "eventsourcing.postgres",
                "POSTGRES_DBNAME": where["database"],
                "POSTGRES_HOST": where["host"],
                "POSTGRES_PORT": str(where["port"]),
                "POSTGRES_USER": where["user"],
                "POSTGRES_PASSWORD": where["password"],
                "POSTGRES_POOL_SIZE": str(CONNECTIONS),
                "POSTGRES_MAX_WAITING": "1000",
            }
        )
        self._codec = Codec(FactTypes([ContractVolumeReported]), Keyring(self._pool, self._settings.master_key()))
        self._threads = ThreadPoolExecutor(256)

    async def close(self) -> None:
        """Let go of everything."""
        self._threads.shutdown()
        self._application.close()
        await self._pool.close()
        await self._owner.close()

    # --- ours ---------------------------------------------------------------------------------------------------------

    def _append(self, facts: int) -> Append:
        return Append(THING.stream(str(new_id())), 0, "k", [new_fact() for _ in range(facts)])

    async def append(self, total: int, workers: int, batch: int = 1) -> float:
        """`workers` append `batch` facts at a time until `total` facts are in."""

        async def work(share: int) -> None:
            for _ in range(share):
                await self._store.append(self._append(batch))

        return batch * await shared_out(total // batch, workers, work)

    async def read(self) -> float:
        """Page through the log from its beginning."""
        started, read = time.perf_counter(), 0
        async with aclosing(self._store.read_pages(START, READ_PAGE)) as pages:
            async for rows in pages:
                read += len(rows)
                if read >= READ_TOTAL:
                    break
        return read / (time.perf_counter() - started)

    async def record(self, total: int, workers: int, batch: int = 1) -> float:
        """The same from facts of the domain: validated, sealed where personal, with their envelopes."""

        async def work(share: int) -> None:
            for _ in range(share):
                stream = THING.stream(str(new_id()))
                origin = Origin("u-1", WHEN, new_id())
                facts = await self._codec.encode([Unrecorded(report(), stream, new_id(), origin) for _ in range(batch)])
                await self._store.append(Append(stream, 0, "k", facts))

        return batch * await shared_out(total // batch, workers, work)

    async def recall(self) -> float:
        """Read the log from its beginning, back to facts of the domain, as a rebuild does."""
        started, read = time.perf_counter(), 0
        async with aclosing(self._store.read_pages(START, READ_PAGE)) as pages:
            async for rows in pages:
                read += len(await self._codec.decode(rows))
                if read >= READ_TOTAL:
                    break
        return read / (time.perf_counter() - started)

    # --- eventsourcing ------------------------------------------------------------------------------------------------

    async def eventsourcing_record(self, total: int, workers: int, batch: int = 1) -> float:
        """The same with eventsourcing's application, one thread a worker (it is synchronous)."""

        def save(share: int) -> None:
            for _ in range(share):
                volumes = Volumes(*peer_report())
                for _ in range(batch - 1):
                    volumes.report(*peer_report())
                self._application.save(volumes)

        async def work(share: int) -> None:
            await asyncio.get_running_loop().run_in_executor(self._threads, save, share)

        return batch * await shared_out(total // batch, workers, work)

    async def eventsourcing_recall(self) -> float:
        """Read its notification log from the beginning, back to domain events."""

        def read_all() -> int:
            read, start = 0, 1
            while read < READ_TOTAL and (rows := self._application.recorder.select_notifications(start, READ_PAGE)):
                for row in rows:
                    self._application.mapper.to_domain_event(row)
                read, start = read + len(rows), int(rows[-1].id) + 1
            return read

        started = time.perf_counter()
        read = await asyncio.get_running_loop().run_in_executor(self._threads, read_all)
        return read / (time.perf_counter() - started)

    # --- plain SQL ----------------------------------------------------------------------------------------------------

    async def plain_append(self, total: int, workers: int) -> float:
        """One INSERT per request through a pool of 16 connections."""

        async def work(share: int) -> None:
            for _ in range(share):
                await self._owner.execute(INSERT, *plain_row())

        return await shared_out(total, workers, work)

    async def plain_unnest(self, total: int, workers: int) -> float:
        """One INSERT … SELECT unnest per batch."""

        async def work(share: int) -> None:
            for _ in range(share):
                await self._owner.execute(UNNEST, *map(list, zip(*(plain_row() for _ in range(BATCH)), strict=True)))

        return BATCH * await shared_out(total // BATCH, workers, work)

    async def plain_read(self) -> float:
        """Page through the plain table by its primary key."""
        started, read, after = time.perf_counter(), 0, 0
        while read < READ_TOTAL and (
            rows := await self._owner.fetch(
                "SELECT * FROM bench_plain WHERE position > $1 ORDER BY position LIMIT $2", after, READ_PAGE
            )
        ):
            read, after = read + len(rows), rows[-1]["position"]
        return read / (time.perf_counter() - started)

    def rows(self) -> list[Row]:
        """The rows, with the gates of the product's quality page."""
        batches = BATCHES * BATCH
        many = CONCURRENT * 2
        return [
            Row(
                "append, 1 writer, 1 fact",
                lambda: self.record(SINGLES, 1),
                lambda: self.eventsourcing_record(SINGLES, 1),
                "eventsourcing",
                2.0,
            ),
            Row(
                "append, 1 writer, 1 fact",
                lambda: self.append(SINGLES, 1),
                lambda: self.plain_append(SINGLES, 1),
                "plain INSERT",
                stretch=0.7,
            ),
            Row(
                "append, 16 concurrent",
                lambda: self.record(CONCURRENT, 16),
                lambda: self.eventsourcing_record(CONCURRENT // 4, 16),
                "eventsourcing",
                6,
            ),
            Row(
                "append, 256 concurrent",
                lambda: self.record(many, 256),
                lambda: self.eventsourcing_record(CONCURRENT // 4, 256),
                "eventsourcing",
                15,
            ),
            Row(
                "append, 256 concurrent",
                lambda: self.append(many, 256),
                lambda: self.plain_append(many, 256),
                "plain INSERT, 16 connections",
                stretch=1.0,
            ),
            Row(
                "append, batches of 100, 4 writers",
                lambda: self.record(batches, 4, BATCH),
                lambda: self.eventsourcing_record(batches, 4, BATCH),
                "eventsourcing",
                2.5,
            ),
            Row(
                "append, batches of 100, 4 writers",
                lambda: self.append(batches, 4, BATCH),
                lambda: self.plain_unnest(batches, 4),
                "raw unnest",
                stretch=0.6,
            ),
        ]


class LogRows(StoreRows):
    """Measures reading the log, in a database of its own where every side has as many rows of the same content."""

    async def open(self) -> None:
        """Connect, and fill the logs."""
        await super().open()
        await self.record(READ_TOTAL, 4, BATCH)
        await self.eventsourcing_record(READ_TOTAL, 4, BATCH)
        await self.plain_unnest(READ_TOTAL, 4)
        # No side is measured while the server tidies up behind the other's filling.
        await self._owner.execute("VACUUM (ANALYZE)")

    def rows(self) -> list[Row]:
        """The rows, with the gates of the product's quality page."""
        return [
            Row("read the whole log", self.recall, self.eventsourcing_recall, "eventsourcing", 2),
            Row("read the whole log", self.read, self.plain_read, "raw asyncpg pages", stretch=0.6),
        ]
