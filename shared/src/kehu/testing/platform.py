"""A pytest plugin: real PostgreSQL and a real broker, once per test run, and fresh databases from a template.

Where Docker answers they are the containers that production has; elsewhere they come from wheels, and what needs a real
Kafka is skipped. `KEHU_TEST_PLATFORM=docker|embedded` decides instead.

Fixtures: `postgres` (run), `platform` (run, with broker), `database` (module: fresh and migrated), `installation`
(module: the same, with an empty broker), `real_kafka`.
"""

from __future__ import annotations

import asyncio
import functools
import itertools
import os
from collections.abc import AsyncGenerator, Iterable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

import asyncpg
import pytest
import pytest_asyncio
from aiokafka.admin import AIOKafkaAdminClient

from kehu.embedded import EmbeddedBroker, EmbeddedPostgres
from kehu.migrations import migrate
from kehu.processes import free_port
from kehu.settings import OWNER_ROLE, SUPERUSER_ROLE, Settings, create_secrets
from kehu.testing.containers import KafkaInContainer, PostgresInContainer, docker_answers

if TYPE_CHECKING:
    from kehu.service import Service

CHOICE = "KEHU_TEST_PLATFORM"
NO_KAFKA = f"needs a real Kafka, and the broker here is the embedded one ({CHOICE}, or no Docker engine answers)"

_TEMPLATE = "kehu_template"
_DELETION_SECONDS = 30.0  # a hundred partitions take less than one
_POLL_SECONDS = 0.02


class DatabaseServer(Protocol):
    """A PostgreSQL that tests may stop and start: in a container, or from the wheel."""

    def settings(self) -> Settings:
        """Return how to reach it."""
        ...

    async def start(self) -> None:
        """Start it after `stop` or `kill`, with its data."""

    async def stop(self) -> None:
        """Stop it in order."""

    async def kill(self) -> None:
        """End it without warning."""

    async def restart(self) -> None:
        """End it at once, and start it again at the same address."""


class Broker(Protocol):
    """A broker that tests may stop and start: Kafka in a container, or Tansu from the wheel."""

    @property
    def address(self) -> str:
        """Its bootstrap server."""
        ...

    async def start(self) -> None:
        """Start it after `stop` or `kill`."""

    async def stop(self) -> None:
        """Stop it in order."""

    async def kill(self) -> None:
        """End it without warning."""

    async def restart(self) -> None:
        """Stop it, and start it again at the same address."""


@dataclass
class Postgres:
    """The PostgreSQL of this test run, and the databases made in it.

    Args:
        server: what can be stopped and started.
        secrets: directory with the password of every role; roles belong to the whole server.

    """

    server: DatabaseServer
    secrets: Path
    _numbers: itertools.count[int] = field(default_factory=itertools.count)
    _has_template: bool = False

    @property
    def admin_dsn(self) -> str:
        """The address of the maintenance database, as the superuser."""
        return self.server.settings().dsn(SUPERUSER_ROLE, database="postgres")

    def settings(self, database: str) -> Settings:
        """Return how to reach one of its databases."""
        return self.server.settings().model_copy(update={"database_name": database})

    async def create_database(self, *, services: Iterable[Service] | None = None) -> Settings:
        """Make a fresh database with everything migrated.

        Args:
            services: those of the test; the installed ones where None (then it is a copy of a template, made once).

        """
        name = f"kehu_{next(self._numbers)}"
        if services is None:
            await self._create_template()
            await self._execute(f"CREATE DATABASE {name} TEMPLATE {_TEMPLATE} OWNER {OWNER_ROLE}")
        else:
            wanted = list(services)
            create_secrets(self.secrets, [service.name for service in wanted])
            await self._execute(f"CREATE DATABASE {name} OWNER {OWNER_ROLE}")
            await migrate(self.settings(name), services=wanted)
        return self.settings(name)

    async def drop_database(self, settings: Settings) -> None:
        """Remove a database, whoever is still connected."""
        await self._execute(f"DROP DATABASE IF EXISTS {settings.database_name} WITH (FORCE)")

    async def _create_template(self) -> None:
        if not self._has_template:
            await self._execute(f"DROP DATABASE IF EXISTS {_TEMPLATE} WITH (FORCE)")
            await self._execute(f"CREATE DATABASE {_TEMPLATE} OWNER {OWNER_ROLE}")
            await migrate(self.settings(_TEMPLATE))
            self._has_template = True

    async def _execute(self, statement: str) -> None:
        connection = await asyncpg.connect(self.admin_dsn)
        try:
            await connection.execute(statement)
        finally:
            await connection.close()


