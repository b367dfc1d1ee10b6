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
from kehu_grading.rules.explanation import Explanation
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
    """What the rules give now and why; `next_review` is when that may change by time alone."""

    customer: str
    explanation: Explanation
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
        explained: the reasons for the indicative grade.
        next_review: when it is to be worked out again.

    """

    notes: tuple[Note, ...] = ()
    official: Grade | None = None
    basis: str = ""
    official_explained: Explanation | None = None
    indicative: Grade | None = None
    drift: tuple[Grade, Grade] | None = None
    explained: Explanation | None = None
    next_review: datetime | None = None

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
        case IndicativeGradeExplained():
            changes = {"explained": fact.explanation, "next_review": fact.next_review}
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
    standing = _registered(registration)
    for note in in_order:
        # A registration states its fields as they are then: it has the last word on what was changed before.
        if not isinstance(note, ChangeNoted) or note.source_recorded_at >= registration.source_recorded_at:
            standing = _learn(standing, note)
    return standing


def _registered(note: RegistrationNoted) -> Standing:
    return Standing(
        kind=note.kind,
        kind_fact=note.source,
        affiliation=note.affiliation,
        affiliation_fact=note.source if note.affiliation else None,
        taken_over=note.taken_over,
        registered_on=calendar.today(note.source_occurred_at),
    )


def _learn(standing: Standing, note: Note) -> Standing:
    match note:
        case ChangeNoted():
            standing = _changed(standing, note)
        case VolumeNoted():
            volume = Volume(note.amount_fen, note.source)
            standing = replace(standing, volumes={**standing.volumes, note.month: volume})
        case ActivationNoted():
            # Activated again after a suspension: its months go on counting from the first time.
            if standing.activated_on is None or note.activated_on < standing.activated_on:
                standing = replace(standing, activated_on=note.activated_on, activation_fact=note.source)
        case IncidentNoted():
            standing = _incident(standing, note, occurred_on=note.occurred_on)
        case IncidentResolutionNoted():
            standing = _incident(standing, note, resolved_on=note.resolved_on)
        case IncidentWithdrawalNoted():
            standing = _incident(standing, note, withdrawn=True)
        case _:  # a new owner has no part in a grade
            pass
    return standing


def _changed(standing: Standing, note: ChangeNoted) -> Standing:
    if note.kind is not None:
        standing = replace(standing, kind=note.kind, kind_fact=note.source)
    if note.affiliation is not None or note.affiliation_ended:
        standing = replace(standing, affiliation=note.affiliation, affiliation_fact=note.source)
    return standing


def _incident(
    standing: Standing,
    note: IncidentNoted | IncidentResolutionNoted | IncidentWithdrawalNoted,
    *,
    occurred_on: date | None = None,
    resolved_on: date | None = None,
    withdrawn: bool = False,
) -> Standing:
    known = standing.incidents.get(note.incident, Incident(note.incident))
    incident = Incident(
        incident=note.incident,
        occurred_on=occurred_on or known.occurred_on,
        resolved_on=resolved_on or known.resolved_on,
        withdrawn=withdrawn or known.withdrawn,
        facts=(*known.facts, note.source),
    )
    return replace(standing, incidents={**standing.incidents, note.incident: incident})
