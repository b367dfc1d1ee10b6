"""Merges and their undoing (R4): what survivors have been handed is the same in whichever order facts come."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import asyncpg
import pytest
import pytest_asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kehu.contracts.customers import CustomersMerged, CustomersUnmerged
from kehu.facts import Fact, RecordedFact
from kehu.ids import new_id
from kehu.lineage import LINEAGE_VIEW, Handover, Lineage, MergedAway, Part, family_of, handovers, survivor_of
from kehu.service import Feature, Service
from kehu.testing.platform import Postgres

CUSTOMERS = ("c-1", "c-2", "c-3", "c-4")
NOON = datetime(2026, 11, 24, 4, tzinfo=UTC)

STANDING_ALONE: Lineage[int] = Lineage()

#: What the registry says of a customer: the survivor that it was merged into, that this was undone (empty), or (None)
#: something else.
News = str | None


@dataclass
class Histories:
    """A registry's history, merge by merge: `news` by the customer whose stream it stands on, in order."""

    merged_into: dict[str, str] = field(default_factory=dict[str, str])
    news: dict[str, list[News]] = field(default_factory=lambda: {customer: list[News]() for customer in CUSTOMERS})

    def happen(self, one: str, other: str) -> None:
        """The next thing: undone if the one is merged, else merged into the other, if the registry lets it."""
        survivor = self.merged_into.get(one)
        if survivor is not None:
            if survivor not in self.merged_into:
                del self.merged_into[one]
                self.news[one].append("")
        elif one == other or other in self.merged_into:
            self.news[one].append(None)
        else:
            self.merged_into[one] = other
            self.news[one].append(other)

    def family(self, survivor: str) -> set[str]:
        """Who leads to a customer in the end."""
        below = [one for one, into in self.merged_into.items() if into == survivor]
        return {*below, *(further for one in below for further in self.family(one))}


@dataclass
class Stream:
    """A service's stream of one customer: its lineage, and what it knows (how much news has come)."""

    lineage: Lineage[int] = STANDING_ALONE
    known: int = 0


@dataclass
class Log:
    """A service that follows merges as `kehu.lineage` tells, with the hand-overs that are still to be taken in."""

    streams: dict[str, Stream] = field(default_factory=lambda: {customer: Stream() for customer in CUSTOMERS})
    waiting: list[tuple[str, Handover[int]]] = field(default_factory=list[tuple[str, Handover[int]]])

    def hear(self, customer: str, news: News) -> None:
        """Something that the registry says of a customer."""
        stream = self.streams[customer]
        lineage = stream.lineage
        if news is not None:
            lineage = lineage.merge(news) if news else lineage.unmerge()
        self._become(customer, Stream(lineage, stream.known + (news is None)))

    def take_in(self) -> None:
        """The oldest hand-over, by the reaction to the own log."""
        via, (survivor, part, content) = self.waiting.pop(0)
        stream = self.streams[survivor]
        self._become(survivor, replace(stream, lineage=stream.lineage.take(via, part, content)))

    def _become(self, customer: str, after: Stream) -> None:
        before = self.streams[customer]
        self.streams[customer] = after
        told = handovers(customer, before.lineage, {"": before.known}, after.lineage, {"": after.known})
        self.waiting += [(customer, one) for one in told]


STEPS = st.lists(st.tuples(st.sampled_from(CUSTOMERS), st.sampled_from(CUSTOMERS)), max_size=14)


@settings(max_examples=300)
@given(steps=STEPS, data=st.data())
def test_in_whichever_order_facts_come_each_survivor_is_handed_what_leads_to_it(
    steps: list[tuple[str, str]], data: st.DataObject
) -> None:
    histories = Histories()
    for one, other in steps:
        histories.happen(one, other)
    log, queues = Log(), {customer: list(news) for customer, news in histories.news.items()}
    for customer in data.draw(st.permutations([one for one, news in queues.items() for _ in news])):
        for _ in range(data.draw(st.integers(0, 3))):
            if log.waiting:
                log.take_in()
        log.hear(customer, queues[customer].pop(0))
    rounds = 0
    while log.waiting:  # it comes to an end, whatever went round meanwhile
        log.take_in()
        rounds += 1
        assert rounds < 1_000
    for customer in CUSTOMERS:
        lineage = log.streams[customer].lineage
        assert lineage.merged_into == histories.merged_into.get(customer, "")
        wanted = {Part(one): histories.news[one].count(None) for one in histories.family(customer)}
        assert dict(lineage.kin) == wanted
        directly = [one for one, into in histories.merged_into.items() if into == customer]
        assert sorted(part.origin for part in lineage.direct) == sorted(directly)


def test_only_the_survivor_takes_commands() -> None:
    STANDING_ALONE.check_alive()
    with pytest.raises(MergedAway) as refused:
        STANDING_ALONE.merge("c-2").check_alive()
    assert (refused.value.problem_code, refused.value.evidence) == ("customer-merged", {"survivor": "c-2"})
    STANDING_ALONE.merge("c-2").unmerge().check_alive()


# --- the view --------------------------------------------------------------------------------------------------------


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def pool(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[asyncpg.Pool]:
    service = Service("grading", "Grading", [Feature("lineage", views=[LINEAGE_VIEW])], tmp_path_factory.mktemp("none"))
    created = await postgres.create_database(services=[service])
    async with asyncpg.create_pool(**created.connection(service.role), max_size=1, min_size=1) as pool:
        yield pool
    await postgres.drop_database(created)


def said_of(customer: str, news: Sequence[News]) -> list[RecordedFact[Any]]:
    """The registry's facts about a customer's merges, each with the survivor's copy beside it."""
    facts: list[RecordedFact[Any]] = []
    survivor = ""
    for one in news:
        if one is None:
            continue
        survivor = one or survivor
        for key in (customer, survivor):
            fact: Fact = (
                CustomersMerged(
                    customer=key, survivor=survivor, merged=customer, survivor_number="", merged_number="",
                    reason="", proposed_by="p", merged_by="q",
                )
                if one
                else CustomersUnmerged(customer=key, survivor=survivor, merged=customer, reason="", undone_by="p")
            )  # fmt: skip
            facts.append(
                RecordedFact(
                    fact,
                    new_id(),
                    f"customer-{key}",
                    1,
                    1,
                    key,
                    "customer-registry",
                    "q",
                    "R4",
                    new_id(),
                    None,
                    NOON,
                    NOON,
                )
            )
    return facts


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS, data=st.data())
async def test_any_interleaving_of_customers_leads_to_the_same_survivors(
    pool: asyncpg.Pool, steps: list[tuple[str, str]], data: st.DataObject
) -> None:
    histories = Histories()
    for one, other in steps:
        histories.happen(one, other)
    queues = {customer: said_of(customer, news) for customer, news in histories.news.items()}
    turns = data.draw(st.permutations([customer for customer, facts in queues.items() for _ in facts]))
    async with pool.acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        try:
            for customer in turns:
                fact = queues[customer].pop(0)
                await LINEAGE_VIEW.apply[type(fact.fact)](connection, fact)
            for customer in CUSTOMERS:
                survivor = await survivor_of(connection, customer)
                assert survivor not in histories.merged_into
                assert (customer in histories.family(survivor)) == (customer != survivor)
                found = {customer, *histories.family(customer)} if customer == survivor else {customer}
                assert set(await family_of(connection, customer)) == found
        finally:
            await transaction.rollback()
