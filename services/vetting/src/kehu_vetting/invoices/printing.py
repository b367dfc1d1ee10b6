"""F2 and F3 on paper: the request for a special VAT invoice (证明单), and the receipt for it (领取单) (R3.2.3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated

from fastapi import APIRouter, Query, Response

from kehu.contracts.trade import InvoiceCollected, InvoiceKind, InvoiceLine, InvoiceRequested, InvoiceRequestReviewed
from kehu.errors import Refused
from kehu.facts import Fact, RecordedFact
from kehu.http import Acting, ActingRequest, StreamId
from kehu.printing import (
    Column,
    Field,
    Fields,
    Form,
    Label,
    Printed,
    Printing,
    Room,
    Signatures,
    Table,
    printed_answer,
    staff_names,
)
from kehu.printing.forms import shown, yuan
from kehu.printing.words import INVOICE_KINDS, word
from kehu_vetting.bodies import Code
from kehu_vetting.customer_files.facts import CustomerFile
from kehu_vetting.customer_files.finding import load_surviving_file
from kehu_vetting.invoices.accounts import INVOICE_ACCOUNTS, Invoice
from kehu_vetting.invoices.amounts import total
from kehu_vetting.invoices.facts import INVOICE_REQUESTS, Content, InvoiceRequest, RequestStatus, Side
from kehu_vetting.invoices.finding import find_invoice, find_request
from kehu_vetting.invoices.rights import may_look
from kehu_vetting.invoices.shown import masked_buyer
from kehu_vetting.receipts.facts import RECEIPTS
from kehu_vetting.sight import Sight, check_visible

router = APIRouter(tags=["invoices"])

#: Beside the first one; so many lines fit onto a page, and nobody collects more at once.
MOST_ALSO = 20

_STATUSES = {
    RequestStatus.IN_REVIEW: Label("审核中", "in review"),
    RequestStatus.RETURNED: Label("已退回", "returned"),
    RequestStatus.PASSED: Label("已通过", "passed"),
    RequestStatus.ISSUED: Label("已开票", "issued"),
    RequestStatus.REFUSED: Label("不予开票", "refused"),
    RequestStatus.WITHDRAWN: Label("已撤回", "withdrawn"),
    RequestStatus.LAPSED: Label("已失效", "lapsed"),
}
_SIDES: Mapping[Side, Label] = {
    "marketing": Label("营销部审核", "reviewed by marketing"),
    "finance": Label("财务部审核", "reviewed by finance"),
}
#: What F3 is signed for, by whether all, and whether any, of its invoices are fully digital.
_HANDED_OVER = {
    (True, True): "确认已交付 delivery acknowledged",
    (False, True): "领取纸质发票、确认电子发票已交付 collected; digital ones acknowledged",
    (False, False): "领取纸质发票 collected",
}


@dataclass(frozen=True, slots=True)
class Customer:
    """The customer that a form is about: its name and 客户编号."""

    name: str
    number: str


@dataclass(frozen=True, slots=True)
class ReceiptNamed:
    """A receipt as people call it: its number, and the bank's reference."""

    number: str
    bank_reference: str


@router.get("/invoice-requests/{named}/print", response_class=Response)
async def print_request(named: StreamId, request: Acting, format_: Printing) -> Response:
    """F2 as a PDF or docx; recorded. Of other people's customers it takes a reason (header `Kehu-Reason`)."""
    found, state, _ = await find_request(request, named)
    file = await load_surviving_file(request, state.customer)
    masked = not may_look(request.actor, file) and check_visible(file, request.actor) is Sight.MASKED
    history = await request.history(INVOICE_REQUESTS, found)
    names = await staff_names(request, [state.applicant, *state.reviewers])
    form = request_form(
        _masked(state) if masked else state,
        history,
        Customer(file.name, file.number),
        await _named_receipts(request, state),
        names,
        _printed(request, names, history, masked=masked),
    )
    return await printed_answer(request, form, format_, reason=_reason(request, file))


