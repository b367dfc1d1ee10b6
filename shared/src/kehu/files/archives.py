"""Office files are archives of XML: unpacked here within bounds, and looked through for what would act on its own."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Mapping
from typing import BinaryIO
from xml.parsers import expat

#: A contract of a hundred pages unpacks to some 10 MB; what goes beyond this is made to fill memory or disks.
MOST_UNPACKED = 100 << 20
#: XML shrinks to a tenth or so, plain repetition to a thousandth. Small files may shrink as they like.
MOST_EXPANSION = 100
_SMALL = 10 << 20
_MOST_PARTS = 5_000
_CHUNK = 64 << 10
_ENCRYPTED = 0x1

_BROKEN = (zipfile.BadZipFile, zlib.error, expat.ExpatError, EOFError, OSError, NotImplementedError, RuntimeError)


class ArchiveBrokenError(ValueError):
    """It is no archive that can be read whole, or not the kind that it should be."""


class ArchiveBombError(ValueError):
    """It unpacks to far more than a document is."""


class ActiveContentError(ValueError):
    """It holds what runs or loads by itself: macros, embedded programs, parts from elsewhere.

    Args:
        found: what, in one word.

    """

    def __init__(self, found: str) -> None:
        super().__init__(found)
        self.found = found


def check_archive(file: BinaryIO, size: int, needed: Mapping[str, bytes]) -> None:
    """Read an archive whole, a piece at a time.

    Args:
        file: it, seekable.
        size: its bytes.
        needed: parts that it must have, each with some bytes that must stand in it.

    Raises:
        ArchiveBrokenError, ArchiveBombError, ActiveContentError: as they say.

    """
    try:
        with zipfile.ZipFile(file) as archive:
            parts = archive.infolist()
            if len(parts) > _MOST_PARTS:
                raise ArchiveBombError
            names = {part.filename for part in parts}
            if len(names) < len(parts) or not needed.keys() <= names:
                raise ArchiveBrokenError
            unpacked = 0
            for part in parts:
                _check_part(part)
                unpacked = _read_part(archive, part, unpacked, size, needed.get(part.filename))
    except _BROKEN as error:
        raise ArchiveBrokenError from error


def _check_part(part: zipfile.ZipInfo) -> None:
    name = part.filename.lower()
    steps = name.split("/")
    if ".." in steps or name.startswith("/") or "\\" in part.orig_filename or part.flag_bits & _ENCRYPTED:
        raise ArchiveBrokenError
    if part.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ArchiveBrokenError
    if steps[-1] == "vbaproject.bin":
        raise ActiveContentError("macros")
    if "activex" in steps:
        raise ActiveContentError("ActiveX")
    if "embeddings" in steps and not name.endswith((".xlsx", ".docx")) and steps[-1]:
        raise ActiveContentError("OLE")


def _read_part(archive: zipfile.ZipFile, part: zipfile.ZipInfo, unpacked: int, size: int, wanted: bytes | None) -> int:
    """Unpack one part, whatever its header says of its size; returns what all parts so far came to."""
    look = _PartCheck() if part.filename.lower().endswith((".xml", ".rels")) else None
    found, before = wanted is None, b""
    with archive.open(part) as content:
        while chunk := content.read(_CHUNK):
            unpacked += len(chunk)
            if unpacked > MOST_UNPACKED or (unpacked > _SMALL and unpacked > size * MOST_EXPANSION):
                raise ArchiveBombError
            if wanted is not None:
                found = found or wanted in before + chunk
                before = chunk[-len(wanted) :]
            if look is not None:
                look.feed(chunk)
    if look is not None:
        look.close()
    if not found:
        raise ArchiveBrokenError
    return unpacked


class _PartCheck:
    """Reads the XML of one part as it comes, for what a reader of the document would act on by itself."""

    def __init__(self) -> None:
        self._parser = expat.ParserCreate()
        # Entities are declared there only; without a DOCTYPE nothing can expand.
        self._parser.StartDoctypeDeclHandler = self._doctype
        self._parser.StartElementHandler = self._element

    def feed(self, chunk: bytes) -> None:
        self._parser.Parse(chunk, False)  # noqa: FBT003 - expat takes it by position only

    def close(self) -> None:
        self._parser.Parse(b"", True)  # noqa: FBT003 - same

    def _doctype(self, *_: object) -> None:
        raise ArchiveBrokenError

    def _element(self, name: str, attributes: dict[str, str]) -> None:
        kind = name.rpartition(":")[2]
        # Anything but a link to click is fetched when the document is opened: templates, pictures, other workbooks.
        if (
            kind == "Relationship"
            and attributes.get("TargetMode", "").lower() == "external"
            and not attributes.get("Type", "").endswith("/hyperlink")
        ):
            raise ActiveContentError("external parts")
        if kind in ("ddeLink", "oleLink"):
            raise ActiveContentError("DDE")
