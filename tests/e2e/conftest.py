"""The running system that the end-to-end tests speak to, as its users do: HTTP, Kafka, and the `kehu` command.

By default it is `kehu up` in a directory of its own. Where KEHU_E2E_COMMAND is the `kehu` command of one that runs
already, it is that one, and KEHU_SERVICES, KEHU_BROKERS and KEHU_SECRETS say where it is (`tests/e2e/on-compose`).
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import shlex
import signal
import sys
from collections.abc import AsyncGenerator, Mapping
from datetime import UTC, datetime
from pathlib import Path

import httpx2
import pytest
import pytest_asyncio
from journeys import POLL_SECONDS, Installation, Journey
from people import World, appoint_seconds

from kehu import calendar
from kehu.ids import new_id
from kehu.remote import KEEP, System, find_addresses
from kehu.scripts import Player, read_script
from kehu.settings import TOKEN_ISSUER
from kehu.supervising import Running

PROJECT = Path(__file__).resolve().parents[2]
COMMAND = "KEHU_E2E_COMMAND"
#: Cold start of database, broker and five services, with the machine busy.
START_SECONDS = 180.0


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """End to end comes last: what it shows is easier to find in the tests before it.

    Of it the scenarios are first, those that move the clock after those that do not; what other tests leave behind
    (people sent away by unwelcome input) is none of theirs.
    """

    def place(item: pytest.Item) -> tuple[bool, bool, bool]:
        path = str(item.path)
        scenario = "/e2e/scenarios/" in path
        return "/e2e/" in path, not scenario, scenario and "clock" in getattr(item, "fixturenames", ())

    items.sort(key=place)


async def _embedded(directory: Path) -> tuple[asyncio.subprocess.Process, Running]:
    with (directory / "up.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "kehu.cli", "up", "--demonstration", cwd=directory, stdout=log, stderr=log
        )
    async with asyncio.timeout(START_SECONDS):
        while (running := Running.read(directory / ".kehu")) is None or not await _ready(running.services):
            assert process.returncode is None, (directory / "up.log").read_text()
            await asyncio.sleep(POLL_SECONDS)
    return process, running


async def _ready(addresses: Mapping[str, str]) -> bool:
    async with httpx2.AsyncClient() as client:
        try:
            answers = [await client.get(f"{address}/health/ready") for address in addresses.values()]
        except httpx2.HTTPError:
            return False
    return all(answer.status_code == httpx2.codes.OK for answer in answers)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def installation(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Installation]:
    """Return the running system with the sample company's people in it."""
    async with httpx2.AsyncClient(timeout=30, limits=KEEP) as client:
        if COMMAND in os.environ:
            issuer = (Path(os.environ["KEHU_SECRETS"]) / TOKEN_ISSUER).read_text()
            system = System(find_addresses(), issuer, client)
            command = tuple(shlex.split(os.environ[COMMAND]))
            yield await _with_people(Installation(system, os.environ["KEHU_BROKERS"], command, PROJECT))
            return
        directory = tmp_path_factory.mktemp("up")
        process, running = await _embedded(directory)
        try:
            system = System(running.services, running.settings().secret(TOKEN_ISSUER), client)
            command = (sys.executable, "-m", "kehu.cli")
            yield await _with_people(Installation(system, running.brokers, command, directory))
        finally:
            process.send_signal(signal.SIGINT)
            await asyncio.wait_for(process.wait(), START_SECONDS)


async def _with_people(installation: Installation) -> Installation:
    player = Player(installation.system, calendar.today(datetime.now(UTC)), lambda _: None)
    await player.play("01-people", read_script(PROJECT / "samples" / "01-people.json"))
    return installation


@pytest.fixture
def journey(installation: Installation, request: pytest.FixtureRequest) -> Journey:
    """Return a customer that no other test knows, before first contact."""
    digest = hashlib.sha256(f"{request.node.name}{new_id()}".encode()).hexdigest()
    return Journey(installation, int(digest, 16) % 10_000_000)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def company(installation: Installation) -> Installation:
    """Return the running system with enough people for every separation of duties."""
    await appoint_seconds(installation)
    return installation


@pytest.fixture
async def world(company: Installation) -> World:
    """Return a department of the scenario's own, with its people."""
    return await World(company).opens()


@pytest.fixture
def clock(company: Installation) -> Installation:
    """Return the system for a scenario that lets time pass; such scenarios come last (the clock never goes back)."""
    return company
