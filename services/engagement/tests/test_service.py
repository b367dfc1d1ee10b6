"""The service as others meet it, on a real PostgreSQL and a real broker: facts come by Kafka, visits go by HTTP.

One story, told in order: the later tests know the visits of the earlier ones, and the clock moves on between them.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any
from urllib.parse import quote

import asyncpg
import httpx2
import pytest
import pytest_asyncio
from aiokafka import AIOKafkaConsumer

from kehu import calendar, clock
from kehu.contracts.customers import (
    CustomerChanged,
    CustomerKind,
    CustomerRegistered,
    CustomersMerged,
    CustomersUnmerged,
    IdentityKind,
    OwnerAssigned,
)
from kehu.contracts.grading import Grade, GradeAssigned
from kehu.contracts.staff import (
    STAFF_FACTS,
    DepartmentOpened,
    DepartureStarted,
    Role,
    RoleGranted,
    StaffMemberAppointed,
)
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
from kehu.settings import OWNER_ROLE, TOKEN_ISSUER, Settings
from kehu.testing.platform import Platform
from kehu_engagement.app import service as engagement
from kehu_engagement.visits.facts import VISITS

PATIENCE = 60
STAFF = Category("staff", STAFF_FACTS, None, lambda state, _: state)
DOSSIERS = Category(
    "dossier",
    (CustomerRegistered, CustomerChanged, OwnerAssigned, CustomersMerged, CustomersUnmerged),
    None,
    lambda state, _: state,
)
ACTIVATIONS = Category("qualification", (AgentActivated,), None, lambda state, _: state)
GRADES = Category("grade", (GradeAssigned,), None, lambda state, _: state)
PEOPLE = {
    "lin": (Role.SALESPERSON, "east"),
    "zhao": (Role.SALESPERSON, "east"),
    "qian": (Role.SALESPERSON, "east"),
    "sun": (Role.DEPT_MANAGER, "east"),
    "west": (Role.DEPT_MANAGER, "west"),
    "market": (Role.MARKET_DEPT, None),
    "auditor": (Role.AUDITOR, None),
    "driver": (Role.WAREHOUSE, None),
}


@dataclass
class World:
    """The engagement service, whatever publishes to it, and people who ask it."""

    assembly: Assembly
    registry: Running
    grading: Running
    http: httpx2.AsyncClient
    settings: Settings
    visits: dict[str, str] = field(default_factory=dict[str, str])

    @property
    def today(self) -> date:
        """The policy's day."""
        return calendar.today(self.now)

    @property
    def now(self) -> datetime:
        """The policy's time."""
        return self.assembly.running.clock.now()

    async def publish(self, publisher: Running, category: Category[Any], stream_id: str, *facts: Fact) -> None:
        context = Context(actor=system_actor("test", "publisher"), now=publisher.clock.now())
        await publisher.commands.handle(
            category, stream_id, lambda _state, _context: Decision(facts), context, must_exist=False
        )

    async def register(self, customer: str, **changes: Any) -> None:
        fields: dict[str, Any] = {
            "customer": customer,
            "number": f"K-{customer}",
            "name": f"{customer} 商贸有限公司",
            "kind": CustomerKind.DEALER,
            "nature": "limited",
            "identity_kind": IdentityKind.USCC,
            "identity": "91110000600037341L",
            "region": "湖北",
            "department": "east",
            "owner": "lin",
            "registered_by": "sun",
        }
        await self.publish(self.registry, DOSSIERS, customer, CustomerRegistered(**fields | changes))
        await until(lambda: self._knows(customer))

    async def _knows(self, customer: str) -> bool:
        return (await self.ask("GET", f"/customers/{customer}", "market")).status_code == 200

    async def ask(
        self, method: str, path: str, person: str = "lin", body: Any = None, **headers: str
    ) -> httpx2.Response:
        token = issue_token(self.settings.secret(TOKEN_ISSUER), person, 5)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.http.request(method, path, json=body, headers={"Authorization": f"Bearer {token}"} | named)

    async def get(self, path: str, person: str = "lin") -> Any:
        response = await self.ask("GET", path, person)
        assert response.status_code == 200, response.text
        return response.json()

    async def plan(self, customer: str, person: str = "lin", **changes: Any) -> httpx2.Response:
        form = {
            "planned_on": self.today.isoformat(),
            "visitors": ["lin", "zhao"],
            "contacts": ["contact-1"],
            "purpose": "介绍新品",
            "preparation": "样品两件,报价单",
        }
        return await self.ask("POST", f"/customers/{customer}/visits", person, form | changes, Prefer="wait=30")

    async def finish(self, visit: str, what: str, person: str = "lin", **changes: Any) -> httpx2.Response:
        """Record or cancel a visit (named by the story) from the version that it is shown at."""
        address = f"/customers/{visit.partition(':')[0]}/visits/{self.visits[visit]}"
        etag = (await self.ask("GET", address, "market")).headers["etag"]
        return await self.ask("POST", f"{address}/{what}", person, changes, If_Match=etag, Prefer="wait=30")

    async def record(self, visit: str, person: str = "lin", **changes: Any) -> httpx2.Response:
        form = {"visited_at": self.now.isoformat(), "attendees": ["lin", "zhao"], "needs": "明年增订"}
        return await self.finish(visit, "record", person, **form | changes)

    async def advance(self, by: timedelta) -> None:
        """Move the clock of the whole system."""
        then = self.now + by
        owner = await asyncpg.connect(**self.settings.connection(OWNER_ROLE))
        try:
            await clock.advance(owner, by, demonstration=True)
        finally:
            await owner.close()

        async def arrived() -> bool:
            return self.now >= then

        await until(arrived)


