"""Signing, giving back, refusing; the agreement, and the activation that follows from it (R3.1.3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from kehu.contracts.vetting import (
    AgentActivated,
    AgreementSigned,
    QualificationApproved,
    QualificationRejected,
    QualificationReturned,
    QualificationStepPassed,
    Step,
)
from kehu.deciding import Actor, Context, Decision
from kehu.errors import Forbidden, Invalid, Refused
from kehu.escalating import answer_due_on
from kehu.facts import Fact
from kehu.standing_in import Signature
from kehu_vetting.customer_files.facts import CustomerFile
from kehu_vetting.qualifications.chain import NAMES, check_may_sign, refuse_departing
from kehu_vetting.qualifications.decisions import check_still_as_vetted, known_file, refuse_expired, release
from kehu_vetting.qualifications.facts import (
    AGENT_KINDS,
    ORDER,
    Bundle,
    Finding,
    FindingsNoted,
    Qualification,
    SignatoriesNoted,
    Signatory,
    Status,
)


@dataclass(frozen=True, slots=True)
class PassStep:
    """Sign a step, having seen the bundle of this digest."""

    step: Step
    digest: str
    findings: tuple[Finding, ...] = ()
    in_absence: str | None = None


@dataclass(frozen=True, slots=True)
class ReturnQualification:
    """Give it back to an earlier step, or (None) to the salesperson, with remarks by field."""

    step: Step
    to_step: Step | None
    remarks: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class RejectQualification:
    """Refuse it for good."""

    step: Step
    reason: str


@dataclass(frozen=True, slots=True)
class SignAgreement:
    """Record the agreement that was signed with the customer."""

    signed_on: date
    valid_from: date
    valid_until: date | None
    file_digest: str
    ours: str
    theirs: Signatory


def pass_step(command: PassStep, state: Qualification, context: Context) -> Decision:
    """Sign the step whose turn it is; the general manager's signature approves."""
    file = known_file(context.gathered)
    if command.step is Step.AGREEMENT:
        raise Invalid(
            "“签订协议”不是签批步骤:请登记已签订的协议。",
            "The agreement is no step to pass: record the signed agreement instead.",
            clause="R3.1.3",
            code="not-a-step",
        )
    by = check_may_sign(command.step, context.actor, state, file.department, in_absence=command.in_absence)
    bundle = _check_turn(command.step, state)
    if command.digest != bundle.digest:
        raise Refused(
            f"材料已变更,现为第 {bundle.number} 版。请重新查看后再签。",
            f"The bundle has changed: it is number {bundle.number} now. Look at it again, then sign.",
            clause="R3.1.3",
            code="bundle-changed",
            bundle=bundle.number,
            digest=bundle.digest,
        )
    check_still_as_vetted(state, file)
    refuse_expired(state, context)
    next_step = ORDER[ORDER.index(command.step) + 1]
    passed = QualificationStepPassed(
        qualification=state.id,
        customer=state.customer,
        department=file.department,
        step=command.step,
        next_step=next_step,
        signed_by=by.signed_by,
        on_behalf_of=by.on_behalf_of,
        bundle=bundle.number,
        digest=bundle.digest,
        in_absence=command.in_absence,
        asked_on=context.today,
        answer_due_on=answer_due_on(context),
    )
    facts: list[Fact] = [*_findings(command.step, command.findings, state, by), passed]
    if command.step is Step.GENERAL_MANAGER:
        facts.append(
            QualificationApproved(
                qualification=state.id,
                customer=state.customer,
                department=file.department,
                approved_by=by.signed_by,
                on_behalf_of=by.on_behalf_of,
                submitted_by=state.submitted_by,
                approved_on=context.today,
            )
        )
    return Decision(facts)


def return_qualification(command: ReturnQualification, state: Qualification, context: Context) -> Decision:
    """Give it back; what was signed from there on has to be signed again."""
    file = known_file(context.gathered)
    by = check_may_sign(command.step, context.actor, state, file.department)
    _check_turn(command.step, state)
    if command.to_step is not None and ORDER.index(command.to_step) >= ORDER.index(command.step):
        raise Invalid(
            "只能退回到更早的步骤,或退回营销员(to_step 为空)。",
            "It goes back to an earlier step, or to the salesperson (to_step empty).",
            clause="R3.1.3",
            code="not-an-earlier-step",
        )
    if not command.remarks:
        raise Invalid(
            "退回须逐项写明意见。",
            "Giving it back takes remarks, field by field.",
            clause="R3.1.3",
            code="remarks-missing",
        )
    returned = QualificationReturned(
        qualification=state.id,
        customer=state.customer,
        department=file.department,
        from_step=command.step,
        to_step=command.to_step,
        remarks="\n".join(_sentence(remark) for remark in command.remarks),
        submitted_by=state.submitted_by,
        on_behalf_of=by.on_behalf_of,
        asked_on=context.today if command.to_step else None,
        answer_due_on=answer_due_on(context) if command.to_step else None,
    )
    return Decision([*_findings(command.step, command.remarks, state, by), returned])


def reject_qualification(command: RejectQualification, state: Qualification, context: Context) -> Decision:
    """Refuse it for good; another one may be begun."""
    file = known_file(context.gathered)
    by = check_may_sign(command.step, context.actor, state, file.department)
    _check_turn(command.step, state)
    rejected = QualificationRejected(
        qualification=state.id,
        customer=state.customer,
        department=file.department,
        step=command.step,
        reason=command.reason,
        submitted_by=state.submitted_by,
        on_behalf_of=by.on_behalf_of,
    )
    return Decision([rejected], [release(state)])


