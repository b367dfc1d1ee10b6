"""Verifications over HTTP: worklists, the departments' counts, what was found, who verifies, and the Excel file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, datetime
from functools import partial
from typing import Annotated, Any, Literal

import asyncpg
from fastapi import APIRouter, Depends, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from kehu import calendar
from kehu.calendar import Quarter
from kehu.commands import Thing
from kehu.contracts.customers import (
    CustomerChanged,
    CustomerChangeProposed,
    CustomerRegistered,
    OwnerAssigned,
)
from kehu.contracts.staff import Role
from kehu.deciding import Context, Decision
from kehu.errors import NotFound
from kehu.facts import Fact, RecordedFact
from kehu.http import Acting, ActingRequest, Answer, Editing, Page, Paging, StreamId
from kehu.text import Paragraph
from kehu_customer_registry.dossiers.facts import DOSSIERS, Dossier, ParticularsChanged
from kehu_customer_registry.dossiers.finding import load_dossier
from kehu_customer_registry.dossiers.register import Day
from kehu_customer_registry.dossiers.rights import Sight, check_may_list, check_visible, scope, sight
from kehu_customer_registry.listing import EXPORT_PAGE, XLSX_ANSWER, QuarterName, every_page, export
from kehu_customer_registry.staff.decisions import Code
from kehu_customer_registry.verification import decisions
from kehu_customer_registry.verification.company import kept_as, look_up_company
from kehu_customer_registry.verification.decisions import AppointVerifier, Around, RecordVerification
from kehu_customer_registry.verification.facts import (
    VERIFICATIONS,
    Method,
    Outcome,
    VerificationMark,
    Verifications,
    customer_and_quarter,
    verification_id,
)
from kehu_customer_registry.verification.views import Wanted, count_verifications, list_verifications

router = APIRouter(tags=["verification"])

#: The facts that bring an archived dossier up to date; a proposed major change counts, it waits for the manager only.
_UPDATES = (CustomerChanged, ParticularsChanged, OwnerAssigned, CustomerChangeProposed)
_EXPORTED = (
    ("quarter", "季度 Quarter"),
    ("number", "客户编号 Number"),
    ("name", "客户名称 Name"),
    ("department", "部门 Department"),
    ("owner", "负责营销员 Owner"),
    ("verifier", "核实人 Verifier"),
    ("due_on", "截止日期 Due"),
    ("mark", "状态 Status"),
    ("overdue", "逾期 Overdue"),
    ("outcome", "结果 Outcome"),
    ("method", "方式 Method"),
    ("verified_on", "核实日期 Verified"),
    ("attempts", "失败次数 Failed attempts"),
)


class RecordForm(BaseModel):
    """What the verifier has found."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    method: Method
    outcome: Literal["unchanged", "changed", "failed"] = Field(description="`failed`: nobody was reached.")
    verified_on: Day
    change: Annotated[int, Field(ge=1, le=2**31)] | None = Field(
        default=None, description="With `changed`: the version of the dossier's stream (its ETag) that updated it."
    )
    remark: Paragraph = ""


class AskForm(BaseModel):
    """Which dossier is to be verified in the present quarter already."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    customer: Annotated[str, Field(pattern=r"^[\w-]{1,64}$", description="Id or 客户编号.")]


class VerifierForm(BaseModel):
    """Who verifies."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    verifier: Code


class AttemptShown(BaseModel):
    """An attempt in vain."""

    attempted_on: date
    method: Method


class VerificationRow(BaseModel):
    """A line of the worklist."""

    verification: str
    customer: str
    number: str
    name: str
    quarter: str
    department: str
    owner: str
    due_on: date
    verifier: str | None = Field(description="Null while the manager is to appoint somebody.")
    appointed_by: str | None
    mark: VerificationMark
    overdue: bool
    outcome: Outcome | None
    method: Method | None
    verified_on: date | None
    because: str | None
    attempts: int
    reminded_at: datetime | None


