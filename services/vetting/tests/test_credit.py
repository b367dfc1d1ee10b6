"""R5.2: bad credit is recorded by finance with evidence, settled, or taken back as a mistake."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kehu.contracts.vetting import CreditIncidentRecorded, CreditIncidentResolved, CreditIncidentWithdrawn
from kehu.deciding import Actor, Context, Decision
from kehu.errors import Forbidden, Invalid, KehuError, NotFound, Refused
from kehu.facts import Fact
from kehu_vetting.credit import decisions
from kehu_vetting.credit.decisions import RecordCreditIncident, ResolveCreditIncident, WithdrawCreditIncident
from kehu_vetting.credit.facts import CREDIT, IncidentStatus
from kehu_vetting.customer_files.facts import CustomerFile
from kehu_vetting.testing import CUSTOMER, FILE, FINANCE, NOW, SALES, TODAY, person

RECORD = RecordCreditIncident("i-1", CUSTOMER, TODAY - timedelta(days=10), "拖欠货款", "对账单 2026-10", 500_000)
RESOLVE = ResolveCreditIncident(CUSTOMER, "i-1", TODAY, "银行回单")
WITHDRAW = WithdrawCreditIncident(CUSTOMER, "i-1", "记录错误")


class Record:
    """A customer's credit record, and commands to try on it."""

    def __init__(self, file: CustomerFile = FILE) -> None:
        self.file = file
        self.facts: list[Fact] = []

    def do(self, decide: Callable[..., Decision], command: Any, actor: Actor = FINANCE) -> list[Any]:
        decision = decide(command, CREDIT.fold(self.facts), Context(actor, NOW, gathered=self.file))
        self.facts += decision.facts
        return list(decision.facts)

    @property
    def status(self) -> IncidentStatus:
        return CREDIT.fold(self.facts).incidents["i-1"].status


def refusal(kind: type[KehuError], code: str, call: Callable[..., Any], *arguments: Any) -> None:
    with pytest.raises(kind) as caught:
        call(*arguments)
    assert caught.value.problem_code == code


def test_finance_records_an_incident_with_evidence() -> None:
    record = Record()
    (fact,) = record.do(decisions.record_incident, RECORD)
    assert isinstance(fact, CreditIncidentRecorded)
    assert (fact.recorded_by, fact.occurred_on, fact.amount_fen) == ("finance", RECORD.occurred_on, 500_000)
    assert record.status is IncidentStatus.OPEN


def test_nobody_else_does() -> None:
    for other in (SALES, person("m", "dept_manager"), person("f", "finance", department="west")):
        refusal(Forbidden, "role-required", Record().do, decisions.record_incident, RECORD, other)
    refusal(Forbidden, "departing", Record().do, decisions.record_incident, RECORD, replace(FINANCE, departing=True))


def test_it_occurred_by_today_and_has_evidence() -> None:
    tomorrow = replace(RECORD, occurred_on=TODAY + timedelta(days=1))
    refusal(Invalid, "date-in-future", Record().do, decisions.record_incident, tomorrow)
    refusal(Invalid, "evidence-missing", Record().do, decisions.record_incident, replace(RECORD, evidence=" "))
    assert Record().do(decisions.record_incident, replace(RECORD, occurred_on=TODAY))


def test_the_customer_has_to_be_registered() -> None:
    refusal(NotFound, "customer-unknown", Record(CustomerFile()).do, decisions.record_incident, RECORD)


def test_it_is_settled_once_between_its_occurrence_and_today() -> None:
    record = Record()
    record.do(decisions.record_incident, RECORD)
    for wrong in (RECORD.occurred_on - timedelta(days=1), TODAY + timedelta(days=1)):
        refusal(Invalid, "resolved-date", record.do, decisions.resolve_incident, replace(RESOLVE, resolved_on=wrong))
    (fact,) = record.do(decisions.resolve_incident, RESOLVE)
    assert isinstance(fact, CreditIncidentResolved)
    assert record.status is IncidentStatus.RESOLVED
    refusal(Refused, "incident-closed", record.do, decisions.resolve_incident, RESOLVE)


@pytest.mark.parametrize("settled", [False, True])
def test_a_mistake_is_taken_back_also_after_it_was_settled(settled: bool) -> None:  # noqa: FBT001 - pytest passes it
    record = Record()
    record.do(decisions.record_incident, RECORD)
    if settled:
        record.do(decisions.resolve_incident, RESOLVE)
    (fact,) = record.do(decisions.withdraw_incident, WITHDRAW)
    assert isinstance(fact, CreditIncidentWithdrawn)
    refusal(Refused, "incident-closed", record.do, decisions.withdraw_incident, WITHDRAW)
    refusal(Refused, "incident-closed", record.do, decisions.resolve_incident, RESOLVE)


def test_what_was_never_recorded_is_not_found() -> None:
    refusal(NotFound, "not-found", Record().do, decisions.resolve_incident, RESOLVE)


_DATES = st.dates(date(1900, 1, 1), date(2199, 1, 1))
_COMMANDS = st.one_of(
    st.tuples(
        st.just(decisions.record_incident),
        st.builds(
            RecordCreditIncident, st.sampled_from(["i-1", "i-2"]), st.just(CUSTOMER), _DATES, st.text(), st.text()
        ),
    ),
    st.tuples(
        st.just(decisions.resolve_incident),
        st.builds(ResolveCreditIncident, st.just(CUSTOMER), st.sampled_from(["i-1", "i-2"]), _DATES, st.text()),
    ),
    st.tuples(
        st.just(decisions.withdraw_incident),
        st.builds(WithdrawCreditIncident, st.just(CUSTOMER), st.sampled_from(["i-1", "i-2"]), st.text()),
    ),
)
_TRIES = st.tuples(_COMMANDS, st.sampled_from([FINANCE, FINANCE, SALES]))


@given(st.lists(_TRIES, max_size=12))
def test_whatever_is_tried_each_incident_is_recorded_once_and_closed_at_most_once_each_way(
    tries: list[tuple[tuple[Callable[..., Decision], Any], Actor]],
) -> None:
    record = Record()
    for (decide, command), actor in tries:
        before = list(record.facts)
        try:
            record.do(decide, command, actor)
        except KehuError as error:
            assert record.facts == before
            if not error.clause:
                raise
    names = [(type(fact), getattr(fact, "incident", "")) for fact in record.facts]
    assert len(names) == len(set(names))
    assert all((CreditIncidentRecorded, incident) in names for _, incident in names)
