"""A process of the pair that kills itself at a step of its work: `python mortal.py SETTINGS ROLE STEP TIMES`.

It says `ready` on its output before it begins. SIGKILL leaves it no time for anything, wherever it stands.
"""

from __future__ import annotations

import asyncio
import functools
import os
import signal
import sys
from typing import Any

from aiokafka import AIOKafkaProducer

from kehu import consuming
from kehu.event_store import EventStore
from kehu.receiving import FactEffects, Receiver
from kehu.relay import Relay
from kehu.settings import Settings
from kehu.testing.pair import COUNTER, MAKER, member
from kehu.topic_writer import TopicWriter

#: What has just been done when it dies.
RELAY_STEPS: dict[str, tuple[type, str]] = {
    "a page is read": (EventStore, "read_log"),
    "a batch is on its way": (AIOKafkaProducer, "send_batch"),
    "everything is acknowledged": (TopicWriter, "send"),
    "the cursor is saved": (Relay, "_round"),
}
CONSUMER_STEPS: dict[str, tuple[type, str]] = {
    "it is decided": (FactEffects, "decide"),
    "the effect is committed": (Receiver, "receive"),
    "the offsets are committed": (consuming._Delivered, "ack"),
}
#: The least that Kafka allows: so soon the others hear that a member of their group is dead.
SESSION_TIMEOUT_MS = 6_000


def die_after(owner: type, name: str, times: int) -> None:
    """Have the process killed when a method has returned so many times."""
    original = getattr(owner, name)
    left = times

    @functools.wraps(original)
    async def mortal(*args: Any, **kwargs: Any) -> Any:
        nonlocal left
        result = await original(*args, **kwargs)
        left -= 1
        if left <= 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    setattr(owner, name, mortal)


async def relay(settings: Settings) -> None:
    """Relay the maker's facts."""
    async with member(MAKER, settings) as maker:
        print("ready", flush=True)
        await Relay(MAKER, maker.store, settings).run()


async def consume(settings: Settings) -> None:
    """Consume them in the counter."""
    subscriber = consuming.KafkaBroker.subscriber
    consuming.KafkaBroker.subscriber = functools.partialmethod(subscriber, session_timeout_ms=SESSION_TIMEOUT_MS)
    async with member(COUNTER, settings) as counter:
        print("ready", flush=True)
        await counter.consumers().start()
        await asyncio.Event().wait()


def main() -> None:
    """Run until death."""
    text, role, step, times = sys.argv[1:]
    settings = Settings.model_validate_json(text)
    steps, work = (RELAY_STEPS, relay) if role == "relay" else (CONSUMER_STEPS, consume)
    die_after(*steps[step], int(times))
    asyncio.run(work(settings))


if __name__ == "__main__":
    main()
