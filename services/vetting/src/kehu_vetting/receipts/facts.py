"""What can have happened to a receipt: entered, confirmed, put to orders, taken or paid back (R3.2.1)."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from kehu.contracts.trade import ReceiptConfirmed, ReceiptIdentified, ReceiptRefunded, ReceiptReversed
from kehu.deciding import Category
from kehu.facts import Fact
from kehu.money import Fen

#: The space of the ids of receipts: one bank reference is one receipt, whoever tells of it and how often.
_SPACE = uuid.UUID("5b0f6a52-6c0c-4f3e-9a57-6a1f0b1f7a10")


class ReceiptStatus(StrEnum):
    """What has become of a receipt."""

    ENTERED = "entered"
    CONFIRMED = "confirmed"
    DISCARDED = "discarded"


class ReceiptEntered(Fact, clause="R3.2.1"):
    """Somebody of finance has typed a receipt; a colleague, or the bank's statement, has to confirm it."""

    receipt: str
    number: str
    unit: str | None
    payer: str
    payer_name: str | None = None
    bank_reference: str
    amount_fen: Fen
    received_on: date
    entered_by: str


class ReceiptDiscarded(Fact, clause="R3.2.1"):
    """An entry that nobody had confirmed is given up; its bank reference may be used again."""

    receipt: str
    reason: str
    discarded_by: str


class ReceiptDrawn(Fact, clause="R3.2.1"):
    """Money of the receipt is put to an order (or, with a negative amount, taken from it again)."""

    receipt: str
    order: str
    amount_fen: Fen


@dataclass(frozen=True, slots=True)
class GoneBack:
    """Money that the bank has taken back, or (`refund`) that we have paid back."""

    refund: bool
    amount_fen: int
    day: date


@dataclass(frozen=True, slots=True)
class Receipt:
    """One receipt and where its money is. `drawn` has the orders in the order in which they first got money."""

    id: str = ""
    number: str = ""
    status: ReceiptStatus | None = None
    unit: str | None = None
    payer: str = ""
    payer_name: str | None = None
    bank_reference: str = ""
    amount_fen: int = 0
    received_on: date = date.min
    entered_by: str | None = None
    reversed_fen: int = 0
    refunded_fen: int = 0
    drawn: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    #: What was taken or paid back, by the bank's number of it.
    gone_back: Mapping[str, GoneBack] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def confirmed(self) -> bool:
        """Whether its money is in our account."""
        return self.status is ReceiptStatus.CONFIRMED

    @property
    def net_fen(self) -> int:
        """What of it is still ours."""
        return self.amount_fen - self.reversed_fen - self.refunded_fen if self.confirmed else 0

    @property
    def drawn_fen(self) -> int:
        """What of it is put to orders."""
        return sum(self.drawn.values())

    @property
    def free_fen(self) -> int:
        """What of it is put to no order; it releases nothing."""
        return self.net_fen - self.drawn_fen


def receipt_of(bank_reference: str) -> str:
    """The id of the receipt with a bank reference."""
    return str(uuid.uuid5(_SPACE, bank_reference))


def evolve(state: Receipt, fact: Fact) -> Receipt:  # noqa: PLR0911 - one case per fact
    """The receipt after a fact."""
    match fact:
        case ReceiptEntered():
            return replace(_told(state, fact), status=ReceiptStatus.ENTERED, entered_by=fact.entered_by)
        case ReceiptConfirmed():
            return replace(_told(state, fact), status=ReceiptStatus.CONFIRMED)
        case ReceiptDiscarded():
            return replace(state, status=ReceiptStatus.DISCARDED)
        case ReceiptIdentified():
            return replace(state, unit=fact.unit, payer=fact.payer)
        case ReceiptDrawn():
            drawn = {**state.drawn, fact.order: state.drawn.get(fact.order, 0) + fact.amount_fen}
            return replace(state, drawn=MappingProxyType({order: fen for order, fen in drawn.items() if fen}))
        case ReceiptReversed():
            back = _gone_back(
                state, fact.bank_reference, GoneBack(refund=False, amount_fen=fact.amount_fen, day=fact.reversed_on)
            )
            return replace(state, reversed_fen=state.reversed_fen + fact.amount_fen, gone_back=back)
        case ReceiptRefunded():
            back = _gone_back(
                state, fact.bank_reference, GoneBack(refund=True, amount_fen=fact.amount_fen, day=fact.refunded_on)
            )
            return replace(state, refunded_fen=state.refunded_fen + fact.amount_fen, gone_back=back)
        case _:
            return state


def _gone_back(state: Receipt, reference: str | None, gone: GoneBack) -> Mapping[str, GoneBack]:
    return MappingProxyType({**state.gone_back, reference: gone}) if reference else state.gone_back


def _told(state: Receipt, fact: ReceiptEntered | ReceiptConfirmed) -> Receipt:
    told: dict[str, Any] = {
        name: getattr(fact, name)
        for name in ("number", "unit", "payer", "payer_name", "bank_reference", "amount_fen", "received_on")
    }
    return replace(state, id=fact.receipt, **told)


RECEIPTS = Category(
    name="receipt",
    facts=(
        ReceiptEntered,
        ReceiptConfirmed,
        ReceiptDiscarded,
        ReceiptIdentified,
        ReceiptDrawn,
        ReceiptReversed,
        ReceiptRefunded,
    ),
    initial=Receipt(),
    evolve=evolve,
)
