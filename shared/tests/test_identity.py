"""The staff view: the same rows for any interleaving of people, and actors as they are at a moment."""

from collections.abc import AsyncGenerator, Sequence
from datetime import UTC, date, datetime
from typing import Any

import asyncpg
import pytest
import pytest_asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kehu.contracts.staff import (
    STAFF_FACTS,
    DelegateAppointed,
    DelegationEnded,
    DepartmentChanged,
    DepartmentClosed,
    DepartmentOpened,
    DepartureCancelled,
    DepartureCleared,
    DepartureStarted,
    Role,
    RoleGranted,
    RoleRevoked,
    StaffAccessEnded,
    StaffMemberAppointed,
    StaffMemberMoved,
)
from kehu.deciding import Category, Grant, Mandate
from kehu.facts import Fact, RecordedFact
from kehu.http.languages import preferred_language
from kehu.identity import STAFF_SERVICE, load_actor, staff_view
from kehu.ids import new_id
from kehu.service import OWN_LOG, Feature, Service
from kehu.testing.platform import Postgres

STAFF = Category("staff", STAFF_FACTS, None, lambda state, _: state)
NOON = datetime(2026, 11, 24, 4, tzinfo=UTC)
PEOPLE = ("p-1", "p-2", "p-3")


def facts_of(person: str) -> st.SearchStrategy[Fact]:
    departments = st.sampled_from([None, "d-1", "d-2"])
    roles = st.sampled_from(Role)
    return st.one_of(
        st.builds(
            StaffMemberAppointed,
            person=st.just(person),
            number=st.just("1"),
            name=st.just("王"),
            department=departments,
        ),
        st.builds(RoleGranted, person=st.just(person), role=roles, department=departments, granted_by=st.just("p-0")),
        st.builds(RoleRevoked, person=st.just(person), role=roles, department=departments, revoked_by=st.just("p-0")),
        st.builds(DepartureStarted, person=st.just(person), last_day=st.dates(date(2026, 1, 1), date(2027, 1, 1))),
        st.builds(DepartureCleared, person=st.just(person)),
        st.builds(StaffAccessEnded, person=st.just(person)),
        st.builds(
            DepartureCancelled,
            person=st.just(person),
            departure=st.just("l"),
            number=st.just("LZ000001"),
            reason=st.just("留任"),
            cancelled_by=st.just("p-0"),
        ),
        st.builds(
            StaffMemberMoved,
            person=st.just(person),
            department=departments,
            previous_department=st.none(),
            moved_by=st.just("p-0"),
        ),
        st.builds(
            DelegateAppointed,
            delegation=st.sampled_from([f"{person}-a", f"{person}-b"]),
            principal=st.just(person),
            delegate=st.sampled_from(PEOPLE),
            steps=st.just(("dossier:review",)),
            first_day=st.just(date(2026, 11, 1)),
            last_day=st.just(date(2026, 11, 30)),
            reason=st.just("出差"),
        ),
        st.builds(
            DelegationEnded,
            delegation=st.sampled_from([f"{person}-a", f"{person}-b"]),
            principal=st.just(person),
            delegate=st.sampled_from(PEOPLE),
            ended_by=st.just(person),
        ),
        st.builds(DepartmentChanged, department=st.just(person), name=st.just("三部"), changed_by=st.just("p-0")),
        st.builds(DepartmentClosed, department=st.just(person), closed_by=st.just("p-0"), reason=st.just("合并")),
        st.builds(
            DepartmentOpened, department=st.just(person), name=st.sampled_from(["一部", "二部"]), region=st.just("华东")
        ),
    )


