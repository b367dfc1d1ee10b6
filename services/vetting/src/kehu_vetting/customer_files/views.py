"""The customers as vetting knows them: to whom a qualification is visible, and which id a 客户编号 stands for."""

from __future__ import annotations

import asyncpg

from kehu.event_store import Connection
from kehu.facts import RecordedFact
from kehu.service import OWN_LOG, View
from kehu_vetting.customer_files.facts import CustomerNoted

# A later fact says only what it changes, so what it does not say stays.
_NOTE = """
INSERT INTO customer_files (customer, number, name, kind, department, owner, collaborators)
VALUES ($1, $2, $3, $4, $5, $6, coalesce($7::text[], '{}'))
ON CONFLICT (customer) DO UPDATE SET
    number = coalesce($2, customer_files.number),
    name = coalesce($3, customer_files.name),
    kind = coalesce($4, customer_files.kind),
    department = coalesce($5, customer_files.department),
    owner = coalesce($6, customer_files.owner),
    collaborators = coalesce($7::text[], customer_files.collaborators)
"""
#: In place of customer_files, where things of customers are listed: those of a merged one are the survivor's (R4).
#: Uses the primary keys of both tables.
FILES = """(
    SELECT f.customer, s.customer AS survivor, s.number, s.name, s.kind, s.department, s.owner, s.collaborators
    FROM customer_files f LEFT JOIN lineage l ON l.customer = f.customer
    JOIN customer_files s ON s.customer = coalesce(l.survivor, f.customer)
)"""
# Uses customer_files_number.
_BY_NUMBER = "SELECT customer FROM customer_files WHERE number = $1 ORDER BY customer LIMIT 1"


async def _note(connection: Connection, recorded: RecordedFact[CustomerNoted]) -> None:
    fact = recorded.fact
    collaborators = None if fact.collaborators is None else list(fact.collaborators)
    await connection.execute(
        _NOTE, fact.customer, fact.number, fact.name, fact.kind, fact.department, fact.owner, collaborators
    )


async def customer_of_number(pool: asyncpg.Pool, number: str) -> str | None:
    """The id of the customer that has this 客户编号, as far as the view has come."""
    found: str | None = await pool.fetchval(_BY_NUMBER, number)
    return found


CUSTOMER_FILES_VIEW = View(
    name="customer_files", source=OWN_LOG, tables=("customer_files",), apply={CustomerNoted: _note}
)
