"""What can have happened to a customer's dossier (F4), and the state that it adds up to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from enum import StrEnum
from typing import Any

from pydantic import AwareDatetime, BaseModel, ConfigDict

from kehu.calendar import Month
from kehu.contracts.customers import (
    Affiliation,
    BankTax,
    CustomerChanged,
    CustomerChangeDeclined,
    CustomerChangeProposed,
    CustomerClosed,
    CustomerKind,
    CustomerMergeDeclined,
    CustomerMergeProposed,
    CustomerRegistered,
    CustomerReopened,
    CustomersMerged,
    CustomersUnmerged,
    CustomerTakenOver,
    DossierReturned,
    DossierSubmitted,
    IdentityKind,
    LegalRepresentative,
    OwnerAssigned,
    RelationDeclined,
    RelationRequested,
)
from kehu.contracts.grading import Grade
from kehu.contracts.staff import DelegableStep, Role, StepEscalated
from kehu.deciding import Category
from kehu.escalating import Wait
from kehu.facts import Fact
from kehu.money import Fen
from kehu_customer_registry.dossiers.content import DossierContent, Nature


class DossierDrafted(Fact, clause="R4.1"):
    """A salesperson has opened a dossier: from now on the customer is a prospect (R2), and theirs."""

    customer: str
    number: str
    department: str
    owner: str
    content: DossierContent


class DossierEdited(Fact, clause="R4.1"):
    """The form of a dossier that nobody has passed yet says something else now."""

    customer: str
    content: DossierContent


class DuplicateChecked(Fact, clause="R4"):
    """Somebody has looked at a dossier that resembles this one, and says why it is another customer's."""

    customer: str
    other: str
    number: str
    because: str
    checked_by: str


class ParticularsChanged(Fact, clause="R4.4"):
    """Fields of an archived dossier that concern nobody outside the registry; only those that changed are set."""

    customer: str
    nature: Nature | None = None
    nature_remark: str | None = None
    supervising_body: str | None = None
    address: str | None = None
    region_remark: str | None = None
    dealings: str | None = None
    occurred_on: AwareDatetime | None = None
    late: bool = False

    def occurred(self, now: datetime) -> datetime:
        """When the change happened, where it is known to differ from when it was entered."""
        return self.occurred_on or now


class MajorValues(BaseModel):
    """What a major change would make of a dossier; only what changes is set."""

    model_config = ConfigDict(frozen=True, extra="allow")

    name: str | None = None
    kind: CustomerKind | None = None
    identity_kind: IdentityKind | None = None
    identity: str | None = None
    legal_representative: LegalRepresentative | None = None
    bank_tax: BankTax | None = None
    owner: str | None = None

    def said(self) -> dict[str, Any]:
        """The fields that are set."""
        return {name: value for name in MajorValues.model_fields if (value := getattr(self, name)) is not None}


class MajorChangeEntered(Fact, clause="R4.4"):
    """What a proposed major change says; it stays in the registry until it is passed. Comes with its proposal."""

    customer: str
    change: str
    values: MajorValues
    occurred_on: AwareDatetime | None = None
    late: bool = False
    proposed_by: str


class MonthTakenOver(BaseModel):
    """The contract volume of a month before go-live."""

    model_config = ConfigDict(frozen=True, extra="allow")

    month: Month
    amount_fen: Fen


class TakeOverProposed(Fact, clause="R4.3"):
    """How an existing customer stands at go-live; it counts once a second person has confirmed it."""

    customer: str
    active_since: date | None = None
    agreement_signed_on: date | None = None
    agreement_valid_until: date | None = None
    agreement_digest: str | None = None
    visited_on: date | None = None
    grade: Grade | None = None
    graded_year: int | None = None
    volumes: tuple[MonthTakenOver, ...] = ()
    evidence_digest: str
    proposed_by: str


class Status(StrEnum):
    """Where a dossier stands (R4.3)."""

    NONE = "none"
    DRAFT = "draft"  # 草稿
    SUBMITTED = "submitted"  # 待审
    RETURNED = "returned"  # 退回
    ARCHIVED = "archived"  # 已归档
    CLOSED = "closed"  # 已终止


