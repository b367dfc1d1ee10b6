"""Renewed papers: the owner hands them in, vetting and finance pass them, and then they are in force (R3.1.2).

"A renewed and passed document lifts it": passed is read as by the department's vetting and finance, two different
people, neither the one who handed it in *(default)*. Where a vetted field has changed, a new F1 takes the whole chain.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from kehu.contracts.vetting import (
    RenewalReturned,
    RenewalStepPassed,
    RenewalSubmitted,
    RenewalWithdrawn,
    Step,
)
from kehu.deciding import Actor, Context, Decision
from kehu.errors import Forbidden, Invalid, NotFound, Refused
from kehu.escalating import answer_due_on
from kehu.standing_in import Signature, first_free, signatures
from kehu_vetting.customer_files.facts import CustomerFile
from kehu_vetting.qualifications.chain import NAMES, ROLES, SeparationOfDuties, refuse_departing
from kehu_vetting.qualifications.decisions import known_file, listed, policy_of, refuse_gone, vetted
from kehu_vetting.qualifications.form import Document, VettedCustomer
from kehu_vetting.qualifications.required_documents import THREE_PARTY_AGREEMENT
from kehu_vetting.qualifications.requirements import Shortcoming, paper_problems
from kehu_vetting.renewals.facts import STEPS, Renewal, RenewalFilled, RenewalStatus
from kehu_vetting.settlement_units import decisions as units
from kehu_vetting.settlement_units.facts import Unit
from kehu_vetting.standing.decisions import Link, TakePapers, link, take_papers
from kehu_vetting.standing.facts import Standing

CLAUSE = "R3.1.2"
NO_STANDING = Standing()
NO_UNIT = Unit()


@dataclass(frozen=True, slots=True)
class Gathered:
    """What was looked up before deciding.

    Args:
        file: the customer as vetting knows it.
        standing: how it stands.
        unit: the payer that the renewal names; a blank one where it names none.
        files: digests of its papers of which there is a file.

    """

    file: CustomerFile
    standing: Standing = NO_STANDING
    unit: Unit = NO_UNIT
    files: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class SubmitRenewal:
    """Hand renewed papers in: of the customer, or of a payer of its, or the renewed agreement with that payer."""

    renewal: str
    customer: str
    papers: tuple[Document, ...] = ()
    unit: str | None = None
    unit_papers: tuple[Document, ...] = ()
    agreement: Document | None = None


@dataclass(frozen=True, slots=True)
class PassRenewal:
    """Sign a step of it."""

    step: Step


@dataclass(frozen=True, slots=True)
class ReturnRenewal:
    """Give it back: what is wrong with it."""

    step: Step
    remarks: str


def submit_renewal(command: SubmitRenewal, state: Renewal, context: Context) -> Decision:
    """Hand papers in, complete: each sealed, seen and dated as its kind asks for, and with its file."""
    gathered: Gathered = context.gathered
    file = known_file(gathered)
    _check_owner(context.actor, file)
    refuse_gone(file)
    if state.id:
        raise Refused("该编号的换证申请已存在。", "There is a renewal of this id already.", clause=CLAUSE)
    _check_there_is_something(command)
    _check_unit(command, gathered)
    problems = _problems(command, gathered, context)
    if problems:
        raise Invalid(
            f"有 {len(problems)} 项不符合要求,请按 errors 改正。身份号码已变的,请另行提交资质审核表(F1)。",
            f"{len(problems)} things are wrong: mend what errors[] names. Another identity takes a new F1.",
            clause=CLAUSE,
            code="unfit-renewal",
            errors=listed(problems),
        )
    filled = RenewalFilled(
        renewal=command.renewal,
        customer=command.customer,
        papers=command.papers,
        unit=command.unit,
        unit_papers=command.unit_papers,
        agreement=command.agreement,
    )
    kinds = [paper.type for paper in (*command.papers, *command.unit_papers)]
    submitted = RenewalSubmitted(
        renewal=command.renewal,
        customer=command.customer,
        department=file.department,
        documents=(*kinds, *([THREE_PARTY_AGREEMENT] if command.agreement else [])),
        unit=command.unit,
        submitted_by=context.actor.id,
        asked_on=context.today,
        answer_due_on=answer_due_on(context),
    )
    return Decision([filled, submitted])


def pass_renewal(command: PassRenewal, states: Sequence[Any], context: Context) -> Sequence[Decision]:
    """Sign the step whose turn it is; with the last one the papers are in force, for customer and payer at once.

    Args:
        command: which step.
        states: the renewal, how the customer stands, the payer that it names (blank where it names none).
        context: who signs, when.

    Returns:
        A decision for each of the three.

    """
    renewal: Renewal = states[0]
    standing: Standing = states[1]
    unit: Unit = states[2]
    file = known_file(context.gathered)
    refuse_gone(file)
    by = _check_may_sign(command.step, renewal, file, context.actor)
    following = STEPS[STEPS.index(command.step) + 1 :]
    passed = RenewalStepPassed(
        renewal=renewal.id,
        customer=renewal.customer,
        department=file.department,
        step=command.step,
        next_step=following[0] if following else None,
        signed_by=by.signed_by,
        on_behalf_of=by.on_behalf_of,
        asked_on=context.today if following else None,
        answer_due_on=answer_due_on(context) if following else None,
    )
    if following:
        return [Decision([passed]), Decision(), Decision()]
    policy = policy_of(context)
    taken = (
        take_papers(TakePapers(renewal.customer, file.department, renewal.papers), standing, policy, context)
        if renewal.papers
        else []
    )
    linked = _renewed_link(renewal, standing)
    if linked is not None:
        taken += link(renewal.customer, linked, standing, policy)
    # Where the customer pays itself, its own papers are its payer's too (R3.1.1).
    own = tuple(paper for paper in renewal.papers if paper.type in policy.unit_types()) if not renewal.unit else ()
    of_unit = renewal.unit_papers or own
    noted = units.take_papers(unit.id, of_unit, unit, policy, context) if unit.id else []
    return [Decision([passed]), Decision(taken), Decision(noted)]


def return_renewal(command: ReturnRenewal, state: Renewal, context: Context) -> Decision:
    """Give it back with remarks; a mended one is handed in anew."""
    file = known_file(context.gathered)
    by = _check_may_sign(command.step, state, file, context.actor)
    if not command.remarks.strip():
        raise Invalid("退回须写明意见。", "Giving it back takes remarks.", clause=CLAUSE, code="remarks-missing")
    returned = RenewalReturned(
        renewal=state.id,
        customer=state.customer,
        department=file.department,
        step=command.step,
        remarks=command.remarks.strip(),
        submitted_by=state.submitted_by,
        returned_by=by.signed_by,
        on_behalf_of=by.on_behalf_of,
    )
    return Decision([returned])


def withdraw_renewal(state: Renewal, context: Context) -> Decision:
    """Take it back before it is passed. The owner does."""
    file = known_file(context.gathered)
    _check_owner(context.actor, file)
    _check_open(state)
    return Decision([RenewalWithdrawn(renewal=state.id, customer=state.customer, withdrawn_by=context.actor.id)])


def unit_of(command: SubmitRenewal | Renewal, standing: Standing) -> str | None:
    """The payer whose papers change with it: the one it names, or the one that the customer is itself."""
    if command.unit:
        return command.unit
    return next((unit for unit, payer in standing.payers.items() if payer.agreement_digest is None), None)


def _renewed_link(renewal: Renewal, standing: Standing) -> Link | None:
    if renewal.agreement is None or renewal.unit is None or renewal.unit not in standing.payers:
        return None
    return Link(renewal.unit, renewal.agreement, default=False)


def _check_there_is_something(command: SubmitRenewal) -> None:
    if not (command.papers or command.unit_papers or command.agreement):
        raise Invalid("没有提交任何证件。", "There are no papers in it.", clause=CLAUSE, code="nothing-renewed")
    if command.unit is None and (command.unit_papers or command.agreement):
        raise Invalid(
            "结算单位的证件或三方协议须注明结算单位(unit)。",
            "Papers of a payer, or an agreement with one, need the payer (unit).",
            clause="R3.1.1",
            code="unit-missing",
        )


def _check_unit(command: SubmitRenewal, gathered: Gathered) -> None:
    if command.unit is not None and command.unit not in gathered.standing.payers:
        raise NotFound(
            "该结算单位没有与该客户关联。更换或增加结算单位须另行提交资质审核表(F1)。",
            "That settlement unit does not pay for this customer. Another payer takes a new F1.",
            clause="R3.1.1",
            code="unit-not-linked",
        )


def _problems(command: SubmitRenewal, gathered: Gathered, context: Context) -> list[Shortcoming]:
    policy, file, unit = policy_of(context), gathered.file, gathered.unit
    customer = vetted(file)
    found: list[Shortcoming] = []
    listed_papers = [(f"papers.{place}", paper, customer) for place, paper in enumerate(command.papers)]
    if unit.id and command.unit:
        payer = VettedCustomer.model_validate(
            {
                "number": unit.number,
                "name": unit.name,
                "kind": customer.kind,
                "identity_kind": unit.identity_kind,
                "identity": unit.identity,
            }
        )
        listed_papers += [(f"unit_papers.{place}", paper, payer) for place, paper in enumerate(command.unit_papers)]
    if command.agreement:
        listed_papers.append(("agreement", command.agreement, customer))
    for field, paper, holder in listed_papers:
        since = file.account_asked_since if holder is customer else None
        found += paper_problems(field, paper, holder, policy, context.today, since, gathered.files)
    kinds = [paper.type for paper in command.papers]
    if THREE_PARTY_AGREEMENT in kinds or (command.agreement and command.agreement.type != THREE_PARTY_AGREEMENT):
        found.append(
            Shortcoming(
                "agreement.type",
                "agreement-misplaced",
                "三方协议填在 agreement 中,其他证件填在 papers 中。",
                "A three-party agreement goes into agreement, other papers into papers.",
            )
        )
    return found


def _check_open(state: Renewal) -> None:
    if state.status is not RenewalStatus.IN_REVIEW or state.step is None:
        raise Refused(
            f"该换证申请当前状态为 {state.status.value},不能再办理。",
            f"This renewal is {state.status.value}: nothing more can be done to it.",
            clause=CLAUSE,
            code="not-in-review",
            status=state.status.value,
        )


def _check_may_sign(step: Step, state: Renewal, file: CustomerFile, actor: Actor) -> Signature:
    refuse_departing(actor)
    if step not in STEPS:
        raise Invalid(
            "换证只由营销部与财务部办理。",
            "A renewal has two steps: vetting, finance.",
            clause=CLAUSE,
            code="not-a-step",
        )
    zh, en = NAMES[step]
    found = signatures(actor, f"qualification:{step.value}", *ROLES[step], department=file.department)
    if not found:
        raise Forbidden(
            f"“{zh}”须由本部门的相应岗位或其受托人办理,您没有这一岗位。",
            f"For {en} one must hold that role for the customer's department, or act for one who does.",
            clause=CLAUSE,
            code="role-required",
            roles=list(ROLES[step]),
        )
    by = first_free(found, state.people)
    if by is None:
        raise SeparationOfDuties(
            f"您(或委托人)提交或办理过本次换证,不能办理“{zh}”。请由他人办理。",
            f"You, or those for whom you could sign, had a hand in this renewal: {en} is somebody else's.",
            clause=CLAUSE,
            step=step.value,
        )
    _check_open(state)
    if step is not state.step:
        raise Refused(
            "还没有轮到这一步,签批须严格按顺序进行。",
            "It is not the turn of this step; they are signed strictly in order.",
            clause=CLAUSE,
            code="out-of-order",
            step=state.step.value if state.step else None,
        )
    return by


def _check_owner(actor: Actor, file: CustomerFile) -> None:
    refuse_departing(actor)
    if actor.id != file.owner or not actor.has("salesperson", department=file.department):
        raise Forbidden(
            "只有该客户的负责营销员可以提交或撤回换证材料。",
            "Only the salesperson who owns the customer hands in its renewed papers, or takes them back.",
            clause=CLAUSE,
            code="not-the-owner",
        )
