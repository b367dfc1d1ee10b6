"""Dealing with an existing customer in a further region or kind (R4.2): asked for, agreed to by its manager, or not."""

from __future__ import annotations

from dataclasses import dataclass

from kehu.contracts.customers import CustomerKind, OwnerAssigned, Relation, RelationDeclined, RelationRequested
from kehu.contracts.staff import Role
from kehu.deciding import Context, Decision
from kehu.errors import Forbidden, NotFound, Refused
from kehu.escalating import answer_due_on
from kehu_customer_registry.dossiers import rights
from kehu_customer_registry.dossiers.decisions import WrongStatus, check_apart, check_sales_force
from kehu_customer_registry.dossiers.facts import Dossier, Status
from kehu_customer_registry.dossiers.form import MOST_COLLABORATORS

CLAUSE = "R4.2"


@dataclass(frozen=True, slots=True)
class RequestRelation:
    """Ask to collaborate. `relation` is the id of the request."""

    relation: str
    kind: CustomerKind
    region: str
    reason: str


@dataclass(frozen=True, slots=True)
class AgreeToRelation:
    """Let whoever asked collaborate."""

    relation: str


@dataclass(frozen=True, slots=True)
class DeclineRelation:
    """Do not, saying why; or take one's own request back."""

    relation: str
    remarks: str


class NoSuchRelation(NotFound):
    """No request of that id waits for the manager."""

    code = "relation-not-found"


class TooManyRelations(Refused):
    """More people collaborate than a form holds."""

    code = "too-many-collaborators"


def request_relation(command: RequestRelation, state: Dossier, context: Context) -> Decision:
    """Ask the manager of an existing customer's department to become a collaborator; asking twice changes nothing.

    Raises:
        Forbidden: the actor sells nothing, or is leaving.
        NotFound: there is no such dossier.
        WrongStatus: it is closed, or was merged into another one.

    """
    actor = context.actor
    if not actor.has(Role.SALESPERSON):
        raise Forbidden(
            "只有营销员可以申请协作。", "Only a salesperson asks to collaborate with a customer.", clause=CLAUSE
        )
    rights.check_staying(actor)
    _check_there(state)
    wanted = Relation(kind=command.kind, region=command.region, salesperson=actor.id)
    asked = [
        Relation(kind=one.kind, region=one.region, salesperson=one.requested_by) for one in state.requests.values()
    ]
    if wanted in state.content.relations or wanted in asked:
        return Decision()
    if len(state.requests) >= MOST_COLLABORATORS:
        raise TooManyRelations(
            "该客户待审的协作申请已满。请待经理审核后再申请。",
            "Too many requests wait for this customer's manager already. Ask again once they are decided.",
            clause=CLAUSE,
        )
    return Decision(
        [
            RelationRequested(
                customer=state.customer,
                relation=command.relation,
                number=state.number,
                name=state.content.name,
                department=state.department,
                kind=command.kind,
                region=command.region,
                reason=command.reason,
                requested_by=actor.id,
                asked_on=context.today,
                answer_due_on=answer_due_on(context),
            )
        ]
    )


def agree_to_relation(command: AgreeToRelation, state: Dossier, context: Context) -> Decision:
    """Add the relation: whoever asked collaborates from now on.

    Raises:
        NoSuchRelation: no request of that id waits.
        Forbidden: the actor is not the manager of its department.
        OwnSubmission: the actor asked for it.
        NoSalesperson: whoever asked does not sell here any more.
        TooManyRelations: there is no room for more.

    """
    _check_there(state)
    request = _waiting(command.relation, state)
    signature = rights.sign_as_manager(state, context.actor, CLAUSE, request.requested_by)
    salesperson = request.requested_by
    check_sales_force((salesperson,), "", context)
    others = () if salesperson == state.owner else (salesperson,)
    collaborators = tuple(dict.fromkeys((*state.content.collaborators, *others)))
    relation = Relation(kind=request.kind, region=request.region, salesperson=salesperson)
    known = state.content.relations
    relations = known if relation in known else (*known, relation)
    if max(len(collaborators), len(relations)) > MOST_COLLABORATORS:
        raise TooManyRelations(
            f"协作关系最多 {MOST_COLLABORATORS} 项。请先减少。",
            f"A customer has at most {MOST_COLLABORATORS} relations. End one first.",
            clause=CLAUSE,
        )
    return Decision(
        [
            OwnerAssigned(
                customer=state.customer,
                owner=state.owner,
                department=state.department,
                collaborators=collaborators,
                relations=relations,
                change=request.relation,
                on_behalf_of=signature.on_behalf_of,
            )
        ]
    )


def decline_relation(command: DeclineRelation, state: Dossier, context: Context) -> Decision:
    """Turn the request down with remarks, as the manager; or take one's own back.

    Raises:
        NoSuchRelation: no request of that id waits.
        Forbidden: the actor is neither the manager of its department nor whoever asked, or is leaving.
        WrongStatus: the dossier was merged into another one.

    """
    check_apart(state)
    request = _waiting(command.relation, state)
    if context.actor.id == request.requested_by:
        rights.check_staying(context.actor)
    else:
        rights.check_manager(state, context.actor, CLAUSE)
    return Decision(
        [
            RelationDeclined(
                customer=state.customer,
                relation=request.relation,
                number=state.number,
                department=state.department,
                remarks=command.remarks,
                requested_by=request.requested_by,
                declined_by=context.actor.id,
            )
        ]
    )


def _waiting(relation: str, state: Dossier) -> RelationRequested:
    request = state.requests.get(relation)
    if request is None:
        raise NoSuchRelation(
            "没有这项待审的协作申请,可能已办理。请刷新后再看。",
            "No such request waits here; perhaps it has been dealt with. Look again.",
            clause=CLAUSE,
        )
    return request


def _check_there(state: Dossier) -> None:
    if state.status is Status.NONE:
        raise NotFound(
            "没有这个客户编号。请核对。",
            "There is no dossier of this number. Check it.",
            clause=CLAUSE,
            code="dossier-not-found",
        )
    check_apart(state)
    if state.status is Status.CLOSED:
        raise WrongStatus(
            "该客户已终止,不能申请协作。请联系其部门经理恢复。",
            "This customer is closed, so nobody can collaborate. Ask its manager to reopen it.",
            clause="R4",
            status=state.status.value,
        )
