"""The notifier on one page: what it hears of, whom it tells, and what becomes of every message."""

from __future__ import annotations

from kehu.identity import staff_view
from kehu.lineage import LINEAGE_VIEW
from kehu.policy_api import policy_router
from kehu.service import Feature, Service, migrations_beside
from kehu_notifier.customers.payers import PAYERS_VIEW
from kehu_notifier.customers.views import CUSTOMERS_VIEW
from kehu_notifier.messages import api as messages_api
from kehu_notifier.messages.exporting import LEDGER_EXPORTS
from kehu_notifier.messages.facts import MESSAGES
from kehu_notifier.messages.policy import SENDING
from kehu_notifier.messages.reactions import MESSAGE_HELD, write_message
from kehu_notifier.messages.sending import sender
from kehu_notifier.messages.views import LEDGER_VIEW
from kehu_notifier.notices.catching_up import address_whoever_turns_up
from kehu_notifier.notices.facts import NOTICES
from kehu_notifier.notices.reactions import REACTIONS
from kehu_notifier.notices.views import NOTICES_VIEW
from kehu_notifier.settings import NotifierSettings
from kehu_notifier.templates.policy import TEMPLATES

NAME = "notifier"


def build(settings: NotifierSettings) -> Service:
    """The service with the channels that its settings name."""
    return Service(
        name=NAME,
        title="消息通知 / Notifier",
        features=[
            Feature("staff", views=[staff_view(NAME)]),
            Feature("policies", router=policy_router()),
            Feature("lineage", views=[LINEAGE_VIEW]),
            Feature("customers", views=[CUSTOMERS_VIEW, PAYERS_VIEW]),
            Feature("templates", policies=[TEMPLATES]),
            Feature(
                "notices",
                categories=[NOTICES],
                reactions=REACTIONS,
                views=[NOTICES_VIEW],
                workers=[address_whoever_turns_up],
            ),
            Feature(
                "messages",
                categories=[MESSAGES, LEDGER_EXPORTS],
                reactions=[write_message(NAME, settings.outlets)],
                views=[LEDGER_VIEW],
                schedules=[MESSAGE_HELD],
                policies=[SENDING],
                router=messages_api.router,
                workers=[sender(settings)],
            ),
        ],
        migrations=migrations_beside(__file__),
    )


service = build(NotifierSettings())
