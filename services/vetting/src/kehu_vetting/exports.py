"""Lists as Excel files: each export takes a reason and is recorded, with who, what and how many rows."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Awaitable, Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any
from urllib.parse import quote

from fastapi import Response

from kehu.deciding import Actor, Category, Context, Decision
from kehu.errors import Forbidden
from kehu.facts import Fact
from kehu.http import ActingRequest
from kehu.money import FEN_PER_YUAN
from kehu.spreadsheets import SheetWriter

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
#: Rows fetched at once for a file: a page of them takes milliseconds.
PAGE = 2_000


class ListExported(Fact, clause="个人信息保护法"):
    """Somebody has taken a list out of the system; `filters` are those that narrowed it."""

    list: str
    filters: Mapping[str, str]
    rows: int
    reason: str


EXPORTS = Category("export", (ListExported,), None, lambda state, _: state)

#: A page of a list: its rows after the last row of the page before.
PageOf = Callable[[Any | None, int], Awaitable[Sequence[Any]]]


async def export(
    request: ActingRequest,
    name: str,
    columns: Sequence[tuple[str, str]],
    pages: PageOf,
    filters: Mapping[str, Any],
) -> Response:
    """A list as an Excel file; amounts in fen become yuan.

    Args:
        request: by whom, with the reason.
        name: of the list, for the file and for the record.
        columns: field and heading of each column.
        pages: gives the rows after a row, at most so many.
        filters: what the list was narrowed to.

    Raises:
        Forbidden: whoever is leaving takes no data along (R4.6).
        ReasonRequired: no reason was given.

    """
    check_may_export(request.actor)
    reason = request.reason
    target, many = io.BytesIO(), 0
    writer = SheetWriter(target, [heading for _, heading in columns])
    last: Any | None = None
    try:
        while True:
            page = await pages(last, PAGE)
            # Row by row, so that memory holds one page and the file.
            await asyncio.to_thread(writer.write, ([_cell(field, row[field]) for field, _ in columns] for row in page))
            many += len(page)
            if len(page) < PAGE:
                break
            last = page[-1]
    finally:
        await asyncio.to_thread(writer.close)
    await record_export(request, name, filters, many, reason)
    return attachment(target.getvalue(), XLSX, f"{name}.xlsx")


def check_may_export(actor: Actor) -> None:
    """Refuse who is leaving: no data goes with them.

    Raises:
        Forbidden: so it is (R4.6).

    """
    if actor.departing:
        raise Forbidden(
            "离职手续办理期间不能导出数据。", "Whoever is leaving exports nothing.", clause="R4.6", code="departing"
        )


async def record_export(request: ActingRequest, name: str, filters: Mapping[str, Any], rows: int, reason: str) -> None:
    """Record that somebody takes a list out, before it leaves."""
    fact = ListExported(
        list=name,
        filters={field: str(value) for field, value in filters.items() if value is not None and value is not False},
        rows=rows,
        reason=reason,
    )

    def decide(_state: None, _context: Context) -> Decision:
        return Decision([fact])

    await request.running.commands.handle(
        EXPORTS,
        request.actor.id,
        decide,
        await request.context(),
        must_exist=False,
        correlation=request.correlation,
    )


def attachment(body: bytes, media_type: str, file: str) -> Response:
    """A file to be saved under a name, which may be Chinese."""
    disposition = f"attachment; filename*=UTF-8''{quote(file)}"
    return Response(body, media_type=media_type, headers={"Content-Disposition": disposition})


def _cell(field: str, value: Any) -> Any:
    if field.endswith("_fen") and isinstance(value, int):
        return Decimal(value) / FEN_PER_YUAN
    return "、".join(value) if isinstance(value, list) else value
