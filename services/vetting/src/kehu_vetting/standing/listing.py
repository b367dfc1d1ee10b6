"""What ends soon or has ended, and who may not order: worklists over how customers stand, also as Excel files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta
from typing import Annotated, Any, Literal

import asyncpg
from fastapi import APIRouter, Depends, Query, Response
from pydantic import BaseModel, Field

from kehu.http import Acting, ActingRequest, Page, Paging
from kehu_vetting.bodies import Code
from kehu_vetting.customer_files.views import FILES
from kehu_vetting.exports import XLSX, export
from kehu_vetting.qualifications.decisions import policy_of
from kehu_vetting.sight import Scope, scope

router = APIRouter(tags=["standing"])

_MOST_DAYS = 3_650

# A customer's own ends, and those of the papers of everybody who pays for it. Uses ends_last_day and payers_unit.
_ENDS = f"""
WITH everything AS (
    SELECT e.customer, e.what, NULL::text AS unit, e.last_day FROM ends e
    UNION ALL
    SELECT p.customer, u.document, u.unit, u.last_day FROM settlement_unit_ends u JOIN payers p USING (unit)
)
SELECT e.customer, c.number, c.name, c.department, c.owner,
       CASE WHEN e.what LIKE 'payer:%' THEN 'three_party_agreement' ELSE e.what END AS what,
       CASE WHEN e.what LIKE 'payer:%' THEN substr(e.what, 7) ELSE e.unit END AS unit,
       e.last_day, e.last_day < $8 AS over, e.customer || '/' || coalesce(e.unit, '') || '/' || e.what AS key
FROM everything e JOIN {FILES} c USING (customer)
WHERE c.survivor = e.customer
  AND ($1::date IS NULL OR (e.last_day, e.customer || '/' || coalesce(e.unit, '') || '/' || e.what) > ($1, $2))
  AND ($3 OR c.department = ANY ($4) OR c.owner = $5 OR $5 = ANY (c.collaborators))
  AND ($6::text IS NULL OR c.department = $6)
  AND ($7::text IS NULL OR ($7 = 'over' AND e.last_day < $8) OR ($7 = 'ending' AND e.last_day >= $8))
  AND e.last_day <= $9
  AND (NOT $10 OR c.owner = $5)
ORDER BY e.last_day, key LIMIT $11
"""
# Uses standings_barred.
_SUSPENDED = f"""
SELECT s.customer, c.number, c.name, c.department, c.owner, s.bars, s.barred_since AS since, s.agreement_until
FROM standings s JOIN {FILES} c USING (customer)
WHERE c.survivor = s.customer AND cardinality(s.bars) > 0 AND s.active_since IS NOT NULL
  AND ($1::text IS NULL OR s.customer > $1)
  AND ($2 OR c.department = ANY ($3) OR c.owner = $4 OR $4 = ANY (c.collaborators))
  AND ($5::text IS NULL OR c.department = $5)
  AND ($6::text IS NULL OR $6 = ANY (s.bars))
