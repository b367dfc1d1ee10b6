"""One customer of a leaving person: a successor is proposed, answers, and owns it from then on (R4.6).

Decided on four streams together: the handover's, the customer's, the leaver's and the successor's; so nothing is handed
to somebody who is leaving, and no customer is without an owner in between.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any, NamedTuple

from kehu.contracts.customers import OwnerAssigned
from kehu.contracts.staff import (
    DelegableStep,
    HandoverNoticeDue,
    Role,
    SuccessorAccepted,
    SuccessorDeclined,
    SuccessorProposed,
)
from kehu.deciding import Context, Decision
from kehu.errors import Forbidden, Invalid, NotFound, Refused
from kehu.escalating import Wait, escalation
from kehu.facts import Fact
from kehu_customer_registry.departures import rights
from kehu_customer_registry.departures.decisions import check_running
from kehu_customer_registry.departures.facts import HANDOVERS, Departure, Handover, HandoverNotesWritten
from kehu_customer_registry.departures.policy import departing
from kehu_customer_registry.departures.rights import CLAUSE
from kehu_customer_registry.dossiers.decisions import check_apart
from kehu_customer_registry.dossiers.facts import Dossier, Status
from kehu_customer_registry.staff.decisions import check_assignable, check_not_leaving
from kehu_customer_registry.staff.facts import StaffMember


class Scene(NamedTuple):
    """What a handover is decided from, each with its stream: see `decide_on`."""

    departure: Departure
    handover: Handover
    dossier: Dossier
    leaver: StaffMember
    successor: StaffMember


class NotTheirs(Refused):
    """The customer is none of the leaver's."""

    code = "not-the-leavers"


class NoProposal(Refused):
    """Nobody was asked, or they have answered."""

    code = "no-proposal"


def scene(states: Sequence[Any]) -> Scene:
    """The states of departure, handover, dossier, leaver and successor, in this order."""
    return Scene(*states)


def propose_successor(states: Sequence[Any], context: Context) -> Sequence[Decision]:
    """The manager proposes who takes the customer over; asked anew, the last proposal counts.

    Where the customer has another owner already, that one is its successor, and nobody has to answer.

    Raises:
        Forbidden: the actor is not the manager of the customer's department.
        NotRunning: the departure does not run.
        NotTheirs: the customer is none of the leaver's.
        WrongStatus: the dossier was merged into another one.
        Refused: the successor is leaving; or has accepted already.
        NotFound: the successor is no salesperson of that department.

    """
    found = scene(states)
    signature = rights.check_manager(context.actor, found.dossier.department, found.departure.person)
    check_running(found.departure, found.leaver)
    check_apart(found.dossier)
    handover = found.handover.within(found.departure.id)
    collaborator = _check_theirs(found)
    _check_not_accepted(handover)
    _check_successor(found)
    about = _about(found)
    if not collaborator and found.dossier.owner != found.departure.person:
        accepted = SuccessorAccepted(
            **about, accepted_by=signature.signed_by, on_behalf_of=signature.on_behalf_of, collaborator=False
        )
        return _on_handover([accepted, *_notice(found, about)])
    proposed = SuccessorProposed(
        **about,
        due_on=min(
            context.today + timedelta(days=departing(context).answer_days),
            max(found.departure.last_day, context.today),
        ),
        proposed_by=signature.signed_by,
        proposed_on=context.today,
        on_behalf_of=signature.on_behalf_of,
        collaborator=collaborator,
    )
    return _on_handover([proposed])


def accept_successor(states: Sequence[Any], context: Context) -> Sequence[Decision]:
    """The successor accepts, or the manager confirms for them once the days for an answer are over.

    Raises:
        Forbidden: it is somebody else, or the manager too early.
        NoProposal: nobody was asked, or they have answered.
        NotRunning: the departure does not run.
        WrongStatus: the dossier was merged into another one.
        Refused: the successor is leaving; the customer has another owner meanwhile.

    """
    found = scene(states)
    handover = _check_asked(found)
    check_running(found.departure, found.leaver)
    check_apart(found.dossier)
    on_behalf_of = None
    if context.actor.id == handover.successor:
        check_not_leaving(context.actor)
    else:
        signature = rights.check_manager(context.actor, found.dossier.department, found.departure.person)
        on_behalf_of = signature.on_behalf_of
        _check_days_over(handover, found.departure, context.today)
    _check_successor(found)
    if not handover.collaborator and found.dossier.owner != found.departure.person:
        raise NotTheirs(
            f"客户 {found.dossier.number} 的负责人已变更为 {found.dossier.owner}。请由经理重新提议。",
            f"{found.dossier.number} is owned by {found.dossier.owner} meanwhile. The manager proposes again.",
            clause=CLAUSE,
        )
    return _taken(found, context.actor.id, on_behalf_of, collaborator=handover.collaborator)


