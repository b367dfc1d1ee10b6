"""The schedule ``verification-reminder``: reminds of what is open, and says once that it is overdue."""

from __future__ import annotations

from datetime import date, datetime

from kehu.calendar import Quarter, end_of_day, start_of_day
from kehu.contracts.customers import VerificationDone, VerificationDue, VerificationReminded, VerifierNeeded
from kehu.deciding import Context, Decision
from kehu.facts import RecordedFact
from kehu.service import Done, Due, Schedule
from kehu_customer_registry.verification.decisions import remind
from kehu_customer_registry.verification.facts import VERIFICATIONS, Verifications, customer_and_quarter


def _next(verification: str, due_on: date, remind_on: date | None) -> Due:
    return Due(verification, start_of_day(remind_on) if remind_on else end_of_day(due_on))


def _due(recorded: RecordedFact[VerificationDue]) -> Due:
    fact = recorded.fact
    return _next(fact.verification, fact.due_on, fact.remind_on)


def _needed(recorded: RecordedFact[VerifierNeeded]) -> Due | Done:
    fact = recorded.fact
    return Done(fact.verification) if fact.overdue else _next(fact.verification, fact.due_on, fact.remind_on)


def _reminded(recorded: RecordedFact[VerificationReminded]) -> Due | Done:
    fact = recorded.fact
    due_on = Quarter.parse(fact.quarter).last_day
    return Done(fact.verification) if fact.overdue else _next(fact.verification, due_on, fact.remind_on)


def _done(recorded: RecordedFact[VerificationDone]) -> Done:
    return Done(recorded.fact.verification)


def _fire(verification: str, _due_at: datetime, state: Verifications, context: Context) -> Decision:
    customer, quarter = customer_and_quarter(verification)
    return remind(quarter, customer, state, context)


VERIFICATION_REMINDER = Schedule(
    kind="verification-reminder",
    planned_by={
        VerificationDue: _due,
        VerifierNeeded: _needed,
        VerificationReminded: _reminded,
        VerificationDone: _done,
    },
    category=VERIFICATIONS,
    stream_id=lambda verification: customer_and_quarter(verification)[0],
    fire=_fire,
)
