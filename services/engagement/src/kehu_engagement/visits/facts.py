"""What can have happened between us and one customer by way of visits, and the state that it adds up to.

Everything about visiting one customer is on one stream, so that who is new, whose first visit counts and which record
is missing is decided from one state. What other services say of the customer is noted there too, for the same reason.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from pydantic import AwareDatetime

from kehu.calendar import Quarter, today
from kehu.contracts.engagement import VisitCancelled, VisitLogged, VisitPlanned, VisitRecordOverdue
from kehu.contracts.grading import Grade
from kehu.deciding import Category
from kehu.facts import Fact


class CustomerNoted(Fact, clause="R6.2.1a"):
    """Another service has said something of the customer that matters to visits; what it did not say is None."""

    customer: str
    number: str | None = None
    name: str | None = None
    department: str | None = None
    owner: str | None = None
    collaborators: tuple[str, ...] | None = None
    taken_over: bool | None = None
    grade: Grade | None = None


class VisitPrepared(Fact, clause="R6.2.1c"):
    """The rest of F6, which stays in this service: whom to meet, what was prepared, and when F7 falls due.

    `contacts` are ids of people at the customer. `grade` is the official one at the time. `planned_at` is when F6 was
    registered; the record is overdue from `record_due_at` on.
    """

    visit: str
    customer: str
    contacts: tuple[str, ...] = ()
    preparation: str
    grade: Grade | None = None
    planned_by: str
    planned_at: AwareDatetime
    record_due_at: AwareDatetime


class Deviation(StrEnum):
    """What was not as the policy wants; the visit is on record all the same."""

    FIRST_VISIT_SHORT = "first-visit-short"
    FIRST_VISIT_UNPLANNED = "first-visit-unplanned"
    REGISTERED_AFTERWARDS = "registered-afterwards"
    REGISTERED_LATER = "unplanned-registered-later"
    ANOTHER_DAY = "another-day"


class FindingsRecorded(Fact, clause="R6.2.1a"):
    """The rest of F7, which stays in this service: what was heard, how the visit deviates, why it was unplanned."""

    visit: str
    customer: str
    contacts_met: tuple[str, ...] = ()
    needs: str = ""
    product_opinions: str = ""
    service_opinions: str = ""
    competitors: str = ""
    market: str = ""
    commitments: str = ""
    recorded_by: str
    deviations: tuple[Deviation, ...] = ()
    unplanned_reason: str | None = None


class VisitStatus(StrEnum):
    """What has become of a visit. `overdue`: its day and the days for the record have passed, and there is none."""

    PLANNED = "planned"
    OVERDUE = "overdue"
    LOGGED = "logged"
    CANCELLED = "cancelled"


#: Of these something is still to be done.
OPEN = (VisitStatus.PLANNED, VisitStatus.OVERDUE)


@dataclass(frozen=True, slots=True)
class Relation:
    """The customer as this service knows it; fields are empty until another service has told them."""

    number: str = ""
    name: str = ""
    department: str = ""
    owner: str = ""
    collaborators: tuple[str, ...] = ()
    taken_over: bool = False
    grade: Grade | None = None

    @property
    def registered(self) -> bool:
        """Whether its dossier has been passed (R4.3), as far as this service has heard."""
        return bool(self.number)

    @property
    def salespeople(self) -> frozenset[str]:
        """Its owner and collaborators."""
        return frozenset({self.owner, *self.collaborators} - {""})


@dataclass(frozen=True, slots=True)
class Visit:
    """One visit, as its facts tell it.

    Args:
        plan: F6; None for an unplanned visit.
        prepared: the rest of F6.
        salespeople: the customer's owner and collaborators when it was planned.
        logged: that it was made.
        findings: the contents of F7.
        overdue: whether its record was missed when it fell due.
        cancelled: that it will not be made.

    """

    plan: VisitPlanned | None = None
    prepared: VisitPrepared | None = None
    salespeople: frozenset[str] = frozenset()
    logged: VisitLogged | None = None
    findings: FindingsRecorded | None = None
    overdue: bool = False
    cancelled: VisitCancelled | None = None

    @property
    def status(self) -> VisitStatus:
        """What has become of it."""
        if self.cancelled:
            return VisitStatus.CANCELLED
        if self.logged:
            return VisitStatus.LOGGED
        return VisitStatus.OVERDUE if self.overdue else VisitStatus.PLANNED

    @property
    def people(self) -> frozenset[str]:
        """Everybody of ours who was to go, or went."""
        return frozenset((self.plan.visitors if self.plan else ()) + (self.logged.attendees if self.logged else ()))


@dataclass(frozen=True, slots=True)
class CustomerVisits:
    """One customer, and every visit planned or made to it by the visit's id."""

    relation: Relation = field(default_factory=Relation)
    visits: Mapping[str, Visit] = field(default_factory=lambda: MappingProxyType({}))
    visited: bool = False

    @property
    def is_new(self) -> bool:
        """Whether the next visit is the first one (R6.2.1b): no valid F7 yet, and not taken over as existing."""
        return not self.visited and not self.relation.taken_over

    @property
    def open_count(self) -> int:
        """How many visits are planned, or overdue for their record."""
        return sum(visit.status in OPEN for visit in self.visits.values())

    def made_in(self, quarter: Quarter) -> int:
        """How many visits were made in a quarter."""
        return sum(
            visit.logged is not None and today(visit.logged.visited_at) in quarter for visit in self.visits.values()
        )


def _evolve(state: CustomerVisits, fact: Fact) -> CustomerVisits:
    match fact:
        case CustomerNoted():
            return replace(state, relation=replace(state.relation, **said(fact)))
        case VisitLogged():
            state = replace(state, visited=state.visited or fact.first_visit)
            changes: dict[str, Any] = {"logged": fact}
        case VisitPlanned():
            changes = {"plan": fact, "salespeople": state.relation.salespeople}
        case VisitPrepared():
            changes = {"prepared": fact}
        case FindingsRecorded():
            changes = {"findings": fact}
        case VisitRecordOverdue():
            changes = {"overdue": True}
        case VisitCancelled():
            changes = {"cancelled": fact}
        case _:
            return state
    visit = replace(state.visits.get(fact.visit, Visit()), **changes)
    return replace(state, visits=MappingProxyType({**state.visits, fact.visit: visit}))


def said(fact: CustomerNoted) -> dict[str, Any]:
    """What a note says, by field of the `Relation`."""
    fields = {name: getattr(fact, name) for name in CustomerNoted.model_fields if name != "customer"}
    return {name: value for name, value in fields.items() if value is not None}


VISITS = Category(
    name="visits",
    facts=(
        CustomerNoted,
        VisitPlanned,
        VisitPrepared,
        VisitLogged,
        FindingsRecorded,
        VisitRecordOverdue,
        VisitCancelled,
    ),
    initial=CustomerVisits(),
    evolve=_evolve,
)
