"""Clocks that jump, forward and back: the machines' own, and the demonstration's.

PostgreSQL (from the wheel) and the services are processes whose wall clock the test sets; Kafka keeps the real time.
What counts lengths of time is not touched, as when an administrator or a time server sets a machine's clock.
"""

from __future__ import annotations

import asyncio
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import asyncpg
import pytest
from alarms import ALARM, ALARMS, AlarmRang, AlarmSet
from crossing import Crossing, Toll, crossing, until
from processes import make_by_http, serving
from wall_clocks import COMPILER, NO_COMPILER, WallClock, wall_clock

from kehu import clock
from kehu.deciding import Actor, Context, Decision
from kehu.embedded import EmbeddedPostgres
from kehu.embedded import postgres as embedded_postgres
from kehu.parts import Running, connect
from kehu.settings import OWNER_ROLE, SUPERUSER_ROLE, Settings
from kehu.supervising.services import variables
from kehu.testing.pair import COUNTER, MAKER, PAIR
from kehu.testing.platform import Platform, Postgres

pytestmark = pytest.mark.skipif(COMPILER is None or sys.platform != "linux", reason=NO_COMPILER)

DAY = timedelta(days=1)
#: Ahead of the real time, one after the other.
JUMPS = (DAY, timedelta(0), -DAY, 2 * DAY, timedelta(0))
ALARMS_EACH = 20


