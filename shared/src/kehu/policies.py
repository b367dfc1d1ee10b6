"""Policy data: versioned, effective-dated numbers and rules that change without a release.

A version is proposed by one person, adopted by another, and in force from 0:00 of its date (or from its adoption, when
that is later on the same day). So what was in force at any moment that has passed never changes, and a decision can be
explained by naming the version it was made under.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any, Generic, Literal, TypeVar

from pydantic import BaseModel, ValidationError

from kehu.calendar import start_of_day
from kehu.deciding import Category, Context, Decision, InForce
from kehu.errors import Departing, Forbidden, Invalid, NotFound, Refused
from kehu.event_store import EventStore
from kehu.facts import Fact
from kehu.recording import Codec
from kehu.service import Service

T = TypeVar("T", bound=BaseModel)

#: How long a look at the streams counts; half of the second within which every process must follow an adoption.
FRESH_SECONDS = 0.5
#: The number of the version that comes with the software, in force until another one is.
INITIAL = 0


@dataclass(frozen=True, slots=True)
class PolicyKind(Generic[T]):
    """One kind of policy data.

    Args:
        name: under which decisions find it in `Context.policies`; also its stream's id, so it never changes.
        model: its shape, frozen. A field added later has a default: old versions are read for ever.
        initial: what holds until a version is adopted.
        clause: of the policy that it fills in, such as ``R5.2``.
        adopters: the roles that may propose, adopt and withdraw versions; two persons for every adoption.

    """

    name: str
    model: type[T]
    initial: T
    clause: str
    adopters: tuple[str, ...] = ("market_dept",)


class PolicyProposed(Fact):
    """A version was put forward; it holds only once it is adopted."""

    version: int
    effective_from: date
    data: dict[str, Any]
    reason: str
    proposed_by: str


class PolicyAdopted(Fact):
    """A second person agreed to a version."""

    version: int
    adopted_by: str
    #: 0:00 of its date in Shanghai, or the moment of adoption when that is later.
    in_force_from: datetime


class PolicyWithdrawn(Fact):
    """A version will not come into force."""

    version: int
    withdrawn_by: str
    reason: str


POLICY_FACTS: tuple[type[Fact], ...] = (PolicyProposed, PolicyAdopted, PolicyWithdrawn)


@dataclass(frozen=True, slots=True)
class PolicyVersion:
    """One version of a kind. `in_force_from` and `adopted_by` are set once it is adopted."""

    number: int
    effective_from: date
    data: Mapping[str, Any]
    reason: str
    proposed_by: str
    status: Literal["proposed", "adopted", "withdrawn"] = "proposed"
    adopted_by: str | None = None
    in_force_from: datetime | None = None


@dataclass(frozen=True, slots=True)
class PolicyHistory:
    """All versions of a kind, from number 1."""

    versions: tuple[PolicyVersion, ...] = ()

    def in_force(self, at: datetime) -> PolicyVersion | None:
        """The version in force at a time (aware); None while the initial one is.

        Of the adopted versions whose time has come it is the one whose time came last.
        """
        begun = [
            one for one in self.versions if one.status == "adopted" and one.in_force_from and one.in_force_from <= at
        ]
        return max(begun, key=lambda one: (one.in_force_from, one.number), default=None)

    def version(self, number: int) -> PolicyVersion:
        """A version by its number.

        Raises:
            NotFound: there is none of that number.

        """
        if not 1 <= number <= len(self.versions):
            raise NotFound(f"没有第 {number} 版。", f"There is no version {number}; the last is {len(self.versions)}.")
        return self.versions[number - 1]


def _evolve(history: PolicyHistory, fact: Fact) -> PolicyHistory:
    match fact:
        case PolicyProposed():
            new = PolicyVersion(fact.version, fact.effective_from, fact.data, fact.reason, fact.proposed_by)
            return PolicyHistory((*history.versions, new))
        case PolicyAdopted():
            changes = {"status": "adopted", "adopted_by": fact.adopted_by, "in_force_from": fact.in_force_from}
        case PolicyWithdrawn():
            changes = {"status": "withdrawn"}
        case _:
            return history
    return PolicyHistory(
        tuple(replace(one, **changes) if one.number == fact.version else one for one in history.versions)
    )


def policy_category(service: Service) -> Category[PolicyHistory]:
    """The category of a service's policy streams: one stream per kind."""
    return Category(f"{service.schema}_policy", POLICY_FACTS, PolicyHistory(), _evolve)


