"""Looks imports through and carries them out, a page of rows at a time; any number of processes may, one does each.

A page is one transaction: the dossiers that its rows became, and how far the import has come. So a process that is
killed leaves whole pages behind, and the next one goes on after the last of them.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import Any, BinaryIO
from uuid import UUID

import structlog

from kehu.deciding import Context, Decision, system_actor
from kehu.event_store import Append, Conflict, Taken
from kehu.files import FileStore
from kehu.ids import new_id
from kehu.parts import Running
from kehu.recording import Origin, Unrecorded
from kehu.spreadsheets import SheetRow, SpreadsheetInvalid, iterate_rows
from kehu.text import company_key
from kehu_customer_registry.dossiers.decisions import IDENTITY_SCOPE
from kehu_customer_registry.dossiers.facts import DOSSIERS
from kehu_customer_registry.dossiers.finding import load_dossier
from kehu_customer_registry.dossiers.form import identity_claim
from kehu_customer_registry.dossiers.views import number_of
from kehu_customer_registry.imports.decisions import (
    MOST_TOLD,
    Made,
    Salespeople,
    advance,
    note_check,
    row_problems,
    take_over_row,
)
from kehu_customer_registry.imports.facts import IMPORTS, Import, ImportChecked, RowProblem, SkippedRow, Status
from kehu_customer_registry.imports.rows import (
    COLUMNS,
    MOST_BYTES,
    MOST_ROWS,
    Row,
    RowWrong,
    parse_row,
    problem,
)
from kehu_customer_registry.imports.views import waiting_imports

log = structlog.get_logger(__name__)

POLL_SECONDS = 1.0
#: Customers in one transaction: with the import's own stream below the 500 of one append call; a fifth of a second.
PAGE = 400
#: Rows looked through between two looks at the database.
CHECK_PAGE = 2_000
_PEOPLE_PER_ROW = 3
_SPOOLED = 4 << 20
_VIEW_SECONDS = 5.0

# Uses the primary keys.
_SALESPEOPLE = """
SELECT s.person, s.number FROM staff s JOIN staff_grants g USING (person)
WHERE g.role = 'salesperson' AND g.department IN ('', $1) AND s.last_day IS NULL AND NOT s.ended
"""
# Uses register_identity and register_name_key.
_EXISTING = "SELECT identity_kind || ':' || identity AS claim, number FROM register WHERE identity = ANY ($1)"
_ALIKE = (
    "SELECT DISTINCT ON (name_key) name_key, number FROM register WHERE name_key = ANY ($1) ORDER BY name_key, serial"
)
_NUMBERS = "SELECT nextval('customer_numbers') FROM generate_series(1, $1)"


async def work_imports(running: Running) -> None:
    """Do what waits, until cancelled."""
    while True:
        worked = False
        for upload in await waiting_imports(running.pool):
            worked |= await work_import(running, upload)
        if not worked:
            await asyncio.sleep(POLL_SECONDS)


async def work_import(running: Running, upload: str) -> bool:
    """Look one through or carry it out, unless another process does; whether this one did something."""
    async with running.pool.acquire() as connection:
        key = UUID(upload).int & ((1 << 63) - 1)
        if not await connection.fetchval("SELECT pg_try_advisory_lock($1)", key):
            return False
        try:
            state, _ = await running.commands.load(IMPORTS, upload)
            match state.status:
                case Status.UPLOADED:
                    await _check(running, state)
                case Status.RUNNING:
                    await _carry_out(running, state)
                case _:
                    return False  # the view lags behind
        finally:
            await connection.execute("SELECT pg_advisory_unlock($1)", key)
    return True


@asynccontextmanager
async def _rows(running: Running, state: Import) -> AsyncGenerator[Iterator[SheetRow]]:
    store = FileStore(running)
    with tempfile.SpooledTemporaryFile(_SPOOLED) as content:
        async for chunk in store.read(await store.find(state.file_digest)):
            content.write(chunk)
        content.seek(0)
        file: Any = content
        rows = _iterate(file)
        try:
            yield rows
        finally:
            rows.close()


def _iterate(file: BinaryIO) -> Any:
    return iterate_rows(file, COLUMNS, max_rows=MOST_ROWS, max_bytes=MOST_BYTES)


async def _page(rows: Iterator[SheetRow], size: int) -> list[SheetRow]:
    return await asyncio.to_thread(lambda: list(islice(rows, size)))


async def _context(running: Running) -> Context:
    now = running.clock.now()
    actor = system_actor(running.service.name, "imports")
    return Context(actor, now, await running.policies.in_force(now))


async def _salespeople(running: Running, department: str) -> Salespeople:
    rows = await running.pool.fetch(_SALESPEOPLE, department)
    return Salespeople({name: row["person"] for row in rows for name in (row["number"], row["person"])})


# --- looking through -------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Findings:
    rows: int = 0
    problems: list[RowProblem] = field(default_factory=list[RowProblem])
    problem_count: int = 0
    existing: list[SkippedRow] = field(default_factory=list[SkippedRow])
    alike: list[SkippedRow] = field(default_factory=list[SkippedRow])
    owners: set[str] = field(default_factory=set[str])
    seen: dict[str, int] = field(default_factory=dict[str, int])

    def note(self, problems: Sequence[RowProblem]) -> None:
        self.problem_count += len(problems)
        self.problems += problems[: MOST_TOLD - len(self.problems)]


async def _check(running: Running, state: Import) -> None:
    found, people, context = _Findings(), await _salespeople(running, state.department), await _context(running)
    try:
        async with _rows(running, state) as rows:
            while page := await _page(rows, CHECK_PAGE):
                good = await asyncio.to_thread(_look_through, page, state, people, context, found)
                await _compare(running, good, found)
    except SpreadsheetInvalid as invalid:
        found.note([problem(0, "", invalid.problem_code, invalid.zh, invalid.en)])
    if not found.rows and not found.problem_count:
        found.note([problem(0, "", "empty", "表中没有客户,请填写后重新上传。", "There are no rows: fill the file in.")])
    checked = ImportChecked(
        upload=state.upload,
        rows=found.rows,
        existing=tuple(found.existing[:MOST_TOLD]),
        existing_count=len(found.existing),
        alike=tuple(found.alike[:MOST_TOLD]),
        alike_count=len(found.alike),
        owners=tuple(sorted(found.owners)),
        problems=tuple(found.problems),
        problem_count=found.problem_count,
    )
    await _record(running, state.upload, partial(note_check, checked), context)
    log.info("import.checked", upload=state.upload, rows=found.rows, problems=found.problem_count)


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
        claim = _claim(row)
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
    names = {company_key(row.form.name) for row in rows}
    alike = {one["name_key"]: one["number"] for one in await running.pool.fetch(_ALIKE, list(names))}
    for row in rows:
        if number := existing.get(_claim(row) or ""):
            found.existing.append(SkippedRow(row=row.number, number=number))
        elif number := alike.get(company_key(row.form.name)):
            found.alike.append(SkippedRow(row=row.number, number=number))


def _claim(row: Row) -> str | None:
    identity = row.form.identity
    return identity_claim(identity.kind, identity.number) if identity else None


async def _record(running: Running, upload: str, decide: Any, context: Context) -> None:
    done = await running.commands.handle(IMPORTS, upload, decide, context)
    await running.follower.wait_for(done.position, _VIEW_SECONDS, view="dossier_imports")


# --- carrying out ----------------------------------------------------------------------------------------------------


async def _carry_out(running: Running, state: Import) -> None:
    people, context = await _salespeople(running, state.department), await _context(running)
    async with _rows(running, state) as rows:
        while found := await _page(rows, PAGE):
            page = [row for row in found if row.number > state.done]
            if not page:
                continue  # dealt with before this process took it up
            parsed = await asyncio.to_thread(_parsed, page, state)
            await _take_over(running, state.upload, parsed, people, context)
            state, _ = await running.commands.load(IMPORTS, state.upload)
            if state.status is not Status.RUNNING:
                return  # somebody has given it up
    await _record(running, state.upload, _finish, context)
    log.info("import.finished", upload=state.upload, taken=state.taken, skipped=state.skipped)


def _finish(state: Import, _context: Context) -> Decision:
    return Decision(advance(state.done, 0, (), state, last=True))


def _parsed(page: Sequence[SheetRow], state: Import) -> list[Row]:
    return [parse_row(row, state.department, state.file_digest) for row in page]


async def _take_over(running: Running, upload: str, rows: Sequence[Row], people: Salespeople, context: Context) -> None:
    """Record a page, leaving out rows whose identity somebody has taken; again without those taken just now."""
    # Whoever was to own it may have left since the check.
    skipped = {
        row.number: SkippedRow(row=row.number, code="salesperson-unknown")
        for row in rows
        if row.owner not in people.by_name
    }
    while True:
        left = [row for row in rows if row.number not in skipped]
        try:
            await append_page(running, upload, rows[-1].number, left, list(skipped.values()), people, context)
        except Taken as taken:
            if taken.scope != IDENTITY_SCOPE:
                raise
            holder, _ = await load_dossier(running, taken.holder)
            row = next(row for row in left if _claim(row) == taken.value)
            skipped[row.number] = SkippedRow(row=row.number, number=holder.number)
        except Conflict:
            log.info("import.again", upload=upload)  # somebody gave it up, or goes on with it elsewhere
            return
        else:
            return


async def append_page(
    running: Running,
    upload: str,
    done: int,
    rows: Sequence[Row],
    skipped: Sequence[SkippedRow],
    people: Salespeople,
    context: Context,
) -> None:
    """Record the customers of some rows and that everything up to row `done` was dealt with: one transaction.

    Raises:
        Taken: somebody has claimed an identity since.
        Conflict: the import was given up, or gone on with elsewhere.

    """
    state, version = await running.commands.load(IMPORTS, upload)
    progress = advance(done, len(rows), skipped, state, last=False)
    if not progress:
        return
    serials = [row[0] for row in await running.pool.fetch(_NUMBERS, len(rows))]
    origin = Origin(context.actor.id, context.now, new_id(), extra={"import": upload})
    decided: list[tuple[str, str, Decision]] = []
    for row, serial in zip(rows, serials, strict=True):
        customer = str(new_id())
        made = Made(customer, number_of(serial), [str(new_id()) for _ in range(_PEOPLE_PER_ROW)])
        decided.append((DOSSIERS.stream(customer), customer, take_over_row(row, made, state, people, context)))
    stream = IMPORTS.stream(upload)
    facts = [(stream, fact) for fact in progress]
    facts += [(dossier, fact) for dossier, _, decision in decided for fact in decision.facts]
    encoded = iter(await running.codec.encode([Unrecorded(fact, there, new_id(), origin) for there, fact in facts]))
    appends = [Append(stream, version, upload, [next(encoded) for _ in progress])]
    appends += [
        Append(dossier, 0, customer, [next(encoded) for _ in decision.facts], decision.claims)
        for dossier, customer, decision in decided
    ]
    async with running.store.transaction() as connection:
        await running.store.append_together(connection, appends)
