"""What a route asks of a request: who acts, from which version, under which idempotency key; and one way to answer.

A route takes `Acting` (any signed-in person) or `Editing` (the same, and `If-Match` must be there), and hands the
pure decision over::

    @router.post("/dossiers", status_code=201)
    async def open_dossier(body: OpenDossier, request: Acting) -> Answer:
        return await request.create(dossiers, new_id(), partial(decisions.open_dossier, body))

    @router.post("/dossiers/{dossier}/submit")
    async def submit(dossier: StreamId, request: Editing) -> Answer:
        return await request.handle(dossiers, dossier, decisions.submit)
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any, TypeVar
from urllib.parse import unquote
from uuid import UUID

import asyncpg
from fastapi import Depends, Header, Path, Request, Response, Security
from fastapi.responses import JSONResponse
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.datastructures import UploadFile

from kehu.commands import Done, Idempotency, IdempotencyKeyReused, Thing
from kehu.deciding import Actor, Category, Context, Decision
from kehu.errors import Departing, Invalid, NotFound, PreconditionMissing
from kehu.facts import Fact, RecordedFact
from kehu.http.languages import Language
from kehu.http.problems import language_of, refused
from kehu.http.responses import Answer, answer, tag
from kehu.identity import AccessEnded, TokenMissing, load_actor, verify_token
from kehu.ids import new_id
from kehu.parts import Running
from kehu.tracing import trace_headers

S = TypeVar("S")

#: A client that wants to wait longer asks again; a connection held for minutes is cut by something in between.
LONGEST_WAIT = 30
_ETAG = re.compile(r'(?:W/)?"(\d{1,18})"', re.ASCII)
_WAIT = re.compile(r"(?:^|[,;\s])wait\s*=\s*\"?(\d{1,6})", re.ASCII | re.IGNORECASE)
_IDEMPOTENCY_KEY = r"^[\x21-\x7e]{1,100}$"
_DIGEST_CHUNK = 1 << 20

_LEAVERS = "x-open-to-leavers"
#: Said by a route as ``openapi_extra``: also who is leaving may use it (R4.6). Every other route refuses them.
OPEN_TO_LEAVERS: dict[str, Any] = {_LEAVERS: True}

#: The id of a thing in an address: what ids and numbers of this system consist of, and short enough for any index.
StreamId = Annotated[str, Path(pattern=r"^[\w.:-]{1,100}$")]


def running(request: Request) -> Running:
    """The parts of the service that answers this request."""
    found: Running = request.app.state.running
    return found


#: The parts of the service, for routes that need more than `Acting` offers.
Services = Annotated[Running, Depends(running)]


class ReasonRequired(Invalid):
    """What is asked for is recorded with a reason, and none was given."""

    code = "reason-required"

    def __init__(self) -> None:
        super().__init__(
            "此操作须写明理由并留下记录:请在 Kehu-Reason 请求头中写明(URL 编码)。",
            "This takes a reason, which is recorded: give it in the header Kehu-Reason (URL-encoded).",
        )


class ActingRequest:
    """A request by a person who has been recognised; routes get it as `Acting` or `Editing`.

    Attributes:
        running: the parts of the service.
        actor: who acts, with the roles that they have at this moment.
        now: the policy's time at which the request came.
        correlation: the same for everything that follows from this request.
        expected: the version that the person saw (`If-Match`), if they said.
        idempotency: their key for this request, if they gave one.
        language: what they read.

    """

    def __init__(
        self,
        *,
        running: Running,
        response: Response,
        actor: Actor,
        now: datetime,
        correlation: UUID,
        language: Language,
        expected: int | None = None,
        idempotency: Idempotency | None = None,
        wait: int | None = None,
        reason: str | None = None,
    ) -> None:
        self.running = running
        self.actor = actor
        self.now = now
        self.correlation = correlation
        self.language: Language = language
        self.expected = expected
        self.idempotency = idempotency
        self._response = response
        self._wait = wait
        self._reason = reason

    @property
    def pool(self) -> asyncpg.Pool:
        """Connections to the service's views."""
        return self.running.pool

    @property
    def reason(self) -> str:
        """Why they ask for it, for what is recorded with a reason (exporting, unmasking, other people's customers).

        Raises:
            ReasonRequired: they did not say.

        """
        if not self._reason:
            raise ReasonRequired
        return self._reason

    async def context(self, gathered: Any = None) -> Context:
        """What a decision may know: who, when, the policy data in force, and what the route has looked up."""
        policies = await self.running.policies.in_force(self.now)
        return Context(actor=self.actor, now=self.now, policies=policies, gathered=gathered)

    async def create(
        self,
        category: Category[S],
        stream_id: str | UUID,
        decide: Callable[[S, Context], Decision],
        *,
        gathered: Any = None,
        numbers: dict[str, Any] | None = None,
    ) -> Answer:
        """Carry out the first command on a thing; its route answers 201. See `handle` for arguments and refusals."""
        return await self._carry_out(category, stream_id, decide, gathered, numbers, must_exist=False)

    async def handle(
        self,
        category: Category[S],
        stream_id: str | UUID,
        decide: Callable[[S, Context], Decision],
        *,
        gathered: Any = None,
        numbers: dict[str, Any] | None = None,
    ) -> Answer:
        """Carry out a command on a thing, and wait for the views if the client prefers that.

        Args:
            category: of its stream.
            stream_id: which one.
            decide: pure; gets its state and the context.
            gathered: what the route looked up for the decision (`context.gathered`).
            numbers: given to the client beside id and version, also when it repeats the request; kept with the
                idempotency key, so never personal.

        Raises:
            KehuError: as `decide` raised it; `Conflict` when `If-Match` no longer holds; `NotFound`; `Taken`;
                `IdempotencyKeyReused`.

        """
        return await self._carry_out(category, stream_id, decide, gathered, numbers, must_exist=True)

    async def handle_together(
        self,
        things: Sequence[Thing[Any]],
        decide: Callable[[Sequence[Any], Context], Sequence[Decision]],
        *,
        gathered: Any = None,
        numbers: dict[str, Any] | None = None,
    ) -> Answer:
        """Carry out a command on several things, all or none (`kehu.commands.Commands.handle_together`).

        `If-Match` is the first thing's version; give others one of their own with `Thing.expected`.

        Raises:
            KehuError: as for `handle`.

        """
        first, *others = things
        if self.expected is not None and first.expected is None:
            first = replace(first, expected=self.expected)
        done = await self.running.commands.handle_together(
            [first, *others],
            decide,
            await self.context(gathered),
            idempotency=self.idempotency,
            correlation=self.correlation,
            answer=numbers,
            extra=trace_headers() or None,
        )
        return await self.done(done)

    async def show(self, category: Category[S], stream_id: str | UUID) -> S:
        """The present state of a thing, read from its stream; its version becomes the answer's ETag.

        Raises:
            NotFound: there is no such thing.

        """
        state, version = await self.running.commands.load(category, str(stream_id))
        if version == 0:
            raise NotFound(f"没有找到:{stream_id}。", f"There is no {category.name} {stream_id}.")
        tag(self._response, version)
        return state

    async def history(self, category: Category[Any], stream_id: str | UUID) -> list[RecordedFact[Fact]]:
        """All facts of a thing, in order.

        Raises:
            NotFound: there is no such thing.

        """
        facts = await self.running.commands.history(category, str(stream_id))
        if not facts:
            raise NotFound(f"没有找到:{stream_id}。", f"There is no {category.name} {stream_id}.")
        tag(self._response, facts[-1].version)
        return facts

    def tag(self, version: int) -> None:
        """Say at which version the answer is (`ETag`), for what is read from a view."""
        tag(self._response, version)

    async def done(self, done: Done) -> Answer:
        """Answer with what a command came to, for routes that carry it out in a way of their own."""
        if self._wait is not None and not done.repeated:
            await self._wait_for_views(done)
        return answer(self._response, done)

    async def _carry_out(
        self,
        category: Category[S],
        stream_id: str | UUID,
        decide: Callable[[S, Context], Decision],
        gathered: Any,
        numbers: dict[str, Any] | None,
        *,
        must_exist: bool,
    ) -> Answer:
        done = await self.running.commands.handle(
            category,
            str(stream_id),
            decide,
            await self.context(gathered),
            expected=self.expected,
            must_exist=must_exist,
            idempotency=self.idempotency,
            correlation=self.correlation,
            answer=numbers,
            extra=trace_headers() or None,
        )
        return await self.done(done)

    async def _wait_for_views(self, done: Done) -> None:
        wait = min(self._wait or 0, LONGEST_WAIT)
        if await self.running.follower.wait_for(done.position, wait):
            self._response.headers["Preference-Applied"] = f"wait={wait}"
        else:
            self._response.headers["Kehu-Views"] = "behind"


