"""A thing's history as people read it: each fact with who, when and under which clause; masked for auditors."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel

from kehu.facts import Fact, RecordedFact
from kehu.privacy import ERASED, has_personal
from kehu.privacy.fields import personal_values

#: Longer texts also show their last characters, so that two phones of one customer can be told apart.
_SHORT = 6
_SHOWN_AT_END = 2


class Recorded(BaseModel):
    """One fact of a history."""

    type: str
    version: int
    occurred_at: datetime
    recorded_at: datetime
    actor: str
    clause: str
    correlation: UUID
    data: Mapping[str, Any]

    @classmethod
    def of(cls, recorded: RecordedFact[Fact], *, masked: bool = False) -> Recorded:
        """As it is shown; with `masked`, personal data only in outline."""
        data = recorded.fact.model_dump(mode="json")
        if masked and has_personal(type(recorded.fact)):
            for value in personal_values(recorded.fact, data):
                value.holder[value.key] = mask(value.text)
        return cls(
            type=type(recorded.fact).__name__,
            version=recorded.version,
            occurred_at=recorded.occurred_at,
            recorded_at=recorded.recorded_at,
            actor=recorded.actor,
            clause=recorded.clause,
            correlation=recorded.correlation,
            data=data,
        )


def mask(personal: str) -> str:
    """A personal text in outline: its first character, and of long ones (phones) the last two."""
    if personal == ERASED:
        return personal
    end = personal[-_SHOWN_AT_END:] if len(personal) > _SHORT else ""
    return personal[:1] + "*" * (len(personal) - 1 - len(end)) + end
