"""What R6.2.1a to c make of planning, recording and missing visits; given facts, when a command, then facts."""

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from kehu.calendar import SHANGHAI, end_of_day, today
from kehu.contracts.engagement import VisitCancelled, VisitLogged, VisitPlanned, VisitRecordOverdue
from kehu.contracts.grading import Grade
from kehu.deciding import Actor, Context, Decision, Grant
from kehu.errors import Forbidden, KehuError
from kehu.facts import Fact
from kehu_engagement.visits import decisions, rights
from kehu_engagement.visits.decisions import Colleague, Colleagues
from kehu_engagement.visits.facts import (
    VISITS,
    CustomerNoted,
    CustomerVisits,
    Deviation,
    FindingsRecorded,
    Visit,
    VisitPrepared,
    VisitStatus,
)
from kehu_engagement.visits.forms import CancelVisit, PlanVisit, RecordVisit, RegisterUnplannedVisit
from kehu_engagement.visits.policy import Frequency, Visiting
from kehu_engagement.visits.refusals import (
    BeforeVisitDay,
    CustomerUnknown,
    DayIsPast,
    Departing,
    FirstVisitShort,
    FirstVisitWithoutOwner,
    NothingRecorded,
    NotYourCustomer,
    NotYoursToSee,
    PeopleLeaving,
    PeopleUnknown,
    VisitInFuture,
    VisitNotOpen,
    VisitUnknown,
)

NOW = datetime(2026, 11, 24, 9, 30, tzinfo=SHANGHAI)
TOMORROW = date(2026, 11, 25)
OWNER = Actor("lin", (Grant("salesperson", "east"),))
COLLABORATOR = Actor("wu", (Grant("salesperson", "south"),))
COLLEAGUE = Actor("zhao", (Grant("salesperson", "east"),))
MANAGER = Actor("sun", (Grant("dept_manager", "east"),))
OTHER_MANAGER = Actor("he", (Grant("dept_manager", "south"),))
LEAVING_OWNER = Actor("lin", (Grant("salesperson", "east"),), departing=True)

COLLEAGUES: Colleagues = {
    "lin": Colleague(marketing=True),
    "wu": Colleague(marketing=True),
    "zhao": Colleague(marketing=True),
    "sun": Colleague(marketing=True),
    "driver": Colleague(),
    "leaver": Colleague(marketing=True, leaving=True),
}
CUSTOMER = CustomerNoted(
    customer="c-1",
    number="K000001",
    name="远东商贸有限公司",
    department="east",
    owner="lin",
    collaborators=("wu",),
    taken_over=False,
    grade=Grade.B,
)
VISITED = VisitLogged(
    visit="v-0",
    customer="c-1",
    department="east",
    visited_at=NOW - timedelta(days=30),
    attendees=("lin", "zhao"),
    planned=True,
    first_visit=True,
)
KNOWN = (CUSTOMER, VISITED)


def context(actor: Actor = OWNER, now: datetime = NOW, policy: Visiting | None = None) -> Context:
    return Context(actor, now, {"visiting": policy or Visiting()}, COLLEAGUES)


def state(*facts: Fact) -> CustomerVisits:
    return VISITS.fold(facts)


def plan(*facts: Fact, by: Context | None = None, **fields: Any) -> Decision:
    form = {"planned_on": TOMORROW, "visitors": ["lin", "zhao"], "purpose": "介绍新品", "preparation": "样品两件"}
    command = PlanVisit.model_validate(form | fields)
    return decisions.plan_visit("v-1", "c-1", command, state(*facts), by or context())


def planned(*facts: Fact, **fields: Any) -> tuple[Fact, ...]:
    """The facts given, and a visit planned after them."""
    return (*facts, *plan(*facts, **fields).facts)


def at(day: date, hour: int = 14) -> datetime:
    return datetime(day.year, day.month, day.day, hour, tzinfo=SHANGHAI)


VISIT_TIME = at(TOMORROW)
AFTERWARDS = at(TOMORROW, 20)


