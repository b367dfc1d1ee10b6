"""What other systems send: checked, deduplicated by their own (source, id), decided on, or refused with a fact.

Every message has an answer that its sender can see: the service's own fact, or `InboundRefused`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import asyncpg
from pydantic import ValidationError

from kehu.arrival import Arrival
from kehu.commands import first_of_its_stream
from kehu.contracts.platform import InboundRefused
from kehu.deciding import Category, Context, Decision, system_actor
from kehu.envelope import Envelope, NotAnEnvelope
from kehu.errors import Forbidden, Invalid, KehuError, Refused
from kehu.event_store import Append, Claim, EventStore, InboxMove, Taken
from kehu.event_store.appending import MAX_STREAMS_PER_CALL
from kehu.facts import Fact, FactTypes, RecordedFact
from kehu.ids import derived_id
from kehu.reacting import TooManyStreamsError
from kehu.recording import Codec, Origin, Unrecorded
from kehu.service import Beside, Inbound, Service

#: Stands in the actor of what is recorded of a message that no `Inbound` took.
_DOORKEEPER = "inbound"
_UUID7_MARKS = (7 << 76) | (0b10 << 62)
_RANDOM_MASK = (1 << 76) - 1 & ~(0b11 << 62)


class SourceNotAllowed(Forbidden):
    """The sender is not on the allow-list for this type."""

    code = "source-not-allowed"


class TypeNotAccepted(Invalid):
    """The service takes no messages of this type."""

    code = "type-not-accepted"


class MessageInvalid(Invalid):
    """The data does not fit the contract."""

    code = "message-invalid"


class ValueTaken(Refused):
    """What the message claims belongs to something else, which was recorded at the same time or before."""

    code = "taken"

    def __init__(self, taken: Taken) -> None:
        super().__init__(
            f"该值({taken.scope})已登记在另一对象名下。请核对编号;确为另一事项的,以新的编号和新的 id 重新发送。",
            f"This value ({taken.scope}) is registered for something else already. Compare the numbers; if it is "
            "another thing, send it under another number and a new id.",
        )


class DeadLetterDiscarded(Fact):
    """Somebody gave up a parked message, saying why. `message` is the fact's id, or the message's digest."""

    topic: str
    key: str
    message: str
    error: str
    reason: str


def inbound_category(service: Service) -> Category[None]:
    """The category of a service's answers to other systems, and of what it did about dead letters."""
    return Category(f"{service.schema}_inbound", (InboundRefused, DeadLetterDiscarded), None, lambda state, _: state)


@dataclass(slots=True)
class _Draft:
    """A stream as it stands, and what is to be appended to it."""

    category: Category[Any]
    state: Any
    version: int | None
    key: str = ""
    facts: list[Unrecorded] = field(default_factory=list[Unrecorded])
    claims: list[Claim] = field(default_factory=list[Claim])
    looked_at: bool = False


