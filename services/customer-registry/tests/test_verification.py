"""Quarterly verification (R4.5.1): what falls due, who may verify, what becomes of it under merges; in milliseconds."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kehu.calendar import SHANGHAI, Quarter
from kehu.contracts.customers import (
    CustomerClosed,
    CustomersMerged,
    CustomersUnmerged,
    VerificationDone,
    VerificationDue,
    VerificationReminded,
    VerifierNeeded,
)
from kehu.deciding import Context
from kehu.errors import Forbidden, Invalid, NotFound, Refused
from kehu.facts import Fact, RecordedFact
from kehu.ids import new_id
from kehu_customer_registry.testing import (
    CUSTOMER,
    EAST,
    MANAGER,
    MARKET,
    POLICIES,
    SYSTEM,
    WEST_MANAGER,
    Case,
    person,
)
from kehu_customer_registry.verification import decisions, merging
from kehu_customer_registry.verification.decisions import (
    AppointVerifier,
    Around,
    Company,
    Kept,
    NotTheVerifier,
    OwnCustomer,
    RecordVerification,
    VerificationClosed,
)
from kehu_customer_registry.verification.facts import (
    VERIFICATIONS,
    VerificationAttempted,
    VerificationMark,
    VerificationMoved,
    Verifications,
    verification_id,
)
from kehu_customer_registry.verification.policy import VERIFYING, Verifying
from kehu_customer_registry.verification.rounds import ROUNDS, RoundOpened, Rounds, open_round

Q4 = Quarter(2026, 4)
QUARTER = str(Q4)
KEPT = Kept(CUSTOMER, EAST, live=True, own=frozenset({"sales", "helper"}), registered_on=date(2026, 9, 30))
VERIFIER = person("vera", "verifier")
COMPANY = Company(("vera", "victor"), frozenset({"vera", "victor", "manager", "sales"}))
OTHER = "c-2"


def case(
    company: Company = COMPANY, kept: Kept = KEPT, at: datetime = datetime(2026, 10, 1, 1, 0, tzinfo=SHANGHAI)
) -> Case[Verifications]:
    return Case(VERIFICATIONS, Around(kept, company), at)


def due(**other: Any) -> Case[Verifications]:
    """One whose verifier is vera."""
    one = case(Company(("vera",), frozenset({"vera", "victor", "manager"})), **other)
    one.do(decisions.plan, SYSTEM, Q4)
    return one


def record(found: str = "unchanged", on: date = date(2026, 10, 1), method: Any = "phone", **other: Any) -> Any:
    return RecordVerification(QUARTER, method, found, on, **other)


# --- what falls due --------------------------------------------------------------------------------------------------


def test_an_archived_dossier_is_due_until_the_quarters_last_day_and_its_verifier_is_reminded() -> None:
    (fact,) = case().do(decisions.plan, SYSTEM, Q4)
    assert isinstance(fact, VerificationDue)
    assert (fact.quarter, fact.due_on, fact.remind_on) == (QUARTER, date(2026, 12, 31), date(2026, 12, 1))
    assert fact.verifier in COMPANY.verifiers


def test_it_is_due_once_a_quarter() -> None:
    one = due()
    assert one.do(decisions.plan, SYSTEM, Q4) == []


@pytest.mark.parametrize(
    ("registered", "is_due"),
    [(date(2026, 9, 30), True), (date(2026, 10, 1), False), (date(2026, 11, 5), False), (None, False)],
)
def test_who_was_archived_during_the_quarter_is_due_from_the_next_one(registered: date | None, *, is_due: bool) -> None:
    one = case(kept=replace(KEPT, registered_on=registered))
    assert bool(one.do(decisions.plan, SYSTEM, Q4)) is is_due


def test_closed_and_merged_customers_are_not_due() -> None:
    assert case(kept=replace(KEPT, live=False)).do(decisions.plan, SYSTEM, Q4) == []


def test_who_was_archived_during_the_quarter_is_verified_in_it_where_market_or_the_manager_asks() -> None:
    for asking in (MANAGER, MARKET):
        one = case(kept=replace(KEPT, registered_on=date(2026, 11, 5)), at=datetime(2026, 11, 6, tzinfo=SHANGHAI))
        (fact,) = one.do(decisions.ask_for, asking)
        assert (fact.quarter, fact.due_on) == (QUARTER, date(2026, 12, 31))
        assert one.do(decisions.plan, SYSTEM, Q4) == []
        with pytest.raises(Refused, match="already"):
            one.do(decisions.ask_for, asking)


def test_nobody_else_asks_for_it_and_not_of_who_is_closed_or_merged() -> None:
    for actor in (WEST_MANAGER, VERIFIER, person("sales", "salesperson"), replace(MANAGER, departing=True)):
        with pytest.raises(Forbidden):
            case().do(decisions.ask_for, actor)
    with pytest.raises(Refused, match="nothing to verify"):
        case(kept=replace(KEPT, live=False)).do(decisions.ask_for, MARKET)


def test_nobody_verifies_their_own_customer_and_without_anybody_else_it_waits_for_the_manager() -> None:
    (fact,) = case(Company(("sales", "helper"), frozenset({"sales"}))).do(decisions.plan, SYSTEM, Q4)
    assert isinstance(fact, VerifierNeeded)
    (fact,) = case(Company(("helper", "victor"))).do(decisions.plan, SYSTEM, Q4)
    assert fact.verifier == "victor"


@given(
    verifiers=st.sets(st.sampled_from(["sales", "helper", "vera", "victor", "vito"])),
    own=st.sets(st.sampled_from(["sales", "helper", "vera", "vito"]), min_size=1),
)
def test_whoever_is_there_the_appointed_one_is_never_the_customers_own(verifiers: set[str], own: set[str]) -> None:
    one = case(Company(sorted(verifiers)), replace(KEPT, own=frozenset(own)))
    (fact,) = one.do(decisions.plan, SYSTEM, Q4)
    if verifiers - own:
        assert fact.verifier in verifiers - own
    else:
        assert isinstance(fact, VerifierNeeded)


# --- quarters --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("moment", "quarter"),
    [
        (datetime(2026, 12, 31, 15, 59, 59, tzinfo=UTC), "2026-Q4"),
        (datetime(2026, 12, 31, 16, 0, tzinfo=UTC), "2027-Q1"),
        (datetime(2028, 3, 31, 15, 59, 59, tzinfo=UTC), "2028-Q1"),  # a leap year's first quarter has 91 days
        (datetime(2028, 3, 31, 16, 0, tzinfo=UTC), "2028-Q2"),
    ],
)
def test_a_round_is_opened_for_the_quarter_that_it_is_in_shanghai(moment: datetime, quarter: str) -> None:
    decision = open_round(EAST, Rounds("2026-Q3", planned=True), Context(SYSTEM, moment, POLICIES))
    assert decision.facts == [RoundOpened(department=EAST, quarter=quarter)]
    again = ROUNDS.fold(decision.facts)
    assert not open_round(EAST, again, Context(SYSTEM, moment, POLICIES)).facts


def test_the_day_of_the_reminder_is_policy_data_in_leap_years_too() -> None:
    policy = Verifying(remind_days_before=(31, 1))
    assert policy.next_reminder(date(2028, 3, 31), date(2028, 1, 1)) == date(2028, 2, 29)
    assert policy.next_reminder(date(2028, 3, 31), date(2028, 2, 29)) == date(2028, 3, 30)
    assert policy.next_reminder(date(2028, 3, 31), date(2028, 3, 30)) is None
    assert VERIFYING.initial.attempts == 3


# --- reminding -------------------------------------------------------------------------------------------------------


def remind(one: Case[Verifications], at: datetime) -> list[Any]:
    one.now = at
    return one.do(partial(decisions.remind, QUARTER, CUSTOMER), SYSTEM)


def test_what_is_open_is_reminded_of_and_overdue_once_the_quarter_has_ended() -> None:
    one = due()
    (first,) = remind(one, datetime(2026, 12, 1, 0, 0, tzinfo=SHANGHAI))
    assert isinstance(first, VerificationReminded)
    assert (first.overdue, first.remind_on) == (False, date(2026, 12, 24))
    (second,) = remind(one, datetime(2026, 12, 31, 23, 59, 59, tzinfo=SHANGHAI))
    assert not second.overdue
    (last,) = remind(one, datetime(2027, 1, 1, 0, 0, tzinfo=SHANGHAI))
    assert last.overdue
    assert remind(one, datetime(2027, 1, 2, 0, 0, tzinfo=SHANGHAI)) == []


def test_what_is_done_is_not_reminded_of() -> None:
    one = due()
    one.do(decisions.record_verification, VERIFIER, record())
    assert remind(one, datetime(2026, 12, 24, tzinfo=SHANGHAI)) == []


# --- recording -------------------------------------------------------------------------------------------------------


def test_the_verifier_finds_it_unchanged() -> None:
    one = due()
    (fact,) = one.do(decisions.record_verification, VERIFIER, record())
    assert isinstance(fact, VerificationDone)
    assert (fact.outcome, fact.method, fact.verified_on) == ("unchanged", "phone", date(2026, 10, 1))
    with pytest.raises(VerificationClosed):
        one.do(decisions.record_verification, VERIFIER, record())


def test_only_the_appointed_one_records_and_never_the_customers_own() -> None:
    one = due()
    for other in (person("victor", "verifier"), MANAGER, person("sales", "salesperson", "verifier")):
        with pytest.raises(NotTheVerifier):
            one.do(decisions.record_verification, other, record())
    one.gathered = Around(replace(KEPT, own=frozenset({"vera"})), COMPANY)
    with pytest.raises(OwnCustomer):
        one.do(decisions.record_verification, VERIFIER, record())
    assert one.attempt(decisions.record_verification, person("vera", "verifier", departing=True), record()) is None


def test_a_change_names_the_version_that_updated_the_dossier_in_the_quarter() -> None:
    one = due()
    one.gathered = Around(KEPT, COMPANY, {4: date(2026, 9, 1), 5: date(2026, 10, 1)})
    with pytest.raises(Invalid, match="name the version"):
        one.do(decisions.record_verification, VERIFIER, record("changed"))
    with pytest.raises(Invalid):
        one.do(decisions.record_verification, VERIFIER, record("unchanged", change=5))
    for wrong in (4, 6):
        with pytest.raises(Refused, match="no change since the quarter began"):
            one.do(decisions.record_verification, VERIFIER, record("changed", change=wrong))
    (fact,) = one.do(decisions.record_verification, VERIFIER, record("changed", change=5))
    assert (fact.outcome, fact.change) == ("changed", 5)


def test_after_three_attempts_in_vain_the_customer_is_out_of_reach_and_may_still_be_reached() -> None:
    one = due(at=datetime(2026, 10, 9, 1, 0, tzinfo=SHANGHAI))
    for day in (1, 2):
        (fact,) = one.do(decisions.record_verification, VERIFIER, record("failed", date(2026, 10, day)))
        assert isinstance(fact, VerificationAttempted)
    with pytest.raises(Refused, match="on another day"):
        one.do(decisions.record_verification, VERIFIER, record("failed", date(2026, 10, 2)))
    _, last = one.do(decisions.record_verification, VERIFIER, record("failed", date(2026, 10, 2), "fax"))
    assert last.outcome == "unreachable"
    assert one.state.items[QUARTER].mark is VerificationMark.UNREACHABLE
    one.do(decisions.record_verification, VERIFIER, record("unchanged", date(2026, 10, 9)))
    assert one.state.items[QUARTER].mark is VerificationMark.DONE


@pytest.mark.parametrize("on", [date(2026, 9, 30), date(2026, 10, 2), date(1900, 1, 1), date(2199, 12, 31)])
def test_it_was_verified_in_the_quarter_and_not_in_the_future(on: date) -> None:
    with pytest.raises(Invalid):
        due().do(decisions.record_verification, VERIFIER, record(on=on))


def test_it_may_be_recorded_late() -> None:
    one = due()
    one.now = datetime(2027, 1, 15, tzinfo=SHANGHAI)
    assert one.do(decisions.record_verification, VERIFIER, record(on=date(2027, 1, 14)))


def test_of_a_quarter_in_which_nothing_is_due_nothing_is_recorded() -> None:
    with pytest.raises(NotFound):
        case().do(decisions.record_verification, VERIFIER, record())


# --- appointing ------------------------------------------------------------------------------------------------------


def test_the_manager_names_somebody_at_work_who_does_not_sell_to_the_customer() -> None:
    one = case(Company((), frozenset({"victor", "sales"})))
    (needed,) = one.do(decisions.plan, SYSTEM, Q4)
    assert isinstance(needed, VerifierNeeded)
    for actor in (WEST_MANAGER, VERIFIER, person("manager", "dept_manager", departing=True)):
        assert one.attempt(decisions.appoint_verifier, actor, AppointVerifier(QUARTER, "victor")) is None
    with pytest.raises(OwnCustomer):
        one.do(decisions.appoint_verifier, MANAGER, AppointVerifier(QUARTER, "sales"))
    with pytest.raises(Refused):
        one.do(decisions.appoint_verifier, MANAGER, AppointVerifier(QUARTER, "gone"))
    (fact,) = one.do(decisions.appoint_verifier, MANAGER, AppointVerifier(QUARTER, "victor"))
    assert (fact.verifier, fact.appointed_by) == ("victor", "manager")
    assert one.do(decisions.reappoint, SYSTEM) == []  # whom the manager named needs no role


@pytest.mark.parametrize(
    ("kept", "company"),
    [
        (replace(KEPT, own=frozenset({"vera"})), COMPANY),  # a new owner who is the verifier
        (KEPT, Company(("victor",), frozenset({"victor", "vera"}))),  # who has lost the role
        (KEPT, Company(("victor", "vera"), frozenset({"victor"}))),  # who is leaving
        (replace(KEPT, department="west"), Company(("victor",), frozenset({"victor"}))),
    ],
)
def test_another_one_is_appointed_where_the_verifier_may_not_any_more(kept: Kept, company: Company) -> None:
    one = due()
    one.gathered = Around(kept, replace(company, verifiers=tuple(set(company.verifiers) - {"vera"})))
    (fact,) = one.do(decisions.reappoint, SYSTEM)
    assert (fact.verifier, fact.department) == ("victor", kept.department)
    assert one.do(decisions.reappoint, SYSTEM) == []


def test_with_nobody_left_it_waits_for_the_manager_and_is_said_once() -> None:
    one = due()
    one.gathered = Around(KEPT, Company())
    (fact,) = one.do(decisions.reappoint, SYSTEM)
    assert isinstance(fact, VerifierNeeded)
    assert one.do(decisions.reappoint, SYSTEM) == []


# --- merges ----------------------------------------------------------------------------------------------------------


class Pair:
    """The verifications of two customers that are merged and unmerged, with the reactions between them."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 1, tzinfo=SHANGHAI)
        self.facts: dict[str, list[Fact]] = {CUSTOMER: [], OTHER: []}

    def state(self, customer: str) -> Verifications:
        return VERIFICATIONS.fold(self.facts[customer])

    def mark(self, customer: str) -> VerificationMark | None:
        item = self.state(customer).items.get(QUARTER)
        return item and item.mark

    def context(self, customer: str, verifiers: tuple[str, ...] = ("vera",)) -> Context:
        kept = replace(KEPT, customer=customer)
        return Context(SYSTEM, self.now, POLICIES, Around(kept, Company(verifiers, frozenset(verifiers))))

    def plan(self, *customers: str) -> None:
        for customer in customers:
            self.facts[customer] += decisions.plan(Q4, self.state(customer), self.context(customer)).facts

    def verify(self, customer: str) -> bool:
        context = replace(self.context(customer), actor=VERIFIER)
        try:
            decision = decisions.record_verification(record(), self.state(customer), context)
        except (Refused, NotFound, NotTheVerifier):
            return False
        self.facts[customer] += decision.facts
        return True

    def merge(self) -> None:
        fact = CustomersMerged(
            customer=OTHER,
            survivor=CUSTOMER,
            merged=OTHER,
            survivor_number="K1",
            merged_number="K2",
            reason="同一客户",
            proposed_by="a",
            merged_by="b",
        )
        moved = merging.move_out(recorded(fact, f"customer-{OTHER}"), self.state(OTHER), self.context(OTHER)).facts
        self.facts[OTHER] += moved
        for one in moved:
            if isinstance(one, VerificationMoved):
                state, context = self.state(CUSTOMER), self.context(CUSTOMER)
                self.facts[CUSTOMER] += merging.carry_in(recorded(one, ""), state, context).facts

    def unmerge(self) -> None:
        fact = recorded(
            CustomersUnmerged(customer=OTHER, survivor=CUSTOMER, merged=OTHER, reason="有误", undone_by="a"), ""
        )
        self.facts[OTHER] += merging.restore_merged(fact, self.state(OTHER), self.context(OTHER)).facts
        self.facts[CUSTOMER] += merging.restore_survivor(fact, self.state(CUSTOMER), self.context(CUSTOMER)).facts


