"""What a process of Kehu is told from outside: `KEHU_*` variables, and a directory of secrets, one file each.

Secrets never stand in the environment: it is inherited by every child process and shown by process listings.
"""

from __future__ import annotations

import base64
import json
import os
import secrets
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Literal, TypedDict
from urllib.parse import quote

from joserfc.jwk import ECKey
from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

OWNER_ROLE = "kehu_owner"
AUDITOR_ROLE = "kehu_auditor"
#: The superuser of a cluster that Kehu itself initialises; it creates `kehu_owner` and is used for nothing else.
SUPERUSER_ROLE = "postgres"

MASTER_KEY = "master.key"
MASTER_KEY_BYTES = 32  # AES-256
TOKEN_ISSUER = "token-issuer.jwk"  # noqa: S105 - a file's name
TOKEN_ISSUER_PUBLIC = "token-issuer.pub.jwk"  # noqa: S105 - a file's name

_PASSWORD_BYTES = 24  # 192 bits: nothing to guess, and no longer than tools show on a line
_FETCH_MAX_WAIT_MS = {
    "kafka": 500,  # the broker answers as soon as there is a record; the wait only bounds idle round trips
    # Tansu answers at the end of the wait whatever arrives meanwhile: a hop takes half of it longer, and an idle system
    # asks twice as often for every halving (10 ms: 77 % of a core; 50 ms: 40 %).
    "embedded": 50,
}


class MissingSecretError(LookupError):
    """A secret's file is not there, or cannot be read by this process."""


class ConnectArguments(TypedDict):
    """The arguments of `asyncpg.connect` and `asyncpg.create_pool` that say where and as whom."""

    host: str
    port: int
    user: str
    password: str
    database: str


class Settings(BaseSettings):
    """How a process finds the database, the broker and its secrets; read from variables with the prefix `KEHU_`.

    Args:
        database_host: host name or address of PostgreSQL.
        database_port: its TCP port.
        database_name: the one database of the system.
        brokers: bootstrap servers of Kafka, `host:port` separated by commas.
        broker_kind: `kafka`, or `embedded` for Tansu (in memory, no idempotent producer).
        secrets: directory with `<role>.password`, `master.key`, `token-issuer.jwk` and `token-issuer.pub.jwk`.
        host: address that the service's HTTP API listens on.
        port: its TCP port.
        log_level: of structlog, by the standard library's names.
        demonstration: whether the clock may be moved; never on where real customers are.

    """

    model_config = SettingsConfigDict(env_prefix="KEHU_", frozen=True)

    database_host: str = "127.0.0.1"
    database_port: int = Field(default=5432, ge=1, le=65535)
    database_name: str = "kehu"
    brokers: str = "127.0.0.1:9092"
    broker_kind: Literal["kafka", "embedded"] = "kafka"
    secrets: Path = Path(".kehu/secrets")
    host: str = "127.0.0.1"
    port: int = Field(default=8100, ge=0, le=65535)
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"] = "INFO"
    demonstration: bool = False

    @property
    def idempotent_producer(self) -> bool:
        """Whether the broker can number a producer's records, so that its retries neither double nor reorder them."""
        return self.broker_kind == "kafka"

    @property
    def fetch_max_wait_ms(self) -> int:
        """How long a fetch may wait at the broker, in milliseconds."""
        return _FETCH_MAX_WAIT_MS[self.broker_kind]

    def secret(self, name: str) -> str:
        """Read the secret file `name`, without the white space around it.

        Raises:
            MissingSecretError: there is no such file, or it may not be read.

        """
        path = self.secrets / name
        try:
            return path.read_text(encoding="utf-8").strip()
        except OSError as error:
            raise MissingSecretError(
                f"The secret {path} cannot be read ({error.strerror}): point KEHU_SECRETS at the directory of secrets "
                "that this process may read, or make the file."
            ) from error

    def password(self, role: str) -> str:
        """Read the password of a database role.

        Raises:
            MissingSecretError: the role has no readable password file.

        """
        return self.secret(password_file(role))

    def master_key(self) -> bytes:
        """Read the key that wraps the keys of personal data: 32 bytes.

        Raises:
            MissingSecretError: there is no readable key file.
            ValueError: the file is no base64url of 32 bytes.

        """
        text = self.secret(MASTER_KEY)
        key = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        if len(key) != MASTER_KEY_BYTES:
            raise ValueError(
                f"{self.secrets / MASTER_KEY} holds {len(key)} bytes, not {MASTER_KEY_BYTES} in base64url."
            )
        return key

    def connection(self, role: str, *, database: str | None = None) -> ConnectArguments:
        """Return what `asyncpg.connect` needs to come in as `role`.

        Args:
            role: the database role, such as `kehu_vetting`.
            database: another database than the system's own; tests and restores have one.

        Raises:
            MissingSecretError: the role has no readable password file.

        """
        return {
            "host": self.database_host,
            "port": self.database_port,
            "user": role,
            "password": self.password(role),
            "database": database or self.database_name,
        }

    def dsn(self, role: str, *, database: str | None = None) -> str:
        """Return `connection` as a `postgresql://` address, password included: for tools, never for logs.

        Raises:
            MissingSecretError: the role has no readable password file.

        """
        to = self.connection(role, database=database)
        host = f"[{to['host']}]" if ":" in to["host"] else to["host"]
        return (
            f"postgresql://{quote(to['user'], safe='')}:{quote(to['password'], safe='')}@{host}:{to['port']}"
            f"/{quote(to['database'], safe='')}"
        )


def service_role(service: str) -> str:
    """Name the database role of a service: `kehu_customer_registry` for `customer-registry`."""
    return f"kehu_{service.replace('-', '_')}"


def password_file(role: str) -> str:
    """Name the secret file with a database role's password."""
    return f"{role}.password"


def create_secrets(directory: Path, services: Iterable[str]) -> None:
    """Make the secrets that are missing in `directory`; those that exist stay as they are.

    The directory gets mode 0700 and each file 0600. Two processes may do it at once: the first one's secret stays.

    Args:
        directory: where the files go; made, with its parents, where missing.
        services: names of the services that get a database role.

    """
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    directory.chmod(0o700)
    for role in (SUPERUSER_ROLE, OWNER_ROLE, AUDITOR_ROLE, *map(service_role, services)):
        _create(directory / password_file(role), lambda: secrets.token_urlsafe(_PASSWORD_BYTES))
    _create(directory / MASTER_KEY, lambda: _base64url(secrets.token_bytes(MASTER_KEY_BYTES)))
    _create(directory / TOKEN_ISSUER, _new_token_issuer)
    _create(directory / TOKEN_ISSUER_PUBLIC, lambda: _public_half(directory / TOKEN_ISSUER))


def _create(path: Path, make: Callable[[], str]) -> None:
    if path.exists():
        return
    # mkstemp makes the file 0600; the link makes it appear whole and never replaces another process's secret.
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(make() + "\n")
        path.hardlink_to(temporary)
    except FileExistsError:
        pass
    finally:
        Path(temporary).unlink()


def _new_token_issuer() -> str:
    key = ECKey.generate_key("P-256", {"use": "sig", "alg": "ES256"}, auto_kid=True)
    return json.dumps(key.as_dict(private=True))


def _public_half(issuer: Path) -> str:
    key = ECKey.import_key(json.loads(issuer.read_text(encoding="utf-8")))
    return json.dumps(key.as_dict(private=False))


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
