"""The numbers of R4.6 that may change without a release."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from kehu.contracts.staff import Role
from kehu.deciding import Context
from kehu.policies import PolicyKind


class Departing(BaseModel):
    """How customers of a leaving person are handed over.

    Args:
        answer_days: a successor answers until 24:00 of so many days after the day of the proposal.
        attempts_before_waiver: so many failed attempts to tell a customer before the manager may waive the proof.

    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    answer_days: Annotated[int, Field(ge=1, le=92)] = 3
    attempts_before_waiver: Annotated[int, Field(ge=1, le=10)] = 2


DEPARTING = PolicyKind(
    name="departing", model=Departing, initial=Departing(), clause="R4.6", adopters=(Role.HR.value, Role.ADMIN.value)
)


def departing(context: Context) -> Departing:
    """The version that a decision is made under."""
    data: Departing = context.policies[DEPARTING.name]
    return data
