"""The timelines of all customers: one view for each source of facts, read together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from kehu.contracts.customers import CustomersMerged
from kehu.event_store import Connection
from kehu.facts import Fact, RecordedFact
from kehu.service import OWN_LOG, Apply, View
from kehu_customer_registry.dossiers.facts import DOSSIERS
from kehu_customer_registry.timeline.lines import LINES, Kind, Line
from kehu_customer_registry.timeline.sentences import Tongue, sentence

#: The table of each source's lines.
TABLES: Mapping[str, str] = {
    OWN_LOG: "timeline_registry",
    "vetting": "timeline_vetting",
    "grading": "timeline_grading",
    "engagement": "timeline_engagement",
    "notifier": "timeline_notifier",
}

_INSERT = """
INSERT INTO {table} (fact, customer, kind, type, occurred_at, recorded_at, actor, zh, en)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
"""


def _apply(line: Line, table: str) -> Apply:
    insert = _INSERT.format(table=table)

    async def apply(connection: Connection, recorded: RecordedFact[Any]) -> None:
        fact: Fact = recorded.fact
        customer: str | None = getattr(fact, "customer", None)
        if customer is None or _told_twice(recorded):
            return
        await connection.execute(
            insert,
            recorded.id,
            customer,
            line.kind.value,
            type(fact).__name__,
            recorded.occurred_at,
            recorded.recorded_at,
            recorded.actor,
            sentence(line.zh, fact, Tongue.ZH),
            sentence(line.en, fact, Tongue.EN),
        )

    return apply


def _told_twice(recorded: RecordedFact[Any]) -> bool:
    """A merge stands in both customers' streams, and both lines would show under the survivor: one does."""
    fact = recorded.fact
    return isinstance(fact, CustomersMerged) and recorded.stream != DOSSIERS.stream(fact.survivor)


def _view(source: str, table: str) -> View:
    lines = [line for line in LINES if source in line.sources]
    return View(table, source, (table,), {line.fact: _apply(line, table) for line in lines})


TIMELINE_VIEWS = tuple(_view(source, table) for source, table in TABLES.items())


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a reader looks for; None is everything. The period is by when things occurred."""

    kind: Kind | None = None
    since: datetime | None = None
    until: datetime | None = None


# Each goes backwards along its index (customer, occurred_at, fact).
_PART = """
(SELECT fact, customer, kind, type, occurred_at, recorded_at, actor, zh, en FROM {table}
 WHERE customer = ANY ($1)
   AND ($2::timestamptz IS NULL OR (occurred_at, fact) < ($2, $3::uuid))
   AND ($4::text IS NULL OR kind = $4)
   AND ($5::timestamptz IS NULL OR occurred_at >= $5)
   AND ($6::timestamptz IS NULL OR occurred_at < $6)
 ORDER BY occurred_at DESC, fact DESC LIMIT $7)
"""
_PARTS = " UNION ALL ".join(_PART.format(table=table) for table in TABLES.values())
_LIST = f"{_PARTS} ORDER BY occurred_at DESC, fact DESC LIMIT $7"


async def list_lines(
    connection: Connection | asyncpg.Pool,
    customers: Sequence[str],
    wanted: Wanted,
    after: tuple[datetime | None, UUID | None],
    limit: int,
) -> list[asyncpg.Record]:
    """The lines of some customers together, newest first.

    Args:
        connection: to the registry's views.
        customers: a survivor and those merged into it.
        wanted: what the reader looks for.
        after: when the last line seen occurred, and its fact.
        limit: how many at most.

    """
    return await connection.fetch(_LIST, list(customers), *after, wanted.kind, wanted.since, wanted.until, limit)
