"""The rows of the customer registry at go-live: existing dossiers in from Excel, F5 out as Excel, duplicates looked up.

The whole service runs meanwhile, as it does in production: views are folded, facts are relayed, requests are answered.
"""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Self

import httpx2
import psutil
from bench import Figure, Row
from rich.console import Console
from store_rows import BATCH, StoreRows

from kehu.contracts.staff import Role
from kehu.identity import issue_token
from kehu.memory import leave_to_stay
from kehu.running import assemble
from kehu.settings import TOKEN_ISSUER, Settings
from kehu_customer_registry.app import service
from kehu_customer_registry.imports.facts import IMPORTS, Status
from kehu_customer_registry.testing import employ, import_book, import_row

#: Rows of the file that is imported; afterwards as many again, so that export and lookup meet twice as many customers.
ROWS = 50_000
#: What the process may need above what it needs when nothing is asked of it.
MOST_MEGABYTES = 200
MOST_LOOKUP_MS = 50
MOST_LIVENESS_MS = 200
LOOKUPS = 300
_SAMPLE_SECONDS = 0.02
_POLL_SECONDS = 0.1
_PATIENCE_SECONDS = 3_600
_LIVENESS_SECONDS = 0.05
_ARCHIVED = "SELECT count(*) FROM register WHERE status = 'archived'"
_XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_PEOPLE = {
    "sun": (Role.SALESPERSON, "east"),
    "manager": (Role.DEPT_MANAGER, "east"),
    "market": (Role.MARKET_DEPT, None),
}


class Peak:
    """How much memory this process has needed at most since it was entered, in MB above what it had then."""

    def __init__(self) -> None:
        self._process = psutil.Process()
        self._over = threading.Event()
        self.megabytes = 0.0

    def __enter__(self) -> Self:
        self._idle = self._process.memory_info().rss
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _sample(self) -> None:
        while not self._over.wait(_SAMPLE_SECONDS):
            self.megabytes = max(self.megabytes, (self._process.memory_info().rss - self._idle) / 1e6)


def percentile(values: Sequence[float], share: float) -> float:
    """The value that so many do not exceed."""
    ordered = sorted(values)
    return ordered[math.ceil(share * len(ordered)) - 1]


