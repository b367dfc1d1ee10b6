"""Receipts as lists: what waits for finance, and where the money is; never for decisions."""

from __future__ import annotations

from typing import Any

from kehu.contracts.trade import ReceiptConfirmed, ReceiptIdentified, ReceiptRefunded, ReceiptReversed
from kehu.event_store import Connection
from kehu.facts import RecordedFact
from kehu.service import OWN_LOG, View
from kehu_vetting.orders.numbers import serial_of
from kehu_vetting.receipts.facts import ReceiptDiscarded, ReceiptDrawn, ReceiptEntered, ReceiptStatus

_TOLD = """
INSERT INTO receipts (receipt, serial, number, status, unit, payer, payer_name, bank_reference, amount_fen,
                      received_on, entered_by)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
ON CONFLICT (receipt) DO UPDATE
SET status = $4, unit = $5, payer = $6, payer_name = $7, amount_fen = $9, received_on = $10,
    entered_by = coalesce($11, receipts.entered_by)
"""
_DISCARDED = "UPDATE receipts SET status = $2 WHERE receipt = $1"
_IDENTIFIED = "UPDATE receipts SET unit = $2, payer = $3 WHERE receipt = $1"
_DRAWN = "UPDATE receipts SET allocated_fen = allocated_fen + $2 WHERE receipt = $1"
_GONE = "UPDATE receipts SET gone_fen = gone_fen + $2 WHERE receipt = $1"


async def _told(connection: Connection, fact: Any, status: ReceiptStatus, entered_by: str | None) -> None:
    await connection.execute(
        _TOLD,
        fact.receipt,
        serial_of("receipt_numbers", fact.number, fact.receipt),
        fact.number,
        status,
        fact.unit,
        fact.payer,
        fact.payer_name,
        fact.bank_reference,
        fact.amount_fen,
        fact.received_on,
        entered_by,
    )


async def _entered(connection: Connection, recorded: RecordedFact[ReceiptEntered]) -> None:
    await _told(connection, recorded.fact, ReceiptStatus.ENTERED, recorded.fact.entered_by)


async def _confirmed(connection: Connection, recorded: RecordedFact[ReceiptConfirmed]) -> None:
    await _told(connection, recorded.fact, ReceiptStatus.CONFIRMED, None)


async def _discarded(connection: Connection, recorded: RecordedFact[ReceiptDiscarded]) -> None:
    await connection.execute(_DISCARDED, recorded.fact.receipt, ReceiptStatus.DISCARDED)


async def _identified(connection: Connection, recorded: RecordedFact[ReceiptIdentified]) -> None:
    await connection.execute(_IDENTIFIED, recorded.fact.receipt, recorded.fact.unit, recorded.fact.payer)


async def _drawn(connection: Connection, recorded: RecordedFact[ReceiptDrawn]) -> None:
    await connection.execute(_DRAWN, recorded.fact.receipt, recorded.fact.amount_fen)


async def _gone(
    connection: Connection, recorded: RecordedFact[ReceiptReversed] | RecordedFact[ReceiptRefunded]
) -> None:
    await connection.execute(_GONE, recorded.fact.receipt, recorded.fact.amount_fen)


RECEIPTS_VIEW = View(
    name="receipts",
    source=OWN_LOG,
    tables=("receipts",),
    apply={
        ReceiptEntered: _entered,
        ReceiptConfirmed: _confirmed,
        ReceiptDiscarded: _discarded,
        ReceiptIdentified: _identified,
        ReceiptDrawn: _drawn,
        ReceiptReversed: _gone,
        ReceiptRefunded: _gone,
    },
)
