"""Routes as a client meets them, on a real PostgreSQL: who acts, versions, repetition, problems, pages, bad input."""

import asyncio
import json
import time
import uuid
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import asyncpg
import httpx2
import pytest
import pytest_asyncio
from fastapi import APIRouter, UploadFile
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey
from pydantic import BaseModel, ConfigDict, Field

from kehu.calendar import Month, today
from kehu.contracts.staff import (
    STAFF_FACTS,
    DepartmentOpened,
    DepartureStarted,
    Role,
    RoleGranted,
    RoleRevoked,
    StaffAccessEnded,
    StaffMemberAppointed,
)
from kehu.deciding import Actor, Category, Context, Decision, Grant, system_actor
from kehu.errors import Forbidden, Refused
from kehu.event_store import Claim
from kehu.facts import Fact, StoredFact
from kehu.http import OPEN_TO_LEAVERS, Acting, Answer, Editing, Page, Paging, StreamId
from kehu.http.app import Part, build_app
from kehu.identity import issue_token, load_issuer, staff_view
from kehu.ids import new_id
from kehu.loops import Loop
from kehu.parts import Running, connect
from kehu.service import OWN_LOG, Feature, Service, View
from kehu.settings import SUPERUSER_ROLE, TOKEN_ISSUER, Settings
from kehu.testing.platform import Postgres
from kehu.unmasking import PersonalValuesUnmasked, unmask, unmasked_category


class NoteWritten(Fact, clause="R0.1"):
    """Somebody wrote a note."""

    text: str


class NoteClosed(Fact, clause="R0.2"):
    """A note takes no more."""


@dataclass(frozen=True)
class Note:
    texts: tuple[str, ...] = ()
    closed: bool = False


def evolve(state: Note, fact: Fact) -> Note:
    match fact:
        case NoteWritten():
            return replace(state, texts=(*state.texts, fact.text))
        case _:
            return replace(state, closed=True)


NOTES = Category("note", (NoteWritten, NoteClosed), Note(), evolve)
STAFF = Category("staff", STAFF_FACTS, None, lambda state, _: state)


class WriteNote(BaseModel):
    model_config = ConfigDict(extra="forbid")

    text: Annotated[str, Field(min_length=1, max_length=20_000)]
    when: date | None = None
    month: Month | None = None
    tags: list[Any] = []


class NoteShown(BaseModel):
    texts: list[str]


class NoteRow(BaseModel):
    note: str
    number: int


def write(body: WriteNote, state: Note, context: Context) -> Decision:
    if state.closed:
        raise Refused("该笔记已关闭。请另写一份。", "The note is closed. Write another one.", clause="R0.2")
    claims = [Claim("note-text", body.text, str(context.gathered))] if body.text.startswith("only") else []
    return Decision([NoteWritten(text=body.text)], claims)


def close(_state: Note, _context: Context) -> Decision:
    return Decision([NoteClosed()])


router = APIRouter(tags=["notes"])


@router.post("/notes", status_code=201)
async def create_note(body: WriteNote, request: Acting) -> Answer:
    """Write a note."""
    note = new_id()
    return await request.create(NOTES, note, partial(write, body), gathered=note, numbers={"number": 7})


@router.post("/notes/{note}/more")
async def write_more(note: StreamId, body: WriteNote, request: Editing) -> Answer:
    """Write more into a note."""
    return await request.handle(NOTES, note, partial(write, body))


@router.post("/notes/{note}/close")
async def close_note(note: StreamId, request: Acting) -> Answer:
    """Close a note, which is looked at first."""
    if (await request.show(NOTES, note)).closed:
        raise Refused("该笔记已关闭。", "The note is closed already.", clause="R0.3")
    return await request.handle(NOTES, note, close)


@router.get("/notes/{note}")
async def show_note(note: StreamId, request: Acting) -> NoteShown:
    """Show a note."""
    state = await request.show(NOTES, note)
    return NoteShown(texts=list(state.texts))


