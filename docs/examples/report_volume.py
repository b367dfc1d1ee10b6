"""Another system reports a customer's contract volume to Kehu, and reads the answer. Needs aiokafka, nothing of Kehu.

    python report_volume.py 127.0.0.1:9092 --customer K000001 --month 2026-10 --fen 520000000 --id HT-2026-10-0001

The message is a CloudEvent of the public contract `kehu.ContractVolumeReported.v1`, under the sender's own source and
number. It may be sent again as often as the sender likes: the same source and number count once.
"""
# ruff: noqa: INP001, T201 - a script, run as it is; it prints

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from datetime import UTC, datetime
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

INBOUND = "kehu.inbound.customer-registry"
FACTS = "kehu.customer-registry"


def cloud_event(source: str, message_id: str) -> list[tuple[str, bytes]]:
    """The headers of a CloudEvent in binary mode; the record's value is its data."""
    attributes = {
        "ce_specversion": "1.0",
        "ce_id": message_id,
        "ce_source": source,
        "ce_type": "kehu.ContractVolumeReported.v1",
        "ce_time": datetime.now(UTC).isoformat(),
        "content-type": "application/json",
    }
    return [(name, value.encode()) for name, value in attributes.items()]


async def send(brokers: str, customer: str, data: dict[str, Any], headers: list[tuple[str, bytes]]) -> None:
    """Send one report and wait until Kafka has it. The key keeps the reports on one customer in order."""
    producer = AIOKafkaProducer(bootstrap_servers=brokers, acks="all")
    await producer.start()
    try:
        await producer.send_and_wait(INBOUND, json.dumps(data).encode(), key=customer.encode(), headers=headers)
    finally:
        await producer.stop()


async def facts_from_now(brokers: str) -> AIOKafkaConsumer:
    """Return a reader of Kehu's facts that stands at their end: started before sending, it sees every answer."""
    reader = AIOKafkaConsumer(FACTS, bootstrap_servers=brokers)  # without a group it reads every partition
    await reader.start()
    await reader.seek_to_end()
    for partition in reader.assignment():
        await reader.position(partition)  # the end as it is now, not as it is when the first record is asked for
    return reader


async def answer(reader: AIOKafkaConsumer, source: str, message_id: str) -> tuple[str, dict[str, Any]]:
    """Wait for the fact that this message became, or for the one that refuses it."""
    async for record in reader:
        kind = dict(record.headers)["ce_type"].decode()
        data = json.loads(record.value)
        if kind == "kehu.ContractVolumeReported.v1" and data.get("reference") == message_id:
            return kind, data
        if kind == "kehu.InboundRefused.v1" and (data["source"], data["message_id"]) == (source, message_id):
            return kind, data
    raise AssertionError("the reader ends only by being stopped")


async def report(given: argparse.Namespace) -> int:
    """Send the report; 0 if it was recorded, 1 if it was refused, 2 if nothing was said."""
    data = {"customer": given.customer, "month": given.month, "amount_fen": given.fen}
    reader = await facts_from_now(given.brokers)
    try:
        await send(given.brokers, given.customer, data, cloud_event(given.source, given.id))
        async with asyncio.timeout(given.wait):
            kind, fact = await answer(reader, given.source, given.id)
    except TimeoutError:
        sys.stderr.write(
            f"No answer within {given.wait:g} s. Either nothing is new to Kehu (message or amount was recorded "
            "before), or Kehu is away and will answer later.\n"
        )
        return 2
    finally:
        await reader.stop()
    if kind == "kehu.InboundRefused.v1":
        sys.stderr.write(f"refused: {fact['code']} {fact['rule']} {fact['reason_en']}\n")
        return 1
    print(f"recorded: {fact['customer']} {fact['month']} {fact['amount_fen']} fen{', late' if fact['late'] else ''}")
    return 0


def main() -> int:
    """Read the command line."""
    arguments = argparse.ArgumentParser(description="Reports a customer's contract volume of one month to Kehu.")
    arguments.add_argument("brokers", help="host:port of Kafka")
    arguments.add_argument("--customer", required=True, help="Kehu's customer number (or id)")
    arguments.add_argument("--month", required=True, help="a month that has ended, such as 2026-10")
    arguments.add_argument("--fen", type=int, required=True, help="signed contract amount in fen, tax included")
    arguments.add_argument("--id", required=True, help="the sender's own number of this message")
    arguments.add_argument("--source", default="/contract-system", help="who sends; must be on Kehu's allow-list")
    arguments.add_argument("--wait", type=float, default=30.0, help="seconds to wait for the answer")
    return asyncio.run(report(arguments.parse_args()))


if __name__ == "__main__":
    sys.exit(main())
