"""Read models of requests, of the register, and of red letters; each folded from its own streams."""

from __future__ import annotations

from typing import Any

from kehu.calendar import today
from kehu.contracts.trade import (
    InvoiceCollected,
    InvoiceIssued,
    InvoiceRequestClosed,
    InvoiceRequested,
    InvoiceRequestReturned,
    InvoiceRequestReviewed,
    InvoiceVoided,
    RedLetterAsked,
    RedLetterConfirmed,
    RedLetterCovered,
    RedLetterDropped,
    RedLetterDue,
)
from kehu.event_store import Connection
from kehu.facts import RecordedFact
from kehu.service import OWN_LOG, View
from kehu_vetting.invoices.accounts import InvoiceStatus, RedStatus
from kehu_vetting.invoices.amounts import total
from kehu_vetting.invoices.facts import RequestServed, RequestStatus, RequestWritten

APPLICANT = "applicant"

_WRITE = """
INSERT INTO invoice_requests
    (request, customer, order_id, order_number, status, since, gross_fen, unit, digest, requested_by)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
ON CONFLICT (request) DO UPDATE SET status = $5, since = $6, gross_fen = $7, unit = $8, digest = $9, requested_by = $10
"""
_REQUESTED = """
UPDATE invoice_requests SET number = $2, requested_on = $3, status = $4, since = $5, passed = '{}', passed_on = NULL,
    lapses_on = NULL WHERE request = $1
"""
_REVIEWED = """
UPDATE invoice_requests SET passed = array_append(passed, $2), status = $3, since = $4, passed_on = $5, lapses_on = $6
WHERE request = $1
"""
_MOVE = "UPDATE invoice_requests SET status = $2, since = $3 WHERE request = $1"
_ACTED = "INSERT INTO invoice_request_people (request, person, acted_as) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING"


async def _written(connection: Connection, recorded: RecordedFact[RequestWritten]) -> None:
    fact = recorded.fact
    await connection.execute(
        _WRITE,
        fact.request,
        fact.customer,
        fact.order,
        fact.order_number,
        RequestStatus.IN_REVIEW,
        recorded.occurred_at,
        total(fact.content.lines).gross,
        fact.basis.unit,
        fact.digest,
        fact.written_by,
    )
    await connection.execute(_ACTED, fact.request, fact.written_by, APPLICANT)


async def _requested(connection: Connection, recorded: RecordedFact[InvoiceRequested]) -> None:
    fact, at = recorded.fact, recorded.occurred_at
    await connection.execute(_REQUESTED, fact.request, fact.number, today(at), RequestStatus.IN_REVIEW, at)


async def _reviewed(connection: Connection, recorded: RecordedFact[InvoiceRequestReviewed]) -> None:
    fact = recorded.fact
    status = RequestStatus.PASSED if fact.both else RequestStatus.IN_REVIEW
    await connection.execute(
        _REVIEWED, fact.request, fact.side, status, recorded.occurred_at, fact.passed_on, fact.lapses_on
    )
    for person in filter(None, (fact.reviewed_by, fact.on_behalf_of)):
        await connection.execute(_ACTED, fact.request, person, fact.side)


async def _request_moved(connection: Connection, recorded: RecordedFact[Any], status: RequestStatus) -> None:
    await connection.execute(_MOVE, recorded.fact.request, status, recorded.occurred_at)


async def _request_returned(connection: Connection, recorded: RecordedFact[InvoiceRequestReturned]) -> None:
    await _request_moved(connection, recorded, RequestStatus.RETURNED)


async def _request_closed(connection: Connection, recorded: RecordedFact[InvoiceRequestClosed]) -> None:
    await _request_moved(connection, recorded, RequestStatus(recorded.fact.outcome))


async def _served(connection: Connection, recorded: RecordedFact[RequestServed]) -> None:
    if recorded.fact.complete:
        await _request_moved(connection, recorded, RequestStatus.ISSUED)


REQUESTS_VIEW = View(
    name="invoice_requests",
    source=OWN_LOG,
    tables=("invoice_requests", "invoice_request_people"),
    apply={
        RequestWritten: _written,
        InvoiceRequested: _requested,
        InvoiceRequestReviewed: _reviewed,
        InvoiceRequestReturned: _request_returned,
        InvoiceRequestClosed: _request_closed,
        RequestServed: _served,
    },
)

# --- the register ----------------------------------------------------------------------------------------------------

_ISSUE = """
INSERT INTO invoices
    (invoice, order_id, order_number, request, request_number, customer, unit, buyer_name, buyer_identity, kind,
     special, electronic, code, number, digital_number, issued_on, net_fen, tax_fen, gross_fen, red_of, status,
     issued_by, collector)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23)
"""
_LINE = """
INSERT INTO invoice_lines (invoice, place, item, unit, quantity, rate_percent, net_fen, tax_fen, gross_fen)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
"""
_TAKE_BACK = "UPDATE invoices SET taken_back_fen = taken_back_fen - $2 WHERE invoice = $1"
# A void red letter takes nothing back any more.
_VOID = """
WITH void AS (UPDATE invoices SET status = $2, voided_on = $3 WHERE invoice = $1 RETURNING red_of, gross_fen)
UPDATE invoices b SET taken_back_fen = b.taken_back_fen + v.gross_fen FROM void v WHERE b.invoice = v.red_of
"""
_COLLECT = "UPDATE invoices SET collected_by = $2, collected_on = $3, delivered_on = $4 WHERE invoice = $1"


