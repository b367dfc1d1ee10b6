"""What orders, shipments, receipts and credit make people wait for, and what the customer is told of them (R3.2.1)."""

from __future__ import annotations

from typing import Any

from kehu.contracts.staff import DelegableStep, Role
from kehu.contracts.trade import (
    DeliveryOverdue,
    GoodsReturned,
    GoodsShipped,
    OrderAmended,
    OrderCancelled,
    OrderReleased,
    OrderSigned,
    ReceiptAllocated,
    ReceiptConfirmed,
    ReceiptIdentified,
    ReceiptReversed,
    ReleaseBlocked,
    ShippingResumed,
    ShippingStopDeclined,
    ShippingStopped,
    ShippingStopProposed,
)
from kehu.contracts.vetting import CreditIncidentRecorded, CreditIncidentResolved, CreditIncidentWithdrawn
from kehu.facts import RecordedFact
from kehu.money import show_yuan
from kehu_notifier.notices.decisions import News
from kehu_notifier.notices.facts import Notices
from kehu_notifier.notices.telling import (
    MAIN_CONTACT,
    OWNER,
    VETTING,
    ended,
    holders,
    need,
    news,
    person,
    tell_all,
    telling,
)
from kehu_notifier.templates.template import TemplateName


def number_of(fact: Any) -> str:
    """The number of an order that people say; its id where the fact is older than that."""
    return fact.order_number or fact.order


# --- orders ----------------------------------------------------------------------------------------------------------


def order_signed(recorded: RecordedFact[OrderSigned], _state: Notices) -> News:
    """Its owner is to see that it is paid."""
    fact = recorded.fact
    told = need(recorded, fact.order, TemplateName.ORDER_ENTERED, person(fact.owner), {"order": fact.number})
    return news(recorded, fact.order, told)


def order_amended(recorded: RecordedFact[OrderAmended], _state: Notices) -> News:
    """The owner is told."""
    fact = recorded.fact
    told = need(recorded, fact.order, TemplateName.ORDER_AMENDED, OWNER, {"order": number_of(fact)})
    return news(recorded, fact.order, told)


def order_cancelled(recorded: RecordedFact[OrderCancelled], _state: Notices) -> News:
    """The owner and the warehouse are told; nobody has to answer a stop of shipping any more."""
    fact = recorded.fact
    audiences = (OWNER, holders(Role.WAREHOUSE))
    needs = tell_all(recorded, fact.order, TemplateName.ORDER_CANCELLED, audiences, {"order": number_of(fact)})
    return news(recorded, fact.order, *needs, ends=True)


# --- batches ---------------------------------------------------------------------------------------------------------


def order_released(recorded: RecordedFact[OrderReleased], _state: Notices) -> News:
    """The warehouse is to ship; the customer hears that its money is there."""
    fact, thing = recorded.fact, _batch(recorded.fact)
    values = {"order": number_of(fact), "batch": str(fact.batch)}
    ship = need(recorded, thing, TemplateName.BATCH_TO_SHIP, holders(Role.WAREHOUSE), values, waiting=True)
    paid = need(recorded, thing, TemplateName.PAYMENT_RECEIVED, MAIN_CONTACT, values)
    return news(recorded, thing, ship, paid, ends=True)


def release_blocked(recorded: RecordedFact[ReleaseBlocked], _state: Notices) -> News:
    """The warehouse is not to ship it any more, and the owner is to talk to the customer."""
    fact, thing = recorded.fact, _batch(recorded.fact)
    values = {"order": number_of(fact), "batch": str(fact.batch)}
    audiences = (OWNER, holders(Role.WAREHOUSE))
    needs = tell_all(recorded, thing, TemplateName.RELEASE_BLOCKED, audiences, values)
    return news(recorded, thing, *needs, ends=True)


def goods_shipped(recorded: RecordedFact[GoodsShipped], _state: Notices) -> News:
    """The customer and its owner hear that goods are on their way."""
    fact, thing = recorded.fact, _batch(recorded.fact)
    values = {"order": number_of(fact), "batch": str(fact.batch), "day": fact.shipped_on.isoformat()}
    customer = need(recorded, thing, TemplateName.GOODS_SHIPPED, MAIN_CONTACT, values)
    owner = need(recorded, thing, TemplateName.SHIPMENT_LEFT, OWNER, values)
    return news(recorded, thing, customer, owner, ends=True)


