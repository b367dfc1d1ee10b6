"""Issuing, voiding, red letters, collection (R3.2.3), and what is told when less may be invoiced than was."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from kehu.contracts.trade import (
    GoodsReturned,
    GoodsShipped,
    InvoiceCollected,
    InvoiceIssued,
    InvoiceKind,
    InvoiceVoided,
    ReceiptAllocated,
    RedLetterCovered,
    RedLetterDropped,
    RedLetterDue,
)
from kehu.deciding import Actor, Grant, Mandate
from kehu.errors import Forbidden, Invalid, KehuError, NotFound, Refused
from kehu.event_store import Taken
from kehu_vetting.invoices import reactions
from kehu_vetting.invoices.accounts import OrderFollowed
from kehu_vetting.invoices.facts import RequestServed, RequestStatus
from kehu_vetting.invoices.rights import SeparationOfDuties
from kehu_vetting.invoices.testing import (
    BUYER,
    FINANCE,
    ISSUER,
    MANAGER,
    ORDER,
    PAYER,
    SALES,
    STEEL,
    TODAY,
    VETTER,
    Invoices,
    digital,
    line,
    paper,
    person,
    recorded,
)


def test_finance_issues_what_both_have_passed() -> None:
    case = Invoices().passed()
    issued, followed, served = case.issue(digital(1))
    assert isinstance(issued, InvoiceIssued)
    assert (issued.gross_fen, issued.net_fen, issued.tax_fen) == (5_000_000, 4_424_779, 575_221)
    assert (issued.unit, issued.buyer_name, issued.collector) == ("u-1", BUYER.name, "sales")
    assert (issued.request_number, issued.order_number) == ("KP000001", "DD000001")
    assert isinstance(followed, OrderFollowed)
    assert isinstance(served, RequestServed)
    assert served.complete
    assert case.request().status is RequestStatus.ISSUED
    assert case.account.requested == {}
    with pytest.raises(Refused):
        case.issue(digital(2))


def test_what_was_asked_for_may_be_issued_in_parts_and_no_more() -> None:
    case = Invoices().passed(line(5_000_000))
    case.issue(paper(1), line(2_000_000))
    assert case.request().status is RequestStatus.PASSED
    with pytest.raises(Refused) as refused:
        case.issue(paper(2), line(3_000_001))
    assert refused.value.problem_code == "not-asked-for"
    for other in (line(1, item="黄金"), line(1, rate_percent=Decimal(9)), line(1, unit="公斤")):
        with pytest.raises(Refused):
            case.issue(paper(2), other)
    *_, served = case.issue(paper(2))
    assert served.complete
    assert [one.gross_fen for one in case.issued().values()] == [2_000_000, 3_000_000]


@pytest.mark.parametrize(
    "actor",
    [
        person("sales", "finance", department=None),
        person("vetter", "finance", department=None),
        FINANCE,
        person("boss", "finance", department=None),
    ],
)
def test_the_issuer_is_neither_applicant_nor_reviewer_nor_whom_one_stood_in_for(actor: Actor) -> None:
    case = Invoices()
    case.apply()
    boss = person("boss", "finance", department=None)
    case.review("marketing", VETTER)
    if actor.id == "boss":
        mandate = Mandate("e-1", "boss", frozenset({"invoice:finance"}), boss.grants)
        case.review("finance", Actor("stand-in", (Grant("vetter", "west"),), mandates=(mandate,)))
    else:
        case.review("finance", FINANCE)
    with pytest.raises(SeparationOfDuties):
        case.issue(digital(1), actor=actor)


@pytest.mark.parametrize(
    "actor", [SALES, MANAGER, person("x", "finance", department="west"), replace(ISSUER, departing=True)]
)
def test_only_finance_issues(actor: Actor) -> None:
    case = Invoices().passed()
    attempts: list[Any] = [
        lambda: case.issue(digital(1), actor=actor),
        lambda: case.register(digital(1), line(1), actor=actor),
    ]
    for attempt in attempts:
        with pytest.raises(Forbidden):
            attempt()


@pytest.mark.parametrize("reviewed", [(), ("marketing",), ("finance",)])
def test_nothing_is_issued_before_both_have_passed_it(reviewed: tuple[Any, ...]) -> None:
    case = Invoices()
    case.apply()
    for side in reviewed:
        case.review(side, VETTER if side == "marketing" else FINANCE)
    with pytest.raises(Refused) as refused:
        case.issue(digital(1))
    assert refused.value.problem_code == "request-status"


def test_nothing_is_issued_after_the_last_day_also_before_the_lapse_is_recorded() -> None:
    case = Invoices().passed()
    case.now = datetime(2026, 12, 24, 15, 59, tzinfo=UTC)
    case.issue(digital(1), line(1_000))
    case.now = datetime(2026, 12, 24, 16, 0, tzinfo=UTC)
    with pytest.raises(Refused) as refused:
        case.issue(digital(2), line(1_000))
    assert refused.value.problem_code == "lapsed"


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"order": replace(ORDER, digest="amended")}, "basis-changed"),
        ({"order": replace(ORDER, unit="u-2")}, "basis-changed"),
        ({"order": replace(ORDER, receipts={"r-1": 10_000_000})}, "basis-changed"),
        ({"payer": replace(PAYER, buyer=BUYER.model_copy(update={"account": "1"}))}, "basis-changed"),
        ({"payer": replace(PAYER, proof_until=TODAY - timedelta(days=1))}, "payer-papers"),
    ],
)
def test_nothing_is_issued_on_what_has_changed_also_before_that_is_recorded(changed: dict[str, Any], code: str) -> None:
    case = Invoices().passed()
    for name, value in changed.items():
        setattr(case, name, value)
    with pytest.raises(Refused) as refused:
        case.issue(digital(1))
    assert refused.value.problem_code == code


def test_the_issuer_names_what_they_have_seen() -> None:
    with pytest.raises(Refused) as refused:
        Invoices().passed().issue(digital(1), digest="0" * 64)
    assert refused.value.problem_code == "bundle-changed"


@pytest.mark.parametrize(
    ("received", "shipped", "may"),
    [(5_000_000, 5_000_000, True), (4_999_999, 9_000_000, False), (9_000_000, 4_999_999, False), (0, 0, False)],
)
def test_net_invoiced_never_exceeds_receipts_nor_shipped_value(received: int, shipped: int, may: bool) -> None:  # noqa: FBT001
    case = Invoices(order=replace(ORDER, receipts={"r-1": received}, shipped_fen=shipped))
    if may:
        assert case.register(digital(1), line(5_000_000))
    else:
        with pytest.raises(Refused) as refused:
            case.register(digital(1), line(5_000_000))
        assert refused.value.problem_code == "above-ceiling"


def test_an_ordinary_invoice_is_registered_without_a_request_under_the_same_rules() -> None:
    case = Invoices(payer=replace(PAYER, buyer=None, proven=False))
    issued, *_ = case.register(paper(1, code="033002600104"), line(100))
    assert (issued.special, issued.request, issued.electronic, issued.buyer_name) == (False, None, False, PAYER.name)
    with pytest.raises(Invalid):
        case.register(digital(1, year=20), line(100))
    with pytest.raises(Invalid):
        case.register(digital(1), line(100, rate_percent=Decimal(17)))
    with pytest.raises(Invalid):
        case.register(digital(1))
    with pytest.raises(NotFound):
        replace(case, order=replace(ORDER, customer="c-2")).register(digital(1), line(100))


def test_a_number_counts_once_also_when_its_invoice_is_void() -> None:
    case = Invoices()
    case.register(paper(1), line(100), invoice="v-a")
    with pytest.raises(Taken):
        case.register(paper(1), line(100))
    case.void("v-a")
    with pytest.raises(Taken):
        case.register(paper(1), line(100))
    case.register(paper(1, code="3300261131"), line(100))


@pytest.mark.parametrize("on", [TODAY - timedelta(days=1), TODAY + timedelta(days=1)])
def test_an_invoice_is_dated_between_the_joint_pass_and_today(on: date) -> None:
    with pytest.raises(Invalid) as refused:
        Invoices().passed().issue(digital(1, year=on.year % 100), on=on)
    assert refused.value.problem_code == "issued-on"


# --- void ---


def test_paper_is_void_in_the_month_of_its_issue_in_shanghai_and_its_amount_is_free_again() -> None:
    case = Invoices(now=datetime(2026, 11, 30, 15, 0, tzinfo=UTC))
    case.register(paper(1), line(8_000_000), invoice="v-1")
    with pytest.raises(Refused):
        case.register(paper(2), line(1))
    late = replace(case, now=datetime(2026, 11, 30, 16, 0, tzinfo=UTC))
    with pytest.raises(Refused) as refused:
        late.void("v-1")
    assert "red-letters" in refused.value.en
    (voided,) = case.void("v-1")
    assert isinstance(voided, InvoiceVoided)
    assert case.account.invoiced_fen == 0
    case.register(paper(2), line(8_000_000))
    with pytest.raises(Refused):
        case.void("v-1")


@pytest.mark.parametrize("numbers", [digital(1), paper(1, code="033002600113"), paper(1, code="033002600111")])
def test_what_is_not_paper_is_taken_back_by_red_letter_only(numbers: Any) -> None:
    case = Invoices()
    if numbers.code == "033002600113":
        case.passed(line(100)).issue(numbers, invoice="v-1")
    else:
        case.register(numbers, line(100), invoice="v-1")
    with pytest.raises(Refused) as refused:
        case.void("v-1")
    assert refused.value.problem_code == "not-voidable"
    assert "red-letters" in refused.value.zh


def test_what_has_a_red_letter_is_not_void_and_a_void_red_one_must_leave_room() -> None:
    case = Invoices()
    case.register(paper(1), line(8_000_000), invoice="blue")
    case.ask_red("blue", line(-1_000_000), kind=InvoiceKind.PAPER, red="d")
    with pytest.raises(Refused) as refused:
        case.void("blue")
    assert refused.value.problem_code == "has-red-letter"
    case.issue_red("d", paper(2), invoice="red")
    with pytest.raises(Refused):
        case.void("blue")
    case.register(paper(3), line(1_000_000), invoice="v-3")
    with pytest.raises(Refused) as refused:
        case.void("red")
    assert refused.value.problem_code == "above-ceiling"
    case.void("v-3")
    case.void("red")
    assert case.ask_red("blue", kind=InvoiceKind.PAPER, red="d-2").gross_fen == -8_000_000
    case.withdraw_red("d-2")
    case.void("blue")
    assert case.account.invoiced_fen == 0


# --- red letters ---


def test_a_digital_one_is_asked_for_confirmed_and_issued() -> None:
    case = Invoices()
    case.register(digital(1), line(5_000_000), invoice="blue")
    asked = case.ask_red("blue", line(-2_000_000), red="d")
    assert (asked.gross_fen, asked.tax_fen, asked.lapses_at) == (-2_000_000, -230_088, case.now + timedelta(hours=72))
    with pytest.raises(Refused) as refused:
        case.issue_red("d", digital(2))
    assert refused.value.problem_code == "not-confirmed"
    case.confirm_red("d")
    with pytest.raises(Refused):
        case.confirm_red("d")
    with pytest.raises(Invalid):
        case.issue_red("d", paper(2))
    issued, *_ = case.issue_red("d", digital(2))
    assert (issued.red_of, issued.gross_fen, issued.net_fen) == ("blue", -2_000_000, -1_769_912)
    assert case.account.invoiced_fen == 3_000_000
    with pytest.raises(Refused):
        case.issue_red("d", digital(3))


def test_it_lapses_after_72_hours_to_the_second_and_frees_its_amounts() -> None:
    case = Invoices()
    case.register(digital(1), line(5_000_000), invoice="blue")
    case.ask_red("blue", red="d")
    case.later(hours=71, minutes=59, seconds=59)
    assert case.lapse_red("d") == []
    with pytest.raises(Refused):
        case.ask_red("blue", line(-1))
    case.later(seconds=1)
    with pytest.raises(Refused) as refused:
        case.confirm_red("d")
    assert refused.value.problem_code == "lapsed"
    (dropped,) = case.lapse_red("d")
    assert isinstance(dropped, RedLetterDropped)
    assert dropped.outcome == "lapsed"
    assert case.lapse_red("d") == []
    case.ask_red("blue", line(-5_000_000), red="d-2")
    case.confirm_red("d-2")
    assert case.later(hours=100).lapse_red("d-2") == []


def test_paper_against_paper_needs_no_confirmation_and_anything_digital_does() -> None:
    case = Invoices()
    case.register(paper(1), line(1_000), invoice="blue")
    assert case.ask_red("blue", line(-1), kind=InvoiceKind.PAPER).lapses_at is None
    assert case.ask_red("blue", line(-1), kind=InvoiceKind.DIGITAL).lapses_at is not None
    case.register(
        replace(digital(1), kind=InvoiceKind.DIGITAL_ON_PAPER, code="3300261130", number="00000009"),
        line(1_000),
        invoice="on-paper",
    )
    assert case.ask_red("on-paper", line(-1), kind=InvoiceKind.PAPER).lapses_at is not None


def test_red_amounts_never_exceed_blue_ones_and_the_last_takes_exactly_the_rest() -> None:
    """Of 10 fen at 13 %, two reds of 4 leave 2 of which 1 is tax: by the rule of rounding alone, for ever."""
    case = Invoices()
    case.register(digital(1), line(10), invoice="blue")
    for red in ("a", "b"):
        asked = case.ask_red("blue", line(-4), red=red)
        assert (asked.net_fen, asked.tax_fen) == (-4, 0)
    for wrong in (line(-3), line(-2), line(-2, net_fen=-2, tax_fen=0), line(-1, net_fen=-2, tax_fen=1)):
        with pytest.raises(KehuError):
            case.ask_red("blue", wrong)
    asked = case.ask_red("blue", line(-2, net_fen=-1, tax_fen=-1), red="c")
    with pytest.raises(Refused):
        case.ask_red("blue", line(-1))
    case.withdraw_red("c")
    asked = case.ask_red("blue")
    assert (asked.net_fen, asked.tax_fen, asked.gross_fen) == (-1, -1, -2)


@pytest.mark.parametrize(
    "lines",
    [
        (line(1),),
        (line(-5_000_001),),
        (line(-1, item="黄金"),),
        (line(-1, rate_percent=Decimal(9)),),
        (line(-1_000, net_fen=-500, tax_fen=-500),),
        (line(-3_000_000), line(-2_000_001)),
        (line(-6_000_000), line(1_000_000)),
        (line(0),),
    ],
)
def test_red_lines_take_back_goods_of_the_blue_one_within_its_amounts(lines: tuple[Any, ...]) -> None:
    case = Invoices()
    case.register(digital(1), line(5_000_000), invoice="blue")
    with pytest.raises(KehuError) as refused:
        case.ask_red("blue", *lines)
    assert refused.value.clause == "R3.2.3"


def test_a_rate_that_no_longer_holds_is_taken_back_at_that_rate() -> None:
    case = Invoices(now=datetime(2027, 12, 31, 4, 0, tzinfo=UTC))
    case.register(digital(1, year=27), line(1_010, rate_percent=Decimal(1)), invoice="blue")
    case.later(days=10)
    with pytest.raises(Invalid):
        case.register(digital(2, year=28), line(1_010, rate_percent=Decimal(1)))
    assert case.ask_red("blue").tax_fen == -10


def test_a_red_letter_takes_back_a_blue_one_that_holds() -> None:
    case = Invoices()
    case.register(paper(1), line(1_000), invoice="blue")
    case.ask_red("blue", line(-500), kind=InvoiceKind.PAPER, red="d")
    case.issue_red("d", paper(2), invoice="red")
    with pytest.raises(Refused):
        case.ask_red("red", kind=InvoiceKind.PAPER)
    case.register(paper(3), line(1_000), invoice="void")
    case.void("void")
    with pytest.raises(Refused):
        case.ask_red("void", kind=InvoiceKind.PAPER)
    with pytest.raises(NotFound):
        case.ask_red("nothing")
    with pytest.raises(NotFound):
        case.confirm_red("nothing")


# --- a red letter is due ---


def follow(case: Invoices, fact: Any, version: int) -> list[Any]:
    """The reaction to what happens to the order."""
    decide: Any = {
        ReceiptAllocated: reactions.money_moved,
        GoodsShipped: reactions.goods_left,
        GoodsReturned: reactions.goods_returned,
    }[type(fact)]
    facts = list(decide(recorded(fact, version), case.account, case.context(ISSUER)).facts)
    case.facts += facts
    return facts


def allocated(fen: int, receipt: str = "r-1") -> ReceiptAllocated:
    return ReceiptAllocated(receipt=receipt, order="o-1", customer="c-1", amount_fen=fen)


def returned(fen: int) -> GoodsReturned:
    return GoodsReturned.model_validate(
        {
            "returned": "b-1",
            "shipment": "s-1",
            "order": "o-1",
            "customer": "c-1",
            "department": "east",
            "returned_on": TODAY,
            "value_fen": fen,
            "lines": (),
            "reason": "质量",
        }
    )


@pytest.mark.parametrize("fact", [allocated(-6_000_000), returned(4_000_000)])
def test_a_refund_or_return_below_what_is_invoiced_makes_a_red_letter_due_until_it_is_covered(fact: Any) -> None:
    case = Invoices(order=replace(ORDER, version=5))
    case.register(digital(1), line(5_000_000), invoice="blue")
    *_, due = follow(case, fact, 6)
    assert isinstance(due, RedLetterDue)
    assert (due.excess_fen, due.department, due.order_number) == (1_000_000, "east", "DD000001")
    case.order = replace(ORDER, receipts={"r-2": 4_000_000}, version=6)
    case.ask_red("blue", line(-400_000), red="d-1")
    case.confirm_red("d-1")
    *_, due = case.issue_red("d-1", digital(2))
    assert isinstance(due, RedLetterDue)
    assert due.excess_fen == 600_000
    case.ask_red("blue", line(-600_000), red="d-2")
    case.confirm_red("d-2")
    *_, covered = case.issue_red("d-2", digital(3))
    assert isinstance(covered, RedLetterCovered)
    assert case.account.due_fen == 0


def test_new_money_covers_it_too() -> None:
    case = Invoices(order=replace(ORDER, version=5))
    case.register(digital(1), line(5_000_000))
    follow(case, allocated(-6_000_000), 6)
    assert case.account.due_fen == 1_000_000
    *_, covered = follow(case, allocated(1_000_000, "r-3"), 7)
    assert isinstance(covered, RedLetterCovered)
    assert [type(fact).__name__ for fact in follow(case, allocated(1, "r-3"), 8)] == ["OrderMoved"]


def test_what_the_issuer_has_seen_is_not_counted_twice_and_tells_nothing_false() -> None:
    """Guard: `followed`. The reactions to money and goods come after the invoice that was issued on them."""
    case = Invoices(order=replace(ORDER, receipts={"r-1": 100}, shipped_fen=100, version=3))
    case.register(digital(1), line(100))
    assert follow(case, allocated(100), 2) == []
    assert case.account.received_fen == 100
    assert case.account.due_fen == 0


def test_what_happened_before_a_request_was_written_is_in_its_basis() -> None:
    case = Invoices(order=replace(ORDER, version=5))
    case.apply()
    assert case.moved("receipts", receipt="r-1", version=5) == []
    assert case.moved("receipts", receipt="r-1", version=6)


# --- F3 ---


def collectable(kind: str = "paper") -> Invoices:
    case = Invoices()
    case.register(paper(1) if kind == "paper" else digital(1), line(100), invoice="v-1")
    return case


def test_the_salesperson_signs_and_says_later_when_the_customer_got_it() -> None:
    case = collectable()
    (signed,) = case.collect("v-1", SALES, TODAY)
    assert isinstance(signed, InvoiceCollected)
    assert (signed.collected_by, signed.delivered_on) == ("sales", None)
    with pytest.raises(Refused):
        case.collect("v-1", SALES, TODAY)
    case.later(days=2)
    (signed,) = case.collect("v-1", SALES, TODAY + timedelta(days=2), TODAY + timedelta(days=1))
    assert (signed.collected_on, signed.delivered_on) == (TODAY, TODAY + timedelta(days=1))
    with pytest.raises(Refused):
        case.collect("v-1", SALES, TODAY, TODAY)


def test_of_a_fully_digital_one_the_delivery_is_acknowledged() -> None:
    case = collectable("digital")
    with pytest.raises(Invalid):
        case.collect("v-1", SALES, TODAY)
    (signed,) = case.collect("v-1", SALES, TODAY, TODAY)
    assert signed.delivered_on == TODAY


@pytest.mark.parametrize(
    ("collected", "delivered"),
    [
        (TODAY - timedelta(days=1), None),
        (TODAY + timedelta(days=1), None),
        (TODAY, TODAY - timedelta(days=1)),
        (TODAY, TODAY + timedelta(days=1)),
    ],
)
def test_it_is_collected_after_its_issue_and_delivered_after_that(collected: date, delivered: date | None) -> None:
    with pytest.raises(Invalid):
        collectable().collect("v-1", SALES, collected, delivered)


def test_once_the_collector_leaves_the_successor_or_the_manager_signs() -> None:
    case = collectable()
    successor = person("next", "salesperson")
    for nobody in (successor, MANAGER, FINANCE, replace(SALES, departing=True)):
        with pytest.raises(Forbidden):
            case.collect("v-1", nobody, TODAY)
    case.collector_gone = True
    with pytest.raises(Forbidden):
        case.collect("v-1", person("x", "dept_manager", department="west"), TODAY)
    assert replace(case, facts=list(case.facts)).collect("v-1", MANAGER, TODAY)
    case.file = replace(case.file, owner="next")
    assert case.collect("v-1", successor, TODAY)


def test_nobody_collects_what_is_void() -> None:
    case = collectable()
    case.void("v-1")
    with pytest.raises(Refused):
        case.collect("v-1", SALES, TODAY)


def test_quantities_and_goods_stand_on_the_invoice_as_they_were_asked_for() -> None:
    case = Invoices().passed(STEEL)
    issued, *_ = case.issue(digital(1))
    assert [(one.item, one.unit, one.quantity) for one in issued.lines] == [("钢管", "吨", Decimal(10))]
