"""Whom each fact is news to: by example, and in whichever order the facts of several topics come."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kehu.contracts.customers import CustomerRegistered
from kehu.contracts.grading import Grade
from kehu.contracts.staff import Role, RoleGranted
from kehu.contracts.vetting import Step
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
from kehu_notifier.templates.template import LIVE_VARIABLES, TOLD_TO_LEAVERS, TOLD_VARIABLES, TemplateName
from kehu_notifier.testing import COMPANY, CUSTOMER, NOW, context, later, recorded
from kehu_notifier.testing.examples import (
    ACCEPTED,
    ACCESS_ENDED,
    ACTIVATED,
    AGREED,
    AGREED_ANEW,
    ALLOCATED,
    APPROVED,
    ASSIGNED,
    BOTH_REVIEWED,
    CANCELLED,
    CHANGE_DECLINED,
    CHANGE_OF_OWNER,
    CHANGE_PASSED,
    CHANGE_PROPOSED,
    CLEARED,
    CLOSED,
    COLLECTED,
    DAY,
    DECLINED,
    DELEGATED,
    DELEGATION_ENDED,
    DOSSIER_RETURNED,
    DOSSIER_SUBMITTED,
    ESCALATED,
    ESCALATED_DOSSIER,
    ESCALATED_RENEWAL,
    ESCALATED_REVIEW,
    EXAMPLES,
    FAILED,
    IDENTIFIED,
    ISSUED,
    LAPSED,
    LATE,
    LATE_UNPAID,
    LEAVING,
    LOGGED,
    LONE_VISIT,
    MEASURE_ASSIGNED,
    MEASURE_OVERDUE,
    MEASURE_WITHDRAWN,
    MERGE_DECLINED,
    MERGE_PROPOSED,
    MERGED,
    NOTICE_DUE,
    ORDER_CANCELLED,
    OVERDUE,
    PLANNED,
    PROPOSED,
    QUALIFIED_ANEW,
    RECEIPT,
    RECEIPT_OF_UNIT,
    RED,
    RED_ASKED,
    RED_CONFIRMED,
    RED_DROPPED,
    RED_DUE,
    RED_SETTLED,
    REGISTERED,
    REJECTED,
    RELATION_AGREED,
    RELATION_DECLINED,
    RELATION_REQUESTED,
    RELEASED,
    RENEWAL_PASSED,
    RENEWAL_RETURNED,
    RENEWAL_SUBMITTED,
    RENEWAL_VETTED,
    RENEWAL_WITHDRAWN,
    REPORT_DUE,
    REPORT_MISSING,
    REPORT_SUBMITTED,
    REQUESTED,
    RESUMED,
    RESUMPTION_PROPOSED,
    RETURNED_GOODS,
    REVIEWED,
    SENT_BACK,
    SHIPPED,
    SIGNED,
    STAYS,
    STOP_DECLINED,
    STOP_PROPOSED,
    STOPPED,
    SUBMITTED,
    TAKE_OVER,
    UNDO_PROPOSED,
    UNIT_SUSPENDED,
    UNMERGED,
    UNPLANNED,
    UNREACHABLE,
    VERIFIED,
    VERIFIER_NEEDED,
    VERIFY,
    VERIFY_OVERDUE,
    WORK_MOVED,
    drift,
    indicative,
    passed,
    returned,
)

BY_FACT = {fact: [one for one in REACTIONS if one.on is fact] for fact in dict.fromkeys(one.on for one in REACTIONS)}


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
        (
            TAKE_OVER,
            "li",
            [("take-over-to-confirm", "zhao"), ("take-over-to-confirm", "market"), ("take-over-to-confirm", "market2")],
        ),
        (DOSSIER_RETURNED, "zhao", [("dossier-returned", "li")]),
        (REGISTERED, "zhao", []),
        (SUBMITTED, "li", [("turn-to-sign", "sun"), ("turn-to-sign", "qian")]),
        (APPROVED, "boss", [("qualification-approved", "li")]),
        (REJECTED, "fin", [("qualification-rejected", "li")]),
        (ACTIVATED, "office", [("customer-activated", "p-1"), ("customer-may-order", "li")]),
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
        (UNPLANNED, "li", [("visit-deviates", "zhao")]),
        (CHANGE_PASSED, "zhao", [("change-passed", "li")]),
        (CHANGE_OF_OWNER, "zhao", [("owner-assigned", "wang")]),
        (RELATION_REQUESTED, "wang", [("relation-to-review", "zhao")]),
        (RELATION_DECLINED, "zhao", [("relation-declined", "wang")]),
        (RELATION_AGREED, "zhao", [("relation-agreed", "li"), ("relation-agreed", "wang")]),
        (CLOSED, "zhao", [("customer-closed", "li"), ("customer-closed", "market"), ("customer-closed", "market2")]),
        (
            MERGE_PROPOSED,
            "zhao",
            [("merge-to-confirm", "he"), ("merge-to-confirm", "market"), ("merge-to-confirm", "market2")],
        ),
        (MERGE_DECLINED, "market", [("merge-declined", "zhao")]),
        (MERGED, "market", [("customers-merged", "li"), ("customers-merged", "zhao")]),
        (MERGED.model_copy(update={"customer": "c-2"}), "market", []),
        (UNMERGED, "market", [("customers-unmerged", "li")]),
        (VERIFIER_NEEDED, "x", [("verifier-needed", "zhao")]),
        (UNREACHABLE, "ver", [("contacts-unreachable", "li"), ("contacts-unreachable", "zhao")]),
        (MEASURE_ASSIGNED, "zhao", [("measure-assigned", "li"), ("measure-taken-off", "wang")]),
        (MEASURE_OVERDUE, "x", [("measure-overdue", "li"), ("measure-overdue", "zhao")]),
        (MEASURE_WITHDRAWN, "zhao", [("measure-withdrawn", "li")]),
        (REPORT_DUE, "x", [("report-due", "zhao")]),
        (
            REPORT_MISSING,
            "x",
            [("report-missing", "zhao"), ("report-not-received", "market"), ("report-not-received", "market2")],
        ),
        (DELEGATED, "zhao", [("delegate-appointed", "wang")]),
        (DELEGATION_ENDED, "admin", [("delegation-ended", "wang"), ("delegation-ended", "zhao")]),
        (
            LEAVING,
            "hr",
            [("departure-of-yours", "li"), ("successors-to-propose", "zhao")],
        ),
        (STAYS, "hr", [("departure-cancelled", "zhao"), ("departure-cancelled", "li")]),
        (CLEARED, "zhao", [("departure-cleared", "hr")]),
        (DECLINED, "wang", [("succession-declined", "zhao")]),
        (ACCEPTED, "wang", [("succession-settled", "zhao")]),
        (ACCEPTED, "zhao", [("succession-settled", "wang")]),
        (WORK_MOVED, "zhao", [("open-work-moved", "wang")]),
        (WORK_MOVED, "wang", []),
        (FAILED, "system:notifier/sender", [("notice-undelivered", "li")]),
        (AGREED_ANEW, "sun", [("agreement-renewed", "li")]),
        (QUALIFIED_ANEW, "boss", [("qualification-renewed", "li")]),
        (RENEWAL_SUBMITTED, "li", [("renewal-to-review", "sun"), ("renewal-to-review", "qian")]),
        (RENEWAL_VETTED, "sun", [("renewal-to-review", "fin")]),
        (RENEWAL_PASSED, "fin", [("renewal-passed", "li")]),
        (RENEWAL_RETURNED, "sun", [("renewal-returned", "li")]),
        (UNIT_SUSPENDED, "x", [("payer-suspended", "li"), ("payer-suspended", "chen"), ("payer-suspended", "fin")]),
        (SIGNED, "clerk", [("order-entered", "li")]),
        (SIGNED, "li", []),
        (LATE, "x", [("delivery-overdue", "li"), ("delivery-overdue", "zhao"), ("delivery-overdue", "ware")]),
        (LATE_UNPAID, "x", [("payment-overdue", "li"), ("payment-overdue", "zhao")]),
        (STOP_PROPOSED, "fin", [("stop-to-agree", "zhao")]),
        (RESUMPTION_PROPOSED, "zhao", [("resumption-to-agree", "fin")]),
        (STOP_DECLINED, "zhao", [("stop-declined", "fin")]),
        (RETURNED_GOODS, "ware", [("goods-returned", "li"), ("goods-returned", "fin")]),
        (SENT_BACK, "sun", [("invoice-returned", "li")]),
        (RED_ASKED, "fin", [("red-letter-asked", "li"), ("red-letter-to-confirm", "p-1")]),
        (RED_CONFIRMED, "x", [("red-letter-to-issue", "fin")]),
        (RED_DROPPED, "x", [("red-letter-dropped", "li"), ("red-letter-dropped", "fin")]),
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
    assert given_(*story).state.anything_waits  # the agreement
    assert not given_(*story, (AGREED, "li")).state.anything_waits


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


# --- what ends, and what passes on -----------------------------------------------------------------------------------


def waiting_after(*story: tuple[Fact, str]) -> set[str]:
    """The templates of what still waits when all of it has happened."""
    notifier = Notifier(company=COMPANY)
    for fact, by in story:
        notifier.consume(recorded(fact, by=by))
    needs = [need for state in notifier.states.values() for need in state.needs.values()]
    return {need.noted.template.value for need in needs if need.noted.waiting and not need.ended}


@pytest.mark.parametrize(
    ("asks", "answers"),
    [
        (RELATION_REQUESTED, RELATION_AGREED),
        (RELATION_REQUESTED, RELATION_DECLINED),
        (MERGE_PROPOSED, MERGED),
        (MERGE_PROPOSED, MERGE_DECLINED),
        (UNDO_PROPOSED, UNMERGED),
        (VERIFIER_NEEDED, VERIFIED),
        (VERIFY_OVERDUE, VERIFIED),
        (MEASURE_OVERDUE, MEASURE_WITHDRAWN),
        (REPORT_DUE, REPORT_SUBMITTED),
        (LEAVING, CLEARED),
        (LEAVING, STAYS),
        (LEAVING, ACCESS_ENDED),
        (PROPOSED, ACCEPTED),
        (DECLINED, ACCEPTED),
        (RENEWAL_VETTED, RENEWAL_PASSED),
        (RENEWAL_SUBMITTED, RENEWAL_WITHDRAWN),
        (APPROVED, AGREED),
        (STOP_PROPOSED, STOPPED),
        (STOP_PROPOSED, STOP_DECLINED),
        (RESUMPTION_PROPOSED, RESUMED),
        (STOP_PROPOSED, ORDER_CANCELLED),
        (LATE, SHIPPED),
        (RECEIPT, ALLOCATED),
        (REQUESTED, LAPSED),
        (RED_DUE, RED_SETTLED),
        (RED_ASKED, RED_DROPPED),
        (RED_CONFIRMED, RED.model_copy(update={"red": "rd-1"})),
        (ESCALATED.model_copy(update={"thing": "ch-1"}), CHANGE_DECLINED),
        (ESCALATED.model_copy(update={"thing": CUSTOMER, "step": "departure:assign"}), ACCEPTED),
        (ESCALATED_DOSSIER, DOSSIER_RETURNED),
        (ESCALATED_DOSSIER, REGISTERED),
        (ESCALATED_REVIEW, REJECTED),
        (ESCALATED_RENEWAL, RENEWAL_PASSED),
    ],
    ids=lambda fact: type(fact).__name__,
)
def test_what_somebody_is_asked_for_waits_until_it_is_answered(asks: Fact, answers: Fact) -> None:
    assert waiting_after((asks, "x"))
    assert waiting_after((asks, "x"), (answers, "x")) <= {"invoice-to-collect", "dossier-returned"}


def test_an_invoice_request_given_back_waits_for_the_applicant_and_for_nobody_else() -> None:
    story = [(REQUESTED, "li"), (REVIEWED, "sun"), (SENT_BACK, "fin")]
    assert waiting_after(*story) == {"invoice-returned"}
    assert waiting_after(*story, (REQUESTED, "li")) == {"invoice-to-review"}


def test_an_identified_receipt_waits_to_be_allocated_and_no_longer_to_be_identified() -> None:
    story = [(RECEIPT, "system:vetting/inbound"), (IDENTIFIED, "fin")]
    assert waiting_after(*story) == {"receipt-to-allocate"}


@pytest.mark.parametrize(
    ("asks", "answers"), [(REPORT_DUE, REPORT_SUBMITTED), (RECEIPT, ALLOCATED), (RECEIPT_OF_UNIT, ALLOCATED)]
)
def test_an_answer_that_comes_before_what_it_answers_leaves_nothing_waiting(asks: Fact, answers: Fact) -> None:
    """They have different Kafka keys, so there is no order between them."""
    told = given_((answers, "fin"), (asks, "system:x"))
    assert told.messages == []
    assert not told.state.anything_waits


LEAVERS = replace(COMPANY, leaving=frozenset({"li"}))


@pytest.mark.parametrize("fact", [APPROVED, DOSSIER_RETURNED, MEASURE_ASSIGNED, ASSIGNED, RED_DUE, LONE_VISIT])
def test_what_names_somebody_who_is_leaving_is_told_to_their_manager_instead(fact: Fact) -> None:
    """R4.6: what is open passes on; nothing new is theirs."""
    told = {recipient for _, recipient in given_((fact, "x"), company=LEAVERS).messages}
    assert "li" not in told
    assert "zhao" in told


@pytest.mark.parametrize("fact", [OVERDUE, LEAVING, STAYS])
def test_somebody_who_is_leaving_hears_what_is_still_theirs_to_do(fact: Fact) -> None:
    """R4.6: the records of past visits, and the handover."""
    assert "li" in {recipient for _, recipient in given_((fact, "x"), company=LEAVERS).messages}


def test_what_was_told_to_somebody_before_they_left_passes_to_the_manager_while_it_waits() -> None:
    waiting = recorded(ISSUED, by="fin2")
    state = NOTICES.fold(react(waiting, Notices()))
    assert [(fact.template.value, fact.recipient) for fact in addressed_in(waiting.id, state, LEAVERS)] == [
        ("invoice-to-collect", "zhao")
    ]
    done = NOTICES.fold(react(recorded(COLLECTED, by="x"), state), state)
    assert addressed_in(waiting.id, done, LEAVERS) == []


@given(
    st.sampled_from(EXAMPLES),
    st.frozensets(st.sampled_from(["li", "wang", "zhao", "sun", "qian", "fin", "market", "boss", "ver", "chen"])),
    st.sampled_from(["x", "li", "zhao", "fin"]),
)
def test_nobody_who_is_leaving_is_told_anything_but_what_is_theirs_to_finish(
    fact: Fact, leaving: frozenset[str], by: str
) -> None:
    holders = tuple(holder for holder in COMPANY.holders if holder.person not in leaving)
    company = replace(COMPANY, holders=holders, leaving=leaving)
    for one in react(recorded(fact, by=by), Notices(), company):
        if isinstance(one, NoticeAddressed) and one.recipient in leaving:
            assert one.template in TOLD_TO_LEAVERS


@given(st.sampled_from(EXAMPLES), st.sampled_from(["x", "li", "zhao", "fin", "system:vetting/inbound"]))
def test_a_fact_that_is_known_says_nothing_new_however_often_it_comes(fact: Fact, by: str) -> None:
    notifier, cause = Notifier(company=COMPANY), recorded(fact, by=by)
    notifier.consume(cause)
    before = {stream: list(facts) for stream, facts in notifier.streams.items()}
    for _ in range(3):
        notifier.consume(cause)
        notifier.catch_up()
    again = {stream: facts[len(before[stream]) :] for stream, facts in notifier.streams.items()}
    said = [one for facts in again.values() for one in facts if isinstance(one, NoticeNeeded | NoticeAddressed)]
    # A fact that carries out what it also ends may end it anew; it tells nobody anything.
    assert said == []


def addressed_in(reason: UUID, state: Notices, company: Company) -> list[NoticeAddressed]:
    facts = address(reason, state, context(company)).facts
    return [fact for fact in facts if isinstance(fact, NoticeAddressed)]


@pytest.mark.parametrize("fact", [*BY_FACT], ids=lambda fact: fact.__name__)
def test_every_fact_reacted_to_has_an_example_here(fact: type[Fact]) -> None:
    assert any(type(example) is fact for example in EXAMPLES)


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
        (VERIFIER_NEEDED, "x"),
        (VERIFY, "x"),
        (VERIFY_OVERDUE, "x"),
        (NOTICE_DUE, "zhao"),
        (RELATION_REQUESTED, "wang"),
        (MERGE_PROPOSED, "zhao"),
        (MERGED, "market"),
        (MEASURE_ASSIGNED, "zhao"),
        (MEASURE_OVERDUE, "x"),
        (PROPOSED, "zhao"),
        (DECLINED, "wang"),
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
        (RED_ASKED, "fin"),
        (RENEWAL_SUBMITTED, "li"),
        (RENEWAL_VETTED, "sun"),
        (STOP_PROPOSED, "fin"),
        (LATE, "x"),
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
            self.company = Company(self.company.holders, cause.fact.owner, "p-1", cause.fact.department)

    def append(self, stream: str, facts: Sequence[Fact]) -> None:
        self.streams.setdefault(stream, []).extend(facts)
        self.states[stream] = NOTICES.fold(facts, self.states.get(stream))

    def hire(self, fact: RoleGranted) -> None:
        holders = (*self.company.holders, Holder(fact.person, fact.role, fact.department))
        self.company = replace(self.company, holders=holders)

    def catch_up(self) -> None:
        for stream, state in list(self.states.items()):
            for reason in {need.noted.reason for need in state.needs.values() if need.open}:
                self.append(stream, address(reason, self.states[stream], context(self.company)).facts)

    @property
    def told(self) -> set[tuple[UUID, str, str]]:
        addressed = [fact for facts in self.streams.values() for fact in facts if isinstance(fact, NoticeAddressed)]
        once = {(fact.reason, fact.template, fact.audience_kind, fact.place, fact.recipient) for fact in addressed}
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
