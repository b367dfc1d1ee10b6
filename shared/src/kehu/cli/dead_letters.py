"""`kehu dead-letters`: messages that could not have their effect."""

from __future__ import annotations

import asyncio
import getpass
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Annotated, Any

import cyclopts
from cyclopts import Parameter
from rich.console import Console
from rich.table import Table

from kehu.cli.session import CommandFailed, explain, find_settings, named_service
from kehu.parking import DeadLetter

app = cyclopts.App(
    name="dead-letters",
    help="死信。Messages that a service had to set aside, with those that wait behind them: look, replay, discard.",
)


@app.command(name="list")
def list_letters(
    service: str,
    /,
    *,
    topic: str | None = None,
    json_lines: Annotated[bool, Parameter("--json", negative="")] = False,
) -> None:
    """列出死信。List what is set aside, by topic and key, in order of arrival.

    Args:
        service: The service that set them aside.
        topic: Only messages of this topic.
        json_lines: One JSON object a line.

    """
    letters = asyncio.run(_list(service, topic))
    if json_lines:
        for letter in letters:
            print(json.dumps(_plain(letter), ensure_ascii=False))
        return
    console = Console()
    if not letters:
        console.print(f"{service}: 没有死信。Nothing is set aside.", highlight=False)
        return
    table = Table("id", "topic", "key", "message", "since", "why")
    for letter in letters:
        why = letter.error or "waits behind the one before"
        table.add_row(str(letter.id), letter.topic, letter.key, letter.message, f"{letter.parked_at:%F %T}", why)
    console.print(table)


@app.command
def show(service: str, letter: int, /) -> None:
    """查看死信。Show one message as it came; personal fields stay sealed.

    Args:
        service: The service that set them aside.
        letter: Its id, from the list.

    """
    found, value = asyncio.run(_show(service, letter))
    print(json.dumps({**_plain(found), **value}, ensure_ascii=False, indent=2))


@app.command
def replay(service: str, topic: str, key: str, /) -> int:
    """重放死信。Put the messages set aside under a key through again, in order, until one fails.

    Args:
        service: The service that set them aside.
        topic: The topic they came on.
        key: Their Kafka key, from the list.

    """
    done, error = asyncio.run(_replay(service, topic, key))
    console = Console(stderr=error is not None)
    console.print(f"已重放 {done} 条。{done} replayed.", highlight=False)
    if error is None:
        return 0
    told = explain(error) or type(error).__name__
    console.print(f"下一条仍然失败。The next one fails still: {told}", markup=False, highlight=False)
    return 1


@app.command
def discard(service: str, letter: int, /, *, reason: str) -> None:
    """放弃死信。Give one message up for good. Who and why is recorded as a fact, and its stream goes on after it.

    Args:
        service: The service that set them aside.
        letter: Its id, from the list.
        reason: Why it may be given up.

    """
    asyncio.run(_discard(service, letter, reason))
    Console().print(f"已放弃 {letter}。Discarded.", highlight=False)


@asynccontextmanager
async def _assembled(service: str) -> AsyncGenerator[Any]:
    """The service's consumers, with nothing started: replaying goes the same way as a message from Kafka."""
    from kehu.running import assemble  # noqa: PLC0415 - loads the whole platform, which a wrong name need not

    found = named_service(service)
    async with assemble(found, find_settings()) as assembly:
        yield assembly


async def _list(service: str, topic: str | None) -> list[DeadLetter]:
    async with _assembled(service) as assembly:
        letters: list[DeadLetter] = await assembly.consumers.dead_letters.list(topic)
        return letters


async def _show(service: str, letter: int) -> tuple[DeadLetter, dict[str, Any]]:
    async with _assembled(service) as assembly:
        found, record = await assembly.consumers.dead_letters.show(letter)
    headers = {name: _text(value) for name, value in record.headers}
    return found, {"headers": headers, "value": _text(record.value)}


async def _replay(service: str, topic: str, key: str) -> tuple[int, Exception | None]:
    async with _assembled(service) as assembly:
        before = len(await assembly.consumers.dead_letters.list(topic, key))
        if not before:
            raise CommandFailed(
                f"没有这样的死信。Nothing is set aside under {topic} {key}; see `kehu dead-letters list`."
            )
        try:
            return await assembly.consumers.dead_letters.replay(topic, key), None
        except Exception as error:  # noqa: BLE001 - whatever it was, it is what keeps the message from its effect
            left = len(await assembly.consumers.dead_letters.list(topic, key))
            return before - left, error


async def _discard(service: str, letter: int, reason: str) -> None:
    async with _assembled(service) as assembly:
        actor = f"operator:{getpass.getuser()}"
        now = assembly.running.clock.now()
        await assembly.consumers.dead_letters.discard(letter, actor=actor, reason=reason, now=now)


def _text(value: bytes | None) -> Any:
    if value is None:
        return None
    text = value.decode("utf-8", errors="replace")
    try:
        return json.loads(text)
    except ValueError:
        return text


def _plain(letter: DeadLetter) -> dict[str, Any]:
    return {
        "id": letter.id,
        "topic": letter.topic,
        "key": letter.key,
        "message": letter.message,
        "stream": letter.stream,
        "sequence": letter.sequence,
        "partition": letter.partition,
        "offset": letter.offset,
        "error": letter.error,
        "parked_at": letter.parked_at.isoformat(),
    }
