"""Whether a customer may order now, and who pays for it (R3.1)."""

from __future__ import annotations

from dataclasses import dataclass

from kehu_vetting.customer_files.facts import CustomerFile


@dataclass(frozen=True, slots=True)
class Buyer:
    """A customer at the moment of a decision.

    Args:
        file: what vetting has noted of it.
        active: activated by a signed agreement (R3.1.3).
        suspended: no new orders and no increases (R3.1.2).
        ended: closed, or merged into another customer.
        units: the settlement units that may pay for new orders of it; linked, not suspended, the agreement valid.
        linked: all that are linked with it, for money that has come already.

    """

    file: CustomerFile
    active: bool = False
    suspended: bool = False
    ended: bool = False
    units: frozenset[str] = frozenset()
    linked: frozenset[str] = frozenset()
