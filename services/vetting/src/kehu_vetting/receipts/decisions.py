"""Receipts: entering, confirming and identifying them (R3.2.1). Finance does; two persons, or one and the bank."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date

from kehu.contracts.staff import Role
from kehu.contracts.trade import ReceiptConfirmed, ReceiptIdentified
from kehu.deciding import Actor, Context, Decision
from kehu.errors import Forbidden, Invalid, Refused
from kehu.event_store import Claim
from kehu.money import show_yuan
from kehu_vetting.orders.rights import check_role
from kehu_vetting.receipts.facts import RECEIPTS, Receipt, ReceiptDiscarded, ReceiptEntered, ReceiptStatus

CLAUSE = "R3.2.1"
BANK_REFERENCE_SCOPE = "bank-reference"
NUMBER_SCOPE = "receipt-number"


@dataclass(frozen=True, slots=True)
class Money:
    """What is told of a receipt, by a person or by the bank.

    `unit` is None while it is not known whose money it is; `payer` is the payer's identity number as far as it was
    told. `source` and `reference` are another system's, where one sent it.
    """

    receipt: str
    number: str
    unit: str | None
    payer: str
    bank_reference: str
    amount_fen: int
    received_on: date
    payer_name: str | None = None
    source: str | None = None
    reference: str | None = None


@dataclass(frozen=True, slots=True)
class IdentifyPayer:
    """Say from which settlement unit a receipt is."""

    unit: str
    payer: str
    evidence: str


class ReceiptDiffers(Refused):
    """The bank reference stands with another amount or day: it counts once."""

    code = "bank-reference-taken"


class NotConfirmed(Refused):
    """Nobody has confirmed the receipt."""

    code = "receipt-not-confirmed"


def enter_receipt(command: Money, state: Receipt, context: Context) -> Decision:
    """Type a receipt; it counts for nothing until a colleague or the bank's statement confirms it.

    Whoever typed it may correct it by typing it again.

    Raises:
        Forbidden: not finance, or it is somebody else's entry.
        Invalid: the amount or day is impossible.
        ReceiptDiffers: this bank reference has been confirmed.

    """
    _check_finance(context.actor)
    _check_money(command, context.today)
    if state.confirmed:
        raise _differs(state)
    if state.status is ReceiptStatus.ENTERED and state.entered_by != context.actor.id:
        raise Forbidden(
            f"该流水号已由同事录入({state.number})。请核对后确认,或由其更正。",
            f"A colleague has entered this bank reference ({state.number}): confirm it, or have them correct it.",
            clause=CLAUSE,
            code="others-entry",
        )
    told = _numbered(command, state)
    fact = ReceiptEntered(
        receipt=told.receipt,
        number=told.number,
        unit=told.unit,
        payer=told.payer,
        payer_name=told.payer_name,
        bank_reference=told.bank_reference,
        amount_fen=told.amount_fen,
        received_on=told.received_on,
        entered_by=context.actor.id,
    )
    return Decision([fact], _claims(told))


def confirm_receipt(state: Receipt, context: Context) -> Decision:
    """Confirm what a colleague typed: the money is in our account.

    Raises:
        Forbidden: not finance, or it is one's own entry.
        Refused: there is nothing to confirm.

    """
    _check_finance(context.actor)
    if state.status is not ReceiptStatus.ENTERED:
        raise Refused(
            "该收款不在待确认状态。", "This receipt does not wait to be confirmed.", clause=CLAUSE, code="not-entered"
        )
    if state.entered_by == context.actor.id:
        raise Forbidden(
            "不能确认自己录入的收款。请由财务部的另一位同事确认,或导入银行对账单。",
            "Nobody confirms what they entered: ask a colleague of finance, or import the bank's statement.",
            clause=CLAUSE,
            code="separation",
        )
    return Decision([_confirmed(_money(state))])


def discard_receipt(reason: str, state: Receipt, context: Context) -> Decision:
    """Give up an entry that nobody has confirmed.

    Raises:
        Forbidden: not finance.
        Refused: it is confirmed, or given up already.

    """
    _check_finance(context.actor)
    if state.status is not ReceiptStatus.ENTERED:
        raise Refused(
            "只能作废尚未确认的录入。已确认的收款请用冲正或退款。",
            "Only an entry that is not confirmed can be given up: confirmed money is reversed or refunded.",
            clause=CLAUSE,
            code="not-entered",
        )
    return Decision([ReceiptDiscarded(receipt=state.id, reason=reason, discarded_by=context.actor.id)])


def take_from_bank(command: Money, state: Receipt, context: Context) -> Decision:
    """Take up what the bank says, by its statement or its interface; what is known already is no new fact.

    What somebody has typed gives way to it, but for a payer that the bank does not name.

    Raises:
        Invalid: the amount or day is impossible.
        ReceiptDiffers: this bank reference stands with another amount or day.

    """
    _check_money(command, context.today)
    if state.confirmed:
        if (state.amount_fen, state.received_on) == (command.amount_fen, command.received_on):
            return Decision()
        raise _differs(state)
    told = _numbered(command, state)
    if state.status is ReceiptStatus.ENTERED and told.unit is None:
        told = replace(told, unit=state.unit, payer=told.payer or state.payer)
    return Decision([_confirmed(told)], _claims(told))


def identify_payer(command: IdentifyPayer, state: Receipt, context: Context) -> Decision:
    """Say whose money it is; another payer may be said as long as none of it is put to an order.

    Raises:
        Forbidden: not finance.
        NotConfirmed, Refused: it is not confirmed; or some of it is put to orders.

    """
    _check_finance(context.actor)
    check_confirmed(state)
    if state.unit == command.unit:
        return Decision()
    if state.drawn:
        raise Refused(
            "该收款已分配给订单,不能改认付款单位。请先撤回分配。",
            "Some of it is put to orders, so its payer stays. Take that back first.",
            clause=CLAUSE,
            code="receipt-allocated",
        )
    return Decision(
        [
            ReceiptIdentified(
                receipt=state.id,
                number=state.number,
                unit=command.unit,
                payer=command.payer,
                evidence=command.evidence,
            )
        ]
    )


def check_confirmed(state: Receipt) -> None:
    """The money is in our account.

    Raises:
        NotConfirmed: nobody has said so.

    """
    if not state.confirmed:
        raise NotConfirmed(
            "该收款尚未确认,不能分配、冲正或退款。请先确认。",
            "This receipt is not confirmed: nothing can be put to orders, reversed or refunded before that.",
            clause=CLAUSE,
        )


def _check_finance(actor: Actor) -> None:
    check_role(actor, Role.FINANCE, None)


def _check_money(command: Money, today: date) -> None:
    if command.amount_fen <= 0:
        raise Invalid(
            "收款金额须大于零。银行退回的款项请登记冲正。",
            "A receipt is above zero. What the bank takes back is a reversal of its receipt.",
            clause=CLAUSE,
            code="amount-not-positive",
        )
    if command.received_on > today:
        raise Invalid(
            f"到账日期不能晚于今天({today})。",
            f"Money cannot have come after today ({today}): correct the day.",
            clause=CLAUSE,
            code="date-in-future",
        )


def _numbered(command: Money, state: Receipt) -> Money:
    """With the number that the receipt has had since it was first told of."""
    return replace(command, number=state.number) if state.number else command


def _money(state: Receipt) -> Money:
    return Money(
        state.id,
        state.number,
        state.unit,
        state.payer,
        state.bank_reference,
        state.amount_fen,
        state.received_on,
        state.payer_name,
    )


def _confirmed(told: Money) -> ReceiptConfirmed:
    return ReceiptConfirmed(
        receipt=told.receipt,
        number=told.number,
        unit=told.unit,
        payer=told.payer,
        bank_reference=told.bank_reference,
        amount_fen=told.amount_fen,
        received_on=told.received_on,
        payer_name=told.payer_name,
        source=told.source,
        reference=told.reference,
    )


def _claims(told: Money) -> list[Claim]:
    holder = RECEIPTS.stream(told.receipt)
    return [Claim(BANK_REFERENCE_SCOPE, told.bank_reference, holder), Claim(NUMBER_SCOPE, told.number, holder)]


def _differs(state: Receipt) -> ReceiptDiffers:
    return ReceiptDiffers(
        f"该银行流水号已确认为 {state.number}:{state.received_on} {show_yuan(state.amount_fen)} 元。"
        "一个流水号只计一次,请核对。",
        f"This bank reference is receipt {state.number}: {show_yuan(state.amount_fen)} yuan on {state.received_on}. "
        "It counts once: check it.",
        clause=CLAUSE,
        number=state.number,
    )
