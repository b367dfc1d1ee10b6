"""Customers that were merged into others (R4): where they lead, and what they hand over to the survivor.

A merge rewrites nothing. Each service notes it on the merged customer's own stream, which from then on *hands over*
what it knows to the survivor's stream, piece by piece, and takes it back when the merge is undone. Hand-overs are facts
of that one stream, taken in by one reaction to the service's own log; so whichever of the registry's facts and of
others comes first, the survivor ends up with the same. What was handed over by others before is handed on.

A service has two private facts for it, with whatever it needs to hand over as `content`::

    class HandedOver(Fact): customer; survivor; origin; part; content | None    # on the merged customer's stream
    class TakenIn(Fact): customer; via; origin; part; content | None            # on the survivor's stream

and calls `handovers` at the end of every decision on such a stream. Beside it, `lineage_view` is for lists and for
finding things by a merged customer's number; never for decisions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Generic, NamedTuple, TypeVar

import asyncpg

from kehu.contracts.customers import CustomersMerged, CustomersUnmerged
from kehu.errors import Refused
from kehu.event_store import Connection
from kehu.facts import RecordedFact
from kehu.service import View

REGISTRY = "customer-registry"

C = TypeVar("C")


class MergedAway(Refused):
    """A command names a customer that was merged into another: only the survivor takes commands (R4)."""

    code = "customer-merged"

    def __init__(self, survivor: str) -> None:
        super().__init__(
            f"该客户已并入另一客户({survivor})。请在并入后的客户下办理。",
            f"This customer was merged into another one ({survivor}). Use that one.",
            clause="R4",
            survivor=survivor,
        )


# --- on streams: what is handed over ---------------------------------------------------------------------------------


class Part(NamedTuple):
    """A piece of what a customer hands over: whose it is, and which of its pieces."""

    origin: str
    name: str = ""


class Handover(NamedTuple, Generic[C]):
    """What one stream tells another: that a piece is this now, or (None) that it is taken back."""

    survivor: str
    part: Part
    content: C | None


@dataclass(frozen=True, slots=True)
class Lineage(Generic[C]):
    """Where a customer leads, and what those merged into it have handed over.

    Args:
        merged_into: the survivor; empty while the customer stands by itself.
        taken: what was handed over, by who handed it over and what it is a piece of.

    """

    merged_into: str = ""
    taken: Mapping[tuple[str, Part], C] = field(default_factory=lambda: MappingProxyType({}))

    def merge(self, survivor: str) -> Lineage[C]:
        """The same, merged into another customer."""
        return replace(self, merged_into=survivor)

    def unmerge(self) -> Lineage[C]:
        """The same, standing by itself again."""
        return replace(self, merged_into="")

    def take(self, via: str, part: Part, content: C | None) -> Lineage[C]:
        """The same with a piece that was handed over, or without one that was taken back."""
        left = {key: known for key, known in self.taken.items() if key != (via, part)}
        return replace(self, taken=MappingProxyType(left if content is None else {**left, (via, part): content}))

    def check_alive(self) -> None:
        """Refuse commands on a customer that was merged into another.

        Raises:
            MergedAway: so it was.

        """
        if self.merged_into:
            raise MergedAway(self.merged_into)

    @property
    def kin(self) -> Mapping[Part, C]:
        """What counts for this customer of those merged into it, in the order of their ids.

        A piece that has come on two ways is counted once; for a moment that happens, where customers were merged,
        taken apart and merged another way, and the facts of one of them are behind.
        """
        found: dict[Part, C] = {}
        for (via, part), content in sorted(self.taken.items(), key=lambda one: (one[0][1], one[0][0])):
            if part not in found or via == part.origin:
                found[part] = content
        return found

    @property
    def direct(self) -> Mapping[Part, C]:
        """Of the same, what customers that were merged into this very one have handed over of their own."""
        return {part: content for (via, part), content in sorted(self.taken.items()) if via == part.origin}


def handovers(
    customer: str, before: Lineage[C], own_before: Mapping[str, C], after: Lineage[C], own_after: Mapping[str, C]
) -> list[Handover[C]]:
    """What a customer's stream has to tell, now that something has changed; nothing while nobody is to be told.

    Args:
        customer: whose stream.
        before: its lineage before the change.
        own_before: the pieces that are its own, by name, as they were.
        after: its lineage after it.
        own_after: the pieces as they are.

    """
    told, now = _given(customer, before, own_before), _given(customer, after, own_after)
    facts: list[Handover[C]] = []
    if before.merged_into and before.merged_into != after.merged_into:
        facts = [Handover(before.merged_into, part, None) for part in sorted(told)]
        told = {}
    if after.merged_into:
        facts += [Handover(after.merged_into, part, None) for part in sorted(told) if part not in now]
        facts += [Handover(after.merged_into, part, now[part]) for part in sorted(now) if told.get(part) != now[part]]
    return facts


def _given(customer: str, lineage: Lineage[C], own: Mapping[str, C]) -> dict[Part, C]:
    if not lineage.merged_into:
        return {}
    # What is the survivor's own, or this customer's, goes round in a ring only while some facts are behind.
    others = {part: one for part, one in lineage.kin.items() if part.origin not in (customer, lineage.merged_into)}
    return {**others, **{Part(customer, name): one for name, one in own.items()}}


# --- for lists -------------------------------------------------------------------------------------------------------

_LINK = """
INSERT INTO lineage (customer, merged_into, survivor) VALUES ($1, $2, $2)
ON CONFLICT (customer) DO UPDATE SET merged_into = $2
"""
_UNLINK = "DELETE FROM lineage WHERE customer = $1 AND merged_into = $2"
# Everything that leads through a customer leads to where that one does. In a ring, which lasts while some facts are
# behind, nobody is the survivor, and each leads to the next. Uses the primary key and lineage_leads_to.
_SETTLE = """
WITH RECURSIVE below (customer) AS (
    SELECT $1::text UNION SELECT l.customer FROM lineage l JOIN below b ON l.merged_into = b.customer
), above (customer) AS (
    SELECT $1::text UNION SELECT l.merged_into FROM lineage l JOIN above a ON l.customer = a.customer
), top (customer) AS (
    SELECT a.customer FROM above a WHERE NOT EXISTS (SELECT FROM lineage l WHERE l.customer = a.customer)
)
UPDATE lineage SET survivor = coalesce((SELECT customer FROM top), merged_into)
WHERE customer IN (SELECT customer FROM below)
"""
# Uses the primary key.
_SURVIVOR = "SELECT survivor FROM lineage WHERE customer = $1"
# Uses lineage_led_to.
_FAMILY = "SELECT $1::text AS customer UNION SELECT customer FROM lineage WHERE survivor = $1 ORDER BY 1"


async def _merge(connection: Connection, recorded: RecordedFact[CustomersMerged]) -> None:
    if is_of_merged(recorded):
        await connection.execute(_LINK, recorded.fact.merged, recorded.fact.survivor)
        await connection.execute(_SETTLE, recorded.fact.merged)


async def _unmerge(connection: Connection, recorded: RecordedFact[CustomersUnmerged]) -> None:
    if is_of_merged(recorded):
        await connection.execute(_UNLINK, recorded.fact.merged, recorded.fact.survivor)
        await connection.execute(_SETTLE, recorded.fact.merged)


def is_of_merged(recorded: RecordedFact[Any]) -> bool:
    """Whether it is the merged customer's copy of a merge, or of its undoing: it stands in both customers' streams."""
    return recorded.fact.customer == recorded.fact.merged


def merged_one(recorded: RecordedFact[Any]) -> list[str]:
    """The stream that a merge is noted on: the merged customer's, by its own copy of the fact."""
    return [recorded.fact.merged] if is_of_merged(recorded) else []


#: The table `lineage (customer, merged_into, survivor)` has a row per merged customer; `survivor` is whom its number
#: leads to, through others that were merged in turn. Each service that has the view creates the table.
LINEAGE_VIEW = View(
    name="lineage",
    source=REGISTRY,
    tables=("lineage",),
    apply={CustomersMerged: _merge, CustomersUnmerged: _unmerge},
)


async def survivor_of(pool: asyncpg.Pool | Connection, customer: str) -> str:
    """Whom a customer's id leads to, as far as the view has come: itself, unless it was merged."""
    found: str | None = await pool.fetchval(_SURVIVOR, customer)
    return found or customer


async def family_of(pool: asyncpg.Pool | Connection, survivor: str) -> list[str]:
    """A customer and all that lead to it, as far as the view has come."""
    return [row["customer"] for row in await pool.fetch(_FAMILY, survivor)]
