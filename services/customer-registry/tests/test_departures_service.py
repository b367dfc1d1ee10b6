"""A salesperson leaves, as people meet it: over HTTP, on a real PostgreSQL and broker, with the clock moved.

One story, told in order: the later tests lean on what the earlier ones have done. The notifier's receipts and
engagement's visits come through Kafka.
"""

from __future__ import annotations

import io
import re
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import docx
import httpx2
import pytest
import pytest_asyncio
from python_calamine import CalamineWorkbook

from kehu import calendar
from kehu.applying import apply_facts
from kehu.contracts.engagement import VisitLogged, VisitPlanned
from kehu.contracts.messages import MessageDelivered
from kehu.contracts.trade import InvoiceRequested, ShippingStopDeclined, ShippingStopProposed
from kehu.contracts.vetting import QualificationStepPassed, QualificationSubmitted, SignoffsVoided
from kehu.deciding import Category
from kehu.facts import Fact, RecordedFact
from kehu.ids import new_id
from kehu.printing.routes import FormPrinted, printings
from kehu.rebuilding import rebuild
from kehu.service import Feature, Service
from kehu.settings import OWNER_ROLE
from kehu.testing.platform import Platform
from kehu_customer_registry.departures.approvals import WAITING_STEPS
from kehu_customer_registry.departures.naming import open_things
from kehu_customer_registry.departures.proofs import TEMPLATE
from kehu_customer_registry.testing_world import World as Base
from kehu_customer_registry.testing_world import open_world, refused, until

USCCS = ("91110000600037341L", "9144030071526726XG", "91440300708461136T", "92330106MA2CEX7TXM")
POSTS: dict[str, list[tuple[str, str | None]]] = {
    "sun": [("salesperson", "east")],
    "qian": [("salesperson", "east")],
    "zhou": [("salesperson", "east")],
    "manager": [("dept_manager", "east")],
    "west.manager": [("dept_manager", "west")],
    "hr": [("hr", None)],
    "auditor": [("auditor", None)],
}
MESSAGES = Category("message", (MessageDelivered,), None, lambda state, _fact: state)
VISITS = Category("visits", (VisitPlanned, VisitLogged), None, lambda state, _fact: state)


