"""Queries over receipts, and which orders their money may be for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import asyncpg

from kehu_vetting.customer_files.views import FILES
from kehu_vetting.receipts.facts import ReceiptStatus
from kehu_vetting.sight import Scope

# receipts_serial gives the order; receipts_open finds what finance has to do.
_LIST = f"""
SELECT r.receipt, r.number, r.status, r.unit, u.number AS unit_number, u.name AS unit_name, r.payer, r.payer_name,
       r.bank_reference, r.amount_fen, r.received_on, r.entered_by, r.gone_fen, r.allocated_fen,
       CASE WHEN r.status = 'confirmed' THEN r.amount_fen - r.gone_fen - r.allocated_fen ELSE 0 END AS free_fen,
       r.serial
FROM receipts r LEFT JOIN settlement_units u USING (unit)
WHERE ($1::bigint IS NULL OR r.serial < $1)
  AND ($2 OR EXISTS (SELECT FROM payers p JOIN {FILES} c USING (customer)
                     WHERE p.unit = r.unit
                       AND (c.department = ANY ($3) OR c.owner = $4 OR $4 = ANY (c.collaborators))))
  AND ($5::text IS NULL OR r.status = $5)
  AND ($6::text IS NULL OR r.unit = $6)
  AND ($7::text IS NULL OR r.bank_reference = $7)
  AND (NOT $8 OR (r.status = 'confirmed' AND r.amount_fen - r.gone_fen - r.allocated_fen > 0))
  AND (NOT $9 OR (r.status <> 'discarded' AND r.unit IS NULL))
  AND (NOT $10 OR ($11 AND ((r.status = 'entered' AND r.entered_by IS DISTINCT FROM $4)
                            OR (r.status = 'confirmed' AND r.amount_fen - r.gone_fen - r.allocated_fen > 0))))
ORDER BY r.serial DESC LIMIT $12
"""
# Uses receipts_number.
_NAMED = "SELECT receipt FROM receipts WHERE number = $1"
# Uses settlement_units_identity.
_UNITS = "SELECT identity, min(unit) AS unit FROM settlement_units WHERE identity = ANY ($1) GROUP BY identity"
_NUMBERS = "SELECT nextval('receipt_numbers') FROM generate_series(1, $1)"
# Orders of the payer's customers that need money; payers_unit and orders_customer find them.
_CANDIDATES = f"""
SELECT o.order_id AS order, o.number, c.survivor AS customer, c.number AS customer_number, c.name, o.unit, o.signed_on,
       o.amount_fen - o.credited_fen - o.allocated_fen AS needed_fen,
       (SELECT b.batch FROM order_batches b WHERE b.order_id = o.order_id AND b.status = 'waiting'
        ORDER BY b.batch LIMIT 1) AS batch,
       (SELECT b.amount_fen - b.shipped_fen
               + (SELECT coalesce(sum(e.amount_fen - e.shipped_fen), 0) FROM order_batches e
                  WHERE e.order_id = o.order_id AND e.status = 'released')
               + o.shipped_fen - o.credited_fen - o.allocated_fen
        FROM order_batches b WHERE b.order_id = o.order_id AND b.status = 'waiting'
        ORDER BY b.batch LIMIT 1)::bigint AS batch_needs_fen
FROM orders o JOIN {FILES} c USING (customer)
WHERE (o.unit = $1 OR EXISTS (SELECT FROM payers p JOIN {FILES} f USING (customer)
                                WHERE p.unit = $1 AND f.survivor = c.survivor))
  AND o.amount_fen - o.credited_fen - o.allocated_fen > 0
ORDER BY o.serial LIMIT 200
"""


@dataclass(frozen=True, slots=True)
class Filters:
    """What the list is narrowed to; `waiting`: to what waits for whoever asks."""

    status: ReceiptStatus | None = None
    unit: str | None = None
    bank_reference: str | None = None
    unallocated: bool = False
    unidentified: bool = False
    waiting: bool = False


async def list_receipts(
    pool: asyncpg.Pool, shown: Scope, filters: Filters, after: int | None, limit: int, *, finance: bool
) -> Sequence[asyncpg.Record]:
    """A page of the receipts that somebody may see, the latest first; `finance`: whether they handle money."""
    return await pool.fetch(
        _LIST,
        after,
        shown.everything,
        list(shown.departments),
        shown.person,
        filters.status,
        filters.unit,
        filters.bank_reference,
        filters.unallocated,
        filters.unidentified,
        filters.waiting,
        finance,
        limit,
    )


async def receipt_of_number(pool: asyncpg.Pool, number: str) -> str | None:
    """The id of the receipt that has this 收款单号, as far as the view has come."""
    found: str | None = await pool.fetchval(_NAMED, number)
    return found


async def units_of(pool: asyncpg.Pool, identities: Sequence[str]) -> dict[str, str]:
    """The settlement units by their identity numbers."""
    return {row["identity"]: row["unit"] for row in await pool.fetch(_UNITS, list(identities))}


async def receipt_numbers(pool: asyncpg.Pool, many: int) -> list[str]:
    """So many new numbers; those that a known receipt does not need leave gaps."""
    return [f"SK{row[0]:06}" for row in await pool.fetch(_NUMBERS, many)]


async def candidates(pool: asyncpg.Pool, unit: str) -> Sequence[asyncpg.Record]:
    """Orders that a payer's money may be for, the earliest first."""
    return await pool.fetch(_CANDIDATES, unit)
