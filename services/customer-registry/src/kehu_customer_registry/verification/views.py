"""The verifications of all customers and quarters, for worklists, the departments' counts and the file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import asyncpg

from kehu.contracts.customers import VerificationDone, VerificationDue, VerificationReminded, VerifierNeeded
from kehu.event_store import Connection
from kehu.facts import RecordedFact
from kehu.service import OWN_LOG, View
from kehu_customer_registry.dossiers.rights import Scope
from kehu_customer_registry.verification.facts import VerificationAttempted, VerificationMark

_OPEN = """
INSERT INTO verifications (customer, quarter, department, due_on, verifier, appointed_by, mark, version)
VALUES ($1, $2, $3, $4, $5, $6, 'open', $7)
ON CONFLICT (quarter, customer) DO UPDATE
SET department = excluded.department, due_on = excluded.due_on, verifier = excluded.verifier,
    appointed_by = excluded.appointed_by, mark = 'open', outcome = NULL, method = NULL, verified_on = NULL,
    because = NULL, version = excluded.version
"""
_REMIND = "UPDATE verifications SET reminded_at = $3, version = $4 WHERE customer = $1 AND quarter = $2"
_ATTEMPT = "UPDATE verifications SET attempts = $3, version = $4 WHERE customer = $1 AND quarter = $2"
_DONE = """
UPDATE verifications SET mark = $3, outcome = $4, method = $5, verified_on = $6, because = $7, version = $8
WHERE customer = $1 AND quarter = $2
"""
_MARKS = {"unreachable": VerificationMark.UNREACHABLE, "cancelled": VerificationMark.CANCELLED}


async def _due(connection: Connection, recorded: RecordedFact[VerificationDue]) -> None:
    fact = recorded.fact
    await connection.execute(
        _OPEN,
        fact.customer,
        fact.quarter,
        fact.department,
        fact.due_on,
        fact.verifier,
        fact.appointed_by,
        recorded.version,
    )


async def _needed(connection: Connection, recorded: RecordedFact[VerifierNeeded]) -> None:
    fact = recorded.fact
    await connection.execute(
        _OPEN, fact.customer, fact.quarter, fact.department, fact.due_on, None, None, recorded.version
    )


async def _reminded(connection: Connection, recorded: RecordedFact[VerificationReminded]) -> None:
    fact = recorded.fact
    await connection.execute(_REMIND, fact.customer, fact.quarter, recorded.occurred_at, recorded.version)


async def _attempted(connection: Connection, recorded: RecordedFact[VerificationAttempted]) -> None:
    fact = recorded.fact
    await connection.execute(_ATTEMPT, fact.customer, fact.quarter, fact.number, recorded.version)


async def _done(connection: Connection, recorded: RecordedFact[VerificationDone]) -> None:
    fact = recorded.fact
    await connection.execute(
        _DONE,
        fact.customer,
        fact.quarter,
        _MARKS.get(fact.outcome, VerificationMark.DONE).value,
        fact.outcome,
        fact.method,
        fact.verified_on,
        fact.because,
        recorded.version,
    )


VERIFICATIONS_VIEW = View(
    name="verifications",
    source=OWN_LOG,
    tables=("verifications",),
    apply={
        VerificationDue: _due,
        VerifierNeeded: _needed,
        VerificationReminded: _reminded,
        VerificationAttempted: _attempted,
        VerificationDone: _done,
    },
)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a reader looks for; None is everything. `mine` is for whom something waits, `managed` their departments."""

    quarter: str | None = None
    department: str | None = None
    verifier: str | None = None
    mark: VerificationMark | None = None
    overdue: bool | None = None
    mine: str | None = None
    managed: Sequence[str] = ()


# Goes along the primary key; a person's own worklist along verifications_verifier and verifications_open.
_LIST = """
SELECT v.customer, v.quarter, v.department, v.due_on, v.verifier, v.appointed_by, v.mark, v.outcome, v.method,
       v.verified_on, v.because, v.attempts, v.reminded_at, r.number, r.name, r.owner,
       v.mark = 'open' AND v.due_on < $1 AS overdue
FROM verifications v JOIN register r USING (customer)
WHERE ($2::text IS NULL OR (v.quarter, v.customer) > ($2, $3))
  AND ($4::text IS NULL OR v.quarter = $4)
  AND ($5::text IS NULL OR v.department = $5)
  AND ($6::text IS NULL OR v.verifier = $6)
  AND ($7::text IS NULL OR v.mark = $7)
  AND ($8::boolean IS NULL OR (v.mark = 'open' AND v.due_on < $1) = $8)
  AND ($9::text IS NULL OR (v.mark = 'open' AND v.verifier = $9) OR (
        (v.mark = 'unreachable' OR (v.mark = 'open' AND v.verifier IS NULL)) AND v.department = ANY ($10)))
  AND ($11 OR v.department = ANY ($12) OR r.owner = $13 OR $13 = ANY (r.collaborators) OR v.verifier = $13)
ORDER BY v.quarter, v.customer LIMIT $14
"""
_OVERVIEW = """
SELECT v.department, v.quarter, count(*) FILTER (WHERE v.mark <> 'cancelled') AS due,
       count(*) FILTER (WHERE v.mark = 'open') AS open,
       count(*) FILTER (WHERE v.mark = 'open' AND v.due_on < $1) AS overdue,
       count(*) FILTER (WHERE v.mark = 'open' AND v.verifier IS NULL) AS without_verifier,
       count(*) FILTER (WHERE v.outcome = 'unchanged') AS unchanged,
       count(*) FILTER (WHERE v.outcome = 'changed') AS changed,
       count(*) FILTER (WHERE v.outcome = 'unreachable') AS unreachable,
       count(*) FILTER (WHERE v.outcome = 'cancelled') AS cancelled
FROM verifications v
WHERE v.quarter = $2 AND ($3 OR v.department = ANY ($4))
GROUP BY v.department, v.quarter ORDER BY v.department
"""


async def list_verifications(
    connection: Connection | asyncpg.Pool,
    scope: Scope,
    wanted: Wanted,
    on: date,
    after: tuple[str | None, str | None],
    limit: int,
) -> list[asyncpg.Record]:
    """Verifications after a key, by quarter and customer.

    Args:
        connection: to the registry's views.
        scope: whose customers the reader may see; a verifier also sees what they verify.
        wanted: what they look for.
        on: the policy's day, for what is overdue.
        after: quarter and customer of the last one seen.
        limit: how many at most.

    """
    return await connection.fetch(
        _LIST,
        on,
        *after,
        wanted.quarter,
        wanted.department,
        wanted.verifier,
        wanted.mark,
        wanted.overdue,
        wanted.mine,
        list(wanted.managed),
        scope.everything,
        list(scope.departments),
        scope.person,
        limit,
    )


async def count_verifications(
    connection: Connection | asyncpg.Pool, scope: Scope, quarter: str, on: date
) -> list[asyncpg.Record]:
    """A quarter's counts by department, of those departments that the reader sees whole."""
    return await connection.fetch(_OVERVIEW, on, quarter, scope.everything, list(scope.departments))
