"""Money put to orders, taken from them, taken back by the bank and paid back (R3.2.1): receipt and orders together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from kehu.contracts.staff import Role
from kehu.contracts.trade import ReceiptRefunded, ReceiptReversed
from kehu.deciding import Context, Decision
from kehu.errors import Invalid, Refused
from kehu.event_store import Claim
from kehu.facts import Fact
from kehu.money import show_yuan
from kehu_vetting.orders.buyer import Buyer
from kehu_vetting.orders.facts import Order
from kehu_vetting.orders.releasing import with_consequences
from kehu_vetting.orders.rights import check_role
from kehu_vetting.receipts.decisions import BANK_REFERENCE_SCOPE, check_confirmed
from kehu_vetting.receipts.facts import RECEIPTS, Receipt
from kehu_vetting.receipts.moving import MoneyMoved, allocated, drawn, latest_first

CLAUSE = "R3.2.1"


@dataclass(frozen=True, slots=True)
class Concerned:
    """What was looked up for moving money between a receipt and an order.

    `confirmation` is the id of the fact that confirmed the receipt; None where it is not confirmed.
    """

    buyer: Buyer
    confirmation: str | None


@dataclass(frozen=True, slots=True)
class Allocate:
    """Put money of a receipt to an order; with `beyond_need` also more than the order costs."""

    amount_fen: int
    beyond_need: bool = False


@dataclass(frozen=True, slots=True)
class Deallocate:
    """Take money from an order again; it stays with its payer."""

    amount_fen: int
    reason: str


@dataclass(frozen=True, slots=True)
class TakeBack:
    """The bank has taken money back (`refund` False), or we have paid it back to its payer."""

    refund: bool
    amount_fen: int
    day: date
    reason: str
    bank_reference: str | None = None
    source: str | None = None
    reference: str | None = None


def allocate(command: Allocate, receipt: Receipt, order: Order, context: Context) -> tuple[Decision, Decision]:
    """Put money of a confirmed receipt to an order of one of its payer's customers; what is paid then is released.

    Returns:
        What happens to the receipt and to the order.

    Raises:
        Forbidden: not finance of the customer's department.
        NotConfirmed, Refused: whose it is is not known; it is another payer's; there is not so much of it; the order
            does not need so much.
        Invalid: the amount is not above zero.

    """
    concerned: Concerned = context.gathered
    buyer = concerned.buyer
    check_role(context.actor, Role.FINANCE, buyer.file)
    _check_amount(command.amount_fen)
    check_confirmed(receipt)
    if concerned.confirmation is None:  # it was confirmed after somebody looked
        raise MoneyMoved
    _check_payer(receipt, order, buyer)
    if command.amount_fen > receipt.free_fen:
        raise Refused(
            f"收款 {receipt.number} 未分配余额为 {show_yuan(receipt.free_fen)} 元,不足以分配。请减少金额或另选。",
            f"Receipt {receipt.number} has {show_yuan(receipt.free_fen)} yuan that are put to nothing: not enough. "
            "Put less of it, or another receipt.",
            clause=CLAUSE,
            code="receipt-exceeded",
            free_fen=receipt.free_fen,
        )
    if command.amount_fen > order.needed_fen and not command.beyond_need:
        needed = max(0, order.needed_fen)
        raise Refused(
            f"订单 {order.number} 尚需 {show_yuan(needed)} 元。多付部分留在付款单位名下;确需超额分配请注明。",
            f"Order {order.number} still needs {show_yuan(needed)} yuan. Over-payment stays with the payer; say so "
            "(beyond_need) if more is to be put to it all the same.",
            clause=CLAUSE,
            code="need-exceeded",
            needed_fen=needed,
        )
    paid = allocated(order, receipt, command.amount_fen, concerned.confirmation)
    facts = with_consequences(
        order, [paid], department=buyer.file.department, today=context.today, why="款项分配 / allocation"
    )
    return Decision([drawn(order, receipt, command.amount_fen)]), Decision(facts)


def deallocate(command: Deallocate, receipt: Receipt, order: Order, context: Context) -> tuple[Decision, Decision]:
    """Take money from an order again: what has not left and is not paid any more is blocked, the last batch first.

    Raises:
        Forbidden: not finance of the customer's department.
        Refused: the receipt has not put so much to the order, or goods that the customer has would be unpaid.
        Invalid: the amount is not above zero.

    """
    concerned: Concerned = context.gathered
    buyer = concerned.buyer
    check_role(context.actor, Role.FINANCE, buyer.file)
    _check_amount(command.amount_fen)
    held = receipt.drawn.get(order.id, 0)
    if command.amount_fen > held:
        raise Refused(
            f"该收款分配给此订单的金额为 {show_yuan(held)} 元,不能撤回更多。",
            f"This receipt has put {show_yuan(held)} yuan to this order: no more can be taken from it.",
            clause=CLAUSE,
            code="allocation-exceeded",
            allocated_fen=held,
        )
    spare = order.allocated_fen - (order.shipped_fen - order.returned_fen)
    if command.amount_fen > spare:
        raise Refused(
            f"已发货物须保持付清,最多可撤回 {show_yuan(max(0, spare))} 元。",
            f"Goods that have left stay paid: at most {show_yuan(max(0, spare))} yuan can be taken away.",
            clause=CLAUSE,
            code="shipped-goods-unpaid",
            spare_fen=max(0, spare),
        )
    back = allocated(order, receipt, -command.amount_fen, None, command.reason)
    facts = with_consequences(order, [back], department=buyer.file.department, today=context.today, why=command.reason)
    return Decision([drawn(order, receipt, -command.amount_fen)]), Decision(facts)


def take_back(command: TakeBack, receipt: Receipt, orders: Sequence[Order], context: Context) -> list[Decision]:
    """Record that money has gone back; finance does.

    Args, returns and raises as `taken_back`; Forbidden: not finance.

    """
    check_role(context.actor, Role.FINANCE, None)
    return taken_back(command, receipt, orders, context)


def taken_back(command: TakeBack, receipt: Receipt, orders: Sequence[Order], context: Context) -> list[Decision]:
    """Money has gone back: first what is put to nothing, then from the orders that got it last; whoever says so.

    It is a fact, so it is not refused for what follows: released batches are blocked, and where goods that the
    customer has are unpaid, a credit incident is opened.

    Args:
        command: how much, when, why.
        receipt: whose money.
        orders: all to which it is put, in any order.
        context: `gathered` has the department of each order by its id.

    Returns:
        What happens to the receipt, then to each order.

    Raises:
        NotConfirmed, Refused, Invalid: not so much is left of it, or the bank's reference has been used.
        MoneyMoved: it is put to other orders meanwhile.

    """
    departments: Mapping[str, str] = context.gathered
    _check_amount(command.amount_fen)
    check_confirmed(receipt)
    _check_back(command, receipt, context.today)
    from_orders = latest_first(receipt.drawn, max(0, command.amount_fen - receipt.free_fen))
    if not set(from_orders) <= {order.id for order in orders}:
        raise MoneyMoved
    why = f"{'退款' if command.refund else '银行冲正'}:{command.reason}"
    at_receipt: list[Fact] = []
    decisions: list[Decision] = []
    for order in orders:
        fen = from_orders.get(order.id, 0)
        if not fen:
            decisions.append(Decision())
            continue
        at_receipt.append(drawn(order, receipt, -fen))
        back = allocated(order, receipt, -fen, None, why)
        decisions.append(
            Decision(with_consequences(order, [back], department=departments[order.id], today=command.day, why=why))
        )
    at_receipt.append(_gone(command, receipt))
    claims = _claim(command, receipt)
    return [Decision(at_receipt, claims), *decisions]


def _gone(command: TakeBack, receipt: Receipt) -> Fact:
    if command.refund:
        return ReceiptRefunded(
            receipt=receipt.id,
            amount_fen=command.amount_fen,
            refunded_on=command.day,
            reason=command.reason,
            bank_reference=command.bank_reference or "",
        )
    return ReceiptReversed(
        receipt=receipt.id,
        amount_fen=command.amount_fen,
        reversed_on=command.day,
        reason=command.reason,
        bank_reference=command.bank_reference,
        number=receipt.number,
        source=command.source,
        reference=command.reference,
    )


def _claim(command: TakeBack, receipt: Receipt) -> list[Claim]:
    if command.bank_reference is None:
        return []
    return [Claim(BANK_REFERENCE_SCOPE, command.bank_reference, RECEIPTS.stream(receipt.id))]


def _check_back(command: TakeBack, receipt: Receipt, today: date) -> None:
    if command.amount_fen > receipt.net_fen:
        raise Refused(
            f"该收款净额为 {show_yuan(receipt.net_fen)} 元,不能退回更多。",
            f"Of this receipt {show_yuan(receipt.net_fen)} yuan are left: no more can go back.",
            clause=CLAUSE,
            code="receipt-exceeded",
            net_fen=receipt.net_fen,
        )
    if not receipt.received_on <= command.day <= today:
        raise Invalid(
            f"日期应在到账日期({receipt.received_on})与今天({today})之间。",
            f"The day is between the receipt's ({receipt.received_on}) and today ({today}).",
            clause=CLAUSE,
            code="date-out-of-range",
        )
    if command.refund and not command.bank_reference:
        raise Invalid(
            "退款须有银行流水号。", "A refund has a bank reference of its own.", clause=CLAUSE, code="reference-missing"
        )
    # The claim keeps it from other receipts; of this one it is known here.
    if command.bank_reference in {receipt.bank_reference, *receipt.gone_back}:
        raise Refused(
            "该银行流水号已登记过,一个流水号只计一次。",
            "This bank reference has been recorded: it counts once.",
            clause=CLAUSE,
            code="bank-reference-taken",
        )


def _check_amount(amount_fen: int) -> None:
    if amount_fen <= 0:
        raise Invalid("金额须大于零。", "The amount is above zero.", clause=CLAUSE, code="amount-not-positive")


def _check_payer(receipt: Receipt, order: Order, buyer: Buyer) -> None:
    if receipt.unit is None:
        raise Refused(
            "该收款的付款单位尚未识别,请先认领。",
            "It is not known from whom this receipt is: identify its payer first.",
            clause=CLAUSE,
            code="payer-unidentified",
        )
    if receipt.unit != order.unit and receipt.unit not in buyer.linked:
        raise Refused(
            "该收款的付款单位未与此订单的客户关联,不能分配。请核对,或先签三方协议。",
            "The payer of this receipt is not linked with the order's customer: its money cannot pay for it.",
            clause="R3.1.1",
            code="payer-not-linked",
        )
