"""Published by vetting: who pays, what was ordered, paid, shipped and invoiced (R3.1.1, R3.2)."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Literal

from pydantic import BaseModel, ConfigDict

from kehu.contracts.customers import IdentityKind
from kehu.contracts.published import PublishedFact
from kehu.money import Fen


class Part(BaseModel):
    """A part of a fact. Unknown fields of newer writers are kept, as in facts."""

    model_config = ConfigDict(frozen=True, extra="allow")


# --- settlement units (R3.1.1) ---------------------------------------------------------------------------------------


class SettlementUnitQualified(PublishedFact, clause="R3.1.1"):
    """A payer is a qualified record of its own: keyed by its identity, whatever customers it pays for."""

    unit: str
    number: str
    name: str
    identity_kind: IdentityKind
    identity: str


class SettlementUnitSuspended(PublishedFact, clause="R3.1.1"):
    """A payer's papers have expired or it was suspended: every link with a customer is suspended with it."""

    unit: str
    reason: str


class SettlementUnitRestored(PublishedFact, clause="R3.1.1"):
    """A suspended payer may pay for orders again."""

    unit: str


class SettlementUnitLinked(PublishedFact, clause="R3.1.1"):
    """A payer pays for a customer: itself (no agreement), or under a signed three-party agreement."""

    unit: str
    customer: str
    default: bool
    agreement_digest: str | None = None
    signed_on: date | None = None
    valid_until: date | None = None


class SettlementUnitUnlinked(PublishedFact, clause="R3.1.1"):
    """A payer no longer pays for a customer; orders that name it keep it."""

    unit: str
    customer: str
    reason: str


# --- orders, 先款后货 (R3.2.1) --------------------------------------------------------------------------------------


class OrderLine(Part):
    """What is ordered: quantity and unit price as they stand in the signed order; the amount in fen, tax included."""

    item: str
    unit: str = ""
    quantity: Decimal
    amount_fen: Fen


class DeliveryBatch(Part):
    """One delivery of an order; batches are numbered from 1 in the order of their release."""

    batch: int
    amount_fen: Fen
    lines: tuple[OrderLine, ...]
    due_on: date | None = None


class OrderSigned(PublishedFact, clause="R3.2.1"):
    """An active customer has signed an order: one payer, one or more delivery batches, amounts tax included.

    Also accepted from other systems on ``kehu.inbound.vetting`` under the sender's own number (`reference`).
    """

    order: str
    number: str
    customer: str
    unit: str
    department: str
    owner: str
    signed_on: date
    file_digest: str
    amount_fen: Fen
    batches: tuple[DeliveryBatch, ...]
    #: 合同号, or the sender's own number; counts once per source.
    reference: str | None = None
    #: Which other system sent it; None where people entered it.
    source: str | None = None


class OrderAmended(PublishedFact, clause="R3.2.1"):
    """A signed amendment: the order names another payer, or has other batches from now on."""

    order: str
    customer: str
    unit: str
    amount_fen: Fen
    batches: tuple[DeliveryBatch, ...]
    signed_on: date
    file_digest: str
    reason: str
    #: The order's number that people say (订单号).
    order_number: str | None = None


class OrderCancelled(PublishedFact, clause="R3.2.1"):
    """What was not shipped of an order is cancelled; money allocated to it beyond what was shipped is free again."""

    order: str
    customer: str
    cancelled_fen: Fen
    shipped_fen: Fen
    cancelled_on: date
    reason: str
    #: The order's number that people say (订单号).
    order_number: str | None = None


class OrderReleased(PublishedFact, clause="R3.2.1"):
    """A batch is paid to the fen and may ship; `receipts` are the ids of the receipt facts that pay for it."""

    order: str
    customer: str
    batch: int
    amount_fen: Fen
    receipts: tuple[str, ...]
    #: The order's number that people say (订单号).
    order_number: str | None = None
    department: str | None = None


class ReleaseBlocked(PublishedFact, clause="R3.2.1"):
    """A released batch that has not shipped may no longer: money was reversed, refunded or moved away."""

    order: str
    customer: str
    batch: int
    amount_fen: Fen
    reason: str
    #: The order's number that people say (订单号).
    order_number: str | None = None
    department: str | None = None


class DeliveryOverdue(PublishedFact, clause="R3.2.1"):
    """The day on which a batch was to be delivered is over, and it has not left in whole; told once per day agreed.

    `released` says who is late: the warehouse, or the payer.
    """

    order: str
    customer: str
    order_number: str
    department: str
    owner: str
    batch: int
    due_on: date
    released: bool


class ShippingStopProposed(PublishedFact, clause="R3.2.1"):
    """One side of the two wants shipping stopped (or, with `lift`, resumed): the other one has to agree."""

    order: str
    customer: str
    order_number: str
    department: str
    side: Literal["finance", "manager"]
    lift: bool
    reason: str
    proposed_by: str
    on_behalf_of: str | None = None


