"""Two dossiers of one customer become one, and can be taken apart again (R4). Their streams are never rewritten."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from kehu.calendar import Month
from kehu.contracts.customers import (
    CustomerMergeDeclined,
    CustomerMergeProposed,
    CustomersMerged,
    CustomersUnmerged,
    MonthAmount,
)
from kehu.contracts.staff import Role
from kehu.deciding import Actor, Context, Decision
from kehu.errors import Forbidden, Invalid, NotFound, Refused
from kehu_customer_registry.commitments.decisions import check_free
from kehu_customer_registry.commitments.facts import Commitments
from kehu_customer_registry.dossiers import rights
from kehu_customer_registry.dossiers.changes import check_archived
from kehu_customer_registry.dossiers.decisions import check_apart
from kehu_customer_registry.dossiers.facts import Dossier, Status
from kehu_customer_registry.volumes.facts import Volumes

CLAUSE = "R4"


@dataclass(frozen=True, slots=True)
class Pair:
    """What a merge is decided on.

    Args:
        survivor: the dossier that both numbers will lead to.
        merged: the other one.
        survivor_holds: what keeps the survivor.
        merged_holds: what keeps the other one.
        merged_volumes: what was reported of the other one.

    """

    survivor: Dossier
    merged: Dossier
    survivor_holds: Commitments = field(default_factory=Commitments)
    merged_holds: Commitments = field(default_factory=Commitments)
    merged_volumes: Volumes = field(default_factory=Volumes)


@dataclass(frozen=True, slots=True)
class ProposeMerge:
    """Hold that both dossiers are of one customer.

    Args:
        merge: the proposal's id.
        duplicate_months: months of the merged one that were reported of the same contracts, so do not add up.
        reason: why they are the same.

    """

    merge: str
    duplicate_months: tuple[Month, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class ProposeUndo:
    """Hold that a merge was mistaken: the proposal's id, and why."""

    merge: str
    reason: str


class MergePending(Refused):
    """Another merge waits for its second person."""

    code = "merge-pending"


class NoSuchMerge(NotFound):
    """No such merge waits, or was made."""

    code = "merge-not-found"


def propose_merge(command: ProposeMerge, pair: Pair, context: Context) -> tuple[Decision, Decision]:
    """Propose a merge; a second person has to confirm it (People: merges need two people).

    Raises:
        Forbidden: the actor is neither of 市场部 nor the manager of one of the two departments, or is leaving.
        WrongStatus: the survivor is not archived, or one of them was merged already.
        StillCommitted: one of them has an open review or a released, unshipped batch.
        MergePending: the survivor or the other one has a merge to be confirmed.
        Invalid: they are one dossier already.

    """
    survivor, merged = pair.survivor, pair.merged
    _check_may_merge(context.actor, survivor, merged)
    _check_mergeable(pair)
    if survivor.merge is not None or merged.merge is not None:
        raise MergePending(
            "其中一份档案已有待确认的合并。请先确认或撤回。",
            "A merge of one of them waits for its second person already. Have it confirmed or declined first.",
            clause=CLAUSE,
        )
    proposed = CustomerMergeProposed(
        customer=survivor.customer,
        merge=command.merge,
        merged=merged.customer,
        survivor_number=survivor.number,
        merged_number=merged.number,
        department=survivor.department,
        merged_department=merged.department,
        duplicate_months=tuple(sorted(set(command.duplicate_months))),
        reason=command.reason,
        proposed_by=context.actor.id,
    )
    return Decision([proposed]), Decision()


def confirm_merge(merge: str, pair: Pair, context: Context) -> tuple[Decision, Decision]:
    """Merge them, or take them apart, as the second person: the fact stands in both streams.

    Raises:
        NoSuchMerge: no merge of that id waits, or nothing is left to be undone.
        Forbidden: the actor is neither of 市场部 nor the manager of one of the two departments, or is leaving.
        OwnSubmission: the actor proposed it.
        WrongStatus, StillCommitted: as for the proposal.

    """
    proposed = _waiting(merge, pair.survivor)
    survivor, merged = pair.survivor, pair.merged
    _check_may_merge(context.actor, survivor, merged)
    if context.actor.id == proposed.proposed_by:
        raise rights.OwnSubmission(
            "合并及其撤销须由两人办理:提议人不能自行确认。请由市场部或部门经理中的另一人确认。",
            "A merge, and its undoing, take two people: who proposed it cannot confirm it. "
            "A manager or somebody else of 市场部 has to.",
            clause=CLAUSE,
        )
    if proposed.undo:
        return _apart(proposed, pair, context)
    _check_mergeable(pair)
    volumes = added_up(pair.merged_volumes, merged)
    facts = [
        CustomersMerged(
            customer=customer,
            survivor=survivor.customer,
            merged=merged.customer,
            survivor_number=survivor.number,
            merged_number=merged.number,
            duplicate_months=proposed.duplicate_months,
            merged_volumes=tuple(
                MonthAmount(month=month, amount_fen=amount)
                for month, amount in sorted(volumes.items())
                if month not in proposed.duplicate_months
            ),
            reason=proposed.reason,
            proposed_by=proposed.proposed_by,
            merged_by=context.actor.id,
        )
        for customer in (survivor.customer, merged.customer)
    ]
    return Decision([facts[0]]), Decision([facts[1]])


