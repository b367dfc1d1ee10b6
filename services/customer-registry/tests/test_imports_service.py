"""An import on a real PostgreSQL: by HTTP from upload to the register, and killed in the middle without a double."""

from __future__ import annotations

import asyncio
import io
import os
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import date
from typing import Any

import asyncpg
import httpx2
import pytest
import pytest_asyncio
from python_calamine import CalamineWorkbook

from kehu.contracts.staff import DepartureStarted, Role
from kehu.deciding import Context, Decision, system_actor
from kehu.identity import issue_token
from kehu.parts import Running, connect
from kehu.running import Assembly, assemble
from kehu.settings import AUDITOR_ROLE, TOKEN_ISSUER, Settings
from kehu.spreadsheets import SheetWriter
from kehu.testing.platform import Platform
from kehu_customer_registry.app import service
from kehu_customer_registry.imports import carrying, working
from kehu_customer_registry.imports.rows import COLUMNS
from kehu_customer_registry.staff.facts import STAFF
from kehu_customer_registry.testing import employ, import_book, import_row, uscc

PATIENCE = 60
#: `KEHU_IMPORT_ROWS=50000 pytest … -k large -s` measures.
LARGE = int(os.environ.get("KEHU_IMPORT_ROWS", "1500"))
PEOPLE = {
    "sun": (Role.SALESPERSON, "east"),
    "manager": (Role.DEPT_MANAGER, "east"),
    "market": (Role.MARKET_DEPT, None),
    "west": (Role.DEPT_MANAGER, "west"),
    "zhou": (Role.SALESPERSON, "east"),
}


@dataclass
class World:
    """The service, and people who ask it."""

    assembly: Assembly
    http: httpx2.AsyncClient
    settings: Settings

    @property
    def running(self) -> Running:
        return self.assembly.running

    async def ask(self, person: str, method: str, path: str, body: Any = None, **more: Any) -> httpx2.Response:
        headers = {"Authorization": f"Bearer {issue_token(self.settings.secret(TOKEN_ISSUER), person, 5)}"}
        headers |= {"Prefer": "wait=20", "Accept-Language": "en", **more.pop("headers", {})}
        return await self.http.request(method, path, json=body, headers=headers, **more)

    async def upload(self, content: bytes, person: str = "manager", department: str = "east") -> httpx2.Response:
        kind = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
        files = {"file": ("客户.xlsx", content, kind)}
        return await self.ask(person, "POST", "/imports", data={"department": department}, files=files)

    async def checked(self, rows: list[dict[str, Any]]) -> dict[str, Any]:
        """An import that was looked through."""
        response = await self.upload(import_book(rows))
        assert response.status_code == 201, response.text
        return await self.until_status(response.json()["id"], "checked", "refused")

    async def confirm(self, upload: str, person: str = "market") -> httpx2.Response:
        etag = (await self.ask("manager", "GET", f"/imports/{upload}")).headers["etag"]
        return await self.ask(person, "POST", f"/imports/{upload}/confirm", headers={"If-Match": etag})

    async def until_status(self, upload: str, *wanted: str) -> dict[str, Any]:
        async def there() -> dict[str, Any] | None:
            found = (await self.ask("manager", "GET", f"/imports/{upload}")).json()
            return found if found["status"] in wanted else None

        return await until(there)

    async def registered(self, upload: str) -> list[str]:
        """The names of all customers that an import has registered, as the log tells."""
        connection = await asyncpg.connect(**self.settings.connection(AUDITOR_ROLE))
        try:
            rows = await connection.fetch(
                "SELECT data ->> 'name' AS name FROM event_store.events "
                "WHERE type = 'kehu.CustomerRegistered.v1' AND metadata ->> 'import' = $1",
                upload,
            )
        finally:
            await connection.close()
        return [row["name"] for row in rows]


