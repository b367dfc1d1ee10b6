"""Addresses those who turn up after the need to tell them was noted: an owner, a contact, somebody given the role.

The topics of the staff, of customers and of what happens to them come in no order between them. Whatever came first,
this loop sees in the views that somebody is still to be told, and decides it again as the reaction did.
"""

from __future__ import annotations

import asyncio
from datetime import date
from functools import partial
from uuid import UUID

import asyncpg
import structlog

from kehu.calendar import today
from kehu.deciding import Context, system_actor
from kehu.event_store import Connection
from kehu.facts import START
from kehu.parts import Running
from kehu_notifier.customers.views import leads_to
from kehu_notifier.notices.company import look_up
from kehu_notifier.notices.decisions import address
from kehu_notifier.notices.facts import NOTICES
from kehu_notifier.notices.views import NOTICES_VIEW
from kehu_notifier.templates.template import TOLD_TO_LEAVERS

log = structlog.get_logger(__name__)

#: Seconds between looks: the usual need is addressed by the reaction itself, at once.
POLL_SECONDS = 1.0
#: Needs addressed between two looks at the view.
PAGE = 100
_VIEW_SECONDS = 5.0

# Uses notices_open, the primary keys of the other tables, staff_grants_role and staff_delegations_principal. Finds the
# needs for which `recipients` names somebody who was not told: not barred and not leaving; with the role, delegates
# included; the manager where all who are named are leaving (R4.6).
_LEFT = f"""
WITH leaving AS (SELECT person FROM staff WHERE last_day IS NOT NULL OR ended)
SELECT DISTINCT n.thing, n.customer, n.unit, n.reason, n.correlation
FROM notices n
LEFT JOIN customers c ON c.customer = {leads_to("n.customer")}
CROSS JOIN LATERAL (
    SELECT CASE n.audience
        WHEN 'persons' THEN n.persons
        WHEN 'owner' THEN array_remove(ARRAY[c.owner], NULL)
        WHEN 'payer_owners' THEN ARRAY(
            SELECT o.owner FROM payer_links p JOIN customers o ON o.customer = {leads_to("p.customer")}
            WHERE p.unit = n.unit
        )
        ELSE '{{}}'
    END AS people
) named
CROSS JOIN LATERAL (
    SELECT ARRAY(
        SELECT person FROM unnest(named.people) person
        WHERE n.template = ANY ($3) OR person NOT IN (SELECT person FROM leaving)
    ) AS people
) staying
WHERE n.open AND (
    EXISTS (SELECT FROM unnest(staying.people) person WHERE person <> ALL (n.told) AND person <> ALL (n.barred))
    OR n.audience = 'main_contact' AND n.told = '{{}}'
        AND EXISTS (SELECT FROM customer_contacts k WHERE k.customer = c.customer)
    OR named.people <> '{{}}' AND staying.people = '{{}}' AND EXISTS (
        SELECT FROM staff_grants g
        WHERE g.role = 'dept_manager' AND g.department IN ('', coalesce(n.department, c.department))
          AND g.person NOT IN (SELECT person FROM leaving)
          AND g.person <> ALL (n.told) AND g.person <> ALL (n.barred)
    )
    OR n.audience = 'role' AND EXISTS (
        SELECT FROM staff_grants g
        WHERE (g.role = n.role OR (g.role = n.stand_in AND n.told = '{{}}'))
          AND (n.department IS NULL OR g.department IN ('', n.department))
          AND g.person NOT IN (SELECT person FROM leaving)
          AND g.person <> ALL (n.told) AND g.person <> ALL (n.barred)
    )
    OR n.audience = 'role' AND EXISTS (
        SELECT FROM staff_delegations d JOIN staff_grants g ON g.person = d.principal
        WHERE n.step = ANY (d.steps) AND NOT d.ended AND $2 BETWEEN d.first_day AND d.last_day
          AND (g.role = n.role OR (g.role = n.stand_in AND n.told = '{{}}'))
          AND (n.department IS NULL OR g.department IN ('', n.department))
          AND d.delegate NOT IN (SELECT person FROM leaving)
          AND d.delegate <> ALL (n.told) AND d.delegate <> ALL (n.barred) AND d.principal <> ALL (n.barred)
    )
)
ORDER BY n.thing, n.reason LIMIT $1
"""


async def address_whoever_turns_up(running: Running) -> None:
    """Do so until cancelled. Any number of processes may: who comes second finds nothing left to say."""
    while True:
        if not await address_page(running):
            await asyncio.sleep(POLL_SECONDS)


async def find_left(connection: Connection, today: date) -> list[asyncpg.Record]:
    """A page of the needs for which there is somebody who has not been told, by the day it is."""
    return await connection.fetch(_LEFT, PAGE, today, sorted(TOLD_TO_LEAVERS))


async def address_page(running: Running) -> int:
    """Address some of those left, and wait until the view shows it; how many needs moved."""
    now = running.clock.now()
    async with running.pool.acquire() as connection:
        rows = await find_left(connection, today(now))
    if not rows:
        return 0
    policies = await running.policies.in_force(now)
    actor = system_actor(running.service.name, "catching-up")
    moved, position = 0, START
    for row in rows:
        reason: UUID = row["reason"]
        async with running.pool.acquire() as connection:
            company = await look_up(connection, row["customer"], row["unit"])
        done = await running.commands.handle(
            NOTICES,
            row["thing"],
            partial(address, reason),
            Context(actor, now, policies, company),
            correlation=row["correlation"],
            causation=reason,
        )
        if done.position > position:
            moved, position = moved + 1, done.position
    if moved:
        log.info("notices.caught_up", needs=moved)
        await running.follower.wait_for(position, _VIEW_SECONDS, view=NOTICES_VIEW.name)
    return moved