@router.get("/notes", openapi_extra=OPEN_TO_LEAVERS)
async def list_notes(request: Acting, paging: Paging, least: int = 0) -> Page[NoteRow]:
    """List notes."""
    rows = await request.pool.fetch(
        "SELECT note, number FROM notes WHERE number >= $1 AND ($2::integer IS NULL OR (number, note) > ($2, $3))"
        " ORDER BY number, note LIMIT $4",
        least,
        *paging.after(int, str),
        paging.fetch,
    )
    return paging.page([NoteRow(**row) for row in rows], key=lambda row: (row.number, row.note))


@router.post("/uploads", max_body_size=3_000_000)
async def upload(file: UploadFile, request: Acting) -> Answer:
    """Take a file."""
    text = f"{file.filename} {len(await file.read())}"
    return await request.create(NOTES, new_id(), lambda _state, _context: Decision([NoteWritten(text=text)]))


@router.get("/reasons")
async def give_reason(request: Acting) -> str:
    """Say why."""
    return request.reason


@router.get("/bug")
async def bug(_request: Acting) -> None:
    """Fail."""
    raise RuntimeError("张三 13800138000")


async def note_row(connection: Any, recorded: Any) -> None:
    await connection.execute(
        "INSERT INTO notes (note, number) VALUES ($1, length($2)) ON CONFLICT DO NOTHING",
        recorded.stream_id,
        recorded.fact.text,
    )


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Service:
    migrations: Path = tmp_path_factory.mktemp("migrations")
    (migrations / "20260101_01_notes.sql").write_text(
        "-- Notes\n-- depends:\n-- migrate: apply\n"
        "CREATE TABLE notes (note text PRIMARY KEY, number integer NOT NULL);\n"
        "-- migrate: rollback\nDROP TABLE notes;\n"
    )
    return Service(
        name="customer-registry",
        title="Notes",
        features=[
            Feature("notes", categories=[NOTES], views=[View("notes", OWN_LOG, ("notes",), {NoteWritten: note_row})]),
            Feature("staff", categories=[STAFF], views=[staff_view("customer-registry")]),
            Feature("routes", router=router),
        ],
        migrations=migrations,
    )


class Client:
    """A client of the service, as one person or another."""

    def __init__(self, running: Running, http: httpx2.AsyncClient) -> None:
        self.running = running
        self.http = http
        self.issuer = running.settings.secret(TOKEN_ISSUER)

    def token(self, person: str, minutes: int = 5) -> dict[str, str]:
        return {"Authorization": f"Bearer {issue_token(self.issuer, person, minutes)}"}

    async def post(self, path: str, body: Any = None, *, person: str = "p-1", **headers: str) -> httpx2.Response:
        return await self.http.post(path, json=body, headers=self.token(person) | _named(headers))

    async def get(self, path: str, *, person: str = "p-1", **headers: str) -> httpx2.Response:
        return await self.http.get(path, headers=self.token(person) | _named(headers))

    async def record(self, stream_id: str, facts: Sequence[Fact]) -> None:
        context = Context(actor=system_actor("test", "staff"), now=self.running.clock.now())
        done = await self.running.commands.handle(
            STAFF, stream_id, lambda _state, _context: Decision(facts), context, must_exist=False
        )
        assert await self.running.follower.wait_for(done.position, 10)


