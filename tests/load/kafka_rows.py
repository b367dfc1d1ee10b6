"""The rows of the table that need a broker: the relay, consuming, and the way of a command to another service.

The two services are the maker and the counter of `kehu.testing.pair`.
"""

from __future__ import annotations

import asyncio
import contextlib
import statistics
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

import asyncpg
from aiokafka import AIOKafkaProducer
from bench import Row
from faststream import AckPolicy
from faststream.kafka import KafkaBroker, KafkaMessage
from pydantic import BaseModel

from kehu.consuming import BATCH_TIMEOUT_MS, MAX_POLL_INTERVAL_MS, MAX_RECORDS
from kehu.deciding import Context, Decision, system_actor
from kehu.envelope import to_record
from kehu.event_store import Append
from kehu.facts import Position, StoredFact
from kehu.ids import new_id
from kehu.recording import Origin, Unrecorded
from kehu.relay import Relay
from kehu.running import Assembly, assemble
from kehu.settings import OWNER_ROLE, Settings
from kehu.testing.pair import COUNTER, MAKER, THING, Member, ThingMade, member
from kehu.topics import OwnedTopic, ensure_topics, owned_topics

#: Facts of one relay run: several rounds of 2,000.
RELAYED = 20_000
#: As many customers have them, so a key recurs, as customers' facts do.
KEYS = 2_000
FACTS_AN_APPEND = 10
#: Messages of one run of ours and of the peer, which is slower.
CONSUMED = 5_000
CONSUMED_SINGLY = 1_000
#: Commands of one run, one at a time, and the pause between them in which the system falls idle.
COMMANDS = 100
IDLE_SECONDS = 0.03
PATIENCE_SECONDS = 120

RAW_TOPIC = OwnedTopic("bench.raw", MAKER.partitions)
SINGLE_TOPIC = OwnedTopic("bench.single", MAKER.partitions)
FLOOR_TOPIC = OwnedTopic("bench.floor", MAKER.partitions)

#: The counter with its view alone.
VIEWER = replace(
    COUNTER,
    features=[replace(feature, reactions=(), inbound=()) for feature in COUNTER.features],
)

PEER_TABLES = """
CREATE TABLE IF NOT EXISTS bench_inbox (
    consumer text, stream text, sequence bigint NOT NULL, PRIMARY KEY (consumer, stream));
CREATE TABLE IF NOT EXISTS bench_things (
    thing text PRIMARY KEY, made integer NOT NULL, last_number integer NOT NULL, numbers integer[] NOT NULL);
CREATE TABLE IF NOT EXISTS bench_floor (id uuid PRIMARY KEY, body text NOT NULL);
"""
MOVE_INBOX = """
INSERT INTO bench_inbox AS b (consumer, stream, sequence) VALUES ('bench', $1, $2)
ON CONFLICT (consumer, stream) DO UPDATE SET sequence = excluded.sequence WHERE b.sequence = excluded.sequence - 1
RETURNING sequence
"""
#: Word for word the pair's own projection.
NOTE_THING = """
INSERT INTO bench_things AS t (thing, made, last_number, numbers) VALUES ($1, 1, $2, ARRAY[$2::integer])
ON CONFLICT (thing) DO UPDATE SET made = t.made + 1, last_number = excluded.last_number,
numbers = t.numbers || excluded.last_number
"""
COMMIT = "INSERT INTO bench_floor (id, body) VALUES ($1, $2)"


class Thing(BaseModel):
    """The body of the messages, as the peer declares it."""

    thing: str
    number: int
    box: str


def owner_pool(settings: Settings) -> asyncpg.Pool:
    """Connections of the database's owner, to be entered."""
    return asyncpg.create_pool(**settings.connection(OWNER_ROLE), min_size=2, max_size=8)


