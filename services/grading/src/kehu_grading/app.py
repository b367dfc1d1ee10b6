"""The grading service on one page: what it hears of, keeps, plans and serves."""

from __future__ import annotations

from kehu.facts import RecordedFact
from kehu.identity import staff_view
from kehu.lineage import LINEAGE_VIEW
from kehu.policy_api import policy_router
from kehu.service import Done, Due, Feature, Schedule, Service, migrations_beside
from kehu_grading.grades import api as grades_api
from kehu_grading.grades.decisions import review
from kehu_grading.grades.facts import GRADES, GradeReviewed, MergeNoted
from kehu_grading.grades.following import follow_policy
from kehu_grading.grades.reactions import REACTIONS
from kehu_grading.grades.views import GRADES_VIEW, WATCH_LIST_VIEW
from kehu_grading.rules.policy import GRADING
from kehu_grading.what_if import api as what_if_api

NAME = "grading"


def _next_review(recorded: RecordedFact[GradeReviewed]) -> Due | Done:
    fact = recorded.fact
    return Due(fact.customer, fact.next_review) if fact.next_review else Done(fact.customer)


def _no_review(recorded: RecordedFact[MergeNoted]) -> Done:
    return Done(recorded.fact.customer)


#: A month closes, or bad credit ends to count (R5.3.5): the indicative grade is worked out again.
MONTH_CLOSES = Schedule(
    kind="month-closes",
    planned_by={GradeReviewed: _next_review, MergeNoted: _no_review},
    category=GRADES,
    stream_id=lambda customer: customer,
    fire=lambda _customer, _due, state, context: review(state, context),
)


service = Service(
    name=NAME,
    title="客户分类 / Grading",
    features=[
        Feature("staff", views=[staff_view(NAME)]),
        Feature("lineage", views=[LINEAGE_VIEW]),
        Feature("policies", router=policy_router()),
        Feature("rules", policies=[GRADING]),
        Feature(
            "grades",
            categories=[GRADES],
            reactions=REACTIONS,
            views=[GRADES_VIEW, WATCH_LIST_VIEW],
            schedules=[MONTH_CLOSES],
            router=grades_api.router,
            workers=[follow_policy],
        ),
        Feature("what-if", router=what_if_api.router),
    ],
    migrations=migrations_beside(__file__),
)
