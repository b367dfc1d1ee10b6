"""Policy data: two persons for every version, in force by dates, and what has held never changes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field

from kehu.calendar import SHANGHAI, start_of_day, today
from kehu.contracts.staff import STAFF_FACTS, Role, RoleGranted, StaffMemberAppointed
from kehu.deciding import Actor, Category, Context, Decision, Grant, system_actor
from kehu.errors import Departing, Forbidden, Invalid, KehuError, NotFound, Refused
from kehu.facts import Fact
from kehu.http.app import Part, build_app
from kehu.identity import issue_token, load_issuer, staff_view
from kehu.loops import Loop
from kehu.parts import Running, connect
from kehu.policies import (
    DateIsPast,
    PolicyHistory,
    PolicyKind,
    ProposePolicy,
    SecondPersonNeeded,
    adopt_policy,
    policy_category,
    propose_policy,
    withdraw_policy,
)
from kehu.policy_api import policy_router
from kehu.service import Feature, Service
from kehu.settings import TOKEN_ISSUER, Settings
from kehu.testing.platform import Postgres

PATIENCE = 20


class Visits(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    a_quarter: int = Field(ge=1)
    grades: tuple[str, ...] = ("A",)


VISITS = PolicyKind("visits", Visits, Visits(a_quarter=1), "R6.2.1a")
HOLIDAYS = PolicyKind("holidays", Visits, Visits(a_quarter=9), "R6.2.2", adopters=("admin",))
STAFF = Category("staff", STAFF_FACTS, None, lambda state, _: state)
SERVICE = Service(
    name="customer-registry",
    title="policies",
    features=[
        Feature("visits", policies=[VISITS, HOLIDAYS], router=policy_router()),
        Feature("staff", categories=[STAFF], views=[staff_view("customer-registry")]),
    ],
    migrations=Path(__file__).parent / "tally_reader",
)
CATEGORY = policy_category(SERVICE)
NOW = datetime(2026, 11, 24, 4, tzinfo=UTC)  # noon in Shanghai
TODAY = date(2026, 11, 24)


def acting(person: str = "m-1", *, now: datetime = NOW, role: str = "market_dept") -> Context:
    return Context(Actor(person, (Grant(role),)), now)


def proposal(day: date = TODAY, **data: Any) -> ProposePolicy:
    return ProposePolicy(day, data or {"a_quarter": 2}, "the market has changed")


def after(history: PolicyHistory, decision: Decision) -> PolicyHistory:
    return CATEGORY.fold(decision.facts, history)


def proposed(*days: date) -> PolicyHistory:
    history = PolicyHistory()
    for number, day in enumerate(days, 2):
        history = after(history, propose_policy(VISITS, proposal(day, a_quarter=number), history, acting()))
    return history


def adopted(history: PolicyHistory, number: int, now: datetime = NOW) -> PolicyHistory:
    return after(history, adopt_policy(VISITS, number, history, acting("m-2", now=now)))


def number_in_force(history: PolicyHistory, at: datetime) -> int:
    version = history.in_force(at)
    return version.number if version else 0


# --- decisions -------------------------------------------------------------------------------------------------------


def test_a_proposal_holds_nothing_until_a_second_person_adopts_it() -> None:
    history = proposed(TODAY)
    assert number_in_force(history, NOW + timedelta(days=400)) == 0
    assert number_in_force(adopted(history, 1), NOW) == 1


def test_the_proposer_cannot_adopt_it() -> None:
    with pytest.raises(SecondPersonNeeded):
        adopt_policy(VISITS, 1, proposed(TODAY), acting("m-1"))


@pytest.mark.parametrize("role", ["salesperson", "admin"])
def test_it_takes_one_of_the_kinds_roles(role: str) -> None:
    history = proposed(TODAY)
    for decide in (
        partial(propose_policy, VISITS, proposal()),
        partial(adopt_policy, VISITS, 1),
        partial(withdraw_policy, VISITS, 1, "no"),
    ):
        with pytest.raises(Forbidden) as refused:
            decide(history, acting("m-9", role=role))
        assert refused.value.clause == "R6.2.1a"
        with pytest.raises(Departing):
            decide(history, replace(acting("m-9"), actor=replace(acting("m-9").actor, departing=True)))
    propose_policy(HOLIDAYS, proposal(), PolicyHistory(), acting(role="admin"))


def test_it_is_in_force_from_midnight_in_shanghai_of_its_day() -> None:
    history = adopted(proposed(date(2026, 12, 1)), 1)
    midnight = datetime(2026, 12, 1, tzinfo=SHANGHAI)
    assert number_in_force(history, midnight - timedelta(microseconds=1)) == 0
    assert number_in_force(history, midnight) == 1


def test_adopted_on_its_day_it_is_in_force_from_then_on_and_not_before() -> None:
    history = adopted(proposed(TODAY), 1)
    assert number_in_force(history, NOW - timedelta(seconds=1)) == 0
    assert number_in_force(history, NOW) == 1


def test_a_later_date_takes_over_whichever_was_adopted_first() -> None:
    history = adopted(adopted(proposed(date(2027, 3, 1), date(2027, 2, 1)), 1), 2)
    by_day = {
        day: number_in_force(history, start_of_day(date(2027, *day))) for day in [(1, 31), (2, 1), (2, 28), (3, 1)]
    }
    assert by_day == {(1, 31): 0, (2, 1): 2, (2, 28): 2, (3, 1): 1}


def test_a_past_date_is_refused_when_it_is_proposed_and_when_it_is_adopted() -> None:
    with pytest.raises(DateIsPast):
        propose_policy(VISITS, proposal(TODAY - timedelta(days=1)), PolicyHistory(), acting())
    with pytest.raises(DateIsPast):
        adopted(proposed(TODAY), 1, NOW + timedelta(days=1))


def test_data_that_does_not_fit_is_refused_field_by_field() -> None:
    with pytest.raises(Invalid) as refused:
        propose_policy(VISITS, proposal(a_quarter=0, colour="red"), PolicyHistory(), acting())
    assert [(one["field"], one["code"]) for one in refused.value.evidence["errors"]] == [
        ("body.data.a_quarter", "greater_than_equal"),
        ("body.data.colour", "extra_forbidden"),
    ]


def test_a_version_is_adopted_once_and_withdrawn_until_it_is_in_force() -> None:
    history = adopted(proposed(TODAY, date(2026, 12, 1)), 1)
    with pytest.raises(Refused, match="has been adopted"):
        adopted(history, 1)
    with pytest.raises(Refused, match="in force"):
        withdraw_policy(VISITS, 1, "no", history, acting())
    history = adopted(history, 2)
    history = after(history, withdraw_policy(VISITS, 2, "too early", history, acting()))
    assert number_in_force(history, datetime(2027, 1, 1, tzinfo=UTC)) == 1
    with pytest.raises(Refused, match="withdrawn"):
        withdraw_policy(VISITS, 2, "no", history, acting())
    with pytest.raises(Refused, match="has been withdrawn"):
        adopted(history, 2)


@pytest.mark.parametrize("number", [0, 2, -1])
def test_there_is_no_other_version(number: int) -> None:
    with pytest.raises(NotFound, match="the last is 1"):
        adopt_policy(VISITS, number, proposed(TODAY), acting("m-2"))


STEPS = st.tuples(
    st.sampled_from(["propose", "adopt", "withdraw"]),
    st.integers(1, 4),
    st.integers(-1, 5),
    st.integers(0, 72),
    st.sampled_from(["m-1", "m-2"]),
)


@given(st.lists(STEPS, max_size=25))
def test_whatever_is_decided_what_has_held_stays(steps: list[tuple[str, int, int, int, str]]) -> None:
    history, now = PolicyHistory(), NOW
    held: list[tuple[datetime, int]] = []
    for step, number, days, hours, person in steps:
        now += timedelta(hours=hours)
        context = acting(person, now=now)
        decide = {
            "propose": partial(propose_policy, VISITS, proposal(today(now) + timedelta(days=days))),
            "adopt": partial(adopt_policy, VISITS, number),
            "withdraw": partial(withdraw_policy, VISITS, number, "no"),
        }[step]
        held.append((now - timedelta(microseconds=1), number_in_force(history, now - timedelta(microseconds=1))))
        try:
            history = after(history, decide(history, context))
        except KehuError:
            continue
        assert [number_in_force(history, at) for at, _ in held] == [then for _, then in held]


# --- in force, in a running service ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
async def settings(postgres: Postgres) -> AsyncGenerator[Settings]:
    made = await postgres.create_database(services=[SERVICE])
    yield made
    await postgres.drop_database(made)


@pytest.fixture
async def running(settings: Settings) -> AsyncGenerator[Running]:
    async with connect(SERVICE, settings) as made:
        yield made


async def adopt_in(running: Running, kind: PolicyKind[Any], **data: Any) -> int:
    """Propose and adopt from today, as two persons."""
    now, role, category = running.clock.now(), kind.adopters[0], running.policies.category
    command = ProposePolicy(today(now), data, "so")
    done = await running.commands.handle(
        category, kind.name, partial(propose_policy, kind, command), acting("m-1", now=now, role=role), must_exist=False
    )
    history = await running.commands.history(category, kind.name)
    number = history[done.version - 1].fact.version
    await running.commands.handle(
        category, kind.name, partial(adopt_policy, kind, number), acting("m-2", now=now, role=role)
    )
    return number


async def test_an_adoption_counts_at_once_here_and_within_a_second_elsewhere(
    running: Running, settings: Settings
) -> None:
    async with connect(SERVICE, settings) as other:
        before = other.clock.now()
        had = await other.policies.in_force(before)
        number = await adopt_in(running, VISITS, a_quarter=3)
        loop = asyncio.get_running_loop()
        adopted_at = loop.time()
        await running.policies.refresh()
        assert (await running.policies.in_force(running.clock.now()))["visits"] == Visits(a_quarter=3)
        while await other.policies.version_in_force("visits", other.clock.now()) != number:
            assert loop.time() - adopted_at < 1
            await asyncio.sleep(0.01)
        in_force = await other.policies.in_force(other.clock.now())
        assert (in_force["visits"].a_quarter, in_force.versions) == (3, {"visits": number, "holidays": 0})
        assert await other.policies.in_force(before) == had


async def test_an_unknown_kind_is_named(running: Running) -> None:
    with pytest.raises(NotFound, match="there are holidays, visits"):
        await running.policies.version_in_force("unknown", NOW)


# --- over HTTP -------------------------------------------------------------------------------------------------------


@pytest.fixture
async def client(running: Running, settings: Settings) -> AsyncGenerator[httpx2.AsyncClient]:
    follower = Loop("follower", running.follower.run)
    follower.start()

    async def health() -> dict[str, Part]:
        return {}

    async def measure() -> None:
        """Nothing to look up."""

    app = build_app(SERVICE, running=running, issuer=load_issuer(settings), health=health, measure=measure)
    try:
        for person, role in (("m-1", Role.MARKET_DEPT), ("m-2", Role.MARKET_DEPT), ("s-1", Role.SALESPERSON)):
            await appoint(running, person, role)
        async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://kehu") as http:
            yield http
    finally:
        await follower.stop(PATIENCE)


async def appoint(running: Running, person: str, role: Role) -> None:
    facts: list[Fact] = [
        StaffMemberAppointed(person=person, number=person, name="王一"),
        RoleGranted(person=person, role=role, granted_by="a-1"),
    ]
    context = Context(system_actor("test", "staff"), running.clock.now())
    done = await running.commands.handle(STAFF, person, lambda *_: Decision(facts), context, must_exist=False)
    assert await running.follower.wait_for(done.position, PATIENCE)


async def test_a_version_goes_from_proposal_to_force_over_http(running: Running, client: httpx2.AsyncClient) -> None:
    issuer = running.settings.secret(TOKEN_ISSUER)

    def by(person: str, **headers: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {issue_token(issuer, person, 5)}", "Accept-Language": "en"} | headers

    day = today(running.clock.now())
    body = {"effective_from": day.isoformat(), "data": {"a_quarter": 4}, "reason": "more"}
    assert (await client.post("/policies/visits/versions", json=body, headers=by("s-1"))).status_code == 403
    assert (await client.post("/policies/nothing/versions", json=body, headers=by("m-1"))).status_code == 404
    wrong = await client.post("/policies/visits/versions", json=body | {"data": {}}, headers=by("m-1"))
    assert (wrong.status_code, wrong.json()["errors"][0]["field"]) == (422, "body.data.a_quarter")

    once = by("m-1") | {"Idempotency-Key": "k-1"}
    first = await client.post("/policies/visits/versions", json=body, headers=once)
    again = await client.post("/policies/visits/versions", json=body, headers=once)
    assert (first.status_code, again.json()) == (201, first.json())
    number = first.json()["number"]
    address = f"/policies/visits/versions/{number}"

    refused = await client.post(f"{address}/adopt", headers=by("m-1"))
    assert (refused.status_code, refused.json()["code"]) == (403, "second-person-needed")
    assert (await client.post(f"{address}/adopt", headers=by("m-2"))).status_code == 200
    late = await client.post(f"{address}/withdraw", json={"reason": "no"}, headers=by("m-1"))
    assert late.status_code == 409

    shown = (await client.get("/policies/visits", headers=by("s-1"))).json()
    assert shown["in_force"] == {
        "name": "visits",
        "clause": "R6.2.1a",
        "version": number,
        "data": {"a_quarter": 4, "grades": ["A"]},
    }
    assert (shown["versions"][0]["proposed_by"], shown["versions"][0]["adopted_by"]) == ("m-1", "m-2")
    assert shown["data_schema"]["required"] == ["a_quarter"]
    long_ago = (await client.get("/policies", params={"on": "2026-01-01"}, headers=by("s-1"))).json()
    assert {one["name"]: one["version"] for one in long_ago} == {"visits": 0, "holidays": 0}
