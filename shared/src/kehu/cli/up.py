"""`kehu up`: the whole system on this machine."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from kehu.cli.sample import load_sample, wide_console
from kehu.cli.session import DIRECTORY
from kehu.supervising import Running, run_up


def up(
    *,
    sample: Annotated[bool, Parameter(negative="")] = False,
    demonstration: Annotated[bool, Parameter(negative="")] = False,
) -> int:
    """启动整个系统。Run the whole system on this machine: database, broker and every service, until Ctrl-C.

    Nothing has to be installed beforehand. Data, secrets and logs are kept in .kehu/ of this directory.

    Args:
        sample: Load the sample company through the public APIs once everything runs.
        demonstration: Let `kehu clock advance` move the time. Never where real customers are.

    """
    return run_up(DIRECTORY, demonstration=demonstration, after_ready=_load_sample if sample else None)


async def _load_sample(running: Running) -> None:
    await load_sample(running.services, running.settings(), wide_console())
