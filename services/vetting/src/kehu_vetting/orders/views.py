"""Orders, their batches and shipments, as lists; never for decisions."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from kehu.contracts.trade import (
    DeliveryBatch,
    GoodsReturned,
    GoodsShipped,
    OrderAmended,
    OrderCancelled,
    OrderLine,
    OrderReleased,
    OrderSigned,
    ReceiptAllocated,
    ReleaseBlocked,
    ShippingResumed,
    ShippingStopDeclined,
    ShippingStopped,
    ShippingStopProposed,
)
from kehu.event_store import Connection
from kehu.facts import Fact, RecordedFact
from kehu.service import OWN_LOG, View
from kehu_vetting.orders.facts import ReturnCredited, added
from kehu_vetting.orders.numbers import serial_of

_SIGNED = """
INSERT INTO orders (order_id, serial, number, reference, source, customer, unit, signed_on, amount_fen)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
"""
_BATCH = """
INSERT INTO order_batches (order_id, batch, amount_fen, due_on, status, since, lines)
VALUES ($1, $2, $3, $4, 'waiting', $5, $6::jsonb)
"""
_DUE_ON = "UPDATE order_batches SET due_on = $3 WHERE order_id = $1 AND batch = $2"
_LINES = "SELECT batch, lines FROM order_batches WHERE order_id = $1"
_DROP_BATCHES = "DELETE FROM order_batches WHERE order_id = $1 AND batch = ANY ($2::integer[])"
_AMENDED = "UPDATE orders SET unit = $2, amount_fen = $3 WHERE order_id = $1"
_CANCELLED = "UPDATE orders SET cancelled_on = $2, amount_fen = $3 WHERE order_id = $1"
_CANCEL_BATCHES = """
UPDATE order_batches SET status = 'cancelled', since = $2 WHERE order_id = $1 AND status <> 'shipped'
"""
_STATUS = "UPDATE order_batches SET status = $3, since = $4 WHERE order_id = $1 AND batch = $2"
_ALLOCATED = "UPDATE orders SET allocated_fen = allocated_fen + $2 WHERE order_id = $1"
_SHIP_ORDER = "UPDATE orders SET shipped_fen = shipped_fen + $2 WHERE order_id = $1"
_SHIP_BATCH = "UPDATE order_batches SET shipped_fen = shipped_fen + $3 WHERE order_id = $1 AND batch = $2"
_SHIPMENT = """
INSERT INTO shipments (shipment, serial, number, reference, source, order_id, customer, batch, shipped_on, value_fen,
                       receipts, lines)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12::jsonb)