def _named(headers: dict[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def client(postgres: Postgres, service: Service) -> AsyncGenerator[Client]:
    settings: Settings = await postgres.create_database(services=[service])
    async with connect(service, settings) as running:
        follower = Loop("follower", running.follower.run)
        follower.start()

        async def health() -> dict[str, Part]:
            return {"follower": Part(ready=running.follower.healthy, state="following")}

        async def measure() -> None:
            """Nothing to look up."""

        app = build_app(service, running=running, issuer=load_issuer(settings), health=health, measure=measure)
        transport = httpx2.ASGITransport(app=app)
        async with httpx2.AsyncClient(transport=transport, base_url="http://kehu") as http:
            client = Client(running, http)
            await client.record("p-1", [StaffMemberAppointed(person="p-1", number="001", name="王一")])
            yield client
        await follower.stop(5)
    await postgres.drop_database(settings)


def problem(response: httpx2.Response, status: int, code: str) -> dict[str, Any]:
    assert (response.status_code, response.headers["content-type"]) == (status, "application/problem+json"), (
        response.text
    )
    body: dict[str, Any] = response.json()
    assert (body["code"], body["type"], body["status"]) == (code, f"urn:kehu:problem:{code}", status)
    assert body["correlation"] == response.headers["x-correlation-id"]
    return body


# --- versions --------------------------------------------------------------------------------------------------------


async def test_a_command_answers_with_id_version_and_place(client: Client) -> None:
    made = await client.post("/notes", {"text": "a"})
    assert made.status_code == 201
    assert made.json() == {"id": made.json()["id"], "version": 1, "number": 7}
    assert made.headers["etag"] == '"1"'
    assert made.headers["kehu-position"].count("/") == 1
    shown = await client.get(f"/notes/{made.json()['id']}")
    assert (shown.json(), shown.headers["etag"]) == ({"texts": ["a"]}, '"1"')


async def test_an_edit_names_the_version_it_was_made_from(client: Client) -> None:
    note = (await client.post("/notes", {"text": "a"})).json()["id"]
    problem(await client.post(f"/notes/{note}/more", {"text": "b"}), 428, "if-match-required")
    first = await client.post(f"/notes/{note}/more", {"text": "b"}, If_Match='"1"')
    assert (first.status_code, first.json()["version"]) == (200, 2)
    late = await client.post(f"/notes/{note}/more", {"text": "c"}, If_Match='"1"')
    body = problem(late, 409, "version-conflict")
    assert (body["evidence"]["expected"], body["evidence"]["actual"], late.headers["etag"]) == (1, 2, '"2"')
    assert "ETag" in body["next"]


@pytest.mark.parametrize("written", ["3", '"x"', '"-1"', '"99999999999999999999"', '"1", "2"'])
async def test_an_if_match_of_another_form_is_refused(client: Client, written: str) -> None:
    problem(await client.post("/notes/x/more", {"text": "b"}, If_Match=written), 422, "if-match-invalid")


async def test_what_is_not_there_is_not_found(client: Client) -> None:
    problem(await client.get(f"/notes/{uuid.uuid4()}"), 404, "not-found")
    problem(await client.post(f"/notes/{uuid.uuid4()}/close"), 404, "not-found")
    problem(await client.get("/nothing/here"), 404, "not-found")
    problem(await client.http.delete("/notes"), 405, "method-not-allowed")


async def test_a_refusal_says_its_clause_in_both_languages(client: Client) -> None:
    note = (await client.post("/notes", {"text": "a"})).json()["id"]
    await client.post(f"/notes/{note}/close")
    chinese = problem(await client.post(f"/notes/{note}/more", {"text": "b"}, If_Match='"2"'), 409, "refused")
    assert (chinese["clause"], chinese["detail"]) == ("R0.2", "该笔记已关闭。请另写一份。")
    english = await client.post(f"/notes/{note}/more", {"text": "b"}, If_Match='"2"', Accept_Language="en-GB, zh;q=0.5")
    assert problem(english, 409, "refused")["detail"] == "The note is closed. Write another one."
    assert english.headers["content-language"] == "en"


async def test_a_value_taken_by_another_is_told(client: Client) -> None:
    assert (await client.post("/notes", {"text": "only one"})).status_code == 201
    problem(await client.post("/notes", {"text": "only one"}), 409, "taken")


# --- repetition ------------------------------------------------------------------------------------------------------


async def test_the_same_key_and_body_get_the_same_answer(client: Client) -> None:
    first = await client.post("/notes", {"text": "once"}, Idempotency_Key="k-1")
    again = await client.post("/notes", {"text": "once"}, Idempotency_Key="k-1")
    assert (again.status_code, again.json(), again.headers["etag"]) == (201, first.json(), first.headers["etag"])
    assert again.headers["idempotent-replayed"] == "true"
    assert len(await client.running.commands.history(NOTES, first.json()["id"])) == 1


async def test_a_repetition_is_answered_as_before_though_its_route_would_refuse_it_by_now(client: Client) -> None:
    note = (await client.post("/notes", {"text": "to close"})).json()["id"]
    first = await client.post(f"/notes/{note}/close", Idempotency_Key="k-close")
    again = await client.post(f"/notes/{note}/close", Idempotency_Key="k-close")
    assert (again.status_code, again.json(), again.headers["etag"]) == (200, first.json(), first.headers["etag"])
    assert again.headers["idempotent-replayed"] == "true"
    problem(await client.post(f"/notes/{note}/close", Idempotency_Key="k-another"), 409, "refused")


async def test_one_hundred_repetitions_at_once_do_it_once(client: Client) -> None:
    answers = await asyncio.gather(
        *(client.post("/notes", {"text": "storm"}, Idempotency_Key="k-storm") for _ in range(100))
    )
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["id"] for answer in answers}) == 1


