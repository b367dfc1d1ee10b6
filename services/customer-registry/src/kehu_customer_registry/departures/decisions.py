"""A departure from its start to its clearance, and the end of access (R4.6). The customers' part is in `handovers`.

Whether a departure runs, was cancelled or cleared is told by the person's own stream, so every decision gets that too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from kehu.contracts.staff import (
    DepartureCancelled,
    DepartureCleared,
    DepartureStarted,
    OpenWorkMoved,
    Role,
    StaffAccessEnded,
)
from kehu.deciding import Context, Decision
from kehu.errors import Invalid, NotFound, Refused
from kehu.event_store import Claim
from kehu.text import Line
from kehu_customer_registry.departures import rights
from kehu_customer_registry.departures.facts import (
    Departure,
    DepartureOpened,
    DepartureSettled,
    Handover,
)
from kehu_customer_registry.departures.rights import CLAUSE
from kehu_customer_registry.staff.decisions import (
    FEWEST_ADMINS,
    Code,
    TooFewAdmins,
    check_assignable,
    check_member,
    post_claims,
)
from kehu_customer_registry.staff.facts import StaffMember

#: From a departure's number to its id.
DEPARTURE_SCOPE = "departure-number"

# Outside it dates overflow at their ends.
Day = Annotated[date, Field(ge=date(1900, 1, 1), le=date(2199, 12, 31))]


class StartDeparture(BaseModel):
    """Somebody leaves: who, their last working day (in Shanghai), and why."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    person: Code
    last_day: Day
    reason: Line


@dataclass(frozen=True, slots=True)
class Beginning:
    """What a start has to know besides: id and number, how many admins there are, and the leaver's customers."""

    id: str
    number: str
    admins: int
    owned: tuple[str, ...] = ()
    helped: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class OpenThing:
    """Something that still names the leaver: a visit without its record, an invoice to collect, a change."""

    kind: str
    thing: str
    customer: str | None = None
    about: str = ""


@dataclass(frozen=True, slots=True)
class MoveWork:
    """Say who looks after an open thing that names the leaver."""

    kind: str
    thing: str
    remark: str


@dataclass(frozen=True, slots=True)
class StillOpen:
    """What was looked up before clearing: customers that are still theirs, other things that name them, handovers.

    `merged` were theirs at the start and belong to another dossier since: what is handed over is the survivor.

    Nothing new can be assigned to them since the start, so what a list shows that has seen the start is all there is.
    """

    customers: tuple[str, ...] = ()
    things: tuple[OpenThing, ...] = ()
    handovers: Mapping[str, Handover] = field(default_factory=dict[str, Handover])
    merged: frozenset[str] = frozenset()


class NotRunning(Refused):
    """The departure was cancelled, or cleared."""

    code = "departure-not-running"


class ClearanceRefused(Refused):
    """Something is open; the evidence names all of it."""

    code = "departure-open"


def start_departure(
    command: StartDeparture, states: Sequence[Departure | StaffMember], context: Context
) -> Sequence[Decision]:
    """Start a departure: read-only and no export from this moment on.

    Args:
        command: who leaves, and when.
        states: the new departure, and the person.
        context: with the `Beginning` as `gathered`.

    Raises:
        Forbidden: the actor is neither HR nor the person's manager, or leaves themselves.
        NotFound: the person does not work here.
        Refused: they are leaving already; or too few admins would remain.
        Invalid: the day is over.

    """
    member = _member(states[1])
    check_member(member)
    begin: Beginning = context.gathered
    department = home_of(member)
    rights.check_may_start(context.actor, department, member.person)
    check_assignable(member)
    if command.last_day < context.today:
        raise Invalid(
            f"最后工作日 {command.last_day} 已过。请更正日期。",
            f"The last working day {command.last_day} is over: correct the date.",
            clause=CLAUSE,
            code="last-day-over",
        )
    if (Role.ADMIN, None) in member.posts and begin.admins <= FEWEST_ADMINS:
        raise TooFewAdmins(
            f"离职后管理员将少于 {FEWEST_ADMINS} 位。请先为另一人授予管理员角色。",
            f"Fewer than {FEWEST_ADMINS} admins would remain. Appoint another one first.",
            clause=CLAUSE,
            admins=begin.admins,
        )
    opened = DepartureOpened(
        departure=begin.id,
        number=begin.number,
        person=member.person,
        department=department,
        last_day=command.last_day,
        reason=command.reason,
        started_by=context.actor.id,
        owned=begin.owned,
        helped=begin.helped,
    )
    started = DepartureStarted(
        person=member.person,
        last_day=command.last_day,
        departure=begin.id,
        number=begin.number,
        department=department,
        started_by=context.actor.id,
    )
    return [Decision([opened], [Claim(DEPARTURE_SCOPE, begin.number, holder=begin.id)]), Decision([started])]


