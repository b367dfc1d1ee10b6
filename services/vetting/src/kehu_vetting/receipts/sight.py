"""Who sees whose money: finance and the company's management all of it, others that of their customers' payers."""

from __future__ import annotations

from kehu.errors import NotFound
from kehu.http import ActingRequest
from kehu_vetting.customer_files.views import FILES
from kehu_vetting.sight import Scope, scope

# Uses payers_unit.
_PAYS_FOR = f"""
SELECT EXISTS (SELECT FROM payers p JOIN {FILES} c USING (customer)
               WHERE p.unit = $1 AND (c.department = ANY ($2) OR c.owner = $3 OR $3 = ANY (c.collaborators)))
"""


async def check_unit_visible(request: ActingRequest, unit: str | None) -> Scope:
    """Whether somebody sees a payer's money: it pays for a customer that they see. Money of nobody known is finance's.

    Raises:
        NotFound: they do not; that there is something is not told either.

    """
    shown = scope(request.actor)
    if shown.everything:
        return shown
    if unit is None or not await request.pool.fetchval(_PAYS_FOR, unit, list(shown.departments), shown.person):
        raise NotFound(
            "没有找到,或不在您的查看范围内。", "There is no such thing, or none that you may see.", code="not-found"
        )
    return shown
