"""Who acts: a token says which person, and the service's own view of the staff says what that person may do now.

A token outlives a change of role and a departure, so nothing about rights is read from it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import asyncpg
from joserfc import jwt
from joserfc.errors import ExpiredTokenError, JoseError
from joserfc.jwk import ECKey

from kehu import calendar
from kehu.contracts.staff import (
    DelegateAppointed,
    DelegationEnded,
    DepartmentChanged,
    DepartmentClosed,
    DepartmentOpened,
    DepartureCancelled,
    DepartureCleared,
    DepartureStarted,
    Role,
    RoleGranted,
    RoleRevoked,
    StaffAccessEnded,
    StaffMemberAppointed,
    StaffMemberMoved,
)
from kehu.deciding import Actor, Grant, Mandate
from kehu.errors import Forbidden, Unauthenticated
from kehu.event_store.appending import Connection
from kehu.facts import RecordedFact
from kehu.service import OWN_LOG, View
from kehu.settings import TOKEN_ISSUER_PUBLIC, Settings

ISSUER = "kehu"
AUDIENCE = "kehu"
#: The service that says who works here.
STAFF_SERVICE = "customer-registry"
#: One algorithm only: what a token's header asks for is never followed.
_ALGORITHM = "ES256"
_LEEWAY_SECONDS = 30  # clocks of the issuer and of this machine may differ by so much
_LONGEST_TOKEN = 4_096
_LONGEST_PERSON = 100


class TokenMissing(Unauthenticated):
    """A request came without a token."""

    def __init__(self) -> None:
        super().__init__(
            "请求没有带身份令牌:请在 Authorization 请求头中写 Bearer <令牌>。",
            "The request has no token: send Authorization: Bearer <token>.",
        )


class TokenExpired(Unauthenticated):
    """A token was good once."""

    code = "token-expired"

    def __init__(self) -> None:
        super().__init__("身份令牌已过期。请重新登录后再试。", "The token has expired. Sign in again, then repeat.")


class TokenInvalid(Unauthenticated):
    """A token that the issuer has not made, or not for Kehu."""

    code = "token-invalid"

    def __init__(self) -> None:
        super().__init__(
            "身份令牌无效:不是本系统认可的签发方所签发。请重新登录。",
            "The token is not valid: the issuer that is trusted here has not signed it. Sign in again.",
        )


class NotStaff(Forbidden):
    """A good token of somebody who is not on the staff, as far as this service knows."""

    code = "not-staff"

    def __init__(self, person: str) -> None:
        super().__init__(
            f"员工名册中没有 {person}。请联系管理员登记;刚登记的,请稍候再试。",
            f"{person} is not on the staff. Ask an admin to appoint them; just appointed, try again in a moment.",
            person=person,
        )


class AccessEnded(Forbidden):
    """Somebody who has left (R4.6: access ends at 24:00 of the last working day)."""

    code = "access-ended"

    def __init__(self, person: str) -> None:
        super().__init__(
            f"{person} 的使用权限已随离职终止。如有误,请联系人事。",
            f"{person} has left, and access with it. If that is wrong, ask HR.",
            clause="R4.6",
            person=person,
        )


def load_issuer(settings: Settings) -> ECKey:
    """The public key of the one issuer whose tokens are believed.

    Raises:
        kehu.settings.MissingSecretError: there is no readable key file.

    """
    return ECKey.import_key(json.loads(settings.secret(TOKEN_ISSUER_PUBLIC)))


def issue_token(private_jwk: str, person: str, minutes: int) -> str:
    """Make a bearer token for a person, as the embedded mode's own issuer.

    Args:
        private_jwk: the issuer's private key (JSON).
        person: a person's id.
        minutes: how long it is good for, in real time.

    """
    now = int(time.time())
    claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": person, "iat": now, "exp": now + minutes * 60}
    return jwt.encode({"alg": _ALGORITHM}, claims, ECKey.import_key(json.loads(private_jwk)), algorithms=[_ALGORITHM])


def verify_token(issuer: ECKey, token: str) -> str:
    """The person whom a token names. Its expiry is a matter of real time, not of the policy's clock.

    Raises:
        TokenExpired: it was good once.
        TokenInvalid: anything else that is wrong with it.

    """
    if len(token) > _LONGEST_TOKEN:
        raise TokenInvalid
    wanted = jwt.JWTClaimsRegistry(
        leeway=_LEEWAY_SECONDS,
        iss={"essential": True, "value": ISSUER},
        aud={"essential": True, "value": AUDIENCE},
        sub={"essential": True},
        exp={"essential": True},
    )
    try:
        claims = jwt.decode(token, issuer, algorithms=[_ALGORITHM]).claims
        wanted.validate(claims)
    except ExpiredTokenError:
        raise TokenExpired from None
    except (JoseError, ValueError, TypeError):
        raise TokenInvalid from None
    person = claims["sub"]
    if not isinstance(person, str) or not 0 < len(person) <= _LONGEST_PERSON or not person.isprintable():
        raise TokenInvalid
    return person


# Uses the primary keys of staff and staff_grants, and staff_delegations_delegate. Who has left neither has a delegate
# nor is one; who is leaving takes over nothing new.
_LOAD = """
SELECT s.last_day, s.ended,
       coalesce((SELECT array_agg(ARRAY[g.role, g.department] ORDER BY g.role, g.department)
                 FROM staff_grants g WHERE g.person = s.person), '{}') AS grants,
       coalesce((SELECT json_agg(json_build_object(
                            'delegation', d.delegation, 'principal', d.principal, 'steps', d.steps,
                            'grants', (SELECT json_agg(json_build_array(g.role, g.department)
                                                       ORDER BY g.role, g.department)
                                       FROM staff_grants g WHERE g.person = d.principal))
                        ORDER BY d.delegation)
                 FROM staff_delegations d JOIN staff p ON p.person = d.principal
                 WHERE d.delegate = s.person AND s.last_day IS NULL AND NOT d.ended
                   AND d.first_day <= $2 AND d.last_day >= $2
                   AND NOT p.ended AND (p.last_day IS NULL OR p.last_day >= $2)), '[]') AS mandates
