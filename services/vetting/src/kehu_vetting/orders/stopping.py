"""Stopping shipments of a suspended customer's order, and resuming them: finance and the manager, jointly (R3.2.1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from kehu.contracts.staff import DelegableStep, Role
from kehu.contracts.trade import ShippingResumed, ShippingStopDeclined, ShippingStopped, ShippingStopProposed
from kehu.deciding import Actor, Context, Decision
from kehu.errors import Forbidden, Refused
from kehu.standing_in import Signature, first_free, signatures
from kehu_vetting.orders.buyer import Buyer
from kehu_vetting.orders.facts import Order, StopProposal
from kehu_vetting.orders.rights import check_staying, check_uncancelled

CLAUSE = "R3.2.1"
Side = Literal["finance", "manager"]
ROLES: dict[Side, Role] = {"finance": Role.FINANCE, "manager": Role.DEPT_MANAGER}


@dataclass(frozen=True, slots=True)
class ProposeStop:
    """Want shipping stopped, or with `lift` resumed, for one's side."""

    side: Side
    lift: bool
    reason: str


@dataclass(frozen=True, slots=True)
class AgreeToStop:
    """Agree to what the other side wants."""

    side: Side


@dataclass(frozen=True, slots=True)
class DeclineStop:
    """Do not agree, or take one's own wish back."""

    reason: str


def propose_stop(command: ProposeStop, state: Order, context: Context) -> Decision:
    """Put it forward; nothing is stopped (or resumed) until the other side has agreed.

    Raises:
        Forbidden: not of that side.
        Refused: it is so already, something is waiting, or the customer is not suspended.

    """
    buyer: Buyer = context.gathered
    signature = _signatures(context.actor, command.side, buyer.file.department)[0]
    check_uncancelled(state)
    if state.proposal is not None:
        raise Refused(
            "已有停发或恢复的提议待对方同意。请先答复该提议。",
            "A proposal waits for the other side already: answer that one first.",
            clause=CLAUSE,
            code="proposal-waits",
        )
    if command.lift is not state.stopped:
        raise Refused(
            "该订单已是这一状态。", "The order is in that state already.", clause=CLAUSE, code="nothing-to-change"
        )
    if not command.lift and not buyer.suspended:
        raise Refused(
            "客户未暂停:已付款的批次照常发货,不能停发。如须停发,请先暂停该客户。",
            "The customer is not suspended: paid batches ship. Suspend it first to stop them.",
            clause=CLAUSE,
            code="not-suspended",
        )
    return Decision(
        [
            ShippingStopProposed(
                order=state.id,
                customer=state.customer,
                order_number=state.number,
                department=buyer.file.department,
                side=command.side,
                lift=command.lift,
                reason=command.reason,
                proposed_by=signature.signed_by,
                on_behalf_of=signature.on_behalf_of,
            )
        ]
    )


def agree_to_stop(command: AgreeToStop, state: Order, context: Context) -> Decision:
    """The other side agrees: shipping stops, or goes on, from now.

    Raises:
        Forbidden: not of the other side, or the same person (or whoever they stand in for) as proposed it.
        Refused: nothing was proposed.

    """
    buyer: Buyer = context.gathered
    proposal = _proposal(state)
    found = _signatures(context.actor, command.side, buyer.file.department)
    signature = first_free(found, {proposal.by, proposal.on_behalf_of})
    if signature is None or command.side == proposal.side:
        raise Forbidden(
            "停发与恢复须由财务部与部门经理两人共同决定,提议人及其所代理的人不能再同意。请由另一方办理。",
            "Finance and the manager decide jointly, as two persons: whoever proposed it, or they stood in for, "
            "cannot agree as well. Ask the other side.",
            clause=CLAUSE,
            code="separation",
        )
    common = {
        "order": state.id,
        "customer": state.customer,
        "order_number": state.number,
        "department": buyer.file.department,
        "proposed_by": proposal.by,
        "agreed_by": signature.signed_by,
        "on_behalf_of": signature.on_behalf_of,
    }
    if proposal.lift:
        return Decision([ShippingResumed.model_validate(common)])
    return Decision([ShippingStopped.model_validate({**common, "reason": proposal.reason})])


def decline_stop(command: DeclineStop, state: Order, context: Context) -> Decision:
    """Say no to what is proposed, or take it back; either side may.

    Raises:
        Forbidden: of neither side.
        Refused: nothing was proposed.

    """
    buyer: Buyer = context.gathered
    proposal = _proposal(state)
    if context.actor.id != proposal.by:
        _signatures(context.actor, "manager" if proposal.side == "finance" else "finance", buyer.file.department)
    return Decision(
        [
            ShippingStopDeclined(
                order=state.id,
                customer=state.customer,
                order_number=state.number,
                department=buyer.file.department,
                reason=command.reason,
                proposed_by=proposal.by,
                declined_by=context.actor.id,
            )
        ]
    )


def _signatures(actor: Actor, side: Side, department: str) -> list[Signature]:
    """In which ways they may speak for a side."""
    check_staying(actor)
    role = ROLES[side]
    found = signatures(actor, DelegableStep.STOP_SHIPPING, role, department=department)
    if not found:
        raise Forbidden(
            "停发与恢复由财务部和客户所属部门的经理办理,您没有这一岗位。",
            "This is for finance and the manager of the customer's department: you have no such role.",
            clause=CLAUSE,
            code="role-required",
            roles=[role],
        )
    return found


def _proposal(state: Order) -> StopProposal:
    if state.proposal is None:
        raise Refused(
            "没有待答复的停发或恢复提议。", "Nothing waits for an answer.", clause=CLAUSE, code="nothing-proposed"
        )
    return state.proposal
