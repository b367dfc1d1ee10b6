"""Money between receipts and orders: the same amount on both sides, always in one decision (R3.2.1)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from kehu.contracts.trade import ReceiptAllocated
from kehu.errors import Refused
from kehu_vetting.orders.facts import Order
from kehu_vetting.receipts.facts import Receipt, ReceiptDrawn

CLAUSE = "R3.2.1"


class MoneyMoved(Refused):
    """Since somebody looked, money has come from or gone to something else: look again."""

    code = "money-moved"

    def __init__(self) -> None:
        super().__init__(
            "款项分配刚刚有变动,请重新查看后再办理。",
            "Money has just been moved: look at it again, and repeat.",
            clause=CLAUSE,
        )


def allocated(
    order: Order, receipt: Receipt, fen: int, fact: str | None, reason: str | None = None
) -> ReceiptAllocated:
    """The order's side of a move; `fact` confirmed the receipt. A negative amount goes back."""
    return ReceiptAllocated(
        receipt=receipt.id,
        order=order.id,
        customer=order.customer,
        amount_fen=fen,
        unit=receipt.unit,
        receipt_fact=fact,
        reason=reason,
    )


def drawn(order: Order, receipt: Receipt, fen: int) -> ReceiptDrawn:
    """The receipt's side of a move."""
    return ReceiptDrawn(receipt=receipt.id, order=order.id, amount_fen=fen)


def latest_first(held: Mapping[str, int], wanted: int) -> dict[str, int]:
    """From which of several holders an amount is taken: from the one that got money last, first.

    Args:
        held: what each holds, in fen, in the order in which they got it.
        wanted: how much is taken, at most what they hold together.

    """
    taken: dict[str, int] = {}
    for holder, fen in reversed(list(held.items())):
        part = min(fen, wanted)
        if part > 0:
            taken[holder] = part
            wanted -= part
    return taken


def excess(order: Order) -> dict[str, int]:
    """What of an order's money it does not need any more, by receipt."""
    return latest_first({receipt: one.fen for receipt, one in order.payments.items()}, max(0, -order.needed_fen))


def freed(
    order: Order, surplus: Mapping[str, int], receipts: Iterable[Receipt], reason: str
) -> tuple[list[ReceiptAllocated], dict[str, list[ReceiptDrawn]]]:
    """Both sides of money going back from an order to its receipts.

    Raises:
        MoneyMoved: a receipt is not among those that were looked at.

    """
    known = {receipt.id: receipt for receipt in receipts}
    if not set(surplus) <= set(known):
        raise MoneyMoved
    back = [allocated(order, known[one], -fen, None, reason) for one, fen in surplus.items()]
    return back, {one: [drawn(order, known[one], -fen)] for one, fen in surplus.items()}
