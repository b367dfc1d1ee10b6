"""Identity numbers are taken in any reasonable spelling and refused at the slightest error."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from kehu.identifiers import (
    IndividualBusinessNumber,
    Uscc,
    individual_business_check_digit,
    organisation_code_warning,
    uscc_check_digit,
)

USCC: TypeAdapter[str] = TypeAdapter(Uscc)
INDIVIDUAL: TypeAdapter[str] = TypeAdapter(IndividualBusinessNumber)
ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
KNOWN = ["91110000600037341L", "9144030071526726XG", "91440300708461136T", "92330106MA2CEX7TXM"]


@st.composite
def usccs(draw: st.DrawFn) -> str:
    authority = draw(st.sampled_from("123456789ANY")) + draw(st.sampled_from(ALPHABET))
    region = draw(st.text("0123456789", min_size=6, max_size=6))
    body = authority + region + draw(st.text(ALPHABET, min_size=9, max_size=9))
    return body + uscc_check_digit(body)


def refusal(adapter: TypeAdapter[str], text: Any) -> str:
    with pytest.raises(ValidationError) as refused:
        adapter.validate_python(text)
    return refused.value.errors()[0]["type"]


@pytest.mark.parametrize("code", KNOWN)
def test_known_codes_are_valid_down_to_the_organisation_code(code: str) -> None:
    assert USCC.validate_python(code) == code
    assert organisation_code_warning(code) is None


@given(usccs())
def test_every_code_with_its_check_digit_is_taken(code: str) -> None:
    assert USCC.validate_python(code) == code


@given(usccs(), st.integers(0, 17), st.sampled_from(ALPHABET))
def test_any_single_character_change_is_refused(code: str, place: int, character: str) -> None:
    if code[place] == character:
        return
    assert refusal(USCC, code[:place] + character + code[place + 1 :]).startswith("uscc_")


@given(usccs(), st.integers(0, 16))
def test_a_swap_of_neighbours_is_refused(code: str, place: int) -> None:
    if code[place] == code[place + 1]:
        return
    assert refusal(USCC, code[:place] + code[place + 1] + code[place] + code[place + 2 :]).startswith("uscc_")


@given(usccs())
def test_full_width_small_letters_and_separators_are_folded(code: str) -> None:
    wide = "".join(chr(ord(character) + 0xFEE0) for character in code)
    assert USCC.validate_python(wide) == code
    assert USCC.validate_python(f" {code[:6].lower()} {code[6:12].lower()}-{code[12:]}　") == code


@pytest.mark.parametrize(
    ("typed", "code"),
    [
        ("9111000060003734", "uscc_length"),
        ("", "uscc_length"),
        ("9" * 1_000_000, "identity_long"),
        ("91110000600037341I", "uscc_characters"),
        ("9111000060003734\x001", "uscc_characters"),
        ("B1110000600037341L", "uscc_authority"),
        ("91A10000600037341L", "uscc_region"),
        ("91110000600037341M", "uscc_check_digit"),
        (91110000600037341, "string_type"),
    ],
)
def test_what_is_wrong_is_named(typed: Any, code: str) -> None:
    assert refusal(USCC, typed) == code


@given(st.text(max_size=30))
def test_no_text_is_more_than_refused(typed: str) -> None:
    for adapter in (USCC, INDIVIDUAL):
        try:
            adapter.validate_python(typed)
        except ValidationError:
            continue


@pytest.mark.parametrize("authority", ["A1", "N2", "Y1"])
def test_the_newer_authorities_are_taken(authority: str) -> None:
    body = authority + "330106" + "MA2CEX7TX"
    assert USCC.validate_python(body + uscc_check_digit(body))


def test_a_wrong_organisation_code_warns_in_both_languages_and_is_not_refused() -> None:
    body = "91110000" + "600037342"
    code = USCC.validate_python(body + uscc_check_digit(body))

    warning = organisation_code_warning(code)

    assert warning is not None
    assert "应为 1，现为 2" in warning
    assert "end in 1, not 2" in warning


def test_a_known_individual_number_is_taken() -> None:
    # 110108000000016 is the worked example that circulates with GS15-2006.
    assert INDIVIDUAL.validate_python("110108000000016") == "110108000000016"
    assert INDIVIDUAL.validate_python("１１０１０８　０００００００１６") == "110108000000016"


@given(st.text("0123456789", min_size=14, max_size=14), st.integers(0, 14), st.sampled_from("0123456789"))
def test_any_single_digit_change_of_an_individual_number_is_refused(body: str, place: int, digit: str) -> None:
    number = body + individual_business_check_digit(body)
    assert INDIVIDUAL.validate_python(number) == number
    if number[place] != digit:
        changed = number[:place] + digit + number[place + 1 :]
        assert refusal(INDIVIDUAL, changed) == "individual_number_check_digit"


@pytest.mark.parametrize("typed", ["11010800000001", "91110000600037341L", "11010800000001X", "١١٠١٠٨٠٠٠٠٠٠٠١٦"])
def test_an_individual_number_is_15_digits(typed: str) -> None:
    assert refusal(INDIVIDUAL, typed) == "individual_number_format"
