"""`kehu health`: whether services can be used, for people and for container engines."""

from __future__ import annotations

import asyncio

import httpx2
from rich.console import Console
from rich.table import Table

from kehu.remote import find_addresses

_TIMEOUT_SECONDS = 3.0


def health(*addresses: str) -> int:
    """系统健康。Say whether each service is ready, part by part. Exit code 1 if one is not.

    Args:
        *addresses: Base addresses of services; all of the installation that runs here when none is given.

    """
    found = {address: address for address in addresses} or find_addresses()
    parts = asyncio.run(_ask(found))
    table = Table("service", "part", "state")
    for name, states in parts.items():
        for part, state in states.items():
            table.add_row(name, part, state)
    Console().print(table)
    return 0 if all(not state.startswith("✗") for states in parts.values() for state in states.values()) else 1


async def _ask(addresses: dict[str, str]) -> dict[str, dict[str, str]]:
    async with httpx2.AsyncClient(timeout=_TIMEOUT_SECONDS) as client:
        answers = await asyncio.gather(*(_one(client, address) for address in addresses.values()))
    return dict(zip(addresses, answers, strict=True))


async def _one(client: httpx2.AsyncClient, address: str) -> dict[str, str]:
    try:
        answer = await client.get(f"{address}/health/ready")
        parts = answer.json()["parts"]
    except (httpx2.HTTPError, ValueError, KeyError) as error:
        return {"service": f"✗ does not answer ({type(error).__name__})"}
    return {name: f"{'✓' if part['ready'] else '✗'} {part['state']}" for name, part in parts.items()}
