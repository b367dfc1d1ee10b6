"""Quarterly purchases over HTTP: the table of a quarter, one customer's quarters, the Excel file, and measures."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from functools import partial
from typing import Annotated, Any, Literal

import asyncpg
from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from kehu import calendar
from kehu.calendar import Quarter
from kehu.contracts.staff import Role
from kehu.errors import NotFound
from kehu.http import Acting, ActingRequest, Answer, Editing, Page, Paging, StreamId
from kehu.ids import new_id
from kehu.money import FEN_PER_YUAN, show_yuan
from kehu.text import Paragraph
from kehu_customer_registry.dossiers.facts import DOSSIERS, Dossier
from kehu_customer_registry.dossiers.finding import visible_dossier
from kehu_customer_registry.dossiers.register import Day
from kehu_customer_registry.dossiers.rights import Scope, Sight, check_may_list, scope, sight
from kehu_customer_registry.listing import XLSX_ANSWER, QuarterName, every_page, export
from kehu_customer_registry.purchases import decisions
from kehu_customer_registry.purchases.decisions import Around, FinishMeasure, ReassignMeasure, SetMeasure
from kehu_customer_registry.purchases.facts import MEASURES, Measure, MeasureMark
from kehu_customer_registry.purchases.figures import change, plain
from kehu_customer_registry.purchases.measures import list_measures, open_measures
from kehu_customer_registry.purchases.views import Figures, list_buyers, purchases_of
from kehu_customer_registry.staff.decisions import Code
from kehu_customer_registry.verification.company import look_up_company

router = APIRouter(tags=["purchases"])

#: Rows of a file worked out at once: three sums for each of them.
_EXPORT_PAGE = 1_000
_YEAR = 4
#: Of one customer: the present year and the one before.
_QUARTERS_SHOWN = 8
_HEADINGS = (
    "季度 Quarter",
    "客户编号 Number",
    "客户名称 Name",
    "部门 Department",
    "负责营销员 Owner",
    "采购额(元) Purchased",
    "发货(元) Shipped",
    "退货(元) Returned",
    "采购数量 Quantities",
    "订货额(元) Ordered",
    "上季度(元) Previous quarter",
    "比上季度 Change",
    "去年同期(元) Same quarter last year",
    "比去年同期 Change",
    "未完成措施 Open measures",
)

AsOf = Annotated[
    Literal["today", "end"],
    Query(description="`end`: as it was recorded by the quarter's end; `today`: with what has come since."),
]


class Quantity(BaseModel):
    """A quantity in one unit; several units do not add up."""

    unit: str
    quantity: str


class Compared(BaseModel):
    """An earlier quarter beside this one."""

    quarter: str
    purchased_fen: int
    purchased_yuan: str
    change: str = Field(description="In percent, rounded half up to a tenth; `—` where the earlier figure was zero.")
    quantities: list[Quantity]


class PurchaseRow(BaseModel):
    """What a customer bought in a quarter; those merged into it included. Money in fen, tax included."""

    customer: str
    number: str
    name: str
    department: str
    owner: str
    quarter: str
    closed: bool = Field(description="Whether the quarter is over.")
    purchased_fen: int = Field(description="Shipped less returned.")
    purchased_yuan: str
    shipped_fen: int
    returned_fen: int = Field(description="Zero or negative.")
    quantities: list[Quantity]
    ordered_fen: int = Field(description="Signed in the quarter, with amendments, less what was cancelled in it.")
    previous: Compared
    year_before: Compared
    open_measures: int
    serial: int = Field(exclude=True)


class MeasureForm(BaseModel):
    """Something to be done about a customer's quarter."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    text: Annotated[Paragraph, Field(min_length=1)]
    responsible: Code
    due_on: Day


class ReassignForm(BaseModel):
    """Another person, or another day."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    responsible: Code
    due_on: Day


class ResultForm(BaseModel):
    """What came of it, or why it is taken back."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    result: Annotated[Paragraph, Field(min_length=1)]


class MeasureRow(BaseModel):
    """A line of the list of measures."""

    measure: str
    customer: str
    number: str
    name: str
    department: str
    quarter: str
    description: str
    responsible: str
    due_on: date
    assigned_by: str
    mark: MeasureMark
    overdue: bool
    result: str | None
    late: bool


class MeasureShown(BaseModel):
    """One measure."""

    measure: str
    customer: str
    department: str
    quarter: str
    description: str
    responsible: str
    due_on: date
    assigned_by: str
    mark: MeasureMark
    overdue: bool
    result: str | None


