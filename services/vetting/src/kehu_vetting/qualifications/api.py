"""Qualifications (F1) over HTTP: from the salesperson's draft through the chain to the signed agreement."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime
from functools import partial
from secrets import token_hex
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel

from kehu.commands import Thing
from kehu.contracts.customers import CustomerKind
from kehu.contracts.vetting import Step
from kehu.errors import NotFound, Refused
from kehu.event_store import Taken
from kehu.files import FileStore
from kehu.http import Acting, ActingRequest, Answer, Editing, Page, Paging, StreamId
from kehu.ids import new_id
from kehu.lineage import family_of
from kehu_vetting.bodies import Code
from kehu_vetting.credit.facts import CREDIT, IncidentStatus
from kehu_vetting.customer_files.finding import find_customer, find_survivor, load_file, load_surviving_file
from kehu_vetting.qualifications import approving, decisions, signing
from kehu_vetting.qualifications.bodies import (
    AgreementBody,
    DraftBody,
    FinanceFactsBody,
    FormBody,
    PassBody,
    RejectBody,
    ReturnBody,
    WithdrawBody,
    findings,
)
from kehu_vetting.qualifications.decisions import CLAIM_SCOPE, Gathered
from kehu_vetting.qualifications.facts import QUALIFICATIONS, Qualification, Signatory, Status
from kehu_vetting.qualifications.form import Document, FinanceFacts, Form, SettlementUnit
from kehu_vetting.qualifications.required_documents import POLICY_NAME
from kehu_vetting.qualifications.requirements import Known, RequiredDocuments
from kehu_vetting.qualifications.shown import QualificationShown, describe
from kehu_vetting.qualifications.views import Filters, last_of_customer, list_qualifications
from kehu_vetting.settlement_units.facts import CLAIM_SCOPE as UNIT_CLAIM_SCOPE
from kehu_vetting.settlement_units.facts import SETTLEMENT_UNITS
from kehu_vetting.settlement_units.finding import load_unit, unit_of_identity
from kehu_vetting.settlement_units.views import number_of
from kehu_vetting.sight import check_visible, scope
from kehu_vetting.standing.facts import STANDINGS
from kehu_vetting.standing.finding import is_staff

router = APIRouter(tags=["qualifications"])

#: What nobody can try out: 128 bits.
_BLIND_BYTES = 16
_NEXT_UNIT = "SELECT nextval('settlement_unit_numbers')"
#: Two approvals that name one new payer: the second one finds the first one's claim.
_IDENTITY_ATTEMPTS = 3


class QualificationExists(Refused):
    """The customer has a qualification that is open, or has made it active."""

    code = "qualification-exists"

    def __init__(self, qualification: str) -> None:
        super().__init__(
            f"该客户已有进行中或已通过的资质审核 {qualification},请在其上办理。",
            f"This customer has qualification {qualification}, open or passed: go on with that one.",
            clause="R3.1.3",
            qualification=qualification,
        )


class QualificationRow(BaseModel):
    """A line of the list."""

    qualification: str
    customer: str
    number: str
    name: str
    kind: CustomerKind
    department: str
    owner: str
    status: Status
    step: Step | None
    since: datetime
    bundle: int | None
    digest: str | None
    submitted_by: str | None
    approved_on: date | None
    activated_on: date | None


@router.post("/qualifications", status_code=201)
async def draft_qualification(body: DraftBody, request: Acting) -> Answer:
    """Begin F1 for a registered customer; its owner does."""
    qualification, customer = str(new_id()), await find_customer(request, body.customer)
    command = decisions.DraftQualification(qualification, customer, _form(body.form))
    try:
        return await request.create(
            QUALIFICATIONS,
            qualification,
            partial(decisions.draft_qualification, command),
            gathered=Gathered(await load_file(request, customer)),
            numbers={"customer": customer},
        )
    except Taken as taken:
        if taken.scope != CLAIM_SCOPE:
            raise
        raise QualificationExists(taken.holder.removeprefix("qualification-")) from None


@router.put("/qualifications/{qualification}/form")
async def change_form(qualification: StreamId, body: FormBody, request: Editing) -> Answer:
    """Say anew what F1 reads, whole. After submission it is frozen anew, and every signature is void."""
    command = decisions.ChangeForm(_form(body))
    return await request.handle(
        QUALIFICATIONS,
        qualification,
        partial(decisions.change_form, command),
        gathered=await _gather(request, qualification, form=command.form),
    )


@router.post("/qualifications/{qualification}/submit")
async def submit_qualification(qualification: StreamId, request: Editing) -> Answer:
    """Freeze F1 as a numbered bundle and hand it to the department's vetting."""
    return await request.handle(
        QUALIFICATIONS,
        qualification,
        decisions.submit_qualification,
        gathered=await _gather(request, qualification),
    )


