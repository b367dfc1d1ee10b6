"""Brings a database up to date: roles, schemas, tables, functions, and which service may touch what.

Safe to run at any time and by several processes at once (they queue on an advisory lock). Tables change by plain SQL
files applied once each (pogo-core keeps the list); functions are replaced at every run, one file each.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from importlib.resources import files
from pathlib import Path

import asyncpg
import structlog
from pogo_core.util import migrate as pogo

from kehu.facts import Fact
from kehu.service import Service, find_services
from kehu.settings import AUDITOR_ROLE, OWNER_ROLE, Settings

log = structlog.get_logger(__name__)

#: Any number that nobody else uses for an advisory lock on the same database.
MIGRATION_LOCK = 5_349_001
#: A writing transaction holds every reader of the log back; none of a service's may last longer.
SERVICE_TRANSACTION_TIMEOUT = "5s"

#: Scripts that others lean on come first; those that name others come last.
_TURN = {"service_of_session.sql": -1, "guards.sql": 1, "grants.sql": 2}


@asynccontextmanager
async def _alone(settings: Settings, database: str) -> AsyncGenerator[asyncpg.Connection]:
    connection = await asyncpg.connect(**settings.connection(OWNER_ROLE, database=database))
    try:
        await connection.execute("SELECT pg_advisory_lock($1)", MIGRATION_LOCK)
        yield connection
    finally:
        await connection.close()


async def migrate(
    settings: Settings, *, database: str | None = None, services: Iterable[Service] | None = None
) -> None:
    """Migrate one database as ``kehu_owner``.

    Args:
        settings: where the server is; `settings.secrets` holds the password file of every role.
        database: another one than `settings.database_name`.
        services: others than the installed ones (tests).

    """
    wanted = list(services) if services is not None else list(find_services().values())
    # Roles belong to the cluster, so its maintenance database is where they are made, one migration at a time.
    async with _alone(settings, "postgres") as connection:
        await _roles(connection, settings, wanted)
    async with _alone(settings, database or settings.database_name) as connection:
        await _store(connection, wanted)
        for service in wanted:
            await _service(connection, service)
    log.info("migrated", database=database or settings.database_name, services=[service.name for service in wanted])


async def _roles(connection: asyncpg.Connection, settings: Settings, services: Iterable[Service]) -> None:
    await _create_role(connection, "kehu_service", "NOLOGIN")
    await _create_role(connection, AUDITOR_ROLE, "LOGIN", settings.password(AUDITOR_ROLE))
    for service in services:
        await _create_role(connection, service.role, "LOGIN IN ROLE kehu_service", settings.password(service.role))
        await connection.execute(
            f"ALTER ROLE {service.role} SET transaction_timeout = '{SERVICE_TRANSACTION_TIMEOUT}';"
            f"ALTER ROLE {service.role} SET search_path = {service.schema}"
        )


async def _create_role(connection: asyncpg.Connection, role: str, options: str, password: str | None = None) -> None:
    if not await connection.fetchval("SELECT 1 FROM pg_roles WHERE rolname = $1", role):
        await connection.execute(f"CREATE ROLE {role} {options}")
    if password:
        literal = await connection.fetchval("SELECT quote_literal($1::text)", password)
        await connection.execute(f"ALTER ROLE {role} PASSWORD {literal}")


async def _store(connection: asyncpg.Connection, services: Iterable[Service]) -> None:
    await connection.execute("CREATE SCHEMA IF NOT EXISTS event_store")
    await _apply_once(connection, _folder("kehu.event_store", "migrations"), "event_store")
    for package in ("kehu.event_store", "kehu.privacy"):
        scripts = _folder(package, "sql").glob("*.sql")
        for script in sorted(scripts, key=lambda script: (_TURN.get(script.name, 0), script.name)):
            await connection.execute(script.read_text())
    for service in services:
        await _register(connection, service)


async def _register(connection: asyncpg.Connection, service: Service) -> None:
    await connection.execute(
        "INSERT INTO event_store.services (service, role) VALUES ($1, $2) ON CONFLICT DO NOTHING",
        service.name,
        service.role,
    )
    await connection.executemany(
        "INSERT INTO event_store.categories (category, service) VALUES ($1, $2) ON CONFLICT DO NOTHING",
        [(category, service.name) for category in sorted(service.category_names())],
    )
    owned = await connection.fetch(
        "SELECT category, service FROM event_store.categories WHERE category = ANY ($1) AND service <> $2",
        sorted(service.category_names()),
        service.name,
    )
    if owned:
        raise ValueError(f"A category belongs to one service: {service.name} also declares {dict(owned)}.")
    await connection.execute("DELETE FROM event_store.subscriptions WHERE service = $1", service.name)
    await connection.executemany(
        "INSERT INTO event_store.subscriptions (service, type) VALUES ($1, $2)",
        # One type may come from several services (StepEscalated does).
        [(service.name, name) for name in _names(set().union(*service.subscriptions().values()))],
    )


def _names(facts: Iterable[type[Fact]]) -> list[str]:
    """The wire names of all versions: a rebuild reads what was stored under older ones too."""
    return sorted(f"kehu.{fact.__name__}.v{version}" for fact in facts for version in range(1, fact.schema_version + 1))


async def _service(connection: asyncpg.Connection, service: Service) -> None:
    for schema in (service.schema, service.rebuild_schema):
        await connection.execute(
            f"CREATE SCHEMA IF NOT EXISTS {schema};"
            f"GRANT USAGE ON SCHEMA {schema} TO {service.role};"
            f"ALTER DEFAULT PRIVILEGES IN SCHEMA {schema}"
            f" GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {service.role};"
            f"ALTER DEFAULT PRIVILEGES IN SCHEMA {schema} GRANT USAGE ON SEQUENCES TO {service.role}"
        )
    platform = _folder("kehu", "migrations_platform")
    _check_names_differ(platform, service.migrations)
    await _apply_once(connection, platform, service.schema)
    await _apply_once(connection, service.migrations, service.schema)


def _check_names_differ(platform: Path, own: Path) -> None:
    """Both are applied to one schema, where a file counts as applied by its name.

    Raises:
        ValueError: two files have the same name; the second would never be applied.

    """
    same = {file.stem for file in platform.glob("*.sql")} & {file.stem for file in own.glob("*.sql")}
    if same:
        raise ValueError(f"Rename {', '.join(sorted(same))} in {own}: the platform has a migration of that name.")


def _folder(package: str, name: str) -> Path:
    """A folder of data inside a package; packages of a service are always installed as files."""
    return Path(str(files(package))) / name


async def _apply_once(connection: asyncpg.Connection, folder: Path, schema: str) -> None:
    await connection.execute(f"SET search_path = {schema}")
    await pogo.apply(connection, folder, schema_name=schema, logger=log)
    await connection.execute("RESET search_path")
