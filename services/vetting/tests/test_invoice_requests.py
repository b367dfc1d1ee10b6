"""Requests for special VAT invoices (F2): who may, on what they rest, who passes them, when they lapse."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from kehu.contracts.trade import (
    InvoiceRequestClosed,
    InvoiceRequested,
    InvoiceRequestReturned,
    InvoiceRequestReviewed,
)
from kehu.deciding import Actor, Grant, Mandate
from kehu.errors import Forbidden, Invalid, KehuError, NotFound, Refused
from kehu_vetting.customer_files.facts import CustomerFile
from kehu_vetting.invoices.accounts import RequestOpened
from kehu_vetting.invoices.facts import CreditLookedAt, RequestStatus, RequestWritten
from kehu_vetting.invoices.gathered import CreditSeen, Payer
from kehu_vetting.invoices.orders import OrderAccount
from kehu_vetting.invoices.rights import SeparationOfDuties
from kehu_vetting.invoices.testing import (
    BUYER,
    CREDIT,
    FINANCE,
    MANAGER,
    ORDER,
    PAYER,
    SALES,
    STEEL,
    TODAY,
    VETTER,
    Invoices,
    line,
    person,
)


def deputy(name: str, principal: Actor, step: str, *grants: Grant) -> Actor:
    """Somebody who stands in for an absent approver."""
    return Actor(name, grants, mandates=(Mandate("e-1", principal.id, frozenset({step}), principal.grants),))


def test_the_owner_applies_and_both_reviewers_are_told() -> None:
    case = Invoices()
    opened, written, requested = case.apply(STEEL, line(3_000_000, item="钢板", rate_percent=Decimal(9)))
    assert isinstance(requested, InvoiceRequested)
    assert (requested.number, requested.gross_fen, requested.requested_by) == ("KP000001", 8_000_000, "sales")
    assert isinstance(written, RequestWritten)
    assert written.content.buyer == BUYER
    assert [paid.receipt for paid in written.basis.receipts] == ["r-1", "r-2"]
    assert [(one.net_fen, one.tax_fen) for one in written.content.lines] == [(4_424_779, 575_221), (2_752_294, 247_706)]
    assert isinstance(opened, RequestOpened)
    assert case.request().status is RequestStatus.IN_REVIEW


@pytest.mark.parametrize(
    "actor",
    [
        person("other", "salesperson"),
        VETTER,
        FINANCE,
        person("sales", "vetter"),
        replace(SALES, departing=True),
        person("sales", "salesperson", department="west"),
    ],
)
def test_nobody_else_applies(actor: Actor) -> None:
    with pytest.raises(Forbidden):
        Invoices().apply(actor=actor)


@pytest.mark.parametrize(
    "payer",
    [
        replace(PAYER, buyer=None),
        replace(PAYER, proven=False),
        replace(PAYER, proof_until=TODAY - timedelta(days=1)),
        replace(PAYER, unit="another"),
        Payer(),
    ],
)
def test_without_invoicing_information_or_taxpayer_proof_there_is_no_request(payer: Payer) -> None:
    with pytest.raises(Refused) as refused:
        Invoices(payer=payer).apply()
    assert (refused.value.clause, refused.value.problem_code) == ("R3.2.2", "payer-papers")


def test_the_last_day_of_the_proof_still_counts() -> None:
    assert Invoices(payer=replace(PAYER, proof_until=TODAY)).apply()
    assert Invoices(payer=replace(PAYER, proof_until=None)).apply()


@pytest.mark.parametrize("field", list(type(BUYER).model_fields))
def test_the_buyer_is_the_settlement_unit_to_the_letter(field: str) -> None:
    with pytest.raises(Invalid) as refused:
        Invoices().apply(buyer=BUYER.model_copy(update={field: "别的"}))
    assert [one["field"] for one in refused.value.evidence["errors"]] == [f"body.buyer.{field}"]
    assert Invoices().apply(buyer=BUYER)


@pytest.mark.parametrize("order", [OrderAccount(), replace(ORDER, customer="c-2")])
def test_an_order_that_is_not_there_or_another_customers_is_not_found(order: OrderAccount) -> None:
    with pytest.raises(NotFound):
        Invoices(order=order).apply()
    with pytest.raises(NotFound):
        Invoices(file=CustomerFile()).apply()


@pytest.mark.parametrize(
    "lines",
    [
        [line(8_000_001)],
        [line(8_000_000), line(1, item="垫圈")],
        [line(0)],
        [line(-5)],
        [line(5), line(-1, item="折扣")],
        [line(100, rate_percent=Decimal(17))],
    ],
)
def test_more_than_may_be_invoiced_and_amounts_of_nothing_are_refused(lines: list[Any]) -> None:
    with pytest.raises(KehuError) as refused:
        Invoices().apply(*lines)
    assert refused.value.clause == "R3.2.3"


def test_what_is_asked_for_elsewhere_is_not_there_to_be_asked_for() -> None:
    case = Invoices()
    case.apply(line(5_000_000))
    with pytest.raises(Refused) as refused:
        case.apply(line(3_000_001), name="q-2")
    assert refused.value.evidence["requested_fen"] == 5_000_000
    case.apply(line(3_000_000), name="q-2")
    case.withdraw(name="q-1")
    case.apply(line(5_000_000), name="q-3")


@pytest.mark.parametrize("basis", ["shipped", "received"])
def test_what_may_be_invoiced_is_policy_data(basis: str) -> None:
    case = Invoices()
    case.policy = case.policy.model_copy(update={"invoice_basis": basis})
    if basis == "received":
        assert case.apply(line(10_000_000))
    else:
        with pytest.raises(Refused):
            case.apply(line(10_000_000))


def test_receipts_are_those_of_the_order() -> None:
    with pytest.raises(Refused) as refused:
        Invoices().apply(receipts=("r-1", "r-9"))
    assert refused.value.evidence["receipts"] == ["r-9"]
    with pytest.raises(Refused):
        Invoices(order=replace(ORDER, receipts={})).apply()
    _, written, _ = Invoices().apply(receipts=("r-2", "r-2"))
    assert [paid.receipt for paid in written.basis.receipts] == ["r-2"]


@pytest.mark.parametrize("marketing", [VETTER, MANAGER])
@pytest.mark.parametrize("finance_first", [False, True])
def test_one_of_marketing_and_one_of_finance_pass_it_jointly(marketing: Actor, finance_first: bool) -> None:  # noqa: FBT001
    case = Invoices()
    case.apply()
    order: list[Any] = [("marketing", marketing), ("finance", FINANCE)]
    first, second = reversed(order) if finance_first else order
    looked, reviewed = case.review(*first)
    assert isinstance(looked, CreditLookedAt)
    assert (looked.open_incidents, looked.rating) == (("i-1",), "good")
    assert isinstance(reviewed, InvoiceRequestReviewed)
    assert (reviewed.both, reviewed.lapses_on) == (False, None)
    assert case.request().status is RequestStatus.IN_REVIEW
    *_, reviewed = case.review(*second)
    assert (reviewed.both, reviewed.lapses_on) == (True, TODAY + timedelta(days=30))
    assert case.request().status is RequestStatus.PASSED


@pytest.mark.parametrize(
    ("side", "actor"),
    [
        ("marketing", FINANCE),
        ("marketing", SALES),
        ("marketing", person("x", "vetter", department="west")),
        ("marketing", person("x", "dept_manager", department="west")),
        ("finance", VETTER),
        ("finance", MANAGER),
        ("finance", person("x", "finance", department="west")),
        ("finance", replace(FINANCE, departing=True)),
        ("marketing", person("x", "admin", "auditor", "market_dept", department=None)),
    ],
)
def test_a_side_is_passed_by_its_role_in_the_department_only(side: Any, actor: Actor) -> None:
    case = Invoices()
    case.apply()
    with pytest.raises(Forbidden):
        case.review(side, actor)


def test_the_applicant_and_whoever_passed_one_side_pass_no_other_also_in_another_role() -> None:
    case = Invoices()
    case.apply()
    with pytest.raises(SeparationOfDuties):
        case.review("finance", person("sales", "finance", department=None))
    both = person("both", "vetter", "finance", department=None)
    case.review("marketing", both)
    with pytest.raises(SeparationOfDuties):
        case.review("finance", both)
    case.give_back("marketing", both)
    case.revise()
    with pytest.raises(SeparationOfDuties):
        case.review("finance", both)
    case.review("marketing", both)


def test_a_delegate_signs_for_somebody_and_both_are_barred_alike() -> None:
    case = Invoices()
    case.apply()
    boss = person("boss", "dept_manager", "finance", department=None)
    stands_in = deputy("stand-in", boss, "invoice:marketing", Grant("finance"))
    *_, reviewed = case.review("marketing", stands_in)
    assert (reviewed.reviewed_by, reviewed.on_behalf_of) == ("stand-in", "boss")
    for barred in (stands_in, boss):
        with pytest.raises(SeparationOfDuties):
            case.review("finance", barred)
    case.review("finance", FINANCE)


def test_nobody_stands_in_for_the_applicant_or_for_another_step() -> None:
    case = Invoices()
    case.apply()
    applicant = person("sales", "vetter")
    with pytest.raises(SeparationOfDuties):
        case.review("marketing", deputy("stand-in", applicant, "invoice:marketing"))
    with pytest.raises(Forbidden):
        case.review("marketing", deputy("stand-in", VETTER, "qualification:vetting"))
    with pytest.raises(Forbidden):
        case.review("marketing", deputy("stand-in", FINANCE, "invoice:marketing"))
    two = Actor(
        "stand-in",
        mandates=tuple(
            Mandate(f"e-{one.id}", one.id, frozenset({"invoice:marketing"}), one.grants) for one in (applicant, VETTER)
        ),
    )
    *_, reviewed = case.review("marketing", two)
    assert reviewed.on_behalf_of == "vetter"


def test_a_pass_is_for_what_was_seen() -> None:
    case = Invoices()
    case.apply()
    seen = case.request().digest
    case.revise(line(4_000_000))
    with pytest.raises(Refused) as refused:
        case.review("marketing", VETTER, digest=seen)
    assert refused.value.problem_code == "bundle-changed"
    with pytest.raises(Refused):
        case.review("marketing", VETTER, digest="0" * 64)


def test_the_reviewer_has_looked_at_the_credit_as_it_is_now() -> None:
    case = Invoices()
    case.apply()
    seen = case.credit.digest
    case.credit = CreditSeen(rating="poor", conclusion="拖欠", evidence="对账单", open_incidents=CREDIT.open_incidents)
    with pytest.raises(Refused) as refused:
        case.review("finance", FINANCE, credit=seen)
    assert (refused.value.clause, refused.value.problem_code) == ("R3.0", "credit-changed")
    assert case.review("finance", FINANCE)


def test_it_comes_back_with_remarks_and_is_passed_anew_by_both() -> None:
    case = Invoices()
    case.apply()
    case.review("marketing", VETTER)
    with pytest.raises(Refused) as refused:
        case.revise()
    assert refused.value.problem_code == "already-reviewed"
    (returned,) = case.give_back("finance", FINANCE)
    assert isinstance(returned, InvoiceRequestReturned)
    assert (returned.remarks, returned.requested_by) == ("请核对", "sales")
    assert case.request().status is RequestStatus.RETURNED
    with pytest.raises(Refused):
        case.review("marketing", VETTER)
    case.revise(line(4_000_000))
    assert case.request().reviews == {}
    assert case.account.requested == {"q-1": 4_000_000}


@pytest.mark.parametrize("end", ["withdraw", "refuse"])
def test_what_is_withdrawn_or_refused_is_over(end: str) -> None:
    case = Invoices().passed()
    (closed,) = case.withdraw() if end == "withdraw" else case.refuse("finance", FINANCE)
    assert isinstance(closed, InvoiceRequestClosed)
    attempts: list[Any] = [
        case.withdraw,
        case.revise,
        lambda: case.refuse("finance", FINANCE),
        lambda: case.give_back("finance", FINANCE),
        lambda: case.review("finance", FINANCE),
    ]
    for attempt in attempts:
        with pytest.raises(Refused):
            attempt()


def test_only_who_may_pass_it_gives_it_back_or_refuses_it() -> None:
    case = Invoices()
    case.apply()
    for actor in (SALES, person("other", "salesperson"), person("x", "vetter", department="west")):
        with pytest.raises(Forbidden):
            case.give_back("marketing", actor)
        with pytest.raises(Forbidden):
            case.refuse("marketing", actor)


def test_a_joint_pass_lapses_at_the_end_of_its_last_day_in_shanghai() -> None:
    case = Invoices().passed()
    last = TODAY + timedelta(days=30)
    case.now = datetime(last.year, last.month, last.day, 15, 59, 59, tzinfo=UTC)
    assert case.lapse() == []
    case.later(seconds=1)
    (closed,) = case.lapse()
    assert (closed.outcome, closed.requested_by) == ("lapsed", "sales")
    assert case.lapse() == []
    assert case.account.requested == {}


def test_how_long_it_holds_is_policy_data() -> None:
    case = Invoices()
    case.policy = case.policy.model_copy(update={"request_days": 3})
    assert case.passed().request().lapses_on == TODAY + timedelta(days=3)


@pytest.mark.parametrize(
    ("because", "other", "lapses"),
    [
        ("order", {}, True),
        ("receipts", {"receipt": "r-1"}, True),
        ("receipts", {"receipt": "r-9"}, False),
        ("buyer", {"buyer": BUYER.model_dump()}, False),
        ("buyer", {"buyer": {"bank": "工商银行"}}, True),
    ],
)
def test_it_lapses_when_order_receipts_or_buyer_change(because: str, other: dict[str, Any], lapses: bool) -> None:  # noqa: FBT001
    case = Invoices().passed()
    case.moved(because, **other)
    assert (case.request().status is RequestStatus.LAPSED) == lapses
    case = Invoices()
    case.apply()
    case.moved(because, **other)
    assert (case.request().status is RequestStatus.RETURNED) == lapses
    assert case.moved(because, **other) == []


@pytest.mark.parametrize(
    ("changed", "what"),
    [
        ({"order": replace(ORDER, digest="amended")}, "order"),
        ({"order": replace(ORDER, receipts={"r-1": 5_999_999, "r-2": 4_000_001})}, "receipts"),
        ({"payer": replace(PAYER, buyer=BUYER.model_copy(update={"phone": "0571-1"}))}, "buyer"),
    ],
)
def test_nobody_passes_what_rests_on_something_else_by_now(changed: dict[str, Any], what: str) -> None:
    case = Invoices()
    case.apply()
    for name, value in changed.items():
        setattr(case, name, value)
    with pytest.raises(Refused) as refused:
        case.review("finance", FINANCE)
    assert (refused.value.problem_code, refused.value.evidence["changed"]) == ("basis-changed", [what])


def test_a_new_owner_may_mend_it_unless_they_have_reviewed_it() -> None:
    case = Invoices()
    case.apply()
    case.review("marketing", VETTER)
    case.give_back("finance", FINANCE)
    case.file = replace(case.file, owner="vetter")
    with pytest.raises(SeparationOfDuties):
        case.revise(actor=person("vetter", "salesperson"))
    case.file = replace(case.file, owner="other")
    case.revise(actor=person("other", "salesperson"))
    with pytest.raises(SeparationOfDuties):
        case.review("finance", person("sales", "finance", department=None))


def test_amounts_up_to_a_hundred_milliard_are_exact() -> None:
    huge = 10**13
    case = Invoices(order=replace(ORDER, receipts={"r-1": huge}, shipped_fen=huge))
    _, written, requested = case.apply(line(huge))
    assert requested.gross_fen == huge
    (found,) = written.content.lines
    assert (found.net_fen, found.tax_fen) == (8_849_557_522_124, 1_150_442_477_876)


def test_its_day_is_shanghais() -> None:
    case = Invoices(now=datetime(2026, 11, 24, 16, 0, tzinfo=UTC))
    assert case.passed().request().passed_on == date(2026, 11, 25)
