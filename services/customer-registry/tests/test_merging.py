"""Merging dossiers and undoing it; and whatever sequence of commands is tried on several dossiers (R4)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date
from functools import partial
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from kehu.calendar import Month
from kehu.contracts.customers import (
    ContractVolumeReported,
    CustomerChanged,
    CustomerKind,
    CustomerRegistered,
    CustomersMerged,
    CustomersUnmerged,
    CustomerTakenOver,
    IdentityKind,
    OwnerAssigned,
)
from kehu.deciding import Actor, Context, Decision
from kehu.errors import Forbidden, KehuError, NotFound, Refused
from kehu.event_store import Claim
from kehu.facts import Fact
from kehu_customer_registry.commitments.facts import COMMITMENTS, CommitmentHeard, Commitments, Heard
from kehu_customer_registry.dossiers import changes, closing, decisions, merging, relations, taking_over
from kehu_customer_registry.dossiers.changes import AssignOwner, ChangeDossier, DeclineChange, PassChange
from kehu_customer_registry.dossiers.closing import CloseCustomer, ReopenCustomer
from kehu_customer_registry.dossiers.decisions import DraftDossier, EditDossier, ReturnDossier, SalesForce, missing
from kehu_customer_registry.dossiers.facts import DOSSIERS, Dossier
from kehu_customer_registry.dossiers.merging import Pair, ProposeMerge, ProposeUndo, added_up
from kehu_customer_registry.dossiers.relations import AgreeToRelation, DeclineRelation, RequestRelation
from kehu_customer_registry.dossiers.taking_over import ProposeTakeOver
from kehu_customer_registry.testing import (
    AUDITOR,
    COMPLETE,
    EAST,
    FORCE,
    MANAGER,
    MARKET,
    NEW_PEOPLE,
    NOW,
    OTHER_USCC,
    POLICIES,
    SALES,
    SELLING_MANAGER,
    USCC,
    WEST_MANAGER,
    archived,
    close_free,
    person,
)
from kehu_customer_registry.volumes.facts import VOLUMES, Volumes

MARKET2 = person("market2", "market_dept", department=None)
SEPTEMBER, OCTOBER = Month(2026, 9), Month(2026, 10)
PROPOSE = ProposeMerge("m-1", (SEPTEMBER,), "同一营业执照")
UNDO = ProposeUndo("u-1", "误并")


def context(actor: Actor) -> Context:
    return Context(actor, NOW, POLICIES, FORCE)


def volumes(customer: str, **months: int) -> Volumes:
    found = {"september": SEPTEMBER, "october": OCTOBER}
    return VOLUMES.fold(
        [ContractVolumeReported(customer=customer, month=found[name], amount_fen=fen) for name, fen in months.items()]
    )


def pair(**other: Any) -> Pair:
    """Two archived dossiers."""
    survivor = archived().state
    merged = replace(survivor, customer="c-2", number="K000002")
    return replace(Pair(survivor, merged), **other)


def proposed(**other: Any) -> Pair:
    by = MARKET
    found = pair(**other)
    first, _ = merging.propose_merge(PROPOSE, found, context(by))
    return replace(found, survivor=DOSSIERS.fold(first.facts, found.survivor))


def confirmed(found: Pair, by: Actor = MARKET2) -> Pair:
    first, second = merging.confirm_merge("m-1", found, context(by))
    survivor, merged = DOSSIERS.fold(first.facts, found.survivor), DOSSIERS.fold(second.facts, found.merged)
    return replace(found, survivor=survivor, merged=merged)


def undo_proposed(found: Pair) -> Pair:
    first, second = merging.propose_undo(UNDO, found.survivor, found.merged, context(MARKET))
    assert not second.facts
    return replace(found, survivor=DOSSIERS.fold(first.facts, found.survivor))


def undone(found: Pair) -> Pair:
    """Taken apart by two people."""
    first, second = merging.confirm_merge("u-1", undo_proposed(found), context(MARKET2))
    assert [type(fact) for fact in (*first.facts, *second.facts)] == [CustomersUnmerged, CustomersUnmerged]
    survivor, merged = DOSSIERS.fold(first.facts, found.survivor), DOSSIERS.fold(second.facts, found.merged)
    return replace(found, survivor=survivor, merged=merged)


def test_a_merge_takes_two_people_and_stands_in_both_streams() -> None:
    found = proposed()
    with pytest.raises(Forbidden) as refused:
        merging.confirm_merge("m-1", found, context(MARKET))
    assert refused.value.problem_code == "own-submission"
    first, second = merging.confirm_merge("m-1", found, context(MANAGER))
    assert [type(fact) for fact in (*first.facts, *second.facts)] == [CustomersMerged, CustomersMerged]
    assert confirmed(found).merged.merged_into == found.survivor.customer


@pytest.mark.parametrize("actor", [SALES, WEST_MANAGER, AUDITOR, replace(MARKET, departing=True)])
def test_others_merge_nothing(actor: Actor) -> None:
    with pytest.raises(Forbidden):
        merging.propose_merge(PROPOSE, pair(), context(actor))
    with pytest.raises(Forbidden):
        merging.confirm_merge("m-1", proposed(), context(actor))
    done = confirmed(proposed())
    with pytest.raises(Forbidden):
        merging.propose_undo(UNDO, done.survivor, done.merged, context(actor))
    with pytest.raises(Forbidden):
        merging.confirm_merge("u-1", undo_proposed(done), context(actor))


def test_only_the_survivor_takes_commands() -> None:
    merged = confirmed(proposed()).merged
    for decide in (
        partial(changes.change_dossier, ChangeDossier({"region": "江苏"})),
        partial(changes.assign_owner, AssignOwner("helper", ())),
        partial(close_free, CloseCustomer("停业")),
        partial(relations.decline_relation, DeclineRelation("r-1", "不")),
        partial(changes.decline_change, DeclineChange("x-1", "不")),
        partial(merging.decline_merge, "m-1", "不"),
    ):
        with pytest.raises(Refused) as refused:
            decide(merged, context(MANAGER))
        assert refused.value.evidence["survivor"] == "c-1"


def test_volumes_add_up_unless_a_month_is_marked_duplicate_and_no_longer_once_undone() -> None:
    own = volumes("c-1", september=100, october=10)
    done = confirmed(proposed(merged_volumes=volumes("c-2", september=100, october=5)))
    assert added_up(own, done.survivor) == {SEPTEMBER: 100, OCTOBER: 15}
    assert added_up(own, undone(done).survivor) == {SEPTEMBER: 100, OCTOBER: 10}


def test_undo_restores_both_and_what_was_said_since_stays_with_the_survivor() -> None:
    before = pair()
    done = confirmed(proposed())
    changed = changes.change_dossier(ChangeDossier({"region": "江苏"}), done.survivor, context(MANAGER))
    survivor = DOSSIERS.fold(changed.facts, done.survivor)
    found = undone(replace(done, survivor=survivor))
    assert found.merged == before.merged
    after = found.survivor
    assert (after.content.region, after.merged, after.merge) == ("江苏", {}, None)


def test_undoing_a_merge_takes_two_people_too() -> None:
    done = undo_proposed(confirmed(proposed()))
    assert done.merged.merged_into  # nothing has changed yet
    with pytest.raises(Forbidden) as refused:
        merging.confirm_merge("u-1", done, context(MARKET))
    assert refused.value.problem_code == "own-submission"
    with pytest.raises(Refused) as pending:
        merging.propose_undo(UNDO, done.survivor, done.merged, context(MANAGER))
    assert pending.value.problem_code == "merge-pending"
    declined = merging.decline_merge("u-1", "是同一客户", done.survivor, context(MANAGER))
    kept = replace(done, survivor=DOSSIERS.fold(declined.facts, done.survivor))
    with pytest.raises(NotFound):
        merging.confirm_merge("u-1", kept, context(MARKET2))
    assert undone(kept).merged.merged_into is None
    with pytest.raises(NotFound):
        merging.propose_undo(UNDO, undone(kept).survivor, kept.merged, context(MARKET))


def test_a_merge_is_declined_or_taken_back() -> None:
    for actor in (MARKET, MARKET2, MANAGER):
        found = proposed()
        declined = merging.decline_merge("m-1", "不是同一家", found.survivor, context(actor))
        assert DOSSIERS.fold(declined.facts, found.survivor).merge is None
    with pytest.raises(Forbidden):
        merging.decline_merge("m-1", "不", proposed().survivor, context(SALES))


# --- what keeps a customer -------------------------------------------------------------------------------------------


def heard(what: Heard, thing: str = "x", batch: int = 0, amount_fen: int = 0) -> CommitmentHeard:
    return CommitmentHeard(customer="c-1", heard=what, thing=thing, batch=batch, amount_fen=amount_fen)


REVIEW = heard(Heard.REVIEW_OPENED)
RELEASE = heard(Heard.RELEASED, batch=1, amount_fen=100)


@pytest.mark.parametrize("kept", ["survivor_holds", "merged_holds"])
@pytest.mark.parametrize(
    ("facts", "free"),
    [
        ([REVIEW], False),
        ([REVIEW, heard(Heard.REVIEW_CLOSED)], True),
        ([RELEASE], False),
        ([RELEASE, heard(Heard.BLOCKED, batch=1, amount_fen=100)], True),
        ([RELEASE, heard(Heard.BLOCKED, batch=1, amount_fen=100), RELEASE], False),
        ([RELEASE, heard(Heard.SHIPPED, batch=1, amount_fen=60)], False),
        ([RELEASE, heard(Heard.SHIPPED, batch=1, amount_fen=60), heard(Heard.SHIPPED, batch=1, amount_fen=40)], True),
        ([RELEASE, heard(Heard.CANCELLED)], True),
    ],
)
def test_a_merge_waits_for_open_reviews_and_released_goods(kept: str, facts: list[Fact], free: bool) -> None:  # noqa: FBT001 - a parameter's value
    holds = COMMITMENTS.fold(facts)
    if free:
        assert confirmed(proposed(**{kept: holds}))
        return
    with pytest.raises(Refused) as refused:
        merging.propose_merge(PROPOSE, pair(**{kept: holds}), context(MARKET))
    assert refused.value.problem_code == "still-committed"
    with pytest.raises(Refused):
        confirmed(replace(proposed(), **{kept: holds}))


@given(
    st.lists(
        st.builds(
            heard, st.sampled_from(list(Heard)), st.sampled_from(["q", "o"]), st.integers(1, 2), st.integers(0, 100)
        ),
        max_size=8,
    ).flatmap(lambda facts: st.tuples(st.just(facts), st.permutations(facts)))
)
def test_commitments_come_to_the_same_in_every_order(
    facts: tuple[list[CommitmentHeard], Sequence[CommitmentHeard]],
) -> None:
    assert COMMITMENTS.fold(facts[0]) == COMMITMENTS.fold(facts[1])


# --- whatever is tried -----------------------------------------------------------------------------------------------

CUSTOMERS = ["c-1", "c-2", "c-3"]
LEAVER = person("sales", "salesperson", "dept_manager", "market_dept", departing=True)
#: Few, so that sequences get far; who may do nothing at all is refused by the tests of each command.
PEOPLE = st.sampled_from([SALES, MANAGER, MANAGER, SELLING_MANAGER, SELLING_MANAGER, MARKET, LEAVER])
IDENTITIES = st.sampled_from([USCC, OTHER_USCC, None])
WORKING = SalesForce({**FORCE.departments, "both": frozenset({EAST})})
GIVEN: st.SearchStrategy[dict[str, Any]] = st.sampled_from(
    [
        {"name": "甲公司"},
        {"name": "乙公司", "region": "江苏"},
        {"kind": CustomerKind.DEALER},
        {"contacts": ()},
        {"owner": "sales"},
        {"owner": "both"},
        {"owner": "nobody"},
        *({"identity": one} for one in (USCC, OTHER_USCC, "91440300708461136T")),
    ]
)


class Dossiers(RuleBasedStateMachine):
    """Several dossiers, their claims, and people who try everything on them."""

    @initialize()
    def begin(self) -> None:
        self.facts: dict[str, list[Fact]] = {customer: [] for customer in CUSTOMERS}
        self.claims: dict[tuple[str, str], str] = {}
        self.before_merge: dict[str, Dossier] = {}
        self.serial = 0
        self.refusals: set[str] = set()
        for customer, owner, identity in zip(
            CUSTOMERS, [SALES, SELLING_MANAGER, SELLING_MANAGER], [USCC, OTHER_USCC, None], strict=True
        ):
            self.draft(customer, owner, identity)
        for customer in CUSTOMERS[:2]:
            owner = SALES if customer == "c-1" else SELLING_MANAGER
            self.step(customer, owner, decisions.submit_dossier)
            self.step(customer, MANAGER, decisions.pass_dossier)

    def state(self, customer: str) -> Dossier:
        return DOSSIERS.fold(self.facts[customer])

    def new(self) -> str:
        self.serial += 1
        return f"x-{self.serial}"

    def attempt(self, actor: Actor, decide: Callable[[Context], Sequence[tuple[str, Decision]]]) -> None:
        """Decide and record, or be refused with a reason and leave everything as it is."""
        try:
            decided = decide(Context(actor, NOW, POLICIES, WORKING))
        except KehuError as refusal:
            tells_all = bool(refusal.zh and refusal.en and refusal.clause)
            self.refusals.add(type(refusal).__name__ if tells_all else "")
            return
        claims = [claim for _, decision in decided for claim in decision.claims]
        if any(self.claims.get((one.scope, one.value), one.holder) != one.holder for one in claims if not one.release):
            return  # the store refuses it: taken
        for customer, decision in decided:
            assert not (decision.facts and actor.departing), "who is leaving changes nothing"
            for fact in decision.facts:
                self.check_two_people(actor, self.state(customer), fact)
                assert self.state(customer).merged_into is None or isinstance(fact, CustomersUnmerged)
                self.facts[customer].append(fact)
        self.claim(claims)

    def claim(self, claims: Sequence[Claim]) -> None:
        for claim in claims:
            if claim.release:
                self.claims.pop((claim.scope, claim.value), None)
            else:
                self.claims[claim.scope, claim.value] = claim.holder

    @staticmethod
    def check_two_people(actor: Actor, state: Dossier, fact: Fact) -> None:
        match fact:
            case CustomerRegistered():
                assert fact.registered_by not in (state.submitted_by, state.owner)
                assert missing(state.content) == []
            case CustomerTakenOver():
                assert fact.proposed_by != fact.confirmed_by
            case CustomerChanged(change=str()):
                assert fact.passed_by != fact.proposed_by
            case OwnerAssigned(change=str(change)) if change in state.changes:
                assert actor.id not in (state.changes[change].proposed_by, fact.owner)
            case CustomersMerged():
                assert fact.proposed_by != fact.merged_by
            case _:
                pass

    @rule(customer=st.sampled_from(CUSTOMERS), actor=PEOPLE, identity=IDENTITIES)
    def draft(self, customer: str, actor: Actor, identity: str | None) -> None:
        kind = IdentityKind.USCC if identity else None
        given_ = {**COMPLETE, "identity": identity, "identity_kind": kind}
        command = DraftDossier(customer, f"K00000{customer[-1]}", EAST, given_, NEW_PEOPLE)
        self.attempt(actor, lambda c: [(customer, decisions.draft_dossier(command, self.state(customer), c))])

    @rule(customer=st.sampled_from(CUSTOMERS), actor=PEOPLE, given_=GIVEN)
    def edit(self, customer: str, actor: Actor, given_: dict[str, Any]) -> None:
        said = {name: value for name, value in given_.items() if name != "owner"}
        if "identity" in said:
            said["identity_kind"] = IdentityKind.USCC
        command = EditDossier(said, NEW_PEOPLE)
        self.attempt(actor, lambda c: [(customer, decisions.edit_dossier(command, self.state(customer), c))])

    @rule(
        customer=st.sampled_from(CUSTOMERS),
        actor=PEOPLE,
        step=st.sampled_from(
            [
                decisions.submit_dossier,
                partial(decisions.return_dossier, ReturnDossier("请补充")),
                decisions.pass_dossier,
                partial(close_free, CloseCustomer("停业")),
                partial(closing.reopen_customer, ReopenCustomer("复业")),
                partial(taking_over.propose_take_over, ProposeTakeOver("a" * 64, visited_on=date(2026, 1, 1))),
            ]
        ),
    )
    def step(self, customer: str, actor: Actor, step: Any) -> None:
        self.attempt(actor, lambda c: [(customer, step(self.state(customer), c))])

    @rule(customer=st.sampled_from(CUSTOMERS), actor=PEOPLE)
    def confirm_take_over(self, customer: str, actor: Actor) -> None:
        def decide(c: Context) -> Sequence[tuple[str, Decision]]:
            return [(customer, taking_over.confirm_take_over((self.state(customer), Volumes()), c)[0])]

        self.attempt(actor, decide)

    @rule(customer=st.sampled_from(CUSTOMERS), actor=PEOPLE, given_=GIVEN)
    def change(self, customer: str, actor: Actor, given_: dict[str, Any]) -> None:
        command = ChangeDossier(given_, NEW_PEOPLE, change=self.new())
        self.attempt(actor, lambda c: [(customer, changes.change_dossier(command, self.state(customer), c))])

    @rule(actor=PEOPLE, agree=st.sampled_from([True, True, False]))
    def decide_change(self, actor: Actor, agree: Any) -> None:
        customer = next((one for one in CUSTOMERS if self.state(one).changes), CUSTOMERS[0])
        waiting = next(iter(self.state(customer).changes), "none")
        decide: Any = (
            partial(changes.pass_change, PassChange(waiting))
            if agree
            else partial(changes.decline_change, DeclineChange(waiting, "不"))
        )
        self.attempt(actor, lambda c: [(customer, decide(self.state(customer), c))])

    @rule(customer=st.sampled_from(CUSTOMERS), actor=PEOPLE, owner=st.sampled_from(["both", "sales", "nobody"]))
    def assign(self, customer: str, actor: Actor, owner: str) -> None:
        command = AssignOwner(owner, ())
        self.attempt(actor, lambda c: [(customer, changes.assign_owner(command, self.state(customer), c))])

    @rule(customer=st.sampled_from(CUSTOMERS), actor=PEOPLE)
    def ask(self, customer: str, actor: Actor) -> None:
        command = RequestRelation(self.new(), CustomerKind.DEALER, "四川", "另有门店")
        self.attempt(actor, lambda c: [(customer, relations.request_relation(command, self.state(customer), c))])

    @rule(actor=PEOPLE, agree=st.booleans())
    def decide_relation(self, actor: Actor, agree: Any) -> None:
        customer = next((one for one in CUSTOMERS if self.state(one).requests), CUSTOMERS[0])
        waiting = next(iter(self.state(customer).requests), "none")
        decide: Any = (
            partial(relations.agree_to_relation, AgreeToRelation(waiting))
            if agree
            else partial(relations.decline_relation, DeclineRelation(waiting, "不"))
        )
        self.attempt(actor, lambda c: [(customer, decide(self.state(customer), c))])

    @rule(survivor=st.sampled_from(CUSTOMERS), merged=st.sampled_from(CUSTOMERS), actor=PEOPLE)
    def propose_merge(self, survivor: str, merged: str, actor: Actor) -> None:
        command = ProposeMerge(self.new(), (), "同一家")

        def decide(c: Context) -> Sequence[tuple[str, Decision]]:
            found = merging.propose_merge(command, Pair(self.state(survivor), self.state(merged)), c)
            return list(zip([survivor, merged], found, strict=True))

        self.attempt(actor, decide)

    @rule(actor=PEOPLE)
    def confirm_merge(self, actor: Actor) -> None:
        survivor = next((one for one in CUSTOMERS if self.state(one).merge), CUSTOMERS[0])
        proposed_ = self.state(survivor).merge
        if proposed_ is None:
            return
        merged = proposed_.merged
        before = self.state(merged)

        def decide(c: Context) -> Sequence[tuple[str, Decision]]:
            found = merging.confirm_merge(proposed_.merge, Pair(self.state(survivor), before), c)
            return list(zip([survivor, merged], found, strict=True))

        self.attempt(actor, decide)
        if before.merged_into is None and self.state(merged).merged_into == survivor:
            self.before_merge[merged] = before
        elif before.merged_into is not None and self.state(merged).merged_into is None:
            assert proposed_.proposed_by != actor.id, "two people"
            assert self.state(merged) == self.before_merge.pop(merged), "undo restores"

    @rule(merged=st.sampled_from(CUSTOMERS), actor=PEOPLE)
    def propose_undo(self, merged: str, actor: Actor) -> None:
        survivor = self.state(merged).merged_into or CUSTOMERS[0]
        command = ProposeUndo(self.new(), "误并")

        def decide(c: Context) -> Sequence[tuple[str, Decision]]:
            found = merging.propose_undo(command, self.state(survivor), self.state(merged), c)
            return list(zip([survivor, merged], found, strict=True))

        self.attempt(actor, decide)

    @invariant()
    def a_refusal_tells_everything(self) -> None:
        assert "" not in self.refusals

    @invariant()
    def one_identity_is_one_dossier(self) -> None:
        identities = [state.content.identity for state in map(self.state, CUSTOMERS) if state.content.identity]
        assert len(identities) == len(set(identities))
        for state in map(self.state, CUSTOMERS):
            if state.content.identity:
                held = (decisions.IDENTITY_SCOPE, f"uscc:{state.content.identity}")
                assert self.claims[held] == state.customer

    @invariant()
    def a_registered_customer_is_complete_and_owned_by_a_salesperson(self) -> None:
        for state in map(self.state, CUSTOMERS):
            if state.registered:
                assert state.owner in {"sales", "helper", "both"}
                assert missing(state.content) == []
                assert state.owner not in state.content.collaborators

    @invariant()
    def merges_lead_to_one_survivor(self) -> None:
        for state in map(self.state, CUSTOMERS):
            for other in state.merged:
                assert self.state(other).merged_into == state.customer
            seen = {state.customer}
            while state.merged_into is not None:
                assert state.merged_into not in seen
                seen.add(state.merged_into)
                state = self.state(state.merged_into)  # noqa: PLW2901 - following the chain


TestDossiers = Dossiers.TestCase
TestDossiers.settings = settings(
    max_examples=60, stateful_step_count=50, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)


def test_nothing_heard_keeps_nobody() -> None:
    assert (Commitments().open_reviews, Commitments().unshipped) == ([], [])
