"""`kehu bench`: Kehu beside other tools that do the same work."""

from __future__ import annotations

import subprocess
import sys
from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from kehu.cli.test import project


def bench(
    *,
    row: Annotated[list[str] | None, Parameter(negative="")] = None,
    audit_facts: Annotated[int | None, Parameter(validator=Number(gte=1_000))] = None,
    dossiers: Annotated[int, Parameter(validator=Number(gte=500))] = 50_000,
) -> int:
    """性能对比。Measure Kehu beside other tools doing the same work; each row is the median of five ratios.

    Takes minutes, on a PostgreSQL and a Kafka of its own (containers where Docker answers). Everything measured goes
    into docs/benchmarks.md too. Exit code 1 when a gate is not met.

    Args:
        row: Only rows whose name has these words, such as `--row "append 256"`; may be given several times.
        audit_facts: Facts in the log for the rows of audit, such as 10000000 (takes half an hour to fill).
        dossiers: How many existing dossiers are imported; export and lookup meet twice as many customers.

    """
    words = [argument for words in row or [] for argument in ("--row", words)]
    command = [sys.executable, "tests/load", "--dossiers", str(dossiers)]
    command += words or ["--write", "docs/benchmarks.md"]
    if audit_facts is not None:
        command += ["--audit-facts", str(audit_facts)]
    return subprocess.run(command, cwd=project(), check=False).returncode  # noqa: S603 - our own interpreter, no shell
