"""The settlement unit that a request names, and the one that an identity is."""

from __future__ import annotations

from kehu.http import ActingRequest
from kehu_vetting.qualifications.form import SettlementUnit
from kehu_vetting.settlement_units.decisions import identity_claim
from kehu_vetting.settlement_units.facts import CLAIM_SCOPE, SETTLEMENT_UNITS, Unit
from kehu_vetting.settlement_units.views import unit_named


async def find_unit(request: ActingRequest, named: str) -> str:
    """A unit's id, given that, its number, or its identity number."""
    return await unit_named(request.pool, named) or named


async def load_unit(request: ActingRequest, unit: str) -> Unit:
    """A unit as it stands; a blank one where there is none of this id."""
    found, _ = await request.running.commands.load(SETTLEMENT_UNITS, unit)
    return found


async def unit_of_identity(request: ActingRequest, payer: SettlementUnit | None) -> str | None:
    """The id of the unit that a payer is already, by the claim on its identity."""
    if payer is None:
        return None
    claim = await request.running.store.read_claim(CLAIM_SCOPE, identity_claim(payer.identity_kind, payer.identity))
    return None if claim is None else str(claim["holder"]).partition("-")[2]
