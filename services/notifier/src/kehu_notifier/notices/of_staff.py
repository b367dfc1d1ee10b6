"""What delegations, escalations and departures make people wait for, and what a customer is told of them (R4.6)."""

from __future__ import annotations

from kehu.contracts.staff import (
    DelegableStep,
    DelegateAppointed,
    DelegationEnded,
    DepartureCancelled,
    DepartureCleared,
    DepartureStarted,
    HandoverNoticeDue,
    OpenWorkMoved,
    Role,
    RoleGranted,
    RoleProposalDeclined,
    RoleProposed,
    StaffAccessEnded,
    StepEscalated,
    SuccessorAccepted,
    SuccessorDeclined,
    SuccessorProposed,
)
from kehu.facts import RecordedFact
from kehu_notifier.notices.decisions import News
from kehu_notifier.notices.facts import Audience, Notices
from kehu_notifier.notices.telling import (
    MAIN_CONTACT,
    REGISTRY,
    VETTING,
    ended,
    holders,
    need,
    news,
    person,
    tell_all,
    telling,
)
from kehu_notifier.templates.template import TemplateName
from kehu_notifier.templates.words import BETWEEN

#: By what the step's name begins with; the lists that the superior goes to are those of different services.
_ESCALATIONS = {
    "qualification": TemplateName.QUALIFICATION_ESCALATED,
    "renewal": TemplateName.RENEWAL_ESCALATED,
}

# --- key roles (People) ---------------------------------------------------------------------------------------------


def role_proposed(recorded: RecordedFact[RoleProposed], _state: Notices) -> News:
    """A second admin confirms it; neither whoever proposed it nor whom it is for."""
    fact, thing = recorded.fact, _post(recorded.fact)
    admins = holders(Role.ADMIN, barred=[fact.person, fact.proposed_by])
    told = need(recorded, thing, TemplateName.ROLE_TO_CONFIRM, admins, {"role": fact.role.value}, waiting=True)
    return news(recorded, thing, told, ends=True)


def _post(fact: RoleProposed | RoleProposalDeclined | RoleGranted) -> str:
    return f"role:{fact.person}:{fact.role.value}:{fact.department or ''}"


# --- delegations and escalations (People) ----------------------------------------------------------------------------


def delegate_appointed(recorded: RecordedFact[DelegateAppointed], _state: Notices) -> News:
    """The delegate and the principal are told for which steps, from when until when."""
    fact = recorded.fact
    values = {
        "steps": BETWEEN.join(fact.steps),
        "first_day": fact.first_day.isoformat(),
        "last_day": fact.last_day.isoformat(),
    }
    both = person(fact.delegate, fact.principal)
    return news(
        recorded, fact.delegation, need(recorded, fact.delegation, TemplateName.DELEGATE_APPOINTED, both, values)
    )


def delegation_ended(recorded: RecordedFact[DelegationEnded], _state: Notices) -> News:
    """Both are told that it holds no longer."""
    fact = recorded.fact
    both = person(fact.delegate, fact.principal)
    return news(recorded, fact.delegation, need(recorded, fact.delegation, TemplateName.DELEGATION_ENDED, both))


def step_escalated(recorded: RecordedFact[StepEscalated], _state: Notices) -> News:
    """The superior is to see that somebody answers; the answer ends that, as it ends what it waited for."""
    fact, thing = recorded.fact, _escalated(recorded.fact)
    values = {"step": fact.step, "day": fact.since.isoformat()}
    superiors = holders(fact.superior, fact.department)
    return news(recorded, thing, need(recorded, thing, _escalation(fact), superiors, values, waiting=True))


def _escalation(fact: StepEscalated) -> TemplateName:
    if not fact.customer:
        return TemplateName.STEP_ESCALATED
    return _ESCALATIONS.get(fact.step.partition(":")[0], TemplateName.CUSTOMER_STEP_ESCALATED)


