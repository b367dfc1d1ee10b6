"""The timeline (R4.4.b): its sentences, which facts have one, and who may write a note; without I/O."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from kehu.contracts.customers import Contact, CustomerChanged, CustomerRegistered, VerificationDone
from kehu.contracts.trade import GoodsShipped, OrderLine, OrderReleased
from kehu.errors import Forbidden, NotFound
from kehu.privacy.fields import personal_paths
from kehu_customer_registry.testing import (
    AUDITOR,
    CUSTOMER,
    EAST,
    HELPER,
    MANAGER,
    MARKET,
    SALES,
    STRANGER,
    Case,
    archived,
    person,
)
from kehu_customer_registry.timeline import decisions
from kehu_customer_registry.timeline.decisions import WriteNote
from kehu_customer_registry.timeline.facts import NOTES, Note
from kehu_customer_registry.timeline.lines import LINES, Kind, Line
from kehu_customer_registry.timeline.sentences import WORDS, Tongue, fields_of, sentence


def told(fact: Any, tongue: Tongue = Tongue.ZH) -> str:
    (line,) = [line for line in LINES if line.fact is type(fact)]
    return sentence(line.zh if tongue is Tongue.ZH else line.en, fact, tongue)


def test_an_amount_is_in_yuan_and_an_order_has_its_number_where_it_is_told() -> None:
    fact = GoodsShipped(
        shipment="s",
        order="o-1",
        customer=CUSTOMER,
        department=EAST,
        batch=1,
        shipped_on=date(2028, 2, 29),
        value_fen=123_456_789,
        lines=(OrderLine(item="钢材", quantity=Decimal(1), amount_fen=123_456_789),),
        receipts=(),
        order_number="DD000001",
    )
    assert told(fact) == "订单 DD000001 于 2028-02-29 发货 1,234,567.89 元。"
    assert told(fact.model_copy(update={"order_number": None}), Tongue.EN) == (
        "Goods of 1,234,567.89 yuan shipped on 2028-02-29 (order o-1)."
    )
    released = OrderReleased(order="o-1", customer=CUSTOMER, batch=2, amount_fen=1, receipts=())
    assert told(released) == "订单 o-1 第 2 批可以发货。"


def test_codes_are_words_in_both_languages() -> None:
    fact = VerificationDone(
        verification="v",
        customer=CUSTOMER,
        department=EAST,
        quarter="2026-Q4",
        verifier="vera",
        outcome="unreachable",
        method="phone",
    )
    assert told(fact) == "2026-Q4 档案核实:无法联系。"
    assert told(fact, Tongue.EN) == "Verification for 2026-Q4: out of reach."
    assert all(zh and en for zh, en in WORDS.values())


def test_a_change_is_told_by_its_fields_and_never_by_their_values() -> None:
    contact = Contact(person="p", name="王小明", phone="+8613800138000")
    fact = CustomerChanged(customer=CUSTOMER, name="新名公司", contacts=(contact,), change="c-9")
    assert told(fact) == "档案变更:名称、联系人。"
    assert told(fact, Tongue.EN) == "The dossier changed: name, contacts."


def test_braces_in_what_somebody_typed_are_text() -> None:
    case = note_case()
    (fact,) = case.do(decisions.write_note, SALES, WriteNote("n", "{0.__class__} {number:yuan}"))
    assert told(fact) == "备注:{0.__class__} {number:yuan}"


@pytest.mark.parametrize("line", LINES, ids=lambda line: line.fact.__name__)
def test_no_line_has_a_personal_field_or_free_text_of_others(line: Line) -> None:
    """Guard: `check_template`."""
    free = {"remarks", "reason", "description", "evidence", "purpose", "next_step", "deviation", "remark"}
    for template in (line.zh, line.en):
        assert not free & fields_of(template)
    assert fields_of(line.zh) >= fields_of(line.en) or fields_of(line.en) >= fields_of(line.zh)
    for path in personal_paths(line.fact):
        field = path.removeprefix("$.").partition(".")[0].partition("[")[0]
        with pytest.raises(ValueError, match="is personal"):
            Line(line.fact, line.kind, f"{{{field}}}", "")


def test_a_template_with_a_field_that_is_not_there_is_refused() -> None:
    with pytest.raises(ValueError, match="has no telephone"):
        Line(CustomerRegistered, Kind.DOSSIER, "{telephone}", "")


# --- notes -----------------------------------------------------------------------------------------------------------


def note_case() -> Case[Note]:
    return Case(NOTES, archived(collaborators=("helper",)).state)


@pytest.mark.parametrize("actor", [SALES, HELPER, MANAGER, MARKET], ids=lambda actor: actor.id)
def test_whoever_sees_the_customer_writes_a_note(actor: Any) -> None:
    (fact,) = note_case().do(decisions.write_note, actor, WriteNote("n", "客户希望月底前送货"))
    assert (fact.customer, fact.department, fact.written_by) == (CUSTOMER, EAST, actor.id)


def test_others_auditors_and_leavers_write_none() -> None:
    with pytest.raises(NotFound):
        note_case().do(decisions.write_note, STRANGER, WriteNote("n", "x"))
    with pytest.raises(Forbidden, match="Auditors"):
        note_case().do(decisions.write_note, AUDITOR, WriteNote("n", "x"))
    with pytest.raises(Forbidden, match="departure"):
        note_case().do(decisions.write_note, person("sales", "salesperson", departing=True), WriteNote("n", "x"))
