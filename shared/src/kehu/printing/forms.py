"""What a form on paper consists of: fields, tables, texts and rooms to sign, in the order in which they stand."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, NamedTuple, TypeAlias

from kehu.calendar import SHANGHAI
from kehu.money import show_yuan

#: What neither XML nor a reader can do anything with; line feeds stay.
_UNPRINTABLE = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]")
_NOTHING = "—"


class Label(NamedTuple):
    """A text of the form itself, in both languages."""

    zh: str
    en: str


@dataclass(frozen=True, slots=True)
class Field:
    """One field: what it is, and what it says. `wide` ones take a line of their own."""

    label: Label
    value: Any
    wide: bool = False


@dataclass(frozen=True, slots=True)
class Fields:
    """Fields in two columns; an empty one is printed too, as on paper."""

    heading: Label
    fields: Sequence[Field]


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table; widths are shares of the page."""

    label: Label
    width: float = 1.0
    right: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """A table, which may go on over pages; its headings are repeated on each."""

    heading: Label
    columns: Sequence[Column]
    rows: Sequence[Sequence[Any]]


@dataclass(frozen=True, slots=True)
class Text:
    """A longer text."""

    heading: Label
    text: str


@dataclass(frozen=True, slots=True)
class Room:
    """Where one signs: as what; who did so in the system and when, if anybody; whether a stamp goes there."""

    label: Label
    signed: str = ""
    stamp: bool = False


@dataclass(frozen=True, slots=True)
class Signatures:
    """Rooms to sign, two beside each other, never parted by the end of a page."""

    heading: Label
    rooms: Sequence[Room]


Block: TypeAlias = Fields | Table | Text | Signatures


@dataclass(frozen=True, slots=True)
class Printed:
    """When and by whom a form was printed, from which facts (their ids), and whether what is personal was masked."""

    at: datetime
    by: str
    facts: Sequence[str] = ()
    masked: bool = False


@dataclass(frozen=True, slots=True)
class Form:
    """A form to be printed.

    Args:
        code: of the form, such as ``F4``; empty for what is none of the eight.
        title: above it.
        number: of what it is about, as people say it.
        blocks: from top to bottom.
        printed: stands at its foot.
        landscape: for wide lists.

    """

    code: str
    title: Label
    number: str
    blocks: Sequence[Block]
    printed: Printed
    landscape: bool = False


def shown(value: Any) -> str:
    """A value as it is printed: nothing as a dash, times in Shanghai, money as yuan, never what cannot be printed."""
    match value:
        case None | "":
            return _NOTHING
        case bool():
            return "是 Yes" if value else "否 No"
        case datetime():
            return value.astimezone(SHANGHAI).strftime("%Y-%m-%d %H:%M")
        case date():
            return value.isoformat()
        case Decimal():
            return f"{value:,}"
        case _:
            return _UNPRINTABLE.sub("", str(value)) or _NOTHING


def yuan(fen: int | None) -> str:
    """An amount in fen as yuan; nothing where there is none."""
    return "" if fen is None else f"¥{show_yuan(fen)}"


def plain(form: Form) -> dict[str, Any]:
    """The form as JSON data, which the templates read: every text a string, nothing left to interpret."""
    return {
        "code": shown(form.code) if form.code else "",
        "title": _label(form.title),
        "number": shown(form.number),
        "landscape": form.landscape,
        "blocks": [_block(block) for block in form.blocks],
        "printed": {
            "at": shown(form.printed.at),
            "by": shown(form.printed.by),
            "facts": [shown(fact) for fact in form.printed.facts],
            "masked": form.printed.masked,
        },
    }


def _label(label: Label) -> dict[str, str]:
    return {"zh": shown(label.zh), "en": shown(label.en) if label.en else ""}


def _block(block: Block) -> dict[str, Any]:
    heading = _label(block.heading)
    match block:
        case Fields():
            return {"kind": "fields", "heading": heading, "rows": _field_rows(block.fields)}
        case Table():
            return {
                "kind": "table",
                "heading": heading,
                "columns": [{**_label(one.label), "width": one.width, "right": one.right} for one in block.columns],
                "rows": [[shown(cell) for cell in row] for row in block.rows],
            }
        case Text():
            return {"kind": "text", "heading": heading, "text": shown(block.text)}
        case Signatures():
            rooms = [
                {**_label(one.label), "signed": shown(one.signed) if one.signed else "", "stamp": one.stamp}
                for one in block.rooms
            ]
            return {
                "kind": "signatures",
                "heading": heading,
                "rows": [rooms[at : at + 2] for at in range(0, len(rooms), 2)],
            }


def _field_rows(fields: Sequence[Field]) -> list[list[dict[str, Any]]]:
    """Fields in rows: two narrow ones, or one that has the row for itself."""
    rows: list[list[dict[str, Any]]] = []
    open_row = False
    for one in fields:
        cell = {**_label(one.label), "value": shown(one.value)}
        if open_row and not one.wide:
            rows[-1].append(cell)
            open_row = False
        else:
            rows.append([cell])
            open_row = not one.wide
    return rows
