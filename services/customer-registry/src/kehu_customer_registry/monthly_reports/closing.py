"""The schedules of monthly reports: a month ends and is due; it closes, and a report that is not there is missing."""

from __future__ import annotations

from datetime import datetime, timedelta

from kehu.calendar import Month, today
from kehu.contracts.customers import MonthlyReportDue, MonthlyReportMissing, MonthlyReportSubmitted
from kehu.contracts.staff import DepartmentClosed, DepartmentOpened
from kehu.deciding import Context, Decision
from kehu.facts import RecordedFact
from kehu.service import Done, Due, Schedule
from kehu_customer_registry.monthly_reports.decisions import end_month, miss_report
from kehu_customer_registry.monthly_reports.facts import (
    CALENDARS,
    MONTHLY_REPORTS,
    MonthlyReport,
    ReportCalendar,
    report_id,
)


def _opened(recorded: RecordedFact[DepartmentOpened]) -> Due:
    return Due(recorded.fact.department, Month.of(today(recorded.occurred_at)).end)


def _next(recorded: RecordedFact[MonthlyReportDue]) -> Due:
    return Due(recorded.fact.department, (recorded.fact.month + 1).end)


def _department_closed(recorded: RecordedFact[DepartmentClosed]) -> Done:
    return Done(recorded.fact.department)


def _end(department: str, due_at: datetime, state: ReportCalendar, context: Context) -> Decision:
    """The month whose end it is; one after the other where the system was away for longer."""
    return end_month(department, Month.of(today(due_at - timedelta(days=1))), state, context)


MONTH_ENDS = Schedule(
    kind="monthly-report-due",
    planned_by={DepartmentOpened: _opened, MonthlyReportDue: _next, DepartmentClosed: _department_closed},
    category=CALENDARS,
    stream_id=lambda department: department,
    fire=_end,
)


def _closes(recorded: RecordedFact[MonthlyReportDue]) -> Due:
    fact = recorded.fact
    return Due(report_id(fact.department, fact.month), fact.closes_at)


def _settled(recorded: RecordedFact[MonthlyReportSubmitted | MonthlyReportMissing]) -> Done:
    return Done(report_id(recorded.fact.department, recorded.fact.month))


def _close(report: str, _due_at: datetime, state: MonthlyReport, _context: Context) -> Decision:
    department, _, month = report.rpartition(":")
    return miss_report(department, Month.parse(month), state)


MONTH_CLOSES = Schedule(
    kind="monthly-report-missing",
    planned_by={MonthlyReportDue: _closes, MonthlyReportSubmitted: _settled, MonthlyReportMissing: _settled},
    category=MONTHLY_REPORTS,
    stream_id=lambda report: report,
    fire=_close,
)
