"""Goods that leave and come back (R3.2.1): only what is released and ordered, each dispatch with its receipts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from kehu.contracts.staff import Role
from kehu.contracts.trade import GoodsReturned, GoodsShipped, OrderLine
from kehu.deciding import Context, Decision
from kehu.errors import Invalid, NotFound, Refused
from kehu.event_store import Claim
from kehu_vetting.orders import rights
from kehu_vetting.orders.buyer import Buyer
from kehu_vetting.orders.facts import ORDERS, Batch, Order, ReturnCredited
from kehu_vetting.orders.goods import part_of
from kehu_vetting.orders.releasing import paying_next, with_consequences
from kehu_vetting.receipts.facts import Receipt
from kehu_vetting.receipts.moving import excess, freed

CLAUSE = "R3.2.1"
SHIPMENT_NUMBER_SCOPE = "shipment-number"
SHIPMENT_REFERENCE_SCOPE = "shipment-reference"
RETURN_NUMBER_SCOPE = "return-number"
RETURN_REFERENCE_SCOPE = "return-reference"


@dataclass(frozen=True, slots=True)
class ShipGoods:
    """Say that goods of a batch have left; without `quantities`, all of it that is left."""

    shipment: str
    number: str
    batch: int
    shipped_on: date
    quantities: Mapping[str, Decimal] | None = None
    reference: str | None = None
    source: str | None = None


@dataclass(frozen=True, slots=True)
class ReturnGoods:
    """Say that goods of a shipment have come back."""

    returned: str
    number: str
    shipment: str
    returned_on: date
    quantities: Mapping[str, Decimal]
    reason: str
    reference: str | None = None
    source: str | None = None


@dataclass(frozen=True, slots=True)
class CreditReturn:
    """Accept a return: its value is the customer's again, to pay for something else or to be paid back."""

    returned: str


class NotReleased(Refused):
    """The batch is not paid."""

    code = "not-released"


class ShippingIsStopped(Refused):
    """Finance and the manager have stopped shipping."""

    code = "shipping-stopped"


def ship_goods(command: ShipGoods, state: Order, context: Context) -> Decision:
    """Ship a released batch or part of it; the warehouse does.

    Raises:
        Forbidden: not of the warehouse.
        NotReleased, ShippingIsStopped, NotFound, Refused: it may not leave, or there is not so much of it.
        Invalid: the day does not fit.

    """
    buyer: Buyer = context.gathered
    rights.check_role(context.actor, Role.WAREHOUSE, buyer.file)
    return shipped(command, state, context)


def shipped(command: ShipGoods, state: Order, context: Context) -> Decision:
    """The same, whoever says so.

    Raises:
        KehuError: as `ship_goods`, but for the roles.

    """
    buyer: Buyer = context.gathered
    batch = _shippable(state, command.batch)
    if not state.signed_on <= command.shipped_on <= context.today:
        raise Invalid(
            f"发货日期应在签订日期({state.signed_on})与今天({context.today})之间。",
            f"Goods leave between the order's day ({state.signed_on}) and today ({context.today}).",
            clause=CLAUSE,
            code="shipped-date",
        )
    wanted = command.quantities
    if wanted is None:
        wanted = {line.item: batch.left(line) for line in batch.lines if batch.left(line)}
    lines = part_of(batch.lines, batch.shipped, wanted, doing=("发货", "shipped"))
    value = _value(lines)
    fact = GoodsShipped(
        shipment=command.shipment,
        order=state.id,
        customer=state.customer,
        department=buyer.file.department,
        batch=batch.number,
        shipped_on=command.shipped_on,
        value_fen=value,
        lines=lines,
        receipts=paying_next(state, batch, value),
        reference=command.reference,
        source=command.source,
        number=command.number,
        order_number=state.number,
    )
    holder = ORDERS.stream(state.id)
    claims = [Claim(SHIPMENT_NUMBER_SCOPE, command.number, holder)]
    if command.reference:
        claims.append(Claim(SHIPMENT_REFERENCE_SCOPE, f"{command.source or ''}\n{command.reference}", holder))
    return Decision([fact], claims)


