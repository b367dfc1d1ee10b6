"""Who may read a file that facts of vetting name: whoever sees the customer; auditors with a reason."""

from __future__ import annotations

from collections.abc import Sequence

from kehu.files import Reading
from kehu.http import ActingRequest
from kehu_vetting.customer_files.finding import load_surviving_file
from kehu_vetting.sight import Sight, sight

_READING = {Sight.NOTHING: Reading.NO, Sight.MASKED: Reading.WITH_REASON, Sight.ALL: Reading.YES}


async def may_read_file(request: ActingRequest, customers: Sequence[str]) -> Reading:
    """Whether they may read a file that belongs to these customers; one of them that they see is enough."""
    seen = [sight(await load_surviving_file(request, customer), request.actor) for customer in customers]
    return _READING[max(seen, default=Sight.NOTHING)]
