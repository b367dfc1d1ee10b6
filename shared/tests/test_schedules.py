"""Schedules against a real PostgreSQL: what falls due fires once, whoever races, whatever crashes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from kehu import schedules as schedules_module
from kehu.clock import advance
from kehu.commands import Done as Handled
from kehu.deciding import Actor, Category, Context, Decision
from kehu.facts import Fact
from kehu.loops import Loop
from kehu.parts import Running, connect
from kehu.schedules import Scheduler
from kehu.service import Done, Due, Feature, Schedule, Service
from kehu.settings import OWNER_ROLE, Settings
from kehu.testing.platform import Postgres

PATIENCE = 20


class ReportPlanned(Fact):
    due: datetime


class ReportHandedIn(Fact):
    pass


class ReportMissed(Fact):
    since: datetime


def step(state: str, fact: Fact) -> str:
    return {ReportPlanned: "planned", ReportHandedIn: "in", ReportMissed: "missed"}.get(type(fact), state)


REPORT = Category("report", (ReportPlanned, ReportHandedIn, ReportMissed), "", step)


def miss(_key: str, due: datetime, state: str, _context: Context) -> Decision:
    return Decision([ReportMissed(since=due)] if state != "in" else [])


OVERDUE = Schedule(
    kind="report-overdue",
    planned_by={
        ReportPlanned: lambda recorded: Due(recorded.stream_id, recorded.fact.due),
        ReportHandedIn: lambda recorded: Done(recorded.stream_id),
    },
    category=REPORT,
    stream_id=lambda key: key,
    fire=miss,
)


def reporter(schedule: Schedule = OVERDUE) -> Service:
    feature = Feature("reports", categories=[REPORT], schedules=[schedule])
    return Service("reporter", "reports", [feature], Path(__file__).parent / "tally_reader")


@pytest.fixture
async def settings(postgres: Postgres) -> AsyncGenerator[Settings]:
    made = await postgres.create_database(services=[reporter()])
    yield made
    await postgres.drop_database(made)


@pytest.fixture
async def running(settings: Settings) -> AsyncGenerator[Running]:
    async with connect(reporter(), settings) as made, following(made):
        yield made


@pytest.fixture
async def owner(settings: Settings) -> AsyncGenerator[asyncpg.Connection]:
    made = await asyncpg.connect(**settings.connection(OWNER_ROLE))
    yield made
    await made.close()


@asynccontextmanager
async def following(running: Running) -> AsyncGenerator[None]:
    loop = Loop("follower", running.follower.run)
    loop.start()
    try:
        yield
    finally:
        await loop.stop(PATIENCE)


@asynccontextmanager
async def working(*schedulers: Scheduler) -> AsyncGenerator[None]:
    loops = [Loop(f"scheduler {number}", scheduler.run) for number, scheduler in enumerate(schedulers)]
    for loop in loops:
        loop.start()
    try:
        yield
    finally:
        for loop in loops:
            await loop.stop(PATIENCE)


def scheduler(running: Running, schedule: Schedule = OVERDUE) -> Scheduler:
    return Scheduler(reporter(schedule), running.pool, running.store, running.codec, running.clock, running.policies)


async def record(running: Running, report: str, *facts: Fact) -> Handled:
    context = Context(Actor("u-1"), running.clock.now())
    return await running.commands.handle(REPORT, report, lambda *_: Decision(facts), context, must_exist=False)


async def plan_reports(running: Running, *reports: str, after: timedelta = timedelta(0)) -> None:
    for report in reports:
        await record(running, report, ReportPlanned(due=running.clock.now() + after))
    await until(lambda: items_are(running, len(reports)))


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not await condition():  # noqa: ASYNC110 - the condition is a row in a database, which has no event
            await asyncio.sleep(0.01)


async def items_are(running: Running, wanted: int) -> bool:
    return await running.pool.fetchval("SELECT count(*) FROM schedules") == wanted


async def names(running: Running, report: str) -> list[str]:
    return [type(recorded.fact).__name__ for recorded in await running.commands.history(REPORT, report)]


async def test_what_is_due_fires_once_with_two_workers_racing(running: Running) -> None:
    reports = [f"r-{number}" for number in range(40)]
    await plan_reports(running, *reports)
    async with working(scheduler(running), scheduler(running)):
        await until(lambda: items_are(running, 0))
    for report in reports:
        assert await names(running, report) == ["ReportPlanned", "ReportMissed"]


async def test_a_fired_fact_tells_what_planned_it(running: Running) -> None:
    await plan_reports(running, "r")
    assert await scheduler(running).fire_due() == 1
    planned, missed = await running.commands.history(REPORT, "r")
    assert (missed.causation, missed.correlation) == (planned.id, planned.correlation)
    assert missed.actor == "system:reporter/schedule:report-overdue"
    assert missed.fact.since == planned.fact.due


async def test_nothing_fires_before_it_is_due_and_the_clock_moves_it(
    running: Running, owner: asyncpg.Connection
) -> None:
    await plan_reports(running, "r", after=timedelta(days=3))
    worker = scheduler(running)
    assert await worker.fire_due() == 0
    clock = Loop("clock", running.clock.run)
    clock.start()
    async with working(worker):
        await advance(owner, timedelta(days=4), demonstration=True)
        await until(lambda: items_are(running, 0))
    await clock.stop(PATIENCE)
    assert await names(running, "r") == ["ReportPlanned", "ReportMissed"]


async def test_what_is_planned_anew_takes_the_place_of_the_old_and_done_takes_it_off(running: Running) -> None:
    await plan_reports(running, "r", "s")
    for report, fact in (
        ("r", ReportPlanned(due=running.clock.now() + timedelta(days=1))),
        ("s", ReportHandedIn()),
    ):
        await record(running, report, fact)
    await until(lambda: items_are(running, 1))
    assert await scheduler(running).fire_due() == 0
    assert await items_are(running, 1)


async def test_it_is_decided_from_the_state_whether_anything_is_still_to_do(running: Running) -> None:
    await plan_reports(running, "r")
    await running.pool.execute("DELETE FROM view_cursors")  # the follower does not see the next fact
    await record(running, "r", ReportHandedIn())
    await scheduler(running).fire_due()
    assert await names(running, "r") == ["ReportPlanned", "ReportHandedIn"]
    assert await items_are(running, 0)


class CrashedError(Exception):
    """What a test raises where a process would end."""


async def test_a_crash_between_appending_and_taking_it_off_the_list_appends_nothing(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    await plan_reports(running, "r")
    original = running.store.append_together
    crashes = 0

    async def crashing(*args: Any) -> Any:
        nonlocal crashes
        await original(*args)
        crashes += 1
        raise CrashedError

    with monkeypatch.context() as patched:
        patched.setattr(running.store, "append_together", crashing)
        worker = scheduler(running)
        await worker.fire_due()
        assert not worker.healthy
    assert crashes == 1
    assert await names(running, "r") == ["ReportPlanned"]
    async with working(scheduler(running)):
        await until(lambda: items_are(running, 0))
    assert await names(running, "r") == ["ReportPlanned", "ReportMissed"]


async def test_an_item_that_comes_back_after_it_was_fired_changes_nothing(running: Running) -> None:
    """As when the list is planned anew from the first fact on."""
    await plan_reports(running, "r")
    (item,) = await running.pool.fetch("SELECT * FROM schedules")
    await scheduler(running).fire_due()
    await running.pool.execute(
        "INSERT INTO schedules (kind, key, due_at, planned_by) VALUES ($1, $2, $3, $4)", *item[:4]
    )
    assert await scheduler(running).fire_due() == 1
    assert await items_are(running, 0)
    assert await names(running, "r") == ["ReportPlanned", "ReportMissed"]


async def test_an_item_whose_worker_died_is_fired_by_another_when_its_lease_is_over(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    await plan_reports(running, "r")

    async def die(*_: object) -> None:
        raise asyncio.CancelledError

    with monkeypatch.context() as patched:
        patched.setattr(schedules_module, "LEASE_SECONDS", 0.2)
        dying = scheduler(running)
        patched.setattr(dying, "_take_turn", die)
        await dying.fire_due()
    assert await scheduler(running).fire_due() == 0
    async with working(scheduler(running)):
        await until(lambda: items_are(running, 0))
    assert await names(running, "r") == ["ReportPlanned", "ReportMissed"]


async def test_what_changes_while_it_is_being_fired_is_decided_again(running: Running) -> None:
    await plan_reports(running, "r")
    raced = False

    original = running.store.append_together

    async def overtaken(*args: Any) -> Any:
        nonlocal raced
        if not raced:
            raced = True
            await record(running, "r", ReportHandedIn())
        return await original(*args)

    running.store.append_together = overtaken
    async with working(scheduler(running)):
        await until(lambda: items_are(running, 0))
    assert raced
    assert await names(running, "r") == ["ReportPlanned", "ReportHandedIn"]


async def test_one_item_that_fails_does_not_keep_the_others_waiting(running: Running) -> None:
    await plan_reports(running, "bad", "good")
    mended = False

    def careless(key: str, due: datetime, state: str, context: Context) -> Decision:
        if key == "bad" and not mended:
            raise CrashedError
        return miss(key, due, state, context)

    worker = scheduler(running, replace(OVERDUE, fire=careless))
    await worker.fire_due()
    assert await names(running, "good") == ["ReportPlanned", "ReportMissed"]
    assert not worker.healthy
    assert await worker.fire_due() == 0
    assert await running.pool.fetchval("SELECT failures FROM schedules") == 1
    mended = True
    async with working(worker):
        await until(lambda: items_are(running, 0))
    assert await names(running, "bad") == ["ReportPlanned", "ReportMissed"]
