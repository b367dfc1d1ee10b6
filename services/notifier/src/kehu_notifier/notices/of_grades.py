"""What grades are news to: the owner, and 市场部 where they drift apart (R5.3.5)."""

from __future__ import annotations

from kehu.contracts.grading import GradeAssigned, GradeDriftNoticed, IndicativeGradeChanged
from kehu.contracts.staff import Role
from kehu.facts import RecordedFact
from kehu_notifier.notices.decisions import News
from kehu_notifier.notices.facts import Notices
from kehu_notifier.notices.telling import GRADING, OWNER, holders, need, news, tell_all, telling
from kehu_notifier.templates.template import TemplateName


def grade_assigned(recorded: RecordedFact[GradeAssigned], _state: Notices) -> News:
    """The owner is told."""
    fact = recorded.fact
    needed = need(recorded, fact.customer, TemplateName.GRADE_ASSIGNED, OWNER, {"grade": fact.grade.value})
    return news(recorded, fact.customer, needed)


def indicative_grade_changed(recorded: RecordedFact[IndicativeGradeChanged], _state: Notices) -> News:
    """The owner is told of a change; the first one comes with the official grade and says nothing besides."""
    fact = recorded.fact
    if fact.previous is None:
        return news(recorded, fact.customer)
    template = TemplateName.INDICATIVE_GRADE_CHANGED
    needed = need(
        recorded, fact.customer, template, OWNER, {"grade": fact.grade.value, "previous": fact.previous.value}
    )
    return news(recorded, fact.customer, needed)


def grade_drift_noticed(recorded: RecordedFact[GradeDriftNoticed], _state: Notices) -> News:
    """The owner and 市场部 are told that the two grades differ, or agree again."""
    fact = recorded.fact
    template = TemplateName.GRADE_DRIFT if fact.drifting else TemplateName.GRADE_DRIFT_ENDED
    values = {"official": fact.official.value, "indicative": fact.indicative.value}
    needs = tell_all(recorded, fact.customer, template, (OWNER, holders(Role.MARKET_DEPT)), values)
    return news(recorded, fact.customer, *needs)


REACTIONS = (
    telling("tell-grade-assigned", GradeAssigned, GRADING, "customer", grade_assigned),
    telling("tell-indicative-grade", IndicativeGradeChanged, GRADING, "customer", indicative_grade_changed),
    telling("tell-grade-drift", GradeDriftNoticed, GRADING, "customer", grade_drift_noticed),
)
