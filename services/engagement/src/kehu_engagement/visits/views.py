"""The register of visits: its tables, the projection into them, and who finds what in it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

import asyncpg

from kehu.calendar import today
from kehu.contracts.engagement import VisitCancelled, VisitLogged, VisitPlanned, VisitRecordOverdue
from kehu.deciding import Actor
from kehu.event_store import Connection
from kehu.facts import RecordedFact
from kehu.service import OWN_LOG, View
from kehu_engagement.visits.decisions import Colleague
from kehu_engagement.visits.facts import OPEN, CustomerNoted, Deviation, FindingsRecorded, VisitPrepared, VisitStatus
from kehu_engagement.visits.rights import ALL_SEEING, DEPARTMENT_SEEING, MARKETING

# --- projection ------------------------------------------------------------------------------------------------------

# A later note says only what it changes, so what it does not say stays.
_NOTE = """
INSERT INTO visit_customers (customer, number, name, department, owner, collaborators, grade)
VALUES ($1, $2, $3, $4, $5, coalesce($6::text[], '{}'), $7)
ON CONFLICT (customer) DO UPDATE SET
    number = coalesce($2, visit_customers.number),
    name = coalesce($3, visit_customers.name),
    department = coalesce($4, visit_customers.department),
    owner = coalesce($5, visit_customers.owner),
    collaborators = coalesce($6::text[], visit_customers.collaborators),
    grade = coalesce($7, visit_customers.grade)
"""
_PLAN = """
INSERT INTO visits (visit, customer, state, day, planned, planned_on, visitors, purpose, people, first_visit)
VALUES ($1, $2, $3, $4, true, $4, $5, $6, $5, $7)
"""
_PREPARE = "UPDATE visits SET grade = $2, planned_by = $3, record_due_at = $4 WHERE visit = $1"
_LOG = """
INSERT INTO visits (visit, customer, state, day, planned, visited_at, attendees, people, first_visit, late)
VALUES ($1, $2, $3, $4, false, $5, $6, $6, $7, $8)
ON CONFLICT (visit) DO UPDATE SET
    customer = excluded.customer, state = excluded.state, day = excluded.day, visited_at = excluded.visited_at,
    attendees = excluded.attendees,
    people = ARRAY(SELECT DISTINCT unnest(visits.people || excluded.people) AS person ORDER BY person),
    first_visit = excluded.first_visit, late = excluded.late
