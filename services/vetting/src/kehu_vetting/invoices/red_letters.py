"""Red letters (红字): asked for, confirmed by the buyer where that is due, issued; never more than their blue one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Literal

from kehu.contracts.trade import InvoiceIssued, InvoiceKind, RedLetterAsked, RedLetterConfirmed, RedLetterDropped
from kehu.deciding import Context, Decision
from kehu.errors import Invalid, NotFound, Refused
from kehu_vetting.invoices.accounts import Invoice, InvoiceAccount, RedLetter, RedStatus
from kehu_vetting.invoices.amounts import Amounts, Goods, TypedLine, by_goods, plain, total, worked_out
from kehu_vetting.invoices.decisions import known_file
from kehu_vetting.invoices.gathered import Gathered
from kehu_vetting.invoices.issuing import claims, existing, with_what_follows
from kehu_vetting.invoices.numbers import Numbers, check_numbers
from kehu_vetting.invoices.orders import OrderAccount
from kehu_vetting.invoices.policy import invoicing
from kehu_vetting.invoices.rights import check_finance


@dataclass(frozen=True, slots=True)
class AskRedLetter:
    """Ask for a red letter.

    Args:
        red: its id.
        invoice: the blue one.
        kind: of the red invoice that will be issued.
        lines: with negative amounts; nothing takes back all that is left.
        reason: a return, an allowance, a mistake, …

    """

    red: str
    invoice: str
    kind: InvoiceKind
    lines: tuple[TypedLine, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class ConfirmRedLetter:
    """The buyer has confirmed it, under this number."""

    red: str
    confirmation: str


@dataclass(frozen=True, slots=True)
class WithdrawRedLetter:
    """Take it back before it is issued."""

    red: str
    reason: str


@dataclass(frozen=True, slots=True)
class IssueRedLetter:
    """Register the red invoice as it was issued."""

    red: str
    invoice: str
    numbers: Numbers
    issued_on: date


def ask_red_letter(command: AskRedLetter, account: InvoiceAccount, order: OrderAccount, context: Context) -> Decision:
    """Ask for a red letter, whole or partial; its amounts are kept for it from now on."""
    check_finance(context.actor, known_file(context.gathered, order))
    blue = existing(account, command.invoice)
    _check_blue(blue)
    if command.red in account.reds:
        raise Refused("该编号的红字申请已存在。", "There is a red letter of this id already.", clause="R3.2.3")
    left = account.left_of(blue)
    lines = command.lines or _all_of(left)
    if not lines:
        raise Refused(
            "该发票已全部冲红或已有红字申请,没有余额可冲。",
            "All of this invoice is taken back or asked back already.",
            clause="R3.2.3",
            code="nothing-left",
        )
    asked = _gross_by_goods(lines)
    rest = frozenset(goods for goods, gross in asked.items() if goods in left and gross == -left[goods].gross)
    rates = sorted({goods.rate for goods in left}, reverse=True)
    found = tuple(worked_out(lines, rates, exempt=rest))
    if any(line.gross_fen >= 0 or line.net_fen > 0 or line.tax_fen > 0 for line in found):
        raise Invalid(
            "红字发票的金额须为负数。",
            "The amounts of a red letter are negative.",
            clause="R3.2.3",
            code="not-negative",
        )
    over = [goods for goods, amounts in by_goods(found).items() if _exceeds(amounts, left.get(goods))]
    if over:
        raise Refused(
            f"红字金额超过蓝字发票余额或与余额不符:{'、'.join(f'{one.item}({one.rate}%)' for one in over)}。"
            "冲完某项时,其金额和税额须恰为余额。",
            "The red amounts exceed what is left of the blue invoice, or take all of some goods without being exactly "
            "what is left of net and tax.",
            clause="R3.2.3",
            code="exceeds-blue",
            left=[
                {"item": goods.item, "rate": str(goods.rate), "net": one.net, "tax": one.tax, "gross": one.gross}
                for goods, one in left.items()
            ],
        )
    sums = total(found)
    return Decision(
        [
            RedLetterAsked(
                red=command.red,
                invoice=blue.id,
                order=account.order,
                customer=account.customer,
                department=account.department,
                kind=command.kind,
                net_fen=sums.net,
                tax_fen=sums.tax,
                gross_fen=sums.gross,
                lines=found,
                reason=command.reason,
                lapses_at=_lapses_at(command.kind, blue, context),
                asked_by=context.actor.id,
            )
        ]
    )


def confirm_red_letter(
    command: ConfirmRedLetter, account: InvoiceAccount, order: OrderAccount, context: Context
) -> Decision:
    """Record that the buyer has confirmed; too late is too late, also before the lapse is recorded."""
    check_finance(context.actor, known_file(context.gathered, order))
    red = _pending(account, command.red)
    if red.status is not RedStatus.ASKED or red.lapses_at is None:
        raise Refused(
            "该红字申请无须确认或已确认,可以开具。",
            "It is confirmed, or needs no confirmation: it can be issued.",
            clause="R3.2.3",
            code="nothing-to-confirm",
        )
    if context.now >= red.lapses_at:
        raise Refused(
            f"确认期限已于 {red.lapses_at.isoformat()} 届满,该红字申请失效。请重新申请。",
            f"It could be confirmed until {red.lapses_at.isoformat()}: ask for it anew.",
            clause="R3.2.3",
            code="lapsed",
        )
    return Decision(
        [
            RedLetterConfirmed(
                red=red.id,
                invoice=red.invoice,
                order=account.order,
                customer=account.customer,
                department=account.department,
                confirmation=command.confirmation,
                confirmed_by=context.actor.id,
            )
        ]
    )


def withdraw_red_letter(
    command: WithdrawRedLetter, account: InvoiceAccount, order: OrderAccount, context: Context
) -> Decision:
    """Take a red letter back before it is issued; its amounts are free again."""
    check_finance(context.actor, known_file(context.gathered, order))
    red = _pending(account, command.red)
    return Decision([_dropped(red, account, "withdrawn", command.reason)])


def issue_red_letter(
    command: IssueRedLetter, account: InvoiceAccount, order: OrderAccount, context: Context
) -> Decision:
    """Register the red invoice of a red letter that was confirmed, or needs no confirmation."""
    gathered: Gathered = context.gathered
    check_finance(context.actor, known_file(gathered, order))
    red = _pending(account, command.red)
    if red.status is not RedStatus.CONFIRMED:
        raise Refused(
            "购买方尚未确认,不能开具红字发票。请先登记确认。",
            "The buyer has not confirmed it yet: record the confirmation first.",
            clause="R3.2.3",
            code="not-confirmed",
        )
    blue = existing(account, red.invoice)
    _check_blue(blue)
    if command.numbers.kind is not red.kind:
        raise Invalid(
            f"红字申请的发票种类为 {red.kind.value},请按此开具或重新申请。",
            f"It was asked for as {red.kind.value}: issue it so, or ask anew.",
            clause="R3.2.3",
            code="other-kind",
        )
    if not blue.issued.issued_on <= command.issued_on <= context.today:
        raise Invalid(
            f"红字发票的日期应在 {blue.issued.issued_on} 与 {context.today} 之间。",
            f"A red letter is dated between {blue.issued.issued_on} and {context.today}.",
            clause="R3.2.3",
            code="issued-on",
        )
    check_numbers(command.numbers, command.issued_on, invoicing(context))
    sums = total(red.lines)
    issued = InvoiceIssued(
        invoice=command.invoice,
        request=None,
        order=account.order,
        order_number=account.order_number,
        customer=account.customer,
        unit=blue.issued.unit,
        department=gathered.file.department,
        kind=command.numbers.kind,
        code=command.numbers.code,
        number=command.numbers.number,
        digital_number=command.numbers.digital_number,
        issued_on=command.issued_on,
        net_fen=sums.net,
        tax_fen=sums.tax,
        gross_fen=sums.gross,
        lines=red.lines,
        red_of=blue.id,
        red=red.id,
        issued_by=context.actor.id,
        collector=gathered.file.owner,
        special=blue.issued.special,
        electronic=command.numbers.electronic(special=blue.issued.special),
        buyer_name=blue.issued.buyer_name,
        buyer_identity=blue.issued.buyer_identity,
    )
    facts = with_what_follows([issued], account, order, invoicing(context))
    return Decision(facts, claims(command.numbers, command.invoice, account.order))


def lapse_red_letter(key: str, due: datetime, account: InvoiceAccount, context: Context) -> Decision:
    """The hours for the buyer's confirmation are over; `key` is ``order/red``."""
    del due
    red = account.reds.get(key.rpartition("/")[2])
    if red is None or red.status is not RedStatus.ASKED or red.lapses_at is None or context.now < red.lapses_at:
        return Decision()
    return Decision([_dropped(red, account, "lapsed", "购买方未在期限内确认。The buyer did not confirm it in time.")])


