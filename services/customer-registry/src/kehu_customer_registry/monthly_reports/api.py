"""Monthly department reports over HTTP: who has reported; one report and what is proposed for it; submit, correct."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from kehu.calendar import Month
from kehu.contracts.staff import Role
from kehu.errors import NotFound
from kehu.http import Acting, ActingRequest, Answer, Editing, Page, Paging
from kehu.money import FEN_PER_YUAN
from kehu.text import Line, Paragraph
from kehu_customer_registry.dossiers.rights import check_may_list, scope
from kehu_customer_registry.listing import XLSX_ANSWER, MonthName, export
from kehu_customer_registry.monthly_reports import decisions
from kehu_customer_registry.monthly_reports.decisions import STEP, WriteReport
from kehu_customer_registry.monthly_reports.facts import MONTHLY_REPORTS, MonthlyReport, ReportContent, report_id
from kehu_customer_registry.monthly_reports.views import list_reports, propose
from kehu_customer_registry.staff.decisions import Code

router = APIRouter(tags=["monthly reports"])

_MOST = 2_000


class MovementForm(BaseModel):
    """A customer that is new, has changed or was lost."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    customer: Annotated[str, StringConstraints(pattern=r"^[\w-]{1,64}$"), Field(description="Id or 客户编号.")]
    remark: Paragraph = ""


Movements = Annotated[tuple[MovementForm, ...], Field(max_length=_MOST)]


class ReportForm(BaseModel):
    """A month's report. Lists that are left out are taken as proposed; an empty one says that there were none."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    new: Movements | None = None
    changed: Movements | None = None
    lost: Movements | None = None
    credit_remarks: Paragraph = ""
    market_remarks: Paragraph = ""

    def command(self, department: str, month: Month, reason: str | None = None) -> WriteReport:
        """As the decision takes it."""
        return WriteReport(
            department,
            month,
            _pairs(self.new),
            _pairs(self.changed),
            _pairs(self.lost),
            self.credit_remarks,
            self.market_remarks,
            reason,
        )


class CorrectionForm(ReportForm):
    """The report written anew, with the reason."""

    reason: Line


class ReportRow(BaseModel):
    """Whether a department has reported a month."""

    department: str
    month: str
    closes_at: datetime | None
    submitted_at: datetime | None
    submitted_by: str | None
    on_behalf_of: str | None
    late: bool
    nil: bool
    missed: bool = Field(description="It had closed before the report came, if it came.")
    corrections: int


class ReportShown(BaseModel):
    """A department's month: the report, if there is one, and what the registry's own facts say of it now."""

    department: str
    month: str
    submitted: bool
    submitted_by: str | None
    on_behalf_of: str | None
    late: bool
    corrections: int
    report: ReportContent | None
    proposed: ReportContent


def _pairs(given: Sequence[MovementForm] | None) -> list[tuple[str, str]] | None:
    return None if given is None else [(one.customer, one.remark) for one in given]


@router.get("/monthly-reports")
async def show_reports(
    request: Acting,
    paging: Paging,
    month: MonthName | None = None,
    department: Code | None = None,
    state: Annotated[
        Literal["due", "missing", "late", "submitted"] | None,
        Query(description="`due`: not reported; `missing`: closed without."),
    ] = None,
    waiting_for: Annotated[Literal["me"] | None, Query(description="What you have to report, as manager.")] = None,
) -> Page[ReportRow]:
    """Which department has reported which month, of the departments that you see whole; 市场部 sees all."""
    check_may_list(request.actor)
    rows = await list_reports(
        request.pool,
        scope(request.actor),
        paging.after(str, str),
        paging.fetch,
        month=month,
        department=department,
        state=state,
        waiting=sorted(request.actor.departments(Role.DEPT_MANAGER)) if waiting_for else None,
    )
    return paging.page([ReportRow(**row) for row in rows], key=lambda row: (row.month, row.department))


@router.get("/monthly-reports/{department}/{month}")
async def show_report(department: Code, month: MonthName, request: Acting) -> ReportShown:
    """A department's month, with its ETag: the report, and what is proposed for it."""
    await _check_visible(request, department)
    state, version = await _load(request, department, month)
    proposal = await propose(request.pool, department, Month.parse(month))
    request.tag(version)
    return ReportShown(
        department=department,
        month=month,
        submitted=state.content is not None,
        submitted_by=state.submitted_by or None,
        on_behalf_of=state.on_behalf_of,
        late=state.late,
        corrections=state.corrections,
        report=state.content,
        proposed=proposal.content,
    )


