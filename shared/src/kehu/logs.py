"""Logs as JSON lines, each with the correlation of the request or fact being worked on; nothing personal in them.

What an exception says may hold what a person typed. Only messages that are known to be ours are logged; of the others
the type, the places in the code and the error code.
"""

from __future__ import annotations

import logging
import sys
import traceback
from collections.abc import MutableMapping
from types import TracebackType
from typing import Any, TextIO
from uuid import UUID

import asyncpg
import structlog
from pydantic import ValidationError
from structlog.contextvars import bind_contextvars, bound_contextvars, merge_contextvars

from kehu.errors import KehuError

#: Frames of a traceback in the logs, innermost last; more than any of ours needs, fewer than a recursion error has.
_MOST_FRAMES = 40

_Event = MutableMapping[str, Any]
_ExceptionInfo = tuple[type[BaseException], BaseException, TracebackType | None]


def configure_logs(level: str, service: str, *, stream: TextIO = sys.stdout, for_people: bool = False) -> None:
    """Send the logs of this process, uvicorn's and aiokafka's included, to one stream.

    Args:
        level: of the standard library, such as ``INFO``.
        service: stands on every line.
        stream: where they go.
        for_people: coloured lines instead of JSON.

    """
    shared: list[Any] = [
        merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        describe_exception,
    ]
    renderer = structlog.dev.ConsoleRenderer() if for_people else structlog.processors.JSONRenderer(ensure_ascii=False)
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    for name, quiet in _QUIET.items():
        logger = logging.getLogger(name)
        logger.handlers = []
        logger.propagate = True
        logger.setLevel(max(quiet, logging.getLevelNamesMapping()[level]))
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.stdlib.PositionalArgumentsFormatter(),
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    bind_contextvars(service=service)


#: Libraries that log every request or reconnection; requests are logged by kehu.http.access with their correlation.
_QUIET = {
    "uvicorn": logging.INFO,
    "uvicorn.error": logging.INFO,
    "uvicorn.access": logging.CRITICAL,
    "aiokafka": logging.WARNING,
    "faststream": logging.WARNING,
    "httpx2": logging.WARNING,
    "asyncio": logging.WARNING,
}


def correlated(correlation: UUID) -> Any:
    """A context in which every line carries this correlation."""
    return bound_contextvars(correlation=str(correlation))


def describe_exception(_logger: Any, _method: str, event: _Event) -> _Event:
    """Replace `exc_info` by what may be logged of it: type, message if it is ours, and places."""
    info = event.pop("exc_info", None)
    if info is True:
        info = sys.exc_info()
    elif isinstance(info, BaseException):
        info = (type(info), info, info.__traceback__)
    if not info or info[1] is None:
        return event
    described: _ExceptionInfo = info
    event["exception"] = _chain(described[1])
    return event


def _chain(error: BaseException | None) -> list[dict[str, Any]]:
    """The exception and what led to it, the outermost first."""
    chain: list[dict[str, Any]] = []
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        frames = traceback.extract_tb(error.__traceback__)[-_MOST_FRAMES:]
        places = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]
        described: dict[str, Any] = {"type": f"{type(error).__module__}.{type(error).__qualname__}", "at": places}
        if message := safe_message(error):
            described["message"] = message
        if isinstance(error, BaseExceptionGroup):
            described["of"] = [_chain(inner) for inner in error.exceptions]
        chain.append(described)
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return chain


def safe_message(error: BaseException) -> str:
    """What may be logged of an exception's message: all of it where it is ours, else codes without values."""
    match error:
        case KehuError():
            return error.en
        case ValidationError():
            return "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['type']}" for one in error.errors())
        case asyncpg.PostgresError():
            return f"{getattr(error, 'sqlstate', '')} {getattr(error, 'table_name', None) or ''}".strip()
        case ValueError() | LookupError() | TypeError() | AttributeError():
            return ""
        case _:
            return str(error)
