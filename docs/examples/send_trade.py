"""A bank, a warehouse or an ERP tells Kehu something, and reads the answer. Needs aiokafka, nothing of Kehu.

    python send_trade.py 127.0.0.1:9092 receipt --payer 91110000600037341L --fen 10000 --day 2026-11-25 --id BK-0001
    python send_trade.py 127.0.0.1:9092 order --customer K000001 --item 阀门 --quantity 10 --fen 10000 \
        --digest 6f0e… --day 2026-11-25 --id HT-0001
    python send_trade.py 127.0.0.1:9092 shipment --order HT-0001 --batch 1 --day 2026-11-25 --id WH-0001
    python send_trade.py 127.0.0.1:9092 return --shipment WH-0001 --item 阀门 --quantity 2 --reason 质量 \
        --day 2026-11-25 --id WR-0001
    python send_trade.py 127.0.0.1:9092 reversal --receipt BK-0001 --fen 500 --reason 付错 --day 2026-11-25 --id BK-0002

Each message is a CloudEvent of a public contract; `telling.py` beside it says how any such message is sent and
answered. What a contract has beside what the sender knows (the ids that Kehu gives) is left empty.
"""
# ruff: noqa: INP001 - a script, run as it is

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Callable
from typing import Any

from telling import Message, tell


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


def goods_back(given: argparse.Namespace) -> dict[str, Any]:
    """Goods of a shipment that have come back; `shipment` is the number that it was sent under, or Kehu's."""
    return {
        "shipment": given.shipment,
        "returned_on": given.day,
        "lines": [{"item": given.item, "quantity": given.quantity, "amount_fen": 0}],
        "reason": given.reason,
        "reference": given.id,
        "returned": "",
        "order": "",
        "customer": "",
        "department": "",
        "value_fen": 0,
    }


def reversal(given: argparse.Namespace) -> dict[str, Any]:
    """Money that the bank has taken back; `receipt` is the bank's reference of the receipt."""
    return {
        "receipt": given.receipt,
        "amount_fen": given.fen,
        "reversed_on": given.day,
        "reason": given.reason,
        "bank_reference": given.id,
        "reference": given.id,
    }


KINDS: dict[str, tuple[str, str, Callable[[argparse.Namespace], dict[str, Any]]]] = {
    "receipt": ("kehu.ReceiptConfirmed.v1", "/bank", receipt),
    "reversal": ("kehu.ReceiptReversed.v1", "/bank", reversal),
    "order": ("kehu.OrderSigned.v1", "/erp", order),
    "shipment": ("kehu.GoodsShipped.v1", "/warehouse", shipment),
    "return": ("kehu.GoodsReturned.v1", "/warehouse", goods_back),
}


def message(given: argparse.Namespace) -> Message:
    """What is told; messages about the same thing have the same key."""
    kind, source, made = KINDS[given.what]
    key = given.order or given.shipment or given.customer or given.receipt or given.payer or given.id
    return Message("vetting", kind, given.source or source, given.id, key, made(given))


def recorded(fact: dict[str, Any]) -> str:
    """The number that Kehu has given it, and its amount."""
    return f"{fact.get('number') or fact['reference']} {fact.get('amount_fen', fact.get('value_fen'))} fen"


def main() -> int:
    """Read the command line."""
    arguments = argparse.ArgumentParser(description="Tells Kehu of money, a signed order, or goods.")
    arguments.add_argument("brokers", help="host:port of Kafka")
    arguments.add_argument("what", choices=sorted(KINDS))
    arguments.add_argument("--id", required=True, help="the sender's own number; of a receipt the bank's reference")
    arguments.add_argument("--day", required=True, help="on which it happened, such as 2026-11-25")
    arguments.add_argument("--source", help="who sends; must be on Kehu's allow-list")
    arguments.add_argument("--fen", type=int, default=0, help="amount in fen, tax included")
    arguments.add_argument("--payer", help="the payer's identity number (receipt, order)")
    arguments.add_argument("--payer-name", help="the payer's name as the bank has it (receipt)")
    arguments.add_argument("--customer", help="Kehu's customer number or id (order)")
    arguments.add_argument("--digest", help="SHA-256 of the signed order's file (order)")
    arguments.add_argument("--item", help="what is ordered, shipped or returned")
    arguments.add_argument("--quantity", help="how much of it")
    arguments.add_argument("--order", help="Kehu's order number, or the contract's (shipment)")
    arguments.add_argument("--batch", type=int, default=1, help="which batch (shipment)")
    arguments.add_argument("--shipment", help="the number that it was sent under, or Kehu's (return)")
    arguments.add_argument("--receipt", help="the bank's reference of the receipt (reversal)")
    arguments.add_argument("--reason", help="why (return, reversal)")
    arguments.add_argument("--wait", type=float, default=30.0, help="seconds to wait for the answer")
    given = arguments.parse_args()
    return asyncio.run(tell(given.brokers, message(given), given.wait, recorded))


if __name__ == "__main__":
    sys.exit(main())
