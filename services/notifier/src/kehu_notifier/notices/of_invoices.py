"""What invoices and red letters make people wait for, and what the customer is told of them (R3.2.3)."""

from __future__ import annotations

from typing import Any

from kehu import calendar
from kehu.contracts.staff import DelegableStep, Role
from kehu.contracts.trade import (
    InvoiceCollected,
    InvoiceIssued,
    InvoiceRequestClosed,
    InvoiceRequested,
    InvoiceRequestReturned,
    InvoiceRequestReviewed,
    InvoiceVoided,
    RedLetterAsked,
    RedLetterConfirmed,
    RedLetterCovered,
    RedLetterDropped,
    RedLetterDue,
)
from kehu.facts import RecordedFact
from kehu.money import show_yuan
from kehu_notifier.notices.decisions import News
from kehu_notifier.notices.facts import Audience, Notices
from kehu_notifier.notices.of_orders import number_of
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
    tell_all,
    telling,
)
from kehu_notifier.templates.template import TemplateName

# --- requests (F2) ---------------------------------------------------------------------------------------------------


def _side(side: str) -> tuple[Any, Tells, Tells]:
    """For one of the two reviewers of F2: the thing that waits for them, and what a request and a review tell."""

    def thing(fact: InvoiceRequested | InvoiceRequestReviewed | InvoiceRequestReturned | InvoiceRequestClosed) -> str:
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
    values = {"request": fact.number or fact.request, "day": fact.lapses_on.isoformat()}
    told = need(recorded, fact.request, TemplateName.INVOICE_TO_ISSUE, issuers, values, waiting=True)
    return news(recorded, fact.request, told)


def invoice_returned(recorded: RecordedFact[InvoiceRequestReturned], _state: Notices) -> News:
    """Whoever applied is to mend it; nobody reviews or issues it meanwhile."""
    fact = recorded.fact
    applicant = person(fact.requested_by)
    values = {"request": fact.number}
    told = need(recorded, fact.request, TemplateName.INVOICE_RETURNED, applicant, values, waiting=True)
    return news(recorded, fact.request, told, ends=True)


def invoice_request_closed(recorded: RecordedFact[InvoiceRequestClosed], _state: Notices) -> News:
    """Whoever applied is told."""
    fact = recorded.fact
    values = {"request": fact.number or fact.request, "outcome": fact.outcome}
    applicant = person(fact.requested_by)
    told = need(recorded, fact.request, TemplateName.INVOICE_REQUEST_CLOSED, applicant, values)
    return news(recorded, fact.request, told, ends=True)


# --- invoices (F3) ---------------------------------------------------------------------------------------------------


def invoice_issued(recorded: RecordedFact[InvoiceIssued], _state: Notices) -> News:
    """Its collector is to sign F3; the customer hears of it. A red letter is news to the owner alone."""
    fact = recorded.fact
    values = {"invoice": fact.digital_number or fact.number or fact.invoice}
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


def _red_issued(fact: InvoiceIssued) -> str | None:
    return fact.red


def invoice_voided(recorded: RecordedFact[InvoiceVoided], _state: Notices) -> News:
    """The owner is to tell the customer."""
    fact = recorded.fact
    return news(recorded, fact.invoice, need(recorded, fact.invoice, TemplateName.INVOICE_VOIDED, OWNER), ends=True)


# --- red letters -----------------------------------------------------------------------------------------------------


def red_letter_due(recorded: RecordedFact[RedLetterDue], _state: Notices) -> News:
    """Finance is to issue a red letter and the owner is to know; nothing in excess any more ends it."""
    fact, thing = recorded.fact, _due(recorded.fact)
    if fact.excess_fen <= 0:
        return news(recorded, thing, ends=True)
    values = {"order": number_of(fact), "amount": show_yuan(fact.excess_fen)}
    audiences = (OWNER, holders(Role.FINANCE))
    needs = tell_all(recorded, thing, TemplateName.RED_LETTER_DUE, audiences, values, waiting=True)
    return news(recorded, thing, *needs, ends=True)


def _due(fact: RedLetterDue | RedLetterCovered) -> str:
    return f"{fact.order}:red"


