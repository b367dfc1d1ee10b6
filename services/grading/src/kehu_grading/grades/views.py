"""The grades of all customers and the watch list, folded from the grade streams; and whose grades somebody sees."""

from __future__ import annotations

from dataclasses import dataclass

from kehu.contracts.grading import GradeAssigned, GradeDriftNoticed, IndicativeGradeChanged
from kehu.contracts.staff import Role
from kehu.deciding import Actor
from kehu.errors import Forbidden
from kehu.event_store import Connection
from kehu.facts import RecordedFact
from kehu.service import OWN_LOG, View
from kehu_grading.grades.facts import (
    ChangeNoted,
    GradeReviewed,
    OwnerNoted,
    RegistrationNoted,
)
from kehu_grading.rules.explanation import WatchReason

# --- who sees what ---------------------------------------------------------------------------------------------------

EVERYWHERE = (
    Role.MARKET_DEPT,
    Role.FINANCE,
    Role.GM_OFFICE,
    Role.GENERAL_MANAGER,
    Role.AUDITOR,
    Role.ADMIN,
)
IN_DEPARTMENT = (Role.DEPT_MANAGER, Role.VETTER)


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose grades somebody sees: all, or those of some departments and of their own customers."""

    everything: bool
    departments: tuple[str, ...]
    person: str


def scope(actor: Actor) -> Scope:
    """Whose grades they see: by role, department and ownership.

    Raises:
        Forbidden: they are leaving; what they see then is their open work only, which no grade is part of (R4.6).

    """
    if actor.departing:
        raise Forbidden(
            "离职手续已开始，不能再查看客户分类名单。如有未完成的拜访记录，请在拜访中查看。",
            "Your departure has started: grades are no longer shown to you. Finish your open work in its own place.",
            clause="R4.6",
        )
    company_wide = any(grant.role in IN_DEPARTMENT and grant.department is None for grant in actor.grants)
    return Scope(
        everything=company_wide or actor.has(*EVERYWHERE),
        departments=tuple(sorted(actor.departments(*IN_DEPARTMENT))),
        person=actor.id,
    )


# --- grades ----------------------------------------------------------------------------------------------------------


async def _register(connection: Connection, recorded: RecordedFact[RegistrationNoted]) -> None:
    fact = recorded.fact
    await connection.execute(
        """INSERT INTO grades (customer, number, name, kind, affiliation, department, owner, collaborators)
           VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (customer) DO NOTHING""",
        fact.customer,
        fact.number,
        fact.name,
        fact.kind,
        fact.affiliation,
        fact.department,
        fact.owner,
        list(fact.collaborators),
    )


async def _change(connection: Connection, recorded: RecordedFact[ChangeNoted]) -> None:
    fact = recorded.fact
    await connection.execute(
        """UPDATE grades SET name = coalesce($2, name), kind = coalesce($3, kind),
               affiliation = CASE WHEN $5 THEN NULL ELSE coalesce($4, affiliation) END
           WHERE customer = $1""",
        fact.customer,
        fact.name,
        fact.kind,
        fact.affiliation,
        fact.affiliation_ended,
    )


async def _assign_owner(connection: Connection, recorded: RecordedFact[OwnerNoted]) -> None:
    fact = recorded.fact
    await connection.execute(
        "UPDATE grades SET owner = $2, department = $3, collaborators = $4 WHERE customer = $1",
        fact.customer,
        fact.owner,
        fact.department,
        list(fact.collaborators),
    )


async def _assign_grade(connection: Connection, recorded: RecordedFact[GradeAssigned]) -> None:
    fact = recorded.fact
    await connection.execute(
        """UPDATE grades SET official = $2, basis = $3, year = $4, indicative = coalesce(indicative, $2)
           WHERE customer = $1""",
        fact.customer,
        fact.grade,
        fact.basis,
        fact.year,
    )


async def _review(connection: Connection, recorded: RecordedFact[GradeReviewed]) -> None:
    fact = recorded.fact
    await connection.execute(
        "UPDATE grades SET clause = $2, provisional = $3, policy_version = $4 WHERE customer = $1",
        fact.customer,
        fact.grade_clause,
        fact.provisional,
        fact.policy_version,
    )


async def _change_indicative(connection: Connection, recorded: RecordedFact[IndicativeGradeChanged]) -> None:
    await connection.execute(
        "UPDATE grades SET indicative = $2 WHERE customer = $1", recorded.fact.customer, recorded.fact.grade
    )


async def _drift(connection: Connection, recorded: RecordedFact[GradeDriftNoticed]) -> None:
    await connection.execute(
        "UPDATE grades SET drifting = $2 WHERE customer = $1", recorded.fact.customer, recorded.fact.drifting
    )


GRADES_VIEW = View(
    name="grades",
    source=OWN_LOG,
    tables=("grades",),
    apply={
        RegistrationNoted: _register,
        ChangeNoted: _change,
        OwnerNoted: _assign_owner,
        GradeAssigned: _assign_grade,
        GradeReviewed: _review,
        IndicativeGradeChanged: _change_indicative,
        GradeDriftNoticed: _drift,
    },
)


# --- watch list ------------------------------------------------------------------------------------------------------

_WATCH = """
INSERT INTO watch_list (customer, reason, since)
SELECT $1, reason, $3 FROM unnest($2::text[]) AS reason ON CONFLICT DO NOTHING
"""
_STOP_WATCHING = "DELETE FROM watch_list WHERE customer = $1 AND reason = ANY ($2::text[])"


async def _watch(connection: Connection, recorded: RecordedFact[GradeReviewed]) -> None:
    fact = recorded.fact
    gone = [reason for reason in WatchReason if reason not in (WatchReason.DRIFTING, *fact.watched_for)]
    await connection.execute(_STOP_WATCHING, fact.customer, gone)
    await connection.execute(_WATCH, fact.customer, list(fact.watched_for), recorded.occurred_at)


async def _watch_drift(connection: Connection, recorded: RecordedFact[GradeDriftNoticed]) -> None:
    fact = recorded.fact
    if fact.drifting:
        await connection.execute(_WATCH, fact.customer, [WatchReason.DRIFTING], recorded.occurred_at)
    else:
        await connection.execute(_STOP_WATCHING, fact.customer, [WatchReason.DRIFTING])


WATCH_LIST_VIEW = View(
    name="watch-list",
    source=OWN_LOG,
    tables=("watch_list",),
    apply={GradeReviewed: _watch, GradeDriftNoticed: _watch_drift},
)
