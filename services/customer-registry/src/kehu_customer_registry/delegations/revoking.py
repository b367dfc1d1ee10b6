"""Taking a role away from somebody who stands in for others: what they are no longer fit for ends with it."""

from __future__ import annotations

from collections.abc import Sequence

from kehu.contracts.staff import Role
from kehu.deciding import Context, Decision
from kehu.errors import Refused
from kehu.escalating import escalation_data
from kehu.facts import Fact
from kehu_customer_registry.delegations.decisions import CLAUSE, ending, is_fit, noted_end
from kehu_customer_registry.delegations.facts import Delegation
from kehu_customer_registry.staff import decisions
from kehu_customer_registry.staff.decisions import RolePost
from kehu_customer_registry.staff.facts import STAFF, StaffMember


def principals(member: StaffMember) -> list[str]:
    """For whom somebody stands in, or did."""
    return sorted({one.principal for one in member.standing_in.values()})


def revoke_role(command: RolePost, states: Sequence[StaffMember], context: Context) -> Sequence[Decision]:
    """Take a role away, and end the delegations for which the remaining ones are no longer the same or a higher post.

    Args:
        command: which role.
        states: the person, then everybody for whom they stand in (`principals`).
        context: as for `kehu_customer_registry.staff.decisions.revoke_role`.

    Raises:
        Refused: somebody else has appointed them meanwhile; also what `revoke_role` of the staff raises.

    """
    member, *others = states
    revoked = decisions.revoke_role(command, member, context)
    after = STAFF.fold(revoked.facts, member)
    held = {role for role, _ in after.posts}
    by_person = {other.person: other for other in others}
    ends: dict[str, list[Fact]] = {}
    notes: list[Fact] = []
    for delegation in member.standing_in.values():
        if delegation.is_open(context.today) and not _is_fit(delegation, by_person, held, context):
            ends.setdefault(delegation.principal, []).extend(ending(delegation, context.actor.id))
            notes += noted_end(delegation, context.actor.id)
    return [
        Decision([*revoked.facts, *notes], revoked.claims),
        *(Decision(ends.get(other.person, [])) for other in others),
    ]


def _is_fit(delegation: Delegation, principals_: dict[str, StaffMember], held: set[Role], context: Context) -> bool:
    principal = principals_.get(delegation.principal)
    if principal is None:
        raise Refused(
            "其委托关系刚刚发生变化。请重试。",
            "For whom they stand in has just changed: try again.",
            clause=CLAUSE,
            code="delegations-changed",
        )
    return is_fit(delegation.steps, {role for role, _ in principal.posts}, held, escalation_data(context))
