"""What the journey of a customer makes people wait for, fact by fact (policy.md, Notifications)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kehu.contracts.customers import CustomerRegistered, DossierReturned, DossierSubmitted
from kehu.contracts.engagement import VisitCancelled, VisitLogged, VisitPlanned, VisitRecordOverdue
from kehu.contracts.grading import GradeAssigned, GradeDriftNoticed, IndicativeGradeChanged
from kehu.contracts.staff import Role
from kehu.contracts.vetting import (
    AgentActivated,
    QualificationApproved,
    QualificationRejected,
    QualificationReturned,
    QualificationStepPassed,
    QualificationSubmitted,
    Step,
)
from kehu.deciding import Context, Decision
from kehu.facts import Fact, RecordedFact
from kehu.service import Reaction
from kehu_notifier.notices.company import gather
from kehu_notifier.notices.decisions import News, barred_from, follow
from kehu_notifier.notices.facts import NOTICES, Audience, NoticeNeeded, Notices, SignerNoted
from kehu_notifier.templates.policy import TemplateName

REGISTRY = "customer-registry"
VETTING = "vetting"
GRADING = "grading"
ENGAGEMENT = "engagement"

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


def _need(
    recorded: RecordedFact[Any],
    thing: str,
    template: TemplateName,
    audience: Audience,
    *,
    waiting: bool = False,
    **values: str,
) -> NoticeNeeded:
    """A need with this fact for its reason. Whoever did it is not told what they know."""
    barred = tuple(dict.fromkeys((*audience.barred, recorded.actor)))
    return NoticeNeeded(
        thing=thing,
        customer=recorded.fact.customer,
        reason=recorded.id,
        reason_at=recorded.occurred_at,
        template=template,
        audience=audience.model_copy(update={"barred": barred}),
        waiting=waiting,
        department=getattr(recorded.fact, "department", None),
        values=values,
    )


def _news(recorded: RecordedFact[Any], thing: str, *needs: NoticeNeeded, ends: bool = False) -> News:
    return News(thing, recorded.fact.customer, recorded.id, needs, ends=ends)


def _person(person: str) -> Audience:
    return Audience(kind="persons", persons=(person,))


_OWNER = Audience(kind="owner")


# --- dossiers (R4.3) -------------------------------------------------------------------------------------------------


def dossier_submitted(recorded: RecordedFact[DossierSubmitted], _state: Notices) -> News:
    """The department's manager is to review it."""
    fact = recorded.fact
    managers = Audience(kind="role", role=Role.DEPT_MANAGER, department=fact.department, barred=(fact.submitted_by,))
    need = _need(recorded, fact.customer, TemplateName.DOSSIER_TO_REVIEW, managers, waiting=True)
    return _news(recorded, fact.customer, need, ends=True)


def dossier_returned(recorded: RecordedFact[DossierReturned], _state: Notices) -> News:
    """The salesperson is to mend it; the next submission or registration ends that."""
    fact = recorded.fact
    need = _need(recorded, fact.customer, TemplateName.DOSSIER_RETURNED, _person(fact.submitted_by), waiting=True)
    return _news(recorded, fact.customer, need, ends=True)


def customer_registered(recorded: RecordedFact[CustomerRegistered], _state: Notices) -> News:
    """Nobody has to review it any more."""
    return _news(recorded, recorded.fact.customer, ends=True)


# --- qualifications (R3.1.3) -----------------------------------------------------------------------------------------


def _turn(recorded: RecordedFact[Any], step: Step, signers: tuple[SignerNoted, ...]) -> list[NoticeNeeded]:
    if step not in SIGNERS:
        return []
    fact = recorded.fact
    audience = Audience(
        kind="role",
        role=SIGNERS[step],
        stand_in=STAND_INS.get(step),
        department=fact.department,
        barred=barred_from(step, signers),
    )
    return [_need(recorded, fact.qualification, TemplateName.TURN_TO_SIGN, audience, waiting=True, step=step.value)]


