"""What can have happened to a department and to a person who works here, and the states that it adds up to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from kehu.contracts.staff import DepartmentOpened, Role, RoleGranted, RoleRevoked, StaffMemberAppointed
from kehu.deciding import Category
from kehu.facts import Fact

#: A role in one department, or (None) in the whole company.
Post = tuple[Role, str | None]


class RoleProposed(Fact, clause="People"):
    """An admin wants a person to have a key role; it counts once a second one has confirmed it."""

    person: str
    role: Role
    department: str | None = None
    proposed_by: str


class RoleProposalDeclined(Fact, clause="People"):
    """A key role that was proposed is not given."""

    person: str
    role: Role
    department: str | None = None
    declined_by: str


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


def _evolve_department(state: Department, fact: Fact) -> Department:
    match fact:
        case DepartmentOpened():
            return Department(fact.department, fact.name, fact.region)
        case _:
            return state


@dataclass(frozen=True, slots=True)
class StaffMember:
    """A person who works here; without an id nobody was appointed.

    `proposed` holds the key roles that wait for a second admin, each with the one who proposed it.
    """

    person: str = ""
    number: str = ""
    name: str = ""
    department: str | None = None
    posts: frozenset[Post] = frozenset()
    proposed: Mapping[Post, str] = field(default_factory=dict[Post, str])


def _evolve_member(state: StaffMember, fact: Fact) -> StaffMember:
    match fact:
        case StaffMemberAppointed():
            return StaffMember(fact.person, fact.number, fact.name, fact.department)
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
            return state


def _without(proposed: Mapping[Post, str], post: Post) -> dict[Post, str]:
    return {one: by for one, by in proposed.items() if one != post}


DEPARTMENTS = Category(name="department", facts=(DepartmentOpened,), initial=Department(), evolve=_evolve_department)
STAFF = Category(
    name="staff",
    facts=(StaffMemberAppointed, RoleProposed, RoleProposalDeclined, RoleGranted, RoleRevoked, ListExported),
    initial=StaffMember(),
    evolve=_evolve_member,
)