async def refused_or_repeated(request: Request, error: Exception) -> Response:
    """Answer a refusal; but a repetition as it was answered, whatever its route has to say of the thing by now.

    A route that changes several things and answers in a way of its own keeps version 0, and looks for itself.
    """
    idempotency: Idempotency | None = getattr(request.state, "idempotency", None)
    if idempotency is None or getattr(error, "status", 0) >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return await refused(request, error)
    try:
        done = await running(request).commands.answered(idempotency)
    except IdempotencyKeyReused as reused:
        return await refused(request, reused)
    if done is None or not done.version:
        return await refused(request, error)
    told = Response()
    content = answer(told, done).model_dump(mode="json")
    headers = {name: told.headers[name] for name in ("ETag", "Idempotent-Replayed")}
    return JSONResponse(content, getattr(request.scope.get("route"), "status_code", None) or HTTPStatus.OK, headers)


_SAFE = ("GET", "HEAD")
_bearer = HTTPBearer(auto_error=False, description="A JWT from the company's issuer, or from `kehu token`.")


async def acting(
    request: Request,
    response: Response,
    services: Services,
    credentials: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)],
    if_match: Annotated[str | None, Header(max_length=100, description='The ETag of what is edited: `"3"`.')] = None,
    idempotency_key: Annotated[
        str | None,
        Header(pattern=_IDEMPOTENCY_KEY, description="A name of your own for this request: repeating it is harmless."),
    ] = None,
    prefer: Annotated[
        str | None, Header(max_length=200, description="`wait=5`: answer once lists show it, or after so many seconds.")
    ] = None,
    kehu_reason: Annotated[
        str | None, Header(max_length=2_000, description="Why, where a reason is required; URL-encoded.")
    ] = None,
    x_correlation_id: Annotated[UUID | None, Header(description="Groups what follows from this request.")] = None,
) -> ActingRequest:
    """Recognise who acts; every route that a person uses depends on it.

    Raises:
        TokenMissing, TokenExpired, TokenInvalid, NotStaff: it is nobody that is known.
        AccessEnded: they have left.
        Departing: they are leaving, and the route is not `OPEN_TO_LEAVERS`.

    """
    if credentials is None:
        raise TokenMissing
    person = verify_token(request.app.state.issuer, credentials.credentials)
    now = services.clock.now()
    actor = await load_actor(services.pool, person, now)
    if actor.gone:
        raise AccessEnded(person)
    idempotency = await _idempotency(request, services.service.name, person, idempotency_key)
    if request.method not in _SAFE:
        # What is refused from here on may be a repetition of what was done before.
        request.state.idempotency = idempotency
    if actor.departing and not is_open_to_leavers(request.scope["route"]):
        raise Departing
    wait = _WAIT.search(prefer) if prefer else None
    return ActingRequest(
        running=services,
        response=response,
        actor=actor,
        now=now,
        correlation=x_correlation_id or getattr(request.state, "correlation", None) or new_id(),
        language=language_of(request),
        expected=_expected(if_match),
        idempotency=idempotency,
        wait=int(wait[1]) if wait else None,
        reason=_reason(kehu_reason),
    )


