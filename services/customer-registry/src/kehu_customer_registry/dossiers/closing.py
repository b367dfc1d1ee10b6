"""Ending the relation with a customer, and taking it up again; the dossier stays (R4)."""

from __future__ import annotations

from dataclasses import dataclass

from kehu.contracts.customers import CustomerClosed, CustomerReopened
from kehu.deciding import Context, Decision
from kehu_customer_registry.commitments.decisions import check_free
from kehu_customer_registry.commitments.facts import Commitments
from kehu_customer_registry.dossiers import rights
from kehu_customer_registry.dossiers.changes import check_archived
from kehu_customer_registry.dossiers.decisions import WrongStatus, check_apart, check_sales_force
from kehu_customer_registry.dossiers.facts import Dossier, Status

CLAUSE = "R4"


@dataclass(frozen=True, slots=True)
class CloseCustomer:
    """End the relation, saying why."""

    reason: str


@dataclass(frozen=True, slots=True)
class ReopenCustomer:
    """Take it up again, saying why."""

    reason: str


def close_customer(command: CloseCustomer, state: Dossier, context: Context, *, holds: Commitments) -> Decision:
    """Close an archived customer; what waited for the manager goes on waiting.

    Args:
        command: why.
        state: the dossier.
        context: who closes it.
        holds: what vetting has said of its reviews and deliveries.

    Raises:
        Forbidden: the actor is not the manager of its department.
        WrongStatus: it is not archived.
        StillCommitted: a review is open, or a released batch has not shipped.

    """
    rights.check_manager(state, context.actor, CLAUSE)
    check_archived(state)
    check_free("终止", "closed", holds)
    closed = CustomerClosed(
        customer=state.customer, department=state.department, reason=command.reason, closed_by=context.actor.id
    )
    return Decision([closed])


def reopen_customer(command: ReopenCustomer, state: Dossier, context: Context) -> Decision:
    """Make a closed customer one again; it needs an owner who still works here.

    Raises:
        Forbidden: the actor is not the manager of its department.
        WrongStatus: it is not closed.
        NoSalesperson: its owner does not sell in its department any more.

    """
    rights.check_manager(state, context.actor, CLAUSE)
    check_apart(state)
    if state.status is not Status.CLOSED:
        raise WrongStatus(
            "该客户未终止,无需恢复。",
            "This customer is not closed, so there is nothing to reopen.",
            clause=CLAUSE,
            status=state.status.value,
        )
    check_sales_force((state.owner,), "", context, department=state.department)
    reopened = CustomerReopened(
        customer=state.customer, department=state.department, reason=command.reason, reopened_by=context.actor.id
    )
    return Decision([reopened])
