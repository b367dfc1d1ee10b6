"""Queries over orders, deliveries and shipments: for whom they are visible, and for whom they wait."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal

import asyncpg

from kehu.contracts.staff import Role
from kehu.deciding import Actor
from kehu_vetting.customer_files.views import FILES
from kehu_vetting.sight import Scope

OrderStatus = Literal["waiting", "to_ship", "shipped", "cancelled"]
DeliveryStatus = Literal["waiting", "released", "shipped", "cancelled"]

_VISIBLE = "($2 OR c.department = ANY ($3) OR c.owner = $4 OR $4 = ANY (c.collaborators))"
_STATUS = """
    CASE WHEN o.cancelled_on IS NOT NULL THEN 'cancelled'
         WHEN EXISTS (SELECT FROM order_batches b WHERE b.order_id = o.order_id AND b.status = 'released')
         THEN 'to_ship'
         WHEN EXISTS (SELECT FROM order_batches b WHERE b.order_id = o.order_id AND b.status = 'waiting')
         THEN 'waiting'
         ELSE 'shipped' END
"""
# orders_serial gives the order; orders_customer, orders_number and orders_reference find single ones.
_ORDERS = f"""
SELECT o.order_id AS order, o.number, o.reference, o.source, c.survivor AS customer, c.number AS customer_number,
       c.name, c.department, c.owner, o.unit, o.signed_on, o.amount_fen, o.allocated_fen, o.shipped_fen, o.returned_fen,
       greatest(o.amount_fen - o.credited_fen - o.allocated_fen, 0) AS needed_fen, o.stopped, o.proposed_side,
       {_STATUS} AS status, o.serial
FROM orders o JOIN {FILES} c USING (customer)
WHERE ($1::bigint IS NULL OR o.serial < $1) AND {_VISIBLE}
  AND ($5::text IS NULL OR {_STATUS} = $5)
  AND ($6::text IS NULL OR c.survivor = $6)
  AND ($7::text IS NULL OR o.unit = $7)
  AND ($8::text IS NULL OR c.department = $8)
  AND ($9::text IS NULL OR o.reference = $9)
  AND ($10::text IS NULL OR o.source = $10)
  AND (NOT $11 OR (o.proposed_by IS NOT NULL AND o.proposed_by <> $4
       AND EXISTS (SELECT FROM unnest($12::text[], $13::text[]) AS mine (side, department)
                   WHERE mine.side <> o.proposed_side AND mine.department IN ('', c.department))))
ORDER BY o.serial DESC LIMIT $14
"""
# order_batches_status finds those that wait or are released.
_DELIVERIES = f"""
SELECT b.order_id AS order, o.number, b.batch, c.survivor AS customer, c.number AS customer_number, c.name,
       c.department, c.owner, b.status, b.since, b.due_on, b.amount_fen, b.amount_fen - b.shipped_fen AS left_fen,
       o.stopped,
       CASE WHEN b.status = 'waiting'
            THEN greatest((SELECT sum(e.amount_fen - e.shipped_fen) FROM order_batches e
                           WHERE e.order_id = b.order_id AND e.batch <= b.batch AND e.status IN ('waiting', 'released'))
                          + o.shipped_fen - o.credited_fen - o.allocated_fen, 0)::bigint
            ELSE 0 END AS missing_fen, o.serial
FROM order_batches b JOIN orders o USING (order_id) JOIN {FILES} c USING (customer)
WHERE ($1::bigint IS NULL OR (o.serial, b.batch) < ($1, $5::integer)) AND {_VISIBLE}
  AND ($6::text IS NULL OR b.status = $6)
  AND ($7::text IS NULL OR c.department = $7)
  AND ($8::date IS NULL OR (b.due_on < $8 AND b.status IN ('waiting', 'released')))
  AND (NOT $9 OR (b.status = 'released' AND NOT o.stopped
                  AND ('' = ANY ($10::text[]) OR c.department = ANY ($10::text[])))
       OR (b.status = 'waiting' AND c.owner = $4))
ORDER BY o.serial DESC, b.batch DESC LIMIT $11
"""
# shipments_serial gives the order.
_SHIPMENTS = f"""
SELECT s.shipment, s.number, s.reference, s.source, s.order_id AS order, o.number AS order_number,
       c.survivor AS customer, c.number AS customer_number, c.name, c.department, s.batch, s.shipped_on, s.value_fen,
       s.returned_fen, s.receipts, s.serial
FROM shipments s JOIN orders o USING (order_id) JOIN {FILES} c ON c.customer = s.customer
WHERE ($1::bigint IS NULL OR s.serial < $1) AND {_VISIBLE}
  AND ($5::text IS NULL OR s.order_id = $5)
  AND ($6::text IS NULL OR c.survivor = $6)
  AND ($7::text IS NULL OR s.reference = $7)
  AND ($8::text IS NULL OR s.source = $8)
