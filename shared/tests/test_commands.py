"""Commands on several things at once, on a real PostgreSQL: all or none, each decided from where it still stands."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from kehu.commands import Idempotency, IdempotencyKeyReused, Thing
from kehu.deciding import Category, Context, Decision, system_actor
from kehu.errors import NotFound, Refused
from kehu.event_store import Claim, Conflict, Taken
from kehu.facts import Fact
from kehu.ids import new_id
from kehu.parts import Running, connect
from kehu.service import Feature, Service
from kehu.testing.platform import Postgres


class MoneyPut(Fact):
    """Money went into an account, or (negative) out of it."""

    amount: int


def _balance(state: int, fact: Fact) -> int:
    return state + fact.amount if isinstance(fact, MoneyPut) else state


ACCOUNT: Category[int] = Category("account", (MoneyPut,), 0, _balance)


@dataclass(frozen=True)
class Move:
    """From the first account to the second."""

    amount: int
    claim: str | None = None

    def __call__(self, states: Sequence[Any], context: Context) -> list[Decision]:
        del context
        if states[0] < self.amount:
            raise Refused("余额不足。", "There is not enough in it.", clause="R0")
        claims = [Claim("move", self.claim, str(new_id()))] if self.claim else []
        return [Decision([MoneyPut(amount=-self.amount)]), Decision([MoneyPut(amount=self.amount)], claims)]


@pytest.fixture(scope="module")
async def running(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Running]:
    migrations: Path = tmp_path_factory.mktemp("migrations")
    service = Service("accounts", "accounts", [Feature("accounts", categories=[ACCOUNT])], migrations)
    settings = await postgres.create_database(services=[service])
    async with connect(service, settings) as made:
        yield made
    await postgres.drop_database(settings)


def context(running: Running) -> Context:
    return Context(system_actor("accounts", "test"), running.clock.now())


async def an_account(running: Running, amount: int) -> str:
    account = str(new_id())
    await running.commands.handle(
        ACCOUNT, account, lambda *_: Decision([MoneyPut(amount=amount)]), context(running), must_exist=False
    )
    return account


async def balances(running: Running, *accounts: str) -> list[int]:
    return [(await running.commands.load(ACCOUNT, account))[0] for account in accounts]


async def test_moves_between_two_accounts_lose_and_make_nothing_whatever_else_is_going_on(running: Running) -> None:
    one, two = await an_account(running, 60), await an_account(running, 40)

    async def move(place: int) -> int:
        there = (one, two) if place % 2 else (two, one)
        try:
            await running.commands.handle_together(
                [Thing(ACCOUNT, account) for account in there], Move(7), context(running)
            )
        except Refused:
            return 0
        return 1

    assert sum(await asyncio.gather(*(move(place) for place in range(40)))) > 0
    held = await balances(running, one, two)
    assert sum(held) == 100
    assert min(held) >= 0


async def test_a_claim_that_is_taken_keeps_all_of_it_from_happening(running: Running) -> None:
    one, two = await an_account(running, 10), await an_account(running, 0)
    things = [Thing(ACCOUNT, one), Thing(ACCOUNT, two)]
    await running.commands.handle_together(things, Move(1, claim="bank-1"), context(running))
    with pytest.raises(Taken):
        await running.commands.handle_together(things, Move(1, claim="bank-1"), context(running))
    assert await balances(running, one, two) == [9, 1]


async def test_a_thing_that_is_only_looked_at_must_still_stand_where_it_was_seen(running: Running) -> None:
    one, two = await an_account(running, 10), await an_account(running, 10)
    looked: list[int] = []

    def decide(states: Sequence[Any], _context: Context) -> list[Decision]:
        looked.append(states[1])
        return [Decision([MoneyPut(amount=states[1])]), Decision()]

    original = running.store.append_together

    async def overtaken(connection: Any, appends: Any, moves: Any = ()) -> Any:
        if len(looked) == 1:
            await running.commands.handle(ACCOUNT, two, lambda *_: Decision([MoneyPut(amount=5)]), context(running))
        return await original(connection, appends, moves)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(running.store, "append_together", overtaken)
        await running.commands.handle_together([Thing(ACCOUNT, one), Thing(ACCOUNT, two)], decide, context(running))
    assert looked == [10, 15]
    assert await balances(running, one, two) == [25, 15]


async def test_a_version_that_somebody_named_is_not_decided_again(running: Running) -> None:
    one, two = await an_account(running, 10), await an_account(running, 10)
    with pytest.raises(Conflict, match="at 1"):
        await running.commands.handle_together(
            [Thing(ACCOUNT, one), Thing(ACCOUNT, two, expected=7)], Move(1), context(running)
        )
    with pytest.raises(NotFound):
        await running.commands.handle_together(
            [Thing(ACCOUNT, one), Thing(ACCOUNT, str(new_id()))], Move(1), context(running)
        )
    assert await balances(running, one, two) == [10, 10]


async def test_a_repeated_request_gets_its_first_answer_and_has_no_second_effect(running: Running) -> None:
    one, two = await an_account(running, 10), await an_account(running, 10)
    things = [Thing(ACCOUNT, one), Thing(ACCOUNT, two)]
    key = Idempotency(f"accounts/p-1/{new_id()}", "digest")
    first, again = [
        await running.commands.handle_together(things, Move(3), context(running), idempotency=key, answer={"n": 1})
        for _ in range(2)
    ]
    assert (first.version, first.repeated, again.version, again.repeated, again.answer) == (2, False, 2, True, {"n": 1})
    other = Idempotency(key.key, "another")
    with pytest.raises(IdempotencyKeyReused):
        await running.commands.handle_together(things, Move(3), context(running), idempotency=other)
    assert await balances(running, one, two) == [7, 13]
