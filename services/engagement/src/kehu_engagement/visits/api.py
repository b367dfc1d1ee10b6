"""Visits over HTTP: planned (F6), recorded (F7), registered without a plan, cancelled; the register and one's standing.

A visit is addressed under its customer, whose stream decides about it: so its address is good from the first moment,
whatever a view has seen, and no look-up can point a command at another customer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, datetime
from functools import partial
from typing import Annotated, Any, Self

import asyncpg
from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from kehu.calendar import Quarter
from kehu.commands import Thing
from kehu.contracts.grading import Grade
from kehu.deciding import Context, Decision
from kehu.http import OPEN_TO_LEAVERS, Acting, ActingRequest, Answer, Editing, Page, Paging, StreamId
from kehu.http.languages import Language
from kehu.ids import new_id
from kehu.lineage import family_of
from kehu_engagement.visits import decisions
from kehu_engagement.visits.deviations import EXPLANATIONS
from kehu_engagement.visits.facts import VISITS, CustomerVisits, Deviation, Visit, VisitStatus
from kehu_engagement.visits.forms import CancelVisit, PlanVisit, RecordVisit, RegisterUnplannedVisit
from kehu_engagement.visits.merging import move_out
from kehu_engagement.visits.policy import visiting
from kehu_engagement.visits.refusals import CustomerUnknown, VisitUnknown
from kehu_engagement.visits.rights import check_may_read
from kehu_engagement.visits.views import Filters, colleagues, count_unplanned, customer_of_number, list_visits

router = APIRouter(tags=["visits"])


class DeviationShown(BaseModel):
    """What was not as the policy wants."""

    code: Deviation
    clause: str
    told: str

    @classmethod
    def of(cls, code: Deviation, language: Language) -> Self:
        """Tell it in the reader's language."""
        explanation = EXPLANATIONS[code]
        return cls(code=code, clause=explanation.clause, told=explanation.zh if language == "zh" else explanation.en)


class VisitRow(BaseModel):
    """A visit on the register."""

    visit: str
    customer: str
    customer_number: str | None
    customer_name: str | None
    department: str | None
    owner: str | None
    state: VisitStatus
    day: date = Field(description="When it was made, else the day it is planned for.")
    planned: bool = Field(description="Whether it had an F6.")
    planned_on: date | None
    visitors: list[str]
    purpose: str | None
    grade: Grade | None = Field(description="The official grade when it was planned.")
    planned_by: str | None
    record_due_at: datetime | None = Field(description="From when on a missing F7 is overdue.")
    visited_at: datetime | None
    attendees: list[str]
    first_visit: bool = Field(description="Planned: whether it is to be the first one. Made: whether it counts so.")
    late: bool
    deviations: list[DeviationShown]
    recorded_by: str | None
    reason: str | None = Field(description="Why it had no F6, or why it was cancelled.")


class RegisterShown(BaseModel):
    """F6."""

    planned_on: date
    visitors: list[str]
    contacts: list[str]
    purpose: str
    preparation: str
    grade: Grade | None
    first_visit: bool
    planned_by: str
    planned_at: datetime
    record_due_at: datetime

    @classmethod
    def of(cls, visit: Visit) -> Self | None:
        """F6 of a visit, if it has one."""
        if visit.plan is None or visit.prepared is None:
            return None
        return cls.model_validate({**visit.prepared.model_dump(), **visit.plan.model_dump()})


class RecordShown(BaseModel):
    """F7."""

    visited_at: datetime
    attendees: list[str]
    contacts_met: list[str]
    needs: str
    product_opinions: str
    service_opinions: str
    competitors: str
    market: str
    commitments: str
    next_step: str
    first_visit: bool
    late: bool
    deviations: list[DeviationShown]
    recorded_by: str
    unplanned_reason: str | None

    @classmethod
    def of(cls, visit: Visit, language: Language) -> Self | None:
        """F7 of a visit, if it has one."""
        if visit.logged is None or visit.findings is None:
            return None
        told = [DeviationShown.of(code, language) for code in visit.findings.deviations]
        return cls.model_validate({**visit.findings.model_dump(), **visit.logged.model_dump(), "deviations": told})


class VisitShown(BaseModel):
    """A visit with both of its forms, as far as they are filled."""

    visit: str
    customer: str
    customer_number: str
    customer_name: str
    state: VisitStatus
    register_form: RegisterShown | None = Field(description="F6; none for an unplanned visit.")
    record_form: RecordShown | None = Field(description="F7.")
    cancelled_because: str | None


