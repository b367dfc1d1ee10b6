"""Numbers, rates and amounts of invoices (R3.2.3), without anything around them."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kehu.contracts.trade import InvoiceKind
from kehu.errors import Invalid
from kehu_vetting.invoices.amounts import Amounts, TypedLine, by_goods, plain, tax_of, total, worked_out
from kehu_vetting.invoices.numbers import Numbers, check_numbers
from kehu_vetting.invoices.policy import INVOICING
from kehu_vetting.invoices.testing import digital, line, paper

POLICY = INVOICING.initial
DAY = date(2026, 11, 24)
RATES = [Decimal(percent) for percent in (13, 9, 6, 3, 1, 0)]
RATE = st.sampled_from(RATES)
MOST = 10**13


@pytest.mark.parametrize(
    "numbers",
    [
        paper(12345678),
        paper(1, code="033002600113"),
        digital(1),
        digital(999, province="95"),
        Numbers(InvoiceKind.DIGITAL_ON_PAPER, "3300261130", "00000001", "26332000000000000001"),
    ],
)
def test_numbers_of_every_kind_are_taken(numbers: Numbers) -> None:
    check_numbers(numbers, DAY, POLICY)


@pytest.mark.parametrize(
    ("numbers", "field", "code"),
    [
        (Numbers(InvoiceKind.PAPER, "330026113", "12345678"), "code", "invoice-code"),
        (Numbers(InvoiceKind.PAPER, "33002611301", "12345678"), "code", "invoice-code"),
        (Numbers(InvoiceKind.PAPER, "3300261130", "1234567"), "number", "invoice-number"),
        (Numbers(InvoiceKind.PAPER, "3300261130", None), "number", "invoice-number"),
        (Numbers(InvoiceKind.PAPER, "３３００２６１１３０", "12345678"), "code", "invoice-code"),
        (Numbers(InvoiceKind.PAPER, "3300261130", "1234567\n"), "number", "invoice-number"),
        (Numbers(InvoiceKind.PAPER, "3300261130", "12345678", "1" * 20), "digital_number", "not-of-this-kind"),
        (Numbers(InvoiceKind.DIGITAL, digital_number="2633200000000000001"), "digital_number", "digital-number"),
        (Numbers(InvoiceKind.DIGITAL, digital_number="٢" * 20), "digital_number", "digital-number"),
        (digital(1, year=25), "digital_number", "digital-number-year"),
        (digital(1, province="99"), "digital_number", "digital-number-province"),
        (digital(0), "digital_number", "digital-number-sequence"),
        (Numbers(InvoiceKind.DIGITAL, "3300261130", None, "26332000000000000001"), "code", "not-of-this-kind"),
        (Numbers(InvoiceKind.DIGITAL_ON_PAPER, None, "12345678", "26332000000000000001"), "code", "invoice-code"),
        (Numbers(InvoiceKind.DIGITAL_ON_PAPER, "3300261130", "12345678"), "digital_number", "digital-number"),
    ],
)
def test_a_number_that_no_invoice_has_is_refused_by_field(numbers: Numbers, field: str, code: str) -> None:
    with pytest.raises(Invalid) as refused:
        check_numbers(numbers, DAY, POLICY)
    assert refused.value.clause == "R3.2.3"
    assert (f"body.{field}", code) in [(one["field"], one["code"]) for one in _errors(refused)]


def test_a_digital_number_carries_the_year_of_issue() -> None:
    check_numbers(digital(1, year=25), date(2025, 12, 31), POLICY)


def test_twelve_digits_and_eight_are_the_older_electronic_form() -> None:
    assert paper(1, code="033002600113").electronic(special=True)
    assert not paper(1).electronic(special=True)
    assert paper(1, code="033002600111").electronic(special=False)
    assert not paper(1, code="033002600104").electronic(special=False)


def test_digital_on_paper_counts_once_by_both_its_numbers() -> None:
    numbers = Numbers(InvoiceKind.DIGITAL_ON_PAPER, "3300261130", "00000001", "26332000000000000001")
    assert [claim.value for claim in numbers.claims("x")] == ["3300261130-00000001", "26332000000000000001"]


@pytest.mark.parametrize(
    ("gross", "rate", "tax"),
    [(11_300, 13, 1_300), (100, 13, 12), (50, 13, 6), (1, 13, 0), (10_900, 9, 900), (10_100, 1, 100), (999, 0, 0)],
)
def test_tax_follows_from_the_gross_amount(gross: int, rate: int, tax: int) -> None:
    assert tax_of(gross, Decimal(rate)) == tax
    assert tax_of(-gross, Decimal(rate)) == -tax


def test_halves_are_rounded_away_from_zero() -> None:
    # 100 % makes every odd gross amount a half.
    assert tax_of(1, Decimal(100)) == 1
    assert tax_of(-1, Decimal(100)) == -1


@given(net=st.integers(0, MOST), rate=RATE)
def test_whoever_rounds_from_the_net_amount_gets_the_same_tax(net: int, rate: Decimal) -> None:
    tax = int((net * rate * 2 + 100) // 200)
    assert tax_of(net + tax, rate) == tax


@given(gross=st.integers(-MOST, MOST), rate=RATE)
def test_tax_is_within_half_a_fen_of_what_it_is_exactly(gross: int, rate: Decimal) -> None:
    tax = tax_of(gross, rate)
    whole = 100 + int(rate)
    assert 2 * abs(tax * whole - gross * int(rate)) <= whole


@given(lines=st.lists(st.tuples(st.integers(1, MOST // 100), RATE), min_size=1, max_size=60))
def test_lines_add_up_to_the_fen(lines: list[tuple[int, Decimal]]) -> None:
    found = worked_out([line(gross, rate_percent=rate) for gross, rate in lines], RATES, exempt=frozenset())
    sums = total(found)
    assert sums == Amounts(
        sum(one.net_fen for one in found), sum(one.tax_fen for one in found), sum(gross for gross, _ in lines)
    )
    assert sums.gross == sums.net + sums.tax
    together = Amounts()
    for amounts in by_goods(found).values():
        together = together.plus(amounts)
    assert together == sums


@pytest.mark.parametrize(
    ("typed", "field", "code"),
    [
        ({"tax_fen": 13, "net_fen": 87}, "tax_fen", "tax"),
        ({"tax_fen": 11, "net_fen": 89}, "tax_fen", "tax"),
        ({"tax_fen": 12, "net_fen": 87}, "gross_fen", "gross"),
        ({"rate_percent": Decimal(17)}, "rate_percent", "rate"),
        ({"rate_percent": Decimal("13.01")}, "rate_percent", "rate"),
    ],
)
def test_a_fen_too_much_or_a_strange_rate_is_refused_by_line_and_field(
    typed: dict[str, Any], field: str, code: str
) -> None:
    with pytest.raises(Invalid) as refused:
        worked_out([line(200), line(100, **typed)], RATES, exempt=frozenset())
    assert (f"body.lines.1.{field}", code) in [(one["field"], one["code"]) for one in _errors(refused)]


def test_net_or_tax_alone_is_held_against_the_rule_too() -> None:
    assert total(worked_out([line(100, tax_fen=12)], RATES, exempt=frozenset())) == Amounts(88, 12, 100)
    assert total(worked_out([line(100, net_fen=88)], RATES, exempt=frozenset())) == Amounts(88, 12, 100)
    with pytest.raises(Invalid):
        worked_out([line(100, net_fen=90)], RATES, exempt=frozenset())


def test_a_total_beyond_all_money_is_refused() -> None:
    with pytest.raises(Invalid):
        worked_out([line(10**15), line(10**15)], RATES, exempt=frozenset())


def test_rates_hold_on_their_days() -> None:
    assert POLICY.rates_on(date(2019, 3, 31)) == [Decimal(6), Decimal(3), Decimal(0)]
    assert POLICY.rates_on(date(2019, 4, 1)) == [Decimal(13), Decimal(9), Decimal(6), Decimal(3), Decimal(0)]
    assert Decimal(1) in POLICY.rates_on(date(2027, 12, 31))
    assert Decimal(1) not in POLICY.rates_on(date(2028, 1, 1))


def test_a_rate_has_one_way_of_writing() -> None:
    assert str(plain(Decimal("13.00"))) == "13"
    assert str(plain(Decimal(0))) == "0"
    assert str(plain(Decimal(100))) == "100"
    assert TypedLine("a", Decimal("13.0"), 1).rate_percent == Decimal(13)


def _errors(refused: pytest.ExceptionInfo[Invalid]) -> list[dict[str, str]]:
    errors: list[dict[str, str]] = refused.value.evidence["errors"]
    return errors
