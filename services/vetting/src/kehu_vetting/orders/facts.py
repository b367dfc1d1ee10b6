"""What can have happened to an order, and the account that it adds up to: ordered, paid, released, shipped (R3.2.1)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from types import MappingProxyType
from typing import Any

from kehu.contracts.trade import (
    DeliveryBatch,
    DeliveryOverdue,
    GoodsReturned,
    GoodsShipped,
    OrderAmended,
    OrderCancelled,
    OrderLine,
    OrderReleased,
    OrderSigned,
    ReceiptAllocated,
    ReleaseBlocked,
    ShippingResumed,
    ShippingStopDeclined,
    ShippingStopped,
    ShippingStopProposed,
)
from kehu.deciding import Category
from kehu.facts import Fact
from kehu.money import Fen

_NONE: Mapping[str, Any] = MappingProxyType({})
_NOTHING = Decimal(0)


class ReturnCredited(Fact, clause="R3.2.1"):
    """Finance has accepted a return: its value no longer counts as shipped, so its money is free for something else."""

    returned: str
    amount_fen: Fen
    credited_by: str


class ShortfallArisen(Fact, clause="R3.2.1"):
    """Shipped goods are no longer paid for: money was taken back after they had left, on that day, so much of it."""

    order: str
    number: str
    customer: str
    shortfall_fen: Fen
    occurred_on: date


class DeliveriesWatched(Fact, clause="R3.2.1"):
    """The days on which batches are due have been looked at; the next one is this."""

    order: str
    next_due_on: date


@dataclass(frozen=True, slots=True)
class Payment:
    """What one receipt pays of an order, and the id of the fact that confirmed it."""

    fen: int
    fact: str


@dataclass(frozen=True, slots=True)
class Batch:
    """One delivery: what it consists of, what of it has left, and whether (the rest of) it may."""

    number: int
    amount_fen: int
    lines: tuple[OrderLine, ...]
    due_on: date | None = None
    released: bool = False
    shipped: Mapping[str, Decimal] = field(default_factory=lambda: _NONE)
    shipped_fen: int = 0
    cancelled: bool = False

    @classmethod
    def of(cls, agreed: DeliveryBatch) -> Batch:
        """As it was agreed, with nothing done yet."""
        return cls(agreed.batch, agreed.amount_fen, agreed.lines, agreed.due_on)

    @property
    def agreed(self) -> DeliveryBatch:
        """What was agreed of it."""
        return DeliveryBatch(batch=self.number, amount_fen=self.amount_fen, lines=self.lines, due_on=self.due_on)

    @property
    def begun(self) -> bool:
        """Whether something of it has left."""
        return bool(self.shipped)

    @property
    def open(self) -> bool:
        """Whether something of it has still to leave."""
        return not self.cancelled and any(self.left(line) for line in self.lines)

    @property
    def remaining_fen(self) -> int:
        """What has still to leave, in fen."""
        return 0 if self.cancelled else self.amount_fen - self.shipped_fen

    def left(self, line: OrderLine) -> Decimal:
        """How much of a line has still to leave."""
        return line.quantity - self.shipped.get(line.item, _NOTHING)


@dataclass(frozen=True, slots=True)
class Return:
    """Goods that have come back of a shipment."""

    id: str
    shipment: str
    value_fen: int
    lines: tuple[OrderLine, ...]
    returned_on: date
    number: str = ""
    reference: str | None = None
    source: str | None = None
    credited_fen: int = 0


@dataclass(frozen=True, slots=True)
class Shipment:
    """Goods that have left."""

    id: str
    batch: int
    lines: tuple[OrderLine, ...]
    value_fen: int
    shipped_on: date
    number: str = ""
    reference: str | None = None
    source: str | None = None
    back: Mapping[str, Decimal] = field(default_factory=lambda: _NONE)


@dataclass(frozen=True, slots=True)
class StopProposal:
    """One side's wish to stop shipping, or to resume it."""

    side: str
    lift: bool
    reason: str
    by: str
    on_behalf_of: str | None = None