@dataclass
class World(Base):
    """With the departure of the story."""

    departure: str = ""

    async def step(self, person: str, customer: str, step: str, body: Any = None) -> httpx2.Response:
        """A step of the handover of one of the customers, in the departure of the story."""
        path = f"/departures/{self.departure}/customers/{self.customers[customer]}/{step}"
        return await self.ask(person, "POST", path, body)

    async def register(self, name: str, identity: str, owner: str = "sun") -> None:
        """A customer from first draft to archive."""
        form = {
            "name": name,
            "department": "east",
            "kind": "dealer",
            "nature": "limited_liability",
            "supervising_body": "无",
            "address": f"杭州市西湖区文三路 {len(self.customers) + 1} 号",
            "region": "浙江",
            "identity": {"kind": "uscc", "number": identity},
            "contacts": [
                {"name": "王小明", "phone": f"1380013800{len(self.customers)}", "title": "总经理", "audience": "I"}
            ],
        }
        customer = (await self.done(owner, "POST", "/dossiers", form))["id"]
        for person, step in ((owner, "submit"), ("manager", "pass")):
            seen = await self.ask(owner, "GET", f"/dossiers/{customer}")
            path = f"/dossiers/{customer}/{step}"
            await self.done(person, "POST", path, If_Match=seen.headers["etag"])
        self.customers[name] = customer

    async def advance(self, days: int) -> None:
        """Move the clock of the whole system to a moment after midnight."""
        await self.advance_to(calendar.start_of_day(self.today + timedelta(days=days)))

    async def worklist(self) -> Any:
        """The departure of the story as HR sees it."""
        return await self.done("hr", "GET", f"/departures/{self.departure}")

    async def lacking(self) -> dict[str, str | None]:
        """What each customer lacks."""
        names = {customer: name for name, customer in self.customers.items()}
        return {names[row["customer"]]: row["lacks"] for row in (await self.worklist())["customers"]}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def world(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[World]:
    none = tmp_path_factory.mktemp("none")
    notifier = Service("notifier", "n", [Feature("published", categories=[MESSAGES])], none)
    engagement = Service("engagement", "e", [Feature("published", categories=[VISITS])], none)
    async with open_world(World, platform, notifier, engagement) as found:
        await found.staff(POSTS)
        yield found


# --- staff -----------------------------------------------------------------------------------------------------------


async def test_departments_people_and_posts_are_administered_with_their_history(world: World) -> None:
    await world.done("admin", "POST", "/departments", {"code": "north", "name": "华北营销部", "region": "华北"})
    await world.done("admin", "PATCH", "/departments/north", {"region": "华北及东北"})
    await world.done("admin", "POST", "/staff", {"person": "wu", "number": "3001", "name": "吴", "department": "north"})
    refused(await world.ask("admin", "POST", "/departments/north/close", {"reason": "合并"}), 409, "department-in-use")
    await world.done("admin", "POST", "/staff/wu/department", {"department": "west"})
    await world.done("admin", "POST", "/departments/north/close", {"reason": "合并"})
    post = {"role": "salesperson", "department": "north"}
    refused(await world.ask("admin", "POST", "/staff/wu/roles", post), 404, "department-unknown")
    history = await world.done("sun", "GET", "/departments/north/history")
    assert [one["type"] for one in history] == ["DepartmentOpened", "DepartmentChanged", "DepartmentClosed"]
    (row,) = [row for row in (await world.done("sun", "GET", "/staff"))["items"] if row["person"] == "wu"]
    assert (row["department"], row["department_name"], row["region"]) == ("west", "西部营销部", "西部")


async def test_a_department_has_one_manager_and_who_had_which_post_is_kept(world: World) -> None:
    post = {"role": "dept_manager", "department": "west"}
    problem = refused(await world.ask("admin", "POST", "/staff/wu/roles", post), 409, "post-taken")
    assert problem["evidence"] == {"manager": "west.manager"}
    await world.done("admin", "POST", "/staff/west.manager/roles/revoke", post)
    await world.done("admin", "POST", "/staff/wu/roles", post)
    path = f"/staff/roles?on={world.today}&role=dept_manager&department=west"
    rows = (await world.done("auditor", "GET", path))["items"]
    assert [(row["person"], row["until"] is None, row["revoked_by"]) for row in rows] == [
        ("west.manager", False, "admin"),
        ("wu", True, None),
    ]
    assert (await world.done("hr", "GET", f"/staff/roles?on={world.today - timedelta(days=1)}"))["items"] == []
    refused(await world.ask("sun", "GET", path), 403, "forbidden")


# --- a departure -----------------------------------------------------------------------------------------------------


async def test_from_its_start_who_is_leaving_only_reads_their_own_masked_and_exports_nothing(world: World) -> None:
    for name, identity in zip(("甲公司", "乙公司", "丙公司"), USCCS[:3], strict=True):
        await world.register(name, identity)
    await world.register("丁公司", USCCS[3], "qian")
    visit = VisitPlanned(
        visit="v-1",
        customer=world.customers["甲公司"],
        department="east",
        planned_on=world.today,
        visitors=("sun", "qian"),
        purpose="对账",
        first_visit=False,
    )
    await world.publish("engagement", VISITS, world.customers["甲公司"], visit)
    body = {"person": "sun", "last_day": str(world.today + timedelta(days=10)), "reason": "辞职"}
    refused(await world.ask("sun", "POST", "/departures", body), 403, "not-the-manager")
    started = await world.done("hr", "POST", "/departures", body, Idempotency_Key="l-1")
    assert (await world.done("hr", "POST", "/departures", body, Idempotency_Key="l-1")) == started
    assert re.fullmatch(r"LZ\d{6}", started["number"])
    world.departure = started["number"]
    refused(await world.ask("hr", "POST", "/departures", body), 409, "leaving")

    assert (await world.done("sun", "GET", "/me"))["departing"] is True
    refused(await world.ask("sun", "GET", "/register"), 403, "departing")
    refused(await world.ask("sun", "GET", "/register/export", Kehu_Reason="x"), 403, "departing")
    refused(await world.ask("sun", "POST", "/dossiers", {"name": "新", "department": "east"}), 403, "departing")
    refused(await world.ask("sun", "GET", "/dossiers?waiting_for=me"), 403, "departing")
    reports = {"reports": [{"customer": "K000001", "month": "2026-09", "amount_fen": 1}]}
    refused(await world.ask("sun", "POST", "/volumes", reports), 403, "departing")
    (contact,) = (await world.done("sun", "GET", f"/dossiers/{world.customers['甲公司']}"))["contacts"]
    assert contact["name"] == "王**"
    refused(await world.ask("sun", "GET", f"/dossiers/{world.customers['丁公司']}"), 404, "dossier-not-found")
    owner = {"owner": "sun", "collaborators": []}
    seen = await world.ask("manager", "GET", f"/dossiers/{world.customers['丁公司']}")
    path = f"/dossiers/{world.customers['丁公司']}/owner"
    response = await world.ask("manager", "POST", path, owner, If_Match=seen.headers["etag"])
    assert response.status_code in (404, 409), response.text
    post = {"role": "verifier", "department": "east"}
    refused(await world.ask("admin", "POST", "/staff/sun/roles", post), 409, "leaving")


async def test_the_worklist_names_customers_and_whatever_else_names_the_leaver(world: World) -> None:
    async def named() -> Any:
        return [(one["kind"], one["thing"]) for one in (await world.worklist())["things"]]

    assert await until(named) == [("visit", "v-1")]
    assert await world.lacking() == dict.fromkeys(("甲公司", "乙公司", "丙公司"), "successor-missing")
    problem = refused(await world.ask("hr", "POST", f"/departures/{world.departure}/clear"), 409, "departure-open")
    assert len(problem["evidence"]["customers"]) == 3
    assert "v-1" in problem["detail"]
    for person in ("sun", "manager", "auditor"):
        await world.done(person, "GET", f"/departures/{world.departure}")
    for person in ("qian", "wu"):
        refused(await world.ask(person, "GET", f"/departures/{world.departure}"), 404, "departure-not-found")
    (row,) = (await world.done("manager", "GET", "/departures?waiting_for=me"))["items"]
    assert (row["number"], row["person"], row["state"]) == (world.departure, "sun", "running")
    assert (await world.done("qian", "GET", "/departures"))["items"] == []


async def test_a_successor_accepts_and_the_delivered_notice_proves_it(world: World) -> None:
    successor = {"successor": "qian"}
    refused(await world.step("qian", "甲公司", "successor", successor), 404, "departure-not-found")
    assert (await world.step("manager", "甲公司", "successor", successor)).status_code == 200
    assert (await world.step("sun", "甲公司", "notes", {"text": "每月 5 日对账"})).status_code == 200
    (offered,) = (await world.done("qian", "GET", "/handovers?waiting_for=me"))["items"]
    assert (offered["name"], offered["leaver"], offered["departure_number"]) == ("甲公司", "sun", world.departure)
    refused(await world.step("manager", "甲公司", "accept"), 409, "answer-not-due")
    refused(await world.step("zhou", "甲公司", "accept"), 404, "departure-not-found")
    assert (await world.step("qian", "甲公司", "accept")).status_code == 200
    assert (await world.done("qian", "GET", f"/dossiers/{world.customers['甲公司']}"))["owner"] == "qian"
    certificate = await world.done("hr", "GET", f"/departures/{world.departure}/certificate")
    (due,) = [one for one in certificate["facts"] if one["type"] == "HandoverNoticeDue"]
    receipt = MessageDelivered(
        message="m-1", customer=world.customers["甲公司"], channel="sms", template=TEMPLATE, cause=due["id"]
    )
    await world.publish("notifier", MESSAGES, "m-1", receipt)

    async def proved() -> bool:
        return (await world.lacking())["甲公司"] is None

    await until(proved)


async def test_letters_calls_and_waivers_are_recorded_by_others_than_the_leaver(world: World) -> None:
    for customer in ("乙公司", "丙公司"):
        assert (await world.step("manager", customer, "successor", {"successor": "zhou"})).status_code == 200
        assert (await world.step("zhou", customer, "accept")).status_code == 200
    call = {"proof": "call", "remark": "已电话告知"}
    refused(await world.step("sun", "乙公司", "proof", call), 403, "departing")
    refused(await world.step("zhou", "乙公司", "proof", {"proof": "letter", "remark": "回执"}), 422, "digest-missing")
    assert (await world.step("zhou", "乙公司", "proof", call)).status_code == 200
    refused(await world.step("zhou", "乙公司", "proof", call), 409, "already-proved")
    (left,) = (await world.done("manager", "GET", "/handovers?waiting_for=me"))["items"]
    assert left["name"] == "丙公司"
    refused(await world.step("manager", "丙公司", "waive", {"reason": "停业"}), 409, "too-few-attempts")
    for _ in range(2):
        attempt = {"method": "call", "remark": "停机"}
        assert (await world.step("zhou", "丙公司", "attempts", attempt)).status_code == 200
    assert (await world.step("manager", "丙公司", "waive", {"reason": "停业"})).status_code == 200


async def test_a_departure_and_its_worklist_are_files_for_hr_and_the_manager(world: World) -> None:
    refused(await world.ask("hr", "GET", "/departures/export"), 422, "reason-required")
    refused(await world.ask("sun", "GET", f"/departures/{world.departure}/export", Kehu_Reason="x"), 403, "departing")
    path = f"/departures/{world.departure}/export"
    refused(await world.ask("qian", "GET", path, Kehu_Reason="x"), 404, "departure-not-found")
    for person in ("hr", "manager"):
        book = await world.ask(person, "GET", "/departures/export?state=running", Kehu_Reason="x")
        assert [row[:2] for row in sheet(book)[1:]] == [[world.departure, "sun"]]
        rows = sheet(await world.ask(person, "GET", path, Kehu_Reason="x"))[1:]
        assert sorted((row[2][8:], row[4], row[7]) for row in rows[:3]) == [
            ("丙公司", "zhou", "waived"),
            ("乙公司", "zhou", "call"),
            ("甲公司", "qian", "delivery"),
        ]
        assert (rows[3][1], rows[3][8]) == ("v-1", "未移交 not moved")


async def test_what_only_the_leaver_may_sign_is_in_the_worklist_until_somebody_else_may(world: World) -> None:
    """Guard: `STRANDED` over vetting's chains; nothing is moved of what others sign too."""
    chain: dict[str, Any] = {"qualification": "q-1", "customer": world.customers["甲公司"], "department": "east"}
    to_finance = {"step": "vetting", "next_step": "finance", "signed_by": "nei"}
    to_manager = {"step": "finance", "next_step": "manager", "signed_by": "fin"}
    f2 = {"request": "r-1", "number": "KP000001", "order": "o-1", "gross_fen": 1, "requested_by": "qian"}
    about = {"customer": chain["customer"], "department": "east"}
    stop = {"order": "o-1", "order_number": "DD1", "side": "finance", "lift": False, "reason": "x", "proposed_by": "f"}
    declined = ShippingStopDeclined.model_validate(about | stop | {"declined_by": "manager"})
    told: list[tuple[Fact, list[str], dict[str, list[str]]]] = [
        (QualificationSubmitted(**chain, bundle=1, digest="d", submitted_by="sun"), ["wu"], {"wu": ["q-1:vetting"]}),
        (QualificationStepPassed.model_validate(chain | to_finance), ["wu"], {}),  # nobody here is of finance
        (QualificationStepPassed.model_validate(chain | to_manager), ["wu"], {"manager": ["q-1:manager"]}),
        (SignoffsVoided.model_validate(chain | {"from_step": "finance", "steps": (), "because_of": "x"}), [], {}),
        (InvoiceRequested.model_validate(about | f2), [], {"manager": ["r-1:marketing"]}),
        (ShippingStopProposed.model_validate(about | stop), ["wu"], {"manager": ["o-1:manager"]}),  # wu may pass the F2
        (declined, ["wu"], {}),
    ]
    running = world.assembly.running
    async with running.pool.acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        try:
            for number, (fact, vetters, waiting) in enumerate(told, 1):
                await apply_facts(connection, [WAITING_STEPS], [recorded(fact, number)])
                await connection.execute("DELETE FROM staff_grants WHERE role = 'vetter'")
                await connection.executemany(
                    "INSERT INTO staff_grants (person, role, department) VALUES ($1, 'vetter', 'east')",
                    [(one,) for one in vetters],
                )
                found: dict[str, list[str]] = {}
                for person in ("sun", "qian", "manager", "wu"):
                    for one in await open_things(connection, person, world.today):
                        if one.kind == "approval":
                            found.setdefault(person, []).append(one.thing)
                assert found == waiting, fact
        finally:
            await transaction.rollback()


def recorded(fact: Fact, number: int) -> RecordedFact[Fact]:
    at = datetime.now(UTC)
    return RecordedFact(fact, new_id(), "s", number, number, "", "", "", "", new_id(), None, at, at)


def sheet(answer: httpx2.Response) -> list[list[Any]]:
    assert answer.status_code == 200, answer.text
    return CalamineWorkbook.from_filelike(io.BytesIO(answer.content)).get_sheet_by_index(0).to_python()


async def test_it_is_cleared_once_nothing_is_open_and_the_certificate_lists_the_evidence(world: World) -> None:
    refused(await world.ask("hr", "POST", f"/departures/{world.departure}/clear"), 409, "departure-open")
    printed = f"/departures/{world.departure}/certificate/print"
    refused(await world.ask("hr", "GET", f"{printed}?format=pdf", Kehu_Reason="x"), 409, "departure-not-cleared")
    things = f"/departures/{world.departure}/things"
    visit = {"kind": "visit", "thing": "v-1", "remark": "请补记"}
    refused(await world.ask("qian", "POST", things, visit), 404, "departure-not-found")
    refused(await world.ask("manager", "POST", things, visit | {"to": "sun"}), 422, "successor-self")
    refused(await world.ask("manager", "POST", things, visit | {"thing": "v-2"}), 404, "thing-unknown")
    await world.done("manager", "POST", things, visit | {"to": "qian"})
    (moved,) = [one for one in (await world.worklist())["things"] if one["thing"] == "v-1"]
    assert moved["taken_over"]
    (mine,) = (await world.done("qian", "GET", "/moved-work?waiting_for=me"))["items"]
    assert (mine["thing"], mine["leaver"], mine["moved_by"]) == ("v-1", "sun", "manager")
    at = calendar.start_of_day(world.today)
    logged = VisitLogged(
        visit="v-1",
        customer=world.customers["甲公司"],
        department="east",
        visited_at=at,
        attendees=("sun", "qian"),
        planned=True,
        first_visit=False,
    )
    await world.publish("engagement", VISITS, world.customers["甲公司"], logged)

    async def clear() -> bool:
        return (await world.worklist())["clear"]

    await until(clear)

    async def done() -> bool:
        return (await world.done("qian", "GET", "/moved-work?waiting_for=me"))["items"] == []

    await until(done)
    refused(await world.ask("manager", "POST", f"/departures/{world.departure}/clear"), 403, "hr-only")
    await world.done("hr", "POST", f"/departures/{world.departure}/clear")
    certificate = await world.done("hr", "GET", f"/departures/{world.departure}/certificate")
    assert certificate["cleared_by"] == "hr"
    assert certificate["departure"]["state"] == "cleared"
    proofs = {one["data"]["proof"] for one in certificate["facts"] if one["type"] == "HandoverProved"}
    assert proofs == {"delivery", "call", "waived"}
    assert len({one["id"] for one in certificate["facts"]}) == len(certificate["facts"])

    refused(await world.ask("hr", "GET", f"{printed}?format=pdf"), 422, "reason-required")
    refused(await world.ask("sun", "GET", f"{printed}?format=pdf", Kehu_Reason="x"), 403, "departing")
    made = await world.ask("manager", "GET", f"{printed}?format=pdf", Kehu_Reason="x")
    assert (made.status_code, made.content[:5]) == (200, b"%PDF-")
    answer = await world.ask("hr", "GET", f"{printed}?format=docx", Kehu_Reason="x")
    text = "".join(docx.Document(io.BytesIO(answer.content)).element.itertext())
    for said in (
        world.departure,
        "甲公司",
        "乙公司",
        "丙公司",
        "已电话告知",
        "停业",
        "v-1",
        certificate["facts"][0]["id"],
    ):
        assert said in text, said
    history = await world.assembly.running.commands.history(printings("customer_registry"), "hr")
    assert [(one.fact.form, one.fact.of) for one in history if isinstance(one.fact, FormPrinted)] == [
        ("Certificate of clearance", world.departure)
    ]


async def test_a_token_outlives_the_departure_and_opens_nothing_from_the_next_minute_on(world: World) -> None:
    assert (await world.ask("sun", "GET", "/me")).status_code == 200
    await world.advance(11)
    refused(await world.ask("sun", "GET", "/me"), 403, "access-ended")
    refused(await world.ask("sun", "GET", f"/departures/{world.departure}"), 403, "access-ended")

    async def ended() -> bool:
        return (await world.worklist())["access_ended"]

    await until(ended)


async def test_what_is_left_when_access_ends_passes_to_the_manager_and_delegations_end(world: World) -> None:
    body = {"person": "zhou", "last_day": str(world.today), "reason": "调离"}
    started = await world.done("manager", "POST", "/departures", body)
    second = await world.done("hr", "POST", "/departures", body | {"person": "wu"})
    cancelled = await world.done("hr", "POST", f"/departures/{second['number']}/cancel", {"reason": "留任"})
    assert cancelled["number"] == second["number"]
    assert (await world.done("wu", "GET", "/me"))["departing"] is False
    await world.advance(1)

    async def passed() -> bool:
        mine = (await world.done("manager", "GET", "/register?owner=manager"))["items"]
        return {row["name"] for row in mine} == {"乙公司", "丙公司"}

    await until(passed)
    shown = await world.done("hr", "GET", f"/departures/{started['number']}")
    assert {row["lacks"] for row in shown["customers"]} == {"proof-missing"}
    assert {row["accepted_by"] for row in shown["customers"]} == {"system:customer-registry/departures"}
    assert (await world.ask("wu", "GET", "/me")).status_code == 200


async def test_what_nobody_answers_is_told_to_the_superior_and_waits_on(world: World) -> None:
    form = {"name": "无人审核公司", "department": "east", "kind": "dealer", "nature": "limited_liability"}
    rest = {
        "supervising_body": "无",
        "address": "杭州市上城区解放路 2 号",
        "region": "浙江",
        "identity": {"kind": "public_body_code", "number": "SHJ2026"},
        "contacts": [{"name": "李四", "phone": "13900139000"}],
    }
    customer = (await world.done("qian", "POST", "/dossiers", form | rest))["id"]
    await world.done("qian", "POST", f"/dossiers/{customer}/submit", If_Match='"1"')
    await world.advance(4)

    async def told() -> Any:
        return (await world.done("admin", "GET", "/escalations"))["items"]

    (row,) = await until(told)
    assert (row["customer"], row["step"], row["superior"]) == (customer, "dossier:review", "general_manager")
    assert (await world.done("manager", "GET", "/escalations?waiting_for=me"))["items"] == []
    seen = await world.ask("qian", "GET", f"/dossiers/{customer}")
    assert seen.json()["status"] == "submitted"
    await world.done("manager", "POST", f"/dossiers/{customer}/pass", If_Match=seen.headers["etag"])
    assert await told() == []


@pytest.mark.parametrize("text", ["\0", "\u202e倒", "x" * 1_000_000])
async def test_deceptive_and_huge_texts_are_refused_with_what_to_mend(world: World, text: str) -> None:
    body = {"person": "wu", "last_day": str(world.today), "reason": text}
    response = await world.ask("hr", "POST", "/departures", body)
    assert response.status_code in (413, 422), response.text
    for last_day in ("2026-02-30", "9999-12-31", "0001-01-01"):
        response = await world.ask("hr", "POST", "/departures", body | {"last_day": last_day, "reason": "x"})
        assert response.status_code == 422, response.text
    refused(await world.ask("hr", "GET", "/departures/LZ999999"), 404, "departure-not-found")


@pytest.mark.parametrize(
    "view", ["departures", "posts-held", "named-here", "escalations", "waiting-steps", "moved-work"]
)
async def test_rebuilt_lists_have_the_same_rows(world: World, view: str) -> None:
    owner = await asyncpg.connect(**world.settings.connection(OWNER_ROLE))
    try:
        found = await rebuild(world.assembly.running, view, owner)
    finally:
        await owner.close()
    assert found.same, found
