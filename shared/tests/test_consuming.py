"""Kafka to effect, on a real PostgreSQL: each message once, in order, and the bad ones out of the way of the others.

The first half hands records to a `Receiver` in the order and batches that the test needs; the second half has real
consumers on a real broker.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import asyncpg
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from faststream import AckPolicy
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind

from kehu import consuming, tracing
from kehu.arrival import Record, StoredRecord
from kehu.consuming import Consumers
from kehu.contracts.platform import InboundRefused
from kehu.envelope import MAX_MESSAGE_BYTES, to_record
from kehu.errors import NotFound
from kehu.event_store import Append, InboxMove
from kehu.facts import START, Fact, StoredFact
from kehu.ids import new_id
from kehu.inbound import DeadLetterDiscarded, inbound_category
from kehu.parking import ReasonMissing, SequenceGap
from kehu.receiving import DatabaseAway, FactEffects, Receiver
from kehu.recording import Origin, Unrecorded
from kehu.relay import Relay
from kehu.settings import OWNER_ROLE, SUPERUSER_ROLE, Settings
from kehu.testing.pair import (
    BOX,
    COUNTER,
    MAKER,
    PAIR,
    PARTNER,
    THING,
    BoxCounted,
    BoxReported,
    Member,
    ThingMade,
    ThingPainted,
    member,
)
from kehu.testing.platform import Platform, Postgres
from kehu.topics import ensure_topics, owned_topics

# aiokafka drops a connection that it was still making when its client is stopped; the collector closes it.
pytestmark = pytest.mark.filterwarnings("ignore:Unclosed AIOKafkaConnection:ResourceWarning")

PATIENCE = 60
#: The view's table refuses it: only a person can mend that.
TOO_LARGE = 2_000_000


class Pair:
    """Maker and counter on one database, and the maker's facts as records of a topic that no broker has."""

    def __init__(self, maker: Member, counter: Member) -> None:
        self.maker = maker
        self.counter = counter
        self.consumers = counter.consumers()
        self.offset = 0

    def receiver(self, topic: str = MAKER.topic) -> Receiver:
        consumers: Any = self.consumers
        return consumers._consumers[topic].receiver

    async def made(self) -> list[StoredFact]:
        return await self.maker.store.read_log(START, 10_000, only_published=True)

    def records(self, facts: Sequence[StoredFact], partition: int = 0) -> list[Record]:
        return [self.record(*to_record(fact), partition=partition) for fact in facts]

    def record(
        self,
        key: bytes | None,
        value: bytes | None,
        headers: Sequence[tuple[str, bytes]],
        *,
        topic: str = MAKER.topic,
        partition: int = 0,
    ) -> StoredRecord:
        self.offset += 1
        return StoredRecord(topic, partition, self.offset, key, value, headers)

    async def receive(self, facts: Sequence[StoredFact]) -> dict[int, int]:
        return await self.receiver().receive(self.records(facts))

    async def things(self) -> dict[str, list[int]]:
        rows = await self.counter.pool.fetch("SELECT thing, numbers FROM things")
        return {row["thing"]: row["numbers"] for row in rows}

    async def box(self, box: str = "box") -> list[Fact]:
        rows = await self.counter.store.read_stream(BOX.stream(box))
        return [recorded.fact for recorded in await self.counter.codec.decode(rows)]

    async def totals(self, box: str = "box") -> list[int]:
        return [fact.total for fact in await self.box(box) if isinstance(fact, BoxCounted | BoxReported)]

    async def parked(self) -> list[tuple[str, int | None, bool]]:
        letters = await self.consumers.dead_letters.list()
        return [(letter.key, letter.sequence, letter.error is not None) for letter in letters]


@asynccontextmanager
async def as_pair(settings: Settings) -> AsyncGenerator[Pair]:
    async with member(MAKER, settings) as maker, member(COUNTER, settings) as counter:
        yield Pair(maker, counter)


@pytest.fixture
async def fresh(postgres: Postgres) -> AsyncGenerator[Settings]:
    settings = await postgres.create_database(services=PAIR)
    yield settings
    await postgres.drop_database(settings)


@pytest.fixture
async def pair(fresh: Settings) -> AsyncGenerator[Pair]:
    async with as_pair(fresh) as both:
        yield both


async def mend(settings: Settings) -> None:
    """What the operator does before replaying: mend the cause."""
    connection = await asyncpg.connect(**settings.connection(OWNER_ROLE))
    await connection.execute("ALTER TABLE pair_counter.things DROP CONSTRAINT not_too_large")
    await connection.close()


# --- each message once -----------------------------------------------------------------------------------------------


