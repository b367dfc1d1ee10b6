"""Faults of those who consume together: they come and go, are too slow, or are given what nobody can read."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from crossing import Crossing, Toll, until

from kehu import consuming
from kehu.consuming import Consumers
from kehu.envelope import to_record
from kehu.facts import START
from kehu.ids import new_id
from kehu.receiving import Receiver
from kehu.testing.pair import MAKER

pytestmark = pytest.mark.real_kafka

REPLICAS = 3
#: So often somebody joins or leaves.
COMINGS_AND_GOINGS = 16
#: Longer than a client that acknowledges by itself, before the handler is done, takes to do so (5 s).
SLOW_MS = 6_000
TWO_MB = 2 * 1024 * 1024


@dataclass
class Replicas:
    """Several consumers of one service, each a member of the group of its own."""

    facts: Crossing
    members: dict[int, Consumers] = field(default_factory=dict[int, Consumers])

    async def turn(self, number: int) -> None:
        """Have one join, or leave where it is there."""
        if number in self.members:
            await self.members.pop(number).stop()
        else:
            self.members[number] = joining = self.facts.counter.consumers()
            await joining.start()
            # It has asked to join; the rebalance that this makes is not waited for.
            await until(lambda: _is_ready(joining), "a member joins")


@asynccontextmanager
async def replicas(facts: Crossing) -> AsyncGenerator[Replicas]:
    """All of them."""
    made = Replicas(facts)
    try:
        for number in range(REPLICAS):
            await made.turn(number)
        yield made
    finally:
        await asyncio.gather(*(consumers.stop() for consumers in made.members.values()))


async def test_a_storm_of_rebalances_loses_doubles_and_turns_round_nothing(
    facts: Crossing, tell: Callable[[Toll], None], chance: Random
) -> None:
    """Guard: the inbox. A partition changes hands with batches under way that the next owner is given too."""
    async with facts.relaying(), facts.nothing_acknowledged_too_early(), replicas(facts) as group:
        async with facts.writing():
            for _ in range(COMINGS_AND_GOINGS):
                # Some before the rebalance of the one before is over, some after the partitions are at work again.
                await facts.more(chance.choice((1, 1, 20, 100)))
                await group.turn(chance.randrange(REPLICAS))
        for number in range(REPLICAS):
            if number not in group.members:
                await group.turn(number)
        toll = await facts.settle()
    tell(toll)
    assert toll.nothing


async def test_a_handler_slower_than_the_poll_interval_loses_its_partitions_and_its_effect_stays_one(
    facts: Crossing, tell: Callable[[Toll], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guard: the inbox. The group gives the batch in hand to somebody else, and the slow one goes on with it."""
    monkeypatch.setattr(consuming, "MAX_POLL_INTERVAL_MS", SLOW_MS)
    begun, go_on = asyncio.Event(), asyncio.Event()
    receive = Receiver.receive

    async def slowly(receiver: Receiver, records: Any) -> Any:
        if receiver is held and not go_on.is_set():
            begun.set()
            await go_on.wait()
        return await receive(receiver, records)

    monkeypatch.setattr(Receiver, "receive", slowly)
    slow = facts.counter.consumers()
    held = slow._consumers[MAKER.topic].receiver
    async with facts.relaying(), facts.nothing_acknowledged_too_early():
        await slow.start()
        await facts.write_round()
        await begun.wait()
        async with facts.consuming():
            for _ in range(5):
                await facts.write_round()
            await until(facts.complete, "another has the effect of what the slow one has in hand")
            go_on.set()
            for _ in range(5):
                await facts.write_round()
            await until(facts.complete, "both go on")
        # The other one is gone: only the slow one, if it has come back, is left to do this.
        for _ in range(5):
            await facts.write_round()
        toll = await facts.settle()
        await slow.stop()
    tell(toll)
    assert toll.nothing
    assert toll.pushed == 16 * 20


Message = tuple[bytes | None, bytes, list[tuple[str, bytes]]]


