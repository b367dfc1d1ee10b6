"""What follows when grading learns something, or time has passed: the official and the indicative grade, and drift.

R5.3.5: the official grade changes by the initial grade, the annual run or an override of two people; the indicative
one follows every fact; a difference is drift, told to everybody and never silently settled.
"""

from __future__ import annotations

from collections.abc import Sequence

from kehu.contracts.grading import Grade, GradeAssigned, GradeDriftNoticed, IndicativeGradeChanged
from kehu.deciding import Context, Decision
from kehu.facts import Fact, RecordedFact
from kehu.lineage import Part, handovers
from kehu_grading.grades.facts import (
    GRADES,
    GradeReviewed,
    GradeState,
    HandedOver,
    IndicativeGradeExplained,
    Note,
    OfficialGradeExplained,
    RegistrationNoted,
    TakenIn,
    TakeOverNoted,
)
from kehu_grading.grades.kin import KinStanding
from kehu_grading.grades.standing import standing_of, standing_with_kin, to_hand_over
from kehu_grading.rules.engine import as_taken_over, grade, next_review
from kehu_grading.rules.explanation import Explanation, LimbName, TakenOver
from kehu_grading.rules.policy import GRADING, GradingPolicy


def learn(note: Note, state: GradeState, context: Context) -> Decision:
    """Note what another service has published, and draw the conclusions.

    In whichever order facts of several services come, the end is the same: before the registration they are kept, and
    one that was recorded before the registration but comes after it corrects the initial grade.
    """
    if any(known.source == note.source for known in state.notes):
        return Decision()
    initial = _initial_grade(note, GRADES.fold([note], state), context)
    return _concluded(note.customer, [note, *initial], state, context)


def take_in(recorded: RecordedFact[HandedOver], state: GradeState, context: Context) -> Decision:
    """What a customer that was merged into this one has handed over, or takes back (R4); its own comes not back to it.

    Of the two, the survivor has one grade: its official one stays, the indicative one follows.
    """
    fact = recorded.fact
    part = Part(fact.origin)
    if fact.origin == fact.survivor or state.lineage.taken.get((fact.customer, part)) == fact.content:
        return Decision()
    taken = TakenIn(customer=fact.survivor, via=fact.customer, origin=fact.origin, content=fact.content)
    return _concluded(fact.survivor, [taken], state, context)


def review(state: GradeState, context: Context) -> Decision:
    """Work the indicative grade out again: a month has closed, bad credit has ended, or the policy has changed."""
    return Decision(_indicative(state, context))


def explain(state: GradeState, context: Context) -> Explanation | None:
    """Why the rules give what they give now; None before registration."""
    standing = standing_with_kin(state)
    return grade(standing, *_policy(context), context.now) if standing else None


def _concluded(customer: str, facts: Sequence[Fact], state: GradeState, context: Context) -> Decision:
    """The facts, what they make a survivor have (R4), and what they do to the indicative grade."""
    after = GRADES.fold(facts, state)
    handed = [
        HandedOver(customer=customer, survivor=survivor, origin=part.origin, content=content)
        for survivor, part, content in handovers(customer, state.lineage, _own(state), after.lineage, _own(after))
    ]
    return Decision([*facts, *handed, *_indicative(after, context)])


def _own(state: GradeState) -> dict[str, KinStanding]:
    own = to_hand_over(state)
    return {"": own} if own else {}


def _initial_grade(note: Note, state: GradeState, context: Context) -> Sequence[Fact]:
    """The first official grade: by the facts recorded until the registration, as of the registration.

    It is decided when the registration comes, and again when a fact comes late that had been recorded before it. An
    existing customer that was taken over keeps the grade that it came with (R4.3); where it had none, what was taken
    over with it counts. What others had that were merged into it later has no part in it.
    """
    registration, stated = state.registration, state.take_over
    if registration is None or state.basis not in ("", "initial", "taken_over"):
        return ()
    # How it stood comes right after its registration.
    if (registration.taken_over and stated is None) or not _is_initial(note, registration):
        return ()
    standing = standing_of(known for known in state.notes if _is_initial(known, registration))
    if standing is None:
        return ()
    policy, version = _policy(context)
    explanation = grade(standing, policy, version, registration.source_occurred_at)
    if stated and stated.grade is not None:
        explanation = _stated(explanation, stated, stated.grade)
    before = state.official_explained
    if explanation.same_as(before):
        return ()
    facts: list[Fact] = [OfficialGradeExplained(customer=note.customer, explanation=explanation)]
    if before is None or _terms(explanation) != _terms(before):
        facts.append(_assigned(note.customer, state, explanation))
    return facts


def _is_initial(note: Note, registration: RegistrationNoted) -> bool:
    """Whether it was recorded until the registration, or together with that of a customer that was taken over."""
    together = registration.taken_over and registration.correlation is not None
    return note.source_recorded_at <= registration.source_recorded_at or (
        together and note.correlation == registration.correlation
    )


def _stated(found: Explanation, stated: TakeOverNoted, official: Grade) -> Explanation:
    taken_over = TakenOver(
        year=stated.graded_year or stated.source_occurred_at.year,
        evidence_digest=stated.evidence_digest,
        proposed_by=stated.proposed_by,
        confirmed_by=stated.confirmed_by,
    )
    return as_taken_over(found, official, taken_over, stated.source)


def _terms(explanation: Explanation) -> tuple[Grade, str, bool]:
    """What a grade is assigned with; the rest of its reasons may become fuller without assigning it anew."""
    return explanation.grade, explanation.clause, explanation.provisional


def _assigned(customer: str, state: GradeState, explanation: Explanation) -> GradeAssigned:
    return GradeAssigned(
        customer=customer,
        grade=explanation.grade,
        previous=state.official,
        basis="taken_over" if explanation.limb is LimbName.TAKEN_OVER else "initial",
        grade_clause=explanation.clause,
        provisional=explanation.provisional,
        policy_version=explanation.policy_version,
        year=explanation.taken_over.year if explanation.taken_over else None,
    )


def _indicative(state: GradeState, context: Context) -> Sequence[Fact]:
    """The grade that the rules give now, as far as it, what goes with it or its next review is new; and drift.

    Of a customer that was merged into another nothing is said: there is one grade, the survivor's (R4).
    """
    registration, standing = state.registration, standing_with_kin(state)
    if registration is None or standing is None or state.lineage.merged_into:
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