async def test_another_body_or_address_under_the_same_key_is_refused(client: Client) -> None:
    note = (await client.post("/notes", {"text": "a"}, Idempotency_Key="k-2")).json()["id"]
    problem(await client.post("/notes", {"text": "b"}, Idempotency_Key="k-2"), 422, "idempotency-key-reused")
    problem(await client.post(f"/notes/{note}/close", Idempotency_Key="k-2"), 422, "idempotency-key-reused")


async def test_keys_of_two_people_are_two_keys(client: Client) -> None:
    await client.record("p-2", [StaffMemberAppointed(person="p-2", number="002", name="李二")])
    mine = await client.post("/notes", {"text": "a"}, Idempotency_Key="k-3")
    theirs = await client.post("/notes", {"text": "b"}, person="p-2", Idempotency_Key="k-3")
    assert (mine.status_code, theirs.status_code) == (201, 201)


async def test_an_upload_repeated_with_another_boundary_is_the_same(client: Client) -> None:
    headers = {**client.token("p-1"), "Idempotency-Key": "k-4"}
    answers = [
        await client.http.post("/uploads", files={"file": ("a.txt", content)}, headers=headers)
        for content in (b"same", b"same", b"other")
    ]
    assert [answer.status_code for answer in answers] == [200, 200, 422]
    assert answers[0].json() == answers[1].json()


async def test_the_answer_can_wait_for_the_views(client: Client) -> None:
    for _ in range(20):
        made = await client.post("/notes", {"text": "seen"}, Prefer="respond-async, wait=10")
        assert made.headers["preference-applied"] == "wait=10"
        row = await client.running.pool.fetchval("SELECT 1 FROM notes WHERE note = $1", made.json()["id"])
        assert row == 1


# --- who acts --------------------------------------------------------------------------------------------------------


async def test_without_a_token_nothing_is_answered(client: Client) -> None:
    response = await client.http.get("/notes")
    assert problem(response, 401, "unauthenticated")["next"]
    assert response.headers["www-authenticate"] == "Bearer"


async def test_an_expired_token_is_told_from_a_forged_one(client: Client) -> None:
    expired = await client.http.get("/notes", headers=client.token("p-1", minutes=-5))
    problem(expired, 401, "token-expired")


def _claims(**changes: Any) -> dict[str, Any]:
    claims = {"iss": "kehu", "aud": "kehu", "sub": "p-1", "exp": int(time.time()) + 60, **changes}
    return {name: value for name, value in claims.items() if value is not None}


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "other"},
        {"aud": "other"},
        {"sub": None},
        {"sub": ""},
        {"sub": 7},
        {"sub": "a\0b"},
        {"sub": "p" * 101},
        {"exp": None},
        {"exp": "soon"},
    ],
)
async def test_a_token_for_something_else_does_not_hold(client: Client, changes: dict[str, Any]) -> None:
    key = ECKey.import_key(json.loads(client.issuer))
    token = jwt.encode({"alg": "ES256"}, _claims(**changes), key)
    problem(await client.http.get("/notes", headers={"Authorization": f"Bearer {token}"}), 401, "token-invalid")


