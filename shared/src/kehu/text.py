"""Text that people type: normalised, free of characters that deceive, and a key to find the same company twice.

The platform's value types all report a `PydanticCustomError` with a stable code and one sentence in Chinese and one in
English, so that the same refusal reads alike from the API, an import and a test.
"""

import re
import unicodedata
from typing import Annotated

from pydantic import AfterValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

LINE_LENGTH = 200
PARAGRAPH_LENGTH = 4000

# Decomposed input is longer than what it normalises to, at most fourfold in practice. Beyond that it is refused unread:
# normalising a run of combining marks takes quadratic time.
_RAW_PER_NORMALISED = 4

# What a paste from Excel or a chat brings along unseen; dropping it changes nothing that anybody can see.
_INVISIBLE = dict.fromkeys(map(ord, "\u00ad\u200b\u2060\ufeff"))
_LINE_BREAKS = re.compile(r"\r\n?|\u2028|\u2029|\x85")
# C0 and C1 controls, bidirectional controls, interlinear annotations, lone surrogates, tag characters. Not whole
# Unicode categories: rare characters of names are still unassigned (or private) in the tables of this Python.
_DECEPTIVE = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e007f]"
)
_BLANKS = re.compile(r" {2,}")

_BRACKETS_AND_SPACES = re.compile(r"[\s()\[\]{}<>〈〉《》「」『』【】〔〕〖〗]")


def normalise(text: str) -> str:
    """Return `text` in NFKC (full-width becomes half-width), without invisible characters and surplus spaces."""
    visible = unicodedata.normalize("NFKC", text.translate(_INVISIBLE))
    return _BLANKS.sub(" ", visible).strip(" \t\r\n")


def company_key(name: str) -> str:
    """Return the key under which names of one company meet (R4, duplicates): it is for search, never for show.

    Full-width and half-width, upper and lower case, 有限责任公司 and 有限公司, brackets (their content stays)
    and spaces make no difference. 股份有限公司 is another kind of company and stays apart.
    """
    folded = unicodedata.normalize("NFKC", normalise(name).casefold())
    joined = unicodedata.normalize("NFKC", _BRACKETS_AND_SPACES.sub("", folded))
    return joined.replace("有限责任公司", "有限公司")


def _line(text: str) -> str:
    _refuse_long(text, LINE_LENGTH * _RAW_PER_NORMALISED, LINE_LENGTH)
    line = normalise(text)
    if not line:
        raise PydanticCustomError("text_blank", "不能为空，请填写。This must not be blank: fill it in.")
    _refuse_deceptive(line)
    _refuse_long(line, LINE_LENGTH, LINE_LENGTH)
    return line


def _paragraph(text: str) -> str:
    _refuse_long(text, PARAGRAPH_LENGTH * _RAW_PER_NORMALISED, PARAGRAPH_LENGTH)
    # NFC, not NFKC: running Chinese text keeps its full-width commas.
    paragraph = unicodedata.normalize("NFC", _LINE_BREAKS.sub("\n", text).translate(_INVISIBLE)).strip(" \t\n\u3000")
    _refuse_deceptive(paragraph.replace("\n", "").replace("\t", ""))
    _refuse_long(paragraph, PARAGRAPH_LENGTH, PARAGRAPH_LENGTH)
    return paragraph


def _refuse_deceptive(text: str) -> None:
    found = _DECEPTIVE.search(text)
    if found:
        raise PydanticCustomError(
            "text_control",
            "含有不可见的控制字符 {character}（第 {place} 个字符），请删除后重试。"
            "Character {place} is the control character {character}: remove it and try again.",
            {"character": f"U+{ord(found.group()):04X}", "place": found.start() + 1},
        )


def _refuse_long(text: str, limit: int, told: int) -> None:
    if len(text) > limit:
        raise PydanticCustomError(
            "text_long",
            "最多 {limit} 个字符，现有 {length} 个，请缩短。At most {limit} characters, not {length}: shorten it.",
            {"limit": told, "length": len(text)},
        )


Line = Annotated[
    str,
    AfterValidator(_line),
    WithJsonSchema({"type": "string", "minLength": 1, "maxLength": LINE_LENGTH}),
]
"""One line of 1 to 200 characters, in NFKC: names, titles, addresses."""

Paragraph = Annotated[
    str,
    AfterValidator(_paragraph),
    WithJsonSchema({"type": "string", "maxLength": PARAGRAPH_LENGTH}),
]
"""Running text of at most 4000 characters, possibly empty; line breaks are ``\\n``."""
