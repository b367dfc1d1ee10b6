"""The contract volumes of one customer, month by month (R5.3.5)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from kehu.calendar import Month
from kehu.contracts.customers import ContractVolumeCorrected, ContractVolumeReported
from kehu.deciding import Category
from kehu.facts import Fact


@dataclass(frozen=True, slots=True)
class MonthVolume:
    """One month as it stands: the amount in fen, whether it was reported late, how often it was corrected."""

    amount_fen: int
    late: bool = False
    corrections: int = 0
    last_reason: str | None = None


@dataclass(frozen=True, slots=True)
class Volumes:
    """All months that were reported of one customer."""

    months: Mapping[Month, MonthVolume] = field(default_factory=dict[Month, MonthVolume])


def evolve(state: Volumes, fact: Fact) -> Volumes:
    """What a fact makes of a customer's volumes."""
    match fact:
        case ContractVolumeReported():
            month = MonthVolume(fact.amount_fen, fact.late)
        case ContractVolumeCorrected():
            before = state.months.get(fact.month, MonthVolume(fact.previous_fen))
            month = replace(
                before, amount_fen=fact.amount_fen, corrections=before.corrections + 1, last_reason=fact.reason
            )
        case _:
            return state
    return Volumes({**state.months, fact.month: month})


VOLUMES = Category(
    name="volumes", facts=(ContractVolumeReported, ContractVolumeCorrected), initial=Volumes(), evolve=evolve
)