def decline_successor(reason: str, states: Sequence[Any], context: Context) -> Sequence[Decision]:
    """The successor does not take it; the manager proposes somebody else.

    Raises:
        Forbidden: the actor is not who was asked.
        NoProposal: nobody was asked, or they have answered.

    """
    found = scene(states)
    handover = _check_asked(found)
    if context.actor.id != handover.successor:
        raise Forbidden(
            "只有被提议的接收人可以谢绝。经理可以改提他人。",
            "Only who was asked declines. The manager may propose somebody else.",
            clause=CLAUSE,
        )
    return _on_handover([SuccessorDeclined(**_about(found), reason=reason)])


def pass_to_manager(states: Sequence[Any], context: Context) -> Sequence[Decision]:
    """Access has ended: what is left passes to the manager (`successor` of the scene), whatever was proposed.

    Nothing where the customer is not the leaver's any more, belongs to another dossier, or the manager is leaving too.
    """
    found = scene(states)
    person = found.departure.person
    owns = found.dossier.owner == person
    helps = person in found.dossier.content.collaborators
    if not found.leaver.ended or not (owns or helps) or not found.successor.at_work or found.dossier.merged_into:
        return _on_handover([])
    return _taken(found, context.actor.id, None, collaborator=not owns, keeps_collaborator=False)


def write_notes(text: str, states: Sequence[Any], context: Context) -> Sequence[Decision]:
    """The leaver tells the successor what to know; that, and past visits' records, is what they may still write.

    Raises:
        Forbidden: the actor is not the leaver.
        NotRunning: the departure does not run.
        NotTheirs: the customer is none of theirs.

    """
    found = scene(states)
    if context.actor.id != found.departure.person:
        raise Forbidden("交接说明由离职人本人填写。", "Handover notes are written by who leaves.", clause=CLAUSE)
    check_running(found.departure, found.leaver)
    handover = found.handover.within(found.departure.id)
    if not handover.successor:
        _check_theirs(found)
    if handover.notes == text:
        return _on_handover([])
    written = HandoverNotesWritten(
        departure=found.departure.id, customer=found.dossier.customer, text=text, written_by=context.actor.id
    )
    return _on_handover([written])


def _on_handover(facts: Sequence[Fact], on_dossier: Sequence[Fact] = ()) -> list[Decision]:
    """One decision for each stream of a scene."""
    found: dict[str, Sequence[Fact]] = {"handover": facts, "dossier": on_dossier}
    return [Decision(found.get(stream, ())) for stream in Scene._fields]


def _taken(
    found: Scene,
    accepted_by: str,
    on_behalf_of: str | None,
    *,
    collaborator: bool,
    keeps_collaborator: bool = True,
) -> list[Decision]:
    """The customer is the successor's from now on, or they collaborate in the leaver's stead."""
    about = _about(found)
    successor = found.successor.person
    others = tuple(one for one in found.dossier.content.collaborators if one not in (found.departure.person, successor))
    if collaborator:
        owner = found.dossier.owner
        others = (*others, successor) if keeps_collaborator and successor != owner else others
    else:
        owner = successor
    assigned = OwnerAssigned(
        customer=found.dossier.customer,
        owner=owner,
        previous_owner=found.dossier.owner if owner != found.dossier.owner else None,
        department=found.dossier.department,
        collaborators=others,
        on_behalf_of=on_behalf_of,
    )
    accepted = SuccessorAccepted(**about, accepted_by=accepted_by, on_behalf_of=on_behalf_of, collaborator=collaborator)
    return _on_handover([accepted, *([] if collaborator else _notice(found, about))], [assigned])


