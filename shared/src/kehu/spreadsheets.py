"""Excel files in and out: uploads are untrusted and checked before they are parsed, exports never run as formulas.

Parsing takes processor time in proportion to the file: call it in a thread.
"""

import io
import re
import unicodedata
import zipfile
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, TypeAlias, TypeVar
from xml.parsers import expat

import xlsxwriter
from pydantic import BaseModel, ValidationError
from python_calamine import CalamineError, CalamineWorkbook, SheetTypeEnum, SheetVisibleEnum

from kehu.calendar import SHANGHAI
from kehu.errors import Invalid

Cell: TypeAlias = str | int | float | bool | date | datetime | time | timedelta

# XML of a sheet shrinks to a tenth or so; what expands further is no list that somebody typed or exported.
_MOST_EXPANSION = 20
_MOST_PARTS = 1_000
_MOST_COLUMNS = 200
_PROBLEMS_SHOWN = 20
# Excel's own limits.
_MOST_ROWS = 1_048_576
_LONGEST_TEXT = 32_767
_MOST_DIGITS = 15

_REFERENCE = re.compile(r"([A-Z]{1,3})([0-9]{1,7})", re.ASCII)
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")

M = TypeVar("M", bound=BaseModel)


class SpreadsheetInvalid(Invalid):
    """The uploaded file is no readable table of the columns asked for."""

    code = "spreadsheet-invalid"


@dataclass(frozen=True, slots=True)
class SheetRow:
    """A row with something in it: its number as Excel shows it, and by field what its cells hold.

    Empty cells are left out. Numbers are `int` where they are whole.
    """

    number: int
    values: Mapping[str, Cell]


def read_rows(data: bytes, columns: Mapping[str, str], *, max_rows: int, max_bytes: int) -> list[SheetRow]:
    """Read the first visible sheet of an .xlsx file; its first row with content holds the headings.

    Args:
        data: the file as uploaded.
        columns: heading -> field. Every heading must be there; other columns are ignored.
        max_rows: how many rows, the headings included and counted as Excel does, may be in use.
        max_bytes: how big the file may be.

    Raises:
        SpreadsheetInvalid: too big, no .xlsx, damaged, hostile, or without a heading.
    """
    if len(data) > max_bytes:
        raise _too_big(max_bytes)
    rows = _cells(_repacked(data, max_rows=max_rows, max_bytes=max_bytes))
    start = next((index for index, row in enumerate(rows) if any(_content(cell) is not None for cell in row)), None)
    if start is None:
        raise SpreadsheetInvalid(
            "表格是空的，请填写后重新上传。", "The sheet is empty: fill it in and upload it again."
        )
    places = _places(rows[start], columns)
    found: list[SheetRow] = []
    for number, row in enumerate(rows[start + 1 :], start + 2):
        contents = {field: _content(row[place]) for field, place in places.items() if place < len(row)}
        values = {field: value for field, value in contents.items() if value is not None}
        if values:
            found.append(SheetRow(number, values))
    return found


def parse_rows(rows: Iterable[SheetRow], model: type[M], columns: Mapping[str, str]) -> list[M]:
    """Validate every row; what is wrong is told for all rows at once, each with row, column and reason.

    Args:
        rows: from `read_rows`.
        model: one row; empty cells are missing fields. It should coerce numbers to strings: Excel makes numbers of
            whatever looks like one.
        columns: heading -> field, as for `read_rows`.

    Raises:
        SpreadsheetInvalid: some rows do not hold; `evidence["problems"]` lists row, column and code of each.
    """
    headings = {field: heading for heading, field in columns.items()}
    parsed: list[M] = []
    problems: list[tuple[int, str, str, str]] = []
    for row in rows:
        try:
            parsed.append(model.model_validate(dict(row.values)))
        except ValidationError as error:
            for one in error.errors(include_url=False, include_context=False, include_input=False):
                field = str(one["loc"][0]) if one["loc"] else ""
                told = "必填，不能为空。This must not be empty." if one["type"] == "missing" else one["msg"]
                problems.append((row.number, headings.get(field, field), one["type"], told))
    if problems:
        raise _rows_invalid(problems)
    return parsed


