"""Quarterly purchases (R4.5.2): comparing figures, and the measures attached to them; without I/O."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kehu.calendar import SHANGHAI, Quarter
from kehu.contracts.customers import PurchaseMeasureAssigned, PurchaseMeasureClosed, PurchaseMeasureOverdue
from kehu.errors import Forbidden, Invalid, Refused
from kehu.money import MOST_FEN
from kehu_customer_registry.purchases import decisions
from kehu_customer_registry.purchases.decisions import Around, FinishMeasure, MeasureClosed, ReassignMeasure, SetMeasure
from kehu_customer_registry.purchases.facts import MEASURES, Measure, MeasureMark
from kehu_customer_registry.purchases.figures import change, plain
from kehu_customer_registry.testing import (
    AUDITOR,
    CUSTOMER,
    MANAGER,
    MARKET,
    SALES,
    STRANGER,
    SYSTEM,
    WEST_MANAGER,
    Case,
    archived,
    dossier,
    person,
)

NOW = datetime(2027, 1, 10, 9, 0, tzinfo=SHANGHAI)
Q4 = Quarter(2026, 4)
AT_WORK = frozenset({"sales", "helper"})
COMMAND = SetMeasure("m-1", Q4, "与客户面谈,了解减少采购的原因", "sales", date(2027, 1, 31))


# --- figures ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("now", "before", "shown"),
    [
        (100, 0, "—"),
        (0, 0, "—"),
        (0, 100, "-100.0%"),
        (100, 100, "0.0%"),
        (10_005, 10_000, "+0.1%"),  # half a tenth is rounded up, away from zero
        (9_995, 10_000, "-0.1%"),
        (10_004, 10_000, "0.0%"),
        (200, 300, "-33.3%"),
        (500, 300, "+66.7%"),
        (-50, 100, "-150.0%"),
        (50, -100, "+150.0%"),
        (-150, -100, "-50.0%"),
        (Decimal("1.15"), Decimal("1.0"), "+15.0%"),
        (MOST_FEN, 1, f"+{(MOST_FEN - 1) * 100}.0%"),
    ],
)
def test_a_change_is_exact_and_rounded_once(now: Any, before: Any, shown: str) -> None:
    assert change(now, before) == shown


@given(st.integers(-MOST_FEN, MOST_FEN), st.integers(-MOST_FEN, MOST_FEN).filter(bool))
def test_a_change_is_never_further_off_than_half_a_tenth_of_a_percent(now: int, before: int) -> None:
    shown = Fraction(change(now, before).rstrip("%"))
    assert abs(shown - Fraction(now - before) * 100 / abs(before)) <= Fraction(1, 20)


@pytest.mark.parametrize(
    ("quantity", "shown"),
    [("1E+3", "1000"), ("12.500", "12.5"), ("0.000", "0"), ("-3", "-3"), ("100", "100"), ("0E-10", "0")],
)
def test_a_quantity_is_written_as_people_write_it(quantity: str, shown: str) -> None:
    assert plain(Decimal(quantity)) == shown


# --- measures --------------------------------------------------------------------------------------------------------


def case(**other: Any) -> Case[Measure]:
    return Case(MEASURES, Around(archived().state, AT_WORK), NOW, **other)


def assigned() -> Case[Measure]:
    one = case()
    one.do(decisions.set_measure, MANAGER, COMMAND)
    return one


def test_a_measure_names_who_is_responsible_until_when() -> None:
    fact, described = case().do(decisions.set_measure, MANAGER, COMMAND)
    assert fact == PurchaseMeasureAssigned(
        measure="m-1",
        customer=CUSTOMER,
        department="east",
        quarter="2026-Q4",
        responsible="sales",
        due_on=date(2027, 1, 31),
        assigned_by="manager",
    )
    assert described.text == COMMAND.text


@pytest.mark.parametrize(
    "actor",
    [SALES, STRANGER, WEST_MANAGER, AUDITOR, person("m", "dept_manager", departing=True)],
    ids=lambda actor: actor.id,
)
def test_only_the_departments_manager_and_the_market_department_set_one(actor: Any) -> None:
    with pytest.raises(Forbidden):
        case().do(decisions.set_measure, actor, COMMAND)
    assert case().do(decisions.set_measure, MARKET, COMMAND)


def test_nothing_is_attached_to_what_has_not_begun_or_to_somebody_who_is_leaving() -> None:
    ahead = SetMeasure("m", Quarter(2027, 2), "x", "sales", date(2027, 5, 1))
    with pytest.raises(Invalid, match="has not begun"):
        case().do(decisions.set_measure, MANAGER, ahead)
    past = SetMeasure("m", Q4, "x", "sales", date(2027, 1, 9))
    with pytest.raises(Invalid, match="has passed"):
        case().do(decisions.set_measure, MANAGER, past)
    with pytest.raises(Refused, match="is leaving"):
        case().do(decisions.set_measure, MANAGER, SetMeasure("m", Q4, "x", "gone", date(2027, 2, 1)))
    draft = Case(MEASURES, Around(dossier().state, AT_WORK), NOW)
    with pytest.raises(Refused, match="not archived"):
        draft.do(decisions.set_measure, MANAGER, COMMAND)


def test_it_is_overdue_from_24_oclock_of_its_day_and_said_once() -> None:
    one = assigned()
    one.now = datetime(2027, 1, 31, 23, 59, 59, tzinfo=SHANGHAI)
    assert one.do(decisions.miss_measure, SYSTEM) == []
    one.now = datetime(2027, 2, 1, tzinfo=SHANGHAI)
    (fact,) = one.do(decisions.miss_measure, SYSTEM)
    assert isinstance(fact, PurchaseMeasureOverdue)
    assert one.do(decisions.miss_measure, SYSTEM) == []
    _, closed = one.do(decisions.finish_measure, SALES, FinishMeasure("已面谈,恢复订货"))
    assert (closed.outcome, closed.late) == ("done", True)


def test_another_person_or_day_may_be_named_until_it_is_closed() -> None:
    one = assigned()
    (fact,) = one.do(decisions.reassign_measure, MANAGER, ReassignMeasure("helper", date(2027, 2, 28)))
    assert (fact.responsible, fact.previous_responsible) == ("helper", "sales")
    with pytest.raises(Forbidden):
        one.do(decisions.finish_measure, SALES, FinishMeasure("x"))
    one.do(decisions.withdraw_measure, MANAGER, FinishMeasure("客户已停业"))
    with pytest.raises(MeasureClosed):
        one.do(decisions.finish_measure, person("helper", "salesperson"), FinishMeasure("x"))


_DAYS = st.dates(date(2027, 1, 8), date(2027, 1, 12))
_QUARTERS = st.sampled_from([Q4, Quarter(2027, 2)])
COMMANDS = st.one_of(
    st.builds(SetMeasure, st.just("m-1"), _QUARTERS, st.just("x"), st.sampled_from(["sales", "gone"]), _DAYS),
    st.builds(ReassignMeasure, st.sampled_from(["helper", "gone"]), _DAYS),
    st.builds(FinishMeasure, st.sampled_from(["", "done"])),
)
DECIDE: dict[type[Any], list[Any]] = {
    SetMeasure: [decisions.set_measure],
    ReassignMeasure: [decisions.reassign_measure],
    FinishMeasure: [decisions.finish_measure, decisions.withdraw_measure],
}


@given(st.data())
def test_no_sequence_of_commands_closes_a_measure_twice_or_gives_it_to_a_leaver(data: st.DataObject) -> None:
    one = case()
    for _ in range(data.draw(st.integers(0, 10))):
        command = data.draw(COMMANDS)
        decide = data.draw(st.sampled_from(DECIDE[type(command)]))
        actor = data.draw(st.sampled_from([MANAGER, MARKET, SALES, STRANGER, WEST_MANAGER, AUDITOR]))
        one.now = datetime(2027, 1, data.draw(st.integers(9, 13)), tzinfo=SHANGHAI)
        one.attempt(decide, actor, command)
    closed = [fact for fact in one.facts if isinstance(fact, PurchaseMeasureClosed)]
    assert len(closed) <= 1
    assert (one.state.mark in (MeasureMark.DONE, MeasureMark.WITHDRAWN)) == bool(closed)
    assert all(fact.responsible in AT_WORK for fact in one.facts if isinstance(fact, PurchaseMeasureAssigned))
