"""Phone numbers as people write them in China, in one stable form: mobile, landline with area code, 400 and 800."""

import re
from enum import StrEnum
from typing import Annotated

import phonenumbers
from phonenumbers import NumberParseException, PhoneMetadata, PhoneNumberFormat, PhoneNumberType
from pydantic import AfterValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from kehu.text import normalise

_REGION = "CN"
_COUNTRY_CODE = 86
_RAW_LENGTH = 60  # a number with country code, brackets and extension takes half of it
# Letters would be read as keys (1-800-FLOWERS), which nobody means here.
_WRITTEN = re.compile(r"[\d+()\-–—./ ]+(?:;ext=\d{1,7})?", re.ASCII)
_EXTENSION = re.compile(r"\s*(?:转|分机|#|;?ext[.=:]?)\s*(?:[号:]\s*)?(\d{1,7})$", re.IGNORECASE)
# A landline's extension after a dash, as on many a name card: 010-62345678-801.
_DASHED_EXTENSION = re.compile(r"(\(?0\d{2,3}\)?[- ]?\d{7,8})-(\d{1,6})", re.ASCII)
# Reachable inside China only, so they have no E.164 form; the ten digits are what is dialled.
_SERVICE = re.compile(r"[48]00\d{7}", re.ASCII)
_WITHOUT_AREA_CODE = re.compile(r"[2-9]\d{6,7}", re.ASCII)


def _mobiles() -> re.Pattern[str]:
    """The library's own pattern of mainland mobiles, as they are written most: eleven digits and nothing else."""
    metadata = PhoneMetadata.metadata_for_region(_REGION)
    if metadata is None or metadata.mobile is None or metadata.mobile.national_number_pattern is None:
        raise RuntimeError("phonenumbers knows no mobiles of the mainland.")
    return re.compile(metadata.mobile.national_number_pattern, re.ASCII)


_MOBILE = _mobiles()


class PhoneKind(StrEnum):
    """What a phone can be used for: only a mainland mobile takes an SMS."""

    MOBILE = "mobile"
    LANDLINE = "landline"
    SERVICE = "service"  # 400 and 800
    FOREIGN = "foreign"


def parse_phone(text: str) -> str:
    """Return the stable form of a phone number: E.164, or the ten digits of a 400 or 800 number.

    An extension ("转801", "ext. 801") follows as ``;ext=801``. A number without country code is a Chinese one.

    Raises:
        PydanticCustomError: `phone_format`, `phone_area_code` (a landline lacks it) or `phone_unknown` (no such range).
    """
    if _MOBILE.fullmatch(text):  # most of them, and a fiftieth of the time
        return f"+{_COUNTRY_CODE}{text}"
    written = _written(text)
    if not _WRITTEN.fullmatch(written):
        raise _malformed()
    try:
        number = phonenumbers.parse(written, _REGION)
    except NumberParseException as exception:
        raise _malformed() from exception
    national = phonenumbers.national_significant_number(number)
    extension = f";ext={number.extension}" if number.extension else ""
    if number.country_code == _COUNTRY_CODE and _SERVICE.fullmatch(national):
        return national + extension
    if not phonenumbers.is_valid_number(number):
        raise _without_area_code() if _WITHOUT_AREA_CODE.fullmatch(national) else _unknown()
    return phonenumbers.format_number(number, PhoneNumberFormat.E164) + extension


def phone_kind(phone: str) -> PhoneKind:
    """Return the kind of a phone in its stable form."""
    number = phonenumbers.parse(phone, _REGION)
    if number.country_code != _COUNTRY_CODE:
        return PhoneKind.FOREIGN
    if _SERVICE.fullmatch(phone.partition(";")[0]):
        return PhoneKind.SERVICE
    mobile = phonenumbers.number_type(number) == PhoneNumberType.MOBILE
    return PhoneKind.MOBILE if mobile else PhoneKind.LANDLINE


def _written(text: str) -> str:
    if len(text) > _RAW_LENGTH:
        return ""
    written = _EXTENSION.sub(r";ext=\1", normalise(text))
    dashed = _DASHED_EXTENSION.fullmatch(written)
    return f"{dashed.group(1)};ext={dashed.group(2)}" if dashed else written


def _malformed() -> PydanticCustomError:
    return PydanticCustomError(
        "phone_format",
        "电话号码格式不正确，请填写如 13800138000、010-62345678、400-812-3456 的号码。"
        "This is no phone number: write it like 13800138000, 010-62345678 or 400-812-3456.",
    )


def _without_area_code() -> PydanticCustomError:
    return PydanticCustomError(
        "phone_area_code",
        "固定电话缺少区号，请填写如 010-62345678。The landline lacks its area code: write it like 010-62345678.",
    )


def _unknown() -> PydanticCustomError:
    return PydanticCustomError(
        "phone_unknown",
        "没有这样的号段，请核对号码；境外号码请以 + 和国家代码开头。"
        "No such number is in use: check it, and begin a foreign one with + and the country code.",
    )


Phone = Annotated[
    str,
    AfterValidator(parse_phone),
    WithJsonSchema({"type": "string", "examples": ["13800138000", "010-62345678", "400-812-3456"]}),
]
"""A phone number in its stable form."""
