"""The service as others meet it, on a real PostgreSQL and a real broker: facts come by Kafka, the ledger goes by HTTP.

One story, told in order, in the sandbox: the later tests know the messages of the earlier ones.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import asyncpg
import httpx2
import pytest
import pytest_asyncio
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from kehu import calendar, clock
from kehu.calendar import Month
from kehu.contracts.customers import (
    Contact,
    CustomerKind,
    CustomerRegistered,
    DossierReturned,
    DossierSubmitted,
    IdentityKind,
    MonthlyReportDue,
    MonthlyReportSubmitted,
    OwnerAssigned,
)
from kehu.contracts.engagement import VisitLogged, VisitPlanned, VisitRecordOverdue
from kehu.contracts.grading import Grade, GradeAssigned, GradeDriftNoticed
from kehu.contracts.staff import (
    STAFF_FACTS,
    DelegateAppointed,
    DepartureCancelled,
    DepartureStarted,
    Role,
    RoleGranted,
    StaffMemberAppointed,
)
from kehu.contracts.trade import (
    InvoiceCollected,
    InvoiceIssued,
    InvoiceKind,
    SettlementUnitLinked,
    SettlementUnitQualified,
    SettlementUnitSuspended,
)
from kehu.contracts.vetting import (
    AgentActivated,
    QualificationApproved,
    QualificationStepPassed,
    QualificationSubmitted,
    Step,
)
from kehu.deciding import Actor, Category, Context, Decision
from kehu.facts import Fact
from kehu.identity import issue_token
from kehu.ids import new_id
from kehu.loops import Loop
from kehu.parts import Running, connect
from kehu.rebuilding import rebuild
from kehu.relay import Relay
from kehu.running import Assembly, assemble
from kehu.service import Feature, Service
from kehu.settings import OWNER_ROLE, TOKEN_ISSUER, Settings
from kehu.spreadsheets import read_rows
from kehu.testing.platform import Platform
from kehu_notifier.app import build
from kehu_notifier.messages.exporting import LEDGER_EXPORTS, LedgerExported
from kehu_notifier.notices.catching_up import find_left
from kehu_notifier.notices.company import look_up
from kehu_notifier.notices.decisions import recipients
from kehu_notifier.notices.facts import Audience
from kehu_notifier.settings import NotifierSettings
from kehu_notifier.templates.template import TemplateName

PATIENCE = 60
CANCELLED = DepartureCancelled(
    person="chen", departure="dp-1", number="LZ000001", department="west", reason="x", cancelled_by="he"
)
PHONE = "+8613800138000"
CONTACT_NAME = "王小明"
notifier = build(NotifierSettings())


def category(name: str, *facts: type[Fact]) -> Category[None]:
    return Category(name, facts, None, lambda state, _: state)


STAFF = category("staff", *STAFF_FACTS)
DOSSIERS = category("dossier", DossierSubmitted, DossierReturned, CustomerRegistered, OwnerAssigned)
REPORTS = category("report", MonthlyReportDue, MonthlyReportSubmitted)
UNITS = category("unit", SettlementUnitQualified, SettlementUnitSuspended)
INVOICES = category("invoice", SettlementUnitLinked, InvoiceIssued, InvoiceCollected)
QUALIFICATIONS = category(
    "qualification", QualificationSubmitted, QualificationStepPassed, QualificationApproved, AgentActivated
)
GRADES = category("grade", GradeAssigned, GradeDriftNoticed)
VISITS = category("visit", VisitPlanned, VisitRecordOverdue, VisitLogged)
PUBLISHERS = {
    "customer-registry": (STAFF, DOSSIERS, REPORTS),
    "vetting": (QUALIFICATIONS, UNITS, INVOICES),
    "grading": (GRADES,),
    "engagement": (VISITS,),
}
PEOPLE = {
    "li": (Role.SALESPERSON, "east"),
    "wang": (Role.SALESPERSON, "east"),
    "chen": (Role.SALESPERSON, "west"),
    "zhao": (Role.DEPT_MANAGER, "east"),
    "he": (Role.DEPT_MANAGER, "west"),
    "sun": (Role.VETTER, "east"),
    "fin": (Role.FINANCE, None),
    "office": (Role.GM_OFFICE, None),
    "boss": (Role.GENERAL_MANAGER, None),
    "market": (Role.MARKET_DEPT, None),
    "auditor": (Role.AUDITOR, None),
}


@dataclass
class World:
    """The notifier, whoever publishes to it, and people who ask it."""

    assembly: Assembly
    publishers: dict[str, Running]
    http: httpx2.AsyncClient
    settings: Settings

    async def publish(self, service: str, kind: Category[Any], stream_id: str, *facts: Fact, by: str = "x") -> None:
        publisher = self.publishers[service]
        await publisher.clock.refresh()
        context = Context(actor=Actor(by), now=publisher.clock.now())
        await publisher.commands.handle(kind, stream_id, lambda _s, _c: Decision(facts), context, must_exist=False)

    async def submit(self, customer: str, by: str = "li") -> None:
        fact = DossierSubmitted(
            customer=customer, number=f"K-{customer}", name=f"{customer} 商贸", department="east", submitted_by=by
        )
        await self.publish("customer-registry", DOSSIERS, customer, fact, by=by)

    async def register(self, customer: str, **changes: Any) -> None:
        contact = Contact(person=f"p-{customer}", name=CONTACT_NAME, phone=PHONE, main=True)
        fields: dict[str, Any] = {
            "customer": customer,
            "number": f"K-{customer}",
            "name": f"{customer} 商贸",
            "kind": CustomerKind.DEALER,
            "nature": "limited",
            "identity_kind": IdentityKind.USCC,
            "identity": "91110000600037341L",
            "region": "湖北",
            "department": "east",
            "owner": "li",
            "contacts": (contact,),
            "registered_by": "zhao",
        }
        await self.publish("customer-registry", DOSSIERS, customer, CustomerRegistered(**fields | changes), by="zhao")

    async def assign(self, customer: str, grade: Grade) -> None:
        fact = GradeAssigned(
            customer=customer, grade=grade, basis="initial", grade_clause="R5.2.B", provisional=False, policy_version=0
        )
        await self.publish("grading", GRADES, customer, fact)

    async def ask(self, method: str, path: str, person: str, body: Any = None, **headers: str) -> httpx2.Response:
        token = issue_token(self.settings.secret(TOKEN_ISSUER), person, 5)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.http.request(method, path, json=body, headers={"Authorization": f"Bearer {token}", **named})

    async def get(self, path: str, person: str = "market") -> Any:
        response = await self.ask("GET", path, person)
        assert response.status_code == 200, response.text
        return response.json()

    async def messages(self, person: str = "market", **filters: str) -> list[Any]:
        query = "&".join(f"{name}={value}" for name, value in filters.items())
        return (await self.get(f"/messages?limit=200&{query}", person))["items"]

    async def told(self, count: int = 1, *, state: str = "delivered", **filters: str) -> list[Any]:
        """So many messages of that kind, once each of them is in that state."""

        async def found() -> list[Any]:
            rows = await self.messages(**filters)
            return rows if len(rows) >= count and all(row["state"] == state for row in rows) else []

        rows = await until(found)
        assert len(rows) == count, rows
        return rows

    async def clock_to(self, at: datetime) -> None:
        """Move the clock of the whole system."""
        running = self.assembly.running
        owner = await asyncpg.connect(**self.settings.connection(OWNER_ROLE))
        try:
            await clock.advance(owner, at - running.clock.now(), demonstration=True)
        finally:
            await owner.close()

        async def moved() -> bool:
            return running.clock.now() >= at

        await until(moved)


async def until(condition: Callable[[], Awaitable[Any]]) -> Any:
    """Wait for a condition in another loop or server, which tells nobody when it changes."""
    async with asyncio.timeout(PATIENCE):
        while not (found := await condition()):  # noqa: ASYNC110 - it changes elsewhere
            await asyncio.sleep(0.02)
    return found


def next_time(now: datetime, hour: int) -> datetime:
    """The next time that it is so late in Shanghai."""
    day = calendar.today(now)
    at = calendar.start_of_day(day) + timedelta(hours=hour)
    return at if at > now else at + timedelta(days=1)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def world(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[World]:
    nothing = tmp_path_factory.mktemp("no-migrations")
    services = {
        name: Service(name, name, [Feature("published", categories=list(kinds))], nothing)
        for name, kinds in PUBLISHERS.items()
    }
    database = await platform.postgres.create_database(services=[*services.values(), notifier])
    await platform.empty_kafka()
    settings = platform.settings(database.database_name)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(platform.postgres.drop_database, database)
        publishers = {name: await _publisher(stack, service, settings) for name, service in services.items()}
        assembly = await stack.enter_async_context(assemble(notifier, settings))
        await assembly.start()
        stack.push_async_callback(assembly.stop)
        transport = httpx2.ASGITransport(app=assembly.app)
        http = await stack.enter_async_context(httpx2.AsyncClient(transport=transport, base_url="http://notifier"))
        world = World(assembly, publishers, http, settings)
        # Ten in the morning: what is told at once is not held for quiet hours.
        await world.clock_to(next_time(assembly.running.clock.now(), 10))
        await _staff(world)
        yield world


async def _publisher(stack: AsyncExitStack, service: Service, settings: Settings) -> Running:
    running = await stack.enter_async_context(connect(service, settings))
    relay = Relay(service, running.store, settings)
    running.wakes.append(relay.wake)
    loop = Loop("relay", relay.run)
    loop.start()
    stack.push_async_callback(loop.stop, 10)
    return running


async def _staff(world: World) -> None:
    for number, (person, (role, department)) in enumerate(PEOPLE.items()):
        appointed = StaffMemberAppointed(person=person, number=f"E{number:03}", name=person, department=department)
        granted = RoleGranted(person=person, role=role, department=department, granted_by="admin")
        await world.publish("customer-registry", STAFF, person, appointed, granted)

    async def known() -> bool:
        found = await world.assembly.running.pool.fetchval("SELECT count(*) FROM staff_grants")
        return found == len(PEOPLE)

    await until(known)


async def test_a_submitted_dossier_is_told_to_the_departments_manager_in_both_languages(world: World) -> None:
    await world.submit("first")
    (row,) = await world.told(customer="first")
    assert (row["recipient"], row["template"], row["channel"]) == ("zhao", "dossier-to-review", "sandbox")
    shown = await world.get(f"/messages/{row['message']}", "zhao")
    assert "客户档案 K-first first 商贸 已提交" in shown["text"]
    assert "The dossier K-first first 商贸 has been submitted" in shown["text"]
    events = [event["fact"] for event in shown["history"]]
    assert events == [
        "MessagePrepared",
        "MessageRequested",
        "MessageQueued",
        "SendingStarted",
        "MessageSent",
        "MessageDelivered",
    ]


async def test_a_returned_dossier_is_told_to_whoever_submitted_it(world: World) -> None:
    returned = DossierReturned(
        customer="first",
        number="K-first",
        name="first 商贸",
        department="east",
        submitted_by="li",
        returned_by="zhao",
        remarks="补充联系人",
    )
    await world.publish("customer-registry", DOSSIERS, "first", returned, by="zhao")
    (row,) = await world.told(customer="first", template="dossier-returned")
    assert row["recipient"] == "li"
    assert [row["recipient"] for row in await world.messages("li")] == ["li"]


async def test_a_grade_that_comes_before_its_customer_is_told_once_the_customer_is_known(world: World) -> None:
    await world.assign("late", Grade.B)

    async def kept() -> bool:
        return bool(await world.assembly.running.pool.fetchval("SELECT open FROM notices WHERE thing = 'late'"))

    await until(kept)
    assert await world.messages(customer="late") == []
    await world.register("late")
    (row,) = await world.told(customer="late")
    assert (row["recipient"], row["template"]) == ("li", "grade-assigned")


async def test_the_chain_tells_whoever_may_sign_next_and_nobody_who_has_signed(world: World) -> None:
    await world.register("chained")

    async def publish(*facts: Fact, by: str) -> None:
        await world.publish("vetting", QUALIFICATIONS, "q-chained", *facts, by=by)

    told: dict[str, Any] = {"qualification": "q-chained", "customer": "chained", "department": "east"}
    await publish(QualificationSubmitted(**told, bundle=1, digest="d", submitted_by="li"), by="li")
    chain = [("sun", Step.VETTING), ("fin", Step.FINANCE), ("zhao", Step.MANAGER), ("office", Step.REGISTRATION)]
    steps = list(Step)
    for count, (person, step) in enumerate(chain, start=1):
        rows = await world.told(count, customer="chained", template="turn-to-sign")
        assert rows[0]["recipient"] == person
        following = steps[steps.index(step) + 1]
        await publish(QualificationStepPassed(**told, step=step, next_step=following, signed_by=person), by=person)
    rows = await world.told(5, customer="chained", template="turn-to-sign")
    assert rows[0]["recipient"] == "boss"
    passed = QualificationStepPassed(**told, step=Step.GENERAL_MANAGER, next_step=Step.AGREEMENT, signed_by="boss")
    approved = QualificationApproved(**told, approved_by="boss", submitted_by="li")
    await publish(passed, approved, by="boss")
    (row,) = await world.told(customer="chained", template="qualification-approved")
    assert row["recipient"] == "li"


async def test_somebody_who_gets_the_role_later_hears_of_what_still_waits(world: World) -> None:
    told: dict[str, Any] = {"qualification": "q-new", "customer": "chained", "department": "west"}
    submitted = QualificationSubmitted(**told, bundle=1, digest="d", submitted_by="chen")
    await world.publish("vetting", QUALIFICATIONS, "q-new", submitted, by="chen")

    async def kept() -> bool:
        return bool(await world.assembly.running.pool.fetchval("SELECT open FROM notices WHERE thing = 'q-new'"))

    await until(kept)  # nobody in the west vets
    granted = RoleGranted(person="wang", role=Role.VETTER, department="west", granted_by="admin")
    await world.publish("customer-registry", STAFF, "wang", granted)
    (row,) = await world.told(recipient="wang")
    assert (row["template"], row["thing"]) == ("turn-to-sign", "q-new")


async def test_a_delegate_appointed_later_hears_of_what_still_waits_for_their_principal(world: World) -> None:
    await world.register("away")
    told: dict[str, Any] = {"qualification": "q-away", "customer": "away", "department": "east"}
    submitted = QualificationSubmitted(**told, bundle=1, digest="d", submitted_by="li")
    await world.publish("vetting", QUALIFICATIONS, "q-away", submitted, by="li")
    assert {row["recipient"] for row in await world.told(customer="away")} == {"sun"}
    today = calendar.today(world.assembly.running.clock.now())
    appointed = DelegateAppointed(
        delegation="d-1",
        principal="sun",
        delegate="office",
        steps=("qualification:vetting",),
        first_day=today,
        last_day=today + timedelta(days=1),
        reason="x",
    )
    await world.publish("customer-registry", STAFF, "sun", appointed)
    rows = await world.told(2, customer="away")
    assert {row["recipient"] for row in rows} == {"sun", "office"}


async def test_drift_is_told_to_the_owner_and_to_the_market_department(world: World) -> None:
    drift = GradeDriftNoticed(customer="late", official=Grade.B, indicative=Grade.C, drifting=True)
    await world.publish("grading", GRADES, "late", drift)
    rows = await world.told(2, customer="late", template="grade-drift")
    assert {row["recipient"] for row in rows} == {"li", "market"}


async def test_visits_are_told_to_who_goes_and_overdue_records_to_the_manager_too(world: World) -> None:
    day = date(2026, 12, 1)
    planned = VisitPlanned(
        visit="v-1",
        customer="late",
        department="east",
        planned_on=day,
        visitors=("li", "wang"),
        purpose="x",
        first_visit=True,
    )
    await world.publish("engagement", VISITS, "v-1", planned, by="li")
    (row,) = await world.told(customer="late", template="visit-planned")
    assert row["recipient"] == "wang"  # li planned it
    overdue = VisitRecordOverdue(
        visit="v-1", customer="late", department="east", planned_on=day, visitors=("li", "wang")
    )
    await world.publish("engagement", VISITS, "v-1", overdue)
    rows = await world.told(3, customer="late", template="visit-record-overdue")
    assert {row["recipient"] for row in rows} == {"li", "wang", "zhao"}


async def test_what_is_about_no_customer_is_told_as_well(world: World) -> None:
    """A monthly report is a department's: the sender must not wait for a customer."""
    due = MonthlyReportDue(department="west", month=Month(2026, 10), closes_at=datetime(2026, 11, 5, 16, 0, tzinfo=UTC))
    await world.publish("customer-registry", REPORTS, "west-2026-10", due)
    (row,) = await world.told(template="report-due")
    assert (row["recipient"], row["customer"]) == ("he", None)
    shown = await world.get(f"/messages/{row['message']}", "he")
    assert "请在2026年11月5日 24:00 前提交west" in shown["text"]
    assert row["worklist"] == {"service": "customer-registry", "path": "/monthly-reports?waiting_for=me"}
    assert shown["text"].endswith("列表 / List: customer-registry /monthly-reports?waiting_for=me")


