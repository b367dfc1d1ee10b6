"""Departments, people and roles over HTTP. Everybody here may look into the directory; admins change it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from functools import partial
from typing import Annotated

import asyncpg
from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from kehu.commands import Thing
from kehu.contracts.staff import Role
from kehu.deciding import Actor, Grant
from kehu.http import OPEN_TO_LEAVERS, Acting, ActingRequest, Answer, Page, Paging, StreamId
from kehu_customer_registry.delegations import revoking
from kehu_customer_registry.history import Recorded, mask
from kehu_customer_registry.staff import decisions, departments
from kehu_customer_registry.staff.decisions import AppointStaffMember, Code, MoveStaffMember, RolePost, Surroundings
from kehu_customer_registry.staff.departments import ChangeDepartment, CloseDepartment, Occupants, OpenDepartment
from kehu_customer_registry.staff.facts import DEPARTMENTS, STAFF, StaffMember
from kehu_customer_registry.staff.views import list_posts

router = APIRouter(tags=["staff"])

# Outside it dates overflow at their ends.
Day = Annotated[date, Field(ge=date(1900, 1, 1), le=date(2199, 12, 31))]

# Read by the primary key.
_DEPARTMENTS = """
SELECT code, name, region, closed FROM departments WHERE $1::text IS NULL OR code > $1 ORDER BY code LIMIT $2
"""
# Read by the primary key; roles by that of staff_grants.
_STAFF = """
SELECT s.person, s.number, s.name_personal AS name, s.department, d.name AS department_name, d.region,
       s.last_day, s.cleared, s.ended,
       (SELECT coalesce(array_agg(ARRAY[g.role, g.department] ORDER BY g.role, g.department), '{}')
        FROM staff_grants g WHERE g.person = s.person) AS posts
FROM staff s LEFT JOIN departments d ON d.code = s.department
WHERE ($1::text IS NULL OR s.person > $1)
  AND ($2::text IS NULL OR s.department = $2
       OR EXISTS (SELECT FROM staff_grants g WHERE g.person = s.person AND g.department = $2))
  AND ($3::text IS NULL OR EXISTS (SELECT FROM staff_grants g WHERE g.person = s.person AND g.role = $3))
ORDER BY s.person LIMIT $4
"""
# Uses staff_grants_role.
# Uses the primary keys and register_department.
_OCCUPANTS = """
SELECT (SELECT count(*) FROM staff s WHERE NOT s.ended AND (s.department = $1
            OR EXISTS (SELECT FROM staff_grants g WHERE g.person = s.person AND g.department = $1))) AS people,
       (SELECT count(*) FROM register r WHERE r.department = $1) AS customers
"""
# Uses staff_grants_role.
_MANAGER = """
SELECT g.person FROM staff_grants g JOIN staff s USING (person)
WHERE g.role = 'dept_manager' AND g.department = $1 AND NOT s.ended ORDER BY g.person LIMIT 1
"""
_ADMINS = "SELECT count(*) FROM staff_grants g JOIN staff s USING (person) WHERE g.role = 'admin' AND NOT s.ended"


class DepartmentRow(BaseModel):
    """A department."""

    code: str
    name: str
    region: str
    closed: bool


class PostShown(BaseModel):
    """A role somebody has; without a department it holds in the whole company."""

    role: str
    department: str | None = None


class PostHeld(PostShown):
    """A role that somebody had, by whose grant, and until when."""

    person: str
    since: datetime
    until: datetime | None
    granted_by: str
    second_by: str | None
    revoked_by: str | None


class ProposalShown(PostShown):
    """A key role that waits for a second admin."""

    proposed_by: str


class StaffRow(BaseModel):
    """A person in the directory."""

    person: str
    number: str
    name: str
    department: str | None
    department_name: str | None
    region: str | None
    posts: list[PostShown]
    last_day: date | None = None
    cleared: bool = False
    ended: bool = False


class StaffMemberShown(BaseModel):
    """A person as their own stream tells it, with the roles that wait for a second admin."""

    person: str
    number: str
    name: str
    department: str | None
    posts: list[PostShown]
    proposed: list[ProposalShown]


class MandateShown(BaseModel):
    """For whom somebody stands in today, for which steps, and with which of their roles."""

    delegation: str
    principal: str
    steps: list[str]
    posts: list[PostShown]


class Me(BaseModel):
    """Who the token's bearer is to this service."""

    person: str
    posts: list[PostShown]
    departing: bool
    mandates: list[MandateShown]


