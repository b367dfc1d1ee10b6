"""Excel files in and out."""

from kehu.spreadsheets.reading import Cell, SheetRow, SpreadsheetInvalid, iterate_rows, parse_rows, read_rows
from kehu.spreadsheets.writing import SheetWriter, write_rows

__all__ = [
    "Cell",
    "SheetRow",
    "SheetWriter",
    "SpreadsheetInvalid",
    "iterate_rows",
    "parse_rows",
    "read_rows",
    "write_rows",
]
