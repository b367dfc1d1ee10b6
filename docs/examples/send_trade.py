"""A bank, a warehouse or an ERP tells Kehu something, and reads the answer. Needs aiokafka, nothing of Kehu.

    python send_trade.py 127.0.0.1:9092 receipt --payer 91110000600037341L --fen 10000 --day 2026-11-25 --id BK-0001
    python send_trade.py 127.0.0.1:9092 order --customer K000001 --item 阀门 --quantity 10 --fen 10000 \
        --digest 6f0e… --day 2026-11-25 --id HT-0001
    python send_trade.py 127.0.0.1:9092 shipment --order HT-0001 --batch 1 --day 2026-11-25 --id WH-0001

Each message is a CloudEvent of a public contract, under the sender's own source and number. It may be sent again as
often as the sender likes: the same source and number count once. What a contract has beside what the sender knows (the
ids that Kehu gives) is left empty.
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

INBOUND = "kehu.inbound.vetting"
FACTS = "kehu.vetting"
TYPES = {
    "receipt": "kehu.ReceiptConfirmed.v1",
    "order": "kehu.OrderSigned.v1",
    "shipment": "kehu.GoodsShipped.v1",
}
SOURCES = {"receipt": "/bank", "order": "/erp", "shipment": "/warehouse"}


def receipt(given: argparse.Namespace) -> dict[str, Any]:
    """Money that has come: the bank's reference counts once; `payer` is the payer's identity number."""
    return {
        "payer": given.payer or "",
        "payer_name": given.payer_name,
        "bank_reference": given.id,
        "amount_fen": given.fen,
        "received_on": given.day,
        # Kehu's own:
        "receipt": "",
        "number": "",
        "unit": None,
    }


def order(given: argparse.Namespace) -> dict[str, Any]:
    """A signed order of one batch with one line; the customer's default payer pays."""
    line = {"item": given.item, "quantity": given.quantity, "amount_fen": given.fen}
    return {
        "customer": given.customer,
        "signed_on": given.day,
        "file_digest": given.digest,
        "amount_fen": given.fen,
        "batches": [{"batch": 1, "amount_fen": given.fen, "lines": [line]}],
        "reference": given.id,
        "order": "",
        "number": "",
        "unit": given.payer or "",
        "department": "",
        "owner": "",
    }


def shipment(given: argparse.Namespace) -> dict[str, Any]:
    """Goods that have left: all that is left of a released batch, or so much of one item."""
    lines = [{"item": given.item, "quantity": given.quantity, "amount_fen": 0}] if given.item else []
    return {
        "order": given.order,
        "batch": given.batch,
        "shipped_on": given.day,
        "lines": lines,
        "reference": given.id,
        "shipment": "",
        "customer": "",
        "department": "",
        "value_fen": 0,
        "receipts": [],
    }


DATA = {"receipt": receipt, "order": order, "shipment": shipment}


def cloud_event(what: str, source: str, message_id: str) -> list[tuple[str, bytes]]:
    """The headers of a CloudEvent in binary mode; the record's value is its data."""
    attributes = {
        "ce_specversion": "1.0",
        "ce_id": message_id,
        "ce_source": source,
        "ce_type": TYPES[what],
        "ce_time": datetime.now(UTC).isoformat(),
        "content-type": "application/json",
    }
    return [(name, value.encode()) for name, value in attributes.items()]


async def send(brokers: str, key: str, data: dict[str, Any], headers: list[tuple[str, bytes]]) -> None:
    """Send one message and wait until Kafka has it. What has the same key is taken in order."""
    producer = AIOKafkaProducer(bootstrap_servers=brokers, acks="all")
    await producer.start()
    try:
        await producer.send_and_wait(INBOUND, json.dumps(data).encode(), key=key.encode(), headers=headers)
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


async def answer(reader: AIOKafkaConsumer, what: str, source: str, message_id: str) -> tuple[str, dict[str, Any]]:
    """Wait for the fact that this message became, or for the one that refuses it."""
    async for record in reader:
        kind = dict(record.headers)["ce_type"].decode()
        data = json.loads(record.value)
        if kind == TYPES[what] and (data.get("source"), data.get("reference")) == (source, message_id):
            return kind, data
        if kind == "kehu.InboundRefused.v1" and (data["source"], data["message_id"]) == (source, message_id):
            return kind, data
    raise AssertionError("the reader ends only by being stopped")


async def tell(given: argparse.Namespace) -> int:
    """Send it; 0 if it was recorded, 1 if it was refused, 2 if nothing was said."""
    source = given.source or SOURCES[given.what]
    data = DATA[given.what](given)
    key = str(data.get("order") or data.get("customer") or data.get("payer"))
    reader = await facts_from_now(given.brokers)
    try:
        await send(given.brokers, key, data, cloud_event(given.what, source, given.id))
        async with asyncio.timeout(given.wait):
            kind, fact = await answer(reader, given.what, source, given.id)
    except TimeoutError:
        sys.stderr.write(
            f"No answer within {given.wait:g} s. Either nothing is new to Kehu (it was recorded before), or Kehu is "
            "away and will answer later.\n"
        )
        return 2
    finally:
        await reader.stop()
    if kind == "kehu.InboundRefused.v1":
        sys.stderr.write(f"refused: {fact['code']} {fact['rule']} {fact['reason_en']}\n")
        return 1
    print(f"recorded: {fact['number']} {fact.get('amount_fen', fact.get('value_fen'))} fen")
    return 0


def main() -> int:
    """Read the command line."""
    arguments = argparse.ArgumentParser(description="Tells Kehu of a receipt, a signed order or a shipment.")
    arguments.add_argument("brokers", help="host:port of Kafka")
    arguments.add_argument("what", choices=sorted(TYPES))
    arguments.add_argument("--id", required=True, help="the sender's own number; of a receipt the bank's reference")
    arguments.add_argument("--day", required=True, help="on which it happened, such as 2026-11-25")
    arguments.add_argument("--source", help="who sends; must be on Kehu's allow-list")
    arguments.add_argument("--fen", type=int, default=0, help="amount in fen, tax included")
    arguments.add_argument("--payer", help="the payer's identity number (receipt, order)")
    arguments.add_argument("--payer-name", help="the payer's name as the bank has it (receipt)")
    arguments.add_argument("--customer", help="Kehu's customer number or id (order)")
    arguments.add_argument("--digest", help="SHA-256 of the signed order's file (order)")
    arguments.add_argument("--item", help="what is ordered or shipped")
    arguments.add_argument("--quantity", help="how much of it")
    arguments.add_argument("--order", help="Kehu's order number, or the contract's (shipment)")
    arguments.add_argument("--batch", type=int, default=1, help="which batch (shipment)")
    arguments.add_argument("--wait", type=float, default=30.0, help="seconds to wait for the answer")
    return asyncio.run(tell(arguments.parse_args()))


if __name__ == "__main__":
    sys.exit(main())
