"""Two tiny services, a maker and a counter, for tests and measurements of the way from one to the other.

The maker publishes `ThingMade`. The counter counts things by their box (a reaction, on a stream of its own) and folds
them into a view; other systems may send it `BoxReported`.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import asyncpg

from kehu.consuming import Consumers
from kehu.contracts.published import PublishedFact
from kehu.deciding import Category, Context, Decision
from kehu.errors import Refused
from kehu.event_store import Append, Claim, EventStore
from kehu.facts import Fact, FactTypes, RecordedFact
from kehu.folding import Folding
from kehu.ids import new_id
from kehu.inbound import inbound_category
from kehu.privacy import Keyring
from kehu.recording import Codec, Origin, Unrecorded
from kehu.service import Beside, Feature, Inbound, Reaction, Service, View
from kehu.settings import Settings

MIGRATIONS = Path(__file__).parent / "pair_migrations"
MOST_IN_A_BOX = 1_000_000
PARTNER = "https://partner.example/boxes"


class ThingMade(PublishedFact):
    """The maker made a thing; `number` counts within the thing's stream from 1."""

    thing: str
    number: int
    box: str = "box"


class ThingPainted(PublishedFact):
    """Published by the maker; nobody listens to it."""

    thing: str


class ThingScratched(Fact):
    """Nobody's business but the maker's."""

    thing: str


class BoxCounted(Fact):
    """The counter counted one more thing into a box."""

    thing: str
    number: int
    total: int


class BoxReported(PublishedFact):
    """Another system says how many things a box holds.

    `label` is one box's alone; `beside` names a box that has to be empty.
    """

    box: str
    total: int
    label: str = ""
    beside: str = ""


def _total(state: int, fact: Fact) -> int:
    return fact.total if isinstance(fact, BoxCounted | BoxReported) else state


THING: Category[None] = Category("thing", (ThingMade, ThingPainted, ThingScratched), None, lambda state, _: state)
BOX: Category[int] = Category("box", (BoxCounted, BoxReported), 0, _total)


def count_in_box(recorded: RecordedFact[ThingMade], total: int, _context: Context) -> Decision:
    """One more thing in the box."""
    return Decision([BoxCounted(thing=recorded.fact.thing, number=recorded.fact.number, total=total + 1)])


def take_report(recorded: RecordedFact[BoxReported], _total: int, context: Context) -> Decision:
    """What the other system says holds, if it can be."""
    fact = recorded.fact
    if fact.total > MOST_IN_A_BOX:
        raise Refused("箱子装不下。", "The box cannot hold that many.", code="box-too-small", clause="R0.0")
    beside: Beside = context.gathered
    if any(beside.states):
        raise Refused("旁边的箱子不空。", "The box beside it is not empty.", code="beside-not-empty", clause="R0.0")
    claims = [Claim("label", fact.label, holder=BOX.stream(fact.box))] if fact.label else []
    return Decision([BoxReported(box=fact.box, total=fact.total, label=fact.label)], claims)


def box_beside(recorded: RecordedFact[BoxReported]) -> Sequence[tuple[Category[Any], str]]:
    """The box that a report leans on, if it names one."""
    return [(BOX, recorded.fact.beside)] if recorded.fact.beside else []


class ThingRow(NamedTuple):
    """What the view knows of a thing: `numbers` has every number in the order in which it was applied."""

    thing: str
    made: int
    last_number: int
    numbers: list[int]


def note_thing(row: ThingRow | None, recorded: RecordedFact[ThingMade]) -> ThingRow:
    """Fold a thing into the view."""
    fact = recorded.fact
    made, numbers = (row.made, row.numbers) if row else (0, [])
    return ThingRow(fact.thing, made + 1, fact.number, [*numbers, fact.number])


THINGS: Folding[ThingRow] = Folding("things", ThingRow, lambda recorded: recorded.fact.thing, {ThingMade: note_thing})


MAKER = Service(
    name="pair-maker",
    title="Maker",
    features=[Feature("things", categories=[THING])],
    migrations=MIGRATIONS,
    partitions=3,
)
COUNTER = Service(
    name="pair-counter",
    title="Counter",
    features=[
        Feature(
            "boxes",
            categories=[BOX],
            reactions=[
                Reaction("count", ThingMade, MAKER.name, BOX, lambda recorded: [recorded.fact.box], count_in_box)
            ],
            views=[View("things", MAKER.name, ("things",), foldings=[THINGS])],
            inbound=[
                Inbound(
                    "box-reports",
                    BoxReported,
                    frozenset({PARTNER}),
                    BOX,
                    lambda recorded: [recorded.fact.box],
                    take_report,
                    beside=box_beside,
                )
            ],
        )
    ],
    migrations=MIGRATIONS,
    partitions=3,
)
PAIR = (MAKER, COUNTER)


@dataclass(slots=True)
class Member:
    """One of the two, connected to its database."""

    service: Service
    settings: Settings
    pool: asyncpg.Pool
    store: EventStore
    keyring: Keyring
    codec: Codec

    async def make(self, thing: str, numbers: Sequence[int], box: str = "box") -> None:
        """Have the maker make a thing several times, in one append."""
        await self.record(thing, [ThingMade(thing=thing, number=number, box=box) for number in numbers])

    async def record(self, thing: str, facts: Sequence[Fact]) -> None:
        """Append facts to a thing's stream; its Kafka key is the thing."""
        origin = Origin("u-1", datetime.now(UTC), new_id())
        stream = THING.stream(thing)
        rows = await self.codec.encode([Unrecorded(fact, stream, new_id(), origin) for fact in facts])
        await self.store.append(Append(stream, None, thing, rows))

    def consumers(self) -> Consumers:
        """The consumers of the service, not started."""
        return Consumers(
            self.service,
            self.pool,
            self.store,
            self.codec,
            self.keyring,
            self.settings,
            lambda: datetime.now(UTC),
            _no_policies,
        )


async def _no_policies() -> Mapping[str, Any]:
    return {}


@asynccontextmanager
async def member(service: Service, settings: Settings) -> AsyncGenerator[Member]:
    """One of the two, connected to a database that has been migrated with `PAIR`."""
    async with asyncpg.create_pool(**settings.connection(service.role), min_size=2, max_size=8) as pool:
        keyring = Keyring(pool, settings.master_key())
        types = {fact for category in service.each("categories") for fact in category.facts}
        types |= {fact for facts in service.subscriptions().values() for fact in facts}
        types |= set(inbound_category(service).facts)
        codec = Codec(FactTypes(types), keyring)
        yield Member(service, settings, pool, EventStore(pool), keyring, codec)
