"""An order's account for whoever needs its sums: what is paid, what the customer has (R3.2.1, R3.2.3)."""

from __future__ import annotations

from dataclasses import dataclass

from kehu_vetting.orders.facts import Order


@dataclass(frozen=True, slots=True)
class OrderAccount:
    """An order's sums, in fen.

    Args:
        order: its id.
        number: 订单号.
        customer: whose.
        unit: the settlement unit that it names.
        cancelled: whether what had not left was cancelled.
        ordered_fen: as it stands now, without what was cancelled.
        received_fen: confirmed receipts put to it, net of reversals, refunds and what was moved away.
        delivered_fen: shipped less returned.

    """

    order: str
    number: str
    customer: str
    unit: str
    cancelled: bool
    ordered_fen: int
    received_fen: int
    delivered_fen: int


def account_of(state: Order) -> OrderAccount:
    """The account of an order as it stands; with `Thing(ORDERS, id)` a decision can have it and hold it still."""
    return OrderAccount(
        order=state.id,
        number=state.number,
        customer=state.customer,
        unit=state.unit,
        cancelled=state.cancelled_on is not None,
        ordered_fen=state.amount_fen,
        received_fen=state.allocated_fen,
        delivered_fen=state.shipped_fen - state.returned_fen,
    )
