"""Visits of a customer that was merged into another count for the survivor, who goes on with them (R4)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kehu.contracts.customers import CustomersMerged, CustomersUnmerged
from kehu.deciding import Context, Decision
from kehu.facts import Fact, RecordedFact
from kehu.lineage import REGISTRY, Part, handovers, merged_one
from kehu.service import Reaction
from kehu_engagement.visits.facts import (
    OPEN,
    VISITS,
    CustomerVisits,
    Handed,
    HandedOver,
    MergeNoted,
    MergeUndoNoted,
    RecordAwaited,
    TakenIn,
    VisitMoved,
)

#: Facts of this service's own, from its own log.
ENGAGEMENT = "engagement"


def concluded(customer: str, facts: Sequence[Fact], state: CustomerVisits) -> Decision:
    """Some facts, and what they make a survivor have of this customer."""
    after = VISITS.fold(facts, state)
    if not state.lineage.merged_into and not after.lineage.merged_into:
        return Decision(facts)
    told = handovers(customer, state.lineage, _own(state), after.lineage, _own(after))
    handed = [
        HandedOver(customer=customer, survivor=survivor, origin=part.origin, part=part.name, content=content)
        for survivor, part, content in told
    ]
    return Decision([*facts, *handed])


def _own(state: CustomerVisits) -> dict[str, Handed]:
    visits = {visit: Handed(visit=one.handed()) for visit, one in state.own.items()}
    return {"": Handed(relation=state.relation_handed()), **visits}


def note_merge(recorded: RecordedFact[CustomersMerged], state: CustomerVisits, context: Context) -> Decision:
    """The survivor has its visits from now on, and takes the commands."""
    del context
    fact = recorded.fact
    return concluded(fact.merged, [MergeNoted(customer=fact.merged, survivor=fact.survivor)], state)


def note_undo(recorded: RecordedFact[CustomersUnmerged], state: CustomerVisits, context: Context) -> Decision:
    """It has its visits back; those that were planned and not dealt with meanwhile are waited for again."""
    del context
    customer = recorded.fact.merged
    awaited = [
        RecordAwaited(visit=visit, customer=customer, record_due_at=one.prepared.record_due_at)
        for visit, one in state.own.items()
        if one.prepared is not None and one.status in OPEN
    ]
    return concluded(customer, [MergeUndoNoted(customer=customer), *awaited], state)


def take_in(recorded: RecordedFact[HandedOver], state: CustomerVisits, context: Context) -> Decision:
    """What a customer that was merged into this one hands over, or takes back; its own comes not back to it."""
    del context
    fact = recorded.fact
    part = Part(fact.origin, fact.part)
    if fact.origin == fact.survivor or state.lineage.taken.get((fact.customer, part)) == fact.content:
        return Decision()
    taken = TakenIn(customer=fact.survivor, via=fact.customer, origin=fact.origin, part=fact.part, content=fact.content)
    visit = VISITS.fold([taken], state).visits.get(fact.part)
    if visit is None or visit.prepared is None or visit.status not in OPEN:
        return concluded(fact.survivor, [taken], state)
    awaited = RecordAwaited(visit=fact.part, customer=fact.survivor, record_due_at=visit.prepared.record_due_at)
    return concluded(fact.survivor, [taken, awaited], state)


def move_out(visit: str, customer: str, survivor: str, state: CustomerVisits) -> Decision:
    """The survivor has dealt with a visit that was planned for this customer: it is not this one's any more."""
    if visit not in state.own or state.own[visit].status not in OPEN:
        return Decision()
    return concluded(customer, [VisitMoved(visit=visit, customer=customer, survivor=survivor)], state)


def _survivor(recorded: RecordedFact[Any]) -> list[str]:
    return [recorded.fact.survivor]


REACTIONS = (
    Reaction("note-merge", CustomersMerged, REGISTRY, VISITS, merged_one, note_merge),
    Reaction("note-merge-undone", CustomersUnmerged, REGISTRY, VISITS, merged_one, note_undo),
    Reaction("take-in", HandedOver, ENGAGEMENT, VISITS, _survivor, take_in),
)
