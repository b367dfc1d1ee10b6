"""Kafka and PostgreSQL restarted in the middle of work, on docker compose: nothing is lost and nothing counts twice."""

from __future__ import annotations

import asyncio
import os

import httpx2
import pytest
from journeys import G, Installation, Journey, R

from kehu.ids import new_id

pytestmark = pytest.mark.skipif(
    not os.environ.get("KEHU_E2E_COMPOSE"),
    reason="restarts containers, so it needs the docker compose system (tests/e2e/on-compose)",
)

CUSTOMERS = 6


async def _compose(*arguments: str) -> None:
    process = await asyncio.create_subprocess_exec("docker", "compose", *arguments)
    assert await process.wait() == 0


@pytest.mark.parametrize("part", ["kafka", "postgres"])
async def test_a_restart_in_the_middle_loses_nothing(installation: Installation, part: str) -> None:
    journeys = [Journey(installation, int(new_id().hex[-6:], 16) % 10_000_000) for _ in range(CUSTOMERS)]
    for journey in journeys:
        await journey.drafted()
        await journey.step("li", "submit")
    restarting = asyncio.create_task(_compose("restart", part))
    for journey in journeys:
        await _pass_whatever_happens(installation, journey)
    await restarting
    for journey in journeys:
        grade = await installation.eventually("market", G, f"/grades/{journey.customer}", number=journey.number)
        assert grade["official"] == "C"
    listed = await installation.eventually(
        "market", G, "/grades?limit=200", items=[{"number": journey.number} for journey in journeys]
    )
    numbers = [row["number"] for row in listed["items"]]
    assert len(numbers) == len(set(numbers))


async def _pass_whatever_happens(at: Installation, journey: Journey) -> None:
    """Pass a dossier as a careful client does: the same idempotency key until there is an answer."""
    path = f"/dossiers/{journey.customer}"
    key = {"Idempotency-Key": f"restart-{journey.customer}"}
    async with asyncio.timeout(120):
        while True:
            try:
                answer = await at.post("zhao", R, f"{path}/pass", edits=path, **key)
            except (httpx2.HTTPError, KeyError):
                await asyncio.sleep(0.5)
                continue
            if answer.status_code == httpx2.codes.OK:
                return
            assert answer.status_code >= httpx2.codes.INTERNAL_SERVER_ERROR, answer.text
            await asyncio.sleep(0.5)
