"""What can happen to a settlement unit (a payer), and the state that it adds up to (R3.1.1)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from kehu.contracts.trade import SettlementUnitQualified, SettlementUnitRestored, SettlementUnitSuspended
from kehu.deciding import Category
from kehu.facts import Fact
from kehu_vetting.qualifications.form import Document, InvoicingBlock, Part

#: One identity is one unit, whatever customers it pays for; the claim's value is the kind and the identity.
CLAIM_SCOPE = "settlement-unit-identity"


class UnitDetails(Part):
    """How a payer pays, and what an invoice to it says."""

    bank: str
    account: str
    invoicing: InvoicingBlock | None = None


class UnitDetailsNoted(Fact, clause="R3.1.1"):
    """A payer's bank and invoicing block, as they were passed."""

    unit: str
    details: UnitDetails
    noted_by: str


class UnitPapersNoted(Fact, clause="R3.1.2"):
    """Papers of the payer were passed; a paper of a kind takes the place of the former one of that kind."""

    unit: str
    papers: tuple[Document, ...]
    noted_by: str


class UnitBarred(Fact, clause="R3.1.1"):
    """There is a reason why the payer may not pay for new orders: ``document:<type>``, or ``by_hand``."""

    unit: str
    cause: str
    reason: str
    barred_by: str


class UnitBarLifted(Fact, clause="R3.1.1"):
    """One reason has gone."""

    unit: str
    cause: str
    lifted_by: str


@dataclass(frozen=True, slots=True)
class Unit:
    """A payer as it stands; `papers` by their kind, `bars` by their cause with the reason."""

    id: str = ""
    number: str = ""
    name: str = ""
    identity_kind: str = ""
    identity: str = ""
    details: UnitDetails | None = None
    papers: Mapping[str, Document] = field(default_factory=lambda: MappingProxyType({}))
    bars: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


def evolve(state: Unit, fact: Fact) -> Unit:
    """The state after a fact."""
    match fact:
        case SettlementUnitQualified():
            return replace(
                state,
                id=fact.unit,
                number=fact.number,
                name=fact.name,
                identity_kind=fact.identity_kind.value,
                identity=fact.identity,
            )
        case UnitDetailsNoted():
            return replace(state, details=fact.details)
        case UnitPapersNoted():
            return replace(state, papers=with_papers(state.papers, fact.papers))
        case UnitBarred():
            return replace(state, bars=MappingProxyType({**state.bars, fact.cause: fact.reason}))
        case UnitBarLifted():
            left = {cause: reason for cause, reason in state.bars.items() if cause != fact.cause}
            return replace(state, bars=MappingProxyType(left))
        case _:
            return state


def with_papers(papers: Mapping[str, Document], newer: tuple[Document, ...]) -> Mapping[str, Document]:
    """Papers by their kind, the newer in place of the older of the same kind."""
    return MappingProxyType({**papers, **{paper.type: paper for paper in newer}})


SETTLEMENT_UNITS = Category(
    name="settlement_unit",
    facts=(
        SettlementUnitQualified,
        SettlementUnitSuspended,
        SettlementUnitRestored,
        UnitDetailsNoted,
        UnitPapersNoted,
        UnitBarred,
        UnitBarLifted,
    ),
    initial=Unit(),
    evolve=evolve,
)
