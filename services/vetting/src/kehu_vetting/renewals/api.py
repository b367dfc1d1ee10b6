"""Renewals over HTTP: hand renewed papers in, pass them, give them back."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from kehu.commands import Thing
from kehu.contracts.vetting import RenewalReturned, RenewalStepPassed, Step
from kehu.files import FileStore
from kehu.http import Acting, ActingRequest, Answer, Editing, Page, Paging, StreamId
from kehu.ids import new_id
from kehu.standing_in import Signature
from kehu_vetting.bodies import Body, Code, Text
from kehu_vetting.customer_files.finding import find_customer, find_survivor, load_file, load_surviving_file
from kehu_vetting.qualifications.bodies import MOST_DOCUMENTS, DocumentBody
from kehu_vetting.qualifications.form import Document
from kehu_vetting.renewals import decisions
from kehu_vetting.renewals.facts import RENEWALS, Renewal, RenewalStatus
from kehu_vetting.renewals.views import list_renewals
from kehu_vetting.settlement_units.facts import SETTLEMENT_UNITS, Unit
from kehu_vetting.settlement_units.finding import find_unit, load_unit
from kehu_vetting.sight import check_visible, scope
from kehu_vetting.standing.facts import STANDINGS, Standing

router = APIRouter(tags=["renewals"])

Papers = Annotated[tuple[DocumentBody, ...], Field(max_length=MOST_DOCUMENTS)]


class RenewalBody(Body):
    """Renewed papers: of the customer, of a payer of its, or the renewed three-party agreement with that payer."""

    papers: Papers = ()
    unit: Annotated[Code | None, Field(description="The payer: its id, number or identity.")] = None
    unit_papers: Papers = ()
    agreement: DocumentBody | None = None


class StepBody(Body):
    """Whose step it is: ``vetting`` or ``finance``."""

    step: Step


class RemarksBody(StepBody):
    """What is wrong with it."""

    remarks: Text


class SignOffShown(BaseModel):
    """A signature."""

    step: Step
    signed_by: str
    on_behalf_of: str | None
    shown_as: str = Field(description="B代A where a delegate signed.")
    signed_at: datetime


class RenewalShown(BaseModel):
    """A renewal as it stands."""

    renewal: str
    customer: str
    number: str
    name: str
    department: str
    owner: str
    status: RenewalStatus
    step: Step | None = Field(description="Whose turn it is.")
    submitted_by: str
    papers: list[Document]
    unit: str | None
    unit_papers: list[Document]
    agreement: Document | None
    sign_offs: list[SignOffShown]
    remarks: str | None


class RenewalRow(BaseModel):
    """A line of the list."""

    renewal: str
    customer: str
    number: str
    name: str
    department: str
    owner: str
    status: RenewalStatus
    step: Step | None
    since: datetime
    documents: list[str]
    unit: str | None
    submitted_by: str


@router.post("/customers/{customer}/renewals", status_code=201)
async def submit_renewal(customer: StreamId, body: RenewalBody, request: Acting) -> Answer:
    """Hand renewed papers in. The customer's owner does; vetting and finance pass them."""
    renewal, customer = str(new_id()), await find_customer(request, customer)
    unit = await find_unit(request, body.unit) if body.unit else None
    command = decisions.SubmitRenewal(
        renewal,
        customer,
        tuple(_paper(one) for one in body.papers),
        unit,
        tuple(_paper(one) for one in body.unit_papers),
        _paper(body.agreement) if body.agreement else None,
    )
    papers = (*command.papers, *command.unit_papers, *([command.agreement] if command.agreement else []))
    gathered = decisions.Gathered(
        await load_file(request, customer),
        await _standing(request, customer),
        await load_unit(request, unit) if unit else Unit(),
        await FileStore(request.running).known(paper.file_digest for paper in papers),
    )
    return await request.create(
        RENEWALS,
        renewal,
        partial(decisions.submit_renewal, command),
        gathered=gathered,
        numbers={"customer": customer},
    )


