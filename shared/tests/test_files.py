"""Files on a real PostgreSQL: what is taken, what comes back, who may have it, and what tampering comes to."""

import asyncio
import contextlib
import hashlib
import io
import os
import struct
import tempfile
import tracemalloc
import zipfile
import zlib
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any
from urllib.parse import quote

import asyncpg
import docx
import httpx2
import pytest
import pytest_asyncio
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from kehu.contracts.staff import STAFF_FACTS, DepartureStarted, Role, RoleGranted, StaffMemberAppointed
from kehu.deciding import Actor, Category, Context, Decision, Grant, system_actor
from kehu.facts import Fact
from kehu.files import MOST_BYTES, FileDamagedError, FileErased, FileStore, Reading, with_files
from kehu.files.facts import FileRead, FileStored, FileSwept
from kehu.files.kinds import FileRefused, clean_name, examine
from kehu.files.store import CHUNK_BYTES, UNREFERENCED_DAYS
from kehu.http import ActingRequest
from kehu.http.app import Part, build_app
from kehu.identity import issue_token, load_issuer, staff_view
from kehu.ids import new_id
from kehu.loops import Loop
from kehu.parts import Running, connect
from kehu.service import Feature, Service
from kehu.settings import OWNER_ROLE, TOKEN_ISSUER
from kehu.spreadsheets import write_rows
from kehu.testing.platform import Postgres


class Paper(BaseModel):
    """A paper with its file."""

    type: str
    file_digest: str


class PaperNamed(Fact, clause="R0.1"):
    """A paper names its file."""

    customer: str
    papers: tuple[Paper, ...]


PAPERS = Category("paper", (PaperNamed,), None, lambda state, _: state)
STAFF = Category("staff", STAFF_FACTS, None, lambda state, _: state)
PEOPLE = {"sun": Role.SALESPERSON, "qian": Role.SALESPERSON, "auditor": Role.AUDITOR, "leaving": Role.SALESPERSON}
BY = Actor("sun", (Grant("salesperson"),))


# --- examples --------------------------------------------------------------------------------------------------------


def pdf(content: bytes = b"") -> bytes:
    body = b"%PDF-1.7\n1 0 obj\n<< /Type /Catalog >>\nendobj\n" + content
    return body + b"\nxref\n0 1\n0000000000 65535 f \ntrailer\n<< /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % len(body)


def png(content: bytes = b"") -> bytes:
    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(b"\0\0") + content) + chunk(b"IEND", b"")


def jpeg() -> bytes:
    frame = b"\xff\xc0\x00\x0b\x08\x00\x01\x00\x01\x01\x01\x11\x00"
    return (
        b"\xff\xd8\xff\xe0\x00\x10JFIF\0" + bytes(9) + frame + b"\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00\x7f\xff\xd9"
    )


def webp() -> bytes:
    body = b"WEBPVP8 " + struct.pack("<I", 10) + bytes(10)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def tiff() -> bytes:
    entries = struct.pack("<HHII", 256, 4, 1, 1) + struct.pack("<HHII", 257, 4, 1, 1)
    return b"II*\0" + struct.pack("<IH", 8, 2) + entries + bytes(4)


def archive(**parts: bytes) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in parts.items():
            packed.writestr(name, content)
    return target.getvalue()


def ofd() -> bytes:
    return archive(**{"OFD.xml": b'<ofd:OFD xmlns:ofd="http://www.ofdspec.org/2016"/>', "Doc_0/Document.xml": b"<d/>"})


def agreement() -> bytes:
    target = io.BytesIO()
    document = docx.Document()
    document.add_paragraph("代理协议")
    document.save(target)
    return target.getvalue()


def changed(packed: bytes, **parts: bytes) -> bytes:
    """An archive with parts replaced or added."""
    with zipfile.ZipFile(io.BytesIO(packed)) as old:
        return archive(**{name: old.read(name) for name in old.namelist()} | parts)


EXAMPLES = {
    "执照.pdf": pdf(),
    "a.png": png(),
    "a.jpg": jpeg(),
    "a.JPEG": jpeg(),
    "a.webp": webp(),
    "a.tif": tiff(),
    "a.ofd": ofd(),
    "a.docx": agreement(),
    "a.xlsx": write_rows(["客户"], [["甲"]]),
}
RELATION = b'<Relationships><Relationship Id="r" Target="http://x" TargetMode="External" Type="%s"/></Relationships>'


def check(content: bytes, name: str, declared: str | None = None) -> str:
    return examine(io.BytesIO(content), len(content), name, declared).type


