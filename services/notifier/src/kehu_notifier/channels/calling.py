"""Calling a provider over HTTP once, and telling what is certain afterwards: it was not sent, or nobody knows."""

from __future__ import annotations

from typing import Any

import httpx2
from pydantic_core import from_json

from kehu_notifier.channels.channel import TryAgain, Unknown

#: A provider that takes longer to answer has a bad day; what it did with the message is looked up later.
TIMEOUT = httpx2.Timeout(10.0, connect=5.0)
_SERVER_ERROR = 500


def provider_client(timeout: httpx2.Timeout = TIMEOUT) -> httpx2.AsyncClient:
    """A client for calls to providers.

    No connection is used for a second message: an answer that a provider or proxy sends twice would be taken for that
    to the next one.
    """
    return httpx2.AsyncClient(
        timeout=timeout, limits=httpx2.Limits(max_keepalive_connections=0), follow_redirects=False
    )


class NotAnsweredError(Exception):
    """There is no answer that could be read.

    Args:
        outcome: what that means for the message that the call was about.

    """

    def __init__(self, outcome: TryAgain | Unknown) -> None:
        super().__init__(outcome.code)
        self.outcome = outcome


async def call(client: httpx2.AsyncClient, request: httpx2.Request) -> dict[str, Any]:
    """Send a request, once, and read its JSON answer whatever its status.

    Raises:
        NotAnsweredError: with `TryAgain` where the request cannot have arrived, else with `Unknown`.

    """
    try:
        response = await client.send(request)
    except (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout) as error:
        raise NotAnsweredError(TryAgain("unreachable")) from error
    except httpx2.TransportError as error:
        raise NotAnsweredError(Unknown("no-answer")) from error
    try:
        answer = from_json(response.content)
    except ValueError:
        answer = None
    if isinstance(answer, dict):
        read: dict[str, Any] = answer
        return read
    code = f"http-{response.status_code}"
    # A gateway's own error page: the provider behind it may have had the request or not.
    unclear = response.status_code >= _SERVER_ERROR or response.is_success
    raise NotAnsweredError(Unknown(code) if unclear else TryAgain(code))
