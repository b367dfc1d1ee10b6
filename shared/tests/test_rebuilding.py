"""Rebuilding views against a real PostgreSQL: beside the old rows, while everybody goes on, and swapped whole."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from kehu import rebuilding, views
from kehu.applying import digest
from kehu.arrival import StoredRecord
from kehu.commands import Done
from kehu.deciding import Actor, Category, Context, Decision
from kehu.envelope import to_record
from kehu.errors import NotFound
from kehu.facts import START, Fact, RecordedFact
from kehu.loops import Loop
from kehu.parking import Parking
from kehu.parts import Running, connect
from kehu.reacting import Reacting
from kehu.rebuilding import ConsumerBehind, ProjectionFailed, RebuildRunning, SwapTimedOut, rebuild
from kehu.receiving import FactEffects, Receiver
from kehu.service import OWN_LOG, Feature, Service, View
from kehu.settings import OWNER_ROLE, Settings
from kehu.testing.platform import Postgres

PATIENCE = 20
NOW = datetime(2026, 11, 24, tzinfo=UTC)


class Counted(Fact):
    customer: str
    amount: int
    published = True


class Marked(Fact):
    mark: str


def _state(state: int, _: Fact) -> int:
    return state


TALLY = Category("tally", (Counted, Marked), 0, _state)


async def total(connection: Any, recorded: RecordedFact[Counted]) -> None:
    await connection.execute(
        """INSERT INTO totals AS t (tally, customer, amount, facts, last_at) VALUES ($1, $2, $3, 1, $4)
           ON CONFLICT (tally) DO UPDATE
           SET amount = t.amount + excluded.amount, facts = t.facts + 1, last_at = excluded.last_at""",
        recorded.stream_id,
        recorded.fact.customer,
        recorded.fact.amount,
        recorded.occurred_at,
    )


async def total_of_customer(connection: Any, recorded: RecordedFact[Counted]) -> None:
    await connection.execute(
        """INSERT INTO customers AS c (customer, amount) VALUES ($1, $2)
           ON CONFLICT (customer) DO UPDATE SET amount = c.amount + excluded.amount""",
        recorded.fact.customer,
        recorded.fact.amount,
    )


async def mark(connection: Any, recorded: RecordedFact[Marked]) -> None:
    place = await connection.fetchval("SELECT count(*) FROM marks WHERE tally = $1", recorded.stream_id)
    await connection.execute("INSERT INTO marks VALUES ($1, $2, $3)", recorded.stream_id, place, recorded.fact.mark)


async def total_read(connection: Any, recorded: RecordedFact[Counted]) -> None:
    # The last number wins and the count grows: wrong rows whenever a fact is missing, doubled or out of order.
    await connection.execute(
        """INSERT INTO read_totals AS t (tally, amount, facts) VALUES ($1, $2, 1)
           ON CONFLICT (tally) DO UPDATE SET amount = t.amount * 2 + excluded.amount, facts = t.facts + 1""",
        recorded.stream_id,
        recorded.fact.amount % 3,
    )


async def both(connection: Any, recorded: RecordedFact[Counted]) -> None:
    await total(connection, recorded)
    await total_of_customer(connection, recorded)


TOTALS = View("totals", OWN_LOG, ("totals", "customers"), {Counted: both})
MARKS = View("marks", OWN_LOG, ("marks",), {Marked: mark})
READ_TOTALS = View("read-totals", "tally-keeper", ("read_totals",), {Counted: total_read})


def keeper(*kept: View) -> Service:
    feature = Feature("tallies", categories=[TALLY], views=kept or (TOTALS, MARKS))
    return Service("tally-keeper", "tallies", [feature], Path(__file__).parent / "tally_keeper")


READER = Service(
    "tally-reader", "readers", [Feature("totals", views=[READ_TOTALS])], Path(__file__).parent / "tally_reader"
)


@pytest.fixture
async def settings(postgres: Postgres) -> AsyncGenerator[Settings]:
    made = await postgres.create_database(services=[keeper(), READER])
    yield made
    await postgres.drop_database(made)


@pytest.fixture
async def running(settings: Settings) -> AsyncGenerator[Running]:
    async with connect(keeper(), settings) as made:
        yield made


@pytest.fixture
async def owner(settings: Settings) -> AsyncGenerator[asyncpg.Connection]:
    made = await asyncpg.connect(**settings.connection(OWNER_ROLE))
    yield made
    await made.close()


async def count(running: Running, tally: str, *facts: Fact) -> Done:
    context = Context(Actor("u-1"), NOW)
    return await running.commands.handle(TALLY, tally, lambda *_: Decision(facts), context, must_exist=False)


async def count_many(running: Running, facts: int) -> Done:
    for number in range(facts):
        done = await count(
            running, f"t-{number % 7}", Counted(customer=f"c-{number % 3}", amount=number), Marked(mark=str(number))
        )
    return done


@asynccontextmanager
async def following(running: Running) -> AsyncGenerator[None]:
    loop = Loop("follower", running.follower.run)
    loop.start()
    try:
        yield
    finally:
        await loop.stop(PATIENCE)


async def digests(running: Running) -> list[str]:
    async with running.pool.acquire() as connection:
        return [await digest(connection, view) for view in running.service.each("views")]


DESCRIPTION = """
SELECT array_agg(line ORDER BY line) FROM (
    SELECT indexdef AS line FROM pg_indexes WHERE schemaname = $1
    UNION ALL SELECT conrelid::regclass || ' ' || conname || ' ' || pg_get_constraintdef(oid) FROM pg_constraint
              WHERE connamespace = $1::regnamespace
    UNION ALL SELECT relname || ' ' || coalesce(relacl::text, '') || ' ' || coalesce(reloptions::text, '')
                     || ' ' || coalesce(obj_description(oid), '') || pg_get_userbyid(relowner)
              FROM pg_class WHERE relnamespace = $1::regnamespace
    UNION ALL SELECT table_name || ' ' || ordinal_position || column_name || data_type || is_nullable
              FROM information_schema.columns WHERE table_schema = $1
) AS described
"""


# --- the own log -----------------------------------------------------------------------------------------------------


async def test_deleting_every_row_and_rebuilding_gives_the_same_rows(
    running: Running, owner: asyncpg.Connection
) -> None:
    async with following(running):
        done = await count_many(running, 40)
        assert await running.follower.wait_for(done.position, PATIENCE)
        before = await digests(running)
        described = await owner.fetchval(DESCRIPTION, "tally_keeper")
        told: list[tuple[int, int]] = []
        for view in running.service.each("views"):
            for table in view.tables:
                await owner.execute(f"TRUNCATE tally_keeper.{table}")
            rebuilt = await rebuild(running, view.name, owner, lambda *figures: told.append(figures))
            assert not rebuilt.same
            assert (await rebuild(running, view.name, owner)).same
        assert await digests(running) == before
        assert told[-1] == (80, 80)
        assert await owner.fetchval(DESCRIPTION, "tally_keeper") == described
        assert await owner.fetchval("SELECT count(*) FROM pg_tables WHERE schemaname = 'tally_keeper_rebuild'") == 0
        done = await count(running, "t-1", Counted(customer="c-9", amount=1))
        assert await running.follower.wait_for(done.position, PATIENCE)
    assert await running.pool.fetchval("SELECT amount FROM customers WHERE customer = 'c-9'") == 1


async def test_a_rebuild_while_facts_are_written_loses_and_doubles_none(
    running: Running, owner: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rebuilding, "PAGE", 50)
    monkeypatch.setattr(views, "PAGE", 50)
    await count_many(running, 30)

    rebuilds = written = 0

    async def write(writer: int) -> None:
        nonlocal written
        number = 0
        while rebuilds < 4:
            # A pair of facts a tally, each waited for: what writes without end would starve what reads it.
            tally, number = f"w-{writer}-{number // 2}", number + 1
            done = await count(running, tally, Counted(customer="c", amount=1), Marked(mark="x"))
            written += 1
            await running.follower.wait_for(done.position, PATIENCE)

    async with following(running):
        async with asyncio.TaskGroup() as group:
            for writer in range(4):
                group.create_task(write(writer))
            while rebuilds < 4:
                assert (await rebuild(running, ("totals", "marks")[rebuilds % 2], owner)).same
                rebuilds += 1
        done = await count(running, "last", Counted(customer="c", amount=1))
        assert await running.follower.wait_for(done.position, PATIENCE)
    assert await running.pool.fetchval("SELECT sum(facts) FROM totals") == 30 + written + 1
    assert await running.pool.fetchval("SELECT count(*) FROM marks") == 30 + written
    assert [(await rebuild(running, name, owner)).same for name in ("totals", "marks")] == [True, True]


async def test_a_view_is_not_rebuilt_twice_at_once(running: Running, settings: Settings) -> None:
    await count_many(running, 3)
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def slow(connection: Any, recorded: RecordedFact[Counted]) -> None:
        begun.set()
        await go_on.wait()
        await both(connection, recorded)

    async with connect(keeper(replace(TOTALS, apply={Counted: slow}), MARKS), settings) as other:
        one = await asyncpg.connect(**settings.connection(OWNER_ROLE))
        two = await asyncpg.connect(**settings.connection(OWNER_ROLE))
        first = asyncio.create_task(rebuild(other, "totals", one))
        await begun.wait()
        with pytest.raises(RebuildRunning):
            await rebuild(running, "totals", two)
        assert (await rebuild(running, "marks", two)).facts == 6
        go_on.set()
        assert (await first).facts == 6
        assert (await rebuild(running, "totals", two)).same
        await one.close()
        await two.close()


async def test_a_mended_projection_goes_on_after_a_rebuild(settings: Settings, owner: asyncpg.Connection) -> None:
    mended = False

    async def careless(connection: Any, recorded: RecordedFact[Counted]) -> None:
        if not mended and recorded.fact.amount == 2:
            raise ZeroDivisionError
        await both(connection, recorded)

    async with connect(keeper(replace(TOTALS, apply={Counted: careless}), MARKS), settings) as running:
        loop = Loop("follower", running.follower.run)
        loop.start()
        done = await count_many(running, 5)
        assert await running.follower.wait_for(done.position, PATIENCE, view="marks")
        async with asyncio.timeout(PATIENCE):
            while not running.follower.stopped:  # noqa: ASYNC110 - the follower has no event for it
                await asyncio.sleep(0.01)
        with pytest.raises(ProjectionFailed) as refused:
            await rebuild(running, "totals", owner)
        (stopped_by,) = await owner.fetchrow(
            "SELECT stopped_by::text FROM tally_keeper.view_cursors WHERE name = 'view/totals'"
        )
        assert refused.value.evidence["fact"] == stopped_by
        mended = True
        await rebuild(running, "totals", owner)
        done = await count(running, "t", Counted(customer="c", amount=7))
        assert await running.follower.wait_for(done.position, PATIENCE, view="totals")
        assert running.follower.stopped == []
        assert await running.pool.fetchval("SELECT sum(facts) FROM totals") == 6
        await loop.stop(PATIENCE)


async def test_tables_that_are_in_use_all_the_time_are_left_as_they_are(
    running: Running, owner: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rebuilding, "SWAP_ATTEMPTS", 2)
    monkeypatch.setattr(rebuilding, "LOCK_MILLISECONDS", 50)
    monkeypatch.setattr(rebuilding, "SWAP_PAUSE_SECONDS", 0.01)
    await count_many(running, 3)
    async with running.pool.acquire() as reader, reader.transaction():
        await reader.fetch("SELECT * FROM totals")
        with pytest.raises(SwapTimedOut):
            await rebuild(running, "totals", owner)
    assert await running.pool.fetchval("SELECT count(*) FROM totals") == 0
    await rebuild(running, "totals", owner)
    assert await running.pool.fetchval("SELECT sum(facts) FROM totals") == 3


async def test_what_cannot_be_copied_is_refused_by_name(running: Running, owner: asyncpg.Connection) -> None:
    await owner.execute("ALTER TABLE tally_keeper.customers ADD FOREIGN KEY (customer) REFERENCES tally_keeper.totals")
    with pytest.raises(TypeError, match="foreign key customers_customer_fkey"):
        await rebuild(running, "totals", owner)


async def test_there_is_no_rebuilding_a_view_that_is_not_there(running: Running, owner: asyncpg.Connection) -> None:
    with pytest.raises(NotFound, match="there are marks, totals"):
        await rebuild(running, "elsewhere", owner)


# --- a topic ---------------------------------------------------------------------------------------------------------


@pytest.fixture
async def reader(settings: Settings) -> AsyncGenerator[Running]:
    async with connect(READER, settings) as made:
        yield made


async def published(running: Running) -> list[StoredRecord]:
    rows = await running.store.read_log(START, 100_000, only_published=True)
    return [StoredRecord("kehu.tally-keeper", 0, offset, *to_record(row)) for offset, row in enumerate(rows)]


def receiver(reader: Running) -> Callable[[Sequence[StoredRecord]], Any]:
    parking = Parking(reader.service, reader.pool, reader.keyring)
    reacting = Reacting(reader.service.name, reader.pool, reader.store, reader.codec)

    async def nothing() -> dict[str, Any]:
        return {}

    effects = FactEffects(
        reader.service, "tally-keeper", parking.consumer, reader.store, reader.codec, reacting, lambda: NOW, nothing
    )
    return Receiver("kehu.tally-keeper", effects, reader.store, reader.pool, parking).receive


async def test_a_topics_view_is_rebuilt_as_far_as_its_consumer_has_come(
    running: Running, reader: Running, owner: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rebuilding, "PAGE", 7)
    await count_many(running, 40)
    records = await published(running)
    receive = receiver(reader)
    # As Kafka may deliver it: one customer's facts in order, another one's later.
    early = [record for record in records if record.key != b"c-1"][:20]
    await receive(early)
    assert (await rebuild(reader, "read-totals", owner)).same
    assert await reader.pool.fetchval("SELECT sum(facts) FROM read_totals") == 20
    await receive(records)
    whole = await digests(reader)
    await owner.execute("TRUNCATE tally_reader.read_totals")
    await rebuild(reader, "read-totals", owner)
    assert await digests(reader) == whole
    assert await reader.pool.fetchval("SELECT sum(facts) FROM read_totals") == 40


async def test_a_topics_view_is_rebuilt_while_it_is_consumed(
    running: Running, reader: Running, owner: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rebuilding, "PAGE", 10)
    await count_many(running, 300)
    records = await published(running)
    receive = receiver(reader)

    async def consume() -> None:
        for start in range(0, len(records), 4):
            await receive(records[start : start + 4])

    rebuilds = 0
    async with asyncio.TaskGroup() as group:
        consuming = group.create_task(consume())
        while not consuming.done():
            assert (await rebuild(reader, "read-totals", owner)).same
            rebuilds += 1
    assert rebuilds > 1
    assert await reader.pool.fetchval("SELECT sum(facts) FROM read_totals") == 300
    assert (await rebuild(reader, "read-totals", owner)).same


async def test_a_consumer_that_is_far_behind_is_waited_for(
    running: Running, reader: Running, owner: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rebuilding, "MOST_AHEAD", 5)
    await count_many(running, 10)
    with pytest.raises(ConsumerBehind):
        await rebuild(reader, "read-totals", owner)
