"""Which files are taken, and whether the bytes are what name and content type say.

These are what papers of a customer come as: prints and scans (PDF, JPEG, PNG, TIFF from scanners and fax servers, WebP
from telephones), 版式文件 (OFD, GB/T 33190: electronic licences and invoices), and agreements and lists from Office.
What can run (HTML, SVG, macros, programs, older binary Office) is not among them.
"""

from __future__ import annotations

import re
import struct
import unicodedata
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import BinaryIO

import puremagic

from kehu.errors import Invalid
from kehu.files.archives import ActiveContentError, ArchiveBombError, ArchiveBrokenError, check_archive

#: A scan of ten pages in colour has some 10 MB.
MOST_BYTES = 20 << 20
#: What file systems take for a name, with room for an ending of a copy.
_LONGEST_NAME = 200
_HEAD = 4_096
_TAIL = 2_048
_CHUNK = 64 << 10

_CONTROLS = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")


class FileRefused(Invalid):
    """A file is not taken as it is."""

    code = "file-refused"


class FileTypeRefused(FileRefused):
    """Files of this kind are not taken at all."""

    code = "file-type-unsupported"
    status = 415


class FileTooLarge(FileRefused):
    """It has more bytes than a file may."""

    code = "file-too-large"
    status = 413

    def __init__(self) -> None:
        megabytes = MOST_BYTES >> 20
        super().__init__(
            f"文件超过 {megabytes} MB。请降低扫描分辨率或分成几个文件后再上传。",
            f"The file has more than {megabytes} MB. Scan at a lower resolution, or send it as several files.",
            limit_bytes=MOST_BYTES,
        )


class _MalformedError(ValueError):
    """The bytes are not of this kind."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of file: its media type, the endings of its names, how its bytes are checked (file, size)."""

    type: str
    endings: tuple[str, ...]
    check: Callable[[BinaryIO, int], None]


def examine(file: BinaryIO, size: int, name: str, declared: str | None) -> Kind:
    """Find out which kind a file is, and that name, content type and bytes agree. Takes processor time: in a thread.

    Args:
        file: its content, seekable.
        size: its bytes.
        name: as `clean_name` gives it.
        declared: the content type that the client sent with it; a general one counts as none.

    Raises:
        FileRefused: empty, too large, of a kind that is not taken, or not what it says it is.

    """
    if size == 0:
        raise FileRefused("文件是空的。请重新选择文件。", "The file is empty. Choose it again.", code="file-empty")
    if size > MOST_BYTES:
        raise FileTooLarge
    ending = PurePosixPath(name).suffix.lower()
    kind = next((one for one in KINDS if ending in one.endings), None)
    media = (declared or "").partition(";")[0].strip().lower()
    if kind is None or (media not in _GENERAL and media not in {one.type for one in KINDS} | _ALIASES.keys()):
        raise FileTypeRefused(
            f"不接收这种文件。可上传:{_TAKEN}。",
            f"Files of this kind are not taken. These are: {_TAKEN}.",
            endings=sorted(ending for one in KINDS for ending in one.endings),
        )
    if media not in _GENERAL and _ALIASES.get(media, media) != kind.type:
        raise _mismatch("文件名与内容类型不一致", "The name and the content type do not agree", kind, media)
    _check_bytes(kind, file, size)
    return kind


def clean_name(given: str | None) -> str:
    """A file's name as it may be shown and sent: no folders, nothing invisible, not too long."""
    last = re.split(r"[/\\]", given or "")[-1]
    shown = "".join(
        " " if unicodedata.category(one) in _CONTROLS else one for one in unicodedata.normalize("NFC", last)
    )
    shown = " ".join(re.sub(r'[<>:"|?*]', "_", shown).split())
    path = PurePosixPath(shown or "file")
    return path.stem[: _LONGEST_NAME - len(path.suffix[:20])] + path.suffix[:20]


def _check_bytes(kind: Kind, file: BinaryIO, size: int) -> None:
    try:
        kind.check(file, size)
    except (_MalformedError, ArchiveBrokenError, struct.error):
        raise _mismatch(
            "文件内容与文件名不符,或文件已损坏、加密",
            "The bytes are not what the name says, or damaged or encrypted",
            kind,
            _guess(file),
        ) from None
    except ArchiveBombError:
        raise FileRefused(
            "文件解压后过大,不予接收。请另存为后再上传。",
            "The file unpacks to far more than a document is, so it is not taken. Save it anew, then upload it again.",
            code="file-unpacks-too-large",
        ) from None
    except ActiveContentError as error:
        raise FileRefused(
            "文件含有宏、嵌入程序或外部引用,不予接收。请另存为不含这些内容的文件,或转成 PDF。",
            "The file has macros, embedded programs or parts from elsewhere. Save it without them, or as a PDF.",
            code="file-active-content",
            found=error.found,
        ) from None


def _mismatch(zh: str, en: str, kind: Kind, found: str) -> FileRefused:
    return FileRefused(
        f"{zh}。请核对文件,按其真实格式命名后再上传。",
        f"{en}. Check the file, and upload it under the name of what it is.",
        code="file-content-mismatch",
        expected=kind.type,
        found=found,
    )


def _guess(file: BinaryIO) -> str:
    """What the bytes look like, to tell whoever sent them."""
    try:
        best = puremagic.magic_string(_at(file, 0, _HEAD))[0]
    except (puremagic.PureError, ValueError, IndexError):
        return "unknown"
    return best.mime_type or best.extension or "unknown"


def _at(file: BinaryIO, place: int, length: int) -> bytes:
    file.seek(place)
    return file.read(length)


def _need(holds: bool) -> None:  # noqa: FBT001 - the condition itself, not an option
    if not holds:
        raise _MalformedError


