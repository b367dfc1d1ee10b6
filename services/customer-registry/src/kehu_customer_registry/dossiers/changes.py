"""What changes in an archived dossier (R4.4): major changes once the manager has passed them, the rest at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from kehu import calendar
from kehu.contracts.customers import (
    Affiliation,
    CustomerChanged,
    CustomerChangeDeclined,
    CustomerChangeProposed,
    OwnerAssigned,
    Relation,
)
from kehu.deciding import Context, Decision
from kehu.errors import Invalid, NotFound, Refused
from kehu.escalating import answer_due_on
from kehu.event_store import Claim
from kehu.facts import Fact
from kehu.standing_in import Signature
from kehu_customer_registry.dossiers import rights
from kehu_customer_registry.dossiers.content import OTHER_REGION, DossierContent, Nature
from kehu_customer_registry.dossiers.decisions import (
    WrongStatus,
    check_apart,
    check_people,
    check_sales_force,
    fill_in,
    identity_moves,
)
from kehu_customer_registry.dossiers.facts import (
    CHANGEABLE,
    PARTICULARS,
    Dossier,
    MajorChangeEntered,
    MajorValues,
    ParticularsChanged,
    Status,
)
from kehu_customer_registry.dossiers.policy import DOSSIER_KEEPING, DossierKeeping

CLAUSE = "R4.4"
#: They take effect when the manager passes them; a new owner is the last of them.
MAJOR = ("name", "kind", "identity_kind", "identity", "legal_representative", "bank_tax")
MINOR = tuple(name for name in CHANGEABLE if name not in MAJOR)
#: Before it, a date is a slip of the keyboard (as in kehu.calendar), and times overflow at their ends.
EARLIEST_YEAR = 1900


@dataclass(frozen=True, slots=True)
class ChangeDossier:
    """Bring an archived dossier up to date. `given` and `new_people` are those of `DraftDossier`, and a new owner.

    Args:
        given: what is different now, by field of `DossierContent`; `owner` for another one.
        new_people: the ids in `given` that were made for people without one.
        occurred_on: when it happened, where that is not now.
        change: the id of the proposal, where there is anything major in it.

    """

    given: Mapping[str, Any]
    new_people: frozenset[str] = frozenset()
    occurred_on: datetime | None = None
    change: str = ""


@dataclass(frozen=True, slots=True)
class PassChange:
    """Let a proposed major change take effect."""

    change: str


@dataclass(frozen=True, slots=True)
class DeclineChange:
    """Do not pass a proposed major change, saying why; or take one's own back."""

    change: str
    remarks: str


@dataclass(frozen=True, slots=True)
class SetAffiliation:
    """Say that a customer belongs to us in part or whole, or (None) no longer, and what proves it (R5.1)."""

    affiliation: Affiliation | None
    proof: str
    occurred_on: datetime | None = None


@dataclass(frozen=True, slots=True)
class AssignOwner:
    """Give a customer another owner, or other collaborators; relations stay unless they are given."""

    owner: str
    collaborators: tuple[str, ...]
    relations: tuple[Relation, ...] | None = None


class CannotBeEmptied(Invalid):
    """The minimum of R4.2 would be gone."""

    code = "cannot-be-emptied"


class ChangePending(Refused):
    """Another change of the same field waits for the manager."""

    code = "change-pending"


class NoSuchChange(NotFound):
    """No change of that id waits for the manager."""

    code = "change-not-found"


