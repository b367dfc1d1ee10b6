"""Files that people upload: stored once per content, encrypted, checked to be what they are called.

A fact names a file by its digest (SHA-256 of the content, hex), in a field whose name has "digest" in it, and never
carries its bytes. A service takes files by ``service = with_files(service, reading)`` at the end of its ``app.py``.
A decision learns which digests are there by what its route gathered::

    known = await FileStore(request.running).known(digests)
"""

from kehu.files.api import Reader, Reading, with_files
from kehu.files.kinds import MOST_BYTES
from kehu.files.store import FileDamagedError, FileErased, FileShown, FileStore

__all__ = [
    "MOST_BYTES",
    "FileDamagedError",
    "FileErased",
    "FileShown",
    "FileStore",
    "Reader",
    "Reading",
    "with_files",
]