def _pdf(file: BinaryIO, size: int) -> None:
    """The header at the very beginning, and at the end where the last table of contents is."""
    _need(re.match(rb"%PDF-[12]\.\d", _at(file, 0, 16)) is not None)
    places = re.findall(rb"startxref\s+(\d{1,10})\s+%%EOF", _at(file, max(0, size - _TAIL), _TAIL))
    _need(bool(places) and 0 < int(places[-1]) < size)


def _jpeg(file: BinaryIO, size: int) -> None:
    """Segment after segment to the picture's data, with a size among them; and an end."""
    _need(_at(file, 0, 3) == b"\xff\xd8\xff")
    place, sized = 2, False
    while True:
        head = _at(file, place, 4)
        _need(len(head) == 4 and head[0] == 0xFF)  # noqa: PLR2004 - a marker begins with FF
        marker, length = head[1], int.from_bytes(head[2:], "big")
        if marker == 0xFF:  # noqa: PLR2004 - padding before a marker
            place += 1
            continue
        _need(marker not in (0x00, 0xD8, 0xD9) and length >= 2 and place + 2 + length < size)  # noqa: PLR2004
        if marker in _JPEG_FRAMES:
            height, width = struct.unpack(">HH", _at(file, place + 5, 4))
            sized = height > 0 and width > 0
        place += 2 + length
        if marker == 0xDA:  # noqa: PLR2004 - start of scan: what follows is the picture
            break
    _need(sized and _contains(file, place, b"\xff\xd9"))


_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


def _contains(file: BinaryIO, place: int, wanted: bytes) -> bool:
    before = b""
    file.seek(place)
    while chunk := file.read(_CHUNK):
        if wanted in before + chunk:
            return True
        before = chunk[-len(wanted) + 1 :]
    return False


def _png(file: BinaryIO, size: int) -> None:
    """Every chunk with its checksum, from IHDR over IDAT to IEND, and nothing behind."""
    _need(_at(file, 0, 8) == b"\x89PNG\r\n\x1a\n")
    place, seen = 8, list[bytes]()
    while not seen or seen[-1] != b"IEND":
        length, name = struct.unpack(">I4s", _at(file, place, 8))
        _need(place + 12 + length <= size)
        checksum, left = zlib.crc32(name), length
        while left:
            piece = file.read(min(left, _CHUNK))
            _need(bool(piece))
            checksum, left = zlib.crc32(piece, checksum), left - len(piece)
        _need(file.read(4) == checksum.to_bytes(4, "big"))
        if not seen:
            width, height = struct.unpack(">II", _at(file, place + 8, 8))
            _need(name == b"IHDR" and width > 0 and height > 0)
        place += 12 + length
        seen.append(name)
    _need(place == size and b"IDAT" in seen)


def _webp(file: BinaryIO, size: int) -> None:
    riff, length, webp, first = struct.unpack("<4sI4s4s", _at(file, 0, 16))
    _need(riff == b"RIFF" and webp == b"WEBP" and first in (b"VP8 ", b"VP8L", b"VP8X"))
    _need(length + 8 in (size, size - 1))  # padded to an even number of bytes, or not


def _tiff(file: BinaryIO, size: int) -> None:
    """The first directory lies inside the file and says how wide and long the picture is."""
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(_at(file, 0, 4))
    if order is None:
        raise _MalformedError
    (place,) = struct.unpack(f"{order}I", _at(file, 4, 4))
    (count,) = struct.unpack(f"{order}H", _at(file, place, 2))
    _need(place >= 8 and count > 0 and place + 2 + count * 12 + 4 <= size)  # noqa: PLR2004
    tags = {struct.unpack(f"{order}H", _at(file, place + 2 + entry * 12, 2))[0] for entry in range(count)}
    _need({256, 257} <= tags)


def _archive(parts: dict[str, bytes]) -> Callable[[BinaryIO, int], None]:
    def check(file: BinaryIO, size: int) -> None:
        _need(_at(file, 0, 4) == b"PK\x03\x04")
        file.seek(0)
        check_archive(file, size, parts)

    return check


_CONTENT_TYPES = "[Content_Types].xml"
_OPEN_XML = "application/vnd.openxmlformats-officedocument."

KINDS = (
    Kind("application/pdf", (".pdf",), _pdf),
    Kind("image/jpeg", (".jpg", ".jpeg"), _jpeg),
    Kind("image/png", (".png",), _png),
    Kind("image/webp", (".webp",), _webp),
    Kind("image/tiff", (".tif", ".tiff"), _tiff),
    Kind("application/ofd", (".ofd",), _archive({"OFD.xml": b"OFD"})),
    Kind(
        f"{_OPEN_XML}wordprocessingml.document",
        (".docx",),
        _archive({_CONTENT_TYPES: b"wordprocessingml.document.main+xml", "word/document.xml": b"document"}),
    ),
    Kind(
        f"{_OPEN_XML}spreadsheetml.sheet",
        (".xlsx",),
        _archive({_CONTENT_TYPES: b"spreadsheetml.sheet.main+xml", "xl/workbook.xml": b"workbook"}),
    ),
)
#: What clients send when they do not know.
_GENERAL = {"", "application/octet-stream", "binary/octet-stream"}
_ALIASES: dict[str, str] = {
    "image/jpg": "image/jpeg",
    "image/pjpeg": "image/jpeg",
    "image/x-png": "image/png",
    "application/x-pdf": "application/pdf",
    "application/vnd.ofd": "application/ofd",
}
_TAKEN = "PDF, JPEG, PNG, WebP, TIFF, OFD, docx, xlsx"

__all__ = ["KINDS", "MOST_BYTES", "FileRefused", "FileTooLarge", "FileTypeRefused", "Kind", "clean_name", "examine"]
