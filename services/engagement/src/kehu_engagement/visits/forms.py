"""F6 and F7 as people fill them in: the commands of this feature, with what each field may hold."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, WithJsonSchema
from pydantic_core import PydanticCustomError

from kehu.text import PARAGRAPH_LENGTH, Line, Paragraph

#: More than any delegation: a longer list is a mistake.
_MOST_PEOPLE = 50
# Outside these years it is a slip of the keyboard, and the calendar would overflow at its ends.
_FIRST_YEAR, _LAST_YEAR = 2000, 2199


def _once_each(people: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(people))


def _filled(text: str) -> str:
    if not text:
        raise PydanticCustomError("text_blank", "不能为空，请填写。This must not be blank: fill it in.")
    return text


PersonId = Annotated[str, StringConstraints(pattern=r"^[\w.:-]{1,100}$")]
#: Ids of people, each once, whoever named them twice.
People = Annotated[tuple[PersonId, ...], Field(max_length=_MOST_PEOPLE), AfterValidator(_once_each)]
SomePeople = Annotated[People, Field(min_length=1)]
Day = Annotated[date, Field(ge=date(_FIRST_YEAR, 1, 1), le=date(_LAST_YEAR, 12, 31))]
Moment = Annotated[
    AwareDatetime,
    Field(ge=datetime(_FIRST_YEAR, 1, 1, tzinfo=UTC), le=datetime(_LAST_YEAR, 12, 31, tzinfo=UTC)),
]
Filled = Annotated[
    Paragraph,
    AfterValidator(_filled),
    WithJsonSchema({"type": "string", "minLength": 1, "maxLength": PARAGRAPH_LENGTH}),
]


class _Form(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class PlanVisit(_Form):
    """F6: who goes when, whom they want to meet and why, and what they have prepared (R6.2.1c).

    `visitors` are our people, `contacts` people at the customer, both by their ids.
    """

    planned_on: Day
    visitors: SomePeople
    contacts: People = ()
    purpose: Line
    preparation: Filled


class Findings(_Form):
    """F7: who was there, and what was heard. At least one of its texts says something.

    `attendees` are our people, `contacts_met` people at the customer, both by their ids.
    """

    visited_at: Moment
    attendees: SomePeople
    contacts_met: People = ()
    needs: Paragraph = ""
    product_opinions: Paragraph = ""
    service_opinions: Paragraph = ""
    competitors: Paragraph = ""
    market: Paragraph = ""
    commitments: Paragraph = ""
    next_step: Paragraph = ""

    def heard(self) -> dict[str, str]:
        """What was heard, by field; the next step is ours."""
        return {name: getattr(self, name) for name in _HEARD}


_HEARD = ("needs", "product_opinions", "service_opinions", "competitors", "market", "commitments")


class RecordVisit(Findings):
    """F7 of a visit that had an F6."""


class RegisterUnplannedVisit(Findings):
    """F7 of a visit that had no F6, with the reason for that."""

    reason: Filled


class CancelVisit(_Form):
    """A planned visit does not take place."""

    reason: Filled
