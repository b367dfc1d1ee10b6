"""R3.1.2, R3.1.3: papers, agreements and links end and bar; changed dossiers void; people suspend and restore."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kehu.calendar import start_of_day
from kehu.contracts.customers import CustomerTakenOver
from kehu.contracts.vetting import (
    AgentActivated,
    AgreementSigned,
    DocumentExpiring,
    DocumentRenewalDue,
    QualificationRestored,
    QualificationReturned,
    QualificationSubmitted,
    QualificationSuspended,
    SignoffsVoided,
    Step,
)
from kehu.deciding import Actor, Context, Decision, system_actor
from kehu.errors import Forbidden, Invalid, KehuError, Refused
from kehu.facts import Fact
from kehu_vetting.customer_files.facts import CustomerFile, CustomerNoted
from kehu_vetting.qualifications import reactions as reviews
from kehu_vetting.qualifications.facts import ORDER, Status
from kehu_vetting.qualifications.form import Document
from kehu_vetting.qualifications.required_documents import POLICY_NAME, REQUIRED_DOCUMENTS
from kehu_vetting.settlement_units.facts import Unit
from kehu_vetting.standing import decisions, ending, reactions
from kehu_vetting.standing.decisions import TakePapers, take_papers
from kehu_vetting.standing.facts import BY_HAND, STANDINGS, CustomerBarred, EndNoted, FileNoted, ReviewDoubted, Standing
from kehu_vetting.standing.ordering import may_order
from kehu_vetting.testing import (
    CUSTOMER,
    DEPARTMENT,
    FILE,
    FINANCE,
    MANAGER,
    SALES,
    TODAY,
    USCC,
    VETTER,
    Case,
    paper,
    person,
    recorded,
)

POLICY = REQUIRED_DOCUMENTS.initial
SYSTEM = system_actor("vetting", "schedule")
UNTIL = date(2027, 3, 31)
DAY = timedelta(days=1)


class Trader:
    """A customer's standing through its facts."""

    def __init__(self, *papers: Document, active: bool = True, file: CustomerFile = FILE) -> None:
        self.facts: list[Fact] = []
        self.file = file
        self.today = TODAY
        noted = CustomerNoted(customer=CUSTOMER, department=DEPARTMENT, owner="sales")
        self.react(reactions.note_file, noted)
        taken = TakePapers(CUSTOMER, DEPARTMENT, papers, whole=True)
        self.facts += take_papers(taken, self.state, POLICY, self.context(SYSTEM))
        if active:
            self.activate()

    @property
    def state(self) -> Standing:
        return STANDINGS.fold(self.facts)

    def context(self, actor: Actor) -> Context:
        return Context(actor, start_of_day(self.today) + timedelta(hours=9), {POLICY_NAME: POLICY}, self.file)

    def activate(self) -> list[Any]:
        fact = AgentActivated(
            customer=CUSTOMER, qualification="q-1", department=DEPARTMENT, agent=True, activated_on=self.today
        )
        return self.react(reactions.note_activation, fact)

    def agree(self, until: date | None, since: date | None = None) -> list[Any]:
        fact = AgreementSigned(
            qualification="q-1",
            customer=CUSTOMER,
            signed_on=self.today,
            valid_from=since or self.today,
            valid_until=until,
            file_digest="a" * 64,
        )
        return self.react(reactions.note_agreement, fact)

    def react(self, decide: Callable[..., Decision], fact: Any) -> list[Any]:
        facts = list(decide(recorded(fact), self.state, self.context(SYSTEM)).facts)
        self.facts += facts
        return facts

    def do(self, decide: Callable[..., Decision], actor: Actor, command: Any) -> list[Any]:
        facts = list(decide(command, self.state, self.context(actor)).facts)
        self.facts += facts
        return facts

    def take(self, *papers: Document) -> list[Any]:
        facts = take_papers(TakePapers(CUSTOMER, DEPARTMENT, papers), self.state, POLICY, self.context(VETTER))
        self.facts += facts
        return facts

    def fire(self, what: str, day: date) -> list[Any]:
        """Fire everything that could be due for one thing on a day, in an order of its own."""
        self.today = day
        found: list[Any] = []
        for schedule in ending.SCHEDULES:
            decision = schedule.fire(f"{CUSTOMER}/{what}", start_of_day(day), self.state, self.context(SYSTEM))
            found += decision.facts
            self.facts += decision.facts
        return found

    def bars(self) -> set[str]:
        found = may_order(self.file, self.state, Unit(), POLICY, self.today)
        return {bar.code for bar in found.bars if bar.field == "customer"}


