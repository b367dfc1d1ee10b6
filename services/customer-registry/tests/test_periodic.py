"""What comes round every month and quarter, as people meet it: on a real PostgreSQL and broker, with the clock moved.

One story, told in order: the later tests lean on what the earlier ones have done. Facts of vetting come through Kafka.
"""

from __future__ import annotations

import asyncio
import io
import json
import random
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any
from urllib.parse import quote

import asyncpg
import httpx2
import pytest
import pytest_asyncio
from python_calamine import CalamineWorkbook

from kehu import calendar
from kehu.applying import apply_facts
from kehu.calendar import Month, Quarter
from kehu.contracts.trade import (
    GoodsReturned,
    GoodsShipped,
    OrderAmended,
    OrderCancelled,
    OrderLine,
    OrderSigned,
)
from kehu.contracts.vetting import AgentActivated
from kehu.deciding import Category
from kehu.facts import RecordedFact
from kehu.ids import new_id
from kehu.rebuilding import rebuild
from kehu.service import Feature, Service
from kehu.settings import AUDITOR_ROLE, OWNER_ROLE
from kehu.testing.platform import Platform
from kehu_customer_registry.purchases.views import PURCHASES_VIEW, purchases_of
from kehu_customer_registry.testing_world import World as Base
from kehu_customer_registry.testing_world import open_world, refused, until
from kehu_customer_registry.verification import rounds
from kehu_customer_registry.verification.decisions import plan

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


@dataclass
class World(Base):
    """With customers that are registered by name."""

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


