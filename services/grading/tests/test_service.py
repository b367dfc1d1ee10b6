"""The service as others meet it, on a real PostgreSQL and a real broker: facts come by Kafka, grades go by HTTP.

One story, told in order: the later tests know the customers of the earlier ones.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial
from typing import Any

import asyncpg
import httpx2
import pytest
import pytest_asyncio
from aiokafka import AIOKafkaConsumer

from kehu import calendar, clock
from kehu.calendar import Month
from kehu.contracts.customers import (
    ContractVolumeCorrected,
    ContractVolumeReported,
    CustomerChanged,
    CustomerKind,
    CustomerRegistered,
    CustomersMerged,
    CustomersUnmerged,
    CustomerTakenOver,
    IdentityKind,
    MonthAmount,
    OwnerAssigned,
)
from kehu.contracts.staff import (
    STAFF_FACTS,
    DepartmentOpened,
    DepartureStarted,
    Role,
    RoleGranted,
    StaffMemberAppointed,
)
from kehu.contracts.vetting import (
    AgentActivated,
    CreditIncidentRecorded,
    CreditIncidentResolved,
    CreditIncidentWithdrawn,
)
from kehu.deciding import Actor, Category, Context, Decision, Grant, system_actor
from kehu.facts import Fact
from kehu.identity import issue_token
from kehu.loops import Loop
from kehu.parts import Running, connect
from kehu.policies import ProposePolicy, adopt_policy, propose_policy
from kehu.rebuilding import rebuild
from kehu.relay import Relay
from kehu.running import Assembly, assemble
from kehu.service import Feature, Service
from kehu.settings import OWNER_ROLE, TOKEN_ISSUER, Settings
from kehu.testing.platform import Platform
from kehu_grading.app import service as grading
from kehu_grading.rules.policy import GRADING

PATIENCE = 60
A_MONTH = 500_000_000
STAFF = Category("staff", STAFF_FACTS, None, lambda state, _: state)
DOSSIERS = Category(
    "dossier",
    (
        CustomerRegistered,
        CustomerTakenOver,
        CustomersMerged,
        CustomersUnmerged,
        CustomerChanged,
        OwnerAssigned,
        ContractVolumeReported,
        ContractVolumeCorrected,
    ),
    None,
    lambda state, _: state,
)
CREDIT = Category(
    "credit",
    (AgentActivated, CreditIncidentRecorded, CreditIncidentResolved, CreditIncidentWithdrawn),
    None,
    lambda state, _: state,
)


@dataclass
class World:
    """The grading service, whatever publishes to it, and people who ask it."""

    assembly: Assembly
    registry: Running
    vetting: Running
    http: httpx2.AsyncClient
    settings: Settings

    async def publish(self, publisher: Running, category: Category[Any], stream_id: str, *facts: Fact) -> None:
        context = Context(actor=system_actor("test", "publisher"), now=publisher.clock.now())
        await publisher.commands.handle(
            category, stream_id, lambda _state, _context: Decision(facts), context, must_exist=False
        )

    def registration(self, customer: str, kind: CustomerKind, **changes: Any) -> CustomerRegistered:
        fields: dict[str, Any] = {
            "customer": customer,
            "number": f"K-{customer}",
            "name": f"{customer} 商贸有限公司",
            "kind": kind,
            "nature": "limited",
            "identity_kind": IdentityKind.USCC,
            "identity": "91110000600037341L",
            "region": "湖北",
            "department": "east",
            "owner": "zhang",
            "registered_by": "li",
        }
        return CustomerRegistered(**fields | changes)

    async def register(self, customer: str, kind: CustomerKind, **changes: Any) -> None:
        await self.publish(self.registry, DOSSIERS, customer, self.registration(customer, kind, **changes))

    async def report(self, customer: str, months: Sequence[Month], amount_fen: int) -> None:
        facts = [ContractVolumeReported(customer=customer, month=month, amount_fen=amount_fen) for month in months]
        await self.publish(self.registry, DOSSIERS, customer, *facts)

    async def activate(self, customer: str, day: date) -> None:
        fact = AgentActivated(customer=customer, qualification="q", department="east", agent=True, activated_on=day)
        await self.publish(self.vetting, CREDIT, customer, fact)

    async def ask(self, method: str, path: str, person: str = "market", body: Any = None) -> httpx2.Response:
        token = issue_token(self.settings.secret(TOKEN_ISSUER), person, 5)
        return await self.http.request(method, path, json=body, headers={"Authorization": f"Bearer {token}"})

    async def get(self, path: str, person: str = "market") -> Any:
        response = await self.ask("GET", path, person)
        assert response.status_code == 200, response.text
        return response.json()

    async def grade(self, customer: str, indicative: str) -> Any:
        """The customer's grade, once its indicative grade is this."""

        async def shown() -> Any:
            response = await self.ask("GET", f"/grades/{customer}")
            found = response.json()
            return found if response.status_code == 200 and found["indicative"] == indicative else None

        return await until(shown)

    @property
    def closed(self) -> list[Month]:
        """The last twelve closed months, oldest first."""
        now = self.assembly.running.clock.now()
        before = Month.of(calendar.today(now)) - 1
        last = before if now >= calendar.month_closes_at(before) else before - 1
        return [last - back for back in reversed(range(12))]


