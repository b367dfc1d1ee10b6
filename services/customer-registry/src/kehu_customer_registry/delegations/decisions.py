"""Appointing a delegate and ending a delegation (委托): for named steps and days, by the absent approver themselves.

A delegate holds the same or a higher post, and there is no chain: whoever stands in for somebody does not hand the same
step on, and whoever has handed a step on takes none over on these days.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from kehu.contracts.staff import DelegableStep, DelegateAppointed, DelegationEnded, Role
from kehu.deciding import Context, Decision
from kehu.errors import Forbidden, Invalid, NotFound, Refused
from kehu.escalating import Escalation, escalation_data
from kehu.event_store import Claim
from kehu.facts import Fact
from kehu.text import Line
from kehu_customer_registry.delegations.facts import Delegation, StandInEnded, StandInNoted
from kehu_customer_registry.staff.decisions import Code, check_not_leaving
from kehu_customer_registry.staff.facts import StaffMember

CLAUSE = "People"
#: From a delegation's id or number to its principal, on whose stream it stands.
DELEGATION_SCOPE = "delegation"

#: Whose step each is: any of these posts gives it.
STEP_ROLES: dict[DelegableStep, frozenset[Role]] = {
    DelegableStep.DOSSIER_REVIEW: frozenset({Role.DEPT_MANAGER}),
    DelegableStep.DOSSIER_CHANGE: frozenset({Role.DEPT_MANAGER}),
    DelegableStep.QUALIFICATION_VETTING: frozenset({Role.VETTER}),
    DelegableStep.QUALIFICATION_FINANCE: frozenset({Role.FINANCE}),
    DelegableStep.QUALIFICATION_MANAGER: frozenset({Role.DEPT_MANAGER}),
    DelegableStep.QUALIFICATION_REGISTRATION: frozenset({Role.GM_OFFICE}),
    DelegableStep.QUALIFICATION_GENERAL_MANAGER: frozenset({Role.GENERAL_MANAGER}),
    DelegableStep.STOP_SHIPPING: frozenset({Role.FINANCE, Role.DEPT_MANAGER}),
    DelegableStep.INVOICE_MARKETING: frozenset({Role.VETTER, Role.DEPT_MANAGER}),
    DelegableStep.INVOICE_FINANCE: frozenset({Role.FINANCE}),
    DelegableStep.DEPARTURE_ASSIGN: frozenset({Role.DEPT_MANAGER}),
    DelegableStep.MONTHLY_REPORT: frozenset({Role.DEPT_MANAGER}),
}

# Outside it dates overflow at their ends.
Day = Annotated[date, Field(ge=date(1900, 1, 1), le=date(2199, 12, 31))]


class AppointDelegate(BaseModel):
    """Who stands in for you, from which day to which (both included, in Shanghai), for which steps, and why."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    delegate: Code
    steps: Annotated[tuple[DelegableStep, ...], Field(min_length=1, max_length=len(DelegableStep))]
    first_day: Day
    last_day: Day
    reason: Line


@dataclass(frozen=True, slots=True)
class Numbered:
    """A delegation's id and number (WT000001), drawn before it is decided on."""

    id: str
    number: str


class Chained(Refused):
    """A step would be handed on by a delegate, or twice."""

    code = "delegation-chained"


class LowerPost(Forbidden):
    """The delegate holds no post that is the same or higher."""

    code = "lower-post"


def appoint_delegate(
    command: AppointDelegate, numbered: Numbered, states: Sequence[StaffMember], context: Context
) -> Sequence[Decision]:
    """Appoint a delegate for oneself.

    Args:
        command: who, when, for what.
        numbered: the new delegation's id and number.
        states: the principal, who acts, and the delegate.
        context: with the posts above each role as policy data.

    Raises:
        Invalid: the days are over, or in the wrong order; or it is oneself.
        NotFound: the delegate does not work here, or is leaving.
        Forbidden: the actor is leaving, or has no right to one of the steps.
        LowerPost: the delegate's posts are lower.
        Chained: one of the steps is handed on already on one of the days, or was taken over from somebody.

    """
    principal, delegate = states
    check_not_leaving(context.actor)
    _check_days(command, context)
    if command.delegate == principal.person:
        raise Invalid(
            "不能委托自己。请选择同级或上级的另一位同事。",
            "Nobody stands in for themselves: choose a colleague of the same or a higher post.",
            clause=CLAUSE,
            code="delegate-self",
        )
    if not delegate.at_work:
        raise NotFound(
            f"{command.delegate} 不是在职员工,或正在办理离职。请另选受托人。",
            f"{command.delegate} does not work here, or is leaving. Choose another delegate.",
            clause=CLAUSE,
            code="delegate-unknown",
        )
    steps = tuple(dict.fromkeys(command.steps))
    _check_posts(steps, principal, delegate, escalation_data(context))
    appointed = DelegateAppointed(
        delegation=numbered.id,
        number=numbered.number,
        principal=principal.person,
        delegate=delegate.person,
        steps=tuple(step.value for step in steps),
        first_day=command.first_day,
        last_day=command.last_day,
        reason=command.reason,
    )
    _check_no_chain(Delegation.of(appointed), principal, delegate)
    noted = StandInNoted(
        delegation=numbered.id,
        principal=principal.person,
        delegate=delegate.person,
        steps=appointed.steps,
        first_day=command.first_day,
        last_day=command.last_day,
    )
    claims = [Claim(DELEGATION_SCOPE, name, holder=principal.person) for name in (numbered.id, numbered.number)]
    return [Decision([appointed], claims), Decision([noted])]


