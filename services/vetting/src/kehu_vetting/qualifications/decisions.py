"""Commands on a qualification by its owner and by finance. Signing stands in `signing.py`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from kehu.contracts.vetting import QualificationSubmitted, QualificationWithdrawn, SignoffsVoided, Step
from kehu.deciding import Actor, Context, Decision
from kehu.errors import Forbidden, Invalid, NotFound, Refused
from kehu.escalating import answer_due_on
from kehu.event_store import Claim
from kehu.facts import Fact
from kehu.policies import INITIAL
from kehu_vetting.customer_files.facts import CustomerFile
from kehu_vetting.qualifications.chain import check_may_sign, refuse_departing
from kehu_vetting.qualifications.facts import (
    OPEN,
    ORDER,
    QUALIFICATIONS,
    Bundle,
    BundleFrozen,
    FinanceFactsNoted,
    FormChanged,
    Qualification,
    QualificationDrafted,
    Status,
)
from kehu_vetting.qualifications.form import Document, FinanceFacts, Form, VettedCustomer, digest_of, tidied
from kehu_vetting.qualifications.required_documents import POLICY_NAME
from kehu_vetting.qualifications.requirements import (
    Assessment,
    Known,
    RequiredDocuments,
    Shortcoming,
    assess,
    expired,
    unfit,
)

#: A customer has one qualification that is open or has made it active; the claim's value is the customer.
CLAIM_SCOPE = "qualification-of-customer"


@dataclass(frozen=True, slots=True)
class Gathered:
    """What was looked up before deciding.

    Args:
        file: the customer as vetting knows it.
        policy_version: of the list of papers in force.
        signatory_known: whether whoever signed the agreement for us is on the staff.
        payer_papers: what is known already of the payer that F1 names.
        files: digests of F1 of which there is a file; None where that is not looked at.
        unit: the id of that payer: the known one, or a new one that is qualified with the approval.
        unit_number: drawn for a new one.

    """

    file: CustomerFile
    policy_version: int = INITIAL
    signatory_known: bool = False
    payer_papers: tuple[Document, ...] = ()
    files: frozenset[str] | None = None
    unit: str = ""
    unit_number: str = ""


@dataclass(frozen=True, slots=True)
class DraftQualification:
    """Begin F1 for a customer."""

    qualification: str
    customer: str
    form: Form


@dataclass(frozen=True, slots=True)
class ChangeForm:
    """Say anew what F1 reads; what was submitted already is frozen and submitted anew with it."""

    form: Form


@dataclass(frozen=True, slots=True)
class NoteFinanceFacts:
    """Finance says what it found."""

    facts: FinanceFacts


@dataclass(frozen=True, slots=True)
class WithdrawQualification:
    """Give it up."""

    reason: str


def draft_qualification(command: DraftQualification, state: Qualification, context: Context) -> Decision:
    """Begin F1; its claim is refused while another one of the customer is open, or has made it active."""
    gathered: Gathered = context.gathered
    _check_owner(context.actor, known_file(gathered))
    refuse_gone(gathered.file)
    if state.id:
        raise Refused("该编号的资质审核已存在。", "There is a qualification of this id already.", clause="R3.1.1")
    form = tidied(command.form, None)
    _refuse_unfit(form, context)
    return Decision(
        [
            QualificationDrafted(
                qualification=command.qualification,
                customer=command.customer,
                department=gathered.file.department,
                form=form,
                drafted_by=context.actor.id,
            )
        ],
        [_claim(command.qualification, command.customer)],
    )


def change_form(command: ChangeForm, state: Qualification, context: Context) -> Decision:
    """Change F1. After submission this voids every sign-off, and vetting begins again; the same again does nothing."""
    file = known_file(context.gathered)
    _check_owner(context.actor, file)
    if state.status not in OPEN or state.status is Status.SIGNED:
        raise _too_late(state)
    form = tidied(command.form, state.form)
    _refuse_unfit(form, context)
    changed: list[Fact] = []
    if form != state.form:
        changed.append(
            FormChanged(qualification=state.id, customer=state.customer, form=form, changed_by=context.actor.id)
        )
    if state.status in (Status.DRAFT, Status.RETURNED):
        return Decision(changed)
    if not changed and state.bundle and as_vetted(state.bundle, file):
        return Decision()
    voided = void_from(Step.VETTING, state, "form", context)
    return Decision([*changed, *voided, *_submit(state, form, file, context)])


def submit_qualification(state: Qualification, context: Context) -> Decision:
    """Freeze F1 as a numbered bundle and hand it to the department's vetting; refused while anything is missing."""
    file = known_file(context.gathered)
    _check_owner(context.actor, file)
    if state.status not in (Status.DRAFT, Status.RETURNED):
        raise Refused(
            f"本资质审核当前状态为 {state.status.value},只有草稿或被退回的才能提交。",
            f"This qualification is {state.status.value}; only a draft or a returned one can be submitted.",
            clause="R3.1.3",
            code="not-to-be-submitted",
            status=state.status.value,
        )
    return Decision(_submit(state, state.form, file, context))