"""
_FIND = "UPDATE visits SET deviations = $2, recorded_by = $3, reason = $4 WHERE visit = $1"
_MISS = "UPDATE visits SET state = $2 WHERE visit = $1"
# Whoever was merged into another leaves a visit to it that it has recorded or cancelled.
_CANCEL = "UPDATE visits SET customer = $4, state = $2, reason = $3 WHERE visit = $1"


async def _note(connection: Connection, recorded: RecordedFact[CustomerNoted]) -> None:
    fact = recorded.fact
    collaborators = None if fact.collaborators is None else list(fact.collaborators)
    await connection.execute(
        _NOTE, fact.customer, fact.number, fact.name, fact.department, fact.owner, collaborators, fact.grade
    )


async def _plan(connection: Connection, recorded: RecordedFact[VisitPlanned]) -> None:
    fact = recorded.fact
    await connection.execute(
        _PLAN,
        fact.visit,
        fact.customer,
        VisitStatus.PLANNED,
        fact.planned_on,
        list(fact.visitors),
        fact.purpose,
        fact.first_visit,
    )


async def _prepare(connection: Connection, recorded: RecordedFact[VisitPrepared]) -> None:
    fact = recorded.fact
    await connection.execute(_PREPARE, fact.visit, fact.grade, fact.planned_by, fact.record_due_at)


async def _log(connection: Connection, recorded: RecordedFact[VisitLogged]) -> None:
    fact = recorded.fact
    await connection.execute(
        _LOG,
        fact.visit,
        fact.customer,
        VisitStatus.LOGGED,
        today(fact.visited_at),
        fact.visited_at,
        list(fact.attendees),
        fact.first_visit,
        fact.late,
    )


async def _find(connection: Connection, recorded: RecordedFact[FindingsRecorded]) -> None:
    fact = recorded.fact
    await connection.execute(_FIND, fact.visit, list(fact.deviations), fact.recorded_by, fact.unplanned_reason)


async def _miss(connection: Connection, recorded: RecordedFact[VisitRecordOverdue]) -> None:
    await connection.execute(_MISS, recorded.fact.visit, VisitStatus.OVERDUE)


async def _cancel(connection: Connection, recorded: RecordedFact[VisitCancelled]) -> None:
    fact = recorded.fact
    await connection.execute(_CANCEL, fact.visit, VisitStatus.CANCELLED, fact.reason, fact.customer)


VISITS_VIEW = View(
    name="visits",
    source=OWN_LOG,
    tables=("visits", "visit_customers"),
    apply={
        CustomerNoted: _note,
        VisitPlanned: _plan,
        VisitPrepared: _prepare,
        VisitLogged: _log,
        FindingsRecorded: _find,
        VisitRecordOverdue: _miss,
        VisitCancelled: _cancel,
    },
)


# --- queries ---------------------------------------------------------------------------------------------------------


class Conditions:
    """The WHERE of a query, put together of those conditions that are asked for.

    One text per combination lets the database choose the index that serves it; a condition that might be null would
    leave it with a plan for all of them together.
    """

    def __init__(self) -> None:
        self._texts = ["true"]
        self.values: list[Any] = []

    def add(self, text: str, *values: Any) -> None:
        """Add a condition; each ``{}`` in it stands for one of the values."""
        first = len(self.values) + 1
        self.values += values
        self._texts.append(f"({text.format(*(f'${first + place}' for place in range(len(values))))})")

    def __str__(self) -> str:
        return " AND ".join(self._texts)


@dataclass(frozen=True, slots=True)
class Filters:
    """What a reader of the register looks for; None is everything. Both ends of the period belong to it.

    `customers` are a customer and those merged into it.
    """

    customers: list[str] | None = None
    visitor: str | None = None
    department: str | None = None
    state: VisitStatus | None = None
    planned: bool | None = None
    since: date | None = None
    until: date | None = None


def _visible(actor: Actor) -> Conditions:
    """What they may see: by role, department and ownership, and the visits they are on; open work only when leaving."""
    conditions = Conditions()
    if actor.departing:
        conditions.add("v.people @> ARRAY[{}]", actor.id)
        conditions.add(_OPEN)
        return conditions
    company_wide = any(grant.role in DEPARTMENT_SEEING and grant.department is None for grant in actor.grants)
    if company_wide or actor.has(*ALL_SEEING):
        return conditions
    theirs = "v.people @> ARRAY[{}]"
    values: list[Any] = [actor.id]
    if departments := sorted(actor.departments(*DEPARTMENT_SEEING)):
        theirs += " OR c.department = ANY ({}::text[])"
        values.append(departments)
    if actor.has(*MARKETING):
        theirs += " OR c.owner = {} OR c.collaborators @> ARRAY[{}]"
        values += [actor.id, actor.id]
    conditions.add(theirs, *values)
    return conditions


_OPEN = f"v.state IN ({', '.join(repr(status.value) for status in OPEN)})"
_FILTERS = {
    "customers": "v.customer = ANY ({}::text[])",
    "visitor": "v.people @> ARRAY[{}]",
    "department": "c.department = {}",
    "state": "v.state = {}",
    "planned": "v.planned = {}",
    "since": "v.day >= {}",
    "until": "v.day <= {}",
}


def _wanted(actor: Actor, filters: Filters) -> Conditions:
    conditions = _visible(actor)
    for name, condition in _FILTERS.items():
        if (value := getattr(filters, name)) is not None:
            conditions.add(condition, value)
    # What the partial indexes visits_open and visits_unplanned are made for, in their own words.
    if filters.state in OPEN:
        conditions.add(_OPEN)
    if filters.planned is False:
        conditions.add("NOT v.planned")
    return conditions


# A merged customer's visits show under the survivor (R4).
_WHOSE = """
LEFT JOIN lineage l ON l.customer = v.customer
JOIN visit_customers c ON c.customer = coalesce(l.survivor, v.customer)
"""
_ROWS = f"""
SELECT v.visit, c.customer, c.number AS customer_number, c.name AS customer_name, c.department, c.owner, v.state, v.day,
       v.planned, v.planned_on, v.visitors, v.purpose, v.grade, v.planned_by, v.record_due_at, v.visited_at,
       v.attendees, v.first_visit, v.late, v.deviations, v.recorded_by, v.reason