def record(*facts: Fact, by: Context | None = None, **fields: Any) -> Decision:
    form = {"visited_at": VISIT_TIME, "attendees": ["lin", "zhao"], "needs": "明年增订", "next_step": "寄报价"}
    command = RecordVisit.model_validate(form | fields)
    return decisions.record_visit("v-1", "c-1", command, state(*facts), by or context(now=AFTERWARDS))


def unplanned(*facts: Fact, by: Context | None = None, **fields: Any) -> Decision:
    form = {"visited_at": NOW, "attendees": ["lin"], "needs": "催货", "reason": "路过时客户来电"}
    command = RegisterUnplannedVisit.model_validate(form | fields)
    return decisions.register_unplanned("v-2", "c-1", command, state(*facts), by or context())


def cancel(*facts: Fact, by: Context | None = None) -> Decision:
    return decisions.cancel_visit("v-1", "c-1", CancelVisit(reason="客户改期"), state(*facts), by or context())


def logged(decision: Decision) -> VisitLogged:
    fact = decision.facts[0]
    assert isinstance(fact, VisitLogged)
    return fact


def findings(decision: Decision) -> FindingsRecorded:
    fact = decision.facts[1]
    assert isinstance(fact, FindingsRecorded)
    return fact


# --- planning (F6) ---------------------------------------------------------------------------------------------------


def test_a_visit_is_planned_with_its_preparation_and_the_grade_of_the_day() -> None:
    decision = plan(*KNOWN, visitors=["lin"], contacts=["contact-1"])
    assert decision == Decision(
        [
            VisitPlanned(
                visit="v-1",
                customer="c-1",
                department="east",
                planned_on=TOMORROW,
                visitors=("lin",),
                purpose="介绍新品",
                first_visit=False,
            ),
            VisitPrepared(
                visit="v-1",
                customer="c-1",
                contacts=("contact-1",),
                preparation="样品两件",
                grade=Grade.B,
                planned_by="lin",
                planned_at=NOW,
                record_due_at=datetime(2026, 11, 29, tzinfo=SHANGHAI),
            ),
        ]
    )


def test_a_visit_may_be_planned_for_the_same_day() -> None:
    assert plan(*KNOWN, planned_on=today(NOW)).facts


def test_a_day_that_has_passed_is_not_planned() -> None:
    with pytest.raises(DayIsPast):
        plan(*KNOWN, planned_on=today(NOW) - timedelta(days=1))


@pytest.mark.parametrize("preparation", ["", "  \n", None])
def test_without_preparation_there_is_no_f6(preparation: str | None) -> None:
    with pytest.raises(ValidationError):
        plan(*KNOWN, preparation=preparation)


def test_a_customer_nobody_has_heard_of_is_not_visited() -> None:
    graded_only = CustomerNoted(customer="c-1", grade=Grade.A)
    for facts in ((), (graded_only,)):
        with pytest.raises(CustomerUnknown):
            plan(*facts)


@pytest.mark.parametrize("actor", [OWNER, COLLABORATOR, MANAGER])
def test_owner_collaborator_and_manager_plan(actor: Actor) -> None:
    assert plan(*KNOWN, by=context(actor)).facts


@pytest.mark.parametrize(
    "actor",
    [COLLEAGUE, OTHER_MANAGER, Actor("lin"), Actor("boss", (Grant("general_manager"),)), Actor("a", (Grant("admin"),))],
)
def test_nobody_else_plans(actor: Actor) -> None:
    with pytest.raises(NotYourCustomer):
        plan(*KNOWN, by=context(actor))


def test_who_is_leaving_plans_nothing_and_is_sent_nowhere() -> None:
    with pytest.raises(Departing):
        plan(*KNOWN, by=context(LEAVING_OWNER))
    with pytest.raises(PeopleLeaving):
        plan(*KNOWN, visitors=["lin", "leaver"])


