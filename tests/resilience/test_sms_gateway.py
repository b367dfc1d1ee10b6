"""The whole way to a customer's phone through an SMS gateway that misbehaves in every way: each message at most once.

Facts come by Kafka from those who publish them, the notifier is a process of its own with its real channel, and the
gateway an HTTP server. What the gateway has taken is what phones have got.
"""

from __future__ import annotations

import contextlib
import sys
from collections import Counter
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import asyncpg
import pytest_asyncio
from crossing import until
from processes import Served, service_process

from kehu import calendar, clock
from kehu.contracts.customers import Contact, CustomerKind, CustomerRegistered, IdentityKind
from kehu.contracts.messages import MessageDelivered, MessageFailed
from kehu.contracts.vetting import AgentActivated
from kehu.deciding import Actor, Category, Context, Decision, Grant
from kehu.facts import Fact
from kehu.loops import Loop
from kehu.parts import Running, connect
from kehu.policies import ProposePolicy, adopt_policy, propose_policy
from kehu.relay import Relay
from kehu.service import Feature, Service
from kehu.settings import OWNER_ROLE, SUPERUSER_ROLE, Settings
from kehu.testing.pair import MIGRATIONS
from kehu.testing.platform import Platform
from kehu.topics import ensure_topics, owned_topics
from kehu_notifier.app import build
from kehu_notifier.settings import SMS_SECRET, NotifierSettings
from kehu_notifier.templates.initial import WORDS
from kehu_notifier.templates.policy import TEMPLATES
from kehu_notifier.templates.template import TemplateName
from kehu_notifier.testing.provider import Asked, Reply, listening

#: Messages for each way of misbehaving.
EACH = 3
SLOW_SECONDS = 3.0
#: Nothing is left to be done about it.
_FINAL = ("delivered", "failed")


def _publisher(name: str, category: str, *facts: type[Fact]) -> tuple[Service, Category[Any]]:
    kind: Category[Any] = Category(category, facts, None, lambda state, _: state)
    # They have no tables, and need a folder.
    return Service(name, name, [Feature("published", categories=[kind])], MIGRATIONS), kind


REGISTRY, DOSSIERS = _publisher("customer-registry", "dossier", CustomerRegistered)
VETTING, QUALIFICATIONS = _publisher("vetting", "qualification", AgentActivated)
OTHERS = [_publisher("grading", "grade")[0], _publisher("engagement", "visit")[0]]
PUBLISHERS = [REGISTRY, VETTING, *OTHERS]


@dataclass(frozen=True)
class Way:
    """A way in which the gateway treats a message: whether it takes it, and how it answers the first time."""

    takes: bool
    answer: Callable[[dict[str, Any]], Reply]
    #: What becomes of the message in the end.
    end: str = "delivered"


def _refuses(code: str) -> Callable[[dict[str, Any]], Reply]:
    return lambda _: Reply({"Code": code})


WAYS = {
    "well": Way(takes=True, answer=Reply),
    "slowly": Way(takes=True, answer=lambda body: Reply(body, seconds=SLOW_SECONDS)),
    "not at all, having taken it": Way(takes=True, answer=lambda _: Reply(silent=True)),
    "half, having taken it": Way(takes=True, answer=lambda body: Reply(body, cut=True)),
    "an error, having taken it": Way(takes=True, answer=lambda _: Reply(b"<html>", 502)),
    "an error, not having taken it": Way(takes=False, answer=lambda _: Reply(b"<html>", 500), end="failed"),
    "twice": Way(takes=True, answer=lambda body: Reply(body, twice=True)),
    "busy, and well the next time": Way(takes=False, answer=_refuses("isv.BUSINESS_LIMIT_CONTROL")),
    "never": Way(takes=False, answer=_refuses("isv.MOBILE_NUMBER_ILLEGAL"), end="failed"),
}


