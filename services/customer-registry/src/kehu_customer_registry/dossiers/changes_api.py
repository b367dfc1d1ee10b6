"""What changes with an archived customer, over HTTP: changes, relations, affiliation, owner, closing."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from kehu.commands import Thing
from kehu.contracts.customers import Affiliation, CustomerKind
from kehu.deciding import Context, Decision
from kehu.http import Acting, Answer, Editing, StreamId
from kehu.ids import new_id
from kehu.text import Line, Paragraph
from kehu_customer_registry.commitments.facts import COMMITMENTS
from kehu_customer_registry.dossiers import changes, closing, relations
from kehu_customer_registry.dossiers.api import new_people
from kehu_customer_registry.dossiers.changes import (
    AssignOwner,
    ChangeDossier,
    DeclineChange,
    PassChange,
    SetAffiliation,
)
from kehu_customer_registry.dossiers.closing import CloseCustomer, ReopenCustomer
from kehu_customer_registry.dossiers.facts import DOSSIERS
from kehu_customer_registry.dossiers.finding import find_customer, handle_with_people, load_dossier, naming_the_existing
from kehu_customer_registry.dossiers.form import MOST_COLLABORATORS, ChangeForm, Region, Relations
from kehu_customer_registry.dossiers.form import relations as as_relations
from kehu_customer_registry.dossiers.relations import AgreeToRelation, DeclineRelation, RequestRelation
from kehu_customer_registry.purchases.views import open_orders
from kehu_customer_registry.staff.decisions import Code

router = APIRouter(tags=["dossiers"])


class _Form(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class RemarksForm(_Form):
    """Why something is not passed, or taken back."""

    remarks: Annotated[Paragraph, Field(min_length=1)]


class ReasonForm(_Form):
    """Why."""

    reason: Annotated[Paragraph, Field(min_length=1)]


class RelationForm(_Form):
    """In which region and kind somebody wants to deal with the customer, and why."""

    kind: CustomerKind
    region: Region
    reason: Annotated[Paragraph, Field(min_length=1)]


class AffiliationForm(_Form):
    """That a customer belongs to us in part or whole, or (null) no longer."""

    affiliation: Affiliation | None
    proof: Line
    occurred_on: AwareDatetime | None = None


class OwnerForm(_Form):
    """Who owns the customer, and who else works with it; relations that are not sent stay."""

    owner: Code
    collaborators: Annotated[tuple[Code, ...], Field(max_length=MOST_COLLABORATORS)] = ()
    relations: Relations | None = None


@router.post("/dossiers/{customer}/changes")
async def change_dossier(customer: StreamId, body: ChangeForm, request: Editing) -> Answer:
    """Bring an archived dossier up to date.

    Name, kind, identity, legal representative, bank and tax, and owner wait for the department's manager (the answer's
    `change` is their proposal); the rest holds at once.
    """
    here = await find_customer(request.running, customer)
    people = new_people(body)
    change = str(new_id())
    command = ChangeDossier(body.given(people), frozenset(people), body.occurred_on, change)
    handling = handle_with_people(
        request,
        here,
        partial(changes.change_dossier, command),
        (body.owner,) if body.owner else (),
        numbers={"change": change},
    )
    return await naming_the_existing(request, handling)


@router.post("/dossiers/{customer}/changes/{change}/pass")
async def pass_change(customer: StreamId, change: StreamId, request: Editing) -> Answer:
    """Let a proposed major change take effect; the department's manager does, never whoever proposed it."""
    dossier, _ = await load_dossier(request.running, customer)
    entered = dossier.changes.get(change)
    owner = entered.values.owner if entered else None
    return await handle_with_people(
        request,
        dossier.customer or customer,
        partial(changes.pass_change, PassChange(change)),
        (owner,) if owner else (),
    )


@router.post("/dossiers/{customer}/changes/{change}/decline")
async def decline_change(customer: StreamId, change: StreamId, body: RemarksForm, request: Editing) -> Answer:
    """Turn a major change down with remarks, as the manager; or take one's own back."""
    here = await find_customer(request.running, customer)
    return await request.handle(DOSSIERS, here, partial(changes.decline_change, DeclineChange(change, body.remarks)))