ORDER BY s.serial DESC LIMIT $9
"""
# Use orders_number and shipments_number.
_ORDER_OF_NUMBER = "SELECT order_id FROM orders WHERE number = $1"
_ORDER_OF_SHIPMENT = "SELECT order_id, shipment FROM shipments WHERE shipment = $1 OR number = $1"
# Uses trade_ledger_customer, or trade_ledger_unit.
_STATEMENT = """
SELECT l.day, l.kind, l.customer, l.unit, l.order_id AS order, l.receipt, l.amount_fen, l.text
FROM trade_ledger l WHERE {whose} = ANY ($1::text[]) AND l.day <= $2 ORDER BY l.day, l.fact LIMIT $3
"""


@dataclass(frozen=True, slots=True)
class OrderFilters:
    """What the list of orders is narrowed to; `waiting`: to what waits for whoever asks."""

    status: OrderStatus | None = None
    customer: str | None = None
    unit: str | None = None
    department: str | None = None
    reference: str | None = None
    source: str | None = None
    waiting: bool = False


@dataclass(frozen=True, slots=True)
class DeliveryFilters:
    """What the list of deliveries is narrowed to; `overdue_on`: those that should have left before that day."""

    status: DeliveryStatus | None = None
    department: str | None = None
    overdue_on: date | None = None
    waiting: bool = False


@dataclass(frozen=True, slots=True)
class ShipmentFilters:
    """What the list of shipments is narrowed to."""

    order: str | None = None
    customer: str | None = None
    reference: str | None = None
    source: str | None = None


async def list_orders(
    pool: asyncpg.Pool, shown: Scope, actor: Actor, filters: OrderFilters, after: int | None, limit: int
) -> Sequence[asyncpg.Record]:
    """A page of the orders that somebody may see, the latest first."""
    sides = [
        (side, grant.department or "")
        for side, role in (("finance", Role.FINANCE), ("manager", Role.DEPT_MANAGER))
        for grant in ([] if actor.departing else actor.grants)
        if grant.role == role
    ]
    return await pool.fetch(
        _ORDERS,
        after,
        shown.everything,
        list(shown.departments),
        shown.person,
        filters.status,
        filters.customer,
        filters.unit,
        filters.department,
        filters.reference,
        filters.source,
        filters.waiting,
        [side for side, _ in sides],
        [department for _, department in sides],
        limit,
    )


async def list_deliveries(
    pool: asyncpg.Pool,
    shown: Scope,
    actor: Actor,
    filters: DeliveryFilters,
    after: tuple[int | None, int | None],
    limit: int,
) -> Sequence[asyncpg.Record]:
    """A page of the batches that somebody may see, those of the latest orders first."""
    stores = [grant.department or "" for grant in actor.grants if grant.role == Role.WAREHOUSE and not actor.departing]
    return await pool.fetch(
        _DELIVERIES,
        after[0],
        shown.everything,
        list(shown.departments),
        shown.person,
        after[1],
        filters.status,
        filters.department,
        filters.overdue_on,
        filters.waiting,
        stores,
        limit,
    )


async def list_shipments(
    pool: asyncpg.Pool, shown: Scope, filters: ShipmentFilters, after: int | None, limit: int
) -> Sequence[asyncpg.Record]:
    """A page of the shipments that somebody may see, the latest first."""
    return await pool.fetch(
        _SHIPMENTS,
        after,
        shown.everything,
        list(shown.departments),
        shown.person,
        filters.order,
        filters.customer,
        filters.reference,
        filters.source,
        limit,
    )


async def order_of_number(pool: asyncpg.Pool, number: str) -> str | None:
    """The id of the order that has this 订单号, as far as the view has come."""
    found: str | None = await pool.fetchval(_ORDER_OF_NUMBER, number)
    return found


async def shipment_named(pool: asyncpg.Pool, named: str) -> tuple[str, str] | None:
    """The order and the id of a shipment, given that or its 发货单号."""
    row = await pool.fetchrow(_ORDER_OF_SHIPMENT, named)
    return (row["order_id"], row["shipment"]) if row else None


async def statement(
    pool: asyncpg.Pool, whose: Literal["customer", "unit"], named: Sequence[str], until: date, limit: int
) -> Sequence[asyncpg.Record]:
    """The ledger of a customer (with those merged into it) or of a payer until a day, that day included."""
    return await pool.fetch(_STATEMENT.format(whose=f"l.{whose}"), list(named), until, limit)
