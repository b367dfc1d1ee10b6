"""Who is who in the company, as far as the notifier has heard: what deciding on recipients is told."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date
from typing import Any

import asyncpg

from kehu.contracts.staff import Role
from kehu.event_store import Connection
from kehu.facts import RecordedFact
from kehu_notifier.customers.views import leads_to

#: Whoever something may wait for by their role, superiors as policy data has them included. Salespeople, who are many,
#: are told as persons and owners.
TOLD_ROLES = tuple(role for role in Role if role is not Role.SALESPERSON)

# Uses staff_grants_role, staff_delegations_principal and the primary keys of staff and staff_grants.
_HOLDERS = """
SELECT g.person, g.role, nullif(g.department, '') AS department, NULL AS principal, NULL AS steps, NULL AS first_day,
       NULL AS last_day
FROM staff_grants g JOIN staff s ON s.person = g.person
WHERE g.role = ANY ($1) AND s.last_day IS NULL AND NOT s.ended
UNION ALL
SELECT d.delegate, g.role, nullif(g.department, ''), d.principal, d.steps, d.first_day, d.last_day
FROM staff_grants g JOIN staff_delegations d ON d.principal = g.person JOIN staff s ON s.person = d.delegate
WHERE g.role = ANY ($1) AND NOT d.ended AND s.last_day IS NULL AND NOT s.ended
ORDER BY 1, 2, 3, 4
"""
# Uses the primary key of payer_links and that of customers.
_PAYER_OWNERS = f"""
SELECT DISTINCT c.owner FROM payer_links p JOIN customers c ON c.customer = {leads_to("p.customer")}
WHERE p.unit = $1 ORDER BY 1
"""
_LEAVING = "SELECT person FROM staff WHERE last_day IS NOT NULL OR ended"
# Of a merged customer, the survivor's people (R4). Uses the primary keys of all tables.
_CUSTOMER = f"""
SELECT c.owner, c.department,
       (SELECT k.person FROM customer_contacts k WHERE k.customer = c.customer ORDER BY k.main DESC, k.place LIMIT 1)
           AS main_contact
FROM customers c WHERE c.customer = {leads_to("$1")}
"""


@dataclass(frozen=True, slots=True)
class Delegation:
    """What makes somebody a holder of another's role: for whom, for which steps, from and to which day."""

    principal: str
    steps: frozenset[str]
    first_day: date
    last_day: date


@dataclass(frozen=True, slots=True)
class Holder:
    """Somebody with a role, in a department or (None) in the whole company, who is not leaving.

    With a `delegation` the role is that of an absent approver whom they stand in for (委托).
    """

    person: str
    role: Role
    department: str | None
    delegation: Delegation | None = None

    def answers_for(self, step: str | None, today: date) -> bool:
        """Whether a step is theirs to do on that day, their role apart."""
        mandate = self.delegation
        return mandate is None or (step in mandate.steps and mandate.first_day <= today <= mandate.last_day)

    def barred_by(self, barred: Collection[str]) -> bool:
        """Whether they, or whom they stand in for, may not: both are barred alike (People)."""
        return self.person in barred or (self.delegation is not None and self.delegation.principal in barred)


@dataclass(frozen=True, slots=True)
class Company:
    """Who has which role, and whose a customer is; None where that is not known yet.

    Args:
        holders: of the roles that are told anything.
        owner: of the customer.
        main_contact: of the customer.
        department: of the customer.
        payer_owners: of the customers that a settlement unit pays for.
        leaving: everybody whose departure has started, and who has left (R4.6).

    """

    holders: tuple[Holder, ...] = ()
    owner: str | None = None
    main_contact: str | None = None
    department: str | None = None
    payer_owners: tuple[str, ...] = ()
    leaving: frozenset[str] = frozenset()

    def with_role(self, role: Role, department: str | None) -> list[Holder]:
        """Whoever has the role there, delegates included; in any department when none is named."""
        return [
            holder
            for holder in self.holders
            if holder.role == role and (department is None or holder.department in (None, department))
        ]


async def look_up(connection: Connection, customer: str, unit: str | None = None) -> Company:
    """The company as it is known now, seen from one customer, or from a settlement unit."""
    holders = await connection.fetch(_HOLDERS, list(TOLD_ROLES))
    leaving = await connection.fetch(_LEAVING)
    owners = await connection.fetch(_PAYER_OWNERS, unit) if unit else []
    row = await connection.fetchrow(_CUSTOMER, customer)
    return Company(
        holders=tuple(_holder(row) for row in holders),
        owner=row["owner"] if row else None,
        main_contact=row["main_contact"] if row else None,
        department=row["department"] if row else None,
        payer_owners=tuple(row["owner"] for row in owners),
        leaving=frozenset(row["person"] for row in leaving),
    )


def _holder(row: asyncpg.Record) -> Holder:
    delegation = (
        Delegation(row["principal"], frozenset(row["steps"]), row["first_day"], row["last_day"])
        if row["principal"]
        else None
    )
    return Holder(row["person"], Role(row["role"]), row["department"], delegation)


async def gather(connection: Connection, recorded: RecordedFact[Any]) -> Company:
    """The same for a reaction, seen from the customer that its fact is about, or else from its settlement unit."""
    customer = getattr(recorded.fact, "customer", None)
    unit = None if customer else getattr(recorded.fact, "unit", None)
    return await look_up(connection, customer or "", unit)