def licence(until: date | None = UNTIL) -> Document:
    return paper("business_licence", number=USCC, valid_until=until)


def refusal(kind: type[KehuError], code: str, call: Callable[..., Any], *arguments: Any) -> None:
    with pytest.raises(kind) as caught:
        call(*arguments)
    assert caught.value.problem_code == code
    assert caught.value.clause


# --- ends ---


def test_an_end_is_told_once_ahead_and_once_on_the_last_day_which_is_still_valid() -> None:
    one = Trader(licence())
    ahead = UNTIL - 30 * DAY
    assert one.fire("business_licence", ahead - DAY) == []
    (told,) = one.fire("business_licence", ahead)
    assert isinstance(told, DocumentExpiring)
    assert (told.last_day, told.valid_until, told.suspends, told.owner) == (False, UNTIL, True, "sales")
    assert one.fire("business_licence", ahead) == []
    (told,) = one.fire("business_licence", UNTIL)
    assert told.last_day
    assert one.fire("business_licence", UNTIL) == []
    assert one.bars() == set()
    barred, suspended = one.fire("business_licence", UNTIL + DAY)
    assert isinstance(barred, CustomerBarred)
    assert isinstance(suspended, QualificationSuspended)
    assert suspended.documents == ("business_licence",)
    assert one.fire("business_licence", UNTIL + 2 * DAY) == []


def test_orders_are_barred_from_the_first_day_after_even_before_anybody_was_told() -> None:
    one = Trader(licence())
    one.today = UNTIL + DAY
    assert one.bars() == {"document-expired"}


def test_an_expired_id_copy_warns_and_bars_nobody() -> None:
    one = Trader(licence(), paper("legal_representative_id", valid_until=UNTIL))
    assert [fact.suspends for fact in one.fire("legal_representative_id", UNTIL)] == [False]
    assert one.fire("legal_representative_id", UNTIL + DAY) == []


def test_a_taxpayer_proof_ends_a_year_after_its_date() -> None:
    one = Trader(licence(None), paper("taxpayer_query", issued_on=TODAY))
    assert [fact.valid_until for fact in one.fire("taxpayer_query", TODAY.replace(year=2027))] == [date(2027, 11, 24)]


def test_how_many_days_ahead_is_policy_data() -> None:
    shorter = POLICY.model_copy(update={"told_days_before": 7})
    (noted,) = decisions.note_end(Standing(), CUSTOMER, "business_licence", UNTIL, shorter)
    assert noted.tell_on == UNTIL - 7 * DAY


def test_a_renewed_and_passed_paper_lifts_the_bar_and_plans_anew() -> None:
    one = Trader(licence())
    one.fire("business_licence", UNTIL + DAY)
    facts = one.take(licence(date(2030, 3, 31)))
    assert any(isinstance(fact, QualificationRestored) for fact in facts)
    assert [fact.last_day for fact in facts if isinstance(fact, EndNoted)] == [date(2030, 3, 31)]
    assert one.bars() == set()
    assert one.fire("business_licence", UNTIL + 2 * DAY) == []


def test_a_renewed_paper_that_has_ended_itself_lifts_nothing() -> None:
    one = Trader(licence())
    one.fire("business_licence", UNTIL + DAY)
    assert not any(isinstance(fact, QualificationRestored) for fact in one.take(licence(UNTIL)))
    assert one.bars() == {"document-expired"}


def test_with_two_bars_the_last_one_lifted_restores() -> None:
    one = Trader(licence())
    one.do(decisions.suspend_customer, FINANCE, decisions.SuspendCustomer("涉诉"))
    one.fire("business_licence", UNTIL + DAY)
    assert not any(isinstance(fact, QualificationRestored) for fact in one.take(licence(None)))
    facts = one.do(decisions.lift_suspension, MANAGER, decisions.LiftSuspension("已和解"))
    assert any(isinstance(fact, QualificationRestored) for fact in facts)
    assert one.bars() == set()