async def test_a_suspended_payer_is_told_to_the_owners_of_all_that_it_pays_for_whenever_they_are_known(
    world: World,
) -> None:
    await world.publish("vetting", UNITS, "u-1", SettlementUnitSuspended(unit="u-1", reason="x"), by="sun")
    (row,) = await world.told(template="payer-suspended", recipient="fin")
    for customer in ("first", "late"):
        linked = SettlementUnitLinked(unit="u-1", customer=customer, default=True)
        await world.publish("vetting", INVOICES, customer, linked)
    (row,) = await world.told(template="payer-suspended", recipient="li")  # owns late
    assert row["customer"] is None


async def test_what_waits_for_somebody_who_leaves_passes_to_their_manager(world: World) -> None:
    """R4.6."""
    await world.register("parted", owner="chen", department="east")
    issued = InvoiceIssued(
        invoice="iv-1",
        request=None,
        order="o-1",
        customer="parted",
        unit="u-1",
        department="east",
        kind=InvoiceKind.DIGITAL,
        digital_number="26330000000000000001",
        issued_on=date(2026, 11, 24),
        net_fen=100,
        tax_fen=13,
        gross_fen=113,
        lines=(),
        issued_by="fin",
        collector="chen",
    )
    await world.publish("vetting", INVOICES, "parted", issued, by="fin")
    (row,) = await world.told(customer="parted", template="invoice-to-collect")
    assert row["recipient"] == "chen"
    leaves = DepartureStarted(person="chen", last_day=date(2099, 1, 1), number="LZ000001", department="west")
    await world.publish("customer-registry", STAFF, "chen", leaves, by="he")
    rows = await world.told(2, customer="parted", template="invoice-to-collect")
    assert {row["recipient"] for row in rows} == {"chen", "zhao"}
    (row,) = await world.told(recipient="chen", template="departure-of-yours")
    await world.publish("customer-registry", STAFF, "chen", CANCELLED, by="he")
    (row,) = await world.told(recipient="chen", template="departure-cancelled")


