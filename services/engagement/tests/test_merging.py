"""Visits of customers that were merged (R4), and of those taken over at go-live (R4.3): whose, new or not, due."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kehu.calendar import SHANGHAI, Quarter
from kehu.contracts.customers import (
    CustomerKind,
    CustomerRegistered,
    CustomersMerged,
    CustomersUnmerged,
    CustomerTakenOver,
    IdentityKind,
)
from kehu.contracts.engagement import VisitLogged, VisitRecordOverdue
from kehu.contracts.vetting import AgentActivated
from kehu.deciding import Actor, Context, Decision, Grant, system_actor
from kehu.facts import Fact, RecordedFact
from kehu.ids import new_id
from kehu.lineage import MergedAway
from kehu.service import Done, Due
from kehu_engagement.visits import decisions
from kehu_engagement.visits.decisions import Colleague
from kehu_engagement.visits.facts import VISITS, CustomerVisits, RecordAwaited, TakenIn, VisitStatus
from kehu_engagement.visits.forms import CancelVisit, PlanVisit, RecordVisit
from kehu_engagement.visits.merging import ENGAGEMENT, move_out
from kehu_engagement.visits.overdue import F7_OVERDUE
from kehu_engagement.visits.policy import Visiting
from kehu_engagement.visits.reactions import REACTIONS
from kehu_engagement.visits.refusals import FirstVisitShort, VisitUnknown

NOW = datetime(2026, 11, 24, 9, 30, tzinfo=SHANGHAI)
QUARTER = Quarter.of(date(2026, 11, 24))
OWNER = Actor("lin", (Grant("salesperson", "east"),))
COLLEAGUES = {"lin": Colleague(marketing=True), "zhao": Colleague(marketing=True)}
CONTEXT = Context(OWNER, NOW, {"visiting": Visiting()}, COLLEAGUES)
SYSTEM = Context(system_actor("engagement", "test"), NOW, {"visiting": Visiting()})


def recorded(fact: Fact) -> RecordedFact[Any]:
    named: Any = fact
    return RecordedFact(
        fact, new_id(), f"visits-{named.customer}", 1, 1, named.customer, "x", "sun", "", new_id(), None, NOW, NOW
    )


@dataclass
class Service:
    """Engagement, with the streams of all customers, its own facts that it has still to react to, and what is due."""

    streams: dict[str, CustomerVisits] = field(default_factory=dict[str, CustomerVisits])
    waiting: list[RecordedFact[Any]] = field(default_factory=list[RecordedFact[Any]])
    due: dict[str, datetime] = field(default_factory=dict[str, datetime])

    def add(self, customer: str, decision: Decision) -> None:
        """What was decided on a customer's stream."""
        self.streams[customer] = VISITS.fold(list(decision.facts), self.of(customer))
        for fact in map(recorded, decision.facts):
            self.waiting += [fact] * any(one.on is type(fact.fact) for one in REACTIONS if one.source == ENGAGEMENT)
            plan = F7_OVERDUE.planned_by.get(type(fact.fact))
            match plan and plan(fact):
                case Due(key, at):
                    self.due[key] = at
                case Done(key):
                    self.due.pop(key, None)
                case _:
                    pass

    def of(self, customer: str) -> CustomerVisits:
        return self.streams.get(customer, CustomerVisits())

    def hear(self, fact: RecordedFact[Any]) -> None:
        """What the service does about a fact; its own ones wait for `go_on`."""
        for reaction in REACTIONS:
            if reaction.on is type(fact.fact):
                for customer in reaction.stream_ids(fact):
                    self.add(customer, reaction.decide(fact, self.of(customer), SYSTEM))

    def go_on(self, most: int | None = None) -> None:
        """Follow the own log, so many facts far."""
        while self.waiting and most != 0:
            self.hear(self.waiting.pop(0))
            most = None if most is None else most - 1

    def fall_due(self) -> list[VisitRecordOverdue]:
        """Everything that is planned is fired; what it says."""
        said: list[VisitRecordOverdue] = []
        for key in sorted(self.due):
            at, customer = self.due.pop(key), F7_OVERDUE.stream_id(key)
            decision = F7_OVERDUE.fire(key, at, self.of(customer), SYSTEM)
            self.add(customer, decision)
            said += [fact for fact in decision.facts if isinstance(fact, VisitRecordOverdue)]
        self.go_on()
        return said


def registered(customer: str, **other: Any) -> Fact:
    return CustomerRegistered(
        customer=customer,
        number=f"K-{customer}",
        name="远东商贸有限公司",
        kind=CustomerKind.DEALER,
        nature="limited",
        identity_kind=IdentityKind.USCC,
        identity="91110000600037341L",
        region="华东",
        department="east",
        owner="lin",
        registered_by="sun",
        **other,
    )


