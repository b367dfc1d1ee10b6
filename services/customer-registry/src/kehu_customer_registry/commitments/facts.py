"""What vetting has said of a customer's reviews (F1) and deliveries; it adds up to the same in every order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from kehu.deciding import Category
from kehu.facts import Fact
from kehu.money import Fen


class Heard(StrEnum):
    """What has been heard of a review or of a batch."""

    REVIEW_OPENED = "review_opened"
    REVIEW_CLOSED = "review_closed"
    RELEASED = "released"
    BLOCKED = "blocked"
    SHIPPED = "shipped"
    CANCELLED = "cancelled"


class CommitmentHeard(Fact, clause="R4"):
    """Vetting has said something of a review, or of a batch of an order (0 where it is the whole order)."""

    customer: str
    heard: Heard
    thing: str
    batch: int = 0
    amount_fen: Fen = 0


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch: how often it was released and blocked, for how much, and what has shipped of it, in fen."""

    released: int = 0
    blocked: int = 0
    amount_fen: int = 0
    shipped_fen: int = 0


@dataclass(frozen=True, slots=True)
class Commitments:
    """All that was heard of one customer. Sums and sets only: they come to the same in every order."""

    opened: frozenset[str] = frozenset()
    closed: frozenset[str] = frozenset()
    cancelled: frozenset[str] = frozenset()
    batches: Mapping[tuple[str, int], Batch] = field(default_factory=dict[tuple[str, int], Batch])

    @property
    def open_reviews(self) -> list[str]:
        """Reviews that are neither activated nor refused nor given up; one that was returned is open still."""
        return sorted(self.opened - self.closed)

    @property
    def unshipped(self) -> list[str]:
        """Batches that are released and have not wholly shipped, as order and batch."""
        return sorted(
            f"{order}/{number}"
            for (order, number), batch in self.batches.items()
            if order not in self.cancelled and batch.released > batch.blocked and batch.shipped_fen < batch.amount_fen
        )


def evolve(state: Commitments, fact: Fact) -> Commitments:
    """What a fact adds."""
    match fact:
        case CommitmentHeard(heard=Heard.REVIEW_OPENED):
            return replace(state, opened=state.opened | {fact.thing})
        case CommitmentHeard(heard=Heard.REVIEW_CLOSED):
            return replace(state, closed=state.closed | {fact.thing})
        case CommitmentHeard(heard=Heard.CANCELLED):
            return replace(state, cancelled=state.cancelled | {fact.thing})
        case CommitmentHeard():
            key = (fact.thing, fact.batch)
            return replace(state, batches={**state.batches, key: _batch(state.batches.get(key, Batch()), fact)})
        case _:
            return state


def _batch(batch: Batch, fact: CommitmentHeard) -> Batch:
    if fact.heard is Heard.RELEASED:
        amount = max(batch.amount_fen, fact.amount_fen)
        return replace(batch, released=batch.released + 1, amount_fen=amount)
    if fact.heard is Heard.BLOCKED:
        return replace(batch, blocked=batch.blocked + 1)
    return replace(batch, shipped_fen=batch.shipped_fen + fact.amount_fen)


COMMITMENTS = Category(name="commitments", facts=(CommitmentHeard,), initial=Commitments(), evolve=evolve)