@router.put("/qualifications/{qualification}/finance-facts")
async def note_finance_facts(qualification: StreamId, body: FinanceFactsBody, request: Editing) -> Answer:
    """Add or change what finance found; its own signature and later ones are void."""
    command = decisions.NoteFinanceFacts(FinanceFacts.model_validate(body.model_dump()))
    return await request.handle(
        QUALIFICATIONS,
        qualification,
        partial(decisions.note_finance_facts, command),
        gathered=await _gather(request, qualification),
    )


@router.post("/qualifications/{qualification}/pass")
async def pass_step(qualification: StreamId, body: PassBody, request: Acting) -> Answer:
    """Sign a step. `digest` says what was looked at: 409 when the bundle has changed since."""
    command = signing.PassStep(body.step, body.digest, findings(body.findings), body.in_absence)
    if body.step is Step.GENERAL_MANAGER:
        return await _approve(request, qualification, command)
    return await request.handle(
        QUALIFICATIONS,
        qualification,
        partial(signing.pass_step, command),
        gathered=await _gather(request, qualification),
    )


async def _approve(request: ActingRequest, qualification: str, command: signing.PassStep) -> Answer:
    """The approval, with the payer that it qualifies and links: all or nothing (R3.1.1)."""
    gathered, state = await _gather(request, qualification), await _load(request, qualification)
    standing, _ = await request.running.commands.load(STANDINGS, state.customer)
    former = standing.qualification if standing.qualification != qualification else None
    for _ in range(_IDENTITY_ATTEMPTS):
        unit = await unit_of_identity(request, state.form.settlement_unit)
        number = "" if unit else number_of(await request.pool.fetchval(_NEXT_UNIT))
        gathered = replace(gathered, unit=unit or str(new_id()), unit_number=number)
        things = [
            Thing(QUALIFICATIONS, qualification),
            Thing(SETTLEMENT_UNITS, gathered.unit, must_exist=False),
            Thing(STANDINGS, state.customer, must_exist=False),
            *([Thing(QUALIFICATIONS, former)] if former else []),
        ]
        try:
            return await request.handle_together(things, partial(approving.approve, command), gathered=gathered)
        except Taken as taken:
            if taken.scope != UNIT_CLAIM_SCOPE:
                raise
    raise AssertionError("a claim that is taken can be read")


@router.post("/qualifications/{qualification}/return")
async def return_qualification(qualification: StreamId, body: ReturnBody, request: Editing) -> Answer:
    """Give it back to an earlier step or to the salesperson, with remarks."""
    command = signing.ReturnQualification(body.step, body.to_step, findings(body.remarks))
    return await request.handle(
        QUALIFICATIONS,
        qualification,
        partial(signing.return_qualification, command),
        gathered=await _gather(request, qualification),
    )


@router.post("/qualifications/{qualification}/reject")
async def reject_qualification(qualification: StreamId, body: RejectBody, request: Editing) -> Answer:
    """Refuse it for good, with the reason; another one may be begun."""
    command = signing.RejectQualification(body.step, body.reason)
    return await request.handle(
        QUALIFICATIONS,
        qualification,
        partial(signing.reject_qualification, command),
        gathered=await _gather(request, qualification),
    )


@router.post("/qualifications/{qualification}/withdraw")
async def withdraw_qualification(qualification: StreamId, body: WithdrawBody, request: Editing) -> Answer:
    """Give it up before an agreement is signed; the customer's owner does."""
    command = decisions.WithdrawQualification(body.reason)
    return await request.handle(
        QUALIFICATIONS,
        qualification,
        partial(decisions.withdraw_qualification, command),
        gathered=await _gather(request, qualification),
    )


