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


class DepartmentOpened(PublishedFact, clause="People"):
    """A department (营销部) begins its work; `region` is the part of the country that it sells in."""

    department: str
    name: str
    region: str


class StaffMemberAppointed(PublishedFact, clause="People"):
    """A person works here; `number` is the staff number that people say. Appointed anew, they start without roles."""

    person: str
    number: str
    name: Personal
    department: str | None = None


class RoleGranted(PublishedFact, clause="People"):
    """A person gets a role: in one department, or (None) in the whole company. Key roles take a second person."""

    person: str
    role: Role
    department: str | None = None
    granted_by: str
    second_by: str | None = None


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


class DepartureCleared(PublishedFact, clause="R4.6"):
    """Every customer of a leaving person has a successor and proof of notice."""

    person: str


class StaffAccessEnded(PublishedFact, clause="R4.6"):
    """A person may do nothing here any more, whatever is open."""

    person: str


class DelegateAppointed(PublishedFact, clause="People"):
    """An absent approver appoints a delegate (委托): dated, for named steps, same or higher post, no chain."""

    delegation: str
    principal: str
    delegate: str
    #: Such as ``qualification:manager`` or ``dossier:review``.
    steps: tuple[str, ...]
    first_day: date
    last_day: date
    reason: str


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


class SuccessorAccepted(PublishedFact, clause="R4.6"):
    """The successor has accepted, or the manager has confirmed for them: OwnerAssigned follows."""

    departure: str
    customer: str
    leaver: str
    successor: str
    department: str
    accepted_by: str


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


#: All of them, for whoever keeps a view of the staff.
STAFF_FACTS = (
    DepartmentOpened,
    StaffMemberAppointed,
    RoleGranted,
    RoleRevoked,
    DepartureStarted,
    DepartureCleared,
    StaffAccessEnded,
    DelegateAppointed,
    DelegationEnded,
)
