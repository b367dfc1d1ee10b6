"""Who stands in for whom (委托): dated, for named steps, by the same or a higher post, without chains."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, timedelta
from functools import partial
from itertools import count
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from kehu.contracts.customers import CustomerRegistered, DossierReturned
from kehu.contracts.staff import DelegableStep, DelegateAppointed, DelegationEnded, Role
from kehu.deciding import Context, Decision
from kehu.errors import Forbidden, Invalid, KehuError, NotFound, Refused
from kehu.standing_in import signatures
from kehu_customer_registry.delegations import decisions, revoking
from kehu_customer_registry.delegations.decisions import STEP_ROLES, AppointDelegate, Numbered
from kehu_customer_registry.delegations.facts import StandInEnded, StandInNoted
from kehu_customer_registry.dossiers import changes, rights
from kehu_customer_registry.dossiers import decisions as dossiers
from kehu_customer_registry.dossiers.decisions import ReturnDossier
from kehu_customer_registry.dossiers.rights import Sight
from kehu_customer_registry.staff.decisions import RolePost, Surroundings
from kehu_customer_registry.staff.facts import STAFF
from kehu_customer_registry.testing import EAST, FORCE, NOW, WEST, Case, Company, archived, submitted

TODAY = date(2026, 11, 24)
REVIEW = DelegableStep.DOSSIER_REVIEW
CHANGE = DelegableStep.DOSSIER_CHANGE
_serial = count(1)


def company() -> Company:
    """Two departments with their managers and a vetter, a general manager, finance."""
    found = Company()
    found.employ("an", (Role.DEPT_MANAGER, EAST))
    found.employ("ben", (Role.DEPT_MANAGER, WEST))
    found.employ("chen", (Role.DEPT_MANAGER, "north"))
    found.employ("vera", (Role.VETTER, EAST))
    found.employ("gao", (Role.GENERAL_MANAGER, None))
    found.employ("fei", (Role.FINANCE, None))
    found.employ("admin", (Role.ADMIN, None))
    return found


def appoint(
    here: Company,
    principal: str,
    delegate: str,
    *steps: DelegableStep,
    first: date = TODAY,
    last: date = TODAY + timedelta(days=5),
) -> list[Any]:
    name = f"d-{next(_serial)}"
    command = AppointDelegate(
        delegate=delegate, steps=steps or (REVIEW,), first_day=first, last_day=last, reason="出差"
    )
    decide = partial(decisions.appoint_delegate, command, Numbered(name, f"WT{name}"))
    return here.do(decide, here.actor(principal), [(STAFF, principal), (STAFF, delegate)])


def end(here: Company, named: str, by: str, principal: str = "an", delegate: str = "ben") -> list[Any]:
    return here.do(partial(decisions.end_delegation, named), here.actor(by), [(STAFF, principal), (STAFF, delegate)])


def refusal(kind: type[KehuError], code: str, act: Callable[..., Any], *arguments: Any, **named: Any) -> KehuError:
    with pytest.raises(kind) as refused:
        act(*arguments, **named)
    assert refused.value.problem_code == code
    return refused.value


def test_an_absent_approver_appoints_a_delegate_for_named_steps_and_days() -> None:
    here = company()
    appointed, noted = appoint(here, "an", "ben", REVIEW, CHANGE)
    assert isinstance(appointed, DelegateAppointed)
    assert (appointed.principal, appointed.delegate, appointed.steps) == ("an", "ben", (REVIEW, CHANGE))
    assert isinstance(noted, StandInNoted)
    assert here.actor("ben").principals(REVIEW, Role.DEPT_MANAGER, department=EAST) == ["an"]
    here.now = NOW + timedelta(days=6)
    assert here.actor("ben").mandates == ()


def test_it_begins_with_its_first_day() -> None:
    here = company()
    appoint(here, "an", "ben", first=TODAY + timedelta(days=1))
    assert here.actor("ben").mandates == ()


@pytest.mark.parametrize("delegate", ["vera", "fei"])
def test_a_delegate_holds_the_same_or_a_higher_post(delegate: str) -> None:
    refusal(Forbidden, "lower-post", appoint, company(), "an", delegate)


@pytest.mark.parametrize(("principal", "delegate"), [("an", "gao"), ("vera", "an"), ("an", "chen")])
def test_superiors_and_equals_stand_in(principal: str, delegate: str) -> None:
    step = REVIEW if principal == "an" else DelegableStep.QUALIFICATION_VETTING
    assert appoint(company(), principal, delegate, step)


def test_only_ones_own_steps_are_handed_on() -> None:
    found = refusal(Forbidden, "step-not-yours", appoint, company(), "an", "ben", DelegableStep.QUALIFICATION_FINANCE)
    assert found.evidence["steps"] == ["qualification:finance"]


def test_a_delegate_hands_nothing_on() -> None:
    here = company()
    appoint(here, "an", "ben")
    refusal(Refused, "delegation-chained", appoint, here, "ben", "chen")
    appoint(here, "ben", "chen", DelegableStep.QUALIFICATION_MANAGER)  # another step is no chain
    appoint(here, "ben", "chen", first=TODAY + timedelta(days=6), last=TODAY + timedelta(days=8))  # nor are other days


def test_who_is_absent_themselves_takes_nothing_over() -> None:
    here = company()
    appoint(here, "ben", "chen")
    refusal(Refused, "delegation-chained", appoint, here, "an", "ben")


def test_a_step_has_one_delegate_a_day() -> None:
    here = company()
    appoint(here, "an", "ben")
    refusal(Refused, "delegation-chained", appoint, here, "an", "gao")


@pytest.mark.parametrize(
    ("delegate", "first", "last", "kind", "code"),
    [
        ("an", 0, 1, Invalid, "delegation-self"),
        ("ben", 2, 1, Invalid, "delegation-days"),
        ("ben", -3, -1, Invalid, "delegation-days"),
        ("nobody", 0, 1, NotFound, "delegate-unknown"),
    ],
)
def test_what_cannot_be_is_refused(delegate: str, first: int, last: int, kind: type[KehuError], code: str) -> None:
    days = {"first": TODAY + timedelta(days=first), "last": TODAY + timedelta(days=last)}
    code = "delegate-self" if code == "delegation-self" else code
    refusal(kind, code, appoint, company(), "an", delegate, **days)


def test_both_of_them_and_an_admin_end_it_early() -> None:
    for by in ("an", "ben", "admin"):
        here = company()
        appointed, _ = appoint(here, "an", "ben")
        ended, noted = end(here, appointed.delegation, by)
        assert ended == DelegationEnded(delegation=appointed.delegation, principal="an", delegate="ben", ended_by=by)
        assert isinstance(noted, StandInEnded)
        assert here.actor("ben").mandates == ()
        refusal(Refused, "delegation-over", end, here, appointed.delegation, by)


def test_nobody_else_ends_it() -> None:
    here = company()
    appointed, _ = appoint(here, "an", "ben")
    refusal(Forbidden, "forbidden", end, here, appointed.delegation, "fei")


def test_with_the_post_goes_what_one_stood_in_for() -> None:
    here = company()
    appointed, _ = appoint(here, "an", "ben")
    post = RolePost(role=Role.DEPT_MANAGER, department=WEST)
    facts = here.do(
        partial(revoking.revoke_role, post),
        here.actor("admin"),
        [(STAFF, "ben"), (STAFF, "an")],
        Surroundings(admins=3),
    )
    assert [type(fact).__name__ for fact in facts] == ["RoleRevoked", "StandInEnded", "DelegationEnded"]
    assert here.state(STAFF, "an").delegated[appointed.delegation].ended_by == "admin"
    assert here.state(STAFF, "ben").standing_in[appointed.delegation].ended_by == "admin"


def test_what_the_principal_lost_their_delegate_has_lost() -> None:
    here = company()
    appoint(here, "an", "ben")
    post = RolePost(role=Role.DEPT_MANAGER, department=EAST)
    here.do(partial(revoking.revoke_role, post), here.actor("admin"), [(STAFF, "an")], Surroundings(admins=3))
    assert here.actor("ben").principals(REVIEW, Role.DEPT_MANAGER, department=EAST) == []


# --- dossiers --------------------------------------------------------------------------------------------------------


def test_a_delegate_passes_a_dossier_for_the_manager_and_both_are_named() -> None:
    here = company()
    appoint(here, "an", "ben")
    case = submitted()
    assert rights.sight(case.state, here.actor("ben")) is Sight.ALL
    assert EAST in rights.scope(here.actor("ben")).departments
    (registered,) = case.do(dossiers.pass_dossier, here.actor("ben"))
    assert isinstance(registered, CustomerRegistered)
    assert (registered.registered_by, registered.on_behalf_of) == ("ben", "an")


def test_a_delegate_returns_a_dossier_for_the_manager() -> None:
    here = company()
    appoint(here, "an", "ben")
    (returned,) = submitted().do(dossiers.return_dossier, here.actor("ben"), ReturnDossier("地址不全"))
    assert isinstance(returned, DossierReturned)
    assert (returned.returned_by, returned.on_behalf_of) == ("ben", "an")


def test_a_delegate_for_another_step_passes_nothing_and_outside_the_days_nobody_does() -> None:
    here = company()
    appoint(here, "an", "ben", CHANGE)
    with pytest.raises(Forbidden):
        submitted().do(dossiers.pass_dossier, here.actor("ben"))
    other = company()
    appoint(other, "an", "ben", first=TODAY + timedelta(days=1))
    with pytest.raises(Forbidden):
        submitted().do(dossiers.pass_dossier, other.actor("ben"))


@pytest.mark.parametrize("owner", ["an", "ben"])
def test_a_delegate_is_barred_from_what_either_of_them_submitted(owner: str) -> None:
    here = company()
    here.employ(owner, (Role.SALESPERSON, EAST), (Role.DEPT_MANAGER, EAST if owner == "an" else WEST))
    appoint(here, "an", "ben")
    case = Case(dossiers_category, FORCE)
    case.facts = [_owned(fact, owner) for fact in submitted().facts]
    with pytest.raises(Forbidden) as refused:
        case.do(dossiers.pass_dossier, here.actor("ben"))
    assert refused.value.problem_code == "own-submission"


def test_a_change_and_a_new_owner_by_a_delegate_name_both() -> None:
    here = company()
    appoint(here, "an", "ben", CHANGE)
    case = archived()
    (assigned,) = case.do(changes.assign_owner, here.actor("ben"), changes.AssignOwner("helper", ()))
    assert assigned.on_behalf_of == "an"


def _owned(fact: Any, owner: str) -> Any:
    said = {name: owner for name in ("owner", "submitted_by") if hasattr(fact, name)}
    return fact.model_copy(update=said)


dossiers_category = submitted().category


# --- whatever is tried -----------------------------------------------------------------------------------------------

PEOPLE = ["an", "ben", "chen", "vera", "gao", "fei"]
STEPS = st.lists(st.sampled_from(DelegableStep), min_size=1, max_size=3, unique=True)
Decide = Callable[[Sequence[Any], Context], Sequence[Decision]]


class Delegations(RuleBasedStateMachine):
    """People appoint each other, end it, lose posts, and days pass."""

    def __init__(self) -> None:
        super().__init__()
        self.here = company()
        self.numbers = count(1)

    @rule(
        principal=st.sampled_from(PEOPLE),
        delegate=st.sampled_from(PEOPLE),
        steps=STEPS,
        first=st.integers(-2, 6),
        days=st.integers(-1, 6),
    )
    def appoint(self, principal: str, delegate: str, steps: list[DelegableStep], first: int, days: int) -> None:
        begins = TODAY + timedelta(days=first)
        name = f"m-{next(self.numbers)}"
        command = AppointDelegate(
            delegate=delegate,
            steps=tuple(steps),
            first_day=begins,
            last_day=begins + timedelta(days=days),
            reason="休假",
        )
        decide = partial(decisions.appoint_delegate, command, Numbered(name, name))
        self.here.attempt(decide, self.here.actor(principal), [(STAFF, principal), (STAFF, delegate)])

    @rule(by=st.sampled_from([*PEOPLE, "admin"]), principal=st.sampled_from(PEOPLE), pick=st.integers(0, 9))
    def end(self, by: str, principal: str, pick: int) -> None:
        found = list(self.here.state(STAFF, principal).delegated.values())
        if found:
            one = found[pick % len(found)]
            decide = partial(decisions.end_delegation, one.id)
            self.here.attempt(decide, self.here.actor(by), [(STAFF, principal), (STAFF, one.delegate)])

    @rule(whose=st.sampled_from(PEOPLE))
    def lose_a_post(self, whose: str) -> None:
        member = self.here.state(STAFF, whose)
        if member.posts:
            role, where = min(member.posts, key=str)
            things = [(STAFF, one) for one in (whose, *revoking.principals(member))]
            decide: Decide = partial(revoking.revoke_role, RolePost(role=role, department=where))
            self.here.attempt(decide, self.here.actor("admin"), things, Surroundings(admins=3))

    @rule(days=st.integers(1, 3))
    def days_pass(self, days: int) -> None:
        self.here.now += timedelta(days=days)

    @invariant()
    def nobody_who_stands_in_has_handed_the_same_step_on(self) -> None:
        everybody = [self.here.state(STAFF, name) for name in PEOPLE]
        for member in everybody:
            for taken in member.standing_in.values():
                assert not any(taken.collides(given) for given in member.delegated.values())

    @invariant()
    def both_streams_tell_the_same(self) -> None:
        given = {
            one.id: (one.delegate, one.steps, one.ended_by)
            for name in PEOPLE
            for one in self.here.state(STAFF, name).delegated.values()
        }
        taken = {
            one.id: (one.delegate, one.steps, one.ended_by)
            for name in PEOPLE
            for one in self.here.state(STAFF, name).standing_in.values()
        }
        assert given == taken

    @invariant()
    def nobody_signs_for_anybody_without_the_post_on_both_sides(self) -> None:
        for name in PEOPLE:
            actor = self.here.actor(name)
            for step, roles in STEP_ROLES.items():
                for signature in signatures(actor, step, *roles):
                    if signature.on_behalf_of is not None:
                        assert self.here.actor(signature.on_behalf_of).has(*roles)
                        assert actor.grants


TestDelegations = Delegations.TestCase
TestDelegations.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)
