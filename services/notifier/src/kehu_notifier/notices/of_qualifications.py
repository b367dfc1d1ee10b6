"""What qualifications make people wait for: whose turn it is to sign, and what became of it (R3.1.3)."""

from __future__ import annotations

from typing import Any

from kehu.contracts.staff import DelegableStep, Role
from kehu.contracts.vetting import (
    AgentActivated,
    AgreementRenewed,
    AgreementSigned,
    QualificationApproved,
    QualificationRejected,
    QualificationRenewed,
    QualificationReturned,
    QualificationStepPassed,
    QualificationSubmitted,
    QualificationWithdrawn,
    SignoffsVoided,
    Step,
)
from kehu.facts import RecordedFact
from kehu_notifier.notices.decisions import News, barred_from
from kehu_notifier.notices.facts import Audience, NoticeNeeded, Notices, SignerNoted
from kehu_notifier.notices.telling import MAIN_CONTACT, OWNER, VETTING, due_of, ended, need, news, person, telling
from kehu_notifier.templates.template import TemplateName

#: Who signs which step (R3.1.3). The agreement is nobody's to sign off: the approval tells the submitter of it.
SIGNERS: dict[Step, Role] = {
    Step.VETTING: Role.VETTER,
    Step.FINANCE: Role.FINANCE,
    Step.MANAGER: Role.DEPT_MANAGER,
    Step.REGISTRATION: Role.GM_OFFICE,
    Step.GENERAL_MANAGER: Role.GENERAL_MANAGER,
}
#: "The office's registration may be done by whoever approves if nobody else is there" (R3.1.3).
STAND_INS: dict[Step, Role] = {Step.REGISTRATION: Role.GENERAL_MANAGER}


def _turn(recorded: RecordedFact[Any], step: Step, signers: tuple[SignerNoted, ...]) -> list[NoticeNeeded]:
    if step not in SIGNERS:
        return []
    fact = recorded.fact
    audience = Audience(
        kind="role",
        role=SIGNERS[step],
        stand_in=STAND_INS.get(step),
        step=DelegableStep(f"qualification:{step.value}"),
        department=fact.department,
        barred=barred_from(step, signers),
    )
    values = {"step": step.value, "due": due_of(fact)}
    return [need(recorded, fact.qualification, TemplateName.TURN_TO_SIGN, audience, values, waiting=True)]


def qualification_submitted(recorded: RecordedFact[QualificationSubmitted], state: Notices) -> News:
    """The department's vetters are first."""
    fact = recorded.fact
    submitter = SignerNoted(thing=fact.qualification, customer=fact.customer, person=fact.submitted_by)
    needs = _turn(recorded, Step.VETTING, (*state.signers, submitter))
    return News(fact.qualification, fact.customer, recorded.id, needs, ends=True, signers=[submitter])


def step_passed(recorded: RecordedFact[QualificationStepPassed], state: Notices) -> News:
    """Whoever may sign the next step is next; a delegate and whom they stood in for have both signed this one."""
    fact = recorded.fact
    signers = [
        SignerNoted(
            thing=fact.qualification,
            customer=fact.customer,
            person=who,
            step=fact.step,
            in_absence=fact.in_absence is not None,
        )
        for who in (fact.signed_by, fact.on_behalf_of)
        if who is not None
    ]
    needs = _turn(recorded, fact.next_step, (*state.signers, *signers))
    return News(fact.qualification, fact.customer, recorded.id, needs, ends=True, signers=signers)


def qualification_returned(recorded: RecordedFact[QualificationReturned], state: Notices) -> News:
    """The submitter is told; so is whoever has to sign an earlier step again."""
    fact = recorded.fact
    back_to = fact.to_step.value if fact.to_step else "salesperson"
    values = {"step": fact.from_step.value, "back_to": back_to}
    submitter = person(fact.submitted_by)
    told = need(recorded, fact.qualification, TemplateName.QUALIFICATION_RETURNED, submitter, values)
    again = _turn(recorded, fact.to_step, state.signers) if fact.to_step else []
    return news(recorded, fact.qualification, told, *again, ends=True)


def qualification_rejected(recorded: RecordedFact[QualificationRejected], _state: Notices) -> News:
    """The submitter is told."""
    fact = recorded.fact
    template = TemplateName.QUALIFICATION_REJECTED
    needed = need(recorded, fact.qualification, template, person(fact.submitted_by), {"step": fact.step.value})
    return news(recorded, fact.qualification, needed, ends=True)


def qualification_approved(recorded: RecordedFact[QualificationApproved], _state: Notices) -> News:
    """The submitter is to bring the agreement about."""
    fact = recorded.fact
    template = TemplateName.QUALIFICATION_APPROVED
    needed = need(recorded, fact.qualification, template, person(fact.submitted_by), waiting=True)
    return news(recorded, fact.qualification, needed, ends=True)


def agent_activated(recorded: RecordedFact[AgentActivated], _state: Notices) -> News:
    """The customer itself hears that it may order, and so does its owner."""
    fact = recorded.fact
    customer = need(recorded, fact.customer, TemplateName.CUSTOMER_ACTIVATED, MAIN_CONTACT)
    return news(
        recorded, fact.customer, customer, need(recorded, fact.customer, TemplateName.CUSTOMER_MAY_ORDER, OWNER)
    )


def qualification_renewed(recorded: RecordedFact[QualificationRenewed], _state: Notices) -> News:
    """The owner is told that the new review is in force."""
    thing = recorded.fact.qualification
    return news(recorded, thing, need(recorded, thing, TemplateName.QUALIFICATION_RENEWED, OWNER), ends=True)


def agreement_renewed(recorded: RecordedFact[AgreementRenewed], _state: Notices) -> News:
    """The owner is told."""
    thing = _agreement(recorded.fact)
    return news(recorded, thing, need(recorded, thing, TemplateName.AGREEMENT_RENEWED, OWNER))


def _agreement(fact: AgreementRenewed) -> str:
    return f"{fact.customer}:agreement"


def signoffs_voided(recorded: RecordedFact[SignoffsVoided], state: Notices) -> News:
    """What waits for a signature is over; whose turn it is now is told with the submission that follows, or here."""
    fact = recorded.fact
    again = _turn(recorded, fact.from_step, state.signers) if fact.from_step is not Step.VETTING else []
    return news(recorded, fact.qualification, *again, ends=True)


REACTIONS = (
    telling("tell-qualification-submitted", QualificationSubmitted, VETTING, "qualification", qualification_submitted),
    telling("tell-step-passed", QualificationStepPassed, VETTING, "qualification", step_passed),
    telling("tell-qualification-returned", QualificationReturned, VETTING, "qualification", qualification_returned),
    telling("tell-qualification-rejected", QualificationRejected, VETTING, "qualification", qualification_rejected),
    telling("tell-qualification-approved", QualificationApproved, VETTING, "qualification", qualification_approved),
    telling("tell-qualification-withdrawn", QualificationWithdrawn, VETTING, "qualification", ended("qualification")),
    telling("tell-signoffs-voided", SignoffsVoided, VETTING, "qualification", signoffs_voided),
    telling("tell-agent-activated", AgentActivated, VETTING, "customer", agent_activated),
    telling("tell-agreement-signed", AgreementSigned, VETTING, "qualification", ended("qualification")),
    telling("tell-qualification-renewed", QualificationRenewed, VETTING, "qualification", qualification_renewed),
    telling("tell-agreement-renewed", AgreementRenewed, VETTING, _agreement, agreement_renewed),
)
