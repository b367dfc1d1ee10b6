"""The ledger over HTTP: what was told to whom, why, through which channel, and what has become of it."""

from __future__ import annotations

from datetime import date, datetime
from functools import partial
from typing import Annotated, Self
from uuid import UUID

import asyncpg
from fastapi import APIRouter, Depends, Query, Response
from pydantic import BaseModel, ConfigDict, Field, computed_field

from kehu.calendar import end_of_day, start_of_day
from kehu.contracts.messages import Channel
from kehu.errors import NotFound
from kehu.facts import Fact, RecordedFact
from kehu.http import OPEN_TO_LEAVERS, Acting, ActingRequest, Answer, Page, Paging, StreamId
from kehu_notifier.messages import decisions
from kehu_notifier.messages.decisions import ConfirmMessage, Ownership
from kehu_notifier.messages.exporting import XLSX, export_ledger
from kehu_notifier.messages.facts import (
    MESSAGES,
    ConfirmedBy,
    MessageConfirmed,
    MessageHeld,
    MessageState,
    MessageSuppressed,
    OutcomeUnknown,
    ProviderAsked,
)
from kehu_notifier.messages.views import Filters, find_message, list_messages, sight
from kehu_notifier.notices.facts import RecipientKind
from kehu_notifier.templates.template import TemplateName
from kehu_notifier.templates.worklists import WORKLISTS, Worklist

router = APIRouter(tags=["messages"])

#: Days that end and begin in times that can be told.
_Day = Annotated[date, Field(ge=date(1900, 1, 1), le=date(2199, 12, 31))]


class MessageRow(BaseModel):
    """A message in the ledger."""

    message: str
    requested_at: datetime
    reason: UUID = Field(description="The fact that is the reason; `kehu audit` shows it.")
    thing: str = Field(description="What it is about: a customer, a qualification, a visit.")
    template: TemplateName
    template_version: int = Field(description="0 is the wording that came with the software.")
    recipient: str
    recipient_kind: RecipientKind
    customer: str | None
    department: str | None
    channel: Channel
    expires_at: datetime
    state: MessageState
    detail: str | None = Field(description="Why it is held, suppressed, unknown or failed; how it was confirmed.")
    held_until: datetime | None
    attempts: int = Field(description="How often it was handed to its channel.")
    provider_reference: str | None
    changed_at: datetime

    @computed_field(description="Where what it tells of is found; nothing for a customer's contact.")
    @property
    def worklist(self) -> Worklist | None:
        """The list of a service that its reader goes to."""
        return WORKLISTS.get(self.template)


class Event(BaseModel):
    """Something that happened to a message."""

    at: datetime
    fact: str = Field(description="The name of what happened.")
    detail: str | None
    by: str

    @classmethod
    def of(cls, recorded: RecordedFact[Fact]) -> Self:
        """Show a fact of a message's history."""
        return cls(
            at=recorded.occurred_at,
            fact=type(recorded.fact).__name__,
            detail=_detail(recorded.fact),
            by=recorded.actor,
        )


class MessageShown(MessageRow):
    """A message with its history."""

    text: str | None = Field(
        description="As the sandbox got it, for who may read it; nothing where it went to a provider."
    )
    history: list[Event]


class Confirm(BaseModel):
    """That a message arrived, and how one knows."""

    model_config = ConfigDict(extra="forbid")

    how: ConfirmedBy


def _filters(
    *,
    recipient: Annotated[str | None, Query(max_length=100, description="To this person only.")] = None,
    customer: Annotated[str | None, Query(max_length=100, description="About this one: id or 客户编号.")] = None,
    state: MessageState | None = None,
    channel: Channel | None = None,
    reason: Annotated[UUID | None, Query(description="Only for this fact.")] = None,
    template: TemplateName | None = None,
    first_day: Annotated[_Day | None, Query(description="Requested on this day or later, in Shanghai.")] = None,
    last_day: Annotated[_Day | None, Query(description="Requested on this day or before, in Shanghai.")] = None,
) -> Filters:
    since = start_of_day(first_day) if first_day else None
    until = end_of_day(last_day) if last_day else None
    return Filters(recipient, customer, state, channel, reason, template, since, until)


_Filters = Annotated[Filters, Depends(_filters)]


@router.get("/messages", openapi_extra=OPEN_TO_LEAVERS)
async def list_ledger(request: Acting, paging: Paging, filters: _Filters) -> Page[MessageRow]:
    """The messages that one may see, the latest first: one's own, one's customers', a department's, or all."""
    rows = await list_messages(request.pool, sight(request.actor), filters, paging.after(datetime, str), paging.fetch)
    return paging.page([MessageRow(**row) for row in rows], key=lambda row: (row.requested_at, row.message))


@router.get("/messages/export", response_class=Response, responses={200: {"content": {XLSX: {}}}})
async def export_messages(request: Acting, filters: _Filters) -> Response:
    """The same as an Excel file; `Kehu-Reason` says what for, and the export is recorded."""
    return await export_ledger(request, filters)


@router.get("/messages/{message}", openapi_extra=OPEN_TO_LEAVERS)
async def show_message(message: StreamId, request: Acting) -> MessageShown:
    """One message: its ledger entry, what happened to it, and its text where it is in the sandbox."""
    row = await _visible(request, message)
    history = await request.history(MESSAGES, message)
    seen = sight(request.actor)
    readable = not seen.masked or row["recipient"] == seen.person
    return MessageShown(
        **MessageRow.model_validate(dict(row)).model_dump(exclude={"worklist"}),
        text=row["text"] if readable else None,
        history=[Event.of(recorded) for recorded in history],
    )


@router.post("/messages/{message}/confirm")
async def confirm_message(message: StreamId, body: Confirm, request: Acting) -> Answer:
    """Say that a message arrived: its recipient, or for a customer's contact the salesperson or manager."""
    row = await _visible(request, message)
    ownership = Ownership(row["owner"], tuple(row["collaborators"] or ()))
    command = ConfirmMessage(body.how)
    return await request.handle(MESSAGES, message, partial(decisions.confirm_message, command), gathered=ownership)


async def _visible(request: ActingRequest, message: str) -> asyncpg.Record:
    row = await find_message(request.pool, sight(request.actor), message)
    if row is None:
        raise NotFound(
            "没有这条消息，或不在您的查看范围内。",
            "There is no such message, or none that you may see.",
            code="message-not-found",
        )
    return row


def _detail(fact: Fact) -> str | None:
    match fact:
        case MessageHeld():
            return fact.detail or fact.held_for
        case MessageSuppressed():
            return fact.suppressed_for
        case OutcomeUnknown() | ProviderAsked():
            return fact.detail
        case MessageConfirmed():
            return fact.how
        case _:
            reason = getattr(fact, "reason", None)
            return reason if isinstance(reason, str) else None