@router.get("/me", openapi_extra=OPEN_TO_LEAVERS)
async def show_me(request: Acting) -> Me:
    """Who you are here, and what you may do at this moment."""
    actor = request.actor
    mandates = [
        MandateShown(
            delegation=mandate.delegation,
            principal=mandate.principal,
            steps=sorted(mandate.steps),
            posts=_posts(mandate.grants),
        )
        for mandate in actor.mandates
    ]
    return Me(person=actor.id, posts=_posts(actor.grants), departing=actor.departing, mandates=mandates)


@router.post("/departments", status_code=201)
async def open_department(body: OpenDepartment, request: Acting) -> Answer:
    """Open a department (营销部). Admins only."""
    return await request.create(DEPARTMENTS, body.code, partial(departments.open_department, body))


@router.get("/departments")
async def list_departments(request: Acting, paging: Paging) -> Page[DepartmentRow]:
    """All departments, by code."""
    rows = await request.pool.fetch(_DEPARTMENTS, *paging.after(str), paging.fetch)
    return paging.page([DepartmentRow(**row) for row in rows], key=lambda row: (row.code,))


@router.get("/departments/{department}/history")
async def show_department_history(department: StreamId, request: Acting) -> list[Recorded]:
    """What happened to a department, when and by whom; everybody here may know."""
    return [Recorded.of(recorded) for recorded in await request.history(DEPARTMENTS, department)]


@router.patch("/departments/{department}")
async def change_department(department: StreamId, body: ChangeDepartment, request: Acting) -> Answer:
    """Give a department another name or region. Admins only."""
    return await request.handle(DEPARTMENTS, department, partial(departments.change_department, body))


@router.post("/departments/{department}/close")
async def close_department(department: StreamId, body: CloseDepartment, request: Acting) -> Answer:
    """Close a department without people and customers. Admins only."""
    row = await request.pool.fetchrow(_OCCUPANTS, department)
    occupants = Occupants(row["people"], row["customers"])
    decide = partial(departments.close_department, body)
    return await request.handle(DEPARTMENTS, department, decide, gathered=occupants)


@router.post("/staff", status_code=201)
async def appoint(body: AppointStaffMember, request: Acting) -> Answer:
    """Appoint a person, without roles yet. Admins only."""
    around = await _surroundings(request, body.department)
    return await request.create(STAFF, body.person, partial(decisions.appoint, body), gathered=around)


@router.get("/staff")
async def list_staff(
    request: Acting,
    paging: Paging,
    department: Annotated[Code | None, Query(description="Home department, or one they have a role in.")] = None,
    role: Role | None = None,
) -> Page[StaffRow]:
    """The directory, by person."""
    rows = await request.pool.fetch(_STAFF, *paging.after(str), department, role, paging.fetch)
    return paging.page([_staff_row(row, request.actor) for row in rows], key=lambda row: (row.person,))


@router.get("/staff/roles")
async def list_posts_held(
    request: Acting,
    paging: Paging,
    on: Annotated[Day | None, Query(description="The day, in Shanghai; today where none is given.")] = None,
    role: Role | None = None,
    department: Code | None = None,
    person: Code | None = None,
) -> Page[PostHeld]:
    """Who had which role on a day, since when, until when, and by whose grant. Admins, HR and auditors."""
    decisions.check_may_see_posts(request.actor)
    day = on or (await request.context()).today
    after = paging.after(str, str, str, datetime)
    rows = await list_posts(request.pool, day, role, department, person, after, paging.fetch)
    return paging.page(
        [PostHeld.model_validate({**row, "department": row["department"] or None}) for row in rows],
        key=lambda row: (row.person, row.role, row.department or "", row.since),
    )


