"""Connections and processes that are there and do nothing: idle transactions, paused leaders, dead listeners."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random

import asyncpg
import httpx2
import pytest
from crossing import Crossing, Toll, until
from processes import FOR_EVER, make_by_http, mortal, serving
from wire import wire_to

from kehu.settings import OWNER_ROLE, SUPERUSER_ROLE, ConnectArguments
from kehu.testing.pair import COUNTER, MAKER

PAUSES = 3
ROUNDS = 10


@asynccontextmanager
async def idle_write_transaction(arguments: ConnectArguments) -> AsyncGenerator[asyncpg.Connection]:
    """Somebody who has begun to write, and gone for coffee."""
    connection = await asyncpg.connect(**arguments)
    try:
        await connection.execute("BEGIN")
        await connection.execute("SELECT pg_current_xact_id()")
        yield connection
    finally:
        connection.terminate()


async def test_a_services_idle_write_transaction_is_ended_by_the_server_and_holds_nobody_back_for_long(
    facts: Crossing, tell: Callable[[Toll], None]
) -> None:
    """Guard: transaction_timeout of the services' roles. Without it all readers would wait for as long as it idles."""
    async with facts.relaying(), facts.consuming():
        await facts.write_round()
        await until(facts.complete, "the first facts arrive")
        async with idle_write_transaction(facts.settings.connection(COUNTER.role)) as idle:
            before = await facts.arrivals()
            for _ in range(10):
                await facts.write_round()
                assert await facts.arrivals() == before or await _has_ended(facts, idle.get_server_pid())
            await until(facts.complete, "what it held back arrives")
            with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError)):  # it was ended
                await idle.execute("COMMIT")
        toll = await facts.settle()
    tell(toll)
    assert toll.nothing
    assert toll.pushed == 11 * 20


async def _has_ended(facts: Crossing, pid: int) -> bool:
    return not await facts.maker.pool.fetchval("SELECT count(*) FROM pg_stat_activity WHERE pid = $1", pid)


@pytest.mark.parametrize("where", ["another role", "another database"])
async def test_an_idle_write_transaction_elsewhere_holds_readers_back_shows_and_costs_nothing(
    facts: Crossing, tell: Callable[[Toll], None], where: str
) -> None:
    """Guard: the watermark. Nobody passes over what such a transaction may yet commit; the metric tells its age."""
    settings = facts.settings
    elsewhere = {
        "another role": settings.connection(OWNER_ROLE),
        "another database": settings.connection(SUPERUSER_ROLE, database="postgres"),
    }[where]
    async with facts.relaying(), facts.consuming():
        await facts.write_round()
        await until(facts.complete, "the first facts arrive")
        async with idle_write_transaction(elsewhere) as idle:
            before = await facts.arrivals()
            for _ in range(10):
                await facts.write_round()
            await until(lambda: _held_back(facts, 1.0), "the age of what holds readers back shows")
            assert await facts.arrivals() == before
            await idle.execute("ROLLBACK")
            await until(facts.complete, "what it held back arrives")
            assert not await _held_back(facts, 1.0)
        toll = await facts.settle()
    tell(toll)
    assert toll.nothing
    assert toll.pushed == 11 * 20


async def _held_back(facts: Crossing, seconds: float) -> bool:
    age: float = await facts.maker.pool.fetchval("SELECT age_seconds FROM event_store.watermark()")
    return age > seconds


async def test_a_leader_that_is_paused_superseded_and_resumed_only_repeats(
    facts: Crossing, tell: Callable[[Toll], None], chance: Random
) -> None:
    """Guard: the cursor is saved on the connection that has the lock; batches that were under way come late."""
    async with facts.consuming():
        for _ in range(PAUSES):
            async with mortal(facts, "relay", "the cursor is saved", FOR_EVER) as paused:
                goal = facts.pushed + chance.randint(1, 150)
                writing = asyncio.create_task(_write_rounds(facts))
                await until(lambda: _arrived(facts, goal), "the leader is at work")  # noqa: B023 - awaited at once
                paused.send_signal(signal.SIGSTOP)
                await _end_leader(facts)
                async with facts.relaying() as successor:
                    await writing
                    await facts.write_round()
                    await until(facts.complete, "another leads")
                    assert successor.leading
                    paused.send_signal(signal.SIGCONT)
                    await _write_rounds(facts)
                    await until(facts.complete, "one of them leads")
        async with facts.relaying():
            toll = await facts.settle()
    tell(toll)
    assert toll.nothing
    assert toll.pushed == PAUSES * (2 * ROUNDS + 1) * 20


async def _write_rounds(facts: Crossing) -> None:
    for _ in range(ROUNDS):
        await facts.write_round()


async def _arrived(facts: Crossing, goal: int) -> bool:
    return await facts.arrivals() >= goal


async def _end_leader(facts: Crossing) -> None:
    """What an operator, or the server after the keep-alives of a lost host, does to whoever has the lock."""
    connection = await asyncpg.connect(**facts.settings.connection(SUPERUSER_ROLE))
    await connection.execute(
        "SELECT pg_terminate_backend(l.pid) FROM pg_locks l JOIN pg_stat_activity a USING (pid)"
        " WHERE l.locktype = 'advisory' AND a.application_name = 'kehu relay' AND a.datname = current_database()"
    )
    await connection.close()


async def test_connections_that_die_without_a_word_are_replaced_and_cost_nothing(
    facts: Crossing, tell: Callable[[Toll], None], tmp_path: Path
) -> None:
    """Both services, as processes, lose every connection to the database and are not told: listeners above all.

    Guard: nobody waits for a notification or an answer without end; what is not heard is polled for.
    """
    async with (
        wire_to(facts.settings) as (wire, settings),
        serving(settings, MAKER, tmp_path / "maker.log") as maker,
        serving(settings, COUNTER, tmp_path / "counter.log") as counter,
    ):
        for _ in range(2):
            await facts.write_round()
            await make_by_http(facts, maker, "by-http")
            await until(facts.complete, "everything arrives")
            assert wire.go_silent() > 0
            # By another process: nobody in the maker is told.
            for _ in range(10):
                await facts.write_round()
            with contextlib.suppress(httpx2.HTTPError):  # what those say who ask meanwhile is their clients' business
                await maker.http.get("/health/ready")
            await make_by_http(facts, maker, "by-http")
            await until(facts.complete, "everything arrives over new connections")
            await until(maker.ready, "the maker is ready again")
            await until(counter.ready, "the counter is ready again")
        toll = await facts.settle()
    tell(toll)
    assert toll.nothing
    assert toll.pushed == 2 * (11 * 20 + 2)
