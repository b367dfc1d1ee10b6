"""Who starts a departure, who assigns successors, who clears it, and who sees of it (R4.6)."""

from __future__ import annotations

from kehu.contracts.staff import DelegableStep, Role
from kehu.deciding import Actor
from kehu.errors import Forbidden, NotFound
from kehu.standing_in import Signature, first_free, signatures
from kehu_customer_registry.departures.facts import Departure
from kehu_customer_registry.staff.decisions import check_not_leaving

CLAUSE = "R4.6"
#: They see every departure.
_SEEING = (Role.HR, Role.GENERAL_MANAGER, Role.ADMIN, Role.AUDITOR)


def managing(actor: Actor, department: str | None) -> list[Signature]:
    """In which ways somebody acts for the manager's post of a department; the general manager stands above all.

    Args:
        actor: who.
        department: None where somebody without a department leaves: the general manager's, then.

    """
    own = signatures(actor, DelegableStep.DEPARTURE_ASSIGN, Role.DEPT_MANAGER, department=department)
    above = signatures(actor, DelegableStep.DEPARTURE_ASSIGN, Role.GENERAL_MANAGER)
    return (own if department is not None else []) + above


def check_manager(actor: Actor, department: str | None, leaver: str) -> Signature:
    """How somebody decides about the leaver's customers as their manager: neither the leaver nor for the leaver.

    Raises:
        Forbidden: they are not the manager, are the leaver, or leave themselves.

    """
    check_not_leaving(actor)
    found = managing(actor, department)
    signature = first_free(found, {leaver})
    if signature is None:
        raise Forbidden(
            f"只有部门({department or '全公司'})的经理、其受托人或总经理可以办理,离职人本人及其受托人除外。",
            f"The manager of the department ({department or 'the company'}), their delegate or the general manager "
            "does this; neither the leaver nor their delegate.",
            clause=CLAUSE,
            code="not-the-manager",
        )
    return signature


def check_may_start(actor: Actor, department: str | None, leaver: str) -> None:
    """Let HR or the leaver's manager start and cancel a departure, never the leaver.

    Raises:
        Forbidden: it is somebody else.

    """
    check_not_leaving(actor)
    if actor.id != leaver and actor.has(Role.HR):
        return
    check_manager(actor, department, leaver)


def check_may_clear(actor: Actor, leaver: str) -> None:
    """Let HR clear a departure, never their own.

    Raises:
        Forbidden: it is somebody else.

    """
    check_not_leaving(actor)
    if actor.id == leaver or not actor.has(Role.HR):
        raise Forbidden(
            "离职清结由人事办理,本人不能为自己清结。",
            "HR clears a departure, and nobody their own.",
            clause=CLAUSE,
            code="hr-only",
        )


def sees(departure: Departure, actor: Actor) -> bool:
    """Whether somebody may look at a departure: HR and those above, the manager, and the leaver."""
    if actor.id == departure.person:
        return True
    return not actor.departing and (actor.has(*_SEEING) or bool(managing(actor, departure.department)))


def check_visible(departure: Departure, actor: Actor) -> None:
    """Refuse a departure that is none of theirs.

    Raises:
        NotFound: so it is; that there is one is not told either.

    """
    if not departure.id or not sees(departure, actor):
        raise NotFound(
            "没有找到该离职手续,或不在您的查看范围内。",
            "There is no such departure, or none that you may see.",
            clause=CLAUSE,
            code="departure-not-found",
        )