async def test_the_ledger_shows_what_one_may_see(world: World) -> None:
    everything = await world.messages("market")
    assert len(await world.messages("auditor")) == len(everything)
    assert {row["recipient"] for row in await world.messages("fin", recipient="fin")} == {"fin"}
    assert {row["department"] for row in await world.messages("he")} <= {"west"}
    assert {row["recipient"] for row in await world.messages("chen")} == {"chen", "p-parted"}  # parted is theirs
    foreign = next(row["message"] for row in everything if row["recipient"] == "boss")
    refused = await world.ask("GET", f"/messages/{foreign}", "li")
    assert (refused.status_code, refused.json()["code"]) == (404, "message-not-found")
    assert (await world.get(f"/messages/{foreign}", "auditor"))["text"] is None
    assert (await world.get(f"/messages/{foreign}", "boss"))["text"]


async def test_the_ledger_is_filtered_and_paged(world: World) -> None:
    everything = await world.messages()
    reason = everything[-1]["reason"]
    assert [row["reason"] for row in await world.messages(reason=reason)] == [reason]
    assert await world.messages(state="failed") == []
    assert len(await world.messages(channel="sandbox")) == len(everything)
    first = await world.get("/messages?limit=3")
    second = await world.get(first["next"])
    assert [row["message"] for row in first["items"] + second["items"]] == [row["message"] for row in everything[:6]]


