"""What grading has learned about a customer, the grades that followed, and the state that both add up to.

What other services publish is noted on the customer's own stream before anything follows from it. So a grade can be
worked out again from this stream alone, as of any moment, in whichever order the facts of two topics came.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any
from uuid import UUID

from pydantic import AwareDatetime

from kehu import calendar
from kehu.calendar import Month
from kehu.contracts.customers import Affiliation, CustomerKind
from kehu.contracts.grading import Grade, GradeAssigned, GradeDriftNoticed, IndicativeGradeChanged
from kehu.deciding import Category
from kehu.facts import Fact
from kehu.money import Fen
from kehu_grading.rules.explanation import Explanation, WatchReason
from kehu_grading.rules.standing import Incident, Standing, Volume


class Note(Fact):
    """Something learned from a fact of another service: its id, and the two times of its envelope."""

    customer: str
    source: UUID
    source_occurred_at: AwareDatetime
    source_recorded_at: AwareDatetime

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
    ChangeNoted,
    OwnerNoted,
    VolumeNoted,
    ActivationNoted,
    IncidentNoted,
    IncidentResolutionNoted,
    IncidentWithdrawalNoted,
)


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

    """

    notes: tuple[Note, ...] = ()
    official: Grade | None = None
    basis: str = ""
    official_explained: Explanation | None = None
    indicative: Grade | None = None
    drift: tuple[Grade, Grade] | None = None
    reviewed: GradeReviewed | None = None

    @property
    def registration(self) -> RegistrationNoted | None:
        """The fact that made it a customer."""
        return next((note for note in self.notes if isinstance(note, RegistrationNoted)), None)


def _evolve(state: GradeState, fact: Fact) -> GradeState:
    changes: dict[str, Any] = {}
    match fact:
        case Note():
            changes = {"notes": (*state.notes, fact)}
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


GRADES = Category(
    name="grade",
    facts=(
        *NOTES,
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


# --- what notes add up to --------------------------------------------------------------------------------------------


def standing_of(notes: Iterable[Note]) -> Standing | None:
    """The customer as the rules see it; None while its registration is not among the notes.

    Notes count in the order in which their facts were recorded, not in that in which they came here.
    """
    in_order = sorted(notes, key=lambda note: note.source_recorded_at)
    registration = next((note for note in in_order if isinstance(note, RegistrationNoted)), None)
    if registration is None:
        return None
    known = _Known(registration)
    for note in in_order:
        known.learn(note)
    return known.standing()


class _Known:
    """A standing in the making."""

    def __init__(self, registration: RegistrationNoted) -> None:
        self._registration = registration
        self._kind, self._kind_fact = registration.kind, registration.source
        self._affiliation = registration.affiliation
        self._affiliation_fact = registration.source if registration.affiliation else None
        self._activation: ActivationNoted | None = None
        self._volumes: dict[Month, Volume] = {}
        self._incidents: dict[str, Incident] = {}

    def learn(self, note: Note) -> None:
        match note:
            case ChangeNoted():
                self._change(note)
            case VolumeNoted():
                self._volumes[note.month] = Volume(note.amount_fen, note.source)
            case ActivationNoted():
                # Activated again after a suspension: its months go on counting from the first time.
                if self._activation is None or note.activated_on < self._activation.activated_on:
                    self._activation = note
            case IncidentNoted():
                self._incident(note, occurred_on=note.occurred_on)
            case IncidentResolutionNoted():
                self._incident(note, resolved_on=note.resolved_on)
            case IncidentWithdrawalNoted():
                self._incident(note, withdrawn=True)
            case _:  # a new owner has no part in a grade
                pass

    def standing(self) -> Standing:
        activation = self._activation
        return Standing(
            kind=self._kind,
            kind_fact=self._kind_fact,
            registered_on=calendar.today(self._registration.source_occurred_at),
            affiliation=self._affiliation,
            affiliation_fact=self._affiliation_fact,
            taken_over=self._registration.taken_over,
            activated_on=activation.activated_on if activation else None,
            activation_fact=activation.source if activation else None,
            volumes=self._volumes,
            incidents=self._incidents,
        )

    def _change(self, note: ChangeNoted) -> None:
        # A registration states its fields as they are then: it has the last word on what was changed before.
        if note.source_recorded_at < self._registration.source_recorded_at:
            return
        if note.kind is not None:
            self._kind, self._kind_fact = note.kind, note.source
        if note.affiliation is not None or note.affiliation_ended:
            self._affiliation, self._affiliation_fact = note.affiliation, note.source

    def _incident(
        self,
        note: IncidentNoted | IncidentResolutionNoted | IncidentWithdrawalNoted,
        *,
        occurred_on: date | None = None,
        resolved_on: date | None = None,
        withdrawn: bool = False,
    ) -> None:
        known = self._incidents.get(note.incident, Incident(note.incident))
        self._incidents[note.incident] = Incident(
            incident=note.incident,
            occurred_on=occurred_on or known.occurred_on,
            resolved_on=resolved_on or known.resolved_on,
            withdrawn=withdrawn or known.withdrawn,
            facts=(*known.facts, note.source),
        )
