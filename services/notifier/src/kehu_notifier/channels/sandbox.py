"""The sandbox: messages are written to a table instead of to anybody. Nothing leaves the machine."""

from __future__ import annotations

import asyncpg

from kehu_notifier.channels.channel import Delivered, Handed, Outcome, Outgoing, TryAgain

# Written twice it is there once.
_WRITE = """
INSERT INTO sandbox (message, person, address_personal, text_personal) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING
"""
_LOOK = "SELECT 1 FROM sandbox WHERE message = $1"


class Sandbox:
    """Stands in for every channel that is not set up.

    Args:
        pool: connections with the service's role.

    """

    can_look_up = True

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def send(self, outgoing: Outgoing) -> Outcome:
        """Write it down; that is all there is to its delivery."""
        await self._pool.execute(_WRITE, outgoing.message, outgoing.recipient, outgoing.to, outgoing.text)
        return Delivered(f"sandbox/{outgoing.message}")

    async def look_up(self, handed: Handed) -> Outcome:
        """It is there, or it was certainly never written."""
        written = await self._pool.fetchval(_LOOK, handed.message)
        return Delivered(f"sandbox/{handed.message}") if written else TryAgain("interrupted")