def _check_blue(blue: Invoice) -> None:
    if not blue.holds or blue.issued.red_of:
        raise Refused(
            "只能对有效的蓝字发票开具红字发票。",
            "A red letter takes back a blue invoice that is not void.",
            clause="R3.2.3",
            code="not-blue",
        )


def _pending(account: InvoiceAccount, named: str) -> RedLetter:
    red = account.reds.get(named)
    if red is None:
        raise NotFound("没有这一红字申请。", "There is no such red letter.", clause="R3.2.3")
    if red.status not in (RedStatus.ASKED, RedStatus.CONFIRMED):
        raise Refused(
            f"该红字申请状态为 {red.status.value},不能再办理。如需冲红,请重新申请。",
            f"This red letter is {red.status.value}: ask for another one if it is still needed.",
            clause="R3.2.3",
            code="red-letter-closed",
            status=red.status.value,
        )
    return red


def _dropped(
    red: RedLetter, account: InvoiceAccount, outcome: Literal["lapsed", "withdrawn"], reason: str
) -> RedLetterDropped:
    return RedLetterDropped(
        red=red.id,
        invoice=red.invoice,
        order=account.order,
        customer=account.customer,
        department=account.department,
        outcome=outcome,
        reason=reason,
        asked_by=red.asked_by,
    )


