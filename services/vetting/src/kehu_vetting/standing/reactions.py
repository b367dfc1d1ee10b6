"""What this service's own log and the registry say that changes how a customer stands."""

from __future__ import annotations

from typing import Any

from kehu.contracts.customers import CustomerTakenOver
from kehu.contracts.vetting import (
    AgentActivated,
    AgreementSigned,
    DocumentExpiring,
    DocumentRenewalDue,
    QualificationSubmitted,
)
from kehu.deciding import Context, Decision
from kehu.facts import Fact, RecordedFact
from kehu.service import Reaction
from kehu_vetting.customer_files.facts import CustomerNoted
from kehu_vetting.qualifications.required_documents import POLICY_NAME
from kehu_vetting.qualifications.requirements import RequiredDocuments, is_outdated
from kehu_vetting.settlement_units.facts import UnitPaperEnding
from kehu_vetting.standing import merging
from kehu_vetting.standing.decisions import agree, note_end, suspended
from kehu_vetting.standing.facts import (
    AGREEMENT,
    STANDINGS,
    ActivationNoted,
    AgreementNoted,
    FileNoted,
    ReviewDoubted,
    ReviewNoted,
    Standing,
    what_ends,
)

REGISTRY = "customer-registry"
#: Facts of this service's own, from its own log.
VETTING = "vetting"


def note_activation(recorded: RecordedFact[AgentActivated], state: Standing, context: Context) -> Decision:
    """It may order from now on (R3.1.3); what has ended meanwhile bars it from the start."""
    del context
    fact = recorded.fact
    activation = ActivationNoted(
        customer=fact.customer,
        qualification=fact.qualification,
        department=fact.department,
        active_since=fact.activated_on,
    )
    active = STANDINGS.evolve(state, activation)
    barred = [suspended(active, state.bars)] if state.bars and state.active_since is None else []
    return merging.concluded(fact.customer, [activation, *barred], state)


def note_agreement(recorded: RecordedFact[AgreementSigned], state: Standing, context: Context) -> Decision:
    """The agreement and its last day (R3.1.3)."""
    fact = recorded.fact
    noted = AgreementNoted(
        customer=fact.customer,
        qualification=fact.qualification,
        file_digest=fact.file_digest,
        signed_on=fact.signed_on,
        valid_from=fact.valid_from,
        valid_until=fact.valid_until,
    )
    return merging.concluded(fact.customer, agree(noted, state, context), state)


def note_taken_over(recorded: RecordedFact[CustomerTakenOver], state: Standing, context: Context) -> Decision:
    """An existing customer counts as it stood: active, under the agreement that it had (R4.3).

    An agreement that has ended by then bars new orders as any other that has ended, and its owner is told of it.
    """
    fact = recorded.fact
    if fact.active_since is None:
        return Decision()
    facts: list[Fact] = [
        ActivationNoted(
            customer=fact.customer,
            qualification=state.qualification,
            department=state.department,
            active_since=fact.active_since,
        )
    ]
    if fact.agreement_signed_on and fact.agreement_digest:
        noted = AgreementNoted(
            customer=fact.customer,
            qualification=None,
            file_digest=fact.agreement_digest,
            signed_on=fact.agreement_signed_on,
            valid_from=fact.agreement_signed_on,
            valid_until=fact.agreement_valid_until,
        )
        before = STANDINGS.fold(facts, state)
        facts += agree(noted, before, context)
        ended = fact.agreement_valid_until
        if ended is not None and ended < context.today and AGREEMENT not in STANDINGS.fold(facts, state).ends:
            facts += note_end(before, fact.customer, AGREEMENT, ended, _policy(context))
    return merging.concluded(fact.customer, facts, state)


def note_file(recorded: RecordedFact[CustomerNoted], state: Standing, context: Context) -> Decision:
    """Whom to tell; and a changed vetted field: open sign-offs are in doubt, account information is asked anew."""
    fact = recorded.fact
    if (fact.department, fact.owner, fact.changes) == (None, None, None):
        return Decision()
    noted = FileNoted(
        customer=fact.customer,
        department=fact.department,
        owner=fact.owner,
        changes=fact.changes,
        account_asked_since=fact.account_asked_since,
    )
    facts: list[Fact] = [noted]
    if fact.changes is not None and state.review is not None:
        facts.append(ReviewDoubted(customer=fact.customer, qualification=state.review, changes=fact.changes))
    policy, since = _policy(context), fact.account_asked_since
    outdated = tuple(
        sorted(kind for kind, paper in state.papers.items() if is_outdated(paper, policy.type(kind), since))
    )
    if since is not None and state.active_since is not None and outdated:
        facts.append(
            DocumentRenewalDue(
                customer=fact.customer,
                qualification=state.qualification,
                department=state.department,
                owner=state.owner,
                documents=outdated,
                since=since,
            )
        )
    return Decision(facts)


def note_review(recorded: RecordedFact[QualificationSubmitted], state: Standing, context: Context) -> Decision:
    """Which F1 a changed field would put in doubt; and one that changed before this was heard of (either order)."""
    del context
    fact = recorded.fact
    facts: list[Fact] = [ReviewNoted(customer=fact.customer, qualification=fact.qualification)]
    if state.changes:
        facts.append(ReviewDoubted(customer=fact.customer, qualification=fact.qualification, changes=state.changes))
    return Decision(facts)


def tell_of_payer(recorded: RecordedFact[UnitPaperEnding], state: Standing, context: Context) -> Decision:
    """A paper of a payer of this customer ends: its owner is told, as of the customer's own (R3.1.1)."""
    del context
    fact = recorded.fact
    if fact.unit not in state.payers:
        return Decision()
    told = DocumentExpiring(
        customer=state.customer,
        qualification=state.qualification,
        unit=fact.unit,
        department=state.department,
        owner=state.owner,
        document=fact.document,
        valid_until=fact.valid_until,
        last_day=fact.last_day,
        suspends=fact.suspends,
    )
    return Decision() if (what_ends(told), told.valid_until, told.last_day) in state.told else Decision([told])


def _policy(context: Context) -> RequiredDocuments:
    policy: RequiredDocuments = context.policies[POLICY_NAME]
    return policy


def _customer(recorded: RecordedFact[Any]) -> tuple[str]:
    return (recorded.fact.customer,)


def _customers(recorded: RecordedFact[UnitPaperEnding]) -> tuple[str, ...]:
    return recorded.fact.customers


REACTIONS = (
    Reaction("note-file", CustomerNoted, VETTING, STANDINGS, _customer, note_file),
    Reaction("note-review", QualificationSubmitted, VETTING, STANDINGS, _customer, note_review),
    Reaction("note-activation", AgentActivated, VETTING, STANDINGS, _customer, note_activation),
    Reaction("note-agreement", AgreementSigned, VETTING, STANDINGS, _customer, note_agreement),
    Reaction("tell-of-payer", UnitPaperEnding, VETTING, STANDINGS, _customers, tell_of_payer),
    Reaction("note-taken-over", CustomerTakenOver, REGISTRY, STANDINGS, _customer, note_taken_over),
    *merging.REACTIONS,
)
