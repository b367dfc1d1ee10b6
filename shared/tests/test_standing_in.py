"""Who may sign a step, for whom, and whom the separation of duties bars."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from kehu.deciding import Actor, Grant, Mandate
from kehu.standing_in import Signature, first_free, signatures

STEP = "dossier:review"
MANAGER = (Grant("dept_manager", "east"),)


def standing_in(principal: str, *steps: str, grants: tuple[Grant, ...] = MANAGER) -> Mandate:
    return Mandate(f"d-{principal}", principal, frozenset(steps), grants)


def test_a_delegate_signs_named_steps_of_the_principals_department_for_them() -> None:
    ben = Actor("ben", mandates=(standing_in("an", STEP),))
    assert signatures(ben, STEP, "dept_manager", department="east") == [Signature("ben", "an")]
    assert signatures(ben, STEP, "dept_manager", department="west") == []
    assert signatures(ben, "dossier:change", "dept_manager", department="east") == []


def test_a_delegation_gives_no_more_than_the_principal_may_at_this_moment() -> None:
    ben = Actor("ben", mandates=(standing_in("an", STEP, grants=()),))
    assert signatures(ben, STEP, "dept_manager", department="east") == []


def test_who_has_the_role_signs_as_themselves_first() -> None:
    ben = Actor("ben", MANAGER, mandates=(standing_in("an", STEP),))
    assert [str(found) for found in signatures(ben, STEP, "dept_manager", department="east")] == ["ben", "ben代an"]


PEOPLE = st.sampled_from(["an", "ben", "chen", "ding"])


@given(
    st.sets(PEOPLE),
    st.sampled_from([(), MANAGER]),
    st.sets(PEOPLE.filter(lambda name: name != "ben"), max_size=3),
)
def test_neither_a_barred_delegate_nor_anybody_for_a_barred_principal_signs(
    barred: set[str], roles: tuple[Grant, ...], principals: set[str]
) -> None:
    ben = Actor("ben", roles, mandates=tuple(standing_in(name, STEP) for name in principals))
    signature = first_free(signatures(ben, STEP, "dept_manager", department="east"), barred)
    if signature is not None:
        assert signature.people.isdisjoint(barred)
        assert signature.on_behalf_of in {*principals, None}
    else:
        assert "ben" in barred or (not roles and principals <= barred)
