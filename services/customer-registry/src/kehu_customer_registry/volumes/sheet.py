"""The monthly volumes as an Excel file: its columns, and what may stand in them."""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import date
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict
from pydantic_core import PydanticCustomError

from kehu.calendar import Month
from kehu.money import parse_yuan
from kehu.spreadsheets import SheetRow, parse_rows, read_rows
from kehu.text import normalise

COLUMNS = {"客户编号": "customer", "月份": "month", "合同额(元)": "amount_fen"}
#: A department's customers over a year; and as many bytes as such a file has with room for formatting.
MOST_ROWS = 5_001
MOST_BYTES = 2_000_000

_NUMBER = re.compile(r"K\d{6,18}", re.ASCII)
# 2026-11, 2026/11, 2026.11, 2026年11月, 202611; whole months only.
_MONTH = re.compile(r"(\d{4})(?:[-/.年]?(\d{2})|[-/.年](\d))月?", re.ASCII)


def _number(cell: Any) -> str:
    text = normalise(str(cell)).upper()
    if not _NUMBER.fullmatch(text):
        raise PydanticCustomError(
            "customer_number",
            "客户编号应如 K000123，请对照客户信息一览表。A number is like K000123: compare it with the register.",
        )
    return text


def _month(cell: Any) -> Month:
    if isinstance(cell, date):
        cell = f"{cell:%Y-%m}"
    match = _MONTH.fullmatch(normalise(str(cell)))
    if match:
        with suppress(ValueError):  # a month 13
            return Month(int(match.group(1)), int(match.group(2) or match.group(3)))
    raise PydanticCustomError("month_format", "月份应写作 2026-11（年-月）。Write the month like 2026-11.")


def _amount(cell: Any) -> int:
    if isinstance(cell, str | int | float) and not isinstance(cell, bool):
        return parse_yuan(cell)
    raise PydanticCustomError(
        "yuan_format",
        "金额应以元为单位，如 5,000,000.00，请重新填写。Write the amount in yuan, such as 5,000,000.00.",
    )


class VolumeRow(BaseModel):
    """A line of the file: 客户编号, month, amount in fen."""

    model_config = ConfigDict(frozen=True)

    customer: Annotated[str, BeforeValidator(_number)]
    month: Annotated[Month, BeforeValidator(_month)]
    amount_fen: Annotated[int, BeforeValidator(_amount)]


def read_volumes(data: bytes) -> list[tuple[int, VolumeRow]]:
    """The rows of an uploaded file, each with its number as Excel shows it. Takes processor time: call it in a thread.

    Raises:
        SpreadsheetInvalid: no readable table of these columns, or rows that do not hold (all of them are named).

    """
    rows: list[SheetRow] = read_rows(data, COLUMNS, max_rows=MOST_ROWS, max_bytes=MOST_BYTES)
    parsed = parse_rows(rows, VolumeRow, COLUMNS)
    return [(row.number, volume) for row, volume in zip(rows, parsed, strict=True)]
