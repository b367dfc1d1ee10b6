"""Which of the two languages somebody reads: Chinese, unless they ask for English."""

from __future__ import annotations

from typing import Literal

Language = Literal["zh", "en"]

#: More entries than any browser sends; the rest of an oversized header is not looked at.
_MOST_ENTRIES = 20


def preferred_language(accept_language: str | None) -> Language:
    """Choose by an ``Accept-Language`` header: the highest quality wins, the first of equals; else Chinese."""
    best: Language = "zh"
    best_quality = 0.0
    for entry in (accept_language or "").split(",")[:_MOST_ENTRIES]:
        tag, _, parameter = entry.strip().partition(";")
        language = _language(tag.strip().lower())
        quality = _quality(parameter)
        if language and quality > best_quality:
            best, best_quality = language, quality
    return best


def _language(tag: str) -> Language | None:
    primary = tag.partition("-")[0]
    if primary in ("zh", "*"):
        return "zh"
    return "en" if primary == "en" else None


def _quality(parameter: str) -> float:
    name, _, value = parameter.strip().partition("=")
    if name.strip() != "q":
        return 1.0
    try:
        return float(value)
    except ValueError:
        return 0.0
