import json
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from kehu.settings import MissingSecretError, Settings, create_secrets, service_role


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    create_secrets(tmp_path / "secrets", ["customer-registry", "vetting"])
    return tmp_path / "secrets"


def test_secrets_can_be_read_by_nobody_else(directory: Path) -> None:
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in directory.iterdir()} == {0o600}
    assert sorted(file.name for file in directory.iterdir()) == [
        "kehu_auditor.password",
        "kehu_customer_registry.password",
        "kehu_owner.password",
        "kehu_vetting.password",
        "master.key",
        "postgres.password",
        "token-issuer.jwk",
        "token-issuer.pub.jwk",
    ]


def test_existing_secrets_stay_as_they_are(directory: Path) -> None:
    before = {file.name: file.read_bytes() for file in directory.iterdir()}
    create_secrets(directory, ["customer-registry", "vetting", "grading"])
    after = {file.name: file.read_bytes() for file in directory.iterdir()}
    assert after.pop("kehu_grading.password")
    assert after == before


def test_two_processes_making_secrets_at_once_agree(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(create_secrets, [tmp_path / "s"] * 8, [["vetting"]] * 8))
    private = json.loads((tmp_path / "s" / "token-issuer.jwk").read_text())
    public = json.loads((tmp_path / "s" / "token-issuer.pub.jwk").read_text())
    assert public["x"] == private["x"]
    assert not list((tmp_path / "s").glob(".*"))


def test_the_public_half_of_the_issuer_holds_no_private_part(directory: Path) -> None:
    private = json.loads((directory / "token-issuer.jwk").read_text())
    public = json.loads((directory / "token-issuer.pub.jwk").read_text())
    assert "d" in private
    assert "d" not in public
    assert public["kid"] == private["kid"]


def test_the_master_key_has_256_bits(directory: Path) -> None:
    assert len(Settings(secrets=directory).master_key()) == 32


def test_a_short_master_key_is_refused(directory: Path) -> None:
    (directory / "master.key").write_text("c2hvcnQ")
    with pytest.raises(ValueError, match="holds 5 bytes, not 32"):
        Settings(secrets=directory).master_key()


def test_the_dsn_names_role_and_database_and_survives_odd_passwords(directory: Path) -> None:
    (directory / "kehu_vetting.password").write_text("a/b@c:d\n")
    settings = Settings(secrets=directory, database_host="db", database_port=6000)
    assert settings.dsn("kehu_vetting") == "postgresql://kehu_vetting:a%2Fb%40c%3Ad@db:6000/kehu"
    assert settings.dsn("kehu_vetting", database="other").endswith("/other")


def test_a_missing_secret_is_named(directory: Path) -> None:
    with pytest.raises(MissingSecretError, match=r"kehu_nobody\.password cannot be read"):
        Settings(secrets=directory).dsn("kehu_nobody")


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEHU_BROKER_KIND", "embedded")
    monkeypatch.setenv("KEHU_DATABASE_PORT", "6543")
    settings = Settings()
    assert settings.database_port == 6543
    assert settings.fetch_max_wait_ms == 50
    assert not settings.idempotent_producer


def test_a_role_is_named_after_its_service() -> None:
    assert service_role("customer-registry") == "kehu_customer_registry"