@dataclass
class Gateway:
    """What it has taken, and how it treats whom."""

    ways: dict[str, str]
    taken: list[str] = field(default_factory=list[str])
    seen: set[str] = field(default_factory=set[str])

    def answer(self, asked: Asked) -> Reply:
        """Answer a request as Aliyun would on a bad day."""
        if asked.headers.get("x-acs-action") == "QuerySendDetails":
            found = [{"OutId": message, "SendStatus": 3} for message in self.taken]
            return Reply({"Code": "OK", "SmsSendDetailDTOs": {"SmsSendDetailDTO": found}})
        message, phone = asked.query["OutId"], asked.query["PhoneNumbers"]
        way = WAYS[self.ways[phone]]
        again = message in self.seen
        self.seen.add(message)
        if way.takes or again:
            self.taken.append(message)
        body = {"Code": "OK", "BizId": f"b-{message}"}
        return Reply(body) if again else way.answer(body)


@dataclass(frozen=True)
class Told:
    """What it comes to: messages, those that nothing came of, and those that a phone got again."""

    messages: int
    lost: int
    doubled: int

    def __str__(self) -> str:
        return f"{self.messages} messages: {self.lost} lost, {self.doubled} doubled"


@dataclass
class World:
    """Who publishes, the database, and the notifier's process."""

    settings: Settings
    publishers: dict[str, Running]
    gateway: Gateway
    notifier: Served
    owner: asyncpg.Connection

    async def publish(self, service: str, kind: Category[Any], stream_id: str, fact: Fact) -> None:
        """Have a fact published by its service."""
        publisher = self.publishers[service]
        context = Context(Actor("x"), publisher.clock.now())
        await publisher.commands.handle(kind, stream_id, lambda _s, _c: Decision([fact]), context, must_exist=False)

    async def ledger(self) -> list[asyncpg.Record]:
        """What goes through the gateway: the messages to the customers' contacts. Owners are told what came of some."""
        return await self.owner.fetch("SELECT * FROM notifier.ledger WHERE recipient LIKE 'p-%'")

    async def facts(self, fact: type[Fact]) -> Counter[str]:
        """How often a fact was published, by message."""
        connection = await asyncpg.connect(**self.settings.connection(SUPERUSER_ROLE))
        rows = await connection.fetch(
            "SELECT data ->> 'message' AS message FROM event_store.events WHERE type = $1", fact.type_name()
        )
        await connection.close()
        return Counter(row["message"] for row in rows)

    async def finished(self, messages: int) -> bool:
        """Whether nothing is left to do; where only time is, it passes."""
        rows = await self.ledger()
        if len(rows) == messages and all(row["state"] in _FINAL for row in rows):
            return True
        waiting = [at for row in rows if (at := row["held_until"] or row["look_at"])]
        if len(rows) == messages and not any(row["state"] in ("queued", "sending") for row in rows) and waiting:
            now = self.publishers[REGISTRY.name].clock
            await now.refresh()
            ahead = max(timedelta(seconds=1), min(waiting) - now.now())
            await clock.advance(self.owner, ahead, demonstration=True)
        return False


@pytest_asyncio.fixture
async def world(platform: Platform, chance: Random, tmp_path: Path) -> AsyncGenerator[World]:
    """The notifier with a gateway that treats each phone in a way of its own."""
    ways = [way for way in WAYS for _ in range(EACH)]
    chance.shuffle(ways)
    gateway = Gateway({f"138{number:08}": way for number, way in enumerate(ways)})
    async with AsyncExitStack() as stack:
        provider = await stack.enter_async_context(listening())
        provider.usual = gateway.answer
        channel = NotifierSettings(sms_access_key_id="LTAI-test", sms_endpoint=provider.url)
        service = build(channel)
        database = await platform.postgres.create_database(services=[*PUBLISHERS, service])
        stack.push_async_callback(platform.postgres.drop_database, database)
        await platform.empty_kafka()
        settings = platform.settings(database.database_name)
        (settings.secrets / SMS_SECRET).write_text("s3cret\n")
        await ensure_topics(settings, [topic for one in (*PUBLISHERS, service) for topic in owned_topics(one)])
        async with connect(service, settings) as running:
            await _approve_template(running)
        publishers = {one.name: await _publishing(stack, one, settings) for one in PUBLISHERS}
        command = [sys.executable, "-m", "kehu.cli", "serve", service.name]
        variables = {f"KEHU_NOTIFIER_{name.upper()}": str(value) for name, value in channel.model_dump().items()}
        notifier = await stack.enter_async_context(
            service_process(command, settings, tmp_path / "notifier.log", variables)
        )
        owner = await asyncpg.connect(**settings.connection(OWNER_ROLE))
        stack.push_async_callback(owner.close)
        yield World(settings, publishers, gateway, notifier, owner)


