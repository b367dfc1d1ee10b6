"""What orders, receipts and invoices make people wait for, and what the customer is told of them (R3.2)."""

from __future__ import annotations

from typing import Any

from kehu.contracts.staff import DelegableStep, Role
from kehu.contracts.trade import (
    GoodsShipped,
    InvoiceCollected,
    InvoiceIssued,
    InvoiceRequestClosed,
    InvoiceRequested,
    InvoiceRequestReviewed,
    InvoiceVoided,
    OrderReleased,
    ReceiptAllocated,
    ReceiptConfirmed,
    RedLetterDue,
    ReleaseBlocked,
    ShippingStopped,
)
from kehu.contracts.vetting import CreditIncidentRecorded
from kehu.facts import RecordedFact
from kehu_notifier.notices.decisions import News
from kehu_notifier.notices.facts import Audience, Notices
from kehu_notifier.notices.telling import (
    MAIN_CONTACT,
    OWNER,
    VETTING,
    Tells,
    ended,
    holders,
    need,
    news,
    person,
    telling,
)
from kehu_notifier.templates.template import TemplateName


def _number(fact: Any) -> str:
    return fact.order_number or fact.order


# --- releases and shipments (R3.2.1) ---------------------------------------------------------------------------------


def order_released(recorded: RecordedFact[OrderReleased], _state: Notices) -> News:
    """The warehouse is to ship; the customer hears that its money is there."""
    fact, thing = recorded.fact, _batch(recorded.fact)
    values = {"order": _number(fact), "batch": str(fact.batch)}
    ship = need(recorded, thing, TemplateName.BATCH_TO_SHIP, holders(Role.WAREHOUSE), values, waiting=True)
    paid = need(recorded, thing, TemplateName.PAYMENT_RECEIVED, MAIN_CONTACT, values)
    return news(recorded, thing, ship, paid, ends=True)


def release_blocked(recorded: RecordedFact[ReleaseBlocked], _state: Notices) -> News:
    """The warehouse is not to ship it any more, and the owner is to talk to the customer."""
    fact, thing = recorded.fact, _batch(recorded.fact)
    values = {"order": _number(fact), "batch": str(fact.batch)}
    audiences = (OWNER, holders(Role.WAREHOUSE))
    needs = [need(recorded, thing, TemplateName.RELEASE_BLOCKED, one, values) for one in audiences]
    return news(recorded, thing, *needs, ends=True)


def goods_shipped(recorded: RecordedFact[GoodsShipped], _state: Notices) -> News:
    """The customer and its owner hear that goods are on their way."""
    fact, thing = recorded.fact, _batch(recorded.fact)
    values = {"order": _number(fact), "batch": str(fact.batch), "day": fact.shipped_on.isoformat()}
    customer = need(recorded, thing, TemplateName.GOODS_SHIPPED, MAIN_CONTACT, values)
    owner = need(recorded, thing, TemplateName.SHIPMENT_LEFT, OWNER, values)
    return news(recorded, thing, customer, owner, ends=True)


def _batch(fact: OrderReleased | ReleaseBlocked | GoodsShipped) -> str:
    return f"{fact.order}:{fact.batch}"


def shipping_stopped(recorded: RecordedFact[ShippingStopped], _state: Notices) -> News:
    """The warehouse and the owner are to know."""
    fact = recorded.fact
    audiences = (OWNER, holders(Role.WAREHOUSE))
    needs = [
        need(recorded, fact.order, TemplateName.SHIPPING_STOPPED, one, {"order": _number(fact)}) for one in audiences
    ]
    return news(recorded, fact.order, *needs)


# --- receipts (R3.2.1) -----------------------------------------------------------------------------------------------


def receipt_confirmed(recorded: RecordedFact[ReceiptConfirmed], _state: Notices) -> News:
    """Finance is to allocate money that came by a bank's interface, or whose payer is not known."""
    fact = recorded.fact
    if fact.unit is not None and not recorded.actor.startswith("system:"):
        return news(recorded, fact.receipt)
    template = TemplateName.RECEIPT_TO_ALLOCATE if fact.unit is not None else TemplateName.RECEIPT_UNIDENTIFIED
    told = need(recorded, fact.receipt, template, holders(Role.FINANCE), {"receipt": fact.number}, waiting=True)
    return news(recorded, fact.receipt, told)


def credit_incident_recorded(recorded: RecordedFact[CreditIncidentRecorded], _state: Notices) -> News:
    """The owner is to know."""
    incident = recorded.fact.incident
    return news(recorded, incident, need(recorded, incident, TemplateName.CREDIT_INCIDENT, OWNER))


# --- invoices (R3.2.3) -----------------------------------------------------------------------------------------------


def _side(side: str) -> tuple[Any, Tells, Tells]:
    """For one of the two reviewers of F2: the thing that waits for them, and what a request and a review tell."""

    def thing(fact: InvoiceRequested | InvoiceRequestReviewed | InvoiceRequestClosed) -> str:
        return f"{fact.request}:{side}"

    def requested(recorded: RecordedFact[InvoiceRequested], _state: Notices) -> News:
        fact = recorded.fact
        barred = (fact.requested_by,)
        audience = (
            holders(Role.FINANCE, step=DelegableStep.INVOICE_FINANCE, barred=barred)
            if side == "finance"
            else Audience(
                kind="role",
                role=Role.VETTER,
                stand_in=Role.DEPT_MANAGER,
                step=DelegableStep.INVOICE_MARKETING,
                department=fact.department,
                barred=barred,
            )
        )
        told = need(
            recorded, thing(fact), TemplateName.INVOICE_TO_REVIEW, audience, {"request": fact.number}, waiting=True
        )
        return news(recorded, thing(fact), told, ends=True)

    def reviewed(recorded: RecordedFact[InvoiceRequestReviewed], _state: Notices) -> News:
        return news(recorded, thing(recorded.fact), ends=recorded.fact.side == side)

    return thing, requested, reviewed


