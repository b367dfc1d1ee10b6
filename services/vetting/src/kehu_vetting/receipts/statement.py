"""A bank's statement as a file, .xlsx or .csv: its columns, what may stand in them, and what it comes to.

Columns: 流水号 (bank reference), 到账日期 (day), 金额(元) (yuan, above zero), 付款方名称 (payer's name), and, where the
bank has it, 付款方证照号 (payer's identity number). All rows are taken, or none.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict
from pydantic_core import PydanticCustomError

from kehu.deciding import Context, Decision
from kehu.errors import Invalid, KehuError
from kehu.money import parse_yuan
from kehu.spreadsheets import SheetRow, SpreadsheetInvalid, parse_rows, read_rows
from kehu.text import Line, normalise
from kehu_vetting.bodies import Day
from kehu_vetting.receipts.decisions import Money, take_from_bank
from kehu_vetting.receipts.facts import Receipt, receipt_of

CLAUSE = "R3.2.1"
REQUIRED = {"流水号": "bank_reference", "到账日期": "received_on", "金额(元)": "amount_fen", "付款方名称": "payer_name"}
IDENTITY = {"付款方证照号": "payer"}
#: As many receipts as one transaction may touch, less what else it touches; and the bytes of such a file.
MOST_ROWS = 401
MOST_BYTES = 1_000_000
_SPELLED_OUT = 20
_DAY = re.compile(r"(\d{4})(?:[-/.年]?(\d{2})[-/.月]?(\d{2})|[-/.年](\d{1,2})[-/.月](\d{1,2}))日?", re.ASCII)


def _text(cell: Any) -> str:
    return normalise(str(cell))


def _reference(cell: Any) -> str:
    return bank_reference(_text(cell))


def bank_reference(text: str) -> str:
    """A bank's number as it counts: without spaces, in capitals."""
    return "".join(text.split()).upper()


def _day(cell: Any) -> date:
    if isinstance(cell, datetime):
        return cell.date()
    if isinstance(cell, date):
        return cell
    match = _DAY.fullmatch(_text(cell))
    if match:
        year, *rest = [int(part) for part in match.groups() if part]
        with suppress(ValueError):  # a 31 February
            return date(year, *rest)
    raise PydanticCustomError("day_format", "日期应写作 2026-11-25。Write the day like 2026-11-25.")


def _amount(cell: Any) -> int:
    if isinstance(cell, str | int | float) and not isinstance(cell, bool):
        return parse_yuan(cell)
    raise PydanticCustomError(
        "yuan_format",
        "金额应以元为单位，如 5,000,000.00，请重新填写。Write the amount in yuan, such as 5,000,000.00.",
    )


class StatementRow(BaseModel):
    """A line of the statement."""

    model_config = ConfigDict(frozen=True)

    bank_reference: Annotated[Line, BeforeValidator(_reference)]
    received_on: Annotated[Day, BeforeValidator(_day)]
    amount_fen: Annotated[int, BeforeValidator(_amount)]
    payer_name: Annotated[Line, BeforeValidator(_text)]
    payer: Annotated[Line, BeforeValidator(_text)] | None = None


class StatementRefused(Invalid):
    """Some rows cannot be taken, so none was."""

    code = "statement-refused"


@dataclass(frozen=True, slots=True)
class Numbered:
    """A line with its number as people see it in the file."""

    row: int
    line: StatementRow


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a statement comes to: receipts that are new, and those that stood already."""

    confirmed: int
    known: int


def read_statement(data: bytes) -> list[Numbered]:
    """The lines of an uploaded statement. Takes processor time: call it in a thread.

    Raises:
        SpreadsheetInvalid: no readable table of these columns, or rows that do not hold (all of them are named).
        StatementRefused: there are no rows, or a bank reference stands there twice.

    """
    rows = _table(data)
    parsed = parse_rows(rows, StatementRow, {**REQUIRED, **IDENTITY})
    found = [Numbered(row.number, line) for row, line in zip(rows, parsed, strict=True)]
    if not found:
        raise StatementRefused("对账单中没有收款。", "There are no receipts in it.", clause=CLAUSE)
    _check_once(found)
    return found


def decide_statement(
    lines: Sequence[Numbered], money: Sequence[Money], states: Sequence[Receipt], context: Context
) -> tuple[list[Decision], Outcome]:
    """What every line comes to, with the receipt that it is.

    Args:
        lines: of the statement.
        money: the same, with payers and numbers looked up, in the same order.
        states: of the receipts, in the same order.
        context: who imports it.

    Raises:
        StatementRefused: some lines cannot be taken; it names every one of them, and why.

    """
    decisions: list[Decision] = []
    problems: list[tuple[int, KehuError]] = []
    for numbered, told, state in zip(lines, money, states, strict=True):
        try:
            decisions.append(take_from_bank(told, state, context))
        except KehuError as refusal:
            problems.append((numbered.row, refusal))
    if problems:
        raise _refused(problems)
    confirmed = sum(bool(decision.facts) for decision in decisions)
    return decisions, Outcome(confirmed, len(decisions) - confirmed)


def money_of(line: StatementRow, unit: str | None, number: str) -> Money:
    """What a line tells; `unit` is whose it is, where the payer's identity is known."""
    return Money(
        receipt=receipt_of(line.bank_reference),
        number=number,
        unit=unit,
        payer=line.payer or "",
        bank_reference=line.bank_reference,
        amount_fen=line.amount_fen,
        received_on=line.received_on,
        payer_name=line.payer_name,
    )


