"""A departure's worklist: the customers on their way to successors, and whatever else names who leaves (R4.6)."""

from __future__ import annotations

import re
from datetime import date
from typing import Literal

from pydantic import BaseModel, Field

from kehu.http import ActingRequest
from kehu_customer_registry.departures.decisions import DEPARTURE_SCOPE, StillOpen, lacks
from kehu_customer_registry.departures.facts import DEPARTURES, HANDOVERS, Departure, Handover
from kehu_customer_registry.departures.naming import open_things
from kehu_customer_registry.departures.rights import check_visible
from kehu_customer_registry.departures.views import DEPARTURES_VIEW, customers_of, handed_over, merged_of, owned
from kehu_customer_registry.dossiers.views import REGISTER
from kehu_customer_registry.staff.facts import STAFF, StaffMember

_NUMBER = re.compile(r"LZ\d{6,18}", re.ASCII)
#: Seconds that a list is waited for which has to have seen the departure's start.
_LISTED_SECONDS = 10.0


class HandoverShown(BaseModel):
    """A customer on its way from the leaver to the successor, and what it lacks."""

    customer: str
    role: Literal["owner", "collaborator"]
    successor: str | None
    due_on: date | None
    accepted_by: str | None
    notice_due: bool
    notes: str | None
    failed_attempts: int
    proof: str | None
    lacks: str | None


class ThingShown(BaseModel):
    """Something else that names the leaver."""

    kind: str
    thing: str
    customer: str | None
    about: str
    taken_over: bool


class DepartureShown(BaseModel):
    """A departure with its worklist: what is handed over and what is open."""

    departure: str
    number: str
    person: str
    department: str | None
    last_day: date
    state: Literal["running", "cancelled", "cleared"]
    access_ended: bool
    customers: list[HandoverShown]
    things: list[ThingShown]
    clear: bool = Field(description="Whether nothing is open.")


# --- what routes ask for ---------------------------------------------------------------------------------------------


async def find_departure(request: ActingRequest, named: str) -> Departure:
    """A departure by its id or number; one without an id where there is none. Its version becomes the ETag."""
    departure = named
    if _NUMBER.fullmatch(named):
        claim = await request.running.store.read_claim(DEPARTURE_SCOPE, named)
        departure = claim["holder"] if claim else named
    found, version = await request.running.commands.load(DEPARTURES, departure)
    request.tag(version)
    return found


async def visible_departure(request: ActingRequest, named: str) -> Departure:
    """A departure that whoever asks may see.

    Raises:
        NotFound: there is none, or none that they may know of.

    """
    found = await find_departure(request, named)
    check_visible(found, request.actor)
    return found


async def worklist_of(request: ActingRequest, departure: Departure) -> tuple[DepartureShown, StillOpen]:
    """The worklist, from lists that have seen the departure's start: nothing new names the leaver since."""
    commands = request.running.commands
    history = await commands.history(STAFF, departure.person)
    started = [one for one in history if getattr(one.fact, "departure", None) == departure.id]
    for view in (REGISTER, DEPARTURES_VIEW):
        await request.running.follower.wait_for(started[0].position, _LISTED_SECONDS, view=view.name)
    member: StaffMember = STAFF.fold([one.fact for one in history])
    today = (await request.context()).today
    mine, helped = owned(await customers_of(request.pool, departure.person), departure.person)
    merged = await merged_of(request.pool, departure.owned)
    concerned = sorted({*departure.owned, *await handed_over(request.pool, departure.id), *mine, *helped} - merged)
    loaded = {customer: (await commands.load(HANDOVERS, customer))[0].within(departure.id) for customer in concerned}
    open_ = StillOpen((*mine, *helped), await open_things(request.pool, departure.person, today), loaded, merged)
    missing = {customer: what[2] for customer, what in lacks(departure, open_)}
    things = [
        ThingShown(
            kind=one.kind,
            thing=one.thing,
            customer=one.customer,
            about=one.about,
            taken_over=(one.kind, one.thing) in departure.taken_over,
        )
        for one in open_.things
    ]
    shown = DepartureShown(
        departure=departure.id,
        number=departure.number,
        person=departure.person,
        department=departure.department,
        last_day=departure.last_day,
        state=_state(departure, member),
        access_ended=member.has_left(today),
        customers=[
            _handover(customer, state, missing.get(customer), helper=customer in helped)
            for customer, state in loaded.items()
        ],
        things=things,
        clear=not missing and all(thing.taken_over for thing in things),
    )
    return shown, open_


def _state(departure: Departure, member: StaffMember) -> Literal["running", "cancelled", "cleared"]:
    if departure.settled:
        return "cleared"
    running = member.leaving is not None and member.leaving.departure == departure.id
    return "running" if running else "cancelled"


def _handover(customer: str, state: Handover, lacking: str | None, *, helper: bool) -> HandoverShown:
    return HandoverShown(
        customer=customer,
        role="collaborator" if helper or state.collaborator else "owner",
        successor=state.successor,
        due_on=state.due_on if state.waits_for_answer else None,
        accepted_by=state.accepted_by,
        notice_due=state.notice_due,
        notes=state.notes,
        failed_attempts=state.failed,
        proof=state.proof,
        lacks=lacking,
    )
