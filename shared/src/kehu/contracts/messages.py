"""Published by the notifier: what was to be sent to whom and what became of it; never the text or an address."""

from __future__ import annotations

from typing import Literal

from kehu.contracts.published import PublishedFact

Channel = Literal["sandbox", "sms", "wecom", "email"]


class MessageRequested(PublishedFact, clause="Notifications"):
    """A fact makes somebody wait for something: they are to be told."""

    message: str
    #: Id of the fact that is the reason.
    reason: str
    template: str
    template_version: int
    recipient: str
    recipient_kind: Literal["employee", "contact"]
    customer: str | None = None
    channel: Channel


class MessageDelivered(PublishedFact, clause="Notifications"):
    """It has reached its recipient, as far as the channel can tell."""

    message: str
    customer: str | None = None
    channel: Channel
    provider_reference: str | None = None
    #: Which template, and the id of the fact that was the reason, for whoever waits for it to be delivered.
    template: str | None = None
    cause: str | None = None


class MessageFailed(PublishedFact, clause="Notifications"):
    """It could not be delivered, and will not be tried again."""

    message: str
    customer: str | None = None
    channel: Channel
    reason: str
    template: str | None = None
    cause: str | None = None
