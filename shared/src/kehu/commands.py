"""Commands: load, decide, append; again when somebody else was faster."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar
from uuid import UUID

from kehu.deciding import Actor, Category, Context, Decision
from kehu.errors import Invalid, NotFound, Refused
from kehu.event_store import Append, Claim, Conflict, EventStore, NewFact, Taken
from kehu.facts import Fact, Position, RecordedFact
from kehu.ids import derived_id, new_id
from kehu.recording import Codec, Origin, Unrecorded

S = TypeVar("S")

#: How often a command is decided anew when others write to its stream; 64 writers on one stream need about 20.
MAX_ATTEMPTS = 100
IDEMPOTENCY_SCOPE = "idempotency"


@dataclass(frozen=True, slots=True)
class Idempotency:
    """A client's key for one request (`Idempotency-Key`): the same key and body get the same answer, once done."""

    key: str
    digest: str

    @classmethod
    def of(cls, service: str, actor: str, key: str, request: bytes) -> Idempotency:
        """The key of one actor of one service, with a digest of the request (method, path, body)."""
        return cls(f"{service}/{actor}/{key}", hashlib.sha256(request).hexdigest())


@dataclass(frozen=True, slots=True)
class Done:
    """What a command came to: the stream and its version now (the ETag), and where it stands in the log.

    `answer` is what an idempotent repetition gets: ids and numbers only, never personal data. `repeated` says that
    this is the answer of an earlier request.
    """

    stream: str
    version: int
    position: Position
    answer: dict[str, Any]
    repeated: bool = False


@dataclass(frozen=True, slots=True)
class Thing(Generic[S]):
    """One of several things that a command touches: `expected` and `must_exist` as for `Commands.handle`."""

    category: Category[S]
    id: str
    expected: int | None = None
    must_exist: bool = True

    @property
    def stream(self) -> str:
        """Its stream."""
        return self.category.stream(self.id)


class IdempotencyKeyReused(Invalid):
    """The same key came with another request."""

    code = "idempotency-key-reused"


def first_of_its_stream(fact: Fact, stream: str) -> str:
    """The Kafka key of a new stream: the customer it is about, else its own id."""
    customer = getattr(fact, "customer", None)
    return str(customer) if customer else stream.partition("-")[2]


