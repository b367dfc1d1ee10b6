"""The schedule ``f7-overdue``: says once that a visit's record is missing, when the days for it have passed."""

from __future__ import annotations

from datetime import datetime

from kehu.contracts.engagement import VisitCancelled, VisitLogged
from kehu.deciding import Context, Decision
from kehu.facts import RecordedFact
from kehu.service import Done, Due, Schedule
from kehu_engagement.visits.decisions import miss_record
from kehu_engagement.visits.facts import VISITS, CustomerVisits, RecordAwaited, TakenIn, VisitPrepared

#: Stands in no id of a customer or a visit.
_BETWEEN = "/"


def _key(fact: VisitPrepared | VisitLogged | VisitCancelled | RecordAwaited) -> str:
    return f"{fact.customer}{_BETWEEN}{fact.visit}"


def _customer(key: str) -> str:
    return key.partition(_BETWEEN)[0]


def _due(recorded: RecordedFact[VisitPrepared | RecordAwaited]) -> Due:
    return Due(_key(recorded.fact), recorded.fact.record_due_at)


def _handed(recorded: RecordedFact[TakenIn]) -> Done | None:
    """Off the list; where its record is the survivor's to miss (R4), `RecordAwaited` stands right behind."""
    fact = recorded.fact
    return Done(f"{fact.customer}{_BETWEEN}{fact.part}") if fact.part else None


def _done(recorded: RecordedFact[VisitLogged | VisitCancelled]) -> Done:
    return Done(_key(recorded.fact))


def _fire(key: str, _due_at: datetime, state: CustomerVisits, _context: Context) -> Decision:
    customer, _, visit = key.partition(_BETWEEN)
    return miss_record(visit, customer, state)


F7_OVERDUE = Schedule(
    kind="f7-overdue",
    planned_by={
        VisitPrepared: _due,
        VisitLogged: _done,
        VisitCancelled: _done,
        RecordAwaited: _due,
        TakenIn: _handed,
    },
    category=VISITS,
    stream_id=_customer,
    fire=_fire,
)
