"""What the registry, grading and vetting publish about a customer, noted on its stream of visits.

The topics come in no order between them. They say different fields, or days of which the first or the last one counts,
so any interleaving ends in the same state. What is said of a customer before its registration has come is kept all the
same.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kehu.contracts.customers import CustomerChanged, CustomerRegistered, CustomerTakenOver, OwnerAssigned
from kehu.contracts.grading import GradeAssigned
from kehu.contracts.trade import GoodsShipped
from kehu.contracts.vetting import AgentActivated
from kehu.deciding import Context, Decision
from kehu.facts import Fact, RecordedFact
from kehu.service import Reaction
from kehu_engagement.visits import merging
from kehu_engagement.visits.facts import VISITS, CustomerNoted, CustomerVisits, said

REGISTRY = "customer-registry"
GRADING = "grading"
VETTING = "vetting"
#: Of these days the first one counts, and of the last visit the last.
_FIRST = ("active_since", "shipped_on")


def _registered(fact: CustomerRegistered) -> CustomerNoted:
    return CustomerNoted(
        customer=fact.customer,
        number=fact.number,
        name=fact.name,
        department=fact.department,
        owner=fact.owner,
        collaborators=fact.collaborators,
        taken_over=fact.taken_over,
    )


def _changed(fact: CustomerChanged) -> CustomerNoted:
    return CustomerNoted(customer=fact.customer, name=fact.name)


def _owner(fact: OwnerAssigned) -> CustomerNoted:
    return CustomerNoted(
        customer=fact.customer, owner=fact.owner, department=fact.department, collaborators=fact.collaborators
    )


def _grade(fact: GradeAssigned) -> CustomerNoted:
    return CustomerNoted(customer=fact.customer, grade=fact.grade)


def _taken_over(fact: CustomerTakenOver) -> CustomerNoted:
    return CustomerNoted(customer=fact.customer, visited_on=fact.visited_on, active_since=fact.active_since)


def _active(fact: AgentActivated) -> CustomerNoted:
    return CustomerNoted(customer=fact.customer, active_since=fact.activated_on)


def _shipped(fact: GoodsShipped) -> CustomerNoted:
    return CustomerNoted(customer=fact.customer, shipped_on=fact.shipped_on)


def note(fact: CustomerNoted, state: CustomerVisits) -> Decision:
    """Note what is new in it, and nothing where nothing is: a version that moves needlessly costs somebody a retry."""
    news = {name: value for name, value in said(fact).items() if _is_news(name, value, getattr(state.relation, name))}
    if not news:
        return Decision()
    return merging.concluded(fact.customer, [CustomerNoted(customer=fact.customer, **news)], state)


def _is_news(name: str, value: Any, known: Any) -> bool:
    if known is not None and name in _FIRST:
        return value < known
    if known is not None and name == "visited_on":
        return value > known
    return value != known


def _reaction(name: str, on: type[Fact], source: str, noted: Callable[[Any], CustomerNoted]) -> Reaction:
    def decide(recorded: RecordedFact[Any], state: CustomerVisits, _context: Context) -> Decision:
        return note(noted(recorded.fact), state)

    return Reaction(name, on, source, VISITS, lambda recorded: [recorded.fact.customer], decide)


REACTIONS = (
    _reaction("note-registration", CustomerRegistered, REGISTRY, _registered),
    _reaction("note-change", CustomerChanged, REGISTRY, _changed),
    _reaction("note-owner", OwnerAssigned, REGISTRY, _owner),
    _reaction("note-grade", GradeAssigned, GRADING, _grade),
    _reaction("note-taken-over", CustomerTakenOver, REGISTRY, _taken_over),
    _reaction("note-active", AgentActivated, VETTING, _active),
    _reaction("note-shipped", GoodsShipped, VETTING, _shipped),
    *merging.REACTIONS,
)
