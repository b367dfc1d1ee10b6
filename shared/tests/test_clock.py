"""The clock: real time plus an offset that only a demonstration may move, and only forward."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import pytest

from kehu import clock as clock_module
from kehu.clock import Clock, ClockCannotMove, ClockGoesForward, advance
from kehu.loops import Loop
from kehu.service import Service
from kehu.settings import OWNER_ROLE, Settings
from kehu.testing.platform import Postgres

PATIENCE = 20
EMPTY = Service("clock-watcher", "clock", [], Path(__file__).parent / "tally_reader")


@pytest.fixture
async def settings(postgres: Postgres) -> AsyncGenerator[Settings]:
    made = await postgres.create_database(services=[EMPTY])
    yield made
    await postgres.drop_database(made)


@pytest.fixture
async def pool(settings: Settings) -> AsyncGenerator[asyncpg.Pool]:
    async with asyncpg.create_pool(**settings.connection(EMPTY.role), min_size=1, max_size=4) as made:
        yield made


@pytest.fixture
async def owner(settings: Settings) -> AsyncGenerator[asyncpg.Connection]:
    made = await asyncpg.connect(**settings.connection(OWNER_ROLE))
    yield made
    await made.close()


@asynccontextmanager
async def ticking(clock: Clock) -> AsyncGenerator[None]:
    loop = Loop("clock", clock.run)
    loop.start()
    try:
        async with asyncio.timeout(PATIENCE):
            while not clock.healthy:  # noqa: ASYNC110 - it has no event for it
                await asyncio.sleep(0.01)
            yield
    finally:
        await loop.stop(PATIENCE)


async def jumped(clock: Clock) -> asyncio.Event:
    event = asyncio.Event()
    clock.on_jump(event.set)
    return event


def ahead(clock: Clock) -> timedelta:
    return timedelta(seconds=round((clock.now() - datetime.now(UTC)).total_seconds()))


async def test_it_is_the_real_time_in_utc_until_it_is_moved(pool: asyncpg.Pool) -> None:
    clock = Clock(pool)
    await clock.refresh()
    assert ahead(clock) == timedelta(0)
    assert clock.now().utcoffset() == timedelta(0)


async def test_everybody_follows_at_once(pool: asyncpg.Pool, owner: asyncpg.Connection) -> None:
    clock = Clock(pool)
    event = await jumped(clock)
    async with ticking(clock):
        assert await advance(owner, timedelta(days=3), demonstration=True) == timedelta(days=3)
        await event.wait()
        assert ahead(clock) == timedelta(days=3)
        event.clear()
        assert await advance(owner, timedelta(hours=2), demonstration=True) == timedelta(days=3, hours=2)
        await event.wait()
    assert ahead(clock) == timedelta(days=3, hours=2)
    assert not clock.healthy


async def test_a_notification_that_is_lost_costs_a_poll(
    pool: asyncpg.Pool, owner: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clock_module, "CHANNEL", "nobody_notifies_this")
    clock = Clock(pool)
    event = await jumped(clock)
    async with ticking(clock):
        await advance(owner, timedelta(days=1), demonstration=True)
        await event.wait()


async def test_a_lost_connection_is_replaced(pool: asyncpg.Pool, owner: asyncpg.Connection) -> None:
    clock = Clock(pool)
    event = await jumped(clock)
    async with ticking(clock):
        await pool.fetch("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query = $1", clock_module.READ)
        await advance(owner, timedelta(days=1), demonstration=True)
        await event.wait()


async def test_it_is_not_moved_outside_demonstration_mode(owner: asyncpg.Connection) -> None:
    with pytest.raises(ClockCannotMove, match="KEHU_DEMONSTRATION"):
        await advance(owner, timedelta(days=1), demonstration=False)
    assert await owner.fetchval("SELECT ahead FROM event_store.clock") == timedelta(0)


async def test_it_never_goes_back(owner: asyncpg.Connection) -> None:
    await advance(owner, timedelta(days=2), demonstration=True)
    with pytest.raises(ClockGoesForward):
        await advance(owner, timedelta(seconds=-1), demonstration=True)
    assert await owner.fetchval("SELECT ahead FROM event_store.clock") == timedelta(days=2)


async def test_a_service_cannot_move_it(pool: asyncpg.Pool) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await pool.fetchval("SELECT event_store.advance_clock(interval '1 day')")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await pool.execute("UPDATE event_store.clock SET ahead = interval '1 day'")
