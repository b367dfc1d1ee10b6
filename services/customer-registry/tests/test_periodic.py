"""What comes round every month and quarter, as people meet it: on a real PostgreSQL and broker, with the clock moved.

One story, told in order: the later tests lean on what the earlier ones have done. Facts of vetting come through Kafka.
"""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import partial
from typing import Any
from urllib.parse import quote

import asyncpg
import httpx2
import pytest
import pytest_asyncio
from python_calamine import CalamineWorkbook

from kehu import calendar, clock
from kehu.calendar import Quarter
from kehu.contracts.trade import GoodsReturned, GoodsShipped, OrderAmended, OrderCancelled, OrderSigned
from kehu.contracts.vetting import AgentActivated
from kehu.deciding import Category, Context, Decision, system_actor
from kehu.facts import Fact
from kehu.identity import issue_token
from kehu.loops import Loop
from kehu.parts import Running, connect
from kehu.rebuilding import rebuild
from kehu.relay import Relay
from kehu.running import Assembly, assemble
from kehu.service import Feature, Service
from kehu.settings import AUDITOR_ROLE, OWNER_ROLE, TOKEN_ISSUER, Settings
from kehu.testing.platform import Platform
from kehu_customer_registry.app import service
from kehu_customer_registry.verification import rounds
from kehu_customer_registry.verification.decisions import plan

PATIENCE = 60
USCCS = ("91110000600037341L", "9144030071526726XG", "91440300708461136T", "92330106MA2CEX7TXM")
CONTACT = {"name": "王小明", "phone": "13800138000", "title": "总经理", "audience": "I"}
STAFF: dict[str, list[tuple[str, str | None]]] = {
    "sun": [("salesperson", "east")],
    "qian": [("salesperson", "east")],
    "vera": [("verifier", "east")],
    "manager": [("dept_manager", "east")],
    "west.manager": [("dept_manager", "west")],
    "west.sales": [("salesperson", "west")],
    "market": [("market_dept", None)],
    "auditor": [("auditor", None)],
}
KEY = {"market_dept"}


@dataclass
class World:
    """The registry, vetting's topic, and people who ask."""

    assembly: Assembly
    vetting: Running
    http: httpx2.AsyncClient
    settings: Settings
    customers: dict[str, str] = field(default_factory=dict[str, str])

    @property
    def now(self) -> datetime:
        """The policy's time."""
        return self.assembly.running.clock.now()

    @property
    def today(self) -> date:
        """The policy's day."""
        return calendar.today(self.now)

    async def ask(self, person: str, method: str, path: str, body: Any = None, **headers: str) -> httpx2.Response:
        """One request; changes wait until the lists show them."""
        token = issue_token(self.settings.secret(TOKEN_ISSUER), person, 5)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.http.request(
            method,
            path,
            json=body,
            headers={"Authorization": f"Bearer {token}", "Prefer": "wait=20", "Accept-Language": "en", **named},
        )

    async def done(self, person: str, method: str, path: str, body: Any = None, **more: str) -> Any:
        """One request that is to succeed."""
        response = await self.ask(person, method, path, body, **more)
        assert response.is_success, response.text
        return response.json()

    async def edit(self, person: str, path: str, step: str, body: Any = None, shown: str = "market") -> httpx2.Response:
        """A change made from the version that the thing has now."""
        seen = await self.ask(shown, "GET", path)
        assert seen.status_code == 200, seen.text
        return await self.ask(person, "POST", f"{path}/{step}", body, If_Match=seen.headers["etag"])

    async def items(self, person: str, path: str) -> list[dict[str, Any]]:
        """The first page of a list."""
        found: list[dict[str, Any]] = (await self.done(person, "GET", path))["items"]
        return found

    async def register(self, name: str, identity: str, owner: str = "sun", department: str = "east") -> str:
        """A customer from first draft to archive."""
        digits = f"{int(identity, 36) % 10**7:07}"  # who shares a phone or an address is asked about it
        form = {
            "name": name,
            "department": department,
            "kind": "dealer",
            "nature": "limited_liability",
            "supervising_body": "无",
            "address": f"杭州市西湖区文三路 {digits} 号",
            "region": "浙江",
            "identity": {"kind": "uscc", "number": identity},
            "contacts": [CONTACT | {"phone": f"1381{digits}"}],
        }
        customer: str = (await self.done(owner, "POST", "/dossiers", form))["id"]
        manager = "manager" if department == "east" else "west.manager"
        for person, step in ((owner, "submit"), (manager, "pass")):
            response = await self.edit(person, f"/dossiers/{customer}", step)
            assert response.status_code == 200, response.text
        self.customers[name] = customer
        return customer

    async def publish(self, category: Category[Any], stream_id: str, *facts: Fact) -> None:
        """Facts of vetting, on their way through Kafka."""
        context = Context(system_actor("vetting", "test"), self.vetting.clock.now())
        await self.vetting.commands.handle(
            category, stream_id, lambda _state, _context: Decision(facts), context, must_exist=False
        )

    async def advance_to(self, moment: datetime) -> None:
        """Move the clock of the whole system."""
        owner = await asyncpg.connect(**self.settings.connection(OWNER_ROLE))
        try:
            await clock.advance(owner, moment - self.now + timedelta(seconds=1), demonstration=True)
        finally:
            await owner.close()

        async def arrived() -> bool:
            return self.now >= moment

        await until(arrived)

    async def facts(self, name: str) -> list[dict[str, Any]]:
        """The data of all facts of one name, in order."""
        connection = await asyncpg.connect(**self.settings.connection(AUDITOR_ROLE))
        try:
            rows = await connection.fetch(
                "SELECT data FROM event_store.events WHERE type = $1 ORDER BY position", f"kehu.{name}.v1"
            )
        finally:
            await connection.close()
        return [json.loads(row["data"]) for row in rows]