@router.get("/invoices/{named}/print", response_class=Response)
async def print_collection(
    named: StreamId,
    request: Acting,
    format_: Printing,
    also: Annotated[
        list[Code], Query(max_length=MOST_ALSO, description="Further invoices of the customer, signed for together.")
    ] = [],  # noqa: B006 - fastapi copies it
) -> Response:
    """F3 as a PDF or docx; recorded. Of other people's customers it takes a reason (header `Kehu-Reason`)."""
    invoices: dict[str, Invoice] = {}
    customers: set[str] = set()
    history: list[RecordedFact[Fact]] = []
    for one in dict.fromkeys((named, *also)):
        invoice, account, _ = await find_invoice(request, one)
        customers.add(account.customer)
        if invoice not in invoices:
            invoices[invoice] = account.invoices[invoice]
            facts = await request.history(INVOICE_ACCOUNTS, account.order)
            history += [fact for fact in facts if getattr(fact.fact, "invoice", None) == invoice]
    files = [await load_surviving_file(request, customer) for customer in sorted(customers)]
    masked = Sight.MASKED in [check_visible(file, request.actor) for file in files]
    if len(files) > 1:
        raise Refused(
            "一张领取单只能列同一客户的发票。请分别打印。",
            "A collection receipt is for the invoices of one customer: print one for each.",
            clause="R3.2.3",
            code="several-customers",
        )
    (file,) = files
    people = [person for one in invoices.values() for person in (one.issued.issued_by, _collector(one))]
    names = await staff_names(request, people)
    form = collection_form(
        list(invoices.values()),
        history,
        Customer(file.name, file.number),
        names,
        _printed(request, names, history, masked=masked),
    )
    return await printed_answer(request, form, format_, reason=_reason(request, file))


async def _named_receipts(request: ActingRequest, state: InvoiceRequest) -> dict[str, ReceiptNamed]:
    """The receipts that a request refers to, under the numbers that people know."""
    found: dict[str, ReceiptNamed] = {}
    for paid in state.basis.receipts if state.basis else ():
        receipt, version = await request.running.commands.load(RECEIPTS, paid.receipt)
        if version:
            found[paid.receipt] = ReceiptNamed(receipt.number, receipt.bank_reference)
    return found


def _masked(state: InvoiceRequest) -> InvoiceRequest:
    if state.content is None:
        return state
    content = Content.model_validate({**state.content.model_dump(), "buyer": masked_buyer(state.content.buyer)})
    return replace(state, content=content)


def _printed(
    request: ActingRequest, names: Mapping[str, str], history: Sequence[RecordedFact[Fact]], *, masked: bool
) -> Printed:
    facts = tuple(str(one.id) for one in history)
    return Printed(request.now, names[request.actor.id], facts, masked=masked)


def _reason(request: ActingRequest, file: CustomerFile) -> str | None:
    own = request.actor.id == file.owner or request.actor.id in file.collaborators
    return None if own else request.reason


def request_form(
    request: InvoiceRequest,
    history: Sequence[RecordedFact[Fact]],
    customer: Customer,
    receipts: Mapping[str, ReceiptNamed],
    names: Mapping[str, str],
    printed: Printed,
) -> Form:
    """F2 as it is printed.

    Args:
        request: as it stands.
        history: its facts, in order.
        customer: that the order is of.
        receipts: by id, those that it refers to.
        names: of members of the staff, by person.
        printed: when and by whom, from which facts.

    """
    content = request.content
    lines = content.lines if content else ()
    return Form(
        "F2",
        Label("开具增值税专用发票证明单", "Special VAT invoice request"),
        request.number,
        (
            _buyer(request),
            Fields(
                Label("订单", "Order"),
                (
                    Field(Label("客户", "Customer"), f"{customer.number} {customer.name}", wide=True),
                    Field(Label("订单号", "Order"), request.order_number),
                    Field(Label("部门", "Department"), request.department),
                    Field(Label("状态", "Status"), word(_STATUSES, request.status)),
                    Field(Label("有效期至", "Lapses on"), request.lapses_on),
                    Field(Label("备注", "Remark"), content and content.remark, wide=True),
                ),
            ),
            _lines(lines),
            _receipts(request, receipts),
            Signatures(
                Label("申请与审核", "Applicant and reviewers"),
                (
                    Room(Label("申请人", "Applicant"), _applied(request, history, names)),
                    *(Room(_SIDES[side], _signed(request, history, side, names), stamp=True) for side in _SIDES),
                ),
            ),
        ),
        printed,
    )