async def test_a_batch_has_its_effect_in_reactions_views_and_inbox(pair: Pair) -> None:
    await pair.maker.make("t0", [1, 2])
    await pair.maker.make("t1", [1], box="other")
    assert await pair.receive(await pair.made()) == {}
    assert await pair.things() == {"t0": [1, 2], "t1": [1]}
    assert await pair.totals() == [1, 2]
    assert await pair.totals("other") == [1]
    places = [("kehu.pair-counter", "thing-t0"), ("kehu.pair-counter", "thing-t1")]
    assert list((await pair.counter.store.read_inbox(places)).values()) == [2, 1]


async def test_facts_of_reactions_say_what_made_them(pair: Pair) -> None:
    await pair.maker.make("t0", [1])
    (cause,) = await pair.made()
    await pair.receive([cause])
    (row,) = await pair.counter.store.read_stream(BOX.stream("box"))
    assert row.actor == "system:pair-counter/count"
    assert row.correlation == cause.correlation
    assert json.loads(row.metadata)["causation"] == str(cause.id)


async def test_a_batch_is_a_span_linked_to_what_made_its_facts_and_their_effects_go_on_with_it(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    spans = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    monkeypatch.setattr(tracing, "tracer", provider.get_tracer("test"))
    makers: list[int] = []
    for thing in ("t0", "t1"):
        with tracing.tracer.start_as_current_span("make") as made:
            extra = tracing.trace_headers()
            makers.append(made.get_span_context().span_id)
        origin = Origin("u-1", datetime.now(UTC), new_id(), extra=dict(extra))
        facts = [ThingMade(thing=thing, number=number) for number in (1, 2)]
        stream = THING.stream(thing)
        rows = await pair.maker.codec.encode([Unrecorded(fact, stream, new_id(), origin) for fact in facts])
        await pair.maker.store.append(Append(stream, None, thing, rows))
    await pair.maker.make("untraced", [1])
    await pair.receive(await pair.made())
    (span,) = [span for span in spans.get_finished_spans() if span.kind is SpanKind.CONSUMER]
    assert span.name == "process kehu.pair-maker"
    assert (span.attributes or {})["messaging.batch.message_count"] == 5
    assert sorted(link.context.span_id for link in span.links) == sorted(makers)
    assert span.context
    effects = await pair.counter.store.read_stream(BOX.stream("box"))
    assert {json.loads(row.metadata)["traceparent"].split("-")[2] for row in effects} == {
        f"{span.context.span_id:016x}"
    }


async def test_several_facts_of_a_batch_fold_over_each_other_on_one_stream(pair: Pair) -> None:
    """Decided from the state before the batch alone, every total would be 1."""
    for thing in range(5):
        await pair.maker.make(f"t{thing}", [1, 2, 3])
    await pair.receive(await pair.made())
    assert await pair.totals() == list(range(1, 16))


async def test_a_message_delivered_again_has_no_second_effect(pair: Pair) -> None:
    await pair.maker.make("t0", [1, 2, 3])
    facts = await pair.made()
    await pair.receive(facts[:2])
    await pair.receive(facts)
    await pair.receive([facts[0], facts[0], *facts])
    assert await pair.things() == {"t0": [1, 2, 3]}
    assert await pair.totals() == [1, 2, 3]


async def test_the_same_message_twice_in_one_batch_counts_once(pair: Pair) -> None:
    await pair.maker.make("t0", [1, 2])
    first, second = await pair.made()
    await pair.receive([first, first, second, first, second])
    assert await pair.things() == {"t0": [1, 2]}


async def test_facts_that_nobody_wants_move_the_inbox(pair: Pair) -> None:
    await pair.maker.record("t0", [ThingPainted(thing="t0"), ThingMade(thing="t0", number=2), ThingPainted(thing="t0")])
    await pair.receive(await pair.made())
    assert await pair.things() == {"t0": [2]}
    place = ("kehu.pair-counter", "thing-t0")
    assert await pair.counter.store.read_inbox([place]) == {place: 3}


async def test_two_consumers_of_one_group_after_a_rebalance_have_one_effect(pair: Pair) -> None:
    """Both were given the same records; the inbox lets one of them through, and the other reads again."""
    for thing in range(20):
        await pair.maker.make(f"t{thing}", [1, 2])
    facts = await pair.made()
    consumers: Any = pair.counter.consumers()
    other: Receiver = consumers._consumers[MAKER.topic].receiver
    await asyncio.gather(
        pair.receive(facts), other.receive(pair.records(facts)), pair.receive(facts), other.receive(pair.records(facts))
    )
    assert await pair.totals() == list(range(1, 41))
    assert await pair.things() == {f"t{thing}": [1, 2] for thing in range(20)}


async def test_a_command_on_the_same_stream_meanwhile_is_folded_in(pair: Pair) -> None:
    for thing in range(30):
        await pair.maker.make(f"t{thing}", [1])
    facts = await pair.made()

    async def interfere() -> None:
        for _ in range(10):
            origin = Origin("u-1", facts[0].recorded_at, new_id())
            rows = await pair.counter.codec.encode([Unrecorded(pair_report(0), BOX.stream("box"), new_id(), origin)])
            await pair.counter.store.append(Append(BOX.stream("box"), None, "box", rows))

    await asyncio.gather(interfere(), *(pair.receive([fact]) for fact in facts))
    counted = [fact for fact in await pair.box() if type(fact).__name__ == "BoxCounted"]
    assert len(counted) == 30
    assert await pair.parked() == []


async def test_more_streams_than_one_call_takes_are_taken_in_parts(pair: Pair) -> None:
    for thing in range(520):
        await pair.maker.make(f"t{thing}", [1], box=f"b{thing}")
    await pair.receive(await pair.made())
    assert len(await pair.things()) == 520
    assert await pair.totals("b519") == [1]
    assert await pair.parked() == []


# --- gaps ------------------------------------------------------------------------------------------------------------


async def test_a_gap_has_its_partition_read_again_and_holds_up_only_that_partition(pair: Pair) -> None:
    await pair.maker.make("t0", [1, 2, 3])
    await pair.maker.make("t1", [1])
    await pair.maker.make("t2", [1])
    one, _, three, after, elsewhere = pair.records(await pair.made())
    moved = StoredRecord(elsewhere.topic, 1, 1, elsewhere.key, elsewhere.value, elsewhere.headers)
    assert await pair.receiver().receive([one, three, after, moved]) == {0: three.offset}
    assert await pair.things() == {"t0": [1], "t2": [1]}
    assert await pair.parked() == []


async def test_after_reading_again_everything_has_its_effect_once(pair: Pair) -> None:
    await pair.maker.make("t0", [1, 2, 3])
    records = pair.records(await pair.made())
    reread = await pair.receiver().receive([records[0], records[2]])
    _rereading(pair, reread)
    assert await pair.receiver().receive(records) == {}
    assert await pair.things() == {"t0": [1, 2, 3]}


async def test_a_gap_that_stays_is_parked_with_what_follows_under_its_key(pair: Pair) -> None:
    await pair.maker.make("t0", [1, 2, 3, 4])
    await pair.maker.make("t1", [1])
    records = pair.records(await pair.made())
    torn = [records[0], *records[2:]]
    _rereading(pair, await pair.receiver().receive(torn))
    assert await pair.receiver().receive(torn) == {}
    assert await pair.parked() == [("t0", 3, True), ("t0", 4, False)]
    assert await pair.things() == {"t0": [1], "t1": [1]}
    letters = await pair.consumers.dead_letters.list()
    assert letters[0].error == "SequenceGap: Stream thing-t0: after sequence 1 came 3; what is between them is missing."


async def test_what_was_missing_is_replayed_before_what_it_was_missing_from(pair: Pair) -> None:
    await pair.maker.make("t0", [1, 2, 3, 4])
    records = pair.records(await pair.made())
    torn = [records[0], *records[2:]]
    _rereading(pair, await pair.receiver().receive(torn))
    await pair.receiver().receive(torn)
    with pytest.raises(SequenceGap):
        await pair.consumers.dead_letters.replay(MAKER.topic, "t0")
    await pair.receiver().receive([records[1]])  # found at last; it queues behind the others
    assert await pair.consumers.dead_letters.replay(MAKER.topic, "t0") == 3
    assert await pair.things() == {"t0": [1, 2, 3, 4]}
    assert await pair.parked() == []


async def test_a_second_gap_behind_the_place_read_again_is_read_again_too(pair: Pair) -> None:
    await pair.maker.make("t0", [1, 2])
    await pair.maker.make("t1", [1, 2])
    records = pair.records(await pair.made())
    _rereading(pair, await pair.receiver().receive([records[1]]))
    await pair.receiver().receive(records[:2])
    assert await pair.receiver().receive([records[3]]) == {0: records[3].offset}


# --- dead letters ----------------------------------------------------------------------------------------------------


async def test_a_message_that_fails_is_parked_its_key_queues_and_others_go_on(pair: Pair, fresh: Settings) -> None:
    await pair.maker.make("bad", [1, TOO_LARGE, 3])
    await pair.maker.make("good", [1, 2])
    facts = await pair.made()
    await pair.receive(facts)
    await pair.maker.make("bad", [4])
    await pair.receive((await pair.made())[-1:])
    assert await pair.parked() == [("bad", 2, True), ("bad", 3, False), ("bad", 4, False)]
    assert await pair.things() == {"bad": [1], "good": [1, 2]}
    assert await pair.totals() == [1, 2, 3]  # neither view nor reaction saw the parked ones
    await mend(fresh)
    assert await pair.consumers.dead_letters.replay(MAKER.topic, "bad") == 3
    assert await pair.things() == {"bad": [1, TOO_LARGE, 3, 4], "good": [1, 2]}
    assert await pair.totals() == [1, 2, 3, 4, 5, 6]
    await pair.receive(facts)
    assert await pair.totals() == [1, 2, 3, 4, 5, 6]


async def test_a_replay_that_fails_leaves_everything_where_it_is(pair: Pair) -> None:
    await pair.maker.make("bad", [TOO_LARGE, 2])
    await pair.receive(await pair.made())
    with pytest.raises(asyncpg.CheckViolationError):
        await pair.consumers.dead_letters.replay(MAKER.topic, "bad")
    assert await pair.parked() == [("bad", 1, True), ("bad", 2, False)]
    assert await pair.things() == {}


async def test_parked_messages_are_known_when_they_come_again(pair: Pair) -> None:
    await pair.maker.make("bad", [TOO_LARGE, 2])
    facts = await pair.made()
    for _ in range(3):
        await pair.receive(facts)
    assert await pair.parked() == [("bad", 1, True), ("bad", 2, False)]


async def test_while_a_key_is_replayed_what_comes_for_it_is_neither_lost_nor_early(pair: Pair, fresh: Settings) -> None:
    await pair.maker.make("bad", [TOO_LARGE, *range(2, 40)])
    facts = await pair.made()
    await pair.receive(facts[:20])
    await mend(fresh)
    later = [asyncio.ensure_future(pair.receive([fact])) for fact in facts[20:21]]
    await pair.consumers.dead_letters.replay(MAKER.topic, "bad")
    await asyncio.gather(*later)
    for fact in facts[21:]:
        await pair.receive([fact])
    with contextlib.suppress(NotFound):
        await pair.consumers.dead_letters.replay(MAKER.topic, "bad")
    assert await pair.things() == {"bad": [TOO_LARGE, *range(2, 40)]}
    assert await pair.parked() == []


async def test_what_is_parked_cannot_be_read_in_the_database(pair: Pair) -> None:
    await pair.maker.record("bad", [ThingMade(thing="bad", number=TOO_LARGE, box="a secret box")])
    await pair.receive(await pair.made())
    sealed = await pair.counter.pool.fetchval("SELECT sealed FROM parked")
    assert b"secret" not in sealed
    (letter,) = await pair.consumers.dead_letters.list()
    _, record = await pair.consumers.dead_letters.show(letter.id)
    assert record.value is not None
    assert json.loads(record.value)["box"] == "a secret box"
    assert dict(record.headers)["ce_subject"] == b"thing-bad"


async def test_giving_a_message_up_takes_a_reason_is_a_fact_and_lets_the_stream_go_on(pair: Pair) -> None:
    await pair.maker.make("bad", [1, TOO_LARGE, 3])
    facts = await pair.made()
    await pair.receive(facts)
    letter = (await pair.consumers.dead_letters.list())[0]
    now = facts[0].recorded_at
    with pytest.raises(ReasonMissing):
        await pair.consumers.dead_letters.discard(letter.id, actor="u-9", reason=" ", now=now)
    await pair.consumers.dead_letters.discard(letter.id, actor="u-9", reason="made by mistake", now=now)
    with pytest.raises(NotFound):
        await pair.consumers.dead_letters.discard(letter.id, actor="u-9", reason="again", now=now)
    assert await pair.consumers.dead_letters.replay(MAKER.topic, "bad") == 1
    assert await pair.things() == {"bad": [1, 3]}
    own = await pair.counter.codec.decode(await pair.counter.store.read_log(START, 100))
    (discarded,) = [recorded for recorded in own if isinstance(recorded.fact, DeadLetterDiscarded)]
    assert isinstance(discarded.fact, DeadLetterDiscarded)
    assert (discarded.fact.reason, discarded.fact.message) == ("made by mistake", str(facts[1].id))
    assert discarded.actor == "u-9"


def _poison(fact: StoredFact, what: str) -> tuple[bytes | None, bytes | None, list[tuple[str, bytes]]]:
    key, value, headers = to_record(fact)
    changed = {
        "broken JSON": {},
        "2 MB": {},
        "no headers": dict.fromkeys(name for name, _ in headers),
        "no sequence": {"ce_sequence": None},
        "future version": {"ce_type": b"kehu.ThingMade.v99"},
        "another's fact": {"ce_source": b"/kehu/pair-counter"},
        "a header that is no text": {"ce_actor": b"\xff\xff"},
        "data of another shape": {},
    }[what]
    values = {
        "broken JSON": b'{"thing": ',
        "2 MB": b'{"thing": "' + b"x" * 2 * MAX_MESSAGE_BYTES + b'"}',
        "data of another shape": b'{"thing": 7}',
    }
    merged: dict[str, bytes | None] = {**dict(headers), **changed}
    return key, values.get(what, value), [(name, one) for name, one in merged.items() if one is not None]


@pytest.mark.parametrize(
    "what",
    [
        "broken JSON",
        "2 MB",
        "no headers",
        "no sequence",
        "future version",
        "another's fact",
        "a header that is no text",
        "data of another shape",
    ],
)
async def test_poison_is_parked_and_everybody_else_goes_on(pair: Pair, what: str) -> None:
    await pair.maker.make("bad", [1])
    await pair.maker.make("good", [1, 2])
    bad, *good = await pair.made()
    poisoned = pair.record(*_poison(bad, what))
    assert await pair.receiver().receive([poisoned, *pair.records(good)]) == {}
    assert await pair.things() == {"good": [1, 2]}
    ((key, _, has_error),) = await pair.parked()
    assert (key, has_error) == ("bad", True)
    (letter,) = await pair.consumers.dead_letters.list()
    _, record = await pair.consumers.dead_letters.show(letter.id)
    assert record.value == poisoned.value


async def test_a_message_without_a_key_holds_up_nobody(pair: Pair) -> None:
    await pair.receiver().receive([pair.record(None, b"?", []), pair.record(None, b"!", [])])
    await pair.maker.make("t0", [1])
    await pair.receive(await pair.made())
    assert await pair.things() == {"t0": [1]}
    assert [error for _, _, error in await pair.parked()] == [True, True]


async def test_a_database_that_is_away_is_nobodys_fault(pair: Pair) -> None:
    await pair.maker.make("t0", [1])
    facts = await pair.made()
    await pair.counter.pool.close()
    with pytest.raises(DatabaseAway):
        await pair.receive(facts)


async def test_without_the_inbox_a_message_delivered_again_counts_twice_in_the_view(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The guard taken out is the inbox: what was received is noted where nobody looks."""
    await pair.maker.make("t0", [1])
    facts = await pair.made()
    effects = pair.receiver().effects
    assert isinstance(effects, FactEffects)
    sort = effects.sort

    async def without_inbox(arrivals: Any, plan: Any) -> None:
        await sort(arrivals, plan)
        plan.moves = [InboxMove("nobody", str(new_id()), 0, 1)]

    monkeypatch.setattr(effects, "sort", without_inbox)
    await pair.receive(facts)
    await pair.receive(facts)
    assert await pair.things() == {"t0": [1, 1]}


# --- what other systems send -----------------------------------------------------------------------------------------


def pair_report(total: int) -> Fact:
    return BoxReported(box="box", total=total)


def report(message_id: str = "r-1", *, key: bytes | None = None, **changes: Any) -> tuple[Any, Any, Any]:
    event: dict[str, Any] = {
        "specversion": "1.0",
        "id": message_id,
        "source": PARTNER,
        "type": "kehu.BoxReported.v1",
        "time": "2026-11-24T08:00:00+08:00",
        "data": {"box": "box", "total": 12},
    }
    event = {name: value for name, value in {**event, **changes}.items() if value is not None}
    return key, json.dumps(event).encode(), [("content-type", b"application/cloudevents+json")]


async def send(pair: Pair, *messages: tuple[Any, Any, Any]) -> None:
    topic = COUNTER.inbound_topic
    await pair.receiver(topic).receive([pair.record(*message, topic=topic) for message in messages])


async def refusals(pair: Pair) -> list[InboundRefused]:
    own = await pair.counter.codec.decode(await pair.counter.store.read_log(START, 1_000))
    return [recorded.fact for recorded in own if isinstance(recorded.fact, InboundRefused)]


async def test_a_message_from_an_allowed_system_becomes_the_services_own_fact(pair: Pair) -> None:
    await send(pair, report())
    assert await pair.totals() == [12]
    (row,) = await pair.counter.store.read_stream(BOX.stream("box"))
    assert row.actor == "system:pair-counter/box-reports"
    metadata = json.loads(row.metadata)
    assert (metadata["external_source"], metadata["external_id"]) == (PARTNER, "r-1")
    assert await refusals(pair) == []


async def test_each_message_counts_once_by_its_senders_own_number(pair: Pair) -> None:
    await send(pair, report(), report(), report("r-2", data={"box": "box", "total": 13}))
    await send(pair, report(), report("r-2"))
    assert await pair.totals() == [12, 13]


@pytest.mark.parametrize(
    ("changes", "code", "words"),
    [
        ({"source": "https://stranger.example"}, "source-not-allowed", "allow-list"),
        ({"type": "kehu.ThingMade.v1"}, "type-not-accepted", "takes no messages of type"),
        ({"type": "kehu.BoxReported.v2"}, "type-not-accepted", "takes no messages of type"),
        ({"data": {"box": "box", "total": "seventeen"}}, "message-invalid", "total: int_parsing"),
        ({"data": {"box": "box"}}, "message-invalid", "total: missing"),
        ({"data": {"box": "box", "total": 2_000_000}}, "box-too-small", "cannot hold"),
        ({"specversion": None}, "not-an-envelope", "ce_specversion is missing"),
        ({"time": "today"}, "not-an-envelope", "ce_time"),
    ],
)
async def test_what_is_refused_is_answered_with_a_published_fact(
    pair: Pair, changes: dict[str, Any], code: str, words: str
) -> None:
    for _ in range(2):
        await send(pair, report("r-7", **changes), report("r-8"))
    (refused,) = await refusals(pair)
    assert (refused.code, refused.message_id) == (code, "r-7")
    assert words in refused.reason_en
    assert refused.reason_zh
    assert "seventeen" not in refused.model_dump_json()
    assert await pair.totals() == [12]
    assert await pair.parked() == []
    published = await pair.counter.store.read_log(START, 100, only_published=True)
    assert sorted(fact.type for fact in published) == ["kehu.BoxReported.v1", "kehu.InboundRefused.v1"]


async def test_a_message_that_nothing_can_be_made_of_is_answered_under_its_digest(pair: Pair) -> None:
    await send(pair, (b"k", b"\x00\xff", []), (None, None, []))
    first, second = await refusals(pair)
    assert first.message_id.startswith("sha256:")
    assert first.message_id != second.message_id
    assert first.source == ""


@pytest.mark.parametrize("together", [True, False], ids=["in-one-batch", "one-after-the-other"])
async def test_a_value_that_another_one_has_is_refused_with_an_answer_and_others_go_on(
    pair: Pair, *, together: bool
) -> None:
    """Guard: `InboundEffects.answers`. The claim is only seen by the store, when all is decided."""
    messages = [
        report(f"r-{number}", data={"box": box, "total": number, "label": label})
        for number, box, label in ((1, "a", "L"), (2, "b", "L"), (3, "c", "M"))
    ]
    for batch in [messages] if together else [[one] for one in messages]:
        await send(pair, *batch)
    assert [await pair.totals(box) for box in "abc"] == [[1], [], [3]]
    (refused,) = await refusals(pair)
    assert (refused.message_id, refused.code) == ("r-2", "taken")
    assert "send it under another number" in refused.reason_en
    assert "box-" not in refused.reason_en
    assert await pair.parked() == []
    await send(pair, *messages)
    assert len(await refusals(pair)) == 1


async def test_what_a_decision_leans_on_has_not_moved_when_it_counts(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guard: `Inbound.beside`. The box beside gets something after the decision: it is decided again, and refused."""
    topic = COUNTER.inbound_topic
    effects = pair.receiver(topic).effects
    decide = effects.decide
    filled: list[str] = []

    async def meanwhile(plan: Any) -> None:
        await decide(plan)
        if not filled:
            filled.append("d")
            origin = Origin("u-1", datetime.now(UTC), new_id())
            fact = BoxReported(box="d", total=7)
            rows = await pair.counter.codec.encode([Unrecorded(fact, BOX.stream("d"), new_id(), origin)])
            await pair.counter.store.append(Append(BOX.stream("d"), None, "d", rows))

    monkeypatch.setattr(effects, "decide", meanwhile)
    await send(pair, report("r-1", data={"box": "a", "total": 1, "beside": "d"}))
    assert [await pair.totals(box) for box in "ad"] == [[], [7]]
    assert [one.code for one in await refusals(pair)] == ["beside-not-empty"]
    await send(pair, report("r-2", data={"box": "a", "total": 1, "beside": "e"}))
    assert await pair.totals("a") == [1]


async def test_the_platforms_own_category_is_registered_for_every_service(pair: Pair) -> None:
    assert inbound_category(COUNTER).name in COUNTER.category_names()


# --- with a real broker ----------------------------------------------------------------------------------------------


class Live(Pair):
    """The pair, with the maker's relay and the counter's consumers on a broker."""

    def __init__(self, maker: Member, counter: Member, relay: Relay) -> None:
        super().__init__(maker, counter)
        self.relay = relay


@pytest.fixture
async def live(platform: Platform, fresh: Settings) -> AsyncGenerator[Live]:
    await platform.empty_kafka()
    settings = platform.settings(fresh.database_name)
    async with member(MAKER, settings) as maker, member(COUNTER, settings) as counter:
        await ensure_topics(settings, [*owned_topics(MAKER), *owned_topics(COUNTER)])
        relay = Relay(MAKER, maker.store, settings)
        task = asyncio.create_task(relay.run())
        yield Live(maker, counter, relay)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


@asynccontextmanager
async def consuming_by(consumers: Consumers) -> AsyncGenerator[Consumers]:
    await consumers.start()
    try:
        yield consumers
    finally:
        await consumers.stop()


async def until(condition: Callable[[], Awaitable[Any]]) -> Any:
    """Wait for a condition in another process or server, which tells nobody when it changes."""
    async with asyncio.timeout(PATIENCE):
        while not (found := await condition()):  # noqa: ASYNC110 - it changes elsewhere
            await asyncio.sleep(0.02)
    return found


async def committed(live: Live) -> int:
    """How many messages the group has acknowledged."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=live.counter.settings.brokers, group_id="kehu.pair-counter", enable_auto_commit=False
    )
    await consumer.start()
    partitions = [TopicPartition(MAKER.topic, number) for number in range(MAKER.partitions)]
    consumer.assign(partitions)
    offsets = [await consumer.committed(partition) for partition in partitions]
    await consumer.stop()
    return sum(offset or 0 for offset in offsets)


async def everything(live: Live, things: int, numbers: int) -> bool:
    return await live.things() == {f"t{thing}": list(range(1, numbers + 1)) for thing in range(things)}


async def test_facts_cross_the_broker_into_reactions_and_views(live: Live) -> None:
    async with consuming_by(live.consumers) as consumers:
        await until(lambda: _true(consumers.ready))
        for number in range(1, 21):
            await asyncio.gather(*(live.maker.make(f"t{thing}", [number]) for thing in range(10)))
            live.relay.wake()
        await until(lambda: everything(live, 10, 20))
        assert await live.totals() == list(range(1, 201))
        assert consumers.ready


async def test_consumers_that_come_and_go_lose_and_double_nothing(live: Live) -> None:
    over = asyncio.Event()

    async def write() -> int:
        number = 0
        while not over.is_set():
            number += 1
            await asyncio.gather(*(live.maker.make(f"t{thing}", [number]) for thing in range(10)))
        return number

    writing = asyncio.create_task(write())
    async with consuming_by(live.consumers):
        for wanted in (100, 300, 600):
            async with consuming_by(live.counter.consumers()):
                await until(lambda: _sum_is_past(live, wanted))  # noqa: B023 - awaited at once
        over.set()
        numbers = await writing
        await until(lambda: everything(live, 10, numbers))
    assert await live.totals() == list(range(1, 10 * numbers + 1))


async def test_offsets_are_committed_after_the_transaction_never_before(live: Live, fresh: Settings) -> None:
    await live.maker.make("t0", [1])
    await live.relay.wait_caught_up()
    owner = await asyncpg.connect(**fresh.connection(OWNER_ROLE))
    transaction = owner.transaction()
    await transaction.start()
    await owner.execute("LOCK TABLE pair_counter.things IN ACCESS EXCLUSIVE MODE")
    async with consuming_by(live.consumers):
        await until(lambda: _waits_for_lock(fresh))
        assert await committed(live) == 0
        await transaction.rollback()
        await until(lambda: everything(live, 1, 1))
        await until(lambda: committed(live))
    await owner.close()


@pytest.mark.parametrize("guarded", [True, False])
async def test_what_a_failed_handler_was_given_comes_again_unless_faststream_acknowledges_first(
    live: Live, *, guarded: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The guard is `NACK_ON_ERROR`. FastStream's own default, `ACK_FIRST`, has acknowledged what the handler then
    fails on, so a fault of the database loses it."""
    if not guarded:
        monkeypatch.setattr(consuming, "AckPolicy", type("Lenient", (), {"NACK_ON_ERROR": AckPolicy.ACK_FIRST}))
    receiver = live.receiver()
    receive = receiver.receive
    failed = asyncio.Event()

    async def fail_once(records: Sequence[Record]) -> dict[int, int]:
        if not failed.is_set():
            failed.set()
            raise DatabaseAway("for a moment")
        return await receive(records)

    monkeypatch.setattr(receiver, "receive", fail_once)
    async with consuming_by(live.consumers):
        await live.maker.make("t0", [1])
        await failed.wait()
        await live.maker.make("t1", [1])
        await until(lambda: _has(live, "t1"))
        if guarded:
            await until(lambda: _has(live, "t0"))
        else:
            await until(lambda: _is_committed(live, 2))
            assert not await _has(live, "t0")


async def test_poison_on_the_topic_does_not_stop_it(live: Live) -> None:
    """A header that is no text makes FastStream's own parser raise, and the batch is gone; ours has to come through."""
    producer = AIOKafkaProducer(bootstrap_servers=live.counter.settings.brokers)
    await producer.start()
    await producer.send_and_wait(MAKER.topic, key=b"t0", value=b"{", headers=[("ce_id", b"\xff\xfe")])
    await producer.send_and_wait(MAKER.topic, key=b"lost", value=None, headers=[])
    await producer.stop()
    await live.maker.make("t0", [1])
    await live.maker.make("t1", [1])
    async with consuming_by(live.consumers):
        await until(lambda: _has(live, "t1"))
        await until(lambda: _parked(live, 3))
    assert [key for key, _, _ in await live.parked()] == ["lost", "t0", "t0"]


async def test_a_gap_on_the_topic_is_healed_by_reading_it_again(live: Live) -> None:
    """Somebody moved the group's offset past what nobody has seen."""
    await live.maker.make("t0", [1, 2, 3])
    await live.relay.wait_caught_up()
    mover = AIOKafkaConsumer(
        bootstrap_servers=live.counter.settings.brokers, group_id="kehu.pair-counter", enable_auto_commit=False
    )
    await mover.start()
    partitions = [TopicPartition(MAKER.topic, number) for number in range(MAKER.partitions)]
    mover.assign(partitions)
    ends = await mover.end_offsets(partitions)
    await mover.commit({partition: end - 1 for partition, end in ends.items() if end})
    await mover.stop()
    async with consuming_by(live.consumers):
        await until(lambda: everything(live, 1, 3))
    assert await live.parked() == []


async def test_a_handler_that_hangs_turns_readiness_off_and_is_built_anew(
    live: Live, fresh: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consuming, "HANG_SECONDS", 0.5)
    monkeypatch.setattr(consuming, "GRACE_SECONDS", 0.5)
    receiver = live.receiver()
    receive = receiver.receive
    calls = 0

    async def hang_once(records: Sequence[Record]) -> dict[int, int]:
        nonlocal calls
        calls += 1
        if calls == 1:
            await asyncio.Event().wait()
        return await receive(records)

    monkeypatch.setattr(receiver, "receive", hang_once)
    async with consuming_by(live.consumers) as consumers:
        await live.maker.make("t0", [1])
        await until(lambda: _true(calls == 1))
        await until(lambda: _true(not consumers.ready))
        await until(lambda: everything(live, 1, 1))
        await until(lambda: _true(consumers.ready))


async def test_a_restarted_database_is_waited_out(live: Live, fresh: Settings) -> None:
    async with consuming_by(live.consumers):
        await live.maker.make("t0", [1])
        await until(lambda: everything(live, 1, 1))
        for number in range(2, 6):
            await live.maker.make("t0", [number])
            connection = await asyncpg.connect(**fresh.connection(SUPERUSER_ROLE))
            await connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'kehu_pair_counter'"
            )
            await connection.close()
            # What the test itself asks with may have been ended as well.
            await until(lambda: _in_spite_of_lost_connections(everything(live, 1, number)))  # noqa: B023 - awaited at once
    assert await live.totals() == [1, 2, 3, 4, 5]
    assert await live.parked() == []


async def test_other_systems_messages_are_taken_from_the_inbound_topic(live: Live) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=live.counter.settings.brokers)
    await producer.start()
    for message_id in ("r-1", "r-1", "r-2"):
        _, value, headers = report(message_id)
        await producer.send_and_wait(COUNTER.inbound_topic, value=value, headers=headers)
    await producer.send_and_wait(COUNTER.inbound_topic, value=b"hello")
    await producer.stop()
    async with consuming_by(live.consumers):
        await until(lambda: refusals(live))
        await until(live.totals)
    assert await live.totals() == [12, 12]
    assert [refused.code for refused in await refusals(live)] == ["not-an-envelope"]


def _rereading(pair: Pair, reread: dict[int, int]) -> None:
    """What the consumer notes once it has gone back to the beginning of partitions."""
    assert reread
    effects = pair.receiver().effects
    assert isinstance(effects, FactEffects)
    effects.rereading.update(reread)


async def _true(value: Any) -> Any:
    return value


async def _in_spite_of_lost_connections(question: Awaitable[bool]) -> bool:
    try:
        return await question
    except (asyncpg.PostgresConnectionError, asyncpg.InterfaceError, asyncpg.InternalClientError):
        return False


async def _has(live: Live, thing: str) -> bool:
    return thing in await live.things()


async def _is_committed(live: Live, number: int) -> bool:
    return await committed(live) == number


async def _parked(live: Live, number: int) -> bool:
    return len(await live.parked()) >= number


async def _sum_is_past(live: Live, wanted: int) -> bool:
    return bool(await live.counter.pool.fetchval("SELECT coalesce(sum(made), 0) > $1 FROM things", wanted))


async def _waits_for_lock(settings: Settings) -> bool:
    connection = await asyncpg.connect(**settings.connection(SUPERUSER_ROLE))
    found = await connection.fetchval(
        "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'pair_counter.things'::regclass"
    )
    await connection.close()
    return bool(found)