def change_dossier(command: ChangeDossier, state: Dossier, context: Context) -> Decision:
    """Change an archived dossier: the rest at once, and what is major proposed to the manager (R4.4).

    What is the same already is no fact.

    Raises:
        Forbidden: the actor is none of the dossier's keepers.
        WrongStatus: it is not archived.
        CannotBeEmptied: a field of the minimum would be empty.
        ChangePending: a major field waits with another value already.
        UnknownContact: somebody's id is none of this customer's.
        NoSalesperson: the new owner sells nothing in this department.
        Invalid: `occurred_on` cannot be, or a field is not changed here.

    """
    rights.check_keeper(state, context.actor)
    check_archived(state)
    check_occurred(command.occurred_on, context)
    _check_only_known(command.given)
    said = {name: value for name, value in command.given.items() if name != "owner"}
    after = fill_in(said, state.content, state.owner)
    changed = [name for name in (*CHANGEABLE, *PARTICULARS) if getattr(after, name) != getattr(state.content, name)]
    _check_not_emptied(changed, after)
    check_people(after, state.content, command.new_people)
    late = is_late(command.occurred_on, context)
    facts: list[Fact] = []
    if public := {name: getattr(after, name) for name in MINOR if name in changed}:
        facts.append(CustomerChanged(customer=state.customer, occurred_on=command.occurred_on, late=late, **public))
    # A remark on the nature is not taken back, only replaced: without `other` it says nothing any more.
    if private := {name: value for name in PARTICULARS if name in changed and (value := getattr(after, name))}:
        facts.append(ParticularsChanged(customer=state.customer, occurred_on=command.occurred_on, late=late, **private))
    values = {name: getattr(after, name) for name in MAJOR if name in changed}
    proposed = _propose(command, values, state, context)
    return Decision([*facts, *proposed.facts], proposed.claims)


def _propose(command: ChangeDossier, values: dict[str, Any], state: Dossier, context: Context) -> Decision:
    """The proposal of what is major; the new identity is held for this customer from now on."""
    if "identity_kind" in values or "identity" in values:
        # They only mean something together.
        values |= {
            name: command.given.get(name, getattr(state.content, name)) for name in ("identity_kind", "identity")
        }
    owner = command.given.get("owner", state.owner)
    if owner != state.owner:
        check_sales_force((owner,), "", context, department=state.department)
        values["owner"] = owner
    pending = {name: value for one in state.changes.values() for name, value in one.values.said().items()}
    values = {name: value for name, value in values.items() if pending.get(name) != value}
    if not values:
        return Decision()
    _check_not_pending(values, state)
    entered = MajorChangeEntered(
        customer=state.customer,
        change=command.change,
        values=MajorValues(**values),
        occurred_on=command.occurred_on,
        late=is_late(command.occurred_on, context),
        proposed_by=context.actor.id,
    )
    proposed = CustomerChangeProposed(
        customer=state.customer,
        change=command.change,
        number=state.number,
        name=state.content.name,
        department=state.department,
        fields=tuple(values),
        proposed_by=context.actor.id,
        asked_on=context.today,
        answer_due_on=answer_due_on(context),
    )
    claims = identity_moves(state.customer, None, state.content.model_copy(update=entered.values.said()))
    return Decision([entered, proposed], claims if "identity" in values else ())


def pass_change(command: PassChange, state: Dossier, context: Context) -> Decision:
    """Let a major change take effect; two people have a part in it (R4.4).

    Raises:
        NoSuchChange: none of that id waits.
        Forbidden: the actor is not the manager of its department.
        OwnSubmission: the actor proposed it, or would become the owner by it.
        NoSalesperson: the new owner does not sell here any more.

    """
    check_archived(state)
    entered = _waiting(command.change, state)
    values = entered.values.said()
    owner = values.pop("owner", None)
    signature = rights.sign_as_manager(state, context.actor, CLAUSE, entered.proposed_by, owner)
    facts: list[Fact] = []
    if values:
        facts.append(
            CustomerChanged(
                customer=state.customer,
                occurred_on=entered.occurred_on,
                late=entered.late,
                proposed_by=entered.proposed_by,
                passed_by=signature.signed_by,
                on_behalf_of=signature.on_behalf_of,
                change=entered.change,
                **values,
            )
        )
    if owner is not None and owner != state.owner:
        check_sales_force((owner,), "", context, department=state.department)
        collaborators = tuple(one for one in state.content.collaborators if one != owner)
        facts.append(_assigned(state, owner, collaborators, signature, change=entered.change))
    released = identity_moves(state.customer, state.content, state.content.model_copy(update=values))
    if not facts:  # somebody else made them the owner meanwhile
        return decline_change(DeclineChange(entered.change, "已是负责人 The owner already"), state, context)
    return Decision(facts, [claim for claim in released if claim.release] if "identity" in values else ())