def cancel_departure(reason: str, states: Sequence[Departure | StaffMember], context: Context) -> Sequence[Decision]:
    """The person stays, and has their rights again; what was handed over stays with its successors.

    Raises:
        Forbidden: the actor is neither HR nor the manager.
        NotRunning: it was cancelled already.
        Refused: access has ended; they are appointed anew instead.

    """
    departure, member = _both(states)
    rights.check_may_start(context.actor, departure.department, departure.person)
    check_running(departure, member)
    if member.has_left(context.today):
        raise Refused(
            f"{member.person} 的使用权限已终止,不能再撤销离职。如其返岗,请重新登记员工。",
            f"The access of {member.person} has ended, so the departure stands. If they come back, appoint them anew.",
            clause=CLAUSE,
            code="access-ended",
        )
    cancelled = DepartureCancelled(
        person=member.person,
        departure=departure.id,
        number=departure.number,
        department=departure.department,
        reason=reason,
        cancelled_by=context.actor.id,
    )
    return [Decision(), Decision([cancelled])]


def move_work(command: MoveWork, states: Sequence[Departure | StaffMember], context: Context) -> Sequence[Decision]:
    """Give open work that names the leaver to somebody else, who is told; the manager does.

    Args:
        command: what, and to whom.
        states: the departure, the leaver, and who gets it.
        context: with what still names the leaver as `gathered`.

    Raises:
        Forbidden: the actor is not the manager.
        NotRunning: the departure does not run.
        NotFound: it does not name the leaver, or whoever gets it does not work here.
        Refused: they are leaving.

    """
    departure, member = _both(states)
    signature = rights.check_manager(context.actor, departure.department, departure.person)
    check_running(departure, member)
    if (command.kind, command.thing) in departure.taken_over:
        return [Decision(), Decision(), Decision()]
    things: Sequence[OpenThing] = context.gathered
    found = next((one for one in things if (one.kind, one.thing) == (command.kind, command.thing)), None)
    if found is None:
        raise NotFound(
            "离职人名下没有这项未办事项,可能已办结。请刷新离职清单后再看。",
            "No such open work names who leaves; perhaps it is done. Look at the departure again.",
            clause=CLAUSE,
            code="thing-unknown",
        )
    successor = _member(states[2])
    check_member(successor)
    check_assignable(successor)
    moved = OpenWorkMoved(
        departure=departure.id,
        number=departure.number,
        kind=found.kind,
        thing=found.thing,
        customer=found.customer,
        leaver=departure.person,
        department=departure.department,
        to=successor.person,
        remark=command.remark,
        moved_by=signature.signed_by,
        on_behalf_of=signature.on_behalf_of,
    )
    return [Decision([moved]), Decision(), Decision()]


def check_other(person: str, departure: Departure) -> None:
    """Refuse to give the leaver's work to the leaver.

    Raises:
        Invalid: so it is.

    """
    if person == departure.person:
        raise Invalid(
            "接手人不能是离职人本人。请另选接手人。",
            "Who leaves does not take over their own work. Choose somebody else.",
            clause=CLAUSE,
            code="successor-self",
        )


def clear_departure(states: Sequence[Departure | StaffMember], context: Context) -> Sequence[Decision]:
    """Clear a departure: every customer has a successor and proof of notice, and nothing else names the leaver.

    Args:
        states: the departure and the person.
        context: with what is `StillOpen` as `gathered`. A handover that is complete stays so, and nothing new is
            assigned to the leaver: what was found closed just before is closed now.

    Raises:
        Forbidden: the actor is not of HR, or is the leaver.
        NotRunning: it was cancelled or cleared.
        ClearanceRefused: something is open; all of it is named.

    """
    departure, member = _both(states)
    rights.check_may_clear(context.actor, departure.person)
    check_running(departure, member)
    open_: StillOpen = context.gathered
    lacking = lacks(departure, open_)
    things = [thing for thing in open_.things if (thing.kind, thing.thing) not in departure.taken_over]
    if lacking or things:
        raise ClearanceRefused(
            "离职尚不能清结:"
            + ";".join([*(f"{name}:{what[0]}" for name, what in lacking), *map(_zh, things)])
            + "。请逐项办结后再清结。",
            "The departure cannot be cleared yet: "
            + "; ".join([*(f"{name}: {what[1]}" for name, what in lacking), *map(_en, things)])
            + ". Finish each, then clear it.",
            clause=CLAUSE,
            customers={name: what[2] for name, what in lacking},
            things=[{"kind": thing.kind, "thing": thing.thing, "customer": thing.customer} for thing in things],
        )
    settled = DepartureSettled(
        departure=departure.id, customers=tuple(sorted(open_.handovers)), settled_by=context.actor.id
    )
    cleared = DepartureCleared(
        person=member.person, departure=departure.id, number=departure.number, cleared_by=context.actor.id
    )
    return [Decision([settled]), Decision([cleared])]


