"""What the registry's own facts say of a month, and which department has reported it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import asyncpg

from kehu import calendar
from kehu.calendar import Month
from kehu.contracts.customers import (
    ContractVolumeCorrected,
    ContractVolumeReported,
    CustomerChanged,
    CustomerClosed,
    CustomerRegistered,
    CustomerTakenOver,
    MonthlyReportDue,
    MonthlyReportMissing,
    MonthlyReportSubmitted,
    OwnerAssigned,
)
from kehu.contracts.vetting import AgentActivated
from kehu.event_store import Connection
from kehu.facts import RecordedFact
from kehu.service import OWN_LOG, Apply, View
from kehu_customer_registry.dossiers.facts import ParticularsChanged
from kehu_customer_registry.dossiers.rights import Scope
from kehu_customer_registry.monthly_reports.decisions import Proposal
from kehu_customer_registry.monthly_reports.facts import MonthlyReportWritten, Movement, ReportContent, ReportedVolume

_VOLUME = """
INSERT INTO monthly_volumes (customer, month, amount_fen) VALUES ($1, $2, $3)
ON CONFLICT (customer, month) DO UPDATE SET amount_fen = excluded.amount_fen
"""
_MOVED = "INSERT INTO monthly_movements (fact, customer, month, movement) VALUES ($1, $2, $3, $4)"
_ACTIVE = """
INSERT INTO {table} (customer, since) VALUES ($1, $2)
ON CONFLICT (customer) DO UPDATE SET since = least({table}.since, excluded.since)
"""


async def _volume(
    connection: Connection, recorded: RecordedFact[ContractVolumeReported | ContractVolumeCorrected]
) -> None:
    await connection.execute(_VOLUME, recorded.fact.customer, str(recorded.fact.month), recorded.fact.amount_fen)


def _moved(movement: str) -> Apply:
    async def apply(connection: Connection, recorded: RecordedFact[Any]) -> None:
        month = Month.of(calendar.today(recorded.occurred_at))
        await connection.execute(_MOVED, recorded.id, recorded.fact.customer, str(month), movement)

    return apply


async def _taken_over(connection: Connection, recorded: RecordedFact[CustomerTakenOver]) -> None:
    if recorded.fact.active_since:
        query = _ACTIVE.format(table="monthly_taken_over")
        await connection.execute(query, recorded.fact.customer, recorded.fact.active_since)


async def _activated(connection: Connection, recorded: RecordedFact[AgentActivated]) -> None:
    query = _ACTIVE.format(table="monthly_activations")
    await connection.execute(query, recorded.fact.customer, recorded.fact.activated_on)


MONTHS_VIEW = View(
    name="monthly_facts",
    source=OWN_LOG,
    tables=("monthly_volumes", "monthly_movements", "monthly_taken_over"),
    apply={
        ContractVolumeReported: _volume,
        ContractVolumeCorrected: _volume,
        CustomerRegistered: _moved("new"),
        CustomerChanged: _moved("changed"),
        ParticularsChanged: _moved("changed"),
        OwnerAssigned: _moved("changed"),
        CustomerClosed: _moved("lost"),
        CustomerTakenOver: _taken_over,
    },
)
ACTIVATIONS_VIEW = View(
    name="monthly_activations",
    source="vetting",
    tables=("monthly_activations",),
    apply={AgentActivated: _activated},
)

# The month's end and its report are facts of different streams: each writes columns of its own, in whatever order.
_DUE = """
INSERT INTO monthly_reports (department, month, closes_at) VALUES ($1, $2, $3)
ON CONFLICT (department, month) DO UPDATE SET closes_at = excluded.closes_at
"""
_SUBMITTED = """
INSERT INTO monthly_reports (department, month, submitted_at, submitted_by, on_behalf_of, late, nil)
VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (department, month) DO UPDATE
SET submitted_at = excluded.submitted_at, submitted_by = excluded.submitted_by,
    on_behalf_of = excluded.on_behalf_of, late = excluded.late, nil = excluded.nil
