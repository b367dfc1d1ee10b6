"""The qualifications that somebody may see, and those that wait for somebody."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import asyncpg

from kehu.contracts.vetting import (
    AgentActivated,
    AgreementSigned,
    QualificationApproved,
    QualificationRejected,
    QualificationRenewed,
    QualificationReturned,
    QualificationStepPassed,
    QualificationSubmitted,
    QualificationWithdrawn,
    SignoffsVoided,
    Step,
)
from kehu.deciding import Actor
from kehu.event_store import Connection
from kehu.facts import Fact, RecordedFact
from kehu.service import OWN_LOG, View
from kehu_vetting.customer_files.views import FILES
from kehu_vetting.qualifications.chain import ROLES
from kehu_vetting.qualifications.facts import (
    BundleFrozen,
    FinanceFactsNoted,
    FormChanged,
    QualificationDrafted,
    QualificationSuperseded,
    Status,
)
from kehu_vetting.sight import Scope

_DRAFT = "INSERT INTO qualifications (qualification, customer, status, since, drafted_by) VALUES ($1, $2, $3, $4, $5)"
_MOVE = "UPDATE qualifications SET status = $2, step = $3, since = $4 WHERE qualification = $1"
_FREEZE = "UPDATE qualifications SET bundle = $2, digest = $3 WHERE qualification = $1"
_SUBMITTED_BY = "UPDATE qualifications SET submitted_by = $2 WHERE qualification = $1"
_APPROVED_ON = "UPDATE qualifications SET approved_on = $2 WHERE qualification = $1"
_ACTIVATED_ON = "UPDATE qualifications SET activated_on = $2 WHERE qualification = $1"
_ACTED = "INSERT INTO qualification_people (qualification, person, acted_as) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING"
_AUTHOR = "author"
_IN_ABSENCE = "registration_in_absence"


async def _move(connection: Connection, recorded: RecordedFact[Any], status: Status, step: Step | None = None) -> None:
    await connection.execute(_MOVE, recorded.fact.qualification, status, step, recorded.occurred_at)


async def _acted(connection: Connection, qualification: str, person: str, acted_as: str) -> None:
    await connection.execute(_ACTED, qualification, person, acted_as)


async def _drafted(connection: Connection, recorded: RecordedFact[QualificationDrafted]) -> None:
    fact = recorded.fact
    await connection.execute(
        _DRAFT, fact.qualification, fact.customer, Status.DRAFT, recorded.occurred_at, fact.drafted_by
    )
    await _acted(connection, fact.qualification, fact.drafted_by, _AUTHOR)


async def _form_changed(connection: Connection, recorded: RecordedFact[FormChanged]) -> None:
    await _acted(connection, recorded.fact.qualification, recorded.fact.changed_by, _AUTHOR)


async def _finance_noted(connection: Connection, recorded: RecordedFact[FinanceFactsNoted]) -> None:
    fact = recorded.fact
    for person in {fact.noted_by, fact.on_behalf_of or fact.noted_by}:
        await _acted(connection, fact.qualification, person, Step.FINANCE)


async def _frozen(connection: Connection, recorded: RecordedFact[BundleFrozen]) -> None:
    fact = recorded.fact
    await connection.execute(_FREEZE, fact.qualification, fact.bundle, fact.digest)


async def _voided(connection: Connection, recorded: RecordedFact[SignoffsVoided]) -> None:
    await _move(connection, recorded, Status.IN_REVIEW, recorded.fact.from_step)
    await connection.execute(_APPROVED_ON, recorded.fact.qualification, None)


async def _submitted(connection: Connection, recorded: RecordedFact[QualificationSubmitted]) -> None:
    fact = recorded.fact
    await _move(connection, recorded, Status.IN_REVIEW, Step.VETTING)
    await connection.execute(_SUBMITTED_BY, fact.qualification, fact.submitted_by)
    await _acted(connection, fact.qualification, fact.submitted_by, _AUTHOR)


async def _passed(connection: Connection, recorded: RecordedFact[QualificationStepPassed]) -> None:
    fact = recorded.fact
    await _move(connection, recorded, Status.IN_REVIEW, fact.next_step)
    acted_as = fact.step.value if fact.in_absence is None else _IN_ABSENCE
    for person in {fact.signed_by, fact.on_behalf_of or fact.signed_by}:
        await _acted(connection, fact.qualification, person, acted_as)


async def _approved(connection: Connection, recorded: RecordedFact[QualificationApproved]) -> None:
    await _move(connection, recorded, Status.APPROVED, Step.AGREEMENT)
    await connection.execute(_APPROVED_ON, recorded.fact.qualification, recorded.fact.approved_on)


async def _returned(connection: Connection, recorded: RecordedFact[QualificationReturned]) -> None:
    to_step = recorded.fact.to_step
    await _move(connection, recorded, Status.IN_REVIEW if to_step else Status.RETURNED, to_step)
    await connection.execute(_APPROVED_ON, recorded.fact.qualification, None)


async def _renewed(connection: Connection, recorded: RecordedFact[QualificationRenewed]) -> None:
    await _move(connection, recorded, Status.ACTIVE)
    await connection.execute(_ACTIVATED_ON, recorded.fact.qualification, recorded.fact.renewed_on)


async def _superseded(connection: Connection, recorded: RecordedFact[QualificationSuperseded]) -> None:
    await _move(connection, recorded, Status.SUPERSEDED)


async def _rejected(connection: Connection, recorded: RecordedFact[QualificationRejected]) -> None:
    await _move(connection, recorded, Status.REJECTED)


async def _withdrawn(connection: Connection, recorded: RecordedFact[QualificationWithdrawn]) -> None:
    await _move(connection, recorded, Status.WITHDRAWN)


async def _signed(connection: Connection, recorded: RecordedFact[AgreementSigned]) -> None:
    await _move(connection, recorded, Status.SIGNED)


async def _activated(connection: Connection, recorded: RecordedFact[AgentActivated]) -> None:
    await _move(connection, recorded, Status.ACTIVE)
    await connection.execute(_ACTIVATED_ON, recorded.fact.qualification, recorded.fact.activated_on)


_APPLY: Mapping[type[Fact], Any] = {
    QualificationDrafted: _drafted,
    FormChanged: _form_changed,
    FinanceFactsNoted: _finance_noted,
    BundleFrozen: _frozen,
    SignoffsVoided: _voided,
    QualificationSubmitted: _submitted,
    QualificationStepPassed: _passed,
    QualificationApproved: _approved,
    QualificationReturned: _returned,
    QualificationRejected: _rejected,
    QualificationRenewed: _renewed,
    QualificationSuperseded: _superseded,
    QualificationWithdrawn: _withdrawn,
    AgreementSigned: _signed,
    AgentActivated: _activated,
}

QUALIFICATIONS_VIEW = View(
    name="qualifications", source=OWN_LOG, tables=("qualifications", "qualification_people"), apply=_APPLY
)

# The primary key gives the order; a worklist uses qualifications_status.
_LIST = f"""
SELECT q.qualification, c.survivor AS customer, c.number, c.name, c.kind, c.department, c.owner, q.status, q.step,
       q.since, q.bundle, q.digest, q.submitted_by, q.approved_on, q.activated_on
