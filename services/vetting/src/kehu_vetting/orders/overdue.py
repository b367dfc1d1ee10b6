"""Batches that should have left by now: told once for each day that was agreed (R3.2.1)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime

from kehu.calendar import end_of_day
from kehu.contracts.trade import DeliveryBatch, DeliveryOverdue, OrderAmended, OrderCancelled, OrderSigned
from kehu.deciding import Context, Decision
from kehu.facts import Fact, RecordedFact
from kehu.service import Done, Due, Schedule
from kehu_vetting.orders.facts import ORDERS, DeliveriesWatched, Order


def tell_overdue(order: str, due: datetime, state: Order, context: Context) -> Decision:
    """Say which batches are late since 24:00 of their day, and look again after the next such day."""
    del due
    open_ones = [batch for batch in state.batches if batch.open and batch.due_on is not None]
    late: list[Fact] = [
        DeliveryOverdue(
            order=order,
            customer=state.customer,
            order_number=state.number,
            department=state.department,
            owner=state.owner,
            batch=batch.number,
            due_on=batch.due_on,
            released=batch.released,
        )
        for batch in open_ones
        if batch.due_on and batch.due_on < context.today and (batch.number, batch.due_on) not in state.told_overdue
    ]
    coming = _first(batch.due_on for batch in open_ones if batch.due_on and batch.due_on >= context.today)
    if coming is not None:
        late.append(DeliveriesWatched(order=order, next_due_on=coming))
    return Decision(late)


def _first(days: Iterable[date | None]) -> date | None:
    return min((day for day in days if day is not None), default=None)


def _agreed(order: str, batches: Iterable[DeliveryBatch]) -> Due | Done:
    day = _first(batch.due_on for batch in batches)
    return Due(order, end_of_day(day)) if day else Done(order)


def _signed(recorded: RecordedFact[OrderSigned]) -> Due | Done:
    return _agreed(recorded.fact.order, recorded.fact.batches)


def _amended(recorded: RecordedFact[OrderAmended]) -> Due | Done:
    return _agreed(recorded.fact.order, recorded.fact.batches)


def _cancelled(recorded: RecordedFact[OrderCancelled]) -> Done:
    return Done(recorded.fact.order)


def _watched(recorded: RecordedFact[DeliveriesWatched]) -> Due:
    return Due(recorded.fact.order, end_of_day(recorded.fact.next_due_on))


DELIVERIES_DUE = Schedule(
    kind="delivery-overdue",
    planned_by={
        OrderSigned: _signed,
        OrderAmended: _amended,
        OrderCancelled: _cancelled,
        DeliveriesWatched: _watched,
    },
    category=ORDERS,
    stream_id=lambda order: order,
    fire=tell_overdue,
)