def end_delegation(named: str, states: Sequence[StaffMember], context: Context) -> Sequence[Decision]:
    """End a delegation before its last day; both of the two may, and an admin.

    Args:
        named: its id.
        states: its principal and its delegate.
        context: who ends it.

    Raises:
        Forbidden: the actor is none of them.
        Refused: it is over already.

    """
    delegation = states[0].delegated[named]
    actor = context.actor
    if actor.id not in {delegation.principal, delegation.delegate} and not actor.has(Role.ADMIN):
        raise Forbidden(
            "委托由委托人、受托人或管理员终止。",
            "A delegation is ended by whom it concerns, or by an admin.",
            clause=CLAUSE,
        )
    if not delegation.is_open(context.today):
        raise Refused(
            f"委托 {delegation.number} 已结束,无需再终止。",
            f"The delegation {delegation.number} is over already: there is nothing to end.",
            clause=CLAUSE,
            code="delegation-over",
        )
    return [Decision(ending(delegation, actor.id)), Decision(noted_end(delegation, actor.id))]


def ending(delegation: Delegation, ended_by: str) -> list[Fact]:
    """What ends it, on its principal's stream."""
    return [
        DelegationEnded(
            delegation=delegation.id,
            principal=delegation.principal,
            delegate=delegation.delegate,
            ended_by=ended_by,
        )
    ]


def noted_end(delegation: Delegation, ended_by: str) -> list[Fact]:
    """What ends it, on its delegate's stream."""
    return [StandInEnded(delegation=delegation.id, ended_by=ended_by)]


def is_fit(steps: Iterable[str], principal: Collection[Role], delegate: Collection[Role], posts: Escalation) -> bool:
    """Whether posts allow somebody to do these steps for somebody else: each by the same post, or a higher one."""
    return not _lower(steps, principal, delegate, posts)


def _lower(
    steps: Iterable[str], principal: Collection[Role], delegate: Collection[Role], posts: Escalation
) -> list[tuple[str, Role]]:
    """The steps for which the delegate's posts are lower than the principal's, each with the post that it takes."""
    return [
        (step, role)
        for step in steps
        for role in sorted(STEP_ROLES[DelegableStep(step)] & set(principal))
        if not posts.is_same_or_higher(delegate, role)
    ]


def _check_posts(
    steps: Sequence[DelegableStep], principal: StaffMember, delegate: StaffMember, posts: Escalation
) -> None:
    own = {role for role, _ in principal.posts}
    foreign = [step.value for step in steps if STEP_ROLES[step].isdisjoint(own)]
    if foreign:
        raise Forbidden(
            f"以下步骤不在您的职权内,不能委托:{'、'.join(foreign)}。请只委托自己的步骤。",
            f"These steps are not yours to hand on: {', '.join(foreign)}. Leave them out.",
            clause=CLAUSE,
            code="step-not-yours",
            steps=foreign,
        )
    lower = _lower(steps, own, {role for role, _ in delegate.posts}, posts)
    if lower:
        step, role = lower[0]
        raise LowerPost(
            f"受托人须为同级或上级:步骤 {step} 需要 {role} 或其上级。请另选受托人。",
            f"A delegate has the same or a higher post: the step {step} takes {role} or a post above. Choose another.",
            clause=CLAUSE,
            steps=[step for step, _ in lower],
        )


def _check_days(command: AppointDelegate, context: Context) -> None:
    if command.last_day < command.first_day or command.last_day < context.today:
        raise Invalid(
            "委托的最后一天不能早于第一天,也不能早于今天。请更正日期。",
            "The last day is neither before the first one nor before today: correct the dates.",
            clause=CLAUSE,
            code="delegation-days",
        )


def _check_no_chain(new: Delegation, principal: StaffMember, delegate: StaffMember) -> None:
    for other in principal.standing_in.values():
        if new.collides(other):
            raise Chained(
                f"您在此期间正代 {other.principal} 办理其中的步骤,受托人不能再转委托。请由委托人另行委托。",
                f"On these days you stand in for {other.principal} for one of the steps: a delegate hands nothing on. "
                "Ask them to appoint somebody else.",
                clause=CLAUSE,
                delegation=other.id,
            )
    for other in (*principal.delegated.values(), *delegate.delegated.values()):
        if new.collides(other):
            raise Chained(
                f"{other.principal} 在此期间已将其中的步骤委托给 {other.delegate}({other.number})。"
                "请更改日期或步骤,或先终止该委托。",
                f"{other.principal} has handed one of the steps to {other.delegate} on these days ({other.number}). "
                "Choose other days or steps, or end that delegation first.",
                clause=CLAUSE,
                delegation=other.id,
            )