async def test_the_ledger_is_filtered_by_the_customers_number_and_by_day(world: World) -> None:
    rows = await world.messages(customer="first")
    assert rows
    assert [row["message"] for row in await world.messages(customer="K-first")] == [row["message"] for row in rows]
    today = calendar.today(world.assembly.running.clock.now())
    everything = await world.messages()
    assert await world.messages(first_day=str(today), last_day=str(today)) == everything
    assert await world.messages(first_day=str(today + timedelta(days=1))) == []
    refused = await world.ask("GET", "/messages?first_day=9999-12-31", "market")
    assert refused.status_code == 422


async def test_the_ledger_is_exported_for_a_reason_and_by_nobody_who_is_leaving(world: World) -> None:
    path = "/messages/export?customer=first"
    refused = await world.ask("GET", path, "market")
    assert refused.status_code == 422, refused.text
    answer = await world.ask("GET", path, "market", Kehu_Reason="audit")
    assert answer.status_code == 200, answer.text
    columns = {"消息 / Message": "message", "状态 / State": "state"}
    found = [row.values for row in read_rows(answer.content, columns, max_rows=1000, max_bytes=1_000_000)]
    assert [row["message"] for row in found] == [row["message"] for row in await world.messages(customer="first")]
    own = await world.ask("GET", "/messages/export", "li", Kehu_Reason="mine")
    mine = read_rows(own.content, columns, max_rows=1000, max_bytes=1_000_000)
    assert len(mine) == len(await world.messages("li"))
    recorded = await world.assembly.running.commands.history(LEDGER_EXPORTS, "market")
    exported = LedgerExported(filters={"customer": "first"}, rows=len(found), reason="audit")
    assert [one.fact for one in recorded] == [exported]


