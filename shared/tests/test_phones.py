"""One phone has one form, however it was written."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from kehu.phones import Phone, PhoneKind, phone_kind

PHONE: TypeAdapter[str] = TypeAdapter(Phone)


@pytest.mark.parametrize(
    ("typed", "kept", "kind"),
    [
        ("13800138000", "+8613800138000", PhoneKind.MOBILE),
        ("１３８ ００１３ ８０００", "+8613800138000", PhoneKind.MOBILE),
        ("+86 138-0013-8000", "+8613800138000", PhoneKind.MOBILE),
        ("010-62345678", "+861062345678", PhoneKind.LANDLINE),
        ("（0755）8888 8888", "+8675588888888", PhoneKind.LANDLINE),
        ("86-10-62345678", "+861062345678", PhoneKind.LANDLINE),
        ("0571-87654321转801", "+8657187654321;ext=801", PhoneKind.LANDLINE),
        ("010-62345678 分机 801", "+861062345678;ext=801", PhoneKind.LANDLINE),
        ("010-62345678 ext. 801", "+861062345678;ext=801", PhoneKind.LANDLINE),
        ("010-62345678-801", "+861062345678;ext=801", PhoneKind.LANDLINE),
        ("(010)62345678-801", "+861062345678;ext=801", PhoneKind.LANDLINE),
        ("400-812-3456", "4008123456", PhoneKind.SERVICE),
        ("４００８１２３４５６", "4008123456", PhoneKind.SERVICE),
        ("+86 400 812 3456", "4008123456", PhoneKind.SERVICE),
        ("400-812-3456转2", "4008123456;ext=2", PhoneKind.SERVICE),
        ("800 810 1234", "8008101234", PhoneKind.SERVICE),
        ("+852 2345 6789", "+85223456789", PhoneKind.FOREIGN),
        ("0085223456789", "+85223456789", PhoneKind.FOREIGN),
    ],
)
def test_one_form(typed: str, kept: str, kind: PhoneKind) -> None:
    assert PHONE.validate_python(typed) == kept
    assert PHONE.validate_python(kept) == kept
    assert phone_kind(kept) is kind


@pytest.mark.parametrize(
    ("typed", "code"),
    [
        ("62345678", "phone_area_code"),
        ("1380013800", "phone_unknown"),
        ("95588", "phone_unknown"),
        ("+999 123456", "phone_format"),
        ("1-800-FLOWERS", "phone_format"),
        ("电话见名片", "phone_format"),
        ("", "phone_format"),
        ("0", "phone_format"),
        ("13800138000\x00", "phone_format"),
        ("\u202d13800138000\u202c", "phone_format"),
        ("1" * 1_000_000, "phone_format"),
        (13800138000, "string_type"),
    ],
)
def test_what_is_wrong_is_named(typed: Any, code: str) -> None:
    with pytest.raises(ValidationError) as refused:
        PHONE.validate_python(typed)
    assert refused.value.errors()[0]["type"] == code


@given(st.text("0123456789+-() 转#;ext=.０１", max_size=25) | st.from_regex(r"\+?(86)?0?1[3-9]\d{9}", fullmatch=True))
def test_whatever_is_taken_is_stable(typed: str) -> None:
    try:
        kept = PHONE.validate_python(typed)
    except ValidationError:
        return
    assert PHONE.validate_python(kept) == kept
    assert phone_kind(kept) in PhoneKind


def test_mobiles_as_they_are_written_most_are_what_they_are_with_their_country_code() -> None:
    """Guard of the short way: it takes what the long way takes, in every range, and nothing else."""

    def parsed(written: str) -> str:
        try:
            return PHONE.validate_python(written)
        except ValidationError as refused:
            return refused.errors()[0]["type"]

    for start in range(10_000, 20_000):
        number = f"{start}345678"
        assert parsed(number) == parsed(f"+86 {number}")