def note_finance_facts(command: NoteFinanceFacts, state: Qualification, context: Context) -> Decision:
    """Add or change finance's own facts from its step on; sign-offs from finance's on are void (R3.1.3)."""
    file = known_file(context.gathered)
    by = check_may_sign(Step.FINANCE, context.actor, state, file.department)
    in_chain = state.status in (Status.IN_REVIEW, Status.APPROVED) and state.step and state.bundle
    if not in_chain or state.step is Step.VETTING:
        raise Refused(
            "只有营销部审核通过之后、签订协议之前,财务部才能填写复核内容。",
            "Finance adds its facts after vetting has passed and before the agreement is signed.",
            clause="R3.1.3",
            code="not-finances-turn",
        )
    check_still_as_vetted(state, file)
    if command.facts == state.finance:
        return Decision()
    noted = FinanceFactsNoted(
        qualification=state.id,
        customer=state.customer,
        facts=command.facts,
        noted_by=by.signed_by,
        on_behalf_of=by.on_behalf_of,
    )
    frozen = _freeze(state, state.form, command.facts, file, context)
    return Decision([noted, *void_from(Step.FINANCE, state, "finance", context), frozen])


def withdraw_qualification(command: WithdrawQualification, state: Qualification, context: Context) -> Decision:
    """Give it up before an agreement is signed, so that another one may be begun."""
    _check_owner(context.actor, known_file(context.gathered))
    if state.status not in OPEN or state.status is Status.SIGNED:
        raise _too_late(state)
    withdrawn = QualificationWithdrawn(
        qualification=state.id, customer=state.customer, reason=command.reason, withdrawn_by=context.actor.id
    )
    return Decision([withdrawn], [release(state)])


# --- what signing needs too ---


def known_file(gathered: Any) -> CustomerFile:
    """The customer's file.

    Raises:
        NotFound: no dossier of the customer has been passed, as far as this service has heard.

    """
    file: CustomerFile = gathered.file
    if not file.registered:
        raise NotFound(
            "没有这一客户,或其档案尚未归档。档案经部门经理通过后才能办理;刚通过的,请稍候再试。",
            "There is no such customer, or its dossier has not been passed. Just passed, try again in a moment.",
            clause="R3.1.1",
            code="customer-unknown",
        )
    return file


def vetted(file: CustomerFile) -> VettedCustomer:
    """What is vetted of the customer itself; its owner, department and contacts are not."""
    if file.kind is None or file.identity_kind is None:
        raise AssertionError("known_file lets registered customers by only")
    return VettedCustomer(
        number=file.number,
        name=file.name,
        kind=file.kind,
        identity_kind=file.identity_kind,
        identity=file.identity,
    )


def as_vetted(bundle: Bundle, file: CustomerFile) -> bool:
    """Whether the customer's dossier still says what a bundle was frozen with."""
    return bundle.vetted == vetted(file) and bundle.changes == file.changes


def refuse_gone(file: CustomerFile) -> None:
    """Refuse to go on with a customer that was closed, or merged into another one (R4).

    Raises:
        Refused: it was closed.
        MergedAway: naming the survivor.

    """
    file.check_apart()
    if file.gone:
        raise Refused(
            "该客户已关闭,不再审核。如恢复往来,请先在客户档案中重新启用。",
            "This customer was closed: nothing is vetted any more. Reopen its dossier first, if it is one again.",
            clause="R4",
            code="customer-gone",
        )


def check_still_as_vetted(state: Qualification, file: CustomerFile) -> None:
    """Refuse to go on with a bundle that names the customer otherwise than its dossier does now.

    Raises:
        Refused: the salesperson has to save F1 anew, which voids what was signed.

    """
    refuse_gone(file)
    if state.bundle and not as_vetted(state.bundle, file):
        raise Refused(
            "提交之后,客户档案的名称、类别、证件号码、法定代表人或开户信息已变更,原签批作废。请营销员重新保存资质审核表。",
            "The customer's name, kind, identity, representative or bank has changed since this was submitted, so what "
            "was signed no longer holds: the salesperson has to save F1 anew.",
            clause="R3.1.3",
            code="customer-changed",
        )


def refuse_expired(state: Qualification, context: Context) -> None:
    """Refuse to go on with papers that have expired meanwhile and bar the customer (R3.1.2).

    Raises:
        Refused: naming them.

    """
    over = expired(state.form.documents, policy_of(context), context.today)
    if over:
        raise Refused(
            "有证件已到期,请退回营销员换新证。",
            "Papers have expired: give it back to the salesperson for renewed ones.",
            clause="R3.1.2",
            code="document-expired",
            errors=listed(over),
        )


