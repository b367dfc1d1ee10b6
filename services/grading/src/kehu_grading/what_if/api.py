"""A draft policy over HTTP: tried on every customer's own facts, a page of streams at a time, and nothing written."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncGenerator
from datetime import datetime

import asyncpg
from fastapi import APIRouter
from pydantic import BaseModel, Field

from kehu.contracts.grading import Grade
from kehu.http import Acting
from kehu.parts import Running
from kehu_grading.grades.facts import GRADES, NOTES, TakenIn
from kehu_grading.grades.standing import standing_with_kin
from kehu_grading.rules.policy import GRADING, GradingPolicy
from kehu_grading.rules.standing import Standing
from kehu_grading.what_if.decisions import Outcome, check_may_try, try_policy

router = APIRouter(tags=["what-if"])

#: Streams read at once: some thousands of facts, decoded in the time of a few requests.
PAGE = 100
#: More than anybody reads through; the counts say how many there are.
MOST_SHOWN = 10_000

# Uses the primary key.
_CUSTOMERS = """
SELECT customer, number, name, department, official FROM grades
WHERE official IS NOT NULL AND ($1::text IS NULL OR customer > $1)
  AND customer NOT IN (SELECT l.customer FROM lineage l)
ORDER BY customer LIMIT $2
"""
_KNOWN_BY = {fact.__name__ for fact in (*NOTES, TakenIn)}


class Change(BaseModel):
    """A customer whose grade the draft would change."""

    customer: str
    number: str
    name: str
    department: str
    official: Grade
    now: Grade = Field(description="By the policy in force.")
    then: Grade = Field(description="By the draft.")
    clause: str
    provisional: bool


class Move(BaseModel):
    """How many customers would go from one grade to another."""

    now: Grade
    then: Grade
    customers: int


class WhatIf(BaseModel):
    """What a draft policy would do. Nothing has been written."""

    draft: GradingPolicy
    in_force: GradingPolicy
    policy_version: int = Field(description="Of the policy in force.")
    at: datetime
    customers: int = Field(description="How many were graded.")
    changed: int
    moves: list[Move]
    changes: list[Change] = Field(description="By customer id.")
    left_off: int = Field(description="Changes that are counted but not listed.")


@router.post("/what-if")
async def try_draft(draft: GradingPolicy, request: Acting) -> WhatIf:
    """Try a draft policy on all customers, without writing anything: who would change?"""
    check_may_try(request.actor)
    context = await request.context()
    in_force: GradingPolicy = context.policies[GRADING.name]
    graded = 0
    moves: Counter[tuple[Grade, Grade]] = Counter()
    changes: list[Change] = []
    async for row, standing in _standings(request.running):
        graded += 1
        outcome = try_policy(standing, draft, in_force, request.now)
        if outcome.now != outcome.then:
            moves[outcome.now, outcome.then] += 1
            if len(changes) < MOST_SHOWN:
                changes.append(_change(row, outcome))
    return WhatIf(
        draft=draft,
        in_force=in_force,
        policy_version=context.policy_version(GRADING.name),
        at=request.now,
        customers=graded,
        changed=moves.total(),
        moves=[Move(now=now, then=then, customers=count) for (now, then), count in sorted(moves.items())],
        changes=changes,
        left_off=moves.total() - len(changes),
    )


async def _standings(running: Running) -> AsyncGenerator[tuple[asyncpg.Record, Standing]]:
    """Every registered customer with what is known of it, from its own stream."""
    after: str | None = None
    while rows := await running.pool.fetch(_CUSTOMERS, after, PAGE):
        streams = {GRADES.stream(row["customer"]): row for row in rows}
        found = await running.store.read_streams(dict.fromkeys(streams, 0))
        for stream, row in streams.items():
            # Explanations are most of a stream's bytes, and no part of what is known.
            stored = [fact for fact in found[stream] if _name(fact.type) in _KNOWN_BY]
            facts = [recorded.fact for recorded in await running.codec.decode(stored)]
            standing = standing_with_kin(GRADES.fold(facts))
            if standing is not None:
                yield row, standing
        after = rows[-1]["customer"]


def _name(type_name: str) -> str:
    """Of a stored fact, in whichever version it was written."""
    return type_name.split(".")[1]


def _change(row: asyncpg.Record, outcome: Outcome) -> Change:
    return Change(
        **dict(row), now=outcome.now, then=outcome.then, clause=outcome.clause, provisional=outcome.provisional
    )