ORDER BY s.customer LIMIT $7
"""


class EndRow(BaseModel):
    """Something that ends, or has ended."""

    customer: str
    number: str
    name: str
    department: str
    owner: str
    what: str = Field(description="A kind of paper, ``agreement``, or ``three_party_agreement``.")
    unit: str | None = Field(description="The payer, where it is about one.")
    last_day: date
    over: bool
    key: str


class SuspendedRow(BaseModel):
    """A customer that may place no new orders."""

    customer: str
    number: str
    name: str
    department: str
    owner: str
    bars: list[str] = Field(description="``document:<type>``, ``agreement``, ``by_hand``.")
    since: datetime
    agreement_until: date | None


@dataclass(frozen=True, slots=True)
class EndFilters:
    """What the list of ends is narrowed to."""

    department: str | None
    state: str | None
    within_days: int | None
    waiting_for: str | None


def _end_filters(
    department: Code | None = None,
    state: Annotated[
        Literal["ending", "over"] | None, Query(description="Still valid, or over; both when not said.")
    ] = None,
    within_days: Annotated[
        int | None, Query(ge=0, le=_MOST_DAYS, description="How far ahead; else as many days as are told ahead.")
    ] = None,
    waiting_for: Annotated[Literal["me"] | None, Query(description="Of the customers that you own.")] = None,
) -> EndFilters:
    return EndFilters(department, state, within_days, waiting_for)


@dataclass(frozen=True, slots=True)
class SuspendedFilters:
    """What the list of suspended customers is narrowed to."""

    department: str | None
    cause: str | None


def _suspended_filters(
    department: Code | None = None,
    cause: Annotated[Code | None, Query(description="Such as ``document:business_licence`` or ``by_hand``.")] = None,
) -> SuspendedFilters:
    return SuspendedFilters(department, cause)


Ends = Annotated[EndFilters, Depends(_end_filters)]
Suspended = Annotated[SuspendedFilters, Depends(_suspended_filters)]


@router.get("/expiring-papers")
async def list_ends(request: Acting, paging: Paging, filters: Ends) -> Page[EndRow]:
    """Papers, agreements and links of the customers that you may see, the first to end first."""
    after = paging.after(date, str)
    rows = await _ends(request, filters, after, paging.fetch)
    return paging.page([EndRow(**row) for row in rows], key=lambda row: (row.last_day, row.key))


@router.get("/expiring-papers/export", response_class=Response, responses={200: {"content": {XLSX: {}}}})
async def export_ends(request: Acting, filters: Ends) -> Response:
    """The same as an Excel file; takes a reason (`Kehu-Reason`), which is recorded."""

    async def pages(last: Any | None, size: int) -> Sequence[Any]:
        after = (last["last_day"], last["key"]) if last else (None, None)
        return await _ends(request, filters, after, size)

    columns = [
        ("number", "客户编号"),
        ("name", "客户名称"),
        ("department", "部门"),
        ("owner", "负责营销员"),
        ("what", "证件或协议"),
        ("unit", "结算单位"),
        ("last_day", "到期日"),
        ("over", "已到期"),
    ]
    return await export(request, "到期证件与协议", columns, pages, asdict(filters))


@router.get("/suspended-customers")
async def list_suspended(request: Acting, paging: Paging, filters: Suspended) -> Page[SuspendedRow]:
    """The active customers that may place no new orders, as far as you may see them, and why."""
    (after,) = paging.after(str)
    rows = await _suspended(request.pool, scope(request.actor), filters, after, paging.fetch)
    return paging.page([SuspendedRow(**row) for row in rows], key=lambda row: (row.customer,))


@router.get("/suspended-customers/export", response_class=Response, responses={200: {"content": {XLSX: {}}}})
async def export_suspended(request: Acting, filters: Suspended) -> Response:
    """The same as an Excel file; takes a reason (`Kehu-Reason`), which is recorded."""

    async def pages(last: Any | None, size: int) -> Sequence[Any]:
        after = last["customer"] if last else None
        return await _suspended(request.pool, scope(request.actor), filters, after, size)

    columns = [
        ("number", "客户编号"),
        ("name", "客户名称"),
        ("department", "部门"),
        ("owner", "负责营销员"),
        ("bars", "停止原因"),
        ("since", "自"),
        ("agreement_until", "协议到期日"),
    ]
    return await export(request, "停止新订单的客户", columns, pages, asdict(filters))


async def _ends(
    request: ActingRequest, filters: EndFilters, after: tuple[date | None, str | None], limit: int
) -> Sequence[asyncpg.Record]:
    context, shown = await request.context(), scope(request.actor)
    days = policy_of(context).told_days_before if filters.within_days is None else filters.within_days
    return await request.pool.fetch(
        _ENDS,
        *after,
        shown.everything,
        list(shown.departments),
        shown.person,
        filters.department,
        filters.state,
        context.today,
        context.today + timedelta(days=days),
        filters.waiting_for is not None,
        limit,
    )


async def _suspended(
    pool: asyncpg.Pool, shown: Scope, filters: SuspendedFilters, after: str | None, limit: int
) -> Sequence[asyncpg.Record]:
    return await pool.fetch(
        _SUSPENDED,
        after,
        shown.everything,
        list(shown.departments),
        shown.person,
        filters.department,
        filters.cause,
        limit,
    )
