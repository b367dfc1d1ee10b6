"""The numbers of R4.5.1 that may change without a release."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from kehu.policies import PolicyKind

CLAUSE = "R4.5.1"

#: A quarter has 90 days at least.
_Days = Annotated[int, Field(ge=1, le=89)]


class Verifying(BaseModel):
    """How dossiers are verified.

    Args:
        remind_days_before: the verifier is reminded so many days before the quarter's last one.
        attempts: after so many failed attempts a customer counts as out of reach.

    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    remind_days_before: tuple[_Days, ...] = (30, 7)
    attempts: int = Field(default=3, ge=1, le=20)

    def next_reminder(self, due_on: date, today: date) -> date | None:
        """The first day after today on which to remind of what is due; None when only the last day is left."""
        return min(self._days(due_on, today), default=None)

    def _days(self, due_on: date, today: date) -> Sequence[date]:
        days = (due_on - timedelta(days=before) for before in self.remind_days_before)
        return [day for day in days if day > today]


VERIFYING = PolicyKind(name="verifying", model=Verifying, initial=Verifying(), clause=CLAUSE)
