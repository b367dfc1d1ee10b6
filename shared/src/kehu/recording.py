"""From decided facts to rows of the store and back: ids, envelopes, sealing of personal fields, upcasting."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic_core import from_json

from kehu.event_store import NewFact
from kehu.facts import Fact, FactTypes, RecordedFact, StoredFact, parse_metadata
from kehu.privacy import Keyring

#: What the JSON of every sealed value contains; text without it needs no opening.
_SEALED = '"enc"'
_write_json = json.JSONEncoder(ensure_ascii=False).encode


@dataclass(frozen=True, slots=True)
class Origin:
    """Why facts are recorded: who acts, in answer to what. All facts of one decision share it.

    Args:
        actor: the acting person's id, or ``system:<service>/<part>``.
        now: the time of the decision; *occurred* of facts that carry no time of their own.
        correlation: the same for everything that follows from one request, across services.
        causation: the fact reacted to; None for what a person did.
        extra: further metadata for auditors (on whose behalf, which external source and id, the trace).

    """

    actor: str
    now: datetime
    correlation: UUID
    causation: UUID | None = None
    extra: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Unrecorded:
    """A decided fact with the stream it goes to, the id it will have, and its origin."""

    fact: Fact
    stream: str
    id: UUID
    origin: Origin


class Codec:
    """Turns decided facts into rows and rows into recorded facts.

    Args:
        types: every fact that this service stores or reads.
        keyring: seals and opens personal fields.

    """

    def __init__(self, types: FactTypes, keyring: Keyring) -> None:
        self.types = types
        self._keyring = keyring

    def index_key(self, purpose: str) -> bytes:
        """The key of a blind index for a purpose (`kehu.privacy.Keyring.index_key`)."""
        return self._keyring.index_key(purpose)

    async def encode(self, items: Sequence[Unrecorded]) -> list[NewFact]:
        """Rows for the store. May create keys of persons seen for the first time, in a transaction of its own."""
        sealed = await self._keyring.seal([(item.stream, item.fact) for item in items])
        return [
            NewFact(
                id=item.id,
                type=item.fact.type_name(),
                schema_version=item.fact.schema_version,
                data=data,
                metadata=_metadata(item),
                actor=item.origin.actor,
                correlation=item.origin.correlation,
                occurred_at=item.fact.occurred(item.origin.now),
                published=item.fact.published,
            )
            for item, data in zip(items, sealed, strict=True)
        ]

    async def decode(self, rows: Sequence[StoredFact]) -> list[RecordedFact[Fact]]:
        """Recorded facts, in the same order, upcast to today's models, personal fields opened (已删除 where erased).

        Raises:
            UnknownFactType: a row's type is not among the codec's types.

        """
        sealed = [row for row in rows if _SEALED in row.data]
        opened: dict[UUID, dict[str, Any]] = {}
        if sealed:
            plain = await self._keyring.open([(row.stream, from_json(row.data)) for row in sealed])
            opened = dict(zip((row.id for row in sealed), plain, strict=True))
        return [self._recorded(row, opened.get(row.id)) for row in rows]

    def _recorded(self, row: StoredFact, opened: dict[str, Any] | None) -> RecordedFact[Fact]:
        metadata = parse_metadata(row.metadata)
        causation = metadata.get("causation")
        return RecordedFact(
            fact=self.types.read_json(row.type, row.data) if opened is None else self.types.read(row.type, opened),
            id=row.id,
            stream=row.stream,
            version=row.version,
            sequence=row.sequence,
            key=row.key,
            service=row.service,
            actor=row.actor,
            clause=metadata.get("clause", ""),
            correlation=row.correlation,
            causation=UUID(causation) if causation else None,
            occurred_at=row.occurred_at,
            recorded_at=row.recorded_at,
            position=row.position,
            metadata=metadata,
        )


def _metadata(item: Unrecorded) -> str:
    metadata: dict[str, Any] = {}
    if item.fact.clause:
        metadata["clause"] = item.fact.clause
    if item.origin.causation:
        metadata["causation"] = str(item.origin.causation)
    if item.origin.extra:
        metadata.update(item.origin.extra)
    return _write_json(metadata) if metadata else "{}"
