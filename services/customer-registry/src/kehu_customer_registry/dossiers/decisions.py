"""A dossier on its way into the archive (R4.1 to R4.3): draft, edit, submit, return, pass."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from kehu.contracts.customers import CustomerRegistered, DossierReturned, DossierSubmitted
from kehu.contracts.staff import DelegableStep, Role
from kehu.deciding import Context, Decision
from kehu.errors import Forbidden, Invalid, NotFound, Refused
from kehu.escalating import answer_due_on
from kehu.event_store import Claim
from kehu.standing_in import Signature
from kehu_customer_registry.dossiers import rights
from kehu_customer_registry.dossiers.content import OTHER_REGION, DossierContent, Nature
from kehu_customer_registry.dossiers.facts import OPEN, Dossier, DossierDrafted, DossierEdited, DuplicateChecked, Status
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
        new_people: the ids in `given` that were made for people without one.

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
class CheckDuplicate:
    """Say of a dossier that resembles this one why it is another customer's.

    Args:
        other: the other one's id.
        number: its 客户编号.
        because: what tells them apart.

    """

    other: str
    number: str
    because: str


@dataclass(frozen=True, slots=True)
class Resembling:
    """Another dossier that has the same name, phone or address: all that somebody who may not see it is told.

    Args:
        customer: its id.
        number: its 客户编号.
        department: whose it is.
        matches: which of ``name``, ``phone``, ``address``, ``identity`` are the same.

    """

    customer: str
    number: str
    department: str
    matches: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SalesForce:
    """Who may own or collaborate: per person named in the command, the departments in which they are a salesperson.

    People who are leaving or have left are not in it: nothing new is assigned to them (R4.6).
    """

    departments: Mapping[str, frozenset[str]] = field(default_factory=dict[str, frozenset[str]])


@dataclass(frozen=True, slots=True)
class Around:
    """What a submission has to know of others: the dossiers that resemble the one handed in."""

    resembling: Sequence[Resembling] = ()


class DossierIncomplete(Refused):
    """The minimum of R4.2 is not there yet."""

    code = "dossier-incomplete"


class WrongStatus(Refused):
    """The dossier does not stand where this is possible."""

    code = "dossier-status"


class DuplicatesUndecided(Refused):
    """Other dossiers resemble this one, and nobody has said yet whether they are the same customer's."""

    code = "duplicates-undecided"


class UnknownContact(Invalid):
    """Somebody named in an edited form is none of this dossier's people."""

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
    content = fill_in(command.given, None, actor.id)
    check_people(content, None, command.new_people)
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
    check_open(state)
    content = fill_in(command.given, state.content, state.owner)
    if content == state.content:
        return Decision()
    check_people(content, state.content, command.new_people)
    if content.collaborators != state.content.collaborators:
        check_sales_force(content.collaborators, state.owner, context)
    edited = DossierEdited(customer=state.customer, content=content)
    return Decision([edited], identity_moves(state.customer, state.content, content))


def check_duplicate(command: CheckDuplicate, state: Dossier, context: Context) -> Decision:
    """Decide that a dossier that resembles this one is another customer's (R4, duplicates); once is enough.

    Raises:
        Forbidden: the actor is none of its salespeople.
        WrongStatus: it is submitted (read-only) or archived.

    """
    rights.check_writer(state, context.actor)
    check_open(state)
    if state.checked.get(command.other) == command.because:
        return Decision()
    return Decision(
        [
            DuplicateChecked(
                customer=state.customer,
                other=command.other,
                number=command.number,
                because=command.because,
                checked_by=context.actor.id,
            )
        ]
    )


def submit_dossier(state: Dossier, context: Context) -> Decision:
    """Hand it in for review; it is read-only from now on (R4.3).

    Args:
        state: the dossier.
        context: with the dossiers that resemble it (`Around`) as `gathered`.

    Raises:
        Forbidden: the actor is not its owner.
        WrongStatus: it is submitted or archived already.
        DossierIncomplete: the minimum of R4.2 is missing; the evidence names the fields.
        DuplicatesUndecided: others resemble it, and it was not said why they are not the same.

    """
    rights.check_owner(state, context.actor)
    check_open(state)
    check_submittable(state, context)
    return Decision([submitted(state, context)])


