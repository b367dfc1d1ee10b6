"""The HTTP application of a service: its features' routes, health, metrics and documents."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from importlib.metadata import version
from typing import Any

from fastapi import Depends, FastAPI
from fastapi.responses import JSONResponse, PlainTextResponse
from joserfc.jwk import ECKey
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel

from kehu.errors import KehuError
from kehu.http.access import Access
from kehu.http.documents import add_documents
from kehu.http.problems import add_problems
from kehu.http.requests import refused_or_repeated
from kehu.http.texts import storable_text
from kehu.http.unmasking import unmasking_router
from kehu.parts import Running
from kehu.service import Service

#: A form or a dossier is a few kilobytes; routes for uploads say a limit of their own.
MAX_BODY_BYTES = 1_000_000
VERSION = version("kehu-shared")

_DESCRIPTION = """Kehu(客户):客户管理。Customer management, event-sourced.

- Sign in with a bearer token (`kehu token`). What you may do follows from your roles at that moment.
- A change names the version it was made from: send the `ETag` of what you read as `If-Match`.
- Send an `Idempotency-Key` with a command, and repeating it is harmless.
- Errors are RFC 9457 problems, in Chinese or, with `Accept-Language: en`, in English.
"""


class Part(BaseModel):
    """One part of a service and how it is."""

    ready: bool
    state: str


Health = Callable[[], Awaitable[dict[str, Part]]]


def build_app(
    service: Service,
    *,
    running: Running,
    issuer: ECKey,
    health: Health,
    measure: Callable[[], Awaitable[None]],
) -> FastAPI:
    """Make the application of a service.

    Args:
        service: whose features' routers are served.
        running: its parts.
        issuer: the public key of the issuer whose tokens are believed.
        health: asked by `/health/ready`: every part by name.
        measure: called before the metrics are shown, to look up what is not counted as it happens.

    """
    app = build_routes(service)
    app.state.running = running
    app.state.issuer = issuer
    _add_operations(app, health, measure)
    return app


def build_routes(service: Service) -> FastAPI:
    """The routes of a service and their documents, with nothing behind them."""
    app = FastAPI(
        title=f"Kehu: {service.title}",
        version=VERSION,
        description=_DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        dependencies=[Depends(storable_text)],
        generate_unique_id_function=lambda route: "-".join([*map(str, route.tags[:1]), route.name]),
    )
    add_problems(app)
    app.add_exception_handler(KehuError, refused_or_repeated)
    app.add_middleware(Access)
    for feature in service.features:
        if feature.router is not None:
            app.include_router(feature.router, max_body_size=MAX_BODY_BYTES)
    app.include_router(unmasking_router(), max_body_size=MAX_BODY_BYTES)
    add_documents(app, service)
    return app


def _add_operations(app: FastAPI, health: Health, measure: Callable[[], Awaitable[None]]) -> None:
    async def live() -> dict[str, str]:
        return {"status": "live"}

    async def ready() -> JSONResponse:
        parts = await health()
        fine = all(part.ready for part in parts.values())
        content: dict[str, Any] = {
            "status": "ready" if fine else "not ready",
            "parts": {name: part.model_dump() for name, part in parts.items()},
        }
        return JSONResponse(content, status_code=200 if fine else 503, headers={"Cache-Control": "no-store"})

    async def metrics() -> PlainTextResponse:
        await measure()
        return PlainTextResponse(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    app.add_api_route("/health/live", live, include_in_schema=False)
    app.add_api_route("/health/ready", ready, include_in_schema=False)
    app.add_api_route("/metrics", metrics, include_in_schema=False)