async def _issued(connection: Connection, recorded: RecordedFact[InvoiceIssued]) -> None:
    fact = recorded.fact
    await connection.execute(
        _ISSUE,
        fact.invoice,
        fact.order,
        fact.order_number,
        fact.request,
        fact.request_number,
        fact.customer,
        fact.unit,
        fact.buyer_name,
        fact.buyer_identity,
        fact.kind,
        fact.special,
        fact.electronic,
        fact.code,
        fact.number,
        fact.digital_number,
        fact.issued_on,
        fact.net_fen,
        fact.tax_fen,
        fact.gross_fen,
        fact.red_of,
        InvoiceStatus.ISSUED,
        fact.issued_by,
        fact.collector,
    )
    lines = [
        (
            fact.invoice,
            place,
            line.item,
            line.unit,
            line.quantity,
            line.rate_percent,
            line.net_fen,
            line.tax_fen,
            line.gross_fen,
        )
        for place, line in enumerate(fact.lines, 1)
    ]
    await connection.executemany(_LINE, lines)
    if fact.red_of:
        await connection.execute(_TAKE_BACK, fact.red_of, fact.gross_fen)


async def _voided(connection: Connection, recorded: RecordedFact[InvoiceVoided]) -> None:
    fact = recorded.fact
    await connection.execute(_VOID, fact.invoice, InvoiceStatus.VOIDED, fact.voided_on)


async def _collected(connection: Connection, recorded: RecordedFact[InvoiceCollected]) -> None:
    fact = recorded.fact
    await connection.execute(_COLLECT, fact.invoice, fact.collected_by, fact.collected_on, fact.delivered_on)


REGISTER_VIEW = View(
    name="invoices",
    source=OWN_LOG,
    tables=("invoices", "invoice_lines"),
    apply={InvoiceIssued: _issued, InvoiceVoided: _voided, InvoiceCollected: _collected},
)

# --- red letters -----------------------------------------------------------------------------------------------------

_ASK = """
INSERT INTO red_letters
    (red, invoice, order_id, customer, kind, gross_fen, reason, status, asked_by, asked_at, lapses_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
"""
_CONFIRM = "UPDATE red_letters SET status = $2, confirmation = $3 WHERE red = $1"
_RED_STATUS = "UPDATE red_letters SET status = $2 WHERE red = $1"
_DUE = """
INSERT INTO red_letters_due (order_id, order_number, customer, excess_fen, since) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (order_id) DO UPDATE SET excess_fen = excluded.excess_fen
"""
_COVERED = "DELETE FROM red_letters_due WHERE order_id = $1"


async def _asked(connection: Connection, recorded: RecordedFact[RedLetterAsked]) -> None:
    fact = recorded.fact
    await connection.execute(
        _ASK,
        fact.red,
        fact.invoice,
        fact.order,
        fact.customer,
        fact.kind,
        fact.gross_fen,
        fact.reason,
        RedStatus.ASKED if fact.lapses_at else RedStatus.CONFIRMED,
        fact.asked_by,
        recorded.occurred_at,
        fact.lapses_at,
    )


async def _confirmed(connection: Connection, recorded: RecordedFact[RedLetterConfirmed]) -> None:
    await connection.execute(_CONFIRM, recorded.fact.red, RedStatus.CONFIRMED, recorded.fact.confirmation)


async def _dropped(connection: Connection, recorded: RecordedFact[RedLetterDropped]) -> None:
    await connection.execute(_RED_STATUS, recorded.fact.red, RedStatus(recorded.fact.outcome))


async def _red_issued(connection: Connection, recorded: RecordedFact[InvoiceIssued]) -> None:
    if recorded.fact.red:
        await connection.execute(_RED_STATUS, recorded.fact.red, RedStatus.ISSUED)


async def _due(connection: Connection, recorded: RecordedFact[RedLetterDue]) -> None:
    fact = recorded.fact
    await connection.execute(_DUE, fact.order, fact.order_number, fact.customer, fact.excess_fen, recorded.occurred_at)


async def _covered(connection: Connection, recorded: RecordedFact[RedLetterCovered]) -> None:
    await connection.execute(_COVERED, recorded.fact.order)


RED_LETTERS_VIEW = View(
    name="red_letters",
    source=OWN_LOG,
    tables=("red_letters", "red_letters_due"),
    apply={
        RedLetterAsked: _asked,
        RedLetterConfirmed: _confirmed,
        RedLetterDropped: _dropped,
        InvoiceIssued: _red_issued,
        RedLetterDue: _due,
        RedLetterCovered: _covered,
    },
)
