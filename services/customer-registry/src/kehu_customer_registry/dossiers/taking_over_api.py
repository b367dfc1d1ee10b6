"""Taking existing customers over at go-live, over HTTP (R4.3)."""

from __future__ import annotations

from datetime import date
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from kehu.calendar import Month
from kehu.commands import Thing
from kehu.contracts.grading import Grade
from kehu.http import Answer, Editing, StreamId
from kehu.money import Fen
from kehu_customer_registry.dossiers import taking_over
from kehu_customer_registry.dossiers.api import resembling_of
from kehu_customer_registry.dossiers.decisions import Around
from kehu_customer_registry.dossiers.facts import DOSSIERS, MonthTakenOver
from kehu_customer_registry.dossiers.finding import find_customer, load_dossier
from kehu_customer_registry.dossiers.taking_over import ProposeTakeOver
from kehu_customer_registry.volumes.facts import VOLUMES

router = APIRouter(tags=["dossiers"])

#: Grades look back twelve months; two years leave room for what they are compared with.
MOST_MONTHS = 24
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$", description="SHA-256 of the file.")]
# Outside it dates overflow at their ends.
Day = Annotated[date, Field(ge=date(1900, 1, 1), le=date(2199, 12, 31))]


class VolumeEntry(BaseModel):
    """The contract volume of a month before go-live, in fen."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    month: Month
    amount_fen: Fen


class TakeOverForm(BaseModel):
    """How an existing customer stands; what is not given was not the case."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    evidence_digest: Digest
    active_since: Day | None = None
    agreement_signed_on: Day | None = None
    agreement_valid_until: Day | None = None
    agreement_digest: Digest | None = None
    visited_on: Day | None = None
    grade: Grade | None = None
    graded_year: Annotated[int, Field(ge=1900, le=2199)] | None = None
    volumes: Annotated[tuple[VolumeEntry, ...], Field(max_length=MOST_MONTHS)] = ()

    def command(self) -> ProposeTakeOver:
        """As the decision takes it."""
        months = tuple(MonthTakenOver(month=one.month, amount_fen=one.amount_fen) for one in self.volumes)
        said: dict[str, Any] = {**dict(self), "volumes": months}
        return ProposeTakeOver(**said)


@router.post("/dossiers/{customer}/take-over")
async def propose_take_over(customer: StreamId, body: TakeOverForm, request: Editing) -> Answer:
    """Hand a complete dossier in, to be taken over as it stands, with the digest of what proves it."""
    dossier, _ = await load_dossier(request.running, customer)
    return await request.handle(
        DOSSIERS,
        dossier.customer or customer,
        partial(taking_over.propose_take_over, body.command()),
        gathered=Around(await resembling_of(request, dossier)),
    )


@router.post("/dossiers/{customer}/take-over/confirm")
async def confirm_take_over(customer: StreamId, request: Editing) -> Answer:
    """Confirm it as the second person: its manager or 市场部. The customer is registered with its volumes."""
    here = await find_customer(request.running, customer)
    return await request.handle_together(
        [Thing(DOSSIERS, here), Thing(VOLUMES, here, must_exist=False)],
        lambda states, context: taking_over.confirm_take_over((states[0], states[1]), context),
    )