FROM staff s WHERE s.person = $1
"""


async def load_actor(pool: asyncpg.Pool, person: str, now: datetime) -> Actor:
    """The person as an actor, with the roles of this moment; `gone` from the day after their last one.

    `Actor.mandates` are the delegations that hold today, each with the roles that its principal has at this moment.

    Args:
        pool: connections with the service's role.
        person: their id.
        now: the policy's time.

    Raises:
        NotStaff: this service knows of no such person.

    """
    today = calendar.today(now)
    row = await pool.fetchrow(_LOAD, person, today)
    if row is None:
        raise NotStaff(person)
    last_day = row["last_day"]
    gone = row["ended"] or (last_day is not None and today > last_day)
    return Actor(
        id=person,
        grants=_grants(row["grants"]),
        departing=last_day is not None,
        gone=gone,
        mandates=() if gone else tuple(_mandate(found) for found in json.loads(row["mandates"])),
    )


def _grants(found: Iterable[Sequence[str]]) -> tuple[Grant, ...]:
    return tuple(Grant(role, department or None) for role, department in found)


def _mandate(found: Mapping[str, Any]) -> Mandate:
    return Mandate(
        delegation=found["delegation"],
        principal=found["principal"],
        steps=frozenset(found["steps"]),
        grants=_grants(found["grants"] or ()),
    )


def staff_view(service_name: str) -> View:
    """The staff as every service sees it; each lists it among its views.

    Args:
        service_name: of the service that keeps the view.

    """
    return View(
        name="staff",
        source=OWN_LOG if service_name == STAFF_SERVICE else STAFF_SERVICE,
        tables=("staff", "staff_grants", "departments", "staff_delegations"),
        apply={
            DepartmentOpened: _open_department,
            DepartmentChanged: _change_department,
            DepartmentClosed: _close_department,
            StaffMemberAppointed: _appoint,
            StaffMemberMoved: _move,
            RoleGranted: _grant,
            RoleRevoked: _revoke,
            DepartureStarted: _start_departure,
            DepartureCancelled: _cancel_departure,
            DepartureCleared: _clear_departure,
            StaffAccessEnded: _end_access,
            DelegateAppointed: _delegate,
            DelegationEnded: _end_delegation,
        },
    )


async def _open_department(connection: Connection, recorded: RecordedFact[DepartmentOpened]) -> None:
    fact = recorded.fact
    await connection.execute(
        """INSERT INTO departments (code, name, region) VALUES ($1, $2, $3)
           ON CONFLICT (code) DO UPDATE SET name = excluded.name, region = excluded.region, closed = false""",
        fact.department,
        fact.name,
        fact.region,
    )


async def _change_department(connection: Connection, recorded: RecordedFact[DepartmentChanged]) -> None:
    fact = recorded.fact
    await connection.execute(
        "UPDATE departments SET name = coalesce($2, name), region = coalesce($3, region) WHERE code = $1",
        fact.department,
        fact.name,
        fact.region,
    )


async def _close_department(connection: Connection, recorded: RecordedFact[DepartmentClosed]) -> None:
    await connection.execute("UPDATE departments SET closed = true WHERE code = $1", recorded.fact.department)


async def _appoint(connection: Connection, recorded: RecordedFact[StaffMemberAppointed]) -> None:
    fact = recorded.fact
    await connection.execute("DELETE FROM staff_grants WHERE person = $1", fact.person)
    await connection.execute(
        """INSERT INTO staff (person, number, name_personal, department) VALUES ($1, $2, $3, $4)
           ON CONFLICT (person) DO UPDATE SET number = excluded.number, name_personal = excluded.name_personal,
               department = excluded.department, last_day = NULL, cleared = false, ended = false""",
        fact.person,
        fact.number,
        fact.name,
        fact.department,
    )


async def _move(connection: Connection, recorded: RecordedFact[StaffMemberMoved]) -> None:
    fact = recorded.fact
    await connection.execute("UPDATE staff SET department = $2 WHERE person = $1", fact.person, fact.department)


async def _grant(connection: Connection, recorded: RecordedFact[RoleGranted]) -> None:
    await connection.execute(
        "INSERT INTO staff_grants (person, role, department) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
        *_granted(recorded.fact),
    )


async def _revoke(connection: Connection, recorded: RecordedFact[RoleRevoked]) -> None:
    await connection.execute(
        "DELETE FROM staff_grants WHERE person = $1 AND role = $2 AND department = $3", *_granted(recorded.fact)
    )


def _granted(fact: RoleGranted | RoleRevoked) -> tuple[str, str, str]:
    return fact.person, fact.role.value, fact.department or ""


async def _start_departure(connection: Connection, recorded: RecordedFact[DepartureStarted]) -> None:
    fact = recorded.fact
    await connection.execute(
        "UPDATE staff SET last_day = $2, cleared = false WHERE person = $1", fact.person, fact.last_day
    )


async def _cancel_departure(connection: Connection, recorded: RecordedFact[DepartureCancelled]) -> None:
    await connection.execute(
        "UPDATE staff SET last_day = NULL, cleared = false WHERE person = $1", recorded.fact.person
    )


async def _clear_departure(connection: Connection, recorded: RecordedFact[DepartureCleared]) -> None:
    await connection.execute("UPDATE staff SET cleared = true WHERE person = $1", recorded.fact.person)


async def _end_access(connection: Connection, recorded: RecordedFact[StaffAccessEnded]) -> None:
    await connection.execute("UPDATE staff SET ended = true WHERE person = $1", recorded.fact.person)
    await connection.execute("DELETE FROM staff_grants WHERE person = $1", recorded.fact.person)


async def _delegate(connection: Connection, recorded: RecordedFact[DelegateAppointed]) -> None:
    fact = recorded.fact
    await connection.execute(
        """INSERT INTO staff_delegations (delegation, number, principal, delegate, steps, first_day, last_day, reason)
           VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING""",
        fact.delegation,
        fact.number,
        fact.principal,
        fact.delegate,
        list(fact.steps),
        fact.first_day,
        fact.last_day,
        fact.reason,
    )


async def _end_delegation(connection: Connection, recorded: RecordedFact[DelegationEnded]) -> None:
    fact = recorded.fact
    await connection.execute(
        "UPDATE staff_delegations SET ended = true, ended_by = $2, ended_at = $3 WHERE delegation = $1",
        fact.delegation,
        fact.ended_by,
        recorded.occurred_at,
    )


__all__ = [
    "AUDIENCE",
    "ISSUER",
    "STAFF_SERVICE",
    "AccessEnded",
    "NotStaff",
    "Role",
    "TokenExpired",
    "TokenInvalid",
    "TokenMissing",
    "issue_token",
    "load_actor",
    "load_issuer",
    "staff_view",
    "verify_token",
]
