"""Monthly department reports (R5.3.5): who reports which month when, what it says, and how it is corrected."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kehu.calendar import SHANGHAI, Month
from kehu.contracts.customers import MonthlyReportDue, MonthlyReportMissing, MonthlyReportSubmitted
from kehu.deciding import Actor, Context, Grant, Mandate
from kehu.errors import Forbidden, Invalid
from kehu_customer_registry.monthly_reports import decisions
from kehu_customer_registry.monthly_reports.decisions import AlreadySubmitted, NotSubmitted, Proposal, WriteReport
from kehu_customer_registry.monthly_reports.facts import (
    MONTHLY_REPORTS,
    MonthlyReport,
    MonthlyReportWritten,
    Movement,
    ReportCalendar,
    ReportContent,
    ReportedVolume,
)
from kehu_customer_registry.testing import (
    AUDITOR,
    EAST,
    MANAGER,
    MARKET,
    POLICIES,
    SALES,
    SYSTEM,
    WEST_MANAGER,
    Case,
    person,
)
from kehu_customer_registry.volumes.decisions import MonthNotEnded

FEBRUARY = Month(2028, 2)
IN_TIME = datetime(2028, 3, 5, 23, 59, 59, tzinfo=SHANGHAI)
PROPOSED = ReportContent(
    volumes=(ReportedVolume(customer="c-1", number="K000001", amount_fen=500_000_000),),
    missing=("K000002",),
    new=(Movement(customer="c-2", number="K000002"),),
)
CUSTOMERS = {named: pair for pair in (("c-1", "K000001"), ("c-2", "K000002")) for named in pair}
COMMAND = WriteReport(EAST, FEBRUARY, market_remarks="钢价上涨")


def case(proposed: ReportContent = PROPOSED, at: datetime = IN_TIME) -> Case[MonthlyReport]:
    return Case(MONTHLY_REPORTS, Proposal(proposed, CUSTOMERS), at)


def test_the_manager_reports_what_is_proposed_with_remarks() -> None:
    written, submitted = case().do(decisions.submit_report, MANAGER, COMMAND)
    assert written.content == PROPOSED.model_copy(update={"market_remarks": "钢价上涨"})
    assert submitted == MonthlyReportSubmitted(
        department=EAST, month=FEBRUARY, late=False, nil=False, submitted_by="manager"
    )


@pytest.mark.parametrize(
    ("at", "late"),
    [
        (datetime(2028, 2, 29, 23, 59, 59, tzinfo=SHANGHAI), None),
        (datetime(2028, 3, 1, 0, 0, tzinfo=SHANGHAI), False),
        (IN_TIME, False),
        (datetime(2028, 3, 6, 0, 0, tzinfo=SHANGHAI), True),
    ],
)
def test_a_month_is_reported_once_it_has_ended_and_late_after_24_oclock_of_the_fifth(at: datetime, late: Any) -> None:
    if late is None:
        with pytest.raises(MonthNotEnded):
            case(at=at).do(decisions.submit_report, MANAGER, COMMAND)
    else:
        assert case(at=at).do(decisions.submit_report, MANAGER, COMMAND)[1].late is late


def test_nothing_to_report_is_a_report() -> None:
    _, submitted = case(ReportContent()).do(decisions.submit_report, MANAGER, WriteReport(EAST, FEBRUARY))
    assert submitted.nil


def test_lists_are_edited_by_number_or_id_and_only_of_the_departments_customers() -> None:
    command = WriteReport(EAST, FEBRUARY, new=(), lost=[("K000001", "停产"), ("c-1", "停产")])
    written, _ = case().do(decisions.submit_report, MANAGER, command)
    assert written.content.new == ()
    assert written.content.lost == (Movement(customer="c-1", number="K000001", remark="停产"),)
    with pytest.raises(Invalid, match="K000009"):
        case().do(decisions.submit_report, MANAGER, WriteReport(EAST, FEBRUARY, lost=[("K000009", "")]))


@pytest.mark.parametrize(
    "actor",
    [SALES, WEST_MANAGER, MARKET, AUDITOR, person("m", "dept_manager", departing=True)],
    ids=lambda actor: actor.id,
)
def test_others_do_not_report(actor: Actor) -> None:
    with pytest.raises(Forbidden):
        case().do(decisions.submit_report, actor, COMMAND)


def test_a_delegate_reports_for_the_manager() -> None:
    mandate = Mandate("d", "manager", frozenset({decisions.STEP}), (Grant("dept_manager", EAST),))
    _, submitted = case().do(decisions.submit_report, Actor("deputy", mandates=(mandate,)), COMMAND)
    assert (submitted.submitted_by, submitted.on_behalf_of) == ("deputy", "manager")


def test_a_correction_is_a_new_fact_with_its_reason() -> None:
    one = case()
    with pytest.raises(NotSubmitted):
        one.do(decisions.correct_report, MANAGER, WriteReport(EAST, FEBRUARY, reason="漏报"))
    one.do(decisions.submit_report, MANAGER, COMMAND)
    with pytest.raises(AlreadySubmitted):
        one.do(decisions.submit_report, MANAGER, COMMAND)
    (fact,) = one.do(decisions.correct_report, MANAGER, WriteReport(EAST, FEBRUARY, new=(), reason="漏报"))
    assert (fact.reason, fact.content.new, one.state.corrections) == ("漏报", (), 1)
    assert one.do(decisions.correct_report, MANAGER, WriteReport(EAST, FEBRUARY, new=(), reason="漏报")) == []


def test_a_month_is_due_when_it_has_ended_and_missing_when_it_closes() -> None:
    def end(at: datetime, state: ReportCalendar) -> Any:
        return decisions.end_month(EAST, FEBRUARY, state, Context(SYSTEM, at, POLICIES)).facts

    assert not end(datetime(2028, 2, 29, 23, 59, 59, tzinfo=SHANGHAI), ReportCalendar())
    begin = datetime(2028, 3, 1, tzinfo=SHANGHAI)
    closes_at = datetime(2028, 3, 6, tzinfo=SHANGHAI)
    assert end(begin, ReportCalendar()) == [MonthlyReportDue(department=EAST, month=FEBRUARY, closes_at=closes_at)]
    assert not end(begin, ReportCalendar(FEBRUARY, closes_at))

    assert decisions.miss_report(EAST, FEBRUARY, MonthlyReport()).facts == [
        MonthlyReportMissing(department=EAST, month=FEBRUARY)
    ]
    one = case()
    one.do(decisions.submit_report, MANAGER, COMMAND)
    assert not decisions.miss_report(EAST, FEBRUARY, one.state).facts


@given(
    st.lists(
        st.tuples(
            st.sampled_from([MANAGER, SALES, WEST_MANAGER, MARKET]),
            st.booleans(),
            st.integers(0, 12),
            st.sampled_from([None, (), [("c-1", "")], [("K9", "")]]),
        ),
        max_size=8,
    )
)
def test_no_sequence_of_commands_reports_a_month_twice_or_before_its_end(tries: list[Any]) -> None:
    one = case()
    for actor, correcting, day, lost in tries:
        one.now = datetime(2028, 2, 28, tzinfo=SHANGHAI) + timedelta(days=day)
        decide = decisions.correct_report if correcting else decisions.submit_report
        command = WriteReport(EAST, FEBRUARY, lost=lost, reason="x" if correcting else None)
        before = one.state.content
        for fact in one.attempt(decide, actor, command) or ():
            assert actor is MANAGER
            assert one.now >= FEBRUARY.end
            if isinstance(fact, MonthlyReportWritten):
                assert (before is None) == (fact.reason is None)
    submitted = [fact for fact in one.facts if isinstance(fact, MonthlyReportSubmitted)]
    assert len(submitted) <= 1
    assert (one.state.content is not None) == bool(submitted)
