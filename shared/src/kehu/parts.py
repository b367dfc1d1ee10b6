"""What a running service consists of: its connections, store, keys, clock, policies and views, put together.

Routes and workers get a `Running`; `kehu.running` adds what runs beside them. Tests of routes and tools need no more.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from typing import Any

import asyncpg
import stamina

from kehu.clock import Clock
from kehu.commands import Commands
from kehu.contracts.platform import InboundRefused
from kehu.event_store import Append, Appended, EventStore
from kehu.facts import Fact, FactTypes
from kehu.inbound import DeadLetterDiscarded
from kehu.metrics import APPEND_SECONDS
from kehu.policies import POLICY_FACTS, Policies
from kehu.privacy import Keyring
from kehu.recording import Codec
from kehu.service import Service
from kehu.settings import Settings
from kehu.unmasking import PersonalValuesUnmasked
from kehu.views import Follower

#: Five services with two pools each, a relay's connection each and the tools stay well below PostgreSQL's limit.
POOL_SIZE = 12
#: A statement of a request takes milliseconds; the server ends a transaction after 5 s itself.
COMMAND_TIMEOUT_SECONDS = 10.0
#: A database that is being started is waited for.
DATABASE_WAIT_SECONDS = 60.0
_CLOSE_SECONDS = 2.0


class NotMigratedError(RuntimeError):
    """The database has no place for this service yet."""

    def __init__(self, service: str, reason: str) -> None:
        super().__init__(f"The database is not ready for {service} ({reason}): run `kehu migrate` first.")


class RestoredLogError(RuntimeError):
    """The log holds transaction ids that this server has yet to give out; see docs on restoring."""

    def __init__(self, last: int, following: int) -> None:
        super().__init__(
            f"The log's last transaction is {last}, but the server's next one is {following}: the log comes from a "
            "logical dump, and readers would skip facts. Go back to a physical backup, or run `kehu restore` with all "
            "services stopped (docs/operating.md)."
        )


class MeasuredStore(EventStore):
    """The event store, with its append latency measured."""

    async def append(self, append: Append) -> Appended:
        """See `EventStore.append`."""
        with APPEND_SECONDS.time():
            return await super().append(append)


@dataclass(frozen=True, slots=True)
class Running:
    """The parts of one running service.

    Args:
        service: what it is made of.
        settings: where everything is.
        pool: connections with the service's role; its views' tables need no schema in front.
        keyring: seals and opens personal fields.
        codec: the facts that it stores and reads.
        store: its event store.
        commands: carries out commands on its streams.
        clock: the policy's time.
        policies: policy data by date.
        follower: folds its views from its own log.
        wakes: called after each commit that appended facts.

    """

    service: Service
    settings: Settings
    pool: asyncpg.Pool
    keyring: Keyring
    codec: Codec
    store: EventStore
    commands: Commands
    clock: Clock
    policies: Policies
    follower: Follower
    wakes: list[Callable[[], None]]


def fact_types(service: Service) -> FactTypes:
    """Every fact that a service stores or reads: its own, its subscriptions', what it lets in, and the platform's."""
    types: set[type[Fact]] = {fact for category in service.each("categories") for fact in category.facts}
    types.update(fact for facts in service.subscriptions().values() for fact in facts)
    types.update(inbound.type for inbound in service.each("inbound"))
    types.update((*POLICY_FACTS, InboundRefused, DeadLetterDiscarded, PersonalValuesUnmasked))
    return FactTypes(sorted(types, key=lambda fact: fact.type_name()))


@contextlib.asynccontextmanager
async def connect(service: Service, settings: Settings) -> AsyncGenerator[Running]:
    """Put the parts of a service together on an open database; at the end, close its connections.

    Args:
        service: which one.
        settings: where everything is.

    Raises:
        NotMigratedError: `kehu migrate` has not been run for it.
        RestoredLogError: the log's transaction ids are not below the server's next one.

    """
    async with contextlib.AsyncExitStack() as stack:
        pool = await _open(service, settings)
        stack.push_async_callback(_close, pool)
        await _check_log(pool)
        store_pool = await open_store_pool(service, settings)
        stack.push_async_callback(_close, store_pool)
        wakes: list[Callable[[], None]] = []
        store = MeasuredStore(store_pool, wake=lambda: _call_all(wakes))
        keyring = Keyring(pool, settings.master_key())
        codec = Codec(fact_types(service), keyring)
        clock = Clock(pool)
        await clock.refresh()
        policies = Policies(service, store, codec)
        follower = Follower(service, pool, store, codec, clock, policies)
        wakes.append(follower.wake)
        yield Running(
            service=service,
            settings=settings,
            pool=pool,
            keyring=keyring,
            codec=codec,
            store=store,
            commands=Commands(store, codec),
            clock=clock,
            policies=policies,
            follower=follower,
            wakes=wakes,
        )


async def open_store_pool(service: Service, settings: Settings) -> asyncpg.Pool:
    """Connections for a service's event store, and nothing else.

    The store leaves no state on a connection, so putting one back needs no round trip to reset it: that is a fifth of
    the time of an append.
    """
    return await asyncpg.create_pool(**_pool_arguments(service, settings), reset=_leave)


def _call_all(calls: list[Callable[[], None]]) -> None:
    for call in calls:
        call()


async def _leave(_connection: Any) -> None:
    """Nothing to reset."""


def _pool_arguments(service: Service, settings: Settings) -> dict[str, Any]:
    return {
        **settings.connection(service.role),
        "min_size": 1,
        "max_size": POOL_SIZE,
        "command_timeout": COMMAND_TIMEOUT_SECONDS,
        "server_settings": {"application_name": f"kehu {service.name}"},
    }


async def _open(service: Service, settings: Settings) -> asyncpg.Pool:
    """Open the pool, waiting for a database that is being started.

    Raises:
        NotMigratedError: the service's role does not exist there, or is no service.

    """
    try:
        pool = await _connect(service, settings)
    except (asyncpg.InvalidAuthorizationSpecificationError, asyncpg.InvalidCatalogNameError) as error:
        raise NotMigratedError(service.name, str(error)) from None
    try:
        await pool.fetchval("SELECT event_store.service_of_session()")
    except asyncpg.PostgresError as error:
        await _close(pool)
        raise NotMigratedError(service.name, str(error)) from None
    return pool


@stamina.retry(
    on=(OSError, asyncpg.CannotConnectNowError, asyncpg.TooManyConnectionsError),
    attempts=None,
    timeout=DATABASE_WAIT_SECONDS,
    wait_max=2.0,
)
async def _connect(service: Service, settings: Settings) -> asyncpg.Pool:
    return await asyncpg.create_pool(**_pool_arguments(service, settings))


async def _check_log(pool: asyncpg.Pool) -> None:
    row = await pool.fetchrow("SELECT next_tx, last_tx FROM event_store.watermark()")
    if row is not None and row["last_tx"] >= row["next_tx"]:
        raise RestoredLogError(row["last_tx"], row["next_tx"])


async def check_cursors(pool: asyncpg.Pool) -> None:
    """Refuse to run on views that `kehu restore` has not come to: they would never see a fact again.

    Raises:
        RestoredLogError: a view stands at a transaction that this server has yet to give out.

    """
    row = await pool.fetchrow(
        "SELECT next_tx, (SELECT max(tx) FROM view_cursors) AS last_tx FROM event_store.watermark()"
    )
    if row is not None and (row["last_tx"] or 0) >= row["next_tx"]:
        raise RestoredLogError(row["last_tx"], row["next_tx"])


async def _close(pool: asyncpg.Pool) -> None:
    """Close a pool in order; connections that somebody still holds are cut after a while."""
    try:
        async with asyncio.timeout(_CLOSE_SECONDS):
            await pool.close()
    except TimeoutError:
        pool.terminate()
