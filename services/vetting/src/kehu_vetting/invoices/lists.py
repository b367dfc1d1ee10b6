"""Queries over requests, the register and red letters: for whom they are visible, and for whom they wait."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import asyncpg

from kehu.contracts.staff import Role
from kehu.contracts.trade import InvoiceKind
from kehu.deciding import Actor
from kehu_vetting.customer_files.views import FILES
from kehu_vetting.invoices.accounts import InvoiceStatus, RedStatus
from kehu_vetting.invoices.facts import SIDES, RequestStatus
from kehu_vetting.invoices.rights import ROLES, STEPS
from kehu_vetting.sight import Scope

_VISIBLE = "($2 OR c.department = ANY ($3) OR c.owner = $4 OR $4 = ANY (c.collaborators))"
# The primary key gives the order; a worklist uses invoice_requests_status. A delegate sees what they stand in for.
_REQUESTS = f"""
SELECT r.request, r.number, c.survivor AS customer, c.number AS customer_number, c.name, c.department, c.owner,
       r.order_id AS order, r.order_number, r.unit, r.status, r.since, r.gross_fen, r.digest, r.requested_by,
       r.requested_on, r.passed, r.passed_on, r.lapses_on
FROM invoice_requests r JOIN {FILES} c USING (customer)
WHERE ($1::text IS NULL OR r.request < $1)
  AND ({_VISIBLE} OR EXISTS (SELECT FROM unnest($11::text[]) AS mine (department)
                             WHERE mine.department IN ('', c.department)))
  AND ($5::text IS NULL OR r.status = $5)
  AND ($6::text IS NULL OR c.survivor = $6)
  AND ($7::text IS NULL OR r.order_id = $7)
  AND ($8::date IS NULL OR (r.status = 'passed' AND r.lapses_on <= $8))
  AND (NOT $9 OR (r.status = 'returned' AND c.owner = $4)
    OR (r.status IN ('in_review', 'passed')
        AND EXISTS (SELECT FROM unnest($10::text[], $11::text[], $12::text[]) AS mine (side, department, principal)
                    WHERE mine.department IN ('', c.department)
                      AND CASE WHEN r.status = 'passed' THEN mine.side = 'issue'
                               ELSE mine.side <> 'issue' AND mine.side <> ALL (r.passed) END
                      AND NOT EXISTS (SELECT FROM invoice_request_people p
                                      WHERE p.request = r.request AND p.person IN ($4, mine.principal)
                                        AND p.acted_as <> mine.side))))
ORDER BY r.request DESC LIMIT $13
"""
# invoices_issued gives the order; invoices_customer and invoices_unit narrow it; invoices_uncollected is F3's worklist.
_REGISTER = f"""
SELECT i.invoice, i.order_id AS order, i.order_number, i.request, i.request_number, c.survivor AS customer,
       c.number AS customer_number, c.name, c.department, c.owner, i.unit, i.buyer_name, i.buyer_identity, i.kind,
       i.special, i.electronic, i.code, i.number, i.digital_number, i.issued_on, i.net_fen, i.tax_fen, i.gross_fen,
       i.taken_back_fen, i.red_of, i.status, i.voided_on, i.issued_by, i.collector, i.collected_by, i.collected_on,
       i.delivered_on
FROM invoices i JOIN {FILES} c USING (customer)
WHERE ($1::date IS NULL OR (i.issued_on, i.invoice) < ($1, $5)) AND {_VISIBLE}
  AND ($6::date IS NULL OR i.issued_on >= $6)
  AND ($7::date IS NULL OR i.issued_on <= $7)
  AND ($8::text IS NULL OR i.kind = $8)
  AND ($9::text IS NULL OR c.survivor = $9)
  AND ($10::text IS NULL OR i.unit = $10)
  AND ($11::text IS NULL OR i.status = $11)
  AND ($12::text IS NULL OR i.order_id = $12)
  AND ($13::boolean IS NULL OR (i.red_of IS NOT NULL) = $13)
  AND ($14::boolean IS NULL OR (i.collected_on IS NOT NULL) = $14)
  AND ($15::boolean IS NULL OR i.special = $15)
  AND ($16::text IS NULL OR c.department = $16)
  AND (NOT $17 OR (i.status = 'issued' AND i.collected_on IS NULL
    AND (i.collector = $4 OR c.owner = $4
      OR (('' = ANY ($18::text[]) OR c.department = ANY ($18::text[]))
          AND EXISTS (SELECT FROM staff s WHERE s.person = i.collector AND (s.ended OR s.last_day IS NOT NULL))))))
ORDER BY i.issued_on DESC, i.invoice DESC LIMIT $19
"""
# Uses the primary key.
_LINES = """
SELECT invoice, place, item, unit, quantity, rate_percent, net_fen, tax_fen, gross_fen FROM invoice_lines
WHERE invoice = ANY ($1) ORDER BY invoice, place
"""
# The primary key gives the order; a worklist uses red_letters_status.
_REDS = f"""
SELECT r.red, r.invoice, r.order_id AS order, c.survivor AS customer, c.number AS customer_number, c.name, c.department,
       r.kind, r.gross_fen, r.reason, r.status, r.asked_by, r.asked_at, r.lapses_at, r.confirmation
FROM red_letters r JOIN {FILES} c USING (customer)
WHERE ($1::text IS NULL OR r.red < $1) AND {_VISIBLE}
  AND ($5::text IS NULL OR r.status = $5)
  AND (NOT $6 OR (r.status IN ('asked', 'confirmed') AND ('' = ANY ($7::text[]) OR c.department = ANY ($7::text[]))))
