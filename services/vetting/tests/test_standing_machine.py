"""Whatever is renewed, ended, suspended, lifted and fired, in whatever order: who may order is what the policy says."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from kehu.calendar import start_of_day
from kehu.contracts.vetting import (
    AgreementSigned,
    DocumentExpiring,
    QualificationRestored,
    QualificationSuspended,
)
from kehu.deciding import Actor, Context, system_actor
from kehu.errors import KehuError, Refused
from kehu.facts import Fact
from kehu_vetting.qualifications.facts import ORDER
from kehu_vetting.qualifications.form import Document
from kehu_vetting.qualifications.required_documents import POLICY_NAME, REQUIRED_DOCUMENTS
from kehu_vetting.settlement_units import decisions as units
from kehu_vetting.settlement_units import ending as unit_ending
from kehu_vetting.standing import decisions, ending, reactions
from kehu_vetting.standing.ordering import check_may_order
from kehu_vetting.testing import (
    CUSTOMER,
    DEPARTMENT,
    FILE,
    FINANCE,
    MANAGER,
    OTHER,
    SALES,
    TODAY,
    USCC,
    VETTER,
    Case,
    Trade,
    paper,
    recorded,
    third_party_form,
)

POLICY = REQUIRED_DOCUMENTS.initial
SYSTEM = system_actor("vetting", "schedule")
DAYS = st.integers(-5, 120)
ACTORS = st.sampled_from([SALES, VETTER, FINANCE, MANAGER])
KINDS = st.sampled_from(["business_licence", "power_of_attorney", "legal_representative_id"])
WHAT = st.sampled_from(["business_licence", "power_of_attorney", "legal_representative_id", "agreement", "payer:u-1"])


class Ordering(RuleBasedStateMachine):
    """A customer and its third-party payer; a model in the policy's own words beside them."""

    @initialize()
    def begin(self) -> None:
        self.trade = Trade(Case().submitted(third_party_form(until=None)).passed(*ORDER[:4]))
        self.trade.approve()
        self.trade.activated(until=TODAY + timedelta(days=20))
        self.today = TODAY
        self.file = FILE
        #: Last days by what ends, of what bars; None where it has none.
        self.papers: dict[str, date | None] = {"business_licence": None}
        self.unit_papers: dict[str, date | None] = {"business_licence": date(2027, 6, 30)}
        self.agreements: list[tuple[date, date | None]] = [(TODAY, TODAY + timedelta(days=20))]
        self.by_hand = self.unit_by_hand = False

    def context(self, actor: Actor, gathered: Any = None) -> Context:
        return Context(actor, start_of_day(self.today) + timedelta(hours=9), {POLICY_NAME: POLICY}, gathered)

    def note(self, facts: Any) -> list[Fact]:
        self.trade.standing_facts += facts
        return list(facts)

    @rule(days=st.integers(0, 60))
    def pass_days(self, days: int) -> None:
        self.today += timedelta(days=days)

    @rule(kind=KINDS, days=st.none() | DAYS)
    def renew(self, kind: str, days: int | None) -> None:
        until = None if days is None else self.today + timedelta(days=days)
        number = USCC if kind == "business_licence" else ""
        taken = decisions.TakePapers(CUSTOMER, DEPARTMENT, (paper(kind, number=number, valid_until=until),))
        self.note(decisions.take_papers(taken, self.trade.standing, POLICY, self.context(VETTER)))
        if kind != "legal_representative_id":  # warns only
            self.papers[kind] = until

    @rule(days=st.none() | DAYS)
    def renew_of_payer(self, days: int | None) -> None:
        until = None if days is None else self.today + timedelta(days=days)
        papers: tuple[Document, ...] = (paper("business_licence", number=OTHER, valid_until=until),)
        self.trade.unit_facts += units.take_papers("u-1", papers, self.trade.unit, POLICY, self.context(VETTER))
        self.unit_papers["business_licence"] = until

    @rule(begins=st.integers(-3, 10), lasts=st.none() | st.integers(0, 90))
    def agree(self, begins: int, lasts: int | None) -> None:
        since = self.today + timedelta(days=begins)
        until = None if lasts is None else since + timedelta(days=lasts)
        fact = AgreementSigned(
            qualification="q-1",
            customer=CUSTOMER,
            signed_on=self.today,
            valid_from=since,
            valid_until=until,
            file_digest="a" * 64,
        )
        self.note(reactions.note_agreement(recorded(fact), self.trade.standing, self.context(SYSTEM)).facts)
        self.agreements.append((since, until))

    @rule(actor=ACTORS, lifting=st.booleans())
    def by_people(self, actor: Actor, lifting: bool) -> None:  # noqa: FBT001 - hypothesis passes it
        standing, context = self.trade.standing, self.context(actor, self.file)
        try:
            if lifting:
                found = decisions.lift_suspension(decisions.LiftSuspension("和解"), standing, context)
            else:
                found = decisions.suspend_customer(decisions.SuspendCustomer("涉诉"), standing, context)
        except KehuError:
            return
        assert actor in (FINANCE, MANAGER)
        self.note(found.facts)
        self.by_hand = not lifting

    @rule(actor=ACTORS, lifting=st.booleans())
    def payer_by_people(self, actor: Actor, lifting: bool) -> None:  # noqa: FBT001 - hypothesis passes it
        unit, context = self.trade.unit, self.context(actor)
        try:
            if lifting:
                found = units.restore_unit(unit, context)
            else:
                found = units.suspend_unit(units.SuspendUnit("涉诉"), unit, context)
        except KehuError:
            return
        assert actor is FINANCE
        self.trade.unit_facts += found.facts
        self.unit_by_hand = not lifting

    @rule(closed=st.booleans())
    def close(self, closed: bool) -> None:  # noqa: FBT001 - hypothesis passes it
        self.file = replace(FILE, closed=closed)

    @rule(what=WHAT)
    def fire(self, what: str) -> None:
        """Any item of any schedule, due or not, as often as one likes."""
        before = self.allowed()
        for schedule in ending.SCHEDULES:
            context = self.context(SYSTEM)
            decision = schedule.fire(f"{CUSTOMER}/{what}", context.now, self.trade.standing, context)
            for fact in self.note(decision.facts):
                if isinstance(fact, DocumentExpiring):
                    assert self.today <= fact.valid_until
                    assert fact.last_day == (self.today == fact.valid_until)
                if isinstance(fact, QualificationSuspended):
                    assert not before
        for schedule in unit_ending.SCHEDULES:
            context = self.context(SYSTEM)
            self.trade.unit_facts += schedule.fire(f"u-1/{what}", context.now, self.trade.unit, context).facts
        assert self.allowed() == before, "firing changed who may order"

    def allowed(self) -> bool:
        state = self.trade
        try:
            check_may_order(self.file, state.standing, state.unit, POLICY, self.today)
        except Refused:
            return False
        return True

    @invariant()
    def who_may_order_is_what_the_policy_says(self) -> None:
        papers = [*self.papers.values(), *self.unit_papers.values()]
        in_time = all(until is None or until >= self.today for until in papers)
        agreed = any(since <= self.today and (until is None or until >= self.today) for since, until in self.agreements)
        expected = in_time and agreed and not (self.by_hand or self.unit_by_hand or self.file.closed)
        assert self.allowed() == expected

    @invariant()
    def a_restoration_leaves_no_bar(self) -> None:
        facts = self.trade.standing_facts
        if facts and isinstance(facts[-1], QualificationRestored):
            assert not self.trade.standing.bars
        told = [
            (fact.document, fact.unit, fact.valid_until, fact.last_day)
            for fact in facts
            if isinstance(fact, DocumentExpiring)
        ]
        assert len(told) == len(set(told)), "told twice"


Ordering.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
TestOrdering = Ordering.TestCase
