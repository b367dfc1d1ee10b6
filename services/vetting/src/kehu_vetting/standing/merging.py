"""How a customer that was merged into another stood counts for the survivor (R4): activation, agreements, payers, bars.

What is the survivor's own comes first. Papers of the other count where the survivor had none vetted. Ends of what was
handed over are told, and bar, with the survivor; when the merge is undone they are the other's again.
"""

from __future__ import annotations

from collections.abc import Sequence

from kehu.contracts.customers import CustomersMerged, CustomersUnmerged
from kehu.deciding import Context, Decision
from kehu.facts import Fact, RecordedFact
from kehu.lineage import REGISTRY, Part, handovers, merged_one
from kehu.service import Reaction
from kehu_vetting.standing.facts import (
    STANDINGS,
    EndNoted,
    HandedOver,
    HandedStanding,
    MergeNoted,
    MergeUndoNoted,
    Standing,
    TakenIn,
)

#: Facts of this service's own, from its own log.
VETTING = "vetting"


def concluded(customer: str, facts: Sequence[Fact], state: Standing) -> Decision:
    """Some facts, and what they make a survivor have of this customer."""
    after = STANDINGS.fold(facts, state)
    told = handovers(customer, state.lineage, _own(state), after.lineage, _own(after))
    handed = [
        HandedOver(customer=customer, survivor=survivor, origin=part.origin, content=content)
        for survivor, part, content in told
    ]
    return Decision([*facts, *handed])


def _own(state: Standing) -> dict[str, HandedStanding]:
    return {"": state.handed()} if state.lineage.merged_into else {}


def note_merge(recorded: RecordedFact[CustomersMerged], state: Standing, context: Context) -> Decision:
    """The survivor goes on with what it had."""
    del context
    fact = recorded.fact
    return concluded(fact.merged, [MergeNoted(customer=fact.merged, survivor=fact.survivor)], state)


def note_undo(recorded: RecordedFact[CustomersUnmerged], state: Standing, context: Context) -> Decision:
    """It stands by itself again; its own ends are told, and bar, here again."""
    del context
    customer = recorded.fact.merged
    ends = [
        EndNoted(customer=customer, what=what, last_day=end.last_day, tell_on=end.tell_on, of_kin=True)
        for what, end in state.ends.items()
    ]
    return concluded(customer, [MergeUndoNoted(customer=customer), *ends], state)


def take_in(recorded: RecordedFact[HandedOver], state: Standing, context: Context) -> Decision:
    """What a customer that was merged into this one hands over, or takes back; its own comes not back to it."""
    del context
    fact = recorded.fact
    if fact.origin == fact.survivor or state.lineage.taken.get((fact.customer, Part(fact.origin))) == fact.content:
        return Decision()
    taken = TakenIn(customer=fact.survivor, via=fact.customer, origin=fact.origin, content=fact.content)
    after = STANDINGS.evolve(state, taken)
    ends: list[Fact] = [
        EndNoted(customer=fact.survivor, what=what, last_day=end.last_day, tell_on=end.tell_on, of_kin=True)
        for what, end in after.ends.items()
        if state.ends.get(what) != end
    ]
    ends += [
        EndNoted(customer=fact.survivor, what=what, last_day=None, tell_on=None, of_kin=True)
        for what in state.ends
        if what not in after.ends
    ]
    return concluded(fact.survivor, [taken, *ends], state)


def _survivor(recorded: RecordedFact[HandedOver]) -> list[str]:
    return [recorded.fact.survivor]


REACTIONS = (
    Reaction("standing-note-merge", CustomersMerged, REGISTRY, STANDINGS, merged_one, note_merge),
    Reaction("standing-note-merge-undone", CustomersUnmerged, REGISTRY, STANDINGS, merged_one, note_undo),
    Reaction("standing-take-in", HandedOver, VETTING, STANDINGS, _survivor, take_in),
)
