"""Dossiers (F4) over HTTP: from the first draft into the archive, and what changes there."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Sequence
from functools import partial
from typing import Annotated

from fastapi import APIRouter
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from kehu.contracts.customers import Affiliation, CustomerKind, IdentityKind
from kehu.errors import Refused
from kehu.event_store import Taken
from kehu.http import Acting, ActingRequest, Answer, Editing, StreamId
from kehu.ids import new_id
from kehu.text import Line, Paragraph
from kehu_customer_registry.dossiers import changes, decisions
from kehu_customer_registry.dossiers.changes import AssignOwner, ChangeDossier, SetAffiliation
from kehu_customer_registry.dossiers.decisions import (
    IDENTITY_SCOPE,
    NUMBER_SCOPE,
    DraftDossier,
    EditDossier,
    ReturnDossier,
    SalesForce,
    missing,
)
from kehu_customer_registry.dossiers.facts import DOSSIERS, Dossier, Nature, Status
from kehu_customer_registry.dossiers.form import (
    MOST_COLLABORATORS,
    ChangeForm,
    DossierForm,
    DraftForm,
    EditForm,
    identity_warning,
)
from kehu_customer_registry.dossiers.rights import Sight, check_visible
from kehu_customer_registry.dossiers.views import number_of
from kehu_customer_registry.history import Recorded, mask
from kehu_customer_registry.staff.decisions import Code

router = APIRouter(tags=["dossiers"])

_NUMBER = re.compile(r"K\d{6,18}", re.ASCII)
# Uses the primary keys of both tables.
_SALES_FORCE = """
SELECT g.person, g.department FROM staff_grants g JOIN staff s USING (person)
WHERE g.person = ANY ($1) AND g.role = 'salesperson' AND s.last_day IS NULL AND NOT s.ended
"""


class IdentityTaken(Refused):
    """There is a dossier with this identity already."""

    code = "identity-taken"


class ReturnForm(BaseModel):
    """Why a dossier is given back."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    remarks: Annotated[Paragraph, Field(min_length=1)]


class AffiliationForm(BaseModel):
    """That a customer belongs to us in part or whole, or (null) no longer."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    affiliation: Affiliation | None
    proof: Line
    occurred_on: AwareDatetime | None = None


class OwnerForm(BaseModel):
    """Who owns the customer, and who else works with it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    owner: Code
    collaborators: Annotated[tuple[Code, ...], Field(max_length=MOST_COLLABORATORS)] = ()


class ContactShown(BaseModel):
    """A person at the customer; masked for auditors, 已删除 where they had their data erased."""

    person: str
    name: str
    phone: str
    title: str
    audience: str | None
    main: bool
    marketing_consent_at: AwareDatetime | None


class DossierShown(BaseModel):
    """A dossier as it stands."""

    customer: str
    number: str
    status: Status
    department: str
    owner: str
    collaborators: list[str]
    name: str
    kind: CustomerKind | None
    nature: Nature | None
    nature_remark: str | None
    affiliation: Affiliation | None
    supervising_body: str | None
    address: str | None
    region: str | None
    identity_kind: IdentityKind | None
    identity: str | None
    no_identity_reason: str | None
    important_potential: bool
    contacts: list[ContactShown]
    submitted_by: str | None
    remarks: str | None = Field(description="What it was returned with.")
    registered_by: str | None
    missing: list[str] = Field(description="Fields that R4.2 asks for before it can be submitted.")
    warnings: list[str] = Field(description="What a reviewer should look at twice.")

    @classmethod
    def of(cls, dossier: Dossier, seen: Sight) -> DossierShown:
        """As somebody with this sight sees it."""
        content = dossier.content
        shown = mask if seen is Sight.MASKED else str
        warning = identity_warning(content.identity_kind, content.identity)
        return cls(
            customer=dossier.customer,
            number=dossier.number,
            status=dossier.status,
            department=dossier.department,
            owner=dossier.owner,
            collaborators=list(content.collaborators),
            name=content.name,
            kind=content.kind,
            nature=content.nature,
            nature_remark=content.nature_remark if content.nature is Nature.OTHER else None,
            affiliation=dossier.affiliation,
            supervising_body=content.supervising_body,
            address=content.address,
            region=content.region,
            identity_kind=content.identity_kind,
            identity=content.identity,
            no_identity_reason=content.no_identity_reason,
            important_potential=content.important_potential,
            contacts=[
                ContactShown(
                    person=contact.person,
                    name=shown(contact.name),
                    phone=shown(contact.phone),
                    title=contact.title,
                    audience=contact.audience,
                    main=contact.main,
                    marketing_consent_at=contact.marketing_consent_at,
                )
                for contact in content.contacts
            ],
            submitted_by=dossier.submitted_by,
            remarks=dossier.remarks,
            registered_by=dossier.registered_by,
            missing=[name for name, _, _ in missing(content)],
            warnings=[warning] if warning else [],
        )


@router.post("/dossiers", status_code=201)
async def draft_dossier(body: DraftForm, request: Acting) -> Answer:
    """Open a dossier (F4): name and department are enough for a prospect. The answer has its number (客户编号)."""
    customer = str(new_id())
    number = number_of(await request.pool.fetchval("SELECT nextval('customer_numbers')"))
    people = _new_people(body)
    command = DraftDossier(customer, number, body.department, body.given(people), frozenset(people))
    return await _naming_the_existing(
        request,
        request.create(
            DOSSIERS,
            customer,
            partial(decisions.draft_dossier, command),
            gathered=await _sales_force(request, body.collaborators),
            numbers={"number": number},
        ),
    )


