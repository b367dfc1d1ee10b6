"""Imports of existing dossiers over HTTP: the template, the upload, what the check says, the second person's word."""

from __future__ import annotations

import asyncio
from datetime import datetime
from functools import partial
from io import BytesIO
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Form, Query, Response, UploadFile
from pydantic import BaseModel, ConfigDict, Field

from kehu.contracts.staff import Role
from kehu.files import FileStore
from kehu.files.kinds import clean_name
from kehu.http import Acting, Answer, Editing, Page, Paging, StreamId
from kehu.ids import new_id
from kehu.spreadsheets import SheetWriter
from kehu.text import Paragraph
from kehu_customer_registry.dossiers.rights import check_may_list
from kehu_customer_registry.imports import decisions
from kehu_customer_registry.imports.decisions import AbandonImport, UploadImport
from kehu_customer_registry.imports.facts import IMPORTS, Import, RowProblem, SkippedRow, Status
from kehu_customer_registry.imports.rows import COLUMNS, MOST_BYTES
from kehu_customer_registry.imports.views import list_imports
from kehu_customer_registry.listing import XLSX, XLSX_ANSWER
from kehu_customer_registry.staff.decisions import Code

router = APIRouter(tags=["imports"])

#: Headings and boundaries of the form around the file.
_FORM_BYTES = 100_000
_EXAMPLE = {
    "客户名称": "杭州甲乙贸易有限公司",
    "客户类别": "经销商",
    "企业性质": "有限责任公司",
    "主管单位": "无",
    "地址": "杭州市西湖区文三路 1 号",
    "区域": "浙江",
    "证照种类": "统一社会信用代码",
    "证照号码": "91110000600037341L",
    "负责营销员": "E001",
    "联系人": "王小明",
    "职务": "总经理",
    "联系电话": "13800138000",
    "受众": "I",
}


class ImportRow(BaseModel):
    """A line of the list of imports."""

    upload: str
    number: str
    department: str
    status: Status
    uploaded_by: str
    uploaded_at: datetime
    confirmed_by: str | None
    total: int | None = Field(description="Rows in the file, once it was looked through.")
    done: int = Field(description="The last row of the file that was dealt with.")
    taken: int = Field(description="Rows that became customers.")
    skipped: int = Field(description="Rows left out.")
    problems: int


class ImportShown(BaseModel):
    """An import as it stands: what the check says, and how far it has come."""

    upload: str
    number: str
    department: str
    status: Status
    file_digest: str
    uploaded_by: str
    confirmed_by: str | None
    rows: int | None
    done: int
    taken: int
    skipped: int
    percent: int
    problem_count: int
    problems: list[RowProblem] = Field(description="The first ones; mend them all, and upload the file again.")
    existing_count: int
    existing: list[SkippedRow] = Field(description="Rows that will be left out: their identity has a dossier.")
    alike_count: int
    alike: list[SkippedRow] = Field(description="Rows whose name somebody has already: look at them twice.")

    @classmethod
    def of(cls, state: Import) -> ImportShown:
        """As it is shown."""
        checked = state.checked
        rows = checked.rows if checked else None
        return cls(
            upload=state.upload,
            number=state.number,
            department=state.department,
            status=state.status,
            file_digest=state.file_digest,
            uploaded_by=state.uploaded_by,
            confirmed_by=state.confirmed_by or None,
            rows=rows,
            done=state.done,
            taken=state.taken,
            skipped=state.skipped,
            percent=(state.taken + state.skipped) * 100 // rows if rows else 0,
            problem_count=checked.problem_count if checked else 0,
            problems=list(checked.problems) if checked else [],
            existing_count=checked.existing_count if checked else 0,
            existing=list(checked.existing) if checked else [],
            alike_count=checked.alike_count if checked else 0,
            alike=list(checked.alike) if checked else [],
        )


class AbandonForm(BaseModel):
    """Why an import is given up."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    reason: Annotated[Paragraph, Field(min_length=1)]


@router.get("/imports/template", response_class=Response, responses=XLSX_ANSWER)
async def take_template(request: Acting) -> Response:
    """An Excel file with the headings and one example."""
    check_may_list(request.actor)
    target = BytesIO()

    def write() -> None:
        writer = SheetWriter(target, list(COLUMNS))
        writer.write([[_EXAMPLE.get(heading) for heading in COLUMNS]])
        writer.close()

    await asyncio.to_thread(write)
    name = quote("客户档案导入模板.xlsx")
    headers = {"Content-Disposition": f"attachment; filename*=UTF-8''{name}"}
    return Response(target.getvalue(), media_type=XLSX, headers=headers)


@router.post("/imports", status_code=201, max_body_size=MOST_BYTES + _FORM_BYTES)
async def upload_import(
    department: Annotated[Code, Form(description="Whose customers they are.")], file: UploadFile, request: Acting
) -> Answer:
    """Hand a file of existing customers in. It is looked through at once (the dry run); nothing else happens yet."""
    context = await request.context()
    upload = str(new_id())
    # Refused before the file is kept, where it would be refused after.
    decisions.upload_import(UploadImport(upload, "", department, ""), Import(), context)
    stored = await FileStore(request.running).put(
        file.file, file.size or 0, name=clean_name(file.filename), declared=file.content_type, context=context
    )
    serial = await request.pool.fetchval("SELECT nextval('import_numbers')")
    number = f"DR{serial:06}"
    command = UploadImport(upload, number, department, stored.digest)
    return await request.create(IMPORTS, upload, partial(decisions.upload_import, command), numbers={"number": number})


@router.get("/imports")
async def show_imports(
    request: Acting,
    paging: Paging,
    waiting_for: Annotated[str | None, Query(pattern="^me$", description="`me`: those that you may confirm.")] = None,
) -> Page[ImportRow]:
    """Imports that you may see, the latest first."""
    check_may_list(request.actor)
    (after,) = paging.after(str)
    rows = await list_imports(
        request.pool,
        after,
        everywhere=request.actor.has(Role.MARKET_DEPT, Role.AUDITOR),
        departments=sorted(request.actor.departments(Role.DEPT_MANAGER)),
        waiting_for=request.actor.id if waiting_for else None,
        limit=paging.fetch,
    )
    return paging.page([ImportRow.model_validate(dict(row)) for row in rows], key=lambda row: (row.upload,))


@router.get("/imports/{upload}")
async def show_import(upload: StreamId, request: Acting) -> ImportShown:
    """What the check says, and how far it has come."""
    state = await request.show(IMPORTS, upload)
    decisions.check_may_see(state, request.actor)
    return ImportShown.of(state)


@router.post("/imports/{upload}/confirm")
async def confirm_import(upload: StreamId, request: Editing) -> Answer:
    """Have it done, as the second person: the manager or 市场部, who neither uploaded it nor owns any of them."""
    return await request.handle(IMPORTS, upload, decisions.confirm_import)


@router.post("/imports/{upload}/abandon")
async def abandon_import(upload: StreamId, body: AbandonForm, request: Editing) -> Answer:
    """Give it up; what was taken over stays."""
    return await request.handle(IMPORTS, upload, partial(decisions.abandon_import, AbandonImport(body.reason)))
