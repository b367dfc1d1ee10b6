"""Invoices as people meet them, over HTTP, on a real PostgreSQL: also when several issue at once."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import re
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import quote

import asyncpg
import docx
import httpx2
import pytest
import pytest_asyncio
from python_calamine import CalamineWorkbook

from kehu import calendar, clock
from kehu.contracts.customers import CustomerKind, IdentityKind
from kehu.contracts.staff import (
    STAFF_FACTS,
    DelegateAppointed,
    DepartureStarted,
    Role,
    RoleGranted,
    StaffMemberAppointed,
)
from kehu.contracts.trade import (
    DeliveryBatch,
    GoodsReturned,
    GoodsShipped,
    OrderAmended,
    OrderLine,
    OrderSigned,
    ReceiptAllocated,
    SettlementUnitLinked,
    SettlementUnitQualified,
)
from kehu.contracts.vetting import CreditIncidentRecorded
from kehu.deciding import Category, Context, Decision, system_actor
from kehu.facts import Fact
from kehu.identity import issue_token
from kehu.loops import Loop
from kehu.parts import Running, connect
from kehu.printing.routes import FormPrinted, printings
from kehu.rebuilding import rebuild
from kehu.relay import Relay
from kehu.running import Assembly, assemble
from kehu.service import Feature, Service
from kehu.settings import OWNER_ROLE, TOKEN_ISSUER, Settings
from kehu.testing.platform import Platform
from kehu_vetting.app import service as vetting
from kehu_vetting.credit.facts import CREDIT
from kehu_vetting.customer_files.facts import CUSTOMER_FILES, CustomerNoted
from kehu_vetting.invoices.accounts import INVOICE_ACCOUNTS
from kehu_vetting.invoices.facts import INVOICE_REQUESTS
from kehu_vetting.invoices.taking_out import COLUMNS, LINE_COLUMNS
from kehu_vetting.orders.facts import ORDERS
from kehu_vetting.qualifications.form import Document, InvoicingBlock
from kehu_vetting.settlement_units.facts import SETTLEMENT_UNITS, UnitDetails, UnitDetailsNoted, UnitPapersNoted
from kehu_vetting.standing.facts import STANDINGS, ActivationNoted
from kehu_vetting.testing import USCC

PATIENCE = 60
STAFF = Category("staff", STAFF_FACTS, None, lambda state, _: state)
DIGEST = "ab" * 32
PEOPLE = {
    "sales": (Role.SALESPERSON, "east"),
    "other": (Role.SALESPERSON, "east"),
    "vera": (Role.VETTER, "east"),
    "mei": (Role.DEPT_MANAGER, "east"),
    "west": (Role.DEPT_MANAGER, "west"),
    "fang": (Role.FINANCE, None),
    "fei": (Role.FINANCE, None),
    "stand": (Role.WAREHOUSE, "east"),
    "auditor": (Role.AUDITOR, None),
    "leaving": (Role.FINANCE, None),
}


@dataclass
class World:
    """The vetting service with orders that may be invoiced, and people who work with it."""

    assembly: Assembly
    registry: Running
    http: httpx2.AsyncClient
    settings: Settings
    turn: int = 0

    @property
    def today(self) -> date:
        return calendar.today(self.assembly.running.clock.now())

    async def note(self, category: Category[Any], stream_id: str, *facts: Fact) -> None:
        """Given facts of vetting's own."""
        running = self.assembly.running
        context = Context(actor=system_actor("test", "given"), now=running.clock.now())
        done = await running.commands.handle(
            category, stream_id, lambda _s, _c: Decision(facts), context, must_exist=False
        )
        assert await running.follower.wait_for(done.position, PATIENCE)

    async def publish(self, stream_id: str, *facts: Fact) -> None:
        """Given facts of the staff."""
        context = Context(actor=system_actor("test", "publisher"), now=self.registry.clock.now())
        await self.registry.commands.handle(STAFF, stream_id, lambda _s, _c: Decision(facts), context, must_exist=False)

    async def order(self, received: int = 1_000_000, shipped: int = 1_000_000, *, proof: bool = True) -> str:
        """An order of a customer of its own, with money and goods, and a payer that may have special invoices."""
        self.turn += 1
        turn = self.turn
        customer, unit, order = f"c{turn}", f"u{turn}", f"o{turn}"
        identity = f"ID{turn}"
        noted = {
            "customer": customer,
            "number": f"K-{customer}",
            "name": f"杭州{turn}贸易有限公司",
            "kind": CustomerKind.PROVINCIAL_AGENT,
            "identity_kind": IdentityKind.USCC,
            "identity": USCC,
            "department": "east",
            "owner": "sales",
        }
        await self.note(CUSTOMER_FILES, customer, CustomerNoted.model_validate(noted))
        qualified = SettlementUnitQualified(
            unit=unit, number=f"JS-{unit}", name=f"{unit} 公司", identity_kind=IdentityKind.USCC, identity=identity
        )
        facts: list[Fact] = [qualified, self.details(unit, identity)]
        if proof:
            paper = Document(type="taxpayer_query", issued_on=self.today, file_digest=DIGEST)
            facts.append(UnitPapersNoted(unit=unit, papers=(paper,), noted_by="fang"))
        await self.note(SETTLEMENT_UNITS, unit, *facts)
        lines = (OrderLine(item="阀门", unit="台", quantity=Decimal(10), amount_fen=2_000_000),)
        signed = {
            "order": order,
            "number": numbered(order),
            "customer": customer,
            "unit": unit,
            "department": "east",
            "owner": "sales",
            "signed_on": self.today,
            "file_digest": DIGEST,
            "amount_fen": 2_000_000,
            "batches": (DeliveryBatch(batch=1, amount_fen=2_000_000, lines=lines),),
        }
        await self.note(ORDERS, order, OrderSigned.model_validate(signed), self.allocated(order, received))
        await self.note(ORDERS, order, self.shipped(order, shipped))
        return order

    def details(self, unit: str, identity: str, phone: str = "0571-1") -> UnitDetailsNoted:
        block = InvoicingBlock(title=f"{unit} 公司", tax_number=identity, address="杭州", phone=phone)
        details = UnitDetails(bank="中国银行", account="350", invoicing=block)
        return UnitDetailsNoted(unit=unit, details=details, noted_by="fang")

    def allocated(self, order: str, fen: int, receipt: str = "r1") -> ReceiptAllocated:
        customer = order.replace("o", "c")
        return ReceiptAllocated(receipt=f"{order}-{receipt}", order=order, customer=customer, amount_fen=fen)

    def shipped(self, order: str, fen: int) -> GoodsShipped:
        shipped = {
            "shipment": f"{order}-s",
            "number": f"FH{900_000 + int(order[1:])}",
            "order": order,
            "customer": order.replace("o", "c"),
            "department": "east",
            "batch": 1,
            "shipped_on": self.today,
            "value_fen": fen,
            "lines": (OrderLine(item="阀门", quantity=Decimal(5), amount_fen=fen),),
            "receipts": (),
        }
        return GoodsShipped.model_validate(shipped)

    def returned(self, order: str, fen: int) -> GoodsReturned:
        returned = {
            **self.shipped(order, fen).model_dump(),
            "returned": f"{order}-b",
            "number": f"TH{900_000 + int(order[1:])}",
            "returned_on": self.today,
            "reason": "质量",
        }
        return GoodsReturned.model_validate(returned)

    # --- asking ---

    async def ask(
        self,
        method: str,
        path: str,
        person: str,
        body: Any = None,
        *,
        version: int | None = None,
        key: str | None = None,
        reason: str | None = None,
    ) -> httpx2.Response:
        headers = {"Authorization": f"Bearer {issue_token(self.settings.secret(TOKEN_ISSUER), person, 5)}"}
        headers["Prefer"] = f"wait={PATIENCE}"
        if version is not None:
            headers["If-Match"] = f'"{version}"'
        if key is not None:
            headers["Idempotency-Key"] = key
        if reason is not None:
            headers["Kehu-Reason"] = quote(reason)
        return await self.http.request(method, path, json=body, headers=headers)

    async def show(self, path: str, person: str) -> Any:
        response = await self.ask("GET", path, person)
        assert response.status_code == 200, response.text
        return response.json()

    async def items(self, path: str, person: str, field: str) -> list[Any]:
        return [row[field] for row in (await self.show(path, person))["items"]]

    async def do(self, path: str, person: str, body: Any = None, *, method: str = "POST", status: int = 200) -> Any:
        """A command on a thing as it stands now; it has to be carried out."""
        found = await self.ask("GET", "/".join(path.split("/")[:3]), person)
        assert found.status_code == 200, found.text
        response = await self.ask(method, path, person, body, version=int(found.headers["etag"].strip('"')))
        assert response.status_code == status, response.text
        return response.json()

    # --- what people do ---

    def request_body(self, order: str, *amounts: int, **other: Any) -> dict[str, Any]:
        lines = [{"item": "阀门", "unit": "台", "rate_percent": "13", "gross_fen": fen} for fen in amounts]
        return {"order": order, "lines": lines, **other}

    async def apply(self, order: str, *amounts: int, **other: Any) -> str:
        answer = await self.ask("POST", "/invoice-requests", "sales", self.request_body(order, *amounts, **other))
        assert answer.status_code == 201, answer.text
        return answer.json()["number"]

    async def review(self, number: str, side: str, person: str) -> httpx2.Response:
        seen = await self.show(f"/invoice-requests/{number}", person)
        body = {"side": side, "digest": seen["digest"], "credit_digest": seen["credit"]["digest"]}
        return await self.ask("POST", f"/invoice-requests/{number}/pass", person, body)

    async def passed(self, order: str, *amounts: int) -> str:
        number = await self.apply(order, *amounts)
        for side, person in (("marketing", "vera"), ("finance", "fang")):
            answer = await self.review(number, side, person)
            assert answer.status_code == 200, answer.text
        return number

    def digital(self, sequence: int | None = None) -> dict[str, Any]:
        self.turn += 1
        number = f"{self.today.year % 100:02}332{sequence or self.turn:015}"
        return {"kind": "digital", "digital_number": number, "issued_on": self.today.isoformat()}

    def paper(self) -> dict[str, Any]:
        self.turn += 1
        return {"kind": "paper", "code": "3300261130", "number": f"{self.turn:08}", "issued_on": self.today.isoformat()}

    async def issue(self, number: str, person: str = "fei", **other: Any) -> httpx2.Response:
        digest = (await self.show(f"/invoice-requests/{number}", person))["digest"]
        body = {**self.digital(), "digest": digest, **other}
        return await self.ask("POST", f"/invoice-requests/{number}/invoices", person, body)

    async def register(self, order: str, fen: int, numbers: dict[str, Any] | None = None) -> httpx2.Response:
        body = {**(numbers or self.digital()), **self.request_body(order, fen)}
        return await self.ask("POST", "/invoices", "fei", body)

    async def registered(self, order: str, fen: int, numbers: dict[str, Any] | None = None) -> str:
        answer = await self.register(order, fen, numbers)
        assert answer.status_code == 201, answer.text
        return answer.json()["invoice"]


