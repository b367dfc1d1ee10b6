"""When another policy version comes into force, every customer's indicative grade is worked out again under it.

The official grades stay (R5.3.5): what changes shows as drift.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import structlog

from kehu.deciding import Context, system_actor
from kehu.facts import START
from kehu.parts import Running
from kehu_grading.grades.decisions import review
from kehu_grading.grades.facts import GRADES
from kehu_grading.grades.views import GRADES_VIEW
from kehu_grading.rules.policy import GRADING

log = structlog.get_logger(__name__)

#: Seconds between looks at which version is in force: an adoption is no hurry, its date was known before.
POLL_SECONDS = 5.0
#: Customers reviewed between two looks at the view, so many of them at once: their appends go into common calls.
PAGE = 500
AT_ONCE = 16
_VIEW_SECONDS = 5.0

# Uses grades_policy_version; versions only go up, except by a policy that is in force again.
_LEFT = """
SELECT customer FROM grades g WHERE (policy_version < $1 OR policy_version > $1)
  AND NOT EXISTS (SELECT FROM lineage l WHERE l.customer = g.customer)
ORDER BY policy_version, customer LIMIT $2
"""


async def follow_policy(running: Running) -> None:
    """Review every customer whose indicative grade is of another version than the one in force, until cancelled.

    Any number of processes may do it at once: who comes second finds nothing left to say.
    """
    while True:
        if not await review_page(running):
            await asyncio.sleep(POLL_SECONDS)


async def review_page(running: Running) -> int:
    """Review some of the customers that are left, and wait until the view shows it; how many there were."""
    version = await running.policies.version_in_force(GRADING.name, running.clock.now())
    rows = await running.pool.fetch(_LEFT, version, PAGE)
    if rows:
        await _review(running, [row["customer"] for row in rows])
        log.info("grades.reviewed", policy_version=version, customers=len(rows))
    return len(rows)


async def _review(running: Running, customers: Sequence[str]) -> None:
    now = running.clock.now()
    actor = system_actor(running.service.name, "follow-policy")
    context = Context(actor, now, await running.policies.in_force(now))
    turn = asyncio.Semaphore(AT_ONCE)
    position = START

    async def one(customer: str) -> None:
        nonlocal position
        async with turn:
            done = await running.commands.handle(GRADES, customer, review, context)
            position = max(position, done.position)

    async with asyncio.TaskGroup() as group:
        for customer in customers:
            group.create_task(one(customer))
    await running.follower.wait_for(position, _VIEW_SECONDS, view=GRADES_VIEW.name)