@router.patch("/dossiers/{customer}")
async def edit_dossier(customer: StreamId, body: EditForm, request: Editing) -> Answer:
    """Change a dossier that is a draft or was returned; fields that are not sent stay."""
    people = _new_people(body)
    command = EditDossier(body.given(people), frozenset(people))
    return await _naming_the_existing(
        request,
        request.handle(
            DOSSIERS,
            customer,
            partial(decisions.edit_dossier, command),
            gathered=await _sales_force(request, body.collaborators),
        ),
    )


@router.post("/dossiers/{customer}/submit")
async def submit_dossier(customer: StreamId, request: Editing) -> Answer:
    """Hand a dossier in for review; its owner does."""
    return await request.handle(DOSSIERS, customer, decisions.submit_dossier)


@router.post("/dossiers/{customer}/return")
async def return_dossier(customer: StreamId, body: ReturnForm, request: Editing) -> Answer:
    """Give a submitted dossier back with remarks; the department's manager does."""
    return await request.handle(DOSSIERS, customer, partial(decisions.return_dossier, ReturnDossier(body.remarks)))


@router.post("/dossiers/{customer}/pass")
async def pass_dossier(customer: StreamId, request: Editing) -> Answer:
    """Pass a submitted dossier: it is archived and the customer registered; the department's manager does."""
    return await request.handle(DOSSIERS, customer, decisions.pass_dossier)


@router.post("/dossiers/{customer}/changes")
async def change_dossier(customer: StreamId, body: ChangeForm, request: Editing) -> Answer:
    """Bring an archived dossier up to date; name, kind and identity only by the department's manager."""
    people = _new_people(body)
    command = ChangeDossier(body.given(people), frozenset(people), body.occurred_on)
    return await _naming_the_existing(
        request, request.handle(DOSSIERS, customer, partial(changes.change_dossier, command))
    )


@router.post("/dossiers/{customer}/affiliation")
async def set_affiliation(customer: StreamId, body: AffiliationForm, request: Editing) -> Answer:
    """Set or end an affiliation (joint venture, wholly-owned subsidiary); 市场部 does, with proof."""
    command = SetAffiliation(body.affiliation, body.proof, body.occurred_on)
    return await request.handle(DOSSIERS, customer, partial(changes.set_affiliation, command))


@router.post("/dossiers/{customer}/owner")
async def assign_owner(customer: StreamId, body: OwnerForm, request: Editing) -> Answer:
    """Give an archived customer another owner or other collaborators; the department's manager does."""
    command = AssignOwner(body.owner, body.collaborators)
    force = await _sales_force(request, (body.owner, *body.collaborators))
    return await request.handle(DOSSIERS, customer, partial(changes.assign_owner, command), gathered=force)


@router.get("/dossiers/{customer}")
async def show_dossier(customer: StreamId, request: Acting) -> DossierShown:
    """One dossier by its id or number, with its ETag."""
    dossier, seen = await visible_dossier(request, customer)
    return DossierShown.of(dossier, seen)


@router.get("/dossiers/{customer}/history")
async def show_history(customer: StreamId, request: Acting) -> list[Recorded]:
    """Everything that happened to a dossier, when and by whom; old values stay here (R4.4)."""
    dossier, seen = await visible_dossier(request, customer)
    facts = await request.history(DOSSIERS, dossier.customer)
    return [Recorded.of(recorded, masked=seen is Sight.MASKED) for recorded in facts]


async def visible_dossier(request: ActingRequest, named: str) -> tuple[Dossier, Sight]:
    """A dossier by id or 客户编号, and how much of it the reader sees; its version becomes the answer's ETag.

    Raises:
        NotFound: there is none, or none that they may see.

    """
    customer = named
    if _NUMBER.fullmatch(named):
        claim = await request.running.store.read_claim(NUMBER_SCOPE, named)
        customer = claim["holder"] if claim else named
    dossier, version = await request.running.commands.load(DOSSIERS, customer)
    seen = check_visible(dossier, request.actor)
    request.tag(version)
    return dossier, seen


async def _naming_the_existing(request: ActingRequest, answering: Awaitable[Answer]) -> Answer:
    """The answer; where the identity is another dossier's, a refusal that names it by number and department alone."""
    try:
        return await answering
    except Taken as taken:
        if taken.scope != IDENTITY_SCOPE:
            raise
        holder, _ = await request.running.commands.load(DOSSIERS, taken.holder)
    raise IdentityTaken(
        f"该证照号码已建有客户档案 {holder.number}(部门 {holder.department})。"
        "一个客户只建一份档案:请联系该部门,以协作营销员身份参与。",
        f"There is a dossier with this identity already: {holder.number} (department {holder.department}). "
        "One customer has one dossier: ask that department to make you a collaborator.",
        clause="R4.2",
        number=holder.number,
        department=holder.department,
    )


def _new_people(form: DossierForm) -> list[str]:
    return [str(new_id()) for _ in form.contacts]


async def _sales_force(request: ActingRequest, people: Sequence[str]) -> SalesForce:
    if not people:
        return SalesForce()
    departments: dict[str, frozenset[str]] = {}
    for row in await request.pool.fetch(_SALES_FORCE, list(people)):
        departments[row["person"]] = departments.get(row["person"], frozenset()) | {row["department"]}
    return SalesForce(departments)
