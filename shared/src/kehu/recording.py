"""From decided facts to rows of the store and back: ids, envelopes, sealing of personal fields, upcasting."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from pydantic_core import from_json

from kehu.event_store import NewFact
from kehu.facts import Fact, FactTypes, Position, RecordedFact, StoredFact, parse_metadata
from kehu.privacy import Keyring

#: What the JSON of every sealed value contains; text without it needs no opening.
_SEALED = '"enc"'
_new = tuple.__new__
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


class Unrecorded(NamedTuple):
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
        # All facts of a decision share their origin, so most of them share their metadata too.
        metadata: dict[tuple[int, str], str] = {}
        rows: list[NewFact] = []
        for (fact, _, fact_id, origin), data in zip(items, sealed, strict=True):
            shared = (id(origin), fact.clause)
            if shared not in metadata:
                metadata[shared] = _metadata(fact, origin)
            # By position: keywords would double the time of making one, and a batch makes thousands.
            rows.append(
                NewFact(
                    fact_id,
                    fact.type_name(),
                    fact.schema_version,
                    data,
                    metadata[shared],
                    origin.actor,
                    origin.correlation,
                    fact.occurred(origin.now),
                    fact.published,
                )
            )
        return rows

    async def decode(self, rows: Sequence[StoredFact]) -> list[RecordedFact[Fact]]:
        """Recorded facts, in the same order, upcast to today's models, personal fields opened (已删除 where erased).

        Raises:
            UnknownFactType: a row's type is not among the codec's types.

        """
        opened = await self._opened(rows)
        readers, read = self.types.readers, self.types.read
        envelopes: dict[str, tuple[str, UUID | None, dict[str, Any]]] = {}
        facts: list[RecordedFact[Fact]] = []
        for row in rows:
            # Unpacked in one step, and made as the tuples that they are: by name, or through the constructors that
            # NamedTuple writes, this would take a third of the time that reading a log takes.
            (
                fact_id,
                type_name,
                service,
                stream,
                version,
                sequence,
                key,
                data,
                metadata,
                actor,
                correlation,
                occurred_at,
                recorded_at,
                tx,
                place,
            ) = row
            plain = opened.get(fact_id) if opened else None
            envelope = envelopes.get(metadata)
            if envelope is None:
                envelope = envelopes[metadata] = _read_metadata(metadata)
            clause, causation, extra = envelope
            facts.append(
                _new(
                    RecordedFact,
                    (
                        readers[type_name](data) if plain is None else read(type_name, plain),
                        fact_id,
                        stream,
                        version,
                        sequence,
                        key,
                        service,
                        actor,
                        clause,
                        correlation,
                        causation,
                        occurred_at,
                        recorded_at,
                        _new(Position, (tx, place)),
                        extra,
                    ),
                )
            )
        return facts

    async def _opened(self, rows: Sequence[StoredFact]) -> dict[UUID, dict[str, Any]]:
        """The data of those that hold sealed values, opened, by the facts' ids."""
        sealed = [row for row in rows if holds_sealed_values(row)]
        if not sealed:
            return {}
        plain: dict[UUID, dict[str, Any]] = {row.id: from_json(row.data) for row in sealed}
        await self._keyring.open_in_place([(row.stream, plain[row.id]) for row in sealed])
        return plain


def holds_sealed_values(row: StoredFact) -> bool:
    """Whether a row may hold sealed values; never False where it does."""
    return _SEALED in row.data


def _metadata(fact: Fact, origin: Origin) -> str:
    metadata: dict[str, Any] = {}
    if fact.clause:
        metadata["clause"] = fact.clause
    if origin.causation:
        metadata["causation"] = str(origin.causation)
    if origin.extra:
        metadata.update(origin.extra)
    return _write_json(metadata) if metadata else "{}"


def _read_metadata(text: str) -> tuple[str, UUID | None, dict[str, Any]]:
    """Clause, causation, and all of it."""
    metadata = parse_metadata(text)
    causation = metadata.get("causation")
    return metadata.get("clause", ""), UUID(causation) if causation else None, metadata
