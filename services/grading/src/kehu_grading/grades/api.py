"""Grades over HTTP: lists by role, one customer's grade with everything that explains it, and the watch list."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Self

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from kehu.calendar import Month
from kehu.contracts.customers import Affiliation, CustomerKind
from kehu.contracts.grading import Grade
from kehu.errors import NotFound
from kehu.http import Acting, ActingRequest, Page, Paging, StreamId
from kehu_grading.grades.decisions import explain
from kehu_grading.grades.facts import GRADES
from kehu_grading.grades.views import scope
from kehu_grading.rules.explanation import (
    CountedIncident,
    CountedMonth,
    Explanation,
    Figures,
    Limb,
    LimbName,
    Missing,
    Reason,
    TakenOver,
    WatchReason,
)
from kehu_grading.rules.words import Sentence, tell, tell_limb

router = APIRouter(tags=["grades"])

_COLUMNS = """g.customer, g.number, g.name, g.kind, g.affiliation, g.department, g.owner, g.official, g.basis, g.year,
    g.indicative, g.drifting, g.clause, g.provisional, g.policy_version"""
#: Complete rows only: between two facts of one decision a row has not got all of its grades.
#: And nobody's who was merged into another: there is one grade, the survivor's (R4).
_VISIBLE = """g.official IS NOT NULL AND g.policy_version IS NOT NULL
    AND NOT EXISTS (SELECT FROM lineage l WHERE l.customer = g.customer)
    AND ($1::boolean OR g.department = ANY ($2::text[]) OR g.owner = $3 OR $3 = ANY (g.collaborators))"""
# Uses grades_number, or grades_department.
_LIST = f"""
SELECT {_COLUMNS} FROM grades g
WHERE {_VISIBLE}
  AND ($4::text IS NULL OR g.official = $4)
  AND ($5::text IS NULL OR g.department = $5)
  AND ($6::boolean IS NULL OR g.drifting = $6)
  AND ($7::text IS NULL OR (g.number, g.customer) > ($7, $8))
ORDER BY g.number, g.customer LIMIT $9
"""
# Uses the primary keys and grades_number; the sub-selects those of watch_list and lineage_led_to.
_ONE = f"""
SELECT {_COLUMNS},
       (SELECT coalesce(array_agg(w.reason ORDER BY w.reason), '{{}}') FROM watch_list w WHERE w.customer = g.customer)
           AS watched_for,
       (SELECT coalesce(array_agg(m.number ORDER BY m.number), '{{}}')
        FROM lineage l JOIN grades m USING (customer) WHERE l.survivor = g.customer) AS merged
FROM grades g
WHERE {_VISIBLE}
  AND g.customer IN (SELECT coalesce(l.survivor, n.customer) FROM grades n LEFT JOIN lineage l USING (customer)
                     WHERE n.customer = $4 OR n.number = $4)
"""
# Uses the primary key of watch_list, and grades_number.
_WATCHED = f"""
SELECT {_COLUMNS}, w.reasons, w.since
FROM grades g
JOIN (SELECT customer, array_agg(reason ORDER BY reason) AS reasons, min(since) AS since
      FROM watch_list GROUP BY customer) w ON w.customer = g.customer
WHERE {_VISIBLE}
  AND ($4::text IS NULL OR $4 = ANY (w.reasons))
  AND ($5::text IS NULL OR g.department = $5)
  AND ($6::text IS NULL OR (g.number, g.customer) > ($6, $7))
ORDER BY g.number, g.customer LIMIT $8
"""

Department = Annotated[str | None, Query(max_length=100, description="Only customers of this department.")]


class GradeRow(BaseModel):
    """A customer's grades in a list."""

    customer: str
    number: str
    name: str
    kind: CustomerKind
    affiliation: Affiliation | None
    department: str
    owner: str
    official: Grade = Field(description="The grade that counts until it is assigned anew.")
    basis: str = Field(description="How the official grade was assigned: initial, taken_over, annual or override.")
    year: int | None = Field(description="Of an annual grade, or of one that was taken over at go-live.")
    indicative: Grade = Field(description="What the rules would give today.")
    drifting: bool = Field(description="Whether the two differ.")
    clause: str = Field(description="The clause of the indicative grade.")
    provisional: bool = Field(description="Decided on less than three full months.")
    policy_version: int = Field(description="0 is the version that came with the software.")


class FiguresShown(Figures):
    """Volume against a threshold, in fen, with what is missing in total."""

    missing_fen: int


