"""May a customer place an order now, with whom paying, and if not, why: decided from streams alone (R3.1.1-R3.1.3).

Papers and agreements are held against today, so a day that has passed bars new orders whether or not anybody has been
told of it yet.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from kehu.errors import Refused
from kehu_vetting.customer_files.facts import CustomerFile
from kehu_vetting.qualifications.requirements import RequiredDocuments, expired
from kehu_vetting.settlement_units.facts import Unit
from kehu_vetting.standing.facts import Payer, Standing


@dataclass(frozen=True, slots=True)
class Bar:
    """A reason why no new order may be placed: `field` is ``customer`` or ``unit``."""

    field: str
    code: str
    zh: str
    en: str
    clause: str


@dataclass(frozen=True, slots=True)
class Ordering:
    """Whether an order may be placed now: with this unit paying, unless something bars it."""

    unit: str | None
    bars: tuple[Bar, ...]

    @property
    def allowed(self) -> bool:
        """Whether nothing bars it."""
        return not self.bars


def may_order(
    file: CustomerFile, standing: Standing, unit: Unit, policy: RequiredDocuments, today: date, named: str | None = None
) -> Ordering:
    """Whether a customer may place (or increase) an order today.

    Args:
        file: the customer as the registry told of it.
        standing: how it stands.
        unit: the payer that the order names, or the default one; a blank one where there is none.
        policy: the kinds of paper in force.
        today: in Shanghai; last days are still valid.
        named: the id of the unit that the order names; None for the default one.

    """
    wanted = named or standing.default_unit
    bars = [*_of_customer(file, standing, policy, today), *_of_payer(standing, unit, wanted, policy, today)]
    return Ordering(wanted, tuple(bars))


def check_may_order(
    file: CustomerFile, standing: Standing, unit: Unit, policy: RequiredDocuments, today: date, named: str | None = None
) -> Payer:
    """The link under which the order is paid.

    Raises:
        Refused: ``may-not-order``, with every reason in `errors`.

    """
    found = may_order(file, standing, unit, policy, today, named)
    if found.bars:
        raise Refused(
            "该客户现在不能下新订单:" + "".join(bar.zh for bar in found.bars),
            "This customer may place no new order now: " + " ".join(bar.en for bar in found.bars),
            clause=found.bars[0].clause,
            code="may-not-order",
            errors=[{"field": bar.field, "code": bar.code, "detail": f"{bar.zh} {bar.en}"} for bar in found.bars],
        )
    return standing.payers[unit.id]


def _of_customer(file: CustomerFile, standing: Standing, policy: RequiredDocuments, today: date) -> Iterator[Bar]:
    if standing.active_since is None or standing.active_since > today:
        yield Bar(
            "customer",
            "not-active",
            "尚未签订协议、成为代理商或有效客户。",
            "It is not active: qualification and agreement come first.",
            "R3.1.3",
        )
        return
    if file.gone:
        yield Bar("customer", "gone", "客户已关闭或已合并。", "It was closed, or merged into another one.", "R4")
    if standing.agreements and not any(one.covers(today) for one in standing.agreements):
        yield Bar(
            "customer",
            "agreement-ended",
            "协议已到期或尚未开始,请续签。",
            "Its agreement has ended or not begun: a new one has to be signed.",
            "R3.1.3",
        )
    over = expired(standing.papers.values(), policy, today)
    for paper in over:
        yield Bar("customer", "document-expired", paper.zh, paper.en, "R3.1.2")
    # Expiry was told of above, from the papers themselves; what is left was raised by people.
    if reason := standing.bars.get("by_hand"):
        yield Bar("customer", "suspended", f"已停止新订单:{reason}。", f"It is suspended: {reason}.", "R3.1.2")


def _of_payer(
    standing: Standing, unit: Unit, wanted: str | None, policy: RequiredDocuments, today: date
) -> Iterator[Bar]:
    if wanted is None:
        yield Bar("unit", "no-unit", "没有默认结算单位,请指明。", "It has no default payer: name one.", "R3.1.1")
        return
    payer = standing.payers.get(unit.id) if unit.id else None
    if payer is None or unit.id != wanted:
        yield Bar(
            "unit",
            "unit-not-linked",
            "该结算单位没有与该客户关联。",
            "That settlement unit does not pay for this customer.",
            "R3.1.1",
        )
        return
    if payer.valid_until is not None and payer.valid_until < today:
        yield Bar(
            "unit",
            "three-party-agreement-ended",
            f"三方协议已于 {payer.valid_until} 到期。",
            f"Its three-party agreement ended on {payer.valid_until}.",
            "R3.1.1",
        )
    for paper in expired(unit.papers.values(), policy, today):
        yield Bar("unit", "unit-document-expired", f"结算单位的{paper.zh}", f"Of the payer: {paper.en}", "R3.1.1")
    if reason := unit.bars.get("by_hand"):
        yield Bar(
            "unit", "unit-suspended", f"结算单位已停用:{reason}。", f"The payer is suspended: {reason}.", "R3.1.1"
        )
