"""R3.1.3, command by command: given what was recorded, when somebody does something, then this follows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kehu.calendar import start_of_day
from kehu.contracts.customers import CustomerKind
from kehu.contracts.staff import StepEscalated
from kehu.contracts.vetting import (
    AgentActivated,
    AgreementSigned,
    QualificationApproved,
    QualificationReturned,
    QualificationStepPassed,
    QualificationSubmitted,
    SignoffsVoided,
    Step,
)
from kehu.deciding import Actor, Decision, Grant, Mandate
from kehu.errors import Forbidden, Invalid, KehuError, NotFound, Refused
from kehu_vetting.customer_files.facts import CustomerFile
from kehu_vetting.qualifications import decisions, signing
from kehu_vetting.qualifications.decisions import CLAIM_SCOPE, ChangeForm, DraftQualification, NoteFinanceFacts
from kehu_vetting.qualifications.escalating import UNANSWERED
from kehu_vetting.qualifications.facts import (
    ORDER,
    BundleFrozen,
    Finding,
    FindingsNoted,
    FormChanged,
    SignatoriesNoted,
    Status,
)
from kehu_vetting.qualifications.form import FinanceFacts, LegalRepresentative, tidied
from kehu_vetting.testing import (
    CUSTOMER,
    DOCUMENTS,
    FILE,
    FINANCE,
    GENERAL_MANAGER,
    MANAGER,
    NOW,
    OFFICE,
    REPRESENTATIVE,
    SALES,
    TODAY,
    VETTER,
    Case,
    agreement,
    complete_form,
    paper,
    person,
)

REMARK = (Finding(field="channel", text="请补充渠道说明"),)


def types(facts: list[Any]) -> list[type]:
    return [type(fact) for fact in facts]


def refusal(kind: type[KehuError], code: str, call: Callable[..., Any], *arguments: Any, **named: Any) -> KehuError:
    with pytest.raises(kind) as caught:
        call(*arguments, **named)
    assert caught.value.problem_code == code
    assert caught.value.clause
    return caught.value


# --- drafting and submitting ---


def test_only_the_owner_of_a_registered_customer_begins_one() -> None:
    draft = DraftQualification("q-1", CUSTOMER, complete_form())
    refusal(Forbidden, "not-the-owner", Case().do, decisions.draft_qualification, person("x", "salesperson"), draft)
    refusal(Forbidden, "not-the-owner", Case().do, decisions.draft_qualification, person("sales"), draft)
    unknown = Case(file=CustomerFile(customer=CUSTOMER, owner="sales"))
    refusal(NotFound, "customer-unknown", unknown.do, decisions.draft_qualification, SALES, draft)
    leaving = replace(SALES, departing=True)
    refusal(Forbidden, "departing", Case().do, decisions.draft_qualification, leaving, draft)


def test_a_draft_claims_its_customer_so_that_a_second_one_is_refused() -> None:
    draft = DraftQualification("q-2", CUSTOMER, complete_form())
    decision = decisions.draft_qualification(draft, Case().state, Case().context(SALES))
    assert [(one.scope, one.value, one.holder) for one in decision.claims] == [
        (CLAIM_SCOPE, CUSTOMER, "qualification-q-2")
    ]


def test_a_draft_may_be_incomplete_and_submitting_says_what_is_missing() -> None:
    case = Case().drafted(complete_form(channel=None, documents=()))
    found = refusal(Invalid, "incomplete", case.do, decisions.submit_qualification, SALES)
    assert {"channel", "documents.business_licence"} <= {one["field"] for one in found.evidence["errors"]}
    assert case.state.status is Status.DRAFT


def test_submitting_freezes_a_numbered_bundle_with_its_digest() -> None:
    case = Case().drafted()
    frozen, submitted = case.do(decisions.submit_qualification, SALES)
    assert types([frozen, submitted]) == [BundleFrozen, QualificationSubmitted]
    assert (submitted.bundle, submitted.digest) == (1, frozen.digest)
    assert {one.requirement: one.document for one in frozen.satisfied}["organisation_code"] == "business_licence"
    assert (case.state.status, case.state.step) == (Status.IN_REVIEW, Step.VETTING)
    refusal(Refused, "not-to-be-submitted", case.do, decisions.submit_qualification, SALES)


def test_the_digest_names_the_content_and_keeps_the_persons_secret() -> None:
    one = Case().submitted().bundle.digest
    assert Case().submitted().bundle.digest == one
    assert Case().submitted(complete_form(scope="其他")).bundle.digest != one
    blinded = REPRESENTATIVE.model_copy(update={"blind": "another"})
    assert Case().submitted(complete_form(legal_representative=blinded)).bundle.digest != one


# --- the chain ---


def test_the_whole_chain_ends_in_an_active_agent() -> None:
    case = Case().approved()
    assert case.state.status is Status.APPROVED
    assert types(case.facts)[-2:] == [QualificationStepPassed, QualificationApproved]
    facts = case.do(signing.sign_agreement, SALES, agreement())
    assert types(facts) == [SignatoriesNoted, AgreementSigned, AgentActivated]
    assert facts[-1].agent
    assert facts[-1].activated_on == TODAY
    assert case.state.status is Status.ACTIVE


def test_a_key_end_user_becomes_an_active_customer() -> None:
    case = Case(file=replace(FILE, kind=CustomerKind.KEY_END_USER)).approved()
    assert not case.do(signing.sign_agreement, OFFICE, agreement())[-1].agent


def test_each_pass_tells_whose_turn_it_is() -> None:
    case = Case().submitted()
    for step, following in pairwise(ORDER):
        case.passed(step)
        passed = next(fact for fact in reversed(case.facts) if isinstance(fact, QualificationStepPassed))
        assert (passed.step, passed.next_step, passed.digest) == (step, following, case.bundle.digest)


@pytest.mark.parametrize("done", range(5))
@pytest.mark.parametrize("wanted", ORDER[:5])
def test_steps_are_signed_strictly_in_order(done: int, wanted: Step) -> None:
    case = Case().submitted().passed(*ORDER[:done])
    if ORDER[done] is wanted:
        case.passed(wanted)
    else:
        with pytest.raises((Refused, Forbidden)) as caught:
            case.passed(wanted)
        assert caught.value.problem_code in {"out-of-order", "separation-of-duties"}


def test_a_step_needs_its_role_in_the_customers_department() -> None:
    case = Case().submitted()
    refusal(Forbidden, "role-required", case.sign, Step.VETTING, person("a", "finance"))
    elsewhere = person("a", "vetter", department="west")
    refusal(Forbidden, "role-required", case.sign, Step.VETTING, elsewhere)
    case.file = replace(FILE, department="west", owner="other")
    assert case.sign(Step.VETTING, elsewhere)[-1].department == "west"


def test_the_submitter_signs_nothing_whatever_their_roles() -> None:
    case = Case().submitted()
    for step in ORDER[:5]:
        promoted = replace(SALES, grants=(Grant("vetter"), Grant("finance"), Grant("dept_manager"), Grant("gm_office")))
        promoted = replace(promoted, grants=(*promoted.grants, Grant("general_manager")))
        refusal(Forbidden, "separation-of-duties", case.sign, step, promoted)
        case.passed(step)


def test_whoever_signed_a_step_signs_no_other_even_in_another_role() -> None:
    case = Case().submitted().passed(Step.VETTING, Step.FINANCE)
    refusal(Forbidden, "separation-of-duties", case.sign, Step.MANAGER, person("vetter", "dept_manager"))
    case.passed(Step.MANAGER)
    refusal(Forbidden, "separation-of-duties", case.sign, Step.REGISTRATION, person("finance", "gm_office"))
    case.passed(Step.REGISTRATION)
    for former in ("vetter", "finance", "manager", "office"):
        refusal(Forbidden, "separation-of-duties", case.sign, Step.GENERAL_MANAGER, person(former, "general_manager"))


def test_a_voided_signature_bars_its_signer_from_other_steps_too() -> None:
    case = Case().submitted().passed(Step.VETTING)
    case.do(signing.return_qualification, FINANCE, signing.ReturnQualification(Step.FINANCE, Step.VETTING, REMARK))
    case.sign(Step.VETTING, person("second", "vetter"))
    refusal(Forbidden, "separation-of-duties", case.sign, Step.FINANCE, person("vetter", "finance"))


def test_the_approver_registers_when_nobody_of_the_office_is_there() -> None:
    case = Case().submitted().passed(*ORDER[:3])
    refusal(Forbidden, "role-required", case.sign, Step.REGISTRATION, GENERAL_MANAGER)
    (passed,) = case.sign(Step.REGISTRATION, GENERAL_MANAGER, in_absence="办公室人员外出")
    assert passed.in_absence == "办公室人员外出"
    case.sign(Step.GENERAL_MANAGER, GENERAL_MANAGER)
    assert case.state.status is Status.APPROVED


def delegate(name: str, step: Step, *principals: Actor, roles: tuple[str, ...] = ()) -> Actor:
    """Somebody whom others have appointed for a step (委托)."""
    mandates = tuple(
        Mandate(f"d-{one.id}", one.id, frozenset({f"qualification:{step.value}"}), one.grants) for one in principals
    )
    return replace(person(name, *roles), mandates=mandates)


def test_a_delegate_signs_for_an_absent_approver_and_both_are_named() -> None:
    case = Case().submitted().passed(*ORDER[:2])
    (passed,) = case.sign(Step.MANAGER, delegate("deputy", Step.MANAGER, MANAGER))
    assert (passed.signed_by, passed.on_behalf_of) == ("deputy", "manager")
    refusal(Forbidden, "role-required", case.sign, Step.REGISTRATION, delegate("deputy", Step.MANAGER, OFFICE))


def test_both_the_delegate_and_the_one_they_stand_in_for_are_barred_from_the_other_steps() -> None:
    case = Case().submitted().passed(*ORDER[:2])
    case.sign(Step.MANAGER, delegate("deputy", Step.MANAGER, MANAGER))
    case.passed(Step.REGISTRATION)
    for barred in ("deputy", "manager"):
        refusal(Forbidden, "separation-of-duties", case.sign, Step.GENERAL_MANAGER, person(barred, "general_manager"))
    for barred in ("finance", "vetter", "sales"):
        standing_in = delegate(barred, Step.GENERAL_MANAGER, GENERAL_MANAGER)
        refusal(Forbidden, "separation-of-duties", case.sign, Step.GENERAL_MANAGER, standing_in)


def test_a_delegate_of_somebody_who_signed_before_signs_nothing_for_them() -> None:
    case = Case().submitted().passed(*ORDER[:2])
    both = person("vetter", "vetter", "dept_manager")
    refusal(Forbidden, "separation-of-duties", case.sign, Step.MANAGER, delegate("deputy", Step.MANAGER, both))
    (passed,) = case.sign(Step.MANAGER, delegate("deputy", Step.MANAGER, both, MANAGER))
    assert passed.on_behalf_of == "manager"


def test_finances_facts_noted_by_a_delegate_bar_both_from_other_steps() -> None:
    case = Case().submitted().passed(Step.VETTING)
    command = NoteFinanceFacts(FinanceFacts(credit_review="已复核", evidence="征信查询"))
    case.do(decisions.note_finance_facts, delegate("deputy", Step.FINANCE, FINANCE), command)
    case.sign(Step.FINANCE, person("second", "finance"))
    for barred in ("deputy", "finance"):
        refusal(Forbidden, "separation-of-duties", case.sign, Step.MANAGER, person(barred, "dept_manager"))


def test_a_step_unanswered_for_three_days_is_told_to_the_superior_and_never_approves() -> None:
    case = Case().submitted().passed(Step.VETTING)
    waits = case.state
    assert (waits.asked_on, waits.answer_due_on) == (TODAY, TODAY + timedelta(days=3))

    def fired() -> list[Any]:
        return list(UNANSWERED.fire("q-1", case.now, case.state, case.context(person("system"))).facts)

    case.now += timedelta(days=3)
    assert fired() == []
    case.now += timedelta(days=1)
    (told,) = fired()
    assert isinstance(told, StepEscalated)
    assert (told.step, told.waiting_for, told.superior) == ("qualification:finance", ("finance",), "general_manager")
    assert case.state.step is Step.FINANCE
    case.passed(*ORDER[1:5])
    assert fired() == []


def test_an_agreement_that_nobody_signs_for_three_days_is_told_to_the_superior() -> None:
    case = Case().approved()
    assert case.state.answer_due_on == TODAY + timedelta(days=3)

    def fired() -> list[Any]:
        return list(UNANSWERED.fire("q-1", case.now, case.state, case.context(person("system"))).facts)

    case.now += timedelta(days=4)
    (told,) = fired()
    assert (told.step, told.superior) == ("qualification:agreement", "general_manager")
    case.do(signing.sign_agreement, SALES, agreement(signed_on=TODAY, valid_from=TODAY))
    assert fired() == []


def test_finances_new_facts_are_waited_for_anew() -> None:
    case = Case().submitted().passed(*ORDER[:3])
    case.now += timedelta(days=2)
    command = NoteFinanceFacts(FinanceFacts(credit_review="已复核", evidence="征信查询"))
    case.do(decisions.note_finance_facts, FINANCE, command)
    assert case.state.answer_due_on == TODAY + timedelta(days=5)
    case.do(signing.return_qualification, FINANCE, signing.ReturnQualification(Step.FINANCE, None, REMARK))
    assert case.state.answer_due_on is None


def test_nobody_stands_in_at_another_step() -> None:
    case = Case().submitted()
    with pytest.raises(Invalid, match="registration"):
        case.sign(Step.VETTING, GENERAL_MANAGER, in_absence="无人")


def test_a_pass_for_another_bundle_is_refused() -> None:
    case = Case().submitted()
    seen = case.bundle.digest
    case.do(decisions.change_form, SALES, ChangeForm(complete_form(scope="销售、服务")))
    found = refusal(Refused, "bundle-changed", case.sign, Step.VETTING, VETTER, digest=seen)
    assert found.status == 409
    assert found.evidence == {"bundle": 2, "digest": case.bundle.digest}


def test_expired_papers_stop_the_chain_until_they_are_renewed() -> None:
    licence = DOCUMENTS[0].model_copy(update={"valid_until": TODAY})
    case = Case().submitted(complete_form(documents=(licence, *DOCUMENTS[1:])))
    case.passed(Step.VETTING)
    case.now += timedelta(days=1)
    refusal(Refused, "document-expired", case.passed, Step.FINANCE)


# --- giving back, refusing, withdrawing ---


@pytest.mark.parametrize("back", range(3))
def test_it_goes_back_to_any_earlier_step_with_remarks(back: int) -> None:
    case = Case().submitted().passed(*ORDER[:3])
    command = signing.ReturnQualification(Step.REGISTRATION, ORDER[back], REMARK)
    noted, returned = case.do(signing.return_qualification, OFFICE, command)
    assert types([noted, returned]) == [FindingsNoted, QualificationReturned]
    assert returned.remarks == "channel:请补充渠道说明"
    assert case.state.step is ORDER[back]
    assert [one.step for one in case.state.signatures] == list(ORDER[:back])


def test_it_goes_back_to_the_salesperson_who_submits_it_anew() -> None:
    case = Case().submitted().passed(Step.VETTING)
    case.do(signing.return_qualification, FINANCE, signing.ReturnQualification(Step.FINANCE, None, REMARK))
    assert (case.state.status, case.state.signatures) == (Status.RETURNED, ())
    refusal(Refused, "not-in-review", case.sign, Step.VETTING, VETTER)
    case.do(decisions.submit_qualification, SALES)
    assert (case.state.step, case.bundle.number) == (Step.VETTING, 2)


def test_giving_back_takes_remarks_an_earlier_step_and_the_right_to_sign() -> None:
    case = Case().submitted().passed(Step.VETTING)
    back = signing.ReturnQualification
    refusal(Invalid, "remarks-missing", case.do, signing.return_qualification, FINANCE, back(Step.FINANCE, None, ()))
    for later in (Step.FINANCE, Step.MANAGER):
        command = back(Step.FINANCE, later, REMARK)
        refusal(Invalid, "not-an-earlier-step", case.do, signing.return_qualification, FINANCE, command)
    command = back(Step.FINANCE, None, REMARK)
    refusal(Forbidden, "role-required", case.do, signing.return_qualification, MANAGER, command)


def test_a_refusal_is_final_and_lets_another_one_begin() -> None:
    case = Case().submitted()
    command = signing.RejectQualification(Step.VETTING, "资料不实")
    decision = signing.reject_qualification(command, case.state, case.context(VETTER))
    assert [(one.value, one.release) for one in decision.claims] == [(CUSTOMER, True)]
    case.facts += decision.facts
    assert case.state.status is Status.REJECTED
    refusal(Refused, "not-in-review", case.passed, Step.VETTING)
    refusal(Refused, "not-open", case.do, decisions.change_form, SALES, ChangeForm(complete_form(scope="新")))


def test_the_owner_withdraws_it_until_an_agreement_is_signed() -> None:
    case = Case().submitted()
    command = decisions.WithdrawQualification("客户放弃")
    refusal(Forbidden, "not-the-owner", case.do, decisions.withdraw_qualification, VETTER, command)
    decision = decisions.withdraw_qualification(command, case.state, case.context(SALES))
    assert [(one.value, one.release) for one in decision.claims] == [(CUSTOMER, True)]
    active = Case().approved()
    active.do(signing.sign_agreement, SALES, agreement())
    refusal(Refused, "not-open", active.do, decisions.withdraw_qualification, SALES, command)


# --- what voids what ---


@pytest.mark.parametrize("signed", range(6))
def test_a_changed_document_voids_every_signature(signed: int) -> None:
    case = Case().submitted().passed(*ORDER[: min(signed, 5)])
    renewed = complete_form(documents=(*DOCUMENTS[:4], paper("legal_representative_id", valid_until=date(2040, 1, 1))))
    facts = case.do(decisions.change_form, SALES, ChangeForm(renewed))
    assert types(facts) == [FormChanged, *([SignoffsVoided] if signed else []), BundleFrozen, QualificationSubmitted]
    assert (case.state.step, case.state.signatures) == (Step.VETTING, ())
    assert case.bundle.number == 2


def test_the_identical_form_again_voids_nothing() -> None:
    case = Case().submitted().passed(Step.VETTING, Step.FINANCE)
    again = complete_form(documents=DOCUMENTS[::-1])
    again = again.model_copy(
        update={"legal_representative": REPRESENTATIVE.model_copy(update={"person": "p-9", "blind": "new"})}
    )
    assert case.do(decisions.change_form, SALES, ChangeForm(again)) == []
    case.passed(Step.MANAGER)


def test_another_owner_voids_nothing() -> None:
    case = Case().submitted().passed(Step.VETTING)
    case.file = replace(FILE, owner="successor")
    case.passed(*ORDER[1:5])
    successor = person("successor", "salesperson")
    case.do(signing.sign_agreement, successor, agreement())
    assert case.state.status is Status.ACTIVE


def test_another_name_of_the_customer_has_to_be_vetted_anew() -> None:
    case = Case().submitted().passed(Step.VETTING).rename("杭州丙丁贸易有限公司")
    refusal(Refused, "customer-changed", case.passed, Step.FINANCE)
    facts = case.do(decisions.change_form, SALES, ChangeForm(complete_form()))
    assert types(facts) == [SignoffsVoided, BundleFrozen, QualificationSubmitted]
    case.passed(*ORDER[:5])
    assert case.state.status is Status.APPROVED


def test_finances_own_facts_void_signatures_from_its_step_on() -> None:
    case = Case().submitted().passed(*ORDER[:4])
    command = NoteFinanceFacts(FinanceFacts(credit_review="已复核", evidence="征信查询"))
    case.do(decisions.note_finance_facts, FINANCE, command)
    assert [one.step for one in case.state.signatures] == [Step.VETTING]
    assert (case.state.step, case.bundle.number) == (Step.FINANCE, 2)
    assert case.do(decisions.note_finance_facts, FINANCE, command) == []
    case.passed(*ORDER[1:5])
    assert case.state.status is Status.APPROVED


def test_finance_adds_its_facts_in_its_turn_and_signs_no_other_step_then() -> None:
    case = Case().submitted()
    command = NoteFinanceFacts(FinanceFacts(credit_review="已复核", evidence="征信查询"))
    refusal(Refused, "not-finances-turn", case.do, decisions.note_finance_facts, FINANCE, command)
    refusal(Forbidden, "role-required", case.do, decisions.note_finance_facts, VETTER, command)
    case.passed(Step.VETTING)
    case.do(decisions.note_finance_facts, person("analyst", "finance"), command)
    case.passed(Step.FINANCE)
    refusal(Forbidden, "separation-of-duties", case.sign, Step.MANAGER, person("analyst", "dept_manager"))


def test_who_keeps_name_or_id_number_is_the_same_person() -> None:
    former = complete_form()
    said = LegalRepresentative(person="p-9", name="王小明", id_number="110101199003070038", blind="new")
    corrected = tidied(former.model_copy(update={"legal_representative": said}), former).legal_representative
    assert corrected
    assert (corrected.person, corrected.id_number, corrected.blind) == ("p-1", "110101199003070038", "new")
    other = LegalRepresentative(person="p-9", name="赵六", id_number="110101199003070038", blind="new")
    assert tidied(former.model_copy(update={"legal_representative": other}), former).legal_representative == other


# --- the agreement ---


def test_no_agreement_before_the_approval() -> None:
    case = Case().submitted().passed(*ORDER[:4])
    refusal(Refused, "not-approved", case.do, signing.sign_agreement, SALES, agreement())


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"signed_on": TODAY - timedelta(days=1)}, "agreement-date"),
        ({"signed_on": TODAY + timedelta(days=1)}, "agreement-date"),
        ({"valid_until": TODAY - timedelta(days=1), "valid_from": TODAY - timedelta(days=9)}, "agreement-validity"),
        ({"valid_from": TODAY + timedelta(days=9), "valid_until": TODAY + timedelta(days=8)}, "agreement-validity"),
    ],
)
def test_the_agreements_dates_have_to_be_possible(wrong: dict[str, Any], code: str) -> None:
    refusal(Invalid, code, Case().approved().do, signing.sign_agreement, SALES, agreement(**wrong))


def test_whoever_signs_for_us_is_on_the_staff() -> None:
    case = Case(signatory_known=False).approved()
    refusal(Invalid, "signatory-unknown", case.do, signing.sign_agreement, SALES, agreement())


def test_the_agreement_is_recorded_by_the_owner_the_manager_or_the_office() -> None:
    for allowed in (SALES, MANAGER, OFFICE):
        Case().approved().do(signing.sign_agreement, allowed, agreement())
    for other in (FINANCE, VETTER, person("x", "salesperson"), person("m", "dept_manager", department="west")):
        refusal(Forbidden, "role-required", Case().approved().do, signing.sign_agreement, other, agreement())


def test_an_agreement_that_begins_later_activates_on_its_first_day() -> None:
    first_day = TODAY + timedelta(days=7)
    case = Case().approved()
    assert types(case.do(signing.sign_agreement, SALES, agreement(valid_from=first_day)))[-1] is AgreementSigned
    assert case.state.status is Status.SIGNED
    due = start_of_day(first_day)
    early = signing.activate_on_first_day("q-1", due, case.state, case.context(SALES))
    assert early.facts == ()
    case.now = due
    (activated,) = signing.activate_on_first_day("q-1", due, case.state, case.context(SALES)).facts
    assert isinstance(activated, AgentActivated)
    assert activated.activated_on == first_day
    case.facts.append(activated)
    assert signing.activate_on_first_day("q-1", due, case.state, case.context(SALES)).facts == ()


def test_a_legal_representative_who_signs_is_the_same_person() -> None:
    theirs = agreement().theirs.model_copy(update={"name": "王小明"})
    noted = Case().approved().do(signing.sign_agreement, SALES, agreement(theirs=theirs))[0]
    assert noted.theirs.person == "p-1"


# --- whatever comes ---

_TEXT = st.text(max_size=5)
_PEOPLE = st.builds(
    person,
    st.sampled_from(["sales", "vetter", "finance", "manager", "office", "boss", "x"]),
    st.sampled_from(["salesperson", "vetter", "finance", "dept_manager", "gm_office", "general_manager", "auditor"]),
    department=st.sampled_from([None, "east", "west"]),
)
_FINDINGS = st.lists(st.builds(Finding, field=_TEXT, text=_TEXT), max_size=2).map(tuple)
_FORMS = st.builds(
    complete_form,
    scope=_TEXT,
    capital_fen=st.none() | st.integers(),
    represented=st.booleans(),
    documents=st.lists(st.sampled_from([*DOCUMENTS, paper("horoscope"), paper("power_of_attorney")])).map(tuple),
)
_CASES = st.sampled_from(
    [
        Case,
        lambda: Case().drafted(),
        lambda: Case().submitted(),
        lambda: Case().submitted().passed(*ORDER[:3]),
        lambda: Case().approved(),
        lambda: Case(file=CustomerFile()),
    ]
)
_COMMANDS = st.one_of(
    st.tuples(st.just(decisions.draft_qualification), st.builds(DraftQualification, _TEXT, _TEXT, _FORMS)),
    st.tuples(st.just(decisions.change_form), st.builds(ChangeForm, _FORMS)),
    st.tuples(st.just(decisions.submit_qualification), st.none()),
    st.tuples(
        st.just(decisions.note_finance_facts),
        st.builds(NoteFinanceFacts, st.builds(FinanceFacts, credit_review=_TEXT, evidence=_TEXT)),
    ),
    st.tuples(st.just(decisions.withdraw_qualification), st.builds(decisions.WithdrawQualification, _TEXT)),
    st.tuples(
        st.just(signing.pass_step),
        st.builds(signing.PassStep, st.sampled_from(Step), _TEXT, _FINDINGS, st.none() | _TEXT),
    ),
    st.tuples(
        st.just(signing.return_qualification),
        st.builds(signing.ReturnQualification, st.sampled_from(Step), st.none() | st.sampled_from(Step), _FINDINGS),
    ),
    st.tuples(
        st.just(signing.reject_qualification), st.builds(signing.RejectQualification, st.sampled_from(Step), _TEXT)
    ),
    st.tuples(
        st.just(signing.sign_agreement),
        st.builds(agreement, signed_on=st.dates(), valid_from=st.dates(), valid_until=st.none() | st.dates()),
    ),
)


@given(_CASES, _COMMANDS, _PEOPLE, st.datetimes(min_value=NOW.replace(tzinfo=None)))
def test_every_command_is_decided_or_refused_with_a_clause_and_both_languages(
    make: Callable[[], Case], command: tuple[Callable[..., Decision], Any], actor: Actor, now: datetime
) -> None:
    case = make()
    case.now = now.replace(tzinfo=NOW.tzinfo)
    decide, argument = command
    refused: KehuError | None = None
    try:
        case.do(decide, actor, argument)
    except KehuError as error:
        refused = error
    assert refused is None or (refused.zh and str(refused) and refused.clause.startswith("R"))
