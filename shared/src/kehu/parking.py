"""Dead letters: messages that could not have their effect, set aside with whatever comes after them under their key.

They are kept encrypted, in the order in which they came, until somebody replays or discards them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

import asyncpg

from kehu.arrival import Arrival, StoredRecord, pack, unpack
from kehu.errors import Invalid, KehuError, NotFound
from kehu.event_store import Append, Connection, EventStore, InboxMove
from kehu.ids import new_id
from kehu.inbound import DeadLetterDiscarded, inbound_category
from kehu.privacy import Keyring
from kehu.recording import Codec, Origin, Unrecorded
from kehu.service import Service

#: Whoever parks under a key or takes from it holds this lock; it comes before all locks of an append.
_LOCK = """
SELECT pg_advisory_xact_lock(lock) FROM (
    SELECT DISTINCT hashtextextended('parked ' || $1 || ' ' || $2 || ' ' || key, 0) AS lock
    FROM unnest($3::text[]) AS key ORDER BY lock
) locks
"""
_BLOCKED = "SELECT DISTINCT key FROM parked WHERE consumer = $1 AND topic = $2 AND key = ANY ($3)"
_PUT = """
INSERT INTO parked (consumer, topic, key, message, stream, sequence, kafka_partition, kafka_offset, sealed, error)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
ON CONFLICT (consumer, topic, key, message) DO UPDATE SET error = coalesce(excluded.error, parked.error)
"""
_COLUMNS = "id, topic, key, message, stream, sequence, kafka_partition, kafka_offset, error, parked_at"


class KeyUnblocked(Exception):
    """The messages that others were to queue behind have been replayed meanwhile; read again."""


class ReasonMissing(Invalid):
    """A dead letter is discarded for a reason, or not at all."""

    code = "reason-missing"


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A parked message. `error` is None where it only waits behind an earlier one of its key."""

    id: int
    topic: str
    key: str
    message: str
    stream: str | None
    sequence: int | None
    partition: int
    offset: int
    error: str | None
    parked_at: datetime


def described(fault: Exception) -> str:
    """What an operator is told of a fault: its kind, and its text where that cannot hold personal values."""
    return f"{type(fault).__name__}: {fault}" if isinstance(fault, KehuError | SequenceGap) else type(fault).__name__


class SequenceGap(Exception):
    """Facts of a stream are missing in front of this one."""

    def __init__(self, stream: str, last: int, found: int) -> None:
        super().__init__(f"Stream {stream}: after sequence {last} came {found}; what is between them is missing.")


class Parking:
    """The parked messages of one consumer.

    Args:
        service: the consumer.
        pool: connections with the service's role.
        keyring: seals what is parked.

    """

    def __init__(self, service: Service, pool: asyncpg.Pool, keyring: Keyring) -> None:
        self.service = service
        self.consumer = f"kehu.{service.name}"
        self._pool = pool
        self._keyring = keyring

    async def blocked(self, topic: str, keys: Iterable[str]) -> set[str]:
        """Those of the keys under which something is parked."""
        rows = await self._pool.fetch(_BLOCKED, self.consumer, topic, list(set(keys)))
        return {row["key"] for row in rows}

    async def hold(self, connection: Connection, topic: str, keys: Iterable[str], queued_behind: set[str]) -> None:
        """Keep others from parking under or taking from some keys until the end of the transaction.

        Takes no row locks, so an append may follow as the transaction's first write.

        Raises:
            KeyUnblocked: nothing is parked any more under one of the keys in `queued_behind`.

        """
        await connection.execute(_LOCK, self.consumer, topic, sorted(set(keys)))
        if queued_behind:
            rows = await connection.fetch(_BLOCKED, self.consumer, topic, sorted(queued_behind))
            if len(rows) < len(queued_behind):
                raise KeyUnblocked(topic)

    async def put(self, connection: Connection, topic: str, arrivals: Sequence[tuple[Arrival, str | None]]) -> None:
        """Park messages in order, under `hold`; one that is parked already stays where it is."""
        await connection.executemany(
            _PUT,
            [
                (
                    self.consumer,
                    topic,
                    arrival.key,
                    arrival.name,
                    arrival.fact.stream if arrival.fact else None,
                    arrival.fact.sequence if arrival.fact else None,
                    arrival.record.partition,
                    arrival.record.offset,
                    self._keyring.seal_bytes(
                        self.service.name, pack(arrival.record), self._context(topic, arrival.key, arrival.name)
                    ),
                    error,
                )
                for arrival, error in arrivals
            ],
        )

    async def count(self) -> int:
        """How many messages are parked."""
        found: int = await self._pool.fetchval("SELECT count(*) FROM parked WHERE consumer = $1", self.consumer)
        return found

    async def letters(self, topic: str | None = None, key: str | None = None) -> list[DeadLetter]:
        """What is parked, by topic, key and order of arrival."""
        rows = await self._pool.fetch(
            f"SELECT {_COLUMNS} FROM parked WHERE consumer = $1"
            " AND ($2::text IS NULL OR topic = $2) AND ($3::text IS NULL OR key = $3) ORDER BY topic, key, id",
            self.consumer,
            topic,
            key,
        )
        return [DeadLetter(*row) for row in rows]

    async def record(self, letter: DeadLetter) -> StoredRecord:
        """The message itself, as it came.

        Raises:
            NotFound: it is no longer parked.

        """
        sealed = await self._pool.fetchval("SELECT sealed FROM parked WHERE id = $1", letter.id)
        if sealed is None:
            raise _not_there(letter.id)
        context = self._context(letter.topic, letter.key, letter.message)
        packed = self._keyring.open_bytes(self.service.name, sealed, context)
        return unpack(packed, letter.topic, letter.partition, letter.offset)

    async def remove(self, connection: Connection, letter: DeadLetter) -> None:
        """Take a message out, under `hold`, in the transaction in which it has its effect.

        Raises:
            KeyUnblocked: somebody else has taken it.

        """
        if await connection.execute("DELETE FROM parked WHERE id = $1", letter.id) != "DELETE 1":
            raise KeyUnblocked(letter.topic)

    async def note(self, letter: DeadLetter, fault: Exception) -> None:
        """Say why a message could not be replayed."""
        await self._pool.execute("UPDATE parked SET error = $2 WHERE id = $1", letter.id, described(fault))

    def _context(self, topic: str, key: str, message: str) -> str:
        return f"parked {self.consumer} {topic} {key} {message}"


