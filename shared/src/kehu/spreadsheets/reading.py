"""Excel files in: uploads are untrusted, and checked before they are parsed.

Parsing takes processor time in proportion to the file: call it in a thread. Memory goes with what the cells hold, not
with the XML around them.
"""

import io
import re
import tempfile
import unicodedata
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any, BinaryIO, TypeAlias, TypeVar
from xml.parsers import expat

from pydantic import BaseModel, ValidationError
from python_calamine import CalamineError, CalamineWorkbook, SheetTypeEnum, SheetVisibleEnum

from kehu.errors import Invalid

Cell: TypeAlias = str | int | float | bool | date | datetime | time | timedelta

# XML of a sheet shrinks to a tenth or so; what expands further is no list that somebody typed or exported.
_MOST_EXPANSION = 20
_MOST_PARTS = 1_000
# A small file is checked in memory; of a large one only pieces are.
_SPOOLED = 4 << 20
_PIECE = 64 << 10
_MOST_COLUMNS = 200
_PROBLEMS_SHOWN = 20

_REFERENCE = re.compile(r"([A-Z]{1,3})([0-9]{1,7})", re.ASCII)

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
    return list(iterate_rows(io.BytesIO(data), columns, max_rows=max_rows, max_bytes=max_bytes))


def iterate_rows(
    file: BinaryIO, columns: Mapping[str, str], *, max_rows: int, max_bytes: int, held_before: bool = False
) -> Iterator[SheetRow]:
    """The same, a row at a time: for files of many rows, of which only a page is wanted in memory.

    Args:
        file: as uploaded, seekable; stays open until the last row was taken.
        columns: as for `read_rows`.
        max_rows: as for `read_rows`.
        max_bytes: what its parts may unpack to is a multiple of it.
        held_before: the very same bytes were read to their end before, and are not checked again; that takes two
            thirds of the time.

    Raises:
        SpreadsheetInvalid: as for `read_rows`; before the first row.
    """
    if held_before:
        yield from _rows(file, columns)
        return
    with tempfile.SpooledTemporaryFile(_SPOOLED) as checked:
        _repack(file, checked, max_rows=max_rows, max_bytes=max_bytes)
        yield from _rows(checked, columns)


def _rows(file: Any, columns: Mapping[str, str]) -> Iterator[SheetRow]:
    cells = enumerate(_cells(file), 1)
    start = next((row for _, row in cells if any(_content(cell) is not None for cell in row)), None)
    if start is None:
        raise SpreadsheetInvalid(
            "表格是空的，请填写后重新上传。", "The sheet is empty: fill it in and upload it again."
        )
    places = _places(start, columns)
    for number, row in cells:
        contents = {field: _content(row[place]) for field, place in places.items() if place < len(row)}
        values = {field: value for field, value in contents.items() if value is not None}
        if values:
            yield SheetRow(number, values)


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


def _repack(file: BinaryIO, target: Any, *, max_rows: int, max_bytes: int) -> None:
    """Write the file's XML parts into a fresh archive, each unpacked within bounds and looked through, piece by piece.

    What the parser then sees is what was checked: no header can say one size and unpack to another.
    """
    most = max_bytes * _MOST_EXPANSION
    try:
        with (
            zipfile.ZipFile(file) as archive,
            zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as out,
        ):
            parts = archive.infolist()
            if sum(part.file_size for part in parts) > most or len(parts) > _MOST_PARTS:
                raise _too_big(max_bytes)
            if len({part.filename for part in parts}) < len(parts):
                raise _damaged()
            unpacked = 0
            for part in parts:
                if part.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                    raise _damaged()
                if part.filename.endswith((".xml", ".rels")):
                    check = _PartCheck(max_rows)
                    with archive.open(part) as content, out.open(part.filename, "w", force_zip64=True) as copy:
                        while piece := content.read(_PIECE):
                            unpacked += len(piece)
                            if unpacked > most:
                                raise _too_big(max_bytes)
                            check.feed(piece)
                            copy.write(piece)
                    check.close()
    except (zipfile.BadZipFile, zlib.error, expat.ExpatError, EOFError, OSError, RuntimeError, ValueError) as error:
        raise _damaged() from error
    target.seek(0)


class _PartCheck:
    """Looks through one XML part for what would hurt the parser, or would be lost in it.

    The parser allocates every cell between the first and the last: two cells in opposite corners of a sheet of a few
    hundred bytes would take hundreds of gigabytes.
    """

    def __init__(self, max_rows: int) -> None:
        self._max_rows = max_rows
        self._row = 0
        self._column = 0
        self._parser = expat.ParserCreate()
        self._parser.XmlDeclHandler = self._declaration
        self._parser.StartDoctypeDeclHandler = self._doctype
        self._parser.StartElementHandler = self._element

    def feed(self, piece: bytes) -> None:
        self._parser.Parse(piece, False)  # noqa: FBT003 - expat takes it by position only

    def close(self) -> None:
        self._parser.Parse(b"", True)  # noqa: FBT003 - same

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


def _cells(checked: Any) -> Iterator[list[Cell]]:
    """The rows of the first visible sheet, from Excel's first on."""
    try:
        with CalamineWorkbook.from_filelike(checked) as book:
            for index, sheet in enumerate(book.sheets_metadata):
                if sheet.typ is SheetTypeEnum.WorkSheet and sheet.visible is SheetVisibleEnum.Visible:
                    yield from book.get_sheet_by_index(index).iter_rows()
                    return
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
