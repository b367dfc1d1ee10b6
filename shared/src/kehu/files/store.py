"""Where files are: rows of encrypted chunks in the service's schema, so that backups and replicas need nothing else.

Every upload writes its chunks as a *copy* under a key of its own, each chunk in a transaction of its own (a long one
would hold every reader of the log back), and only then becomes the file of its digest. Whoever comes second with the
same bytes throws their copy away.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncGenerator, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import BinaryIO
from uuid import UUID

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from kehu.deciding import Context, system_actor
from kehu.errors import KehuError, NotFound
from kehu.files.facts import FileStored, files_category, note_erased, note_stored, note_swept
from kehu.files.kinds import examine
from kehu.ids import new_id
from kehu.parts import Running
from kehu.privacy import ERASED
from kehu.privacy.sealing import SealBrokenError, open_chunk, seal_chunk

#: Plaintext of one row: 80 rows for the largest file, and memory for a handful of readers at once.
CHUNK_BYTES = 256 << 10
#: A draft is filled in over days, and its author is away for a while.
UNREFERENCED_DAYS = 30
_RETENTION = "file"
_SWEPT_AT_ONCE = 50


class FileErased(KehuError):
    """The file was there; its key has been destroyed."""

    code = "file-erased"
    status = 410

    def __init__(self, digest: str) -> None:
        super().__init__(
            "该文件已删除:其密钥已按个人信息删除要求销毁,无法恢复。",
            "This file was erased: its key was destroyed to delete personal data, and it cannot come back.",
            digest=digest,
        )


class FileDamagedError(Exception):
    """A stored file does not open, or is not what its digest says."""

    def __init__(self, digest: str, number: int) -> None:
        super().__init__(
            f"File {digest} does not open at chunk {number}: a row of file_chunks was altered, moved or lost. "
            "Restore it from a backup (docs/operating.md)."
        )


@dataclass(frozen=True, slots=True)
class FileShown:
    """A file as it stands: `digest` (SHA-256, hex), `size` in bytes, media `type`."""

    digest: str
    size: int
    type: str
    copy: UUID


_FIND = "SELECT digest, size, type, copy, erased_at FROM files WHERE digest = $1"
_KEEP = (
    "UPDATE files SET kept_at = greatest(kept_at, $2) WHERE digest = $1 RETURNING digest, size, type, copy, erased_at"
)
_KNOWN = """
UPDATE files SET kept_at = greatest(kept_at, $2) WHERE digest = ANY ($1) AND erased_at IS NULL RETURNING digest
"""
_BECOME = """
INSERT INTO files (digest, copy, type, size, kept_at) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (digest) DO NOTHING RETURNING digest
"""
_UPLOADED = """
INSERT INTO file_uploads (digest, person, name_personal, uploaded_at) VALUES ($1, $2, $3, $4)
ON CONFLICT (digest, person) DO UPDATE SET name_personal = excluded.name_personal, uploaded_at = excluded.uploaded_at
"""
# Uses file_references' primary key. SKIP LOCKED: who is just naming a file keeps it.
_SWEEP = """
WITH swept AS (
    SELECT digest FROM files f
    WHERE f.kept_at < $1 AND f.erased_at IS NULL
      AND NOT EXISTS (SELECT FROM file_references r WHERE r.digest = f.digest)
    ORDER BY f.kept_at LIMIT $2 FOR UPDATE SKIP LOCKED
), names AS (DELETE FROM file_uploads u USING swept WHERE u.digest = swept.digest)
DELETE FROM files f USING swept WHERE f.digest = swept.digest RETURNING f.digest, f.copy
"""
_UNFINISHED = """
SELECT DISTINCT c.copy FROM file_chunks c
WHERE c.number = 0 AND c.written_at < clock_timestamp() - interval '1 day'
  AND NOT EXISTS (SELECT FROM files f WHERE f.copy = c.copy AND f.erased_at IS NULL)
