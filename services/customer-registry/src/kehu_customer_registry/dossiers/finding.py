"""The dossier that a request names, by its id or 客户编号; who was merged is found as the survivor."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from kehu.commands import Thing
from kehu.contracts.customers import IdentityKind
from kehu.contracts.staff import Role
from kehu.deciding import Context, Decision
from kehu.errors import Refused
from kehu.event_store import Taken
from kehu.http import ActingRequest, Answer
from kehu.parts import Running
from kehu_customer_registry.dossiers.decisions import IDENTITY_SCOPE, NUMBER_SCOPE, SalesForce
from kehu_customer_registry.dossiers.facts import DOSSIERS, Dossier
from kehu_customer_registry.dossiers.form import identity_claim
from kehu_customer_registry.dossiers.rights import Sight, check_visible
from kehu_customer_registry.staff.decisions import check_assignable
from kehu_customer_registry.staff.facts import STAFF, StaffMember

_NUMBER = re.compile(r"K\d{6,18}", re.ASCII)


class IdentityTaken(Refused):
    """There is a dossier with this identity already."""

    code = "identity-taken"


async def find_customer(running: Running, named: str) -> str:
    """The id of the customer of this id or 客户编号; as it was named where there is none."""
    dossier, _ = await load_dossier(running, named)
    return dossier.customer or named


async def load_dossier(running: Running, named: str) -> tuple[Dossier, int]:
    """The dossier of this id or 客户编号 and its version; the survivor's where it was merged."""
    customer = await unmerged_id(running, named)
    dossier, version = await running.commands.load(DOSSIERS, customer)
    while dossier.merged_into is not None:
        dossier, version = await running.commands.load(DOSSIERS, dossier.merged_into)
    return dossier, version


async def unmerged_id(running: Running, named: str) -> str:
    """The id that a 客户编号 was given to, whatever it was merged into since."""
    if not _NUMBER.fullmatch(named):
        return named
    claim = await running.store.read_claim(NUMBER_SCOPE, named)
    return claim["holder"] if claim else named


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


async def handle_with_people(
    request: ActingRequest,
    customer: str,
    decide: Callable[[Dossier, Context], Decision],
    people: Sequence[str],
    *,
    must_exist: bool = True,
    numbers: dict[str, Any] | None = None,
) -> Answer:
    """Carry out a command on a dossier that names people, holding their own streams still.

    So nothing is assigned to somebody who starts to leave at the same moment (R4.6): `decide` gets the `SalesForce` of
    exactly these people as `gathered`.

    Args:
        request: by whom.
        customer: the dossier's id.
        decide: the decision on the dossier.
        people: who may be assigned by it.
        must_exist: False for the first command on a dossier.
        numbers: as for `ActingRequest.handle`.

    """
    named = list(dict.fromkeys(people))
    return await request.handle_together(
        [Thing(DOSSIERS, customer, must_exist=must_exist), *(Thing(STAFF, one, must_exist=False) for one in named)],
        partial(decide_with_people, decide, named),
        numbers=numbers,
    )


def decide_with_people(
    decide: Callable[[Dossier, Context], Decision], people: Sequence[str], states: Sequence[Any], context: Context
) -> Sequence[Decision]:
    """Decide on a dossier with the sales force as the people's own streams tell it; nothing is added to those.

    Raises:
        KehuError: as `decide` raised it; the actor, where the command assigns something to them, is leaving.

    """
    dossier, *members = states
    force = sales_force(dict(zip(people, members, strict=True)))
    decision = decide(dossier, replace(context, gathered=force))
    if context.actor.id in people:
        # What they may do was looked up before: by their own stream they may be leaving since a moment ago.
        check_assignable(members[people.index(context.actor.id)])
    return [decision, *(Decision() for _ in members)]


def sales_force(members: Mapping[str, StaffMember]) -> SalesForce:
    """In which departments each of some people is a salesperson at work."""
    return SalesForce(
        {
            person: frozenset(where for role, where in member.posts if role is Role.SALESPERSON and where)
            for person, member in members.items()
            if member.at_work
        }
    )
