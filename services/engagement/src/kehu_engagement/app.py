"""The engagement service on one page: what it hears of, keeps, plans and serves."""

from __future__ import annotations

from kehu.identity import staff_view
from kehu.lineage import LINEAGE_VIEW
from kehu.policy_api import policy_router
from kehu.service import Feature, Service, migrations_beside
from kehu_engagement.visits import api as visits_api
from kehu_engagement.visits.facts import VISITS
from kehu_engagement.visits.overdue import F7_OVERDUE
from kehu_engagement.visits.policy import VISITING
from kehu_engagement.visits.reactions import REACTIONS
from kehu_engagement.visits.views import VISITS_VIEW

NAME = "engagement"


service = Service(
    name=NAME,
    title="客户维护 / Engagement",
    features=[
        Feature("staff", views=[staff_view(NAME)]),
        Feature("lineage", views=[LINEAGE_VIEW]),
        Feature("policies", router=policy_router()),
        Feature(
            "visits",
            categories=[VISITS],
            reactions=REACTIONS,
            views=[VISITS_VIEW],
            schedules=[F7_OVERDUE],
            policies=[VISITING],
            router=visits_api.router,
        ),
    ],
    migrations=migrations_beside(__file__),
)
