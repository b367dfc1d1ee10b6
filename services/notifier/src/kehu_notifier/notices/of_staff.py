"""What delegations, escalations and departures make people wait for, and what a customer is told of them (R4.6)."""

from __future__ import annotations

from kehu.contracts.staff import (
    DelegableStep,
    DelegateAppointed,
    DepartureCleared,
    DepartureStarted,
    HandoverNoticeDue,
    Role,
    StepEscalated,
    SuccessorAccepted,
    SuccessorProposed,
)
from kehu.facts import RecordedFact
from kehu_notifier.notices.decisions import News
from kehu_notifier.notices.facts import Notices
from kehu_notifier.notices.telling import MAIN_CONTACT, REGISTRY, VETTING, ended, holders, need, news, person, telling
from kehu_notifier.templates.template import TemplateName


def delegate_appointed(recorded: RecordedFact[DelegateAppointed], _state: Notices) -> News:
    """The delegate is told from when until when."""
    fact = recorded.fact
    values = {"first_day": fact.first_day.isoformat(), "last_day": fact.last_day.isoformat()}
    told = need(recorded, fact.delegation, TemplateName.DELEGATE_APPOINTED, person(fact.delegate), values)
    return news(recorded, fact.delegation, told)


def step_escalated(recorded: RecordedFact[StepEscalated], _state: Notices) -> News:
    """The superior is told that something has waited for three days."""
    fact = recorded.fact
    superiors = holders(fact.superior, fact.department)
    told = need(recorded, fact.thing, TemplateName.STEP_ESCALATED, superiors, {"day": fact.since.isoformat()})
    return news(recorded, fact.thing, told)


def departure_started(recorded: RecordedFact[DepartureStarted], _state: Notices) -> News:
    """HR, and the leaver's manager where the department is told, are to bring the handover about."""
    fact, thing = recorded.fact, _departure(recorded.fact)
    day = fact.last_day.isoformat()
    hr = need(recorded, thing, TemplateName.DEPARTURE_STARTED, holders(Role.HR, barred=[fact.person]), {"day": day})
    department = getattr(fact, "department", None)
    if not isinstance(department, str):
        return news(recorded, thing, hr)
    managers = holders(Role.DEPT_MANAGER, department, step=DelegableStep.DEPARTURE_ASSIGN, barred=[fact.person])
    assign = need(recorded, thing, TemplateName.SUCCESSORS_TO_PROPOSE, managers, {"day": day}, waiting=True)
    return news(recorded, thing, hr, assign)


def _departure(fact: DepartureStarted | DepartureCleared) -> str:
    return f"departure:{fact.person}"


def successor_proposed(recorded: RecordedFact[SuccessorProposed], _state: Notices) -> News:
    """The successor is to accept; one proposed instead takes the former one's place."""
    fact, thing = recorded.fact, _succession(recorded.fact)
    successor = person(fact.successor)
    values = {"day": fact.due_on.isoformat()}
    told = need(recorded, thing, TemplateName.SUCCESSION_TO_ACCEPT, successor, values, waiting=True)
    return news(recorded, thing, told, ends=True)


def _succession(fact: SuccessorProposed | SuccessorAccepted) -> str:
    return f"{fact.departure}:{fact.customer}"


def handover_notice_due(recorded: RecordedFact[HandoverNoticeDue], _state: Notices) -> News:
    """The customer is told who looks after it now; that the message was delivered is the proof (R4.6)."""
    thing = _notice(recorded.fact)
    return news(recorded, thing, need(recorded, thing, TemplateName.CUSTOMER_HANDOVER, MAIN_CONTACT))


def _notice(fact: HandoverNoticeDue) -> str:
    return f"{fact.departure}:{fact.customer}:notice"


REACTIONS = (
    telling("tell-delegate-appointed", DelegateAppointed, REGISTRY, "delegation", delegate_appointed),
    telling("tell-step-escalated", StepEscalated, REGISTRY, "thing", step_escalated),
    telling("tell-vetting-step-escalated", StepEscalated, VETTING, "thing", step_escalated),
    telling("tell-departure-started", DepartureStarted, REGISTRY, _departure, departure_started),
    telling("tell-departure-cleared", DepartureCleared, REGISTRY, _departure, ended(_departure)),
    telling("tell-successor-proposed", SuccessorProposed, REGISTRY, _succession, successor_proposed),
    telling("tell-successor-accepted", SuccessorAccepted, REGISTRY, _succession, ended(_succession)),
    telling("tell-handover-notice", HandoverNoticeDue, REGISTRY, _notice, handover_notice_due),
)
