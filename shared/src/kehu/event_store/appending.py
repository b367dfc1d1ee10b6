"""What is asked of one append and what comes of it, and the one SQL call that carries many of them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple, TypeAlias
from uuid import UUID

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from kehu.errors import KehuError
from kehu.facts import Position

Connection: TypeAlias = asyncpg.Connection | PoolConnectionProxy

#: One envelope may not be larger (Kafka's default limit is 1 MiB for a whole batch of them).
MAX_FACT_BYTES = 256 * 1024
#: More streams than this in one call could exhaust the server's lock table (`max_locks_per_transaction` 256).
MAX_STREAMS_PER_CALL = 500


class NewFact(NamedTuple):
    """A fact ready to be stored: its envelope, and its data as JSON text with personal fields sealed."""

    id: UUID
    type: str
    schema_version: int
    data: str
    metadata: str
    actor: str
    correlation: UUID
    occurred_at: datetime
    published: bool


@dataclass(frozen=True, slots=True)
class Claim:
    """A value that one holder only may have: a USCC, an idempotency key, an invoice number, a bank reference.

    With a `digest` it is an idempotency key: whoever comes second gets `Taken` with the first one's digest and
    `answer` (JSON text). With `release` it is given back.
    """

    scope: str
    value: str
    holder: str
    digest: str | None = None
    answer: str | None = None
    release: bool = False


@dataclass(frozen=True, slots=True)
class Append:
    """Facts for one stream. `expected`: None any version, 0 no such stream yet, n exactly this version.

    `key` is the Kafka key: it counts when the stream is new, and stays the stream's for ever. Without facts an append
    only checks that the stream still stands at `expected`.
    """

    stream: str
    expected: int | None
    key: str
    facts: Sequence[NewFact] = ()
    claims: Sequence[Claim] = ()


@dataclass(frozen=True, slots=True)
class InboxMove:
    """A consumer's step in a stream of another service: everything up to `to` has had its effect.

    An external message has a stream of its own, ``external/<source>/<id>``, that goes from 0 to 1.
    """

    consumer: str
    stream: str
    was: int
    to: int


@dataclass(frozen=True, slots=True)
class Appended:
    """It is in the log. `known`: it had been already (the same fact ids); nothing was written again."""

    stream: str
    version: int
    position: Position
    known: bool = False


class Conflict(KehuError):
    """The stream does not stand where the writer believed."""

    code = "version-conflict"
    status = 409

    def __init__(self, stream: str, expected: int | None, actual: int) -> None:
        super().__init__(
            f"已被他人修改:现为第 {actual} 版,而您依据的是第 {expected} 版。请重新读取后再提交。",
            f"Wrong expected version: {expected} (stream: {stream}, at {actual}). Read it again, then repeat.",
            stream=stream,
            expected=expected,
            actual=actual,
        )
        self.stream = stream
        self.expected = expected
        self.actual = actual


class Taken(KehuError):
    """Another holder has the claimed value. `digest` and `answer` are set for an idempotency key."""

    code = "taken"
    status = 409

    def __init__(self, scope: str, value: str, holder: str, digest: str | None, answer: Any) -> None:
        super().__init__(
            f"该值已被占用({scope})。",
            f"The value is taken ({scope}), held by {holder}.",
            scope=scope,
            holder=holder,
        )
        self.scope = scope
        self.value = value
        self.holder = holder
        self.digest = digest
        self.answer = answer


class FactTooLarge(KehuError):
    """An envelope is over 256 KiB."""

    code = "too-large"
    status = 413

    def __init__(self, size: int) -> None:
        super().__init__(
            f"内容过大:{size} 字节,上限为 {MAX_FACT_BYTES} 字节。",
            f"Too large: {size} bytes; the limit is {MAX_FACT_BYTES} bytes.",
        )


class InboxMoved(Exception):
    """Another consumer of the group has moved the inbox meanwhile; roll back and read again."""


Outcome = Appended | Conflict | Taken

_CALL = """SELECT outcome, version, tx, "position", detail FROM event_store.append(
    $1,$2,$3,$4,$5, $6,$7,$8,$9,$10,$11,$12,$13,$14,$15,$16, $17,$18,$19,$20,$21,$22,$23, $24,$25,$26,$27)"""


def check_size(append: Append) -> None:
    """Refuse a fact that is too large before it reaches the server.

    Raises:
        FactTooLarge: naming its size in bytes.

    """
    for fact in append.facts:
        size = len(fact.data) + len(fact.metadata)
        # Characters are at least as many as a quarter of the bytes: most facts need no encoding to be measured.
        if size * 4 > MAX_FACT_BYTES:
            size = len(fact.data.encode()) + len(fact.metadata.encode())
            if size > MAX_FACT_BYTES:
                raise FactTooLarge(size)


async def call_append(
    connection: Connection, appends: Sequence[Append], moves: Sequence[InboxMove] = ()
) -> list[Outcome]:
    """Carry out `appends` in one call; the first write of `connection`'s transaction.

    Returns:
        One outcome per append, in order.

    Raises:
        InboxMoved: a move's `was` is no longer true; the transaction must be rolled back.
        asyncpg.PostgresError: the call as a whole failed.

    """
    try:
        rows = await connection.fetch(_CALL, *_append_columns(appends), *_claim_columns(appends), *_move_columns(moves))
    except asyncpg.PostgresError as error:
        if getattr(error, "sqlstate", None) == "KE005":
            raise InboxMoved(str(error)) from error
        raise
    return [_outcome(append, row) for append, row in zip(appends, rows, strict=True)]


_Columns: TypeAlias = Sequence[Sequence[Any] | None]

#: What a call has none of goes as NULL: the server takes that for an empty array, and it costs a quarter of one.
_NO_FACTS: _Columns = (None,) * 11
_NO_CLAIMS: _Columns = (None,) * 7
_NO_MOVES: _Columns = (None,) * 4


def _append_columns(appends: Sequence[Append]) -> _Columns:
    """The parameters a_* and f_*: of every fact its append, its place there, and its place among the published ones."""
    owners: list[int] = []
    places: list[int] = []
    turns: list[int | None] = []
    leaving: list[int] = []
    facts: list[NewFact] = []
    for number, append in enumerate(appends, 1):
        published = 0
        for place, fact in enumerate(append.facts, 1):
            owners.append(number)
            places.append(place)
            if fact.published:
                published += 1
                turns.append(published)
            else:
                turns.append(None)
        leaving.append(published)
        facts += append.facts
    return (
        [append.stream for append in appends],
        [append.expected for append in appends],
        [append.key for append in appends],
        [len(append.facts) for append in appends],
        leaving,
        *((owners, places, turns, *_fact_columns(facts)) if facts else _NO_FACTS),
    )


def _fact_columns(facts: Sequence[NewFact]) -> _Columns:
    """The columns of facts in their own order; what all of a call share goes as one entry (see append.sql).

    Nearly everything is shared by the facts of one command, and writing an entry takes longer than comparing it.
    """
    # `published` is in `turns` already.
    ids, types, versions, data, metadata, actors, correlations, times, _ = zip(*facts, strict=True)
    return (
        ids,
        _once(types),
        _once(versions),
        data,
        _once(metadata),
        _once(actors),
        _once(correlations),
        _once(times),
    )


def _once(column: Sequence[Any]) -> Sequence[Any]:
    return column[:1] if column.count(column[0]) == len(column) else column


def _claim_columns(appends: Sequence[Append]) -> _Columns:
    claims = [(number, claim) for number, append in enumerate(appends, 1) for claim in append.claims]
    if not claims:
        return _NO_CLAIMS
    return (
        [number for number, _ in claims],
        [claim.scope for _, claim in claims],
        [claim.value for _, claim in claims],
        [claim.holder for _, claim in claims],
        [claim.digest for _, claim in claims],
        [claim.answer for _, claim in claims],
        [claim.release for _, claim in claims],
    )


def _move_columns(moves: Sequence[InboxMove]) -> _Columns:
    if not moves:
        return _NO_MOVES
    return (
        [move.consumer for move in moves],
        [move.stream for move in moves],
        [move.was for move in moves],
        [move.to for move in moves],
    )


def _outcome(append: Append, row: asyncpg.Record) -> Outcome:
    match row["outcome"]:
        case "conflict":
            return Conflict(append.stream, append.expected, row["version"])
        case "taken":
            detail = json.loads(row["detail"])
            return Taken(detail["scope"], detail["value"], detail["holder"], detail["digest"], detail["answer"])
        case outcome:
            position = Position(row["tx"] or 0, row["position"] or 0)
            return Appended(append.stream, row["version"], position, known=outcome == "known")