class VerificationShown(BaseModel):
    """One verification, with its attempts."""

    verification: str
    customer: str
    number: str
    name: str
    quarter: str
    department: str
    due_on: date
    verifier: str | None
    mark: VerificationMark
    overdue: bool
    outcome: Outcome | None
    method: Method | None
    verified_on: date | None
    moved_to: str | None = Field(description="The survivor, after a merge.")
    attempts: list[AttemptShown]


class DepartmentCounts(BaseModel):
    """A quarter of one department in numbers."""

    department: str
    quarter: str
    due: int
    open: int
    overdue: int
    without_verifier: int
    unchanged: int
    changed: int
    unreachable: int
    cancelled: int


def _wanted(
    *,
    quarter: QuarterName | None = None,
    department: Code | None = None,
    verifier: Code | None = None,
    mark: VerificationMark | None = None,
    overdue: bool | None = None,
    waiting_for: Annotated[
        Literal["me"] | None,
        Query(description="What waits for you: as verifier; as manager, to appoint one or about who is out of reach."),
    ] = None,
) -> tuple[Wanted, bool]:
    named = Wanted(quarter, department, verifier, mark, overdue)
    return named, waiting_for is not None


Filtered = Annotated[tuple[Wanted, bool], Depends(_wanted)]


def _for(request: ActingRequest, filtered: tuple[Wanted, bool]) -> Wanted:
    wanted, waiting = filtered
    if not waiting:
        return wanted
    return replace(wanted, mine=request.actor.id, managed=sorted(request.actor.departments(Role.DEPT_MANAGER)))


@router.get("/verifications")
async def show_worklist(request: Acting, paging: Paging, filtered: Filtered) -> Page[VerificationRow]:
    """Verifications of the customers that you may see or verify, by quarter and customer."""
    check_may_list(request.actor)
    rows = await list_verifications(
        request.pool,
        scope(request.actor),
        _for(request, filtered),
        calendar.today(request.now),
        paging.after(str, str),
        paging.fetch,
    )
    return paging.page([_row(row) for row in rows], key=lambda row: (row.quarter, row.customer))


@router.post("/verifications", status_code=201)
async def ask_for_verification(body: AskForm, request: Acting) -> Answer:
    """Have a dossier verified in the present quarter though it was archived during it; 市场部 or the manager does.

    The answer's `verification` names it.
    """
    dossier, _ = await load_dossier(request.running, body.customer)
    check_visible(dossier, request.actor)
    verification = verification_id(dossier.customer, str(Quarter.of(calendar.today(request.now))))
    return await _together(
        request, dossier.customer, decisions.ask_for, must_exist=False, numbers={"verification": verification}
    )


@router.get("/verifications/overview")
async def show_overview(request: Acting, quarter: QuarterName | None = None) -> list[DepartmentCounts]:
    """A quarter's counts by department (now: the present one), of the departments that you see whole."""
    check_may_list(request.actor)
    today = calendar.today(request.now)
    counted = await count_verifications(request.pool, scope(request.actor), quarter or str(Quarter.of(today)), today)
    return [DepartmentCounts.model_validate(dict(row)) for row in counted]


@router.get("/verifications/export", response_class=Response, responses=XLSX_ANSWER)
async def export_verifications(request: Acting, filtered: Filtered) -> Response:
    """The worklist as an Excel file. Takes a reason (header `Kehu-Reason`), which is recorded."""
    wanted = _for(request, filtered)

    async def page(last: asyncpg.Record | None) -> list[asyncpg.Record]:
        after = (last["quarter"], last["customer"]) if last else (None, None)
        day = calendar.today(request.now)
        return await list_verifications(request.pool, scope(request.actor), wanted, day, after, EXPORT_PAGE)

    async def rows() -> list[list[Any]]:
        return [[row[field] for field, _ in _EXPORTED] for row in await every_page(page)]

    filters = {"quarter": wanted.quarter, "department": wanted.department, "mark": wanted.mark}
    return await export(request, "verifications", "客户档案核实", [heading for _, heading in _EXPORTED], rows, filters)