def test_a_visitor_who_is_not_on_the_staff_is_refused() -> None:
    with pytest.raises(PeopleUnknown) as refused:
        plan(*KNOWN, visitors=["lin", "nobody"])
    assert refused.value.evidence["people"] == ["nobody"]


# --- the first visit to a new customer (R6.2.1b) ---------------------------------------------------------------------


@pytest.mark.parametrize("visitors", [["lin"], ["lin", "lin"], ["lin", "driver"], ["driver"]])
def test_a_first_visit_by_fewer_than_two_marketing_employees_is_refused(visitors: list[str]) -> None:
    with pytest.raises(FirstVisitShort) as refused:
        plan(CUSTOMER, visitors=visitors)
    assert refused.value.clause == "R6.2.1b"


def test_one_of_them_is_owner_or_collaborator() -> None:
    with pytest.raises(FirstVisitWithoutOwner):
        plan(CUSTOMER, visitors=["zhao", "sun"], by=context(MANAGER))
    for one in ("lin", "wu"):
        first = plan(CUSTOMER, visitors=[one, "sun"]).facts[0]
        assert isinstance(first, VisitPlanned)
        assert first.first_visit


def test_a_customer_taken_over_is_not_new() -> None:
    taken_over = CUSTOMER.model_copy(update={"taken_over": True})
    assert plan(taken_over, visitors=["lin"]).facts


def test_how_many_go_is_policy_data() -> None:
    three = context(policy=Visiting(first_visit_visitors=3))
    with pytest.raises(FirstVisitShort):
        plan(CUSTOMER, by=three)
    assert plan(CUSTOMER, visitors=["lin", "zhao", "sun"], by=three).facts


def test_two_on_a_first_visit_make_it_valid() -> None:
    facts = planned(CUSTOMER)
    decision = record(*facts)
    assert (logged(decision).first_visit, logged(decision).deviation) == (True, None)
    assert not state(*facts, *decision.facts).is_new


def test_one_on_a_first_visit_is_recorded_as_a_deviation_and_the_customer_stays_new() -> None:
    facts = planned(CUSTOMER)
    decision = record(*facts, attendees=["lin", "driver"])
    assert not logged(decision).first_visit
    assert "R6.2.1b" in (logged(decision).deviation or "")
    assert findings(decision).deviations == (Deviation.FIRST_VISIT_SHORT,)
    after = (*facts, *decision.facts)
    assert state(*after).is_new
    with pytest.raises(FirstVisitShort):
        decisions.plan_visit("v-3", "c-1", _form(["lin"]), state(*after), context())


def _form(visitors: list[str]) -> PlanVisit:
    return PlanVisit(planned_on=TOMORROW, visitors=tuple(visitors), purpose="再访", preparation="报价单")


def test_an_owner_who_has_changed_since_still_makes_a_first_visit_valid() -> None:
    facts = (*planned(CUSTOMER), CustomerNoted(customer="c-1", owner="sun", collaborators=()))
    assert logged(record(*facts, by=context(MANAGER, AFTERWARDS))).first_visit


def test_a_first_visit_without_its_owner_stays_one_to_be_made() -> None:
    facts = planned(CUSTOMER)
    decision = record(*facts, attendees=["zhao", "sun"])
    assert findings(decision).deviations == (Deviation.FIRST_VISIT_SHORT,)


def test_an_f6_after_the_visit_does_not_make_a_first_visit() -> None:
    facts = planned(CUSTOMER, planned_on=today(NOW))
    decision = record(*facts, visited_at=NOW - timedelta(hours=1))
    assert not logged(decision).first_visit
    assert findings(decision).deviations == (Deviation.REGISTERED_AFTERWARDS,)


# --- recording (F7) --------------------------------------------------------------------------------------------------


def test_a_planned_visit_is_recorded() -> None:
    decision = record(*planned(*KNOWN, visitors=["lin"]), attendees=["lin"], contacts_met=["contact-1"])
    assert decision == Decision(
        [
            VisitLogged(
                visit="v-1",
                customer="c-1",
                department="east",
                visited_at=VISIT_TIME,
                attendees=("lin",),
                planned=True,
                first_visit=False,
                next_step="寄报价",
            ),
            FindingsRecorded(
                visit="v-1", customer="c-1", contacts_met=("contact-1",), needs="明年增订", recorded_by="lin"
            ),
        ]
    )
    assert logged(decision).occurred(AFTERWARDS) == VISIT_TIME


