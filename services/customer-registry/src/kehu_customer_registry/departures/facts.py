"""What can have happened to a departure and to the handover of one customer, and the states that it adds up to.

What concerns the person's rights (DepartureStarted, -Cancelled, -Cleared, StaffAccessEnded) stands on their own stream,
`staff-<person>`: whoever assigns something to them decides from there. The departure's stream has what was open at its
start and what became of it; each customer's handover is a stream of its own, `handover-<customer>`, since receipts of
messages name the customer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date

from kehu.contracts.staff import (
    HandoverNoticeDue,
    HandoverProved,
    OpenWorkMoved,
    StepEscalated,
    SuccessorAccepted,
    SuccessorDeclined,
    SuccessorProposed,
)
from kehu.deciding import Category
from kehu.facts import Fact


class DepartureOpened(Fact, clause="R4.6"):
    """HR or the manager has started a departure; `customers` are those whom the leaver owned or helped with then."""

    departure: str
    number: str
    person: str
    department: str | None = None
    last_day: date
    reason: str
    started_by: str
    owned: tuple[str, ...] = ()
    helped: tuple[str, ...] = ()


class ThingTakenOver(Fact, clause="R4.6"):
    """Something open that named the leaver is the manager's now; `OpenWorkMoved` says since to whom it went."""

    departure: str
    kind: str
    thing: str
    taken_by: str
    remark: str


class DepartureSettled(Fact, clause="R4.6"):
    """It was cleared: for how many customers, by whom."""

    departure: str
    customers: tuple[str, ...]
    settled_by: str


class HandoverNotesWritten(Fact, clause="R4.6"):
    """What the leaver tells their successor about a customer; the last word counts."""

    departure: str
    customer: str
    text: str
    written_by: str


class NoticeAttempted(Fact, clause="R4.6"):
    """Somebody has tried to tell the customer and has not reached them."""

    departure: str
    customer: str
    method: str
    remark: str
    attempted_by: str


class NoticeLinked(Fact, clause="R4.6"):
    """Which fact made the notice due: receipts name it as their cause."""

    departure: str
    customer: str
    cause: str


class NoticeDelivered(Fact, clause="R4.6"):
    """The notifier's receipt: a message because of `cause` has reached the customer."""

    customer: str
    cause: str
    message: str


class NoticeFailed(Fact, clause="R4.6"):
    """The notifier's word that a message because of `cause` has not reached the customer, and will not."""

    customer: str
    cause: str
    message: str


@dataclass(frozen=True, slots=True)
class Departure:
    """A departure; without an id none was started. Whether it runs is told by the person's own stream."""

    id: str = ""
    number: str = ""
    person: str = ""
    department: str | None = None
    last_day: date = date.min
    started_by: str = ""
    owned: frozenset[str] = frozenset()
    helped: frozenset[str] = frozenset()
    taken_over: frozenset[tuple[str, str]] = frozenset()
    settled: bool = False


def _evolve_departure(state: Departure, fact: Fact) -> Departure:
    match fact:
        case DepartureOpened():
            return Departure(
                fact.departure,
                fact.number,
                fact.person,
                fact.department,
                fact.last_day,
                fact.started_by,
                frozenset(fact.owned),
                frozenset(fact.helped),
            )
        case ThingTakenOver() | OpenWorkMoved():
            return replace(state, taken_over=state.taken_over | {(fact.kind, fact.thing)})
        case DepartureSettled():
            return replace(state, settled=True)
        case _:
            return state


