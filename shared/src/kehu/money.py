"""Money: whole fen, tax included unless a name says otherwise; people read and write yuan."""

import re
from decimal import Decimal
from typing import Annotated

from pydantic import AfterValidator, Strict, WithJsonSchema
from pydantic_core import PydanticCustomError

from kehu.text import normalise

FEN_PER_YUAN = 100
# Ten trillion yuan. Below 2**53, so that amounts stay exact in JSON readers and spreadsheets that know only doubles.
MOST_FEN = 10**15

_YUAN = re.compile(r"([+-]?)(\d{1,3}(?:,\d{3})+|\d{1,18})(?:\.(\d{1,30}))?", re.ASCII)
_DECIMALS = 2
_RAW_LENGTH = 100  # far above any amount; longer input is refused unread


def parse_yuan(amount: str | float | Decimal) -> int:
    """Return the fen of an amount in yuan, exactly.

    Args:
        amount: what people type ("5,000,000.00", "￥１２．５０", "-3元") or a number cell of a spreadsheet.

    Raises:
        PydanticCustomError: `yuan_format`, `yuan_decimals` (more than two) or `fen_range`.
    """
    text = _written(amount)
    match = _YUAN.fullmatch(text)
    if match is None:
        raise PydanticCustomError(
            "yuan_format",
            "金额应以元为单位，如 5,000,000.00，请重新填写。Write the amount in yuan, such as 5,000,000.00.",
        )
    sign, yuan, decimals = match.group(1), match.group(2).replace(",", ""), (match.group(3) or "").rstrip("0")
    if len(decimals) > _DECIMALS:
        raise PydanticCustomError(
            "yuan_decimals",
            "金额最多保留两位小数（到分），请先确定舍入。"
            "An amount has at most two decimals (fen): round it before entering it.",
        )
    fen = int(yuan) * FEN_PER_YUAN + int(decimals.ljust(_DECIMALS, "0"))
    return _in_range(-fen if sign == "-" else fen)


def show_yuan(fen: int) -> str:
    """Return an amount for people: ``show_yuan(500_000_000)`` is ``5,000,000.00``."""
    yuan, rest = divmod(abs(fen), FEN_PER_YUAN)
    return f"{'-' if fen < 0 else ''}{yuan:,}.{rest:02}"


def _written(amount: str | float | Decimal) -> str:
    if isinstance(amount, bool):
        return "no amount"
    if not isinstance(amount, str):
        # 15 digits are what a spreadsheet itself takes for the number: =0.1+0.2 is 0.3 there.
        number = Decimal(format(amount, ".15g")) if isinstance(amount, float) else Decimal(amount)
        return format(number, "f") if number.is_finite() and number.adjusted() <= len(str(MOST_FEN)) else "no amount"
    if len(amount) > _RAW_LENGTH:
        return "no amount"
    text = normalise(amount).replace("\N{MINUS SIGN}", "-")
    return re.sub(r"^([+-]?)\s*¥\s*|\s*元$", r"\1", text)


def _in_range(fen: int) -> int:
    if abs(fen) > MOST_FEN:
        raise PydanticCustomError(
            "fen_range",
            "金额超出范围（±{most} 元），请检查。The amount is out of range (±{most} yuan): check it.",
            {"most": show_yuan(MOST_FEN)},
        )
    return fen


Fen = Annotated[
    int,
    Strict(),
    AfterValidator(_in_range),
    WithJsonSchema({"type": "integer", "minimum": -MOST_FEN, "maximum": MOST_FEN, "description": "fen, 1/100 yuan"}),
]
"""Whole fen, possibly negative. Only an integer is taken: a string or a float is likely to mean yuan (`parse_yuan`)."""
