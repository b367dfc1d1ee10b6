"""What can have happened between us and one customer by way of visits, and the state that it adds up to.

Everything about visiting one customer is on one stream, so that who is new, whose first visit counts and which record
is missing is decided from one state. What other services say of the customer is noted there too, for the same reason.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from pydantic import AwareDatetime, BaseModel, ConfigDict

from kehu.calendar import Quarter, today
from kehu.contracts.engagement import VisitCancelled, VisitLogged, VisitPlanned, VisitRecordOverdue
from kehu.contracts.grading import Grade
from kehu.deciding import Category
from kehu.facts import Fact
from kehu.lineage import Lineage, Part


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
    #: When it was last visited before it was taken over (R4.3).
    visited_on: date | None = None
    #: Since when it may order (R3.1.3), or could when it was taken over.
    active_since: date | None = None
    #: The first day on which goods left for it.
    shipped_on: date | None = None


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


class RecordAwaited(Fact, clause="R4"):
    """With a merge or its undoing, the record of a visit that is planned is this customer's to miss."""

    visit: str
    customer: str
    record_due_at: AwareDatetime


class VisitMoved(Fact, clause="R4"):
    """The survivor has recorded or cancelled a visit that had been planned for this customer: it is the survivor's."""

    visit: str
    customer: str
    survivor: str


class MergeNoted(Fact, clause="R4"):
    """The customer was merged into another one, whose its visits are from now on."""

    customer: str
    survivor: str


class MergeUndoNoted(Fact, clause="R4"):
    """It stands by itself again."""

    customer: str


class HandedVisit(BaseModel):
    """A visit as it is handed over to a survivor, as `Visit`."""

    model_config = ConfigDict(frozen=True, extra="allow")

    plan: VisitPlanned | None = None
    prepared: VisitPrepared | None = None
    salespeople: tuple[str, ...] = ()
    logged: VisitLogged | None = None
    findings: FindingsRecorded | None = None
    overdue: bool = False
    cancelled: VisitCancelled | None = None
    moved_to: str = ""


class HandedRelation(BaseModel):
    """What else a survivor has of a customer: whether it is new, and whether it is an existing one."""

    model_config = ConfigDict(frozen=True, extra="allow")

    visited: bool = False
    visited_on: date | None = None
    active_since: date | None = None
    shipped_on: date | None = None


class Handed(BaseModel):
    """A piece of what is handed over: one visit, or (without a name) the rest."""

    model_config = ConfigDict(frozen=True, extra="allow")

    relation: HandedRelation | None = None
    visit: HandedVisit | None = None


class HandedOver(Fact, clause="R4"):
    """What the survivor has of this customer, and of those merged into this one before; None: it is taken back."""

    customer: str
    survivor: str
    origin: str
    part: str
    content: Handed | None = None


class TakenIn(Fact, clause="R4"):
    """The survivor's side of it: `via` is who handed it over."""

    customer: str
    via: str
    origin: str
    part: str
    content: Handed | None = None


class VisitStatus(StrEnum):
    """What has become of a visit. `overdue`: its day and the days for the record have passed, and there is none.

    `moved`: the survivor of a merge has dealt with it, and keeps it.
    """

    PLANNED = "planned"
    OVERDUE = "overdue"
    LOGGED = "logged"
    CANCELLED = "cancelled"
    MOVED = "moved"


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
    visited_on: date | None = None
    active_since: date | None = None
    shipped_on: date | None = None

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
        moved_to: the survivor of a merge who has dealt with it.

    """

    plan: VisitPlanned | None = None
    prepared: VisitPrepared | None = None
    salespeople: frozenset[str] = frozenset()
    logged: VisitLogged | None = None
    findings: FindingsRecorded | None = None
    overdue: bool = False
    cancelled: VisitCancelled | None = None
    moved_to: str = ""

    @property
    def status(self) -> VisitStatus:
        """What has become of it."""
        if self.cancelled:
            return VisitStatus.CANCELLED
        if self.logged:
            return VisitStatus.LOGGED
        if self.moved_to:
            return VisitStatus.MOVED
        return VisitStatus.OVERDUE if self.overdue else VisitStatus.PLANNED

    @property
    def day(self) -> date | None:
        """When it was made."""
        return today(self.logged.visited_at) if self.logged else None

    def handed(self) -> HandedVisit:
        """The same, to hand it over."""
        return HandedVisit(
            plan=self.plan,
            prepared=self.prepared,
            salespeople=tuple(sorted(self.salespeople)),
            logged=self.logged,
            findings=self.findings,
            overdue=self.overdue,
            cancelled=self.cancelled,
            moved_to=self.moved_to,
        )

    @classmethod
    def of(cls, handed: HandedVisit, *, overdue: bool) -> Visit:
        """One that was handed over; `overdue` where this customer's schedule has missed its record."""
        return cls(
            plan=handed.plan,
            prepared=handed.prepared,
            salespeople=frozenset(handed.salespeople),
            logged=handed.logged,
            findings=handed.findings,
            overdue=overdue or handed.overdue,
            cancelled=handed.cancelled,
            moved_to=handed.moved_to,
        )

    @property
    def people(self) -> frozenset[str]:
        """Everybody of ours who was to go, or went."""
        return frozenset((self.plan.visitors if self.plan else ()) + (self.logged.attendees if self.logged else ()))


