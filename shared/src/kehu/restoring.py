"""`kehu restore`: makes a log that came from a logical dump readable on its new server.

Every fact carries the id of the transaction that wrote it, and readers read below the server's oldest running one. A
dump takes the log along and the server's counter not, so on a younger server all of it would lie in the future. Here
all facts get the oldest id there is: what then orders them is their position, by which each stream is in order too.
What had been folded in the old order is folded anew.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import asyncpg

from kehu.errors import Refused
from kehu.migrations import MIGRATION_LOCK
from kehu.parts import connect
from kehu.rebuilding import rebuild
from kehu.service import Service
from kehu.settings import OWNER_ROLE, Settings

#: PostgreSQL's first ordinary transaction id: below everything that will ever run.
_OLDEST_TX = 3

_AHEAD = "SELECT last_tx >= next_tx FROM event_store.watermark()"
_VIEWS_AHEAD = """
SELECT name FROM {schema}.view_cursors
WHERE name LIKE 'view/%' AND tx >= (SELECT next_tx FROM event_store.watermark())
"""
_CONNECTED = """
SELECT array_agg(DISTINCT usename::text ORDER BY usename::text) FROM pg_stat_activity
WHERE datname = current_database() AND usename = ANY ($1)
"""


class ServicesRunning(Refused):
    """A service is connected to the database."""

    code = "services-running"


@dataclass(frozen=True, slots=True)
class Restored:
    """What was done. `facts` is 0 where the log was fine."""

    facts: int
    views: int


async def restore(settings: Settings, services: Iterable[Service]) -> Restored:
    """Take the log of a logical dump in; does nothing where the log is below the server's counter.

    Services must be stopped. When they start, they plan their schedules, react and relay from the first fact;
    repetitions are known by their ids, and by consumers from their inboxes, which came with the dump. If it is broken
    off, no service starts, and it can be repeated.

    Args:
        settings: where the database is.
        services: every service of the installation.

    Raises:
        ServicesRunning: naming the roles that are connected.

    """
    wanted = list(services)
    owner = await asyncpg.connect(**settings.connection(OWNER_ROLE))
    try:
        facts = 0
        async with _alone(owner), owner.transaction():
            await _check_stopped(owner, wanted)
            if await owner.fetchval(_AHEAD):
                facts = await _renumber(owner)
                await _start_anew(owner, wanted)
        views = 0
        for service in wanted:
            views += await _fold_anew(owner, service, settings)
        return Restored(facts, views)
    finally:
        await owner.close()


@asynccontextmanager
async def _alone(owner: asyncpg.Connection) -> AsyncGenerator[None]:
    await owner.execute("SELECT pg_advisory_lock($1)", MIGRATION_LOCK)
    try:
        yield
    finally:
        if not owner.is_closed():
            await owner.execute("SELECT pg_advisory_unlock($1)", MIGRATION_LOCK)


async def _renumber(owner: asyncpg.Connection) -> int:
    """Nothing that was recorded changes; only when, on another server, it was written."""
    await owner.execute("ALTER TABLE event_store.events DISABLE TRIGGER events_append_only")
    done = await owner.execute("UPDATE event_store.events SET tx = $1::text::xid8", str(_OLDEST_TX))
    await owner.execute("ALTER TABLE event_store.events ENABLE ALWAYS TRIGGER events_append_only")
    return int(done.split()[-1])


async def _check_stopped(owner: asyncpg.Connection, services: Sequence[Service]) -> None:
    roles = await owner.fetchval(_CONNECTED, [service.role for service in services])
    if roles:
        raise ServicesRunning(
            f"仍有服务连接数据库({', '.join(roles)})。请先停止全部服务再恢复。",
            f"Services are connected ({', '.join(roles)}): stop all of them first.",
        )


async def _start_anew(owner: asyncpg.Connection, services: Sequence[Service]) -> None:
    """Forget places in the old order; those of views stay until each has been folded anew, and keep services out."""
    for service in services:
        await owner.execute(
            f"DELETE FROM {service.schema}.view_cursors WHERE name NOT LIKE 'view/%';"
            f"""UPDATE {service.schema}.relay SET tx = 0, "position" = 0, offsets = '{{}}'"""
        )


async def _fold_anew(owner: asyncpg.Connection, service: Service, settings: Settings) -> int:
    """Rebuild the views of the own log; those of other services' topics go by sequences, which still hold."""
    names = [row["name"] for row in await owner.fetch(_VIEWS_AHEAD.format(schema=service.schema))]
    if not names:
        return 0
    async with connect(service, settings) as running:
        for name in names:
            await rebuild(running, name.removeprefix("view/"), owner)
    return len(names)
