"""The relay against a real PostgreSQL and a real broker: nothing lost, nothing reordered, whatever happens to it."""

from __future__ import annotations

import asyncio
import contextlib
import random
import signal
import subprocess
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

import asyncpg
import pytest
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.partitioner import DefaultPartitioner
from faststream.kafka import KafkaBroker, KafkaPublishMessage

from kehu import relay as relay_module
from kehu.envelope import from_record, to_record
from kehu.facts import START, StoredFact
from kehu.relay import Relay
from kehu.settings import SUPERUSER_ROLE, Settings
from kehu.testing.pair import MAKER, PAIR, Member, ThingMade, ThingScratched, member
from kehu.testing.platform import Platform
from kehu.topic_writer import MAX_BATCH_BYTES, Acknowledged, TopicWriter
from kehu.topics import WrongPartitionCount, ensure_topics, owned_topics

PATIENCE = 60
SEED = 20261124

RELAY_PROCESS = """
import asyncio, sys
from kehu.event_store import EventStore
from kehu.relay import Relay
from kehu.settings import Settings
from kehu.testing.pair import MAKER, member

async def main():
    settings = Settings.model_validate_json(sys.argv[1])
    async with member(MAKER, settings) as maker:
        await Relay(MAKER, maker.store, settings).run()

asyncio.run(main())
"""


@pytest.fixture
async def settings(platform: Platform) -> AsyncGenerator[Settings]:
    """A fresh database of the pair, and a broker without topics."""
    fresh = await platform.postgres.create_database(services=PAIR)
    await platform.empty_kafka()
    yield platform.settings(fresh.database_name)
    await platform.postgres.drop_database(fresh)


@pytest.fixture
async def maker(settings: Settings) -> AsyncGenerator[Member]:
    async with member(MAKER, settings) as one:
        yield one


@asynccontextmanager
async def relaying(relay: Relay) -> AsyncGenerator[Relay]:
    task = asyncio.create_task(relay.run())
    try:
        yield relay
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


@contextmanager
def relay_process(settings: Settings) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-c", RELAY_PROCESS, settings.model_dump_json()]
    with subprocess.Popen(command) as process:  # noqa: S603 - the command is ours
        try:
            yield process
        finally:
            process.send_signal(signal.SIGCONT)
            process.kill()


async def until(condition: Callable[[], Awaitable[Any]]) -> Any:
    """Wait for a condition in another process or server, which tells nobody when it changes."""
    async with asyncio.timeout(PATIENCE):
        while not (found := await condition()):  # noqa: ASYNC110 - it changes elsewhere
            await asyncio.sleep(0.02)
    return found


async def read_topic(settings: Settings) -> list[ConsumerRecord[bytes, bytes]]:
    """Everything that is in the maker's topic, partition by partition."""
    consumer = AIOKafkaConsumer(bootstrap_servers=settings.brokers, auto_offset_reset="earliest")
    await consumer.start()
    try:
        partitions = [TopicPartition(MAKER.topic, number) for number in range(MAKER.partitions)]
        consumer.assign(partitions)
        records: list[ConsumerRecord[bytes, bytes]] = []
        ends = await consumer.end_offsets(partitions)
        async with asyncio.timeout(PATIENCE):
            for partition in partitions:
                while await consumer.position(partition) < ends[partition]:
                    for found in (await consumer.getmany(timeout_ms=100)).values():
                        records += found
        return records
    finally:
        await consumer.stop()


def first_occurrences(records: list[ConsumerRecord[bytes, bytes]]) -> dict[str, list[int]]:
    """Per stream the sequences in the order in which a reader that drops repetitions sees them."""
    seen: dict[str, list[int]] = {}
    for record in records:
        envelope = from_record(record.key, record.value, record.headers)
        assert envelope.sequence is not None
        sequences = seen.setdefault(envelope.subject, [])
        if envelope.sequence > (sequences[-1] if sequences else 0):
            sequences.append(envelope.sequence)
    return seen


