"""A qualification as it is shown: F1, whose turn it is, every signature and remark; masked for auditors."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime

from pydantic import BaseModel, Field

from kehu.contracts.customers import CustomerKind
from kehu.contracts.vetting import (
    QualificationRejected,
    QualificationReturned,
    QualificationStepPassed,
    QualificationWithdrawn,
    Step,
)
from kehu.deciding import Context
from kehu.errors import KehuError
from kehu.facts import Fact, RecordedFact
from kehu.standing_in import Signature
from kehu_vetting.customer_files.facts import CustomerFile
from kehu_vetting.qualifications.chain import ROLES, check_may_sign
from kehu_vetting.qualifications.decisions import policy_of, vetted
from kehu_vetting.qualifications.facts import FindingsNoted, Qualification, Signatory, Status
from kehu_vetting.qualifications.form import (
    CreditConclusion,
    Document,
    FinanceFacts,
    Form,
    SalesChannel,
    Satisfaction,
    SettlementUnit,
)
from kehu_vetting.qualifications.requirements import NOTHING_KNOWN, Known, Shortcoming, assess
from kehu_vetting.sight import Sight, mask


class BundleShown(BaseModel):
    """What was frozen last; `digest` is what a signature has to name."""

    number: int
    digest: str
    satisfied: list[Satisfaction] = Field(description="Each requirement, and the paper that satisfies it.")


class SignOffShown(BaseModel):
    """A signature; `holds`: it has not been voided since."""

    step: Step
    signed_by: str
    on_behalf_of: str | None = Field(description="For whom, where a delegate signed.")
    shown_as: str = Field(description="B代A where a delegate signed.")
    signed_at: datetime
    bundle: int | None
    digest: str | None
    in_absence: str | None
    holds: bool


class RemarkShown(BaseModel):
    """A remark on a field, or (empty) on the whole."""

    step: Step
    bundle: int
    field: str
    text: str
    noted_by: str
    noted_at: datetime


class OutcomeShown(BaseModel):
    """That it was given back, refused or withdrawn."""

    what: str
    step: Step | None
    to_step: Step | None
    text: str
    by: str
    on_behalf_of: str | None
    at: datetime


class ShortcomingShown(BaseModel):
    """Something that F1 lacks, or that has expired."""

    field: str
    code: str
    zh: str
    en: str

    @classmethod
    def of(cls, one: Shortcoming) -> ShortcomingShown:
        """As it is shown."""
        return cls(field=one.field, code=one.code, zh=one.zh, en=one.en)


class AgreementShown(BaseModel):
    """The signed agreement."""

    signed_on: date
    valid_from: date
    valid_until: date | None
    file_digest: str
    ours: str
    theirs: str
    title: str


class RepresentativeShown(BaseModel):
    """The legal representative; masked for auditors, 已删除 where their data was erased."""

    person: str
    name: str
    id_number: str | None


class FormShown(BaseModel):
    """F1 as it stands."""

    channel: SalesChannel | None
    settlement_unit: SettlementUnit | None
    legal_representative: RepresentativeShown | None
    capital_fen: int | None
    scope: str
    credit: CreditConclusion | None
    represented: bool
    documents: list[Document]

    @classmethod
    def of(cls, form: Form, seen: Sight) -> FormShown:
        """As somebody with this sight sees it; what blinds the digest is for nobody's eyes."""
        shown = mask if seen is Sight.MASKED else str
        person = form.legal_representative
        representative = person and RepresentativeShown(
            person=person.person, name=shown(person.name), id_number=person.id_number and shown(person.id_number)
        )
        return cls(
            channel=form.channel,
            settlement_unit=form.settlement_unit,
            legal_representative=representative,
            capital_fen=form.capital_fen,
            scope=form.scope,
            credit=form.credit,
            represented=form.represented,
            documents=list(form.documents),
        )


class QualificationShown(BaseModel):
    """A qualification as it stands."""

    qualification: str
    customer: str
    number: str
    name: str
    kind: CustomerKind | None
    department: str
    owner: str
    status: Status
    step: Step | None = Field(description="Whose turn it is.")
    waiting_for: list[str] = Field(description="The roles whose turn it is.")
    may_sign: bool = Field(description="Whether whoever asks may sign it now.")
    submitted_by: str | None
    approved_on: date | None
    form: FormShown
    finance: FinanceFacts | None
    bundle: BundleShown | None
    lacking: list[ShortcomingShown] = Field(description="What has to be mended before it can be submitted.")
    warnings: list[ShortcomingShown] = Field(description="What should be looked at twice.")
    open_credit_incidents: int
    sign_offs: list[SignOffShown]
    remarks: list[RemarkShown]
    outcomes: list[OutcomeShown]
    agreement: AgreementShown | None