def numbered(order: str) -> str:
    """The 订单号 of an order that is given as facts: far from those that the routes draw."""
    return f"DD{900_000 + int(order[1:])}"


async def until(condition: Callable[[], Awaitable[Any]]) -> Any:
    """Wait for a condition in another loop or server, which tells nobody when it changes."""
    async with asyncio.timeout(PATIENCE):
        while not (found := await condition()):  # noqa: ASYNC110 - it changes elsewhere
            await asyncio.sleep(0.02)
    return found


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def world(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[World]:
    nothing = tmp_path_factory.mktemp("no-migrations")
    registry = Service("customer-registry", "r", [Feature("published", categories=[STAFF])], nothing)
    database = await platform.postgres.create_database(services=[registry, vetting])
    await platform.empty_kafka()
    settings = platform.settings(database.database_name)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(platform.postgres.drop_database, database)
        running = await stack.enter_async_context(connect(registry, settings))
        relay = Relay(registry, running.store, settings)
        running.wakes.append(relay.wake)
        loop = Loop("relay", relay.run)
        loop.start()
        stack.push_async_callback(loop.stop, 10)
        assembly = await stack.enter_async_context(assemble(vetting, settings))
        await assembly.start()
        stack.push_async_callback(assembly.stop)
        transport = httpx2.ASGITransport(app=assembly.app)
        http = await stack.enter_async_context(httpx2.AsyncClient(transport=transport, base_url="http://vetting"))
        world = World(assembly, running, http, settings)
        for number, (person, (role, department)) in enumerate(PEOPLE.items()):
            appointed = StaffMemberAppointed(person=person, number=str(number), name=person, department=department)
            granted = RoleGranted(person=person, role=role, department=department, granted_by="admin")
            await world.publish(person, appointed, granted)
        await world.publish("leaving", DepartureStarted(person="leaving", last_day=date(2099, 1, 1)))

        async def known() -> bool:
            return bool(await assembly.running.pool.fetchval("SELECT last_day FROM staff WHERE person = 'leaving'"))

        await until(known)
        yield world


async def test_from_the_request_to_the_signed_receipt(world: World) -> None:
    """F2, both reviews, the invoice and F3, each by the person whose it is, who finds it on their own worklist."""
    order = await world.order()
    await world.note(
        CREDIT,
        order.replace("o", "c"),
        CreditIncidentRecorded(
            incident="i-1",
            customer=order.replace("o", "c"),
            occurred_on=world.today,
            description="逾期",
            evidence="对账单",
            recorded_by="fang",
        ),
    )
    number = await world.apply(numbered(order), 300_000, 200_000)
    assert re.fullmatch(r"KP\d{6}", number)

    async def waiting() -> dict[str, list[str]]:
        path = "/invoice-requests?waiting_for=me"
        people = ("sales", "vera", "mei", "fang", "fei", "west")
        return {
            person: [one for one in await world.items(path, person, "number") if one == number] for person in people
        }

    assert await waiting() == {
        "sales": [],
        "vera": [number],
        "mei": [number],
        "fang": [number],
        "fei": [number],
        "west": [],
    }
    seen = await world.show(f"/invoice-requests/{number}", "vera")
    assert (seen["gross_fen"], seen["may"], seen["changed"]) == (500_000, ["marketing"], [])
    assert [one["incident"] for one in seen["credit"]["open_incidents"]] == ["i-1"]
    assert (await world.review(number, "marketing", "vera")).status_code == 200
    assert await waiting() == {"sales": [], "vera": [], "mei": [], "fang": [number], "fei": [number], "west": []}
    assert (await world.review(number, "finance", "fang")).status_code == 200
    assert await waiting() == {"sales": [], "vera": [], "mei": [], "fang": [], "fei": [number], "west": []}
    shown = await world.show(f"/invoice-requests/{number}", "fei")
    assert (shown["status"], shown["may"], shown["lapses_on"]) == (
        "passed",
        ["issue"],
        (world.today + timedelta(days=30)).isoformat(),
    )
    assert [(one["reviewed_by"], one["open_incidents"]) for one in shown["reviews"]] == [("vera", 1), ("fang", 1)]

    barred = await world.issue(number, "fang")
    assert (barred.status_code, barred.json()["code"]) == (403, "separation-of-duties")
    issued = await world.issue(number)
    assert issued.status_code == 201, issued.text
    invoice = issued.json()["invoice"]
    assert (await world.show(f"/invoice-requests/{number}", "sales"))["status"] == "issued"
    shown = await world.show(f"/invoices/{invoice}", "sales")
    assert (shown["net_fen"] + shown["tax_fen"], shown["left_fen"], shown["request_number"]) == (
        500_000,
        500_000,
        number,
    )
    by_number = await world.show(f"/invoices/{shown['digital_number']}", "sales")
    assert by_number == shown

    assert invoice in await world.items("/invoices?waiting_for=me", "sales", "invoice")
    assert invoice not in await world.items("/invoices?waiting_for=me", "mei", "invoice")
    today = world.today.isoformat()
    refused = await world.ask("POST", f"/invoices/{invoice}/collect", "vera", {"collected_on": today}, version=1)
    assert refused.status_code in (403, 409)
    await world.do(f"/invoices/{invoice}/collect", "sales", {"collected_on": today, "delivered_on": today})
    assert invoice not in await world.items("/invoices?waiting_for=me", "sales", "invoice")
    assert invoice in await world.items("/invoices?collected=true", "sales", "invoice")


async def test_from_the_signed_order_to_the_invoice_by_the_routes_alone(world: World) -> None:
    """Nothing of the order is a given fact: signed, paid, released, shipped, asked for and issued over HTTP."""
    await world.order()
    customer, unit, day = f"c{world.turn}", f"u{world.turn}", world.today.isoformat()
    active = ActivationNoted(customer=customer, qualification="q", department="east", active_since=date(2026, 1, 1))
    linked = SettlementUnitLinked(unit=unit, customer=customer, default=True)
    await world.note(STANDINGS, customer, linked, active)
    lines = [{"item": "阀门", "unit": "台", "quantity": "10", "amount_fen": 50_000}]
    signed = await world.ask(
        "POST",
        "/orders",
        "sales",
        {"customer": customer, "signed_on": day, "file_digest": DIGEST, "batches": [{"lines": lines}]},
    )
    assert signed.status_code == 201, signed.text
    order, number = signed.json()["id"], signed.json()["number"]
    early = await world.ask("POST", "/invoice-requests", "sales", world.request_body(number, 50_000))
    assert early.status_code == 409, early.text

    money = {"unit": unit, "bank_reference": f"BK-{order}", "amount_fen": 50_000, "received_on": day}
    receipt = (await world.ask("POST", "/receipts", "fang", money)).json()["id"]
    await world.do(f"/receipts/{receipt}/confirm", "fei")
    put = {"order": order, "amount_fen": 50_000}
    assert (await world.ask("POST", f"/receipts/{receipt}/allocations", "fang", put)).status_code == 200
    beyond = await world.ask("POST", "/invoice-requests", "sales", world.request_body(number, 50_000))
    assert beyond.json()["code"] == "above-ceiling"
    left = await world.ask("POST", f"/orders/{order}/shipments", "stand", {"batch": 1, "shipped_on": day})
    assert left.status_code == 200, left.text

    request = await world.passed(number, 50_000)
    issued = await world.issue(request)
    assert issued.status_code == 201, issued.text
    shown = await world.show(f"/invoices/{issued.json()['invoice']}", "sales")
    assert (shown["order_number"], shown["gross_fen"], shown["unit"]) == (number, 50_000, unit)
    left_over = await world.show(f"/orders/{number}/invoicing", "sales")
    assert (left_over["ceiling_fen"], left_over["invoiced_fen"], left_over["left_fen"]) == (50_000, 50_000, 0)


async def test_it_comes_back_with_remarks_and_is_revised_from_the_version_that_was_seen(world: World) -> None:
    order = await world.order()
    number = await world.apply(order, 500_000)
    path = f"/invoice-requests/{number}"
    assert (await world.ask("POST", f"{path}/return", "vera", {"side": "marketing", "remarks": "x"})).status_code == 428
    await world.do(f"{path}/return", "vera", {"side": "marketing", "remarks": "税率有误"})
    assert number in await world.items("/invoice-requests?waiting_for=me", "sales", "number")
    shown = await world.show(path, "sales")
    assert (shown["status"], shown["outcomes"][0]["text"]) == ("returned", "税率有误")
    body = {name: value for name, value in world.request_body(order, 400_000).items() if name != "order"}
    stale = await world.ask("PUT", path, "sales", body, version=1)
    assert stale.status_code == 409
    await world.do(path, "sales", body, method="PUT")
    assert (await world.show(path, "vera"))["gross_fen"] == 400_000
    await world.do(f"{path}/refuse", "fang", {"side": "finance", "reason": "重复申请"})
    assert number not in await world.items("/invoice-requests?waiting_for=me", "sales", "number")
    again = await world.apply(order, 1_000_000)
    await world.do(f"/invoice-requests/{again}/withdraw", "sales", {"reason": "客户不要"})


async def test_a_delegate_finds_it_on_their_worklist_and_both_are_barred_alike(world: World) -> None:
    order = await world.order()
    number = await world.apply(order, 100)
    appointed = DelegateAppointed(
        delegation="e-1",
        principal="mei",
        delegate="stand",
        steps=("invoice:marketing",),
        first_day=world.today,
        last_day=world.today + timedelta(days=5),
        reason="出差",
    )
    await world.publish("e-1", appointed)

    async def waits() -> bool:
        rows = await world.ask("GET", "/invoice-requests?waiting_for=me", "stand")
        return number in [row["number"] for row in rows.json()["items"]]

    await until(waits)
    reviewed = await world.review(number, "marketing", "stand")
    assert reviewed.status_code == 200, reviewed.text
    (shown,) = (await world.show(f"/invoice-requests/{number}", "stand"))["reviews"]
    assert (shown["reviewed_by"], shown["on_behalf_of"]) == ("stand", "mei")
    assert number not in await world.items("/invoice-requests?waiting_for=me", "stand", "number")
    assert (await world.ask("GET", f"/invoices?order={order}", "stand")).json()["items"] == []


async def test_nothing_is_above_what_was_received_and_shipped_and_who_may_see_why(world: World) -> None:
    order = await world.order(received=800_000, shipped=600_000)
    shown = await world.show(f"/orders/{numbered(order)}/invoicing", "sales")
    assert (shown["ceiling_fen"], shown["left_fen"], shown["rates"][0]) == (600_000, 600_000, "13")
    refused = await world.ask("POST", "/invoice-requests", "sales", world.request_body(order, 600_001))
    assert (refused.status_code, refused.json()["code"], refused.json()["clause"]) == (409, "above-ceiling", "R3.2.3")
    await world.registered(order, 400_000)
    refused = await world.register(order, 200_001)
    assert refused.json()["evidence"] == {"ceiling_fen": 600_000, "invoiced_fen": 400_000}
    assert (await world.ask("GET", f"/orders/{order}/invoicing", "west")).status_code == 404
    assert (await world.ask("GET", "/orders/nothing/invoicing", "fei")).status_code == 404


async def test_without_taxpayer_proof_there_is_no_request_but_an_ordinary_invoice(world: World) -> None:
    order = await world.order(proof=False)
    refused = await world.ask("POST", "/invoice-requests", "sales", world.request_body(order, 100))
    assert (refused.status_code, refused.json()["code"], refused.json()["clause"]) == (409, "payer-papers", "R3.2.2")
    assert not (await world.show(f"/orders/{order}/invoicing", "sales"))["taxpayer_proven"]
    invoice = await world.registered(order, 100)
    assert not (await world.show(f"/invoices/{invoice}", "fei"))["special"]


async def test_issuers_at_the_same_time_never_exceed_the_ceiling(world: World) -> None:
    """Guard: the order and the account of its invoices are decided on together."""
    order = await world.order(received=1_000_000, shipped=1_000_000)
    bodies = [{**world.digital(), **world.request_body(order, 300_000)} for _ in range(8)]
    answers = await asyncio.gather(*(world.ask("POST", "/invoices", "fei", body) for body in bodies))
    assert sorted(answer.status_code for answer in answers) == [201] * 3 + [409] * 5
    account, _ = await world.assembly.running.commands.load(INVOICE_ACCOUNTS, order)
    assert account.invoiced_fen == 900_000


async def test_issuing_and_taking_money_away_at_the_same_time_end_alike_in_either_order(world: World) -> None:
    """Whichever comes first: the invoice is refused, or a red letter is due for what is too much."""
    order = await world.order(received=500_000, shipped=500_000)
    answer, _ = await asyncio.gather(
        world.register(order, 500_000), world.note(ORDERS, order, world.allocated(order, -200_000))
    )

    async def excess() -> list[int]:
        rows = (await world.show("/red-letters/due", "fei"))["items"]
        return [row["excess_fen"] for row in rows if row["order"] == order]

    if answer.status_code == 201:

        async def due() -> bool:
            return await excess() == [200_000]

        await until(due)
    else:
        assert (answer.status_code, answer.json()["code"]) == (409, "above-ceiling")
        assert await excess() == []


async def test_one_request_is_issued_once_however_many_try(world: World) -> None:
    order = await world.order()
    number = await world.passed(order, 300_000)
    digest = (await world.show(f"/invoice-requests/{number}", "fei"))["digest"]
    bodies = [{**world.digital(), "digest": digest} for _ in range(6)]
    path = f"/invoice-requests/{number}/invoices"
    answers = await asyncio.gather(*(world.ask("POST", path, "fei", body) for body in bodies))
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 5


async def test_a_number_counts_once_across_orders_and_names_the_invoice_that_has_it(world: World) -> None:
    one, two = await world.order(), await world.order()
    numbers = world.paper()
    answers = await asyncio.gather(*(world.register(order, 100, numbers) for order in (one, two)))
    assert sorted(answer.status_code for answer in answers) == [201, 409]
    refused = next(answer.json() for answer in answers if answer.status_code == 409)
    first = next(answer.json()["invoice"] for answer in answers if answer.status_code == 201)
    assert (refused["code"], refused["evidence"]["invoice"]) == ("invoice-number-taken", first)
    found = await world.show(f"/invoices/{numbers['code']}-{numbers['number']}", "fei")
    assert found["invoice"] == first


async def test_a_repeated_request_has_one_effect(world: World) -> None:
    order = await world.order()
    body = world.request_body(order, 100)
    one = await world.ask("POST", "/invoice-requests", "sales", body, key="kp-1")
    two = await world.ask("POST", "/invoice-requests", "sales", body, key="kp-1")
    assert one.json() == two.json()
    invoice = {**world.digital(), **world.request_body(order, 100)}
    first = await world.ask("POST", "/invoices", "fei", invoice, key="fp-1")
    second = await world.ask("POST", "/invoices", "fei", invoice, key="fp-1")
    assert (first.status_code, first.json()) == (201, second.json())


@pytest.mark.parametrize("change", ["order", "receipts", "buyer"])
async def test_what_it_rests_on_changes_and_the_pass_lapses_by_itself(world: World, change: str) -> None:
    order = await world.order()
    number = await world.passed(order, 100)
    waiting = await world.apply(order, 100)
    if change == "order":
        amended = {
            "order": order,
            "customer": order.replace("o", "c"),
            "unit": order.replace("o", "u"),
            "amount_fen": 2_000_000,
            "batches": (
                DeliveryBatch(
                    batch=1,
                    amount_fen=2_000_000,
                    due_on=world.today,
                    lines=(OrderLine(item="阀门", unit="台", quantity=Decimal(10), amount_fen=2_000_000),),
                ),
            ),
            "signed_on": world.today,
            "file_digest": DIGEST,
            "reason": "交期变更",
        }
        await world.note(ORDERS, order, OrderAmended.model_validate(amended))
    elif change == "receipts":
        await world.note(ORDERS, order, world.allocated(order, -1))
    else:
        unit = order.replace("o", "u")
        await world.note(SETTLEMENT_UNITS, unit, world.details(unit, order.replace("o", "ID"), phone="0571-2"))

    async def lapsed() -> bool:
        return (await world.show(f"/invoice-requests/{number}", "sales"))["status"] == "lapsed"

    async def returned() -> bool:
        return (await world.show(f"/invoice-requests/{waiting}", "sales"))["status"] == "returned"

    await until(lapsed)
    await until(returned)


async def test_what_came_before_a_request_lapses_nothing(world: World) -> None:
    """The reaction to money comes later than the request that was written on it."""
    order = await world.order()
    await world.note(ORDERS, order, world.allocated(order, 5, "r2"))
    numbers = [await world.apply(order, 100) for _ in range(3)]
    await world.note(ORDERS, order, world.allocated(order, 5, "r9"))
    for number in numbers:
        assert (await world.show(f"/invoice-requests/{number}", "sales"))["status"] == "in_review"


async def test_a_return_makes_a_red_letter_due_until_it_is_issued(world: World) -> None:
    order = await world.order(received=1_000_000, shipped=1_000_000)
    blue = await world.registered(order, 1_000_000)
    await world.note(ORDERS, order, world.returned(order, 300_000))

    async def due() -> list[int]:
        rows = (await world.show("/red-letters/due?waiting_for=me", "fei"))["items"]
        return [row["excess_fen"] for row in rows if row["order"] == order]

    await until(due)
    assert await due() == [300_000]
    assert (await world.show("/red-letters/due?waiting_for=me", "sales"))["items"] == []
    line = {"item": "阀门", "unit": "台", "rate_percent": "13", "gross_fen": -300_000}
    body = {"kind": "digital", "lines": [line], "reason": "退货"}
    too_much = await world.ask(
        "POST", f"/invoices/{blue}/red-letters", "fei", {**body, "lines": [{**line, "gross_fen": -1_000_001}]}
    )
    assert (too_much.status_code, too_much.json()["code"]) == (409, "exceeds-blue")
    asked = await world.ask("POST", f"/invoices/{blue}/red-letters", "fei", body)
    assert asked.status_code == 201, asked.text
    red = asked.json()["red"]
    assert red in await world.items("/red-letters?waiting_for=me", "fei", "red")
    path = f"/invoices/{blue}/red-letters/{red}"
    early = await world.ask("POST", f"{path}/invoice", "fei", world.digital())
    assert (early.status_code, early.json()["code"]) == (409, "not-confirmed")
    await world.do(f"{path}/confirm", "fei", {"confirmation": "33012611250000000001"})
    issued = await world.ask("POST", f"{path}/invoice", "fei", world.digital())
    assert issued.status_code == 201, issued.text
    assert await due() == []
    shown = await world.show(f"/invoices/{blue}", "fei")
    assert (shown["left_fen"], shown["red_letters"][0]["status"]) == (700_000, "issued")
    row = next(row for row in (await world.show(f"/invoices?order={order}", "fei"))["items"] if row["invoice"] == blue)
    assert row["taken_back_fen"] == 300_000
    assert await world.items(f"/invoices?order={order}&red=true", "fei", "gross_fen") == [-300_000]
    assert red not in await world.items("/red-letters?waiting_for=me", "fei", "red")


async def test_red_letters_asked_at_once_never_exceed_their_blue_one(world: World) -> None:
    order = await world.order()
    blue = await world.registered(order, 1_000)
    line = {"item": "阀门", "unit": "台", "rate_percent": "13", "gross_fen": -400}
    body = {"kind": "digital", "lines": [line], "reason": "退货"}
    answers = await asyncio.gather(*(world.ask("POST", f"/invoices/{blue}/red-letters", "fei", body) for _ in range(6)))
    assert sorted(answer.status_code for answer in answers) == [201] * 2 + [409] * 4


async def test_paper_may_be_void_and_digital_may_not(world: World) -> None:
    order = await world.order()
    paper, digital = await world.registered(order, 100, world.paper()), await world.registered(order, 100)
    assert (await world.ask("POST", f"/invoices/{paper}/void", "fei", {"reason": "错"})).status_code == 428
    await world.do(f"/invoices/{paper}/void", "fei", {"reason": "开票有误"})
    refused = await world.ask("POST", f"/invoices/{digital}/void", "fei", {"reason": "错"}, version=99)
    assert refused.status_code == 409
    version = int((await world.ask("GET", f"/invoices/{digital}", "fei")).headers["etag"].strip('"'))
    refused = await world.ask("POST", f"/invoices/{digital}/void", "fei", {"reason": "错"}, version=version)
    assert (refused.json()["code"], "red-letters" in refused.json()["detail"]) == ("not-voidable", True)
    assert await world.items(f"/invoices?order={order}&status=voided", "fei", "invoice") == [paper]


async def test_the_register_is_filtered_paged_and_shows_each_what_is_theirs(world: World) -> None:
    order = await world.order()
    mine = [await world.registered(order, fen) for fen in (100, 200, 300)]
    today = world.today.isoformat()
    customer = order.replace("o", "c")
    queries = [
        f"order={numbered(order)}",
        f"customer=K-{customer}&first={today}&last={today}",
        f"unit={order.replace('o', 'u')}&kind=digital&special=false&collected=false&red=false&department=east",
    ]
    for query in queries:
        assert sorted(await world.items(f"/invoices?{query}", "fei", "invoice")) == sorted(mine), query
    assert await world.items(f"/invoices?order={order}&last={world.today - timedelta(days=1)}", "fei", "invoice") == []
    for person in ("west", "stand"):
        assert await world.items(f"/invoices?order={order}", person, "invoice") == []
        assert (await world.ask("GET", f"/invoices/{mine[0]}", person)).status_code == 404
    for path in (f"/invoices?order={order}", f"/invoices/{mine[0]}"):
        assert (await world.ask("GET", path, "leaving")).json()["code"] == "departing"
    assert len(await world.items(f"/invoices?order={order}", "auditor", "invoice")) == 3
    found: list[str] = []
    following: str | None = f"/invoices?order={order}&limit=1"
    while following:
        page = await world.show(following, "fei")
        found += [row["invoice"] for row in page["items"]]
        following = page["next"]
    assert found == sorted(mine, reverse=True)


async def test_the_register_as_files_with_columns_that_are_documented(world: World) -> None:
    order = await world.order()
    body = {**world.digital(), **world.request_body(order, 113, 226)}
    body["lines"][0]["item"] = "=HYPERLINK(1)"
    body["lines"][1]["quantity"] = "2.50"
    assert (await world.ask("POST", "/invoices", "fei", body)).status_code == 201
    path = f"/invoices/export?order={order}"
    assert (await world.ask("GET", path, "fei")).json()["code"] == "reason-required"
    assert (await world.ask("GET", path, "leaving", reason="x")).status_code == 403

    book = await world.ask("GET", path, "fei", reason="月度对账")
    sheet = CalamineWorkbook.from_filelike(io.BytesIO(book.content)).get_sheet_by_index(0).to_python()
    assert (len(sheet), sheet[1][sheet[0].index("价税合计(元) Gross")]) == (2, 3.39)

    answer = await world.ask("GET", f"{path}&format=csv_lines", "fei", reason="月度对账")
    rows = list(csv.reader(io.StringIO(answer.content.decode("utf-8-sig"))))
    assert rows[0] == [*COLUMNS, *(f"line_{column}" for column in LINE_COLUMNS)]
    lines = [dict(zip(rows[0], row, strict=True)) for row in rows[1:]]
    assert [line["line_item"] for line in lines] == ["'=HYPERLINK(1)", "阀门"]
    assert [(line["line_gross_fen"], line["line_quantity"], line["gross_fen"]) for line in lines] == [
        ("113", "", "339"),
        ("226", "2.5", "339"),
    ]
    plain = list(csv.reader(io.StringIO((await world.ask("GET", f"{path}&format=csv", "fei", reason="x")).text)))
    assert len(plain) == 2

    told = json.loads((await world.ask("GET", f"{path}&format=json", "fei", reason="x")).content)
    assert set(told["invoices"][0]) == {*COLUMNS, "lines"}
    assert told["invoices"][0]["lines"][1] == {
        "place": 2,
        "item": "阀门",
        "unit": "台",
        "quantity": "2.5",
        "rate_percent": "13",
        "net_fen": 200,
        "tax_fen": 26,
        "gross_fen": 226,
    }


def test_the_columns_of_the_files_are_documented() -> None:
    page = (Path(__file__).parents[3] / "docs" / "invoice-register.md").read_text(encoding="utf-8")
    documented = re.findall(r"^\| `(\w+)` \|", page.partition("## Columns")[2], re.MULTILINE)
    assert documented == [*COLUMNS, *LINE_COLUMNS]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"order": "../x"}, "body.order"),
        ({"horoscope": 1}, "body.horoscope"),
        ({"lines": []}, "body.lines"),
        ({"remark": "\u202e"}, "body.remark"),
        ({"receipts": ["a b"]}, "body.receipts.0"),
        ({"buyer": {"name": "x"}}, "body.buyer.identity"),
    ],
)
async def test_a_bad_request_is_told_by_field(world: World, change: dict[str, Any], field: str) -> None:
    answer = await world.ask("POST", "/invoice-requests", "sales", {**world.request_body("o1", 100), **change})
    assert answer.status_code == 422
    assert field in [error["field"] for error in answer.json()["errors"]]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"item": "\x00"}, None),
        ({"item": " "}, "item"),
        ({"item": "x" * 1_000_000}, None),
        ({"unit": "x" * 21}, "unit"),
        ({"gross_fen": 0}, "gross_fen"),
        ({"gross_fen": -1}, "gross_fen"),
        ({"gross_fen": 10**16}, "gross_fen"),
        ({"gross_fen": "100"}, "gross_fen"),
        ({"gross_fen": 1.5}, "gross_fen"),
        ({"net_fen": -1}, "net_fen"),
        ({"rate_percent": "NaN"}, "rate_percent"),
        ({"rate_percent": "1e400"}, "rate_percent"),
        ({"rate_percent": "13.001"}, "rate_percent"),
        ({"rate_percent": "-1"}, "rate_percent"),
        ({"quantity": "0"}, "quantity"),
        ({"quantity": "Infinity"}, "quantity"),
        ({"quantity": "1e30"}, "quantity"),
    ],
)
async def test_a_bad_line_is_told_by_field(world: World, change: dict[str, Any], field: str | None) -> None:
    body = world.request_body("o1", 100)
    body["lines"][0] |= change
    answer = await world.ask("POST", "/invoice-requests", "sales", body)
    assert answer.status_code in ((413, 422) if field is None else (422,))
    if field:
        assert f"body.lines.0.{field}" in [error["field"] for error in answer.json()["errors"]]


