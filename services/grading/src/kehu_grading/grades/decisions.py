"""What follows when grading learns something, or time has passed: the official and the indicative grade, and drift.

R5.3.5: the official grade changes by the initial grade, the annual run or an override of two people; the indicative
one follows every fact; a difference is drift, told to everybody and never silently settled.
"""

from __future__ import annotations

from collections.abc import Sequence

from kehu.contracts.grading import Grade, GradeAssigned, GradeDriftNoticed, IndicativeGradeChanged
from kehu.deciding import Context, Decision
from kehu.facts import Fact
from kehu_grading.grades.facts import (
    GRADES,
    GradeReviewed,
    GradeState,
    IndicativeGradeExplained,
    Note,
    OfficialGradeExplained,
    standing_of,
)
from kehu_grading.rules.engine import grade, next_review
from kehu_grading.rules.explanation import Explanation
from kehu_grading.rules.policy import GRADING, GradingPolicy


def learn(note: Note, state: GradeState, context: Context) -> Decision:
    """Note what another service has published, and draw the conclusions.

    In whichever order facts of several services come, the end is the same: before the registration they are kept, and
    one that was recorded before the registration but comes after it corrects the initial grade.
    """
    if any(known.source == note.source for known in state.notes):
        return Decision()
    facts: list[Fact] = [note]
    after = GRADES.fold(facts, state)
    initial = _initial_grade(note, after, context)
    return Decision([*facts, *initial, *_indicative(GRADES.fold(initial, after), context)])


def review(state: GradeState, context: Context) -> Decision:
    """Work the indicative grade out again: a month has closed, bad credit has ended, or the policy has changed."""
    return Decision(_indicative(state, context))


def explain(state: GradeState, context: Context) -> Explanation | None:
    """Why the rules give what they give now; None before registration."""
    standing = standing_of(state.notes)
    return grade(standing, *_policy(context), context.now) if standing else None


def _initial_grade(note: Note, state: GradeState, context: Context) -> Sequence[Fact]:
    """The first official grade: by the facts recorded until the registration, as of the registration.

    It is decided when the registration comes, and again when a fact comes late that had been recorded before it.
    """
    registration = state.registration
    if registration is None or state.basis not in ("", "initial"):
        return ()
    until = registration.source_recorded_at
    if note.source != registration.source and note.source_recorded_at > until:
        return ()
    standing = standing_of(known for known in state.notes if known.source_recorded_at <= until)
    if standing is None:
        return ()
    policy, version = _policy(context)
    explanation = grade(standing, policy, version, registration.source_occurred_at)
    before = state.official_explained
    if explanation.same_as(before):
        return ()
    facts: list[Fact] = [OfficialGradeExplained(customer=note.customer, explanation=explanation)]
    if before is None or _terms(explanation) != _terms(before):
        facts.append(_assigned(note.customer, state, explanation))
    return facts


def _terms(explanation: Explanation) -> tuple[Grade, str, bool]:
    """What a grade is assigned with; the rest of its reasons may become fuller without assigning it anew."""
    return explanation.grade, explanation.clause, explanation.provisional


def _assigned(customer: str, state: GradeState, explanation: Explanation) -> GradeAssigned:
    return GradeAssigned(
        customer=customer,
        grade=explanation.grade,
        previous=state.official,
        basis="initial",
        grade_clause=explanation.clause,
        provisional=explanation.provisional,
        policy_version=explanation.policy_version,
    )


def _indicative(state: GradeState, context: Context) -> Sequence[Fact]:
    """The grade that the rules give now, as far as it, what goes with it or its next review is new; and drift."""
    registration, standing = state.registration, standing_of(state.notes)
    if registration is None or standing is None:
        return ()
    customer = registration.customer
    policy, version = _policy(context)
    explanation = grade(standing, policy, version, context.now)
    facts: list[Fact] = []
    if explanation.grade != state.indicative:
        facts += _changed(customer, state, explanation)
    reviewed = GradeReviewed(
        customer=customer,
        grade_clause=explanation.clause,
        provisional=explanation.provisional,
        policy_version=version,
        watched_for=explanation.watch_reasons,
        next_review=next_review(standing, policy, context.now),
    )
    if reviewed != state.reviewed:
        facts.append(reviewed)
    return [*facts, *_drift(customer, state, explanation.grade)]


def _drift(customer: str, state: GradeState, indicative: Grade) -> Sequence[Fact]:
    official = state.official
    if official is None:
        return ()
    drift = (official, indicative) if official != indicative else None
    if drift == state.drift:
        return ()
    return (GradeDriftNoticed(customer=customer, official=official, indicative=indicative, drifting=drift is not None),)


def _changed(customer: str, state: GradeState, explanation: Explanation) -> Sequence[Fact]:
    return (
        IndicativeGradeExplained(customer=customer, explanation=explanation),
        IndicativeGradeChanged(
            customer=customer,
            grade=explanation.grade,
            previous=state.indicative,
            official=state.official,
            grade_clause=explanation.clause,
            policy_version=explanation.policy_version,
        ),
    )


def _policy(context: Context) -> tuple[GradingPolicy, int]:
    policy: GradingPolicy = context.policies[GRADING.name]
    return policy, context.policy_version(GRADING.name)