@router.get("/purchases")
async def show_quarter(
    request: Acting,
    paging: Paging,
    quarter: QuarterName,
    department: Code | None = None,
    as_of: AsOf = "today",
) -> Page[PurchaseRow]:
    """A quarter's purchases: every customer of yours with a signed, uncancelled order by its end, zero included."""
    check_may_list(request.actor)
    (after,) = paging.after(int)
    asked = Quarter.parse(quarter)
    buyers = await list_buyers(
        request.pool,
        scope(request.actor),
        asked,
        as_of=_moment(asked, as_of),
        after=after,
        limit=paging.fetch,
        department=department,
    )
    return paging.page(await _rows(request, buyers, asked, as_of), key=lambda row: (row.serial,))


@router.get("/purchases/export", response_class=Response, responses=XLSX_ANSWER)
async def export_quarter(
    request: Acting, quarter: QuarterName, department: Code | None = None, as_of: AsOf = "today"
) -> Response:
    """The same as an Excel file. Takes a reason (header `Kehu-Reason`), which is recorded."""
    asked = Quarter.parse(quarter)

    async def page(last: PurchaseRow | None) -> Sequence[PurchaseRow]:
        buyers = await list_buyers(
            request.pool,
            scope(request.actor),
            asked,
            as_of=_moment(asked, as_of),
            after=last.serial if last else None,
            limit=_EXPORT_PAGE,
            department=department,
        )
        return await _rows(request, buyers, asked, as_of)

    async def rows() -> list[list[Any]]:
        return [_cells(row) for row in await every_page(page, _EXPORT_PAGE)]

    filters = {"quarter": quarter, "department": department, "as_of": as_of}
    return await export(request, "purchases", f"季度采购量-{quarter}", _HEADINGS, rows, filters)


@router.get("/purchases/{customer}")
async def show_customer(customer: StreamId, request: Acting, as_of: AsOf = "today") -> list[PurchaseRow]:
    """One customer's last eight quarters with the present one, the latest first."""
    dossier, _ = await visible_dossier(request, customer)
    present = Quarter.of(calendar.today(request.now))
    found: list[PurchaseRow] = []
    for quarter in (present - back for back in range(_QUARTERS_SHOWN)):
        buyers = await list_buyers(
            request.pool,
            Scope(everything=True, departments=(), person=""),
            quarter,
            as_of=_moment(quarter, as_of),
            after=None,
            limit=1,
            customer=dossier.customer,
        )
        found += await _rows(request, buyers, quarter, as_of)
    return found


def _moment(quarter: Quarter, as_of: str) -> datetime | None:
    return quarter.end if as_of == "end" else None


async def _rows(
    request: ActingRequest, buyers: Sequence[asyncpg.Record], quarter: Quarter, as_of: str
) -> list[PurchaseRow]:
    customers = [row["customer"] for row in buyers]
    before, year_before = quarter - 1, quarter - _YEAR
    found = await purchases_of(request.pool, customers, (quarter, before, year_before), _moment(quarter, as_of))
    measures = await open_measures(request.pool, customers, str(quarter))
    closed = request.now >= quarter.end
    rows: list[PurchaseRow] = []
    for row in buyers:
        now = found[row["customer"], str(quarter)]
        rows.append(
            PurchaseRow(
                **dict(row),
                quarter=str(quarter),
                closed=closed,
                purchased_fen=now.purchased,
                purchased_yuan=show_yuan(now.purchased),
                shipped_fen=now.shipped,
                returned_fen=now.returned,
                quantities=_quantities(now),
                ordered_fen=now.ordered,
                previous=_compared(now, found[row["customer"], str(before)], before),
                year_before=_compared(now, found[row["customer"], str(year_before)], year_before),
                open_measures=measures.get(row["customer"], 0),
            )
        )
    return rows


def _compared(now: Figures, earlier: Figures, quarter: Quarter) -> Compared:
    return Compared(
        quarter=str(quarter),
        purchased_fen=earlier.purchased,
        purchased_yuan=show_yuan(earlier.purchased),
        change=change(now.purchased, earlier.purchased),
        quantities=_quantities(earlier),
    )


def _quantities(figures: Figures) -> list[Quantity]:
    return [Quantity(unit=unit, quantity=plain(quantity)) for unit, quantity in sorted(figures.quantities.items())]


def _cells(row: PurchaseRow) -> list[Any]:
    return [
        row.quarter,
        row.number,
        row.name,
        row.department,
        row.owner,
        _yuan(row.purchased_fen),
        _yuan(row.shipped_fen),
        _yuan(row.returned_fen),
        "; ".join(f"{one.quantity} {one.unit}".strip() for one in row.quantities),
        _yuan(row.ordered_fen),
        _yuan(row.previous.purchased_fen),
        row.previous.change,
        _yuan(row.year_before.purchased_fen),
        row.year_before.change,
        row.open_measures,
    ]


