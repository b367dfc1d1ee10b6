"""The row of a rebuild: a view is folded anew from the log, against only reading the facts that it is folded from."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack

import asyncpg
from bench import Row

from kehu.event_store import InboxMove
from kehu.facts import START
from kehu.parts import connect
from kehu.rebuilding import PAGE, rebuild
from kehu.settings import OWNER_ROLE, Settings
from kehu.testing.pair import COUNTER, MAKER, THING, ThingMade, member

THINGS = 4_000
FACTS_EACH = 10
#: As the counter's consumer calls itself in its inbox (see kehu.parking).
CONSUMER = f"kehu.{COUNTER.name}"
#: Streams in one call that moves the inbox.
_STEP = 500


class ViewRows:
    """Measures a rebuild of the counter's view of what the maker published, all of it consumed.

    Args:
        settings: of a database migrated with the pair.

    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._stack = AsyncExitStack()

    async def open(self) -> None:
        """Connect, and have the maker make things that the counter's consumer has come past."""
        self._maker = await self._stack.enter_async_context(member(MAKER, self._settings))
        self._counter = await self._stack.enter_async_context(connect(COUNTER, self._settings))
        self._owner = await asyncpg.connect(**self._settings.connection(OWNER_ROLE))
        self._stack.push_async_callback(self._owner.close)
        things = [f"t{number}" for number in range(THINGS)]
        numbers = list(range(1, FACTS_EACH + 1))
        for start in range(0, THINGS, _STEP):
            some = things[start : start + _STEP]
            await asyncio.gather(*(self._maker.make(thing, numbers) for thing in some))
            moves = [InboxMove(CONSUMER, THING.stream(thing), 0, FACTS_EACH) for thing in some]
            async with self._counter.store.transaction() as connection:
                await self._counter.store.append_together(connection, [], moves)
        await self._owner.execute("VACUUM (ANALYZE)")

    async def close(self) -> None:
        """Let go of everything."""
        await self._stack.aclose()

    async def rebuild(self) -> float:
        """From the first fact to the swap, with the digests of old rows and new; facts a second."""
        started = time.perf_counter()
        rebuilt = await rebuild(self._counter, "things", self._owner)
        taken = time.perf_counter() - started
        if rebuilt.facts != THINGS * FACTS_EACH:
            raise RuntimeError(f"Rebuilt from {rebuilt.facts} facts, not from {THINGS * FACTS_EACH}.")
        return rebuilt.facts / taken

    async def read(self) -> float:
        """Page through the same facts as a rebuild does, and do nothing with them."""
        started, read = time.perf_counter(), 0
        types = [ThingMade.type_name()]
        async for page in self._counter.store.read_published_pages(MAKER.name, types, START, PAGE):
            read += len(page)
        return read / (time.perf_counter() - started)

    def rows(self) -> list[Row]:
        """The row, with the gate of the product's quality page."""
        return [Row("rebuild a view", self.rebuild, self.read, "reading its facts raw", 0.3, 0.6)]
