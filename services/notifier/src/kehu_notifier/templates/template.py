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
    TAKE_OVER_TO_CONFIRM = "take-over-to-confirm"
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
    VISIT_DEVIATES = "visit-deviates"
    CUSTOMER_ACTIVATED = "customer-activated"
    CHANGE_TO_REVIEW = "change-to-review"
    CHANGE_DECLINED = "change-declined"
    CHANGE_PASSED = "change-passed"
    OWNER_ASSIGNED = "owner-assigned"
    RELATION_TO_REVIEW = "relation-to-review"
    RELATION_DECLINED = "relation-declined"
    RELATION_AGREED = "relation-agreed"
    MERGE_TO_CONFIRM = "merge-to-confirm"
    UNMERGE_TO_CONFIRM = "unmerge-to-confirm"
    MERGE_DECLINED = "merge-declined"
    CUSTOMERS_MERGED = "customers-merged"
    CUSTOMERS_UNMERGED = "customers-unmerged"
    CUSTOMER_CLOSED = "customer-closed"
    CUSTOMER_REOPENED = "customer-reopened"
    VERIFICATION_DUE = "verification-due"
    VERIFICATION_REMINDER = "verification-reminder"
    VERIFICATION_OVERDUE = "verification-overdue"
    VERIFIER_NEEDED = "verifier-needed"
    CONTACTS_UNREACHABLE = "contacts-unreachable"
    REPORT_DUE = "report-due"
    REPORT_MISSING = "report-missing"
    REPORT_NOT_RECEIVED = "report-not-received"
    MEASURE_ASSIGNED = "measure-assigned"
    MEASURE_TAKEN_OFF = "measure-taken-off"
    MEASURE_OVERDUE = "measure-overdue"
    MEASURE_WITHDRAWN = "measure-withdrawn"
    ROLE_TO_CONFIRM = "role-to-confirm"
    DELEGATE_APPOINTED = "delegate-appointed"
    DELEGATION_ENDED = "delegation-ended"
    STEP_ESCALATED = "step-escalated"
    CUSTOMER_STEP_ESCALATED = "customer-step-escalated"
    QUALIFICATION_ESCALATED = "qualification-escalated"
    RENEWAL_ESCALATED = "renewal-escalated"
    DEPARTURE_STARTED = "departure-started"
    DEPARTURE_OF_YOURS = "departure-of-yours"
    DEPARTURE_CANCELLED = "departure-cancelled"
    DEPARTURE_CLEARED = "departure-cleared"
    ACCESS_ENDED = "access-ended"
    SUCCESSORS_TO_PROPOSE = "successors-to-propose"
    SUCCESSION_TO_ACCEPT = "succession-to-accept"
    SUCCESSION_DECLINED = "succession-declined"
    SUCCESSION_SETTLED = "succession-settled"
    OPEN_WORK_MOVED = "open-work-moved"
    CUSTOMER_HANDOVER = "customer-handover"
    NOTICE_UNDELIVERED = "notice-undelivered"
    DOCUMENT_EXPIRING = "document-expiring"
    DOCUMENT_LAST_DAY = "document-last-day"
    DOCUMENT_RENEWAL_DUE = "document-renewal-due"
    RENEWAL_TO_REVIEW = "renewal-to-review"
    RENEWAL_RETURNED = "renewal-returned"
    RENEWAL_PASSED = "renewal-passed"
    CUSTOMER_MAY_ORDER = "customer-may-order"
    QUALIFICATION_RENEWED = "qualification-renewed"
    AGREEMENT_RENEWED = "agreement-renewed"
    CUSTOMER_SUSPENDED = "customer-suspended"
    SUSPENSION_LIFTED = "suspension-lifted"
    PAYER_SUSPENDED = "payer-suspended"
    PAYER_RESTORED = "payer-restored"
    ORDER_ENTERED = "order-entered"
    ORDER_AMENDED = "order-amended"
    ORDER_CANCELLED = "order-cancelled"
    BATCH_TO_SHIP = "batch-to-ship"
    PAYMENT_RECEIVED = "payment-received"
    RELEASE_BLOCKED = "release-blocked"
    GOODS_SHIPPED = "goods-shipped"
    SHIPMENT_LEFT = "shipment-left"
    DELIVERY_OVERDUE = "delivery-overdue"
    PAYMENT_OVERDUE = "payment-overdue"
    STOP_TO_AGREE = "stop-to-agree"
    RESUMPTION_TO_AGREE = "resumption-to-agree"
    STOP_DECLINED = "stop-declined"
    SHIPPING_STOPPED = "shipping-stopped"
    SHIPPING_RESUMED = "shipping-resumed"
    GOODS_RETURNED = "goods-returned"
    RECEIPT_TO_ALLOCATE = "receipt-to-allocate"
    RECEIPT_UNIDENTIFIED = "receipt-unidentified"
    RECEIPT_REVERSED = "receipt-reversed"
    CREDIT_INCIDENT = "credit-incident"
    CREDIT_RESOLVED = "credit-resolved"
    CREDIT_WITHDRAWN = "credit-withdrawn"
    INVOICE_TO_REVIEW = "invoice-to-review"
    INVOICE_RETURNED = "invoice-returned"
    INVOICE_TO_ISSUE = "invoice-to-issue"
    INVOICE_REQUEST_CLOSED = "invoice-request-closed"
    INVOICE_TO_COLLECT = "invoice-to-collect"
    INVOICE_ISSUED = "invoice-issued"
    INVOICE_VOIDED = "invoice-voided"
    RED_LETTER_ISSUED = "red-letter-issued"
    RED_LETTER_DUE = "red-letter-due"
    RED_LETTER_TO_CONFIRM = "red-letter-to-confirm"
    RED_LETTER_ASKED = "red-letter-asked"
    RED_LETTER_TO_ISSUE = "red-letter-to-issue"
    RED_LETTER_DROPPED = "red-letter-dropped"


