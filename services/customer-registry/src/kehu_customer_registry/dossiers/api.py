"""Dossiers (F4) over HTTP: from the first draft into the archive, and as they stand. Ids and 客户编号 serve alike."""

from __future__ import annotations

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from kehu.errors import NotFound
from kehu.http import OPEN_TO_LEAVERS, Acting, ActingRequest, Answer, Editing, StreamId
from kehu.ids import new_id
from kehu.text import Paragraph
from kehu_customer_registry.dossiers import decisions
from kehu_customer_registry.dossiers.decisions import (
    Around,
    CheckDuplicate,
    DraftDossier,
    EditDossier,
    Resembling,
    ReturnDossier,
)
from kehu_customer_registry.dossiers.facts import DOSSIERS, Dossier, Status
from kehu_customer_registry.dossiers.finding import (
    find_customer,
    handle_with_people,
    load_dossier,
    naming_the_existing,
    visible_dossier,
)
from kehu_customer_registry.dossiers.form import DossierForm, DraftForm, EditForm
from kehu_customer_registry.dossiers.resembling import Found, Keys, find_resembling
from kehu_customer_registry.dossiers.rights import Sight, sees_listed
from kehu_customer_registry.dossiers.shown import (
    DossierShown,
    ResemblingShown,
    ValueShown,
    as_of,
    resembling_shown,
    values_of,
)
from kehu_customer_registry.dossiers.views import number_of
from kehu_customer_registry.history import Recorded

router = APIRouter(tags=["dossiers"])


class ReturnForm(BaseModel):
    """Why a dossier is given back."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    remarks: Annotated[Paragraph, Field(min_length=1)]


class NotTheSameForm(BaseModel):
    """Why a dossier that resembles this one is another customer's."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    number: Annotated[str, Field(pattern=r"^K\d{6,18}$", description="The other one's 客户编号.")]
    because: Annotated[Paragraph, Field(min_length=1)]


@router.post("/dossiers", status_code=201)
async def draft_dossier(body: DraftForm, request: Acting) -> Answer:
    """Open a dossier (F4): name and department are enough for a prospect. The answer has its number (客户编号)."""
    customer = str(new_id())
    number = number_of(await request.pool.fetchval("SELECT nextval('customer_numbers')"))
    people = new_people(body)
    command = DraftDossier(customer, number, body.department, body.given(people), frozenset(people))
    return await naming_the_existing(
        request,
        handle_with_people(
            request,
            customer,
            partial(decisions.draft_dossier, command),
            (request.actor.id, *named_in(body)),
            must_exist=False,
            numbers={"number": number},
        ),
    )


@router.patch("/dossiers/{customer}")
async def edit_dossier(customer: StreamId, body: EditForm, request: Editing) -> Answer:
    """Change a dossier that is a draft or was returned; fields that are not sent stay."""
    dossier, _ = await load_dossier(request.running, customer)
    people = new_people(body)
    command = EditDossier(body.given(people), frozenset(people))
    return await naming_the_existing(
        request,
        handle_with_people(
            request,
            dossier.customer or customer,
            partial(decisions.edit_dossier, command),
            # An edit may also bring back those who stand in the dossier's relations.
            (*named_in(body), *dossier.content.collaborators),
        ),
    )


@router.post("/dossiers/{customer}/duplicates")
async def check_duplicate(customer: StreamId, body: NotTheSameForm, request: Editing) -> Answer:
    """Say of a dossier that resembles this one why it is another customer's; asked for before it is submitted."""
    other, _ = await load_dossier(request.running, body.number)
    if other.status is Status.NONE:
        raise NotFound(f"没有客户编号 {body.number}。", f"There is no customer {body.number}.", clause="R4")
    command = CheckDuplicate(other.customer, body.number, body.because)
    here = await find_customer(request.running, customer)
    return await request.handle(DOSSIERS, here, partial(decisions.check_duplicate, command))


@router.post("/dossiers/{customer}/submit")
async def submit_dossier(customer: StreamId, request: Editing) -> Answer:
    """Hand a dossier in for review; its owner does. Dossiers that resemble it have to be decided on before."""
    dossier, _ = await load_dossier(request.running, customer)
    around = Around(await resembling_of(request, dossier))
    return await request.handle(DOSSIERS, dossier.customer or customer, decisions.submit_dossier, gathered=around)


