"""The whole trade by whoever tries, in whatever order: orders, money, goods, stops, returns, invoices (R3.2).

No sequence ships what is not paid or is stopped, adds to an order of a suspended or ended customer, invoices more than
the order's own account allows, or lets a person act who is leaving or has no right to it. `test_orders_machine.py`
holds the accounts to the fen, `test_chain.py` the order of the approvals.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from kehu.contracts.staff import DelegableStep
from kehu.contracts.trade import (
    GoodsShipped,
    InvoiceIssued,
    OrderAmended,
    OrderSigned,
    ShippingResumed,
    ShippingStopped,
    ShippingStopProposed,
)
from kehu.deciding import Actor, Mandate
from kehu.errors import Forbidden, KehuError
from kehu.event_store import Taken
from kehu.facts import Fact
from kehu_vetting.invoices import facts as invoicing
from kehu_vetting.invoices.payers import Counted, account_of
from kehu_vetting.invoices.testing import ISSUER, Invoices, digital, line
from kehu_vetting.orders.facts import ORDERS, Order
from kehu_vetting.orders.stopping import ROLES, Side
from kehu_vetting.orders.testing import BUYER, CLERK, WAREHOUSE, Books, single
from kehu_vetting.receipts.facts import receipt_of
from kehu_vetting.testing import FINANCE, MANAGER, SALES, VETTER, person

ORDER_IDS = ("o-1", "o-2")
STAFF = (CLERK, WAREHOUSE, FINANCE, MANAGER, SALES, VETTER, ISSUER)
#: For the manager and for finance: both of each pair are barred alike.
DEPUTIES = tuple(
    replace(
        person(f"deputy-{one.id}"),
        mandates=(Mandate("m", one.id, frozenset({DelegableStep.STOP_SHIPPING}), one.grants),),
    )
    for one in (MANAGER, FINANCE)
)
LEAVING = tuple(replace(one, departing=True) for one in (*STAFF, *DEPUTIES))
STRANGERS = (
    person("w-clerk", "order_clerk", department="west"),
    person("w-store", "warehouse", department="west"),
    person("w-boss", "dept_manager", department="west"),
    person("auditor", "auditor", department=None),
    person("market", "market_dept", department=None),
)
SIDES: st.SearchStrategy[Side] = st.sampled_from(["finance", "manager"])
SIDES_OF_REQUESTS: tuple[invoicing.Side, ...] = invoicing.SIDES
FEN = st.integers(1, 60) | st.sampled_from([100, 200, -1, 10**15])


class Company(RuleBasedStateMachine):
    """One customer's orders from signing to the invoice."""

    def __init__(self) -> None:
        super().__init__()
        self.books = Books()
        self.invoices = {order: Invoices() for order in ORDER_IDS}
        self.turn = 0

    # --- trying ---

    def attempt(self, act: Callable[[], Any]) -> None:
        """Try something; what is recorded by it is held against what stood before."""
        states = {order: self.books.order(order) for order in ORDER_IDS}
        before = {stream: len(facts) for stream, facts in self.books.recorded.items()}
        with suppress(KehuError):
            act()
        for order, state in states.items():
            stream = ORDERS.stream(order)
            at = state
            for fact in self.books.recorded.get(stream, [])[before.get(stream, 0) :]:
                self._check(at, fact)
                at = ORDERS.evolve(at, fact)

    def _check(self, before: Order, fact: Fact) -> None:
        buyer = self.books.buyer
        match fact:
            case GoodsShipped():
                assert not before.stopped
                assert before.allocated_fen >= before.due_fen + fact.value_fen
                assert fact.receipts
            case OrderSigned():
                assert buyer.active
                assert not buyer.suspended
                assert not buyer.ended
            case OrderAmended():
                assert not buyer.ended
                assert not buyer.suspended or fact.amount_fen <= before.amount_fen
            case ShippingStopProposed(lift=False):
                assert buyer.suspended
            case ShippingStopped() | ShippingResumed():
                assert before.proposal is not None
                first = {before.proposal.by, before.proposal.on_behalf_of or before.proposal.by}
                assert first.isdisjoint({fact.agreed_by, fact.on_behalf_of or fact.agreed_by})
            case _:
                pass

    def case(self, order: str) -> Invoices:
        """The invoices of an order, with the order as it stands."""
        facts = self.books.recorded.get(ORDERS.stream(order), [])
        case = self.invoices[order]
        case.order = account_of(Counted(ORDERS.fold(facts), len(facts)))
        case.payer = replace(case.payer, unit=case.order.unit)
        return case

    def on_invoices(self, order: str, act: Callable[[Invoices], Any]) -> None:
        """Try something on the invoices of an order."""
        case = self.case(order)
        before = len(case.facts)
        with suppress(KehuError, Taken):
            act(case)
        for fact in case.facts[before:]:
            if isinstance(fact, InvoiceIssued) and fact.red_of is None:
                assert case.account.invoiced_fen <= case.order.ceiling(case.policy)
                request = case.request(fact.request) if fact.request else None
                if request:
                    # Applicant, the two who passed it, and the issuer are four.
                    hands = [request.applicants, *(one.people for one in request.reviews.values()), {fact.issued_by}]
                    assert sum(map(len, hands)) == len(set().union(*hands))

    # --- orders, money, goods ---

    @initialize()
    def begin(self) -> None:
        for order, fen in (("o-1", 100), ("o-2", 60)):
            self.attempt(lambda order=order, fen=fen: self.books.sign(order, single(fen)))
        self.attempt(lambda: self.books.receive("b-1", 200))

    @rule(order=st.sampled_from(ORDER_IDS), fen=FEN)
    def amend(self, order: str, fen: int) -> None:
        self.attempt(lambda: self.books.amend(order, single(fen)))

    @rule(order=st.sampled_from(ORDER_IDS))
    def cancel(self, order: str) -> None:
        self.attempt(lambda: self.books.cancel(order))

    @rule(order=st.sampled_from(ORDER_IDS))
    def pay(self, order: str) -> None:
        needed = self.books.order(order).needed_fen
        self.attempt(lambda: self.books.allocate(receipt_of("b-1"), order, needed))

    @rule(fen=st.integers(1, 120), refund=st.booleans())
    def take_back(self, fen: int, refund: bool) -> None:  # noqa: FBT001 - hypothesis passes it
        self.attempt(lambda: self.books.take_back(receipt_of("b-1"), fen, refund=refund))

    @rule(order=st.sampled_from(ORDER_IDS), many=st.sampled_from(["1", "3", "10"]))
    def ship(self, order: str, many: str) -> None:
        self.turn += 1
        self.attempt(lambda: self.books.ship(order, 1, f"s-{self.turn}", {"阀门": many}))

    @rule(order=st.sampled_from(ORDER_IDS), many=st.sampled_from(["1", "3"]), data=st.data())
    def give_back(self, order: str, many: str, data: st.DataObject) -> None:
        shipments = sorted(self.books.order(order).shipments) or ["none"]
        shipment = data.draw(st.sampled_from(shipments))
        self.turn += 1
        self.attempt(lambda: self.books.give_back(order, shipment, f"r-{self.turn}", {"阀门": many}))

    @rule(order=st.sampled_from(ORDER_IDS))
    def credit(self, order: str) -> None:
        for returned in sorted(self.books.order(order).returns)[-1:]:
            self.attempt(lambda returned=returned: self.books.credit(order, returned))

    # --- the customer's standing, and stops ---

    @rule(suspended=st.booleans(), ended=st.sampled_from([False, False, True]))
    def stand(self, suspended: bool, ended: bool) -> None:  # noqa: FBT001 - hypothesis passes it
        """Papers expire and are renewed; the customer is closed or merged, and that is undone."""
        self.books.buyer = replace(BUYER, suspended=suspended, ended=ended)

    @rule(order=st.sampled_from(ORDER_IDS), side=SIDES, lift=st.booleans(), who=st.sampled_from([*STAFF, *DEPUTIES]))
    def propose_stop(self, order: str, side: Side, lift: bool, who: Actor) -> None:  # noqa: FBT001
        self.attempt(lambda: self.books.propose_stop(order, side, lift=lift, actor=who))

    @rule(order=st.sampled_from(ORDER_IDS), side=SIDES, who=st.sampled_from([*STAFF, *DEPUTIES]))
    def agree_to_stop(self, order: str, side: Side, who: Actor) -> None:
        self.attempt(lambda: self.books.agree_to_stop(order, side, actor=who))

    @rule(order=st.sampled_from(ORDER_IDS), side=SIDES, lift=st.booleans())
    def stop_by_both(self, order: str, side: Side, lift: bool) -> None:  # noqa: FBT001
        """As it goes when both want it, so that stopped orders are reached."""
        other: Side = "manager" if side == "finance" else "finance"
        by = {"finance": FINANCE, "manager": MANAGER}
        self.attempt(lambda: self.books.propose_stop(order, side, lift=lift, actor=by[side]))
        self.attempt(lambda: self.books.agree_to_stop(order, other, actor=by[other]))

    @rule(order=st.sampled_from(ORDER_IDS))
    def stop_paid_goods(self, order: str) -> None:
        """A paid order of a customer that is suspended then, so that there is something that could leave."""
        self.pay(order)
        self.books.buyer = replace(BUYER, suspended=True)
        self.stop_by_both(order, "finance", lift=False)
        self.ship(order, "1")

    @rule(order=st.sampled_from(ORDER_IDS), who=st.sampled_from(STAFF))
    def decline_stop(self, order: str, who: Actor) -> None:
        self.attempt(lambda: self.books.decline_stop(order, actor=who))

    # --- invoices ---

    @rule(order=st.sampled_from(ORDER_IDS), fen=FEN)
    def register(self, order: str, fen: int) -> None:
        self.turn += 1
        self.on_invoices(order, lambda case: case.register(digital(self.turn), line(fen), invoice=f"v-{self.turn}"))

    @rule(order=st.sampled_from(ORDER_IDS), fen=FEN)
    def apply(self, order: str, fen: int) -> None:
        self.turn += 1
        self.on_invoices(order, lambda case: case.apply(line(fen), name=f"q-{self.turn}"))

    @rule(order=st.sampled_from(ORDER_IDS), who=st.sampled_from([VETTER, MANAGER, FINANCE, SALES]), data=st.data())
    def review(self, order: str, who: Actor, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.invoices[order].requests) or ["none"]))
        side = data.draw(st.sampled_from(SIDES_OF_REQUESTS))
        self.on_invoices(order, lambda case: case.review(side, who, name=name))

    @rule(order=st.sampled_from(ORDER_IDS), who=st.sampled_from([ISSUER, FINANCE]), data=st.data())
    def issue(self, order: str, who: Actor, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.invoices[order].requests) or ["none"]))
        self.turn += 1
        self.on_invoices(
            order, lambda case: case.issue(digital(self.turn), name=name, actor=who, invoice=f"v-{self.turn}")
        )

    @rule(order=st.sampled_from(ORDER_IDS))
    def pass_and_issue(self, order: str) -> None:
        """As it goes when all goes well, for a part of what may be invoiced."""
        self.turn += 1
        name = f"q-{self.turn}"
        fen = max(1, self.case(order).order.ceiling(self.invoices[order].policy) // 2)
        self.on_invoices(order, lambda case: case.passed(line(fen), name=name))
        self.on_invoices(order, lambda case: case.issue(digital(self.turn), name=name, invoice=f"v-{self.turn}"))

    @rule(order=st.sampled_from(ORDER_IDS), data=st.data())
    def take_back_an_invoice(self, order: str, data: st.DataObject) -> None:
        blue = data.draw(st.sampled_from(sorted(self.invoices[order].account.invoices) or ["none"]))
        self.turn += 1
        red, number = f"d-{self.turn}", digital(self.turn)
        self.on_invoices(order, lambda case: case.ask_red(blue, red=red))
        self.on_invoices(order, lambda case: case.confirm_red(red))
        self.on_invoices(order, lambda case: case.issue_red(red, number, invoice=f"v-{self.turn}"))

    # --- people who may not ---

    @rule(order=st.sampled_from(ORDER_IDS), who=st.sampled_from([*LEAVING, *STRANGERS]), data=st.data())
    def somebody_without_the_right(self, order: str, who: Actor, data: st.DataObject) -> None:
        """Whoever is leaving, of another department, or only looks: everything is refused, and nothing recorded."""
        books, case, turn = self.books, self.case(order), self.turn
        returns = [*sorted(books.order(order).returns), "none"]
        acts: dict[str, Callable[[], Any]] = {
            "sign": lambda: books.sign("o-9", single(1), actor=who),
            "amend": lambda: books.amend(order, single(1), actor=who),
            "cancel": lambda: books.cancel(order, actor=who),
            "ship": lambda: books.ship(order, 1, f"x-{turn}", actor=who),
            "give_back": lambda: books.give_back(order, "none", f"x-{turn}", {"阀门": "1"}, actor=who),
            "credit": lambda: books.credit(order, returns[0], actor=who),
            "allocate": lambda: books.allocate(receipt_of("b-1"), order, 1, actor=who),
            "deallocate": lambda: books.deallocate(receipt_of("b-1"), order, 1, actor=who),
            "take_back": lambda: books.take_back(receipt_of("b-1"), 1, actor=who),
            "propose": lambda: books.propose_stop(order, "finance", lift=False, actor=who),
            "apply": lambda: case.apply(line(1), name=f"x-{turn}", actor=who),
            "register": lambda: case.register(digital(10**6 + turn), line(1), actor=who, invoice=f"x-{turn}"),
        }
        act = data.draw(st.sampled_from(sorted(acts)))
        recorded = {stream: list(facts) for stream, facts in books.recorded.items()}
        accounts, requests = list(case.facts), {name: list(facts) for name, facts in case.requests.items()}
        if act in ("sign", "amend", "cancel", "ship", "give_back", "credit", "allocate", "deallocate", "take_back"):
            # Who they are is looked at before what they want.
            with pytest.raises(Forbidden):
                acts[act]()
        else:
            with pytest.raises(KehuError):
                acts[act]()
        assert books.recorded == recorded
        assert (case.facts, case.requests) == (accounts, requests)

    @invariant()
    def what_is_stopped_was_stopped_by_both_sides(self) -> None:
        assert set(ROLES) == {"finance", "manager"}
        for order in ORDER_IDS:
            facts = self.books.recorded.get(ORDERS.stream(order), [])
            stops = [one for one in facts if isinstance(one, ShippingStopped | ShippingResumed)]
            assert self.books.order(order).stopped is bool(stops and isinstance(stops[-1], ShippingStopped))

    @invariant()
    def red_never_exceeds_blue(self) -> None:
        for case in self.invoices.values():
            for invoice in case.account.invoices.values():
                if not invoice.issued.red_of and invoice.holds:
                    assert all(min(left) >= 0 for left in case.account.left_of(invoice).values())


Company.TestCase.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
TestCompany = Company.TestCase
