"""The measures of all customers, for worklists; and the schedule that says when one is overdue."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import asyncpg

from kehu.calendar import end_of_day
from kehu.contracts.customers import PurchaseMeasureAssigned, PurchaseMeasureClosed, PurchaseMeasureOverdue
from kehu.deciding import Context, Decision
from kehu.event_store import Connection
from kehu.facts import RecordedFact
from kehu.service import OWN_LOG, Done, Due, Schedule, View
from kehu_customer_registry.dossiers.rights import Scope
from kehu_customer_registry.purchases.decisions import miss_measure
from kehu_customer_registry.purchases.facts import MEASURES, Measure, MeasureDescribed, MeasureMark

_ASSIGN = """
INSERT INTO purchase_measures (measure, customer, department, quarter, responsible, due_on, assigned_by, mark, version)
VALUES ($1, $2, $3, $4, $5, $6, $7, 'open', $8)
ON CONFLICT (measure) DO UPDATE
SET department = excluded.department, responsible = excluded.responsible, due_on = excluded.due_on,
    assigned_by = excluded.assigned_by, version = excluded.version
"""
_DESCRIBE = "UPDATE purchase_measures SET description = $2, result = $3, version = $4 WHERE measure = $1"
_CLOSE = "UPDATE purchase_measures SET mark = $2, late = $3, version = $4 WHERE measure = $1"


async def _assign(connection: Connection, recorded: RecordedFact[PurchaseMeasureAssigned]) -> None:
    fact = recorded.fact
    await connection.execute(
        _ASSIGN,
        fact.measure,
        fact.customer,
        fact.department,
        fact.quarter,
        fact.responsible,
        fact.due_on,
        fact.assigned_by,
        recorded.version,
    )


async def _describe(connection: Connection, recorded: RecordedFact[MeasureDescribed]) -> None:
    fact = recorded.fact
    await connection.execute(_DESCRIBE, fact.measure, fact.text, fact.result, recorded.version)


async def _close(connection: Connection, recorded: RecordedFact[PurchaseMeasureClosed]) -> None:
    await connection.execute(_CLOSE, recorded.fact.measure, recorded.fact.outcome, recorded.fact.late, recorded.version)


MEASURES_VIEW = View(
    name="purchase_measures",
    source=OWN_LOG,
    tables=("purchase_measures",),
    apply={PurchaseMeasureAssigned: _assign, MeasureDescribed: _describe, PurchaseMeasureClosed: _close},
)


def _due(recorded: RecordedFact[PurchaseMeasureAssigned]) -> Due:
    return Due(recorded.fact.measure, end_of_day(recorded.fact.due_on))


def _over(recorded: RecordedFact[PurchaseMeasureClosed | PurchaseMeasureOverdue]) -> Done:
    return Done(recorded.fact.measure)


def _fire(_measure: str, _due_at: datetime, state: Measure, context: Context) -> Decision:
    return miss_measure(state, context)


MEASURE_OVERDUE = Schedule(
    kind="purchase-measure-overdue",
    planned_by={PurchaseMeasureAssigned: _due, PurchaseMeasureClosed: _over, PurchaseMeasureOverdue: _over},
    category=MEASURES,
    stream_id=lambda measure: measure,
    fire=_fire,
)

# The primary key gives the order; what is open of somebody goes along purchase_measures_responsible.
_LIST = """
SELECT m.measure, m.customer, r.number, r.name, m.department, m.quarter, m.description, m.responsible, m.due_on,
       m.assigned_by, m.mark, m.result, m.late, m.mark = 'open' AND m.due_on < $1 AS overdue
FROM purchase_measures m JOIN register r USING (customer)
WHERE ($2::text IS NULL OR m.measure > $2)
  AND ($3::text IS NULL OR m.quarter = $3)
  AND ($4::text IS NULL OR m.customer = $4)
  AND ($5::text IS NULL OR m.mark = $5)
  AND ($6::boolean IS NULL OR (m.mark = 'open' AND m.due_on < $1) = $6)
  AND ($7::text IS NULL OR (m.mark = 'open' AND (m.responsible = $7 OR (
        m.department = ANY ($8)
        AND NOT EXISTS (SELECT FROM staff s WHERE s.person = m.responsible AND s.last_day IS NULL AND NOT s.ended)))))
  AND ($9 OR m.department = ANY ($10) OR r.owner = $11 OR $11 = ANY (r.collaborators) OR m.responsible = $11)
ORDER BY m.measure LIMIT $12
"""
_OPEN = """
SELECT customer, quarter, count(*) AS open FROM purchase_measures
WHERE mark = 'open' AND customer = ANY ($1) AND quarter = $2 GROUP BY 1, 2
"""


async def list_measures(
    connection: Connection | asyncpg.Pool,
    scope: Scope,
    on: date,
    *,
    after: str | None,
    limit: int,
    quarter: str | None = None,
    customer: str | None = None,
    mark: MeasureMark | None = None,
    overdue: bool | None = None,
    mine: str | None = None,
    managed: list[str] | None = None,
) -> list[asyncpg.Record]:
    """Measures after an id, oldest first.

    Args:
        connection: to the registry's views.
        scope: whose customers the reader may see; who is responsible sees theirs.
        on: the policy's day, for what is overdue.
        after: the last one seen.
        limit: how many at most.
        quarter: only its measures.
        customer: only theirs.
        mark: only those that stand so.
        overdue: only those that are, or are not.
        mine: for whom it waits: the responsible, or a manager whose responsible does not work here any more.
        managed: that manager's departments.

    """
    return await connection.fetch(
        _LIST,
        on,
        after,
        quarter,
        customer,
        mark,
        overdue,
        mine,
        managed or [],
        scope.everything,
        list(scope.departments),
        scope.person,
        limit,
    )


async def open_measures(connection: Connection | asyncpg.Pool, customers: list[str], quarter: str) -> dict[Any, int]:
    """How many measures of a quarter are open, by customer."""
    rows = await connection.fetch(_OPEN, customers, quarter)
    return {row["customer"]: row["open"] for row in rows}
