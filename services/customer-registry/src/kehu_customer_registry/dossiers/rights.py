"""Who may see a dossier and who may do what with it: by role, department and ownership (the table of roles)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import NoReturn

from kehu.contracts.staff import Role
from kehu.deciding import Actor
from kehu.errors import Forbidden, NotFound
from kehu_customer_registry.dossiers.facts import Dossier, Status

#: They see every customer; the auditor masked, and only to read.
EVERYWHERE = (Role.MARKET_DEPT, Role.FINANCE, Role.GM_OFFICE, Role.GENERAL_MANAGER, Role.ADMIN)
IN_DEPARTMENT = (Role.DEPT_MANAGER, Role.VETTER)


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
    """How much of it they see."""
    if actor.has(*EVERYWHERE) or actor.has(*IN_DEPARTMENT, department=dossier.department) or is_own(dossier, actor):
        return Sight.ALL
    return Sight.MASKED if actor.has(Role.AUDITOR) else Sight.NOTHING


def scope(actor: Actor) -> Scope:
    """Whose customers a list shows to them; the same as `sight`, for many at once."""
    company_wide = any(grant.role in IN_DEPARTMENT and grant.department is None for grant in actor.grants)
    return Scope(
        everything=company_wide or actor.has(*EVERYWHERE, Role.AUDITOR),
        departments=tuple(sorted(actor.departments(*IN_DEPARTMENT))),
        person=actor.id,
    )


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
    """Refuse a salesperson who is leaving: they finish their visits' records and hand over, nothing else.

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


def check_manager(dossier: Dossier, actor: Actor, clause: str) -> None:
    """Refuse who is not the manager of its department.

    Raises:
        Forbidden: so it is.

    """
    if not actor.has(Role.DEPT_MANAGER, department=dossier.department):
        _refuse(
            f"只有客户所属部门({dossier.department})的部门经理可以办理。",
            f"Only the manager of the customer's department ({dossier.department}) may do this.",
            clause,
        )


def check_market_dept(actor: Actor, clause: str) -> None:
    """Refuse who is not of 市场部.

    Raises:
        Forbidden: so it is.

    """
    if not actor.has(Role.MARKET_DEPT):
        _refuse(
            "关联关系(合资、全资子公司)只能由市场部凭证明设定。",
            "Affiliation (joint venture, wholly-owned subsidiary) is set by 市场部 only, with proof.",
            clause,
        )


def check_keeper(dossier: Dossier, actor: Actor) -> None:
    """Refuse who is neither one of its salespeople, nor its department's manager, nor of 市场部.

    Raises:
        Forbidden: so it is.

    """
    salesperson = is_own(dossier, actor) and actor.has(Role.SALESPERSON, department=dossier.department)
    manager = actor.has(Role.DEPT_MANAGER, department=dossier.department)
    if not (salesperson or manager or actor.has(Role.MARKET_DEPT)):
        _refuse(
            "只有该客户的营销员、所属部门经理或市场部可以更新档案。",
            "A dossier is kept up to date by the customer's salespeople, its department's manager and 市场部.",
            "R4.4",
        )
    if salesperson:
        check_staying(actor)


def _refuse(zh: str, en: str, clause: str) -> NoReturn:
    raise Forbidden(zh, en, clause=clause)
