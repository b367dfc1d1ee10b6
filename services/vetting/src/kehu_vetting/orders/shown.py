"""An order as people see it."""

from __future__ import annotations

from datetime import date

from pydantic import BaseModel, Field

from kehu.contracts.trade import OrderLine
from kehu.money import show_yuan
from kehu_vetting.customer_files.facts import CustomerFile
from kehu_vetting.orders.facts import Batch, Order
from kehu_vetting.orders.lists import DeliveryStatus


class BatchShown(BaseModel):
    """A delivery batch."""

    batch: int
    status: DeliveryStatus
    amount_fen: int
    shipped_fen: int
    due_on: date | None
    lines: list[OrderLine]
    left: dict[str, str] = Field(description="What has still to leave, by item.")

    @classmethod
    def of(cls, batch: Batch) -> BatchShown:
        """As it stands."""
        left = {line.item: f"{batch.left(line):f}" for line in batch.lines if batch.left(line) and not batch.cancelled}
        return cls(
            batch=batch.number,
            status=status_of(batch),
            amount_fen=batch.amount_fen,
            shipped_fen=batch.shipped_fen,
            due_on=batch.due_on,
            lines=list(batch.lines),
            left=left,
        )


class PaymentShown(BaseModel):
    """What a receipt pays of the order; `fact` is the id of the fact that confirmed it."""

    receipt: str
    amount_fen: int
    fact: str


class ShipmentShown(BaseModel):
    """Goods that left."""

    shipment: str
    number: str
    batch: int
    shipped_on: date
    value_fen: int
    lines: list[OrderLine]
    returned: dict[str, str]
    reference: str | None
    source: str | None


class ReturnShown(BaseModel):
    """Goods that came back."""

    returned: str
    number: str
    shipment: str
    returned_on: date
    value_fen: int
    lines: list[OrderLine]
    accepted: bool
    reference: str | None
    source: str | None


class ProposalShown(BaseModel):
    """What one side wants and the other has not answered."""

    side: str
    lift: bool
    reason: str
    proposed_by: str
    on_behalf_of: str | None


class OrderShown(BaseModel):
    """An order with its account; amounts in fen, tax included."""

    order: str
    number: str
    reference: str | None
    source: str | None
    customer: str
    customer_number: str
    name: str
    department: str
    owner: str
    unit: str
    signed_on: date
    cancelled_on: date | None
    amount_fen: int
    amount_yuan: str
    allocated_fen: int
    needed_fen: int = Field(description="What is still to be paid for all of it to leave.")
    released_fen: int = Field(description="What may leave and has not yet.")
    shipped_fen: int
    returned_fen: int
    shortfall_fen: int = Field(description="What of the goods that the customer has is not paid.")
    stopped: bool
    proposal: ProposalShown | None
    batches: list[BatchShown]
    payments: list[PaymentShown]
    shipments: list[ShipmentShown]
    returns: list[ReturnShown]

    @classmethod
    def of(cls, order: Order, file: CustomerFile) -> OrderShown:
        """As it stands."""
        return cls(
            order=order.id,
            number=order.number,
            reference=order.reference,
            source=order.source,
            customer=order.customer,
            customer_number=file.number,
            name=file.name,
            department=file.department,
            owner=file.owner,
            unit=order.unit,
            signed_on=order.signed_on,
            cancelled_on=order.cancelled_on,
            amount_fen=order.amount_fen,
            amount_yuan=show_yuan(order.amount_fen),
            allocated_fen=order.allocated_fen,
            needed_fen=max(0, order.needed_fen),
            released_fen=order.released_fen,
            shipped_fen=order.shipped_fen,
            returned_fen=order.returned_fen,
            shortfall_fen=order.shortfall_fen,
            stopped=order.stopped,
            proposal=_proposal(order),
            batches=[BatchShown.of(batch) for batch in order.batches],
            payments=[
                PaymentShown(receipt=receipt, amount_fen=one.fen, fact=one.fact)
                for receipt, one in order.payments.items()
            ],
            shipments=_shipments(order),
            returns=[
                ReturnShown(
                    returned=one.id,
                    number=one.number,
                    shipment=one.shipment,
                    returned_on=one.returned_on,
                    value_fen=one.value_fen,
                    lines=list(one.lines),
                    accepted=one.credited_fen > 0,
                    reference=one.reference,
                    source=one.source,
                )
                for one in order.returns.values()
            ],
        )


def status_of(batch: Batch) -> DeliveryStatus:
    """What has become of a batch."""
    if batch.cancelled:
        return "cancelled"
    if not batch.open:
        return "shipped"
    return "released" if batch.released else "waiting"


def _proposal(order: Order) -> ProposalShown | None:
    found = order.proposal
    return found and ProposalShown(
        side=found.side,
        lift=found.lift,
        reason=found.reason,
        proposed_by=found.by,
        on_behalf_of=found.on_behalf_of,
    )


def _shipments(order: Order) -> list[ShipmentShown]:
    return [
        ShipmentShown(
            shipment=one.id,
            number=one.number,
            batch=one.batch,
            shipped_on=one.shipped_on,
            value_fen=one.value_fen,
            lines=list(one.lines),
            returned={item: f"{quantity:f}" for item, quantity in one.back.items()},
            reference=one.reference,
            source=one.source,
        )
        for one in order.shipments.values()
    ]
