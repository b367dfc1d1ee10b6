"""Appointing and moving people, giving and taking roles. Admins only; key roles take two of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints

from kehu.contracts.staff import (
    Role,
    RoleGranted,
    RoleProposalDeclined,
    RoleProposed,
    RoleRevoked,
    StaffMemberAppointed,
    StaffMemberMoved,
)
from kehu.deciding import Actor, Context, Decision
from kehu.errors import Forbidden, Invalid, NotFound, Refused
from kehu.event_store import Claim
from kehu.policies import PolicyKind
from kehu.text import Line
from kehu_customer_registry.staff.facts import (
    Department,
    ListExported,
    Post,
    StaffMember,
)

CLAUSE = "People"
NUMBER_SCOPE = "staff-number"
#: One manager per department; held under its code.
MANAGER_SCOPE = "department-manager"

#: Held in one department; all others are held in the whole company.
DEPARTMENT_ROLES = frozenset({Role.SALESPERSON, Role.VETTER, Role.DEPT_MANAGER, Role.ORDER_CLERK, Role.VERIFIER})
#: The two people that the very first start appoints: with fewer, no key role could ever be given.
FIRST_ADMINS = {"admin": ("0001", "系统管理员一"), "admin2": ("0002", "系统管理员二")}
#: Below it key roles could no longer be given: one proposes, another confirms.
FEWEST_ADMINS = 2


class KeyRoles(BaseModel):
    """Roles that only two people together can give (the policy's table of roles, last paragraph)."""

    model_config = ConfigDict(frozen=True)

    roles: tuple[Role, ...]


KEY_ROLES = PolicyKind(
    name="key_roles",
    model=KeyRoles,
    initial=KeyRoles(
        roles=(Role.GENERAL_MANAGER, Role.GM_OFFICE, Role.MARKET_DEPT, Role.FINANCE, Role.ADMIN),
    ),
    clause=CLAUSE,
    adopters=(Role.ADMIN.value,),
)

#: Ids of people and departments stand in addresses, tokens and stream names: small letters, digits, `.`, `_`, `-`.
Code = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]{0,39}$")]


class AppointStaffMember(BaseModel):
    """A person begins to work here."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    person: Code
    number: Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z][0-9A-Za-z-]{0,19}$")]
    name: Line
    department: Code | None = None


class MoveStaffMember(BaseModel):
    """A person belongs to another department, or (null) to none; their roles are granted and revoked apart."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    department: Code | None


class RolePost(BaseModel):
    """A role, in one department or (none given) in the whole company."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    role: Role
    department: Code | None = None

    @property
    def post(self) -> Post:
        """As the state knows it."""
        return self.role, self.department


class NotAppointed(NotFound):
    """A role was to be given to nobody."""

    code = "not-appointed"


class SecondPersonNeeded(Forbidden):
    """An admin would confirm what they proposed themselves, or give themselves a role."""

    code = "second-person-needed"


class PostTaken(Refused):
    """A department has a manager already: it is one post (the table of roles)."""

    code = "post-taken"


class TooFewAdmins(Refused):
    """Nobody would be left to give key roles."""

    code = "too-few-admins"


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a command on one person has to know of others.

    Args:
        department: the department named in the command, from its stream; None where none was named.
        admins: how many people have the role admin now.
        manager: who manages the department named, as far as the directory knows.

    """

    department: Department | None = None
    admins: int = 0
    manager: str | None = None


def appoint(command: AppointStaffMember, state: StaffMember, context: Context) -> Decision:
    """Appoint a person, who starts without roles.

    Raises:
        Forbidden: the actor is no admin.
        NotFound: there is no such department.
        Refused: there is a person of that id who has not left.

    """
    check_admin(context)
    if state.person and not state.ended:
        raise Refused(
            f"人员代号 {command.person} 已登记(工号 {state.number})。请换一个代号,或直接为其授予角色。",
            f"{command.person} is on the staff already (number {state.number}). Choose another id, or give them roles.",
            clause=CLAUSE,
            code="staff-exists",
        )
    _check_department(command.department, context)
    return _appointed(command.person, command.number, command.name, command.department)