class StandingShown(BaseModel):
    """A customer as visits see it."""

    customer: str
    number: str
    name: str
    department: str
    owner: str
    collaborators: list[str]
    grade: Grade | None
    new: bool = Field(description="The next visit is the first one, and takes two marketing employees (R6.2.1b).")
    quarter: Quarter
    visits_wanted: int = Field(description="A quarter, by the customer's grade (R6.2.1a).")
    visits_made: int = Field(description="In this quarter.")
    visits_open: int = Field(description="Planned or overdue.")
    last_visited_on: date | None = Field(description="By F7, or as it was said when the customer was taken over.")
    existing: bool = Field(description="Shipped to once, or active when the quarter began: revisited (R6.2.1e).")
    merged: list[str] = Field(description="Ids of customers merged into it, whose visits count here (R4).")


class UnplannedCount(BaseModel):
    """The unplanned visits that one person has registered."""

    department: str
    person: str
    visits: int
    to_new_customers: int
    registered_later: int = Field(description="Not on the day of the visit.")


# --- commands --------------------------------------------------------------------------------------------------------


@router.post("/customers/{customer}/visits", status_code=201)
async def plan_visit(customer: StreamId, body: PlanVisit, request: Acting) -> Answer:
    """Plan a visit (F6), prepared. Answers with its id as `visit`; `id` and `version` are the customer's."""
    visit = str(new_id())
    return await request.create(
        VISITS,
        customer,
        partial(decisions.plan_visit, visit, customer, body),
        gathered=await colleagues(request.pool, body.visitors),
        numbers={"visit": visit},
    )


@router.post("/customers/{customer}/visits/unplanned", status_code=201)
async def register_unplanned(customer: StreamId, body: RegisterUnplannedVisit, request: Acting) -> Answer:
    """Register a visit that had no F6, with its F7 and the reason; on the same day, else it is late."""
    visit = str(new_id())
    return await request.create(
        VISITS,
        customer,
        partial(decisions.register_unplanned, visit, customer, body),
        gathered=await colleagues(request.pool, body.attendees),
        numbers={"visit": visit},
    )


@router.post("/customers/{customer}/visits/{visit}/record", openapi_extra=OPEN_TO_LEAVERS)
async def record_visit(customer: StreamId, visit: StreamId, body: RecordVisit, request: Editing) -> Answer:
    """Record a planned visit (F7)."""
    decide = partial(decisions.record_visit, visit, customer, body)
    return await _on_visit(request, customer, visit, decide, await colleagues(request.pool, body.attendees))


@router.post("/customers/{customer}/visits/{visit}/cancel")
async def cancel_visit(customer: StreamId, visit: StreamId, body: CancelVisit, request: Editing) -> Answer:
    """Cancel a planned visit, saying why."""
    return await _on_visit(request, customer, visit, partial(decisions.cancel_visit, visit, customer, body))


async def _on_visit(
    request: ActingRequest,
    customer: str,
    visit: str,
    decide: Callable[[CustomerVisits, Context], Decision],
    gathered: Any = None,
) -> Answer:
    """Do something about a visit; one that was planned for a customer merged into this one becomes this one's (R4)."""
    state, _ = await request.running.commands.load(VISITS, customer)
    origin, numbers = state.origin_of(visit), {"visit": visit}
    if origin is None:
        return await request.handle(VISITS, customer, decide, gathered=gathered, numbers=numbers)

    def together(states: Sequence[CustomerVisits], context: Context) -> Sequence[Decision]:
        return [decide(states[0], context), move_out(visit, origin, customer, states[1])]

    things = [Thing(VISITS, customer), Thing(VISITS, origin)]
    return await request.handle_together(things, together, gathered=gathered, numbers=numbers)


# --- one customer ----------------------------------------------------------------------------------------------------


@router.get("/customers/{customer}")
async def show_standing(customer: StreamId, request: Acting) -> StandingShown:
    """Whose a customer is, whether it is new, and how many visits it has had and is to have this quarter.

    Its id or 客户编号; of one that was merged into another, it leads to the survivor (R4).
    """
    customer, state = await _customer(request, customer)
    check_may_read(request.actor, state.relation)
    context = await request.context()
    quarter = Quarter.of(context.today)
    relation = state.relation
    return StandingShown(
        customer=customer,
        number=relation.number,
        name=relation.name,
        department=relation.department,
        owner=relation.owner,
        collaborators=list(relation.collaborators),
        grade=relation.grade,
        new=state.is_new,
        quarter=quarter,
        visits_wanted=visiting(context).frequency.of(relation.grade),
        visits_made=state.made_in(quarter),
        visits_open=state.open_count,
        last_visited_on=state.last_visited_on,
        existing=state.is_existing(quarter),
        merged=sorted({part.origin for part in state.lineage.kin}),
    )


