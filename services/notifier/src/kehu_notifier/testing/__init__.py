"""What tests of the notifier stand on: a small company, facts as other services publish them, and a moment in time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from kehu.contracts.staff import Role
from kehu.deciding import Context, system_actor
from kehu.facts import Fact, RecordedFact
from kehu.ids import new_id
from kehu_notifier.messages.policy import SENDING
from kehu_notifier.notices.company import Company, Holder
from kehu_notifier.templates.policy import TEMPLATES

#: Ten in the morning in Shanghai: no quiet hours.
NOW = datetime(2026, 11, 24, 2, 0, tzinfo=UTC)
#: Half past eleven at night in Shanghai.
NIGHT = datetime(2026, 11, 24, 15, 30, tzinfo=UTC)
#: The next morning at seven.
MORNING = datetime(2026, 11, 24, 23, 0, tzinfo=UTC)
CUSTOMER = "c-1"
POLICIES = {TEMPLATES.name: TEMPLATES.initial, SENDING.name: SENDING.initial}

COMPANY = Company(
    holders=(
        Holder("sun", Role.VETTER, "east"),
        Holder("qian", Role.VETTER, "east"),
        Holder("ma", Role.VETTER, "west"),
        Holder("fin", Role.FINANCE, None),
        Holder("zhao", Role.DEPT_MANAGER, "east"),
        Holder("he", Role.DEPT_MANAGER, "west"),
        Holder("office", Role.GM_OFFICE, None),
        Holder("boss", Role.GENERAL_MANAGER, None),
        Holder("market", Role.MARKET_DEPT, None),
        Holder("market2", Role.MARKET_DEPT, None),
        Holder("ware", Role.WAREHOUSE, None),
        Holder("hr", Role.HR, None),
    ),
    owner="li",
    main_contact="p-1",
    department="east",
    payer_owners=("li", "chen"),
)


def recorded(
    fact: Fact, *, by: str = "system:test", at: datetime = NOW, fact_id: UUID | None = None
) -> RecordedFact[Any]:
    """A fact as it comes from its service."""
    return RecordedFact(
        fact=fact,
        id=fact_id or new_id(),
        stream="test-1",
        version=1,
        sequence=1 if fact.published else None,
        key=str(getattr(fact, "customer", "")),
        service="test",
        actor=by,
        clause=fact.clause,
        correlation=new_id(),
        causation=None,
        occurred_at=at,
        recorded_at=at,
    )


def context(gathered: Any = None, now: datetime = NOW) -> Context:
    """What a reaction or the sender decides from."""
    return Context(system_actor("notifier", "test"), now, POLICIES, gathered)


def later(**lengths: float) -> datetime:
    """So long after `NOW`."""
    return NOW + timedelta(**lengths)