class ShippingStopDeclined(PublishedFact, clause="R3.2.1"):
    """The other side does not agree, or whoever proposed it took it back."""

    order: str
    customer: str
    order_number: str
    department: str
    reason: str
    proposed_by: str
    declined_by: str


class ShippingStopped(PublishedFact, clause="R3.2.1"):
    """Finance and the department's manager have jointly stopped shipping to a suspended customer's order."""

    order: str
    customer: str
    reason: str
    #: The order's number that people say (订单号).
    order_number: str | None = None
    department: str | None = None
    proposed_by: str | None = None
    agreed_by: str | None = None
    on_behalf_of: str | None = None


class ShippingResumed(PublishedFact, clause="R3.2.1"):
    """The stop is lifted."""

    order: str
    customer: str
    order_number: str | None = None
    department: str | None = None
    proposed_by: str | None = None
    agreed_by: str | None = None
    on_behalf_of: str | None = None


class GoodsShipped(PublishedFact, clause="R3.2.1"):
    """A released batch, or part of it, has left the warehouse; `receipts` are the receipt facts that pay for it.

    Also accepted from a warehouse system on ``kehu.inbound.vetting`` under its own number (`reference`).
    """

    shipment: str
    order: str
    customer: str
    department: str
    batch: int
    shipped_on: date
    value_fen: Fen
    lines: tuple[OrderLine, ...]
    receipts: tuple[str, ...]
    #: The sender's own number; counts once per source.
    reference: str | None = None
    #: The order's number that people say (订单号).
    order_number: str | None = None
    source: str | None = None
    #: 发货单号 that people say.
    number: str | None = None


class GoodsReturned(PublishedFact, clause="R3.2.1"):
    """Shipped goods have come back; a fact of its own.

    Also accepted from a warehouse system on ``kehu.inbound.vetting``; `shipment` may then be the sender's number of it.
    """

    returned: str
    shipment: str
    order: str
    customer: str
    department: str
    returned_on: date
    value_fen: Fen
    lines: tuple[OrderLine, ...]
    reason: str
    reference: str | None = None
    #: The order's number that people say (订单号).
    order_number: str | None = None
    number: str | None = None
    #: Which other system told of it; `reference` is its number there.
    source: str | None = None


# --- receipts (R3.2.1) -----------------------------------------------------------------------------------------------


class ReceiptConfirmed(PublishedFact, clause="R3.2.1"):
    """Money of a payer is in our account; its bank reference counts once.

    Also accepted from a bank interface on ``kehu.inbound.vetting``; `payer` may then be the payer's identity number.
    """

    receipt: str
    number: str
    unit: str | None
    payer: str
    bank_reference: str
    amount_fen: Fen
    received_on: date
    #: As the bank writes it; the way to find out whose an unidentified receipt is.
    payer_name: str | None = None
    #: The other system that sent it, and its own number; None where finance confirmed it.
    source: str | None = None
    reference: str | None = None


class ReceiptIdentified(PublishedFact, clause="R3.2.1"):
    """It is known now from which settlement unit a receipt is; or, as long as none is allocated, that it is another."""

    receipt: str
    number: str
    unit: str
    payer: str
    evidence: str


class ReceiptAllocated(PublishedFact, clause="R3.2.1"):
    """Finance has put money of a receipt to an order; a negative amount takes it away again."""

    receipt: str
    order: str
    customer: str
    amount_fen: Fen
    #: The payer of the receipt, and the id of the fact by which the receipt was confirmed.
    unit: str | None = None
    receipt_fact: str | None = None
    reason: str | None = None


class ReceiptReversed(PublishedFact, clause="R3.2.1"):
    """The bank has taken a receipt back, whole or in part.

    Also accepted from a bank interface on ``kehu.inbound.vetting``; `receipt` may then be the receipt's bank reference.
    """

    receipt: str
    amount_fen: Fen
    reversed_on: date
    reason: str
    bank_reference: str | None = None
    #: 收款单号 that people say.
    number: str | None = None
    source: str | None = None
    reference: str | None = None


class ReceiptRefunded(PublishedFact, clause="R3.2.1"):
    """We have paid money of a receipt back to its payer."""

    receipt: str
    amount_fen: Fen
    refunded_on: date
    reason: str
    bank_reference: str


# --- invoices (R3.2.3) -----------------------------------------------------------------------------------------------


class InvoiceKind(StrEnum):
    """The kinds of special VAT invoice, by how they are numbered."""

    PAPER = "paper"  # code of 10 digits and number of 8 (12 and 8 for the older electronic one)
    DIGITAL = "digital"  # 20 digits, nothing to collect
    DIGITAL_ON_PAPER = "digital_on_paper"  # code and number, and the 20 digits


class InvoiceLine(Part):
    """A line of goods: net, tax and gross in fen; the rate in percent."""

    item: str
    unit: str = ""
    quantity: Decimal | None = None
    rate_percent: Decimal
    net_fen: Fen
    tax_fen: Fen
    gross_fen: Fen


