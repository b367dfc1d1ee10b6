"""What grading knows of one customer: the facts that R5.2 asks about, each with the id of the fact that says so."""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from uuid import UUID

from kehu.calendar import Month
from kehu.contracts.customers import Affiliation, CustomerKind

_MONTHS = 12
#: The agents of R5.1; the volume limbs of R5.2.A and R5.2.B are theirs alone.
_AGENTS = frozenset({CustomerKind.PROVINCIAL_AGENT, CustomerKind.PREFECTURE_AGENT})


@dataclass(frozen=True, slots=True)
class Volume:
    """The signed contract amount of a month, in fen, as it was last stated; `merged` added to it (R4)."""

    amount_fen: int
    fact: UUID
    merged: tuple[UUID, ...] = ()


@dataclass(frozen=True, slots=True)
class Incident:
    """A credit incident, as far as it is known; `occurred_on` is None while only later facts about it have come."""

    incident: str
    occurred_on: date | None = None
    resolved_on: date | None = None
    withdrawn: bool = False
    facts: tuple[UUID, ...] = ()

    def ends_on(self, months: int) -> date | None:
        """The first day on which it no longer counts: `months` after it was resolved; None while it is open."""
        return months_after(self.resolved_on, months) if self.resolved_on else None

    def counts(self, today: date, months: int) -> bool:
        """Whether it is bad credit on a day (R5.2): from *occurred* until `months` after *resolved*.

        On the day that ends it, it no longer counts; withdrawn as mistaken, it never did.
        """
        if self.withdrawn or self.occurred_on is None or today < self.occurred_on:
            return False
        ends_on = self.ends_on(months)
        return ends_on is None or today < ends_on


@dataclass(frozen=True, slots=True)
class Standing:
    """A registered customer as the rules see it.

    Args:
        kind: what it is to us (R5.1), said by `kind_fact`.
        affiliation: ours in part or whole; `affiliation_fact` says so, or that it no longer is.
        taken_over: taken over at go-live as an existing customer (R4.3), on `registered_on`, without a word of since
            when it is active.
        activated_on: first day on which it might order (R3.1.3); None before.
        volumes: contract volume by month, as last stated.
        incidents: by their id.

    """

    kind: CustomerKind
    kind_fact: UUID
    registered_on: date
    affiliation: Affiliation | None = None
    affiliation_fact: UUID | None = None
    taken_over: bool = False
    activated_on: date | None = None
    activation_fact: UUID | None = None
    volumes: Mapping[Month, Volume] = field(default_factory=dict[Month, Volume])
    incidents: Mapping[str, Incident] = field(default_factory=dict[str, Incident])

    @property
    def is_agent(self) -> bool:
        """Whether it is one of the two agent kinds, whose volume counts."""
        return self.kind in _AGENTS

    @property
    def active_since(self) -> date | None:
        """The first day of its dealings with us: months count from there. None while it is not active.

        A customer taken over had been active before Kehu knew it: where nobody said since when, and no activation
        before the take-over is known, all months of the window count, and those without a report are missing (R4.3,
        *default*).
        """
        if self.taken_over and (self.activated_on is None or self.activated_on >= self.registered_on):
            return date.min
        return self.activated_on


def months_after(day: date, months: int) -> date:
    """The same day of the month, `months` later; the month's last day where it has no such day."""
    year, month = divmod(day.year * _MONTHS + day.month - 1 + months, _MONTHS)
    if year > date.max.year:
        return date.max
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))
