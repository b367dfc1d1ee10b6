"""Vetting's facts on reviews and deliveries, noted on the customer's commitments."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kehu.contracts.trade import GoodsShipped, OrderCancelled, OrderReleased, ReleaseBlocked
from kehu.contracts.vetting import (
    AgentActivated,
    QualificationRejected,
    QualificationRenewed,
    QualificationReturned,
    QualificationSubmitted,
    QualificationWithdrawn,
)
from kehu.deciding import Context, Decision
from kehu.facts import Fact, RecordedFact
from kehu.service import Reaction
from kehu_customer_registry.commitments.facts import COMMITMENTS, CommitmentHeard, Commitments, Heard

VETTING = "vetting"


def _reaction(name: str, on: type[Fact], heard: Callable[[Any], CommitmentHeard]) -> Reaction:
    def decide(recorded: RecordedFact[Any], state: Commitments, context: Context) -> Decision:
        del state, context
        return Decision([heard(recorded.fact)])

    return Reaction(name, on, VETTING, COMMITMENTS, lambda recorded: (recorded.fact.customer,), decide)


def _review(
    heard: Heard,
) -> Callable[[Any], CommitmentHeard]:
    return lambda fact: CommitmentHeard(customer=fact.customer, heard=heard, thing=fact.qualification)


def _batch(heard: Heard) -> Callable[[OrderReleased | ReleaseBlocked], CommitmentHeard]:
    return lambda fact: CommitmentHeard(
        customer=fact.customer, heard=heard, thing=fact.order, batch=fact.batch, amount_fen=fact.amount_fen
    )


def _shipped(fact: GoodsShipped) -> CommitmentHeard:
    return CommitmentHeard(
        customer=fact.customer, heard=Heard.SHIPPED, thing=fact.order, batch=fact.batch, amount_fen=fact.value_fen
    )


def _cancelled(fact: OrderCancelled) -> CommitmentHeard:
    return CommitmentHeard(customer=fact.customer, heard=Heard.CANCELLED, thing=fact.order)


REACTIONS = (
    _reaction("hear-submitted", QualificationSubmitted, _review(Heard.REVIEW_OPENED)),
    _reaction("hear-returned", QualificationReturned, _review(Heard.REVIEW_OPENED)),
    _reaction("hear-rejected", QualificationRejected, _review(Heard.REVIEW_CLOSED)),
    _reaction("hear-withdrawn", QualificationWithdrawn, _review(Heard.REVIEW_CLOSED)),
    _reaction("hear-activated", AgentActivated, _review(Heard.REVIEW_CLOSED)),
    # A new review of an active customer ends so: it is in force from its approval on.
    _reaction("hear-renewed", QualificationRenewed, _review(Heard.REVIEW_CLOSED)),
    _reaction("hear-released", OrderReleased, _batch(Heard.RELEASED)),
    _reaction("hear-blocked", ReleaseBlocked, _batch(Heard.BLOCKED)),
    _reaction("hear-shipped", GoodsShipped, _shipped),
    _reaction("hear-cancelled", OrderCancelled, _cancelled),
)
