"""Receipts over HTTP: entered, confirmed, imported from the bank; put to orders; reversed and refunded."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from datetime import date
from functools import partial
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Response, UploadFile
from pydantic import BaseModel, Field

from kehu.commands import Thing
from kehu.contracts.staff import Role
from kehu.contracts.trade import ReceiptConfirmed
from kehu.deciding import Context, Decision
from kehu.errors import NotFound
from kehu.http import Acting, ActingRequest, Answer, Editing, Page, Paging, StreamId
from kehu.text import Line
from kehu_vetting.bodies import Code
from kehu_vetting.customer_files.finding import load_surviving_file
from kehu_vetting.exports import XLSX, export
from kehu_vetting.orders.buyer import buyer_of
from kehu_vetting.orders.facts import ORDERS, Order
from kehu_vetting.orders.finding import find_order, load_order, parties
from kehu_vetting.orders.numbers import next_number
from kehu_vetting.orders.rights import check_role
from kehu_vetting.qualifications.decisions import policy_of
from kehu_vetting.receipts import allocation, decisions
from kehu_vetting.receipts.allocation import Concerned
from kehu_vetting.receipts.bodies import (
    AllocationBody,
    DeallocationBody,
    DiscardBody,
    IdentifyBody,
    ReceiptBody,
    RefundBody,
    ReversalBody,
)
from kehu_vetting.receipts.facts import RECEIPTS, Receipt, ReceiptStatus, receipt_of
from kehu_vetting.receipts.lists import (
    Filters,
    candidates,
    list_receipts,
    receipt_numbers,
    receipt_of_number,
    units_of,
)
from kehu_vetting.receipts.matching import Candidate, Why, propose
from kehu_vetting.receipts.sight import check_unit_visible
from kehu_vetting.receipts.statement import MOST_BYTES, bank_reference, decide_statement, money_of, read_statement
from kehu_vetting.settlement_units.facts import SETTLEMENT_UNITS
from kehu_vetting.settlement_units.finding import find_unit, load_unit
from kehu_vetting.sight import mask, scope

router = APIRouter(tags=["receipts"])

#: Headings and boundaries of the form around the file.
_FORM_BYTES = 100_000
_COLUMNS = (
    ("number", "收款单号 Receipt"),
    ("bank_reference", "银行流水号 Bank reference"),
    ("received_on", "到账日期 Received"),
    ("unit_number", "结算单位编号 Payer"),
    ("unit_name", "结算单位 Name"),
    ("payer_name", "付款方 As the bank says"),
    ("status", "状态 Status"),
    ("amount_fen", "金额(元) Amount"),
    ("gone_fen", "已退回(元) Gone back"),
    ("allocated_fen", "已分配(元) Allocated"),
    ("free_fen", "未分配(元) Free"),
)


class ReceiptShown(BaseModel):
    """A receipt and where its money is, in fen."""

    receipt: str
    number: str
    status: ReceiptStatus
    unit: str | None
    payer: str
    payer_name: str | None
    bank_reference: str
    amount_fen: int
    received_on: date
    entered_by: str | None
    reversed_fen: int
    refunded_fen: int
    free_fen: int = Field(description="Put to no order: it releases nothing.")
    allocations: dict[str, int] = Field(description="By the order's id.")


class ReceiptRow(BaseModel):
    """A line of the list of receipts."""

    receipt: str
    number: str
    status: ReceiptStatus
    unit: str | None
    unit_number: str | None
    unit_name: str | None
    payer: str
    payer_name: str | None
    bank_reference: str
    amount_fen: int
    received_on: date
    entered_by: str | None
    gone_fen: int
    allocated_fen: int
    free_fen: int
    serial: int = Field(exclude=True)


class ProposalRow(BaseModel):
    """An order that the receipt's money may be for: its amount meets the order's or its next batch's, or its payer."""

    order: str
    number: str
    customer: str
    customer_number: str
    name: str
    amount_fen: int
    why: Why


class Imported(BaseModel):
    """What a statement came to, or (`dry_run`) would come to."""

    confirmed: int = Field(description="Receipts that are new, or that somebody had typed.")
    known: int = Field(description="Receipts that stood already.")
    unidentified: int = Field(description="Of all, those whose payer is no settlement unit that is known.")
    dry_run: bool