def red_letter_asked(recorded: RecordedFact[RedLetterAsked], _state: Notices) -> News:
    """The buyer is to confirm it in time, and the owner to see that they do; what takes no word, finance issues."""
    fact = recorded.fact
    if fact.lapses_at is None:
        return _to_issue(recorded, fact.red)
    # It lapses in the course of that day, so people are told to have done it before.
    values = {"day": calendar.today(fact.lapses_at).isoformat()}
    owner = need(recorded, fact.red, TemplateName.RED_LETTER_ASKED, OWNER, values, waiting=True)
    buyer = need(recorded, fact.red, TemplateName.RED_LETTER_TO_CONFIRM, MAIN_CONTACT, values, waiting=True)
    return news(recorded, fact.red, owner, buyer)


def red_letter_confirmed(recorded: RecordedFact[RedLetterConfirmed], _state: Notices) -> News:
    """Finance is to issue it."""
    return _to_issue(recorded, recorded.fact.red)


def _to_issue(recorded: RecordedFact[Any], red: str) -> News:
    """Also for whoever asked or confirmed: it is theirs to issue as much as any colleague's."""
    issue = need(recorded, red, TemplateName.RED_LETTER_TO_ISSUE, holders(Role.FINANCE), waiting=True)
    return news(recorded, red, issue, ends=True)


def red_letter_dropped(recorded: RecordedFact[RedLetterDropped], _state: Notices) -> News:
    """Whoever asked for it and the owner are told."""
    fact = recorded.fact
    audiences = (OWNER, person(fact.asked_by))
    needs = tell_all(recorded, fact.red, TemplateName.RED_LETTER_DROPPED, audiences, {"outcome": fact.outcome})
    return news(recorded, fact.red, *needs, ends=True)


REACTIONS = (
    telling("tell-invoice-marketing", InvoiceRequested, VETTING, _MARKETING, _marketing_requested),
    telling("tell-invoice-finance", InvoiceRequested, VETTING, _FINANCE, _finance_requested),
    telling("tell-invoice-requested", InvoiceRequested, VETTING, "request", ended("request")),
    telling("tell-reviewed-marketing", InvoiceRequestReviewed, VETTING, _MARKETING, _marketing_reviewed),
    telling("tell-reviewed-finance", InvoiceRequestReviewed, VETTING, _FINANCE, _finance_reviewed),
    telling("tell-invoice-reviewed", InvoiceRequestReviewed, VETTING, "request", invoice_reviewed),
    telling("tell-returned-marketing", InvoiceRequestReturned, VETTING, _MARKETING, ended(_MARKETING)),
    telling("tell-returned-finance", InvoiceRequestReturned, VETTING, _FINANCE, ended(_FINANCE)),
    telling("tell-invoice-returned", InvoiceRequestReturned, VETTING, "request", invoice_returned),
    telling("tell-closed-marketing", InvoiceRequestClosed, VETTING, _MARKETING, ended(_MARKETING)),
    telling("tell-closed-finance", InvoiceRequestClosed, VETTING, _FINANCE, ended(_FINANCE)),
    telling("tell-invoice-request-closed", InvoiceRequestClosed, VETTING, "request", invoice_request_closed),
    telling("tell-request-issued", InvoiceIssued, VETTING, _request, ended(_request)),
    telling("tell-red-issued", InvoiceIssued, VETTING, _red_issued, ended(_red_issued)),
    telling("tell-invoice-issued", InvoiceIssued, VETTING, "invoice", invoice_issued),
    telling("tell-invoice-collected", InvoiceCollected, VETTING, "invoice", ended("invoice")),
    telling("tell-invoice-voided", InvoiceVoided, VETTING, "invoice", invoice_voided),
    telling("tell-red-letter-due", RedLetterDue, VETTING, _due, red_letter_due),
    telling("tell-red-letter-covered", RedLetterCovered, VETTING, _due, ended(_due)),
    telling("tell-red-letter-asked", RedLetterAsked, VETTING, "red", red_letter_asked),
    telling("tell-red-letter-confirmed", RedLetterConfirmed, VETTING, "red", red_letter_confirmed),
    telling("tell-red-letter-dropped", RedLetterDropped, VETTING, "red", red_letter_dropped),
)