def _yuan(fen: int) -> Decimal:
    return Decimal(fen) / FEN_PER_YUAN


@router.post("/purchases/{customer}/{quarter}/measures", status_code=201)
async def set_measure(customer: StreamId, quarter: QuarterName, body: MeasureForm, request: Acting) -> Answer:
    """Attach a measure to a customer's quarter; the department's manager and 市场部 do."""
    dossier, _ = await visible_dossier(request, customer)
    measure = str(new_id())
    command = SetMeasure(measure, Quarter.parse(quarter), body.text, body.responsible, body.due_on)
    return await request.create(
        MEASURES,
        measure,
        partial(decisions.set_measure, command),
        gathered=await _around(request, dossier, body.responsible),
        numbers={"measure": measure},
    )


@router.get("/purchase-measures")
async def show_measures(
    request: Acting,
    paging: Paging,
    quarter: QuarterName | None = None,
    customer: Annotated[str | None, Query(pattern=r"^[\w.:-]{1,100}$")] = None,
    mark: MeasureMark | None = None,
    overdue: Annotated[Literal["true", "false"] | None, Query()] = None,
    waiting_for: Annotated[
        Literal["me"] | None,
        Query(description="Open ones that you are responsible for; as manager, those whose responsible has left."),
    ] = None,
) -> Page[MeasureRow]:
    """Measures of the customers that you may see, and your own."""
    check_may_list(request.actor)
    (after,) = paging.after(str)
    rows = await list_measures(
        request.pool,
        scope(request.actor),
        calendar.today(request.now),
        after=after,
        limit=paging.fetch,
        quarter=quarter,
        customer=customer,
        mark=mark,
        overdue=None if overdue is None else overdue == "true",
        mine=request.actor.id if waiting_for else None,
        managed=sorted(request.actor.departments(Role.DEPT_MANAGER)),
    )
    return paging.page([MeasureRow(**row) for row in rows], key=lambda row: (row.measure,))


@router.get("/purchase-measures/{measure}")
async def show_measure(measure: StreamId, request: Acting) -> MeasureShown:
    """One measure, with its ETag."""
    state, _ = await _visible(request, measure)
    return MeasureShown(
        measure=state.measure,
        customer=state.customer,
        department=state.department,
        quarter=state.quarter,
        description=state.text,
        responsible=state.responsible,
        due_on=state.due_on,
        assigned_by=state.assigned_by,
        mark=state.mark,
        overdue=state.mark is MeasureMark.OPEN and state.due_on < calendar.today(request.now),
        result=state.result,
    )


@router.post("/purchase-measures/{measure}/assign")
async def reassign_measure(measure: StreamId, body: ReassignForm, request: Editing) -> Answer:
    """Give a measure to another person, or another day; the department's manager and 市场部 do."""
    _, dossier = await _visible(request, measure)
    command = ReassignMeasure(body.responsible, body.due_on)
    around = await _around(request, dossier, body.responsible)
    return await request.handle(MEASURES, measure, partial(decisions.reassign_measure, command), gathered=around)


@router.post("/purchase-measures/{measure}/done")
async def finish_measure(measure: StreamId, body: ResultForm, request: Editing) -> Answer:
    """Say what came of a measure; who is responsible does."""
    _, dossier = await _visible(request, measure)
    command = FinishMeasure(body.result)
    return await request.handle(MEASURES, measure, partial(decisions.finish_measure, command), gathered=Around(dossier))


@router.post("/purchase-measures/{measure}/withdraw")
async def withdraw_measure(measure: StreamId, body: ResultForm, request: Editing) -> Answer:
    """Take a measure back, with the reason; the department's manager and 市场部 do."""
    _, dossier = await _visible(request, measure)
    command = FinishMeasure(body.result)
    return await request.handle(
        MEASURES, measure, partial(decisions.withdraw_measure, command), gathered=Around(dossier)
    )


async def _visible(request: ActingRequest, measure: str) -> tuple[Measure, Dossier]:
    """A measure and its customer, for whoever is responsible or may see the customer; its version is the ETag."""
    state, version = await request.running.commands.load(MEASURES, measure)
    dossier, _ = await request.running.commands.load(DOSSIERS, state.customer)
    seen = state.responsible == request.actor.id or sight(dossier, request.actor) is not Sight.NOTHING
    if state.mark is MeasureMark.NONE or not seen:
        raise NotFound(
            "没有这项措施,或不在您的查看范围内。",
            "There is no such measure, or none that you may see.",
            clause="R4.5.2",
            code="measure-unknown",
        )
    request.tag(version)
    return state, dossier


async def _around(request: ActingRequest, dossier: Dossier, responsible: str) -> Around:
    company = await look_up_company(request.pool, "", [responsible])
    return Around(dossier, company.at_work)
