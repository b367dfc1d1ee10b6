"""Facts on their way from the maker's store over the broker to the counter's reaction and view, and what they come to.

Each thing has a writer of its own that numbers its facts from 1, so the numbers in the counter's view tell what was
lost, doubled or applied out of order on the way.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import asyncpg
from aiokafka import AIOKafkaConsumer, TopicPartition

from kehu.event_store import Append
from kehu.facts import START
from kehu.ids import new_id
from kehu.parts import connect
from kehu.rebuilding import rebuild
from kehu.recording import Origin, Unrecorded
from kehu.relay import Relay
from kehu.settings import OWNER_ROLE, Settings
from kehu.testing.pair import COUNTER, MAKER, THING, BoxCounted, Member, ThingMade, member
from kehu.topics import ensure_topics, owned_topics

#: A broker or database that comes back, or a consumer whose group waits for a dead member, takes its time.
PATIENCE_SECONDS = 90
_POLL_SECONDS = 0.02
#: What a database that is going down or coming up says to whoever speaks to it.
_AWAY = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)


async def until(condition: Callable[[], Awaitable[Any]], what: str) -> Any:
    """Wait for something in another process or server, which tells nobody when it changes."""
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not (found := await _answer(condition)):  # noqa: ASYNC110 - it changes elsewhere
                await asyncio.sleep(_POLL_SECONDS)
    except TimeoutError:
        raise AssertionError(f"It did not come to be: {what}.") from None
    return found


async def _answer(condition: Callable[[], Awaitable[Any]]) -> Any:
    with contextlib.suppress(*_AWAY):
        return await condition()
    return None


@dataclass(frozen=True)
class Toll:
    """What a fault cost: facts committed by the maker, and what became of them in the counter."""

    pushed: int
    lost: int
    doubled: int
    disordered: int

    @classmethod
    def of(cls, written: dict[str, int], arrived: dict[str, list[int]]) -> Toll:
        """Compare the last number of each thing with the numbers that arrived, in their order."""
        seen = sum(len(numbers) for numbers in arrived.values())
        unique = sum(len(set(numbers)) for numbers in arrived.values())
        there = sum(len(set(range(1, last + 1)) & set(arrived.get(thing, ()))) for thing, last in written.items())
        pushed = sum(written.values())
        turned = sum(later < earlier for one in arrived.values() for earlier, later in itertools.pairwise(one))
        return cls(pushed, pushed - there, seen - unique, turned)

    @property
    def nothing(self) -> bool:
        """Whether everything arrived, once, in order."""
        return (self.lost, self.doubled, self.disordered) == (0, 0, 0)

    def __str__(self) -> str:
        return f"{self.pushed} facts: {self.lost} lost, {self.doubled} doubled, {self.disordered} out of order"


@dataclass
class Crossing:
    """The pair on a database and a broker; nothing runs yet.

    Attributes:
        written: the last number that each thing's writer knows to be committed.

    """

    settings: Settings
    maker: Member
    counter: Member
    written: dict[str, int] = field(default_factory=dict[str, int])

    @property
    def pushed(self) -> int:
        """How many facts are committed."""
        return sum(self.written.values())

    async def write(self, thing: str) -> None:
        """Commit the next fact of a thing, however often the database goes away meanwhile.

        A writer that was cut off does not know whether its fact was committed; it repeats it under the same id.
        """
        number = self.written.get(thing, 0) + 1
        origin = Origin("u-1", datetime.now(UTC), new_id())
        stream = THING.stream(thing)
        # A box for each thing: the reaction has no long history to fold.
        fact = ThingMade(thing=thing, number=number, box=f"box-{thing}")
        rows = await self.maker.codec.encode([Unrecorded(fact, stream, new_id(), origin)])

        async def append() -> bool:
            await self.maker.store.append(Append(stream, None, thing, rows))
            return True

        await until(append, f"the fact {number} of {thing} is committed")
        self.written[thing] = number

    async def write_round(self, things: int = 20) -> None:
        """Commit one fact of each of some things at once."""
        await asyncio.gather(*(self.write(f"t{number}") for number in range(things)))

    @asynccontextmanager
    async def writing(self, things: int = 20) -> AsyncGenerator[None]:
        """Writers at work all the while."""
        over = asyncio.Event()

        async def work() -> None:
            while not over.is_set():
                await self.write_round(things)

        task = asyncio.create_task(work())
        try:
            yield
        finally:
            over.set()
            await task

    async def more(self, facts: int) -> None:
        """Wait until the writers have committed some more."""
        goal = self.pushed + facts
        await until(lambda: _true(self.pushed >= goal), f"{goal} facts are committed")

    @asynccontextmanager
    async def relaying(self) -> AsyncGenerator[Relay]:
        """The maker's relay at work."""
        relay = Relay(MAKER, self.maker.store, self.settings)
        task = asyncio.create_task(relay.run())
        try:
            yield relay
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    @asynccontextmanager
    async def consuming(self) -> AsyncGenerator[None]:
        """The counter's consumers at work."""
        consumers = self.counter.consumers()
        await consumers.start()
        try:
            yield
        finally:
            await consumers.stop()

    async def arrived(self) -> dict[str, list[int]]:
        """The numbers of each thing in the counter's view, in the order in which they were applied."""
        rows = await self.counter.pool.fetch("SELECT thing, numbers FROM things")
        return {row["thing"]: row["numbers"] for row in rows}

    async def arrivals(self) -> int:
        """How many facts the view has been given."""
        found: int = await self.counter.pool.fetchval("SELECT coalesce(sum(made), 0) FROM things")
        return found

    @asynccontextmanager
    async def acknowledging(self) -> AsyncGenerator[Callable[[], Awaitable[int]]]:
        """How many records the counter's group has acknowledged, whenever it is asked."""
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self.settings.brokers, group_id="kehu.pair-counter", enable_auto_commit=False
        )
        await consumer.start()
        partitions = [TopicPartition(MAKER.topic, number) for number in range(MAKER.partitions)]
        consumer.assign(partitions)

        async def acknowledged() -> int:
            return sum([await consumer.committed(partition) or 0 for partition in partitions])

        try:
            yield acknowledged
        finally:
            await consumer.stop()

    async def acknowledged(self) -> int:
        """How many records the counter's group has acknowledged."""
        async with self.acknowledging() as acknowledged:
            return await acknowledged()

    @asynccontextmanager
    async def nothing_acknowledged_too_early(self) -> AsyncGenerator[None]:
        """Compare all the while what is acknowledged with what has had its effect: the first is never more.

        It holds where the relay repeats nothing: then each record in the topic is one fact.
        """
        over = asyncio.Event()

        async def watch(acknowledged: Callable[[], Awaitable[int]]) -> None:
            while not over.is_set():
                first = await acknowledged()
                assert first <= await self.arrivals(), "Something is acknowledged that has no effect yet."
                await asyncio.sleep(_POLL_SECONDS)

        async with self.acknowledging() as acknowledged:
            watching = asyncio.create_task(watch(acknowledged))
            try:
                yield
            finally:
                over.set()
                await watching

    async def sent(self) -> int:
        """How many records are in the maker's topic."""
        async with AIOKafkaConsumer(bootstrap_servers=self.settings.brokers) as consumer:
            partitions = [TopicPartition(MAKER.topic, number) for number in range(MAKER.partitions)]
            return sum((await consumer.end_offsets(partitions)).values())

    async def complete(self) -> bool:
        """Whether the view has been given everything."""
        return await self.arrivals() >= self.pushed

    async def settle(self) -> Toll:
        """Wait for everything to arrive, and compare: the view, the reactions' facts, and a rebuild of the view.

        The relay and the consumers must be at work, and nobody writing.
        """
        with contextlib.suppress(AssertionError):  # what did not arrive is counted below
            await until(self.complete, "everything has arrived")
        toll = Toll.of(self.written, await self.arrived())
        counted = Toll.of(self.written, await self._counted())
        assert counted == toll, f"The view has {toll}, and the reactions {counted}."
        letters = await self.counter.consumers().dead_letters.list()
        assert letters == [], "Something was parked."
        assert await self.rebuilt_the_same(), "A rebuild gives another view."
        return toll

    async def _counted(self) -> dict[str, list[int]]:
        """The numbers of each thing in the facts of the counter's reaction."""
        numbers: dict[str, list[int]] = {}
        after = START
        while rows := await self.counter.store.read_log(after, 1_000):
            for recorded in await self.counter.codec.decode(rows):
                if isinstance(recorded.fact, BoxCounted):
                    numbers.setdefault(recorded.fact.thing, []).append(recorded.fact.number)
            after = rows[-1].position
        return numbers

    async def rebuilt_the_same(self) -> bool:
        """Rebuild the view; whether it is what it was."""
        owner = await asyncpg.connect(**self.settings.connection(OWNER_ROLE))
        try:
            async with connect(COUNTER, self.settings) as running:
                return (await rebuild(running, "things", owner)).same
        finally:
            await owner.close()


@asynccontextmanager
async def crossing(settings: Settings) -> AsyncGenerator[Crossing]:
    """The pair, connected, with its topics."""
    await ensure_topics(settings, [*owned_topics(MAKER), *owned_topics(COUNTER)])
    async with member(MAKER, settings) as maker, member(COUNTER, settings) as counter:
        yield Crossing(settings, maker, counter)


async def _true(value: object) -> bool:
    return bool(value)
