"""Another system keeps its own list of customers and grades, from Kehu's facts alone. Needs aiokafka, nothing of Kehu.

    python read_facts.py 127.0.0.1:9092 customers.db

Two rules make it right. A fact may come twice, so a `ce_sequence` not above the last one seen of its `ce_subject` is
dropped, and what was last seen is saved in the same transaction as the effect. Topics have no order between them, so
either of two facts about a customer may come first.
"""
# ruff: noqa: INP001, T201 - a script, run as it is; it prints

from __future__ import annotations

import argparse
import asyncio
import json
import sqlite3
import sys
from contextlib import closing
from typing import Any

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

TOPICS = ("kehu.customer-registry", "kehu.grading")
GROUP = "example-customer-list"

TABLES = """
CREATE TABLE IF NOT EXISTS seen (subject TEXT PRIMARY KEY, sequence INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS customers (customer TEXT PRIMARY KEY, number TEXT, name TEXT, grade TEXT);
"""


class FactsMissing(Exception):
    """A fact came before the one that precedes it in its stream."""


def take_effect(db: sqlite3.Connection, kind: str, data: dict[str, Any]) -> None:
    """What this system does about a fact. Kinds that it does not know are none of its business."""
    if kind == "kehu.CustomerRegistered.v1":
        db.execute(
            "INSERT INTO customers (customer, number, name) VALUES (:customer, :number, :name)"
            " ON CONFLICT (customer) DO UPDATE SET number = excluded.number, name = excluded.name",
            data,
        )
    elif kind == "kehu.CustomerChanged.v1" and data.get("name"):
        db.execute("UPDATE customers SET name = :name WHERE customer = :customer", data)
    elif kind == "kehu.GradeAssigned.v1":
        db.execute(
            "INSERT INTO customers (customer, grade) VALUES (:customer, :grade)"
            " ON CONFLICT (customer) DO UPDATE SET grade = excluded.grade",
            data,
        )


def take(db: sqlite3.Connection, record: ConsumerRecord) -> bool:
    """Give a record its effect once; False where it had it before."""
    attributes = {name: value.decode() for name, value in record.headers}
    subject, sequence = attributes["ce_subject"], int(attributes["ce_sequence"])
    row = db.execute("SELECT sequence FROM seen WHERE subject = ?", (subject,)).fetchone()
    last = row[0] if row else 0
    if sequence <= last:
        return False
    if sequence > last + 1:
        raise FactsMissing(f"{subject}: {sequence} came after {last}")
    with db:  # one transaction
        take_effect(db, attributes["ce_type"], json.loads(record.value))
        db.execute(
            "INSERT INTO seen VALUES (?, ?) ON CONFLICT (subject) DO UPDATE SET sequence = excluded.sequence",
            (subject, sequence),
        )
    print(attributes["ce_time"], attributes["ce_type"], attributes.get("ce_clause", "-"), subject, sequence, flush=True)
    return True


async def follow(brokers: str, db: sqlite3.Connection, idle_seconds: float | None) -> None:
    """Read from the first fact on, for ever or until nothing has come for a while."""
    consumer = AIOKafkaConsumer(
        *TOPICS,
        bootstrap_servers=brokers,
        group_id=GROUP,
        auto_offset_reset="earliest",  # Kehu's topics keep everything
        enable_auto_commit=False,  # offsets follow the effect, never the other way round
    )
    read_again: set[TopicPartition] = set()
    loop = asyncio.get_running_loop()
    await consumer.start()
    try:
        last_came = loop.time()
        while idle_seconds is None or loop.time() - last_came < idle_seconds:
            for partition, records in (await consumer.getmany(timeout_ms=500)).items():
                last_came = loop.time()
                try:
                    for record in records:
                        take(db, record)
                except FactsMissing:
                    # Someone moved the group's offsets, or the broker lost data and Kehu has sent everything again.
                    if partition in read_again:
                        raise
                    read_again.add(partition)
                    await consumer.seek_to_beginning(partition)
                else:
                    await consumer.commit({partition: records[-1].offset + 1})
    finally:
        await consumer.stop()


def main() -> int:
    """Follow the facts; at the end, show the list."""
    arguments = argparse.ArgumentParser(description="Keeps a list of customers and grades from Kehu's facts.")
    arguments.add_argument("brokers", help="host:port of Kafka")
    arguments.add_argument("database", help="SQLite file of the list")
    arguments.add_argument("--idle", type=float, help="end after so many seconds without a fact")
    given = arguments.parse_args()
    with closing(sqlite3.connect(given.database)) as db:
        db.executescript(TABLES)
        try:
            asyncio.run(follow(given.brokers, db, given.idle))
        except KeyboardInterrupt:
            pass
        except FactsMissing as error:
            sys.stderr.write(f"Facts are missing: {error}\n")
            return 1
        for number, name, grade in db.execute("SELECT number, name, grade FROM customers ORDER BY number"):
            print(number, name, grade)
    return 0


if __name__ == "__main__":
    sys.exit(main())