@router.post("/monthly-reports/{department}/{month}", status_code=201)
async def submit_report(department: Code, month: MonthName, body: ReportForm, request: Acting) -> Answer:
    """Report a month that has ended; the department's manager does, or a delegate for ``monthly_report:submit``."""
    await _check_visible(request, department)
    named = Month.parse(month)
    return await request.create(
        MONTHLY_REPORTS,
        report_id(department, named),
        partial(decisions.submit_report, body.command(department, named)),
        gathered=await propose(request.pool, department, named),
    )


@router.post("/monthly-reports/{department}/{month}/corrections")
async def correct_report(department: Code, month: MonthName, body: CorrectionForm, request: Editing) -> Answer:
    """Write a submitted report anew, with the reason; volumes are taken as they stand now."""
    await _check_visible(request, department)
    named = Month.parse(month)
    return await request.handle(
        MONTHLY_REPORTS,
        report_id(department, named),
        partial(decisions.correct_report, body.command(department, named, body.reason)),
        gathered=await propose(request.pool, department, named),
    )


@router.get("/monthly-reports/{department}/{month}/export", response_class=Response, responses=XLSX_ANSWER)
async def export_report(department: Code, month: MonthName, request: Acting) -> Response:
    """A submitted report as an Excel file. Takes a reason (header `Kehu-Reason`), which is recorded."""
    await _check_visible(request, department)
    state, _ = await _load(request, department, month)
    content = state.content
    if content is None:
        raise NotFound(
            "该月月报尚未提交。", "This month has not been reported yet.", clause="R5.3.5", code="not-submitted"
        )

    async def rows() -> list[list[Any]]:
        return _cells(content)

    headings = ("项目 Item", "客户编号 Number", "合同额(元) Amount", "备注 Remark")
    named = {"department": department, "month": month}
    return await export(request, "monthly_report", f"月报-{department}-{month}", headings, rows, named)


def _cells(content: ReportContent) -> list[list[Any]]:
    rows: list[list[Any]] = [
        ["合同量 Volume", one.number, Decimal(one.amount_fen) / FEN_PER_YUAN, ""] for one in content.volumes
    ]
    rows += [["未报合同量 Not reported", number, None, ""] for number in content.missing]
    for title, movements in (
        ("新增 New", content.new),
        ("变更 Changed", content.changed),
        ("流失 Lost", content.lost),
    ):
        rows += [[title, one.number, None, one.remark] for one in movements]
    remarks = (("信用说明 Credit", content.credit_remarks), ("市场说明 Market", content.market_remarks))
    return rows + [[title, "", None, text] for title, text in remarks if text]


async def _load(request: ActingRequest, department: str, month: str) -> tuple[MonthlyReport, int]:
    return await request.running.commands.load(MONTHLY_REPORTS, report_id(department, Month.parse(month)))


async def _check_visible(request: ActingRequest, department: str) -> None:
    """Reports are for who sees the department whole, and for a manager's delegate."""
    check_may_list(request.actor)
    seen = scope(request.actor)
    stands_in = request.actor.principals(STEP, Role.DEPT_MANAGER, department=department)
    known = await request.pool.fetchval("SELECT EXISTS (SELECT FROM departments WHERE code = $1)", department)
    if not known or not (seen.everything or department in seen.departments or stands_in):
        raise NotFound(
            "没有这个部门,或其月报不在您的查看范围内。",
            "There is no such department, or you may not see its reports.",
            clause="R5.3.5",
            code="department-unknown",
        )
