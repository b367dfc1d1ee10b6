"""A dossier on its way into the archive (R4.1 to R4.3): draft, edit, submit, return, pass."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from kehu.contracts.customers import Contact, CustomerRegistered, DossierReturned, DossierSubmitted
from kehu.contracts.staff import DelegableStep, Role
from kehu.deciding import Context, Decision
from kehu.errors import Forbidden, Invalid, NotFound, Refused
from kehu.event_store import Claim
from kehu.standing_in import Signature, first_free
from kehu_customer_registry.dossiers import rights
from kehu_customer_registry.dossiers.facts import (
    OPEN,
    Dossier,
    DossierContent,
    DossierDrafted,
    DossierEdited,
    Nature,
    Status,
)
from kehu_customer_registry.dossiers.form import identity_claim

#: One identity is one dossier (R4.2); held from the first draft on.
IDENTITY_SCOPE = "identity"
#: Every number belongs to one customer, whatever becomes of the sequence that it comes from.
NUMBER_SCOPE = "customer-number"


@dataclass(frozen=True, slots=True)
class DraftDossier:
    """Open a dossier.

    Args:
        customer: its id.
        number: its 客户编号.
        department: whose customer it will be.
        given: what was filled in, by field of `DossierContent`.
        new_people: the ids in `given` that were made for contacts without one.

    """

    customer: str
    number: str
    department: str
    given: Mapping[str, Any]
    new_people: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class EditDossier:
    """Fill in more, or otherwise; fields that are not `given` stay. See `DraftDossier`."""

    given: Mapping[str, Any]
    new_people: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class ReturnDossier:
    """Give it back to its salesperson, saying what to mend."""

    remarks: str


@dataclass(frozen=True, slots=True)
class SalesForce:
    """Who may own or collaborate: per person named in the command, the departments in which they are a salesperson.

    People who are leaving or have left are not in it: nothing new is assigned to them (R4.6).
    """

    departments: Mapping[str, frozenset[str]] = field(default_factory=dict[str, frozenset[str]])


class DossierIncomplete(Refused):
    """The minimum of R4.2 is not there yet."""

    code = "dossier-incomplete"


class WrongStatus(Refused):
    """The dossier does not stand where this is possible."""

    code = "dossier-status"


class OwnSubmission(Forbidden):
    """Somebody would pass or return what is their own."""

    code = "own-submission"


class UnknownContact(Invalid):
    """An edited contact is none of this dossier's."""

    code = "contact-unknown"


class NoSalesperson(NotFound):
    """Somebody named as owner or collaborator sells nothing here."""

    code = "salesperson-unknown"


def draft_dossier(command: DraftDossier, state: Dossier, context: Context) -> Decision:
    """Open a dossier: the customer is a prospect from now on, and its salesperson's (R2, R4.1).

    Raises:
        Forbidden: the actor is no salesperson of that department, or is leaving.
        NoSalesperson: a collaborator is none.
        UnknownContact: a contact came with an id.
        WrongStatus: there is one already.

    """
    actor = context.actor
    if not actor.has(Role.SALESPERSON, department=command.department):
        raise Forbidden(
            f"只有部门 {command.department} 的营销员可以在该部门建立客户档案。",
            f"Only a salesperson of the department {command.department} opens a dossier there.",
            clause="R4.1",
        )
    rights.check_staying(actor)
    if state.status is not Status.NONE:
        raise WrongStatus(
            f"该档案已存在({state.number})。请打开后修改。",
            f"There is this dossier already ({state.number}). Open and edit it.",
            clause="R4.1",
            number=state.number,
        )
    content = DossierContent.model_validate(dict(command.given))
    check_contacts(content.contacts, (), command.new_people)
    check_sales_force(content.collaborators, actor.id, context)
    drafted = DossierDrafted(
        customer=command.customer,
        number=command.number,
        department=command.department,
        owner=actor.id,
        content=content,
    )
    number = Claim(NUMBER_SCOPE, command.number, holder=command.customer)
    return Decision([drafted], [number, *identity_moves(command.customer, None, content)])


