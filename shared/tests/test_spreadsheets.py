"""Uploads say what is wrong where, hostile files are refused unread, and exports come back as they were."""

import io
import re
import zipfile
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Annotated, Any

import pytest
import xlsxwriter
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, BeforeValidator, ConfigDict

from kehu.calendar import Month
from kehu.identifiers import Uscc
from kehu.money import Fen, parse_yuan
from kehu.spreadsheets import SheetRow, SpreadsheetInvalid, parse_rows, read_rows, write_rows

COLUMNS = {"客户": "customer", "合同额": "fen", "备注": "remark"}
SHEET = "xl/worksheets/sheet1.xml"
DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>'
NAMESPACE = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'


class Volume(BaseModel):
    model_config = ConfigDict(coerce_numbers_to_str=True)

    customer: Uscc
    fen: Annotated[Fen, BeforeValidator(parse_yuan)]
    remark: str = ""


def read(data: bytes, columns: Mapping[str, str] = COLUMNS, max_rows: int = 100) -> list[SheetRow]:
    return read_rows(data, columns, max_rows=max_rows, max_bytes=1_000_000)


def refusal(data: bytes, **more: Any) -> str:
    with pytest.raises(SpreadsheetInvalid) as refused:
        read(data, **more)
    assert re.search("[一-鿿]", refused.value.zh)
    return refused.value.en


def a_file(*rows: tuple[Any, ...]) -> bytes:
    return write_rows(["客户", "合同额", "备注"], rows)


def with_part(name: str, content: str | bytes, data: bytes | None = None) -> bytes:
    """A file of which one part says something else."""
    target = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(data or a_file())) as old,
        zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as new,
    ):
        for part in old.namelist():
            if part != name:
                new.writestr(part, old.read(part))
        new.writestr(name, content)
    return target.getvalue()


def a_sheet(cells: str, before: str = DECLARATION) -> bytes:
    return with_part(SHEET, f"{before}<worksheet {NAMESPACE}><sheetData>{cells}</sheetData></worksheet>")


# Reading


def test_rows_come_with_the_numbers_that_excel_shows() -> None:
    target = io.BytesIO()
    with xlsxwriter.Workbook(target) as book:
        sheet = book.add_worksheet("合同量")
        sheet.write_row(2, 1, ["备 注", "客户", "不用", "合同额"])
        sheet.write_row(3, 1, ["", "甲", 1, 12.5])
        sheet.write_row(5, 1, ["  好 ", "乙", 1, 13])
        sheet.write_datetime(6, 2, datetime(2026, 11, 24), book.add_format({"num_format": "yyyy-mm-dd"}))  # noqa: DTZ001 - Excel knows no zones

    assert read(target.getvalue()) == [
        SheetRow(4, {"customer": "甲", "fen": 12.5}),
        SheetRow(6, {"remark": "好", "customer": "乙", "fen": 13}),
        SheetRow(7, {"customer": date(2026, 11, 24)}),
    ]


def test_the_first_visible_sheet_counts() -> None:
    target = io.BytesIO()
    with xlsxwriter.Workbook(target) as book:
        hidden, shown = book.add_worksheet(), book.add_worksheet()
        hidden.write_row(0, 0, ["客户", "合同额", "备注"])
        hidden.write_row(1, 0, ["隐", 1, ""])
        shown.write_row(0, 0, ["客户", "合同额", "备注"])
        shown.write_row(1, 0, ["显", 1, ""])
        shown.activate()
        shown.set_first_sheet()
        hidden.hide()

    assert [row.values["customer"] for row in read(target.getvalue())] == ["显"]


def test_a_picture_in_the_file_does_not_matter() -> None:
    assert [row.number for row in read(with_part("xl/media/logo.png", b"\x89PNG\x00", a_file(("甲", 1, None))))] == [2]


def test_missing_and_repeated_headings_are_named() -> None:
    assert "missing: 合同额, 备注" in refusal(write_rows(["客户"], []))
    assert "twice: 客户" in refusal(write_rows(["客户", "合同额", "备注", " 客 户"], []))


