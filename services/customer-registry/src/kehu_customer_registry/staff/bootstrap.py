"""The very first start: two admins are appointed by the system, so that everything after goes through the API."""

from __future__ import annotations

from functools import partial

from kehu.deciding import Context, system_actor
from kehu.parts import Running
from kehu_customer_registry.staff.decisions import FIRST_ADMINS, bootstrap
from kehu_customer_registry.staff.facts import STAFF


async def appoint_first_admins(running: Running) -> None:
    """Appoint the first two admins, each unless they ever were; harmless at every later start, and in many replicas."""
    actor = system_actor(running.service.name, "bootstrap")
    for person in FIRST_ADMINS:
        context = Context(actor, running.clock.now())
        await running.commands.handle(STAFF, person, partial(bootstrap, person=person), context, must_exist=False)
