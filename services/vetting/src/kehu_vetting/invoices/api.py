"""Requests for special VAT invoices (F2) over HTTP: applying, the joint review, and what waits for whom."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from functools import partial
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel

from kehu.commands import Thing
from kehu.deciding import Context, Decision
from kehu.http import Acting, ActingRequest, Answer, Editing, Page, Paging, StreamId
from kehu.ids import new_id
from kehu_vetting.bodies import Code
from kehu_vetting.customer_files.finding import find_survivor, load_file, load_surviving_file
from kehu_vetting.invoices import decisions, reviewing
from kehu_vetting.invoices.accounts import INVOICE_ACCOUNTS
from kehu_vetting.invoices.bodies import ContentBody, PassBody, ReasonBody, RefuseBody, RemarksBody, RequestBody, typed
from kehu_vetting.invoices.facts import INVOICE_REQUESTS, InvoiceRequest, RequestStatus
from kehu_vetting.invoices.finding import beside, find_request, look_beside, parties_of
from kehu_vetting.invoices.gathered import Gathered
from kehu_vetting.invoices.lists import RequestFilters, list_requests
from kehu_vetting.invoices.policy import invoicing
from kehu_vetting.invoices.rights import may_look
from kehu_vetting.invoices.shown import InvoicingShown, RequestShown, describe_invoicing, describe_request
from kehu_vetting.orders.finding import find_order
from kehu_vetting.sight import Sight, check_visible, scope

router = APIRouter(tags=["invoice-requests"])

_NEXT = "SELECT nextval('invoice_request_numbers')"


class RequestRow(BaseModel):
    """A line of the list."""

    request: str
    number: str | None
    customer: str
    customer_number: str
    name: str
    department: str
    owner: str
    order: str
    order_number: str
    unit: str
    status: RequestStatus
    since: datetime
    gross_fen: int
    digest: str
    requested_by: str
    requested_on: date | None
    passed: list[str]
    passed_on: date | None
    lapses_on: date | None


@router.post("/invoice-requests", status_code=201)
async def request_invoice(body: RequestBody, request: Acting) -> Answer:
    """Apply for a special VAT invoice of an order (F2); the customer's owner does. Answers its `number`, KP000001."""
    parties = await parties_of(request, body.order)
    new, number = str(new_id()), f"KP{await request.pool.fetchval(_NEXT):06}"
    command = _written(body, new, number)

    def decide(states: Any, order: Any, context: Context) -> Any:
        return decisions.request_invoice(command, states[0], states[1], order, context)

    targets = [Thing(INVOICE_REQUESTS, new, must_exist=False), Thing(INVOICE_ACCOUNTS, parties.order, must_exist=False)]
    return await request.handle_together(
        [*targets, *parties.things], beside(parties, len(targets), decide), numbers={"number": number}
    )


@router.put("/invoice-requests/{named}")
async def revise_request(named: StreamId, body: ContentBody, request: Editing) -> Answer:
    """Write a returned request anew, or correct one that nobody has passed yet, whole; the owner does."""
    found, state, _ = await find_request(request, named)
    parties = await parties_of(request, state.order)
    command = _written(body, found, state.number)

    def decide(states: Any, order: Any, context: Context) -> Any:
        return decisions.revise_request(command, states[0], states[1], order, context)

    targets = [Thing(INVOICE_REQUESTS, found), Thing(INVOICE_ACCOUNTS, parties.order)]
    return await request.handle_together([*targets, *parties.things], beside(parties, len(targets), decide))


@router.post("/invoice-requests/{named}/pass")
async def pass_request(named: StreamId, body: PassBody, request: Acting) -> Answer:
    """Pass one side, having looked at request and credit (their digests): 409 when either has changed since."""
    found, state, _ = await find_request(request, named)
    parties = await parties_of(request, state.order)
    command = reviewing.PassRequest(body.side, body.digest, body.credit_digest)

    def decide(states: Any, order: Any, context: Context) -> Any:
        return [reviewing.pass_request(command, states[0], order, context)]

    return await request.handle_together([Thing(INVOICE_REQUESTS, found), *parties.things], beside(parties, 1, decide))


