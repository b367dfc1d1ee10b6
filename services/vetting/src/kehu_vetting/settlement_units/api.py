"""Settlement units over HTTP: who they are, for whom they pay, what bars them."""

from __future__ import annotations

from datetime import date
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from kehu.contracts.customers import IdentityKind
from kehu.errors import NotFound
from kehu.http import Acting, Answer, Editing, Page, Paging, StreamId
from kehu.text import Line
from kehu_vetting.bodies import Body, Text
from kehu_vetting.qualifications.decisions import policy_of
from kehu_vetting.qualifications.form import InvoicingBlock
from kehu_vetting.qualifications.requirements import ends
from kehu_vetting.settlement_units import decisions
from kehu_vetting.settlement_units.facts import SETTLEMENT_UNITS, Unit
from kehu_vetting.settlement_units.finding import find_unit
from kehu_vetting.settlement_units.views import list_units
from kehu_vetting.sight import Scope, mask, scope
from kehu_vetting.standing.views import customers_of_unit

router = APIRouter(tags=["settlement units"])


class SuspendBody(Body):
    """Why it may pay for no new orders."""

    reason: Text


class UnitPaperShown(BaseModel):
    """A paper of a payer; `last_day` is its own end, or when it is to be asked again."""

    type: str
    number: str
    issuer: str
    last_day: date | None
    file_digest: str


class UnitCustomerShown(BaseModel):
    """A customer that it pays for."""

    customer: str
    number: str | None
    name: str | None
    default: bool
    agreement_digest: str | None = Field(description="Of the three-party agreement; none where it is the customer.")
    signed_on: date | None
    valid_until: date | None


class UnitShown(BaseModel):
    """A settlement unit as it stands; the account is masked for auditors."""

    unit: str
    number: str
    name: str
    identity_kind: IdentityKind
    identity: str
    bank: str
    account: str
    invoicing: InvoicingBlock | None
    papers: list[UnitPaperShown]
    bars: dict[str, str] = Field(description="Why it may pay for no new orders, by cause; empty where it may.")
    customers: list[UnitCustomerShown] = Field(description="Those of its customers that you may see.")


class UnitRow(BaseModel):
    """A line of the list."""

    unit: str
    number: str
    name: str
    identity_kind: IdentityKind
    identity: str
    bars: list[str]
    customers: int


@router.get("/settlement-units")
async def show_list(
    request: Acting,
    paging: Paging,
    suspended: bool | None = None,  # noqa: FBT001 - FastAPI passes it by name
    q: Annotated[Line | None, Query(description="Part of the name; or the number, or the identity.")] = None,
) -> Page[UnitRow]:
    """The payers of the customers that you may see, the latest qualified first."""
    (after,) = paging.after(str)
    rows = await list_units(request.pool, scope(request.actor), q, after, paging.fetch, suspended=suspended)
    return paging.page([UnitRow(**row) for row in rows], key=lambda row: (row.unit,))


@router.get("/settlement-units/{unit}")
async def show_unit(unit: StreamId, request: Acting) -> UnitShown:
    """One unit by its id, its number (JS…) or its identity, with its ETag."""
    unit = await find_unit(request, unit)
    state = await request.show(SETTLEMENT_UNITS, unit)
    shown = scope(request.actor)
    customers = [UnitCustomerShown(**row) for row in await customers_of_unit(request.pool, shown, unit)]
    if not customers and not shown.everything:
        raise NotFound(
            "没有找到,或不在您的查看范围内。", "There is no such thing, or none that you may see.", code="not-found"
        )
    policy = policy_of(await request.context())
    masked = _masked(request, shown)
    details = state.details
    return UnitShown(
        unit=unit,
        number=state.number,
        name=state.name,
        identity_kind=IdentityKind(state.identity_kind),
        identity=state.identity,
        bank=details.bank if details else "",
        account=_account(state, masked=masked),
        invoicing=_invoicing(state, masked=masked),
        papers=[
            UnitPaperShown(
                type=paper.type,
                number=paper.number,
                issuer=paper.issuer,
                last_day=ends(paper, policy.type(paper.type)),
                file_digest=paper.file_digest,
            )
            for paper in state.papers.values()
        ],
        bars=dict(state.bars),
        customers=customers,
    )


@router.post("/settlement-units/{unit}/suspend")
async def suspend_unit(unit: StreamId, body: SuspendBody, request: Editing) -> Answer:
    """Suspend it, and with it every link: no new order names it. Finance does."""
    command = decisions.SuspendUnit(body.reason)
    unit = await find_unit(request, unit)
    return await request.handle(SETTLEMENT_UNITS, unit, partial(decisions.suspend_unit, command))


@router.post("/settlement-units/{unit}/restore")
async def restore_unit(unit: StreamId, request: Editing) -> Answer:
    """Lift a suspension by hand. Finance does."""
    return await request.handle(SETTLEMENT_UNITS, await find_unit(request, unit), decisions.restore_unit)


def _masked(request: Acting, shown: Scope) -> bool:
    """Whether they see everything, but as an auditor only."""
    return shown.everything and request.actor.has("auditor") and len(request.actor.grants) == 1


def _account(state: Unit, *, masked: bool) -> str:
    account = state.details.account if state.details else ""
    return mask(account) if masked and account else account


def _invoicing(state: Unit, *, masked: bool) -> InvoicingBlock | None:
    block = state.details.invoicing if state.details else None
    if block is None or not masked:
        return block
    return block.model_copy(update={"account": mask(block.account) if block.account else "", "phone": ""})
