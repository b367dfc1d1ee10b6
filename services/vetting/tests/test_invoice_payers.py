"""What invoices take from an order, a settlement unit and a customer's papers (R3.1.1, R3.2.2)."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from types import MappingProxyType
from typing import Any

import pytest

from kehu.contracts.trade import (
    DeliveryBatch,
    GoodsReturned,
    GoodsShipped,
    OrderAmended,
    OrderCancelled,
    OrderLine,
    OrderSigned,
    ReceiptAllocated,
)
from kehu.facts import Fact
from kehu_vetting.credit.facts import CreditRecord
from kehu_vetting.invoices.finding import Parties
from kehu_vetting.invoices.orders import OrderAccount
from kehu_vetting.invoices.payers import Counted, account_of, buyer_of, counted, payer_of
from kehu_vetting.orders.facts import ORDERS
from kehu_vetting.qualifications.facts import ORDER
from kehu_vetting.qualifications.form import Document, InvoicingBlock
from kehu_vetting.qualifications.required_documents import REQUIRED_DOCUMENTS
from kehu_vetting.settlement_units.facts import Unit, UnitDetails
from kehu_vetting.standing.facts import Standing
from kehu_vetting.testing import FILE, FINANCE, TODAY, USCC, Case, Trade

POLICY = REQUIRED_DOCUMENTS.initial
LINES = (OrderLine(item="阀门", quantity=Decimal(10), amount_fen=1_000),)
BLOCK = InvoicingBlock(title="甲", tax_number=USCC, address="杭州", phone="0571-1", bank="工行", account="2")


def signed(**other: Any) -> dict[str, Any]:
    return {
        "order": "o-1",
        "number": "DD000001",
        "customer": "c-1",
        "unit": "u-1",
        "department": "east",
        "owner": "sales",
        "signed_on": TODAY,
        "file_digest": "ab",
        "amount_fen": 1_000,
        "batches": (DeliveryBatch(batch=1, amount_fen=1_000, lines=LINES),),
        "shipment": "s-1",
        "returned": "b-1",
        "batch": 1,
        "shipped_on": TODAY,
        "returned_on": TODAY,
        "lines": LINES,
        "receipts": (),
        "reason": "",
        "cancelled_fen": 1_000,
        "shipped_fen": 0,
        "cancelled_on": TODAY,
        **other,
    }


def account(*facts: Fact) -> OrderAccount:
    return account_of(counted(ORDERS).fold([OrderSigned.model_validate(signed()), *facts]))


def allocated(fen: int, receipt: str = "r-1") -> ReceiptAllocated:
    return ReceiptAllocated(receipt=receipt, order="o-1", customer="c-1", amount_fen=fen)


def test_an_order_is_what_was_received_net_and_shipped_less_returned() -> None:
    found = account(
        allocated(700),
        allocated(300, "r-2"),
        allocated(-200),
        GoodsShipped.model_validate(signed(value_fen=900)),
        GoodsReturned.model_validate(signed(value_fen=150)),
    )
    assert (dict(found.receipts), found.shipped_fen, found.version) == ({"r-1": 500, "r-2": 300}, 750, 6)


def test_what_was_agreed_has_a_digest_that_money_and_goods_leave_alone() -> None:
    before = account().digest
    assert account(allocated(5), GoodsShipped.model_validate(signed(value_fen=5))).digest == before
    cheaper = LINES[0].model_copy(update={"amount_fen": 900})
    changes: list[dict[str, Any]] = [
        {"unit": "u-2"},
        {"batches": (DeliveryBatch(batch=1, amount_fen=900, lines=(cheaper,)),)},
        {"batches": (DeliveryBatch(batch=1, amount_fen=1_000, lines=LINES, due_on=TODAY),)},
    ]
    for change in changes:
        assert account(OrderAmended.model_validate(signed(**change))).digest != before
    assert account(OrderAmended.model_validate(signed())).digest == before
    assert account(OrderCancelled.model_validate(signed())).digest != before


def test_the_buyer_is_the_unit_with_its_invoicing_information() -> None:
    buyer = buyer_of("甲", USCC, UnitDetails(bank="中行", account="1", invoicing=BLOCK))
    assert buyer is not None
    assert (buyer.name, buyer.bank, buyer.account) == ("甲", "工行", "2")
    without = BLOCK.model_copy(update={"bank": "", "account": ""})
    buyer = buyer_of("甲", USCC, UnitDetails(bank="中行", account="1", invoicing=without))
    assert buyer is not None
    assert (buyer.bank, buyer.account) == ("中行", "1")


@pytest.mark.parametrize(
    "change", [{"title": "乙"}, {"tax_number": "9"}, {"address": ""}, {"phone": ""}, {"bank": "", "account": ""}]
)
def test_without_complete_invoicing_information_of_the_unit_there_is_no_buyer(change: dict[str, str]) -> None:
    assert buyer_of("甲", USCC, UnitDetails(bank="", account="", invoicing=BLOCK.model_copy(update=change))) is None
    assert buyer_of("甲", USCC, UnitDetails(bank="中行", account="1")) is None
    assert buyer_of("甲", USCC, None) is None


def paper(kind: str, issued_on: date | None, **other: Any) -> Document:
    return Document(type=kind, issued_on=issued_on, file_digest="ab", **other)


def payer(*papers: Document, of_customer: tuple[Document, ...] = (), identity: str = USCC) -> Any:
    unit = Unit(id="u-1", identity=identity, papers=MappingProxyType({one.type: one for one in papers}))
    standing = Standing(papers=MappingProxyType({one.type: one for one in of_customer}))
    return payer_of(Counted(unit, 7), standing, FILE, POLICY)


def test_the_proof_is_asked_again_a_year_after_its_date() -> None:
    found = payer(paper("taxpayer_query", date(2026, 1, 15)))
    assert (found.proven, found.proof_until, found.version) == (True, date(2027, 1, 15), 7)
    assert found.proven_on(date(2027, 1, 15))
    assert not found.proven_on(date(2027, 1, 16))


def test_the_later_of_two_proofs_counts_and_a_shorter_validity_holds() -> None:
    two = payer(paper("taxpayer_query", date(2026, 1, 15)), paper("taxpayer_registration", date(2026, 5, 1)))
    assert two.proof_until == date(2027, 5, 1)
    short = payer(paper("taxpayer_query", date(2026, 1, 15), valid_until=TODAY))
    assert short.proof_until == TODAY


def test_papers_that_prove_nothing_prove_nothing() -> None:
    for papers in ((), (paper("business_licence", TODAY),), (paper("taxpayer_query", None),)):
        assert not payer(*papers).proven_on(TODAY)


def test_the_customers_own_papers_count_where_it_pays_for_itself_only() -> None:
    own = (paper("taxpayer_query", TODAY - timedelta(days=1)),)
    assert payer(of_customer=own).proven_on(TODAY)
    assert not payer(of_customer=own, identity="another").proven_on(TODAY)


def test_a_review_shows_the_last_conclusion_that_was_approved_with_the_customers_f1() -> None:
    trade = Trade(Case().submitted().passed(*ORDER[:4]))
    trade.approve()
    order = Counted(ORDERS.fold([OrderSigned.model_validate(signed())]), 1)
    parties = Parties(order="o-1", customer="c-1", unit="u-1")
    states = (order, FILE, trade.standing, Counted(trade.unit, 1), CreditRecord())
    _, gathered = parties.gathered(states, trade.context(FINANCE))
    assert (gathered.credit.rating, gathered.credit.conclusion) == ("good", "无不良记录")
    _, gathered = parties.gathered((order, FILE, Standing(), *states[3:]), trade.context(FINANCE))
    assert gathered.credit.rating is None