def describe(
    history: Sequence[RecordedFact[Fact]],
    state: Qualification,
    file: CustomerFile,
    context: Context,
    *,
    seen: Sight,
    open_incidents: int,
    known: Known = NOTHING_KNOWN,
) -> QualificationShown:
    """A qualification as somebody sees it.

    Args:
        history: its facts, in order.
        state: what they add up to.
        file: of the customer.
        context: who asks, when, and the list of papers in force.
        seen: how much of it they see.
        open_incidents: of the customer's credit.
        known: beside F1, for what it lacks.

    """
    found = assess(state.form, vetted(file), policy_of(context), context.today, known)
    bundle = state.bundle
    return QualificationShown(
        qualification=state.id,
        customer=state.customer,
        number=file.number,
        name=file.name,
        kind=file.kind,
        department=file.department,
        owner=file.owner,
        status=state.status,
        step=state.step,
        waiting_for=_waiting_for(state),
        may_sign=_may_sign(state, file, context),
        submitted_by=state.submitted_by or None,
        approved_on=state.approved_on,
        form=FormShown.of(state.form, seen),
        finance=state.finance,
        bundle=BundleShown(number=bundle.number, digest=bundle.digest, satisfied=list(bundle.satisfied))
        if bundle
        else None,
        lacking=[ShortcomingShown.of(one) for one in found.lacking],
        warnings=[ShortcomingShown.of(one) for one in found.warnings],
        open_credit_incidents=open_incidents,
        sign_offs=_sign_offs(history, state),
        remarks=_remarks(history),
        outcomes=[one for recorded in history for one in _outcomes(recorded)],
        agreement=_agreement(state, seen),
    )


def _waiting_for(state: Qualification) -> list[str]:
    if state.status in (Status.DRAFT, Status.RETURNED, Status.APPROVED):
        return ["salesperson"]
    return list(ROLES[state.step]) if state.step else []


def _may_sign(state: Qualification, file: CustomerFile, context: Context) -> bool:
    if state.status is not Status.IN_REVIEW or state.step is None:
        return False
    try:
        check_may_sign(state.step, context.actor, state, file.department)
    except KehuError:
        return False
    return True


def _sign_offs(history: Sequence[RecordedFact[Fact]], state: Qualification) -> list[SignOffShown]:
    holding = {signature.step for signature in state.signatures}
    found: list[SignOffShown] = []
    for recorded in reversed(history):
        fact = recorded.fact
        if isinstance(fact, QualificationStepPassed):
            found.append(
                SignOffShown(
                    step=fact.step,
                    signed_by=fact.signed_by,
                    on_behalf_of=fact.on_behalf_of,
                    shown_as=str(Signature(fact.signed_by, fact.on_behalf_of)),
                    signed_at=recorded.occurred_at,
                    bundle=fact.bundle,
                    digest=fact.digest,
                    in_absence=fact.in_absence,
                    holds=fact.step in holding,
                )
            )
            holding.discard(fact.step)  # earlier ones of the same step were voided
    return found[::-1]


def _remarks(history: Sequence[RecordedFact[Fact]]) -> list[RemarkShown]:
    return [
        RemarkShown(
            step=fact.step,
            bundle=fact.bundle,
            field=finding.field,
            text=finding.text,
            noted_by=fact.noted_by,
            noted_at=recorded.occurred_at,
        )
        for recorded in history
        if isinstance(fact := recorded.fact, FindingsNoted)
        for finding in fact.findings
    ]


def _outcomes(recorded: RecordedFact[Fact]) -> list[OutcomeShown]:
    match recorded.fact:
        case QualificationReturned() as fact:
            what, step, to_step, text = "returned", fact.from_step, fact.to_step, fact.remarks
        case QualificationRejected() as fact:
            what, step, to_step, text = "rejected", fact.step, None, fact.reason
        case QualificationWithdrawn() as fact:
            what, step, to_step, text = "withdrawn", None, None, fact.reason
        case _:
            return []
    return [
        OutcomeShown(
            what=what,
            step=step,
            to_step=to_step,
            text=text,
            by=recorded.actor,
            on_behalf_of=getattr(fact, "on_behalf_of", None),
            at=recorded.occurred_at,
        )
    ]


def _agreement(state: Qualification, seen: Sight) -> AgreementShown | None:
    agreement = state.agreement
    if agreement is None:
        return None
    theirs: Signatory | None = agreement.theirs
    name = theirs.name if theirs else ""
    return AgreementShown(
        signed_on=agreement.signed_on,
        valid_from=agreement.valid_from,
        valid_until=agreement.valid_until,
        file_digest=agreement.file_digest,
        ours=agreement.ours,
        theirs=mask(name) if seen is Sight.MASKED else name,
        title=theirs.title if theirs else "",
    )
