"""What scenarios of orders, money, goods and invoices are told in."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from journeys import V
from people import Customer, Person, World

from kehu.ids import new_id

ITEM = "阀门"


async def order_body(customer: Customer, *amounts: int, **more: Any) -> dict[str, Any]:
    """A signed order of ten valves a batch; amounts in fen."""
    return {
        "customer": customer.number,
        "signed_on": (await customer.world.at.today()).isoformat(),
        "file_digest": await customer.owner.hands_in(V, f"order {new_id()}"),
        "batches": [{"lines": [{"item": ITEM, "unit": "台", "quantity": "10", "amount_fen": fen}]} for fen in amounts],
        **more,
    }


async def signed_order(customer: Customer, *amounts: int, **more: Any) -> str:
    """The owner enters a signed order; its id."""
    answer = await customer.owner.does(V, "/orders", await order_body(customer, *amounts, **more))
    return str(answer["id"])


async def money_body(world: World, unit: str, fen: int) -> dict[str, Any]:
    """A receipt as finance types it."""
    return {
        "unit": unit,
        "bank_reference": f"BANK {new_id().hex[-12:]}",
        "amount_fen": fen,
        "received_on": (await world.at.today()).isoformat(),
    }


async def money(world: World, unit: str, fen: int) -> str:
    """A receipt of this unit, typed by one of finance and confirmed by another; its id."""
    receipt = str((await world.fin.does(V, "/receipts", await money_body(world, unit, fen)))["id"])
    await world.fei.does(V, f"/receipts/{receipt}/confirm")
    return receipt


async def paid(customer: Customer, order: str, fen: int) -> str:
    """Money of the customer's default payer, put to an order; the receipt."""
    receipt = await money(customer.world, await customer.unit(), fen)
    await customer.world.fin.does(V, f"/receipts/{receipt}/allocations", {"order": order, "amount_fen": fen})
    return receipt


async def shipment(world: World, batch: int = 1, **more: Any) -> dict[str, Any]:
    """The dispatch of a batch, today."""
    return {"batch": batch, "shipped_on": (await world.at.today()).isoformat(), **more}


async def shipped(world: World, order: str, batch: int = 1) -> str:
    """The warehouse ships a released batch; the shipment."""
    answer = await world.store.does(V, f"/orders/{order}/shipments", await shipment(world, batch))
    return str(answer["shipment"])


def lines(*amounts: int, rate: str = "13") -> list[dict[str, Any]]:
    """Lines of an invoice; gross amounts in fen."""
    return [{"item": ITEM, "unit": "台", "rate_percent": rate, "gross_fen": fen} for fen in amounts]


async def requested(customer: Customer, order: str, *amounts: int) -> str:
    """The owner asks for a special VAT invoice (F2); its number."""
    answer = await customer.owner.does(V, "/invoice-requests", {"order": order, "lines": lines(*amounts)})
    return str(answer["number"])


async def review(person: Person, request: str, side: str) -> dict[str, Any]:
    """What a reviewer passes with: the digests of the request and of the credit as they see them."""
    seen = await person.sees(V, f"/invoice-requests/{request}")
    return {"side": side, "digest": seen["digest"], "credit_digest": seen["credit"]["digest"]}


async def passed(world: World, request: str) -> None:
    """Both sides pass it."""
    for person, side in ((world.sun, "marketing"), (world.fin, "finance")):
        await person.does(V, f"/invoice-requests/{request}/pass", await review(person, request, side))


async def digital(world: World) -> dict[str, Any]:
    """The number of a fully digital invoice of this year that no other has."""
    today = await world.at.today()
    number = f"{today.year % 100:02}332{int(new_id().hex[-12:], 16):015}"[:20]
    return {"kind": "digital", "digital_number": number, "issued_on": today.isoformat()}


async def paper(world: World) -> dict[str, Any]:
    """The code and number of a paper invoice that no other has."""
    today = await world.at.today()
    number = int(new_id().hex[-12:], 16) % 10**8
    return {"kind": "paper", "code": "3300261130", "number": f"{number:08}", "issued_on": today.isoformat()}


async def issue_body(person: Person, request: str, numbers: dict[str, Any]) -> dict[str, Any]:
    """What an issuer registers: the invoice's numbers, for the request as they see it."""
    return numbers | {"digest": (await person.sees(V, f"/invoice-requests/{request}"))["digest"]}


async def in_days(world: World, days: int) -> str:
    """A day so many days from today."""
    return (await world.at.today() + timedelta(days=days)).isoformat()
