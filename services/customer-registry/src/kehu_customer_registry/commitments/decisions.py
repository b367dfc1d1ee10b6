"""What a customer's open reviews and released goods bar until they are dealt with: merging and closing (R4)."""

from __future__ import annotations

from kehu.errors import Refused
from kehu_customer_registry.commitments.facts import Commitments


class StillCommitted(Refused):
    """A review or a delivery is under way."""

    code = "still-committed"


def check_free(zh: str, en: str, *held: Commitments) -> None:
    """Refuse what an open review (F1) or a released batch that has not shipped bars.

    Args:
        zh: what would be done, such as 合并.
        en: the same, such as ``merged``.
        held: of each customer concerned.

    Raises:
        StillCommitted: naming reviews and batches.

    """
    reviews = [one for holds in held for one in holds.open_reviews]
    batches = [one for holds in held for one in holds.unshipped]
    if reviews or batches:
        raise StillCommitted(
            f"有未办结的资质审核({len(reviews)} 项)或已放行未发货的批次({len(batches)} 批),不能{zh}。请先办结。",
            f"There are open qualification reviews ({len(reviews)}) or released, unshipped batches ({len(batches)}), "
            f"so nothing is {en}: finish them first.",
            clause="R4",
            reviews=reviews,
            batches=batches,
        )
