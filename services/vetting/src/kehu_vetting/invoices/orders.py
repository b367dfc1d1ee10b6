"""An order as invoices see it: whom it is for, who pays, what was agreed, and how much of it may be invoiced."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from kehu_vetting.invoices.policy import Invoicing


@dataclass(frozen=True, slots=True)
class OrderAccount:
    """An order and its account.

    Args:
        order: its id, empty where there is none.
        number: what people say (订单号).
        customer: whose.
        unit: the settlement unit that pays for it.
        digest: of what was agreed: payer, batches, lines, amounts, cancellation.
        amount_fen: what is ordered now, tax included.
        receipts: confirmed money allocated to it, net, by receipt.
        shipped_fen: value shipped less returned.
        version: of its stream.

    """

    order: str = ""
    number: str = ""
    customer: str = ""
    unit: str = ""
    digest: str = ""
    amount_fen: int = 0
    receipts: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    shipped_fen: int = 0
    version: int = 0

    @property
    def received_fen(self) -> int:
        """Allocated confirmed net receipts."""
        return sum(self.receipts.values())

    def ceiling(self, policy: Invoicing) -> int:
        """What may be invoiced of it, net of red letters and void ones (R3.2.3)."""
        if policy.invoice_basis == "received":
            return max(0, self.received_fen)
        return max(0, min(self.received_fen, self.shipped_fen))
