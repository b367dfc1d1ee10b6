"""`kehu openapi` and `kehu asyncapi`: a service's documents, without running it."""

from __future__ import annotations

import json
from typing import Any

from kehu.cli.session import named_service


def openapi(service: str, /) -> None:
    """HTTP 接口文档。Print the OpenAPI document of a service's HTTP API, as JSON.

    Args:
        service: Its name, such as vetting.

    """
    from kehu.http.app import build_routes  # noqa: PLC0415 - loads the whole platform, which a wrong name need not

    _print(build_routes(named_service(service)).openapi())


def asyncapi(service: str, /) -> None:
    """消息接口文档。Print the AsyncAPI document of what a service publishes and consumes, as JSON.

    Args:
        service: Its name, such as vetting.

    """
    from kehu.http.app import VERSION  # noqa: PLC0415 - as above
    from kehu.http.asyncapi import asyncapi as describe  # noqa: PLC0415 - as above

    _print(describe(named_service(service), VERSION))


def _print(document: dict[str, Any]) -> None:
    print(json.dumps(document, ensure_ascii=False, indent=2))
