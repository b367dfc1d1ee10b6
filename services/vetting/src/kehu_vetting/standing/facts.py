"""What decides whether a customer may order now, and the state that it adds up to (R3.1.1-R3.1.3)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from types import MappingProxyType

from kehu.contracts.trade import SettlementUnitLinked, SettlementUnitUnlinked
from kehu.contracts.vetting import DocumentExpiring, QualificationRestored, QualificationSuspended
from kehu.deciding import Category
from kehu.facts import Fact
from kehu_vetting.qualifications.form import Document, VettedCustomer
from kehu_vetting.settlement_units.facts import with_papers


class PapersTaken(Fact, clause="R3.1.2"):
    """The customer's papers, passed with an F1 or a renewal; one of a kind takes the former one's place.

    `vetted`: as whom the F1 knew the customer; None for a renewal. `whole`: nothing but these is in force (an F1).
    """

    customer: str
    qualification: str | None = None
    department: str
    papers: tuple[Document, ...]
    vetted: VettedCustomer | None = None
    whole: bool = False
    taken_by: str


class ActivationNoted(Fact, clause="R3.1.3"):
    """The customer may order from that day on, by its F1 or (None) because it was taken over as active."""

    customer: str
    qualification: str | None
    department: str
    active_since: date


class AgreementNoted(Fact, clause="R3.1.3"):
    """The agreement that is in force from `valid_from` on."""

    customer: str
    qualification: str | None
    file_digest: str
    signed_on: date
    valid_from: date
    valid_until: date | None


class CustomerBarred(Fact, clause="R3.1.2"):
    """There is a reason against new orders: ``document:<type>``, ``agreement``, or ``by_hand``."""

    customer: str
    cause: str
    reason: str
    barred_by: str


class BarLifted(Fact, clause="R3.1.2"):
    """One reason has gone."""

    customer: str
    cause: str
    lifted_by: str


@dataclass(frozen=True, slots=True)
class Payer:
    """A link with a settlement unit; without an agreement where the unit is the customer itself."""

    unit: str
    agreement_digest: str | None
    signed_on: date | None
    valid_until: date | None


@dataclass(frozen=True, slots=True)
class Agreement:
    """The agreement with the customer."""

    file_digest: str
    signed_on: date
    valid_from: date
    valid_until: date | None

    def covers(self, day: date) -> bool:
        """Whether it is in force on a day; its last one is still part of it."""
        return self.valid_from <= day and (self.valid_until is None or day <= self.valid_until)


@dataclass(frozen=True, slots=True)
class Standing:
    """How a customer stands. `papers` by their kind, `payers` by their unit, `bars` by their cause with the reason.

    `agreements` are all that were signed: one may be signed before its predecessor has ended.
    """

    customer: str = ""
    department: str = ""
    qualification: str | None = None
    active_since: date | None = None
    vetted: VettedCustomer | None = None
    papers: Mapping[str, Document] = field(default_factory=lambda: MappingProxyType({}))
    payers: Mapping[str, Payer] = field(default_factory=lambda: MappingProxyType({}))
    default_unit: str | None = None
    agreements: tuple[Agreement, ...] = ()
    bars: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


def evolve(state: Standing, fact: Fact) -> Standing:  # noqa: PLR0911 - one case per fact
    """The state after a fact."""
    match fact:
        case PapersTaken():
            papers = with_papers(MappingProxyType({}) if fact.whole else state.papers, fact.papers)
            return replace(
                state,
                customer=fact.customer,
                department=fact.department,
                papers=papers,
                vetted=fact.vetted or state.vetted,
            )
        case ActivationNoted():
            return replace(
                state,
                customer=fact.customer,
                department=fact.department,
                qualification=fact.qualification,
                active_since=state.active_since or fact.active_since,
            )
        case AgreementNoted():
            agreement = Agreement(fact.file_digest, fact.signed_on, fact.valid_from, fact.valid_until)
            return replace(state, customer=fact.customer, agreements=(*state.agreements, agreement))
        case SettlementUnitLinked():
            payer = Payer(fact.unit, fact.agreement_digest, fact.signed_on, fact.valid_until)
            default = fact.unit if fact.default else state.default_unit
            payers = MappingProxyType({**state.payers, fact.unit: payer})
            return replace(state, customer=fact.customer, payers=payers, default_unit=default)
        case SettlementUnitUnlinked():
            left = {unit: payer for unit, payer in state.payers.items() if unit != fact.unit}
            default = None if state.default_unit == fact.unit else state.default_unit
            return replace(state, payers=MappingProxyType(left), default_unit=default)
        case CustomerBarred():
            bars = MappingProxyType({**state.bars, fact.cause: fact.reason})
            return replace(state, customer=fact.customer, bars=bars)
        case BarLifted():
            left = {cause: reason for cause, reason in state.bars.items() if cause != fact.cause}
            return replace(state, bars=MappingProxyType(left))
        case _:
            return state


STANDINGS = Category(
    name="standing",
    facts=(
        PapersTaken,
        ActivationNoted,
        AgreementNoted,
        CustomerBarred,
        BarLifted,
        SettlementUnitLinked,
        SettlementUnitUnlinked,
        QualificationSuspended,
        QualificationRestored,
        DocumentExpiring,
    ),
    initial=Standing(),
    evolve=evolve,
)
