"""Waiting for a hint, but never trusting it: what is missed costs a poll."""

from __future__ import annotations

import asyncio

#: Seconds between looks at the database when nothing says that there is anything to see.
POLL_SECONDS = 1.0
#: A fact committed a moment ago may still be above the watermark, so looks follow each other closely after a hint.
_FIRST_PAUSE_SECONDS = 0.005


class Pace:
    """When to look again: soon after a hint or a find, then less and less often, at last each `POLL_SECONDS`."""

    def __init__(self) -> None:
        self._hint = asyncio.Event()
        self._pause = POLL_SECONDS

    def hint(self) -> None:
        """There may be something to see."""
        self._hint.set()

    def found(self) -> None:
        """There was something to see, so there may be more."""
        self._pause = _FIRST_PAUSE_SECONDS

    async def next(self) -> bool:
        """Wait until it is time to look again; True when a hint said so."""
        try:
            async with asyncio.timeout(self._pause):
                await self._hint.wait()
        except TimeoutError:
            self._pause = min(self._pause * 2, POLL_SECONDS)
            return False
        self._hint.clear()
        self._pause = _FIRST_PAUSE_SECONDS
        return True
