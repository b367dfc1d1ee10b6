"""What can have happened to a department and to a person who works here, and the states that it adds up to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date

from kehu.contracts.staff import (
    DelegateAppointed,
    DelegationEnded,
    DepartmentChanged,
    DepartmentClosed,
    DepartmentOpened,
    DepartureCancelled,
    DepartureCleared,
    DepartureStarted,
    Role,
    RoleGranted,
    RoleProposalDeclined,
    RoleProposed,
    RoleRevoked,
    StaffAccessEnded,
    StaffMemberAppointed,
    StaffMemberMoved,
)
from kehu.deciding import Category
from kehu.facts import Fact
from kehu_customer_registry.delegations.facts import DELEGATION_FACTS, Delegation, StandInEnded, StandInNoted

#: A role in one department, or (None) in the whole company.
Post = tuple[Role, str | None]


class ListExported(Fact, clause="R4.6"):
    """A person has taken a list out of the system, and why; kept with the person, as data leaves with people."""

    person: str
    name: str
    filters: Mapping[str, str]
    rows: int
    reason: str


@dataclass(frozen=True, slots=True)
class Department:
    """A department (营销部); without a code it has not been opened."""

    code: str = ""
    name: str = ""
    region: str = ""
    closed: bool = False

    @property
    def is_open(self) -> bool:
        """Whether people may be in it."""
        return bool(self.code) and not self.closed


def _evolve_department(state: Department, fact: Fact) -> Department:
    match fact:
        case DepartmentOpened():
            return Department(fact.department, fact.name, fact.region)
        case DepartmentChanged():
            return replace(state, name=fact.name or state.name, region=fact.region or state.region)
        case DepartmentClosed():
            return replace(state, closed=True)
        case _:
            return state


@dataclass(frozen=True, slots=True)
class Leaving:
    """That somebody is leaving: under which departure, their last working day in Shanghai, and how far it is."""

    departure: str
    number: str
    last_day: date
    cleared: bool = False


@dataclass(frozen=True, slots=True)
class StaffMember:
    """A person who works here; without an id nobody was appointed.

    `proposed` holds the key roles that wait for a second admin, each with the one who proposed it; `delegated` who
    stands in for them and `standing_in` for whom they do, by the delegation's id, also those that are over. `leaving`
    is set from the start of a departure, `ended` once access has.
    """

    person: str = ""
    number: str = ""
    name: str = ""
    department: str | None = None
    posts: frozenset[Post] = frozenset()
    proposed: Mapping[Post, str] = field(default_factory=dict[Post, str])
    delegated: Mapping[str, Delegation] = field(default_factory=dict[str, Delegation])
    standing_in: Mapping[str, Delegation] = field(default_factory=dict[str, Delegation])
    leaving: Leaving | None = None
    ended: bool = False

    @property
    def at_work(self) -> bool:
        """Whether something new may be assigned to them: they work here, and are not leaving (R4.6)."""
        return bool(self.person) and self.leaving is None and not self.ended

    def has_left(self, today: date) -> bool:
        """Whether their last working day is over."""
        return self.ended or (self.leaving is not None and today > self.leaving.last_day)


def _evolve_member(state: StaffMember, fact: Fact) -> StaffMember:
    match fact:
        case StaffMemberAppointed():
            # Delegations of an earlier time here stay known, so that their ids lead somewhere.
            return StaffMember(
                fact.person,
                fact.number,
                fact.name,
                fact.department,
                delegated=state.delegated,
                standing_in=state.standing_in,
            )
        case StaffMemberMoved():
            return replace(state, department=fact.department)
        case _:
            return _evolve_roles(state, fact)


def _evolve_roles(state: StaffMember, fact: Fact) -> StaffMember:
    match fact:
        case RoleProposed():
            post = (fact.role, fact.department)
            return replace(state, proposed={**state.proposed, post: fact.proposed_by})
        case RoleProposalDeclined():
            return replace(state, proposed=_without(state.proposed, (fact.role, fact.department)))
        case RoleGranted():
            post = (fact.role, fact.department)
            return replace(state, posts=state.posts | {post}, proposed=_without(state.proposed, post))
        case RoleRevoked():
            return replace(state, posts=state.posts - {(fact.role, fact.department)})
        case _:
            return _evolve_delegations(state, fact)


def _evolve_delegations(state: StaffMember, fact: Fact) -> StaffMember:
    match fact:
        case DelegateAppointed():
            return replace(state, delegated={**state.delegated, fact.delegation: Delegation.of(fact)})
        case DelegationEnded():
            return replace(state, delegated=_ended(state.delegated, fact.delegation, fact.ended_by))
        case StandInNoted():
            return replace(state, standing_in={**state.standing_in, fact.delegation: Delegation.of(fact)})
        case StandInEnded():
            return replace(state, standing_in=_ended(state.standing_in, fact.delegation, fact.ended_by))
        case _:
            return _evolve_departure(state, fact)


def _evolve_departure(state: StaffMember, fact: Fact) -> StaffMember:
    match fact:
        case DepartureStarted():
            return replace(state, leaving=Leaving(fact.departure or "", fact.number or "", fact.last_day))
        case DepartureCancelled():
            return replace(state, leaving=None)
        case DepartureCleared() if state.leaving:
            return replace(state, leaving=replace(state.leaving, cleared=True))
        case StaffAccessEnded():
            return replace(state, posts=frozenset(), proposed={}, ended=True)
        case _:
            return state


def _ended(delegations: Mapping[str, Delegation], ended: str, ended_by: str) -> dict[str, Delegation]:
    return {name: replace(one, ended_by=ended_by) if name == ended else one for name, one in delegations.items()}


def _without(proposed: Mapping[Post, str], post: Post) -> dict[Post, str]:
    return {one: by for one, by in proposed.items() if one != post}


DEPARTMENTS = Category(
    name="department",
    facts=(DepartmentOpened, DepartmentChanged, DepartmentClosed),
    initial=Department(),
    evolve=_evolve_department,
)
STAFF = Category(
    name="staff",
    facts=(
        StaffMemberAppointed,
        StaffMemberMoved,
        RoleProposed,
        RoleProposalDeclined,
        RoleGranted,
        RoleRevoked,
        ListExported,
        *DELEGATION_FACTS,
        DepartureStarted,
        DepartureCancelled,
        DepartureCleared,
        StaffAccessEnded,
    ),
    initial=StaffMember(),
    evolve=_evolve_member,
)