def return_goods(command: ReturnGoods, state: Order, context: Context) -> Decision:
    """Record goods that came back, never more than had left; the warehouse does.

    A return re-opens nothing by itself: neither may the batch leave again, nor is its money free. Finance accepts it
    first (`credit_return`).

    Raises:
        Forbidden, NotFound, Refused, Invalid: as for shipping.

    """
    buyer: Buyer = context.gathered
    rights.check_role(context.actor, Role.WAREHOUSE, buyer.file)
    return returned(command, state, context)


def returned(command: ReturnGoods, state: Order, context: Context) -> Decision:
    """The same, whoever says so.

    Raises:
        KehuError: as `return_goods`, but for the roles.

    """
    buyer: Buyer = context.gathered
    shipment = state.shipments.get(command.shipment)
    if shipment is None:
        raise NotFound("该订单没有这次发货。", "This order has no such shipment.", clause=CLAUSE)
    if not shipment.shipped_on <= command.returned_on <= context.today:
        raise Invalid(
            f"退货日期应在发货日期({shipment.shipped_on})与今天({context.today})之间。",
            f"Goods come back between their shipment ({shipment.shipped_on}) and today ({context.today}).",
            clause=CLAUSE,
            code="returned-date",
        )
    lines = part_of(shipment.lines, shipment.back, command.quantities, doing=("退回", "returned"))
    fact = GoodsReturned(
        returned=command.returned,
        shipment=shipment.id,
        order=state.id,
        customer=state.customer,
        department=buyer.file.department,
        returned_on=command.returned_on,
        value_fen=_value(lines),
        lines=lines,
        reason=command.reason,
        number=command.number,
        order_number=state.number,
        reference=command.reference,
        source=command.source,
    )
    holder = ORDERS.stream(state.id)
    claims = [Claim(RETURN_NUMBER_SCOPE, command.number, holder)]
    if command.reference:
        claims.append(Claim(RETURN_REFERENCE_SCOPE, f"{command.source or ''}\n{command.reference}", holder))
    return Decision([fact], claims)


def credit_return(
    command: CreditReturn, order: Order, receipts: Sequence[Receipt], context: Context
) -> tuple[Decision, dict[str, Decision]]:
    """Accept a return: its money pays for what waits in this order, and the rest goes back to its receipts.

    Returns:
        What happens to the order, and to each receipt by its id.

    Raises:
        Forbidden: not finance.
        NotFound, Refused: there is no such return, or it has been accepted.

    """
    buyer: Buyer = context.gathered
    rights.check_role(context.actor, Role.FINANCE, buyer.file)
    come_back = order.returns.get(command.returned)
    if come_back is None:
        raise NotFound("该订单没有这次退货。", "This order has no such return.", clause=CLAUSE)
    if come_back.credited_fen or not come_back.value_fen:
        raise Refused(
            "该退货已经确认,或其金额为零。", "This return has been accepted already, or is worth nothing.",
            clause=CLAUSE, code="return-credited",
        )  # fmt: skip
    credited = ReturnCredited(returned=come_back.id, amount_fen=come_back.value_fen, credited_by=context.actor.id)
    after = ORDERS.evolve(order, credited)
    why = "退货确认 / return accepted"
    back, drawn = freed(after, excess(after), receipts, why)
    facts = with_consequences(order, [credited, *back], department=buyer.file.department, today=context.today, why=why)
    return Decision(facts), {receipt: Decision(facts) for receipt, facts in drawn.items()}


def _shippable(state: Order, number: int) -> Batch:
    batch = state.batch(number)
    if batch is None:
        raise NotFound("该订单没有这一批次。", "This order has no such batch.", clause=CLAUSE)
    if state.stopped:
        raise ShippingIsStopped(
            "财务部与部门经理已共同停止该订单发货。请待其解除后再发。",
            "Finance and the department's manager have stopped shipping for this order. Wait until they lift it.",
            clause=CLAUSE,
        )
    if not batch.released:
        raise NotReleased(
            f"第 {number} 批未放行(款项未到齐,或已发完、已取消),不能发货:先款后货。请待货款到齐并放行后再发。",
            f"Batch {number} is not released (not paid in full; or shipped or cancelled): payment first, goods after. "
            "Wait until it is paid and released.",
            clause=CLAUSE,
            batch=number,
        )
    return batch


def _value(lines: Sequence[OrderLine]) -> int:
    return sum(line.amount_fen for line in lines)
