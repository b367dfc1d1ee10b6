"""What customers bought: every order, shipment and return of vetting's topic as a row, never summed before it is asked.

So the figures do not depend on the order in which facts arrive, merges add up whenever they happen, and a quarter can
be told as it was known at any moment: rows carry when their fact was recorded.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import asyncpg

from kehu.calendar import Quarter
from kehu.contracts.trade import (
    GoodsReturned,
    GoodsShipped,
    OrderAmended,
    OrderCancelled,
    OrderLine,
    OrderSigned,
)
from kehu.event_store import Connection
from kehu.facts import RecordedFact
from kehu.service import View
from kehu_customer_registry.dossiers.rights import Scope
from kehu_customer_registry.lineage import FAMILIES

_INSERT = """
INSERT INTO purchase_facts (fact, customer, order_id, kind, day, quarter, value_fen, place, recorded_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
"""
_QUANTITY = "INSERT INTO purchase_quantities (fact, unit, quantity) VALUES ($1, $2, $3)"


async def _note(connection: Connection, recorded: RecordedFact[Any], kind: str, day: date, value_fen: int) -> None:
    fact = recorded.fact
    await connection.execute(
        _INSERT,
        recorded.id,
        fact.customer,
        fact.order,
        kind,
        day,
        str(Quarter.of(day)),
        value_fen,
        recorded.version,
        recorded.recorded_at,
    )


async def _quantities(
    connection: Connection, recorded: RecordedFact[Any], lines: Sequence[OrderLine], sign: int
) -> None:
    totals: dict[str, Decimal] = {}
    for line in lines:
        totals[line.unit] = totals.get(line.unit, Decimal(0)) + sign * line.quantity
    for unit, quantity in totals.items():
        await connection.execute(_QUANTITY, recorded.id, unit, quantity)


async def _signed(connection: Connection, recorded: RecordedFact[OrderSigned]) -> None:
    await _note(connection, recorded, "signed", recorded.fact.signed_on, recorded.fact.amount_fen)


async def _amended(connection: Connection, recorded: RecordedFact[OrderAmended]) -> None:
    await _note(connection, recorded, "amended", recorded.fact.signed_on, recorded.fact.amount_fen)


async def _cancelled(connection: Connection, recorded: RecordedFact[OrderCancelled]) -> None:
    await _note(connection, recorded, "cancelled", recorded.fact.cancelled_on, -recorded.fact.cancelled_fen)


async def _shipped(connection: Connection, recorded: RecordedFact[GoodsShipped]) -> None:
    await _note(connection, recorded, "shipped", recorded.fact.shipped_on, recorded.fact.value_fen)
    await _quantities(connection, recorded, recorded.fact.lines, 1)


async def _returned(connection: Connection, recorded: RecordedFact[GoodsReturned]) -> None:
    await _note(connection, recorded, "returned", recorded.fact.returned_on, -recorded.fact.value_fen)
    await _quantities(connection, recorded, recorded.fact.lines, -1)


PURCHASES_VIEW = View(
    name="purchases",
    source="vetting",
    tables=("purchase_facts", "purchase_quantities"),
    apply={
        OrderSigned: _signed,
        OrderAmended: _amended,
        OrderCancelled: _cancelled,
        GoodsShipped: _shipped,
        GoodsReturned: _returned,
    },
)

# Customers with an order signed by the quarter's end that was not cancelled whole by then, along register_serial_key.
# Each row's orders are found by purchase_facts_customer, a merged customer's under the survivor.
_BUYERS = """
WITH RECURSIVE links AS (
    SELECT merged, survivor FROM lineage_links
    WHERE CASE WHEN $1::timestamptz IS NULL THEN undone_at IS NULL
               ELSE merged_at < $1 AND (undone_at IS NULL OR undone_at >= $1) END
), roots AS (
    SELECT merged, survivor FROM links
    UNION
    SELECT roots.merged, links.survivor FROM roots JOIN links ON links.merged = roots.survivor
)
SELECT r.customer, r.serial, r.number, r.name, r.department, r.owner FROM register r
WHERE ($2::bigint IS NULL OR r.serial > $2)
  AND ($3::text IS NULL OR r.department = $3)
  AND ($4::text IS NULL OR r.customer = $4)
  AND ($5 OR r.department = ANY ($6) OR r.owner = $7 OR $7 = ANY (r.collaborators))
  AND NOT EXISTS (SELECT FROM links WHERE links.merged = r.customer)
  AND EXISTS (
    SELECT FROM purchase_facts f
    WHERE f.customer = ANY (ARRAY(SELECT merged FROM roots WHERE roots.survivor = r.customer) || r.customer)
      AND f.kind = 'signed' AND f.day <= $8 AND ($1::timestamptz IS NULL OR f.recorded_at < $1)
      AND NOT EXISTS (
        SELECT FROM purchase_facts c
        WHERE c.order_id = f.order_id AND c.kind = 'cancelled' AND c.day <= $8
          AND ($1::timestamptz IS NULL OR c.recorded_at < $1)
          AND NOT EXISTS (
            SELECT FROM purchase_facts s
            WHERE s.order_id = f.order_id AND s.kind = 'shipped' AND s.day <= $8
              AND ($1::timestamptz IS NULL OR s.recorded_at < $1)
          )
      )
  )
ORDER BY r.serial LIMIT $9
"""
# What an amendment changes is its total less the one before it in the order's stream.
_VALUES = f"""
{FAMILIES}, found AS (
    SELECT family.survivor, f.* FROM family JOIN purchase_facts f USING (customer)
    WHERE $2::timestamptz IS NULL OR f.recorded_at < $2
), ordered AS (
    SELECT survivor, quarter,
           value_fen - coalesce(lag(value_fen) OVER (PARTITION BY order_id ORDER BY place), 0) AS value_fen
    FROM found WHERE kind IN ('signed', 'amended')
    UNION ALL
    SELECT survivor, quarter, value_fen FROM found WHERE kind = 'cancelled'
), summed AS (
    SELECT survivor, quarter, 'ordered' AS what, sum(value_fen) AS value_fen FROM ordered GROUP BY 1, 2
    UNION ALL
    SELECT survivor, quarter, kind, sum(value_fen) FROM found WHERE kind IN ('shipped', 'returned') GROUP BY 1, 2, 3
)
SELECT survivor, quarter, what, value_fen::bigint FROM summed WHERE quarter = ANY ($3)
"""
_QUANTITIES = f"""
{FAMILIES}
SELECT family.survivor, f.quarter, q.unit, sum(q.quantity) AS quantity
FROM family JOIN purchase_facts f USING (customer) JOIN purchase_quantities q USING (fact)
WHERE ($2::timestamptz IS NULL OR f.recorded_at < $2) AND f.quarter = ANY ($3)
GROUP BY 1, 2, 3
"""


@dataclass(slots=True)
class Figures:
    """What a customer bought in a quarter, in fen and by unit of quantity; `returned` is negative."""

    shipped: int = 0
    returned: int = 0
    ordered: int = 0
    quantities: dict[str, Decimal] = field(default_factory=dict[str, Decimal])

    @property
    def purchased(self) -> int:
        """Shipped less returned."""
        return self.shipped + self.returned


async def list_buyers(
    connection: Connection | asyncpg.Pool,
    scope: Scope,
    quarter: Quarter,
    *,
    as_of: datetime | None,
    after: int | None,
    limit: int,
    department: str | None = None,
    customer: str | None = None,
) -> list[asyncpg.Record]:
    """Customers whose purchases of a quarter are told (zero included), by serial.

    Args:
        connection: to the registry's views.
        scope: whose customers the reader may see.
        quarter: which one.
        as_of: as it was recorded before that moment; None is now.
        after: the last serial seen.
        limit: how many at most.
        department: only its customers.
        customer: only this one.

    """
    return await connection.fetch(
        _BUYERS,
        as_of,
        after,
        department,
        customer,
        scope.everything,
        list(scope.departments),
        scope.person,
        quarter.last_day,
        limit,
    )


# Uses purchase_facts_customer and purchase_facts_order.
_OPEN_ORDERS = """
SELECT f.order_id FROM purchase_facts f
WHERE f.customer = $1 AND f.kind = 'signed'
  AND NOT EXISTS (SELECT FROM purchase_facts c WHERE c.order_id = f.order_id AND c.kind = 'cancelled')
  AND (SELECT value_fen FROM purchase_facts a WHERE a.order_id = f.order_id AND a.kind IN ('signed', 'amended')
       ORDER BY place DESC LIMIT 1)
    > coalesce((SELECT sum(value_fen) FROM purchase_facts s WHERE s.order_id = f.order_id AND s.kind = 'shipped'), 0)
ORDER BY f.day, f.order_id
"""


async def open_orders(connection: Connection | asyncpg.Pool, customer: str) -> list[str]:
    """A customer's orders that are signed, not cancelled, and not wholly shipped, by id; the earliest signed first."""
    return [row["order_id"] for row in await connection.fetch(_OPEN_ORDERS, customer)]


async def purchases_of(
    connection: Connection | asyncpg.Pool,
    customers: Sequence[str],
    quarters: Sequence[Quarter],
    as_of: datetime | None,
) -> Mapping[tuple[str, str], Figures]:
    """What some customers bought in some quarters, those merged into them included; by (customer, quarter)."""
    names = [str(quarter) for quarter in quarters]
    found = {(customer, name): Figures() for customer in customers for name in names}
    for row in await connection.fetch(_VALUES, list(customers), as_of, names):
        setattr(found[row["survivor"], row["quarter"]], row["what"], row["value_fen"])
    for row in await connection.fetch(_QUANTITIES, list(customers), as_of, names):
        found[row["survivor"], row["quarter"]].quantities[row["unit"]] = row["quantity"]
    return found
