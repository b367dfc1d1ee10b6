"""What a decision is made from and what comes of it: actor, context, category, decision. No I/O here."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Generic, TypeVar
from uuid import UUID

from kehu import calendar
from kehu.event_store import Claim
from kehu.facts import Fact

S = TypeVar("S")


@dataclass(frozen=True, slots=True)
class Grant:
    """A role, in one department or (None) in the whole company."""

    role: str
    department: str | None = None


@dataclass(frozen=True, slots=True)
class Mandate:
    """What somebody may do for an absent approver (委托) today: named steps, with the roles that one has now.

    `steps` are the names that decisions ask for, such as ``qualification:manager``.
    """

    delegation: str
    principal: str
    steps: frozenset[str]
    grants: tuple[Grant, ...]


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts: a person with the roles they have now, or a part of the system (`system`).

    `id` is the staff number's person id, or ``system:<service>/<part>``. `departing` is set from the start of their
    departure (R4.6); `gone` from the end of the last working day. `mandates` are those that hold today.
    """

    id: str
    grants: tuple[Grant, ...] = ()
    departing: bool = False
    gone: bool = False
    system: bool = False
    mandates: tuple[Mandate, ...] = ()

    def has(self, *roles: str, department: str | None = None) -> bool:
        """Whether they have one of the roles, in that department or company-wide; in any when none is named."""
        return any(
            grant.role in roles and (department is None or grant.department is None or grant.department == department)
            for grant in self.grants
        )

    def principals(self, step: str, *roles: str, department: str | None = None) -> list[str]:
        """For whom they may do a step as a delegate (B代A); whoever signs for them is barred as they are (People)."""
        return sorted(
            {
                mandate.principal
                for mandate in self.mandates
                if step in mandate.steps and Actor(mandate.principal, mandate.grants).has(*roles, department=department)
            }
        )

    def departments(self, *roles: str) -> set[str]:
        """The departments in which they have one of the roles; empty also for company-wide grants."""
        return {grant.department for grant in self.grants if grant.role in roles and grant.department}


def system_actor(service: str, part: str) -> Actor:
    """The actor of facts that a reaction or a schedule records."""
    return Actor(id=f"system:{service}/{part}", system=True)


class InForce(dict[str, Any]):
    """Policy data by the kind's name, with the number of the version that each is of (see `kehu.policies`)."""

    def __init__(self, data: Mapping[str, Any], versions: Mapping[str, int]) -> None:
        super().__init__(data)
        self.versions = versions


@dataclass(frozen=True, slots=True)
class Context:
    """What a decision may know besides its command and state: who, when (aware), and the policy data in force.

    `policies` maps a policy's name to its data in force now (see `kehu.policies`). `gathered` is what a reaction or a
    command looked up before deciding.
    """

    actor: Actor
    now: datetime
    policies: Mapping[str, Any] = field(default_factory=dict[str, Any])
    gathered: Any = None

    @property
    def today(self) -> date:
        """The date in Asia/Shanghai."""
        return calendar.today(self.now)

    def policy_version(self, name: str) -> int:
        """The number of the version that a policy's data is of, for explanations; 0 for what came with the software."""
        return self.policies.versions.get(name, 0) if isinstance(self.policies, InForce) else 0


@dataclass(frozen=True, slots=True)
class Decision:
    """The facts that follow from a command, and the values that they claim. Nothing to do is an empty decision."""

    facts: Sequence[Fact] = ()
    claims: Sequence[Claim] = ()


@dataclass(frozen=True, slots=True)
class Category(Generic[S]):
    """A kind of stream: its name (before the first dash), its facts, and the state that they add up to.

    `evolve(state, fact)` is pure and total over `facts`: it never refuses what has happened.
    """

    name: str
    facts: tuple[type[Fact], ...]
    initial: S
    evolve: Callable[[S, Fact], S]

    def stream(self, stream_id: str | UUID) -> str:
        """The stream of one such thing."""
        return f"{self.name}-{stream_id}"

    def fold(self, facts: Sequence[Fact], start: S | None = None) -> S:
        """The state that facts add up to."""
        state = self.initial if start is None else start
        for fact in facts:
            state = self.evolve(state, fact)
        return state
