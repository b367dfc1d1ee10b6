"""The register of invoices over HTTP: issuing, voiding, red letters, F3; the list, and the files made of it."""

from __future__ import annotations

from datetime import date, datetime
from functools import partial
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Response
from pydantic import BaseModel

from kehu.commands import Thing
from kehu.contracts.trade import InvoiceKind
from kehu.deciding import Context
from kehu.errors import Refused
from kehu.event_store import Taken
from kehu.http import Acting, ActingRequest, Answer, Editing, Page, Paging, StreamId
from kehu.ids import new_id
from kehu_vetting.bodies import Code, Day
from kehu_vetting.customer_files.finding import find_survivor, load_surviving_file
from kehu_vetting.invoices import collecting, issuing, red_letters
from kehu_vetting.invoices.accounts import INVOICE_ACCOUNTS, InvoiceStatus, RedStatus
from kehu_vetting.invoices.bodies import (
    CollectBody,
    ConfirmBody,
    IssueBody,
    NumbersBody,
    ReasonBody,
    RedLetterBody,
    RegisterBody,
    typed,
)
from kehu_vetting.invoices.facts import INVOICE_REQUESTS
from kehu_vetting.invoices.finding import Parties, beside, find_invoice, find_request, parties_of
from kehu_vetting.invoices.lists import RegisterFilters, list_due, list_red_letters, list_register
from kehu_vetting.invoices.numbers import NUMBER_SCOPE
from kehu_vetting.invoices.shown import InvoiceShown, describe_invoice
from kehu_vetting.invoices.taking_out import Format, take_out
from kehu_vetting.orders.finding import find_order
from kehu_vetting.settlement_units.finding import find_unit
from kehu_vetting.sight import check_visible, scope

router = APIRouter(tags=["invoices"])

WaitingForMe = Literal["me"] | None


class NumberTaken(Refused):
    """Another invoice has this number."""

    code = "invoice-number-taken"


class RegisterRow(BaseModel):
    """A line of the register."""

    invoice: str
    order: str
    order_number: str | None
    request: str | None
    request_number: str | None
    customer: str
    customer_number: str
    name: str
    department: str
    owner: str
    unit: str
    buyer_name: str | None
    buyer_identity: str | None
    kind: InvoiceKind
    special: bool
    electronic: bool
    code: str | None
    number: str | None
    digital_number: str | None
    issued_on: date
    net_fen: int
    tax_fen: int
    gross_fen: int
    taken_back_fen: int
    red_of: str | None
    status: InvoiceStatus
    voided_on: date | None
    issued_by: str
    collector: str | None
    collected_by: str | None
    collected_on: date | None
    delivered_on: date | None


class RedLetterRow(BaseModel):
    """A red letter that was asked for."""

    red: str
    invoice: str
    order: str
    customer: str
    customer_number: str
    name: str
    department: str
    kind: InvoiceKind
    gross_fen: int
    reason: str
    status: RedStatus
    asked_by: str
    asked_at: datetime
    lapses_at: datetime | None
    confirmation: str | None


class DueRow(BaseModel):
    """An order of which more is invoiced than may be."""

    order: str
    order_number: str | None
    customer: str
    customer_number: str
    name: str
    department: str
    owner: str
    excess_fen: int
    since: datetime


# --- issuing ---


@router.post("/invoice-requests/{named}/invoices", status_code=201)
async def issue_invoice(named: StreamId, body: IssueBody, request: Acting) -> Answer:
    """Register a special VAT invoice issued on a request that both have passed; finance does. Answers its `invoice`."""
    found, state, _ = await find_request(request, named)
    parties = await parties_of(request, state.order)
    command = _issue(body, typed(body.lines), body.digest)

    def decide(states: Any, order: Any, context: Context) -> Any:
        return issuing.issue_invoice(command, states[0], states[1], order, context)

    targets = [Thing(INVOICE_ACCOUNTS, parties.order), Thing(INVOICE_REQUESTS, found)]
    return await _numbered(request, parties, targets, decide, {"invoice": command.invoice})


@router.post("/invoices", status_code=201)
async def register_invoice(body: RegisterBody, request: Acting) -> Answer:
    """Register an ordinary invoice (普通发票), which takes no request; finance does. Answers its `invoice`."""
    parties = await parties_of(request, body.order)
    command = _issue(body, typed(body.lines), None)

    def decide(states: Any, order: Any, context: Context) -> Any:
        return [issuing.register_invoice(command, states[0], order, context)]

    targets = [Thing(INVOICE_ACCOUNTS, parties.order, must_exist=False)]
    return await _numbered(request, parties, targets, decide, {"invoice": command.invoice})


