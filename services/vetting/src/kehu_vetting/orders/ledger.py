"""The ledger of orders and money: one row per fact that moved an account, for statements as of any date.

What concerns a customer's goods names the customer; what concerns a payer's money names the unit; what is put from
one to the other names both.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

from kehu import calendar
from kehu.contracts.trade import (
    GoodsReturned,
    GoodsShipped,
    OrderAmended,
    OrderCancelled,
    OrderSigned,
    ReceiptAllocated,
    ReceiptConfirmed,
    ReceiptIdentified,
    ReceiptRefunded,
    ReceiptReversed,
)
from kehu.event_store import Connection
from kehu.facts import RecordedFact
from kehu.service import OWN_LOG, View

_ENTRY = """
INSERT INTO trade_ledger (fact, day, kind, customer, unit, order_id, receipt, amount_fen, text)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
"""
# An amendment states the order's amount anew: what it adds is the difference from what the ledger has of the order.
_AMENDMENT = """
INSERT INTO trade_ledger (fact, day, kind, customer, order_id, amount_fen, text)
SELECT $1, $2, 'amendment', $3, $4, $5 - coalesce(sum(amount_fen), 0)::bigint, $6 FROM trade_ledger
WHERE order_id = $4 AND kind IN ('order', 'amendment', 'cancellation')
"""
_UNIT_OF_RECEIPT = "(SELECT unit FROM trade_ledger WHERE receipt = $6 AND kind = 'receipt')"
_GONE = f"""
INSERT INTO trade_ledger (fact, day, kind, unit, receipt, amount_fen, text)
VALUES ($1, $2, $3, {_UNIT_OF_RECEIPT}, $6, $4, $5)
"""
# Uses trade_ledger_receipt.
_IDENTIFIED = """
UPDATE trade_ledger SET unit = $2 WHERE receipt = $1 AND kind IN ('receipt', 'reversal', 'refund')
"""


@dataclass(frozen=True, slots=True)
class _Entry:
    """A row of the ledger but for its id."""

    day: date
    kind: str
    amount_fen: int
    customer: str | None = None
    unit: str | None = None
    order: str | None = None
    receipt: str | None = None
    text: str = ""


async def _enter(connection: Connection, recorded: RecordedFact[Any], entry: _Entry) -> None:
    await connection.execute(
        _ENTRY,
        recorded.id,
        entry.day,
        entry.kind,
        entry.customer,
        entry.unit,
        entry.order,
        entry.receipt,
        entry.amount_fen,
        entry.text,
    )


async def _signed(connection: Connection, recorded: RecordedFact[OrderSigned]) -> None:
    fact = recorded.fact
    entry = _Entry(fact.signed_on, "order", fact.amount_fen, fact.customer, None, fact.order, None, fact.number)
    await _enter(connection, recorded, entry)


async def _amended(connection: Connection, recorded: RecordedFact[OrderAmended]) -> None:
    fact = recorded.fact
    await connection.execute(
        _AMENDMENT, recorded.id, fact.signed_on, fact.customer, fact.order, fact.amount_fen, fact.reason
    )


async def _cancelled(connection: Connection, recorded: RecordedFact[OrderCancelled]) -> None:
    fact = recorded.fact
    entry = _Entry(
        fact.cancelled_on, "cancellation", -fact.cancelled_fen, fact.customer, None, fact.order, None, fact.reason
    )
    await _enter(connection, recorded, entry)


async def _allocated(connection: Connection, recorded: RecordedFact[ReceiptAllocated]) -> None:
    fact = recorded.fact
    entry = _Entry(
        calendar.today(recorded.occurred_at),
        "allocation",
        fact.amount_fen,
        fact.customer,
        fact.unit,
        fact.order,
        fact.receipt,
        fact.reason or "",
    )
    await _enter(connection, recorded, entry)


async def _shipped(connection: Connection, recorded: RecordedFact[GoodsShipped]) -> None:
    fact = recorded.fact
    entry = _Entry(
        fact.shipped_on, "shipment", fact.value_fen, fact.customer, None, fact.order, None, fact.number or ""
    )
    await _enter(connection, recorded, entry)


async def _returned(connection: Connection, recorded: RecordedFact[GoodsReturned]) -> None:
    fact = recorded.fact
    entry = _Entry(
        fact.returned_on, "return", -fact.value_fen, fact.customer, None, fact.order, None, fact.number or ""
    )
    await _enter(connection, recorded, entry)


async def _received(connection: Connection, recorded: RecordedFact[ReceiptConfirmed]) -> None:
    fact = recorded.fact
    entry = _Entry(
        fact.received_on, "receipt", fact.amount_fen, None, fact.unit, None, fact.receipt, fact.bank_reference
    )
    await _enter(connection, recorded, entry)


async def _identified(connection: Connection, recorded: RecordedFact[ReceiptIdentified]) -> None:
    await connection.execute(_IDENTIFIED, recorded.fact.receipt, recorded.fact.unit)


async def _reversed(connection: Connection, recorded: RecordedFact[ReceiptReversed]) -> None:
    fact = recorded.fact
    await connection.execute(
        _GONE, recorded.id, fact.reversed_on, "reversal", -fact.amount_fen, fact.bank_reference or "", fact.receipt
    )


async def _refunded(connection: Connection, recorded: RecordedFact[ReceiptRefunded]) -> None:
    fact = recorded.fact
    await connection.execute(
        _GONE, recorded.id, fact.refunded_on, "refund", -fact.amount_fen, fact.bank_reference, fact.receipt
    )


LEDGER_VIEW = View(
    name="trade_ledger",
    source=OWN_LOG,
    tables=("trade_ledger",),
    apply={
        OrderSigned: _signed,
        OrderAmended: _amended,
        OrderCancelled: _cancelled,
        ReceiptAllocated: _allocated,
        GoodsShipped: _shipped,
        GoodsReturned: _returned,
        ReceiptConfirmed: _received,
        ReceiptIdentified: _identified,
        ReceiptReversed: _reversed,
        ReceiptRefunded: _refunded,
    },
)
