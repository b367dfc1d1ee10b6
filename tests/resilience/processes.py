"""Processes of the pair for the fault tests: started, waited for, and at the latest ended with the test."""

from __future__ import annotations

import asyncio
import os
import sys
from asyncio.subprocess import PIPE, STDOUT, Process
from collections import Counter
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2
from crossing import Crossing, until

from kehu.processes import free_port
from kehu.service import Service
from kehu.settings import Settings
from kehu.supervising.services import variables
from kehu.testing.pair import MAKER

_HERE = Path(__file__).parent
#: Until a test ends it from outside.
FOR_EVER = 1_000_000_000


@asynccontextmanager
async def mortal(facts: Crossing, role: str, step: str, times: int) -> AsyncGenerator[Process]:
    """A relay or consumer alone (`mortal.py`), which kills itself after a step."""
    arguments = (str(_HERE / "mortal.py"), facts.settings.model_dump_json(), role, step, str(times))
    process = await asyncio.create_subprocess_exec(sys.executable, *arguments, stdout=PIPE)
    try:
        assert process.stdout is not None
        assert await process.stdout.readline() == b"ready\n"
        yield process
    finally:
        await _end(process)


@dataclass(frozen=True, slots=True)
class Served:
    """A service as a process."""

    process: Process
    http: httpx2.AsyncClient
    log: Path

    async def ready(self) -> bool:
        """Whether all its parts are."""
        try:
            return (await self.http.get("/health/ready")).status_code == httpx2.codes.OK
        except httpx2.HTTPError:
            assert self.process.returncode is None, self.log.read_text()
            return False


@asynccontextmanager
async def service_process(
    command: Sequence[str], settings: Settings, log: Path, environment: Mapping[str, str]
) -> AsyncGenerator[Served]:
    """A service as a process, ready; it finds everything by its variables."""
    at = settings.model_copy(update={"port": free_port()})
    with log.open("ab") as output:
        process = await asyncio.create_subprocess_exec(
            *command, stdout=output, stderr=STDOUT, env={**os.environ, **variables(at), **environment}
        )
    try:
        async with httpx2.AsyncClient(base_url=f"http://{at.host}:{at.port}", timeout=30) as http:
            served = Served(process, http, log)
            await until(served.ready, f"{command[-1]} is ready (its log is {log})")
            yield served
    finally:
        await _end(process)


def serving(
    settings: Settings, service: Service, log: Path, *step: str, environment: Mapping[str, str] | None = None
) -> AbstractAsyncContextManager[Served]:
    """One of the pair as in production (`served.py`); with a step it asks itself to stop in the middle of it."""
    command = (sys.executable, str(_HERE / "served.py"), service.name, *step)
    return service_process(command, settings, log, environment or {})


async def _end(process: Process) -> None:
    if process.returncode is None:
        process.kill()
    await process.wait()


async def make_by_http(facts: Crossing, maker: Served, thing: str, told: Counter[str] | None = None) -> None:
    """Commit the next fact of a thing through the maker's process, as a careful client does: under one key until it is
    done.

    Args:
        facts: notes what is committed.
        maker: the process.
        thing: which one.
        told: takes the codes of the problems that it was answered meanwhile, "" where there was no answer.

    """
    number = facts.written.get(thing, 0) + 1
    told = Counter() if told is None else told

    async def made() -> bool:
        try:
            answer = await maker.http.post(
                f"/things/{thing}", json={"number": number}, headers={"Idempotency-Key": f"{thing}/{number}"}
            )
        except httpx2.HTTPError:
            told[""] += 1
            return False
        if answer.status_code != httpx2.codes.CREATED:
            told[answer.json()["code"]] += 1
        return answer.status_code == httpx2.codes.CREATED

    await until(made, f"{MAKER.name} takes the fact {number} of {thing}")
    facts.written[thing] = number