class RegistryRows:
    """Measures the registry with a company's customers at go-live.

    Args:
        settings: of a database migrated with the registry and the pair, and of a broker.
        rows: of the file.

    """

    def __init__(self, settings: Settings, rows: int = ROWS) -> None:
        self._settings = settings
        self._rows = rows
        self._stack = AsyncExitStack()
        self._store = StoreRows(settings)
        self._serial = 0
        self._customers = 0
        self._before = 0.0
        self._taken: dict[str, float] = {}

    async def open(self) -> None:
        """Start the service, and have people work there."""
        await self._store.open()
        self._stack.push_async_callback(self._store.close)
        self._assembly = await self._stack.enter_async_context(assemble(service, self._settings))
        await self._assembly.start()
        self._stack.push_async_callback(self._assembly.stop)
        transport = httpx2.ASGITransport(app=self._assembly.app)
        self._http = await self._stack.enter_async_context(
            httpx2.AsyncClient(transport=transport, base_url="http://registry", timeout=_PATIENCE_SECONDS)
        )
        done = await employ(self._assembly.running, ["east"], _PEOPLE)
        if not await self._assembly.running.follower.wait_for(done.position, 60):
            raise RuntimeError("The views did not come.")
        leave_to_stay()

    async def close(self) -> None:
        """Let go of everything."""
        await self._stack.aclose()

    async def _ask(self, person: str, method: str, path: str, **more: Any) -> httpx2.Response:
        headers = {"Authorization": f"Bearer {issue_token(self._settings.secret(TOKEN_ISSUER), person, 60)}"}
        headers |= more.pop("headers", {})
        response = await self._http.request(method, path, headers=headers, **more)
        response.raise_for_status()
        return response

    # --- importing ----------------------------------------------------------------------------------------------------

    async def _until(self, upload: str, wanted: Status) -> None:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            while True:
                state, _ = await self._assembly.running.commands.load(IMPORTS, upload)
                if state.status is wanted:
                    return
                if state.status is Status.REFUSED:
                    raise RuntimeError(f"Refused: {state.checked}")
                await asyncio.sleep(_POLL_SECONDS)

    async def _import(self, rows: int) -> float:
        """Upload a file of new customers, have it looked through and taken over; seconds that taking over took."""
        serials = range(self._serial, self._serial + rows)
        self._serial += rows
        content = await asyncio.to_thread(lambda: import_book(import_row(serial) for serial in serials))
        with Peak() as peak:
            started = time.perf_counter()
            answer = await self._ask(
                "manager",
                "POST",
                "/imports",
                data={"department": "east"},
                files={"file": ("客户.xlsx", content, _XLSX)},
            )
            upload = answer.json()["id"]
            await self._until(upload, Status.CHECKED)
            checked = time.perf_counter()
            etag = (await self._ask("market", "GET", f"/imports/{upload}")).headers["etag"]
            await self._ask("market", "POST", f"/imports/{upload}/confirm", headers={"If-Match": etag})
            confirmed = time.perf_counter()
            async with self._liveness() as answers:
                await self._until(upload, Status.FINISHED)
            finished = time.perf_counter()
        await self._shown(rows)
        self._taken = {
            "looked through": rows / (checked - started),
            "taken over": rows / (finished - confirmed),
            "shown": rows / (time.perf_counter() - confirmed),
            "memory": peak.megabytes,
            "liveness": max(answers),
        }
        return finished - confirmed

    async def _shown(self, rows: int) -> None:
        self._customers += rows
        pool = self._assembly.running.pool
        async with asyncio.timeout(_PATIENCE_SECONDS):
            while await pool.fetchval(_ARCHIVED) < self._customers:  # noqa: ASYNC110 - it is the database that changes
                await asyncio.sleep(_POLL_SECONDS)

    @asynccontextmanager
    async def _liveness(self) -> AsyncGenerator[list[float]]:
        """Ask whether the service is alive all the while; how long each answer took, in milliseconds."""
        answers: list[float] = []

        async def ask() -> None:
            while True:
                # From when it was to be asked: a loop that is held up keeps whoever asks waiting before that.
                due = time.perf_counter() + _LIVENESS_SECONDS
                await asyncio.sleep(_LIVENESS_SECONDS)
                (await self._http.get("/health/live")).raise_for_status()
                answers.append((time.perf_counter() - due) * 1_000)

        asking = asyncio.create_task(ask())
        try:
            yield answers
        finally:
            asking.cancel()

    async def take_over(self) -> float:
        """Import the file; facts a second, from the second person's word to the last row."""
        self._before = await self._batches()
        pool = self._assembly.running.pool
        seconds = await self._import(self._rows)
        facts: int = await pool.fetchval("SELECT sum(version)::bigint FROM register")
        taken = self._taken
        Console().print(
            f"  {self._rows:,} rows: looked through {taken['looked through']:,.0f} rows/s, taken over "
            f"{taken['taken over']:,.0f} rows/s, in the register {taken['shown']:,.0f} rows/s",
            highlight=False,
        )
        return facts / seconds

    async def batches(self) -> float:
        """What batches of facts were appended at before and after; facts a second."""
        return (self._before + await self._batches()) / 2

    async def _batches(self) -> float:
        return await self._store.record(200 * BATCH, 4, BATCH)

    async def memory(self) -> float:
        """What the import took, from the upload to the last row, in MB above idle."""
        return self._taken["memory"]

    async def liveness(self) -> float:
        """The slowest answer to /health/live during the import, in milliseconds."""
        return self._taken["liveness"]

    # --- twice as many customers --------------------------------------------------------------------------------------

    async def _fill(self) -> None:
        if self._customers < 2 * self._rows:
            await self._import(2 * self._rows - self._customers)

    async def export(self) -> float:
        """Take F5 as a file; rows a second."""
        await self._fill()
        with Peak() as peak:
            started = time.perf_counter()
            await self._ask("market", "GET", "/register/export", headers={"Kehu-Reason": "bench"})
            seconds = time.perf_counter() - started
        self._taken["export"] = peak.megabytes
        return self._customers / seconds

    async def export_memory(self) -> float:
        """What that took, in MB above idle."""
        return self._taken["export"]

    async def look_up(self) -> float:
        """Look for duplicates as somebody types; p99 in milliseconds."""
        await self._fill()
        taken: list[float] = []
        for number in range(LOOKUPS):
            row = import_row(number * 2 * self._rows // LOOKUPS)
            typed = {"name": row["客户名称"], "address": row["地址"], "phone": row["联系电话"]}
            started = time.perf_counter()
            found = await self._ask("sun", "GET", "/dossiers/duplicates", params=typed)
            taken.append((time.perf_counter() - started) * 1_000)
            if not found.json():
                raise RuntimeError(f"Nobody resembles row {number}.")
        return percentile(taken, 0.99)

    def rows(self) -> list[Row | Figure]:
        """The rows, with the gates of the product's quality page."""
        many, all_of_them = f"{self._rows:,}", f"{2 * self._rows:,}"
        return [
            Row(
                f"import {many} dossiers from Excel, in facts",
                self.take_over,
                self.batches,
                "append, batches of 100, 4 writers",
                0.3,
                once=True,
            ),
            Figure(f"memory above idle, import of {many}", self.memory, "MB", MOST_MEGABYTES),
            Figure("slowest /health/live meanwhile", self.liveness, "ms", MOST_LIVENESS_MS),
            Figure(f"export F5, {all_of_them} customers", self.export, "rows/s"),
            Figure(f"memory above idle, export of {all_of_them}", self.export_memory, "MB", MOST_MEGABYTES),
            Figure(f"duplicates while typing, p99 of {all_of_them}", self.look_up, "ms", MOST_LOOKUP_MS),
        ]
