"""A provider's HTTP server for tests: real sockets, and every way of answering badly."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

_REASONS = {200: "OK", 400: "Bad Request", 404: "Not Found", 500: "Internal Server Error", 502: "Bad Gateway"}


@dataclass(frozen=True)
class Asked:
    """A request as it arrived."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def path(self) -> str:
        """Without the query."""
        return urlsplit(self.target).path

    @property
    def query(self) -> dict[str, str]:
        """Its parameters, decoded."""
        return dict(parse_qsl(urlsplit(self.target).query, keep_blank_values=True))

    @property
    def json(self) -> Any:
        """Its body."""
        return json.loads(self.body)


@dataclass(frozen=True)
class Reply:
    """How to answer: with JSON or raw bytes, after `seconds`; `twice`, `cut` off in the middle, or `silent`: never."""

    body: Any = None
    status: int = 200
    twice: bool = False
    cut: bool = False
    silent: bool = False
    seconds: float = 0.0


@dataclass
class Provider:
    """The server; `answers` are given in turn, then `usual` is asked."""

    usual: Callable[[Asked], Reply] = lambda _: Reply({})
    answers: deque[Reply] = field(default_factory=deque[Reply])
    asked: list[Asked] = field(default_factory=list[Asked])
    url: str = ""
    _server: asyncio.Server | None = None
    _open: set[asyncio.StreamWriter] = field(default_factory=set[asyncio.StreamWriter])

    async def start(self) -> None:
        """Listen on a free port."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def stop(self) -> None:
        """Hang up."""
        if self._server is not None:
            self._server.close()
            for writer in list(self._open):
                writer.close()
            self._server = None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        try:
            while (asked := await _read(reader)) is not None:
                self.asked.append(asked)
                reply = self.answers.popleft() if self.answers else self.usual(asked)
                if reply.silent:
                    await reader.read()  # until the client gives up
                    break
                await asyncio.sleep(reply.seconds)
                await _write(writer, reply)
                if reply.cut:
                    break
        except ConnectionError:
            pass  # the client has hung up
        finally:
            self._open.discard(writer)
            writer.close()


async def _read(reader: asyncio.StreamReader) -> Asked | None:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head.rstrip().split("\r\n")
    method, target, _ = first.split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return Asked(method, target, headers, await reader.readexactly(int(headers.get("content-length", "0"))))


async def _write(writer: asyncio.StreamWriter, reply: Reply) -> None:
    body = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body, ensure_ascii=False).encode()
    head = f"HTTP/1.1 {reply.status} {_REASONS[reply.status]}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    whole = head + body
    writer.write(whole[: len(head) + len(body) // 2] if reply.cut else whole * (2 if reply.twice else 1))
    await writer.drain()


@asynccontextmanager
async def listening() -> AsyncGenerator[Provider]:
    """A provider's server while it listens."""
    provider = Provider()
    await provider.start()
    try:
        yield provider
    finally:
        await provider.stop()
