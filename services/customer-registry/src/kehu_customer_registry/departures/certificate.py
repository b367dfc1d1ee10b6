"""What shows how a departure was done, as data with fact ids, and on paper once it is cleared (R4.6)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import asyncpg
from fastapi import APIRouter, Response
from pydantic import BaseModel

from kehu.calendar import today
from kehu.contracts.staff import DepartureCleared, HandoverProved, OpenWorkMoved, SuccessorAccepted
from kehu.errors import Refused
from kehu.facts import Fact, RecordedFact
from kehu.http import Acting, ActingRequest, StreamId
from kehu.printing import Printed, Printing, printed_answer, staff_names
from kehu_customer_registry.clearance import Clearance, HandedOver, WorkMoved, clearance_form
from kehu_customer_registry.departures.decisions import THINGS
from kehu_customer_registry.departures.facts import (
    DEPARTURES,
    HANDOVERS,
    Departure,
    DepartureOpened,
    ThingTakenOver,
)
from kehu_customer_registry.departures.rights import CLAUSE
from kehu_customer_registry.departures.worklist import DepartureShown, visible_departure, worklist_of
from kehu_customer_registry.staff.facts import STAFF

router = APIRouter(tags=["departures"])

# Use the primary keys.
_CUSTOMERS = "SELECT customer, number, name FROM register WHERE customer = ANY ($1)"
_NUMBER = "SELECT number FROM staff WHERE person = $1"


class NotCleared(Refused):
    """There is nothing to certify yet."""

    code = "departure-not-cleared"


class Evidence(BaseModel):
    """One fact that the certificate rests on."""

    id: str
    type: str
    occurred_at: datetime
    actor: str
    stream: str
    data: dict[str, Any]


class Certificate(BaseModel):
    """What shows that a departure was done as R4.6 asks, with the facts behind it."""

    departure: DepartureShown
    cleared_by: str | None
    facts: list[Evidence]


@router.get("/departures/{departure}/certificate")
async def show_certificate(departure: StreamId, request: Acting) -> Certificate:
    """Everything that shows how a departure was done: each customer's successor, notes and proof, with fact ids."""
    found = await visible_departure(request, departure)
    shown, _ = await worklist_of(request, found)
    facts = await _facts(request, found, shown)
    cleared = [one.fact for one in facts if isinstance(one.fact, DepartureCleared)]
    return Certificate(
        departure=shown,
        cleared_by=cleared[-1].cleared_by if cleared else None,
        facts=[
            Evidence(
                id=str(one.id),
                type=type(one.fact).__name__,
                occurred_at=one.occurred_at,
                actor=one.actor,
                stream=one.stream,
                data=one.fact.model_dump(mode="json"),
            )
            for one in facts
        ],
    )


@router.get("/departures/{departure}/certificate/print", response_class=Response)
async def print_certificate(departure: StreamId, request: Acting, format_: Printing) -> Response:
    """The certificate of clearance as a PDF or docx; recorded, with a reason (header `Kehu-Reason`)."""
    found = await visible_departure(request, departure)
    reason = request.reason
    shown, _ = await worklist_of(request, found)
    facts = await _facts(request, found, shown)
    rows = await request.pool.fetch(_CUSTOMERS, [one.customer for one in shown.customers])
    staff_number: str = await request.pool.fetchval(_NUMBER, found.person) or ""
    clearance = clearance_of(facts, {row["customer"]: row for row in rows}, staff_number)
    names = await staff_names(request, _people(clearance))
    printed = Printed(request.now, names[request.actor.id], tuple(str(one.id) for one in facts))
    return await printed_answer(request, clearance_form(clearance, names, printed), format_, reason=reason)


async def _facts(request: ActingRequest, found: Departure, shown: DepartureShown) -> list[RecordedFact[Fact]]:
    """Everything that happened in a departure, in the order of the log."""
    commands = request.running.commands
    facts = list(await commands.history(DEPARTURES, found.id))
    streams = [(STAFF, found.person), *((HANDOVERS, one.customer) for one in shown.customers)]
    for category, name in streams:
        facts += [
            one for one in await commands.history(category, name) if getattr(one.fact, "departure", None) == found.id
        ]
    return sorted(facts, key=lambda one: one.position)


def clearance_of(
    facts: Sequence[RecordedFact[Fact]], customers: Mapping[str, Mapping[str, Any] | asyncpg.Record], staff_number: str
) -> Clearance:
    """A departure that was cleared, as the certificate tells it; times are those of the facts.

    Args:
        facts: of the departure, in their order.
        customers: number and name of each that was handed over, by id.
        staff_number: the leaver's.

    Raises:
        NotCleared: it was not, or was cancelled.

    """
    opened = next((one for one in facts if isinstance(one.fact, DepartureOpened)), None)
    cleared = next((one for one in reversed(facts) if isinstance(one.fact, DepartureCleared)), None)
    if opened is None or cleared is None or not isinstance(opened.fact, DepartureOpened):
        raise NotCleared(
            "离职尚未结清,不能出具结清证明。请先由人事结清。",
            "The departure has not been cleared, so there is nothing to certify yet. HR has to clear it first.",
            clause=CLAUSE,
        )
    handed: dict[str, HandedOver] = {}
    work: dict[tuple[str, str], WorkMoved] = {}
    for one in facts:
        match one.fact:
            case SuccessorAccepted() as fact:
                handed[fact.customer] = _handed_over(fact, one.occurred_at, customers.get(fact.customer))
            case HandoverProved() as fact if fact.customer in handed:
                handed[fact.customer] = replace(
                    handed[fact.customer],
                    proof=fact.proof,
                    evidence=fact.evidence,
                    proved_by=fact.proved_by,
                    proved_for=fact.on_behalf_of,
                    proved_at=one.occurred_at,
                )
            case OpenWorkMoved() as fact:
                work[fact.kind, fact.thing] = WorkMoved(_what(fact.kind), fact.thing, fact.to)
            case ThingTakenOver() as fact:
                work[fact.kind, fact.thing] = WorkMoved(_what(fact.kind), fact.thing, fact.taken_by)
            case _:
                pass
    return Clearance(
        number=opened.fact.number,
        person=opened.fact.person,
        staff_number=staff_number,
        department=opened.fact.department or "",
        started_on=today(opened.occurred_at),
        last_day=opened.fact.last_day,
        cleared_by=getattr(cleared.fact, "cleared_by", None) or cleared.actor,
        cleared_at=cleared.occurred_at,
        customers=sorted(handed.values(), key=lambda one: one.number),
        work=list(work.values()),
    )


def _handed_over(
    fact: SuccessorAccepted, at: datetime, customer: Mapping[str, Any] | asyncpg.Record | None
) -> HandedOver:
    return HandedOver(
        number=customer["number"] if customer else fact.customer,
        name=customer["name"] if customer else "",
        successor=fact.successor,
        accepted_by=fact.accepted_by,
        accepted_for=fact.on_behalf_of,
        accepted_at=at,
    )


def _what(kind: str) -> str:
    return " ".join(THINGS.get(kind, (kind,)))


def _people(clearance: Clearance) -> list[str | None]:
    people: list[str | None] = [clearance.person, clearance.cleared_by, *(one.to for one in clearance.work)]
    for one in clearance.customers:
        people += [one.successor, one.accepted_by, one.accepted_for, one.proved_by, one.proved_for]
    return people