"""
_MISSING = """
INSERT INTO monthly_reports (department, month, missed) VALUES ($1, $2, true)
ON CONFLICT (department, month) DO UPDATE SET missed = true
"""
_CORRECTED = """
UPDATE monthly_reports SET corrections = corrections + 1 WHERE department = $1 AND month = $2
"""


async def _due(connection: Connection, recorded: RecordedFact[MonthlyReportDue]) -> None:
    fact = recorded.fact
    await connection.execute(_DUE, fact.department, str(fact.month), fact.closes_at)


async def _submitted(connection: Connection, recorded: RecordedFact[MonthlyReportSubmitted]) -> None:
    fact = recorded.fact
    await connection.execute(
        _SUBMITTED,
        fact.department,
        str(fact.month),
        recorded.occurred_at,
        fact.submitted_by,
        fact.on_behalf_of,
        fact.late,
        fact.nil,
    )


async def _missing(connection: Connection, recorded: RecordedFact[MonthlyReportMissing]) -> None:
    await connection.execute(_MISSING, recorded.fact.department, str(recorded.fact.month))


async def _written(connection: Connection, recorded: RecordedFact[MonthlyReportWritten]) -> None:
    if recorded.fact.reason is not None:
        await connection.execute(_CORRECTED, recorded.fact.department, str(recorded.fact.month))


REPORTS_VIEW = View(
    name="monthly_reports",
    source=OWN_LOG,
    tables=("monthly_reports",),
    apply={
        MonthlyReportDue: _due,
        MonthlyReportSubmitted: _submitted,
        MonthlyReportMissing: _missing,
        MonthlyReportWritten: _written,
    },
)

# Along register_department; the other tables by their keys.
_CUSTOMERS = """
SELECT r.customer, r.number, v.amount_fen,
       r.status = 'archived' AND NOT EXISTS (
           SELECT FROM lineage_links l WHERE l.merged = r.customer AND l.undone_at IS NULL
       ) AND coalesce(least(a.since, t.since) <= $3, false) AS active,
       ARRAY(SELECT DISTINCT m.movement FROM monthly_movements m
             WHERE m.customer = r.customer AND m.month = $2) AS movements
FROM register r
LEFT JOIN monthly_volumes v ON v.customer = r.customer AND v.month = $2
LEFT JOIN monthly_activations a ON a.customer = r.customer
LEFT JOIN monthly_taken_over t ON t.customer = r.customer
WHERE r.department = $1 ORDER BY r.serial
"""
# Goes along the primary key.
_LIST = """
SELECT department, month, closes_at, submitted_at, submitted_by, on_behalf_of, late, nil, missed, corrections
FROM monthly_reports
WHERE ($1::text IS NULL OR (month, department) > ($1, $2))
  AND ($3::text IS NULL OR month = $3) AND ($4::text IS NULL OR department = $4)
  AND ($5::text IS NULL OR CASE $5
         WHEN 'due' THEN submitted_at IS NULL
         WHEN 'missing' THEN submitted_at IS NULL AND missed
         WHEN 'late' THEN late
         ELSE submitted_at IS NOT NULL END)
  AND ($6::text[] IS NULL OR (submitted_at IS NULL AND department = ANY ($6)))
  AND ($7 OR department = ANY ($8))
ORDER BY month, department LIMIT $9
"""


async def propose(connection: Connection | asyncpg.Pool, department: str, month: Month) -> Proposal:
    """What the registry's facts say of a department's month: volumes, who is missing, who is new, changed, lost."""
    rows = await connection.fetch(_CUSTOMERS, department, str(month), month.last_day)

    def moved(movement: str, without: str = "") -> tuple[Movement, ...]:
        return tuple(
            Movement(customer=row["customer"], number=row["number"])
            for row in rows
            if movement in row["movements"] and without not in row["movements"]
        )

    content = ReportContent(
        volumes=tuple(
            ReportedVolume(customer=row["customer"], number=row["number"], amount_fen=row["amount_fen"])
            for row in rows
            if row["amount_fen"] is not None
        ),
        missing=tuple(row["number"] for row in rows if row["active"] and row["amount_fen"] is None),
        new=moved("new"),
        changed=moved("changed", without="new"),
        lost=moved("lost"),
    )
    names = {(row["customer"], row["number"]) for row in rows}
    return Proposal(content, {named: pair for pair in names for named in pair})


async def list_reports(
    connection: Connection | asyncpg.Pool,
    scope: Scope,
    after: tuple[str | None, str | None],
    limit: int,
    *,
    month: str | None = None,
    department: str | None = None,
    state: str | None = None,
    waiting: Sequence[str] | None = None,
) -> list[asyncpg.Record]:
    """Which department has reported which month, by month and department.

    Args:
        connection: to the registry's views.
        scope: which departments the reader sees whole.
        after: month and department of the last row seen.
        limit: how many at most.
        month: only this one.
        department: only this one.
        state: ``due`` (not reported), ``missing`` (closed without), ``late`` or ``submitted``.
        waiting: only what these departments have to report.

    """
    return await connection.fetch(
        _LIST,
        *after,
        month,
        department,
        state,
        None if waiting is None else list(waiting),
        scope.everything,
        list(scope.departments),
        limit,
    )
