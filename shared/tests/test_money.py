"""Money is whole fen; yuan are read and shown exactly."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError
from pydantic_core import PydanticCustomError

from kehu.money import MOST_FEN, Fen, parse_yuan, show_yuan

FEN: TypeAdapter[int] = TypeAdapter(Fen)
AMOUNTS = st.integers(-MOST_FEN, MOST_FEN)


@pytest.mark.parametrize(
    ("typed", "fen"),
    [
        ("5,000,000.00", 500_000_000),
        ("5000000", 500_000_000),
        ("￥１２．５０", 1250),
        ("¥ 3", 300),
        ("-¥3", -300),
        ("−3.5元", -350),
        ("1.2300", 123),
        ("0.01", 1),
        (0.1, 10),
        (0.1 + 0.2, 30),
        (5_000_000.1, 500_000_010),
        (3, 300),
        (-0.0, 0),
        (Decimal("1E+3"), 100_000),
    ],
)
def test_yuan_are_read_exactly(typed: str | float | Decimal, fen: int) -> None:
    assert parse_yuan(typed) == fen


@pytest.mark.parametrize(
    ("typed", "code"),
    [
        ("1.005", "yuan_decimals"),
        (0.001, "yuan_decimals"),
        (1e-7, "yuan_decimals"),
        ("1,50", "yuan_format"),
        ("1,0000", "yuan_format"),
        ("5 000", "yuan_format"),
        ("五百", "yuan_format"),
        ("500万", "yuan_format"),
        ("1e6", "yuan_format"),
        ("٣", "yuan_format"),
        ("", "yuan_format"),
        ("9" * 1_000_000, "yuan_format"),
        (float("nan"), "yuan_format"),
        (float("-inf"), "yuan_format"),
        (1e300, "yuan_format"),
        (True, "yuan_format"),
        ("10,000,000,000,000.01", "fen_range"),
    ],
)
def test_what_is_no_exact_amount_is_refused(typed: Any, code: str) -> None:
    with pytest.raises(PydanticCustomError) as refused:
        parse_yuan(typed)
    assert refused.value.type == code


@given(AMOUNTS)
def test_what_is_shown_reads_back(fen: int) -> None:
    assert parse_yuan(show_yuan(fen)) == fen


@given(AMOUNTS)
def test_a_spreadsheet_cell_reads_to_the_fen(fen: int) -> None:
    assert parse_yuan(fen / 100) == fen


def test_yuan_as_people_read_them() -> None:
    assert show_yuan(500_000_000) == "5,000,000.00"
    assert show_yuan(-1) == "-0.01"
    assert show_yuan(0) == "0.00"


@pytest.mark.parametrize(
    ("given_value", "code"),
    [
        (MOST_FEN + 1, "fen_range"),
        (-MOST_FEN - 1, "fen_range"),
        (1.0, "int_type"),
        ("100", "int_type"),
        (True, "int_type"),
    ],
)
def test_only_whole_fen_in_range_are_fen(given_value: Any, code: str) -> None:
    with pytest.raises(ValidationError) as refused:
        FEN.validate_python(given_value)
    assert refused.value.errors()[0]["type"] == code


@given(AMOUNTS)
def test_fen_survive_json(fen: int) -> None:
    assert FEN.validate_json(FEN.dump_json(fen)) == fen
