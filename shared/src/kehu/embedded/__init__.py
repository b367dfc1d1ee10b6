"""PostgreSQL and a broker from wheels, for one command on a fresh machine, and for tests where there is no Docker.

Both listen on 127.0.0.1 alone. PostgreSQL keeps its data below the given directory; the broker (Tansu) keeps its in
memory, so whoever relays facts to it does so again after every start.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AsyncExitStack
from importlib.metadata import entry_points
from pathlib import Path
from types import TracebackType
from typing import Self

from kehu.embedded.broker import EmbeddedBroker
from kehu.embedded.postgres import EmbeddedPostgres
from kehu.embedded.programs import EmbeddedPlatformError
from kehu.processes import exclusive
from kehu.settings import Settings, create_secrets

__all__ = ["EmbeddedBroker", "EmbeddedPlatform", "EmbeddedPlatformError", "EmbeddedPostgres"]


class EmbeddedPlatform:
    """Both together: started database first, stopped broker first.

    Only one may work in a directory at a time. Use it as `async with EmbeddedPlatform(directory) as platform`.

    Args:
        directory: where everything goes: data, logs, pid files, and secrets unless they are elsewhere.
        durable: whether a committed transaction survives a power cut; tests do without.
        announce: told in a few words what is being waited for.

    """

    def __init__(
        self,
        directory: Path,
        *,
        durable: bool = True,
        announce: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.directory = directory.absolute()
        self.secrets = self.directory / "secrets"
        self.postgres = EmbeddedPostgres(self.directory, self.secrets, durable=durable)
        self.broker = EmbeddedBroker(self.directory)
        self._announce = announce
        self._held = AsyncExitStack()

    def settings(self) -> Settings:
        """Return how a process of Kehu reaches both."""
        return self.postgres.settings().model_copy(update={"brokers": self.broker.address, "broker_kind": "embedded"})

    async def __aenter__(self) -> Self:
        """Start both.

        Raises:
            kehu.processes.AlreadyRunningError: another process runs one in this directory.
            EmbeddedPlatformError: it cannot run on this machine.

        """
        async with AsyncExitStack() as stack:
            stack.enter_context(exclusive(self.directory / "platform.lock", "An embedded platform"))
            create_secrets(self.secrets, sorted(point.name for point in entry_points(group="kehu.services")))
            self._announce("PostgreSQL")
            stack.push_async_callback(self.postgres.stop)
            await self.postgres.start()
            self._announce("the broker")
            stack.push_async_callback(self.broker.stop)
            await self.broker.start()
            self._held = stack.pop_all()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._held.aclose()
