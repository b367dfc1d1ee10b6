"""`kehu tail`: facts as they pass through Kafka."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import entry_points
from typing import Annotated, Any
from uuid import UUID

from aiokafka import AIOKafkaConsumer
from cyclopts import Parameter
from rich.console import Console
from rich.text import Text

from kehu.auditing import masked
from kehu.calendar import SHANGHAI
from kehu.cli.session import CommandFailed, find_settings
from kehu.envelope import Envelope, NotAnEnvelope, from_record
from kehu.settings import Settings

_COLOURS = ("cyan", "green", "yellow", "magenta", "blue", "bright_red", "bright_cyan", "bright_green")
#: How often a person who has pressed Ctrl-C is listened to while nothing passes.
_POLL_MS = 200


def tail(
    *,
    service: str | None = None,
    type: str | None = None,  # noqa: A002 - the option's name
    customer: str | None = None,
    correlation: UUID | None = None,
    from_beginning: Annotated[bool, Parameter(negative="")] = False,
    as_json: Annotated[bool, Parameter("--json", negative="")] = False,
    count: int | None = None,
) -> None:
    """实时查看事实。Show facts as they pass through Kafka, until Ctrl-C. Personal values are masked.

    Args:
        service: Only facts of this service.
        type: Only facts whose name contains this, such as Visit.
        customer: Only facts about this customer (its id).
        correlation: Only what follows from this request.
        from_beginning: Everything since the first fact, then what comes.
        as_json: One CloudEvent as a JSON object a line.
        count: End after so many.

    """
    names = sorted(point.name for point in entry_points(group="kehu.services"))
    if service is not None and service not in names:
        raise CommandFailed(f"没有这个服务。No service is called {service}; there are {', '.join(names)}.")
    topics = [f"kehu.{name}" for name in ([service] if service else names)]

    def wanted(envelope: Envelope) -> bool:
        return (
            (type is None or type.lower() in envelope.type.lower())
            and (customer is None or envelope.key == customer)
            and (correlation is None or envelope.correlation == correlation)
        )

    colours = {name: _COLOURS[index % len(_COLOURS)] for index, name in enumerate(names)}
    console = Console(soft_wrap=True)

    def show(envelope: Envelope) -> None:
        if as_json:
            print(json.dumps(cloud_event(envelope), ensure_ascii=False), flush=True)
        else:
            console.print(line(envelope, colours.get(envelope.service, "white")))

    try:
        asyncio.run(_follow(find_settings(), topics, wanted, show, from_beginning=from_beginning, count=count))
    except KeyboardInterrupt:
        return


async def _follow(
    settings: Settings,
    topics: list[str],
    wanted: Callable[[Envelope], bool],
    show: Callable[[Envelope], None],
    *,
    from_beginning: bool,
    count: int | None,
) -> None:
    consumer = AIOKafkaConsumer(
        *topics,
        bootstrap_servers=settings.brokers,
        group_id=None,
        auto_offset_reset="earliest" if from_beginning else "latest",
        fetch_max_wait_ms=settings.fetch_max_wait_ms,
    )
    shown = 0
    try:
        await consumer.start()
        while count is None or shown < count:
            for records in (await consumer.getmany(timeout_ms=_POLL_MS)).values():
                for record in records:
                    try:
                        envelope = from_record(record.key, record.value, record.headers)
                    except NotAnEnvelope as error:
                        Console(stderr=True).print(f"{record.topic} {record.partition}/{record.offset}: {error.en}")
                        continue
                    if wanted(envelope) and (count is None or shown < count):
                        shown += 1
                        show(envelope)
    finally:
        await consumer.stop()


def line(envelope: Envelope, colour: str) -> Text:
    """A fact on one line: when, which service, what, under which clause, by whom, about what, and its data."""
    when = (envelope.time or datetime.now(UTC)).astimezone(SHANGHAI)
    text = Text(f"{when:%H:%M:%S} ", style="dim")
    text.append(f"{envelope.service:<17} ", style=colour)
    text.append(envelope.type.removeprefix("kehu."), style="bold")
    if envelope.clause:
        text.append(f" {envelope.clause}", style="yellow")
    text.append(f" {envelope.actor} {envelope.subject}#{envelope.sequence} ", style="dim")
    text.append(json.dumps(_data(envelope), ensure_ascii=False))
    return text


def cloud_event(envelope: Envelope) -> dict[str, Any]:
    """A fact as a CloudEvent in structured mode, personal values masked."""
    return {
        "specversion": "1.0",
        "id": envelope.id,
        "source": envelope.source,
        "type": envelope.type,
        "subject": envelope.subject,
        "time": envelope.time.isoformat() if envelope.time else None,
        "occurredat": envelope.occurred_at.isoformat() if envelope.occurred_at else None,
        "correlationid": str(envelope.correlation) if envelope.correlation else None,
        "causationid": str(envelope.causation) if envelope.causation else None,
        "actor": envelope.actor,
        "clause": envelope.clause,
        "sequence": envelope.sequence,
        "data": _data(envelope),
    }


def _data(envelope: Envelope) -> Any:
    return masked(json.loads(envelope.data))
