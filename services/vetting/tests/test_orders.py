"""Orders on their own: given what has happened, what a command comes to (R3.2.1)."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kehu.calendar import SHANGHAI, end_of_day
from kehu.contracts.staff import DelegableStep
from kehu.contracts.trade import (
    DeliveryOverdue,
    GoodsReturned,
    GoodsShipped,
    OrderAmended,
    OrderCancelled,
    OrderLine,
    OrderReleased,
    OrderSigned,
    ReceiptAllocated,
    ReleaseBlocked,
    ShippingResumed,
    ShippingStopped,
    ShippingStopProposed,
)
from kehu.contracts.vetting import CreditIncidentRecorded
from kehu.deciding import Actor, Context, Grant, Mandate
from kehu.errors import Forbidden, Invalid, KehuError, Refused
from kehu.facts import RecordedFact
from kehu.ids import new_id
from kehu_vetting.credit.facts import CREDIT
from kehu_vetting.credit.reactions import open_incident
from kehu_vetting.orders import stopping
from kehu_vetting.orders.account import account_of
from kehu_vetting.orders.facts import ORDERS, DeliveriesWatched, ShortfallArisen
from kehu_vetting.orders.goods import part_of
from kehu_vetting.orders.overdue import DELIVERIES_DUE, tell_overdue
from kehu_vetting.orders.testing import BUYER, CLERK, UNIT, WAREHOUSE, Books, batch, single
from kehu_vetting.testing import FILE, FINANCE, MANAGER, NOW, SALES, TODAY, person

SUSPENDED = replace(BUYER, suspended=True)


def kinds(facts: list[Any]) -> list[type]:
    return [type(fact) for fact in facts]


def paid(*amounts: int, money: int | None = None) -> tuple[Books, str]:
    """One order of such batches, and money of its payer put to it."""
    books = Books()
    books.sign("o", [batch(number, ("阀门", "10", fen)) for number, fen in enumerate(amounts, 1)])
    receipt = books.receive("b", sum(amounts) if money is None else money)
    books.allocate(receipt, "o", sum(amounts) if money is None else money)
    return books, receipt


# --- signing ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("actor", [CLERK, SALES])
def test_a_clerk_or_the_owner_enters_a_signed_order(actor: Actor) -> None:
    (fact,) = Books().sign("o", single(500), actor=actor, reference="HT-1")
    assert isinstance(fact, OrderSigned)
    assert (fact.amount_fen, fact.unit, fact.department, fact.reference) == (500, UNIT, "east", "HT-1")


@pytest.mark.parametrize(
    "actor",
    [
        FINANCE,
        WAREHOUSE,
        MANAGER,
        person("other", "salesperson"),
        person("far", "order_clerk", department="west"),
        replace(CLERK, departing=True),
        replace(SALES, departing=True),
    ],
)
def test_nobody_else_enters_orders(actor: Actor) -> None:
    with pytest.raises(Forbidden):
        Books().sign("o", single(500), actor=actor)


@pytest.mark.parametrize(
    ("buyer", "code"),
    [
        (replace(BUYER, active=False), "customer-not-active"),
        (SUSPENDED, "customer-suspended"),
        (replace(BUYER, ended=True), "customer-ended"),
        (replace(BUYER, units=frozenset()), "unit-not-linked"),
    ],
)
def test_no_order_of_a_customer_that_may_not_order_now(buyer: Any, code: str) -> None:
    with pytest.raises(Refused) as refused:
        Books(buyer).sign("o", single(500))
    assert refused.value.problem_code == code


def test_without_a_default_payer_it_is_asked_who_pays_once_the_customer_may_order() -> None:
    for buyer, kind, code in (
        (BUYER, Invalid, "unit-missing"),
        (replace(BUYER, active=False), Refused, "customer-not-active"),
    ):
        with pytest.raises(kind) as refused:
            Books(buyer).sign("o", single(500), unit="")
        assert refused.value.problem_code == code


def test_no_order_is_signed_tomorrow() -> None:
    with pytest.raises(Invalid):
        Books().sign("o", single(500), signed_on=TODAY + timedelta(days=1))


# --- money and releases ----------------------------------------------------------------------------------------------


def test_a_batch_is_released_by_its_last_fen_and_not_before() -> None:
    books = Books()
    books.sign("o", single(500))
    receipt = books.receive("b", 500)
    assert kinds(books.allocate(receipt, "o", 499)) == [ReceiptAllocated]
    allocated, released = books.allocate(receipt, "o", 1)
    assert isinstance(allocated, ReceiptAllocated)
    assert isinstance(released, OrderReleased)
    assert (released.batch, released.amount_fen, released.receipts) == (1, 500, (f"fact-{receipt}",))


def test_each_release_and_dispatch_names_the_receipts_that_pay_for_it() -> None:
    books = Books()
    books.sign("o", [batch(1, ("a", "1", 100)), batch(2, ("a", "1", 100)), batch(3, ("a", "1", 100))])
    first, second = books.receive("b-1", 150), books.receive("b-2", 150)
    assert books.allocate(first, "o", 150)[1].receipts == (f"fact-{first}",)
    _, two, three = books.allocate(second, "o", 150)
    assert (two.batch, two.receipts) == (2, (f"fact-{first}", f"fact-{second}"))
    assert (three.batch, three.receipts) == (3, (f"fact-{second}",))
    (shipped,) = books.ship("o", 1, "s-1")
    assert shipped.receipts == (f"fact-{first}",)
    (shipped,) = books.ship("o", 3, "s-2")
    assert shipped.receipts == (f"fact-{second}",)


def test_a_cheap_batch_does_not_overtake_one_that_waits() -> None:
    books = Books()
    books.sign("o", [batch(1, ("a", "1", 100)), batch(2, ("a", "1", 1))])
    receipt = books.receive("b", 99)
    assert kinds(books.allocate(receipt, "o", 99)) == [ReceiptAllocated]


def test_money_that_goes_back_blocks_the_last_batch_first() -> None:
    books, receipt = paid(100, 100, 100)
    facts = books.deallocate(receipt, "o", 1)
    assert [(type(fact), getattr(fact, "batch", None)) for fact in facts] == [
        (ReceiptAllocated, None),
        (ReleaseBlocked, 3),
    ]
    facts = books.deallocate(receipt, "o", 100)
    assert [fact.batch for fact in facts[1:]] == [2]


def test_a_batch_of_which_a_part_has_left_is_blocked_and_released_for_its_rest() -> None:
    books, receipt = paid(100)
    books.ship("o", 1, "s", {"阀门": "4"})
    blocked = books.deallocate(receipt, "o", 1)[-1]
    assert (type(blocked), blocked.amount_fen) == (ReleaseBlocked, 60)
    released = books.allocate(receipt, "o", 1)[-1]
    assert (type(released), released.amount_fen) == (OrderReleased, 60)


def test_goods_that_have_left_stay_paid_but_for_the_bank() -> None:
    """Bad credit counts from the day on which money went back (R5.2); what goes back later is another incident."""
    books, receipt = paid(100)
    books.ship("o", 1, "s")
    books.now += timedelta(days=5)
    with pytest.raises(Refused) as refused:
        books.deallocate(receipt, "o", 1)
    assert refused.value.problem_code == "shipped-goods-unpaid"
    books.take_back(receipt, 30, day=TODAY + timedelta(days=1))
    books.take_back(receipt, 20, refund=True, day=TODAY + timedelta(days=2))
    found = [fact for fact in books.recorded[ORDERS.stream("o")] if isinstance(fact, ShortfallArisen)]
    assert [(fact.shortfall_fen, (fact.occurred_on - TODAY).days) for fact in found] == [(30, 1), (20, 2)]
    assert books.order("o").shortfall_fen == 50
    again = books.receive("c", 50)
    books.allocate(again, "o", 50)
    assert books.order("o").shortfall_fen == 0


def test_money_that_is_put_to_nothing_goes_back_first() -> None:
    books = Books()
    books.sign("o", single(100))
    receipt = books.receive("b", 150)
    books.allocate(receipt, "o", 100)
    books.take_back(receipt, 50)
    assert books.order("o").released_fen == 100
    books.take_back(receipt, 1)
    assert (books.order("o").released_fen, books.receipt(receipt).free_fen) == (0, 0)


def test_a_shortfall_is_one_incident_however_often_it_is_told() -> None:
    fact = ShortfallArisen(order="o", number="DD1", customer="c-1", shortfall_fen=30, occurred_on=TODAY)
    recorded = RecordedFact(
        fact, new_id(), "order-o", 1, None, "c-1", "vetting", "x", "R3.2.1", new_id(), None, NOW, NOW
    )
    context = Context(person("system"), NOW)
    (incident,) = open_incident(recorded, CREDIT.initial, context).facts
    assert isinstance(incident, CreditIncidentRecorded)
    assert (incident.customer, incident.amount_fen, "DD1" in incident.description) == ("c-1", 30, True)
    assert open_incident(recorded, CREDIT.fold([incident]), context).facts == ()


# --- amendments and cancellation -------------------------------------------------------------------------------------


def test_a_smaller_order_gives_money_back_and_releases_anew() -> None:
    books, receipt = paid(100, 100)
    facts = books.amend("o", [batch(1, ("阀门", "10", 100)), batch(2, ("阀门", "5", 50))])
    assert kinds(facts) == [ReleaseBlocked, OrderAmended, ReceiptAllocated, OrderReleased]
    assert (facts[0].batch, facts[2].amount_fen, facts[3].amount_fen) == (2, -50, 50)
    assert books.receipt(receipt).free_fen == 50


@pytest.mark.parametrize(
    "batches",
    [
        [batch(1, ("阀门", "10", 101))],
        [batch(1, ("阀门", "11", 100))],
        [batch(1, ("阀门", "10", 50)), batch(2, ("别的", "1", 50))],
    ],
)
def test_more_money_or_goods_are_an_increase_and_refused_while_suspended(batches: list[Any]) -> None:
    books, _ = paid(100)
    books.buyer = SUSPENDED
    with pytest.raises(Refused) as refused:
        books.amend("o", batches)
    assert refused.value.problem_code == "customer-suspended"
    assert kinds(books.amend("o", [batch(1, ("阀门", "9", 90))]))[1] is OrderAmended


def test_an_increase_takes_a_payer_that_may_pay_now() -> None:
    books, _ = paid(100)
    books.buyer = replace(BUYER, units=frozenset())
    with pytest.raises(Refused) as refused:
        books.amend("o", [batch(1, ("阀门", "10", 101))])
    assert refused.value.problem_code == "unit-not-linked"


def test_what_has_begun_to_leave_is_not_amended() -> None:
    books, _ = paid(100, 100)
    books.ship("o", 1, "s", {"阀门": "1"})
    with pytest.raises(Refused) as refused:
        books.amend("o", [batch(1, ("阀门", "10", 99)), batch(2, ("阀门", "10", 100))])
    assert refused.value.problem_code == "batch-begun"
    with pytest.raises(Refused):
        books.amend("o", [batch(1, ("别的", "10", 100))])


def test_cancelling_frees_what_has_not_left_and_a_cancelled_order_is_over() -> None:
    books, receipt = paid(100, 100)
    books.ship("o", 1, "s", {"阀门": "5"})
    facts = books.cancel("o", actor=SALES)
    assert kinds(facts) == [ReleaseBlocked, ReleaseBlocked, OrderCancelled, ReceiptAllocated]
    assert (facts[2].cancelled_fen, facts[2].shipped_fen, facts[3].amount_fen) == (150, 50, -150)
    assert books.receipt(receipt).free_fen == 150
    for act in (lambda: books.cancel("o"), lambda: books.amend("o", single(1)), lambda: books.ship("o", 1, "s-2")):
        with pytest.raises(KehuError):
            act()
    account = account_of(books.order("o"))
    assert (account.ordered_fen, account.received_fen, account.delivered_fen, account.cancelled) == (50, 50, 50, True)


# --- goods -----------------------------------------------------------------------------------------------------------


def test_suspension_does_not_stop_what_is_paid() -> None:
    books, _ = paid(100)
    books.buyer = SUSPENDED
    assert kinds(books.ship("o", 1, "s")) == [GoodsShipped]


@pytest.mark.parametrize("quantities", [{"阀门": "10.000001"}, {"别的": "1"}, {"阀门": "0"}, {"阀门": "-1"}, {}])
def test_only_what_the_order_says_leaves(quantities: dict[str, str]) -> None:
    books, _ = paid(100)
    with pytest.raises((Refused, Invalid)):
        books.ship("o", 1, "s", quantities)


@pytest.mark.parametrize("actor", [FINANCE, CLERK, SALES, person("far", "warehouse", department="west")])
def test_only_the_warehouse_of_the_department_ships(actor: Actor) -> None:
    books, _ = paid(100)
    with pytest.raises(Forbidden):
        books.ship("o", 1, "s", actor=actor)


def test_a_return_frees_nothing_until_finance_accepts_it() -> None:
    books, receipt = paid(100, 60, money=100)
    books.ship("o", 1, "s")
    assert kinds(books.give_back("o", "s", "r", {"阀门": "8"})) == [GoodsReturned]
    assert books.order("o").needed_fen == 60
    with pytest.raises(Forbidden):
        books.credit("o", "r", actor=WAREHOUSE)
    facts = books.credit("o", "r")
    assert [(type(fact).__name__, getattr(fact, "amount_fen", 0)) for fact in facts] == [
        ("ReturnCredited", 80),
        ("ReceiptAllocated", -20),
        ("OrderReleased", 60),
    ]
    assert books.receipt(receipt).free_fen == 20
    with pytest.raises(Refused):
        books.credit("o", "r")


def test_goods_that_came_back_are_not_unpaid() -> None:
    books, receipt = paid(100)
    books.ship("o", 1, "s")
    books.give_back("o", "s", "r", {"阀门": "10"})
    books.take_back(receipt, 100, refund=True)
    assert not [fact for fact in books.recorded[ORDERS.stream("o")] if isinstance(fact, ShortfallArisen)]


def test_no_more_comes_back_than_had_left() -> None:
    books, _ = paid(100)
    books.ship("o", 1, "s", {"阀门": "3"})
    books.give_back("o", "s", "r-1", {"阀门": "2"})
    with pytest.raises(Refused):
        books.give_back("o", "s", "r-2", {"阀门": "2"})


@given(
    amount=st.integers(0, 10**15),
    quantity=st.decimals("0.000001", 10**9, places=6),
    cuts=st.lists(st.decimals("0.000001", 1, places=6), max_size=6),
)
def test_parts_are_worth_the_whole_however_it_is_split(amount: int, quantity: Decimal, cuts: list[Decimal]) -> None:
    line = OrderLine(item="a", quantity=quantity, amount_fen=amount)
    gone = Decimal(0)
    worth = 0
    for cut in [*cuts, Decimal(1)]:
        part = min(quantity - gone, (quantity * cut).quantize(Decimal("0.000001")) or Decimal("0.000001"))
        if cut == 1:
            part = quantity - gone
        if part <= 0:
            continue
        (taken,) = part_of([line], {"a": gone}, {"a": part}, doing=("发货", "shipped"))
        assert 0 <= taken.amount_fen <= amount
        gone += part
        worth += taken.amount_fen
    assert (gone, worth) == (quantity, amount)


# --- stopping --------------------------------------------------------------------------------------------------------


def stop(books: Books, actor: Actor, side: Any, *, lift: bool = False) -> list[Any]:
    command = stopping.ProposeStop(side, lift, "涉诉")
    return books.record(ORDERS.stream("o"), stopping.propose_stop(command, books.order("o"), books.context(actor)))


def agree(books: Books, actor: Actor, side: Any) -> list[Any]:
    command = stopping.AgreeToStop(side)
    return books.record(ORDERS.stream("o"), stopping.agree_to_stop(command, books.order("o"), books.context(actor)))


def test_two_sides_stop_and_resume() -> None:
    books, _ = paid(100)
    books.buyer = SUSPENDED
    assert kinds(stop(books, FINANCE, "finance")) == [ShippingStopProposed]
    assert not books.order("o").stopped
    assert kinds(agree(books, MANAGER, "manager")) == [ShippingStopped]
    with pytest.raises(Refused):
        books.ship("o", 1, "s")
    assert kinds(stop(books, MANAGER, "manager", lift=True)) == [ShippingStopProposed]
    assert kinds(agree(books, FINANCE, "finance")) == [ShippingResumed]
    assert kinds(books.ship("o", 1, "s")) == [GoodsShipped]


def test_one_person_is_not_both_sides_in_whatever_roles_or_mandates() -> None:
    books, _ = paid(100)
    books.buyer = SUSPENDED
    both = Actor("both", (Grant("finance"), Grant("dept_manager", "east")))
    stop(books, both, "finance")
    for actor in (both, FINANCE):
        for side in ("finance", "manager"):
            with pytest.raises(Forbidden):
                agree(books, actor, side)
    mandate = Mandate("d", "both", frozenset({DelegableStep.STOP_SHIPPING.value}), (Grant("dept_manager", "east"),))
    delegate = Actor("delegate", (), mandates=(mandate,))
    with pytest.raises(Forbidden):
        agree(books, delegate, "manager")
    assert kinds(agree(books, MANAGER, "manager")) == [ShippingStopped]


def test_shipping_to_who_is_not_suspended_is_not_stopped() -> None:
    books, _ = paid(100)
    with pytest.raises(Refused) as refused:
        stop(books, FINANCE, "finance")
    assert refused.value.problem_code == "not-suspended"


# --- days ------------------------------------------------------------------------------------------------------------


def at(day: date) -> Context:
    return Context(person("system"), datetime(day.year, day.month, day.day, tzinfo=SHANGHAI))


def test_a_late_batch_is_told_once_for_its_day_from_24_oclock_on() -> None:
    books = Books()
    soon, later = TODAY + timedelta(days=1), TODAY + timedelta(days=5)
    (signed,) = books.sign("o", [batch(1, ("a", "1", 1), due_on=soon), batch(2, ("a", "1", 1), due_on=later)])
    recorded: Any = type("Recorded", (), {"fact": signed})
    planned: Any = DELIVERIES_DUE.planned_by[OrderSigned](recorded)
    assert (planned.key, planned.at) == ("o", end_of_day(soon))
    early = tell_overdue("o", NOW, books.order("o"), at(soon)).facts
    assert [type(fact) for fact in early] == [DeliveriesWatched]
    late = tell_overdue("o", NOW, books.order("o"), at(soon + timedelta(days=1))).facts
    assert [type(fact) for fact in late] == [DeliveryOverdue, DeliveriesWatched]
    assert isinstance(late[1], DeliveriesWatched)
    assert late[1].next_due_on == later
    books.recorded[ORDERS.stream("o")] += late
    again = tell_overdue("o", NOW, books.order("o"), at(later + timedelta(days=1))).facts
    assert [(fact.batch, fact.released) for fact in again if isinstance(fact, DeliveryOverdue)] == [(2, False)]


def test_what_has_left_or_was_cancelled_is_not_late() -> None:
    books = Books()
    books.sign("o", [batch(1, ("a", "1", 1), due_on=TODAY), batch(2, ("a", "1", 1), due_on=TODAY)])
    receipt = books.receive("b", 1)
    books.allocate(receipt, "o", 1)
    books.ship("o", 1, "s")
    tomorrow = at(TODAY + timedelta(days=1))
    late = tell_overdue("o", NOW, books.order("o"), tomorrow).facts
    assert [fact.batch for fact in late if isinstance(fact, DeliveryOverdue)] == [2]
    books.cancel("o")
    assert tell_overdue("o", NOW, books.order("o"), tomorrow).facts == []


def test_whose_order_it_is_is_told_in_its_facts() -> None:
    books, _ = paid(100)
    released = next(fact for fact in books.recorded[ORDERS.stream("o")] if isinstance(fact, OrderReleased))
    assert (released.order_number, released.department) == ("DD-o", FILE.department)
