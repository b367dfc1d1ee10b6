"""What can happen to a qualification, and the state that it adds up to (R3.1.3)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum

from kehu.contracts.customers import CustomerKind
from kehu.contracts.staff import StepEscalated
from kehu.contracts.vetting import (
    AgentActivated,
    AgreementSigned,
    QualificationApproved,
    QualificationRejected,
    QualificationRenewed,
    QualificationReturned,
    QualificationStepPassed,
    QualificationSubmitted,
    QualificationWithdrawn,
    SignoffsVoided,
    Step,
)
from kehu.deciding import Category
from kehu.facts import Fact
from kehu_vetting.qualifications.form import FinanceFacts, Form, Kept, Part, Satisfaction, VettedCustomer


class QualificationDrafted(Fact, clause="R3.1.1"):
    """A salesperson begins F1 for a registered customer."""

    qualification: str
    customer: str
    department: str
    form: Form
    drafted_by: str


class FormChanged(Fact, clause="R3.1.1"):
    """F1 reads otherwise now."""

    qualification: str
    customer: str
    form: Form
    changed_by: str


class FinanceFactsNoted(Fact, clause="R3.0"):
    """Finance adds what it found at its re-check."""

    qualification: str
    customer: str
    facts: FinanceFacts
    noted_by: str
    on_behalf_of: str | None = None


class BundleFrozen(Fact, clause="R3.1.3"):
    """What is to be signed now: a numbered bundle and its digest, with what it satisfies and by which paper.

    `policy_version` is that of the list of papers it was held against.
    """

    qualification: str
    customer: str
    bundle: int
    digest: str
    vetted: VettedCustomer
    satisfied: tuple[Satisfaction, ...]
    policy_version: int
    #: How often the customer's vetted fields had changed in its dossier by then.
    changes: int = 0


class Finding(Part):
    """A remark on one field of F1; the field is empty for a remark on the whole."""

    field: str
    text: str


class FindingsNoted(Fact, clause="R3.1.3"):
    """What somebody remarked, field by field, while passing a step or giving it back."""

    qualification: str
    customer: str
    step: Step
    bundle: int
    findings: tuple[Finding, ...]
    noted_by: str
    on_behalf_of: str | None = None


class QualificationSuperseded(Fact, clause="R3.1.3"):
    """A newer qualification of the same customer is in force."""

    qualification: str
    customer: str
    by: str


class Signatory(Part):
    """Who signed for the customer."""

    person: str
    name: Kept
    title: str = ""


class SignatoriesNoted(Fact, clause="R3.1.3"):
    """Who signed the agreement: a member of our staff, and somebody for the customer."""

    qualification: str
    customer: str
    ours: str
    theirs: Signatory


class Status(StrEnum):
    """How far a qualification has come."""

    DRAFT = "draft"
    IN_REVIEW = "in_review"
    RETURNED = "returned"  # to the salesperson
    APPROVED = "approved"  # the agreement may be signed
    SIGNED = "signed"  # the agreement begins later
    ACTIVE = "active"
    SUPERSEDED = "superseded"  # a newer one of the same customer is in force
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"


#: While it is one of these, a second one for the same customer is refused.
OPEN = frozenset({Status.DRAFT, Status.IN_REVIEW, Status.RETURNED, Status.APPROVED, Status.SIGNED})
#: The chain's steps in their order; the agreement ends it (R3.1.3).
ORDER = tuple(Step)
#: Kinds that become 代理商; others become active customers (R3.1.3).
AGENT_KINDS = frozenset({CustomerKind.PROVINCIAL_AGENT, CustomerKind.PREFECTURE_AGENT})


#: What F1 is before anything was written.
BLANK = Form()


@dataclass(frozen=True, slots=True)
class Signature:
    """A step signed by a person, perhaps for another one (B代A); `in_absence`: why they stood in for the office."""

    step: Step
    signed_by: str
    in_absence: str | None = None
    on_behalf_of: str | None = None

    @property
    def people(self) -> frozenset[str]:
        """Both of them: whoever bars one bars the other (People)."""
        return frozenset({self.signed_by, self.on_behalf_of or self.signed_by})


@dataclass(frozen=True, slots=True)
class Bundle:
    """What was frozen last."""

    number: int
    digest: str
    vetted: VettedCustomer
    satisfied: tuple[Satisfaction, ...] = ()
    changes: int = 0


@dataclass(frozen=True, slots=True)
class Agreement:
    """The signed agreement."""

    signed_on: date
    valid_from: date
    valid_until: date | None
    file_digest: str
    ours: str = ""
    theirs: Signatory | None = None


@dataclass(frozen=True, slots=True)
class Qualification:
    """A qualification as it stands.

    `signatures` are those that hold; `signed` are all that ever were, also voided ones, because nobody may sign two
    different steps of one thing even then. `authors` wrote or submitted F1, `finance_authors` finance's facts.
    """

    id: str = ""
    customer: str = ""
    department: str = ""
    status: Status = Status.DRAFT
    step: Step | None = None
    form: Form = BLANK
    finance: FinanceFacts | None = None
    bundle: Bundle | None = None
    submitted_by: str = ""
    signatures: tuple[Signature, ...] = ()
    signed: frozenset[Signature] = frozenset()
    authors: frozenset[str] = frozenset()
    finance_authors: frozenset[str] = frozenset()
    approved_on: date | None = None
    ours: str = ""
    theirs: Signatory | None = None
    agreement: Agreement | None = None
    asked_on: date | None = None
    answer_due_on: date | None = None


def evolve(state: Qualification, fact: Fact) -> Qualification:  # noqa: PLR0911 - one case per fact
    """The state after a fact."""
    match fact:
        case QualificationDrafted():
            return Qualification(
                id=fact.qualification,
                customer=fact.customer,
                department=fact.department,
                form=fact.form,
                authors=frozenset({fact.drafted_by}),
            )
        case FormChanged():
            return replace(state, form=fact.form, authors=state.authors | {fact.changed_by})
        case FinanceFactsNoted():
            people = {fact.noted_by, fact.on_behalf_of or fact.noted_by}
            return replace(state, finance=fact.facts, finance_authors=state.finance_authors | people)
        case BundleFrozen():
            return replace(state, bundle=Bundle(fact.bundle, fact.digest, fact.vetted, fact.satisfied, fact.changes))
        case QualificationWithdrawn():
            return replace(state, status=Status.WITHDRAWN, step=None)
        case QualificationRenewed():
            return replace(state, status=Status.ACTIVE, step=None)
        case QualificationSuperseded():
            return replace(state, status=Status.SUPERSEDED, step=None)
        case SignatoriesNoted():
            return replace(state, ours=fact.ours, theirs=fact.theirs)
        case QualificationSubmitted() | QualificationStepPassed() | QualificationReturned() | SignoffsVoided():
            waiting = replace(state, asked_on=fact.asked_on, answer_due_on=fact.answer_due_on)
            return _evolve_chain(waiting, fact)
        case _:
            return _evolve_chain(state, fact)


def _evolve_chain(state: Qualification, fact: Fact) -> Qualification:  # noqa: PLR0911 - one case per fact
    match fact:
        case QualificationSubmitted():
            authors = state.authors | {fact.submitted_by}
            return replace(_back_to(state, Step.VETTING), submitted_by=fact.submitted_by, authors=authors)
        case SignoffsVoided():
            return _back_to(state, fact.from_step)
        case QualificationStepPassed():
            signature = Signature(fact.step, fact.signed_by, fact.in_absence, fact.on_behalf_of)
            return replace(
                state,
                step=fact.next_step,
                department=fact.department,
                signatures=(*state.signatures, signature),
                signed=state.signed | {signature},
            )
        case QualificationApproved():
            return replace(state, status=Status.APPROVED, approved_on=fact.approved_on)
        case QualificationReturned(to_step=None):
            return replace(state, status=Status.RETURNED, step=None, signatures=())
        case QualificationReturned(to_step=Step() as to_step):
            return _back_to(state, to_step)
        case QualificationRejected():
            return replace(state, status=Status.REJECTED, step=None)
        case AgreementSigned():
            agreement = Agreement(
                fact.signed_on, fact.valid_from, fact.valid_until, fact.file_digest, state.ours, state.theirs
            )
            return replace(state, status=Status.SIGNED, step=None, agreement=agreement)
        case AgentActivated():
            return replace(state, status=Status.ACTIVE)
        case _:
            return state


def _back_to(state: Qualification, step: Step) -> Qualification:
    """It is that step's turn; what was signed before it still holds."""
    before = ORDER[: ORDER.index(step)]
    kept = tuple(signature for signature in state.signatures if signature.step in before)
    return replace(state, status=Status.IN_REVIEW, step=step, signatures=kept, approved_on=None)


QUALIFICATIONS = Category(
    name="qualification",
    facts=(
        QualificationDrafted,
        FormChanged,
        FinanceFactsNoted,
        BundleFrozen,
        SignoffsVoided,
        FindingsNoted,
        QualificationWithdrawn,
        QualificationRenewed,
        QualificationSuperseded,
        StepEscalated,
        SignatoriesNoted,
        QualificationSubmitted,
        QualificationStepPassed,
        QualificationReturned,
        QualificationRejected,
        QualificationApproved,
        AgreementSigned,
        AgentActivated,
    ),
    initial=Qualification(),
    evolve=evolve,
)