@pytest.mark.parametrize(
    "change",
    [
        {"issued_on": "2026-02-30"},
        {"issued_on": "9999-12-31"},
        {"digital_number": "1"},
        {"digital_number": "１" * 20},
        {"code": "3300261130"},
        {"kind": "golden"},
        {"kind": None},
    ],
)
async def test_bad_numbers_and_days_are_refused(world: World, change: dict[str, Any]) -> None:
    order = await world.order()
    answer = await world.ask("POST", "/invoices", "fei", {**world.digital(), **world.request_body(order, 1), **change})
    assert answer.status_code == 422, answer.text


async def test_amounts_up_to_ten_to_the_thirteenth_go_all_the_way(world: World) -> None:
    huge = 10**13
    order = await world.order(received=huge, shipped=huge)
    invoice = await world.registered(order, huge)
    assert await world.items(f"/invoices?order={order}", "fei", "gross_fen") == [huge]
    assert (await world.show(f"/invoices/{invoice}", "fei"))["tax_fen"] == 1_150_442_477_876
    assert (await world.register(order, 1)).status_code == 409


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/invoices/nothing"),
        ("GET", "/invoice-requests/KP999999"),
        ("POST", "/invoice-requests/KP999999/pass"),
        ("POST", "/invoices/nothing/void"),
        ("POST", "/invoices/nothing/red-letters"),
        ("POST", "/invoices/nothing/red-letters/x/confirm"),
    ],
)
async def test_what_is_not_there_is_not_found(world: World, method: str, path: str) -> None:
    bodies = {
        "pass": {"side": "finance", "digest": DIGEST, "credit_digest": DIGEST},
        "void": {"reason": "x"},
        "red-letters": {"kind": "paper", "reason": "x"},
        "confirm": {"confirmation": "1"},
    }
    answer = await world.ask(method, path, "fei", bodies.get(path.rpartition("/")[2]), version=1)
    assert answer.status_code == 404, answer.text


