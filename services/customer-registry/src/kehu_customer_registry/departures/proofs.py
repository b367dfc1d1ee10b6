"""That a customer knows who looks after it now: a receipt, a letter, a call or visit; or it is waived (R4.6).

The notifier sends the notice and publishes what became of it. Its receipt names the fact that made the notice due; the
handover learns that one from the own log; whichever of the two comes first, the proof stands once both are there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, StringConstraints

from kehu.contracts.messages import MessageDelivered, MessageFailed
from kehu.contracts.staff import HandoverNoticeDue, HandoverProved, Role
from kehu.deciding import Context, Decision
from kehu.errors import Forbidden, Invalid, Refused
from kehu.facts import Fact, RecordedFact
from kehu.service import Reaction
from kehu.text import Line
from kehu_customer_registry.departures import rights
from kehu_customer_registry.departures.facts import (
    HANDOVERS,
    Departure,
    Handover,
    NoticeAttempted,
    NoticeDelivered,
    NoticeFailed,
    NoticeLinked,
)
from kehu_customer_registry.departures.policy import departing
from kehu_customer_registry.departures.rights import CLAUSE
from kehu_customer_registry.staff.decisions import check_not_leaving

#: The notifier's template whose delivery is the proof.
TEMPLATE = "customer-handover"
NOTIFIER = "notifier"
REGISTRY = "customer-registry"

Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class ProveNotice(BaseModel):
    """How the customer was told: a letter that it has signed (SHA-256 of the scan), or a call or visit."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    proof: Literal["letter", "call", "visit"]
    file_digest: Digest | None = None
    remark: Line


