"""The vetting service on one page: qualifications from F1 to the signed agreement, and customers' credit."""

from __future__ import annotations

from kehu.calendar import start_of_day
from kehu.contracts.vetting import AgentActivated, AgreementSigned
from kehu.escalating import ESCALATION
from kehu.facts import RecordedFact
from kehu.files import with_files
from kehu.identity import staff_view
from kehu.lineage import LINEAGE_VIEW
from kehu.policy_api import policy_router
from kehu.printing import with_printing
from kehu.service import Done, Due, Feature, Schedule, Service, migrations_beside
from kehu_vetting import listed
from kehu_vetting.credit import api as credit_api
from kehu_vetting.credit import reactions as credit_reactions
from kehu_vetting.credit.facts import CREDIT
from kehu_vetting.credit.views import CREDIT_VIEW
from kehu_vetting.customer_files.attachments import may_read_file
from kehu_vetting.customer_files.facts import CUSTOMER_FILES
from kehu_vetting.customer_files.reactions import REACTIONS
from kehu_vetting.customer_files.views import CUSTOMER_FILES_VIEW
from kehu_vetting.exports import EXPORTS
from kehu_vetting.invoices import api as invoices_api
from kehu_vetting.invoices import printing as invoices_printing
from kehu_vetting.invoices import reactions as invoices_reactions
from kehu_vetting.invoices import register as invoices_register
from kehu_vetting.invoices import reviewing_ceilings as invoices_ceilings
from kehu_vetting.invoices import schedules as invoices_schedules
from kehu_vetting.invoices.accounts import INVOICE_ACCOUNTS
from kehu_vetting.invoices.facts import INVOICE_PAYERS, INVOICE_REQUESTS
from kehu_vetting.invoices.policy import INVOICING
from kehu_vetting.invoices.reviewing_ceilings import CEILINGS
from kehu_vetting.invoices.views import RED_LETTERS_VIEW, REGISTER_VIEW, REQUESTS_VIEW
from kehu_vetting.orders import api as orders_api
from kehu_vetting.orders import inbound as orders_inbound
from kehu_vetting.orders import listing as orders_listing
from kehu_vetting.orders.facts import ORDERS
from kehu_vetting.orders.ledger import LEDGER_VIEW
from kehu_vetting.orders.overdue import DELIVERIES_DUE
from kehu_vetting.orders.views import ORDERS_VIEW
from kehu_vetting.qualifications import api as qualifications_api
from kehu_vetting.qualifications import printing as qualifications_printing
from kehu_vetting.qualifications import reactions as qualifications_reactions
from kehu_vetting.qualifications.escalating import UNANSWERED
from kehu_vetting.qualifications.facts import QUALIFICATIONS
from kehu_vetting.qualifications.required_documents import REQUIRED_DOCUMENTS
from kehu_vetting.qualifications.signing import activate_on_first_day
from kehu_vetting.qualifications.views import QUALIFICATIONS_VIEW
from kehu_vetting.receipts import api as receipts_api
from kehu_vetting.receipts import inbound as receipts_inbound
from kehu_vetting.receipts import reactions as receipts_reactions
from kehu_vetting.receipts.facts import RECEIPTS
from kehu_vetting.receipts.reactions import PAYERS_FOUND
from kehu_vetting.receipts.views import RECEIPTS_VIEW
from kehu_vetting.renewals import api as renewals_api
from kehu_vetting.renewals.escalating import UNANSWERED as UNANSWERED_RENEWALS
from kehu_vetting.renewals.facts import RENEWALS
from kehu_vetting.renewals.views import RENEWALS_VIEW
from kehu_vetting.settlement_units import api as settlement_units_api
from kehu_vetting.settlement_units import ending as settlement_units_ending
from kehu_vetting.settlement_units.facts import SETTLEMENT_UNITS
from kehu_vetting.settlement_units.views import SETTLEMENT_UNITS_VIEW, UNIT_ENDS_VIEW
from kehu_vetting.standing import api as standing_api
from kehu_vetting.standing import ending as standing_ending
from kehu_vetting.standing import listing as standing_listing
from kehu_vetting.standing import reactions as standing_reactions
from kehu_vetting.standing.facts import STANDINGS
from kehu_vetting.standing.views import ENDS_VIEW, STANDING_VIEW

