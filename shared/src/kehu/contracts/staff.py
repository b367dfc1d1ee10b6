"""Published by customer-registry: who works here, in which department and roles, and who is leaving."""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from typing import Literal

from kehu.contracts.published import PublishedFact
from kehu.privacy import Personal


class Role(StrEnum):
    """What a person may do (the policy's table of roles); granted in one department, or in the whole company."""

    SALESPERSON = "salesperson"  # 营销员
    VETTER = "vetter"  # 营销部内勤
    DEPT_MANAGER = "dept_manager"  # 部门经理 / 营销部经理
    ORDER_CLERK = "order_clerk"  # 订单员
    FINANCE = "finance"  # 财务部
    GM_OFFICE = "gm_office"  # 总经理办公室
    GENERAL_MANAGER = "general_manager"  # 总经理
    MARKET_DEPT = "market_dept"  # 市场部
    VERIFIER = "verifier"  # 专人
    HR = "hr"
    WAREHOUSE = "warehouse"
    AUDITOR = "auditor"
    ADMIN = "admin"


class DelegableStep(StrEnum):
    """The steps that an absent approver may have done by a delegate (委托), by the names that decisions ask for."""

    DOSSIER_REVIEW = "dossier:review"
    DOSSIER_CHANGE = "dossier:change"
    QUALIFICATION_VETTING = "qualification:vetting"
    QUALIFICATION_FINANCE = "qualification:finance"
    QUALIFICATION_MANAGER = "qualification:manager"
    QUALIFICATION_REGISTRATION = "qualification:registration"
    QUALIFICATION_GENERAL_MANAGER = "qualification:general_manager"
    STOP_SHIPPING = "order:stop-shipping"
    INVOICE_MARKETING = "invoice:marketing"
    INVOICE_FINANCE = "invoice:finance"
    DEPARTURE_ASSIGN = "departure:assign"
    MONTHLY_REPORT = "monthly_report:submit"


class DepartmentOpened(PublishedFact, clause="People"):
    """A department (营销部) begins its work; `region` is the part of the country that it sells in."""

    department: str
    name: str
    region: str


class DepartmentChanged(PublishedFact, clause="People"):
    """A department has another name, or sells in another part of the country; what is not set stays."""

    department: str
    name: str | None = None
    region: str | None = None
    changed_by: str


class DepartmentClosed(PublishedFact, clause="People"):
    """A department without people and customers is no more; its history stays."""

    department: str
    closed_by: str
    reason: str


class StaffMemberAppointed(PublishedFact, clause="People"):
    """A person works here; `number` is the staff number that people say. Appointed anew, they start without roles."""

    person: str
    number: str
    name: Personal
    department: str | None = None


class StaffMemberMoved(PublishedFact, clause="People"):
    """A person belongs to another department from now on, or (None) to none; roles are granted apart."""

    person: str
    department: str | None
    previous_department: str | None
    moved_by: str


class RoleGranted(PublishedFact, clause="People"):
    """A person gets a role: in one department, or (None) in the whole company. Key roles take a second person."""

    person: str
    role: Role
    department: str | None = None
    granted_by: str
    second_by: str | None = None


class RoleProposed(PublishedFact, clause="People"):
    """An admin wants a person to have a key role; it counts once a second one has confirmed it."""

    person: str
    role: Role
    department: str | None = None
    proposed_by: str


class RoleProposalDeclined(PublishedFact, clause="People"):
    """A key role that was proposed is not given."""

    person: str
    role: Role
    department: str | None = None
    declined_by: str


class RoleRevoked(PublishedFact, clause="People"):
    """A person no longer has a role."""

    person: str
    role: Role
    department: str | None = None
    revoked_by: str


class DepartureStarted(PublishedFact, clause="R4.6"):
    """A person is leaving: no export, no unmasking, nothing beyond their open work from here on."""

    person: str
    last_day: date
    departure: str | None = None
    number: str | None = None
    department: str | None = None
    started_by: str | None = None


