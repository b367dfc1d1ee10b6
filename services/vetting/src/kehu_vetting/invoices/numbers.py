"""How invoices are numbered, by kind (R3.2.3): what a number looks like, and that it counts once."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from kehu.contracts.trade import InvoiceKind
from kehu.errors import Invalid
from kehu.event_store import Claim
from kehu_vetting.invoices.policy import Invoicing

#: A number, as `Numbers.values` writes it, belongs to one invoice for ever, also when that is void.
NUMBER_SCOPE = "invoice-number"

_CODE = re.compile(r"[0-9]{10}|[0-9]{12}")
_NUMBER = re.compile(r"[0-9]{8}")
_DIGITAL = re.compile(r"[0-9]{20}")
_ELECTRONIC_LENGTH = 12
#: How a code of 12 digits ends for the older electronic invoices: ordinary, tolls, special.
_ELECTRONIC_ENDS = ("11", "12", "13")


@dataclass(frozen=True, slots=True)
class Numbers:
    """The kind of an invoice and its numbers, as they were typed (half-width digits)."""

    kind: InvoiceKind
    code: str | None = None
    number: str | None = None
    digital_number: str | None = None

    @property
    def values(self) -> tuple[str, ...]:
        """What counts once: code and number, and the 20 digits."""
        paper = (f"{self.code}-{self.number}",) if self.code and self.number else ()
        return (*paper, *((self.digital_number,) if self.digital_number else ()))

    def electronic(self, *, special: bool) -> bool:
        """Whether it is of the older electronic form, with 12 digits and 8: nothing on paper, so never void."""
        if self.kind is not InvoiceKind.PAPER or self.code is None or len(self.code) != _ELECTRONIC_LENGTH:
            return False
        return special or self.code.endswith(_ELECTRONIC_ENDS)

    def claims(self, holder: str) -> list[Claim]:
        """What refuses a second invoice of the same number."""
        return [Claim(NUMBER_SCOPE, value, holder=holder) for value in self.values]


def check_numbers(numbers: Numbers, issued_on: date, policy: Invoicing) -> None:
    """Refuse numbers that no invoice of this kind and day can have.

    Raises:
        Invalid: `invoice-number`; `errors` names each field, what it should be, and what it is.

    """
    wrong = list(_wrong(numbers, issued_on, policy))
    if wrong:
        raise Invalid(
            f"发票代码或号码有 {len(wrong)} 处不符,请对照发票按 errors 改正。",
            f"{len(wrong)} things about the invoice's numbers are wrong: compare them with the invoice, see errors[].",
            clause="R3.2.3",
            code="invoice-number",
            errors=[{"field": f"body.{field}", "code": code, "detail": f"{zh} {en}"} for field, code, zh, en in wrong],
        )


_Wrong = tuple[str, str, str, str]
_NOT_OF_THIS_KIND = ("not-of-this-kind", "此种发票没有此项,请留空或改选种类。", "This kind has none: leave it out.")


def _wrong(numbers: Numbers, issued_on: date, policy: Invoicing) -> Iterator[_Wrong]:
    if numbers.kind is InvoiceKind.DIGITAL:
        yield from ((field, *_NOT_OF_THIS_KIND) for field in ("code", "number") if getattr(numbers, field) is not None)
    else:
        # Digital-on-paper is printed on the forms of paper invoices, whose codes have 10 digits or 12.
        if not _CODE.fullmatch(numbers.code or ""):
            yield "code", "invoice-code", "发票代码应为 10 位或 12 位数字。", "The code has 10 digits or 12."
        if not _NUMBER.fullmatch(numbers.number or ""):
            yield "number", "invoice-number", "发票号码应为 8 位数字。", "The number has 8 digits."
    if numbers.kind is not InvoiceKind.PAPER:
        yield from _wrong_digital(numbers.digital_number or "", issued_on, policy)
    elif numbers.digital_number is not None:
        yield ("digital_number", *_NOT_OF_THIS_KIND)


def _wrong_digital(number: str, issued_on: date, policy: Invoicing) -> Iterator[_Wrong]:
    """Year 2, province 2, channel 1, sequence 15."""
    field = "digital_number"
    if not _DIGITAL.fullmatch(number):
        yield field, "digital-number", "数电票号码应为 20 位数字。", "It has 20 digits."
        return
    year = f"{issued_on.year % 100:02}"
    if number[:2] != year:
        yield (
            field,
            "digital-number-year",
            f"第 1–2 位“{number[:2]}”应为开票年份“{year}”。",
            f"Its first two digits {number[:2]} should be the year of issue, {year}.",
        )
    if number[2:4] not in policy.province_codes:
        yield (
            field,
            "digital-number-province",
            f"第 3–4 位“{number[2:4]}”不是省级税务机关的代码。",
            f"Its third and fourth digits {number[2:4]} are no province's.",
        )
    if not number[5:].strip("0"):
        yield field, "digital-number-sequence", "顺序号不能全为零。", "Its sequence is all zeros."
