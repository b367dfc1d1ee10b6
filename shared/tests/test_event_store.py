"""The event store against a real PostgreSQL: its rules, its guards, and what happens under many writers."""

from __future__ import annotations

import asyncio
import itertools
import os
from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
import pytest

from kehu.deciding import Category
from kehu.event_store import (
    Append,
    Appended,
    Claim,
    Conflict,
    EventStore,
    FactTooLarge,
    InboxMove,
    InboxMoved,
    NewFact,
    Taken,
)
from kehu.event_store import store as store_module
from kehu.event_store.appending import call_append
from kehu.facts import START, Position, StoredFact
from kehu.ids import new_id
from kehu.migrations import migrate
from kehu.service import Feature, Service
from kehu.settings import AUDITOR_ROLE, OWNER_ROLE, Settings
from kehu.testing.platform import Postgres

STORM_WRITERS = 16
#: `KEHU_STORM_FACTS=100000` for a long look; the default takes a few seconds.
STORM_FACTS_EACH = int(os.environ.get("KEHU_STORM_FACTS", "4000")) // STORM_WRITERS
PATIENCE = 30


def _service(name: str, category: str, migrations: Path) -> Service:
    return Service(
        name=name,
        title=name,
        features=[Feature("things", categories=[Category(category, (), None, lambda state, _: state)])],
        migrations=migrations,
    )


