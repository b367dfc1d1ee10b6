"""What the notes on a customer's stream add up to, with what those merged into it have handed over (R4)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import date
from uuid import UUID

from kehu import calendar
from kehu.calendar import Month
from kehu_grading.grades.facts import (
    ActivationNoted,
    ChangeNoted,
    GradeState,
    IncidentNoted,
    IncidentResolutionNoted,
    IncidentWithdrawalNoted,
    Note,
    RegistrationNoted,
    TakeOverNoted,
    VolumeNoted,
)
from kehu_grading.grades.kin import KinIncident, KinStanding
from kehu_grading.rules.standing import Incident, Standing, Volume


def standing_of(notes: Iterable[Note]) -> Standing | None:
    """The customer by itself, as the rules see it; None while its registration is not among the notes.

    Notes count in the order in which their facts were recorded, not in that in which they came here.
    """
    known = _Known(notes)
    return known.standing()


def standing_with_kin(state: GradeState) -> Standing | None:
    """The customer as it stands with those merged into it; None before its registration.

    Volumes add up (the registry leaves out what both had reported of the same contracts), months count from the
    earliest activation, bad credit of any of them is bad credit.
    """
    standing = standing_of(state.notes)
    if standing is None or not state.lineage.kin:
        return standing
    volumes, incidents = dict(standing.volumes), dict(standing.incidents)
    for part in state.lineage.direct.values():
        for one in part.volumes:
            known = volumes.get(one.month)
            volumes[one.month] = (
                replace(known, amount_fen=known.amount_fen + one.amount_fen, merged=(*known.merged, part.merge))
                if known
                else Volume(one.amount_fen, part.merge)
            )
    activated = [(standing.activated_on, standing.activation_fact)]
    for part in state.lineage.kin.values():
        activated.append((part.active_since, part.activation_fact))
        incidents |= {one.incident: Incident(**one.model_dump()) for one in part.incidents}
    first = min(((day, fact) for day, fact in activated if day), key=lambda one: one[0], default=(None, None))
    return replace(standing, volumes=volumes, incidents=incidents, activated_on=first[0], activation_fact=first[1])


def to_hand_over(state: GradeState) -> KinStanding | None:
    """What a survivor has of this customer by itself; None while it was not merged."""
    return _Known(state.notes).kin(state) if state.merge else None


class _Known:
    """A standing in the making."""

    def __init__(self, notes: Iterable[Note]) -> None:
        in_order = sorted(notes, key=lambda note: note.source_recorded_at)
        self._registration = next((note for note in in_order if isinstance(note, RegistrationNoted)), None)
        self._take_over: TakeOverNoted | None = None
        self._activation: ActivationNoted | None = None
        self._volumes: dict[Month, Volume] = {}
        self._incidents: dict[str, Incident] = {}
        self._changes: list[ChangeNoted] = []
        for note in in_order:
            self._learn(note)

    def _learn(self, note: Note) -> None:
        match note:
            case TakeOverNoted():
                self._take_over = note
            case ChangeNoted():
                self._changes.append(note)
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

    def standing(self) -> Standing | None:
        registration = self._registration
        if registration is None:
            return None
        kind, kind_fact = registration.kind, registration.source
        affiliation = registration.affiliation
        affiliation_fact = registration.source if registration.affiliation else None
        for note in self._changes:
            # A registration states its fields as they are then: it has the last word on what was changed before.
            if note.source_recorded_at < registration.source_recorded_at:
                continue
            if note.kind is not None:
                kind, kind_fact = note.kind, note.source
            if note.affiliation is not None or note.affiliation_ended:
                affiliation, affiliation_fact = note.affiliation, note.source
        activated_on, activation_fact = self._activated
        return Standing(
            kind=kind,
            kind_fact=kind_fact,
            registered_on=calendar.today(registration.source_occurred_at),
            affiliation=affiliation,
            affiliation_fact=affiliation_fact,
            taken_over=registration.taken_over and self._take_over is None,
            activated_on=activated_on,
            activation_fact=activation_fact,
            volumes=self._volumes,
            incidents=self._incidents,
        )

    def kin(self, state: GradeState) -> KinStanding | None:
        merge = state.merge
        if merge is None:
            return None
        active_since, activation_fact = self._activated
        return KinStanding(
            merge=merge.source,
            volumes=merge.volumes,
            active_since=active_since,
            activation_fact=activation_fact,
            incidents=tuple(
                KinIncident(
                    incident=one.incident,
                    occurred_on=one.occurred_on,
                    resolved_on=one.resolved_on,
                    withdrawn=one.withdrawn,
                    facts=one.facts,
                )
                for _, one in sorted(self._incidents.items())
            ),
        )

    @property
    def _activated(self) -> tuple[date | None, UUID | None]:
        """The first day on which it might order, and what says so: a passed qualification, or its take-over (R4.3)."""
        days = [(self._activation.activated_on, self._activation.source)] if self._activation else []
        if self._take_over and self._take_over.active_since:
            days.append((self._take_over.active_since, self._take_over.source))
        return min(days, default=(None, None))

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
