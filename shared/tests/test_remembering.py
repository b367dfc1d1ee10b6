"""Remembered streams against a real database: they stand where the log says, and little is read twice."""

from __future__ import annotations

import random
from collections.abc import AsyncGenerator, Mapping
from datetime import UTC, datetime

import pytest

from kehu.deciding import Category
from kehu.event_store import Append, EventStore
from kehu.facts import Fact, FactTypes, StoredFact
from kehu.ids import new_id
from kehu.privacy import Personal
from kehu.recording import Codec, Origin, Unrecorded
from kehu.remembering import KEEP_SECONDS, RememberedStreams, Standing
from kehu.testing.pair import MAKER, PAIR, Member, member
from kehu.testing.platform import Platform

SEED = 20261125


class Counted(Fact):
    number: int


class Named(Fact):
    person: str
    name: Personal


SUM: Category[int] = Category(
    "thing", (Counted, Named), 0, lambda state, fact: state + fact.number if isinstance(fact, Counted) else state
)


class WatchedStore(EventStore):
    """Notes after which versions it was asked."""

    asked: list[dict[str, int]]

    async def read_streams(self, streams: Mapping[str, int]) -> dict[str, list[StoredFact]]:
        self.asked.append(dict(streams))
        return await super().read_streams(streams)


class World:
    def __init__(self, one: Member) -> None:
        self.store = WatchedStore(one.pool)
        self.store.asked = []
        self.codec = Codec(FactTypes([Counted, Named]), one.keyring)
        self.seconds = 0.0

    def remembered(self, most_facts: int = 1_000) -> RememberedStreams:
        return RememberedStreams(self.store, self.codec, clock=lambda: self.seconds, most_facts=most_facts)

    async def add(self, stream: str, *facts: Fact) -> None:
        origin = Origin("u-1", datetime(2026, 11, 25, tzinfo=UTC), new_id())
        rows = await self.codec.encode([Unrecorded(fact, stream, new_id(), origin) for fact in facts])
        await self.store.append(Append(stream, None, "k", rows))

    async def afresh(self, stream: str) -> tuple[int, int, frozenset[object]]:
        rows = await EventStore(self.store._pool).read_stream(stream)
        facts = [recorded.fact for recorded in await self.codec.decode(rows)]
        return SUM.fold(facts), len(rows), frozenset(row.id for row in rows)


def seen(standing: Standing) -> tuple[int, int, frozenset[object]]:
    return standing.state, standing.version, frozenset(standing.known)


@pytest.fixture
async def world(platform: Platform) -> AsyncGenerator[World]:
    fresh = await platform.postgres.create_database(services=PAIR)
    async with member(MAKER, platform.settings(fresh.database_name)) as one:
        yield World(one)
    await platform.postgres.drop_database(fresh)


async def test_a_stream_read_again_is_read_from_where_it_was_and_stands_where_the_log_says(world: World) -> None:
    """Guard: the version after which `RememberedStreams.load` asks."""
    remembered, chance = world.remembered(), random.Random(SEED)  # noqa: S311 - nothing secret
    streams = [SUM.stream(new_id()) for _ in range(4)]
    for stream in streams:
        await world.add(stream, Counted(number=1))
    for _ in range(30):
        for stream in chance.sample(streams, 2):
            await world.add(stream, *(Counted(number=chance.randint(1, 9)) for _ in range(chance.randint(1, 3))))
        wanted = chance.sample(streams, 3)
        loaded = await remembered.load(dict.fromkeys(wanted, SUM))
        assert {stream: seen(loaded[stream]) for stream in wanted} == {
            stream: await world.afresh(stream) for stream in wanted
        }
    for stream in streams:
        versions = [asked[stream] for asked in world.store.asked if stream in asked]
        assert versions == sorted(versions)
        assert versions.count(0) == 1


async def test_a_stream_with_sealed_values_is_not_remembered(world: World) -> None:
    remembered, stream = world.remembered(), SUM.stream(new_id())
    await world.add(stream, Counted(number=1))
    await remembered.load({stream: SUM})
    await world.add(stream, Named(person="p-1", name="张三"))
    for _ in range(3):
        loaded = await remembered.load({stream: SUM})
        assert seen(loaded[stream]) == await world.afresh(stream)
    assert [asked[stream] for asked in world.store.asked] == [0, 1, 0, 0]


async def test_what_is_remembered_is_believed_for_a_minute(world: World) -> None:
    remembered, stream = world.remembered(), SUM.stream(new_id())
    await world.add(stream, Counted(number=1))
    for seconds in (0.0, KEEP_SECONDS / 2, KEEP_SECONDS - 1, KEEP_SECONDS, KEEP_SECONDS + 1):
        world.seconds = seconds
        await remembered.load({stream: SUM})
    assert [asked[stream] for asked in world.store.asked] == [0, 1, 1, 0, 1]


async def test_where_there_is_no_room_the_streams_used_longest_ago_are_forgotten(world: World) -> None:
    remembered = world.remembered(most_facts=10)
    one, two, large = (SUM.stream(new_id()) for _ in range(3))
    for stream, facts in ((one, 4), (two, 3), (large, 11)):
        await world.add(stream, *(Counted(number=1) for _ in range(facts)))
    for stream in (one, two, large, one, two):
        await remembered.load({stream: SUM})
    assert [next(iter(asked.values())) for asked in world.store.asked] == [0, 0, 0, 4, 3]
    await world.add(two, Counted(number=1), Counted(number=1))
    for stream in (two, one, two):
        await remembered.load({stream: SUM})
    assert [next(iter(asked.values())) for asked in world.store.asked[5:]] == [3, 0, 0]
