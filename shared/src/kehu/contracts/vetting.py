"""Published by vetting: qualification from submission to activation, and credit incidents."""

from __future__ import annotations

from datetime import date
from enum import StrEnum

from kehu.contracts.published import PublishedFact
from kehu.money import Fen


class Step(StrEnum):
    """The steps of the qualification chain, in their order (R3.1.3)."""

    VETTING = "vetting"  # 营销部审核
    FINANCE = "finance"  # 财务部复核
    MANAGER = "manager"  # 部门经理同意
    REGISTRATION = "registration"  # 总经理办公室登记
    GENERAL_MANAGER = "general_manager"  # 总经理批准
    AGREEMENT = "agreement"  # 签订协议


class QualificationSubmitted(PublishedFact, clause="R3.1.3"):
    """A salesperson hands in a qualification review (F1): bundle `bundle`, frozen as `digest`."""

    qualification: str
    customer: str
    department: str
    bundle: int
    digest: str
    submitted_by: str
    #: Since when somebody's signature is waited for, and the last day before the superior is told (People).
    asked_on: date | None = None
    answer_due_on: date | None = None


class QualificationStepPassed(PublishedFact, clause="R3.1.3"):
    """Somebody signed a step; `next_step` is whose turn it is now."""

    qualification: str
    customer: str
    department: str
    step: Step
    next_step: Step
    signed_by: str
    on_behalf_of: str | None = None
    #: The bundle that was signed, by its number and digest.
    bundle: int | None = None
    digest: str | None = None
    #: Why the general manager registered it in the absence of everybody of the office.
    in_absence: str | None = None
    #: Since when somebody's signature is waited for, and the last day before the superior is told (People).
    asked_on: date | None = None
    answer_due_on: date | None = None


class QualificationReturned(PublishedFact, clause="R3.1.3"):
    """Given back to an earlier step, or (None) to the salesperson, with remarks."""

    qualification: str
    customer: str
    department: str
    from_step: Step
    to_step: Step | None
    remarks: str
    submitted_by: str
    #: For whom, where a delegate did it (B代A).
    on_behalf_of: str | None = None
    #: Since when somebody's signature is waited for, and the last day before the superior is told (People).
    asked_on: date | None = None
    answer_due_on: date | None = None


class QualificationRejected(PublishedFact, clause="R3.1.3"):
    """The qualification is refused for good, with the reason."""

    qualification: str
    customer: str
    department: str
    step: Step
    reason: str
    submitted_by: str
    #: For whom, where a delegate did it (B代A).
    on_behalf_of: str | None = None


class QualificationWithdrawn(PublishedFact, clause="R3.1.3"):
    """The owner gives it up; another one may be begun."""

    qualification: str
    customer: str
    reason: str
    withdrawn_by: str


class SignoffsVoided(PublishedFact, clause="R3.1.3"):
    """What was signed has changed: from this step on it has to be signed again."""

    qualification: str
    customer: str
    from_step: Step
    steps: tuple[Step, ...]
    because_of: str
    department: str | None = None
    #: Since when somebody's signature is waited for, and the last day before the superior is told (People).
    asked_on: date | None = None
    answer_due_on: date | None = None


class DocumentExpiring(PublishedFact, clause="R3.1.2"):
    """A paper of a customer (or of its payer, `unit`) ends: told once 30 days before and once on its last day."""

    customer: str
    qualification: str | None = None
    unit: str | None = None
    department: str
    owner: str
    document: str
    valid_until: date
    last_day: bool
    #: What its expiry does: bar new orders, or only warn.
    suspends: bool


class DocumentRenewalDue(PublishedFact, clause="R3.1.2"):
    """Papers that have not ended are asked for anew: the customer's name or representative has changed."""

    customer: str
    qualification: str | None = None
    department: str
    owner: str
    documents: tuple[str, ...]
    since: date


