"""What vetting has noted of a customer: who it is, of which kind, in whose department, and who owns it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from kehu.contracts.customers import CustomerKind, IdentityKind
from kehu.deciding import Category
from kehu.facts import Fact
from kehu.lineage import MergedAway


class CustomerNoted(Fact, clause="R3.1.1"):
    """The registry has said something of a customer that matters here; what it did not say is None."""

    customer: str
    number: str | None = None
    name: str | None = None
    kind: CustomerKind | None = None
    identity_kind: IdentityKind | None = None
    identity: str | None = None
    department: str | None = None
    owner: str | None = None
    collaborators: tuple[str, ...] | None = None
    closed: bool | None = None
    #: The survivor of a merge; an empty text when the merge was undone.
    merged_into: str | None = None
    #: How often a vetted field (name, kind, identity, representative, bank) has changed by now.
    changes: int | None = None
    #: Account information of an earlier date no longer counts: name or representative changed on that day (R3.1.2).
    account_asked_since: date | None = None


@dataclass(frozen=True, slots=True)
class CustomerFile:
    """A customer as vetting knows it; fields are empty until the registry has told them."""

    customer: str = ""
    number: str = ""
    name: str = ""
    kind: CustomerKind | None = None
    identity_kind: IdentityKind | None = None
    identity: str = ""
    department: str = ""
    owner: str = ""
    collaborators: tuple[str, ...] = ()
    closed: bool = False
    merged_into: str = ""
    changes: int = 0
    account_asked_since: date | None = None

    @property
    def gone(self) -> bool:
        """Whether the relation has ended, or another dossier goes on in this one's place."""
        return self.closed or bool(self.merged_into)

    def check_apart(self) -> None:
        """Refuse commands on a customer that was merged into another: only the survivor takes them (R4).

        Raises:
            MergedAway: so it was.

        """
        if self.merged_into:
            raise MergedAway(self.merged_into)

    @property
    def registered(self) -> bool:
        """Whether the dossier has been passed (R4.3), as far as this service has heard."""
        return self.kind is not None and self.identity_kind is not None and bool(self.name)


def evolve(state: CustomerFile, fact: Fact) -> CustomerFile:
    """Take over what was said; the rest stays."""
    match fact:
        case CustomerNoted():
            said: dict[str, Any] = {field: value for field, value in _fields(fact).items() if value is not None}
            return replace(state, customer=fact.customer, **said)
        case _:
            return state


def news(state: CustomerFile, said: CustomerNoted) -> CustomerNoted | None:
    """The same without what is known already; None when nothing is left."""
    fresh: dict[str, Any] = {
        field: value for field, value in _fields(said).items() if value is not None and value != getattr(state, field)
    }
    return CustomerNoted(customer=said.customer, **fresh) if fresh else None


def _fields(fact: CustomerNoted) -> dict[str, Any]:
    return {field: getattr(fact, field) for field in CustomerNoted.model_fields if field != "customer"}


CUSTOMER_FILES = Category(name="customer_file", facts=(CustomerNoted,), initial=CustomerFile(), evolve=evolve)
