"""Wall clocks of processes, which a test can set forward and back (`wall_clock.c`)."""

from __future__ import annotations

import mmap
import shutil
import subprocess
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

_SOURCE = Path(__file__).parent / "wall_clock.c"
COMPILER = shutil.which("cc")
NO_COMPILER = "needs a C compiler (cc) for the clock that it sets, on Linux"
_BYTES = 8


@dataclass(frozen=True)
class WallClock:
    """The clock of every process that was started with its variables."""

    variables: dict[str, str]
    _ahead: mmap.mmap

    def set_ahead(self, by: timedelta) -> None:
        """Set it, in one step; a negative length is the past."""
        microseconds = by // timedelta(microseconds=1)
        self._ahead[:_BYTES] = (microseconds * 1_000).to_bytes(_BYTES, "little", signed=True)


@contextmanager
def wall_clock() -> Generator[WallClock]:
    """A clock that tells the real time until it is set."""
    # Not below the test's own directory: PostgreSQL may have to run as somebody who cannot reach that.
    with tempfile.TemporaryDirectory(prefix="kehu-clock-") as name:
        directory = Path(name)
        directory.chmod(0o755)
        library, path = directory / "wall_clock.so", directory / "ahead"
        subprocess.run(  # noqa: S603 - our own source
            [str(COMPILER), "-shared", "-fPIC", "-O2", "-Wall", "-Werror", "-o", str(library), str(_SOURCE)], check=True
        )
        path.write_bytes(bytes(_BYTES))
        path.chmod(0o644)
        with path.open("r+b") as file, mmap.mmap(file.fileno(), _BYTES) as ahead:
            yield WallClock({"LD_PRELOAD": str(library), "KEHU_WALL_CLOCK": str(path)}, ahead)
