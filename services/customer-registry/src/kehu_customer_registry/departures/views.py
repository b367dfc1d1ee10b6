"""Lists of departures and of what is still to be handed over, by whom each waits."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date
from typing import Any

import asyncpg

from kehu.contracts.staff import (
    DepartureCancelled,
    DepartureCleared,
    DepartureStarted,
    HandoverNoticeDue,
    HandoverProved,
    Role,
    StaffAccessEnded,
    SuccessorAccepted,
    SuccessorDeclined,
    SuccessorProposed,
)
from kehu.deciding import Actor
from kehu.event_store import Connection
from kehu.facts import RecordedFact
from kehu.service import OWN_LOG, View
from kehu_customer_registry.departures.facts import HandoverNotesWritten, NoticeAttempted
from kehu_customer_registry.departures.rights import managing

_START = """
INSERT INTO departures (departure, number, person, department, last_day, started_by, started_at)
VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING
"""
_STATE = "UPDATE departures SET state = $2 WHERE departure = $1"
_ENDED = "UPDATE departures SET ended_at = $2 WHERE departure = $1"
_PROPOSE = """
INSERT INTO handovers (customer, departure, leaver, successor, department, collaborator, due_on)
VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (customer, departure) DO UPDATE SET leaver = excluded.leaver, successor = excluded.successor,
    department = excluded.department, collaborator = excluded.collaborator, due_on = excluded.due_on,
    accepted_by = NULL, accepted_at = NULL
