"""Merging dossiers of one customer, and undoing it, over HTTP (R4)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from kehu.calendar import Month
from kehu.commands import Thing
from kehu.deciding import Context, Decision
from kehu.event_store import Conflict
from kehu.http import Answer, Editing, StreamId
from kehu.ids import new_id
from kehu.text import Paragraph
from kehu_customer_registry.commitments.facts import COMMITMENTS
from kehu_customer_registry.dossiers import merging
from kehu_customer_registry.dossiers.changes_api import ReasonForm, RemarksForm
from kehu_customer_registry.dossiers.facts import DOSSIERS
from kehu_customer_registry.dossiers.finding import find_customer, load_dossier, unmerged_id
from kehu_customer_registry.dossiers.merging import NoSuchMerge, Pair, ProposeMerge, ProposeUndo
from kehu_customer_registry.volumes.facts import VOLUMES

router = APIRouter(tags=["dossiers"])

#: Ten years of them.
MOST_MONTHS = 120


class MergeForm(BaseModel):
    """Which dossier is of the same customer, which months it had reported of the same contracts, and why."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    merged: Annotated[str, Field(pattern=r"^[\w-]{1,64}$", description="Id or 客户编号 of the one that is merged.")]
    duplicate_months: Annotated[tuple[Month, ...], Field(max_length=MOST_MONTHS)] = ()
    reason: Annotated[Paragraph, Field(min_length=1)]


@router.post("/dossiers/{customer}/merges")
async def propose_merge(customer: StreamId, body: MergeForm, request: Editing) -> Answer:
    """Propose to merge another dossier into this one; 市场部 or a manager does. The answer's `merge` is confirmed."""
    survivor = await find_customer(request.running, customer)
    merged = await find_customer(request.running, body.merged)
    merge = str(new_id())
    command = ProposeMerge(merge, body.duplicate_months, body.reason)
    if merged == survivor:
        # One stream cannot be decided on twice: it is refused by the same rule.
        dossier, _ = await load_dossier(request.running, survivor)
        context = await request.context()
        merging.propose_merge(command, Pair(dossier, dossier), context)
    return await request.handle_together(
        _things(survivor, merged), _deciding(partial(merging.propose_merge, command)), numbers={"merge": merge}
    )


@router.post("/dossiers/{customer}/merges/{merge}/confirm")
async def confirm_merge(customer: StreamId, merge: StreamId, request: Editing) -> Answer:
    """Confirm a merge, or its undoing, as the second person: both numbers lead to the survivor, or to each again."""
    dossier, version = await load_dossier(request.running, customer)
    if dossier.merge is None or dossier.merge.merge != merge:
        if request.expected not in (None, version):
            raise Conflict(DOSSIERS.stream(dossier.customer), request.expected or 0, version)
        raise NoSuchMerge(
            "没有这项待确认的合并,可能已办理。请刷新后再看。",
            "No such merge waits here; perhaps it has been dealt with. Look again.",
            clause=merging.CLAUSE,
        )
    things = _things(dossier.customer, dossier.merge.merged)
    return await request.handle_together(things, _deciding(partial(merging.confirm_merge, merge)))


@router.post("/dossiers/{customer}/merges/{merge}/decline")
async def decline_merge(customer: StreamId, merge: StreamId, body: RemarksForm, request: Editing) -> Answer:
    """Keep them as they are, saying why; or take one's own proposal back."""
    here = await find_customer(request.running, customer)
    return await request.handle(
        DOSSIERS, here, lambda state, context: merging.decline_merge(merge, body.remarks, state, context)
    )


@router.post("/dossiers/{customer}/merged/{merged}/undo")
async def propose_undo(customer: StreamId, merged: StreamId, body: ReasonForm, request: Editing) -> Answer:
    """Propose to take a merged customer out again. The answer's `merge` is confirmed as a merge is."""
    survivor = await find_customer(request.running, customer)
    other = await unmerged_id(request.running, merged)
    command = ProposeUndo(str(new_id()), body.reason)

    def decide(states: Sequence[Any], context: Context) -> Sequence[Decision]:
        return merging.propose_undo(command, states[0], states[1], context)

    if other == survivor:
        raise NoSuchMerge(
            "请填写被并入的客户编号。", "Name the customer that was merged, not the survivor.", clause=merging.CLAUSE
        )
    return await request.handle_together(
        [Thing(DOSSIERS, survivor), Thing(DOSSIERS, other)], decide, numbers={"merge": command.merge}
    )


def _things(survivor: str, merged: str) -> list[Thing[Any]]:
    """Both dossiers, and what must not move while they are decided on."""
    return [
        Thing(DOSSIERS, survivor),
        Thing(DOSSIERS, merged),
        Thing(COMMITMENTS, survivor, must_exist=False),
        Thing(COMMITMENTS, merged, must_exist=False),
        Thing(VOLUMES, merged, must_exist=False),
    ]


def _deciding(
    decide: Callable[[Pair, Context], tuple[Decision, Decision]],
) -> Callable[[Sequence[Any], Context], Sequence[Decision]]:
    def together(states: Sequence[Any], context: Context) -> Sequence[Decision]:
        return [*decide(Pair(*states), context), Decision(), Decision(), Decision()]

    return together
