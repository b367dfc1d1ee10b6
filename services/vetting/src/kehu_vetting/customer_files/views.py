"""The customers whose qualification or credit somebody may ask for, and to whom they are visible."""

from __future__ import annotations

from kehu.event_store.appending import Connection
from kehu.facts import RecordedFact
from kehu.service import OWN_LOG, View
from kehu_vetting.customer_files.facts import CustomerNoted

# A later fact says only what it changes, so what it does not say stays.
_NOTE = """
INSERT INTO customer_files (customer, number, name, kind, department, owner) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (customer) DO UPDATE SET
    number = coalesce(excluded.number, customer_files.number),
    name = coalesce(excluded.name, customer_files.name),
    kind = coalesce(excluded.kind, customer_files.kind),
    department = coalesce(excluded.department, customer_files.department),
    owner = coalesce(excluded.owner, customer_files.owner)
"""


async def _note(connection: Connection, recorded: RecordedFact[CustomerNoted]) -> None:
    fact = recorded.fact
    await connection.execute(_NOTE, fact.customer, fact.number, fact.name, fact.kind, fact.department, fact.owner)


CUSTOMER_FILES_VIEW = View(
    name="customer_files", source=OWN_LOG, tables=("customer_files",), apply={CustomerNoted: _note}
)