@dataclass(frozen=True, slots=True)
class Handover:
    """How far a customer is handed over, in the departure that last concerned it.

    Args:
        customer: which.
        departure: in which departure; empty where the customer never was in one.
        leaver: who leaves.
        successor: who is to take over, or has.
        department: the customer's.
        collaborator: whether the leaver only collaborates, so that the owner stays and no notice is due.
        asked_on: when the successor was asked.
        due_on: until when they answer.
        accepted_by: who has accepted, or confirmed.
        notice_due: whether the customer is to be told.
        cause: the fact because of which it is told; once it is known here.
        notes: how often the leaver has written.
        failures: attempts that did not reach the customer, by their names.
        delivered: messages that did, by their cause.
        undelivered: messages that did not, by their cause.
        proof: how it is proved that the customer knows.

    """

    customer: str = ""
    departure: str = ""
    leaver: str = ""
    successor: str | None = None
    department: str = ""
    collaborator: bool = False
    asked_on: date | None = None
    due_on: date | None = None
    accepted_by: str | None = None
    notice_due: bool = False
    cause: str | None = None
    notes: str | None = None
    attempts: int = 0
    delivered: Mapping[str, str] = field(default_factory=dict[str, str])
    undelivered: Mapping[str, frozenset[str]] = field(default_factory=dict[str, frozenset[str]])
    proof: str | None = None

    @property
    def waits_for_answer(self) -> bool:
        """Whether the successor has yet to answer."""
        return self.successor is not None and self.accepted_by is None

    @property
    def failed(self) -> int:
        """How many attempts to tell the customer have failed, by people and by the notifier."""
        return self.attempts + len(self.undelivered.get(self.cause or "", frozenset()))

    @property
    def is_complete(self) -> bool:
        """Whether it has a successor and, where a notice is due, its proof."""
        return self.accepted_by is not None and (not self.notice_due or self.proof is not None)

    def within(self, departure: str) -> Handover:
        """The same within a departure; one of an earlier departure begins anew."""
        if self.departure == departure:
            return self
        return Handover(
            customer=self.customer, departure=departure, delivered=self.delivered, undelivered=self.undelivered
        )


def _evolve_handover(state: Handover, fact: Fact) -> Handover:
    match fact:
        case SuccessorProposed():
            return replace(
                state.within(fact.departure),
                customer=fact.customer,
                leaver=fact.leaver,
                successor=fact.successor,
                department=fact.department,
                collaborator=fact.collaborator,
                asked_on=fact.proposed_on,
                due_on=fact.due_on,
                accepted_by=None,
            )
        case SuccessorDeclined():
            return replace(state, successor=None, asked_on=None, due_on=None)
        case SuccessorAccepted():
            return replace(
                state.within(fact.departure),
                customer=fact.customer,
                leaver=fact.leaver,
                successor=fact.successor,
                department=fact.department,
                collaborator=fact.collaborator,
                accepted_by=fact.accepted_by,
            )
        case HandoverNotesWritten():
            return replace(state.within(fact.departure), customer=fact.customer, notes=fact.text)
        case _:
            return _evolve_notice(state, fact)


def _evolve_notice(state: Handover, fact: Fact) -> Handover:
    match fact:
        case HandoverNoticeDue():
            return replace(state, notice_due=True)
        case NoticeLinked():
            return replace(state, cause=fact.cause)
        case NoticeAttempted():
            return replace(state, attempts=state.attempts + 1)
        case HandoverProved():
            return replace(state, proof=fact.proof)
        case _:
            return _evolve_receipts(state, fact)


def _evolve_receipts(state: Handover, fact: Fact) -> Handover:
    match fact:
        case NoticeDelivered():
            return replace(state, customer=fact.customer, delivered={**state.delivered, fact.cause: fact.message})
        case NoticeFailed():
            known = state.undelivered.get(fact.cause, frozenset())
            undelivered = {**state.undelivered, fact.cause: known | {fact.message}}
            return replace(state, customer=fact.customer, undelivered=undelivered)
        case _:
            return state


DEPARTURES = Category(
    name="departure",
    facts=(DepartureOpened, ThingTakenOver, OpenWorkMoved, DepartureSettled),
    initial=Departure(),
    evolve=_evolve_departure,
)
HANDOVERS = Category(
    name="handover",
    facts=(
        SuccessorProposed,
        SuccessorDeclined,
        SuccessorAccepted,
        StepEscalated,
        HandoverNotesWritten,
        HandoverNoticeDue,
        NoticeLinked,
        NoticeAttempted,
        NoticeDelivered,
        NoticeFailed,
        HandoverProved,
    ),
    initial=Handover(),
    evolve=_evolve_handover,
)
