"""A quarter's round through a department: opened at the quarter's start, then planned a page of customers at a time.

Opening is one fact. Planning is a loop that every process runs: it looks in the views for customers that are not due
yet and decides each on its own stream and its dossier's. A process that is killed leaves committed pages behind and
nothing else; two processes at once find each other's work done. The views only say whom to look at.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any

import structlog

from kehu.calendar import Quarter, today
from kehu.contracts.customers import CustomerRegistered
from kehu.contracts.staff import DepartmentOpened
from kehu.deciding import Category, Context, Decision, system_actor
from kehu.event_store import Append, Conflict, Connection
from kehu.facts import START, Fact, Position, RecordedFact
from kehu.ids import new_id
from kehu.parts import Running
from kehu.recording import Origin, Unrecorded
from kehu.service import OWN_LOG, Due, Schedule, View
from kehu_customer_registry.dossiers.facts import DOSSIERS
from kehu_customer_registry.verification.company import kept_as, look_up_company
from kehu_customer_registry.verification.decisions import Around, Company, Kept, plan, reappoint
from kehu_customer_registry.verification.facts import VERIFICATIONS, Verifications
from kehu_customer_registry.verification.views import VERIFICATIONS_VIEW

log = structlog.get_logger(__name__)

#: Seconds between looks: a round begins four times a year, and nobody waits for it.
POLL_SECONDS = 2.0
#: Customers in one transaction: two streams each, and 500 go into one append call. It takes about a tenth of a second.
PAGE = 200
_VIEW_SECONDS = 5.0


class RoundOpened(Fact, clause="R4.5.1"):
    """A quarter has begun: the department's dossiers that were archived by then are due."""

    department: str
    quarter: str


class RoundPlanned(Fact, clause="R4.5.1"):
    """Every one of them has its verification."""

    department: str
    quarter: str


@dataclass(frozen=True, slots=True)
class Rounds:
    """The last quarter whose round was opened, and whether all of it is planned."""

    quarter: str = ""
    planned: bool = True


def evolve(state: Rounds, fact: Fact) -> Rounds:
    """What a fact makes of a department's rounds."""
    match fact:
        case RoundOpened():
            return Rounds(fact.quarter, planned=False)
        case RoundPlanned():
            return replace(state, planned=state.planned or fact.quarter == state.quarter)
        case _:
            return state


ROUNDS = Category(name="verification_round", facts=(RoundOpened, RoundPlanned), initial=Rounds(), evolve=evolve)


def open_round(department: str, state: Rounds, context: Context) -> Decision:
    """Open the round of the quarter that it is now; once. A quarter in which nothing ran is not made up for."""
    quarter = str(Quarter.of(context.today))
    return Decision() if state.quarter >= quarter else Decision([RoundOpened(department=department, quarter=quarter)])


def close_round(department: str, quarter: str, state: Rounds, _context: Context) -> Decision:
    """Say that all of a round is planned; once."""
    if state.planned or state.quarter != quarter:
        return Decision()
    return Decision([RoundPlanned(department=department, quarter=quarter)])


def _first(recorded: RecordedFact[DepartmentOpened]) -> Due:
    return Due(recorded.fact.department, Quarter.of(today(recorded.occurred_at)).end)


def _next(recorded: RecordedFact[RoundOpened]) -> Due:
    return Due(recorded.fact.department, Quarter.parse(recorded.fact.quarter).end)


def _fire(department: str, _due: datetime, state: Rounds, context: Context) -> Decision:
    return open_round(department, state, context)


QUARTER_BEGINS = Schedule(
    kind="verification-quarter-begins",
    planned_by={DepartmentOpened: _first, RoundOpened: _next},
    category=ROUNDS,
    stream_id=lambda department: department,
    fire=_fire,
)


async def _opened(connection: Connection, recorded: RecordedFact[RoundOpened]) -> None:
    await connection.execute(
        """INSERT INTO verification_rounds (department, quarter, opened_at, tx, place) VALUES ($1, $2, $3, $4, $5)""",
        recorded.fact.department,
        recorded.fact.quarter,
        recorded.occurred_at,
        recorded.position.tx,
        recorded.position.position,
    )


