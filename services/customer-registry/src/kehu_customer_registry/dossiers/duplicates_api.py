"""Looking for dossiers of the same customer while one is being typed (R4), and the form's standard lists (R4.2)."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel

from kehu.http import Acting
from kehu.phones import Phone
from kehu.text import company_key, normalise
from kehu_customer_registry.dossiers.api import found_shown
from kehu_customer_registry.dossiers.content import LISTS
from kehu_customer_registry.dossiers.finding import holder_of
from kehu_customer_registry.dossiers.form import compact
from kehu_customer_registry.dossiers.resembling import Keys, address_key, find_resembling
from kehu_customer_registry.dossiers.rights import check_may_list
from kehu_customer_registry.dossiers.shown import ResemblingShown

router = APIRouter(tags=["dossiers"])

_LONGEST = 500


class ListEntry(BaseModel):
    """An entry of a standard list."""

    code: str
    zh: str
    en: str


@router.get("/dossiers/lists")
async def show_lists(request: Acting) -> dict[str, list[ListEntry]]:
    """The standard lists that fields of the form are taken from (R4.2), by field."""
    del request  # any member of the staff
    return {
        name: [ListEntry(code=code, zh=zh, en=en) for code, (zh, en) in entries.items()]
        for name, entries in LISTS.items()
    }


@router.get("/dossiers/duplicates")
async def find_duplicates(
    request: Acting,
    name: Annotated[str | None, Query(max_length=_LONGEST)] = None,
    phone: Annotated[list[Phone] | None, Query(max_length=10)] = None,
    address: Annotated[str | None, Query(max_length=_LONGEST)] = None,
    identity: Annotated[str | None, Query(max_length=100)] = None,
) -> list[ResemblingShown]:
    """Dossiers with the same name (有限公司 and 有限责任公司 alike), phone, address or identity.

    Who may not see one of them is told its number and whose department it is in.
    """
    check_may_list(request.actor)
    keys = Keys(
        name=company_key(name) if name else None,
        address=address_key(address) if address else None,
        phones=tuple(phone or ()),
    )
    holder = await holder_of(request.running, compact(normalise(identity))) if identity else None
    found = await find_resembling(request.pool, request.running.keyring.index_key, keys, holder=holder)
    return [found_shown(request, one) for one in found]
