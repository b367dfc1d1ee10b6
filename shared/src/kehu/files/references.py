"""Which streams name which files: every digest in any fact of the service counts, so that no feature can forget it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

from kehu.deciding import Category
from kehu.event_store import Connection
from kehu.facts import Fact, RecordedFact
from kehu.service import OWN_LOG, View

_DIGEST = re.compile(r"[0-9a-fA-F]{64}", re.ASCII)
_FIELD = "digest"


def references_view(categories: Iterable[Category[Any]]) -> View:
    """The view `file_references` over the facts of these categories, the files' own left out."""
    facts = {fact for category in categories for fact in category.facts if _names_files(fact)}
    return View(
        "file-references", OWN_LOG, ("file_references",), dict.fromkeys(sorted(facts, key=_name), note_references)
    )


async def note_references(connection: Connection, recorded: RecordedFact[Fact]) -> None:
    """Fold the digests in one fact. A bundle's digest among them does no harm: there is no file of it."""
    digests = sorted({one.lower() for one in _digests(recorded.fact.model_dump(mode="json"))})
    await connection.execute(
        """INSERT INTO file_references (digest, stream, key) SELECT unnest($1::text[]), $2, $3
           ON CONFLICT (digest, stream) DO NOTHING""",
        digests,
        recorded.stream,
        recorded.key,
    )


def _name(fact: type[Fact]) -> str:
    return fact.__name__


def _names_files(fact: type[Fact]) -> bool:
    """Whether a field of the fact, or of what it contains, is called a digest."""
    return _FIELD in json.dumps(fact.model_json_schema())


def _digests(value: Any, name: str = "") -> Iterator[str]:
    if isinstance(value, dict):
        for key, below in value.items():
            yield from _digests(below, str(key))
    elif isinstance(value, list):
        for below in value:
            yield from _digests(below, name)
    elif isinstance(value, str) and _FIELD in name and _DIGEST.fullmatch(value):
        yield value
