"""Rows folded in memory are those that folding fact by fact gives, however pages are cut, and nobody's are lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, NamedTuple, cast

import asyncpg
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from kehu.applying import apply_facts
from kehu.facts import Fact, Position, RecordedFact
from kehu.folding import Folding
from kehu.ids import new_id
from kehu.service import OWN_LOG, View
from kehu.testing.pair import COUNTER, PAIR, THINGS, ThingMade
from kehu.testing.platform import Postgres

NOW = datetime(2026, 11, 25, tzinfo=UTC)


class Opened(Fact):
    thing: str


class Closed(Fact):
    thing: str


class OpenThing(NamedTuple):
    thing: str
    made: int
    last_number: int
    numbers: list[int]


OPEN = View(
    "open",
    OWN_LOG,
    ("things",),
    foldings=[
        Folding(
            "things",
            OpenThing,
            lambda recorded: recorded.fact.thing,
            {
                Opened: lambda row, recorded: row or OpenThing(recorded.fact.thing, 0, 0, []),
                Closed: lambda _row, _recorded: None,
            },
        )
    ],
)
THINGS_VIEW = View("things", OWN_LOG, ("things",), foldings=[THINGS])


def recorded(*facts: Fact) -> list[RecordedFact[Any]]:
    return [
        RecordedFact(
            fact, new_id(), "thing-x", 1, 1, getattr(fact, "thing", ""), "pair-maker", "u", "", new_id(), None, NOW,
            NOW, Position(1, number),
        )
        for number, fact in enumerate(facts, 1)
    ]  # fmt: skip


@pytest.fixture(scope="module")
async def pool(postgres: Postgres) -> AsyncGenerator[asyncpg.Pool]:
    settings = await postgres.create_database(services=PAIR)
    async with asyncpg.create_pool(**settings.connection(COUNTER.role), min_size=2, max_size=4) as made:
        yield made
    await postgres.drop_database(settings)


@asynccontextmanager
async def undone(pool: asyncpg.Pool) -> AsyncGenerator[asyncpg.Connection]:
    async with pool.acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        try:
            yield cast("asyncpg.Connection", connection)
        finally:
            await transaction.rollback()


async def rows(connection: asyncpg.Connection | asyncpg.Pool) -> dict[str, tuple[Any, ...]]:
    return {row["thing"]: tuple(row)[1:] for row in await connection.fetch("SELECT * FROM things")}


@hypothesis_settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(drawn=st.lists(st.tuples(st.sampled_from("abc"), st.integers(-9, 9)), max_size=12), cuts=st.data())
async def test_rows_are_the_same_however_pages_are_cut(
    pool: asyncpg.Pool, drawn: Sequence[tuple[str, int]], cuts: st.DataObject
) -> None:
    facts = recorded(*(ThingMade(thing=thing, number=number) for thing, number in drawn))
    cut = cuts.draw(st.integers(0, len(facts)))
    expected: dict[str, tuple[Any, ...]] = {}
    for thing, number in drawn:
        made, _, numbers = expected.get(thing, (0, 0, []))
        expected[thing] = (made + 1, number, [*numbers, number])
    async with undone(pool) as connection:
        for page in (facts[:cut], facts[cut:]):
            await apply_facts(connection, [THINGS_VIEW], page)
        assert await rows(connection) == expected


async def test_no_row_is_a_row_taken_away_also_within_a_page(pool: asyncpg.Pool) -> None:
    async with undone(pool) as connection:
        await apply_facts(connection, [OPEN], recorded(Opened(thing="a"), Opened(thing="b"), Closed(thing="b")))
        assert list(await rows(connection)) == ["a"]
        await apply_facts(connection, [OPEN], recorded(Closed(thing="a"), Closed(thing="never")))
        assert await rows(connection) == {}
        await apply_facts(connection, [OPEN], recorded(Opened(thing="c"), Closed(thing="c"), Opened(thing="c")))
        assert list(await rows(connection)) == ["c"]


async def test_a_row_that_two_change_at_once_has_both_changes(pool: asyncpg.Pool) -> None:
    """The guard is the lock that `load` takes: without it, the second writes over what the first has added."""
    async with pool.acquire() as first, pool.acquire() as second:
        async with first.transaction():
            await apply_facts(first, [THINGS_VIEW], recorded(ThingMade(thing="both", number=1)))
        async with first.transaction():
            await apply_facts(first, [THINGS_VIEW], recorded(ThingMade(thing="both", number=2)))
            other = asyncio.create_task(fold(second, ThingMade(thing="both", number=3)))
            await waiting(pool)
        await other
    assert (await rows(pool))["both"] == (3, 3, [1, 2, 3])


async def test_a_row_that_somebody_else_has_made_meanwhile_is_never_written_over(pool: asyncpg.Pool) -> None:
    """Done again, as consumers and followers do, it is seen. An upsert would lose the first one's."""
    async with pool.acquire() as first, pool.acquire() as second:
        async with first.transaction():
            await apply_facts(first, [THINGS_VIEW], recorded(ThingMade(thing="new", number=1)))
            other = asyncio.create_task(fold(second, ThingMade(thing="new", number=2)))
            await waiting(pool)
        with pytest.raises(asyncpg.UniqueViolationError):
            await other
        await fold(second, ThingMade(thing="new", number=2))
    assert (await rows(pool))["new"] == (2, 2, [1, 2])


def test_rows_that_are_no_named_tuple_are_refused() -> None:
    with pytest.raises(TypeError, match="NamedTuple"):
        Folding("things", tuple, lambda recorded: recorded.id, {})


async def fold(connection: Any, *facts: Fact) -> None:
    async with connection.transaction():
        await apply_facts(connection, [THINGS_VIEW], recorded(*facts))


async def waiting(pool: asyncpg.Pool) -> None:
    """Until somebody waits for a lock that somebody else holds."""
    async with asyncio.timeout(30):
        while not await pool.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"):  # noqa: ASYNC110 - rows of the server's
            await asyncio.sleep(0.01)