@router.get("/customers/{customer}/visits", openapi_extra=OPEN_TO_LEAVERS)
async def list_customer_visits(customer: StreamId, request: Acting, paging: Paging) -> Page[VisitRow]:
    """The visits to one customer, the latest first; those that one may see."""
    return await _list(request, paging, Filters(customers=await _family(request, customer)))


@router.get("/customers/{customer}/visits/{visit}", openapi_extra=OPEN_TO_LEAVERS)
async def show_visit(customer: StreamId, visit: StreamId, request: Acting) -> VisitShown:
    """A visit with both forms (F6, F7), and the ETag to record or cancel it with."""
    customer, state = await _customer(request, customer)
    found = state.visits.get(visit)
    check_may_read(request.actor, state.relation, found)
    if found is None:
        raise VisitUnknown(visit)
    return VisitShown(
        visit=visit,
        customer=customer,
        customer_number=state.relation.number,
        customer_name=state.relation.name,
        state=found.status,
        register_form=RegisterShown.of(found),
        record_form=RecordShown.of(found, request.language),
        cancelled_because=found.cancelled.reason if found.cancelled else None,
    )


# --- the register ----------------------------------------------------------------------------------------------------

_Since = Annotated[date | None, Query(alias="from", description="The first day.")]
_Until = Annotated[date | None, Query(alias="to", description="The last day.")]
_Code = Annotated[str | None, Query(max_length=100)]


@router.get("/visits", openapi_extra=OPEN_TO_LEAVERS)
async def list_register(
    request: Acting,
    paging: Paging,
    customer: _Code = None,
    visitor: _Code = None,
    department: _Code = None,
    state: VisitStatus | None = None,
    planned: Annotated[bool | None, Query(description="false: unplanned visits only.")] = None,
    since: _Since = None,
    until: _Until = None,
) -> Page[VisitRow]:
    """Visits planned and made (F6, F7), the latest first; those that one may see."""
    customers = None if customer is None else await _family(request, customer)
    filters = Filters(customers, visitor, department, state, planned, since, until)
    return await _list(request, paging, filters)


@router.get("/visits/unplanned")
async def count_unplanned_visits(
    request: Acting,
    paging: Paging,
    department: _Code = None,
    since: _Since = None,
    until: _Until = None,
) -> Page[UnplannedCount]:
    """Unplanned visits counted by who registered them (R6.2.1a); `GET /visits?planned=false` lists them."""
    filters = Filters(department=department, since=since, until=until)
    rows = await count_unplanned(request.pool, request.actor, filters, paging.after(str, str), paging.fetch)
    return paging.page([UnplannedCount(**row) for row in rows], key=lambda row: (row.department, row.person))


async def _list(request: ActingRequest, paging: Paging, filters: Filters) -> Page[VisitRow]:
    rows = await list_visits(request.pool, request.actor, filters, paging.after(date, str), paging.fetch)
    return paging.page([_row(row, request.language) for row in rows], key=lambda row: (row.day, row.visit))


def _row(row: asyncpg.Record, language: Language) -> VisitRow:
    told = [DeviationShown.of(Deviation(code), language) for code in row["deviations"]]
    return VisitRow.model_validate({**row, "deviations": told})


async def _customer(request: ActingRequest, named: str) -> tuple[str, CustomerVisits]:
    """The customer that an id or 客户编号 leads to, through those that it was merged into; from their streams."""
    customer = named
    seen: set[str] = set()
    while customer not in seen:
        seen.add(customer)
        state, version = await request.running.commands.load(VISITS, customer)
        if state.lineage.merged_into:
            customer = state.lineage.merged_into
        elif state.relation.registered:
            request.tag(version)
            return customer, state
        else:
            customer = await customer_of_number(request.pool, customer) or customer
    raise CustomerUnknown


async def _family(request: ActingRequest, named: str) -> list[str]:
    """A customer and all that were merged into it; who is unknown is of no family but its own."""
    try:
        customer, _ = await _customer(request, named)
    except CustomerUnknown:
        return [named]
    return await family_of(request.pool, customer)
