"""The route by which an auditor sees the personal values of a fact; the record of it comes first."""

from __future__ import annotations

from functools import partial
from typing import Any
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel
from pydantic_core import from_json

from kehu.errors import NotFound
from kehu.http import Acting
from kehu.unmasking import unmask, unmasked_category


class UnmaskedFact(BaseModel):
    """A fact with its personal values; 已删除 stands for those that have been erased."""

    id: UUID
    type: str
    stream: str
    version: int
    data: dict[str, Any]


def unmasking_router() -> APIRouter:
    """The route; every service has it."""
    router = APIRouter(prefix="/facts", tags=["audit"])
    router.add_api_route("/{fact}/unmask", _unmask, methods=["POST"], name="unmask_fact")
    return router


async def _unmask(fact: UUID, request: Acting) -> UnmaskedFact:
    """Show the personal values of a fact to an auditor; takes a reason (Kehu-Reason), which is recorded."""
    running = request.running
    reason = request.reason
    row = await running.store.read_fact(fact)
    if row is None:
        raise NotFound(
            f"本服务没有事实 {fact}。审计命令会显示每条事实属于哪个服务。",
            f"This service has no fact {fact}. The audit command shows which service has it.",
        )
    await request.create(unmasked_category(running.service.schema), fact, partial(unmask, row, reason))
    (data,) = await running.keyring.open([(row.stream, from_json(row.data))])
    return UnmaskedFact(id=row.id, type=row.type, stream=row.stream, version=row.version, data=data)
