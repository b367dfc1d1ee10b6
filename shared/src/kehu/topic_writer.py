"""Writes stored facts to one topic: explicit record batches, one per partition, each waited for."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import ProducerClosed
from aiokafka.partitioner import murmur2

from kehu.envelope import to_record
from kehu.facts import StoredFact
from kehu.settings import Settings

#: Below the broker's default limit of 1 MiB for a batch (`message.max.bytes`), with room for its frame.
MAX_BATCH_BYTES = 900_000
#: A produce request that is not answered within this is asked again.
REQUEST_TIMEOUT_MS = 10_000
#: Two requests' time: an idempotent producer would ask for ever.
SEND_TIMEOUT_SECONDS = 20.0
#: The end of a partition is answered within milliseconds; for one that is gone the client would wait for ever.
END_OFFSETS_TIMEOUT_SECONDS = 5.0
#: Keys whose partition is remembered; murmur2 in Python takes 5 us, a fifth of a fact's way.
_REMEMBERED_KEYS = 100_000


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """Where a batch of one partition went: its first and last offset; None where the broker knows only that it did."""

    partition: int
    first: int | None
    last: int | None


class TopicWriter:
    """The producer of one topic's owner.

    Args:
        settings: where the broker is, and of which kind.
        topic: which one; it must be there.
        partitions: how many it has.

    """

    def __init__(self, settings: Settings, topic: str, partitions: int) -> None:
        self.topic = topic
        self._partitions = [TopicPartition(topic, number) for number in range(partitions)]
        self._places: dict[bytes, int] = {}
        self._producer = AIOKafkaProducer(
            bootstrap_servers=settings.brokers,
            acks="all",
            enable_idempotence=settings.idempotent_producer,
            max_batch_size=MAX_BATCH_BYTES,
            request_timeout_ms=REQUEST_TIMEOUT_MS,
        )
        # Belongs to no group and reads nothing: it is the client's way to ask for end offsets.
        self._ends = AIOKafkaConsumer(bootstrap_servers=settings.brokers, request_timeout_ms=REQUEST_TIMEOUT_MS)

    async def open(self) -> None:
        """Connect to the broker."""
        async with asyncio.timeout(SEND_TIMEOUT_SECONDS):
            await self._producer.start()
            await self._ends.start()

    async def close(self) -> None:
        """Close both connections; what is not acknowledged yet will not be sent again by this writer."""
        # Without it, `stop` waits for batches that an unreachable broker never acknowledges; no public call gives up.
        accumulator: Any = vars(self._producer)["_message_accumulator"]
        accumulator.fail_all(ProducerClosed())
        try:
            async with asyncio.timeout(SEND_TIMEOUT_SECONDS):
                await self._producer.stop()
        finally:
            await self._ends.stop()

    async def end_offsets(self) -> list[int]:
        """The offset after the last record of each partition.

        Raises:
            TimeoutError: a partition is not there.

        """
        async with asyncio.timeout(END_OFFSETS_TIMEOUT_SECONDS):
            ends: Mapping[TopicPartition, int] = await self._ends.end_offsets(self._partitions)
        return [ends[partition] for partition in self._partitions]

    def prepare(self, facts: Sequence[StoredFact]) -> list[dict[int, Any]]:
        """Record batches in waves: at most one batch of each partition per wave, in the order of the facts."""
        waves: list[dict[int, Any]] = []
        current: dict[int, tuple[int, Any]] = {}
        for fact in facts:
            key, value, headers = to_record(fact)
            partition = self._partition_of(key)
            timestamp = int(fact.recorded_at.timestamp() * 1000)
            wave, batch = current.get(partition, (-1, None))
            if batch is None or batch.append(timestamp=timestamp, key=key, value=value, headers=headers) is None:
                batch = self._producer.create_batch()
                batch.append(timestamp=timestamp, key=key, value=value, headers=headers)
                if wave + 1 == len(waves):
                    waves.append({})
                waves[wave + 1][partition] = batch
                current[partition] = (wave + 1, batch)
        return waves

    async def send(self, waves: Sequence[Mapping[int, Any]]) -> list[Acknowledged]:
        """Send prepared batches, a wave at a time, and wait for every acknowledgement.

        A partition's next batch waits for the one before: were both on their way and the first one lost, the topic's
        order would be turned round.

        Raises:
            KafkaError, TimeoutError: not everything is known to have arrived.

        """
        acknowledged: list[Acknowledged] = []
        async with asyncio.timeout(SEND_TIMEOUT_SECONDS):
            for wave in waves:
                counts = {partition: batch.record_count() for partition, batch in wave.items()}
                futures = [
                    await self._producer.send_batch(batch, self.topic, partition=partition)
                    for partition, batch in wave.items()
                ]
                for answer in await asyncio.gather(*futures):
                    first = answer.offset if answer.offset >= 0 else None
                    last = None if first is None else first + counts[answer.partition] - 1
                    acknowledged.append(Acknowledged(answer.partition, first, last))
        return acknowledged

    def _partition_of(self, key: bytes) -> int:
        place = self._places.get(key)
        if place is None:
            if len(self._places) >= _REMEMBERED_KEYS:
                self._places.clear()
            place = self._places[key] = (murmur2(key) & 0x7FFFFFFF) % len(self._partitions)
        return place