@asynccontextmanager
async def clocked_postgres(
    now: WallClock, platform: Platform, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncGenerator[Postgres]:
    """A PostgreSQL of its own that goes by that clock."""
    plain = embedded_postgres.environment
    monkeypatch.setattr(embedded_postgres, "environment", lambda: {**plain(), **now.variables})
    server = EmbeddedPostgres(directory, platform.secrets, durable=False)
    try:
        await server.start()
        yield Postgres(server, platform.secrets)
    finally:
        await server.stop()


@pytest.mark.real_kafka
async def test_the_clocks_of_database_and_services_jump_a_day_forward_and_back(
    platform: Platform, tell: Callable[[Toll], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards: a place in the log is no time; what waits counts lengths of time; Kafka takes facts of any date.

    An id says the time too, but never goes back within a process (`kehu.ids.new_id`).
    """
    with wall_clock() as now:
        async with clocked_postgres(now, platform, tmp_path, monkeypatch) as postgres:
            database = await postgres.create_database(services=PAIR)
            await platform.empty_kafka()
            settings = database.model_copy(update={"brokers": platform.brokers, "broker_kind": platform.broker_kind})
            log = tmp_path / "services.log"
            async with (
                crossing(settings) as facts,
                serving(settings, MAKER, log, environment=now.variables) as maker,
                serving(settings, COUNTER, log, environment=now.variables),
            ):
                for ahead in JUMPS:
                    await asyncio.gather(*(make_by_http(facts, maker, f"t{number}") for number in range(20)))
                    now.set_ahead(ahead)
                    await asyncio.gather(*(make_by_http(facts, maker, f"t{number}") for number in range(20)))
                    await until(facts.complete, f"all facts arrive with the clock {ahead} ahead")
                toll = await facts.settle()
            times = await _times(settings)
    tell(toll)
    assert toll.nothing
    assert toll.pushed == 2 * 20 * len(JUMPS)
    # The fault did happen, to the database and to the service.
    assert all(abs(recorded - occurred) < timedelta(minutes=5) for recorded, occurred in times)
    assert {(recorded - datetime.now(UTC) + DAY / 2) // DAY for recorded, _ in times} == {-1, 0, 1, 2}


async def _times(settings: Settings) -> list[tuple[datetime, datetime]]:
    """When each fact was recorded, by the database's clock, and when it happened, by the service's."""
    connection = await asyncpg.connect(**settings.connection(SUPERUSER_ROLE))
    rows = await connection.fetch(
        "SELECT recorded_at, occurred_at FROM event_store.events WHERE type LIKE 'kehu.ThingMade.%'"
    )
    await connection.close()
    return [(row["recorded_at"], row["occurred_at"]) for row in rows]


class Alarms:
    """Those who set alarms, by the real time, and hear them."""

    def __init__(self, running: Running, chance: Random) -> None:
        self.running = running
        self.keys: list[str] = []
        self._chance = chance

    async def set(self, due: datetime, number: int = ALARMS_EACH) -> None:
        """Set some more, for about then."""
        for _ in range(number):
            key = f"a{len(self.keys)}"
            fact = AlarmSet(due=due + timedelta(seconds=self._chance.random()))
            context = Context(Actor("u-1"), datetime.now(UTC))
            await self.running.commands.handle(ALARM, key, lambda _s, _c: Decision([fact]), context, must_exist=False)  # noqa: B023 - called at once
            self.keys.append(key)

    async def rang(self) -> list[int]:
        """How often each has."""
        histories = await asyncio.gather(*(self.running.commands.history(ALARM, key) for key in self.keys))
        return [sum(isinstance(one.fact, AlarmRang) for one in history) for history in histories]

    async def planned(self) -> bool:
        """Whether each that has not rung is on the list."""
        return await self.running.pool.fetchval("SELECT count(*) FROM schedules") >= (await self.rang()).count(0)

    async def all_rang(self) -> bool:
        """Whether each has rung."""
        return all(await self.rang())

    def toll(self, rang: Sequence[int]) -> str:
        """What it comes to."""
        return f"{len(rang)} alarms: {rang.count(0)} lost, {sum(one - 1 for one in rang if one > 1)} doubled"


@asynccontextmanager
async def worker(settings: Settings, *arguments: str, **environment: str) -> AsyncGenerator[Process]:
    """A process that rings what falls due."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(Path(__file__).parent / "alarms.py"),
        *arguments,
        stdout=PIPE,
        env={**os.environ, **variables(settings), **environment},
    )
    try:
        assert process.stdout is not None
        assert await process.stdout.readline() == b"ready\n"
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def test_work_that_falls_due_is_done_once_while_clocks_jump(
    platform: Platform,
    tell: Callable[[str], None],
    chance: Random,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Guard: a lease that ends a day ahead was given by a wrong clock, and keeps nobody waiting for that day."""
    with wall_clock() as now:
        async with clocked_postgres(now, platform, tmp_path, monkeypatch) as postgres:
            settings = await postgres.create_database(services=[ALARMS])
            async with connect(ALARMS, settings) as running:
                alarms = Alarms(running, chance)
                async with worker(settings, **now.variables), worker(settings, **now.variables):
                    await alarms.set(datetime.now(UTC) + DAY / 2)
                    await until(alarms.planned, "they are on the list")
                    assert not any(await alarms.rang())
                    now.set_ahead(DAY)
                    await until(alarms.all_rang, "what the clock has passed over rings")
                    now.set_ahead(timedelta(0))
                    # It has rung already, though it is not due by this clock.
                    await alarms.set(datetime.now(UTC))
                    await until(alarms.all_rang, "what falls due by the clock that was set right rings")
                # A worker dies with an item in hand, leased by a clock that is a day ahead.
                now.set_ahead(DAY)
                async with worker(settings, "die", **now.variables) as dying:
                    await alarms.set(datetime.now(UTC))
                    await dying.wait()
                now.set_ahead(timedelta(0))
                async with worker(settings, **now.variables):
                    await until(alarms.all_rang, "nobody waits for a lease of tomorrow")
                rang = await alarms.rang()
    tell(alarms.toll(rang))
    assert set(rang) == {1}
    assert len(rang) == 3 * ALARMS_EACH


async def test_the_demonstrations_clock_jumps_while_facts_cross_and_alarms_ring(
    facts: Crossing, platform: Platform, tell: Callable[[object], None], chance: Random
) -> None:
    """Guard: the ids of what a schedule makes follow from its item, whichever worker gets to it."""
    settings = await platform.postgres.create_database(services=[ALARMS])
    async with connect(ALARMS, settings) as running, worker(settings), worker(settings), worker(settings):
        alarms = Alarms(running, chance)
        async with facts.relaying(), facts.consuming(), facts.writing():
            for number in range(1, 4):
                await alarms.set(datetime.now(UTC) + number * DAY - DAY / 2)
                await until(alarms.planned, "they are on the list")
                assert (await alarms.rang()).count(0) == ALARMS_EACH
                for where in (settings, facts.settings):
                    await _advance(where, DAY)
                await until(alarms.all_rang, "what the clock has passed over rings")
        async with facts.relaying(), facts.consuming():
            toll = await facts.settle()
        rang = await alarms.rang()
    await platform.postgres.drop_database(settings)
    tell(f"{alarms.toll(rang)}; {toll}")
    assert set(rang) == {1}
    assert toll.nothing


async def _advance(settings: Settings, by: timedelta) -> None:
    owner = await asyncpg.connect(**settings.connection(OWNER_ROLE))
    try:
        await clock.advance(owner, by, demonstration=True)
    finally:
        await owner.close()