_ALONE: Lineage[Handed] = Lineage()


@dataclass(frozen=True, slots=True)
class CustomerVisits:
    """One customer, and every visit planned or made to it by the visit's id.

    Args:
        relation: the customer as this service knows it.
        own: visits planned or recorded with this customer.
        visited: whether one of them is its valid first one.
        lineage: where the customer leads, and what those merged into it have handed over (R4).
        missed: visits that were handed over and whose record has fallen due here.

    """

    relation: Relation = field(default_factory=Relation)
    own: Mapping[str, Visit] = field(default_factory=lambda: MappingProxyType({}))
    visited: bool = False
    lineage: Lineage[Handed] = _ALONE
    missed: frozenset[str] = frozenset()

    @property
    def visits(self) -> Mapping[str, Visit]:
        """Its own visits, and those of customers that were merged into it."""
        kin = self.lineage.kin
        if not kin:
            return self.own
        handed = {
            part.name: Visit.of(one.visit, overdue=part.name in self.missed) for part, one in kin.items() if one.visit
        }
        return {**{visit: one for visit, one in handed.items() if one.status is not VisitStatus.MOVED}, **self.own}

    @property
    def relations(self) -> list[HandedRelation]:
        """Its own past, and that of customers that were merged into it."""
        return [self.relation_handed(), *(one.relation for one in self.lineage.kin.values() if one.relation)]

    @property
    def is_new(self) -> bool:
        """Whether the next visit is the first one (R6.2.1b): no valid F7 yet, and not taken over as existing.

        An F7 of a customer that was merged into it is one of this customer (R4).
        """
        return not any(one.visited for one in self.relations)

    @property
    def last_visited_on(self) -> date | None:
        """When somebody of ours was last there: by F7, or before it was taken over."""
        days = [one.day for one in self.visits.values()] + [one.visited_on for one in self.relations]
        return max((day for day in days if day), default=None)

    @property
    def open_count(self) -> int:
        """How many visits are planned, or overdue for their record."""
        return sum(visit.status in OPEN for visit in self.visits.values())

    def made_in(self, quarter: Quarter) -> int:
        """How many visits were made in a quarter."""
        return sum(visit.day is not None and visit.day in quarter for visit in self.visits.values())

    def is_existing(self, quarter: Quarter) -> bool:
        """Whether it is an existing customer (R6.2.1e) in a quarter: shipped to once, or active when it began."""
        return any(
            one.shipped_on is not None or (one.active_since is not None and one.active_since <= quarter.first_day)
            for one in self.relations
        )

    def relation_handed(self) -> HandedRelation:
        """What a survivor has of it besides visits."""
        relation = self.relation
        return HandedRelation(
            visited=self.visited or relation.taken_over or relation.visited_on is not None,
            visited_on=relation.visited_on,
            active_since=relation.active_since,
            shipped_on=relation.shipped_on,
        )

    def origin_of(self, visit: str) -> str | None:
        """The merged customer with whom an open visit was planned; None where it is this customer's own."""
        if visit in self.own:
            return None
        return next((part.origin for part, one in self.lineage.kin.items() if one.visit and part.name == visit), None)


def _evolve(state: CustomerVisits, fact: Fact) -> CustomerVisits:
    match fact:
        case CustomerNoted():
            return replace(state, relation=replace(state.relation, **said(fact)))
        case MergeNoted():
            return replace(state, lineage=state.lineage.merge(fact.survivor))
        case MergeUndoNoted():
            return replace(state, lineage=state.lineage.unmerge())
        case TakenIn():
            return replace(state, lineage=state.lineage.take(fact.via, Part(fact.origin, fact.part), fact.content))
        case VisitRecordOverdue() if fact.visit not in state.own:
            return replace(state, missed=state.missed | {fact.visit})
        case _:
            return _evolve_visit(state, fact)


def _evolve_visit(state: CustomerVisits, fact: Fact) -> CustomerVisits:
    match fact:
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
        case VisitMoved():
            changes = {"moved_to": fact.survivor}
        case _:
            return state
    # A visit that was handed over becomes this customer's own once something is done about it here.
    visit = replace(state.visits.get(fact.visit, Visit()), **changes)
    return replace(state, own=MappingProxyType({**state.own, fact.visit: visit}))


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
        MergeNoted,
        MergeUndoNoted,
        HandedOver,
        TakenIn,
        RecordAwaited,
        VisitMoved,
    ),
    initial=CustomerVisits(),
    evolve=_evolve,
)