class DepartureCancelled(PublishedFact, clause="R4.6"):
    """A person who was leaving stays, and has their rights again."""

    person: str
    departure: str
    number: str
    department: str | None = None
    reason: str
    cancelled_by: str


class DepartureCleared(PublishedFact, clause="R4.6"):
    """Every customer of a leaving person has a successor and proof of notice."""

    person: str
    departure: str | None = None
    number: str | None = None
    cleared_by: str | None = None


class StaffAccessEnded(PublishedFact, clause="R4.6"):
    """A person may do nothing here any more, whatever is open."""

    person: str
    departure: str | None = None
    number: str | None = None
    #: Whether the departure had been cleared; else the rest passes to the manager.
    cleared: bool | None = None


class DelegateAppointed(PublishedFact, clause="People"):
    """An absent approver appoints a delegate (委托): dated, for named steps, same or higher post, no chain."""

    delegation: str
    principal: str
    delegate: str
    #: Such as ``qualification:manager`` or ``dossier:review`` (`DelegableStep`).
    steps: tuple[str, ...]
    #: In Shanghai, both included.
    first_day: date
    last_day: date
    reason: str
    number: str | None = None


class DelegationEnded(PublishedFact, clause="People"):
    """A delegation holds no longer, before its last day."""

    delegation: str
    principal: str
    delegate: str
    ended_by: str


class StepEscalated(PublishedFact, clause="People"):
    """Something has waited for somebody's answer for three days: their superior is told. Silence never approves."""

    thing: str
    step: str
    customer: str | None = None
    department: str | None = None
    waiting_for: tuple[Role, ...]
    superior: Role
    since: date


class SuccessorProposed(PublishedFact, clause="R4.6"):
    """The manager proposes who takes over a leaving person's customer; answered until `due_on`, or confirmed."""

    departure: str
    customer: str
    leaver: str
    successor: str
    department: str
    due_on: date
    proposed_by: str | None = None
    proposed_on: date | None = None
    #: For whom, where a delegate did it (B代A).
    on_behalf_of: str | None = None
    #: Whether the leaver only collaborates with the customer, so that the owner stays.
    collaborator: bool = False


class SuccessorDeclined(PublishedFact, clause="R4.6"):
    """The successor does not take the customer over: the manager proposes somebody else."""

    departure: str
    customer: str
    leaver: str
    successor: str
    department: str
    reason: str


class SuccessorAccepted(PublishedFact, clause="R4.6"):
    """The successor has accepted, or the manager has confirmed for them: OwnerAssigned follows."""

    departure: str
    customer: str
    leaver: str
    successor: str
    department: str
    accepted_by: str
    on_behalf_of: str | None = None
    collaborator: bool = False


class HandoverNoticeDue(PublishedFact, clause="R4.6"):
    """The customer is to be told who looks after it now; the notifier sends it, its delivery is the proof."""

    departure: str
    customer: str
    leaver: str
    successor: str
    department: str


class HandoverProved(PublishedFact, clause="R4.6"):
    """That the customer knows is proved, or was waived by the manager after two failed attempts."""

    departure: str
    customer: str
    proof: Literal["delivery", "letter", "call", "visit", "waived"]
    evidence: str
    proved_by: str
    on_behalf_of: str | None = None


class OpenWorkMoved(PublishedFact, clause="R4.6"):
    """Open work that names a leaving person is somebody else's from now on: their manager has said so."""

    departure: str
    number: str
    #: `visit`, `invoice`, `qualification`, `approval`, …; and which one.
    kind: str
    thing: str
    customer: str | None = None
    leaver: str
    department: str | None = None
    to: str
    remark: str
    moved_by: str
    #: For whom, where a delegate did it (B代A).
    on_behalf_of: str | None = None


#: All of them, for whoever keeps a view of the staff.
STAFF_FACTS = (
    DepartmentOpened,
    DepartmentChanged,
    DepartmentClosed,
    StaffMemberAppointed,
    StaffMemberMoved,
    RoleGranted,
    RoleRevoked,
    DepartureStarted,
    DepartureCancelled,
    DepartureCleared,
    StaffAccessEnded,
    DelegateAppointed,
    DelegationEnded,
)