class Doorkeeper:
    """Decides what messages from other systems come to.

    Args:
        service: to which they are sent.
        pool: for what decisions gather.
        store: where the streams decided on are read.
        codec: the service's facts.

    """

    def __init__(self, service: Service, pool: asyncpg.Pool, store: EventStore, codec: Codec) -> None:
        self._service = service
        self._pool = pool
        self._store = store
        self._codec = codec
        self._category = inbound_category(service)
        accepted: list[Inbound] = service.each("inbound")
        self._types = FactTypes({inbound.type for inbound in accepted})
        self._accepted = accepted

    def inbox_stream(self, arrival: Arrival) -> str:
        """The inbox's name for a message: each counts once by its sender and the sender's number."""
        source, message_id = _sender(arrival)
        return f"external/{source}/{message_id}"

    async def decide(self, arrivals: Sequence[Arrival], now: datetime, policies: Mapping[str, Any]) -> list[Append]:
        """The appends that messages lead to; decisions on one stream fold over each other.

        Raises:
            TooManyStreamsError: give it fewer messages at once.

        """
        drafts: dict[str, _Draft] = {}
        for arrival in arrivals:
            try:
                await self._take(arrival, drafts, now, policies)
            except KehuError as refusal:
                self._refuse(arrival, refusal, drafts, now)
        if len(drafts) > MAX_STREAMS_PER_CALL:
            raise TooManyStreamsError(len(drafts))
        rows = iter(await self._codec.encode([one for draft in drafts.values() for one in draft.facts]))
        return [
            Append(
                stream,
                draft.version,
                draft.key or stream.partition("-")[2],
                [next(rows) for _ in draft.facts],
                draft.claims,
            )
            for stream, draft in drafts.items()
            if draft.facts or draft.claims or draft.looked_at
        ]

    async def _take(
        self, arrival: Arrival, drafts: dict[str, _Draft], now: datetime, policies: Mapping[str, Any]
    ) -> None:
        if arrival.fault or not arrival.envelope:
            raise arrival.fault or NotAnEnvelope("消息为空。", "The message is empty.")
        envelope = arrival.envelope
        inbound, fact = self._admit(envelope)
        recorded = _recorded(envelope, fact, now)
        gathered = None
        async with self._pool.acquire() as connection:
            if inbound.resolve:
                recorded = await inbound.resolve(connection, recorded)
            if inbound.gather:
                gathered = await inbound.gather(connection, recorded)
        if inbound.beside:
            seen = [await self._look(category, one, drafts) for category, one in inbound.beside(recorded)]
            gathered = Beside(gathered, tuple(draft.state for draft in seen))
        actor = system_actor(self._service.name, inbound.name)
        context = Context(actor, now, policies, gathered)
        extra = {"external_source": envelope.source, "external_id": envelope.id, **envelope.trace}
        origin = Origin(actor.id, now, recorded.correlation, None, extra)
        decided: list[tuple[str, _Draft, Decision]] = []
        for stream_id in dict.fromkeys(inbound.stream_ids(recorded)):
            decided += await self._decide_on(inbound, recorded, stream_id, context, drafts)
        # Only now, when no stream has refused it: nothing else is recorded of a refused message.
        for stream, draft, decision in decided:
            if decision.facts and not draft.key:
                draft.key = first_of_its_stream(decision.facts[0], stream)
            draft.state = draft.category.fold(decision.facts, draft.state)
            draft.facts += [
                Unrecorded(one, stream, derived_id(recorded.id, f"{inbound.name}/{stream}", index), origin)
                for index, one in enumerate(decision.facts)
            ]
            draft.claims += decision.claims
            drafts[stream] = draft

    async def _decide_on(
        self,
        inbound: Inbound,
        recorded: RecordedFact[Any],
        stream_id: str,
        context: Context,
        drafts: Mapping[str, _Draft],
    ) -> list[tuple[str, _Draft, Decision]]:
        """What a message comes to on one stream, and on the others that get facts of the same decision."""
        stream = inbound.category.stream(stream_id)
        first = drafts.get(stream) or await self._draft(inbound.category, stream)
        if inbound.others is None:
            decision: Any = inbound.decide(recorded, first.state, context)
            return [(stream, first, decision)]
        found = [(stream, first)]
        for category, other in inbound.others(recorded, first.state):
            name = category.stream(other)
            found.append((name, drafts.get(name) or await self._draft(category, name)))
        decisions: Any = inbound.decide(recorded, tuple(draft.state for _, draft in found), context)
        for _, draft in found:
            draft.looked_at = True  # also one that gets nothing must still stand where it was read
        return [(name, draft, decision) for (name, draft), decision in zip(found, decisions, strict=True)]

    async def _look(self, category: Category[Any], stream_id: str, drafts: dict[str, _Draft]) -> _Draft:
        """A stream that is leant on: it gets no facts, but must still stand where it was read."""
        stream = category.stream(stream_id)
        draft = drafts.get(stream) or await self._draft(category, stream)
        draft.looked_at = True
        drafts[stream] = draft
        return draft

    async def _draft(self, category: Category[Any], stream: str) -> _Draft:
        history = await self._codec.decode(await self._store.read_stream(stream))
        state = category.fold([recorded.fact for recorded in history])
        return _Draft(category, state, history[-1].version if history else 0)

    def _admit(self, envelope: Envelope) -> tuple[Inbound, Fact]:
        """Who takes it, and the fact that it tells.

        Raises:
            SourceNotAllowed, TypeNotAccepted, MessageInvalid: nobody, or it tells none.

        """
        takers = [
            inbound
            for inbound in self._accepted
            if envelope.type in self._types and self._types.model(envelope.type) is inbound.type
        ]
        if not takers:
            raise TypeNotAccepted(
                f"{self._service.name} 不接受 {envelope.type} 类型的消息。请核对类型名及版本。",
                f"{self._service.name} takes no messages of type {envelope.type}. Check its name and version.",
            )
        for inbound in takers:
            if envelope.source in inbound.sources:
                return inbound, self._read(envelope)
        raise SourceNotAllowed(
            f"来源 {envelope.source} 不得发送 {envelope.type}。请由管理员加入允许名单。",
            f"Source {envelope.source} may not send {envelope.type}. Ask for it to be put on the allow-list.",
        )

    def _read(self, envelope: Envelope) -> Fact:
        try:
            return self._types.read(envelope.type, json.loads(envelope.data))
        except ValidationError as error:
            # Where and what kind of mistake, never the values: they may be personal.
            places = "; ".join(
                f"{'.'.join(str(part) for part in problem['loc'])[:100]}: {problem['type']}"
                for problem in error.errors(include_url=False, include_context=False, include_input=False)[:10]
            )
            raise MessageInvalid(
                f"内容不符合 {envelope.type} 的约定:{places}。请改正后以新的 id 重新发送。",
                f"The data does not fit {envelope.type}: {places}. Correct it and send it again under a new id.",
            ) from None

    def _refuse(self, arrival: Arrival, refusal: KehuError, drafts: dict[str, _Draft], now: datetime) -> None:
        if isinstance(refusal, Taken):
            refusal = ValueTaken(refusal)  # the store's own words name its streams
        source, message_id = _sender(arrival)
        cause = _message_uuid(source, message_id)
        stream = self._category.stream(cause)
        envelope = arrival.envelope
        fact = InboundRefused(
            source=source,
            message_id=message_id,
            type=envelope.type if envelope else "",
            code=refusal.problem_code,
            rule=refusal.clause,
            reason_zh=refusal.zh,
            reason_en=refusal.en,
        )
        actor = system_actor(self._service.name, _DOORKEEPER)
        origin = Origin(actor.id, now, (envelope and envelope.correlation) or cause, None, None)
        draft = _Draft(self._category, None, None, key=str(cause))
        draft.facts.append(Unrecorded(fact, stream, derived_id(cause, stream, 0), origin))
        drafts[stream] = draft