def _notice(found: Scene, about: dict[str, Any]) -> list[Fact]:
    """The customer is to be told; a prospect whose dossier was never archived has nobody to tell yet."""
    return [HandoverNoticeDue(**about)] if found.dossier.status is Status.ARCHIVED else []


def _about(found: Scene) -> dict[str, Any]:
    return {
        "departure": found.departure.id,
        "customer": found.dossier.customer,
        "leaver": found.departure.person,
        "successor": found.successor.person,
        "department": found.dossier.department,
    }


def _check_theirs(found: Scene) -> bool:
    """Whether the leaver only collaborates with the customer; refuse one that is and was none of theirs."""
    dossier, departure = found.dossier, found.departure
    if dossier.owner == departure.person:
        return False
    if departure.person in dossier.content.collaborators:
        return True
    if dossier.customer in departure.owned and found.successor.person == dossier.owner:
        return False
    raise NotTheirs(
        f"客户 {dossier.number or found.handover.customer} 不由 {departure.person} 负责或协作,无需交接。"
        "负责人已变更的,请提议现负责人。",
        f"{departure.person} neither owns nor helps with this customer. If it has a new owner, propose that one.",
        clause=CLAUSE,
        owner=dossier.owner,
    )


def _check_not_accepted(handover: Handover) -> None:
    if handover.accepted_by is not None and not handover.collaborator:
        raise Refused(
            f"该客户已由 {handover.successor} 接收。如需再变更负责人,请走档案变更。",
            f"{handover.successor} has taken this customer over. Change the owner as for any dossier.",
            clause=CLAUSE,
            code="already-handed-over",
        )


def _check_successor(found: Scene) -> None:
    successor, department = found.successor, found.dossier.department
    if successor.person == found.departure.person:
        raise Invalid(
            "接收人不能是离职人本人。请另选接收人。",
            "Who leaves is not their own successor: choose somebody else.",
            clause=CLAUSE,
            code="successor-self",
        )
    if not {(Role.SALESPERSON, department), (Role.DEPT_MANAGER, department)} & successor.posts:
        raise NotFound(
            f"接收人不是部门 {department} 的在职营销员或经理。请另选接收人。",
            f"The successor is no salesperson or manager at work in {department}. Choose another one.",
            clause=CLAUSE,
            code="salesperson-unknown",
        )
    check_assignable(successor)


def _check_asked(found: Scene) -> Handover:
    handover = found.handover
    if not handover.waits_for_answer or handover.departure != found.departure.id:
        raise NoProposal(
            "没有待答复的提议:尚未提议接收人,或已答复。",
            "No proposal waits for an answer: nobody was asked yet, or they have answered.",
            clause=CLAUSE,
        )
    return handover


def _check_days_over(handover: Handover, departure: Departure, today: date) -> None:
    """The successor has their days; on the last working day there are none left to wait for."""
    if handover.due_on is not None and today <= handover.due_on and today < departure.last_day:
        raise Refused(
            f"接收人可在 {handover.due_on} 前答复,期满后经理方可确认。",
            f"The successor answers until {handover.due_on}; the manager confirms after that.",
            clause=CLAUSE,
            code="answer-not-due",
        )


def _waiting(key: str, state: Handover) -> Wait | None:
    if not state.waits_for_answer or state.asked_on is None:
        return None
    return Wait(
        thing=key,
        step=DelegableStep.DEPARTURE_ASSIGN,
        waiting_for=(Role.SALESPERSON,),
        since=state.asked_on,
        answer_due_on=state.due_on,
        customer=key,
        department=state.department,
    )


#: A successor who does not answer: the manager is told, and may confirm.
PROPOSAL_UNANSWERED = escalation(
    "successor-unanswered",
    HANDOVERS,
    planned_by={
        SuccessorProposed: lambda fact: (fact.customer, fact.due_on),
        SuccessorDeclined: lambda fact: (fact.customer, None),
        SuccessorAccepted: lambda fact: (fact.customer, None),
    },
    stream_id=lambda key: key,
    waiting=_waiting,
)