def whole(streams: int, facts: int) -> dict[str, list[int]]:
    return {f"thing-t{number}": list(range(1, facts + 1)) for number in range(streams)}


async def relay_row(maker: Member) -> asyncpg.Record:
    row = await maker.pool.fetchrow("SELECT * FROM relay")
    assert row is not None
    return row


async def write(maker: Member, streams: int, facts: int, after: int = 0) -> None:
    await asyncio.gather(
        *(maker.make(f"t{number}", [n]) for n in range(after + 1, after + facts + 1) for number in range(streams))
    )


# --- the plain way ---------------------------------------------------------------------------------------------------


async def test_published_facts_arrive_whole_and_in_order_and_private_ones_stay(
    maker: Member, settings: Settings
) -> None:
    for number in range(1, 6):
        await maker.record("t0", [ThingMade(thing="t0", number=number), ThingScratched(thing="t0")])
        await maker.make("t1", [number])
    async with relaying(Relay(MAKER, maker.store, settings)) as relay:
        await relay.wait_caught_up()
        assert relay.caught_up
        assert relay.healthy
    records = await read_topic(settings)
    assert first_occurrences(records) == whole(2, 5)
    assert len(records) == 10
    assert {record.key for record in records} == {b"t0", b"t1"}


async def test_the_value_is_what_is_stored_byte_for_byte(maker: Member, settings: Settings) -> None:
    await maker.make("阀门", [1])
    async with relaying(Relay(MAKER, maker.store, settings)) as relay:
        await relay.wait_caught_up()
    (row,) = await maker.store.read_log(START, 10)
    (record,) = await read_topic(settings)
    assert (record.key, record.value, list(record.headers)) == to_record(row)


async def test_a_lost_notification_costs_a_poll_and_nothing_else(maker: Member, settings: Settings) -> None:
    """Nobody calls `wake` here and nobody notifies: polling alone brings the fact over."""
    async with relaying(Relay(MAKER, maker.store, settings)) as relay:
        await relay.wait_caught_up()
        await maker.make("t0", [1])
        await until(lambda: _true(relay.relayed == 1))