async def until(condition: Callable[[], Awaitable[Any]]) -> Any:
    """Wait for a condition in another loop or server, which tells nobody when it changes."""
    async with asyncio.timeout(PATIENCE):
        while not (found := await condition()):  # noqa: ASYNC110 - it changes elsewhere
            await asyncio.sleep(0.02)
    return found


def refused(response: httpx2.Response, status: int, code: str, clause: str | None = None) -> dict[str, Any]:
    body: dict[str, Any] = response.json()
    assert (response.status_code, body["code"], body.get("clause")) == (status, code, clause), response.text
    return body


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def world(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[World]:
    nothing = tmp_path_factory.mktemp("no-migrations")
    registry = Service("customer-registry", "r", [Feature("published", categories=[STAFF, DOSSIERS])], nothing)
    grading = Service("grading", "g", [Feature("published", categories=[GRADES])], nothing)
    vetting = Service("vetting", "v", [Feature("published", categories=[ACTIVATIONS])], nothing)
    database = await platform.postgres.create_database(services=[registry, grading, vetting, engagement])
    await platform.empty_kafka()
    settings = platform.settings(database.database_name)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(platform.postgres.drop_database, database)
        publishing = [await _publisher(stack, service, settings) for service in (registry, grading, vetting)]
        assembly = await stack.enter_async_context(assemble(engagement, settings))
        await assembly.start()
        stack.push_async_callback(assembly.stop)
        transport = httpx2.ASGITransport(app=assembly.app)
        http = await stack.enter_async_context(httpx2.AsyncClient(transport=transport, base_url="http://engagement"))
        world = World(assembly, publishing[0], publishing[1], http, settings)
        await _staff(world)
        # Ten in the morning, so that no step of the story crosses midnight.
        await world.advance(calendar.end_of_day(world.today) + timedelta(hours=10) - world.now)
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
    await world.publish(world.registry, STAFF, "d", DepartmentOpened(department="east", name="华东", region="东"))
    for number, (person, (role, department)) in enumerate(PEOPLE.items()):
        appointed = StaffMemberAppointed(person=person, number=str(number), name=person, department=department)
        granted = RoleGranted(person=person, role=role, department=department, granted_by="admin")
        await world.publish(world.registry, STAFF, person, appointed, granted)

    async def known() -> bool:
        return await world.assembly.running.pool.fetchval("SELECT count(*) FROM staff_grants") == len(PEOPLE)

    await until(known)


# --- the first visit -------------------------------------------------------------------------------------------------


async def test_a_grade_that_comes_first_is_kept_until_the_customer_is_known(world: World) -> None:
    refused(await world.ask("GET", "/customers/c1", "market"), 404, "customer-unknown", "R4.3")
    grade = GradeAssigned(
        customer="c1", grade=Grade.B, basis="initial", grade_clause="R5.2.B", provisional=True, policy_version=0
    )
    await world.publish(world.grading, GRADES, "c1", grade)

    async def noted() -> int:
        return (await world.assembly.running.commands.load(VISITS, "c1"))[1]

    assert await until(noted) == 1
    refused(await world.plan("c1"), 404, "customer-unknown", "R4.3")
    await world.register("c1")
    standing = await world.get("/customers/c1")
    assert (standing["name"], standing["grade"], standing["new"]) == ("c1 商贸有限公司", "B", True)
    assert (standing["visits_wanted"], standing["visits_made"], standing["visits_open"]) == (1, 0, 0)


async def test_a_first_visit_takes_two_marketing_employees_one_of_them_the_owner(world: World) -> None:
    for visitors in (["lin"], ["lin", "lin"], ["lin", "driver"]):
        body = refused(await world.plan("c1", visitors=visitors), 409, "first-visit-short", "R6.2.1b")
        assert body["evidence"] == {"needed": 2, "marketing": 1}
    refused(await world.plan("c1", "sun", visitors=["zhao", "qian"]), 409, "first-visit-without-owner", "R6.2.1b")
    refused(await world.plan("c1", visitors=["lin", "nobody"]), 422, "people-unknown", "People")
    refused(await world.plan("c1", "zhao"), 403, "not-your-customer", "R6.2.1a")
    yesterday = (world.today - timedelta(days=1)).isoformat()
    refused(await world.plan("c1", planned_on=yesterday), 409, "planned-day-past", "R6.2.1a")
    missing = await world.plan("c1", preparation=" ")
    assert (missing.status_code, missing.json()["errors"][0]["field"]) == (422, "body.preparation")


async def test_a_visit_is_planned_once_however_often_it_is_sent(world: World) -> None:
    tomorrow = world.today + timedelta(days=1)
    form = {"planned_on": tomorrow.isoformat(), "visitors": ["lin", "zhao"], "purpose": "初访", "preparation": "样品"}
    first, again = [
        await world.ask("POST", "/customers/c1/visits", "lin", form, Idempotency_Key="plan-1", Prefer="wait=30")
        for _ in range(2)
    ]
    assert (first.status_code, again.status_code, again.json()) == (201, 201, first.json())
    visit = world.visits["c1:first"] = first.json()["visit"]
    assert first.json()["id"] == "c1"

    shown = await world.ask("GET", f"/customers/c1/visits/{visit}")
    assert shown.headers["etag"] == first.headers["etag"]
    body = shown.json()
    assert (body["state"], body["record_form"], body["customer_number"]) == ("planned", None, "K-c1")
    form_shown = body["register_form"]
    assert (form_shown["grade"], form_shown["preparation"], form_shown["first_visit"]) == ("B", "样品", True)
    due = datetime.fromisoformat(form_shown["record_due_at"])
    assert due == calendar.end_of_day(tomorrow + timedelta(days=3))
    assert [row["visit"] for row in (await world.get("/visits?state=planned"))["items"]] == [visit]


async def test_a_visit_is_recorded_on_its_day_and_makes_the_customer_known(world: World) -> None:
    refused(await world.record("c1:first"), 409, "before-visit-day", "R6.2.1a")
    await world.advance(timedelta(days=1))
    address = f"/customers/c1/visits/{world.visits['c1:first']}/record"
    form = {"visited_at": world.now.isoformat(), "attendees": ["lin", "zhao"], "needs": "增订", "next_step": "寄报价"}
    refused(await world.ask("POST", address, "lin", form), 428, "if-match-required")
    refused(await world.ask("POST", address, "lin", form, If_Match='"1"'), 409, "version-conflict")
    later = (world.now + timedelta(hours=1)).isoformat()
    refused(await world.record("c1:first", visited_at=later), 422, "visit-in-future", "R6.2.1a")
    refused(await world.record("c1:first", needs=""), 422, "nothing-recorded", "R6.2.1a")
    refused(await world.record("c1:first", "west"), 403, "not-your-customer", "R6.2.1a")

    recorded = await world.record("c1:first", next_step="寄报价", contacts_met=["contact-1"])
    assert (recorded.status_code, recorded.json()["visit"]) == (200, world.visits["c1:first"]), recorded.text
    refused(await world.record("c1:first"), 409, "visit-not-open", "R6.2.1a")
    shown = await world.get(f"/customers/c1/visits/{world.visits['c1:first']}")
    form_shown = shown["record_form"]
    assert (shown["state"], form_shown["first_visit"], form_shown["late"]) == ("logged", True, False)
    assert (form_shown["needs"], form_shown["next_step"], form_shown["deviations"]) == ("明年增订", "寄报价", [])
    standing = await world.get("/customers/c1")
    assert (standing["new"], standing["visits_made"]) == (False, 1)


async def test_one_alone_on_a_first_visit_is_recorded_and_the_customer_stays_new(world: World) -> None:
    await world.register("c2")
    world.visits["c2:first"] = (await world.plan("c2")).json()["visit"]
    assert (await world.record("c2:first", attendees=["lin"])).status_code == 200
    (row,) = (await world.get("/visits?customer=c2"))["items"]
    assert (row["state"], row["first_visit"], row["customer_name"]) == ("logged", False, "c2 商贸有限公司")
    assert [(one["code"], one["clause"]) for one in row["deviations"]] == [("first-visit-short", "R6.2.1b")]
    assert (await world.get("/customers/c2"))["new"]
    refused(await world.plan("c2", visitors=["lin"]), 409, "first-visit-short", "R6.2.1b")


async def test_a_customer_taken_over_is_visited_by_one(world: World) -> None:
    await world.register("c3", taken_over=True, department="west", owner="qian", collaborators=("lin",))
    planned = await world.plan("c3", "qian", visitors=["qian"])
    assert planned.status_code == 201, planned.text
    world.visits["c3:cancelled"] = planned.json()["visit"]


# --- without F6 ------------------------------------------------------------------------------------------------------


async def test_unplanned_visits_are_shown_and_counted(world: World) -> None:
    form = {"visited_at": world.now.isoformat(), "attendees": ["lin"], "market": "平稳", "reason": "路过"}
    for customer, changes in (
        ("c1", {}),
        ("c2", {"attendees": ["lin", "zhao"]}),
        ("c1", {"visited_at": (world.now - timedelta(days=1)).isoformat()}),
    ):
        answer = await world.ask(
            "POST", f"/customers/{customer}/visits/unplanned", "lin", form | changes, Prefer="wait=30"
        )
        assert answer.status_code == 201, answer.text
    without = await world.ask("POST", "/customers/c1/visits/unplanned", "lin", form | {"reason": " "})
    assert without.status_code == 422

    rows = (await world.get("/visits?planned=false", "sun"))["items"]
    assert [(row["customer"], row["late"], [one["code"] for one in row["deviations"]]) for row in rows] == [
        ("c2", False, ["first-visit-unplanned"]),
        ("c1", False, []),
        ("c1", True, ["unplanned-registered-later"]),
    ]
    assert {row["reason"] for row in rows} == {"路过"}
    assert (await world.get("/customers/c2"))["new"], "a visit without F6 is no first visit"
    counts = await world.get("/visits/unplanned?department=east", "sun")
    assert counts["items"] == [
        {"department": "east", "person": "lin", "visits": 3, "to_new_customers": 1, "registered_later": 1}
    ]
    assert (await world.get("/visits/unplanned", "west"))["items"] == []


# --- time ------------------------------------------------------------------------------------------------------------


async def test_a_missing_record_falls_due_at_the_end_of_the_third_day(world: World) -> None:
    for name, customer, person in (("c1:missed", "c1", "lin"), ("c1:cancelled", "c1", "lin"), ("c1:made", "c1", "lin")):
        world.visits[name] = (await world.plan(customer, person, visitors=["lin"])).json()["visit"]
    assert (await world.finish("c1:cancelled", "cancel", reason="客户改期")).status_code == 200
    assert (await world.finish("c3:cancelled", "cancel", "qian", reason="客户改期")).status_code == 200
    refused(await world.finish("c1:cancelled", "cancel", reason="再次"), 409, "visit-not-open", "R6.2.1a")
    assert (await world.record("c1:made", attendees=["lin"])).status_code == 200

    due = calendar.end_of_day(world.today + timedelta(days=3))
    await world.advance(due - timedelta(minutes=5) - world.now)
    assert await world.assembly.scheduler.fire_due() == 0, "it is not due before 24:00"
    assert (await world.get("/visits?state=overdue"))["items"] == []
    await world.advance(timedelta(minutes=6))

    async def overdue() -> Any:
        return (await world.get("/visits?state=overdue"))["items"]

    assert [row["visit"] for row in await until(overdue)] == [world.visits["c1:missed"]]
    facts = await world.assembly.running.commands.history(VISITS, "c1")
    missed = [recorded for recorded in facts if type(recorded.fact).__name__ == "VisitRecordOverdue"]
    assert [recorded.actor for recorded in missed] == ["system:engagement/schedule:f7-overdue"]
    assert await world.assembly.running.pool.fetchval("SELECT count(*) FROM schedules") == 0

    visited = (world.now - timedelta(days=4)).isoformat()
    refused(
        await world.record("c1:missed", visited_at=(world.now - timedelta(days=9)).isoformat()),
        409,
        "before-visit-day",
        "R6.2.1a",
    )
    recorded = await world.record("c1:missed", attendees=["lin"], visited_at=visited)
    assert recorded.status_code == 200, recorded.text
    shown = await world.get(f"/customers/c1/visits/{world.visits['c1:missed']}")
    assert (shown["state"], shown["record_form"]["late"]) == ("logged", True)


# --- who sees what ---------------------------------------------------------------------------------------------------


async def test_lists_show_what_one_may_see_filtered_and_paged(world: World) -> None:
    async def seen(person: str, query: str = "") -> list[str]:
        return [row["visit"] for row in (await world.get(f"/visits{query}", person))["items"]]

    everything = await seen("market")
    assert len(everything) == 9
    assert await seen("auditor") == await seen("lin") == everything
    c3 = [world.visits["c3:cancelled"]]
    assert await seen("sun") == [visit for visit in everything if visit not in c3]
    assert await seen("qian") == await seen("west") == c3
    assert await seen("driver") == []
    on_it = await seen("zhao")
    assert len(on_it) == 3, "who was on a visit sees it"
    assert await seen("market", "?visitor=zhao") == on_it
    assert await seen("market", "?department=west") == c3
    assert await seen("market", "?state=cancelled&department=east") == [world.visits["c1:cancelled"]]
    assert await seen("market", f"?to={world.today - timedelta(days=5)}") == everything[-1:]
    assert await seen("market", f"?from={world.today}") == []

    first = await world.get("/visits?limit=4", "market")
    second = await world.get(first["next"], "market")
    third = await world.get(second["next"], "market")
    assert [row["visit"] for page in (first, second, third) for row in page["items"]] == everything
    assert third["next"] is None
    of_c1 = await world.get("/customers/c1/visits", "sun")
    assert len(of_c1["items"]) == 6


async def test_a_visit_is_shown_to_those_it_concerns(world: World) -> None:
    address = f"/customers/c1/visits/{world.visits['c1:made']}"
    for person in ("lin", "sun", "market", "auditor"):
        assert (await world.ask("GET", address, person)).status_code == 200
    for person in ("qian", "west", "driver"):
        refused(await world.ask("GET", address, person), 403, "not-yours-to-see", "People")
        refused(await world.ask("GET", "/customers/c1", person), 403, "not-yours-to-see", "People")
    refused(await world.ask("GET", "/customers/c1/visits/v-none"), 404, "visit-unknown", "R6.2.1a")
    moved = f"/customers/c2/visits/{world.visits['c1:made']}"
    refused(await world.ask("GET", moved), 404, "visit-unknown", "R6.2.1a")


async def test_a_new_owner_and_name_are_followed(world: World) -> None:
    owner = OwnerAssigned(customer="c1", owner="qian", previous_owner="lin", department="east")
    await world.publish(world.registry, DOSSIERS, "c1", owner, CustomerChanged(customer="c1", name="新名有限公司"))

    async def followed() -> bool:
        rows = (await world.get("/visits?customer=c1", "qian"))["items"]
        return bool(rows) and {row["customer_name"] for row in rows} == {"新名有限公司"}

    await until(followed)
    refused(await world.ask("GET", "/customers/c1"), 403, "not-yours-to-see", "People")
    assert (await world.plan("c1", "qian", visitors=["qian"])).status_code == 201


async def test_who_is_leaving_finishes_open_work_only(world: World) -> None:
    open_one = world.visits["c2:open"] = (await world.plan("c2", visitors=["lin", "zhao"])).json()["visit"]
    await world.publish(
        world.registry, STAFF, "lin", DepartureStarted(person="lin", last_day=world.today + timedelta(days=30))
    )

    async def leaving() -> bool:
        return (await world.ask("GET", "/customers/c2")).status_code == 403

    await until(leaving)
    refused(await world.plan("c2", visitors=["lin", "zhao"]), 403, "departing", "R4.6")
    refused(await world.plan("c2", "sun", visitors=["lin", "zhao"]), 409, "people-leaving", "R4.6")
    assert [row["visit"] for row in (await world.get("/visits"))["items"]] == [open_one]
    refused(await world.finish("c2:open", "cancel", reason="改期"), 403, "departing", "R4.6")
    assert (await world.record("c2:open")).status_code == 200
    assert (await world.get("/visits"))["items"] == []
    assert not (await world.get("/customers/c2", "sun"))["new"]


# --- what others read, and what nobody should send -------------------------------------------------------------------


async def test_everybody_else_reads_visits_as_cloudevents(world: World) -> None:
    """A plain Kafka client, as another company's system would use."""
    consumer = AIOKafkaConsumer(
        engagement.topic, bootstrap_servers=world.settings.brokers, auto_offset_reset="earliest", group_id=None
    )
    await consumer.start()
    told: list[tuple[str, Any]] = []
    try:
        async with asyncio.timeout(PATIENCE):
            while ("kehu.VisitRecordOverdue.v1", world.visits["c1:missed"]) not in told:
                record = await consumer.getone()
                headers = {name: value.decode() for name, value in record.headers}
                if record.key == b"c1":
                    told.append((headers["ce_type"], json.loads(record.value or b"")["visit"]))
    finally:
        await consumer.stop()
    assert told[:2] == [
        ("kehu.VisitPlanned.v1", world.visits["c1:first"]),
        ("kehu.VisitLogged.v1", world.visits["c1:first"]),
    ]
    kinds = {kind for kind, _ in told}
    assert kinds == {f"kehu.Visit{what}.v1" for what in ("Planned", "Logged", "Cancelled", "RecordOverdue")}


async def test_a_merged_customers_visits_are_the_survivors_until_it_is_undone(world: World) -> None:
    for customer in ("left", "right"):
        await world.register(customer, owner="zhao")
    planned = await world.plan("right", "sun", visitors=["sun", "zhao"])
    assert planned.status_code == 201, planned.text
    world.visits["left:open"] = planned.json()["visit"]

    async def say(fact: type[CustomersMerged | CustomersUnmerged], **fields: str) -> None:
        for customer in ("left", "right"):
            said = fact.model_validate({"customer": customer, "survivor": "left", "merged": "right", **fields})
            await world.publish(world.registry, DOSSIERS, customer, said)

    async def standing(customer: str, /, **wanted: Any) -> Any:
        async def shown() -> Any:
            found = (await world.ask("GET", f"/customers/{customer}", "market")).json()
            return found if found.items() >= wanted.items() else None

        return await until(shown)

    numbers = {"survivor_number": "K-left", "merged_number": "K-right"}
    await say(CustomersMerged, **numbers, reason="同一营业执照", proposed_by="sun", merged_by="market")
    await standing("left", visits_open=1, merged=["right"])
    for named in ("right", "K-right"):
        assert (await world.get(f"/customers/{named}", "market"))["customer"] == "left"
        assert [row["customer"] for row in (await world.get(f"/customers/{named}/visits", "market"))["items"]] == [
            "left"
        ]
    assert refused(await world.plan("right", "sun"), 409, "customer-merged", "R4")["evidence"] == {"survivor": "left"}
    assert (await world.record("left:open", "sun", attendees=["sun", "zhao"])).status_code == 200
    assert (await standing("left", visits_open=0, new=False))["visits_made"] == 1

    await say(CustomersUnmerged, reason="误并", undone_by="market")
    assert (await standing("right", customer="right", visits_open=0))["new"]
    assert (await standing("left", merged=[]))["visits_made"] == 1  # what was recorded since stays with it
    assert (await world.get("/customers/right/visits", "market"))["items"] == []
    assert [row["state"] for row in (await world.get("/customers/left/visits", "market"))["items"]] == ["logged"]


async def test_the_register_rebuilt_from_the_log_is_what_it_was(world: World) -> None:
    owner = await asyncpg.connect(**world.settings.connection(OWNER_ROLE))
    try:
        for view in ("visits", "lineage"):
            rebuilt = await rebuild(world.assembly.running, view, owner)
            assert rebuilt.facts
            assert rebuilt.same
    finally:
        await owner.close()


@pytest.mark.parametrize(
    "changes",
    [
        {"visited_at": "0001-01-01T00:00:00+14:00"},
        {"visited_at": "9999-12-31T23:59:59-14:00"},
        {"visited_at": "2026-11-24T09:30:00"},
        {"visited_at": 1e300},
        {"attendees": []},
        {"attendees": ["a/b"]},
        {"attendees": ["sun"] * 51},
        {"attendees": "sun"},
        {"needs": "x" * 5_000},
        {"needs": "\u202e"},
        {"needs": "\x00"},
        {"needs": None},
        {"grade": "A"},
    ],
)
async def test_bad_input_is_answered_with_what_to_mend(world: World, changes: dict[str, Any]) -> None:
    form = {"visited_at": world.now.isoformat(), "attendees": ["sun"], "needs": "增订", "reason": "路过"} | changes
    answer = await world.ask("POST", "/customers/c2/visits/unplanned", "sun", form)
    assert answer.status_code == 422, answer.text
    assert answer.json()["errors"]


@pytest.mark.parametrize("day", ["0001-01-01", "9999-12-31", "2026-02-30", "tomorrow", 5])
async def test_impossible_days_are_refused(world: World, day: Any) -> None:
    answer = await world.plan("c2", "sun", planned_on=day, visitors=["sun"])
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "body.planned_on")
    listed = await world.ask("GET", f"/visits?from={quote(str(day))}", "sun")
    assert listed.status_code in (200, 422)
