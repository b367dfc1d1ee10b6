"""Customers and their contacts, folded from the registry's topic; names and phones stand in marked columns only."""

from __future__ import annotations

from collections.abc import Sequence

from kehu.contracts.customers import (
    Contact,
    CustomerChanged,
    CustomerRegistered,
    DossierSubmitted,
    OwnerAssigned,
)
from kehu.event_store import Connection
from kehu.facts import RecordedFact
from kehu.service import View

REGISTRY = "customer-registry"


def leads_to(customer: str) -> str:
    """SQL for whom a customer's id leads to: the survivor, where it was merged (R4). Uses the key of lineage."""
    return f"coalesce((SELECT s.survivor FROM lineage s WHERE s.customer = {customer}), {customer})"


_KNOW = """
INSERT INTO customers (customer, number, name, department, owner, collaborators) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (customer) DO UPDATE SET number = excluded.number, name = excluded.name, department = excluded.department,
    owner = excluded.owner, collaborators = excluded.collaborators
"""
_FORGET_CONTACTS = "DELETE FROM customer_contacts WHERE customer = $1"
_ADD_CONTACT = """
INSERT INTO customer_contacts (customer, place, person, main, name_personal, phone_personal)
VALUES ($1, $2, $3, $4, $5, $6)
"""


async def _submit(connection: Connection, recorded: RecordedFact[DossierSubmitted]) -> None:
    fact = recorded.fact
    await connection.execute(_KNOW, fact.customer, fact.number, fact.name, fact.department, fact.submitted_by, [])


async def _register(connection: Connection, recorded: RecordedFact[CustomerRegistered]) -> None:
    fact = recorded.fact
    collaborators = list(fact.collaborators)
    await connection.execute(_KNOW, fact.customer, fact.number, fact.name, fact.department, fact.owner, collaborators)
    await _replace_contacts(connection, fact.customer, fact.contacts)


async def _change(connection: Connection, recorded: RecordedFact[CustomerChanged]) -> None:
    fact = recorded.fact
    if fact.name is not None:
        await connection.execute("UPDATE customers SET name = $2 WHERE customer = $1", fact.customer, fact.name)
    if fact.contacts is not None:
        await _replace_contacts(connection, fact.customer, fact.contacts)


async def _assign(connection: Connection, recorded: RecordedFact[OwnerAssigned]) -> None:
    fact = recorded.fact
    await connection.execute(
        "UPDATE customers SET owner = $2, department = $3, collaborators = $4 WHERE customer = $1",
        fact.customer,
        fact.owner,
        fact.department,
        list(fact.collaborators),
    )


async def _replace_contacts(connection: Connection, customer: str, contacts: Sequence[Contact]) -> None:
    await connection.execute(_FORGET_CONTACTS, customer)
    for place, contact in enumerate(contacts):
        await connection.execute(
            _ADD_CONTACT, customer, place, contact.person, contact.main, contact.name, contact.phone
        )


CUSTOMERS_VIEW = View(
    name="customers",
    source=REGISTRY,
    tables=("customers", "customer_contacts"),
    apply={
        DossierSubmitted: _submit,
        CustomerRegistered: _register,
        CustomerChanged: _change,
        OwnerAssigned: _assign,
    },
)
