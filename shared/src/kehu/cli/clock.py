"""`kehu clock`: the policy's time, which a demonstration may move forward."""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, datetime, timedelta

import asyncpg
import cyclopts

from kehu.calendar import SHANGHAI
from kehu.cli.session import CommandFailed, find_settings
from kehu.clock import advance as move
from kehu.settings import OWNER_ROLE, Settings

app = cyclopts.App(
    name="clock", help="系统时钟。The clock that all deadlines go by: show it, or move it in a demonstration."
)

_LENGTH = re.compile(r"(\d{1,4})([wdhm])", re.ASCII)
_UNITS = {"w": "weeks", "d": "days", "h": "hours", "m": "minutes"}


@app.command
def show() -> None:
    """显示时间。Show the policy's time in Shanghai, and how far it is ahead of the real one."""
    _print(asyncio.run(_ahead(find_settings())))


@app.command
def advance(length: str, /) -> None:
    """向前调时间。Move the clock forward: whatever falls due meanwhile happens at once. Demonstration mode only.

    Args:
        length: How far: 3d, 12h, 30m, 2w, or several of them together, such as 1d12h.

    """
    by = length_of_time(length)
    _print(asyncio.run(_advance(find_settings(), by)))


def length_of_time(text: str) -> timedelta:
    """Read a length of time such as ``3d`` or ``1d12h``.

    Raises:
        CommandFailed: it is written otherwise.

    """
    parts = _LENGTH.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise CommandFailed(f"时长写法有误。{text!r} is no length of time: write 3d, 12h, 30m, 2w or 1d12h.", 2)
    return sum((timedelta(**{_UNITS[unit]: int(number)}) for number, unit in parts), timedelta())


async def _advance(settings: Settings, by: timedelta) -> timedelta:
    connection = await asyncpg.connect(**settings.connection(OWNER_ROLE))
    try:
        return await move(connection, by, demonstration=settings.demonstration)
    finally:
        await connection.close()


async def _ahead(settings: Settings) -> timedelta:
    connection = await asyncpg.connect(**settings.connection(OWNER_ROLE))
    try:
        ahead: timedelta = await connection.fetchval("SELECT ahead FROM event_store.clock")
    finally:
        await connection.close()
    return ahead


def _print(ahead: timedelta) -> None:
    # The real time is what this command is asked about; no decision is made by it.
    now = (datetime.now(UTC) + ahead).astimezone(SHANGHAI)
    print(f"{now:%Y-%m-%d %H:%M:%S} Asia/Shanghai" + (f" (+{ahead})" if ahead else ""))
