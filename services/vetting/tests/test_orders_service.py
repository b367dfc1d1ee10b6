"""Orders and money as people meet them, over HTTP, on a real PostgreSQL: also when everything is sent at once."""

from __future__ import annotations

import asyncio
import io
import json
import subprocess
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import asyncpg
import httpx2
import pytest
import pytest_asyncio
from aiokafka import AIOKafkaProducer
from python_calamine import CalamineWorkbook

from kehu import calendar
from kehu.contracts.customers import CustomerKind, IdentityKind
from kehu.contracts.staff import STAFF_FACTS, DepartureStarted, Role, RoleGranted, StaffMemberAppointed
from kehu.contracts.trade import (
    DeliveryBatch,
    GoodsShipped,
    OrderLine,
    OrderSigned,
    SettlementUnitLinked,
    SettlementUnitQualified,
)
from kehu.deciding import Category, Context, Decision, system_actor
from kehu.event_store import Claim
from kehu.facts import Fact
from kehu.identity import issue_token
from kehu.loops import Loop
from kehu.parts import Running, connect
from kehu.rebuilding import rebuild
from kehu.relay import Relay
from kehu.running import Assembly, assemble
from kehu.service import Feature, Service
from kehu.settings import OWNER_ROLE, TOKEN_ISSUER, Settings
from kehu.spreadsheets import write_rows
from kehu.testing.platform import Platform
from kehu_vetting.app import service as vetting
from kehu_vetting.customer_files.facts import CUSTOMER_FILES, CustomerNoted
from kehu_vetting.orders.facts import ORDERS
from kehu_vetting.receipts.facts import RECEIPTS, receipt_of
from kehu_vetting.settlement_units.decisions import identity_claim
from kehu_vetting.settlement_units.facts import CLAIM_SCOPE, SETTLEMENT_UNITS
from kehu_vetting.standing.facts import STANDINGS, ActivationNoted, CustomerBarred
from kehu_vetting.testing import USCC

PATIENCE = 60
STAFF = Category("staff", STAFF_FACTS, None, lambda state, _: state)
DIGEST = "ab" * 32
EXAMPLE = Path(__file__).resolve().parents[3] / "docs" / "examples" / "send_trade.py"
PEOPLE = {
    "sales": (Role.SALESPERSON, "east"),
    "clerk": (Role.ORDER_CLERK, "east"),
    "clark": (Role.ORDER_CLERK, "west"),
    "fang": (Role.FINANCE, None),
    "fei": (Role.FINANCE, None),
    "mei": (Role.DEPT_MANAGER, "east"),
    "store": (Role.WAREHOUSE, "east"),
    "depot": (Role.WAREHOUSE, "west"),
    "auditor": (Role.AUDITOR, None),
    "leaving": (Role.FINANCE, None),
}