async def _planned(connection: Connection, recorded: RecordedFact[RoundPlanned]) -> None:
    await connection.execute(
        "UPDATE verification_rounds SET planned_at = $3 WHERE department = $1 AND quarter = $2",
        recorded.fact.department,
        recorded.fact.quarter,
        recorded.occurred_at,
    )


ROUNDS_VIEW = View(
    name="verification_rounds",
    source=OWN_LOG,
    tables=("verification_rounds",),
    apply={RoundOpened: _opened, RoundPlanned: _planned},
)

_OPEN_ROUNDS = """
SELECT department, quarter, tx, place FROM verification_rounds WHERE planned_at IS NULL ORDER BY quarter, department
"""
# Goes along register_department; the anti-join reads the primary key of verifications.
_LEFT = """
SELECT r.customer, r.serial FROM register r
WHERE r.department = $1 AND r.serial > $2 AND r.status = 'archived' AND r.registered_at < $3
  AND NOT EXISTS (SELECT FROM verifications v WHERE v.customer = r.customer AND v.quarter = $4)
ORDER BY r.serial LIMIT $5
"""


async def plan_rounds(running: Running) -> None:
    """Plan what rounds are open, until cancelled. Any number of processes may do it at once."""
    while True:
        rounds = await running.pool.fetch(_OPEN_ROUNDS)
        for row in rounds:
            await plan_round(running, row["department"], row["quarter"], Position(row["tx"], row["place"]))
        if not rounds:
            await asyncio.sleep(POLL_SECONDS)


async def plan_round(running: Running, department: str, quarter: str, opened: Position) -> int:
    """Make every dossier of a department due for a quarter, a page at a time, and say when all are.

    Args:
        running: the registry.
        department: whose.
        quarter: such as ``2026-Q4``.
        opened: where its opening stands in the log: the register must have seen as much before it is asked.

    Returns:
        For how many customers this process found something to do.

    """
    begun = Quarter.parse(quarter)
    after, planned, last = 0, 0, START
    if not await running.follower.wait_for(opened, _VIEW_SECONDS, view="register"):
        return 0
    while rows := await running.pool.fetch(_LEFT, department, after, begun.start, quarter, PAGE):
        customers = [row["customer"] for row in rows]
        added, position = await decide_page(running, customers, partial(plan, begun), "plan-rounds")
        planned, last, after = planned + added, max(last, position), rows[-1]["serial"]
        log.info("verification.planned", department=department, quarter=quarter, customers=planned)
    if not await running.follower.wait_for(last, _VIEW_SECONDS, view=VERIFICATIONS_VIEW.name):
        return planned  # looked at again: what is missing then is planned then
    done = await running.commands.handle(
        ROUNDS, department, partial(close_round, department, quarter), await _context(running, "plan-rounds")
    )
    # Its own view says so before the next look, else the round would be gone through again.
    await running.follower.wait_for(done.position, _VIEW_SECONDS, view=ROUNDS_VIEW.name)
    return planned


# Uses verifications_open, the primary keys of the other tables and of staff_grants.
_UNFIT = """
SELECT DISTINCT v.customer FROM verifications v JOIN register r USING (customer)
WHERE v.mark = 'open' AND (
    v.department <> r.department
    OR CASE WHEN v.verifier IS NULL THEN EXISTS (
        SELECT FROM staff_grants g JOIN staff s USING (person)
        WHERE g.role = 'verifier' AND g.department = r.department AND s.last_day IS NULL AND NOT s.ended
          AND g.person <> r.owner AND g.person <> ALL (r.collaborators)
    ) ELSE
        v.verifier = r.owner OR v.verifier = ANY (r.collaborators)
        OR NOT EXISTS (SELECT FROM staff s WHERE s.person = v.verifier AND s.last_day IS NULL AND NOT s.ended)
        OR (v.appointed_by IS NULL AND NOT EXISTS (
            SELECT FROM staff_grants g
            WHERE g.person = v.verifier AND g.role = 'verifier' AND g.department = r.department))
    END
)
ORDER BY v.customer LIMIT $1
"""


