"""Processes that are killed (SIGKILL) at every step of their work: whoever comes after them only repeats."""

from __future__ import annotations

import asyncio
import random
import signal
from asyncio.subprocess import Process
from collections.abc import Callable

import pytest
from crossing import Crossing, Toll, until
from mortal import CONSUMER_STEPS, RELAY_STEPS
from processes import mortal

SEED = 20261124


async def test_a_relay_killed_at_every_step_loses_doubles_and_turns_round_nothing(
    facts: Crossing, tell: Callable[[Toll], None]
) -> None:
    chance = random.Random(SEED)  # noqa: S311 - the same moments in every run
    steps = [*RELAY_STEPS, *chance.choices([*RELAY_STEPS], k=4)]
    async with facts.consuming():
        for step in steps:
            async with mortal(facts, "relay", step, chance.randint(1, 6)) as relay:
                await _write_until_dead(facts, relay)
                assert relay.returncode == -signal.SIGKILL, step
        async with facts.relaying():
            toll = await facts.settle()
    tell(toll)
    assert toll.nothing
    assert toll.pushed > 0


@pytest.mark.real_kafka
async def test_a_consumer_killed_between_its_commit_and_the_offsets_commit_has_one_effect(
    facts: Crossing, tell: Callable[[Toll], None]
) -> None:
    """What has its effect and is not acknowledged comes again; the guard is the inbox."""
    chance = random.Random(SEED)  # noqa: S311 - the same moments in every run
    repeated = 0
    async with facts.relaying():
        for step in CONSUMER_STEPS:
            async with mortal(facts, "consumer", step, chance.randint(1, 4)) as consumer:
                await _write_until_dead(facts, consumer)
                assert consumer.returncode == -signal.SIGKILL, step
            if step == "the effect is committed":
                repeated = await facts.arrivals() - await facts.acknowledged()
        async with facts.consuming():
            toll = await facts.settle()
    tell(toll)
    assert repeated > 0, "The fault did not happen: nothing had its effect without being acknowledged."
    assert toll.nothing


async def _write_until_dead(facts: Crossing, process: Process) -> None:
    await facts.write_round()
    ended = asyncio.create_task(process.wait())
    while not ended.done():
        # One round after the other has arrived: the process has something to do again and again, not once.
        goal = facts.pushed
        await facts.write_round()
        await until(lambda: _ended_or_moved(facts, ended, goal), "the process works, or dies")  # noqa: B023 - awaited at once
    await ended


async def _ended_or_moved(facts: Crossing, ended: asyncio.Task[int], goal: int) -> bool:
    return ended.done() or await facts.arrivals() >= goal
