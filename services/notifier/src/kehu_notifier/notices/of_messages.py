"""What becomes of messages to customers, and somebody has to make up for (R4.6)."""

from __future__ import annotations

from kehu.contracts.messages import MessageFailed
from kehu.facts import RecordedFact
from kehu_notifier.notices.decisions import News
from kehu_notifier.notices.facts import Notices
from kehu_notifier.notices.telling import NOTIFIER, OWNER, need, news, telling
from kehu_notifier.templates.template import TemplateName
from kehu_notifier.templates.words import TO_CUSTOMERS


def message_failed(recorded: RecordedFact[MessageFailed], _state: Notices) -> News:
    """What did not reach a customer's contact, the owner is to tell them in another way."""
    fact, thing = recorded.fact, _message(recorded.fact) or ""
    values = {"notice": fact.template or ""}
    return news(recorded, thing, need(recorded, thing, TemplateName.NOTICE_UNDELIVERED, OWNER, values))


def _message(fact: MessageFailed) -> str | None:
    return f"message:{fact.message}" if fact.customer and fact.template in TO_CUSTOMERS else None


REACTIONS = (telling("tell-message-failed", MessageFailed, NOTIFIER, _message, message_failed),)
