"""What the registry is told from outside beside `kehu.settings`: which systems may report volumes."""

from __future__ import annotations

from typing import Annotated

from pydantic import field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict


class RegistrySettings(BaseSettings):
    """Read from variables with the prefix `KEHU_REGISTRY_`.

    Args:
        volume_sources: CloudEvents sources that may report and correct contract volumes, separated by commas.

    """

    model_config = SettingsConfigDict(env_prefix="KEHU_REGISTRY_", frozen=True)

    volume_sources: Annotated[frozenset[str], NoDecode] = frozenset({"/contract-system"})

    @field_validator("volume_sources", mode="before")
    @classmethod
    def _separated(cls, given: object) -> object:
        return frozenset(one.strip() for one in given.split(",") if one.strip()) if isinstance(given, str) else given
