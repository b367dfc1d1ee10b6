"""Faults of a real Kafka: it goes away and comes back, with its data and without."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from crossing import Crossing, Toll, until

from kehu import relay as relay_module
from kehu.relay import Relay
from kehu.testing.platform import Platform

pytestmark = pytest.mark.real_kafka


async def test_a_kafka_that_restarts_and_then_loses_its_disk_is_filled_again(
    facts: Crossing, real_kafka: Platform, tell: Callable[[Toll], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Facts are committed all the while: the store needs no broker."""
    monkeypatch.setattr(relay_module, "CHECK_SECONDS", 1.0)
    monkeypatch.setattr(relay_module, "LONGEST_BACK_OFF_SECONDS", 1.0)
    async with facts.relaying() as relay, facts.consuming():
        await facts.write_round()
        await until(facts.complete, "the first facts arrive")
        await real_kafka.stop_kafka()
        for _ in range(10):
            await facts.write_round()
        await real_kafka.start_kafka()
        await facts.write_round()
        await until(facts.complete, "what was committed without a broker arrives")
        assert relay.resets == 0
        await real_kafka.restart_kafka(wipe=True)
        await until(lambda: _has_reset(relay), "the relay sees that everything is gone")
        for _ in range(10):
            await facts.write_round()
        toll = await facts.settle()
    tell(toll)
    assert toll.nothing
    assert toll.pushed == 22 * 20


async def _has_reset(relay: Relay) -> bool:
    return relay.resets > 0