@router.post("/qualifications/{qualification}/agreement")
async def sign_agreement(qualification: StreamId, body: AgreementBody, request: Editing) -> Answer:
    """Record the signed agreement: the customer is active from then on, or from its first day."""
    theirs = Signatory(person=str(new_id()), name=body.theirs.name, title=body.theirs.title or "")
    command = signing.SignAgreement(
        body.signed_on, body.valid_from, body.valid_until, body.file_digest, body.ours, theirs
    )
    known = await is_staff(request.pool, body.ours)
    return await request.handle(
        QUALIFICATIONS,
        qualification,
        partial(signing.sign_agreement, command),
        gathered=replace(
            await _gather(request, qualification, signatory_known=known),
            files=await FileStore(request.running).known([body.file_digest]),
        ),
    )


@router.get("/qualifications/{qualification}")
async def show_qualification(qualification: StreamId, request: Acting) -> QualificationShown:
    """One qualification with everything signed and remarked, and its ETag."""
    history = await request.history(QUALIFICATIONS, qualification)
    state = QUALIFICATIONS.fold([recorded.fact for recorded in history])
    file = await load_surviving_file(request, state.customer)
    seen = check_visible(file, request.actor)
    incidents = 0
    for customer in await family_of(request.pool, file.customer):
        credit, _ = await request.running.commands.load(CREDIT, customer)
        incidents += sum(one.status is IncidentStatus.OPEN for one in credit.incidents.values())
    return describe(
        history,
        state,
        file,
        await request.context(),
        seen=seen,
        open_incidents=incidents,
        known=Known(
            await _payer_papers(request, state.form.settlement_unit),
            file.account_asked_since,
            await _files(request, state.form),
        ),
    )


@router.get("/customers/{customer}/qualification")
async def show_qualification_of(customer: StreamId, request: Acting) -> QualificationShown:
    """The customer's qualification that was begun last; by the customer's id or 客户编号."""
    last = await last_of_customer(request.pool, (await find_survivor(request, customer))[0])
    if last is None:
        raise NotFound("该客户还没有资质审核。", "This customer has no qualification yet.", clause="R3.1.3")
    return await show_qualification(last, request)


@router.get("/qualifications")
async def show_list(
    request: Acting,
    paging: Paging,
    status: Status | None = None,
    step: Step | None = None,
    department: Code | None = None,
    waiting_for: Annotated[Literal["me"] | None, Query(description="What you can sign or have to mend now.")] = None,
) -> Page[QualificationRow]:
    """The qualifications that you may see, the latest begun first."""
    (after,) = paging.after(str)
    filters = Filters(status, step, department, waiting=waiting_for is not None)
    rows = await list_qualifications(request.pool, scope(request.actor), request.actor, filters, after, paging.fetch)
    return paging.page([QualificationRow(**row) for row in rows], key=lambda row: (row.qualification,))


@router.get("/required-documents")
async def show_required_documents(request: Acting) -> RequiredDocuments:
    """The papers that are asked for, by kind of customer, and which paper stands for which (R3.1.2)."""
    return decisions.policy_of(await request.context())


async def _load(request: ActingRequest, qualification: str) -> Qualification:
    state, _ = await request.running.commands.load(QUALIFICATIONS, qualification)
    return state


async def _gather(
    request: ActingRequest, qualification: str, *, signatory_known: bool = False, form: Form | None = None
) -> Gathered:
    state = await _load(request, qualification)
    form = form or state.form
    return Gathered(
        await load_file(request, state.customer),
        await request.running.policies.version_in_force(POLICY_NAME, request.now),
        signatory_known,
        await _payer_papers(request, form.settlement_unit),
        await _files(request, form),
    )


async def _files(request: ActingRequest, form: Form) -> frozenset[str]:
    """Those of F1's digests of which a file was handed in."""
    payer = form.settlement_unit
    papers = (*form.documents, *(payer.documents if payer else ()))
    return await FileStore(request.running).known(paper.file_digest for paper in papers)


async def _payer_papers(request: ActingRequest, payer: SettlementUnit | None) -> tuple[Document, ...]:
    """What is known already of a payer, from its stream."""
    unit = await unit_of_identity(request, payer)
    return tuple((await load_unit(request, unit)).papers.values()) if unit else ()


def _form(body: FormBody) -> Form:
    return body.form(person=str(new_id()), blind=token_hex(_BLIND_BYTES))
