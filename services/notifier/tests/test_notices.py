"""Whom each fact is news to: by example, and in whichever order the facts of several topics come."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kehu.calendar import Month
from kehu.contracts.customers import (
    CustomerChanged,
    CustomerChangeDeclined,
    CustomerChangeProposed,
    CustomerKind,
    CustomerRegistered,
    DossierReturned,
    DossierSubmitted,
    IdentityKind,
    MonthlyReportMissing,
    MonthlyReportSubmitted,
    OwnerAssigned,
    VerificationDone,
    VerificationDue,
    VerificationReminded,
)
from kehu.contracts.engagement import VisitCancelled, VisitLogged, VisitPlanned, VisitRecordOverdue
from kehu.contracts.grading import Grade, GradeAssigned, GradeDriftNoticed, IndicativeGradeChanged
from kehu.contracts.staff import (
    DelegateAppointed,
    DepartureCleared,
    DepartureStarted,
    HandoverNoticeDue,
    Role,
    RoleGranted,
    StepEscalated,
    SuccessorAccepted,
    SuccessorProposed,
)
from kehu.contracts.trade import (
    GoodsShipped,
    InvoiceCollected,
    InvoiceIssued,
    InvoiceKind,
    InvoiceRequestClosed,
    InvoiceRequested,
    InvoiceRequestReviewed,
    InvoiceVoided,
    OrderLine,
    OrderReleased,
    ReceiptAllocated,
    ReceiptConfirmed,
    RedLetterDue,
    ReleaseBlocked,
    ShippingStopped,
)
from kehu.contracts.vetting import (
    AgentActivated,
    CreditIncidentRecorded,
    DocumentExpiring,
    QualificationApproved,
    QualificationRejected,
    QualificationRestored,
    QualificationReturned,
    QualificationStepPassed,
    QualificationSubmitted,
    QualificationSuspended,
    QualificationWithdrawn,
    SignoffsVoided,
    Step,
)
from kehu.facts import Fact, RecordedFact
from kehu_notifier.notices.company import Company, Delegation, Holder
from kehu_notifier.notices.decisions import address, barred_from, recipients
from kehu_notifier.notices.facts import (
    NOTICES,
    Audience,
    NoticeAddressed,
    NoticeEnded,
    NoticeNeeded,
    Notices,
    SignerNoted,
)
from kehu_notifier.notices.reactions import REACTIONS
from kehu_notifier.templates.initial import WORDS
from kehu_notifier.templates.rendering import render
from kehu_notifier.templates.template import LIVE_VARIABLES, TOLD_VARIABLES, TemplateName
from kehu_notifier.testing import COMPANY, CUSTOMER, NOW, context, later, recorded

BY_FACT = {fact: [one for one in REACTIONS if one.on is fact] for fact in dict.fromkeys(one.on for one in REACTIONS)}
DAY = date(2026, 12, 1)
#: What all facts about the one qualification, and about the one visit, say.
Q: dict[str, Any] = {"qualification": "q-1", "customer": CUSTOMER, "department": "east"}
V: dict[str, Any] = {"visit": "v-1", "customer": CUSTOMER, "department": "east"}

DOSSIER_SUBMITTED = DossierSubmitted(
    customer=CUSTOMER, number="K000001", name="甲乙商贸", department="east", submitted_by="li"
)
DOSSIER_RETURNED = DossierReturned(
    customer=CUSTOMER,
    number="K000001",
    name="甲乙商贸",
    department="east",
    submitted_by="li",
    returned_by="zhao",
    remarks="补充",
)
REGISTERED = CustomerRegistered(
    customer=CUSTOMER,
    number="K000001",
    name="甲乙商贸",
    kind=CustomerKind.DEALER,
    nature="limited",
    identity_kind=IdentityKind.USCC,
    identity="91110000600037341L",
    region="湖北",
    department="east",
    owner="li",
    registered_by="zhao",
)
SUBMITTED = QualificationSubmitted(**Q, bundle=1, digest="d", submitted_by="li")
APPROVED = QualificationApproved(**Q, approved_by="boss", submitted_by="li")
REJECTED = QualificationRejected(**Q, step=Step.FINANCE, reason="x", submitted_by="li")
ACTIVATED = AgentActivated(**Q, agent=True, activated_on=DAY)
ASSIGNED = GradeAssigned(
    customer=CUSTOMER, grade=Grade.B, basis="initial", grade_clause="R5.2.B", provisional=False, policy_version=0
)
PLANNED = VisitPlanned(**V, planned_on=DAY, visitors=("li", "wang"), purpose="x", first_visit=True)
OVERDUE = VisitRecordOverdue(**V, planned_on=DAY, visitors=("li", "wang"))
LOGGED = VisitLogged(**V, visited_at=NOW, attendees=("li", "wang"), planned=True, first_visit=True)
CANCELLED = VisitCancelled(**V, planned_on=DAY, visitors=("li", "wang"), reason="x", cancelled_by="li")


def passed(step: Step, by: str, **more: Any) -> QualificationStepPassed:
    steps = list(Step)
    return QualificationStepPassed(**Q, step=step, next_step=steps[steps.index(step) + 1], signed_by=by, **more)


def returned(from_step: Step, to_step: Step | None) -> QualificationReturned:
    return QualificationReturned(**Q, from_step=from_step, to_step=to_step, remarks="x", submitted_by="li")


def drift(*, drifting: bool) -> GradeDriftNoticed:
    return GradeDriftNoticed(customer=CUSTOMER, official=Grade.B, indicative=Grade.C, drifting=drifting)


def indicative(previous: Grade | None) -> IndicativeGradeChanged:
    return IndicativeGradeChanged(
        customer=CUSTOMER, grade=Grade.C, previous=previous, official=Grade.B, grade_clause="R5.2.C", policy_version=0
    )


DAYS: dict[str, Any] = {"department": "east", "customer": CUSTOMER}
LINE = OrderLine(item="泵", quantity=Decimal(1), amount_fen=100)
CHANGE_PROPOSED = CustomerChangeProposed(
    **DAYS, change="ch-1", number="K000001", name="甲乙商贸", fields=("name",), proposed_by="li"
)
CHANGE_DECLINED = CustomerChangeDeclined(**DAYS, change="ch-1", remarks="x", proposed_by="li", declined_by="zhao")
CHANGE_PASSED = CustomerChanged(customer=CUSTOMER, name="丙丁商贸", change="ch-1")
OWNER_PASSED = OwnerAssigned(**DAYS, owner="wang", change="ch-2")
VERIFICATION: dict[str, Any] = {**DAYS, "verification": "ve-1", "quarter": "2026Q4", "verifier": "ver"}
VERIFY = VerificationDue(**VERIFICATION, due_on=DAY)
VERIFY_REMINDED = VerificationReminded(**VERIFICATION, overdue=False)
VERIFY_OVERDUE = VerificationReminded(**VERIFICATION, overdue=True)
VERIFIED = VerificationDone(**VERIFICATION, outcome="unchanged", method="phone")
REPORT_MISSING = MonthlyReportMissing(department="east", month=Month(2026, 10))
REPORT_SUBMITTED = MonthlyReportSubmitted(
    department="east", month=Month(2026, 10), late=True, nil=True, submitted_by="zhao"
)
DELEGATED = DelegateAppointed(
    delegation="de-1",
    principal="zhao",
    delegate="wang",
    steps=("dossier:review",),
    first_day=DAY,
    last_day=DAY,
    reason="x",
)
ESCALATED = StepEscalated(
    **DAYS,
    thing="ch-1",
    step="dossier:change",
    waiting_for=(Role.DEPT_MANAGER,),
    superior=Role.GENERAL_MANAGER,
    since=DAY,
)
LEAVING = DepartureStarted.model_validate({"person": "li", "last_day": DAY, "department": "east"})
CLEARED = DepartureCleared(person="li")
HANDOVER: dict[str, Any] = {**DAYS, "departure": "dp-1", "leaver": "li", "successor": "wang"}
PROPOSED = SuccessorProposed(**HANDOVER, due_on=DAY)
ACCEPTED = SuccessorAccepted(**HANDOVER, accepted_by="wang")
NOTICE_DUE = HandoverNoticeDue(**HANDOVER)
VOIDED = SignoffsVoided(**Q, from_step=Step.FINANCE, steps=(Step.FINANCE,), because_of="finance")
WITHDRAWN = QualificationWithdrawn(qualification="q-1", customer=CUSTOMER, reason="x", withdrawn_by="li")
EXPIRING = DocumentExpiring(
    **Q, owner="li", document="business_licence", valid_until=DAY, last_day=False, suspends=True
)
LAST_DAY = EXPIRING.model_copy(update={"last_day": True})
SUSPENDED = QualificationSuspended(**Q, documents=("business_licence",), reason="x")
RESTORED = QualificationRestored(**Q)
ORDER: dict[str, Any] = {"order": "o-1", "order_number": "DD000001", "customer": CUSTOMER}
RELEASED = OrderReleased(**ORDER, batch=1, amount_fen=100, receipts=("r",))
BLOCKED = ReleaseBlocked(**ORDER, batch=1, amount_fen=100, reason="x")
SHIPPED = GoodsShipped(
    **ORDER, shipment="s-1", department="east", batch=1, shipped_on=DAY, value_fen=100, lines=(LINE,), receipts=("r",)
)
STOPPED = ShippingStopped(**ORDER, reason="x")
RECEIPT = ReceiptConfirmed(
    receipt="r-1", number="SK000001", unit=None, payer="x", bank_reference="b", amount_fen=100, received_on=DAY
)
RECEIPT_OF_UNIT = RECEIPT.model_copy(update={"unit": "u-1"})
ALLOCATED = ReceiptAllocated(receipt="r-1", order="o-1", customer=CUSTOMER, amount_fen=100)
INCIDENT = CreditIncidentRecorded(
    incident="i-1", customer=CUSTOMER, occurred_on=DAY, description="x", evidence="x", recorded_by="fin"
)
F2: dict[str, Any] = {
    "request": "f-1",
    "order": "o-1",
    "customer": CUSTOMER,
    "department": "east",
    "requested_by": "li",
}
REQUESTED = InvoiceRequested(**F2, number="KP000001", gross_fen=113)
REVIEWED = InvoiceRequestReviewed(**F2, side="marketing", reviewed_by="sun", both=False)
BOTH_REVIEWED = InvoiceRequestReviewed(**F2, side="finance", reviewed_by="fin", both=True, lapses_on=DAY)
LAPSED = InvoiceRequestClosed(**F2, outcome="lapsed", reason="x")
ISSUED = InvoiceIssued(
    **ORDER,
    invoice="iv-1",
    request="f-1",
    unit="u-1",
    department="east",
    kind=InvoiceKind.DIGITAL,
    digital_number="26330000000000000001",
    issued_on=DAY,
    net_fen=100,
    tax_fen=13,
    gross_fen=113,
    lines=(),
    issued_by="fin2",
    collector="li",
)
RED = ISSUED.model_copy(update={"invoice": "iv-2", "red_of": "iv-1", "request": None, "collector": None})
COLLECTED = InvoiceCollected(invoice="iv-1", order="o-1", customer=CUSTOMER, collected_by="li", collected_on=DAY)
VOID = InvoiceVoided(invoice="iv-1", order="o-1", customer=CUSTOMER, voided_on=DAY, reason="x")
RED_DUE = RedLetterDue(**ORDER, department="east", excess_fen=100)
RED_COVERED = RedLetterDue(**ORDER, department="east", excess_fen=0)


def react(cause: RecordedFact[Any], state: Notices, company: Company = COMPANY) -> list[Fact]:
    """What all reactions to a fact note, each about its own thing, where this much was told before."""
    facts: list[Fact] = []
    for reaction in BY_FACT[type(cause.fact)]:
        for _ in reaction.stream_ids(cause):
            facts += reaction.decide(cause, state, context(company)).facts
    return facts


@dataclass
class Told:
    """What follows from a story of facts, each with who did it."""

    facts: list[Fact] = field(default_factory=list[Fact])
    last: list[Fact] = field(default_factory=list[Fact])

    @property
    def state(self) -> Notices:
        return NOTICES.fold(self.facts)

    @property
    def messages(self) -> list[tuple[str, str]]:
        """Template and recipient of what the last fact led to."""
        return [(fact.template.value, fact.recipient) for fact in self.last if isinstance(fact, NoticeAddressed)]


def given_(*story: tuple[Fact, str], company: Company = COMPANY) -> Told:
    told = Told()
    for fact, by in story:
        told.last = react(recorded(fact, by=by), told.state, company)
        told.facts += told.last
    return told


# --- examples --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fact", "by", "expected"),
    [
        (DOSSIER_SUBMITTED, "li", [("dossier-to-review", "zhao")]),
        (DOSSIER_RETURNED, "zhao", [("dossier-returned", "li")]),
        (REGISTERED, "zhao", []),
        (SUBMITTED, "li", [("turn-to-sign", "sun"), ("turn-to-sign", "qian")]),
        (APPROVED, "boss", [("qualification-approved", "li")]),
        (REJECTED, "fin", [("qualification-rejected", "li")]),
        (ACTIVATED, "office", [("customer-activated", "p-1")]),
        (ASSIGNED, "system:grading/x", [("grade-assigned", "li")]),
        (indicative(Grade.B), "system:grading/x", [("indicative-grade-changed", "li")]),
        (indicative(None), "system:grading/x", []),
        (drift(drifting=True), "x", [("grade-drift", "li"), ("grade-drift", "market"), ("grade-drift", "market2")]),
        (
            drift(drifting=False),
            "x",
            [("grade-drift-ended", "li"), ("grade-drift-ended", "market"), ("grade-drift-ended", "market2")],
        ),
        (PLANNED, "li", [("visit-planned", "wang")]),
        (
            OVERDUE,
            "system:engagement/x",
            [("visit-record-overdue", "li"), ("visit-record-overdue", "wang"), ("visit-record-overdue", "zhao")],
        ),
        (LOGGED, "li", []),
        (CANCELLED, "li", [("visit-cancelled", "wang")]),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Fact) else "",
)
def test_a_fact_is_told_to_whom_it_concerns(fact: Fact, by: str, expected: list[tuple[str, str]]) -> None:
    assert given_((fact, by)).messages == expected


def test_the_chain_tells_each_next_signer() -> None:
    """R3.1.3."""
    story: list[tuple[Fact, str]] = [(SUBMITTED, "li")]
    for step, by, then in [
        (Step.VETTING, "sun", "fin"),
        (Step.FINANCE, "fin", "zhao"),
        (Step.MANAGER, "zhao", "office"),
        (Step.REGISTRATION, "office", "boss"),
    ]:
        story.append((passed(step, by), by))
        assert given_(*story).messages == [("turn-to-sign", then)], step
    story += [(passed(Step.GENERAL_MANAGER, "boss"), "boss"), (APPROVED, "boss")]
    assert given_(*story).messages == [("qualification-approved", "li")]
    assert not given_(*story).state.anything_waits


def test_nobody_is_asked_to_sign_what_they_submitted_or_signed_before() -> None:
    """R3.1.3: four different people."""
    both = Company(holders=(Holder("sun", Role.VETTER, "east"), Holder("sun", Role.FINANCE, None)), owner="li")
    assert given_((SUBMITTED, "li"), (passed(Step.VETTING, "sun"), "sun"), company=both).messages == []
    selling = Company(holders=(Holder("li", Role.VETTER, "east"), Holder("sun", Role.VETTER, "east")), owner="li")
    assert given_((SUBMITTED, "li"), company=selling).messages == [("turn-to-sign", "sun")]


def test_whoever_approves_is_told_to_register_where_the_office_has_nobody() -> None:
    """R3.1.3."""
    nobody = Company(holders=(Holder("boss", Role.GENERAL_MANAGER, None),))
    story = [(SUBMITTED, "li"), (passed(Step.MANAGER, "zhao"), "zhao")]
    assert given_(*story, company=nobody).messages == [("turn-to-sign", "boss")]
    story.append((passed(Step.REGISTRATION, "boss", in_absence="leave"), "boss"))
    assert barred_from(Step.GENERAL_MANAGER, given_(*story, company=nobody).state.signers) == ("li", "zhao")


def test_given_back_to_an_earlier_step_it_waits_there_again() -> None:
    story = [(SUBMITTED, "li"), (passed(Step.VETTING, "sun"), "sun"), (returned(Step.FINANCE, Step.VETTING), "fin")]
    told = given_(*story)
    # qian may vet as well; fin has seen it only.
    assert told.messages == [("qualification-returned", "li"), ("turn-to-sign", "sun"), ("turn-to-sign", "qian")]
    to_li = given_((SUBMITTED, "li"), (returned(Step.VETTING, None), "sun"))
    assert to_li.messages == [("qualification-returned", "li")]
    assert not to_li.state.anything_waits


def test_a_step_that_is_passed_waits_no_longer() -> None:
    told = given_((SUBMITTED, "li"), (passed(Step.VETTING, "sun"), "sun"))
    assert isinstance(told.last[0], NoticeEnded)
    assert [need.ended for need in told.state.needs.values()] == [True, False]


def test_a_registered_customers_dossier_waits_no_longer_and_its_grade_is_still_news() -> None:
    nobody = Company()
    told = given_((DOSSIER_SUBMITTED, "li"), (ASSIGNED, "x"), (REGISTERED, "zhao"), company=nobody)
    assert [need.open for need in told.state.needs.values()] == [False, True]


def test_news_expire_after_they_happened_and_what_waits_after_it_was_told() -> None:
    """So the first start of a notifier beside an old company does not tell it all of its history."""
    old = recorded(ASSIGNED, at=later(days=-30))
    (addressed,) = [fact for fact in react(old, Notices()) if isinstance(fact, NoticeAddressed)]
    assert addressed.expires_at < NOW
    waiting = recorded(DOSSIER_SUBMITTED, by="li", at=later(days=-30))
    (addressed,) = [fact for fact in react(waiting, Notices()) if isinstance(fact, NoticeAddressed)]
    assert addressed.expires_at == later(days=14)


def test_a_new_holder_of_the_role_is_told_of_what_waits_but_not_of_old_news() -> None:
    waiting, news = recorded(DOSSIER_SUBMITTED, by="li"), recorded(drift(drifting=True))
    facts = react(waiting, Notices()) + react(news, Notices())
    state = NOTICES.fold(facts)
    more = Company(
        holders=(*COMPANY.holders, Holder("new", Role.DEPT_MANAGER, "east"), Holder("new", Role.MARKET_DEPT, None)),
        owner="li",
    )
    assert [fact.recipient for fact in addressed_in(waiting.id, state, more)] == ["new"]
    assert addressed_in(news.id, state, more) == []


def test_a_delegate_is_told_of_the_steps_and_days_that_are_theirs_and_barred_as_their_principal_is() -> None:
    """People: shown as B代A, both barred alike."""
    mandate = Delegation("zhao", frozenset({"dossier:review"}), DAY, DAY)
    company = Company(holders=(*COMPANY.holders, Holder("wang", Role.DEPT_MANAGER, "east", mandate)))
    asked = Audience(kind="role", role=Role.DEPT_MANAGER, department="east", step="dossier:review")
    assert recipients(asked, company, DAY) == ["zhao", "wang"]
    assert recipients(asked, company, DAY + timedelta(days=1)) == ["zhao"]
    assert recipients(asked.model_copy(update={"step": "dossier:change"}), company, DAY) == ["zhao"]
    assert recipients(asked.model_copy(update={"step": None}), company, DAY) == ["zhao"]
    assert recipients(asked.model_copy(update={"department": "west"}), company, DAY) == ["he"]
    assert recipients(asked.model_copy(update={"barred": ("zhao",)}), company, DAY) == []


def test_whoever_signed_as_a_delegate_and_their_principal_are_both_barred_from_other_steps() -> None:
    told = given_((SUBMITTED, "li"), (passed(Step.VETTING, "qian", on_behalf_of="fin"), "qian"))
    assert {noted.person for noted in told.state.signers} == {"li", "qian", "fin"}
    (need,) = [fact for fact in told.last if isinstance(fact, NoticeNeeded)]
    assert {"qian", "fin"} <= set(need.audience.barred)


def addressed_in(reason: UUID, state: Notices, company: Company) -> list[NoticeAddressed]:
    facts = address(reason, state, context(company)).facts
    return [fact for fact in facts if isinstance(fact, NoticeAddressed)]


@pytest.mark.parametrize("fact", [*BY_FACT], ids=lambda fact: fact.__name__)
def test_every_fact_reacted_to_has_an_example_here(fact: type[Fact]) -> None:
    assert any(type(example) is fact for example in EXAMPLES)


EXAMPLES: Sequence[Fact] = (
    DOSSIER_SUBMITTED,
    DOSSIER_RETURNED,
    REGISTERED,
    SUBMITTED,
    passed(Step.VETTING, "sun"),
    returned(Step.FINANCE, None),
    returned(Step.FINANCE, Step.VETTING),
    REJECTED,
    APPROVED,
    ACTIVATED,
    ASSIGNED,
    indicative(Grade.B),
    drift(drifting=True),
    drift(drifting=False),
    PLANNED,
    OVERDUE,
    LOGGED,
    CANCELLED,
    CHANGE_PROPOSED,
    CHANGE_DECLINED,
    CHANGE_PASSED,
    OWNER_PASSED,
    VERIFY,
    VERIFY_REMINDED,
    VERIFY_OVERDUE,
    VERIFIED,
    REPORT_MISSING,
    REPORT_SUBMITTED,
    DELEGATED,
    ESCALATED,
    LEAVING,
    CLEARED,
    PROPOSED,
    ACCEPTED,
    NOTICE_DUE,
    VOIDED,
    WITHDRAWN,
    EXPIRING,
    LAST_DAY,
    SUSPENDED,
    RESTORED,
    RELEASED,
    BLOCKED,
    SHIPPED,
    STOPPED,
    RECEIPT,
    RECEIPT_OF_UNIT,
    ALLOCATED,
    INCIDENT,
    REQUESTED,
    REVIEWED,
    BOTH_REVIEWED,
    LAPSED,
    ISSUED,
    RED,
    COLLECTED,
    VOID,
    RED_DUE,
    RED_COVERED,
)


def test_every_template_can_be_filled_from_what_its_reasons_tell() -> None:
    live = dict.fromkeys(LIVE_VARIABLES, "x")
    used: set[TemplateName] = set()
    for example in EXAMPLES:
        for need in react(recorded(example), Notices()):
            if isinstance(need, NoticeNeeded):
                used.add(need.template)
                assert set(need.values) == TOLD_VARIABLES.get(need.template, frozenset()), need.template
                render(WORDS[need.template], {**live, **need.values}, longest=35)
    assert used == set(TemplateName)


# --- any order -------------------------------------------------------------------------------------------------------

STAFF = [
    RoleGranted(person=holder.person, role=holder.role, department=holder.department, granted_by="admin")
    for holder in COMPANY.holders
]
#: By topic, each in its own order; about one customer.
TOPICS: dict[str, list[tuple[Fact, str]]] = {
    "registry": [
        (DOSSIER_SUBMITTED, "li"),
        (DOSSIER_RETURNED, "zhao"),
        (DOSSIER_SUBMITTED, "li"),
        (REGISTERED, "zhao"),
        (CHANGE_PROPOSED, "li"),
        (CHANGE_PASSED, "zhao"),
        (VERIFY, "x"),
        (VERIFY_OVERDUE, "x"),
        (NOTICE_DUE, "zhao"),
    ],
    "vetting": [
        (SUBMITTED, "li"),
        (passed(Step.VETTING, "sun"), "sun"),
        (returned(Step.FINANCE, Step.VETTING), "fin"),
        (passed(Step.VETTING, "sun"), "sun"),
        (passed(Step.FINANCE, "fin"), "fin"),
        (passed(Step.MANAGER, "zhao"), "zhao"),
        (passed(Step.REGISTRATION, "office"), "office"),
        (passed(Step.GENERAL_MANAGER, "boss"), "boss"),
        (APPROVED, "boss"),
        (ACTIVATED, "office"),
        (RELEASED, "fin"),
        (SHIPPED, "ware"),
        (REQUESTED, "li"),
        (REVIEWED, "sun"),
        (BOTH_REVIEWED, "fin"),
        (ISSUED, "fin2"),
        (RED_DUE, "x"),
    ],
    "grading": [(ASSIGNED, "x"), (indicative(Grade.B), "x"), (drift(drifting=True), "x"), (drift(drifting=False), "x")],
    "engagement": [(PLANNED, "li"), (OVERDUE, "x"), (LOGGED, "li")],
}
FACTS = {topic: [recorded(fact, by=by) for fact, by in story] for topic, story in TOPICS.items()}
MARKS = [topic for topic, story in TOPICS.items() for _ in story]


@dataclass
class Notifier:
    """The service in memory: what it knows of the company, and the streams of its notices with what they add up to."""

    company: Company = field(default_factory=Company)
    streams: dict[str, list[Fact]] = field(default_factory=dict[str, list[Fact]])
    states: dict[str, Notices] = field(default_factory=dict[str, Notices])

    def consume(self, cause: RecordedFact[Any]) -> None:
        for reaction in BY_FACT[type(cause.fact)]:
            for stream in reaction.stream_ids(cause):
                decided = reaction.decide(cause, self.states.get(stream, Notices()), context(self.company))
                self.append(stream, decided.facts)
        if isinstance(cause.fact, CustomerRegistered):  # the view is written after the reaction has decided
            self.company = Company(self.company.holders, owner=cause.fact.owner, main_contact="p-1")

    def append(self, stream: str, facts: Sequence[Fact]) -> None:
        self.streams.setdefault(stream, []).extend(facts)
        self.states[stream] = NOTICES.fold(facts, self.states.get(stream))

    def hire(self, fact: RoleGranted) -> None:
        holders = (*self.company.holders, Holder(fact.person, fact.role, fact.department))
        self.company = Company(holders, self.company.owner, self.company.main_contact)

    def catch_up(self) -> None:
        for stream, state in list(self.states.items()):
            for reason in {need.noted.reason for need in state.needs.values() if need.open}:
                self.append(stream, address(reason, self.states[stream], context(self.company)).facts)

    @property
    def told(self) -> set[tuple[UUID, str, str]]:
        addressed = [fact for facts in self.streams.values() for fact in facts if isinstance(fact, NoticeAddressed)]
        once = {(fact.reason, fact.template, fact.audience_kind, fact.recipient) for fact in addressed}
        assert len(once) == len(addressed), "somebody was addressed twice"
        return {(fact.reason, fact.template.value, fact.recipient) for fact in addressed}


def run(order: Sequence[str], catching_up: Sequence[bool], hired: Sequence[int], *, twice: bool = False) -> Notifier:
    """Consume the topics in an order; `hired[i]` members of the staff are known before the i-th fact."""
    notifier, queues, staff = Notifier(), {topic: iter(facts) for topic, facts in FACTS.items()}, iter(STAFF)
    for place, topic in enumerate(order):
        for _ in range(hired[place]):
            if (fact := next(staff, None)) is not None:
                notifier.hire(fact)
        cause = next(queues[topic])
        notifier.consume(cause)
        if twice:
            notifier.consume(cause)
        if catching_up[place]:
            notifier.catch_up()
    for fact in staff:
        notifier.hire(fact)
    notifier.catch_up()
    return notifier


ORDERS = st.permutations(MARKS)
CATCHING_UP = st.lists(st.booleans(), min_size=len(MARKS), max_size=len(MARKS))
ALL_AT_FIRST = [len(STAFF)] + [0] * (len(MARKS) - 1)
EXPECTED = run(MARKS, [False] * len(MARKS), ALL_AT_FIRST).told


@given(ORDERS, CATCHING_UP)
def test_in_whatever_order_the_topics_come_the_same_people_are_told(order: list[str], catching_up: list[bool]) -> None:
    assert run(order, catching_up, ALL_AT_FIRST).told == EXPECTED


@given(ORDERS, CATCHING_UP)
def test_a_fact_that_comes_twice_tells_nobody_twice(order: list[str], catching_up: list[bool]) -> None:
    assert run(order, catching_up, ALL_AT_FIRST, twice=True).told == EXPECTED


@given(ORDERS, CATCHING_UP, st.lists(st.integers(0, 3), min_size=len(MARKS), max_size=len(MARKS)))
def test_a_staff_that_is_known_late_is_told_of_all_that_still_waits_and_of_all_news(
    order: list[str], catching_up: list[bool], hired: list[int]
) -> None:
    notifier = run(order, catching_up, hired)
    assert notifier.told <= EXPECTED
    for state in notifier.states.values():
        for need in state.needs.values():
            wanted = set(recipients(need.noted.audience, notifier.company, DAY))
            if need.noted.waiting and not need.ended:
                assert need.told == wanted
            elif not need.noted.waiting and wanted:
                assert need.told, need.noted.template


@given(
    audience=st.builds(
        Audience,
        kind=st.sampled_from(["persons", "role", "owner", "main_contact"]),
        persons=st.lists(st.sampled_from(["li", "wang", "sun"])).map(tuple),
        role=st.none() | st.sampled_from(Role),
        stand_in=st.none() | st.sampled_from(Role),
        department=st.none() | st.sampled_from(["east", "west", "north"]),
        barred=st.lists(st.sampled_from(["li", "sun", "boss", "p-1"])).map(tuple),
    ),
)
def test_nobody_barred_is_told_and_nobody_twice(audience: Audience) -> None:
    found = recipients(audience, COMPANY, DAY)
    assert len(found) == len(set(found))
    assert set(found).isdisjoint(audience.barred)


@given(
    st.sampled_from(list(SIGNABLE := tuple(Step)[:-1])),
    st.lists(
        st.builds(
            SignerNoted,
            thing=st.just("q-1"),
            customer=st.just(CUSTOMER),
            person=st.sampled_from(["a", "b", "c"]),
            step=st.none() | st.sampled_from(SIGNABLE),
            in_absence=st.booleans(),
        )
    ),
)
def test_whoever_submitted_is_barred_from_every_step(step: Step, signers: list[SignerNoted]) -> None:
    barred = barred_from(step, signers)
    assert {noted.person for noted in signers if noted.step is None} <= set(barred)
    assert set(barred) <= {noted.person for noted in signers}
