"""The grades of all customers and the watch list, folded from the grade streams; and whose grades somebody sees."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from kehu.contracts.grading import GradeAssigned, GradeDriftNoticed, IndicativeGradeChanged
from kehu.contracts.staff import Role
from kehu.deciding import Actor
from kehu.errors import Forbidden
from kehu.event_store import Connection
from kehu.facts import RecordedFact
from kehu.folding import Folding
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


class GradeRow(NamedTuple):
    """A customer's row of the table `grades`; its columns tell more."""

    customer: str
    number: str
    name: str
    kind: str
    affiliation: str | None
    department: str
    owner: str
    collaborators: list[str]
    official: str | None = None
    basis: str | None = None
    year: int | None = None
    indicative: str | None = None
    clause: str | None = None
    provisional: bool | None = None
    policy_version: int | None = None
    drifting: bool = False


def _register(row: GradeRow | None, recorded: RecordedFact[RegistrationNoted]) -> GradeRow:
    fact = recorded.fact
    return row or GradeRow(
        fact.customer,
        fact.number,
        fact.name,
        fact.kind,
        fact.affiliation,
        fact.department,
        fact.owner,
        list(fact.collaborators),
    )


def _change(row: GradeRow | None, recorded: RecordedFact[ChangeNoted]) -> GradeRow | None:
    fact = recorded.fact
    return row and row._replace(
        name=row.name if fact.name is None else fact.name,
        kind=fact.kind or row.kind,
        affiliation=None if fact.affiliation_ended else fact.affiliation or row.affiliation,
    )


def _assign_owner(row: GradeRow | None, recorded: RecordedFact[OwnerNoted]) -> GradeRow | None:
    fact = recorded.fact
    return row and row._replace(owner=fact.owner, department=fact.department, collaborators=list(fact.collaborators))


def _assign_grade(row: GradeRow | None, recorded: RecordedFact[GradeAssigned]) -> GradeRow | None:
    fact = recorded.fact
    return row and row._replace(
        official=fact.grade, basis=fact.basis, year=fact.year, indicative=row.indicative or fact.grade
    )


def _review(row: GradeRow | None, recorded: RecordedFact[GradeReviewed]) -> GradeRow | None:
    fact = recorded.fact
    return row and row._replace(
        clause=fact.grade_clause, provisional=fact.provisional, policy_version=fact.policy_version
    )


def _change_indicative(row: GradeRow | None, recorded: RecordedFact[IndicativeGradeChanged]) -> GradeRow | None:
    return row and row._replace(indicative=recorded.fact.grade)


def _drift(row: GradeRow | None, recorded: RecordedFact[GradeDriftNoticed]) -> GradeRow | None:
    return row and row._replace(drifting=recorded.fact.drifting)


GRADES_VIEW = View(
    name="grades",
    source=OWN_LOG,
    tables=("grades",),
    foldings=[
        Folding(
            "grades",
            GradeRow,
            lambda recorded: recorded.fact.customer,
            {
                RegistrationNoted: _register,
                ChangeNoted: _change,
                OwnerNoted: _assign_owner,
                GradeAssigned: _assign_grade,
                GradeReviewed: _review,
                IndicativeGradeChanged: _change_indicative,
                GradeDriftNoticed: _drift,
            },
        )
    ],
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