@router.post("/invoice-requests/{named}/return")
async def return_request(named: StreamId, body: RemarksBody, request: Editing) -> Answer:
    """Give it back to the applicant with remarks; what was passed has to be passed again. A reviewer does."""
    return await _on_request(
        request, named, partial(reviewing.return_request, reviewing.ReturnRequest(body.side, body.remarks))
    )


@router.post("/invoice-requests/{named}/refuse")
async def refuse_request(named: StreamId, body: RefuseBody, request: Editing) -> Answer:
    """Refuse it for good, with the reason. A reviewer does."""
    return await _on_request(
        request, named, partial(reviewing.refuse_request, reviewing.RefuseRequest(body.side, body.reason))
    )


@router.post("/invoice-requests/{named}/withdraw")
async def withdraw_request(named: StreamId, body: ReasonBody, request: Editing) -> Answer:
    """Give it up; the owner does. What was issued on it stays issued."""
    return await _on_request(
        request, named, partial(decisions.withdraw_request, decisions.WithdrawRequest(body.reason))
    )


@router.get("/invoice-requests/{named}")
async def show_request(named: StreamId, request: Acting) -> RequestShown:
    """One request by its id or KP number, with what a reviewer looks at: the credit, and what has changed; its ETag."""
    found, state, _ = await find_request(request, named)
    file = await load_surviving_file(request, state.customer)
    seen = Sight.ALL if may_look(request.actor, file) else check_visible(file, request.actor)
    history = await request.history(INVOICE_REQUESTS, found)
    order, gathered = await look_beside(request, await parties_of(request, state.order))
    return describe_request(history, state, order, gathered, request.actor, seen)


@router.get("/invoice-requests")
async def show_requests(
    request: Acting,
    paging: Paging,
    status: RequestStatus | None = None,
    customer: Code | None = None,
    order: Code | None = None,
    lapsing: Annotated[bool, Query(description="Passed ones whose last day is near (policy data).")] = False,  # noqa: FBT002 - a query parameter
    waiting_for: Annotated[
        Literal["me"] | None, Query(description="What you can pass or issue, or have to mend, now.")
    ] = None,
) -> Page[RequestRow]:
    """The requests that you may see, the latest begun first."""
    (after,) = paging.after(str)
    context = await request.context()
    until = context.today + timedelta(days=invoicing(context).lapsing_soon_days) if lapsing else None
    filters = RequestFilters(
        status,
        (await find_survivor(request, customer))[0] if customer else None,
        await find_order(request, order) if order else None,
        until,
        waiting=waiting_for is not None,
    )
    rows = await list_requests(request.pool, scope(request.actor), request.actor, filters, after, paging.fetch)
    return paging.page([RequestRow(**row) for row in rows], key=lambda row: (row.request,))


@router.get("/orders/{order}/invoicing")
async def show_invoicing(order: StreamId, request: Acting) -> InvoicingShown:
    """What of an order (id or 订单号) may be invoiced, is invoiced, asked for, and due to be taken back."""
    parties = await parties_of(request, order)
    account, version = await request.running.commands.load(INVOICE_ACCOUNTS, parties.order)
    check_visible(await load_surviving_file(request, parties.customer), request.actor)
    found, gathered = await look_beside(request, parties)
    request.tag(version)
    return describe_invoicing(found, account, gathered, await request.context())


async def _on_request(request: ActingRequest, named: str, decide: Any) -> Answer:
    """A command on the request alone."""
    found, state, _ = await find_request(request, named)

    def on_state(now: InvoiceRequest, context: Context) -> Decision:
        decision: Decision = decide(now, context)
        return decision

    gathered = Gathered(await load_file(request, state.customer))
    return await request.handle(INVOICE_REQUESTS, found, on_state, gathered=gathered)


def _written(body: ContentBody, request: str, number: str) -> decisions.WriteRequest:
    return decisions.WriteRequest(
        request=request,
        number=number,
        lines=typed(body.lines),
        receipts=body.receipts,
        buyer=body.buyer.buyer() if body.buyer else None,
        remark=body.remark,
    )