def submitted(state: Dossier, context: Context) -> DossierSubmitted:
    """The fact that asks the department's manager for a review."""
    return DossierSubmitted(
        customer=state.customer,
        number=state.number,
        name=state.content.name,
        department=state.department,
        submitted_by=context.actor.id,
        asked_on=context.today,
        answer_due_on=answer_due_on(context),
    )


def check_submittable(state: Dossier, context: Context) -> None:
    """Refuse a form without the minimum of R4.2, or one that resembles others of which nobody has said anything.

    Args:
        state: the dossier.
        context: with the others (`Around`) as `gathered`.

    Raises:
        DossierIncomplete: the evidence names the fields.
        DuplicatesUndecided: the evidence names the others by number and department.

    """
    if absent := missing(state.content):
        raise DossierIncomplete(
            f"档案尚不完整,请先填写:{'、'.join(zh for _, zh, _ in absent)}。",
            f"The dossier is not complete. Fill in first: {', '.join(en for _, _, en in absent)}.",
            clause="R4.2",
            missing=[name for name, _, _ in absent],
        )
    around = context.gathered if isinstance(context.gathered, Around) else Around()
    if undecided := [one for one in around.resembling if one.customer not in state.checked]:
        named = ", ".join(f"{one.number} ({one.department})" for one in undecided)
        raise DuplicatesUndecided(
            f"与已有客户档案的名称、电话或地址相同:{named}。请逐一核对:同一客户请申请协作,不是的请写明理由。",
            f"Name, phone or address are those of other dossiers: {named}. Check each: if it is the same customer, "
            "ask for a relation; if not, say why.",
            clause="R4",
            duplicates=[
                {"number": one.number, "department": one.department, "matches": list(one.matches)} for one in undecided
            ],
        )


