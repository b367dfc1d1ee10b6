"""What has to be read before an order is decided on: customer, standing and payer, from their streams."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import asyncpg

from kehu.commands import Thing
from kehu.http import ActingRequest
from kehu_vetting.customer_files.facts import CUSTOMER_FILES, CustomerFile
from kehu_vetting.settlement_units.facts import SETTLEMENT_UNITS, Unit
from kehu_vetting.settlement_units.finding import find_unit
from kehu_vetting.standing.facts import STANDINGS, Standing

# Uses the primary key.
_STAFF = "SELECT 1 FROM staff WHERE person = $1"


async def is_staff(pool: asyncpg.Pool, person: str) -> bool:
    """Whether somebody is on the staff, as far as this service's view has come."""
    return await pool.fetchval(_STAFF, person) is not None


@dataclass(frozen=True, slots=True)
class Basis:
    """A customer, how it stands, and the payer that was named, or its default one (blank where there is none).

    `named` is that payer's id, for `ordering.check_may_order`.
    """

    file: CustomerFile
    standing: Standing
    unit: Unit
    named: str | None


async def load_basis(request: ActingRequest, customer: str, unit: str | None = None) -> Basis:
    """What `ordering.may_order` takes, read from streams.

    Args:
        request: of whoever asks.
        customer: its id.
        unit: the payer's id, number or identity; None for the customer's default one.

    """
    commands = request.running.commands
    file, _ = await commands.load(CUSTOMER_FILES, customer)
    standing, _ = await commands.load(STANDINGS, customer)
    named = await find_unit(request, unit) if unit else standing.default_unit
    if named is None:
        return Basis(file, standing, Unit(), None)
    found, _ = await commands.load(SETTLEMENT_UNITS, named)
    return Basis(file, standing, found, named)


def ordering_things(customer: str, unit: str) -> Sequence[Thing[Any]]:
    """The three streams that an order's decision leans on, for `handle_together`: file, standing, payer.

    Decided with them in one transaction, no suspension can slip in between the look and the order.
    """
    return (
        Thing(CUSTOMER_FILES, customer, must_exist=False),
        Thing(STANDINGS, customer, must_exist=False),
        Thing(SETTLEMENT_UNITS, unit, must_exist=False),
    )
