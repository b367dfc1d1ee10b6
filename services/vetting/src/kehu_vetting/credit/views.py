"""The credit incidents of all customers, for whoever may see them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import asyncpg

from kehu.contracts.vetting import CreditIncidentRecorded, CreditIncidentResolved, CreditIncidentWithdrawn
from kehu.event_store import Connection
from kehu.facts import RecordedFact
from kehu.service import OWN_LOG, View
from kehu_vetting.credit.facts import IncidentStatus
from kehu_vetting.customer_files.views import FILES
from kehu_vetting.sight import Scope

_RECORD = """
INSERT INTO credit_incidents (incident, customer, status, occurred_on, amount_fen, description, recorded_by)
VALUES ($1, $2, $3, $4, $5, $6, $7)
"""
_RESOLVE = "UPDATE credit_incidents SET status = $2, resolved_on = $3 WHERE incident = $1"
_WITHDRAW = "UPDATE credit_incidents SET status = $2 WHERE incident = $1"
# The primary key gives the order.
_LIST = f"""
SELECT i.incident, c.survivor AS customer, c.number, c.name, c.department, i.status, i.occurred_on,
       i.resolved_on, i.amount_fen, i.description, i.recorded_by
FROM credit_incidents i JOIN {FILES} c USING (customer)
WHERE ($1::text IS NULL OR i.incident < $1)
  AND ($2 OR c.department = ANY ($3) OR c.owner = $4 OR $4 = ANY (c.collaborators))
  AND ($5::text IS NULL OR i.status = $5)
ORDER BY i.incident DESC LIMIT $6
"""


async def _record(connection: Connection, recorded: RecordedFact[CreditIncidentRecorded]) -> None:
    fact = recorded.fact
    await connection.execute(
        _RECORD,
        fact.incident,
        fact.customer,
        IncidentStatus.OPEN,
        fact.occurred_on,
        fact.amount_fen,
        fact.description,
        fact.recorded_by,
    )


async def _resolve(connection: Connection, recorded: RecordedFact[CreditIncidentResolved]) -> None:
    await connection.execute(_RESOLVE, recorded.fact.incident, IncidentStatus.RESOLVED, recorded.fact.resolved_on)


async def _withdraw(connection: Connection, recorded: RecordedFact[CreditIncidentWithdrawn]) -> None:
    await connection.execute(_WITHDRAW, recorded.fact.incident, IncidentStatus.WITHDRAWN)


CREDIT_VIEW = View(
    name="credit_incidents",
    source=OWN_LOG,
    tables=("credit_incidents",),
    apply={
        CreditIncidentRecorded: _record,
        CreditIncidentResolved: _resolve,
        CreditIncidentWithdrawn: _withdraw,
    },
)


async def list_incidents(
    pool: asyncpg.Pool, shown: Scope, status: IncidentStatus | None, after: str | None, limit: int
) -> Sequence[Any]:
    """A page of the incidents that somebody may see, the latest recorded first."""
    return await pool.fetch(_LIST, after, shown.everything, list(shown.departments), shown.person, status, limit)
