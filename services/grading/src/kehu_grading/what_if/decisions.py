"""What a draft policy would do to a customer; and who may ask."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from kehu.contracts.grading import Grade
from kehu.contracts.staff import Role
from kehu.deciding import Actor
from kehu.errors import Forbidden
from kehu_grading.rules.engine import grade
from kehu_grading.rules.policy import GradingPolicy
from kehu_grading.rules.standing import Standing

#: Whose business the policy is, and the auditor: nothing is changed by asking.
MAY_TRY = (Role.MARKET_DEPT, Role.GM_OFFICE, Role.GENERAL_MANAGER, Role.AUDITOR)


@dataclass(frozen=True, slots=True)
class Outcome:
    """The grade that a customer would have, beside the one that the rules give now."""

    now: Grade
    then: Grade
    clause: str
    provisional: bool


def check_may_try(actor: Actor) -> None:
    """Refuse who has no part in making the policy.

    Raises:
        Forbidden: so it is.

    """
    if actor.departing or not actor.has(*MAY_TRY):
        raise Forbidden(
            "只有市场部、总经理办公室、总经理和审计可以试算分类标准。请联系市场部。",
            "A draft policy is tried by 市场部, the general manager, their office and auditors. Ask 市场部.",
            clause="R5.3.3",
        )


def try_policy(standing: Standing, draft: GradingPolicy, in_force: GradingPolicy, at: datetime) -> Outcome:
    """Grade a customer by the policy in force and by a draft, at one moment."""
    now = grade(standing, in_force, 0, at)
    then = grade(standing, draft, 0, at)
    return Outcome(now=now.grade, then=then.grade, clause=then.clause, provisional=then.provisional)
