"""`kehu audit`: the history behind anything that is shown."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable, Sequence
from datetime import date, datetime, timedelta
from typing import Annotated, Any, TypeVar
from uuid import UUID

import cyclopts
from cyclopts import Parameter
from cyclopts.validators import Number
from rich.console import Console
from rich.text import Text
from rich.tree import Tree

from kehu.auditing import USUAL, Audit, Branch, Entry, auditing
from kehu.calendar import SHANGHAI, end_of_day
from kehu.cli.session import CommandFailed, find_settings

T = TypeVar("T")

app = cyclopts.App(
    name="audit",
    help="审计。Who did what, when, and why: from the log itself, across all services. Personal values are masked.",
)

_MOST = 100_000
_DAY = len("2026-11-24")

Json = Annotated[bool, Parameter("--json", negative="")]
Limit = Annotated[int, Parameter(validator=Number(gte=1, lte=_MOST))]


@app.command
def customer(customer: str, /, *, as_of: str | None = None, limit: Limit = USUAL, as_json: Json = False) -> None:
    """客户的历史。Everything recorded about a customer, in all services.

    Args:
        customer: Its id, as in the address of its dossier.
        as_of: Only what had been recorded by then: 2026-11-24 (its end) or 2026-11-24T09:30, Shanghai time.
        limit: The latest so many facts.
        as_json: JSON, one object a line.

    """
    _show(_ask(lambda audit: audit.customer(customer, as_of=moment(as_of), limit=limit)), as_json=as_json)


@app.command
def actor(actor: str, /, *, as_of: str | None = None, limit: Limit = USUAL, as_json: Json = False) -> None:
    """某人所办。Everything that a person recorded, or a part of the system.

    Args:
        actor: A person's id, or system:<service>/<part>.
        as_of: Only what had been recorded by then: 2026-11-24 (its end) or 2026-11-24T09:30, Shanghai time.
        limit: The latest so many facts.
        as_json: JSON, one object a line.

    """
    _show(_ask(lambda audit: audit.actor(actor, as_of=moment(as_of), limit=limit)), as_json=as_json)


@app.command
def fact(fact: UUID, /, *, as_of: str | None = None, limit: Limit = USUAL, as_json: Json = False) -> None:
    """事实的前因后果。One fact: what led to it, and what it led to.

    Args:
        fact: Its id.
        as_of: Only what had been recorded by then: 2026-11-24 (its end) or 2026-11-24T09:30, Shanghai time.
        limit: The latest so many facts.
        as_json: JSON, one object a line.

    """
    causes, branch = _ask(lambda audit: audit.fact(fact, as_of=moment(as_of), limit=limit))
    if as_json:
        print(json.dumps({"causes": [entry.plain() for entry in causes], "fact": branch.plain()}, ensure_ascii=False))
        return
    for cause in reversed(causes):
        branch = Branch(cause, (branch,))
    Console().print(_grown(branch))


@app.command
def correlation(correlation: UUID, /, *, as_of: str | None = None, limit: Limit = USUAL, as_json: Json = False) -> None:
    """一次请求的全部后果。Everything that one request led to, in all services.

    Args:
        correlation: From the answer's X-Correlation-Id, an error message, or a log line.
        as_of: Only what had been recorded by then: 2026-11-24 (its end) or 2026-11-24T09:30, Shanghai time.
        limit: The latest so many facts.
        as_json: JSON, one object a line.

    """
    branches = _ask(lambda audit: audit.correlation(correlation, as_of=moment(as_of), limit=limit))
    if as_json:
        for branch in branches:
            print(json.dumps(branch.plain(), ensure_ascii=False))
        return
    _say_if_empty(branches)
    for branch in branches:
        Console().print(_grown(branch))


@app.command
def window(
    *,
    from_: Annotated[str, Parameter("--from")],
    to: str,
    type_: Annotated[str | None, Parameter("--type")] = None,
    actor: str | None = None,
    after: UUID | None = None,
    limit: Limit = USUAL,
    as_json: Json = False,
) -> None:
    """一段时间内的记录。What was recorded in a window of time, in all services, page by page.

    Args:
        from_: Its beginning: 2026-11-24 (0:00) or 2026-11-24T09:30, Shanghai time.
        to: Its end: 2026-11-24 (24:00) or 2026-11-24T09:30.
        type_: Only facts of this name, such as CustomerRegistered.
        actor: Only what this person recorded, or system:<service>/<part>.
        after: The last fact of the page before; the next page is what follows it.
        limit: Facts of a page.
        as_json: JSON, one object a line.

    """
    since, until = start(from_), required(to)
    if until <= since:
        raise CommandFailed("结束时间应晚于开始时间。The end of the window must be after its beginning.", 2)
    found = _ask(lambda audit: audit.window(since, until, type_name=type_, actor=actor, after=after, limit=limit))
    _show(found, as_json=as_json)
    if len(found) == limit:
        print(f"可能还有更多。There may be more: repeat it with --after {found[-1].id}", file=sys.stderr)


def start(text: str) -> datetime:
    """The moment from which a person means: a day is meant from its beginning.

    Raises:
        CommandFailed: it is no time.

    """
    meant = required(text)
    return meant - timedelta(days=1) if len(text) == _DAY else meant


def required(text: str) -> datetime:
    """See `moment`."""
    meant = moment(text)
    if meant is None:
        raise CommandFailed("请写明时间。Say from when to when.", 2)
    return meant


def moment(text: str | None) -> datetime | None:
    """The moment that a person means: a day is meant to its end; times without a zone are Shanghai's.

    Raises:
        CommandFailed: it is no time.

    """
    if text is None:
        return None
    try:
        if len(text) == _DAY:
            return end_of_day(date.fromisoformat(text))
        found = datetime.fromisoformat(text)
    except ValueError:
        raise CommandFailed(f"时间写法有误。{text!r} is no time: write 2026-11-24 or 2026-11-24T09:30.", 2) from None
    return found if found.tzinfo else found.replace(tzinfo=SHANGHAI)


def _ask(question: Callable[[Audit], Awaitable[T]]) -> T:
    async def ask() -> T:
        async with auditing(find_settings()) as audit:
            return await question(audit)

    return asyncio.run(ask())


def _show(entries: Sequence[Entry], *, as_json: bool) -> None:
    if as_json:
        for entry in entries:
            print(json.dumps(entry.plain(), ensure_ascii=False))
        return
    _say_if_empty(entries)
    console = Console()
    for entry in entries:
        console.print(line(entry), soft_wrap=True)


def _say_if_empty(found: Sequence[Any]) -> None:
    if not found:
        raise CommandFailed("没有记录。Nothing is recorded under that.")


def line(entry: Entry) -> Text:
    """A fact on one line: when, what, under which clause, by whom, where, and its data."""
    recorded = entry.recorded_at.astimezone(SHANGHAI)
    text = Text(f"{recorded:%Y-%m-%d %H:%M:%S} ", style="dim")
    text.append(entry.name, style="bold cyan")
    if entry.clause:
        text.append(f" {entry.clause}", style="yellow")
    text.append(f" {entry.actor}", style="green" if not entry.actor.startswith("system:") else "magenta")
    text.append(f" {entry.stream}@{entry.version}", style="dim")
    # Told only where it differs by more than the work of recording takes.
    if abs((entry.recorded_at - entry.occurred_at).total_seconds()) > 1:
        text.append(f" 发生于 occurred {entry.occurred_at.astimezone(SHANGHAI):%Y-%m-%d %H:%M:%S}", style="red")
    text.append(" " + json.dumps(entry.data, ensure_ascii=False))
    return text


def _grown(branch: Branch) -> Tree:
    tree = Tree(line(branch.entry))
    for effect in branch.effects:
        _grow(tree, effect)
    return tree


def _grow(tree: Tree, branch: Branch) -> None:
    below = tree.add(line(branch.entry))
    for effect in branch.effects:
        _grow(below, effect)
