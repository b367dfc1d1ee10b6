"""Carries a confirmed import out, page by page; while one page is recorded, the next is made ready beside it.

A page is one transaction: the dossiers that its rows became, and how far the import has come. So a process that is
killed leaves whole pages behind, and the next one goes on after the last of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import structlog

from kehu.deciding import Context, Decision
from kehu.event_store import MAX_STREAMS_PER_CALL, Append, Conflict, Taken
from kehu.ids import new_id, new_text_id
from kehu.parts import Running
from kehu.recording import Origin, Unrecorded
from kehu.spreadsheets import SheetRow
from kehu_customer_registry.dossiers.decisions import IDENTITY_SCOPE
from kehu_customer_registry.dossiers.facts import DOSSIERS
from kehu_customer_registry.dossiers.finding import load_dossier, sales_force
from kehu_customer_registry.dossiers.views import number_of, resolve
from kehu_customer_registry.imports.decisions import Made, Salespeople, advance, people_in, take_over_row
from kehu_customer_registry.imports.facts import IMPORTS, Import, SkippedRow
from kehu_customer_registry.imports.reading import claim_of, find_salespeople, import_context, open_rows, take_rows
from kehu_customer_registry.imports.rows import Row, parse_row
from kehu_customer_registry.imports.views import wait_for_list
from kehu_customer_registry.staff.facts import STAFF, StaffMember

log = structlog.get_logger(__name__)

#: Rows in one transaction. Each is a stream of its own, and has at most one owner whose stream is held still, so that
#: with the import's own they are never more than one call takes; it takes a tenth of a second.
PAGE = (MAX_STREAMS_PER_CALL - 1) // 2

_NUMBERS = "SELECT nextval('customer_numbers') FROM generate_series(1, $1)"


@dataclass(frozen=True, slots=True)
class Page:
    """Rows made ready to be recorded.

    Args:
        sheet_rows: as they stand in the file.
        customers: what becomes of those that are taken over, by the row's number.
        owners: that the customers' owners still stand as they did when it was decided (R4.6).
        skipped: those that are left out.
        origin: of all of its facts.

    """

    sheet_rows: Sequence[SheetRow]
    customers: Mapping[int, Append]
    owners: Sequence[Append]
    skipped: Sequence[SkippedRow]
    origin: Origin

    @property
    def done(self) -> int:
        """The last row."""
        return self.sheet_rows[-1].number

    def without(self, row: int, number: str) -> Page:
        """The same with a row left out, whose identity the dossier of this number has."""
        customers = {one: append for one, append in self.customers.items() if one != row}
        return replace(self, customers=customers, skipped=[*self.skipped, SkippedRow(row=row, number=number)])


async def carry_out(running: Running, state: Import, version: int) -> None:
    """Take over what is left of an import that runs.

    Args:
        running: the service.
        state: the import.
        version: at which it stands.

    """
    async with open_rows(running, state) as rows:
        making = Making(
            running, state, await find_salespeople(running, state.department), await import_context(running)
        )
        following = asyncio.create_task(making.next_page(rows))
        try:
            while page := await following:
                following = asyncio.create_task(making.next_page(rows))
                try:
                    state, version = await _record(running, state, version, page, making)
                except Conflict as conflict:
                    if conflict.stream != IMPORTS.stream(state.upload):
                        raise
                    # Somebody gave it up, or goes on with it elsewhere: whoever takes it up again reads where it is.
                    log.info("import.again", upload=state.upload)
                    return
        finally:
            await asyncio.wait([following])  # a thread of it reads the file, which is closed next
            _ = following.cancelled() or following.exception()
    done = await running.commands.handle(IMPORTS, state.upload, _finish, making.context)
    log.info("import.finished", upload=state.upload, taken=state.taken, skipped=state.skipped)
    await wait_for_list(running, done)


def _finish(state: Import, _context: Context) -> Decision:
    return Decision(advance(state.done, 0, (), state, last=True))


async def _record(running: Running, state: Import, version: int, page: Page, making: Making) -> tuple[Import, int]:
    """Record a page, leaving out rows whose identity somebody has taken just now; how the import stands then.

    Raises:
        Conflict: the import was given up, or gone on with elsewhere.

    """
    while True:
        try:
            return await append_page(running, state, version, page)
        except Taken as taken:
            if taken.scope != IDENTITY_SCOPE:
                raise
            holder, _ = await load_dossier(running, taken.holder)
            page = page.without(_row_claiming(page, taken.value), holder.number)
        except Conflict as conflict:
            if all(conflict.stream != owner.stream for owner in page.owners):
                raise
            page = await making.page_again(page)


def _row_claiming(page: Page, identity: str) -> int:
    return next(
        row
        for row, append in page.customers.items()
        if any(claim.scope == IDENTITY_SCOPE and claim.value == identity for claim in append.claims)
    )


async def append_page(running: Running, state: Import, version: int, page: Page) -> tuple[Import, int]:
    """Record the customers of a page and that its rows were dealt with, in one transaction; how the import stands then.

    Args:
        running: the service.
        state: the import.
        version: at which it stands.
        page: what to record.

    Raises:
        Taken: somebody has claimed an identity since.
        Conflict: the import was given up, or gone on with elsewhere; or an owner's stream has moved.

    """
    progress = advance(page.done, len(page.customers), page.skipped, state, last=False)
    stream = IMPORTS.stream(state.upload)
    encoded = await running.codec.encode([Unrecorded(fact, stream, new_id(), page.origin) for fact in progress])
    appends = [Append(stream, version, state.upload, encoded), *page.owners, *page.customers.values()]
    async with running.store.transaction() as connection:
        await running.store.append_together(connection, appends)
    return IMPORTS.fold(progress, state), version + len(progress)


class Making:
    """Makes pages ready: what costs the processor's time in threads, so that requests are answered meanwhile.

    Args:
        running: the service.
        state: the import.
        people: the department's salespeople, by whatever they may be called in a row.
        context: as whom it is done.

    """

    def __init__(self, running: Running, state: Import, people: Salespeople, context: Context) -> None:
        self.context = context
        self._running = running
        self._state = state
        self._people = people
        #: Owners as their own streams tell.
        self._owners: dict[str, tuple[StaffMember, int]] = {}

    async def next_page(self, rows: Iterator[SheetRow]) -> Page | None:
        """The next rows that were not dealt with yet; None at the end."""
        while found := await take_rows(rows, PAGE):
            if left := [row for row in found if row.number > self._state.done]:
                return await self._page(left)
        return None

    async def page_again(self, page: Page) -> Page:
        """The same rows once more: something was done about an owner meanwhile."""
        self._owners.clear()
        return await self._page(page.sheet_rows)

    async def _page(self, sheet_rows: Sequence[SheetRow]) -> Page:
        state, running = self._state, self._running
        rows = await asyncio.to_thread(
            lambda: [parse_row(row, state.department, state.file_digest) for row in sheet_rows]
        )
        selling, owners = await self._selling(rows)
        skipped = [
            SkippedRow(row=row.number, code="salesperson-unknown") for row in rows if row.owner not in selling.by_name
        ]
        skipped += await self._taken(rows)
        out = {one.row for one in skipped}
        left = [row for row in rows if row.number not in out]
        numbers = [number_of(row[0]) for row in await running.pool.fetch(_NUMBERS, len(left))]
        origin = Origin(self.context.actor.id, self.context.now, new_id(), extra={"import": state.upload})
        decided = await asyncio.to_thread(self._decide, left, numbers, selling, origin)
        facts = iter(await running.codec.encode([item for _, _, _, items in decided for item in items]))
        customers = {
            row: Append(items[0].stream, 0, customer, [next(facts) for _ in items], decision.claims)
            for row, customer, decision, items in decided
        }
        return Page(sheet_rows, customers, owners, skipped, origin)

    def _decide(
        self, rows: Sequence[Row], numbers: Sequence[str], people: Salespeople, origin: Origin
    ) -> list[tuple[int, str, Decision, list[Unrecorded]]]:
        decided: list[tuple[int, str, Decision, list[Unrecorded]]] = []
        for row, number in zip(rows, numbers, strict=True):
            made = Made(new_text_id(), number, [new_text_id() for _ in range(people_in(row.form))])
            decision = take_over_row(row, made, self._state, people, self.context)
            stream = DOSSIERS.stream(made.customer)
            items = [Unrecorded(fact, stream, new_id(), origin) for fact in decision.facts]
            decided.append((row.number, made.customer, decision, items))
        return decided

    async def _selling(self, rows: Sequence[Row]) -> tuple[Salespeople, list[Append]]:
        """Who of the owners sells in the department by their own streams, and that these stay as they are (R4.6).

        Whoever was to own a row may have begun to leave since the check, and may do so at this moment.
        """
        named = {row.owner: person for row in rows if (person := self._people.by_name.get(row.owner))}
        for person in set(named.values()) - self._owners.keys():
            self._owners[person] = await self._running.commands.load(STAFF, person)
        owners = {person: self._owners[person] for person in named.values()}
        force = sales_force({person: member for person, (member, _) in owners.items()})
        department = self._state.department
        selling = {name: one for name, one in named.items() if department in force.departments.get(one, ())}
        held = [Append(STAFF.stream(person), version, person) for person, (_, version) in owners.items()]
        return Salespeople(selling), held

    async def _taken(self, rows: Sequence[Row]) -> list[SkippedRow]:
        """Rows whose identity has a dossier already."""
        claims = {row.number: claim for row in rows if (claim := claim_of(row))}
        holders = await self._running.store.read_claims(IDENTITY_SCOPE, list(claims.values()))
        if not holders:
            return []
        listed = await resolve(self._running.pool, list(holders.values()))
        taken: list[SkippedRow] = []
        for row, claim in claims.items():
            if holder := holders.get(claim):
                known = listed.get(holder)
                number = known.number if known else (await load_dossier(self._running, holder))[0].number
                taken.append(SkippedRow(row=row, number=number))
        return taken