def poison(key: bytes, value: bytes, headers: Sequence[tuple[str, bytes]]) -> list[Message]:
    """A good fact made bad in each way; about a thing of its own, but for the last one."""

    def bad(kind: str, body: bytes = value, **changed: bytes) -> Message:
        own = {"ce_subject": f"thing-{kind}".encode(), "ce_sequence": b"1", "ce_id": str(new_id()).encode()}
        return kind.encode(), body, list({**dict(headers), **own, **changed}.items())

    return [
        bad("broken-json", b'{"thing": '),
        bad("another-shape", b'{"thing": 7}'),
        bad("future-version", ce_type=b"kehu.ThingMade.v99"),
        bad("not-of-this-service", ce_source=b"/kehu/pair-counter"),
        bad("two-megabytes", b'{"thing": "' + b"x" * TWO_MB + b'"}'),
        bad("a-header-that-is-no-text", ce_actor=b"\xff\xff"),
        (b"no-headers", value, []),
        (None, value, []),
        (key, b"{", []),
    ]


def unheard_of(value: bytes, headers: Sequence[tuple[str, bytes]]) -> Message:
    """A fact of a type that nobody here wants to know of: nothing is wrong with it."""
    own = {"ce_type": b"kehu.ThingUnheardOf.v1", "ce_subject": b"thing-unheard-of", "ce_id": str(new_id()).encode()}
    return b"unheard-of", value, list({**dict(headers), **own, "ce_sequence": b"1"}.items())


async def test_poison_is_set_aside_its_key_waits_in_order_and_everybody_else_goes_on(
    facts: Crossing, tell: Callable[[Toll], None]
) -> None:
    """Guard: taking a batch apart. A message that fails would otherwise come again for ever, and nothing after it."""
    await facts.write_round()
    async with facts.relaying(), facts.consuming():
        await until(facts.complete, "what came before the poison arrives")
        (row,) = await facts.maker.store.read_log(START, 1)
        key, value, headers = to_record(row)
        records = poison(key, value, headers)
        await _send_large(facts, [*records, unheard_of(value, headers)])
        letters = facts.counter.consumers().dead_letters
        await until(lambda: _parked(facts, len(records)), "all poison is set aside")
        async with facts.writing():
            await facts.more(500)
        behind = facts.written[key.decode()] - 1
        await until(lambda: _parked(facts, len(records) + behind), "what comes for the stopped key queues")
        await until(lambda: _arrived(facts, facts.pushed - behind), "everybody else goes on")
        # Somebody looks at it and gives it up, with a reason; what waited behind it comes after it, in order.
        for letter in await letters.list():
            if letter.error is not None:
                await letters.discard(letter.id, actor="u-9", reason="poison", now=datetime.now(UTC))
        assert await letters.replay(MAKER.topic, key.decode()) == behind
        toll = await facts.settle()
    tell(toll)
    assert toll.nothing


async def _send_large(facts: Crossing, records: Sequence[Message]) -> None:
    """Send records to the topic, on a broker whose owner has allowed larger ones than Kehu makes."""
    admin = AIOKafkaAdminClient(bootstrap_servers=facts.settings.brokers)
    await admin.start()
    size = {"max.message.bytes": str(2 * TWO_MB), "retention.ms": "-1", "retention.bytes": "-1"}
    await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, MAKER.topic, configs=size)])
    await admin.close()
    async with AIOKafkaProducer(bootstrap_servers=facts.settings.brokers, max_request_size=2 * TWO_MB) as producer:
        for key, value, headers in records:
            await producer.send_and_wait(MAKER.topic, key=key, value=value, headers=headers)


async def _is_ready(consumers: Consumers) -> bool:
    return consumers.ready


async def _parked(facts: Crossing, letters: int) -> bool:
    return await facts.counter.pool.fetchval("SELECT count(*) FROM parked") == letters


async def _arrived(facts: Crossing, goal: int) -> bool:
    return await facts.arrivals() == goal
