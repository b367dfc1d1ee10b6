"""What is said of a visit that was not as the policy wants: a true fact is never refused, it is shown (R6.2.1a)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from kehu_engagement.visits.facts import Deviation


@dataclass(frozen=True, slots=True)
class Explanation:
    """A deviation in words, with the clause that it departs from."""

    clause: str
    zh: str
    en: str


EXPLANATIONS = {
    Deviation.FIRST_VISIT_SHORT: Explanation(
        "R6.2.1b",
        "新客户的首次拜访营销人员不足,或其中没有负责或协同营销员;该客户仍为新客户",
        "Too few marketing employees, or neither owner nor collaborator, were on a new customer's first visit; "
        "the customer stays new",
    ),
    Deviation.FIRST_VISIT_UNPLANNED: Explanation(
        "R6.2.1b",
        "对新客户的拜访未事先登记(F6),不计为首次拜访;该客户仍为新客户",
        "A new customer was visited without an F6, which does not count as the first visit; the customer stays new",
    ),
    Deviation.REGISTERED_AFTERWARDS: Explanation(
        "R6.2.1a",
        "登记表(F6)在拜访之后才填写;对新客户不计为首次拜访",
        "F6 was filled after the visit; to a new customer it does not count as the first one",
    ),
    Deviation.REGISTERED_LATER: Explanation(
        "R6.2.1a", "计划外拜访未在当日登记", "An unplanned visit was not registered on the same day"
    ),
    Deviation.ANOTHER_DAY: Explanation(
        "R6.2.1a", "未在登记的日期拜访", "The visit was made on another day than the planned one"
    ),
}


def in_words(deviations: Iterable[Deviation]) -> str | None:
    """The published `deviation`: all of them in Chinese, with their clauses; None where there are none."""
    told = [f"{EXPLANATIONS[one].zh}({EXPLANATIONS[one].clause})" for one in deviations]
    return ";".join(told) or None
