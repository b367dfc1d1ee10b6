"""Signing an order, amending it, cancelling what has not been shipped (R3.2.1)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from kehu.contracts.trade import DeliveryBatch, OrderAmended, OrderCancelled, OrderSigned
from kehu.deciding import Context, Decision
from kehu.errors import Invalid, Refused
from kehu.event_store import Claim
from kehu.facts import Fact
from kehu.money import MOST_FEN, show_yuan
from kehu_vetting.orders import rights
from kehu_vetting.orders.buyer import Buyer
from kehu_vetting.orders.facts import ORDERS, Order, same_goods
from kehu_vetting.orders.releasing import blocked, with_consequences
from kehu_vetting.receipts.facts import Receipt
from kehu_vetting.receipts.moving import excess, freed

CLAUSE = "R3.2.1"
NUMBER_SCOPE = "order-number"
REFERENCE_SCOPE = "order-reference"
#: Far more than an order has; it has to fit into one fact.
MOST_BATCHES = 60
MOST_LINES = 300


@dataclass(frozen=True, slots=True)
class SignOrder:
    """Enter an order that the customer has signed."""

    order: str
    number: str
    customer: str
    unit: str
    signed_on: date
    file_digest: str
    batches: tuple[DeliveryBatch, ...]
    reference: str | None = None
    source: str | None = None


@dataclass(frozen=True, slots=True)
class AmendOrder:
    """Enter a signed amendment: all batches as they are from now on, and who pays."""

    unit: str
    signed_on: date
    file_digest: str
    batches: tuple[DeliveryBatch, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class CancelOrder:
    """Cancel what has not been shipped."""

    reason: str


class OrderInvalid(Invalid):
    """The order does not add up."""

    code = "order-invalid"


def reference_claim(source: str | None, reference: str) -> str:
    """How a sender's own number is claimed: once per source; 合同号 of people once."""
    return f"{source or ''}\n{reference}"


def sign_order(command: SignOrder, state: Order, context: Context) -> Decision:
    """Enter a signed order of an active, unsuspended customer, with one payer.

    Raises:
        Forbidden: neither an order clerk nor the owner.
        CustomerNotActive, CustomerSuspended, NotFound, Refused: the customer or its payer may not now.
        OrderInvalid: batches, lines or dates do not add up.

    """
    buyer: Buyer = context.gathered
    rights.check_known(buyer)
    rights.check_enters(context.actor, buyer.file)
    return signed(command, state, context)


def signed(command: SignOrder, state: Order, context: Context) -> Decision:
    """The same, whoever says so.

    Raises:
        KehuError: as `sign_order`, but for the roles.

    """
    buyer: Buyer = context.gathered
    rights.check_orders(buyer)
    rights.check_payer(command.unit, buyer)
    check_batches(command.batches, command.signed_on, context.today)
    if state.id:
        raise Refused("该订单已存在。", "There is such an order already.", clause=CLAUSE, code="order-exists")
    file = buyer.file
    fact = OrderSigned(
        order=command.order,
        number=command.number,
        customer=command.customer,
        unit=command.unit,
        department=file.department,
        owner=file.owner,
        signed_on=command.signed_on,
        file_digest=command.file_digest,
        amount_fen=sum(batch.amount_fen for batch in command.batches),
        batches=command.batches,
        reference=command.reference,
        source=command.source,
    )
    holder = ORDERS.stream(command.order)
    claims = [Claim(NUMBER_SCOPE, command.number, holder)]
    if command.reference:
        claims.append(Claim(REFERENCE_SCOPE, reference_claim(command.source, command.reference), holder))
    return Decision([fact], claims)


def amend_order(
    command: AmendOrder, order: Order, receipts: Sequence[Receipt], context: Context
) -> tuple[Decision, dict[str, Decision]]:
    """Take up a signed amendment; batches of which something has left stay as they are.

    What is paid beyond the new amount is free again, and what the money covers now is released.

    Args:
        command: the order as it is from now on.
        order: as it was.
        receipts: those that pay for it.
        context: `gathered` is the `Buyer`.

    Returns:
        What happens to the order, and to each receipt by its id.

    Raises:
        KehuError: as `sign_order`; CustomerSuspended for an increase.

    """
    buyer: Buyer = context.gathered
    rights.check_enters(context.actor, buyer.file)
    rights.check_uncancelled(order)
    rights.check_lasting(buyer)
    check_batches(command.batches, order.signed_on, context.today, amended_on=command.signed_on)
    increases = _increases(order, command)
    if increases:
        rights.check_unsuspended(buyer)
    if increases or command.unit != order.unit:
        rights.check_payer(command.unit, buyer)
    _check_begun(order, command.batches)
    agreed = {batch.batch: batch for batch in command.batches}
    why = "订单变更 / order amended"
    happened: list[Fact] = [
        blocked(order, batch, buyer.file.department, why)
        for batch in order.batches
        if batch.released and not (batch.number in agreed and same_goods(batch, agreed[batch.number]))
    ]
    happened.append(
        OrderAmended(
            order=order.id,
            customer=order.customer,
            unit=command.unit,
            amount_fen=sum(batch.amount_fen for batch in command.batches),
            batches=command.batches,
            signed_on=command.signed_on,
            file_digest=command.file_digest,
            reason=command.reason,
            order_number=order.number,
        )
    )
    return _with_surplus_freed(order, happened, receipts, context, why)


