"""Receipts on their own: typed, confirmed, told by the bank, matched, read from statements (R3.2.1)."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kehu.contracts.trade import ReceiptConfirmed, ReceiptIdentified
from kehu.deciding import Actor
from kehu.errors import Forbidden, Invalid, KehuError, Refused
from kehu.spreadsheets import SpreadsheetInvalid, write_rows
from kehu_vetting.orders.testing import CASHIER, CLERK, UNIT, WAREHOUSE, Books, single
from kehu_vetting.receipts import decisions
from kehu_vetting.receipts.facts import RECEIPTS, ReceiptEntered, ReceiptStatus, receipt_of
from kehu_vetting.receipts.matching import Candidate, propose
from kehu_vetting.receipts.moving import latest_first
from kehu_vetting.receipts.statement import StatementRefused, bank_reference, read_statement
from kehu_vetting.testing import FINANCE, MANAGER, SALES, TODAY

HEADINGS = ("流水号", "到账日期", "金额(元)", "付款方名称", "付款方证照号")


def enter(books: Books, actor: Actor = FINANCE, fen: int = 100, **other: Any) -> str:
    told = books.money("b", fen, **other)
    decision = decisions.enter_receipt(told, books.receipt(told.receipt), books.context(actor))
    books.record(RECEIPTS.stream(told.receipt), decision)
    return told.receipt


def test_a_typed_receipt_pays_for_nothing_until_somebody_else_confirms_it() -> None:
    books = Books()
    books.sign("o", single(100))
    receipt = enter(books)
    with pytest.raises(Refused) as refused:
        books.allocate(receipt, "o", 100)
    assert refused.value.problem_code == "receipt-not-confirmed"
    with pytest.raises(Forbidden) as own:
        decisions.confirm_receipt(books.receipt(receipt), books.context(FINANCE))
    assert own.value.problem_code == "separation"
    books.record(RECEIPTS.stream(receipt), decisions.confirm_receipt(books.receipt(receipt), books.context(CASHIER)))
    books.allocate(receipt, "o", 100)
    assert books.order("o").released_fen == 100


def test_who_typed_it_corrects_it_and_nobody_else_does() -> None:
    books = Books()
    receipt = enter(books)
    enter(books, fen=200)
    assert books.receipt(receipt).amount_fen == 200
    with pytest.raises(Forbidden):
        enter(books, CASHIER, fen=300)


@pytest.mark.parametrize("actor", [SALES, MANAGER, CLERK, WAREHOUSE, replace(FINANCE, departing=True)])
def test_money_is_finances(actor: Actor) -> None:
    books = Books()
    with pytest.raises(Forbidden):
        enter(books, actor)
    books.sign("o", single(100))
    receipt = books.receive("b", 100)
    for act in (
        lambda: books.allocate(receipt, "o", 1, actor=actor),
        lambda: books.deallocate(receipt, "o", 1, actor=actor),
        lambda: books.take_back(receipt, 1, actor=actor),
    ):
        with pytest.raises(Forbidden):
            act()


@pytest.mark.parametrize("fen", [0, -1, -(10**15)])
def test_no_receipt_at_or_below_zero(fen: int) -> None:
    with pytest.raises(Invalid):
        Books().receive("b", fen)


def test_the_banks_word_confirms_what_was_typed_and_counts_once() -> None:
    books = Books()
    receipt = enter(books, fen=99)
    books.receive("b", 100, unit=None, payer="")
    state = books.receipt(receipt)
    assert (state.status, state.amount_fen, state.unit, state.number) == (
        ReceiptStatus.CONFIRMED,
        100,
        UNIT,
        "SK-b",
    )
    books.receive("b", 100, number="SK-other")
    facts = books.recorded[RECEIPTS.stream(receipt)]
    assert [type(fact) for fact in facts] == [ReceiptEntered, ReceiptConfirmed]
    for fen, day in ((101, TODAY), (100, TODAY - timedelta(days=1))):
        with pytest.raises(Refused) as refused:
            books.receive("b", fen, received_on=day)
        assert refused.value.problem_code == "bank-reference-taken"


def test_a_discarded_entry_leaves_its_reference_to_be_used() -> None:
    books = Books()
    receipt = enter(books)
    discarded = decisions.discard_receipt("录错", books.receipt(receipt), books.context(CASHIER))
    books.record(RECEIPTS.stream(receipt), discarded)
    assert books.receipt(receipt).net_fen == 0
    enter(books, CASHIER, fen=7)
    assert books.receipt(receipt).status is ReceiptStatus.ENTERED


def test_unidentified_money_pays_for_nothing_and_allocated_money_keeps_its_payer() -> None:
    books = Books()
    books.sign("o", single(100))
    receipt = books.receive("b", 100, unit=None, payer="91110000600037341L")
    with pytest.raises(Refused) as refused:
        books.allocate(receipt, "o", 100)
    assert refused.value.problem_code == "payer-unidentified"
    command = decisions.IdentifyPayer(UNIT, "91110000600037341L", "客户来函")
    decision = decisions.identify_payer(command, books.receipt(receipt), books.context(FINANCE))
    assert [type(fact) for fact in decision.facts] == [ReceiptIdentified]
    books.record(RECEIPTS.stream(receipt), decision)
    books.allocate(receipt, "o", 100)
    with pytest.raises(Refused):
        decisions.identify_payer(replace(command, unit="u-2"), books.receipt(receipt), books.context(FINANCE))


def test_another_payers_money_does_not_pay() -> None:
    books = Books()
    books.sign("o", single(100))
    receipt = books.receive("b", 100, unit="stranger")
    with pytest.raises(Refused) as refused:
        books.allocate(receipt, "o", 100)
    assert refused.value.problem_code == "payer-not-linked"


def test_money_of_another_linked_payer_pays() -> None:
    books = Books()
    books.sign("o", single(100))
    books.buyer = replace(books.buyer, linked=frozenset({UNIT, "u-2"}))
    books.allocate(books.receive("b", 100, unit="u-2"), "o", 100)
    assert books.order("o").released_fen == 100


def test_more_than_is_needed_only_if_it_is_said() -> None:
    books = Books()
    books.sign("o", single(100))
    receipt = books.receive("b", 150)
    with pytest.raises(Refused) as refused:
        books.allocate(receipt, "o", 101)
    assert refused.value.problem_code == "need-exceeded"
    books.allocate(receipt, "o", 150, beyond_need=True)
    assert books.order("o").needed_fen == -50


def test_a_banks_number_counts_once_also_for_what_goes_back() -> None:
    books = Books()
    receipt = books.receive("b", 100)
    with pytest.raises(Refused):
        books.take_back(receipt, 1, refund=True, bank_reference="b")
    books.take_back(receipt, 1, refund=True, bank_reference="r")
    for refund in (True, False):
        with pytest.raises(Refused):
            books.take_back(receipt, 1, refund=refund, bank_reference="r")
    with pytest.raises(Invalid):
        books.take_back(receipt, 1, refund=True, bank_reference=None)
    with pytest.raises(Refused):
        books.take_back(receipt, 100)


# --- matching --------------------------------------------------------------------------------------------------------

ORDERS = st.lists(
    st.builds(
        Candidate,
        order=st.uuids().map(str),
        unit=st.sampled_from(["u-1", "u-2"]),
        needed_fen=st.integers(-10, 300),
        batch_needs_fen=st.none() | st.integers(-10, 300),
    ),
    max_size=8,
)


@given(free=st.integers(-10, 300), orders=ORDERS)
def test_no_proposal_exceeds_the_money_or_the_need(free: int, orders: list[Candidate]) -> None:
    known = {one.order: one for one in orders}
    found = propose("u-1", free, orders)
    for proposal in found:
        assert 0 < proposal.amount_fen <= min(free, known[proposal.order].needed_fen)
    if free > 0:
        exact = [one.order for one in orders if one.needed_fen == free]
        assert {one.order for one in found[: len(exact)]} == set(exact)


def test_what_meets_to_the_fen_comes_first_and_the_payers_own_before_others() -> None:
    orders = [
        Candidate("early", "u-2", 500, 500),
        Candidate("batch", "u-2", 500, 200),
        Candidate("other", "u-2", 200, 100),
        Candidate("own", "u-1", 200, 100),
    ]
    found = propose("u-1", 200, orders)
    assert [(one.order, one.why, one.amount_fen) for one in found] == [
        ("own", "order", 200),
        ("other", "order", 200),
        ("batch", "batch", 200),
        ("early", "payer", 200),
    ]


@given(held=st.dictionaries(st.text(max_size=2), st.integers(1, 100), max_size=5), data=st.data())
def test_what_is_taken_is_taken_from_the_last_and_adds_up(held: dict[str, int], data: st.DataObject) -> None:
    wanted = data.draw(st.integers(0, sum(held.values())))
    taken = latest_first(held, wanted)
    assert sum(taken.values()) == wanted
    assert all(0 < fen <= held[holder] for holder, fen in taken.items())
    untouched = [holder for holder in held if holder not in taken]
    assert list(held)[: len(untouched)] == untouched


# --- statements ------------------------------------------------------------------------------------------------------


def csv(*rows: tuple[str, ...], headings: tuple[str, ...] = HEADINGS, encoding: str = "utf-8-sig") -> bytes:
    return "\n".join(",".join(row) for row in (headings, *rows)).encode(encoding)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
def test_a_statement_is_the_same_as_csv_and_as_xlsx(encoding: str) -> None:
    row = ("ab 1２", "2026/11/24", "1234.50", "甲乙有限公司", "91110000600037341l")
    (from_csv,) = read_statement(csv(row, encoding=encoding))
    (from_xlsx,) = read_statement(write_rows(HEADINGS, [row]))
    assert from_csv == from_xlsx
    line = from_csv.line
    assert (from_csv.row, line.bank_reference, line.received_on, line.amount_fen) == (
        2,
        "AB12",
        date(2026, 11, 24),
        123_450,
    )


def test_the_column_of_identities_may_be_missing() -> None:
    row = ("b", "20261124", "1", "甲")
    assert read_statement(csv(row, headings=HEADINGS[:4]))[0].line.payer is None
    assert read_statement(write_rows(HEADINGS[:4], [row]))[0].line.payer is None


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x00" * 100,
        b"PK\x03\x04nonsense",
        csv(headings=("流水号", "到账日期")),
        csv(("b", "2026-02-30", "1", "甲", "")),
        csv(("b", "2026-11-24", "1.001", "甲", "")),
        csv(("b", "2026-11-24", "1e30", "甲", "")),
        csv(("", "2026-11-24", "1", "甲", "")),
        csv(("b", "2026-11-24", "1", "甲\x00", "")),
        csv(("b", "2026-11-24", "1", "甲" * 100_000, "")),
        csv(("b", "2026-11-24", "1", "\u202e甲", "")),
        csv(("b", "2026-11-24", "1", '"甲', "")),
        csv(*[(f"b{number}", "2026-11-24", "1", "甲", "") for number in range(500)]),
        b"a," * 600_000,
    ],
)
def test_what_is_no_statement_is_refused_and_says_so(data: bytes) -> None:
    with pytest.raises((SpreadsheetInvalid, StatementRefused)) as refused:
        read_statement(data)
    assert refused.value.zh
    assert refused.value.en


def test_rows_of_one_reference_are_named() -> None:
    row = ("b", "2026-11-24", "1", "甲", "")
    with pytest.raises(StatementRefused) as refused:
        read_statement(csv(row, ("B ", *row[1:])))
    assert [one["row"] for one in refused.value.evidence["problems"]] == [3]


@given(st.binary(max_size=300) | st.text(max_size=200).map(lambda text: csv((text, text, text, text, text))))
def test_whatever_is_uploaded_is_read_or_refused(data: bytes) -> None:
    try:
        lines = read_statement(data)
    except KehuError:
        return
    assert all(one.line.bank_reference == bank_reference(one.line.bank_reference) for one in lines)


def test_one_reference_is_one_receipt() -> None:
    assert receipt_of("A") == receipt_of("A") != receipt_of("B")