@router.post("/dossiers/{customer}/relations", status_code=201)
async def request_relation(customer: StreamId, body: RelationForm, request: Acting) -> Answer:
    """Ask to deal with an existing customer in another region or kind: what follows a refused second dossier."""
    here = await find_customer(request.running, customer)
    relation = str(new_id())
    command = RequestRelation(relation, body.kind, body.region, body.reason)
    return await request.create(
        DOSSIERS, here, partial(relations.request_relation, command), numbers={"relation": relation}
    )


@router.post("/dossiers/{customer}/relations/{relation}/pass")
async def agree_to_relation(customer: StreamId, relation: StreamId, request: Editing) -> Answer:
    """Agree to a relation, as the manager of the customer's department: whoever asked collaborates from now on."""
    dossier, _ = await load_dossier(request.running, customer)
    asked = dossier.requests.get(relation)
    return await handle_with_people(
        request,
        dossier.customer or customer,
        partial(relations.agree_to_relation, AgreeToRelation(relation)),
        (asked.requested_by,) if asked else (),
    )


@router.post("/dossiers/{customer}/relations/{relation}/decline")
async def decline_relation(customer: StreamId, relation: StreamId, body: RemarksForm, request: Acting) -> Answer:
    """Turn a relation down with remarks, as the manager; or take one's own request back."""
    here = await find_customer(request.running, customer)
    command = DeclineRelation(relation, body.remarks)
    return await request.handle(DOSSIERS, here, partial(relations.decline_relation, command))


@router.post("/dossiers/{customer}/affiliation")
async def set_affiliation(customer: StreamId, body: AffiliationForm, request: Editing) -> Answer:
    """Set or end an affiliation (joint venture, wholly-owned subsidiary); 市场部 does, with proof."""
    here = await find_customer(request.running, customer)
    command = SetAffiliation(body.affiliation, body.proof, body.occurred_on)
    return await request.handle(DOSSIERS, here, partial(changes.set_affiliation, command))


@router.post("/dossiers/{customer}/owner")
async def assign_owner(customer: StreamId, body: OwnerForm, request: Editing) -> Answer:
    """Give an archived customer another owner, other collaborators or relations; the department's manager does."""
    dossier, _ = await load_dossier(request.running, customer)
    given = None if body.relations is None else as_relations(body.relations)
    command = AssignOwner(body.owner, body.collaborators, given)
    related = dossier.content.relations if given is None else given
    people = (body.owner, *body.collaborators, *(one.salesperson for one in related))
    here = dossier.customer or customer
    return await handle_with_people(request, here, partial(changes.assign_owner, command), people)


@router.post("/dossiers/{customer}/close")
async def close_customer(customer: StreamId, body: ReasonForm, request: Editing) -> Answer:
    """End the relation with a customer; its dossier stays. The manager does; `open_orders` are those that go on.

    Refused while a qualification review is open or a released batch has not shipped.
    """
    here = await find_customer(request.running, customer)

    def decide(states: Sequence[Any], context: Context) -> Sequence[Decision]:
        dossier, holds = states
        return closing.close_customer(CloseCustomer(body.reason), dossier, context, holds=holds), Decision()

    things = [Thing(DOSSIERS, here), Thing(COMMITMENTS, here, must_exist=False)]
    return await request.handle_together(things, decide, numbers={"open_orders": await open_orders(request.pool, here)})


@router.post("/dossiers/{customer}/reopen")
async def reopen_customer(customer: StreamId, body: ReasonForm, request: Editing) -> Answer:
    """Make a closed customer one again; the department's manager does."""
    dossier, _ = await load_dossier(request.running, customer)
    command = ReopenCustomer(body.reason)
    here = dossier.customer or customer
    return await handle_with_people(request, here, partial(closing.reopen_customer, command), (dossier.owner,))
