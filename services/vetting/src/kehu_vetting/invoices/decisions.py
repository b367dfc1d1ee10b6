"""The salesperson's commands on a request (F2): apply, revise, withdraw (R3.2.2, R3.2.3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from kehu.contracts.trade import InvoiceRequestClosed, InvoiceRequested
from kehu.deciding import Context, Decision
from kehu.errors import Invalid, NotFound, Refused
from kehu.event_store import Claim
from kehu.money import show_yuan
from kehu_vetting.customer_files.facts import CustomerFile
from kehu_vetting.invoices.accounts import InvoiceAccount, RequestOpened
from kehu_vetting.invoices.amounts import TypedLine, total, worked_out
from kehu_vetting.invoices.facts import (
    INVOICE_REQUESTS,
    OPEN,
    Basis,
    Buyer,
    Content,
    InvoiceRequest,
    PaidBy,
    RequestStatus,
    RequestWritten,
)
from kehu_vetting.invoices.gathered import Gathered, Payer
from kehu_vetting.invoices.orders import OrderAccount
from kehu_vetting.invoices.policy import invoicing
from kehu_vetting.invoices.rights import check_applicant
from kehu_vetting.qualifications.form import digest_of

#: Every KP number belongs to one request.
NUMBER_SCOPE = "invoice-request-number"


@dataclass(frozen=True, slots=True)
class WriteRequest:
    """What F2 is to read.

    Args:
        request: its id.
        number: KP000001; the one that it has when it is revised.
        lines: goods, each with its rate.
        receipts: which of the order's receipts it refers to; all of them when none is named.
        buyer: as the salesperson has it; None to take the settlement unit's.
        remark: for the reviewers.

    """

    request: str
    number: str
    lines: tuple[TypedLine, ...]
    receipts: tuple[str, ...] = ()
    buyer: Buyer | None = None
    remark: str = ""


@dataclass(frozen=True, slots=True)
class WithdrawRequest:
    """Give a request up."""

    reason: str


def request_invoice(
    command: WriteRequest, state: InvoiceRequest, account: InvoiceAccount, order: OrderAccount, context: Context
) -> tuple[Decision, Decision]:
    """Apply for a special VAT invoice of one's own customer's order.

    Returns:
        What is added to the request, and to the order's account of invoices.

    """
    file = known_file(context.gathered, order)
    check_applicant(context.actor, file, state)
    if state.id:
        raise Refused("该编号的开票申请已存在。", "There is a request of this id already.", clause="R3.2.3")
    written, opened = _written(command, state, account, order, context)
    claim = Claim(NUMBER_SCOPE, command.number, holder=INVOICE_REQUESTS.stream(command.request))
    return Decision(written, [claim]), Decision([opened])


def revise_request(
    command: WriteRequest, state: InvoiceRequest, account: InvoiceAccount, order: OrderAccount, context: Context
) -> tuple[Decision, Decision]:
    """Write a returned request anew, or correct one that nobody has passed yet; it goes to both reviewers again."""
    file = known_file(context.gathered, order)
    check_applicant(context.actor, file, state)
    if state.status is RequestStatus.IN_REVIEW and state.reviews:
        raise Refused(
            "已有一方审核通过,不能再修改。请审核人退回,或撤回后重新申请。",
            "One of the two has passed it, so it can no longer be changed: ask for its return, or withdraw it.",
            clause="R3.2.3",
            code="already-reviewed",
        )
    if state.status not in (RequestStatus.IN_REVIEW, RequestStatus.RETURNED):
        raise not_open(state)
    written, opened = _written(command, state, account, order, context)
    return Decision(written), Decision([opened])


def withdraw_request(command: WithdrawRequest, state: InvoiceRequest, context: Context) -> Decision:
    """Give it up; what was issued on it already stays issued."""
    gathered: Gathered = context.gathered
    check_applicant(context.actor, gathered.file, state)
    if state.status not in OPEN:
        raise not_open(state)
    return Decision([closed(state, "withdrawn", command.reason)])


# --- what the others need too ---


def known_file(gathered: Gathered, order: OrderAccount) -> CustomerFile:
    """The customer's file.

    Raises:
        NotFound: there is no such order, or its customer's dossier is not known here.

    """
    if not order.order or not gathered.file.registered or gathered.file.customer != order.customer:
        raise NotFound(
            "没有这一订单,或不在您的办理范围内。", "There is no such order, or none that is yours.", clause="R3.2.3"
        )
    return gathered.file


def basis_of(receipts: Sequence[str], order: OrderAccount) -> Basis:
    """What a request for an order rests on that refers to these receipts."""
    paid = tuple(PaidBy(receipt=one, allocated_fen=order.receipts.get(one, 0)) for one in sorted(receipts))
    return Basis(unit=order.unit, order_digest=order.digest, receipts=paid)


def changes(state: InvoiceRequest, order: OrderAccount, payer: Payer) -> list[str]:
    """What a request rests on and has changed since it was written: ``order``, ``receipts``, ``buyer``."""
    if state.basis is None or state.content is None:
        return []
    now = basis_of([one.receipt for one in state.basis.receipts], order)
    found = {
        "order": (now.unit, now.order_digest) != (state.basis.unit, state.basis.order_digest),
        "receipts": now.receipts != state.basis.receipts,
        "buyer": payer.buyer != state.content.buyer,
    }
    return [name for name, changed in found.items() if changed]


def check_payer(payer: Payer, order: OrderAccount, context: Context) -> Buyer:
    """The buyer block of a payer that may have special VAT invoices (R3.2.2).

    Raises:
        Refused: no invoicing information, or no proof that holds today; asked again yearly.

    """
    lacking: list[tuple[str, str]] = []
    if payer.unit != order.unit or payer.buyer is None:
        lacking.append(("完整的开票信息(名称、税号、开户行、账号、地址、电话)", "complete invoicing information"))
    if not payer.proven_on(context.today):
        lacking.append(("有效的一般纳税人证明(每年重新查询)", "a valid general-taxpayer proof, asked again yearly"))
    if lacking or payer.buyer is None:
        raise Refused(
            f"结算单位{payer.name}缺少{'和'.join(zh for zh, _ in lacking)},不能开具增值税专用发票。请先补充并送审。",
            f"The settlement unit lacks {' and '.join(en for _, en in lacking)}: supply it and have it passed first.",
            clause="R3.2.2",
            code="payer-papers",
            unit=order.unit,
            proof_until=payer.proof_until.isoformat() if payer.proof_until else None,
        )
    return payer.buyer


def not_open(state: InvoiceRequest) -> Refused:
    """Nothing more can be done to a request."""
    return Refused(
        f"开票申请 {state.number} 当前状态为 {state.status.value},不能办理此事。",
        f"The request {state.number} is {state.status.value}: this cannot be done to it.",
        clause="R3.2.3",
        code="request-status",
        status=state.status.value,
    )


def closed(state: InvoiceRequest, outcome: Any, reason: str) -> InvoiceRequestClosed:
    """It will not be issued: refused, withdrawn or lapsed."""
    return InvoiceRequestClosed(
        request=state.id,
        number=state.number,
        order=state.order,
        customer=state.customer,
        department=state.department,
        outcome=outcome,
        reason=reason,
        requested_by=state.applicant,
    )


# --- the rest ---


def _written(
    command: WriteRequest, state: InvoiceRequest, account: InvoiceAccount, order: OrderAccount, context: Context
) -> tuple[list[Any], RequestOpened]:
    gathered: Gathered = context.gathered
    buyer = _buyer(command.buyer, check_payer(gathered.payer, order, context))
    lines = tuple(worked_out(command.lines, invoicing(context).rates_on(context.today), exempt=frozenset()))
    gross = total(lines).gross
    if not lines or any(line.gross_fen <= 0 for line in lines):
        raise Invalid(
            "开票申请至少有一行货物,每行价税合计须大于零。",
            "A request has one line at least, each of more than nothing.",
            clause="R3.2.3",
            code="no-amount",
        )
    basis = basis_of(_receipts(command.receipts, order), order)
    _check_left(gross, state, account, order, context)
    content = Content(buyer=buyer, lines=lines, remark=command.remark)
    bundle = state.bundle + 1
    digest = digest_of(
        {
            "request": command.request,
            "bundle": bundle,
            "order": order.order,
            "content": content.model_dump(mode="json"),
            "basis": basis.model_dump(mode="json"),
        }
    )
    written = RequestWritten(
        request=command.request,
        customer=order.customer,
        order=order.order,
        order_number=order.number,
        bundle=bundle,
        digest=digest,
        content=content,
        basis=basis,
        written_by=context.actor.id,
        order_version=order.version,
        unit_version=gathered.payer.version,
    )
    requested = InvoiceRequested(
        request=command.request,
        number=command.number,
        order=order.order,
        customer=order.customer,
        department=gathered.file.department,
        gross_fen=gross,
        requested_by=context.actor.id,
        order_number=order.number,
        digest=digest,
    )
    opened = RequestOpened(
        order=order.order,
        customer=order.customer,
        department=gathered.file.department,
        order_number=order.number,
        unit=order.unit,
        request=command.request,
        gross_fen=gross,
    )
    return [written, requested], opened


def _buyer(typed: Buyer | None, known: Buyer) -> Buyer:
    """The settlement unit's block; what the salesperson typed must say the same (R3.2.3)."""
    wrong = [name for name in Buyer.model_fields if typed and getattr(typed, name) != getattr(known, name)]
    if wrong:
        raise Invalid(
            "购买方信息须与订单的结算单位一致,请按 errors 改正,或先办理结算单位变更。",
            "The buyer is the order's settlement unit to the letter: mend what errors[] names, or the unit itself.",
            clause="R3.2.3",
            code="buyer-differs",
            errors=[
                {
                    "field": f"body.buyer.{name}",
                    "code": "buyer-differs",
                    "detail": f"应为“{getattr(known, name)}”。 It should be “{getattr(known, name)}”.",
                }
                for name in wrong
            ],
        )
    return known


