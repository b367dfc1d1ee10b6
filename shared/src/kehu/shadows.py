"""Tables like a view's, in the schema beside it, which can take the place of the originals in one transaction."""

from __future__ import annotations

import asyncpg

from kehu.service import Service, View

_COPIED = "INCLUDING ALL EXCLUDING INDEXES"
# What LIKE leaves out and a copy would silently be without.
_NOT_COPIED = """
SELECT 'the foreign key ' || conname FROM pg_constraint
WHERE contype = 'f' AND (conrelid = $1::regclass OR confrelid = $1::regclass)
UNION ALL
SELECT 'the trigger ' || tgname FROM pg_trigger WHERE tgrelid = $1::regclass AND NOT tgisinternal
UNION ALL
SELECT 'what leans on it: ' || ev_class::regclass FROM pg_depend JOIN pg_rewrite ON pg_rewrite.oid = objid
WHERE refobjid = $1::regclass AND ev_class <> $1::regclass
"""
# Primary keys, unique and exclusion constraints by their definition, other indexes by theirs: names stay the same, so
# that later migrations find them.
_CONSTRAINTS = """
SELECT format('ALTER TABLE %s ADD CONSTRAINT %I %s', $2::text, conname, pg_get_constraintdef(oid))
FROM pg_constraint WHERE conrelid = $1::regclass AND contype IN ('p', 'u', 'x') ORDER BY conname
"""
_INDEXES = """
SELECT pg_get_indexdef(indexrelid) FROM pg_index
WHERE indrelid = $1::regclass
  AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid AND contype IN ('p', 'u', 'x'))
ORDER BY indexrelid
"""
_OPTIONS = "SELECT array_to_string(reloptions, ', ') FROM pg_class WHERE oid = $1::regclass"
_GRANTS = """
SELECT format('GRANT %s ON %s TO %s', string_agg(privilege_type, ', '), $2::text,
              CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END)
FROM pg_class, aclexplode(relacl) WHERE pg_class.oid = $1::regclass GROUP BY grantee
"""

_COMMENT = "SELECT format('COMMENT ON TABLE %s IS %L', $2::text, obj_description($1::regclass))"


class Shadow:
    """The tables that a view is folded into anew.

    Args:
        owner: a connection with the role that owns the tables.
        service: whose view.
        view: which one.

    """

    def __init__(self, owner: asyncpg.Connection, service: Service, view: View) -> None:
        self._owner = owner
        self._view = view
        self._schema = service.schema
        self._rebuild_schema = service.rebuild_schema

    async def create(self) -> None:
        """Make them, empty, with the same columns, indexes, constraints, options and grants.

        Raises:
            TypeError: a table has foreign keys or triggers, or an SQL view leans on it; a read model does without.

        """
        await self.drop()
        async with self._owner.transaction():
            for table in self._view.tables:
                await self._create(f"{self._schema}.{table}", f"{self._rebuild_schema}.{table}")

    async def _create(self, original: str, copy: str) -> None:
        problem = await self._owner.fetchval(_NOT_COPIED, original)
        if problem:
            raise TypeError(f"{original} cannot be rebuilt: a copy of it would lack {problem}.")
        await self._owner.execute(f"CREATE TABLE {copy} (LIKE {original} {_COPIED})")
        options = await self._owner.fetchval(_OPTIONS, original)
        if options:
            await self._owner.execute(f"ALTER TABLE {copy} SET ({options})")
        for row in await self._owner.fetch(_CONSTRAINTS, original, copy):
            await self._owner.execute(row[0])
        for row in await self._owner.fetch(_INDEXES, original):
            await self._owner.execute(row[0].replace(f" ON {original} ", f" ON {copy} ", 1))
        for query in (_GRANTS, _COMMENT):
            for row in await self._owner.fetch(query, original, copy):
                await self._owner.execute(row[0])

    async def analyze(self) -> None:
        """Give the planner the figures that it has of the originals."""
        for table in self._view.tables:
            await self._owner.execute(f"ANALYZE {self._rebuild_schema}.{table}")

    async def take_over(self) -> None:
        """Put them in the place of the originals, which are gone; within the caller's transaction."""
        for table in self._view.tables:
            await self._owner.execute(
                f"DROP TABLE {self._schema}.{table};"
                f"ALTER TABLE {self._rebuild_schema}.{table} SET SCHEMA {self._schema}"
            )

    async def drop(self) -> None:
        """Remove what is left in the schema beside: of a rebuild that did not come to its end."""
        for table in self._view.tables:
            await self._owner.execute(f"DROP TABLE IF EXISTS {self._rebuild_schema}.{table}")
