"""Kafka to effect: the consumers of a service, one per topic, kept alive.

FastStream delivers batches and commits their offsets once the handler has returned; `kehu.receiving` gives them their
effect before that.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import asyncpg
import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from faststream import AckPolicy
from faststream.kafka import KafkaBroker
from faststream.kafka.message import KafkaAckableMessage
from prometheus_client import Counter, Gauge

from kehu.event_store import EventStore
from kehu.inbound import Doorkeeper
from kehu.parking import DeadLetter, DeadLetters, Parking
from kehu.privacy import Keyring
from kehu.reacting import Reacting
from kehu.receiving import FactEffects, InboundEffects, Now, Policies, Receiver
from kehu.recording import Codec
from kehu.service import Service
from kehu.settings import Settings

log = structlog.get_logger(__name__)

#: 8,000 facts/s in batches of 500 (with a transaction each: 600); and an append call takes 500 streams.
MAX_RECORDS = 500
BATCH_TIMEOUT_MS = 10
MAX_POLL_INTERVAL_MS = 300_000
#: How soon a topic that is created later is found; the client's default is five minutes.
METADATA_MAX_AGE_MS = 3_000
FIRST_BACK_OFF_SECONDS = 0.1
LONGEST_BACK_OFF_SECONDS = 30.0
#: A handler or commit takes milliseconds; after this it is taken to hang (a commit to a topic that vanished does).
HANG_SECONDS = 60.0
_WATCH_SECONDS = 1.0
#: What the batch in hand may take when the process is asked to stop.
GRACE_SECONDS = 15.0

_READY = Gauge("kehu_consumer_ready", "1 while a topic's consumer runs.", ["service", "topic"])
_REBUILT = Counter("kehu_consumer_rebuilt", "Times that a consumer hung and was built anew.", ["service", "topic"])
_FAILED = Counter("kehu_consumer_failures", "Batches that have to be delivered again.", ["service", "topic"])
_BATCH_SECONDS = Gauge("kehu_consumer_batch_seconds", "How long the last batch took.", ["service", "topic"])


class _Delivered(KafkaAckableMessage):
    """A batch whose acknowledgement ends what the watchdog watches."""

    watch: _Watch

    async def ack(self) -> None:
        """Commit the offsets. Where that is refused (a rebalance), others are given the batch, and know it."""
        try:
            await super().ack()
        except Exception as error:
            log.warning("consumer.commit_failed", error=repr(error))
            raise
        finally:
            self.watch.since = None

    async def nack(self) -> None:
        """Go back to the first record, to be delivered again."""
        await super().nack()
        self.watch.since = None


@dataclass(slots=True)
class _Watch:
    """Since when a handler, or the commit after it, is at work; None while nothing is."""

    since: float | None = None


class _TopicConsumer:
    """The consumer of one topic, and the client it currently stands on."""

    def __init__(self, service: Service, settings: Settings, receiver: Receiver) -> None:
        self.topic = receiver.topic
        self.receiver = receiver
        self.started = False
        self.hung = False
        self.attempts = 0
        self._service = service
        self._settings = settings
        self._watch = _Watch()
        self._broker: KafkaBroker | None = None
        self._subscriber: Any = None

    @property
    def ready(self) -> bool:
        """Whether messages have their effect, as far as is known."""
        return self.started and not self.hung and self.attempts == 0

    def hangs(self) -> bool:
        """Whether a handler or commit has not returned for too long."""
        since = self._watch.since
        return since is not None and time.monotonic() - since > HANG_SECONDS

    async def start(self) -> None:
        """Join the group and begin."""
        self._watch = _Watch()
        broker = KafkaBroker(
            self._settings.brokers,
            consumer_only=True,
            allow_auto_create_topics=False,
            apply_types=False,
            graceful_timeout=GRACE_SECONDS,
            metadata_max_age_ms=METADATA_MAX_AGE_MS,
            client_id=f"kehu-{self._service.name}",
            logger=None,  # what matters is logged here, without the tracebacks of every back-off
        )
        self._broker = broker
        self._subscriber = broker.subscriber(
            self.topic,
            batch=True,
            group_id=f"kehu.{self._service.name}",
            # FastStream's own default commits before the handler runs.
            ack_policy=AckPolicy.NACK_ON_ERROR,
            auto_offset_reset="earliest",
            max_records=MAX_RECORDS,
            batch_timeout_ms=BATCH_TIMEOUT_MS,
            max_poll_interval_ms=MAX_POLL_INTERVAL_MS,
            fetch_max_wait_ms=self._settings.fetch_max_wait_ms,
            parser=self._parse,
            decoder=_raw,
        )
        self._subscriber(self._handle)
        await broker.start()
        self.started, self.hung = True, False
        _READY.labels(self._service.name, self.topic).set(1)

    async def stop(self) -> None:
        """Finish the batch in hand and leave the group; what hangs is given up."""
        self.started = False
        _READY.labels(self._service.name, self.topic).set(0)
        broker, subscriber = self._broker, self._subscriber
        self._broker = self._subscriber = None
        if broker is None:
            return
        tasks: list[asyncio.Task[Any]] = list(subscriber.tasks)
        consumer = subscriber.consumer
        if self.hangs():
            subscriber.running = False
            for task in tasks:
                task.cancel()
        try:
            async with asyncio.timeout(2 * GRACE_SECONDS):
                await broker.stop()
        except Exception as error:  # noqa: BLE001 - it is given up anyway, and the reason is logged
            log.warning("consumer.stop_failed", topic=self.topic, error=repr(error))
            if consumer is not None:
                with suppress(Exception):
                    async with asyncio.timeout(GRACE_SECONDS):
                        await consumer.stop()

    async def rebuild(self) -> None:
        """Replace a client that hangs by a new one."""
        self.hung = True
        log.error("consumer.hangs", service=self._service.name, topic=self.topic)
        _REBUILT.labels(self._service.name, self.topic).inc()
        await self.stop()
        await self.start()

    async def _parse(self, records: Sequence[ConsumerRecord[Any, Any]]) -> _Delivered:
        """FastStream's own parser raises on a header that is no UTF-8 text, and the batch is lost."""
        self._watch.since = time.monotonic()
        delivered = _Delivered(body=b"", raw_message=tuple(records), consumer=self._subscriber.consumer)
        delivered.watch = self._watch
        return delivered

    async def _handle(self, records: Sequence[ConsumerRecord[Any, Any]]) -> None:
        began = time.monotonic()
        consumer: AIOKafkaConsumer = self._subscriber.consumer
        try:
            reread = await self.receiver.receive(records)
            for partition, offset in reread.items():
                await self._read_again(consumer, partition, offset)
        except Exception as error:
            _FAILED.labels(self._service.name, self.topic).inc()
            pause = min(FIRST_BACK_OFF_SECONDS * 2**self.attempts, LONGEST_BACK_OFF_SECONDS)
            self.attempts += 1
            log.warning("consumer.failed", topic=self.topic, error=repr(error), again_in=pause)
            # FastStream delivers the batch again at once.
            await asyncio.sleep(pause)
            raise
        self.attempts = 0
        _BATCH_SECONDS.labels(self._service.name, self.topic).set(time.monotonic() - began)

    async def _read_again(self, consumer: AIOKafkaConsumer, partition: int, offset: int) -> None:
        """Have a partition delivered from its beginning; a gap that is found again up to `offset` stays one."""
        log.warning("consumer.reading_again", topic=self.topic, partition=partition, offset=offset)
        await consumer.seek_to_beginning(TopicPartition(self.topic, partition))
        if isinstance(self.receiver.effects, FactEffects):
            self.receiver.effects.rereading[partition] = offset