# --- printed ---------------------------------------------------------------------------------------------------------


def text_of(answer: httpx2.Response) -> str:
    """Everything that stands in a docx."""
    assert answer.status_code == 200, answer.text
    return "".join(docx.Document(io.BytesIO(answer.content)).element.itertext())


async def printed_by(world: World, person: str) -> list[FormPrinted]:
    """What is on record of what they printed, so far."""
    found = [one.fact for one in await world.assembly.running.commands.history(printings("vetting"), person)]
    return [fact for fact in found if isinstance(fact, FormPrinted)]


async def test_f2_is_printed_for_who_may_see_it_and_recorded(world: World) -> None:
    """The owner's without a reason, everybody else's with one; the auditor's masked; nobody's who may not see it."""
    number = await world.passed(await world.order(), 500_000)
    path = f"/invoice-requests/{number}/print"
    own = await world.ask("GET", f"{path}?format=pdf", "sales")
    assert (own.status_code, own.headers["content-type"], own.content[:5]) == (200, "application/pdf", b"%PDF-")
    assert "attachment" in own.headers["content-disposition"]
    other = await world.ask("GET", f"{path}?format=docx", "vera")
    assert (other.status_code, other.json()["code"]) == (422, "reason-required")
    for person in ("west", "other"):
        assert (await world.ask("GET", f"{path}?format=pdf", person, reason="x")).status_code == 404
    account = (await world.show(f"/invoice-requests/{number}", "sales"))["buyer"]["phone"]
    for person in ("vera", "auditor"):
        text = text_of(await world.ask("GET", f"{path}?format=docx", person, reason="开票核对"))
        assert (number in text, account in text, "遮盖" in text) == (True, person == "vera", person == "auditor")
    assert (await world.show(f"/invoice-requests/{number}", "auditor"))["buyer"]["phone"] != account
    for person, why, masked in (("sales", None, False), ("vera", "开票核对", False), ("auditor", "开票核对", True)):
        fact = (await printed_by(world, person))[-1]
        assert (fact.form, fact.of, fact.reason, fact.masked) == ("F2", number, why, masked)
    history = await world.assembly.running.commands.history(
        INVOICE_REQUESTS, (await world.show(path[:-6], "sales"))["request"]
    )
    text = text_of(await world.ask("GET", f"{path}?format=docx", "sales"))
    assert all(str(one.id) in text for one in history)