FROM visits v {_WHOSE}
WHERE {{conditions}} ORDER BY v.day DESC, v.visit DESC LIMIT {{limit}}
"""
_COUNTS = f"""
SELECT c.department, v.recorded_by AS person, count(*) AS visits,
       count(*) FILTER (WHERE v.deviations @> ARRAY['{{to_new}}']) AS to_new_customers,
       count(*) FILTER (WHERE v.late) AS registered_later
FROM visits v {_WHOSE}
WHERE {{conditions}} GROUP BY c.department, v.recorded_by
ORDER BY c.department, v.recorded_by LIMIT {{limit}}
"""


async def list_visits(
    pool: asyncpg.Pool, actor: Actor, filters: Filters, after: tuple[date | None, str | None], limit: int
) -> list[asyncpg.Record]:
    """Rows of the register, the latest day first.

    Args:
        pool: connections to the service's views.
        actor: who reads; the rows are theirs to see.
        filters: what they look for.
        after: day and id of the last row that they have seen; None on the first page.
        limit: how many rows at most.

    """
    conditions = _wanted(actor, filters)
    if after[0] is not None:
        conditions.add("(v.day, v.visit) < ({}, {})", *after)
    return await pool.fetch(_ROWS.format(conditions=conditions, limit=limit), *conditions.values)


async def count_unplanned(
    pool: asyncpg.Pool, actor: Actor, filters: Filters, after: tuple[str | None, str | None], limit: int
) -> list[asyncpg.Record]:
    """How many unplanned visits each person has registered, by department and person; arguments as `list_visits`."""
    conditions = _wanted(actor, filters)
    # Complete rows only: between the two facts of one decision nobody has recorded it yet.
    conditions.add("NOT v.planned AND v.recorded_by IS NOT NULL")
    if after[0] is not None:
        conditions.add("(c.department, v.recorded_by) > ({}, {})", *after)
    return await pool.fetch(
        _COUNTS.format(conditions=conditions, limit=limit, to_new=Deviation.FIRST_VISIT_UNPLANNED), *conditions.values
    )


# Uses visit_customers_number.
_OF_NUMBER = "SELECT customer FROM visit_customers WHERE number = $1 ORDER BY customer LIMIT 1"


async def customer_of_number(pool: asyncpg.Pool, number: str) -> str | None:
    """The id of the customer that has this 客户编号, as far as the view has come."""
    found: str | None = await pool.fetchval(_OF_NUMBER, number)
    return found


# Uses the primary keys of both tables.
_COLLEAGUES = """
SELECT s.person, s.last_day IS NOT NULL OR s.ended AS leaving,
       EXISTS (SELECT FROM staff_grants g WHERE g.person = s.person AND g.role = ANY ($2)) AS marketing
FROM staff s WHERE s.person = ANY ($1)
"""


async def colleagues(pool: asyncpg.Pool, people: tuple[str, ...]) -> dict[str, Colleague]:
    """Those of some people who are on the staff, as `decisions` wants to know them."""
    rows = await pool.fetch(_COLLEAGUES, list(people), list(MARKETING))
    return {row["person"]: Colleague(marketing=row["marketing"], leaving=row["leaving"]) for row in rows}