def messages(count: int) -> list[tuple[bytes, bytes, list[tuple[str, bytes]]]]:
    """Records of things never heard of, ten of each, in an order in which things alternate."""
    now = datetime.now(UTC)
    things = [f"t{new_id()}" for _ in range(count // FACTS_AN_APPEND)]
    return [
        to_record(
            StoredFact(
                id=new_id(),
                type=ThingMade.type_name(),
                service=MAKER.name,
                stream=THING.stream(thing),
                version=number,
                sequence=number,
                key=thing,
                data=f'{{"thing":"{thing}","number":{number},"box":"box"}}',
                metadata="{}",
                actor="u-1",
                correlation=new_id(),
                occurred_at=now,
                recorded_at=now,
            )
        )
        for number in range(1, FACTS_AN_APPEND + 1)
        for thing in things
    ]


class RelayRows:
    """Measures the relay of the pair's maker against aiokafka on the same broker.

    Args:
        settings: of a database migrated with the pair, and of a broker.

    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._stack = AsyncExitStack()
        #: The ids of the customers, as long as those of real ones: clients hash them for a partition.
        self._keys = [str(new_id()) for _ in range(KEYS)]
        #: What the relay sent in its last run, for the peer to send too.
        self._sent: list[StoredFact] = []
        self._maker: Member
        self._owner: asyncpg.Pool

    async def open(self) -> None:
        """Connect, and make the topics."""
        self._maker = await self._stack.enter_async_context(member(MAKER, self._settings))
        self._owner = await self._stack.enter_async_context(owner_pool(self._settings))
        await ensure_topics(self._settings, [*owned_topics(MAKER), RAW_TOPIC])

    async def close(self) -> None:
        """Let go of everything."""
        await self._stack.aclose()

    def rows(self) -> list[Row]:
        """The rows, with the gates of the product's quality page."""
        return [Row("relay store to Kafka", self.relay, self.raw_send, "aiokafka `send` in a loop", 1.0, 1.4)]

    async def relay(self) -> float:
        """A relay that runs and has caught up is given 20,000 facts at once; facts a second until it has again.

        They are appended behind an open transaction, which keeps readers from them until it ends.
        """
        relay = Relay(MAKER, self._maker.store, self._settings)
        task = asyncio.create_task(relay.run())
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                await relay.wait_caught_up()
                before = relay.relayed
                async with self._owner.acquire() as connection:
                    async with connection.transaction():
                        await connection.execute("SELECT pg_current_xact_id()")
                        after = await self._fill()
                    started = time.perf_counter()
                    await relay.wait_caught_up()
                    seconds = time.perf_counter() - started
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        if relay.relayed - before != RELAYED:
            raise RuntimeError(f"{relay.relayed - before} facts were relayed, not {RELAYED}.")
        self._sent = await self._maker.store.read_log(after, RELAYED, only_published=True)
        return RELAYED / seconds

    async def _fill(self) -> Position:
        """Append the facts; the place in the log before them."""
        first: list[Position] = []

        async def append(key: str) -> None:
            origin = Origin("u-1", datetime.now(UTC), new_id())
            made = [ThingMade(thing=key, number=number) for number in range(FACTS_AN_APPEND)]
            stream = THING.stream(key)
            rows = await self._maker.codec.encode([Unrecorded(fact, stream, new_id(), origin) for fact in made])
            appended = await self._maker.store.append(Append(stream, None, key, rows))
            first.append(appended.position)

        for start in range(0, KEYS, 500):
            keys = self._keys[start : start + 500]
            await asyncio.gather(*(append(key) for key in keys))
        return Position(min(first).tx, 0)

    async def raw_send(self) -> float:
        """The same facts, their records ready in memory, by `send` in a loop and a flush."""
        if not self._sent:
            await self.relay()
        records = [to_record(fact) for fact in self._sent]
        producer = AIOKafkaProducer(
            bootstrap_servers=self._settings.brokers,
            acks="all",
            enable_idempotence=self._settings.idempotent_producer,
        )
        await producer.start()
        try:
            await producer.partitions_for(RAW_TOPIC.name)
            started = time.perf_counter()
            for key, value, headers in records:
                await producer.send(RAW_TOPIC.name, value, key, headers=headers)
            await producer.flush()
            return len(records) / (time.perf_counter() - started)
        finally:
            await producer.stop()


class ConsumeRows:
    """Measures the consumers of the pair's counter against FastStream with an ack per message.

    Args:
        settings: of a database migrated with the pair, and of a broker.

    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._stack = AsyncExitStack()
        self._owner: asyncpg.Pool

    async def open(self) -> None:
        """Connect, and make the peer's tables and the topics."""
        self._owner = await self._stack.enter_async_context(owner_pool(self._settings))
        await self._owner.execute(PEER_TABLES)
        await ensure_topics(self._settings, [*owned_topics(MAKER), *owned_topics(COUNTER), SINGLE_TOPIC])

    async def close(self) -> None:
        """Let go of everything."""
        await self._stack.aclose()

    def rows(self) -> list[Row]:
        """The rows, with the gates of the product's quality page."""
        peer = "FastStream, one ack per message"
        return [Row("consume with inbox and view", self.consume, self.consume_singly, peer, 2, 4)]

    async def consume(self) -> float:
        """A backlog is consumed; messages a second from the first delivery until all have their effect."""
        await self._publish(MAKER.topic, CONSUMED)
        async with member(VIEWER, self._settings) as viewer:
            consumers = viewer.consumers()
            count = Count(CONSUMED)
            receiver = consumers._consumers[MAKER.topic].receiver
            receive = receiver.receive

            async def watched(records: Sequence[Any]) -> dict[int, int]:
                count.begin()
                reread = await receive(records)
                count.add(len(records))
                return reread

            receiver.receive = watched
            await consumers.start()
            try:
                return await count.wait()
            finally:
                await consumers.stop()

    async def consume_singly(self) -> float:
        """The same effect by FastStream: per message a transaction with inbox row and view row, then an ack."""
        await self._publish(SINGLE_TOPIC.name, CONSUMED_SINGLY)
        count = Count(CONSUMED_SINGLY)
        broker = KafkaBroker(self._settings.brokers, logger=None)

        @broker.subscriber(
            SINGLE_TOPIC.name,
            group_id="bench",
            auto_offset_reset="earliest",
            ack_policy=AckPolicy.NACK_ON_ERROR,
            fetch_max_wait_ms=self._settings.fetch_max_wait_ms,
        )
        async def note(body: Thing, message: KafkaMessage) -> None:
            count.begin()
            headers = message.headers
            async with self._owner.acquire() as connection, connection.transaction():
                if await connection.fetchval(MOVE_INBOX, headers["ce_subject"], int(headers["ce_sequence"])):
                    await connection.execute(NOTE_THING, body.thing, body.number)
            count.add(1)

        async with broker:
            await broker.start()
            return await count.wait()

    async def _publish(self, topic: str, count: int) -> None:
        producer = AIOKafkaProducer(bootstrap_servers=self._settings.brokers)
        await producer.start()
        for key, value, headers in messages(count):
            await producer.send(topic, value, key, headers=headers)
        await producer.stop()


class Count:
    """Counts operations from the first one's beginning to the last one's end.

    Args:
        wanted: how many there will be.

    """

    def __init__(self, wanted: int) -> None:
        self._left = self._wanted = wanted
        self._began = 0.0
        self._ended = 0.0
        self._over = asyncio.Event()

    def begin(self) -> None:
        """Something is being worked on."""
        self._began = self._began or time.perf_counter()

    def add(self, done: int) -> None:
        """Some are done."""
        self._left -= done
        if self._left <= 0:
            self._ended = time.perf_counter()
            self._over.set()

    async def wait(self) -> float:
        """Return operations a second, when all are done."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            await self._over.wait()
        return self._wanted / (self._ended - self._began)


# --- from a command to a reaction elsewhere -------------------------------------------------------------------------


@asynccontextmanager
async def two_services(settings: Settings) -> AsyncGenerator[Callable[[], Awaitable[None]]]:
    """The pair as two whole services; yields what carries a command out and waits for the reaction's commit."""
    async with assemble(MAKER, settings) as maker, assemble(COUNTER, settings) as counter:
        committed = asyncio.Event()
        counter.running.wakes.append(committed.set)
        await asyncio.gather(maker.start(), counter.start())
        number = 0

        async def command() -> None:
            nonlocal number
            number += 1
            committed.clear()
            # A box of its own for each thing: the reaction has no long history to fold.
            fact = ThingMade(thing=f"t{new_id()}", number=number, box=f"b{new_id()}")
            context = Context(actor=system_actor("bench", "make"), now=maker.running.clock.now())
            await maker.running.commands.handle(
                THING, fact.thing, lambda _state, _context: Decision([fact]), context, must_exist=False
            )
            await committed.wait()

        try:
            await _until_ready(maker, counter)
            yield command
        finally:
            await counter.stop()
            await maker.stop()


async def _until_ready(*services: Assembly) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        for service in services:
            while not all(part.ready for part in (await service.health()).values()):  # noqa: ASYNC110 - services tell nobody
                await asyncio.sleep(IDLE_SECONDS)


@asynccontextmanager
async def bare_floor(settings: Settings) -> AsyncGenerator[Callable[[], Awaitable[None]]]:
    """Two plain commits with one record produced and consumed between them."""
    committed = asyncio.Event()
    broker = KafkaBroker(settings.brokers, logger=None)
    producer = AIOKafkaProducer(
        bootstrap_servers=settings.brokers, acks="all", enable_idempotence=settings.idempotent_producer
    )
    async with owner_pool(settings) as pool:
        await pool.execute(PEER_TABLES)

        @broker.subscriber(
            FLOOR_TOPIC.name,
            batch=True,
            group_id="bench",
            ack_policy=AckPolicy.NACK_ON_ERROR,
            auto_offset_reset="earliest",
            max_records=MAX_RECORDS,
            batch_timeout_ms=BATCH_TIMEOUT_MS,
            max_poll_interval_ms=MAX_POLL_INTERVAL_MS,
            fetch_max_wait_ms=settings.fetch_max_wait_ms,
        )
        async def react(bodies: list[Thing]) -> None:
            await pool.executemany(COMMIT, [(new_id(), body.thing) for body in bodies])
            committed.set()

        async def command() -> None:
            committed.clear()
            body = f'{{"thing":"t{new_id()}","number":1,"box":"b{new_id()}"}}'
            await pool.execute(COMMIT, new_id(), body)
            await producer.send_and_wait(FLOOR_TOPIC.name, body.encode(), key=body[:40].encode())
            await committed.wait()

        await producer.start()
        try:
            async with broker:
                await broker.start()
                yield command
        finally:
            await producer.stop()


async def milliseconds(
    side: Callable[[Settings], contextlib.AbstractAsyncContextManager[Callable[[], Awaitable[None]]]],
    settings: Settings,
    percentile: int,
) -> float:
    """A percentile of how long commands take, one at a time in an idle system."""
    async with side(settings) as command:
        async with asyncio.timeout(PATIENCE_SECONDS):
            for _ in range(5):
                await command()
            taken: list[float] = []
            for _ in range(COMMANDS):
                await asyncio.sleep(IDLE_SECONDS)
                started = time.perf_counter()
                await command()
                taken.append((time.perf_counter() - started) * 1_000)
    return statistics.quantiles(taken, n=100, method="inclusive")[percentile - 1]


class LatencyRows:
    """Measures how long it takes from a command to the commit of a reaction in another service; on a real Kafka only.

    Args:
        settings: of a database migrated with the pair, and of a broker.

    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    async def open(self) -> None:
        """Make the topics."""
        await ensure_topics(self._settings, [*owned_topics(MAKER), *owned_topics(COUNTER), FLOOR_TOPIC])

    async def close(self) -> None:
        """Nothing is held."""

    def rows(self) -> list[Row]:
        """The rows, with the gates of the product's quality page."""
        if self._settings.broker_kind != "kafka":
            return []
        return [
            Row(
                f"command to a reaction committed elsewhere, p{percentile}",
                partial(milliseconds, two_services, self._settings, percentile),
                partial(milliseconds, bare_floor, self._settings, percentile),
                "two commits and one bare FastStream batch",
                gate,
                stretch,
                latency=True,
            )
            for percentile, gate, stretch in ((50, 3, 2), (99, 5, None))
        ]
