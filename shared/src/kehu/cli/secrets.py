"""`kehu secrets`: passwords and keys of an installation, one file each."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from kehu.service import find_services
from kehu.settings import (
    MASTER_KEY,
    OWNER_ROLE,
    TOKEN_ISSUER_PUBLIC,
    create_secrets,
    password_file,
    service_role,
)

#: Who the services run as in their containers (see the Dockerfile).
_CONTAINER_USER = 10001


def secrets(
    directory: Path,
    *,
    share: Annotated[Path | None, Parameter(help="Directory with a folder per service and one called owner.")] = None,
    user: int = _CONTAINER_USER,
) -> None:
    """生成密钥。Make the secrets that are missing; those that exist stay as they are.

    With --share, each service's folder gets what that service needs and nothing else: its own database password, the
    master key of personal data, and the public half of the token issuer's key.

    Args:
        directory: Where all of them are kept.
        share: Where the folders are.
        user: Who is to read the shared files.

    """
    names = list(find_services())
    create_secrets(directory, names)
    _own(directory, user)
    if share is None:
        return
    _copy(directory, share / "owner", [password_file(OWNER_ROLE)], user)
    # PostgreSQL's image reads it as a user whose number differs from image to image; nobody else mounts that folder.
    (share / "owner").chmod(0o755)
    (share / "owner" / password_file(OWNER_ROLE)).chmod(0o444)
    for name in names:
        _copy(directory, share / name, [password_file(service_role(name)), MASTER_KEY, TOKEN_ISSUER_PUBLIC], user)
    print(f"{len(names) + 1} folders of secrets are in {share}.")


def _copy(source: Path, target: Path, files: list[str], user: int) -> None:
    target.mkdir(mode=0o700, exist_ok=True)
    for name in files:
        shutil.copy2(source / name, target / name)
    _own(target, user)


def _own(directory: Path, user: int) -> None:
    """Hand a directory and its files to who reads them; only root can, and only root needs to."""
    if os.geteuid() == 0:
        for path in (directory, *directory.iterdir()):
            os.chown(path, user, user)
