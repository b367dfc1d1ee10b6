"""Papers, agreements and links end: told once ahead and once on the last day, which is still valid; then they bar.

What is told goes by the state alone, so an item that is fired late, early or twice tells nothing that is not so.
"""

from __future__ import annotations

from datetime import date, datetime

from kehu.calendar import end_of_day, start_of_day
from kehu.contracts.vetting import DocumentExpiring
from kehu.deciding import Context, Decision
from kehu.facts import RecordedFact
from kehu.service import Done, Due, Schedule
from kehu_vetting.qualifications.required_documents import POLICY_NAME, THREE_PARTY_AGREEMENT
from kehu_vetting.qualifications.requirements import RequiredDocuments
from kehu_vetting.standing.decisions import bar
from kehu_vetting.standing.facts import AGREEMENT, STANDINGS, End, EndNoted, Standing, what_ends

_PAYER = "payer:"


def tell_ahead(key: str, due: datetime, state: Standing, context: Context) -> Decision:
    """Tell that something ends, so many days before (policy data); on its last day, that day's word is enough."""
    del due
    what = _what(key)
    end = _end(what, state)
    if end is None or not end.tell_on <= context.today < end.last_day:
        return Decision()
    return _tell(what, end.last_day, state, context, last_day=False)


def tell_last_day(key: str, due: datetime, state: Standing, context: Context) -> Decision:
    """Tell that something is valid today for the last time."""
    del due
    what = _what(key)
    end = _end(what, state)
    if end is None or context.today != end.last_day:
        return Decision()
    return _tell(what, end.last_day, state, context, last_day=True)


def bar_ended(key: str, due: datetime, state: Standing, context: Context) -> Decision:
    """Bar new orders at once where what has ended does that: papers that suspend, and the agreement *(default)*.

    A payer's link that has ended bars the orders that would name it, and nothing else.
    """
    del due
    what = _what(key)
    end = _end(what, state)
    if end is None or context.today <= end.last_day or what.startswith(_PAYER) or not _suspends(what, context):
        return Decision()
    cause = AGREEMENT if what == AGREEMENT else f"document:{what}"
    if cause in state.bars:
        return Decision()
    if what == AGREEMENT and any(one.covers(context.today) for one in state.agreements):
        return Decision()
    return Decision(bar(state, {cause: f"{_name(what, context)}已于 {end.last_day} 到期"}, context))


def _tell(what: str, day: date, state: Standing, context: Context, *, last_day: bool) -> Decision:
    unit = what.removeprefix(_PAYER) if what.startswith(_PAYER) else None
    told = DocumentExpiring(
        customer=state.customer,
        qualification=state.qualification,
        unit=unit,
        department=state.department,
        owner=state.owner,
        document=THREE_PARTY_AGREEMENT if unit else what,
        valid_until=day,
        last_day=last_day,
        suspends=unit is not None or _suspends(what, context),
    )
    return Decision() if (what_ends(told), day, last_day) in state.told else Decision([told])


def _end(what: str, state: Standing) -> End | None:
    """When it ends; of a customer that was merged into another, the survivor tells of it (R4)."""
    return None if state.lineage.merged_into else state.ends.get(what)


def _what(key: str) -> str:
    return key.partition("/")[2]


def _policy(context: Context) -> RequiredDocuments:
    policy: RequiredDocuments = context.policies[POLICY_NAME]
    return policy


def _suspends(what: str, context: Context) -> bool:
    kind = _policy(context).type(what)
    return what == AGREEMENT or (kind is not None and kind.on_expiry == "suspends")


def _name(what: str, context: Context) -> str:
    kind = _policy(context).type(what)
    return "协议" if what == AGREEMENT else (kind.zh if kind else what)


def _key(fact: EndNoted) -> str:
    return f"{fact.customer}/{fact.what}"


def _ahead(recorded: RecordedFact[EndNoted]) -> Due | Done:
    fact = recorded.fact
    return Due(_key(fact), start_of_day(fact.tell_on)) if fact.tell_on else Done(_key(fact))


def _on_last_day(recorded: RecordedFact[EndNoted]) -> Due | Done:
    fact = recorded.fact
    return Due(_key(fact), start_of_day(fact.last_day)) if fact.last_day else Done(_key(fact))


def _after(recorded: RecordedFact[EndNoted]) -> Due | Done:
    fact = recorded.fact
    return Due(_key(fact), end_of_day(fact.last_day)) if fact.last_day else Done(_key(fact))


def _customer(key: str) -> str:
    return key.partition("/")[0]


SCHEDULES = (
    Schedule("ends-soon", {EndNoted: _ahead}, STANDINGS, _customer, tell_ahead),
    Schedule("ends-today", {EndNoted: _on_last_day}, STANDINGS, _customer, tell_last_day),
    Schedule("ended", {EndNoted: _after}, STANDINGS, _customer, bar_ended),
)
