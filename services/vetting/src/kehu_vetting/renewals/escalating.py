"""A renewal that vetting or finance does not answer is told to the superior after three days (People, policy data)."""

from __future__ import annotations

from datetime import date
from typing import Any

from kehu.contracts.staff import Role
from kehu.contracts.vetting import RenewalReturned, RenewalStepPassed, RenewalSubmitted, RenewalWithdrawn
from kehu.escalating import Wait, escalation
from kehu_vetting.qualifications.chain import ROLES
from kehu_vetting.renewals.facts import RENEWALS, Renewal, RenewalStatus


def _waiting(key: str, state: Renewal) -> Wait | None:
    if state.status is not RenewalStatus.IN_REVIEW or state.step is None or state.asked_on is None:
        return None
    return Wait(
        thing=key,
        step=f"renewal:{state.step.value}",
        waiting_for=tuple(Role(role) for role in ROLES[state.step]),
        since=state.asked_on,
        answer_due_on=state.answer_due_on,
        customer=state.customer,
        department=state.department,
    )


def _asked(fact: Any) -> tuple[str, date | None]:
    return fact.renewal, fact.answer_due_on


def _answered(fact: Any) -> tuple[str, date | None]:
    return fact.renewal, None


UNANSWERED = escalation(
    "renewal-unanswered",
    RENEWALS,
    planned_by={
        RenewalSubmitted: _asked,
        RenewalStepPassed: _asked,
        RenewalReturned: _answered,
        RenewalWithdrawn: _answered,
    },
    stream_id=lambda key: key,
    waiting=_waiting,
)