ORDERS = Category(
    "order",
    (OrderSigned, OrderAmended, OrderCancelled, GoodsShipped, GoodsReturned, AgentActivated),
    None,
    lambda state, _fact: state,
)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def world(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[World]:
    vetting = Service("vetting", "v", [Feature("published", categories=[ORDERS])], tmp_path_factory.mktemp("none"))
    async with open_world(World, platform, vetting) as found:
        await found.staff(STAFF, key=("market_dept",))
        # In the middle of the quarter, whenever the tests run.
        await found.advance_to(calendar.start_of_day((Quarter.of(found.today) + 1).months[1].first_day))
        yield found


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
    assert await world.items("qian", "/verifications?quarter=2001-Q1") == []


# --- R4.5.2 and R4.4.b ----------------------------------------------------------------------------------------------


def signed(order: str, customer: str, on: date, fen: int) -> OrderSigned:
    return OrderSigned(
        order=order,
        number=f"DD-{order}",
        customer=customer,
        unit="u",
        department="east",
        owner="sun",
        signed_on=on,
        file_digest="d",
        amount_fen=fen,
        batches=(),
    )


def shipped(order: str, customer: str, on: date, fen: int, quantity: str = "1") -> GoodsShipped:
    return GoodsShipped(
        shipment=f"s-{new_id()}",
        order=order,
        customer=customer,
        department="east",
        batch=1,
        shipped_on=on,
        value_fen=fen,
        lines=(OrderLine(item="钢材", unit="吨", quantity=Decimal(quantity), amount_fen=fen),),
        receipts=(),
    )


def returned(order: str, customer: str, on: date, fen: int, quantity: str = "1") -> GoodsReturned:
    return GoodsReturned(
        returned=f"r-{new_id()}",
        shipment="s",
        order=order,
        customer=customer,
        department="east",
        returned_on=on,
        value_fen=fen,
        lines=(OrderLine(item="钢材", unit="吨", quantity=Decimal(quantity), amount_fen=fen),),
        reason="质量",
    )


async def purchases(world: World, quarter: Quarter, person: str = "market", **query: str) -> dict[str, Any]:
    more = "".join(f"&{name}={value}" for name, value in query.items())
    return {row["name"]: row for row in await world.items(person, f"/purchases?quarter={quarter}{more}")}


async def test_a_quarters_purchases_are_shipped_less_returned_with_zero_included(world: World) -> None:
    now = Quarter.of(world.today) - 1
    first, second, third = (world.customers[name] for name in ("甲公司", "乙公司", "丙公司"))
    await world.publish(
        "vetting",
        ORDERS,
        "o-1",
        signed("o-1", first, (now - 4).last_day, 1_000_000),
        shipped("o-1", first, (now - 4).last_day, 400_000, "4"),  # the last day of the quarter, in Shanghai
        shipped("o-1", first, now.first_day, 300_000, "2.5"),
        shipped("o-1", first, now.last_day, 100_000, "1"),
        returned("o-1", first, now.last_day, 50_000, "0.5"),
    )
    await world.publish("vetting", ORDERS, "o-2", signed("o-2", second, now.first_day, 700_000))
    await world.publish(
        "vetting",
        ORDERS,
        "o-3",
        signed("o-3", third, now.first_day, 900_000),
        OrderCancelled(
            order="o-3",
            customer=third,
            cancelled_fen=900_000,
            shipped_fen=0,
            cancelled_on=now.last_day,
            reason="客户要求",
        ),
    )

    async def folded() -> Any:
        found = await purchases(world, now)
        return found if found.get("甲公司", {}).get("returned_fen") and "乙公司" in found else None

    found = await until(folded)
    assert set(found) == {"甲公司", "乙公司"}  # whoever's order was cancelled whole has none
    one = found["甲公司"]
    assert (one["purchased_fen"], one["shipped_fen"], one["ordered_fen"]) == (350_000, 400_000, 0)
    assert one["quantities"] == [{"unit": "吨", "quantity": "3"}]
    assert (one["previous"]["change"], one["year_before"]["change"]) == ("—", "-12.5%")
    assert (found["乙公司"]["purchased_fen"], found["乙公司"]["ordered_fen"]) == (0, 700_000)
    assert set(await purchases(world, now - 1)) == {"甲公司"}
    assert set(await purchases(world, now, "west.sales")) == set()
    # Recorded after the quarter's end, by the real time; the policy's clock is ahead here, so both are the same.
    assert await purchases(world, now, as_of="end") == found


async def test_an_amendment_counts_by_what_it_changes(world: World) -> None:
    second, now = world.customers["乙公司"], Quarter.of(world.today)
    amended = OrderAmended(
        order="o-2",
        customer=second,
        unit="u",
        amount_fen=500_000,
        batches=(),
        signed_on=now.first_day,
        file_digest="d2",
        reason="减量",
    )
    await world.publish("vetting", ORDERS, "o-2", amended)

    async def folded() -> Any:
        return (await purchases(world, now))["乙公司"]["ordered_fen"]

    assert await until(folded) == -200_000


async def test_a_measure_is_followed_until_it_is_done(world: World) -> None:
    customer, quarter = world.customers["乙公司"], Quarter.of(world.today) - 1
    form = {"text": "面谈原因", "responsible": "sun", "due_on": (world.today + timedelta(days=3)).isoformat()}
    path = f"/purchases/{customer}/{quarter}/measures"
    refused(await world.ask("sun", "POST", path, form), 403, "forbidden")
    for wrong in ({"due_on": "2026-02-30"}, {"responsible": "\0"}, {"text": ""}, {"text": "a" * 1_000_000}):
        assert (await world.ask("manager", "POST", path, form | wrong)).status_code in (413, 422)
    bad = await world.ask("manager", "POST", f"/purchases/{customer}/2026-Q5/measures", form)
    assert bad.status_code == 422
    first = await world.done("manager", "POST", path, form, Idempotency_Key="measure-1")
    assert await world.done("manager", "POST", path, form, Idempotency_Key="measure-1") == first
    assert (await purchases(world, quarter))["乙公司"]["open_measures"] == 1
    (mine,) = await world.items("sun", "/purchase-measures?waiting_for=me")
    assert (mine["measure"], mine["overdue"]) == (first["measure"], False)
    refused(await world.ask("west.sales", "GET", f"/purchase-measures/{first['measure']}"), 404, "measure-unknown")

    await world.advance_to(calendar.end_of_day(world.today + timedelta(days=3)))
    await until(lambda: world.facts("PurchaseMeasureOverdue"))
    assert len(await world.items("market", "/purchase-measures?overdue=true")) == 1
    answer = await world.edit("sun", f"/purchase-measures/{first['measure']}", "done", {"result": "下季度恢复"})
    assert answer.status_code == 200, answer.text
    assert await world.items("sun", "/purchase-measures?waiting_for=me") == []


async def test_the_quarter_is_exported(world: World) -> None:
    quarter = Quarter.of(world.today) - 1
    refused(await world.ask("market", "GET", f"/purchases/export?quarter={quarter}"), 422, "reason-required")
    book = await world.ask("market", "GET", f"/purchases/export?quarter={quarter}", Kehu_Reason=quote("季度分析"))
    rows = CalamineWorkbook.from_filelike(io.BytesIO(book.content)).get_sheet_by_index(0).to_python()
    assert [(row[2], row[5], row[8], row[11], row[13]) for row in rows[1:]] == [
        ("甲公司", 3_500.0, "3 吨", "—", "-12.5%"),
        ("乙公司", 0.0, "", "—", "—"),
    ]
    own = await world.done("sun", "GET", f"/purchases/{world.customers['乙公司']}")
    assert [row["quarter"] for row in own] == [str(Quarter.of(world.today)), str(quarter)]


async def test_purchases_are_the_same_in_whatever_order_facts_arrive_and_merges_add_up(world: World) -> None:
    """Against a plain sum in Python; for every shuffle, and as of each moment at which something was recorded."""
    running = world.assembly.running
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    for seed in range(12):
        shuffle = random.Random(seed)  # noqa: S311 - a property's seed
        facts: list[RecordedFact[Any]] = []
        for number in range(shuffle.randint(1, 14)):
            customer = shuffle.choice(["p-1", "p-2", "p-3"])
            on = date(2027, 12, 1) + timedelta(days=shuffle.randint(0, 150))  # over a leap day and two quarters' ends
            make = shuffle.choice([shipped, returned])
            fact = make(f"x-{customer}", customer, on, shuffle.randint(0, 10**15), str(shuffle.randint(0, 999) / 8))
            at = begin + timedelta(hours=number)
            facts.append(RecordedFact(fact, new_id(), "s", number, 1, customer, "", "", "", new_id(), None, at, at))
        as_of = shuffle.choice([None, begin + timedelta(hours=shuffle.randint(0, 14))])
        quarters = [Quarter(2027, 4), Quarter(2028, 1), Quarter(2028, 2)]
        answers: list[Any] = []
        async with running.pool.acquire() as connection:
            for _ in range(3):
                transaction = connection.transaction()
                await transaction.start()
                try:
                    await connection.execute(
                        "INSERT INTO lineage_links VALUES ($1, 'p-2', 'p-1', $2, NULL)", new_id(), begin
                    )
                    await apply_facts(connection, [PURCHASES_VIEW], shuffle.sample(facts, len(facts)))
                    answers.append(await purchases_of(connection, ["p-1", "p-3"], quarters, as_of))
                finally:
                    await transaction.rollback()
        assert answers[0] == answers[1] == answers[2]
        for (customer, quarter), figures in answers[0].items():
            family = {"p-1"} if customer == "p-1" and as_of and as_of <= begin else {customer}
            family |= {"p-2"} if customer == "p-1" and not (as_of and as_of <= begin) else set()
            counted = [
                one.fact
                for one in facts
                if one.fact.customer in family
                and (as_of is None or one.recorded_at < as_of)
                and str(Quarter.of(getattr(one.fact, "shipped_on", None) or one.fact.returned_on)) == quarter
            ]
            signs = [(fact, 1 if isinstance(fact, GoodsShipped) else -1) for fact in counted]
            assert figures.purchased == sum(sign * fact.value_fen for fact, sign in signs)
            quantity = sum((sign * fact.lines[0].quantity for fact, sign in signs), Decimal(0))
            assert figures.quantities.get("吨", Decimal(0)) == quantity


async def test_the_timeline_shows_all_services_newest_first_with_notes(world: World) -> None:
    customer = world.customers["甲公司"]
    await world.done("manager", "POST", f"/timeline/{customer}/notes", {"text": "客户希望月底前送货"})
    refused(
        await world.ask("west.sales", "POST", f"/timeline/{customer}/notes", {"text": "x"}), 404, "dossier-not-found"
    )
    for wrong in ({"text": "\0"}, {"text": "\u202e"}, {"text": ""}, {}, {"text": 1}):
        assert (await world.ask("manager", "POST", f"/timeline/{customer}/notes", wrong)).status_code == 422

    lines: list[dict[str, Any]] = []
    following: str | None = f"/timeline/{customer}?limit=4"
    while following:
        page = await world.done("market", "GET", following)
        lines += page["items"]
        following = page["next"]
    assert lines[0]["zh"] == "备注:客户希望月底前送货"
    keys = [(datetime.fromisoformat(line["occurred_at"]), line["fact"]) for line in lines]
    assert keys == sorted(set(keys), reverse=True)
    assert {"dossier", "verification", "order", "shipment", "return", "note", "change"} <= {
        line["kind"] for line in lines
    }
    assert all(line["actor"] and line["zh"] and line["en"] and line["recorded_at"] for line in lines)
    text = json.dumps(lines, ensure_ascii=False)
    assert "王小明" not in text
    assert "13800138000" not in text
    kept = await world.items("market", f"/timeline/{customer}?kind=return")
    assert [line["type"] for line in kept] == ["GoodsReturned"]
    today = world.today.isoformat()
    recent = await world.items("market", f"/timeline/{customer}?from={today}&to={today}")
    assert recent
    assert {datetime.fromisoformat(line["occurred_at"]).astimezone(calendar.SHANGHAI).date() for line in recent} == {
        world.today
    }
    assert (await world.ask("market", "GET", f"/timeline/{customer}?from=9999-12-31")).status_code == 422


# --- R5.3.5 ----------------------------------------------------------------------------------------------------------


async def test_a_month_is_proposed_submitted_once_and_corrected(world: World) -> None:
    month = Month.of(world.today)
    first, second = world.customers["甲公司"], world.customers["乙公司"]
    for customer in (first, second):
        active = AgentActivated(
            customer=customer, qualification="q", department="east", agent=False, activated_on=month.first_day
        )
        await world.publish("vetting", ORDERS, f"activation-{customer}", active)
    path = f"/monthly-reports/east/{month}"
    refused(await world.ask("manager", "POST", path, {}), 409, "month-not-ended")
    await world.advance_to(month.end)
    await world.done(
        "manager", "POST", "/volumes", {"reports": [{"customer": first, "month": str(month), "amount_fen": 123}]}
    )

    async def waiting() -> Any:
        # Earlier months wait too.
        return str(month) in [row["month"] for row in await world.items("manager", "/monthly-reports?waiting_for=me")]

    await until(waiting)

    async def activated() -> Any:
        found = (await world.done("manager", "GET", path))["proposed"]["missing"]
        return found if len(found) == 1 else None  # one has reported

    (missing,) = await until(activated)
    proposed = (await world.done("manager", "GET", path))["proposed"]
    assert [(one["customer"], one["amount_fen"]) for one in proposed["volumes"]] == [(first, 123)]
    refused(await world.ask("west.manager", "GET", path), 404, "department-unknown")
    refused(await world.ask("market", "POST", path, {}), 403, "forbidden")
    for wrong in ({"credit_remarks": "\0"}, {"lost": [{"customer": "../x"}]}, {"lost": 1}, {"more": 1}):
        assert (await world.ask("manager", "POST", path, wrong)).status_code == 422
    refused(await world.ask("manager", "POST", path, {"lost": [{"customer": "K999999"}]}), 422, "customer-unknown")
    assert (await world.ask("manager", "POST", "/monthly-reports/east/2026-13", {})).status_code == 422
    body = {"lost": [{"customer": missing, "remark": "停产"}], "market_remarks": "钢价上涨"}
    await world.done("manager", "POST", path, body, Idempotency_Key="month-1")
    await world.done("manager", "POST", path, body, Idempotency_Key="month-1")
    refused(await world.ask("manager", "POST", path, body), 409, "already-submitted")
    corrected = await world.edit("manager", path, "corrections", {**body, "reason": "补充", "credit_remarks": "无"})
    assert corrected.status_code == 200, corrected.text
    (row,) = await world.items("market", f"/monthly-reports?month={month}&state=submitted")
    assert (row["department"], row["late"], row["nil"], row["corrections"]) == ("east", False, False, 1)
    book = await world.ask("market", "GET", f"{path}/export", Kehu_Reason=quote("汇总"))
    rows = CalamineWorkbook.from_filelike(io.BytesIO(book.content)).get_sheet_by_index(0).to_python()
    assert ["合同量 Volume", proposed["volumes"][0]["number"], 1.23, ""] in rows
    assert ["流失 Lost", missing, "", "停产"] in rows


async def test_a_report_that_is_not_there_when_the_month_closes_is_missing_and_taken_late(world: World) -> None:
    month = Month.of(world.today) - 1
    await world.advance_to(calendar.month_closes_at(month))

    async def missing() -> Any:
        found = await world.facts("MonthlyReportMissing")
        return [one["department"] for one in found if one["month"] == str(month)]

    assert await until(missing) == ["west"]

    async def listed() -> Any:
        return await world.items("market", f"/monthly-reports?month={month}&state=missing")

    assert [row["department"] for row in await until(listed)] == ["west"]
    await world.done("west.manager", "POST", f"/monthly-reports/west/{month}", {"changed": []})
    (row,) = await world.items("market", f"/monthly-reports?month={month}&state=late")
    assert (row["department"], row["missed"], row["nil"]) == ("west", True, True)


# --- merges ----------------------------------------------------------------------------------------------------------


async def test_a_merge_moves_all_that_comes_round_to_the_survivor_and_its_undoing_brings_it_back(world: World) -> None:
    survivor, merged = world.customers["甲公司"], world.customers["乙公司"]
    present, before = Quarter.of(world.today), Quarter.of(world.today) - 1
    alone = {name: row for name, row in (await purchases(world, before)).items() if name in ("甲公司", "乙公司")}
    answer = await world.edit(
        "manager", f"/dossiers/{survivor}", "merges", {"merged": merged, "reason": "同一客户", "duplicate_months": []}
    )
    assert answer.status_code == 200, answer.text
    confirmed = await world.edit("market", f"/dossiers/{survivor}", f"merges/{answer.json()['merge']}/confirm")
    assert confirmed.status_code == 200, confirmed.text

    async def mark(customer: str) -> str:
        return (await world.done("market", "GET", f"/verifications/{customer}:{present}"))["mark"]

    async def moved() -> bool:
        return await mark(merged) == "cancelled"

    await until(moved)
    assert await mark(survivor) == "open"
    together = await purchases(world, before)
    assert "乙公司" not in together
    assert together["甲公司"]["ordered_fen"] == sum(row["ordered_fen"] for row in alone.values())
    lines = (await world.done("market", "GET", f"/timeline/{merged}?limit=200"))["items"]
    assert {line["customer"] for line in lines} == {survivor, merged}
    assert [line["type"] for line in lines].count("CustomersMerged") == 1

    path = f"/dossiers/{survivor}"
    undo = (await world.edit("market", path, f"merged/{merged}/undo", {"reason": "并非同一客户"})).json()["merge"]
    undone = await world.edit("manager", path, f"merges/{undo}/confirm")
    assert undone.status_code == 200, undone.text

    async def restored() -> bool:
        return await mark(merged) == "open"

    await until(restored)
    assert await mark(survivor) == "open"
    apart = await purchases(world, before)
    assert {name: apart[name] for name in alone} == alone
    lines = (await world.done("market", "GET", f"/timeline/{merged}?limit=200"))["items"]
    assert {line["customer"] for line in lines} == {merged}


VIEWS = (
    "monthly_facts",
    "monthly_activations",
    "monthly_reports",
    "verifications",
    "verification_rounds",
    "lineage",
    "purchases",
    "purchase_measures",
    "timeline_registry",
    "timeline_vetting",
)


async def test_views_are_the_same_after_a_rebuild(world: World) -> None:
    owner = await asyncpg.connect(**world.settings.connection(OWNER_ROLE))
    try:
        for view in VIEWS:
            assert (await rebuild(world.assembly.running, view, owner)).same, view
    finally:
        await owner.close()
