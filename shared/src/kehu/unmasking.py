"""Personal values of one fact shown to an auditor, who otherwise sees them masked: with a reason, which is recorded.

The same for every service: each opens facts of its own log (`kehu.http.unmasking` has the route).
"""

from __future__ import annotations

from uuid import UUID

from kehu.contracts.staff import Role
from kehu.deciding import Category, Context, Decision
from kehu.errors import Forbidden
from kehu.facts import Fact, StoredFact


class PersonalValuesUnmasked(Fact, clause="个人信息保护法"):
    """An auditor was shown the personal values of a fact; `customer` is whose history the fact belongs to."""

    fact_id: UUID
    stream: str
    customer: str
    shown_to: str
    reason: str


def unmasked_category(schema: str) -> Category[None]:
    """The records of one service, a stream for each fact that was shown."""
    return Category(f"{schema}_unmasked", (PersonalValuesUnmasked,), None, lambda state, _: state)


def unmask(row: StoredFact, reason: str, _state: None, context: Context) -> Decision:
    """Show a fact's personal values, and say to whom and why.

    Raises:
        Forbidden: they are no auditor, or are leaving (People, R4.6).

    """
    if context.actor.departing:
        raise Forbidden(
            "离职手续已开始，不能再查看个人信息原文。请交由其他审计人员办理。",
            "Your departure has started: personal values are no longer shown to you. Leave it to another auditor.",
            clause="R4.6",
        )
    if not context.actor.has(Role.AUDITOR):
        raise Forbidden(
            "只有审计人员可以凭理由查看事实中的个人信息原文。请在业务页面查看您有权查看的资料。",
            "Only auditors are shown a fact's personal values, with a reason. Look at it where you work with it.",
            clause="People",
        )
    return Decision(
        [
            PersonalValuesUnmasked(
                fact_id=row.id, stream=row.stream, customer=row.key, shown_to=context.actor.id, reason=reason
            )
        ]
    )