def _escalated(fact: StepEscalated) -> str:
    """The thing whose answer ends it; the fact names a dossier by its number, and a handover by its customer."""
    match fact.step:
        case DelegableStep.DOSSIER_REVIEW if fact.customer:
            return fact.customer
        case DelegableStep.DEPARTURE_ASSIGN if fact.customer:
            return f"handover:{fact.customer}"
        case _:
            return fact.thing


# --- departures (R4.6) -----------------------------------------------------------------------------------------------


def departure_started(recorded: RecordedFact[DepartureStarted], _state: Notices) -> News:
    """HR and the leaver's manager are to bring the handover about; the leaver hears what is left to do."""
    fact, thing = recorded.fact, _departure(recorded.fact)
    day, number = fact.last_day.isoformat(), fact.number or fact.person
    values = {"departure": number, "day": day}
    needs = [
        need(recorded, thing, TemplateName.DEPARTURE_STARTED, holders(Role.HR, barred=[fact.person]), values),
        need(recorded, thing, TemplateName.DEPARTURE_OF_YOURS, person(fact.person), {"day": day}, waiting=True),
    ]
    if fact.department is not None:
        step = DelegableStep.DEPARTURE_ASSIGN
        managers = holders(Role.DEPT_MANAGER, fact.department, step=step, barred=[fact.person])
        needs.append(need(recorded, thing, TemplateName.SUCCESSORS_TO_PROPOSE, managers, values, waiting=True))
    return news(recorded, thing, *needs, ends=True)


def departure_cancelled(recorded: RecordedFact[DepartureCancelled], _state: Notices) -> News:
    """HR, the manager and the person are told."""
    fact, thing = recorded.fact, _departure(recorded.fact)
    audiences = (*_responsible(fact), person(fact.person))
    needs = tell_all(recorded, thing, TemplateName.DEPARTURE_CANCELLED, audiences, {"departure": fact.number})
    return news(recorded, thing, *needs, ends=True)


def departure_cleared(recorded: RecordedFact[DepartureCleared], _state: Notices) -> News:
    """HR is told."""
    fact, thing = recorded.fact, _departure(recorded.fact)
    values = {"departure": fact.number or fact.person}
    cleared = need(recorded, thing, TemplateName.DEPARTURE_CLEARED, holders(Role.HR), values)
    return news(recorded, thing, cleared, ends=True)


def access_ended(recorded: RecordedFact[StaffAccessEnded], state: Notices) -> News:
    """Where something was open, HR and the manager are told that it passes to the manager."""
    fact, thing = recorded.fact, _departure(recorded.fact)
    if fact.cleared is not False:
        return news(recorded, thing, ends=True)
    asked = [noted.noted.department for noted in state.needs.values()]
    audiences = [holders(Role.HR, barred=[fact.person])]
    audiences += [
        holders(Role.DEPT_MANAGER, department, barred=[fact.person])
        for department in dict.fromkeys(asked)
        if department
    ]
    values = {"departure": fact.number or fact.person}
    return news(recorded, thing, *tell_all(recorded, thing, TemplateName.ACCESS_ENDED, audiences, values), ends=True)


def _responsible(fact: DepartureCancelled) -> list[Audience]:
    hr = holders(Role.HR, barred=[fact.person])
    manager = holders(Role.DEPT_MANAGER, fact.department, barred=[fact.person])
    return [hr, manager] if fact.department else [hr]


def _departure(fact: DepartureStarted | DepartureCancelled | DepartureCleared | StaffAccessEnded) -> str:
    return f"departure:{fact.person}"


def successor_proposed(recorded: RecordedFact[SuccessorProposed], _state: Notices) -> News:
    """The successor is to accept; one proposed instead takes the former one's place."""
    fact, thing = recorded.fact, _handover(recorded.fact)
    values = {"day": fact.due_on.isoformat()}
    told = need(recorded, thing, TemplateName.SUCCESSION_TO_ACCEPT, person(fact.successor), values, waiting=True)
    return news(recorded, thing, told, ends=True)


