"""From delivered messages to their effect: one batch, one transaction, one append call; each message once.

What fails for a reason of its own is found by trying again, key by key and then message by message, and is parked.
Faults of the infrastructure are raised: the batch is delivered again.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

import asyncpg
import structlog
from prometheus_client import Counter

from kehu.applying import apply_facts, view_lock
from kehu.arrival import Arrival, Record, StoredRecord, external, internal
from kehu.errors import KehuError
from kehu.event_store import Append, Conflict, Connection, EventStore, InboxMove, InboxMoved
from kehu.event_store.appending import MAX_STREAMS_PER_CALL
from kehu.facts import Fact, RecordedFact, UnknownFactType
from kehu.inbound import Doorkeeper, inbox_move
from kehu.parking import DeadLetter, KeyUnblocked, Parking, SequenceGap, described
from kehu.reacting import Reacting, TooManyStreamsError
from kehu.recording import Codec
from kehu.service import Reaction, Service, View
from kehu.tracing import consuming

log = structlog.get_logger(__name__)

#: As often as `Commands` decides anew: 64 writers on one stream need about 20.
MAX_ATTEMPTS = 100
#: A batch that ends its own connection (it takes too long, say) fails so often before it is taken apart.
MAX_LOST_CONNECTIONS = 3

#: Nobody's fault; the database, or the way to it.
INFRASTRUCTURE = (
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # a connection that was ended while it was being reset
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.ReadOnlySQLTransactionError,
)
#: Of those, what no message can cause, though the database answers: all of them wait.
_NO_ROOM = (asyncpg.DiskFullError, asyncpg.TooManyConnectionsError, asyncpg.ReadOnlySQLTransactionError)
#: Somebody else was faster: read again, decide again.
_AGAIN = (InboxMoved, Conflict, KeyUnblocked, asyncpg.TransactionRollbackError)

_MESSAGES = Counter("kehu_consumed_messages", "Messages out of Kafka, by what came of them.", ["topic", "outcome"])
_GAPS = Counter("kehu_consumer_gaps", "Facts that came before one that should precede them.", ["topic", "found"])
_FALLBACKS = Counter("kehu_consumer_fallbacks", "Batches that failed and were taken apart.", ["topic"])

Policies = Callable[[], Awaitable[Mapping[str, Any]]]
Now = Callable[[], datetime]


class DatabaseAway(Exception):
    """The database does not answer; what was delivered must be delivered again."""


@dataclass(slots=True)
class Plan:
    """What becomes of the messages of a batch, before anything is written.

    `parked` holds messages with their error, None where they only queue behind others; `faults` what is wrong with
    any; `reread` the partitions to be read again from their beginning, with the offset of the fact in front of which
    something is missing.
    """

    accepted: list[Arrival] = field(default_factory=list[Arrival])
    moves: list[InboxMove] = field(default_factory=list[InboxMove])
    parked: list[tuple[Arrival, str | None]] = field(default_factory=list[tuple[Arrival, "str | None"]])
    queued_behind: set[str] = field(default_factory=set[str])
    reread: dict[int, int] = field(default_factory=dict[int, int])
    faults: list[Exception] = field(default_factory=list[Exception])
    duplicates: int = 0
    #: What the accepted messages tell, where anything depends on it, and what follows.
    facts: list[RecordedFact[Fact]] = field(default_factory=list[RecordedFact[Fact]])
    appends: list[Append] = field(default_factory=list[Append])
    #: Keys under which something is, or becomes, parked.
    stuck: set[str] = field(default_factory=set[str])

    def park(self, arrival: Arrival, fault: Exception) -> None:
        """Set a message aside; later ones of its key will queue behind it."""
        self.faults.append(fault)
        self.parked.append((arrival, described(fault)))
        self.stuck.add(arrival.key)

    def queue(self, arrival: Arrival) -> None:
        """Set a message aside behind others of its key."""
        self.parked.append((arrival, None))


class Effects(Protocol):
    """What messages of one topic do: facts of another service, or what other systems send."""

    def read(self, record: Record) -> Arrival:
        """What a record says."""
        ...

    def answers(self, fault: Exception) -> bool:
        """Whether a message with this fault is refused with an answer to its sender, so that it is not parked."""
        ...

    async def sort(self, arrivals: Sequence[Arrival], plan: Plan) -> None:
        """Put each message where it belongs; `plan.stuck` holds the keys that are blocked already."""

    async def decide(self, plan: Plan) -> None:
        """Fill in what follows from the accepted messages."""

    async def apply(self, connection: Connection, plan: Plan) -> None:
        """Write what is not appended, after the append."""


class FactEffects:
    """The effects of another service's facts: reactions and views.

    Args:
        service: the consumer.
        source: the service whose topic it is.
        consumer: its name in inboxes.
        store, codec, reacting: of the consumer.
        now: the policy's time.
        policies: the policy data in force now.

    """

    def __init__(
        self,
        service: Service,
        source: str,
        consumer: str,
        store: EventStore,
        codec: Codec,
        reacting: Reacting,
        now: Now,
        policies: Policies,
    ) -> None:
        self._service = service
        self._source = source
        self._consumer = consumer
        self._store = store
        self._codec = codec
        self._reacting = reacting
        self._now = now
        self._policies = policies
        self._reactions: list[Reaction] = [one for one in service.each("reactions") if one.source == source]
        self._views: list[View] = [one for one in service.each("views") if one.source == source]
        self._wanted = {fact.__name__ for fact in service.subscriptions().get(source, ())}
        #: Partitions that are being read again, up to the offset at which something was found missing.
        self.rereading: dict[int, int] = {}

    def read(self, record: Record) -> Arrival:
        """What a record says; a wanted type in a version from the future is a fault, not something to pass over."""
        arrival = internal(record, self._source)
        if arrival.fact and self._is_wanted(arrival.fact.type) and arrival.fact.type not in self._codec.types:
            arrival.fault = UnknownFactType(arrival.fact.type)
        return arrival

    def answers(self, fault: Exception) -> bool:
        """Nobody is told: another service's fact stands, and what keeps it from its effect is ours to mend."""
        del fault
        return False

    def _is_wanted(self, type_name: str) -> bool:
        return type_name.split(".")[1:2] != [] and type_name.split(".")[1] in self._wanted

    async def sort(self, arrivals: Sequence[Arrival], plan: Plan) -> None:
        """Pass over duplicates, accept what comes next, and stop a partition at a gap."""
        places = {arrival.fact.stream: (self._consumer, arrival.fact.stream) for arrival in arrivals if arrival.fact}
        inbox = await self._store.read_inbox(list(places.values())) if places else {}
        at = {stream: inbox[place] for stream, place in places.items()}
        blocked = set(plan.stuck)
        for arrival in arrivals:
            record = arrival.record
            if record.partition in plan.reread:
                continue  # it will be delivered again
            if self.rereading.get(record.partition, record.offset) < record.offset:
                del self.rereading[record.partition]
            fact = arrival.fact
            if fact and fact.sequence is not None and fact.sequence <= at[fact.stream]:
                plan.duplicates += 1
            elif arrival.key in plan.stuck:
                plan.queue(arrival)
                plan.queued_behind.update({arrival.key} & blocked)
            elif arrival.fault or not fact or fact.sequence is None:
                plan.park(arrival, arrival.fault or SequenceGap("", 0, 0))
            elif fact.sequence > at[fact.stream] + 1:
                self._gap(arrival, plan, at[fact.stream])
            else:
                at[fact.stream] = fact.sequence
                plan.accepted.append(arrival)
        plan.moves += [
            InboxMove(*places[stream], inbox[places[stream]], last)
            for stream, last in at.items()
            if last > inbox[places[stream]]
        ]

    def _gap(self, arrival: Arrival, plan: Plan, last: int) -> None:
        record, fact = arrival.record, arrival.fact
        if fact is None or fact.sequence is None:
            return
        gap = SequenceGap(fact.stream, last, fact.sequence)
        if record.partition in self.rereading:
            _GAPS.labels(record.topic, "stays").inc()
            log.error("consumer.gap_stays", service=self._service.name, topic=record.topic, gap=str(gap))
            plan.park(arrival, gap)
        else:
            _GAPS.labels(record.topic, "first").inc()
            log.warning(
                "consumer.gap",
                service=self._service.name,
                topic=record.topic,
                partition=record.partition,
                offset=record.offset,
                gap=str(gap),
            )
            plan.faults.append(gap)
            plan.reread[record.partition] = record.offset

    async def decide(self, plan: Plan) -> None:
        """What reactions decide; several to one stream fold over each other."""
        rows = [arrival.fact for arrival in plan.accepted if arrival.fact and self._is_wanted(arrival.fact.type)]
        plan.facts = await self._codec.decode(rows)
        if self._reactions and plan.facts:
            policies = await self._policies()
            plan.appends = await self._reacting.decide(self._reactions, plan.facts, self._now(), policies)

    async def apply(self, connection: Connection, plan: Plan) -> None:
        """Fold the facts into the views."""
        if plan.facts and self._views:
            await view_lock(connection, self._service.name, *(view.name for view in self._views))
            await apply_facts(connection, self._views, plan.facts, self._codec.index_key)


