"""`kehu restore`: takes the log of a logical dump in."""

from __future__ import annotations

import asyncio

from rich.console import Console

from kehu.cli.session import find_settings
from kehu.restoring import restore as take_in
from kehu.service import find_services


def restore() -> None:
    """从逻辑备份恢复后整理日志。After loading a logical dump: make its log readable on this server, services stopped.

    Does nothing where the database came from a physical backup. docs/operating.md tells the steps before and after.
    """
    restored = asyncio.run(take_in(find_settings(), find_services().values()))
    if restored.facts or restored.views:
        told = f"已整理 {restored.facts} 条事实。{restored.facts} facts taken in; {restored.views} views folded anew."
    else:
        told = "无需处理。Nothing was to be done: the log is below this server's counter."
    Console().print(told, markup=False, highlight=False)