def recorded(fact: Fact, stream: str) -> RecordedFact[Any]:
    one = new_id()
    now = datetime(2026, 11, 1, tzinfo=SHANGHAI)
    return RecordedFact(fact, one, stream, 1, None, "", "", "", "", one, None, now, now)


@pytest.mark.parametrize(
    ("planned", "verified", "survivor", "merged"),
    [
        ([CUSTOMER, OTHER], [], VerificationMark.OPEN, VerificationMark.CANCELLED),
        ([CUSTOMER, OTHER], [OTHER], VerificationMark.DONE, VerificationMark.DONE),
        ([CUSTOMER, OTHER], [CUSTOMER], VerificationMark.DONE, VerificationMark.CANCELLED),
        ([OTHER], [], VerificationMark.OPEN, VerificationMark.CANCELLED),
        ([CUSTOMER], [], VerificationMark.OPEN, None),
    ],
)
def test_a_merge_moves_the_item_to_the_survivor_done_if_either_was(
    planned: list[str], verified: list[str], survivor: VerificationMark, merged: VerificationMark | None
) -> None:
    pair = Pair()
    pair.plan(*planned)
    for customer in verified:
        assert pair.verify(customer)
    before = (pair.mark(CUSTOMER), pair.mark(OTHER))
    pair.merge()
    assert (pair.mark(CUSTOMER), pair.mark(OTHER)) == (survivor, merged)
    pair.unmerge()
    expected = VerificationMark.CANCELLED if before[0] is None and OTHER in planned else before[0]
    assert (pair.mark(CUSTOMER), pair.mark(OTHER)) == (expected, before[1])
    pair.merge()
    assert (pair.mark(CUSTOMER), pair.mark(OTHER)) == (survivor, merged)