def collection_form(
    invoices: Sequence[Invoice],
    history: Sequence[RecordedFact[Fact]],
    customer: Customer,
    names: Mapping[str, str],
    printed: Printed,
) -> Form:
    """F3 as it is printed: one line per invoice that is signed for together.

    Args:
        invoices: of one customer; a fully digital one is acknowledged as delivered, there is nothing to collect.
        history: their facts, in order.
        customer: whose they are.
        names: of members of the staff, by person.
        printed: when and by whom, from which facts.

    """
    digital = [one.issued.kind is InvoiceKind.DIGITAL for one in invoices]
    collectors = {_collector(one) for one in invoices} - {""}
    issuers = {one.issued.issued_by for one in invoices}
    signed = [one.occurred_at for one in history if isinstance(one.fact, InvoiceCollected)]
    return Form(
        "F3",
        Label("增值税专用发票领取单", "Invoice collection receipt"),
        _numbers(invoices[0]) + (f" 等 {len(invoices)} 张" if len(invoices) > 1 else ""),
        (
            Fields(
                Label("客户", "Customer"),
                (
                    Field(Label("客户名称", "Customer"), customer.name, wide=True),
                    Field(Label("客户编号", "Number"), customer.number),
                    Field(
                        Label("签收方式", "Receipt"),
                        _HANDED_OVER[all(digital), any(digital)],
                    ),
                ),
            ),
            Table(
                Label(f"发票 {len(invoices)} 张", f"{len(invoices)} invoices"),
                (
                    Column(Label("种类", "Kind"), 1.2),
                    Column(Label("发票代码及号码", "Code and number"), 2.2),
                    Column(Label("开票日期", "Issued on"), 1.0),
                    Column(Label("价税合计(元)", "Gross (yuan)"), 1.2, right=True),
                    Column(Label("开票人", "Issuer"), 1.0),
                    Column(Label("领取人", "Collector"), 1.0),
                    Column(Label("领取日期", "Collected on"), 1.0),
                    Column(Label("交付日期", "Delivered on"), 1.0),
                ),
                [_invoice(one, names) for one in invoices],
            ),
            Signatures(
                Label("签收", "Signed for"),
                (
                    Room(Label("开票人(财务部)", "Issuer, finance"), _people(issuers, names), stamp=True),
                    Room(
                        Label("领取人(营销员)", "Collector, salesperson"),
                        " ".join((_people(collectors, names), *map(shown, signed[-1:]))),
                    ),
                    Room(Label("客户签收", "Received by the customer"), stamp=True),
                ),
            ),
        ),
        printed,
    )


def _buyer(request: InvoiceRequest) -> Fields:
    buyer = request.content and request.content.buyer
    return Fields(
        Label("购买方", "Buyer"),
        (
            Field(Label("名称", "Name"), buyer and buyer.name, wide=True),
            Field(Label("纳税人识别号", "Tax number"), buyer and buyer.identity, wide=True),
            Field(Label("地址", "Address"), buyer and buyer.address, wide=True),
            Field(Label("电话", "Phone"), buyer and buyer.phone),
            Field(Label("开户银行", "Bank"), buyer and buyer.bank),
            Field(Label("银行账号", "Account"), buyer and buyer.account, wide=True),
        ),
    )


