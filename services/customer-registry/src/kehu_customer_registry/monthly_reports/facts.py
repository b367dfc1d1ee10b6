"""What can have happened to a department's monthly report, and to the calendar by which reports fall due."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from pydantic import BaseModel, ConfigDict

from kehu.calendar import Month
from kehu.contracts.customers import MonthlyReportDue, MonthlyReportMissing, MonthlyReportSubmitted
from kehu.deciding import Category
from kehu.facts import Fact


class ReportedVolume(BaseModel):
    """What a customer contracted, as it stood when the report was written."""

    model_config = ConfigDict(frozen=True, extra="allow")

    customer: str
    number: str
    amount_fen: int


class Movement(BaseModel):
    """A customer that is new, has changed, or was lost; with a remark."""

    model_config = ConfigDict(frozen=True, extra="allow")

    customer: str
    number: str
    remark: str = ""


class ReportContent(BaseModel):
    """What a report says. `missing` are active customers of whom no volume was reported."""

    model_config = ConfigDict(frozen=True, extra="allow")

    volumes: tuple[ReportedVolume, ...] = ()
    missing: tuple[str, ...] = ()
    new: tuple[Movement, ...] = ()
    changed: tuple[Movement, ...] = ()
    lost: tuple[Movement, ...] = ()
    credit_remarks: str = ""
    market_remarks: str = ""

    @property
    def nil(self) -> bool:
        """Whether there was nothing to report."""
        return not (self.volumes or self.new or self.changed or self.lost or self.credit_remarks or self.market_remarks)


class MonthlyReportWritten(Fact, clause="R5.3.5"):
    """What the report of a month says, first or (with the reason) corrected; older contents stay in older facts."""

    department: str
    month: Month
    content: ReportContent
    reason: str | None = None
    written_by: str


@dataclass(frozen=True, slots=True)
class MonthlyReport:
    """A department's report of one month; `content` is None until it is submitted."""

    content: ReportContent | None = None
    submitted_by: str = ""
    on_behalf_of: str | None = None
    late: bool = False
    missing: bool = False
    corrections: int = 0


def evolve(state: MonthlyReport, fact: Fact) -> MonthlyReport:
    """What a fact makes of a report."""
    match fact:
        case MonthlyReportWritten():
            corrections = state.corrections + (fact.reason is not None)
            return replace(state, content=fact.content, corrections=corrections)
        case MonthlyReportSubmitted():
            return replace(state, submitted_by=fact.submitted_by, on_behalf_of=fact.on_behalf_of, late=fact.late)
        case MonthlyReportMissing():
            return replace(state, missing=True)
        case _:
            return state


MONTHLY_REPORTS = Category(
    name="monthly_report",
    facts=(MonthlyReportWritten, MonthlyReportSubmitted, MonthlyReportMissing),
    initial=MonthlyReport(),
    evolve=evolve,
)


@dataclass(frozen=True, slots=True)
class ReportCalendar:
    """The last month of a department that has ended, and when it closes."""

    month: Month | None = None
    closes_at: datetime | None = None


def _evolve_calendar(state: ReportCalendar, fact: Fact) -> ReportCalendar:
    return ReportCalendar(fact.month, fact.closes_at) if isinstance(fact, MonthlyReportDue) else state


CALENDARS = Category(
    name="report_calendar", facts=(MonthlyReportDue,), initial=ReportCalendar(), evolve=_evolve_calendar
)


def report_id(department: str, month: Month) -> str:
    """The id of a department's report of a month."""
    return f"{department}:{month}"
