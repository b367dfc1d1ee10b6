"""What vetting is told from outside beside `kehu.settings`: which other systems may send it what."""

from __future__ import annotations

from typing import Annotated

from pydantic import field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict


class VettingSettings(BaseSettings):
    """Read from variables with the prefix `KEHU_VETTING_`; CloudEvents sources, separated by commas.

    Args:
        bank_sources: may send receipts.
        warehouse_sources: may send shipments.
        order_sources: may send signed orders.

    """

    model_config = SettingsConfigDict(env_prefix="KEHU_VETTING_", frozen=True)

    bank_sources: Annotated[frozenset[str], NoDecode] = frozenset({"/bank"})
    warehouse_sources: Annotated[frozenset[str], NoDecode] = frozenset({"/warehouse"})
    order_sources: Annotated[frozenset[str], NoDecode] = frozenset({"/erp"})

    @field_validator("*", mode="before")
    @classmethod
    def _separated(cls, given: object) -> object:
        return frozenset(one.strip() for one in given.split(",") if one.strip()) if isinstance(given, str) else given
