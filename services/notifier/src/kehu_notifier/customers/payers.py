"""Settlement units and the customers that they pay for, folded from vetting's topic (R3.1.1)."""

from __future__ import annotations

from kehu.contracts.trade import SettlementUnitLinked, SettlementUnitQualified, SettlementUnitUnlinked
from kehu.event_store import Connection
from kehu.facts import RecordedFact
from kehu.service import View

VETTING = "vetting"


async def _qualify(connection: Connection, recorded: RecordedFact[SettlementUnitQualified]) -> None:
    fact = recorded.fact
    await connection.execute(
        """INSERT INTO payers (unit, number, name) VALUES ($1, $2, $3)
           ON CONFLICT (unit) DO UPDATE SET number = excluded.number, name = excluded.name""",
        fact.unit,
        fact.number,
        fact.name,
    )


async def _link(connection: Connection, recorded: RecordedFact[SettlementUnitLinked]) -> None:
    await connection.execute(
        "INSERT INTO payer_links (unit, customer) VALUES ($1, $2) ON CONFLICT DO NOTHING",
        recorded.fact.unit,
        recorded.fact.customer,
    )


async def _unlink(connection: Connection, recorded: RecordedFact[SettlementUnitUnlinked]) -> None:
    await connection.execute(
        "DELETE FROM payer_links WHERE unit = $1 AND customer = $2", recorded.fact.unit, recorded.fact.customer
    )


PAYERS_VIEW = View(
    name="payers",
    source=VETTING,
    tables=("payers", "payer_links"),
    apply={SettlementUnitQualified: _qualify, SettlementUnitLinked: _link, SettlementUnitUnlinked: _unlink},
)
