"""Monthly contract volumes (R5.3.5): what may be reported when, by whom, and how it is corrected."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kehu.calendar import SHANGHAI, Month
from kehu.contracts.customers import ContractVolumeCorrected, ContractVolumeReported
from kehu.deciding import Actor, system_actor
from kehu.errors import Forbidden, NotFound, Refused
from kehu.facts import Fact, RecordedFact
from kehu.ids import new_id
from kehu_customer_registry.testing import (
    AUDITOR,
    CUSTOMER,
    EAST,
    MANAGER,
    MARKET,
    NOW,
    NUMBER,
    SALES,
    WEST_MANAGER,
    Case,
    person,
)
from kehu_customer_registry.volumes import decisions
from kehu_customer_registry.volumes.decisions import CorrectVolume, Reporting, ReportVolume
from kehu_customer_registry.volumes.facts import VOLUMES, Volumes

OCTOBER = Month(2026, 10)
CUSTOMER_HERE = Reporting(CUSTOMER, NUMBER, EAST, registered=True)
FIVE_MILLION = 500_000_000
OUTSIDE = system_actor("customer-registry", "volume-reports")


def case(at: datetime = NOW, reporting: Reporting | None = CUSTOMER_HERE) -> Case[Volumes]:
    return Case(VOLUMES, reporting, at)


def shanghai(year: int, month: int, day: int, hour: int = 0, minute: int = 0, second: int = 0) -> datetime:
    return datetime(year, month, day, hour, minute, second, tzinfo=SHANGHAI)


def from_outside(fact: Fact) -> RecordedFact[Any]:
    message = new_id()
    return RecordedFact(
        fact=fact,
        id=message,
        stream="",
        version=0,
        sequence=None,
        key="",
        service="",
        actor="",
        clause="",
        correlation=message,
        causation=None,
        occurred_at=NOW,
        recorded_at=NOW,
        metadata={"external_source": "/contract-system", "external_id": "C-77"},
    )


def test_the_manager_reports_a_month_that_has_ended() -> None:
    at = case(shanghai(2026, 11, 5, 23, 59))
    assert at.do(decisions.report_volume, MANAGER, ReportVolume(OCTOBER, FIVE_MILLION)) == [
        ContractVolumeReported(
            customer=CUSTOMER, month=OCTOBER, amount_fen=FIVE_MILLION, department=EAST, late=False, reference=None
        )
    ]


def test_a_manager_who_is_leaving_reports_and_corrects_nothing() -> None:
    leaving = person("manager", "dept_manager", departing=True)
    at = case()
    at.do(decisions.report_volume, MANAGER, ReportVolume(OCTOBER, FIVE_MILLION))
    commands = (ReportVolume(OCTOBER, FIVE_MILLION), CorrectVolume(OCTOBER, 1, "x"))
    for decide, command in zip((decisions.report_volume, decisions.correct_volume), commands, strict=True):
        with pytest.raises(Forbidden) as refused:
            at.do(decide, leaving, command)
        assert (refused.value.clause, refused.value.problem_code) == ("R4.6", "departing")


@pytest.mark.parametrize(
    ("moment", "late"),
    [
        (shanghai(2026, 11, 1, 0, 0), False),
        (shanghai(2026, 11, 5, 23, 59, 59), False),
        (shanghai(2026, 11, 6, 0, 0), True),
        (shanghai(2027, 3, 1), True),
    ],
)
def test_a_month_closes_at_the_end_of_the_fifth(moment: datetime, late: bool) -> None:  # noqa: FBT001 - a parameter of the test
    (reported,) = case(moment).do(decisions.report_volume, MANAGER, ReportVolume(OCTOBER, 1))
    assert reported.late is late


def test_a_month_that_has_not_ended_is_refused() -> None:
    with pytest.raises(Refused, match="not over") as refused:
        case(shanghai(2026, 10, 31, 23, 59, 59)).do(decisions.report_volume, MANAGER, ReportVolume(OCTOBER, 1))
    assert (refused.value.clause, refused.value.problem_code) == ("R5.3.5", "month-not-ended")


def test_the_same_amount_again_is_no_new_fact_and_another_one_needs_a_correction() -> None:
    at = case()
    at.do(decisions.report_volume, MANAGER, ReportVolume(OCTOBER, FIVE_MILLION))
    assert at.do(decisions.report_volume, MANAGER, ReportVolume(OCTOBER, FIVE_MILLION)) == []
    with pytest.raises(Refused, match="use a correction") as refused:
        at.do(decisions.report_volume, MANAGER, ReportVolume(OCTOBER, 1))
    assert refused.value.problem_code == "already-reported"


def test_a_correction_says_what_stood_before_and_why() -> None:
    at = case()
    at.do(decisions.report_volume, MANAGER, ReportVolume(OCTOBER, FIVE_MILLION))
    assert at.do(decisions.correct_volume, MANAGER, CorrectVolume(OCTOBER, -100, "合同取消")) == [
        ContractVolumeCorrected(
            customer=CUSTOMER, month=OCTOBER, amount_fen=-100, previous_fen=FIVE_MILLION, reason="合同取消"
        )
    ]
    assert at.state.months[OCTOBER].amount_fen == -100
    assert at.state.months[OCTOBER].corrections == 1
    assert at.do(decisions.correct_volume, MANAGER, CorrectVolume(OCTOBER, -100, "再次")) == []


def test_what_was_never_reported_cannot_be_corrected() -> None:
    with pytest.raises(Refused) as refused:
        case().do(decisions.correct_volume, MANAGER, CorrectVolume(OCTOBER, 1, "原因"))
    assert refused.value.problem_code == "not-reported"


@pytest.mark.parametrize("actor", [SALES, WEST_MANAGER, MARKET, AUDITOR])
def test_only_the_manager_of_the_customers_department_reports_and_corrects(actor: Actor) -> None:
    with pytest.raises(Forbidden):
        case().do(decisions.report_volume, actor, ReportVolume(OCTOBER, 1))
    with pytest.raises(Forbidden):
        case().do(decisions.correct_volume, actor, CorrectVolume(OCTOBER, 1, "原因"))


def test_nobody_unknown_or_unregistered_has_volumes() -> None:
    with pytest.raises(NotFound):
        case(reporting=None).do(decisions.report_volume, MANAGER, ReportVolume(OCTOBER, 1))
    draft = Reporting(CUSTOMER, NUMBER, EAST, registered=False)
    with pytest.raises(Refused) as refused:
        case(reporting=draft).do(decisions.report_volume, MANAGER, ReportVolume(OCTOBER, 1))
    assert refused.value.problem_code == "customer-not-registered"


def test_another_systems_report_becomes_our_fact_under_its_own_number() -> None:
    sent = from_outside(ContractVolumeReported(customer=CUSTOMER, month=OCTOBER, amount_fen=7, late=False))
    at = case()
    assert at.do(decisions.accept_report, OUTSIDE, sent) == [
        ContractVolumeReported(
            customer=CUSTOMER, month=OCTOBER, amount_fen=7, department=EAST, late=True, reference="C-77"
        )
    ]
    assert not at.claims, "what another system reports claims nothing, so there is no value that somebody else has"
    ahead = from_outside(ContractVolumeReported(customer=CUSTOMER, month=Month(2026, 11), amount_fen=7))
    with pytest.raises(Refused):
        at.do(decisions.accept_report, OUTSIDE, ahead)


def test_another_systems_correction_starts_from_what_stands_here() -> None:
    at = case()
    at.do(decisions.report_volume, MANAGER, ReportVolume(OCTOBER, 10))

    def correct(previous: int, amount: int) -> list[Any]:
        fact = ContractVolumeCorrected(
            customer=CUSTOMER, month=OCTOBER, amount_fen=amount, previous_fen=previous, reason="更正"
        )
        return at.do(decisions.accept_correction, OUTSIDE, from_outside(fact))

    with pytest.raises(Refused) as refused:
        correct(previous=11, amount=12)
    assert refused.value.problem_code == "previous-differs"
    (corrected,) = correct(previous=10, amount=12)
    assert (corrected.previous_fen, corrected.amount_fen, corrected.reference) == (10, 12, "C-77")
    assert not at.claims
    assert correct(previous=10, amount=12) == []


MONTHS = st.integers(0, 30).map(lambda back: Month(2027, 1) - back)
AMOUNTS = st.sampled_from([-5, 0, 1, FIVE_MILLION]) | st.integers(-(10**15), 10**15)
STEPS = st.lists(
    st.tuples(
        st.one_of(
            st.tuples(st.just(decisions.report_volume), st.builds(ReportVolume, MONTHS, AMOUNTS)),
            st.tuples(st.just(decisions.correct_volume), st.builds(CorrectVolume, MONTHS, AMOUNTS, st.just("原因"))),
        ),
        st.sampled_from([MANAGER, SALES, WEST_MANAGER]),
    ),
    max_size=40,
)


@given(STEPS)
def test_whatever_is_tried_each_month_is_reported_once_and_every_correction_follows_on(
    steps: list[tuple[tuple[Any, Any], Actor]],
) -> None:
    at = case()
    for (decide, command), actor in steps:
        facts = at.attempt(decide, actor, command)
        if facts is not None:
            assert actor is MANAGER
            assert at.state.months[command.month].amount_fen == command.amount_fen
    standing: dict[Month, int] = {}
    for fact in at.facts:
        if isinstance(fact, ContractVolumeReported):
            assert fact.month not in standing
            assert fact.month.end <= NOW
        else:
            assert isinstance(fact, ContractVolumeCorrected)
            assert standing[fact.month] == fact.previous_fen != fact.amount_fen
        standing[fact.month] = fact.amount_fen
