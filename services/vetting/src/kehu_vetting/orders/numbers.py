"""Numbers that people say: 订单号, 发货单号, 退货单号, 收款单号; each from a sequence of the service's schema."""

from __future__ import annotations

import asyncpg

from kehu.event_store import Connection

_NEXT = "SELECT nextval($1::text::regclass)"
#: What stands in front of a number, by the sequence that it is drawn from.
_LETTERS = {
    "order_numbers": "DD",
    "shipment_numbers": "FH",
    "return_numbers": "TH",
    "receipt_numbers": "SK",
}


async def next_number(database: asyncpg.Pool | Connection, sequence: str) -> str:
    """The next number of a sequence, such as DD000001; a refused command leaves a gap."""
    return f"{_LETTERS[sequence]}{await database.fetchval(_NEXT, sequence):06}"


def serial_of(number: str) -> int:
    """The number without its letters: by it lists are ordered."""
    return int(number[2:])
