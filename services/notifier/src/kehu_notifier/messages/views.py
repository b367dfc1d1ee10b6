"""The ledger: every message with its reason, recipient, channel, template, and what became of it; and who sees it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from kehu.contracts.messages import Channel, MessageDelivered, MessageFailed
from kehu.contracts.staff import Role
from kehu.deciding import Actor
from kehu.event_store import Connection
from kehu.facts import Fact, RecordedFact
from kehu.service import OWN_LOG, View
from kehu_notifier.customers.views import leads_to
from kehu_notifier.messages.facts import (
    MessageConfirmed,
    MessageExpired,
    MessageHeld,
    MessagePrepared,
    MessageQueued,
    MessageSent,
    MessageState,
    MessageSuppressed,
    OutcomeUnknown,
    ProviderAsked,
    SendingStarted,
)

# --- projection ------------------------------------------------------------------------------------------------------

_PREPARE = """
INSERT INTO ledger (message, requested_at, reason, thing, template, template_version, recipient, recipient_kind,
                    customer, department, channel, expires_at, state, changed_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $2)
"""
_MOVE = """
UPDATE ledger SET state = $2, detail = $3, held_until = $4, look_at = $5, attempts = attempts + $6,
    provider_reference = coalesce($7, provider_reference), changed_at = $8
WHERE message = $1
"""
_ASK = "UPDATE ledger SET look_at = $2, changed_at = $3 WHERE message = $1"


async def _prepare(connection: Connection, recorded: RecordedFact[MessagePrepared]) -> None:
    fact = recorded.fact
    await connection.execute(
        _PREPARE,
        fact.message,
        recorded.occurred_at,
        fact.reason,
        fact.thing,
        fact.template,
        fact.template_version,
        fact.recipient,
        fact.recipient_kind,
        fact.customer,
        fact.department,
        fact.channel,
        fact.expires_at,
        MessageState.QUEUED,
    )


async def _ask(connection: Connection, recorded: RecordedFact[ProviderAsked]) -> None:
    await connection.execute(_ASK, recorded.fact.message, recorded.fact.look_at, recorded.occurred_at)


@dataclass(frozen=True, slots=True)
class _Move:
    """What a fact changes about its message's row."""

    state: MessageState
    detail: str | None = None
    held_until: datetime | None = None
    look_at: datetime | None = None
    attempts: int = 0
    provider_reference: str | None = None


def _moved(fact: Fact) -> _Move:  # noqa: PLR0911 - one case per fact
    match fact:
        case MessageHeld():
            return _Move(MessageState.HELD, fact.detail or fact.held_for, held_until=fact.until)
        case MessageSuppressed():
            return _Move(MessageState.SUPPRESSED, fact.suppressed_for)
        case MessageExpired():
            return _Move(MessageState.EXPIRED)
        case SendingStarted():
            return _Move(MessageState.SENDING, attempts=1)
        case MessageSent():
            return _Move(MessageState.SENT, look_at=fact.look_at, provider_reference=fact.provider_reference)
        case OutcomeUnknown():
            return _Move(MessageState.UNKNOWN, fact.detail, look_at=fact.look_at)
        case MessageDelivered():
            return _Move(MessageState.DELIVERED, provider_reference=fact.provider_reference)
        case MessageFailed():
            return _Move(MessageState.FAILED, fact.reason)
        case MessageConfirmed():
            return _Move(MessageState.CONFIRMED, fact.how)
        case _:
            return _Move(MessageState.QUEUED)


async def _move(connection: Connection, recorded: RecordedFact[Any]) -> None:
    moved = _moved(recorded.fact)
    await connection.execute(
        _MOVE,
        recorded.fact.message,
        moved.state,
        moved.detail,
        moved.held_until,
        moved.look_at,
        moved.attempts,
        moved.provider_reference,
        recorded.occurred_at,
    )


LEDGER_VIEW = View(
    name="ledger",
    source=OWN_LOG,
    tables=("ledger",),
    apply={
        MessagePrepared: _prepare,
        MessageQueued: _move,
        MessageHeld: _move,
        MessageSuppressed: _move,
        MessageExpired: _move,
        SendingStarted: _move,
        MessageSent: _move,
        OutcomeUnknown: _move,
        ProviderAsked: _ask,
        MessageDelivered: _move,
        MessageFailed: _move,
        MessageConfirmed: _move,
    },
)


# --- who sees what ---------------------------------------------------------------------------------------------------

#: They see every message; the auditor without its text.
EVERYWHERE = (Role.MARKET_DEPT, Role.FINANCE, Role.GM_OFFICE, Role.GENERAL_MANAGER, Role.ADMIN)
IN_DEPARTMENT = (Role.DEPT_MANAGER, Role.VETTER)


@dataclass(frozen=True, slots=True)
class Sight:
    """Which messages somebody sees: all, or those of some departments; always those to themselves.

    `customers`: also those to contacts of customers of their own. `masked`: all, but without any text that is not to
    themselves.
    """

    person: str
    everything: bool = False
    departments: tuple[str, ...] = ()
    customers: bool = False
    masked: bool = False


