"""What of dossiers waits for whom: one list for each person, folded from the facts that ask for something."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from kehu.contracts.customers import (
    CustomerChanged,
    CustomerChangeDeclined,
    CustomerChangeProposed,
    CustomerMergeDeclined,
    CustomerMergeProposed,
    CustomerRegistered,
    CustomersMerged,
    CustomersUnmerged,
    DossierReturned,
    DossierSubmitted,
    OwnerAssigned,
    RelationDeclined,
    RelationRequested,
)
from kehu.contracts.staff import Role
from kehu.deciding import Actor
from kehu.event_store import Connection
from kehu.facts import Fact, RecordedFact
from kehu.http import Acting, Page, Paging
from kehu.service import OWN_LOG, View
from kehu_customer_registry.dossiers.facts import TakeOverProposed
from kehu_customer_registry.dossiers.rights import MANAGERS_STEPS, check_may_list

router = APIRouter(tags=["dossiers"])


class TaskKind(StrEnum):
    """What is asked for."""

    REVIEW = "review"  # 待审核的档案
    TAKE_OVER = "take_over"  # 待确认的接收
    CHANGE = "change"  # 待审核的重大变更
    RELATION = "relation"  # 待审核的协作申请
    MERGE = "merge"  # 待确认的合并
    UNMERGE = "unmerge"  # 待确认的撤销合并
    MEND = "mend"  # 退回待修改的档案


_ASK = """
INSERT INTO dossier_tasks (task, kind, customer, department, fields, barred, asked_by, asked_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
ON CONFLICT (task) DO UPDATE SET kind = excluded.kind, department = excluded.department, fields = excluded.fields,
    barred = excluded.barred, asked_by = excluded.asked_by, asked_at = excluded.asked_at
"""
# A take-over is proposed and handed in at once: it stays a take-over.
_SUBMIT = """
INSERT INTO dossier_tasks (task, kind, customer, department, barred, asked_by, asked_at)
VALUES ($1, 'review', $2, $3, ARRAY[$4], $4, $5)
ON CONFLICT (task) DO UPDATE SET kind = CASE WHEN dossier_tasks.kind = 'take_over' THEN 'take_over' ELSE 'review' END,
    department = excluded.department, barred = excluded.barred, asked_by = excluded.asked_by,
    asked_at = excluded.asked_at
"""
_DONE = "DELETE FROM dossier_tasks WHERE task = $1"
_MERGES_DONE = "DELETE FROM dossier_tasks WHERE customer = $1 AND kind IN ('merge', 'unmerge')"


def _form(customer: str) -> str:
    """The task that a dossier itself is."""
    return f"dossier-{customer}"


async def _ask(connection: Connection, recorded: RecordedFact[Any], task: str, kind: TaskKind, **more: Any) -> None:
    fact = recorded.fact
    asked_by: str = more.get("asked_by") or fact.proposed_by
    await connection.execute(
        _ASK,
        task,
        kind.value,
        fact.customer,
        more.get("department", ""),
        list(more.get("fields", ())),
        [asked_by],
        asked_by,
        recorded.recorded_at,
    )


async def _submit(connection: Connection, recorded: RecordedFact[DossierSubmitted]) -> None:
    fact = recorded.fact
    await connection.execute(
        _SUBMIT, _form(fact.customer), fact.customer, fact.department, fact.submitted_by, recorded.recorded_at
    )


async def _take_over(connection: Connection, recorded: RecordedFact[TakeOverProposed]) -> None:
    await _ask(connection, recorded, _form(recorded.fact.customer), TaskKind.TAKE_OVER)


async def _return(connection: Connection, recorded: RecordedFact[DossierReturned]) -> None:
    fact = recorded.fact
    more = {"department": fact.department, "asked_by": fact.returned_by}
    await _ask(connection, recorded, _form(fact.customer), TaskKind.MEND, **more)


async def _register(connection: Connection, recorded: RecordedFact[CustomerRegistered]) -> None:
    await connection.execute(_DONE, _form(recorded.fact.customer))


async def _propose(connection: Connection, recorded: RecordedFact[CustomerChangeProposed]) -> None:
    fact = recorded.fact
    await _ask(connection, recorded, fact.change, TaskKind.CHANGE, department=fact.department, fields=fact.fields)


async def _request(connection: Connection, recorded: RecordedFact[RelationRequested]) -> None:
    fact = recorded.fact
    more = {"department": fact.department, "asked_by": fact.requested_by}
    await _ask(connection, recorded, fact.relation, TaskKind.RELATION, **more)


async def _merge(connection: Connection, recorded: RecordedFact[CustomerMergeProposed]) -> None:
    fact = recorded.fact
    kind = TaskKind.UNMERGE if fact.undo else TaskKind.MERGE
    await _ask(connection, recorded, fact.merge, kind, department=fact.department)


async def _carried_out(connection: Connection, recorded: RecordedFact[CustomerChanged | OwnerAssigned]) -> None:
    if recorded.fact.change is not None:
        await connection.execute(_DONE, recorded.fact.change)


async def _change_declined(connection: Connection, recorded: RecordedFact[CustomerChangeDeclined]) -> None:
    await connection.execute(_DONE, recorded.fact.change)


async def _relation_declined(connection: Connection, recorded: RecordedFact[RelationDeclined]) -> None:
    await connection.execute(_DONE, recorded.fact.relation)


async def _merge_declined(connection: Connection, recorded: RecordedFact[CustomerMergeDeclined]) -> None:
    await connection.execute(_DONE, recorded.fact.merge)


async def _merged(connection: Connection, recorded: RecordedFact[CustomersMerged | CustomersUnmerged]) -> None:
    # The survivor's proposal is done; whatever waits with the other one waits for nobody (see the list).
    await connection.execute(_MERGES_DONE, recorded.fact.customer)


_APPLY: Mapping[type[Fact], Any] = {
    TakeOverProposed: _take_over,
    DossierSubmitted: _submit,
    DossierReturned: _return,
    CustomerRegistered: _register,
    CustomerChangeProposed: _propose,
    CustomerChanged: _carried_out,
    CustomerChangeDeclined: _change_declined,
    OwnerAssigned: _carried_out,
    RelationRequested: _request,
    RelationDeclined: _relation_declined,
    CustomerMergeProposed: _merge,
    CustomerMergeDeclined: _merge_declined,
    CustomersMerged: _merged,
    CustomersUnmerged: _merged,
}
TASKS = View(name="dossier_tasks", source=OWN_LOG, tables=("dossier_tasks",), apply=_APPLY)


class TaskShown(BaseModel):
    """Something that waits for the reader."""

    task: str = Field(description="The id of the change, relation or merge; for a dossier of its own kind.")
    kind: TaskKind
    customer: str
    number: str
    name: str
    department: str
    owner: str
    fields: list[str] = Field(description="Of a change: what it concerns.")
    asked_by: str
    asked_at: datetime


# Goes along dossier_tasks_department for managers; market sees take-overs and merges of all departments.
_LIST = """
SELECT t.task, t.kind, t.customer, r.number, r.name, r.department, r.owner, t.fields, t.asked_by, t.asked_at
FROM dossier_tasks t JOIN register r USING (customer)
WHERE r.merged_into IS NULL
  AND ($1::timestamptz IS NULL OR (t.asked_at, t.task) > ($1, $2))
  AND ($3::text IS NULL OR t.kind = $3)
  AND CASE WHEN t.kind = 'mend' THEN r.owner = $4
      ELSE NOT $4 = ANY (t.barred) AND (t.kind IN ('merge', 'unmerge') OR r.owner <> $4)
       AND ($5 OR r.department = ANY ($6) OR ($7 AND t.kind IN ('take_over', 'merge', 'unmerge'))) END
ORDER BY t.asked_at, t.task LIMIT $8
"""


@router.get("/dossiers")
async def list_tasks(
    request: Acting,
    paging: Paging,
    waiting_for: Annotated[Literal["me"], Query(description="Whom they wait for.")],
    kind: TaskKind | None = None,
) -> Page[TaskShown]:
    """What waits for you: dossiers to review or to mend, changes, relations, take-overs and merges; oldest first."""
    del waiting_for  # only one's own can be asked for
    check_may_list(request.actor)
    after_at, after_task = paging.after(datetime, str)
    everywhere, departments = _managed(request.actor)
    rows = await request.pool.fetch(
        _LIST,
        after_at,
        after_task,
        kind,
        request.actor.id,
        everywhere,
        departments,
        request.actor.has(Role.MARKET_DEPT),
        paging.fetch,
    )
    found = [TaskShown.model_validate(dict(row)) for row in rows]
    return paging.page(found, key=lambda row: (row.asked_at, row.task))


def _managed(actor: Actor) -> tuple[bool, list[str]]:
    """For which departments somebody passes what is asked, as the manager or a delegate: all of them, or some."""
    grants = [grant for grant in actor.grants if grant.role == Role.DEPT_MANAGER]
    for mandate in actor.mandates:
        if not mandate.steps.isdisjoint(MANAGERS_STEPS):
            grants += [grant for grant in mandate.grants if grant.role == Role.DEPT_MANAGER]
    return any(grant.department is None for grant in grants), sorted(
        {one.department for one in grants if one.department}
    )
