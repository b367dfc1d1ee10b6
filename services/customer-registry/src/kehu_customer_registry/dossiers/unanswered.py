"""What of a dossier the manager does not answer in time is told to the superior (People); silence never approves."""

from __future__ import annotations

from kehu.contracts.customers import (
    CustomerChanged,
    CustomerChangeDeclined,
    CustomerChangeProposed,
    CustomerRegistered,
    DossierReturned,
    DossierSubmitted,
    OwnerAssigned,
    RelationDeclined,
    RelationRequested,
)
from kehu.escalating import Wait, escalation
from kehu_customer_registry.dossiers.facts import DOSSIERS, REVIEW, Dossier

#: Stands in no id of a customer, a change or a relation.
_BETWEEN = "/"


def _key(customer: str, wait: str | None) -> str:
    return f"{customer}{_BETWEEN}{wait or ''}"


def _waiting(key: str, state: Dossier) -> Wait | None:
    return state.waits.get(key.partition(_BETWEEN)[2])


DOSSIER_UNANSWERED = escalation(
    "dossier-unanswered",
    DOSSIERS,
    planned_by={
        DossierSubmitted: lambda fact: (_key(fact.customer, REVIEW), fact.answer_due_on),
        DossierReturned: lambda fact: (_key(fact.customer, REVIEW), None),
        CustomerRegistered: lambda fact: (_key(fact.customer, REVIEW), None),
        CustomerChangeProposed: lambda fact: (_key(fact.customer, fact.change), fact.answer_due_on),
        CustomerChangeDeclined: lambda fact: (_key(fact.customer, fact.change), None),
        CustomerChanged: lambda fact: (_key(fact.customer, fact.change), None),
        OwnerAssigned: lambda fact: (_key(fact.customer, fact.change), None),
        RelationRequested: lambda fact: (_key(fact.customer, fact.relation), fact.answer_due_on),
        RelationDeclined: lambda fact: (_key(fact.customer, fact.relation), None),
    },
    stream_id=lambda key: key.partition(_BETWEEN)[0],
    waiting=_waiting,
)
