"""Requests and invoices as people see them, with what a reviewer has to look at (R3.0, R3.2.3)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

from pydantic import BaseModel, Field

from kehu.contracts.trade import (
    InvoiceKind,
    InvoiceLine,
    InvoiceRequestClosed,
    InvoiceRequestReturned,
    InvoiceRequestReviewed,
)
from kehu.deciding import Actor, Context
from kehu.errors import KehuError
from kehu.facts import Fact, RecordedFact
from kehu_vetting.customer_files.facts import CustomerFile
from kehu_vetting.invoices.accounts import Invoice, InvoiceAccount, InvoiceStatus, RedStatus
from kehu_vetting.invoices.decisions import changes
from kehu_vetting.invoices.facts import (
    SIDES,
    Buyer,
    CreditLookedAt,
    InvoiceRequest,
    PaidBy,
    RequestStatus,
    Side,
)
from kehu_vetting.invoices.gathered import CreditSeen, Gathered
from kehu_vetting.invoices.orders import OrderAccount
from kehu_vetting.invoices.policy import invoicing
from kehu_vetting.invoices.rights import check_issuer, check_reviewer
from kehu_vetting.sight import Sight, mask


class ReviewShown(BaseModel):
    """One of the two has passed it; whether that holds, and what was seen of the customer's credit."""

    side: Side
    reviewed_by: str
    on_behalf_of: str | None
    reviewed_at: datetime
    holds: bool
    credit_rating: str | None = None
    open_incidents: int = 0


class OutcomeShown(BaseModel):
    """It was returned, refused, withdrawn, or has lapsed."""

    outcome: str
    text: str
    by: str
    at: datetime


class CreditShown(BaseModel):
    """The customer's last credit conclusion and open incidents; `digest` goes with a review (R3.0)."""

    rating: str | None
    conclusion: str | None
    evidence: str | None
    open_incidents: list[dict[str, Any]]
    digest: str

    @classmethod
    def of(cls, credit: CreditSeen) -> CreditShown:
        """As it stands now."""
        return cls(
            rating=credit.rating,
            conclusion=credit.conclusion,
            evidence=credit.evidence,
            open_incidents=[one.model_dump(mode="json") for one in credit.open_incidents],
            digest=credit.digest,
        )


class RequestShown(BaseModel):
    """A request (F2) as it stands."""

    request: str
    number: str
    status: RequestStatus
    customer: str
    customer_number: str
    name: str
    department: str
    owner: str
    order: str
    order_number: str
    unit: str
    bundle: int
    digest: str = Field(description="To be sent with a review or an issue: what was looked at.")
    buyer: Buyer
    lines: list[InvoiceLine]
    net_fen: int
    tax_fen: int
    gross_fen: int
    receipts: list[PaidBy]
    remark: str
    applicant: str
    reviews: list[ReviewShown]
    outcomes: list[OutcomeShown]
    passed_on: date | None
    lapses_on: date | None
    changed: list[str] = Field(description="What has changed since it was written: order, receipts, buyer.")
    invoices: list[str]
    left_fen: int = Field(description="What of it is not issued yet.")
    taxpayer_proof_until: date | None
    credit: CreditShown
    may: list[str] = Field(description="What you may do now: marketing, finance (review), issue.")


class RedLetterShown(BaseModel):
    """A red letter of an invoice."""

    red: str
    kind: InvoiceKind
    status: RedStatus
    lines: list[InvoiceLine]
    reason: str
    lapses_at: datetime | None
    asked_by: str


class InvoiceShown(BaseModel):
    """An invoice as it stands; `left_fen` is what no red letter takes back, issued or asked for."""

    invoice: str
    status: InvoiceStatus
    kind: InvoiceKind
    special: bool
    electronic: bool
    code: str | None
    number: str | None
    digital_number: str | None
    issued_on: date
    order: str
    order_number: str | None
    request: str | None
    request_number: str | None
    customer: str
    customer_number: str
    name: str
    unit: str
    buyer_name: str | None
    buyer_identity: str | None
    lines: list[InvoiceLine]
    net_fen: int
    tax_fen: int
    gross_fen: int
    red_of: str | None
    left_fen: int
    red_letters: list[RedLetterShown]
    issued_by: str
    collector: str | None
    collected_by: str | None
    collected_on: date | None
    delivered_on: date | None


class InvoicingShown(BaseModel):
    """What of an order may be invoiced, is invoiced, and is asked for; amounts in fen, tax included (R3.2.3)."""

    order: str
    order_number: str
    customer: str
    unit: str
    received_fen: int
    shipped_fen: int
    ceiling_fen: int
    invoiced_fen: int
    requested_fen: int
    left_fen: int
    red_letter_due_fen: int
    buyer: Buyer | None
    taxpayer_proven: bool
    taxpayer_proof_until: date | None
    rates: list[str] = Field(description="At which an invoice may be issued today, in percent.")


