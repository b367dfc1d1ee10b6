"""What a running service consists of; routes and workers get it, `kehu.running` puts it together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncpg

    from kehu.clock import Clock
    from kehu.commands import Commands
    from kehu.event_store import EventStore
    from kehu.policies import Policies
    from kehu.privacy import Keyring
    from kehu.recording import Codec
    from kehu.service import Service
    from kehu.settings import Settings
    from kehu.views import Follower


@dataclass(frozen=True, slots=True)
class Running:
    """The parts of one running service.

    Args:
        service: what it is made of.
        settings: where everything is.
        pool: connections with the service's role; its views' tables need no schema in front.
        keyring: seals and opens personal fields.
        codec: the facts that it stores and reads.
        store: its event store.
        commands: carries out commands on its streams.
        clock: the policy's time.
        policies: policy data by date.
        follower: folds its views from its own log.

    """

    service: Service
    settings: Settings
    pool: asyncpg.Pool
    keyring: Keyring
    codec: Codec
    store: EventStore
    commands: Commands
    clock: Clock
    policies: Policies
    follower: Follower