def edit_dossier(command: EditDossier, state: Dossier, context: Context) -> Decision:
    """Change a dossier that its salespeople still have in hand; no change is no fact.

    Raises:
        Forbidden: the actor is none of its salespeople.
        WrongStatus: it is submitted (read-only) or archived.
        NoSalesperson, UnknownContact: as for a draft.

    """
    rights.check_writer(state, context.actor)
    _check_open(state)
    content = DossierContent.model_validate({**dict(state.content), **command.given})
    if content == state.content:
        return Decision()
    check_contacts(content.contacts, state.content.contacts, command.new_people)
    if content.collaborators != state.content.collaborators:
        check_sales_force(content.collaborators, state.owner, context)
    edited = DossierEdited(customer=state.customer, content=content)
    return Decision([edited], identity_moves(state.customer, state.content, content))


def submit_dossier(state: Dossier, context: Context) -> Decision:
    """Hand it in for review; it is read-only from now on (R4.3).

    Raises:
        Forbidden: the actor is not its owner.
        WrongStatus: it is submitted or archived already.
        DossierIncomplete: the minimum of R4.2 is missing; the evidence names the fields.

    """
    rights.check_owner(state, context.actor)
    _check_open(state)
    if absent := missing(state.content):
        raise DossierIncomplete(
            f"档案尚不完整,请先填写:{'、'.join(zh for _, zh, _ in absent)}。",
            f"The dossier is not complete. Fill in first: {', '.join(en for _, _, en in absent)}.",
            clause="R4.2",
            missing=[name for name, _, _ in absent],
        )
    return Decision(
        [
            DossierSubmitted(
                customer=state.customer,
                number=state.number,
                name=state.content.name,
                department=state.department,
                submitted_by=context.actor.id,
            )
        ]
    )


def return_dossier(command: ReturnDossier, state: Dossier, context: Context) -> Decision:
    """Give it back with remarks (R4.3).

    Raises:
        Forbidden: the actor is not the manager of its department.
        OwnSubmission: the actor handed it in, or owns the customer.
        WrongStatus: it is not submitted.

    """
    submitted_by, signature = _check_reviewer(state, context)
    return Decision(
        [
            DossierReturned(
                customer=state.customer,
                number=state.number,
                name=state.content.name,
                department=state.department,
                submitted_by=submitted_by,
                returned_by=signature.signed_by,
                on_behalf_of=signature.on_behalf_of,
                remarks=command.remarks,
            )
        ]
    )


def pass_dossier(state: Dossier, context: Context) -> Decision:
    """Archive it: the customer is registered and listed in F5 (R4.3).

    Raises:
        Forbidden: the actor is not the manager of its department.
        OwnSubmission: the actor handed it in, or owns the customer.
        WrongStatus: it is not submitted.

    """
    _, signature = _check_reviewer(state, context)
    content = state.content
    if not (content.kind and content.nature and content.region and content.identity_kind and content.identity):
        raise AssertionError(f"A dossier was submitted without its minimum: {state.number}")
    return Decision(
        [
            CustomerRegistered(
                customer=state.customer,
                number=state.number,
                name=content.name,
                kind=content.kind,
                nature=content.nature.value,
                identity_kind=content.identity_kind,
                identity=content.identity,
                region=content.region,
                department=state.department,
                owner=state.owner,
                collaborators=content.collaborators,
                contacts=content.contacts,
                important_potential=content.important_potential,
                registered_by=signature.signed_by,
                on_behalf_of=signature.on_behalf_of,
            )
        ]
    )


def missing(content: DossierContent) -> list[tuple[str, str, str]]:
    """What R4.2 asks for and the form does not say: field, in Chinese, in English."""
    wanted: list[tuple[bool, str, str, str]] = [
        (content.kind is not None, "kind", "客户类别", "kind of customer"),
        (content.nature is not None, "nature", "企业性质", "nature of the enterprise"),
        (
            content.nature is not Nature.OTHER or bool(content.nature_remark),
            "nature_remark",
            "企业性质说明",
            "remark on the nature (other)",
        ),
        (bool(content.supervising_body), "supervising_body", "主管单位(没有的填“无”)", "supervising body (or “none”)"),
        (bool(content.address), "address", "地址", "address"),
        (bool(content.region), "region", "区域", "region"),
        (bool(content.contacts), "contacts", "联系人及电话", "a contact with phone"),
        (
            content.identity is not None,
            "identity",
            "证照号码(没有的只能作为潜在客户)",
            "an identity (without one it stays a prospect)",
        ),
    ]
    return [(name, zh, en) for there, name, zh, en in wanted if not there]


