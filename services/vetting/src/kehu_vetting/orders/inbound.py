"""Orders that an ERP tells of, shipments and returns that a warehouse system does, under the senders' own numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Annotated, Any

from pydantic import Field

from kehu.contracts.trade import DeliveryBatch, GoodsReturned, GoodsShipped, OrderLine, OrderSigned
from kehu.deciding import Category, Context, Decision
from kehu.errors import NotFound, Refused
from kehu.event_store import Connection
from kehu.facts import RecordedFact
from kehu.money import Fen
from kehu.service import Beside, Inbound
from kehu.text import Line
from kehu_vetting.bodies import Code, Day, Sha256, Text
from kehu_vetting.customer_files.facts import CUSTOMER_FILES
from kehu_vetting.inbound import Message, read_message, sender_of, sent_id
from kehu_vetting.orders.bodies import Item, Quantity
from kehu_vetting.orders.decisions import MOST_BATCHES, MOST_LINES, SignOrder, signed
from kehu_vetting.orders.facts import ORDERS, Order
from kehu_vetting.orders.finding import facing
from kehu_vetting.orders.numbers import next_number
from kehu_vetting.orders.shipping import (
    SHIPMENT_NUMBER_SCOPE,
    SHIPMENT_REFERENCE_SCOPE,
    ReturnGoods,
    ShipGoods,
    returned,
    shipped,
)
from kehu_vetting.settings import VettingSettings
from kehu_vetting.settlement_units.facts import SETTLEMENT_UNITS
from kehu_vetting.standing.facts import STANDINGS

CLAUSE = "R3.2.1"
#: Stands for what nobody knows, so that the decision refuses it.
_UNKNOWN = "unknown"
# Use the primary key and customer_files_number; the primary key of payers.
_CUSTOMER = "SELECT customer FROM customer_files WHERE customer = $1 OR number = $1 ORDER BY customer LIMIT 1"
_DEFAULT_UNIT = "SELECT unit FROM payers WHERE customer = $1 AND is_default"
_UNIT = "SELECT unit FROM settlement_units WHERE unit = $1 OR number = $1 OR identity = $1 ORDER BY unit LIMIT 1"
# Uses the primary key, orders_number and orders_reference; two of one reference are nobody's.
_ORDER = "SELECT order_id, customer FROM orders WHERE order_id = $1 OR number = $1 OR reference = $1 LIMIT 2"
_CUSTOMER_OF_ORDER = "SELECT customer FROM orders WHERE order_id = $1"
_HOLDER = "SELECT holder FROM event_store.read_claim($1, $2)"


class LineMessage(Message):
    """A line of goods."""

    item: Item
    unit: Annotated[Line, Field(max_length=20)] | None = None
    quantity: Quantity
    amount_fen: Annotated[Fen, Field(ge=0)] = 0


class BatchMessage(Message):
    """A delivery batch."""

    batch: Annotated[int, Field(ge=1, le=MOST_BATCHES)]
    amount_fen: Fen
    lines: Annotated[tuple[LineMessage, ...], Field(min_length=1, max_length=MOST_LINES)]
    due_on: Day | None = None


class OrderMessage(Message):
    """What an ERP says of a signed order; `customer` and `unit` by id or number, the unit also by identity."""

    customer: Code
    unit: Code | None = None
    signed_on: Day
    file_digest: Sha256
    batches: Annotated[tuple[BatchMessage, ...], Field(min_length=1, max_length=MOST_BATCHES)]
    reference: Line | None = None


class ShipmentMessage(Message):
    """What a warehouse says of goods that left; `order` by id, 订单号 or 合同号. Without lines, all that is left."""

    order: Line
    batch: Annotated[int, Field(ge=1, le=MOST_BATCHES)]
    shipped_on: Day
    lines: Annotated[tuple[LineMessage, ...], Field(max_length=MOST_LINES)] = ()
    reference: Line | None = None


class ReturnMessage(Message):
    """What a warehouse says of goods that came back; `shipment` by its own number of it, or by 发货单号."""

    shipment: Line
    returned_on: Day
    lines: Annotated[tuple[LineMessage, ...], Field(min_length=1, max_length=MOST_LINES)]
    reason: Text
    reference: Line | None = None


async def resolve_order(connection: Connection, recorded: RecordedFact[OrderSigned]) -> RecordedFact[OrderSigned]:
    """The message with Kehu's ids of customer and payer, and the id that this sender's number has here."""
    told = read_message(OrderMessage, recorded.fact)
    source, message = sender_of(recorded)
    reference = told.reference or message
    customer = await connection.fetchval(_CUSTOMER, told.customer) or _UNKNOWN
    unit = await (connection.fetchval(_UNIT, told.unit) if told.unit else connection.fetchval(_DEFAULT_UNIT, customer))
    changes: dict[str, Any] = {
        "order": sent_id(source, reference),
        "customer": customer,
        "unit": unit or _UNKNOWN,
        "file_digest": told.file_digest,
        "batches": tuple(_batch(batch) for batch in told.batches),
        "reference": reference,
        "source": source,
    }
    return recorded._replace(fact=recorded.fact.model_copy(update=changes))


async def draw_order_number(connection: Connection, _recorded: RecordedFact[OrderSigned]) -> str:
    """A number for the order."""
    return await next_number(connection, "order_numbers")


def accept_order(recorded: RecordedFact[OrderSigned], state: Order, context: Context) -> Decision:
    """Take an order that an ERP tells of; the same again is known.

    Raises:
        Refused: its number stands for another order already.
        KehuError: as `signed`.

    """
    fact = recorded.fact
    beside: Beside = context.gathered
    if state.id:
        if (state.customer, state.unit, state.signed_on) == (fact.customer, fact.unit, fact.signed_on) and [
            batch.agreed for batch in state.batches
        ] == list(fact.batches):
            return Decision()
        raise Refused(
            f"该编号已是订单 {state.number},内容不同或已变更。变更请由订单员录入。",
            f"This number is order {state.number} already, with other content (or amended since). Amendments are "
            "entered by an order clerk.",
            clause=CLAUSE,
            code="order-exists",
            number=state.number,
        )
    command = SignOrder(
        order=fact.order,
        number=beside.gathered,
        customer=fact.customer,
        unit=fact.unit,
        signed_on=fact.signed_on,
        file_digest=fact.file_digest,
        batches=fact.batches,
        reference=fact.reference,
        source=fact.source,
    )
    return signed(command, state, facing(replace(context, gathered=None), beside.states))


async def resolve_shipment(connection: Connection, recorded: RecordedFact[GoodsShipped]) -> RecordedFact[GoodsShipped]:
    """The message with Kehu's id of the order, its customer, and the id that this sender's number has here."""
    told = read_message(ShipmentMessage, recorded.fact)
    source, message = sender_of(recorded)
    reference = told.reference or message
    found = await connection.fetch(_ORDER, told.order)
    order, customer = (found[0]["order_id"], found[0]["customer"]) if len(found) == 1 else (_UNKNOWN, _UNKNOWN)
    changes: dict[str, Any] = {
        "shipment": sent_id(source, reference),
        "order": order,
        "customer": customer,
        "lines": tuple(_line(line) for line in told.lines),
        "reference": reference,
        "source": source,
    }
    return recorded._replace(fact=recorded.fact.model_copy(update=changes))


async def draw_shipment_number(connection: Connection, recorded: RecordedFact[GoodsShipped]) -> str:
    """A number for the shipment.

    Raises:
        Refused: the sender's number is that of a shipment of another order.

    """
    fact = recorded.fact
    holder = await connection.fetchval(_HOLDER, SHIPMENT_REFERENCE_SCOPE, f"{fact.source}\n{fact.reference}")
    if holder not in (None, ORDERS.stream(fact.order)):
        raise _shipment_exists()
    return await next_number(connection, "shipment_numbers")


def accept_shipment(recorded: RecordedFact[GoodsShipped], state: Order, context: Context) -> Decision:
    """Take a dispatch that a warehouse tells of: only of what was released; the same again is known.

    Raises:
        NotFound: there is no such order.
        Refused: the sender's number stands for another shipment.
        KehuError: as `shipped`.

    """
    fact = recorded.fact
    beside: Beside = context.gathered
    if not state.id:
        raise NotFound(
            "没有这一订单(或该合同号不止一个订单)。请用订单号。",
            "There is no such order (or more than one of that reference): name it by its number.",
            clause=CLAUSE,
            code="order-unknown",
        )
    quantities = {line.item: line.quantity for line in fact.lines} or None
    if known := state.shipments.get(fact.shipment):
        same = quantities is None or quantities == {line.item: line.quantity for line in known.lines}
        if same and (known.batch, known.shipped_on) == (fact.batch, fact.shipped_on):
            return Decision()
        raise _shipment_exists()
    command = ShipGoods(
        shipment=fact.shipment,
        number=beside.gathered,
        batch=fact.batch,
        shipped_on=fact.shipped_on,
        quantities=quantities,
        reference=fact.reference,
        source=fact.source,
    )
    return shipped(command, state, facing(replace(context, gathered=None), beside.states))


async def resolve_return(connection: Connection, recorded: RecordedFact[GoodsReturned]) -> RecordedFact[GoodsReturned]:
    """The message with Kehu's id of the order, its customer, and the ids that this sender's numbers have here.

    By claims, not by a view: goods may come back a moment after they left.
    """
    told = read_message(ReturnMessage, recorded.fact)
    source, message = sender_of(recorded)
    reference = told.reference or message
    own = await connection.fetchval(_HOLDER, SHIPMENT_REFERENCE_SCOPE, f"{source}\n{told.shipment}")
    holder = own or await connection.fetchval(_HOLDER, SHIPMENT_NUMBER_SCOPE, told.shipment)
    order = str(holder).partition("-")[2] if holder else _UNKNOWN
    changes: dict[str, Any] = {
        "returned": sent_id(f"{source} returns", reference),
        "shipment": sent_id(source, told.shipment) if own else told.shipment,
        "order": order,
        "customer": await connection.fetchval(_CUSTOMER_OF_ORDER, order) or _UNKNOWN,
        "lines": tuple(_line(line) for line in told.lines),
        "reason": told.reason,
        "reference": reference,
        "source": source,
    }
    return recorded._replace(fact=recorded.fact.model_copy(update=changes))


async def draw_return_number(connection: Connection, _recorded: RecordedFact[GoodsReturned]) -> str:
    """A number for the return."""
    return await next_number(connection, "return_numbers")


def accept_return(recorded: RecordedFact[GoodsReturned], state: Order, context: Context) -> Decision:
    """Take a return that a warehouse tells of, never more than had left; the same again is known.

    Raises:
        NotFound: there is no such shipment.
        Refused: the sender's number stands for another return.
        KehuError: as `returned`.

    """
    fact = recorded.fact
    beside: Beside = context.gathered
    shipment = next((one for one in state.shipments.values() if fact.shipment in (one.id, one.number)), None)
    if shipment is None:
        raise NotFound(
            "没有这次发货。请用当时发送的编号或发货单号。",
            "There is no such shipment: name it by the number that you sent it under, or by Kehu's.",
            clause=CLAUSE,
            code="shipment-unknown",
        )
    quantities: dict[str, Decimal] = {}
    for line in fact.lines:
        quantities[line.item] = quantities.get(line.item, Decimal(0)) + line.quantity
    if known := state.returns.get(fact.returned):
        same = quantities == {line.item: line.quantity for line in known.lines}
        if same and (known.shipment, known.returned_on) == (shipment.id, fact.returned_on):
            return Decision()
        raise Refused(
            "该编号已用于另一次退货。请核对,或以新的编号发送。",
            "This number is another return's already: check it, or send it under a new one.",
            clause=CLAUSE,
            code="return-exists",
        )
    command = ReturnGoods(
        returned=fact.returned,
        number=beside.gathered,
        shipment=shipment.id,
        returned_on=fact.returned_on,
        quantities=quantities,
        reason=fact.reason,
        reference=fact.reference,
        source=fact.source,
    )
    return returned(command, state, facing(replace(context, gathered=None), beside.states))


def _shipment_exists() -> Refused:
    return Refused(
        "该编号已用于另一次发货。请核对,或以新的编号发送。",
        "This number is another shipment's already: check it, or send it under a new one.",
        clause=CLAUSE,
        code="shipment-exists",
    )


def _line(line: LineMessage) -> OrderLine:
    return OrderLine(item=line.item, unit=line.unit or "", quantity=line.quantity, amount_fen=line.amount_fen)


def _batch(batch: BatchMessage) -> DeliveryBatch:
    return DeliveryBatch(
        batch=batch.batch, amount_fen=batch.amount_fen, lines=tuple(map(_line, batch.lines)), due_on=batch.due_on
    )


def _order(recorded: RecordedFact[Any]) -> tuple[str]:
    return (recorded.fact.order,)


def _of_customer(recorded: RecordedFact[Any]) -> Sequence[tuple[Category[Any], str]]:
    return ((CUSTOMER_FILES, recorded.fact.customer), (STANDINGS, recorded.fact.customer))


def _of_payer(recorded: RecordedFact[Any]) -> Sequence[tuple[Category[Any], str]]:
    return (*_of_customer(recorded), (SETTLEMENT_UNITS, recorded.fact.unit))


_SETTINGS = VettingSettings()
INBOUND = (
    Inbound(
        name="erp-orders",
        type=OrderSigned,
        sources=_SETTINGS.order_sources,
        category=ORDERS,
        stream_ids=_order,
        decide=accept_order,
        gather=draw_order_number,
        resolve=resolve_order,
        beside=_of_payer,
    ),
    Inbound(
        name="warehouse-shipments",
        type=GoodsShipped,
        sources=_SETTINGS.warehouse_sources,
        category=ORDERS,
        stream_ids=_order,
        decide=accept_shipment,
        gather=draw_shipment_number,
        resolve=resolve_shipment,
        beside=_of_customer,
    ),
    Inbound(
        name="warehouse-returns",
        type=GoodsReturned,
        sources=_SETTINGS.warehouse_sources,
        category=ORDERS,
        stream_ids=_order,
        decide=accept_return,
        gather=draw_return_number,
        resolve=resolve_return,
        beside=_of_customer,
    ),
)