@pytest.fixture(scope="module")
async def settings(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    empty = tmp_path_factory.mktemp("migrations")
    services = [_service("thing-keeper", "thing", empty), _service("other-keeper", "other", empty)]
    return await postgres.create_database(services=services)


@pytest.fixture(scope="module")
async def pool(settings: Settings) -> AsyncGenerator[asyncpg.Pool]:
    async with asyncpg.create_pool(
        **settings.connection("kehu_thing_keeper"), min_size=4, max_size=STORM_WRITERS + 8
    ) as pool:
        yield pool


@pytest.fixture
def store(pool: asyncpg.Pool) -> EventStore:
    return EventStore(pool)


def fact(data: str = '{"a":1}', *, published: bool = True) -> NewFact:
    return NewFact(
        id=new_id(),
        type="kehu.ThingHappened.v1",
        schema_version=1,
        data=data,
        metadata="{}",
        actor="u-1",
        correlation=new_id(),
        occurred_at=datetime(2026, 11, 1, tzinfo=UTC),
        published=published,
    )


def a_stream() -> str:
    return f"thing-{new_id()}"


async def read_all(store: EventStore, after: Position = START, page: int = 500) -> list[StoredFact]:
    read: list[StoredFact] = []
    while rows := await store.read_log(after, page):
        read += rows
        after = rows[-1].position
    return read


# --- one append ------------------------------------------------------------------------------------------------------


async def test_facts_get_versions_from_one_and_sequences_for_the_published_ones_only(store: EventStore) -> None:
    stream = a_stream()
    done = await store.append(Append(stream, 0, "k", [fact(), fact(published=False), fact()]))
    rows = await store.read_stream(stream)
    assert done.version == 3
    assert [(row.version, row.sequence) for row in rows] == [(1, 1), (2, None), (3, 2)]


async def test_a_stream_keeps_the_key_it_began_with(store: EventStore) -> None:
    stream = a_stream()
    await store.append(Append(stream, 0, "first", [fact()]))
    await store.append(Append(stream, 1, "second", [fact()]))
    assert [row.key for row in await store.read_stream(stream)] == ["first", "first"]


@pytest.mark.parametrize("expected", [0, 1, 3])
async def test_another_version_than_expected_is_a_conflict_that_says_where_the_stream_is(
    store: EventStore, expected: int
) -> None:
    stream = a_stream()
    await store.append(Append(stream, 0, "k", [fact(), fact()]))
    with pytest.raises(Conflict, match=rf"expected version: {expected} \(stream: {stream}, at 2\)") as refused:
        await store.append(Append(stream, expected, "k", [fact()]))
    assert refused.value.actual == 2
    assert len(await store.read_stream(stream)) == 2


async def test_an_append_without_facts_only_checks_the_version(store: EventStore) -> None:
    stream = a_stream()
    await store.append(Append(stream, 0, "k", [fact()]))
    assert (await store.append(Append(stream, 1, "k"))).version == 1
    with pytest.raises(Conflict):
        await store.append(Append(stream, 2, "k"))


async def test_a_known_fact_id_returns_what_is_there_and_writes_nothing(store: EventStore) -> None:
    stream, happened = a_stream(), fact()
    first = await store.append(Append(stream, 0, "k", [happened]))
    await store.append(Append(stream, 1, "k", [fact()]))
    again = await store.append(Append(stream, 0, "k", [happened]))
    assert (again.known, again.version, again.position) == (True, 1, first.position)
    assert len(await store.read_stream(stream)) == 2


async def test_a_value_has_one_holder_until_it_is_released(store: EventStore) -> None:
    uscc, one, two = str(new_id()), a_stream(), a_stream()
    await store.append(Append(one, 0, "k", [fact()], [Claim("uscc", uscc, "one")]))
    with pytest.raises(Taken) as refused:
        await store.append(Append(two, 0, "k", [fact()], [Claim("uscc", uscc, "two")]))
    assert refused.value.holder == "one"
    assert await store.read_stream(two) == []
    await store.append(Append(one, 1, "k", [fact()], [Claim("uscc", uscc, "one", release=True)]))
    await store.append(Append(two, 0, "k", [fact()], [Claim("uscc", uscc, "two")]))


async def test_only_the_holder_can_release(store: EventStore) -> None:
    uscc, one = str(new_id()), a_stream()
    await store.append(Append(one, 0, "k", [fact()], [Claim("uscc", uscc, "one")]))
    await store.append(Append(a_stream(), 0, "k", [fact()], [Claim("uscc", uscc, "two", release=True)]))
    with pytest.raises(Taken):
        await store.append(Append(a_stream(), 0, "k", [fact()], [Claim("uscc", uscc, "three")]))


async def test_an_idempotency_key_answers_even_where_the_version_no_longer_holds(store: EventStore) -> None:
    stream, key = a_stream(), str(new_id())
    claim = Claim("idempotency", key, stream, digest="d", answer='{"version": 1}')
    await store.append(Append(stream, 0, "k", [fact()], [claim]))
    with pytest.raises(Taken) as answered:
        await store.append(Append(stream, 0, "k", [fact()], [claim]))
    assert (answered.value.digest, answered.value.answer) == ("d", {"version": 1})


async def test_a_fact_over_256_kib_is_refused_with_its_size(store: EventStore) -> None:
    with pytest.raises(FactTooLarge, match="3000"):
        await store.append(Append(a_stream(), 0, "k", [fact('{"a":"' + "客" * 100_000 + '"}')]))


# --- several in one transaction --------------------------------------------------------------------------------------


async def test_together_is_all_or_none(store: EventStore) -> None:
    one, two = a_stream(), a_stream()
    await store.append(Append(two, 0, "k", [fact()]))
    with pytest.raises(Conflict):
        async with store.transaction() as connection:
            await store.append_together(connection, [Append(one, 0, "k", [fact()]), Append(two, 0, "k", [fact()])])
    assert await store.read_stream(one) == []


async def test_an_inbox_moves_with_the_append_or_not_at_all(store: EventStore) -> None:
    source, stream = str(new_id()), a_stream()
    async with store.transaction() as connection:
        await store.append_together(connection, [Append(stream, 0, "k", [fact()])], [InboxMove("c", source, 0, 3)])
    assert await store.read_inbox([("c", source)]) == {("c", source): 3}
    with pytest.raises(InboxMoved):
        async with store.transaction() as connection:
            await store.append_together(connection, [Append(stream, 1, "k", [fact()])], [InboxMove("c", source, 2, 4)])
    assert len(await store.read_stream(stream)) == 1


async def test_a_write_before_the_append_is_refused(store: EventStore, pool: asyncpg.Pool) -> None:
    """Guard: the check of `pg_current_xact_id_if_assigned()` in append.sql. A transaction id taken before the locks
    turns a stream's versions round in the log's order."""
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("CREATE TEMPORARY TABLE written (a int) ON COMMIT DROP")
        with pytest.raises(asyncpg.PostgresError, match="first write"):
            await store.append_together(connection, [Append(a_stream(), 0, "k", [fact()])])


async def test_an_isolation_level_that_would_compare_old_heads_is_refused(
    store: EventStore, pool: asyncpg.Pool
) -> None:
    """Guard: the check of `transaction_isolation` in append.sql."""
    with pytest.raises(asyncpg.PostgresError, match="READ COMMITTED"):
        async with pool.acquire() as connection, connection.transaction(isolation="repeatable_read"):
            await store.append_together(connection, [Append(a_stream(), 0, "k", [fact()])])


# --- the coalescing queue --------------------------------------------------------------------------------------------


async def test_concurrent_appends_share_calls(store: EventStore, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    call = store_module.call_append

    async def counting(connection: asyncpg.Connection, appends: list[Append]) -> object:
        sizes.append(len(appends))
        return await call(connection, appends)

    monkeypatch.setattr(store_module, "call_append", counting)
    await asyncio.gather(*(store.append(Append(a_stream(), 0, "k", [fact()])) for _ in range(200)))
    assert sum(sizes) == 200
    assert len(sizes) < 50


async def test_no_append_is_left_behind_without_a_worker(store: EventStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Guard: a worker stops counting as one in the same step in which it sees the queue empty. Counting tasks that are
    merely not yet collected loses the wake-up of the very next append, which then hangs."""
    monkeypatch.setattr(store_module, "CONCURRENT_CALLS", 1)
    async with asyncio.timeout(PATIENCE):
        for _ in range(50):
            await store.append(Append(a_stream(), 0, "k", [fact()]))


async def test_one_bad_append_fails_alone(store: EventStore) -> None:
    """Guard: `EventStore._one_by_one`. The bad one (broken JSON) makes the shared call fail as a whole."""
    good = [a_stream() for _ in range(20)]
    appends = [Append(stream, 0, "k", [fact()]) for stream in good]
    appends.insert(7, Append(a_stream(), 0, "k", [fact("{broken")]))
    outcomes = await asyncio.gather(*(store.append(append) for append in appends), return_exceptions=True)
    assert [number for number, outcome in enumerate(outcomes) if isinstance(outcome, Exception)] == [7]
    assert all([await store.read_stream(stream) for stream in good])


async def test_appends_to_one_stream_in_the_same_moment_each_get_their_own_outcome(store: EventStore) -> None:
    stream = a_stream()
    outcomes = await asyncio.gather(
        *(store.append(Append(stream, 0, "k", [fact()])) for _ in range(10)), return_exceptions=True
    )
    assert sum(isinstance(outcome, Conflict) for outcome in outcomes) == 9
    assert len(await store.read_stream(stream)) == 1


async def test_a_cancelled_caller_does_not_stop_the_others(store: EventStore) -> None:
    tasks = [asyncio.create_task(store.append(Append(a_stream(), 0, "k", [fact()]))) for _ in range(20)]
    await asyncio.sleep(0)
    tasks[3].cancel()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert sum(isinstance(outcome, BaseException) for outcome in outcomes) == 1


@pytest.mark.parametrize("company", [0, 2])
async def test_an_append_has_the_same_outcome_alone_and_in_company(
    store: EventStore, pool: asyncpg.Pool, company: int
) -> None:
    """Guard: append.sql has plain statements for one append of one fact, and sets for everything else."""

    async def call(append: Append) -> object:
        others = [Append(a_stream(), 0, "k", [fact()]) for _ in range(company)]
        async with pool.acquire() as connection, connection.transaction():
            (outcome, *_) = await call_append(connection, [append, *others])
        return outcome

    stream, value, known = a_stream(), str(new_id()), fact()
    first = await call(Append(stream, 0, "first", [known]))
    assert (type(first), getattr(first, "version", None)) == (Appended, 1)
    again = await call(Append(stream, 0, "first", [known]))
    assert (getattr(again, "known", None), getattr(again, "position", None)) == (True, getattr(first, "position", 0))
    assert isinstance(await call(Append(stream, 0, "k", [fact()])), Conflict)
    outcomes = [
        await call(Append(stream, None, "later", [fact(published=False)])),
        await call(Append(stream, 2, "k", [fact()], [Claim("uscc", value, "one")])),
        await call(Append(stream, 3, "k", [fact(), fact(published=False)])),
        await call(Append(stream, 5, "k", [fact()], [Claim("uscc", value, "one", release=True)])),
        await call(Append(stream, 6, "k")),
    ]
    rows = await store.read_stream(stream)
    assert [getattr(outcome, "version", None) for outcome in outcomes] == [2, 3, 5, 6, 6]
    assert [outcome.position for outcome in outcomes[:4] if isinstance(outcome, Appended)] == [
        rows[version - 1].position for version in (2, 3, 5, 6)
    ]
    assert [(row.version, row.sequence, row.key) for row in rows] == [
        (number, sequence, "first") for number, sequence in enumerate([1, None, 2, 3, None, 4], 1)
    ]
    assert await store.read_claim("uscc", value) is None


async def test_the_holders_of_many_values_are_found_at_once(store: EventStore) -> None:
    streams = [a_stream() for _ in range(3)]
    for stream in streams:
        await store.append(Append(stream, 0, "k", [fact()], [Claim("uscc", f"of {stream}", stream)]))
    wanted = [f"of {stream}" for stream in streams]
    assert await store.read_claims("uscc", [*wanted, "of nobody"]) == dict(zip(wanted, streams, strict=True))
    assert await store.read_claims("another scope", wanted) == {}


async def test_two_calls_that_want_the_same_streams_in_another_order_do_not_lock_each_other_out(
    pool: asyncpg.Pool,
) -> None:
    """Guard: the one sorted order in which append.sql takes its locks."""
    streams = [a_stream() for _ in range(60)]

    async def call(wanted: list[str]) -> None:
        async with pool.acquire() as connection, connection.transaction():
            await call_append(connection, [Append(stream, None, "k", [fact()]) for stream in wanted])

    async with asyncio.timeout(PATIENCE):
        for _ in range(5):
            await asyncio.gather(*(call(streams[:: 1 - 2 * (turn % 2)]) for turn in range(8)))


# --- reading under writers -------------------------------------------------------------------------------------------


async def _storm(store: EventStore, pool: asyncpg.Pool, streams: list[str], finished: asyncio.Event) -> None:
    """Writers on shared streams; every tenth transaction stays open for a while after its append."""

    async def writer(number: int) -> None:
        for turn in range(STORM_FACTS_EACH):
            stream = streams[(number + turn) % len(streams)]
            if turn % 10:
                await store.append(Append(stream, None, "k", [fact()]))
            else:
                async with pool.acquire() as connection, connection.transaction():
                    await store.append_together(connection, [Append(stream, None, "k", [fact()])])
                    await connection.execute("SELECT pg_sleep(0.003)")

    await asyncio.gather(*(writer(number) for number in range(STORM_WRITERS)))
    finished.set()


def _faults(read: list[StoredFact], streams: list[str]) -> dict[str, int]:
    """How many facts of the storm were lost, doubled or out of order in what a reader saw."""
    per_stream = {stream: [row.version for row in read if row.stream == stream] for stream in streams}
    expected = STORM_WRITERS * STORM_FACTS_EACH
    seen = sum(len(versions) for versions in per_stream.values())
    unique = sum(len(set(versions)) for versions in per_stream.values())
    disordered = sum(
        later < earlier for versions in per_stream.values() for earlier, later in itertools.pairwise(versions)
    )
    return {"lost": expected - unique, "doubled": seen - unique, "out of order": disordered}


@pytest.mark.timeout(1_200)
@pytest.mark.parametrize("number_of_streams", [1, 4])
async def test_a_reader_beside_sixteen_writers_skips_doubles_and_reorders_nothing(
    store: EventStore, pool: asyncpg.Pool, number_of_streams: int
) -> None:
    """Guard: the watermark and the (tx, position) order in read_log.sql."""
    streams = [a_stream() for _ in range(number_of_streams)]
    finished = asyncio.Event()
    earlier = await read_all(store)
    start = earlier[-1].position if earlier else START
    storm = asyncio.create_task(_storm(store, pool, streams, finished))
    read: list[StoredFact] = []
    while True:
        was_finished = finished.is_set()
        new = await read_all(store, read[-1].position if read else start, page=97)
        read += new
        if was_finished and not new:
            break
    await storm
    faults = _faults(read, streams)
    print(f"{STORM_WRITERS} writers, {number_of_streams} streams, {STORM_WRITERS * STORM_FACTS_EACH} facts: {faults}")
    assert faults == {"lost": 0, "doubled": 0, "out of order": 0}


async def test_a_reader_by_position_alone_would_skip(store: EventStore, settings: Settings, pool: asyncpg.Pool) -> None:
    """What the watermark is for: a fact with a lower position commits after one with a higher was read."""
    auditor = await asyncpg.connect(**settings.connection(AUDITOR_ROLE))
    slow, fast = a_stream(), a_stream()
    before = await auditor.fetchval("SELECT max(position) FROM event_store.events")
    async with pool.acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        await store.append_together(connection, [Append(slow, 0, "k", [fact()])])
        quick = await store.append(Append(fast, 0, "k", [fact()]))
        naive = await auditor.fetch("SELECT stream, position FROM event_store.events WHERE position > $1", before)
        careful = await store.read_log(Position(quick.position.tx - 2, 0), 100)
        await transaction.commit()
    assert [row["stream"] for row in naive] == [fast]
    after_cursor = await auditor.fetch(
        "SELECT stream FROM event_store.events WHERE position > $1", naive[-1]["position"]
    )
    assert slow not in [row["stream"] for row in after_cursor]
    assert not {slow, fast} & {row.stream for row in careful}
    assert {slow, fast} <= {row.stream for row in await read_all(store)}
    await auditor.close()


async def test_pages_are_the_log_and_leaving_them_early_gives_the_connection_back(
    store: EventStore, settings: Settings
) -> None:
    await store.append(Append(a_stream(), 0, "k", [fact() for _ in range(25)]))
    async with asyncpg.create_pool(**settings.connection("kehu_thing_keeper"), min_size=1, max_size=1) as narrow:
        reader = EventStore(narrow)
        async with aclosing(reader.read_pages(START, 10)) as pages:
            paged = [row async for page in pages for row in page]
        assert paged == await read_all(reader)
        async with aclosing(reader.read_pages(START, 10)) as pages:
            assert len(await anext(pages)) == 10
        async with asyncio.timeout(PATIENCE):
            assert await reader.read_log(START, 1) == paged[:1]


async def test_sixty_four_writers_on_one_stream_lose_nothing(store: EventStore) -> None:
    stream = a_stream()

    async def writer() -> None:
        version = 0
        while True:
            try:
                await store.append(Append(stream, version, "k", [fact()]))
            except Conflict as conflict:
                version = conflict.actual
            else:
                return

    async with asyncio.timeout(PATIENCE):
        await asyncio.gather(*(writer() for _ in range(64)))
    assert [row.version for row in await store.read_stream(stream)] == list(range(1, 65))


# --- who may do what -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", [OWNER_ROLE, AUDITOR_ROLE, "kehu_thing_keeper", "kehu_other_keeper"])
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE event_store.events SET actor = 'somebody else'",
        "DELETE FROM event_store.events",
        "TRUNCATE event_store.events",
    ],
)
async def test_nobody_changes_what_was_recorded(
    store: EventStore, settings: Settings, role: str, statement: str
) -> None:
    await store.append(Append(a_stream(), 0, "k", [fact()]))
    connection = await asyncpg.connect(**settings.connection(role))
    with pytest.raises(asyncpg.PostgresError, match=r"append-only|permission denied"):
        await connection.execute(statement)
    await connection.close()


async def test_a_service_appends_to_and_reads_its_own_categories_only(settings: Settings, store: EventStore) -> None:
    stream = a_stream()
    await store.append(Append(stream, 0, "k", [fact()]))
    async with asyncpg.create_pool(**settings.connection("kehu_other_keeper"), min_size=1) as foreign:
        other = EventStore(foreign)
        with pytest.raises(asyncpg.PostgresError, match=f"Stream {stream} is not of other-keeper"):
            await other.append(Append(stream, None, "k", [fact()]))
        with pytest.raises(asyncpg.PostgresError, match=f"Stream {stream} is not of other-keeper"):
            await other.read_stream(stream)
        with pytest.raises(asyncpg.PostgresError, match="does not subscribe"):
            await other.read_published("thing-keeper", ["kehu.ThingHappened.v1"], START, 10)
        assert all(row.service == "other-keeper" for row in await read_all(other))


async def test_migrating_twice_at_once_is_safe(settings: Settings, tmp_path: Path) -> None:
    services = [_service("thing-keeper", "thing", tmp_path), _service("other-keeper", "other", tmp_path)]
    await asyncio.gather(*(migrate(settings, services=services) for _ in range(3)))
