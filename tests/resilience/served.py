"""The pair as service processes, whole as in production: `python served.py SERVICE [STEP TIMES]`.

Both are `kehu.running.serve` with everything that it starts. The maker takes things by HTTP, so that whoever writes
needs no database. With a step, the process asks itself to stop (SIGTERM) in the middle of its work, when it comes to
that step for the so manieth time.
"""

from __future__ import annotations

import asyncio
import functools
import os
import signal
import sys
from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Header, Request
from pydantic import BaseModel

from kehu.commands import Idempotency
from kehu.deciding import Context, Decision, system_actor
from kehu.logs import configure_logs
from kehu.parts import Running
from kehu.receiving import FactEffects
from kehu.running import serve
from kehu.service import Feature
from kehu.settings import Settings
from kehu.testing.pair import COUNTER, MAKER, THING, ThingMade
from kehu.topic_writer import TopicWriter

#: In the middle of what it is asked to stop.
STEPS: dict[str, tuple[type, str]] = {
    "a batch is decided and not committed": (FactEffects, "decide"),
    "a round is prepared and not sent": (TopicWriter, "prepare"),
}

router = APIRouter()


class Made(BaseModel):
    """The next thing of its kind."""

    number: int


@router.post("/things/{thing}", status_code=201)
async def make_thing(
    thing: str, body: Made, request: Request, idempotency_key: Annotated[str, Header()]
) -> dict[str, int]:
    """Make a thing, once per key."""
    running: Running = request.app.state.running
    context = Context(actor=system_actor(MAKER.name, "http"), now=running.clock.now())
    fact = ThingMade(thing=thing, number=body.number, box=f"box-{thing}")

    def make(_state: None, _context: Context) -> Decision:
        return Decision([fact])

    done = await running.commands.handle(
        THING,
        thing,
        make,
        context,
        must_exist=False,
        idempotency=Idempotency.of(MAKER.name, context.actor.id, idempotency_key, await request.body()),
    )
    return {"version": done.version}


SERVED = {
    MAKER.name: replace(MAKER, features=[*MAKER.features, Feature("by-http", router=router)]),
    COUNTER.name: COUNTER,
}


def stop_in_the_middle(owner: type, name: str, times: int) -> None:
    """Have the process ask itself to stop when a method has been called so many times."""
    original = getattr(owner, name)
    left = times

    @functools.wraps(original)
    def asking(*args: Any, **kwargs: Any) -> Any:
        nonlocal left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGTERM)
        return original(*args, **kwargs)

    setattr(owner, name, asking)


def main() -> None:
    """Serve until told to stop."""
    name, *step = sys.argv[1:]
    settings = Settings()
    configure_logs(settings.log_level, name)
    if step:
        stop_in_the_middle(*STEPS[step[0]], int(step[1]))
    asyncio.run(serve(SERVED[name], settings))


if __name__ == "__main__":
    main()
