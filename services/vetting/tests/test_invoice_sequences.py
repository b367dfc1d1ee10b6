"""R3.2.3 as properties: no sequence of commands, in whatever roles and order, breaks the rules about invoices."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any, Literal

from hypothesis import event, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from kehu.calendar import today
from kehu.contracts.trade import (
    GoodsReturned,
    GoodsShipped,
    InvoiceIssued,
    InvoiceKind,
    InvoiceRequestReviewed,
    InvoiceVoided,
    OrderLine,
    ReceiptAllocated,
    RedLetterCovered,
    RedLetterDue,
)
from kehu.deciding import Actor, Grant, Mandate
from kehu.errors import KehuError
from kehu_vetting.invoices import reactions
from kehu_vetting.invoices.facts import RequestWritten
from kehu_vetting.invoices.numbers import Numbers
from kehu_vetting.invoices.testing import BUYER, ORDER, Invoices, digital, line, paper, recorded

PEOPLE = st.sampled_from(["sales", "vera", "fang", "fei", "mei", "li"])
ROLES = st.sampled_from(["salesperson", "vetter", "finance", "dept_manager"])
REQUESTS = st.sampled_from(["q-1", "q-2"])
SIDES: st.SearchStrategy[Literal["marketing", "finance"]] = st.sampled_from(["marketing", "finance"])
AMOUNTS = st.sampled_from([1, 7, 10, 40, 100, 300, 1_000])
SEQUENCES = st.integers(1, 12)
NUMBERS = SEQUENCES.map(digital) | SEQUENCES.map(paper)
KINDS = st.sampled_from([InvoiceKind.DIGITAL, InvoiceKind.PAPER])
PICK = st.integers(0, 30)
ROLE_OF = {"marketing": "vetter", "finance": "finance"}
RECEIPTS = st.sampled_from(["r-1", "r-2"])
DEPARTMENT = "east"


class Trading(RuleBasedStateMachine):
    """One order whose money and goods move, and people who try everything with its requests and invoices."""

    @initialize()
    def begin(self) -> None:
        self.case = Invoices(order=replace(ORDER, receipts={"r-1": 600, "r-2": 400}, shipped_fen=700, version=2))
        self.follow_all()
        self.roles: dict[str, set[str]] = {"sales": {"salesperson"}}
        self.absent: dict[str, str] = {}
        #: Of every invoice: what held when it was issued.
        self.moments: dict[str, dict[str, Any]] = {}
        self.written: dict[str, tuple[Any, ...]] = {}
        self.issues = 0

    def follow_all(self) -> None:
        """What the reactions have done about the order's first versions."""
        self.follow(_allocated("r-1", 600), 1, reactions.money_moved)
        self.follow(_allocated("r-2", 400), 1, reactions.money_moved)
        self.follow(_goods(GoodsShipped, 700), 2, reactions.goods_left)

    def follow(self, fact: Any, version: int, decide: Callable[..., Any]) -> None:
        decision = decide(recorded(fact, version), self.case.account, self.case.context(Actor("system", system=True)))
        self.case.facts += decision.facts

    def actor(self, name: str) -> Actor:
        def grants(one: str) -> tuple[Grant, ...]:
            return tuple(Grant(role, DEPARTMENT) for role in sorted(self.roles.get(one, set())))

        steps = frozenset({"invoice:marketing", "invoice:finance"})
        mandates = tuple(Mandate(f"e-{one}", one, steps, grants(one)) for one, by in self.absent.items() if by == name)
        return Actor(name, grants(name), mandates=mandates)

    def attempt(self, call: Callable[[], Any]) -> bool:
        before = len(self.case.facts), {name: len(facts) for name, facts in self.case.requests.items()}
        try:
            call()
        except KehuError:
            assert before == (len(self.case.facts), {name: len(facts) for name, facts in self.case.requests.items()})
            return False
        return True

    # --- people ---

    @rule(name=PEOPLE, role=ROLES)
    def promote(self, name: str, role: str) -> None:
        self.roles.setdefault(name, set()).add(role)

    @rule(name=PEOPLE)
    def demote(self, name: str) -> None:
        self.roles.pop(name, None)

    @rule(name=PEOPLE, by=PEOPLE)
    def stand_in(self, name: str, by: str) -> None:
        self.absent[name] = by

    @rule(owner=PEOPLE)
    def hand_over(self, owner: str) -> None:
        self.roles.setdefault(owner, set()).add("salesperson")
        self.case.file = replace(self.case.file, owner=owner)

    # --- the order ---

    @rule(receipt=RECEIPTS, fen=st.sampled_from([-600, -100, -1, 1, 100, 500]))
    def money_moves(self, receipt: str, fen: int) -> None:
        order = self.case.order
        after = order.receipts.get(receipt, 0) + fen
        if after < 0:
            return
        receipts = {name: value for name, value in {**order.receipts, receipt: after}.items() if value}
        self.case.order = replace(order, receipts=receipts, version=order.version + 1)
        self.follow(_allocated(receipt, fen), order.version + 1, reactions.money_moved)

    @rule(fen=st.sampled_from([-500, -100, -1, 1, 100, 300]))
    def goods_move(self, fen: int) -> None:
        order = self.case.order
        if order.shipped_fen + fen < 0:
            return
        self.case.order = replace(order, shipped_fen=order.shipped_fen + fen, version=order.version + 1)
        if fen > 0:
            self.follow(_goods(GoodsShipped, fen), order.version + 1, reactions.goods_left)
        else:
            self.follow(_goods(GoodsReturned, -fen), order.version + 1, reactions.goods_returned)

    @rule(digest=st.sampled_from(["agreed", "amended"]))
    def amend(self, digest: str) -> None:
        self.case.order = replace(self.case.order, digest=digest, version=self.case.order.version + 1)

    @rule(phone=st.sampled_from([BUYER.phone, "0571-1"]))
    def change_the_buyer(self, phone: str) -> None:
        self.case.payer = replace(self.case.payer, buyer=BUYER.model_copy(update={"phone": phone}))

    @rule(hours=st.sampled_from([1, 24, 80, 24 * 20]))
    def wait(self, hours: int) -> None:
        if today(self.case.now + timedelta(hours=hours)).year == today(self.case.now).year:
            self.case.later(hours=hours)

    @rule(name=REQUESTS, red=st.sampled_from(["d-0", "d-1"]), because=st.sampled_from(["order", "receipts"]))
    def time_and_reactions_come(self, name: str, red: str, because: str) -> None:
        self.attempt(lambda: self.case.lapse(name))
        self.attempt(lambda: self.case.lapse_red(red))
        self.attempt(lambda: self.case.moved(because, name=name, version=self.case.order.version))

    # --- requests ---

    @rule(name=PEOPLE, request=REQUESTS, fen=AMOUNTS, receipts=st.sampled_from([(), ("r-1",)]))
    def apply(self, name: str, request: str, fen: int, receipts: tuple[str, ...]) -> None:
        if self.attempt(lambda: self.case.apply(line(fen), actor=self.actor(name), name=request, receipts=receipts)):
            self.write_down(request)

    @rule(name=PEOPLE, request=REQUESTS, fen=AMOUNTS)
    def revise(self, name: str, request: str, fen: int) -> None:
        if self.attempt(lambda: self.case.revise(line(fen), actor=self.actor(name), name=request)):
            self.write_down(request)

    def write_down(self, request: str) -> None:
        self.written[request] = self.basis(request)

    def basis(self, request: str) -> tuple[Any, ...]:
        """What a request rests on, in the policy's own words."""
        last = [fact for fact in self.case.requests[request] if isinstance(fact, RequestWritten)][-1]
        referred = [paid.receipt for paid in last.basis.receipts]
        order = self.case.order
        return order.digest, order.unit, {one: order.receipts.get(one, 0) for one in referred}, self.case.payer.buyer

    @rule(name=PEOPLE, request=REQUESTS)
    def withdraw(self, name: str, request: str) -> None:
        self.attempt(lambda: self.case.withdraw(actor=self.actor(name), name=request))

    @rule(name=PEOPLE, request=REQUESTS, side=SIDES, end=st.booleans())
    def give_back(self, name: str, request: str, side: Any, end: bool) -> None:  # noqa: FBT001 - hypothesis passes it
        call = self.case.refuse if end else self.case.give_back
        self.attempt(lambda: call(side, self.actor(name), name=request))

    @rule(name=PEOPLE, request=REQUESTS, side=SIDES)
    def review(self, name: str, request: str, side: Any) -> None:
        self.attempt(lambda: self.case.review(side, self.actor(name), name=request))

    @rule(names=st.lists(PEOPLE, min_size=3, max_size=6), request=REQUESTS, fen=AMOUNTS, numbers=NUMBERS)
    def go_on(self, names: list[str], request: str, fen: int, numbers: Numbers) -> None:
        """People with the right role try one after another; this is how far runs get."""
        owner = self.case.file.owner
        self.roles.setdefault(owner, set()).add("salesperson")
        self.apply(owner, request, fen, ())
        for place, name in enumerate(names):
            side: Any = ("marketing", "finance")[place % 2]
            self.roles.setdefault(name, set()).add(ROLE_OF[side])
            self.review(name, request, side)
        for name in names:
            self.roles[name].add("finance")
            self.issue(name, request, numbers, None)

    # --- invoices ---

    @rule(name=PEOPLE, request=REQUESTS, numbers=NUMBERS, fen=st.none() | AMOUNTS)
    def issue(self, name: str, request: str, numbers: Numbers, fen: int | None) -> None:
        lines = () if fen is None else (line(fen),)
        actor = self.actor(name)
        self.issuing(lambda new: self.case.issue(numbers, *lines, actor=actor, name=request, invoice=new), request)

    @rule(name=PEOPLE, numbers=NUMBERS, fen=AMOUNTS)
    def register(self, name: str, numbers: Numbers, fen: int) -> None:
        self.roles.setdefault(name, set()).add("finance")
        self.issuing(lambda new: self.case.register(numbers, line(fen), actor=self.actor(name), invoice=new), None)

    def issuing(self, call: Callable[[str], Any], request: str | None) -> None:
        self.issues += 1
        invoice = f"v-{self.issues}"
        moment = {
            "ceiling": min(sum(self.case.order.receipts.values()), self.case.order.shipped_fen),
            "request": request,
            "today": today(self.case.now),
            "basis": self.basis(request) if request and request in self.written else None,
            "written": self.written.get(request or ""),
        }
        if self.attempt(lambda: call(invoice)):
            self.moments[invoice] = moment
            self.moments[invoice]["facts"] = list(self.case.requests.get(request or "", []))

    def some(self, pick: int) -> str:
        """One of the invoices there are."""
        known = sorted(self.case.account.invoices)
        return known[pick % len(known)] if known else "v-0"

    @rule(pick=PICK)
    def void(self, pick: int) -> None:
        self.attempt(lambda: self.case.void(self.some(pick)))

    @rule(pick=PICK, fen=st.none() | AMOUNTS, kind=KINDS)
    def ask_red(self, pick: int, fen: int | None, kind: InvoiceKind) -> None:
        lines = () if fen is None else (line(-fen),)
        self.attempt(lambda: self.case.ask_red(self.some(pick), *lines, kind=kind))

    @rule(pick=PICK, confirming=st.sampled_from([True, True, False]), sequence=SEQUENCES)
    def issue_red(self, pick: int, confirming: bool, sequence: int) -> None:  # noqa: FBT001 - hypothesis passes it
        reds = sorted(self.case.account.reds)
        red = reds[pick % len(reds)] if reds else "d-0"
        if confirming:
            self.attempt(lambda: self.case.confirm_red(red))
        self.issues += 1
        kind = self.case.account.reds[red].kind if reds else InvoiceKind.PAPER
        numbers = digital(sequence) if kind is InvoiceKind.DIGITAL else paper(sequence)
        self.attempt(lambda: self.case.issue_red(red, numbers, invoice=f"v-{self.issues}"))

    @rule(pick=PICK, fen=st.none() | AMOUNTS, kind=KINDS, sequence=SEQUENCES)
    def take_back(self, pick: int, fen: int | None, kind: InvoiceKind, sequence: int) -> None:
        """A red letter from its asking to its issue; this is how far runs get."""
        self.ask_red(pick, fen, kind)
        self.issue_red(len(self.case.account.reds) - 1, True, sequence)  # noqa: FBT003 - a rule called by hand

    # --- what the policy says ---

    @invariant()
    def net_invoiced_was_never_above_receipts_or_shipped_value(self) -> None:
        net = 0
        amounts: dict[str, int] = {}
        for fact in self.case.facts:
            if isinstance(fact, InvoiceIssued):
                net += fact.gross_fen
                amounts[fact.invoice] = fact.gross_fen
                if fact.invoice in self.moments:
                    assert net <= self.moments[fact.invoice]["ceiling"], "invoiced too much"
            elif isinstance(fact, InvoiceVoided):
                net -= amounts[fact.invoice]

    @invariant()
    def red_is_within_blue(self) -> None:
        held = {name: fact for name, fact in self.case.issued().items() if self.case.account.invoices[name].holds}
        for name, blue in held.items():
            if blue.red_of:
                continue
            reds = [fact for fact in held.values() if fact.red_of == name]
            for part in ("net_fen", "tax_fen", "gross_fen"):
                assert -sum(getattr(red, part) for red in reds) <= getattr(blue, part)
        for fact in held.values():
            assert fact.red_of is None or fact.red_of in held, "a red letter without its blue one"

    @invariant()
    def numbers_count_once_and_sums_hold(self) -> None:
        seen = [
            (fact.code, fact.number, fact.digital_number) for fact in self.case.facts if isinstance(fact, InvoiceIssued)
        ]
        assert len(seen) == len(set(seen))
        for fact in self.case.issued().values():
            assert fact.gross_fen == fact.net_fen + fact.tax_fen == sum(one.gross_fen for one in fact.lines)

    @invariant()
    def nobody_holds_two_of_applicant_reviewers_and_issuer(self) -> None:
        for invoice, moment in self.moments.items():
            if moment["request"] is None:
                continue
            applicants = {fact.written_by for fact in moment["facts"] if isinstance(fact, RequestWritten)}
            sides: dict[str, set[str]] = {"marketing": set(), "finance": set()}
            for fact in moment["facts"]:
                if isinstance(fact, InvoiceRequestReviewed):
                    sides[fact.side] |= {fact.reviewed_by, *([fact.on_behalf_of] if fact.on_behalf_of else [])}
            groups = [applicants, sides["marketing"], sides["finance"], {self.case.issued()[invoice].issued_by}]
            assert all(groups), "somebody is missing"
            assert len(set().union(*groups)) == sum(len(group) for group in groups), groups

    @invariant()
    def nothing_is_issued_on_a_lapsed_or_changed_request(self) -> None:
        for moment in self.moments.values():
            if moment["request"] is None:
                continue
            assert moment["basis"] == moment["written"], "issued on something else"
            last = [fact for fact in moment["facts"] if isinstance(fact, InvoiceRequestReviewed)][-1]
            assert last.both
            assert last.lapses_on is not None
            assert moment["today"] <= last.lapses_on, "issued on a lapsed request"

    @invariant()
    def what_is_told_to_be_due_is_what_is_due(self) -> None:
        told = [fact for fact in self.case.facts if isinstance(fact, RedLetterDue | RedLetterCovered)]
        due = told[-1].excess_fen if told and isinstance(told[-1], RedLetterDue) else 0
        ceiling = min(sum(self.case.order.receipts.values()), self.case.order.shipped_fen)
        assert due == max(0, self.case.account.invoiced_fen - ceiling)

    def teardown(self) -> None:
        issued = self.case.issued().values()
        event(f"red letters: {any(fact.red_of for fact in issued)}")
        event(f"issued on a request: {any(fact.request for fact in issued)}")
        event(f"void: {any(isinstance(fact, InvoiceVoided) for fact in self.case.facts)}")
        event(f"due: {any(isinstance(fact, RedLetterDue) for fact in self.case.facts)}")


def _allocated(receipt: str, fen: int) -> ReceiptAllocated:
    return ReceiptAllocated(receipt=receipt, order="o-1", customer="c-1", amount_fen=fen)


def _goods(kind: type[GoodsShipped | GoodsReturned], fen: int) -> Any:
    lines: tuple[OrderLine, ...] = ()
    return kind.model_validate(
        {
            "shipment": "s-1",
            "returned": "b-1",
            "order": "o-1",
            "customer": "c-1",
            "department": DEPARTMENT,
            "batch": 1,
            "shipped_on": "2026-11-24",
            "returned_on": "2026-11-24",
            "value_fen": fen,
            "lines": lines,
            "receipts": (),
            "reason": "质量",
        }
    )


Trading.TestCase.settings = settings(max_examples=200, stateful_step_count=40, deadline=None)
TestTrading = Trading.TestCase