def move(command: MoveStaffMember, state: StaffMember, context: Context) -> Decision:
    """Move a person to another department; where they already are is no fact.

    Raises:
        Forbidden: the actor is no admin.
        NotAppointed: the person does not work here.
        NotFound: there is no such department.

    """
    check_admin(context)
    check_member(state)
    _check_department(command.department, context)
    if command.department == state.department:
        return Decision()
    return Decision(
        [
            StaffMemberMoved(
                person=state.person,
                department=command.department,
                previous_department=state.department,
                moved_by=context.actor.id,
            )
        ]
    )


def bootstrap(state: StaffMember, context: Context, *, person: str) -> Decision:
    """Appoint one of the first two admins, if they never were: the system's own first act, before there is anybody.

    Raises:
        Forbidden: a person asks for it.

    """
    if not context.actor.system:
        raise Forbidden(
            "首批管理员只能由系统在首次启动时设立。",
            "The first admins are appointed by the system at its first start only.",
            clause=CLAUSE,
        )
    if state.person:
        return Decision()
    number, name = FIRST_ADMINS[person]
    appointed = _appointed(person, number, name, None)
    granted = RoleGranted(person=person, role=Role.ADMIN, granted_by=context.actor.id)
    return Decision([*appointed.facts, granted], appointed.claims)


def _appointed(person: str, number: str, name: str, department: str | None) -> Decision:
    fact = StaffMemberAppointed(person=person, number=number, name=name, department=department)
    return Decision([fact], [Claim(NUMBER_SCOPE, number, holder=person)])


def grant_role(command: RolePost, state: StaffMember, context: Context) -> Decision:
    """Give a role; a key role is proposed only.

    Raises:
        Forbidden: the actor is no admin.
        SecondPersonNeeded: the actor would give it to themselves.
        NotAppointed: the person does not work here.
        NotFound: there is no such department.
        Invalid: a department's role came without a department, or one of the company's with one.
        PostTaken: the department has a manager.
        Refused: another admin has proposed it already.

    """
    check_admin(context)
    check_member(state)
    check_assignable(state)
    _check_post(command)
    _check_department(command.department, context)
    _check_other(state, context)
    if command.post in state.posts:
        return Decision()
    _check_post_free(command, state, context)
    key_roles: KeyRoles = context.policies[KEY_ROLES.name]
    if command.role not in key_roles.roles:
        return Decision(
            [
                RoleGranted(
                    person=state.person,
                    role=command.role,
                    department=command.department,
                    granted_by=context.actor.id,
                )
            ],
            post_claims(command.post, state.person),
        )
    proposed_by = state.proposed.get(command.post)
    if proposed_by == context.actor.id:
        return Decision()
    if proposed_by:
        raise Refused(
            f"{proposed_by} 已提议授予该角色。如同意,请确认该提议。",
            f"{proposed_by} has proposed this role already. Confirm it if you agree.",
            clause=CLAUSE,
            code="already-proposed",
        )
    return Decision(
        [
            RoleProposed(
                person=state.person, role=command.role, department=command.department, proposed_by=context.actor.id
            )
        ]
    )


def confirm_role(command: RolePost, state: StaffMember, context: Context) -> Decision:
    """Agree, as a second admin, to a key role that another one has proposed.

    Raises:
        Forbidden: the actor is no admin.
        SecondPersonNeeded: the actor proposed it, or would get it.
        NotAppointed: the person does not work here.
        Refused: it was not proposed.

    """
    check_admin(context)
    check_member(state)
    check_assignable(state)
    _check_other(state, context)
    proposed_by = _proposed_by(command, state)
    if proposed_by == context.actor.id:
        raise SecondPersonNeeded(
            "提议人不能自行确认。请由另一位管理员确认。",
            "Who proposed a key role cannot confirm it: ask another admin to.",
            clause=CLAUSE,
        )
    return Decision(
        [
            RoleGranted(
                person=state.person,
                role=command.role,
                department=command.department,
                granted_by=proposed_by,
                second_by=context.actor.id,
            )
        ],
        post_claims(command.post, state.person),
    )