class Commands:
    """Carries out commands on the streams of one service.

    Args:
        store: the service's event store.
        codec: its facts.

    """

    def __init__(self, store: EventStore, codec: Codec) -> None:
        self._store = store
        self._codec = codec

    async def load(self, category: Category[S], stream_id: str) -> tuple[S, int]:
        """The state of a thing and the version that it is at; version 0 where there is no such thing yet."""
        facts = await self.history(category, stream_id)
        return category.fold([recorded.fact for recorded in facts]), facts[-1].version if facts else 0

    async def history(self, category: Category[Any], stream_id: str) -> list[RecordedFact[Fact]]:
        """All facts of one thing, in order."""
        return await self._codec.decode(await self._store.read_stream(category.stream(stream_id)))

    async def handle(
        self,
        category: Category[S],
        stream_id: str,
        decide: Callable[[S, Context], Decision],
        context: Context,
        *,
        expected: int | None = None,
        must_exist: bool = True,
        idempotency: Idempotency | None = None,
        correlation: UUID | None = None,
        causation: UUID | None = None,
        answer: dict[str, Any] | None = None,
        extra: dict[str, Any] | None = None,
    ) -> Done:
        """Load the thing, decide, append; decide again when its stream has moved meanwhile.

        Args:
            category: of the stream.
            stream_id: which one.
            decide: pure; gets the state and `context`.
            context: who acts, when, and the policy data in force.
            expected: the version that the actor saw (`If-Match`); the command is refused when it has moved.
            must_exist: refuse (`NotFound`) when there is no such thing; False for what a first command creates.
            idempotency: the client's key for this request.
            correlation: of the request; a new one when None.
            causation: the fact that made this happen, if one did.
            answer: ids that the client gets, also when it repeats the request.
            extra: further metadata for auditors.

        Raises:
            KehuError: as `decide` raised it; `Conflict` when `expected` no longer holds; `Taken` for a claimed value;
                `IdempotencyKeyReused`; `NotFound`.

        """
        if idempotency and (earlier := await self.answered(idempotency)):
            return earlier
        origin = Origin(
            actor=context.actor.id,
            now=context.now,
            correlation=correlation or new_id(),
            causation=causation,
            extra=extra,
        )
        thing = Thing(category, stream_id, expected, must_exist)
        stream = thing.stream
        facts: list[RecordedFact[Fact]] = []
        for attempt in range(1, MAX_ATTEMPTS + 1):
            # Later attempts read only what others have added meanwhile.
            at = facts[-1].version if facts else 0
            facts += await self._codec.decode(await self._store.read_stream(stream, at))
            version = _version(thing, facts)
            decision = decide(category.fold([recorded.fact for recorded in facts]), context)
            append = await self._prepare(stream, version, decision, origin, idempotency, answer)
            try:
                done = await self._store.append(append)
            except Conflict:
                if expected is not None or attempt == MAX_ATTEMPTS:
                    raise
            except Taken as taken:
                if idempotency and taken.scope == IDEMPOTENCY_SCOPE:
                    return _earlier(idempotency, taken.digest, taken.answer)
                raise
            else:
                return Done(stream, done.version, done.position, answer or {})
        raise AssertionError("unreachable: the last attempt returns or raises")

    async def handle_together(
        self,
        things: Sequence[Thing[Any]],
        decide: Callable[[Sequence[Any], Context], Sequence[Decision]],
        context: Context,
        *,
        idempotency: Idempotency | None = None,
        correlation: UUID | None = None,
        causation: UUID | None = None,
        answer: dict[str, Any] | None = None,
        extra: dict[str, Any] | None = None,
    ) -> Done:
        """Decide on several things at once and append to all of their streams or to none, in one transaction.

        Also a thing to which nothing is added must still stand at the version that was decided from; so the decision
        holds for all of them together.

        Args:
            things: each of them once; the first is what the client is answered about (id, version).
            decide: pure; gets their states in the same order, gives a decision for each.
            context: as for `handle`.
            idempotency: as for `handle`.
            correlation: as for `handle`.
            causation: as for `handle`.
            answer: as for `handle`.
            extra: as for `handle`.

        Raises:
            KehuError: as for `handle`.

        """
        if idempotency and (earlier := await self.answered(idempotency)):
            return earlier
        origin = Origin(context.actor.id, context.now, correlation or new_id(), causation, extra)
        facts: dict[str, list[RecordedFact[Fact]]] = {thing.stream: [] for thing in things}
        for attempt in range(1, MAX_ATTEMPTS + 1):
            rows = await self._store.read_streams(
                {stream: found[-1].version if found else 0 for stream, found in facts.items()}
            )
            for recorded in await self._codec.decode([row for found in rows.values() for row in found]):
                facts[recorded.stream].append(recorded)
            versions = [_version(thing, facts[thing.stream]) for thing in things]
            states = [thing.category.fold([one.fact for one in facts[thing.stream]]) for thing in things]
            decisions = decide(states, context)
            appends = [
                await self._prepare(thing.stream, version, decision, origin, None if place else idempotency, answer)
                for place, (thing, version, decision) in enumerate(zip(things, versions, decisions, strict=True))
            ]
            try:
                async with self._store.transaction() as connection:
                    done = await self._store.append_together(connection, appends)
            except Conflict as conflict:
                named = {thing.stream for thing in things if thing.expected is not None}
                if conflict.stream in named or attempt == MAX_ATTEMPTS:
                    raise
            except Taken as taken:
                if idempotency and taken.scope == IDEMPOTENCY_SCOPE:
                    return _earlier(idempotency, taken.digest, taken.answer)
                raise
            else:
                return Done(things[0].stream, done[0].version, max(one.position for one in done), answer or {})
        raise AssertionError("unreachable: the last attempt returns or raises")

    async def answered(self, idempotency: Idempotency) -> Done | None:
        """What this request came to, if it was carried out before.

        Raises:
            IdempotencyKeyReused: another request was carried out under this key.

        """
        row = await self._store.read_claim(IDEMPOTENCY_SCOPE, idempotency.key)
        if row is None:
            return None
        return _earlier(idempotency, row["digest"], json.loads(row["answer"]))

    async def _prepare(
        self,
        stream: str,
        version: int,
        decision: Decision,
        origin: Origin,
        idempotency: Idempotency | None,
        answer: dict[str, Any] | None,
    ) -> Append:
        encoded = await self._codec.encode([Unrecorded(fact, stream, new_id(), origin) for fact in decision.facts])
        claims = list(decision.claims)
        if idempotency:
            stored = {"stream": stream, "version": version + len(encoded), "answer": answer or {}}
            claims.append(
                Claim(
                    IDEMPOTENCY_SCOPE,
                    idempotency.key,
                    holder=stream,
                    digest=idempotency.digest,
                    answer=json.dumps(stored, ensure_ascii=False),
                )
            )
        key = first_of_its_stream(decision.facts[0], stream) if decision.facts else stream.partition("-")[2]
        return Append(stream, version, key, encoded, claims)


def _version(thing: Thing[Any], facts: Sequence[RecordedFact[Fact]]) -> int:
    """At which version a thing was read, if it may be decided on."""
    version = facts[-1].version if facts else 0
    if thing.must_exist and version == 0:
        raise NotFound(f"没有找到:{thing.id}。", f"There is no {thing.category.name} {thing.id}.")
    if thing.expected is not None and thing.expected != version:
        raise Conflict(thing.stream, thing.expected, version)
    return version


def _earlier(idempotency: Idempotency, digest: str | None, stored: dict[str, Any]) -> Done:
    if digest != idempotency.digest:
        raise IdempotencyKeyReused(
            "同一个 Idempotency-Key 已用于另一请求。请为新的请求换一个新的键。",
            "This Idempotency-Key came with another request before. Use a new key for a new request.",
        )
    return Done(stored["stream"], stored["version"], Position(0, 0), stored["answer"], repeated=True)


async def record_derived(
    codec: Codec, stream: str, facts: Sequence[Fact], cause: UUID, consumer: str, origin: Origin, first_index: int = 0
) -> list[NewFact]:
    """Rows for facts that a reaction or a schedule makes: their ids follow from the cause, so a repetition is known.

    Args:
        codec: of the service.
        stream: where they go.
        facts: in order.
        cause: id of the fact reacted to (or of the schedule item).
        consumer: the reaction's name.
        origin: with the cause as causation.
        first_index: when one cause makes facts on several streams, where this stream's count starts.

    """
    return await codec.encode(
        [
            Unrecorded(fact, stream, derived_id(cause, consumer, first_index + index), origin)
            for index, fact in enumerate(facts)
        ]
    )


Decide = Callable[[S, Context], Decision]
Gather = Callable[[], Awaitable[Any]]

__all__ = [
    "Actor",
    "Commands",
    "Done",
    "Idempotency",
    "IdempotencyKeyReused",
    "Refused",
    "Thing",
    "first_of_its_stream",
    "record_derived",
]
