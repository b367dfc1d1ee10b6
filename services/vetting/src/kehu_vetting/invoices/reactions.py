"""What orders, receipts, goods and payers make invoices do: requests lapse, red letters fall due (R3.2.3)."""

from __future__ import annotations

from typing import Any

from kehu.contracts.trade import (
    GoodsReturned,
    GoodsShipped,
    InvoiceRequestClosed,
    OrderAmended,
    OrderCancelled,
    ReceiptAllocated,
    SettlementUnitQualified,
)
from kehu.deciding import Context, Decision
from kehu.event_store import Connection
from kehu.facts import Fact, RecordedFact
from kehu.service import Reaction
from kehu_vetting.invoices.accounts import (
    INVOICE_ACCOUNTS,
    BasisMoved,
    InvoiceAccount,
    OrderMoved,
    RequestSettled,
)
from kehu_vetting.invoices.facts import INVOICE_PAYERS, INVOICE_REQUESTS, InvoiceRequest, PayerMoved
from kehu_vetting.invoices.issuing import told
from kehu_vetting.invoices.lists import OPEN_OF_UNIT
from kehu_vetting.invoices.policy import invoicing
from kehu_vetting.invoices.reviewing import basis_moved, payer_moved
from kehu_vetting.settlement_units.facts import UnitDetailsNoted

SERVICE = "vetting"


def money_moved(recorded: RecordedFact[ReceiptAllocated], state: InvoiceAccount, context: Context) -> Decision:
    """Money was put to the order or taken away; requests that refer to its receipt rest on something else now."""
    fact = recorded.fact
    moved = _moved(recorded, state, context, received_fen=fact.amount_fen)
    if state.requested:
        moved.append(_basis_moved(recorded, state, "receipts", receipt=fact.receipt))
    return Decision(moved)


def goods_left(recorded: RecordedFact[GoodsShipped], state: InvoiceAccount, context: Context) -> Decision:
    """More of the order may be invoiced."""
    return Decision(_moved(recorded, state, context, shipped_fen=recorded.fact.value_fen))


def goods_returned(recorded: RecordedFact[GoodsReturned], state: InvoiceAccount, context: Context) -> Decision:
    """Less of the order may be invoiced: what is above it has to be taken back."""
    return Decision(_moved(recorded, state, context, shipped_fen=-recorded.fact.value_fen))


def order_changed(
    recorded: RecordedFact[OrderAmended] | RecordedFact[OrderCancelled], state: InvoiceAccount, context: Context
) -> Decision:
    """Every open request of the order rests on something else now."""
    del context
    return Decision([_basis_moved(recorded, state, "order")] if state.requested else [])


def request_closed(recorded: RecordedFact[InvoiceRequestClosed], state: InvoiceAccount, context: Context) -> Decision:
    """What it asked for may be asked for again."""
    del context
    fact = recorded.fact
    if fact.request not in state.requested:
        return Decision()
    return Decision([RequestSettled(order=fact.order, customer=fact.customer, request=fact.request)])


async def open_requests(connection: Connection, recorded: RecordedFact[Any]) -> tuple[str, ...]:
    """The open requests that rest on a payer, as far as the list has come; whoever passes or issues looks again."""
    return tuple(row["request"] for row in await connection.fetch(OPEN_OF_UNIT, recorded.fact.unit))


def payer_renamed(recorded: RecordedFact[SettlementUnitQualified], state: None, context: Context) -> Decision:
    """A payer is called otherwise, or has another identity."""
    del state
    fact = recorded.fact
    return _payer_moved(recorded, context, {"name": fact.name, "identity": fact.identity})


def payer_details_changed(recorded: RecordedFact[UnitDetailsNoted], state: None, context: Context) -> Decision:
    """What invoices say of a payer's bank, address and phone has changed."""
    del state
    details = recorded.fact.details
    block = details.invoicing
    buyer = {
        "bank": (block.bank if block else "") or details.bank,
        "account": (block.account if block else "") or details.account,
        "address": block.address if block else "",
        "phone": block.phone if block else "",
    }
    return _payer_moved(recorded, context, buyer)


def request_payer_moved(recorded: RecordedFact[PayerMoved], state: InvoiceRequest, context: Context) -> Decision:
    """One of the requests that rest on the payer."""
    return payer_moved(recorded.fact, state, context)


def request_basis_moved(recorded: RecordedFact[BasisMoved], state: InvoiceRequest, context: Context) -> Decision:
    """One of the requests that are concerned."""
    return basis_moved(recorded.fact, state, context)


def _moved(recorded: RecordedFact[Any], state: InvoiceAccount, context: Context, **sums: int) -> list[Fact]:
    """What may be invoiced has moved, and what is to be told of that; nothing where it was seen already."""
    if recorded.version <= state.followed:
        return []
    fact = recorded.fact
    moved = OrderMoved(order=fact.order, customer=fact.customer, version=recorded.version, **sums)
    after = INVOICE_ACCOUNTS.evolve(state, moved)
    return [moved, *told(after, after.as_followed, invoicing(context))]


def _basis_moved(recorded: RecordedFact[Any], state: InvoiceAccount, because: Any, **only: Any) -> BasisMoved:
    return BasisMoved(
        customer=recorded.fact.customer,
        requests=tuple(sorted(state.requested)),
        because=because,
        version=recorded.version,
        **only,
    )


def _payer_moved(recorded: RecordedFact[Any], context: Context, buyer: dict[str, str]) -> Decision:
    requests: tuple[str, ...] = context.gathered
    if not requests:
        return Decision()
    moved = PayerMoved(unit=recorded.fact.unit, requests=requests, version=recorded.version, buyer=buyer)
    return Decision([moved])


def _order(recorded: RecordedFact[Any]) -> tuple[str]:
    return (recorded.fact.order,)


def _unit(recorded: RecordedFact[Any]) -> tuple[str]:
    return (recorded.fact.unit,)


def _requests(recorded: RecordedFact[Any]) -> tuple[str, ...]:
    return recorded.fact.requests


REACTIONS = (
    Reaction("invoices-money-moved", ReceiptAllocated, SERVICE, INVOICE_ACCOUNTS, _order, money_moved),
    Reaction("invoices-goods-left", GoodsShipped, SERVICE, INVOICE_ACCOUNTS, _order, goods_left),
    Reaction("invoices-goods-returned", GoodsReturned, SERVICE, INVOICE_ACCOUNTS, _order, goods_returned),
    Reaction("invoices-order-amended", OrderAmended, SERVICE, INVOICE_ACCOUNTS, _order, order_changed),
    Reaction("invoices-order-cancelled", OrderCancelled, SERVICE, INVOICE_ACCOUNTS, _order, order_changed),
    Reaction("invoices-request-closed", InvoiceRequestClosed, SERVICE, INVOICE_ACCOUNTS, _order, request_closed),
    Reaction("invoices-basis-moved", BasisMoved, SERVICE, INVOICE_REQUESTS, _requests, request_basis_moved),
    Reaction(
        "invoices-payer-renamed",
        SettlementUnitQualified,
        SERVICE,
        INVOICE_PAYERS,
        _unit,
        payer_renamed,
        open_requests,
    ),
    Reaction(
        "invoices-payer-changed",
        UnitDetailsNoted,
        SERVICE,
        INVOICE_PAYERS,
        _unit,
        payer_details_changed,
        open_requests,
    ),
    Reaction("invoices-payer-moved", PayerMoved, SERVICE, INVOICE_REQUESTS, _requests, request_payer_moved),
)