def decline_role(command: RolePost, state: StaffMember, context: Context) -> Decision:
    """Turn down, or take back, a key role that was proposed.

    Raises:
        Forbidden: the actor is no admin.
        NotAppointed: the person does not work here.
        Refused: it was not proposed.

    """
    check_admin(context)
    check_member(state)
    _proposed_by(command, state)
    return Decision(
        [
            RoleProposalDeclined(
                person=state.person, role=command.role, department=command.department, declined_by=context.actor.id
            )
        ]
    )


def revoke_role(command: RolePost, state: StaffMember, context: Context) -> Decision:
    """Take a role away; one admin can do that at once, since it opens nothing to anybody.

    Raises:
        Forbidden: the actor is no admin.
        NotAppointed: the person does not work here.
        TooFewAdmins: fewer than two admins would be left.

    """
    check_admin(context)
    check_member(state)
    if command.post not in state.posts:
        return Decision()
    around: Surroundings = context.gathered or Surroundings()
    if command.role is Role.ADMIN and around.admins <= FEWEST_ADMINS:
        raise TooFewAdmins(
            f"至少须有 {FEWEST_ADMINS} 位管理员,否则无人能授予关键角色。请先为另一人授予管理员角色。",
            f"At least {FEWEST_ADMINS} admins must remain, or nobody could give key roles. Appoint another one first.",
            clause=CLAUSE,
            admins=around.admins,
        )
    return Decision(
        [
            RoleRevoked(
                person=state.person, role=command.role, department=command.department, revoked_by=context.actor.id
            )
        ],
        post_claims(command.post, state.person, release=True),
    )


def record_export(
    state: StaffMember, context: Context, *, name: str, filters: dict[str, str], rows: int, reason: str
) -> Decision:
    """Record that a person takes a list out.

    Raises:
        Forbidden: they are leaving (R4.6).

    """
    del state  # whoever could ask is on the staff
    check_may_export(context)
    return Decision([ListExported(person=context.actor.id, name=name, filters=filters, rows=rows, reason=reason)])


def check_may_export(context: Context) -> None:
    """Refuse who is leaving: no data goes with them.

    Raises:
        Forbidden: they are leaving (R4.6).

    """
    if context.actor.departing:
        raise Forbidden(
            "离职手续已开始,不能再导出客户资料。如确有需要,请由部门经理导出。",
            "Your departure has started, so you can export no customer data any more. Ask the department's manager.",
            clause="R4.6",
            code="departing",
        )


def check_not_leaving(actor: Actor) -> None:
    """Refuse who is leaving: they finish what is open and hand over, and begin nothing new.

    Raises:
        Forbidden: they are leaving (R4.6).

    """
    if actor.departing:
        raise Forbidden(
            "离职手续已开始,只能补齐拜访记录和交接说明。其他事项请由部门经理指派他人办理。",
            "Your departure has started: finish your visit records and handover notes. "
            "Ask the manager to assign somebody else for anything more.",
            clause="R4.6",
            code="departing",
        )


def check_may_see_history(person: str, actor: Actor) -> None:
    """Refuse who is neither the person nor an admin nor an auditor.

    Raises:
        Forbidden: so it is.

    """
    if actor.id != person and not actor.has(Role.ADMIN, Role.AUDITOR):
        raise Forbidden(
            "只有管理员、审计员和本人可以查看任职历史。",
            "The history of an appointment is shown to admins, auditors and the person only.",
            clause=CLAUSE,
        )


def check_may_see_posts(actor: Actor) -> None:
    """Refuse the list of who had which role to who neither administers nor audits.

    Raises:
        Forbidden: so it is.

    """
    check_not_leaving(actor)
    if not actor.has(Role.ADMIN, Role.HR, Role.AUDITOR):
        raise Forbidden(
            "历任角色由管理员、人事和审计员查看。",
            "Who had which role is shown to admins, HR and auditors.",
            clause=CLAUSE,
        )


