"""`kehu sample`: a small invented company, loaded through the same APIs that people use."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from kehu import calendar
from kehu.cli.session import CommandFailed, find_settings
from kehu.clock import Clock
from kehu.remote import System, connect, find_addresses
from kehu.scripts import Player, read_script
from kehu.settings import Settings

#: Names the directory of the scripts where they do not come with a checkout (containers).
PLACE = "KEHU_SAMPLES"
_FIRST_MESSAGES = 12
_TABLE_WIDTH = 120


def sample() -> None:
    """示例公司。Load the sample company into the system that runs here, and show its customers and messages.

    It may be run again: what is there already is not made twice.
    """
    asyncio.run(load_sample(find_addresses(), find_settings(), wide_console()))


def wide_console() -> Console:
    """Return a console on which the tables of a sample fit, also where their output goes into a file."""
    console = Console()
    return console if console.is_terminal else Console(width=_TABLE_WIDTH)


async def load_sample(addresses: Mapping[str, str], settings: Settings, console: Console) -> None:
    """Play the scripts of samples/ in the order of their names, then show what came of it.

    Raises:
        CommandFailed: there are no scripts.
        ScriptFailed: a step was refused.

    """
    directory = samples_directory()
    scripts = sorted(directory.glob("*.json"))
    async with connect(addresses, settings) as system:
        with console.status("loading the sample company") as status:
            player = Player(system, await _today(settings), lambda note: status.update(f"[bold]{note}"), directory)
            for script in scripts:
                await player.play(script.stem, read_script(script))
        await _show(system, console)


def samples_directory() -> Path:
    """Where the scripts are.

    Raises:
        CommandFailed: nowhere.

    """
    named = os.environ.get(PLACE)
    places = [Path(named)] if named else [parent / "samples" for parent in Path(__file__).resolve().parents]
    for place in places:
        if any(place.glob("*.json")):
            return place
    raise CommandFailed(f"The sample company is not here: run this from a checkout, or name its folder in {PLACE}.")


async def _today(settings: Settings) -> Any:
    import asyncpg  # noqa: PLC0415 - the clock is the only thing that a sample needs the database for

    async with asyncpg.create_pool(**settings.connection("kehu_auditor"), min_size=1, max_size=1) as pool:
        clock = Clock(pool)
        await clock.refresh()
        return calendar.today(clock.now())


async def _show(system: System, console: Console) -> None:
    people = Table(
        "客户编号",
        "客户 customer",
        "类别 kind",
        "正式 official",
        "动态 indicative",
        "依据 clause",
        title="客户与等级 customers and grades",
    )
    grades = await system.send("market", "grading", "GET", "/grades?limit=100")
    for row in grades.raise_for_status().json()["items"]:
        people.add_row(
            *(str(row.get(name) or "—") for name in ("number", "name", "kind", "official", "indicative", "clause"))
        )
    console.print(people)
    messages = Table("给 to", "模板 template", "通道 channel", "状态 state", title="最初的消息 first messages")
    ledger = await system.send("auditor", "notifier", "GET", f"/messages?limit={_FIRST_MESSAGES}")
    for row in ledger.raise_for_status().json()["items"]:
        messages.add_row(*(str(row.get(name) or "—") for name in ("recipient", "template", "channel", "state")))
    console.print(messages)
