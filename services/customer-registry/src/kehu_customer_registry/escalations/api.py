"""What nobody has answered in time, over HTTP: each superior's worklist."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel

from kehu.contracts.staff import Role
from kehu.http import Acting, Page, Paging
from kehu_customer_registry.dossiers.rights import check_may_list
from kehu_customer_registry.escalations.views import list_escalations

router = APIRouter(tags=["escalations"])


class EscalationRow(BaseModel):
    """A step that has waited for too long."""

    thing: str
    step: str
    customer: str | None
    department: str | None
    waiting_for: list[str]
    superior: str
    since: date
    told_at: datetime


@router.get("/escalations")
async def list_all(
    request: Acting,
    paging: Paging,
    waiting_for: Annotated[Literal["me"] | None, Query(description="What was told to you as the superior.")] = None,
) -> Page[EscalationRow]:
    """Steps that nobody has answered in time; admins and auditors see all of them, superiors those told to them."""
    check_may_list(request.actor)
    everything = waiting_for is None and request.actor.has(Role.ADMIN, Role.AUDITOR)
    rows = await list_escalations(
        request.pool, request.actor, paging.after(str, str), paging.fetch, everything=everything
    )
    return paging.page([EscalationRow.model_validate(dict(row)) for row in rows], key=lambda row: (row.thing, row.step))