def post_claims(post: Post, person: str, *, release: bool = False) -> list[Claim]:
    """The claim on a post that one person only has: the manager's of a department."""
    role, department = post
    if role is not Role.DEPT_MANAGER or department is None:
        return []
    return [Claim(MANAGER_SCOPE, department, holder=person, release=release)]


def _check_post_free(command: RolePost, state: StaffMember, context: Context) -> None:
    """For managers who were granted the post before it was claimed, the directory is asked as well."""
    around: Surroundings = context.gathered or Surroundings()
    if command.role is Role.DEPT_MANAGER and around.manager not in (None, state.person):
        raise PostTaken(
            f"部门 {command.department} 已有部门经理 {around.manager}。请先撤销其角色;临时代理请使用委托。",
            f"The department {command.department} has a manager, {around.manager}. Revoke that role first; "
            "for an absence, a delegation is the way.",
            clause=CLAUSE,
            manager=around.manager,
        )


def check_admin(context: Context) -> None:
    """Refuse who is no admin, or is leaving.

    Raises:
        Forbidden: so it is.

    """
    check_not_leaving(context.actor)
    if not context.actor.has(Role.ADMIN):
        raise Forbidden(
            "只有管理员可以管理部门、人员和角色。请联系管理员办理。",
            "Departments, people and roles are administered by admins only. Ask one of them.",
            clause=CLAUSE,
            code="admin-only",
        )


def check_member(state: StaffMember) -> None:
    """Refuse what concerns somebody who does not work here.

    Raises:
        NotAppointed: so it is.

    """
    if not state.person or state.ended:
        raise NotAppointed(
            "没有这名员工。请先登记员工。", "There is no such person on the staff. Appoint them first.", clause=CLAUSE
        )


def check_assignable(state: StaffMember) -> None:
    """Refuse to assign anything new to who is leaving (R4.6); decided from their own stream, so by no race either.

    Raises:
        Refused: so it is.

    """
    if not state.at_work:
        raise Refused(
            f"{state.person} 不在职或正在办理离职,不能再指派新的事项。请另选一位同事。",
            f"{state.person} has left or is leaving, so nothing new is assigned to them. Choose somebody else.",
            clause="R4.6",
            code="leaving",
        )


def _check_other(state: StaffMember, context: Context) -> None:
    if state.person == context.actor.id:
        raise SecondPersonNeeded(
            "不能为自己授予角色。请由另一位管理员办理。",
            "Nobody gives a role to themselves. Ask another admin to.",
            clause=CLAUSE,
        )


def _check_post(command: RolePost) -> None:
    of_department = command.role in DEPARTMENT_ROLES
    if of_department and command.department is None:
        raise Invalid(
            f"角色 {command.role} 属于某一部门,请写明 department。",
            f"The role {command.role} is held in one department: name it in department.",
            clause=CLAUSE,
            code="department-required",
        )
    if not of_department and command.department is not None:
        raise Invalid(
            f"角色 {command.role} 面向全公司,请不要填写 department。",
            f"The role {command.role} is held in the whole company: leave department out.",
            clause=CLAUSE,
            code="department-not-applicable",
        )


def _check_department(code: str | None, context: Context) -> None:
    around: Surroundings = context.gathered or Surroundings()
    found = around.department
    if code is not None and (found is None or found.code != code or not found.is_open):
        raise NotFound(
            f"没有部门 {code}。请先开设部门,或更正代码。",
            f"There is no department {code}. Open it first, or correct its code.",
            clause=CLAUSE,
            code="department-unknown",
        )


def _proposed_by(command: RolePost, state: StaffMember) -> str:
    try:
        return state.proposed[command.post]
    except KeyError:
        raise Refused(
            "没有待确认的该项授予。请先由一位管理员提议。",
            "No such role is waiting to be confirmed. One admin has to propose it first.",
            clause=CLAUSE,
            code="not-proposed",
        ) from None
