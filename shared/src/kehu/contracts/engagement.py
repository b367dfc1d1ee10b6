"""Published by engagement: visits planned, made and recorded."""

from __future__ import annotations

from datetime import date, datetime

from pydantic import AwareDatetime

from kehu.contracts.published import PublishedFact


class VisitPlanned(PublishedFact, clause="R6.2.1a"):
    """A visit is on the register (F6), with who goes and what for."""

    visit: str
    customer: str
    department: str
    planned_on: date
    visitors: tuple[str, ...]
    purpose: str
    first_visit: bool


class VisitLogged(PublishedFact, clause="R6.2.1a"):
    """A visit has taken place and is recorded (F7). `deviation` says what was not as the policy wants."""

    visit: str
    customer: str
    department: str
    visited_at: AwareDatetime
    attendees: tuple[str, ...]
    planned: bool
    #: The first valid one to this customer.
    first_visit: bool
    deviation: str | None = None
    late: bool = False
    next_step: str = ""

    def occurred(self, now: datetime) -> datetime:
        """When the visit took place."""
        del now
        return self.visited_at


class VisitRecordOverdue(PublishedFact, clause="R6.2.1a"):
    """Three days after the visit day its record (F7) is still missing."""

    visit: str
    customer: str
    department: str
    planned_on: date
    visitors: tuple[str, ...]


class VisitCancelled(PublishedFact, clause="R6.2.1a"):
    """A planned visit does not take place, for the reason given; no record (F7) is expected of it any more."""

    visit: str
    customer: str
    department: str
    planned_on: date
    visitors: tuple[str, ...]
    reason: str
    cancelled_by: str
