"""What falls due with invoices: joint passes lapse, and red letters that the buyer does not confirm (R3.2.3)."""

from __future__ import annotations

from kehu.calendar import end_of_day
from kehu.contracts.trade import (
    InvoiceRequestClosed,
    InvoiceRequestReturned,
    InvoiceRequestReviewed,
    RedLetterAsked,
    RedLetterConfirmed,
    RedLetterDropped,
)
from kehu.facts import RecordedFact
from kehu.service import Done, Due, Schedule
from kehu_vetting.invoices.accounts import INVOICE_ACCOUNTS
from kehu_vetting.invoices.facts import INVOICE_REQUESTS, RequestServed
from kehu_vetting.invoices.red_letters import lapse_red_letter
from kehu_vetting.invoices.reviewing import lapse


def _last_day(recorded: RecordedFact[InvoiceRequestReviewed]) -> Due | None:
    fact = recorded.fact
    return Due(fact.request, end_of_day(fact.lapses_on)) if fact.lapses_on else None


def _over(recorded: RecordedFact[InvoiceRequestReturned] | RecordedFact[InvoiceRequestClosed]) -> Done:
    return Done(recorded.fact.request)


def _served(recorded: RecordedFact[RequestServed]) -> Done | None:
    return Done(recorded.fact.request) if recorded.fact.complete else None


def _asked(recorded: RecordedFact[RedLetterAsked]) -> Due | None:
    fact = recorded.fact
    return Due(_red_key(fact.order, fact.red), fact.lapses_at) if fact.lapses_at else None


def _settled(recorded: RecordedFact[RedLetterConfirmed] | RecordedFact[RedLetterDropped]) -> Done:
    return Done(_red_key(recorded.fact.order, recorded.fact.red))


def _red_key(order: str, red: str) -> str:
    return f"{order}/{red}"


SCHEDULES = (
    Schedule(
        kind="invoice-request-lapses",
        planned_by={
            InvoiceRequestReviewed: _last_day,
            InvoiceRequestReturned: _over,
            InvoiceRequestClosed: _over,
            RequestServed: _served,
        },
        category=INVOICE_REQUESTS,
        stream_id=lambda request: request,
        fire=lapse,
    ),
    Schedule(
        kind="red-letter-lapses",
        planned_by={RedLetterAsked: _asked, RedLetterConfirmed: _settled, RedLetterDropped: _settled},
        category=INVOICE_ACCOUNTS,
        stream_id=lambda key: key.rpartition("/")[0],
        fire=lapse_red_letter,
    ),
)
