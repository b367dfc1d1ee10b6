"""Typed text arrives in one form, without characters that deceive."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from kehu.text import Line, Paragraph, company_key, normalise

LINE: TypeAdapter[str] = TypeAdapter(Line)
PARAGRAPH: TypeAdapter[str] = TypeAdapter(Paragraph)


def refusal(adapter: TypeAdapter[str], text: Any) -> str:
    with pytest.raises(ValidationError) as refused:
        adapter.validate_python(text)
    return refused.value.errors()[0]["type"]


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("  北京　示例 公司 ", "北京 示例 公司"),
        ("ＡＢＣ（北京）有限公司", "ABC(北京)有限公司"),
        ("\ufeff示例\u200b公司", "示例公司"),
        ("e\u0301", "é"),
        ("𬭎𫟼", "𬭎𫟼"),
        ("\U00031350", "\U00031350"),
        ("字" * 200, "字" * 200),
    ],
)
def test_a_line_is_normalised(typed: str, kept: str) -> None:
    assert LINE.validate_python(typed) == kept


@pytest.mark.parametrize(
    ("typed", "code"),
    [
        ("", "text_blank"),
        (" 　\u200b", "text_blank"),
        ("a\x00b", "text_control"),
        ("a\x1bb", "text_control"),
        ("a\nb", "text_control"),
        ("a\tb", "text_control"),
        ("a\u2028b", "text_control"),
        ("\u202dabc\u202c", "text_control"),
        ("a\u2066b", "text_control"),
        ("a\u200fb", "text_control"),
        ("a\U000e0041", "text_control"),
        ("字" * 201, "text_long"),
        ("\u0327\u0301" * 500_000, "text_long"),
        (7, "string_type"),
    ],
)
def test_a_line_is_refused(typed: Any, code: str) -> None:
    assert refusal(LINE, typed) == code


def test_a_refusal_names_the_character_in_both_languages() -> None:
    with pytest.raises(ValidationError, match=r"U\+202E.*第 2 个字符.*Character 2.*U\+202E"):
        LINE.validate_python("a\u202eb")


def test_a_paragraph_keeps_its_punctuation_and_its_lines() -> None:
    assert PARAGRAPH.validate_python(" 需求，如下：\r\n一\u2028二\t三\n") == "需求，如下：\n一\n二\t三"
    assert PARAGRAPH.validate_python("") == ""


@pytest.mark.parametrize(
    ("typed", "code"), [("a\x00", "text_control"), ("a\u202eb", "text_control"), ("字" * 4001, "text_long")]
)
def test_a_paragraph_is_refused(typed: str, code: str) -> None:
    assert refusal(PARAGRAPH, typed) == code


@given(st.text(max_size=300))
def test_what_was_taken_is_taken_unchanged_again(typed: str) -> None:
    for adapter in (LINE, PARAGRAPH):
        try:
            kept = adapter.validate_python(typed)
        except ValidationError:
            continue
        assert adapter.validate_python(kept) == kept


@given(st.text(max_size=100))
def test_normalising_and_the_key_settle_at_once(typed: str) -> None:
    assert normalise(normalise(typed)) == normalise(typed)
    assert company_key(company_key(typed)) == company_key(typed) == company_key(normalise(typed))


def test_one_company_however_it_is_written() -> None:
    keys = {
        company_key(name)
        for name in (
            "上海（示例）ABC有限责任公司",
            "上海(示例)ＡＢＣ有限公司",
            "上海【示例】abc 有限公司",
            " 上海示例ABC有限公司",
        )
    }
    assert keys == {"上海示例abc有限公司"}


def test_other_companies_stay_apart() -> None:
    assert company_key("示例股份有限公司") != company_key("示例有限公司")
    assert company_key("示例一有限公司") != company_key("示例二有限公司")
