"""The numbers of R6.2.1 that may change without a release."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from kehu.calendar import end_of_day
from kehu.contracts.grading import Grade
from kehu.deciding import Context
from kehu.policies import PolicyKind

#: No customer is seen more than once a day.
_Times = Annotated[int, Field(ge=0, le=92)]


class Frequency(BaseModel):
    """How many visits a quarter, by the customer's official grade; `ungraded` until it has one."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    A: _Times = 1
    B: _Times = 1
    C: _Times = 1
    ungraded: _Times = 1

    def of(self, grade: Grade | None) -> int:
        """How many for a customer of that grade."""
        times: int = getattr(self, grade.value if grade else "ungraded")
        return times


class Visiting(BaseModel):
    """How customers are visited.

    Args:
        frequency: visits a quarter, by grade (R6.2.1a).
        record_due_days: the record (F7) is overdue at 24:00 of so many days after the visit day (R6.2.1a).
        first_visit_visitors: so many marketing employees go to a new customer at least (R6.2.1b).

    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    frequency: Frequency = Frequency()
    record_due_days: Annotated[int, Field(ge=0, le=92)] = 3
    first_visit_visitors: Annotated[int, Field(ge=1, le=10)] = 2

    def record_due_at(self, visit_day: date) -> datetime:
        """The moment from which the record of a visit is overdue."""
        return end_of_day(visit_day + timedelta(days=self.record_due_days))


VISITING = PolicyKind(name="visiting", model=Visiting, initial=Visiting(), clause="R6.2.1a")


def visiting(context: Context) -> Visiting:
    """The version that a decision is made under."""
    found: Visiting = context.policies[VISITING.name]
    return found
