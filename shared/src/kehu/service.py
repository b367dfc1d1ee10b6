"""What a service is made of. `app.py` of each service builds one `Service`; `kehu.running` runs it.

The declarations here are read by everything: the consumer (reactions and views of a topic), the follower (views of the
service's own log), the scheduler, the migration (categories, subscriptions), the documents (OpenAPI, AsyncAPI).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kehu.deciding import Category, Context, Decision
from kehu.facts import Fact, RecordedFact
from kehu.folding import Folding

if TYPE_CHECKING:
    from fastapi import APIRouter

    from kehu.event_store import Connection
    from kehu.policies import PolicyKind

#: Where a view's facts come from: the service's own log, or the topic of another service (by its name).
OWN_LOG = "own-log"


@dataclass(frozen=True, slots=True)
class Reaction:
    """What a fact makes this service do: facts on one stream of its own, decided like a command.

    Args:
        name: stands in the actor and the deterministic ids; never reused for something else.
        on: the fact reacted to: a contract of another service (through Kafka), or one's own (from the own log).
        source: the service whose fact it is.
        category: whose stream it appends to.
        stream_ids: which streams of that category the fact concerns (ids); each is decided on its own.
        decide: `(recorded fact, state, context) -> Decision`; pure. Must come to the same end in whichever order
            facts of different topics arrive; a fact about something unknown yet is kept in the state.
        gather: looked up before deciding, put into `context.gathered`; reads views of this service only.

    """

    name: str
    on: type[Fact]
    source: str
    category: Category[Any]
    stream_ids: Callable[[RecordedFact[Any]], Sequence[str]]
    decide: Callable[[RecordedFact[Any], Any, Context], Decision]
    gather: Callable[[Connection, RecordedFact[Any]], Awaitable[Any]] | None = None


Apply = Callable[["Connection", RecordedFact[Any]], Awaitable[None]]
#: The key of a blind index for a purpose (`kehu.privacy.Keyring.index_key`).
IndexKey = Callable[[str], bytes]
IndexedApply = Callable[["Connection", RecordedFact[Any], IndexKey], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class View:
    """A read model: one or more tables, folded from one source of facts.

    Args:
        name: of the view, for cursor, metrics and `kehu rebuild`.
        source: `OWN_LOG` or the name of the service whose topic feeds it.
        tables: its tables, created by the service's migrations; written by nothing but this view.
        apply: per fact type, one statement or a few, with unqualified table names (a rebuild runs the same functions
            with another schema in front of the search path). The rows must not depend on how facts of different
            Kafka keys interleave.
        indexed: the same, for projections that write personal values as a blind index.
        foldings: the tables whose rows are folded in memory and written once a page: for those to which many facts
            come. What `apply` and `indexed` do neither writes nor reads these.

    """

    name: str
    source: str
    tables: tuple[str, ...]
    apply: Mapping[type[Fact], Apply] = field(default_factory=dict[type[Fact], Apply])
    indexed: Mapping[type[Fact], IndexedApply] = field(default_factory=dict[type[Fact], IndexedApply])
    foldings: Sequence[Folding[Any]] = ()

    @property
    def facts(self) -> tuple[type[Fact], ...]:
        """Every fact that it is folded from."""
        folded = (fact for folding in self.foldings for fact in folding.steps)
        return tuple(dict.fromkeys((*self.apply, *self.indexed, *folded)))


@dataclass(frozen=True, slots=True)
class Due:
    """An item of a schedule: fire for `key` at `at` (aware). Replaces what was planned for that key."""

    key: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Done:
    """Nothing is to be fired for `key` any more."""

    key: str


@dataclass(frozen=True, slots=True)
class Schedule:
    """Work that falls due: planned by own facts, fired once.

    Args:
        kind: its name, such as ``f7-overdue``; part of the deterministic fact ids.
        planned_by: per own fact type, what it plans or takes off the list.
        category: whose stream `fire` decides on.
        stream_id: from the item's key.
        fire: `(key, due, state, context) -> Decision`; pure; decides from the state whether anything is still to do.

    """

    kind: str
    planned_by: Mapping[type[Fact], Callable[[RecordedFact[Any]], Due | Done | None]]
    category: Category[Any]
    stream_id: Callable[[str], str]
    fire: Callable[[str, datetime, Any, Context], Decision]


@dataclass(frozen=True, slots=True)
class Inbound:
    """A contract that other systems may send to the service's inbound topic.

    Each message counts once by (source, id). What `decide` refuses with a `KehuError` is answered with a published
    `InboundRefused` fact; nothing else is recorded of it.

    Args:
        name: stands in the actor (``system:<service>/<name>``, with the sender in the fact's metadata).
        type: the public contract that it must be.
        sources: the CloudEvents sources that may send it (an allow-list).
        category, stream_ids, decide, gather: as for a `Reaction`.
        resolve: gives the message with the sender's names of things replaced by Kehu's ids, before anything else looks
            at it (客户编号 -> customer); names that are not known stay, for `decide` to refuse.
        beside: further streams that the decision leans on, by category and id. `context.gathered` is then a `Beside`,
            and what is decided counts only if none of them has moved meanwhile.
        others: further streams that get facts of the same decision, by category and id, given the state of the first.
            `decide` then gets the states of all of them, the first in front, and gives a decision for each.

    """

    name: str
    type: type[Fact]
    sources: frozenset[str]
    category: Category[Any]
    stream_ids: Callable[[RecordedFact[Any]], Sequence[str]]
    decide: Callable[[RecordedFact[Any], Any, Context], Decision | Sequence[Decision]]
    gather: Callable[[Connection, RecordedFact[Any]], Awaitable[Any]] | None = None
    resolve: Callable[[Connection, RecordedFact[Any]], Awaitable[RecordedFact[Any]]] | None = None
    beside: Callable[[RecordedFact[Any]], Sequence[tuple[Category[Any], str]]] | None = None
    others: Callable[[RecordedFact[Any], Any], Sequence[tuple[Category[Any], str]]] | None = None


@dataclass(frozen=True, slots=True)
class Beside:
    """What the decision on an inbound message leans on: what was gathered, and the states of the streams beside."""

    gathered: Any
    states: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Feature:
    """One noun of the policy: whatever of these rooms it has."""

    name: str
    categories: Sequence[Category[Any]] = ()
    reactions: Sequence[Reaction] = ()
    views: Sequence[View] = ()
    schedules: Sequence[Schedule] = ()
    policies: Sequence[PolicyKind[Any]] = ()
    inbound: Sequence[Inbound] = ()
    router: APIRouter | None = None
    workers: Sequence[Callable[[Any], Awaitable[None]]] = ()


@dataclass(frozen=True, slots=True)
class Service:
    """A service, whole. `partitions` of its topic never change in place (growing is a new topic)."""

    name: str
    title: str
    features: Sequence[Feature]
    migrations: Path
    #: Four, because the embedded broker cannot be kept from making a topic that a consumer asks for before its owner
    #: has made it, and makes it with four.
    partitions: int = 4
    extra: Mapping[str, Any] = field(default_factory=dict[str, Any])

    @property
    def schema(self) -> str:
        """Its database schema."""
        return self.name.replace("-", "_")

    @property
    def rebuild_schema(self) -> str:
        """The schema in which a view is folded anew before it takes the old one's place."""
        return f"{self.schema}_rebuild"

    @property
    def role(self) -> str:
        """Its database role."""
        return f"kehu_{self.schema}"

    @property
    def topic(self) -> str:
        """The topic of its published facts."""
        return f"kehu.{self.name}"

    @property
    def inbound_topic(self) -> str:
        """The topic on which other systems send to it."""
        return f"kehu.inbound.{self.name}"

    def each(self, room: str) -> list[Any]:
        """Everything that the features have of one room, such as ``reactions``."""
        return [thing for feature in self.features for thing in getattr(feature, room)]

    def category_names(self) -> set[str]:
        """The categories of streams that are its own: the features' and the platform's three."""
        declared = {category.name for category in self.each("categories")}
        return declared | {f"{self.schema}_{own}" for own in ("policy", "inbound", "unmasked")}

    def subscriptions(self) -> dict[str, set[type[Fact]]]:
        """By source service: the facts of its topic that reactions and views lean on."""
        wanted: dict[str, set[type[Fact]]] = {}
        for reaction in self.each("reactions"):
            if reaction.source != self.name:
                wanted.setdefault(reaction.source, set()).add(reaction.on)
        for view in self.each("views"):
            if view.source not in (OWN_LOG, self.name):
                wanted.setdefault(view.source, set()).update(view.facts)
        return wanted


def migrations_beside(app: str) -> Path:
    """The folder of a service's migrations, from its ``app.py``'s ``__file__``.

    In the wheel they lie inside the package, in the source tree beside `src`.
    """
    package = Path(app).parent
    installed = package / "migrations"
    return installed if installed.is_dir() else package.parents[1] / "migrations"


def find_services() -> dict[str, Service]:
    """Every installed service by its name (entry points of the group ``kehu.services``), in the order of names."""
    found = sorted(entry_points(group="kehu.services"), key=lambda point: point.name)
    return {point.name: point.load() for point in found}


def find_service(name: str) -> Service:
    """One installed service.

    Raises:
        LookupError: there is none of that name.

    """
    names = [point.name for point in entry_points(group="kehu.services")]
    for point in entry_points(group="kehu.services", name=name):
        loaded: Service = point.load()
        return loaded
    raise LookupError(f"No service is called {name}; there are {', '.join(sorted(names))}.")