def successor_declined(recorded: RecordedFact[SuccessorDeclined], _state: Notices) -> News:
    """The manager is to propose somebody else."""
    thing = _handover(recorded.fact)
    told = need(recorded, thing, TemplateName.SUCCESSION_DECLINED, _assigning(recorded.fact), waiting=True)
    return news(recorded, thing, told, ends=True)


def successor_accepted(recorded: RecordedFact[SuccessorAccepted], _state: Notices) -> News:
    """The manager is told, and the successor for whom the manager has confirmed it."""
    fact, thing = recorded.fact, _handover(recorded.fact)
    audiences = (person(fact.successor), _assigning(fact))
    needs = tell_all(recorded, thing, TemplateName.SUCCESSION_SETTLED, audiences)
    return news(recorded, thing, *needs, ends=True)


def _assigning(fact: SuccessorDeclined | SuccessorAccepted) -> Audience:
    step = DelegableStep.DEPARTURE_ASSIGN
    return holders(Role.DEPT_MANAGER, fact.department, step=step, barred=[fact.leaver])


def _handover(fact: SuccessorProposed | SuccessorDeclined | SuccessorAccepted) -> str:
    return f"handover:{fact.customer}"


def open_work_moved(recorded: RecordedFact[OpenWorkMoved], _state: Notices) -> News:
    """Whoever gets a leaver's open work is told so; a manager who took it over themselves knows."""
    fact, thing = recorded.fact, _work(recorded.fact)
    values = {"departure": fact.number}
    return news(recorded, thing, need(recorded, thing, TemplateName.OPEN_WORK_MOVED, person(fact.to), values))


def _work(fact: OpenWorkMoved) -> str:
    return f"{fact.departure}:{fact.kind}:{fact.thing}"


# --- what customers are told -----------------------------------------------------------------------------------------


def handover_notice_due(recorded: RecordedFact[HandoverNoticeDue], _state: Notices) -> News:
    """The customer is told who looks after it now; that the message was delivered is the proof (R4.6)."""
    thing = _notice(recorded.fact)
    return news(recorded, thing, need(recorded, thing, TemplateName.CUSTOMER_HANDOVER, MAIN_CONTACT))


def _notice(fact: HandoverNoticeDue) -> str:
    return f"{fact.departure}:{fact.customer}:notice"


REACTIONS = (
    telling("tell-role-proposed", RoleProposed, REGISTRY, _post, role_proposed),
    telling("tell-role-proposal-declined", RoleProposalDeclined, REGISTRY, _post, ended(_post)),
    telling("tell-role-granted", RoleGranted, REGISTRY, _post, ended(_post)),
    telling("tell-delegate-appointed", DelegateAppointed, REGISTRY, "delegation", delegate_appointed),
    telling("tell-delegation-ended", DelegationEnded, REGISTRY, "delegation", delegation_ended),
    telling("tell-step-escalated", StepEscalated, REGISTRY, _escalated, step_escalated),
    telling("tell-vetting-step-escalated", StepEscalated, VETTING, _escalated, step_escalated),
    telling("tell-departure-started", DepartureStarted, REGISTRY, _departure, departure_started),
    telling("tell-departure-cancelled", DepartureCancelled, REGISTRY, _departure, departure_cancelled),
    telling("tell-departure-cleared", DepartureCleared, REGISTRY, _departure, departure_cleared),
    telling("tell-access-ended", StaffAccessEnded, REGISTRY, _departure, access_ended),
    telling("tell-successor-proposed", SuccessorProposed, REGISTRY, _handover, successor_proposed),
    telling("tell-successor-declined", SuccessorDeclined, REGISTRY, _handover, successor_declined),
    telling("tell-successor-accepted", SuccessorAccepted, REGISTRY, _handover, successor_accepted),
    telling("tell-open-work-moved", OpenWorkMoved, REGISTRY, _work, open_work_moved),
    telling("tell-handover-notice", HandoverNoticeDue, REGISTRY, _notice, handover_notice_due),
)
