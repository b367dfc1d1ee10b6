"""Many reports at once, all or nothing: every row is checked, and what is wrong is told for all of them together.

Each customer's volumes are a stream of their own, so the rows go into one append call over several streams.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from kehu.commands import IDEMPOTENCY_SCOPE, MAX_ATTEMPTS, Idempotency, IdempotencyKeyReused
from kehu.contracts.customers import ContractVolumeReported
from kehu.deciding import Category, Context
from kehu.errors import Invalid, KehuError
from kehu.event_store import Append, Claim, Conflict, Taken
from kehu.event_store.appending import MAX_STREAMS_PER_CALL
from kehu.facts import Fact
from kehu.http import ActingRequest
from kehu.ids import new_id
from kehu.parts import Running
from kehu.recording import Origin, Unrecorded
from kehu_customer_registry.dossiers.facts import DOSSIERS, Dossier
from kehu_customer_registry.dossiers.views import resolve
from kehu_customer_registry.volumes.decisions import CLAUSE, Reporting, ReportVolume, report_volume
from kehu_customer_registry.volumes.facts import VOLUMES, Volumes

S = TypeVar("S")

#: Rows spelled out in the sentence; all of them are in the evidence.
_SPELLED_OUT = 20


@dataclass(frozen=True, slots=True)
class Row:
    """One report among many: its number for people, the customer's id or 客户编号, and what is reported."""

    number: int
    customer: str
    report: ReportVolume


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a set of reports came to: how many months are new, were known with the same amount, came late."""

    reported: int
    unchanged: int
    late: int
    repeated: bool = False


class VolumesRefused(Invalid):
    """Some rows cannot be taken, so none was."""

    code = "volumes-refused"


class TooManyCustomers(Invalid):
    """More customers than one transaction may touch."""

    code = "too-many-customers"


@dataclass(slots=True)
class _Draft:
    """A customer's volumes as they stand, and what the rows add to them."""

    state: Volumes
    version: int
    facts: list[Fact] = field(default_factory=list[Fact])


async def report_together(request: ActingRequest, rows: Sequence[Row]) -> Outcome:
    """Record all rows or none, in one transaction; decided again when one of the customers has moved meanwhile.

    Args:
        request: by whom; its idempotency key counts for the whole set.
        rows: in order; several of one customer are decided one after the other.

    Raises:
        VolumesRefused: there are no rows, or some cannot be taken: it names every one of them, and why.
        TooManyCustomers: over 500.
        IdempotencyKeyReused: the key came with other rows before.

    """
    if not rows:
        raise VolumesRefused(
            "没有可上报的行。请填写后再提交。", "There are no rows to report. Fill them in.", clause=CLAUSE
        )
    if earlier := await _answered(request):
        return earlier
    context = await request.context()
    found = await resolve(request.pool, sorted({row.customer for row in rows}))
    customers = sorted({listed.customer for listed in found.values()})
    if len(customers) > MAX_STREAMS_PER_CALL:
        raise TooManyCustomers(
            f"一次最多上报 {MAX_STREAMS_PER_CALL} 个客户。请分几次上报。",
            f"At most {MAX_STREAMS_PER_CALL} customers at once. Report them in several parts.",
            clause=CLAUSE,
            customers=len(customers),
        )
    dossiers = await _load(request.running, DOSSIERS, customers)
    standing = {customer: _reporting(dossier) for customer, (dossier, _) in dossiers.items()}
    known = {named: standing[listed.customer] for named, listed in found.items()}
    for attempt in range(1, MAX_ATTEMPTS + 1):
        loaded = await _load(request.running, VOLUMES, customers)
        drafts = {customer: _Draft(*loaded[customer]) for customer in customers}
        outcome = _decide(rows, known, drafts, context)
        try:
            return await _append(request, context, drafts, outcome)
        except Conflict:
            if attempt == MAX_ATTEMPTS:
                raise
    raise AssertionError("unreachable: the last attempt returns or raises")


def _reporting(dossier: Dossier) -> Reporting:
    return Reporting(dossier.customer, dossier.number, dossier.department, dossier.registered)


