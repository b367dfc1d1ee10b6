"""The `kehu` command as a person types it, against a real database and broker."""

import asyncio
import json
import re
import shlex
from collections.abc import AsyncGenerator, Generator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib.metadata import entry_points
from uuid import UUID

import pytest
import pytest_asyncio
import structlog
from aiokafka import AIOKafkaProducer

from kehu.auditing import MASKED, grow
from kehu.cli import run
from kehu.cli.audit import moment, start
from kehu.cli.clock import length_of_time
from kehu.cli.session import CommandFailed
from kehu.contracts.staff import STAFF_FACTS, Role, RoleGranted, StaffMemberAppointed
from kehu.deciding import Actor, Category, Context, Decision
from kehu.facts import Fact
from kehu.identity import load_issuer, verify_token
from kehu.ids import new_id
from kehu.loops import Loop
from kehu.parts import Running, connect
from kehu.relay import Relay
from kehu.running import Assembly, assemble
from kehu.service import Feature, Service, find_service
from kehu.settings import Settings
from kehu.supervising.services import variables
from kehu.testing.platform import Platform
from kehu.topics import OwnedTopic, ensure_topics

NAMES = sorted(point.name for point in entry_points(group="kehu.services"))
STAFF = Category("staff", STAFF_FACTS, None, lambda state, _: state)
NAME_OF_A_PERSON = "欧阳修"


@dataclass
class Story:
    """Two facts, of which the first led to the second, under one correlation."""

    settings: Settings
    correlation: UUID
    cause: UUID
    effect: UUID
    between: datetime


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def story(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Story]:
    migrations = tmp_path_factory.mktemp("none")
    service = Service("vetting", "Vetting", [Feature("staff", categories=[STAFF])], migrations, partitions=1)
    await platform.empty_kafka()
    created = await platform.postgres.create_database(services=[service, find_service("grading")])
    settings = platform.settings(created.database_name).model_copy(update={"demonstration": True})
    async with connect(service, settings) as running:
        correlation = new_id()
        appointed = StaffMemberAppointed(person="p-1", number="001", name=NAME_OF_A_PERSON)
        cause = await _record(running, "p-1", appointed, correlation, None)
        between = datetime.now(UTC)
        granted = RoleGranted(person="p-2", role=Role.AUDITOR, granted_by="p-9")
        effect = await _record(running, "p-2", granted, correlation, cause)
        relay = Relay(service, running.store, settings)
        loop = Loop("relay", relay.run)
        loop.start()
        await relay.wait_caught_up()
        await loop.stop(10)
        yield Story(settings, correlation, cause, effect, between)
    await platform.postgres.drop_database(settings)


async def _record(running: Running, person: str, fact: Fact, correlation: UUID, causation: UUID | None) -> UUID:
    context = Context(actor=Actor(id="p-9"), now=running.clock.now())
    await running.commands.handle(
        STAFF,
        person,
        lambda _state, _context: Decision([fact]),
        context,
        must_exist=False,
        correlation=correlation,
        causation=causation,
    )
    return (await running.commands.history(STAFF, person))[-1].id


@dataclass
class Typed:
    code: int
    output: str
    errors: str