async def until(condition: Callable[[], Awaitable[Any]]) -> Any:
    """Wait for a condition in another loop or server, which tells nobody when it changes."""
    async with asyncio.timeout(PATIENCE):
        while not (found := await condition()):  # noqa: ASYNC110 - it changes elsewhere
            await asyncio.sleep(0.02)
    return found


PEOPLE = {
    "market": (Role.MARKET_DEPT, None),
    "market2": (Role.MARKET_DEPT, None),
    "auditor": (Role.AUDITOR, None),
    "zhang": (Role.SALESPERSON, "east"),
    "zhao": (Role.SALESPERSON, "east"),
    "leaving": (Role.MARKET_DEPT, None),
    "manager": (Role.DEPT_MANAGER, "east"),
    "west": (Role.DEPT_MANAGER, "west"),
}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def world(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[World]:
    nothing = tmp_path_factory.mktemp("no-migrations")
    registry = Service("customer-registry", "r", [Feature("published", categories=[STAFF, DOSSIERS])], nothing)
    vetting = Service("vetting", "v", [Feature("published", categories=[CREDIT])], nothing)
    database = await platform.postgres.create_database(services=[registry, vetting, grading])
    await platform.empty_kafka()
    settings = platform.settings(database.database_name)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(platform.postgres.drop_database, database)
        publishing = [await _publisher(stack, service, settings) for service in (registry, vetting)]
        assembly = await stack.enter_async_context(assemble(grading, settings))
        await assembly.start()
        stack.push_async_callback(assembly.stop)
        transport = httpx2.ASGITransport(app=assembly.app)
        http = await stack.enter_async_context(httpx2.AsyncClient(transport=transport, base_url="http://grading"))
        world = World(assembly, publishing[0], publishing[1], http, settings)
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
    await world.publish(world.registry, STAFF, "d", DepartmentOpened(department="east", name="华东", region="东"))
    for number, (person, (role, department)) in enumerate(PEOPLE.items()):
        appointed = StaffMemberAppointed(person=person, number=str(number), name=person, department=department)
        granted = RoleGranted(person=person, role=role, department=department, granted_by="admin")
        await world.publish(world.registry, STAFF, person, appointed, granted)
    leaving = DepartureStarted(person="leaving", last_day=date(2099, 1, 1))
    await world.publish(world.registry, STAFF, "leaving", leaving)

    async def known() -> bool:
        return bool(await world.assembly.running.pool.fetchval("SELECT last_day FROM staff WHERE person = 'leaving'"))

    await until(known)


async def test_a_registration_becomes_an_official_grade_that_explains_itself(world: World) -> None:
    await world.register("dealer", CustomerKind.DEALER)
    found = await world.grade("dealer", "B")
    assert (found["official"], found["basis"], found["drifting"], found["watched_for"]) == ("B", "initial", False, [])
    explained = found["official_explained"]
    assert (explained["clause"], explained["limb"], explained["policy_version"]) == ("R5.2.B", "dealer", 0)
    assert [limb["passed"] for limb in explained["limbs"]] == [False, False, True, False, False, False]
    assert len(explained["facts"]) == 1
    assert explained["told"][0]["zh"] == "B 类（次重要），依据 R5.2.B：是经销商。"
    by_number = await world.get("/grades/K-dealer")  # what people say on the phone
    assert by_number["customer"] == "dealer"


async def test_volumes_and_bad_credit_move_the_indicative_grade_and_show_as_drift(world: World) -> None:
    """The facts of vetting come first here: they are kept until the customer is registered."""
    months = world.closed
    await world.activate("agent", months[0].first_day)
    await world.register("agent", CustomerKind.PROVINCIAL_AGENT)
    await world.report("agent", months, A_MONTH)
    found = await world.grade("agent", "A")
    assert (found["official"], found["drifting"], found["watched_for"]) == ("C", True, ["drifting"])
    figures = found["indicative_explained"]["limbs"][1]["figures"]
    assert (figures["months"], figures["sum_fen"], figures["missing_fen"]) == (12, 12 * A_MONTH, 0)

    correction = ContractVolumeCorrected(
        customer="agent", month=months[3], amount_fen=A_MONTH - 1, previous_fen=A_MONTH, reason="slip"
    )
    await world.publish(world.registry, DOSSIERS, "agent", correction)
    found = await world.grade("agent", "B")
    assert found["indicative_explained"]["missing"]["short_fen"] == 1
    assert found["indicative_explained"]["told"][1]["zh"] == "距 A 类（重要）：合计还差合同量 0.01 元。"

    incident = CreditIncidentRecorded(
        incident="i1", customer="agent", occurred_on=months[0].first_day, description="d", evidence="e", recorded_by="f"
    )
    await world.publish(world.vetting, CREDIT, "agent", incident)
    found = await world.grade("agent", "C")
    assert (found["drifting"], found["watched_for"]) == (False, ["matches_nothing"])
    assert found["indicative_explained"]["limbs"][3]["reasons"] == ["bad_credit"]

    withdrawn = CreditIncidentWithdrawn(incident="i1", customer="agent", reason="another company's")
    await world.publish(world.vetting, CREDIT, "agent", withdrawn)
    found = await world.grade("agent", "B")
    assert found["indicative_explained"]["incidents"] == []


async def test_a_month_without_report_is_on_the_watch_list_by_name(world: World) -> None:
    months = world.closed
    await world.register("gap", CustomerKind.PREFECTURE_AGENT, department="west", owner="zhou")
    await world.activate("gap", months[9].first_day)
    await world.report("gap", months[10:], 2 * A_MONTH)
    found = await world.grade("gap", "A")
    assert found["indicative_explained"]["missing_months"] == [str(months[9])]

    watched = await world.get("/watch-list?reason=missing_months")
    assert [(row["customer"], row["reasons"]) for row in watched["items"]] == [("gap", ["drifting", "missing_months"])]
    assert (await world.get("/watch-list?reason=missing_months", "manager"))["items"] == []
    assert [row["customer"] for row in (await world.get("/watch-list", "west"))["items"]] == ["gap"]


async def test_lists_show_what_one_may_see_and_are_filtered_and_paged(world: World) -> None:
    await world.register("user", CustomerKind.KEY_END_USER, owner="zhao")
    await world.grade("user", "C")

    async def customers(path: str, person: str = "market") -> list[str]:
        return [row["customer"] for row in (await world.get(path, person))["items"]]

    assert await customers("/grades") == ["agent", "dealer", "gap", "user"]
    assert await customers("/grades", "auditor") == ["agent", "dealer", "gap", "user"]
    assert await customers("/grades", "manager") == ["agent", "dealer", "user"]
    assert await customers("/grades", "zhao") == ["user"]
    assert await customers("/grades?grade=B") == ["dealer"]
    assert await customers("/grades?drifting=true&department=west") == ["gap"]
    first = await world.get("/grades?limit=3")
    assert [row["customer"] for row in first["items"]] == ["agent", "dealer", "gap"]
    assert await customers(first["next"]) == ["user"]
    assert (await world.ask("GET", "/grades/user", "zhang")).status_code == 404
    refused = await world.ask("GET", "/grades", "leaving")
    assert (refused.status_code, refused.json()["clause"]) == (403, "R4.6")


async def test_a_new_owner_sees_the_customer_and_the_old_one_no_longer(world: World) -> None:
    fact = OwnerAssigned(customer="user", owner="zhang", previous_owner="zhao", department="east")
    await world.publish(world.registry, DOSSIERS, "user", fact)

    async def handed_over() -> bool:
        return (await world.ask("GET", "/grades/user", "zhang")).status_code == 200

    await until(handed_over)
    assert (await world.ask("GET", "/grades/user", "zhao")).status_code == 404


async def test_a_draft_policy_is_tried_on_everybody_and_writes_nothing(world: World) -> None:
    before = await world.registry.pool.fetchval("SELECT last_tx FROM event_store.watermark()")
    draft = GRADING.initial.model_dump() | {"a_threshold_fen": A_MONTH - 1}
    answer = await world.ask("POST", "/what-if", body=draft)
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert (found["customers"], found["changed"], found["left_off"]) == (4, 1, 0)
    assert found["moves"] == [{"now": "B", "then": "A", "customers": 1}]
    assert [(change["customer"], change["official"]) for change in found["changes"]] == [("agent", "C")]
    assert await world.registry.pool.fetchval("SELECT last_tx FROM event_store.watermark()") == before

    crossed = await world.ask("POST", "/what-if", body=draft | {"b_threshold_fen": A_MONTH})
    assert crossed.status_code == 422
    refused = await world.ask("POST", "/what-if", "zhang", draft)
    assert (refused.status_code, refused.json()["clause"]) == (403, "R5.3.3")


async def test_an_adopted_policy_is_followed_by_the_indicative_grades_of_all(world: World) -> None:
    running = world.assembly.running
    category, now = running.policies.category, running.clock.now()
    person = partial(Actor, grants=(Grant("market_dept"),))
    data = GRADING.initial.model_dump() | {"a_threshold_fen": A_MONTH - 1}
    proposal = ProposePolicy(calendar.today(now), data, "softer")
    await running.commands.handle(
        category,
        GRADING.name,
        partial(propose_policy, GRADING, proposal),
        Context(person("market"), now),
        must_exist=False,
    )
    await running.commands.handle(
        category, GRADING.name, partial(adopt_policy, GRADING, 1), Context(person("market2"), running.clock.now())
    )
    found = await world.grade("agent", "A")
    assert (found["official"], found["policy_version"]) == ("C", 1)
    assert found["official_explained"]["policy_version"] == 0

    async def all_followed() -> bool:
        return {row["policy_version"] for row in (await world.get("/grades"))["items"]} == {1}

    await until(all_followed)


async def test_a_customer_taken_over_has_the_grade_that_it_came_with(world: World) -> None:
    stated = CustomerTakenOver(
        customer="old",
        active_since=world.closed[0].first_day,
        agreement_signed_on=world.closed[0].first_day,
        agreement_digest="a" * 64,
        grade="A",
        graded_year=2025,
        evidence_digest="e" * 64,
        proposed_by="zhang",
        confirmed_by="market",
    )
    registered = world.registration("old", CustomerKind.PREFECTURE_AGENT, taken_over=True)
    await world.publish(world.registry, DOSSIERS, "old", registered, stated)
    found = await world.grade("old", "C")
    assert (found["official"], found["basis"], found["year"], found["drifting"]) == ("A", "taken_over", 2025, True)
    assert (found["official_explained"]["clause"], found["official_explained"]["limb"]) == ("R4.3", "taken_over")
    assert found["official_explained"]["taken_over"]["evidence_digest"] == "e" * 64
    assert len(found["indicative_explained"]["missing_months"]) == 12


async def test_a_merged_customer_counts_for_the_survivor_until_it_is_undone(world: World) -> None:
    months, half = world.closed, A_MONTH // 2
    for customer in ("left", "right"):
        await world.register(customer, CustomerKind.PROVINCIAL_AGENT)
        await world.activate(customer, months[0].first_day)
        await world.report(customer, months, half)
        await world.grade(customer, "C")
    volumes = tuple(MonthAmount(month=month, amount_fen=half) for month in months)
    for customer in ("left", "right"):
        fact = CustomersMerged(
            customer=customer,
            survivor="left",
            merged="right",
            survivor_number="K-left",
            merged_number="K-right",
            merged_volumes=volumes,
            reason="同一营业执照",
            proposed_by="manager",
            merged_by="market",
        )
        await world.publish(world.registry, DOSSIERS, customer, fact)
    found = await world.grade("left", "A")
    assert (found["official"], found["drifting"], found["merged"]) == ("C", True, ["K-right"])
    for named in ("right", "K-right"):
        assert (await world.get(f"/grades/{named}"))["customer"] == "left"
    listed = [row["customer"] for row in (await world.get("/grades"))["items"]]
    assert "left" in listed
    assert "right" not in listed
    assert "right" not in [row["customer"] for row in (await world.get("/watch-list"))["items"]]
    tried = (await world.ask("POST", "/what-if", body=GRADING.initial.model_dump())).json()
    assert tried["customers"] == len(listed)

    for customer in ("left", "right"):
        undone = CustomersUnmerged(
            customer=customer, survivor="left", merged="right", reason="误并", undone_by="market"
        )
        await world.publish(world.registry, DOSSIERS, customer, undone)
    assert (await world.grade("right", "C"))["customer"] == "right"
    assert (await world.grade("left", "C"))["merged"] == []


async def test_views_rebuilt_from_the_log_are_what_they_were(world: World) -> None:
    owner = await asyncpg.connect(**world.settings.connection(OWNER_ROLE))
    try:
        for view in ("grades", "watch-list", "lineage"):
            rebuilt = await rebuild(world.assembly.running, view, owner)
            assert rebuilt.facts
            assert rebuilt.same, view
    finally:
        await owner.close()


async def test_everybody_else_reads_grades_as_cloudevents(world: World) -> None:
    """A plain Kafka client, as another company's system would use."""
    consumer = AIOKafkaConsumer(
        grading.topic, bootstrap_servers=world.settings.brokers, auto_offset_reset="earliest", group_id=None
    )
    await consumer.start()
    try:
        told: list[tuple[str, Any]] = []
        async with asyncio.timeout(PATIENCE):
            while not any(kind == "kehu.GradeAssigned.v1" for kind, _ in told):
                record = await consumer.getone()
                headers = {name: value.decode() for name, value in record.headers}
                if record.key == b"dealer":
                    told.append((headers["ce_type"], json.loads(record.value or b"")))
    finally:
        await consumer.stop()
    assert told[0] == (
        "kehu.GradeAssigned.v1",
        {
            "customer": "dealer",
            "grade": "B",
            "previous": None,
            "basis": "initial",
            "grade_clause": "R5.2.B",
            "provisional": False,
            "policy_version": 0,
            "year": None,
        },
    )


async def test_a_month_that_closes_without_a_report_moves_the_grade_by_itself(world: World) -> None:
    """The last test of the module: it moves the clock."""
    before = await world.grade("gap", "A")
    closes = calendar.month_closes_at(world.closed[-1] + 4)
    owner = await asyncpg.connect(**world.settings.connection(OWNER_ROLE))
    try:
        ahead = closes - world.assembly.running.clock.now() + timedelta(minutes=1)
        await clock.advance(owner, ahead, demonstration=True)
    finally:
        await owner.close()
    found = await world.grade("gap", "C")
    assert before["next_review"] < found["next_review"]
    assert [counted["amount_fen"] for counted in found["indicative_explained"]["months"][-4:]] == [None] * 4
