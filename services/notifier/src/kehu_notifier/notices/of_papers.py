"""What papers and payers make people wait for: those that end, renewed ones, suspensions (R3.1.1, R3.1.2)."""

from __future__ import annotations

from typing import Any

from kehu.contracts.staff import DelegableStep, Role
from kehu.contracts.trade import SettlementUnitRestored, SettlementUnitSuspended
from kehu.contracts.vetting import (
    DocumentExpiring,
    DocumentRenewalDue,
    QualificationRestored,
    QualificationSuspended,
    RenewalReturned,
    RenewalStepPassed,
    RenewalSubmitted,
    RenewalWithdrawn,
    Step,
)
from kehu.facts import RecordedFact
from kehu_notifier.notices.decisions import News, barred_from
from kehu_notifier.notices.facts import Audience, NoticeNeeded, Notices, SignerNoted
from kehu_notifier.notices.of_qualifications import SIGNERS
from kehu_notifier.notices.telling import (
    OWNER,
    VETTING,
    due_of,
    ended,
    holders,
    need,
    news,
    person,
    tell_all,
    telling,
)
from kehu_notifier.templates.template import TemplateName
from kehu_notifier.templates.words import BETWEEN


def document_expiring(recorded: RecordedFact[DocumentExpiring], _state: Notices) -> News:
    """Its owner is to get a renewed one; the department's vetters are to know."""
    fact, thing = recorded.fact, papers_of(recorded.fact)
    template = TemplateName.DOCUMENT_LAST_DAY if fact.last_day else TemplateName.DOCUMENT_EXPIRING
    effect = "suspends" if fact.suspends else "warns"
    values = {"document": fact.document, "day": fact.valid_until.isoformat(), "effect": effect}
    audiences = (OWNER, holders(Role.VETTER, fact.department))
    return news(recorded, thing, *tell_all(recorded, thing, template, audiences, values))


def document_renewal_due(recorded: RecordedFact[DocumentRenewalDue], _state: Notices) -> News:
    """Its owner is to hand papers in anew; the department's vetters are to know."""
    fact, thing = recorded.fact, papers_of(recorded.fact)
    audiences = (OWNER, holders(Role.VETTER, fact.department))
    values = {"documents": BETWEEN.join(fact.documents)}
    return news(recorded, thing, *tell_all(recorded, thing, TemplateName.DOCUMENT_RENEWAL_DUE, audiences, values))


def qualification_suspended(recorded: RecordedFact[QualificationSuspended], _state: Notices) -> News:
    """The owner is to do something about it; the manager is to know."""
    fact, thing = recorded.fact, papers_of(recorded.fact)
    audiences = (OWNER, holders(Role.DEPT_MANAGER, fact.department))
    return news(recorded, thing, *tell_all(recorded, thing, TemplateName.CUSTOMER_SUSPENDED, audiences))


def qualification_restored(recorded: RecordedFact[QualificationRestored], _state: Notices) -> News:
    """Orders are taken again."""
    thing = papers_of(recorded.fact)
    return news(recorded, thing, need(recorded, thing, TemplateName.SUSPENSION_LIFTED, OWNER))


def papers_of(fact: DocumentExpiring | DocumentRenewalDue | QualificationSuspended | QualificationRestored) -> str:
    """A customer's papers, apart from everything else about it."""
    return f"{fact.customer}:papers"


# --- renewed papers (R3.1.2) -----------------------------------------------------------------------------------------


def _turn(recorded: RecordedFact[Any], step: Step, signers: tuple[SignerNoted, ...]) -> NoticeNeeded:
    fact = recorded.fact
    audience = holders(
        SIGNERS[step],
        fact.department,
        step=DelegableStep(f"qualification:{step.value}"),
        barred=barred_from(step, signers),
    )
    values = {"step": step.value, "due": due_of(fact)}
    return need(recorded, fact.renewal, TemplateName.RENEWAL_TO_REVIEW, audience, values, waiting=True)