def identity_moves(customer: str, before: DossierContent | None, after: DossierContent) -> list[Claim]:
    """Claims for a changed identity: the old one is given back, the new one is taken (R4.2)."""
    old = _claimed(before)
    new = _claimed(after)
    moves = [Claim(IDENTITY_SCOPE, new, holder=customer)] if new and new != old else []
    if old and new != old:
        moves.append(Claim(IDENTITY_SCOPE, old, holder=customer, release=True))
    return moves


def check_sales_force(people: tuple[str, ...], owner: str, context: Context, *, department: str | None = None) -> None:
    """Refuse people who sell nothing here, or are leaving.

    Args:
        people: to be assigned.
        owner: of the customer, who is not to be among them; empty where that does not matter.
        context: with the `SalesForce` as `gathered`.
        department: the one in which they must sell; None where any will do (other regions' collaborators).

    Raises:
        NoSalesperson: naming them.
        Invalid: the owner is among them.

    """
    if owner in people:
        raise Invalid(
            "负责人不必再列为协作人。请从协作人中去掉。",
            "The owner is no collaborator besides. Take them out of the collaborators.",
            clause="R4.2",
            code="owner-collaborates",
        )
    force: SalesForce = context.gathered or SalesForce()
    unknown = [person for person in people if not _sells(force.departments.get(person), department)]
    if unknown:
        raise NoSalesperson(
            f"不是在职营销员:{'、'.join(unknown)}。请核对后重新填写。",
            f"Not salespeople at work here: {', '.join(unknown)}. Check and enter them again.",
            clause="R4.2",
            people=unknown,
        )


def check_contacts(contacts: tuple[Contact, ...], known: tuple[Contact, ...], fresh: frozenset[str]) -> None:
    """Refuse ids of people that are not this dossier's: their data would be sealed under somebody else's key.

    Raises:
        UnknownContact: an id is none of these, or is there twice.

    """
    ids = [contact.person for contact in contacts]
    own = {contact.person for contact in known} | fresh
    strange = [person for place, person in enumerate(ids) if person not in own or person in ids[:place]]
    if strange:
        raise UnknownContact(
            "联系人编号不属于该客户,或重复。新联系人请不要填写 person。",
            "A contact's id is none of this customer's, or is there twice. Leave person out for a new contact.",
            clause="R4.2",
            people=strange,
        )


def _sells(departments: frozenset[str] | None, wanted: str | None) -> bool:
    return bool(departments) if wanted is None else wanted in (departments or frozenset())


def _claimed(content: DossierContent | None) -> str | None:
    if content is None or content.identity_kind is None or content.identity is None:
        return None
    return identity_claim(content.identity_kind, content.identity)


def _check_open(state: Dossier) -> None:
    if state.status not in OPEN:
        submitted = state.status is Status.SUBMITTED
        raise WrongStatus(
            "档案已提交,审核期间只读。请等待部门经理审核或退回。"
            if submitted
            else "档案已归档。请用“变更”更新已归档的档案。",
            "The dossier is submitted and read-only. Wait for the manager to pass or return it."
            if submitted
            else "The dossier is archived. Use a change for what is new.",
            clause="R4.3",
            status=state.status.value,
        )


def _check_reviewer(state: Dossier, context: Context) -> tuple[str, Signature]:
    """Who handed it in, and how the actor signs if they may review it; a delegate is barred as their principal is."""
    step = DelegableStep.DOSSIER_REVIEW
    rights.check_manager(state, context.actor, "R4.3", step=step)
    if state.status is not Status.SUBMITTED or state.submitted_by is None:
        raise WrongStatus(
            "档案不在待审状态。请先由营销员提交。",
            "The dossier is not waiting for review. Its salesperson has to submit it first.",
            clause="R4.3",
            status=state.status.value,
        )
    found = rights.manager_signatures(state, context.actor, step)
    signature = first_free(found, {state.submitted_by, state.owner})
    if signature is None:
        raise OwnSubmission(
            "不能审核自己或委托人提交、负责的档案。请由上级或另一位受委托的经理审核。",
            "Nobody reviews what they, or whom they stand in for, submitted or own. "
            "A superior or another delegated manager has to.",
            clause="R4.3",
        )
    return state.submitted_by, signature