def merged(survivor: str, one: str) -> list[Fact]:
    return [
        CustomersMerged(
            customer=customer,
            survivor=survivor,
            merged=one,
            survivor_number=f"K-{survivor}",
            merged_number=f"K-{one}",
            reason="同一营业执照",
            proposed_by="sun",
            merged_by="market",
        )
        for customer in (survivor, one)
    ]


def unmerged(survivor: str, one: str) -> list[Fact]:
    return [
        CustomersUnmerged(customer=customer, survivor=survivor, merged=one, reason="误并", undone_by="market")
        for customer in (survivor, one)
    ]


def plan(customer: str, visit: str, state: CustomerVisits, visitors: tuple[str, ...] = ("lin", "zhao")) -> Decision:
    command = PlanVisit.model_validate(
        {"planned_on": NOW.date(), "visitors": list(visitors), "purpose": "介绍新品", "preparation": "样品两件"}
    )
    return decisions.plan_visit(visit, customer, command, state, CONTEXT)


RECORD = RecordVisit.model_validate(
    {"visited_at": NOW + timedelta(hours=1), "attendees": ["lin", "zhao"], "needs": "增订"}
)
LATER = Context(OWNER, NOW + timedelta(hours=2), {"visiting": Visiting()}, COLLEAGUES)


def record(customer: str, visit: str, state: CustomerVisits) -> Decision:
    return decisions.record_visit(visit, customer, RECORD, state, LATER)


def heard(*facts: Fact, service: Service | None = None) -> Service:
    found = service or Service()
    for fact in facts:
        found.hear(recorded(fact))
        found.go_on()
    return found


def visited() -> Service:
    """Of two customers, m has been visited, and is to be again; s is new."""
    service = heard(registered("s"), registered("m"))
    service.add("m", plan("m", "v-1", service.of("m")))
    service.add("m", record("m", "v-1", service.of("m")))
    service.add("m", plan("m", "v-2", service.of("m"), ("lin",)))
    return service


# --- merged ----------------------------------------------------------------------------------------------------------


def test_visits_of_both_count_for_the_survivor() -> None:
    service = visited()
    assert service.of("s").is_new
    state = heard(*merged("s", "m"), service=service).of("s")
    assert (state.is_new, state.made_in(QUARTER), state.open_count) == (False, 1, 1)
    assert state.last_visited_on == NOW.date()
    assert plan("s", "v-3", state, ("lin",)).facts  # not new: one may go


def test_commands_on_the_merged_one_are_refused_and_name_the_survivor() -> None:
    state = heard(*merged("s", "m"), service=visited()).of("m")
    for command in (
        lambda: plan("m", "v-3", state),
        lambda: record("m", "v-2", state),
        lambda: decisions.cancel_visit("v-2", "m", CancelVisit(reason="改期"), state, CONTEXT),
    ):
        with pytest.raises(MergedAway) as refused:
            command()
        assert refused.value.evidence == {"survivor": "s"}


def test_a_visit_planned_before_is_recorded_with_the_survivor_and_stays_there() -> None:
    service = heard(*merged("s", "m"), service=visited())
    assert service.of("s").origin_of("v-2") == "m"
    done = record("s", "v-2", service.of("s"))
    assert [fact.customer for fact in done.facts if isinstance(fact, VisitLogged)] == ["s"]
    service.add("s", done)
    service.add("m", move_out("v-2", "m", "s", service.of("m")))
    service.go_on()
    assert (service.of("s").made_in(QUARTER), service.of("s").open_count) == (2, 0)
    state = heard(*unmerged("s", "m"), service=service).of("m")
    assert (state.made_in(QUARTER), state.open_count) == (1, 0)
    assert state.visits["v-2"].status is VisitStatus.MOVED
    assert service.of("s").visits["v-2"].status is VisitStatus.LOGGED
    assert service.fall_due() == []


def test_a_record_that_is_missing_is_the_survivors_to_miss_once() -> None:
    service = heard(*merged("s", "m"), service=visited())
    assert [(fact.customer, fact.visit) for fact in service.fall_due()] == [("s", "v-2")]
    assert service.of("s").visits["v-2"].status is VisitStatus.OVERDUE
    assert service.fall_due() == []


def test_undone_each_has_its_own_again_and_what_is_open_falls_due_there() -> None:
    service = visited()
    before = {customer: service.of(customer) for customer in ("s", "m")}
    heard(*merged("s", "m"), service=service)
    service.fall_due()  # while it was merged: nothing more is planned for m
    heard(*unmerged("s", "m"), service=service)
    for customer in ("s", "m"):
        assert service.of(customer).visits == before[customer].visits
        assert service.of(customer).is_new == before[customer].is_new
    with pytest.raises(VisitUnknown):
        record("s", "v-2", service.of("s"))
    assert [(fact.customer, fact.visit) for fact in service.fall_due()] == [("m", "v-2")]


