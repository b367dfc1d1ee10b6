"""The rules of R5.2 and R5.3.5: pure and in whole fen. First match A, then B, then C; every limb is looked at."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from uuid import UUID

from kehu import calendar
from kehu.calendar import Month
from kehu.contracts.customers import CustomerKind
from kehu.contracts.grading import Grade
from kehu_grading.rules.explanation import (
    CountedIncident,
    CountedMonth,
    Explanation,
    Figures,
    Limb,
    LimbName,
    Missing,
    Reason,
    TakenOver,
)
from kehu_grading.rules.policy import GradingPolicy
from kehu_grading.rules.standing import Incident, Standing

_CLAUSES = {Grade.A: "R5.2.A", Grade.B: "R5.2.B", Grade.C: "R5.2.C"}
_NEXT = {Grade.B: Grade.A, Grade.C: Grade.B}
_AGENT_LIMBS = {Grade.A: LimbName.AGENT_A, Grade.B: LimbName.AGENT_B}
#: What a customer who is no agent would have to be.
_OTHER_LIMBS = {Grade.A: LimbName.AFFILIATION, Grade.B: LimbName.DEALER}
_PROSPECTS = (CustomerKind.KEY_END_USER, CustomerKind.OTHER_PROSPECT)


def grade(standing: Standing, policy: GradingPolicy, version: int, now: datetime) -> Explanation:
    """The grade of a customer by the rules, explained.

    Args:
        standing: what is known of it.
        policy: the numbers.
        version: of the policy, for the record.
        now: aware; which months are closed and which incidents count follows from it.

    """
    months = counted_months(standing, policy, now) if standing.is_agent else ()
    incidents = _incidents(standing, policy, calendar.today(now))
    limbs = _limbs(standing, policy, months, barred=any(incident.counts for incident in incidents))
    first = next(limb for limb in limbs if limb.passed)
    by_volume = standing.is_agent and first.limb is not LimbName.AFFILIATION
    return Explanation(
        grade=first.grade,
        clause=first.clause,
        limb=first.limb,
        policy_version=version,
        at=now,
        provisional=by_volume and len(months) < policy.provisional_under_months,
        kind=standing.kind,
        affiliation=standing.affiliation,
        limbs=tuple(limbs),
        months=months,
        incidents=incidents,
        credit_warning=not by_volume and any(incident.counts for incident in incidents),
        missing=_missing(standing, first.grade, limbs, incidents),
        facts=_facts_used(standing, months),
    )


def as_taken_over(found: Explanation, stated: Grade, taken_over: TakenOver, fact: UUID) -> Explanation:
    """The grade that an existing customer came with at go-live, as it stands (R4.3), beside what the rules found.

    Args:
        found: by the rules.
        stated: the official grade that it came with.
        taken_over: of which year, on which evidence, by whom.
        fact: that says so.

    """
    limb = Limb(limb=LimbName.TAKEN_OVER, grade=stated, clause="R4.3", passed=True)
    return found.model_copy(
        update={
            "grade": stated,
            "clause": "R4.3",
            "limb": LimbName.TAKEN_OVER,
            "provisional": False,
            "limbs": (*found.limbs, limb),
            "missing": None,
            "facts": (fact, *found.facts),
            "taken_over": taken_over,
        }
    )


def counted_months(standing: Standing, policy: GradingPolicy, now: datetime) -> tuple[CountedMonth, ...]:
    """The months that count (R5.3.5): closed, full since activation, at most the window's 12; oldest first.

    The month in which a customer was activated is full only if that was its first day. Sum and number of months are
    both taken over these, so that one is the mean of the other.
    """
    since = standing.active_since
    if since is None:
        return ()
    last = last_closed_month(policy, now)
    window = [last - back for back in reversed(range(policy.window_months))]
    volumes = standing.volumes
    return tuple(
        CountedMonth(
            month=month, amount_fen=volumes[month].amount_fen, fact=volumes[month].fact, merged=volumes[month].merged
        )
        if month in volumes
        else CountedMonth(month=month)
        for month in window
        if month.first_day >= since
    )


def last_closed_month(policy: GradingPolicy, now: datetime) -> Month:
    """The latest month whose closing day is over: the 5th of the next one, 24:00."""
    before = Month.of(calendar.today(now)) - 1
    closes_at = calendar.month_closes_at(before, closing_day=policy.month_closing_day)
    return before if now >= closes_at else before - 1


def next_review(standing: Standing, policy: GradingPolicy, now: datetime) -> datetime | None:
    """When the grade may change without any new fact: a month closes, or bad credit starts or ends to count.

    Returns:
        The first such moment after `now`; None where there is none in sight.

    """
    moments: list[datetime] = []
    if standing.is_agent and standing.active_since is not None:
        month = last_closed_month(policy, now) + 1
        moments.append(calendar.month_closes_at(month, closing_day=policy.month_closing_day))
    for incident in _in_order(standing.incidents.values()):
        moments += [
            calendar.start_of_day(day)
            for day in (incident.occurred_on, incident.ends_on(policy.bad_credit_months))
            if day is not None
        ]
    return min((moment for moment in moments if moment > now), default=None)


def _limbs(standing: Standing, policy: GradingPolicy, months: Sequence[CountedMonth], *, barred: bool) -> list[Limb]:
    kind = standing.kind
    limbs = [
        _plain(LimbName.AFFILIATION, Grade.A, () if standing.affiliation else (Reason.NOT_AFFILIATED,)),
        _by_volume(Grade.A, policy.a_threshold_fen, standing, months, barred=barred),
        _plain(LimbName.DEALER, Grade.B, () if kind is CustomerKind.DEALER else (Reason.NOT_A_DEALER,)),
        _by_volume(Grade.B, policy.b_threshold_fen, standing, months, barred=barred),
        _plain(LimbName.PROSPECT, Grade.C, () if kind in _PROSPECTS else (Reason.NOT_A_PROSPECT,)),
    ]
    matched = any(limb.passed for limb in limbs)
    return [*limbs, _plain(LimbName.NOTHING_ELSE, Grade.C, (Reason.MATCHES_ANOTHER,) if matched else ())]


def _plain(limb: LimbName, grade_: Grade, reasons: tuple[Reason, ...]) -> Limb:
    return Limb(limb=limb, grade=grade_, clause=_CLAUSES[grade_], passed=not reasons, reasons=reasons)


def _by_volume(
    grade_: Grade, threshold_fen: int, standing: Standing, months: Sequence[CountedMonth], *, barred: bool
) -> Limb:
    """An agent with enough contract volume a month and no bad credit. 以上 includes the number, to the fen."""
    figures = Figures(
        threshold_fen=threshold_fen,
        months=len(months),
        required_fen=threshold_fen * len(months),
        sum_fen=sum(month.amount_fen or 0 for month in months),
    )
    reasons: list[Reason] = []
    if not standing.is_agent:
        reasons.append(Reason.NOT_AN_AGENT)
    elif standing.active_since is None:
        reasons.append(Reason.NOT_ACTIVATED)
    elif not months:
        reasons.append(Reason.NO_FULL_MONTH)
    elif figures.short_fen:
        reasons.append(Reason.VOLUME_SHORT)
    if standing.is_agent and barred:
        reasons.append(Reason.BAD_CREDIT)
    return Limb(
        limb=_AGENT_LIMBS[grade_],
        grade=grade_,
        clause=_CLAUSES[grade_],
        passed=not reasons,
        reasons=tuple(reasons),
        figures=figures if standing.is_agent else None,
    )


def _missing(
    standing: Standing, reached: Grade, limbs: Sequence[Limb], incidents: Sequence[CountedIncident]
) -> Missing | None:
    wanted = _NEXT.get(reached)
    if wanted is None:
        return None
    name = (_AGENT_LIMBS if standing.is_agent else _OTHER_LIMBS)[wanted]
    limb = next(limb for limb in limbs if limb.limb is name)
    ends = [incident.ends_on for incident in incidents if incident.counts]
    credit_until = max((end for end in ends if end), default=None) if None not in ends else None
    return Missing(
        grade=wanted,
        limb=name,
        reasons=limb.reasons,
        short_fen=limb.figures.short_fen if limb.figures and Reason.VOLUME_SHORT in limb.reasons else None,
        credit_until=credit_until if Reason.BAD_CREDIT in limb.reasons else None,
    )


def _incidents(standing: Standing, policy: GradingPolicy, today: date) -> tuple[CountedIncident, ...]:
    months = policy.bad_credit_months
    return tuple(
        CountedIncident(
            incident=incident.incident,
            occurred_on=incident.occurred_on,
            resolved_on=incident.resolved_on,
            ends_on=incident.ends_on(months),
            counts=incident.counts(today, months),
        )
        for incident in _in_order(standing.incidents.values())
        if incident.occurred_on is not None
    )


def _in_order(incidents: Iterable[Incident]) -> list[Incident]:
    """Those that may count: not withdrawn; in an order that does not depend on which was heard of first."""
    standing = [incident for incident in incidents if not incident.withdrawn]
    return sorted(standing, key=lambda incident: (incident.occurred_on or date.max, incident.incident))


def _facts_used(standing: Standing, months: Sequence[CountedMonth]) -> tuple[UUID, ...]:
    facts = [standing.kind_fact, standing.affiliation_fact]
    if standing.is_agent:
        facts += [standing.activation_fact]
        facts += [fact for month in months for fact in (month.fact, *month.merged)]
    facts += [fact for incident in _in_order(standing.incidents.values()) for fact in incident.facts]
    return tuple(dict.fromkeys(fact for fact in facts if fact))
