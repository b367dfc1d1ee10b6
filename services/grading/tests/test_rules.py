"""R5.2 and R5.3.5, sentence by sentence: what makes a customer A, B or C, to the fen and to the day."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kehu.calendar import Month, start_of_day
from kehu.contracts.customers import Affiliation, CustomerKind
from kehu.contracts.grading import Grade
from kehu.ids import new_id
from kehu_grading.rules.engine import counted_months, grade, last_closed_month, next_review
from kehu_grading.rules.explanation import Explanation, LimbName, Reason, WatchReason
from kehu_grading.rules.policy import GradingPolicy
from kehu_grading.rules.standing import Incident, Standing, Volume, months_after

POLICY = GradingPolicy()
#: November is closed since 24:00 on 5 December; December is under way.
NOW = start_of_day(date(2026, 12, 10))
YEAR = [Month(2025, 12) + index for index in range(12)]
FACT = UUID("019ab3d0-0000-7000-8000-000000000001")
AGENT = Standing(
    kind=CustomerKind.PROVINCIAL_AGENT,
    kind_fact=new_id(),
    registered_on=date(2025, 1, 2),
    activated_on=date(2025, 3, 1),
    activation_fact=new_id(),
)
A_MONTH = 500_000_000
B_MONTH = 300_000_000


def volumes(amounts: dict[Month, int]) -> dict[Month, Volume]:
    return {month: Volume(amount, new_id()) for month, amount in amounts.items()}


def with_year(total_fen: int, standing: Standing = AGENT) -> Standing:
    """A standing whose twelve closed months add up to a total, all of it in one of them."""
    return replace(standing, volumes=volumes(dict.fromkeys(YEAR, 0) | {YEAR[4]: total_fen}))


def graded(standing: Standing, now: datetime = NOW, policy: GradingPolicy = POLICY) -> Explanation:
    return grade(standing, policy, 0, now)


def reasons(explanation: Explanation, limb: LimbName) -> tuple[Reason, ...]:
    return next(one.reasons for one in explanation.limbs if one.limb is limb)


# --- first match A -> B -> C -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "limb", "wanted"),
    [
        (CustomerKind.DEALER, LimbName.DEALER, Grade.B),
        (CustomerKind.KEY_END_USER, LimbName.PROSPECT, Grade.C),
        (CustomerKind.OTHER_PROSPECT, LimbName.PROSPECT, Grade.C),
        (CustomerKind.PROVINCIAL_AGENT, LimbName.NOTHING_ELSE, Grade.C),
        (CustomerKind.PREFECTURE_AGENT, LimbName.NOTHING_ELSE, Grade.C),
    ],
)
def test_a_kind_alone_leads_to_its_grade(kind: CustomerKind, limb: LimbName, wanted: Grade) -> None:
    found = graded(replace(AGENT, kind=kind))
    assert (found.limb, found.grade) == (limb, wanted)
    assert found.clause == f"R5.2.{wanted}"


@pytest.mark.parametrize("affiliation", list(Affiliation))
@pytest.mark.parametrize("kind", list(CustomerKind))
def test_an_affiliated_customer_is_class_a_whatever_its_kind(kind: CustomerKind, affiliation: Affiliation) -> None:
    found = graded(replace(AGENT, kind=kind, affiliation=affiliation, affiliation_fact=FACT))
    assert (found.grade, found.limb, found.missing, found.provisional) == (Grade.A, LimbName.AFFILIATION, None, False)
    assert FACT in found.facts


def test_volume_makes_no_dealer_class_a() -> None:
    found = graded(with_year(100 * A_MONTH, replace(AGENT, kind=CustomerKind.DEALER)))
    assert found.grade is Grade.B
    assert reasons(found, LimbName.AGENT_A) == (Reason.NOT_AN_AGENT,)
    assert not found.months
    assert found.missing
    assert (found.missing.grade, found.missing.limb) == (Grade.A, LimbName.AFFILIATION)


def test_an_agent_below_both_thresholds_matches_nothing_else() -> None:
    found = graded(with_year(B_MONTH * 12 - 1))
    assert found.watch_reasons == (WatchReason.MATCHES_NOTHING,)
    assert reasons(found, LimbName.PROSPECT) == (Reason.NOT_A_PROSPECT,)


def test_every_limb_is_shown_in_the_order_in_which_it_is_tried() -> None:
    assert [limb.limb for limb in graded(AGENT).limbs] == [limb for limb in LimbName if limb != LimbName.TAKEN_OVER]


# --- thresholds: 以上 includes the number, to the fen ---


@pytest.mark.parametrize(
    ("total_fen", "wanted", "short_fen"),
    [
        (A_MONTH * 12, Grade.A, None),
        (A_MONTH * 12 - 1, Grade.B, 1),
        (B_MONTH * 12, Grade.B, (A_MONTH - B_MONTH) * 12),
        (B_MONTH * 12 - 1, Grade.C, 1),
        (0, Grade.C, B_MONTH * 12),
        (-1, Grade.C, B_MONTH * 12 + 1),
    ],
)
def test_a_threshold_includes_its_number_and_a_fen_less_misses_it(
    total_fen: int, wanted: Grade, short_fen: int | None
) -> None:
    found = graded(with_year(total_fen))
    assert found.grade is wanted
    assert (found.missing.short_fen if found.missing else None) == short_fen


def test_sums_are_compared_and_never_a_rounded_mean() -> None:
    """One fen short in twelve months is a mean that rounds to the threshold."""
    assert graded(with_year(A_MONTH * 12 - 1)).grade is Grade.B
    assert round((A_MONTH * 12 - 1) / 12) == A_MONTH


# --- which months count ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("moment", "last"),
    [
        (start_of_day(date(2026, 12, 6)) - timedelta(microseconds=1), Month(2026, 10)),
        (start_of_day(date(2026, 12, 6)), Month(2026, 11)),
        (start_of_day(date(2027, 1, 1)), Month(2026, 11)),
        (datetime(2027, 1, 5, 16, tzinfo=UTC), Month(2026, 12)),
    ],
)
def test_a_month_closes_at_midnight_after_the_fifth_of_the_next(moment: datetime, last: Month) -> None:
    assert last_closed_month(POLICY, moment) == last


def test_at_most_twelve_months_count_and_older_ones_do_not() -> None:
    standing = replace(AGENT, volumes=volumes({Month(2025, 11): 10**12}))
    found = graded(standing)
    assert [counted.month for counted in found.months] == YEAR
    assert found.grade is Grade.C


@pytest.mark.parametrize(
    ("activated_on", "first"),
    [(date(2026, 9, 1), Month(2026, 9)), (date(2026, 9, 2), Month(2026, 10)), (date(2026, 11, 1), Month(2026, 11))],
)
def test_months_count_from_the_first_full_one_since_activation(activated_on: date, first: Month) -> None:
    months = counted_months(replace(AGENT, activated_on=activated_on), POLICY, NOW)
    assert [months[0].month, months[-1].month] == [first, Month(2026, 11)]


def test_the_month_of_activation_counts_neither_as_a_month_nor_in_the_sum() -> None:
    standing = replace(
        AGENT, activated_on=date(2026, 9, 15), volumes=volumes({Month(2026, 9): 10**12, Month(2026, 10): A_MONTH})
    )
    found = graded(standing)
    limb = next(limb for limb in found.limbs if limb.limb is LimbName.AGENT_A)
    assert limb.figures
    assert (limb.figures.months, limb.figures.sum_fen, limb.figures.short_fen) == (2, A_MONTH, A_MONTH)


def test_a_month_that_has_not_closed_counts_in_nothing() -> None:
    standing = replace(AGENT, volumes=volumes({Month(2026, 12): 10**12}))
    assert graded(standing).grade is Grade.C


def test_a_month_without_report_counts_nought_and_is_listed() -> None:
    standing = with_year(A_MONTH * 12)
    gap = replace(standing, volumes={month: volume for month, volume in standing.volumes.items() if month != YEAR[7]})
    found = graded(gap)
    assert found.missing_months == (YEAR[7],)
    assert found.grade is Grade.A  # the sum is over twelve months all the same
    assert len(found.months) == 12


def test_an_agent_not_yet_activated_fails_by_volume_for_that_reason() -> None:
    found = graded(with_year(A_MONTH * 12, replace(AGENT, activated_on=None, activation_fact=None)))
    assert found.grade is Grade.C
    assert reasons(found, LimbName.AGENT_A) == reasons(found, LimbName.AGENT_B) == (Reason.NOT_ACTIVATED,)
    assert found.provisional
    assert found.missing_months == ()


def test_an_agent_without_a_full_month_yet_fails_by_volume_for_that_reason() -> None:
    found = graded(replace(AGENT, activated_on=date(2026, 11, 2), volumes=volumes({Month(2026, 11): 10**12})))
    assert reasons(found, LimbName.AGENT_B) == (Reason.NO_FULL_MONTH,)
    assert found.provisional
    assert found.missing
    assert found.missing.short_fen is None


@pytest.mark.parametrize(("activated_on", "provisional"), [(date(2026, 9, 1), False), (date(2026, 9, 2), True)])
def test_under_three_full_months_the_grade_is_provisional(activated_on: date, *, provisional: bool) -> None:
    standing = replace(AGENT, activated_on=activated_on, volumes=volumes(dict.fromkeys(YEAR, A_MONTH)))
    found = graded(standing)
    assert (found.grade, found.provisional) == (Grade.A, provisional)


def test_a_dealers_grade_is_not_provisional_because_volume_has_no_part_in_it() -> None:
    assert not graded(replace(AGENT, kind=CustomerKind.DEALER, activated_on=None)).provisional


@pytest.mark.parametrize("activated_on", [None, date(2026, 11, 20), date(2026, 12, 1)])
def test_a_customer_taken_over_counts_the_whole_window(activated_on: date | None) -> None:
    """It was active before Kehu knew it; going live again is no new beginning (R4.3)."""
    taken_over = replace(AGENT, taken_over=True, registered_on=date(2026, 11, 20), activated_on=activated_on)
    found = graded(with_year(A_MONTH * 12, taken_over))
    assert (found.grade, len(found.months), found.provisional) == (Grade.A, 12, False)


def test_a_customer_taken_over_counts_from_an_activation_known_to_be_earlier() -> None:
    taken_over = replace(AGENT, taken_over=True, registered_on=date(2026, 11, 20), activated_on=date(2026, 8, 1))
    assert len(graded(taken_over).months) == 4


# --- bad credit ------------------------------------------------------------------------------------------------------

RICH = with_year(A_MONTH * 12)


def with_incident(standing: Standing = RICH, **changes: object) -> Standing:
    incident = replace(Incident("i1", occurred_on=date(2026, 5, 1), facts=(FACT,)), **changes)  # type: ignore[arg-type]
    return replace(standing, incidents={"i1": incident})


def test_bad_credit_bars_the_agents_limbs_and_nothing_else_is_left() -> None:
    found = graded(with_incident())
    assert found.grade is Grade.C
    assert found.watch_reasons == (WatchReason.MATCHES_NOTHING,)
    assert reasons(found, LimbName.AGENT_A) == reasons(found, LimbName.AGENT_B) == (Reason.BAD_CREDIT,)
    assert FACT in found.facts
    assert found.missing
    assert (found.missing.short_fen, found.missing.credit_until) == (None, None)


@pytest.mark.parametrize(
    ("day", "counts"),
    [
        (date(2026, 4, 30), False),
        (date(2026, 5, 1), True),
        (date(2028, 9, 9), True),
        (date(2028, 9, 10), False),
    ],
)
def test_bad_credit_counts_from_its_day_until_24_months_after_it_was_resolved(day: date, *, counts: bool) -> None:
    standing = with_incident(resolved_on=date(2026, 9, 10))
    assert standing.incidents["i1"].counts(day, 24) is counts
    assert (Reason.BAD_CREDIT in reasons(graded(standing, start_of_day(day)), LimbName.AGENT_A)) is counts


def test_an_incident_withdrawn_as_mistaken_never_counted_also_back_in_time() -> None:
    standing = with_incident(withdrawn=True)
    assert graded(standing).grade is Grade.A
    assert graded(standing, start_of_day(date(2026, 6, 1))).incidents == ()


def test_bad_credit_warns_about_others_without_changing_their_grade() -> None:
    dealer = with_incident(replace(AGENT, kind=CustomerKind.DEALER))
    affiliate = with_incident(replace(RICH, affiliation=Affiliation.JOINT_VENTURE))
    assert (graded(dealer).grade, graded(dealer).credit_warning) == (Grade.B, True)
    assert (graded(affiliate).grade, graded(affiliate).credit_warning) == (Grade.A, True)
    assert not graded(with_incident()).credit_warning  # there it bars, which is more than a warning


def test_what_is_missing_names_the_day_on_which_the_last_incident_ends_to_count() -> None:
    standing = with_incident(resolved_on=date(2026, 9, 10))
    second = Incident("i2", occurred_on=date(2026, 5, 2), resolved_on=date(2026, 10, 31))
    found = graded(replace(standing, incidents={**standing.incidents, "i2": second}))
    assert found.missing
    assert found.missing.credit_until == date(2028, 10, 31)


def test_months_after_keeps_to_the_end_of_shorter_months() -> None:
    assert months_after(date(2028, 2, 29), 24) == date(2030, 2, 28)
    assert months_after(date(2026, 1, 31), 1) == date(2026, 2, 28)
    assert months_after(date(9999, 12, 31), 1) == date.max


# --- when to look again ----------------------------------------------------------------------------------------------


def test_an_active_agent_is_looked_at_again_when_the_next_month_closes() -> None:
    assert next_review(AGENT, POLICY, NOW) == start_of_day(date(2027, 1, 6))
    assert next_review(AGENT, POLICY, start_of_day(date(2027, 1, 6))) == start_of_day(date(2027, 2, 6))


def test_a_customer_is_looked_at_again_when_bad_credit_ends() -> None:
    dealer = with_incident(replace(AGENT, kind=CustomerKind.DEALER), resolved_on=date(2026, 9, 10))
    assert next_review(dealer, POLICY, NOW) == start_of_day(date(2028, 9, 10))
    assert next_review(dealer, POLICY, start_of_day(date(2028, 9, 10))) is None


def test_nothing_is_planned_where_only_a_fact_can_change_the_grade() -> None:
    assert next_review(replace(AGENT, kind=CustomerKind.KEY_END_USER), POLICY, NOW) is None
    assert next_review(replace(AGENT, activated_on=None), POLICY, NOW) is None


# --- properties ------------------------------------------------------------------------------------------------------

RANK = {Grade.A: 2, Grade.B: 1, Grade.C: 0}
amounts = st.integers(-(10**12), 10**13)
days = st.dates(date(2024, 1, 1), date(2028, 12, 31))
moments = st.datetimes(datetime(2025, 1, 1), datetime(2028, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001
incidents = st.builds(
    Incident,
    incident=st.sampled_from(["i1", "i2", "i3"]),
    occurred_on=st.none() | days,
    resolved_on=st.none() | days,
    withdrawn=st.booleans(),
)
months = st.builds(Month, st.integers(2024, 2028), st.integers(1, 12))
standings = st.builds(
    Standing,
    kind=st.sampled_from(CustomerKind),
    kind_fact=st.just(FACT),
    registered_on=days,
    affiliation=st.none() | st.sampled_from(Affiliation),
    taken_over=st.booleans(),
    activated_on=st.none() | days,
    volumes=st.dictionaries(months, st.builds(Volume, amounts, st.just(FACT)), max_size=20),
    incidents=st.lists(incidents, max_size=3).map(lambda found: {one.incident: one for one in found}),
)


def policy_of(thresholds: tuple[int, int], window_months: int, provisional_under_months: int) -> GradingPolicy:
    return GradingPolicy(
        a_threshold_fen=max(thresholds),
        b_threshold_fen=min(thresholds),
        window_months=window_months,
        provisional_under_months=provisional_under_months,
    )


thresholds = st.integers(1, 10**12)
policies = st.builds(policy_of, st.tuples(thresholds, thresholds), st.integers(1, 24), st.integers(0, 6))


@given(standings, policies, moments)
def test_every_standing_has_one_grade_by_the_first_limb_that_passed(
    standing: Standing, policy: GradingPolicy, now: datetime
) -> None:
    found = grade(standing, policy, 0, now)
    first = next(limb for limb in found.limbs if limb.passed)
    assert (found.limb, found.grade, found.clause) == (first.limb, first.grade, first.clause)
    assert all(limb.passed is not bool(limb.reasons) for limb in found.limbs)
    assert (found.missing is None) is (found.grade is Grade.A)
    assert Explanation.model_validate_json(found.model_dump_json()) == found
    planned = next_review(standing, policy, now)
    assert planned is None or planned > now


@given(standings, policies, moments, months, st.integers(0, 10**12))
def test_more_volume_never_makes_a_grade_worse(
    standing: Standing, policy: GradingPolicy, now: datetime, month: Month, more_fen: int
) -> None:
    before = standing.volumes.get(month, Volume(0, FACT)).amount_fen
    richer = replace(standing, volumes={**standing.volumes, month: Volume(before + more_fen, FACT)})
    assert RANK[grade(richer, policy, 0, now).grade] >= RANK[grade(standing, policy, 0, now).grade]


@given(standings, policies, moments)
def test_what_is_missing_in_total_is_exactly_what_leads_to_the_next_grade(
    standing: Standing, policy: GradingPolicy, now: datetime
) -> None:
    found = grade(standing, policy, 0, now)
    if found.missing is None or found.missing.reasons != (Reason.VOLUME_SHORT,):
        return
    assert found.missing.short_fen
    month = found.months[0].month
    before = found.months[0].amount_fen or 0

    def after(more_fen: int) -> Grade:
        volume = Volume(before + more_fen, FACT)
        return grade(replace(standing, volumes={**standing.volumes, month: volume}), policy, 0, now).grade

    assert RANK[after(found.missing.short_fen)] >= RANK[found.missing.grade]  # above it where thresholds are equal
    assert after(found.missing.short_fen - 1) is found.grade


@given(standings, moments, st.randoms())
def test_the_order_in_which_figures_and_incidents_are_known_does_not_matter(
    standing: Standing, now: datetime, shuffle: object
) -> None:
    volumes_ = list(standing.volumes.items())
    known = list(standing.incidents.items())
    shuffle.shuffle(volumes_)  # type: ignore[attr-defined]
    shuffle.shuffle(known)  # type: ignore[attr-defined]
    assert graded(replace(standing, volumes=dict(volumes_), incidents=dict(known)), now) == graded(standing, now)


@given(standings, policies, moments)
def test_nothing_changes_before_the_moment_that_is_planned(
    standing: Standing, policy: GradingPolicy, now: datetime
) -> None:
    """What the schedule relies on: between two reviews, time alone changes no grade."""
    planned = next_review(standing, policy, now)
    until = planned - timedelta(microseconds=1) if planned else now + timedelta(days=4000)
    assert grade(standing, policy, 0, until).same_as(grade(standing, policy, 0, now))
