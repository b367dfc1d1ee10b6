"""Published by every service: its answers to what other systems sent to its inbound topic."""

from __future__ import annotations

from kehu.contracts.published import PublishedFact


class InboundRefused(PublishedFact):
    """A message from another system was not taken; nothing else is recorded of it.

    `source`, `message_id` and `type` are the sender's own, empty where they could not be made out (then `message_id` is
    ``sha256:`` and the message's digest). `rule` is the policy's clause that refuses it, empty where it is not the
    policy's. The reasons say what to mend; they hold no personal data.
    """

    source: str
    message_id: str
    type: str
    code: str
    rule: str
    reason_zh: str
    reason_en: str