async def test_a_token_signed_by_others_or_by_nobody_does_not_hold(client: Client) -> None:
    public = json.dumps(load_issuer(client.running.settings).as_dict(private=False))
    stranger = jwt.encode({"alg": "ES256"}, _claims(), ECKey.generate_key("P-256"))
    confused = jwt.encode({"alg": "HS256"}, _claims(), OctKey.import_key(public))
    good = issue_token(client.issuer, "p-1", 5)
    head, body, signature = good.split(".")
    unsigned = "eyJhbGciOiJub25lIn0." + body + "."
    for token in (stranger, confused, unsigned, f"{head}.{body}.", f"{head}.{body}x.{signature}", "x", "a.b.c", "é"):
        response = await client.http.get("/notes", headers=[(b"Authorization", f"Bearer {token}".encode())])
        problem(response, 401, "token-invalid")


async def test_somebody_who_is_not_on_the_staff_is_refused_in_clear_words(client: Client) -> None:
    body = problem(await client.get("/notes", person="p-unknown"), 403, "not-staff")
    assert "p-unknown" in body["detail"]


async def test_roles_are_those_of_this_moment(client: Client) -> None:
    await client.record("d-1", [DepartmentOpened(department="d-1", name="一部", region="华东")])
    granted = RoleGranted(person="p-3", role=Role.SALESPERSON, department="d-1", granted_by="p-0")
    everywhere = RoleGranted(person="p-3", role=Role.AUDITOR, granted_by="p-0", second_by="p-1")
    await client.record(
        "p-3", [StaffMemberAppointed(person="p-3", number="003", name="赵三", department="d-1"), granted, everywhere]
    )
    actor = await _actor(client, "p-3")
    assert actor.has("salesperson", department="d-1")
    assert not actor.has("salesperson", department="d-2")
    assert actor.has("auditor", department="d-2")
    await client.record("p-3", [RoleRevoked(person="p-3", role=Role.SALESPERSON, department="d-1", revoked_by="p-0")])
    assert not (await _actor(client, "p-3")).has("salesperson", department="d-1")


async def test_who_leaves_may_do_what_is_open_to_them_until_the_end_of_the_last_day(client: Client) -> None:
    """Guard: every other route refuses them, whatever its decision says."""
    this_day = today(client.running.clock.now())
    await client.record("p-4", [StaffMemberAppointed(person="p-4", number="004", name="孙四")])
    before = await client.post("/notes", {"text": "before"}, person="p-4", Idempotency_Key="k-before")
    await client.record("p-4", [DepartureStarted(person="p-4", last_day=this_day)])
    assert (await _actor(client, "p-4")).departing
    again = await client.post("/notes", {"text": "before"}, person="p-4", Idempotency_Key="k-before")
    assert (again.status_code, again.json()) == (201, before.json()), "What was done before is answered as it was."
    assert (await client.get("/notes", person="p-4")).status_code == 200
    assert problem(await client.get("/notes/x", person="p-4"), 403, "departing")["clause"] == "R4.6"
    problem(await client.post("/notes", {"text": "a"}, person="p-4"), 403, "departing")
    await client.record("p-4", [DepartureStarted(person="p-4", last_day=this_day - timedelta(days=1))])
    assert problem(await client.get("/notes", person="p-4"), 403, "access-ended")["clause"] == "R4.6"
    late = await client.post("/notes", {"text": "before"}, person="p-4", Idempotency_Key="k-before")
    problem(late, 403, "access-ended")


async def test_access_that_has_ended_ends_at_once_and_a_new_appointment_starts_without_roles(client: Client) -> None:
    appointed = StaffMemberAppointed(person="p-5", number="005", name="周五")
    granted = RoleGranted(person="p-5", role=Role.ADMIN, granted_by="p-0", second_by="p-1")
    await client.record("p-5", [appointed, granted, StaffAccessEnded(person="p-5")])
    problem(await client.get("/notes", person="p-5"), 403, "access-ended")
    await client.record("p-5", [appointed])
    actor = await _actor(client, "p-5")
    assert (actor.gone, actor.grants) == (False, ())


async def _actor(client: Client, person: str) -> Any:
    from kehu.identity import load_actor  # noqa: PLC0415 - beside its only use

    return await load_actor(client.running.pool, person, client.running.clock.now())


# --- bad input -------------------------------------------------------------------------------------------------------