"""
_ACCEPT = """
INSERT INTO handovers (customer, departure, leaver, successor, department, collaborator, accepted_by, accepted_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
ON CONFLICT (customer, departure) DO UPDATE SET leaver = excluded.leaver, successor = excluded.successor,
    department = excluded.department, collaborator = excluded.collaborator, accepted_by = excluded.accepted_by,
    accepted_at = excluded.accepted_at, due_on = NULL
"""
_DECLINE = """
UPDATE handovers SET successor = NULL, due_on = NULL WHERE customer = $1 AND departure = $2
"""
_NOTES = """
INSERT INTO handovers (customer, departure, leaver, notes) VALUES ($1, $2, $3, true)
ON CONFLICT (customer, departure) DO UPDATE SET notes = true
"""
_NOTICE = "UPDATE handovers SET notice_due = true WHERE customer = $1 AND departure = $2"
_ATTEMPT = "UPDATE handovers SET attempts = attempts + 1 WHERE customer = $1 AND departure = $2"
_PROVE = """
UPDATE handovers SET proof = $3, evidence = $4, proved_by = $5, proved_at = $6 WHERE customer = $1 AND departure = $2
"""


async def _start(connection: Connection, recorded: RecordedFact[DepartureStarted]) -> None:
    fact = recorded.fact
    if fact.departure and fact.number:
        await connection.execute(
            _START,
            fact.departure,
            fact.number,
            fact.person,
            fact.department,
            fact.last_day,
            fact.started_by,
            recorded.occurred_at,
        )


async def _cancel(connection: Connection, recorded: RecordedFact[DepartureCancelled]) -> None:
    await connection.execute(_STATE, recorded.fact.departure, "cancelled")


async def _clear(connection: Connection, recorded: RecordedFact[DepartureCleared]) -> None:
    await connection.execute(_STATE, recorded.fact.departure, "cleared")


async def _end(connection: Connection, recorded: RecordedFact[StaffAccessEnded]) -> None:
    await connection.execute(_ENDED, recorded.fact.departure, recorded.occurred_at)


async def _propose(connection: Connection, recorded: RecordedFact[SuccessorProposed]) -> None:
    fact = recorded.fact
    await connection.execute(
        _PROPOSE,
        fact.customer,
        fact.departure,
        fact.leaver,
        fact.successor,
        fact.department,
        fact.collaborator,
        fact.due_on,
    )


async def _accept(connection: Connection, recorded: RecordedFact[SuccessorAccepted]) -> None:
    fact = recorded.fact
    await connection.execute(
        _ACCEPT,
        fact.customer,
        fact.departure,
        fact.leaver,
        fact.successor,
        fact.department,
        fact.collaborator,
        fact.accepted_by,
        recorded.occurred_at,
    )


async def _decline(connection: Connection, recorded: RecordedFact[SuccessorDeclined]) -> None:
    await connection.execute(_DECLINE, recorded.fact.customer, recorded.fact.departure)


async def _notes(connection: Connection, recorded: RecordedFact[HandoverNotesWritten]) -> None:
    await connection.execute(_NOTES, recorded.fact.customer, recorded.fact.departure, recorded.fact.written_by)


async def _notice(connection: Connection, recorded: RecordedFact[HandoverNoticeDue]) -> None:
    await connection.execute(_NOTICE, recorded.fact.customer, recorded.fact.departure)


async def _attempt(connection: Connection, recorded: RecordedFact[NoticeAttempted]) -> None:
    await connection.execute(_ATTEMPT, recorded.fact.customer, recorded.fact.departure)


async def _prove(connection: Connection, recorded: RecordedFact[HandoverProved]) -> None:
    fact = recorded.fact
    await connection.execute(
        _PROVE, fact.customer, fact.departure, fact.proof, fact.evidence, fact.proved_by, recorded.occurred_at
    )


DEPARTURES_VIEW = View(
    name="departures",
    source=OWN_LOG,
    tables=("departures", "handovers"),
    apply={
        DepartureStarted: _start,
        DepartureCancelled: _cancel,
        DepartureCleared: _clear,
        StaffAccessEnded: _end,
        SuccessorProposed: _propose,
        SuccessorAccepted: _accept,
        SuccessorDeclined: _decline,
        HandoverNotesWritten: _notes,
        HandoverNoticeDue: _notice,
        NoticeAttempted: _attempt,
        HandoverProved: _prove,
    },
)

# Along the primary key: ids are in the order of time.
_LIST = """
SELECT departure, number, person, department, last_day, started_by, started_at, state, ended_at FROM departures
WHERE ($1::text IS NULL OR departure > $1)
  AND ($2 OR person = $3 OR department = ANY ($4))
  AND ($5::text IS NULL OR state = $5)
  AND ($6::text IS NULL OR person = $6)
ORDER BY departure LIMIT $7
"""
# Uses handovers_asked for who was asked, else the primary key.
_HANDOVERS = """
SELECT h.customer, r.number, r.name, h.departure, d.number AS departure_number, h.leaver, h.successor, h.department,
       h.collaborator, h.due_on, h.accepted_by, h.notice_due, h.notes, h.attempts, h.proof
FROM handovers h JOIN departures d USING (departure) JOIN register r ON r.customer = h.customer
WHERE ($1::text IS NULL OR (h.customer, h.departure) > ($1, $2::text))
  AND d.state = 'running' AND r.merged_into IS NULL
  AND (h.successor = $3 AND h.accepted_by IS NULL
       OR (h.department = ANY ($4) OR $5) AND h.leaver <> $3
          AND (h.successor IS NULL OR h.accepted_by IS NULL AND h.due_on < $6
               OR h.notice_due AND h.proof IS NULL))
ORDER BY h.customer, h.departure LIMIT $7
"""
# Uses register_owner and register_collaborators.
_THEIRS = """
SELECT customer, number, name, department, owner, status FROM register
WHERE (owner = $1 OR collaborators @> ARRAY[$1]) AND merged_into IS NULL ORDER BY customer
"""
# Uses the primary key.
_MERGED = "SELECT customer FROM register WHERE customer = ANY ($1) AND merged_into IS NOT NULL"
_WITHIN = "SELECT customer FROM handovers WHERE departure = $1 AND NOT collaborator ORDER BY customer"


def managed(actor: Actor) -> tuple[bool, list[str]]:
    """Whose departures somebody decides about: all, or those of some departments."""
    departments = {
        grant.department
        for grants in (actor.grants, *(mandate.grants for mandate in actor.mandates))
        for grant in grants
        if grant.role == Role.DEPT_MANAGER and grant.department and managing(actor, grant.department)
    }
    return actor.has(Role.GENERAL_MANAGER), sorted(departments)


async def list_departures(
    pool: asyncpg.Pool, actor: Actor, state: str | None, person: str | None, after: str | None, limit: int
) -> list[asyncpg.Record]:
    """Departures that somebody may see, in the order of their start."""
    _, departments = managed(actor)
    sees_all = actor.has(Role.HR, Role.GENERAL_MANAGER, Role.ADMIN, Role.AUDITOR) and not actor.departing
    return await pool.fetch(_LIST, after, sees_all, actor.id, departments, state, person, limit)


async def list_waiting(
    pool: asyncpg.Pool, actor: Actor, today: date, after: tuple[str | None, str | None], limit: int
) -> list[asyncpg.Record]:
    """Customers whose handover waits for somebody: to accept, to be assigned or confirmed, or to be proved."""
    everything, departments = managed(actor)
    return await pool.fetch(_HANDOVERS, *after, actor.id, departments, everything, today, limit)


async def customers_of(pool: asyncpg.Pool | Connection, person: str) -> list[asyncpg.Record]:
    """The customers that somebody owns or helps with, as the register shows them."""
    return await pool.fetch(_THEIRS, person)


async def handed_over(pool: asyncpg.Pool, departure: str) -> list[str]:
    """The customers that a departure has handed over or is about to, but for those where the leaver only helped."""
    return [row["customer"] for row in await pool.fetch(_WITHIN, departure)]


async def merged_of(pool: asyncpg.Pool, customers: Collection[str]) -> frozenset[str]:
    """Those of some customers that belong to another dossier by now."""
    return frozenset(row["customer"] for row in await pool.fetch(_MERGED, list(customers)))


def owned(rows: Sequence[Any], person: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Of somebody's customers: those that they own, and those that they help with."""
    mine = tuple(row["customer"] for row in rows if row["owner"] == person)
    return mine, tuple(row["customer"] for row in rows if row["owner"] != person)
