"""Dossiers that may be of one customer (R4, duplicates): the keys under which they meet, and the view that holds them.

Phones stand there as a blind index: whoever reads the table learns none.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import asyncpg

from kehu.contracts.customers import Contact, CustomerChanged
from kehu.event_store import Connection
from kehu.facts import Fact, RecordedFact
from kehu.privacy import ERASED, blind_index
from kehu.service import OWN_LOG, IndexedApply, IndexKey, View
from kehu.text import company_key, normalise
from kehu_customer_registry.dossiers.content import DossierContent
from kehu_customer_registry.dossiers.decisions import Resembling
from kehu_customer_registry.dossiers.facts import DossierDrafted, DossierEdited, ParticularsChanged

PURPOSE = "dossier phone"
#: More than anybody looks through; for a name that common there is the register.
MOST_SHOWN = 20
#: A shorter address (无, 杭州市) says too little for two customers to meet under it.
_SHORTEST_ADDRESS = 5
_BETWEEN = re.compile(r"[\s,.;:()\[\]{}<>〈〉《》「」『』【】〔〕〖〗、。#\-‐‑–—/]")


def address_key(address: str) -> str | None:
    """The key under which writings of one address meet; None where it says too little.

    Full-width and half-width, spaces and punctuation make no difference.
    """
    key = _BETWEEN.sub("", unicodedata.normalize("NFKC", normalise(address).casefold()))
    return key if len(key) >= _SHORTEST_ADDRESS else None


@dataclass(frozen=True, slots=True)
class Keys:
    """Under what a dossier is looked for: folded name and address, phones in their stable form."""

    name: str | None = None
    address: str | None = None
    phones: Sequence[str] = field(default_factory=tuple)

    @classmethod
    def of(cls, content: DossierContent) -> Keys:
        """Those of a form."""
        return cls(
            name=company_key(content.name),
            address=address_key(content.address) if content.address else None,
            phones=phones_of(content.contacts),
        )

    def indexes(self, index_key: IndexKey) -> list[str]:
        """The blind index of each phone, extensions apart: they share a line."""
        key = index_key(PURPOSE)
        lines = {phone.partition(";")[0] for phone in self.phones if phone != ERASED}
        return sorted(blind_index(key, line) for line in lines)


def phones_of(contacts: Sequence[Contact]) -> tuple[str, ...]:
    """Every phone of some contacts."""
    return tuple(phone for contact in contacts for phone in (contact.phone, *contact.further_phones))


# --- the view --------------------------------------------------------------------------------------------------------

_KNOW = """
INSERT INTO dossier_keys (customer, name_key, address_key) VALUES ($1, $2, $3)
ON CONFLICT (customer) DO UPDATE SET name_key = excluded.name_key, address_key = excluded.address_key
"""
_RENAME = "UPDATE dossier_keys SET name_key = $2 WHERE customer = $1"
_MOVE = "UPDATE dossier_keys SET address_key = $2 WHERE customer = $1"
_FORGET = "DELETE FROM dossier_phones WHERE customer = $1"
_REMEMBER = "INSERT INTO dossier_phones (customer, phone_personal) VALUES ($1, $2)"


async def _fill_in(
    connection: Connection, recorded: RecordedFact[DossierDrafted] | RecordedFact[DossierEdited], index_key: IndexKey
) -> None:
    keys = Keys.of(recorded.fact.content)
    await connection.execute(_KNOW, recorded.fact.customer, keys.name, keys.address)
    await _call(connection, recorded.fact.customer, keys, index_key)


async def _change(connection: Connection, recorded: RecordedFact[CustomerChanged], index_key: IndexKey) -> None:
    fact = recorded.fact
    if fact.name is not None:
        await connection.execute(_RENAME, fact.customer, company_key(fact.name))
    if fact.contacts is not None:
        await _call(connection, fact.customer, Keys(phones=phones_of(fact.contacts)), index_key)


async def _particulars(connection: Connection, recorded: RecordedFact[ParticularsChanged]) -> None:
    if recorded.fact.address is not None:
        await connection.execute(_MOVE, recorded.fact.customer, address_key(recorded.fact.address))


async def _call(connection: Connection, customer: str, keys: Keys, index_key: IndexKey) -> None:
    await connection.execute(_FORGET, customer)
    for index in keys.indexes(index_key):
        await connection.execute(_REMEMBER, customer, index)


_INDEXED: Mapping[type[Fact], IndexedApply] = {
    DossierDrafted: _fill_in,
    DossierEdited: _fill_in,
    CustomerChanged: _change,
}
RESEMBLING = View(
    name="resembling",
    source=OWN_LOG,
    tables=("dossier_keys", "dossier_phones"),
    apply={ParticularsChanged: _particulars},
    indexed=_INDEXED,
)

# --- looking ---------------------------------------------------------------------------------------------------------

# Three look-ups by dossier_keys_name, dossier_keys_address and the primary key of dossier_phones; then the register's.
_FIND = """
SELECT found.customer, array_agg(found.match ORDER BY found.match) AS matches, r.number, r.department, r.name,
       r.owner, r.collaborators, r.merged_into
FROM (
    SELECT customer, 'name' AS match FROM dossier_keys WHERE name_key = $1
    UNION
    SELECT customer, 'address' FROM dossier_keys WHERE address_key = $2
    UNION
    SELECT customer, 'phone' FROM dossier_phones WHERE phone_personal = ANY ($3)
    UNION
    SELECT $4::text, 'identity' WHERE $4::text IS NOT NULL
) found JOIN register r USING (customer)
WHERE found.customer <> $5
GROUP BY found.customer, r.customer
ORDER BY count(*) DESC, r.serial
LIMIT $6
"""
# Uses the register's primary key.
_SURVIVOR = (
    "SELECT customer, number, department, name, owner, collaborators, merged_into FROM register WHERE customer = $1"
)


@dataclass(frozen=True, slots=True)
class Found:
    """A dossier that was found, with what the reader may be told if they may see it."""

    resembling: Resembling
    name: str
    owner: str
    collaborators: Sequence[str]


async def find_resembling(
    pool: asyncpg.Pool, index_key: IndexKey, keys: Keys, *, holder: str | None = None, apart_from: str = ""
) -> list[Found]:
    """Dossiers with the same name, phone or address; those with most in common first. Who was merged is the survivor.

    Args:
        pool: connections to the service's views.
        index_key: of the keyring.
        keys: what to look for.
        holder: the customer that has claimed an identity that is looked for too.
        apart_from: the customer's own id.

    """
    rows = await pool.fetch(_FIND, keys.name, keys.address, keys.indexes(index_key), holder, apart_from, MOST_SHOWN)
    found: dict[str, Found] = {}
    for row in rows:
        there = row
        while there["merged_into"] is not None:
            there = await pool.fetchrow(_SURVIVOR, there["merged_into"])
        if there["customer"] == apart_from:
            continue
        matches = set(row["matches"])
        if there["customer"] in found:
            matches |= set(found[there["customer"]].resembling.matches)
        found[there["customer"]] = _found(there, tuple(sorted(matches)))
    return list(found.values())


def _found(row: Any, matches: tuple[str, ...]) -> Found:
    resembling = Resembling(row["customer"], row["number"], row["department"], matches)
    return Found(resembling, row["name"], row["owner"], row["collaborators"])
