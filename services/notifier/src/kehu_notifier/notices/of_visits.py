"""What visits make people wait for: to go, and to write the record (R6.2.1a)."""

from __future__ import annotations

from kehu.contracts.engagement import VisitCancelled, VisitLogged, VisitPlanned, VisitRecordOverdue
from kehu.contracts.staff import Role
from kehu.facts import RecordedFact
from kehu_notifier.notices.decisions import News
from kehu_notifier.notices.facts import Audience, Notices
from kehu_notifier.notices.telling import ENGAGEMENT, need, news, telling
from kehu_notifier.templates.template import TemplateName


def visit_planned(recorded: RecordedFact[VisitPlanned], _state: Notices) -> News:
    """Everybody who goes is told, except whoever planned it."""
    fact = recorded.fact
    visitors = Audience(kind="persons", persons=fact.visitors)
    day = fact.planned_on.isoformat()
    needed = need(recorded, fact.visit, TemplateName.VISIT_PLANNED, visitors, {"day": day}, waiting=True)
    return news(recorded, fact.visit, needed)


def visit_record_overdue(recorded: RecordedFact[VisitRecordOverdue], _state: Notices) -> News:
    """The visitors are to fill F7 in, and their manager is to know."""
    fact = recorded.fact
    audiences = (
        Audience(kind="persons", persons=fact.visitors),
        Audience(kind="role", role=Role.DEPT_MANAGER, department=fact.department),
    )
    template, day = TemplateName.VISIT_RECORD_OVERDUE, fact.planned_on.isoformat()
    needs = [need(recorded, fact.visit, template, audience, {"day": day}, waiting=True) for audience in audiences]
    return news(recorded, fact.visit, *needs, ends=True)


def visit_logged(recorded: RecordedFact[VisitLogged], _state: Notices) -> News:
    """Nothing is planned or overdue any more."""
    return news(recorded, recorded.fact.visit, ends=True)


def visit_cancelled(recorded: RecordedFact[VisitCancelled], _state: Notices) -> News:
    """Whoever was to go is told."""
    fact = recorded.fact
    visitors = Audience(kind="persons", persons=fact.visitors)
    needed = need(recorded, fact.visit, TemplateName.VISIT_CANCELLED, visitors, {"day": fact.planned_on.isoformat()})
    return news(recorded, fact.visit, needed, ends=True)


REACTIONS = (
    telling("tell-visit-planned", VisitPlanned, ENGAGEMENT, "visit", visit_planned),
    telling("tell-visit-overdue", VisitRecordOverdue, ENGAGEMENT, "visit", visit_record_overdue),
    telling("tell-visit-logged", VisitLogged, ENGAGEMENT, "visit", visit_logged),
    telling("tell-visit-cancelled", VisitCancelled, ENGAGEMENT, "visit", visit_cancelled),
)
