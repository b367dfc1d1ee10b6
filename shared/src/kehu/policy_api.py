"""Routes over a service's policy data: what holds, what held, propose, adopt, withdraw. The same for every service."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from kehu.calendar import end_of_day
from kehu.http import Acting, ActingRequest, Answer, StreamId
from kehu.policies import (
    INITIAL,
    PolicyKind,
    PolicyProposed,
    PolicyVersion,
    ProposePolicy,
    adopt_policy,
    propose_policy,
    withdraw_policy,
)

Reason = Annotated[str, Field(min_length=1, max_length=2_000)]
Number = Annotated[int, Path(ge=1, le=1_000_000, description="The version's number.")]
AsOf = Annotated[date | None, Query(description="A day in Shanghai; what held at its end. Today and now if left out.")]


class NewVersion(BaseModel):
    """A version to be put forward."""

    model_config = ConfigDict(extra="forbid")

    effective_from: date = Field(description="In force from 0:00 of this day in Shanghai; today or later.")
    data: dict[str, Any] = Field(description="All of the policy's data; `GET /policies/{kind}` shows its schema.")
    reason: Reason


class Withdrawal(BaseModel):
    """Why a version is taken back."""

    model_config = ConfigDict(extra="forbid")

    reason: Reason


class InForce(BaseModel):
    """A policy's data at a time, and which version it is (0 came with the software)."""

    name: str
    clause: str
    version: int
    data: dict[str, Any]


class VersionShown(BaseModel):
    """One version, from its proposal on."""

    number: int
    status: str
    effective_from: date
    in_force_from: datetime | None
    proposed_by: str
    adopted_by: str | None
    reason: str
    data: dict[str, Any]


class KindShown(BaseModel):
    """A policy: what it consists of, what holds now, and all its versions, the newest first."""

    name: str
    clause: str
    adopters: list[str]
    data_schema: dict[str, Any]
    in_force: InForce
    versions: list[VersionShown]


def policy_router() -> APIRouter:
    """The routes; a service that has policies lists them as a feature's router."""
    router = APIRouter(prefix="/policies", tags=["policies"])
    router.add_api_route("", _list_policies, methods=["GET"], name="list_policies")
    router.add_api_route("/{kind}", _show_policy, methods=["GET"], name="show_policy")
    router.add_api_route("/{kind}/versions", _propose, methods=["POST"], status_code=201, name="propose_policy")
    router.add_api_route("/{kind}/versions/{number}/adopt", _adopt, methods=["POST"], name="adopt_policy")
    router.add_api_route("/{kind}/versions/{number}/withdraw", _withdraw, methods=["POST"], name="withdraw_policy")
    return router


async def _list_policies(request: Acting, on: AsOf = None) -> list[InForce]:
    """Every policy of this service, as it holds now or held on a day."""
    return [await _in_force(request, kind, on) for kind in request.running.policies.kinds.values()]


async def _show_policy(kind: StreamId, request: Acting, on: AsOf = None) -> KindShown:
    """One policy with its history."""
    policies = request.running.policies
    wanted = policies.kind(kind)
    history, version = await policies.history(kind)
    request.tag(version)
    return KindShown(
        name=wanted.name,
        clause=wanted.clause,
        adopters=list(wanted.adopters),
        data_schema=wanted.model.model_json_schema(),
        in_force=await _in_force(request, wanted, on),
        versions=[_shown(one) for one in reversed(history.versions)],
    )


async def _propose(kind: StreamId, body: NewVersion, request: Acting) -> Answer:
    """Put a version forward; it holds once a second person adopts it. The answer says its `number`."""
    policies = request.running.policies
    command = ProposePolicy(body.effective_from, body.data, body.reason)
    answer = await request.create(policies.category, kind, partial(propose_policy, policies.kind(kind), command))
    await policies.refresh()
    return answer.model_copy(update={"number": await _number_at(request, kind, answer.version)})


async def _adopt(kind: StreamId, number: Number, request: Acting) -> Answer:
    """Agree to a version, as a second person."""
    policies = request.running.policies
    answer = await request.handle(policies.category, kind, partial(adopt_policy, policies.kind(kind), number))
    await policies.refresh()
    return answer


async def _withdraw(kind: StreamId, number: Number, body: Withdrawal, request: Acting) -> Answer:
    """Take back a version that is not in force yet."""
    policies = request.running.policies
    decide = partial(withdraw_policy, policies.kind(kind), number, body.reason)
    answer = await request.handle(policies.category, kind, decide)
    await policies.refresh()
    return answer


async def _in_force(request: ActingRequest, kind: PolicyKind[Any], on: date | None) -> InForce:
    at = end_of_day(on) - timedelta(microseconds=1) if on else request.now
    data = await request.running.policies.in_force(at)
    return InForce(
        name=kind.name,
        clause=kind.clause,
        version=data.versions.get(kind.name, INITIAL),
        data=data[kind.name].model_dump(mode="json"),
    )


async def _number_at(request: ActingRequest, kind: str, stream_version: int) -> int:
    """The number of the policy version that was proposed at this version of the stream; also of a repeated request."""
    history = await request.running.commands.history(request.running.policies.category, kind)
    proposed = history[stream_version - 1].fact
    return proposed.version if isinstance(proposed, PolicyProposed) else INITIAL


def _shown(version: PolicyVersion) -> VersionShown:
    return VersionShown(
        number=version.number,
        status=version.status,
        effective_from=version.effective_from,
        in_force_from=version.in_force_from,
        proposed_by=version.proposed_by,
        adopted_by=version.adopted_by,
        reason=version.reason,
        data=dict(version.data),
    )