def write_rows(headings: Sequence[str], rows: Iterable[Sequence[Any]]) -> bytes:
    """Write an .xlsx file of one sheet; rows are taken one at a time, so they may come from a cursor.

    Text is written as text whatever it looks like. Aware times are shown in Shanghai; `Decimal` as money with two
    decimals; whole numbers beyond Excel's 15 digits as text.

    Raises:
        ValueError: there are more rows than a sheet can hold.
    """
    target = io.BytesIO()
    options = {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
    with xlsxwriter.Workbook(target, options) as book:
        sheet = book.add_worksheet()
        formats = {
            "heading": book.add_format({"bold": True}),
            # Without it, Excel would take the text for a formula as soon as somebody edits the cell.
            "text": book.add_format({"quote_prefix": True}),
            "money": book.add_format({"num_format": "#,##0.00"}),
            "date": book.add_format({"num_format": "yyyy-mm-dd"}),
            "time": book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"}),
        }
        sheet.freeze_panes(1, 0)
        for column, heading in enumerate(headings):
            sheet.write_string(0, column, heading, formats["heading"])
        for number, row in enumerate(rows, 1):
            if number >= _MOST_ROWS:
                raise ValueError(f"A sheet holds {_MOST_ROWS} rows: export fewer at once.")
            for column, value in enumerate(row):
                _write(sheet, (number, column), value, formats)
    return target.getvalue()


def _write(sheet: Any, place: tuple[int, int], value: Any, formats: Mapping[str, Any]) -> None:
    match value:
        case None:
            pass
        case bool():
            sheet.write_boolean(*place, value)
        case int() if len(str(abs(value))) <= _MOST_DIGITS:
            sheet.write_number(*place, value)
        case float():
            sheet.write_number(*place, value)
        case Decimal():
            sheet.write_number(*place, value, formats["money"])
        case datetime():
            local = value.astimezone(SHANGHAI).replace(tzinfo=None) if value.tzinfo else value
            sheet.write_datetime(*place, local, formats["time"])
        case date():
            sheet.write_datetime(*place, value, formats["date"])
        case _:
            text = str(value)[:_LONGEST_TEXT]
            sheet.write_string(*place, text, formats["text"] if text.startswith(_FORMULA_STARTS) else None)


def _repacked(data: bytes, *, max_rows: int, max_bytes: int) -> bytes:
    """Return the file's XML parts in a fresh archive, each unpacked within bounds and looked through.

    What the parser then sees is what was checked: no header can say one size and unpack to another.
    """
    target = io.BytesIO()
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive, zipfile.ZipFile(target, "w") as checked:
            parts = archive.infolist()
            if sum(part.file_size for part in parts) > max_bytes * _MOST_EXPANSION or len(parts) > _MOST_PARTS:
                raise _too_big(max_bytes)
            if len({part.filename for part in parts}) < len(parts):
                raise _damaged()
            for part in parts:
                if part.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                    raise _damaged()
                if part.filename.endswith((".xml", ".rels")):
                    content = archive.read(part)
                    _PartCheck(max_rows).look_through(content)
                    checked.writestr(part.filename, content)
    except (zipfile.BadZipFile, zlib.error, expat.ExpatError, EOFError, OSError, RuntimeError, ValueError) as error:
        raise _damaged() from error
    return target.getvalue()


class _PartCheck:
    """Looks through one XML part for what would hurt the parser, or would be lost in it.

    The parser allocates every cell between the first and the last: two cells in opposite corners of a sheet of a few
    hundred bytes would take hundreds of gigabytes.
    """

    def __init__(self, max_rows: int) -> None:
        self._max_rows = max_rows
        self._row = 0
        self._column = 0

    def look_through(self, content: bytes) -> None:
        parser = expat.ParserCreate()
        parser.XmlDeclHandler = self._declaration
        parser.StartDoctypeDeclHandler = self._doctype
        parser.StartElementHandler = self._element
        parser.Parse(content, True)  # noqa: FBT003 - expat takes it by position only

    def _declaration(self, _version: str, encoding: str | None, _standalone: int) -> None:
        # Read here as something else than there, it could say something else.
        if encoding and encoding.lower() != "utf-8":
            raise _damaged()

    def _doctype(self, *_: Any) -> None:
        raise _damaged()

    def _element(self, name: str, attributes: dict[str, str]) -> None:
        kind = name.rpartition(":")[2]
        if kind == "row":
            self._row = int(attributes["r"]) if "r" in attributes else self._row + 1
            self._column = 0
        elif kind == "c":
            self._cell(attributes)
        else:
            return
        if self._row > self._max_rows:
            raise SpreadsheetInvalid(
                f"表格超过 {self._max_rows} 行，请删除多余的行或分批上传。",
                f"The sheet uses more than {self._max_rows} rows: delete surplus ones, or upload it in parts.",
            )
        if self._column > _MOST_COLUMNS:
            raise SpreadsheetInvalid(
                f"表格超过 {_MOST_COLUMNS} 列，请删除多余的列。",
                f"The sheet uses more than {_MOST_COLUMNS} columns: delete surplus ones.",
            )

    def _cell(self, attributes: dict[str, str]) -> None:
        self._column += 1
        if "r" in attributes:
            match = _REFERENCE.fullmatch(attributes["r"])
            if match is None:
                raise _damaged()
            self._row, self._column = int(match.group(2)), _column_number(match.group(1))
        if attributes.get("t") == "e":
            place = f"{_column_letters(self._column)}{self._row}"
            raise SpreadsheetInvalid(
                f"单元格 {place} 是错误值（如 #REF!），请改正公式后重新上传。",
                f"Cell {place} holds an error (such as #REF!): mend its formula and upload it again.",
            )


def _cells(data: bytes) -> list[list[Cell]]:
    try:
        with CalamineWorkbook.from_filelike(io.BytesIO(data)) as book:
            for index, sheet in enumerate(book.sheets_metadata):
                if sheet.typ is SheetTypeEnum.WorkSheet and sheet.visible is SheetVisibleEnum.Visible:
                    return book.get_sheet_by_index(index).to_python(skip_empty_area=False)
    except (CalamineError, OSError, ValueError) as error:
        raise _damaged() from error
    raise _damaged()


def _places(row: Sequence[Cell], columns: Mapping[str, str]) -> dict[str, int]:
    headings = [_heading(str(cell)) for cell in row]
    missing = [heading for heading in columns if _heading(heading) not in headings]
    if missing:
        raise SpreadsheetInvalid(
            f"缺少列：{'、'.join(missing)}。请按模板填写表头后重新上传。",
            f"These columns are missing: {', '.join(missing)}. Use the headings of the template and upload it again.",
            missing=missing,
        )
    twice = [heading for heading in columns if headings.count(_heading(heading)) > 1]
    if twice:
        raise SpreadsheetInvalid(
            f"列重复：{'、'.join(twice)}。请只保留一列。",
            f"These columns are there twice: {', '.join(twice)}. Keep one of each.",
            twice=twice,
        )
    return {field: headings.index(_heading(heading)) for heading, field in columns.items()}


def _heading(text: str) -> str:
    return "".join(unicodedata.normalize("NFKC", text).split())


def _content(cell: Cell) -> Cell | None:
    if isinstance(cell, str):
        return cell.strip() or None
    return int(cell) if isinstance(cell, float) and cell.is_integer() else cell


def _column_number(letters: str) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - ord("A") + 1
    return number


def _column_letters(number: int) -> str:
    letters = ""
    while number:
        number, rest = divmod(number - 1, 26)
        letters = chr(ord("A") + rest) + letters
    return letters


def _rows_invalid(problems: Sequence[tuple[int, str, str, str]]) -> SpreadsheetInvalid:
    shown = problems[:_PROBLEMS_SHOWN]
    more = len(problems) - len(shown)
    zh = [f"第 {row} 行，{column}：{told}" for row, column, _, told in shown]
    en = [f"row {row}, column {column}: {told}" for row, column, _, told in shown]
    if more:
        zh.append(f"另有 {more} 处。")
        en.append(f"and {more} more.")
    return SpreadsheetInvalid(
        "\n".join(zh),
        "\n".join(en),
        problems=[{"row": row, "column": column, "code": code} for row, column, code, _ in problems],
    )


def _too_big(max_bytes: int) -> SpreadsheetInvalid:
    megabytes = max_bytes / 1_000_000
    return SpreadsheetInvalid(
        f"文件过大（最大 {megabytes:g} MB，且解压后不超过其 {_MOST_EXPANSION} 倍），请分批上传。",
        f"The file is too big (at most {megabytes:g} MB, and {_MOST_EXPANSION} times as much unpacked): "
        "upload it in parts.",
    )


def _damaged() -> SpreadsheetInvalid:
    return SpreadsheetInvalid(
        "文件不是可读取的 .xlsx 表格（可能已损坏或加密），请用 Excel 另存为 .xlsx 后重新上传。",
        "This is no readable .xlsx file (damaged or encrypted): save it as .xlsx in Excel and upload it again.",
    )
