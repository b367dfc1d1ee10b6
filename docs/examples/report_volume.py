"""Another system reports a customer's contract volume to Kehu, and reads the answer. Needs aiokafka, nothing of Kehu.

    python report_volume.py 127.0.0.1:9092 --customer K000001 --month 2026-10 --fen 520000000 --id HT-2026-10-0001

The message is a CloudEvent of the public contract `kehu.ContractVolumeReported.v1`; `telling.py` beside it says how any
such message is sent and answered. The customer is its key: reports on one customer are taken in order.
"""
# ruff: noqa: INP001 - a script, run as it is

from __future__ import annotations

import argparse
import asyncio
import sys
from typing import Any

from telling import Message, tell


def report(given: argparse.Namespace) -> Message:
    """The month's amount, under the sender's number."""
    data = {"customer": given.customer, "month": given.month, "amount_fen": given.fen}
    return Message("customer-registry", "kehu.ContractVolumeReported.v1", given.source, given.id, given.customer, data)


def recorded(fact: dict[str, Any]) -> str:
    """The month as it stands now."""
    return f"{fact['customer']} {fact['month']} {fact['amount_fen']} fen{', late' if fact['late'] else ''}"


def main() -> int:
    """Read the command line."""
    arguments = argparse.ArgumentParser(description="Reports a customer's contract volume of one month to Kehu.")
    arguments.add_argument("brokers", help="host:port of Kafka")
    arguments.add_argument("--customer", required=True, help="Kehu's customer number (or id)")
    arguments.add_argument("--month", required=True, help="a month that has ended, such as 2026-10")
    arguments.add_argument("--fen", type=int, required=True, help="signed contract amount in fen, tax included")
    arguments.add_argument("--id", required=True, help="the sender's own number of this message")
    arguments.add_argument("--source", default="/contract-system", help="who sends; must be on Kehu's allow-list")
    arguments.add_argument("--wait", type=float, default=30.0, help="seconds to wait for the answer")
    given = arguments.parse_args()
    return asyncio.run(tell(given.brokers, report(given), given.wait, recorded))


if __name__ == "__main__":
    sys.exit(main())