ORDER BY r.red DESC LIMIT $8
"""
# The primary key gives the order; few are due at any time.
_DUE = f"""
SELECT d.order_id AS order, d.order_number, c.survivor AS customer, c.number AS customer_number, c.name,
       c.department, c.owner, d.excess_fen, d.since
FROM red_letters_due d JOIN {FILES} c USING (customer)
WHERE ($1::text IS NULL OR d.order_id < $1) AND {_VISIBLE}
  AND (NOT $5 OR '' = ANY ($6::text[]) OR c.department = ANY ($6::text[]))
ORDER BY d.order_id DESC LIMIT $7
"""
# Uses the primary key.
_GONE = "SELECT ended OR last_day IS NOT NULL FROM staff WHERE person = $1"
# Uses invoice_requests_unit.
OPEN_OF_UNIT = "SELECT request FROM invoice_requests WHERE unit = $1 AND status IN ('in_review', 'returned', 'passed')"


@dataclass(frozen=True, slots=True)
class RequestFilters:
    """What the list of requests is narrowed to; `lapsing_until`: passed ones whose last day comes until then."""

    status: RequestStatus | None = None
    customer: str | None = None
    order: str | None = None
    lapsing_until: date | None = None
    waiting: bool = False


@dataclass(frozen=True, slots=True)
class RegisterFilters:
    """What the register is narrowed to: `first` and `last` day of issue; `waiting`: F3 for whoever asks to sign."""

    first: date | None = None
    last: date | None = None
    kind: InvoiceKind | None = None
    customer: str | None = None
    unit: str | None = None
    status: InvoiceStatus | None = None
    order: str | None = None
    red: bool | None = None
    collected: bool | None = None
    special: bool | None = None
    department: str | None = None
    waiting: bool = False


async def list_requests(
    pool: asyncpg.Pool, shown: Scope, actor: Actor, filters: RequestFilters, after: str | None, limit: int
) -> Sequence[asyncpg.Record]:
    """A page of the requests that somebody may see, the latest begun first."""
    mine = [] if actor.departing else _sides(actor)
    return await pool.fetch(
        _REQUESTS,
        after,
        shown.everything,
        list(shown.departments),
        shown.person,
        filters.status,
        filters.customer,
        filters.order,
        filters.lapsing_until,
        filters.waiting,
        [side for side, _, _ in mine],
        [department for _, department, _ in mine],
        [principal for _, _, principal in mine],
        limit,
    )


async def list_register(
    pool: asyncpg.Pool,
    shown: Scope,
    actor: Actor,
    filters: RegisterFilters,
    after: tuple[date | None, str | None],
    limit: int,
) -> Sequence[asyncpg.Record]:
    """A page of the invoices that somebody may see, the latest first."""
    return await pool.fetch(
        _REGISTER,
        after[0],
        shown.everything,
        list(shown.departments),
        shown.person,
        after[1],
        filters.first,
        filters.last,
        filters.kind,
        filters.customer,
        filters.unit,
        filters.status,
        filters.order,
        filters.red,
        filters.collected,
        filters.special,
        filters.department,
        filters.waiting,
        _departments(actor, Role.DEPT_MANAGER),
        limit,
    )


async def lines_of(pool: asyncpg.Pool, invoices: Sequence[str]) -> Sequence[asyncpg.Record]:
    """The lines of invoices, in their order."""
    return await pool.fetch(_LINES, list(invoices))


async def list_red_letters(
    pool: asyncpg.Pool,
    shown: Scope,
    actor: Actor,
    status: RedStatus | None,
    after: str | None,
    limit: int,
    *,
    waiting: bool,
) -> Sequence[asyncpg.Record]:
    """A page of the red letters that somebody may see, the latest asked for first; `waiting`: those for finance."""
    finance = _departments(actor, Role.FINANCE)
    return await pool.fetch(
        _REDS, after, shown.everything, list(shown.departments), shown.person, status, waiting, finance, limit
    )


async def list_due(
    pool: asyncpg.Pool, shown: Scope, actor: Actor, after: str | None, limit: int, *, waiting: bool
) -> Sequence[asyncpg.Record]:
    """A page of the orders for which a red letter is due; `waiting`: those that whoever asks has to see to."""
    finance = _departments(actor, Role.FINANCE)
    return await pool.fetch(
        _DUE, after, shown.everything, list(shown.departments), shown.person, waiting, finance, limit
    )


async def is_gone(pool: asyncpg.Pool, person: str | None) -> bool:
    """Whether somebody is leaving or has left, as far as this service has heard; also of nobody."""
    found: bool | None = await pool.fetchval(_GONE, person) if person else None
    return found is not False


def _departments(actor: Actor, role: Role) -> list[str]:
    """In which departments they have a role; an empty text for all."""
    return [] if actor.departing else [grant.department or "" for grant in actor.grants if grant.role == role]


def _sides(actor: Actor) -> list[tuple[str, str, str]]:
    """What somebody may do with requests: the side (or ``issue``), the department, and for whom."""
    found: list[tuple[str, str, str]] = []
    for side in SIDES:
        found += [(side, one.department or "", actor.id) for one in actor.grants if one.role in ROLES[side]]
        found += [
            (side, one.department or "", mandate.principal)
            for mandate in actor.mandates
            if STEPS[side] in mandate.steps
            for one in mandate.grants
            if one.role in ROLES[side]
        ]
    found += [("issue", one.department or "", actor.id) for one in actor.grants if one.role == Role.FINANCE]
    return found