FROM qualifications q JOIN {FILES} c USING (customer)
WHERE ($1::text IS NULL OR q.qualification < $1)
  AND ($2 OR c.department = ANY ($3) OR c.owner = $4 OR $4 = ANY (c.collaborators))
  AND ($5::text IS NULL OR q.status = $5)
  AND ($6::text IS NULL OR q.step = $6)
  AND ($7::text IS NULL OR c.department = $7)
  AND (NOT $8 OR (q.status IN ('draft', 'returned', 'approved') AND c.owner = $4)
    OR (q.status = 'in_review'
        AND EXISTS (SELECT FROM unnest($9::text[], $10::text[], $11::text[]) AS mine (step, department, principal)
                    WHERE mine.step = q.step AND mine.department IN ('', c.department)
                      AND NOT EXISTS (SELECT FROM qualification_people p
                                      WHERE p.qualification = q.qualification AND p.person IN ($4, mine.principal)
                                        AND p.acted_as <> q.step
                                        AND NOT (p.acted_as = 'registration_in_absence'
                                                 AND q.step IN ('registration', 'general_manager'))))))
ORDER BY q.qualification DESC LIMIT $12
"""
# Uses qualifications_customer.
_LAST_OF_CUSTOMER = """
SELECT max(qualification) FROM qualifications
WHERE customer = $1 OR customer IN (SELECT l.customer FROM lineage l WHERE l.survivor = $1)
"""


@dataclass(frozen=True, slots=True)
class Filters:
    """What a list is narrowed to; `waiting`: what waits for whoever asks."""

    status: Status | None = None
    step: Step | None = None
    department: str | None = None
    waiting: bool = False


async def list_qualifications(
    pool: asyncpg.Pool, shown: Scope, actor: Actor, filters: Filters, after: str | None, limit: int
) -> Sequence[asyncpg.Record]:
    """A page of what somebody may see, the latest begun first."""
    steps = [] if actor.departing else entitlements(actor)
    return await pool.fetch(
        _LIST,
        after,
        shown.everything,
        list(shown.departments),
        shown.person,
        filters.status,
        filters.step,
        filters.department,
        filters.waiting,
        [step for step, _, _ in steps],
        [department for _, department, _ in steps],
        [principal for _, _, principal in steps],
        limit,
    )


async def last_of_customer(pool: asyncpg.Pool, customer: str) -> str | None:
    """The qualification of a customer that was begun last, as far as the view has come."""
    found: str | None = await pool.fetchval(_LAST_OF_CUSTOMER, customer)
    return found


def entitlements(actor: Actor) -> list[tuple[str, str, str]]:
    """The steps that are theirs to sign, each with its department (empty for any) and for whom they would (B代A)."""
    entitled = [(actor.id, actor.grants, frozenset[str]())]
    entitled += [(mandate.principal, mandate.grants, mandate.steps) for mandate in actor.mandates]
    return [
        (step.value, grant.department or "", person)
        for person, grants, steps in entitled
        for step, roles in ROLES.items()
        if step is not Step.AGREEMENT and (person == actor.id or f"qualification:{step.value}" in steps)
        for grant in grants
        if grant.role in roles
    ]