@given(st.lists(st.sampled_from(["verify-survivor", "verify-merged", "merge", "unmerge"]), max_size=8))
def test_no_sequence_of_merges_loses_or_doubles_what_is_due(steps: list[str]) -> None:
    pair = Pair()
    pair.plan(CUSTOMER, OTHER)
    merged = False
    verified: set[str] = set()
    for step in steps:
        if step == "merge" and not merged:
            pair.merge()
            merged = True
        elif step == "unmerge" and merged:
            pair.unmerge()
            merged = False
        elif step == "verify-survivor" and pair.verify(CUSTOMER):
            verified.add(CUSTOMER)
        elif step == "verify-merged" and not merged and pair.verify(OTHER):
            verified.add(OTHER)
        survivor, other = pair.mark(CUSTOMER), pair.mark(OTHER)
        if merged:
            assert other is not VerificationMark.OPEN
            assert survivor is (VerificationMark.DONE if verified else VerificationMark.OPEN)
        else:
            assert other is (VerificationMark.DONE if OTHER in verified else VerificationMark.OPEN)
            if survivor is VerificationMark.OPEN:
                assert CUSTOMER not in verified


def test_closing_cancels_it() -> None:
    one = due()
    fact = CustomerClosed(customer=CUSTOMER, department=EAST, reason="停业", closed_by="manager")
    one.do(partial(merging.cancel, recorded(fact, "")), SYSTEM)
    assert one.state.items[QUARTER].mark is VerificationMark.CANCELLED