def decline_change(command: DeclineChange, state: Dossier, context: Context) -> Decision:
    """Turn a major change down with remarks, as the manager; or take one's own back.

    Raises:
        NoSuchChange: none of that id waits.
        Forbidden: the actor is neither the manager of its department nor whoever proposed it, or is leaving.

    """
    check_apart(state)
    entered = _waiting(command.change, state)
    on_behalf_of = None
    if context.actor.id == entered.proposed_by:
        rights.check_staying(context.actor)
    else:
        on_behalf_of = rights.check_manager(state, context.actor, CLAUSE).on_behalf_of
    declined = CustomerChangeDeclined(
        customer=state.customer,
        change=entered.change,
        department=state.department,
        remarks=command.remarks,
        proposed_by=entered.proposed_by,
        declined_by=context.actor.id,
        on_behalf_of=on_behalf_of,
    )
    return Decision([declined], _given_back(entered, state))


def _given_back(entered: MajorChangeEntered, state: Dossier) -> list[Claim]:
    """The identity that was held for a change is free again."""
    if entered.values.identity is None:
        return []
    held = state.content.model_copy(update=entered.values.said())
    return [claim for claim in identity_moves(state.customer, held, state.content) if claim.release]


def set_affiliation(command: SetAffiliation, state: Dossier, context: Context) -> Decision:
    """Set or end an affiliation; 市场部 only, with proof (R5.1).

    Raises:
        Forbidden: the actor is not of 市场部.
        WrongStatus: the dossier is not archived.
        Invalid: `occurred_on` cannot be.

    """
    rights.check_market_dept(context.actor, "R5.1")
    check_archived(state)
    check_occurred(command.occurred_on, context)
    if command.affiliation == state.affiliation:
        return Decision()
    return Decision(
        [
            CustomerChanged(
                customer=state.customer,
                affiliation=command.affiliation,
                affiliation_ended=command.affiliation is None,
                affiliation_proof=command.proof,
                occurred_on=command.occurred_on,
                late=is_late(command.occurred_on, context),
            )
        ]
    )


def assign_owner(command: AssignOwner, state: Dossier, context: Context) -> Decision:
    """Give a customer another owner, other collaborators or relations: the manager's to decide (R4.4, R4.6).

    Raises:
        Forbidden: the actor is not the manager of its department.
        WrongStatus: the dossier is not archived.
        NoSalesperson: one of them is no salesperson at work here, or the owner none of this department.

    """
    signature = rights.check_manager(state, context.actor, CLAUSE)
    check_archived(state)
    given: dict[str, Any] = {"collaborators": tuple(dict.fromkeys(command.collaborators))}
    if command.relations is not None:
        given["relations"] = command.relations
    after = fill_in(given, state.content, command.owner)
    same = (after.collaborators, after.relations) == (state.content.collaborators, state.content.relations)
    if command.owner == state.owner and same:
        return Decision()
    check_sales_force(after.collaborators, command.owner, context)
    if command.owner != state.owner:
        check_sales_force((command.owner,), "", context, department=state.department)
    relations = after.relations if after.relations != state.content.relations else None
    return Decision([_assigned(state, command.owner, after.collaborators, signature, relations=relations)])


def _assigned(
    state: Dossier,
    owner: str,
    collaborators: tuple[str, ...],
    signature: Signature,
    *,
    relations: tuple[Relation, ...] | None = None,
    change: str | None = None,
) -> OwnerAssigned:
    return OwnerAssigned(
        customer=state.customer,
        owner=owner,
        previous_owner=state.owner if owner != state.owner else None,
        department=state.department,
        collaborators=collaborators,
        relations=relations,
        change=change,
        on_behalf_of=signature.on_behalf_of,
    )


def is_late(occurred_on: datetime | None, context: Context) -> bool:
    """Whether what is entered now was not entered promptly (R4.4): the last prompt day ends at 24:00."""
    if occurred_on is None:
        return False
    policy: DossierKeeping = context.policies[DOSSIER_KEEPING.name]
    return context.today > calendar.today(occurred_on) + timedelta(days=policy.prompt_days)