# --- what is taken ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", EXAMPLES)
def test_what_papers_come_as_is_taken(name: str) -> None:
    kind = check(EXAMPLES[name], name, "application/octet-stream")
    assert check(EXAMPLES[name], name, kind) == kind


@pytest.mark.parametrize("name", EXAMPLES)
@pytest.mark.parametrize("other", EXAMPLES)
def test_bytes_of_one_kind_under_the_name_of_another_are_refused(name: str, other: str) -> None:
    if check(EXAMPLES[name], name) == check(EXAMPLES[other], other):
        return
    with pytest.raises(FileRefused) as refused:
        check(EXAMPLES[other], name)
    assert (refused.value.problem_code, refused.value.status) == ("file-content-mismatch", 422)


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_file_that_was_cut_off_is_refused(name: str) -> None:
    content = EXAMPLES[name]
    with pytest.raises(FileRefused):
        check(content[: len(content) // 2], name)


@pytest.mark.parametrize("name", EXAMPLES)
@given(junk=st.binary(max_size=300), keep=st.integers(0, 60))
def test_no_bytes_whatever_are_more_than_refused(name: str, junk: bytes, keep: int) -> None:
    content = EXAMPLES[name][:keep] + junk
    with contextlib.suppress(FileRefused):
        check(content, name)


@pytest.mark.parametrize(
    ("name", "declared", "status"),
    [
        ("a.exe", None, 415),
        ("a.svg", "image/svg+xml", 415),
        ("a.html", "text/html", 415),
        ("a", "application/pdf", 415),
        ("a.pdf", "text/html", 415),
        ("a.pdf", "image/png", 422),
        ("a.doc", "application/msword", 415),
        ("a.xlsm", None, 415),
        ("a.pdf.exe", "application/pdf", 415),
    ],
)
def test_other_kinds_and_contradictions_are_refused(name: str, declared: str | None, status: int) -> None:
    with pytest.raises(FileRefused) as refused:
        check(pdf(), name, declared)
    assert refused.value.status == status


def test_an_empty_file_is_refused() -> None:
    with pytest.raises(FileRefused, match="empty"):
        check(b"", "a.pdf")


@pytest.mark.parametrize(
    "extra",
    [
        {"word/vbaProject.bin": b"macro"},
        {"word/activeX/activeX1.xml": b"<a/>"},
        {"word/embeddings/oleObject1.bin": b"MZ"},
        {"word/_rels/settings.xml.rels": RELATION % b"http://x/attachedTemplate"},
        {"word/_rels/document.xml.rels": RELATION % b"http://x/image"},
        {"word/extra.xml": b"<x><ddeLink/></x>"},
    ],
    ids=["macro", "activex", "ole", "template", "picture", "dde"],
)
def test_an_office_file_with_something_that_acts_is_refused(extra: dict[str, bytes]) -> None:
    with pytest.raises(FileRefused) as refused:
        check(changed(agreement(), **extra), "a.docx")
    assert refused.value.problem_code == "file-active-content"


def test_a_link_to_click_is_no_harm() -> None:
    linked = {"word/_rels/extra.xml.rels": RELATION % b"http://x/hyperlink"}
    assert check(changed(agreement(), **linked), "a.docx").endswith("document")


def test_a_bomb_is_refused_before_it_is_unpacked_whole() -> None:
    bomb = changed(agreement(), **{"word/media/a.bin": bytes(150 << 20)})
    assert len(bomb) < 1 << 20
    tracemalloc.start()
    try:
        with pytest.raises(FileRefused) as refused:
            check(bomb, "a.docx")
        assert tracemalloc.get_traced_memory()[1] < 5 << 20
    finally:
        tracemalloc.stop()
    assert refused.value.problem_code == "file-unpacks-too-large"


@pytest.mark.parametrize("part", ["../a.xml", "/etc/a.xml"])
def test_paths_that_lead_outside_are_refused(part: str) -> None:
    with pytest.raises(FileRefused):
        check(changed(agreement(), **{part: b"<a/>"}), "a.docx")


def test_entities_are_refused() -> None:
    bomb = b'<!DOCTYPE a [<!ENTITY a "aaaa">]><a>&a;</a>'
    with pytest.raises(FileRefused):
        check(changed(agreement(), **{"word/extra.xml": bomb}), "a.docx")


@pytest.mark.parametrize(
    ("given_name", "shown"),
    [
        ("C:\\Users\\a\\执照.pdf", "执照.pdf"),
        ("../../etc/passwd.pdf", "passwd.pdf"),
        ("a\u202efdp.exe", "a fdp.exe"),
        ("a\r\nSet-Cookie: x.pdf", "a Set-Cookie_ x.pdf"),
        ("长" * 300 + ".pdf", "长" * 196 + ".pdf"),
        ("", "file"),
    ],
)
def test_names_are_shown_without_what_deceives(given_name: str, shown: str) -> None:
    assert clean_name(given_name) == shown


# --- stored ----------------------------------------------------------------------------------------------------------


@dataclass
class World:
    """A service that takes files, its routes, and the owner's hands on its tables."""

    running: Running
    http: httpx2.AsyncClient
    owner: asyncpg.Connection

    @property
    def store(self) -> FileStore:
        return FileStore(self.running)

    def context(self, actor: Actor = BY, **later: int) -> Context:
        return Context(actor, self.running.clock.now() + timedelta(**later))

    async def put(self, content: bytes, name: str = "a.pdf", actor: Actor = BY) -> str:
        shown = await self.store.put(
            io.BytesIO(content), len(content), name=name, declared=None, context=self.context(actor)
        )
        return shown.digest

    async def content(self, digest: str) -> bytes:
        return b"".join([chunk async for chunk in self.store.read(await self.store.find(digest))])

    def headers(self, person: str, **more: str) -> dict[str, str]:
        token = issue_token(self.running.settings.secret(TOKEN_ISSUER), person, 5)
        return {"Authorization": f"Bearer {token}", **more}

    async def upload(self, content: bytes, name: str = "a.pdf", person: str = "sun") -> httpx2.Response:
        return await self.http.post("/files", files={"file": (name, content)}, headers=self.headers(person))

    async def get(self, digest: str, person: str, *, method: str = "GET", **headers: str) -> httpx2.Response:
        return await self.http.request(method, f"/files/{digest}", headers=self.headers(person, **headers))

    async def record(self, category: Category[Any], stream_id: str, *facts: Fact) -> None:
        context = Context(system_actor("test", "files"), self.running.clock.now())
        done = await self.running.commands.handle(
            category, stream_id, lambda _state, _context: Decision(facts), context, must_exist=False
        )
        assert await self.running.follower.wait_for(done.position, 10)

    async def name_in_paper(self, digest: str, customer: str) -> None:
        named = PaperNamed(customer=customer, papers=(Paper(type="licence", file_digest=digest.upper()),))
        await self.record(PAPERS, str(new_id()), named)

    async def facts(self, digest: str) -> list[Fact]:
        category = next(one for one in self.running.service.each("categories") if one.name.endswith("_file"))
        return [one.fact for one in await self.running.commands.history(category, digest)]

    async def copies(self) -> int:
        """How many copies there are of all contents, finished or not."""
        return await self.running.pool.fetchval("SELECT count(DISTINCT copy) FROM file_chunks")


async def reading(request: ActingRequest, customers: Sequence[str]) -> Reading:
    """Customers belong to the person whose name they begin with."""
    if any(customer.startswith(request.actor.id) for customer in customers):
        return Reading.YES
    return Reading.WITH_REASON if customers and request.actor.has(Role.AUDITOR) else Reading.NO


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def world(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[World]:
    service = with_files(
        Service(
            name="customer-registry",
            title="Files",
            features=[
                Feature("papers", categories=[PAPERS]),
                Feature("staff", categories=[STAFF], views=[staff_view("customer-registry")]),
            ],
            migrations=tmp_path_factory.mktemp("no-migrations"),
        ),
        reading,
    )
    settings = await postgres.create_database(services=[service])
    owner = await asyncpg.connect(**settings.connection(OWNER_ROLE))
    await owner.execute("SET search_path = customer_registry")
    async with connect(service, settings) as running:
        follower = Loop("follower", running.follower.run)
        follower.start()

        async def health() -> dict[str, Part]:
            return {"follower": Part(ready=running.follower.healthy, state="following")}

        async def measure() -> None:
            """Nothing to look up."""

        app = build_app(service, running=running, issuer=load_issuer(settings), health=health, measure=measure)
        transport = httpx2.ASGITransport(app=app)
        async with httpx2.AsyncClient(transport=transport, base_url="http://files") as http:
            world = World(running, http, owner)
            for number, (person, role) in enumerate(PEOPLE.items()):
                appointed = StaffMemberAppointed(person=person, number=str(number), name=person)
                granted = RoleGranted(person=person, role=role, department="east", granted_by="admin")
                await world.record(STAFF, person, appointed, granted)
            await world.record(STAFF, "leaving", DepartureStarted(person="leaving", last_day=date(2099, 1, 1)))
            yield world
        await follower.stop(5)
    await owner.close()
    await postgres.drop_database(settings)


async def test_what_was_handed_in_comes_back_and_that_it_was_read_is_recorded(world: World) -> None:
    content = pdf(os.urandom(3 * CHUNK_BYTES))
    answer = await world.upload(content, "营业执照 2026.pdf")
    digest = hashlib.sha256(content).hexdigest()
    assert (answer.status_code, answer.json()) == (
        201,
        {"digest": digest, "size": len(content), "type": "application/pdf", "name": "营业执照 2026.pdf"},
    )
    read = await world.get(digest.upper(), "sun")
    assert (read.status_code, read.content) == (200, content)
    assert read.headers["content-disposition"] == f"attachment; filename*=UTF-8''{quote('营业执照 2026.pdf')}"
    assert (read.headers["x-content-type-options"], read.headers["content-type"]) == ("nosniff", "application/pdf")
    assert "sandbox" in read.headers["content-security-policy"]
    assert "no-store" in read.headers["cache-control"]
    looked = await world.get(digest, "sun", method="HEAD")
    assert (looked.status_code, looked.headers["content-length"], looked.content) == (200, str(len(content)), b"")
    assert await world.facts(digest) == [
        FileStored(digest=digest, type="application/pdf", size=len(content), uploaded_by="sun"),
        FileRead(digest=digest, read_by="sun"),
    ]


async def test_nothing_of_it_stands_readable_in_the_database(world: World) -> None:
    secret = b"110101199003070011" * 200
    digest = await world.put(pdf(secret))
    rows = await world.owner.fetch(
        "SELECT sealed FROM file_chunks WHERE copy = (SELECT copy FROM files WHERE digest = $1)", digest
    )
    assert rows
    assert not any(secret[:18] in row["sealed"] for row in rows)


async def test_the_same_file_again_is_stored_once_also_at_the_same_time(world: World) -> None:
    content = png(os.urandom(2 * CHUNK_BYTES))
    before = await world.copies()
    people = [replace(BY, id=person) for person in ("sun", "qian") for _ in range(8)]
    digests = {await one for one in asyncio.as_completed([world.put(content, "a.png", one) for one in people])}
    assert digests == {hashlib.sha256(content).hexdigest()}
    assert await world.copies() == before + 1
    assert len(await world.facts(digests.pop())) == 2
    assert await world.content(hashlib.sha256(content).hexdigest()) == content


async def test_a_tampered_chunk_is_noticed(world: World) -> None:
    digest = await world.put(pdf(os.urandom(2 * CHUNK_BYTES)))
    await world.owner.execute(
        "UPDATE file_chunks SET sealed = set_byte(sealed, 5000, get_byte(sealed, 5000) # 1)"
        " WHERE number = 1 AND copy = (SELECT copy FROM files WHERE digest = $1)",
        digest,
    )
    with pytest.raises(FileDamagedError, match="chunk 1"):
        await world.content(digest)


async def test_a_tampered_beginning_is_a_problem_and_not_half_an_answer(world: World) -> None:
    digest = await world.put(pdf(b"first"))
    await world.owner.execute(
        "UPDATE file_chunks SET sealed = set_byte(sealed, 20, get_byte(sealed, 20) # 1)"
        " WHERE copy = (SELECT copy FROM files WHERE digest = $1)",
        digest,
    )
    answer = await world.get(digest, "sun")
    assert (answer.status_code, answer.json()["code"]) == (500, "internal")
    assert not any(isinstance(fact, FileRead) for fact in await world.facts(digest))


async def test_chunks_of_another_file_and_in_another_order_are_noticed(world: World) -> None:
    first, second = [await world.put(pdf(os.urandom(2 * CHUNK_BYTES))) for _ in range(2)]
    swap = """UPDATE file_chunks SET number = 1 - number
              WHERE number < 2 AND copy = (SELECT copy FROM files WHERE digest = $1)"""
    await world.owner.execute("ALTER TABLE file_chunks DROP CONSTRAINT file_chunks_pkey")
    try:
        await world.owner.execute(swap, first)
        with pytest.raises(FileDamagedError):
            await world.content(first)
    finally:
        await world.owner.execute("ALTER TABLE file_chunks ADD PRIMARY KEY (copy, number)")
    await world.owner.execute(
        "UPDATE file_chunks c SET sealed = o.sealed FROM file_chunks o"
        " WHERE c.copy = (SELECT copy FROM files WHERE digest = $1) AND o.number = c.number"
        " AND o.copy = (SELECT copy FROM files WHERE digest = $2)",
        second,
        first,
    )
    with pytest.raises(FileDamagedError):
        await world.content(second)


async def test_a_last_chunk_left_off_is_noticed(world: World) -> None:
    digest = await world.put(pdf(os.urandom(CHUNK_BYTES)))
    await world.owner.execute(
        "DELETE FROM file_chunks WHERE number = 1 AND copy = (SELECT copy FROM files WHERE digest = $1)", digest
    )
    await world.owner.execute("UPDATE files SET size = $2 WHERE digest = $1", digest, CHUNK_BYTES)
    with pytest.raises(FileDamagedError):
        await world.content(digest)


@pytest.mark.parametrize("digest", ["0" * 64, "f" * 64])
async def test_a_digest_of_no_file_is_not_found(world: World, digest: str) -> None:
    answer = await world.get(digest, "sun")
    assert (answer.status_code, answer.json()["code"]) == (404, "not-found")


@pytest.mark.parametrize("digest", ["x" * 64, "0" * 63, "%00", "0" * 5000])
async def test_what_is_no_digest_is_refused(world: World, digest: str) -> None:
    assert (await world.get(digest, "sun")).status_code == 422


async def test_known_names_the_files_that_are_there(world: World) -> None:
    digest = await world.put(pdf(b"known"))
    assert await world.store.known([digest.upper(), "0" * 64]) == {digest}
    assert await world.store.known([]) == frozenset()


# --- who -------------------------------------------------------------------------------------------------------------


async def test_who_may_read_is_whoever_uploaded_it_or_sees_the_customer(world: World) -> None:
    digest = (await world.upload(pdf(b"who"), person="sun")).json()["digest"]
    assert (await world.get(digest, "qian")).status_code == 404
    assert (await world.get(digest, "auditor")).status_code == 404
    await world.name_in_paper(digest, "qian-customer")
    assert (await world.get(digest, "qian")).status_code == 200
    assert (await world.get(digest, "sun")).status_code == 200
    unexplained = await world.get(digest, "auditor")
    assert (unexplained.status_code, unexplained.json()["code"]) == (422, "reason-required")
    explained = await world.get(digest, "auditor", **{"Kehu-Reason": quote("年度审计")})
    assert explained.status_code == 200
    assert (await world.facts(digest))[-1] == FileRead(digest=digest, read_by="auditor", reason="年度审计")


async def test_whoever_changes_nothing_or_leaves_hands_in_or_reads_nothing(world: World) -> None:
    assert (await world.upload(pdf(b"auditor"), person="auditor")).status_code == 403
    digest = (await world.upload(pdf(b"leaving"))).json()["digest"]
    await world.name_in_paper(digest, "leaving-customer")
    for refused in (await world.get(digest, "leaving"), await world.upload(pdf(b"leaving"), person="leaving")):
        assert (refused.status_code, refused.json()["clause"]) == (403, "R4.6")
    assert (await world.http.post("/files", files={"file": ("a.pdf", pdf())})).status_code == 401


# --- limits ----------------------------------------------------------------------------------------------------------


async def test_an_upload_over_the_limit_is_refused_early(world: World) -> None:
    sent = 0

    async def body() -> AsyncIterator[bytes]:
        nonlocal sent
        yield b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.pdf"\r\n\r\n'
        while sent < 50 << 20:
            sent += 1 << 20
            yield bytes(1 << 20)

    tracemalloc.start()
    try:
        answer = await world.http.post(
            "/files",
            content=body(),
            headers=world.headers("sun", **{"Content-Type": "multipart/form-data; boundary=b"}),
        )
        assert tracemalloc.get_traced_memory()[1] < 12 << 20
    finally:
        tracemalloc.stop()
    assert (answer.status_code, answer.json()["code"]) == (413, "too-large")
    assert sent <= MOST_BYTES + (2 << 20)


async def test_a_declared_length_over_the_limit_is_refused_unread(world: World) -> None:
    async def body() -> AsyncIterator[bytes]:
        yield b""
        raise AssertionError("It was read.")

    headers = {"Content-Type": "multipart/form-data; boundary=b", "Content-Length": str(50 << 20)}
    answer = await world.http.post("/files", content=body(), headers=world.headers("sun", **headers))
    assert answer.status_code == 413


async def test_a_file_just_over_the_limit_is_refused(world: World) -> None:
    answer = await world.upload(pdf(bytes(MOST_BYTES)))
    assert (answer.status_code, answer.json()["code"]) == (413, "file-too-large")


async def test_memory_stays_flat_for_the_largest_file(world: World) -> None:
    with tempfile.TemporaryFile() as file:
        file.write(b"%PDF-1.7\n")
        for _ in range((MOST_BYTES >> 20) - 1):
            file.write(os.urandom(1 << 20))
        file.write(b"\nstartxref\n9\n%%EOF\n")
        size = file.tell()
        tracemalloc.start()
        try:
            stored = await world.store.put(file, size, name="a.pdf", declared=None, context=world.context())
            total = 0
            async for chunk in world.store.read(stored):
                total += len(chunk)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert total == size
    assert peak < 12 * CHUNK_BYTES


@pytest.mark.parametrize(
    ("content", "name", "status"),
    [(b"", "a.pdf", 422), (b"MZ" + bytes(500), "a.pdf", 422), (pdf(), "a.exe", 415), (pdf(), "a\u0000.pdf", 201)],
)
async def test_bad_uploads_are_answered_clearly(world: World, content: bytes, name: str, status: int) -> None:
    answer = await world.upload(content, name)
    assert answer.status_code == status
    assert (await world.http.post("/files", data={"file": "x"}, headers=world.headers("sun"))).status_code == 422


# --- their end -------------------------------------------------------------------------------------------------------


async def test_an_erased_file_is_gone_for_good(world: World) -> None:
    content = pdf(b"id card")
    digest = await world.put(content, "张三身份证.pdf")
    copy = await world.owner.fetchval("SELECT copy FROM files WHERE digest = $1", digest)
    stored = await world.store.find(digest)
    assert await world.store.erase(digest, world.context())
    answer = await world.get(digest, "sun")
    assert (answer.status_code, answer.json()["code"]) == (410, "file-erased")
    assert "已删除" in answer.json()["detail"]
    assert (await world.upload(content)).status_code == 410
    assert await world.store.known([digest]) == frozenset()
    with pytest.raises(FileErased):  # also for a process that found it a moment before
        [chunk async for chunk in world.store.read(stored)]
    row = await world.owner.fetchrow(
        "SELECT wrapped, erased_at FROM person_keys.keys WHERE person LIKE '%' || $1", str(copy)
    )
    assert row["wrapped"] is None
    assert await world.owner.fetchval("SELECT count(*) FROM file_chunks WHERE copy = $1", copy) == 0
    assert await world.owner.fetchval("SELECT name_personal FROM file_uploads WHERE digest = $1", digest) == "已删除"
    assert await world.store.erase(digest, world.context())
    assert [type(fact).__name__ for fact in await world.facts(digest)] == ["FileStored", "FileErased"]
    assert not await world.store.erase("0" * 64, world.context())


async def test_what_nothing_names_is_swept_and_what_is_named_stays(world: World) -> None:
    loose, named, asked = [await world.put(pdf(text)) for text in (b"loose", b"named", b"asked")]
    await world.name_in_paper(named, "sun-customer")
    old = world.running.clock.now() - timedelta(days=UNREFERENCED_DAYS, seconds=1)
    await world.owner.execute("UPDATE files SET kept_at = $1 WHERE digest = ANY ($2)", old, [loose, named, asked])
    await world.store.known([asked])
    assert await world.store.sweep() == 1
    assert await world.store.known([loose, named, asked]) == {named, asked}
    assert (await world.facts(loose))[-1] == FileSwept(digest=loose)
    assert await world.put(pdf(b"loose")) == loose
    assert await world.content(loose) == pdf(b"loose")


async def test_an_upload_that_never_ended_is_swept_after_a_day(world: World) -> None:
    copies = [new_id(), new_id()]
    for copy, hours in zip(copies, (23, 25), strict=True):
        await world.owner.execute(
            "INSERT INTO file_chunks VALUES ($1, 0, 'x', clock_timestamp() - $2::interval)",
            copy,
            timedelta(hours=hours),
        )
    await world.store.sweep()
    left = await world.owner.fetch("SELECT copy FROM file_chunks WHERE copy = ANY ($1)", copies)
    assert [row["copy"] for row in left] == copies[:1]
    await world.owner.execute("DELETE FROM file_chunks WHERE copy = ANY ($1)", copies)