@dataclass
class World:
    """The vetting service with customers that may order, and people who work with it."""

    assembly: Assembly
    registry: Running
    http: httpx2.AsyncClient
    settings: Settings
    turn: int = 0

    async def note(self, category: Category[Any], stream_id: str, *facts: Fact, claims: Sequence[Claim] = ()) -> None:
        """Given facts of vetting's own."""
        running = self.assembly.running
        context = Context(actor=system_actor("test", "given"), now=running.clock.now())
        done = await running.commands.handle(
            category, stream_id, lambda _s, _c: Decision(facts, claims), context, must_exist=False
        )
        # Names of customers and payers are looked up in views.
        assert await running.follower.wait_for(done.position, PATIENCE)

    async def publish(self, category: Category[Any], stream_id: str, *facts: Fact) -> None:
        context = Context(actor=system_actor("test", "publisher"), now=self.registry.clock.now())
        await self.registry.commands.handle(
            category, stream_id, lambda _s, _c: Decision(facts), context, must_exist=False
        )

    async def unit(self, unit: str) -> None:
        fact = SettlementUnitQualified(
            unit=unit, number=f"JS-{unit}", name=f"{unit} 公司", identity_kind=IdentityKind.USCC, identity=f"ID{unit}"
        )
        value = identity_claim(fact.identity_kind, fact.identity)
        claim = Claim(CLAIM_SCOPE, value, holder=SETTLEMENT_UNITS.stream(unit))
        await self.note(SETTLEMENT_UNITS, unit, fact, claims=[claim])

    async def buyer(self, *, active: bool = True) -> tuple[str, str]:
        """A customer of the department east with a payer of its own."""
        self.turn += 1
        customer, unit = f"c{self.turn}", f"u{self.turn}"
        noted = CustomerNoted(
            customer=customer,
            number=f"K-{customer}",
            name=f"{customer} 贸易有限公司",
            kind=CustomerKind.PROVINCIAL_AGENT,
            identity_kind=IdentityKind.USCC,
            identity=USCC,
            department="east",
            owner="sales",
        )
        await self.note(CUSTOMER_FILES, customer, noted)
        await self.unit(unit)
        linked = SettlementUnitLinked(unit=unit, customer=customer, default=True)
        facts: list[Fact] = [linked]
        if active:
            facts.append(
                ActivationNoted(customer=customer, qualification="q", department="east", active_since=date(2026, 1, 1))
            )
        await self.note(STANDINGS, customer, *facts)
        return customer, unit

    async def ask(
        self,
        method: str,
        path: str,
        person: str,
        body: Any = None,
        *,
        version: int | None = None,
        key: str | None = None,
        wait: bool = True,
        **more: Any,
    ) -> httpx2.Response:
        headers = {"Authorization": f"Bearer {issue_token(self.settings.secret(TOKEN_ISSUER), person, 5)}"}
        if wait:
            headers["Prefer"] = f"wait={PATIENCE}"
        if version is not None:
            headers["If-Match"] = f'"{version}"'
        if key is not None:
            headers["Idempotency-Key"] = key
        headers.update(more.pop("headers", {}))
        return await self.http.request(method, path, json=body, headers=headers, **more)

    async def show(self, path: str, person: str) -> Any:
        response = await self.ask("GET", path, person)
        assert response.status_code == 200, response.text
        return response.json()

    async def do(self, path: str, person: str, body: Any = None) -> Any:
        """A command on a thing as it stands now; it has to be carried out."""
        thing = "/".join(path.split("/")[:3])
        found = await self.ask("GET", thing, person)
        assert found.status_code == 200, found.text
        response = await self.ask("POST", path, person, body, version=int(found.headers["etag"].strip('"')))
        assert response.status_code == 200, response.text
        return response.json()

    def order_body(self, customer: str, *amounts: int, **other: Any) -> dict[str, Any]:
        batches = [{"lines": [{"item": "阀门", "quantity": "10", "amount_fen": fen}]} for fen in amounts]
        return {
            "customer": customer,
            "signed_on": self.today.isoformat(),
            "file_digest": DIGEST,
            "batches": batches,
            **other,
        }

    async def order(self, customer: str, *amounts: int, **other: Any) -> str:
        response = await self.ask("POST", "/orders", "clerk", self.order_body(customer, *amounts, **other))
        assert response.status_code == 201, response.text
        return response.json()["id"]

    async def money(self, unit: str, fen: int) -> str:
        """A receipt, typed by one and confirmed by another."""
        self.turn += 1
        body = {
            "unit": unit,
            "bank_reference": f"BANK {self.turn}",
            "amount_fen": fen,
            "received_on": self.today.isoformat(),
        }
        entered = await self.ask("POST", "/receipts", "fang", body)
        assert entered.status_code == 201, entered.text
        receipt = entered.json()["id"]
        await self.do(f"/receipts/{receipt}/confirm", "fei")
        return receipt

    async def allocate(self, receipt: str, order: str, fen: int, **other: Any) -> httpx2.Response:
        body = {"order": order, "amount_fen": fen, **other}
        return await self.ask("POST", f"/receipts/{receipt}/allocations", "fang", body)

    async def ship(self, order: str, batch: int, person: str = "store", **other: Any) -> httpx2.Response:
        body = {"batch": batch, "shipped_on": self.today.isoformat(), **other}
        return await self.ask("POST", f"/orders/{order}/shipments", person, body)

    async def deliveries(self, person: str, query: str = "waiting_for=me") -> list[tuple[str, int]]:
        rows = (await self.show(f"/deliveries?limit=200&{query}", person))["items"]
        return [(row["order"], row["batch"]) for row in rows]

    @property
    def today(self) -> date:
        return calendar.today(self.assembly.running.clock.now())


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
            await world.publish(STAFF, person, appointed, granted)
        await world.publish(STAFF, "leaving", DepartureStarted(person="leaving", last_day=date(2099, 1, 1)))

        async def known() -> bool:
            return bool(await assembly.running.pool.fetchval("SELECT last_day FROM staff WHERE person = 'leaving'"))

        await until(known)
        yield world


async def test_paid_to_the_fen_then_released_then_shipped(world: World) -> None:
    """R3.2.1 from the signed order to the last dispatch, each step by whose it is, who finds it on their worklist."""
    customer, unit = await world.buyer()
    order = await world.order(f"K-{customer}", 10_000, 5_000, reference=f"HT-{customer}")
    assert (order, 1) in await world.deliveries("sales")
    assert (order, 1) not in await world.deliveries("store")

    receipt = await world.money(unit, 12_000)
    assert receipt in [row["receipt"] for row in (await world.show("/receipts?waiting_for=me", "fang"))["items"]]
    assert (await world.allocate(receipt, order, 9_999)).status_code == 200
    refused = await world.ship(order, 1)
    assert (refused.status_code, refused.json()["code"], refused.json()["clause"]) == (409, "not-released", "R3.2.1")
    assert (await world.allocate(receipt, order, 1)).status_code == 200
    assert await world.deliveries("store") == [(order, 1)]
    assert (order, 2) in await world.deliveries("sales")

    assert (await world.ship(order, 1, "depot")).status_code == 404
    part = await world.ship(order, 1, lines=[{"item": "阀门", "quantity": "3"}])
    assert part.status_code == 200, part.text
    assert (await world.ship(order, 1)).status_code == 200
    assert await world.deliveries("store") == []

    shown = await world.show(f"/orders/{order}", "sales")
    assert (shown["shipped_fen"], shown["allocated_fen"], shown["needed_fen"]) == (10_000, 10_000, 5_000)
    assert [(one["number"][:2], one["value_fen"]) for one in shown["shipments"]] == [("FH", 3_000), ("FH", 7_000)]
    (row,) = (await world.show(f"/shipments?order={shown['number']}&limit=1", "store"))["items"]
    history = await world.assembly.running.commands.history(RECEIPTS, receipt)
    confirmed = next(str(one.id) for one in history if type(one.fact).__name__ == "ReceiptConfirmed")
    assert row["receipts"] == [confirmed]
    (listed,) = (await world.show(f"/orders?customer={customer}&reference=HT-{customer}", "clerk"))["items"]
    assert (listed["status"], listed["number"], listed["needed_fen"]) == ("waiting", shown["number"], 5_000)


