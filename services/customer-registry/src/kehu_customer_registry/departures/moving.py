"""Open work that was a leaver's and is somebody else's now: the list of whoever it was given to (R4.6)."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from kehu.contracts.staff import OpenWorkMoved
from kehu.event_store import Connection
from kehu.facts import RecordedFact
from kehu.http import Acting, Page, Paging
from kehu.service import OWN_LOG, View

router = APIRouter(tags=["departures"])

_MOVE = """
INSERT INTO moved_work (departure, kind, thing, number, customer, leaver, recipient, remark, moved_by, moved_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT DO NOTHING
"""


async def _move(connection: Connection, recorded: RecordedFact[OpenWorkMoved]) -> None:
    fact = recorded.fact
    await connection.execute(
        _MOVE,
        fact.departure,
        fact.kind,
        fact.thing,
        fact.number,
        fact.customer,
        fact.leaver,
        fact.to,
        fact.remark,
        fact.moved_by,
        recorded.occurred_at,
    )


MOVED_WORK = View(name="moved-work", source=OWN_LOG, tables=("moved_work",), apply={OpenWorkMoved: _move})

# Uses moved_work_recipient, and the primary keys of what names people; what nothing names any more is done.
_LIST = """
SELECT m.departure, m.number, m.kind, m.thing, m.customer, m.leaver, m.remark, m.moved_by, m.moved_at FROM moved_work m
WHERE m.recipient = $1
  AND ($2::text IS NULL OR (m.departure, m.kind, m.thing) > ($2, $3::text, $4::text))
  AND CASE m.kind
      WHEN 'approval' THEN EXISTS (SELECT FROM waiting_steps s WHERE s.thing || ':' || s.step = m.thing)
                        OR EXISTS (SELECT FROM dossier_tasks t WHERE t.task = m.thing)
      WHEN 'delegation' THEN EXISTS (
          SELECT FROM staff_delegations d WHERE coalesce(d.number, d.delegation) = m.thing AND NOT d.ended)
      WHEN 'proposal' THEN EXISTS (
          SELECT FROM handovers h WHERE h.customer = m.thing AND h.successor = m.leaver AND h.accepted_by IS NULL)
      ELSE EXISTS (SELECT FROM named_here n WHERE n.kind = m.kind AND n.thing = m.thing)
        OR EXISTS (SELECT FROM named_visits n WHERE n.kind = m.kind AND n.thing = m.thing)
        OR EXISTS (SELECT FROM named_papers n WHERE n.kind = m.kind AND n.thing = m.thing)
      END
ORDER BY m.departure, m.kind, m.thing LIMIT $5
"""


class MovedWork(BaseModel):
    """Something open that was a leaver's and is the reader's now."""

    departure: str
    number: str = Field(description="Of the departure.")
    kind: str
    thing: str
    customer: str | None
    leaver: str
    remark: str
    moved_by: str
    moved_at: datetime


@router.get("/moved-work")
async def list_moved_work(
    request: Acting,
    paging: Paging,
    waiting_for: Annotated[Literal["me"], Query(description="Whom it waits for.")] = "me",
) -> Page[MovedWork]:
    """What of leaving people's open work was given to you and is not done yet."""
    del waiting_for  # only one's own can be asked for
    rows = await request.pool.fetch(_LIST, request.actor.id, *paging.after(str, str, str), paging.fetch)
    return paging.page(
        [MovedWork.model_validate(dict(row)) for row in rows], key=lambda row: (row.departure, row.kind, row.thing)
    )