@router.get("/staff/{person}")
async def show_staff_member(person: StreamId, request: Acting) -> StaffMemberShown:
    """One person, with the key roles that wait for a second admin."""
    member: StaffMember = await request.show(STAFF, person)
    return StaffMemberShown(
        person=member.person,
        number=member.number,
        name=_name(member.name, request.actor),
        department=member.department,
        posts=[PostShown(role=role, department=where) for role, where in sorted(member.posts, key=_post_order)],
        proposed=[
            ProposalShown(role=role, department=where, proposed_by=by)
            for (role, where), by in sorted(member.proposed.items(), key=lambda item: _post_order(item[0]))
        ],
    )


@router.get("/staff/{person}/history")
async def show_staff_history(person: StreamId, request: Acting) -> list[Recorded]:
    """What happened to a person's appointment and roles, when and by whom. Admins and auditors, and the person."""
    decisions.check_may_see_history(person, request.actor)
    masked = person != request.actor.id and not request.actor.has(Role.ADMIN)
    return [Recorded.of(recorded, masked=masked) for recorded in await request.history(STAFF, person)]


@router.post("/staff/{person}/department")
async def move(person: StreamId, body: MoveStaffMember, request: Acting) -> Answer:
    """Move a person to another department, or (null) to none. Admins only; roles are granted and revoked apart."""
    around = await _surroundings(request, body.department)
    return await request.handle(STAFF, person, partial(decisions.move, body), gathered=around)


@router.post("/staff/{person}/roles")
async def grant_role(person: StreamId, body: RolePost, request: Acting) -> Answer:
    """Give a role; a key role is only proposed, and counts once a second admin confirms it."""
    around = await _surroundings(request, body.department)
    return await request.handle(STAFF, person, partial(decisions.grant_role, body), gathered=around)


@router.post("/staff/{person}/roles/confirm")
async def confirm_role(person: StreamId, body: RolePost, request: Acting) -> Answer:
    """Confirm, as a second admin, a key role that was proposed."""
    return await request.handle(STAFF, person, partial(decisions.confirm_role, body))


@router.post("/staff/{person}/roles/decline")
async def decline_role(person: StreamId, body: RolePost, request: Acting) -> Answer:
    """Turn down, or take back, a key role that was proposed."""
    return await request.handle(STAFF, person, partial(decisions.decline_role, body))


@router.post("/staff/{person}/roles/revoke")
async def revoke_role(person: StreamId, body: RolePost, request: Acting) -> Answer:
    """Take a role away, at once; delegations for which they hold no post any more end with it."""
    around = await _surroundings(request, None)
    member, _ = await request.running.commands.load(STAFF, person)
    things = [Thing(STAFF, one) for one in (person, *revoking.principals(member))]
    return await request.handle_together(things, partial(revoking.revoke_role, body), gathered=around)


async def _surroundings(request: ActingRequest, department: str | None) -> Surroundings:
    found = None
    if department is not None:
        found, _ = await request.running.commands.load(DEPARTMENTS, department)
    return Surroundings(
        department=found,
        admins=await request.pool.fetchval(_ADMINS),
        manager=await request.pool.fetchval(_MANAGER, department) if department else None,
    )


def _posts(grants: Sequence[Grant]) -> list[PostShown]:
    return [PostShown(role=grant.role, department=grant.department) for grant in grants]


def _staff_row(row: asyncpg.Record, actor: Actor) -> StaffRow:
    posts = [PostShown(role=role, department=department or None) for role, department in row["posts"]]
    return StaffRow.model_validate({**row, "name": _name(row["name"], actor), "posts": posts})


def _name(name: str, actor: Actor) -> str:
    """A colleague's name; in outline for who is here to audit only."""
    return mask(name) if {grant.role for grant in actor.grants} == {Role.AUDITOR.value} else name


def _post_order(post: tuple[Role, str | None]) -> tuple[str, str]:
    role, department = post
    return role.value, department or ""
