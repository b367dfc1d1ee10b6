"""Delegations over HTTP. Everybody here may look up who stands in for whom; only the absent approver appoints."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel

from kehu.commands import Thing
from kehu.errors import NotFound
from kehu.http import Acting, ActingRequest, Answer, Page, Paging, StreamId
from kehu.ids import new_id
from kehu_customer_registry.delegations import decisions
from kehu_customer_registry.delegations.decisions import DELEGATION_SCOPE, AppointDelegate, Day, Numbered
from kehu_customer_registry.delegations.facts import Delegation
from kehu_customer_registry.staff.decisions import Code
from kehu_customer_registry.staff.facts import STAFF, StaffMember

router = APIRouter(tags=["delegations"])

# Along the primary key: ids are in the order of time. Few rows for anybody, so filters need no index of their own.
_LIST = """
SELECT delegation, number, principal, delegate, steps, first_day, last_day, reason, ended_by, ended_at
FROM staff_delegations
WHERE ($1::text IS NULL OR delegation > $1)
  AND ($2::text IS NULL OR principal = $2 OR delegate = $2)
  AND ($3::date IS NULL OR (NOT ended AND first_day <= $3 AND last_day >= $3))
ORDER BY delegation LIMIT $4
"""


class DelegationRow(BaseModel):
    """Who stands in for whom, shown as B代A."""

    delegation: str
    number: str | None
    principal: str
    delegate: str
    steps: list[str]
    first_day: date
    last_day: date
    reason: str
    ended_by: str | None
    ended_at: datetime | None


class DelegationShown(BaseModel):
    """One delegation, as its principal's stream tells it."""

    delegation: str
    number: str
    principal: str
    delegate: str
    steps: list[str]
    first_day: date
    last_day: date
    reason: str
    ended_by: str | None
    holds: bool

    @classmethod
    def of(cls, found: Delegation, today: date) -> DelegationShown:
        """As it stands today."""
        return cls(
            delegation=found.id,
            number=found.number,
            principal=found.principal,
            delegate=found.delegate,
            steps=sorted(found.steps),
            first_day=found.first_day,
            last_day=found.last_day,
            reason=found.reason,
            ended_by=found.ended_by,
            holds=found.is_open(today) and found.first_day <= today,
        )


@router.post("/delegations", status_code=201)
async def appoint_delegate(body: AppointDelegate, request: Acting) -> Answer:
    """Appoint a delegate for yourself (委托). The answer has the delegation's id and number."""
    serial = await request.pool.fetchval("SELECT nextval('delegation_numbers')")
    numbered = Numbered(str(new_id()), f"WT{serial:06}")
    things = [Thing(STAFF, request.actor.id), Thing(STAFF, body.delegate, must_exist=False)]
    if body.delegate == request.actor.id:
        things = things[:1]
    return await request.handle_together(
        things,
        partial(_appoint, body, numbered),
        numbers={"delegation": numbered.id, "number": numbered.number},
    )


def _appoint(body: AppointDelegate, numbered: Numbered, states: Sequence[StaffMember], context: Any) -> Sequence[Any]:
    # Oneself as one's delegate is one stream, and refused.
    return decisions.appoint_delegate(body, numbered, [states[0], states[-1]], context)


@router.get("/delegations")
async def list_delegations(
    request: Acting,
    paging: Paging,
    person: Annotated[Code | None, Query(description="Who is absent, or stands in.")] = None,
    on: Annotated[Day | None, Query(description="Only those that hold on this day, in Shanghai.")] = None,
) -> Page[DelegationRow]:
    """Who stands in for whom, in the order in which they were appointed."""
    rows = await request.pool.fetch(_LIST, *paging.after(str), person, on, paging.fetch)
    return paging.page([DelegationRow.model_validate(dict(row)) for row in rows], key=lambda row: (row.delegation,))


@router.get("/delegations/{delegation}")
async def show_delegation(delegation: StreamId, request: Acting) -> DelegationShown:
    """One delegation by its id or number, and whether it holds today."""
    found = await _find(request, delegation)
    return DelegationShown.of(found, (await request.context()).today)


@router.post("/delegations/{delegation}/end")
async def end_delegation(delegation: StreamId, request: Acting) -> Answer:
    """End a delegation before its last day."""
    found = await _find(request, delegation)
    return await request.handle_together(
        [Thing(STAFF, found.principal), Thing(STAFF, found.delegate)],
        partial(decisions.end_delegation, found.id),
        numbers={"delegation": found.id, "number": found.number},
    )


async def _find(request: ActingRequest, named: str) -> Delegation:
    claim = await request.running.store.read_claim(DELEGATION_SCOPE, named)
    if claim is not None:
        principal, _ = await request.running.commands.load(STAFF, claim["holder"])
        for found in principal.delegated.values():
            if named in (found.id, found.number):
                return found
    raise NotFound(f"没有委托 {named}。", f"There is no delegation {named}.", code="delegation-unknown")
