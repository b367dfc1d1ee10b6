"""Who sees whose qualifications and credit incidents: by role, department and ownership (the table of roles)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from kehu.contracts.staff import Role
from kehu.deciding import Actor
from kehu.errors import NotFound
from kehu.privacy import ERASED
from kehu_vetting.customer_files.facts import CustomerFile

#: They see every customer; the auditor masked.
EVERYWHERE = (Role.MARKET_DEPT, Role.FINANCE, Role.GM_OFFICE, Role.GENERAL_MANAGER, Role.ADMIN)
IN_DEPARTMENT = (Role.DEPT_MANAGER, Role.VETTER)
#: Longer texts also show their last characters, so that two numbers can be told apart.
_SHORT = 6
_SHOWN_AT_END = 2


class Sight(IntEnum):
    """How much of a thing somebody sees."""

    NOTHING = 0
    MASKED = 1
    ALL = 2


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose customers a list shows to somebody: all, or those of some departments and their own."""

    everything: bool
    departments: tuple[str, ...]
    person: str


def sight(file: CustomerFile, actor: Actor) -> Sight:
    """How much of a customer's things they see; whoever is leaving, of their own customers only, and masked (R4.6)."""
    own = actor.id == file.owner or actor.id in file.collaborators
    if actor.departing:
        return Sight.MASKED if own else Sight.NOTHING
    if own or actor.has(*EVERYWHERE) or actor.has(*IN_DEPARTMENT, department=file.department):
        return Sight.ALL
    return Sight.MASKED if actor.has(Role.AUDITOR) else Sight.NOTHING


def scope(actor: Actor) -> Scope:
    """Whose customers a list shows to them; the same as `sight`, for many at once."""
    if actor.departing:
        return Scope(everything=False, departments=(), person=actor.id)
    company_wide = any(grant.role in IN_DEPARTMENT and grant.department is None for grant in actor.grants)
    return Scope(
        everything=company_wide or actor.has(*EVERYWHERE, Role.AUDITOR),
        departments=tuple(sorted(actor.departments(*IN_DEPARTMENT))),
        person=actor.id,
    )


def check_visible(file: CustomerFile, actor: Actor) -> Sight:
    """How much of a customer's things they see, if anything.

    Raises:
        NotFound: nothing; that there is something is not told either.

    """
    seen = sight(file, actor)
    if not file.registered or seen is Sight.NOTHING:
        raise NotFound(
            "没有找到,或不在您的查看范围内。", "There is no such thing, or none that you may see.", code="not-found"
        )
    return seen


def mask(personal: str) -> str:
    """A personal text in outline: its first character, and of long ones the last two."""
    if personal == ERASED:
        return personal
    end = personal[-_SHOWN_AT_END:] if len(personal) > _SHORT else ""
    return personal[:1] + "*" * (len(personal) - 1 - len(end)) + end
