"""R5.3.5: the official grade stays, the indicative one follows every fact, and a difference between them is told."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from kehu.calendar import Month, start_of_day
from kehu.contracts.customers import (
    Affiliation,
    ContractVolumeCorrected,
    ContractVolumeReported,
    CustomerChanged,
    CustomerKind,
    CustomerRegistered,
    IdentityKind,
    OwnerAssigned,
)
from kehu.contracts.grading import Grade, GradeAssigned, GradeDriftNoticed, IndicativeGradeChanged
from kehu.contracts.vetting import (
    AgentActivated,
    CreditIncidentRecorded,
    CreditIncidentResolved,
    CreditIncidentWithdrawn,
)
from kehu.deciding import Context, InForce, system_actor
from kehu.facts import Fact, RecordedFact
from kehu.ids import derived_id, new_id
from kehu_grading.grades.decisions import explain, review
from kehu_grading.grades.facts import (
    GRADES,
    GradeReviewed,
    GradeState,
    IndicativeGradeExplained,
    Note,
    OfficialGradeExplained,
    RegistrationNoted,
    VolumeNoted,
)
from kehu_grading.grades.reactions import REACTIONS
from kehu_grading.grades.standing import standing_of
from kehu_grading.rules.explanation import Explanation, LimbName, WatchReason
from kehu_grading.rules.policy import GradingPolicy

A_MONTH = 500_000_000
REGISTERED = start_of_day(date(2026, 3, 1))
NOW = start_of_day(date(2026, 12, 10))
_BY_FACT = {reaction.on: reaction for reaction in REACTIONS}
_CAUSE = new_id()


def context(now: datetime = NOW, policy: GradingPolicy | None = None, version: int = 0) -> Context:
    return Context(
        system_actor("grading", "test"), now, InForce({"grading": policy or GradingPolicy()}, {"grading": version})
    )


def recorded(fact: Fact, at: datetime = REGISTERED, number: int = 0) -> RecordedFact[Any]:
    return RecordedFact(
        fact=fact,
        id=derived_id(_CAUSE, f"{type(fact).__name__} {fact!r}", number),
        stream="dossier-c1",
        version=1,
        sequence=1,
        key="c1",
        service="customer-registry",
        actor="zhang",
        clause="",
        correlation=_CAUSE,
        causation=None,
        occurred_at=at,
        recorded_at=at,
    )


def react(state: GradeState, source: RecordedFact[Any], now: datetime = NOW) -> tuple[GradeState, list[Fact]]:
    """What the service does about one fact: the state afterwards, and the new facts."""
    reaction = _BY_FACT[type(source.fact)]
    assert reaction.stream_ids(source) == ["c1"]
    facts = list(reaction.decide(source, state, context(now)).facts)
    return GRADES.fold(facts, state), facts


def after(sources: Iterable[RecordedFact[Any]], now: datetime = NOW) -> tuple[GradeState, list[Fact]]:
    state, told = GradeState(), list[Fact]()
    for source in sources:
        state, facts = react(state, source, now)
        told += facts
    return state, told


def published(facts: Sequence[Fact]) -> list[Fact]:
    return [fact for fact in facts if fact.published]


def explained(state: GradeState, now: datetime = NOW) -> Explanation:
    found = explain(state, context(now))
    assert found
    return found


def next_review(state: GradeState) -> datetime | None:
    return state.reviewed.next_review if state.reviewed else None


def registration(kind: CustomerKind = CustomerKind.PROVINCIAL_AGENT, **changes: Any) -> CustomerRegistered:
    fields: dict[str, Any] = {
        "customer": "c1",
        "number": "K-0001",
        "name": "江城商贸有限公司",
        "kind": kind,
        "nature": "limited",
        "identity_kind": IdentityKind.USCC,
        "identity": "91110000600037341L",
        "region": "湖北",
        "department": "d1",
        "owner": "zhang",
        "registered_by": "li",
    }
    return CustomerRegistered(**fields | changes)


REGISTRATION = recorded(registration())
ACTIVATION = recorded(
    AgentActivated(customer="c1", qualification="q1", department="d1", agent=True, activated_on=date(2026, 4, 1)),
    REGISTERED + timedelta(days=31),
)


def volume(month: Month, amount_fen: int, at: datetime | None = None) -> RecordedFact[Any]:
    return recorded(
        ContractVolumeReported(customer="c1", month=month, amount_fen=amount_fen), at or month.end + timedelta(days=1)
    )


#: Eight full months since activation, each at the threshold of class A.
VOLUMES = [volume(Month(2026, 4) + index, A_MONTH) for index in range(8)]
INCIDENT = recorded(
    CreditIncidentRecorded(
        incident="i1",
        customer="c1",
        occurred_on=date(2026, 6, 1),
        description="late",
        evidence="letter",
        recorded_by="wang",
    ),
    REGISTERED + timedelta(days=100),
)
RESOLUTION = recorded(
    CreditIncidentResolved(incident="i1", customer="c1", resolved_on=date(2026, 7, 1), evidence="paid"),
    REGISTERED + timedelta(days=130),
)
WITHDRAWAL = recorded(
    CreditIncidentWithdrawn(incident="i1", customer="c1", reason="another company's"),
    REGISTERED + timedelta(days=140),
)


# --- the initial grade -----------------------------------------------------------------------------------------------


def test_a_registration_brings_an_official_grade_with_its_reasons() -> None:
    state, facts = react(GradeState(), recorded(registration(CustomerKind.DEALER)))
    noted, official, assigned, reviewed = facts
    assert isinstance(noted, RegistrationNoted)
    assert isinstance(official, OfficialGradeExplained)
    assert official.explanation.facts == (noted.source,)
    assert reviewed == GradeReviewed(
        customer="c1",
        grade_clause="R5.2.B",
        provisional=False,
        policy_version=0,
        watched_for=(),
        next_review=None,
    )
    assert assigned == GradeAssigned(
        customer="c1",
        grade=Grade.B,
        basis="initial",
        grade_clause="R5.2.B",
        provisional=False,
        policy_version=0,
    )
    assert (state.official, state.indicative, state.drift) == (Grade.B, Grade.B, None)


def test_the_policy_version_that_was_used_is_named() -> None:
    reaction = _BY_FACT[CustomerRegistered]
    facts = reaction.decide(REGISTRATION, GradeState(), context(version=3)).facts
    assert [fact.policy_version for fact in facts if isinstance(fact, GradeAssigned)] == [3]


def test_what_comes_before_the_registration_is_kept() -> None:
    state, facts = after([ACTIVATION, *VOLUMES])
    assert all(isinstance(fact, Note) for fact in facts)
    assert len(facts) == 9
    state, facts = react(state, REGISTRATION)
    assert (state.official, state.indicative) == (Grade.C, Grade.A)


def test_the_initial_grade_is_as_of_the_registration_whatever_has_happened_since() -> None:
    """Volumes recorded after it move the indicative grade only, even if they come before it."""
    state, facts = after([ACTIVATION, *VOLUMES, REGISTRATION])
    assert [type(fact) for fact in published(facts)] == [GradeAssigned, IndicativeGradeChanged, GradeDriftNoticed]
    assert state.official_explained
    assert state.official_explained.at == REGISTERED


def test_a_fact_recorded_before_the_registration_that_comes_late_corrects_the_initial_grade() -> None:
    """The topics of two services have no order; a customer taken over comes with its activation from the other one."""
    known = [volume(month, A_MONTH, REGISTERED - timedelta(hours=1)) for month in (Month(2025, 12), Month(2026, 1))]
    early = recorded(
        AgentActivated(customer="c1", qualification="q1", department="d1", agent=True, activated_on=date(2025, 12, 1)),
        REGISTERED - timedelta(hours=2),
    )
    state, _ = after([*known, REGISTRATION])
    assert (state.official, state.indicative) == (Grade.C, Grade.C)
    state, facts = react(state, early)
    (corrected,) = [fact for fact in facts if isinstance(fact, GradeAssigned)]
    assert (corrected.grade, corrected.previous, corrected.basis) == (Grade.A, Grade.C, "initial")
    assert corrected.provisional


# --- the indicative grade and drift ----------------------------------------------------------------------------------


def test_volume_moves_the_indicative_grade_and_is_told_as_drift() -> None:
    state, facts = after([REGISTRATION, ACTIVATION, *VOLUMES])
    assert published(facts)[1:] == [
        IndicativeGradeChanged(
            customer="c1",
            grade=Grade.B,
            previous=Grade.C,
            official=Grade.C,
            grade_clause="R5.2.B",
            policy_version=0,
        ),
        GradeDriftNoticed(customer="c1", official=Grade.C, indicative=Grade.B, drifting=True),
        IndicativeGradeChanged(
            customer="c1",
            grade=Grade.A,
            previous=Grade.B,
            official=Grade.C,
            grade_clause="R5.2.A",
            policy_version=0,
        ),
        GradeDriftNoticed(customer="c1", official=Grade.C, indicative=Grade.A, drifting=True),
    ]
    assert (state.official, state.indicative) == (Grade.C, Grade.A)


def test_a_correction_by_one_fen_ends_what_the_last_fen_had_brought() -> None:
    corrected = recorded(
        ContractVolumeCorrected(
            customer="c1", month=Month(2026, 5), amount_fen=A_MONTH - 1, previous_fen=A_MONTH, reason="slip"
        ),
        NOW,
    )
    state, _ = after([REGISTRATION, ACTIVATION, *VOLUMES])
    state, facts = react(state, corrected)
    assert state.indicative is Grade.B
    missing = explained(state).missing
    assert missing
    assert missing.short_fen == 1
    assert published(facts)[-1] == GradeDriftNoticed(customer="c1", official=Grade.C, indicative=Grade.B, drifting=True)


def test_drift_that_has_ended_is_told() -> None:
    state, _ = after([REGISTRATION, ACTIVATION, *VOLUMES])
    state, facts = react(state, INCIDENT)
    assert published(facts)[-1] == GradeDriftNoticed(
        customer="c1", official=Grade.C, indicative=Grade.C, drifting=False
    )
    state, facts = react(state, WITHDRAWAL)
    assert state.indicative is Grade.A
    assert state.drift == (Grade.C, Grade.A)


def test_an_affiliation_that_is_set_and_ended_moves_the_indicative_grade_there_and_back() -> None:
    state, _ = after([recorded(registration(CustomerKind.DEALER))])
    state, _ = react(state, recorded(CustomerChanged(customer="c1", affiliation=Affiliation.JOINT_VENTURE), NOW))
    assert state.indicative is Grade.A
    later = NOW + timedelta(seconds=1)
    state, _ = react(state, recorded(CustomerChanged(customer="c1", affiliation_ended=True), later))
    assert (state.official, state.indicative, state.drift) == (Grade.B, Grade.B, None)


def test_a_change_without_any_part_in_a_grade_leaves_no_trace() -> None:
    state, _ = after([REGISTRATION])
    assert react(state, recorded(CustomerChanged(customer="c1", region="江西"), NOW)) == (state, [])


def test_a_new_owner_is_noted_and_changes_no_grade() -> None:
    state, _ = after([REGISTRATION])
    _, facts = react(state, recorded(OwnerAssigned(customer="c1", owner="zhao", department="d2"), NOW))
    assert [type(fact).__name__ for fact in facts] == ["OwnerNoted"]


def test_a_report_that_changes_nothing_but_figures_is_noted_and_no_more() -> None:
    """Its reasons are worked out when somebody asks; a fact with all of them each time would fill the log."""
    state, _ = after([REGISTRATION, ACTIVATION, *VOLUMES])
    more = volume(Month(2026, 9), A_MONTH + 1, NOW)
    state, facts = react(state, more)
    assert [type(fact) for fact in facts] == [VolumeNoted]
    assert more.id in explained(state).facts


def test_the_same_fact_again_changes_nothing() -> None:
    state, _ = after([REGISTRATION, ACTIVATION, *VOLUMES])
    assert react(state, VOLUMES[0]) == (state, [])


# --- time ------------------------------------------------------------------------------------------------------------


def test_a_month_that_closes_moves_the_indicative_grade_without_any_new_fact() -> None:
    early = start_of_day(date(2026, 5, 2))
    state, _ = after([REGISTRATION, ACTIVATION, VOLUMES[0]], early)
    due = start_of_day(date(2026, 5, 6))
    assert (state.indicative, next_review(state)) == (Grade.C, due)
    facts = review(state, context(due)).facts
    assert [type(fact) for fact in facts] == [
        IndicativeGradeExplained,
        IndicativeGradeChanged,
        GradeReviewed,
        GradeDriftNoticed,
    ]
    state = GRADES.fold(facts, state)
    assert (state.indicative, next_review(state)) == (Grade.A, start_of_day(date(2026, 6, 6)))
    assert state.reviewed
    assert state.reviewed.provisional


def test_bad_credit_that_has_ended_moves_the_indicative_grade() -> None:
    standing = [recorded(registration(CustomerKind.DEALER)), INCIDENT, RESOLUTION]
    state, _ = after(standing)
    ends = start_of_day(date(2028, 7, 1))
    assert next_review(state) == ends
    assert state.reviewed
    assert state.reviewed.watched_for == (WatchReason.CREDIT_WARNING,)
    state = GRADES.fold(review(state, context(ends)).facts, state)
    assert state.reviewed
    assert (state.reviewed.watched_for, state.reviewed.next_review) == ((), None)


def test_a_review_with_nothing_new_says_nothing() -> None:
    state, _ = after([REGISTRATION, ACTIVATION, *VOLUMES])
    assert review(state, context(NOW + timedelta(days=1))).facts == []


def test_a_new_policy_version_is_followed_by_the_indicative_grade_alone() -> None:
    state, _ = after([REGISTRATION, ACTIVATION, *VOLUMES])
    stricter = GradingPolicy(a_threshold_fen=A_MONTH + 1)
    facts = review(state, context(policy=stricter, version=1)).facts
    state = GRADES.fold(facts, state)
    assert (state.official, state.indicative) == (Grade.C, Grade.B)
    assert state.reviewed
    assert state.reviewed.policy_version == 1


def test_nobody_is_graded_before_registration() -> None:
    state, _ = after([ACTIVATION, INCIDENT])
    assert review(state, context()).facts == ()
    assert standing_of(state.notes) is None


# --- in whichever order ----------------------------------------------------------------------------------------------

EARLY_ACTIVATION = recorded(
    AgentActivated(customer="c1", qualification="q0", department="d1", agent=True, activated_on=date(2025, 12, 1)),
    REGISTERED - timedelta(hours=1),
    number=1,
)
EARLY_VOLUMES = [volume(Month(2025, 12), A_MONTH, REGISTERED - timedelta(hours=2)), volume(Month(2026, 1), A_MONTH)]
REGISTRY_FACTS: list[RecordedFact[Any]] = [
    EARLY_VOLUMES[0],
    REGISTRATION,
    EARLY_VOLUMES[1],
    *VOLUMES,
    recorded(CustomerChanged(customer="c1", kind=CustomerKind.DEALER), NOW - timedelta(hours=3)),
    recorded(OwnerAssigned(customer="c1", owner="zhao", department="d2"), NOW - timedelta(hours=2)),
    recorded(CustomerChanged(customer="c1", kind=CustomerKind.PREFECTURE_AGENT), NOW - timedelta(hours=1)),
    recorded(
        ContractVolumeCorrected(
            customer="c1", month=Month(2026, 11), amount_fen=1, previous_fen=A_MONTH, reason="slip"
        ),
        NOW,
    ),
]
VETTING_FACTS: list[RecordedFact[Any]] = [EARLY_ACTIVATION, ACTIVATION, INCIDENT, RESOLUTION, WITHDRAWAL]


def ended(state: GradeState, now: datetime = NOW) -> tuple[Any, ...]:
    """What must not depend on the order: everything but the order of the notes."""
    return (
        sorted(note.source for note in state.notes),
        state.official,
        state.official_explained,
        state.indicative,
        state.drift,
        state.reviewed,
        explain(state, context(now)),
    )


def interleaved(turns: Sequence[bool], first: Sequence[Any], second: Sequence[Any]) -> list[Any]:
    """Both in their own order, taking turns as told."""
    one, other = list(first), list(second)
    merged = [source.pop(0) for turn in turns if (source := one if turn else other)]
    return [*merged, *one, *other]


@given(turns=st.lists(st.booleans(), min_size=20, max_size=20), withdrawn=st.booleans())
def test_whichever_topic_comes_first_the_end_is_the_same(turns: list[bool], *, withdrawn: bool) -> None:
    vetting = VETTING_FACTS if withdrawn else VETTING_FACTS[:-1]
    state, _ = after(interleaved(turns, REGISTRY_FACTS, vetting))
    expected, _ = after([*REGISTRY_FACTS, *vetting])
    assert ended(state) == ended(expected)


@given(st.permutations([*REGISTRY_FACTS, *VETTING_FACTS]))
def test_even_a_topic_out_of_order_ends_the_same(sources: list[RecordedFact[Any]]) -> None:
    state, _ = after(sources)
    expected, _ = after([*REGISTRY_FACTS, *VETTING_FACTS])
    assert ended(state) == ended(expected)


@settings(max_examples=50)
@given(st.permutations([*REGISTRY_FACTS, *VETTING_FACTS]), st.lists(st.integers(0, 300), min_size=20, max_size=20))
def test_however_late_facts_come_the_end_is_the_same(sources: list[RecordedFact[Any]], days: list[int]) -> None:
    """Facts come one by one over months, the schedule fires whenever it is due, and all is in by the end of 2027."""
    end = start_of_day(date(2027, 12, 31))
    state, now = GradeState(), REGISTERED
    for source, pause in zip(sources, days, strict=True):
        now = min(now + timedelta(days=pause), end)
        state = fire(state, now)
        state, _ = react(state, source, now)
    expected, _ = after([*REGISTRY_FACTS, *VETTING_FACTS], end)
    assert ended(fire(state, end), end) == ended(expected, end)


def fire(state: GradeState, until: datetime) -> GradeState:
    while (due := next_review(state)) and due <= until:
        state = GRADES.fold(review(state, context(due)).facts, state)
    return state


@given(st.permutations([*REGISTRY_FACTS, *VETTING_FACTS]))
def test_what_is_told_adds_up_to_what_is_so(sources: list[RecordedFact[Any]]) -> None:
    """A reader of the published facts alone knows the official and the indicative grade, and whether they differ."""
    state, facts = after(sources)
    official, indicative, drifting = None, None, False
    for fact in published(facts):
        if isinstance(fact, GradeAssigned):
            assert fact.previous == official
            official, indicative = fact.grade, indicative or fact.grade
        elif isinstance(fact, IndicativeGradeChanged):
            assert fact.previous == indicative
            indicative = fact.grade
        elif isinstance(fact, GradeDriftNoticed):
            drifting = fact.drifting
    assert (official, indicative) == (state.official, state.indicative)
    assert drifting is (official != indicative)


def test_a_stored_note_reads_as_it_was_written() -> None:
    """Facts come back from the store as JSON."""
    state, facts = after([*REGISTRY_FACTS, *VETTING_FACTS])
    read = [type(fact).model_validate_json(fact.model_dump_json()) for fact in facts]
    assert GRADES.fold(read) == state
    assert isinstance(facts[0], VolumeNoted)
    assert isinstance(facts[0].source, UUID)


def test_a_limb_that_barely_fails_is_shown_with_its_figures() -> None:
    short = [*VOLUMES[:-1], volume(Month(2026, 11), A_MONTH - 1)]
    state, _ = after([REGISTRATION, ACTIVATION, *short])
    limb = next(limb for limb in explained(state).limbs if limb.limb is LimbName.AGENT_A)
    assert limb.figures
    assert (limb.figures.months, limb.figures.required_fen, limb.figures.short_fen) == (8, A_MONTH * 8, 1)
