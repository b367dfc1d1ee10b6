"""The renewals that somebody may see, and those that wait for somebody."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import asyncpg

from kehu.contracts.vetting import RenewalReturned, RenewalStepPassed, RenewalSubmitted, RenewalWithdrawn
from kehu.deciding import Actor
from kehu.event_store import Connection
from kehu.facts import RecordedFact
from kehu.service import OWN_LOG, View
from kehu_vetting.customer_files.views import FILES
from kehu_vetting.qualifications.views import entitlements
from kehu_vetting.renewals.facts import STEPS, RenewalStatus
from kehu_vetting.sight import Scope

_SUBMIT = """
INSERT INTO renewals (renewal, customer, status, step, since, documents, unit, submitted_by, people)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, ARRAY[$8])
"""
_MOVE = """
UPDATE renewals SET status = $2, step = $3, since = $4,
    people = ARRAY(SELECT DISTINCT p FROM unnest(people || $5::text[]) AS p ORDER BY p)
WHERE renewal = $1
"""
# Worklists use renewals_status; the primary key gives the order.
_LIST = f"""
SELECT r.renewal, c.survivor AS customer, c.number, c.name, c.department, c.owner, r.status, r.step, r.since,
       r.documents, r.unit, r.submitted_by
FROM renewals r JOIN {FILES} c USING (customer)
WHERE ($1::text IS NULL OR r.renewal < $1)
  AND ($2 OR c.department = ANY ($3) OR c.owner = $4 OR $4 = ANY (c.collaborators))
  AND ($5::text IS NULL OR r.status = $5)
  AND ($6::text IS NULL OR c.survivor = $6)
  AND (NOT $7 OR (r.status = 'returned' AND c.owner = $4)
    OR (r.status = 'in_review'
        AND EXISTS (SELECT FROM unnest($8::text[], $9::text[], $10::text[]) AS mine (step, department, principal)
                    WHERE mine.step = r.step AND mine.department IN ('', c.department)
                      AND NOT r.people && ARRAY[$4, mine.principal])))
ORDER BY r.renewal DESC LIMIT $11
"""


async def _submit(connection: Connection, recorded: RecordedFact[RenewalSubmitted]) -> None:
    fact = recorded.fact
    await connection.execute(
        _SUBMIT,
        fact.renewal,
        fact.customer,
        RenewalStatus.IN_REVIEW,
        STEPS[0],
        recorded.occurred_at,
        list(fact.documents),
        fact.unit,
        fact.submitted_by,
    )


async def _move(
    connection: Connection, recorded: RecordedFact[Any], status: RenewalStatus, step: str | None, *people: str
) -> None:
    await connection.execute(_MOVE, recorded.fact.renewal, status, step, recorded.occurred_at, list(people))


async def _passed(connection: Connection, recorded: RecordedFact[RenewalStepPassed]) -> None:
    fact = recorded.fact
    status = RenewalStatus.IN_REVIEW if fact.next_step else RenewalStatus.PASSED
    await _move(connection, recorded, status, fact.next_step, fact.signed_by, fact.on_behalf_of or fact.signed_by)


async def _returned(connection: Connection, recorded: RecordedFact[RenewalReturned]) -> None:
    await _move(connection, recorded, RenewalStatus.RETURNED, None)


async def _withdrawn(connection: Connection, recorded: RecordedFact[RenewalWithdrawn]) -> None:
    await _move(connection, recorded, RenewalStatus.WITHDRAWN, None)


RENEWALS_VIEW = View(
    name="renewals",
    source=OWN_LOG,
    tables=("renewals",),
    apply={
        RenewalSubmitted: _submit,
        RenewalStepPassed: _passed,
        RenewalReturned: _returned,
        RenewalWithdrawn: _withdrawn,
    },
)


async def list_renewals(
    pool: asyncpg.Pool,
    shown: Scope,
    actor: Actor,
    status: RenewalStatus | None,
    customer: str | None,
    after: str | None,
    limit: int,
    *,
    waiting: bool,
) -> Sequence[asyncpg.Record]:
    """A page of what somebody may see, the latest handed in first."""
    steps = [] if actor.departing else entitlements(actor)
    return await pool.fetch(
        _LIST,
        after,
        shown.everything,
        list(shown.departments),
        shown.person,
        status,
        customer,
        waiting,
        [step for step, _, _ in steps],
        [department for _, department, _ in steps],
        [principal for _, _, principal in steps],
        limit,
    )