def describe_request(
    history: Sequence[RecordedFact[Fact]],
    state: InvoiceRequest,
    order: OrderAccount,
    gathered: Gathered,
    actor: Actor,
    seen: Sight = Sight.ALL,
) -> RequestShown:
    """A request with everything passed and remarked.

    Args:
        history: its facts.
        state: what they add up to.
        order: as it stands.
        gathered: customer, payer and credit as they stand.
        actor: who looks.
        seen: how much of it they see.

    """
    if state.content is None or state.basis is None:
        raise AssertionError("A request begins with what it asks for.")
    amounts, file = state.amounts, gathered.file
    served = sum(one.gross for one in state.served.values())
    return RequestShown(
        request=state.id,
        number=state.number,
        status=state.status,
        customer=state.customer,
        customer_number=file.number,
        name=file.name,
        department=file.department,
        owner=file.owner,
        order=state.order,
        order_number=state.order_number,
        unit=state.basis.unit,
        bundle=state.bundle,
        digest=state.digest,
        buyer=masked_buyer(state.content.buyer) if seen is Sight.MASKED else state.content.buyer,
        lines=list(state.content.lines),
        net_fen=amounts.net,
        tax_fen=amounts.tax,
        gross_fen=amounts.gross,
        receipts=list(state.basis.receipts),
        remark=state.content.remark,
        applicant=state.applicant,
        reviews=_reviews(history, state),
        outcomes=_outcomes(history),
        passed_on=state.passed_on,
        lapses_on=state.lapses_on,
        changed=changes(state, order, gathered.payer),
        invoices=list(state.invoices),
        left_fen=amounts.gross - served,
        taxpayer_proof_until=gathered.payer.proof_until,
        credit=CreditShown.of(gathered.credit),
        may=_may(state, file, actor),
    )


def masked_buyer(buyer: Buyer) -> Buyer:
    """The buyer's block for who reads masked: a payer may be a person, whose account and phone are personal."""
    return buyer.model_copy(update={name: mask(getattr(buyer, name)) for name in ("account", "phone")})


def describe_invoice(invoice: Invoice, account: InvoiceAccount, file: CustomerFile) -> InvoiceShown:
    """An invoice with its red letters and its F3."""
    issued = invoice.issued
    left = 0 if issued.red_of or not invoice.holds else sum(one.gross for one in account.left_of(invoice).values())
    return InvoiceShown(
        invoice=invoice.id,
        status=invoice.status,
        customer_number=file.number,
        name=file.name,
        left_fen=left,
        red_letters=[
            RedLetterShown(
                red=one.id,
                kind=one.kind,
                status=one.status,
                lines=list(one.lines),
                reason=one.reason,
                lapses_at=one.lapses_at,
                asked_by=one.asked_by,
            )
            for one in account.reds.values()
            if one.invoice == invoice.id
        ],
        collected_by=invoice.collected_by,
        collected_on=invoice.collected_on,
        delivered_on=invoice.delivered_on,
        **{
            name: getattr(issued, name)
            for name in InvoiceShown.model_fields
            if name in type(issued).model_fields and name not in ("invoice", "lines")
        },
        lines=list(issued.lines),
    )


def describe_invoicing(
    order: OrderAccount, account: InvoiceAccount, gathered: Gathered, context: Context
) -> InvoicingShown:
    """What may still be invoiced of an order, and to whom."""
    policy = invoicing(context)
    ceiling, requested = order.ceiling(policy), sum(account.requested.values())
    return InvoicingShown(
        order=order.order,
        order_number=order.number,
        customer=order.customer,
        unit=order.unit,
        received_fen=order.received_fen,
        shipped_fen=order.shipped_fen,
        ceiling_fen=ceiling,
        invoiced_fen=account.invoiced_fen,
        requested_fen=requested,
        left_fen=max(0, ceiling - account.invoiced_fen - requested),
        red_letter_due_fen=max(0, account.invoiced_fen - ceiling),
        buyer=gathered.payer.buyer,
        taxpayer_proven=gathered.payer.proven_on(context.today),
        taxpayer_proof_until=gathered.payer.proof_until,
        rates=[str(rate) for rate in policy.rates_on(context.today)],
    )


def _reviews(history: Sequence[RecordedFact[Fact]], state: InvoiceRequest) -> list[ReviewShown]:
    found: list[ReviewShown] = []
    looked: dict[str, CreditLookedAt] = {}
    for recorded in history:
        match recorded.fact:
            case CreditLookedAt() as fact:
                looked[fact.side] = fact
            case InvoiceRequestReturned():
                found = [one.model_copy(update={"holds": False}) for one in found]
            case InvoiceRequestReviewed() as fact:
                seen = looked.get(fact.side)
                found.append(
                    ReviewShown(
                        side=fact.side,
                        reviewed_by=fact.reviewed_by,
                        on_behalf_of=fact.on_behalf_of,
                        reviewed_at=recorded.occurred_at,
                        holds=state.status is not RequestStatus.LAPSED,
                        credit_rating=seen.rating if seen else None,
                        open_incidents=len(seen.open_incidents) if seen else 0,
                    )
                )
            case _:
                pass
    return found


def _outcomes(history: Sequence[RecordedFact[Fact]]) -> list[OutcomeShown]:
    found: list[OutcomeShown] = []
    for recorded in history:
        match recorded.fact:
            case InvoiceRequestReturned() as fact:
                found.append(
                    OutcomeShown(outcome="returned", text=fact.remarks, by=recorded.actor, at=recorded.occurred_at)
                )
            case InvoiceRequestClosed() as fact:
                found.append(
                    OutcomeShown(outcome=fact.outcome, text=fact.reason, by=recorded.actor, at=recorded.occurred_at)
                )
            case _:
                pass
    return found


def _may(state: InvoiceRequest, file: CustomerFile, actor: Actor) -> list[str]:
    """What whoever looks may do now, by role and by separation of duties."""
    found: list[str] = []
    if state.status is RequestStatus.IN_REVIEW:
        found += [
            side for side in SIDES if side not in state.reviews and _allowed(check_reviewer, side, actor, file, state)
        ]
    if state.status is RequestStatus.PASSED and _allowed(check_issuer, actor, file, state):
        found.append("issue")
    return found


def _allowed(check: Any, *arguments: Any) -> bool:
    try:
        check(*arguments)
    except KehuError:
        return False
    return True
