"""How merged customers stand with the survivor (R4), and an agreement that had ended when it was taken over (R4.3)."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kehu.calendar import start_of_day
from kehu.contracts.customers import CustomersMerged, CustomersUnmerged, CustomerTakenOver
from kehu.contracts.trade import SettlementUnitLinked
from kehu.contracts.vetting import AgentActivated, AgreementSigned, QualificationSuspended
from kehu.deciding import Actor, Context, system_actor
from kehu.facts import Fact, RecordedFact
from kehu.ids import new_id
from kehu.lineage import MergedAway
from kehu_vetting.credit.decisions import RecordCreditIncident, record_incident
from kehu_vetting.credit.facts import CreditRecord
from kehu_vetting.orders.buyer import buyer_of
from kehu_vetting.orders.rights import check_lasting
from kehu_vetting.qualifications.decisions import refuse_gone
from kehu_vetting.qualifications.required_documents import POLICY_NAME, REQUIRED_DOCUMENTS
from kehu_vetting.settlement_units.facts import Unit
from kehu_vetting.standing import decisions, ending, reactions
from kehu_vetting.standing.decisions import LiftSuspension, SuspendCustomer, TakePapers, UnlinkPayer, take_papers
from kehu_vetting.standing.facts import AGREEMENT, BY_HAND, STANDINGS, FileNoted, Standing
from kehu_vetting.standing.merging import VETTING
from kehu_vetting.standing.ordering import may_order
from kehu_vetting.testing import DEPARTMENT, FILE, FINANCE, MANAGER, SALES, TODAY, paper

POLICY = REQUIRED_DOCUMENTS.initial
SYSTEM = system_actor("vetting", "test")
UNTIL = date(2027, 3, 31)


def recorded(fact: Fact) -> RecordedFact[Any]:
    named: Any = fact
    now = start_of_day(TODAY)
    return RecordedFact(
        fact, new_id(), f"standing-{named.customer}", 1, 1, named.customer, "x", "a", "", new_id(), None, now, now
    )


def context(actor: Actor = SYSTEM, today: date = TODAY, file: Any = FILE) -> Context:
    return Context(actor, start_of_day(today) + timedelta(hours=9), {POLICY_NAME: POLICY}, file)


@dataclass
class Service:
    """How customers stand, and what the service has still to react to of its own."""

    streams: dict[str, Standing] = field(default_factory=dict[str, Standing])
    waiting: list[RecordedFact[Any]] = field(default_factory=list[RecordedFact[Any]])

    def of(self, customer: str) -> Standing:
        return self.streams.get(customer, Standing())

    def add(self, customer: str, *facts: Fact) -> None:
        self.streams[customer] = STANDINGS.fold(facts, self.of(customer))
        own = [one.on for one in reactions.REACTIONS if one.source == VETTING]
        self.waiting += [recorded(fact) for fact in facts if type(fact) in own]

    def hear(self, *facts: Fact) -> None:
        for fact in map(recorded, facts):
            self._hear(fact)
            self.go_on()

    def _hear(self, fact: RecordedFact[Any]) -> None:
        for reaction in reactions.REACTIONS:
            if reaction.on is type(fact.fact):
                for customer in reaction.stream_ids(fact):
                    self.add(customer, *reaction.decide(fact, self.of(customer), context()).facts)

    def hear_only(self, fact: Fact) -> None:
        """The same, without following the own log."""
        self._hear(recorded(fact))

    def go_on(self, most: int | None = None) -> None:
        while self.waiting and most != 0:
            self._hear(self.waiting.pop(0))
            most = None if most is None else most - 1

    def bars(self, customer: str, today: date = TODAY) -> set[str]:
        """Why it may place no order with its default payer."""
        standing = self.of(customer)
        unit = Unit(id=standing.default_unit or "")
        file = replace(FILE, customer=customer)
        return {bar.code for bar in may_order(file, standing, unit, POLICY, today).bars}


def merged(survivor: str, one: str) -> list[Fact]:
    return [
        CustomersMerged(
            customer=customer,
            survivor=survivor,
            merged=one,
            survivor_number="K1",
            merged_number="K2",
            reason="同一营业执照",
            proposed_by="a",
            merged_by="b",
        )
        for customer in (survivor, one)
    ]


def unmerged(survivor: str, one: str) -> list[Fact]:
    return [
        CustomersUnmerged(customer=customer, survivor=survivor, merged=one, reason="误并", undone_by="b")
        for customer in (survivor, one)
    ]


def active(customer: str, since: date = date(2025, 4, 1), until: date | None = UNTIL) -> list[Fact]:
    """What makes a customer active: papers aside, which it has."""
    return [
        AgentActivated(customer=customer, qualification="q", department=DEPARTMENT, agent=True, activated_on=since),
        AgreementSigned(
            qualification="q",
            customer=customer,
            signed_on=since,
            valid_from=since,
            valid_until=until,
            file_digest="a" * 64,
        ),
    ]


def trading(customer: str = "m", unit: str = "u-1") -> Service:
    """One customer may order; the other one, s, has never been vetted."""
    service = Service()
    for one in ("s", customer):
        service.add(one, FileNoted(customer=one, department=DEPARTMENT, owner="sales"))
    licence = paper("business_licence", valid_until=UNTIL)
    taken = TakePapers(customer, DEPARTMENT, (licence,), qualification="q", whole=True)
    service.add(customer, *take_papers(taken, service.of(customer), POLICY, context()))
    service.hear(*active(customer))
    link = SettlementUnitLinked(
        unit=unit, customer=customer, default=True, agreement_digest=None, signed_on=None, valid_until=None
    )
    service.add(customer, link)
    return service


def test_the_survivor_goes_on_with_activation_agreement_papers_and_payers() -> None:
    service = trading()
    assert "not-active" in service.bars("s")
    service.hear(*merged("s", "m"))
    assert service.bars("s") == set()
    assert service.of("s").default_unit == "u-1"
    buyer = buyer_of(FILE, service.of("s"), POLICY, TODAY, Unit(id="u-1"))
    assert (buyer.active, buyer.linked, buyer.units) == (True, {"u-1"}, {"u-1"})
    assert service.bars("s", UNTIL + timedelta(days=1)) == {"agreement-ended", "document-expired"}


def test_what_is_the_survivors_own_comes_first() -> None:
    service = trading()
    old = paper("business_licence", valid_until=TODAY - timedelta(days=1))
    service.add("s", *take_papers(TakePapers("s", DEPARTMENT, (old,), whole=True), service.of("s"), POLICY, context()))
    service.hear(*merged("s", "m"))
    assert service.bars("s") == {"document-expired"}


def test_ends_are_told_and_bar_with_the_survivor_alone() -> None:
    service = trading()
    service.hear(*merged("s", "m"))
    assert {AGREEMENT, "business_licence"} <= set(service.of("s").ends)
    after = UNTIL + timedelta(days=1)
    for customer, said in (("s", True), ("m", False)):
        facts = ending.bar_ended(
            f"{customer}/{AGREEMENT}", start_of_day(after), service.of(customer), context(today=after)
        ).facts
        assert any(isinstance(fact, QualificationSuspended) for fact in facts) is said


def test_a_bar_by_hand_comes_along_and_is_lifted_with_the_survivor() -> None:
    service = trading()
    suspended = decisions.suspend_customer(SuspendCustomer("对账未结"), service.of("m"), context(MANAGER))
    service.add("m", *suspended.facts)
    service.hear(*merged("s", "m"))
    assert service.bars("s") == {"suspended"}
    lifted = decisions.lift_suspension(LiftSuspension("已结"), service.of("s"), context(FINANCE))
    service.add("s", *lifted.facts)
    assert service.bars("s") == set()
    service.hear(*unmerged("s", "m"))
    assert BY_HAND in service.of("m").bars


def test_a_payers_link_is_ended_with_the_survivor() -> None:
    service = trading()
    service.hear(*merged("s", "m"))
    unlinked, _ = decisions.unlink_payer(UnlinkPayer("u-1", "换付款方"), (service.of("s"), Unit()), context(FINANCE))
    service.add("s", *unlinked.facts)
    assert service.of("s").payers == {}
    service.hear(*unmerged("s", "m"))
    assert set(service.of("m").payers) == {"u-1"}


def test_undone_both_stand_as_they_did() -> None:
    service = trading()
    before = {customer: service.of(customer) for customer in ("s", "m")}
    service.hear(*merged("s", "m"), *unmerged("s", "m"))
    for customer in ("s", "m"):
        assert replace(service.of(customer), customer="", lineage=before[customer].lineage) == replace(
            before[customer], customer=""
        )


def test_only_the_survivor_takes_commands() -> None:
    gone = replace(FILE, merged_into="s")
    for command in (
        lambda: decisions.suspend_customer(SuspendCustomer("x"), trading().of("m"), context(MANAGER, file=gone)),
        lambda: refuse_gone(gone),
        lambda: check_lasting(buyer_of(gone, Standing(), POLICY, TODAY)),
        lambda: record_incident(
            RecordCreditIncident("i", "m", TODAY, "逾期", "函"), CreditRecord(), context(SALES, file=gone)
        ),
    ):
        with pytest.raises(MergedAway) as refused:
            command()
        assert refused.value.evidence == {"survivor": "s"}


@settings(max_examples=40, deadline=None)
@given(data=st.data(), ending_=st.sampled_from(["merged", "undone", "merged again"]))
def test_whichever_fact_comes_first_both_end_the_same(data: st.DataObject, ending_: str) -> None:
    """Merges of each customer in their order, activations as they come, the own log at any time."""
    happened = [*merged("m", "x"), *merged("s", "m")]
    if ending_ != "merged":
        happened += unmerged("s", "m")
    if ending_ == "merged again":
        happened += [*unmerged("m", "x"), *merged("s", "x")]
    queues: dict[str, list[Fact]] = {customer: [] for customer in ("s", "m", "x")}
    for fact in happened:
        named: Any = fact
        queues[named.customer].append(fact)
    queues |= {f"vetting-{customer}": active(customer) for customer in ("m", "x")}
    one, other = Service(), Service()
    other.hear(*active("m"), *active("x"), *happened)
    for queue in data.draw(st.permutations([key for key, waiting in queues.items() for _ in waiting])):
        one.hear_only(queues[queue].pop(0))
        one.go_on(data.draw(st.integers(0, 3)))
    one.go_on()
    for customer in ("s", "m", "x"):
        assert dict(one.of(customer).lineage.kin) == dict(other.of(customer).lineage.kin)
        assert replace(one.of(customer), lineage=other.of(customer).lineage) == other.of(customer), customer


# --- taken over ------------------------------------------------------------------------------------------------------


def test_an_agreement_that_had_ended_at_go_live_bars_and_is_told() -> None:
    service = Service()
    service.add("c", FileNoted(customer="c", department=DEPARTMENT, owner="sales"))
    ended = TODAY - timedelta(days=10)
    service.hear(
        CustomerTakenOver(
            customer="c",
            active_since=date(2024, 3, 1),
            agreement_signed_on=date(2024, 2, 20),
            agreement_valid_until=ended,
            agreement_digest="c" * 64,
            evidence_digest="d" * 64,
            proposed_by="a",
            confirmed_by="b",
        )
    )
    assert "agreement-ended" in service.bars("c")
    assert service.of("c").ends[AGREEMENT].last_day == ended
    barred = ending.bar_ended(f"c/{AGREEMENT}", start_of_day(TODAY), service.of("c"), context()).facts
    (told,) = [fact for fact in barred if isinstance(fact, QualificationSuspended)]
    assert (told.documents, told.department) == ((AGREEMENT,), DEPARTMENT)
