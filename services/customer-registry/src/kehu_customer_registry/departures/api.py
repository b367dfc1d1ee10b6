"""Departures over HTTP: started and cleared by HR, handed over by the manager, the successors and the leaver (R4.6)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, datetime
from functools import partial
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from kehu.commands import Thing
from kehu.deciding import Context, Decision
from kehu.http import OPEN_TO_LEAVERS, Acting, ActingRequest, Answer, Page, Paging, StreamId
from kehu.ids import new_id
from kehu.text import Line, Paragraph
from kehu_customer_registry.departures import decisions, handovers, proofs
from kehu_customer_registry.departures.decisions import Beginning, MoveWork, StartDeparture
from kehu_customer_registry.departures.facts import DEPARTURES, HANDOVERS, Departure
from kehu_customer_registry.departures.naming import open_things
from kehu_customer_registry.departures.proofs import AttemptNotice, ProveNotice
from kehu_customer_registry.departures.rights import check_visible
from kehu_customer_registry.departures.views import customers_of, list_departures, list_waiting, owned
from kehu_customer_registry.departures.worklist import (
    DepartureShown,
    find_departure,
    visible_departure,
    worklist_of,
)
from kehu_customer_registry.dossiers.facts import DOSSIERS
from kehu_customer_registry.dossiers.rights import check_may_list
from kehu_customer_registry.dossiers.views import resolve
from kehu_customer_registry.staff.decisions import Code
from kehu_customer_registry.staff.facts import STAFF

router = APIRouter(tags=["departures"])

# Uses staff_grants_role.
_ADMINS = "SELECT count(*) FROM staff_grants g JOIN staff s USING (person) WHERE g.role = 'admin' AND NOT s.ended"


class _Body(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Reason(_Body):
    """Why."""

    reason: Line


class SuccessorForm(_Body):
    """Who takes the customer over."""

    successor: Code


class NotesForm(_Body):
    """What the successor has to know about the customer."""

    text: Annotated[Paragraph, Field(min_length=1)]


class TakeOverForm(_Body):
    """An open thing that names the leaver, as the worklist shows it, and who looks after it now."""

    kind: Annotated[str, Field(pattern=r"^[a-z_]{1,40}$")]
    thing: Annotated[str, Field(pattern=r"^[\w.:-]{1,100}$")]
    to: Annotated[Code | None, Field(description="Who looks after it now, and is told; left out, you do.")] = None
    remark: Line


class DepartureRow(BaseModel):
    """A line of the list."""

    departure: str
    number: str
    person: str
    department: str | None
    last_day: date
    started_by: str | None
    started_at: datetime
    state: Literal["running", "cancelled", "cleared"]
    ended_at: datetime | None = Field(description="When access ended.")


class HandoverRow(BaseModel):
    """A customer whose handover waits for somebody."""

    customer: str
    number: str
    name: str
    departure: str
    departure_number: str
    leaver: str
    successor: str | None
    department: str
    collaborator: bool
    due_on: date | None
    accepted_by: str | None
    notice_due: bool
    notes: bool
    attempts: int
    proof: str | None


@router.post("/departures", status_code=201)
async def start_departure(body: StartDeparture, request: Acting) -> Answer:
    """Start a departure: read-only and no export from now on. HR or the person's manager does; never the person."""
    departure = str(new_id())
    serial = await request.pool.fetchval("SELECT nextval('departure_numbers')")
    number = f"LZ{serial:06}"
    mine, helped = owned(await customers_of(request.pool, body.person), body.person)
    begin = Beginning(departure, number, await request.pool.fetchval(_ADMINS), mine, helped)
    return await request.handle_together(
        [Thing(DEPARTURES, departure, must_exist=False), Thing(STAFF, body.person, must_exist=False)],
        partial(decisions.start_departure, body),
        gathered=begin,
        numbers={"number": number},
    )


