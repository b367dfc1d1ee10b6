"""When another `invoice_basis` takes effect, what may be invoiced is looked at anew for every order (R3.2.3).

Whoever asks for or issues an invoice is held to the basis in force anyway; this says which invoices are above it, or no
longer are, without waiting for the next fact of each order.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from kehu.deciding import Category, Context, Decision
from kehu.event_store import Connection
from kehu.facts import Fact, RecordedFact
from kehu.policies import PolicyAdopted, PolicyWithdrawn
from kehu.service import Done, Due, Reaction, Schedule
from kehu_vetting.invoices.accounts import INVOICE_ACCOUNTS, InvoiceAccount
from kehu_vetting.invoices.issuing import told
from kehu_vetting.invoices.policy import INVOICING, invoicing

SERVICE = "vetting"
#: Orders that one fact names; each account is a stream of its own, of which a transaction takes 500.
PAGE = 200
#: There is one list of reviews.
_ALL = "all"
# Uses invoices_order.
_ORDERS = "SELECT DISTINCT order_id FROM invoices WHERE order_id > $1 ORDER BY order_id LIMIT $2"


class InvoicingChanged(Fact, clause="R3.2.3"):
    """A version of the data about invoices has taken effect."""

    version: int


class CeilingsReviewed(Fact, clause="R3.2.3"):
    """What may be invoiced of these orders is looked at under the data in force."""

    version: int
    orders: tuple[str, ...]


CEILINGS: Category[None] = Category(
    "invoice_ceilings", (InvoicingChanged, CeilingsReviewed), None, lambda state, _: state
)


def take_effect(key: str, due: datetime, state: None, context: Context) -> Decision:
    """The version's time has come."""
    del due, state, context
    return Decision([InvoicingChanged(version=int(key))])


async def first_orders(connection: Connection, recorded: RecordedFact[InvoicingChanged]) -> tuple[str, ...]:
    """The first orders of which something is invoiced, as far as the register has come: later ones know the version."""
    del recorded
    return await _orders(connection, "")


async def further_orders(connection: Connection, recorded: RecordedFact[CeilingsReviewed]) -> tuple[str, ...]:
    """Those behind the ones that were looked at."""
    orders = recorded.fact.orders
    return await _orders(connection, orders[-1]) if len(orders) == PAGE else ()


def review(
    recorded: RecordedFact[InvoicingChanged] | RecordedFact[CeilingsReviewed], state: None, context: Context
) -> Decision:
    """The next orders to look at."""
    del state
    orders: tuple[str, ...] = context.gathered
    return Decision([CeilingsReviewed(version=recorded.fact.version, orders=orders)] if orders else [])


def review_one(recorded: RecordedFact[CeilingsReviewed], state: InvoiceAccount, context: Context) -> Decision:
    """One order's account: a red letter is due now, for another amount, or no longer."""
    del recorded
    return Decision(told(state, state.as_followed, invoicing(context)) if state.order else [])


async def _orders(connection: Connection, after: str) -> tuple[str, ...]:
    return tuple(row["order_id"] for row in await connection.fetch(_ORDERS, after, PAGE))


def _adopted(recorded: RecordedFact[PolicyAdopted]) -> Due | None:
    mine = recorded.stream_id == INVOICING.name
    return Due(str(recorded.fact.version), recorded.fact.in_force_from) if mine else None


def _withdrawn(recorded: RecordedFact[PolicyWithdrawn]) -> Done | None:
    return Done(str(recorded.fact.version)) if recorded.stream_id == INVOICING.name else None


def _all(recorded: RecordedFact[Any]) -> tuple[str]:
    del recorded
    return (_ALL,)


def _accounts(recorded: RecordedFact[CeilingsReviewed]) -> tuple[str, ...]:
    return recorded.fact.orders


TAKES_EFFECT = Schedule(
    kind="invoicing-takes-effect",
    planned_by={PolicyAdopted: _adopted, PolicyWithdrawn: _withdrawn},
    category=CEILINGS,
    stream_id=lambda _key: _ALL,
    fire=take_effect,
)
REACTIONS = (
    Reaction("invoices-ceilings-changed", InvoicingChanged, SERVICE, CEILINGS, _all, review, first_orders),
    Reaction("invoices-more-ceilings", CeilingsReviewed, SERVICE, CEILINGS, _all, review, further_orders),
    Reaction("invoices-ceiling", CeilingsReviewed, SERVICE, INVOICE_ACCOUNTS, _accounts, review_one),
)
