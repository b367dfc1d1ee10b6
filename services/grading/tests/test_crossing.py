"""Customers taken over at go-live (R4.3), and customers merged into others (R4): what becomes of their grades."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kehu.calendar import Month, start_of_day
from kehu.contracts.customers import (
    ContractVolumeCorrected,
    ContractVolumeReported,
    CustomerKind,
    CustomerRegistered,
    CustomersMerged,
    CustomersUnmerged,
    CustomerTakenOver,
    IdentityKind,
    MonthAmount,
)
from kehu.contracts.grading import Grade, GradeAssigned, GradeDriftNoticed
from kehu.contracts.vetting import AgentActivated, CreditIncidentRecorded, CreditIncidentResolved
from kehu.deciding import Context, InForce, system_actor
from kehu.facts import Fact, RecordedFact
from kehu.ids import derived_id, new_id
from kehu_grading.grades.decisions import explain, review
from kehu_grading.grades.facts import GRADES, GradeState
from kehu_grading.grades.reactions import GRADING, REACTIONS
from kehu_grading.rules.explanation import Explanation, LimbName, Reason
from kehu_grading.rules.policy import GradingPolicy
from kehu_grading.rules.words import tell

A_MONTH = 500_000_000
CONFIRMED = start_of_day(date(2026, 11, 20))
NOW = start_of_day(date(2026, 12, 1))
_CAUSE, _COMMAND = new_id(), new_id()
CONTEXT = Context(system_actor("grading", "test"), NOW, InForce({"grading": GradingPolicy()}, {"grading": 0}))


def recorded(fact: Fact, at: datetime, *, together: bool = False, number: int = 0) -> RecordedFact[Any]:
    """A published fact; `together`: by the command that registered a customer."""
    found: Any = fact
    return RecordedFact(
        fact=fact,
        id=derived_id(_CAUSE, f"{type(fact).__name__} {fact!r} {number}", 0),
        stream=f"customer-{found.customer}",
        version=1,
        sequence=1,
        key=found.customer,
        service="customer-registry",
        actor="zhang",
        clause="",
        correlation=_COMMAND if together else new_id(),
        causation=None,
        occurred_at=at,
        recorded_at=at,
    )


@dataclass
class Service:
    """Grading, with the streams of all customers and its own facts that it has still to react to."""

    streams: dict[str, GradeState] = field(default_factory=dict[str, GradeState])
    told: list[Fact] = field(default_factory=list[Fact])
    waiting: list[RecordedFact[Any]] = field(default_factory=list[RecordedFact[Any]])

    def hear(self, fact: RecordedFact[Any]) -> None:
        """What the service does about a fact; its own ones wait for `go_on`."""
        for reaction in REACTIONS:
            if reaction.on is not type(fact.fact):
                continue
            for customer in reaction.stream_ids(fact):
                state = self.streams.get(customer, GradeState())
                facts = reaction.decide(fact, state, CONTEXT).facts
                self.streams[customer] = GRADES.fold(facts, state)
                self.told += facts
                own = [reaction.on for reaction in REACTIONS if reaction.source == GRADING]
                self.waiting += [recorded(one, NOW, number=len(self.told)) for one in facts if type(one) in own]

    def go_on(self, most: int | None = None) -> None:
        """Follow the own log, so many facts far."""
        while self.waiting and most != 0:
            self.hear(self.waiting.pop(0))
            most = None if most is None else most - 1

    def explained(self, customer: str) -> Explanation:
        """The indicative grade, with its reasons."""
        found = explain(self.streams[customer], CONTEXT)
        assert found
        return found

    def assigned(self, customer: str) -> list[tuple[Grade, str]]:
        """The official grades that were told, with their basis."""
        return [
            (fact.grade, fact.basis)
            for fact in self.told
            if isinstance(fact, GradeAssigned) and fact.customer == customer
        ]


def after(facts: Iterable[RecordedFact[Any]]) -> Service:
    service = Service()
    for fact in facts:
        service.hear(fact)
        service.go_on()
    return service


def registered(customer: str, kind: CustomerKind, at: datetime = CONFIRMED, **other: Any) -> RecordedFact[Any]:
    fact = CustomerRegistered(
        customer=customer,
        number=f"K-{customer}",
        name="江城商贸有限公司",
        kind=kind,
        nature="limited",
        identity_kind=IdentityKind.USCC,
        identity="91110000600037341L",
        region="湖北",
        department="d1",
        owner="zhang",
        registered_by="li",
        **other,
    )
    return recorded(fact, at, together=bool(other.get("taken_over")))


def reported(
    customer: str, month: Month, amount_fen: int, at: datetime, *, together: bool = False
) -> RecordedFact[Any]:
    fact = ContractVolumeReported(customer=customer, month=month, amount_fen=amount_fen)
    return recorded(fact, at, together=together)


# --- taken over ------------------------------------------------------------------------------------------------------

LAST = Month(2026, 10)
STATED: dict[str, Any] = {
    "customer": "c1",
    "active_since": date(2024, 3, 1),
    "agreement_signed_on": date(2024, 2, 20),
    "agreement_digest": "a" * 64,
    "visited_on": date(2026, 9, 1),
    "grade": "A",
    "graded_year": 2025,
    "evidence_digest": "e" * 64,
    "proposed_by": "zhang",
    "confirmed_by": "li",
}


def taken_over(
    kind: CustomerKind = CustomerKind.PROVINCIAL_AGENT, months: int = 12, fen: int = A_MONTH, **other: Any
) -> list[RecordedFact[Any]]:
    """What the registry publishes of a take-over: some microseconds one after another, as the store records them."""
    tick = timedelta(microseconds=1)
    volumes = [reported("c1", LAST - back, fen, CONFIRMED + (2 + back) * tick, together=True) for back in range(months)]
    stated = CustomerTakenOver(**STATED | other)
    return [registered("c1", kind, taken_over=True), recorded(stated, CONFIRMED + tick, together=True), *volumes]


def test_the_grade_that_it_came_with_is_the_official_one_and_explains_itself() -> None:
    service = after(taken_over(fen=1))
    assert service.assigned("c1") == [(Grade.A, "taken_over")]
    state = service.streams["c1"]
    official = state.official_explained
    assert official
    assert (official.clause, official.limb, official.provisional) == ("R4.3", LimbName.TAKEN_OVER, False)
    assert official.taken_over
    assert (official.taken_over.year, official.taken_over.confirmed_by) == (2025, "li")
    assert official.limbs[-1].passed
    assert "2025" in tell(official)[0].zh
    (assigned,) = [fact for fact in service.told if isinstance(fact, GradeAssigned)]
    assert (assigned.year, assigned.grade_clause, assigned.provisional) == (2025, "R4.3", False)


def test_drift_shows_against_what_the_rules_give() -> None:
    service = after(taken_over(fen=1))
    assert service.streams["c1"].drift == (Grade.A, Grade.C)
    drifts = [fact for fact in service.told if isinstance(fact, GradeDriftNoticed)]
    assert (drifts[-1].official, drifts[-1].indicative, drifts[-1].drifting) == (Grade.A, Grade.C, True)
    assert after(taken_over()).streams["c1"].drift is None


def test_its_twelve_months_count_as_closed_months_since_activation() -> None:
    found = after(taken_over()).explained("c1")
    figures = next(limb for limb in found.limbs if limb.limb is LimbName.AGENT_A).figures
    assert figures
    assert (figures.months, figures.sum_fen, found.missing_months) == (12, 12 * A_MONTH, ())


@pytest.mark.parametrize(
    ("active_since", "months", "provisional"),
    [
        (date(2024, 3, 1), 12, False),
        (date(2026, 8, 1), 3, False),
        (date(2026, 8, 2), 2, True),  # August was not full
    ],
)
def test_months_count_from_the_day_on_which_it_became_active(
    active_since: date, months: int, *, provisional: bool
) -> None:
    found = after(taken_over(active_since=active_since)).explained("c1")
    assert (len(found.months), found.provisional) == (months, provisional)


def test_who_was_not_active_at_go_live_counts_from_its_activation() -> None:
    facts = taken_over(active_since=None, grade=None, graded_year=None)
    found = after(facts).explained("c1")
    assert [limb.reasons for limb in found.limbs if limb.limb is LimbName.AGENT_A] == [(Reason.NOT_ACTIVATED,)]
    activated = AgentActivated(
        customer="c1", qualification="q1", department="d1", agent=True, activated_on=date(2026, 10, 1)
    )
    found = after([*facts, recorded(activated, NOW)]).explained("c1")
    assert [counted.month for counted in found.months] == [Month(2026, 10)]


def test_where_no_grade_was_stated_the_rules_give_the_first_one_from_what_was_taken_over() -> None:
    service = after(taken_over(grade=None, graded_year=None))
    state = service.streams["c1"]
    assert (state.official, state.basis) == (Grade.A, "initial")
    assert state.official_explained
    assert state.official_explained.limb is LimbName.AGENT_A


def test_a_month_corrected_later_moves_the_indicative_grade_alone() -> None:
    correction = ContractVolumeCorrected(
        customer="c1", month=LAST, amount_fen=0, previous_fen=12 * A_MONTH, reason="重复计算"
    )
    for grade in ("A", None):
        stated = taken_over(months=0, grade=grade, graded_year=2025 if grade else None)
        facts = [*stated, reported("c1", LAST, 12 * A_MONTH, CONFIRMED, together=True)]
        before = after(facts)
        assert before.streams["c1"].indicative is Grade.A
        state = after([*facts, recorded(correction, NOW)]).streams["c1"]
        assert (state.official, state.indicative) == (before.streams["c1"].official, Grade.C)
        assert state.official is Grade.A


def test_a_dealer_keeps_what_it_came_with_too() -> None:
    state = after(taken_over(CustomerKind.DEALER, months=0, grade="C")).streams["c1"]
    assert (state.official, state.indicative, state.drift) == (Grade.C, Grade.B, (Grade.C, Grade.B))


@settings(max_examples=40, deadline=None)
@given(st.permutations(taken_over(months=3, fen=1)))
def test_a_take_over_ends_the_same_in_every_order(facts: list[RecordedFact[Any]]) -> None:
    one, other = after(facts), after(taken_over(months=3, fen=1))
    assert one.assigned("c1") == other.assigned("c1") == [(Grade.A, "taken_over")]
    assert one.explained("c1") == other.explained("c1")
    assert one.streams["c1"].official_explained == other.streams["c1"].official_explained


# --- merged ----------------------------------------------------------------------------------------------------------

YEAR = [Month(2025, 11) + back for back in range(12)]
JANUARY = start_of_day(date(2026, 1, 1))


def active(customer: str, day: date = date(2025, 11, 1)) -> RecordedFact[Any]:
    fact = AgentActivated(customer=customer, qualification="q", department="d1", agent=True, activated_on=day)
    return recorded(fact, JANUARY)


def merged(
    survivor: str, one: str, months: Iterable[tuple[Month, int]] = (), number: int = 0
) -> list[RecordedFact[Any]]:
    """Both copies of a merge."""
    volumes = tuple(MonthAmount(month=month, amount_fen=fen) for month, fen in months)
    return [
        recorded(
            CustomersMerged(
                customer=customer,
                survivor=survivor,
                merged=one,
                survivor_number=f"K-{survivor}",
                merged_number=f"K-{one}",
                merged_volumes=volumes,
                reason="同一营业执照",
                proposed_by="zhao",
                merged_by="market",
            ),
            NOW + timedelta(minutes=number),
            number=number,
        )
        for customer in (survivor, one)
    ]


def unmerged(survivor: str, one: str, number: int = 0) -> list[RecordedFact[Any]]:
    return [
        recorded(
            CustomersUnmerged(customer=customer, survivor=survivor, merged=one, reason="误并", undone_by="market"),
            NOW + timedelta(minutes=number),
            number=number,
        )
        for customer in (survivor, one)
    ]


def incident(customer: str, name: str) -> RecordedFact[Any]:
    fact = CreditIncidentRecorded(
        incident=name,
        customer=customer,
        occurred_on=date(2026, 6, 1),
        description="逾期",
        evidence="催款函",
        recorded_by="fin",
    )
    return recorded(fact, NOW)


def resolved(customer: str, name: str) -> RecordedFact[Any]:
    fact = CreditIncidentResolved(incident=name, customer=customer, resolved_on=date(2026, 7, 1), evidence="已付")
    return recorded(fact, NOW)


def agent(customer: str, fen: int, months: Sequence[Month] = YEAR) -> list[RecordedFact[Any]]:
    """An agent that has contracted so much a month for a year."""
    return [
        registered(customer, CustomerKind.PROVINCIAL_AGENT, JANUARY),
        active(customer),
        *(reported(customer, month, fen, NOW) for month in months),
    ]


HALF = A_MONTH // 2
TWO = [*agent("s", HALF), *agent("m", HALF)]


def test_volumes_of_both_count_for_one_grade() -> None:
    assert after(TWO).streams["s"].indicative is Grade.C
    service = after([*TWO, *merged("s", "m", [(month, HALF) for month in YEAR])])
    found = service.explained("s")
    assert (found.grade, found.limb) == (Grade.A, LimbName.AGENT_A)
    assert {counted.amount_fen for counted in found.months} == {A_MONTH}
    state = service.streams["s"]
    assert (state.official, state.indicative, state.drift) == (Grade.C, Grade.A, (Grade.C, Grade.A))


def test_months_that_were_the_same_contracts_do_not_add_up() -> None:
    """The registry leaves them out of `merged_volumes`: grading takes what stands there, and nothing else."""
    service = after([*TWO, *merged("s", "m", [(month, HALF) for month in YEAR[:-1]])])
    assert [counted.amount_fen for counted in service.explained("s").months][-1] == HALF
    assert service.streams["s"].indicative is Grade.B


def test_what_the_survivor_reports_later_is_added_to_what_was_merged() -> None:
    merge = merged("s", "m", [(month, HALF) for month in YEAR])
    correction = ContractVolumeCorrected(
        customer="s", month=YEAR[-1], amount_fen=HALF - 1, previous_fen=HALF, reason="更正"
    )
    found = after([*TWO, *merge, recorded(correction, NOW)]).explained("s")
    assert (found.grade, found.missing and found.missing.short_fen) == (Grade.B, 1)


def test_bad_credit_of_either_bars_and_is_lifted_for_both() -> None:
    merge = merged("s", "m", [(month, HALF) for month in YEAR])
    for facts in ([*TWO, incident("m", "i1"), *merge], [*TWO, *merge, incident("m", "i1")]):
        found = after(facts).explained("s")
        assert (found.grade, [one.incident for one in found.incidents]) == (Grade.C, ["i1"])
        (one,) = after([*facts, resolved("m", "i1")]).explained("s").incidents
        assert one.resolved_on == date(2026, 7, 1)


def test_months_count_from_whichever_was_active_first() -> None:
    facts = [registered("s", CustomerKind.PROVINCIAL_AGENT, JANUARY), *agent("m", A_MONTH)]
    service = after([*facts, *merged("s", "m", [(month, A_MONTH) for month in YEAR])])
    assert (len(service.explained("s").months), service.streams["s"].indicative) == (12, Grade.A)


def test_nothing_more_is_said_of_the_merged_one_and_time_passes_it_by() -> None:
    service = after([*TWO, *merged("s", "m")])
    told = len(service.told)
    service.hear(incident("m", "i1"))
    assert not [fact for fact in service.told[told:] if fact.published]
    assert not review(service.streams["m"], CONTEXT).facts


def test_undone_each_has_its_own_again() -> None:
    merge = merged("s", "m", [(month, HALF) for month in YEAR])
    before, service = after(TWO), after([*TWO, *merge, incident("m", "i1"), *unmerged("s", "m", 1)])
    assert service.explained("s") == before.explained("s")
    state = service.streams["s"]
    assert (state.official, state.indicative, state.drift) == (Grade.C, Grade.C, None)
    assert [one.incident for one in service.explained("m").incidents] == ["i1"]
    assert service.streams["m"].reviewed
    assert service.streams["m"].reviewed.next_review


def test_a_merge_changes_no_official_grade() -> None:
    service = after([*TWO, *merged("s", "m", [(month, HALF) for month in YEAR]), *unmerged("s", "m", 1)])
    assert service.assigned("s") == service.assigned("m") == [(Grade.C, "initial")]


THREE = [*TWO, *agent("x", HALF)]
#: x goes into m, m into s, and with "undone" m out again.
CHAIN = [
    *merged("m", "x", [(month, HALF) for month in YEAR], 1),
    *merged("s", "m", [(month, 2 * HALF) for month in YEAR], 2),
]


def test_who_was_merged_before_comes_with_it_and_counts_once() -> None:
    service = after([*THREE, incident("x", "i1"), *CHAIN])
    found = service.explained("s")
    assert {counted.amount_fen for counted in found.months} == {3 * HALF}
    assert [one.incident for one in found.incidents] == ["i1"]
    undone = after([*THREE, incident("x", "i1"), *CHAIN, *unmerged("s", "m", 3)])
    assert {counted.amount_fen for counted in undone.explained("m").months} == {2 * HALF}
    assert {counted.amount_fen for counted in undone.explained("s").months} == {HALF}
    assert undone.explained("s").incidents == ()


Ending = Literal["merged", "undone", "merged again"]


@settings(max_examples=40, deadline=None)
@given(data=st.data(), ending=st.sampled_from(["merged", "undone", "merged again"]))
def test_whichever_fact_comes_first_the_end_is_the_same(data: st.DataObject, ending: Ending) -> None:
    """Every customer's facts of one topic come in their order; customers, topics and the own log come as they like."""
    three = [fact for customer in ("s", "m", "x") for fact in agent(customer, HALF, YEAR[-2:])]
    facts = [*three, incident("m", "i1"), *CHAIN, incident("x", "i2"), resolved("x", "i2")]
    if ending != "merged":
        facts += unmerged("s", "m", 3)
    if ending == "merged again":
        facts += [*unmerged("m", "x", 4), *merged("s", "x", [(month, HALF) for month in YEAR], 5)]
    vetting = (AgentActivated, CreditIncidentRecorded, CreditIncidentResolved)
    queues: dict[Any, list[RecordedFact[Any]]] = {}
    for fact in facts:
        queues.setdefault((fact.key, isinstance(fact.fact, vetting)), []).append(fact)
    service = Service()
    for queue in data.draw(st.permutations([key for key, waiting in queues.items() for _ in waiting])):
        service.hear(queues[queue].pop(0))
        service.go_on(data.draw(st.integers(0, 2)))
    service.go_on()
    expected = after(facts)
    for customer in ("s", "m", "x"):
        state, wanted = service.streams[customer], expected.streams[customer]
        assert state.lineage.kin == wanted.lineage.kin
        assert (state.official, state.official_explained) == (wanted.official, wanted.official_explained)
        if not wanted.lineage.merged_into:
            assert service.explained(customer) == expected.explained(customer)
            assert (state.indicative, state.drift, state.reviewed) == (
                wanted.indicative,
                wanted.drift,
                wanted.reviewed,
            )
