"""The auditor's questions at the size of a log of years, against a look-up by primary key in the same table."""

from __future__ import annotations

import math
import random
import statistics
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID

import asyncpg
from bench import Row
from rich.console import Console

from kehu.auditing import Audit, auditing
from kehu.settings import AUDITOR_ROLE, OWNER_ROLE, Settings
from kehu.testing.pair import MAKER

#: Facts in the log unless the command says otherwise: made in half a minute.
USUAL_FACTS = 300_000
#: Executions of one statement on one connection: plans change with the sixth, and not before.
EXECUTIONS = 1_000
FACTS_OF_A_CUSTOMER = 100
FACTS_OF_A_REQUEST = 4
ACTORS = 200
_BEGINNING = datetime(2020, 1, 1, tzinfo=UTC)
_APART = timedelta(seconds=20)
_STEP = 100_000

# Every other fact is the system's: an actor to whom half of the log belongs is where plans go wrong.
_FILL = f"""
INSERT INTO event_store.events (service, stream, version, sequence, key, id, type, schema_version, data, metadata,
                                actor, correlation, occurred_at, recorded_at)
SELECT '{MAKER.name}', 'thing-' || n % customers, n / customers + 1, n / customers + 1, 'c-' || n % customers,
       lpad(to_hex(n), 32, '0')::uuid, 'kehu.ThingMade.v1', 1, json_build_object('thing', 'thing-' || n % customers,
       'number', n, 'box', 'box'), '{{"clause":"R5.3.5"}}',
       CASE WHEN n % 2 = 0 THEN 'system:{MAKER.name}/part' ELSE 'u-' || n % {ACTORS} END,
       lpad(to_hex(n / {FACTS_OF_A_REQUEST}), 32, '0')::uuid, moment, moment
FROM (SELECT n, $3::bigint AS customers, $4::timestamptz + n * interval '{_APART.seconds} seconds' AS moment
      FROM generate_series($1::bigint, $2::bigint) AS n) AS numbered
"""
_LOOK_UP = 'SELECT * FROM event_store.events WHERE "position" = $1'


def p99(seconds: list[float]) -> float:
    """The 99th percentile in milliseconds."""
    return statistics.quantiles(seconds, n=100)[98] * 1_000


class AuditRows:
    """Measures the auditor's questions.

    Args:
        settings: of a database migrated with the pair.
        facts: how many the log is to hold.

    """

    def __init__(self, settings: Settings, facts: int) -> None:
        self._settings = settings
        self._facts = facts
        self._customers = max(1, facts // FACTS_OF_A_CUSTOMER)
        self._random = random.Random(20261125)  # noqa: S311 - the same questions in every run
        self._slowest: dict[str, list[float]] = {}

    async def open(self) -> None:
        """Fill the log."""
        owner = await asyncpg.connect(**self._settings.connection(OWNER_ROLE))
        try:
            for start in range(0, self._facts, _STEP):
                end = min(start + _STEP, self._facts) - 1
                await owner.execute(_FILL, start, end, self._customers, _BEGINNING)
            await owner.execute("VACUUM (ANALYZE) event_store.events")
        finally:
            await owner.close()

    async def close(self) -> None:
        """Tell what the first, the sixth and the thousandth execution took."""
        for name, times in self._slowest.items():
            told = ", ".join(f"{milliseconds:.2f} ms" for milliseconds in times)
            Console().print(f"{name}: executions 1, 6 and {EXECUTIONS:,} took at most {told}", highlight=False)

    async def _ask(self, name: str, question: Callable[[Audit], Awaitable[int]]) -> float:
        """The 99th percentile of a question asked a thousand times on one connection."""
        taken: list[float] = []
        async with auditing(self._settings) as audit:
            for _ in range(EXECUTIONS):
                started = time.perf_counter()
                found = await question(audit)
                taken.append(time.perf_counter() - started)
                if not found:
                    raise RuntimeError(f"{name}: nothing was found.")
        some = [taken[0] * 1_000, taken[5] * 1_000, taken[-1] * 1_000]
        self._slowest[name] = [max(pair) for pair in zip(self._slowest.get(name, some), some, strict=True)]
        return p99(taken)

    async def look_up(self) -> float:
        """The 99th percentile of a thousand look-ups by primary key."""
        taken: list[float] = []
        connection = await asyncpg.connect(**self._settings.connection(AUDITOR_ROLE))
        try:
            for _ in range(EXECUTIONS):
                started = time.perf_counter()
                await connection.fetchrow(_LOOK_UP, self._random.randrange(self._facts) + 1)
                taken.append(time.perf_counter() - started)
        finally:
            await connection.close()
        return p99(taken)

    # --- questions ------------------------------------------------------------------------------------------------

    async def _customer(self, audit: Audit) -> int:
        return len(await audit.customer(f"c-{self._random.randrange(self._customers)}", limit=FACTS_OF_A_CUSTOMER))

    async def _actor(self, audit: Audit) -> int:
        # Odd ones are people; every tenth time it is the one to whom half of the log belongs.
        person = f"u-{self._random.randrange(1, ACTORS, 2)}"
        return len(await audit.actor(person if self._random.random() > 1 / 10 else f"system:{MAKER.name}/part"))

    async def _correlation(self, audit: Audit) -> int:
        return len(
            await audit.correlation(UUID(int=self._random.randrange(math.ceil(self._facts / FACTS_OF_A_REQUEST))))
        )

    async def _window(self, audit: Audit) -> int:
        since = _BEGINNING + _APART * self._random.randrange(self._facts)
        return len(await audit.window(since, since + timedelta(days=1)))

    async def _narrowed(self, audit: Audit) -> int:
        since = _BEGINNING + _APART * self._random.randrange(self._facts * 3 // 4)
        person = f"u-{self._random.randrange(1, ACTORS, 2)}"
        return len(await audit.window(since, since + timedelta(days=1), actor=person, type_name="ThingMade"))

    def rows(self) -> list[Row]:
        """The rows, with the gates of the product's quality page."""
        questions = {
            "one customer's history": self._customer,
            "latest 50 of an actor": self._actor,
            "one correlation": self._correlation,
            "a page of a window of time": self._window,
            "a page of a window, one actor's": self._narrowed,
        }
        return [
            Row(
                f"audit, {name}, p99 at {self._facts:,} facts",
                lambda name=name, question=question: self._ask(name, question),
                self.look_up,
                "look-up by primary key",
                25,
                10,
                latency=True,
            )
            for name, question in questions.items()
        ]
