"""The registry on one page: who works here, who is a customer and whose, what each customer contracts a month."""

from __future__ import annotations

from kehu.escalating import ESCALATION
from kehu.files import with_files
from kehu.identity import STAFF_SERVICE, staff_view
from kehu.policy_api import policy_router
from kehu.printing import with_printing
from kehu.service import Feature, Service, migrations_beside
from kehu_customer_registry.commitments.facts import COMMITMENTS
from kehu_customer_registry.commitments.reactions import REACTIONS as COMMITMENT_REACTIONS
from kehu_customer_registry.delegations import api as delegations_api
from kehu_customer_registry.departures import api as departures_api
from kehu_customer_registry.departures import certificate, moving
from kehu_customer_registry.departures import files as departure_files
from kehu_customer_registry.departures.approvals import WAITING_STEPS
from kehu_customer_registry.departures.facts import DEPARTURES, HANDOVERS
from kehu_customer_registry.departures.handovers import PROPOSAL_UNANSWERED
from kehu_customer_registry.departures.leftovers import pass_leftovers
from kehu_customer_registry.departures.moving import MOVED_WORK
from kehu_customer_registry.departures.naming import NAMED_HERE, NAMED_PAPERS, NAMED_VISITS
from kehu_customer_registry.departures.policy import DEPARTING
from kehu_customer_registry.departures.proofs import REACTIONS as PROOF_REACTIONS
from kehu_customer_registry.departures.schedules import ACCESS_ENDS
from kehu_customer_registry.departures.views import DEPARTURES_VIEW
from kehu_customer_registry.dossiers import api as dossiers_api
from kehu_customer_registry.dossiers import (
    changes_api,
    duplicates_api,
    merging_api,
    printing,
    register,
    taking_over_api,
    tasks,
)
from kehu_customer_registry.dossiers.attachments import may_read_file
from kehu_customer_registry.dossiers.facts import DOSSIERS
from kehu_customer_registry.dossiers.policy import DOSSIER_KEEPING
from kehu_customer_registry.dossiers.resembling import RESEMBLING
from kehu_customer_registry.dossiers.unanswered import DOSSIER_UNANSWERED
from kehu_customer_registry.dossiers.views import REGISTER
from kehu_customer_registry.escalations import api as escalations_api
from kehu_customer_registry.escalations.views import ESCALATIONS
from kehu_customer_registry.imports import api as imports_api
from kehu_customer_registry.imports.facts import IMPORTS
from kehu_customer_registry.imports.views import IMPORTS_VIEW
from kehu_customer_registry.imports.working import work_imports
from kehu_customer_registry.lineage import LINEAGE_VIEW
from kehu_customer_registry.monthly_reports import api as monthly_reports_api
from kehu_customer_registry.monthly_reports.closing import MONTH_CLOSES, MONTH_ENDS
from kehu_customer_registry.monthly_reports.facts import CALENDARS, MONTHLY_REPORTS
from kehu_customer_registry.monthly_reports.views import ACTIVATIONS_VIEW, MONTHS_VIEW, REPORTS_VIEW
from kehu_customer_registry.purchases import api as purchases_api
from kehu_customer_registry.purchases.facts import MEASURES
from kehu_customer_registry.purchases.measures import MEASURE_OVERDUE, MEASURES_VIEW
from kehu_customer_registry.purchases.views import PURCHASES_VIEW
from kehu_customer_registry.staff import api as staff_api
from kehu_customer_registry.staff import proposals
from kehu_customer_registry.staff.bootstrap import appoint_first_admins
from kehu_customer_registry.staff.decisions import KEY_ROLES
from kehu_customer_registry.staff.facts import DEPARTMENTS, STAFF
from kehu_customer_registry.staff.proposals import ROLE_PROPOSALS
from kehu_customer_registry.staff.views import POSTS_HELD
from kehu_customer_registry.timeline import api as timeline_api
from kehu_customer_registry.timeline.facts import NOTES
from kehu_customer_registry.timeline.views import TIMELINE_VIEWS
from kehu_customer_registry.verification import api as verification_api
from kehu_customer_registry.verification.due import VERIFICATION_REMINDER
from kehu_customer_registry.verification.facts import VERIFICATIONS
from kehu_customer_registry.verification.merging import REACTIONS as VERIFICATION_REACTIONS
from kehu_customer_registry.verification.policy import VERIFYING
from kehu_customer_registry.verification.rounds import (
    QUARTER_BEGINS,
    ROUNDS,
    ROUNDS_VIEW,
    appoint_others,
    plan_rounds,
)
from kehu_customer_registry.verification.views import VERIFICATIONS_VIEW
from kehu_customer_registry.volumes import api as volumes_api
from kehu_customer_registry.volumes.decisions import VOLUME_REPORTING
from kehu_customer_registry.volumes.facts import VOLUMES
from kehu_customer_registry.volumes.reactions import INBOUND