async def test_a_recipient_confirms_and_nobody_else_does(world: World) -> None:
    (row,) = await world.messages("zhao", recipient="zhao", template="dossier-to-review")
    path = f"/messages/{row['message']}/confirm"
    refused = await world.ask("POST", path, "market", {"how": "read"})
    assert (refused.status_code, refused.json()["code"]) == (403, "not-yours-to-confirm")
    answer = await world.ask("POST", path, "zhao", {"how": "read"})
    assert answer.status_code == 200, answer.text
    again = await world.ask("POST", path, "zhao", {"how": "read"})
    assert (again.status_code, again.json()["code"]) == (409, "not-sent")
    await world.told(recipient="zhao", template="dossier-to-review", state="confirmed")


async def test_at_night_messages_are_held_until_seven(world: World) -> None:
    """From here on the clock moves."""
    running = world.assembly.running
    await world.clock_to(next_time(running.clock.now(), 23))
    activated = AgentActivated(
        customer="chained",
        qualification="q-chained",
        department="east",
        agent=False,
        activated_on=calendar.today(running.clock.now()),
    )
    await world.publish("vetting", QUALIFICATIONS, "q-chained", activated, by="office")
    (row,) = await world.told(template="customer-activated", state="held")
    assert (row["recipient"], row["recipient_kind"], row["detail"]) == ("p-chained", "contact", "quiet-hours")
    opens = next_time(running.clock.now(), 7)
    assert datetime.fromisoformat(row["held_until"]) == opens
    await world.submit("by-night")
    await world.told(customer="by-night", state="held")
    await world.register("by-night")  # reviewed before anybody was told

    async def ended() -> bool:
        return bool(await running.pool.fetchval("SELECT ended FROM notices WHERE thing = 'by-night'"))

    await until(ended)
    await world.clock_to(opens)
    (row,) = await world.told(template="customer-activated")
    shown = await world.get(f"/messages/{row['message']}", "li")  # its customer is theirs
    assert shown["text"].startswith(f"【Kehu】尊敬的{CONTACT_NAME}：chained 商贸的合作手续已办妥")
    (row,) = await world.told(customer="by-night", template="dossier-to-review", state="suppressed")
    assert row["detail"] == "done-meanwhile"