#: What of a message's customer, recipient, department and settlement unit is looked up when it is sent.
LIVE_VARIABLES = frozenset(
    {"customer_number", "customer_name", "recipient_name", "department_name", "payer_number", "payer_name"}
)
#: What the reason for the message tells besides; may only grow.
TOLD_VARIABLES: Mapping[TemplateName, frozenset[str]] = {
    TemplateName.DOSSIER_TO_REVIEW: frozenset({"due"}),
    TemplateName.TAKE_OVER_TO_CONFIRM: frozenset({"due"}),
    TemplateName.CHANGE_TO_REVIEW: frozenset({"fields", "due"}),
    TemplateName.RELATION_TO_REVIEW: frozenset({"region", "due"}),
    TemplateName.MERGE_TO_CONFIRM: frozenset({"survivor", "merged"}),
    TemplateName.UNMERGE_TO_CONFIRM: frozenset({"survivor", "merged"}),
    TemplateName.CUSTOMERS_MERGED: frozenset({"survivor", "merged"}),
    TemplateName.TURN_TO_SIGN: frozenset({"step", "due"}),
    TemplateName.QUALIFICATION_RETURNED: frozenset({"step", "back_to"}),
    TemplateName.QUALIFICATION_REJECTED: frozenset({"step"}),
    TemplateName.GRADE_ASSIGNED: frozenset({"grade"}),
    TemplateName.INDICATIVE_GRADE_CHANGED: frozenset({"grade", "previous"}),
    TemplateName.GRADE_DRIFT: frozenset({"official", "indicative"}),
    TemplateName.GRADE_DRIFT_ENDED: frozenset({"official", "indicative"}),
    TemplateName.VISIT_PLANNED: frozenset({"day"}),
    TemplateName.VISIT_CANCELLED: frozenset({"day"}),
    TemplateName.VISIT_RECORD_OVERDUE: frozenset({"day"}),
    TemplateName.VISIT_DEVIATES: frozenset({"day"}),
    TemplateName.VERIFICATION_DUE: frozenset({"quarter", "day"}),
    TemplateName.VERIFICATION_REMINDER: frozenset({"quarter"}),
    TemplateName.VERIFICATION_OVERDUE: frozenset({"quarter"}),
    TemplateName.VERIFIER_NEEDED: frozenset({"quarter", "day"}),
    TemplateName.CONTACTS_UNREACHABLE: frozenset({"quarter"}),
    TemplateName.REPORT_DUE: frozenset({"month", "day"}),
    TemplateName.REPORT_MISSING: frozenset({"department", "month"}),
    TemplateName.REPORT_NOT_RECEIVED: frozenset({"department", "month"}),
    TemplateName.MEASURE_ASSIGNED: frozenset({"quarter", "day"}),
    TemplateName.MEASURE_TAKEN_OFF: frozenset({"quarter"}),
    TemplateName.MEASURE_OVERDUE: frozenset({"quarter", "day"}),
    TemplateName.MEASURE_WITHDRAWN: frozenset({"quarter"}),
    TemplateName.ROLE_TO_CONFIRM: frozenset({"role"}),
    TemplateName.DELEGATE_APPOINTED: frozenset({"steps", "first_day", "last_day"}),
    TemplateName.STEP_ESCALATED: frozenset({"step", "day"}),
    TemplateName.CUSTOMER_STEP_ESCALATED: frozenset({"step", "day"}),
    TemplateName.QUALIFICATION_ESCALATED: frozenset({"step", "day"}),
    TemplateName.RENEWAL_ESCALATED: frozenset({"step", "day"}),
    TemplateName.DEPARTURE_STARTED: frozenset({"departure", "day"}),
    TemplateName.DEPARTURE_OF_YOURS: frozenset({"day"}),
    TemplateName.DEPARTURE_CANCELLED: frozenset({"departure"}),
    TemplateName.DEPARTURE_CLEARED: frozenset({"departure"}),
    TemplateName.ACCESS_ENDED: frozenset({"departure"}),
    TemplateName.SUCCESSORS_TO_PROPOSE: frozenset({"departure", "day"}),
    TemplateName.SUCCESSION_TO_ACCEPT: frozenset({"day"}),
    TemplateName.OPEN_WORK_MOVED: frozenset({"departure"}),
    TemplateName.NOTICE_UNDELIVERED: frozenset({"notice"}),
    TemplateName.DOCUMENT_EXPIRING: frozenset({"document", "day", "effect"}),
    TemplateName.DOCUMENT_LAST_DAY: frozenset({"document", "day", "effect"}),
    TemplateName.DOCUMENT_RENEWAL_DUE: frozenset({"documents"}),
    TemplateName.RENEWAL_TO_REVIEW: frozenset({"step", "due"}),
    TemplateName.PAYER_SUSPENDED: frozenset({"unit"}),
    TemplateName.PAYER_RESTORED: frozenset({"unit"}),
    TemplateName.ORDER_ENTERED: frozenset({"order"}),
    TemplateName.ORDER_AMENDED: frozenset({"order"}),
    TemplateName.ORDER_CANCELLED: frozenset({"order"}),
    TemplateName.BATCH_TO_SHIP: frozenset({"order", "batch"}),
    TemplateName.PAYMENT_RECEIVED: frozenset({"order", "batch"}),
    TemplateName.RELEASE_BLOCKED: frozenset({"order", "batch"}),
    TemplateName.GOODS_SHIPPED: frozenset({"order", "batch", "day"}),
    TemplateName.SHIPMENT_LEFT: frozenset({"order", "batch", "day"}),
    TemplateName.DELIVERY_OVERDUE: frozenset({"order", "batch", "day"}),
    TemplateName.PAYMENT_OVERDUE: frozenset({"order", "batch", "day"}),
    TemplateName.STOP_TO_AGREE: frozenset({"order"}),
    TemplateName.RESUMPTION_TO_AGREE: frozenset({"order"}),
    TemplateName.STOP_DECLINED: frozenset({"order"}),
    TemplateName.SHIPPING_STOPPED: frozenset({"order"}),
    TemplateName.SHIPPING_RESUMED: frozenset({"order"}),
    TemplateName.GOODS_RETURNED: frozenset({"order", "day"}),
    TemplateName.RECEIPT_TO_ALLOCATE: frozenset({"receipt", "amount"}),
    TemplateName.RECEIPT_UNIDENTIFIED: frozenset({"receipt", "amount"}),
    TemplateName.RECEIPT_REVERSED: frozenset({"receipt", "amount"}),
    TemplateName.INVOICE_TO_REVIEW: frozenset({"request"}),
    TemplateName.INVOICE_RETURNED: frozenset({"request"}),
    TemplateName.INVOICE_TO_ISSUE: frozenset({"request", "day"}),
    TemplateName.INVOICE_REQUEST_CLOSED: frozenset({"request", "outcome"}),
    TemplateName.INVOICE_TO_COLLECT: frozenset({"invoice"}),
    TemplateName.INVOICE_ISSUED: frozenset({"invoice"}),
    TemplateName.RED_LETTER_ISSUED: frozenset({"invoice"}),
    TemplateName.RED_LETTER_DUE: frozenset({"order", "amount"}),
    TemplateName.RED_LETTER_TO_CONFIRM: frozenset({"day"}),
    TemplateName.RED_LETTER_ASKED: frozenset({"day"}),
    TemplateName.RED_LETTER_DROPPED: frozenset({"outcome"}),
}
#: Somebody who is leaving still finishes the records of past visits, and hands over; they are told nothing else (R4.6).
TOLD_TO_LEAVERS = frozenset(
    {TemplateName.VISIT_RECORD_OVERDUE, TemplateName.DEPARTURE_OF_YOURS, TemplateName.DEPARTURE_CANCELLED}
)


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
