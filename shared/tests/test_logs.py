"""What the logs say, and what they never say."""

import io
import json
import logging
from collections.abc import Callable, Generator
from typing import Any

import asyncpg
import pytest
import structlog
from pydantic import BaseModel, ValidationError

from kehu.errors import Refused
from kehu.ids import new_id
from kehu.logs import configure_logs, correlated, safe_message

TYPED = "13800138000"


class Person(BaseModel):
    phone: int


@pytest.fixture
def lines() -> Generator[Callable[[], list[dict[str, Any]]]]:
    root = logging.getLogger()
    handlers, level, configuration = root.handlers[:], root.level, structlog.get_config()
    stream = io.StringIO()
    configure_logs("INFO", "vetting", stream=stream)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    root.handlers, root.level = handlers, level
    structlog.configure(**configuration)
    structlog.contextvars.clear_contextvars()


def invalid() -> ValidationError:
    with pytest.raises(ValidationError) as caught:
        Person.model_validate({"phone": f"x{TYPED}"})
    return caught.value


def fail(cause: Exception) -> None:
    raise RuntimeError("our own words") from cause


def test_every_line_has_the_service_and_the_correlation(lines: Callable[[], list[dict[str, Any]]]) -> None:
    correlation = new_id()
    with correlated(correlation):
        structlog.get_logger("kehu.x").info("something.happened", number=1)
        logging.getLogger("uvicorn.error").warning("of a %s", "library")
    first, second = lines()
    assert (first["event"], first["number"], first["service"], first["level"]) == (
        "something.happened",
        1,
        "vetting",
        "info",
    )
    assert first["correlation"] == second["correlation"] == str(correlation)
    assert second["event"] == "of a library"


@pytest.mark.parametrize(
    "error",
    [invalid(), KeyError(TYPED), ValueError(TYPED), asyncpg.DataError(f"invalid input {TYPED}"), TypeError(TYPED)],
)
def test_what_a_person_typed_is_not_logged(lines: Callable[[], list[dict[str, Any]]], error: Exception) -> None:
    try:
        fail(error)
    except RuntimeError:
        structlog.get_logger("kehu.x").exception("it.failed")
        logging.getLogger("a.library").exception("it failed")
    for line in lines():
        outer, inner = line["exception"]
        assert (outer["type"], outer["message"]) == ("builtins.RuntimeError", "our own words")
        assert inner["type"].endswith(type(error).__name__)
        assert TYPED not in json.dumps(line, ensure_ascii=False)
        assert outer["at"][-1].endswith(" fail")


def test_a_group_of_errors_is_logged_one_by_one(lines: Callable[[], list[dict[str, Any]]]) -> None:
    try:
        raise ExceptionGroup("several", [OSError("disk"), ValueError(TYPED)])
    except* (OSError, ValueError):
        structlog.get_logger("kehu.x").exception("they.failed")
    (line,) = lines()
    assert TYPED not in json.dumps(line)
    assert "disk" in json.dumps(line)


def test_our_own_refusals_are_logged_in_full() -> None:
    assert safe_message(Refused("不行。", "It may not be.")) == "It may not be."
    assert safe_message(invalid()) == "phone: int_parsing"
