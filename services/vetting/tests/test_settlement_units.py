"""R3.1.1: a payer is one record, qualified with the F1 that names it and linked in the same moment."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest

from kehu.contracts.trade import (
    SettlementUnitLinked,
    SettlementUnitQualified,
    SettlementUnitRestored,
    SettlementUnitSuspended,
    SettlementUnitUnlinked,
)
from kehu.contracts.vetting import AgentActivated, QualificationRenewed, Step
from kehu.deciding import Context, Decision
from kehu.errors import Forbidden, Invalid, KehuError, NotFound, Refused
from kehu_vetting.qualifications import approving, decisions, signing
from kehu_vetting.qualifications.decisions import Gathered
from kehu_vetting.qualifications.facts import ORDER, QualificationSuperseded, Status
from kehu_vetting.qualifications.form import Form
from kehu_vetting.qualifications.required_documents import REQUIRED_DOCUMENTS
from kehu_vetting.settlement_units import decisions as units
from kehu_vetting.settlement_units.facts import CLAIM_SCOPE, Unit, UnitServed
from kehu_vetting.standing import decisions as standings
from kehu_vetting.standing.facts import AgreementNoted, Standing
from kehu_vetting.standing.ordering import check_may_order, may_order
from kehu_vetting.testing import (
    CUSTOMER,
    DOCUMENTS,
    FILE,
    FINANCE,
    GENERAL_MANAGER,
    MANAGER,
    OTHER,
    SALES,
    THIRD,
    TODAY,
    USCC,
    VETTER,
    Case,
    Trade,
    complete_form,
    paper,
    person,
    third_party_form,
)

POLICY = REQUIRED_DOCUMENTS.initial


def trade(form: Form | None = None) -> Trade:
    return Trade(Case().submitted(form).passed(*ORDER[:4]))


def unlink(command: standings.UnlinkPayer, state: Standing, context: Context) -> Decision:
    """Both decisions as one, to be looked at."""
    decided = standings.unlink_payer(command, (state, Unit()), context)
    return Decision([fact for one in decided for fact in one.facts])


def refusal(kind: type[KehuError], code: str, call: Callable[..., Any], *arguments: Any) -> KehuError:
    with pytest.raises(kind) as caught:
        call(*arguments)
    assert caught.value.problem_code == code
    assert caught.value.clause
    return caught.value


def test_the_approval_qualifies_the_payer_and_links_it_in_one() -> None:
    one = trade(third_party_form())
    _, qualified, linked = one.approve()
    assert [claim.scope for claim in qualified.claims] == [CLAIM_SCOPE]
    assert [claim.value for claim in qualified.claims] == [f"uscc/{OTHER}"]
    (fact,) = [fact for fact in qualified.facts if isinstance(fact, SettlementUnitQualified)]
    assert (fact.number, fact.name, fact.identity) == ("JS000001", THIRD.name, OTHER)
    (link,) = [fact for fact in linked.facts if isinstance(fact, SettlementUnitLinked)]
    assert (link.unit, link.default, link.signed_on, link.valid_until) == (
        "u-1",
        True,
        date(2026, 11, 20),
        date(2027, 3, 31),
    )
    assert link.agreement_digest == paper("three_party_agreement").file_digest
    assert one.unit.papers["business_licence"].number == OTHER
    assert one.standing.papers["business_licence"].number == USCC
    assert one.case.state.status is Status.APPROVED


def test_a_customer_who_pays_itself_needs_no_agreement_and_its_licence_is_the_payers() -> None:
    one = trade()
    one.approve()
    payer = one.standing.payers["u-1"]
    assert (payer.agreement_digest, payer.valid_until) == (None, None)
    assert set(one.unit.papers) == {"business_licence"}


def test_a_refused_approval_qualifies_nobody() -> None:
    one = trade()
    with pytest.raises(Forbidden):
        one.approve(VETTER)
    assert (one.unit_facts, one.standing_facts) == ([], [])


def test_a_known_payer_keeps_its_number_and_gets_what_is_new() -> None:
    one = trade(third_party_form())
    one.approve()
    moved = THIRD.model_copy(update={"bank": "招商银行深圳分行"})
    again = Trade(Case(file=replace(FILE, customer="c-2")).submitted(third_party_form(moved)).passed(*ORDER[:4]))
    again.unit_facts = one.unit_facts
    _, qualified, linked = again.approve()
    assert not any(isinstance(fact, SettlementUnitQualified) for fact in qualified.facts)
    assert again.unit.number == "JS000001"
    assert again.unit.details
    assert again.unit.details.bank == "招商银行深圳分行"
    assert any(isinstance(fact, SettlementUnitLinked) for fact in linked.facts)


def test_an_active_customer_orders_with_its_default_payer() -> None:
    one = trade(third_party_form())
    one.approve()
    assert one.bars() == {"not-active"}
    one.activated(until=date(2027, 11, 23))
    assert one.bars() == set()
    assert check_may_order(FILE, one.standing, one.unit, POLICY, TODAY).unit == "u-1"


@pytest.mark.parametrize(
    ("day", "code"),
    [
        (date(2027, 3, 31), None),
        (date(2027, 4, 1), "three-party-agreement-ended"),
        (date(2027, 6, 30), "three-party-agreement-ended"),
        (date(2027, 7, 1), "unit-document-expired"),
        (date(2027, 11, 24), "agreement-ended"),
    ],
)
def test_last_days_are_still_valid_and_the_next_ones_bar(day: date, code: str | None) -> None:
    one = trade(third_party_form())
    one.approve()
    one.activated(until=date(2027, 11, 23))
    assert (code in one.bars(day)) if code else not one.bars(day)


def test_a_payer_that_is_not_linked_or_not_there_pays_for_nothing() -> None:
    one = trade()
    one.approve()
    one.activated()
    assert one.bars(named="u-2") == {"unit-not-linked"}
    nobody = may_order(FILE, Standing(active_since=TODAY), Unit(), POLICY, TODAY)
    assert {bar.code for bar in nobody.bars} == {"no-unit"}
    found = refusal(Refused, "may-not-order", check_may_order, FILE, Standing(), Unit(), POLICY, TODAY)
    assert {error["code"] for error in found.evidence["errors"]} == {"not-active", "no-unit"}


def test_a_closed_or_merged_customer_orders_nothing() -> None:
    one = trade()
    one.approve()
    one.activated()
    one.case.file = replace(FILE, closed=True)
    assert one.bars() == {"gone"}
    one.case.file = replace(FILE, merged_into="c-9")
    assert one.bars() == {"gone"}


def test_a_suspended_payer_suspends_its_links_until_finance_restores_it() -> None:
    one = trade()
    one.approve()
    one.activated()
    command = units.SuspendUnit("涉诉")
    refusal(Forbidden, "role-required", one.tend, units.suspend_unit, MANAGER, command)
    refusal(Invalid, "reason-missing", one.tend, units.suspend_unit, FINANCE, units.SuspendUnit(" "))
    facts = one.tend(units.suspend_unit, FINANCE, command)
    assert [fact.reason for fact in facts if isinstance(fact, SettlementUnitSuspended)] == ["涉诉"]
    assert one.bars() == {"unit-suspended"}
    refusal(Refused, "already-suspended", one.tend, units.suspend_unit, FINANCE, command)
    departing = replace(FINANCE, departing=True)
    refusal(Forbidden, "departing", one.tend, units.restore_unit, departing)
    facts = one.tend(units.restore_unit, FINANCE)
    assert any(isinstance(fact, SettlementUnitRestored) for fact in facts)
    assert one.bars() == set()
    refusal(Refused, "not-suspended", one.tend, units.restore_unit, FINANCE)


def test_one_of_several_payers_is_the_default_one() -> None:
    one = trade()
    one.approve()
    second = standings.Link("u-2", paper("three_party_agreement", issued_on=TODAY), default=False)
    one.standing_facts += standings.link(CUSTOMER, second, one.standing, POLICY)
    assert one.standing.default_unit == "u-1"
    assert standings.link(CUSTOMER, second, one.standing, POLICY) == []
    one.do(standings.choose_default, SALES, "u-2")
    assert one.standing.default_unit == "u-2"
    assert one.do(standings.choose_default, SALES, "u-2") == []
    refusal(NotFound, "unit-not-linked", one.do, standings.choose_default, SALES, "u-9")
    refusal(Forbidden, "role-required", one.do, standings.choose_default, person("x", "salesperson"), "u-1")


def test_a_link_is_ended_by_manager_or_finance_with_a_reason() -> None:
    one = trade()
    one.approve()
    one.activated()
    command = standings.UnlinkPayer("u-1", "合作终止")
    refusal(Forbidden, "role-required", one.do, unlink, SALES, command)
    refusal(Invalid, "reason-missing", one.do, unlink, FINANCE, standings.UnlinkPayer("u-1", " "))
    (unlinked, _, served) = one.do(unlink, MANAGER, command)
    assert isinstance(unlinked, SettlementUnitUnlinked)
    assert isinstance(served, UnitServed)
    assert one.bars() == {"no-unit"}


def test_an_agreement_signed_ahead_takes_over_when_its_predecessor_ends() -> None:
    one = trade()
    one.approve()
    one.activated(until=TODAY + timedelta(days=5))
    one.standing_facts.append(
        AgreementNoted(
            customer=CUSTOMER,
            qualification="q-1",
            file_digest="b" * 64,
            signed_on=TODAY,
            valid_from=TODAY + timedelta(days=6),
            valid_until=None,
        )
    )
    assert [one.bars(TODAY + timedelta(days=days)) for days in (0, 5, 6, 900)] == [set()] * 4


# --- an active customer's new F1 ---


def test_a_new_f1_of_an_active_customer_is_in_force_from_its_approval_on_and_the_former_one_until_then() -> None:
    one = trade()
    one.approve()
    one.activated(until=date(2027, 11, 23))
    former = one.case
    query = paper("taxpayer_query", issued_on=date(2026, 11, 20))
    again = Case()
    again.drafted(complete_form(documents=(*DOCUMENTS[:2], query, *DOCUMENTS[3:])), qualification="q-2")
    again.do(decisions.submit_qualification, SALES)
    again.passed(*ORDER[:4])
    assert one.bars() == set()
    assert one.standing.papers["taxpayer_query"].issued_on == date(2026, 11, 1)
    gathered = Gathered(FILE, unit="u-1", unit_number="")
    states = (again.state, one.unit, one.standing, replace(former.state, status=Status.ACTIVE))
    command = signing.PassStep(Step.GENERAL_MANAGER, again.bundle.digest)
    review, unit, standing, superseded = approving.approve(command, states, one.context(GENERAL_MANAGER, gathered))
    again.facts += review.facts
    one.unit_facts += unit.facts
    one.standing_facts += standing.facts
    renewed = again.facts[-1]
    assert isinstance(renewed, QualificationRenewed)
    assert (renewed.previous, renewed.agent) == ("q-1", True)
    assert not any(isinstance(fact, AgentActivated) for fact in again.facts)
    assert [type(fact) for fact in superseded.facts] == [QualificationSuperseded]
    assert [claim.release for claim in review.claims] == [True]
    assert again.state.status is Status.ACTIVE
    assert (one.standing.qualification, one.standing.papers["taxpayer_query"]) == ("q-2", query)
    assert one.bars() == set()
    assert one.standing.active_since == TODAY
