"""Notes: what somebody who may see a customer wants to have on its timeline."""

from __future__ import annotations

from dataclasses import dataclass

from kehu.deciding import Category
from kehu.facts import Fact


class NoteWritten(Fact, clause="R4.4.b"):
    """Somebody has written something down about the dealings with a customer."""

    note: str
    customer: str
    department: str
    text: str
    written_by: str


@dataclass(frozen=True, slots=True)
class Note:
    """A note; without an id it has not been written."""

    note: str = ""
    customer: str = ""


def evolve(state: Note, fact: Fact) -> Note:
    """What a fact makes of a note."""
    return Note(fact.note, fact.customer) if isinstance(fact, NoteWritten) else state


NOTES = Category(name="customer_note", facts=(NoteWritten,), initial=Note(), evolve=evolve)