def qualification_submitted(recorded: RecordedFact[QualificationSubmitted], state: Notices) -> News:
    """The department's vetters are first."""
    fact = recorded.fact
    submitter = SignerNoted(thing=fact.qualification, customer=fact.customer, person=fact.submitted_by)
    needs = _turn(recorded, Step.VETTING, (*state.signers, submitter))
    return News(fact.qualification, fact.customer, recorded.id, needs, ends=True, signer=submitter)


def step_passed(recorded: RecordedFact[QualificationStepPassed], state: Notices) -> News:
    """Whoever may sign the next step is next."""
    fact = recorded.fact
    signer = SignerNoted(
        thing=fact.qualification,
        customer=fact.customer,
        person=fact.signed_by,
        step=fact.step,
        in_absence=fact.in_absence is not None,
    )
    needs = _turn(recorded, fact.next_step, (*state.signers, signer))
    return News(fact.qualification, fact.customer, recorded.id, needs, ends=True, signer=signer)


def qualification_returned(recorded: RecordedFact[QualificationReturned], state: Notices) -> News:
    """The submitter is told; so is whoever has to sign an earlier step again."""
    fact = recorded.fact
    told = _need(
        recorded,
        fact.qualification,
        TemplateName.QUALIFICATION_RETURNED,
        _person(fact.submitted_by),
        step=fact.from_step.value,
        back_to=fact.to_step.value if fact.to_step else "salesperson",
    )
    again = _turn(recorded, fact.to_step, state.signers) if fact.to_step else []
    return _news(recorded, fact.qualification, told, *again, ends=True)


def qualification_rejected(recorded: RecordedFact[QualificationRejected], _state: Notices) -> News:
    """The submitter is told."""
    fact = recorded.fact
    template = TemplateName.QUALIFICATION_REJECTED
    need = _need(recorded, fact.qualification, template, _person(fact.submitted_by), step=fact.step.value)
    return _news(recorded, fact.qualification, need, ends=True)


def qualification_approved(recorded: RecordedFact[QualificationApproved], _state: Notices) -> News:
    """The submitter is told, and that the agreement is theirs to bring about."""
    fact = recorded.fact
    template = TemplateName.QUALIFICATION_APPROVED
    need = _need(recorded, fact.qualification, template, _person(fact.submitted_by))
    return _news(recorded, fact.qualification, need, ends=True)


def agent_activated(recorded: RecordedFact[AgentActivated], _state: Notices) -> News:
    """The customer itself hears that it may order."""
    fact = recorded.fact
    need = _need(recorded, fact.customer, TemplateName.CUSTOMER_ACTIVATED, Audience(kind="main_contact"))
    return _news(recorded, fact.customer, need)


# --- grades (R5.3.5) -------------------------------------------------------------------------------------------------


def grade_assigned(recorded: RecordedFact[GradeAssigned], _state: Notices) -> News:
    """The owner is told."""
    fact = recorded.fact
    need = _need(recorded, fact.customer, TemplateName.GRADE_ASSIGNED, _OWNER, grade=fact.grade.value)
    return _news(recorded, fact.customer, need)


def indicative_grade_changed(recorded: RecordedFact[IndicativeGradeChanged], _state: Notices) -> News:
    """The owner is told of a change; the first one comes with the official grade and says nothing besides."""
    fact = recorded.fact
    if fact.previous is None:
        return _news(recorded, fact.customer)
    template = TemplateName.INDICATIVE_GRADE_CHANGED
    need = _need(recorded, fact.customer, template, _OWNER, grade=fact.grade.value, previous=fact.previous.value)
    return _news(recorded, fact.customer, need)


def grade_drift_noticed(recorded: RecordedFact[GradeDriftNoticed], _state: Notices) -> News:
    """The owner and 市场部 are told that the two grades differ, or agree again."""
    fact = recorded.fact
    template = TemplateName.GRADE_DRIFT if fact.drifting else TemplateName.GRADE_DRIFT_ENDED
    market = Audience(kind="role", role=Role.MARKET_DEPT)
    needs = [
        _need(
            recorded,
            fact.customer,
            template,
            audience,
            official=fact.official.value,
            indicative=fact.indicative.value,
        )
        for audience in (_OWNER, market)
    ]
    return _news(recorded, fact.customer, *needs)