class InboundEffects:
    """The effects of what other systems send.

    Args:
        consumer: the service's name in inboxes.
        store: the service's event store.
        doorkeeper: decides.
        now: the policy's time.
        policies: the policy data in force now.

    """

    def __init__(self, consumer: str, store: EventStore, doorkeeper: Doorkeeper, now: Now, policies: Policies) -> None:
        self._consumer = consumer
        self._store = store
        self._doorkeeper = doorkeeper
        self._now = now
        self._policies = policies

    def read(self, record: Record) -> Arrival:
        """What a record says."""
        return external(record)

    def answers(self, fault: Exception) -> bool:
        """What its sender can mend, also where the store says so: a value that another one has claimed meanwhile."""
        return isinstance(fault, KehuError)

    async def sort(self, arrivals: Sequence[Arrival], plan: Plan) -> None:
        """Accept each message once; what its sender can mend is accepted too, to be refused with an answer."""
        streams = [self._doorkeeper.inbox_stream(arrival) for arrival in arrivals]
        seen = await self._store.read_inbox([(self._consumer, stream) for stream in dict.fromkeys(streams)])
        done = {stream for (_, stream), count in seen.items() if count}
        blocked = set(plan.stuck)
        for arrival, stream in zip(arrivals, streams, strict=True):
            if stream in done:
                plan.duplicates += 1
            elif arrival.key in plan.stuck:
                plan.queue(arrival)
                plan.queued_behind.update({arrival.key} & blocked)
            elif arrival.fault and not self.answers(arrival.fault):
                plan.park(arrival, arrival.fault)
            else:
                done.add(stream)
                plan.accepted.append(arrival)
                plan.moves.append(inbox_move(self._consumer, stream))

    async def decide(self, plan: Plan) -> None:
        """What the messages come to: the service's own facts, or refusals."""
        if plan.accepted:
            plan.appends = await self._doorkeeper.decide(plan.accepted, self._now(), await self._policies())

    async def apply(self, connection: Connection, plan: Plan) -> None:
        """Nothing: its facts are in the service's own log."""


