"""What a system that tells Kehu something has to do, whatever it tells. Needs aiokafka, nothing of Kehu.

A message is a CloudEvent of a public contract, under the sender's own source and number. It may be sent again as
often as the sender likes: the same source and number count once. Kehu answers with a fact of its own, or with the one
that refuses it, on the topic of the service that it was sent to.
"""
# ruff: noqa: INP001, T201 - beside the scripts that use it; it prints what they say

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

REFUSED = "kehu.InboundRefused.v1"


@dataclass(frozen=True)
class Message:
    """What is told: to which service, as which contract, by whom, under which number; in order with its `key`."""

    service: str
    type: str
    source: str
    id: str
    key: str
    data: dict[str, Any]

    def headers(self) -> list[tuple[str, bytes]]:
        """The headers of a CloudEvent in binary mode; the record's value is its data."""
        attributes = {
            "ce_specversion": "1.0",
            "ce_id": self.id,
            "ce_source": self.source,
            "ce_type": self.type,
            "ce_time": datetime.now(UTC).isoformat(),
            "content-type": "application/json",
        }
        return [(name, value.encode()) for name, value in attributes.items()]


async def send(brokers: str, message: Message) -> None:
    """Send it and wait until Kafka has it. What has the same key is taken in order."""
    producer = AIOKafkaProducer(bootstrap_servers=brokers, acks="all")
    await producer.start()
    try:
        await producer.send_and_wait(
            f"kehu.inbound.{message.service}",
            json.dumps(message.data).encode(),
            key=message.key.encode(),
            headers=message.headers(),
        )
    finally:
        await producer.stop()


async def facts_from_now(brokers: str, service: str) -> AIOKafkaConsumer:
    """Return a reader of a service's facts that stands at their end: started before sending, it sees every answer."""
    reader = AIOKafkaConsumer(f"kehu.{service}", bootstrap_servers=brokers)  # without a group it reads every partition
    await reader.start()
    await reader.seek_to_end()
    for partition in reader.assignment():
        await reader.position(partition)  # the end as it is now, not as it is when the first record is asked for
    return reader


async def answer(reader: AIOKafkaConsumer, message: Message) -> tuple[str, dict[str, Any]]:
    """Wait for the fact that this message became, or for the one that refuses it."""
    async for record in reader:
        kind = dict(record.headers)["ce_type"].decode()
        data = json.loads(record.value or b"{}")
        sent = (data.get("source", message.source), data.get("reference")) == (message.source, message.id)
        if kind == message.type and sent:
            return kind, data
        if kind == REFUSED and (data["source"], data["message_id"]) == (message.source, message.id):
            return kind, data
    raise AssertionError("the reader ends only by being stopped")


async def tell(brokers: str, message: Message, wait: float, recorded: Callable[[dict[str, Any]], str]) -> int:
    """Send it and say what came of it; 0 if it was recorded, 1 if it was refused, 2 if nothing was said in time.

    Args:
        brokers: host:port of Kafka.
        message: what is told.
        wait: seconds to wait for the answer.
        recorded: how Kehu's own fact reads to people.

    """
    reader = await facts_from_now(brokers, message.service)
    try:
        await send(brokers, message)
        async with asyncio.timeout(wait):
            kind, fact = await answer(reader, message)
    except TimeoutError:
        sys.stderr.write(
            f"No answer within {wait:g} s. Either nothing is new to Kehu (it was recorded before), or Kehu is away and "
            "will answer later.\n"
        )
        return 2
    finally:
        await reader.stop()
    if kind == REFUSED:
        sys.stderr.write(f"refused: {fact['code']} {fact['rule']} {fact['reason_en']}\n")
        return 1
    print(f"recorded: {recorded(fact)}")
    return 0
