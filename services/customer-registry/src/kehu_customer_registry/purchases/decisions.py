"""Attaching a measure to a customer's quarter, and following it until it is done (R4.5.2)."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date

from kehu.calendar import Quarter
from kehu.contracts.customers import PurchaseMeasureAssigned, PurchaseMeasureClosed, PurchaseMeasureOverdue
from kehu.contracts.staff import Role
from kehu.deciding import Context, Decision
from kehu.errors import Forbidden, Invalid, Refused
from kehu_customer_registry.dossiers.facts import Dossier, Status
from kehu_customer_registry.purchases.facts import Measure, MeasureDescribed, MeasureMark

CLAUSE = "R4.5.2"


@dataclass(frozen=True, slots=True)
class Around:
    """The customer's dossier, and who of the people named works here and is not leaving."""

    dossier: Dossier
    at_work: Collection[str] = frozenset()


@dataclass(frozen=True, slots=True)
class SetMeasure:
    """Something to be done about a customer's purchases in a quarter."""

    measure: str
    quarter: Quarter
    text: str
    responsible: str
    due_on: date


@dataclass(frozen=True, slots=True)
class ReassignMeasure:
    """Another person, or another day."""

    responsible: str
    due_on: date


@dataclass(frozen=True, slots=True)
class FinishMeasure:
    """What came of it."""

    result: str


class MeasureClosed(Refused):
    """It is done or was taken back."""

    code = "measure-closed"


def set_measure(command: SetMeasure, state: Measure, context: Context) -> Decision:
    """Attach a measure; the customer's department manager and 市场部 do.

    Raises:
        Forbidden: the actor is neither, or is leaving.
        Refused: the dossier is not archived; whoever is named does not work here, or is leaving (R4.6).
        Invalid: its day has passed, or the quarter has not begun.

    """
    around: Around = context.gathered
    _check_steers(around.dossier.department, context)
    if around.dossier.status is not Status.ARCHIVED:
        raise Refused(
            "客户档案尚未归档,不能设定采购量措施。",
            "The dossier is not archived, so nothing is attached to its quarters.",
            clause=CLAUSE,
            code="customer-not-registered",
        )
    if command.quarter.first_day > context.today:
        raise Invalid(
            f"{command.quarter} 尚未开始。请选择本季度或以前的季度。",
            f"{command.quarter} has not begun. Choose this quarter or an earlier one.",
            clause=CLAUSE,
            code="quarter-ahead",
        )
    _check_assignable(command.responsible, command.due_on, context)
    if state.mark is not MeasureMark.NONE:
        return Decision()
    return Decision(
        [
            PurchaseMeasureAssigned(
                measure=command.measure,
                customer=around.dossier.customer,
                department=around.dossier.department,
                quarter=str(command.quarter),
                responsible=command.responsible,
                due_on=command.due_on,
                assigned_by=context.actor.id,
            ),
            MeasureDescribed(measure=command.measure, customer=around.dossier.customer, text=command.text),
        ]
    )


def reassign_measure(command: ReassignMeasure, state: Measure, context: Context) -> Decision:
    """Give it to another person, or another day; those who may set one do.

    Raises:
        Forbidden, Refused, Invalid: as for setting one.
        MeasureClosed: it is done or was taken back.

    """
    around: Around = context.gathered
    _check_steers(around.dossier.department, context)
    _check_open(state)
    _check_assignable(command.responsible, command.due_on, context)
    if (command.responsible, command.due_on) == (state.responsible, state.due_on):
        return Decision()
    return Decision(
        [
            PurchaseMeasureAssigned(
                measure=state.measure,
                customer=state.customer,
                department=around.dossier.department,
                quarter=state.quarter,
                responsible=command.responsible,
                due_on=command.due_on,
                assigned_by=context.actor.id,
                previous_responsible=state.responsible if command.responsible != state.responsible else None,
            )
        ]
    )


def finish_measure(command: FinishMeasure, state: Measure, context: Context) -> Decision:
    """Say what came of it; who is responsible does, or who may set one. Late is taken, and marked.

    Raises:
        Forbidden: the actor is neither, or is leaving.
        MeasureClosed: it is done or was taken back.

    """
    around: Around = context.gathered
    if context.actor.id != state.responsible or context.actor.departing:
        _check_steers(around.dossier.department, context)
    return _close(state, "done", command.result, context)


def withdraw_measure(command: FinishMeasure, state: Measure, context: Context) -> Decision:
    """Take it back with a reason; those who may set one do.

    Raises:
        Forbidden: the actor may not, or is leaving.
        MeasureClosed: it is done or was taken back.

    """
    around: Around = context.gathered
    _check_steers(around.dossier.department, context)
    return _close(state, "withdrawn", command.result, context)


def miss_measure(state: Measure, context: Context) -> Decision:
    """Say once that the day of an open measure has passed."""
    if state.mark is not MeasureMark.OPEN or state.overdue or context.today <= state.due_on:
        return Decision()
    return Decision(
        [
            PurchaseMeasureOverdue(
                measure=state.measure,
                customer=state.customer,
                department=state.department,
                quarter=state.quarter,
                responsible=state.responsible,
                due_on=state.due_on,
            )
        ]
    )


def _close(state: Measure, outcome: str, result: str, context: Context) -> Decision:
    _check_open(state)
    if not result.strip():
        raise Invalid(
            "请写明结果或原因。", "Write down the result, or the reason.", clause=CLAUSE, code="result-missing"
        )
    return Decision(
        [
            MeasureDescribed(measure=state.measure, customer=state.customer, text=state.text, result=result),
            PurchaseMeasureClosed.model_validate(
                {
                    "measure": state.measure,
                    "customer": state.customer,
                    "department": state.department,
                    "quarter": state.quarter,
                    "responsible": state.responsible,
                    "outcome": outcome,
                    "closed_by": context.actor.id,
                    "late": context.today > state.due_on,
                }
            ),
        ]
    )


def _check_steers(department: str, context: Context) -> None:
    actor = context.actor
    may = actor.has(Role.DEPT_MANAGER, department=department) or actor.has(Role.MARKET_DEPT)
    if not may or actor.departing:
        raise Forbidden(
            f"采购量措施由客户所属部门({department})的经理或市场部设定和调整;负责人可登记结果。",
            f"Measures are set and changed by the manager of the customer's department ({department}) and 市场部; "
            "who is responsible records the result.",
            clause=CLAUSE,
        )


def _check_open(state: Measure) -> None:
    if state.mark is not MeasureMark.OPEN:
        raise MeasureClosed(
            f"该措施已结束({state.mark.value})。如需再行动,请另设一项措施。",
            f"This measure is {state.mark.value}. To do more, set another one.",
            clause=CLAUSE,
            status=state.mark.value,
        )


def _check_assignable(responsible: str, due_on: date, context: Context) -> None:
    around: Around = context.gathered
    if due_on < context.today:
        raise Invalid(
            f"截止日期 {due_on} 已过。请填写今天或以后的日期。",
            f"{due_on} has passed. Choose today or a later day.",
            clause=CLAUSE,
            code="due-day-past",
        )
    if responsible not in around.at_work:
        raise Refused(
            f"{responsible} 不在职或正在办理离职,不能承担新的工作。请另选负责人。",
            f"{responsible} does not work here, or is leaving, and gets nothing new. Choose somebody else.",
            clause="R4.6",
            code="not-at-work",
        )