service = Service(
    name=STAFF_SERVICE,
    title="客户档案 customer registry",
    migrations=migrations_beside(__file__),
    features=[
        # Before the staff: /staff/proposals is no person's id.
        Feature("role-proposals", views=[ROLE_PROPOSALS], router=proposals.router),
        Feature(
            "staff",
            categories=[DEPARTMENTS, STAFF],
            views=[staff_view(STAFF_SERVICE), POSTS_HELD],
            policies=[KEY_ROLES, ESCALATION],
            router=staff_api.router,
            workers=[appoint_first_admins],
        ),
        Feature("delegations", router=delegations_api.router),
        # Before the departures: /departures/export is no departure's id.
        Feature("departure-files", router=departure_files.router),
        Feature("certificates", router=certificate.router),
        Feature("moved-work", views=[MOVED_WORK], router=moving.router),
        Feature(
            "departures",
            categories=[DEPARTURES, HANDOVERS],
            reactions=PROOF_REACTIONS,
            views=[DEPARTURES_VIEW, NAMED_HERE, NAMED_VISITS, NAMED_PAPERS, WAITING_STEPS],
            schedules=[ACCESS_ENDS, PROPOSAL_UNANSWERED],
            policies=[DEPARTING],
            router=departures_api.router,
            workers=[pass_leftovers],
        ),
        Feature("escalations", views=[ESCALATIONS], router=escalations_api.router),
        Feature("policies", router=policy_router()),
        # Before the dossiers: /dossiers/duplicates is no dossier's id.
        Feature("duplicates", views=[RESEMBLING], router=duplicates_api.router),
        Feature("tasks", views=[tasks.TASKS], router=tasks.router),
        Feature("dossiers", categories=[DOSSIERS], schedules=[DOSSIER_UNANSWERED], router=dossiers_api.router),
        Feature("changes", policies=[DOSSIER_KEEPING], router=changes_api.router),
        Feature("merging", categories=[COMMITMENTS], reactions=COMMITMENT_REACTIONS, router=merging_api.router),
        Feature("take-over", router=taking_over_api.router),
        Feature("register", views=[REGISTER], router=register.router),
        Feature("printed-dossiers", router=printing.router),
        Feature(
            "imports", categories=[IMPORTS], views=[IMPORTS_VIEW], router=imports_api.router, workers=[work_imports]
        ),
        Feature(
            "volumes",
            categories=[VOLUMES],
            policies=[VOLUME_REPORTING],
            inbound=INBOUND,
            router=volumes_api.router,
        ),
        Feature(
            "verification",
            categories=[VERIFICATIONS, ROUNDS],
            reactions=VERIFICATION_REACTIONS,
            views=[VERIFICATIONS_VIEW, ROUNDS_VIEW],
            schedules=[QUARTER_BEGINS, VERIFICATION_REMINDER],
            policies=[VERIFYING],
            router=verification_api.router,
            workers=[plan_rounds, appoint_others],
        ),
        Feature(
            "monthly-reports",
            categories=[MONTHLY_REPORTS, CALENDARS],
            views=[MONTHS_VIEW, ACTIVATIONS_VIEW, REPORTS_VIEW],
            schedules=[MONTH_ENDS, MONTH_CLOSES],
            router=monthly_reports_api.router,
        ),
        Feature("lineage", views=[LINEAGE_VIEW]),
        Feature("timeline", categories=[NOTES], views=TIMELINE_VIEWS, router=timeline_api.router),
        Feature(
            "purchases",
            categories=[MEASURES],
            views=[PURCHASES_VIEW, MEASURES_VIEW],
            schedules=[MEASURE_OVERDUE],
            router=purchases_api.router,
        ),
    ],
)
# Last: any fact of the features above may name a file.
service = with_printing(with_files(service, may_read_file))
