"""A step that nobody answers is told to the superior after three days (People, policy data); silence never approves.

So is an agreement that nobody signs: only then is the customer active (R3.1.3).
"""

from __future__ import annotations

from datetime import date
from typing import Any

from kehu.contracts.staff import Role
from kehu.contracts.vetting import (
    AgreementSigned,
    QualificationRejected,
    QualificationRenewed,
    QualificationReturned,
    QualificationStepPassed,
    QualificationSubmitted,
    QualificationWithdrawn,
    SignoffsVoided,
)
from kehu.escalating import Wait, escalation
from kehu_vetting.qualifications.chain import ROLES
from kehu_vetting.qualifications.facts import QUALIFICATIONS, Qualification, Status


def _waiting(key: str, state: Qualification) -> Wait | None:
    if state.status not in (Status.IN_REVIEW, Status.APPROVED) or state.step is None or state.asked_on is None:
        return None
    return Wait(
        thing=key,
        step=f"qualification:{state.step.value}",
        waiting_for=tuple(Role(role) for role in ROLES[state.step]),
        since=state.asked_on,
        answer_due_on=state.answer_due_on,
        customer=state.customer,
        department=state.department,
    )


def _asked(fact: Any) -> tuple[str, date | None]:
    return fact.qualification, fact.answer_due_on


def _answered(fact: Any) -> tuple[str, date | None]:
    return fact.qualification, None


UNANSWERED = escalation(
    "qualification-unanswered",
    QUALIFICATIONS,
    planned_by={
        QualificationSubmitted: _asked,
        QualificationStepPassed: _asked,
        QualificationReturned: _asked,
        SignoffsVoided: _asked,
        QualificationRejected: _answered,
        QualificationWithdrawn: _answered,
        AgreementSigned: _answered,
        QualificationRenewed: _answered,
    },
    stream_id=lambda key: key,
    waiting=_waiting,
)