def test_a_record_before_the_visit_day_is_refused() -> None:
    with pytest.raises(BeforeVisitDay):
        record(*planned(*KNOWN), visited_at=at(today(NOW)), by=context(now=AFTERWARDS))


def test_a_record_of_the_future_is_refused() -> None:
    with pytest.raises(VisitInFuture):
        record(*planned(*KNOWN), by=context(now=VISIT_TIME - timedelta(seconds=1)))


def test_a_visit_on_a_later_day_is_recorded_and_shown() -> None:
    later = TOMORROW + timedelta(days=10)
    decision = record(*planned(*KNOWN), visited_at=at(later), by=context(now=at(later, 20)))
    assert findings(decision).deviations == (Deviation.ANOTHER_DAY,)
    assert not logged(decision).late, "its days count from the day it was made on"


@pytest.mark.parametrize(("seconds", "late"), [(-1, False), (0, True)])
def test_a_record_is_late_from_24_oclock_of_the_third_day_on(seconds: int, late: bool) -> None:  # noqa: FBT001 - a column of the table
    moment = end_of_day(TOMORROW + timedelta(days=3)) + timedelta(seconds=seconds)
    assert logged(record(*planned(*KNOWN), by=context(now=moment))).late is late


def test_an_f7_that_says_nothing_is_none() -> None:
    with pytest.raises(NothingRecorded):
        record(*planned(*KNOWN), needs="", next_step=" ")


def test_an_attendee_who_is_not_on_the_staff_is_refused() -> None:
    with pytest.raises(PeopleUnknown):
        record(*planned(*KNOWN), attendees=["lin", "nobody"])


def test_a_visit_is_recorded_once() -> None:
    facts = planned(*KNOWN)
    with pytest.raises(VisitNotOpen):
        record(*facts, *record(*facts).facts)


def test_a_visit_nobody_planned_is_not_found() -> None:
    with pytest.raises(VisitUnknown):
        record(*KNOWN)


def test_who_was_to_go_and_who_is_leaving_may_finish_the_record() -> None:
    facts = planned(*KNOWN)
    for actor in (COLLEAGUE, LEAVING_OWNER, MANAGER, COLLABORATOR):
        assert record(*facts, by=context(actor, AFTERWARDS)).facts
    for actor in (OTHER_MANAGER, Actor("boss", (Grant("general_manager"),)), Actor("a", (Grant("auditor"),))):
        with pytest.raises(NotYourCustomer):
            record(*facts, by=context(actor, AFTERWARDS))


# --- without F6 ------------------------------------------------------------------------------------------------------


def test_an_unplanned_visit_to_a_known_customer_counts_and_says_why() -> None:
    decision = unplanned(*KNOWN)
    assert (logged(decision).planned, logged(decision).deviation, logged(decision).late) == (False, None, False)
    assert findings(decision).unplanned_reason == "路过时客户来电"


def test_an_unplanned_visit_to_a_new_customer_is_shown_and_the_customer_stays_new() -> None:
    decision = unplanned(CUSTOMER, attendees=["lin", "zhao"])
    assert not logged(decision).first_visit
    assert findings(decision).deviations == (Deviation.FIRST_VISIT_UNPLANNED,)
    assert state(CUSTOMER, *decision.facts).is_new


def test_an_unplanned_visit_registered_on_a_later_day_is_late() -> None:
    decision = unplanned(*KNOWN, visited_at=NOW - timedelta(days=1))
    assert logged(decision).late
    assert findings(decision).deviations == (Deviation.REGISTERED_LATER,)


