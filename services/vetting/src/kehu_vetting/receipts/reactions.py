"""Money of a payer that becomes a settlement unit later is that unit's, without anybody saying so (R3.2.1).

Whichever comes first: a unit that is qualified looks for receipts of its identity, a receipt that is confirmed looks
for the unit of its payer's identity.
"""

from __future__ import annotations

from typing import Any

from kehu.contracts.customers import IdentityKind
from kehu.contracts.trade import ReceiptConfirmed, ReceiptIdentified, SettlementUnitQualified
from kehu.deciding import Category, Context, Decision
from kehu.event_store import Connection
from kehu.facts import Fact, RecordedFact
from kehu.service import Reaction
from kehu_vetting.receipts.facts import RECEIPTS, Receipt
from kehu_vetting.settlement_units.decisions import identity_claim
from kehu_vetting.settlement_units.facts import CLAIM_SCOPE

SERVICE = "vetting"
#: Receipts that one fact names; each is a stream of its own, of which a transaction takes 500.
PAGE = 200
EVIDENCE = "付款方证照号与结算单位一致 / the payer's identity is that of the settlement unit"

# Uses receipts_unidentified.
_UNIDENTIFIED = """
SELECT receipt FROM receipts WHERE unit IS NULL AND status = 'confirmed' AND payer = $1 AND receipt > $2
ORDER BY receipt LIMIT $3
"""
_HOLDER = "SELECT holder FROM event_store.read_claim($1, $2)"


class PayerFound(Fact, clause="R3.2.1"):
    """These receipts, whose payer nobody had known, are of a settlement unit: its identity is the payer's."""

    unit: str
    identity: str
    receipts: tuple[str, ...]


PAYERS_FOUND: Category[None] = Category("receipt_payer", (PayerFound,), None, lambda state, _: state)


async def receipts_of(connection: Connection, recorded: RecordedFact[SettlementUnitQualified]) -> tuple[str, ...]:
    """The first receipts of the unit's identity that are nobody's, as far as the list has come."""
    return await _unidentified(connection, recorded.fact.identity, "")


async def further_receipts(connection: Connection, recorded: RecordedFact[PayerFound]) -> tuple[str, ...]:
    """Those behind the ones that were found."""
    fact = recorded.fact
    return await _unidentified(connection, fact.identity, fact.receipts[-1]) if len(fact.receipts) == PAGE else ()


async def unit_of_payer(connection: Connection, recorded: RecordedFact[ReceiptConfirmed]) -> str | None:
    """The unit of the payer's identity, by the claim on that: it is there as soon as the unit is."""
    fact = recorded.fact
    if fact.unit is not None or not fact.payer:
        return None
    for kind in IdentityKind:
        holder = await connection.fetchval(_HOLDER, CLAIM_SCOPE, identity_claim(kind, fact.payer))
        if holder is not None:
            return str(holder).partition("-")[2]
    return None


def payer_qualified(recorded: RecordedFact[SettlementUnitQualified], state: None, context: Context) -> Decision:
    """A payer has become a unit, or has another identity."""
    del state
    return _found(recorded.fact.unit, recorded.fact.identity, context.gathered)


def more_found(recorded: RecordedFact[PayerFound], state: None, context: Context) -> Decision:
    """There are more than one fact names."""
    del state
    return _found(recorded.fact.unit, recorded.fact.identity, context.gathered)


def identify_found(recorded: RecordedFact[PayerFound], state: Receipt, context: Context) -> Decision:
    """One of the receipts; not where somebody has said meanwhile whose it is."""
    del context
    fact = recorded.fact
    return _identified(state, fact.unit) if state.payer == fact.identity else Decision()


def identify_confirmed(recorded: RecordedFact[ReceiptConfirmed], state: Receipt, context: Context) -> Decision:
    """A receipt whose payer was no unit when it was told, or was typed."""
    unit: str | None = context.gathered
    return _identified(state, unit) if unit and state.payer == recorded.fact.payer else Decision()


def _identified(state: Receipt, unit: str) -> Decision:
    if not state.confirmed or state.unit is not None:
        return Decision()
    return Decision(
        [ReceiptIdentified(receipt=state.id, number=state.number, unit=unit, payer=state.payer, evidence=EVIDENCE)]
    )


def _found(unit: str, identity: str, receipts: tuple[str, ...]) -> Decision:
    return Decision([PayerFound(unit=unit, identity=identity, receipts=receipts)] if receipts else [])


async def _unidentified(connection: Connection, identity: str, after: str) -> tuple[str, ...]:
    return tuple(row["receipt"] for row in await connection.fetch(_UNIDENTIFIED, identity, after, PAGE))


def _unit(recorded: RecordedFact[Any]) -> tuple[str]:
    return (recorded.fact.unit,)


def _receipt(recorded: RecordedFact[ReceiptConfirmed]) -> tuple[str, ...]:
    fact = recorded.fact
    return (fact.receipt,) if fact.unit is None and fact.payer else ()


def _receipts(recorded: RecordedFact[PayerFound]) -> tuple[str, ...]:
    return recorded.fact.receipts


REACTIONS = (
    Reaction(
        "receipts-payer-qualified", SettlementUnitQualified, SERVICE, PAYERS_FOUND, _unit, payer_qualified, receipts_of
    ),
    Reaction("receipts-more-of-payer", PayerFound, SERVICE, PAYERS_FOUND, _unit, more_found, further_receipts),
    Reaction("receipts-of-payer", PayerFound, SERVICE, RECEIPTS, _receipts, identify_found),
    Reaction(
        "receipts-confirmed-of-unit", ReceiptConfirmed, SERVICE, RECEIPTS, _receipt, identify_confirmed, unit_of_payer
    ),
)
