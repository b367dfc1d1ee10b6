"""Who sees whose orders: besides those who see customers, order clerks and the warehouse of their department."""

from __future__ import annotations

from kehu.contracts.staff import Role
from kehu.deciding import Actor
from kehu.errors import NotFound
from kehu_vetting.customer_files.facts import CustomerFile
from kehu_vetting.sight import Scope, Sight, scope, sight

#: They handle orders and goods of their department, or of the whole company.
HANDLING = (Role.ORDER_CLERK, Role.WAREHOUSE)


def order_scope(actor: Actor) -> Scope:
    """Whose customers' orders a list shows to somebody."""
    seen = scope(actor)
    if actor.departing:
        return seen
    company_wide = any(grant.role in HANDLING and grant.department is None for grant in actor.grants)
    departments = {*seen.departments, *actor.departments(*HANDLING)}
    return Scope(seen.everything or company_wide, tuple(sorted(departments)), seen.person)


def check_order_visible(file: CustomerFile, actor: Actor) -> Sight:
    """How much of a customer's orders they see, if anything.

    Raises:
        NotFound: nothing; that there is something is not told either.

    """
    seen = sight(file, actor)
    if seen is Sight.NOTHING and not actor.departing and actor.has(*HANDLING, department=file.department):
        seen = Sight.ALL
    if seen is Sight.NOTHING:
        raise NotFound(
            "没有找到,或不在您的查看范围内。", "There is no such thing, or none that you may see.", code="not-found"
        )
    return seen
