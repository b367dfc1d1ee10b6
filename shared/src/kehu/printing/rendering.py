"""From a form to a file: PDF by typst, docx by docxtpl, both inside the process and the same for the same form.

Nothing outside this package is needed: typst's compiler comes in its wheel, the font and the templates lie here, and
neither system fonts nor packages are looked for.
"""

from __future__ import annotations

import asyncio
import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from enum import StrEnum
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import structlog
import typst
from docx.enum.text import WD_ALIGN_PARAGRAPH
from docx.oxml.ns import qn
from docx.oxml.table import CT_Tbl
from docx.shared import Twips
from docxtpl import DocxTemplate

from kehu.errors import Invalid, KehuError
from kehu.printing.forms import Form, plain

log = structlog.get_logger(__name__)

#: Characters of the whole form as JSON; some 100 pages. More is for a spreadsheet.
MOST_TEXT = 600_000
#: A page takes some 20 ms; the largest form that is let in some 5 s on an idle core.
TIMEOUT_SECONDS = 30.0
#: Of a zip archive's entries: the earliest that one can name.
_EPOCH = (1980, 1, 1, 0, 0, 0)
#: Between the margins, by whether it is landscape: 180 and 267 mm, in twentieths of a point.
_TWIPS = {False: 10_205, True: 15_137}
#: A field's label, 27 mm: what the longest one takes.
_LABEL_TWIPS = 1_531
# Two at a time: more would only take the requests' processor away. Whoever waits does so within their time.
_WORKERS = ThreadPoolExecutor(2, thread_name_prefix="printing")


class Format(StrEnum):
    """As what a form is printed."""

    PDF = "pdf"
    DOCX = "docx"

    @property
    def media_type(self) -> str:
        """Its content type."""
        word = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
        return "application/pdf" if self is Format.PDF else word


class FormTooLarge(Invalid):
    """More than can be printed at once."""

    code = "form-too-large"

    def __init__(self) -> None:
        super().__init__(
            "内容过多,无法一次打印。请缩小筛选范围分次打印,或导出 Excel。",
            "This is too much to print at once. Narrow the filters and print in parts, or export it as Excel.",
        )


class PrintingBusy(KehuError):
    """It was not printed in time."""

    code = "printing-busy"
    status = 503

    def __init__(self) -> None:
        super().__init__(
            "打印任务较多,未能及时完成。请稍后再试。",
            "Printing took too long: there is much to print. Try again later.",
        )


async def print_form(form: Form, format_: Format) -> bytes:
    """A form as a file, made in a thread.

    Raises:
        FormTooLarge: it holds more than can be printed at once.
        PrintingBusy: it was not done within `TIMEOUT_SECONDS`, waiting included.

    """
    work = asyncio.get_running_loop().run_in_executor(_WORKERS, render, form, format_)
    try:
        return await asyncio.wait_for(work, TIMEOUT_SECONDS)
    except TimeoutError:
        log.warning("printing.too_slow", form=form.code, format=format_.value)
        raise PrintingBusy from None


def render(form: Form, format_: Format) -> bytes:
    """A form as a file; takes processor time.

    Raises:
        FormTooLarge: it holds more than can be printed at once.

    """
    data = plain(form)
    text = json.dumps(data, ensure_ascii=False)
    if len(text) > MOST_TEXT:
        raise FormTooLarge
    return _pdf(text, form.printed.at) if format_ is Format.PDF else _docx(data, form.printed.at)


def _pdf(text: str, at: datetime) -> bytes:
    compiler = typst.Compiler(
        _template("form.typ").read_bytes(), root=_folder("templates"), font_paths=_fonts(), sys_inputs={"form": text}
    )
    made = compiler.compile(format="pdf", timestamp=int(at.timestamp()))
    if not isinstance(made, bytes):
        raise TypeError("typst gives a PDF as one piece of bytes.")
    return made


def _docx(data: dict[str, Any], at: datetime) -> bytes:
    document = DocxTemplate(_template("landscape.docx" if data["landscape"] else "portrait.docx"))
    # Escaped as XML; the values themselves are never read as a template.
    document.render(data, autoescape=True)
    if document.docx is None:
        raise TypeError("docxtpl keeps the document that it has rendered.")
    # A block is a table each, whatever its kind, so the two go along.
    for table, block in zip(document.docx.element.body.findall(qn("w:tbl")), data["blocks"], strict=True):
        if block["kind"] == "table":
            _lay_out(table, block["columns"], landscape=data["landscape"])
        elif block["kind"] == "fields":
            _lay_out_fields(table, landscape=data["landscape"])
    properties = document.docx.core_properties
    properties.title, properties.author, properties.last_modified_by = data["title"]["zh"], "Kehu", "Kehu"
    properties.created = properties.modified = at.astimezone(UTC).replace(tzinfo=None, microsecond=0)
    target = io.BytesIO()
    document.save(target)
    return _dated(target)


def _lay_out(table: CT_Tbl, columns: Sequence[Mapping[str, Any]], *, landscape: bool) -> None:
    """Give the columns of a table their shares of the page, and amounts their place; a template can say neither."""
    whole = sum(column["width"] for column in columns)
    widths = [int(_TWIPS[landscape] * column["width"] / whole) for column in columns]
    table.tblPr.autofit = False
    for grid, width in zip(table.tblGrid.gridCol_lst, widths, strict=True):
        grid.w = Twips(width)
    for number, row in enumerate(table.tr_lst):
        for cell, column, width in zip(row.tc_lst, columns, widths, strict=False):
            cell.width = Twips(width)
            if column["right"] and number > 0:
                for paragraph in cell.p_lst:
                    paragraph.alignment = WD_ALIGN_PARAGRAPH.RIGHT


def _lay_out_fields(table: CT_Tbl, *, landscape: bool) -> None:
    """Labels take what they need and values the rest, as in the PDF; a wide value spans the three columns behind it."""
    value = (_TWIPS[landscape] - 2 * _LABEL_TWIPS) // 2
    widths = [_LABEL_TWIPS, value, _LABEL_TWIPS, value]
    table.tblPr.autofit = False
    for grid, width in zip(table.tblGrid.gridCol_lst, widths, strict=True):
        grid.w = Twips(width)
    for row in table.tr_lst:
        at = 0
        for cell in row.tc_lst:
            cell.width = Twips(sum(widths[at : at + cell.grid_span]))
            at += cell.grid_span


def _dated(archive: io.BytesIO) -> bytes:
    """The archive with one date on all its parts, so that the same form is the same bytes."""
    target = io.BytesIO()
    with zipfile.ZipFile(archive) as old, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as new:
        for part in old.infolist():
            new.writestr(zipfile.ZipInfo(part.filename, _EPOCH), old.read(part), zipfile.ZIP_DEFLATED)
    return target.getvalue()


@cache
def _fonts() -> typst.Fonts:
    return typst.Fonts(include_system_fonts=False, include_embedded_fonts=False, font_paths=[_folder("fonts")])


def _template(name: str) -> Path:
    return _folder("templates") / name


def _folder(name: str) -> Path:
    """A folder of this package, which is always installed as files."""
    return Path(str(files("kehu.printing"))) / name
