"""Fixtures of the fault tests."""

from __future__ import annotations

import os
import random
from collections.abc import AsyncGenerator, Callable

import pytest
from crossing import Crossing, Toll, crossing

from kehu.testing.pair import PAIR
from kehu.testing.platform import Platform

SEED = "KEHU_TEST_SEED"


@pytest.fixture
async def facts(platform: Platform) -> AsyncGenerator[Crossing]:
    """The pair on a fresh database and an empty broker."""
    fresh = await platform.postgres.create_database(services=PAIR)
    await platform.empty_kafka()
    async with crossing(platform.settings(fresh.database_name)) as pair:
        yield pair
    await platform.postgres.drop_database(fresh)


@pytest.fixture
def chance(request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]) -> random.Random:
    """What is left to chance in a fault: another course in every run, unless KEHU_TEST_SEED repeats one."""
    seed = int(os.environ.get(SEED, "0")) or random.SystemRandom().randrange(1, 2**32)
    with capsys.disabled():
        print(f"\n{request.node.name}: {SEED}={seed} repeats it")
    return random.Random(seed)  # noqa: S311 - the same course again, when something is found


@pytest.fixture
def tell(request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]) -> Callable[[Toll], None]:
    """Print what a fault cost, also where pytest keeps other output back."""

    def print_toll(toll: Toll) -> None:
        with capsys.disabled():
            print(f"\n{request.node.name}: {toll}")

    return print_toll
