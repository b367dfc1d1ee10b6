"""What visits make people wait for: to go, and to write the record; and what the manager is to see (R6.2.1a)."""

from __future__ import annotations

from kehu import calendar
from kehu.contracts.engagement import VisitCancelled, VisitLogged, VisitPlanned, VisitRecordOverdue
from kehu.contracts.staff import Role
from kehu.facts import RecordedFact
from kehu_notifier.notices.decisions import News
from kehu_notifier.notices.facts import Notices
from kehu_notifier.notices.telling import ENGAGEMENT, holders, need, news, person, tell_all, telling
from kehu_notifier.templates.template import TemplateName


def visit_planned(recorded: RecordedFact[VisitPlanned], _state: Notices) -> News:
    """Everybody who goes is told, except whoever planned it."""
    fact = recorded.fact
    values = {"day": fact.planned_on.isoformat()}
    needed = need(recorded, fact.visit, TemplateName.VISIT_PLANNED, person(*fact.visitors), values, waiting=True)
    return news(recorded, fact.visit, needed)


def visit_record_overdue(recorded: RecordedFact[VisitRecordOverdue], _state: Notices) -> News:
    """The visitors are to fill F7 in, and their manager is to know."""
    fact = recorded.fact
    audiences = (person(*fact.visitors), holders(Role.DEPT_MANAGER, fact.department))
    values = {"day": fact.planned_on.isoformat()}
    needs = tell_all(recorded, fact.visit, TemplateName.VISIT_RECORD_OVERDUE, audiences, values, waiting=True)
    return news(recorded, fact.visit, *needs, ends=True)


def visit_logged(recorded: RecordedFact[VisitLogged], _state: Notices) -> News:
    """Nothing is planned or overdue any more; the manager is to see a visit that was not as the policy wants."""
    fact = recorded.fact
    managers = [] if fact.planned and not fact.deviation else [holders(Role.DEPT_MANAGER, fact.department)]
    day = calendar.today(fact.visited_at).isoformat()
    needs = tell_all(recorded, fact.visit, TemplateName.VISIT_DEVIATES, managers, {"day": day})
    return news(recorded, fact.visit, *needs, ends=True)


def visit_cancelled(recorded: RecordedFact[VisitCancelled], _state: Notices) -> News:
    """Whoever was to go is told."""
    fact = recorded.fact
    values = {"day": fact.planned_on.isoformat()}
    needed = need(recorded, fact.visit, TemplateName.VISIT_CANCELLED, person(*fact.visitors), values)
    return news(recorded, fact.visit, needed, ends=True)


REACTIONS = (
    telling("tell-visit-planned", VisitPlanned, ENGAGEMENT, "visit", visit_planned),
    telling("tell-visit-overdue", VisitRecordOverdue, ENGAGEMENT, "visit", visit_record_overdue),
    telling("tell-visit-logged", VisitLogged, ENGAGEMENT, "visit", visit_logged),
    telling("tell-visit-cancelled", VisitCancelled, ENGAGEMENT, "visit", visit_cancelled),
)