def delivery_overdue(recorded: RecordedFact[DeliveryOverdue], _state: Notices) -> News:
    """What is paid, the warehouse is to ship; else the owner is to see to the money. The manager is to know."""
    fact, thing = recorded.fact, _batch(recorded.fact)
    values = {"order": fact.order_number, "batch": str(fact.batch), "day": fact.due_on.isoformat()}
    template = TemplateName.DELIVERY_OVERDUE if fact.released else TemplateName.PAYMENT_OVERDUE
    audiences = [person(fact.owner), holders(Role.DEPT_MANAGER, fact.department)]
    audiences += [holders(Role.WAREHOUSE)] if fact.released else []
    needs = tell_all(recorded, thing, template, audiences, values, waiting=fact.released)
    return news(recorded, thing, *needs)


def _batch(fact: OrderReleased | ReleaseBlocked | GoodsShipped | DeliveryOverdue) -> str:
    return f"{fact.order}:{fact.batch}"


def goods_returned(recorded: RecordedFact[GoodsReturned], _state: Notices) -> News:
    """The owner and finance are to see to money and invoices."""
    fact = recorded.fact
    values = {"order": number_of(fact), "day": fact.returned_on.isoformat()}
    needs = tell_all(recorded, fact.returned, TemplateName.GOODS_RETURNED, (OWNER, holders(Role.FINANCE)), values)
    return news(recorded, fact.returned, *needs)


# --- stops of shipping -----------------------------------------------------------------------------------------------


def stop_proposed(recorded: RecordedFact[ShippingStopProposed], _state: Notices) -> News:
    """The other side is to agree, or to say no: finance, or the department's manager."""
    fact = recorded.fact
    role, department = (Role.DEPT_MANAGER, fact.department) if fact.side == "finance" else (Role.FINANCE, None)
    barred = [one for one in (fact.proposed_by, fact.on_behalf_of) if one]
    others = holders(role, department, step=DelegableStep.STOP_SHIPPING, barred=barred)
    template = TemplateName.RESUMPTION_TO_AGREE if fact.lift else TemplateName.STOP_TO_AGREE
    values = {"order": fact.order_number}
    return news(recorded, fact.order, need(recorded, fact.order, template, others, values, waiting=True), ends=True)


def stop_declined(recorded: RecordedFact[ShippingStopDeclined], _state: Notices) -> News:
    """Whoever proposed it is told."""
    fact = recorded.fact
    proposer = person(fact.proposed_by)
    told = need(recorded, fact.order, TemplateName.STOP_DECLINED, proposer, {"order": fact.order_number})
    return news(recorded, fact.order, told, ends=True)


def shipping_stopped(recorded: RecordedFact[ShippingStopped], _state: Notices) -> News:
    """The warehouse and the owner are to know."""
    return _shipping(recorded, TemplateName.SHIPPING_STOPPED)


def shipping_resumed(recorded: RecordedFact[ShippingResumed], _state: Notices) -> News:
    """The warehouse is to ship again; the owner is to know."""
    return _shipping(recorded, TemplateName.SHIPPING_RESUMED)


def _shipping(recorded: RecordedFact[ShippingStopped | ShippingResumed], template: TemplateName) -> News:
    fact = recorded.fact
    audiences = (OWNER, holders(Role.WAREHOUSE))
    needs = tell_all(recorded, fact.order, template, audiences, {"order": number_of(fact)})
    return news(recorded, fact.order, *needs, ends=True)


# --- receipts --------------------------------------------------------------------------------------------------------


def receipt_confirmed(recorded: RecordedFact[ReceiptConfirmed], _state: Notices) -> News:
    """Finance is to allocate money that came by a bank's interface, or whose payer is not known."""
    fact = recorded.fact
    if fact.unit is not None and not recorded.actor.startswith("system:"):
        return news(recorded, fact.receipt)
    template = TemplateName.RECEIPT_TO_ALLOCATE if fact.unit is not None else TemplateName.RECEIPT_UNIDENTIFIED
    values = {"receipt": fact.number, "amount": show_yuan(fact.amount_fen)}
    told = need(recorded, fact.receipt, template, holders(Role.FINANCE), values, waiting=True)
    return news(recorded, fact.receipt, told)


