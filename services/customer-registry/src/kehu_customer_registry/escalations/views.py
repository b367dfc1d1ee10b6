"""What superiors have been told and nobody has answered yet; folded from the facts that tell and those that answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg

from kehu.contracts.customers import (
    CustomerChanged,
    CustomerChangeDeclined,
    CustomerRegistered,
    DossierReturned,
    OwnerAssigned,
    RelationDeclined,
)
from kehu.contracts.staff import (
    DelegableStep,
    StepEscalated,
    SuccessorAccepted,
    SuccessorDeclined,
    SuccessorProposed,
)
from kehu.deciding import Actor
from kehu.event_store import Connection
from kehu.facts import RecordedFact
from kehu.service import OWN_LOG, View

_TELL = """
INSERT INTO escalations (thing, step, customer, department, waiting_for, superior, since, told_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
ON CONFLICT (thing, step) DO UPDATE SET since = excluded.since, told_at = excluded.told_at,
    superior = excluded.superior, waiting_for = excluded.waiting_for
"""
_ANSWERED = "DELETE FROM escalations WHERE customer = $1 AND step = $2 AND ($3::text IS NULL OR thing = $3)"
# A handful of rows at any time: along the primary key.
_LIST = """
SELECT thing, step, customer, department, waiting_for, superior, since, told_at FROM escalations
WHERE ($1::text IS NULL OR (thing, step) > ($1, $2::text))
  AND ($3 OR (superior || '/' || coalesce(department, '')) = ANY ($4))
ORDER BY thing, step LIMIT $5
"""


async def _tell(connection: Connection, recorded: RecordedFact[StepEscalated]) -> None:
    fact = recorded.fact
    await connection.execute(
        _TELL,
        fact.thing,
        fact.step,
        fact.customer,
        fact.department,
        [role.value for role in fact.waiting_for],
        fact.superior.value,
        fact.since,
        recorded.occurred_at,
    )


def _answers(
    step: DelegableStep, thing: str | None = None
) -> Callable[[Connection, RecordedFact[Any]], Awaitable[None]]:
    """The fact answers a step of its customer: the one thing that a member of it names, or whatever waits there."""

    async def answer(connection: Connection, recorded: RecordedFact[Any]) -> None:
        named = getattr(recorded.fact, thing) if thing else None
        if thing is None or named is not None:
            await connection.execute(_ANSWERED, recorded.fact.customer, step.value, named)

    return answer


ESCALATIONS = View(
    name="escalations",
    source=OWN_LOG,
    tables=("escalations",),
    apply={
        StepEscalated: _tell,
        DossierReturned: _answers(DelegableStep.DOSSIER_REVIEW),
        CustomerRegistered: _answers(DelegableStep.DOSSIER_REVIEW),
        CustomerChangeDeclined: _answers(DelegableStep.DOSSIER_CHANGE, "change"),
        CustomerChanged: _answers(DelegableStep.DOSSIER_CHANGE, "change"),
        OwnerAssigned: _answers(DelegableStep.DOSSIER_CHANGE, "change"),
        RelationDeclined: _answers(DelegableStep.DOSSIER_CHANGE, "relation"),
        SuccessorProposed: _answers(DelegableStep.DEPARTURE_ASSIGN),
        SuccessorAccepted: _answers(DelegableStep.DEPARTURE_ASSIGN),
        SuccessorDeclined: _answers(DelegableStep.DEPARTURE_ASSIGN),
    },
)


async def list_escalations(
    pool: asyncpg.Pool, actor: Actor, after: tuple[str | None, str | None], limit: int, *, everything: bool
) -> list[asyncpg.Record]:
    """What still waits and was told to somebody's posts.

    Args:
        pool: connections to the service's views.
        actor: whose posts.
        after: the key of the last row seen.
        limit: how many rows at most.
        everything: whatever was told to anybody.

    """
    in_departments = [f"{grant.role}/{grant.department}" for grant in actor.grants if grant.department]
    company_wide = {grant.role for grant in actor.grants if grant.department is None}
    departments = await pool.fetch("SELECT code FROM departments") if company_wide else []
    places = ["", *(row["code"] for row in departments)]
    posts = [*in_departments, *(f"{role}/{place}" for role in sorted(company_wide) for place in places)]
    return await pool.fetch(_LIST, *after, everything, posts, limit)
