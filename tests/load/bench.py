"""Kehu's speed as ratios to its peers, measured in the same run on the same machine: `./kehu bench`.

Every row is the median of five ratios; a run of ours and a run of the peer alternate, so a machine that slows down
slows both. A gate that is not met makes the exit code 1. Absolute figures are printed for information and gate nothing.
"""

from __future__ import annotations

import statistics
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

RUNS = 5


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Args:
        what: is measured.
        ours: one run of Kehu; returns operations a second.
        peer: one run of the peer, likewise.
        peer_name: what it is compared with.
        gate: the least ratio; None where it is a stretch that gates nothing.

    """

    what: str
    ours: Callable[[], Awaitable[float]]
    peer: Callable[[], Awaitable[float]]
    peer_name: str
    gate: float | None = None
    stretch: float | None = None


@dataclass(frozen=True)
class Result:
    """What came of a row: medians."""

    row: Row
    ours: float
    peer: float
    ratio: float

    @property
    def met(self) -> bool:
        """Whether the gate holds."""
        return self.row.gate is None or self.ratio >= self.row.gate


async def measure(row: Row) -> Result:
    """Run both sides in turn, once to warm up and five times to count."""
    await row.ours()
    await row.peer()
    pairs = [(await row.ours(), await row.peer()) for _ in range(RUNS)]
    return Result(
        row,
        statistics.median(ours for ours, _ in pairs),
        statistics.median(peer for _, peer in pairs),
        statistics.median(ours / peer for ours, peer in pairs),
    )


def show(results: list[Result], console: Console) -> None:
    """Print the table."""
    table = Table(title="Kehu against its peers (median of five)")
    for heading in ("what", "Kehu /s", "peer", "peer /s", "ratio", "gate", "stretch", ""):
        table.add_column(heading, justify="right" if "/s" in heading or heading == "ratio" else "left")
    for result in results:
        row = result.row
        verdict = "" if row.gate is None else ("met" if result.met else "NOT MET")
        table.add_row(
            row.what,
            f"{result.ours:,.0f}",
            row.peer_name,
            f"{result.peer:,.0f}",
            f"{result.ratio:.2f}",
            f">= {row.gate}" if row.gate else "",
            f"{row.stretch}" if row.stretch else "",
            verdict,
        )
    console.print(table)


async def run(rows: list[Row]) -> list[Result]:
    """Measure every row."""
    console = Console()
    results: list[Result] = []
    for row in rows:
        with console.status(f"{row.what} against {row.peer_name}"):
            results.append(await measure(row))
        console.print(f"{row.what}: {results[-1].ratio:.2f} x {row.peer_name}")
    show(results, console)
    return results