def _lapses_at(kind: InvoiceKind, blue: Invoice, context: Context) -> datetime | None:
    """Until when the buyer confirms it; nothing is to be confirmed where both invoices are paper's."""
    if kind is InvoiceKind.PAPER and blue.issued.kind is InvoiceKind.PAPER:
        return None
    return context.now + timedelta(hours=invoicing(context).confirmation_hours)


def _all_of(left: Mapping[Goods, Amounts]) -> tuple[TypedLine, ...]:
    """Lines that take back exactly all that is left."""
    return tuple(
        TypedLine(
            item=goods.item,
            unit=goods.unit,
            rate_percent=goods.rate,
            net_fen=-amounts.net,
            tax_fen=-amounts.tax,
            gross_fen=-amounts.gross,
        )
        for goods, amounts in left.items()
        if any(amounts)
    )


def _gross_by_goods(lines: tuple[TypedLine, ...]) -> dict[Goods, int]:
    found: dict[Goods, int] = {}
    for line in lines:
        goods = Goods(line.item, line.unit, plain(line.rate_percent))
        found[goods] = found.get(goods, 0) + line.gross_fen
    return found


def _exceeds(red: Amounts, left: Amounts | None) -> bool:
    """Whether red amounts are more than is left, in net, tax or gross; so whatever takes all of it is exactly it."""
    return left is None or min(left.plus(red)) < 0