def is_open_to_leavers(route: Any) -> bool:
    """Whether a route says that also who is leaving may use it (`OPEN_TO_LEAVERS`)."""
    return bool((getattr(route, "openapi_extra", None) or {}).get(_LEAVERS))


#: A request by somebody who has been recognised; nobody who is leaving, but where the route is `OPEN_TO_LEAVERS`.
Acting = Annotated[ActingRequest, Depends(acting)]


async def _editing(request: Acting) -> ActingRequest:
    if request.expected is None:
        raise PreconditionMissing(
            "缺少 If-Match:修改时须注明依据的版本。请先读取,再用响应的 ETag 提交。",
            "If-Match is missing: an edit names the version it was made from. Read first, then send the ETag.",
        )
    return request


#: The same, for edits: without `If-Match` they are answered with 428.
Editing = Annotated[ActingRequest, Depends(_editing)]


def _expected(if_match: str | None) -> int | None:
    if if_match is None or if_match.strip() == "*":
        return None
    found = _ETAG.fullmatch(if_match.strip())
    if found is None:
        raise Invalid(
            '写法应为 If-Match: "3"(上次读取时响应的 ETag)。',
            'If-Match is written "3", as in the ETag of what you read.',
            code="if-match-invalid",
        )
    return int(found[1])


def _reason(header: str | None) -> str | None:
    reason = unquote(header).strip() if header else None
    if reason and "\0" in reason:
        raise Invalid("理由中含有无法保存的字符。", "The reason contains characters that cannot be stored.")
    return reason or None


async def _idempotency(request: Request, service: str, person: str, key: str | None) -> Idempotency | None:
    if key is None:
        return None
    address = f"{request.method} {request.url.path}?{request.url.query}\n".encode()
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind in ("multipart/form-data", "application/x-www-form-urlencoded"):
        # A multipart boundary differs each time a client sends the same form: its fields are what counts.
        return Idempotency.of(service, person, key, address + await _form_digest(request))
    return Idempotency.of(service, person, key, address + await request.body())


async def _form_digest(request: Request) -> bytes:
    digest = hashlib.sha256()
    for name, value in (await request.form()).multi_items():
        digest.update(repr(name).encode())
        if isinstance(value, UploadFile):
            digest.update(repr(value.filename).encode())
            while chunk := await value.read(_DIGEST_CHUNK):
                digest.update(chunk)
            await value.seek(0)
        else:
            digest.update(repr(value).encode())
    return digest.digest()