def receipt_identified(recorded: RecordedFact[ReceiptIdentified], state: Notices) -> News:
    """Finance is to allocate what waited for its payer to be known."""
    fact = recorded.fact
    asked = [
        told.noted
        for told in state.needs.values()
        if told.noted.template is TemplateName.RECEIPT_UNIDENTIFIED and not told.ended
    ]
    needs = [
        need(
            recorded,
            fact.receipt,
            TemplateName.RECEIPT_TO_ALLOCATE,
            holders(Role.FINANCE),
            {"receipt": fact.number, "amount": one.values["amount"]},
            waiting=True,
        )
        for one in asked
    ]
    return news(recorded, fact.receipt, *needs, ends=True)


def receipt_reversed(recorded: RecordedFact[ReceiptReversed], _state: Notices) -> News:
    """Finance is to see to what it paid for."""
    fact = recorded.fact
    values = {"receipt": fact.number or fact.receipt, "amount": show_yuan(fact.amount_fen)}
    told = need(recorded, fact.receipt, TemplateName.RECEIPT_REVERSED, holders(Role.FINANCE), values)
    return news(recorded, fact.receipt, told)


# --- credit (R5.2.A) -------------------------------------------------------------------------------------------------


def credit_recorded(recorded: RecordedFact[CreditIncidentRecorded], _state: Notices) -> News:
    """The owner is to see that it is settled."""
    return _credit(recorded, TemplateName.CREDIT_INCIDENT)


def credit_resolved(recorded: RecordedFact[CreditIncidentResolved], _state: Notices) -> News:
    """The owner is told."""
    return _credit(recorded, TemplateName.CREDIT_RESOLVED)


def credit_withdrawn(recorded: RecordedFact[CreditIncidentWithdrawn], _state: Notices) -> News:
    """The owner is told."""
    return _credit(recorded, TemplateName.CREDIT_WITHDRAWN)


def _credit(
    recorded: RecordedFact[CreditIncidentRecorded | CreditIncidentResolved | CreditIncidentWithdrawn],
    template: TemplateName,
) -> News:
    incident = recorded.fact.incident
    return news(recorded, incident, need(recorded, incident, template, OWNER))


REACTIONS = (
    telling("tell-order-signed", OrderSigned, VETTING, "order", order_signed),
    telling("tell-order-amended", OrderAmended, VETTING, "order", order_amended),
    telling("tell-order-cancelled", OrderCancelled, VETTING, "order", order_cancelled),
    telling("tell-order-released", OrderReleased, VETTING, _batch, order_released),
    telling("tell-release-blocked", ReleaseBlocked, VETTING, _batch, release_blocked),
    telling("tell-goods-shipped", GoodsShipped, VETTING, _batch, goods_shipped),
    telling("tell-delivery-overdue", DeliveryOverdue, VETTING, _batch, delivery_overdue),
    telling("tell-goods-returned", GoodsReturned, VETTING, "returned", goods_returned),
    telling("tell-stop-proposed", ShippingStopProposed, VETTING, "order", stop_proposed),
    telling("tell-stop-declined", ShippingStopDeclined, VETTING, "order", stop_declined),
    telling("tell-shipping-stopped", ShippingStopped, VETTING, "order", shipping_stopped),
    telling("tell-shipping-resumed", ShippingResumed, VETTING, "order", shipping_resumed),
    telling("tell-receipt-confirmed", ReceiptConfirmed, VETTING, "receipt", receipt_confirmed),
    telling("tell-receipt-identified", ReceiptIdentified, VETTING, "receipt", receipt_identified),
    telling("tell-receipt-reversed", ReceiptReversed, VETTING, "receipt", receipt_reversed),
    # That money is put to orders is told under another key than that it came, so either may come first.
    telling("tell-receipt-allocated", ReceiptAllocated, VETTING, "receipt", ended("receipt", for_good=True)),
    telling("tell-credit-incident", CreditIncidentRecorded, VETTING, "incident", credit_recorded),
    telling("tell-credit-resolved", CreditIncidentResolved, VETTING, "incident", credit_resolved),
    telling("tell-credit-withdrawn", CreditIncidentWithdrawn, VETTING, "incident", credit_withdrawn),
)