async def test_every_wrong_field_is_named_in_the_reader_s_language(client: Client) -> None:
    wrong = {"when": "2026-02-30", "more": 1}
    chinese = problem(await client.post("/notes", wrong), 422, "invalid-request")
    assert chinese["errors"] == [
        {"field": "body.text", "code": "missing", "detail": "必填"},
        {"field": "body.when", "code": "date_from_datetime_parsing", "detail": "应为日期(YYYY-MM-DD)"},
        {"field": "body.more", "code": "extra_forbidden", "detail": "没有这个字段"},
    ]
    english = problem(await client.post("/notes", wrong, Accept_Language="en"), 422, "invalid-request")
    assert english["errors"][0] == {"field": "body.text", "code": "missing", "detail": "Field required"}


async def test_a_value_type_says_what_is_wrong_in_the_reader_s_language(client: Client) -> None:
    chinese = problem(await client.post("/notes", {"text": "a", "month": "2026-13"}), 422, "invalid-request")
    assert chinese["errors"][0] == {
        "field": "body.month",
        "code": "month_format",
        "detail": "月份应写作 2026-11（年-月）。",
    }
    english = await client.post("/notes", {"text": "a", "month": "2026-13"}, Accept_Language="en")
    assert problem(english, 422, "invalid-request")["errors"][0]["detail"] == "Write the month like 2026-11."


async def test_a_problem_never_repeats_what_was_sent(client: Client) -> None:
    response = await client.post("/notes", {"text": ["13800138000"], "when": "13800138000"})
    assert "13800138000" not in response.text


@pytest.mark.parametrize("body", [b"{", b"\xff\xfe", b"[" * 100_000, b'{"text": "\x00"}', b'{"text": 1e999999}'])
async def test_a_body_that_is_not_json_is_told(client: Client, body: bytes) -> None:
    response = await client.http.post(
        "/notes", content=body, headers={**client.token("p-1"), "Content-Type": "application/json"}
    )
    assert response.status_code in (400, 422)
    assert response.json()["detail"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b'{"text": "a\\u0000b"}', "body.text"),
        (b'{"text": "a", "tags": [1, {"x": "\\ud800"}]}', "body.tags.1.x"),
        (b'{"text": "a", "tags": [{"\\u0000": 1}]}', "body.tags.0"),
    ],
)
async def test_text_that_no_database_can_hold_is_refused(client: Client, body: bytes, field: str) -> None:
    response = await client.http.post(
        "/notes", content=body, headers={**client.token("p-1"), "Content-Type": "application/json"}
    )
    assert problem(response, 422, "unstorable-text")["errors"][0]["field"] == field


@pytest.mark.parametrize("path", ["/notes/a%00b", "/notes?cursor=%00", "/notes?x=%00"])
async def test_a_nul_in_an_address_is_refused(client: Client, path: str) -> None:
    problem(await client.get(path), 422, "unstorable-text")


async def test_escaped_text_that_can_be_stored_is_taken(client: Client) -> None:
    response = await client.http.post(
        "/notes",
        content=b'{"text": "\\u5f20 \\\\u0000 \\ud83d\\ude00"}',
        headers={**client.token("p-1"), "Content-Type": "application/json"},
    )
    shown = await client.get(f"/notes/{response.json()['id']}")
    assert shown.json() == {"texts": ["张 \\u0000 😀"]}


async def test_a_body_over_the_limit_is_refused_and_an_upload_has_a_limit_of_its_own(client: Client) -> None:
    problem(await client.post("/notes", {"text": "x" * 1_000_001}), 413, "too-large")
    upload = partial(client.http.post, "/uploads", headers=client.token("p-1"))
    assert (await upload(files={"file": ("a", b"x" * 1_500_000)})).status_code == 200
    problem(await upload(files={"file": ("a", b"x" * 3_500_000)}), 413, "too-large")


async def test_a_bug_is_told_by_its_correlation_alone(client: Client) -> None:
    correlation = str(uuid.uuid4())
    response = await client.get("/bug", X_Correlation_Id=correlation)
    body = problem(response, 500, "internal")
    assert body["correlation"] == correlation
    assert "张三" not in response.text


