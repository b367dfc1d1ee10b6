"""What other services publish about a customer, noted on its stream; the conclusions are drawn in the same decision."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypedDict
from uuid import UUID

from pydantic import AwareDatetime

from kehu.contracts.customers import (
    ContractVolumeCorrected,
    ContractVolumeReported,
    CustomerChanged,
    CustomerRegistered,
    CustomersMerged,
    CustomersUnmerged,
    CustomerTakenOver,
    OwnerAssigned,
)
from kehu.contracts.grading import Grade
from kehu.contracts.vetting import (
    AgentActivated,
    CreditIncidentRecorded,
    CreditIncidentResolved,
    CreditIncidentWithdrawn,
)
from kehu.deciding import Context, Decision
from kehu.facts import Fact, RecordedFact
from kehu.lineage import merged_one
from kehu.service import Reaction
from kehu_grading.grades.decisions import learn, take_in
from kehu_grading.grades.facts import (
    GRADES,
    ActivationNoted,
    ChangeNoted,
    GradeState,
    HandedOver,
    IncidentNoted,
    IncidentResolutionNoted,
    IncidentWithdrawalNoted,
    MergeNoted,
    MergeUndoNoted,
    Note,
    OwnerNoted,
    RegistrationNoted,
    TakeOverNoted,
    VolumeNoted,
)

REGISTRY = "customer-registry"
VETTING = "vetting"
#: Facts of this service's own, from its own log.
GRADING = "grading"


class _Source(TypedDict):
    customer: str
    source: UUID
    source_occurred_at: AwareDatetime
    source_recorded_at: AwareDatetime
    correlation: UUID


def _source(recorded: RecordedFact[Any]) -> _Source:
    return {
        "customer": recorded.fact.customer,
        "source": recorded.id,
        "source_occurred_at": recorded.occurred_at,
        "source_recorded_at": recorded.recorded_at,
        "correlation": recorded.correlation,
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


def _take_over(recorded: RecordedFact[CustomerTakenOver]) -> Note:
    fact = recorded.fact
    return TakeOverNoted(
        **_source(recorded),
        active_since=fact.active_since,
        grade=Grade(fact.grade) if fact.grade else None,
        graded_year=fact.graded_year,
        evidence_digest=fact.evidence_digest,
        proposed_by=fact.proposed_by,
        confirmed_by=fact.confirmed_by,
    )


def _merge(recorded: RecordedFact[CustomersMerged]) -> Note:
    fact = recorded.fact
    return MergeNoted(**_source(recorded), survivor=fact.survivor, volumes=fact.merged_volumes)


def _unmerge(recorded: RecordedFact[CustomersUnmerged]) -> Note:
    return MergeUndoNoted(**_source(recorded))


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


def _customer(recorded: RecordedFact[Any]) -> Sequence[str]:
    return [recorded.fact.customer]


def _survivor(recorded: RecordedFact[HandedOver]) -> Sequence[str]:
    return [recorded.fact.survivor]


def _reaction(
    name: str,
    on: type[Fact],
    source: str,
    note: Callable[[RecordedFact[Any]], Note | None],
    stream_ids: Callable[[RecordedFact[Any]], Sequence[str]] = _customer,
) -> Reaction:
    def decide(recorded: RecordedFact[Any], state: GradeState, context: Context) -> Decision:
        noted = note(recorded)
        return learn(noted, state, context) if noted else Decision()

    return Reaction(name, on, source, GRADES, stream_ids, decide)


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
    _reaction("note-take-over", CustomerTakenOver, REGISTRY, _take_over),
    _reaction("note-merge", CustomersMerged, REGISTRY, _merge, merged_one),
    _reaction("note-merge-undone", CustomersUnmerged, REGISTRY, _unmerge, merged_one),
    Reaction("take-in", HandedOver, GRADING, GRADES, _survivor, take_in),
)
