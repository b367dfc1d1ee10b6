"""What grading has learned about a customer, the grades that followed, and the state that both add up to.

What other services publish is noted on the customer's own stream before anything follows from it. So a grade can be
worked out again from this stream alone, as of any moment, in whichever order the facts of two topics came.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any
from uuid import UUID

from pydantic import AwareDatetime

from kehu.calendar import Month
from kehu.contracts.customers import Affiliation, CustomerKind, MonthAmount
from kehu.contracts.grading import Grade, GradeAssigned, GradeDriftNoticed, IndicativeGradeChanged
from kehu.deciding import Category
from kehu.facts import Fact
from kehu.lineage import Lineage, Part
from kehu.money import Fen
from kehu_grading.grades.kin import KinStanding
from kehu_grading.rules.explanation import Explanation, WatchReason


class Note(Fact):
    """Something learned from a fact of another service: its id, the two times of its envelope, and its correlation."""

    customer: str
    source: UUID
    source_occurred_at: AwareDatetime
    source_recorded_at: AwareDatetime
    correlation: UUID | None = None

    def occurred(self, now: datetime) -> datetime:
        """When it happened there."""
        del now
        return self.source_occurred_at


class RegistrationNoted(Note, clause="R4.3"):
    """The customer is registered: from now on it has a grade."""

    number: str
    name: str
    kind: CustomerKind
    affiliation: Affiliation | None = None
    department: str
    owner: str
    collaborators: tuple[str, ...] = ()
    taken_over: bool = False


class TakeOverNoted(Note, clause="R4.3"):
    """How an existing customer stood at go-live: since when it is active, and the grade that it came with."""

    active_since: date | None = None
    grade: Grade | None = None
    graded_year: int | None = None
    evidence_digest: str
    proposed_by: str
    confirmed_by: str


class ChangeNoted(Note, clause="R4.4"):
    """Its name, kind or affiliation has changed; only what changed is set."""

    name: str | None = None
    kind: CustomerKind | None = None
    affiliation: Affiliation | None = None
    affiliation_ended: bool = False


class OwnerNoted(Note, clause="R4.6"):
    """Somebody else owns it."""

    owner: str
    department: str
    collaborators: tuple[str, ...] = ()


class VolumeNoted(Note, clause="R5.3.5"):
    """The contract volume of a month was reported, or corrected."""

    month: Month
    amount_fen: Fen


class ActivationNoted(Note, clause="R3.1.3"):
    """It may order from a day on."""

    activated_on: date


class IncidentNoted(Note, clause="R5.2"):
    """Bad credit was recorded."""

    incident: str
    occurred_on: date


class IncidentResolutionNoted(Note, clause="R5.2"):
    """Bad credit was settled."""

    incident: str
    resolved_on: date


class IncidentWithdrawalNoted(Note, clause="R5.2"):
    """Bad credit had been recorded by mistake."""

    incident: str


class MergeNoted(Note, clause="R4"):
    """It was merged into another one, which has its contract volumes from now on; what was counted twice left out."""

    survivor: str
    volumes: tuple[MonthAmount, ...] = ()


class MergeUndoNoted(Note, clause="R4"):
    """It stands by itself again."""


class HandedOver(Fact, clause="R4"):
    """What the survivor has of this customer, and of those merged into this one before; None: it is taken back."""

    customer: str
    survivor: str
    origin: str
    content: KinStanding | None = None


class TakenIn(Fact, clause="R4"):
    """The survivor's side of it: `via` is who handed it over."""

    customer: str
    via: str
    origin: str
    content: KinStanding | None = None


class OfficialGradeExplained(Fact, clause="R5.2"):
    """Why the official grade that is assigned with it is what it is."""

    customer: str
    explanation: Explanation


class IndicativeGradeExplained(Fact, clause="R5.3.5"):
    """Why the indicative grade has become what it is now."""

    customer: str
    explanation: Explanation


