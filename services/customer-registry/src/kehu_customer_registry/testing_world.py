"""The registry as people meet it: running on a database and a broker of its own, with a clock that tests may move."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any, TypeVar

import asyncpg
import httpx2
from aiokafka import AIOKafkaConsumer

from kehu import calendar, clock
from kehu.calendar import Month
from kehu.deciding import Category, Context, Decision, system_actor
from kehu.facts import Fact
from kehu.identity import issue_token
from kehu.loops import Loop
from kehu.parts import Running, connect
from kehu.relay import Relay
from kehu.running import Assembly, assemble
from kehu.service import Service
from kehu.settings import AUDITOR_ROLE, OWNER_ROLE, TOKEN_ISSUER, Settings
from kehu.testing.platform import Platform
from kehu_customer_registry.app import service
from kehu_customer_registry.staff.decisions import FIRST_ADMINS

#: Seconds that a condition in another loop is waited for; a busy machine takes some.
PATIENCE = 60
_TOKEN_MINUTES = 60

USCC = "91110000600037341L"
CONTACT = {"name": "王小明", "phone": "13800138000", "title": "总经理", "audience": "I"}
COMPLETE: dict[str, Any] = {
    "kind": "provincial_agent",
    "nature": "limited_liability",
    "supervising_body": "无",
    "address": "杭州市西湖区文三路 1 号",
    "region": "浙江",
    "identity": {"kind": "uscc", "number": USCC},
    "contacts": [CONTACT],
}
ROLES: dict[str, list[tuple[str, str | None]]] = {
    "sun": [("salesperson", "east")],
    "qian": [("salesperson", "east")],
    "manager": [("dept_manager", "east")],
    "west.manager": [("dept_manager", "west")],
    "west.sales": [("salesperson", "west")],
    "market": [("market_dept", None)],
    "auditor": [("auditor", None)],
}

Posts = Mapping[str, Sequence[tuple[str, str | None]]]


@dataclass
class World:
    """The registry, the topics of other services (`others`, by name), and people who ask."""

    assembly: Assembly
    http: httpx2.AsyncClient
    settings: Settings
    others: dict[str, Running]
    customers: dict[str, str] = field(default_factory=dict[str, str])

    @property
    def now(self) -> datetime:
        """The policy's time."""
        return self.assembly.running.clock.now()

    @property
    def today(self) -> date:
        """The policy's day."""
        return calendar.today(self.now)

    async def ask(
        self, person: str, method: str, path: str, body: Any = None, *, files: Any = None, **headers: str
    ) -> httpx2.Response:
        """One request; changes wait until the lists show them."""
        token = issue_token(self.settings.secret(TOKEN_ISSUER), person, _TOKEN_MINUTES)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.http.request(
            method,
            path,
            json=body,
            files=files,
            headers={"Authorization": f"Bearer {token}", "Prefer": "wait=20", "Accept-Language": "en", **named},
        )

    async def done(self, person: str, method: str, path: str, body: Any = None, **more: Any) -> Any:
        """One request that is to succeed.

        Raises:
            AssertionError: it does not.

        """
        response = await self.ask(person, method, path, body, **more)
        if not response.is_success:
            raise AssertionError(response.text)
        return response.json()

    async def publish(self, by: str, category: Category[Any], stream_id: str, *facts: Fact) -> None:
        """Facts of another service, on their way through Kafka."""
        running = self.others[by]
        context = Context(system_actor(by, "test"), running.clock.now())
        await running.commands.handle(
            category, stream_id, lambda _state, _context: Decision(facts), context, must_exist=False
        )

    async def advance_to(self, moment: datetime) -> None:
        """Move the clock of the whole system, to a second after a moment."""
        owner = await asyncpg.connect(**self.settings.connection(OWNER_ROLE))
        try:
            await clock.advance(owner, moment - self.now + timedelta(seconds=1), demonstration=True)
        finally:
            await owner.close()

        async def arrived() -> bool:
            return self.now >= moment

        await until(arrived)

    async def staff(self, posts: Posts, key: Sequence[str] = ()) -> None:
        """The company's departments and people, through the API alone, beginning with the two admins."""
        for code, region in (("east", "华东"), ("west", "西部")):
            body = {"code": code, "name": f"{region}营销部", "region": region}
            await self.done("admin", "POST", "/departments", body)
        for number, (person, held) in enumerate(posts.items(), 1001):
            body = {"person": person, "number": str(number), "name": f"员工{number}", "department": held[0][1]}
            await self.done("admin", "POST", "/staff", body)
            for role, department in held:
                post = {"role": role, "department": department}
                await self.done("admin", "POST", f"/staff/{person}/roles", post)
                if role in key:
                    await self.done("admin2", "POST", f"/staff/{person}/roles/confirm", post)