def test_what_has_ended_before_the_activation_is_told_with_it() -> None:
    one = Trader(licence(), active=False)
    facts = one.fire("business_licence", UNTIL + DAY)
    assert [type(fact) for fact in facts] == [CustomerBarred]
    assert [type(fact) for fact in one.activate()][-1] is QualificationSuspended


def test_an_agreement_that_ends_suspends_and_its_renewal_restores() -> None:
    one = Trader(licence(None))
    one.agree(UNTIL)
    assert [fact.last_day for fact in one.fire("agreement", UNTIL - 30 * DAY)] == [False]
    assert [fact.last_day for fact in one.fire("agreement", UNTIL)] == [True]
    assert [type(fact) for fact in one.fire("agreement", UNTIL + DAY)] == [CustomerBarred, QualificationSuspended]
    assert one.bars() == {"agreement-ended"}
    facts = one.agree(UNTIL.replace(year=2028), since=UNTIL + DAY)
    assert any(isinstance(fact, QualificationRestored) for fact in facts)
    assert one.bars() == set()


def test_an_agreement_renewed_ahead_leaves_no_day_barred() -> None:
    one = Trader(licence(None))
    one.agree(UNTIL)
    one.agree(UNTIL.replace(year=2028), since=UNTIL + DAY)
    assert one.fire("agreement", UNTIL) == []
    assert one.fire("agreement", UNTIL + DAY) == []
    assert one.bars() == set()


def test_a_customer_taken_over_counts_as_it_stood() -> None:
    one = Trader(active=False)
    taken_over = CustomerTakenOver(
        customer=CUSTOMER,
        active_since=date(2020, 5, 1),
        agreement_signed_on=date(2025, 12, 1),
        agreement_valid_until=date(2026, 11, 30),
        agreement_digest="c" * 64,
        evidence_digest="d" * 64,
        proposed_by="a",
        confirmed_by="b",
    )
    one.react(reactions.note_taken_over, taken_over)
    assert one.bars() == set()
    one.today = date(2026, 12, 1)
    assert one.bars() == {"agreement-ended"}
    never = Trader(active=False)
    assert never.react(reactions.note_taken_over, taken_over.model_copy(update={"active_since": None})) == []


# --- by hand ---


def test_manager_and_finance_suspend_and_lift_with_a_reason() -> None:
    command = decisions.SuspendCustomer("涉诉")
    for allowed in (MANAGER, FINANCE):
        one = Trader(licence())
        one.do(decisions.suspend_customer, allowed, command)
        assert one.bars() == {"suspended"}
        refusal(Refused, "already-suspended", one.do, decisions.suspend_customer, allowed, command)
    for other in (SALES, VETTER, person("m", "dept_manager", department="west")):
        refusal(Forbidden, "role-required", Trader().do, decisions.suspend_customer, other, command)
    refusal(Forbidden, "departing", Trader().do, decisions.suspend_customer, replace(MANAGER, departing=True), command)
    refusal(Invalid, "reason-missing", Trader().do, decisions.suspend_customer, MANAGER, decisions.SuspendCustomer(" "))
    refusal(Refused, "not-active", Trader(active=False).do, decisions.suspend_customer, MANAGER, command)
    lifting = decisions.LiftSuspension("误停")
    refusal(Refused, "not-suspended", Trader().do, decisions.lift_suspension, MANAGER, lifting)
    gone = Trader(file=replace(FILE, closed=True))
    refusal(Refused, "customer-gone", gone.do, decisions.suspend_customer, MANAGER, command)


# --- what changes in the dossier ---


def doubts(facts: list[Any], case: Case) -> list[Any]:
    """What the doubts among some facts do to a review."""
    done: list[Any] = []
    for fact in facts:
        if isinstance(fact, ReviewDoubted):
            found = reviews.void_changed(recorded(fact), case.state, case.context(SYSTEM)).facts
            case.facts += found
            done += found
    return done


