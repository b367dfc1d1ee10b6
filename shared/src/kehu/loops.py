"""What runs in a service for as long as it does: a loop that fails is started again after a pause, and says so."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

import structlog

from kehu.logs import safe_message
from kehu.metrics import LOOP_FAILURES

log = structlog.get_logger(__name__)

FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 30.0
#: A loop that has run for so long starts again with the first pause.
STEADY_SECONDS = 60.0


class Loop:
    """One of a service's loops.

    Args:
        name: stands in the logs, the metrics and `/health/ready`.
        run: runs until cancelled; where it has nothing to do, it may return.

    Attributes:
        ready: False from a failure until the loop has been started again.
        state: for people.

    """

    def __init__(self, name: str, run: Callable[[], Awaitable[None]]) -> None:
        self.name = name
        self.ready = True
        self.state = "not started"
        self._run = run
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start it."""
        self._task = asyncio.create_task(self._keep_running(), name=f"loop-{self.name}")

    async def stop(self, timeout: float) -> None:  # noqa: ASYNC109 - the loop may need a part of it to end in order
        """Cancel it, and wait until it has ended what it had in hand, `timeout` seconds at most."""
        if self._task is None:
            return
        self._task.cancel()
        done, _ = await asyncio.wait({self._task}, timeout=timeout)
        if not done:
            log.warning("loop.did_not_end", loop=self.name, seconds=timeout)

    async def _keep_running(self) -> None:
        pause = FIRST_PAUSE_SECONDS
        while True:
            started = time.monotonic()
            self.ready, self.state = True, "running"
            try:
                await self._run()
            except Exception as error:
                if time.monotonic() - started > STEADY_SECONDS:
                    pause = FIRST_PAUSE_SECONDS
                LOOP_FAILURES.labels(self.name).inc()
                log.exception("loop.failed", loop=self.name, again_in=pause)
                name = type(error).__name__
                self.ready, self.state = False, f"failed ({name}: {safe_message(error)}), again in {pause:g} s"
                await asyncio.sleep(pause)
                pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
            else:
                self.state = "nothing to do"
                return
