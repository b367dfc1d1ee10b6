"""What looking an import through and carrying it out have in common: its rows, its people, as whom it is done."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from itertools import islice
from typing import Any, BinaryIO

from kehu.deciding import Context, system_actor
from kehu.files import FileStore
from kehu.parts import Running
from kehu.spreadsheets import SheetRow, iterate_rows
from kehu_customer_registry.dossiers.form import identity_claim
from kehu_customer_registry.imports.decisions import Salespeople
from kehu_customer_registry.imports.facts import Import, Status
from kehu_customer_registry.imports.rows import COLUMNS, MOST_BYTES, MOST_ROWS, Row

_SPOOLED = 4 << 20

# Uses the primary keys.
_SALESPEOPLE = """
SELECT s.person, s.number FROM staff s JOIN staff_grants g USING (person)
WHERE g.role = 'salesperson' AND g.department IN ('', $1) AND s.last_day IS NULL AND NOT s.ended
"""


@asynccontextmanager
async def open_rows(running: Running, state: Import) -> AsyncGenerator[Iterator[SheetRow]]:
    """The rows of an import's file, from the first on.

    Raises:
        SpreadsheetInvalid: it is no such file; at the first row taken.

    """
    store = FileStore(running)
    with tempfile.SpooledTemporaryFile(_SPOOLED) as content:
        async for chunk in store.read(await store.find(state.file_digest)):
            content.write(chunk)
        content.seek(0)
        file: Any = content
        # Only a file that held when it was looked through is ever carried out.
        rows = _iterate(file, held_before=state.status is Status.RUNNING)
        try:
            yield rows
        finally:
            rows.close()


def _iterate(file: BinaryIO, *, held_before: bool) -> Any:
    return iterate_rows(file, COLUMNS, max_rows=MOST_ROWS, max_bytes=MOST_BYTES, held_before=held_before)


async def take_rows(rows: Iterator[SheetRow], size: int) -> list[SheetRow]:
    """The next rows, at most so many, read beside the event loop; none at the end."""
    return await asyncio.to_thread(lambda: list(islice(rows, size)))


async def import_context(running: Running) -> Context:
    """As whom and when imports are worked at."""
    now = running.clock.now()
    actor = system_actor(running.service.name, "imports")
    return Context(actor, now, await running.policies.in_force(now))


async def find_salespeople(running: Running, department: str) -> Salespeople:
    """The department's salespeople at work, by staff number and id."""
    rows = await running.pool.fetch(_SALESPEOPLE, department)
    return Salespeople({name: row["person"] for row in rows for name in (row["number"], row["person"])})


def claim_of(row: Row) -> str | None:
    """The value that only one dossier may claim for a row's identity."""
    identity = row.form.identity
    return identity_claim(identity.kind, identity.number) if identity else None
