"""Submitting a department's monthly report, correcting it, and noticing that it is missing (R5.3.5)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from kehu.calendar import Month, month_closes_at
from kehu.contracts.customers import MonthlyReportDue, MonthlyReportMissing, MonthlyReportSubmitted
from kehu.contracts.staff import DelegableStep, Role
from kehu.deciding import Context, Decision
from kehu.errors import Forbidden, Invalid, Refused
from kehu_customer_registry.monthly_reports.facts import (
    MonthlyReport,
    MonthlyReportWritten,
    Movement,
    ReportCalendar,
    ReportContent,
)
from kehu_customer_registry.volumes.decisions import VOLUME_REPORTING, MonthNotEnded, VolumeReporting

CLAUSE = "R5.3.5"
#: The step for which a manager may appoint a delegate.
STEP = DelegableStep.MONTHLY_REPORT


@dataclass(frozen=True, slots=True)
class Proposal:
    """What the registry's own facts say of the month; and the department's customers, each by its id and its number."""

    content: ReportContent
    customers: Mapping[str, tuple[str, str]]


@dataclass(frozen=True, slots=True)
class WriteReport:
    """The report as the manager wants it; what is None is taken as proposed. `reason` is for corrections.

    Movements are (customer, remark), the customer by id or 客户编号.
    """

    department: str
    month: Month
    new: Sequence[tuple[str, str]] | None = None
    changed: Sequence[tuple[str, str]] | None = None
    lost: Sequence[tuple[str, str]] | None = None
    credit_remarks: str = ""
    market_remarks: str = ""
    reason: str | None = None


class AlreadySubmitted(Refused):
    """The month was reported; what changes is a correction."""

    code = "already-submitted"


class NotSubmitted(Refused):
    """There is nothing to correct."""

    code = "not-submitted"


def submit_report(command: WriteReport, state: MonthlyReport, context: Context) -> Decision:
    """Report a month that has ended, once; after it has closed it is taken and marked late.

    Raises:
        Forbidden: the actor is neither the department's manager nor a delegate for this step.
        MonthNotEnded: the month is not over.
        AlreadySubmitted: so it is.
        Invalid: a customer is none of the department's.

    """
    principal = _check_manager(command.department, context)
    _check_ended(command.month, context)
    if state.content is not None:
        raise AlreadySubmitted(
            f"{command.month} 的月报已提交。如有变动,请使用“更正”并写明原因。",
            f"{command.month} has been reported. If something is otherwise, correct it, with the reason.",
            clause=CLAUSE,
        )
    content = _content(command, context)
    policy: VolumeReporting = context.policies[VOLUME_REPORTING.name]
    return Decision(
        [
            MonthlyReportWritten(
                department=command.department, month=command.month, content=content, written_by=context.actor.id
            ),
            MonthlyReportSubmitted(
                department=command.department,
                month=command.month,
                late=context.now >= month_closes_at(command.month, closing_day=policy.closing_day),
                nil=content.nil,
                submitted_by=context.actor.id,
                on_behalf_of=principal,
            ),
        ]
    )


def correct_report(command: WriteReport, state: MonthlyReport, context: Context) -> Decision:
    """Write a submitted report anew, with the reason; the old content stays in its fact.

    Raises:
        Forbidden, Invalid: as for submitting.
        MonthNotEnded: by this clock the month is not over, whatever another clock said before.
        NotSubmitted: there is nothing to correct.

    """
    _check_manager(command.department, context)
    _check_ended(command.month, context)
    if state.content is None:
        raise NotSubmitted(
            f"{command.month} 的月报尚未提交,无可更正。请直接提交。",
            f"{command.month} has not been reported, so there is nothing to correct. Submit it.",
            clause=CLAUSE,
        )
    content = _content(command, context)
    if content == state.content:
        return Decision()
    written = MonthlyReportWritten(
        department=command.department,
        month=command.month,
        content=content,
        reason=command.reason,
        written_by=context.actor.id,
    )
    return Decision([written])


def end_month(department: str, month: Month, state: ReportCalendar, context: Context) -> Decision:
    """Say once that a month has ended and is to be reported, and when it closes."""
    if context.now < month.end or (state.month is not None and state.month >= month):
        return Decision()
    policy: VolumeReporting = context.policies[VOLUME_REPORTING.name]
    closes_at = month_closes_at(month, closing_day=policy.closing_day)
    return Decision([MonthlyReportDue(department=department, month=month, closes_at=closes_at)])


def miss_report(department: str, month: Month, state: MonthlyReport) -> Decision:
    """Say once that a month has closed without its report."""
    if state.content is not None or state.missing:
        return Decision()
    return Decision([MonthlyReportMissing(department=department, month=month)])


def _content(command: WriteReport, context: Context) -> ReportContent:
    proposal: Proposal = context.gathered
    proposed = proposal.content
    return ReportContent(
        volumes=proposed.volumes,
        missing=proposed.missing,
        new=_movements(command.new, proposed.new, proposal),
        changed=_movements(command.changed, proposed.changed, proposal),
        lost=_movements(command.lost, proposed.lost, proposal),
        credit_remarks=command.credit_remarks,
        market_remarks=command.market_remarks,
    )


def _movements(
    given: Sequence[tuple[str, str]] | None, proposed: tuple[Movement, ...], proposal: Proposal
) -> tuple[Movement, ...]:
    if given is None:
        return proposed
    unknown = sorted({named for named, _ in given} - set(proposal.customers))
    if unknown:
        raise Invalid(
            f"以下客户不属于本部门:{'、'.join(unknown)}。请对照客户信息一览表核对编号。",
            f"These are no customers of the department: {', '.join(unknown)}. Compare the numbers with the register.",
            clause=CLAUSE,
            code="customer-unknown",
        )
    found = {proposal.customers[named]: remark for named, remark in given}
    return tuple(
        Movement(customer=customer, number=number, remark=remark) for (customer, number), remark in found.items()
    )


def _check_ended(month: Month, context: Context) -> None:
    if context.now < month.end:
        raise MonthNotEnded(
            f"{month} 尚未结束,不能上报。请在当月结束后上报。",
            f"{month} is not over, so it cannot be reported yet. Report it once the month has ended.",
            clause=CLAUSE,
            month=str(month),
        )


def _check_manager(department: str, context: Context) -> str | None:
    """For whom a delegate acts; None for the manager in person."""
    actor = context.actor
    if not actor.departing:
        if actor.has(Role.DEPT_MANAGER, department=department):
            return None
        if principals := actor.principals(STEP, Role.DEPT_MANAGER, department=department):
            return principals[0]
    raise Forbidden(
        f"月报由部门 {department} 的经理提交和更正;经理不在时可委托他人。",
        f"The report is submitted and corrected by the manager of {department}, or by a delegate in their absence.",
        clause=CLAUSE,
    )