class InvoiceRequested(PublishedFact, clause="R3.2.3"):
    """A salesperson asks for a special VAT invoice (F2): one marketing and one finance person pass it jointly."""

    request: str
    number: str
    order: str
    customer: str
    department: str
    gross_fen: Fen
    requested_by: str
    #: The order's number that people say (订单号).
    order_number: str | None = None
    #: Of what it asks for; a review names the one that it has seen.
    digest: str | None = None


class InvoiceRequestReviewed(PublishedFact, clause="R3.2.3"):
    """One of the two reviewers of F2 has passed it; with both it may be issued until `lapses_on`."""

    request: str
    order: str
    customer: str
    department: str
    side: Literal["marketing", "finance"]
    reviewed_by: str
    both: bool
    lapses_on: date | None = None
    requested_by: str
    on_behalf_of: str | None = None
    #: What the reviewer has seen: the request, and (R3.0) the customer's credit.
    digest: str | None = None
    credit_digest: str | None = None
    number: str | None = None
    #: When both have passed it.
    passed_on: date | None = None


class InvoiceRequestReturned(PublishedFact, clause="R3.2.3"):
    """An F2 goes back to the applicant with remarks; by a reviewer, or because what it rests on has changed."""

    request: str
    number: str
    order: str
    customer: str
    department: str
    remarks: str
    returned_by: str
    requested_by: str


class InvoiceRequestClosed(PublishedFact, clause="R3.2.3"):
    """An F2 will not be issued: refused, withdrawn, or its joint pass has lapsed."""

    request: str
    order: str
    customer: str
    department: str
    outcome: Literal["refused", "withdrawn", "lapsed"]
    reason: str
    requested_by: str
    number: str | None = None


class InvoiceIssued(PublishedFact, clause="R3.2.3"):
    """Finance has issued and registered an invoice. A red one names its blue one and has negative amounts."""

    invoice: str
    request: str | None
    order: str
    customer: str
    unit: str
    department: str
    kind: InvoiceKind
    code: str | None = None
    number: str | None = None
    digital_number: str | None = None
    issued_on: date
    net_fen: Fen
    tax_fen: Fen
    gross_fen: Fen
    lines: tuple[InvoiceLine, ...]
    red_of: str | None = None
    issued_by: str
    #: Who is to collect it (F3), or to acknowledge its delivery.
    collector: str | None = None
    #: The order's number that people say (订单号).
    order_number: str | None = None
    #: False for an ordinary invoice (普通发票): it takes no F2, and is registered all the same.
    special: bool = True
    #: The older electronic form of code and number: nothing on paper, so never void.
    electronic: bool = False
    request_number: str | None = None
    buyer_name: str | None = None
    buyer_identity: str | None = None
    #: Of a red one: the red letter that was asked for and confirmed.
    red: str | None = None


class InvoiceVoided(PublishedFact, clause="R3.2.3"):
    """A paper invoice is void (作废), in the month of its issue."""

    invoice: str
    order: str
    customer: str
    voided_on: date
    reason: str
    voided_by: str | None = None


class InvoiceCollected(PublishedFact, clause="R3.2.3"):
    """The salesperson has signed F3; `delivered_on` is when the customer got it."""

    invoice: str
    order: str
    customer: str
    collected_by: str
    collected_on: date
    delivered_on: date | None = None


class RedLetterDue(PublishedFact, clause="R3.2.3"):
    """More was invoiced for an order than its receipts cover: a red letter is due."""

    order: str
    customer: str
    department: str
    excess_fen: Fen
    #: The order's number that people say (订单号).
    order_number: str | None = None


class RedLetterCovered(PublishedFact, clause="R3.2.3"):
    """What was invoiced for an order is covered again: the red letter was issued, or money or goods came after all."""

    order: str
    customer: str
    department: str
    order_number: str | None = None


class RedLetterAsked(PublishedFact, clause="R3.2.3"):
    """Finance means to take back an invoice, whole or in part (`gross_fen` is negative).

    For digital kinds the buyer has to confirm it until `lapses_at`; for others there is nothing to confirm.
    """

    red: str
    invoice: str
    order: str
    customer: str
    department: str
    kind: InvoiceKind
    net_fen: Fen
    tax_fen: Fen
    gross_fen: Fen
    lines: tuple[InvoiceLine, ...]
    reason: str
    lapses_at: datetime | None
    asked_by: str


class RedLetterConfirmed(PublishedFact, clause="R3.2.3"):
    """The buyer has confirmed a red letter; `confirmation` is the confirmation's number. It may be issued now."""

    red: str
    invoice: str
    order: str
    customer: str
    department: str
    confirmation: str
    confirmed_by: str


class RedLetterDropped(PublishedFact, clause="R3.2.3"):
    """A red letter that was asked for will not be issued: unconfirmed in time, or withdrawn. It can be asked anew."""

    red: str
    invoice: str
    order: str
    customer: str
    department: str
    outcome: Literal["lapsed", "withdrawn"]
    reason: str
    asked_by: str