@router.get("/verifications/{verification}")
async def show_verification(verification: StreamId, request: Acting) -> VerificationShown:
    """One verification (``<customer>:<quarter>``), with its ETag."""
    customer, quarter = customer_and_quarter(verification)
    state, version = await request.running.commands.load(VERIFICATIONS, customer)
    dossier, _ = await request.running.commands.load(DOSSIERS, customer)
    item = state.items.get(quarter)
    if item is None or (sight(dossier, request.actor) is Sight.NOTHING and item.verifier != request.actor.id):
        raise _unknown()
    request.tag(version)
    return VerificationShown(
        verification=verification_id(customer, quarter),
        customer=customer,
        number=dossier.number,
        name=dossier.content.name,
        quarter=quarter,
        department=item.department,
        due_on=item.due_on,
        verifier=item.verifier,
        mark=item.mark,
        overdue=item.is_open and item.due_on < calendar.today(request.now),
        outcome=item.outcome,
        method=item.method,
        verified_on=item.verified_on,
        moved_to=item.moved_to,
        attempts=[AttemptShown(attempted_on=one.attempted_on, method=one.method) for one in item.attempts],
    )


@router.post("/verifications/{verification}/record")
async def record_verification(verification: StreamId, body: RecordForm, request: Editing) -> Answer:
    """Record what was found; the appointed verifier does."""
    customer, quarter = customer_and_quarter(verification)
    await _check_may_know(request, customer, quarter)
    command = RecordVerification(quarter, body.method, body.outcome, body.verified_on, body.change, body.remark)
    changes = await _changes(request, customer) if body.change is not None else {}
    return await _together(request, customer, partial(decisions.record_verification, command), changes=changes)


@router.post("/verifications/{verification}/verifier")
async def appoint_verifier(verification: StreamId, body: VerifierForm, request: Editing) -> Answer:
    """Name who verifies; the department's manager does."""
    customer, quarter = customer_and_quarter(verification)
    await _check_may_know(request, customer, quarter)
    command = AppointVerifier(quarter, body.verifier)
    return await _together(request, customer, partial(decisions.appoint_verifier, command), named=body.verifier)


async def _together(
    request: ActingRequest,
    customer: str,
    decide: Any,
    *,
    named: str | None = None,
    changes: Mapping[int, date] | None = None,
    must_exist: bool = True,
    numbers: dict[str, Any] | None = None,
) -> Answer:
    """Decide on the verifications while the dossier stands still: nobody becomes its owner in between."""
    dossier, _ = await request.running.commands.load(DOSSIERS, customer)
    company = await look_up_company(request.pool, dossier.department, [named])

    def both(states: tuple[Verifications, Dossier], context: Context) -> list[Decision]:
        verifications, kept = states
        about = replace(context, gathered=Around(kept_as(kept), company, changes))
        return [decide(verifications, about), Decision()]

    things = [Thing(VERIFICATIONS, customer, must_exist=must_exist), Thing(DOSSIERS, customer)]
    return await request.handle_together(things, both, numbers=numbers)  # pyright: ignore[reportArgumentType] - a pair, as there are two things


async def _check_may_know(request: ActingRequest, customer: str, quarter: str) -> None:
    """What somebody may not see is not there for them."""
    state, _ = await request.running.commands.load(VERIFICATIONS, customer)
    dossier, _ = await request.running.commands.load(DOSSIERS, customer)
    item = state.items.get(quarter)
    if item is None or (sight(dossier, request.actor) is Sight.NOTHING and item.verifier != request.actor.id):
        raise _unknown()


async def _changes(request: ActingRequest, customer: str) -> dict[int, date]:
    """The versions at which an archived dossier was brought up to date, and the day of each."""
    history: list[RecordedFact[Fact]] = await request.running.commands.history(DOSSIERS, customer)
    archived = next((one.version for one in history if isinstance(one.fact, CustomerRegistered)), len(history))
    return {
        one.version: calendar.today(one.occurred_at)
        for one in history
        if one.version > archived and isinstance(one.fact, _UPDATES)
    }


def _row(row: asyncpg.Record) -> VerificationRow:
    return VerificationRow(verification=verification_id(row["customer"], row["quarter"]), **dict(row))


def _unknown() -> NotFound:
    return NotFound(
        "没有这项核实,或不在您的查看范围内。",
        "There is no such verification, or none that you may see.",
        clause="R4.5.1",
        code="verification-unknown",
    )