def test_an_empty_sheet_says_so() -> None:
    assert "empty" in refusal(write_rows([], []))


def test_every_wrong_cell_is_told_with_row_and_column() -> None:
    rows = read(
        a_file(
            ("91110000600037341L", "5,000,000.00", None),
            ("91110000600037341M", 12.345, "x"),
            (None, "一百", None),
        )
    )

    with pytest.raises(SpreadsheetInvalid) as refused:
        parse_rows(rows, Volume, COLUMNS)

    assert refused.value.evidence["problems"] == [
        {"row": 3, "column": "客户", "code": "uscc_check_digit"},
        {"row": 3, "column": "合同额", "code": "yuan_decimals"},
        {"row": 4, "column": "客户", "code": "missing"},
        {"row": 4, "column": "合同额", "code": "yuan_format"},
    ]
    assert "row 3, column 合同额: " in refused.value.en
    assert "第 4 行，客户：必填" in refused.value.zh
    assert "91110000600037341M" not in str(refused.value.evidence)


def test_many_wrong_cells_are_counted_not_all_told() -> None:
    rows = [SheetRow(number, {"customer": "x", "fen": 1}) for number in range(2, 102)]
    with pytest.raises(SpreadsheetInvalid, match="and 80 more"):
        parse_rows(rows, Volume, COLUMNS)


def test_right_rows_become_models() -> None:
    rows = read(a_file(("91110000600037341L", "5,000,000.00", 7), ("9144030071526726XG", Decimal("0.1"), None)))
    assert parse_rows(rows, Volume, COLUMNS) == [
        Volume.model_construct(customer="91110000600037341L", fen=500_000_000, remark="7"),
        Volume.model_construct(customer="9144030071526726XG", fen=10, remark=""),
    ]


# Hostile and broken files


@pytest.mark.parametrize(
    "data", [b"", b"PK", b"hello", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(512), a_file()[:-9]]
)
def test_what_is_no_xlsx_is_refused(data: bytes) -> None:
    assert "no readable .xlsx" in refusal(data)


def test_a_file_too_big_is_refused() -> None:
    with pytest.raises(SpreadsheetInvalid, match="too big"):
        read_rows(bytes(11), COLUMNS, max_rows=1, max_bytes=10)


def test_a_zip_bomb_is_refused_by_what_it_would_unpack_to() -> None:
    assert "too big" in refusal(with_part("xl/media/a.bin", bytes(30_000_000)))


def test_a_zip_bomb_that_lies_about_its_size_is_refused() -> None:
    data = bytearray(with_part("xl/bomb.xml", b"<a>" + b" " * 30_000_000 + b"</a>"))
    honest = (30_000_007).to_bytes(4, "little")
    assert data.count(honest) == 2
    assert "no readable .xlsx" in refusal(bytes(data).replace(honest, (7).to_bytes(4, "little")))


@pytest.mark.parametrize(
    ("cells", "told"),
    [
        ('<row r="1"><c r="A1"/></row><row r="1048576"><c r="XFD1048576"><v>1</v></c></row>', "more than 100 rows"),
        ('<row r="1"><c r="A1"/><c r="XFD1"><v>1</v></c></row>', "more than 200 columns"),
        ('<row r="1"><c r="A1048576"><v>1</v></c></row>', "more than 100 rows"),
        ("<x:c xmlns:x='y' r='A1048576'/>", "more than 100 rows"),
        ("<row/>" * 101, "more than 100 rows"),
        (f"<row>{'<c/>' * 201}</row>", "more than 200 columns"),
        ('<row r="&#49;048576"/>', "more than 100 rows"),
        ('<row r="one"/>', "no readable"),
        ('<row r="1"><c r="1A"/></row>', "no readable"),
        ("<row>", "no readable"),
        ('<row r="1"><c r="C1" t="e"><v>#REF!</v></c></row>', "Cell C1 holds an error"),
    ],
)
def test_a_sheet_that_would_hurt_or_mislead_is_refused(cells: str, told: str) -> None:
    assert told in refusal(a_sheet(cells))