def sign_agreement(command: SignAgreement, state: Qualification, context: Context) -> Decision:
    """Record the signed agreement; the customer is active from then on, or from the agreement's first day."""
    file = known_file(context.gathered)
    _check_may_record(context.actor, file)
    if state.status is not Status.APPROVED or state.approved_on is None:
        raise Refused(
            "总经理批准之后才能签订协议。",
            "An agreement is signed after the general manager's approval.",
            clause="R3.1.3",
            code="not-approved",
            status=state.status.value,
        )
    check_still_as_vetted(state, file)
    refuse_expired(state, context)
    _check_dates(command, state.approved_on, context.today)
    files = context.gathered.files
    if files is not None and command.file_digest not in files:
        raise Invalid(
            "没有上传该协议文件,请先上传(POST /files),再填写其 digest。",
            "There is no such file of the agreement: hand it in first (POST /files), then give its digest.",
            clause="R3.1.3",
            code="file-missing",
        )
    if not context.gathered.signatory_known:
        raise Invalid(
            "我方签署人不在员工名册中,请核对。",
            "Whoever signed for us is not on the staff: correct the id.",
            clause="R3.1.3",
            code="signatory-unknown",
        )
    former = state.form.legal_representative
    same_person = former is not None and former.name == command.theirs.name
    theirs = command.theirs.model_copy(update={"person": former.person}) if former and same_person else command.theirs
    facts: list[Fact] = [
        SignatoriesNoted(qualification=state.id, customer=state.customer, ours=command.ours, theirs=theirs),
        AgreementSigned(
            qualification=state.id,
            customer=state.customer,
            signed_on=command.signed_on,
            valid_from=command.valid_from,
            valid_until=command.valid_until,
            file_digest=command.file_digest,
        ),
    ]
    if command.valid_from <= context.today:
        facts.append(_activated(state, file.department, context.today))
    return Decision(facts)


def activate_on_first_day(key: str, due: datetime, state: Qualification, context: Context) -> Decision:
    """The first day of an agreement signed earlier has come: the customer is active."""
    del key, due
    agreement = state.agreement
    if state.status is not Status.SIGNED or agreement is None or agreement.valid_from > context.today:
        return Decision()
    return Decision([_activated(state, state.department, context.today)])


def _activated(state: Qualification, department: str, today: date) -> AgentActivated:
    if state.bundle is None:
        raise AssertionError("approved without a bundle")
    return AgentActivated(
        customer=state.customer,
        qualification=state.id,
        department=department,
        agent=state.bundle.vetted.kind in AGENT_KINDS,
        activated_on=today,
    )


def _check_turn(step: Step, state: Qualification) -> Bundle:
    if state.bundle is None or state.step is None or state.status not in (Status.IN_REVIEW, Status.APPROVED):
        raise Refused(
            f"本资质审核当前状态为 {state.status.value},不在签批中。",
            f"This qualification is {state.status.value}: there is nothing to sign.",
            clause="R3.1.3",
            code="not-in-review",
            status=state.status.value,
        )
    if step is not state.step:
        zh, en = NAMES[state.step]
        raise Refused(
            f"现在轮到“{zh}”,签批须严格按顺序进行。",
            f"It is the turn of {en}; the steps are signed strictly in order.",
            clause="R3.1.3",
            code="out-of-order",
            step=state.step.value,
        )
    return state.bundle


def _findings(step: Step, findings: Sequence[Finding], state: Qualification, by: Signature) -> list[Fact]:
    if not findings or state.bundle is None:
        return []
    noted = FindingsNoted(
        qualification=state.id,
        customer=state.customer,
        step=step,
        bundle=state.bundle.number,
        findings=tuple(findings),
        noted_by=by.signed_by,
        on_behalf_of=by.on_behalf_of,
    )
    return [noted]


def _sentence(remark: Finding) -> str:
    return f"{remark.field}:{remark.text}" if remark.field else remark.text


def _check_may_record(actor: Actor, file: CustomerFile) -> None:
    refuse_departing(actor)
    owns = actor.id == file.owner and actor.has("salesperson", department=file.department)
    if not owns and not actor.has("dept_manager", "gm_office", department=file.department):
        raise Forbidden(
            "协议由该客户的负责营销员、部门经理或总经理办公室登记。",
            "The agreement is recorded by the customer's salesperson, the department manager or the office.",
            clause="R3.1.3",
            code="role-required",
        )


def _check_dates(command: SignAgreement, approved_on: date, today: date) -> None:
    if not approved_on <= command.signed_on <= today:
        raise Invalid(
            f"签订日期应在批准日({approved_on})与今天({today})之间。",
            f"It was signed between its approval ({approved_on}) and today ({today}); correct the date.",
            clause="R3.1.3",
            code="agreement-date",
        )
    if command.valid_until is not None and command.valid_until < max(command.valid_from, today):
        raise Invalid(
            "协议有效期止应不早于有效期起,且不早于今天。",
            "The agreement ends on or after its first day, and not before today.",
            clause="R3.1.3",
            code="agreement-validity",
        )