def _not_there(letter_id: int) -> NotFound:
    return NotFound(f"没有编号为 {letter_id} 的死信。", f"There is no dead letter {letter_id}.")


class DeadLetters:
    """What an operator does about parked messages.

    Args:
        parking: of the service.
        store: its event store.
        codec: its facts.
        replay_one: puts one parked message through the same path again; raises what keeps it from its effect.

    """

    def __init__(
        self,
        parking: Parking,
        store: EventStore,
        codec: Codec,
        replay_one: Callable[[DeadLetter, StoredRecord], Awaitable[None]],
    ) -> None:
        self._parking = parking
        self._store = store
        self._codec = codec
        self._replay_one = replay_one

    async def list(self, topic: str | None = None, key: str | None = None) -> list[DeadLetter]:
        """What is parked, by topic, key and order of arrival."""
        return await self._parking.letters(topic, key)

    async def show(self, letter_id: int) -> tuple[DeadLetter, StoredRecord]:
        """One parked message, decrypted; personal fields of facts stay sealed, as they are in Kafka.

        Raises:
            NotFound: it is not, or no longer, parked.

        """
        for letter in await self._parking.letters():
            if letter.id == letter_id:
                return letter, await self._parking.record(letter)
        raise _not_there(letter_id)

    async def replay(self, topic: str, key: str) -> int:
        """Put the messages parked under a key through again, in order, until one fails.

        Returns:
            How many had their effect.

        Raises:
            Exception: what kept the next one from it; it stays parked, and so do those behind it.

        """
        done = 0
        while letters := _in_order(await self._parking.letters(topic, key)):
            letter = letters[0]
            try:
                await self._replay_one(letter, await self._parking.record(letter))
            except Exception as fault:
                await self._parking.note(letter, fault)
                raise
            done += 1
        return done

    async def discard(self, letter_id: int, *, actor: str, reason: str, now: datetime) -> None:
        """Give one parked message up for good; who and why is recorded as a fact.

        Its stream goes on after it, as if it had had its effect.

        Raises:
            NotFound: it is not, or no longer, parked.
            ReasonMissing: no reason is given.

        """
        if not reason.strip():
            raise ReasonMissing("请写明放弃该消息的原因。", "Say why the message is given up.")
        letter, _ = await self.show(letter_id)
        fact = DeadLetterDiscarded(
            topic=letter.topic, key=letter.key, message=letter.message, error=letter.error or "", reason=reason.strip()
        )
        category = inbound_category(self._parking.service)
        discard_id = new_id()
        stream = category.stream(discard_id)
        rows = await self._codec.encode([Unrecorded(fact, stream, discard_id, Origin(actor, now, discard_id))])
        moves: list[InboxMove] = []
        if letter.stream is not None and letter.sequence is not None:
            place = (self._parking.consumer, letter.stream)
            last = (await self._store.read_inbox([place]))[place]
            if letter.sequence > last:
                moves.append(InboxMove(*place, last, letter.sequence))
        async with self._store.transaction() as connection:
            await self._parking.hold(connection, letter.topic, [letter.key], set())
            await self._store.append_together(connection, [Append(stream, 0, str(discard_id), rows)], moves)
            await self._parking.remove(connection, letter)


def _in_order(letters: Sequence[DeadLetter]) -> list[DeadLetter]:
    """As they came, but each stream's facts by their sequence: one that was missing may have come after the rest."""
    by_stream: dict[str, list[DeadLetter]] = {}
    for letter in letters:
        if letter.stream is not None:
            by_stream.setdefault(letter.stream, []).append(letter)
    for waiting in by_stream.values():
        waiting.sort(key=lambda letter: -(letter.sequence or 0))
    return [letter if letter.stream is None else by_stream[letter.stream].pop() for letter in letters]
