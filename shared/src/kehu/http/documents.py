"""The documents of a service, which work without the Internet: OpenAPI with Swagger UI, AsyncAPI as a plain page."""

from __future__ import annotations

import html
import json
from importlib.resources import files
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.openapi.utils import get_openapi
from fastapi.responses import HTMLResponse
from fastapi.staticfiles import StaticFiles

from kehu.http.asyncapi import asyncapi
from kehu.http.problems import MEDIA_TYPE, Problem
from kehu.service import Service

#: Swagger UI as its wheel ships it.
_SCRIPTS = str(files("fastapi_offline") / "static")
_SCHEMA = "#/components/schemas/Problem"
#: Every route may answer with these; what each means stands in its problem.
_PROBLEMS = {
    "400": "Not readable",
    "401": "No token, or one that does not hold",
    "403": "Not allowed",
    "404": "Not found",
    "409": "Refused as things stand, or the version has moved",
    "413": "Too large",
    "422": "The request is wrong",
    "428": "If-Match is missing",
}
#: Headers that say nothing in a request that changes nothing.
_WRITING_ONLY = {"if-match", "idempotency-key", "prefer"}
_METHODS = {"get", "post", "put", "patch", "delete"}


def add_documents(app: FastAPI, service: Service) -> None:
    """Serve `/openapi.json`, `/docs`, `/asyncapi.json` and `/asyncapi`."""
    app.mount("/docs/assets", StaticFiles(directory=_SCRIPTS), name="docs-assets")

    async def docs() -> HTMLResponse:
        return get_swagger_ui_html(
            openapi_url="/openapi.json",
            title=f"Kehu: {service.title}",
            swagger_js_url="/docs/assets/swagger-ui-bundle.js",
            swagger_css_url="/docs/assets/swagger-ui.css",
            swagger_favicon_url="/docs/assets/favicon.png",
            swagger_ui_parameters={"persistAuthorization": True, "tryItOutEnabled": True},
        )

    async def asyncapi_document() -> dict[str, Any]:
        return asyncapi(service, app.version)

    async def asyncapi_page() -> HTMLResponse:
        return HTMLResponse(_page(asyncapi(service, app.version)))

    app.add_api_route("/docs", docs, include_in_schema=False)
    app.add_api_route("/asyncapi.json", asyncapi_document, include_in_schema=False)
    app.add_api_route("/asyncapi", asyncapi_page, include_in_schema=False)
    app.openapi = lambda: _openapi(app)


def _openapi(app: FastAPI) -> dict[str, Any]:
    """FastAPI's document, with the platform's problems in place of its own validation error."""
    if app.openapi_schema is None:
        document = get_openapi(
            title=app.title, version=app.version, description=app.description, routes=app.routes, tags=app.openapi_tags
        )
        schemas = document.setdefault("components", {}).setdefault("schemas", {})
        for unused in ("HTTPValidationError", "ValidationError"):
            schemas.pop(unused, None)
        problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas.update(problem.pop("$defs", {}))
        schemas["Problem"] = problem
        for path in document.get("paths", {}).values():
            for method in _METHODS & path.keys():
                _tidy(path[method], writing=method != "get")
        app.openapi_schema = document
    return app.openapi_schema


def _tidy(operation: dict[str, Any], *, writing: bool) -> None:
    if not writing and "parameters" in operation:
        operation["parameters"] = [
            parameter for parameter in operation["parameters"] if parameter["name"].lower() not in _WRITING_ONLY
        ]
    for status, description in _PROBLEMS.items():
        operation["responses"][status] = {
            "description": description,
            "content": {MEDIA_TYPE: {"schema": {"$ref": _SCHEMA}}},
        }


_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 60rem; padding: 0 1rem }
h2 { border-bottom: 1px solid; margin-top: 2rem } pre { overflow-x: auto; background: #8882; padding: .5rem }
summary { cursor: pointer } code { font-size: .95em }
"""


def _page(document: dict[str, Any]) -> str:
    """An AsyncAPI document for reading: each topic, each message, its schema."""
    messages = document["components"]["messages"]
    schemas = document["components"]["schemas"]
    parts = [f"<h1>{_text(document['info']['title'])}</h1><p>{_text(document['info']['description'])}</p>"]
    for topic, channel in document["channels"].items():
        parts.append(f"<h2><code>{_text(topic)}</code></h2><p>{_text(channel['description'])}</p>")
        parts += [_message(messages[name], schemas) for name in channel["messages"]]
    body = "\n".join(parts)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>{_text(document['info']['title'])}</title><style>{_STYLE}</style></head><body>{body}"
        '<p><a href="/asyncapi.json">asyncapi.json</a> · <a href="/docs">HTTP API</a></p></body></html>'
    )


def _message(message: dict[str, Any], schemas: dict[str, Any]) -> str:
    name = message["payload"].get("$ref", "").rpartition("/")[2]
    schema = json.dumps(schemas.get(name, message["payload"]), ensure_ascii=False, indent=2)
    clause = f" · {_text(message['x-clause'])}" if message["x-clause"] else ""
    return (
        f"<details><summary><code>{_text(message['name'])}</code>{clause} · {_text(message['summary'])}</summary>"
        f"<pre>{_text(schema)}</pre></details>"
    )


def _text(value: str) -> str:
    return html.escape(value)
