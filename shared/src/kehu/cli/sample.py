"""`kehu sample`: a small invented company, loaded through the same APIs that people use."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from kehu import calendar
from kehu.cli.session import CommandFailed, find_settings
from kehu.clock import Clock
from kehu.money import show_yuan
from kehu.remote import System, connect, find_addresses
from kehu.scripts import Player, read_script
from kehu.settings import Settings

#: Names the directory of the scripts where they do not come with a checkout (containers).
PLACE = "KEHU_SAMPLES"
_FIRST_MESSAGES = 12
#: Some of the worklists, as people ask for them: who, what it is, where.
_WORKLISTS = (
    ("he", "待审核的档案 dossiers to review", "customer-registry", "/dossiers?waiting_for=me"),
    ("fin", "待复核的资质 qualifications to check", "vetting", "/qualifications?waiting_for=me"),
    ("kong", "待核实的档案 dossiers to verify", "customer-registry", "/verifications?waiting_for=me"),
    ("fin", "待处理的到账 receipts to deal with", "vetting", "/receipts?waiting_for=me"),
    ("li", "采购措施 purchase measures", "customer-registry", "/purchase-measures?waiting_for=me"),
)
_TABLE_WIDTH = 120


def sample() -> None:
    """示例公司。Load the sample company into the system that runs here, and show its customers and messages.

    It may be run again: what is there already is not made twice. Only once the access of the person who leaves the
    company has ended (a week later) it is refused.
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
    """Print what came of it: customers with their grades, their orders and money, what waits for whom, messages."""
    customers = await _rows(system, "market", "grading", "/grades?limit=100")
    orders = await _rows(system, "fin", "vetting", "/orders?limit=100")
    messages = await _rows(system, "auditor", "notifier", f"/messages?limit={_FIRST_MESSAGES}")
    console.print(
        _table(
            "客户与等级 customers and grades",
            {
                "客户编号": "number",
                "客户 customer": "name",
                "类别 kind": "kind",
                "正式 official": "official",
                "动态 indicative": "indicative",
                "依据 clause": "clause",
            },
            customers,
        )
    )
    console.print(
        _table(
            "订单与货款(元) orders and money (yuan)",
            {
                "订单号": "number",
                "客户 customer": "name",
                "订货 ordered": "amount_fen",
                "已收 paid": "allocated_fen",
                "已发 shipped": "shipped_fen",
                "退货 returned": "returned_fen",
            },
            orders,
        )
    )
    console.print(await _waiting(system))
    console.print(
        _table(
            "最初的消息 first messages",
            {"给 to": "recipient", "模板 template": "template", "通道 channel": "channel", "状态 state": "state"},
            messages,
        )
    )


async def _rows(system: System, by: str, service: str, path: str) -> list[dict[str, Any]]:
    answer = await system.send(by, service, "GET", path)
    items: list[dict[str, Any]] = answer.raise_for_status().json()["items"]
    return items


def _table(title: str, columns: Mapping[str, str], rows: Sequence[Mapping[str, Any]]) -> Table:
    """A table of the named members; amounts in fen are shown in yuan, what is missing as a dash."""
    amounts = {name for name in columns.values() if name.endswith("_fen")}
    table = Table(title=title)
    for heading, name in columns.items():
        table.add_column(heading, justify="right" if name in amounts else "left")
    for row in rows:
        cells = ((name, row.get(name)) for name in columns.values())
        table.add_row(*(show_yuan(int(value or 0)) if name in amounts else str(value or "—") for name, value in cells))
    return table


async def _waiting(system: System) -> Table:
    """What waits for whom: each line is one query that this person may send."""
    table = Table("谁 who", "待办 waiting for them", "件 items", "查询 query", title="待办 worklists")
    for by, told, service, path in _WORKLISTS:
        rows = await _rows(system, by, service, path)
        table.add_row(by, told, str(len(rows)), f"{service} GET {path}")
    return table
