"""Monthly volumes over HTTP: reports of one or many customers, as rows or as an Excel file; corrections; the list."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Response, UploadFile
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from kehu.calendar import Month
from kehu.http import Acting, ActingRequest, Answer, StreamId
from kehu.money import Fen, show_yuan
from kehu.text import Line
from kehu_customer_registry.dossiers.facts import DOSSIERS
from kehu_customer_registry.dossiers.finding import visible_dossier
from kehu_customer_registry.dossiers.merging import added_up
from kehu_customer_registry.volumes import decisions
from kehu_customer_registry.volumes.decisions import CorrectVolume, Reporting, ReportVolume
from kehu_customer_registry.volumes.facts import VOLUMES, MonthVolume
from kehu_customer_registry.volumes.sheet import MOST_BYTES, read_volumes
from kehu_customer_registry.volumes.together import Outcome, Row, report_together

router = APIRouter(tags=["volumes"])

MOST_REPORTS = 500
#: Headings and boundaries of the form around the file.
_FORM_BYTES = 100_000


class ReportForm(BaseModel):
    """The signed contract amount of one customer in one month, in fen; cancellations are negative."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    customer: Annotated[str, StringConstraints(pattern=r"^[\w-]{1,64}$"), Field(description="Id or 客户编号.")]
    month: Month
    amount_fen: Fen


class ReportsForm(BaseModel):
    """Reports that are recorded together, or none of them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    reports: Annotated[tuple[ReportForm, ...], Field(min_length=1, max_length=MOST_REPORTS)]


class CorrectionForm(BaseModel):
    """A month stated anew, with the reason."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    month: Month
    amount_fen: Fen
    reason: Line


class Reported(BaseModel):
    """What reports came to."""

    reported: int = Field(description="Months recorded now.")
    unchanged: int = Field(description="Months that stood with the same amount already.")
    late: int = Field(description="Of those recorded now, after the month had closed.")


class MonthShown(BaseModel):
    """One month of a customer."""

    month: Month
    amount_fen: int
    amount_yuan: str
    late: bool
    corrections: int
    last_reason: str | None


class VolumesShown(BaseModel):
    """All reported months of a customer, the latest first."""

    customer: str
    number: str
    months: list[MonthShown]


@router.post("/volumes")
async def report_volumes(body: ReportsForm, request: Acting, response: Response) -> Reported:
    """Report one or many months, all or nothing; the manager of the customers' department does."""
    rows = [
        Row(number, form.customer, ReportVolume(form.month, form.amount_fen))
        for number, form in enumerate(body.reports, 1)
    ]
    return _answer(response, await report_together(request, rows))


@router.post("/volumes/upload", max_body_size=MOST_BYTES + _FORM_BYTES)
async def upload_volumes(file: UploadFile, request: Acting, response: Response) -> Reported:
    """Report from an .xlsx file with the columns 客户编号, 月份, 合同额(元); all or nothing, errors by row."""
    found = await asyncio.to_thread(read_volumes, await file.read(MOST_BYTES + 1))
    rows = [Row(number, row.customer, ReportVolume(row.month, row.amount_fen)) for number, row in found]
    return _answer(response, await report_together(request, rows))


@router.post("/volumes/{customer}/corrections", status_code=201)
async def correct_volume(customer: StreamId, body: CorrectionForm, request: Acting) -> Answer:
    """Correct a reported month; the manager of the customer's department does."""
    reporting = await _reporting(request, customer)
    command = CorrectVolume(body.month, body.amount_fen, body.reason)
    return await request.create(
        VOLUMES, reporting.customer, partial(decisions.correct_volume, command), gathered=reporting
    )


@router.get("/volumes/{customer}")
async def show_volumes(customer: StreamId, request: Acting) -> VolumesShown:
    """All reported months of a customer (id or 客户编号), with what those merged into it had contracted."""
    reporting = await _reporting(request, customer)
    volumes, version = await request.running.commands.load(VOLUMES, reporting.customer)
    dossier, _ = await request.running.commands.load(DOSSIERS, reporting.customer)
    amounts = added_up(volumes, dossier)
    request.tag(version)
    return VolumesShown(
        customer=reporting.customer,
        number=reporting.number,
        months=[
            MonthShown(
                month=month,
                amount_fen=amount,
                amount_yuan=show_yuan(amount),
                late=one.late,
                corrections=one.corrections,
                last_reason=one.last_reason,
            )
            for month, amount in sorted(amounts.items(), reverse=True)
            for one in [volumes.months.get(month, MonthVolume(0))]
        ],
    )


async def _reporting(request: ActingRequest, named: str) -> Reporting:
    dossier, _ = await visible_dossier(request, named)
    return Reporting(dossier.customer, dossier.number, dossier.department, registered=dossier.registered)


def _answer(response: Response, outcome: Outcome) -> Reported:
    if outcome.repeated:
        response.headers["Idempotent-Replayed"] = "true"
    return Reported(reported=outcome.reported, unchanged=outcome.unchanged, late=outcome.late)
