"""`kehu up`: the whole system on this machine."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from kehu.cli.session import DIRECTORY
from kehu.supervising import run_up


def up(*, demonstration: Annotated[bool, Parameter(negative="")] = False) -> int:
    """启动整个系统。Run the whole system on this machine: database, broker and every service, until Ctrl-C.

    Nothing has to be installed beforehand. Data, secrets and logs are kept in .kehu/ of this directory.

    Args:
        demonstration: Let `kehu clock advance` move the time. Never where real customers are.

    """
    return run_up(DIRECTORY, demonstration=demonstration)