def _receipts(named: Sequence[str], order: OrderAccount) -> Sequence[str]:
    paying = [receipt for receipt, fen in order.receipts.items() if fen > 0]
    strange = sorted(set(named) - set(paying))
    if strange or not paying:
        raise Refused(
            f"收款 {'、'.join(strange)} 没有分配到该订单。" if strange else "该订单还没有分配到账的收款。",
            "These receipts are not allocated to the order." if strange else "No confirmed receipt is allocated to it.",
            clause="R3.2.3",
            code="receipts",
            receipts=strange,
        )
    return sorted(set(named)) or paying


def _check_left(
    gross: int, state: InvoiceRequest, account: InvoiceAccount, order: OrderAccount, context: Context
) -> None:
    """What is asked for fits into what may be invoiced and is neither invoiced nor asked for already."""
    ceiling = order.ceiling(invoicing(context))
    waiting = sum(fen for request, fen in account.requested.items() if request != state.id)
    left = ceiling - account.invoiced_fen - waiting
    if gross > left:
        raise Refused(
            f"该订单可开票 {show_yuan(ceiling)} 元,已开 {show_yuan(account.invoiced_fen)} 元,其他申请中 "
            f"{show_yuan(waiting)} 元,本次申请 {show_yuan(gross)} 元,超出 {show_yuan(gross - left)} 元。",
            f"Of this order {show_yuan(ceiling)} yuan may be invoiced, {show_yuan(account.invoiced_fen)} are, and "
            f"{show_yuan(waiting)} are asked for elsewhere: {show_yuan(gross)} is {show_yuan(gross - left)} too much. "
            "What is received and shipped can be invoiced; wait for it, or ask for less.",
            clause="R3.2.3",
            code="above-ceiling",
            ceiling_fen=ceiling,
            invoiced_fen=account.invoiced_fen,
            requested_fen=waiting,
        )
