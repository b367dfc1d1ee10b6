"""How a customer stands, over HTTP: may it order now, with whom paying, and if not, why."""

from __future__ import annotations

from datetime import date
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from kehu.commands import Thing
from kehu.files import FileStore
from kehu.http import Acting, Answer, Editing, StreamId
from kehu.ids import new_id
from kehu_vetting.bodies import Body, Code, Text
from kehu_vetting.customer_files.finding import find_customer, find_survivor, load_file
from kehu_vetting.qualifications.bodies import AgreementBody
from kehu_vetting.qualifications.decisions import policy_of
from kehu_vetting.qualifications.facts import Signatory
from kehu_vetting.qualifications.form import CreditConclusion
from kehu_vetting.qualifications.requirements import ends, is_outdated, is_over
from kehu_vetting.settlement_units.facts import SETTLEMENT_UNITS
from kehu_vetting.settlement_units.finding import find_unit, load_unit
from kehu_vetting.sight import check_visible
from kehu_vetting.standing import decisions
from kehu_vetting.standing.facts import STANDINGS
from kehu_vetting.standing.finding import is_staff, load_basis
from kehu_vetting.standing.ordering import may_order

router = APIRouter(tags=["standing"])


class UnlinkBody(Body):
    """Why the payer pays for this customer no longer."""

    reason: Text


class SuspendBody(Body):
    """Why the customer may place no new orders, or may again."""

    reason: Text


class BarShown(BaseModel):
    """A reason why no new order may be placed."""

    field: str
    code: str
    zh: str
    en: str
    clause: str


class PaperShown(BaseModel):
    """A paper in force; `last_day` is its own end, or when it is to be asked again."""

    type: str
    number: str
    issuer: str
    last_day: date | None
    over: bool
    asked_anew: bool = Field(description="Name or representative has changed since: a newer one is to be handed in.")
    suspends: bool = Field(description="What its end does: bar new orders, or only warn.")
    file_digest: str


class PayerShown(BaseModel):
    """A settlement unit that pays for the customer."""

    unit: str
    number: str
    name: str
    default: bool
    suspended: bool
    agreement_digest: str | None
    signed_on: date | None
    valid_until: date | None


class AgreementShown(BaseModel):
    """An agreement that was signed with the customer."""

    file_digest: str
    signed_on: date
    valid_from: date
    valid_until: date | None
    in_force: bool


class StandingShown(BaseModel):
    """How a customer stands today."""

    customer: str
    number: str
    name: str
    active_since: date | None
    qualification: str | None
    may_order: bool
    unit: str | None = Field(description="The payer that was asked about, or the default one.")
    bars: list[BarShown] = Field(description="Why no new order may be placed; empty where it may.")
    credit: CreditConclusion | None = Field(description="The last conclusion that was approved (R3.0).")
    credit_concluded_on: date | None
    papers: list[PaperShown]
    payers: list[PayerShown]
    agreements: list[AgreementShown]