async def test_the_same_contract_is_one_order(world: World) -> None:
    customer, _ = await world.buyer()
    body = world.order_body(customer, 100, reference=f"HT {customer}")
    answers = await asyncio.gather(*(world.ask("POST", "/orders", "clerk", body) for _ in range(3)))
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409]
    taken = next(answer.json() for answer in answers if answer.status_code == 409)
    first = next(answer.json() for answer in answers if answer.status_code == 201)
    assert (taken["code"], taken["evidence"]) == ("order-exists", {"number": first["number"]})


async def test_a_repeated_request_is_one_order(world: World) -> None:
    customer, _ = await world.buyer()
    body = world.order_body(customer, 100)
    one = await world.ask("POST", "/orders", "clerk", body, key="order-1")
    two = await world.ask("POST", "/orders", "clerk", body, key="order-1")
    assert one.json() == two.json()
    assert len((await world.show(f"/orders?customer={customer}", "clerk"))["items"]) == 1


async def test_who_may_not_order(world: World) -> None:
    asleep, _ = await world.buyer(active=False)
    refused = await world.ask("POST", "/orders", "clerk", world.order_body(asleep, 100))
    assert (refused.status_code, refused.json()["code"]) == (409, "customer-not-active")
    customer, _ = await world.buyer()
    for person in ("clark", "fang", "store", "auditor"):
        refused = await world.ask("POST", "/orders", person, world.order_body(customer, 100))
        assert (refused.status_code, refused.json()["code"]) == (403, "role-required"), person
    _, other = await world.buyer()
    refused = await world.ask("POST", "/orders", "clerk", world.order_body(customer, 100, unit=other))
    assert (refused.status_code, refused.json()["code"]) == (409, "unit-not-linked")
    await world.note(
        STANDINGS, customer, CustomerBarred(customer=customer, cause="by_hand", reason="资料到期", barred_by="fang")
    )
    refused = await world.ask("POST", "/orders", "clerk", world.order_body(customer, 100))
    assert (refused.status_code, refused.json()["code"]) == (409, "customer-suspended")
    assert "资料到期" in refused.text
    await world.note(CUSTOMER_FILES, asleep, CustomerNoted(customer=asleep, closed=True))
    refused = await world.ask("POST", "/orders", "clerk", world.order_body(asleep, 100))
    assert (refused.status_code, refused.json()["code"]) == (409, "customer-ended")
    assert (await world.ask("POST", "/orders", "clerk", world.order_body("nobody", 100, unit="x"))).status_code == 404


async def test_other_peoples_money_and_orders(world: World) -> None:
    customer, unit = await world.buyer()
    _, stranger = await world.buyer()
    order = await world.order(customer, 100)
    foreign = await world.money(stranger, 100)
    refused = await world.allocate(foreign, order, 100)
    assert (refused.status_code, refused.json()["code"]) == (409, "payer-not-linked")
    receipt = await world.money(unit, 100)
    for person in ("sales", "mei", "clerk", "store", "auditor", "leaving"):
        body = {"order": order, "amount_fen": 100}
        refused = await world.ask("POST", f"/receipts/{receipt}/allocations", person, body)
        assert refused.status_code in (403, 404), person
    for person in ("clark", "depot"):
        assert (await world.ask("GET", f"/orders/{order}", person)).status_code == 404
        assert order not in [row["order"] for row in (await world.show("/orders?limit=200", person))["items"]]
    refused = await world.allocate(receipt, order, 101)
    assert (refused.status_code, refused.json()["code"]) == (409, "receipt-exceeded")


async def test_an_entry_takes_two_people_or_the_bank(world: World) -> None:
    _, unit = await world.buyer()
    body = {
        "unit": f"ID{unit}",
        "bank_reference": f"two {unit}",
        "amount_fen": 500,
        "received_on": world.today.isoformat(),
    }
    entered = await world.ask("POST", "/receipts", "fang", body)
    assert (entered.status_code, entered.json()["id"]) == (201, receipt_of(f"TWO{unit.upper()}"))
    receipt = entered.json()["id"]
    own = await world.ask("POST", f"/receipts/{receipt}/confirm", "fang", version=1)
    assert (own.status_code, own.json()["code"]) == (403, "separation")
    assert receipt not in [row["receipt"] for row in (await world.show("/receipts?waiting_for=me", "fang"))["items"]]
    assert receipt in [row["receipt"] for row in (await world.show("/receipts?waiting_for=me", "fei"))["items"]]
    again = await world.ask("POST", "/receipts", "fei", body)
    assert (again.status_code, again.json()["code"]) == (403, "others-entry")
    await world.do(f"/receipts/{receipt}/confirm", "fei")
    twice = await world.ask("POST", "/receipts", "fang", body | {"amount_fen": 600})
    assert (twice.status_code, twice.json()["code"]) == (409, "bank-reference-taken")


async def upload(world: World, data: bytes, name: str, **query: Any) -> httpx2.Response:
    files = {"file": (name, data, "application/octet-stream")}
    return await world.ask("POST", "/receipts/statements", "fang", params=query, files=files)


