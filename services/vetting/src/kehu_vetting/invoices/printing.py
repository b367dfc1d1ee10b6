"""F2 and F3 on paper: the request for a special VAT invoice (证明单), and the receipt for it (领取单) (R3.2.3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from kehu.contracts.trade import InvoiceKind, InvoiceLine, InvoiceRequestReviewed
from kehu.facts import Fact, RecordedFact
from kehu.printing import Column, Field, Fields, Form, Label, Printed, Room, Signatures, Table
from kehu.printing.forms import shown, yuan
from kehu.printing.words import INVOICE_KINDS, word
from kehu_vetting.invoices.accounts import Invoice
from kehu_vetting.invoices.amounts import total
from kehu_vetting.invoices.facts import InvoiceRequest, RequestStatus, Side

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
                    Room(Label("申请人", "Applicant"), names.get(request.applicant, request.applicant)),
                    *(Room(_SIDES[side], _signed(request, history, side, names), stamp=True) for side in _SIDES),
                ),
            ),
        ),
        printed,
    )


def collection_form(
    invoices: Sequence[Invoice], customer: Customer, names: Mapping[str, str], printed: Printed
) -> Form:
    """F3 as it is printed: one line per invoice that is signed for together.

    Args:
        invoices: of one customer; a fully digital one is acknowledged as delivered, there is nothing to collect.
        customer: whose they are.
        names: of members of the staff, by person.
        printed: when and by whom, from which facts.

    """
    digital = all(one.issued.kind is InvoiceKind.DIGITAL for one in invoices)
    collectors = {one.collected_by or one.issued.collector or "" for one in invoices} - {""}
    issuers = {one.issued.issued_by for one in invoices}
    return Form(
        "F3",
        Label("增值税专用发票领取单", "Invoice collection receipt"),
        customer.number,
        (
            Fields(
                Label("客户", "Customer"),
                (
                    Field(Label("客户名称", "Customer"), customer.name, wide=True),
                    Field(Label("客户编号", "Number"), customer.number),
                    Field(
                        Label("签收方式", "Receipt"),
                        "确认已交付 delivery acknowledged" if digital else "领取纸质发票 collected",
                    ),
                ),
            ),
            Table(
                Label(f"发票 {len(invoices)} 张", f"{len(invoices)} invoices"),
                (
                    Column(Label("种类", "Kind"), 1.3),
                    Column(Label("发票代码及号码", "Code and number"), 2.2),
                    Column(Label("开票日期", "Issued on"), 0.9),
                    Column(Label("价税合计(元)", "Gross (yuan)"), 1.2, right=True),
                    Column(Label("开票人", "Issuer"), 1.1),
                    Column(Label("领取人", "Collector"), 1.1),
                    Column(Label("领取日期", "Collected on"), 0.9),
                    Column(Label("交付客户日期", "Delivered on"), 0.9),
                ),
                [_invoice(one, names) for one in invoices],
            ),
            Signatures(
                Label("签收", "Signed for"),
                (
                    Room(Label("开票人(财务部)", "Issuer, finance"), _people(issuers, names), stamp=True),
                    Room(Label("领取人(营销员)", "Collector, salesperson"), _people(collectors, names)),
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
    sums = ("合计 Total", "", "", "", yuan(whole.net), yuan(whole.tax), yuan(whole.gross))
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
    numbers = " ".join(part for part in (issued.code, issued.number, issued.digital_number) if part)
    collector = one.collected_by or issued.collector or ""
    return (
        word(INVOICE_KINDS, issued.kind),
        numbers,
        issued.issued_on,
        yuan(issued.gross_fen),
        names.get(issued.issued_by, issued.issued_by),
        names.get(collector, collector),
        one.collected_on,
        one.delivered_on,
    )


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


def _people(people: set[str], names: Mapping[str, str]) -> str:
    return "、".join(shown(names.get(person, person)) for person in sorted(people))


__all__ = ["Customer", "ReceiptNamed", "collection_form", "request_form"]
