"""The worker that hands messages to their channels, each once, and asks providers what has become of them.

A message is taken by a lease, and its attempt recorded, before its channel is called; the channel's word is recorded
afterwards. A worker that dies in between leaves a message in `sending`: whoever finds it there when the lease is over
notes that its outcome is unknown, and nobody sends it again before the provider has said that it was not sent.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from uuid import UUID

import structlog
from prometheus_client import Counter

from kehu import calendar
from kehu.deciding import Context, Decision, system_actor
from kehu.facts import START, Fact, Position, RecordedFact
from kehu.ids import new_id
from kehu.logs import correlated
from kehu.parts import Running
from kehu.waiting import Pace
from kehu_notifier.channels.channel import Channel, Handed, Outcome, Outgoing, Unknown
from kehu_notifier.channels.opening import open_channels
from kehu_notifier.messages.composing import Letter, compose, look_up, wording
from kehu_notifier.messages.decisions import finish_sending, give_up_attempt, note_look_up, start_sending
from kehu_notifier.messages.facts import (
    MESSAGES,
    Message,
    MessagePrepared,
    MessageState,
    SendingStarted,
)
from kehu_notifier.messages.policy import sending_in_force
from kehu_notifier.messages.views import LEDGER_VIEW
from kehu_notifier.settings import NotifierSettings

log = structlog.get_logger(__name__)

#: Messages taken at once, and how many of them are in a channel at the same time.
PAGE = 40
AT_ONCE = 8
#: A channel that has not answered by then will not; longer than its own timeouts together.
SEND_SECONDS = 30.0
#: A worker has its messages for so long: all of a page one after the other, each as slow as it can be.
LEASE_SECONDS = SEND_SECONDS * (PAGE // AT_ONCE + 1)
#: A minute more: by so much may the database's clock be set right without anybody's lease being lost.
LONGEST_LEASE_SECONDS = LEASE_SECONDS + 60.0
_VIEW_SECONDS = 5.0

# Uses ledger_in_hand and ledger_look_at. What a message needs in order to be put together comes from the topics of
# other services, in no order: it is taken once its customer, if any, and its recipient are known. Leases run in real
# time; one that lasts longer than any was given while the database's clock was wrong.
_TAKE = """
WITH due AS (
    SELECT l.message FROM ledger l LEFT JOIN sending_leases s ON s.message = l.message
    WHERE (s.leased_until IS NULL
           OR s.leased_until NOT BETWEEN clock_timestamp() AND clock_timestamp() + make_interval(secs => $4))
      AND (l.look_at <= $1 OR l.state = 'sending' OR l.state = 'queued' AND (
          l.expires_at <= $1
          OR (l.customer IS NULL OR EXISTS (SELECT FROM customers c WHERE c.customer = l.customer))
             AND (l.recipient_kind <> 'employee' OR EXISTS (SELECT FROM staff e WHERE e.person = l.recipient))))
    ORDER BY l.requested_at LIMIT $2
)
INSERT INTO sending_leases (message, leased_until)
SELECT message, clock_timestamp() + make_interval(secs => $3) FROM due
ON CONFLICT (message) DO UPDATE SET leased_until = excluded.leased_until
    WHERE sending_leases.leased_until NOT BETWEEN clock_timestamp() AND clock_timestamp() + make_interval(secs => $4)
