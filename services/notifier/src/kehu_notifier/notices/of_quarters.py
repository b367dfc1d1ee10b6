"""What quarters and months make people wait for: verifications, measures, monthly reports (R4.5.1, R4.5.2, R5.3.5)."""

from __future__ import annotations

from datetime import timedelta

from kehu import calendar
from kehu.contracts.customers import (
    MonthlyReportDue,
    MonthlyReportMissing,
    MonthlyReportSubmitted,
    PurchaseMeasureAssigned,
    PurchaseMeasureClosed,
    PurchaseMeasureOverdue,
    VerificationDone,
    VerificationDue,
    VerificationReminded,
    VerifierNeeded,
)
from kehu.contracts.staff import DelegableStep, Role
from kehu.facts import RecordedFact
from kehu_notifier.notices.decisions import News
from kehu_notifier.notices.facts import Notices
from kehu_notifier.notices.telling import OWNER, REGISTRY, ended, holders, need, news, person, tell_all, telling
from kehu_notifier.templates.template import TemplateName

# --- verification (R4.5.1) -------------------------------------------------------------------------------------------


def verification_due(recorded: RecordedFact[VerificationDue], _state: Notices) -> News:
    """Its verifier is to confirm the dossier; a verifier appointed instead takes the former one's place."""
    fact = recorded.fact
    values = {"quarter": fact.quarter, "day": fact.due_on.isoformat()}
    told = need(recorded, fact.verification, TemplateName.VERIFICATION_DUE, person(fact.verifier), values, waiting=True)
    return news(recorded, fact.verification, told, ends=True)


def verifier_needed(recorded: RecordedFact[VerifierNeeded], _state: Notices) -> News:
    """The manager is to appoint somebody."""
    fact = recorded.fact
    values = {"quarter": fact.quarter, "day": fact.due_on.isoformat()}
    managers = holders(Role.DEPT_MANAGER, fact.department)
    told = need(recorded, fact.verification, TemplateName.VERIFIER_NEEDED, managers, values, waiting=True)
    return news(recorded, fact.verification, told, ends=True)


def verification_reminded(recorded: RecordedFact[VerificationReminded], _state: Notices) -> News:
    """Its verifier is reminded; once it is overdue, the manager is to know."""
    fact = recorded.fact
    template = TemplateName.VERIFICATION_OVERDUE if fact.overdue else TemplateName.VERIFICATION_REMINDER
    audiences = [person(fact.verifier)] + ([holders(Role.DEPT_MANAGER, fact.department)] if fact.overdue else [])
    needs = tell_all(recorded, fact.verification, template, audiences, {"quarter": fact.quarter}, waiting=True)
    return news(recorded, fact.verification, *needs)


def verification_done(recorded: RecordedFact[VerificationDone], _state: Notices) -> News:
    """Nothing is left to verify; where the customer is out of reach, its owner and the manager are to see to it."""
    fact = recorded.fact
    audiences = [OWNER, holders(Role.DEPT_MANAGER, fact.department)] if fact.outcome == "unreachable" else []
    template = TemplateName.CONTACTS_UNREACHABLE
    needs = tell_all(recorded, fact.verification, template, audiences, {"quarter": fact.quarter})
    return news(recorded, fact.verification, *needs, ends=True)


# --- purchases (R4.5.2) ----------------------------------------------------------------------------------------------


def measure_assigned(recorded: RecordedFact[PurchaseMeasureAssigned], _state: Notices) -> News:
    """Whoever is responsible is told, and whoever was before."""
    fact = recorded.fact
    values = {"quarter": fact.quarter}
    told = [
        need(
            recorded,
            fact.measure,
            TemplateName.MEASURE_ASSIGNED,
            person(fact.responsible),
            {**values, "day": fact.due_on.isoformat()},
            waiting=True,
        )
    ]
    if fact.previous_responsible not in (None, fact.responsible):
        former = person(fact.previous_responsible)
        told.append(need(recorded, fact.measure, TemplateName.MEASURE_TAKEN_OFF, former, values))
    return news(recorded, fact.measure, *told, ends=True)


