"""Where what a message tells of is found: the list of the service over HTTP on which it stands, for whoever is told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from kehu_notifier.templates.template import TemplateName


@dataclass(frozen=True, slots=True)
class Worklist:
    """A list of a service.

    Args:
        service: whose.
        path: of the list, with its query.

    """

    service: str
    path: str


_REGISTRY = "customer-registry"
_VETTING = "vetting"
_ENGAGEMENT = "engagement"
_GRADING = "grading"

_DOSSIERS = Worklist(_REGISTRY, "/dossiers?waiting_for=me")
_REGISTER = Worklist(_REGISTRY, "/register")
_VERIFICATIONS = Worklist(_REGISTRY, "/verifications?waiting_for=me")
_REPORTS = Worklist(_REGISTRY, "/monthly-reports?waiting_for=me")
_MEASURES = Worklist(_REGISTRY, "/purchase-measures?waiting_for=me")
_DEPARTURES = Worklist(_REGISTRY, "/departures?waiting_for=me")
_HANDOVERS = Worklist(_REGISTRY, "/handovers?waiting_for=me")
_DELEGATIONS = Worklist(_REGISTRY, "/delegations")
_ESCALATIONS = Worklist(_REGISTRY, "/escalations?waiting_for=me")
_QUALIFICATIONS = Worklist(_VETTING, "/qualifications?waiting_for=me")
_RENEWALS = Worklist(_VETTING, "/renewals?waiting_for=me")
_EXPIRING = Worklist(_VETTING, "/expiring-papers")
_SUSPENDED = Worklist(_VETTING, "/suspended-customers")
_UNITS = Worklist(_VETTING, "/settlement-units")
_ORDERS = Worklist(_VETTING, "/orders")
_STOPS = Worklist(_VETTING, "/orders?waiting_for=me")
_DELIVERIES = Worklist(_VETTING, "/deliveries?waiting_for=me")
_RECEIPTS = Worklist(_VETTING, "/receipts?waiting_for=me")
_CREDIT = Worklist(_VETTING, "/credit")
_REQUESTS = Worklist(_VETTING, "/invoice-requests?waiting_for=me")
_COLLECTING = Worklist(_VETTING, "/invoices?waiting_for=me")
_INVOICES = Worklist(_VETTING, "/invoices")
_RED_LETTERS = Worklist(_VETTING, "/red-letters?waiting_for=me")
_RED_DUE = Worklist(_VETTING, "/red-letters/due?waiting_for=me")
_VISITS = Worklist(_ENGAGEMENT, "/visits")
_GRADES = Worklist(_GRADING, "/grades")
_WATCH_LIST = Worklist(_GRADING, "/watch-list")

#: Of every template that employees read; customers have no lists here.
WORKLISTS: Mapping[TemplateName, Worklist] = {
    TemplateName.DOSSIER_TO_REVIEW: _DOSSIERS,
    TemplateName.DOSSIER_RETURNED: _DOSSIERS,
    TemplateName.TAKE_OVER_TO_CONFIRM: _DOSSIERS,
    TemplateName.CHANGE_TO_REVIEW: _DOSSIERS,
    TemplateName.CHANGE_DECLINED: _REGISTER,
    TemplateName.CHANGE_PASSED: _REGISTER,
    TemplateName.OWNER_ASSIGNED: _REGISTER,
    TemplateName.RELATION_TO_REVIEW: _DOSSIERS,
    TemplateName.RELATION_DECLINED: _REGISTER,
    TemplateName.RELATION_AGREED: _REGISTER,
    TemplateName.MERGE_TO_CONFIRM: _DOSSIERS,
    TemplateName.UNMERGE_TO_CONFIRM: _DOSSIERS,
    TemplateName.MERGE_DECLINED: _REGISTER,
    TemplateName.CUSTOMERS_MERGED: _REGISTER,
    TemplateName.CUSTOMERS_UNMERGED: _REGISTER,
    TemplateName.CUSTOMER_CLOSED: _REGISTER,
    TemplateName.CUSTOMER_REOPENED: _REGISTER,
    TemplateName.VERIFICATION_DUE: _VERIFICATIONS,
    TemplateName.VERIFICATION_REMINDER: _VERIFICATIONS,
    TemplateName.VERIFICATION_OVERDUE: _VERIFICATIONS,
    TemplateName.VERIFIER_NEEDED: _VERIFICATIONS,
    TemplateName.CONTACTS_UNREACHABLE: _VERIFICATIONS,
    TemplateName.REPORT_DUE: _REPORTS,
    TemplateName.REPORT_MISSING: _REPORTS,
    TemplateName.REPORT_NOT_RECEIVED: Worklist(_REGISTRY, "/monthly-reports?state=missing"),
    TemplateName.MEASURE_ASSIGNED: _MEASURES,
    TemplateName.MEASURE_TAKEN_OFF: _MEASURES,
    TemplateName.MEASURE_OVERDUE: Worklist(_REGISTRY, "/purchase-measures?overdue=true"),
    TemplateName.MEASURE_WITHDRAWN: _MEASURES,
    TemplateName.ROLE_TO_CONFIRM: Worklist(_REGISTRY, "/staff/proposals?waiting_for=me"),
    TemplateName.DELEGATE_APPOINTED: _DELEGATIONS,
    TemplateName.DELEGATION_ENDED: _DELEGATIONS,
    TemplateName.STEP_ESCALATED: _ESCALATIONS,
    TemplateName.CUSTOMER_STEP_ESCALATED: _ESCALATIONS,
    TemplateName.QUALIFICATION_ESCALATED: Worklist(_VETTING, "/qualifications"),
    TemplateName.RENEWAL_ESCALATED: Worklist(_VETTING, "/renewals"),
    TemplateName.DEPARTURE_STARTED: _DEPARTURES,
    TemplateName.DEPARTURE_OF_YOURS: Worklist(_ENGAGEMENT, "/visits?state=overdue"),
    TemplateName.DEPARTURE_CANCELLED: Worklist(_REGISTRY, "/departures?state=cancelled"),
    TemplateName.DEPARTURE_CLEARED: Worklist(_REGISTRY, "/departures?state=cleared"),
    TemplateName.ACCESS_ENDED: _DEPARTURES,
    TemplateName.SUCCESSORS_TO_PROPOSE: _HANDOVERS,
    TemplateName.SUCCESSION_TO_ACCEPT: _HANDOVERS,
    TemplateName.SUCCESSION_DECLINED: _HANDOVERS,
    TemplateName.OPEN_WORK_MOVED: Worklist(_REGISTRY, "/moved-work?waiting_for=me"),
    TemplateName.SUCCESSION_SETTLED: _HANDOVERS,
    TemplateName.NOTICE_UNDELIVERED: Worklist("notifier", "/messages?state=failed"),
    TemplateName.TURN_TO_SIGN: _QUALIFICATIONS,
    TemplateName.QUALIFICATION_APPROVED: _QUALIFICATIONS,
    TemplateName.QUALIFICATION_RETURNED: _QUALIFICATIONS,
    TemplateName.QUALIFICATION_REJECTED: Worklist(_VETTING, "/qualifications?status=rejected"),
    TemplateName.CUSTOMER_MAY_ORDER: _ORDERS,
    TemplateName.QUALIFICATION_RENEWED: Worklist(_VETTING, "/qualifications"),
    TemplateName.AGREEMENT_RENEWED: _EXPIRING,
    TemplateName.DOCUMENT_EXPIRING: _EXPIRING,
    TemplateName.DOCUMENT_LAST_DAY: _EXPIRING,
    TemplateName.DOCUMENT_RENEWAL_DUE: _EXPIRING,
    TemplateName.RENEWAL_TO_REVIEW: _RENEWALS,
    TemplateName.RENEWAL_RETURNED: _RENEWALS,
    TemplateName.RENEWAL_PASSED: Worklist(_VETTING, "/renewals"),
    TemplateName.CUSTOMER_SUSPENDED: _SUSPENDED,
    TemplateName.SUSPENSION_LIFTED: _ORDERS,
    TemplateName.PAYER_SUSPENDED: Worklist(_VETTING, "/settlement-units?suspended=true"),
    TemplateName.PAYER_RESTORED: _UNITS,
    TemplateName.ORDER_ENTERED: _ORDERS,
    TemplateName.ORDER_AMENDED: _ORDERS,
    TemplateName.ORDER_CANCELLED: Worklist(_VETTING, "/orders?status=cancelled"),
    TemplateName.BATCH_TO_SHIP: _DELIVERIES,
    TemplateName.RELEASE_BLOCKED: _DELIVERIES,
    TemplateName.SHIPMENT_LEFT: Worklist(_VETTING, "/shipments"),
    TemplateName.DELIVERY_OVERDUE: _DELIVERIES,
    TemplateName.PAYMENT_OVERDUE: _DELIVERIES,
    TemplateName.STOP_TO_AGREE: _STOPS,
    TemplateName.RESUMPTION_TO_AGREE: _STOPS,
    TemplateName.STOP_DECLINED: _ORDERS,
    TemplateName.SHIPPING_STOPPED: _ORDERS,
    TemplateName.SHIPPING_RESUMED: _DELIVERIES,
    TemplateName.GOODS_RETURNED: _ORDERS,
    TemplateName.RECEIPT_TO_ALLOCATE: _RECEIPTS,
    TemplateName.RECEIPT_UNIDENTIFIED: _RECEIPTS,
    TemplateName.RECEIPT_REVERSED: Worklist(_VETTING, "/receipts"),
    TemplateName.CREDIT_INCIDENT: _CREDIT,
    TemplateName.CREDIT_RESOLVED: _CREDIT,
    TemplateName.CREDIT_WITHDRAWN: _CREDIT,
    TemplateName.INVOICE_TO_REVIEW: _REQUESTS,
    TemplateName.INVOICE_RETURNED: _REQUESTS,
    TemplateName.INVOICE_TO_ISSUE: _REQUESTS,
    TemplateName.INVOICE_REQUEST_CLOSED: Worklist(_VETTING, "/invoice-requests"),
    TemplateName.INVOICE_TO_COLLECT: _COLLECTING,
    TemplateName.INVOICE_VOIDED: _INVOICES,
    TemplateName.RED_LETTER_ISSUED: _INVOICES,
    TemplateName.RED_LETTER_DUE: _RED_DUE,
    TemplateName.RED_LETTER_ASKED: Worklist(_VETTING, "/red-letters"),
    TemplateName.RED_LETTER_TO_ISSUE: _RED_LETTERS,
    TemplateName.RED_LETTER_DROPPED: Worklist(_VETTING, "/red-letters"),
    TemplateName.GRADE_ASSIGNED: _GRADES,
    TemplateName.INDICATIVE_GRADE_CHANGED: _GRADES,
    TemplateName.GRADE_DRIFT: _WATCH_LIST,
    TemplateName.GRADE_DRIFT_ENDED: _GRADES,
    TemplateName.VISIT_PLANNED: Worklist(_ENGAGEMENT, "/visits?state=planned"),
    TemplateName.VISIT_CANCELLED: Worklist(_ENGAGEMENT, "/visits?state=cancelled"),
    TemplateName.VISIT_RECORD_OVERDUE: Worklist(_ENGAGEMENT, "/visits?state=overdue"),
    TemplateName.VISIT_DEVIATES: _VISITS,
}