@router.get("/departures", openapi_extra=OPEN_TO_LEAVERS)
async def list_all(
    request: Acting,
    paging: Paging,
    waiting_for: Annotated[
        Literal["me"] | None, Query(description="Those that run, which you clear or hand over.")
    ] = None,
    state: Literal["running", "cancelled", "cleared"] | None = None,
    person: Code | None = None,
) -> Page[DepartureRow]:
    """Departures, in the order of their start: HR's and the general manager's all, a manager's their department's."""
    wanted = "running" if waiting_for else state
    (after,) = paging.after(str)
    rows = await list_departures(request.pool, request.actor, wanted, person, after, paging.fetch)
    return paging.page([DepartureRow.model_validate(dict(row)) for row in rows], key=lambda row: (row.departure,))


@router.get("/handovers")
async def list_handovers(
    request: Acting,
    paging: Paging,
    waiting_for: Annotated[Literal["me"], Query(description="What you accept, assign, confirm or prove.")] = "me",
) -> Page[HandoverRow]:
    """Your worklist of handovers: offered to you, or of your department and without successor, answer or proof."""
    del waiting_for
    check_may_list(request.actor)
    today = (await request.context()).today
    rows = await list_waiting(request.pool, request.actor, today, paging.after(str, str), paging.fetch)
    return paging.page(
        [HandoverRow.model_validate(dict(row)) for row in rows], key=lambda row: (row.customer, row.departure)
    )


@router.get("/departures/{departure}", openapi_extra=OPEN_TO_LEAVERS)
async def show_departure(departure: StreamId, request: Acting) -> DepartureShown:
    """A departure by its id or number: its customers and everything else that names the leaver, open or done."""
    found = await visible_departure(request, departure)
    shown, _ = await worklist_of(request, found)
    return shown


@router.post("/departures/{departure}/cancel")
async def cancel_departure(departure: StreamId, body: Reason, request: Acting) -> Answer:
    """The person stays and has their rights again; HR or the manager says so."""
    return await _on_departure(request, departure, partial(decisions.cancel_departure, body.reason))


@router.post("/departures/{departure}/things")
async def take_over_thing(departure: StreamId, body: TakeOverForm, request: Acting) -> Answer:
    """Give an open thing that names the leaver to somebody else, or take it over yourself; the manager does."""
    found = await visible_departure(request, departure)
    to = body.to or request.actor.id
    decisions.check_other(to, found)
    return await request.handle_together(
        [Thing(DEPARTURES, found.id), Thing(STAFF, found.person), Thing(STAFF, to, must_exist=False)],
        partial(decisions.move_work, MoveWork(body.kind, body.thing, body.remark)),
        gathered=await open_things(request.pool, found.person, (await request.context()).today),
        numbers={"number": found.number},
    )


@router.post("/departures/{departure}/clear")
async def clear_departure(departure: StreamId, request: Acting) -> Answer:
    """Clear a departure; refused, naming everything that is open. HR does."""
    found = await visible_departure(request, departure)
    _, open_ = await worklist_of(request, found)
    return await request.handle_together(
        [Thing(DEPARTURES, found.id), Thing(STAFF, found.person)],
        decisions.clear_departure,
        gathered=open_,
        numbers={"number": found.number},
    )


@router.post("/departures/{departure}/customers/{customer}/successor")
async def propose_successor(departure: StreamId, customer: StreamId, body: SuccessorForm, request: Acting) -> Answer:
    """Propose who takes a customer over; the manager of its department does. Asked again, the last proposal counts."""
    return await _on_scene(request, departure, customer, handovers.propose_successor, body.successor)


@router.post("/departures/{departure}/customers/{customer}/accept")
async def accept_successor(departure: StreamId, customer: StreamId, request: Acting) -> Answer:
    """Take a customer over, as who was proposed; or confirm for them as the manager, once their days are over."""
    return await _on_scene(request, departure, customer, handovers.accept_successor)


@router.post("/departures/{departure}/customers/{customer}/decline")
async def decline_successor(departure: StreamId, customer: StreamId, body: Reason, request: Acting) -> Answer:
    """Do not take a customer over, as who was proposed."""
    return await _on_scene(request, departure, customer, partial(handovers.decline_successor, body.reason))


