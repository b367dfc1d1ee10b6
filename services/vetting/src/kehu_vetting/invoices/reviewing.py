"""Reviewing a request: two people pass it jointly, or one gives it back or refuses it; and how it lapses (R3.2.3)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from kehu.calendar import end_of_day
from kehu.contracts.trade import InvoiceRequestReturned, InvoiceRequestReviewed
from kehu.deciding import Context, Decision
from kehu.errors import Refused
from kehu.facts import Fact
from kehu_vetting.invoices.accounts import BasisMoved
from kehu_vetting.invoices.decisions import changes, check_payer, closed, known_file, not_open
from kehu_vetting.invoices.facts import (
    SIDES,
    CreditLookedAt,
    InvoiceRequest,
    PayerMoved,
    RequestStatus,
    Side,
)
from kehu_vetting.invoices.gathered import Gathered
from kehu_vetting.invoices.orders import OrderAccount
from kehu_vetting.invoices.policy import invoicing
from kehu_vetting.invoices.rights import NAMES, check_reviewer

_CHANGED = {
    "order": ("订单", "the order"),
    "receipts": ("收款", "the receipts"),
    "buyer": ("购买方信息", "the buyer's block"),
}


@dataclass(frozen=True, slots=True)
class PassRequest:
    """Pass one side, having seen the request and the customer's credit of these digests."""

    side: Side
    digest: str
    credit_digest: str


@dataclass(frozen=True, slots=True)
class ReturnRequest:
    """Give it back to the applicant with remarks."""

    side: Side
    remarks: str


@dataclass(frozen=True, slots=True)
class RefuseRequest:
    """Refuse it for good."""

    side: Side
    reason: str


def pass_request(command: PassRequest, state: InvoiceRequest, order: OrderAccount, context: Context) -> Decision:
    """Pass a side; with the second one it may be issued, for so many days as policy data says."""
    gathered: Gathered = context.gathered
    file = known_file(gathered, order)
    signature = check_reviewer(command.side, context.actor, file, state)
    _check_in_review(command.side, state)
    if command.digest != state.digest:
        raise Refused(
            f"申请已变更,现为第 {state.bundle} 版。请重新查看后再审核。",
            f"The request has changed: it is number {state.bundle} now. Look at it again, then pass it.",
            clause="R3.2.3",
            code="bundle-changed",
            digest=state.digest,
        )
    check_unchanged(state, order, context)
    check_payer(gathered.payer, order, context)
    _check_credit_seen(command, gathered)
    both = all(side == command.side or side in state.reviews for side in SIDES)
    facts: list[Fact] = [
        CreditLookedAt(
            request=state.id,
            customer=state.customer,
            side=command.side,
            digest=command.credit_digest,
            rating=gathered.credit.rating,
            open_incidents=tuple(one.incident for one in gathered.credit.open_incidents),
            looked_by=context.actor.id,
        ),
        InvoiceRequestReviewed(
            request=state.id,
            number=state.number,
            order=state.order,
            customer=state.customer,
            department=file.department,
            side=command.side,
            reviewed_by=signature.signed_by,
            on_behalf_of=signature.on_behalf_of,
            both=both,
            lapses_on=context.today + timedelta(days=invoicing(context).request_days) if both else None,
            passed_on=context.today if both else None,
            requested_by=state.applicant,
            digest=state.digest,
            credit_digest=command.credit_digest,
        ),
    ]
    return Decision(facts)


def return_request(command: ReturnRequest, state: InvoiceRequest, context: Context) -> Decision:
    """Give it back with remarks; what was passed has to be passed again."""
    gathered: Gathered = context.gathered
    check_reviewer(command.side, context.actor, gathered.file, state)
    _check_undecided(state)
    return Decision([_returned(state, command.remarks, context.actor.id)])


def refuse_request(command: RefuseRequest, state: InvoiceRequest, context: Context) -> Decision:
    """Refuse it for good; another one may be written."""
    gathered: Gathered = context.gathered
    check_reviewer(command.side, context.actor, gathered.file, state)
    _check_undecided(state)
    return Decision([closed(state, "refused", command.reason)])


