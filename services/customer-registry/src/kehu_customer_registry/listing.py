"""What the registry's lists have in common: a file of all rows, taken with a reason that is recorded (R4.6)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Annotated, Any, TypeVar
from urllib.parse import quote

from fastapi import Response
from pydantic import Field, StringConstraints

from kehu.http import ActingRequest
from kehu.spreadsheets import write_rows
from kehu_customer_registry.dossiers.rights import check_may_list
from kehu_customer_registry.staff.decisions import check_may_export, record_export
from kehu_customer_registry.staff.facts import STAFF

R = TypeVar("R")

#: A quarter and a month in an address, where only text can stand; every one of them is a `Quarter`, a `Month`.
QuarterName = Annotated[str, StringConstraints(pattern=r"^(19|20|21)\d{2}-Q[1-4]$"), Field(examples=["2026-Q4"])]
MonthName = Annotated[str, StringConstraints(pattern=r"^(19|20|21)\d{2}-(0[1-9]|1[0-2])$"), Field(examples=["2026-11"])]

#: Rows fetched at once for a file: a page of them takes milliseconds.
EXPORT_PAGE = 5_000
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
#: What a route says of an answer that is such a file.
XLSX_ANSWER: dict[int | str, dict[str, Any]] = {200: {"content": {XLSX: {}}}}


def check_may_take(request: ActingRequest) -> None:
    """Refuse files to who is leaving.

    Raises:
        Forbidden: they are leaving (R4.6).

    """
    check_may_list(request.actor)


async def every_page(fetch: Callable[[R | None], Awaitable[Sequence[R]]], most: int = EXPORT_PAGE) -> list[R]:
    """All rows of a list, page by page; `fetch` gets the last row seen and gives at most `most` rows."""
    rows: list[R] = []
    while True:
        page = await fetch(rows[-1] if rows else None)
        rows += page
        if len(page) < most:
            return rows


async def export(
    request: ActingRequest,
    name: str,
    title: str,
    headings: Sequence[str],
    rows: Callable[[], Awaitable[Iterable[Sequence[Any]]]],
    filters: Mapping[str, object] | None = None,
) -> Response:
    """A list as an Excel file; that it was taken, and why, is recorded with the person.

    Args:
        request: of whom; its header `Kehu-Reason` says why.
        name: the list, as it is recorded.
        title: of the file, before the day.
        headings: of the columns.
        rows: fetched once it is known that they may be had.
        filters: as they are recorded; never personal.

    Raises:
        ReasonRequired: no reason was given.
        Forbidden: they are leaving (R4.6).

    """
    context = await request.context()
    check_may_export(context)
    reason = request.reason
    found = list(await rows())
    book = await asyncio.to_thread(write_rows, headings, found)
    named = {key: str(value) for key, value in (filters or {}).items() if value is not None}
    recording = partial(record_export, name=name, filters=named, rows=len(found), reason=reason)
    await request.running.commands.handle(STAFF, request.actor.id, recording, context, correlation=request.correlation)
    file = quote(f"{title}-{context.today}.xlsx")
    return Response(book, media_type=XLSX, headers={"Content-Disposition": f"attachment; filename*=UTF-8''{file}"})
