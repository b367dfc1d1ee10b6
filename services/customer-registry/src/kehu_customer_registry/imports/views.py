"""Imports as a list: which there are, and which have something to be done."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import asyncpg

from kehu.commands import Done
from kehu.event_store import Connection
from kehu.facts import RecordedFact
from kehu.parts import Running
from kehu.service import OWN_LOG, View
from kehu_customer_registry.imports.facts import (
    ImportAbandoned,
    ImportAdvanced,
    ImportChecked,
    ImportConfirmed,
    ImportFinished,
    ImportUploaded,
    Status,
)

_SECONDS = 5.0

_UPLOAD = """
INSERT INTO dossier_imports (upload, number, department, uploaded_by, uploaded_at, status, owners)
VALUES ($1, $2, $3, $4, $5, $6, '{}')
"""
_CHECK = "UPDATE dossier_imports SET status = $2, total = $3, problems = $4, owners = $5 WHERE upload = $1"
_CONFIRM = "UPDATE dossier_imports SET status = $2, confirmed_by = $3 WHERE upload = $1"
_ADVANCE = "UPDATE dossier_imports SET done = $2, taken = taken + $3, skipped = skipped + $4 WHERE upload = $1"
_STATUS = "UPDATE dossier_imports SET status = $2 WHERE upload = $1"


async def _upload(connection: Connection, recorded: RecordedFact[ImportUploaded]) -> None:
    fact = recorded.fact
    await connection.execute(
        _UPLOAD,
        fact.upload,
        fact.number,
        fact.department,
        fact.uploaded_by,
        recorded.occurred_at,
        Status.UPLOADED.value,
    )


async def _check(connection: Connection, recorded: RecordedFact[ImportChecked]) -> None:
    fact = recorded.fact
    status = Status.REFUSED if fact.problem_count else Status.CHECKED
    await connection.execute(_CHECK, fact.upload, status.value, fact.rows, fact.problem_count, list(fact.owners))


async def _confirm(connection: Connection, recorded: RecordedFact[ImportConfirmed]) -> None:
    await connection.execute(_CONFIRM, recorded.fact.upload, Status.RUNNING.value, recorded.fact.confirmed_by)


async def _advance(connection: Connection, recorded: RecordedFact[ImportAdvanced]) -> None:
    fact = recorded.fact
    await connection.execute(_ADVANCE, fact.upload, fact.done, fact.taken, len(fact.skipped))


async def _finish(connection: Connection, recorded: RecordedFact[ImportFinished]) -> None:
    await connection.execute(_STATUS, recorded.fact.upload, Status.FINISHED.value)


async def _abandon(connection: Connection, recorded: RecordedFact[ImportAbandoned]) -> None:
    await connection.execute(_STATUS, recorded.fact.upload, Status.ABANDONED.value)


IMPORTS_VIEW = View(
    name="dossier_imports",
    source=OWN_LOG,
    tables=("dossier_imports",),
    apply={
        ImportUploaded: _upload,
        ImportChecked: _check,
        ImportConfirmed: _confirm,
        ImportAdvanced: _advance,
        ImportFinished: _finish,
        ImportAbandoned: _abandon,
    },
)

# Uses the primary key, backwards; ids are UUIDv7, so that is the latest first.
_LIST = """
SELECT upload, number, department, status, uploaded_by, uploaded_at, confirmed_by, total, done, taken, skipped, problems
FROM dossier_imports
WHERE ($1::text IS NULL OR upload < $1) AND ($2 OR department = ANY ($3))
  AND (NOT $4 OR (status = 'checked' AND uploaded_by <> $5 AND $5 <> ALL (owners)))
ORDER BY upload DESC LIMIT $6
"""
# Uses dossier_imports_waiting.
_WAITING = "SELECT upload FROM dossier_imports WHERE status IN ('uploaded', 'running') ORDER BY upload"


async def list_imports(
    pool: asyncpg.Pool,
    after: str | None,
    *,
    everywhere: bool,
    departments: Sequence[str],
    waiting_for: str | None,
    limit: int,
) -> list[Any]:
    """A page of imports, the latest first; `waiting_for`: only what this person may confirm now."""
    waits = waiting_for is not None
    return await pool.fetch(_LIST, after, everywhere, list(departments), waits, waiting_for or "", limit)


async def waiting_imports(pool: asyncpg.Pool) -> list[str]:
    """Those that wait to be looked through or to be gone on with, the oldest first."""
    return [row["upload"] for row in await pool.fetch(_WAITING)]


async def wait_for_list(running: Running, done: Done) -> None:
    """Wait a while until the list shows what was done: whoever looks for what waits finds it no longer."""
    await running.follower.wait_for(done.position, _SECONDS, view=IMPORTS_VIEW.name)