def renewal_submitted(recorded: RecordedFact[RenewalSubmitted], _state: Notices) -> News:
    """The department's vetters are first."""
    fact = recorded.fact
    submitter = SignerNoted(thing=fact.renewal, customer=fact.customer, person=fact.submitted_by)
    needs = [_turn(recorded, Step.VETTING, (submitter,))]
    return News(fact.renewal, fact.customer, recorded.id, needs, ends=True, signers=[submitter])


def renewal_passed(recorded: RecordedFact[RenewalStepPassed], state: Notices) -> News:
    """Finance is next; passed by both, the owner is told that the papers are in force."""
    fact = recorded.fact
    signers = [
        SignerNoted(thing=fact.renewal, customer=fact.customer, person=who, step=fact.step)
        for who in (fact.signed_by, fact.on_behalf_of)
        if who is not None
    ]
    if fact.next_step is None:
        needs = [need(recorded, fact.renewal, TemplateName.RENEWAL_PASSED, OWNER)]
    else:
        needs = [_turn(recorded, fact.next_step, (*state.signers, *signers))]
    return News(fact.renewal, fact.customer, recorded.id, needs, ends=True, signers=signers)


def renewal_returned(recorded: RecordedFact[RenewalReturned], _state: Notices) -> News:
    """Whoever handed them in is to mend them."""
    fact = recorded.fact
    submitter = person(fact.submitted_by)
    told = need(recorded, fact.renewal, TemplateName.RENEWAL_RETURNED, submitter, waiting=True)
    return news(recorded, fact.renewal, told, ends=True)


# --- settlement units (R3.1.1) ---------------------------------------------------------------------------------------


def unit_suspended(recorded: RecordedFact[SettlementUnitSuspended], _state: Notices) -> News:
    """Finance is to know, and the owners of all customers that it pays for."""
    return _of_unit(recorded, TemplateName.PAYER_SUSPENDED)


def unit_restored(recorded: RecordedFact[SettlementUnitRestored], _state: Notices) -> News:
    """Finance is to know, and the owners of all customers that it pays for."""
    return _of_unit(recorded, TemplateName.PAYER_RESTORED)


def _of_unit(recorded: RecordedFact[SettlementUnitSuspended | SettlementUnitRestored], template: TemplateName) -> News:
    thing = unit_of(recorded.fact)
    owners = Audience(kind="payer_owners", unit=recorded.fact.unit)
    values = {"unit": recorded.fact.unit}
    return news(recorded, thing, *tell_all(recorded, thing, template, (owners, holders(Role.FINANCE)), values))


def unit_of(fact: SettlementUnitSuspended | SettlementUnitRestored) -> str:
    """A settlement unit, apart from the streams of customers."""
    return f"unit:{fact.unit}"


REACTIONS = (
    telling("tell-document-expiring", DocumentExpiring, VETTING, papers_of, document_expiring),
    telling("tell-document-renewal-due", DocumentRenewalDue, VETTING, papers_of, document_renewal_due),
    telling("tell-customer-suspended", QualificationSuspended, VETTING, papers_of, qualification_suspended),
    telling("tell-suspension-lifted", QualificationRestored, VETTING, papers_of, qualification_restored),
    telling("tell-renewal-submitted", RenewalSubmitted, VETTING, "renewal", renewal_submitted),
    telling("tell-renewal-passed", RenewalStepPassed, VETTING, "renewal", renewal_passed),
    telling("tell-renewal-returned", RenewalReturned, VETTING, "renewal", renewal_returned),
    telling("tell-renewal-withdrawn", RenewalWithdrawn, VETTING, "renewal", ended("renewal")),
    telling("tell-unit-suspended", SettlementUnitSuspended, VETTING, unit_of, unit_suspended),
    telling("tell-unit-restored", SettlementUnitRestored, VETTING, unit_of, unit_restored),
)
