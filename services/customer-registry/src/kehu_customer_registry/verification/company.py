"""Who could verify a customer's dossier, as the registry's own views know it."""

from __future__ import annotations

from collections.abc import Sequence

import asyncpg

from kehu.event_store import Connection
from kehu_customer_registry.dossiers.facts import Dossier, Status
from kehu_customer_registry.verification.decisions import Around, Company, Kept

# Uses staff_grants_role and the primary key of staff.
_VERIFIERS = """
SELECT g.person FROM staff_grants g JOIN staff s USING (person)
WHERE g.role = 'verifier' AND g.department = ANY ($1) AND s.last_day IS NULL AND NOT s.ended
"""
_AT_WORK = "SELECT person FROM staff WHERE person = ANY ($1) AND last_day IS NULL AND NOT ended"
# By the register's primary key.
_KEPT = "SELECT customer, department, owner, collaborators, status FROM register WHERE customer = $1"


async def look_up_company(
    connection: Connection | asyncpg.Pool, department: str, named: Sequence[str | None] = ()
) -> Company:
    """The department's verifiers who are not leaving, and which of the persons named work here.

    Args:
        connection: to the registry's views.
        department: whose verifiers.
        named: persons of whom it matters.

    """
    verifiers = [row["person"] for row in await connection.fetch(_VERIFIERS, ["", department])]
    asked = [person for person in named if person]
    at_work = [row["person"] for row in await connection.fetch(_AT_WORK, asked)] if asked else []
    return Company(verifiers, frozenset([*verifiers, *at_work]))


async def look_up(connection: Connection, customer: str) -> Around | None:
    """A customer and its department's verifiers, for reactions; None where the register does not have it."""
    row = await connection.fetchrow(_KEPT, customer)
    if row is None:
        return None
    own = frozenset([row["owner"], *row["collaborators"]])
    kept = Kept(customer, row["department"], row["status"] == Status.ARCHIVED, own)
    return Around(kept, await look_up_company(connection, row["department"]))


def kept_as(dossier: Dossier) -> Kept:
    """A dossier as decisions on its verification need it."""
    own = frozenset([dossier.owner, *dossier.content.collaborators])
    live = dossier.status is Status.ARCHIVED and dossier.merged_into is None
    return Kept(dossier.customer, dossier.department, live, own)