def _where(fault: Exception) -> str:
    """The place in the code that raised it."""
    frames = traceback.extract_tb(fault.__traceback__)
    return f"{frames[-1].filename}:{frames[-1].lineno}" if frames else ""


class Receiver:
    """Gives the messages of one topic their effect.

    Args:
        topic: which one.
        effects: what they do.
        store: the consumer's event store.
        pool: to ask whether the database answers.
        parking: where messages are set aside.

    """

    def __init__(self, topic: str, effects: Effects, store: EventStore, pool: asyncpg.Pool, parking: Parking) -> None:
        self.topic = topic
        self.effects = effects
        self._store = store
        self._pool = pool
        self._parking = parking

    async def receive(self, records: Sequence[Record]) -> dict[int, int]:
        """Give a delivered batch its effect; when this returns, its offsets may be committed.

        Returns:
            The partitions that must be read again from their beginning, with the offset where something was missing.

        Raises:
            DatabaseAway: nothing is lost; the batch must be delivered again.

        """
        arrivals = [self.effects.read(record) for record in records]
        with consuming(self.topic, (arrival.envelope.trace for arrival in arrivals if arrival.envelope)):
            return await self._receive(arrivals)

    async def _receive(self, arrivals: Sequence[Arrival]) -> dict[int, int]:
        fault = await self._try(arrivals, reread := {})
        if fault is None:
            return reread
        _FALLBACKS.labels(self.topic).inc()
        log.warning("consumer.taking_apart", topic=self.topic, messages=len(arrivals), error=described(fault))
        by_key: dict[str, list[Arrival]] = {}
        for arrival in arrivals:
            by_key.setdefault(arrival.key, []).append(arrival)
        for group in by_key.values():
            if await self._try(group, reread) is not None:
                for arrival in group:
                    await self._alone(arrival, reread)
        return reread

    async def replay(self, letter: DeadLetter, record: StoredRecord) -> None:
        """Give one parked message its effect, and take it out of the parked ones in the same transaction.

        Raises:
            Exception: what keeps it from its effect.

        """
        arrival = self.effects.read(record)
        with consuming(self.topic, [arrival.envelope.trace] if arrival.envelope else []):
            for _ in range(MAX_ATTEMPTS):
                try:
                    return await self._replay_once(letter, arrival)
                except _AGAIN:
                    continue
        raise DatabaseAway(self.topic)

    async def _replay_once(self, letter: DeadLetter, arrival: Arrival) -> None:
        plan = Plan()
        await self.effects.sort([arrival], plan)
        if plan.faults:
            raise plan.faults[0]
        await self.effects.decide(plan)
        async with self._store.transaction() as connection:
            await self._parking.hold(connection, self.topic, [letter.key], set())
            if plan.appends or plan.moves:
                await self._store.append_together(connection, plan.appends, plan.moves)
            await self.effects.apply(connection, plan)
            await self._parking.remove(connection, letter)
        _MESSAGES.labels(self.topic, "replayed").inc()

    async def _alone(self, arrival: Arrival, reread: dict[int, int]) -> None:
        fault = await self._try([arrival], reread)
        if fault is None:
            return
        answered = self.effects.answers(fault)
        log.log(
            logging.INFO if answered else logging.ERROR,
            "consumer.refused" if answered else "consumer.parked",
            topic=self.topic,
            partition=arrival.record.partition,
            offset=arrival.record.offset,
            message=arrival.name,
            # Not the exception itself: what a database or a validator says of a value, it says with the value.
            error=described(fault),
            where=_where(fault),
        )
        arrival.fault = fault
        if (again := await self._try([arrival], reread)) is not None:
            raise DatabaseAway(f"A message could not be parked: {described(again)}") from again

    async def _try(self, arrivals: Sequence[Arrival], reread: dict[int, int]) -> Exception | None:
        """Give messages their effect in one transaction, or none.

        Returns:
            None when they had it; else what is wrong with (one of) them.

        Raises:
            DatabaseAway: nothing is wrong with them.

        """
        lost = 0
        last: Exception | None = None
        for _ in range(MAX_ATTEMPTS):
            try:
                await self._once(arrivals, reread)
            except _AGAIN as error:
                last = error
            except TooManyStreamsError as error:
                if len(arrivals) == 1:
                    return error
                half = len(arrivals) // 2
                return await self._try(arrivals[:half], reread) or await self._try(arrivals[half:], reread)
            except INFRASTRUCTURE as error:
                await self._look_for_database(error)
                last, lost = error, lost + 1
                if lost >= MAX_LOST_CONNECTIONS:
                    return error
            except Exception as error:  # noqa: BLE001 - whatever it is, it is parked with its message, never lost
                return error
            else:
                return None
        return last

    async def _look_for_database(self, error: Exception) -> None:
        if isinstance(error, _NO_ROOM):
            raise DatabaseAway(repr(error)) from error
        try:
            await self._pool.fetchval("SELECT 1", timeout=5)
        except Exception:  # noqa: BLE001 - whichever way it does not answer
            raise DatabaseAway(repr(error)) from error

    async def _once(self, arrivals: Sequence[Arrival], reread: dict[int, int]) -> None:
        # What was found missing earlier in this batch stops its partition in all that is left of it.
        plan = Plan(
            stuck=await self._parking.blocked(self.topic, {arrival.key for arrival in arrivals}), reread=dict(reread)
        )
        await self.effects.sort(arrivals, plan)
        await self.effects.decide(plan)
        if len(plan.appends) > MAX_STREAMS_PER_CALL:
            raise TooManyStreamsError(len(plan.appends))
        if plan.appends or plan.moves or plan.parked:
            async with self._store.transaction() as connection:
                if plan.parked:
                    keys = {arrival.key for arrival, _ in plan.parked}
                    await self._parking.hold(connection, self.topic, keys, plan.queued_behind)
                if plan.appends or plan.moves:
                    await self._store.append_together(connection, plan.appends, plan.moves)
                await self.effects.apply(connection, plan)
                if plan.parked:
                    await self._parking.put(connection, self.topic, plan.parked)
        reread.update(plan.reread)
        _MESSAGES.labels(self.topic, "taken").inc(len(plan.accepted))
        _MESSAGES.labels(self.topic, "duplicate").inc(plan.duplicates)
        _MESSAGES.labels(self.topic, "parked").inc(len(plan.parked))
