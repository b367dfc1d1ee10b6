"""What was invoiced for an order: every invoice and red letter, in one stream, so that their sums hold (R3.2.3)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Literal

from kehu.contracts.trade import (
    InvoiceCollected,
    InvoiceIssued,
    InvoiceKind,
    InvoiceLine,
    InvoiceVoided,
    RedLetterAsked,
    RedLetterConfirmed,
    RedLetterCovered,
    RedLetterDropped,
    RedLetterDue,
)
from kehu.deciding import Category
from kehu.facts import Fact
from kehu.money import Fen
from kehu_vetting.invoices.amounts import Amounts, Goods, by_goods
from kehu_vetting.invoices.orders import OrderAccount

#: Which order's account holds an invoice; the claim's value is the invoice.
INVOICE_SCOPE = "invoice"


class RequestOpened(Fact, clause="R3.2.3"):
    """A request for the order waits to be passed or issued, for so much; said again when it asks for another amount."""

    order: str
    customer: str
    department: str
    order_number: str
    unit: str
    request: str
    gross_fen: Fen


class RequestSettled(Fact, clause="R3.2.3"):
    """Nothing more will be issued on a request."""

    order: str
    customer: str
    request: str


class OrderMoved(Fact, clause="R3.2.3"):
    """Money was put to the order or taken away, goods left or came back: what may be invoiced of it has moved by this.

    `version` is that of the order's fact.
    """

    order: str
    customer: str
    version: int
    received_fen: Fen = 0
    shipped_fen: Fen = 0


class OrderFollowed(Fact, clause="R3.2.3"):
    """Whoever issued an invoice has seen the order at this version, with these sums: earlier moves count no more."""

    order: str
    customer: str
    version: int
    received_fen: Fen
    shipped_fen: Fen


class BasisMoved(Fact, clause="R3.2.3"):
    """What requests rest on has changed, with version `version` of the order; `receipt`: for those that refer to it."""

    customer: str
    requests: tuple[str, ...]
    because: Literal["order", "receipts"]
    version: int
    receipt: str | None = None


class InvoiceStatus(StrEnum):
    """Whether an invoice holds."""

    ISSUED = "issued"
    VOIDED = "voided"


class RedStatus(StrEnum):
    """How far a red letter has come."""

    ASKED = "asked"
    CONFIRMED = "confirmed"  # or nothing to confirm
    ISSUED = "issued"
    LAPSED = "lapsed"
    WITHDRAWN = "withdrawn"


#: While it is one of these, its amounts are kept for it.
PENDING = frozenset({RedStatus.ASKED, RedStatus.CONFIRMED})


@dataclass(frozen=True, slots=True)
class Invoice:
    """One invoice, blue or (`red_of`) red."""

    id: str
    issued: InvoiceIssued
    status: InvoiceStatus = InvoiceStatus.ISSUED
    collected_by: str | None = None
    collected_on: date | None = None
    delivered_on: date | None = None

    @property
    def amounts(self) -> Amounts:
        """As they stand on it."""
        return Amounts(self.issued.net_fen, self.issued.tax_fen, self.issued.gross_fen)

    @property
    def holds(self) -> bool:
        """Whether it counts."""
        return self.status is InvoiceStatus.ISSUED

    @property
    def voidable(self) -> bool:
        """Whether it is on paper, so that it can be void at all."""
        return self.issued.kind is InvoiceKind.PAPER and not self.issued.electronic


@dataclass(frozen=True, slots=True)
class RedLetter:
    """A red letter from its asking on; `lines` have negative amounts."""

    id: str
    invoice: str
    kind: InvoiceKind
    lines: tuple[InvoiceLine, ...]
    reason: str
    lapses_at: datetime | None
    asked_by: str
    status: RedStatus


@dataclass(frozen=True, slots=True)
class InvoiceAccount:
    """The invoices of an order.

    `requested` is what open requests still ask for, by request. `received_fen` and `shipped_fen` follow the order a
    moment later, for what is told; whoever issues looks at the order itself, and so all up to version `followed` of it
    is in them. `due_fen` is what was last told to be due.
    """

    order: str = ""
    customer: str = ""
    department: str = ""
    order_number: str = ""
    unit: str = ""
    invoices: Mapping[str, Invoice] = field(default_factory=lambda: MappingProxyType({}))
    reds: Mapping[str, RedLetter] = field(default_factory=lambda: MappingProxyType({}))
    requested: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    received_fen: int = 0
    shipped_fen: int = 0
    followed: int = 0
    due_fen: int = 0

    @property
    def invoiced_fen(self) -> int:
        """Net invoiced: issued less red less void, tax included."""
        return sum(invoice.issued.gross_fen for invoice in self.invoices.values() if invoice.holds)

    @property
    def as_followed(self) -> OrderAccount:
        """The order as this account has followed it."""
        return OrderAccount(
            order=self.order,
            number=self.order_number,
            customer=self.customer,
            unit=self.unit,
            receipts={"": self.received_fen},
            shipped_fen=self.shipped_fen,
        )

    def left_of(self, blue: Invoice, *, without: str | None = None) -> Mapping[Goods, Amounts]:
        """What of an invoice no red letter, issued or pending, takes back; by goods and rate.

        Args:
            blue: whose.
            without: a pending red letter that does not count.

        """
        left = dict(by_goods(blue.issued.lines))
        issued = [one.issued.lines for one in self.invoices.values() if one.holds and one.issued.red_of == blue.id]
        pending = [
            one.lines
            for one in self.reds.values()
            if one.invoice == blue.id and one.status in PENDING and one.id != without
        ]
        for lines in (*issued, *pending):
            for goods, amounts in by_goods(lines).items():
                left[goods] = left.get(goods, Amounts()).plus(amounts)
        return left


def evolve(state: InvoiceAccount, fact: Fact) -> InvoiceAccount:  # noqa: PLR0911 - one case per fact
    """The account after a fact."""
    match fact:
        case RequestOpened():
            opened = _of_order(state, fact.order, fact.customer, fact.department, fact.order_number, fact.unit)
            return replace(opened, requested=MappingProxyType({**opened.requested, fact.request: fact.gross_fen}))
        case RequestSettled():
            return replace(state, requested=_less(state.requested, fact.request, None))
        case OrderMoved():
            return replace(
                state,
                order=fact.order,
                customer=fact.customer,
                received_fen=state.received_fen + fact.received_fen,
                shipped_fen=state.shipped_fen + fact.shipped_fen,
            )
        case OrderFollowed():
            return replace(state, received_fen=fact.received_fen, shipped_fen=fact.shipped_fen, followed=fact.version)
        case InvoiceIssued():
            return _issued(state, fact)
        case InvoiceVoided():
            return _with(state, replace(state.invoices[fact.invoice], status=InvoiceStatus.VOIDED))
        case InvoiceCollected():
            signed = replace(
                state.invoices[fact.invoice],
                collected_by=fact.collected_by,
                collected_on=fact.collected_on,
                delivered_on=fact.delivered_on,
            )
            return _with(state, signed)
        case RedLetterDue():
            return replace(state, due_fen=fact.excess_fen)
        case RedLetterCovered():
            return replace(state, due_fen=0)
        case _:
            return _evolve_reds(state, fact)


def _evolve_reds(state: InvoiceAccount, fact: Fact) -> InvoiceAccount:
    match fact:
        case RedLetterAsked():
            red = RedLetter(
                id=fact.red,
                invoice=fact.invoice,
                kind=fact.kind,
                lines=fact.lines,
                reason=fact.reason,
                lapses_at=fact.lapses_at,
                asked_by=fact.asked_by,
                status=RedStatus.ASKED if fact.lapses_at else RedStatus.CONFIRMED,
            )
            return _with_red(state, red)
        case RedLetterConfirmed():
            return _with_red(state, replace(state.reds[fact.red], status=RedStatus.CONFIRMED))
        case RedLetterDropped():
            return _with_red(state, replace(state.reds[fact.red], status=RedStatus(fact.outcome)))
        case _:
            return state


def _issued(state: InvoiceAccount, fact: InvoiceIssued) -> InvoiceAccount:
    of_order = _of_order(state, fact.order, fact.customer, fact.department, fact.order_number or "", fact.unit)
    after = _with(of_order, Invoice(fact.invoice, fact))
    if fact.request:
        after = replace(after, requested=_less(after.requested, fact.request, fact.gross_fen))
    if fact.red and fact.red in after.reds:
        after = _with_red(after, replace(after.reds[fact.red], status=RedStatus.ISSUED))
    return after


def _of_order(
    state: InvoiceAccount, order: str, customer: str, department: str, number: str, unit: str
) -> InvoiceAccount:
    return replace(state, order=order, customer=customer, department=department, order_number=number, unit=unit)


def _less(requested: Mapping[str, int], request: str, gross_fen: int | None) -> Mapping[str, int]:
    """What open requests ask for, with so much (or all) of one of them gone."""
    left = 0 if gross_fen is None else requested.get(request, 0) - gross_fen
    others = {one: gross for one, gross in requested.items() if one != request}
    return MappingProxyType({**others, request: left} if left > 0 else others)


def _with(state: InvoiceAccount, invoice: Invoice) -> InvoiceAccount:
    return replace(state, invoices=MappingProxyType({**state.invoices, invoice.id: invoice}))


def _with_red(state: InvoiceAccount, red: RedLetter) -> InvoiceAccount:
    return replace(state, reds=MappingProxyType({**state.reds, red.id: red}))


INVOICE_ACCOUNTS = Category(
    name="invoice_account",
    facts=(
        RequestOpened,
        RequestSettled,
        OrderMoved,
        OrderFollowed,
        BasisMoved,
        InvoiceIssued,
        InvoiceVoided,
        InvoiceCollected,
        RedLetterAsked,
        RedLetterConfirmed,
        RedLetterDropped,
        RedLetterDue,
        RedLetterCovered,
    ),
    initial=InvoiceAccount(),
    evolve=evolve,
)