NAME = "vetting"


def _first_day(recorded: RecordedFact[AgreementSigned]) -> Due:
    return Due(recorded.fact.qualification, start_of_day(recorded.fact.valid_from))


def _active(recorded: RecordedFact[AgentActivated]) -> Done:
    return Done(recorded.fact.qualification)


#: An agreement signed ahead begins: only then is the customer active (R3.1.3).
AGREEMENT_BEGINS = Schedule(
    kind="agreement-begins",
    planned_by={AgreementSigned: _first_day, AgentActivated: _active},
    category=QUALIFICATIONS,
    stream_id=lambda qualification: qualification,
    fire=activate_on_first_day,
)


service = Service(
    name=NAME,
    title="客户审核 / Vetting",
    migrations=migrations_beside(__file__),
    features=[
        Feature("staff", views=[staff_view(NAME)]),
        Feature("policies", router=policy_router()),
        # Before what they are lists of: /qualifications/export is no qualification's id.
        Feature("exported-lists", router=listed.router),
        Feature("lineage", views=[LINEAGE_VIEW]),
        Feature("customer-files", categories=[CUSTOMER_FILES], reactions=REACTIONS, views=[CUSTOMER_FILES_VIEW]),
        Feature(
            "qualifications",
            categories=[QUALIFICATIONS],
            reactions=qualifications_reactions.REACTIONS,
            views=[QUALIFICATIONS_VIEW],
            schedules=[AGREEMENT_BEGINS, UNANSWERED],
            policies=[REQUIRED_DOCUMENTS, ESCALATION],
            router=qualifications_api.router,
        ),
        Feature("printed-qualifications", router=qualifications_printing.router),
        Feature(
            "settlement-units",
            categories=[SETTLEMENT_UNITS],
            views=[SETTLEMENT_UNITS_VIEW, UNIT_ENDS_VIEW],
            schedules=settlement_units_ending.SCHEDULES,
            router=settlement_units_api.router,
        ),
        Feature(
            "standing",
            categories=[STANDINGS],
            reactions=standing_reactions.REACTIONS,
            views=[STANDING_VIEW, ENDS_VIEW],
            schedules=standing_ending.SCHEDULES,
            router=standing_api.router,
        ),
        Feature(
            "credit",
            categories=[CREDIT],
            reactions=credit_reactions.REACTIONS,
            views=[CREDIT_VIEW],
            router=credit_api.router,
        ),
        # Before the orders: /orders/export is no order's id.
        Feature("order-lists", categories=[EXPORTS], views=[LEDGER_VIEW], router=orders_listing.router),
        Feature(
            "orders",
            categories=[ORDERS],
            views=[ORDERS_VIEW],
            schedules=[DELIVERIES_DUE],
            inbound=orders_inbound.INBOUND,
            router=orders_api.router,
        ),
        Feature(
            "invoices",
            categories=[INVOICE_REQUESTS, INVOICE_ACCOUNTS, INVOICE_PAYERS, CEILINGS],
            reactions=[*invoices_reactions.REACTIONS, *invoices_ceilings.REACTIONS],
            views=[REQUESTS_VIEW, REGISTER_VIEW, RED_LETTERS_VIEW],
            schedules=[*invoices_schedules.SCHEDULES, invoices_ceilings.TAKES_EFFECT],
            policies=[INVOICING],
            router=invoices_register.router,
        ),
        Feature("invoice-requests", router=invoices_api.router),
        Feature("printed-invoices", router=invoices_printing.router),
        Feature(
            "receipts",
            categories=[RECEIPTS, PAYERS_FOUND],
            reactions=receipts_reactions.REACTIONS,
            views=[RECEIPTS_VIEW],
            inbound=receipts_inbound.INBOUND,
            router=receipts_api.router,
        ),
        Feature("standing-lists", router=standing_listing.router),
        Feature(
            "renewals",
            categories=[RENEWALS],
            views=[RENEWALS_VIEW],
            schedules=[UNANSWERED_RENEWALS],
            router=renewals_api.router,
        ),
    ],
)
# Last: any fact of the features above may name a file.
service = with_printing(with_files(service, may_read_file))
