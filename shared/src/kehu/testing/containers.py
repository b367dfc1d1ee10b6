"""PostgreSQL and Kafka in containers, by testcontainers: the same images as in docker-compose.yml.

The containers' ports are fixed when they are made, so that a server that restarts is found where it was.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Self

import docker
from docker.errors import DockerException
from docker.models.containers import Container
from testcontainers.community.postgres import PostgresContainer
from testcontainers.core.container import DockerContainer

from kehu.embedded.broker import broker_answers
from kehu.embedded.postgres import LOCALE_ARGUMENTS, MAX_LOCKS_PER_TRANSACTION, create_owner
from kehu.processes import ProcessFailedError, free_port
from kehu.settings import SUPERUSER_ROLE, Settings

POSTGRES_IMAGE = "postgres:18"
KAFKA_IMAGE = "apache/kafka:4.1.1"

_PING_SECONDS = 5
_START_SECONDS = 120.0  # Kafka's JVM on a busy machine of two cores; ten seconds are usual
_KAFKA_PORT = 9092
_DATA = "/var/lib/kafka/data"
_START_SCRIPT = "/tmp/start-kafka"  # noqa: S108 - inside the container
_WIPE = "/tmp/wipe"  # noqa: S108 - inside the container
_KAFKA_ENVIRONMENT = {
    "KAFKA_NODE_ID": "1",
    "KAFKA_PROCESS_ROLES": "broker,controller",
    # A listener of its own for the broker's talk with itself: it cannot count on reaching the advertised one.
    "KAFKA_LISTENERS": f"PLAINTEXT://0.0.0.0:{_KAFKA_PORT},BROKER://localhost:9093,CONTROLLER://localhost:9094",
    "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP": "PLAINTEXT:PLAINTEXT,BROKER:PLAINTEXT,CONTROLLER:PLAINTEXT",
    "KAFKA_INTER_BROKER_LISTENER_NAME": "BROKER",
    "KAFKA_CONTROLLER_LISTENER_NAMES": "CONTROLLER",
    "KAFKA_CONTROLLER_QUORUM_VOTERS": "1@localhost:9094",
    "KAFKA_LOG_DIRS": _DATA,
    "KAFKA_AUTO_CREATE_TOPICS_ENABLE": "false",
    "KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS": "0",
    "KAFKA_OFFSETS_TOPIC_NUM_PARTITIONS": "5",
    "KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR": "1",
    "KAFKA_TRANSACTION_STATE_LOG_NUM_PARTITIONS": "5",
    "KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR": "1",
    "KAFKA_TRANSACTION_STATE_LOG_MIN_ISR": "1",
    "KAFKA_HEAP_OPTS": "-Xms256m -Xmx512m",
}
#: The first start is put off until the published port is known; the script stays, so later ones start at once.
_KAFKA_COMMAND = ["sh", "-c", f"until [ -f {_START_SCRIPT} ]; do sleep 0.1; done; exec bash {_START_SCRIPT}"]


def docker_answers() -> bool:
    """Tell whether a Docker engine can be reached from here."""
    try:
        client = docker.from_env(timeout=_PING_SECONDS)
    except DockerException:
        return False
    try:
        return bool(client.ping())
    except (DockerException, OSError):
        return False
    finally:
        client.close()


def _is_running(container: Container) -> bool:
    container.reload()
    return container.status == "running"


class PostgresInContainer:
    """PostgreSQL with the role `kehu_owner` and the database `kehu`.

    Args:
        secrets: directory with the passwords of the superuser and of `kehu_owner`.
        durable: whether a committed transaction survives a power cut; only measurements need that.
        volumes: names of volumes by where they are mounted.
        variables: of the image, beside those that it needs.

    """

    def __init__(
        self,
        secrets: Path,
        *,
        durable: bool = False,
        volumes: Mapping[str, str] | None = None,
        variables: Mapping[str, str] | None = None,
    ) -> None:
        self._secrets = secrets
        self._settings = Settings(secrets=secrets)
        arguments = f"-c max_locks_per_transaction={MAX_LOCKS_PER_TRANSACTION} -c max_connections=300"
        if not durable:
            arguments += " -c fsync=off"
        self._image = (
            PostgresContainer(
                POSTGRES_IMAGE,
                username=SUPERUSER_ROLE,
                password=self._settings.password(SUPERUSER_ROLE),
                dbname="postgres",
                driver=None,
            )
            .with_env("POSTGRES_INITDB_ARGS", " ".join(LOCALE_ARGUMENTS))
            .with_command(f"postgres {arguments}")
            .with_bind_ports(5432, free_port())
            .with_envs(**(variables or {}))
        )
        for place, volume in (volumes or {}).items():
            self._image.with_volume_mapping(volume, place, "rw")

    def settings(self) -> Settings:
        """Return how to reach it."""
        return self._settings

    @property
    def _container(self) -> Container:
        return self._image.get_wrapped_container()

    async def create(self) -> Self:
        """Make and start the container, and wait until it answers."""
        await asyncio.to_thread(self._image.start)
        self._settings = Settings(
            database_host=self._image.get_container_host_ip(),
            database_port=self._image.get_exposed_port(5432),
            secrets=self._secrets,
        )
        await self._answer()
        return self

    async def remove(self) -> None:
        """End it, with its data."""
        await asyncio.to_thread(self._image.stop)

    async def stop(self) -> None:
        """Stop it in order."""
        await asyncio.to_thread(self._container.stop)

    async def kill(self) -> None:
        """End it and all its backends without warning; `start` recovers."""
        await asyncio.to_thread(self._container.kill)

    async def start(self) -> None:
        """Start it again after `stop` or `kill`, with its data."""
        await asyncio.to_thread(self._container.start)
        await self._answer()

    async def restart(self) -> None:
        """End it at once and start it again."""
        await self.kill()
        await self.start()

    async def running(self) -> bool:
        """Whether its process has not ended by itself."""
        return await asyncio.to_thread(_is_running, self._container)

    async def _answer(self) -> None:
        await create_owner(self._settings, _START_SECONDS)


class KafkaInContainer:
    """One Kafka node, broker and controller, that keeps its data for as long as the container exists.

    Args:
        volume: the name of a volume for its data, which outlives it.

    """

    def __init__(self, *, volume: str | None = None) -> None:
        self._image = DockerContainer(KAFKA_IMAGE).with_command(_KAFKA_COMMAND).with_envs(**_KAFKA_ENVIRONMENT)
        self._image.with_bind_ports(_KAFKA_PORT, free_port())
        if volume:
            self._image.with_volume_mapping(volume, _DATA, "rw")
        self.address = ""

    @property
    def _container(self) -> Container:
        return self._image.get_wrapped_container()

    async def create(self) -> Self:
        """Make and start the container, and wait until it answers."""
        await asyncio.to_thread(self._image.start)
        self.address = f"{self._image.get_container_host_ip()}:{self._image.get_exposed_port(_KAFKA_PORT)}"
        script = (
            f"if [ -f {_WIPE} ]; then find {_DATA} -mindepth 1 -delete; rm {_WIPE}; fi\n"
            f"export KAFKA_ADVERTISED_LISTENERS=PLAINTEXT://{self.address},BROKER://localhost:9093\n"
            "exec /etc/kafka/docker/run\n"
        )
        await asyncio.to_thread(self._image.copy_into_container, script.encode(), _START_SCRIPT)
        await self._answer()
        return self

    async def remove(self) -> None:
        """End it, with its data."""
        await asyncio.to_thread(self._image.stop)

    async def stop(self) -> None:
        """Stop it in order."""
        await asyncio.to_thread(self._container.stop)

    async def kill(self) -> None:
        """End it without warning."""
        await asyncio.to_thread(self._container.kill)

    async def start(self) -> None:
        """Start it again after `stop` or `kill`, with its data."""
        await asyncio.to_thread(self._container.start)
        await self._answer()

    async def restart(self) -> None:
        """Stop it and start it again, with its data."""
        await self.stop()
        await self.start()

    async def wipe(self) -> None:
        """Stop it and start it again without its data, as after the loss of its disk."""
        await asyncio.to_thread(self._image.exec, ["touch", _WIPE])
        await self.restart()

    async def running(self) -> bool:
        """Whether its process has not ended by itself."""
        return await asyncio.to_thread(_is_running, self._container)

    async def _answer(self) -> None:
        await broker_answers(self.address, _START_SECONDS, self._check)

    def _check(self) -> None:
        container = self._container
        container.reload()
        if container.status == "exited":
            raise ProcessFailedError(f"The container of Kafka has ended:\n{container.logs(tail=15).decode()}")