@settings(max_examples=40, deadline=None)
@given(data=st.data(), ending=st.sampled_from(["merged", "undone", "merged again"]))
def test_whichever_fact_comes_first_the_end_is_the_same(data: st.DataObject, ending: str) -> None:
    def facts(customer: str, of_vetting: Iterable[Fact] = ()) -> list[Fact]:
        return [registered(customer), *of_vetting]

    happened = [*merged("m", "x"), *merged("s", "m")]
    if ending != "merged":
        happened += unmerged("s", "m")
    if ending == "merged again":
        happened += [*unmerged("m", "x"), *merged("s", "x")]
    active = AgentActivated(
        customer="x", qualification="q", department="east", agent=True, activated_on=date(2026, 1, 1)
    )
    queues: dict[Any, list[Fact]] = {customer: facts(customer) for customer in ("s", "m", "x")}
    for fact in happened:
        named: Any = fact
        queues[named.customer].append(fact)
    queues["vetting"] = [active]
    start = heard(*(queues[customer].pop(0) for customer in ("s", "m", "x")))
    for customer in ("m", "x"):
        start.add(customer, plan(customer, f"v-{customer}", start.of(customer)))
        start.add(customer, record(customer, f"v-{customer}", start.of(customer)))
        start.add(customer, plan(customer, f"w-{customer}", start.of(customer)))
    one, other = (Service(dict(start.streams), list(start.waiting), dict(start.due)) for _ in range(2))
    heard(active, *happened, service=other)
    for queue in data.draw(st.permutations([key for key, waiting in queues.items() for _ in waiting])):
        one.hear(recorded(queues[queue].pop(0)))
        one.go_on(data.draw(st.integers(0, 3)))
    one.go_on()
    for customer in ("s", "m", "x"):
        state, wanted = one.of(customer), other.of(customer)
        assert (state.visits, state.relations, state.is_new) == (wanted.visits, wanted.relations, wanted.is_new)
        assert state.lineage.merged_into == wanted.lineage.merged_into
    open_ones = {
        (customer, visit)
        for customer in ("s", "m", "x")
        if not one.of(customer).lineage.merged_into
        for visit, found in one.of(customer).visits.items()
        if found.status is VisitStatus.PLANNED
    }
    assert {(fact.customer, fact.visit) for fact in one.fall_due()} == open_ones


def test_only_what_is_handed_over_open_falls_due() -> None:
    service = heard(*merged("s", "m"), service=visited())
    assert sorted(service.due) == ["m/v-2", "s/v-2"]
    taken = [fact for fact in service.of("s").lineage.kin if fact.name]
    assert len(taken) == 2
    assert {TakenIn, RecordAwaited} <= set(F7_OVERDUE.planned_by)


# --- taken over ------------------------------------------------------------------------------------------------------


def taken_over(**stated: Any) -> list[Fact]:
    return [
        registered("c", taken_over=True),
        CustomerTakenOver(customer="c", evidence_digest="e", proposed_by="lin", confirmed_by="sun", **stated),
    ]


def test_who_was_visited_before_is_not_new() -> None:
    state = heard(*taken_over(visited_on=date(2026, 9, 1))).of("c")
    assert (state.is_new, state.last_visited_on) == (False, date(2026, 9, 1))
    assert plan("c", "v-1", state, ("lin",)).facts


def test_who_was_not_taken_over_is_new() -> None:
    with pytest.raises(FirstVisitShort):
        plan("c", "v-1", heard(registered("c")).of("c"), ("lin",))


@pytest.mark.parametrize(
    ("active_since", "existing"),
    [(date(2024, 3, 1), True), (date(2026, 10, 1), True), (date(2026, 10, 2), False), (None, False)],
)
def test_an_existing_customer_was_active_when_the_quarter_began(active_since: date | None, *, existing: bool) -> None:
    state = heard(*taken_over(active_since=active_since)).of("c")
    assert state.is_existing(QUARTER) is existing
    assert state.is_existing(Quarter.of(date(2027, 1, 1))) is (active_since is not None)


def test_of_two_activations_the_first_counts_in_either_order() -> None:
    active = AgentActivated(
        customer="c", qualification="q", department="east", agent=True, activated_on=date(2026, 11, 1)
    )
    stated = taken_over(active_since=date(2024, 3, 1))
    for facts in ([*stated, active], [active, *stated]):
        assert heard(*facts).of("c").relation.active_since == date(2024, 3, 1)
