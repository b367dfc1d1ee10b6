"""Amounts of invoices: how the tax of a line follows from its gross amount, and what lines add up to (R3.2.3).

The rule of rounding: ``tax = gross x rate / (100 + rate)``, to the fen, halves away from zero, line by line; ``net =
gross - tax``; an invoice's sums are the sums of its lines. Nothing is tolerated beside it. Orders and receipts are
amounts with tax, and only from the gross amount can every one of them be invoiced to the fen: at 13 % no net amount
leads to exactly 1.00 yuan by ``tax = net x rate``. Whoever rounds that way gets the same tax by this rule (tests).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

from kehu.contracts.trade import InvoiceLine
from kehu.errors import Invalid
from kehu.money import MOST_FEN

_SCALE = 100  # rates have two decimals at most


class Amounts(NamedTuple):
    """What lines come to, in fen."""

    net: int = 0
    tax: int = 0
    gross: int = 0

    def plus(self, other: Amounts) -> Amounts:
        """Both together."""
        return Amounts(self.net + other.net, self.tax + other.tax, self.gross + other.gross)

    def minus(self, other: Amounts) -> Amounts:
        """What is left of this after the other."""
        return Amounts(self.net - other.net, self.tax - other.tax, self.gross - other.gross)

    def negated(self) -> Amounts:
        """As a red letter writes it."""
        return Amounts(-self.net, -self.tax, -self.gross)


class Goods(NamedTuple):
    """By what lines are held against each other: the same goods at the same rate."""

    item: str
    unit: str
    rate: Decimal


@dataclass(frozen=True, slots=True)
class TypedLine:
    """A line as it was typed; net and tax may be left out, then they follow from the gross amount."""

    item: str
    rate_percent: Decimal
    gross_fen: int
    unit: str = ""
    quantity: Decimal | None = None
    net_fen: int | None = None
    tax_fen: int | None = None


def tax_of(gross_fen: int, rate_percent: Decimal) -> int:
    """The tax that is in a gross amount, in fen; halves are rounded away from zero."""
    rate = int(rate_percent * _SCALE)
    whole = 100 * _SCALE + rate
    tax = (2 * abs(gross_fen) * rate + whole) // (2 * whole)
    return tax if gross_fen >= 0 else -tax


def plain(number: Decimal) -> Decimal:
    """A decimal in one way of writing: 13.00 and 13 are the same in a digest too."""
    return Decimal(format(number.normalize(), "f"))


def worked_out(lines: Iterable[TypedLine], rates: Sequence[Decimal], *, exempt: frozenset[Goods]) -> list[InvoiceLine]:
    """The lines with their amounts.

    Args:
        lines: as typed, each of one sign.
        rates: that may stand on an invoice of this day.
        exempt: goods whose lines take exactly the rest of an invoice: theirs is what is left, not what the rule says.

    Raises:
        Invalid: `invoice-lines`; `errors` names every line and field that does not hold, and what it should be.

    """
    wrong: list[dict[str, str]] = []
    found: list[InvoiceLine] = []
    for place, line in enumerate(lines):
        rate = plain(line.rate_percent)
        if rate not in rates:
            known = ", ".join(f"{plain(one)}%" for one in rates)
            wrong.append(
                _wrong(place, "rate_percent", "rate", f"税率应为 {known} 之一。", f"The rate is one of {known}.")
            )
        ruled = tax_of(line.gross_fen, rate)
        tax = _first(line.tax_fen, None if line.net_fen is None else line.gross_fen - line.net_fen, ruled)
        net = _first(line.net_fen, line.gross_fen - tax)
        if net + tax != line.gross_fen:
            wrong.append(
                _wrong(
                    place,
                    "gross_fen",
                    "gross",
                    f"价税合计应等于金额加税额:{net} + {tax} = {net + tax} 分。",
                    f"Gross is net and tax: {net} + {tax} = {net + tax} fen.",
                )
            )
        elif tax != ruled and Goods(line.item, line.unit, rate) not in exempt:
            wrong.append(
                _wrong(
                    place,
                    "tax_fen",
                    "tax",
                    f"税额应为 {ruled} 分(价税合计 × 税率 ÷ (100 + 税率),四舍五入到分)。",
                    f"The tax is {ruled} fen: gross x rate / (100 + rate), rounded half up to the fen.",
                )
            )
        found.append(
            InvoiceLine(
                item=line.item,
                unit=line.unit,
                quantity=None if line.quantity is None else plain(line.quantity),
                rate_percent=rate,
                net_fen=net,
                tax_fen=tax,
                gross_fen=line.gross_fen,
            )
        )
    if not wrong and any(abs(amount) > MOST_FEN for amount in total(found)):
        wrong.append(_wrong(0, "gross_fen", "fen_range", "合计超出范围。", "The total is out of range."))
    if wrong:
        raise Invalid(
            f"发票明细有 {len(wrong)} 处不符,请按 errors 改正。",
            f"{len(wrong)} things about the lines do not hold: mend what errors[] names.",
            clause="R3.2.3",
            code="invoice-lines",
            errors=wrong,
        )
    return found


def total(lines: Iterable[InvoiceLine]) -> Amounts:
    """What lines add up to."""
    sums = Amounts()
    for line in lines:
        sums = sums.plus(Amounts(line.net_fen, line.tax_fen, line.gross_fen))
    return sums


def by_goods(lines: Iterable[InvoiceLine]) -> Mapping[Goods, Amounts]:
    """What lines come to, by goods and rate."""
    found: dict[Goods, Amounts] = {}
    for line in lines:
        goods = Goods(line.item, line.unit, plain(line.rate_percent))
        found[goods] = found.get(goods, Amounts()).plus(Amounts(line.net_fen, line.tax_fen, line.gross_fen))
    return found


def _first(*given: int | None) -> int:
    return next(one for one in given if one is not None)


def _wrong(place: int, field: str, code: str, zh: str, en: str) -> dict[str, str]:
    return {"field": f"body.lines.{place}.{field}", "code": code, "detail": f"{zh} {en}"}
