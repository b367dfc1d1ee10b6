"""Faults of the database, and of those who use it together: nothing is lost, doubled or turned round."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime

import asyncpg
from crossing import Crossing, Toll, until

from kehu.deciding import Category, Context, Decision, system_actor
from kehu.event_store import Append, Connection
from kehu.ids import new_id
from kehu.parts import connect
from kehu.recording import Origin, Unrecorded
from kehu.settings import SUPERUSER_ROLE
from kehu.testing.pair import MAKER, THING, ThingMade
from kehu.testing.platform import Platform

SLOW_TRANSACTIONS = 10
WRITERS = 64
BURSTS = 5
REBUILDS = 5


async def test_facts_that_commit_late_under_a_low_position_are_not_passed_over(
    facts: Crossing, tell: Callable[[Toll], None]
) -> None:
    """Guard: the watermark. By position alone, what commits late would be behind every reader's place for ever."""
    async with facts.relaying(), facts.consuming():
        for number in range(1, SLOW_TRANSACTIONS + 1):
            async with facts.maker.store.transaction() as slow:
                await _append_slowly(facts, slow, number)
                arrived = await facts.arrivals()
                for _ in range(5):
                    await facts.write_round()
                # Until it ends, nobody is given what came after it.
                assert await facts.arrivals() == arrived
            facts.written["slow"] = number
            await until(facts.complete, "what was held back arrives")
        toll = await facts.settle()
    tell(toll)
    assert toll.nothing
    assert toll.pushed == SLOW_TRANSACTIONS * 101


async def _append_slowly(facts: Crossing, connection: Connection, number: int) -> None:
    origin = Origin("u-1", datetime.now(UTC), new_id())
    fact = ThingMade(thing="slow", number=number, box="box-slow")
    rows = await facts.maker.codec.encode([Unrecorded(fact, THING.stream("slow"), new_id(), origin)])
    await facts.maker.store.append_together(connection, [Append(THING.stream("slow"), None, "slow", rows)])


async def test_lost_backends_and_a_server_that_is_killed_cost_nothing(
    facts: Crossing, platform: Platform, tell: Callable[[Toll], None]
) -> None:
    """Writers, relay and consumers all lose their connections, in the middle of whatever they are doing."""
    async with facts.relaying(), facts.consuming():
        async with facts.writing():
            for _ in range(5):
                await facts.more(100)
                await _end_all_backends(facts)
            await facts.more(100)
            await platform.restart_postgres()
            await facts.more(100)
        toll = await facts.settle()
    tell(toll)
    assert toll.nothing
    assert toll.pushed >= 700


async def _end_all_backends(facts: Crossing) -> None:
    connection = await asyncpg.connect(**facts.settings.connection(SUPERUSER_ROLE))
    try:
        await connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    finally:
        await connection.close()


async def test_sixty_four_writers_on_one_stream_each_have_their_effect_once(
    facts: Crossing, tell: Callable[[Toll], None]
) -> None:
    """Each decides from the state it has seen: a number decided twice would be a number doubled and one lost."""

    def next_one(last: int, _context: Context) -> Decision:
        return Decision([ThingMade(thing="crowded", number=last + 1, box="box-crowded")])

    counting: Category[int] = Category("thing", THING.facts, 0, lambda last, _fact: last + 1)
    async with facts.relaying(), facts.consuming(), connect(MAKER, facts.settings) as maker:
        context = Context(actor=system_actor("test", "make"), now=maker.clock.now())

        async def write() -> None:
            await maker.commands.handle(counting, "crowded", next_one, context, must_exist=False)
            facts.written["crowded"] = facts.written.get("crowded", 0) + 1

        for _ in range(BURSTS):
            await asyncio.gather(*(write() for _ in range(WRITERS)))
        toll = await facts.settle()
    tell(toll)
    assert toll.nothing
    assert toll.pushed == WRITERS * BURSTS


async def test_a_view_rebuilt_again_and_again_while_facts_are_written_is_what_it_would_have_been(
    facts: Crossing, tell: Callable[[Toll], None]
) -> None:
    """Guard: the swap holds the view's lock and takes over what was consumed meanwhile."""
    async with facts.relaying(), facts.consuming():
        async with facts.writing():
            for _ in range(REBUILDS):
                await facts.more(100)
                assert await facts.rebuilt_the_same()
        toll = await facts.settle()
    tell(toll)
    assert toll.nothing
    assert toll.pushed >= REBUILDS * 100
