"""What can happen to a request for a special VAT invoice (F2), and the state that it adds up to (R3.2.3)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from enum import StrEnum
from types import MappingProxyType
from typing import Literal

from pydantic import BaseModel, ConfigDict

from kehu.contracts.trade import (
    InvoiceLine,
    InvoiceRequestClosed,
    InvoiceRequested,
    InvoiceRequestReturned,
    InvoiceRequestReviewed,
)
from kehu.deciding import Category
from kehu.facts import Fact
from kehu.money import Fen
from kehu.standing_in import Signature
from kehu_vetting.invoices.amounts import Amounts, Goods, by_goods, total

#: The two who jointly pass a request.
Side = Literal["marketing", "finance"]
SIDES: tuple[Side, Side] = ("marketing", "finance")


class Part(BaseModel):
    """A part of a fact. Unknown fields of newer writers are kept, as in facts."""

    model_config = ConfigDict(frozen=True, extra="allow")


class Buyer(Part):
    """The buyer as an invoice names it: the settlement unit of the order, to the letter."""

    name: str
    identity: str
    bank: str
    account: str
    address: str
    phone: str


class PaidBy(Part):
    """A receipt that the request refers to, and how much of it was allocated to the order."""

    receipt: str
    allocated_fen: Fen


class Basis(Part):
    """What a request rests on: the order as agreed, its payer, and the receipts. When it changes, the pass lapses."""

    unit: str
    order_digest: str
    receipts: tuple[PaidBy, ...]


class Content(Part):
    """What F2 asks for."""

    buyer: Buyer
    lines: tuple[InvoiceLine, ...]
    remark: str = ""


class RequestWritten(Fact, clause="R3.2.3"):
    """F2 reads so; `digest` is that of all of it, bundle number included."""

    request: str
    customer: str
    order: str
    order_number: str
    bundle: int
    digest: str
    content: Content
    basis: Basis
    written_by: str
    #: At which versions order and settlement unit were read: what happened to them up to there is in the basis.
    order_version: int
    unit_version: int


class CreditLookedAt(Fact, clause="R3.0"):
    """A reviewer has seen the customer's last credit conclusion and open incidents before passing the request."""

    request: str
    customer: str
    side: Side
    digest: str
    rating: str | None
    open_incidents: tuple[str, ...]
    looked_by: str


class PayerMoved(Fact, clause="R3.2.3"):
    """A settlement unit reads otherwise since its version `version`: open requests may name a buyer that it is not."""

    unit: str
    requests: tuple[str, ...]
    version: int
    #: By the names of `Buyer`; what is not said has not changed.
    buyer: dict[str, str]


class RequestServed(Fact, clause="R3.2.3"):
    """An invoice was issued on the request, for all of it or a part; `complete`: nothing is left of it."""

    request: str
    customer: str
    invoice: str
    lines: tuple[InvoiceLine, ...]
    complete: bool
    issued_by: str


class RequestStatus(StrEnum):
    """How far a request has come."""

    IN_REVIEW = "in_review"
    RETURNED = "returned"
    PASSED = "passed"
    ISSUED = "issued"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"
    LAPSED = "lapsed"


#: While it is one of these, something may still become of it.
OPEN = frozenset({RequestStatus.IN_REVIEW, RequestStatus.RETURNED, RequestStatus.PASSED})


@dataclass(frozen=True, slots=True)
class InvoiceRequest:
    """A request as it stands.

    `reviews` are those that hold, by side; `reviewed` everybody who ever passed a side, also where that no longer
    counts; `applicants` everybody who wrote it. `served` is what was issued on it, by goods and rate.
    """

    id: str = ""
    number: str = ""
    customer: str = ""
    department: str = ""
    order: str = ""
    order_number: str = ""
    status: RequestStatus = RequestStatus.IN_REVIEW
    bundle: int = 0
    digest: str = ""
    content: Content | None = None
    basis: Basis | None = None
    order_version: int = 0
    unit_version: int = 0
    applicant: str = ""
    applicants: frozenset[str] = frozenset()
    reviews: Mapping[Side, Signature] = field(default_factory=lambda: MappingProxyType({}))
    reviewed: frozenset[tuple[Side, str]] = frozenset()
    passed_on: date | None = None
    lapses_on: date | None = None
    served: Mapping[Goods, Amounts] = field(default_factory=lambda: MappingProxyType({}))
    invoices: tuple[str, ...] = ()

    @property
    def amounts(self) -> Amounts:
        """What it asks for."""
        return total(self.content.lines) if self.content else Amounts()

    @property
    def reviewers(self) -> frozenset[str]:
        """Everybody who ever passed one of its sides."""
        return frozenset(person for _, person in self.reviewed)


def evolve(state: InvoiceRequest, fact: Fact) -> InvoiceRequest:  # noqa: PLR0911 - one case per fact
    """The state after a fact."""
    match fact:
        case RequestWritten():
            return replace(
                state,
                id=fact.request,
                customer=fact.customer,
                order=fact.order,
                order_number=fact.order_number,
                bundle=fact.bundle,
                digest=fact.digest,
                content=fact.content,
                basis=fact.basis,
                order_version=fact.order_version,
                unit_version=fact.unit_version,
                applicant=fact.written_by,
                applicants=state.applicants | {fact.written_by},
            )
        case InvoiceRequested():
            return replace(
                _without_reviews(state, RequestStatus.IN_REVIEW), number=fact.number, department=fact.department
            )
        case InvoiceRequestReviewed():
            return _reviewed(state, fact)
        case InvoiceRequestReturned():
            return _without_reviews(state, RequestStatus.RETURNED)
        case InvoiceRequestClosed():
            return replace(state, status=RequestStatus(fact.outcome))
        case RequestServed():
            served = dict(state.served)
            for goods, amounts in by_goods(fact.lines).items():
                served[goods] = served.get(goods, Amounts()).plus(amounts)
            status = RequestStatus.ISSUED if fact.complete else state.status
            return replace(
                state, served=MappingProxyType(served), invoices=(*state.invoices, fact.invoice), status=status
            )
        case _:
            return state


def _reviewed(state: InvoiceRequest, fact: InvoiceRequestReviewed) -> InvoiceRequest:
    review = Signature(fact.reviewed_by, fact.on_behalf_of)
    return replace(
        state,
        status=RequestStatus.PASSED if fact.both else state.status,
        reviews=MappingProxyType({**state.reviews, fact.side: review}),
        reviewed=state.reviewed | {(fact.side, person) for person in review.people},
        passed_on=fact.passed_on if fact.both else None,
        lapses_on=fact.lapses_on,
    )


def _without_reviews(state: InvoiceRequest, status: RequestStatus) -> InvoiceRequest:
    return replace(state, status=status, reviews=MappingProxyType({}), passed_on=None, lapses_on=None)


#: One stream per settlement unit, for what its changes do to requests.
INVOICE_PAYERS: Category[None] = Category("invoice_payer", (PayerMoved,), None, lambda state, _: state)

INVOICE_REQUESTS = Category(
    name="invoice_request",
    facts=(
        RequestWritten,
        CreditLookedAt,
        RequestServed,
        InvoiceRequested,
        InvoiceRequestReviewed,
        InvoiceRequestReturned,
        InvoiceRequestClosed,
    ),
    initial=InvoiceRequest(),
    evolve=evolve,
)
