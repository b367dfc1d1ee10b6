"""The engagement service on one page: what it hears of, keeps, plans and serves."""

from __future__ import annotations

from pathlib import Path

from kehu.identity import staff_view
from kehu.service import Feature, Service
from kehu_engagement.visits import api as visits_api
from kehu_engagement.visits.facts import VISITS
from kehu_engagement.visits.overdue import F7_OVERDUE
from kehu_engagement.visits.policy import VISITING
from kehu_engagement.visits.reactions import REACTIONS
from kehu_engagement.visits.views import VISITS_VIEW

NAME = "engagement"


def _migrations() -> Path:
    here = Path(__file__).parent
    installed = here / "migrations"
    return installed if installed.is_dir() else here.parents[1] / "migrations"


service = Service(
    name=NAME,
    title="客户维护 / Engagement",
    features=[
        Feature("staff", views=[staff_view(NAME)]),
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
    migrations=_migrations(),
)
