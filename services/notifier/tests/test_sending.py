"""Sending on a real PostgreSQL to a real HTTP server: each message once, whatever the provider or the worker does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import asyncpg
import pytest_asyncio

from kehu import calendar, clock
from kehu.applying import apply_facts
from kehu.contracts.customers import Contact, CustomerKind, CustomerRegistered, IdentityKind
from kehu.contracts.staff import StaffMemberAppointed
from kehu.deciding import Actor, Context, Decision, Grant
from kehu.identity import staff_view
from kehu.ids import new_id
from kehu.loops import Loop
from kehu.parts import Running, connect
from kehu.policies import ProposePolicy, adopt_policy, propose_policy
from kehu.schedules import Scheduler
from kehu.settings import OWNER_ROLE, Settings
from kehu_notifier.app import build
from kehu_notifier.channels.channel import Channel
from kehu_notifier.channels.opening import open_channels
from kehu_notifier.customers.views import CUSTOMERS_VIEW
from kehu_notifier.messages.decisions import Readiness, message_id, start_sending
from kehu_notifier.messages.facts import MESSAGES, Message, MessageState
from kehu_notifier.messages.sending import Desk, sender
from kehu_notifier.notices.facts import NOTICES, NoticeAddressed
from kehu_notifier.settings import SMS_SECRET, WECOM_SECRET, NotifierSettings
from kehu_notifier.templates.initial import WORDS
from kehu_notifier.templates.policy import TEMPLATES
from kehu_notifier.templates.template import TemplateName
from kehu_notifier.testing import recorded
from kehu_notifier.testing.provider import Asked, Provider, Reply, listening

PATIENCE = 60
PHONE = "+8613800138000"


@dataclass
class Phones:
    """What Aliyun and WeCom would know: the messages handed over, and how to answer the next ones."""

    taken: list[str] = field(default_factory=list[str])
    status: int = 3
    forgets: bool = False

    def answer(self, asked: Asked) -> Reply:
        action = asked.headers.get("x-acs-action")
        if action == "SendSms":
            self.taken.append(asked.query["OutId"])
            return Reply({"Code": "OK", "BizId": f"b-{asked.query['OutId']}"})
        if action == "QuerySendDetails":
            known = [] if self.forgets else self.taken
            found = [{"OutId": message, "SendStatus": self.status, "ErrCode": "X"} for message in known]
            return Reply({"Code": "OK", "SmsSendDetailDTOs": {"SmsSendDetailDTO": found}})
        if asked.path == "/cgi-bin/gettoken":
            return Reply({"errcode": 0, "access_token": "t", "expires_in": 7200})
        self.taken.append(asked.json["touser"])
        return Reply({"errcode": 0, "msgid": "w-1"})


@dataclass
class World:
    """The notifier's sending side, without Kafka."""

    running: Running
    channels: dict[str, Channel]
    provider: Provider
    phones: Phones
    settings: NotifierSettings
    database: Settings

    def desk(self, channels: dict[str, Channel] | None = None) -> Desk:
        return Desk(self.running, self.channels if channels is None else channels, "甲公司")

    async def address(self, *, recipient: str = "p-1", contact: bool = True) -> str:
        """Have somebody told of something new; the message's id, once the ledger has it."""
        message = await self.address_only(recipient=recipient, contact=contact)
        await self.row(message, "queued")
        return message

    async def address_only(self, *, recipient: str = "p-1", contact: bool = True) -> str:
        """The same, without waiting."""
        reason = new_id()
        template = TemplateName.CUSTOMER_ACTIVATED if contact else TemplateName.TURN_TO_SIGN
        fact = NoticeAddressed(
            thing=str(reason),
            customer="c-1",
            reason=reason,
            template=template,
            audience_kind="main_contact" if contact else "role",
            recipient=recipient,
            recipient_kind="contact" if contact else "employee",
            department="east",
            values={} if contact else {"step": "vetting", "due": "2026-12-01"},
            expires_at=self.running.clock.now() + timedelta(days=30),
        )
        context = Context(Actor("system:test"), self.running.clock.now())
        # The need itself is not what these tests are about.
        need = partial(_only, fact)
        await self.running.commands.handle(NOTICES, str(reason), need, context, must_exist=False)
        return message_id(reason, template, recipient)

    async def state(self, message: str) -> Message:
        state, _ = await self.running.commands.load(MESSAGES, message)
        return state

    async def row(self, message: str, state: str) -> asyncpg.Record:
        """The ledger's row, once it says so."""
        async with asyncio.timeout(PATIENCE):
            while True:
                row = await self.running.pool.fetchrow("SELECT * FROM ledger WHERE message = $1", message)
                if row is not None and row["state"] == state:
                    return row
                await asyncio.sleep(0.01)

    async def work(self, message: str, state: str) -> asyncpg.Record:
        """Let a worker do what is due; then the message is in that state."""
        await self.desk().work_page()
        return await self.row(message, state)

    async def clock_to(self, at: datetime) -> None:
        owner = await asyncpg.connect(**self.database.connection(OWNER_ROLE))
        try:
            ahead = max(timedelta(0), at - self.running.clock.now()) + timedelta(milliseconds=1)
            await clock.advance(owner, ahead, demonstration=True)
        finally:
            await owner.close()
        await self.running.clock.refresh()

    async def lease_over(self, message: str) -> None:
        """As if the worker that has it were long dead."""
        await self.running.pool.execute(
            "UPDATE sending_leases SET leased_until = clock_timestamp() - interval '1 s' WHERE message = $1", message
        )