async def until(condition: Callable[[], Awaitable[Any]]) -> Any:
    """Wait for a condition in another loop or server, which tells nobody when it changes."""
    async with asyncio.timeout(PATIENCE):
        while not (found := await condition()):  # noqa: ASYNC110 - it changes elsewhere
            await asyncio.sleep(0.02)
    return found


def refused(response: httpx2.Response, status: int, code: str) -> Mapping[str, Any]:
    assert response.status_code == status, response.text
    found: Mapping[str, Any] = response.json()
    assert found["code"] == code, response.text
    return found


ORDERS = Category(
    "order",
    (OrderSigned, OrderAmended, OrderCancelled, GoodsShipped, GoodsReturned, AgentActivated),
    None,
    lambda state, _fact: state,
)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def world(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[World]:
    vetting = Service("vetting", "v", [Feature("published", categories=[ORDERS])], tmp_path_factory.mktemp("none"))
    database = await platform.postgres.create_database(services=[service, vetting])
    await platform.empty_kafka()
    settings = platform.settings(database.database_name)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(platform.postgres.drop_database, database)
        publisher = await stack.enter_async_context(connect(vetting, settings))
        relay = Relay(vetting, publisher.store, settings)
        publisher.wakes.append(relay.wake)
        loop = Loop("relay", relay.run)
        loop.start()
        stack.push_async_callback(loop.stop, 5.0)
        assembly = await stack.enter_async_context(assemble(service, settings))
        await assembly.start()
        stack.push_async_callback(assembly.stop)
        transport = httpx2.ASGITransport(app=assembly.app)
        http = await stack.enter_async_context(httpx2.AsyncClient(transport=transport, base_url="http://registry"))
        world = World(assembly, publisher, http, settings)
        for admin in ("admin", "admin2"):
            await until(lambda admin=admin: knows(world, admin))
        await appoint_everybody(world)
        # In the middle of the quarter, whenever the tests run.
        await world.advance_to(calendar.start_of_day((Quarter.of(world.today) + 1).months[1].first_day))
        yield world


async def knows(world: World, person: str) -> bool:
    response = await world.ask(person, "GET", "/me")
    return response.status_code == 200 and bool(response.json()["posts"])


async def appoint_everybody(world: World) -> None:
    for code, region in (("east", "华东"), ("west", "西部")):
        await world.done("admin", "POST", "/departments", {"code": code, "name": f"{region}营销部", "region": region})
    for number, (person, posts) in enumerate(STAFF.items(), 1001):
        await world.done("admin", "POST", "/staff", {"person": person, "number": str(number), "name": f"员工{number}"})
        for role, department in posts:
            post = {"role": role, "department": department}
            await world.done("admin", "POST", f"/staff/{person}/roles", post)
            if role in KEY:
                await world.done("admin2", "POST", f"/staff/{person}/roles/confirm", post)


# --- R4.5.1 ----------------------------------------------------------------------------------------------------------


async def test_nothing_is_due_of_customers_archived_during_the_quarter(world: World) -> None:
    for name, identity in zip(("甲公司", "乙公司", "丙公司"), USCCS[:3], strict=True):
        await world.register(name, identity)
    await world.register("丁公司", USCCS[3], "west.sales", "west")
    assert await world.items("market", "/verifications") == []


async def test_at_the_quarters_start_every_archived_dossier_is_due(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guard: pages of `plan_round`; three customers in pages of two."""
    monkeypatch.setattr(rounds, "PAGE", 2)
    quarter = Quarter.of(world.today) + 1
    await world.advance_to(quarter.start)

    async def all_due() -> Any:
        found = await world.items("market", f"/verifications?quarter={quarter}")
        return found if len(found) == 4 else None

    due = await until(all_due)
    assert {row["name"]: row["verifier"] for row in due} == {
        "甲公司": "vera",
        "乙公司": "vera",
        "丙公司": "vera",
        "丁公司": None,
    }
    assert {row["due_on"] for row in due} == {quarter.last_day.isoformat()}
    mine = await world.items("vera", "/verifications?waiting_for=me")
    assert [row["number"] for row in mine] == sorted(row["number"] for row in due if row["verifier"])
    (waits,) = await world.items("west.manager", "/verifications?waiting_for=me")
    assert (waits["name"], waits["verifier"]) == ("丁公司", None)
    (told,) = await world.facts("VerifierNeeded")
    assert told["customer"] == world.customers["丁公司"]

    async def planned() -> bool:
        found = [fact["department"] for fact in await world.facts("RoundPlanned") if fact["quarter"] == str(quarter)]
        return sorted(found) == ["east", "west"]

    await until(planned)


async def test_two_replicas_plan_a_round_once_and_a_killed_one_is_gone_on_with(world: World) -> None:
    """Guard: decisions on streams, whatever the views say."""
    running = world.assembly.running
    quarter = Quarter.of(world.today)
    customers = list(world.customers.values())
    again = [rounds.decide_page(running, customers, partial(plan, quarter), "test") for _ in range(3)]
    assert [planned for planned, _ in await asyncio.gather(*again)] == [0, 0, 0]
    following = quarter + 1
    at_once = [rounds.decide_page(running, customers, partial(plan, following), "test") for _ in range(3)]
    assert sorted(planned for planned, _ in await asyncio.gather(*at_once)) == [0, 0, 4]


async def test_the_west_manager_appoints_somebody_and_the_customers_own_is_refused(world: World) -> None:
    path = f"/verifications/{world.customers['丁公司']}:{Quarter.of(world.today)}"
    refused(await world.edit("west.manager", path, "verifier", {"verifier": "west.sales"}), 403, "own-customer")
    refused(await world.edit("manager", path, "verifier", {"verifier": "vera"}), 404, "verification-unknown")
    refused(await world.edit("market", path, "verifier", {"verifier": "vera"}), 403, "forbidden")
    answer = await world.edit("west.manager", path, "verifier", {"verifier": "vera"})
    assert answer.status_code == 200, answer.text
    assert "丁公司" in {row["name"] for row in await world.items("vera", "/verifications?waiting_for=me")}


async def test_the_verifier_records_what_they_found(world: World) -> None:
    quarter, today = Quarter.of(world.today), world.today.isoformat()
    first, second, third = (
        f"/verifications/{world.customers[name]}:{quarter}" for name in ("甲公司", "乙公司", "丙公司")
    )
    found = {"method": "phone", "outcome": "unchanged", "verified_on": today}
    refused(await world.ask("vera", "POST", f"{first}/record", found), 428, "if-match-required")
    refused(await world.edit("manager", first, "record", found), 403, "not-the-verifier")
    refused(await world.edit("qian", first, "record", found), 404, "verification-unknown")
    for wrong in (
        {"method": "dove"},
        {"verified_on": "2026-02-30"},
        {"verified_on": "0001-01-01"},
        {"remark": "\0"},
        {"remark": "字" * 400_000},
        {"change": 10**30},
        {"extra": 1},
    ):
        assert (await world.edit("vera", first, "record", found | wrong)).status_code in (413, 422)
    assert (await world.edit("vera", first, "record", found)).status_code == 200
    refused(await world.edit("vera", first, "record", found), 409, "verification-closed")

    changed = await world.edit("sun", f"/dossiers/{world.customers['乙公司']}", "changes", {"region": "江苏"})
    update = {**found, "outcome": "changed", "change": 1}
    refused(await world.edit("vera", second, "record", update), 409, "change-unknown")
    answer = await world.edit("vera", second, "record", update | {"change": changed.json()["version"]})
    assert answer.status_code == 200, answer.text

    for method in ("phone", "fax", "mail"):
        answer = await world.edit("vera", third, "record", {**found, "outcome": "failed", "method": method})
        assert answer.status_code == 200, answer.text
    (unreachable,) = await world.items("manager", "/verifications?waiting_for=me")
    assert (unreachable["name"], unreachable["mark"], unreachable["attempts"]) == ("丙公司", "unreachable", 3)
    (east,) = await world.done("manager", "GET", f"/verifications/overview?quarter={quarter}")
    counted = {key: east[key] for key in ("due", "open", "unchanged", "changed", "unreachable", "overdue")}
    assert counted == {"due": 3, "open": 0, "unchanged": 1, "changed": 1, "unreachable": 1, "overdue": 0}


async def test_a_new_owner_who_is_the_verifier_has_another_appointed(world: World) -> None:
    await world.done("admin", "POST", "/staff/qian/roles", {"role": "verifier", "department": "east"})
    await world.done("admin", "POST", "/staff/vera/roles", {"role": "salesperson", "department": "east"})
    customer, quarter = world.customers["甲公司"], Quarter.of(world.today) + 1  # planned above, ahead of its time
    before = await world.done("market", "GET", f"/verifications/{customer}:{quarter}")
    answer = await world.edit("manager", f"/dossiers/{customer}", "owner", {"owner": before["verifier"]})
    assert answer.status_code == 200, answer.text

    async def another() -> Any:
        shown = await world.done("market", "GET", f"/verifications/{customer}:{quarter}")
        return shown if shown["verifier"] != before["verifier"] else None

    assert (await until(another))["verifier"] == "qian"


async def test_what_is_open_is_reminded_of_and_then_overdue(world: World) -> None:
    quarter = Quarter.of(world.today)
    await world.advance_to(calendar.start_of_day(quarter.last_day - timedelta(days=30)))

    async def reminded(overdue: bool) -> Any:  # noqa: FBT001 - what is waited for
        return [
            fact
            for fact in await world.facts("VerificationReminded")
            if fact["quarter"] == str(quarter) and fact["overdue"] is overdue
        ]

    (first,) = await until(lambda: reminded(False))  # noqa: FBT003
    assert first["customer"] == world.customers["丁公司"]
    await world.advance_to(quarter.end)
    await until(lambda: reminded(True))  # noqa: FBT003
    (late,) = await world.items("west.manager", "/verifications?overdue=true")
    assert (late["name"], late["quarter"]) == ("丁公司", str(quarter))


async def test_the_worklist_is_paged_and_exported_with_a_reason(world: World) -> None:
    first = await world.done("market", "GET", "/verifications?limit=3")
    rest = await world.done("market", "GET", first["next"])
    keys = [(row["quarter"], row["customer"]) for row in first["items"] + rest["items"]]
    assert keys == sorted(set(keys))
    refused(await world.ask("market", "GET", "/verifications/export"), 422, "reason-required")
    book = await world.ask("market", "GET", "/verifications/export?mark=done", Kehu_Reason=quote("季度总结"))
    rows = CalamineWorkbook.from_filelike(io.BytesIO(book.content)).get_sheet_by_index(0).to_python()
    assert {row[2] for row in rows[1:]} == {"甲公司", "乙公司"}
    assert await world.items("qian", "/verifications?quarter=1999-Q1") == []


VIEWS = ("verifications", "verification_rounds")


async def test_views_are_the_same_after_a_rebuild(world: World) -> None:
    owner = await asyncpg.connect(**world.settings.connection(OWNER_ROLE))
    try:
        for view in VIEWS:
            assert (await rebuild(world.assembly.running, view, owner)).same, view
    finally:
        await owner.close()