class AttemptNotice(BaseModel):
    """Somebody has tried to tell the customer, and has not reached them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    method: Literal["letter", "call", "visit"]
    remark: Line


class TooFewAttempts(Refused):
    """The proof is waived only after enough attempts have failed."""

    code = "too-few-attempts"


def prove_notice(command: ProveNotice, states: Sequence[Any], context: Context) -> Sequence[Decision]:
    """Record how the customer was told; by anybody of the department but the leaver.

    Args:
        command: how.
        states: the departure and the customer's handover.
        context: who records it.

    Raises:
        Forbidden: it is the leaver, or somebody else's department.
        Invalid: a letter without its digest.
        Refused: no notice is due, or it was proved already.

    """
    departure, handover = _notice(states)
    _check_may_prove(departure, handover, context)
    if command.proof == "letter" and command.file_digest is None:
        raise Invalid(
            "签收的告知函须附扫描件的 SHA-256 摘要(file_digest)。",
            "A signed letter comes with the SHA-256 digest of its scan (file_digest).",
            clause=CLAUSE,
            code="digest-missing",
        )
    evidence = f"{command.file_digest} {command.remark}" if command.file_digest else command.remark
    return [Decision(), Decision([_proved(handover, command.proof, evidence, context.actor.id)])]


def attempt_notice(command: AttemptNotice, states: Sequence[Any], context: Context) -> Sequence[Decision]:
    """Record that the customer was not reached.

    Raises:
        Forbidden: it is the leaver, or somebody else's department.
        Refused: no notice is due, or it was proved already.

    """
    departure, handover = _notice(states)
    _check_may_prove(departure, handover, context)
    attempted = NoticeAttempted(
        departure=departure.id,
        customer=handover.customer,
        method=command.method,
        remark=command.remark,
        attempted_by=context.actor.id,
    )
    return [Decision(), Decision([attempted])]


def waive_notice(reason: str, states: Sequence[Any], context: Context) -> Sequence[Decision]:
    """The manager waives the proof, once enough attempts have failed.

    Raises:
        Forbidden: the actor is not the manager.
        TooFewAttempts: fewer have failed than the policy data asks for.
        Refused: no notice is due, or it was proved already.

    """
    departure, handover = _notice(states)
    signature = rights.check_manager(context.actor, handover.department, departure.person)
    _check_due(departure, handover)
    wanted = departing(context).attempts_before_waiver
    if handover.failed < wanted:
        raise TooFewAttempts(
            f"已有 {handover.failed} 次未能告知,满 {wanted} 次后经理方可豁免。请再联系客户并记录。",
            f"{handover.failed} attempts have failed; the proof is waived after {wanted}. Try again and record it.",
            clause=CLAUSE,
            failed=handover.failed,
            wanted=wanted,
        )
    waived = _proved(handover, "waived", reason, signature.signed_by, signature.on_behalf_of)
    return [Decision(), Decision([waived])]


def link_notice(recorded: RecordedFact[HandoverNoticeDue], state: Handover, context: Context) -> Decision:
    """Learn which fact made the notice due; its receipt may have come already."""
    fact = recorded.fact
    if state.departure != fact.departure or state.cause == str(recorded.id):
        return Decision()
    linked = NoticeLinked(departure=fact.departure, customer=fact.customer, cause=str(recorded.id))
    message = state.delivered.get(linked.cause)
    return Decision([linked, *_by_receipt(state, message, context)])


def note_delivery(recorded: RecordedFact[MessageDelivered], state: Handover, context: Context) -> Decision:
    """A message has reached the customer: the proof, where the notice is due because of the same fact."""
    fact = recorded.fact
    if not fact.customer or not fact.cause or fact.cause in state.delivered:
        return Decision()
    delivered = NoticeDelivered(customer=fact.customer, cause=fact.cause, message=fact.message)
    message = fact.message if state.cause == fact.cause else None
    return Decision([delivered, *_by_receipt(state, message, context)])


def note_failure(recorded: RecordedFact[MessageFailed], state: Handover, context: Context) -> Decision:
    """A message has not reached the customer: one failed attempt, once."""
    del context
    fact = recorded.fact
    if not fact.customer or not fact.cause or fact.message in state.undelivered.get(fact.cause, frozenset()):
        return Decision()
    return Decision([NoticeFailed(customer=fact.customer, cause=fact.cause, message=fact.message)])


def _by_receipt(state: Handover, message: str | None, context: Context) -> list[Fact]:
    if message is None or state.proof is not None or not state.notice_due:
        return []
    return [_proved(state, "delivery", message, context.actor.id)]


def _customers(recorded: RecordedFact[MessageDelivered | MessageFailed]) -> Sequence[str]:
    fact = recorded.fact
    return [fact.customer] if fact.customer and fact.template == TEMPLATE else []


REACTIONS = (
    Reaction(
        "link-handover-notice",
        HandoverNoticeDue,
        REGISTRY,
        HANDOVERS,
        lambda recorded: [recorded.fact.customer],
        link_notice,
    ),
    Reaction("note-notice-delivery", MessageDelivered, NOTIFIER, HANDOVERS, _customers, note_delivery),
    Reaction("note-notice-failure", MessageFailed, NOTIFIER, HANDOVERS, _customers, note_failure),
)


def _proved(
    handover: Handover,
    proof: Literal["delivery", "letter", "call", "visit", "waived"],
    evidence: str,
    proved_by: str,
    on_behalf_of: str | None = None,
) -> HandoverProved:
    return HandoverProved(
        departure=handover.departure,
        customer=handover.customer,
        proof=proof,
        evidence=evidence,
        proved_by=proved_by,
        on_behalf_of=on_behalf_of,
    )


def _notice(states: Sequence[Any]) -> tuple[Departure, Handover]:
    departure, handover = states
    return departure, handover


def _check_due(departure: Departure, handover: Handover) -> None:
    if handover.departure != departure.id or not handover.notice_due:
        raise Refused(
            "该客户尚无须告知:请先由接收人接收。",
            "No notice is due for this customer yet: its successor has to accept first.",
            clause=CLAUSE,
            code="notice-not-due",
        )
    if handover.proof is not None:
        raise Refused(
            "该客户已有告知证明,无需再登记。",
            "That this customer knows is proved already: there is nothing to add.",
            clause=CLAUSE,
            code="already-proved",
        )


def _check_may_prove(departure: Departure, handover: Handover, context: Context) -> None:
    """A call or visit by somebody else: never by who leaves (R4.6)."""
    actor = context.actor
    if actor.id == departure.person:
        raise Forbidden(
            "告知须由离职人以外的人办理。", "Somebody other than who leaves tells the customer.", clause=CLAUSE
        )
    check_not_leaving(actor)
    roles = (Role.SALESPERSON, Role.VETTER, Role.DEPT_MANAGER)
    if not (actor.has(*roles, department=handover.department) or rights.managing(actor, handover.department)):
        raise Forbidden(
            f"告知由客户所属部门({handover.department})的人员办理并登记。",
            f"Somebody of the customer's department ({handover.department}) tells it, and records that.",
            clause=CLAUSE,
        )
    _check_due(departure, handover)