#: In which its salespeople may still write.
OPEN = frozenset({Status.DRAFT, Status.RETURNED})


@dataclass(frozen=True, slots=True)
class Dossier:
    """A dossier; with status `NONE` there is none.

    Args:
        customer: its id.
        number: its 客户编号.
        department: whose customer it is.
        owner: the salesperson who answers for it.
        status: where it stands.
        content: the form.
        affiliation: set by 市场部.
        submitted_by: who handed it in last.
        remarks: what it was returned with.
        registered_by: who passed it.
        changes: major changes that wait for the manager, by id.
        requests: relations that wait for the manager, by id.
        checked: dossiers that were found to resemble it and are another customer's: id to reason.
        take_over: how it is to be taken over, while that waits for the second person.
        merge: a merge that waits for the second person; stands with the survivor.
        merged: the customers that were merged into this one.
        merged_into: the one that it was merged into; its status is what it was before.
        waits: what waits for the manager's answer: `REVIEW`, and changes and relations by id.

    """

    customer: str = ""
    number: str = ""
    department: str = ""
    owner: str = ""
    status: Status = Status.NONE
    content: DossierContent = field(default_factory=lambda: DossierContent(name=""))
    affiliation: Affiliation | None = None
    submitted_by: str | None = None
    remarks: str | None = None
    registered_by: str | None = None
    changes: Mapping[str, MajorChangeEntered] = field(default_factory=dict[str, MajorChangeEntered])
    requests: Mapping[str, RelationRequested] = field(default_factory=dict[str, RelationRequested])
    checked: Mapping[str, str] = field(default_factory=dict[str, str])
    take_over: TakeOverProposed | None = None
    merge: CustomerMergeProposed | None = None
    merged: Mapping[str, CustomersMerged] = field(default_factory=dict[str, CustomersMerged])
    merged_into: str | None = None
    waits: Mapping[str, Wait] = field(default_factory=dict[str, Wait])

    @property
    def registered(self) -> bool:
        """Whether it has been passed; a closed customer's still is."""
        return self.status in (Status.ARCHIVED, Status.CLOSED)


def evolve(state: Dossier, fact: Fact) -> Dossier:
    """What a fact makes of a dossier."""
    changes: dict[str, Any] = {}
    match fact:
        case DossierDrafted():
            return Dossier(fact.customer, fact.number, fact.department, fact.owner, Status.DRAFT, fact.content)
        case DossierEdited():
            changes = {"content": fact.content}
        case DuplicateChecked():
            changes = {"checked": {**state.checked, fact.other: fact.because}}
        case TakeOverProposed():
            changes = {"take_over": fact}
        case DossierSubmitted():
            changes = {"status": Status.SUBMITTED, "submitted_by": fact.submitted_by, "remarks": None}
        case DossierReturned():
            changes = {"status": Status.RETURNED, "remarks": fact.remarks, "take_over": None}
        case CustomerRegistered():
            changes = {"status": Status.ARCHIVED, "registered_by": fact.registered_by, "take_over": None}
        case _:
            changes = _changed(state, fact)
    return replace(state, **changes, waits=_waits(state, fact))


#: Under which a dossier itself waits.
REVIEW = "review"


def _waits(state: Dossier, fact: Fact) -> Mapping[str, Wait]:
    match fact:
        case DossierSubmitted():
            return _waiting(state, REVIEW, fact.number, DelegableStep.DOSSIER_REVIEW, fact)
        case CustomerChangeProposed():
            return _waiting(state, fact.change, fact.change, DelegableStep.DOSSIER_CHANGE, fact)
        case RelationRequested():
            return _waiting(state, fact.relation, fact.relation, DelegableStep.DOSSIER_CHANGE, fact)
        case _:
            return _without(state.waits, _answered(fact))


def _answered(fact: Fact) -> str | None:
    """Under which name waited what a fact answers."""
    match fact:
        case DossierReturned() | CustomerRegistered():
            return REVIEW
        case CustomerChangeDeclined() | CustomerChanged() | OwnerAssigned():
            return fact.change
        case RelationDeclined():
            return fact.relation
        case _:
            return None


