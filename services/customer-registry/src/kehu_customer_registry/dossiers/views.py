"""The register of customers (F5): one row for each dossier from its first draft on, without anything personal."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, NamedTuple

import asyncpg

from kehu.calendar import end_of_day, start_of_day
from kehu.contracts.customers import (
    CustomerChanged,
    CustomerChangeDeclined,
    CustomerChangeProposed,
    CustomerClosed,
    CustomerKind,
    CustomerMergeDeclined,
    CustomerMergeProposed,
    CustomerRegistered,
    CustomerReopened,
    CustomersMerged,
    CustomersUnmerged,
    CustomerTakenOver,
    DossierReturned,
    DossierSubmitted,
    OwnerAssigned,
    RelationDeclined,
    RelationRequested,
)
from kehu.event_store import Connection
from kehu.facts import Fact, RecordedFact
from kehu.folding import Folding
from kehu.service import OWN_LOG, View
from kehu.text import company_key, normalise
from kehu_customer_registry.dossiers.content import DossierContent
from kehu_customer_registry.dossiers.facts import (
    DossierDrafted,
    DossierEdited,
    DuplicateChecked,
    MajorChangeEntered,
    ParticularsChanged,
    Status,
    TakeOverProposed,
)
from kehu_customer_registry.dossiers.rights import Scope


class RegisterRow(NamedTuple):
    """A row of the table, column by column."""

    customer: str
    serial: int
    number: str
    name: str
    name_key: str
    kind: str | None
    nature: str | None
    affiliation: str | None
    identity_kind: str | None
    identity: str | None
    region: str | None
    department: str
    owner: str
    collaborators: list[str]
    status: str
    important_potential: bool
    drafted_at: datetime
    registered_at: datetime | None
    version: int
    merged_into: str | None


def number_of(serial: int) -> str:
    """The 客户编号 with this serial: six digits, and more once there are a million customers."""
    return f"K{serial:06}"


def _draft(_row: RegisterRow | None, recorded: RecordedFact[DossierDrafted]) -> RegisterRow:
    fact = recorded.fact
    return RegisterRow(
        customer=fact.customer,
        serial=int(fact.number.removeprefix("K")),
        number=fact.number,
        affiliation=None,
        department=fact.department,
        owner=fact.owner,
        status=Status.DRAFT.value,
        drafted_at=recorded.occurred_at,
        registered_at=None,
        version=recorded.version,
        merged_into=None,
        **_content(fact.content),
    )


def _content(content: DossierContent) -> dict[str, Any]:
    return {
        "name": content.name,
        "name_key": company_key(content.name),
        "kind": content.kind,
        "nature": content.nature,
        "identity_kind": content.identity_kind,
        "identity": content.identity,
        "region": content.region,
        "collaborators": list(content.collaborators),
        "important_potential": content.important_potential,
    }


def _edit(row: RegisterRow, recorded: RecordedFact[DossierEdited]) -> RegisterRow:
    return row._replace(**_content(recorded.fact.content))


def _register(row: RegisterRow, recorded: RecordedFact[CustomerRegistered]) -> RegisterRow:
    return row._replace(status=Status.ARCHIVED.value, registered_at=recorded.occurred_at)


def _change(row: RegisterRow, recorded: RecordedFact[CustomerChanged]) -> RegisterRow:
    fact = recorded.fact
    changes: dict[str, Any] = {
        "name": fact.name,
        "name_key": company_key(fact.name) if fact.name else None,
        "kind": fact.kind,
        "region": fact.region,
        "affiliation": fact.affiliation,
        "identity_kind": fact.identity_kind,
        "identity": fact.identity,
        "important_potential": fact.important_potential,
    }
    row = row._replace(**{name: value for name, value in changes.items() if value is not None})
    return row._replace(affiliation=None) if fact.affiliation_ended else row


def _particulars(row: RegisterRow, recorded: RecordedFact[ParticularsChanged]) -> RegisterRow:
    return row._replace(nature=recorded.fact.nature or row.nature)


def _assign(row: RegisterRow, recorded: RecordedFact[OwnerAssigned]) -> RegisterRow:
    fact = recorded.fact
    return row._replace(owner=fact.owner, department=fact.department, collaborators=list(fact.collaborators))


def _stand(status: Status) -> Callable[[RegisterRow, RecordedFact[Any]], RegisterRow]:
    return lambda row, _recorded: row._replace(status=status.value)


def _merge(row: RegisterRow, recorded: RecordedFact[CustomersMerged]) -> RegisterRow:
    """Both customers' streams have it; the survivor's row stays as it is."""
    fact = recorded.fact
    return row if fact.customer == fact.survivor else row._replace(merged_into=fact.survivor)


def _unmerge(row: RegisterRow, recorded: RecordedFact[CustomersUnmerged]) -> RegisterRow:
    fact = recorded.fact
    return row if fact.customer == fact.survivor else row._replace(merged_into=None)


def _touch(row: RegisterRow, _recorded: RecordedFact[Any]) -> RegisterRow:
    """Nothing that the register shows has changed, but the ETag has."""
    return row


def _known(
    step: Callable[[RegisterRow, RecordedFact[Any]], RegisterRow],
) -> Callable[[RegisterRow | None, RecordedFact[Any]], RegisterRow | None]:
    """A step on a dossier that is there, at its stream's version."""

    def stepped(row: RegisterRow | None, recorded: RecordedFact[Any]) -> RegisterRow | None:
        return None if row is None else step(row, recorded)._replace(version=recorded.version)

    return stepped


