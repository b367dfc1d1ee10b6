"""Key roles that wait for a second admin: the list of whoever may confirm them (People)."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel

from kehu.contracts.staff import (
    Role,
    RoleGranted,
    RoleProposalDeclined,
    RoleProposed,
    StaffAccessEnded,
    StaffMemberAppointed,
)
from kehu.event_store import Connection
from kehu.facts import RecordedFact
from kehu.http import Acting, Page, Paging
from kehu.service import OWN_LOG, View

router = APIRouter(tags=["staff"])

_PROPOSE = """
INSERT INTO role_proposals (person, role, department, proposed_by, proposed_at) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (person, role, department) DO UPDATE SET proposed_by = excluded.proposed_by,
    proposed_at = excluded.proposed_at
"""
_DONE = "DELETE FROM role_proposals WHERE person = $1 AND role = $2 AND department = $3"
_GONE = "DELETE FROM role_proposals WHERE person = $1"


async def _propose(connection: Connection, recorded: RecordedFact[RoleProposed]) -> None:
    fact = recorded.fact
    await connection.execute(
        _PROPOSE, fact.person, fact.role.value, fact.department or "", fact.proposed_by, recorded.occurred_at
    )


async def _done(connection: Connection, recorded: RecordedFact[RoleGranted | RoleProposalDeclined]) -> None:
    fact = recorded.fact
    await connection.execute(_DONE, fact.person, fact.role.value, fact.department or "")


async def _gone(connection: Connection, recorded: RecordedFact[StaffAccessEnded | StaffMemberAppointed]) -> None:
    await connection.execute(_GONE, recorded.fact.person)


ROLE_PROPOSALS = View(
    name="role-proposals",
    source=OWN_LOG,
    tables=("role_proposals",),
    apply={
        RoleProposed: _propose,
        RoleGranted: _done,
        RoleProposalDeclined: _done,
        StaffAccessEnded: _gone,
        StaffMemberAppointed: _gone,
    },
)

# Along the primary key; a handful at a time. Who is leaving gets no role any more.
_LIST = """
SELECT p.person, p.role, nullif(p.department, '') AS department, p.proposed_by, p.proposed_at
FROM role_proposals p JOIN staff s USING (person)
WHERE $1 AND p.person <> $2 AND p.proposed_by <> $2 AND s.last_day IS NULL AND NOT s.ended
  AND ($3::text IS NULL OR (p.person, p.role, p.department) > ($3, $4::text, $5::text))
ORDER BY p.person, p.role, p.department LIMIT $6
"""


class ProposedRole(BaseModel):
    """A key role that another admin wants somebody to have."""

    person: str
    role: Role
    department: str | None
    proposed_by: str
    proposed_at: datetime


@router.get("/staff/proposals")
async def list_proposals(
    request: Acting,
    paging: Paging,
    waiting_for: Annotated[Literal["me"], Query(description="Whom they wait for.")] = "me",
) -> Page[ProposedRole]:
    """Key roles that wait for you as the second admin: neither proposed by you nor for you."""
    del waiting_for  # only one's own can be asked for
    admin = request.actor.has(Role.ADMIN)
    rows = await request.pool.fetch(_LIST, admin, request.actor.id, *paging.after(str, str, str), paging.fetch)
    found = [ProposedRole.model_validate(dict(row)) for row in rows]
    return paging.page(found, key=lambda row: (row.person, row.role.value, row.department or ""))
