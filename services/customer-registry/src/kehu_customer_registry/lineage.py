"""Which customers were merged into which, now and at any time before: what counts for a survivor (R4).

Kept link by link as merges and their undoing happened, so that the same question about a past moment has the same
answer for ever. Who belongs to whom is worked out when it is asked, along chains of merges.
"""

from __future__ import annotations

from datetime import datetime

import asyncpg

from kehu.contracts.customers import CustomersMerged, CustomersUnmerged
from kehu.event_store import Connection
from kehu.facts import RecordedFact
from kehu.service import OWN_LOG, View
from kehu_customer_registry.dossiers.facts import DOSSIERS

_LINK = "INSERT INTO lineage_links (fact, merged, survivor, merged_at) VALUES ($1, $2, $3, $4)"
_UNDO = """
UPDATE lineage_links SET undone_at = $3 WHERE merged = $1 AND survivor = $2 AND undone_at IS NULL
"""
#: A common table expression `family(survivor, customer)` over the survivors `$1` as of `$2` (null: now); each survivor
#: is of its own family. Uses lineage_survivor.
FAMILIES = """
WITH RECURSIVE family (survivor, customer) AS (
    SELECT asked, asked FROM unnest($1::text[]) AS asked
    UNION
    SELECT f.survivor, l.merged FROM lineage_links l JOIN family f ON l.survivor = f.customer
    WHERE CASE WHEN $2::timestamptz IS NULL THEN l.undone_at IS NULL
               ELSE l.merged_at < $2 AND (l.undone_at IS NULL OR l.undone_at >= $2) END
)
"""


async def _merge(connection: Connection, recorded: RecordedFact[CustomersMerged]) -> None:
    fact = recorded.fact
    if recorded.stream == DOSSIERS.stream(fact.merged):  # it stands in both customers' streams
        await connection.execute(_LINK, recorded.id, fact.merged, fact.survivor, recorded.recorded_at)


async def _unmerge(connection: Connection, recorded: RecordedFact[CustomersUnmerged]) -> None:
    fact = recorded.fact
    if recorded.stream == DOSSIERS.stream(fact.merged):
        await connection.execute(_UNDO, fact.merged, fact.survivor, recorded.recorded_at)


LINEAGE_VIEW = View(
    name="lineage",
    source=OWN_LOG,
    tables=("lineage_links",),
    apply={CustomersMerged: _merge, CustomersUnmerged: _unmerge},
)


async def family(connection: Connection | asyncpg.Pool, survivor: str, as_of: datetime | None = None) -> list[str]:
    """A customer and all that were merged into it, directly or through others.

    Args:
        connection: to the registry's views.
        survivor: the customer.
        as_of: as it was recorded before that moment; None is now.

    """
    rows = await connection.fetch(f"{FAMILIES} SELECT customer FROM family", [survivor], as_of)
    return [row["customer"] for row in rows]
