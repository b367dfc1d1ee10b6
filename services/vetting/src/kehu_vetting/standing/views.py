"""How customers stand, who pays for them, and which of their papers are in force; for lists, never for decisions."""

from __future__ import annotations

from collections.abc import Sequence

import asyncpg

from kehu.contracts.trade import SettlementUnitLinked, SettlementUnitUnlinked
from kehu.event_store import Connection
from kehu.facts import RecordedFact
from kehu.service import OWN_LOG, View
from kehu_vetting.customer_files.views import FILES
from kehu_vetting.sight import Scope
from kehu_vetting.standing.facts import (
    ActivationNoted,
    AgreementNoted,
    BarLifted,
    CustomerBarred,
    EndNoted,
    PapersTaken,
)

_ACTIVE = """
INSERT INTO standings (customer, active_since, qualification) VALUES ($1, $2, $3)
ON CONFLICT (customer) DO UPDATE
SET active_since = coalesce(standings.active_since, $2), qualification = coalesce($3, standings.qualification)
"""
_AGREEMENT = """
INSERT INTO standings (customer, agreement_from, agreement_until) VALUES ($1, $2, $3)
ON CONFLICT (customer) DO UPDATE SET agreement_from = $2, agreement_until = $3
"""
_BAR = """
INSERT INTO standings (customer, bars, barred_since) VALUES ($1, ARRAY[$2], $3)
ON CONFLICT (customer) DO UPDATE
SET bars = array_append(array_remove(standings.bars, $2), $2),
    barred_since = CASE WHEN cardinality(standings.bars) = 0 THEN $3 ELSE standings.barred_since END
"""
_LIFT = "UPDATE standings SET bars = array_remove(bars, $2) WHERE customer = $1"
_NOT_DEFAULT = "UPDATE payers SET is_default = false WHERE customer = $1 AND unit <> $2"
_LINK = """
INSERT INTO payers (customer, unit, is_default, agreement_digest, signed_on, valid_until)
VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (customer, unit) DO UPDATE
SET is_default = payers.is_default OR $3, agreement_digest = $4, signed_on = $5, valid_until = $6
"""
_UNLINK = "DELETE FROM payers WHERE customer = $1 AND unit = $2"
_END = """
INSERT INTO ends (customer, what, last_day) VALUES ($1, $2, $3)
ON CONFLICT (customer, what) DO UPDATE SET last_day = $3
"""
_NO_END = "DELETE FROM ends WHERE customer = $1 AND what = $2"
_NO_PAPERS = "DELETE FROM papers_in_force WHERE customer = $1"
_PAPER = """
INSERT INTO papers_in_force (customer, type, issued_on, valid_until, file_digest) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (customer, type) DO UPDATE SET issued_on = $3, valid_until = $4, file_digest = $5
"""
# Uses payers_unit.
_OF_UNIT = f"""
SELECT coalesce(c.survivor, p.customer) AS customer, c.number, c.name, p.is_default AS default,
       p.agreement_digest, p.signed_on, p.valid_until
FROM payers p LEFT JOIN {FILES} c USING (customer)
WHERE p.unit = $1 AND ($2 OR c.department = ANY ($3) OR c.owner = $4 OR $4 = ANY (c.collaborators))
ORDER BY p.customer
"""


async def _active(connection: Connection, recorded: RecordedFact[ActivationNoted]) -> None:
    fact = recorded.fact
    await connection.execute(_ACTIVE, fact.customer, fact.active_since, fact.qualification)


async def _agreement(connection: Connection, recorded: RecordedFact[AgreementNoted]) -> None:
    fact = recorded.fact
    await connection.execute(_AGREEMENT, fact.customer, fact.valid_from, fact.valid_until)


async def _bar(connection: Connection, recorded: RecordedFact[CustomerBarred]) -> None:
    await connection.execute(_BAR, recorded.fact.customer, recorded.fact.cause, recorded.occurred_at)


async def _lift(connection: Connection, recorded: RecordedFact[BarLifted]) -> None:
    await connection.execute(_LIFT, recorded.fact.customer, recorded.fact.cause)


async def _papers(connection: Connection, recorded: RecordedFact[PapersTaken]) -> None:
    fact = recorded.fact
    if fact.whole:
        await connection.execute(_NO_PAPERS, fact.customer)
    for paper in fact.papers:
        await connection.execute(
            _PAPER, fact.customer, paper.type, paper.issued_on, paper.valid_until, paper.file_digest
        )


async def _link(connection: Connection, recorded: RecordedFact[SettlementUnitLinked]) -> None:
    fact = recorded.fact
    await connection.execute(
        _LINK, fact.customer, fact.unit, fact.default, fact.agreement_digest, fact.signed_on, fact.valid_until
    )
    if fact.default:
        await connection.execute(_NOT_DEFAULT, fact.customer, fact.unit)


async def _unlink(connection: Connection, recorded: RecordedFact[SettlementUnitUnlinked]) -> None:
    await connection.execute(_UNLINK, recorded.fact.customer, recorded.fact.unit)


async def _end(connection: Connection, recorded: RecordedFact[EndNoted]) -> None:
    fact = recorded.fact
    if fact.last_day is None:
        await connection.execute(_NO_END, fact.customer, fact.what)
    else:
        await connection.execute(_END, fact.customer, fact.what, fact.last_day)


ENDS_VIEW = View(name="ends", source=OWN_LOG, tables=("ends",), apply={EndNoted: _end})
STANDING_VIEW = View(
    name="standings",
    source=OWN_LOG,
    tables=("standings", "payers", "papers_in_force"),
    apply={
        ActivationNoted: _active,
        AgreementNoted: _agreement,
        CustomerBarred: _bar,
        BarLifted: _lift,
        PapersTaken: _papers,
        SettlementUnitLinked: _link,
        SettlementUnitUnlinked: _unlink,
    },
)


async def customers_of_unit(pool: asyncpg.Pool, shown: Scope, unit: str) -> Sequence[asyncpg.Record]:
    """The customers that a unit pays for, as far as somebody may see them."""
    return await pool.fetch(_OF_UNIT, unit, shown.everything, list(shown.departments), shown.person)