@router.post("/invoices/{named}/void")
async def void_invoice(named: StreamId, body: ReasonBody, request: Editing) -> Answer:
    """Void (作废) a paper invoice in the month of its issue; finance does. Everything else takes a red letter."""
    invoice, account, _ = await find_invoice(request, named)
    command = issuing.VoidInvoice(invoice, body.reason)
    return await _on_account(request, account.order, partial(issuing.void_invoice, command))


@router.post("/invoices/{named}/collect")
async def collect_invoice(named: StreamId, body: CollectBody, request: Editing) -> Answer:
    """Sign F3: the salesperson has collected it, or acknowledges the delivery of a fully digital one."""
    invoice, account, _ = await find_invoice(request, named)
    collector = account.invoices[invoice].issued.collector
    command = collecting.CollectInvoice(invoice, body.collected_on, body.delivered_on)

    def decide(state: Any, _order: Any, context: Context) -> Any:
        return collecting.collect_invoice(command, state, context)

    return await _on_account(request, account.order, decide, collector=collector)


# --- red letters ---


@router.post("/invoices/{named}/red-letters", status_code=201)
async def ask_red_letter(named: StreamId, body: RedLetterBody, request: Acting) -> Answer:
    """Ask for a red letter (红字), whole or partial; finance does. Answers its `red`."""
    invoice, account, _ = await find_invoice(request, named)
    red = str(new_id())
    command = red_letters.AskRedLetter(red, invoice, body.kind, typed(body.lines), body.reason)
    return await _on_account(request, account.order, partial(red_letters.ask_red_letter, command), numbers={"red": red})


@router.post("/invoices/{named}/red-letters/{red}/confirm")
async def confirm_red_letter(named: StreamId, red: StreamId, body: ConfirmBody, request: Editing) -> Answer:
    """Record that the buyer has confirmed it, within the hours that it has for that; finance does."""
    _, account, _ = await find_invoice(request, named)
    command = red_letters.ConfirmRedLetter(red, body.confirmation)
    return await _on_account(request, account.order, partial(red_letters.confirm_red_letter, command))


@router.post("/invoices/{named}/red-letters/{red}/withdraw")
async def withdraw_red_letter(named: StreamId, red: StreamId, body: ReasonBody, request: Editing) -> Answer:
    """Take a red letter back before it is issued; finance does."""
    _, account, _ = await find_invoice(request, named)
    command = red_letters.WithdrawRedLetter(red, body.reason)
    return await _on_account(request, account.order, partial(red_letters.withdraw_red_letter, command))


@router.post("/invoices/{named}/red-letters/{red}/invoice", status_code=201)
async def issue_red_letter(named: StreamId, red: StreamId, body: NumbersBody, request: Acting) -> Answer:
    """Register the red invoice of a red letter that is confirmed; finance does. Answers its `invoice`."""
    _, account, _ = await find_invoice(request, named)
    parties = await parties_of(request, account.order)
    command = red_letters.IssueRedLetter(red, str(new_id()), body.numbers(), body.issued_on)

    def decide(states: Any, order: Any, context: Context) -> Any:
        return [red_letters.issue_red_letter(command, states[0], order, context)]

    targets = [Thing(INVOICE_ACCOUNTS, parties.order)]
    return await _numbered(request, parties, targets, decide, {"invoice": command.invoice})


@router.get("/red-letters")
async def show_red_letters(
    request: Acting,
    paging: Paging,
    status: RedStatus | None = None,
    waiting_for: Annotated[WaitingForMe, Query(description="To be confirmed or issued by finance.")] = None,
) -> Page[RedLetterRow]:
    """The red letters that you may see, the latest asked for first."""
    (after,) = paging.after(str)
    actor = request.actor
    waiting = waiting_for is not None
    rows = await list_red_letters(request.pool, scope(actor), actor, status, after, paging.fetch, waiting=waiting)
    return paging.page([RedLetterRow(**row) for row in rows], key=lambda row: (row.red,))


@router.get("/red-letters/due")
async def show_due(
    request: Acting,
    paging: Paging,
    waiting_for: Annotated[WaitingForMe, Query(description="Those of finance.")] = None,
) -> Page[DueRow]:
    """Orders of which more is invoiced than may be: what is too much has to be taken back by red letter."""
    (after,) = paging.after(str)
    actor = request.actor
    rows = await list_due(request.pool, scope(actor), actor, after, paging.fetch, waiting=waiting_for is not None)
    return paging.page([DueRow(**row) for row in rows], key=lambda row: (row.order,))