async def test_a_statement_is_taken_whole_or_not_at_all(world: World) -> None:
    _, unit = await world.buyer()
    today = world.today
    headings = ("流水号", "到账日期", "金额(元)", "付款方名称", "付款方证照号")
    good = [
        (f"S1-{unit}", today.isoformat(), "1,234.56", "甲", f"ID{unit}"),
        (f"S2-{unit}", today.isoformat(), "0.01", "乙", "UNKNOWN"),
    ]
    bad = [*good, (f"S3-{unit}", (today + timedelta(days=1)).isoformat(), "1", "丙", ""), ("S4", "x", "1", "丁", "")]
    refused = await upload(world, write_rows(headings, bad), "bad.xlsx")
    assert (refused.status_code, refused.json()["code"]) == (422, "spreadsheet-invalid")
    refused = await upload(world, write_rows(headings, bad[:3]), "bad.xlsx")
    assert (refused.status_code, refused.json()["code"]) == (422, "statement-refused")
    assert [one["row"] for one in refused.json()["evidence"]["problems"]] == [4]
    assert (await world.show(f"/receipts?reference=S1-{unit}", "fang"))["items"] == []

    dry = await upload(world, write_rows(headings, good), "good.xlsx", dry_run=True)
    assert dry.json() == {"confirmed": 2, "known": 0, "unidentified": 1, "dry_run": True}
    assert (await world.show(f"/receipts?reference=S1-{unit}", "fang"))["items"] == []
    done = await upload(world, write_rows(headings, good), "good.xlsx")
    assert done.json() == {"confirmed": 2, "known": 0, "unidentified": 1, "dry_run": False}

    lines = [",".join(headings), *(",".join(f'"{cell}"' for cell in row) for row in good)]
    again = await upload(world, "\r\n".join(lines).encode("gb18030"), "again.csv")
    assert again.json() == {"confirmed": 0, "known": 2, "unidentified": 1, "dry_run": False}
    (row,) = (await world.show(f"/receipts?reference=s1-{unit}", "fang"))["items"]
    assert (row["amount_fen"], row["unit"], row["status"], row["free_fen"]) == (123_456, unit, "confirmed", 123_456)
    unknown = (await world.show("/receipts?unidentified=true&limit=200", "fang"))["items"]
    lost = next(one for one in unknown if one["bank_reference"] == f"S2-{unit}".upper())
    await world.do(f"/receipts/{lost['receipt']}/identify", "fang", {"unit": f"JS-{unit}", "evidence": "客户来函"})
    assert (await world.show(f"/receipts/{lost['receipt']}", "fang"))["unit"] == unit


async def test_money_of_a_payer_that_becomes_a_unit_later_is_identified_by_itself(world: World) -> None:
    """Whichever comes first: the unit finds the receipts that stand, a receipt finds the unit when it is confirmed."""
    world.turn += 1
    unit, day = f"late-{world.turn}", world.today.isoformat()

    async def typed(reference: str, payer: str) -> str:
        body = {"payer": payer, "bank_reference": reference, "amount_fen": 7, "received_on": day}
        entered = await world.ask("POST", "/receipts", "fang", body)
        assert entered.status_code == 201, entered.text
        return entered.json()["id"]

    before, unconfirmed, other = [
        await typed(f"L{number}-{unit}", payer) for number, payer in ((1, f"ID{unit}"), (2, f"ID{unit}"), (3, "ID?"))
    ]
    for receipt in (before, other):
        await world.do(f"/receipts/{receipt}/confirm", "fei")
    await world.unit(unit)

    async def whose(receipt: str) -> str | None:
        found: str | None = (await world.show(f"/receipts/{receipt}", "fang"))["unit"]
        return found

    async def identified() -> bool:
        return await whose(before) == unit

    await until(identified)
    assert [await whose(unconfirmed), await whose(other)] == [None, None]
    await world.do(f"/receipts/{unconfirmed}/confirm", "fei")

    async def identified_too() -> bool:
        return await whose(unconfirmed) == unit

    await until(identified_too)
    assert await whose(other) is None


async def test_money_that_goes_back_blocks_and_a_shortfall_is_bad_credit_once(world: World) -> None:
    customer, unit = await world.buyer()
    order = await world.order(customer, 100, 50)
    receipt = await world.money(unit, 150)
    assert (await world.allocate(receipt, order, 150)).status_code == 200
    assert (await world.ship(order, 1)).status_code == 200
    day = world.today.isoformat()
    await world.do(
        f"/receipts/{receipt}/reversals", "fang", {"amount_fen": 20, "reversed_on": day, "reason": "银行退票"}
    )
    shown = await world.show(f"/orders/{order}", "fang")
    assert [one["status"] for one in shown["batches"]] == ["shipped", "waiting"]
    refund = {"amount_fen": 60, "refunded_on": day, "reason": "退款", "bank_reference": f"R {unit}"}
    await world.do(f"/receipts/{receipt}/refunds", "fang", refund)

    async def recorded() -> Any:
        return (await world.show(f"/credit/{customer}", "fang"))["incidents"]

    (incident,) = await until(recorded)
    number = (await world.show(f"/orders/{order}", "fang"))["number"]
    assert (incident["amount_fen"], number in incident["description"]) == (30, True)
    found = await world.ask("GET", f"/receipts/{receipt}", "fang")
    version = int(found.headers["etag"].strip('"'))
    twice = await world.ask("POST", f"/receipts/{receipt}/refunds", "fang", refund | {"amount_fen": 1}, version=version)
    assert (twice.status_code, twice.json()["code"]) == (409, "bank-reference-taken")
    another = await world.money(unit, 100)
    taken = await world.ask("POST", f"/receipts/{another}/refunds", "fang", refund, version=2)
    assert taken.status_code == 409
    assert (await world.show(f"/receipts/{another}", "fang"))["refunded_fen"] == 0


