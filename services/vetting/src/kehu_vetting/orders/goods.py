"""Parts of what was agreed: which quantities may leave or come back, and what they are worth to the fen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from fractions import Fraction

from kehu.contracts.trade import OrderLine
from kehu.errors import Invalid, Refused

CLAUSE = "R3.2.1"
_NOTHING = Decimal(0)


def part_of(
    lines: Sequence[OrderLine], gone: Mapping[str, Decimal], wanted: Mapping[str, Decimal], *, doing: tuple[str, str]
) -> tuple[OrderLine, ...]:
    """The lines of a part, with their values: the parts of a line add up to its amount, whichever way it is split.

    Args:
        lines: what the part is of, each item once.
        gone: the quantities of earlier parts, by item.
        wanted: the quantities of this part, by item.
        doing: what is done with it, in Chinese and English, for refusals.

    Raises:
        Invalid: nothing is wanted, or no quantity above zero.
        Refused: an item is none of these, or there is not so much of it left.

    """
    known = {line.item: line for line in lines}
    if not wanted or any(quantity <= 0 for quantity in wanted.values()):
        raise Invalid(
            f"{doing[0]}须写明货物及大于零的数量。",
            f"Say what is {doing[1]}, with quantities above zero.",
            clause=CLAUSE,
            code="quantity-missing",
        )
    parts: list[OrderLine] = []
    for item, quantity in wanted.items():
        line = known.get(item)
        before = gone.get(item, _NOTHING)
        left = line.quantity - before if line else _NOTHING
        if line is None or quantity > left:
            raise Refused(
                f"{item}:最多还可{doing[0]} {left:f},申报 {quantity:f}。请按订单核对货物与数量。",
                f"{item}: at most {left:f} can still be {doing[1]}, not {quantity:f}. Compare it with the order.",
                clause=CLAUSE,
                code="quantity-exceeded",
                item=item,
                left=f"{left:f}",
            )
        value = _worth(line, before + quantity) - _worth(line, before)
        parts.append(OrderLine(item=item, unit=line.unit, quantity=quantity, amount_fen=value))
    return tuple(parts)


def _worth(line: OrderLine, quantity: Decimal) -> int:
    """What so much of a line is worth, rounded down: all of it is worth its whole amount."""
    return int(line.amount_fen * Fraction(quantity) / Fraction(line.quantity))
