"""A customer as an order's decisions see it: whether it may order now, and who may pay for it (R3.1)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from kehu_vetting.customer_files.facts import CustomerFile
from kehu_vetting.qualifications.requirements import RequiredDocuments
from kehu_vetting.settlement_units.facts import Unit
from kehu_vetting.standing.facts import Standing
from kehu_vetting.standing.ordering import may_order


@dataclass(frozen=True, slots=True)
class Buyer:
    """A customer at the moment of a decision.

    Args:
        file: what vetting has noted of it.
        active: activated by a signed agreement (R3.1.3).
        suspended: no new orders and no increases (R3.1.2).
        ended: closed, or merged into another customer.
        units: of the settlement units that were looked at, those that may pay for new orders of it.
        linked: all that are linked with it, for money that has come already.
        why: what bars it and its payer, in Chinese and English, for refusals.

    """

    file: CustomerFile
    active: bool = False
    suspended: bool = False
    ended: bool = False
    units: frozenset[str] = frozenset()
    linked: frozenset[str] = frozenset()
    why: tuple[str, str] = ("", "")


def buyer_of(
    file: CustomerFile, standing: Standing, policy: RequiredDocuments, today: date, unit: Unit | None = None
) -> Buyer:
    """A customer from its streams.

    Args:
        file: as the registry told of it.
        standing: how it stands.
        policy: the kinds of paper in force.
        today: in Shanghai.
        unit: the payer that an order names, where one is to be looked at.

    """
    payer = unit or Unit()
    bars = may_order(file, standing, payer, policy, today, payer.id or None).bars
    of_customer = [bar for bar in bars if bar.field == "customer" and bar.code not in ("not-active", "gone")]
    of_unit = [bar for bar in bars if bar.field == "unit"] if unit else []
    told = [*of_customer, *of_unit]
    return Buyer(
        file=file,
        active=standing.active_since is not None and standing.active_since <= today,
        suspended=bool(of_customer),
        ended=file.gone,
        units=frozenset({payer.id}) if payer.id and not of_unit else frozenset(),
        linked=frozenset(standing.payers),
        why=("".join(bar.zh for bar in told), " ".join(bar.en for bar in told)),
    )