class LimbShown(BaseModel):
    """One limb of R5.2: passed, or failed for its reasons."""

    limb: LimbName
    grade: Grade
    clause: str
    passed: bool
    reasons: tuple[Reason, ...]
    figures: FiguresShown | None
    told: Sentence

    @classmethod
    def of(cls, limb: Limb, explanation: Explanation) -> Self:
        """Show a limb of an explanation."""
        figures = limb.figures
        shown = FiguresShown(**figures.model_dump(), missing_fen=figures.short_fen) if figures else None
        return cls(
            limb=limb.limb,
            grade=limb.grade,
            clause=limb.clause,
            passed=limb.passed,
            reasons=limb.reasons,
            figures=shown,
            told=tell_limb(limb, explanation),
        )


class ExplanationShown(BaseModel):
    """A grade with everything that it was decided from. Amounts are fen; `facts` are ids for `kehu audit`."""

    grade: Grade
    clause: str
    limb: LimbName
    policy_version: int
    at: datetime
    provisional: bool
    told: list[Sentence]
    missing: Missing | None
    limbs: list[LimbShown]
    months: tuple[CountedMonth, ...]
    missing_months: tuple[Month, ...]
    incidents: tuple[CountedIncident, ...]
    credit_warning: bool
    taken_over: TakenOver | None = Field(description="What the grade rests on that was stated at go-live (R4.3).")
    facts: list[str]

    @classmethod
    def of(cls, explanation: Explanation) -> Self:
        """Show an explanation, told in sentences."""
        return cls(
            grade=explanation.grade,
            clause=explanation.clause,
            limb=explanation.limb,
            policy_version=explanation.policy_version,
            at=explanation.at,
            provisional=explanation.provisional,
            told=tell(explanation),
            missing=explanation.missing,
            limbs=[LimbShown.of(limb, explanation) for limb in explanation.limbs],
            months=explanation.months,
            missing_months=explanation.missing_months,
            incidents=explanation.incidents,
            credit_warning=explanation.credit_warning,
            taken_over=explanation.taken_over,
            facts=[str(fact) for fact in explanation.facts],
        )


class GradeShown(GradeRow):
    """A customer's grades, each with its reasons."""

    next_review: datetime | None = Field(description="When the indicative grade may change by time alone.")
    watched_for: list[WatchReason]
    merged: list[str] = Field(description="客户编号 of those merged into it, whose volumes and credit count here (R4).")
    official_explained: ExplanationShown | None = Field(description="As it was when the grade was assigned.")
    indicative_explained: ExplanationShown | None = Field(description="As of now.")


class WatchRow(GradeRow):
    """A customer that somebody should look at, and why."""

    reasons: list[WatchReason]
    since: datetime = Field(description="Of the oldest of the reasons.")


@router.get("/grades")
async def list_grades(
    request: Acting,
    paging: Paging,
    grade: Annotated[Grade | None, Query(description="Only this official grade.")] = None,
    department: Department = None,
    drifting: Annotated[bool | None, Query(description="Only those whose grades differ, or agree.")] = None,
) -> Page[GradeRow]:
    """The grades of the customers that one may see, by number."""
    key = paging.after(str, str)
    rows = await request.pool.fetch(_LIST, *_scope(request), grade, department, drifting, *key, paging.fetch)
    return paging.page([GradeRow(**row) for row in rows], key=_key)


@router.get("/grades/{customer}")
async def show_grade(customer: StreamId, request: Acting) -> GradeShown:
    """One customer's grades, by its id or number: clause, limbs with figures, facts used, what is missing.

    The id or number of a customer that was merged leads to the survivor.
    """
    row = await request.pool.fetchrow(_ONE, *_scope(request), customer)
    if row is None:
        raise NotFound(
            "没有找到该客户的分类，或不在您的查看范围内。刚归档的客户，请稍候再试。",
            "There is no grade of such a customer, or none that you may see. Just registered, try again in a moment.",
            code="grade-not-found",
        )
    state = await request.show(GRADES, row["customer"])
    official, indicative = state.official_explained, explain(state, await request.context())
    return GradeShown(
        **row,
        next_review=state.reviewed.next_review if state.reviewed else None,
        official_explained=ExplanationShown.of(official) if official else None,
        indicative_explained=ExplanationShown.of(indicative) if indicative else None,
    )


@router.get("/watch-list")
async def list_watched(
    request: Acting,
    paging: Paging,
    reason: Annotated[WatchReason | None, Query(description="Only those watched for this reason.")] = None,
    department: Department = None,
) -> Page[WatchRow]:
    """Customers to look at: grades that differ, match nothing, or lack reports; and bad credit that bars nothing."""
    key = paging.after(str, str)
    rows = await request.pool.fetch(_WATCHED, *_scope(request), reason, department, *key, paging.fetch)
    return paging.page([WatchRow(**row) for row in rows], key=_key)


def _scope(request: ActingRequest) -> tuple[bool, list[str], str]:
    seen = scope(request.actor)
    return seen.everything, list(seen.departments), seen.person


def _key(row: GradeRow) -> tuple[str, str]:
    return row.number, row.customer
