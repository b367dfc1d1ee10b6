"""A small disk for a container, which a test can fill to its last byte and free again."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import docker
from docker.models.containers import Container

_PLACE = "/disk"
_BALLAST = f"{_PLACE}/ballast"


@dataclass(frozen=True)
class SmallDisk:
    """A volume in memory; whoever stops and starts finds on it what was there."""

    volume: str
    _keeper: Container

    async def fill(self) -> None:
        """Leave no room."""
        # It ends when there is none: the last byte is what matters, not its exit code.
        await self._run(f"cat /dev/zero > {_BALLAST}")

    async def free(self) -> None:
        """Make room again."""
        await self._run(f"rm {_BALLAST}")

    async def _run(self, command: str) -> None:
        await asyncio.to_thread(self._keeper.exec_run, ["sh", "-c", command], user="root")


@asynccontextmanager
async def small_disk(megabytes: int, image: str) -> AsyncGenerator[SmallDisk]:
    """A disk of that size while it is needed.

    Args:
        megabytes: how many there are.
        image: any that is there anyway; a container of it keeps the disk while nobody else uses it.

    """
    client = docker.from_env()
    name = f"kehu-small-disk-{uuid.uuid4().hex[:12]}"
    options = {"type": "tmpfs", "device": "tmpfs", "o": f"size={megabytes}m,mode=1777"}
    volume = client.volumes.create(name, driver="local", driver_opts=options)
    try:
        keeper = await asyncio.to_thread(
            client.containers.run,
            image,
            ["sleep", "infinity"],
            entrypoint=[],
            detach=True,
            volumes={name: {"bind": _PLACE, "mode": "rw"}},
        )
        try:
            yield SmallDisk(name, keeper)
        finally:
            await asyncio.to_thread(keeper.remove, force=True, v=True)
    finally:
        volume.remove(force=True)
        client.close()
