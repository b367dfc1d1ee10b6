"""A service as a whole: put together, ready when its parts are, ended in order; here and in a process of its own."""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncGenerator, Callable
from dataclasses import replace
from functools import partial
from typing import Any

import asyncpg
import httpx2
import pytest
import pytest_asyncio

from kehu.deciding import Context, Decision, system_actor
from kehu.loops import Loop
from kehu.parts import NotMigratedError, RestoredLogError, connect
from kehu.processes import free_port
from kehu.running import Assembly, assemble
from kehu.settings import OWNER_ROLE, Settings
from kehu.supervising.services import variables
from kehu.testing.pair import COUNTER, MAKER, PAIR, THING, ThingMade
from kehu.testing.platform import Platform

_PATIENCE_SECONDS = 60
_STOP_SECONDS = 15

_SERVE = """
import asyncio
from kehu.logs import configure_logs
from kehu.running import serve
from kehu.settings import Settings
from kehu.testing.pair import MAKER
configure_logs("INFO", MAKER.name)
asyncio.run(serve(MAKER, Settings()))
"""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def pair(platform: Platform) -> AsyncGenerator[Settings]:
    await platform.empty_kafka()
    settings = await platform.postgres.create_database(services=PAIR)
    yield platform.settings(settings.database_name)
    await platform.postgres.drop_database(settings)


async def until(true: Callable[[], Any], what: str) -> Any:
    """Wait until something holds, asked again and again."""
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            while True:
                found = true()
                if asyncio.iscoroutine(found):
                    found = await found
                if found:
                    return found
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise AssertionError(f"It did not come to be: {what}.") from None


async def ready(assembly: Assembly) -> bool:
    return all(part.ready for part in (await assembly.health()).values())


async def make(assembly: Assembly, thing: str, number: int) -> None:
    context = Context(actor=system_actor("test", "make"), now=assembly.running.clock.now())
    fact = ThingMade(thing=thing, number=number)
    await assembly.running.commands.handle(
        THING, thing, lambda _state, _context: Decision([fact]), context, must_exist=False
    )


async def test_a_fact_of_one_service_has_its_effect_in_another(pair: Settings) -> None:
    async with assemble(MAKER, pair) as maker, assemble(COUNTER, pair) as counter:
        parts = await maker.health()
        assert not parts["relay"].ready, parts
        await maker.start()
        await counter.start()
        await until(lambda: ready(maker), "the maker is ready")
        await until(lambda: ready(counter), "the counter is ready")
        for number in range(1, 21):
            await make(maker, "t-1", number)
        seen = "SELECT last_number = 20 FROM things WHERE thing = 't-1'"
        counted = partial(counter.running.pool.fetchval, seen)
        await until(counted, "the counter's view has all")
        async with asyncio.timeout(_STOP_SECONDS):
            await maker.stop()
            await counter.stop()
        assert not await ready(maker)


async def test_readiness_says_which_part_is_missing(pair: Settings) -> None:
    nowhere = pair.model_copy(update={"brokers": f"127.0.0.1:{free_port()}"})
    async with assemble(COUNTER, nowhere) as counter:
        await counter.start()
        transport = httpx2.ASGITransport(app=counter.app)
        async with httpx2.AsyncClient(transport=transport, base_url="http://kehu") as http:
            await until(lambda: counter.running.follower.healthy, "the follower follows")
            answer = await http.get("/health/ready")
        assert (answer.status_code, answer.json()["status"]) == (503, "not ready")
        parts = answer.json()["parts"]
        assert not parts["consumers"]["ready"]
        assert parts["database"]["ready"]
        assert parts["follower"]["ready"]
        async with asyncio.timeout(_STOP_SECONDS):
            await counter.stop()


async def test_a_loop_that_fails_is_started_again_and_unready_meanwhile() -> None:
    runs = 0
    failed = asyncio.Event()

    async def work() -> None:
        nonlocal runs
        runs += 1
        if runs == 1:
            failed.set()
            raise RuntimeError("a fault")
        await asyncio.Event().wait()

    loop = Loop("tested", work)
    loop.start()
    await failed.wait()
    await until(lambda: not loop.ready, "it says that it failed")
    assert "RuntimeError: a fault" in loop.state
    await until(lambda: loop.ready and runs == 2, "it runs again")
    await loop.stop(1)


async def test_a_loop_without_work_is_ready() -> None:
    async def work() -> None:
        """Nothing to do."""

    loop = Loop("tested", work)
    loop.start()
    await until(lambda: loop.state == "nothing to do", "it says so")
    assert loop.ready
    await loop.stop(1)


async def test_a_database_without_the_service_is_told(pair: Settings) -> None:
    stranger = replace(MAKER, name="vetting")
    with pytest.raises(NotMigratedError, match="kehu migrate"):
        async with connect(stranger, pair):
            pass


async def test_a_log_from_the_future_is_refused(platform: Platform) -> None:
    settings = await platform.postgres.create_database(services=PAIR)
    async with assemble(MAKER, platform.settings(settings.database_name)) as maker:
        await make(maker, "t-1", 1)
    owner = await asyncpg.connect(**settings.connection(OWNER_ROLE))
    # What loading a logical dump into a younger server comes to.
    await owner.execute("ALTER TABLE event_store.events DISABLE TRIGGER USER")
    await owner.execute("UPDATE event_store.events SET tx = '999999999999'")
    await owner.close()
    with pytest.raises(RestoredLogError, match="kehu restore"):
        async with connect(MAKER, settings):
            pass
    await platform.postgres.drop_database(settings)


async def test_a_process_answers_logs_in_json_and_ends_on_sigterm(pair: Settings) -> None:
    settings = pair.model_copy(update={"port": free_port()})
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        _SERVE,
        env={**os.environ, **variables(settings)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{settings.port}", trust_env=False) as http:

            async def answers() -> bool:
                assert process.returncode is None, await process.communicate()
                try:
                    return (await http.get("/health/ready")).status_code == 200
                except httpx2.HTTPError:
                    return False

            await until(answers, "the process is ready")
            assert (await http.get("/nothing")).json()["code"] == "not-found"
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(_STOP_SECONDS):
            output, errors = await process.communicate()
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
    assert (process.returncode, errors) == (0, b"")
    lines = [json.loads(line) for line in output.splitlines()]
    assert {line["service"] for line in lines} == {MAKER.name}
    assert [line["event"] for line in lines][-1] == "service.stopped"
    assert any(line["event"] == "http.answered" and line["correlation"] for line in lines)