@dataclass
class Platform:
    """PostgreSQL and broker of this test run.

    Args:
        postgres: the server and its databases.
        broker: what can be stopped and started.

    """

    postgres: Postgres
    broker: Broker

    @property
    def admin_dsn(self) -> str:
        """The address of the maintenance database, as the superuser."""
        return self.postgres.admin_dsn

    @property
    def secrets(self) -> Path:
        """The directory of secrets."""
        return self.postgres.secrets

    @property
    def brokers(self) -> str:
        """The bootstrap servers."""
        return self.broker.address

    @property
    def broker_kind(self) -> Literal["kafka", "embedded"]:
        """Whether it is Kafka, or Tansu."""
        return "embedded" if isinstance(self.broker, EmbeddedBroker) else "kafka"

    def settings(self, database: str) -> Settings:
        """Return how to reach one of the databases, and the broker."""
        return self.postgres.settings(database).model_copy(
            update={"brokers": self.brokers, "broker_kind": self.broker_kind}
        )

    def settings_for(self, service: str, *, database: str) -> Settings:
        """Return the settings of a process of one service, with a free port for its API.

        Args:
            service: its name; its role gets a password file if it has none.
            database: the name of a database, such as `installation.database_name`.

        """
        create_secrets(self.secrets, [service])
        return self.settings(database).model_copy(update={"port": free_port()})

    async def restart_postgres(self) -> None:
        """End PostgreSQL at once, with every connection, and start it again with its data."""
        await self.postgres.server.restart()

    async def stop_kafka(self) -> None:
        """Stop the broker until `start_kafka`."""
        await self.broker.stop()

    async def start_kafka(self) -> None:
        """Start the broker again after `stop_kafka`."""
        await self.broker.start()

    async def restart_kafka(self, *, wipe: bool = False) -> None:
        """Restart the broker; with `wipe`, or where it is the embedded one, everything in it is lost."""
        if wipe and isinstance(self.broker, KafkaInContainer):
            await self.broker.wipe()
        else:
            await self.broker.restart()

    async def empty_kafka(self) -> None:
        """Take away every topic and the offsets committed to it: modules with other databases use the same names."""
        if isinstance(self.broker, EmbeddedBroker):
            await self.broker.restart()
            return
        client = AIOKafkaAdminClient(bootstrap_servers=self.brokers)
        await client.start()
        try:
            # Kafka's own topic of offsets stays; it drops those of deleted topics itself.
            topics = [topic for topic in await client.list_topics() if not topic.startswith("__")]
            if topics:
                await client.delete_topics(topics)
            async with asyncio.timeout(_DELETION_SECONDS):
                while not set(topics).isdisjoint(await client.list_topics()):  # noqa: ASYNC110 - it is Kafka that changes
                    await asyncio.sleep(_POLL_SECONDS)
        finally:
            await client.close()


@functools.cache
def use_docker() -> bool:
    """Tell whether this run uses containers.

    Raises:
        pytest.UsageError: the environment asks for something that is not there.

    """
    choice = os.environ.get(CHOICE, "")
    if choice not in ("", "docker", "embedded"):
        raise pytest.UsageError(f"{CHOICE} is docker or embedded, not {choice}.")
    answers = choice != "embedded" and docker_answers()
    if choice == "docker" and not answers:
        raise pytest.UsageError(f"{CHOICE} asks for Docker, but no engine answers: start it, or unset the variable.")
    return answers


def pytest_report_header() -> str:
    """Say in the head of the report what the tests stand on."""
    return f"kehu platform: {'containers' if use_docker() else 'embedded (PostgreSQL and Tansu from wheels)'}"


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what is marked `real_kafka` where there is none."""
    if item.get_closest_marker("real_kafka") and not use_docker():
        pytest.skip(NO_KAFKA)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def postgres(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Postgres]:
    """Return the PostgreSQL of this run; for tests that need no broker."""
    directory = tmp_path_factory.mktemp("postgres")
    secrets = directory / "secrets"
    create_secrets(secrets, [point.name for point in entry_points(group="kehu.services")])
    async with AsyncExitStack() as stack:
        if use_docker():
            server = PostgresInContainer(secrets)
            stack.push_async_callback(server.remove)
            await server.create()
        else:
            server = EmbeddedPostgres(directory, secrets, durable=False)
            stack.push_async_callback(server.stop)
            await server.start()
        yield Postgres(server, secrets)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def platform(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Platform]:
    """Return PostgreSQL and broker of this run."""
    async with AsyncExitStack() as stack:
        if use_docker():
            broker = KafkaInContainer()
            stack.push_async_callback(broker.remove)
            await broker.create()
        else:
            broker = EmbeddedBroker(tmp_path_factory.mktemp("broker"))
            stack.push_async_callback(broker.stop)
            await broker.start()
        yield Platform(postgres, broker)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def database(postgres: Postgres) -> AsyncGenerator[Settings]:
    """Return the settings of a fresh, migrated database, the module's own."""
    settings = await postgres.create_database()
    yield settings
    await postgres.drop_database(settings)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def installation(platform: Platform, database: Settings) -> Settings:
    """Return the settings of a fresh, migrated database and an empty broker, the module's own."""
    await platform.empty_kafka()
    return platform.settings(database.database_name)


@pytest.fixture
def real_kafka(platform: Platform) -> Platform:
    """Return the platform where its broker is Kafka; elsewhere the test is skipped."""
    if platform.broker_kind != "kafka":
        pytest.skip(NO_KAFKA)
    return platform