@router.post("/renewals/{renewal}/pass")
async def pass_renewal(renewal: StreamId, body: StepBody, request: Editing) -> Answer:
    """Sign a step; with finance's the papers are in force, and what their predecessors' end had barred is lifted."""
    state = await _load(request, renewal)
    unit = decisions.unit_of(state, await _standing(request, state.customer))
    things = [
        Thing(RENEWALS, renewal),
        Thing(STANDINGS, state.customer, must_exist=False),
        Thing(SETTLEMENT_UNITS, unit or "none", must_exist=False),
    ]
    return await request.handle_together(
        things,
        partial(decisions.pass_renewal, decisions.PassRenewal(body.step)),
        gathered=await _gather(request, state),
    )


@router.post("/renewals/{renewal}/return")
async def return_renewal(renewal: StreamId, body: RemarksBody, request: Editing) -> Answer:
    """Give it back with remarks; a mended one is handed in anew."""
    command = decisions.ReturnRenewal(body.step, body.remarks)
    state = await _load(request, renewal)
    return await request.handle(
        RENEWALS, renewal, partial(decisions.return_renewal, command), gathered=await _gather(request, state)
    )


@router.post("/renewals/{renewal}/withdraw")
async def withdraw_renewal(renewal: StreamId, request: Editing) -> Answer:
    """Take it back before it is passed. The owner does."""
    state = await _load(request, renewal)
    return await request.handle(RENEWALS, renewal, decisions.withdraw_renewal, gathered=await _gather(request, state))


@router.get("/renewals/{renewal}")
async def show_renewal(renewal: StreamId, request: Acting) -> RenewalShown:
    """One renewal with its papers and signatures, and its ETag."""
    history = await request.history(RENEWALS, renewal)
    state = RENEWALS.fold([recorded.fact for recorded in history])
    file = await load_surviving_file(request, state.customer)
    check_visible(file, request.actor)
    returned = [recorded.fact.remarks for recorded in history if isinstance(recorded.fact, RenewalReturned)]
    return RenewalShown(
        renewal=state.id,
        customer=state.customer,
        number=file.number,
        name=file.name,
        department=file.department,
        owner=file.owner,
        status=state.status,
        step=state.step,
        submitted_by=state.submitted_by,
        papers=list(state.papers),
        unit=state.unit,
        unit_papers=list(state.unit_papers),
        agreement=state.agreement,
        sign_offs=[
            SignOffShown(
                step=fact.step,
                signed_by=fact.signed_by,
                on_behalf_of=fact.on_behalf_of,
                shown_as=str(Signature(fact.signed_by, fact.on_behalf_of)),
                signed_at=recorded.occurred_at,
            )
            for recorded in history
            if isinstance(fact := recorded.fact, RenewalStepPassed)
        ],
        remarks=returned[-1] if returned else None,
    )


@router.get("/renewals")
async def show_list(
    request: Acting,
    paging: Paging,
    status: RenewalStatus | None = None,
    customer: Annotated[Code | None, Query(description="Its id or 客户编号.")] = None,
    waiting_for: Annotated[Literal["me"] | None, Query(description="What you can sign or have to mend now.")] = None,
) -> Page[RenewalRow]:
    """The renewals that you may see, the latest handed in first."""
    (after,) = paging.after(str)
    named = (await find_survivor(request, customer))[0] if customer else None
    rows = await list_renewals(
        request.pool,
        scope(request.actor),
        request.actor,
        status,
        named,
        after,
        paging.fetch,
        waiting=waiting_for is not None,
    )
    return paging.page([RenewalRow(**row) for row in rows], key=lambda row: (row.renewal,))


async def _load(request: ActingRequest, renewal: str) -> Renewal:
    state, _ = await request.running.commands.load(RENEWALS, renewal)
    return state


async def _standing(request: ActingRequest, customer: str) -> Standing:
    standing, _ = await request.running.commands.load(STANDINGS, customer)
    return standing


async def _gather(request: ActingRequest, state: Renewal) -> decisions.Gathered:
    return decisions.Gathered(await load_file(request, state.customer))


def _paper(body: DocumentBody) -> Document:
    return Document.model_validate(body.model_dump(exclude_none=True))
