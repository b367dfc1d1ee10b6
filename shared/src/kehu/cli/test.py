"""`kehu test`: the project's own tests."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from kehu.cli.session import CommandFailed


def test(*arguments: Annotated[str, Parameter(allow_leading_hyphen=True)]) -> int:
    """运行测试。Run the project's tests on a real PostgreSQL and broker; shows each as it goes.

    Args:
        *arguments: Handed to pytest: paths, `-k words`, `-x`; all tests without any.

    """
    directory = project()
    command = [sys.executable, "-m", "pytest", *arguments]
    return subprocess.run(command, cwd=directory, check=False).returncode  # noqa: S603 - our own interpreter, no shell


def project() -> Path:
    """The checkout that this command was installed from.

    Raises:
        CommandFailed: it was installed without one.

    """
    for directory in Path(__file__).resolve().parents:
        if (directory / "requirements.lock").is_file():
            return directory
    raise CommandFailed("This needs the source of the tests: run it from a checkout of the project.")