# --- whatever is tried -----------------------------------------------------------------------------------------------

PEOPLE = (VERIFIER, person("victor", "verifier"), MANAGER, person("sales", "salesperson", "verifier"))
COMMANDS = st.one_of(
    st.builds(
        record,
        st.sampled_from(["unchanged", "changed", "failed"]),
        st.dates(date(2026, 9, 29), date(2026, 10, 4)),
        st.sampled_from(["phone", "fax"]),
        change=st.sampled_from([None, 4, 5]),
    ),
    st.builds(AppointVerifier, st.just(QUARTER), st.sampled_from(["vera", "victor", "sales", "gone"])),
)


@given(st.lists(st.tuples(st.sampled_from(PEOPLE), COMMANDS), max_size=12))
def test_no_sequence_of_commands_has_it_verified_by_the_customers_own_or_twice(tries: list[tuple[Any, Any]]) -> None:
    one = due(at=datetime(2026, 10, 3, tzinfo=SHANGHAI))
    one.gathered = Around(KEPT, COMPANY, {5: date(2026, 10, 2)})
    for actor, command in tries:
        decide: Any = (
            decisions.appoint_verifier if isinstance(command, AppointVerifier) else decisions.record_verification
        )
        verifier = one.state.items[QUARTER].verifier
        for fact in one.attempt(decide, actor, command) or ():
            if not isinstance(fact, VerificationDue):
                assert actor.id == verifier
            assert getattr(fact, "verifier", "vera") not in KEPT.own
    done = [fact for fact in one.facts if isinstance(fact, VerificationDone) and fact.outcome != "unreachable"]
    assert len(done) <= 1
    attempts = [fact for fact in one.facts if isinstance(fact, VerificationAttempted)]
    assert len(attempts) <= VERIFYING.initial.attempts
    assert len({(fact.attempted_on, fact.method) for fact in attempts}) == len(attempts)


def test_ids_say_customer_and_quarter() -> None:
    assert verification_id("c-1", QUARTER) == "c-1:2026-Q4"
    assert Q4.last_day - Q4.first_day == timedelta(days=91)
