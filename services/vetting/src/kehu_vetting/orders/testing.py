"""What tests of orders and receipts stand on: books that commands are tried on, without any I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from decimal import Decimal
from functools import partial
from typing import Any

from kehu.contracts.trade import DeliveryBatch, OrderLine
from kehu.deciding import Actor, Context, Decision
from kehu.errors import NotFound
from kehu.facts import Fact
from kehu_vetting.orders import decisions, shipping, stopping
from kehu_vetting.orders.buyer import Buyer
from kehu_vetting.orders.facts import ORDERS, Order
from kehu_vetting.receipts import allocation
from kehu_vetting.receipts import decisions as receiving
from kehu_vetting.receipts.allocation import Concerned
from kehu_vetting.receipts.facts import RECEIPTS, Receipt, receipt_of
from kehu_vetting.testing import CUSTOMER, FILE, FINANCE, NOW, TODAY, person

CLERK = person("clerk", "order_clerk")
WAREHOUSE = person("store", "warehouse")
CASHIER = person("cashier", "finance", department=None)
UNIT = "u-1"
BUYER = Buyer(FILE, active=True, units=frozenset({UNIT}), linked=frozenset({UNIT}))
DIGEST = "ab" * 32


def batch(number: int, *lines: tuple[str, str, int], due_on: date | None = None) -> DeliveryBatch:
    """A batch of lines: item, quantity, amount in fen."""
    parts = tuple(OrderLine(item=item, quantity=Decimal(quantity), amount_fen=fen) for item, quantity, fen in lines)
    return DeliveryBatch(batch=number, amount_fen=sum(fen for _, _, fen in lines), lines=parts, due_on=due_on)


def single(fen: int, *, quantity: str = "10") -> tuple[DeliveryBatch, ...]:
    """One batch of one line."""
    return (batch(1, ("阀门", quantity, fen)),)


@dataclass
class Books:
    """Orders and receipts of one company: the facts recorded so far, and commands to try on them.

    Whatever moves money between several of them is recorded on all of them or on none, as the service does.
    """

    buyer: Buyer = BUYER
    now: datetime = NOW
    recorded: dict[str, list[Fact]] = field(default_factory=dict[str, list[Fact]])

    def order(self, order: str) -> Order:
        """An order as it stands."""
        return ORDERS.fold(self.recorded.get(ORDERS.stream(order), []))

    def _existing(self, stream: str) -> None:
        # As `Commands` refuses it before anything is decided.
        if stream not in self.recorded:
            raise NotFound("没有找到。", "There is no such thing.")

    def receipt(self, receipt: str) -> Receipt:
        """A receipt as it stands."""
        return RECEIPTS.fold(self.recorded.get(RECEIPTS.stream(receipt), []))

    def context(self, actor: Actor, gathered: Any = None) -> Context:
        """What a decision gets to know."""
        return Context(actor, self.now, {}, self.buyer if gathered is None else gathered)

    def record(self, stream: str, decision: Decision) -> list[Any]:
        """Record what was decided."""
        self.recorded.setdefault(stream, []).extend(decision.facts)
        return list(decision.facts)

    # --- orders ---------------------------------------------------------------------------------------------------

    def sign(self, order: str, batches: Sequence[DeliveryBatch], *, actor: Actor = CLERK, **other: Any) -> list[Any]:
        """Enter a signed order."""
        command = replace(
            decisions.SignOrder(
                order=order,
                number=f"DD-{order}",
                customer=CUSTOMER,
                unit=UNIT,
                signed_on=TODAY,
                file_digest=DIGEST,
                batches=tuple(batches),
            ),
            **other,
        )
        return self.record(ORDERS.stream(order), decisions.sign_order(command, self.order(order), self.context(actor)))

    def amend(self, order: str, batches: Sequence[DeliveryBatch], *, actor: Actor = CLERK, **other: Any) -> list[Any]:
        """Enter a signed amendment."""
        command = decisions.AmendOrder(UNIT, TODAY, DIGEST, tuple(batches), "客户要求")
        return self._freeing(order, decisions.amend_order, replace(command, **other), actor)

    def cancel(self, order: str, *, actor: Actor = CLERK) -> list[Any]:
        """Cancel what has not left."""
        return self._freeing(order, decisions.cancel_order, decisions.CancelOrder("客户取消"), actor)

    def ship(
        self, order: str, number: int, shipment: str, quantities: Mapping[str, str] | None = None,
        *, actor: Actor = WAREHOUSE, **other: Any,
    ) -> list[Any]:  # fmt: skip
        """Ship a batch, or part of it."""
        wanted = None if quantities is None else {item: Decimal(one) for item, one in quantities.items()}
        self._existing(ORDERS.stream(order))
        command = replace(shipping.ShipGoods(shipment, f"FH-{shipment}", number, TODAY, wanted), **other)
        return self.record(ORDERS.stream(order), shipping.ship_goods(command, self.order(order), self.context(actor)))

    def give_back(
        self, order: str, shipment: str, returned: str, quantities: Mapping[str, str], *, actor: Actor = WAREHOUSE
    ) -> list[Any]:
        """Record goods that came back."""
        wanted = {item: Decimal(one) for item, one in quantities.items()}
        self._existing(ORDERS.stream(order))
        command = shipping.ReturnGoods(returned, f"TH-{returned}", shipment, TODAY, wanted, "质量问题")
        return self.record(ORDERS.stream(order), shipping.return_goods(command, self.order(order), self.context(actor)))

    def credit(self, order: str, returned: str, *, actor: Actor = FINANCE) -> list[Any]:
        """Accept a return."""
        return self._freeing(order, shipping.credit_return, shipping.CreditReturn(returned), actor)

    def propose_stop(self, order: str, side: stopping.Side, *, lift: bool, actor: Actor) -> list[Any]:
        """Want shipping stopped, or resumed."""
        command = stopping.ProposeStop(side, lift, "客户已暂停")
        return self._on_order(order, partial(stopping.propose_stop, command), actor)

    def agree_to_stop(self, order: str, side: stopping.Side, *, actor: Actor) -> list[Any]:
        """Agree to what the other side wants."""
        return self._on_order(order, partial(stopping.agree_to_stop, stopping.AgreeToStop(side)), actor)

    def decline_stop(self, order: str, *, actor: Actor) -> list[Any]:
        """Do not agree, or take one's own wish back."""
        return self._on_order(order, partial(stopping.decline_stop, stopping.DeclineStop("不同意")), actor)

    def _on_order(self, order: str, decide: Any, actor: Actor) -> list[Any]:
        self._existing(ORDERS.stream(order))
        return self.record(ORDERS.stream(order), decide(self.order(order), self.context(actor)))

    def _freeing(self, order: str, decide: Any, command: Any, actor: Actor) -> list[Any]:
        self._existing(ORDERS.stream(order))
        state = self.order(order)
        receipts = [self.receipt(one) for one in state.payments]
        at_order, at_receipts = decide(command, state, receipts, self.context(actor))
        for receipt, decision in at_receipts.items():
            self.record(RECEIPTS.stream(receipt), decision)
        return self.record(ORDERS.stream(order), at_order)

    # --- receipts -------------------------------------------------------------------------------------------------

    def money(self, reference: str, fen: int, **other: Any) -> receiving.Money:
        """What is told of a receipt."""
        told = receiving.Money(receipt_of(reference), f"SK-{reference}", UNIT, "payer", reference, fen, TODAY)
        return replace(told, **other)

    def receive(self, reference: str, fen: int, *, actor: Actor = FINANCE, **other: Any) -> str:
        """Money that the bank has told of; gives the receipt's id."""
        told = self.money(reference, fen, **other)
        decision = receiving.take_from_bank(told, self.receipt(told.receipt), self.context(actor))
        self.record(RECEIPTS.stream(told.receipt), decision)
        return told.receipt

    def allocate(
        self, receipt: str, order: str, fen: int, *, actor: Actor = FINANCE, beyond_need: bool = False
    ) -> list[Any]:
        """Put money of a receipt to an order; gives what happened to the order."""
        return self._move(allocation.allocate, allocation.Allocate(fen, beyond_need), receipt, order, actor)

    def deallocate(self, receipt: str, order: str, fen: int, *, actor: Actor = FINANCE) -> list[Any]:
        """Take money from an order again."""
        return self._move(allocation.deallocate, allocation.Deallocate(fen, "更正"), receipt, order, actor)

    def take_back(self, receipt: str, fen: int, *, actor: Actor = FINANCE, refund: bool = False, **other: Any) -> None:
        """Money that goes back, by the bank or to the payer."""
        state = self.receipt(receipt)
        orders = [self.order(order) for order in state.drawn]
        reference = f"back-{receipt}-{state.reversed_fen + state.refunded_fen}"
        command = replace(allocation.TakeBack(refund, fen, TODAY, "退回", reference), **other)
        context = self.context(actor, {order.id: FILE.department for order in orders})
        first, *others = allocation.take_back(command, state, orders, context)
        self.record(RECEIPTS.stream(receipt), first)
        for order, decision in zip(orders, others, strict=True):
            self.record(ORDERS.stream(order.id), decision)

    def _move(self, decide: Any, command: Any, receipt: str, order: str, actor: Actor) -> list[Any]:
        self._existing(RECEIPTS.stream(receipt))
        self._existing(ORDERS.stream(order))
        state = self.receipt(receipt)
        context = self.context(actor, Concerned(self.buyer, f"fact-{receipt}" if state.confirmed else None))
        at_receipt, at_order = decide(command, state, self.order(order), context)
        self.record(RECEIPTS.stream(receipt), at_receipt)
        return self.record(ORDERS.stream(order), at_order)
