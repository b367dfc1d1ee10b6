"""A template: its name, the variables that it may use, and its words."""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from kehu.text import Paragraph

#: The channel that a template is written for; where it is not set up, the sandbox stands in.
Outlet = Literal["sms", "wecom"]

_PLACE = re.compile(r"\{(\w+)\}", re.ASCII)
_BRACES = re.compile(r"[{}]")


class TemplateName(StrEnum):
    """Every template there is. Names are kept for ever: old versions and old messages refer to them."""

    DOSSIER_TO_REVIEW = "dossier-to-review"
    DOSSIER_RETURNED = "dossier-returned"
    TURN_TO_SIGN = "turn-to-sign"
    QUALIFICATION_APPROVED = "qualification-approved"
    QUALIFICATION_RETURNED = "qualification-returned"
    QUALIFICATION_REJECTED = "qualification-rejected"
    GRADE_ASSIGNED = "grade-assigned"
    INDICATIVE_GRADE_CHANGED = "indicative-grade-changed"
    GRADE_DRIFT = "grade-drift"
    GRADE_DRIFT_ENDED = "grade-drift-ended"
    VISIT_PLANNED = "visit-planned"
    VISIT_CANCELLED = "visit-cancelled"
    VISIT_RECORD_OVERDUE = "visit-record-overdue"
    CUSTOMER_ACTIVATED = "customer-activated"
    CHANGE_TO_REVIEW = "change-to-review"
    CHANGE_DECLINED = "change-declined"
    VERIFICATION_DUE = "verification-due"
    VERIFICATION_REMINDER = "verification-reminder"
    VERIFICATION_OVERDUE = "verification-overdue"
    REPORT_MISSING = "report-missing"
    REPORT_NOT_RECEIVED = "report-not-received"
    DELEGATE_APPOINTED = "delegate-appointed"
    STEP_ESCALATED = "step-escalated"
    DEPARTURE_STARTED = "departure-started"
    SUCCESSORS_TO_PROPOSE = "successors-to-propose"
    SUCCESSION_TO_ACCEPT = "succession-to-accept"
    CUSTOMER_HANDOVER = "customer-handover"
    DOCUMENT_EXPIRING = "document-expiring"
    DOCUMENT_LAST_DAY = "document-last-day"
    CUSTOMER_SUSPENDED = "customer-suspended"
    SUSPENSION_LIFTED = "suspension-lifted"
    BATCH_TO_SHIP = "batch-to-ship"
    PAYMENT_RECEIVED = "payment-received"
    RELEASE_BLOCKED = "release-blocked"
    GOODS_SHIPPED = "goods-shipped"
    SHIPMENT_LEFT = "shipment-left"
    SHIPPING_STOPPED = "shipping-stopped"
    RECEIPT_TO_ALLOCATE = "receipt-to-allocate"
    RECEIPT_UNIDENTIFIED = "receipt-unidentified"
    CREDIT_INCIDENT = "credit-incident"
    INVOICE_TO_REVIEW = "invoice-to-review"
    INVOICE_TO_ISSUE = "invoice-to-issue"
    INVOICE_REQUEST_CLOSED = "invoice-request-closed"
    INVOICE_TO_COLLECT = "invoice-to-collect"
    INVOICE_ISSUED = "invoice-issued"
    RED_LETTER_ISSUED = "red-letter-issued"
    RED_LETTER_DUE = "red-letter-due"