# --- decisions -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ProposePolicy:
    """Put a version forward."""

    effective_from: date
    data: Mapping[str, Any]
    reason: str


class SecondPersonNeeded(Forbidden):
    """Somebody would agree to what they proposed themselves."""

    code = "second-person-needed"


class DateIsPast(Refused):
    """A version would change what held on a day that has gone by."""

    code = "effective-date-past"


def propose_policy(kind: PolicyKind[Any], command: ProposePolicy, history: PolicyHistory, context: Context) -> Decision:
    """Put a version forward.

    Raises:
        Forbidden: the actor has none of the kind's roles.
        DateIsPast: it would take effect before today.
        Invalid: the data does not fit the kind; the evidence names each field.

    """
    _check_role(kind, context)
    _check_date(kind, command.effective_from, context)
    try:
        data = kind.model.model_validate(dict(command.data))
    except ValidationError as error:
        fields = [
            {"field": ".".join(map(str, ("body", "data", *one["loc"]))), "code": one["type"], "detail": one["msg"]}
            for one in error.errors()
        ]
        raise Invalid(
            f"政策数据不符合“{kind.name}”的格式,请按 errors 中所列字段修改。",
            f"The data does not fit the policy {kind.name}: mend the fields listed in errors.",
            clause=kind.clause,
            errors=fields,
        ) from None
    proposed = PolicyProposed(
        version=len(history.versions) + 1,
        effective_from=command.effective_from,
        data=data.model_dump(mode="json"),
        reason=command.reason,
        proposed_by=context.actor.id,
    )
    return Decision([proposed])


def adopt_policy(kind: PolicyKind[Any], number: int, history: PolicyHistory, context: Context) -> Decision:
    """Agree to a version, as a second person.

    Raises:
        Forbidden: the actor has none of the kind's roles.
        SecondPersonNeeded: the actor proposed it.
        NotFound: there is no such version.
        Refused: it is adopted or withdrawn already.
        DateIsPast: its date has gone by meanwhile.

    """
    _check_role(kind, context)
    version = history.version(number)
    if version.proposed_by == context.actor.id:
        raise SecondPersonNeeded(
            "提出人不能自行通过。请由另一位有权人员通过。",
            "Who proposed a version cannot adopt it: ask a second person with the right to.",
            clause=kind.clause,
            version=number,
        )
    if version.status != "proposed":
        raise Refused(
            f"第 {number} 版已{'通过' if version.status == 'adopted' else '撤回'}。如需更改,请提出新版本。",
            f"Version {number} has been {version.status}. Propose another one to change it.",
            clause=kind.clause,
            version=number,
            status=version.status,
        )
    _check_date(kind, version.effective_from, context)
    begins = max(start_of_day(version.effective_from), context.now)
    return Decision([PolicyAdopted(version=number, adopted_by=context.actor.id, in_force_from=begins)])


def withdraw_policy(
    kind: PolicyKind[Any], number: int, reason: str, history: PolicyHistory, context: Context
) -> Decision:
    """Take back a version that has not come into force.

    Raises:
        Forbidden: the actor has none of the kind's roles.
        NotFound: there is no such version.
        Refused: it is in force, was, or is withdrawn already.

    """
    _check_role(kind, context)
    version = history.version(number)
    begun = version.in_force_from is not None and version.in_force_from <= context.now
    if version.status == "withdrawn" or begun:
        raise Refused(
            f"第 {number} 版{'已生效' if begun else '已撤回'},不能撤回。如需更改,请提出新版本。",
            f"Version {number} {'is or was in force' if begun else 'is withdrawn already'}. Propose another one.",
            clause=kind.clause,
            version=number,
        )
    return Decision([PolicyWithdrawn(version=number, withdrawn_by=context.actor.id, reason=reason)])


