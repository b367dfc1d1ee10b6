"""Which batches are paid (R3.2.1): what follows for an order from whatever has happened to its goods or its money.

Batch n is released when the money put to the order covers what has left, what may leave already, and n, to the fen; in
the order of the batches. Where money is missing, released batches are blocked again, the last one first.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from kehu.contracts.trade import OrderReleased, ReleaseBlocked
from kehu.facts import Fact
from kehu_vetting.orders.facts import ORDERS, Batch, Order, ShortfallArisen


def with_consequences(
    before: Order,
    happened: Sequence[Fact],
    *,
    department: str,
    today: date,
    why: str,
) -> list[Fact]:
    """What happened and what follows from it, in the order in which it is recorded.

    Args:
        before: the order until then.
        happened: facts about its goods, its money or its terms.
        department: of the customer, for whoever is told.
        today: when it happened; bad credit counts from that day (R5.2).
        why: the reason that a batch is blocked for, if one is.

    """
    facts = list(happened)
    state = ORDERS.fold(facts, before)

    def follows(fact: Fact) -> None:
        nonlocal state
        facts.append(fact)
        state = ORDERS.evolve(state, fact)

    while (batch := _last_unpaid(state)) is not None:
        follows(blocked(state, batch, department, why))
    while (batch := _next_paid(state)) is not None:
        follows(
            OrderReleased(
                order=state.id,
                customer=state.customer,
                batch=batch.number,
                amount_fen=batch.remaining_fen,
                receipts=paying(state, _start(state, batch), batch.remaining_fen),
                order_number=state.number,
                department=department,
            )
        )
    # What goes back later is another incident, for what it adds: the first one may be settled by then.
    more = state.shortfall_fen - before.shortfall_fen
    if more > 0:
        follows(
            ShortfallArisen(
                order=state.id, number=state.number, customer=state.customer, shortfall_fen=more, occurred_on=today
            )
        )
    return facts


def blocked(state: Order, batch: Batch, department: str, why: str) -> ReleaseBlocked:
    """That a released batch may no longer leave."""
    return ReleaseBlocked(
        order=state.id,
        customer=state.customer,
        batch=batch.number,
        amount_fen=batch.remaining_fen,
        reason=why,
        order_number=state.number,
        department=department,
    )


def paying(state: Order, start: int, length: int) -> tuple[str, ...]:
    """The receipts that pay for a stretch of the order's account, by the ids of the facts that confirmed them.

    Args:
        state: the order.
        start: how much of its money is in front of the stretch, in fen; older money pays for what leaves first.
        length: of the stretch, in fen.

    """
    found: list[str] = []
    at = 0
    for payment in state.payments.values():
        if at < start + max(length, 1) and at + payment.fen > start:
            found.append(payment.fact)
        at += payment.fen
    return tuple(found)


def paying_next(state: Order, batch: Batch, value_fen: int) -> tuple[str, ...]:
    """The receipts that pay for what leaves of a released batch now."""
    return paying(state, _start(state, batch), value_fen)


def _start(state: Order, batch: Batch) -> int:
    earlier = (one for one in state.batches if one.released and one.number < batch.number)
    return state.due_fen + sum(one.remaining_fen for one in earlier)


def _last_unpaid(state: Order) -> Batch | None:
    if state.allocated_fen >= state.due_fen + state.released_fen:
        return None
    return next((one for one in reversed(state.batches) if one.released and one.remaining_fen), None)


def _next_paid(state: Order) -> Batch | None:
    """The first batch that waits, if there is money for it: none overtakes one that waits longer."""
    waiting = next((one for one in state.batches if one.open and not one.released), None)
    if waiting is None or state.allocated_fen < state.due_fen + state.released_fen + waiting.remaining_fen:
        return None
    return waiting
