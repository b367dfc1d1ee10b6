"""Routes over a service's files: hand one in, read one. The same for every service that takes files."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import replace
from enum import Enum
from functools import partial
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Path, UploadFile
from fastapi.responses import Response, StreamingResponse
from pydantic import BaseModel, Field

from kehu.errors import Forbidden, NotFound
from kehu.files.facts import check_may_upload, files_category, note_read
from kehu.files.kinds import MOST_BYTES, clean_name
from kehu.files.references import references_view
from kehu.files.store import FileShown, FileStore
from kehu.http import Acting, ActingRequest
from kehu.parts import Running
from kehu.service import Feature, Service

#: Headings and boundaries of the form around the file.
_FORM_BYTES = 100_000
_SWEEP_SECONDS = 3_600.0

Digest = Annotated[str, Path(pattern=r"^[0-9a-fA-F]{64}$", description="SHA-256 of the content, hexadecimal.")]


class Reading(Enum):
    """Whether somebody may read a file."""

    NO = "no"
    WITH_REASON = "with-reason"
    YES = "yes"


#: Says whether whoever asks may read a file that these Kafka keys' streams refer to (customers, mostly).
Reader = Callable[[ActingRequest, Sequence[str]], Awaitable[Reading]]


class Uploaded(BaseModel):
    """A file that was taken; `digest` is what facts name it by."""

    digest: str
    size: int = Field(description="Bytes.")
    type: str
    name: str


def with_files(service: Service, reading: Reader) -> Service:
    """A service that also takes files, which any fact of its other features may name.

    Args:
        service: with its other features.
        reading: who may read a file beside whoever uploaded it.

    """
    feature = Feature(
        "files",
        categories=[files_category(service.schema)],
        views=[references_view(service.each("categories"))],
        router=files_router(reading),
        workers=[sweep_files],
    )
    return replace(service, features=[*service.features, feature])


def files_router(reading: Reader) -> APIRouter:
    """The routes; `reading` says who may read a file beside whoever uploaded it."""
    router = APIRouter(prefix="/files", tags=["files"])

    @router.post("", status_code=201, max_body_size=MOST_BYTES + _FORM_BYTES)
    async def upload_file(file: UploadFile, request: Acting) -> Uploaded:
        """Hand a file in (PDF, JPEG, PNG, WebP, TIFF, OFD, docx, xlsx; at most 20 MiB): its digest goes into forms."""
        check_may_upload(request.actor)
        name = clean_name(file.filename)
        stored = await FileStore(request.running).put(
            file.file,
            file.size or 0,
            name=name,
            declared=file.content_type,
            context=await request.context(),
        )
        return Uploaded(digest=stored.digest, size=stored.size, type=stored.type, name=name)

    @router.get("/{digest}", response_class=StreamingResponse, responses={200: {"content": {"*/*": {}}}})
    async def read_file(digest: Digest, request: Acting) -> StreamingResponse:
        """The content of a file, decrypted; that it was read is recorded."""
        file, reason = await _readable(request, reading, digest.lower())
        store = FileStore(request.running)
        content = store.read(file)
        # Before anything is sent: what does not open is answered with a problem, not with a broken answer.
        first = await anext(content)
        await request.running.commands.handle(
            files_category(request.running.service.schema),
            file.digest,
            partial(note_read, reason),
            await request.context(),
            correlation=request.correlation,
        )
        headers = await _headers(request, store, file)
        return StreamingResponse(_joined(first, content), media_type=file.type, headers=headers)

    @router.head("/{digest}", response_class=Response)
    async def look_at_file(digest: Digest, request: Acting) -> Response:
        """Whether a file is there for whoever asks, of which size and type; nothing is read."""
        file, _ = await _readable(request, reading, digest.lower(), ask_reason=False)
        headers = await _headers(request, FileStore(request.running), file)
        return Response(media_type=file.type, headers=headers)

    return router


async def sweep_files(running: Running) -> None:
    """Throw away, every hour, what nothing has referred to for long."""
    store = FileStore(running)
    while True:
        while await store.sweep():
            pass
        await asyncio.sleep(_SWEEP_SECONDS)


async def _readable(
    request: ActingRequest, reading: Reader, digest: str, *, ask_reason: bool = True
) -> tuple[FileShown, str | None]:
    """A file that whoever asks may read, and the reason where they had to give one.

    Raises:
        Forbidden: they are leaving (R4.6).
        NotFound: there is none, or none that they may know of.
        kehu.http.requests.ReasonRequired: they may only with a reason.

    """
    store = FileStore(request.running)
    if request.actor.departing:
        raise Forbidden(
            "离职手续已开始,不能再读取文件。交接需要的,请由部门经理提供。",
            "Your departure has started, so files are closed. Ask the manager for what the handover needs.",
            clause="R4.6",
            code="departing",
        )
    may = await reading(request, await store.referring(digest))
    if may is not Reading.YES and request.actor.id in await store.names(digest):
        may = Reading.YES
    if may is Reading.NO:
        raise NotFound("没有找到该文件,或不在您的查看范围内。", "There is no such file, or none that you may see.")
    file = await store.find(digest)
    return file, request.reason if may is Reading.WITH_REASON and ask_reason else None


async def _headers(request: ActingRequest, store: FileStore, file: FileShown) -> dict[str, str]:
    names = await store.names(file.digest)
    name = names.get(request.actor.id) or next(iter(names.values()), file.digest)
    return {
        "Content-Length": str(file.size),
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(name, safe='')}",
        "ETag": f'"{file.digest}"',
        # Whatever a browser thinks of it: it is saved, never shown or run as a page of ours.
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "default-src 'none'; sandbox",
        "Cache-Control": "private, no-store",
    }


async def _joined(first: bytes, rest: AsyncGenerator[bytes]) -> AsyncGenerator[bytes]:
    async with aclosing(rest):
        yield first
        async for chunk in rest:
            yield chunk
