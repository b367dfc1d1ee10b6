"""Goods that the customer has and that are no longer paid for are a credit incident (R3.2.1, R5.2)."""

from __future__ import annotations

from kehu.contracts.vetting import CreditIncidentRecorded
from kehu.deciding import Context, Decision
from kehu.facts import RecordedFact
from kehu.money import show_yuan
from kehu.service import Reaction
from kehu_vetting.credit.facts import CREDIT, CreditRecord
from kehu_vetting.orders.facts import ShortfallArisen

#: Facts of this service's own, from its own log.
VETTING = "vetting"


def open_incident(recorded: RecordedFact[ShortfallArisen], state: CreditRecord, context: Context) -> Decision:
    """Put the shortfall on record, once; finance settles it, or takes it back where it was a mistake."""
    fact, incident = recorded.fact, str(recorded.id)
    if incident in state.incidents:
        return Decision()
    yuan = show_yuan(fact.shortfall_fen)
    return Decision(
        [
            CreditIncidentRecorded(
                incident=incident,
                customer=fact.customer,
                occurred_on=fact.occurred_on,
                description=f"订单 {fact.number} 已发货物有 {yuan} 元未付清(款项被冲正或退款)。 "
                f"Of the goods shipped under order {fact.number}, {yuan} yuan are unpaid: money went back.",
                evidence=f"order {fact.order}, fact {recorded.id}",
                amount_fen=fact.shortfall_fen,
                recorded_by=context.actor.id,
            )
        ]
    )


def _customer(recorded: RecordedFact[ShortfallArisen]) -> tuple[str]:
    return (recorded.fact.customer,)


REACTIONS = (Reaction("shortfall-incident", ShortfallArisen, VETTING, CREDIT, _customer, open_incident),)
