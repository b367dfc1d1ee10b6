"""Who may read a file that facts of the registry name: whoever sees the dossier; auditors with a reason."""

from __future__ import annotations

from collections.abc import Sequence

from kehu.files import Reading
from kehu.http import ActingRequest
from kehu_customer_registry.dossiers.facts import DOSSIERS
from kehu_customer_registry.dossiers.rights import Sight, sight

_READING = {Sight.NOTHING: Reading.NO, Sight.MASKED: Reading.WITH_REASON, Sight.ALL: Reading.YES}


async def may_read_file(request: ActingRequest, customers: Sequence[str]) -> Reading:
    """Whether they may read a file that belongs to these customers' dossiers; one of them that they see is enough."""
    seen = [Sight.NOTHING]
    for customer in customers:
        dossier, _ = await request.running.commands.load(DOSSIERS, customer)
        seen.append(sight(dossier, request.actor))
    return _READING[max(seen)]
