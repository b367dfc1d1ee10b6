"""The numbers of R3.2.2 and R3.2.3 that may change without a release."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from kehu.deciding import Context
from kehu.policies import PolicyKind

#: Divisions by GB/T 2260: the province's first two digits, and what cities with a tax bureau of their own are given.
_PROVINCES = (
    *("11", "12", "13", "14", "15", "21", "22", "23", "31", "32", "33", "34", "35", "36", "37", "41", "42", "43"),
    *("44", "45", "46", "50", "51", "52", "53", "54", "61", "62", "63", "64", "65", "91", "92", "93", "94", "95"),
)


class Rate(BaseModel):
    """A rate of VAT in percent and the days on which an invoice may be issued at it, both ends included."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    percent: Annotated[Decimal, Field(ge=0, le=100, max_digits=5, decimal_places=2)]
    valid_from: date
    valid_until: date | None = None
    #: 征收率, of the simplified method.
    levy: bool = False

    def holds_on(self, day: date) -> bool:
        """Whether an invoice of that day may carry it."""
        return self.valid_from <= day and (self.valid_until is None or day <= self.valid_until)


class Invoicing(BaseModel):
    """How invoices are asked for, issued and taken back.

    Args:
        invoice_basis: what may be invoiced of an order: ``shipped`` is the lesser of allocated receipts and shipped
            value (R3.2.3), ``received`` is allocated receipts alone.
        request_days: a request that both have passed may be issued until the end of so many days later.
        confirmation_hours: within so many hours the buyer confirms a red letter of a digital kind.
        lapsing_soon_days: a passed request is shown as lapsing soon from so many days before its last.
        rates: of VAT, with their days.
        province_codes: what may stand in the third and fourth place of a fully digital number.

    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    invoice_basis: Literal["shipped", "received"] = "shipped"
    request_days: Annotated[int, Field(ge=1, le=366)] = 30
    confirmation_hours: Annotated[int, Field(ge=1, le=24 * 31)] = 72
    lapsing_soon_days: Annotated[int, Field(ge=0, le=366)] = 5
    rates: Annotated[tuple[Rate, ...], Field(min_length=1, max_length=100)] = (
        # 13 and 9 took the place of 16 and 10 on 1 April 2019; 6 and 0 stand since the end of business tax.
        Rate(percent=Decimal(13), valid_from=date(2019, 4, 1)),
        Rate(percent=Decimal(9), valid_from=date(2019, 4, 1)),
        Rate(percent=Decimal(6), valid_from=date(2016, 5, 1)),
        Rate(percent=Decimal(0), valid_from=date(2016, 5, 1)),
        Rate(percent=Decimal(3), valid_from=date(2014, 7, 1), levy=True),
        # A relief that ends with 2027 unless it is prolonged: then a new version of this data says so.
        Rate(percent=Decimal(1), valid_from=date(2023, 1, 1), valid_until=date(2027, 12, 31), levy=True),
    )
    province_codes: Annotated[
        tuple[Annotated[str, StringConstraints(pattern=r"^[0-9]{2}$")], ...], Field(min_length=1, max_length=100)
    ] = _PROVINCES

    def rates_on(self, day: date) -> list[Decimal]:
        """The rates at which an invoice of that day may be issued, the highest first."""
        return sorted({rate.percent for rate in self.rates if rate.holds_on(day)}, reverse=True)


INVOICING = PolicyKind(
    name="invoicing",
    model=Invoicing,
    initial=Invoicing(),
    clause="R3.2.3",
    adopters=("finance", "general_manager"),
)


def invoicing(context: Context) -> Invoicing:
    """The version that a decision is made under."""
    found: Invoicing = context.policies[INVOICING.name]
    return found
