"""The wire between a process and PostgreSQL: it can go silent without either end being told."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from kehu.settings import Settings

_CHUNK = 64 * 1024


@dataclass
class Wire:
    """A way to a server, through this process."""

    port: int = 0
    _silent: set[asyncio.StreamWriter] = field(default_factory=set[asyncio.StreamWriter])
    _open: set[asyncio.StreamWriter] = field(default_factory=set[asyncio.StreamWriter])

    def go_silent(self) -> int:
        """Pass nothing on any more, in either direction, of what is connected now; how many connections that is.

        Both ends stay open, and answer keep-alives: as behind a router that has forgotten them. Who connects from now
        on gets through.
        """
        self._silent |= self._open
        return len(self._silent) // 2

    async def serve(self, settings: Settings, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass one connection on."""
        there, back = await asyncio.open_connection(settings.database_host, settings.database_port)
        ends = {writer, back}
        self._open |= ends
        ways = [asyncio.create_task(self._pass_on(*way)) for way in ((reader, back), (there, writer))]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            for end in ends:
                end.close()
            self._open -= ends
            self._silent -= ends

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(_CHUNK):
                if writer not in self._silent:
                    writer.write(data)
                    await writer.drain()


@asynccontextmanager
async def wire_to(settings: Settings) -> AsyncGenerator[tuple[Wire, Settings]]:
    """A wire, and the settings of whoever is to use it."""
    wire = Wire()
    server = await asyncio.start_server(lambda reader, writer: wire.serve(settings, reader, writer), "127.0.0.1", 0)
    wire.port = server.sockets[0].getsockname()[1]
    try:
        yield wire, settings.model_copy(update={"database_host": "127.0.0.1", "database_port": wire.port})
    finally:
        server.close()