@dataclass(frozen=True, slots=True)
class Order:
    """One order with its account. Payments stand in the order in which they came."""

    id: str = ""
    number: str = ""
    customer: str = ""
    unit: str = ""
    #: As they were when it was signed.
    department: str = ""
    owner: str = ""
    signed_on: date = date.min
    reference: str | None = None
    source: str | None = None
    batches: tuple[Batch, ...] = ()
    payments: Mapping[str, Payment] = field(default_factory=lambda: _NONE)
    shipments: Mapping[str, Shipment] = field(default_factory=lambda: _NONE)
    returns: Mapping[str, Return] = field(default_factory=lambda: _NONE)
    cancelled_on: date | None = None
    proposal: StopProposal | None = None
    stopped: bool = False
    told_overdue: frozenset[tuple[int, date]] = frozenset()

    @property
    def amount_fen(self) -> int:
        """What is ordered, as it stands now: without what was cancelled."""
        return sum(batch.shipped_fen + batch.remaining_fen for batch in self.batches)

    @property
    def allocated_fen(self) -> int:
        """Confirmed money of receipts that is put to it, net of what was taken away again."""
        return sum(payment.fen for payment in self.payments.values())

    @property
    def shipped_fen(self) -> int:
        """The value of all that has left."""
        return sum(batch.shipped_fen for batch in self.batches)

    @property
    def returned_fen(self) -> int:
        """The value of all that has come back."""
        return sum(one.value_fen for one in self.returns.values())

    @property
    def credited_fen(self) -> int:
        """Of what has come back, what finance has accepted."""
        return sum(one.credited_fen for one in self.returns.values())

    @property
    def released_fen(self) -> int:
        """What may leave and has not yet."""
        return sum(batch.remaining_fen for batch in self.batches if batch.released)

    @property
    def due_fen(self) -> int:
        """What has left and has to stay paid: a return alone frees nothing, an accepted one does."""
        return self.shipped_fen - self.credited_fen

    @property
    def needed_fen(self) -> int:
        """What is still to be paid for all of it to leave; below zero where more is paid than that."""
        return self.amount_fen - self.credited_fen - self.allocated_fen

    @property
    def shortfall_fen(self) -> int:
        """What of the goods that the customer has is not paid."""
        return max(0, self.shipped_fen - self.returned_fen - self.allocated_fen)

    def batch(self, number: int) -> Batch | None:
        """A batch by its number."""
        return next((batch for batch in self.batches if batch.number == number), None)


def evolve(state: Order, fact: Fact) -> Order:  # noqa: PLR0911 - one case per fact
    """The order after a fact."""
    match fact:
        case OrderSigned():
            return Order(
                id=fact.order,
                number=fact.number,
                customer=fact.customer,
                unit=fact.unit,
                department=fact.department,
                owner=fact.owner,
                signed_on=fact.signed_on,
                reference=fact.reference,
                source=fact.source,
                batches=tuple(map(Batch.of, fact.batches)),
            )
        case OrderAmended():
            return replace(state, unit=fact.unit, batches=_amended(state.batches, fact.batches))
        case OrderCancelled():
            batches = tuple(replace(one, cancelled=one.open, released=False) for one in state.batches)
            return replace(state, batches=batches, cancelled_on=fact.cancelled_on)
        case ReceiptAllocated():
            return _paid(state, fact)
        case OrderReleased():
            return _with_batch(state, fact.batch, released=True)
        case ReleaseBlocked():
            return _with_batch(state, fact.batch, released=False)
        case _:
            return _moved(state, fact)


def _moved(state: Order, fact: Fact) -> Order:  # noqa: PLR0911 - one case per fact
    """What happens to goods, and who stops them."""
    match fact:
        case GoodsShipped():
            return _shipped(state, fact)
        case GoodsReturned():
            return _returned(state, fact)
        case ReturnCredited():
            credited = replace(state.returns[fact.returned], credited_fen=fact.amount_fen)
            return replace(state, returns=_put(state.returns, fact.returned, credited))
        case ShippingStopProposed():
            proposal = StopProposal(fact.side, fact.lift, fact.reason, fact.proposed_by, fact.on_behalf_of)
            return replace(state, proposal=proposal)
        case ShippingStopDeclined():
            return replace(state, proposal=None)
        case ShippingStopped():
            return replace(state, stopped=True, proposal=None)
        case ShippingResumed():
            return replace(state, stopped=False, proposal=None)
        case DeliveryOverdue():
            return replace(state, told_overdue=state.told_overdue | {(fact.batch, fact.due_on)})
        case _:
            return state


