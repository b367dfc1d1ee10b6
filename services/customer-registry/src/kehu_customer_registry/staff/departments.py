"""Departments (营销部): opened, changed and closed by admins, with their history; one with people is not closed."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict

from kehu.contracts.staff import DepartmentChanged, DepartmentClosed, DepartmentOpened
from kehu.deciding import Context, Decision
from kehu.errors import NotFound, Refused
from kehu.text import Line
from kehu_customer_registry.staff.decisions import CLAUSE, Code, check_admin
from kehu_customer_registry.staff.facts import Department


class OpenDepartment(BaseModel):
    """A department (营销部) begins its work."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    code: Code
    name: Line
    region: Line


class ChangeDepartment(BaseModel):
    """Another name or region; what is not sent stays."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Line | None = None
    region: Line | None = None


class CloseDepartment(BaseModel):
    """A department is no more, and why."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    reason: Line


@dataclass(frozen=True, slots=True)
class Occupants:
    """Who and what a department still has: people at home or with a role there, and customers."""

    people: int = 0
    customers: int = 0


class DepartmentInUse(Refused):
    """There are people or customers in it."""

    code = "department-in-use"


def open_department(command: OpenDepartment, state: Department, context: Context) -> Decision:
    """Open a department.

    Raises:
        Forbidden: the actor is no admin.
        Refused: there is, or was, one of that code with another name or region.

    """
    check_admin(context)
    if state == Department(command.code, command.name, command.region):
        return Decision()
    if state.code:
        raise Refused(
            f"部门代码 {command.code} 已用于“{state.name}”。请换一个代码。",
            f"The code {command.code} is that of {state.name} already. Choose another one.",
            clause=CLAUSE,
            code="department-exists",
        )
    return Decision([DepartmentOpened(department=command.code, name=command.name, region=command.region)])


def change_department(command: ChangeDepartment, state: Department, context: Context) -> Decision:
    """Give a department another name or region; its code stays, and what is the same already is no fact.

    Raises:
        Forbidden: the actor is no admin.
        NotFound: it is closed.

    """
    check_admin(context)
    _check_open(state)
    name = command.name if command.name != state.name else None
    region = command.region if command.region != state.region else None
    if name is None and region is None:
        return Decision()
    return Decision([DepartmentChanged(department=state.code, name=name, region=region, changed_by=context.actor.id)])


def close_department(command: CloseDepartment, state: Department, context: Context) -> Decision:
    """Close a department that nobody and nothing is left in; `context.gathered` are its `Occupants`.

    Raises:
        Forbidden: the actor is no admin.
        NotFound: it is closed.
        DepartmentInUse: somebody or something is left.

    """
    check_admin(context)
    _check_open(state)
    left: Occupants = context.gathered
    if left.people or left.customers:
        raise DepartmentInUse(
            f"部门“{state.name}”尚有人员 {left.people} 名、客户 {left.customers} 家,不能关闭。请先调动人员、移交客户。",
            f"{state.name} still has {left.people} people and {left.customers} customers. "
            "Move the people and hand the customers over first.",
            clause=CLAUSE,
            people=left.people,
            customers=left.customers,
        )
    return Decision([DepartmentClosed(department=state.code, closed_by=context.actor.id, reason=command.reason)])


def _check_open(state: Department) -> None:
    if not state.is_open:
        raise NotFound(
            f"部门“{state.name}”已关闭。", f"{state.name} is closed.", clause=CLAUSE, code="department-unknown"
        )
