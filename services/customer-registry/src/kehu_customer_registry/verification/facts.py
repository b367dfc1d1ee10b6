"""What can have happened to the verifications of one customer, quarter by quarter, and the state it adds up to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from enum import StrEnum
from typing import Any, Literal

from kehu.calendar import Quarter
from kehu.contracts.customers import VerificationDone, VerificationDue, VerificationReminded, VerifierNeeded
from kehu.deciding import Category
from kehu.facts import Fact

Method = Literal["phone", "fax", "mail", "revisit"]
Outcome = Literal["unchanged", "changed", "unreachable", "cancelled"]
#: Stands in no id of a customer; what is due is known by customer and quarter.
_BETWEEN = ":"


class VerificationAttempted(Fact, clause="R4.5.1"):
    """The verifier has tried to reach the customer, in vain."""

    verification: str
    customer: str
    quarter: str
    method: Method
    attempted_on: date
    remark: str
    number: int


class VerificationMoved(Fact, clause="R4.5.1"):
    """The customer was merged into another, which has its verification of the quarter from now on."""

    verification: str
    customer: str
    survivor: str
    department: str
    quarter: str
    due_on: date
    #: What it had come to by then; None while it was open.
    outcome: Outcome | None = None
    method: Method | None = None
    verifier: str | None = None
    verified_on: date | None = None


class VerificationCarried(Fact, clause="R4.5.1"):
    """A merged customer's verification counts here; `created` where this customer had none of the quarter."""

    verification: str
    customer: str
    merged: str
    quarter: str
    created: bool


class VerificationMark(StrEnum):
    """Where a verification stands."""

    OPEN = "open"
    DONE = "done"
    UNREACHABLE = "unreachable"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt in vain."""

    attempted_on: date
    method: Method


@dataclass(frozen=True, slots=True)
class Verification:
    """What is due of one customer in one quarter.

    `verifier` is None while nobody could be appointed. `moved_to` names the survivor of a merge, `carried_from` the
    merged customer whose verification counts here (`created`: this customer had none of its own).
    """

    quarter: str
    department: str
    due_on: date
    verifier: str | None
    appointed_by: str | None = None
    mark: VerificationMark = VerificationMark.OPEN
    outcome: Outcome | None = None
    method: Method | None = None
    verified_on: date | None = None
    attempts: tuple[Attempt, ...] = ()
    overdue: bool = False
    moved_to: str | None = None
    carried_from: str | None = None
    created: bool = False

    @property
    def is_open(self) -> bool:
        """Whether it waits for its verifier, or for one to be appointed."""
        return self.mark is VerificationMark.OPEN


@dataclass(frozen=True, slots=True)
class Verifications:
    """A customer's verifications by quarter (``2026-Q4``)."""

    items: Mapping[str, Verification] = field(default_factory=dict[str, Verification])

    def open(self) -> list[Verification]:
        """Those that are open, in the order of their quarters."""
        return [item for _, item in sorted(self.items.items()) if item.is_open]


def verification_id(customer: str, quarter: str) -> str:
    """The id of what is due of a customer in a quarter."""
    return f"{customer}{_BETWEEN}{quarter}"


def customer_and_quarter(verification: str) -> tuple[str, str]:
    """What an id stands for; the quarter is empty where it is none of this kind."""
    customer, between, quarter = verification.rpartition(_BETWEEN)
    return (customer, quarter) if between else (verification, "")


def quarter_of(item: Verification) -> Quarter:
    """The quarter as a value of the calendar."""
    return Quarter.parse(item.quarter)


_MARKS = {
    "unchanged": VerificationMark.DONE,
    "changed": VerificationMark.DONE,
    "unreachable": VerificationMark.UNREACHABLE,
    "cancelled": VerificationMark.CANCELLED,
}


def evolve(state: Verifications, fact: Fact) -> Verifications:
    """What a fact makes of a customer's verifications."""
    if isinstance(fact, VerificationDue | VerifierNeeded):
        return _opened(state, fact)
    match fact:
        case VerificationReminded():
            return _with(state, fact.quarter, overdue=fact.overdue)
        case VerificationAttempted():
            attempts = (*state.items[fact.quarter].attempts, Attempt(fact.attempted_on, fact.method))
            return _with(state, fact.quarter, attempts=attempts)
        case VerificationDone():
            return _with(
                state,
                fact.quarter,
                mark=_MARKS[fact.outcome],
                outcome=fact.outcome,
                method=fact.method,
                verified_on=fact.verified_on,
            )
        case VerificationMoved():
            return _with(state, fact.quarter, moved_to=fact.survivor)
        case _:
            return _carried(state, fact) if isinstance(fact, VerificationCarried) else state


def _opened(state: Verifications, fact: VerificationDue | VerifierNeeded) -> Verifications:
    before = state.items.get(fact.quarter) or Verification(fact.quarter, fact.department, fact.due_on, None)
    named = isinstance(fact, VerificationDue)
    after = replace(
        before,
        department=fact.department,
        due_on=fact.due_on,
        verifier=fact.verifier if named else None,
        appointed_by=fact.appointed_by if named else None,
        mark=VerificationMark.OPEN,
        outcome=None,
        method=None,
        verified_on=None,
        overdue=before.overdue or (not named and fact.overdue),
        moved_to=None,
    )
    return Verifications({**state.items, fact.quarter: after})


def _carried(state: Verifications, fact: VerificationCarried) -> Verifications:
    quarter = Quarter.parse(fact.quarter)
    before = state.items.get(fact.quarter) or Verification(fact.quarter, "", quarter.last_day, None)
    after = replace(before, carried_from=fact.merged, created=fact.created)
    return Verifications({**state.items, fact.quarter: after})


def _with(state: Verifications, quarter: str, **changes: Any) -> Verifications:
    item = state.items.get(quarter)
    if item is None:
        return state
    return Verifications({**state.items, quarter: replace(item, **changes)})


VERIFICATIONS = Category(
    name="verification",
    facts=(
        VerificationDue,
        VerifierNeeded,
        VerificationReminded,
        VerificationAttempted,
        VerificationDone,
        VerificationMoved,
        VerificationCarried,
    ),
    initial=Verifications(),
    evolve=evolve,
)
