"""The registry's facts keep the customer files up to date; what vetting does not need stays there."""

from __future__ import annotations

from typing import Any

from kehu.calendar import today
from kehu.contracts.customers import (
    CustomerChanged,
    CustomerClosed,
    CustomerRegistered,
    CustomerReopened,
    CustomersMerged,
    CustomersUnmerged,
    OwnerAssigned,
)
from kehu.deciding import Context, Decision
from kehu.facts import RecordedFact
from kehu.service import Reaction
from kehu_vetting.customer_files.facts import CUSTOMER_FILES, CustomerFile, CustomerNoted, news

REGISTRY = "customer-registry"


def note_registered(recorded: RecordedFact[CustomerRegistered], state: CustomerFile, context: Context) -> Decision:
    """A dossier was passed: from now on its customer may be vetted."""
    del context
    fact = recorded.fact
    return _note(
        state,
        CustomerNoted(
            customer=fact.customer,
            number=fact.number,
            name=fact.name,
            kind=fact.kind,
            identity_kind=fact.identity_kind,
            identity=fact.identity,
            department=fact.department,
            owner=fact.owner,
            collaborators=fact.collaborators,
        ),
    )


def note_changed(recorded: RecordedFact[CustomerChanged], state: CustomerFile, context: Context) -> Decision:
    """A vetted field changed; contacts and the rest void nothing here and are not noted (R3.1.3).

    Of a representative or a bank only that it is another one: who and which it is stays in the dossier.
    """
    del context
    fact = recorded.fact
    said = CustomerNoted(
        customer=fact.customer,
        name=fact.name,
        kind=fact.kind,
        identity_kind=fact.identity_kind,
        identity=fact.identity,
    )
    fresh = news(state, said)
    represented, banked = (getattr(fact, field, None) is not None for field in ("legal_representative", "bank_tax"))
    if not state.registered or not (fresh or represented or banked):
        return Decision([fresh]) if fresh else Decision()
    renamed = fresh is not None and fresh.name is not None
    noted = (fresh or said).model_copy(
        update={
            "changes": state.changes + 1,
            "account_asked_since": today(recorded.occurred_at) if renamed or represented else None,
        }
    )
    return Decision([noted])


def note_owner(recorded: RecordedFact[OwnerAssigned], state: CustomerFile, context: Context) -> Decision:
    """Another salesperson, perhaps of another department, answers for the customer."""
    del context
    fact = recorded.fact
    return _note(
        state,
        CustomerNoted(
            customer=fact.customer, owner=fact.owner, department=fact.department, collaborators=fact.collaborators
        ),
    )


def note_closed(recorded: RecordedFact[CustomerClosed], state: CustomerFile, context: Context) -> Decision:
    """The relation has ended: nothing new is vetted or ordered."""
    del context
    return _note(state, CustomerNoted(customer=recorded.fact.customer, closed=True))


def note_reopened(recorded: RecordedFact[CustomerReopened], state: CustomerFile, context: Context) -> Decision:
    """It is a customer again."""
    del context
    return _note(state, CustomerNoted(customer=recorded.fact.customer, closed=False))


def note_merged(recorded: RecordedFact[CustomersMerged], state: CustomerFile, context: Context) -> Decision:
    """Another dossier goes on in this one's place; the survivor's own copy of the fact says nothing new."""
    del context
    fact = recorded.fact
    if fact.customer != fact.merged:
        return Decision()
    return _note(state, CustomerNoted(customer=fact.customer, merged_into=fact.survivor))


def note_unmerged(recorded: RecordedFact[CustomersUnmerged], state: CustomerFile, context: Context) -> Decision:
    """Both live again."""
    del context
    fact = recorded.fact
    if fact.customer != fact.merged:
        return Decision()
    return _note(state, CustomerNoted(customer=fact.customer, merged_into=""))


def _note(state: CustomerFile, said: CustomerNoted) -> Decision:
    fresh = news(state, said)
    return Decision([fresh]) if fresh else Decision()


def _customer(recorded: RecordedFact[Any]) -> tuple[str]:
    return (recorded.fact.customer,)


REACTIONS = (
    Reaction("note-registered", CustomerRegistered, REGISTRY, CUSTOMER_FILES, _customer, note_registered),
    Reaction("note-changed", CustomerChanged, REGISTRY, CUSTOMER_FILES, _customer, note_changed),
    Reaction("note-owner", OwnerAssigned, REGISTRY, CUSTOMER_FILES, _customer, note_owner),
    Reaction("note-closed", CustomerClosed, REGISTRY, CUSTOMER_FILES, _customer, note_closed),
    Reaction("note-reopened", CustomerReopened, REGISTRY, CUSTOMER_FILES, _customer, note_reopened),
    Reaction("note-merged", CustomersMerged, REGISTRY, CUSTOMER_FILES, _customer, note_merged),
    Reaction("note-unmerged", CustomersUnmerged, REGISTRY, CUSTOMER_FILES, _customer, note_unmerged),
)