async def test_f3_is_printed_also_for_several_invoices_of_one_customer(world: World) -> None:
    order, stranger = await world.order(), await world.order()
    first, second = await world.registered(order, 100), await world.registered(order, 200, world.paper())
    foreign = await world.registered(stranger, 100)
    path = f"/invoices/{first}/print?format=docx"
    alone = text_of(await world.ask("GET", path, "sales"))
    shown = [await world.show(f"/invoices/{one}", "sales") for one in (first, second)]
    numbers = shown[0]["digital_number"], f"{shown[1]['code']} {shown[1]['number']}"
    assert [one in alone for one in numbers] == [True, False]
    both = text_of(await world.ask("GET", f"{path}&also={second}&also={first}", "sales"))
    assert [both.count(one) >= 1 for one in numbers] == [True, True]
    assert "2 invoices" in both
    mixed = await world.ask("GET", f"{path}&also={foreign}", "sales")
    assert (mixed.status_code, mixed.json()["code"]) == (409, "several-customers")
    assert (await world.ask("GET", path, "mei")).json()["code"] == "reason-required"
    assert (await world.ask("GET", path, "west", reason="x")).status_code == 404
    assert (await world.ask("GET", path, "leaving", reason="x")).status_code == 403
    assert [fact.form for fact in await printed_by(world, "sales")][-2:] == ["F3", "F3"]