@router.get("/customers/{customer}/standing")
async def show_standing(
    customer: StreamId,
    request: Acting,
    unit: Annotated[Code | None, Query(description="The payer: its id, number or identity; else the default.")] = None,
) -> StandingShown:
    """Whether a customer may order today, and why not; by its id or 客户编号, with the standing's ETag.

    Of one that was merged into another, the survivor (R4).
    """
    customer, _ = await find_survivor(request, customer)
    basis = await load_basis(request, customer, unit)
    check_visible(basis.file, request.actor)
    context = await request.context()
    policy, standing = policy_of(context), basis.standing
    found = may_order(basis.file, standing, basis.unit, policy, context.today, basis.named)
    _, version = await request.running.commands.load(STANDINGS, customer)
    request.tag(version)
    papers = [
        PaperShown(
            type=paper.type,
            number=paper.number,
            issuer=paper.issuer,
            last_day=ends(paper, kind),
            over=is_over(paper, kind, context.today),
            asked_anew=is_outdated(paper, kind, basis.file.account_asked_since),
            suspends=kind is not None and kind.on_expiry == "suspends",
            file_digest=paper.file_digest,
        )
        for paper in standing.papers.values()
        for kind in [policy.type(paper.type)]
    ]
    payers = [
        PayerShown(
            unit=payer.unit,
            number=state.number,
            name=state.name,
            default=payer.unit == standing.default_unit,
            suspended=bool(state.bars),
            agreement_digest=payer.agreement_digest,
            signed_on=payer.signed_on,
            valid_until=payer.valid_until,
        )
        for payer in standing.payers.values()
        for state in [await load_unit(request, payer.unit)]
    ]
    return StandingShown(
        customer=customer,
        number=basis.file.number,
        name=basis.file.name,
        active_since=standing.active_since,
        qualification=standing.qualification,
        may_order=found.allowed,
        unit=found.unit,
        bars=[BarShown(field=bar.field, code=bar.code, zh=bar.zh, en=bar.en, clause=bar.clause) for bar in found.bars],
        credit=standing.credit,
        credit_concluded_on=standing.credit_concluded_on,
        papers=papers,
        payers=payers,
        agreements=[
            AgreementShown(
                file_digest=one.file_digest,
                signed_on=one.signed_on,
                valid_from=one.valid_from,
                valid_until=one.valid_until,
                in_force=one.covers(context.today),
            )
            for one in standing.agreements
        ],
    )


@router.post("/customers/{customer}/agreements")
async def renew_agreement(customer: StreamId, body: AgreementBody, request: Editing) -> Answer:
    """Record an active customer's next agreement: the owner, the department's manager or the office does (R3.1.3)."""
    customer = await find_customer(request, customer)
    theirs = Signatory(person=str(new_id()), name=body.theirs.name, title=body.theirs.title or "")
    command = decisions.RenewAgreement(
        body.signed_on, body.valid_from, body.valid_until, body.file_digest, body.ours, theirs
    )
    gathered = decisions.Gathered(
        await load_file(request, customer),
        await FileStore(request.running).known([body.file_digest]),
        await is_staff(request.pool, body.ours),
    )
    return await request.handle(STANDINGS, customer, partial(decisions.renew_agreement, command), gathered=gathered)


@router.post("/customers/{customer}/suspend")
async def suspend_customer(customer: StreamId, body: SuspendBody, request: Editing) -> Answer:
    """Bar new orders and increases by hand; paid batches still ship (R3.2.1). The manager or finance does."""
    customer = await find_customer(request, customer)
    command = decisions.SuspendCustomer(body.reason)
    return await request.handle(
        STANDINGS,
        customer,
        partial(decisions.suspend_customer, command),
        gathered=await load_file(request, customer),
    )


@router.post("/customers/{customer}/lift-suspension")
async def lift_suspension(customer: StreamId, body: SuspendBody, request: Editing) -> Answer:
    """Lift what was barred by hand. The manager or finance does, with a reason."""
    customer = await find_customer(request, customer)
    command = decisions.LiftSuspension(body.reason)
    return await request.handle(
        STANDINGS,
        customer,
        partial(decisions.lift_suspension, command),
        gathered=await load_file(request, customer),
    )


@router.post("/customers/{customer}/payers/{unit}/default")
async def choose_default(customer: StreamId, unit: StreamId, request: Editing) -> Answer:
    """Say which payer pays where an order names none. The owner, the department's manager or finance does."""
    customer, unit = await find_customer(request, customer), await find_unit(request, unit)
    return await request.handle(
        STANDINGS,
        customer,
        partial(decisions.choose_default, unit),
        gathered=await load_file(request, customer),
    )


@router.post("/customers/{customer}/payers/{unit}/unlink")
async def unlink_payer(customer: StreamId, unit: StreamId, body: UnlinkBody, request: Editing) -> Answer:
    """End a link; orders that name the payer keep it. The department's manager or finance does."""
    customer, unit = await find_customer(request, customer), await find_unit(request, unit)
    command = decisions.UnlinkPayer(unit, body.reason)
    return await request.handle_together(
        [Thing(STANDINGS, customer), Thing(SETTLEMENT_UNITS, unit, must_exist=False)],
        partial(decisions.unlink_payer, command),
        gathered=await load_file(request, customer),
    )
