"""Following the own log against a real PostgreSQL: nothing skipped, nothing twice, one bad projection stops alone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from kehu import views as views_module
from kehu.applying import apply_facts, digest
from kehu.clock import Clock
from kehu.commands import Commands, Done
from kehu.deciding import Actor, Category, Context, Decision
from kehu.event_store import Append, EventStore
from kehu.facts import START, Fact, FactTypes, Position, RecordedFact
from kehu.ids import new_id
from kehu.loops import Loop
from kehu.policies import POLICY_FACTS, Policies
from kehu.privacy import Keyring
from kehu.recording import Codec, Origin, Unrecorded
from kehu.service import OWN_LOG, Feature, Reaction, Service, View
from kehu.settings import Settings
from kehu.testing.platform import Postgres
from kehu.views import Follower

PATIENCE = 20
NOW = datetime(2026, 11, 24, tzinfo=UTC)


# --- a little service ------------------------------------------------------------------------------------------------


class Counted(Fact):
    customer: str
    amount: int
    published = True


class Marked(Fact):
    mark: str


class Echoed(Fact):
    amount: int


def add(state: int, fact: Fact) -> int:
    return state + getattr(fact, "amount", 0)


TALLY = Category("tally", (Counted, Marked), 0, add)
ECHO = Category("echo", (Echoed,), 0, add)


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


def echo(cause: RecordedFact[Counted], state: int, _: Context) -> Decision:
    return Decision([Echoed(amount=cause.fact.amount)] if state < 1000 else [])


TOTALS = View("totals", OWN_LOG, ("totals",), {Counted: total})
CUSTOMERS = View("customers", OWN_LOG, ("customers",), {Counted: total_of_customer})
MARKS = View("marks", OWN_LOG, ("marks",), {Marked: mark})


def tally_keeper(*, views: Sequence[View] = (TOTALS, CUSTOMERS, MARKS), reactions: Sequence[Reaction] = ()) -> Service:
    return Service(
        name="tally-keeper",
        title="tallies",
        features=[Feature("tallies", categories=[TALLY, ECHO], views=views, reactions=reactions)],
        migrations=Path(__file__).parent / "tally_keeper",
    )


def echoing(name: str = "echo", decide: Callable[..., Decision] = echo) -> Reaction:
    return Reaction(name, Counted, "tally-keeper", ECHO, lambda cause: [cause.stream_id], decide)


@dataclass
class World:
    """The parts of the little service on a database of its own."""

    settings: Settings
    pool: asyncpg.Pool
    service: Service = field(default_factory=tally_keeper)

    def __post_init__(self) -> None:
        self.followers: list[Follower] = []
        keyring = Keyring(self.pool, self.settings.master_key())
        self.codec = Codec(FactTypes([Counted, Marked, Echoed, *POLICY_FACTS]), keyring)
        self.store = EventStore(self.pool, wake=self.wake)
        self.commands = Commands(self.store, self.codec)

    def wake(self) -> None:
        for follower in self.followers:
            follower.wake()

    def follower(self, service: Service | None = None) -> Follower:
        wanted = service or self.service
        policies = Policies(wanted, self.store, self.codec)
        made = Follower(wanted, self.pool, self.store, self.codec, Clock(self.pool), policies)
        self.followers.append(made)
        return made

    async def count(self, tally: str, *facts: Fact) -> Done:
        return await self.commands.handle(
            TALLY, tally, lambda *_: Decision(facts), Context(Actor("u-1"), NOW), must_exist=False
        )

    async def rows(self, table: str) -> list[tuple[Any, ...]]:
        return [tuple(row) for row in await self.pool.fetch(f"SELECT * FROM {table} ORDER BY 1, 2")]

    async def echoes(self, tally: str) -> list[int]:
        return [fact.fact.amount for fact in await self.commands.history(ECHO, tally)]


@pytest.fixture
async def world(postgres: Postgres) -> AsyncGenerator[World]:
    settings = await postgres.create_database(services=[tally_keeper()])
    async with asyncpg.create_pool(**settings.connection("kehu_tally_keeper"), min_size=4, max_size=20) as pool:
        yield World(settings, pool)
    await postgres.drop_database(settings)


@asynccontextmanager
async def following(*followers: Follower) -> AsyncGenerator[None]:
    loops = [Loop("follower", follower.run) for follower in followers]
    for loop in loops:
        loop.start()
    try:
        yield
    finally:
        for loop in loops:
            await loop.stop(PATIENCE)


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not await condition():  # noqa: ASYNC110 - the condition is a row in a database, which has no event
            await asyncio.sleep(0.01)


# --- following -------------------------------------------------------------------------------------------------------


async def test_a_view_shows_a_fact_after_waiting_for_its_position(world: World) -> None:
    follower = world.follower()
    async with following(follower):
        done = await world.count("t-1", Counted(customer="c-1", amount=3), Counted(customer="c-1", amount=4))
        assert await follower.wait_for(done.position, PATIENCE)
    assert [row[:4] for row in await world.rows("totals")] == [("t-1", "c-1", 7, 2)]
    assert await world.rows("customers") == [("c-1", 7)]
    assert follower.stopped == []


async def test_waiting_ends_when_its_time_is_over(world: World) -> None:
    done = await world.count("t-1", Counted(customer="c-1", amount=3))
    assert not await world.follower().wait_for(done.position, 0.05)


async def test_a_standby_can_be_asked_and_passes_its_hints_on(world: World) -> None:
    leader, standby = world.follower(), world.follower()
    async with following(leader):
        await until(lambda: answer(leader.leading))
        async with following(standby):
            await until(lambda: answer(standby.healthy))
            world.followers = [standby]
            done = await world.count("t-1", Counted(customer="c-1", amount=3))
            assert await standby.wait_for(done.position, PATIENCE)
            assert not standby.leading


async def answer(value: bool) -> bool:  # noqa: FBT001 - what a condition answers
    return value


async def test_a_standby_takes_over_when_the_leader_is_gone_and_nothing_counts_twice(world: World) -> None:
    leader, standby = world.follower(), world.follower()
    async with following(standby, leader):
        await until(lambda: answer(leader.leading or standby.leading))
        for number in range(20):
            await world.count(f"t-{number}", Counted(customer="c", amount=1))
            if number == 10:
                await world.pool.fetch(
                    """SELECT pg_terminate_backend(l.pid) FROM pg_locks l
                       WHERE l.locktype = 'advisory' AND l.granted AND l.pid <> pg_backend_pid()
                         AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())"""
                )
        done = await world.count("last", Counted(customer="c", amount=1))
        assert await world.followers[0].wait_for(done.position, PATIENCE)
    assert await world.rows("customers") == [("c", 21)]


async def test_two_leaders_at_once_count_nothing_twice(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def everybody_leads(*_: object) -> None:
        return

    monkeypatch.setattr(Follower, "_stand_by", everybody_leads)
    service = tally_keeper(reactions=[echoing()])
    one, two = world.follower(service), world.follower(service)
    async with following(one, two):
        for number in range(60):
            done = await world.count(f"t-{number % 7}", Counted(customer=f"c-{number % 3}", amount=1))
        assert await one.wait_for(done.position, PATIENCE)
        await until(lambda: has_echoes(world, 60))
    assert sum(row[1] for row in await world.rows("customers")) == 60


async def has_echoes(world: World, wanted: int) -> bool:
    rows = [row for row in await world.store.read_log(START, 500) if row.type == "kehu.Echoed.v1"]
    assert len(rows) <= wanted
    return len(rows) == wanted


# --- nothing is skipped ----------------------------------------------------------------------------------------------


async def rows_for(world: World, stream: str) -> Append:
    fact = Counted(customer="c", amount=1)
    facts = await world.codec.encode([Unrecorded(fact, stream, new_id(), Origin("u-1", NOW, new_id()))])
    return Append(stream, None, "c", facts)


async def test_a_slow_transaction_holds_readers_back_and_nothing_is_skipped(world: World) -> None:
    follower = world.follower()
    slow = await world.pool.acquire()
    async with following(follower):
        transaction = slow.transaction()
        await transaction.start()
        await world.store.append_together(slow, [await rows_for(world, "tally-slow")])
        done = await world.count("fast", Counted(customer="c", amount=1))
        assert not await follower.wait_for(done.position, 0.3)
        await transaction.commit()
        assert await follower.wait_for(done.position, PATIENCE)
    await world.pool.release(slow)
    assert [row[0] for row in await world.rows("totals")] == ["fast", "slow"]


async def test_a_cursor_by_position_alone_would_skip_it(world: World) -> None:
    """The guard against a change of read_log: this is what its order and watermark are for."""
    owner = await asyncpg.connect(**world.settings.connection("kehu_owner"))
    by_position = "SELECT position FROM event_store.events WHERE position > $1 ORDER BY position"
    async with world.pool.acquire() as slow:
        transaction = slow.transaction()
        await transaction.start()
        await world.store.append_together(slow, [await rows_for(world, "tally-slow")])
        await world.count("fast", Counted(customer="c", amount=1))
        seen = [row[0] for row in await owner.fetch(by_position, 0)]
        await transaction.commit()
    seen += [row[0] for row in await owner.fetch(by_position, max(seen))]
    await owner.close()
    assert len(seen) == 1
    assert len(await world.store.read_log(START, 10)) == 2


async def test_many_writers_and_a_small_page_leave_nothing_out(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(views_module, "PAGE", 7)
    follower = world.follower()

    async def write(writer: int) -> None:
        for number in range(20):
            await world.count(f"{writer}-{number % 3}", Counted(customer=f"c-{number % 5}", amount=1), Marked(mark="x"))

    async with following(follower):
        await asyncio.gather(*(write(writer) for writer in range(8)))
        done = await world.count("last", Counted(customer="c-0", amount=0))
        assert await follower.wait_for(done.position, PATIENCE)
    assert sum(row[2] for row in await world.rows("totals")) == 160
    assert len(await world.rows("marks")) == 160


async def test_a_crash_between_pages_and_inside_one_loses_and_doubles_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(views_module, "PAGE", 5)
    for number in range(23):
        done = await world.count(f"t-{number % 4}", Counted(customer="c", amount=1))
    original = views_module.apply_facts
    calls = 0

    async def dying(connection: Any, applied: Sequence[View], facts: Any, index_key: Any) -> None:
        nonlocal calls
        calls += 1
        await original(connection, applied, facts, index_key)
        if calls in (1, 3):  # after the rows and before the cursor: the whole process dies here
            raise asyncio.CancelledError

    monkeypatch.setattr(views_module, "apply_facts", dying)
    for _ in range(3):
        follower = world.follower()
        task = asyncio.create_task(follower.run())
        waiting = asyncio.create_task(follower.wait_for(done.position, PATIENCE))
        await asyncio.wait([task, waiting], return_when=asyncio.FIRST_COMPLETED)
        for each in (task, waiting):
            each.cancel()
        await asyncio.wait([task, waiting])
    assert calls > 3
    assert await world.rows("customers") == [("c", 23)]


# --- one bad projection ----------------------------------------------------------------------------------------------


class BrokenProjectionError(Exception):
    """What the projection of a test raises."""


async def test_a_projection_that_fails_stops_alone_in_front_of_the_fact(world: World) -> None:
    broken = True

    async def picky(connection: Any, recorded: RecordedFact[Marked]) -> None:
        if broken and recorded.fact.mark == "poison":
            raise BrokenProjectionError
        await mark(connection, recorded)

    follower = world.follower(tally_keeper(views=(TOTALS, CUSTOMERS, replace(MARKS, apply={Marked: picky}))))
    async with following(follower):
        await world.count("t", *(Marked(mark=f"{number}") for number in range(9)), Marked(mark="poison"))
        done = await world.count("t", Counted(customer="c", amount=5), Marked(mark="after"))
        await until(lambda: answer(follower.stopped == ["view/marks"]))
        assert await follower.wait_for(done.position, PATIENCE)
        assert not await follower.wait_for(done.position, 0.05, view="marks")
        assert not follower.healthy
        assert await world.rows("customers") == [("c", 5)]
        assert len(await world.rows("marks")) == 9
        (noted,) = await world.pool.fetch(
            "SELECT name, error, stopped_by FROM view_cursors WHERE stopped_at IS NOT NULL"
        )
        assert (noted["name"], noted["error"]) == ("view/marks", "BrokenProjectionError")
        broken = False
        assert await follower.wait_for(done.position, PATIENCE, view="marks")
        assert follower.healthy
    assert [row[2] for row in await world.rows("marks")][-2:] == ["poison", "after"]


async def test_a_fact_from_a_newer_version_stops_the_view_that_folds_it_and_is_not_skipped(world: World) -> None:
    follower = world.follower()
    async with following(follower):
        append = await rows_for(world, "tally-new")
        newer = append.facts[0]._replace(type="kehu.Marked.v2")
        unknown = append.facts[0]._replace(id=new_id(), type="kehu.SomethingElse.v1")
        await world.store.append(replace(append, facts=[unknown, newer]))
        await until(lambda: answer(follower.stopped == ["view/marks"]))
        done = await world.count("t", Counted(customer="c", amount=5))
        assert await follower.wait_for(done.position, PATIENCE)
    assert await world.rows("customers") == [("c", 5)]


async def test_a_new_view_starts_at_the_beginning_and_catches_up(world: World) -> None:
    first = world.follower(tally_keeper(views=(TOTALS,)))
    async with following(first):
        for number in range(12):
            done = await world.count("t", Counted(customer=f"c-{number}", amount=1))
        assert await first.wait_for(done.position, PATIENCE)
    second = world.follower()
    async with following(second):
        done = await world.count("t", Counted(customer="c", amount=1))
        assert await second.wait_for(done.position, PATIENCE)
    assert len(await world.rows("customers")) == 13
    assert [row[3] for row in await world.rows("totals")] == [13]


# --- reactions to own facts ------------------------------------------------------------------------------------------


async def test_reactions_to_facts_of_one_page_fold_over_each_other(world: World) -> None:
    for amount in (600, 500, 7):
        await world.count("t", Counted(customer="c", amount=amount))
    async with following(world.follower(tally_keeper(reactions=[echoing()]))):
        done = await world.count("other", Counted(customer="c", amount=1))
        await until(lambda: reached(world, "reaction/echo", done.position))
    assert await world.echoes("t") == [600, 500]
    assert await world.echoes("other") == [1]
    history = await world.commands.history(ECHO, "t")
    causes = await world.commands.history(TALLY, "t")
    assert [(fact.causation, fact.correlation, fact.actor) for fact in history] == [
        (cause.id, cause.correlation, "system:tally-keeper/echo") for cause in causes[:2]
    ]


async def reached(world: World, name: str, position: Position) -> bool:
    row = await world.pool.fetchrow('SELECT tx, "position" FROM view_cursors WHERE name = $1', name)
    return row is not None and Position(*row) >= position


async def test_reacting_to_the_whole_log_again_changes_nothing(world: World) -> None:
    service = tally_keeper(reactions=[echoing()])
    async with following(world.follower(service)):
        for number in range(30):
            done = await world.count(f"t-{number % 3}", Counted(customer="c", amount=1))
        await until(lambda: reached(world, "reaction/echo", done.position))
    before = [await world.echoes(f"t-{number}") for number in range(3)]
    await world.pool.execute("DELETE FROM view_cursors WHERE name = 'reaction/echo'")
    async with following(world.follower(service)):
        done = await world.count("t-0", Counted(customer="c", amount=2))
        await until(lambda: reached(world, "reaction/echo", done.position))
    before[0].append(2)
    assert [await world.echoes(f"t-{number}") for number in range(3)] == before


async def test_a_reaction_that_fails_stops_alone(world: World) -> None:
    def refuse(*_: object) -> Decision:
        raise BrokenProjectionError

    follower = world.follower(tally_keeper(reactions=[echoing("bad", refuse), echoing()]))
    async with following(follower):
        done = await world.count("t", Counted(customer="c", amount=4))
        await until(lambda: reached(world, "reaction/echo", done.position))
        await until(lambda: answer(follower.stopped == ["reaction/bad"]))
        assert await follower.wait_for(done.position, PATIENCE)
    assert await world.echoes("t") == [4]


async def test_reactions_to_more_streams_than_one_append_takes_are_done_in_smaller_pages(world: World) -> None:
    fan = replace(echoing("fan"), stream_ids=lambda cause: [f"{cause.stream_id}.{number}" for number in range(200)])
    for number in range(7):
        done = await world.count(f"t-{number}", Counted(customer="c", amount=1))
    async with following(world.follower(tally_keeper(reactions=[fan]))):
        await until(lambda: reached(world, "reaction/fan", done.position))
    assert await world.echoes("t-6.199") == [1]


# --- interleavings ---------------------------------------------------------------------------------------------------

STREAMS = st.sampled_from(["a", "b", "c"])
FACTS = st.one_of(
    st.builds(Counted, customer=st.just(""), amount=st.integers(-9, 9)), st.builds(Marked, mark=st.sampled_from("xyz"))
)


def recorded_facts(drawn: Sequence[tuple[str, Fact]]) -> list[RecordedFact[Fact]]:
    made: list[RecordedFact[Fact]] = []
    for number, (key, drawn_fact) in enumerate(drawn):
        fact = drawn_fact.model_copy(update={"customer": key}) if isinstance(drawn_fact, Counted) else drawn_fact
        correlation = new_id()
        made.append(
            RecordedFact(fact, new_id(), f"tally-{key}", number + 1, None, key, "tally-keeper", "u", "", correlation,
                         None, NOW, NOW, Position(1, number + 1))
        )  # fmt: skip
    return made


@hypothesis_settings(
    max_examples=60,
    deadline=None,
    # Every example rolls its rows back, so the database may be shared by them.
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(drawn=st.lists(st.tuples(STREAMS, FACTS), max_size=12), data=st.data())
async def test_any_interleaving_of_keys_gives_the_same_rows(
    world: World, drawn: list[tuple[str, Fact]], data: st.DataObject
) -> None:
    facts = recorded_facts(drawn)
    turns = data.draw(st.permutations([fact.key for fact in facts]))
    queues = {key: [fact for fact in facts if fact.key == key] for key in turns}
    other = [queues[key].pop(0) for key in turns]
    cuts = data.draw(st.integers(0, len(other)))
    assert await rows_after(world, [facts]) == await rows_after(world, [other[:cuts], other[cuts:]])


async def rows_after(world: World, batches: Sequence[Sequence[RecordedFact[Fact]]]) -> list[str]:
    views = (TOTALS, CUSTOMERS, MARKS)
    async with world.pool.acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        for batch in batches:
            await apply_facts(connection, views, batch)
        digests = [await digest(connection, view) for view in views]
        await transaction.rollback()
    return digests
