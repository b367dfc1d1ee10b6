"""What requests and invoices are decided on: their streams, with the order, its payer and the customer beside them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from kehu.commands import Thing
from kehu.deciding import Context, Decision
from kehu.errors import NotFound, Refused
from kehu.http import ActingRequest
from kehu_vetting.credit.facts import CREDIT, CreditRecord, IncidentStatus
from kehu_vetting.customer_files.facts import CUSTOMER_FILES
from kehu_vetting.invoices.accounts import INVOICE_ACCOUNTS, INVOICE_SCOPE, InvoiceAccount
from kehu_vetting.invoices.decisions import NUMBER_SCOPE
from kehu_vetting.invoices.facts import INVOICE_REQUESTS, InvoiceRequest
from kehu_vetting.invoices.gathered import CreditSeen, Gathered, OpenIncident
from kehu_vetting.invoices.lists import is_gone
from kehu_vetting.invoices.numbers import NUMBER_SCOPE as INVOICE_NUMBER_SCOPE
from kehu_vetting.invoices.orders import OrderAccount
from kehu_vetting.invoices.payers import account_of, counted, payer_of
from kehu_vetting.orders.facts import ORDERS
from kehu_vetting.orders.finding import find_order
from kehu_vetting.qualifications.decisions import policy_of
from kehu_vetting.qualifications.form import CreditConclusion
from kehu_vetting.settlement_units.facts import SETTLEMENT_UNITS
from kehu_vetting.standing.facts import STANDINGS

_ORDERS = counted(ORDERS)
_UNITS = counted(SETTLEMENT_UNITS)

#: Decides on the states of the targets, the order, and a context with `Gathered` in it.
OnOrder = Callable[[Sequence[Any], OrderAccount, Context], Sequence[Decision]]


@dataclass(frozen=True, slots=True)
class Parties:
    """The streams that stand beside an order: customer, standing (with its credit conclusion), payer, credit."""

    order: str
    customer: str
    unit: str
    collector_gone: bool = False

    @property
    def things(self) -> list[Thing[Any]]:
        """All of them, so that none moves while it is decided."""
        return [
            Thing(_ORDERS, self.order),
            Thing(CUSTOMER_FILES, self.customer, must_exist=False),
            Thing(STANDINGS, self.customer, must_exist=False),
            Thing(_UNITS, self.unit, must_exist=False),
            Thing(CREDIT, self.customer, must_exist=False),
        ]

    def gathered(self, states: Sequence[Any], context: Context) -> tuple[OrderAccount, Gathered]:
        """What `things` add up to.

        Raises:
            Refused: the order has just got another payer; the same again will find that one.

        """
        order, file, standing, unit, credit = states
        account = account_of(order)
        if account.unit != self.unit:
            raise Refused(
                "订单的结算单位刚刚变更,请重新提交。",
                "The order has just got another settlement unit: send this again.",
                clause="R3.2.3",
                code="payer-changed",
            )
        payer = payer_of(unit, standing, file, policy_of(context))
        seen = credit_seen(credit, standing.credit)
        return account, Gathered(file, payer, seen, collector_gone=self.collector_gone)


async def parties_of(request: ActingRequest, order: str, *, collector: str | None = None) -> Parties:
    """What stands beside an order, given its id or 订单号.

    Raises:
        NotFound: there is no such order.

    """
    order = await find_order(request, order)
    state, version = await request.running.commands.load(ORDERS, order)
    if not version:
        raise NotFound("没有这一订单。", "There is no such order.", clause="R3.2.3")
    return Parties(
        order=order,
        customer=state.customer,
        unit=state.unit,
        collector_gone=await is_gone(request.pool, collector) if collector else False,
    )


def beside(parties: Parties, targets: int, decide: OnOrder) -> Callable[[Sequence[Any], Context], Sequence[Decision]]:
    """A decision on so many targets, with the order and its parties, to which nothing is added."""

    def together(states: Sequence[Any], context: Context) -> Sequence[Decision]:
        account, gathered = parties.gathered(states[targets:], context)
        decided = decide(states[:targets], account, replace(context, gathered=gathered))
        return [*decided, *(Decision() for _ in states[targets:])]

    return together


async def look_beside(request: ActingRequest, parties: Parties) -> tuple[OrderAccount, Gathered]:
    """The same to be shown: the order and its parties as they stand."""
    commands = request.running.commands
    states = [(await commands.load(thing.category, thing.id))[0] for thing in parties.things]
    return parties.gathered(states, await request.context())


def credit_seen(credit: CreditRecord, conclusion: CreditConclusion | None) -> CreditSeen:
    """What a reviewer is shown of a customer's credit."""
    incidents = sorted(
        (one for one in credit.incidents.values() if one.status is IncidentStatus.OPEN), key=lambda one: one.id
    )
    return CreditSeen(
        rating=conclusion.rating.value if conclusion else None,
        conclusion=conclusion.conclusion if conclusion else None,
        evidence=conclusion.evidence if conclusion else None,
        open_incidents=tuple(OpenIncident(incident=one.id, occurred_on=one.occurred_on) for one in incidents),
    )


async def find_request(request: ActingRequest, named: str) -> tuple[str, InvoiceRequest, int]:
    """A request by its id or KP number, and its version.

    Raises:
        NotFound: there is none.

    """
    claim = await request.running.store.read_claim(NUMBER_SCOPE, named)
    found = str(claim["holder"]).partition("-")[2] if claim else named
    state, version = await request.running.commands.load(INVOICE_REQUESTS, found)
    if not version:
        raise NotFound("没有这份开票申请。", "There is no such request.", clause="R3.2.3")
    return found, state, version


async def find_invoice(request: ActingRequest, named: str) -> tuple[str, InvoiceAccount, int]:
    """An invoice's id by that or its number (20 digits, or code-number), with the account that holds it.

    Raises:
        NotFound: there is none.

    """
    store = request.running.store
    order = invoice = ""
    if claim := await store.read_claim(INVOICE_SCOPE, named):
        order, invoice = str(claim["holder"]), named
    elif claim := await store.read_claim(INVOICE_NUMBER_SCOPE, named):
        order, _, invoice = str(claim["holder"]).partition("/")
    account, version = await request.running.commands.load(INVOICE_ACCOUNTS, order) if order else (None, 0)
    if account is None or invoice not in account.invoices:
        raise NotFound("没有这张发票。", "There is no such invoice.", clause="R3.2.3")
    return invoice, account, version
