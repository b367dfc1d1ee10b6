"""Looks an import through (the dry run): what is wrong with which row, and what is there already."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

import structlog

from kehu.deciding import Context
from kehu.parts import Running
from kehu.spreadsheets import SheetRow, SpreadsheetInvalid
from kehu.text import company_key
from kehu_customer_registry.imports.decisions import MOST_TOLD, Salespeople, note_check, row_problems
from kehu_customer_registry.imports.facts import IMPORTS, Import, ImportChecked, RowProblem, SkippedRow
from kehu_customer_registry.imports.reading import claim_of, find_salespeople, import_context, open_rows, take_rows
from kehu_customer_registry.imports.rows import Row, RowWrong, parse_row, problem
from kehu_customer_registry.imports.views import wait_for_list

log = structlog.get_logger(__name__)

#: Rows looked through between two looks at the database.
PAGE = 1_000

# Uses register_identity and register_name_key.
_EXISTING = "SELECT identity_kind || ':' || identity AS claim, number FROM register WHERE identity = ANY ($1)"
_ALIKE = (
    "SELECT DISTINCT ON (name_key) name_key, number FROM register WHERE name_key = ANY ($1) ORDER BY name_key, serial"
)


@dataclass(slots=True)
class _Told:
    """Rows that are to be shown: the first ones, and how many there are."""

    rows: list[SkippedRow] = field(default_factory=list[SkippedRow])
    count: int = 0

    def add(self, row: SkippedRow) -> None:
        self.count += 1
        if len(self.rows) < MOST_TOLD:
            self.rows.append(row)


@dataclass(slots=True)
class _Findings:
    rows: int = 0
    problems: list[RowProblem] = field(default_factory=list[RowProblem])
    problem_count: int = 0
    existing: _Told = field(default_factory=_Told)
    alike: _Told = field(default_factory=_Told)
    owners: set[str] = field(default_factory=set[str])
    seen: dict[str, int] = field(default_factory=dict[str, int])

    def note(self, problems: Sequence[RowProblem]) -> None:
        self.problem_count += len(problems)
        self.problems += problems[: MOST_TOLD - len(self.problems)]


async def check_import(running: Running, state: Import) -> None:
    """Look an import's file through, and record what was found."""
    found = _Findings()
    people, context = await find_salespeople(running, state.department), await import_context(running)
    try:
        async with open_rows(running, state) as rows:
            while page := await take_rows(rows, PAGE):
                good = await asyncio.to_thread(_look_through, page, state, people, context, found)
                await _compare(running, good, found)
    except SpreadsheetInvalid as invalid:
        found.note([problem(0, "", invalid.problem_code, invalid.zh, invalid.en)])
    if not found.rows and not found.problem_count:
        found.note([problem(0, "", "empty", "表中没有客户,请填写后重新上传。", "There are no rows: fill the file in.")])
    checked = ImportChecked(
        upload=state.upload,
        rows=found.rows,
        existing=tuple(found.existing.rows),
        existing_count=found.existing.count,
        alike=tuple(found.alike.rows),
        alike_count=found.alike.count,
        owners=tuple(sorted(found.owners)),
        problems=tuple(found.problems),
        problem_count=found.problem_count,
    )
    done = await running.commands.handle(IMPORTS, state.upload, partial(note_check, checked), context)
    log.info("import.checked", upload=state.upload, rows=found.rows, problems=found.problem_count)
    await wait_for_list(running, done)


def _look_through(
    page: Sequence[SheetRow], state: Import, people: Salespeople, context: Context, found: _Findings
) -> list[Row]:
    good: list[Row] = []
    for sheet_row in page:
        found.rows += 1
        try:
            row = parse_row(sheet_row, state.department, state.file_digest)
        except RowWrong as wrong:
            found.note(wrong.problems)
            continue
        problems = row_problems(row, people, context)
        claim = claim_of(row)
        if claim and claim in found.seen:
            first = found.seen[claim]
            zh, en = f"与第 {first} 行的证照号码相同。", f"The identity is that of row {first}."
            problems.append(problem(row.number, "identity.number", "identity-twice", zh, en))
        elif claim:
            found.seen[claim] = row.number
        found.note(problems)
        if not problems:
            found.owners.add(people.by_name[row.owner])
            good.append(row)
    return good


async def _compare(running: Running, rows: Sequence[Row], found: _Findings) -> None:
    """Find those whose identity has a dossier already, and those whose name somebody has: both are shown."""
    identities = [row.form.identity.number for row in rows if row.form.identity]
    existing = {one["claim"]: one["number"] for one in await running.pool.fetch(_EXISTING, identities)}
    keys = {row.number: company_key(row.form.name) for row in rows}
    alike = {one["name_key"]: one["number"] for one in await running.pool.fetch(_ALIKE, list({*keys.values()}))}
    for row in rows:
        if number := existing.get(claim_of(row) or ""):
            found.existing.add(SkippedRow(row=row.number, number=number))
        elif number := alike.get(keys[row.number]):
            found.alike.add(SkippedRow(row=row.number, number=number))