def recorded(fact: Fact, key: str) -> RecordedFact[Any]:
    return RecordedFact(
        fact=fact,
        id=new_id(),
        stream=f"staff-{key}",
        version=1,
        sequence=1,
        key=key,
        service=STAFF_SERVICE,
        actor="p-0",
        clause="",
        correlation=new_id(),
        causation=None,
        occurred_at=NOON,
        recorded_at=NOON,
    )


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def pool(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[asyncpg.Pool]:
    service = Service(
        "vetting", "Vetting", [Feature("staff", views=[staff_view("vetting")])], tmp_path_factory.mktemp("none")
    )
    created = await postgres.create_database(services=[service])
    async with asyncpg.create_pool(**created.connection(service.role), max_size=2, min_size=1) as pool:
        yield pool
    await postgres.drop_database(created)


async def rows_after(pool: asyncpg.Pool, facts: Sequence[tuple[str, Fact]]) -> list[list[tuple[Any, ...]]]:
    view = staff_view("vetting")
    async with pool.acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        try:
            for key, fact in facts:
                await view.apply[type(fact)](connection, recorded(fact, key))
            return [
                [tuple(row) for row in await connection.fetch(f"SELECT * FROM {table} ORDER BY 1, 2, 3")]
                for table in view.tables
            ]
        finally:
            await transaction.rollback()


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
async def test_rows_do_not_depend_on_how_people_interleave(pool: asyncpg.Pool, data: st.DataObject) -> None:
    histories = {person: data.draw(st.lists(facts_of(person), max_size=6)) for person in PEOPLE}
    one_after_another = [(person, fact) for person in PEOPLE for fact in histories[person]]
    turns = data.draw(st.permutations([person for person in PEOPLE for _ in histories[person]]))
    waiting = {person: iter(facts) for person, facts in histories.items()}
    mixed = [(person, next(waiting[person])) for person in turns]
    assert await rows_after(pool, one_after_another) == await rows_after(pool, mixed)


async def test_access_ends_with_the_last_day_in_shanghai(pool: asyncpg.Pool) -> None:
    await pool.execute(
        "INSERT INTO staff (person, number, name_personal, last_day) VALUES ('p', '1', '', '2026-11-24')"
    )
    before = await load_actor(pool, "p", datetime(2026, 11, 24, 15, 59, 59, tzinfo=UTC))
    after = await load_actor(pool, "p", datetime(2026, 11, 24, 16, tzinfo=UTC))
    assert (before.departing, before.gone, after.gone) == (True, False, True)
    await pool.execute("DELETE FROM staff")


@pytest_asyncio.fixture
async def standing_in(pool: asyncpg.Pool) -> AsyncGenerator[asyncpg.Pool]:
    """`ben` stands in for `an`, manager of the east, from the 24th to the 26th."""
    await pool.execute("INSERT INTO staff (person, number, name_personal) VALUES ('an', '1', ''), ('ben', '2', '')")
    await pool.execute("INSERT INTO staff_grants (person, role, department) VALUES ('an', 'dept_manager', 'east')")
    appointed = DelegateAppointed(
        delegation="d-1",
        number="WT000001",
        principal="an",
        delegate="ben",
        steps=("dossier:review",),
        first_day=date(2026, 11, 24),
        last_day=date(2026, 11, 26),
        reason="出差",
    )
    async with pool.acquire() as connection:
        await staff_view("vetting").apply[DelegateAppointed](connection, recorded(appointed, "an"))
    yield pool
    for table in staff_view("vetting").tables:
        await pool.execute(f"DELETE FROM {table}")


HOLDS = (Mandate("d-1", "an", frozenset({"dossier:review"}), (Grant("dept_manager", "east"),)),)


@pytest.mark.parametrize(
    ("now", "mandates"),
    [
        (datetime(2026, 11, 23, 15, 59, 59, tzinfo=UTC), ()),
        (datetime(2026, 11, 23, 16, tzinfo=UTC), HOLDS),
        (datetime(2026, 11, 26, 15, 59, 59, tzinfo=UTC), HOLDS),
        (datetime(2026, 11, 26, 16, tzinfo=UTC), ()),
    ],
)
async def test_a_delegation_holds_from_its_first_day_to_its_last_in_shanghai(
    standing_in: asyncpg.Pool, now: datetime, mandates: tuple[Mandate, ...]
) -> None:
    assert (await load_actor(standing_in, "ben", now)).mandates == mandates
    assert (await load_actor(standing_in, "an", now)).mandates == ()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE staff SET ended = true WHERE person = 'an'",
        "UPDATE staff SET last_day = '2026-11-23' WHERE person = 'an'",
        "UPDATE staff SET ended = true WHERE person = 'ben'",
        "UPDATE staff SET last_day = '2026-12-31' WHERE person = 'ben'",
        "UPDATE staff_delegations SET ended = true",
    ],
)
async def test_nobody_acts_for_or_as_somebody_who_has_left_or_when_it_was_ended(
    standing_in: asyncpg.Pool, statement: str
) -> None:
    await standing_in.execute(statement)
    assert (await load_actor(standing_in, "ben", NOON)).mandates == ()


async def test_a_mandate_carries_what_the_principal_may_do_at_this_moment(standing_in: asyncpg.Pool) -> None:
    await standing_in.execute("DELETE FROM staff_grants")
    (mandate,) = (await load_actor(standing_in, "ben", NOON)).mandates
    assert mandate.grants == ()


def test_the_registry_folds_its_own_log_and_others_its_topic() -> None:
    assert staff_view(STAFF_SERVICE).source == OWN_LOG
    assert staff_view("grading").source == STAFF_SERVICE
    assert set(staff_view("grading").apply) == set(STAFF_FACTS)


@pytest.mark.parametrize(
    ("header", "language"),
    [
        (None, "zh"),
        ("", "zh"),
        ("fr", "zh"),
        ("en", "en"),
        ("en-GB,zh;q=0.9", "en"),
        ("zh-CN,en;q=0.9", "zh"),
        ("zh;q=0.2, en;q=0.8", "en"),
        ("en;q=0, zh", "zh"),
        ("en;q=x", "zh"),
        ("en;q=nan", "zh"),
        ("*", "zh"),
        ("fr," * 50 + "en", "zh"),
    ],
)
def test_the_language_is_the_one_preferred_of_the_two(header: str | None, language: str) -> None:
    assert preferred_language(header) == language
