"""What decides whether a customer may order now, and the state that it adds up to (R3.1.1-R3.1.3)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from types import MappingProxyType

from kehu.contracts.trade import SettlementUnitLinked, SettlementUnitUnlinked
from kehu.contracts.vetting import (
    AgreementRenewed,
    DocumentExpiring,
    DocumentRenewalDue,
    QualificationRestored,
    QualificationSuspended,
)
from kehu.deciding import Category
from kehu.facts import Fact
from kehu_vetting.qualifications.facts import Signatory
from kehu_vetting.qualifications.form import CreditConclusion, Document, VettedCustomer
from kehu_vetting.qualifications.required_documents import THREE_PARTY_AGREEMENT
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
    #: The credit conclusion of that F1, and the day of its approval (R3.0).
    credit: CreditConclusion | None = None
    credit_concluded_on: date | None = None


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
    #: Who signed it, where it was renewed; of the first one the qualification tells.
    ours: str = ""
    theirs: Signatory | None = None


class EndNoted(Fact, clause="R3.1.2"):
    """When something that orders rest on ends: a paper by its kind, ``agreement``, or ``payer:<unit>``.

    `last_day` is still valid; None when it has no end (any more). `tell_on`: the day on which it is told ahead.
    """

    customer: str
    what: str
    last_day: date | None
    tell_on: date | None


class FileNoted(Fact, clause="R3.1.1"):
    """What is needed here of the customer's file: whom to tell, and which changes sign-offs do not survive."""

    customer: str
    department: str | None = None
    owner: str | None = None
    changes: int | None = None
    account_asked_since: date | None = None


class ReviewNoted(Fact, clause="R3.1.3"):
    """An F1 of the customer was submitted."""

    customer: str
    qualification: str


class ReviewDoubted(Fact, clause="R3.1.3"):
    """A vetted field has changed in the dossier, as the `changes`-th change: what was signed before is void."""

    customer: str
    qualification: str
    changes: int


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
    reason: str | None = None


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
class End:
    """The last day of something, and the day on which that is told ahead."""

    last_day: date
    tell_on: date


@dataclass(frozen=True, slots=True)
class Standing:
    """How a customer stands. `papers` by their kind, `payers` by their unit, `bars` by their cause with the reason.

    `agreements` are all that were signed: one may be signed before its predecessor has ended. `ends` says when what
    ends (`EndNoted`), `told` which ends were told, each with its last day and whether on that day itself.
    """

    customer: str = ""
    department: str = ""
    owner: str = ""
    changes: int = 0
    review: str | None = None
    qualification: str | None = None
    active_since: date | None = None
    vetted: VettedCustomer | None = None
    credit: CreditConclusion | None = None
    credit_concluded_on: date | None = None
    papers: Mapping[str, Document] = field(default_factory=lambda: MappingProxyType({}))
    payers: Mapping[str, Payer] = field(default_factory=lambda: MappingProxyType({}))
    default_unit: str | None = None
    agreements: tuple[Agreement, ...] = ()
    bars: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    ends: Mapping[str, End] = field(default_factory=lambda: MappingProxyType({}))
    told: frozenset[tuple[str, date, bool]] = frozenset()

    def agreement_end(self, today: date) -> Agreement | None:
        """The agreement that ends last, of those that have not ended; None where there is none, or it never ends."""
        open_ones = [one for one in self.agreements if one.valid_until is None or one.valid_until >= today]
        if not open_ones or any(one.valid_until is None for one in open_ones):
            return None
        return max(open_ones, key=lambda one: one.valid_until or date.max)


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
                credit=fact.credit or state.credit,
                credit_concluded_on=fact.credit_concluded_on or state.credit_concluded_on,
            )
        case ActivationNoted():
            return replace(
                state,
                customer=fact.customer,
                department=fact.department or state.department,
                qualification=fact.qualification or state.qualification,
                active_since=state.active_since or fact.active_since,
            )
        case AgreementNoted():
            agreement = Agreement(fact.file_digest, fact.signed_on, fact.valid_from, fact.valid_until)
            return replace(state, customer=fact.customer, agreements=(*state.agreements, agreement))
        case FileNoted():
            return replace(
                state,
                customer=fact.customer,
                department=fact.department or state.department,
                owner=fact.owner or state.owner,
                changes=state.changes if fact.changes is None else fact.changes,
            )
        case ReviewNoted():
            return replace(state, customer=fact.customer, review=fact.qualification)
        case SettlementUnitLinked() | SettlementUnitUnlinked():
            return _evolve_payers(state, fact)
        case _:
            return _evolve_bars(state, fact)


def _evolve_payers(state: Standing, fact: SettlementUnitLinked | SettlementUnitUnlinked) -> Standing:
    left = {unit: payer for unit, payer in state.payers.items() if unit != fact.unit}
    match fact:
        case SettlementUnitLinked():
            left[fact.unit] = Payer(fact.unit, fact.agreement_digest, fact.signed_on, fact.valid_until)
            default = fact.unit if fact.default else state.default_unit
        case SettlementUnitUnlinked():
            default = None if state.default_unit == fact.unit else state.default_unit
    return replace(state, customer=fact.customer, payers=MappingProxyType(left), default_unit=default)


def _evolve_bars(state: Standing, fact: Fact) -> Standing:
    match fact:
        case EndNoted():
            ends = {what: end for what, end in state.ends.items() if what != fact.what}
            if fact.last_day and fact.tell_on:
                ends[fact.what] = End(fact.last_day, fact.tell_on)
            return replace(state, customer=fact.customer, ends=MappingProxyType(ends))
        case DocumentExpiring():
            return replace(state, told=state.told | {(what_ends(fact), fact.valid_until, fact.last_day)})
        case CustomerBarred():
            bars = MappingProxyType({**state.bars, fact.cause: fact.reason})
            return replace(state, customer=fact.customer, bars=bars)
        case BarLifted():
            left = {cause: reason for cause, reason in state.bars.items() if cause != fact.cause}
            return replace(state, bars=MappingProxyType(left))
        case _:
            return state


def what_ends(fact: DocumentExpiring) -> str:
    """What a told end is the end of, as in `EndNoted`; of a payer's own paper, ``unit:<unit>/<type>``."""
    if fact.unit is None:
        return fact.document
    link = fact.document == THREE_PARTY_AGREEMENT
    return f"payer:{fact.unit}" if link else f"unit:{fact.unit}/{fact.document}"


STANDINGS = Category(
    name="standing",
    facts=(
        PapersTaken,
        ActivationNoted,
        AgreementNoted,
        EndNoted,
        FileNoted,
        ReviewNoted,
        ReviewDoubted,
        CustomerBarred,
        BarLifted,
        SettlementUnitLinked,
        SettlementUnitUnlinked,
        QualificationSuspended,
        QualificationRestored,
        DocumentExpiring,
        DocumentRenewalDue,
        AgreementRenewed,
    ),
    initial=Standing(),
    evolve=evolve,
)
