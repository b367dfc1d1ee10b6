"""Receipts that a bank's interface tells of, under the bank's reference; the rules are those of its statement."""

from __future__ import annotations

from typing import Any

from kehu.contracts.trade import ReceiptConfirmed
from kehu.deciding import Context, Decision
from kehu.errors import Refused
from kehu.event_store import Connection
from kehu.facts import RecordedFact
from kehu.money import Fen
from kehu.service import Inbound
from kehu.text import Line
from kehu_vetting.bodies import Code, Day
from kehu_vetting.inbound import Message, read_message, sender_of
from kehu_vetting.orders.numbers import next_number
from kehu_vetting.receipts.bodies import BankReference
from kehu_vetting.receipts.decisions import BANK_REFERENCE_SCOPE, Money, take_from_bank
from kehu_vetting.receipts.facts import RECEIPTS, Receipt, receipt_of
from kehu_vetting.settings import VettingSettings

# Uses the primary key, settlement_units_number and settlement_units_identity.
_UNIT = """
SELECT unit, identity FROM settlement_units WHERE unit = $1 OR number = $1 OR identity = $1 ORDER BY unit LIMIT 1
"""
_HOLDER = "SELECT holder FROM event_store.read_claim($1, $2)"


class ReceiptMessage(Message):
    """What a bank says of a receipt; `unit` or `payer` say whose it is, by identity number, unit number or id."""

    unit: Code | None = None
    payer: Line | None = None
    payer_name: Line | None = None
    bank_reference: BankReference
    amount_fen: Fen
    received_on: Day
    reference: Line | None = None


async def resolve_receipt(
    connection: Connection, recorded: RecordedFact[ReceiptConfirmed]
) -> RecordedFact[ReceiptConfirmed]:
    """The message with the payer's unit, where it is known, and the bank's reference as it counts."""
    told = read_message(ReceiptMessage, recorded.fact)
    source, message = sender_of(recorded)
    unit = await connection.fetchrow(_UNIT, told.unit or told.payer or "")
    changes: dict[str, Any] = {
        "receipt": receipt_of(told.bank_reference),
        "unit": unit and unit["unit"],
        "payer": unit["identity"] if unit else told.payer or told.unit or "",
        "payer_name": told.payer_name,
        "bank_reference": told.bank_reference,
        "source": source,
        "reference": told.reference or message,
    }
    return recorded._replace(fact=recorded.fact.model_copy(update=changes))


async def draw_number(connection: Connection, recorded: RecordedFact[ReceiptConfirmed]) -> str:
    """A number for the receipt.

    Raises:
        Refused: the bank's reference is that of a refund or a reversal.

    """
    fact = recorded.fact
    holder = await connection.fetchval(_HOLDER, BANK_REFERENCE_SCOPE, fact.bank_reference)
    if holder not in (None, RECEIPTS.stream(fact.receipt)):
        raise Refused(
            "该银行流水号已登记为退款或冲正,一个流水号只计一次。",
            "This bank reference is recorded as a refund or reversal: it counts once.",
            clause="R3.2.1",
            code="bank-reference-taken",
        )
    return await next_number(connection, "receipt_numbers")


def accept_receipt(recorded: RecordedFact[ReceiptConfirmed], state: Receipt, context: Context) -> Decision:
    """Take a receipt that the bank tells of; the same reference with the same amount and day is known.

    Raises:
        KehuError: as `take_from_bank`.

    """
    fact = recorded.fact
    told = Money(
        receipt=fact.receipt,
        number=context.gathered,
        unit=fact.unit,
        payer=fact.payer,
        bank_reference=fact.bank_reference,
        amount_fen=fact.amount_fen,
        received_on=fact.received_on,
        payer_name=fact.payer_name,
        source=fact.source,
        reference=fact.reference,
    )
    return take_from_bank(told, state, context)


def _receipt(recorded: RecordedFact[ReceiptConfirmed]) -> tuple[str]:
    return (recorded.fact.receipt,)


INBOUND = (
    Inbound(
        name="bank-receipts",
        type=ReceiptConfirmed,
        sources=VettingSettings().bank_sources,
        category=RECEIPTS,
        stream_ids=_receipt,
        decide=accept_receipt,
        gather=draw_number,
        resolve=resolve_receipt,
    ),
)
