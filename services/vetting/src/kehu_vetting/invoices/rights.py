"""Who may do what with requests and invoices: role, department, and separation by object and person (R3.2.3)."""

from __future__ import annotations

from kehu.contracts.staff import DelegableStep, Role
from kehu.deciding import Actor
from kehu.errors import Forbidden
from kehu.standing_in import Signature, first_free, signatures
from kehu_vetting.customer_files.facts import CustomerFile
from kehu_vetting.invoices.facts import InvoiceRequest, Side

#: Whose side it is to pass a request for.
ROLES: dict[Side, tuple[str, ...]] = {
    "marketing": (Role.VETTER, Role.DEPT_MANAGER),
    "finance": (Role.FINANCE,),
}
#: What a delegation names that is for a side (委托).
STEPS: dict[Side, DelegableStep] = {
    "marketing": DelegableStep.INVOICE_MARKETING,
    "finance": DelegableStep.INVOICE_FINANCE,
}
NAMES: dict[Side, tuple[str, str]] = {
    "marketing": ("营销部审核", "marketing's review"),
    "finance": ("财务部审核", "finance's review"),
}


class SeparationOfDuties(Forbidden):
    """Somebody would hold two of applicant, reviewers and issuer of one request."""

    code = "separation-of-duties"


def refuse_departing(actor: Actor) -> None:
    """Refuse a person whose departure has started.

    Raises:
        Forbidden: R4.6.

    """
    if actor.departing:
        raise Forbidden(
            "离职手续办理期间不能办理发票事项,请由接手人或部门经理办理。",
            "Whoever is leaving does nothing about invoices any more: the successor or the manager does it.",
            clause="R4.6",
            code="departing",
        )


def check_applicant(actor: Actor, file: CustomerFile, state: InvoiceRequest) -> None:
    """Refuse whoever does not own the customer, or has passed a side of this very request.

    Raises:
        Forbidden: not the owner, or leaving.
        SeparationOfDuties: a reviewer of it.

    """
    refuse_departing(actor)
    if actor.id != file.owner or not actor.has(Role.SALESPERSON, department=file.department):
        raise Forbidden(
            "只有该客户的负责营销员可以申请、修改或撤回开票。",
            "Only the salesperson who owns the customer asks for its invoices, or changes or withdraws that.",
            clause="R3.2.3",
            code="not-the-owner",
        )
    if actor.id in state.reviewers:
        raise SeparationOfDuties(
            "您审核过这份开票申请,不能再作为申请人修改它。请另行申请。",
            "You have reviewed this request, so you cannot write it too. Withdraw it and apply anew.",
            clause="R3.2.3",
        )


def check_reviewer(side: Side, actor: Actor, file: CustomerFile, state: InvoiceRequest) -> Signature:
    """Refuse whoever has no right to pass (or give back, or refuse) a side; else as whom they do it.

    A delegate and the one they stand in for are barred alike.

    Raises:
        Forbidden: neither the role nor a delegation for the step; or leaving.
        SeparationOfDuties: they, or whom they stand in for, wrote it or passed the other side.

    """
    refuse_departing(actor)
    zh, en = NAMES[side]
    found = signatures(actor, STEPS[side], *ROLES[side], department=file.department)
    if not found:
        raise Forbidden(
            f"“{zh}”须由{'本部门的内勤或部门经理' if side == 'marketing' else '财务部'}办理,您没有这一岗位或委托。",
            f"For {en} one must be {' or '.join(ROLES[side])} for the customer's department, or stand in for one.",
            clause="R3.2.3",
            code="role-required",
            roles=list(ROLES[side]),
            department=file.department,
        )
    others = {person for one, person in state.reviewed if one != side}
    signature = first_free(found, state.applicants | others)
    if signature is None:
        raise SeparationOfDuties(
            f"您(或您所代理的人)是申请人,或已办理另一方审核,不能办理“{zh}”,岗位变动后也一样。请由他人办理。",
            f"You, or whom you stand in for, wrote this request or passed its other side, so {en} is not yours, also "
            "in another role. Somebody else has to do it.",
            clause="R3.2.3",
            side=side,
        )
    return signature


def may_look(actor: Actor, file: CustomerFile) -> bool:
    """Whether they review this customer's requests, as themselves or for somebody; then they see them too."""
    return not actor.departing and any(
        signatures(actor, STEPS[side], *roles, department=file.department) for side, roles in ROLES.items()
    )


def check_finance(actor: Actor, file: CustomerFile) -> None:
    """Refuse whoever is not of finance.

    Raises:
        Forbidden: so it is, or they are leaving.

    """
    refuse_departing(actor)
    if not actor.has(Role.FINANCE, department=file.department):
        raise Forbidden(
            "发票由财务部开具、登记和冲红,您没有这一岗位。",
            "Invoices are issued, registered and taken back by finance: you do not have that role.",
            clause="R3.2.3",
            code="role-required",
            roles=[Role.FINANCE.value],
        )


def check_issuer(actor: Actor, file: CustomerFile, state: InvoiceRequest) -> None:
    """Refuse whoever is not of finance, or wrote or passed the request.

    Raises:
        Forbidden: not finance.
        SeparationOfDuties: applicant or reviewer, or somebody for whom a reviewer stood in.

    """
    check_finance(actor, file)
    if actor.id in state.applicants or actor.id in state.reviewers:
        raise SeparationOfDuties(
            "您是这份开票申请的申请人或审核人(或其委托人),不能开具发票。请由财务部其他人开具。",
            "You wrote or reviewed this request, or somebody did so for you: another person of finance issues it.",
            clause="R3.2.3",
        )