@router.post("/departures/{departure}/customers/{customer}/notes", openapi_extra=OPEN_TO_LEAVERS)
async def write_notes(departure: StreamId, customer: StreamId, body: NotesForm, request: Acting) -> Answer:
    """Write the handover notes of a customer, as who leaves."""
    return await _on_scene(request, departure, customer, partial(handovers.write_notes, body.text))


@router.post("/departures/{departure}/customers/{customer}/proof")
async def prove_notice(departure: StreamId, customer: StreamId, body: ProveNotice, request: Acting) -> Answer:
    """Record how the customer was told: a signed letter, or a call or visit by somebody other than the leaver."""
    return await _on_notice(request, departure, customer, partial(proofs.prove_notice, body))


@router.post("/departures/{departure}/customers/{customer}/attempts")
async def attempt_notice(departure: StreamId, customer: StreamId, body: AttemptNotice, request: Acting) -> Answer:
    """Record that the customer was not reached."""
    return await _on_notice(request, departure, customer, partial(proofs.attempt_notice, body))


@router.post("/departures/{departure}/customers/{customer}/waive")
async def waive_notice(departure: StreamId, customer: StreamId, body: Reason, request: Acting) -> Answer:
    """Waive the proof, once enough attempts have failed; the manager does."""
    return await _on_notice(request, departure, customer, partial(proofs.waive_notice, body.reason))


# --- what the routes have in common ----------------------------------------------------------------------------------

Decide = Callable[[Sequence[Any], Context], Sequence[Decision]]


async def _on_departure(request: ActingRequest, named: str, decide: Decide) -> Answer:
    found = await visible_departure(request, named)
    return await request.handle_together(
        [Thing(DEPARTURES, found.id), Thing(STAFF, found.person)], decide, numbers={"number": found.number}
    )


async def _on_scene(
    request: ActingRequest, named: str, customer: str, decide: Decide, successor: str | None = None
) -> Answer:
    """A command on a customer's handover; without `successor` it concerns who was proposed, or else the owner."""
    found = await find_departure(request, named)
    customer = await _customer(request, customer)
    handover, _ = await request.running.commands.load(HANDOVERS, customer)
    asked = handover.successor if handover.departure == found.id else None
    _check_party(request, found, asked)
    other = successor or asked or found.person
    things: list[Thing[Any]] = [
        Thing(DEPARTURES, found.id),
        Thing(HANDOVERS, customer, must_exist=False),
        Thing(DOSSIERS, customer),
        Thing(STAFF, found.person),
    ]
    if other == found.person:
        # One stream is asked for once: the leaver in both parts.
        return await request.handle_together(things, _doubling(decide), numbers={"customer": customer})
    things.append(Thing(STAFF, other, must_exist=False))
    return await request.handle_together(things, decide, numbers={"customer": customer})


def _doubling(decide: Decide) -> Decide:
    def decide_on_four(states: Sequence[Any], context: Context) -> Sequence[Decision]:
        return list(decide([*states, states[-1]], context))[:-1]

    return decide_on_four


async def _on_notice(request: ActingRequest, named: str, customer: str, decide: Decide) -> Answer:
    found = await find_departure(request, named)
    customer = await _customer(request, customer)
    handover, _ = await request.running.commands.load(HANDOVERS, customer)
    _check_party(request, found, handover.successor, handover.department)
    return await request.handle_together(
        [Thing(DEPARTURES, found.id), Thing(HANDOVERS, customer)], decide, numbers={"customer": customer}
    )


def _check_party(
    request: ActingRequest, departure: Departure, successor: str | None, department: str | None = None
) -> None:
    """Successors and the customer's department take part without seeing the whole departure."""
    actor = request.actor
    if actor.id == successor or (department and {department} & actor.departments("salesperson", "vetter")):
        return
    check_visible(departure, actor)


async def _customer(request: ActingRequest, named: str) -> str:

    found = await resolve(request.pool, [named])
    return found[named].customer if named in found else named
