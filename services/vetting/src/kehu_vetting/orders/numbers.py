"""Numbers that people say: 订单号, 发货单号, 退货单号, 收款单号; each from a sequence of the service's schema."""

from __future__ import annotations

import hashlib
import re

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
#: Digits that fit into a bigint.
_NUMBER = re.compile(r"([A-Z]{2})([0-9]{1,18})")


async def next_number(database: asyncpg.Pool | Connection, sequence: str) -> str:
    """The next number of a sequence, such as DD000001; a refused command leaves a gap."""
    return f"{_LETTERS[sequence]}{await database.fetchval(_NEXT, sequence):06}"


def serial_of(sequence: str, number: str | None, thing: str) -> int:
    """The number without its letters: by it lists are ordered.

    Whatever else stands where a number should (an older fact has none) gets a place of its own behind all numbered
    ones, the same whenever it is folded: no fact may stop a view.

    Args:
        sequence: from which such numbers are drawn.
        number: as the fact has it.
        thing: the id of what has the number.

    """
    found = _NUMBER.fullmatch(number or "")
    if found and found[1] == _LETTERS[sequence]:
        return int(found[2])
    return -1 - int.from_bytes(hashlib.sha256(thing.encode()).digest()[:7], "big")
