"""The register of customers (F5) over HTTP: the list with its filters, and the same as an Excel file."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from datetime import date, datetime
from typing import Annotated, Any

import asyncpg
from fastapi import APIRouter, Depends, Query, Response
from pydantic import BaseModel, Field

from kehu.contracts.customers import Affiliation, CustomerKind, IdentityKind
from kehu.http import Acting, Page, Paging
from kehu_customer_registry.dossiers.content import Nature
from kehu_customer_registry.dossiers.facts import Status
from kehu_customer_registry.dossiers.rights import check_may_list, scope
from kehu_customer_registry.dossiers.views import Filters, list_register
from kehu_customer_registry.listing import EXPORT_PAGE, XLSX_ANSWER, each_page, export_pages
from kehu_customer_registry.staff.decisions import Code

router = APIRouter(tags=["register"])

_EXPORTED = (
    ("number", "客户编号 Number"),
    ("name", "客户名称 Name"),
    ("kind", "客户类别 Kind"),
    ("nature", "企业性质 Nature"),
    ("affiliation", "关联关系 Affiliation"),
    ("identity_kind", "证照种类 Identity"),
    ("identity", "证照号码 Identity number"),
    ("region", "区域 Region"),
    ("department", "部门 Department"),
    ("owner", "负责营销员 Owner"),
    ("status", "状态 Status"),
    ("important_potential", "重要潜力 Important potential"),
    ("drafted_at", "建档时间 Drafted"),
    ("registered_at", "归档时间 Registered"),
)

# Outside it dates overflow at their ends.
Day = Annotated[date, Field(ge=date(1900, 1, 1), le=date(2199, 12, 31))]


class RegisterRow(BaseModel):
    """A line of F5."""

    customer: str
    number: str
    name: str
    kind: CustomerKind | None
    nature: Nature | None
    affiliation: Affiliation | None
    identity_kind: IdentityKind | None
    identity: str | None
    region: str | None
    department: str
    owner: str
    collaborators: list[str]
    status: Status
    important_potential: bool
    drafted_at: datetime
    registered_at: datetime | None
    version: int
    serial: int = Field(exclude=True)


def _filters(
    q: Annotated[str | None, Query(max_length=200, description="Part of the name; or a number or identity.")] = None,
    kind: CustomerKind | None = None,
    region: Annotated[str | None, Query(max_length=200)] = None,
    department: Code | None = None,
    owner: Code | None = None,
    status: Status | None = None,
    registered_from: Annotated[Day | None, Query(description="First day of registration, in Shanghai.")] = None,
    registered_to: Annotated[Day | None, Query(description="Last day of registration, in Shanghai.")] = None,
) -> Filters:
    return Filters(q, kind, region, department, owner, status, registered_from, registered_to)


Filtered = Annotated[Filters, Depends(_filters)]


@router.get("/register")
async def list_customers(request: Acting, paging: Paging, filters: Filtered) -> Page[RegisterRow]:
    """The register (F5): the customers that you may see, by number."""
    check_may_list(request.actor)
    (after,) = paging.after(int)
    rows = await list_register(request.pool, scope(request.actor), filters, after, paging.fetch)
    return paging.page([RegisterRow.model_validate(dict(row)) for row in rows], key=lambda row: (row.serial,))


@router.get("/register/export", response_class=Response, responses=XLSX_ANSWER)
async def export_register(request: Acting, filters: Filtered) -> Response:
    """The same as an Excel file. Takes a reason (header `Kehu-Reason`), which is recorded; not for who is leaving."""
    shown = scope(request.actor)

    async def fetch(last: asyncpg.Record | None) -> list[asyncpg.Record]:
        return await list_register(request.pool, shown, filters, last["serial"] if last else None, EXPORT_PAGE)

    async def rows() -> AsyncGenerator[list[list[Any]]]:
        async for page in each_page(fetch):
            yield [[row[field] for field, _ in _EXPORTED] for row in page]

    headings = [heading for _, heading in _EXPORTED]
    return await export_pages(request, "register", "客户信息一览表", headings, rows(), _recorded(filters))


def _recorded(filters: Filters) -> dict[str, str]:
    """The filters as they are recorded; what was searched for may be a person's name, so only that it was."""
    named = filters.named()
    return {**named, "q": "*"} if "q" in named else named
