"""What decides whether a customer may order now, and the state that it adds up to (R3.1.1-R3.1.3)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from types import MappingProxyType

from pydantic import BaseModel, ConfigDict

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
from kehu.lineage import Lineage, Part
from kehu_vetting.qualifications.facts import Signatory
from kehu_vetting.qualifications.form import CreditConclusion, Document, VettedCustomer
from kehu_vetting.qualifications.required_documents import THREE_PARTY_AGREEMENT
from kehu_vetting.settlement_units.facts import with_papers

#: The cause of a bar that people raised.
BY_HAND = "by_hand"
#: What ends when the agreement does, and the cause of the bar that follows *(default)*.
AGREEMENT = "agreement"


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
    #: Of something that a customer which was merged into this one has handed over (R4).
    of_kin: bool = False


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


class HandedPayer(BaseModel):
    """A link with a payer that is handed over, as `Payer`."""

    model_config = ConfigDict(frozen=True, extra="allow")

    unit: str
    agreement_digest: str | None
    signed_on: date | None
    valid_until: date | None


class HandedAgreement(BaseModel):
    """An agreement that is handed over, as `Agreement`."""

    model_config = ConfigDict(frozen=True, extra="allow")

    file_digest: str
    signed_on: date
    valid_from: date
    valid_until: date | None


class HandedEnd(BaseModel):
    """When something ends that is handed over."""

    model_config = ConfigDict(frozen=True, extra="allow")

    what: str
    last_day: date
    tell_on: date


class HandedStanding(BaseModel):
    """How a customer stands by itself, for the one that it was merged into (R4); `by_hand` is why people barred it."""

    model_config = ConfigDict(frozen=True, extra="allow")

    qualification: str | None = None
    active_since: date | None = None
    credit: CreditConclusion | None = None
    credit_concluded_on: date | None = None
    papers: tuple[Document, ...] = ()
    payers: tuple[HandedPayer, ...] = ()
    default_unit: str | None = None
    agreements: tuple[HandedAgreement, ...] = ()
    by_hand: str | None = None
    ends: tuple[HandedEnd, ...] = ()


class MergeNoted(Fact, clause="R4"):
    """The customer was merged into another one, which goes on with what it had."""

    customer: str
    survivor: str


class MergeUndoNoted(Fact, clause="R4"):
    """It stands by itself again."""

    customer: str


class HandedOver(Fact, clause="R4"):
    """What the survivor has of this customer, and of those merged into this one before; None: it is taken back."""

    customer: str
    survivor: str
    origin: str
    content: HandedStanding | None = None


class TakenIn(Fact, clause="R4"):
    """The survivor's side of it: `via` is who handed it over."""

    customer: str
    via: str
    origin: str
    content: HandedStanding | None = None


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


_ALONE: Lineage[HandedStanding] = Lineage()


