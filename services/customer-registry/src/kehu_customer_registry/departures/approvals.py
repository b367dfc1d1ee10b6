"""Steps that only who leaves may sign: they hold the role, and nobody else at work does (R4.6: approvals move too).

A step waits for whoever holds a role, so it names nobody while several do: then there is nothing to move. What waits
for one person alone stands in their departure's worklist until somebody else holds the role, has a delegation's place,
or the manager has said who sees to it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from kehu.contracts.staff import Role
from kehu.contracts.trade import (
    InvoiceIssued,
    InvoiceRequestClosed,
    InvoiceRequested,
    InvoiceRequestReturned,
    InvoiceRequestReviewed,
    ShippingResumed,
    ShippingStopDeclined,
    ShippingStopped,
    ShippingStopProposed,
)
from kehu.contracts.vetting import (
    AgentActivated,
    QualificationApproved,
    QualificationRejected,
    QualificationReturned,
    QualificationStepPassed,
    QualificationSubmitted,
    QualificationWithdrawn,
    RenewalReturned,
    RenewalStepPassed,
    RenewalSubmitted,
    RenewalWithdrawn,
    SignoffsVoided,
    Step,
)
from kehu.event_store import Connection
from kehu.facts import Fact, RecordedFact
from kehu.service import View

#: Who signs which step of F1 and of a renewal (R3.1.3).
_SIGNERS: Mapping[Step, tuple[Role, ...]] = {
    Step.VETTING: (Role.VETTER,),
    Step.FINANCE: (Role.FINANCE,),
    Step.MANAGER: (Role.DEPT_MANAGER,),
    Step.REGISTRATION: (Role.GM_OFFICE, Role.GENERAL_MANAGER),
    Step.GENERAL_MANAGER: (Role.GENERAL_MANAGER,),
}
#: Who passes which side of F2 (R3.2.3), and who agrees to a stop of shipping (R3.2.1).
_SIDES: Mapping[str, tuple[Role, ...]] = {
    "marketing": (Role.VETTER, Role.DEPT_MANAGER),
    "finance": (Role.FINANCE,),
    "manager": (Role.DEPT_MANAGER,),
}
_OTHER = {"finance": "manager", "manager": "finance"}

_ASK = """
INSERT INTO waiting_steps (thing, step, customer, department, roles, barred) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (thing, step) DO UPDATE SET department = excluded.department, roles = excluded.roles,
    barred = excluded.barred