def lapse(key: str, due: datetime, state: InvoiceRequest, context: Context) -> Decision:
    """The last day of a joint pass is over."""
    del key, due
    if state.status is not RequestStatus.PASSED or state.lapses_on is None:
        return Decision()
    if context.now < end_of_day(state.lapses_on):
        return Decision()
    days = (state.lapses_on - state.passed_on).days if state.passed_on else 0
    return Decision([closed(state, "lapsed", f"联合审核已满 {days} 天。Its joint pass is {days} days old.")])


def basis_moved(moved: BasisMoved, state: InvoiceRequest, context: Context) -> Decision:
    """Order or receipts have changed since it was written."""
    if state.basis is None or moved.version <= state.order_version:
        return Decision()  # it was written when this had happened already
    if moved.receipt is not None and moved.receipt not in {one.receipt for one in state.basis.receipts}:
        return Decision()
    return _rests_no_more(state, moved.because, context)


def payer_moved(moved: PayerMoved, state: InvoiceRequest, context: Context) -> Decision:
    """The buyer's block of its settlement unit has changed since it was written."""
    if state.content is None or moved.version <= state.unit_version:
        return Decision()
    if all(getattr(state.content.buyer, name) == value for name, value in moved.buyer.items()):
        return Decision()
    return _rests_no_more(state, "buyer", context)


def _rests_no_more(state: InvoiceRequest, because: str, context: Context) -> Decision:
    """A joint pass lapses, and what is still in review goes back to the applicant."""
    zh, en = _CHANGED[because]
    reason = f"{zh}已变更。Since it was written, {en} changed."
    if state.status is RequestStatus.PASSED:
        return Decision([closed(state, "lapsed", reason)])
    if state.status is RequestStatus.IN_REVIEW:
        return Decision([_returned(state, reason, context.actor.id)])
    return Decision()


def check_unchanged(state: InvoiceRequest, order: OrderAccount, context: Context) -> None:
    """Refuse to go on with a request when what it rests on is no longer so.

    Raises:
        Refused: `basis-changed`, naming what has changed.

    """
    gathered: Gathered = context.gathered
    changed = changes(state, order, gathered.payer)
    if changed:
        zh, en = "、".join(_CHANGED[one][0] for one in changed), ", ".join(_CHANGED[one][1] for one in changed)
        raise Refused(
            f"提交之后{zh}已变更,原审核作废。请营销员按现状重新申请。",
            f"Since it was written, {en} changed, so what was passed no longer holds: the salesperson applies anew.",
            clause="R3.2.3",
            code="basis-changed",
            changed=changed,
        )


def _check_in_review(side: Side, state: InvoiceRequest) -> None:
    if state.status is not RequestStatus.IN_REVIEW:
        raise not_open(state)
    if side in state.reviews:
        zh, en = NAMES[side]
        raise Refused(
            f"“{zh}”已办理。", f"There is {en} of it already.", clause="R3.2.3", code="already-reviewed", side=side
        )


def _check_undecided(state: InvoiceRequest) -> None:
    if state.status not in (RequestStatus.IN_REVIEW, RequestStatus.PASSED) or state.served:
        raise not_open(state)


def _check_credit_seen(command: PassRequest, gathered: Gathered) -> None:
    """The reviewer sees the last credit conclusion and the open incidents, and says so (R3.0)."""
    if command.credit_digest != gathered.credit.digest:
        raise Refused(
            "客户的信用结论或未结失信记录已变更。请重新查看信用情况后再审核。",
            "The customer's credit conclusion or open incidents have changed: look at them again, then pass it.",
            clause="R3.0",
            code="credit-changed",
            digest=gathered.credit.digest,
        )


def _returned(state: InvoiceRequest, remarks: str, by: str) -> InvoiceRequestReturned:
    return InvoiceRequestReturned(
        request=state.id,
        number=state.number,
        order=state.order,
        customer=state.customer,
        department=state.department,
        remarks=remarks,
        returned_by=by,
        requested_by=state.applicant,
    )
