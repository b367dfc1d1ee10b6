"""What the registry's lists have in common: a file of all rows, taken with a reason that is recorded (R4.6)."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import aclosing
from functools import partial
from typing import Annotated, Any, TypeVar
from urllib.parse import quote

from fastapi import Response
from fastapi.responses import StreamingResponse
from pydantic import Field, StringConstraints

from kehu.http import ActingRequest
from kehu.spreadsheets import SheetWriter
from kehu_customer_registry.dossiers.rights import check_may_list
from kehu_customer_registry.staff.decisions import check_may_export, record_export
from kehu_customer_registry.staff.facts import STAFF

R = TypeVar("R")

#: A quarter and a month in an address, where only text can stand; each has others before and after it.
QuarterName = Annotated[str, StringConstraints(pattern=r"^20\d{2}-Q[1-4]$"), Field(examples=["2026-Q4"])]
MonthName = Annotated[str, StringConstraints(pattern=r"^20\d{2}-(0[1-9]|1[0-2])$"), Field(examples=["2026-11"])]

#: Rows fetched at once for a file: a page of them takes milliseconds.
EXPORT_PAGE = 5_000
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
#: A short file stays in memory; of a long one only pieces do.
_SPOOLED = 1 << 20
_PIECE = 64 << 10
#: What a route says of an answer that is such a file.
XLSX_ANSWER: dict[int | str, dict[str, Any]] = {200: {"content": {XLSX: {}}}}


def check_may_take(request: ActingRequest) -> None:
    """Refuse files to who is leaving.

    Raises:
        Forbidden: they are leaving (R4.6).

    """
    check_may_list(request.actor)


async def each_page(
    fetch: Callable[[R | None], Awaitable[Sequence[R]]], most: int = EXPORT_PAGE
) -> AsyncGenerator[Sequence[R]]:
    """A list page by page; `fetch` gets the last row seen and gives at most `most` rows."""
    last: R | None = None
    while True:
        page = await fetch(last)
        if page:
            yield page
        if len(page) < most:
            return
        last = page[-1]


async def every_page(fetch: Callable[[R | None], Awaitable[Sequence[R]]], most: int = EXPORT_PAGE) -> list[R]:
    """All rows of a short list (see `each_page`)."""
    return [row async for page in each_page(fetch, most) for row in page]


async def export(
    request: ActingRequest,
    name: str,
    title: str,
    headings: Sequence[str],
    rows: Callable[[], Awaitable[Iterable[Sequence[Any]]]],
    filters: Mapping[str, object] | None = None,
) -> Response:
    """A short list as an Excel file (see `export_pages`); `rows` are fetched once it is known that they may be had."""

    async def page() -> AsyncGenerator[Iterable[Sequence[Any]]]:
        yield await rows()

    return await export_pages(request, name, title, headings, page(), filters)


async def export_pages(
    request: ActingRequest,
    name: str,
    title: str,
    headings: Sequence[str],
    pages: AsyncGenerator[Iterable[Sequence[Any]]],
    filters: Mapping[str, object] | None = None,
) -> Response:
    """A list of any length as an Excel file, a page in memory at a time; that it was taken, and why, is recorded.

    Args:
        request: of whom; its header `Kehu-Reason` says why.
        name: the list, as it is recorded with the person.
        title: of the file, before the day.
        headings: of the columns.
        pages: of rows; not begun before it is known that they may be had.
        filters: as they are recorded; never personal.

    Raises:
        ReasonRequired: no reason was given.
        Forbidden: they are leaving (R4.6).

    """
    context = await request.context()
    check_may_export(context)
    reason = request.reason
    file = tempfile.SpooledTemporaryFile(_SPOOLED)  # noqa: SIM115 - closed when the last byte was sent
    try:
        rows = await _written(file, headings, pages)
        named = {key: str(value) for key, value in (filters or {}).items() if value is not None}
        recording = partial(record_export, name=name, filters=named, rows=rows, reason=reason)
        await request.running.commands.handle(
            STAFF, request.actor.id, recording, context, correlation=request.correlation
        )
        size = file.seek(0, os.SEEK_END)
    except BaseException:
        file.close()
        raise
    said = quote(f"{title}-{context.today}.xlsx")
    headers = {"Content-Disposition": f"attachment; filename*=UTF-8''{said}", "Content-Length": str(size)}
    return StreamingResponse(_content(file), media_type=XLSX, headers=headers)


async def _written(file: Any, headings: Sequence[str], pages: AsyncGenerator[Iterable[Sequence[Any]]]) -> int:
    writer = SheetWriter(file, headings)
    try:
        async with aclosing(pages):
            async for page in pages:
                await asyncio.to_thread(writer.write, page)
    finally:
        await asyncio.to_thread(writer.close)
    return writer.rows


async def _content(file: Any) -> AsyncGenerator[bytes]:
    try:
        file.seek(0)
        while piece := await asyncio.to_thread(file.read, _PIECE):
            yield piece
    finally:
        file.close()
