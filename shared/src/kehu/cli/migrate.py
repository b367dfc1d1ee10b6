"""`kehu migrate`: brings the database up to date."""

from __future__ import annotations

import asyncio

from rich.console import Console

from kehu.cli.session import find_settings
from kehu.migrations import migrate as bring_up_to_date
from kehu.service import find_services


def migrate() -> None:
    """升级数据库。Bring the database up to date: roles, tables, functions, and what each service may touch.

    Safe to run at any time, and by several processes at once.
    """
    settings = find_settings()
    asyncio.run(bring_up_to_date(settings))
    where = f"{settings.database_host}:{settings.database_port}/{settings.database_name}"
    Console().print(f"{where} 已是最新。Up to date for {', '.join(find_services())}.", markup=False, highlight=False)
