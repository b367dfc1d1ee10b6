"""When access has ended, what is left of a leaver's customers passes to the manager, and delegations end (R4.6).

Found in the views, decided from the streams, again and again until nothing is left: a manager who is appointed only
later gets them then.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Any

import structlog

from kehu.commands import Thing
from kehu.deciding import Context, Decision, system_actor
from kehu.errors import KehuError
from kehu.facts import Position
from kehu.parts import Running
from kehu_customer_registry.delegations.decisions import ending, noted_end
from kehu_customer_registry.departures import handovers
from kehu_customer_registry.departures.facts import DEPARTURES, HANDOVERS
from kehu_customer_registry.dossiers.facts import DOSSIERS
from kehu_customer_registry.dossiers.views import REGISTER
from kehu_customer_registry.staff.facts import STAFF, StaffMember

log = structlog.get_logger(__name__)

#: Access ends at midnight: a second or two later is soon enough.
POLL_SECONDS = 1.0
#: Customers passed on before the views are waited for.
PAGE = 50
_VIEW_SECONDS = 10.0
_PART = "departures"

# Uses departures_person and register_owner; the manager by staff_grants_role. The general manager where a department
# has none at work.
_LEFT = """
SELECT r.customer, d.departure, d.person, coalesce(m.person, g.person) AS manager
FROM staff s
JOIN departures d ON d.person = s.person AND d.ended_at IS NOT NULL AND d.state <> 'cancelled'
JOIN register r ON r.owner = s.person OR r.collaborators @> ARRAY[s.person]
LEFT JOIN LATERAL (
    SELECT p.person FROM staff_grants g JOIN staff p USING (person)
    WHERE g.role = 'dept_manager' AND g.department = r.department AND p.last_day IS NULL AND NOT p.ended
    ORDER BY p.person LIMIT 1
) m ON true
LEFT JOIN LATERAL (
    SELECT p.person FROM staff_grants g JOIN staff p USING (person)
    WHERE g.role = 'general_manager' AND p.last_day IS NULL AND NOT p.ended
    ORDER BY p.person LIMIT 1
) g ON true
WHERE s.ended AND r.merged_into IS NULL AND coalesce(m.person, g.person) IS NOT NULL
ORDER BY r.customer LIMIT $1
"""
# Uses staff_delegations_principal and _delegate by way of the few who have left.
_DELEGATIONS = """
SELECT d.delegation, d.principal, d.delegate FROM staff_delegations d
JOIN staff s ON s.person IN (d.principal, d.delegate) AND s.ended
WHERE NOT d.ended ORDER BY d.delegation LIMIT $1
"""


async def pass_leftovers(running: Running) -> None:
    """Pass on whatever somebody who has left still has; until cancelled."""
    while True:
        if not await pass_page(running) and not await end_delegations(running):
            await asyncio.sleep(POLL_SECONDS)


async def pass_page(running: Running) -> int:
    """Pass some of it to the manager, and wait until the register shows it; how many customers."""
    rows = await running.pool.fetch(_LEFT, PAGE)
    passed = 0
    last: Position | None = None
    for row in rows:
        things = [
            Thing(DEPARTURES, row["departure"]),
            Thing(HANDOVERS, row["customer"], must_exist=False),
            Thing(DOSSIERS, row["customer"]),
            Thing(STAFF, row["person"]),
            Thing(STAFF, row["manager"]),
        ]
        try:
            done = await running.commands.handle_together(
                things, handovers.pass_to_manager, await _context(running), extra={"why": "access ended"}
            )
        except KehuError as refusal:
            log.warning("departure.left", departure=row["departure"], customer=row["customer"], why=str(refusal))
            continue
        passed += 1
        last = max(done.position, last) if last else done.position
    if last:
        await running.follower.wait_for(last, _VIEW_SECONDS, view=REGISTER.name)
        log.info("departure.passed", customers=passed)
    return passed


async def end_delegations(running: Running) -> int:
    """End the delegations of those who have left; how many."""
    rows = await running.pool.fetch(_DELEGATIONS, PAGE)
    last: Position | None = None
    for row in rows:
        things = [Thing(STAFF, row["principal"]), Thing(STAFF, row["delegate"])]
        done = await running.commands.handle_together(
            things, partial(_end_delegation, row["delegation"]), await _context(running)
        )
        last = done.position
    if last:
        await running.follower.wait_for(last, _VIEW_SECONDS, view="staff")
    return len(rows)


def _end_delegation(named: str, states: Sequence[StaffMember], context: Context) -> Sequence[Decision]:
    delegation = states[0].delegated.get(named)
    if delegation is None or delegation.ended_by is not None:
        return [Decision(), Decision()]
    by = context.actor.id
    return [Decision(ending(delegation, by)), Decision(noted_end(delegation, by))]


async def _context(running: Running) -> Context:
    now = running.clock.now()
    actor: Any = system_actor(running.service.name, _PART)
    return Context(actor, now, await running.policies.in_force(now))