def _table(data: bytes) -> list[SheetRow]:
    if data[:4] == b"PK\x03\x04":
        return _with_identity(data)
    return _csv(data)


def _with_identity(data: bytes) -> list[SheetRow]:
    """The sheet's rows; the column of identities may be missing."""
    try:
        return read_rows(data, {**REQUIRED, **IDENTITY}, max_rows=MOST_ROWS, max_bytes=MOST_BYTES)
    except SpreadsheetInvalid as refusal:
        if refusal.evidence.get("missing") != list(IDENTITY):
            raise
    return read_rows(data, REQUIRED, max_rows=MOST_ROWS, max_bytes=MOST_BYTES)


def _csv(data: bytes) -> list[SheetRow]:
    if len(data) > MOST_BYTES:
        raise SpreadsheetInvalid(
            f"文件过大(最大 {MOST_BYTES // 1_000_000} MB),请分批导入。",
            f"The file is over {MOST_BYTES // 1_000_000} MB: import it in parts.",
        )
    try:
        table = list(csv.reader(io.StringIO(_decoded(data)), strict=True))
    except csv.Error:
        raise SpreadsheetInvalid(
            "文件不是可读取的 .xlsx 或 .csv。请重新导出后上传。",
            "This is no readable .xlsx or .csv file: export it again.",
        ) from None
    return _named_cells(table)


def _named_cells(table: Sequence[Sequence[str]]) -> list[SheetRow]:
    start = next((place for place, row in enumerate(table) if any(cell.strip() for cell in row)), len(table))
    headings = [_heading(cell) for cell in table[start]] if start < len(table) else []
    missing = [heading for heading in REQUIRED if headings.count(_heading(heading)) != 1]
    if missing:
        raise SpreadsheetInvalid(
            f"缺少列(或重复):{'、'.join(missing)}。请按说明填写表头后重新上传。",
            f"These columns are missing, or there twice: {', '.join(missing)}. Use the documented headings.",
            missing=missing,
        )
    if len(table) - start > MOST_ROWS:
        raise SpreadsheetInvalid(
            f"对账单超过 {MOST_ROWS - 1} 行,请分批导入。", f"Over {MOST_ROWS - 1} rows: import it in parts."
        )
    places = {
        field: headings.index(_heading(heading))
        for heading, field in {**REQUIRED, **IDENTITY}.items()
        if _heading(heading) in headings
    }
    found: list[SheetRow] = []
    for number, row in enumerate(table[start + 1 :], start + 2):
        cells = {field: row[place].strip() for field, place in places.items() if place < len(row)}
        if values := {field: cell for field, cell in cells.items() if cell}:
            found.append(SheetRow(number, values))
    return found


def _heading(text: str) -> str:
    return "".join(normalise(text).split())


def _decoded(data: bytes) -> str:
    """The text of a file in UTF-8 or, as Chinese banks and Excel write it, GB 18030."""
    for encoding in ("utf-8-sig", "gb18030"):
        with suppress(UnicodeDecodeError):
            return data.decode(encoding)
    raise SpreadsheetInvalid(
        "文件不是可读取的文本(UTF-8 或 GB18030)。请重新导出后上传。",
        "The file is no readable text (UTF-8 or GB 18030): export it again.",
    )


def _check_once(lines: Sequence[Numbered]) -> None:
    first: dict[str, int] = {}
    problems: list[tuple[int, KehuError]] = []
    for numbered in lines:
        before = first.setdefault(numbered.line.bank_reference, numbered.row)
        if before != numbered.row:
            twice = StatementRefused(
                f"流水号与第 {before} 行重复。", f"its bank reference is that of row {before}.", clause=CLAUSE
            )
            problems.append((numbered.row, twice))
    if problems:
        raise _refused(problems)


def _refused(problems: Sequence[tuple[int, KehuError]]) -> StatementRefused:
    shown = problems[:_SPELLED_OUT]
    zh = [f"第 {row} 行：{refusal.zh}" for row, refusal in shown]
    en = [f"row {row}: {refusal.en}" for row, refusal in shown]
    if more := len(problems) - len(shown):
        zh.append(f"另有 {more} 行。")
        en.append(f"and {more} rows more.")
    return StatementRefused(
        "以下各行有误,全部未导入:\n" + "\n".join(zh),
        "Nothing was imported, since these rows cannot be taken:\n" + "\n".join(en),
        clause=CLAUSE,
        problems=[
            {"row": row, "code": refusal.problem_code, "zh": refusal.zh, "en": refusal.en} for row, refusal in problems
        ],
    )
