"""Who may see a dossier and who may do what with it: by role, department and ownership (the table of roles)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import NoReturn

from kehu.contracts.staff import DelegableStep, Role
from kehu.deciding import Actor
from kehu.errors import Forbidden, NotFound
from kehu.standing_in import Signature, first_free, signatures
from kehu_customer_registry.dossiers.facts import Dossier, Status

#: They see every customer; the auditor masked, and only to read.
EVERYWHERE = (Role.MARKET_DEPT, Role.FINANCE, Role.GM_OFFICE, Role.GENERAL_MANAGER, Role.ADMIN)
IN_DEPARTMENT = (Role.DEPT_MANAGER, Role.VETTER)

#: Whoever stands in for a manager for one of them sees what the manager sees of the department's customers.
MANAGERS_STEPS = (DelegableStep.DOSSIER_REVIEW, DelegableStep.DOSSIER_CHANGE)


class OwnSubmission(Forbidden):
    """Somebody would pass or return what is their own."""

    code = "own-submission"


class Sight(IntEnum):
    """How much of a dossier somebody sees."""

    NOTHING = 0
    MASKED = 1
    ALL = 2


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose customers a list shows to somebody: all, or those of some departments and their own."""

    everything: bool
    departments: tuple[str, ...]
    person: str


def sight(dossier: Dossier, actor: Actor) -> Sight:
    """How much of it they see; who is leaving, of their own customers only, and those masked (R4.6)."""
    if actor.departing:
        return Sight.MASKED if is_own(dossier, actor) else Sight.NOTHING
    if actor.has(*EVERYWHERE) or actor.has(*IN_DEPARTMENT, department=dossier.department) or is_own(dossier, actor):
        return Sight.ALL
    if any(manager_signatures(dossier, actor, step) for step in MANAGERS_STEPS):
        return Sight.ALL
    return Sight.MASKED if actor.has(Role.AUDITOR) else Sight.NOTHING


def scope(actor: Actor) -> Scope:
    """Whose customers a list shows to them; the same as `sight`, for many at once."""
    company_wide = any(grant.role in IN_DEPARTMENT and grant.department is None for grant in actor.grants)
    return Scope(
        everything=company_wide or actor.has(*EVERYWHERE, Role.AUDITOR),
        departments=tuple(sorted(actor.departments(*IN_DEPARTMENT) | _delegated_departments(actor))),
        person=actor.id,
    )


def _delegated_departments(actor: Actor) -> set[str]:
    return {
        grant.department
        for mandate in actor.mandates
        if not mandate.steps.isdisjoint(MANAGERS_STEPS)
        for grant in mandate.grants
        if grant.role == Role.DEPT_MANAGER and grant.department
    }


def sees_listed(actor: Actor, department: str, owner: str, collaborators: Sequence[str]) -> bool:
    """Whether somebody may see a customer that a list has found; the same as `scope`, for one."""
    seen = scope(actor)
    return seen.everything or department in seen.departments or actor.id == owner or actor.id in collaborators


def is_own(dossier: Dossier, actor: Actor) -> bool:
    """Whether it is theirs, as owner or collaborating salesperson."""
    return actor.id == dossier.owner or actor.id in dossier.content.collaborators


def check_visible(dossier: Dossier, actor: Actor) -> Sight:
    """How much of it they see, if anything.

    Raises:
        NotFound: nothing; that there is one is not told either.

    """
    seen = sight(dossier, actor)
    if dossier.status is Status.NONE or seen is Sight.NOTHING:
        raise NotFound(
            "没有找到该客户档案,或不在您的查看范围内。",
            "There is no such dossier, or none that you may see.",
            code="dossier-not-found",
        )
    return seen


def check_may_list(actor: Actor) -> None:
    """Refuse lists of customers to who is leaving: no data goes with them.

    Raises:
        Forbidden: they are leaving (R4.6).

    """
    if actor.departing:
        raise Forbidden(
            "离职手续已开始,不能再查看客户列表。交接中的客户请由部门经理提供。",
            "Your departure has started, so lists of customers are closed. Ask the manager about those you hand over.",
            clause="R4.6",
            code="departing",
        )


def check_staying(actor: Actor) -> None:
    """Refuse who is leaving: they finish their visits' records and hand over, nothing else.

    Raises:
        Forbidden: they are leaving (R4.6).

    """
    if actor.departing:
        raise Forbidden(
            "离职手续已开始,不能再建立或修改客户档案。请由部门经理指派他人办理。",
            "Your departure has started, so you open and change no dossiers. Ask the manager to assign somebody else.",
            clause="R4.6",
            code="departing",
        )