async def _publishing(stack: AsyncExitStack, service: Service, settings: Settings) -> Running:
    running = await stack.enter_async_context(connect(service, settings))
    relay = Relay(service, running.store, settings)
    running.wakes.append(relay.wake)
    loop = Loop("relay", relay.run)
    loop.start()
    stack.push_async_callback(loop.stop, 10)
    return running


async def _approve_template(running: Running) -> None:
    """市场部 has the SMS template approved by the provider, and says under which id: a version of two people."""
    words = WORDS[TemplateName.CUSTOMER_ACTIVATED].model_copy(update={"sms_code": "SMS_1", "urgent": True})
    data = {"templates": {TemplateName.CUSTOMER_ACTIVATED: words.model_dump(mode="json")}}
    proposal = ProposePolicy(calendar.today(running.clock.now()), data, "approved by Aliyun")
    for person, decide in (
        ("market", partial(propose_policy, TEMPLATES, proposal)),
        ("market2", partial(adopt_policy, TEMPLATES, 1)),
    ):
        context = Context(Actor(person, (Grant("market_dept"),)), running.clock.now())
        await running.commands.handle(running.policies.category, TEMPLATES.name, decide, context, must_exist=False)


async def _customer(world: World, number: int, phone: str) -> None:
    customer = f"c-{number}"
    contact = Contact(person=f"p-{number}", name="王小明", phone=f"+86{phone}", main=True)
    registered = CustomerRegistered(
        customer=customer,
        number=f"K{number:06}",
        name=f"{number} 号商贸",
        kind=CustomerKind.DEALER,
        nature="limited",
        identity_kind=IdentityKind.USCC,
        identity="91110000600037341L",
        region="湖北",
        department="east",
        owner="li",
        contacts=(contact,),
        registered_by="zhao",
    )
    today = calendar.today(world.publishers[REGISTRY.name].clock.now())
    activated = AgentActivated(
        customer=customer, qualification=f"q-{number}", department="east", agent=True, activated_on=today
    )
    await world.publish(REGISTRY.name, DOSSIERS, customer, registered)
    await world.publish(VETTING.name, QUALIFICATIONS, f"q-{number}", activated)


async def test_a_gateway_that_misbehaves_in_every_way_gives_no_phone_a_message_twice(
    world: World, tell: Callable[[Any], None]
) -> None:
    """Guard: an attempt is recorded before the gateway is called, and one whose outcome nobody knows is asked about,
    never repeated. Each message comes to one end, as true as can be found out."""
    for number, phone in enumerate(world.gateway.ways):
        await _customer(world, number, phone)
    messages = len(world.gateway.ways)
    with contextlib.suppress(AssertionError):  # what came to no end is counted below
        await until(lambda: world.finished(messages), "every message comes to an end")
    rows = await world.ledger()
    taken = Counter(world.gateway.taken)
    delivered, failed = await world.facts(MessageDelivered), await world.facts(MessageFailed)
    ended = delivered + failed
    lost = sum(1 for row in rows if not ended[row["message"]])
    told = Told(messages, lost, sum(count - 1 for count in taken.values() if count > 1))
    tell(told)
    assert told == Told(messages, 0, 0)
    assert set(ended.values()) == {1}, "A message has come to two ends."
    by_phone = {f"138{int(row['recipient'].removeprefix('p-')):08}": row for row in rows}
    ends = {phone: by_phone[phone]["state"] for phone in world.gateway.ways}
    assert ends == {phone: WAYS[way].end for phone, way in world.gateway.ways.items()}
    assert set(taken) == {row["message"] for row in rows if row["state"] == "delivered"}