async def until(condition: Callable[[], Awaitable[Any]]) -> Any:
    """Wait for a condition in another loop or server, which tells nobody when it changes."""
    async with asyncio.timeout(PATIENCE + LARGE / 50):
        while not (found := await condition()):  # noqa: ASYNC110 - it changes elsewhere
            await asyncio.sleep(0.02)
    return found


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def world(platform: Platform) -> AsyncGenerator[World]:
    database = await platform.postgres.create_database(services=[service])
    await platform.empty_kafka()
    settings = platform.settings(database.database_name)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(platform.postgres.drop_database, database)
        assembly = await stack.enter_async_context(assemble(service, settings))
        await assembly.start()
        stack.push_async_callback(assembly.stop)
        transport = httpx2.ASGITransport(app=assembly.app)
        http = await stack.enter_async_context(httpx2.AsyncClient(transport=transport, base_url="http://registry"))
        world = World(assembly, http, settings)
        done = await employ(world.running, ["east", "west"], PEOPLE)
        assert await world.running.follower.wait_for(done.position, PATIENCE)
        yield world


async def test_from_the_file_to_the_register_with_two_people(world: World) -> None:
    found = await world.checked([import_row(1), import_row(2, 地址=f"=HYPERLINK({1})"), import_row(3)])
    assert (found["status"], found["rows"], found["problem_count"]) == ("checked", 3, 0)
    assert await world.registered(found["upload"]) == []  # the dry run
    waiting = (await world.ask("market", "GET", "/imports?waiting_for=me")).json()["items"]
    assert [row["upload"] for row in waiting] == [found["upload"]]
    assert (await world.ask("manager", "GET", "/imports?waiting_for=me")).json()["items"] == []
    assert (await world.confirm(found["upload"], "manager")).status_code == 403
    assert (await world.ask("west", "GET", f"/imports/{found['upload']}")).status_code == 404
    assert (await world.confirm(found["upload"])).status_code == 200
    done = await world.until_status(found["upload"], "finished")
    assert (done["taken"], done["skipped"], done["percent"]) == (3, 0, 100)

    async def listed() -> Any:
        return (await world.ask("manager", "GET", "/register?q=第1贸易&status=archived")).json()["items"]

    rows = await until(listed)
    assert [(row["name"], row["owner"], row["status"]) for row in rows] == [("浙江第1贸易有限公司", "sun", "archived")]
    # The same file again: every identity has a dossier, and is left out.
    again = await world.checked([import_row(1), import_row(4, 客户名称="浙江第2贸易有限公司")])
    assert ([one["row"] for one in again["existing"]], [one["row"] for one in again["alike"]]) == ([2], [3])
    assert (await world.confirm(again["upload"])).status_code == 200
    done = await world.until_status(again["upload"], "finished")
    assert (done["taken"], done["skipped"]) == (1, 1)


async def test_rows_that_do_not_hold_are_named_and_nothing_is_taken(world: World) -> None:
    rows = [import_row(10, 联系电话="12345"), import_row(11), import_row(12, 客户类别="大客户"), import_row(11)]
    found = await world.checked(rows)
    assert found["status"] == "refused"
    assert [(one["row"], one["column"]) for one in found["problems"]] == [
        (2, "联系电话"),
        (4, "客户类别"),
        (5, "证照号码"),
    ]
    answer = await world.confirm(found["upload"])
    assert (answer.status_code, answer.json()["code"]) == (422, "import-refused")


async def test_what_is_no_such_file_is_refused(world: World) -> None:
    assert (await world.upload(b"no zip")).status_code in (415, 422)
    assert (await world.upload(import_book([import_row(20)]), person="sun")).status_code == 403
    headings = io.BytesIO()
    writer = SheetWriter(headings, ["客户名称"])
    writer.write([["甲"]])
    writer.close()
    response = await world.upload(headings.getvalue())
    found = await world.until_status(response.json()["id"], "refused")
    assert "缺少列" in found["problems"][0]["zh"]
    template = await world.ask("manager", "GET", "/imports/template")
    sheet = CalamineWorkbook.from_filelike(io.BytesIO(template.content)).get_sheet_by_index(0).to_python()
    assert sheet[0] == list(COLUMNS)