def void_from(step: Step, state: Qualification, because_of: str, context: Context) -> Iterable[Fact]:
    """What says that sign-offs from a step on no longer hold; nothing where there are none."""
    steps = tuple(one.step for one in state.signatures if ORDER.index(one.step) >= ORDER.index(step))
    if not steps:
        return ()
    return (
        SignoffsVoided(
            qualification=state.id,
            customer=state.customer,
            from_step=step,
            steps=steps,
            because_of=because_of,
            department=state.department,
            asked_on=context.today,
            answer_due_on=answer_due_on(context),
        ),
    )


def release(state: Qualification) -> Claim:
    """Lets another qualification of the customer begin."""
    return Claim(CLAIM_SCOPE, state.customer, QUALIFICATIONS.stream(state.id), release=True)


def policy_of(context: Context) -> RequiredDocuments:
    """The list of papers in force."""
    policy: RequiredDocuments = context.policies[POLICY_NAME]
    return policy


def listed(shortcomings: Sequence[Shortcoming]) -> list[dict[str, str]]:
    """Shortcomings as a problem's `errors`, in both languages."""
    return [{"field": one.field, "code": one.code, "detail": f"{one.zh} {one.en}"} for one in shortcomings]


# --- the rest ---


def _claim(qualification: str, customer: str) -> Claim:
    return Claim(CLAIM_SCOPE, customer, QUALIFICATIONS.stream(qualification))


def _submit(state: Qualification, form: Form, file: CustomerFile, context: Context) -> list[Fact]:
    refuse_gone(file)
    lacking = _assessed(form, vetted(file), context).lacking
    if lacking:
        raise Invalid(
            f"资质审核表尚缺 {len(lacking)} 项,请按 errors 逐项补充后提交。",
            f"F1 lacks {len(lacking)} things: mend what errors[] names, then submit.",
            clause="R3.1.2",
            code="incomplete",
            errors=listed(lacking),
        )
    frozen = _freeze(state, form, state.finance, file, context)
    submitted = QualificationSubmitted(
        qualification=state.id,
        customer=state.customer,
        department=file.department,
        bundle=frozen.bundle,
        digest=frozen.digest,
        submitted_by=context.actor.id,
        asked_on=context.today,
        answer_due_on=answer_due_on(context),
    )
    return [frozen, submitted]


def _freeze(
    state: Qualification, form: Form, finance: FinanceFacts | None, file: CustomerFile, context: Context
) -> BundleFrozen:
    customer = vetted(file)
    number = state.bundle.number + 1 if state.bundle else 1
    satisfied = _assessed(form, customer, context).satisfied
    digest = digest_of(
        {
            "qualification": state.id,
            "bundle": number,
            "customer": customer.model_dump(mode="json"),
            "form": form.model_dump(mode="json"),
            "finance": finance.model_dump(mode="json") if finance else None,
            "satisfied": [one.model_dump(mode="json") for one in satisfied],
        }
    )
    return BundleFrozen(
        qualification=state.id,
        customer=state.customer,
        bundle=number,
        digest=digest,
        vetted=customer,
        satisfied=satisfied,
        policy_version=context.gathered.policy_version,
        changes=file.changes,
    )


def _assessed(form: Form, customer: VettedCustomer, context: Context) -> Assessment:
    gathered: Gathered = context.gathered
    known = Known(gathered.payer_papers, gathered.file.account_asked_since, gathered.files)
    return assess(form, customer, policy_of(context), context.today, known)


def _check_owner(actor: Actor, file: CustomerFile) -> None:
    refuse_departing(actor)
    if actor.id != file.owner or not actor.has("salesperson", department=file.department):
        raise Forbidden(
            "只有该客户的负责营销员可以填写、提交或撤回资质审核表。",
            "Only the salesperson who owns the customer writes, submits or withdraws its F1.",
            clause="R3.1.1",
            code="not-the-owner",
        )


def _refuse_unfit(form: Form, context: Context) -> None:
    found = unfit(form, policy_of(context))
    if found:
        raise Invalid(
            f"有 {len(found)} 项证件内容不能保存,请按 errors 改正。",
            f"{len(found)} documents cannot be saved as they are: mend what errors[] names.",
            clause="R3.1.2",
            code="unfit-documents",
            errors=listed(found),
        )


def _too_late(state: Qualification) -> Refused:
    return Refused(
        f"本资质审核当前状态为 {state.status.value},不能再修改或撤回。",
        f"This qualification is {state.status.value}: it can no longer be changed or withdrawn.",
        clause="R3.1.3",
        code="not-open",
        status=state.status.value,
    )
