"""What the registry and grading publish about a customer, noted on its stream of visits.

The two topics come in no order between them, and they say different fields, so any interleaving ends in the same
state. What is said of a customer before its registration has come is kept all the same.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kehu.contracts.customers import CustomerChanged, CustomerRegistered, OwnerAssigned
from kehu.contracts.grading import GradeAssigned
from kehu.deciding import Context, Decision
from kehu.facts import Fact, RecordedFact
from kehu.service import Reaction
from kehu_engagement.visits.facts import VISITS, CustomerNoted, CustomerVisits, said

REGISTRY = "customer-registry"
GRADING = "grading"


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


def note(fact: CustomerNoted, state: CustomerVisits) -> Decision:
    """Note what is new in it, and nothing where nothing is: a version that moves needlessly costs somebody a retry."""
    news = {name: value for name, value in said(fact).items() if value != getattr(state.relation, name)}
    return Decision([CustomerNoted(customer=fact.customer, **news)] if news else ())


def _reaction(name: str, on: type[Fact], source: str, noted: Callable[[Any], CustomerNoted]) -> Reaction:
    def decide(recorded: RecordedFact[Any], state: CustomerVisits, _context: Context) -> Decision:
        return note(noted(recorded.fact), state)

    return Reaction(name, on, source, VISITS, lambda recorded: [recorded.fact.customer], decide)


REACTIONS = (
    _reaction("note-registration", CustomerRegistered, REGISTRY, _registered),
    _reaction("note-change", CustomerChanged, REGISTRY, _changed),
    _reaction("note-owner", OwnerAssigned, REGISTRY, _owner),
    _reaction("note-grade", GradeAssigned, GRADING, _grade),
)
