"""The servers that other tests stand on: that restarts, losses and fresh starts are what they say."""

from pathlib import Path

import asyncpg
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from kehu.service import Service
from kehu.settings import Settings
from kehu.testing.platform import Platform, Postgres

TOPIC = "kehu.example"
PARTITION = TopicPartition(TOPIC, 0)


@pytest.fixture
def services(tmp_path: Path) -> list[Service]:
    return [Service(name="example", title="Example", features=(), migrations=tmp_path)]


async def one(settings: Settings, statement: str, role: str = "kehu_owner") -> object:
    connection = await asyncpg.connect(**settings.connection(role))
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


async def send(platform: Platform) -> int:
    admin = AIOKafkaAdminClient(bootstrap_servers=platform.brokers)
    await admin.start()
    producer = AIOKafkaProducer(
        bootstrap_servers=platform.brokers, enable_idempotence=platform.settings("any").idempotent_producer
    )
    try:
        if TOPIC not in await admin.list_topics():
            await admin.create_topics([NewTopic(TOPIC, num_partitions=1, replication_factor=1)])
        await producer.start()
        return (await producer.send_and_wait(TOPIC, b"hello")).offset
    finally:
        await producer.stop()
        await admin.close()


async def commit_everything(platform: Platform) -> None:
    async with AIOKafkaConsumer(
        bootstrap_servers=platform.brokers, group_id="example", enable_auto_commit=False
    ) as consumer:
        consumer.assign([PARTITION])
        await consumer.commit({PARTITION: await end(platform)})


async def committed(platform: Platform) -> int | None:
    async with AIOKafkaConsumer(
        bootstrap_servers=platform.brokers, group_id="example", enable_auto_commit=False
    ) as consumer:
        consumer.assign([PARTITION])
        return await consumer.committed(PARTITION)


async def end(platform: Platform) -> int:
    async with AIOKafkaConsumer(bootstrap_servers=platform.brokers) as consumer:
        return (await consumer.end_offsets([PARTITION]))[PARTITION]


async def test_every_cluster_is_initialised_alike(postgres: Postgres, services: list[Service]) -> None:
    settings = await postgres.create_database(services=services)
    assert await one(
        settings, "SELECT datlocprovider::text || datlocale FROM pg_database WHERE datname = current_database()"
    ) == ("bC.UTF-8")
    assert await one(settings, "SHOW server_encoding") == "UTF8"
    assert await one(settings, "SHOW max_locks_per_transaction") == "256"
    assert str(await one(settings, "SHOW server_version_num")).startswith("18")


async def test_databases_are_migrated_and_apart(postgres: Postgres, services: list[Service]) -> None:
    first, second = [await postgres.create_database(services=services) for _ in range(2)]
    await one(first, "CREATE TABLE public.only_here ()")
    assert await one(first, "SELECT to_regclass('event_store.events')::text") == "event_store.events"
    assert await one(second, "SELECT to_regclass('public.only_here')::text") is None
    assert await one(second, "SELECT session_user::text", "kehu_example") == "kehu_example"
    await postgres.drop_database(first)
    with pytest.raises(asyncpg.InvalidCatalogNameError):
        await one(first, "SELECT 1")


async def test_postgresql_restarts_with_its_data_at_its_address(platform: Platform, services: list[Service]) -> None:
    settings = await platform.postgres.create_database(services=services)
    open_one = await asyncpg.connect(**settings.connection("kehu_owner"))
    await open_one.execute("CREATE TABLE public.kept AS SELECT 42 AS n")
    await platform.restart_postgres()
    with pytest.raises((asyncpg.PostgresConnectionError, asyncpg.InterfaceError, OSError)):
        await open_one.fetchval("SELECT 1")
    open_one.terminate()
    assert await one(settings, "SELECT n FROM public.kept") == 42


async def test_an_emptied_broker_has_no_topics(platform: Platform) -> None:
    await send(platform)
    await platform.empty_kafka()
    assert await send(platform) == 0


@pytest.mark.real_kafka
async def test_an_emptied_broker_has_forgotten_what_groups_had_read(platform: Platform) -> None:
    await platform.empty_kafka()
    await send(platform)
    await commit_everything(platform)
    assert await committed(platform) == 1
    await platform.empty_kafka()
    await send(platform)
    assert await committed(platform) is None


async def test_kafka_keeps_its_data_over_a_restart_and_loses_it_when_wiped(real_kafka: Platform) -> None:
    await real_kafka.empty_kafka()
    address = real_kafka.brokers
    assert await send(real_kafka) == 0
    await real_kafka.restart_kafka()
    assert await send(real_kafka) == 1
    await real_kafka.stop_kafka()
    await real_kafka.start_kafka()
    assert await send(real_kafka) == 2
    await real_kafka.restart_kafka(wipe=True)
    assert await send(real_kafka) == 0
    assert real_kafka.brokers == address


async def test_settings_for_a_service_reach_database_and_broker(platform: Platform, services: list[Service]) -> None:
    database = await platform.postgres.create_database(services=services)
    settings = platform.settings_for("example", database=database.database_name)
    assert await one(settings, "SELECT current_database()::text", "kehu_example") == database.database_name
    assert settings.brokers == platform.brokers
    assert settings.broker_kind == platform.broker_kind
