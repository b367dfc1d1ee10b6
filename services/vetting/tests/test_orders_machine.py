"""Whatever is done to orders and money, in whatever order: nothing unpaid leaves, and no fen is lost or made."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from fractions import Fraction

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from kehu.contracts.trade import (
    DeliveryBatch,
    GoodsShipped,
    OrderReleased,
    ReceiptConfirmed,
    ReceiptRefunded,
    ReceiptReversed,
)
from kehu.errors import KehuError
from kehu.facts import Fact
from kehu_vetting.orders.facts import ORDERS, Order, ShortfallArisen
from kehu_vetting.orders.testing import Books, batch
from kehu_vetting.receipts.facts import RECEIPTS, ReceiptDrawn, receipt_of

ORDER_IDS = ("o-1", "o-2")
REFERENCES = ("b-1", "b-2", "b-3")
RECEIPT_IDS = tuple(map(receipt_of, REFERENCES))
#: Around what the batches cost, so that sums meet to the fen; and what nobody should get through with.
AMOUNTS = st.integers(1, 60) | st.integers(-5, 700) | st.sampled_from([10**15, -(10**15)])
QUANTITIES = st.sampled_from(["0.5", "1", "2", "3", "0", "-1", "999999999999", "0.333333"])


@st.composite
def agreed(draw: st.DrawFn) -> tuple[DeliveryBatch, ...]:
    count = draw(st.integers(1, 3))
    return tuple(
        batch(
            number,
            *(
                (item, draw(st.sampled_from(["1", "3", "7", "2.5"])), draw(st.integers(0, 90)))
                for item in draw(st.sampled_from([("a",), ("a", "b"), ("b",)]))
            ),
        )
        for number in range(1, count + 1)
    )


class Trade(RuleBasedStateMachine):
    """One customer's orders and receipts, and every command in any order; refused ones change nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.books = Books()
        self.turn = 0

    def attempt(self, act: str, *arguments: object, **named: object) -> None:
        before = {stream: list(facts) for stream, facts in self.books.recorded.items()}
        states = {one: self.books.order(one) for one in ORDER_IDS}
        with suppress(KehuError):
            getattr(self.books, act)(*arguments, **named)
        for stream, facts in self.books.recorded.items():
            if stream.startswith("order-"):
                news = facts[len(before.get(stream, [])) :]
                self._each_release_and_dispatch_is_paid(states[stream.removeprefix("order-")], news)

    @staticmethod
    def _each_release_and_dispatch_is_paid(before: Order, news: Sequence[Fact]) -> None:
        state = before
        for fact in news:
            if isinstance(fact, OrderReleased):
                needed = state.due_fen + state.released_fen + fact.amount_fen
                assert state.allocated_fen >= needed
                assert fact.receipts
            if isinstance(fact, GoodsShipped):
                found = state.batch(fact.batch)
                assert found is not None
                assert found.released
                assert not state.stopped
                assert state.allocated_fen >= state.due_fen + fact.value_fen
                assert fact.receipts
                assert set(fact.receipts) <= {one.fact for one in state.payments.values()}
            state = ORDERS.evolve(state, fact)

    def name(self, kind: str) -> str:
        self.turn += 1
        return f"{kind}-{self.turn}"

    @initialize(first=agreed(), second=agreed())
    def begin(self, first: tuple[DeliveryBatch, ...], second: tuple[DeliveryBatch, ...]) -> None:
        self.attempt("sign", "o-1", first)
        self.attempt("sign", "o-2", second)
        self.attempt("receive", "b-1", 200)

    @rule(order=st.sampled_from(ORDER_IDS), batches=agreed())
    def amend(self, order: str, batches: tuple[DeliveryBatch, ...]) -> None:
        self.attempt("amend", order, batches)

    @rule(order=st.sampled_from(ORDER_IDS), extra=agreed())
    def add_batches(self, order: str, extra: tuple[DeliveryBatch, ...]) -> None:
        kept = tuple(one.agreed for one in self.books.order(order).batches if not one.cancelled)
        more = tuple(one.model_copy(update={"batch": len(kept) + one.batch}) for one in extra)
        self.attempt("amend", order, kept + more)

    @rule(order=st.sampled_from(ORDER_IDS))
    def cancel(self, order: str) -> None:
        self.attempt("cancel", order)

    @rule(reference=st.sampled_from(REFERENCES), fen=AMOUNTS)
    def receive(self, reference: str, fen: int) -> None:
        self.attempt("receive", reference, fen)

    @rule(
        receipt=st.sampled_from(RECEIPT_IDS),
        order=st.sampled_from(ORDER_IDS),
        fen=AMOUNTS,
        beyond=st.booleans(),
    )
    def allocate(self, receipt: str, order: str, fen: int, beyond: bool) -> None:  # noqa: FBT001
        self.attempt("allocate", receipt, order, fen, beyond_need=beyond)

    @rule(receipt=st.sampled_from(RECEIPT_IDS), order=st.sampled_from(ORDER_IDS))
    def allocate_what_is_needed(self, receipt: str, order: str) -> None:
        needed = self.books.order(order).needed_fen
        self.attempt("allocate", receipt, order, min(needed, self.books.receipt(receipt).free_fen))

    @rule(order=st.sampled_from(ORDER_IDS), fen=st.integers(1, 60), refund=st.booleans(), data=st.data())
    def take_back_what_pays(self, order: str, fen: int, refund: bool, data: st.DataObject) -> None:  # noqa: FBT001
        """Beyond what is put to nothing, so that orders lose it: also goods that have left."""
        paying = sorted(self.books.order(order).payments)
        if paying:
            receipt = data.draw(st.sampled_from(paying))
            self.attempt("take_back", receipt, self.books.receipt(receipt).free_fen + fen, refund=refund)

    @rule(order=st.sampled_from(ORDER_IDS))
    def pay_for_the_next_batch(self, order: str) -> None:
        """To the fen, if there is as much."""
        state = self.books.order(order)
        waiting = next((one for one in state.batches if one.open and not one.released), None)
        if waiting is not None:
            missing = state.due_fen + state.released_fen + waiting.remaining_fen - state.allocated_fen
            richest = max(RECEIPT_IDS, key=lambda receipt: self.books.receipt(receipt).free_fen)
            self.attempt("allocate", richest, order, missing)

    @rule(receipt=st.sampled_from(RECEIPT_IDS), order=st.sampled_from(ORDER_IDS), fen=AMOUNTS)
    def deallocate(self, receipt: str, order: str, fen: int) -> None:
        self.attempt("deallocate", receipt, order, fen)

    @rule(receipt=st.sampled_from(RECEIPT_IDS), fen=AMOUNTS, refund=st.booleans())
    def take_back(self, receipt: str, fen: int, refund: bool) -> None:  # noqa: FBT001
        self.attempt("take_back", receipt, fen, refund=refund)

    @rule(order=st.sampled_from(ORDER_IDS), number=st.integers(1, 4))
    def ship(self, order: str, number: int) -> None:
        self.attempt("ship", order, number, self.name("s"))

    @rule(order=st.sampled_from(ORDER_IDS), number=st.integers(1, 3), item=st.sampled_from("abc"), many=QUANTITIES)
    def ship_part(self, order: str, number: int, item: str, many: str) -> None:
        self.attempt("ship", order, number, self.name("s"), {item: many})

    @rule(order=st.sampled_from(ORDER_IDS), item=st.sampled_from("ab"), many=QUANTITIES, data=st.data())
    def give_back(self, order: str, item: str, many: str, data: st.DataObject) -> None:
        shipments = sorted(self.books.order(order).shipments) or ["none"]
        self.attempt("give_back", order, data.draw(st.sampled_from(shipments)), self.name("r"), {item: many})

    @rule(order=st.sampled_from(ORDER_IDS), data=st.data())
    def credit(self, order: str, data: st.DataObject) -> None:
        returns = sorted(self.books.order(order).returns) or ["none"]
        self.attempt("credit", order, data.draw(st.sampled_from(returns)))

    @invariant()
    def no_fen_is_lost_or_made(self) -> None:
        for receipt in RECEIPT_IDS:
            facts = self.books.recorded.get(RECEIPTS.stream(receipt), [])
            came = sum(one.amount_fen for one in facts if isinstance(one, ReceiptConfirmed))
            went = sum(one.amount_fen for one in facts if isinstance(one, ReceiptReversed | ReceiptRefunded))
            put = sum(one.amount_fen for one in facts if isinstance(one, ReceiptDrawn))
            state = self.books.receipt(receipt)
            assert 0 <= came - went == state.drawn_fen + state.free_fen
            assert state.free_fen >= 0
            assert put == state.drawn_fen <= came - went
            # What left the receipt has come to the orders, each to the fen.
            for order in ORDER_IDS:
                payment = self.books.order(order).payments.get(receipt)
                assert state.drawn.get(order, 0) == (payment.fen if payment else 0) >= 0

    @invariant()
    def released_is_paid_in_order_of_the_batches(self) -> None:
        for one in ORDER_IDS:
            order = self.books.order(one)
            if order.released_fen:
                assert order.allocated_fen >= order.due_fen + order.released_fen
            waiting = [each.number for each in order.batches if each.open and not each.released]
            released = [each.number for each in order.batches if each.open and each.released and each.remaining_fen]
            if waiting:
                # Only the free rest of a batch may stay released behind one that waits: it costs nothing.
                assert not released or min(waiting) > max(released)
                first = order.batch(min(waiting))
                assert first is not None
                assert order.allocated_fen < order.due_fen + order.released_fen + first.remaining_fen

    @invariant()
    def no_more_ships_than_was_ordered_and_no_more_returns_than_shipped(self) -> None:
        for one in ORDER_IDS:
            order = self.books.order(one)
            for each in order.batches:
                assert 0 <= each.shipped_fen <= each.amount_fen
                for line in each.lines:
                    assert 0 <= each.shipped.get(line.item, 0) <= line.quantity
                    share = Fraction(each.shipped.get(line.item, 0)) / Fraction(line.quantity)
                    parts = sum(
                        part.amount_fen
                        for shipment in order.shipments.values()
                        if shipment.batch == each.number
                        for part in shipment.lines
                        if part.item == line.item
                    )
                    assert parts == int(line.amount_fen * share)
            for shipment in order.shipments.values():
                for line in shipment.lines:
                    assert 0 <= shipment.back.get(line.item, 0) <= line.quantity
            assert 0 <= order.credited_fen <= order.returned_fen <= order.shipped_fen

    @invariant()
    def unpaid_goods_at_the_customer_are_told(self) -> None:
        for one in ORDER_IDS:
            order = self.books.order(one)
            facts = self.books.recorded.get(ORDERS.stream(one), [])
            if order.shortfall_fen:
                assert any(isinstance(fact, ShortfallArisen) for fact in facts)


Trade.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
TestTrade = Trade.TestCase
