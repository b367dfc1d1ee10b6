"""The ledger as an Excel file; each export takes a reason and is recorded with who, what and how many rows."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import quote

import asyncpg
from fastapi import Response

from kehu.deciding import Actor, Category, Context, Decision
from kehu.errors import Forbidden
from kehu.facts import Fact
from kehu.http import ActingRequest
from kehu.spreadsheets import write_rows
from kehu_notifier.messages.views import Filters, list_messages, sight

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_FILE = "消息台账.xlsx"
#: Rows fetched at once for a file: a page of them takes milliseconds.
_PAGE = 2_000
#: Field and heading of each column; neither a text nor an address nor a name is in the ledger.
_COLUMNS = (
    ("requested_at", "时间 / Time"),
    ("message", "消息 / Message"),
    ("template", "模板 / Template"),
    ("template_version", "模板版本 / Version"),
    ("recipient", "收件人 / Recipient"),
    ("recipient_kind", "收件人类型 / Kind"),
    ("customer", "客户 / Customer"),
    ("department", "部门 / Department"),
    ("channel", "渠道 / Channel"),
    ("state", "状态 / State"),
    ("detail", "说明 / Detail"),
    ("attempts", "发送次数 / Attempts"),
    ("changed_at", "更新时间 / Changed"),
    ("thing", "事项 / Thing"),
    ("reason", "原因 / Reason"),
)


class LedgerExported(Fact, clause="个人信息保护法"):
    """Somebody has taken the ledger out of the system; `filters` are those that narrowed it."""

    filters: Mapping[str, str]
    rows: int
    reason: str


LEDGER_EXPORTS = Category("ledger_export", (LedgerExported,), None, lambda state, _: state)


async def export_ledger(request: ActingRequest, filters: Filters) -> Response:
    """What one may see of the ledger, the latest first.

    Raises:
        Forbidden: whoever is leaving takes no data along (R4.6).
        ReasonRequired: no reason was given.

    """
    _check_may_export(request.actor)
    reason = request.reason
    seen = sight(request.actor)
    rows: list[asyncpg.Record] = []
    while True:
        after = (rows[-1]["requested_at"], rows[-1]["message"]) if rows else (None, None)
        page = await list_messages(request.pool, seen, filters, after, _PAGE)
        rows += page
        if len(page) < _PAGE:
            break
    cells = ([_cell(row[field]) for field, _ in _COLUMNS] for row in rows)
    book = await asyncio.to_thread(write_rows, [heading for _, heading in _COLUMNS], cells)
    await _record(request, filters, len(rows), reason)
    disposition = f"attachment; filename*=UTF-8''{quote(_FILE)}"
    return Response(book, media_type=XLSX, headers={"Content-Disposition": disposition})


def _check_may_export(actor: Actor) -> None:
    if actor.departing:
        raise Forbidden(
            "离职手续办理期间不能导出数据。请由部门经理导出。",
            "Whoever is leaving exports nothing: ask the department's manager to.",
            clause="R4.6",
            code="departing",
        )


async def _record(request: ActingRequest, filters: Filters, rows: int, reason: str) -> None:
    fact = LedgerExported(filters=filters.named, rows=rows, reason=reason)

    def decide(_state: None, _context: Context) -> Decision:
        return Decision([fact])

    await request.running.commands.handle(
        LEDGER_EXPORTS,
        request.actor.id,
        decide,
        await request.context(),
        must_exist=False,
        correlation=request.correlation,
    )


def _cell(value: Any) -> Any:
    return value if value is None or isinstance(value, int | datetime) else str(value)
