"""The settlement units, as lists and look-ups; which customers they pay for stands in `standing.views`."""

from __future__ import annotations

from collections.abc import Sequence

import asyncpg

from kehu.contracts.trade import SettlementUnitQualified
from kehu.event_store import Connection
from kehu.facts import RecordedFact
from kehu.service import OWN_LOG, View
from kehu_vetting.customer_files.views import FILES
from kehu_vetting.settlement_units.facts import UnitBarLifted, UnitBarred, UnitEndNoted, UnitPapersNoted
from kehu_vetting.sight import Scope

_QUALIFY = """
INSERT INTO settlement_units (unit, number, name, identity_kind, identity) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (unit) DO UPDATE SET name = $3, identity_kind = $4, identity = $5
"""
_BAR = "UPDATE settlement_units SET bars = array_append(array_remove(bars, $2), $2) WHERE unit = $1"
_LIFT = "UPDATE settlement_units SET bars = array_remove(bars, $2) WHERE unit = $1"
_PAPER = """
INSERT INTO settlement_unit_papers (unit, type, issued_on, valid_until) VALUES ($1, $2, $3, $4)
ON CONFLICT (unit, type) DO UPDATE SET issued_on = $3, valid_until = $4
"""
_END = """
INSERT INTO settlement_unit_ends (unit, document, last_day) VALUES ($1, $2, $3)
ON CONFLICT (unit, document) DO UPDATE SET last_day = $3
"""
_NO_END = "DELETE FROM settlement_unit_ends WHERE unit = $1 AND document = $2"
# Uses the primary key, settlement_units_number and settlement_units_identity.
_NAMED = """
SELECT unit FROM settlement_units WHERE unit = $1 OR number = $1 OR identity = $1 ORDER BY unit LIMIT 1
"""
# The primary key gives the order; payers_unit finds the customers.
_LIST = f"""
SELECT u.unit, u.number, u.name, u.identity_kind, u.identity, u.bars,
       (SELECT count(*) FROM payers p WHERE p.unit = u.unit) AS customers
FROM settlement_units u
WHERE ($1::text IS NULL OR u.unit < $1)
  AND ($2 OR EXISTS (SELECT FROM payers p JOIN {FILES} c USING (customer)
                     WHERE p.unit = u.unit
                       AND (c.department = ANY ($3) OR c.owner = $4 OR $4 = ANY (c.collaborators))))
  AND ($5::boolean IS NULL OR (cardinality(u.bars) > 0) = $5)
  AND ($6::text IS NULL OR u.name ILIKE '%' || $6 || '%' OR u.number = $6 OR u.identity = $6)
ORDER BY u.unit DESC LIMIT $7
"""


def number_of(serial: int) -> str:
    """The number of the unit with this serial, as people say it."""
    return f"JS{serial:06}"


async def _qualify(connection: Connection, recorded: RecordedFact[SettlementUnitQualified]) -> None:
    fact = recorded.fact
    await connection.execute(_QUALIFY, fact.unit, fact.number, fact.name, fact.identity_kind, fact.identity)


async def _bar(connection: Connection, recorded: RecordedFact[UnitBarred]) -> None:
    await connection.execute(_BAR, recorded.fact.unit, recorded.fact.cause)


async def _lift(connection: Connection, recorded: RecordedFact[UnitBarLifted]) -> None:
    await connection.execute(_LIFT, recorded.fact.unit, recorded.fact.cause)


async def _papers(connection: Connection, recorded: RecordedFact[UnitPapersNoted]) -> None:
    fact = recorded.fact
    for paper in fact.papers:
        await connection.execute(_PAPER, fact.unit, paper.type, paper.issued_on, paper.valid_until)


async def _end(connection: Connection, recorded: RecordedFact[UnitEndNoted]) -> None:
    fact = recorded.fact
    if fact.last_day is None:
        await connection.execute(_NO_END, fact.unit, fact.document)
    else:
        await connection.execute(_END, fact.unit, fact.document, fact.last_day)


UNIT_ENDS_VIEW = View(
    name="settlement_unit_ends", source=OWN_LOG, tables=("settlement_unit_ends",), apply={UnitEndNoted: _end}
)
SETTLEMENT_UNITS_VIEW = View(
    name="settlement_units",
    source=OWN_LOG,
    tables=("settlement_units", "settlement_unit_papers"),
    apply={SettlementUnitQualified: _qualify, UnitBarred: _bar, UnitBarLifted: _lift, UnitPapersNoted: _papers},
)


async def unit_named(pool: asyncpg.Pool, named: str) -> str | None:
    """The id of the unit that is called so: by id, number or identity, as far as the view has come."""
    found: str | None = await pool.fetchval(_NAMED, named)
    return found


async def list_units(
    pool: asyncpg.Pool, shown: Scope, search: str | None, after: str | None, limit: int, *, suspended: bool | None
) -> Sequence[asyncpg.Record]:
    """A page of the units that pay for customers whom somebody may see, the latest qualified first."""
    escaped = search.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_") if search else None
    return await pool.fetch(
        _LIST, after, shown.everything, list(shown.departments), shown.person, suspended, escaped, limit
    )