# --- visits (R6.2.1a) ------------------------------------------------------------------------------------------------


def visit_planned(recorded: RecordedFact[VisitPlanned], _state: Notices) -> News:
    """Everybody who goes is told, except whoever planned it."""
    fact = recorded.fact
    visitors = Audience(kind="persons", persons=fact.visitors)
    day = fact.planned_on.isoformat()
    need = _need(recorded, fact.visit, TemplateName.VISIT_PLANNED, visitors, waiting=True, day=day)
    return _news(recorded, fact.visit, need)


def visit_record_overdue(recorded: RecordedFact[VisitRecordOverdue], _state: Notices) -> News:
    """The visitors are to fill F7 in, and their manager is to know."""
    fact = recorded.fact
    audiences = (
        Audience(kind="persons", persons=fact.visitors),
        Audience(kind="role", role=Role.DEPT_MANAGER, department=fact.department),
    )
    template, day = TemplateName.VISIT_RECORD_OVERDUE, fact.planned_on.isoformat()
    needs = [_need(recorded, fact.visit, template, audience, waiting=True, day=day) for audience in audiences]
    return _news(recorded, fact.visit, *needs, ends=True)


def visit_logged(recorded: RecordedFact[VisitLogged], _state: Notices) -> News:
    """Nothing is planned or overdue any more."""
    return _news(recorded, recorded.fact.visit, ends=True)


def visit_cancelled(recorded: RecordedFact[VisitCancelled], _state: Notices) -> News:
    """Whoever was to go is told."""
    fact = recorded.fact
    visitors = Audience(kind="persons", persons=fact.visitors)
    need = _need(recorded, fact.visit, TemplateName.VISIT_CANCELLED, visitors, day=fact.planned_on.isoformat())
    return _news(recorded, fact.visit, need, ends=True)


def _reaction(
    name: str,
    on: type[Fact],
    source: str,
    thing: str,
    tells: Callable[[RecordedFact[Any], Notices], News],
) -> Reaction:
    def decide(recorded: RecordedFact[Any], state: Notices, context: Context) -> Decision:
        return follow(tells(recorded, state), state, context)

    def stream_ids(recorded: RecordedFact[Any]) -> list[str]:
        return [str(getattr(recorded.fact, thing))]

    return Reaction(name, on, source, NOTICES, stream_ids, decide, gather)


REACTIONS = (
    _reaction("tell-dossier-submitted", DossierSubmitted, REGISTRY, "customer", dossier_submitted),
    _reaction("tell-dossier-returned", DossierReturned, REGISTRY, "customer", dossier_returned),
    _reaction("tell-customer-registered", CustomerRegistered, REGISTRY, "customer", customer_registered),
    _reaction(
        "tell-qualification-submitted", QualificationSubmitted, VETTING, "qualification", qualification_submitted
    ),
    _reaction("tell-step-passed", QualificationStepPassed, VETTING, "qualification", step_passed),
    _reaction("tell-qualification-returned", QualificationReturned, VETTING, "qualification", qualification_returned),
    _reaction("tell-qualification-rejected", QualificationRejected, VETTING, "qualification", qualification_rejected),
    _reaction("tell-qualification-approved", QualificationApproved, VETTING, "qualification", qualification_approved),
    _reaction("tell-agent-activated", AgentActivated, VETTING, "customer", agent_activated),
    _reaction("tell-grade-assigned", GradeAssigned, GRADING, "customer", grade_assigned),
    _reaction("tell-indicative-grade", IndicativeGradeChanged, GRADING, "customer", indicative_grade_changed),
    _reaction("tell-grade-drift", GradeDriftNoticed, GRADING, "customer", grade_drift_noticed),
    _reaction("tell-visit-planned", VisitPlanned, ENGAGEMENT, "visit", visit_planned),
    _reaction("tell-visit-overdue", VisitRecordOverdue, ENGAGEMENT, "visit", visit_record_overdue),
    _reaction("tell-visit-logged", VisitLogged, ENGAGEMENT, "visit", visit_logged),
    _reaction("tell-visit-cancelled", VisitCancelled, ENGAGEMENT, "visit", visit_cancelled),
)
