"""The general manager's signature: it approves F1, qualifies the payer that it names, and links it (R3.1.1, R3.1.3).

All three are decided together, so that none of them can be half done.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kehu.contracts.vetting import QualificationApproved, QualificationRenewed
from kehu.deciding import Context, Decision
from kehu_vetting.qualifications.decisions import Gathered, policy_of, release
from kehu_vetting.qualifications.facts import AGENT_KINDS, Qualification, QualificationSuperseded, Status
from kehu_vetting.qualifications.form import Document, Form, SettlementUnit, VettedCustomer
from kehu_vetting.qualifications.required_documents import THREE_PARTY_AGREEMENT
from kehu_vetting.qualifications.requirements import RequiredDocuments, pays_for_another
from kehu_vetting.qualifications.signing import PassStep, pass_step
from kehu_vetting.settlement_units.decisions import QualifyUnit, qualify_unit
from kehu_vetting.settlement_units.facts import Unit, UnitDetails
from kehu_vetting.standing.decisions import Link, TakePapers, link, take_papers
from kehu_vetting.standing.facts import ActivationNoted, Standing


def approve(command: PassStep, states: Sequence[Any], context: Context) -> Sequence[Decision]:
    """Sign a step; if it is the one that approves, what follows for payer and customer.

    Args:
        command: the signature.
        states: the qualification, the payer that it names (`Gathered.unit`), how the customer stands; and the
            qualification that is in force so far, where the customer is active by one.
        context: who signs, when.

    Returns:
        A decision for each of them.

    """
    qualification: Qualification = states[0]
    unit: Unit = states[1]
    standing: Standing = states[2]
    gathered: Gathered = context.gathered
    signed = pass_step(command, qualification, context)
    if not any(isinstance(fact, QualificationApproved) for fact in signed.facts):
        return [signed, *(Decision() for _ in states[1:])]
    form, bundle, policy = qualification.form, qualification.bundle, policy_of(context)
    if form.settlement_unit is None or bundle is None:
        raise AssertionError("submitting asks for a settlement unit")
    payer, customer = form.settlement_unit, bundle.vetted
    qualified = qualify_unit(
        QualifyUnit(
            unit=gathered.unit,
            number=gathered.unit_number,
            name=payer.name,
            identity_kind=payer.identity_kind,
            identity=payer.identity,
            details=UnitDetails(bank=payer.bank, account=payer.account, invoicing=payer.invoicing),
            papers=_papers_of_payer(form, payer, customer, policy),
            customer=qualification.customer,
        ),
        unit,
        policy,
        context,
    )
    taken = take_papers(
        TakePapers(
            customer=qualification.customer,
            department=gathered.file.department,
            papers=form.documents,
            qualification=qualification.id,
            vetted=customer,
            whole=True,
            credit=form.credit,
        ),
        standing,
        policy,
        context,
    )
    agreement = _agreement(form) if pays_for_another(form, customer) else None
    linked = link(qualification.customer, Link(gathered.unit, agreement, default=True), standing, policy)
    facts = [*taken, *linked]
    if standing.active_since is None:
        return [signed, qualified, Decision(facts), *(Decision() for _ in states[3:])]
    # Active already: the former F1 has been in force until now, and the agreement goes on (R3.1.3).
    renewed, noted = _renewed(qualification, standing, customer, gathered, context)
    superseded = [Decision(_superseded(former, qualification)) for former in states[3:]]
    in_force = Decision([*signed.facts, renewed], [*signed.claims, release(qualification)])
    return [in_force, qualified, Decision([*facts, noted]), *superseded]


def _renewed(
    qualification: Qualification,
    standing: Standing,
    customer: VettedCustomer,
    gathered: Gathered,
    context: Context,
) -> tuple[QualificationRenewed, ActivationNoted]:
    renewed = QualificationRenewed(
        customer=qualification.customer,
        qualification=qualification.id,
        previous=standing.qualification,
        department=gathered.file.department,
        agent=customer.kind in AGENT_KINDS,
        renewed_on=context.today,
    )
    noted = ActivationNoted(
        customer=qualification.customer,
        qualification=qualification.id,
        department=gathered.file.department,
        active_since=standing.active_since or context.today,
    )
    return renewed, noted


def _superseded(former: Qualification, by: Qualification) -> list[QualificationSuperseded]:
    if former.status is not Status.ACTIVE:
        return []
    return [QualificationSuperseded(qualification=former.id, customer=former.customer, by=by.id)]


def _papers_of_payer(
    form: Form, payer: SettlementUnit, customer: VettedCustomer, policy: RequiredDocuments
) -> tuple[Document, ...]:
    """A third party's own papers; where the customer pays itself, those of its papers that payers have to show."""
    if pays_for_another(form, customer):
        return payer.documents
    return tuple(paper for paper in form.documents if paper.type in policy.unit_types())


def _agreement(form: Form) -> Document | None:
    return next((paper for paper in form.documents if paper.type == THREE_PARTY_AGREEMENT), None)