@router.post("/dossiers/{customer}/return")
async def return_dossier(customer: StreamId, body: ReturnForm, request: Editing) -> Answer:
    """Give a submitted dossier back with remarks; the department's manager does."""
    here = await find_customer(request.running, customer)
    return await request.handle(DOSSIERS, here, partial(decisions.return_dossier, ReturnDossier(body.remarks)))


@router.post("/dossiers/{customer}/pass")
async def pass_dossier(customer: StreamId, request: Editing) -> Answer:
    """Pass a submitted dossier: it is archived and the customer registered; the department's manager does."""
    here = await find_customer(request.running, customer)
    return await request.handle(DOSSIERS, here, decisions.pass_dossier)


@router.get("/dossiers/{customer}", openapi_extra=OPEN_TO_LEAVERS)
async def show_dossier(
    customer: StreamId,
    request: Acting,
    as_of_: Annotated[
        AwareDatetime | None, Query(alias="as_of", description="As it was at this moment, by when things occurred.")
    ] = None,
    known_at: Annotated[AwareDatetime | None, Query(description="By what had been recorded until this moment.")] = None,
) -> DossierShown:
    """One dossier by its id or number, with its ETag; as it stands, or as of a moment."""
    dossier, seen = await visible_dossier(request, customer)
    if as_of_ is not None or known_at is not None:
        facts = await request.running.commands.history(DOSSIERS, dossier.customer)
        then = as_of(facts, occurred=as_of_, known=known_at)
        if then.status is Status.NONE:
            raise NotFound(
                "该时点尚无此档案。请选择更晚的时间。",
                "There was no such dossier at that moment. Choose a later one.",
                clause="R4.4",
                code="dossier-not-found",
            )
        return DossierShown.of(then, seen)
    return DossierShown.of(dossier, seen, await _duplicates_shown(request, dossier))


@router.get("/dossiers/{customer}/history")
async def show_history(customer: StreamId, request: Acting) -> list[Recorded]:
    """Everything that happened to a dossier, when and by whom; old values stay here (R4.4)."""
    dossier, seen = await visible_dossier(request, customer)
    facts = await request.history(DOSSIERS, dossier.customer)
    return [Recorded.of(recorded, masked=seen is Sight.MASKED) for recorded in facts]


@router.get("/dossiers/{customer}/fields/{field}")
async def show_field(
    customer: StreamId, field: Annotated[str, Path(pattern=r"^[a-z_]{1,40}$")], request: Acting
) -> list[ValueShown]:
    """Every value that a field has had: when it occurred, when it was recorded, by whom, and whether late (R4.4)."""
    dossier, seen = await visible_dossier(request, customer)
    if field not in DossierShown.model_fields:
        raise NotFound(
            f"档案没有“{field}”这一项。", f"A dossier has no field {field}.", clause="R4.4", code="field-unknown"
        )
    return values_of(await request.running.commands.history(DOSSIERS, dossier.customer), field, seen)


async def resembling_of(request: ActingRequest, dossier: Dossier) -> list[Resembling]:
    """Dossiers that resemble one, whoever may see them.

    They come from a view: it is for people to look at, not what keeps an identity unique.
    """
    return [one.resembling for one in await _found(request, dossier)]


async def _duplicates_shown(request: ActingRequest, dossier: Dossier) -> list[ResemblingShown]:
    """Shown until it is archived: after that they have been decided on."""
    if dossier.registered:
        return []
    return [found_shown(request, one, dossier) for one in await _found(request, dossier)]


def found_shown(request: ActingRequest, one: Found, dossier: Dossier | None = None) -> ResemblingShown:
    """What the reader is told of a dossier that was found."""
    visible = sees_listed(request.actor, one.resembling.department, one.owner, one.collaborators)
    because = dossier.checked.get(one.resembling.customer) if dossier else None
    return resembling_shown(one.resembling, because, one.name if visible else None)


async def _found(request: ActingRequest, dossier: Dossier) -> list[Found]:
    if dossier.status is Status.NONE:
        return []
    index_key = request.running.keyring.index_key
    return await find_resembling(request.pool, index_key, Keys.of(dossier.content), apart_from=dossier.customer)


def new_people(form: DossierForm) -> list[str]:
    """Ids for whoever in a form has none: its contacts, the legal representative, the account's holder."""
    return [str(new_id()) for _ in range(len(form.contacts) + 2)]


def named_in(form: DossierForm) -> tuple[str, ...]:
    """The salespeople whom a form names."""
    return (*form.collaborators, *(one.salesperson for one in form.relations))
