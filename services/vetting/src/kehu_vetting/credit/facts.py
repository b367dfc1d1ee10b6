"""What can happen to a customer's credit record; all of it is published, because grades depend on it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from enum import StrEnum
from types import MappingProxyType

from kehu.contracts.vetting import CreditIncidentRecorded, CreditIncidentResolved, CreditIncidentWithdrawn
from kehu.deciding import Category
from kehu.facts import Fact


class IncidentStatus(StrEnum):
    """What has become of an incident."""

    OPEN = "open"
    RESOLVED = "resolved"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True)
class Incident:
    """One incident of bad credit."""

    id: str
    occurred_on: date
    status: IncidentStatus = IncidentStatus.OPEN


@dataclass(frozen=True, slots=True)
class CreditRecord:
    """A customer's incidents by their ids."""

    incidents: Mapping[str, Incident] = field(default_factory=lambda: MappingProxyType({}))


def evolve(state: CreditRecord, fact: Fact) -> CreditRecord:
    """The record after a fact."""
    match fact:
        case CreditIncidentRecorded():
            return _with(state, Incident(fact.incident, fact.occurred_on))
        case CreditIncidentResolved():
            return _with(state, replace(state.incidents[fact.incident], status=IncidentStatus.RESOLVED))
        case CreditIncidentWithdrawn():
            return _with(state, replace(state.incidents[fact.incident], status=IncidentStatus.WITHDRAWN))
        case _:
            return state


def _with(state: CreditRecord, incident: Incident) -> CreditRecord:
    return CreditRecord(MappingProxyType({**state.incidents, incident.id: incident}))


CREDIT = Category(
    name="credit",
    facts=(CreditIncidentRecorded, CreditIncidentResolved, CreditIncidentWithdrawn),
    initial=CreditRecord(),
    evolve=evolve,
)
