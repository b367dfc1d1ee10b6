"""A service of nothing but work that falls due: `python alarms.py [die]` runs its scheduler.

With `die` the process kills itself while it has an item in hand, so its lease stays.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from datetime import datetime

from kehu.deciding import Category, Context, Decision
from kehu.facts import Fact
from kehu.logs import configure_logs
from kehu.loops import Loop
from kehu.parts import connect
from kehu.schedules import Scheduler
from kehu.service import Done, Due, Feature, Schedule, Service
from kehu.settings import Settings
from kehu.testing.pair import MIGRATIONS


class AlarmSet(Fact):
    """Somebody wants to be woken."""

    due: datetime


class AlarmRang(Fact):
    """It has."""

    due: datetime


ALARM: Category[int] = Category(
    "alarm", (AlarmSet, AlarmRang), 0, lambda rang, fact: rang + isinstance(fact, AlarmRang)
)


def ring(_key: str, due: datetime, _rang: int, _context: Context) -> Decision:
    """It rings, however often it has."""
    if "die" in sys.argv:
        os.kill(os.getpid(), signal.SIGKILL)
    return Decision([AlarmRang(due=due)])


ALARMS = Service(
    "alarms",
    "Alarms",
    [
        Feature(
            "alarms",
            categories=[ALARM],
            schedules=[
                Schedule(
                    kind="alarm",
                    planned_by={
                        AlarmSet: lambda recorded: Due(recorded.stream_id, recorded.fact.due),
                        AlarmRang: lambda recorded: Done(recorded.stream_id),
                    },
                    category=ALARM,
                    stream_id=lambda key: key,
                    fire=ring,
                )
            ],
        )
    ],
    MIGRATIONS,  # it has no tables of its own, and needs a folder
)


async def work(settings: Settings) -> None:
    """Ring what falls due, until killed."""
    async with connect(ALARMS, settings) as running:
        scheduler = Scheduler(ALARMS, running.pool, running.store, running.codec, running.clock, running.policies)
        for name, run in (
            ("clock", running.clock.run),
            ("follower", running.follower.run),
            ("scheduler", scheduler.run),
        ):
            Loop(name, run).start()
        print("ready", flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    configure_logs("WARNING", ALARMS.name, stream=sys.stderr)
    asyncio.run(work(Settings()))
