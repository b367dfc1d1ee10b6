"""The register as a file: for people as xlsx, for tax and finance systems as CSV or JSON with columns that stay.

`docs/invoice-register.md` documents the columns; a test holds it to `COLUMNS` and `LINE_COLUMNS`.
"""

from __future__ import annotations

import asyncio
import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from decimal import Decimal
from typing import Any, Literal

from fastapi import Response

from kehu.http import ActingRequest
from kehu_vetting.exports import PAGE, attachment, check_may_export, export, record_export
from kehu_vetting.invoices.lists import RegisterFilters, lines_of, list_register
from kehu_vetting.sight import scope

Format = Literal["xlsx", "csv", "csv_lines", "json"]

#: Of the machine files; a column is only ever added at the end.
COLUMNS = (
    "invoice",
    "kind",
    "special",
    "electronic",
    "code",
    "number",
    "digital_number",
    "issued_on",
    "status",
    "voided_on",
    "red_of",
    "order",
    "order_number",
    "request",
    "request_number",
    "customer",
    "customer_number",
    "unit",
    "buyer_name",
    "buyer_identity",
    "net_fen",
    "tax_fen",
    "gross_fen",
    "taken_back_fen",
    "issued_by",
    "collected_on",
    "delivered_on",
)
#: Of a line, after `invoice`; in the file of lines they follow the columns of its invoice, with ``line_`` in front.
LINE_COLUMNS = ("place", "item", "unit", "quantity", "rate_percent", "net_fen", "tax_fen", "gross_fen")
#: Says which columns there are: it grows with them.
VERSION = 1

_NAME = "发票登记簿"
_HEADINGS = (
    ("issued_on", "开票日期 Issued"),
    ("kind", "种类 Kind"),
    ("special", "专用发票 Special"),
    ("code", "发票代码 Code"),
    ("number", "发票号码 Number"),
    ("digital_number", "数电票号码 Digital number"),
    ("status", "状态 Status"),
    ("voided_on", "作废日期 Voided"),
    ("red_of", "红冲发票 Red of"),
    ("order_number", "订单号 Order"),
    ("request_number", "申请号 Request"),
    ("customer_number", "客户编号 Customer"),
    ("name", "客户名称 Name"),
    ("department", "部门 Department"),
    ("buyer_name", "购买方 Buyer"),
    ("buyer_identity", "购买方税号 Buyer's number"),
    ("net_fen", "金额(元) Net"),
    ("tax_fen", "税额(元) Tax"),
    ("gross_fen", "价税合计(元) Gross"),
    ("taken_back_fen", "已冲红(元) Taken back"),
    ("issued_by", "开票人 Issued by"),
    ("collector", "领取人 Collector"),
    ("collected_on", "领取日期 Collected"),
    ("delivered_on", "交付日期 Delivered"),
)
#: What a spreadsheet would take for a formula at the beginning of a text.
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


async def take_out(request: ActingRequest, filters: RegisterFilters, kind: Format) -> Response:
    """The register as a file; recorded with its reason.

    Raises:
        Forbidden: whoever is leaving takes no data along (R4.6).
        ReasonRequired: no reason was given.

    """

    async def page(after: Any | None, limit: int) -> Sequence[Any]:
        place = (after["issued_on"], after["invoice"]) if after else (None, None)
        return await list_register(request.pool, scope(request.actor), request.actor, filters, place, limit)

    named = {name: value for name, value in asdict(filters).items() if value is not None and value is not False}
    if kind == "xlsx":
        return await export(request, _NAME, _HEADINGS, page, named)
    check_may_export(request.actor)
    reason = request.reason
    rows: list[Any] = []
    lines: dict[str, list[Any]] = {}
    while True:
        found = await page(rows[-1] if rows else None, PAGE)
        rows += found
        if kind != "csv":
            for line in await lines_of(request.pool, [row["invoice"] for row in found]):
                lines.setdefault(line["invoice"], []).append(line)
        if len(found) < PAGE:
            break
    await record_export(request, _NAME, {**named, "format": kind}, len(rows), reason)
    if kind == "json":
        body = await asyncio.to_thread(as_json, rows, lines)
        return attachment(body, "application/json", f"{_NAME}.json")
    body = await asyncio.to_thread(as_csv, rows, lines if kind == "csv_lines" else None)
    return attachment(body, "text/csv; charset=utf-8", f"{_NAME}.csv")


def as_json(rows: Iterable[Mapping[str, Any]], lines: Mapping[str, Sequence[Mapping[str, Any]]]) -> bytes:
    """One object with the version of its columns and the invoices, each with its lines; UTF-8."""
    invoices = [
        {
            **{column: _plain(row[column]) for column in COLUMNS},
            "lines": [
                {column: _plain(line[column]) for column in LINE_COLUMNS} for line in lines.get(row["invoice"], ())
            ],
        }
        for row in rows
    ]
    return json.dumps({"version": VERSION, "invoices": invoices}, ensure_ascii=False).encode()


def as_csv(rows: Iterable[Mapping[str, Any]], lines: Mapping[str, Sequence[Mapping[str, Any]]] | None) -> bytes:
    """RFC 4180 in UTF-8 with a byte-order mark: a row per invoice, or (with `lines`) a row per line.

    A text that a spreadsheet would take for a formula gets an apostrophe in front.
    """
    target = io.StringIO()
    writer = csv.writer(target)
    heads = list(COLUMNS) if lines is None else [*COLUMNS, *(f"line_{column}" for column in LINE_COLUMNS)]
    writer.writerow(heads)
    for row in rows:
        cells = [_cell(row[column]) for column in COLUMNS]
        if lines is None:
            writer.writerow(cells)
            continue
        for line in lines.get(row["invoice"], ()):
            writer.writerow([*cells, *(_cell(line[column]) for column in LINE_COLUMNS)])
    return target.getvalue().encode("utf-8-sig")


def _plain(value: Any) -> Any:
    """JSON's own types as they are; days, decimals and codes as text."""
    if value is None or isinstance(value, bool | int):
        return value
    return format(value.normalize(), "f") if isinstance(value, Decimal) else str(value)


def _cell(value: Any) -> Any:
    plain = _plain(value)
    if plain is None:
        return ""
    if isinstance(plain, bool):
        return "true" if plain else "false"
    return f"'{plain}" if isinstance(plain, str) and plain.startswith(_FORMULA_STARTS) else plain
