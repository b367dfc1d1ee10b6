"""The needs to tell somebody, as a table: which are still open, and whether a thing that was waited for still waits."""

from __future__ import annotations

from kehu.event_store import Connection
from kehu.facts import RecordedFact
from kehu.service import OWN_LOG, View
from kehu_notifier.notices.facts import NoticeAddressed, NoticeEnded, NoticeNeeded

_NEED = """
INSERT INTO notices (thing, reason, template, audience, customer, department, role, stand_in, barred, waiting,
                     correlation, step, persons, unit, place)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
"""
_ADDRESS = """
UPDATE notices SET told = told || $5::text, open = waiting AND open
WHERE thing = $1 AND reason = $2 AND template = $3 AND audience = $4 AND place = $6
"""
_END = "UPDATE notices SET ended = true, open = false WHERE thing = $1 AND waiting"


async def _need(connection: Connection, recorded: RecordedFact[NoticeNeeded]) -> None:
    fact = recorded.fact
    audience = fact.audience
    await connection.execute(
        _NEED,
        fact.thing,
        fact.reason,
        fact.template,
        audience.kind,
        fact.customer,
        audience.department,
        audience.role,
        audience.stand_in,
        list(audience.barred),
        fact.waiting,
        recorded.correlation,
        audience.step,
        list(audience.persons),
        audience.unit,
        fact.place,
    )


async def _address(connection: Connection, recorded: RecordedFact[NoticeAddressed]) -> None:
    fact = recorded.fact
    await connection.execute(
        _ADDRESS, fact.thing, fact.reason, fact.template, fact.audience_kind, fact.recipient, fact.place
    )


async def _end(connection: Connection, recorded: RecordedFact[NoticeEnded]) -> None:
    await connection.execute(_END, recorded.fact.thing)


NOTICES_VIEW = View(
    name="notices",
    source=OWN_LOG,
    tables=("notices",),
    apply={NoticeNeeded: _need, NoticeAddressed: _address, NoticeEnded: _end},
)