@pytest.mark.parametrize(
    "before",
    [
        '<!DOCTYPE a [<!ENTITY b "c">]>',
        f'{DECLARATION}<!DOCTYPE worksheet SYSTEM "file:///etc/passwd">',
        '<?xml version="1.0" encoding="cp037"?>',
    ],
)
def test_entities_and_odd_encodings_are_refused(before: str) -> None:
    assert "no readable" in refusal(a_sheet("", before))


def test_a_part_that_is_there_twice_is_refused() -> None:
    target = io.BytesIO(a_file())
    with zipfile.ZipFile(target, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr(SHEET, "<worksheet/>")
    assert "no readable" in refusal(target.getvalue())


GOOD = a_file(("甲", 12.5, "x"), ("乙", "=1+1", None))


@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.data())
def test_any_damage_is_a_refusal_or_a_reading(data: st.DataObject) -> None:
    with zipfile.ZipFile(io.BytesIO(GOOD)) as archive:
        part = data.draw(st.sampled_from([name for name in archive.namelist() if name.startswith("xl/")]))
        content = bytearray(archive.read(part))
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(content) - 1))
        end = data.draw(st.integers(start, min(len(content), start + 20)))
        content[start:end] = data.draw(
            st.binary(max_size=4) | st.sampled_from([b"999999999", b"-1", b"<c", b'"', b">"])
        )
    with suppress(SpreadsheetInvalid):
        read(with_part(part, bytes(content), GOOD))


@settings(max_examples=200, deadline=None)
@given(st.integers(0, len(GOOD) - 1), st.binary(min_size=1, max_size=4))
def test_any_damaged_byte_is_a_refusal_or_a_reading(place: int, change: bytes) -> None:
    with suppress(SpreadsheetInvalid):
        read(GOOD[:place] + change + GOOD[place + len(change) :])


# Writing

texts = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=20)


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(
            texts, st.integers(-(10**15) + 1, 10**15 - 1) | st.booleans(), st.none() | st.dates(date(1901, 1, 1))
        ),
        max_size=5,
    )
)
def test_what_is_written_reads_back(rows: list[tuple[str, int, date | None]]) -> None:
    expected = [
        {
            field: value
            for field, value in zip(COLUMNS.values(), (text.strip() or None, number, day), strict=True)
            if value is not None
        }
        for text, number, day in rows
    ]
    assert [dict(row.values) for row in read(a_file(*rows))] == expected


@pytest.mark.parametrize(
    "text", ["=1+1", "+86", "-1", "@SUM(A1)", "\t=1", "\r=1", "=HYPERLINK('x')", "{=1}", "http://a.b"]
)
def test_no_text_becomes_a_formula_or_a_link(text: str) -> None:
    data = a_file((text, 1, None))

    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        sheet = archive.read(SHEET).decode()
        styles = archive.read("xl/styles.xml").decode()
    assert "<f" not in sheet
    assert "hyperlink" not in sheet
    assert 't="inlineStr"' in sheet
    if text[0] in "=+-@\t\r":
        assert re.search(r'r="A2" s="[1-9]', sheet)
        assert 'quotePrefix="1"' in styles


def test_values_of_every_kind() -> None:
    moment = datetime(2026, 11, 24, 16, 30, tzinfo=UTC)
    data = write_rows(["a", "b", "c", "d", "e"], [[moment, Decimal("5.5"), 10**15, Month(2026, 11), "长" * 40_000]])

    (row,) = read(data, {heading: heading for heading in "abcde"})

    assert row.values == {
        "a": datetime(2026, 11, 25, 0, 30),  # noqa: DTZ001 - Excel knows no zones; this is Shanghai's
        "b": 5.5,
        "c": "1000000000000000",
        "d": "2026-11",
        "e": "长" * 32_767,
    }


def test_more_rows_than_a_sheet_holds_are_refused() -> None:
    with pytest.raises(ValueError, match="1048576 rows"):
        write_rows(["a"], ([] for _ in range(1_048_576)))