# --- the register ---


async def _filters(
    request: Acting,
    first: Annotated[Day | None, Query(description="First day of issue.")] = None,
    last: Annotated[Day | None, Query(description="Last day of issue.")] = None,
    kind: InvoiceKind | None = None,
    customer: Annotated[Code | None, Query(description="Id or 客户编号.")] = None,
    unit: Annotated[Code | None, Query(description="Id, number or identity of the settlement unit.")] = None,
    status: InvoiceStatus | None = None,
    order: Annotated[Code | None, Query(description="Id or 订单号.")] = None,
    red: Annotated[bool | None, Query(description="Red ones, or blue ones.")] = None,
    collected: Annotated[bool | None, Query(description="Whether F3 is signed.")] = None,
    special: Annotated[bool | None, Query(description="Special VAT invoices, or ordinary ones.")] = None,
    department: Code | None = None,
    waiting_for: Annotated[WaitingForMe, Query(description="F3 that you have to sign.")] = None,
) -> RegisterFilters:
    return RegisterFilters(
        first=first,
        last=last,
        kind=kind,
        customer=(await find_survivor(request, customer))[0] if customer else None,
        unit=await find_unit(request, unit) if unit else None,
        status=status,
        order=await find_order(request, order) if order else None,
        red=red,
        collected=collected,
        special=special,
        department=department,
        waiting=waiting_for is not None,
    )


Filtered = Annotated[RegisterFilters, Depends(_filters)]


@router.get("/invoices")
async def show_register(request: Acting, paging: Paging, filters: Filtered) -> Page[RegisterRow]:
    """The register of invoices: those that you may see, the latest issued first."""
    after = paging.after(date, str)
    rows = await list_register(
        request.pool, scope(request.actor), request.actor, filters, (after[0], after[1]), paging.fetch
    )
    return paging.page([RegisterRow(**row) for row in rows], key=lambda row: (row.issued_on, row.invoice))


@router.get("/invoices/export", response_class=Response)
async def export_register(
    request: Acting,
    filters: Filtered,
    format: Annotated[Format, Query(description="The kind of file.")] = "xlsx",  # noqa: A002 - a query parameter
) -> Response:
    """The same as a file: xlsx for people, csv or json for tax and finance systems (docs/invoice-register.md).

    Takes a reason (header `Kehu-Reason`), which is recorded; not for who is leaving.
    """
    return await take_out(request, filters, format)


@router.get("/invoices/{named}")
async def show_invoice(named: StreamId, request: Acting) -> InvoiceShown:
    """One invoice by its id, 20 digits, or code-number; with red letters and F3. Its ETag is of its order's account."""
    invoice, account, version = await find_invoice(request, named)
    file = await load_surviving_file(request, account.customer)
    check_visible(file, request.actor)
    request.tag(version)
    return describe_invoice(account.invoices[invoice], account, file)


# --- the rest ---


def _issue(body: NumbersBody, lines: Any, digest: str | None) -> issuing.IssueInvoice:
    return issuing.IssueInvoice(str(new_id()), body.numbers(), body.issued_on, lines, digest)


async def _on_account(
    request: ActingRequest, order: str, decide: Any, *, collector: str | None = None, numbers: Any = None
) -> Answer:
    """A command on the order's account of invoices alone."""
    parties = await parties_of(request, order, collector=collector)

    def on_states(states: Any, found: Any, context: Context) -> Any:
        return [decide(states[0], found, context)]

    targets = [Thing(INVOICE_ACCOUNTS, parties.order)]
    return await _numbered(request, parties, targets, on_states, numbers)


async def _numbered(
    request: ActingRequest, parties: Parties, targets: list[Thing[Any]], decide: Any, numbers: Any
) -> Answer:
    """Carry it out; a number that is another invoice's is refused, naming that one."""
    try:
        return await request.handle_together(
            [*targets, *parties.things], beside(parties, len(targets), decide), numbers=numbers
        )
    except Taken as taken:
        if taken.scope != NUMBER_SCOPE:
            raise
        number, invoice = taken.value, taken.holder.partition("/")[2]
    raise NumberTaken(
        f"发票号码 {number} 已登记(作废的号码也不能再用)。请核对。",
        f"The number {number} is registered already; those of void invoices count too. Compare it with the invoice.",
        clause="R3.2.3",
        number=number,
        invoice=invoice,
    )
