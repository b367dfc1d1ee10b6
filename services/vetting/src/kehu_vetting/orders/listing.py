"""Lists of orders, deliveries and shipments over HTTP, the same as Excel files, and statements of account."""

from __future__ import annotations

from dataclasses import asdict, replace
from datetime import date, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Response
from pydantic import BaseModel, Field

from kehu import calendar
from kehu.errors import NotFound
from kehu.http import Acting, ActingRequest, Page, Paging, StreamId
from kehu.lineage import family_of
from kehu.money import show_yuan
from kehu.text import Line
from kehu_vetting.bodies import Code, Day
from kehu_vetting.customer_files.finding import find_survivor
from kehu_vetting.exports import XLSX, export
from kehu_vetting.orders.lists import (
    DeliveryFilters,
    DeliveryStatus,
    OrderFilters,
    OrderStatus,
    ShipmentFilters,
    list_deliveries,
    list_orders,
    list_shipments,
    order_of_number,
    statement,
)
from kehu_vetting.orders.sight import check_order_visible, order_scope
from kehu_vetting.receipts.sight import check_unit_visible
from kehu_vetting.settlement_units.finding import find_unit

router = APIRouter(tags=["orders"])

#: Entries of one statement; a customer with more asks for the export of its lists.
MOST_ENTRIES = 10_000
_MINE = Query(description="What waits for you.")
_ORDER_COLUMNS = (
    ("number", "订单号 Order"),
    ("reference", "合同号 Contract"),
    ("customer_number", "客户编号 Customer"),
    ("name", "客户名称 Name"),
    ("department", "部门 Department"),
    ("owner", "负责营销员 Owner"),
    ("signed_on", "签订日期 Signed"),
    ("status", "状态 Status"),
    ("amount_fen", "金额(元) Amount"),
    ("allocated_fen", "已付(元) Paid"),
    ("needed_fen", "尚需(元) Needed"),
    ("shipped_fen", "已发货(元) Shipped"),
    ("returned_fen", "已退货(元) Returned"),
)
_DELIVERY_COLUMNS = (
    ("number", "订单号 Order"),
    ("batch", "批次 Batch"),
    ("customer_number", "客户编号 Customer"),
    ("name", "客户名称 Name"),
    ("department", "部门 Department"),
    ("status", "状态 Status"),
    ("due_on", "交货日期 Due"),
    ("amount_fen", "金额(元) Amount"),
    ("left_fen", "未发(元) Left"),
    ("missing_fen", "待收款(元) Missing"),
)


class OrderRow(BaseModel):
    """A line of the list of orders."""

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
    status: OrderStatus
    amount_fen: int
    allocated_fen: int
    needed_fen: int
    shipped_fen: int
    returned_fen: int
    stopped: bool
    proposed_side: str | None
    serial: int = Field(exclude=True)


class DeliveryRow(BaseModel):
    """A batch: waiting for money, released, shipped or cancelled."""

    order: str
    number: str
    batch: int
    customer: str
    customer_number: str
    name: str
    department: str
    owner: str
    status: DeliveryStatus
    since: datetime
    due_on: date | None
    amount_fen: int
    left_fen: int
    missing_fen: int = Field(description="What has still to be paid for it and all before it.")
    stopped: bool
    serial: int = Field(exclude=True)


class ShipmentRow(BaseModel):
    """A shipment, with the ids of the receipt facts that pay for it."""

    shipment: str
    number: str
    reference: str | None
    source: str | None
    order: str
    order_number: str
    customer: str
    customer_number: str
    name: str
    department: str
    batch: int
    shipped_on: date
    value_fen: int
    returned_fen: int
    receipts: list[str]
    serial: int = Field(exclude=True)


class Entry(BaseModel):
    """A movement of an account."""

    day: date
    kind: Literal[
        "order", "amendment", "cancellation", "allocation", "shipment", "return", "receipt", "reversal", "refund"
    ]
    customer: str | None
    unit: str | None
    order: str | None
    receipt: str | None
    amount_fen: int
    text: str


class Statement(BaseModel):
    """The account of a customer (goods) or of a payer (money) until the end of a day, in fen."""

    whose: str
    until: date
    ordered_fen: int
    received_fen: int = Field(description="Of a payer: net of what went back.")
    allocated_fen: int
    delivered_fen: int = Field(description="Shipped less returned.")
    balance_fen: int = Field(
        description="Of a customer: paid and not delivered yet. Of a payer: received and put to no order."
    )
    balance_yuan: str
    entries: list[Entry]


def _order_filters(
    status: OrderStatus | None = None,
    customer: Code | None = None,
    unit: Code | None = None,
    department: Code | None = None,
    reference: Annotated[Line | None, Query(description="合同号, or the sender's own number.")] = None,
    source: Annotated[Line | None, Query(description="Which other system sent it.")] = None,
    waiting_for: Annotated[Literal["me"] | None, _MINE] = None,
) -> OrderFilters:
    return OrderFilters(status, customer, unit, department, reference, source, waiting_for is not None)


def _delivery_filters(
    request: Acting,
    status: DeliveryStatus | None = None,
    department: Code | None = None,
    waiting_for: Annotated[Literal["me"] | None, _MINE] = None,
    *,
    overdue: Annotated[bool, Query(description="Only what should have left before today and has not.")] = False,
) -> DeliveryFilters:
    from_now = _today(request) if overdue else None
    return DeliveryFilters(status, department, from_now, waiting_for is not None)


def _shipment_filters(
    order: Code | None = None,
    customer: Code | None = None,
    reference: Annotated[Line | None, Query(description="The sender's own number.")] = None,
    source: Annotated[Line | None, Query(description="Which other system sent it.")] = None,
) -> ShipmentFilters:
    return ShipmentFilters(order, customer, reference, source)