async def test_a_database_that_cannot_do_its_work_now_is_no_bug(client: Client) -> None:
    """One that takes no writes for a while, say: whoever repeats the request under its key loses nothing."""
    role = client.running.service.role
    key = {"Idempotency_Key": str(new_id())}
    await _as_superuser(client, f"ALTER ROLE {role} SET default_transaction_read_only = on")
    try:
        for _ in range(3):
            response = await client.post("/notes", {"text": "a"}, **key)
            assert problem(response, 503, "database-away")["next"].startswith("请稍候用同一个 Idempotency-Key 再提交")
            assert int(response.headers["Retry-After"]) > 0
    finally:
        await _as_superuser(client, f"ALTER ROLE {role} RESET default_transaction_read_only")
    async with asyncio.timeout(20):
        while (response := await client.post("/notes", {"text": "a"}, **key)).status_code != 201:
            problem(response, 503, "database-away")
    assert (await client.post("/notes", {"text": "a"}, **key)).json() == response.json()


async def _as_superuser(client: Client, statement: str) -> None:
    """Have it hold for every connection of the service from now on."""
    connection = await asyncpg.connect(**client.running.settings.connection(SUPERUSER_ROLE))
    await connection.execute(statement)
    await connection.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = $1 AND datname = current_database()",
        client.running.service.role,
    )
    await connection.close()


async def test_a_correlation_that_is_none_is_refused(client: Client) -> None:
    problem(await client.get("/notes", X_Correlation_Id="x"), 422, "invalid-request")


async def test_a_reason_is_asked_for_where_it_is_needed(client: Client) -> None:
    problem(await client.get("/reasons"), 422, "reason-required")
    assert (await client.get("/reasons", Kehu_Reason="%E5%AE%A1%E8%AE%A1")).json() == "审计"
    problem(await client.get("/reasons", Kehu_Reason="a%00"), 422, "invalid")


# --- pages -----------------------------------------------------------------------------------------------------------


async def test_pages_show_every_row_once(client: Client) -> None:
    for size in range(30, 37):
        await client.post("/notes", {"text": "p" * size}, Prefer="wait=10")
    rows: list[int] = []
    following: str | None = "/notes?limit=3&least=30"
    pages = 0
    while following:
        response = await client.get(following)
        rows += [item["number"] for item in response.json()["items"]]
        following = response.json().get("next")
        assert ("link" in response.headers) == bool(following)
        pages += 1
    assert (rows, pages) == ([*range(30, 37)], 3)


async def test_a_cursor_counts_for_its_own_list_and_filters_only(client: Client) -> None:
    for _ in range(3):
        await client.post("/notes", {"text": "cursor"}, Prefer="wait=10")
    following = (await client.get("/notes?limit=1&least=1")).json()["next"]
    assert (await client.get(following)).status_code == 200
    problem(await client.get(following.replace("least=1", "least=2")), 422, "invalid-cursor")
    for forged in ("x", "é", "e30=", "WyIiXQ==", "bnVsbA==", "W10="):
        problem(await client.get(f"/notes?cursor={forged}"), 422, "invalid-cursor")


@pytest.mark.parametrize("limit", ["0", "201", "x", "-1", "99999999999999999999999"])
async def test_a_page_has_at_most_200_rows(client: Client, limit: str) -> None:
    problem(await client.get(f"/notes?limit={limit}"), 422, "invalid-request")


# --- documents and health --------------------------------------------------------------------------------------------


async def test_the_documents_need_nothing_from_outside(client: Client) -> None:
    for path in ("/docs", "/asyncapi"):
        page = await client.http.get(path)
        assert page.status_code == 200
        assert "https://" not in page.text
    assert (await client.http.get("/docs/assets/swagger-ui-bundle.js")).status_code == 200


async def test_the_http_document_tells_headers_and_problems(client: Client) -> None:
    document = (await client.http.get("/openapi.json")).json()
    operation = document["paths"]["/notes/{note}/more"]["post"]
    assert {"If-Match", "Idempotency-Key", "Prefer"} <= {one["name"].title() for one in operation["parameters"]}
    listed = document["paths"]["/notes"]["get"]["parameters"]
    assert "if-match" not in {one["name"].lower() for one in listed}
    assert operation["responses"]["422"]["content"].keys() == {"application/problem+json"}
    assert operation["security"]
    assert "Problem" in document["components"]["schemas"]