@router.post("/receipts", status_code=201)
async def enter_receipt(body: ReceiptBody, request: Acting) -> Answer:
    """Type a receipt; it counts once a colleague has confirmed it, or the bank's statement has it. Finance does."""
    unit, payer = await _payer(request, body.unit, body.payer)
    receipt = receipt_of(body.bank_reference)
    number = await next_number(request.pool, "receipt_numbers")
    command = decisions.Money(
        receipt=receipt,
        number=number,
        unit=unit,
        payer=payer,
        bank_reference=body.bank_reference,
        amount_fen=body.amount_fen,
        received_on=body.received_on,
        payer_name=body.payer_name,
    )
    return await request.create(RECEIPTS, receipt, partial(decisions.enter_receipt, command))


@router.post("/receipts/statements", max_body_size=MOST_BYTES + _FORM_BYTES)
async def import_statement(
    file: UploadFile,
    request: Acting,
    response: Response,
    *,
    dry_run: Annotated[bool, Query(description="Only say what it would come to.")] = False,
) -> Imported:
    """Confirm receipts from a statement (.xlsx or .csv): 流水号, 到账日期, 金额(元), 付款方名称, 付款方证照号.

    All rows or none, errors by row. A reference that stands already with the same amount and day is known.
    """
    check_role(request.actor, Role.FINANCE, None)
    lines = await asyncio.to_thread(read_statement, await file.read(MOST_BYTES + 1))
    units = await units_of(request.pool, [one.line.payer for one in lines if one.line.payer])
    numbers = await receipt_numbers(request.pool, len(lines))
    money = [
        money_of(one.line, units.get(one.line.payer or ""), number) for one, number in zip(lines, numbers, strict=True)
    ]
    things = [Thing(RECEIPTS, one.receipt, must_exist=False) for one in money]
    found: dict[str, int] = {}

    def decide(states: Sequence[Receipt], context: Context) -> Sequence[Decision]:
        decided, outcome = decide_statement(lines, money, states, context)
        found.update(asdict(outcome))
        return decided

    unidentified = sum(one.unit is None for one in money)
    if dry_run:
        states = [(await request.running.commands.load(RECEIPTS, one.receipt))[0] for one in money]
        decide(states, await request.context())
        return Imported(**found, unidentified=unidentified, dry_run=True)
    counted: dict[str, Any] = {}  # filled when it is decided, and kept with the idempotency key

    def counting(states: Sequence[Receipt], context: Context) -> Sequence[Decision]:
        decided = decide(states, context)
        counted.update(**found, unidentified=unidentified, dry_run=False)
        return decided

    answer = await request.handle_together(things, counting, numbers=counted)
    del response.headers["ETag"]  # of one of many receipts
    return Imported.model_validate(answer.model_dump())


@router.post("/receipts/{receipt}/confirm")
async def confirm_receipt(receipt: StreamId, request: Editing) -> Answer:
    """Confirm what a colleague typed. Finance does, and never whoever typed it."""
    return await request.handle(RECEIPTS, await _find(request, receipt), decisions.confirm_receipt)


@router.post("/receipts/{receipt}/discard")
async def discard_receipt(receipt: StreamId, body: DiscardBody, request: Editing) -> Answer:
    """Give up an entry that nobody has confirmed."""
    decide = partial(decisions.discard_receipt, body.reason)
    return await request.handle(RECEIPTS, await _find(request, receipt), decide)


@router.post("/receipts/{receipt}/identify")
async def identify_payer(receipt: StreamId, body: IdentifyBody, request: Editing) -> Answer:
    """Say from which settlement unit a receipt is."""
    unit = await find_unit(request, body.unit)

    def decide(states: Sequence[Any], context: Context) -> Sequence[Decision]:
        state, payer = states
        command = decisions.IdentifyPayer(payer.id, payer.identity, body.evidence)
        return [decisions.identify_payer(command, state, context), Decision()]

    things: list[Thing[Any]] = [Thing(RECEIPTS, await _find(request, receipt)), Thing(SETTLEMENT_UNITS, unit)]
    return await request.handle_together(things, decide)


