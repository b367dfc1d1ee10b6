"""What dossiers make people wait for: reviews, major changes, verifications, monthly reports (R4, R5.3.5)."""

from __future__ import annotations

from kehu.contracts.customers import (
    CustomerChanged,
    CustomerChangeDeclined,
    CustomerChangeProposed,
    CustomerRegistered,
    DossierReturned,
    DossierSubmitted,
    MonthlyReportMissing,
    MonthlyReportSubmitted,
    OwnerAssigned,
    VerificationDone,
    VerificationDue,
    VerificationReminded,
)
from kehu.contracts.staff import DelegableStep, Role
from kehu.facts import RecordedFact
from kehu_notifier.notices.decisions import News
from kehu_notifier.notices.facts import Notices
from kehu_notifier.notices.telling import REGISTRY, ended, holders, need, news, person, telling
from kehu_notifier.templates.template import TemplateName


def dossier_submitted(recorded: RecordedFact[DossierSubmitted], _state: Notices) -> News:
    """The department's manager is to review it."""
    fact = recorded.fact
    managers = holders(
        Role.DEPT_MANAGER, fact.department, step=DelegableStep.DOSSIER_REVIEW, barred=[fact.submitted_by]
    )
    needed = need(recorded, fact.customer, TemplateName.DOSSIER_TO_REVIEW, managers, waiting=True)
    return news(recorded, fact.customer, needed, ends=True)


def dossier_returned(recorded: RecordedFact[DossierReturned], _state: Notices) -> News:
    """The salesperson is to mend it; the next submission or registration ends that."""
    fact = recorded.fact
    needed = need(recorded, fact.customer, TemplateName.DOSSIER_RETURNED, person(fact.submitted_by), waiting=True)
    return news(recorded, fact.customer, needed, ends=True)


def customer_registered(recorded: RecordedFact[CustomerRegistered], _state: Notices) -> News:
    """Nobody has to review it any more."""
    return news(recorded, recorded.fact.customer, ends=True)


# --- major changes (R4.4) --------------------------------------------------------------------------------------------


def change_proposed(recorded: RecordedFact[CustomerChangeProposed], _state: Notices) -> News:
    """The department's manager is to pass it, or to say why not."""
    fact = recorded.fact
    managers = holders(Role.DEPT_MANAGER, fact.department, step=DelegableStep.DOSSIER_CHANGE, barred=[fact.proposed_by])
    return news(
        recorded, fact.change, need(recorded, fact.change, TemplateName.CHANGE_TO_REVIEW, managers, waiting=True)
    )


def change_declined(recorded: RecordedFact[CustomerChangeDeclined], _state: Notices) -> News:
    """Whoever proposed it is told."""
    fact = recorded.fact
    told = need(recorded, fact.change, TemplateName.CHANGE_DECLINED, person(fact.proposed_by))
    return news(recorded, fact.change, told, ends=True)


def _change(fact: CustomerChanged | OwnerAssigned) -> str | None:
    return fact.change


# --- verification (R4.5.1) -------------------------------------------------------------------------------------------


def verification_due(recorded: RecordedFact[VerificationDue], _state: Notices) -> News:
    """Its verifier is to confirm the dossier; a verifier appointed instead takes the former one's place."""
    fact = recorded.fact
    values = {"quarter": fact.quarter, "day": fact.due_on.isoformat()}
    told = need(recorded, fact.verification, TemplateName.VERIFICATION_DUE, person(fact.verifier), values, waiting=True)
    return news(recorded, fact.verification, told, ends=True)


def verification_reminded(recorded: RecordedFact[VerificationReminded], _state: Notices) -> News:
    """Its verifier is reminded; once it is overdue, the manager is to know."""
    fact = recorded.fact
    template = TemplateName.VERIFICATION_OVERDUE if fact.overdue else TemplateName.VERIFICATION_REMINDER
    audiences = [person(fact.verifier)] + ([holders(Role.DEPT_MANAGER, fact.department)] if fact.overdue else [])
    needs = [
        need(recorded, fact.verification, template, one, {"quarter": fact.quarter}, waiting=True) for one in audiences
    ]
    return news(recorded, fact.verification, *needs)


# --- monthly reports (R5.3.5) ----------------------------------------------------------------------------------------


def report_missing(recorded: RecordedFact[MonthlyReportMissing], _state: Notices) -> News:
    """The manager is to report; 市场部 is to know."""
    fact, thing = recorded.fact, _report(recorded.fact)
    audiences = (holders(Role.DEPT_MANAGER, fact.department), holders(Role.MARKET_DEPT))
    values = {"department": fact.department, "month": str(fact.month)}
    # Two audiences of one kind: a template each.
    templates = (TemplateName.REPORT_MISSING, TemplateName.REPORT_NOT_RECEIVED)
    needs = [
        need(recorded, thing, template, one, values, waiting=True)
        for template, one in zip(templates, audiences, strict=True)
    ]
    return news(recorded, thing, *needs)


def _report(fact: MonthlyReportMissing | MonthlyReportSubmitted) -> str:
    return f"report:{fact.department}:{fact.month}"


REACTIONS = (
    telling("tell-dossier-submitted", DossierSubmitted, REGISTRY, "customer", dossier_submitted),
    telling("tell-dossier-returned", DossierReturned, REGISTRY, "customer", dossier_returned),
    telling("tell-customer-registered", CustomerRegistered, REGISTRY, "customer", customer_registered),
    telling("tell-change-proposed", CustomerChangeProposed, REGISTRY, "change", change_proposed),
    telling("tell-change-declined", CustomerChangeDeclined, REGISTRY, "change", change_declined),
    telling("tell-change-passed", CustomerChanged, REGISTRY, _change, ended(_change)),
    telling("tell-owner-change-passed", OwnerAssigned, REGISTRY, _change, ended(_change)),
    telling("tell-verification-due", VerificationDue, REGISTRY, "verification", verification_due),
    telling("tell-verification-reminded", VerificationReminded, REGISTRY, "verification", verification_reminded),
    telling("tell-verification-done", VerificationDone, REGISTRY, "verification", ended("verification")),
    telling("tell-report-missing", MonthlyReportMissing, REGISTRY, _report, report_missing),
    telling("tell-report-submitted", MonthlyReportSubmitted, REGISTRY, _report, ended(_report)),
)