"""
_SHIPPED_LINES = "SELECT lines FROM shipments WHERE order_id = $1 AND batch = $2"
_RETURN_ORDER = "UPDATE orders SET returned_fen = returned_fen + $2 WHERE order_id = $1"
_RETURN_SHIPMENT = "UPDATE shipments SET returned_fen = returned_fen + $2 WHERE shipment = $1"
_CREDITED = "UPDATE orders SET credited_fen = credited_fen + $2 WHERE order_id = $1"
_PROPOSAL = "UPDATE orders SET proposed_side = $2, proposed_by = $3 WHERE order_id = $1"
_STOPPED = "UPDATE orders SET stopped = $2, proposed_side = NULL, proposed_by = NULL WHERE order_id = $1"


async def _signed(connection: Connection, recorded: RecordedFact[OrderSigned]) -> None:
    fact = recorded.fact
    await connection.execute(
        _SIGNED,
        fact.order,
        serial_of("order_numbers", fact.number, fact.order),
        fact.number,
        fact.reference,
        fact.source,
        fact.customer,
        fact.unit,
        fact.signed_on,
        fact.amount_fen,
    )
    await _add_batches(connection, recorded, fact.order, fact.batches)


async def _amended(connection: Connection, recorded: RecordedFact[OrderAmended]) -> None:
    """Batches of which nothing has changed keep what was done of them, as in the fold (`facts.same_goods`)."""
    fact = recorded.fact
    await connection.execute(_AMENDED, fact.order, fact.unit, fact.amount_fen)
    known = {row["batch"]: _lines(row["lines"]) for row in await connection.fetch(_LINES, fact.order)}
    same = [one for one in fact.batches if known.get(one.batch) == one.lines]
    for one in same:
        await connection.execute(_DUE_ON, fact.order, one.batch, one.due_on)
    kept = {one.batch for one in same}
    await connection.execute(_DROP_BATCHES, fact.order, [batch for batch in known if batch not in kept])
    await _add_batches(connection, recorded, fact.order, [one for one in fact.batches if one.batch not in kept])


async def _add_batches(
    connection: Connection, recorded: RecordedFact[Any], order: str, batches: Sequence[DeliveryBatch]
) -> None:
    await connection.executemany(
        _BATCH,
        [(order, one.batch, one.amount_fen, one.due_on, recorded.occurred_at, _written(one.lines)) for one in batches],
    )


async def _cancelled(connection: Connection, recorded: RecordedFact[OrderCancelled]) -> None:
    fact = recorded.fact
    await connection.execute(_CANCELLED, fact.order, fact.cancelled_on, fact.shipped_fen)
    await connection.execute(_CANCEL_BATCHES, fact.order, recorded.occurred_at)


async def _released(connection: Connection, recorded: RecordedFact[OrderReleased]) -> None:
    await connection.execute(_STATUS, recorded.fact.order, recorded.fact.batch, "released", recorded.occurred_at)


async def _blocked(connection: Connection, recorded: RecordedFact[ReleaseBlocked]) -> None:
    await connection.execute(_STATUS, recorded.fact.order, recorded.fact.batch, "waiting", recorded.occurred_at)


async def _allocated(connection: Connection, recorded: RecordedFact[ReceiptAllocated]) -> None:
    await connection.execute(_ALLOCATED, recorded.fact.order, recorded.fact.amount_fen)


async def _shipped(connection: Connection, recorded: RecordedFact[GoodsShipped]) -> None:
    fact = recorded.fact
    await connection.execute(
        _SHIPMENT,
        fact.shipment,
        serial_of("shipment_numbers", fact.number, fact.shipment),
        fact.number or "",
        fact.reference,
        fact.source,
        fact.order,
        fact.customer,
        fact.batch,
        fact.shipped_on,
        fact.value_fen,
        list(fact.receipts),
        _written(fact.lines),
    )
    await connection.execute(_SHIP_ORDER, fact.order, fact.value_fen)
    await connection.execute(_SHIP_BATCH, fact.order, fact.batch, fact.value_fen)
    if await _all_has_left(connection, fact.order, fact.batch):
        await connection.execute(_STATUS, fact.order, fact.batch, "shipped", recorded.occurred_at)


async def _all_has_left(connection: Connection, order: str, batch: int) -> bool:
    gone: Mapping[str, Decimal] = {}
    for row in await connection.fetch(_SHIPPED_LINES, order, batch):
        gone = added(gone, _lines(row["lines"]))
    agreed = next(row["lines"] for row in await connection.fetch(_LINES, order) if row["batch"] == batch)
    return all(gone.get(line.item) == line.quantity for line in _lines(agreed))


async def _returned(connection: Connection, recorded: RecordedFact[GoodsReturned]) -> None:
    await connection.execute(_RETURN_ORDER, recorded.fact.order, recorded.fact.value_fen)
    await connection.execute(_RETURN_SHIPMENT, recorded.fact.shipment, recorded.fact.value_fen)


async def _credited(connection: Connection, recorded: RecordedFact[ReturnCredited]) -> None:
    await connection.execute(_CREDITED, recorded.stream_id, recorded.fact.amount_fen)


async def _proposed(connection: Connection, recorded: RecordedFact[ShippingStopProposed]) -> None:
    await connection.execute(_PROPOSAL, recorded.fact.order, recorded.fact.side, recorded.fact.proposed_by)


async def _declined(connection: Connection, recorded: RecordedFact[ShippingStopDeclined]) -> None:
    await connection.execute(_PROPOSAL, recorded.fact.order, None, None)


async def _stopped(connection: Connection, recorded: RecordedFact[ShippingStopped]) -> None:
    await connection.execute(_STOPPED, recorded.fact.order, True)  # noqa: FBT003 - a column's value


async def _resumed(connection: Connection, recorded: RecordedFact[ShippingResumed]) -> None:
    await connection.execute(_STOPPED, recorded.fact.order, False)  # noqa: FBT003 - a column's value


def _written(lines: Sequence[OrderLine]) -> str:
    return json.dumps([line.model_dump(mode="json") for line in lines], ensure_ascii=False)


def _lines(stored: str) -> tuple[OrderLine, ...]:
    return tuple(OrderLine.model_validate(line) for line in json.loads(stored))


_APPLY: Mapping[type[Fact], Any] = {
    OrderSigned: _signed,
    OrderAmended: _amended,
    OrderCancelled: _cancelled,
    ReceiptAllocated: _allocated,
    OrderReleased: _released,
    ReleaseBlocked: _blocked,
    GoodsShipped: _shipped,
    GoodsReturned: _returned,
    ReturnCredited: _credited,
    ShippingStopProposed: _proposed,
    ShippingStopDeclined: _declined,
    ShippingStopped: _stopped,
    ShippingResumed: _resumed,
}

ORDERS_VIEW = View(name="orders", source=OWN_LOG, tables=("orders", "order_batches", "shipments"), apply=_APPLY)