async def test_who_is_leaving_sees_only_their_own_messages(world: World) -> None:
    await world.publish(
        "customer-registry", STAFF, "market", DepartureStarted(person="market", last_day=date(2099, 1, 1))
    )

    async def leaving() -> bool:
        return {row["recipient"] for row in await world.messages("market")} == {"market"}

    await until(leaving)
    refused = await world.ask("GET", "/messages/export", "market", Kehu_Reason="mine")
    assert (refused.status_code, refused.json()["code"]) == (403, "departing")


async def test_neither_a_name_nor_a_phone_is_in_the_facts_or_the_ledger(world: World) -> None:
    owner = await asyncpg.connect(**world.settings.connection(OWNER_ROLE))
    try:
        facts = await owner.fetch(
            "SELECT data::text || metadata::text AS text FROM event_store.events WHERE service = 'notifier'"
        )
        ledger = await owner.fetch(
            "SELECT l::text AS text FROM notifier.ledger l UNION ALL SELECT n::text FROM notifier.notices n"
        )
    finally:
        await owner.close()
    assert facts
    for row in (*facts, *ledger):
        assert CONTACT_NAME not in row["text"]
        assert PHONE.removeprefix("+86") not in row["text"]


async def test_views_rebuilt_from_the_log_are_what_they_were(world: World) -> None:
    owner = await asyncpg.connect(**world.settings.connection(OWNER_ROLE))
    try:
        for view in ("ledger", "notices", "customers", "payers"):
            rebuilt = await rebuild(world.assembly.running, view, owner)
            assert rebuilt.facts
            assert rebuilt.same, view
    finally:
        await owner.close()