"""
_DONE = "DELETE FROM waiting_steps WHERE thing = $1"
_SIGNED = "DELETE FROM waiting_steps WHERE thing = $1 AND step = $2"


async def _ask(connection: Connection, thing: str, step: str, fact: Any, roles: Sequence[Role], *barred: str) -> None:
    # Company-wide where the fact does not say which department: it is found for whoever holds the role anywhere.
    department: str = fact.department or ""
    await connection.execute(_ASK, thing, step, fact.customer, department, [role.value for role in roles], list(barred))


async def _step(connection: Connection, thing: str, step: Step | None, fact: Any, *barred: str) -> None:
    """A chain stands at a step, and only there; nothing is to be signed where it is with the salesperson."""
    await connection.execute(_DONE, thing)
    if step is not None and step in _SIGNERS:
        await _ask(connection, thing, step.value, fact, _SIGNERS[step], *barred)


async def _submitted(connection: Connection, recorded: RecordedFact[QualificationSubmitted]) -> None:
    fact = recorded.fact
    await _step(connection, fact.qualification, Step.VETTING, fact, fact.submitted_by)


async def _passed(connection: Connection, recorded: RecordedFact[QualificationStepPassed]) -> None:
    fact = recorded.fact
    await _step(connection, fact.qualification, fact.next_step, fact, fact.signed_by)


async def _returned(connection: Connection, recorded: RecordedFact[QualificationReturned]) -> None:
    fact = recorded.fact
    await _step(connection, fact.qualification, fact.to_step, fact, fact.submitted_by)


async def _voided(connection: Connection, recorded: RecordedFact[SignoffsVoided]) -> None:
    await _step(connection, recorded.fact.qualification, recorded.fact.from_step, recorded.fact)


async def _chain_ends(connection: Connection, recorded: RecordedFact[Any]) -> None:
    await connection.execute(_DONE, recorded.fact.qualification)


async def _renewal_submitted(connection: Connection, recorded: RecordedFact[RenewalSubmitted]) -> None:
    await _step(connection, recorded.fact.renewal, Step.VETTING, recorded.fact, recorded.fact.submitted_by)


async def _renewal_passed(connection: Connection, recorded: RecordedFact[RenewalStepPassed]) -> None:
    fact = recorded.fact
    await _step(connection, fact.renewal, fact.next_step, fact, fact.signed_by)


async def _renewal_ends(connection: Connection, recorded: RecordedFact[RenewalReturned | RenewalWithdrawn]) -> None:
    await connection.execute(_DONE, recorded.fact.renewal)


async def _requested(connection: Connection, recorded: RecordedFact[InvoiceRequested]) -> None:
    fact = recorded.fact
    for side in ("marketing", "finance"):
        await _ask(connection, fact.request, side, fact, _SIDES[side], fact.requested_by)


async def _reviewed(connection: Connection, recorded: RecordedFact[InvoiceRequestReviewed]) -> None:
    await connection.execute(_SIGNED, recorded.fact.request, recorded.fact.side)


async def _request_ends(connection: Connection, recorded: RecordedFact[Any]) -> None:
    if recorded.fact.request is not None:  # an ordinary invoice takes no request
        await connection.execute(_DONE, recorded.fact.request)


async def _stop_proposed(connection: Connection, recorded: RecordedFact[ShippingStopProposed]) -> None:
    fact = recorded.fact
    side = _OTHER[fact.side]
    await _ask(connection, fact.order, side, fact, _SIDES[side], fact.proposed_by)


async def _stop_answered(
    connection: Connection, recorded: RecordedFact[ShippingStopDeclined | ShippingStopped | ShippingResumed]
) -> None:
    await connection.execute(_DONE, recorded.fact.order)


_APPLY: Mapping[type[Fact], Any] = {
    QualificationSubmitted: _submitted,
    QualificationStepPassed: _passed,
    QualificationReturned: _returned,
    SignoffsVoided: _voided,
    QualificationApproved: _chain_ends,
    QualificationRejected: _chain_ends,
    QualificationWithdrawn: _chain_ends,
    AgentActivated: _chain_ends,
    RenewalSubmitted: _renewal_submitted,
    RenewalStepPassed: _renewal_passed,
    RenewalReturned: _renewal_ends,
    RenewalWithdrawn: _renewal_ends,
    InvoiceRequested: _requested,
    InvoiceRequestReviewed: _reviewed,
    InvoiceRequestReturned: _request_ends,
    InvoiceRequestClosed: _request_ends,
    InvoiceIssued: _request_ends,
    ShippingStopProposed: _stop_proposed,
    ShippingStopDeclined: _stop_answered,
    ShippingStopped: _stop_answered,
    ShippingResumed: _stop_answered,
}
WAITING_STEPS = View(name="waiting-steps", source="vetting", tables=("waiting_steps",), apply=_APPLY)

#: Open steps that `$1` may sign and nobody else at work. Uses the primary key of staff_grants and staff_grants_role;
#: steps that are open are few.
STRANDED = """
SELECT 'approval', s.thing || ':' || s.step, s.customer, s.step FROM (
    SELECT thing, step, customer, department, roles, barred FROM waiting_steps
    UNION ALL
    SELECT t.task, t.kind, t.customer, r.department,
           CASE WHEN t.kind IN ('take_over', 'merge', 'unmerge') THEN ARRAY['dept_manager', 'market_dept']
                ELSE ARRAY['dept_manager'] END,
           t.barred
    FROM dossier_tasks t JOIN register r USING (customer) WHERE t.kind <> 'mend' AND r.merged_into IS NULL
) s
WHERE $1 <> ALL (s.barred)
  AND EXISTS (SELECT FROM staff_grants g WHERE g.person = $1 AND g.role = ANY (s.roles)
              AND (g.department IN ('', s.department) OR s.department = ''))
  AND NOT EXISTS (
    SELECT FROM staff_grants g JOIN staff p USING (person)
    WHERE g.role = ANY (s.roles) AND (g.department IN ('', s.department) OR s.department = '')
      AND g.person <> $1 AND g.person <> ALL (s.barred) AND p.last_day IS NULL AND NOT p.ended)
"""