def _only(fact: NoticeAddressed, _state: Any, _context: Context) -> Decision:
    return Decision([fact])


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def world(database: Settings) -> AsyncGenerator[World]:
    async with AsyncExitStack() as stack:
        provider = await stack.enter_async_context(listening())
        (database.secrets / SMS_SECRET).write_text("s3cret\n")
        (database.secrets / WECOM_SECRET).write_text("s3cret\n")
        settings = NotifierSettings(
            sms_access_key_id="LTAI-test",
            sms_endpoint=provider.url,
            wecom_corp_id="corp",
            wecom_agent_id=7,
            wecom_endpoint=provider.url,
        )
        service = build(settings)
        running = await stack.enter_async_context(connect(service, database))
        scheduler = Scheduler(service, running.pool, running.store, running.codec, running.clock, running.policies)
        for name, run in {"follower": running.follower.run, "scheduler": scheduler.run}.items():
            loop = Loop(name, run)
            loop.start()
            stack.push_async_callback(loop.stop, 10)
        channels = dict(await stack.enter_async_context(open_channels(running, settings)))
        world = World(running, channels, provider, Phones(), settings, database)
        now = running.clock.now()
        morning = calendar.start_of_day(calendar.today(now)) + timedelta(hours=10)
        await world.clock_to(morning if morning > now else morning + timedelta(days=1))
        await _approve_template(running)
        await _know(running)
        yield world


async def _approve_template(running: Running) -> None:
    """市场部 has the SMS template approved by the provider, and says under which id: a version of two people."""
    words = WORDS[TemplateName.CUSTOMER_ACTIVATED].model_copy(update={"sms_code": "SMS_1", "urgent": True})
    data = {"templates": {TemplateName.CUSTOMER_ACTIVATED: words.model_dump(mode="json")}}
    proposal = ProposePolicy(calendar.today(running.clock.now()), data, "approved by Aliyun")
    for person, decide in (
        ("market", partial(propose_policy, TEMPLATES, proposal)),
        ("market2", partial(adopt_policy, TEMPLATES, 1)),
    ):
        actor = Actor(person, (Grant("market_dept"),))
        context = Context(actor, running.clock.now())
        await running.commands.handle(running.policies.category, TEMPLATES.name, decide, context, must_exist=False)
    await running.policies.refresh()