_TOUCHING: tuple[type[Fact], ...] = (
    DuplicateChecked,
    TakeOverProposed,
    CustomerTakenOver,
    MajorChangeEntered,
    CustomerChangeProposed,
    CustomerChangeDeclined,
    RelationRequested,
    RelationDeclined,
    CustomerMergeProposed,
    CustomerMergeDeclined,
)
_STEPS: Mapping[type[Fact], Callable[[RegisterRow, RecordedFact[Any]], RegisterRow]] = {
    **dict.fromkeys(_TOUCHING, _touch),
    CustomerClosed: _stand(Status.CLOSED),
    CustomerReopened: _stand(Status.ARCHIVED),
    CustomersMerged: _merge,
    CustomersUnmerged: _unmerge,
    DossierEdited: _edit,
    DossierSubmitted: _stand(Status.SUBMITTED),
    DossierReturned: _stand(Status.RETURNED),
    CustomerRegistered: _register,
    CustomerChanged: _change,
    ParticularsChanged: _particulars,
    OwnerAssigned: _assign,
}
# A dossier that is taken over comes with three facts at once: folded, they write one row once.
_REGISTER: Folding[RegisterRow] = Folding(
    "register",
    RegisterRow,
    lambda recorded: recorded.fact.customer,
    {DossierDrafted: _draft, **{fact: _known(step) for fact, step in _STEPS.items()}},
)
REGISTER = View(name="register", source=OWN_LOG, tables=("register",), foldings=(_REGISTER,))


@dataclass(frozen=True, slots=True)
class Filters:
    """What a reader of the register looks for; None is everything."""

    q: str | None = None
    kind: CustomerKind | None = None
    region: str | None = None
    department: str | None = None
    owner: str | None = None
    status: Status | None = None
    registered_from: date | None = None
    registered_to: date | None = None

    def named(self) -> dict[str, str]:
        """Those that are set, as text."""
        return {name: str(value) for name in self.__slots__ if (value := getattr(self, name)) is not None}


# Goes along register_serial_key where everything is shown, else by register_department, register_owner and
# register_collaborators. Two statements, since one with a switch in it would be planned for neither.
# `position` instead of LIKE: what is searched for may hold any character.
_LIST = """
SELECT customer, serial, number, name, kind, nature, affiliation, identity_kind, identity, region, department, owner,
       collaborators, status, important_potential, drafted_at, registered_at, version
FROM register
WHERE ($1::bigint IS NULL OR serial > $1)
  AND merged_into IS NULL
  AND ($2::text IS NULL OR position($2 IN name_key) > 0 OR number = $3 OR identity = $3
       OR customer = (SELECT m.merged_into FROM register m WHERE m.number = $3))
  AND ($4::text IS NULL OR kind = $4)
  AND ($5::text IS NULL OR region = $5)
  AND ($6::text IS NULL OR department = $6)
  AND ($7::text IS NULL OR owner = $7)
  AND ($8::text IS NULL OR status = $8)
  AND ($9::timestamptz IS NULL OR registered_at >= $9)
  AND ($10::timestamptz IS NULL OR registered_at < $10)
  {visible}
ORDER BY serial LIMIT $11
"""
_EVERYTHING = _LIST.format(visible="")
_VISIBLE = _LIST.format(visible="AND (department = ANY ($12) OR owner = $13 OR collaborators @> ARRAY[$13])")
# Reads by the primary key and register_number_key.
_RESOLVE = """
SELECT customer, number, department, status, merged_into FROM register WHERE customer = ANY ($1) OR number = ANY ($1)
"""


async def list_register(
    connection: Connection | asyncpg.Pool, scope: Scope, filters: Filters, after: int | None, limit: int
) -> list[asyncpg.Record]:
    """Rows of the register after a serial, in the order of serials.

    Args:
        connection: to the service's views.
        scope: whose customers the reader may see.
        filters: what they look for.
        after: the last serial that they have seen.
        limit: how many rows at most.

    """
    wanted = (
        after,
        company_key(filters.q) if filters.q else None,
        normalise(filters.q).upper() if filters.q else None,
        filters.kind,
        filters.region,
        filters.department,
        filters.owner,
        filters.status,
        start_of_day(filters.registered_from) if filters.registered_from else None,
        end_of_day(filters.registered_to) if filters.registered_to else None,
        limit,
    )
    if scope.everything:
        return await connection.fetch(_EVERYTHING, *wanted)
    return await connection.fetch(_VISIBLE, *wanted, list(scope.departments), scope.person)


@dataclass(frozen=True, slots=True)
class Listed:
    """A customer as the register knows it."""

    customer: str
    number: str
    department: str
    registered: bool


async def resolve(connection: Connection | asyncpg.Pool, named: Sequence[str]) -> dict[str, Listed]:
    """Customers by id or 客户编号, as they were named; who was merged is the survivor, who is unknown is left out."""
    found: dict[str, Listed] = {}
    merged: list[tuple[str, str, str]] = []
    for row in await connection.fetch(_RESOLVE, list(named)):
        if row["merged_into"] is not None:
            merged.append((row["customer"], row["number"], row["merged_into"]))
            continue
        registered = row["status"] in (Status.ARCHIVED, Status.CLOSED)
        listed = Listed(row["customer"], row["number"], row["department"], registered)
        found[listed.customer] = found[listed.number] = listed
    return found | await _survivors(connection, merged)


async def _survivors(
    connection: Connection | asyncpg.Pool, merged: Sequence[tuple[str, str, str]]
) -> dict[str, Listed]:
    """Those who were merged, given as (id, number, survivor), by their own ids and numbers."""
    if not merged:
        return {}
    survivors = await resolve(connection, sorted({survivor for _, _, survivor in merged}))
    return {name: survivors[survivor] for *names, survivor in merged if survivor in survivors for name in names}
