"""A payer is qualified with the F1 that names it; finance suspends and restores it by hand (R3.1.1)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from kehu.contracts.customers import IdentityKind
from kehu.contracts.trade import SettlementUnitQualified, SettlementUnitRestored, SettlementUnitSuspended
from kehu.deciding import Actor, Context, Decision
from kehu.errors import Forbidden, Invalid, Refused
from kehu.event_store import Claim
from kehu.facts import Fact
from kehu_vetting.qualifications.form import Document
from kehu_vetting.qualifications.requirements import RequiredDocuments, ends, is_over
from kehu_vetting.settlement_units.facts import (
    CLAIM_SCOPE,
    SETTLEMENT_UNITS,
    Unit,
    UnitBarLifted,
    UnitBarred,
    UnitDetails,
    UnitDetailsNoted,
    UnitEndNoted,
    UnitPapersNoted,
    UnitServed,
)

BY_HAND = "by_hand"


@dataclass(frozen=True, slots=True)
class QualifyUnit:
    """A payer was passed: as a new unit, or as one that is known with what has changed.

    Args:
        unit: its id.
        number: drawn for it, should it be new.
        name: of the payer.
        identity_kind: of its identity.
        identity: by which it is one unit.
        details: bank and invoicing block.
        papers: its own.
        customer: for whom it pays from now on.

    """

    unit: str
    number: str
    name: str
    identity_kind: IdentityKind
    identity: str
    details: UnitDetails
    papers: tuple[Document, ...]
    customer: str


@dataclass(frozen=True, slots=True)
class SuspendUnit:
    """It may pay for no new orders of anybody."""

    reason: str


def identity_claim(identity_kind: IdentityKind, identity: str) -> str:
    """The value by which one payer is one unit."""
    return f"{identity_kind.value}/{identity}"


def qualify_unit(command: QualifyUnit, state: Unit, policy: RequiredDocuments, context: Context) -> Decision:
    """Qualify a payer, or note what is new of one; whoever passes F1 does (`qualifications.approving`)."""
    facts: list[Fact] = []
    if (state.name, state.identity) != (command.name, command.identity):
        facts.append(
            SettlementUnitQualified(
                unit=command.unit,
                number=state.number or command.number,
                name=command.name,
                identity_kind=command.identity_kind,
                identity=command.identity,
            )
        )
    if state.details != command.details:
        facts.append(UnitDetailsNoted(unit=command.unit, details=command.details, noted_by=context.actor.id))
    facts += take_papers(command.unit, command.papers, state, policy, context)
    if command.customer not in state.customers:
        facts.append(UnitServed(unit=command.unit, served=command.customer))
    value = identity_claim(command.identity_kind, command.identity)
    return Decision(facts, [Claim(CLAIM_SCOPE, value, SETTLEMENT_UNITS.stream(command.unit))])


def take_papers(
    unit: str, papers: tuple[Document, ...], state: Unit, policy: RequiredDocuments, context: Context
) -> list[Fact]:
    """Note passed papers of a payer; a renewed one lifts the bar that its predecessor's expiry was (R3.1.2)."""
    fresh = tuple(paper for paper in papers if state.papers.get(paper.type) != paper)
    if not fresh:
        return []
    facts: list[Fact] = [UnitPapersNoted(unit=unit, papers=fresh, noted_by=context.actor.id)]
    for paper in fresh:
        last_day = ends(paper, policy.type(paper.type))
        former = state.ends.get(paper.type)
        if last_day != (former.last_day if former else None):
            tell_on = last_day - timedelta(days=policy.told_days_before) if last_day else None
            facts.append(UnitEndNoted(unit=unit, document=paper.type, last_day=last_day, tell_on=tell_on))
    good = [paper for paper in fresh if not is_over(paper, policy.type(paper.type), context.today)]
    lifted = [cause for paper in good if (cause := f"document:{paper.type}") in state.bars]
    facts += [UnitBarLifted(unit=unit, cause=cause, lifted_by=context.actor.id) for cause in lifted]
    if lifted and not set(state.bars) - set(lifted):
        facts.append(SettlementUnitRestored(unit=unit))
    return facts


def suspend_unit(command: SuspendUnit, state: Unit, context: Context) -> Decision:
    """Suspend a payer by hand: every link with a customer is suspended with it. Finance does."""
    _check_finance(context.actor)
    if BY_HAND in state.bars:
        raise Refused(
            "该结算单位已停用。",
            "This payer is suspended already.",
            clause="R3.1.1",
            code="already-suspended",
        )
    if not command.reason.strip():
        raise Invalid("停用须写明原因。", "Suspending takes a reason.", clause="R3.1.1", code="reason-missing")
    return Decision(bar(state.id, BY_HAND, command.reason, context))


def restore_unit(state: Unit, context: Context) -> Decision:
    """Lift a suspension by hand; expired papers go on barring it until they are renewed. Finance does."""
    _check_finance(context.actor)
    if BY_HAND not in state.bars:
        raise Refused(
            "该结算单位没有被人工停用。证件到期的,须换新证。",
            "Nobody has suspended this settlement unit by hand. Expired papers have to be renewed.",
            clause="R3.1.1",
            code="not-suspended",
        )
    facts: list[Fact] = [UnitBarLifted(unit=state.id, cause=BY_HAND, lifted_by=context.actor.id)]
    if len(state.bars) == 1:
        facts.append(SettlementUnitRestored(unit=state.id))
    return Decision(facts)


def bar(unit: str, cause: str, reason: str, context: Context) -> list[Fact]:
    """What says that a payer may not pay for new orders, and why."""
    return [
        UnitBarred(unit=unit, cause=cause, reason=reason, barred_by=context.actor.id),
        SettlementUnitSuspended(unit=unit, reason=reason),
    ]


def _check_finance(actor: Actor) -> None:
    if actor.departing:
        raise Forbidden(
            "离职手续办理期间不能停用或恢复结算单位。",
            "Whoever is leaving suspends and restores no settlement units.",
            clause="R4.6",
            code="departing",
        )
    if not actor.has("finance"):
        raise Forbidden(
            "结算单位由财务部停用或恢复,您没有这一岗位。",
            "Settlement units are suspended and restored by finance: you do not have that role.",
            clause="R3.1.1",
            code="role-required",
            roles=["finance"],
        )