async def test_the_message_document_shows_personal_fields_as_sealed(client: Client) -> None:
    document = (await client.http.get("/asyncapi.json")).json()
    message = document["components"]["messages"]["kehu.StaffMemberAppointed.v1"]
    schema = document["components"]["schemas"][message["payload"]["$ref"].rpartition("/")[2]]
    assert schema["properties"]["name"]["required"] == ["enc", "person", "nonce", "ciphertext"]
    assert "kehu.NoteWritten.v1" not in document["components"]["messages"]
    assert document["channels"]["kehu.customer-registry"]["messages"]


async def test_health_and_metrics_are_told_without_a_token(client: Client) -> None:
    assert (await client.http.get("/health/live")).json() == {"status": "live"}
    ready = await client.http.get("/health/ready")
    assert (ready.status_code, ready.json()["status"]) == (200, "ready")
    assert "kehu_http_request_seconds_bucket" in (await client.http.get("/metrics")).text


# --- unmasking -------------------------------------------------------------------------------------------------------


async def test_an_auditor_is_shown_personal_values_with_a_reason_that_is_recorded(client: Client) -> None:
    appointed = StaffMemberAppointed(person="a-1", number="a01", name="审计员")
    await client.record("a-1", [appointed, RoleGranted(person="a-1", role=Role.AUDITOR, granted_by="p-9")])
    (fact, *_) = await client.running.commands.history(STAFF, "p-1")
    path = f"/facts/{fact.id}/unmask"
    problem(await client.post(path, person="a-1"), 422, "reason-required")
    reason = quote("核对 2026 年三季度资料")
    shown = await client.post(path, person="a-1", Kehu_Reason=reason)
    assert (shown.status_code, shown.json()["data"]["name"], shown.json()["stream"]) == (200, "王一", "staff-p-1")
    category = unmasked_category(client.running.service.schema)
    (record,) = await client.running.commands.history(category, str(fact.id))
    assert (record.actor, record.key, record.clause) == ("a-1", "p-1", "个人信息保护法")
    assert record.fact == PersonalValuesUnmasked(
        fact_id=fact.id, stream="staff-p-1", customer="p-1", shown_to="a-1", reason="核对 2026 年三季度资料"
    )
    assert "王一" not in record.fact.model_dump_json()


async def test_nobody_else_is_shown_personal_values_and_nothing_is_recorded(client: Client) -> None:
    appointed = StaffMemberAppointed(person="a-2", number="a02", name="管理员")
    await client.record("a-2", [appointed, RoleGranted(person="a-2", role=Role.ADMIN, granted_by="p-9")])
    (fact, *_) = await client.running.commands.history(STAFF, "a-2")
    refused = await client.post(f"/facts/{fact.id}/unmask", person="a-2", Kehu_Reason="x")
    assert problem(refused, 403, "forbidden")["clause"] == "People"
    assert "管理员" not in refused.text
    assert await client.running.commands.history(unmasked_category(client.running.service.schema), str(fact.id)) == []


async def test_a_fact_that_the_service_does_not_have_is_not_shown(client: Client) -> None:
    appointed = StaffMemberAppointed(person="a-3", number="a03", name="审计员")
    await client.record("a-3", [appointed, RoleGranted(person="a-3", role=Role.AUDITOR, granted_by="p-9")])
    problem(await client.post(f"/facts/{new_id()}/unmask", person="a-3", Kehu_Reason="x"), 404, "not-found")


def test_whoever_is_leaving_is_shown_no_personal_values() -> None:
    now = datetime.now(UTC)
    row = StoredFact(new_id(), "", "", "staff-p-1", 1, None, "p-1", "{}", "{}", "", new_id(), now, now)
    context = Context(Actor("a", (Grant(Role.AUDITOR),), departing=True), now)
    with pytest.raises(Forbidden) as refused:
        unmask(row, "x", None, context)
    assert refused.value.clause == "R4.6"
