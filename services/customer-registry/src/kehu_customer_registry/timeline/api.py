"""A customer's timeline over HTTP, and the notes on it."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from kehu.calendar import end_of_day, start_of_day
from kehu.http import Acting, Answer, Page, Paging, StreamId
from kehu.ids import new_id
from kehu.text import Paragraph
from kehu_customer_registry.dossiers.finding import visible_dossier
from kehu_customer_registry.dossiers.register import Day
from kehu_customer_registry.dossiers.rights import check_may_list
from kehu_customer_registry.lineage import family
from kehu_customer_registry.timeline import decisions
from kehu_customer_registry.timeline.decisions import WriteNote
from kehu_customer_registry.timeline.facts import NOTES
from kehu_customer_registry.timeline.lines import Kind
from kehu_customer_registry.timeline.views import Wanted, list_lines

router = APIRouter(tags=["timeline"])


class NoteForm(BaseModel):
    """What is to be noted; nothing about people's private matters."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    text: Annotated[Paragraph, Field(min_length=1)]


class LineShown(BaseModel):
    """One fact on the timeline."""

    fact: UUID
    type: str
    kind: Kind
    customer: str = Field(description="Whose it is: the customer itself, or one that was merged into it.")
    occurred_at: datetime
    recorded_at: datetime
    actor: str
    zh: str
    en: str


@router.get("/timeline/{customer}")
async def show_timeline(
    customer: StreamId,
    request: Acting,
    paging: Paging,
    kind: Kind | None = None,
    first_day: Annotated[Day | None, Query(alias="from", description="First day on which it occurred.")] = None,
    last_day: Annotated[Day | None, Query(alias="to", description="Last day on which it occurred.")] = None,
) -> Page[LineShown]:
    """A customer's dealings with every service, newest first; those of merged customers show under the survivor."""
    check_may_list(request.actor)
    dossier, _ = await visible_dossier(request, customer)
    wanted = Wanted(kind, start_of_day(first_day) if first_day else None, end_of_day(last_day) if last_day else None)
    customers = await family(request.pool, dossier.customer)
    rows = await list_lines(request.pool, customers, wanted, paging.after(datetime, UUID), paging.fetch)
    return paging.page([LineShown(**row) for row in rows], key=lambda row: (row.occurred_at, row.fact))


@router.post("/timeline/{customer}/notes", status_code=201)
async def write_note(customer: StreamId, body: NoteForm, request: Acting) -> Answer:
    """Write a note on a customer's timeline; whoever may see the customer does."""
    dossier, _ = await visible_dossier(request, customer)
    note = str(new_id())
    return await request.create(
        NOTES,
        note,
        partial(decisions.write_note, WriteNote(note, body.text)),
        gathered=dossier,
        numbers={"note": note},
    )