async def test_the_same_fact_delivered_again_tells_nobody_twice(world: World) -> None:
    topic, before = "kehu.customer-registry", len(await world.messages("auditor"))
    records = await read_topic(world, topic, lambda record: record.key == b"by-night")
    assert len(records) == 2
    producer = AIOKafkaProducer(bootstrap_servers=world.settings.brokers)
    await producer.start()
    try:
        for record in records * 3:
            place = {"partition": record.partition, "key": record.key, "headers": list(record.headers)}
            await producer.send_and_wait(topic, record.value, **place)
    finally:
        await producer.stop()
    await world.submit("by-night")  # comes behind the repetitions

    async def told() -> bool:
        return len(await world.messages("auditor", customer="by-night", template="dossier-to-review")) == 2

    await until(told)
    assert len(await world.messages("auditor")) == before + 1


async def test_everybody_else_reads_messages_as_cloudevents(world: World) -> None:
    """A plain Kafka client, as another company's system would use."""
    records = await read_topic(world, notifier.topic, lambda record: record.key == b"first")
    told = [dict(record.headers)["ce_type"].decode() for record in records]
    assert told == ["kehu.MessageRequested.v1", "kehu.MessageDelivered.v1"] * 2
    requested = json.loads(records[0].value)
    assert (requested["recipient"], requested["template"]) == ("zhao", "dossier-to-review")
    assert (requested["channel"], requested["template_version"]) == ("sandbox", 0)


PERSONS = ("a", "b", "c", "d")
AUDIENCES = ("persons", "owner", "payer_owners", "main_contact", "role")
ROLES = (Role.DEPT_MANAGER, Role.FINANCE)
TABLES = ("notices", "staff", "staff_grants", "staff_delegations", "customers", "customer_contacts", "payer_links")


@dataclass(frozen=True)
class Row:
    """A need as the view has it, drawn at random."""

    template: TemplateName
    audience: Audience
    told: tuple[str, ...]
    waiting: bool


def draw(chance: random.Random) -> Row:
    def some() -> tuple[str, ...]:
        return tuple(person for person in PERSONS if chance.random() < 0.3)

    kind: Any = chance.choice(AUDIENCES)
    told = some() if kind != "main_contact" else chance.choice([(), ("p-1",)])
    audience = Audience(
        kind=kind,
        persons=some() if kind == "persons" else (),
        role=chance.choice(ROLES) if kind == "role" else None,
        stand_in=Role.GENERAL_MANAGER if kind == "role" and not told and chance.random() < 0.3 else None,
        step=chance.choice([None, "dossier:review"]) if kind == "role" else None,
        department=chance.choice([None, "east", "west"]),
        unit="u-9" if kind == "payer_owners" else None,
        barred=some(),
    )
    template = chance.choice([TemplateName.TURN_TO_SIGN, TemplateName.VISIT_RECORD_OVERDUE])
    return Row(template, audience, told, chance.random() < 0.5)


