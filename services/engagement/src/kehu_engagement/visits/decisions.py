"""Planning visits (F6), recording them (F7), and what becomes of those that nobody records (R6.2.1a to c)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from kehu.calendar import today
from kehu.contracts.engagement import VisitCancelled, VisitLogged, VisitPlanned, VisitRecordOverdue
from kehu.deciding import Context, Decision
from kehu_engagement.visits.deviations import in_words
from kehu_engagement.visits.facts import (
    OPEN,
    CustomerVisits,
    Deviation,
    FindingsRecorded,
    Relation,
    Visit,
    VisitPrepared,
)
from kehu_engagement.visits.forms import CancelVisit, Findings, PlanVisit, RecordVisit, RegisterUnplannedVisit
from kehu_engagement.visits.policy import visiting
from kehu_engagement.visits.refusals import (
    BeforeVisitDay,
    CustomerUnknown,
    DayIsPast,
    FirstVisitShort,
    FirstVisitWithoutOwner,
    NothingRecorded,
    PeopleLeaving,
    PeopleUnknown,
    VisitInFuture,
    VisitNotOpen,
    VisitUnknown,
)
from kehu_engagement.visits.rights import check_may_arrange, check_may_record


@dataclass(frozen=True, slots=True)
class Colleague:
    """One of our people, as the staff view has them now. A decision gets those it names, by id, as `gathered`.

    Args:
        marketing: whether they are a marketing employee: salesperson or department manager (R6.2.3).
        leaving: whether they are leaving, or have left.

    """

    marketing: bool = False
    leaving: bool = False


Colleagues = Mapping[str, Colleague]


def plan_visit(visit: str, customer: str, command: PlanVisit, state: CustomerVisits, context: Context) -> Decision:
    """Put a visit on the register (F6).

    Args:
        visit: its new id.
        customer: whom it goes to.
        command: F6.
        state: of the customer.
        context: `gathered` holds the visitors (`Colleagues`).

    Raises:
        CustomerUnknown, MergedAway: nobody of that id is registered, or it was merged into another (R4).
        NotYourCustomer, Departing: the actor may not.
        DayIsPast: its day has passed (R6.2.1a).
        PeopleUnknown, PeopleLeaving: a visitor is not on the staff, or is given nothing new any more (R4.6).
        FirstVisitShort, FirstVisitWithoutOwner: the customer is new, and R6.2.1b wants others to go.

    """
    relation = _registered(state)
    check_may_arrange(context.actor, relation)
    if command.planned_on < context.today:
        raise DayIsPast(command.planned_on, context.today)
    colleagues = _known(command.visitors, context)
    if leaving := [person for person in command.visitors if colleagues[person].leaving]:
        raise PeopleLeaving(leaving)
    policy = visiting(context)
    if state.is_new:
        _check_first_party(command.visitors, colleagues, relation, policy.first_visit_visitors)
    planned = VisitPlanned(
        visit=visit,
        customer=customer,
        department=relation.department,
        planned_on=command.planned_on,
        visitors=command.visitors,
        purpose=command.purpose,
        first_visit=state.is_new,
    )
    prepared = VisitPrepared(
        visit=visit,
        customer=customer,
        contacts=command.contacts,
        preparation=command.preparation,
        grade=relation.grade,
        planned_by=context.actor.id,
        planned_at=context.now,
        record_due_at=policy.record_due_at(command.planned_on),
    )
    return Decision([planned, prepared])


def record_visit(visit: str, customer: str, command: RecordVisit, state: CustomerVisits, context: Context) -> Decision:
    """Record a visit that was planned (F7). What was not as the policy wants is taken down with it, never refused.

    On a first visit it counts only if the party was what R6.2.1b wants, and if F6 was there before the visit:
    otherwise the customer stays new. A record that comes after it had fallen due is marked late.

    Raises:
        CustomerUnknown, MergedAway, VisitUnknown: there is no such customer or visit, or it was merged (R4).
        NotYourCustomer: the actor may not.
        VisitNotOpen: it is recorded, or cancelled, already.
        NothingRecorded: no text says anything.
        PeopleUnknown: an attendee is not on the staff.
        VisitInFuture, BeforeVisitDay: it tells of a time that has not come, or of one before the planned day.

    """
    relation = _registered(state)
    found = _found(visit, state)
    check_may_record(context.actor, relation, found)
    plan, prepared = _open(visit, found)
    colleagues = _check_findings(command, context)
    visited_on = today(command.visited_at)
    if visited_on < plan.planned_on:
        raise BeforeVisitDay(plan.planned_on)
    policy = visiting(context)
    moved = visited_on != plan.planned_on
    before = prepared.planned_at <= command.visited_at
    salespeople = relation.salespeople | found.salespeople  # the owner may have changed since
    full = _is_first_party(command.attendees, colleagues, salespeople, policy.first_visit_visitors)
    deviates = {
        Deviation.FIRST_VISIT_SHORT: state.is_new and not full,
        Deviation.REGISTERED_AFTERWARDS: not before,
        Deviation.ANOTHER_DAY: moved,
    }
    return _logged(
        visit,
        customer,
        command,
        relation,
        context,
        planned=True,
        first_visit=state.is_new and full and before,
        late=context.now >= (policy.record_due_at(visited_on) if moved else prepared.record_due_at),
        deviations=[deviation for deviation, applies in deviates.items() if applies],
    )


def register_unplanned(
    visit: str, customer: str, command: RegisterUnplannedVisit, state: CustomerVisits, context: Context
) -> Decision:
    """Register a visit that had no F6, with its F7 and the reason.

    R6.2.1a lets a visit without F6 be registered on the same day as *unplanned*, for customers who are not new; and it
    says why: a true fact is never refused, it is shown. The reason rules: a visit that was made is taken down in any
    case, and what the clause limits is what it counts as.

    - For a customer who is not new it is an unplanned visit: a valid F7, counted and listed.
    - To a **new** customer it cannot be one. It is listed with the deviation `first-visit-unplanned`, and as with an
      F7 that only one attended (R6.2.1b) it is not the first visit: the customer stays new, and the next F6 needs
      two marketing employees. Refusing it would only move the visit into an F6 made up afterwards.
    - Not registered on the same day it is late, and listed with the deviation `unplanned-registered-later`.

    Raises:
        CustomerUnknown, MergedAway: nobody of that id is registered, or it was merged into another (R4).
        NotYourCustomer, Departing: the actor may not.
        NothingRecorded: no text says anything.
        PeopleUnknown: an attendee is not on the staff.
        VisitInFuture: it tells of a time that has not come.

    """
    relation = _registered(state)
    check_may_arrange(context.actor, relation)
    _check_findings(command, context)
    late = today(command.visited_at) != context.today
    deviates = {Deviation.FIRST_VISIT_UNPLANNED: state.is_new, Deviation.REGISTERED_LATER: late}
    return _logged(
        visit,
        customer,
        command,
        relation,
        context,
        planned=False,
        first_visit=False,
        late=late,
        deviations=[deviation for deviation, applies in deviates.items() if applies],
        unplanned_reason=command.reason,
    )


def cancel_visit(visit: str, customer: str, command: CancelVisit, state: CustomerVisits, context: Context) -> Decision:
    """Take a planned visit off the register, with the reason; also one that was missed and never took place.

    Raises:
        CustomerUnknown, MergedAway, VisitUnknown: there is no such customer or visit, or it was merged (R4).
        NotYourCustomer, Departing: the actor may not.
        VisitNotOpen: it is recorded, or cancelled, already.

    """
    relation = _registered(state)
    found = _found(visit, state)
    check_may_arrange(context.actor, relation)
    plan, _ = _open(visit, found)
    cancelled = VisitCancelled(
        visit=visit,
        customer=customer,
        department=relation.department,
        planned_on=plan.planned_on,
        visitors=plan.visitors,
        reason=command.reason,
        cancelled_by=context.actor.id,
    )
    return Decision([cancelled])


def miss_record(visit: str, customer: str, state: CustomerVisits) -> Decision:
    """Say, once, that the record of a visit (F7) was not there when it fell due (R6.2.1a).

    Of a customer that was merged, the survivor says it.
    """
    found = state.visits.get(visit)
    if state.lineage.merged_into or found is None or found.plan is None or found.overdue or found.status not in OPEN:
        return Decision()
    missed = VisitRecordOverdue(
        visit=visit,
        customer=customer,
        department=state.relation.department,
        planned_on=found.plan.planned_on,
        visitors=found.plan.visitors,
    )
    return Decision([missed])


# --- what they have in common ----------------------------------------------------------------------------------------


def _registered(state: CustomerVisits) -> Relation:
    if not state.relation.registered:
        raise CustomerUnknown
    state.lineage.check_alive()  # only the survivor takes commands (R4)
    return state.relation


def _found(visit: str, state: CustomerVisits) -> Visit:
    try:
        return state.visits[visit]
    except KeyError:
        raise VisitUnknown(visit) from None


def _open(visit: str, found: Visit) -> tuple[VisitPlanned, VisitPrepared]:
    """Both halves of F6, if something is still to be done."""
    if found.status not in OPEN or found.plan is None or found.prepared is None:
        raise VisitNotOpen(visit, found.status)
    return found.plan, found.prepared


def _known(people: Sequence[str], context: Context) -> Colleagues:
    colleagues: Colleagues = context.gathered
    if unknown := [person for person in people if person not in colleagues]:
        raise PeopleUnknown(unknown)
    return colleagues


def _check_findings(command: Findings, context: Context) -> Colleagues:
    if not any((*command.heard().values(), command.next_step)):
        raise NothingRecorded
    colleagues = _known(command.attendees, context)
    if command.visited_at > context.now:
        raise VisitInFuture
    return colleagues


def _check_first_party(people: Iterable[str], colleagues: Colleagues, relation: Relation, needed: int) -> None:
    """R6.2.1b, before the visit."""
    marketing = {person for person in people if colleagues[person].marketing}
    if len(marketing) < needed:
        raise FirstVisitShort(len(marketing), needed)
    if marketing.isdisjoint(relation.salespeople):
        raise FirstVisitWithoutOwner(sorted(relation.salespeople))


def _is_first_party(people: Iterable[str], colleagues: Colleagues, salespeople: frozenset[str], needed: int) -> bool:
    """R6.2.1b, after it: who has left since was a marketing employee that day."""
    marketing = {person for person in people if colleagues[person].marketing}
    return len(marketing) >= needed and not marketing.isdisjoint(salespeople)


def _logged(
    visit: str,
    customer: str,
    command: Findings,
    relation: Relation,
    context: Context,
    *,
    planned: bool,
    first_visit: bool,
    late: bool,
    deviations: Sequence[Deviation],
    unplanned_reason: str | None = None,
) -> Decision:
    logged = VisitLogged(
        visit=visit,
        customer=customer,
        department=relation.department,
        visited_at=command.visited_at,
        attendees=command.attendees,
        planned=planned,
        first_visit=first_visit,
        deviation=in_words(deviations),
        late=late,
        next_step=command.next_step,
    )
    findings = FindingsRecorded(
        visit=visit,
        customer=customer,
        contacts_met=command.contacts_met,
        **command.heard(),
        recorded_by=context.actor.id,
        deviations=tuple(deviations),
        unplanned_reason=unplanned_reason,
    )
    return Decision([logged, findings])
