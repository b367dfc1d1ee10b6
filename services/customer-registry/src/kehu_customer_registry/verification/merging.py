"""What becomes of verifications when customers are merged, when that is undone, and when one is closed (R4.5.1)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kehu.contracts.customers import (
    CustomerClosed,
    CustomersMerged,
    CustomersUnmerged,
    VerificationDone,
)
from kehu.deciding import Context, Decision
from kehu.event_store import Connection
from kehu.facts import Fact, RecordedFact
from kehu.identity import STAFF_SERVICE
from kehu.service import Reaction
from kehu_customer_registry.dossiers.facts import DOSSIERS
from kehu_customer_registry.verification.company import look_up
from kehu_customer_registry.verification.decisions import Around, appoint
from kehu_customer_registry.verification.facts import (
    VERIFICATIONS,
    Verification,
    VerificationCarried,
    VerificationMark,
    VerificationMoved,
    Verifications,
    quarter_of,
    verification_id,
)


def move_out(recorded: RecordedFact[CustomersMerged], state: Verifications, context: Context) -> Decision:
    """A merged customer's open items, and what it has of the present quarter, count for the survivor."""
    fact = recorded.fact
    facts: list[Fact] = []
    for item in sorted(state.items.values(), key=lambda one: one.quarter):
        counts = item.is_open or (item.mark is not VerificationMark.CANCELLED and context.now < quarter_of(item).end)
        if not counts:
            continue
        if item.is_open:
            facts.append(_cancelled(item, fact.merged, "merged"))
        facts.append(
            VerificationMoved(
                verification=verification_id(fact.merged, item.quarter),
                customer=fact.merged,
                survivor=fact.survivor,
                department=item.department,
                quarter=item.quarter,
                due_on=item.due_on,
                outcome=item.outcome,
                method=item.method,
                verifier=item.verifier,
                verified_on=item.verified_on,
            )
        )
    return Decision(facts)


def carry_in(recorded: RecordedFact[VerificationMoved], state: Verifications, context: Context) -> Decision:
    """The survivor's item is done if either was; it gets one where only the merged customer's was due."""
    moved = recorded.fact
    found = state.items.get(moved.quarter)
    item = None if found is None or found.mark is VerificationMark.CANCELLED else found
    done = moved.outcome in ("unchanged", "changed")
    carried = VerificationCarried(
        verification=verification_id(moved.survivor, moved.quarter),
        customer=moved.survivor,
        merged=moved.customer,
        quarter=moved.quarter,
        created=item is None,
    )
    around: Around | None = context.gathered
    if item is None and moved.outcome is None and around is not None:
        return Decision([carried, appoint(around.kept, moved.quarter, moved.due_on, around.company, context)])
    if item is None or not done or item.mark not in (VerificationMark.OPEN, VerificationMark.UNREACHABLE):
        return Decision()
    counted = VerificationDone(
        verification=carried.verification,
        customer=moved.survivor,
        department=item.department,
        quarter=moved.quarter,
        verifier=moved.verifier or "",
        outcome=moved.outcome or "unchanged",
        method=moved.method,
        verified_on=moved.verified_on,
        because="merged",
    )
    return Decision([carried, counted])


def restore_merged(recorded: RecordedFact[CustomersUnmerged], state: Verifications, context: Context) -> Decision:
    """Both live again: what the merge cancelled is due again of the merged customer."""
    around: Around | None = context.gathered
    if around is None:
        return Decision()
    return Decision(
        [
            appoint(around.kept, item.quarter, item.due_on, around.company, context)
            for item in sorted(state.items.values(), key=lambda one: one.quarter)
            if item.moved_to == recorded.fact.survivor and item.mark is VerificationMark.CANCELLED
        ]
    )


def restore_survivor(recorded: RecordedFact[CustomersUnmerged], state: Verifications, context: Context) -> Decision:
    """What the survivor had only by the merge goes: an item that was not its own, or one done for the other."""
    around: Around | None = context.gathered
    facts: list[Fact] = []
    for item in sorted(state.items.values(), key=lambda one: one.quarter):
        if item.carried_from != recorded.fact.merged or item.mark is VerificationMark.CANCELLED:
            continue
        if item.created and item.is_open:
            facts.append(_cancelled(item, recorded.fact.survivor, "unmerged"))
        elif not item.created and not item.is_open and around is not None:
            facts.append(appoint(around.kept, item.quarter, item.due_on, around.company, context))
    return Decision(facts)


def cancel(recorded: RecordedFact[CustomerClosed], state: Verifications, _context: Context) -> Decision:
    """A customer that is closed needs no verification; reopened, it is due from the next quarter."""
    return Decision([_cancelled(item, recorded.fact.customer, "closed") for item in state.open()])


def _cancelled(item: Verification, customer: str, because: str) -> VerificationDone:
    return VerificationDone.model_validate(
        {
            "verification": verification_id(customer, item.quarter),
            "customer": customer,
            "department": item.department,
            "quarter": item.quarter,
            "verifier": item.verifier or "",
            "outcome": "cancelled",
            "because": because,
        }
    )


async def _survivor(connection: Connection, recorded: RecordedFact[VerificationMoved]) -> Around | None:
    return await look_up(connection, recorded.fact.survivor)


async def _merged_again(connection: Connection, recorded: RecordedFact[CustomersUnmerged]) -> Around | None:
    return await look_up(connection, recorded.fact.merged)


async def _surviving(connection: Connection, recorded: RecordedFact[CustomersUnmerged]) -> Around | None:
    return await look_up(connection, recorded.fact.survivor)


def _of_merged(recorded: RecordedFact[Any]) -> Sequence[str]:
    """The fact stands in both customers' streams: each copy concerns one of them."""
    merged: str = recorded.fact.merged
    return [merged] if recorded.stream == DOSSIERS.stream(merged) else []


def _of_survivor(recorded: RecordedFact[Any]) -> Sequence[str]:
    survivor: str = recorded.fact.survivor
    return [survivor] if recorded.stream == DOSSIERS.stream(survivor) else []


REACTIONS = (
    Reaction(
        name="verification-moves-out",
        on=CustomersMerged,
        source=STAFF_SERVICE,
        category=VERIFICATIONS,
        stream_ids=_of_merged,
        decide=move_out,
    ),
    Reaction(
        name="verification-carried-in",
        on=VerificationMoved,
        source=STAFF_SERVICE,
        category=VERIFICATIONS,
        stream_ids=lambda recorded: [recorded.fact.survivor],
        decide=carry_in,
        gather=_survivor,
    ),
    Reaction(
        name="verification-of-merged-restored",
        on=CustomersUnmerged,
        source=STAFF_SERVICE,
        category=VERIFICATIONS,
        stream_ids=_of_merged,
        decide=restore_merged,
        gather=_merged_again,
    ),
    Reaction(
        name="verification-of-survivor-restored",
        on=CustomersUnmerged,
        source=STAFF_SERVICE,
        category=VERIFICATIONS,
        stream_ids=_of_survivor,
        decide=restore_survivor,
        gather=_surviving,
    ),
    Reaction(
        name="verification-cancelled",
        on=CustomerClosed,
        source=STAFF_SERVICE,
        category=VERIFICATIONS,
        stream_ids=lambda recorded: [recorded.fact.customer],
        decide=cancel,
    ),
)