async def _know(running: Running) -> None:
    """What the registry would have published."""
    contact = Contact(person="p-1", name="王小明", phone=PHONE, main=True)
    registered = CustomerRegistered(
        customer="c-1",
        number="K000001",
        name="甲乙商贸",
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
    appointed = StaffMemberAppointed(person="sun", number="E004", name="孙丽", department="east")
    views = [CUSTOMERS_VIEW, staff_view("notifier")]
    async with running.pool.acquire() as connection, connection.transaction():
        await apply_facts(connection, views, [recorded(registered), recorded(appointed)])


@pytest_asyncio.fixture(loop_scope="session")
async def fresh(world: World) -> AsyncGenerator[World]:
    """The world with a provider that behaves."""
    # Earlier tests' messages that wait for a receipt are none of the next one's business.
    await world.running.pool.execute("UPDATE ledger SET look_at = NULL")
    world.provider.asked.clear()
    world.provider.answers.clear()
    world.phones = Phones()
    world.provider.usual = world.phones.answer
    yield world


async def test_an_sms_is_sent_and_its_delivery_asked_for(fresh: World) -> None:
    message = await fresh.address()
    row = await fresh.work(message, "sent")
    assert (row["channel"], row["template_version"], row["attempts"]) == ("sms", 1, 1)
    assert row["provider_reference"] == f"b-{message}"
    assert fresh.provider.asked[0].query["TemplateCode"] == "SMS_1"
    fresh.phones.status = 1  # the operator has no receipt yet
    await fresh.clock_to(row["look_at"])
    await fresh.desk().work_page()
    assert (await fresh.state(message)).state is MessageState.SENT
    fresh.phones.status = 3
    await fresh.clock_to((await fresh.state(message)).look_at or row["look_at"])
    assert (await fresh.work(message, "delivered"))["look_at"] is None
    assert fresh.phones.taken == [message]


async def test_an_employee_is_written_to_through_wecom_by_staff_number(fresh: World) -> None:
    message = await fresh.address(recipient="sun", contact=False)
    row = await fresh.work(message, "delivered")
    assert (row["channel"], row["provider_reference"]) == ("wecom", "w-1")
    (sent,) = [asked.json for asked in fresh.provider.asked if asked.path.endswith("send")]
    assert sent["touser"] == "E004"
    assert sent["text"]["content"].startswith(
        "客户 K000001 甲乙商贸 的资质审核轮到您办理：营销部审核。办理期限：2026年12月1日"
    )
    assert sent["text"]["content"].endswith("列表 / List: vetting /qualifications?waiting_for=me")


async def test_an_unknown_outcome_is_asked_about_and_never_sent_again(fresh: World) -> None:
    """The provider took it, and its answer was lost on the way."""

    def loses_the_answer(asked: Asked) -> Reply:
        reply = fresh.phones.answer(asked)
        return Reply(reply.body, cut=True) if asked.headers.get("x-acs-action") == "SendSms" else reply

    fresh.provider.usual = loses_the_answer
    message = await fresh.address()
    row = await fresh.work(message, "unknown")
    assert row["detail"] == "no-answer"
    await fresh.clock_to(row["look_at"])
    await fresh.work(message, "delivered")
    assert fresh.phones.taken == [message]


async def test_without_a_trace_at_the_provider_it_fails_and_is_not_sent_again(fresh: World) -> None:
    fresh.phones.forgets = True
    fresh.provider.answers.append(Reply(b"", 502))
    message = await fresh.address()
    row = await fresh.work(message, "unknown")
    while (look_at := (await fresh.state(message)).look_at) is not None:
        await fresh.clock_to(look_at)
        await until_looked(fresh, message)
    row = await fresh.row(message, "failed")
    assert (row["detail"], row["attempts"]) == ("no-trace", 1)
    sent = [asked for asked in fresh.provider.asked if asked.headers["x-acs-action"] == "SendSms"]
    assert len(sent) == 1


async def until_looked(world: World, message: str) -> None:
    """A look is due in the stream; the ledger, by which workers find it, may be a moment behind."""
    before = await world.state(message)
    async with asyncio.timeout(PATIENCE):
        while await world.state(message) == before:
            await world.desk().work_page()
            await asyncio.sleep(0.01)


async def test_a_worker_that_died_in_the_middle_leaves_an_unknown_outcome(fresh: World) -> None:
    message = await fresh.address()
    running = fresh.running
    await running.pool.execute("INSERT INTO sending_leases VALUES ($1, clock_timestamp() + interval '1 min')", message)
    context = Context(
        Actor("system:test"),
        running.clock.now(),
        await running.policies.in_force(running.clock.now()),
        Readiness(),
    )
    await running.commands.handle(MESSAGES, message, partial(start_sending, new_id()), context)
    await fresh.row(message, "sending")
    assert await fresh.desk().work_page() == 0  # it is still in somebody's hand
    await fresh.lease_over(message)
    row = await fresh.work(message, "unknown")
    assert (row["detail"], fresh.phones.taken) == ("interrupted", [])


async def test_of_many_workers_one_sends_each_message(fresh: World) -> None:
    """Guard: the lease; without it, that an attempt is recorded at the version it was decided from."""
    messages = [await fresh.address() for _ in range(20)]
    desks = [fresh.desk() for _ in range(4)]
    await asyncio.gather(*(desk.work_page() for desk in desks))
    assert sorted(fresh.phones.taken) == sorted(messages)

    more = [await fresh.address() for _ in range(10)]
    for message in more:  # everybody believes to have the lease
        await asyncio.gather(*(desk.work_through([message]) for desk in desks))
    assert sorted(fresh.phones.taken) == sorted(messages + more)


async def test_what_the_provider_does_not_take_now_is_tried_again_when_its_time_comes(fresh: World) -> None:
    fresh.provider.answers.append(Reply({"Code": "isv.BUSINESS_LIMIT_CONTROL"}))
    message = await fresh.address()
    row = await fresh.work(message, "held")
    assert row["detail"] == "isv.BUSINESS_LIMIT_CONTROL"
    assert await fresh.desk().work_page() == 0
    await fresh.clock_to(row["held_until"])
    await fresh.row(message, "queued")
    row = await fresh.work(message, "sent")
    assert (row["attempts"], fresh.phones.taken) == (2, [message])


async def test_a_channel_taken_away_holds_what_was_written_for_it(fresh: World) -> None:
    message = await fresh.address()
    await fresh.desk({"sandbox": fresh.channels["sandbox"]}).work_page()
    assert (await fresh.row(message, "held"))["detail"] == "channel-not-set-up"


async def test_a_message_waits_for_a_customer_not_known_yet(fresh: World) -> None:
    message = await fresh.address()
    pool = fresh.running.pool
    known = await pool.fetchrow("DELETE FROM customers WHERE customer = 'c-1' RETURNING *")
    assert await fresh.desk().work_page() == 0
    await pool.execute("INSERT INTO customers VALUES ($1, $2, $3, $4, $5, $6)", *known)
    await fresh.work(message, "sent")


async def test_the_worker_finishes_what_it_has_begun_when_it_is_stopped(fresh: World) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    class Slow:
        can_look_up = True
        look_up = fresh.channels["sms"].look_up

        async def send(self, outgoing: Any) -> Any:
            begun.set()
            await go_on.wait()
            return await fresh.channels["sms"].send(outgoing)

    message = await fresh.address()
    page = asyncio.create_task(fresh.desk({"sms": Slow()}).work_page())
    await begun.wait()
    page.cancel()
    go_on.set()
    await asyncio.wait({page})
    assert page.cancelled()
    await fresh.row(message, "sent")
    assert fresh.phones.taken == [message]


async def test_the_worker_of_the_service_does_all_that_by_itself(fresh: World) -> None:
    loop = Loop("sender", partial(sender(fresh.settings), fresh.running))
    loop.start()
    try:
        await fresh.row(await fresh.address_only(), "sent")
    finally:
        await loop.stop(10)
    assert loop.ready
