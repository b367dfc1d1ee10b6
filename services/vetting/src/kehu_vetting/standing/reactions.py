"""Activation and agreement, from this service's own log, and existing customers that the registry took over."""

from __future__ import annotations

from typing import Any

from kehu.contracts.customers import CustomerTakenOver
from kehu.contracts.vetting import AgentActivated, AgreementSigned
from kehu.deciding import Context, Decision
from kehu.facts import Fact, RecordedFact
from kehu.service import Reaction
from kehu_vetting.standing.facts import STANDINGS, ActivationNoted, AgreementNoted, Standing

REGISTRY = "customer-registry"
#: Facts of this service's own, from its own log.
VETTING = "vetting"


def note_activation(recorded: RecordedFact[AgentActivated], state: Standing, context: Context) -> Decision:
    """It may order from now on (R3.1.3)."""
    del state, context
    fact = recorded.fact
    return Decision(
        [
            ActivationNoted(
                customer=fact.customer,
                qualification=fact.qualification,
                department=fact.department,
                active_since=fact.activated_on,
            )
        ]
    )


def note_agreement(recorded: RecordedFact[AgreementSigned], state: Standing, context: Context) -> Decision:
    """The agreement and its last day (R3.1.3)."""
    del state, context
    fact = recorded.fact
    return Decision(
        [
            AgreementNoted(
                customer=fact.customer,
                qualification=fact.qualification,
                file_digest=fact.file_digest,
                signed_on=fact.signed_on,
                valid_from=fact.valid_from,
                valid_until=fact.valid_until,
            )
        ]
    )


def note_taken_over(recorded: RecordedFact[CustomerTakenOver], state: Standing, context: Context) -> Decision:
    """An existing customer counts as it stood: active, under the agreement that it had (R4.3)."""
    del context
    fact = recorded.fact
    if fact.active_since is None:
        return Decision()
    facts: list[Fact] = [
        ActivationNoted(
            customer=fact.customer,
            qualification=state.qualification,
            department=state.department,
            active_since=fact.active_since,
        )
    ]
    if fact.agreement_signed_on and fact.agreement_digest:
        facts.append(
            AgreementNoted(
                customer=fact.customer,
                qualification=None,
                file_digest=fact.agreement_digest,
                signed_on=fact.agreement_signed_on,
                valid_from=fact.agreement_signed_on,
                valid_until=fact.agreement_valid_until,
            )
        )
    return Decision(facts)


def _customer(recorded: RecordedFact[Any]) -> tuple[str]:
    return (recorded.fact.customer,)


REACTIONS = (
    Reaction("note-activation", AgentActivated, VETTING, STANDINGS, _customer, note_activation),
    Reaction("note-agreement", AgreementSigned, VETTING, STANDINGS, _customer, note_agreement),
    Reaction("note-taken-over", CustomerTakenOver, REGISTRY, STANDINGS, _customer, note_taken_over),
)
