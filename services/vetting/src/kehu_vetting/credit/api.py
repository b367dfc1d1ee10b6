"""Credit incidents over HTTP: finance records, settles and takes back; others see what may concern them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, datetime
from functools import partial
from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, Field

from kehu.commands import Thing
from kehu.contracts.vetting import CreditIncidentRecorded, CreditIncidentResolved, CreditIncidentWithdrawn
from kehu.deciding import Context, Decision
from kehu.facts import Fact, RecordedFact
from kehu.http import Acting, ActingRequest, Answer, Editing, Page, Paging, StreamId
from kehu.ids import new_id
from kehu.lineage import family_of
from kehu.money import Fen
from kehu_vetting.bodies import Body, Day, Text
from kehu_vetting.credit import decisions
from kehu_vetting.credit.facts import CREDIT, CreditRecord, IncidentStatus
from kehu_vetting.credit.views import list_incidents
from kehu_vetting.customer_files.finding import find_customer, find_survivor, load_file
from kehu_vetting.sight import check_visible, scope

router = APIRouter(tags=["credit"])


class IncidentBody(Body):
    """An incident of bad credit, with its evidence."""

    occurred_on: Day
    description: Text
    evidence: Text
    amount_fen: Annotated[Fen, Field(ge=0)] | None = None


class ResolutionBody(Body):
    """That it is settled, since when, and by which evidence."""

    resolved_on: Day
    evidence: Text


class WithdrawalBody(Body):
    """Why it was a mistake."""

    reason: Text


class IncidentShown(BaseModel):
    """One incident with all that was said of it."""

    incident: str
    status: IncidentStatus
    occurred_on: date
    description: str
    evidence: str
    amount_fen: int | None
    recorded_by: str
    recorded_at: datetime
    resolved_on: date | None = None
    resolution: str | None = None
    withdrawn_because: str | None = None


class CreditShown(BaseModel):
    """A customer's credit record."""

    customer: str
    number: str
    name: str
    incidents: list[IncidentShown]


class IncidentRow(BaseModel):
    """A line of the list of incidents."""

    incident: str
    customer: str
    number: str
    name: str
    department: str
    status: IncidentStatus
    occurred_on: date
    resolved_on: date | None
    amount_fen: int | None
    description: str
    recorded_by: str


@router.post("/credit/{customer}/incidents", status_code=201)
async def record_incident(customer: StreamId, body: IncidentBody, request: Acting) -> Answer:
    """Record bad credit of a customer; the answer's `incident` is its id. Finance does."""
    incident, customer = str(new_id()), await find_customer(request, customer)
    command = decisions.RecordCreditIncident(
        incident, customer, body.occurred_on, body.description, body.evidence, body.amount_fen
    )
    return await request.create(
        CREDIT,
        customer,
        partial(decisions.record_incident, command),
        gathered=await load_file(request, customer),
        numbers={"incident": incident},
    )


@router.post("/credit/{customer}/incidents/{incident}/resolve")
async def resolve_incident(customer: StreamId, incident: StreamId, body: ResolutionBody, request: Editing) -> Answer:
    """Say that an incident is settled; it goes on counting for a while (R5.2). Finance does."""
    customer = await find_customer(request, customer)
    whose = await _whose(request, customer, incident)
    command = decisions.ResolveCreditIncident(whose, incident, body.resolved_on, body.evidence)
    return await _on_incident(request, customer, whose, partial(decisions.resolve_incident, command))


@router.post("/credit/{customer}/incidents/{incident}/withdraw")
async def withdraw_incident(customer: StreamId, incident: StreamId, body: WithdrawalBody, request: Editing) -> Answer:
    """Take back an incident that was recorded by mistake: it never counted. Finance does."""
    customer = await find_customer(request, customer)
    whose = await _whose(request, customer, incident)
    command = decisions.WithdrawCreditIncident(whose, incident, body.reason)
    return await _on_incident(request, customer, whose, partial(decisions.withdraw_incident, command))


@router.get("/credit/{customer}")
async def show_credit(customer: StreamId, request: Acting) -> CreditShown:
    """A customer's credit record, by its id or 客户编号, with its ETag; empty where nothing was recorded.

    With the incidents of customers that were merged into it (R4), as whose they stay on record.
    """
    customer, file = await find_survivor(request, customer)
    check_visible(file, request.actor)
    incidents: list[IncidentShown] = []
    for one in await family_of(request.pool, customer):
        history = await request.running.commands.history(CREDIT, one)
        incidents += _shown(history)
        if one == customer:
            request.tag(history[-1].version if history else 0)
    incidents.sort(key=lambda one: one.incident)
    return CreditShown(customer=customer, number=file.number, name=file.name, incidents=incidents)


@router.get("/credit")
async def show_list(request: Acting, paging: Paging, status: IncidentStatus | None = None) -> Page[IncidentRow]:
    """The incidents that you may see, the latest recorded first."""
    (after,) = paging.after(str)
    rows = await list_incidents(request.pool, scope(request.actor), status, after, paging.fetch)
    return paging.page([IncidentRow(**row) for row in rows], key=lambda row: (row.incident,))


async def _whose(request: ActingRequest, customer: str, incident: str) -> str:
    """With whom of a customer and those merged into it an incident is on record."""
    for one in await family_of(request.pool, customer):
        record, _ = await request.running.commands.load(CREDIT, one)
        if incident in record.incidents:
            return one
    return customer


async def _on_incident(
    request: ActingRequest, customer: str, whose: str, decide: Callable[[CreditRecord, Context], Decision]
) -> Answer:
    """A command on an incident of the customer, or of one that was merged into it: the ETag is the customer's."""
    file = await load_file(request, customer)
    if whose == customer:
        return await request.handle(CREDIT, customer, decide, gathered=file)

    def together(states: Sequence[CreditRecord], context: Context) -> Sequence[Decision]:
        return [Decision(), decide(states[1], context)]

    things = [Thing(CREDIT, customer, must_exist=False), Thing(CREDIT, whose)]
    return await request.handle_together(things, together, gathered=file)


def _shown(history: list[RecordedFact[Fact]]) -> list[IncidentShown]:
    found: dict[str, IncidentShown] = {}
    for recorded in history:
        match recorded.fact:
            case CreditIncidentRecorded() as fact:
                found[fact.incident] = IncidentShown(
                    incident=fact.incident,
                    status=IncidentStatus.OPEN,
                    occurred_on=fact.occurred_on,
                    description=fact.description,
                    evidence=fact.evidence,
                    amount_fen=fact.amount_fen,
                    recorded_by=fact.recorded_by,
                    recorded_at=recorded.recorded_at,
                )
            case CreditIncidentResolved() as fact:
                found[fact.incident].status = IncidentStatus.RESOLVED
                found[fact.incident].resolved_on = fact.resolved_on
                found[fact.incident].resolution = fact.evidence
            case CreditIncidentWithdrawn() as fact:
                found[fact.incident].status = IncidentStatus.WITHDRAWN
                found[fact.incident].withdrawn_because = fact.reason
            case _:
                pass
    return list(found.values())
