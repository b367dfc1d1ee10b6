"""Departments, appointments and roles: admins only, key roles by two of them."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kehu.contracts.staff import (
    DepartmentChanged,
    DepartmentClosed,
    DepartmentOpened,
    DepartureStarted,
    Role,
    RoleGranted,
    RoleProposalDeclined,
    RoleProposed,
    RoleRevoked,
    StaffAccessEnded,
    StaffMemberAppointed,
    StaffMemberMoved,
)
from kehu.deciding import Actor
from kehu.errors import Forbidden, Invalid, NotFound, Refused
from kehu_customer_registry.staff import decisions
from kehu_customer_registry.staff.decisions import (
    DEPARTMENT_ROLES,
    KEY_ROLES,
    AppointStaffMember,
    MoveStaffMember,
    RolePost,
    Surroundings,
)
from kehu_customer_registry.staff.departments import (
    ChangeDepartment,
    CloseDepartment,
    Occupants,
    OpenDepartment,
    change_department,
    close_department,
    open_department,
)
from kehu_customer_registry.staff.facts import (
    DEPARTMENTS,
    STAFF,
    Department,
    ListExported,
    StaffMember,
)
from kehu_customer_registry.testing import ADMIN, ADMIN2, AUDITOR, EAST, MANAGER, SALES, SYSTEM, Case, person

OPEN_EAST = OpenDepartment(code=EAST, name="华东营销部", region="华东")
WANG = AppointStaffMember(person="wang", number="1001", name="王五", department=EAST)
HERE = Surroundings(Department(EAST, "华东营销部", "华东"), admins=2)
SELLING = RolePost(role=Role.SALESPERSON, department=EAST)
FINANCE = RolePost(role=Role.FINANCE)


def appointed() -> Case[StaffMember]:
    case = Case(STAFF, HERE)
    case.do(decisions.appoint, ADMIN, WANG)
    return case


def test_an_admin_opens_a_department_once() -> None:
    case = Case(DEPARTMENTS)
    assert case.do(open_department, ADMIN, OPEN_EAST) == [
        DepartmentOpened(department=EAST, name="华东营销部", region="华东")
    ]
    assert case.do(open_department, ADMIN, OPEN_EAST) == []
    with pytest.raises(Refused, match="is that of") as refused:
        case.do(open_department, ADMIN, OPEN_EAST.model_copy(update={"name": "另一个"}))
    assert refused.value.problem_code == "department-exists"


def test_an_appointed_person_has_a_number_of_their_own_and_no_roles() -> None:
    case = Case(STAFF, HERE)
    assert case.do(decisions.appoint, ADMIN, WANG) == [
        StaffMemberAppointed(person="wang", number="1001", name="王五", department=EAST)
    ]
    assert [(claim.scope, claim.value, claim.holder) for claim in case.claims] == [("staff-number", "1001", "wang")]
    assert case.state.posts == frozenset()
    with pytest.raises(Refused, match="on the staff already"):
        case.do(decisions.appoint, ADMIN, WANG)


def test_nobody_is_appointed_to_a_department_that_was_not_opened() -> None:
    case = Case(STAFF, Surroundings(Department()))
    with pytest.raises(NotFound, match="no department east"):
        case.do(decisions.appoint, ADMIN, WANG)


def test_an_ordinary_role_is_given_by_one_admin_at_once() -> None:
    case = appointed()
    assert case.do(decisions.grant_role, ADMIN, SELLING) == [
        RoleGranted(person="wang", role=Role.SALESPERSON, department=EAST, granted_by="admin")
    ]
    assert case.do(decisions.grant_role, ADMIN2, SELLING) == []


def test_a_key_role_counts_only_when_a_second_admin_has_confirmed_it() -> None:
    case = appointed()
    assert case.do(decisions.grant_role, ADMIN, FINANCE) == [
        RoleProposed(person="wang", role=Role.FINANCE, proposed_by="admin")
    ]
    assert case.state.posts == frozenset()
    assert case.do(decisions.grant_role, ADMIN, FINANCE) == []
    with pytest.raises(Forbidden, match="cannot confirm") as refused:
        case.do(decisions.confirm_role, ADMIN, FINANCE)
    assert refused.value.problem_code == "second-person-needed"
    assert case.do(decisions.confirm_role, ADMIN2, FINANCE) == [
        RoleGranted(person="wang", role=Role.FINANCE, granted_by="admin", second_by="admin2")
    ]
    assert case.state.posts == {(Role.FINANCE, None)}
    assert case.state.proposed == {}


def test_proposing_what_another_admin_proposed_points_to_the_confirmation() -> None:
    case = appointed()
    case.do(decisions.grant_role, ADMIN, FINANCE)
    with pytest.raises(Refused, match="Confirm it"):
        case.do(decisions.grant_role, ADMIN2, FINANCE)


def test_a_declined_proposal_cannot_be_confirmed_any_more() -> None:
    case = appointed()
    case.do(decisions.grant_role, ADMIN, FINANCE)
    assert case.do(decisions.decline_role, ADMIN2, FINANCE) == [
        RoleProposalDeclined(person="wang", role=Role.FINANCE, declined_by="admin2")
    ]
    with pytest.raises(Refused, match="has to propose it first"):
        case.do(decisions.confirm_role, ADMIN2, FINANCE)


@pytest.mark.parametrize("role", [Role.SALESPERSON, Role.FINANCE])
def test_nobody_gives_themselves_a_role(role: Role) -> None:
    case = Case(STAFF, HERE)
    case.do(decisions.bootstrap, SYSTEM, person="admin")
    post = RolePost(role=role, department=EAST if role is Role.SALESPERSON else None)
    with pytest.raises(Forbidden, match="to themselves"):
        case.do(decisions.grant_role, ADMIN, post)


def test_nobody_confirms_a_key_role_for_themselves() -> None:
    case = Case(STAFF, HERE)
    case.do(decisions.bootstrap, SYSTEM, person="admin2")
    case.do(decisions.grant_role, ADMIN, FINANCE)
    with pytest.raises(Forbidden, match="to themselves"):
        case.do(decisions.confirm_role, ADMIN2, FINANCE)


def test_a_role_of_departments_needs_one_and_a_role_of_the_company_takes_none() -> None:
    case = appointed()
    with pytest.raises(Invalid, match="held in one department"):
        case.do(decisions.grant_role, ADMIN, RolePost(role=Role.SALESPERSON))
    with pytest.raises(Invalid, match="whole company"):
        case.do(decisions.grant_role, ADMIN, RolePost(role=Role.FINANCE, department=EAST))


def test_a_revoked_role_is_gone_and_revoking_it_again_is_no_fact() -> None:
    case = appointed()
    case.do(decisions.grant_role, ADMIN, SELLING)
    assert case.do(decisions.revoke_role, ADMIN2, SELLING) == [
        RoleRevoked(person="wang", role=Role.SALESPERSON, department=EAST, revoked_by="admin2")
    ]
    assert case.do(decisions.revoke_role, ADMIN2, SELLING) == []


def test_two_admins_always_remain() -> None:
    case = Case(STAFF, Surroundings(admins=2))
    case.do(decisions.bootstrap, SYSTEM, person="admin")
    with pytest.raises(Refused, match="At least 2 admins"):
        case.do(decisions.revoke_role, ADMIN2, RolePost(role=Role.ADMIN))
    case.gathered = Surroundings(admins=3)
    assert len(case.do(decisions.revoke_role, ADMIN2, RolePost(role=Role.ADMIN))) == 1


def test_the_first_start_appoints_an_admin_once_and_says_that_the_system_did_it() -> None:
    case = Case(STAFF)
    appointed_, granted = case.do(decisions.bootstrap, SYSTEM, person="admin")
    assert appointed_.person == "admin"
    assert granted == RoleGranted(
        person="admin", role=Role.ADMIN, granted_by="system:customer-registry/bootstrap", second_by=None
    )
    assert case.do(decisions.bootstrap, SYSTEM, person="admin") == []


def test_a_person_cannot_ask_for_the_first_start_again() -> None:
    with pytest.raises(Forbidden):
        Case(STAFF).do(decisions.bootstrap, ADMIN, person="admin")


def test_an_export_is_recorded_with_the_person_and_the_reason() -> None:
    case = Case(STAFF)
    about: dict[str, Any] = {"name": "register", "filters": {"region": "浙江"}, "rows": 3, "reason": "季度汇报"}
    assert case.do(decisions.record_export, SALES, **about) == [ListExported(person="sales", **about)]
    with pytest.raises(Forbidden) as refused:
        case.do(decisions.record_export, person("leaver", "salesperson", departing=True), **about)
    assert (refused.value.clause, refused.value.problem_code) == ("R4.6", "departing")


@pytest.mark.parametrize("actor", [SALES, MANAGER, AUDITOR])
def test_only_admins_administer(actor: Actor) -> None:
    case = appointed()
    with pytest.raises(Forbidden, match="admins only"):
        case.do(decisions.grant_role, actor, SELLING)
    with pytest.raises(Forbidden):
        case.do(decisions.appoint, actor, WANG)
    with pytest.raises(Forbidden):
        Case(DEPARTMENTS).do(open_department, actor, OPEN_EAST)


def test_the_history_of_a_person_is_not_for_everybody() -> None:
    decisions.check_may_see_history("wang", ADMIN)
    decisions.check_may_see_history("wang", AUDITOR)
    decisions.check_may_see_history("sales", SALES)
    with pytest.raises(Forbidden):
        decisions.check_may_see_history("wang", SALES)


# --- departments -----------------------------------------------------------------------------------------------------


def opened() -> Case[Department]:
    case = Case(DEPARTMENTS, Occupants())
    case.do(open_department, ADMIN, OPEN_EAST)
    return case


def test_a_department_gets_another_name_and_its_history_keeps_the_old_one() -> None:
    case = opened()
    assert case.do(change_department, ADMIN, ChangeDepartment(name="华东一部", region="华东")) == [
        DepartmentChanged(department=EAST, name="华东一部", changed_by="admin")
    ]
    assert case.state == Department(EAST, "华东一部", "华东")
    assert case.do(change_department, ADMIN, ChangeDepartment(name="华东一部")) == []


@pytest.mark.parametrize("left", [Occupants(people=1), Occupants(customers=1)])
def test_a_department_with_people_or_customers_is_not_closed(left: Occupants) -> None:
    case = opened()
    case.gathered = left
    with pytest.raises(Refused, match="Move the people") as refused:
        case.do(close_department, ADMIN, CloseDepartment(reason="合并"))
    assert refused.value.problem_code == "department-in-use"


def test_nobody_comes_into_a_closed_department() -> None:
    case = opened()
    assert case.do(close_department, ADMIN, CloseDepartment(reason="合并")) == [
        DepartmentClosed(department=EAST, closed_by="admin", reason="合并")
    ]
    with pytest.raises(NotFound, match="is closed"):
        case.do(change_department, ADMIN, ChangeDepartment(name="x"))
    with pytest.raises(Refused):
        case.do(open_department, ADMIN, OPEN_EAST)
    with pytest.raises(NotFound, match="no department east"):
        Case(STAFF, Surroundings(case.state)).do(decisions.appoint, ADMIN, WANG)


def test_a_person_is_moved_with_history_and_keeps_their_roles() -> None:
    case = appointed()
    case.do(decisions.grant_role, ADMIN, SELLING)
    case.gathered = Surroundings(Department("west", "西部营销部", "西部"))
    assert case.do(decisions.move, ADMIN, MoveStaffMember(department="west")) == [
        StaffMemberMoved(person="wang", department="west", previous_department=EAST, moved_by="admin")
    ]
    assert case.do(decisions.move, ADMIN, MoveStaffMember(department="west")) == []
    assert case.state.posts == {(Role.SALESPERSON, EAST)}


MANAGING = RolePost(role=Role.DEPT_MANAGER, department=EAST)


def test_a_department_has_one_manager() -> None:
    case = appointed()
    case.do(decisions.grant_role, ADMIN, MANAGING)
    (claim,) = case.claims
    assert (claim.scope, claim.value, claim.holder, claim.release) == ("department-manager", EAST, "wang", False)
    other = appointed()
    other.gathered = Surroundings(HERE.department, admins=2, manager="li")
    with pytest.raises(Refused, match="a delegation is the way") as refused:
        other.do(decisions.grant_role, ADMIN, MANAGING)
    assert refused.value.problem_code == "post-taken"
    case.do(decisions.revoke_role, ADMIN, MANAGING)
    (claim,) = case.claims
    assert claim.release


def test_who_is_leaving_gets_no_role_and_administers_nothing() -> None:
    case = appointed()
    case.facts.append(DepartureStarted(person="wang", last_day=date(2026, 12, 31), departure="l", number="LZ000001"))
    with pytest.raises(Refused) as refused:
        case.do(decisions.grant_role, ADMIN, SELLING)
    assert refused.value.problem_code == "leaving"
    leaving = person("admin", "admin", department=None, departing=True)
    with pytest.raises(Forbidden) as forbidden:
        appointed().do(decisions.grant_role, leaving, SELLING)
    assert forbidden.value.problem_code == "departing"


def test_who_has_left_may_be_appointed_anew_without_roles() -> None:
    case = appointed()
    case.do(decisions.grant_role, ADMIN, SELLING)
    case.facts.append(StaffAccessEnded(person="wang"))
    assert case.state.posts == frozenset()
    with pytest.raises(NotFound):
        case.do(decisions.grant_role, ADMIN, SELLING)
    assert len(case.do(decisions.appoint, ADMIN, WANG)) == 1
    assert case.state.at_work


POSTS = st.builds(RolePost, role=st.sampled_from(list(Role)), department=st.sampled_from([None, EAST]))
STEPS = st.lists(
    st.tuples(
        st.sampled_from([decisions.grant_role, decisions.confirm_role, decisions.decline_role, decisions.revoke_role]),
        st.sampled_from([ADMIN, ADMIN2, person("admin3", "admin", department=None), SALES]),
        POSTS,
    ),
    max_size=30,
)


@given(STEPS)
def test_whatever_admins_do_a_key_role_has_two_different_people_behind_it(
    steps: list[tuple[Any, Actor, RolePost]],
) -> None:
    case = appointed()
    for decide, actor, post in steps:
        case.attempt(decide, actor, post)
    for fact in case.facts:
        if isinstance(fact, RoleGranted):
            assert (fact.department is None) is (fact.role not in DEPARTMENT_ROLES)
            if fact.role in KEY_ROLES.initial.roles:
                assert fact.second_by
                assert len({fact.granted_by, fact.second_by, fact.person}) == 3
