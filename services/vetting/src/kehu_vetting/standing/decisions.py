"""What changes how a customer stands: an F1 that was passed, its payers, and people who bar it (R3.1.1, R3.1.2)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from kehu.contracts.trade import SettlementUnitLinked, SettlementUnitUnlinked
from kehu.contracts.vetting import AgreementRenewed, QualificationRestored, QualificationSuspended
from kehu.deciding import Actor, Context, Decision
from kehu.errors import Forbidden, Invalid, NotFound, Refused
from kehu.facts import Fact
from kehu_vetting.customer_files.facts import CustomerFile
from kehu_vetting.qualifications.chain import refuse_departing
from kehu_vetting.qualifications.facts import Signatory
from kehu_vetting.qualifications.form import CreditConclusion, Document, VettedCustomer
from kehu_vetting.qualifications.required_documents import POLICY_NAME, THREE_PARTY_AGREEMENT
from kehu_vetting.qualifications.requirements import RequiredDocuments, expired
from kehu_vetting.qualifications.requirements import ends as ends_on
from kehu_vetting.settlement_units.facts import UnitServed
from kehu_vetting.standing.facts import (
    AGREEMENT,
    BY_HAND,
    STANDINGS,
    AgreementNoted,
    BarLifted,
    CustomerBarred,
    EndNoted,
    PapersTaken,
    Standing,
)


@dataclass(frozen=True, slots=True)
class TakePapers:
    """Papers were passed: with an F1 (`whole`, and as whom it knew the customer), or as a renewal."""

    customer: str
    department: str
    papers: tuple[Document, ...]
    qualification: str | None = None
    vetted: VettedCustomer | None = None
    whole: bool = False
    credit: CreditConclusion | None = None


@dataclass(frozen=True, slots=True)
class Link:
    """A payer pays for the customer; the agreement is None where it is the customer itself."""

    unit: str
    agreement: Document | None
    default: bool


@dataclass(frozen=True, slots=True)
class UnlinkPayer:
    """It no longer does."""

    unit: str
    reason: str


@dataclass(frozen=True, slots=True)
class RenewAgreement:
    """The customer's agreement goes on: a new one was signed."""

    signed_on: date
    valid_from: date
    valid_until: date | None
    file_digest: str
    ours: str
    theirs: Signatory


@dataclass(frozen=True, slots=True)
class Gathered:
    """What is looked up before an agreement's renewal: the customer, the files there are, whether ours is staff."""

    file: CustomerFile
    files: frozenset[str] = frozenset()
    signatory_known: bool = False


@dataclass(frozen=True, slots=True)
class SuspendCustomer:
    """It may place no new orders."""

    reason: str


@dataclass(frozen=True, slots=True)
class LiftSuspension:
    """It may again."""

    reason: str


def take_papers(command: TakePapers, state: Standing, policy: RequiredDocuments, context: Context) -> list[Fact]:
    """Put passed papers in force; those that renew expired ones lift what their expiry had barred (R3.1.2)."""
    taken = PapersTaken(
        customer=command.customer,
        qualification=command.qualification,
        department=command.department,
        papers=command.papers,
        vetted=command.vetted,
        whole=command.whole,
        taken_by=context.actor.id,
        credit=command.credit,
        credit_concluded_on=context.today if command.credit else None,
    )
    kept: Iterable[Document] = () if command.whole else state.papers.values()
    in_force = {paper.type: paper for paper in (*kept, *command.papers)}
    ends = [
        fact
        for paper in command.papers
        if paper.type != THREE_PARTY_AGREEMENT
        for fact in note_end(state, command.customer, paper.type, ends_on(paper, policy.type(paper.type)), policy)
    ]
    dropped = [] if not command.whole else [what for what in state.ends if _is_paper(what) and what not in in_force]
    ends += [EndNoted(customer=command.customer, what=what, last_day=None, tell_on=None) for what in dropped]
    still = {f"document:{kind}" for kind, paper in in_force.items() if expired([paper], policy, context.today)}
    gone = [cause for cause in state.bars if cause.startswith("document:") and cause not in still]
    return [taken, *ends, *lift(gone, state, command.department, context)]


def note_end(
    state: Standing, customer: str, what: str, last_day: date | None, policy: RequiredDocuments
) -> list[EndNoted]:
    """Plan what is told of an end, ahead and on its last day; nothing where that is planned already.

    It is planned also where one that was merged into this customer has the same end: a merge may be undone (R4).
    """
    end = (state.apart or state).ends.get(what)
    if last_day == (end.last_day if end else None):
        return []
    tell_on = last_day - timedelta(days=policy.told_days_before) if last_day else None
    return [EndNoted(customer=customer, what=what, last_day=last_day, tell_on=tell_on)]


def _is_paper(what: str) -> bool:
    return what != AGREEMENT and not what.startswith("payer:")