def decline_merge(merge: str, remarks: str, state: Dossier, context: Context) -> Decision:
    """Keep them apart, saying why; or take one's own proposal back.

    Raises:
        NoSuchMerge: no merge of that id waits.
        Forbidden: the actor is neither of 市场部, nor the survivor's manager, nor whoever proposed it; or is leaving.
        WrongStatus: the survivor was merged into another one itself since.

    """
    check_apart(state)
    proposed = _waiting(merge, state)
    if context.actor.id != proposed.proposed_by:
        _check_may_merge(context.actor, state, state)
    rights.check_staying(context.actor)
    return Decision(
        [
            CustomerMergeDeclined(
                customer=state.customer,
                merge=merge,
                merged=proposed.merged,
                department=state.department,
                remarks=remarks,
                proposed_by=proposed.proposed_by,
                declined_by=context.actor.id,
            )
        ]
    )


def propose_undo(
    command: ProposeUndo, survivor: Dossier, merged: Dossier, context: Context
) -> tuple[Decision, Decision]:
    """Propose to take them apart; a second person has to confirm it, as somebody else confirmed the merge.

    Raises:
        Forbidden: the actor is neither of 市场部 nor the manager of one of the two departments, or is leaving.
        WrongStatus: the survivor was merged into another one since: that one is undone first.
        NoSuchMerge: they were not merged.
        MergePending: the survivor has a merge, or its undoing, to be confirmed.

    """
    _check_may_merge(context.actor, survivor, merged)
    check_apart(survivor)
    _check_merged(survivor, merged)
    if survivor.merge is not None:
        raise MergePending(
            "该档案已有待确认的合并或撤销。请先确认或撤回。",
            "A merge of this dossier, or its undoing, waits for its second person. Have it dealt with first.",
            clause=CLAUSE,
        )
    proposed = CustomerMergeProposed(
        customer=survivor.customer,
        merge=command.merge,
        merged=merged.customer,
        survivor_number=survivor.number,
        merged_number=merged.number,
        department=survivor.department,
        merged_department=merged.department,
        reason=command.reason,
        proposed_by=context.actor.id,
        undo=True,
    )
    return Decision([proposed]), Decision()


def _apart(proposed: CustomerMergeProposed, pair: Pair, context: Context) -> tuple[Decision, Decision]:
    """Both stand as they did; what was said since stays with the survivor."""
    check_apart(pair.survivor)
    _check_merged(pair.survivor, pair.merged)
    facts = [
        CustomersUnmerged(
            customer=customer,
            survivor=pair.survivor.customer,
            merged=pair.merged.customer,
            reason=proposed.reason,
            undone_by=context.actor.id,
            proposed_by=proposed.proposed_by,
        )
        for customer in (pair.survivor.customer, pair.merged.customer)
    ]
    return Decision([facts[0]]), Decision([facts[1]])


def _check_merged(survivor: Dossier, merged: Dossier) -> None:
    if merged.customer not in survivor.merged:
        raise NoSuchMerge(
            "这两份档案没有合并过,无可撤销。", "These two were not merged, so there is nothing to undo.", clause=CLAUSE
        )


def added_up(volumes: Volumes, dossier: Dossier) -> Mapping[Month, int]:
    """What a customer has contracted a month, in fen, with those that were merged into it (duplicates left out)."""
    total = {month: one.amount_fen for month, one in volumes.months.items()}
    for fact in dossier.merged.values():
        for one in fact.merged_volumes:
            total[one.month] = total.get(one.month, 0) + one.amount_fen
    return total


def _check_mergeable(pair: Pair) -> None:
    survivor, merged = pair.survivor, pair.merged
    if survivor.customer == merged.customer:
        raise Invalid(
            "两个编号已是同一客户,无需合并。",
            "Both numbers lead to one customer already.",
            clause=CLAUSE,
            code="merge-same",
        )
    if merged.status is Status.NONE:
        raise NotFound("没有这个客户编号。请核对。", "There is no dossier of this number. Check it.", clause=CLAUSE)
    check_archived(survivor)
    check_apart(merged)
    check_free("合并", "merged", pair.survivor_holds, pair.merged_holds)


def _check_may_merge(actor: Actor, *dossiers: Dossier) -> None:
    managed = any(actor.has(Role.DEPT_MANAGER, department=dossier.department) for dossier in dossiers)
    if not managed and not actor.has(Role.MARKET_DEPT):
        raise Forbidden(
            "合并由市场部或所涉部门的经理提议和确认。",
            "Merges are proposed and confirmed by 市场部 and the managers of the departments concerned.",
            clause=CLAUSE,
        )
    rights.check_staying(actor)


def _waiting(merge: str, survivor: Dossier) -> CustomerMergeProposed:
    if survivor.merge is None or survivor.merge.merge != merge:
        raise NoSuchMerge(
            "没有这项待确认的合并,可能已办理。请刷新后再看。",
            "No such merge waits here; perhaps it has been dealt with. Look again.",
            clause=CLAUSE,
        )
    return survivor.merge
