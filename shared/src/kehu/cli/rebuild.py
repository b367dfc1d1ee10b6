"""`kehu rebuild`: folds a view anew from the facts."""

from __future__ import annotations

import asyncio

import asyncpg
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from kehu.cli.session import find_settings, named_service
from kehu.parts import connect
from kehu.rebuilding import Rebuilt
from kehu.rebuilding import rebuild as fold_anew
from kehu.service import Service
from kehu.settings import OWNER_ROLE, Settings


def rebuild(view: str, /, *, service: str) -> None:
    """重建视图。Fold a view anew from the facts, compare, and put it in place of the old one, while everything runs.

    Args:
        view: Its name.
        service: The service whose view it is.

    """
    result = asyncio.run(_rebuild(named_service(service), view, find_settings()))
    outcome = "与原来一致。The rows are the same." if result.same else "与原来不同,已替换。The rows differed; replaced."
    Console().print(f"{service}/{view}: {result.facts} 条事实。{outcome}", markup=False, highlight=False)


async def _rebuild(service: Service, view: str, settings: Settings) -> Rebuilt:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    owner = await asyncpg.connect(**settings.connection(OWNER_ROLE))
    try:
        async with connect(service, settings) as running:
            with Progress(*columns, console=Console(stderr=True)) as progress:
                bar = progress.add_task(f"{service.name}/{view}", total=None)

                def advance(done: int, total: int) -> None:
                    progress.update(bar, completed=done, total=max(total, done))

                return await fold_anew(running, view, owner, advance)
    finally:
        await owner.close()