def lift(
    causes: Iterable[str], state: Standing, department: str, context: Context, reason: str | None = None
) -> list[Fact]:
    """What says that reasons against new orders have gone; with the last of them the customer may order again."""
    gone = [cause for cause in causes if cause in state.bars]
    facts: list[Fact] = [
        BarLifted(customer=state.customer, cause=cause, lifted_by=context.actor.id, reason=reason) for cause in gone
    ]
    if gone and set(state.bars) <= set(gone) and state.active_since is not None:
        facts.append(
            QualificationRestored(
                customer=state.customer, qualification=state.qualification, department=department or state.department
            )
        )
    return facts


def link(customer: str, command: Link, state: Standing, policy: RequiredDocuments) -> list[Fact]:
    """Link a payer with the customer, or say its link anew; nothing where that is what it is already."""
    agreement = command.agreement
    linked = SettlementUnitLinked(
        unit=command.unit,
        customer=customer,
        default=command.default or state.default_unit in (None, command.unit),
        agreement_digest=agreement.file_digest if agreement else None,
        signed_on=agreement.issued_on if agreement else None,
        valid_until=agreement.valid_until if agreement else None,
    )
    former = (state.apart or state).payers.get(command.unit)
    same = former is not None and (former.agreement_digest, former.signed_on, former.valid_until) == (
        linked.agreement_digest,
        linked.signed_on,
        linked.valid_until,
    )
    is_default = state.default_unit == command.unit
    if same and (is_default or not linked.default):
        return []
    return [linked, *note_end(state, customer, f"payer:{command.unit}", linked.valid_until, policy)]


def choose_default(unit: str, state: Standing, context: Context) -> Decision:
    """Say which of its payers pays where an order names none. The owner, the manager or finance does."""
    file = _known(context.gathered)
    _check_may_tend(context.actor, file, owner=True)
    payer = _payer(unit, state)
    if state.default_unit == unit:
        return Decision()
    return Decision(
        [
            SettlementUnitLinked(
                unit=unit,
                customer=state.customer,
                default=True,
                agreement_digest=payer.agreement_digest,
                signed_on=payer.signed_on,
                valid_until=payer.valid_until,
            )
        ]
    )


def unlink_payer(command: UnlinkPayer, states: Sequence[Any], context: Context) -> Sequence[Decision]:
    """End a link; orders that name the payer keep it. The manager or finance does, with a reason.

    Args:
        command: which payer, and why.
        states: how the customer stands, the payer.
        context: who, when.

    Returns:
        A decision for each of the two.

    """
    state: Standing = states[0]
    file = _known(context.gathered)
    _check_may_tend(context.actor, file, owner=False)
    _payer(command.unit, state)
    if not command.reason.strip():
        raise Invalid("解除须写明原因。", "Ending a link takes a reason.", clause="R3.1.1", code="reason-missing")
    unlinked = [
        SettlementUnitUnlinked(unit=command.unit, customer=state.customer, reason=command.reason.strip()),
        EndNoted(customer=state.customer, what=f"payer:{command.unit}", last_day=None, tell_on=None),
    ]
    return [Decision(unlinked), Decision([UnitServed(unit=command.unit, served=state.customer, ended=True)])]


def agree(noted: AgreementNoted, state: Standing, context: Context) -> list[Fact]:
    """An agreement and what it plans: its end is told, and where it covers today the former one's end bars no more."""
    after = STANDINGS.evolve(state, noted)
    last = (after.apart or after).agreement_end(context.today)
    ends = note_end(state, noted.customer, AGREEMENT, last.valid_until if last else None, context.policies[POLICY_NAME])
    covered = any(one.covers(context.today) for one in after.agreements)
    lifted = lift([AGREEMENT], state, state.department, context) if covered else []
    return [noted, *ends, *lifted]


def renew_agreement(command: RenewAgreement, state: Standing, context: Context) -> Decision:
    """Record an active customer's next agreement; nothing vetted has changed, so the chain is not gone through again.

    *(default)*: the owner, the department's manager or the general manager's office records it, as with the first one.
    """
    gathered: Gathered = context.gathered
    file = _known(gathered.file)
    _check_may_record(context.actor, file)
    if state.active_since is None:
        raise Refused(
            "该客户尚未成为代理商或有效客户:首份协议随资质审核登记。",
            "This customer is not active: its first agreement is recorded with its qualification.",
            clause="R3.1.3",
            code="not-active",
        )
    _check_dates(command, context.today)
    if command.file_digest not in gathered.files:
        raise Invalid(
            "没有上传该协议文件,请先上传(POST /files),再填写其 digest。",
            "There is no such file of the agreement: hand it in first (POST /files), then give its digest.",
            clause="R3.1.3",
            code="file-missing",
        )
    if not gathered.signatory_known:
        raise Invalid(
            "我方签署人不在员工名册中,请核对。",
            "Whoever signed for us is not on the staff: correct the id.",
            clause="R3.1.3",
            code="signatory-unknown",
        )
    renewed = AgreementRenewed(
        customer=state.customer,
        qualification=state.qualification,
        department=file.department,
        signed_on=command.signed_on,
        valid_from=command.valid_from,
        valid_until=command.valid_until,
        file_digest=command.file_digest,
        recorded_by=context.actor.id,
    )
    noted = AgreementNoted(
        customer=state.customer,
        qualification=state.qualification,
        file_digest=command.file_digest,
        signed_on=command.signed_on,
        valid_from=command.valid_from,
        valid_until=command.valid_until,
        ours=command.ours,
        theirs=command.theirs,
    )
    return Decision([renewed, *agree(noted, state, context)])