def _check_role(kind: PolicyKind[Any], context: Context) -> None:
    if not context.actor.has(*kind.adopters):
        raise Forbidden(
            f"只有 {'、'.join(kind.adopters)} 可以更改政策“{kind.name}”。",
            f"The policy {kind.name} is changed by {', '.join(kind.adopters)} only.",
            clause=kind.clause,
        )
    if context.actor.departing:
        raise Departing


def _check_date(kind: PolicyKind[Any], effective_from: date, context: Context) -> None:
    if effective_from < context.today:
        raise DateIsPast(
            f"生效日期 {effective_from} 已过。已过去的日子所适用的政策不再更改:请以今日或以后的日期重新提出。",
            f"{effective_from} has passed, and what held on a past day stays: propose it from today or later.",
            clause=kind.clause,
            effective_from=effective_from.isoformat(),
        )


# --- in force --------------------------------------------------------------------------------------------------------


class Policies:
    """The policy data of one service by date, as the processes of the service agree on it.

    Args:
        service: whose kinds.
        store: its event store.
        codec: its facts, `POLICY_FACTS` among them.

    """

    def __init__(self, service: Service, store: EventStore, codec: Codec) -> None:
        self.category = policy_category(service)
        self.kinds: dict[str, PolicyKind[Any]] = {kind.name: kind for kind in service.each("policies")}
        self._store = store
        self._codec = codec
        self._histories = dict.fromkeys(self.kinds, PolicyHistory())
        self._read_up_to = dict.fromkeys(self.kinds, 0)
        self._models: dict[tuple[str, int], Any] = {(kind.name, INITIAL): kind.initial for kind in self.kinds.values()}
        self._fresh_until = float("-inf")
        self._reading = asyncio.Lock()

    def kind(self, name: str) -> PolicyKind[Any]:
        """One of the service's kinds.

        Raises:
            NotFound: there is none of that name.

        """
        try:
            return self.kinds[name]
        except KeyError:
            known = ", ".join(sorted(self.kinds))
            raise NotFound(
                f"没有政策“{name}”。现有:{known}。", f"There is no policy {name}; there are {known}."
            ) from None

    async def in_force(self, at: datetime) -> InForce:
        """The data in force at a time, by the kind's name, and which versions they are.

        An adoption in this process counts at once, one in another process within a second.

        Args:
            at: aware; may lie in the past or in the future.

        """
        await self._keep_fresh()
        versions = {name: self._number(name, at) for name in self.kinds}
        return InForce({name: self._model(name, number) for name, number in versions.items()}, versions)

    async def version_in_force(self, kind: str, at: datetime) -> int:
        """The number of the version in force at a time, for explanations; `INITIAL` before any was adopted.

        Raises:
            NotFound: there is no such kind.

        """
        self.kind(kind)
        await self._keep_fresh()
        return self._number(kind, at)

    async def history(self, kind: str) -> tuple[PolicyHistory, int]:
        """All versions of a kind, and the version of its stream.

        Raises:
            NotFound: there is no such kind.

        """
        self.kind(kind)
        await self.refresh()
        return self._histories[kind], self._read_up_to[kind]

    async def refresh(self) -> None:
        """Read now what has been recorded since; to be called after every command on a policy stream."""
        async with self._reading:
            await self._read()

    async def _keep_fresh(self) -> None:
        if time.monotonic() >= self._fresh_until and self.kinds:
            async with self._reading:
                if time.monotonic() >= self._fresh_until:  # else another one has read while this one waited
                    await self._read()

    async def _read(self) -> None:
        asked = time.monotonic()
        names = {self.category.stream(name): name for name in self.kinds}
        after = {stream: self._read_up_to[name] for stream, name in names.items()}
        found = await self._store.read_streams(after)
        facts = await self._codec.decode([row for rows in found.values() for row in rows])
        for recorded in facts:
            name = names[recorded.stream]
            self._histories[name] = self.category.evolve(self._histories[name], recorded.fact)
            self._read_up_to[name] = recorded.version
        self._fresh_until = asked + FRESH_SECONDS

    def _number(self, name: str, at: datetime) -> int:
        version = self._histories[name].in_force(at)
        return version.number if version else INITIAL

    def _model(self, name: str, number: int) -> Any:
        if (name, number) not in self._models:
            data = self._histories[name].version(number).data
            self._models[name, number] = self.kinds[name].model.model_validate(data)
        return self._models[name, number]