def test_an_unplanned_visit_takes_a_reason_and_a_past() -> None:
    with pytest.raises(ValidationError):
        unplanned(*KNOWN, reason=" ")
    with pytest.raises(VisitInFuture):
        unplanned(*KNOWN, visited_at=NOW + timedelta(minutes=1))
    with pytest.raises(NotYourCustomer):
        unplanned(*KNOWN, by=context(COLLEAGUE))
    with pytest.raises(Departing):
        unplanned(*KNOWN, by=context(LEAVING_OWNER))


# --- cancelling, missing ---------------------------------------------------------------------------------------------


def test_a_planned_visit_is_cancelled_with_its_reason() -> None:
    (fact,) = cancel(*planned(*KNOWN)).facts
    assert isinstance(fact, VisitCancelled)
    assert (fact.reason, fact.visitors, fact.cancelled_by) == ("客户改期", ("lin", "zhao"), "lin")


def test_a_cancelled_visit_is_neither_recorded_nor_cancelled_again() -> None:
    facts = planned(*KNOWN)
    after = (*facts, *cancel(*facts).facts)
    for again in (cancel, record):
        with pytest.raises(VisitNotOpen):
            again(*after)


def test_who_may_not_plan_may_not_cancel() -> None:
    facts = planned(*KNOWN)
    with pytest.raises(NotYourCustomer):
        cancel(*facts, by=context(COLLEAGUE))
    with pytest.raises(Departing):
        cancel(*facts, by=context(LEAVING_OWNER))


def test_a_missed_record_is_told_once() -> None:
    facts = planned(*KNOWN)
    (missed,) = decisions.miss_record("v-1", "c-1", state(*facts)).facts
    assert missed == VisitRecordOverdue(
        visit="v-1", customer="c-1", department="east", planned_on=TOMORROW, visitors=("lin", "zhao")
    )
    after = (*facts, missed)
    assert state(*after).visits["v-1"].status is VisitStatus.OVERDUE
    assert not decisions.miss_record("v-1", "c-1", state(*after)).facts
    assert logged(record(*after)).visit == "v-1", "a record that was missed may still be made"


@pytest.mark.parametrize("end", [record, cancel])
def test_what_was_recorded_or_cancelled_is_not_missed(end: Callable[..., Decision]) -> None:
    facts = planned(*KNOWN)
    assert not decisions.miss_record("v-1", "c-1", state(*facts, *end(*facts).facts)).facts


# --- who may read ----------------------------------------------------------------------------------------------------

ON_IT = Visit(plan=VisitPlanned.model_validate(plan(*KNOWN).facts[0].model_dump()))


@pytest.mark.parametrize(
    ("actor", "may"),
    [
        (OWNER, True),
        (COLLABORATOR, True),
        (COLLEAGUE, True),
        (MANAGER, True),
        (LEAVING_OWNER, True),
        (Actor("x", (Grant("vetter", "east"),)), True),
        (Actor("x", (Grant("auditor"),)), True),
        (Actor("x", (Grant("salesperson", "east"),)), False),
        (OTHER_MANAGER, False),
        (Actor("x", (Grant("warehouse"),)), False),
        (Actor("x", (Grant("market_dept"),), departing=True), False),
    ],
)
def test_a_visit_is_read_by_those_it_concerns(actor: Actor, may: bool) -> None:  # noqa: FBT001 - a column of the table
    relation = state(*KNOWN).relation
    if may:
        rights.check_may_read(actor, relation, ON_IT)
    else:
        with pytest.raises(NotYoursToSee):
            rights.check_may_read(actor, relation, ON_IT)


def test_who_is_leaving_reads_open_work_only() -> None:
    facts = planned(*KNOWN)
    after = state(*facts, *record(*facts).facts)
    with pytest.raises(NotYoursToSee):
        rights.check_may_read(LEAVING_OWNER, after.relation, after.visits["v-1"])
    with pytest.raises(NotYoursToSee):
        rights.check_may_read(LEAVING_OWNER, after.relation)


# --- policy data -----------------------------------------------------------------------------------------------------


