"""Kehu's speed as ratios to its peers, measured in the same run on the same machine.

Every row is the median of five ratios; a run of ours and a run of the peer alternate, so a machine that slows down
slows both. Absolute figures are printed for information and gate nothing.
"""

from __future__ import annotations

import statistics
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

RUNS = 5


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Args:
        what: is measured.
        ours: one run of Kehu; returns operations a second, or milliseconds where `latency`.
        peer: one run of the peer, likewise.
        peer_name: what it is compared with.
        gate: the least ratio (the greatest, where `latency`); None where nothing is gated.
        stretch: a better one that is aimed at, and gates nothing.
        latency: whether figures are milliseconds, of which fewer are better.
        once: for what takes so long that it is one run, without another to warm up.

    """

    what: str
    ours: Callable[[], Awaitable[float]]
    peer: Callable[[], Awaitable[float]]
    peer_name: str
    gate: float | None = None
    stretch: float | None = None
    latency: bool = False
    once: bool = False

    @property
    def name(self) -> str:
        """What `--row` looks for words in."""
        return f"{self.what} against {self.peer_name}"


@dataclass(frozen=True)
class Figure:
    """A line of the table that stands for itself, measured once, of which fewer are better.

    Args:
        what: is measured.
        take: measures it.
        unit: of the figure.
        most: the gate; None where nothing is gated.

    """

    what: str
    take: Callable[[], Awaitable[float]]
    unit: str
    most: float | None = None

    @property
    def name(self) -> str:
        """What `--row` looks for words in."""
        return self.what


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
        if self.row.gate is None:
            return True
        return self.ratio <= self.row.gate if self.row.latency else self.ratio >= self.row.gate

    @property
    def cells(self) -> tuple[str, ...]:
        """The result as a line of a table, under `HEADINGS`."""
        row = self.row
        sign = "<=" if row.latency else ">="
        return (
            row.what,
            row.peer_name,
            _figure(self.ours, row),
            _figure(self.peer, row),
            f"{self.ratio:.2f}",
            f"{sign} {row.gate:g}" if row.gate else "",
            f"{row.stretch:g}" if row.stretch else "",
            "" if row.gate is None else ("met" if self.met else "NOT MET"),
        )


@dataclass(frozen=True)
class Taken:
    """What came of a figure."""

    figure: Figure
    value: float

    @property
    def met(self) -> bool:
        """Whether the gate holds."""
        return self.figure.most is None or self.value <= self.figure.most

    @property
    def cells(self) -> tuple[str, ...]:
        """The result as a line of a table, under `HEADINGS`."""
        figure = self.figure
        gate = f"<= {figure.most:g} {figure.unit}" if figure.most is not None else ""
        judged = "" if figure.most is None else ("met" if self.met else "NOT MET")
        return (figure.what, "", f"{self.value:,.0f} {figure.unit}", "", "", gate, "", judged)


HEADINGS = ("what", "peer", "Kehu", "peer's", "ratio", "gate", "stretch", "")


def _figure(value: float, row: Row) -> str:
    return f"{value:.1f} ms" if row.latency else f"{value:,.0f}/s"


async def measure(row: Row) -> Result:
    """Run both sides in turn, once to warm up and five times to count."""
    if not row.once:
        await row.ours()
        await row.peer()
    pairs = [(await row.ours(), await row.peer()) for _ in range(1 if row.once else RUNS)]
    return Result(
        row,
        statistics.median(ours for ours, _ in pairs),
        statistics.median(peer for _, peer in pairs),
        statistics.median(ours / peer for ours, peer in pairs),
    )


def show(results: Sequence[Result | Taken]) -> None:
    """Print the table."""
    table = Table(title="Kehu against its peers (median of five)")
    for heading in HEADINGS:
        table.add_column(heading, justify="right" if heading in ("Kehu", "peer's", "ratio") else "left")
    for result in results:
        table.add_row(*result.cells)
    Console().print(table)


async def run(rows: Sequence[Row | Figure]) -> list[Result | Taken]:
    """Measure every row, and tell each as soon as it is known."""
    console = Console()
    results: list[Result | Taken] = []
    for row in rows:
        with console.status(row.name):
            results.append(Taken(row, await row.take()) if isinstance(row, Figure) else await measure(row))
        console.print(_told(results[-1]), highlight=False)
    return results


def _told(result: Result | Taken) -> str:
    if isinstance(result, Taken):
        return f"{result.figure.what}: {result.value:,.1f} {result.figure.unit}"
    return f"{result.row.what}: {result.ratio:.2f} x {result.row.peer_name}"