async def people(connection: Any, chance: random.Random, today: date) -> None:
    """A small company at random: who is leaving, who has which role, who stands in for whom, whose a customer is."""
    for table in TABLES:
        await connection.execute(f"DELETE FROM {table}")
    for person in PERSONS:
        leaves = today if chance.random() < 0.4 else None
        await connection.execute(
            "INSERT INTO staff (person, number, name_personal, last_day) VALUES ($1, $1, $1, $2)", person, leaves
        )
        for role, department in (
            ("dept_manager", "east"),
            ("dept_manager", "west"),
            ("finance", ""),
            ("general_manager", ""),
        ):
            if chance.random() < 0.3:
                await connection.execute("INSERT INTO staff_grants VALUES ($1, $2, $3)", person, role, department)
    await connection.execute(
        """INSERT INTO staff_delegations (delegation, principal, delegate, steps, first_day, last_day, reason)
           VALUES ('d', $1, $2, '{dossier:review}', $3, $4, 'x')""",
        *chance.sample(PERSONS, 2),
        today - timedelta(days=chance.randint(0, 1)),
        today + timedelta(days=chance.randint(-1, 1)),
    )
    if chance.random() < 0.8:
        await connection.execute(
            "INSERT INTO customers VALUES ('c-9', 'K9', '九', $1, $2, '{}')",
            chance.choice(["east", "west"]),
            chance.choice(PERSONS),
        )
        await connection.execute("INSERT INTO payer_links VALUES ('u-9', 'c-9')")
    if chance.random() < 0.5:
        await connection.execute("INSERT INTO customer_contacts VALUES ('c-9', 0, 'p-1', true, 'x', 'x')")


async def test_the_loop_looks_at_a_need_exactly_when_somebody_is_left_to_tell(world: World) -> None:
    """What it looked at in vain would keep it from the others; what it missed would never be told."""
    running = world.assembly.running
    today = calendar.today(running.clock.now())
    found_any = 0
    for seed in range(120):
        chance = random.Random(seed)  # noqa: S311 - examples
        async with running.pool.acquire() as connection:
            transaction = connection.transaction()
            await transaction.start()
            try:
                await people(connection, chance, today)
                row = draw(chance)
                audience = row.audience
                await connection.execute(
                    """INSERT INTO notices (thing, reason, template, audience, customer, department, role, stand_in,
                                            barred, told, waiting, open, correlation, step, persons, unit)
                       VALUES ('x', $1, $2, $3, 'c-9', $4, $5, $6, $7, $8, $9, $10, $1, $11, $12, $13)""",
                    new_id(),
                    row.template,
                    audience.kind,
                    audience.department,
                    audience.role,
                    audience.stand_in,
                    list(audience.barred),
                    list(row.told),
                    row.waiting,
                    row.waiting or not row.told,
                    audience.step,
                    list(audience.persons),
                    audience.unit,
                )
                found = await find_left(connection, today)
                company = await look_up(connection, "c-9", audience.unit)
            finally:
                await transaction.rollback()
        leavers = row.template is TemplateName.VISIT_RECORD_OVERDUE
        wanted = set(recipients(audience, company, today, leavers=leavers)) - set(row.told)
        left = bool(wanted) and (row.waiting or not row.told)
        assert bool(found) is left, (seed, row, company)
        found_any += left
    assert 20 < found_any < 100


async def read_topic(world: World, topic: str, wanted: Callable[[Any], bool]) -> list[Any]:
    """Everything wanted that is in a topic now."""
    consumer = AIOKafkaConsumer(
        topic, bootstrap_servers=world.settings.brokers, auto_offset_reset="earliest", group_id=None
    )
    await consumer.start()
    try:
        found: list[Any] = []
        ends = {place: end for place, end in (await consumer.end_offsets(consumer.assignment())).items() if end}
        async with asyncio.timeout(PATIENCE):
            while any([await consumer.position(place) < end for place, end in ends.items()]):
                batches = await consumer.getmany(timeout_ms=100)
                found += [record for batch in batches.values() for record in batch if wanted(record)]
    finally:
        await consumer.stop()
    return found
