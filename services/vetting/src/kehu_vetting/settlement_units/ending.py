"""A payer's papers end: the owners of its customers are told; then every link is suspended (R3.1.1).

As with customers' papers, what is told and barred goes by the state alone, whenever and however often it is fired.
"""

from __future__ import annotations

from datetime import datetime

from kehu.calendar import end_of_day, start_of_day
from kehu.deciding import Context, Decision
from kehu.facts import RecordedFact
from kehu.service import Done, Due, Schedule
from kehu_vetting.qualifications.required_documents import POLICY_NAME
from kehu_vetting.qualifications.requirements import DocumentType, RequiredDocuments
from kehu_vetting.settlement_units.decisions import bar
from kehu_vetting.settlement_units.facts import SETTLEMENT_UNITS, Unit, UnitEnd, UnitEndNoted, UnitPaperEnding


def tell_ahead(key: str, due: datetime, state: Unit, context: Context) -> Decision:
    """Tell that a paper ends, so many days before (policy data)."""
    del due
    end = state.ends.get(_document(key))
    if end is None or not end.tell_on <= context.today < end.last_day:
        return Decision()
    return _tell(_document(key), end, state, context, last_day=False)


def tell_last_day(key: str, due: datetime, state: Unit, context: Context) -> Decision:
    """Tell that a paper is valid today for the last time."""
    del due
    end = state.ends.get(_document(key))
    if end is None or context.today != end.last_day:
        return Decision()
    return _tell(_document(key), end, state, context, last_day=True)


def bar_ended(key: str, due: datetime, state: Unit, context: Context) -> Decision:
    """Suspend the payer, and every link with it, where the kind of paper does that."""
    del due
    document = _document(key)
    end, kind = state.ends.get(document), _kind(document, context)
    cause = f"document:{document}"
    if end is None or context.today <= end.last_day or cause in state.bars:
        return Decision()
    if kind is None or kind.on_expiry != "suspends":
        return Decision()
    return Decision(bar(state.id, cause, f"{kind.zh}已于 {end.last_day} 到期", context))


def _tell(document: str, end: UnitEnd, state: Unit, context: Context, *, last_day: bool) -> Decision:
    if (document, end.last_day, last_day) in state.told:
        return Decision()
    kind = _kind(document, context)
    ending = UnitPaperEnding(
        unit=state.id,
        document=document,
        valid_until=end.last_day,
        last_day=last_day,
        suspends=kind is not None and kind.on_expiry == "suspends",
        customers=tuple(sorted(state.customers)),
    )
    return Decision([ending])


def _document(key: str) -> str:
    return key.partition("/")[2]


def _kind(document: str, context: Context) -> DocumentType | None:
    policy: RequiredDocuments = context.policies[POLICY_NAME]
    return policy.type(document)


def _key(fact: UnitEndNoted) -> str:
    return f"{fact.unit}/{fact.document}"


def _ahead(recorded: RecordedFact[UnitEndNoted]) -> Due | Done:
    fact = recorded.fact
    return Due(_key(fact), start_of_day(fact.tell_on)) if fact.tell_on else Done(_key(fact))


def _on_last_day(recorded: RecordedFact[UnitEndNoted]) -> Due | Done:
    fact = recorded.fact
    return Due(_key(fact), start_of_day(fact.last_day)) if fact.last_day else Done(_key(fact))


def _after(recorded: RecordedFact[UnitEndNoted]) -> Due | Done:
    fact = recorded.fact
    return Due(_key(fact), end_of_day(fact.last_day)) if fact.last_day else Done(_key(fact))


def _unit(key: str) -> str:
    return key.partition("/")[0]


SCHEDULES = (
    Schedule("unit-ends-soon", {UnitEndNoted: _ahead}, SETTLEMENT_UNITS, _unit, tell_ahead),
    Schedule("unit-ends-today", {UnitEndNoted: _on_last_day}, SETTLEMENT_UNITS, _unit, tell_last_day),
    Schedule("unit-ended", {UnitEndNoted: _after}, SETTLEMENT_UNITS, _unit, bar_ended),
)