RETURNING message
"""
_RELEASE = "DELETE FROM sending_leases WHERE message = ANY ($1)"

_OUTCOMES = Counter("kehu_messages", "Messages by channel and what a channel said of them.", ["channel", "outcome"])


def sender(settings: NotifierSettings) -> Callable[[Running], Awaitable[None]]:
    """The worker for these settings."""

    async def send_messages(running: Running) -> None:
        pace = Pace()
        running.wakes.append(pace.hint)
        try:
            async with open_channels(running, settings) as channels:
                desk = Desk(running, channels, settings.sms_sign_name)
                while True:
                    if await desk.work_page():
                        pace.found()
                    else:
                        await pace.next()
        finally:
            running.wakes.remove(pace.hint)

    return send_messages


@dataclass(slots=True)
class _Done:
    """What was done to one message, so far."""

    facts: list[Fact] = field(default_factory=list[Fact])
    position: Position = START


class Desk:
    """Works through the messages that are due, as one of any number of workers.

    Args:
        running: the parts of the service.
        channels: by name.
        sign_name: stands in 【】 before an SMS.

    """

    def __init__(self, running: Running, channels: Mapping[str, Channel], sign_name: str) -> None:
        self._running = running
        self._channels = channels
        self._sign_name = sign_name
        self._actor = system_actor(running.service.name, "sender")

    async def work_page(self) -> int:
        """Take what is due and in nobody's hand; how many messages. What was begun is finished, also at a stop."""
        now = self._running.clock.now()
        rows = await self._running.pool.fetch(_TAKE, now, PAGE, LEASE_SECONDS, LONGEST_LEASE_SECONDS)
        messages = [row["message"] for row in rows]
        if messages:
            page = asyncio.create_task(self.work_through(messages), name="messages-page")
            try:
                await asyncio.shield(page)
            except asyncio.CancelledError:
                await page
                raise
        return len(messages)

    async def work_through(self, messages: Sequence[str]) -> None:
        """Do what is due with messages that this worker has by a lease, and release them."""
        turn = asyncio.Semaphore(AT_ONCE)
        done: dict[str, Position] = {}

        async def one(message: str) -> None:
            async with turn:
                try:
                    done[message] = await self._work_on(message)
                except Exception:
                    # It must not keep the others waiting. Its lease stays, so that it is not tried again at once.
                    log.exception("message.failed", message=message)

        async with asyncio.TaskGroup() as group:
            for message in messages:
                group.create_task(one(message))
        # Released before the ledger shows it, it would be taken again for nothing.
        end = max(done.values(), default=START)
        if end > START:
            await self._running.follower.wait_for(end, _VIEW_SECONDS, view=LEDGER_VIEW.name)
        await self._running.pool.execute(_RELEASE, list(done))

    async def _work_on(self, message: str) -> Position:
        history = await self._running.commands.history(MESSAGES, message)
        state = MESSAGES.fold([recorded.fact for recorded in history])
        prepared = state.prepared
        if prepared is None:
            return START
        case = _Case(self, prepared, history)
        with correlated(history[0].correlation):
            match state.state:
                case MessageState.QUEUED:
                    await self._send(case)
                case MessageState.SENDING if state.attempt is not None:
                    # Whoever had it has lost the lease by now.
                    can_look_up = self._can_look_up(prepared)
                    await case.carry_out(partial(give_up_attempt, state.attempt, can_look_up=can_look_up))
                case MessageState.SENT | MessageState.UNKNOWN if state.look_at is not None:
                    await self._look_up(case, state)
                case _:
                    pass  # the ledger is a moment behind
        return case.done.position

    async def _send(self, case: _Case) -> None:
        prepared = case.prepared
        channel = self._channels.get(prepared.channel)
        letter = await self._compose(prepared, channel_there=channel is not None)
        attempt = new_id()
        await case.carry_out(partial(start_sending, attempt), letter.readiness)
        started = any(isinstance(fact, SendingStarted) and fact.attempt == attempt for fact in case.done.facts)
        if not started or channel is None or letter.outgoing is None:
            return
        outcome = await _call(channel, letter.outgoing)
        _OUTCOMES.labels(prepared.channel, type(outcome).__name__).inc()
        await case.carry_out(partial(finish_sending, attempt, outcome, can_look_up=channel.can_look_up))

    async def _look_up(self, case: _Case, state: Message) -> None:
        prepared = case.prepared
        letter = await self._compose(prepared, channel_there=True)
        channel = self._channels.get(prepared.channel)
        outcome: Outcome = Unknown("channel-not-set-up")
        if channel is not None:
            to = letter.outgoing.to if letter.outgoing else ""
            at = max(recorded.recorded_at for recorded in case.history if isinstance(recorded.fact, SendingStarted))
            handed = Handed(prepared.message, to, at, state.provider_reference)
            try:
                async with asyncio.timeout(SEND_SECONDS):
                    outcome = await channel.look_up(handed)
            except TimeoutError:
                outcome = Unknown("no-answer")
        await case.carry_out(partial(note_look_up, outcome))

    async def _compose(self, prepared: MessagePrepared, *, channel_there: bool) -> Letter:
        running = self._running
        async with running.pool.acquire() as connection:
            found = await look_up(connection, prepared, calendar.today(running.clock.now()))
        return compose(
            prepared,
            await wording(running.policies, prepared),
            found,
            sign_name=self._sign_name,
            longest=sending_in_force(await self.context()).variable_length,
            channel_there=channel_there,
        )

    def _can_look_up(self, prepared: MessagePrepared) -> bool:
        channel = self._channels.get(prepared.channel)
        return channel is not None and channel.can_look_up

    async def context(self, gathered: Any = None) -> Context:
        """What a decision is made from at this moment."""
        now = self._running.clock.now()
        return Context(self._actor, now, await self._running.policies.in_force(now), gathered)

    async def carry_out(
        self,
        prepared: MessagePrepared,
        decide: Callable[[Message, Context], Decision],
        gathered: Any,
        correlation: UUID,
        causation: UUID,
        done: _Done,
    ) -> None:
        """Decide and append; note what was decided."""

        def noting(state: Message, context: Context) -> Decision:
            decision = decide(state, context)
            done.facts = list(decision.facts)
            return decision

        result = await self._running.commands.handle(
            MESSAGES,
            prepared.message,
            noting,
            await self.context(gathered),
            correlation=correlation,
            causation=causation,
        )
        done.position = max(done.position, result.position)


@dataclass(frozen=True, slots=True)
class _Case:
    """One message in hand."""

    desk: Desk
    prepared: MessagePrepared
    history: Sequence[RecordedFact[Fact]]
    done: _Done = field(default_factory=_Done)

    async def carry_out(self, decide: Callable[[Message, Context], Decision], gathered: Any = None) -> None:
        """Decide and append, as a consequence of what happened to the message last."""
        first, last = self.history[0], self.history[-1]
        await self.desk.carry_out(self.prepared, decide, gathered, first.correlation, last.id, self.done)


async def _call(channel: Channel, outgoing: Outgoing) -> Outcome:
    try:
        async with asyncio.timeout(SEND_SECONDS):
            return await channel.send(outgoing)
    except TimeoutError:
        return Unknown("no-answer")