def check_archived(state: Dossier) -> None:
    """Refuse a dossier that is not in the archive, or no longer its own.

    Raises:
        WrongStatus: so it is.

    """
    check_apart(state)
    if state.status is Status.CLOSED:
        raise WrongStatus(
            "该客户已终止。请先恢复客户,再办理。",
            "This customer is closed. Reopen it first.",
            clause="R4",
            status=state.status.value,
        )
    if state.status is not Status.ARCHIVED:
        raise WrongStatus(
            "档案尚未归档。归档前请直接修改草稿。",
            "The dossier is not archived yet. Until then, edit the draft.",
            clause=CLAUSE,
            status=state.status.value,
        )


def check_occurred(occurred_on: datetime | None, context: Context) -> None:
    """Refuse a time at which nothing can have happened.

    Raises:
        Invalid: it lies in the future, or before anything that is kept here.

    """
    if occurred_on is None:
        return
    if occurred_on > context.now:
        raise Invalid(
            "变更发生的时间不能晚于现在。请更正。",
            "A change cannot have occurred later than now. Correct the time.",
            clause=CLAUSE,
            code="occurred-in-future",
        )
    if occurred_on.year < EARLIEST_YEAR:
        raise Invalid(
            f"变更发生的时间不能早于 {EARLIEST_YEAR} 年。请更正。",
            f"A change cannot have occurred before the year {EARLIEST_YEAR}. Correct the time.",
            clause=CLAUSE,
            code="occurred-long-ago",
        )


def _waiting(change: str, state: Dossier) -> MajorChangeEntered:
    entered = state.changes.get(change)
    if entered is None:
        raise NoSuchChange(
            "没有这项待审的变更,可能已办理。请刷新后再看。",
            "No such change waits here; perhaps it has been dealt with. Look again.",
            clause=CLAUSE,
        )
    return entered


def _check_not_pending(values: Mapping[str, Any], state: Dossier) -> None:
    for entered in state.changes.values():
        if both := sorted(set(entered.values.said()) & set(values)):
            raise ChangePending(
                f"以下各项已有待审的变更:{'、'.join(both)}。请等待审核,或先撤回。",
                f"A change of these waits for the manager already: {', '.join(both)}. Wait, or take it back first.",
                clause=CLAUSE,
                change=entered.change,
                fields=both,
            )


def _check_only_known(given: Mapping[str, Any]) -> None:
    other = sorted(set(given) - {*CHANGEABLE, *PARTICULARS, "owner"})
    if other:
        raise Invalid(
            f"已归档档案不能在此变更:{'、'.join(other)}。协作人请通过“指派负责人”变更。",
            f"These are not changed here: {', '.join(other)}. Collaborators are assigned together with the owner.",
            clause=CLAUSE,
            code="not-changed-here",
            fields=other,
        )


def _check_not_emptied(changed: list[str], after: DossierContent) -> None:
    needed = [*CHANGEABLE, "nature", "supervising_body", "address"]
    remarks = {"nature_remark": after.nature is Nature.OTHER, "region_remark": after.region == OTHER_REGION}
    emptied = [name for name in needed if name in changed and getattr(after, name) in (None, "", ())]
    emptied += [name for name, wanted in remarks.items() if wanted and not getattr(after, name)]
    if emptied:
        raise CannotBeEmptied(
            f"归档档案的必填项不能清空:{'、'.join(emptied)}。请填写新的内容。",
            f"An archived dossier keeps its minimum: {', '.join(emptied)} cannot be empty. Fill in what holds now.",
            clause="R4.2",
            fields=emptied,
        )


__all__ = [
    "AssignOwner",
    "ChangeDossier",
    "DeclineChange",
    "PassChange",
    "SetAffiliation",
    "assign_owner",
    "change_dossier",
    "check_archived",
    "check_occurred",
    "decline_change",
    "is_late",
    "pass_change",
    "set_affiliation",
]
