"""What can happen to a settlement unit (a payer), and the state that it adds up to (R3.1.1)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
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


class UnitEndNoted(Fact, clause="R3.1.1"):
    """When a paper of the payer ends (None: no longer), and the day on which that is told ahead."""

    unit: str
    document: str
    last_day: date | None
    tell_on: date | None


class UnitServed(Fact, clause="R3.1.1"):
    """The payer pays for a customer from now on, or (`ended`) no longer: who is told of its papers."""

    unit: str
    served: str
    ended: bool = False


class UnitPaperEnding(Fact, clause="R3.1.1"):
    """A paper of the payer ends; told of every customer that it pays for."""

    unit: str
    document: str
    valid_until: date
    last_day: bool
    suspends: bool
    customers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class UnitEnd:
    """The last day of a paper, and the day on which that is told ahead."""

    last_day: date
    tell_on: date


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
    customers: frozenset[str] = frozenset()
    ends: Mapping[str, UnitEnd] = field(default_factory=lambda: MappingProxyType({}))
    told: frozenset[tuple[str, date, bool]] = frozenset()


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
        case UnitServed():
            one = frozenset({fact.served})
            return replace(state, customers=state.customers - one if fact.ended else state.customers | one)
        case _:
            return _evolve_bars(state, fact)


def _evolve_bars(state: Unit, fact: Fact) -> Unit:
    match fact:
        case UnitEndNoted():
            ends = {document: end for document, end in state.ends.items() if document != fact.document}
            if fact.last_day and fact.tell_on:
                ends[fact.document] = UnitEnd(fact.last_day, fact.tell_on)
            return replace(state, ends=MappingProxyType(ends))
        case UnitPaperEnding():
            return replace(state, told=state.told | {(fact.document, fact.valid_until, fact.last_day)})
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
        UnitEndNoted,
        UnitServed,
        UnitPaperEnding,
    ),
    initial=Unit(),
    evolve=evolve,
)
