"""What people send about requests and invoices, checked and normalised before anything is decided."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated

from pydantic import Field

from kehu.contracts.trade import InvoiceKind
from kehu.money import Fen
from kehu.text import Line, Paragraph
from kehu_vetting.bodies import Body, Code, Day, Sha256, Text
from kehu_vetting.invoices.amounts import TypedLine
from kehu_vetting.invoices.facts import Buyer, Side
from kehu_vetting.invoices.numbers import Numbers

#: More lines than any invoice has; all of them have to fit into one fact.
MOST_LINES = 100
MOST_RECEIPTS = 100

Percent = Annotated[Decimal, Field(ge=0, le=100, max_digits=5, decimal_places=2, allow_inf_nan=False)]
Quantity = Annotated[Decimal, Field(gt=0, max_digits=18, decimal_places=6, allow_inf_nan=False)]
Positive = Annotated[Fen, Field(gt=0)]
NotNegative = Annotated[Fen, Field(ge=0)]
Negative = Annotated[Fen, Field(lt=0)]
NotPositive = Annotated[Fen, Field(le=0)]
UnitName = Annotated[Line, Field(max_length=20)]
#: Full-width digits and surplus spaces are what people paste; a line makes half-width ones of them.
Digits = Annotated[Line, Field(max_length=40)]


class LineBody(Body):
    """A line of goods; what is left out of net and tax follows from the gross amount."""

    item: Line
    unit: UnitName | None = None
    quantity: Quantity | None = None
    rate_percent: Percent
    gross_fen: Positive
    net_fen: NotNegative | None = None
    tax_fen: NotNegative | None = None


class RedLineBody(Body):
    """A line of a red letter: negative amounts, as they will stand on it."""

    item: Line
    unit: UnitName | None = None
    quantity: Quantity | None = None
    rate_percent: Percent
    gross_fen: Negative
    net_fen: NotPositive | None = None
    tax_fen: NotPositive | None = None


Lines = Annotated[tuple[LineBody, ...], Field(max_length=MOST_LINES)]
RedLines = Annotated[tuple[RedLineBody, ...], Field(max_length=MOST_LINES)]


def typed(lines: tuple[LineBody, ...] | tuple[RedLineBody, ...]) -> tuple[TypedLine, ...]:
    """Lines as decisions take them."""
    return tuple(
        TypedLine(
            item=line.item,
            unit=line.unit or "",
            quantity=line.quantity,
            rate_percent=line.rate_percent,
            gross_fen=line.gross_fen,
            net_fen=line.net_fen,
            tax_fen=line.tax_fen,
        )
        for line in lines
    )


class BuyerBody(Body):
    """The buyer as the salesperson has it; it must be the order's settlement unit to the letter."""

    name: Line
    identity: Line
    bank: Line
    account: Line
    address: Line
    phone: Line

    def buyer(self) -> Buyer:
        """As it is held against the settlement unit."""
        return Buyer.model_validate(self.model_dump())


class ContentBody(Body):
    """What F2 asks for."""

    lines: Annotated[Lines, Field(min_length=1)]
    receipts: Annotated[
        tuple[Code, ...], Field(max_length=MOST_RECEIPTS, description="Of the order; all of them where none is named.")
    ] = ()
    buyer: Annotated[BuyerBody | None, Field(description="Taken from the settlement unit where it is left out.")] = None
    remark: Paragraph = ""


class RequestBody(ContentBody):
    """F2 for an order (its id or 订单号)."""

    order: Code


class PassBody(Body):
    """A review: the side, and the digests of the request and of the credit that were looked at (R3.0)."""

    side: Side
    digest: Sha256
    credit_digest: Sha256


class RemarksBody(Body):
    """Back to the applicant, with remarks."""

    side: Side
    remarks: Text


class RefuseBody(Body):
    """Refused for good."""

    side: Side
    reason: Text


class ReasonBody(Body):
    """Why."""

    reason: Text


class NumbersBody(Body):
    """Kind, numbers and day of an invoice."""

    kind: InvoiceKind
    code: Digits | None = None
    number: Digits | None = None
    digital_number: Digits | None = None
    issued_on: Day

    def numbers(self) -> Numbers:
        """As they are checked by kind."""
        return Numbers(self.kind, self.code, self.number, self.digital_number)


class IssueBody(NumbersBody):
    """An invoice issued on a request; without lines it is for all that is left of it."""

    digest: Annotated[Sha256, Field(description="Of the request that was looked at.")]
    lines: Lines = ()


class RegisterBody(NumbersBody):
    """An ordinary invoice (普通发票) of an order (its id or 订单号)."""

    order: Code
    lines: Annotated[Lines, Field(min_length=1)]


class RedLetterBody(Body):
    """A red letter of an invoice; without lines it takes back all that is left."""

    kind: Annotated[InvoiceKind, Field(description="Of the red invoice that will be issued.")]
    lines: RedLines = ()
    reason: Text


class ConfirmBody(Body):
    """The buyer's confirmation."""

    confirmation: Annotated[Line, Field(max_length=40, description="Its number (红字确认单编号).")]


class CollectBody(Body):
    """F3: when it was collected, and when the customer got it."""

    collected_on: Day
    delivered_on: Day | None = None