def submitted() -> QualificationSubmitted:
    return QualificationSubmitted(
        qualification="q-1", customer=CUSTOMER, department=DEPARTMENT, bundle=1, digest="a" * 64, submitted_by="sales"
    )


@pytest.mark.parametrize("heard_first", ["submission", "change"])
def test_a_changed_vetted_field_voids_an_open_review_whichever_is_heard_first(heard_first: str) -> None:
    case = Case().submitted().passed(*ORDER[:3])
    one = Trader(active=False)
    change = CustomerNoted(customer=CUSTOMER, changes=1)
    heard: list[tuple[Callable[..., Decision], Any]] = [
        (reactions.note_review, submitted()),
        (reactions.note_file, change),
    ]
    in_order = heard if heard_first == "submission" else heard[::-1]
    facts = [fact for decide, told in in_order for fact in one.react(decide, told)]
    done = doubts(facts, case)
    assert [type(fact) for fact in done] == [SignoffsVoided, QualificationReturned]
    assert case.state.status is Status.RETURNED
    assert case.state.signatures == ()
    assert doubts(facts, case) == []


def test_a_review_submitted_after_the_change_stays() -> None:
    case = Case(file=replace(FILE, changes=1)).submitted().passed(*ORDER[:3])
    one = Trader(active=False)
    facts = one.react(reactions.note_file, CustomerNoted(customer=CUSTOMER, changes=1))
    facts += one.react(reactions.note_review, submitted())
    assert doubts(facts, case) == []
    assert len(case.state.signatures) == 3


def test_another_owner_or_department_voids_nothing() -> None:
    case = Case().submitted().passed(*ORDER[:3])
    one = Trader(active=False)
    facts = one.react(reactions.note_review, submitted())
    facts += one.react(reactions.note_file, CustomerNoted(customer=CUSTOMER, owner="li", department="west"))
    assert doubts(facts, case) == []
    assert (one.state.owner, one.state.department) == ("li", "west")
    assert one.react(reactions.note_file, CustomerNoted(customer=CUSTOMER, collaborators=("li",))) == []


def test_a_change_is_refused_at_the_signature_even_before_it_voids() -> None:
    case = Case().submitted().passed(*ORDER[:2])
    case.file = replace(FILE, changes=1)
    refusal(Refused, "customer-changed", case.passed, Step.MANAGER)


def test_a_new_name_asks_active_customers_for_new_account_information() -> None:
    one = Trader(licence(), paper("basic_account", issued_on=date(2026, 1, 1)))
    (noted, due) = one.react(
        reactions.note_file, CustomerNoted(customer=CUSTOMER, name="新名", changes=1, account_asked_since=TODAY)
    )
    assert isinstance(noted, FileNoted)
    assert isinstance(due, DocumentRenewalDue)
    assert (due.documents, due.owner, due.since) == (("basic_account",), "sales", TODAY)
    assert one.bars() == set()


# --- whatever is fired, in whatever order ---


_WHAT = st.sampled_from(["business_licence", "legal_representative_id", "agreement", "nothing"])


@given(st.lists(st.tuples(_WHAT, st.integers(-40, 40)), max_size=12), st.booleans())
def test_schedules_fired_at_any_time_say_only_what_is_so(firings: list[tuple[str, int]], active: bool) -> None:  # noqa: FBT001
    one = Trader(licence(), paper("legal_representative_id", valid_until=UNTIL), active=active)
    one.agree(UNTIL)
    for what, days in firings:
        day = UNTIL + days * DAY
        for fact in one.fire(what, day):
            match fact:
                case DocumentExpiring():
                    assert fact.valid_until == UNTIL
                    assert day == UNTIL if fact.last_day else UNTIL - 30 * DAY <= day < UNTIL
                case CustomerBarred():
                    assert day > UNTIL
                    assert fact.cause in ("document:business_licence", "agreement")
                case _:
                    assert isinstance(fact, QualificationSuspended)
                    assert active
    told = [(fact.document, fact.last_day) for fact in one.facts if isinstance(fact, DocumentExpiring)]
    barred = [fact.cause for fact in one.facts if isinstance(fact, CustomerBarred)]
    assert len(told) == len(set(told))
    assert len(barred) == len(set(barred))
    assert BY_HAND not in barred
