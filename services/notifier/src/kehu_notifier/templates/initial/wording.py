"""How the words that come with the software are put: to employees in both languages, to customers as an SMS."""

from __future__ import annotations

from kehu_notifier.templates.template import Template

#: Whom a message is about, as its reader knows the customer.
CUSTOMER = "{customer_number} {customer_name}"
WEEK = 7 * 24
TWO_WEEKS = 2 * WEEK
QUARTER = 13 * WEEK


def to_staff(zh: str, en: str, hours: int = WEEK) -> Template:
    """What employees read at work; not told later than so many hours after it happened."""
    return Template(channel="wecom", zh=zh, en=en, expires_after_hours=hours)


def to_customer(zh: str, hours: int = 3 * 24) -> Template:
    """What a customer's main contact gets by SMS."""
    return Template(channel="sms", zh=zh, expires_after_hours=hours)
