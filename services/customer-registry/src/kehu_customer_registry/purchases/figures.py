"""How a quarter compares: exact arithmetic, rounded once, to a tenth of a percent, half away from zero."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

#: Shown where there is nothing to compare with.
NOTHING = "—"
_TENTHS = 10
_HUNDRED = 100


def change(now: int | Decimal, before: int | Decimal) -> str:
    """By how much a figure differs from an earlier one, such as ``+12.5%``; ``—`` where that was zero (R4.5.2).

    Of a negative one (more came back than was shipped) it is the part of its absolute value.
    """
    if not before:
        return NOTHING
    ratio = (Fraction(now) - Fraction(before)) * _HUNDRED * _TENTHS / abs(Fraction(before))
    tenths = (abs(ratio) + Fraction(1, 2)).__floor__()
    sign = "-" if ratio < 0 and tenths else "+" if tenths else ""
    return f"{sign}{tenths // _TENTHS}.{tenths % _TENTHS}%"


def plain(quantity: Decimal) -> str:
    """A quantity as people write it: without an exponent, and without zeros at the end."""
    text = format(quantity, "f")
    return (text.rstrip("0").rstrip(".") if "." in text else text) or "0"
