"""What a customer that was merged into another hands over to it for its grade (R4)."""

from __future__ import annotations

from datetime import date
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from kehu.contracts.customers import MonthAmount


class KinIncident(BaseModel):
    """A credit incident of it, as `kehu_grading.rules.standing.Incident`."""

    model_config = ConfigDict(frozen=True, extra="allow")

    incident: str
    occurred_on: date | None = None
    resolved_on: date | None = None
    withdrawn: bool = False
    facts: tuple[UUID, ...] = ()


class KinStanding(BaseModel):
    """Contract volumes, activation and bad credit.

    `volumes` are those of the merge, as the registry says them, with what had been merged into it; `merge` is the fact.
    """

    model_config = ConfigDict(frozen=True, extra="allow")

    merge: UUID
    volumes: tuple[MonthAmount, ...] = ()
    active_since: date | None = None
    activation_fact: UUID | None = None
    incidents: tuple[KinIncident, ...] = ()
