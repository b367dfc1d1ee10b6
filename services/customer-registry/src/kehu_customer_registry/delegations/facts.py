"""What can have happened to a delegation. It stands on its principal's stream, and is noted on its delegate's.

So a decision about either of them sees all of theirs, and two appointments that would make a chain meet on a stream.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from kehu.contracts.staff import DelegateAppointed, DelegationEnded
from kehu.facts import Fact


class StandInNoted(Fact, clause="People"):
    """On the delegate's stream: they stand in for somebody."""

    delegation: str
    principal: str
    delegate: str
    steps: tuple[str, ...]
    first_day: date
    last_day: date


class StandInEnded(Fact, clause="People"):
    """On the delegate's stream: they no longer do."""

    delegation: str
    ended_by: str


@dataclass(frozen=True, slots=True)
class Delegation:
    """One appointment; `ended_by` once it was ended before its last day."""

    id: str
    principal: str
    delegate: str
    steps: frozenset[str]
    first_day: date
    last_day: date
    number: str = ""
    reason: str = ""
    ended_by: str | None = None

    @classmethod
    def of(cls, fact: DelegateAppointed | StandInNoted) -> Delegation:
        """As it begins."""
        return cls(
            fact.delegation,
            fact.principal,
            fact.delegate,
            frozenset(fact.steps),
            fact.first_day,
            fact.last_day,
            getattr(fact, "number", None) or "",
            getattr(fact, "reason", ""),
        )

    def is_open(self, today: date) -> bool:
        """Whether it holds today or will."""
        return self.ended_by is None and self.last_day >= today

    def collides(self, other: Delegation) -> bool:
        """Whether both are for a same step on a same day."""
        return (
            self.ended_by is None
            and other.ended_by is None
            and self.first_day <= other.last_day
            and other.first_day <= self.last_day
            and not self.steps.isdisjoint(other.steps)
        )


DELEGATION_FACTS = (DelegateAppointed, DelegationEnded, StandInNoted, StandInEnded)