def _lines(lines: Sequence[InvoiceLine]) -> Table:
    whole = total(lines)
    # A space: nothing is missing there.
    sums = ("合计 Total", " ", " ", " ", yuan(whole.net), yuan(whole.tax), yuan(whole.gross))
    return Table(
        Label("货物或应税劳务", "Goods"),
        (
            Column(Label("名称", "Item"), 2.4),
            Column(Label("单位", "Unit"), 0.6),
            Column(Label("数量", "Quantity"), 0.9, right=True),
            Column(Label("税率", "Rate"), 0.6, right=True),
            Column(Label("金额(不含税)", "Net"), 1.3, right=True),
            Column(Label("税额", "Tax"), 1.2, right=True),
            Column(Label("价税合计", "Gross"), 1.4, right=True),
        ),
        [*(_line(one) for one in lines), *([sums] if lines else [])],
    )


def _line(one: InvoiceLine) -> tuple[object, ...]:
    rate = f"{one.rate_percent.normalize():f}%"
    return one.item, one.unit, one.quantity, rate, yuan(one.net_fen), yuan(one.tax_fen), yuan(one.gross_fen)


def _receipts(request: InvoiceRequest, receipts: Mapping[str, ReceiptNamed]) -> Table:
    paid = request.basis.receipts if request.basis else ()
    return Table(
        Label("收款凭据", "Receipts"),
        (
            Column(Label("收款单号", "Receipt")),
            Column(Label("银行流水号", "Bank reference"), 2),
            Column(Label("分配到本订单(元)", "Allocated to the order (yuan)"), 1, right=True),
        ),
        [
            (named.number, named.bank_reference, yuan(one.allocated_fen))
            if (named := receipts.get(one.receipt))
            else (one.receipt, "", yuan(one.allocated_fen))
            for one in paid
        ],
    )


def _invoice(one: Invoice, names: Mapping[str, str]) -> tuple[object, ...]:
    issued = one.issued
    collector = _collector(one)
    return (
        word(INVOICE_KINDS, issued.kind),
        _numbers(one),
        issued.issued_on,
        yuan(issued.gross_fen),
        names.get(issued.issued_by, issued.issued_by),
        names.get(collector, collector),
        one.collected_on,
        one.delivered_on,
    )


def _numbers(one: Invoice) -> str:
    """Code and number, and the 20 digits, as far as its kind has them."""
    issued = one.issued
    return " ".join(part for part in (issued.code, issued.number, issued.digital_number) if part)


def _collector(one: Invoice) -> str:
    """Who has signed for it, or is to."""
    return one.collected_by or one.issued.collector or ""


def _signed(
    request: InvoiceRequest, history: Sequence[RecordedFact[Fact]], side: Side, names: Mapping[str, str]
) -> str:
    """Who passed one side and when, as long as that holds; a delegate as B代A."""
    passed = [
        (one.fact, one.occurred_at)
        for one in history
        if isinstance(one.fact, InvoiceRequestReviewed) and one.fact.side == side
    ]
    if side not in request.reviews or not passed:
        return ""
    fact, at = passed[-1]
    signed, principal = names.get(fact.reviewed_by, fact.reviewed_by), fact.on_behalf_of
    who = f"{signed} 代 {names.get(principal, principal)}" if principal else signed
    return f"{who} {shown(at)}"


def _applied(request: InvoiceRequest, history: Sequence[RecordedFact[Fact]], names: Mapping[str, str]) -> str:
    """Who applied, and when for what it asks now."""
    applied = [one.occurred_at for one in history if isinstance(one.fact, InvoiceRequested)]
    return " ".join((names.get(request.applicant, request.applicant), *map(shown, applied[-1:])))


def _people(people: set[str], names: Mapping[str, str]) -> str:
    return "、".join(shown(names.get(person, person)) for person in sorted(people))


__all__ = [
    "Customer",
    "ReceiptNamed",
    "collection_form",
    "print_collection",
    "print_request",
    "request_form",
    "router",
]
