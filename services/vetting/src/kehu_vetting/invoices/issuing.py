"""Finance issues and registers every invoice, and voids those that may be void (R3.2.3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from kehu.contracts.trade import InvoiceIssued, InvoiceVoided, RedLetterCovered, RedLetterDue
from kehu.deciding import Context, Decision
from kehu.errors import Invalid, NotFound, Refused
from kehu.event_store import Claim
from kehu.facts import Fact
from kehu.money import show_yuan
from kehu_vetting.invoices.accounts import (
    INVOICE_ACCOUNTS,
    INVOICE_SCOPE,
    PENDING,
    Invoice,
    InvoiceAccount,
    OrderFollowed,
)
from kehu_vetting.invoices.amounts import Amounts, Goods, TypedLine, by_goods, total, worked_out
from kehu_vetting.invoices.decisions import check_payer, known_file, not_open
from kehu_vetting.invoices.facts import InvoiceRequest, RequestServed, RequestStatus
from kehu_vetting.invoices.gathered import Gathered
from kehu_vetting.invoices.numbers import Numbers, check_numbers
from kehu_vetting.invoices.orders import OrderAccount
from kehu_vetting.invoices.policy import Invoicing, invoicing
from kehu_vetting.invoices.reviewing import check_unchanged
from kehu_vetting.invoices.rights import check_finance, check_issuer


@dataclass(frozen=True, slots=True)
class IssueInvoice:
    """Register an invoice as it was issued.

    Args:
        invoice: its id.
        numbers: kind and numbers.
        issued_on: the day that stands on it.
        lines: as they stand on it; nothing takes all that is left of the request.
        digest: of the request that was looked at; None for an ordinary invoice, which has none.

    """

    invoice: str
    numbers: Numbers
    issued_on: date
    lines: tuple[TypedLine, ...]
    digest: str | None = None


@dataclass(frozen=True, slots=True)
class VoidInvoice:
    """Void (作废) a paper invoice in the month of its issue."""

    invoice: str
    reason: str


def issue_invoice(
    command: IssueInvoice, account: InvoiceAccount, request: InvoiceRequest, order: OrderAccount, context: Context
) -> tuple[Decision, Decision]:
    """Issue a special VAT invoice on a request that both have passed.

    Returns:
        What is added to the order's account of invoices, and to the request.

    """
    gathered: Gathered = context.gathered
    file = known_file(gathered, order)
    check_issuer(context.actor, file, request)
    _check_passed(command, request, context)
    check_unchanged(request, order, context)
    check_payer(gathered.payer, order, context)
    if request.passed_on is None or not request.passed_on <= command.issued_on <= context.today:
        raise _wrong_day(command.issued_on, request.passed_on or context.today, context.today)
    left = _left(request)
    issued = _issued(command, account, order, context, lines=command.lines or _rest(request, left), request=request)
    taken = by_goods(issued.lines)
    _check_asked_for(taken, left, request)
    complete = all(taken.get(goods, Amounts()).gross == amounts.gross for goods, amounts in left.items())
    served = RequestServed(
        request=request.id,
        customer=request.customer,
        invoice=command.invoice,
        lines=issued.lines,
        complete=complete,
        issued_by=context.actor.id,
    )
    return _recorded(command, issued, account, order, context), Decision([served])


def register_invoice(command: IssueInvoice, account: InvoiceAccount, order: OrderAccount, context: Context) -> Decision:
    """Register an ordinary invoice (普通发票), which takes no request; all other rules are the same."""
    file = known_file(context.gathered, order)
    check_finance(context.actor, file)
    if not date(2000, 1, 1) <= command.issued_on <= context.today:
        raise _wrong_day(command.issued_on, date(2000, 1, 1), context.today)
    issued = _issued(command, account, order, context, lines=command.lines, request=None)
    return _recorded(command, issued, account, order, context)


def void_invoice(command: VoidInvoice, account: InvoiceAccount, order: OrderAccount, context: Context) -> Decision:
    """Void a paper invoice; its number stays used. Whatever else is to be taken back takes a red letter."""
    check_finance(context.actor, known_file(context.gathered, order))
    invoice = existing(account, command.invoice)
    if not invoice.holds:
        raise Refused("该发票已作废。", "This invoice is void already.", clause="R3.2.3", code="voided")
    if not invoice.voidable:
        raise _not_voidable("电子和数电发票不能作废", "An electronic or digital invoice cannot be void")
    on, today = invoice.issued.issued_on, context.today
    if (on.year, on.month) != (today.year, today.month):
        raise _not_voidable(
            f"该发票开具于 {on:%Y-%m},只有当月开具的才能作废",
            f"It was issued in {on:%Y-%m}, and only this month's can be void",
        )
    if any(one.holds and one.issued.red_of == invoice.id for one in account.invoices.values()) or any(
        red.invoice == invoice.id and red.status in PENDING for red in account.reds.values()
    ):
        raise Refused(
            "该发票已有红字发票或红字申请,不能作废。请先撤回红字申请,或继续以红字发票冲回余额。",
            "There is a red letter of it, issued or asked for: withdraw that, or take the rest back by red letter too.",
            clause="R3.2.3",
            code="has-red-letter",
        )
    ceiling = order.ceiling(invoicing(context))
    if invoice.issued.red_of and account.invoiced_fen - invoice.issued.gross_fen > ceiling:
        raise above_ceiling(account.invoiced_fen, -invoice.issued.gross_fen, ceiling)
    voided = InvoiceVoided(
        invoice=invoice.id,
        order=account.order,
        customer=account.customer,
        voided_on=today,
        reason=command.reason,
        voided_by=context.actor.id,
    )
    return Decision(with_what_follows([voided], account, order, invoicing(context)))


# --- what red letters and reactions need too ---


def existing(account: InvoiceAccount, invoice: str) -> Invoice:
    """An invoice of the account.

    Raises:
        NotFound: there is none.

    """
    try:
        return account.invoices[invoice]
    except KeyError:
        raise NotFound("没有这张发票。", "There is no such invoice.", clause="R3.2.3") from None


def told(account: InvoiceAccount, order: OrderAccount, policy: Invoicing) -> list[Fact]:
    """What is to be told of a red letter that is due: that it is, how much now, or no longer.

    Args:
        account: after whatever has happened.
        order: with its receipts and shipped value.
        policy: in force.

    """
    excess = max(0, account.invoiced_fen - order.ceiling(policy))
    if excess == account.due_fen:
        return []
    if excess:
        return [
            RedLetterDue(
                order=account.order,
                customer=account.customer,
                department=account.department,
                order_number=account.order_number,
                excess_fen=excess,
            )
        ]
    return [
        RedLetterCovered(
            order=account.order,
            customer=account.customer,
            department=account.department,
            order_number=account.order_number,
        )
    ]


def with_what_follows(
    facts: Sequence[Fact], account: InvoiceAccount, order: OrderAccount, policy: Invoicing
) -> list[Fact]:
    """What happens to invoices, that the order was seen as it is, and what is to be told of a red letter due."""
    seen = account.as_followed
    found = list(facts)
    if (seen.received_fen, seen.shipped_fen) != (order.received_fen, order.shipped_fen):
        found.append(
            OrderFollowed(
                order=order.order,
                customer=order.customer,
                version=order.version,
                received_fen=order.received_fen,
                shipped_fen=order.shipped_fen,
            )
        )
    return [*found, *told(INVOICE_ACCOUNTS.fold(found, account), order, policy)]


def claims(numbers: Numbers, invoice: str, order: str) -> list[Claim]:
    """Its numbers count once, and it is found by its id and by them."""
    return [*numbers.claims(holder=f"{order}/{invoice}"), Claim(INVOICE_SCOPE, invoice, holder=order)]


def above_ceiling(invoiced: int, more: int, ceiling: int) -> Refused:
    """More would be invoiced than the order allows."""
    return Refused(
        f"该订单可开票 {show_yuan(ceiling)} 元,已开 {show_yuan(invoiced)} 元,再开 {show_yuan(more)} 元将超出 "
        f"{show_yuan(invoiced + more - ceiling)} 元。请减少金额,或待收款、发货后再开。",
        f"Of this order {show_yuan(ceiling)} yuan may be invoiced and {show_yuan(invoiced)} are: {show_yuan(more)} "
        f"would be {show_yuan(invoiced + more - ceiling)} too much. What is received and shipped can be invoiced: "
        "wait for it, or invoice less.",
        clause="R3.2.3",
        code="above-ceiling",
        ceiling_fen=ceiling,
        invoiced_fen=invoiced,
    )


# --- the rest ---


def _check_passed(command: IssueInvoice, request: InvoiceRequest, context: Context) -> None:
    if request.status is not RequestStatus.PASSED or request.lapses_on is None:
        raise not_open(request)
    if context.today > request.lapses_on:
        raise Refused(
            f"联合审核已于 {request.lapses_on} 到期失效,请营销员重新申请。",
            f"The joint pass held until {request.lapses_on}: the salesperson applies anew.",
            clause="R3.2.3",
            code="lapsed",
            lapses_on=request.lapses_on.isoformat(),
        )
    if command.digest != request.digest:
        raise Refused(
            "申请与您所查看的不一致。请重新查看后再开票。",
            "The request is not the one that you have looked at: look again, then issue.",
            clause="R3.2.3",
            code="bundle-changed",
            digest=request.digest,
        )


def _wrong_day(day: date, first: date, last: date) -> Invalid:
    return Invalid(
        f"开票日期 {day} 应在 {first} 与 {last} 之间。",
        f"The day of issue, {day}, lies between {first} and {last}.",
        clause="R3.2.3",
        code="issued-on",
    )


def _left(request: InvoiceRequest) -> Mapping[Goods, Amounts]:
    """What of a request is not issued yet, by goods and rate."""
    asked = by_goods(request.content.lines) if request.content else {}
    return {goods: amounts.minus(request.served.get(goods, Amounts())) for goods, amounts in asked.items()}


def _rest(request: InvoiceRequest, left: Mapping[Goods, Amounts]) -> tuple[TypedLine, ...]:
    """The lines that take all that is left; as they were asked for where nothing was issued yet."""
    if not request.served and request.content:
        return tuple(
            TypedLine(
                item=line.item,
                unit=line.unit,
                quantity=line.quantity,
                rate_percent=line.rate_percent,
                gross_fen=line.gross_fen,
            )
            for line in request.content.lines
        )
    return tuple(
        TypedLine(item=goods.item, unit=goods.unit, rate_percent=goods.rate, gross_fen=amounts.gross)
        for goods, amounts in left.items()
        if amounts.gross
    )


def _check_asked_for(taken: Mapping[Goods, Amounts], left: Mapping[Goods, Amounts], request: InvoiceRequest) -> None:
    """Only what was asked for is issued: the same goods at the same rates, for no more than is left of each."""
    beyond = [goods for goods, amounts in taken.items() if amounts.gross > left.get(goods, Amounts()).gross]
    if beyond:
        names = "、".join(f"{goods.item}({goods.rate}%)" for goods in beyond)
        raise Refused(
            f"{names} 超出申请 {request.number} 的剩余金额或不在其中。请按申请开具,或请营销员另行申请。",
            f"More than is left of the request {request.number}, or not in it: {names}. Issue what was asked for.",
            clause="R3.2.3",
            code="not-asked-for",
        )


def _issued(
    command: IssueInvoice,
    account: InvoiceAccount,
    order: OrderAccount,
    context: Context,
    *,
    lines: tuple[TypedLine, ...],
    request: InvoiceRequest | None,
) -> InvoiceIssued:
    """The invoice, held against numbers, rates, amounts and the order's ceiling."""
    gathered: Gathered = context.gathered
    policy = invoicing(context)
    check_numbers(command.numbers, command.issued_on, policy)
    found = tuple(worked_out(lines, policy.rates_on(command.issued_on), exempt=frozenset()))
    if not found or any(line.gross_fen <= 0 for line in found):
        raise Invalid(
            "发票至少有一行,每行价税合计须大于零;冲红请用红字发票。",
            "An invoice has one line at least, each of more than nothing; to take back, use a red letter.",
            clause="R3.2.3",
            code="no-amount",
        )
    sums = total(found)
    ceiling = order.ceiling(policy)
    if account.invoiced_fen + sums.gross > ceiling:
        raise above_ceiling(account.invoiced_fen, sums.gross, ceiling)
    buyer = gathered.payer.buyer
    special = request is not None
    return InvoiceIssued(
        invoice=command.invoice,
        request=request.id if request else None,
        request_number=request.number if request else None,
        order=order.order,
        order_number=order.number,
        customer=order.customer,
        unit=order.unit,
        department=gathered.file.department,
        kind=command.numbers.kind,
        code=command.numbers.code,
        number=command.numbers.number,
        digital_number=command.numbers.digital_number,
        issued_on=command.issued_on,
        net_fen=sums.net,
        tax_fen=sums.tax,
        gross_fen=sums.gross,
        lines=found,
        issued_by=context.actor.id,
        # F3 is the salesperson's: whoever owns the customer now, should the applicant have handed it over.
        collector=gathered.file.owner,
        special=special,
        electronic=command.numbers.electronic(special=special),
        buyer_name=buyer.name if buyer else gathered.payer.name,
        buyer_identity=buyer.identity if buyer else None,
    )


def _recorded(
    command: IssueInvoice, issued: InvoiceIssued, account: InvoiceAccount, order: OrderAccount, context: Context
) -> Decision:
    facts = with_what_follows([issued], account, order, invoicing(context))
    return Decision(facts, claims(command.numbers, command.invoice, order.order))


def _not_voidable(zh: str, en: str) -> Refused:
    return Refused(
        f"{zh}。请申请红字发票(POST /invoices/…/red-letters)。",
        f"{en}. Take it back by a red letter instead (POST /invoices/…/red-letters).",
        clause="R3.2.3",
        code="not-voidable",
    )
