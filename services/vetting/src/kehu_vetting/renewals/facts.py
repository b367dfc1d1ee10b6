"""What can happen to a renewal of papers, and the state that it adds up to (R3.1.2)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum

from kehu.contracts.staff import StepEscalated
from kehu.contracts.vetting import (
    RenewalReturned,
    RenewalStepPassed,
    RenewalSubmitted,
    RenewalWithdrawn,
    Step,
)
from kehu.deciding import Category
from kehu.facts import Fact
from kehu_vetting.qualifications.form import Document


class RenewalFilled(Fact, clause="R3.1.2"):
    """What is handed in: papers of the customer, or of a payer of its, or a renewed three-party agreement with that."""

    renewal: str
    customer: str
    papers: tuple[Document, ...] = ()
    unit: str | None = None
    unit_papers: tuple[Document, ...] = ()
    agreement: Document | None = None


class RenewalStatus(StrEnum):
    """How far a renewal has come."""

    IN_REVIEW = "in_review"
    PASSED = "passed"
    RETURNED = "returned"
    WITHDRAWN = "withdrawn"


#: Who passes it, in order: the department's vetting, then finance *(default)*.
STEPS = (Step.VETTING, Step.FINANCE)


@dataclass(frozen=True, slots=True)
class Renewal:
    """A renewal as it stands; `people` had a hand in it and sign none of its other steps."""

    id: str = ""
    customer: str = ""
    department: str = ""
    status: RenewalStatus = RenewalStatus.IN_REVIEW
    step: Step | None = None
    papers: tuple[Document, ...] = ()
    unit: str | None = None
    unit_papers: tuple[Document, ...] = ()
    agreement: Document | None = None
    submitted_by: str = ""
    people: frozenset[str] = frozenset()
    asked_on: date | None = None
    answer_due_on: date | None = None


def evolve(state: Renewal, fact: Fact) -> Renewal:
    """The state after a fact."""
    match fact:
        case RenewalFilled():
            return Renewal(
                id=fact.renewal,
                customer=fact.customer,
                papers=fact.papers,
                unit=fact.unit,
                unit_papers=fact.unit_papers,
                agreement=fact.agreement,
            )
        case RenewalSubmitted():
            people = state.people | {fact.submitted_by}
            return replace(
                state,
                department=fact.department,
                step=STEPS[0],
                submitted_by=fact.submitted_by,
                people=people,
                asked_on=fact.asked_on,
                answer_due_on=fact.answer_due_on,
            )
        case RenewalStepPassed():
            people = state.people | {fact.signed_by, fact.on_behalf_of or fact.signed_by}
            status = RenewalStatus.IN_REVIEW if fact.next_step else RenewalStatus.PASSED
            return replace(
                state,
                status=status,
                step=fact.next_step,
                people=people,
                asked_on=fact.asked_on,
                answer_due_on=fact.answer_due_on,
            )
        case RenewalReturned():
            return replace(state, status=RenewalStatus.RETURNED, step=None)
        case RenewalWithdrawn():
            return replace(state, status=RenewalStatus.WITHDRAWN, step=None)
        case _:
            return state


RENEWALS = Category(
    name="renewal",
    facts=(RenewalFilled, RenewalSubmitted, RenewalStepPassed, RenewalReturned, RenewalWithdrawn, StepEscalated),
    initial=Renewal(),
    evolve=evolve,
)
