"""For which orders a receipt may be: by its payer, and by amounts that meet to the fen; finance decides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Why = Literal["order", "batch", "payer"]
_RANK: dict[Why, int] = {"order": 0, "batch": 1, "payer": 2}


@dataclass(frozen=True, slots=True)
class Candidate:
    """An order that needs money: all of it, and (None where none waits) its next batch."""

    order: str
    unit: str
    needed_fen: int
    batch_needs_fen: int | None = None


@dataclass(frozen=True, slots=True)
class Proposal:
    """To put so much to an order, because it is exactly what the order, or its next batch, needs; or by its payer."""

    order: str
    amount_fen: int
    why: Why


def propose(unit: str, free_fen: int, orders: Sequence[Candidate]) -> list[Proposal]:
    """What a receipt's free money may be for, the likeliest first; each alone is within the money and the need.

    Args:
        unit: the receipt's payer; orders that name it go before other orders of its customers.
        free_fen: what of the receipt is put to nothing.
        orders: of the payer's customers, the earliest first.

    """
    found: list[tuple[tuple[int, bool, int], Proposal]] = []
    for place, one in enumerate(orders):
        amount = min(free_fen, one.needed_fen)
        if amount <= 0:
            continue
        why: Why = "payer"
        if one.needed_fen == free_fen:
            why = "order"
        elif one.batch_needs_fen == free_fen:
            why = "batch"
        found.append(((_RANK[why], one.unit != unit, place), Proposal(one.order, amount, why)))
    return [proposal for _, proposal in sorted(found, key=lambda ranked: ranked[0])]
