"""The register of customers (F5): one row for each dossier from its first draft on, without anything personal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

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

_DRAFT = """
INSERT INTO register (customer, serial, number, name, name_key, kind, nature, identity_kind, identity, region,
                      collaborators, important_potential, department, owner, status, drafted_at, version)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)
"""
_EDIT = """
UPDATE register SET name = $2, name_key = $3, kind = $4, nature = $5, identity_kind = $6, identity = $7, region = $8,
    collaborators = $9, important_potential = $10, version = $11
WHERE customer = $1
"""
_STATUS = "UPDATE register SET status = $2, version = $3 WHERE customer = $1"
_REGISTER = "UPDATE register SET status = $2, registered_at = $3, version = $4 WHERE customer = $1"
_CHANGE = """
UPDATE register SET name = coalesce($2, name), name_key = coalesce($3, name_key), kind = coalesce($4, kind),
    region = coalesce($5, region), affiliation = CASE WHEN $6 THEN NULL ELSE coalesce($7, affiliation) END,
    identity_kind = coalesce($8, identity_kind), identity = coalesce($9, identity),
    important_potential = coalesce($10, important_potential), version = $11
WHERE customer = $1
"""
_PARTICULARS = "UPDATE register SET nature = coalesce($2, nature), version = $3 WHERE customer = $1"
_ASSIGN = "UPDATE register SET owner = $2, department = $3, collaborators = $4, version = $5 WHERE customer = $1"


_MERGE = "UPDATE register SET merged_into = $2, version = $3 WHERE customer = $1"
_TOUCH = "UPDATE register SET version = $2 WHERE customer = $1"


def number_of(serial: int) -> str:
    """The 客户编号 with this serial: six digits, and more once there are a million customers."""
    return f"K{serial:06}"


async def _draft(connection: Connection, recorded: RecordedFact[DossierDrafted]) -> None:
    fact = recorded.fact
    await connection.execute(
        _DRAFT,
        fact.customer,
        int(fact.number.removeprefix("K")),
        fact.number,
        *_content(fact.content),
        fact.department,
        fact.owner,
        Status.DRAFT.value,
        recorded.occurred_at,
        recorded.version,
    )


async def _edit(connection: Connection, recorded: RecordedFact[DossierEdited]) -> None:
    fact = recorded.fact
    await connection.execute(_EDIT, fact.customer, *_content(fact.content), recorded.version)


def _content(content: DossierContent) -> tuple[Any, ...]:
    return (
        content.name,
        company_key(content.name),
        content.kind,
        content.nature,
        content.identity_kind,
        content.identity,
        content.region,
        list(content.collaborators),
        content.important_potential,
    )


async def _submit(connection: Connection, recorded: RecordedFact[DossierSubmitted]) -> None:
    await connection.execute(_STATUS, recorded.fact.customer, Status.SUBMITTED.value, recorded.version)


async def _return(connection: Connection, recorded: RecordedFact[DossierReturned]) -> None:
    await connection.execute(_STATUS, recorded.fact.customer, Status.RETURNED.value, recorded.version)


async def _register(connection: Connection, recorded: RecordedFact[CustomerRegistered]) -> None:
    await connection.execute(
        _REGISTER, recorded.fact.customer, Status.ARCHIVED.value, recorded.occurred_at, recorded.version
    )


async def _change(connection: Connection, recorded: RecordedFact[CustomerChanged]) -> None:
    fact = recorded.fact
    await connection.execute(
        _CHANGE,
        fact.customer,
        fact.name,
        company_key(fact.name) if fact.name else None,
        fact.kind,
        fact.region,
        fact.affiliation_ended,
        fact.affiliation,
        fact.identity_kind,
        fact.identity,
        fact.important_potential,
        recorded.version,
    )


async def _particulars(connection: Connection, recorded: RecordedFact[ParticularsChanged]) -> None:
    await connection.execute(_PARTICULARS, recorded.fact.customer, recorded.fact.nature, recorded.version)


async def _assign(connection: Connection, recorded: RecordedFact[OwnerAssigned]) -> None:
    fact = recorded.fact
    await connection.execute(
        _ASSIGN, fact.customer, fact.owner, fact.department, list(fact.collaborators), recorded.version
    )


async def _close(connection: Connection, recorded: RecordedFact[CustomerClosed]) -> None:
    await connection.execute(_STATUS, recorded.fact.customer, Status.CLOSED.value, recorded.version)


async def _reopen(connection: Connection, recorded: RecordedFact[CustomerReopened]) -> None:
    await connection.execute(_STATUS, recorded.fact.customer, Status.ARCHIVED.value, recorded.version)


async def _merge(connection: Connection, recorded: RecordedFact[CustomersMerged]) -> None:
    if recorded.fact.customer == recorded.fact.survivor:
        await _touch(connection, recorded)
    else:
        await connection.execute(_MERGE, recorded.fact.customer, recorded.fact.survivor, recorded.version)


async def _unmerge(connection: Connection, recorded: RecordedFact[CustomersUnmerged]) -> None:
    if recorded.fact.customer == recorded.fact.survivor:
        await _touch(connection, recorded)
    else:
        await connection.execute(_MERGE, recorded.fact.customer, None, recorded.version)


async def _touch(connection: Connection, recorded: RecordedFact[Any]) -> None:
    """Nothing that the register shows has changed, but the ETag has."""
    await connection.execute(_TOUCH, recorded.fact.customer, recorded.version)


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
_APPLY: Mapping[type[Fact], Any] = {
    **dict.fromkeys(_TOUCHING, _touch),
    CustomerClosed: _close,
    CustomerReopened: _reopen,
    CustomersMerged: _merge,
    CustomersUnmerged: _unmerge,
    DossierDrafted: _draft,
    DossierEdited: _edit,
    DossierSubmitted: _submit,
    DossierReturned: _return,
    CustomerRegistered: _register,
    CustomerChanged: _change,
    ParticularsChanged: _particulars,
    OwnerAssigned: _assign,
}
REGISTER = View(name="register", source=OWN_LOG, tables=("register",), apply=_APPLY)


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
