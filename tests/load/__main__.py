"""Measures Kehu against its peers: what `kehu bench` runs.

On containers where a Docker engine answers, else on the embedded platform; PostgreSQL is durable, as in production.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path

from audit_rows import USUAL_FACTS, AuditRows
from bench import Figure, Result, Row, Taken, run, show
from kafka_rows import ConsumeRows, LatencyRows, RelayRows
from registry_rows import ROWS, RegistryRows
from report import describe, write
from store_rows import LogRows, StoreRows
from view_rows import ViewRows

from kehu.embedded import EmbeddedBroker, EmbeddedPostgres
from kehu.logs import configure_logs
from kehu.memory import leave_to_stay
from kehu.settings import create_secrets
from kehu.testing.containers import KafkaInContainer, PostgresInContainer
from kehu.testing.pair import PAIR
from kehu.testing.platform import Platform, Postgres, use_docker
from kehu_customer_registry import app as registry_app


@asynccontextmanager
async def start_platform(directory: Path) -> AsyncGenerator[Platform]:
    """PostgreSQL and a broker of our own, gone at the end."""
    secrets = directory / "secrets"
    create_secrets(secrets, [service.name for service in PAIR])
    async with AsyncExitStack() as stack:
        if use_docker():
            postgres, kafka = PostgresInContainer(secrets, durable=True), KafkaInContainer()
            stack.push_async_callback(postgres.remove)
            await postgres.create()
            stack.push_async_callback(kafka.remove)
            await kafka.create()
            yield Platform(Postgres(postgres, secrets), kafka)
        else:
            embedded, tansu = EmbeddedPostgres(directory, secrets), EmbeddedBroker(directory)
            stack.push_async_callback(embedded.stop)
            await embedded.start()
            stack.push_async_callback(tansu.stop)
            await tansu.start()
            yield Platform(Postgres(embedded, secrets), tansu)


def chosen(rows: Sequence[Row | Figure], words: Sequence[str]) -> list[Row | Figure]:
    """The rows whose name holds all words of one of `words`; all of them without any."""
    wanted = [one.lower().split() for one in words]
    return [row for row in rows if not wanted or any(all(word in row.name.lower() for word in one) for one in wanted)]


async def bench(
    words: Sequence[str], document: Path | None, *, audit_facts: int, dossiers: int
) -> list[Result | Taken]:
    """Measure the chosen rows, and write them down where a document is given."""
    results: list[Result | Taken] = []
    audit, registry = partial(AuditRows, facts=audit_facts), partial(RegistryRows, rows=dossiers)
    with tempfile.TemporaryDirectory(prefix="kehu-bench-") as directory:
        async with start_platform(Path(directory)) as platform:
            # Each group has a database and an empty broker to itself: what one leaves behind is no load on the next.
            for kind in (StoreRows, LogRows, ViewRows, audit, RelayRows, ConsumeRows, LatencyRows, registry):
                services = [*PAIR, registry_app.service] if kind is registry else PAIR
                fresh = await platform.postgres.create_database(services=services)
                group = kind(platform.settings(fresh.database_name))
                rows = chosen(group.rows(), words)
                if rows:
                    await platform.empty_kafka()
                    await group.open()
                    leave_to_stay()  # as a service does once it has started; the peers share this process
                    try:
                        results += await run(rows)
                    finally:
                        await group.close()
            if not results:
                sys.exit(f"kehu: no row is called {' or '.join(words)}.")
            show(results)
            if document is not None:
                write(document, results, await describe(platform.settings("postgres")))
    return results


def main() -> int:
    """Measure; 1 when a gate is not met."""
    parser = argparse.ArgumentParser(prog="tests/load", description=__doc__)
    parser.add_argument("--row", action="append", default=[], help="words of a row's name; repeat for more rows")
    parser.add_argument("--write", type=Path, help="the document to write the table into")
    parser.add_argument("--audit-facts", type=int, default=USUAL_FACTS, help="facts in the log that is audited")
    parser.add_argument("--dossiers", type=int, default=ROWS, help="how many to import; fewer for a quick run")
    arguments = parser.parse_args()
    configure_logs("ERROR", "kehu", stream=sys.stderr, for_people=True)
    results = asyncio.run(
        bench(arguments.row, arguments.write, audit_facts=arguments.audit_facts, dossiers=arguments.dossiers)
    )
    return 0 if all(result.met for result in results) else 1


if __name__ == "__main__":
    sys.exit(main())