@router.post("/receipts/{receipt}/allocations")
async def allocate(receipt: StreamId, body: AllocationBody, request: Acting) -> Answer:
    """Put money of a receipt to an order of one of its payer's customers; what is paid then is released at once."""
    command = allocation.Allocate(body.amount_fen, body.beyond_need)
    return await _move(request, receipt, body.order, partial(allocation.allocate, command))


@router.post("/receipts/{receipt}/deallocations")
async def deallocate(receipt: StreamId, body: DeallocationBody, request: Editing) -> Answer:
    """Take money from an order again; released batches that are not paid any more are blocked, the last one first."""
    command = allocation.Deallocate(body.amount_fen, body.reason)
    return await _move(request, receipt, body.order, partial(allocation.deallocate, command))


@router.post("/receipts/{receipt}/reversals")
async def reverse(receipt: StreamId, body: ReversalBody, request: Editing) -> Answer:
    """Record that the bank has taken money back."""
    command = allocation.TakeBack(
        refund=False,
        amount_fen=body.amount_fen,
        day=body.reversed_on,
        reason=body.reason,
        bank_reference=body.bank_reference,
    )
    return await _take_back(request, receipt, command)


@router.post("/receipts/{receipt}/refunds")
async def refund(receipt: StreamId, body: RefundBody, request: Editing) -> Answer:
    """Record that we have paid money back to its payer."""
    command = allocation.TakeBack(
        refund=True,
        amount_fen=body.amount_fen,
        day=body.refunded_on,
        reason=body.reason,
        bank_reference=body.bank_reference,
    )
    return await _take_back(request, receipt, command)


def _filters(
    status: ReceiptStatus | None = None,
    unit: Code | None = None,
    reference: Annotated[Line | None, Query(description="The bank's reference.")] = None,
    waiting_for: Annotated[Literal["me"] | None, Query(description="What finance has to do.")] = None,
    *,
    unallocated: bool = False,
    unidentified: bool = False,
) -> Filters:
    referred = bank_reference(reference) if reference else None
    return Filters(status, unit, referred, unallocated, unidentified, waiting_for is not None)


Filtered = Annotated[Filters, Depends(_filters)]


@router.get("/receipts")
async def show_receipts(request: Acting, paging: Paging, filters: Filtered) -> Page[ReceiptRow]:
    """The receipts that you may see, the latest first; `waiting_for=me`: to confirm, to identify, to put to orders."""
    (after,) = paging.after(int)
    rows = await _rows(request, filters, after, paging.fetch)
    return paging.page([ReceiptRow.model_validate(row) for row in rows], key=lambda row: (row.serial,))


@router.get("/receipts/export", response_class=Response, responses={200: {"content": {XLSX: {}}}})
async def export_receipts(request: Acting, filters: Filtered) -> Response:
    """The same as an Excel file. Takes a reason (header `Kehu-Reason`), which is recorded; not for who is leaving."""

    async def pages(last: Any | None, limit: int) -> Any:
        return await _rows(request, filters, last and last["serial"], limit)

    return await export(request, "收款 Receipts", _COLUMNS, pages, asdict(filters))


@router.get("/receipts/{receipt}")
async def show_receipt(receipt: StreamId, request: Acting) -> ReceiptShown:
    """One receipt by its id or 收款单号, with its ETag."""
    state = await _visible(request, receipt)
    hidden = _masked(request)
    return ReceiptShown(
        receipt=state.id,
        number=state.number,
        status=state.status or ReceiptStatus.ENTERED,
        unit=state.unit,
        payer=mask(state.payer) if hidden else state.payer,
        payer_name=mask(state.payer_name) if hidden and state.payer_name else state.payer_name,
        bank_reference=state.bank_reference,
        amount_fen=state.amount_fen,
        received_on=state.received_on,
        entered_by=state.entered_by,
        reversed_fen=state.reversed_fen,
        refunded_fen=state.refunded_fen,
        free_fen=state.free_fen,
        allocations=dict(state.drawn),
    )