def test_the_frequency_is_by_grade() -> None:
    frequency = Frequency(A=3)
    assert [frequency.of(grade) for grade in (Grade.A, Grade.B, Grade.C, None)] == [3, 1, 1, 1]


# --- whatever comes --------------------------------------------------------------------------------------------------

PEOPLE = ["lin", "wu", "zhao", "sun", "driver", "leaver", "nobody"]
ACTORS = [OWNER, COLLABORATOR, COLLEAGUE, MANAGER, OTHER_MANAGER, LEAVING_OWNER, Actor("x")]
some_people = st.lists(st.sampled_from(PEOPLE), min_size=1, max_size=4).map(tuple)
days = st.dates(date(2026, 11, 20), date(2026, 12, 5))
moments = st.datetimes(datetime(2026, 11, 20), datetime(2026, 12, 5), timezones=st.just(UTC))  # noqa: DTZ001 - zoned by `timezones`
#: An aimless hand: whatever can be filled in, in any order.
forms = st.one_of(
    st.builds(PlanVisit, planned_on=days, visitors=some_people, purpose=st.just("拜访"), preparation=st.just("资料")),
    st.builds(RecordVisit, visited_at=moments, attendees=some_people, market=st.just("平稳")),
    st.builds(
        RegisterUnplannedVisit,
        visited_at=moments,
        attendees=some_people,
        market=st.just("平稳"),
        reason=st.just("顺路"),
    ),
    st.builds(CancelVisit, reason=st.just("改期")),
)
Form = PlanVisit | RecordVisit | RegisterUnplannedVisit | CancelVisit


def decide(form: Form, number: int, chosen: int, before: CustomerVisits, by: Context) -> Decision | KehuError:
    """What comes of a form; new visits are numbered, others are one of those `chosen`."""
    new, old = f"v-{number}", f"v-{chosen}"
    try:
        match form:
            case PlanVisit():
                return decisions.plan_visit(new, "c-1", form, before, by)
            case RegisterUnplannedVisit():
                return decisions.register_unplanned(new, "c-1", form, before, by)
            case RecordVisit():
                return decisions.record_visit(old, "c-1", form, before, by)
            case CancelVisit():
                return decisions.cancel_visit(old, "c-1", form, before, by)
    except KehuError as refused:
        return refused


@given(
    st.lists(st.tuples(forms, st.sampled_from(ACTORS), moments, st.integers(0, 3)), max_size=12),
    st.booleans(),
)
def test_whatever_is_tried_the_rules_hold(
    history: Sequence[tuple[Form, Actor, datetime, int]],
    taken_over: bool,  # noqa: FBT001 - drawn
) -> None:
    facts: list[Fact] = [CUSTOMER.model_copy(update={"taken_over": taken_over})]
    for number, (form, actor, now, chosen) in enumerate(history):
        before = state(*facts)
        outcome = decide(form, number, chosen, before, context(actor, now))
        if isinstance(outcome, KehuError):
            assert outcome.clause
            assert outcome.zh
            assert not (isinstance(outcome, Forbidden) and actor is MANAGER)
        else:
            facts += outcome.facts
            _check(before, state(*facts), outcome, now)


def _check(before: CustomerVisits, after: CustomerVisits, decision: Decision, now: datetime) -> None:
    match decision.facts[0]:
        case VisitPlanned() as fact:
            assert fact.planned_on >= today(now)
            assert fact.first_visit == before.is_new
            if before.is_new:
                marketing = {one for one in fact.visitors if COLLEAGUES[one].marketing}
                assert len(marketing) >= 2
                assert marketing & {"lin", "wu"}
        case VisitLogged() as fact:
            assert fact.visited_at <= now
            assert before.is_new or not fact.first_visit, "there is one first visit"
            assert after.is_new == (before.is_new and not fact.first_visit)
            assert not (fact.first_visit and fact.planned is False)
            assert fact.visit not in before.visits or before.visits[fact.visit].status is VisitStatus.PLANNED
        case fact:
            assert isinstance(fact, VisitCancelled)
