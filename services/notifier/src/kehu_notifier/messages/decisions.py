"""What becomes of a message: requested, let out or held, handed over once, and settled by what its channel says. Pure.

Effect once: an attempt is recorded before the channel is called. After it, only an answer that nothing was sent
(`TryAgain`) lets the message be handed over again; silence never does.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from kehu.contracts.messages import MessageDelivered, MessageFailed, MessageRequested
from kehu.contracts.staff import Role
from kehu.deciding import Context, Decision
from kehu.errors import Forbidden, NotFound, Refused
from kehu.facts import Fact, RecordedFact
from kehu.ids import derived_id
from kehu_notifier.channels.channel import (
    NO_TRACE,
    Accepted,
    Delivered,
    FailedForGood,
    Outcome,
    TryAgain,
    Unknown,
)
from kehu_notifier.messages.facts import (
    ConfirmedBy,
    Message,
    MessageConfirmed,
    MessageExpired,
    MessageHeld,
    MessagePrepared,
    MessageQueued,
    MessageSent,
    MessageState,
    MessageSuppressed,
    OutcomeUnknown,
    ProviderAsked,
    SendingStarted,
    SuppressedFor,
)
from kehu_notifier.messages.policy import sending_in_force
from kehu_notifier.notices.facts import NoticeAddressed
from kehu_notifier.templates.policy import TEMPLATES, templates_in_force
from kehu_notifier.templates.rendering import find_gap
from kehu_notifier.templates.template import LIVE_VARIABLES, Outlet


def message_id(reason: UUID, template: str, recipient: str) -> str:
    """The id of the one message that tells a recipient of a reason in these words, however often it is asked for."""
    return str(derived_id(reason, f"{template}/{recipient}", 0))


def request_message(
    recorded: RecordedFact[NoticeAddressed], state: Message, context: Context, *, outlets: Collection[Outlet]
) -> Decision:
    """Tell somebody: the message, and whether it may go out now.

    Args:
        recorded: who is to be told what.
        state: of the message.
        context: the templates in force.
        outlets: the channels that are set up; for all others the sandbox stands in.

    """
    if state.prepared is not None:
        return Decision()
    fact = recorded.fact
    template = templates_in_force(context).of(fact.template)
    message = message_id(fact.reason, fact.template, fact.recipient)
    prepared = MessagePrepared(
        message=message,
        customer=fact.customer or None,
        thing=fact.thing,
        reason=fact.reason,
        template=fact.template,
        template_version=context.policy_version(TEMPLATES.name),
        recipient=fact.recipient,
        recipient_kind=fact.recipient_kind,
        department=fact.department,
        channel=template.channel if template.channel in outlets else "sandbox",
        outlet=template.channel,
        values=fact.values,
        urgent=template.urgent,
        expires_at=fact.expires_at,
    )
    requested = MessageRequested(
        message=message,
        reason=str(fact.reason),
        template=fact.template,
        template_version=prepared.template_version,
        recipient=fact.recipient,
        recipient_kind=fact.recipient_kind,
        customer=prepared.customer,
        channel=prepared.channel,
    )
    # A value that is missing or blank is none that a provider takes: nothing like that is queued.
    gap = find_gap(template, fact.values, later=LIVE_VARIABLES)
    return Decision([prepared, requested, _failed(prepared, gap[0]) if gap else _let_out(prepared, context)])


def release(state: Message, context: Context) -> Decision:
    """The time that it was held for has come."""
    if state.state is not MessageState.HELD or state.prepared is None:
        return Decision()
    return Decision([_let_out(state.prepared, context)])


def _let_out(prepared: MessagePrepared, context: Context) -> Fact:
    kept_back = _kept_back(prepared, context)
    return kept_back or MessageQueued(message=prepared.message, customer=prepared.customer)


def _kept_back(prepared: MessagePrepared, context: Context) -> Fact | None:
    """What keeps it from being sent at this hour, if anything does."""
    message, customer = prepared.message, prepared.customer
    if context.now >= prepared.expires_at:
        return MessageExpired(message=message, customer=customer)
    quiet_ends = None if prepared.urgent else sending_in_force(context).quiet_ends(context.now)
    if quiet_ends is not None:
        return MessageHeld(message=message, customer=customer, until=quiet_ends, held_for="quiet-hours")
    return None


# --- sending ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Readiness:
    """What was looked up just before sending.

    Args:
        channel_there: whether its channel is set up now.
        waits: whether what it tells of still waits to be done (True also for news).
        recipient_gone: whether the recipient has left, or is no longer the customer's contact.
        has_address: whether they can be reached through this channel.
        cannot_render: why its template cannot be filled; None where it can.

    """

    channel_there: bool = True
    waits: bool = True
    recipient_gone: bool = False
    has_address: bool = True
    cannot_render: str | None = None


def start_sending(attempt: UUID, state: Message, context: Context) -> Decision:
    """Take it to hand it over, if it is still to be sent; who gets no `SendingStarted` of this attempt must not.

    Args:
        attempt: the worker's own id of it.
        state: of the message.
        context: with `Readiness` gathered.

    """
    prepared = state.prepared
    if prepared is None or state.state is not MessageState.QUEUED:
        return Decision()
    ready: Readiness = context.gathered
    message, customer = prepared.message, prepared.customer
    fact = _kept_back(prepared, context)
    if fact is None and not ready.waits:
        fact = MessageSuppressed(message=message, customer=customer, suppressed_for="done-meanwhile")
    if fact is None and ready.recipient_gone:
        fact = _out_of_reach(prepared, "recipient-gone")
    if fact is None and not ready.has_address:
        fact = _out_of_reach(prepared, "no-address")
    if fact is None and ready.cannot_render is not None:
        fact = _failed(prepared, ready.cannot_render)
    if fact is None and not ready.channel_there:
        # Somebody has to set it up: as rarely as a channel is tried at the end.
        fact = _held_to_try_again(sending_in_force(context).attempts, prepared, "channel-not-set-up", context)
    return Decision(
        [fact or SendingStarted(message=message, customer=customer, attempt=attempt, channel=prepared.channel)]
    )


def _out_of_reach(prepared: MessagePrepared, why: SuppressedFor) -> Fact:
    """Nobody can be reached; that a customer was not told is known elsewhere (R4.6: it counts as an attempt)."""
    if prepared.recipient_kind == "contact":
        return _failed(prepared, why)
    return MessageSuppressed(message=prepared.message, customer=prepared.customer, suppressed_for=why)


def finish_sending(  # noqa: PLR0911 - one case per outcome
    attempt: UUID, outcome: Outcome, state: Message, context: Context, *, can_look_up: bool
) -> Decision:
    """Record what the channel said to an attempt; also when it comes late and the attempt was given up.

    Args:
        attempt: as it was started.
        outcome: the channel's word.
        state: of the message.
        context: the policy in force.
        can_look_up: whether the channel can be asked later.

    """
    prepared = state.prepared
    in_hand = state.state in (MessageState.SENDING, MessageState.UNKNOWN) and state.attempt == attempt
    if prepared is None or not in_hand:
        return Decision()
    look_at = _look_at(0, context) if can_look_up else None
    match outcome:
        case Delivered(reference):
            return Decision([_sent(prepared, attempt, reference), _delivered(prepared, reference)])
        case Accepted(reference):
            return Decision([_sent(prepared, attempt, reference, look_at)])
        case FailedForGood(code):
            return Decision([_failed(prepared, code)])
        case TryAgain(code):
            return Decision([_tried(state, prepared, code, context)])
        case Unknown(code):
            if state.state is MessageState.UNKNOWN:
                return Decision()
            unknown = OutcomeUnknown(
                message=prepared.message, customer=prepared.customer, attempt=attempt, detail=code, look_at=look_at
            )
            return Decision([unknown])


def give_up_attempt(attempt: UUID, state: Message, context: Context, *, can_look_up: bool) -> Decision:
    """The worker that had it in hand is gone without a word: whether it was sent is not known."""
    if state.state is not MessageState.SENDING:
        return Decision()
    return finish_sending(attempt, Unknown("interrupted"), state, context, can_look_up=can_look_up)


def note_look_up(  # noqa: PLR0911 - one case per outcome
    outcome: Outcome, state: Message, context: Context
) -> Decision:
    """Record what a provider says of a message that it was handed earlier.

    A message without a trace at the last look has failed: the provider never took it, and by then it is too late to
    send it as if nothing had been. Where the provider could not be asked, it stays as it is.
    """
    prepared = state.prepared
    if prepared is None or state.attempt is None or state.state not in (MessageState.SENT, MessageState.UNKNOWN):
        return Decision()
    look_at = _look_at(state.looks + 1, context)
    match outcome:
        case Delivered(reference):
            return Decision([_delivered(prepared, reference)])
        case FailedForGood(code):
            return Decision([_failed(prepared, code)])
        case TryAgain(code) if state.state is MessageState.UNKNOWN:
            return Decision([_tried(state, prepared, code, context)])
        case Accepted(reference) if state.state is MessageState.UNKNOWN:
            return Decision([_sent(prepared, state.attempt, reference, look_at)])
        case Unknown(code) if code == NO_TRACE and look_at is None and state.state is MessageState.UNKNOWN:
            return Decision([_failed(prepared, code)])
        case Accepted():
            detail = "on-its-way"
        case Unknown(code) | TryAgain(code):
            detail = code
    asked = ProviderAsked(message=prepared.message, customer=prepared.customer, detail=detail, look_at=look_at)
    return Decision([asked])


def _look_at(looks: int, context: Context) -> datetime | None:
    after = sending_in_force(context).look_after(looks)
    return context.now + after if after is not None else None


def _tried(state: Message, prepared: MessagePrepared, code: str, context: Context) -> Fact:
    if state.attempts >= sending_in_force(context).attempts:
        return _failed(prepared, code)
    return _held_to_try_again(state.attempts, prepared, code, context)


def _held_to_try_again(attempts: int, prepared: MessagePrepared, code: str, context: Context) -> MessageHeld:
    return MessageHeld(
        message=prepared.message,
        customer=prepared.customer,
        until=context.now + sending_in_force(context).retry_after(attempts),
        held_for="try-again",
        detail=code,
    )


def _sent(
    prepared: MessagePrepared, attempt: UUID, reference: str | None, look_at: datetime | None = None
) -> MessageSent:
    return MessageSent(
        message=prepared.message,
        customer=prepared.customer,
        attempt=attempt,
        provider_reference=reference,
        look_at=look_at,
    )


def _failed(prepared: MessagePrepared, code: str) -> MessageFailed:
    return MessageFailed(
        message=prepared.message,
        customer=prepared.customer,
        channel=prepared.channel,
        reason=code,
        template=prepared.template,
        cause=str(prepared.reason),
    )


def _delivered(prepared: MessagePrepared, reference: str | None) -> MessageDelivered:
    return MessageDelivered(
        message=prepared.message,
        customer=prepared.customer,
        channel=prepared.channel,
        provider_reference=reference,
        template=prepared.template,
        cause=str(prepared.reason),
    )


# --- people ----------------------------------------------------------------------------------------------------------

#: They left its channel, or may have.
_CONFIRMABLE = frozenset({MessageState.SENT, MessageState.UNKNOWN, MessageState.DELIVERED})


@dataclass(frozen=True, slots=True)
class ConfirmMessage:
    """Say that a message arrived, and how one knows."""

    how: ConfirmedBy


@dataclass(frozen=True, slots=True)
class Ownership:
    """Whose the customer is that a message is about."""

    owner: str | None = None
    collaborators: tuple[str, ...] = ()


def confirm_message(command: ConfirmMessage, state: Message, context: Context) -> Decision:
    """Record that a message arrived: by its recipient, or for a customer's contact by whoever deals with them.

    Args:
        command: how they know.
        state: of the message.
        context: with `Ownership` gathered.

    Raises:
        NotFound: there is no such message.
        Forbidden: it is not theirs to say.
        Refused: it was not sent, or has been confirmed.

    """
    prepared = state.prepared
    if prepared is None:
        raise NotFound("没有这条消息。", "There is no such message.", code="message-not-found")
    if not _may_confirm(prepared, context):
        raise Forbidden(
            "只有收件人本人可以确认收到；发给客户联系人的，由该客户的营销员或部门经理确认。",
            "A message is confirmed by its recipient; one to a customer's contact by the customer's salesperson or the "
            "department manager.",
            clause="Notifications",
            code="not-yours-to-confirm",
        )
    if state.state not in _CONFIRMABLE:
        raise Refused(
            f"该消息当前状态为 {state.state.value}，只有已发出且尚未确认的消息才能确认。",
            f"This message is {state.state.value}: only one that was sent, and not confirmed yet, can be.",
            clause="Notifications",
            code="not-sent",
            state=state.state.value,
        )
    confirmed = MessageConfirmed(
        message=prepared.message, customer=prepared.customer, confirmed_by=context.actor.id, how=command.how
    )
    return Decision([confirmed])


def _may_confirm(prepared: MessagePrepared, context: Context) -> bool:
    actor = context.actor
    if prepared.recipient_kind == "employee":
        return actor.id == prepared.recipient
    if actor.departing:
        return False
    ownership: Ownership = context.gathered
    owns = actor.id == ownership.owner or actor.id in ownership.collaborators
    manages = prepared.department is not None and actor.has(Role.DEPT_MANAGER, department=prepared.department)
    return manages or (owns and actor.has(Role.SALESPERSON))
