"""From somebody who is to be told to the message that tells them, and back out of what it was held for."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any

from kehu.deciding import Context, Decision
from kehu.facts import RecordedFact
from kehu.service import Due, Reaction, Schedule
from kehu_notifier.messages.decisions import message_id, release, request_message
from kehu_notifier.messages.facts import MESSAGES, Message, MessageHeld
from kehu_notifier.notices.facts import NoticeAddressed
from kehu_notifier.templates.template import Outlet


def write_message(service: str, outlets: Collection[Outlet]) -> Reaction:
    """The reaction that requests a message for everybody who is addressed.

    Args:
        service: the notifier's own name: it is its own fact that it reacts to.
        outlets: the channels that are set up.

    """

    def decide(recorded: RecordedFact[NoticeAddressed], state: Message, context: Context) -> Decision:
        return request_message(recorded, state, context, outlets=outlets)

    return Reaction("write-message", NoticeAddressed, service, MESSAGES, _message, decide)


def _message(recorded: RecordedFact[Any]) -> list[str]:
    fact: NoticeAddressed = recorded.fact
    return [message_id(fact.reason, fact.template, fact.recipient)]


def _due(recorded: RecordedFact[MessageHeld]) -> Due:
    return Due(recorded.fact.message, recorded.fact.until)


def _release(_message: str, _due: datetime, state: Message, context: Context) -> Decision:
    return release(state, context)


#: Quiet hours end, or a channel is tried again.
MESSAGE_HELD = Schedule(
    kind="message-held",
    planned_by={MessageHeld: _due},
    category=MESSAGES,
    stream_id=lambda message: message,
    fire=_release,
)