def sight(actor: Actor) -> Sight:
    """What they see. Who is leaving sees what was sent to themselves only (R4.6)."""
    if actor.departing:
        return Sight(actor.id)
    company_wide = any(grant.role in IN_DEPARTMENT and grant.department is None for grant in actor.grants)
    everything = company_wide or actor.has(*EVERYWHERE)
    return Sight(
        person=actor.id,
        everything=everything or actor.has(Role.AUDITOR),
        departments=tuple(sorted(actor.departments(*IN_DEPARTMENT))),
        customers=actor.has(Role.SALESPERSON),
        masked=not everything and actor.has(Role.AUDITOR),
    )


# --- queries ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Filters:
    """What a reader of the ledger looks for; None is everything.

    Args:
        recipient: the person.
        customer: their id or 客户编号.
        state: what has become of it.
        channel: through which it went.
        reason: the fact.
        template: what it says.
        since: requested then or later.
        until: requested before.

    """

    recipient: str | None = None
    customer: str | None = None
    state: MessageState | None = None
    channel: Channel | None = None
    reason: UUID | None = None
    template: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    @property
    def named(self) -> dict[str, str]:
        """Those that narrow the list, for the record of an export."""
        return {name: str(value) for name, value in asdict(self).items() if value is not None}


#: What narrows the ledger, by the filter that asks for it.
CONDITIONS: Mapping[str, str] = {
    "recipient": "l.recipient = {}",
    # A customer and those merged into it, by the id or number of any of them (R4). Uses the primary keys,
    # customers_number and lineage_led_to.
    "customer": """l.customer IN (
        SELECT k.customer FROM (SELECT {0}::text AS customer UNION SELECT customer FROM customers WHERE number = {0}) n
        LEFT JOIN lineage s ON s.customer = n.customer
        CROSS JOIN LATERAL (SELECT coalesce(s.survivor, n.customer) AS customer
                            UNION SELECT f.customer FROM lineage f
                                  WHERE f.survivor = coalesce(s.survivor, n.customer)) k)""",
    "state": "l.state = {}",
    "channel": "l.channel = {}",
    "reason": "l.reason = {}",
    "template": "l.template = {}",
    "since": "l.requested_at >= {}",
    "until": "l.requested_at < {}",
}
_OWN_CUSTOMERS = f"""l.recipient_kind = 'contact' AND EXISTS (
    SELECT FROM customers c WHERE c.customer = {leads_to("l.customer")}
      AND (c.owner = {{0}} OR {{0}} = ANY (c.collaborators)))"""
_COLUMNS = """l.message, l.requested_at, l.reason, l.thing, l.template, l.template_version, l.recipient,
    l.recipient_kind, l.customer, l.department, l.channel, l.expires_at, l.state, l.detail, l.held_until, l.attempts,
    l.provider_reference, l.changed_at"""


class _Query:
    """A WHERE put together of the conditions that are asked for, so that each combination gets a plan of its own."""

    def __init__(self, seen: Sight) -> None:
        self.values: list[Any] = []
        self._conditions: list[str] = []
        if not seen.everything:
            me = self.value(seen.person)
            theirs = [f"l.recipient = {me}"]
            if seen.departments:
                theirs.append(f"l.department = ANY ({self.value(list(seen.departments))}::text[])")
            if seen.customers:
                theirs.append(_OWN_CUSTOMERS.format(me))
            self._conditions.append(" OR ".join(theirs))

    def value(self, value: Any) -> str:
        """Its place in the statement."""
        self.values.append(value)
        return f"${len(self.values)}"

    def add(self, condition: str, *values: Any) -> None:
        """Add a condition; each ``{}`` in it stands for one of the values."""
        self._conditions.append(condition.format(*map(self.value, values)))

    @property
    def where(self) -> str:
        """All of them."""
        return " AND ".join(f"({condition})" for condition in self._conditions) or "true"


async def list_messages(
    pool: asyncpg.Pool,
    seen: Sight,
    filters: Filters,
    after: tuple[datetime | None, str | None],
    limit: int,
) -> list[asyncpg.Record]:
    """Rows of the ledger, the latest first.

    Args:
        pool: connections to the service's views.
        seen: what the reader may see.
        filters: what they look for.
        after: time and id of the last row that they have seen; None on the first page.
        limit: how many rows at most.

    """
    query = _Query(seen)
    for name, condition in CONDITIONS.items():
        if (value := getattr(filters, name)) is not None:
            query.add(condition, value)
    if after[0] is not None:
        query.add("(l.requested_at, l.message) < ({}, {})", *after)
    # Goes along ledger_requested backwards, or the index of the filter that leaves least.
    return await pool.fetch(
        f"SELECT {_COLUMNS} FROM ledger l WHERE {query.where}"
        f" ORDER BY l.requested_at DESC, l.message DESC LIMIT {limit}",
        *query.values,
    )


async def find_message(pool: asyncpg.Pool, seen: Sight, message: str) -> asyncpg.Record | None:
    """One row, whose customer it is about, and what the sandbox was given; None if it is not theirs to see."""
    query = _Query(seen)
    query.add("l.message = {}", message)
    # Uses the primary keys of the three tables.
    return await pool.fetchrow(
        f"SELECT {_COLUMNS}, c.owner, c.collaborators, s.text_personal AS text FROM ledger l"
        f" LEFT JOIN customers c ON c.customer = {leads_to('l.customer')} LEFT JOIN sandbox s ON s.message = l.message"
        f" WHERE {query.where}",
        *query.values,
    )
