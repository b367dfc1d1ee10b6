"""The registry as people meet it: running on a database and a broker of its own, with a clock that tests may move."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any, TypeVar

import asyncpg
import httpx2

from kehu import calendar, clock
from kehu.deciding import Category, Context, Decision, system_actor
from kehu.facts import Fact
from kehu.identity import issue_token
from kehu.loops import Loop
from kehu.parts import Running, connect
from kehu.relay import Relay
from kehu.running import Assembly, assemble
from kehu.service import Service
from kehu.settings import OWNER_ROLE, TOKEN_ISSUER, Settings
from kehu.testing.platform import Platform
from kehu_customer_registry.app import service
from kehu_customer_registry.staff.decisions import FIRST_ADMINS

#: Seconds that a condition in another loop is waited for; a busy machine takes some.
PATIENCE = 60
_TOKEN_MINUTES = 60

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