async def test_another_basis_is_looked_at_for_every_order_when_it_takes_effect(world: World) -> None:
    """Guard: `invoices.reviewing_ceilings`. Nothing happens to the orders themselves meanwhile."""

    async def adopt(basis: str) -> None:
        body = {"effective_from": world.today.isoformat(), "data": {"invoice_basis": basis}, "reason": "试行"}
        proposed = await world.ask("POST", "/policies/invoicing/versions", "fang", body)
        assert proposed.status_code == 201, proposed.text
        version = (
            proposed.json()["version_number"] if "version_number" in proposed.json() else proposed.json()["number"]
        )
        adopted = await world.ask("POST", f"/policies/invoicing/versions/{version}/adopt", "fei", version=None)
        assert adopted.status_code == 200, adopted.text

    async def due() -> dict[str, int]:
        rows = (await world.show("/red-letters/due?limit=200", "fei"))["items"]
        return {row["order"]: row["excess_fen"] for row in rows}

    orders = [await world.order(received=1_000_000, shipped=400_000) for _ in range(2)]
    await adopt("received")
    for order in orders:
        await world.registered(order, 900_000)
    assert not set(orders) & set(await due())
    await adopt("shipped")

    async def told() -> bool:
        return {order: (await due()).get(order) for order in orders} == dict.fromkeys(orders, 500_000)

    await until(told)
    await adopt("received")

    async def covered() -> bool:
        return not set(orders) & set(await due())

    await until(covered)
    await adopt("shipped")
    await until(told)