def return_dossier(command: ReturnDossier, state: Dossier, context: Context) -> Decision:
    """Give it back with remarks (R4.3).

    Raises:
        Forbidden: the actor is not the manager of its department.
        OwnSubmission: the actor handed it in, or owns the customer.
        WrongStatus: it is not submitted.

    """
    check_submitted(state)
    signature = sign_review(state, context, state.submitted_by)
    return Decision(
        [
            DossierReturned(
                customer=state.customer,
                number=state.number,
                name=state.content.name,
                department=state.department,
                submitted_by=state.submitted_by or state.owner,
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
        WrongStatus: it is not submitted, or is to be taken over as it stands.

    """
    check_submitted(state)
    signature = sign_review(state, context, state.submitted_by)
    if state.take_over is not None:
        raise WrongStatus(
            "该客户申请按现状接收,请核对凭证后使用“确认接收”,或退回。",
            "This customer is to be taken over as it stands: check the evidence and confirm that, or return it.",
            clause="R4.3",
            status=state.status.value,
        )
    return Decision([registered(state, signature)])


def sign_review(state: Dossier, context: Context, *barred: str | None) -> Signature:
    """How the actor signs the review of a dossier; never one that they own (R4.3).

    Raises:
        Forbidden: they are neither the manager of its department nor a delegate, or are leaving.
        OwnSubmission: they own the customer, or are barred.

    """
    step = DelegableStep.DOSSIER_REVIEW
    return rights.sign_as_manager(state, context.actor, "R4.3", state.owner, *barred, step=step)


def registered(state: Dossier, signature: Signature, *, taken_over: bool = False) -> CustomerRegistered:
    """The fact that makes a submitted dossier's customer one."""
    content = state.content
    if not (content.kind and content.nature and content.region and content.identity_kind and content.identity):
        raise AssertionError(f"A dossier was submitted without its minimum: {state.number}")
    return CustomerRegistered(
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
        legal_representative=content.legal_representative,
        bank_tax=content.bank_tax,
        relations=content.relations,
        taken_over=taken_over,
        registered_by=signature.signed_by,
        on_behalf_of=signature.on_behalf_of,
    )


def fill_in(given: Mapping[str, Any], before: DossierContent | None, owner: str) -> DossierContent:
    """The form with what was given filled in; what was not given stays.

    Whoever stands in a relation is a collaborator. Somebody entered again without their id keeps the one they have.

    Args:
        given: by field of `DossierContent`.
        before: the form as it is; None for a new one.
        owner: of the customer, who is nobody's collaborator.

    """
    said = dict(given)
    if before is not None:
        _keep_ids(said, before)
    content = DossierContent.model_validate({**dict(before or {}), **said})
    gone = {one.salesperson for one in before.relations} - set(said.get("collaborators", ())) if before else set[str]()
    here = [one.salesperson for one in content.relations if one.salesperson != owner]
    others = [one for one in content.collaborators if one not in gone or one in here]
    collaborators = tuple(dict.fromkeys([*others, *here]))
    return (
        content
        if collaborators == content.collaborators
        else content.model_copy(update={"collaborators": collaborators})
    )


def _keep_ids(said: dict[str, Any], before: DossierContent) -> None:
    representative, known = said.get("legal_representative"), before.legal_representative
    if representative and known and representative.name == known.name:
        said["legal_representative"] = known
    if said.get("bank_tax") and before.bank_tax:
        said["bank_tax"] = said["bank_tax"].model_copy(update={"person": before.bank_tax.person})


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
        (
            content.region != OTHER_REGION or bool(content.region_remark),
            "region_remark",
            "区域说明",
            "remark on the region (other)",
        ),
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


def check_people(content: DossierContent, before: DossierContent | None, fresh: frozenset[str]) -> None:
    """Refuse ids of people that are not this dossier's: their data would be sealed under somebody else's key.

    Raises:
        UnknownContact: an id is none of these, or a contact's is there twice.

    """
    contacts = [contact.person for contact in content.contacts]
    own = _people(before) | fresh
    strange = sorted(_people(content) - own | {one for place, one in enumerate(contacts) if one in contacts[:place]})
    if strange:
        raise UnknownContact(
            "联系人等人员的编号不属于该客户,或重复。新人员请不要填写 person。",
            "Somebody's id is none of this customer's, or is there twice. Leave person out for somebody new.",
            clause="R4.2",
            people=strange,
        )
    if before is not None:
        _check_withdrawals(content, before)


def _check_withdrawals(content: DossierContent, before: DossierContent) -> None:
    """A consent that was withdrawn cannot be edited back into force; a new one is given anew, with its own time."""
    after = {contact.person: contact for contact in content.contacts}
    for contact in before.contacts:
        if contact.person not in after:
            continue
        withdrawn = {(one.purpose, one.given_at) for one in contact.consents if one.withdrawn_at is not None}
        standing = {(one.purpose, one.given_at) for one in after[contact.person].consents if one.withdrawn_at is None}
        if withdrawn & standing:
            raise Invalid(
                "该联系人已撤回的同意不能恢复。如其再次同意,请按新的同意时间登记。",
                "A consent that this person has withdrawn does not stand again. If they agree anew, enter it anew.",
                clause="R4.2",
                code="consent-withdrawn",
                people=[contact.person],
            )


def _people(content: DossierContent | None) -> set[str]:
    if content is None:
        return set()
    holders: Iterable[Any] = (content.legal_representative, content.bank_tax)
    return {one.person for one in content.contacts} | {one.person for one in holders if one is not None}


def _sells(departments: frozenset[str] | None, wanted: str | None) -> bool:
    return bool(departments) if wanted is None else wanted in (departments or frozenset())


def _claimed(content: DossierContent | None) -> str | None:
    if content is None or content.identity_kind is None or content.identity is None:
        return None
    return identity_claim(content.identity_kind, content.identity)


def check_open(state: Dossier) -> None:
    """Refuse what is not in its salespeople's hands.

    Raises:
        WrongStatus: it is submitted, archived, or belongs to another dossier now.

    """
    check_apart(state)
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


def check_apart(state: Dossier) -> None:
    """Refuse a dossier that was merged into another one: only the survivor takes commands (R4).

    Raises:
        WrongStatus: so it is.

    """
    if state.merged_into is not None:
        raise WrongStatus(
            "该档案已并入另一客户。请打开并入后的档案办理。",
            "This dossier was merged into another one. Open the survivor.",
            clause="R4",
            survivor=state.merged_into,
        )


def check_submitted(state: Dossier) -> None:
    """Refuse what does not wait for review.

    Raises:
        WrongStatus: it is not submitted.

    """
    check_apart(state)
    if state.status is not Status.SUBMITTED:
        raise WrongStatus(
            "档案不在待审状态。请先由营销员提交。",
            "The dossier is not waiting for review. Its salesperson has to submit it first.",
            clause="R4.3",
            status=state.status.value,
        )