def inbox_move(consumer: str, stream: str) -> InboxMove:
    """The step of a message that counts once."""
    return InboxMove(consumer, stream, 0, 1)


def _sender(arrival: Arrival) -> tuple[str, str]:
    if arrival.envelope:
        return arrival.envelope.source, arrival.envelope.id
    if isinstance(arrival.fault, NotAnEnvelope) and arrival.fault.source and arrival.fault.message_id:
        return arrival.fault.source, arrival.fault.message_id
    return "", arrival.digest


def _message_uuid(source: str, message_id: str) -> UUID:
    """A UUIDv7 for a message of another system: the same for the same one, with no time of its own to sort by."""
    digest = hashlib.sha256(json.dumps([source, message_id]).encode()).digest()
    return UUID(int=int.from_bytes(digest[:10], "big") & _RANDOM_MASK | _UUID7_MARKS)


def _recorded(envelope: Envelope, fact: Fact, now: datetime) -> RecordedFact[Fact]:
    message = _message_uuid(envelope.source, envelope.id)
    return RecordedFact(
        fact=fact,
        id=message,
        stream=envelope.subject,
        version=0,
        sequence=envelope.sequence,
        key=envelope.key,
        service="",
        actor=envelope.actor,
        clause=envelope.clause,
        correlation=envelope.correlation or message,
        causation=envelope.causation,
        occurred_at=envelope.occurred_at or envelope.time or now.astimezone(UTC),
        recorded_at=now,
        metadata={"external_source": envelope.source, "external_id": envelope.id},
    )
