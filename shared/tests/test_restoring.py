"""A log that came from a logical dump: refused as it is, and readable, whole and in order once it is taken in."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import asyncpg
import pytest

from kehu.applying import digest
from kehu.deciding import Actor, Category, Context, Decision
from kehu.facts import START, Fact, RecordedFact
from kehu.folding import Folding
from kehu.loops import Loop
from kehu.parts import RestoredLogError, Running, connect
from kehu.restoring import ServicesRunning, restore
from kehu.running import assemble
from kehu.service import OWN_LOG, Feature, Service, View
from kehu.settings import OWNER_ROLE, Settings
from kehu.testing.platform import Postgres

PATIENCE = 20


class PageWritten(Fact):
    text: str


class Book(NamedTuple):
    book: str
    texts: list[str]


def write(row: Book | None, recorded: RecordedFact[Any]) -> Book:
    return Book(recorded.stream_id, [*(row.texts if row else []), recorded.fact.text])


BOOKS = Category("book", (PageWritten,), None, lambda state, _: state)
FOLDING = Folding("books", Book, lambda recorded: recorded.stream_id, {PageWritten: write})
VIEW = View("books", OWN_LOG, ("books",), foldings=[FOLDING])


@dataclass
class Library:
    service: Service
    settings: Settings


@pytest.fixture
async def library(postgres: Postgres, tmp_path: Path) -> AsyncGenerator[Library]:
    (tmp_path / "20260101_01_books.sql").write_text(
        "-- Books\n-- depends:\n-- migrate: apply\n"
        "CREATE TABLE books (book text PRIMARY KEY, texts text[] NOT NULL);\n"
        "-- migrate: rollback\nDROP TABLE books;\n"
    )
    service = Service("library", "Library", [Feature("books", categories=[BOOKS], views=[VIEW])], tmp_path)
    settings = await postgres.create_database(services=[service])
    yield Library(service, settings)
    await postgres.drop_database(settings)


async def write_pages(running: Running, *books: str) -> None:
    """Pages of books, until the view shows them."""
    loop = Loop("follower", running.follower.run)
    loop.start()
    try:
        for number, book in enumerate(books):
            decision = Decision([PageWritten(text=f"{book} {number}")])
            done = await running.commands.handle(
                BOOKS,
                book,
                partial(given, decision),
                Context(Actor("u"), running.clock.now()),
                must_exist=False,
            )
            assert await running.follower.wait_for(done.position, PATIENCE)
    finally:
        await loop.stop(PATIENCE)


def given(decision: Decision, _state: None, _context: Context) -> Decision:
    return decision


async def as_from_a_dump(settings: Settings) -> None:
    """What loading a logical dump into a younger server comes to; the facts' transactions in any order."""
    owner = await asyncpg.connect(**settings.connection(OWNER_ROLE))
    await owner.execute("ALTER TABLE event_store.events DISABLE TRIGGER USER")
    await owner.execute("UPDATE event_store.events SET tx = (999999999999 + position % 3)::text::xid8")
    await owner.execute("ALTER TABLE event_store.events ENABLE ALWAYS TRIGGER events_append_only")
    await owner.execute("UPDATE library.view_cursors SET tx = 999999999999")
    await owner.close()


async def test_a_log_from_a_dump_is_refused_until_it_is_taken_in_and_is_whole_then(library: Library) -> None:
    async with connect(library.service, library.settings) as running:
        await write_pages(running, "a", "b", "a", "c", "a")
        before = await digest_of(running)
    await as_from_a_dump(library.settings)
    with pytest.raises(RestoredLogError, match="kehu restore"):
        async with connect(library.service, library.settings):
            pass
    restored = await restore(library.settings, [library.service])
    assert (restored.facts, restored.views) == (5, 1)
    async with assemble(library.service, library.settings) as assembly:
        running = assembly.running
        assert await digest_of(running) == before
        facts = await running.codec.decode(await running.store.read_log(START, 100))
        assert [recorded.fact.text for recorded in facts if isinstance(recorded.fact, PageWritten)] == [
            "a 0", "b 1", "a 2", "c 3", "a 4",
        ]  # fmt: skip
        await write_pages(running, "a")
        assert await running.pool.fetchval("SELECT texts FROM books WHERE book = 'a'") == ["a 0", "a 2", "a 4", "a 0"]
    assert (await restore(library.settings, [library.service])).facts == 0


async def test_what_was_recorded_stays_append_only(library: Library) -> None:
    async with connect(library.service, library.settings) as running:
        await write_pages(running, "a")
    await as_from_a_dump(library.settings)
    await restore(library.settings, [library.service])
    owner = await asyncpg.connect(**library.settings.connection(OWNER_ROLE))
    with pytest.raises(asyncpg.PostgresError, match="append-only"):
        await owner.execute("UPDATE event_store.events SET actor = 'x'")
    await owner.close()


async def test_a_restoring_that_was_broken_off_lets_no_service_start_and_goes_on(library: Library) -> None:
    """Facts have their new ids, and the view still stands at a transaction of the old server."""
    async with connect(library.service, library.settings) as running:
        await write_pages(running, "a", "b")
    owner = await asyncpg.connect(**library.settings.connection(OWNER_ROLE))
    await owner.execute("UPDATE library.view_cursors SET tx = 999999999999")
    await owner.execute("TRUNCATE library.books")
    await owner.close()
    with pytest.raises(RestoredLogError):
        async with assemble(library.service, library.settings):
            pass
    restored = await restore(library.settings, [library.service])
    assert (restored.facts, restored.views) == (0, 1)
    async with assemble(library.service, library.settings) as assembly:
        assert await assembly.running.pool.fetchval("SELECT count(*) FROM books") == 2


async def test_it_is_refused_while_a_service_runs(library: Library) -> None:
    async with connect(library.service, library.settings):
        with pytest.raises(ServicesRunning, match="kehu_library"):
            await restore(library.settings, [library.service])


async def digest_of(running: Running) -> str:
    async with running.pool.acquire() as connection:
        return await digest(connection, VIEW)
