"""A salesperson leaves (R4.6): read-only at once, every customer handed over and told, cleared when all is done."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime, timedelta
from functools import partial
from itertools import count
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from kehu import calendar
from kehu.contracts.customers import CustomersMerged, OwnerAssigned
from kehu.contracts.messages import MessageDelivered, MessageFailed
from kehu.contracts.staff import (
    DepartureCancelled,
    DepartureCleared,
    DepartureStarted,
    HandoverNoticeDue,
    HandoverProved,
    Role,
    StaffAccessEnded,
    StepEscalated,
    SuccessorAccepted,
    SuccessorDeclined,
    SuccessorProposed,
)
from kehu.deciding import Actor, Context, Decision, Grant, Mandate, system_actor
from kehu.errors import Forbidden, Invalid, KehuError, NotFound
from kehu.facts import Fact, RecordedFact
from kehu.ids import new_id
from kehu_customer_registry.departures import decisions, handovers, proofs
from kehu_customer_registry.departures.decisions import Beginning, MoveWork, OpenThing, StartDeparture, StillOpen
from kehu_customer_registry.departures.facts import DEPARTURES, HANDOVERS
from kehu_customer_registry.departures.proofs import AttemptNotice, ProveNotice
from kehu_customer_registry.dossiers import changes, closing, merging
from kehu_customer_registry.dossiers import decisions as dossiers
from kehu_customer_registry.dossiers.changes import AssignOwner
from kehu_customer_registry.dossiers.closing import CloseCustomer, ReopenCustomer
from kehu_customer_registry.dossiers.decisions import DraftDossier
from kehu_customer_registry.dossiers.facts import DOSSIERS
from kehu_customer_registry.dossiers.finding import decide_with_people
from kehu_customer_registry.dossiers.merging import Pair, ProposeMerge, ProposeUndo
from kehu_customer_registry.staff import decisions as staff
from kehu_customer_registry.staff.decisions import RolePost, Surroundings
from kehu_customer_registry.staff.facts import STAFF, Department
from kehu_customer_registry.testing import EAST, NOW, POLICIES, WEST, Company, archived, close_free

TODAY = date(2026, 11, 24)
LAST_DAY = TODAY + timedelta(days=10)
LZ = "l-1"
NOTIFIER = system_actor("customer-registry", "note-notice-delivery")


def company(*customers: str) -> Company:
    """Sales, who owns the customers, with colleagues, a manager, HR; in another department two more."""
    here = Company()
    here.employ("sales", (Role.SALESPERSON, EAST))
    here.employ("helper", (Role.SALESPERSON, EAST))
    here.employ("other", (Role.SALESPERSON, EAST))
    here.employ("manager", (Role.DEPT_MANAGER, EAST))
    here.employ("westie", (Role.SALESPERSON, WEST))
    here.employ("wanda", (Role.DEPT_MANAGER, WEST))
    here.employ("hr", (Role.HR, None))
    here.employ("hr2", (Role.HR, None))
    here.employ("gao", (Role.GENERAL_MANAGER, None))
    here.employ("admin", (Role.ADMIN, None))
    here.employ("market", (Role.MARKET_DEPT, None))
    for customer in customers or ("c-1",):
        facts = [fact.model_copy(update={"customer": customer}) for fact in archived().facts]
        here.record(DOSSIERS, customer, *facts)
    return here


def owned_by(here: Company, person: str) -> tuple[str, ...]:
    names = [stream.removeprefix("customer-") for stream in here.facts if stream.startswith("customer-")]
    found = {name: here.state(DOSSIERS, name) for name in names}
    return tuple(name for name, one in found.items() if one.owner == person and one.merged_into is None)


def merged_among(here: Company, customers: Iterable[str]) -> frozenset[str]:
    return frozenset(name for name in customers if here.state(DOSSIERS, name).merged_into is not None)


def start(
    here: Company,
    by: str = "hr",
    person: str = "sales",
    last_day: date = LAST_DAY,
    departure: str = LZ,
    admins: int = 3,
) -> list[Any]:
    begin = Beginning(departure, f"LZ-{departure}", admins, owned_by(here, person))
    command = StartDeparture(person=person, last_day=last_day, reason="辞职")
    things = [(DEPARTURES, departure), (STAFF, person)]
    return here.do(partial(decisions.start_departure, command), here.actor(by), things, begin)


def on_scene(
    here: Company, decide: Callable[..., Any], by: str, successor: str = "helper", customer: str = "c-1", who: str = LZ
) -> list[Any]:
    leaver = here.state(DEPARTURES, who).person
    things = [(DEPARTURES, who), (HANDOVERS, customer), (DOSSIERS, customer), (STAFF, leaver), (STAFF, successor)]
    return here.do(decide, here.actor(by), things)


def on_notice(here: Company, decide: Callable[..., Any], by: str, customer: str = "c-1") -> list[Any]:
    return here.do(decide, here.actor(by), [(DEPARTURES, LZ), (HANDOVERS, customer)])


def clear(here: Company, by: str = "hr", *things: OpenThing) -> list[Any]:
    departure = here.state(DEPARTURES, LZ)
    names = sorted({*departure.owned, *owned_by(here, departure.person)})
    open_ = StillOpen(
        owned_by(here, departure.person),
        things,
        {name: here.state(HANDOVERS, name).within(LZ) for name in names},
    )
    return here.do(decisions.clear_departure, here.actor(by), [(DEPARTURES, LZ), (STAFF, departure.person)], open_)


def move_work(here: Company, *things: OpenThing, by: str = "manager", to: str = "helper") -> list[Any]:
    decide = partial(decisions.move_work, MoveWork("visit", "v-1", "请补记"))
    return here.do(decide, here.actor(by), [(DEPARTURES, LZ), (STAFF, "sales"), (STAFF, to)], things)


def end_access(here: Company, person: str = "sales") -> list[Any]:
    def fire(states: Sequence[Any], context: Context) -> Sequence[Decision]:
        return [decisions.end_access(person, here.now, states[0], context)]

    return here.do(fire, system_actor("customer-registry", "schedule:access-ends"), [(STAFF, person)])


def handed_over(here: Company, customer: str = "c-1") -> None:
    on_scene(here, handovers.propose_successor, "manager", customer=customer)
    on_scene(here, handovers.accept_successor, "helper", customer=customer)


CALLED = ProveNotice(proof="call", remark="电话告知王总")


def refusal(code: str, act: Callable[..., Any], *arguments: Any, **named: Any) -> KehuError:
    with pytest.raises(KehuError) as refused:
        act(*arguments, **named)
    assert refused.value.problem_code == code, refused.value
    assert refused.value.clause
    return refused.value


# --- starting --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("by", ["hr", "manager", "gao"])
def test_hr_or_the_manager_starts_a_departure_and_it_holds_at_once(by: str) -> None:
    here = company()
    opened, started = start(here, by)
    assert opened.owned == ("c-1",)
    assert started == DepartureStarted(
        person="sales", last_day=LAST_DAY, departure=LZ, number="LZ-l-1", department=EAST, started_by=by
    )
    assert here.actor("sales").departing
    refusal("leaving", start, here, departure="l-2")


@pytest.mark.parametrize("by", ["sales", "helper", "wanda", "admin"])
def test_nobody_else_starts_one(by: str) -> None:
    refusal("not-the-manager", start, company(), by)


def test_hr_does_not_start_their_own_departure_but_another_does() -> None:
    refusal("not-the-manager", start, company(), "hr", "hr")
    assert start(company(), "hr2", "hr")


def test_the_last_day_is_not_over_and_two_admins_remain() -> None:
    refusal("last-day-over", start, company(), last_day=TODAY - timedelta(days=1))
    refusal("too-few-admins", start, company(), person="admin", admins=2)
    refusal("not-appointed", start, company(), person="nobody")


def test_who_stays_has_their_rights_again() -> None:
    here = company()
    start(here)
    cancel = partial(decisions.cancel_departure, "留任")
    (cancelled,) = here.do(cancel, here.actor("hr"), [(DEPARTURES, LZ), (STAFF, "sales")])
    assert isinstance(cancelled, DepartureCancelled)
    assert not here.actor("sales").departing
    refusal("departure-not-running", here.do, cancel, here.actor("hr"), [(DEPARTURES, LZ), (STAFF, "sales")])
    assert start(here, departure="l-2")


# --- handing over ----------------------------------------------------------------------------------------------------


def test_a_successor_is_proposed_accepts_and_owns_the_customer_which_is_then_told() -> None:
    here = company()
    start(here)
    (proposed,) = on_scene(here, handovers.propose_successor, "manager")
    assert isinstance(proposed, SuccessorProposed)
    assert (proposed.successor, proposed.due_on) == ("helper", TODAY + timedelta(days=3))
    accepted, due, assigned = on_scene(here, handovers.accept_successor, "helper")
    assert isinstance(accepted, SuccessorAccepted)
    assert isinstance(due, HandoverNoticeDue)
    assert assigned == OwnerAssigned(customer="c-1", owner="helper", previous_owner="sales", department=EAST)
    assert here.state(DOSSIERS, "c-1").owner == "helper"


@pytest.mark.parametrize("by", ["sales", "helper", "wanda", "hr"])
def test_only_the_manager_proposes(by: str) -> None:
    here = company()
    start(here)
    with pytest.raises(Forbidden):
        on_scene(here, handovers.propose_successor, by)


def test_a_delegate_proposes_for_the_manager_but_not_the_leaver_or_for_the_leaver() -> None:
    here = company()
    start(here)
    wanda = here.actor("wanda")
    mandate = Mandate("d", "manager", frozenset({"departure:assign"}), (Grant("dept_manager", EAST),))
    things = [(DEPARTURES, LZ), (HANDOVERS, "c-1"), (DOSSIERS, "c-1"), (STAFF, "sales"), (STAFF, "helper")]
    (proposed,) = here.do(handovers.propose_successor, Actor("wanda", wanda.grants, mandates=(mandate,)), things)
    assert isinstance(proposed, SuccessorProposed)
    assert (proposed.proposed_by, proposed.on_behalf_of) == ("wanda", "manager")
    other = company()
    start(other, "gao", "manager", departure=LZ)
    manager_leaves = Actor("wanda", wanda.grants, mandates=(mandate,))
    with pytest.raises(Forbidden):
        other.do(handovers.propose_successor, manager_leaves, [*things[:3], (STAFF, "manager"), things[4]])


@pytest.mark.parametrize(
    ("successor", "code"),
    [("westie", "salesperson-unknown"), ("hr", "salesperson-unknown"), ("nobody", "salesperson-unknown")],
)
def test_a_successor_sells_in_the_customers_department(successor: str, code: str) -> None:
    here = company()
    start(here)
    refusal(code, on_scene, here, handovers.propose_successor, "manager", successor)


def test_nothing_is_handed_to_somebody_who_is_leaving_not_even_between_proposal_and_acceptance() -> None:
    here = company()
    start(here)
    start(here, "hr", "other", departure="l-2")
    refusal("leaving", on_scene, here, handovers.propose_successor, "manager", "other")
    on_scene(here, handovers.propose_successor, "manager")
    start(here, "hr", "helper", departure="l-3")
    refusal("departing", on_scene, here, handovers.accept_successor, "helper")
    here.now += timedelta(days=4)
    refusal("leaving", on_scene, here, handovers.accept_successor, "manager")
    assert here.state(DOSSIERS, "c-1").owner == "sales"


def test_the_manager_confirms_once_the_days_are_over_and_not_before() -> None:
    here = company()
    start(here)
    on_scene(here, handovers.propose_successor, "manager")
    here.now += timedelta(days=3)
    refusal("answer-not-due", on_scene, here, handovers.accept_successor, "manager")
    here.now += timedelta(days=1)
    accepted, *_ = on_scene(here, handovers.accept_successor, "manager")
    assert (accepted.accepted_by, accepted.successor) == ("manager", "helper")


def test_who_declines_leaves_the_customer_with_its_owner_until_somebody_else_accepts() -> None:
    here = company()
    start(here)
    on_scene(here, handovers.propose_successor, "manager")
    (declined,) = on_scene(here, partial(handovers.decline_successor, "客户太多"), "helper")
    assert isinstance(declined, SuccessorDeclined)
    refusal("no-proposal", on_scene, here, handovers.accept_successor, "helper")
    on_scene(here, handovers.propose_successor, "manager", "other")
    on_scene(here, handovers.accept_successor, "other", "other")
    assert here.state(DOSSIERS, "c-1").owner == "other"


def test_a_leaving_collaborator_is_replaced_and_nobody_has_to_be_told() -> None:
    here = company()
    here.record(
        DOSSIERS, "c-1", OwnerAssigned(customer="c-1", owner="other", department=EAST, collaborators=("sales",))
    )
    start(here)
    (proposed,) = on_scene(here, handovers.propose_successor, "manager")
    assert proposed.collaborator
    accepted, assigned = on_scene(here, handovers.accept_successor, "helper")
    assert accepted.collaborator
    assert (assigned.owner, assigned.previous_owner, assigned.collaborators) == ("other", None, ("helper",))
    assert here.state(HANDOVERS, "c-1").is_complete


def test_a_customer_given_away_meanwhile_is_taken_in_with_its_new_owner_and_told() -> None:
    here = company()
    start(here)
    here.record(DOSSIERS, "c-1", OwnerAssigned(customer="c-1", owner="other", previous_owner="sales", department=EAST))
    refusal("not-the-leavers", on_scene, here, handovers.propose_successor, "manager", "helper")
    accepted, due = on_scene(here, handovers.propose_successor, "manager", "other")
    assert (accepted.accepted_by, accepted.successor) == ("manager", "other")
    assert isinstance(due, HandoverNoticeDue)


def test_a_customer_that_is_none_of_theirs_is_not_handed_over() -> None:
    here = company("c-1", "c-2")
    here.record(DOSSIERS, "c-2", OwnerAssigned(customer="c-2", owner="other", department=EAST))
    start(here)
    refusal("not-the-leavers", on_scene, here, handovers.propose_successor, "manager", customer="c-2")


def test_the_leaver_writes_notes_and_nobody_else() -> None:
    here = company()
    start(here)
    write = partial(handovers.write_notes, "每月 5 日对账")
    (written,) = on_scene(here, write, "sales")
    assert (written.text, written.written_by) == ("每月 5 日对账", "sales")
    assert on_scene(here, write, "sales") == []
    with pytest.raises(Forbidden):
        on_scene(here, write, "helper")


def test_nothing_is_assigned_to_somebody_whose_departure_has_started_meanwhile() -> None:
    here = company()
    manager = here.actor("manager")
    stale = here.actor("sales")  # looked up before the departure started
    start(here)
    assign = partial(changes.assign_owner, AssignOwner("sales", ()))
    here.record(DOSSIERS, "c-1", OwnerAssigned(customer="c-1", owner="other", department=EAST))
    with pytest.raises(NotFound):
        here.do(partial(decide_with_people, assign, ["sales"]), manager, [(DOSSIERS, "c-1"), (STAFF, "sales")])
    draft = partial(dossiers.draft_dossier, DraftDossier("c-9", "K000009", EAST, {"name": "某某公司"}))
    found = refusal(
        "leaving", here.do, partial(decide_with_people, draft, ["sales"]), stale, [(DOSSIERS, "c-9"), (STAFF, "sales")]
    )
    assert found.clause == "R4.6"


# --- proof of notice -------------------------------------------------------------------------------------------------


def recorded(fact: Fact) -> RecordedFact[Any]:
    at = NOW
    return RecordedFact(fact, new_id(), "", 1, 1, "", "", "", "", new_id(), None, at, at)


def react(here: Company, decide: Callable[..., Decision], cause: RecordedFact[Any]) -> list[Fact]:
    def on_one(states: Sequence[Any], context: Context) -> Sequence[Decision]:
        return [decide(cause, states[0], context)]

    return here.do(on_one, NOTIFIER, [(HANDOVERS, "c-1")])


@pytest.mark.parametrize("receipt_first", [True, False])
def test_a_delivery_receipt_is_the_proof_in_whichever_order_it_comes(receipt_first: bool) -> None:  # noqa: FBT001 - a case
    here = company()
    start(here)
    handed_over(here)
    due = recorded(HandoverNoticeDue(departure=LZ, customer="c-1", leaver="sales", successor="helper", department=EAST))
    receipt = recorded(
        MessageDelivered(message="m-1", customer="c-1", channel="sms", template=proofs.TEMPLATE, cause=str(due.id))
    )
    steps = [(proofs.note_delivery, receipt), (proofs.link_notice, due)]
    for decide, cause in steps if receipt_first else reversed(steps):
        react(here, decide, cause)
    proved = here.facts["handover-c-1"][-1]
    assert isinstance(proved, HandoverProved)
    assert (proved.proof, proved.evidence) == ("delivery", "m-1")
    assert react(here, proofs.note_delivery, receipt) == []


def test_a_receipt_of_another_notice_proves_nothing() -> None:
    here = company()
    start(here)
    handed_over(here)
    due = recorded(HandoverNoticeDue(departure=LZ, customer="c-1", leaver="sales", successor="helper", department=EAST))
    react(here, proofs.link_notice, due)
    stray = MessageDelivered(message="m", customer="c-1", channel="sms", template=proofs.TEMPLATE, cause=str(new_id()))
    react(here, proofs.note_delivery, recorded(stray))
    assert here.state(HANDOVERS, "c-1").proof is None


def test_a_letter_has_its_digest_and_a_call_is_somebody_elses() -> None:
    here = company()
    start(here)
    handed_over(here)
    letter = ProveNotice(proof="letter", remark="签收回执")
    refusal("digest-missing", on_notice, here, partial(proofs.prove_notice, letter), "helper")
    with pytest.raises(Forbidden):
        on_notice(here, partial(proofs.prove_notice, CALLED), "sales")
    with pytest.raises(Forbidden):
        on_notice(here, partial(proofs.prove_notice, CALLED), "westie")
    signed = letter.model_copy(update={"file_digest": "a" * 64})
    (proved,) = on_notice(here, partial(proofs.prove_notice, signed), "helper")
    assert (proved.proof, proved.evidence) == ("letter", f"{'a' * 64} 签收回执")
    refusal("already-proved", on_notice, here, partial(proofs.prove_notice, CALLED), "helper")


def test_nothing_is_proved_before_the_successor_has_accepted() -> None:
    here = company()
    start(here)
    on_scene(here, handovers.propose_successor, "manager")
    refusal("notice-not-due", on_notice, here, partial(proofs.prove_notice, CALLED), "helper")


def test_the_manager_waives_the_proof_after_two_failed_attempts() -> None:
    here = company()
    start(here)
    handed_over(here)
    waive = partial(proofs.waive_notice, "客户已停业,电话停机")
    refusal("too-few-attempts", on_notice, here, waive, "manager")
    failed = AttemptNotice(method="call", remark="无人接听")
    on_notice(here, partial(proofs.attempt_notice, failed), "helper")
    refusal("too-few-attempts", on_notice, here, waive, "manager")
    due = recorded(HandoverNoticeDue(departure=LZ, customer="c-1", leaver="sales", successor="helper", department=EAST))
    react(here, proofs.link_notice, due)
    undelivered = MessageFailed(
        message="m-1", customer="c-1", channel="sms", reason="停机", template=proofs.TEMPLATE, cause=str(due.id)
    )
    react(here, proofs.note_failure, recorded(undelivered))
    assert react(here, proofs.note_failure, recorded(undelivered)) == []  # told twice, counted once
    with pytest.raises(Forbidden):
        on_notice(here, waive, "helper")
    (waived,) = on_notice(here, waive, "manager")
    assert (waived.proof, waived.proved_by) == ("waived", "manager")


# --- clearing, and the end of access ---------------------------------------------------------------------------------


def test_clearance_names_everything_that_is_open_and_is_given_once_nothing_is() -> None:
    here = company("c-1", "c-2", "c-3")
    start(here)
    handed_over(here, "c-2")
    on_scene(here, handovers.propose_successor, "manager", customer="c-3")
    visit = OpenThing("visit", "v-1", "c-1")
    found = refusal("departure-open", clear, here, "hr", visit)
    assert found.evidence["customers"] == {
        "c-1": "successor-missing",
        "c-2": "proof-missing",
        "c-3": "successor-unanswered",
    }
    assert found.evidence["things"] == [{"kind": "visit", "thing": "v-1", "customer": "c-1"}]
    assert "v-1" in found.zh
    handed_over(here, "c-1")
    on_scene(here, handovers.accept_successor, "helper", customer="c-3")
    for customer in ("c-1", "c-2", "c-3"):
        on_notice(here, partial(proofs.prove_notice, CALLED), "helper", customer)
    refusal("departure-open", clear, here, "hr", visit)
    (moved,) = move_work(here, visit)
    assert (moved.kind, moved.thing, moved.customer, moved.to) == ("visit", "v-1", "c-1", "helper")
    assert move_work(here, visit) == []  # said twice, told once
    settled, cleared = clear(here, "hr", visit)
    assert settled.customers == ("c-1", "c-2", "c-3")
    assert cleared == DepartureCleared(person="sales", departure=LZ, number="LZ-l-1", cleared_by="hr")
    refusal("departure-not-running", clear, here)


def test_open_work_goes_to_somebody_who_stays() -> None:
    here = company("c-1")
    start(here)
    visit = OpenThing("visit", "v-1", "c-1")
    for by in ("sales", "helper", "hr"):
        refusal("not-the-manager" if by != "sales" else "departing", move_work, here, visit, by=by)
    refusal("thing-unknown", move_work, here)
    refusal("not-appointed", move_work, here, visit, to="nobody")
    start(here, person="helper", departure="l-2")
    refusal("leaving", move_work, here, visit)
    with pytest.raises(Invalid):
        decisions.check_other("sales", here.state(DEPARTURES, LZ))
    assert move_work(here, visit, by="gao", to="manager")


def test_a_dossier_that_belongs_to_another_one_by_now_is_handed_to_nobody() -> None:
    here = company("c-1", "c-2")
    start(here)
    on_scene(here, handovers.propose_successor, "manager", customer="c-2")
    merged = CustomersMerged(
        customer="c-2", survivor="c-1", merged="c-2", survivor_number="K1", merged_number="K2", reason="x",
        proposed_by="market", merged_by="manager",
    )  # fmt: skip
    here.record(DOSSIERS, "c-2", merged)
    refusal("dossier-status", on_scene, here, handovers.accept_successor, "helper", customer="c-2")
    refusal("dossier-status", on_scene, here, handovers.propose_successor, "manager", customer="c-2")
    here.now += timedelta(days=11)
    end_access(here)
    for customer, passed in (("c-1", True), ("c-2", False)):
        things = [(DEPARTURES, LZ), (HANDOVERS, customer), (DOSSIERS, customer), (STAFF, "sales"), (STAFF, "manager")]
        assert bool(here.do(handovers.pass_to_manager, NOTIFIER, things)) is passed


def test_what_was_merged_into_another_dossier_is_handed_over_with_that_one() -> None:
    """Guard: `StillOpen.merged`; a dossier that takes no commands any more would bar the clearance for ever."""
    here = company("c-1", "c-2")
    start(here)
    departure = here.state(DEPARTURES, LZ)
    assert [name for name, _ in decisions.lacks(departure, StillOpen())] == ["c-1", "c-2"]
    assert [name for name, _ in decisions.lacks(departure, StillOpen(merged=frozenset({"c-2"})))] == ["c-1"]


@pytest.mark.parametrize("by", ["sales", "manager", "gao", "helper"])
def test_hr_clears_and_nobody_else(by: str) -> None:
    here = company()
    start(here)
    with pytest.raises(Forbidden):
        clear(here, by)


def test_access_ends_at_24_oclock_of_the_last_day_whatever_is_open_and_the_rest_passes_to_the_manager() -> None:
    here = company()
    start(here)
    here.now = datetime.combine(LAST_DAY, datetime.max.time(), calendar.SHANGHAI)
    assert end_access(here) == []
    assert not here.actor("sales").gone
    here.now = calendar.end_of_day(LAST_DAY)
    assert here.actor("sales").gone
    (ended,) = end_access(here)
    assert ended == StaffAccessEnded(person="sales", departure=LZ, number="LZ-l-1", cleared=False)
    assert end_access(here) == []
    system = system_actor("customer-registry", "departures")
    things = [(DEPARTURES, LZ), (HANDOVERS, "c-1"), (DOSSIERS, "c-1"), (STAFF, "sales"), (STAFF, "manager")]
    here.do(handovers.pass_to_manager, system, things)
    assert here.state(DOSSIERS, "c-1").owner == "manager"
    assert here.do(handovers.pass_to_manager, system, things) == []
    on_notice(here, partial(proofs.prove_notice, CALLED), "helper")
    assert clear(here)
    cancel = partial(decisions.cancel_departure, "返岗")
    refusal("departure-not-running", here.do, cancel, here.actor("hr"), [(DEPARTURES, LZ), (STAFF, "sales")])


def test_a_manager_who_leaves_frees_the_post() -> None:
    here = company()
    here.claims[staff.MANAGER_SCOPE, EAST] = "manager"
    start(here, "hr", "manager", TODAY)
    here.now = calendar.end_of_day(TODAY)
    end_access(here, "manager")
    assert (staff.MANAGER_SCOPE, EAST) not in here.claims


def test_a_successor_who_does_not_answer_is_told_of_to_the_manager() -> None:
    here = company()
    start(here)
    on_scene(here, handovers.propose_successor, "manager")
    schedule = handovers.PROPOSAL_UNANSWERED

    def fire() -> Any:
        actor = system_actor("customer-registry", "schedule")
        context = Context(actor, here.now, POLICIES)
        return list(schedule.fire("c-1", here.now, here.state(HANDOVERS, "c-1"), context).facts)

    assert fire() == []
    here.now = calendar.end_of_day(TODAY + timedelta(days=3))
    (told,) = fire()
    assert isinstance(told, StepEscalated)
    assert (told.thing, told.superior, told.since) == ("c-1", Role.DEPT_MANAGER, TODAY)
    on_scene(here, handovers.accept_successor, "helper")
    assert fire() == []


# --- whatever is tried -----------------------------------------------------------------------------------------------
CUSTOMERS = ("c-1", "c-2", "c-3")
SELLERS = ("sales", "helper", "other", "manager")
EVERYBODY = (*SELLERS, "westie", "wanda", "hr", "hr2", "gao", "admin", "market")
person_ = st.sampled_from(EVERYBODY)
customer_ = st.sampled_from(CUSTOMERS)


class Departures(RuleBasedStateMachine):
    """People leave, stay, hand over, prove, clear; days pass and access ends."""

    def __init__(self) -> None:
        super().__init__()
        self.here = company(*CUSTOMERS)
        self.names = count(1)
        self.departures: list[str] = []
        self.acted: list[tuple[Actor, list[Fact]]] = []

    def attempt(self, by: Actor, decide: Any, things: list[tuple[Any, str]], gathered: Any = None) -> list[Fact] | None:
        if by.gone:
            return None  # the platform refuses whoever has left before anything is decided
        facts = self.here.attempt(decide, by, things, gathered)
        self.acted.append((by, facts or []))
        return facts

    @rule(by=person_, who=person_, days=st.integers(-1, 6))
    def start(self, by: str, who: str, days: int) -> None:
        name = f"l-{next(self.names)}"
        day = calendar.today(self.here.now) + timedelta(days=days)
        begin = Beginning(name, name, 3, owned_by(self.here, who))
        command = StartDeparture(person=who, last_day=day, reason="离职")
        decide = partial(decisions.start_departure, command)
        if self.attempt(self.here.actor(by), decide, [(DEPARTURES, name), (STAFF, who)], begin):
            self.departures.append(name)

    def _pick(self, pick: int) -> Any:
        return self.here.state(DEPARTURES, self.departures[pick % len(self.departures)])

    @precondition(lambda self: self.departures)
    @rule(by=person_, pick=st.integers(0, 9))
    def cancel(self, by: str, pick: int) -> None:
        found = self._pick(pick)
        decide = partial(decisions.cancel_departure, "留任")
        self.attempt(self.here.actor(by), decide, [(DEPARTURES, found.id), (STAFF, found.person)])

    @precondition(lambda self: self.departures)
    @rule(
        by=person_,
        pick=st.integers(0, 9),
        customer=customer_,
        successor=st.sampled_from([*SELLERS, "westie"]),
        decide=st.sampled_from(
            [
                handovers.propose_successor,
                handovers.accept_successor,
                partial(handovers.decline_successor, "不便"),
                partial(handovers.write_notes, "说明"),
            ]
        ),
    )
    def hand_over(self, by: str, pick: int, customer: str, successor: str, decide: Any) -> None:
        found = self._pick(pick)
        asked = self.here.state(HANDOVERS, customer)
        if decide is not handovers.propose_successor and asked.departure == found.id and asked.successor:
            successor = asked.successor
        if successor == found.person:
            return
        things = [
            (DEPARTURES, found.id),
            (HANDOVERS, customer),
            (DOSSIERS, customer),
            (STAFF, found.person),
            (STAFF, successor),
        ]
        before = self.here.state(DOSSIERS, customer).owner
        leaving = self.here.state(STAFF, successor).leaving
        if self.attempt(self.here.actor(by), decide, things):
            owner = self.here.state(DOSSIERS, customer).owner
            assert owner == before or leaving is None  # nothing new for who is leaving

    @precondition(lambda self: self.departures)
    @rule(
        by=person_,
        pick=st.integers(0, 9),
        customer=customer_,
        decide=st.sampled_from(
            [
                partial(proofs.prove_notice, CALLED),
                partial(proofs.attempt_notice, AttemptNotice(method="call", remark="无人接听")),
                partial(proofs.waive_notice, "联系不上"),
            ]
        ),
    )
    def tell(self, by: str, pick: int, customer: str, decide: Any) -> None:
        found = self._pick(pick)
        self.attempt(self.here.actor(by), decide, [(DEPARTURES, found.id), (HANDOVERS, customer)])

    @precondition(lambda self: self.departures)
    @rule(by=st.sampled_from(["hr", "hr2", "gao", "sales"]), pick=st.integers(0, 9))
    def clear(self, by: str, pick: int) -> None:
        found = self._pick(pick)
        states = {name: self.here.state(HANDOVERS, name).within(found.id) for name in found.owned}
        merged = merged_among(self.here, found.owned)
        open_ = StillOpen(owned_by(self.here, found.person), (), states, merged)
        things = [(DEPARTURES, found.id), (STAFF, found.person)]
        if self.attempt(self.here.actor(by), decisions.clear_departure, things, open_):
            assert not owned_by(self.here, found.person)
            for name in found.owned - merged:
                handover = self.here.state(HANDOVERS, name)
                assert handover.departure == found.id
                assert handover.accepted_by is not None
                assert handover.proof is not None or not handover.notice_due

    @rule(
        by=person_,
        customer=customer_,
        decide=st.sampled_from(
            [
                partial(close_free, CloseCustomer("停业")),
                partial(closing.reopen_customer, ReopenCustomer("复业")),
                *(partial(changes.assign_owner, AssignOwner(owner, ())) for owner in SELLERS),
            ]
        ),
    )
    def keep(self, by: str, customer: str, decide: Any) -> None:
        """Close, reopen, or give to another owner, as routes do: with the people's own streams."""
        before = self.here.state(DOSSIERS, customer).owner
        owner: str = getattr(decide.args[0], "owner", before)
        leaving = self.here.state(STAFF, owner).leaving
        things = [(DOSSIERS, customer), (STAFF, owner)]
        if self.attempt(self.here.actor(by), partial(decide_with_people, decide, [owner]), things):
            assert self.here.state(DOSSIERS, customer).owner == before or leaving is None

    @rule(by=person_, survivor=customer_, merged=customer_)
    def propose(self, by: str, survivor: str, merged: str) -> None:
        """A merge, or the undoing of one."""
        if survivor == merged:
            return
        name = f"m-{next(self.names)}"

        def decide(states: Sequence[Any], context: Context) -> Sequence[Decision]:
            if merged in states[0].merged:
                return merging.propose_undo(ProposeUndo(name, "误并"), states[0], states[1], context)
            return merging.propose_merge(ProposeMerge(name, (), "同一家"), Pair(*states), context)

        self.attempt(self.here.actor(by), decide, [(DOSSIERS, survivor), (DOSSIERS, merged)])

    @rule(by=person_)
    def confirm(self, by: str) -> None:
        for survivor in CUSTOMERS:
            proposed = self.here.state(DOSSIERS, survivor).merge
            if proposed is not None:

                def decide(states: Sequence[Any], context: Context, merge: str = proposed.merge) -> Sequence[Decision]:
                    return merging.confirm_merge(merge, Pair(*states), context)

                things = [(DOSSIERS, survivor), (DOSSIERS, proposed.merged)]
                done = self.attempt(self.here.actor(by), decide, things)
                assert not (done and by == proposed.proposed_by), "two people"
        self._pass_on()  # who has left may be the owner of what a merge had put aside

    @rule(by=st.sampled_from(["admin", "gao"]), who=st.sampled_from(SELLERS))
    def grant(self, by: str, who: str) -> None:
        def decide(states: Sequence[Any], context: Context) -> Sequence[Decision]:
            return [staff.grant_role(RolePost(role=Role.VERIFIER, department=EAST), states[0], context)]

        leaving = self.here.state(STAFF, who).leaving
        around = Surroundings(Department(EAST, "东", "东"), admins=3)
        assert not (self.attempt(self.here.actor(by), decide, [(STAFF, who)], around) and leaving)

    @rule(days=st.integers(1, 3))
    def days_pass(self, days: int) -> None:
        self.here.now += timedelta(days=days)
        for who in EVERYBODY:
            if self.here.state(STAFF, who).has_left(calendar.today(self.here.now)):
                end_access(self.here, who)
        self._pass_on()

    def _pass_on(self) -> None:
        system = system_actor("customer-registry", "departures")
        for name in self.departures:
            found = self.here.state(DEPARTURES, name)
            for customer in CUSTOMERS:
                if found.person == "manager" and self.here.state(STAFF, "gao").leaving:
                    continue  # nobody is there to pass it to
                things = [
                    (DEPARTURES, name),
                    (HANDOVERS, customer),
                    (DOSSIERS, customer),
                    (STAFF, found.person),
                    (STAFF, "manager" if found.person != "manager" else "gao"),
                ]
                self.here.do(handovers.pass_to_manager, system, things)

    @invariant()
    def every_customer_has_an_owner_who_works_here_or_leaves_to_be_relieved(self) -> None:
        at_the_top = self.here.state(STAFF, "manager").at_work
        for customer in CUSTOMERS:
            dossier = self.here.state(DOSSIERS, customer)
            assert dossier.owner
            if dossier.merged_into is None:
                assert not (self.here.state(STAFF, dossier.owner).ended and at_the_top)

    @invariant()
    def who_is_leaving_records_nothing_but_notes(self) -> None:
        for actor, facts in self.acted:
            if actor.departing:
                assert {type(fact).__name__ for fact in facts} <= {"HandoverNotesWritten", "SuccessorDeclined"}
        self.acted.clear()


TestDepartures = Departures.TestCase
TestDepartures.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
