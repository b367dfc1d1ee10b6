"""What a service's reactions to its own facts decide, a page of facts at a time; the follower appends it.

A reaction's fact ids follow from the fact reacted to and the stream, so one that has been decided before is recognised
in the stream's own history and not decided again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from kehu.commands import first_of_its_stream, record_derived
from kehu.deciding import Category, Context, Decision, system_actor
from kehu.event_store import Append, Claim, EventStore, NewFact
from kehu.event_store.appending import MAX_STREAMS_PER_CALL
from kehu.facts import Fact, RecordedFact
from kehu.ids import derived_id
from kehu.recording import Codec, Origin
from kehu.remembering import RememberedStreams
from kehu.service import Reaction
from kehu.tracing import trace_headers


class TooManyStreamsError(Exception):
    """The facts of one page concern more streams than one append call takes; a smaller page will do."""

    def __init__(self, streams: int) -> None:
        super().__init__(f"Reactions to one page concern {streams} streams; {MAX_STREAMS_PER_CALL} go into one call.")


@dataclass(slots=True)
class _Draft:
    """A stream as it stands, and what is to be appended to it."""

    category: Category[Any]
    state: Any
    version: int
    known: frozenset[UUID]
    key: str = ""
    facts: list[NewFact] = field(default_factory=list[NewFact])
    claims: list[Claim] = field(default_factory=list[Claim])
    looked_at: bool = False


@dataclass(frozen=True, slots=True)
class _Case:
    """One fact, one reaction to it, one stream that it concerns."""

    reaction: Reaction
    cause: RecordedFact[Any]
    stream: str

    @property
    def consumer(self) -> str:
        # With the stream in it, what a cause makes on one stream never shifts the ids of what it makes on another.
        return f"{self.reaction.name}/{self.stream}"


class Reacting:
    """Decides what facts of the own log make a service do.

    Args:
        service: the service's name.
        pool: for what reactions gather.
        store: where the streams decided on are read.
        codec: the service's facts.

    """

    def __init__(self, service: str, pool: asyncpg.Pool, store: EventStore, codec: Codec) -> None:
        self._service = service
        self._pool = pool
        self._codec = codec
        self._streams = RememberedStreams(store, codec)

    async def decide(
        self,
        reactions: Sequence[Reaction],
        facts: Sequence[RecordedFact[Fact]],
        now: datetime,
        policies: Mapping[str, Any],
    ) -> list[Append]:
        """The appends that a page of facts leads to; several decisions on one stream fold over each other.

        Args:
            reactions: to facts of the own log.
            facts: in order.
            now: the policy's time.
            policies: in force now.

        Returns:
            One append per stream. One without facts says that its stream was looked at and must not have moved.

        Raises:
            TooManyStreamsError: give it fewer facts at once.

        """
        cases = [
            _Case(reaction, cause, reaction.category.stream(stream_id))
            for cause in facts
            for reaction in reactions
            if type(cause.fact) is reaction.on
            for stream_id in dict.fromkeys(reaction.stream_ids(cause))
        ]
        drafts = await self._load(cases)
        for case in cases:
            draft = drafts[case.stream]
            if derived_id(case.cause.id, case.consumer, 0) not in draft.known:
                await self._decide_one(case, draft, now, policies)
        return [
            Append(stream, draft.version, draft.key or stream.partition("-")[2], draft.facts, draft.claims)
            for stream, draft in drafts.items()
            if draft.looked_at
        ]

    async def _load(self, cases: Iterable[_Case]) -> dict[str, _Draft]:
        categories = {case.stream: case.reaction.category for case in cases}
        if len(categories) > MAX_STREAMS_PER_CALL:
            raise TooManyStreamsError(len(categories))
        if not categories:
            return {}
        return {
            stream: _Draft(categories[stream], standing.state, standing.version, standing.known)
            for stream, standing in (await self._streams.load(categories)).items()
        }

    async def _decide_one(self, case: _Case, draft: _Draft, now: datetime, policies: Mapping[str, Any]) -> None:
        reaction, cause = case.reaction, case.cause
        gathered = None
        if reaction.gather is not None:
            async with self._pool.acquire() as connection:
                gathered = await reaction.gather(connection, cause)
        actor = system_actor(self._service, reaction.name)
        decision: Decision = reaction.decide(cause, draft.state, Context(actor, now, policies, gathered))
        draft.looked_at = True
        draft.claims += decision.claims
        if not decision.facts:
            return
        draft.key = draft.key or first_of_its_stream(decision.facts[0], case.stream)
        draft.state = draft.category.fold(decision.facts, draft.state)
        origin = Origin(actor.id, now, cause.correlation, cause.id, trace_headers() or None)
        draft.facts += await record_derived(self._codec, case.stream, decision.facts, cause.id, case.consumer, origin)
