"""What can have happened to a customer's dossier (F4), and the state that it adds up to."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from pydantic import AwareDatetime, BaseModel, ConfigDict

from kehu.contracts.customers import (
    Affiliation,
    Contact,
    CustomerChanged,
    CustomerKind,
    CustomerRegistered,
    DossierReturned,
    DossierSubmitted,
    IdentityKind,
    OwnerAssigned,
)
from kehu.deciding import Category
from kehu.facts import Fact


class Nature(StrEnum):
    """The nature of an enterprise (企业性质, R4.2); free text only beside `other`."""

    STATE_OWNED = "state_owned"  # 国有企业
    COLLECTIVE = "collective"  # 集体企业
    LIMITED_LIABILITY = "limited_liability"  # 有限责任公司
    JOINT_STOCK = "joint_stock"  # 股份有限公司
    SOLE_PROPRIETORSHIP = "sole_proprietorship"  # 个人独资企业
    PARTNERSHIP = "partnership"  # 合伙企业
    INDIVIDUAL_BUSINESS = "individual_business"  # 个体工商户
    FOREIGN_INVESTED = "foreign_invested"  # 外商投资企业
    FOREIGN = "foreign"  # 境外企业
    PUBLIC_BODY = "public_body"  # 机关、事业单位、社会团体
    OTHER = "other"  # 其他,须说明


class DossierContent(BaseModel):
    """What the form says; a prospect's may have little more than a name (R2)."""

    model_config = ConfigDict(frozen=True, extra="allow")

    name: str
    kind: CustomerKind | None = None
    nature: Nature | None = None
    nature_remark: str | None = None
    supervising_body: str | None = None
    address: str | None = None
    region: str | None = None
    identity_kind: IdentityKind | None = None
    identity: str | None = None
    no_identity_reason: str | None = None
    contacts: tuple[Contact, ...] = ()
    collaborators: tuple[str, ...] = ()
    important_potential: bool = False


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


class ParticularsChanged(Fact, clause="R4.4"):
    """Fields of an archived dossier that concern nobody outside the registry; only those that changed are set."""

    customer: str
    nature: Nature | None = None
    nature_remark: str | None = None
    supervising_body: str | None = None
    address: str | None = None
    occurred_on: AwareDatetime | None = None

    def occurred(self, now: datetime) -> datetime:
        """When the change happened, where it is known to differ from when it was entered."""
        return self.occurred_on or now


class Status(StrEnum):
    """Where a dossier stands (R4.3)."""

    NONE = "none"
    DRAFT = "draft"  # 草稿
    SUBMITTED = "submitted"  # 待审
    RETURNED = "returned"  # 退回
    ARCHIVED = "archived"  # 已归档


#: In which its salespeople may still write.
OPEN = frozenset({Status.DRAFT, Status.RETURNED})


@dataclass(frozen=True, slots=True)
class Dossier:
    """A dossier; with status `NONE` there is none.

    `submitted_by` is who handed it in last, `remarks` what it was returned with.
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


def evolve(state: Dossier, fact: Fact) -> Dossier:
    """What a fact makes of a dossier."""
    match fact:
        case DossierDrafted():
            return Dossier(fact.customer, fact.number, fact.department, fact.owner, Status.DRAFT, fact.content)
        case DossierEdited():
            return replace(state, content=fact.content)
        case DossierSubmitted():
            return replace(state, status=Status.SUBMITTED, submitted_by=fact.submitted_by, remarks=None)
        case DossierReturned():
            return replace(state, status=Status.RETURNED, remarks=fact.remarks)
        case CustomerRegistered():
            return replace(state, status=Status.ARCHIVED, registered_by=fact.registered_by)
        case _:
            return _changed(state, fact)


def _changed(state: Dossier, fact: Fact) -> Dossier:
    """What a fact makes of an archived dossier."""
    match fact:
        case CustomerChanged():
            affiliation = None if fact.affiliation_ended else (fact.affiliation or state.affiliation)
            return replace(_with(state, fact, *_CHANGEABLE), affiliation=affiliation)
        case ParticularsChanged():
            return _with(state, fact, "nature", "nature_remark", "supervising_body", "address")
        case OwnerAssigned():
            content = state.content.model_copy(update={"collaborators": fact.collaborators})
            return replace(state, owner=fact.owner, department=fact.department, content=content)
        case _:
            return state


_CHANGEABLE = ("name", "kind", "region", "contacts", "important_potential", "identity_kind", "identity")


def _with(state: Dossier, fact: Fact, *fields: str) -> Dossier:
    said: dict[str, Any] = {name: value for name in fields if (value := getattr(fact, name)) is not None}
    return replace(state, content=state.content.model_copy(update=said))


DOSSIERS = Category(
    name="customer",
    facts=(
        DossierDrafted,
        DossierEdited,
        DossierSubmitted,
        DossierReturned,
        CustomerRegistered,
        CustomerChanged,
        ParticularsChanged,
        OwnerAssigned,
    ),
    initial=Dossier(),
    evolve=evolve,
)