LIMIT $1
"""


class FileStore:
    """The files of one service.

    Args:
        running: the service's parts.

    """

    def __init__(self, running: Running) -> None:
        self._running = running
        self._pool = running.pool
        self._category = files_category(running.service.schema)

    async def put(self, file: BinaryIO, size: int, *, name: str, declared: str | None, context: Context) -> FileShown:
        """Check a file and store it, unless its content is there already; who uploads it and under which name is noted.

        Args:
            file: its content, seekable; read twice, a chunk at a time.
            size: its bytes.
            name: as `kehu.files.kinds.clean_name` gives it.
            declared: the content type that it came with, if any.
            context: who uploads it, and when.

        Raises:
            kehu.files.kinds.FileRefused: it is not taken.
            FileErased: a file of this content was erased; handing it in again would undo that.

        """
        kind = await asyncio.to_thread(examine, file, size, name, declared)
        digest = await asyncio.to_thread(_digest, file)
        found = await self._keep(digest, context.now)
        while found is None:
            await self._write(file, FileShown(digest, size, kind.type, new_id()), context.now)
            found = await self._keep(digest, context.now)
        await self._pool.execute(_UPLOADED, digest, context.actor.id, name, context.now)
        fact = FileStored(digest=digest, type=found.type, size=size, uploaded_by=context.actor.id)
        await self._running.commands.handle(
            self._category, digest, partial(note_stored, fact), context, must_exist=False
        )
        return found

    async def find(self, digest: str) -> FileShown:
        """A file by its digest.

        Raises:
            NotFound: there is none.
            FileErased: there was one.

        """
        row = await self._pool.fetchrow(_FIND, digest)
        if row is None:
            raise NotFound("没有找到该文件,或不在您的查看范围内。", "There is no such file, or none that you may see.")
        if row["erased_at"] is not None:
            raise FileErased(digest)
        return FileShown(row["digest"], row["size"], row["type"], row["copy"])

    async def read(self, file: FileShown) -> AsyncGenerator[bytes]:
        """The content, a chunk at a time; each is what was stored, and the last comes only if all together are.

        Holds no connection between chunks: whoever downloads slowly costs the database nothing.

        Raises:
            FileErased: it is erased meanwhile.
            FileDamagedError: a chunk was altered, moved or lost.

        """
        key = await self._running.keyring.data_key(self._owner(file.copy), _RETENTION)
        if key is None:
            raise FileErased(file.digest)
        whole, count = hashlib.sha256(), _chunks(file.size)
        for number in range(count):
            chunk = await self._chunk(file, key, number)
            whole.update(chunk)
            if number == count - 1 and whole.hexdigest() != file.digest:
                raise FileDamagedError(file.digest, number)
            yield chunk

    async def known(self, digests: Iterable[str]) -> frozenset[str]:
        """Those of some digests of which there is a file; for decisions, gathered beforehand.

        None of them is swept in the days that follow, so a fact may name it.
        """
        wanted = sorted({digest.lower() for digest in digests})
        rows = await self._pool.fetch(_KNOWN, wanted, self._running.clock.now()) if wanted else []
        return frozenset(row["digest"] for row in rows)

    async def names(self, digest: str) -> dict[str, str]:
        """What those who uploaded a file called it, by person, the latest first."""
        rows = await self._pool.fetch(
            "SELECT person, name_personal FROM file_uploads WHERE digest = $1 ORDER BY uploaded_at DESC, person", digest
        )
        return {row["person"]: row["name_personal"] for row in rows}

    async def referring(self, digest: str) -> list[str]:
        """The Kafka keys of the streams whose facts name a file: customers, where they are about one."""
        rows = await self._pool.fetch("SELECT DISTINCT key FROM file_references WHERE digest = $1 ORDER BY key", digest)
        return [row["key"] for row in rows]

    async def erase(self, digest: str, context: Context) -> bool:
        """Destroy a file for good: its key first, then names and chunks; whether there was one. May be repeated.

        Args:
            digest: of the file; facts go on naming it.
            context: who has it erased, and when.

        """
        row = await self._pool.fetchrow(_FIND, digest)
        if row is None:
            return False
        await self._running.keyring.erase(self._owner(row["copy"]), _RETENTION)
        await self._pool.execute(
            "UPDATE files SET erased_at = coalesce(erased_at, $2) WHERE digest = $1", digest, context.now
        )
        await self._pool.execute("UPDATE file_uploads SET name_personal = $2 WHERE digest = $1", digest, ERASED)
        await self._pool.execute("DELETE FROM file_chunks WHERE copy = $1", row["copy"])
        await self._running.commands.handle(
            self._category, digest, partial(note_erased, digest), context, must_exist=False
        )
        return True

    async def sweep(self) -> int:
        """Throw away what nothing has named for `UNREFERENCED_DAYS`, and uploads that never ended; how many files."""
        now = self._running.clock.now()
        swept = await self._pool.fetch(_SWEEP, now - timedelta(days=UNREFERENCED_DAYS), _SWEPT_AT_ONCE)
        for row in swept:
            await self._drop(row["copy"])
            context = Context(system_actor(self._running.service.name, "files"), now)
            await self._running.commands.handle(
                self._category, row["digest"], partial(note_swept, row["digest"]), context, must_exist=False
            )
        for row in await self._pool.fetch(_UNFINISHED, _SWEPT_AT_ONCE):
            await self._drop(row["copy"])
        return len(swept)

    async def _keep(self, digest: str, now: datetime) -> FileShown | None:
        row = await self._pool.fetchrow(_KEEP, digest, now)
        if row is None:
            return None
        if row["erased_at"] is not None:
            raise FileErased(digest)
        return FileShown(row["digest"], row["size"], row["type"], row["copy"])

    async def _write(self, file: BinaryIO, new: FileShown, now: datetime) -> None:
        """Write a copy, and make it the file of its digest unless another has become that meanwhile."""
        key = await self._running.keyring.data_key(self._owner(new.copy), _RETENTION, create=True)
        if key is None:
            raise FileErased(new.digest)
        await asyncio.to_thread(file.seek, 0)
        for number in range(_chunks(new.size)):
            chunk = await asyncio.to_thread(file.read, CHUNK_BYTES)
            sealed = seal_chunk(key, chunk, *_place(new, number))
            await self._pool.execute(
                "INSERT INTO file_chunks (copy, number, sealed) VALUES ($1, $2, $3)", new.copy, number, sealed
            )
        if await self._pool.fetchval(_BECOME, new.digest, new.copy, new.type, new.size, now) is None:
            await self._drop(new.copy)

    async def _drop(self, copy: UUID) -> None:
        await self._running.keyring.erase(self._owner(copy), _RETENTION)
        await self._pool.execute("DELETE FROM file_chunks WHERE copy = $1", copy)

    async def _chunk(self, file: FileShown, key: AESGCM, number: int) -> bytes:
        sealed = await self._pool.fetchval(
            "SELECT sealed FROM file_chunks WHERE copy = $1 AND number = $2", file.copy, number
        )
        try:
            return open_chunk(key, sealed or b"", *_place(file, number))
        except SealBrokenError as error:
            raise FileDamagedError(file.digest, number) from error

    def _owner(self, copy: UUID) -> str:
        return f"file:{self._running.service.name}/{copy}"


def _place(file: FileShown, number: int) -> tuple[str, ...]:
    """What a chunk is bound to: of which content it is which part, and how much there is, so that none is left off."""
    return "file", file.digest, str(file.size), str(number)


def _chunks(size: int) -> int:
    return -(-size // CHUNK_BYTES)


def _digest(file: BinaryIO) -> str:
    digest = hashlib.sha256()
    file.seek(0)
    while chunk := file.read(CHUNK_BYTES):
        digest.update(chunk)
    return digest.hexdigest()