async def _raw(delivered: _Delivered) -> Any:
    return delivered.raw_message


class Consumers:
    """All consumers of a service: of the topics that its reactions and views lean on, and of its inbound topic.

    Args:
        service: whose.
        pool: connections with its role.
        store: its event store.
        codec: its facts.
        keyring: seals what is parked.
        settings: where the broker is.
        now: the policy's time (`Clock.now`).
        policies: the policy data in force now.

    """

    def __init__(
        self,
        service: Service,
        pool: asyncpg.Pool,
        store: EventStore,
        codec: Codec,
        keyring: Keyring,
        settings: Settings,
        now: Now,
        policies: Policies,
    ) -> None:
        self.service = service
        self.parking = Parking(service, pool, keyring)
        self.dead_letters = DeadLetters(self.parking, store, codec, self._replay_one)
        self._watchdog: asyncio.Task[None] | None = None
        self._consumers: dict[str, _TopicConsumer] = {}
        consumer = self.parking.consumer
        reacting = Reacting(service.name, pool, store, codec)
        for source in sorted(service.subscriptions()):
            effects = FactEffects(service, source, consumer, store, codec, reacting, now, policies)
            self._add(Receiver(f"kehu.{source}", effects, store, pool, self.parking), settings)
        if service.each("inbound"):
            doorkeeper = Doorkeeper(service, pool, store, codec)
            inbound = InboundEffects(consumer, store, doorkeeper, now, policies)
            self._add(Receiver(service.inbound_topic, inbound, store, pool, self.parking), settings)

    def _add(self, receiver: Receiver, settings: Settings) -> None:
        self._consumers[receiver.topic] = _TopicConsumer(self.service, settings, receiver)

    @property
    def topics(self) -> list[str]:
        """What is consumed."""
        return list(self._consumers)

    @property
    def ready(self) -> bool:
        """Whether every consumer runs, and none fails or hangs."""
        return self._watchdog is not None and all(consumer.ready for consumer in self._consumers.values())

    async def start(self) -> None:
        """Begin to consume. A broker that is away is waited for, with `ready` off."""
        self._watchdog = asyncio.create_task(self._watch(), name=f"consumers-{self.service.name}")

    async def stop(self) -> None:
        """Finish the batches in hand and leave the groups."""
        watchdog, self._watchdog = self._watchdog, None
        if watchdog:
            watchdog.cancel()
            with suppress(asyncio.CancelledError):
                await watchdog
        await asyncio.gather(*(consumer.stop() for consumer in self._consumers.values()))

    async def _watch(self) -> None:
        """Start what is not started, and rebuild what hangs."""
        await asyncio.gather(*(self._keep(consumer) for consumer in self._consumers.values()))

    async def _keep(self, consumer: _TopicConsumer) -> None:
        pause = FIRST_BACK_OFF_SECONDS
        while True:
            try:
                if not consumer.started:
                    await consumer.start()
                elif consumer.hangs():
                    await consumer.rebuild()
                pause = FIRST_BACK_OFF_SECONDS
                await asyncio.sleep(_WATCH_SECONDS)
            except Exception as error:  # noqa: BLE001 - the broker is away, or worse; it is tried again
                log.warning("consumer.start_failed", topic=consumer.topic, error=repr(error), again_in=pause)
                await consumer.stop()
                await asyncio.sleep(pause)
                pause = min(2 * pause, LONGEST_BACK_OFF_SECONDS)

    async def _replay_one(self, letter: DeadLetter, record: Any) -> None:
        await self._consumers[letter.topic].receiver.replay(letter, record)
