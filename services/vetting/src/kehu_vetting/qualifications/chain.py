"""Who may sign which step of the chain: role, department, and separation by object and person (R3.1.3)."""

from __future__ import annotations

from collections.abc import Iterable

from kehu.contracts.staff import DelegableStep
from kehu.contracts.vetting import Step
from kehu.deciding import Actor
from kehu.errors import Forbidden, Invalid
from kehu.standing_in import Signature, signatures
from kehu_vetting.qualifications.facts import Qualification

#: Whose step it is. The agreement is nobody's to pass: it is recorded (R3.1.3).
ROLES: dict[Step, tuple[str, ...]] = {
    Step.VETTING: ("vetter",),
    Step.FINANCE: ("finance",),
    Step.MANAGER: ("dept_manager",),
    Step.REGISTRATION: ("gm_office",),
    Step.GENERAL_MANAGER: ("general_manager",),
    # Only to give it back or to refuse it, when the customer will not sign.
    Step.AGREEMENT: ("gm_office", "general_manager"),
}
STAND_IN = "general_manager"

NAMES: dict[Step, tuple[str, str]] = {
    Step.VETTING: ("营销部审核", "vetting by the department"),
    Step.FINANCE: ("财务部复核", "finance's re-check"),
    Step.MANAGER: ("部门经理同意", "the department manager's consent"),
    Step.REGISTRATION: ("总经理办公室登记", "registration by the general manager's office"),
    Step.GENERAL_MANAGER: ("总经理批准", "the general manager's approval"),
    Step.AGREEMENT: ("签订协议", "the agreement"),
}

_ROLE_NAMES = {
    "vetter": ("营销部内勤", "vetter"),
    "finance": ("财务部", "finance"),
    "dept_manager": ("部门经理", "department manager"),
    "gm_office": ("总经理办公室", "general manager's office"),
    "general_manager": ("总经理", "general manager"),
}


class SeparationOfDuties(Forbidden):
    """Somebody would sign what they wrote, or two different steps of one qualification."""

    code = "separation-of-duties"


def check_may_sign(
    step: Step, actor: Actor, state: Qualification, department: str, *, in_absence: str | None = None
) -> Signature:
    """Say in which way somebody signs (or gives back) a step of this qualification: as themselves, or as B代A.

    Args:
        step: which one.
        actor: who acts.
        state: what was signed and written so far, and by whom.
        department: the customer's now.
        in_absence: why the general manager registers it instead of the office; None for everybody else.

    Returns:
        Who signs and, as a delegate, for whom; both are among those whom the other steps bar.

    Raises:
        Forbidden: they do not have the step's role in the department, or are leaving (R4.6).
        SeparationOfDuties: they, or those for whom they could, wrote F1 or signed another step of it.
        Invalid: somebody stands in at a step where nobody can.

    """
    refuse_departing(actor)
    if in_absence is not None and step is not Step.REGISTRATION:
        raise Invalid(
            "只有总经理办公室登记可由批准人代办。请去掉 in_absence。",
            "Only the office's registration can be done by whoever approves. Leave in_absence out.",
            clause="R3.1.3",
        )
    found = _signatures(step, actor, department, in_absence=in_absence)
    if not found:
        raise _role_missing(step, actor, department, in_absence=in_absence)
    problems = [_first_problem(step, one.people, state, in_absence) for one in found]
    for one, problem in zip(found, problems, strict=True):
        if problem is None:
            return one
    raise next(problem for problem in problems if problem)


def refuse_departing(actor: Actor) -> None:
    """Refuse a person whose departure has started: they may only finish records of past visits and handover notes.

    Raises:
        Forbidden: R4.6.

    """
    if actor.departing:
        raise Forbidden(
            "离职手续办理期间不能办理资质与信用事项,请由接手人或部门经理办理。",
            "Whoever is leaving does nothing in vetting any more: the successor or the manager does it.",
            clause="R4.6",
            code="departing",
        )


def _signatures(step: Step, actor: Actor, department: str, *, in_absence: str | None) -> list[Signature]:
    """As themselves first, then for each of those who have appointed them (委托)."""
    if in_absence is None:
        return signatures(actor, f"qualification:{step.value}", *ROLES[step], department=department)
    return signatures(actor, DelegableStep.QUALIFICATION_GENERAL_MANAGER, STAND_IN, department=department)


def _role_missing(step: Step, actor: Actor, department: str, *, in_absence: str | None) -> Forbidden:
    roles = ROLES[step] if in_absence is None else (STAND_IN,)
    zh, en = NAMES[step]
    names = [_ROLE_NAMES[role] for role in roles]
    hint_zh = hint_en = ""
    if step is Step.REGISTRATION and in_absence is None and actor.has(STAND_IN):
        hint_zh = "办公室无人时,总经理可填写 in_absence(原因)代为登记。"
        hint_en = " If nobody of the office is there, the general manager registers it, saying why in in_absence."
    return Forbidden(
        f"“{zh}”须由本部门的{'或'.join(name[0] for name in names)}或其受托人办理,您没有这一岗位。{hint_zh}",
        f"For {en} one must be {' or '.join(name[1] for name in names)} for the customer's department, or act for "
        f"one who is.{hint_en}",
        clause="R3.1.3",
        code="role-required",
        step=step.value,
        roles=list(roles),
        department=department,
    )


def _first_problem(
    step: Step, people: Iterable[str], state: Qualification, in_absence: str | None
) -> SeparationOfDuties | None:
    """Why these people may not sign it: whoever signs and whoever they sign for are barred alike."""
    zh, en = NAMES[step]
    for person in sorted(people):
        if person in state.authors:
            return SeparationOfDuties(
                f"{person} 填写或提交过本资质审核表,不能办理“{zh}”。请由他人办理。",
                f"{person} wrote or submitted this review, so {en} is not theirs. Somebody else has to do it.",
                clause="R3.1.3",
                step=step.value,
                person=person,
            )
        for other in signed_steps(state, person):
            if _compatible(step, other, state, person, in_absence):
                continue
            return SeparationOfDuties(
                f"{person} 已办理过本资质的“{NAMES[other][0]}”,不能再办理“{zh}”,岗位变动后也一样。请由他人办理。",
                f"{person} signed {NAMES[other][1]} of this review, so {en} is not theirs, also in another role. "
                "Somebody else has to do it.",
                clause="R3.1.3",
                step=step.value,
                signed=other.value,
                person=person,
            )
    return None


def signed_steps(state: Qualification, person: str) -> list[Step]:
    """The steps that a person ever signed here, or that were signed for them, also where it was voided.

    Noting finance's facts counts as finance.
    """
    steps = {one.step for one in state.signed if person in one.people}
    if person in state.finance_authors:
        steps.add(Step.FINANCE)
    return sorted(steps, key=list(Step).index)


def _compatible(step: Step, signed: Step, state: Qualification, person: str, in_absence: str | None) -> bool:
    """Whether whoever signed `signed` may sign `step`: the same again, or registration in the office's absence."""
    if step in (signed, Step.AGREEMENT):
        return True
    if step is Step.REGISTRATION:
        return signed is Step.GENERAL_MANAGER and in_absence is not None
    if step is Step.GENERAL_MANAGER and signed is Step.REGISTRATION:
        return all(one.in_absence for one in state.signed if person in one.people and one.step is signed)
    return False
