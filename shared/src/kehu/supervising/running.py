"""`running.json`: what `kehu up` tells the other commands about itself."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil

from kehu.settings import Settings

RUNNING_FILE = "running.json"


@dataclass(frozen=True, slots=True)
class Running:
    """What runs where; written to `running.json` for the other commands.

    Args:
        pid: of `kehu up` itself.
        services: address of each service's API.
        brokers: the broker's bootstrap servers.
        broker_kind: `embedded`.
        database: host, port and name.
        secrets: the directory of secrets.
        pids: process ids by name: every service, `postgres` and `broker`.
        demonstration: whether the clock may be moved.

    """

    pid: int
    services: Mapping[str, str]
    brokers: str
    broker_kind: str
    database: Mapping[str, Any]
    secrets: str
    pids: Mapping[str, int]
    demonstration: bool

    @classmethod
    def read(cls, directory: Path) -> Running | None:
        """Return what `kehu up` says about itself in `directory`; None where it does not run."""
        try:
            held = json.loads((directory / RUNNING_FILE).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        return cls(**held) if psutil.pid_exists(held["pid"]) else None

    def write(self, directory: Path) -> None:
        """Write it, in one step."""
        temporary = directory / f".{RUNNING_FILE}"
        temporary.write_text(json.dumps(asdict(self), indent=2) + "\n", encoding="utf-8")
        temporary.replace(directory / RUNNING_FILE)

    def settings(self) -> Settings:
        """Return the settings with which the other commands reach it."""
        return Settings.model_validate(
            {
                "database_host": self.database["host"],
                "database_port": self.database["port"],
                "database_name": self.database["name"],
                "brokers": self.brokers,
                "broker_kind": self.broker_kind,
                "secrets": self.secrets,
                "demonstration": self.demonstration,
            }
        )
