"""Excel files out: streamed to a file, a row at a time, and nothing in a cell ever runs as a formula.

Writing takes processor time in proportion to the rows: call it in a thread.
"""

import io
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any, BinaryIO

import xlsxwriter

from kehu.calendar import SHANGHAI

# Excel's own limits.
_MOST_ROWS = 1_048_576
_LONGEST_TEXT = 32_767
_MOST_DIGITS = 15
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


class SheetWriter:
    """An .xlsx file of one sheet that grows by rows; only the row in hand is in memory, the rest in temporary files.

    Text is written as text whatever it looks like. Aware times are shown in Shanghai; `Decimal` as money with two
    decimals; whole numbers beyond Excel's 15 digits as text.

    Args:
        target: where the file goes, once it is closed.
        headings: of the columns.

    """

    def __init__(self, target: BinaryIO, headings: Sequence[str]) -> None:
        options = {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
        self._book = xlsxwriter.Workbook(target, options)
        self._sheet = self._book.add_worksheet()
        self._formats = {
            "heading": self._book.add_format({"bold": True}),
            # Without it, Excel would take the text for a formula as soon as somebody edits the cell.
            "text": self._book.add_format({"quote_prefix": True}),
            "money": self._book.add_format({"num_format": "#,##0.00"}),
            "date": self._book.add_format({"num_format": "yyyy-mm-dd"}),
            "time": self._book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"}),
        }
        self._sheet.freeze_panes(1, 0)
        for column, heading in enumerate(headings):
            self._sheet.write_string(0, column, heading, self._formats["heading"])
        self.rows = 0

    def write(self, rows: Iterable[Sequence[Any]]) -> None:
        """Add rows.

        Raises:
            ValueError: there are more than a sheet can hold.
        """
        for row in rows:
            self.rows += 1
            if self.rows >= _MOST_ROWS:
                raise ValueError(f"A sheet holds {_MOST_ROWS} rows: export fewer at once.")
            for column, value in enumerate(row):
                _write(self._sheet, (self.rows, column), value, self._formats)

    def close(self) -> None:
        """Put the file together."""
        self._book.close()


def write_rows(headings: Sequence[str], rows: Iterable[Sequence[Any]]) -> bytes:
    """Write a short .xlsx file of one sheet (see `SheetWriter`); rows are taken one at a time.

    Raises:
        ValueError: there are more rows than a sheet can hold.
    """
    target = io.BytesIO()
    writer = SheetWriter(target, headings)
    try:
        writer.write(rows)
    finally:
        writer.close()
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
