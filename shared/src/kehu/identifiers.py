"""Identity numbers of customers: the unified social credit code, and the older number of individual businesses."""

import re
from typing import Annotated

from pydantic import AfterValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from kehu.text import normalise

# GB 32100-2015: digits and capitals without I, O, S, V, Z, each standing for its place in this list.
_USCC_ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
_USCC_VALUES = {character: value for value, character in enumerate(_USCC_ALPHABET)}
_USCC_WEIGHTS = (1, 3, 9, 27, 19, 26, 16, 17, 20, 29, 25, 13, 8, 24, 10, 30, 28)
_USCC_LENGTH = 18
_USCC_AUTHORITIES = frozenset("123456789ANY")
# GB 11714: eight characters of base 36 and a check character, inside the USCC as characters 9 to 17.
_ORGANISATION_WEIGHTS = (3, 7, 9, 10, 5, 8, 4, 2)
_INDIVIDUAL_LENGTH = 15
_SEPARATORS = re.compile(r"[\s\-‐‑–—]")
# Longer than any number with its separators; what is longer is refused before anything reads it.
_RAW_LENGTH = 100


def parse_uscc(text: str) -> str:
    """Return the 18 characters of a unified social credit code (GB 32100-2015), half-width and in capitals.

    Raises:
        PydanticCustomError: `uscc_length`, `uscc_characters`, `uscc_authority`, `uscc_region` or `uscc_check_digit`.
    """
    code = _compact(text)
    if len(code) != _USCC_LENGTH:
        raise PydanticCustomError(
            "uscc_length",
            "统一社会信用代码应为 18 位，现为 {length} 位，请对照营业执照。"
            "A unified social credit code has 18 characters, not {length}: compare it with the licence.",
            {"length": len(code)},
        )
    strange = next((character for character in code if character not in _USCC_VALUES), None)
    if strange is not None:
        raise PydanticCustomError(
            "uscc_characters",
            "统一社会信用代码不使用字符“{character}”（只用数字和除 I、O、S、V、Z 以外的大写字母），请对照营业执照。"
            "A unified social credit code has no “{character}” (digits, and letters except I, O, S, V, Z): "
            "compare it with the licence.",
            {"character": strange},
        )
    if code[0] not in _USCC_AUTHORITIES:
        raise PydanticCustomError(
            "uscc_authority",
            "统一社会信用代码第 1 位“{character}”不是登记管理部门代码（1–9、A、N、Y），请对照营业执照。"
            "The first character “{character}” is no registration authority (1–9, A, N, Y): compare with the licence.",
            {"character": code[0]},
        )
    if not code[2:8].isdigit():
        raise PydanticCustomError(
            "uscc_region",
            "统一社会信用代码第 3–8 位应为数字（行政区划码），请对照营业执照。"
            "Characters 3 to 8 are the digits of the administrative division: compare them with the licence.",
        )
    if code[-1] != uscc_check_digit(code[:-1]):
        raise PydanticCustomError(
            "uscc_check_digit",
            "统一社会信用代码校验位不符，至少有一位有误，请对照营业执照。"
            "The check digit does not fit, so at least one character is wrong: compare it with the licence.",
        )
    return code


def uscc_check_digit(body: str) -> str:
    """Return the check digit of the first 17 characters of a unified social credit code."""
    total = sum(_USCC_VALUES[character] * weight for character, weight in zip(body, _USCC_WEIGHTS, strict=True))
    return _USCC_ALPHABET[-total % len(_USCC_ALPHABET)]


def organisation_code_warning(uscc: str) -> str | None:
    """Return what to tell when the organisation code inside a valid USCC has a wrong check digit (GB 11714), or None.

    Such codes were issued, so this warns and never refuses.
    """
    body, check = uscc[8:16], uscc[16]
    # Base 36 here: each character of GB 11714 counts by its place among all letters, also those a USCC leaves out.
    total = sum(int(character, 36) * weight for character, weight in zip(body, _ORGANISATION_WEIGHTS, strict=True))
    expected = "0123456789X"[-total % 11]
    if check == expected:
        return None
    return (
        f"第 9–17 位组织机构代码的校验位应为 {expected}，现为 {check}，请对照营业执照确认。"
        f"The organisation code in characters 9 to 17 should end in {expected}, not {check}: confirm with the licence."
    )


def parse_individual_business_number(text: str) -> str:
    """Return the 15 digits of an individual business's registration number (GS15-2006, ISO 7064 MOD 11,10).

    Raises:
        PydanticCustomError: `individual_number_format` or `individual_number_check_digit`.
    """
    number = _compact(text)
    if len(number) != _INDIVIDUAL_LENGTH or not (number.isascii() and number.isdigit()):
        raise PydanticCustomError(
            "individual_number_format",
            "个体工商户注册号应为 15 位数字，请对照营业执照；18 位的请按统一社会信用代码填写。"
            "The number of an individual business has 15 digits: compare it with the licence, "
            "and enter 18 characters as a unified social credit code.",
        )
    if number[-1] != individual_business_check_digit(number[:-1]):
        raise PydanticCustomError(
            "individual_number_check_digit",
            "个体工商户注册号校验位不符，至少有一位有误，请对照营业执照。"
            "The check digit does not fit, so at least one digit is wrong: compare it with the licence.",
        )
    return number


def individual_business_check_digit(body: str) -> str:
    """Return the check digit of the first 14 digits of a registration number, by ISO 7064 MOD 11,10."""
    product = 10
    for digit in body:
        product = ((int(digit) + product) % 10 or 10) * 2 % 11
    return str((11 - product) % 10)


def _compact(text: str) -> str:
    if len(text) > _RAW_LENGTH:
        raise PydanticCustomError(
            "identity_long",
            "号码过长，请只填写号码本身。This is too long for a number: enter the number alone.",
        )
    return _SEPARATORS.sub("", normalise(text)).upper()


Uscc = Annotated[
    str,
    AfterValidator(parse_uscc),
    WithJsonSchema({"type": "string", "examples": ["91110000600037341L"]}),
]
"""A unified social credit code; full-width characters, small letters, spaces and dashes in the input are folded."""

IndividualBusinessNumber = Annotated[
    str,
    AfterValidator(parse_individual_business_number),
    WithJsonSchema({"type": "string", "examples": ["110108600000010"]}),
]
"""The 15-digit number on the licence of an individual business (个体工商户) from before the unified code."""