async def test_killed_between_any_two_pages_it_goes_on_without_a_double(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guard: progress stands in the same transaction as the dossiers. A page is cut off before and after its commit."""
    monkeypatch.setattr(carrying, "PAGE", 3)
    rows = [import_row(serial) for serial in range(100, 120)]
    found = await world.checked(rows)
    original, cuts = carrying.append_page, iter([True, False, True, True, False])

    class KilledError(BaseException):
        """As far as this code can tell, the process has ended."""

    async def cut(*arguments: Any) -> Any:
        before = next(cuts, None)
        if before is True:
            raise KilledError
        recorded = await original(*arguments)
        if before is False:
            raise KilledError
        return recorded

    async with connect(service, world.settings) as other:
        monkeypatch.setattr(working, "waiting_imports", _none)
        assert (await world.confirm(found["upload"])).status_code == 200
        monkeypatch.setattr(carrying, "append_page", cut)
        for running in (world.running, other, other, world.running, other):
            with pytest.raises(KilledError):
                await working.work_import(running, found["upload"])
        # Two at once: one of them does it.
        done = await asyncio.gather(*(working.work_import(one, found["upload"]) for one in (world.running, other)))
    assert any(done)
    state = await world.until_status(found["upload"], "finished")
    assert (state["taken"], state["skipped"]) == (20, 0)
    assert sorted(await world.registered(found["upload"])) == sorted(row["客户名称"] for row in rows)


async def test_what_happens_while_a_page_is_made_ready_counts(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Guard: claims and the owners' own streams are compared when a page is recorded, not only before (R4.2, R4.6)."""
    monkeypatch.setattr(carrying, "PAGE", 3)
    rows = [import_row(serial, 负责营销员="1005" if serial % 2 else "1001") for serial in range(200, 206)]
    found = await world.checked(rows)
    original, meanwhile = carrying.append_page, iter([_claim(world, 202), _leave(world, "zhou")])

    async def late(*arguments: Any) -> Any:
        if (happening := next(meanwhile, None)) is not None:
            await happening
        return await original(*arguments)

    monkeypatch.setattr(carrying, "append_page", late)
    assert (await world.confirm(found["upload"])).status_code == 200
    state = await world.until_status(found["upload"], "finished")
    assert next(meanwhile, None) is None
    names = [import_row(serial)["客户名称"] for serial in (200, 204)]
    assert sorted(await world.registered(found["upload"])) == names
    assert (state["taken"], state["skipped"], state["done"]) == (2, 4, 7)


async def _claim(world: World, serial: int) -> None:
    """Somebody drafts a dossier with the identity of a row."""
    identity = {"kind": "uscc", "number": uscc(serial)}
    body = {"name": "先到者", "department": "east", "identity": identity}
    assert (await world.ask("sun", "POST", "/dossiers", body)).status_code == 201


async def _leave(world: World, person: str) -> None:
    """Their departure starts."""
    running = world.running
    started = Decision([DepartureStarted(person=person, last_day=date(2099, 1, 1))])
    context = Context(system_actor("test", "staff"), running.clock.now())
    await running.commands.handle(STAFF, person, lambda _state, _context: started, context)


async def _none(_pool: Any) -> list[str]:
    return []


async def test_a_large_file_is_taken_over_within_bounds_and_the_register_exported(world: World) -> None:
    content = await asyncio.to_thread(import_book, [import_row(serial) for serial in range(1_000, 1_000 + LARGE)])
    idle = _resident()
    started = time.perf_counter()
    response = await world.upload(content)
    found = await world.until_status(response.json()["id"], "checked")
    checked_after = time.perf_counter() - started
    assert (await world.confirm(found["upload"])).status_code == 200
    started = time.perf_counter()
    done = await world.until_status(found["upload"], "finished")
    took = time.perf_counter() - started
    assert done["taken"] == LARGE
    print(f"{LARGE} rows: looked through in {checked_after:.1f} s, taken over in {took:.1f} s ({LARGE / took:,.0f}/s)")
    print(f"memory: {_resident() - idle:+.0f} MB")
    names = await world.registered(found["upload"])
    assert len(names) == len(set(names)) == LARGE

    async def listed() -> bool:
        count = await world.running.pool.fetchval("SELECT count(*) FROM register WHERE status = 'archived'")
        return count >= LARGE

    await until(listed)
    idle = _resident()
    exported = await world.ask("manager", "GET", "/register/export", headers={"Kehu-Reason": "audit"})
    assert exported.status_code == 200
    print(f"exported: {len(exported.content):,} bytes, memory {_resident() - idle:+.0f} MB")
    sheet = CalamineWorkbook.from_filelike(io.BytesIO(exported.content)).get_sheet_by_index(0).to_python()
    assert len(sheet) > LARGE


def _resident() -> float:
    """Memory of this process, in MB."""
    with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123 - no path of ours
        return int(file.read().split()[1]) * 4096 / 1e6