def check_writer(dossier: Dossier, actor: Actor) -> None:
    """Refuse who is neither its owner nor a collaborating salesperson, or no longer one at all.

    Raises:
        Forbidden: so it is, or they are leaving.

    """
    salesperson = actor.has(Role.SALESPERSON, department=dossier.department)
    if not (salesperson and is_own(dossier, actor)):
        _refuse(
            "只有该客户的营销员(负责人或协作人)可以填写档案。",
            "A dossier is filled in by its own salespeople only: the owner and the collaborators.",
            "R4.1",
        )
    check_staying(actor)


def check_owner(dossier: Dossier, actor: Actor) -> None:
    """Refuse who is not the salesperson that answers for it.

    Raises:
        Forbidden: so it is, or they are leaving.

    """
    if not (actor.id == dossier.owner and actor.has(Role.SALESPERSON, department=dossier.department)):
        _refuse(
            "只有负责该客户的营销员可以提交档案,并对其真实性负责。",
            "Only the salesperson who owns the customer submits the dossier, and answers for it.",
            "R4.1",
        )
    check_staying(actor)


def check_manager(
    dossier: Dossier, actor: Actor, clause: str, *, step: DelegableStep = DelegableStep.DOSSIER_CHANGE
) -> Signature:
    """How the manager of its department signs, or whoever stands in for them; refuse everybody else.

    Raises:
        Forbidden: so it is, or they are leaving.

    """
    found = manager_signatures(dossier, actor, step)
    if not found:
        _refuse(
            f"只有客户所属部门({dossier.department})的部门经理或其受托人可以办理。",
            f"Only the manager of the customer's department ({dossier.department}), or their delegate, may do this.",
            clause,
        )
    check_staying(actor)
    return found[0]


def sign_as_manager(
    dossier: Dossier, actor: Actor, clause: str, *barred: str | None, step: DelegableStep = DelegableStep.DOSSIER_CHANGE
) -> Signature:
    """How the manager of its department, or a delegate, signs what has to be somebody else's.

    Args:
        dossier: on which.
        actor: who signs.
        clause: that asks for the manager.
        barred: who has a part in what is signed. A delegate and the one they stand in for are both barred.
        step: that a delegate is named for.

    Raises:
        Forbidden: they are neither, or are leaving.
        OwnSubmission: it is their own.

    """
    check_manager(dossier, actor, clause, step=step)
    signature = first_free(manager_signatures(dossier, actor, step), barred)
    if signature is None:
        raise OwnSubmission(
            "不能审核自己或委托人提交、提议、负责的事项。请由上级或另一位受委托的经理审核。",
            "Nobody passes what they, or whom they stand in for, submitted, proposed or own. "
            "A superior or another delegated manager has to.",
            clause=clause,
        )
    return signature


def manager_signatures(dossier: Dossier, actor: Actor, step: DelegableStep) -> list[Signature]:
    """In which ways somebody signs for the manager's post: as themselves first, then for whom they stand in."""
    return signatures(actor, step, Role.DEPT_MANAGER, department=dossier.department)


def check_market_dept(actor: Actor, clause: str) -> None:
    """Refuse who is not of 市场部, or is leaving.

    Raises:
        Forbidden: so it is.

    """
    if not actor.has(Role.MARKET_DEPT):
        _refuse(
            "关联关系(合资、全资子公司)只能由市场部凭证明设定。",
            "Affiliation (joint venture, wholly-owned subsidiary) is set by 市场部 only, with proof.",
            clause,
        )
    check_staying(actor)


def check_keeper(dossier: Dossier, actor: Actor) -> None:
    """Refuse who is neither one of its salespeople, nor its department's manager, nor of 市场部.

    Raises:
        Forbidden: so it is, or they are leaving.

    """
    salesperson = is_own(dossier, actor) and actor.has(Role.SALESPERSON, department=dossier.department)
    manager = manager_signatures(dossier, actor, DelegableStep.DOSSIER_CHANGE)
    if not (salesperson or manager or actor.has(Role.MARKET_DEPT)):
        _refuse(
            "只有该客户的营销员、所属部门经理或市场部可以更新档案。",
            "A dossier is kept up to date by the customer's salespeople, its department's manager and 市场部.",
            "R4.4",
        )
    check_staying(actor)


def _refuse(zh: str, en: str, clause: str) -> NoReturn:
    raise Forbidden(zh, en, clause=clause)
