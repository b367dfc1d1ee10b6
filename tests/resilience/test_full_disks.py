"""Disks that are full: what cannot be kept is refused with the reason, nothing is half kept, and all goes on later."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg
import pytest
from crossing import Crossing, Toll, crossing, until
from disks import SmallDisk, small_disk
from processes import Served, make_by_http, serving

from kehu import relay as relay_module
from kehu.settings import SUPERUSER_ROLE, Settings
from kehu.testing.containers import KAFKA_IMAGE, POSTGRES_IMAGE, KafkaInContainer, PostgresInContainer
from kehu.testing.pair import COUNTER, MAKER, PAIR
from kehu.testing.platform import Platform, Postgres

pytestmark = pytest.mark.real_kafka

WRITERS = 8
#: PostgreSQL's own files, a database, and what the tests write.
DATA_MEGABYTES = 300
#: Five segments of 16 MB are kept.
WAL_MEGABYTES = 130
KAFKA_MEGABYTES = 150


@dataclass
class Clients:
    """Those who write by HTTP all the while, and what they are told when it is not done."""

    facts: Crossing
    maker: Served
    told: Counter[str] = field(default_factory=Counter[str])

    @asynccontextmanager
    async def at_work(self) -> AsyncGenerator[None]:
        """All of them."""
        over = asyncio.Event()

        async def work(thing: str) -> None:
            while not over.is_set():
                await make_by_http(self.facts, self.maker, thing, self.told)

        async with asyncio.TaskGroup() as group:
            for number in range(WRITERS):
                group.create_task(work(f"t{number}"))
            try:
                yield
            finally:
                over.set()

    async def are_told(self, *codes: str) -> bool:
        """Whether any of them has met one of these problems."""
        return any(self.told[code] for code in codes)


@asynccontextmanager
async def on_small_disk(
    platform: Platform, places: Mapping[str, str], variables: Mapping[str, str]
) -> AsyncGenerator[tuple[Crossing, PostgresInContainer]]:
    """The pair on a PostgreSQL of its own, some of whose files are on a small disk."""
    server = PostgresInContainer(platform.secrets, volumes=places, variables=variables)
    await server.create()
    try:
        database = await Postgres(server, platform.secrets).create_database(services=PAIR)
        await platform.empty_kafka()
        broker = {"brokers": platform.brokers, "broker_kind": platform.broker_kind}
        async with crossing(database.model_copy(update=broker)) as facts:
            yield facts, server
    finally:
        await server.remove()


async def test_a_full_database_disk_refuses_with_a_reason_and_goes_on_when_there_is_room(
    platform: Platform, tell: Callable[[Toll], None], tmp_path: Path
) -> None:
    """Guard: a disk that is full is the fault of no message; nothing is parked for it."""
    async with (
        small_disk(DATA_MEGABYTES, POSTGRES_IMAGE) as disk,
        on_small_disk(platform, {"/var/lib/postgresql": disk.volume}, {}) as (facts, _),
        serving(facts.settings, MAKER, tmp_path / "maker.log") as maker,
        serving(facts.settings, COUNTER, tmp_path / "counter.log"),
    ):
        clients = Clients(facts, maker)
        async with clients.at_work():
            await facts.more(100)
            await disk.fill()
            await until(lambda: clients.are_told("storage-full"), "clients are told that the disk is full")
            await disk.free()
            await facts.more(100)
        toll = await facts.settle()
    tell(toll)
    assert toll.nothing
    assert set(clients.told) <= {"storage-full", "database-away"}


async def test_a_full_disk_of_the_write_ahead_log_stops_the_server_and_costs_nothing(
    platform: Platform, tell: Callable[[Toll], None], tmp_path: Path
) -> None:
    """PostgreSQL stops itself then; whoever makes room starts it again."""
    async with (
        small_disk(WAL_MEGABYTES, POSTGRES_IMAGE) as disk,
        on_small_disk(platform, {"/wal": disk.volume}, {"POSTGRES_INITDB_WALDIR": "/wal/log"}) as (facts, server),
        serving(facts.settings, MAKER, tmp_path / "maker.log") as maker,
        serving(facts.settings, COUNTER, tmp_path / "counter.log"),
    ):
        clients = Clients(facts, maker)
        async with clients.at_work():
            await facts.more(100)
            await disk.fill()
            # As many segments as were kept for use again.
            await until(lambda: _segments_used_up(facts.settings), "the log needs a new segment")
            await until(lambda: clients.are_told("database-away"), "clients are told that the database is away")
            await disk.free()
            if not await server.running():
                await server.start()
            await facts.more(100)
        toll = await facts.settle()
    tell(toll)
    assert toll.nothing
    assert set(clients.told) <= {"storage-full", "database-away"}


async def _segments_used_up(settings: Settings) -> bool:
    """Begin a new segment; True when there is no room for one."""
    try:
        connection = await asyncpg.connect(**settings.connection(SUPERUSER_ROLE))
    except (OSError, asyncpg.PostgresError):
        return True
    try:
        await connection.execute("SELECT pg_logical_emit_message(false, 'kehu', 'x')")
        await connection.execute("SELECT pg_switch_wal()")
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
        return True
    finally:
        connection.terminate()
    return False


async def test_a_full_disk_of_the_broker_costs_nothing(
    platform: Platform, tell: Callable[[Toll], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Kafka stops itself then; facts are committed all the while, and relayed when it is back."""
    monkeypatch.setattr(relay_module, "LONGEST_BACK_OFF_SECONDS", 1.0)
    database = await platform.postgres.create_database(services=PAIR)
    async with small_disk(KAFKA_MEGABYTES, KAFKA_IMAGE) as disk, kafka_on(disk) as broker:
        settings = database.model_copy(update={"brokers": broker.address, "broker_kind": "kafka"})
        async with crossing(settings) as facts, facts.relaying() as relay, facts.consuming():
            async with facts.writing():
                await facts.more(100)
                await disk.fill()
                await until(lambda: _has_stopped(broker), "Kafka has stopped")
                await facts.more(100)
                await disk.free()
                await broker.start()
                await facts.more(100)
            toll = await facts.settle()
            assert relay.resets == 0, "Kafka has lost what it had acknowledged."
    await platform.postgres.drop_database(database)
    tell(toll)
    assert toll.nothing


@asynccontextmanager
async def kafka_on(disk: SmallDisk) -> AsyncGenerator[KafkaInContainer]:
    """A Kafka of its own."""
    broker = KafkaInContainer(volume=disk.volume)
    await broker.create()
    try:
        yield broker
    finally:
        await broker.remove()


async def _has_stopped(broker: KafkaInContainer) -> bool:
    return not await broker.running()
