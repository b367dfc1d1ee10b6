"""Receipts and reversals that a bank's interface tells of, under its references; by the rules of its statement."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

from pydantic import Field

from kehu.contracts.trade import ReceiptConfirmed, ReceiptReversed
from kehu.deciding import Category, Context, Decision
from kehu.errors import NotFound, Refused
from kehu.event_store import Connection
from kehu.facts import RecordedFact
from kehu.money import Fen
from kehu.service import Inbound
from kehu.text import Line
from kehu_vetting.bodies import Code, Day, Text
from kehu_vetting.inbound import Message, read_message, sender_of
from kehu_vetting.orders.facts import ORDERS, Order
from kehu_vetting.orders.numbers import next_number
from kehu_vetting.receipts.allocation import TakeBack, taken_back
from kehu_vetting.receipts.bodies import BankReference
from kehu_vetting.receipts.decisions import BANK_REFERENCE_SCOPE, Money, take_from_bank
from kehu_vetting.receipts.facts import RECEIPTS, GoneBack, Receipt, receipt_of
from kehu_vetting.receipts.statement import bank_reference
from kehu_vetting.settings import VettingSettings

# Uses the primary key, settlement_units_number and settlement_units_identity.
_UNIT = """
SELECT unit, identity FROM settlement_units WHERE unit = $1 OR number = $1 OR identity = $1 ORDER BY unit LIMIT 1
"""
# Uses the primary key and receipts_number.
_RECEIPT = "SELECT receipt FROM receipts WHERE receipt = $1 OR number = $1 LIMIT 1"
# Uses trade_ledger_receipt.
_DEPARTMENTS = """
SELECT DISTINCT l.order_id, c.department FROM trade_ledger l JOIN customer_files c USING (customer)
WHERE l.receipt = $1 AND l.order_id IS NOT NULL AND c.department IS NOT NULL
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


async def _check_reference(connection: Connection, reference: str, receipt: str) -> None:
    """The bank's number is no other receipt's, refund's or reversal's.

    Raises:
        Refused: it is.

    """
    holder = await connection.fetchval(_HOLDER, BANK_REFERENCE_SCOPE, reference)
    if holder not in (None, RECEIPTS.stream(receipt)):
        raise Refused(
            "该银行流水号已登记为另一笔收款、退款或冲正,一个流水号只计一次。",
            "This bank reference is recorded as another receipt, refund or reversal: it counts once.",
            clause="R3.2.1",
            code="bank-reference-taken",
        )


async def draw_number(connection: Connection, recorded: RecordedFact[ReceiptConfirmed]) -> str:
    """A number for the receipt.

    Raises:
        Refused: the bank's reference is that of a refund or a reversal.

    """
    fact = recorded.fact
    await _check_reference(connection, fact.bank_reference, fact.receipt)
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


class ReversalMessage(Message):
    """What a bank says of money that it has taken back; `receipt` by its bank reference, or by 收款单号."""

    receipt: Line
    amount_fen: Annotated[Fen, Field(gt=0)]
    reversed_on: Day
    reason: Text
    bank_reference: BankReference | None = None
    reference: Line | None = None


async def resolve_reversal(
    connection: Connection, recorded: RecordedFact[ReceiptReversed]
) -> RecordedFact[ReceiptReversed]:
    """The message with Kehu's id of the receipt, and the bank's number of the reversal as it counts."""
    told = read_message(ReversalMessage, recorded.fact)
    source, message = sender_of(recorded)
    receipt = await connection.fetchval(_RECEIPT, told.receipt) or receipt_of(bank_reference(told.receipt))
    changes: dict[str, Any] = {
        "receipt": receipt,
        "reason": told.reason,
        "bank_reference": told.bank_reference or bank_reference(message),
        "source": source,
        "reference": told.reference or message,
    }
    return recorded._replace(fact=recorded.fact.model_copy(update=changes))


async def departments_of(connection: Connection, recorded: RecordedFact[ReceiptReversed]) -> dict[str, str]:
    """The departments of the orders to which the receipt was put, for whoever is told.

    Raises:
        Refused: the bank's reference is something else's.

    """
    fact = recorded.fact
    await _check_reference(connection, fact.bank_reference or "", fact.receipt)
    return {row["order_id"]: row["department"] for row in await connection.fetch(_DEPARTMENTS, fact.receipt)}


def paid_orders(recorded: RecordedFact[ReceiptReversed], receipt: Receipt) -> list[tuple[Category[Any], str]]:
    """The orders to which the receipt is put: money may be missing for their goods."""
    del recorded
    return [(ORDERS, order) for order in receipt.drawn]


def accept_reversal(
    recorded: RecordedFact[ReceiptReversed], states: tuple[Any, ...], context: Context
) -> list[Decision]:
    """Take a reversal that the bank tells of, with what follows for the orders; the same again is known.

    Raises:
        NotFound: there is no such receipt.
        KehuError: as `taken_back`.

    """
    fact = recorded.fact
    receipt: Receipt = states[0]
    orders: tuple[Order, ...] = states[1:]
    if not receipt.id:
        raise NotFound(
            "没有这笔收款。请用其银行流水号或收款单号。",
            "There is no such receipt: name it by its bank reference, or by Kehu's number.",
            clause="R3.2.1",
            code="receipt-unknown",
        )
    told = GoneBack(refund=False, amount_fen=fact.amount_fen, day=fact.reversed_on)
    if receipt.gone_back.get(fact.bank_reference or "") == told:
        return [Decision() for _ in states]
    command = TakeBack(
        refund=False,
        amount_fen=fact.amount_fen,
        day=fact.reversed_on,
        reason=fact.reason,
        bank_reference=fact.bank_reference,
        source=fact.source,
        reference=fact.reference,
    )
    departments = {order.id: context.gathered.get(order.id, order.department) for order in orders}
    return taken_back(command, receipt, orders, replace(context, gathered=departments))


def _receipt(recorded: RecordedFact[Any]) -> tuple[str]:
    return (recorded.fact.receipt,)


_SETTINGS = VettingSettings()
INBOUND = (
    Inbound(
        name="bank-receipts",
        type=ReceiptConfirmed,
        sources=_SETTINGS.bank_sources,
        category=RECEIPTS,
        stream_ids=_receipt,
        decide=accept_receipt,
        gather=draw_number,
        resolve=resolve_receipt,
    ),
    Inbound(
        name="bank-reversals",
        type=ReceiptReversed,
        sources=_SETTINGS.bank_sources,
        category=RECEIPTS,
        stream_ids=_receipt,
        decide=accept_reversal,
        gather=departments_of,
        resolve=resolve_reversal,
        others=paid_orders,
    ),
)
