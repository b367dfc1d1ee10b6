"""Services that are told to stop in the middle of their work: they finish what they have in hand, and no more."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest
from crossing import Crossing, Toll, until
from processes import Served, serving

from kehu.running import STOP_SECONDS
from kehu.testing.pair import COUNTER, MAKER

pytestmark = pytest.mark.real_kafka


async def test_a_consumer_told_to_stop_mid_batch_commits_it_and_leaves(
    facts: Crossing, tell: Callable[[Toll], None], chance: Random, tmp_path: Path
) -> None:
    """Guard: a stop waits for the batch in hand, and the inbox: what is committed may not be acknowledged any more.

    The consumer of another topic leaves the same group at the same time, and the partitions change hands meanwhile.
    """
    step = "a batch is decided and not committed"
    async with facts.relaying(), facts.nothing_acknowledged_too_early():
        async with serving(facts.settings, COUNTER, tmp_path / "first.log", step, "1") as counter:
            await _write_until_ended(facts, counter)
        # It was the first that this process was given.
        assert await facts.arrivals() > 0
        async with serving(
            facts.settings, COUNTER, tmp_path / "counter.log", step, str(chance.randint(2, 6))
        ) as counter:
            await _write_until_ended(facts, counter)
        async with facts.consuming():
            toll = await facts.settle()
    tell(toll)
    assert toll.nothing


async def test_a_relay_told_to_stop_mid_round_sends_it_and_saves_how_far_it_is(
    facts: Crossing, tell: Callable[[Toll], None], chance: Random, tmp_path: Path
) -> None:
    """Guard: a stop waits for the round in hand. Whoever comes next repeats nothing: the topic has each fact once."""
    async with facts.consuming():
        for log in ("first.log", "second.log"):
            step = ("a round is prepared and not sent", str(chance.randint(1, 6)))
            async with serving(facts.settings, MAKER, tmp_path / log, *step) as maker:
                await _write_until_ended(facts, maker)
        async with facts.relaying():
            toll = await facts.settle()
        assert await facts.sent() == toll.pushed
    tell(toll)
    assert toll.nothing


async def _write_until_ended(facts: Crossing, served: Served) -> None:
    await facts.write_round()
    ended = asyncio.create_task(served.process.wait())
    while not ended.done():
        goal = facts.pushed
        await facts.write_round()
        await until(lambda: _ended_or_moved(facts, ended, goal), "the process works, or ends")  # noqa: B023 - awaited at once
        if "service.stopping" in served.log.read_text():
            break
    async with asyncio.timeout(STOP_SECONDS + 1):
        assert await ended == 0


async def _ended_or_moved(facts: Crossing, ended: asyncio.Task[int], goal: int) -> bool:
    return ended.done() or await facts.arrivals() >= goal
