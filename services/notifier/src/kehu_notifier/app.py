"""The notifier on one page: what it hears of, whom it tells, and what becomes of every message."""

from __future__ import annotations

from pathlib import Path

from kehu.identity import staff_view
from kehu.service import Feature, Service
from kehu_notifier.customers.views import CUSTOMERS_VIEW
from kehu_notifier.messages import api as messages_api
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


def _migrations() -> Path:
    """In the wheel they lie inside the package, in the source tree beside `src`."""
    here = Path(__file__).parent
    installed = here / "migrations"
    return installed if installed.is_dir() else here.parents[1] / "migrations"


def build(settings: NotifierSettings) -> Service:
    """The service with the channels that its settings name."""
    return Service(
        name=NAME,
        title="消息通知 / Notifier",
        features=[
            Feature("staff", views=[staff_view(NAME)]),
            Feature("customers", views=[CUSTOMERS_VIEW]),
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
                categories=[MESSAGES],
                reactions=[write_message(NAME, settings.outlets)],
                views=[LEDGER_VIEW],
                schedules=[MESSAGE_HELD],
                policies=[SENDING],
                router=messages_api.router,
                workers=[sender(settings)],
            ),
        ],
        migrations=_migrations(),
    )


service = build(NotifierSettings())
