"""What commands have in common: which installation they speak to, and how they say that something did not work."""

from __future__ import annotations

import os
from pathlib import Path

import asyncpg
from aiokafka.errors import KafkaError

from kehu.errors import KehuError
from kehu.service import Service, find_service
from kehu.settings import MissingSecretError, Settings
from kehu.supervising.running import Running

#: Where `kehu up` keeps everything, and says where it runs.
DIRECTORY = Path(".kehu")
#: Whoever sets one of these speaks of another installation than the one that `kehu up` runs.
_NAMED_BY = ("KEHU_DATABASE_HOST", "KEHU_DATABASE_PORT", "KEHU_BROKERS", "KEHU_SECRETS")


class CommandFailed(Exception):
    """A command cannot do what it was asked; says why in a sentence."""

    def __init__(self, sentence: str, exit_code: int = 1) -> None:
        super().__init__(sentence)
        self.exit_code = exit_code


def find_settings() -> Settings:
    """The installation that this command is about: named by `KEHU_*` variables, else the one that `kehu up` runs.

    Raises:
        CommandFailed: nothing names one, and `kehu up` does not run here.

    """
    if any(name in os.environ for name in _NAMED_BY):
        return Settings()
    running = Running.read(DIRECTORY)
    if running is None:
        raise CommandFailed(
            "没有正在运行的系统。Nothing runs here: start it with `kehu up`, or name an installation by "
            "KEHU_DATABASE_HOST, KEHU_BROKERS and KEHU_SECRETS."
        )
    return running.settings()


def named_service(name: str) -> Service:
    """An installed service.

    Raises:
        CommandFailed: there is none of that name; the sentence names those there are.

    """
    try:
        return find_service(name)
    except LookupError as error:
        raise CommandFailed(f"没有这个服务。{error.args[0]}") from None


def explain(error: Exception) -> str | None:
    """What a person is told of an error, in a sentence; None for a bug, which is shown as it is."""
    while isinstance(error, ExceptionGroup) and len(error.exceptions) == 1:  # what one task of several ended with
        error = error.exceptions[0]
    if isinstance(error, KehuError):
        return f"{error.zh} {error.en}"
    if isinstance(error, _TOLD) or type(error).__name__ in _TOLD_BY_NAME:
        return str(error)
    for kinds, sentence in _SENTENCES:
        if isinstance(error, kinds):
            return f"{sentence} ({type(error).__name__}: {error})"
    return None


#: Errors whose message is a sentence already.
_TOLD = (CommandFailed, MissingSecretError)
#: The same, for those whose modules (and all that these need) only some commands load.
_TOLD_BY_NAME = {"NotMigratedError", "RestoredLogError", "NotRunning", "ScriptFailed"}
_SENTENCES: tuple[tuple[tuple[type[Exception], ...], str], ...] = (
    (
        (asyncpg.InvalidPasswordError, asyncpg.InvalidCatalogNameError, asyncpg.UndefinedTableError),
        "数据库尚未就绪。The database is not ready: run `kehu migrate`.",
    ),
    ((asyncpg.PostgresError, asyncpg.InterfaceError), "数据库出错。The database refused."),
    ((KafkaError,), "消息系统出错。Kafka cannot be used: does it run?"),
    ((OSError, TimeoutError), "连接不上。It cannot be reached: does it run, and is the address right?"),
)
