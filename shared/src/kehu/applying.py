"""Folding facts into the tables of views, for whoever reads them: the follower, the consumer of a topic, a rebuild.

All three take `view_lock` first, so that a rebuilt view is never swapped in the middle of somebody's writes.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterable, Sequence
from typing import Any, cast

from kehu.event_store import Connection
from kehu.facts import RecordedFact
from kehu.service import IndexKey, View

_LOCK_SHARED = """
SELECT pg_advisory_xact_lock_shared(lock) FROM (
    SELECT DISTINCT hashtextextended('view ' || name, 0) AS lock FROM unnest($1::text[]) AS name ORDER BY lock
) locks
"""
_LOCK_EXCLUSIVE = "SELECT pg_advisory_xact_lock(hashtextextended('view ' || $1, 0))"

_DIGEST = """
SELECT count(*), coalesce(sum(hashtextextended(r::text, 0)::numeric), 0),
       coalesce(sum(hashtextextended(r::text, 1)::numeric), 0)
FROM {table} r
"""


async def view_lock(connection: Connection, service: str, *views: str) -> None:
    """Keep some views from being swapped until the end of the transaction; whoever applies facts to them takes it.

    It is to be taken after the append call (which must be its transaction's first write) and before the first row is
    written. Waits while a rebuild swaps one of the views, which takes a fraction of a second.

    Args:
        connection: in a transaction.
        service: the service's name.
        views: names of its views.

    """
    if views:
        await connection.execute(_LOCK_SHARED, [f"{service}/{view}" for view in views])


async def view_lock_to_swap(connection: Connection, service: str, view: str) -> None:
    """Keep everyone from applying facts to a view until the end of the transaction; the swap of a rebuild takes it."""
    await connection.execute(_LOCK_EXCLUSIVE, f"{service}/{view}")


def no_index(purpose: str) -> bytes:
    """For views without blind indexes.

    Raises:
        LookupError: a projection asks for the key of one all the same.

    """
    raise LookupError(f"No keyring is at hand for the blind index {purpose}.")


async def apply_facts(
    connection: Connection,
    views: Sequence[View],
    facts: Iterable[RecordedFact[Any]],
    index_key: IndexKey = no_index,
) -> None:
    """Fold facts into views, within the caller's transaction.

    What the projections `execute` is sent in few round trips: statements of one Kafka key stay in order, those of
    different keys may change places (no view's rows depend on it). So `execute` returns an empty string here, and a
    projection that fails shows it at the latest when this function returns. A `fetch` sees all that went before.
    Tables that are folded in memory are read and written once.

    Args:
        connection: in a transaction, under `view_lock`, with the views' tables on its search path.
        views: where each fact goes; views that do not know its type are left out.
        facts: in order.
        index_key: for what they write as a blind index.

    """
    facts = list(facts)
    await _state(connection, [view for view in views if view.apply or view.indexed], facts, index_key)
    for view in views:
        for folding in view.foldings:
            await folding.apply(connection, facts)


async def _state(
    connection: Connection, views: Sequence[View], facts: Sequence[RecordedFact[Any]], index_key: IndexKey
) -> None:
    """What projections do fact by fact."""
    statements = _Statements(connection)
    for recorded in facts if views else ():
        kind = type(recorded.fact)
        for view in views:
            apply, indexed = view.apply.get(kind), view.indexed.get(kind)
            if apply or indexed:
                statements.of((view.name, recorded.key))
            if apply:
                await apply(cast("Connection", statements), recorded)
            if indexed:
                await indexed(cast("Connection", statements), recorded, index_key)
    await statements.flush()


async def digest(connection: Connection, view: View) -> str:
    """A digest of all rows of a view, whatever order they are stored in; equal rows, equal digests.

    Args:
        connection: with the view's tables on its search path.
        view: which one.

    """
    total = hashlib.sha256()
    for table in sorted(view.tables):
        # Sums of two hashes need neither a sort nor memory, and unlike XOR they see that a row is there twice.
        (row,) = await connection.fetch(_DIGEST.format(table=table))
        total.update(f"{table} {tuple(row)}\n".encode())
    return total.hexdigest()


class _Statements:
    """A connection, as projections see it, that saves up what they execute and sends equal statements together.

    A round trip for each fact is what a rebuild would spend nearly all its time on.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._waiting: dict[Any, deque[tuple[str, tuple[Any, ...]]]] = {}
        self._key: Any = None

    def of(self, key: tuple[str, str]) -> None:
        """What comes now belongs to this view and Kafka key."""
        self._key = key

    async def execute(self, query: str, *args: Any, timeout: float | None = None) -> str:  # noqa: ASYNC109 - asyncpg's
        """Save it up."""
        del timeout  # the transaction's own limit holds for all of them together
        self._waiting.setdefault(self._key, deque()).append((query, args))
        return ""

    async def executemany(self, query: str, args: Iterable[Sequence[Any]]) -> None:
        """Save them up."""
        for one in args:
            await self.execute(query, *one)

    async def flush(self) -> None:
        """Send it all: of each key in order, and as many of one statement at once as stand at the head of any key."""
        while self._waiting:
            query = next(iter(self._waiting.values()))[0][0]
            rows: list[tuple[Any, ...]] = []
            for key, queue in list(self._waiting.items()):
                while queue and queue[0][0] == query:
                    rows.append(queue.popleft()[1])
                if not queue:
                    del self._waiting[key]
            if len(rows) == 1:
                await self._connection.execute(query, *rows[0])
            else:
                await self._connection.executemany(query, rows)

    async def fetch(self, query: str, *args: Any) -> Any:
        """Read, after everything that was saved up."""
        await self.flush()
        return await self._connection.fetch(query, *args)

    async def fetchrow(self, query: str, *args: Any) -> Any:
        """Read, after everything that was saved up."""
        await self.flush()
        return await self._connection.fetchrow(query, *args)

    async def fetchval(self, query: str, *args: Any) -> Any:
        """Read, after everything that was saved up."""
        await self.flush()
        return await self._connection.fetchval(query, *args)