def measure_overdue(recorded: RecordedFact[PurchaseMeasureOverdue], _state: Notices) -> News:
    """Whoever is responsible and the manager are told."""
    fact = recorded.fact
    audiences = (person(fact.responsible), holders(Role.DEPT_MANAGER, fact.department))
    values = {"quarter": fact.quarter, "day": fact.due_on.isoformat()}
    needs = tell_all(recorded, fact.measure, TemplateName.MEASURE_OVERDUE, audiences, values, waiting=True)
    return news(recorded, fact.measure, *needs, ends=True)


def measure_closed(recorded: RecordedFact[PurchaseMeasureClosed], _state: Notices) -> News:
    """Nothing is left to do; whoever was responsible is told where it was taken back."""
    fact = recorded.fact
    audiences = [person(fact.responsible)] if fact.outcome == "withdrawn" else []
    needs = tell_all(recorded, fact.measure, TemplateName.MEASURE_WITHDRAWN, audiences, {"quarter": fact.quarter})
    return news(recorded, fact.measure, *needs, ends=True)


# --- monthly reports (R5.3.5) ----------------------------------------------------------------------------------------


def report_due(recorded: RecordedFact[MonthlyReportDue], _state: Notices) -> News:
    """The manager is to report the month."""
    fact, thing = recorded.fact, _report(recorded.fact)
    # It closes at 24:00 of the last day.
    last_day = calendar.today(fact.closes_at - timedelta(microseconds=1))
    values = {"month": str(fact.month), "day": last_day.isoformat()}
    managers = holders(Role.DEPT_MANAGER, fact.department, step=DelegableStep.MONTHLY_REPORT)
    return news(recorded, thing, need(recorded, thing, TemplateName.REPORT_DUE, managers, values, waiting=True))


def report_missing(recorded: RecordedFact[MonthlyReportMissing], _state: Notices) -> News:
    """The manager is to report; 市场部 is to know."""
    fact, thing = recorded.fact, _report(recorded.fact)
    values = {"department": fact.department, "month": str(fact.month)}
    managers = holders(Role.DEPT_MANAGER, fact.department, step=DelegableStep.MONTHLY_REPORT)
    report = need(recorded, thing, TemplateName.REPORT_MISSING, managers, values, waiting=True)
    known = need(recorded, thing, TemplateName.REPORT_NOT_RECEIVED, holders(Role.MARKET_DEPT), values, waiting=True)
    return news(recorded, thing, report, known)


def _report(fact: MonthlyReportDue | MonthlyReportMissing | MonthlyReportSubmitted) -> str:
    return f"report:{fact.department}:{fact.month}"


REACTIONS = (
    telling("tell-verification-due", VerificationDue, REGISTRY, "verification", verification_due),
    telling("tell-verifier-needed", VerifierNeeded, REGISTRY, "verification", verifier_needed),
    telling("tell-verification-reminded", VerificationReminded, REGISTRY, "verification", verification_reminded),
    telling("tell-verification-done", VerificationDone, REGISTRY, "verification", verification_done),
    telling("tell-measure-assigned", PurchaseMeasureAssigned, REGISTRY, "measure", measure_assigned),
    telling("tell-measure-overdue", PurchaseMeasureOverdue, REGISTRY, "measure", measure_overdue),
    telling("tell-measure-closed", PurchaseMeasureClosed, REGISTRY, "measure", measure_closed),
    # That a month is due is told under another key than that it was reported, so either may come first.
    telling("tell-report-due", MonthlyReportDue, REGISTRY, _report, report_due),
    telling("tell-report-missing", MonthlyReportMissing, REGISTRY, _report, report_missing),
    telling("tell-report-submitted", MonthlyReportSubmitted, REGISTRY, _report, ended(_report, for_good=True)),
)
