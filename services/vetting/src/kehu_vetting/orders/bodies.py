"""What people send about orders, checked and normalised before anything is decided."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated

from pydantic import Field

from kehu.contracts.trade import DeliveryBatch, OrderLine
from kehu.money import Fen
from kehu.text import Line
from kehu_vetting.bodies import Body, Code, Day, Sha256, Text
from kehu_vetting.orders.decisions import MOST_BATCHES, MOST_LINES
from kehu_vetting.orders.stopping import Side

#: Up to a trillion, to a millionth: more than any goods are counted, weighed or measured with.
Quantity = Annotated[Decimal, Field(gt=0, max_digits=18, decimal_places=6, allow_inf_nan=False)]
Item = Annotated[Line, Field(max_length=100)]


class LineBody(Body):
    """A line of goods: quantity and its amount in fen, tax included, as the signed order has them."""

    item: Item
    unit: Annotated[Line, Field(max_length=20)] | None = None
    quantity: Quantity
    amount_fen: Annotated[Fen, Field(ge=0)]

    def line(self) -> OrderLine:
        """As it is recorded."""
        return OrderLine(item=self.item, unit=self.unit or "", quantity=self.quantity, amount_fen=self.amount_fen)


class BatchBody(Body):
    """A delivery batch; they are numbered in the order in which they stand."""

    lines: Annotated[tuple[LineBody, ...], Field(min_length=1, max_length=MOST_LINES)]
    due_on: Day | None = None


Batches = Annotated[tuple[BatchBody, ...], Field(min_length=1, max_length=MOST_BATCHES)]


def delivery_batches(bodies: tuple[BatchBody, ...]) -> tuple[DeliveryBatch, ...]:
    """Batches as they are recorded, each with the sum of its lines."""
    return tuple(
        DeliveryBatch.model_construct(
            batch=number,
            amount_fen=sum(line.amount_fen for line in body.lines),
            lines=tuple(line.line() for line in body.lines),
            due_on=body.due_on,
        )
        for number, body in enumerate(bodies, 1)
    )


class OrderBody(Body):
    """An order that the customer has signed."""

    customer: Annotated[Code, Field(description="Id or 客户编号.")]
    unit: Annotated[Code | None, Field(description="Who pays: id, number or identity; else the default one.")] = None
    reference: Annotated[Line | None, Field(description="合同号, counts once.")] = None
    signed_on: Day
    file_digest: Sha256
    batches: Batches


class AmendmentBody(Body):
    """A signed amendment: the whole order as it is from now on."""

    unit: Annotated[Code | None, Field(description="Another payer; else it stays.")] = None
    signed_on: Day
    file_digest: Sha256
    batches: Batches
    reason: Text


class CancellationBody(Body):
    """Why what has not been shipped is cancelled."""

    reason: Text


class QuantityBody(Body):
    """How much of an item."""

    item: Item
    quantity: Quantity


Quantities = Annotated[tuple[QuantityBody, ...], Field(min_length=1, max_length=MOST_LINES)]


def by_item(bodies: tuple[QuantityBody, ...]) -> dict[str, Decimal]:
    """Quantities by item; what stands twice adds up."""
    total: dict[str, Decimal] = {}
    for body in bodies:
        total[body.item] = total.get(body.item, Decimal(0)) + body.quantity
    return total


class ShipmentBody(Body):
    """Goods of a released batch that have left."""

    batch: Annotated[int, Field(ge=1, le=MOST_BATCHES)]
    shipped_on: Day
    lines: Annotated[Quantities | None, Field(description="Which part of it; else all that is left.")] = None


class ReturnBody(Body):
    """Goods of a shipment that have come back."""

    returned_on: Day
    lines: Quantities
    reason: Text


class StopBody(Body):
    """That one side wants shipping stopped, or (with `lift`) resumed."""

    side: Side
    lift: bool = False
    reason: Text


class AgreeBody(Body):
    """For which side somebody agrees."""

    side: Side


class DeclineBody(Body):
    """Why not."""

    reason: Text