#: Known of every message about a customer, and looked up when it is sent.
LIVE_VARIABLES = frozenset({"customer_number", "customer_name", "recipient_name"})
#: What the reason for the message tells besides; may only grow.
TOLD_VARIABLES: Mapping[TemplateName, frozenset[str]] = {
    TemplateName.TURN_TO_SIGN: frozenset({"step"}),
    TemplateName.QUALIFICATION_RETURNED: frozenset({"step", "back_to"}),
    TemplateName.QUALIFICATION_REJECTED: frozenset({"step"}),
    TemplateName.GRADE_ASSIGNED: frozenset({"grade"}),
    TemplateName.INDICATIVE_GRADE_CHANGED: frozenset({"grade", "previous"}),
    TemplateName.GRADE_DRIFT: frozenset({"official", "indicative"}),
    TemplateName.GRADE_DRIFT_ENDED: frozenset({"official", "indicative"}),
    TemplateName.VISIT_PLANNED: frozenset({"day"}),
    TemplateName.VISIT_CANCELLED: frozenset({"day"}),
    TemplateName.VISIT_RECORD_OVERDUE: frozenset({"day"}),
    TemplateName.VERIFICATION_DUE: frozenset({"quarter", "day"}),
    TemplateName.VERIFICATION_REMINDER: frozenset({"quarter"}),
    TemplateName.VERIFICATION_OVERDUE: frozenset({"quarter"}),
    TemplateName.REPORT_MISSING: frozenset({"department", "month"}),
    TemplateName.REPORT_NOT_RECEIVED: frozenset({"department", "month"}),
    TemplateName.DELEGATE_APPOINTED: frozenset({"first_day", "last_day"}),
    TemplateName.STEP_ESCALATED: frozenset({"day"}),
    TemplateName.DEPARTURE_STARTED: frozenset({"day"}),
    TemplateName.SUCCESSORS_TO_PROPOSE: frozenset({"day"}),
    TemplateName.SUCCESSION_TO_ACCEPT: frozenset({"day"}),
    TemplateName.DOCUMENT_EXPIRING: frozenset({"document", "day"}),
    TemplateName.DOCUMENT_LAST_DAY: frozenset({"document", "day"}),
    TemplateName.BATCH_TO_SHIP: frozenset({"order", "batch"}),
    TemplateName.PAYMENT_RECEIVED: frozenset({"order", "batch"}),
    TemplateName.RELEASE_BLOCKED: frozenset({"order", "batch"}),
    TemplateName.GOODS_SHIPPED: frozenset({"order", "batch", "day"}),
    TemplateName.SHIPMENT_LEFT: frozenset({"order", "batch", "day"}),
    TemplateName.SHIPPING_STOPPED: frozenset({"order"}),
    TemplateName.RECEIPT_TO_ALLOCATE: frozenset({"receipt"}),
    TemplateName.RECEIPT_UNIDENTIFIED: frozenset({"receipt"}),
    TemplateName.INVOICE_TO_REVIEW: frozenset({"request"}),
    TemplateName.INVOICE_TO_ISSUE: frozenset({"day"}),
    TemplateName.INVOICE_REQUEST_CLOSED: frozenset({"outcome"}),
    TemplateName.INVOICE_TO_COLLECT: frozenset({"invoice"}),
    TemplateName.INVOICE_ISSUED: frozenset({"invoice"}),
    TemplateName.RED_LETTER_ISSUED: frozenset({"invoice"}),
    TemplateName.RED_LETTER_DUE: frozenset({"order"}),
}


class Template(BaseModel):
    """One message's words. ``{customer_name}`` and the like are replaced when it is sent.

    Args:
        channel: what it is written for.
        zh: in Chinese; an SMS is this alone.
        en: in English, beside it where employees read it.
        urgent: sent in quiet hours too.
        expires_after_hours: not sent later than so long after what it tells of happened.
        sms_code: the provider's id of the approved template with the same words; an SMS needs one.

    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    channel: Outlet
    zh: Annotated[Paragraph, Field(min_length=1)]
    en: Paragraph = ""
    urgent: bool = False
    expires_after_hours: Annotated[int, Field(ge=1, le=8760)]
    sms_code: Annotated[str, Field(max_length=64)] = ""

    @property
    def variables(self) -> list[str]:
        """What its words ask for, in the order of their first places in the Chinese text."""
        return list(dict.fromkeys(_PLACE.findall(self.zh) + _PLACE.findall(self.en)))

    @property
    def well_formed(self) -> bool:
        """Whether every brace in its words belongs to a variable's place."""
        return not any(_BRACES.search(_PLACE.sub("", text)) for text in (self.zh, self.en))


def fill(text: str, values: Mapping[str, str]) -> str:
    """A template's text with its places filled; the values are taken as they are, braces included."""
    return _PLACE.sub(lambda place: values[place.group(1)], text)
