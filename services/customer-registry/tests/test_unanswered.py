"""A dossier or change that its manager does not answer in time is told to the superior, and stays unanswered."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from kehu import calendar
from kehu.contracts.staff import Role, StepEscalated
from kehu.deciding import Context, system_actor
from kehu_customer_registry.dossiers import changes, decisions
from kehu_customer_registry.dossiers.changes import ChangeDossier, DeclineChange
from kehu_customer_registry.dossiers.decisions import ReturnDossier
from kehu_customer_registry.dossiers.facts import Dossier, Status
from kehu_customer_registry.dossiers.unanswered import DOSSIER_UNANSWERED
from kehu_customer_registry.testing import (
    CUSTOMER,
    EAST,
    MANAGER,
    NOW,
    NUMBER,
    POLICIES,
    SALES,
    Case,
    archived,
    submitted,
)

TODAY = calendar.today(NOW)
TOO_LATE = calendar.end_of_day(TODAY + timedelta(days=3))


def fire(case: Case[Dossier], wait: str, at: Any = TOO_LATE) -> list[Any]:
    context = Context(system_actor("customer-registry", "schedule"), at, POLICIES)
    return list(DOSSIER_UNANSWERED.fire(f"{CUSTOMER}/{wait}", at, case.state, context).facts)


def test_a_dossier_that_nobody_reviews_for_three_days_is_told_to_the_general_manager_and_still_waits() -> None:
    case = submitted()
    assert fire(case, "review", TOO_LATE - timedelta(seconds=1)) == []
    (told,) = fire(case, "review")
    assert isinstance(told, StepEscalated)
    assert (told.thing, told.step, told.customer, told.department) == (NUMBER, "dossier:review", CUSTOMER, EAST)
    assert (told.waiting_for, told.superior, told.since) == ((Role.DEPT_MANAGER,), Role.GENERAL_MANAGER, TODAY)
    case.facts.append(told)
    assert case.state.status is Status.SUBMITTED


@pytest.mark.parametrize("passed", [True, False])
def test_what_was_answered_is_told_to_nobody(passed: bool) -> None:  # noqa: FBT001 - a case
    case = submitted()
    if passed:
        case.do(decisions.pass_dossier, MANAGER)
    else:
        case.do(decisions.return_dossier, MANAGER, ReturnDossier("地址不全"))
    assert fire(case, "review") == []


def test_a_major_change_that_nobody_answers_is_told_by_its_id() -> None:
    case = archived()
    case.do(changes.change_dossier, SALES, ChangeDossier({"name": "新名公司"}, change="ch-1"))
    (told,) = fire(case, "ch-1")
    assert (told.thing, told.step) == ("ch-1", "dossier:change")
    case.do(changes.decline_change, MANAGER, DeclineChange("ch-1", "暂不"))
    assert fire(case, "ch-1") == []
