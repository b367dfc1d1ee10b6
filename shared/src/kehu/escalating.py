"""What nobody answers is told to the superior (People): after three days, never answered by silence.

The pattern, in three pieces that every service with steps to sign can use:

- The fact that makes somebody wait carries the last day for an answer, `answer_due_on(context)`; the state keeps it.
- `escalation(...)` makes a `Schedule` of it: planned by those facts for 24:00 of that day, taken off by the facts that
  answer. When it fires and the state says that the answer is still out, it records what `escalate(wait, context)` says.
- `ESCALATION` is the policy data: how many days, and who is whose superior. A service that escalates lists it among its
  policies.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from kehu.calendar import end_of_day
from kehu.contracts.staff import Role, StepEscalated
from kehu.deciding import Category, Context, Decision
from kehu.facts import Fact, RecordedFact
from kehu.policies import PolicyKind
from kehu.service import Done, Due, Schedule

CLAUSE = "People"

_SUPERIORS = {
    Role.SALESPERSON: Role.DEPT_MANAGER,
    Role.VETTER: Role.DEPT_MANAGER,
    Role.ORDER_CLERK: Role.DEPT_MANAGER,
    Role.VERIFIER: Role.DEPT_MANAGER,
    Role.DEPT_MANAGER: Role.GENERAL_MANAGER,
    Role.FINANCE: Role.GENERAL_MANAGER,
    Role.GM_OFFICE: Role.GENERAL_MANAGER,
    Role.MARKET_DEPT: Role.GENERAL_MANAGER,
    Role.HR: Role.GENERAL_MANAGER,
    Role.WAREHOUSE: Role.GENERAL_MANAGER,
    Role.AUDITOR: Role.GENERAL_MANAGER,
    Role.ADMIN: Role.GENERAL_MANAGER,
}


class Escalation(BaseModel):
    """When and to whom an unanswered step is told.

    Args:
        days: a step is answered until 24:00 of so many days after the day on which it was asked for.
        superiors: the post above each role; who has none here is at the top.

    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    days: Annotated[int, Field(ge=1, le=92)] = 3
    superiors: Mapping[Role, Role] = _SUPERIORS

    @model_validator(mode="after")
    def _has_a_top(self) -> Escalation:
        for role in self.superiors:
            self.above(role)
        return self

    def above(self, role: Role) -> tuple[Role, ...]:
        """The posts above a role, the nearest first.

        Raises:
            ValueError: going up leads back to where it began.

        """
        found: list[Role] = []
        while (following := self.superiors.get(found[-1] if found else role)) is not None:
            if following in (role, *found):
                raise ValueError(f"Going up from {role} leads back to {following}: somebody must be at the top.")
            found.append(following)
        return tuple(found)

    def is_same_or_higher(self, held: Collection[Role], role: Role) -> bool:
        """Whether one of the roles that somebody holds is this post or one above it."""
        return not {role, *self.above(role)}.isdisjoint(held)


ESCALATION = PolicyKind(
    name="escalation", model=Escalation, initial=Escalation(), clause=CLAUSE, adopters=(Role.ADMIN.value,)
)


@dataclass(frozen=True, slots=True)
class Wait:
    """Something waits for somebody's answer.

    Args:
        thing: what, as people find it: the number or id of the dossier, departure or qualification.
        step: which of its steps.
        waiting_for: the roles any of which may answer.
        since: the day on which it was asked for, in Shanghai.
        answer_due_on: the last day for an answer; None where the fact is older than that rule.
        customer: whom it is about.
        department: in which the roles count.

    """

    thing: str
    step: str
    waiting_for: tuple[Role, ...]
    since: date
    answer_due_on: date | None
    customer: str | None = None
    department: str | None = None


def escalation_data(context: Context) -> Escalation:
    """The version that a decision is made under."""
    data: Escalation = context.policies[ESCALATION.name]
    return data


def answer_due_on(context: Context) -> date:
    """The last day on which a step that is asked for now may be answered before its superior is told."""
    return context.today + timedelta(days=escalation_data(context).days)


def escalate(wait: Wait | None, context: Context) -> Decision:
    """Tell the superior of what still waits after its last day; nothing where nothing waits, or nobody is above.

    Args:
        wait: what the state says is still waited for.
        context: of the schedule.

    """
    if wait is None or wait.answer_due_on is None or context.today <= wait.answer_due_on:
        return Decision()
    superiors = [escalation_data(context).superiors.get(role) for role in wait.waiting_for]
    superior = next((role for role in superiors if role is not None), None)
    if superior is None:
        return Decision()
    return Decision(
        [
            StepEscalated(
                thing=wait.thing,
                step=wait.step,
                customer=wait.customer,
                department=wait.department,
                waiting_for=wait.waiting_for,
                superior=superior,
                since=wait.since,
            )
        ]
    )


#: From a fact: the schedule's key, and the last day for an answer (None: nothing is waited for any more).
Asking = Callable[[Any], tuple[str, date | None]]


def escalation(
    kind: str,
    category: Category[Any],
    *,
    planned_by: Mapping[type[Fact], Asking],
    stream_id: Callable[[str], str],
    waiting: Callable[[str, Any], Wait | None],
) -> Schedule:
    """The schedule that tells superiors about one kind of wait.

    Args:
        kind: its name, such as ``dossier-review-unanswered``; part of the ids of the facts that it records.
        category: of the thing that waits; `StepEscalated` is among its facts.
        planned_by: per fact, the key of the wait and the last day for an answer; None for a fact that answers it.
        stream_id: from a key.
        waiting: what is still waited for under a key, by the state; pure.

    """

    def fire(key: str, due: datetime, state: Any, context: Context) -> Decision:
        del due
        return escalate(waiting(key, state), context)

    return Schedule(
        kind=kind,
        planned_by={fact: _plan(asking) for fact, asking in planned_by.items()},
        category=category,
        stream_id=stream_id,
        fire=fire,
    )


def _plan(asking: Asking) -> Callable[[RecordedFact[Any]], Due | Done]:
    def plan(recorded: RecordedFact[Any]) -> Due | Done:
        key, last_day = asking(recorded.fact)
        return Done(key) if last_day is None else Due(key, end_of_day(last_day))

    return plan