async def test_a_process_that_stands_by_tells_the_leader(
    maker: Member, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with relaying(Relay(MAKER, maker.store, settings)) as leader:
        await leader.wait_caught_up()
        async with relaying(Relay(MAKER, maker.store, settings)) as other:
            await other.wait_caught_up()
            assert other.healthy
            assert other.caught_up
            assert not other.leading
            # From here on polling alone would take longer than the test may.
            monkeypatch.setattr(relay_module, "LONGEST_POLL_SECONDS", 10 * PATIENCE)
            await until(lambda: _true(leader._waiting == []))
            await asyncio.gather(leader.wait_caught_up(), other.wait_caught_up())
            await maker.make("t0", [1])
            other.wake()
            await until(lambda: _true(leader.relayed == 1))


async def test_caught_up_waits_for_what_a_slow_transaction_holds_back(maker: Member, settings: Settings) -> None:
    async with relaying(Relay(MAKER, maker.store, settings)) as relay:
        await relay.wait_caught_up()
        async with maker.pool.acquire() as slow:
            transaction = slow.transaction()
            await transaction.start()
            await slow.execute("SELECT pg_current_xact_id()")
            await maker.make("t0", [1])
            waiting = asyncio.ensure_future(relay.wait_caught_up())
            done, _ = await asyncio.wait({waiting}, timeout=0.3)
            assert not done
            await transaction.commit()
        await waiting
        assert relay.relayed == 1


# --- where records go ------------------------------------------------------------------------------------------------


async def places_after_relaying(maker: Member, settings: Settings) -> dict[bytes | None, set[int]]:
    """In which partitions the records of each key are, once the relay has sent thirty keys in one round."""
    await write(maker, streams=30, facts=2)
    async with relaying(Relay(MAKER, maker.store, settings)) as relay:
        await relay.wait_caught_up()
        assert relay.rounds == 1
    places: dict[bytes | None, set[int]] = {}
    for record in await read_topic(settings):
        places.setdefault(record.key, set()).add(record.partition)
    assert len(places) == 30
    return places


def as_every_client_does(keys: Iterable[bytes | None]) -> dict[bytes | None, set[int]]:
    """Where the client's own partitioner puts a key."""
    numbers = list(range(MAKER.partitions))
    return {key: {DefaultPartitioner()(key, numbers, numbers)} for key in keys}


async def test_each_key_has_the_partition_that_every_client_would_give_it(maker: Member, settings: Settings) -> None:
    """Guard: `TopicWriter.prepare`, a record batch for each partition. The next test shows that this would notice."""
    places = await places_after_relaying(maker, settings)
    assert places == as_every_client_does(places)
    assert set.union(*places.values()) == {0, 1, 2}


@pytest.mark.usefixtures("real_kafka")
async def test_one_publish_batch_would_put_all_keys_into_one_partition(
    maker: Member, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guard taken out: FastStream's `publish_batch` in the place of the relay's own record batches.

    It sends one batch whatever the keys, so the customers' order is kept by luck and one consumer gets everything.
    """

    def prepare(_writer: TopicWriter, facts: Sequence[StoredFact]) -> list[Sequence[StoredFact]]:
        return [facts]

    async def send(writer: TopicWriter, waves: Sequence[Sequence[StoredFact]]) -> list[Acknowledged]:
        acknowledged: list[Acknowledged] = []
        async with KafkaBroker(settings.brokers) as broker:
            for facts in waves:
                records = [to_record(fact) for fact in facts]
                messages = [KafkaPublishMessage(value, key=key) for key, value, _ in records]
                answer = await broker.publish_batch(*messages, topic=writer.topic)
                acknowledged.append(Acknowledged(answer.partition, answer.offset, answer.offset + len(facts) - 1))
        return acknowledged

    monkeypatch.setattr(TopicWriter, "prepare", prepare)
    monkeypatch.setattr(TopicWriter, "send", send)
    places = await places_after_relaying(maker, settings)
    assert places != as_every_client_does(places)
    assert len(set.union(*places.values())) == 1


async def test_facts_that_fill_several_batches_of_one_partition_keep_their_order(
    maker: Member, settings: Settings
) -> None:
    large = "x" * 200_000
    for number in range(1, 16):
        await maker.record("t0", [ThingMade(thing="t0", number=number, box=large)])
    async with relaying(Relay(MAKER, maker.store, settings)) as relay:
        await relay.wait_caught_up()
    assert first_occurrences(await read_topic(settings)) == whole(1, 15)
    assert relay.rounds == 1
    assert 15 * len(large) > 3 * MAX_BATCH_BYTES


async def test_a_topic_with_another_partition_count_stops_the_relay(maker: Member, settings: Settings) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.brokers)
    await admin.start()
    await admin.create_topics([NewTopic(MAKER.topic, MAKER.partitions + 1, 1)])
    await admin.close()
    relay = Relay(MAKER, maker.store, settings)
    with pytest.raises(WrongPartitionCount, match=r"kehu\.pair-maker has 4 partitions, and its service declares 3"):
        async with asyncio.timeout(PATIENCE):
            await relay.run()
    assert not relay.healthy


async def test_topics_are_created_once_whoever_is_first(settings: Settings) -> None:
    topics = owned_topics(PAIR[1])
    await asyncio.gather(*(ensure_topics(settings, topics) for _ in range(4)))
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.brokers)
    await admin.start()
    described = await admin.describe_topics([topic.name for topic in topics])
    await admin.close()
    assert {one["topic"]: len(one["partitions"]) for one in described} == {
        "kehu.pair-counter": 3,
        "kehu.inbound.pair-counter": 3,
    }
    with pytest.raises(WrongPartitionCount):
        await ensure_topics(settings, [replace(topics[0], partitions=4)])


# --- faults ----------------------------------------------------------------------------------------------------------


async def test_a_relay_killed_at_random_moments_loses_nothing_and_keeps_the_order(
    maker: Member, settings: Settings
) -> None:
    chance = random.Random(SEED)  # noqa: S311 - the same moments in every run
    for written in (0, 20, 40, 60):
        with relay_process(settings):
            await until(partial(_relayed_past, maker, written + 1 if written else 0))
            await write(maker, streams=10, facts=20, after=written)
            # It is killed as soon as some random part of that has been relayed.
            await until(partial(_relayed_past, maker, written + chance.randrange(200)))
    async with relaying(Relay(MAKER, maker.store, settings)) as relay:
        await relay.wait_caught_up()
    assert first_occurrences(await read_topic(settings)) == whole(10, 80)


async def test_a_leader_that_was_paused_and_superseded_only_repeats(maker: Member, settings: Settings) -> None:
    """The paused process wakes up with batches on their way, and its lock long gone to another."""
    over = asyncio.Event()
    writing = asyncio.create_task(_write_until(over, maker))
    with relay_process(settings) as paused:
        await until(lambda: _relayed_past(maker, 1))
        paused.send_signal(signal.SIGSTOP)
        await _end_lock_holder(settings)
        async with relaying(Relay(MAKER, maker.store, settings)) as successor:
            await until(lambda: _true(successor.leading and successor.relayed))
            paused.send_signal(signal.SIGCONT)
            before = successor.relayed
            await until(lambda: _true(successor.relayed > before + 500))
            over.set()
            written = await writing
            await successor.wait_caught_up()
            records = await read_topic(settings)
    assert first_occurrences(records) == whole(10, written)


async def test_a_lost_database_connection_starts_again_from_the_saved_cursor(maker: Member, settings: Settings) -> None:
    async with relaying(Relay(MAKER, maker.store, settings)) as relay:
        for round_number in range(3):
            await write(maker, streams=3, facts=10, after=10 * round_number)
            await relay.wait_caught_up()
            await _end_lock_holder(settings)
        await relay.wait_caught_up()
    assert first_occurrences(await read_topic(settings)) == whole(3, 30)


@pytest.mark.real_kafka
async def test_a_topic_that_vanished_is_made_again_and_filled_from_the_first_fact(
    maker: Member, settings: Settings, real_kafka: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay_module, "CHECK_SECONDS", 0.2)
    await write(maker, streams=5, facts=10)
    async with relaying(Relay(MAKER, maker.store, settings)) as relay:
        await relay.wait_caught_up()
        await real_kafka.empty_kafka()
        await until(lambda: _true(relay.resets == 1))
        await write(maker, streams=5, facts=10, after=10)
        await relay.wait_caught_up()
    assert first_occurrences(await read_topic(settings)) == whole(5, 20)
    assert (await relay_row(maker))["resets"] == 1


@pytest.mark.real_kafka
async def test_a_broker_that_lost_its_disk_while_the_relay_was_away_is_filled_again(
    maker: Member, settings: Settings, real_kafka: Platform
) -> None:
    await write(maker, streams=5, facts=10)
    async with relaying(Relay(MAKER, maker.store, settings)) as relay:
        await relay.wait_caught_up()
    await real_kafka.restart_kafka(wipe=True)
    async with relaying(Relay(MAKER, maker.store, settings)) as relay:
        await until(lambda: _true(relay.resets == 1))
        await relay.wait_caught_up()
    assert first_occurrences(await read_topic(settings)) == whole(5, 10)


async def test_an_offset_that_was_given_before_means_lost_data(maker: Member, settings: Settings) -> None:
    """A topic that was emptied and grew again since the last check: only the acknowledgement tells."""
    await write(maker, streams=1, facts=10)
    async with relaying(Relay(MAKER, maker.store, settings)) as relay:
        await relay.wait_caught_up()
    (partition,) = {record.partition for record in await read_topic(settings)}
    row = await relay_row(maker)
    await _shift_offsets(maker, row["offsets"], partition)
    await write(maker, streams=1, facts=1, after=10)
    relay = Relay(MAKER, maker.store, settings)
    # The check of end offsets would see it first: it is taken out here.
    relay._check_ends = lambda _offsets, _ends: None
    async with relaying(relay):
        await until(lambda: _true(relay.resets == 1))
        await relay.wait_caught_up()
    assert first_occurrences(await read_topic(settings)) == whole(1, 11)


async def test_a_broker_that_is_away_is_waited_for(maker: Member, settings: Settings) -> None:
    nowhere = settings.model_copy(update={"brokers": "127.0.0.1:9"})
    async with relaying(Relay(MAKER, maker.store, nowhere)) as relay:
        await maker.make("t0", [1])
        await until(lambda: _true(relay._back_off > relay_module.FIRST_BACK_OFF_SECONDS))
        assert not relay.healthy
        assert not relay.caught_up


async def test_the_round_in_hand_is_finished_when_the_relay_is_stopped(maker: Member, settings: Settings) -> None:
    await write(maker, streams=5, facts=40)
    relay = Relay(MAKER, maker.store, settings)
    task = asyncio.create_task(relay.run())
    await until(lambda: _true(relay.leading))
    await until(lambda: _true(not relay._waiting and (relay.rounds or relay.leading)))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    row = await relay_row(maker)
    records = await read_topic(settings)
    assert sum(offset + 1 for offset in row["offsets"]) == len(records)


async def test_without_waves_a_lost_batch_turns_a_partition_round(maker: Member, settings: Settings) -> None:
    """The guard is one batch of a partition at a time. Taken out (all batches on their way at once), losing the first
    of them puts the second one's facts before the first one's."""
    await ensure_topics(settings, owned_topics(MAKER))
    for number in range(1, 11):
        await maker.record("t0", [ThingMade(thing="t0", number=number, box="x" * 200_000)])
    facts = await maker.store.read_log(START, 100, only_published=True)
    writer = TopicWriter(settings, MAKER.topic, MAKER.partitions)
    await writer.open()
    waves = writer.prepare(facts)
    assert len(waves) > 1
    first, *others = waves
    assert all(set(wave) == set(first) for wave in others)
    await writer.send(others)  # what would have arrived, had the first been lost on its way
    await writer.send(writer.prepare(facts))  # again from the cursor
    await writer.close()
    seen = first_occurrences(await read_topic(settings))
    assert seen["thing-t0"][0] != 1


async def _write_until(over: asyncio.Event, maker: Member) -> int:
    written = 0
    while not over.is_set():
        await write(maker, streams=10, facts=1, after=written)
        written += 1
    return written


async def _true(value: Any) -> Any:
    return value


async def _relayed_past(maker: Member, facts: int) -> bool:
    row = await relay_row(maker)
    return facts == 0 or sum(offset + 1 for offset in row["offsets"]) >= facts


async def _end_lock_holder(settings: Settings) -> None:
    """Take the leader's connection, and with it the lock."""
    connection = await asyncpg.connect(**settings.connection(SUPERUSER_ROLE))
    await connection.execute(
        "SELECT pg_terminate_backend(l.pid) FROM pg_locks l JOIN pg_stat_activity a USING (pid)"
        " WHERE l.locktype = 'advisory' AND a.application_name = 'kehu relay' AND a.datname = current_database()"
    )
    await connection.close()


async def _shift_offsets(maker: Member, offsets: list[int], partition: int) -> None:
    shifted = [offset + 5 if number == partition else offset for number, offset in enumerate(offsets)]
    await maker.pool.execute("UPDATE relay SET offsets = $1", shifted)
