"""The dossier that a request names, by its id or 客户编号; who was merged is found as the survivor."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Sequence

from kehu.contracts.customers import IdentityKind
from kehu.errors import Refused
from kehu.event_store import Taken
from kehu.http import ActingRequest, Answer
from kehu.parts import Running
from kehu_customer_registry.dossiers.decisions import IDENTITY_SCOPE, NUMBER_SCOPE, SalesForce
from kehu_customer_registry.dossiers.facts import DOSSIERS, Dossier
from kehu_customer_registry.dossiers.form import identity_claim
from kehu_customer_registry.dossiers.rights import Sight, check_visible

_NUMBER = re.compile(r"K\d{6,18}", re.ASCII)
# Uses the primary keys of both tables.
_SALES_FORCE = """
SELECT g.person, g.department FROM staff_grants g JOIN staff s USING (person)
WHERE g.person = ANY ($1) AND g.role = 'salesperson' AND s.last_day IS NULL AND NOT s.ended
"""


class IdentityTaken(Refused):
    """There is a dossier with this identity already."""

    code = "identity-taken"


async def find_customer(running: Running, named: str) -> str:
    """The id of the customer of this id or 客户编号; as it was named where there is none."""
    dossier, _ = await load_dossier(running, named)
    return dossier.customer or named


async def load_dossier(running: Running, named: str) -> tuple[Dossier, int]:
    """The dossier of this id or 客户编号 and its version; the survivor's where it was merged."""
    customer = named
    if _NUMBER.fullmatch(named):
        claim = await running.store.read_claim(NUMBER_SCOPE, named)
        customer = claim["holder"] if claim else named
    dossier, version = await running.commands.load(DOSSIERS, customer)
    while dossier.merged_into is not None:
        dossier, version = await running.commands.load(DOSSIERS, dossier.merged_into)
    return dossier, version


async def visible_dossier(request: ActingRequest, named: str) -> tuple[Dossier, Sight]:
    """A dossier by id or 客户编号, and how much of it the reader sees; its version becomes the answer's ETag.

    Raises:
        NotFound: there is none, or none that they may see.

    """
    dossier, version = await load_dossier(request.running, named)
    seen = check_visible(dossier, request.actor)
    request.tag(version)
    return dossier, seen


async def holder_of(running: Running, number: str) -> str | None:
    """The customer that holds an identity, of whichever kind, in its one form."""
    for kind in IdentityKind:
        if claim := await running.store.read_claim(IDENTITY_SCOPE, identity_claim(kind, number)):
            found: str = claim["holder"]
            return found
    return None


async def naming_the_existing(request: ActingRequest, answering: Awaitable[Answer]) -> Answer:
    """The answer; where the identity is another dossier's, a refusal that offers it, by number and department alone."""
    try:
        return await answering
    except Taken as taken:
        if taken.scope != IDENTITY_SCOPE:
            raise
        holder, _ = await load_dossier(request.running, taken.holder)
    raise IdentityTaken(
        f"该证照号码已建有客户档案 {holder.number}(部门 {holder.department})。"
        f"一个客户只建一份档案:请通过 POST /dossiers/{holder.number}/relations 申请以其他区域或类别协作。",
        f"There is a dossier with this identity already: {holder.number} (department {holder.department}). "
        f"One customer has one dossier: ask for a relation in your region or kind (POST "
        f"/dossiers/{holder.number}/relations).",
        clause="R4.2",
        number=holder.number,
        department=holder.department,
        next=f"/dossiers/{holder.number}/relations",
    )


async def sales_force(request: ActingRequest, people: Sequence[str]) -> SalesForce:
    """In which departments each of some people is a salesperson at work."""
    if not people:
        return SalesForce()
    departments: dict[str, frozenset[str]] = {}
    for row in await request.pool.fetch(_SALES_FORCE, list(people)):
        departments[row["person"]] = departments.get(row["person"], frozenset()) | {row["department"]}
    return SalesForce(departments)