class GradeReviewed(Fact, clause="R5.3.5"):
    """Something about the indicative grade has changed, if only the day on which to look at it again.

    Its full reasons are worked out from the notes whenever somebody asks: storing them with every report would make
    up nine tenths of the log.
    """

    customer: str
    grade_clause: str
    provisional: bool
    policy_version: int
    watched_for: tuple[WatchReason, ...]
    #: When the grade may change by time alone.
    next_review: AwareDatetime | None


NOTES: tuple[type[Note], ...] = (
    RegistrationNoted,
    TakeOverNoted,
    ChangeNoted,
    OwnerNoted,
    VolumeNoted,
    ActivationNoted,
    IncidentNoted,
    IncidentResolutionNoted,
    IncidentWithdrawalNoted,
    MergeNoted,
    MergeUndoNoted,
)


_ALONE: Lineage[KinStanding] = Lineage()


@dataclass(frozen=True, slots=True)
class GradeState:
    """One customer's grades, with everything noted that they were worked out from.

    Args:
        notes: in the order in which they came.
        official: the grade that counts, with `basis` saying how it was assigned; None before registration.
        official_explained: the reasons for the official grade.
        indicative: what the rules gave last; begins as the official grade.
        drift: official and indicative grade, as last told that they differ; None while they agree.
        reviewed: what was last said about the indicative grade.
        merge: by which it counts for a survivor; None while it stands by itself.
        lineage: the same, and what those merged into it have handed over.

    """

    notes: tuple[Note, ...] = ()
    official: Grade | None = None
    basis: str = ""
    official_explained: Explanation | None = None
    indicative: Grade | None = None
    drift: tuple[Grade, Grade] | None = None
    reviewed: GradeReviewed | None = None
    merge: MergeNoted | None = None
    lineage: Lineage[KinStanding] = _ALONE

    @property
    def take_over(self) -> TakeOverNoted | None:
        """How it stood when it was taken over, if it was."""
        return next((note for note in self.notes if isinstance(note, TakeOverNoted)), None)

    @property
    def registration(self) -> RegistrationNoted | None:
        """The fact that made it a customer."""
        return next((note for note in self.notes if isinstance(note, RegistrationNoted)), None)


def _evolve(state: GradeState, fact: Fact) -> GradeState:
    changes: dict[str, Any] = {}
    match fact:
        case Note():
            changes = {"notes": (*state.notes, fact), **_merging(state, fact)}
        case TakenIn():
            changes = {"lineage": state.lineage.take(fact.via, Part(fact.origin), fact.content)}
        case OfficialGradeExplained():
            changes = {"official_explained": fact.explanation}
        case GradeAssigned():
            changes = {"official": fact.grade, "basis": fact.basis, "indicative": state.indicative or fact.grade}
        case GradeReviewed():
            changes = {"reviewed": fact}
        case IndicativeGradeChanged():
            changes = {"indicative": fact.grade}
        case GradeDriftNoticed():
            changes = {"drift": (fact.official, fact.indicative) if fact.drifting else None}
        case _:
            pass
    return replace(state, **changes)


def _merging(state: GradeState, note: Note) -> Mapping[str, Any]:
    match note:
        case MergeNoted():
            # Its next review was taken off: once it stands by itself again, there has to be another.
            return {"merge": note, "lineage": state.lineage.merge(note.survivor), "reviewed": None}
        case MergeUndoNoted():
            return {"merge": None, "lineage": state.lineage.unmerge()}
        case _:
            return {}


GRADES = Category(
    name="grade",
    facts=(
        *NOTES,
        HandedOver,
        TakenIn,
        OfficialGradeExplained,
        IndicativeGradeExplained,
        GradeReviewed,
        GradeAssigned,
        IndicativeGradeChanged,
        GradeDriftNoticed,
    ),
    initial=GradeState(),
    evolve=_evolve,
)
