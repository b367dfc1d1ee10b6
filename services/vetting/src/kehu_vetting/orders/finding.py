"""What an order's commands are decided on: the order, its customer and payer, and the receipts that pay for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from kehu.commands import Thing
from kehu.deciding import Context, Decision
from kehu.errors import NotFound
from kehu.http import ActingRequest
from kehu_vetting.customer_files.facts import CUSTOMER_FILES, CustomerFile
from kehu_vetting.customer_files.finding import load_surviving_file
from kehu_vetting.orders.buyer import buyer_of
from kehu_vetting.orders.facts import ORDERS, Order
from kehu_vetting.orders.lists import order_of_number
from kehu_vetting.qualifications.decisions import policy_of
from kehu_vetting.receipts.facts import RECEIPTS, Receipt
from kehu_vetting.settlement_units.facts import SETTLEMENT_UNITS
from kehu_vetting.standing.facts import STANDINGS

#: A decision on an order alone, and one that also moves money back to receipts (by their ids).
OnOrder = Callable[[Order, Context], Decision]
OnMoney = Callable[[Order, Sequence[Receipt], Context], tuple[Decision, dict[str, Decision]]]


async def find_order(request: ActingRequest, named: str) -> str:
    """An order's id, given that or its 订单号."""
    return await order_of_number(request.pool, named) or named


async def load_order(request: ActingRequest, named: str) -> tuple[Order, CustomerFile, int]:
    """An order by id or number, its customer (the survivor, where that was merged), and its version.

    Raises:
        NotFound: there is none.

    """
    order, version = await request.running.commands.load(ORDERS, await find_order(request, named))
    if not version:
        raise NotFound("没有这一订单。", "There is no such order.", clause="R3.2.1")
    return order, await load_surviving_file(request, order.customer), version


def parties(customer: str, unit: str | None = None) -> list[Thing[Any]]:
    """The customer's streams, and the payer's where one is to be looked at: they must not move while it is decided."""
    found: list[Thing[Any]] = [
        Thing(CUSTOMER_FILES, customer, must_exist=False),
        Thing(STANDINGS, customer, must_exist=False),
    ]
    return [*found, Thing(SETTLEMENT_UNITS, unit, must_exist=False)] if unit else found


def facing(context: Context, states: Sequence[Any]) -> Context:
    """The context with the `Buyer` that the states of `parties` add up to."""
    file, standing, *unit = states
    buyer = buyer_of(file, standing, policy_of(context), context.today, unit[0] if unit else None)
    return replace(context, gathered=buyer)


def on_order(decide: OnOrder) -> Callable[[Sequence[Any], Context], Sequence[Decision]]:
    """A decision on the order and its `parties`, of which only the order gets facts."""

    def together(states: Sequence[Any], context: Context) -> Sequence[Decision]:
        order, *rest = states
        return [decide(order, facing(context, rest)), *(Decision() for _ in rest)]

    return together


def paying_things(order: Order) -> list[Thing[Any]]:
    """The receipts that pay for an order."""
    return [Thing(RECEIPTS, receipt) for receipt in order.payments]


def on_money(decide: OnMoney, receipts: int) -> Callable[[Sequence[Any], Context], Sequence[Decision]]:
    """A decision on the order, so many receipts, and its `parties`."""

    def together(states: Sequence[Any], context: Context) -> Sequence[Decision]:
        order, paying, rest = states[0], states[1 : 1 + receipts], states[1 + receipts :]
        at_order, at_receipts = decide(order, paying, facing(context, rest))
        return [
            at_order,
            *(at_receipts.get(receipt.id, Decision()) for receipt in paying),
            *(Decision() for _ in rest),
        ]

    return together
