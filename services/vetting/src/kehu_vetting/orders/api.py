"""Orders over HTTP: signed, amended, cancelled; shipments and returns; the account of a customer or a payer."""

from __future__ import annotations

from functools import partial

from fastapi import APIRouter

from kehu.commands import Thing
from kehu.errors import NotFound, Refused
from kehu.event_store import Taken
from kehu.http import Acting, ActingRequest, Answer, Editing, StreamId
from kehu.ids import new_id
from kehu_vetting.customer_files.finding import find_customer
from kehu_vetting.orders import decisions, shipping, stopping
from kehu_vetting.orders.bodies import (
    AgreeBody,
    AmendmentBody,
    CancellationBody,
    DeclineBody,
    OrderBody,
    ReturnBody,
    ShipmentBody,
    StopBody,
    by_item,
    delivery_batches,
)
from kehu_vetting.orders.decisions import REFERENCE_SCOPE
from kehu_vetting.orders.facts import ORDERS
from kehu_vetting.orders.finding import OnMoney, OnOrder, load_order, on_money, on_order, parties, paying_things
from kehu_vetting.orders.lists import shipment_named
from kehu_vetting.orders.numbers import next_number
from kehu_vetting.orders.shown import OrderShown
from kehu_vetting.orders.sight import check_order_visible
from kehu_vetting.settlement_units.finding import find_unit
from kehu_vetting.standing.facts import STANDINGS

router = APIRouter(tags=["orders"])


class OrderExists(Refused):
    """There is an order of this 合同号."""

    code = "order-exists"


@router.post("/orders", status_code=201)
async def sign_order(body: OrderBody, request: Acting) -> Answer:
    """Enter an order that an active customer has signed; an order clerk or the owner does. Answers its `number`."""
    customer = await find_customer(request, body.customer)
    unit = await _payer(request, customer, body.unit)
    order, number = str(new_id()), await next_number(request.pool, "order_numbers")
    command = decisions.SignOrder(
        order=order,
        number=number,
        customer=customer,
        unit=unit,
        signed_on=body.signed_on,
        file_digest=body.file_digest,
        batches=delivery_batches(body.batches),
        reference=body.reference,
    )
    try:
        return await request.handle_together(
            [Thing(ORDERS, order, must_exist=False), *parties(customer, unit)],
            on_order(partial(decisions.sign_order, command)),
            numbers={"number": number},
        )
    except Taken as taken:
        if taken.scope != REFERENCE_SCOPE:
            raise
        holder, _ = await request.running.commands.load(ORDERS, taken.holder.partition("-")[2])
    raise OrderExists(
        f"合同号 {body.reference} 已录入为订单 {holder.number}。请在其上办理,或核对合同号。",
        f"Contract {body.reference} is order {holder.number} already: go on with that one, or check the number.",
        clause="R3.2.1",
        number=holder.number,
    )


@router.post("/orders/{order}/amendments")
async def amend_order(order: StreamId, body: AmendmentBody, request: Editing) -> Answer:
    """Enter a signed amendment: all batches as they are from now on. Increases are refused while suspended."""
    state, _, _ = await load_order(request, order)
    unit = await find_unit(request, body.unit) if body.unit else state.unit
    command = decisions.AmendOrder(unit, body.signed_on, body.file_digest, delivery_batches(body.batches), body.reason)
    return await _with_receipts(request, order, partial(decisions.amend_order, command), unit)


@router.post("/orders/{order}/cancel")
async def cancel_order(order: StreamId, body: CancellationBody, request: Editing) -> Answer:
    """Cancel what has not been shipped; money beyond what has been is free again."""
    command = decisions.CancelOrder(body.reason)
    return await _with_receipts(request, order, partial(decisions.cancel_order, command))