_MARKETING, _marketing_requested, _marketing_reviewed = _side("marketing")
_FINANCE, _finance_requested, _finance_reviewed = _side("finance")


def invoice_reviewed(recorded: RecordedFact[InvoiceRequestReviewed], _state: Notices) -> News:
    """Passed by both: finance is to issue, until it lapses."""
    fact = recorded.fact
    if not fact.both or fact.lapses_on is None:
        return news(recorded, fact.request)
    issuers = holders(Role.FINANCE, barred=[fact.requested_by])
    values = {"day": fact.lapses_on.isoformat()}
    told = need(recorded, fact.request, TemplateName.INVOICE_TO_ISSUE, issuers, values, waiting=True)
    return news(recorded, fact.request, told)


def invoice_request_closed(recorded: RecordedFact[InvoiceRequestClosed], _state: Notices) -> News:
    """Whoever applied is told."""
    fact = recorded.fact
    told = need(
        recorded,
        fact.request,
        TemplateName.INVOICE_REQUEST_CLOSED,
        person(fact.requested_by),
        {"outcome": fact.outcome},
    )
    return news(recorded, fact.request, told, ends=True)


def invoice_issued(recorded: RecordedFact[InvoiceIssued], _state: Notices) -> News:
    """Its collector is to sign F3; the customer hears of it. A red letter is news to the owner alone."""
    fact = recorded.fact
    values = {"invoice": fact.digital_number or fact.number or ""}
    if fact.red_of is not None:
        red = need(recorded, fact.invoice, TemplateName.RED_LETTER_ISSUED, OWNER, values)
        return news(recorded, fact.invoice, red)
    told = [need(recorded, fact.invoice, TemplateName.INVOICE_ISSUED, MAIN_CONTACT, values)]
    if fact.collector:
        collector = person(fact.collector)
        told.append(need(recorded, fact.invoice, TemplateName.INVOICE_TO_COLLECT, collector, values, waiting=True))
    return news(recorded, fact.invoice, *told)


def _request(fact: InvoiceIssued) -> str | None:
    return fact.request


def red_letter_due(recorded: RecordedFact[RedLetterDue], _state: Notices) -> News:
    """Finance is to issue a red letter and the owner is to know; nothing in excess any more ends it."""
    fact, thing = recorded.fact, f"{recorded.fact.order}:red"
    if fact.excess_fen <= 0:
        return news(recorded, thing, ends=True)
    values = {"order": _number(fact)}
    needs = [
        need(recorded, thing, TemplateName.RED_LETTER_DUE, one, values, waiting=True)
        for one in (OWNER, holders(Role.FINANCE))
    ]
    return news(recorded, thing, *needs, ends=True)


def _red(fact: RedLetterDue) -> str:
    return f"{fact.order}:red"


REACTIONS = (
    telling("tell-order-released", OrderReleased, VETTING, _batch, order_released),
    telling("tell-release-blocked", ReleaseBlocked, VETTING, _batch, release_blocked),
    telling("tell-goods-shipped", GoodsShipped, VETTING, _batch, goods_shipped),
    telling("tell-shipping-stopped", ShippingStopped, VETTING, "order", shipping_stopped),
    telling("tell-receipt-confirmed", ReceiptConfirmed, VETTING, "receipt", receipt_confirmed),
    telling("tell-receipt-allocated", ReceiptAllocated, VETTING, "receipt", ended("receipt")),
    telling("tell-credit-incident", CreditIncidentRecorded, VETTING, "incident", credit_incident_recorded),
    telling("tell-invoice-marketing", InvoiceRequested, VETTING, _MARKETING, _marketing_requested),
    telling("tell-invoice-finance", InvoiceRequested, VETTING, _FINANCE, _finance_requested),
    telling("tell-reviewed-marketing", InvoiceRequestReviewed, VETTING, _MARKETING, _marketing_reviewed),
    telling("tell-reviewed-finance", InvoiceRequestReviewed, VETTING, _FINANCE, _finance_reviewed),
    telling("tell-invoice-reviewed", InvoiceRequestReviewed, VETTING, "request", invoice_reviewed),
    telling("tell-closed-marketing", InvoiceRequestClosed, VETTING, _MARKETING, ended(_MARKETING)),
    telling("tell-closed-finance", InvoiceRequestClosed, VETTING, _FINANCE, ended(_FINANCE)),
    telling("tell-invoice-request-closed", InvoiceRequestClosed, VETTING, "request", invoice_request_closed),
    telling("tell-request-issued", InvoiceIssued, VETTING, _request, ended(_request)),
    telling("tell-invoice-issued", InvoiceIssued, VETTING, "invoice", invoice_issued),
    telling("tell-invoice-collected", InvoiceCollected, VETTING, "invoice", ended("invoice")),
    telling("tell-invoice-voided", InvoiceVoided, VETTING, "invoice", ended("invoice")),
    telling("tell-red-letter-due", RedLetterDue, VETTING, _red, red_letter_due),
)