def _amended(before: Sequence[Batch], agreed: Sequence[DeliveryBatch]) -> tuple[Batch, ...]:
    """The new batches; one of which nothing has changed keeps what was done of it."""
    known = {batch.number: batch for batch in before}
    return tuple(
        replace(known[one.batch], due_on=one.due_on) if same_goods(known.get(one.batch), one) else Batch.of(one)
        for one in agreed
    )


def same_goods(batch: Batch | None, agreed: DeliveryBatch) -> bool:
    """Whether a batch, as agreed anew, consists of the same lines for the same amounts."""
    return batch is not None and not batch.cancelled and batch.lines == agreed.lines


def _paid(state: Order, fact: ReceiptAllocated) -> Order:
    before = state.payments.get(fact.receipt)
    after = Payment(
        (before.fen if before else 0) + fact.amount_fen, fact.receipt_fact or (before.fact if before else "")
    )
    others = {receipt: one for receipt, one in state.payments.items() if receipt != fact.receipt or after.fen}
    return replace(state, payments=MappingProxyType({**others, fact.receipt: after} if after.fen else others))


def _shipped(state: Order, fact: GoodsShipped) -> Order:
    shipment = Shipment(
        id=fact.shipment,
        batch=fact.batch,
        lines=fact.lines,
        value_fen=fact.value_fen,
        shipped_on=fact.shipped_on,
        number=fact.number or "",
        reference=fact.reference,
        source=fact.source,
    )
    batches = tuple(_loaded(one, fact) if one.number == fact.batch else one for one in state.batches)
    return replace(state, batches=batches, shipments=_put(state.shipments, fact.shipment, shipment))


def _loaded(batch: Batch, fact: GoodsShipped) -> Batch:
    after = replace(batch, shipped=added(batch.shipped, fact.lines), shipped_fen=batch.shipped_fen + fact.value_fen)
    return replace(after, released=after.released and after.open)


def _returned(state: Order, fact: GoodsReturned) -> Order:
    shipment = state.shipments[fact.shipment]
    back = replace(shipment, back=added(shipment.back, fact.lines))
    one = Return(
        id=fact.returned,
        shipment=fact.shipment,
        value_fen=fact.value_fen,
        lines=fact.lines,
        returned_on=fact.returned_on,
        number=fact.number or "",
        reference=fact.reference,
        source=fact.source,
    )
    return replace(
        state,
        shipments=_put(state.shipments, fact.shipment, back),
        returns=_put(state.returns, fact.returned, one),
    )


def added(before: Mapping[str, Decimal], lines: Sequence[OrderLine]) -> Mapping[str, Decimal]:
    """Quantities by item, with some more."""
    after = dict(before)
    for line in lines:
        after[line.item] = after.get(line.item, _NOTHING) + line.quantity
    return MappingProxyType(after)


def _put(before: Mapping[str, Any], name: str, value: Any) -> Mapping[str, Any]:
    return MappingProxyType({**before, name: value})


def _with_batch(state: Order, number: int, *, released: bool) -> Order:
    batches = tuple(replace(one, released=released) if one.number == number else one for one in state.batches)
    return replace(state, batches=batches)


ORDERS = Category(
    name="order",
    facts=(
        OrderSigned,
        OrderAmended,
        OrderCancelled,
        ReceiptAllocated,
        OrderReleased,
        ReleaseBlocked,
        GoodsShipped,
        GoodsReturned,
        ReturnCredited,
        ShortfallArisen,
        ShippingStopProposed,
        ShippingStopDeclined,
        ShippingStopped,
        ShippingResumed,
        DeliveryOverdue,
        DeliveriesWatched,
    ),
    initial=Order(),
    evolve=evolve,
)