@router.get("/orders")
async def show_orders(
    request: Acting, paging: Paging, filters: Annotated[OrderFilters, Depends(_order_filters)]
) -> Page[OrderRow]:
    """The orders that you may see, the latest first; `waiting_for=me`: stops of shipping that you have to answer."""
    (after,) = paging.after(int)
    rows = await _orders(request, filters, after, paging.fetch)
    return paging.page([OrderRow.model_validate(dict(row)) for row in rows], key=lambda row: (row.serial,))


@router.get("/orders/export", response_class=Response, responses={200: {"content": {XLSX: {}}}})
async def export_orders(request: Acting, filters: Annotated[OrderFilters, Depends(_order_filters)]) -> Response:
    """The same as an Excel file. Takes a reason (header `Kehu-Reason`), which is recorded; not for who is leaving."""

    async def pages(last: Any | None, limit: int) -> Any:
        return await _orders(request, filters, last and last["serial"], limit)

    return await export(request, "订单 Orders", _ORDER_COLUMNS, pages, asdict(filters))


@router.get("/deliveries")
async def show_deliveries(
    request: Acting, paging: Paging, filters: Annotated[DeliveryFilters, Depends(_delivery_filters)]
) -> Page[DeliveryRow]:
    """The batches that you may see. `waiting_for=me`: the warehouse's to ship, an owner's that wait for money."""
    after = paging.after(int, int)
    rows = await list_deliveries(
        request.pool, order_scope(request.actor), request.actor, filters, (after[0], after[1]), paging.fetch
    )
    found = [DeliveryRow.model_validate(dict(row)) for row in rows]
    return paging.page(found, key=lambda row: (row.serial, row.batch))


@router.get("/deliveries/export", response_class=Response, responses={200: {"content": {XLSX: {}}}})
async def export_deliveries(
    request: Acting, filters: Annotated[DeliveryFilters, Depends(_delivery_filters)]
) -> Response:
    """The same as an Excel file. Takes a reason (header `Kehu-Reason`), which is recorded; not for who is leaving."""

    async def pages(last: Any | None, limit: int) -> Any:
        after = (last["serial"], last["batch"]) if last else (None, None)
        shown = order_scope(request.actor)
        return await list_deliveries(request.pool, shown, request.actor, filters, after, limit)

    return await export(request, "发货批次 Deliveries", _DELIVERY_COLUMNS, pages, asdict(filters))


@router.get("/shipments")
async def show_shipments(
    request: Acting, paging: Paging, filters: Annotated[ShipmentFilters, Depends(_shipment_filters)]
) -> Page[ShipmentRow]:
    """The shipments that you may see, the latest first; also by the sender's `reference` and `source`."""
    (after,) = paging.after(int)
    if filters.customer:
        filters = replace(filters, customer=(await find_survivor(request, filters.customer))[0])
    if filters.order:
        filters = replace(filters, order=await order_of_number(request.pool, filters.order) or filters.order)
    rows = await list_shipments(request.pool, order_scope(request.actor), filters, after, paging.fetch)
    return paging.page([ShipmentRow.model_validate(dict(row)) for row in rows], key=lambda row: (row.serial,))


@router.get("/customers/{customer}/statement")
async def show_customer_statement(
    customer: StreamId, request: Acting, until: Annotated[Day | None, Query(description="That day included.")] = None
) -> Statement:
    """Orders, payments, shipments and returns of a customer (id or 客户编号), and what is paid and not delivered."""
    customer, file = await find_survivor(request, customer)
    check_order_visible(file, request.actor)
    return await _statement(request, "customer", customer, until)


@router.get("/settlement-units/{unit}/statement")
async def show_unit_statement(
    unit: StreamId, request: Acting, until: Annotated[Day | None, Query(description="That day included.")] = None
) -> Statement:
    """Receipts, what went back and what was put to orders of a payer (id, number or identity); what is left is free."""
    unit = await find_unit(request, unit)
    await check_unit_visible(request, unit)
    return await _statement(request, "unit", unit, until)


async def _statement(
    request: ActingRequest, whose: Literal["customer", "unit"], named: str, until: date | None
) -> Statement:
    day = until or _today(request)
    names = await family_of(request.pool, named) if whose == "customer" else [named]
    rows = await statement(request.pool, whose, names, day, MOST_ENTRIES + 1)
    if len(rows) > MOST_ENTRIES:
        raise NotFound(
            f"往来超过 {MOST_ENTRIES} 笔,请导出清单。",
            f"There are more than {MOST_ENTRIES} movements: export the lists instead.",
            code="statement-too-long",
        )
    entries = [Entry.model_validate(dict(row)) for row in rows]

    def total(*kinds: str) -> int:
        return sum(entry.amount_fen for entry in entries if entry.kind in kinds)

    allocated, received = total("allocation"), total("receipt", "reversal", "refund")
    delivered = total("shipment", "return")
    balance = allocated - delivered if whose == "customer" else received - allocated
    return Statement(
        whose=named,
        until=day,
        ordered_fen=total("order", "amendment", "cancellation"),
        received_fen=received,
        allocated_fen=allocated,
        delivered_fen=delivered,
        balance_fen=balance,
        balance_yuan=show_yuan(balance),
        entries=entries,
    )


async def _orders(request: ActingRequest, filters: OrderFilters, after: int | None, limit: int) -> Any:
    if filters.customer:
        filters = replace(filters, customer=(await find_survivor(request, filters.customer))[0])
    if filters.unit:
        filters = replace(filters, unit=await find_unit(request, filters.unit))
    return await list_orders(request.pool, order_scope(request.actor), request.actor, filters, after, limit)


def _today(request: ActingRequest) -> date:
    return calendar.today(request.now)
