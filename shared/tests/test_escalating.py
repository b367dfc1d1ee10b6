"""What nobody answers within its days is told to the superior, once, and never counts as an answer."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from kehu.contracts.staff import Role, StepEscalated
from kehu.deciding import Context, system_actor
from kehu.escalating import ESCALATION, Escalation, Wait, answer_due_on, escalate

ASKED = date(2026, 11, 24)
WAIT = Wait("K000001", "dossier:review", (Role.DEPT_MANAGER,), ASKED, date(2026, 11, 27), "c-1", "east")


def at(day: int, hour: int = 0, data: Escalation | None = None) -> Context:
    now = datetime(2026, 11, day, hour, tzinfo=UTC)
    return Context(system_actor("x", "y"), now, {ESCALATION.name: data or ESCALATION.initial})


def test_a_step_is_answered_until_the_end_of_the_third_day() -> None:
    assert answer_due_on(at(24)) == date(2026, 11, 27)
    assert answer_due_on(at(24, data=Escalation(days=1))) == date(2026, 11, 25)


def test_the_superior_is_told_when_the_last_day_is_over_and_not_before() -> None:
    assert escalate(WAIT, at(27, 15)).facts == ()  # 23:00 in Shanghai
    assert escalate(WAIT, at(27, 16)).facts == [
        StepEscalated(
            thing="K000001",
            step="dossier:review",
            customer="c-1",
            department="east",
            waiting_for=(Role.DEPT_MANAGER,),
            superior=Role.GENERAL_MANAGER,
            since=ASKED,
        )
    ]


def test_nobody_is_told_of_what_was_answered_or_has_nobody_above() -> None:
    assert escalate(None, at(30)).facts == ()
    top = Wait("x", "y", (Role.GENERAL_MANAGER,), ASKED, date(2026, 11, 27))
    assert escalate(top, at(30)).facts == ()


def test_the_posts_above_are_data_and_somebody_is_at_the_top() -> None:
    data = ESCALATION.initial
    assert data.above(Role.VETTER) == (Role.DEPT_MANAGER, Role.GENERAL_MANAGER)
    assert data.is_same_or_higher({Role.GENERAL_MANAGER}, Role.VETTER)
    assert not data.is_same_or_higher({Role.VETTER}, Role.DEPT_MANAGER)
    with pytest.raises(ValidationError, match="at the top"):
        Escalation(superiors={Role.FINANCE: Role.HR, Role.HR: Role.FINANCE})


@given(st.dictionaries(st.sampled_from(Role), st.sampled_from(Role)))
def test_whatever_is_entered_as_superiors_either_has_a_top_or_is_refused(superiors: dict[Role, Role]) -> None:
    try:
        data = Escalation(superiors=superiors)
    except ValidationError:
        return
    for role in Role:
        assert role not in data.above(role)
