"""What other services publish about a customer, noted on its stream; the conclusions are drawn in the same decision."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypedDict
from uuid import UUID

from pydantic import AwareDatetime

from kehu.contracts.customers import (
    ContractVolumeCorrected,
    ContractVolumeReported,
    CustomerChanged,
    CustomerRegistered,
    OwnerAssigned,
)
from kehu.contracts.vetting import (
    AgentActivated,
    CreditIncidentRecorded,
    CreditIncidentResolved,
    CreditIncidentWithdrawn,
)
from kehu.deciding import Context, Decision
from kehu.facts import Fact, RecordedFact
from kehu.service import Reaction
from kehu_grading.grades.decisions import learn
from kehu_grading.grades.facts import (
    GRADES,
    ActivationNoted,
    ChangeNoted,
    GradeState,
    IncidentNoted,
    IncidentResolutionNoted,
    IncidentWithdrawalNoted,
    Note,
    OwnerNoted,
    RegistrationNoted,
    VolumeNoted,
)

REGISTRY = "customer-registry"
VETTING = "vetting"


class _Source(TypedDict):
    customer: str
    source: UUID
    source_occurred_at: AwareDatetime
    source_recorded_at: AwareDatetime


def _source(recorded: RecordedFact[Any]) -> _Source:
    return {
        "customer": recorded.fact.customer,
        "source": recorded.id,
        "source_occurred_at": recorded.occurred_at,
        "source_recorded_at": recorded.recorded_at,
    }


def _registration(recorded: RecordedFact[CustomerRegistered]) -> Note:
    fact = recorded.fact
    return RegistrationNoted(
        **_source(recorded),
        number=fact.number,
        name=fact.name,
        kind=fact.kind,
        affiliation=fact.affiliation,
        department=fact.department,
        owner=fact.owner,
        collaborators=fact.collaborators,
        taken_over=fact.taken_over,
    )


def _change(recorded: RecordedFact[CustomerChanged]) -> Note | None:
    fact = recorded.fact
    if fact.name is None and fact.kind is None and fact.affiliation is None and not fact.affiliation_ended:
        return None  # contacts, region and the like have no part in a grade
    return ChangeNoted(
        **_source(recorded),
        name=fact.name,
        kind=fact.kind,
        affiliation=fact.affiliation,
        affiliation_ended=fact.affiliation_ended,
    )


def _owner(recorded: RecordedFact[OwnerAssigned]) -> Note:
    fact = recorded.fact
    return OwnerNoted(
        **_source(recorded), owner=fact.owner, department=fact.department, collaborators=fact.collaborators
    )


def _volume(recorded: RecordedFact[ContractVolumeReported] | RecordedFact[ContractVolumeCorrected]) -> Note:
    return VolumeNoted(**_source(recorded), month=recorded.fact.month, amount_fen=recorded.fact.amount_fen)


def _activation(recorded: RecordedFact[AgentActivated]) -> Note:
    return ActivationNoted(**_source(recorded), activated_on=recorded.fact.activated_on)


def _incident(recorded: RecordedFact[CreditIncidentRecorded]) -> Note:
    fact = recorded.fact
    return IncidentNoted(**_source(recorded), incident=fact.incident, occurred_on=fact.occurred_on)


def _resolution(recorded: RecordedFact[CreditIncidentResolved]) -> Note:
    fact = recorded.fact
    return IncidentResolutionNoted(**_source(recorded), incident=fact.incident, resolved_on=fact.resolved_on)


def _withdrawal(recorded: RecordedFact[CreditIncidentWithdrawn]) -> Note:
    return IncidentWithdrawalNoted(**_source(recorded), incident=recorded.fact.incident)


def _reaction(name: str, on: type[Fact], source: str, note: Callable[[RecordedFact[Any]], Note | None]) -> Reaction:
    def decide(recorded: RecordedFact[Any], state: GradeState, context: Context) -> Decision:
        noted = note(recorded)
        return learn(noted, state, context) if noted else Decision()

    return Reaction(name, on, source, GRADES, lambda recorded: [recorded.fact.customer], decide)


REACTIONS = (
    _reaction("note-registration", CustomerRegistered, REGISTRY, _registration),
    _reaction("note-change", CustomerChanged, REGISTRY, _change),
    _reaction("note-owner", OwnerAssigned, REGISTRY, _owner),
    _reaction("note-volume", ContractVolumeReported, REGISTRY, _volume),
    _reaction("note-volume-correction", ContractVolumeCorrected, REGISTRY, _volume),
    _reaction("note-activation", AgentActivated, VETTING, _activation),
    _reaction("note-incident", CreditIncidentRecorded, VETTING, _incident),
    _reaction("note-resolution", CreditIncidentResolved, VETTING, _resolution),
    _reaction("note-withdrawal", CreditIncidentWithdrawn, VETTING, _withdrawal),
)