async def appoint_others(running: Running) -> None:
    """Appoint another verifier for whatever has one who may not do it any more, or none; until cancelled.

    A new owner who is the verifier, a verifier who leaves or loses the role, one who turns up where there was nobody:
    whatever came first, the views show it in the end.
    """
    while True:
        if not await appoint_page(running):
            await asyncio.sleep(POLL_SECONDS)


async def appoint_page(running: Running) -> int:
    """Appoint for some of them, and wait until the view shows it; for how many something changed."""
    rows = await running.pool.fetch(_UNFIT, PAGE)
    if not rows:
        return 0
    changed, position = await decide_page(running, [row["customer"] for row in rows], reappoint, "appoint-others")
    if changed:
        log.info("verification.appointed", customers=changed)
        await running.follower.wait_for(position, _VIEW_SECONDS, view=VERIFICATIONS_VIEW.name)
    return changed


async def _context(running: Running, part: str) -> Context:
    now = running.clock.now()
    return Context(system_actor(running.service.name, part), now, await running.policies.in_force(now))


async def decide_page(
    running: Running, customers: Sequence[str], decide: Callable[[Verifications, Context], Decision], part: str
) -> tuple[int, Position]:
    """Decide on the verifications of some customers, all in one transaction that also holds their dossiers still.

    Decided again when somebody has written to one of the streams meanwhile.

    Returns:
        For how many customers there was something to record, and where the last of it stands.

    """
    while True:
        try:
            return await _decide_page(running, customers, decide, part)
        except Conflict:
            log.info("verification.again", part=part)


async def _decide_page(
    running: Running, customers: Sequence[str], decide: Callable[[Verifications, Context], Decision], part: str
) -> tuple[int, Position]:
    context = await _context(running, part)
    dossiers = await _histories(running, DOSSIERS, customers)
    states = await _histories(running, VERIFICATIONS, customers)
    companies: dict[str, Company] = {}
    appends: list[Append] = []
    for customer in customers:
        history = dossiers[customer]
        if not history:
            continue
        kept = _kept(history)
        state = VERIFICATIONS.fold([one.fact for one in states[customer]])
        if kept.department not in companies:
            companies[kept.department] = await look_up_company(running.pool, kept.department)
        company = await _with_named(running, companies[kept.department], state)
        about = Context(context.actor, context.now, context.policies, Around(kept, company))
        facts = decide(state, about).facts
        if not facts:
            continue
        stream = VERIFICATIONS.stream(customer)
        origin = Origin(actor=context.actor.id, now=context.now, correlation=new_id())
        encoded = await running.codec.encode([Unrecorded(fact, stream, new_id(), origin) for fact in facts])
        appends.append(Append(stream, states[customer][-1].version if states[customer] else 0, customer, encoded))
        appends.append(Append(DOSSIERS.stream(customer), history[-1].version, customer))
    if not appends:
        return 0, START
    async with running.store.transaction() as connection:
        done = await running.store.append_together(connection, appends)
    return len(appends) // 2, max(one.position for one in done)


async def _with_named(running: Running, company: Company, state: Verifications) -> Company:
    """With whoever is appointed without being one of the department's verifiers, if they still work here."""
    others = {item.verifier for item in state.open() if item.verifier} - set(company.verifiers)
    if not others:
        return company
    found = await look_up_company(running.pool, "", sorted(others))
    return replace(company, at_work=frozenset(company.at_work) | frozenset(found.at_work))


def _kept(history: Sequence[RecordedFact[Fact]]) -> Kept:
    registered = [one.occurred_at for one in history if isinstance(one.fact, CustomerRegistered)]
    kept = kept_as(DOSSIERS.fold([one.fact for one in history]))
    return replace(kept, registered_on=today(registered[-1]) if registered else None)


async def _histories(
    running: Running, category: Category[Any], ids: Sequence[str]
) -> Mapping[str, list[RecordedFact[Fact]]]:
    streams = {category.stream(one): one for one in ids}
    rows = await running.store.read_streams(dict.fromkeys(streams, 0))
    found: dict[str, list[RecordedFact[Fact]]] = {one: [] for one in ids}
    for recorded in await running.codec.decode([row for read in rows.values() for row in read]):
        found[streams[recorded.stream]].append(recorded)
    return found