def _waiting(
    state: Dossier,
    name: str,
    thing: str,
    step: DelegableStep,
    fact: DossierSubmitted | CustomerChangeProposed | RelationRequested,
) -> Mapping[str, Wait]:
    if fact.asked_on is None:
        return state.waits  # asked before anybody was told of what nobody answers
    wait = Wait(
        thing=thing,
        step=step,
        waiting_for=(Role.DEPT_MANAGER,),
        since=fact.asked_on,
        answer_due_on=fact.answer_due_on,
        customer=fact.customer,
        department=fact.department,
    )
    return {**state.waits, name: wait}


def _changed(state: Dossier, fact: Fact) -> dict[str, Any]:
    """What a fact changes in an archived dossier."""
    changes: dict[str, Any] = {}
    match fact:
        case MajorChangeEntered():
            changes = {"changes": {**state.changes, fact.change: fact}}
        case CustomerChangeDeclined():
            changes = {"changes": _without(state.changes, fact.change)}
        case CustomerChanged():
            changes = {
                "content": _with(state, fact, *CHANGEABLE),
                "affiliation": None if fact.affiliation_ended else (fact.affiliation or state.affiliation),
                "changes": _without(state.changes, fact.change),
            }
        case ParticularsChanged():
            changes = {"content": _with(state, fact, *PARTICULARS)}
        case OwnerAssigned():
            changes = {
                "owner": fact.owner,
                "department": fact.department,
                "content": _with(state, fact, "relations", "collaborators"),
                "changes": _without(state.changes, fact.change),
                "requests": _without(state.requests, fact.change),
            }
        case RelationRequested():
            changes = {"requests": {**state.requests, fact.relation: fact}}
        case RelationDeclined():
            changes = {"requests": _without(state.requests, fact.relation)}
        case _:
            changes = _closed_or_merged(state, fact)
    return changes


def _closed_or_merged(state: Dossier, fact: Fact) -> dict[str, Any]:
    changes: dict[str, Any] = {}
    match fact:
        case CustomerClosed():
            changes = {"status": Status.CLOSED}
        case CustomerReopened():
            changes = {"status": Status.ARCHIVED}
        case CustomerMergeProposed():
            changes = {"merge": fact}
        case CustomerMergeDeclined():
            changes = {"merge": None}
        case CustomersMerged() if fact.survivor == state.customer:
            changes = {"merge": None, "merged": {**state.merged, fact.merged: fact}}
        case CustomersMerged():
            changes = {"merged_into": fact.survivor}
        case CustomersUnmerged() if fact.survivor == state.customer:
            changes = {"merge": None, "merged": _without(state.merged, fact.merged)}
        case CustomersUnmerged():
            changes = {"merged_into": None}
        case _:
            pass
    return changes


#: What `CustomerChanged` may say of the form.
CHANGEABLE = (
    "name",
    "kind",
    "region",
    "contacts",
    "important_potential",
    "identity_kind",
    "identity",
    "legal_representative",
    "bank_tax",
)
#: What `ParticularsChanged` may say of it.
PARTICULARS = ("nature", "nature_remark", "supervising_body", "address", "region_remark", "dealings")


def _with(state: Dossier, fact: Fact, *fields: str) -> DossierContent:
    said: dict[str, Any] = {name: value for name in fields if (value := getattr(fact, name)) is not None}
    return state.content.model_copy(update=said)


def _without(mapping: Mapping[str, Any], key: str | None) -> Mapping[str, Any]:
    return {one: value for one, value in mapping.items() if one != key} if key in mapping else mapping


DOSSIERS = Category(
    name="customer",
    facts=(
        StepEscalated,
        DossierDrafted,
        DossierEdited,
        DuplicateChecked,
        TakeOverProposed,
        DossierSubmitted,
        DossierReturned,
        CustomerRegistered,
        CustomerTakenOver,
        CustomerChanged,
        ParticularsChanged,
        MajorChangeEntered,
        CustomerChangeProposed,
        CustomerChangeDeclined,
        OwnerAssigned,
        RelationRequested,
        RelationDeclined,
        CustomerClosed,
        CustomerReopened,
        CustomerMergeProposed,
        CustomerMergeDeclined,
        CustomersMerged,
        CustomersUnmerged,
    ),
    initial=Dossier(),
    evolve=evolve,
)