def lacks(departure: Departure, open_: StillOpen) -> list[tuple[str, tuple[str, str, str]]]:
    """Customers that lack something, each with what: in Chinese, in English, as a code."""
    found: list[tuple[str, tuple[str, str, str]]] = []
    for customer in sorted({*departure.owned, *open_.handovers, *open_.customers} - open_.merged):
        handover = open_.handovers.get(customer, Handover()).within(departure.id)
        if handover.accepted_by is None or customer in open_.customers:
            waits = handover.waits_for_answer
            found.append((customer, _UNANSWERED if waits else _NO_SUCCESSOR))
        elif not handover.is_complete:
            found.append((customer, _UNPROVED))
    return found


_NO_SUCCESSOR = ("尚无接收人", "has no successor", "successor-missing")
_UNANSWERED = ("接收人尚未答复", "its successor has not answered", "successor-unanswered")
_UNPROVED = ("尚无告知证明", "has no proof of notice", "proof-missing")


def end_access(key: str, due: datetime, member: StaffMember, context: Context) -> Decision:
    """End access at 24:00 of the last working day, whatever is open; the posts are free again."""
    del key, due
    leaving = member.leaving
    if leaving is None or member.ended or not member.has_left(context.today):
        return Decision()
    ended = StaffAccessEnded(
        person=member.person, departure=leaving.departure, number=leaving.number, cleared=leaving.cleared
    )
    posts = sorted(member.posts, key=str)
    return Decision([ended], [claim for post in posts for claim in post_claims(post, member.person, release=True)])


def home_of(member: StaffMember) -> str | None:
    """Whose manager looks after the departure: of the home department, else of the one that somebody has a role in."""
    return member.department or min((where for _, where in member.posts if where), default=None)


def check_running(departure: Departure, member: StaffMember) -> None:
    """Refuse what concerns a departure that does not run any more.

    Raises:
        NotRunning: so it is.

    """
    leaving = member.leaving
    if leaving is None or leaving.departure != departure.id or leaving.cleared:
        raise NotRunning(
            f"离职手续 {departure.number} 已撤销或已清结,不能再办理。",
            f"The departure {departure.number} was cancelled or cleared: nothing more is done in it.",
            clause=CLAUSE,
        )


def _both(states: Sequence[Departure | StaffMember]) -> tuple[Departure, StaffMember]:
    departure = states[0]
    if not isinstance(departure, Departure):
        raise TypeError(f"The departure comes first, not {departure!r}.")
    return departure, _member(states[1])


def _member(state: Departure | StaffMember) -> StaffMember:
    if not isinstance(state, StaffMember):
        raise TypeError(f"The person comes second, not {state!r}.")
    return state


def _zh(thing: OpenThing) -> str:
    return f"{THINGS.get(thing.kind, (thing.kind, ''))[0]} {thing.thing}"


def _en(thing: OpenThing) -> str:
    return f"{THINGS.get(thing.kind, ('', thing.kind))[1]} {thing.thing}"


#: What can still name somebody who leaves, besides customers.
THINGS = {
    "visit": ("未补拜访记录(F7)的拜访", "visit without its record (F7)"),
    "invoice": ("未签收的发票(F3)", "invoice that is not signed for (F3)"),
    "qualification": ("办理中的资质审核(F1)", "qualification under way (F1)"),
    "invoice_request": ("办理中的开票申请(F2)", "invoice request under way (F2)"),
    "change": ("待审的档案变更", "change that waits for the manager"),
    "verification": ("未完成的档案核验", "verification that is not done"),
    "delegation": ("有效的委托", "delegation that holds"),
    "renewal": ("办理中的资料更新", "renewal of papers under way"),
    "relation": ("待审的协作申请", "request for a relation"),
    "measure": ("未完成的采购措施", "purchase measure that is not done"),
    "approval": ("仅其本人可办理的审批步骤", "step that nobody else at work may sign"),
    "proposal": ("待答复的客户接收", "customer offered to them"),
}
