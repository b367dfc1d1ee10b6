"""Around every request: its correlation, a span, a line in the log, its time; and a bug becomes a plain 500 problem."""

from __future__ import annotations

import time
from typing import Any
from uuid import UUID

import structlog
from fastapi import Request
from opentelemetry.propagate import extract
from opentelemetry.trace import SpanKind
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kehu.http.problems import MEDIA_TYPE, internal_problem, too_large_problem, unavailable_problem
from kehu.ids import new_id
from kehu.logs import correlated
from kehu.metrics import HTTP_SECONDS
from kehu.tracing import tracer

log = structlog.get_logger(__name__)

CORRELATION_HEADER = "X-Correlation-Id"
#: Asked every few seconds by machines; a line for each would bury the others.
_QUIET_PATHS = ("/health/", "/metrics")
_SERVER_ERROR = 500
_TOO_LARGE = 413
#: A client may send any word as a method; each would become a metric of its own.
_METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}


class Access:
    """ASGI middleware; the outermost of the application's own."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let one request through."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        correlation = _correlation(request)
        scope.setdefault("state", {})["correlation"] = correlation
        exchange = _Exchange(request, receive, send, correlation)
        start = time.perf_counter()
        with correlated(correlation), _span(request):
            try:
                await self._app(scope, receive, exchange.send)
            except Exception as error:
                if unavailable := unavailable_problem(request, error):
                    log.warning("http.unavailable", route=_route(scope), error=type(error).__name__)
                else:
                    log.exception("http.failed", method=request.method, route=_route(scope))
                if exchange.status:  # the answer has begun: all that is left is to break it off
                    raise
                await (unavailable or internal_problem(request))(scope, receive, exchange.send)
            finally:
                self._note(scope, request, exchange.status, time.perf_counter() - start)

    def _note(self, scope: Scope, request: Request, status: int, seconds: float) -> None:
        route = _route(scope)
        method = request.method if request.method in _METHODS else "other"
        HTTP_SECONDS.labels(method, route, str(status)).observe(seconds)
        if not request.url.path.startswith(_QUIET_PATHS):
            level = log.warning if status >= _SERVER_ERROR else log.info
            # The route, not the address: numbers of people and things may stand in the latter.
            level("http.answered", method=request.method, route=route, status=status, ms=round(seconds * 1000, 1))


class _Exchange:
    """One request and its answer on the way out; `status` is 0 until the answer has begun."""

    def __init__(self, request: Request, receive: Receive, send: Send, correlation: UUID) -> None:
        self.status = 0
        self._request = request
        self._receive = receive
        self._send = send
        self._correlation = (b"x-correlation-id", str(correlation).encode())
        self._replaced = False

    async def send(self, message: Message) -> None:
        """Pass the answer on; the plain text by which Starlette refuses a large body becomes a problem."""
        if message["type"] == "http.response.start" and message["status"] == _TOO_LARGE and not _is_problem(message):
            await too_large_problem(self._request)(self._request.scope, self._receive, self._pass_on)
            self._replaced = True
        elif not self._replaced:
            await self._pass_on(message)

    async def _pass_on(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message["headers"] = [*message["headers"], self._correlation]
        await self._send(message)


def _correlation(request: Request) -> UUID:
    given = request.headers.get(CORRELATION_HEADER)
    try:
        return UUID(given) if given else new_id()
    except ValueError:
        return new_id()  # the route refuses the header itself, under this correlation


def _span(request: Request) -> Any:
    return tracer.start_as_current_span(
        f"{request.method} http", context=extract(dict(request.headers)), kind=SpanKind.SERVER
    )


def _is_problem(message: Message) -> bool:
    return Headers(raw=message["headers"]).get("content-type") == MEDIA_TYPE


def _route(scope: Scope) -> str:
    route = scope.get("route")
    return getattr(route, "path", None) or "(none)"
