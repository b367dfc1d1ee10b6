"""Tables whose rows are folded from facts in memory, and written once for all facts of a page.

A statement for every fact costs the server 8 us or more, most of it for a version of the row that the next fact of the
page replaces, whether it comes in a round trip of its own or in a set. A step in memory costs 1 us.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from kehu.facts import Fact, RecordedFact

if TYPE_CHECKING:
    from kehu.event_store import Connection

R = TypeVar("R", bound=tuple[Any, ...])


@dataclass(frozen=True, slots=True)
class Folding(Generic[R]):
    """How the rows of one table follow from facts. Pure functions do it; nothing else may write the table.

    Args:
        table: its name, unqualified; its primary key is one column.
        row: a NamedTuple with all its columns as fields, the primary key first.
        key: the primary key of the row that a fact is about.
        steps: per fact type, the row after it from the row before it; None is no row. Must not depend on how facts of
            different Kafka keys interleave.

    """

    table: str
    row: type[R]
    key: Callable[[RecordedFact[Any]], Any]
    steps: Mapping[type[Fact], Callable[[R | None, RecordedFact[Any]], R | None]]
    _sql: _Statements = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        columns: tuple[str, ...] = getattr(self.row, "_fields", ())
        if not columns:
            raise TypeError(f"The rows of {self.table} are {self.row!r}: they must be a NamedTuple.")
        object.__setattr__(self, "_sql", _statements(self.table, columns))

    async def apply(self, connection: Connection, facts: Sequence[RecordedFact[Any]]) -> None:
        """Fold facts into the table, within the caller's transaction.

        Args:
            connection: with the table on its search path.
            facts: in order; those of other types are passed over.

        Raises:
            asyncpg.UniqueViolationError: somebody else has made one of the rows meanwhile; done again, it is seen.

        """
        steps = [(self.key(fact), step, fact) for fact in facts if (step := self.steps.get(type(fact.fact)))]
        if not steps:
            return
        before = await self._load(connection, [key for key, _, _ in steps])
        after: dict[Any, R | None] = dict(before)
        for key, step, fact in steps:
            after[key] = step(after.get(key), fact)
        sql = self._sql
        made = [row for key, row in after.items() if row is not None and key not in before]
        changed = [row for key, row in after.items() if row is not None and row != before.get(key, row)]
        gone = [key for key, row in after.items() if row is None and key in before]
        if gone:
            await connection.execute(sql.delete, gone)
        if changed and sql.update:
            await connection.executemany(sql.update, changed)
        if made:
            await connection.executemany(sql.insert, made)

    async def _load(self, connection: Connection, keys: Sequence[Any]) -> dict[Any, R]:
        """The rows as they are, held until the transaction ends: consumers of two partitions may meet in one."""
        make = getattr(self.row, "_make")  # noqa: B009 - a NamedTuple's, which no type can ask for
        return {found[0]: make(found) for found in await connection.fetch(self._sql.load, list(dict.fromkeys(keys)))}


@dataclass(frozen=True, slots=True)
class _Statements:
    load: str
    insert: str
    update: str
    delete: str


def _statements(table: str, columns: Sequence[str]) -> _Statements:
    key, *others = columns
    names = ", ".join(columns)
    values = ", ".join(f"${number}" for number in range(1, len(columns) + 1))
    changes = ", ".join(f"{column} = ${number}" for number, column in enumerate(others, 2))
    return _Statements(
        # In one order for everybody, so that two who hold some of the same rows wait and do not deadlock.
        load=f"SELECT {names} FROM {table} WHERE {key} = ANY ($1) ORDER BY {key} FOR UPDATE",
        # Not ON CONFLICT DO UPDATE: a row that somebody else has just made must not be written over unseen.
        insert=f"INSERT INTO {table} ({names}) VALUES ({values})",
        update=f"UPDATE {table} SET {changes} WHERE {key} = $1" if changes else "",
        delete=f"DELETE FROM {table} WHERE {key} = ANY ($1)",
    )
