"""Departures and a departure's worklist as Excel files, for HR and the manager (R4.6)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated, Any, Literal

import asyncpg
from fastapi import APIRouter, Query, Response

from kehu.http import Acting, StreamId
from kehu_customer_registry.departures.decisions import THINGS
from kehu_customer_registry.departures.views import list_departures
from kehu_customer_registry.departures.worklist import DepartureShown, visible_departure, worklist_of
from kehu_customer_registry.listing import EXPORT_PAGE, XLSX_ANSWER, every_page, export
from kehu_customer_registry.staff.decisions import Code

router = APIRouter(tags=["departures"])

_DEPARTURES = (
    ("number", "离职编号 Number"),
    ("person", "离职人员 Who leaves"),
    ("department", "部门 Department"),
    ("last_day", "最后工作日 Last working day"),
    ("started_by", "发起人 Started by"),
    ("started_at", "发起时间 Started at"),
    ("state", "状态 State"),
    ("ended_at", "权限终止时间 Access ended at"),
)
_WORKLIST = (
    "事项 What",
    "编号 Id",
    "客户 Customer",
    "说明 About",
    "接手人 Successor",
    "答复期限 Answer due",
    "已接收 Accepted by",
    "告知证明 Proof of notice",
    "尚缺 Lacks",
)
#: What a customer's handover can lack, as people read it.
_LACKS = {
    "successor-missing": "尚无接收人 no successor",
    "successor-unanswered": "接收人未答复 not answered",
    "proof-missing": "尚无告知证明 no proof of notice",
}
# Uses the primary key.
_NUMBERS = "SELECT customer, number, name FROM register WHERE customer = ANY ($1)"


@router.get("/departures/export", response_class=Response, responses=XLSX_ANSWER)
async def export_departures(
    request: Acting,
    state: Annotated[Literal["running", "cancelled", "cleared"] | None, Query()] = None,
    person: Code | None = None,
) -> Response:
    """The departures that you may see as an Excel file. Takes a reason (header `Kehu-Reason`), which is recorded."""

    async def page(last: asyncpg.Record | None) -> list[asyncpg.Record]:
        after = last["departure"] if last else None
        return await list_departures(request.pool, request.actor, state, person, after, EXPORT_PAGE)

    async def rows() -> list[list[Any]]:
        return [[row[field] for field, _ in _DEPARTURES] for row in await every_page(page)]

    headings = [heading for _, heading in _DEPARTURES]
    return await export(request, "departures", "离职手续", headings, rows, {"state": state, "person": person})


@router.get("/departures/{departure}/export", response_class=Response, responses=XLSX_ANSWER)
async def export_worklist(departure: StreamId, request: Acting) -> Response:
    """A departure's worklist as an Excel file. Takes a reason (header `Kehu-Reason`), which is recorded."""
    found = await visible_departure(request, departure)

    async def rows() -> Iterable[Sequence[Any]]:
        shown, _ = await worklist_of(request, found)
        customers = [one.customer for one in shown.customers] + [one.customer for one in shown.things if one.customer]
        named = {
            row["customer"]: f"{row['number']} {row['name']}" for row in await request.pool.fetch(_NUMBERS, customers)
        }
        return worklist_rows(shown, named)

    return await export(request, "departure", f"离职交接清单-{found.number}", _WORKLIST, rows, {"number": found.number})


def worklist_rows(shown: DepartureShown, named: dict[str, str]) -> list[list[Any]]:
    """The lines of a worklist: customers first, then whatever else names the leaver.

    Args:
        shown: the departure.
        named: number and name of each customer, by id.

    """
    lines: list[list[Any]] = [
        [
            "客户交接 customer",
            one.customer,
            named.get(one.customer, ""),
            "协作 collaborator" if one.role == "collaborator" else "负责 owner",
            one.successor,
            one.due_on,
            one.accepted_by,
            one.proof if one.notice_due else "无须告知 none due",
            _LACKS.get(one.lacks or "", ""),
        ]
        for one in shown.customers
    ]
    for one in shown.things:
        what = " ".join(THINGS.get(one.kind, (one.kind,)))
        lacks = "" if one.taken_over else "未移交 not moved"
        lines.append([what, one.thing, named.get(one.customer or "", ""), one.about, None, None, None, None, lacks])
    return lines