@router.get("/receipts/{receipt}/proposals")
async def show_proposals(receipt: StreamId, request: Acting) -> list[ProposalRow]:
    """For which orders the receipt's free money may be, the likeliest first; finance decides."""
    state = await _visible(request, receipt)
    if state.unit is None:
        return []
    rows = {row["order"]: row for row in await candidates(request.pool, state.unit)}
    orders = [Candidate(order, row["unit"], row["needed_fen"], row["batch_needs_fen"]) for order, row in rows.items()]
    return [
        ProposalRow(
            order=one.order,
            number=rows[one.order]["number"],
            customer=rows[one.order]["customer"],
            customer_number=rows[one.order]["customer_number"],
            name=rows[one.order]["name"],
            amount_fen=one.amount_fen,
            why=one.why,
        )
        for one in propose(state.unit, state.free_fen, orders)
    ]


async def _find(request: ActingRequest, named: str) -> str:
    return await receipt_of_number(request.pool, named) or named


async def _visible(request: ActingRequest, named: str) -> Receipt:
    state, version = await request.running.commands.load(RECEIPTS, await _find(request, named))
    if not version:
        raise NotFound("没有找到,或不在您的查看范围内。", "There is no such thing, or none that you may see.")
    await check_unit_visible(request, state.unit)
    request.tag(version)
    return state


def _masked(request: ActingRequest) -> bool:
    """Auditors read everything, and payers in outline: a payer may be a person."""
    actor = request.actor
    return actor.has(Role.AUDITOR) and not actor.has(
        Role.FINANCE, Role.GM_OFFICE, Role.GENERAL_MANAGER, Role.MARKET_DEPT, Role.ADMIN
    )


async def _rows(request: ActingRequest, filters: Filters, after: int | None, limit: int) -> list[dict[str, Any]]:
    if filters.unit:
        filters = replace(filters, unit=await find_unit(request, filters.unit))
    actor = request.actor
    finance = actor.has(Role.FINANCE) and not actor.departing
    rows = [
        dict(row) for row in await list_receipts(request.pool, scope(actor), filters, after, limit, finance=finance)
    ]
    if _masked(request):
        for row in rows:
            row.update({name: mask(row[name]) for name in ("payer", "payer_name", "unit_name") if row[name]})
    return rows


async def _payer(request: ActingRequest, unit: str | None, payer: str | None) -> tuple[str | None, str]:
    """The unit that is named, by whatever, with its identity; or the identity of nobody known yet."""
    named = unit or payer
    if named is None:
        return None, ""
    found = await load_unit(request, await find_unit(request, named))
    if found.id:
        return found.id, found.identity
    if unit:
        raise NotFound(
            "没有这一结算单位。付款方尚不明时请留空,之后再认领。",
            "There is no such settlement unit. Leave it out while the payer is not known, and identify it later.",
            clause="R3.1.1",
            code="unit-unknown",
        )
    return None, payer or ""


Move = Callable[[Receipt, Order, Context], tuple[Decision, Decision]]


async def _move(request: ActingRequest, named: str, order: str, decide: Move) -> Answer:
    receipt = await _find(request, named)
    state, of_customer, _ = await load_order(request, await find_order(request, order))
    history = await request.running.commands.history(RECEIPTS, receipt)
    confirmation = next((str(one.id) for one in history if isinstance(one.fact, ReceiptConfirmed)), None)

    def together(states: Sequence[Any], context: Context) -> Sequence[Decision]:
        paid_by, paid, file, standing = states
        buyer = buyer_of(file, standing, policy_of(context), context.today)
        concerned = replace(context, gathered=Concerned(buyer, confirmation))
        return [*decide(paid_by, paid, concerned), Decision(), Decision()]

    things = [Thing(RECEIPTS, receipt), Thing(ORDERS, state.id), *parties(of_customer.customer)]
    return await request.handle_together(things, together, numbers={"order": state.id})


async def _take_back(request: ActingRequest, named: str, command: allocation.TakeBack) -> Answer:
    receipt = await _find(request, named)
    state, _ = await request.running.commands.load(RECEIPTS, receipt)
    departments: dict[str, str] = {}
    for order in state.drawn:
        found, _ = await request.running.commands.load(ORDERS, order)
        departments[order] = (await load_surviving_file(request, found.customer)).department

    def together(states: Sequence[Any], context: Context) -> Sequence[Decision]:
        paid_by, *paid = states
        return allocation.take_back(command, paid_by, paid, context)

    things = [Thing(RECEIPTS, receipt), *(Thing(ORDERS, order) for order in departments)]
    return await request.handle_together(things, together, gathered=departments)