async def test_a_return_pays_for_something_else_once_finance_accepts_it(world: World) -> None:
    customer, unit = await world.buyer()
    order = await world.order(customer, 100, 60)
    receipt = await world.money(unit, 100)
    assert (await world.allocate(receipt, order, 100)).status_code == 200
    shipped = (await world.ship(order, 1)).json()
    back = {"returned_on": world.today.isoformat(), "reason": "质量", "lines": [{"item": "阀门", "quantity": "8"}]}
    returned = await world.ask("POST", f"/shipments/{shipped['shipment_number']}/returns", "store", back)
    assert returned.status_code == 200, returned.text
    more = await world.ask("POST", f"/shipments/{shipped['shipment']}/returns", "store", back)
    assert (more.status_code, more.json()["code"]) == (409, "quantity-exceeded")
    assert [one["status"] for one in (await world.show(f"/orders/{order}", "sales"))["batches"]] == [
        "shipped",
        "waiting",
    ]
    await world.do(f"/orders/{order}/returns/{returned.json()['returned']}/credit", "fang")
    shown = await world.show(f"/orders/{order}", "sales")
    assert [one["status"] for one in shown["batches"]] == ["shipped", "released"]
    assert (await world.show(f"/receipts/{receipt}", "fang"))["free_fen"] == 20


async def test_shipping_is_stopped_and_resumed_by_two_people(world: World) -> None:
    customer, unit = await world.buyer()
    order = await world.order(customer, 100)
    assert (await world.allocate(await world.money(unit, 100), order, 100)).status_code == 200
    stop = {"side": "finance", "reason": "涉诉"}
    early = await world.ask("POST", f"/orders/{order}/stop-shipping", "fang", stop, version=3)
    assert (early.status_code, early.json()["code"]) == (409, "not-suspended")
    await world.note(
        STANDINGS, customer, CustomerBarred(customer=customer, cause="by_hand", reason="涉诉", barred_by="fang")
    )
    await world.do(f"/orders/{order}/stop-shipping", "fang", stop)
    assert [row["order"] for row in (await world.show("/orders?waiting_for=me", "mei"))["items"]] == [order]
    assert (await world.show("/orders?waiting_for=me", "fei"))["items"] == []
    own = await world.ask("POST", f"/orders/{order}/stop-shipping/agree", "fei", {"side": "finance"}, version=4)
    assert (own.status_code, own.json()["code"]) == (403, "separation")
    await world.do(f"/orders/{order}/stop-shipping/agree", "mei", {"side": "manager"})
    refused = await world.ship(order, 1)
    assert (refused.status_code, refused.json()["code"]) == (409, "shipping-stopped")
    assert (order, 1) not in await world.deliveries("store")
    await world.do(f"/orders/{order}/stop-shipping", "mei", {"side": "manager", "lift": True, "reason": "已和解"})
    await world.do(f"/orders/{order}/stop-shipping/agree", "fang", {"side": "finance"})
    assert (await world.ship(order, 1)).status_code == 200


async def test_a_cancelled_order_gives_its_money_back_and_a_statement_tells(world: World) -> None:
    customer, unit = await world.buyer()
    order = await world.order(customer, 100, 40)
    receipt = await world.money(unit, 140)
    assert (await world.allocate(receipt, order, 140)).status_code == 200
    assert (await world.ship(order, 1, lines=[{"item": "阀门", "quantity": "2.5"}])).status_code == 200
    await world.do(f"/orders/{order}/cancel", "sales", {"reason": "项目取消"})
    assert (await world.show(f"/receipts/{receipt}", "fang"))["free_fen"] == 115
    assert (await world.ship(order, 1)).status_code == 409
    goods = await world.show(f"/customers/K-{customer}/statement", "sales")
    assert [(entry["kind"], entry["amount_fen"]) for entry in goods["entries"]] == [
        ("order", 140),
        ("allocation", 140),
        ("shipment", 25),
        ("cancellation", -115),
        ("allocation", -115),
    ]
    assert (goods["ordered_fen"], goods["delivered_fen"], goods["balance_fen"]) == (25, 25, 0)
    money = await world.show(f"/settlement-units/JS-{unit}/statement", "fang")
    assert (money["received_fen"], money["allocated_fen"], money["balance_fen"]) == (140, 25, 115)
    before = (world.today - timedelta(days=1)).isoformat()
    assert (await world.show(f"/settlement-units/{unit}/statement?until={before}", "fang"))["entries"] == []


async def test_amendments_follow_the_account(world: World) -> None:
    customer, unit = await world.buyer()
    order = await world.order(customer, 100, 40)
    receipt = await world.money(unit, 140)
    assert (await world.allocate(receipt, order, 140)).status_code == 200
    body = world.order_body(customer, 100, 10, 20)
    del body["customer"]
    await world.do(f"/orders/{order}/amendments", "clerk", body | {"reason": "减量"})
    shown = await world.show(f"/orders/{order}", "clerk")
    assert [one["status"] for one in shown["batches"]] == ["released", "released", "released"]
    assert (await world.show(f"/receipts/{receipt}", "fang"))["free_fen"] == 10
    rows = (await world.show("/deliveries?status=released&limit=200", "store"))["items"]
    assert [(row["batch"], row["amount_fen"]) for row in rows if row["order"] == order] == [(3, 20), (2, 10), (1, 100)]
    await world.note(
        STANDINGS, customer, CustomerBarred(customer=customer, cause="by_hand", reason="到期", barred_by="fang")
    )
    found = await world.ask("GET", f"/orders/{order}", "clerk")
    version = int(found.headers["etag"].strip('"'))
    more = world.order_body(customer, 100, 10, 21) | {"reason": "增量"}
    del more["customer"]
    refused = await world.ask("POST", f"/orders/{order}/amendments", "clerk", more, version=version)
    assert (refused.status_code, refused.json()["code"]) == (409, "customer-suspended")
    assert (await world.ship(order, 1)).status_code == 200


