"""The schedule ``access-ends``: at 24:00 of the last working day, whatever is open (R4.6)."""

from __future__ import annotations

from kehu.calendar import end_of_day
from kehu.contracts.staff import DepartureCancelled, DepartureStarted, StaffAccessEnded
from kehu.facts import RecordedFact
from kehu.service import Done, Due, Schedule
from kehu_customer_registry.departures.decisions import end_access
from kehu_customer_registry.staff.facts import STAFF


def _due(recorded: RecordedFact[DepartureStarted]) -> Due:
    return Due(recorded.fact.person, end_of_day(recorded.fact.last_day))


def _done(recorded: RecordedFact[DepartureCancelled | StaffAccessEnded]) -> Done:
    return Done(recorded.fact.person)


ACCESS_ENDS = Schedule(
    kind="access-ends",
    planned_by={DepartureStarted: _due, DepartureCancelled: _done, StaffAccessEnded: _done},
    category=STAFF,
    stream_id=lambda key: key,
    fire=end_access,
)
