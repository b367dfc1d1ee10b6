"""Qualifications, settlement units and renewals as Excel files: the lists that people work off, with the same filters.

Before the features that they are lists of: ``/qualifications/export`` is no qualification's id.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Response

from kehu.contracts.vetting import Step
from kehu.http import Acting
from kehu.text import Line
from kehu_vetting.bodies import Code
from kehu_vetting.customer_files.finding import find_survivor
from kehu_vetting.exports import XLSX, export
from kehu_vetting.qualifications.facts import Status
from kehu_vetting.qualifications.views import Filters, list_qualifications
from kehu_vetting.renewals.facts import RenewalStatus
from kehu_vetting.renewals.views import list_renewals
from kehu_vetting.settlement_units.views import list_units
from kehu_vetting.sight import scope

router = APIRouter()

WaitingForMe = Annotated[Literal["me"] | None, Query(description="What you can sign or have to mend now.")]
_FILE: dict[int | str, dict[str, Any]] = {200: {"content": {XLSX: {}}}}
_QUALIFICATION_COLUMNS = (
    ("number", "客户编号 Customer"),
    ("name", "客户名称 Name"),
    ("kind", "客户类别 Kind"),
    ("department", "部门 Department"),
    ("owner", "负责营销员 Owner"),
    ("status", "状态 Status"),
    ("step", "环节 Step"),
    ("since", "自 Since"),
    ("bundle", "提交稿 Bundle"),
    ("submitted_by", "提交人 Submitted by"),
    ("approved_on", "批准日期 Approved"),
    ("activated_on", "生效日期 Activated"),
)
_UNIT_COLUMNS = (
    ("number", "结算单位编号 Number"),
    ("name", "名称 Name"),
    ("identity_kind", "证照种类 Identity"),
    ("identity", "证照号码 Identity number"),
    ("bars", "停用原因 Suspended because"),
    ("customers", "客户数 Customers"),
)
_RENEWAL_COLUMNS = (
    ("number", "客户编号 Customer"),
    ("name", "客户名称 Name"),
    ("department", "部门 Department"),
    ("owner", "负责营销员 Owner"),
    ("documents", "证件 Papers"),
    ("unit", "结算单位 Payer"),
    ("status", "状态 Status"),
    ("step", "环节 Step"),
    ("since", "自 Since"),
    ("submitted_by", "提交人 Submitted by"),
)


@router.get("/qualifications/export", response_class=Response, responses=_FILE, tags=["qualifications"])
async def export_qualifications(
    request: Acting,
    status: Status | None = None,
    step: Step | None = None,
    department: Code | None = None,
    waiting_for: WaitingForMe = None,
) -> Response:
    """`GET /qualifications` as an Excel file; takes a reason (`Kehu-Reason`), which is recorded."""
    filters = Filters(status, step, department, waiting=waiting_for is not None)

    async def pages(last: Any | None, size: int) -> Sequence[Any]:
        after = last and last["qualification"]
        return await list_qualifications(request.pool, scope(request.actor), request.actor, filters, after, size)

    told = {"status": status, "step": step, "department": department, "waiting_for": waiting_for}
    return await export(request, "资质审核 Qualifications", _QUALIFICATION_COLUMNS, pages, told)


@router.get("/settlement-units/export", response_class=Response, responses=_FILE, tags=["settlement units"])
async def export_units(
    request: Acting,
    suspended: bool | None = None,  # noqa: FBT001 - FastAPI passes it by name
    q: Annotated[Line | None, Query(description="Part of the name; or the number, or the identity.")] = None,
) -> Response:
    """`GET /settlement-units` as an Excel file; takes a reason (`Kehu-Reason`), which is recorded."""

    async def pages(last: Any | None, size: int) -> Sequence[Any]:
        after = last and last["unit"]
        return await list_units(request.pool, scope(request.actor), q, after, size, suspended=suspended)

    return await export(request, "结算单位 Settlement units", _UNIT_COLUMNS, pages, {"suspended": suspended, "q": q})


@router.get("/renewals/export", response_class=Response, responses=_FILE, tags=["renewals"])
async def export_renewals(
    request: Acting,
    status: RenewalStatus | None = None,
    customer: Annotated[Code | None, Query(description="Its id or 客户编号.")] = None,
    waiting_for: WaitingForMe = None,
) -> Response:
    """`GET /renewals` as an Excel file; takes a reason (`Kehu-Reason`), which is recorded."""
    named = (await find_survivor(request, customer))[0] if customer else None
    waiting = waiting_for is not None

    async def pages(last: Any | None, size: int) -> Sequence[Any]:
        after, shown = last and last["renewal"], scope(request.actor)
        return await list_renewals(request.pool, shown, request.actor, status, named, after, size, waiting=waiting)

    told = {"status": status, "customer": named, "waiting_for": waiting_for}
    return await export(request, "换证 Renewals", _RENEWAL_COLUMNS, pages, told)