async def test_everything_at_once_and_still_no_fen_too_much(world: World) -> None:
    """Guard: `handle_together` holds receipt and order; taken apart, money is made or unpaid goods leave."""
    customer, unit = await world.buyer()
    orders = [await world.order(customer, 60, 60) for _ in range(2)]
    receipts = [await world.money(unit, 100) for _ in range(2)]
    day = world.today.isoformat()

    async def attempt(turn: int) -> int:
        receipt, order = receipts[turn % 2], orders[(turn // 2) % 2]
        match turn % 5:
            case 0 | 1:
                answer = await world.allocate(receipt, order, 60)
            case 2:
                answer = await world.ship(order, 1 + turn % 2)
            case 3:
                version = int((await world.ask("GET", f"/receipts/{receipt}", "fang")).headers["etag"].strip('"'))
                body = {"amount_fen": 7, "refunded_on": day, "reason": "r", "bank_reference": f"X{unit}{turn}"}
                answer = await world.ask("POST", f"/receipts/{receipt}/refunds", "fang", body, version=version)
            case _:
                answer = await world.allocate(receipt, order, 1)
        return answer.status_code

    codes = await asyncio.gather(*(attempt(turn) for turn in range(60)))
    assert set(codes) <= {200, 409}
    assert 200 in codes
    states = [(await world.assembly.running.commands.load(ORDERS, order))[0] for order in orders]
    money = [(await world.assembly.running.commands.load(RECEIPTS, receipt))[0] for receipt in receipts]
    for state in money:
        assert state.free_fen >= 0
        for order in states:
            payment = order.payments.get(state.id)
            assert state.drawn.get(order.id, 0) == (payment.fen if payment else 0)
    for order in states:
        assert order.released_fen == 0 or order.allocated_fen >= order.due_fen + order.released_fen
        facts = [one.fact for one in await world.assembly.running.commands.history(ORDERS, order.id)]
        state = ORDERS.initial
        for fact in facts:
            if type(fact).__name__ == "GoodsShipped":
                assert state.allocated_fen >= state.due_fen + fact.value_fen  # type: ignore[attr-defined]
            state = ORDERS.evolve(state, fact)


@pytest.mark.parametrize(
    "change",
    [
        {"batches": []},
        {"batches": [{"lines": []}]},
        {"batches": [{"lines": [{"item": "a\u0000b", "quantity": "1", "amount_fen": 1}]}]},
        {"batches": [{"lines": [{"item": "a\u202eb", "quantity": "1", "amount_fen": 1}]}]},
        {"batches": [{"lines": [{"item": "a" * 1_000_000, "quantity": "1", "amount_fen": 1}]}]},
        {"batches": [{"lines": [{"item": "a", "quantity": "NaN", "amount_fen": 1}]}]},
        {"batches": [{"lines": [{"item": "a", "quantity": "1e400", "amount_fen": 1}]}]},
        {"batches": [{"lines": [{"item": "a", "quantity": "-1", "amount_fen": 1}]}]},
        {"batches": [{"lines": [{"item": "a", "quantity": "1", "amount_fen": -1}]}]},
        {"batches": [{"lines": [{"item": "a", "quantity": "1", "amount_fen": 10**19}]}]},
        {"batches": [{"lines": [{"item": "a", "quantity": "1", "amount_fen": 10**15}]}] * 2},
        {"batches": [{"lines": [{"item": "a", "quantity": "1", "amount_fen": 0}]}]},
        {"batches": [{"lines": [{"item": "a", "quantity": "1", "amount_fen": 1}] * 2}]},
        {"signed_on": "2026-02-30"},
        {"signed_on": "9999-12-31"},
        {"signed_on": "2199-12-31"},
        {"file_digest": "no digest"},
        {"reference": "x\u0000"},
        {"more": 1},
    ],
)
async def test_impossible_orders_are_refused_and_say_what_to_mend(world: World, change: dict[str, Any]) -> None:
    customer, _ = await world.buyer()
    refused = await world.ask("POST", "/orders", "clerk", world.order_body(customer, 100) | change)
    assert refused.status_code in (413, 422), refused.text
    assert refused.json()["code"]
    assert (await world.show(f"/orders?customer={customer}", "clerk"))["items"] == []


async def test_lists_go_out_with_a_reason_only(world: World) -> None:
    customer, _ = await world.buyer()
    await world.order(customer, 12_345)
    assert (await world.ask("GET", "/orders/export", "clerk")).status_code == 422
    out = await world.ask(
        "GET", f"/orders/export?customer={customer}", "clerk", headers={"Kehu-Reason": "%E5%AF%B9%E8%B4%A6"}
    )
    assert out.status_code == 200, out.text
    rows = CalamineWorkbook.from_filelike(io.BytesIO(out.content)).get_sheet_by_index(0).to_python()
    assert (len(rows), rows[1][8]) == (2, 123.45)
    for path in ("/receipts/export", "/deliveries/export?overdue=true"):
        assert (await world.ask("GET", path, "fang", headers={"Kehu-Reason": "x"})).status_code == 200
        assert (await world.ask("GET", path, "leaving", headers={"Kehu-Reason": "x"})).status_code == 403


async def tell(world: World, what: str, *arguments: str, wait: float = PATIENCE) -> tuple[int, str]:
    """Run the example of docs/facts.md as its reader would; its exit code and everything that it says."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(EXAMPLE),
        world.settings.brokers,
        what,
        f"--day={world.today}",
        f"--wait={wait}",
        *arguments,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    out, _ = await process.communicate()
    return process.returncode or 0, out.decode()


async def test_an_erp_a_bank_and_a_warehouse_tell_what_they_know(world: World) -> None:
    """The example of docs/facts.md, against the service on a real broker."""
    customer, unit = await world.buyer()
    line = ("--item=阀门", "--quantity=10", "--fen=1000")
    signed = (f"--customer=K-{customer}", *line, f"--digest={DIGEST}", f"--id=ERP-{customer}")
    code, said = await tell(world, "order", *signed)
    assert (code, said[:13], said[-9:]) == (0, "recorded: DD0", "1000 fen\n"), said

    async def listed() -> Any:
        return (await world.show(f"/orders?reference=ERP-{customer}&source=/erp", "clerk"))["items"]

    (row,) = await until(listed)
    assert (row["customer"], row["unit"], row["status"]) == (customer, unit, "waiting")
    leaves = (f"--order=ERP-{customer}", f"--id=WH-{customer}")
    code, said = await tell(world, "shipment", *leaves)
    assert (code, said.split()[:3]) == (1, ["refused:", "not-released", "R3.2.1"]), said

    code, said = await tell(world, "receipt", f"--payer=ID{unit}", "--fen=1000", f"--id=BK-{unit}")
    assert code == 0, said
    (receipt,) = (await world.show(f"/receipts?reference=BK-{unit}", "fang"))["items"]
    assert (receipt["unit"], receipt["status"], receipt["free_fen"]) == (unit, "confirmed", 1000)
    assert (await world.show(f"/receipts/{receipt['receipt']}/proposals", "fang"))[0]["order"] == row["order"]
    assert (await world.allocate(receipt["receipt"], row["order"], 1000)).status_code == 200

    code, said = await tell(world, "shipment", f"--order={row['number']}", f"--id=WH2-{customer}")
    assert (code, said[:13]) == (0, "recorded: FH0"), said

    async def shipped() -> Any:
        return (await world.show(f"/shipments?reference=WH2-{customer}&source=/warehouse", "store"))["items"]

    (shipment,) = await until(shipped)
    assert shipment["value_fen"] == 1000
    # The same source and number count once, whatever they say the second time.
    code, said = await tell(world, "receipt", f"--payer=ID{unit}", "--fen=1001", f"--id=BK-{unit}", wait=2)
    assert (code, said[:9]) == (2, "No answer"), said
    known = (await world.show(f"/receipts?reference=BK-{unit}", "fang"))["items"]
    assert [one["amount_fen"] for one in known] == [1000]
    free = (f"--customer=K-{customer}", *line[:2], "--fen=0", f"--digest={DIGEST}", f"--id=Z-{customer}")
    code, said = await tell(world, "order", *free)
    assert (code, said.split()[1]) == (1, "order-invalid"), said
    code, said = await tell(world, "receipt", "--fen=1", f"--id=Q-{unit}", "--source=/stranger")
    assert (code, said.split()[1]) == (1, "source-not-allowed"), said


async def test_a_warehouse_and_a_bank_tell_what_came_back(world: World) -> None:
    """Returns and reversals under the senders' own numbers, with everything that follows from them."""
    customer, unit = await world.buyer()
    order = await world.order(customer, 1000)
    receipt = await world.money(unit, 1000)
    bank = world.turn
    assert (await world.allocate(receipt, order, 1000)).status_code == 200
    number = (await world.show(f"/orders/{order}", "fang"))["number"]
    code, said = await tell(world, "shipment", f"--order={number}", f"--id=WH-{customer}")
    assert code == 0, said
    back = (f"--shipment=WH-{customer}", "--item=阀门", "--quantity=4", "--reason=质量")
    code, said = await tell(world, "return", *back, f"--id=WR-{customer}")
    assert (code, said[:13], said[-8:]) == (0, "recorded: TH0", "400 fen\n"), said
    code, said = await tell(world, "return", *back[:2], "--quantity=7", "--reason=质量", f"--id=WR2-{customer}")
    assert (code, said.split()[1]) == (1, "quantity-exceeded"), said
    code, said = await tell(world, "return", "--shipment=nothing", *back[1:], f"--id=WR3-{customer}")
    assert (code, said.split()[1]) == (1, "shipment-unknown"), said
    (returned,) = (await world.show(f"/orders/{order}", "store"))["returns"]
    assert (returned["reference"], returned["source"], returned["value_fen"]) == (f"WR-{customer}", "/warehouse", 400)

    taken = (f"--receipt=BANK{bank}", "--fen=700", "--reason=付错")
    code, said = await tell(world, "reversal", *taken, f"--id=BR-{unit}")
    assert (code, said[:13], said[-8:]) == (0, "recorded: SK0", "700 fen\n"), said
    shown = await world.show(f"/orders/{order}", "fang")
    assert (shown["allocated_fen"], shown["shortfall_fen"]) == (300, 300)
    assert (await world.show(f"/receipts/{receipt}", "fang"))["allocations"] == {order: 300}
    code, said = await tell(world, "reversal", *taken, f"--id=BR2-{unit}")
    assert (code, said.split()[1]) == (1, "receipt-exceeded"), said
    code, said = await tell(world, "reversal", "--receipt=nothing", *taken[1:], f"--id=BR3-{unit}")
    assert (code, said.split()[1]) == (1, "receipt-unknown"), said
    assert not await world.assembly.running.pool.fetchval("SELECT count(*) FROM parked")


@pytest.mark.parametrize(
    ("what", "change", "code"),
    [
        ("ReceiptConfirmed", {"amount_fen": -5}, "amount-not-positive"),
        ("ReceiptConfirmed", {"amount_fen": 10**19}, "message-invalid"),
        ("ReceiptConfirmed", {"bank_reference": "a\u0000b"}, "message-invalid"),
        ("ReceiptConfirmed", {"bank_reference": "b" * 1_000}, "message-invalid"),
        ("ReceiptConfirmed", {"received_on": "0001-01-01"}, "message-invalid"),
        ("ReceiptConfirmed", {"received_on": "2199-01-01"}, "date-in-future"),
        ("ReceiptConfirmed", {"payer": "x\u202ey"}, "message-invalid"),
        ("ReceiptReversed", {"receipt": "a\u0000b"}, "message-invalid"),
        ("ReceiptReversed", {"amount_fen": 0}, "message-invalid"),
        ("ReceiptReversed", {"receipt": "nothing"}, "receipt-unknown"),
        ("GoodsReturned", {"shipment": "a\u0000b"}, "message-invalid"),
        ("GoodsReturned", {"lines": []}, "message-invalid"),
        ("GoodsReturned", {"reason": "x" * 1_000_000}, "message-invalid"),
        ("GoodsShipped", {"order": "nothing"}, "order-unknown"),
        ("GoodsShipped", {"order": "a\u0000b"}, "message-invalid"),
        ("GoodsShipped", {"batch": 0}, "message-invalid"),
        ("GoodsShipped", {"lines": [{"item": "a", "quantity": "-1", "amount_fen": 0}]}, "message-invalid"),
        ("OrderSigned", {"customer": "nobody"}, "customer-unknown"),
        ("OrderSigned", {"customer": "a\u0000b"}, "message-invalid"),
        ("OrderSigned", {"batches": []}, "message-invalid"),
        ("OrderSigned", {"file_digest": ""}, "message-invalid"),
    ],
)
async def test_messages_that_cannot_be_taken_are_answered(
    world: World, what: str, change: dict[str, Any], code: str
) -> None:
    world.turn += 1
    day = world.today.isoformat()
    line = {"item": "a", "quantity": "1", "amount_fen": 1}
    whole: dict[str, dict[str, Any]] = {
        "ReceiptConfirmed": {
            "receipt": "", "number": "", "unit": None, "payer": "", "bank_reference": f"M{world.turn}",
            "amount_fen": 1, "received_on": day,
        },
        "GoodsShipped": {
            "shipment": "", "order": "x", "customer": "", "department": "", "batch": 1, "shipped_on": day,
            "value_fen": 0, "lines": [], "receipts": [],
        },
        "OrderSigned": {
            "order": "", "number": "", "customer": "x", "unit": "", "department": "", "owner": "", "signed_on": day,
            "file_digest": DIGEST, "amount_fen": 1, "batches": [{"batch": 1, "amount_fen": 1, "lines": [line]}],
        },
    }  # fmt: skip
    whole["ReceiptReversed"] = {"receipt": "x", "amount_fen": 1, "reversed_on": day, "reason": "付错"}
    whole["GoodsReturned"] = {**whole["GoodsShipped"], "returned": "", "returned_on": day, "reason": "质量"} | {
        "shipment": "x",
        "lines": [line],
    }
    source = "/bank" if what.startswith("Receipt") else "/erp" if what == "OrderSigned" else "/warehouse"
    message = f"bad-{world.turn}"
    headers = [
        ("ce_specversion", b"1.0"),
        ("ce_id", message.encode()),
        ("ce_source", source.encode()),
        ("ce_type", f"kehu.{what}.v1".encode()),
        ("content-type", b"application/json"),
    ]
    producer = AIOKafkaProducer(bootstrap_servers=world.settings.brokers)
    await producer.start()
    try:
        await producer.send_and_wait(
            vetting.inbound_topic, json.dumps(whole[what] | change).encode(), key=b"k", headers=headers
        )
    finally:
        await producer.stop()
    pool = world.assembly.running.pool

    async def refused() -> Any:
        rows = await pool.fetch("SELECT data FROM event_store.read_log(0, 0, 100000, true) WHERE type LIKE '%Refused%'")
        found = [json.loads(row["data"]) for row in rows]
        return [one for one in found if one["message_id"] == message]

    (answer,) = await until(refused)
    assert answer["code"] == code
    assert not await pool.fetchval("SELECT count(*) FROM parked")


async def test_a_number_of_no_known_form_stops_no_view(world: World) -> None:
    """Guard: `serial_of`. An older fact has no number, and a stranger's may look like anything."""
    customer, unit = await world.buyer()
    line = OrderLine(item="阀门", quantity=Decimal(1), amount_fen=10)
    batches = (DeliveryBatch(batch=1, amount_fen=10, lines=(line,)),)
    common = {"customer": customer, "department": "east"}
    for place, number in enumerate(("2026/合-7", "DD" + "9" * 40, "")):
        order = f"odd-{place}"
        signed = OrderSigned.model_validate(
            {**common, "order": order, "number": number, "unit": unit, "owner": "sales", "signed_on": world.today,
             "file_digest": DIGEST, "amount_fen": 10, "batches": batches}
        )  # fmt: skip
        shipped = GoodsShipped.model_validate(
            {**common, "shipment": f"s-{order}", "order": order, "batch": 1, "shipped_on": world.today,
             "value_fen": 10, "lines": (line,), "receipts": ()}
        )  # fmt: skip
        await world.note(ORDERS, order, signed, shipped)
    assert not world.assembly.running.follower.stopped
    for path in (f"/orders?customer={customer}", f"/shipments?customer={customer}"):
        found: list[str] = []
        following: str | None = f"{path}&limit=1"
        while following:
            page = await world.show(following, "clerk")
            found += [row["order"] for row in page["items"]]
            following = page["next"]
        assert sorted(found) == ["odd-0", "odd-1", "odd-2"]


async def test_views_are_the_same_when_folded_anew(world: World) -> None:
    owner = await asyncpg.connect(**world.settings.connection(OWNER_ROLE))
    try:
        for view in ("orders", "receipts", "trade_ledger"):
            rebuilt = await rebuild(world.assembly.running, view, owner)
            assert rebuilt.facts
            assert rebuilt.same, view
    finally:
        await owner.close()
