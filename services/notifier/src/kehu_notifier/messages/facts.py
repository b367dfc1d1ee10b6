"""What can happen to a message, and the state that it adds up to. Neither its text nor an address is ever in a fact."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Literal
from uuid import UUID

from pydantic import AwareDatetime

from kehu.contracts.messages import Channel, MessageDelivered, MessageFailed, MessageRequested
from kehu.deciding import Category
from kehu.facts import Fact
from kehu_notifier.notices.facts import RecipientKind
from kehu_notifier.templates.template import Outlet, TemplateName

HeldFor = Literal["quiet-hours", "try-again"]
SuppressedFor = Literal["done-meanwhile", "recipient-gone", "no-address"]
ConfirmedBy = Literal["read", "call", "in-person", "letter"]


class MessageState(StrEnum):
    """What has become of a message."""

    QUEUED = "queued"
    HELD = "held"
    SUPPRESSED = "suppressed"
    EXPIRED = "expired"
    SENDING = "sending"  # handed to its channel, whose answer is not known yet
    SENT = "sent"
    UNKNOWN = "unknown"  # handed over, and no answer came: it may have been sent or not
    DELIVERED = "delivered"
    FAILED = "failed"
    CONFIRMED = "confirmed"  # a person says that it arrived


#: Nothing happens to them any more by itself.
SETTLED = frozenset(
    {
        MessageState.SUPPRESSED,
        MessageState.EXPIRED,
        MessageState.DELIVERED,
        MessageState.FAILED,
        MessageState.CONFIRMED,
    }
)


class OfMessage(Fact, clause="Notifications"):
    """Something about one message; the customer is the Kafka key of all of them."""

    message: str
    customer: str | None = None


class MessagePrepared(OfMessage):
    """Everything that sending it will need, besides what is looked up then: names, numbers, addresses."""

    thing: str
    reason: UUID
    template: TemplateName
    template_version: int
    recipient: str
    recipient_kind: RecipientKind
    department: str | None
    #: Through which channel it goes, and which one its template is written for (the sandbox may stand in for that).
    channel: Channel
    outlet: Outlet
    values: dict[str, str]
    urgent: bool
    expires_at: AwareDatetime


class MessageQueued(OfMessage):
    """It may be sent now."""


class MessageHeld(OfMessage):
    """It waits until a time; `detail` is the channel's word where it did not take it."""

    until: AwareDatetime
    held_for: HeldFor
    detail: str = ""


class MessageSuppressed(OfMessage):
    """It will not be sent, for this reason."""

    suppressed_for: SuppressedFor


class MessageExpired(OfMessage):
    """It was worth sending until a time that has passed."""


class SendingStarted(OfMessage):
    """One worker is about to hand it to its channel; recorded before, so that nobody does it twice."""

    attempt: UUID
    channel: Channel


class MessageSent(OfMessage):
    """Its channel has taken it; `look_at` is when to ask what has become of it (None: the channel cannot say)."""

    attempt: UUID
    provider_reference: str | None = None
    look_at: AwareDatetime | None = None


class OutcomeUnknown(OfMessage):
    """No answer came from its channel: it may have been sent or not, so it is not sent again (`look_at` as above)."""

    attempt: UUID
    detail: str
    look_at: AwareDatetime | None = None


class ProviderAsked(OfMessage):
    """The provider was asked what has become of it, and could not say yet."""

    detail: str
    look_at: AwareDatetime | None = None


class MessageConfirmed(OfMessage):
    """A person says that it arrived, and how they know."""

    confirmed_by: str
    how: ConfirmedBy


@dataclass(frozen=True, slots=True)
class Message:
    """A message as it stands. `looks` counts how often its provider was asked since it was handed over."""

    prepared: MessagePrepared | None = None
    state: MessageState = MessageState.QUEUED
    attempt: UUID | None = None
    attempts: int = 0
    looks: int = 0
    provider_reference: str | None = None
    look_at: datetime | None = None


_STATES: Mapping[type[Fact], MessageState] = {
    MessageQueued: MessageState.QUEUED,
    MessageHeld: MessageState.HELD,
    MessageSuppressed: MessageState.SUPPRESSED,
    MessageExpired: MessageState.EXPIRED,
    MessageFailed: MessageState.FAILED,
    MessageConfirmed: MessageState.CONFIRMED,
}


def _evolve(state: Message, fact: Fact) -> Message:  # noqa: PLR0911 - one case per fact
    match fact:
        case MessagePrepared():
            return replace(state, prepared=fact)
        case SendingStarted():
            return replace(
                state,
                state=MessageState.SENDING,
                attempt=fact.attempt,
                attempts=state.attempts + 1,
                looks=0,
                look_at=None,
            )
        case MessageSent():
            reference = fact.provider_reference or state.provider_reference
            return replace(state, state=MessageState.SENT, provider_reference=reference, looks=0, look_at=fact.look_at)
        case OutcomeUnknown():
            return replace(state, state=MessageState.UNKNOWN, looks=0, look_at=fact.look_at)
        case ProviderAsked():
            return replace(state, looks=state.looks + 1, look_at=fact.look_at)
        case MessageDelivered():
            reference = fact.provider_reference or state.provider_reference
            return replace(state, state=MessageState.DELIVERED, provider_reference=reference, look_at=None)
        case _:
            become = _STATES.get(type(fact))
            return state if become is None else replace(state, state=become, look_at=None)


MESSAGES = Category(
    "message",
    (
        MessagePrepared,
        MessageRequested,
        MessageQueued,
        MessageHeld,
        MessageSuppressed,
        MessageExpired,
        SendingStarted,
        MessageSent,
        OutcomeUnknown,
        ProviderAsked,
        MessageDelivered,
        MessageFailed,
        MessageConfirmed,
    ),
    Message(),
    _evolve,
)
