"""Who may arrange visits to a customer, who may record them, and who may read of them."""

from __future__ import annotations

from kehu.deciding import Actor
from kehu_engagement.visits.facts import OPEN, Relation, Visit
from kehu_engagement.visits.refusals import Departing, NotYourCustomer, NotYoursToSee

#: Who sees the customers of every department.
ALL_SEEING = ("market_dept", "finance", "gm_office", "general_manager", "auditor", "admin")
#: Who sees those of their own.
DEPARTMENT_SEEING = ("dept_manager", "vetter")
#: The marketing employees (R6.2.3): whose visits are visits in the policy's sense.
MARKETING = ("salesperson", "dept_manager")


def check_may_arrange(actor: Actor, relation: Relation) -> None:
    """Let the owner, the collaborators and the department's manager plan, register and cancel.

    Raises:
        Departing: the actor is leaving, and begins nothing new (R4.6).
        NotYourCustomer: the actor is none of them.

    """
    if not _is_theirs(actor, relation):
        raise NotYourCustomer(relation.department)
    if actor.departing:
        raise Departing


def check_may_record(actor: Actor, relation: Relation, visit: Visit) -> None:
    """Let them, and everybody who was to go, fill in F7; also who is leaving: past visits are theirs to finish (R4.6).

    Raises:
        NotYourCustomer: the actor is none of them.

    """
    if actor.id not in visit.people and not _is_theirs(actor, relation):
        raise NotYourCustomer(relation.department)


def check_may_read(actor: Actor, relation: Relation, visit: Visit | None = None) -> None:
    """Let a person read of a visit, or (None) of all visits to a customer; who is leaving, of their open work only.

    Raises:
        NotYoursToSee: the actor has no part in it.

    """
    is_on_it = visit is not None and actor.id in visit.people
    if actor.departing:
        if not is_on_it or (visit and visit.status not in OPEN):
            raise NotYoursToSee
        return
    if not (
        is_on_it
        or actor.has(*ALL_SEEING)
        or actor.has(*DEPARTMENT_SEEING, department=relation.department)
        or _is_theirs(actor, relation)
    ):
        raise NotYoursToSee


def _is_theirs(actor: Actor, relation: Relation) -> bool:
    if actor.has("dept_manager", department=relation.department):
        return True
    return actor.has(*MARKETING) and actor.id in relation.salespeople