async def test_views_rebuilt_from_the_log_are_what_they_were(world: World) -> None:
    owner = await asyncpg.connect(**world.settings.connection(OWNER_ROLE))
    try:
        for view in ("invoice_requests", "invoices", "red_letters"):
            rebuilt = await rebuild(world.assembly.running, view, owner)
            assert rebuilt.facts
            assert rebuilt.same, view
    finally:
        await owner.close()


async def test_time_lapses_passes_and_unconfirmed_red_letters(world: World) -> None:
    """The last test of the module: it moves the clock."""
    order = await world.order()
    number = await world.passed(order, 100)
    blue = await world.registered(order, 100)
    asked = await world.ask("POST", f"/invoices/{blue}/red-letters", "fei", {"kind": "digital", "reason": "退货"})
    assert asked.status_code == 201, asked.text
    assert number not in await world.items("/invoice-requests?lapsing=true", "fei", "number")

    async def advance(days: int) -> None:
        owner = await asyncpg.connect(**world.settings.connection(OWNER_ROLE))
        try:
            await clock.advance(owner, timedelta(days=days), demonstration=True)
        finally:
            await owner.close()

    await advance(4)

    async def red_lapsed() -> bool:
        return (await world.show(f"/invoices/{blue}", "fei"))["red_letters"][0]["status"] == "lapsed"

    await until(red_lapsed)
    await advance(22)

    async def lapsing() -> bool:
        return number in await world.items("/invoice-requests?lapsing=true", "fei", "number")

    await until(lapsing)
    await advance(5)

    async def lapsed() -> bool:
        return (await world.show(f"/invoice-requests/{number}", "sales"))["status"] == "lapsed"

    await until(lapsed)
    refused = await world.issue(number)
    assert (refused.status_code, refused.json()["code"]) == (409, "request-status")
