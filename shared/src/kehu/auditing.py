"""The auditor's questions, answered from the log itself: what happened to a customer, who did what, what led to what.

Read with the role `kehu_auditor`, which may change nothing. Personal fields stay sealed: they are shown as `MASKED`.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from kehu.errors import NotFound
from kehu.settings import AUDITOR_ROLE, Settings

MASKED = "●●●"
#: Facts of one answer unless more are asked for.
USUAL = 50

_COLUMNS = (
    'id, type, service, stream, version, key, data, metadata, actor, correlation, occurred_at, recorded_at, "position"'
)
# Uses the index events_key.
_CUSTOMER = f"""
SELECT {_COLUMNS} FROM event_store.events
WHERE key = $1 AND ($2::timestamptz IS NULL OR recorded_at <= $2) ORDER BY "position" DESC LIMIT $3
"""
# Uses the index events_actor.
_ACTOR = f"""
SELECT {_COLUMNS} FROM event_store.events
WHERE actor = $1 AND ($2::timestamptz IS NULL OR recorded_at <= $2) ORDER BY "position" DESC LIMIT $3
"""
# Uses the index events_correlation; one request leads to tens of facts, hardly ever to thousands.
_CORRELATION = f"""
SELECT {_COLUMNS} FROM event_store.events
WHERE correlation = $1 AND ($2::timestamptz IS NULL OR recorded_at <= $2) ORDER BY "position" LIMIT $3
"""
# One text for each combination of what is asked, so that none has a condition that might be null: each uses the index
# events_recorded, or events_actor where a person is named, from the place where the last page ended.
_WINDOW = f"""
SELECT {_COLUMNS} FROM event_store.events
WHERE recorded_at >= $1 AND recorded_at < $2 {{conditions}} ORDER BY recorded_at, "position" LIMIT $3
"""
_AFTER = 'AND (recorded_at, "position") > (${number}, ${following})'
_BY = "AND actor = ${number}"
# Of whatever version.
_OF_TYPE = "AND type LIKE ${number}"
# Uses the index events_id.
_FACT = f"SELECT {_COLUMNS} FROM event_store.events WHERE id = $1"


@dataclass(frozen=True, slots=True)
class Entry:
    """A fact as an auditor sees it: who, when, why, where, and what, personal values masked.

    `occurred_at` is when it happened, `recorded_at` when it was written down (the database's real time).
    """

    id: UUID
    type: str
    service: str
    stream: str
    version: int
    key: str
    actor: str
    clause: str
    correlation: UUID
    causation: UUID | None
    occurred_at: datetime
    recorded_at: datetime
    position: int
    data: dict[str, Any]
    metadata: dict[str, Any]

    @property
    def name(self) -> str:
        """The fact's bare name, such as ``CustomerRegistered``."""
        return self.type.split(".")[1]

    def plain(self) -> dict[str, Any]:
        """As JSON data."""
        return {
            "id": str(self.id),
            "type": self.type,
            "service": self.service,
            "stream": self.stream,
            "version": self.version,
            "key": self.key,
            "actor": self.actor,
            "clause": self.clause,
            "correlation": str(self.correlation),
            "causation": str(self.causation) if self.causation else None,
            "occurred_at": self.occurred_at.isoformat(),
            "recorded_at": self.recorded_at.isoformat(),
            "data": self.data,
            "metadata": self.metadata,
        }


@dataclass(frozen=True, slots=True)
class Branch:
    """A fact, and what it led to."""

    entry: Entry
    effects: tuple[Branch, ...]

    def plain(self) -> dict[str, Any]:
        """As JSON data."""
        return {**self.entry.plain(), "effects": [branch.plain() for branch in self.effects]}


class Audit:
    """Asks the log.

    Args:
        connection: with the role `kehu_auditor`.

    """

    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection

    async def customer(self, customer: str, *, as_of: datetime | None = None, limit: int = USUAL) -> list[Entry]:
        """The latest facts about a customer, from all services, oldest first.

        Args:
            customer: its id.
            as_of: only what had been recorded by then.
            limit: how many at most.

        """
        return await self._latest(_CUSTOMER, customer, as_of, limit)

    async def actor(self, actor: str, *, as_of: datetime | None = None, limit: int = USUAL) -> list[Entry]:
        """The latest facts that a person (or ``system:<service>/<part>``) recorded, oldest first."""
        return await self._latest(_ACTOR, actor, as_of, limit)

    async def window(
        self,
        since: datetime,
        until: datetime,
        *,
        type_name: str | None = None,
        actor: str | None = None,
        after: UUID | None = None,
        limit: int = USUAL,
    ) -> list[Entry]:
        """A page of what was recorded in a window of time, from all services, in order of recording.

        Args:
            since: its beginning.
            until: its end; what was recorded then is not in it.
            type_name: only facts of this bare name, such as ``CustomerRegistered``, in any version.
            actor: only what this person, or part of the system, recorded.
            after: the last fact of the page before.
            limit: facts of a page.

        Raises:
            NotFound: there is no fact `after`.

        """
        conditions: list[str] = []
        values: list[Any] = [since, until, limit]
        if after is not None:
            last = await self._one(after)
            if last is None:
                raise _no_fact(after)
            conditions.append(_AFTER.format(number=len(values) + 1, following=len(values) + 2))
            values += [last.recorded_at, last.position]
        if actor is not None:
            conditions.append(_BY.format(number=len(values) + 1))
            values.append(actor)
        if type_name is not None:
            conditions.append(_OF_TYPE.format(number=len(values) + 1))
            values.append(f"kehu.{_literally(type_name)}.v%")
        query = _WINDOW.format(conditions=" ".join(conditions))
        return _entries(await self._connection.fetch(query, *values))

    async def correlation(
        self, correlation: UUID, *, as_of: datetime | None = None, limit: int = USUAL
    ) -> tuple[Branch, ...]:
        """Everything that one request led to, as trees of causes and effects, in order of recording."""
        return grow(_entries(await self._connection.fetch(_CORRELATION, correlation, as_of, limit)))

    async def fact(
        self, fact: UUID, *, as_of: datetime | None = None, limit: int = USUAL
    ) -> tuple[list[Entry], Branch]:
        """What led to a fact (the first cause first), and the fact with what it led to.

        Raises:
            NotFound: there is no such fact, or there was none at that time.

        """
        rows = await self._connection.fetch(_FACT, fact)
        if not rows or (as_of is not None and rows[0]["recorded_at"] > as_of):
            raise _no_fact(fact)
        known = _entries(await self._connection.fetch(_CORRELATION, rows[0]["correlation"], as_of, limit))
        by_id = {entry.id: entry for entry in known} | {fact: _entry(rows[0])}
        causes: list[Entry] = []
        cause = by_id[fact].causation
        while cause is not None and cause not in {entry.id for entry in causes}:
            entry = by_id.get(cause) or await self._one(cause)
            if entry is None:
                break
            causes.insert(0, entry)
            cause = entry.causation
        return causes, _branch(by_id[fact], list(by_id.values()))

    async def _latest(self, query: str, value: str, as_of: datetime | None, limit: int) -> list[Entry]:
        return _entries(reversed(await self._connection.fetch(query, value, as_of, limit)))

    async def _one(self, fact: UUID) -> Entry | None:
        rows = _entries(await self._connection.fetch(_FACT, fact))
        return rows[0] if rows else None


@asynccontextmanager
async def auditing(settings: Settings) -> AsyncGenerator[Audit]:
    """Ask the log of an installation.

    Args:
        settings: where it is.

    """
    connection = await asyncpg.connect(
        **settings.connection(AUDITOR_ROLE),
        # A plan made for any customer, actor or time turns bad for the particular one (1,060 ms instead of 3).
        server_settings={"plan_cache_mode": "force_custom_plan", "default_transaction_read_only": "on"},
    )
    try:
        yield Audit(connection)
    finally:
        await connection.close()


def grow(entries: Sequence[Entry]) -> tuple[Branch, ...]:
    """The trees that facts form by their causes; a fact whose cause is not among them is a root."""
    ids = {entry.id for entry in entries}
    return tuple(_branch(entry, entries) for entry in entries if entry.causation not in ids)


def _branch(entry: Entry, entries: Sequence[Entry]) -> Branch:
    effects = [other for other in entries if other.causation == entry.id]
    return Branch(entry, tuple(_branch(effect, entries) for effect in effects))


def masked(value: Any) -> Any:
    """JSON data with every sealed personal value replaced by `MASKED`."""
    if isinstance(value, dict):
        if "enc" in value and "ciphertext" in value:
            return MASKED
        return {name: masked(below) for name, below in value.items()}
    if isinstance(value, list):
        return [masked(below) for below in value]
    return value


def _no_fact(fact: UUID) -> NotFound:
    return NotFound(f"没有事实 {fact}。", f"There is no fact {fact}.")


def _literally(text: str) -> str:
    """As a part of a pattern that stands for itself."""
    return text.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_")


def _entries(rows: Iterable[asyncpg.Record]) -> list[Entry]:
    return [_entry(row) for row in rows]


def _entry(row: asyncpg.Record) -> Entry:
    metadata: dict[str, Any] = json.loads(row["metadata"])
    causation = metadata.pop("causation", None)
    return Entry(
        id=row["id"],
        type=row["type"],
        service=row["service"],
        stream=row["stream"],
        version=row["version"],
        key=row["key"],
        actor=row["actor"],
        clause=metadata.pop("clause", ""),
        correlation=row["correlation"],
        causation=UUID(causation) if causation else None,
        occurred_at=row["occurred_at"],
        recorded_at=row["recorded_at"],
        position=row["position"],
        data=masked(json.loads(row["data"])),
        metadata=metadata,
    )