class Shell:
    """Types commands and reads what they print."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def type(self, line: str) -> Typed:
        code = run(shlex.split(line))
        captured = self._capsys.readouterr()
        return Typed(code, captured.out, captured.err)

    def json(self, line: str) -> list[dict[str, object]]:
        typed = self.type(line)
        assert typed.code == 0, typed.errors
        return [json.loads(text) for text in typed.output.splitlines()]


@pytest.fixture
def shell(story: Story, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Generator[Shell]:
    for name, value in variables(story.settings).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("COLUMNS", "200")
    configuration = structlog.get_config()
    # As in a process of its own, where the logs go beside what a command prints.
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory(), cache_logger_on_first_use=False)
    yield Shell(capsys)
    structlog.configure(**configuration)


def test_a_token_names_the_person(shell: Shell, story: Story) -> None:
    typed = shell.type("token --as p-7 --minutes 5")
    assert verify_token(load_issuer(story.settings), typed.output.strip()) == "p-7"


@pytest.mark.parametrize("line", ["token", "token --as p-7 --minutes 0", "token --as p-7 --minutes x", "nonsense"])
def test_a_command_typed_wrongly_says_how_and_exits_2(shell: Shell, line: str) -> None:
    typed = shell.type(line)
    assert (typed.code, bool(typed.errors)) == (2, True)


def test_every_command_tells_what_it_is_for(shell: Shell) -> None:
    listed = shell.type("--help").output
    for name in ("up", "serve", "audit", "tail", "dead-letters", "clock"):
        assert re.search(rf"{name} +\W*[\u4e00-\u9fff]", listed), name
        helped = shell.type(f"{name} --help")
        assert (helped.code, "Usage: kehu" in helped.output) == (0, True)


def test_without_an_installation_the_next_step_is_told(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    monkeypatch.chdir(tmp_path_factory.mktemp("empty"))
    assert run(["clock", "show"]) == 1
    assert "kehu up" in capsys.readouterr().err


def test_a_service_that_is_not_there_is_told_with_those_that_are(shell: Shell) -> None:
    for line in ("serve nope", "openapi nope", "tail --service nope", "dead-letters list nope"):
        typed = shell.type(line)
        assert typed.code == 1
        assert "grading" in typed.errors


@pytest.mark.parametrize("name", NAMES)
def test_every_service_has_its_documents(shell: Shell, name: str) -> None:
    openapi = json.loads(shell.type(f"openapi {name}").output)
    assert openapi["paths"]
    asyncapi = json.loads(shell.type(f"asyncapi {name}").output)
    assert asyncapi["channels"]


# --- the clock -------------------------------------------------------------------------------------------------------


def test_the_clock_moves_forward_in_a_demonstration_only(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEHU_DEMONSTRATION", "false")
    refused = shell.type("clock advance 3d")
    assert (refused.code, "KEHU_DEMONSTRATION" in refused.errors) == (1, True)
    monkeypatch.setenv("KEHU_DEMONSTRATION", "true")
    assert "3 days" in shell.type("clock advance 3d").output
    assert "3 days" in shell.type("clock show").output


@pytest.mark.parametrize(
    ("text", "hours"), [("3d", 72), ("12h", 12), ("1d12h", 36), ("2w", 336), ("90m", 1.5), ("0d", 0)]
)
def test_a_length_of_time_is_read(text: str, hours: float) -> None:
    assert length_of_time(text) == timedelta(hours=hours)


@pytest.mark.parametrize("text", ["", "3", "d", "-3d", "3x", "3 d", "99999d", "3d!", "٣d"])
def test_what_is_no_length_of_time_is_refused(text: str) -> None:
    with pytest.raises(CommandFailed, match="no length of time"):
        length_of_time(text)


# --- audit -----------------------------------------------------------------------------------------------------------


def test_the_history_of_a_key_masks_personal_values(shell: Shell) -> None:
    (entry,) = shell.json("audit customer p-1 --json")
    assert (entry["type"], entry["actor"], entry["clause"]) == ("kehu.StaffMemberAppointed.v1", "p-9", "People")
    assert entry["data"] == {"person": "p-1", "number": "001", "name": MASKED, "department": None}
    told = shell.type("audit customer p-1").output
    assert "StaffMemberAppointed" in told
    assert NAME_OF_A_PERSON not in told


def test_what_a_person_did_is_listed_in_order(shell: Shell, story: Story) -> None:
    assert [entry["id"] for entry in shell.json("audit actor p-9 --json")] == [str(story.cause), str(story.effect)]
    (latest,) = shell.json("audit actor p-9 --limit 1 --json")
    assert latest["id"] == str(story.effect)


def test_as_of_a_time_only_what_had_been_recorded_counts(shell: Shell, story: Story) -> None:
    before = story.between.isoformat()
    assert [entry["id"] for entry in shell.json(f"audit actor p-9 --as-of {before} --json")] == [str(story.cause)]
    assert shell.type("audit customer p-1 --as-of 2020-01-01").code == 1
    assert shell.type("audit customer p-1 --as-of nonsense").code == 2


def test_a_fact_is_shown_with_its_causes_and_effects(shell: Shell, story: Story) -> None:
    (of_cause,) = shell.json(f"audit fact {story.cause} --json")
    assert of_cause["causes"] == []
    told = of_cause["fact"]
    assert isinstance(told, dict)
    assert [effect["id"] for effect in told["effects"]] == [str(story.effect)]
    (of_effect,) = shell.json(f"audit fact {story.effect} --json")
    causes = of_effect["causes"]
    assert isinstance(causes, list)
    assert [cause["id"] for cause in causes] == [str(story.cause)]
    tree = shell.type(f"audit fact {story.effect}").output
    assert tree.index("StaffMemberAppointed") < tree.index("RoleGranted")
    assert shell.type(f"audit fact {new_id()}").code == 1


def test_everything_that_a_request_led_to_is_a_tree(shell: Shell, story: Story) -> None:
    (root,) = shell.json(f"audit correlation {story.correlation} --json")
    assert root["id"] == str(story.cause)
    effects = root["effects"]
    assert isinstance(effects, list)
    assert [effect["id"] for effect in effects] == [str(story.effect)]
    assert shell.type(f"audit correlation {new_id()}").code == 1


def test_a_window_of_time_is_paged_and_narrowed_by_type_and_person(shell: Shell, story: Story) -> None:
    window = "audit window --from 2020-01-01 --to 2999-12-31"
    both = [str(story.cause), str(story.effect)]
    assert [entry["id"] for entry in shell.json(f"{window} --json")] == both
    first = shell.type(f"{window} --limit 1 --json")
    assert f"--after {story.cause}" in first.errors
    assert [entry["id"] for entry in shell.json(f"{window} --limit 1 --after {story.cause} --json")] == both[1:]
    assert shell.json(f"{window} --after {story.effect} --json") == []
    assert [entry["id"] for entry in shell.json(f"{window} --type RoleGranted --json")] == both[1:]
    assert shell.json(f"{window} --type Role%anted --json") == []
    assert [entry["id"] for entry in shell.json(f"{window} --actor p-9 --json")] == both
    assert shell.json(f"{window} --actor p-8 --json") == []
    between = story.between.isoformat()
    assert [entry["id"] for entry in shell.json(f"audit window --from {between} --to 2999-12-31 --json")] == both[1:]
    assert [entry["id"] for entry in shell.json(f"audit window --from 2020-01-01 --to {between} --json")] == both[:1]


def test_a_window_of_time_that_is_none_is_refused(shell: Shell) -> None:
    assert shell.type("audit window --from 2026-11-25 --to 2026-11-24").code == 2
    assert shell.type("audit window --from yesterday --to 2026-11-24").code == 2
    assert shell.type("audit window --from 2026-11-24").code == 2
    assert shell.type(f"audit window --from 2020-01-01 --to 2026-11-24 --after {new_id()}").code == 1


def test_no_facts_make_no_tree() -> None:
    assert grow([]) == ()


def test_a_day_is_meant_to_its_end_in_shanghai() -> None:
    assert moment("2026-11-24") == datetime(2026, 11, 24, 16, tzinfo=UTC)
    assert moment("2026-11-24T09:30") == datetime(2026, 11, 24, 1, 30, tzinfo=UTC)
    assert moment("2026-11-24T09:30:00+00:00") == datetime(2026, 11, 24, 9, 30, tzinfo=UTC)
    assert moment(None) is None
    assert start("2026-11-24") == datetime(2026, 11, 23, 16, tzinfo=UTC)
    assert start("2026-11-24T09:30") == datetime(2026, 11, 24, 1, 30, tzinfo=UTC)


# --- tail ------------------------------------------------------------------------------------------------------------


def test_facts_are_shown_as_they_pass_through_kafka(shell: Shell, story: Story) -> None:
    everything = shell.json("tail --service vetting --from-beginning --count 2 --json")
    assert [event["id"] for event in everything] == [str(story.cause), str(story.effect)]
    assert everything[0]["data"] == {"person": "p-1", "number": "001", "name": MASKED, "department": None}
    (one,) = shell.json("tail --service vetting --type rolegranted --from-beginning --count 1 --json")
    assert one["id"] == str(story.effect)
    (one,) = shell.json(f"tail --service vetting --correlation {story.correlation} --from-beginning --count 1 --json")
    assert one["correlationid"] == str(story.correlation)
    told = shell.type("tail --service vetting --customer p-2 --from-beginning --count 1").output
    assert "RoleGranted" in told


def test_a_broker_that_is_away_is_told(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEHU_BROKERS", "127.0.0.1:9")
    assert "Kafka" in shell.type("tail --service vetting --count 1").errors


def test_a_database_that_is_away_is_told(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEHU_DATABASE_PORT", "9")
    typed = shell.type("audit customer p-1")
    assert (typed.code, "does it run" in typed.errors) == (1, True)


# --- dead letters and views ------------------------------------------------------------------------------------------


@pytest_asyncio.fixture(loop_scope="session")
async def parked(story: Story) -> AsyncGenerator[None]:
    """Something that is no envelope came to grading, by the topic of customer-registry."""
    grading = find_service("grading")
    registry = OwnedTopic("kehu.customer-registry", 1)
    await ensure_topics(story.settings, [registry])
    producer = AIOKafkaProducer(bootstrap_servers=story.settings.brokers)
    await producer.start()
    await producer.send_and_wait(registry.name, b"{broken", key=b"c-1")
    await producer.stop()
    async with assemble(grading, story.settings) as assembly:
        await assembly.start()
        await _until_parked(assembly)
        await assembly.stop()
    yield
    async with connect(grading, story.settings) as running:
        await running.pool.execute("DELETE FROM parked")


async def _until_parked(assembly: Assembly) -> None:
    async with asyncio.timeout(60):
        while not await assembly.consumers.dead_letters.list():  # noqa: ASYNC110 - a row that another part writes
            await asyncio.sleep(0.05)


def test_a_dead_letter_is_listed_shown_replayed_and_discarded(shell: Shell, parked: None) -> None:
    (letter,) = shell.json("dead-letters list grading --json")
    assert (letter["topic"], letter["key"]) == ("kehu.customer-registry", "c-1")
    assert "kehu.customer-registry" in shell.type("dead-letters list grading").output
    shown = json.loads(shell.type(f"dead-letters show grading {letter['id']}").output)
    assert shown["value"] == "{broken"
    again = shell.type("dead-letters replay grading kehu.customer-registry c-1")
    assert (again.code, "0 replayed" in again.errors) == (1, True)
    assert shell.type(f"dead-letters discard grading {letter['id']}").code == 2
    assert shell.type(f"dead-letters discard grading {letter['id']} --reason 'an exercise'").code == 0
    assert shell.json("dead-letters list grading --json") == []
    assert shell.type("dead-letters replay grading kehu.customer-registry c-1").code == 1
    assert shell.type(f"dead-letters show grading {letter['id']}").code == 1


def test_a_view_is_rebuilt_and_found_the_same(shell: Shell) -> None:
    assert "The rows are the same" in shell.type("rebuild staff --service grading").output
    unknown = shell.type("rebuild nothing --service grading")
    assert (unknown.code, "staff" in unknown.errors) == (1, True)
