"""What people send about receipts, checked and normalised before anything is decided."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from kehu.money import Fen
from kehu.text import Line
from kehu_vetting.bodies import Body, Code, Day, Text
from kehu_vetting.receipts.statement import bank_reference

Amount = Annotated[Fen, Field(gt=0)]
#: As the bank writes it; spaces and small letters make no difference.
BankReference = Annotated[Line, AfterValidator(bank_reference), Field(max_length=100)]


class ReceiptBody(Body):
    """A receipt as finance types it. `unit` or `payer` say whose it is, as far as that is known."""

    unit: Annotated[Code | None, Field(description="The payer: id, number or identity of a settlement unit.")] = None
    payer: Annotated[Line | None, Field(description="The payer's identity number, where it is no unit yet.")] = None
    payer_name: Line | None = None
    bank_reference: BankReference
    amount_fen: Amount
    received_on: Day


class DiscardBody(Body):
    """Why an entry is given up."""

    reason: Text


class IdentifyBody(Body):
    """From which settlement unit a receipt is, and how that is known."""

    unit: Annotated[Code, Field(description="Id, number or identity.")]
    evidence: Text


class AllocationBody(Body):
    """Money of the receipt for an order."""

    order: Annotated[Code, Field(description="Id or 订单号.")]
    amount_fen: Amount
    beyond_need: Annotated[bool, Field(description="Also more than the order still needs.")] = False


class DeallocationBody(Body):
    """Money taken from an order again."""

    order: Annotated[Code, Field(description="Id or 订单号.")]
    amount_fen: Amount
    reason: Text


class ReversalBody(Body):
    """The bank has taken money back."""

    amount_fen: Amount
    reversed_on: Day
    reason: Text
    bank_reference: BankReference | None = None


class RefundBody(Body):
    """We have paid money back to its payer."""

    amount_fen: Amount
    refunded_on: Day
    reason: Text
    bank_reference: BankReference