class DossierWorld(World):
    """With dossiers that are edited from the version which they have."""

    async def etag(self, customer: str) -> str:
        """The version that somebody with the right to see a dossier has in hand."""
        response = await self.ask("admin", "GET", f"/dossiers/{customer}")
        return _ok(response).headers["etag"]

    async def edit(self, person: str, customer: str, step: str, body: Any = None) -> httpx2.Response:
        """A change of a dossier, made from its present version."""
        method, path = (
            ("PATCH", f"/dossiers/{customer}") if step == "edit" else ("POST", f"/dossiers/{customer}/{step}")
        )
        return await self.ask(person, method, path, body, If_Match=await self.etag(customer))

    async def register(self, name: str, owner: str = "sun", department: str = "east", **fields: Any) -> tuple[str, str]:
        """A customer from first draft to archive: id and number."""
        drafted = await self.done(owner, "POST", "/dossiers", {"name": name, "department": department, **fields})
        manager = "manager" if department == "east" else "west.manager"
        for person, step in ((owner, "submit"), (manager, "pass")):
            _ok(await self.edit(person, drafted["id"], step))
        return drafted["id"], drafted["number"]

    async def facts(self, stream: str) -> list[str]:
        """The names of the facts in a stream, as an auditor of the store reads them."""
        connection = await asyncpg.connect(**self.settings.connection(AUDITOR_ROLE))
        try:
            rows = await connection.fetch(
                "SELECT type FROM event_store.events WHERE stream = $1 ORDER BY version", stream
            )
        finally:
            await connection.close()
        return [row["type"].split(".")[1] for row in rows]


W = TypeVar("W", bound=World)


@asynccontextmanager
async def open_world(kind: type[W], platform: Platform, *others: Service) -> AsyncGenerator[W]:
    """The registry on an empty database and broker, with relays of other services and the two first admins.

    Args:
        kind: of `World`.
        platform: PostgreSQL and broker.
        others: services of which facts are published.

    """
    database = await platform.postgres.create_database(services=[service, *others])
    await platform.empty_kafka()
    settings = platform.settings(database.database_name)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(platform.postgres.drop_database, database)
        publishing: dict[str, Running] = {}
        for other in others:
            running = publishing[other.name] = await stack.enter_async_context(connect(other, settings))
            relay = Relay(other, running.store, settings)
            running.wakes.append(relay.wake)
            loop = Loop("relay", relay.run)
            loop.start()
            stack.push_async_callback(loop.stop, 5.0)
        assembly = await stack.enter_async_context(assemble(service, settings))
        await assembly.start()
        stack.push_async_callback(assembly.stop)
        transport = httpx2.ASGITransport(app=assembly.app)
        http = await stack.enter_async_context(httpx2.AsyncClient(transport=transport, base_url="http://registry"))
        world = kind(assembly, http, settings, publishing)

        async def appointed() -> bool:
            found = [await world.ask(admin, "GET", "/me") for admin in FIRST_ADMINS]
            return all(one.is_success and one.json()["posts"] for one in found)

        await until(appointed)
        yield world


async def until(condition: Callable[[], Awaitable[Any]]) -> Any:
    """Wait for a condition in another loop or server, which tells nobody when it changes."""
    async with asyncio.timeout(PATIENCE):
        while not (found := await condition()):  # noqa: ASYNC110 - it changes elsewhere
            await asyncio.sleep(0.02)
    return found


def refused(response: httpx2.Response, status: int, code: str) -> Mapping[str, Any]:
    """The problem that a request was refused with.

    Raises:
        AssertionError: it was answered otherwise.

    """
    found: Mapping[str, Any] = response.json() if response.content else {}
    if response.status_code != status or found.get("code") != code:
        raise AssertionError(response.text)
    return found


def _ok(response: httpx2.Response) -> httpx2.Response:
    if not response.is_success:
        raise AssertionError(response.text)
    return response


def complete(uscc: str) -> dict[str, Any]:
    """The form of a customer that shares neither phone nor address with the others."""
    digits = f"{int(uscc, 36) % 10**7:07}"
    own = {"address": f"杭州市西湖区文三路 {digits} 号", "contacts": [CONTACT | {"phone": f"1381{digits}"}]}
    return COMPLETE | own | {"identity": {"kind": "uscc", "number": uscc}}


def month(back: int, world: World) -> str:
    """A month as addresses write it, so many before the present one."""
    return str(Month.of(world.today) - back)


async def topic(world: World) -> AsyncGenerator[dict[str, Any]]:
    """What the service has published so far, as any Kafka client reads it."""
    consumer = AIOKafkaConsumer(
        "kehu.customer-registry", bootstrap_servers=world.settings.brokers, auto_offset_reset="earliest"
    )
    await consumer.start()
    try:
        partitions = consumer.assignment()
        ends = await consumer.end_offsets(partitions)
        left = {partition for partition, end in ends.items() if end > 0}
        while left:
            for partition, records in (await consumer.getmany(timeout_ms=1_000)).items():
                for record in records:
                    attributes = dict(record.headers)
                    yield {"type": attributes["ce_type"].decode(), "data": json.loads(record.value or b"{}")}
                if records and records[-1].offset + 1 >= ends[partition]:
                    left.discard(partition)
    finally:
        await consumer.stop()
