"""Topics: the service that owns one creates it, with the partition count that never changes in place.

A topic of Kehu keeps everything: who comes later reads from the first fact on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import structlog
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code

from kehu.service import Service
from kehu.settings import Settings

log = structlog.get_logger(__name__)

KEEP_FOR_EVER: Mapping[str, str] = {
    "retention.ms": "-1",
    "retention.bytes": "-1",
    "cleanup.policy": "delete",
    # Kafka 4 refuses what is dated an hour ahead: a fact recorded while the database's clock was wrong would stop the
    # relay until that hour has come.
    "message.timestamp.after.max.ms": str(2**63 - 1),
}
#: As many copies as survive the loss of a broker during the maintenance of another, where there are so many brokers.
REPLICAS = 3
#: Answers of the admin API come within milliseconds; a longer wait is a broker that is not there.
ADMIN_TIMEOUT_MS = 10_000
#: How often a topic that was just created is asked for until the broker knows it (real Kafka takes under 100 ms).
_POLL_SECONDS = 0.05


class WrongPartitionCount(Exception):
    """A topic has another number of partitions than its owner declares: its keys would change places."""

    def __init__(self, topic: str, declared: int, found: int) -> None:
        super().__init__(
            f"Topic {topic} has {found} partitions, and its service declares {declared}. The count of a topic never "
            "changes in place: declare the old count again, or relay from the first fact into a new topic."
        )
        self.topic = topic
        self.declared = declared
        self.found = found


@dataclass(frozen=True, slots=True)
class OwnedTopic:
    """A topic as its owner declares it."""

    name: str
    partitions: int
    configs: Mapping[str, str] = field(default_factory=dict[str, str])


def owned_topics(service: Service) -> list[OwnedTopic]:
    """The topics of a service: of its published facts, and for what others send to it (the broker's own retention)."""
    topics = [OwnedTopic(service.topic, service.partitions, KEEP_FOR_EVER)]
    if service.each("inbound"):
        topics.append(OwnedTopic(service.inbound_topic, service.partitions))
    return topics


async def ensure_topics(settings: Settings, topics: list[OwnedTopic]) -> None:
    """Create the topics that are missing, and check the partition counts of all.

    Raises:
        WrongPartitionCount: a topic is there with another count.
        KafkaError, OSError, TimeoutError: the broker cannot be asked.

    """
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.brokers, request_timeout_ms=ADMIN_TIMEOUT_MS)
    try:
        async with asyncio.timeout(3 * ADMIN_TIMEOUT_MS / 1000):
            await admin.start()
            for topic in topics:
                await _ensure(admin, topic)
    finally:
        await admin.close()


async def _ensure(admin: AIOKafkaAdminClient, topic: OwnedTopic) -> None:
    found = await _partitions(admin, topic.name)
    if not found:
        await _create(admin, topic)
        while not (found := await _partitions(admin, topic.name)):  # noqa: ASYNC110 - the broker tells nobody of it
            await asyncio.sleep(_POLL_SECONDS)
    if found != topic.partitions:
        raise WrongPartitionCount(topic.name, topic.partitions, found)


async def _partitions(admin: AIOKafkaAdminClient, name: str) -> int:
    """How many partitions a topic has; 0 when it is not there.

    The list of all topics is asked for, not this one: asking for one by name makes a lenient broker create it.
    """
    if name not in await admin.list_topics():
        return 0
    (described,) = await admin.describe_topics([name])
    return len(described["partitions"])


async def _create(admin: AIOKafkaAdminClient, topic: OwnedTopic) -> None:
    cluster: dict[str, Any] = await admin.describe_cluster()
    replicas = max(1, min(REPLICAS, len(cluster["brokers"])))
    response = await admin.create_topics(
        [NewTopic(topic.name, topic.partitions, replicas, topic_configs=dict(topic.configs))]
    )
    for answer in response.to_object()["topic_errors"]:
        error: type[KafkaError] = for_code(answer["error_code"])
        if answer["error_code"] and error is not TopicAlreadyExistsError:
            raise error(f"Topic {topic.name} could not be created: {answer.get('error_message') or error.__name__}")
    log.info("topic.created", topic=topic.name, partitions=topic.partitions, replicas=replicas)
