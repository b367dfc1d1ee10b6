"""Looks imports through and carries them out as they come; any number of processes may, one does each."""

from __future__ import annotations

import asyncio
from uuid import UUID

from kehu.parts import Running
from kehu_customer_registry.imports.carrying import carry_out
from kehu_customer_registry.imports.checking import check_import
from kehu_customer_registry.imports.facts import IMPORTS, Status
from kehu_customer_registry.imports.views import waiting_imports

POLL_SECONDS = 1.0


async def work_imports(running: Running) -> None:
    """Do what waits, until cancelled."""
    while True:
        worked = False
        for upload in await waiting_imports(running.pool):
            worked |= await work_import(running, upload)
        if not worked:
            await asyncio.sleep(POLL_SECONDS)


async def work_import(running: Running, upload: str) -> bool:
    """Look one through or carry it out, unless another process does; whether this one did something."""
    async with running.pool.acquire() as connection:
        key = UUID(upload).int & ((1 << 63) - 1)
        if not await connection.fetchval("SELECT pg_try_advisory_lock($1)", key):
            return False
        try:
            state, version = await running.commands.load(IMPORTS, upload)
            match state.status:
                case Status.UPLOADED:
                    await check_import(running, state)
                case Status.RUNNING:
                    await carry_out(running, state, version)
                case _:
                    return False  # the view lags behind
        finally:
            await connection.execute("SELECT pg_advisory_unlock($1)", key)
    return True
