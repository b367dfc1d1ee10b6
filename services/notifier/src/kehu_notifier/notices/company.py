"""Who is who in the company, as far as the notifier has heard: what deciding on recipients is told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from kehu.contracts.staff import Role
from kehu.event_store import Connection
from kehu.facts import RecordedFact

#: The roles that anything waits for, or is news to.
TOLD_ROLES = (
    Role.VETTER,
    Role.FINANCE,
    Role.DEPT_MANAGER,
    Role.GM_OFFICE,
    Role.GENERAL_MANAGER,
    Role.MARKET_DEPT,
    Role.WAREHOUSE,
    Role.HR,
)

# Uses staff_grants_role and the primary key of staff.
_HOLDERS = """
SELECT g.person, g.role, nullif(g.department, '') AS department
FROM staff_grants g JOIN staff s ON s.person = g.person
WHERE g.role = ANY ($1) AND s.last_day IS NULL AND NOT s.ended
ORDER BY g.person, g.role, g.department
"""
# Uses the primary keys of both tables.
_CUSTOMER = """
SELECT c.owner,
       (SELECT k.person FROM customer_contacts k WHERE k.customer = c.customer ORDER BY k.main DESC, k.place LIMIT 1)
           AS main_contact
FROM customers c WHERE c.customer = $1
"""


@dataclass(frozen=True, slots=True)
class Holder:
    """Somebody with a role, in a department or (None) in the whole company, who is not leaving."""

    person: str
    role: Role
    department: str | None


@dataclass(frozen=True, slots=True)
class Company:
    """Who has which role, and whose a customer is; None where that is not known yet."""

    holders: tuple[Holder, ...] = ()
    owner: str | None = None
    main_contact: str | None = None

    def with_role(self, role: Role, department: str | None) -> list[str]:
        """Whoever has the role there, each once; in any department when none is named."""
        found = [
            holder.person
            for holder in self.holders
            if holder.role == role and (department is None or holder.department in (None, department))
        ]
        return list(dict.fromkeys(found))


async def look_up(connection: Connection, customer: str) -> Company:
    """The company as it is known now, seen from one customer."""
    holders = await connection.fetch(_HOLDERS, list(TOLD_ROLES))
    row = await connection.fetchrow(_CUSTOMER, customer)
    return Company(
        holders=tuple(Holder(holder["person"], Role(holder["role"]), holder["department"]) for holder in holders),
        owner=row["owner"] if row else None,
        main_contact=row["main_contact"] if row else None,
    )


async def gather(connection: Connection, recorded: RecordedFact[Any]) -> Company:
    """The same for a reaction, seen from the customer that its fact is about, if it is about one."""
    return await look_up(connection, getattr(recorded.fact, "customer", None) or "")
