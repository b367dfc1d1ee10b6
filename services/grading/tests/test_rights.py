"""Whose grades a person sees, and who may try a draft policy: by role, department, ownership and departure."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kehu.contracts.staff import Role
from kehu.deciding import Actor, Grant
from kehu.errors import Forbidden
from kehu_grading.grades.views import Scope, scope
from kehu_grading.what_if.decisions import check_may_try

SEES_ALL = {Role.MARKET_DEPT, Role.FINANCE, Role.GM_OFFICE, Role.GENERAL_MANAGER, Role.AUDITOR, Role.ADMIN}
MAY_TRY = {Role.MARKET_DEPT, Role.GM_OFFICE, Role.GENERAL_MANAGER, Role.AUDITOR}


@pytest.mark.parametrize("role", list(Role))
def test_everything_is_seen_by_those_whose_work_is_the_whole_company(role: Role) -> None:
    assert scope(Actor("p", (Grant(role, "east"),))).everything is (role in SEES_ALL)


@pytest.mark.parametrize("role", [Role.DEPT_MANAGER, Role.VETTER])
def test_a_department_is_seen_by_its_manager_and_its_office(role: Role) -> None:
    actor = Actor("p", (Grant(role, "east"), Grant(role, "south"), Grant(Role.SALESPERSON, "west")))
    assert scope(actor) == Scope(everything=False, departments=("east", "south"), person="p")
    assert scope(Actor("p", (Grant(role),))).everything  # in the whole company


def test_a_salesperson_sees_their_own_customers_only() -> None:
    actor = Actor("p", (Grant(Role.SALESPERSON, "east"),))
    assert scope(actor) == Scope(everything=False, departments=(), person="p")


@given(st.lists(st.builds(Grant, st.sampled_from(Role), st.none() | st.just("east"))))
def test_who_is_leaving_sees_no_grades_and_tries_no_policy_whatever_their_roles(grants: list[Grant]) -> None:
    leaving = Actor("p", tuple(grants), departing=True)
    with pytest.raises(Forbidden) as refused:
        scope(leaving)
    assert refused.value.clause == "R4.6"
    with pytest.raises(Forbidden):
        check_may_try(leaving)


@pytest.mark.parametrize("role", list(Role))
def test_a_draft_is_tried_by_those_who_make_the_policy_and_by_auditors(role: Role) -> None:
    actor = Actor("p", (Grant(role),))
    if role in MAY_TRY:
        check_may_try(actor)
    else:
        with pytest.raises(Forbidden) as refused:
            check_may_try(actor)
        assert refused.value.clause == "R5.3.3"