def _decide(
    rows: Iterable[Row], known: Mapping[str, Reporting], drafts: Mapping[str, _Draft], context: Context
) -> Outcome:
    """Decide on every row, each on what the ones before have left."""
    reported: list[ContractVolumeReported] = []
    unchanged = 0
    problems: list[tuple[Row, KehuError]] = []
    for row in rows:
        reporting = known.get(row.customer)
        draft = drafts[reporting.customer] if reporting else _Draft(Volumes(), 0)
        about = Context(context.actor, context.now, context.policies, reporting)
        try:
            facts = report_volume(row.report, draft.state, about).facts
        except KehuError as refusal:
            problems.append((row, refusal))
            continue
        draft.state = VOLUMES.fold(facts, draft.state)
        draft.facts += facts
        reported += [fact for fact in facts if isinstance(fact, ContractVolumeReported)]
        unchanged += not facts
    if problems:
        raise _refused(problems)
    return Outcome(len(reported), unchanged, sum(fact.late for fact in reported))


def _refused(problems: Sequence[tuple[Row, KehuError]]) -> VolumesRefused:
    shown = problems[:_SPELLED_OUT]
    more = len(problems) - len(shown)
    zh = [f"第 {row.number} 行：{refusal.zh}" for row, refusal in shown]
    en = [f"row {row.number}: {refusal.en}" for row, refusal in shown]
    if more:
        zh.append(f"另有 {more} 行。")
        en.append(f"and {more} rows more.")
    return VolumesRefused(
        "以下各行有误,全部未上报:\n" + "\n".join(zh),
        "Nothing was reported, since these rows cannot be taken:\n" + "\n".join(en),
        clause=CLAUSE,
        problems=[
            {"row": row.number, "code": refusal.problem_code, "zh": refusal.zh, "en": refusal.en}
            for row, refusal in problems
        ],
    )


async def _append(request: ActingRequest, context: Context, drafts: Mapping[str, _Draft], outcome: Outcome) -> Outcome:
    running = request.running
    origin = Origin(actor=context.actor.id, now=context.now, correlation=request.correlation)
    claims = _claims(request.idempotency, min(drafts), outcome)
    touched = {
        customer: draft for customer, draft in drafts.items() if draft.facts or (claims and customer == min(drafts))
    }
    if not touched:
        return outcome
    unrecorded = [
        Unrecorded(fact, VOLUMES.stream(customer), new_id(), origin)
        for customer, draft in touched.items()
        for fact in draft.facts
    ]
    encoded = iter(await running.codec.encode(unrecorded))
    appends = [
        Append(
            stream=VOLUMES.stream(customer),
            expected=draft.version,
            key=customer,
            facts=[next(encoded) for _ in draft.facts],
            claims=claims if customer == min(drafts) else (),
        )
        for customer, draft in touched.items()
    ]
    try:
        async with running.store.transaction() as connection:
            await running.store.append_together(connection, appends)
    except Taken as taken:
        if request.idempotency is None or taken.scope != IDEMPOTENCY_SCOPE:
            raise
        return _earlier(request.idempotency, taken.digest, taken.answer)
    return outcome


def _claims(idempotency: Idempotency | None, holder: str, outcome: Outcome) -> list[Claim]:
    if idempotency is None:
        return []
    stored = {"reported": outcome.reported, "unchanged": outcome.unchanged, "late": outcome.late}
    answer = json.dumps({"stream": VOLUMES.stream(holder), "version": 0, "answer": stored})
    return [Claim(IDEMPOTENCY_SCOPE, idempotency.key, VOLUMES.stream(holder), digest=idempotency.digest, answer=answer)]


async def _answered(request: ActingRequest) -> Outcome | None:
    if request.idempotency is None:
        return None
    row = await request.running.store.read_claim(IDEMPOTENCY_SCOPE, request.idempotency.key)
    return _earlier(request.idempotency, row["digest"], json.loads(row["answer"])) if row else None


def _earlier(idempotency: Idempotency, digest: str | None, stored: dict[str, Any]) -> Outcome:
    if digest != idempotency.digest:
        raise IdempotencyKeyReused(
            "同一个 Idempotency-Key 已用于另一请求。请为新的请求换一个新的键。",
            "This Idempotency-Key came with another request before. Use a new key for a new request.",
        )
    return Outcome(**stored["answer"], repeated=True)


async def _load(running: Running, category: Category[S], ids: Sequence[str]) -> dict[str, tuple[S, int]]:
    """States and versions of many things of one category, in two round trips."""
    streams = {category.stream(one): one for one in ids}
    rows = await running.store.read_streams(dict.fromkeys(streams, 0))
    facts = await running.codec.decode([row for found in rows.values() for row in found])
    states: dict[str, tuple[S, int]] = dict.fromkeys(ids, (category.initial, 0))
    for recorded in facts:
        one = streams[recorded.stream]
        states[one] = (category.evolve(states[one][0], recorded.fact), recorded.version)
    return states