@dataclass(frozen=True, slots=True)
class Standing:
    """How a customer stands. `papers` by their kind, `payers` by their unit, `bars` by their cause with the reason.

    `agreements` are all that were signed: one may be signed before its predecessor has ended. `ends` says when what
    ends (`EndNoted`), `told` which ends were told, each with its last day and whether on that day itself.

    All of it is with those that were merged into it (R4); `apart` is how it stands by itself, where there are any.
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
    lineage: Lineage[HandedStanding] = _ALONE
    apart: Standing | None = None

    def handed(self) -> HandedStanding:
        """How it stands by itself, to hand it over."""
        own = self.apart or self
        return HandedStanding(
            qualification=own.qualification,
            active_since=own.active_since,
            credit=own.credit,
            credit_concluded_on=own.credit_concluded_on,
            papers=tuple(own.papers.values()),
            payers=tuple(
                HandedPayer(
                    unit=one.unit,
                    agreement_digest=one.agreement_digest,
                    signed_on=one.signed_on,
                    valid_until=one.valid_until,
                )
                for one in own.payers.values()
            ),
            default_unit=own.default_unit,
            agreements=tuple(
                HandedAgreement(
                    file_digest=one.file_digest,
                    signed_on=one.signed_on,
                    valid_from=one.valid_from,
                    valid_until=one.valid_until,
                )
                for one in own.agreements
            ),
            by_hand=own.bars.get(BY_HAND),
            ends=tuple(
                HandedEnd(what=what, last_day=end.last_day, tell_on=end.tell_on) for what, end in own.ends.items()
            ),
        )

    def agreement_end(self, today: date) -> Agreement | None:
        """The agreement that ends last, of those that have not ended; None where there is none, or it never ends."""
        open_ones = [one for one in self.agreements if one.valid_until is None or one.valid_until >= today]
        if not open_ones or any(one.valid_until is None for one in open_ones):
            return None
        return max(open_ones, key=lambda one: one.valid_until or date.max)


def evolve(state: Standing, fact: Fact) -> Standing:
    """The state after a fact."""
    match fact:
        case MergeNoted():
            return replace(state, customer=fact.customer, lineage=state.lineage.merge(fact.survivor))
        case MergeUndoNoted():
            return replace(state, lineage=state.lineage.unmerge())
        case TakenIn():
            lineage = state.lineage.take(fact.via, Part(fact.origin), fact.content)
            return with_kin(replace(state.apart or state, customer=fact.customer), lineage)
        case EndNoted(of_kin=True):
            return state  # it stands in what was handed over
        case _ if state.apart is None:
            return _evolve_own(state, fact)
        case _:
            return with_kin(_evolve_own(state.apart, fact), touched(state.lineage, fact))


def _evolve_own(state: Standing, fact: Fact) -> Standing:  # noqa: PLR0911 - one case per fact
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


def with_kin(own: Standing, lineage: Lineage[HandedStanding]) -> Standing:
    """How a customer stands together with those that were merged into it; what is its own comes first."""
    kin = list(lineage.kin.values())
    if not kin:
        return replace(own, lineage=lineage, apart=None)
    vetted = bool(own.papers)
    papers = [] if vetted else [paper for one in kin for paper in one.papers]
    payers = {one.unit: Payer(**one.model_dump()) for part in kin for one in part.payers}
    agreements = [Agreement(**one.model_dump()) for part in kin for one in part.agreements]
    reasons = [part.by_hand for part in kin if part.by_hand]
    ends = {
        one.what: End(one.last_day, one.tell_on)
        for part in kin
        for one in part.ends
        if not vetted or one.what == AGREEMENT or one.what.startswith("payer:")
    }
    since = [day for day in (own.active_since, *(part.active_since for part in kin)) if day]
    concluded = next((part for part in kin if part.credit), None) if own.credit is None else None
    return replace(
        own,
        qualification=own.qualification or next((part.qualification for part in kin if part.qualification), None),
        active_since=min(since, default=None),
        credit=concluded.credit if concluded else own.credit,
        credit_concluded_on=concluded.credit_concluded_on if concluded else own.credit_concluded_on,
        papers=own.papers if vetted else MappingProxyType({paper.type: paper for paper in papers}),
        payers=MappingProxyType({**payers, **own.payers}),
        default_unit=own.default_unit or next((part.default_unit for part in kin if part.default_unit), None),
        agreements=(*own.agreements, *agreements),
        bars=MappingProxyType({**({BY_HAND: ";".join(reasons)} if reasons else {}), **own.bars}),
        ends=MappingProxyType({**ends, **own.ends}),
        lineage=lineage,
        apart=replace(own, lineage=_ALONE, apart=None),
    )


def touched(lineage: Lineage[HandedStanding], fact: Fact) -> Lineage[HandedStanding]:
    """What was handed over, where the survivor has lifted its bar or ended its link; undone, they are as they were."""
    match fact:
        case BarLifted(cause=cause) if cause == BY_HAND:
            return _each(lineage, lambda one: one.model_copy(update={"by_hand": None}))
        case SettlementUnitUnlinked():
            return _each(lineage, lambda one: _without_payer(one, fact.unit))
        case _:
            return lineage


def _each(
    lineage: Lineage[HandedStanding], change: Callable[[HandedStanding], HandedStanding]
) -> Lineage[HandedStanding]:
    taken = {key: change(one) for key, one in lineage.taken.items()}
    return replace(lineage, taken=MappingProxyType(taken))


def _without_payer(one: HandedStanding, unit: str) -> HandedStanding:
    return one.model_copy(
        update={
            "payers": tuple(payer for payer in one.payers if payer.unit != unit),
            "default_unit": None if one.default_unit == unit else one.default_unit,
            "ends": tuple(end for end in one.ends if end.what != f"payer:{unit}"),
        }
    )


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
        MergeNoted,
        MergeUndoNoted,
        HandedOver,
        TakenIn,
    ),
    initial=Standing(),
    evolve=evolve,
)