class RenewalSubmitted(PublishedFact, clause="R3.1.2"):
    """Renewed papers of a customer (or of its payer, `unit`) are handed in: vetting, then finance, pass them."""

    renewal: str
    customer: str
    department: str
    documents: tuple[str, ...]
    unit: str | None = None
    submitted_by: str
    #: Since when somebody's signature is waited for, and the last day before the superior is told (People).
    asked_on: date | None = None
    answer_due_on: date | None = None


class RenewalStepPassed(PublishedFact, clause="R3.1.2"):
    """Somebody passed renewed papers; with no `next_step` they are in force."""

    renewal: str
    customer: str
    department: str
    step: Step
    next_step: Step | None
    signed_by: str
    on_behalf_of: str | None = None
    #: Since when somebody's signature is waited for, and the last day before the superior is told (People).
    asked_on: date | None = None
    answer_due_on: date | None = None


class RenewalReturned(PublishedFact, clause="R3.1.2"):
    """Renewed papers are given back, with remarks; mended ones are handed in anew."""

    renewal: str
    customer: str
    department: str
    step: Step
    remarks: str
    submitted_by: str
    returned_by: str
    on_behalf_of: str | None = None


class RenewalWithdrawn(PublishedFact, clause="R3.1.2"):
    """The owner takes renewed papers back before they were passed."""

    renewal: str
    customer: str
    withdrawn_by: str


class AgreementRenewed(PublishedFact, clause="R3.1.3"):
    """An active customer's agreement goes on: a new one was signed; nothing that is vetted has changed."""

    customer: str
    qualification: str | None = None
    department: str
    signed_on: date
    valid_from: date
    valid_until: date | None
    file_digest: str
    recorded_by: str


class QualificationSuspended(PublishedFact, clause="R3.1.2"):
    """The customer may place no new orders and increase none: papers have expired, or it was suspended."""

    customer: str
    qualification: str | None = None
    department: str
    documents: tuple[str, ...]
    reason: str


class QualificationRestored(PublishedFact, clause="R3.1.2"):
    """A renewed and passed paper has lifted the suspension."""

    customer: str
    qualification: str | None = None
    department: str


class QualificationApproved(PublishedFact, clause="R3.1.3"):
    """The general manager has approved; the agreement may be signed now."""

    qualification: str
    customer: str
    department: str
    approved_by: str
    submitted_by: str
    approved_on: date | None = None
    #: For whom, where a delegate did it (B代A).
    on_behalf_of: str | None = None


class AgreementSigned(PublishedFact, clause="R3.1.3"):
    """The agreement with the customer is signed."""

    qualification: str
    customer: str
    signed_on: date
    valid_from: date
    valid_until: date | None
    file_digest: str


class AgentActivated(PublishedFact, clause="R3.1.3"):
    """The customer may order from now on: an agent, or an active customer."""

    customer: str
    qualification: str
    department: str
    #: Whether it is one of the agent kinds; others become active customers.
    agent: bool
    activated_on: date


class QualificationRenewed(PublishedFact, clause="R3.1.3"):
    """An active customer was qualified anew: this F1 is in force from its approval on, in place of the former one.

    The customer stays active, and its agreement goes on until it ends *(default)*.
    """

    customer: str
    qualification: str
    previous: str | None
    department: str
    #: Whether it is one of the agent kinds now.
    agent: bool
    renewed_on: date


class CreditIncidentRecorded(PublishedFact, clause="R5.2.A"):
    """Finance records bad credit, with evidence; it counts from `occurred_on`."""

    incident: str
    customer: str
    occurred_on: date
    description: str
    evidence: str
    amount_fen: Fen | None = None
    recorded_by: str


class CreditIncidentResolved(PublishedFact, clause="R5.2.A"):
    """The incident is settled; it stops counting 24 months (policy data) after `resolved_on`."""

    incident: str
    customer: str
    resolved_on: date
    evidence: str


class CreditIncidentWithdrawn(PublishedFact, clause="R5.2.A"):
    """The incident was recorded by mistake: it never counted, also back in time."""

    incident: str
    customer: str
    reason: str
