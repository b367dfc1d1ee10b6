"""What names a person until it is done, besides customers: visits, invoices, reviews, verifications, changes (R4.6).

Three views, since a view has one source: the own log, engagement's topic, vetting's topic. Steps of chains, which name
roles, are in `approvals`. Not here: feedback forms (F8), of which engagement publishes nothing yet; and messages, each
of which tells of something that is here, and is told anew to whoever takes that over, while the notifier withholds what
is still queued for somebody who has gone.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import date
from typing import Any

import asyncpg

from kehu.contracts.customers import (
    CustomerChanged,
    CustomerChangeDeclined,
    CustomerChangeProposed,
    OwnerAssigned,
    PurchaseMeasureAssigned,
    PurchaseMeasureClosed,
    PurchaseMeasureOverdue,
    RelationDeclined,
    RelationRequested,
    VerificationDone,
    VerificationDue,
    VerificationReminded,
    VerifierNeeded,
)
from kehu.contracts.engagement import VisitCancelled, VisitLogged, VisitPlanned
from kehu.contracts.trade import (
    InvoiceCollected,
    InvoiceIssued,
    InvoiceRequestClosed,
    InvoiceRequested,
    InvoiceVoided,
)
from kehu.contracts.vetting import (
    QualificationApproved,
    QualificationRejected,
    QualificationSubmitted,
    QualificationWithdrawn,
    RenewalReturned,
    RenewalStepPassed,
    RenewalSubmitted,
    RenewalWithdrawn,
)
from kehu.event_store import Connection
from kehu.facts import RecordedFact
from kehu.service import OWN_LOG, View
from kehu_customer_registry.departures.approvals import STRANDED
from kehu_customer_registry.departures.decisions import OpenThing

Apply = Callable[[Connection, RecordedFact[Any]], Awaitable[None]]


def _names(table: str, kind: str, thing: str, people: Sequence[str], about: str = "") -> Apply:
    """The fact makes a thing name people; said again, the last word counts."""
    statement = (
        f"INSERT INTO {table} (kind, thing, customer, people, about) VALUES ($1, $2, $3, $4, $5) "
        "ON CONFLICT (kind, thing) DO UPDATE SET people = excluded.people, about = excluded.about"
    )

    async def apply(connection: Connection, recorded: RecordedFact[Any]) -> None:
        fact = recorded.fact
        named: list[str] = []
        for field in people:
            value = getattr(fact, field)
            named += [value] if isinstance(value, str) else list(value or ())
        said = str(getattr(fact, about)) if about else ""
        await connection.execute(statement, kind, str(getattr(fact, thing)), fact.customer, named, said)

    return apply


def _is_done(table: str, kind: str, thing: str) -> Apply:
    """The fact ends it."""
    statement = f"DELETE FROM {table} WHERE kind = $1 AND thing = $2"

    async def apply(connection: Connection, recorded: RecordedFact[Any]) -> None:
        name = getattr(recorded.fact, thing)
        if name is not None:
            await connection.execute(statement, kind, str(name))

    return apply


def _both(first: Apply, second: Apply) -> Apply:
    async def apply(connection: Connection, recorded: RecordedFact[Any]) -> None:
        await first(connection, recorded)
        await second(connection, recorded)

    return apply


def _passes(kind: str, thing: str) -> Apply:
    """The last step ends it."""
    done = _is_done("named_papers", kind, thing)

    async def apply(connection: Connection, recorded: RecordedFact[Any]) -> None:
        if recorded.fact.next_step is None:
            await done(connection, recorded)

    return apply


NAMED_HERE = View(
    name="named-here",
    source=OWN_LOG,
    tables=("named_here",),
    apply={
        CustomerChangeProposed: _names("named_here", "change", "change", ["proposed_by"]),
        CustomerChangeDeclined: _is_done("named_here", "change", "change"),
        CustomerChanged: _is_done("named_here", "change", "change"),
        OwnerAssigned: _both(_is_done("named_here", "change", "change"), _is_done("named_here", "relation", "change")),
        RelationRequested: _names("named_here", "relation", "relation", ["requested_by"], "region"),
        RelationDeclined: _is_done("named_here", "relation", "relation"),
        PurchaseMeasureAssigned: _names("named_here", "measure", "measure", ["responsible"], "due_on"),
        PurchaseMeasureOverdue: _names("named_here", "measure", "measure", ["responsible"], "due_on"),
        PurchaseMeasureClosed: _is_done("named_here", "measure", "measure"),
        VerificationDue: _names("named_here", "verification", "verification", ["verifier"], "due_on"),
        VerificationReminded: _names("named_here", "verification", "verification", ["verifier"], "quarter"),
        VerifierNeeded: _is_done("named_here", "verification", "verification"),  # nobody's, until somebody is named
        VerificationDone: _is_done("named_here", "verification", "verification"),
    },
)
NAMED_VISITS = View(
    name="named-visits",
    source="engagement",
    tables=("named_visits",),
    apply={
        VisitPlanned: _names("named_visits", "visit", "visit", ["visitors"], "planned_on"),
        VisitLogged: _is_done("named_visits", "visit", "visit"),
        VisitCancelled: _is_done("named_visits", "visit", "visit"),
    },
)
NAMED_PAPERS = View(
    name="named-papers",
    source="vetting",
    tables=("named_papers",),
    apply={
        QualificationSubmitted: _names("named_papers", "qualification", "qualification", ["submitted_by"]),
        QualificationApproved: _is_done("named_papers", "qualification", "qualification"),
        QualificationRejected: _is_done("named_papers", "qualification", "qualification"),
        QualificationWithdrawn: _is_done("named_papers", "qualification", "qualification"),
        RenewalSubmitted: _names("named_papers", "renewal", "renewal", ["submitted_by"]),
        RenewalStepPassed: _passes("renewal", "renewal"),
        RenewalReturned: _is_done("named_papers", "renewal", "renewal"),
        RenewalWithdrawn: _is_done("named_papers", "renewal", "renewal"),
        InvoiceRequested: _names("named_papers", "invoice_request", "request", ["requested_by"], "number"),
        InvoiceRequestClosed: _is_done("named_papers", "invoice_request", "request"),
        InvoiceIssued: _both(
            _names("named_papers", "invoice", "invoice", ["collector"], "issued_on"),
            _is_done("named_papers", "invoice_request", "request"),
        ),
        InvoiceCollected: _is_done("named_papers", "invoice", "invoice"),
        InvoiceVoided: _is_done("named_papers", "invoice", "invoice"),
    },
)

# Uses the GIN indexes over people, staff_delegations_delegate and _principal, and handovers_asked.
_OPEN = f"""
SELECT kind, thing, customer, about FROM named_here WHERE people @> ARRAY[$1]
UNION ALL SELECT kind, thing, customer, about FROM named_visits WHERE people @> ARRAY[$1]
UNION ALL SELECT kind, thing, customer, about FROM named_papers WHERE people @> ARRAY[$1]
UNION ALL SELECT 'delegation', coalesce(number, delegation), NULL, last_day::text FROM staff_delegations
    WHERE (principal = $1 OR delegate = $1) AND NOT ended AND last_day >= $2
UNION ALL SELECT 'proposal', h.customer, h.customer, coalesce(h.due_on::text, '')
    FROM handovers h JOIN departures d USING (departure) JOIN register r ON r.customer = h.customer
    WHERE h.successor = $1 AND h.accepted_by IS NULL AND d.state = 'running' AND r.merged_into IS NULL
UNION ALL {STRANDED}
ORDER BY 1, 2
"""


async def open_things(pool: asyncpg.Pool | Connection, person: str, today: date) -> tuple[OpenThing, ...]:
    """Everything but customers that still names somebody."""
    rows = await pool.fetch(_OPEN, person, today)
    return tuple(OpenThing(row["kind"], row["thing"], row["customer"], row["about"]) for row in rows)
