"""The system as its users have it: the services' addresses, and people who send requests with tokens of their own."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2

from kehu.identity import issue_token
from kehu.settings import TOKEN_ISSUER, Settings
from kehu.supervising.running import Running

#: Where `kehu up` says what runs; compose names the services by KEHU_SERVICES instead.
DIRECTORY = Path(".kehu")
ADDRESSES = "KEHU_SERVICES"
_TOKEN_MINUTES = 60
_TIMEOUT_SECONDS = 30.0
#: A service closes what was idle for 5 s. The client's own limit is as long: a request could meet the end.
KEEP = httpx2.Limits(keepalive_expiry=2.0)


class NotRunning(Exception):
    """Nothing says where the services are."""

    def __init__(self) -> None:
        super().__init__(
            f"没有正在运行的系统。Nothing runs here: start it with `kehu up`, or name the services in {ADDRESSES} "
            "(customer-registry=http://host:port …)."
        )


def find_addresses() -> dict[str, str]:
    """The address of each service: from `KEHU_SERVICES`, else of the system that `kehu up` runs.

    Raises:
        NotRunning: neither says.

    """
    named = os.environ.get(ADDRESSES, "").split()
    if named:
        return dict(entry.split("=", 1) for entry in named)
    running = Running.read(DIRECTORY)
    if running is None:
        raise NotRunning
    return dict(running.services)


@dataclass
class System:
    """The running services.

    Args:
        addresses: by service name.
        issuer: the token issuer's private key (JWK, JSON text).
        client: for all requests.

    """

    addresses: Mapping[str, str]
    issuer: str
    client: httpx2.AsyncClient
    _tokens: dict[str, str] = field(default_factory=dict[str, str])

    async def send(
        self,
        person: str,
        service: str,
        method: str,
        path: str,
        *,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        **options: Any,
    ) -> httpx2.Response:
        """Send a request as a person; the answer is returned whatever its status."""
        token = self._tokens.get(person) or self._tokens.setdefault(
            person, issue_token(self.issuer, person, _TOKEN_MINUTES)
        )
        if body is not None:
            options["json"] = body
        return await self.client.request(
            method,
            self.addresses[service] + path,
            headers={"Authorization": f"Bearer {token}", **(headers or {})},
            **options,
        )

    async def etag(self, person: str, service: str, path: str) -> str:
        """The ETag of what a person reads there now."""
        answer = await self.send(person, service, "GET", path)
        answer.raise_for_status()
        return answer.headers["ETag"]


@asynccontextmanager
async def connect(addresses: Mapping[str, str], settings: Settings) -> AsyncGenerator[System]:
    """Open the client; `settings.secrets` holds the issuer's key."""
    async with httpx2.AsyncClient(timeout=_TIMEOUT_SECONDS, limits=KEEP) as client:
        yield System(addresses, settings.secret(TOKEN_ISSUER), client)
