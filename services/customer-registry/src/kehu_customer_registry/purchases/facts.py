"""Measures: what is to be done about a customer's purchases in a quarter, by whom and until when."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum

from kehu.contracts.customers import PurchaseMeasureAssigned, PurchaseMeasureClosed, PurchaseMeasureOverdue
from kehu.deciding import Category
from kehu.facts import Fact


class MeasureDescribed(Fact, clause="R4.5.2"):
    """What is to be done, and afterwards what came of it; stays in the registry."""

    measure: str
    customer: str
    text: str
    result: str | None = None


class MeasureMark(StrEnum):
    """Where a measure stands."""

    NONE = "none"
    OPEN = "open"
    DONE = "done"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True)
class Measure:
    """A measure; with mark `NONE` there is none."""

    measure: str = ""
    customer: str = ""
    department: str = ""
    quarter: str = ""
    responsible: str = ""
    due_on: date = date.max
    assigned_by: str = ""
    text: str = ""
    result: str | None = None
    mark: MeasureMark = MeasureMark.NONE
    overdue: bool = False


def evolve(state: Measure, fact: Fact) -> Measure:
    """What a fact makes of a measure."""
    match fact:
        case PurchaseMeasureAssigned():
            return replace(
                state,
                measure=fact.measure,
                customer=fact.customer,
                department=fact.department,
                quarter=fact.quarter,
                responsible=fact.responsible,
                due_on=fact.due_on,
                assigned_by=fact.assigned_by,
                mark=MeasureMark.OPEN,
                overdue=False,
            )
        case MeasureDescribed():
            return replace(state, text=fact.text, result=fact.result)
        case PurchaseMeasureOverdue():
            return replace(state, overdue=True)
        case PurchaseMeasureClosed():
            return replace(state, mark=MeasureMark(fact.outcome))
        case _:
            return state


MEASURES = Category(
    name="purchase_measure",
    facts=(PurchaseMeasureAssigned, MeasureDescribed, PurchaseMeasureOverdue, PurchaseMeasureClosed),
    initial=Measure(),
    evolve=evolve,
)