def cancel_order(
    command: CancelOrder, order: Order, receipts: Sequence[Receipt], context: Context
) -> tuple[Decision, dict[str, Decision]]:
    """Cancel what has not been shipped; money beyond what has been is free again.

    Args, returns and raises as `amend_order`; Refused where everything has been shipped.

    """
    buyer: Buyer = context.gathered
    rights.check_enters(context.actor, buyer.file)
    rights.check_uncancelled(order)
    if not any(batch.open for batch in order.batches):
        raise Refused(
            "订单已全部发货,没有可取消的部分。退货请登记退货。",
            "All of it has been shipped, nothing is left to cancel. Goods that come back are a return.",
            clause=CLAUSE,
            code="nothing-to-cancel",
        )
    why = "订单取消 / order cancelled"
    happened: list[Fact] = [
        blocked(order, batch, buyer.file.department, why) for batch in order.batches if batch.released
    ]
    happened.append(
        OrderCancelled(
            order=order.id,
            customer=order.customer,
            cancelled_fen=sum(batch.remaining_fen for batch in order.batches if batch.open),
            shipped_fen=order.shipped_fen,
            cancelled_on=context.today,
            reason=command.reason,
            order_number=order.number,
        )
    )
    return _with_surplus_freed(order, happened, receipts, context, why)


def check_batches(
    batches: Sequence[DeliveryBatch], signed_on: date, today: date, *, amended_on: date | None = None
) -> None:
    """Batches are numbered from 1, each with items named once, and their amounts add up.

    Raises:
        OrderInvalid: they do not.

    """
    if not batches or len(batches) > MOST_BATCHES or sum(len(batch.lines) for batch in batches) > MOST_LINES:
        raise _invalid(
            f"订单须有 1 至 {MOST_BATCHES} 个批次,合计不超过 {MOST_LINES} 行。",
            f"An order has 1 to {MOST_BATCHES} batches and at most {MOST_LINES} lines.",
        )
    if [batch.batch for batch in batches] != list(range(1, len(batches) + 1)):
        raise _invalid("批次应从 1 起连续编号。", "Batches are numbered 1, 2, 3, … in the order of their delivery.")
    for batch in batches:
        _check_lines(batch)
        if batch.due_on is not None and batch.due_on < signed_on:
            raise _invalid(
                f"第 {batch.batch} 批的交货日期早于签订日期。", f"Batch {batch.batch} is due before the order's day."
            )
    if sum(batch.amount_fen for batch in batches) > MOST_FEN:
        raise _invalid("订单金额超出范围。", "The order's amount is out of range.")
    last = amended_on or signed_on
    if last > today or last < signed_on:
        raise _invalid(
            f"签订日期应不晚于今天({today}),变更不早于原订单。",
            f"It is signed by today ({today}) at the latest, an amendment not before its order.",
        )


def _check_lines(batch: DeliveryBatch) -> None:
    items = [line.item for line in batch.lines]
    if not items or len(set(items)) != len(items):
        raise _invalid(
            f"第 {batch.batch} 批须至少有一行货物,同一货物只写一行。",
            f"Batch {batch.batch} has at least one line, and each item once.",
        )
    if any(line.quantity <= 0 or line.amount_fen < 0 for line in batch.lines):
        raise _invalid(
            f"第 {batch.batch} 批的数量应大于零,金额不得为负。",
            f"Batch {batch.batch}: quantities are above zero, amounts not below it.",
        )
    total = sum(line.amount_fen for line in batch.lines)
    if total != batch.amount_fen or total == 0:
        raise _invalid(
            f"第 {batch.batch} 批金额应等于各行之和({show_yuan(total)} 元)且大于零。",
            f"Batch {batch.batch}: its amount is the sum of its lines ({show_yuan(total)} yuan), above zero.",
        )


def _increases(order: Order, command: AmendOrder) -> bool:
    """Whether more money or more goods are agreed than before."""
    if sum(batch.amount_fen for batch in command.batches) > order.amount_fen:
        return True
    before = _quantities([batch.agreed for batch in order.batches])
    return any(quantity > before.get(item, 0) for item, quantity in _quantities(command.batches).items())


def _quantities(batches: Sequence[DeliveryBatch]) -> dict[str, Decimal]:
    total: dict[str, Decimal] = {}
    for batch in batches:
        for line in batch.lines:
            total[line.item] = total.get(line.item, Decimal(0)) + line.quantity
    return total


def _check_begun(order: Order, batches: Sequence[DeliveryBatch]) -> None:
    agreed = {batch.batch: batch for batch in batches}
    for batch in order.batches:
        if batch.begun and not (batch.number in agreed and same_goods(batch, agreed[batch.number])):
            raise Refused(
                f"第 {batch.number} 批已开始发货,其货物与金额不能变更。请变更其他批次,或增加批次。",
                f"Batch {batch.number} has begun to ship, so its goods and amounts stay. Change or add other batches.",
                clause=CLAUSE,
                code="batch-begun",
                batch=batch.number,
            )


def _with_surplus_freed(
    order: Order, happened: list[Fact], receipts: Sequence[Receipt], context: Context, why: str
) -> tuple[Decision, dict[str, Decision]]:
    buyer: Buyer = context.gathered
    after = ORDERS.fold(happened, order)
    back, drawn = freed(after, excess(after), receipts, why)
    facts = with_consequences(order, [*happened, *back], department=buyer.file.department, today=context.today, why=why)
    return Decision(facts), {receipt: Decision(facts) for receipt, facts in drawn.items()}


def _invalid(zh: str, en: str) -> OrderInvalid:
    return OrderInvalid(zh + "请改正后重新提交。", en + " Correct it and send it again.", clause=CLAUSE)
