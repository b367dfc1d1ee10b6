"""What messages of other systems have in common: they are read as strictly as what people send."""

from __future__ import annotations

import uuid
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from kehu.errors import Invalid
from kehu.facts import Fact, RecordedFact

M = TypeVar("M", bound=BaseModel)

#: The space of the ids of things that other systems number themselves.
_SPACE = uuid.UUID("8f1f9f0e-1b1c-4d57-9f2b-0a5d3f8f2c11")


class Message(BaseModel):
    """The part of a contract that a sender fills; the rest of it is Kehu's, and is not looked at."""

    model_config = ConfigDict(frozen=True, extra="ignore")


def read_message(model: type[M], fact: Fact) -> M:
    """What a sender filled in, normalised; empty texts are what was left out.

    Raises:
        Invalid: something of it is no text, day or number that this service takes.

    """
    try:
        return model.model_validate(_filled(fact.model_dump()))
    except ValidationError as error:
        # Where and what kind of mistake, never the values.
        places = "; ".join(
            f"{'.'.join(str(part) for part in problem['loc'])[:100]}: {problem['type']}"
            for problem in error.errors(include_url=False, include_context=False, include_input=False)[:10]
        )
        raise Invalid(
            f"内容有误:{places}。请改正后以新的 id 重新发送。",
            f"This cannot be taken: {places}. Correct it and send it again under a new id.",
            code="message-invalid",
        ) from None


def _filled(data: Any) -> Any:
    if isinstance(data, dict):
        return {name: _filled(value) for name, value in data.items() if value not in ("", None)}
    if isinstance(data, list | tuple):
        return [_filled(value) for value in data]
    return data


def sender_of(recorded: RecordedFact[Any]) -> tuple[str, str]:
    """Who sent a message, and its own number of it."""
    metadata = recorded.metadata or {}
    return str(metadata.get("external_source", "")), str(metadata.get("external_id", ""))


def sent_id(source: str, reference: str) -> str:
    """The id of what a sender calls so: the same whenever it is told of."""
    return str(uuid.uuid5(_SPACE, f"{source}\n{reference}"))