def _check_may_record(actor: Actor, file: CustomerFile) -> None:
    refuse_departing(actor)
    owns = actor.id == file.owner and actor.has("salesperson", department=file.department)
    if not owns and not actor.has("dept_manager", "gm_office", department=file.department):
        raise Forbidden(
            "协议由该客户的负责营销员、部门经理或总经理办公室登记。",
            "The agreement is recorded by the customer's salesperson, the department manager or the office.",
            clause="R3.1.3",
            code="role-required",
        )


def _check_dates(command: RenewAgreement, today: date) -> None:
    if command.signed_on > today:
        raise Invalid(
            f"签订日期 {command.signed_on} 晚于今天,请核对。",
            f"It was signed on {command.signed_on}, after today: correct the date.",
            clause="R3.1.3",
            code="agreement-date",
        )
    if command.valid_until is not None and command.valid_until < max(command.valid_from, today):
        raise Invalid(
            "协议有效期止应不早于有效期起,且不早于今天。",
            "The agreement ends on or after its first day, and not before today.",
            clause="R3.1.3",
            code="agreement-validity",
        )


def suspend_customer(command: SuspendCustomer, state: Standing, context: Context) -> Decision:
    """Bar a customer's new orders and increases by hand. The department's manager or finance does, with a reason."""
    file = _known(context.gathered)
    _check_may_tend(context.actor, file, owner=False)
    if not command.reason.strip():
        raise Invalid("停用须写明原因。", "Suspending takes a reason.", clause="R3.2.1", code="reason-missing")
    if state.active_since is None:
        raise Refused(
            "该客户尚未成为代理商或有效客户,没有可停止的订单。",
            "This customer is not active: it orders nothing that could be stopped.",
            clause="R3.2.1",
            code="not-active",
        )
    if BY_HAND in state.bars:
        raise Refused(
            "该客户已停止新订单。", "This customer is suspended already.", clause="R3.2.1", code="already-suspended"
        )
    return Decision(bar(state, {BY_HAND: command.reason.strip()}, context))


def lift_suspension(command: LiftSuspension, state: Standing, context: Context) -> Decision:
    """Lift what was barred by hand; papers and agreements that have ended go on barring until they are renewed."""
    file = _known(context.gathered)
    _check_may_tend(context.actor, file, owner=False)
    if not command.reason.strip():
        raise Invalid("恢复须写明原因。", "Lifting it takes a reason.", clause="R3.2.1", code="reason-missing")
    if BY_HAND not in state.bars:
        raise Refused(
            "该客户没有被人工停止。证件或协议到期的,须换新证或续签。",
            "Nobody has suspended this customer by hand. Ended papers and agreements have to be renewed.",
            clause="R3.2.1",
            code="not-suspended",
        )
    return Decision(lift([BY_HAND], state, file.department, context, command.reason.strip()))


def bar(state: Standing, causes: Mapping[str, str], context: Context) -> list[Fact]:
    """What says that new orders are barred, and why; told to others once the customer is active."""
    facts: list[Fact] = [
        CustomerBarred(customer=state.customer, cause=cause, reason=reason, barred_by=context.actor.id)
        for cause, reason in causes.items()
    ]
    if facts and state.active_since is not None:
        facts.append(suspended(state, causes))
    return facts


def suspended(state: Standing, causes: Mapping[str, str]) -> QualificationSuspended:
    """What others hear of it."""
    papers = tuple(cause.removeprefix("document:") for cause in causes if cause != BY_HAND)
    return QualificationSuspended(
        customer=state.customer,
        qualification=state.qualification,
        department=state.department,
        documents=papers,
        reason=";".join(causes.values()),
    )


def _payer(unit: str, state: Standing) -> Any:
    try:
        return state.payers[unit]
    except KeyError:
        raise NotFound(
            "该结算单位没有与该客户关联。请先随资质审核表(F1)审核。",
            "That settlement unit does not pay for this customer: it has to be vetted with an F1 first.",
            clause="R3.1.1",
            code="unit-not-linked",
        ) from None


def _known(gathered: Any) -> CustomerFile:
    file: CustomerFile = gathered
    file.check_apart()
    if file.gone:
        raise Refused("客户已关闭或已合并。", "The customer was closed or merged.", clause="R4", code="customer-gone")
    return file


def _check_may_tend(actor: Actor, file: CustomerFile, *, owner: bool) -> None:
    refuse_departing(actor)
    owns = owner and actor.id == file.owner and actor.has("salesperson", department=file.department)
    if not owns and not actor.has("dept_manager", "finance", department=file.department):
        raise Forbidden(
            "此事由部门经理或财务部办理,您没有这一岗位。",
            "This is the department manager's or finance's: you do not have that role.",
            clause="R3.1.1",
            code="role-required",
            roles=["dept_manager", "finance"],
        )
