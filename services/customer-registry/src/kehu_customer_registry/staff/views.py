"""Who had which role when: every grant with its time, and when it ended."""

from __future__ import annotations

from datetime import date, datetime

import asyncpg

from kehu.calendar import end_of_day, start_of_day
from kehu.contracts.staff import Role, RoleGranted, RoleRevoked, StaffAccessEnded, StaffMemberAppointed
from kehu.event_store import Connection
from kehu.facts import RecordedFact
from kehu.service import OWN_LOG, View

_GRANT = """
INSERT INTO posts_held (person, role, department, since, granted_by, second_by)
VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING
"""
_REVOKE = """
UPDATE posts_held SET until = $4, revoked_by = $5
WHERE person = $1 AND role = $2 AND department = $3 AND until IS NULL
"""
# Uses posts_held_now.
_LEAVE = "UPDATE posts_held SET until = $2, revoked_by = $3 WHERE person = $1 AND until IS NULL"
# Along the primary key: a company's grants of all times are some thousands.
_HELD = """
SELECT person, role, department, since, until, granted_by, second_by, revoked_by FROM posts_held
WHERE since < $1 AND (until IS NULL OR until > $2)
  AND ($3::text IS NULL OR role = $3) AND ($4::text IS NULL OR department = $4) AND ($5::text IS NULL OR person = $5)
  AND ($6::text IS NULL OR (person, role, department, since) > ($6, $7::text, $8::text, $9::timestamptz))
ORDER BY person, role, department, since LIMIT $10
"""


async def _grant(connection: Connection, recorded: RecordedFact[RoleGranted]) -> None:
    fact = recorded.fact
    await connection.execute(
        _GRANT,
        fact.person,
        fact.role.value,
        fact.department or "",
        recorded.occurred_at,
        fact.granted_by,
        fact.second_by,
    )


async def _revoke(connection: Connection, recorded: RecordedFact[RoleRevoked]) -> None:
    fact = recorded.fact
    await connection.execute(
        _REVOKE, fact.person, fact.role.value, fact.department or "", recorded.occurred_at, fact.revoked_by
    )


async def _leave(connection: Connection, recorded: RecordedFact[StaffAccessEnded | StaffMemberAppointed]) -> None:
    """With access everything ends; and whoever is appointed anew starts without roles."""
    await connection.execute(_LEAVE, recorded.fact.person, recorded.occurred_at, recorded.actor)


POSTS_HELD = View(
    name="posts-held",
    source=OWN_LOG,
    tables=("posts_held",),
    apply={
        RoleGranted: _grant,
        RoleRevoked: _revoke,
        StaffAccessEnded: _leave,
        StaffMemberAppointed: _leave,
    },
)


async def list_posts(
    pool: asyncpg.Pool,
    on: date,
    role: Role | None,
    department: str | None,
    person: str | None,
    after: tuple[str | None, str | None, str | None, datetime | None],
    limit: int,
) -> list[asyncpg.Record]:
    """Who had which role at any time of a day, in Shanghai.

    Args:
        pool: connections to the service's views.
        on: the day.
        role: only this one.
        department: only in this one.
        person: only theirs.
        after: the key of the last row seen.
        limit: how many rows at most.

    """
    bounds = end_of_day(on), start_of_day(on)
    return await pool.fetch(_HELD, *bounds, role, department, person, *after, limit)