@router.post("/orders/{order}/shipments")
async def ship_goods(order: StreamId, body: ShipmentBody, request: Acting) -> Answer:
    """Ship a released batch or part of it; the warehouse does. Answers the shipment's id and `number`."""
    shipment, number = str(new_id()), await next_number(request.pool, "shipment_numbers")
    quantities = by_item(body.lines) if body.lines else None
    command = shipping.ShipGoods(shipment, number, body.batch, body.shipped_on, quantities)
    decide = partial(shipping.ship_goods, command)
    return await _on_order(request, order, decide, {"shipment": shipment, "shipment_number": number})


@router.post("/shipments/{shipment}/returns")
async def return_goods(shipment: StreamId, body: ReturnBody, request: Acting) -> Answer:
    """Record goods that came back of a shipment (id or number); the warehouse does. It frees no money by itself."""
    found = await shipment_named(request.pool, shipment)
    if found is None:
        raise NotFound("没有这次发货。", "There is no such shipment.", clause="R3.2.1")
    order, shipment = found
    returned, number = str(new_id()), await next_number(request.pool, "return_numbers")
    command = shipping.ReturnGoods(returned, number, shipment, body.returned_on, by_item(body.lines), body.reason)
    decide = partial(shipping.return_goods, command)
    return await _on_order(request, order, decide, {"returned": returned, "return_number": number})


@router.post("/orders/{order}/returns/{returned}/credit")
async def credit_return(order: StreamId, returned: StreamId, request: Editing) -> Answer:
    """Accept a return: its money pays for what waits in this order, the rest is free again. Finance does."""
    return await _with_receipts(request, order, partial(shipping.credit_return, shipping.CreditReturn(returned)))


@router.post("/orders/{order}/stop-shipping")
async def propose_stop(order: StreamId, body: StopBody, request: Editing) -> Answer:
    """Want shipping of a suspended customer's order stopped (or resumed); the other side has to agree."""
    command = stopping.ProposeStop(body.side, body.lift, body.reason)
    return await _on_order(request, order, partial(stopping.propose_stop, command))


@router.post("/orders/{order}/stop-shipping/agree")
async def agree_to_stop(order: StreamId, body: AgreeBody, request: Editing) -> Answer:
    """Agree to what the other side wants: finance and the department's manager, two persons."""
    return await _on_order(request, order, partial(stopping.agree_to_stop, stopping.AgreeToStop(body.side)))


@router.post("/orders/{order}/stop-shipping/decline")
async def decline_stop(order: StreamId, body: DeclineBody, request: Editing) -> Answer:
    """Do not agree, or take one's own wish back."""
    return await _on_order(request, order, partial(stopping.decline_stop, stopping.DeclineStop(body.reason)))


@router.get("/orders/{order}")
async def show_order(order: StreamId, request: Acting) -> OrderShown:
    """One order by its id or 订单号, with batches, payments, shipments and its account; its ETag."""
    state, file, version = await load_order(request, order)
    check_order_visible(file, request.actor)
    request.tag(version)
    return OrderShown.of(state, file)


async def _payer(request: ActingRequest, customer: str, named: str | None) -> str:
    """The unit that an order names, or the customer's default one; empty where it has none."""
    if named:
        return await find_unit(request, named)
    standing, _ = await request.running.commands.load(STANDINGS, customer)
    return standing.default_unit or ""


async def _on_order(
    request: ActingRequest, named: str, decide: OnOrder, numbers: dict[str, str] | None = None
) -> Answer:
    state, file, _ = await load_order(request, named)
    check_order_visible(file, request.actor)
    things = [Thing(ORDERS, state.id), *parties(file.customer)]
    return await request.handle_together(things, on_order(decide), numbers=numbers)


async def _with_receipts(request: ActingRequest, named: str, decide: OnMoney, unit: str | None = None) -> Answer:
    state, file, _ = await load_order(request, named)
    check_order_visible(file, request.actor)
    receipts = paying_things(state)
    things = [Thing(ORDERS, state.id), *receipts, *parties(file.customer, unit)]
    return await request.handle_together(things, on_money(decide, len(receipts)))
