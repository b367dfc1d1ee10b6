"""What changes in an archived dossier (R4.4): the rest at once, major changes by the department's manager only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from kehu.contracts.customers import Affiliation, CustomerChanged, OwnerAssigned
from kehu.deciding import Context, Decision
from kehu.errors import Invalid
from kehu.event_store import Claim
from kehu.facts import Fact
from kehu_customer_registry.dossiers import rights
from kehu_customer_registry.dossiers.decisions import (
    WrongStatus,
    check_contacts,
    check_sales_force,
    identity_moves,
)
from kehu_customer_registry.dossiers.facts import Dossier, DossierContent, Nature, ParticularsChanged, Status

CLAUSE = "R4.4"
#: They take effect when the manager passes them; for now nobody else can enter them.
MAJOR = frozenset({"name", "kind", "identity_kind", "identity"})
#: Before it, a date is a slip of the keyboard (as in kehu.calendar), and times overflow at their ends.
EARLIEST_YEAR = 1900
_PUBLIC = ("name", "kind", "region", "contacts", "important_potential", "identity_kind", "identity")
_PARTICULARS = ("nature", "nature_remark", "supervising_body", "address")


@dataclass(frozen=True, slots=True)
class ChangeDossier:
    """Bring an archived dossier up to date. `given` and `new_people` are those of `DraftDossier`.

    `occurred_on` is when it happened, where that is not now.
    """

    given: Mapping[str, Any]
    new_people: frozenset[str] = frozenset()
    occurred_on: datetime | None = None


@dataclass(frozen=True, slots=True)
class SetAffiliation:
    """Say that a customer belongs to us in part or whole, or (None) no longer, and what proves it (R5.1)."""

    affiliation: Affiliation | None
    proof: str
    occurred_on: datetime | None = None


@dataclass(frozen=True, slots=True)
class AssignOwner:
    """Give a customer another owner, or other collaborators."""

    owner: str
    collaborators: tuple[str, ...]


class CannotBeEmptied(Invalid):
    """The minimum of R4.2 would be gone."""

    code = "cannot-be-emptied"


def change_dossier(command: ChangeDossier, state: Dossier, context: Context) -> Decision:
    """Change fields of an archived dossier; what is the same already is no fact.

    Raises:
        Forbidden: the actor may not change one of these fields.
        WrongStatus: it is not archived.
        CannotBeEmptied: a field of the minimum would be empty.
        UnknownContact: a contact's id is none of this customer's.
        Invalid: `occurred_on` cannot be, or a field is not changed here.

    """
    rights.check_keeper(state, context.actor)
    _check_archived(state)
    _check_occurred(command.occurred_on, context)
    after = DossierContent.model_validate({**dict(state.content), **command.given})
    _check_only_known(command.given)
    changed = [name for name in (*_PUBLIC, *_PARTICULARS) if getattr(after, name) != getattr(state.content, name)]
    for_whom = None
    if MAJOR & set(changed):
        for_whom = rights.check_manager(state, context.actor, CLAUSE).on_behalf_of
    _check_not_emptied(changed, after)
    check_contacts(after.contacts, state.content.contacts, command.new_people)
    facts: list[Fact] = []
    if public := {name: getattr(after, name) for name in _PUBLIC if name in changed}:
        about: dict[str, Any] = {"customer": state.customer, "occurred_on": command.occurred_on}
        facts.append(CustomerChanged(**about, on_behalf_of=for_whom, **public))
    # A remark on the nature is not taken back, only replaced: without `other` it says nothing any more.
    if private := {name: value for name in _PARTICULARS if name in changed and (value := getattr(after, name))}:
        facts.append(ParticularsChanged(customer=state.customer, occurred_on=command.occurred_on, **private))
    claims: list[Claim] = identity_moves(state.customer, state.content, after)
    return Decision(facts, claims)


def set_affiliation(command: SetAffiliation, state: Dossier, context: Context) -> Decision:
    """Set or end an affiliation; 市场部 only, with proof (R5.1).

    Raises:
        Forbidden: the actor is not of 市场部.
        WrongStatus: the dossier is not archived.
        Invalid: `occurred_on` cannot be.

    """
    rights.check_market_dept(context.actor, "R5.1")
    _check_archived(state)
    _check_occurred(command.occurred_on, context)
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
            )
        ]
    )


def assign_owner(command: AssignOwner, state: Dossier, context: Context) -> Decision:
    """Give a customer another owner or other collaborators: a major change, so the manager's (R4.4).

    Raises:
        Forbidden: the actor is not the manager of its department.
        WrongStatus: the dossier is not archived.
        NoSalesperson: one of them is no salesperson at work here, or the owner none of this department.

    """
    signature = rights.check_manager(state, context.actor, CLAUSE)
    _check_archived(state)
    collaborators = tuple(dict.fromkeys(command.collaborators))
    if command.owner == state.owner and collaborators == state.content.collaborators:
        return Decision()
    check_sales_force(collaborators, command.owner, context)
    if command.owner != state.owner:
        check_sales_force((command.owner,), "", context, department=state.department)
    return Decision(
        [
            OwnerAssigned(
                customer=state.customer,
                owner=command.owner,
                previous_owner=state.owner if command.owner != state.owner else None,
                department=state.department,
                collaborators=collaborators,
                on_behalf_of=signature.on_behalf_of,
            )
        ]
    )


def _check_archived(state: Dossier) -> None:
    if state.status is not Status.ARCHIVED:
        raise WrongStatus(
            "档案尚未归档。归档前请直接修改草稿。",
            "The dossier is not archived yet. Until then, edit the draft.",
            clause=CLAUSE,
            status=state.status.value,
        )


def _check_occurred(occurred_on: datetime | None, context: Context) -> None:
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


def _check_only_known(given: Mapping[str, Any]) -> None:
    other = sorted(set(given) - {*_PUBLIC, *_PARTICULARS})
    if other:
        raise Invalid(
            f"已归档档案不能在此变更:{'、'.join(other)}。协作人请通过“指派负责人”变更。",
            f"These are not changed here: {', '.join(other)}. Collaborators are assigned together with the owner.",
            clause=CLAUSE,
            code="not-changed-here",
            fields=other,
        )


def _check_not_emptied(changed: list[str], after: DossierContent) -> None:
    needed = [*_PUBLIC, "nature", "supervising_body", "address"]
    if after.nature is Nature.OTHER:
        needed.append("nature_remark")
    emptied = [name for name in needed if name in changed and getattr(after, name) in (None, "", ())]
    if after.nature is Nature.OTHER and not after.nature_remark and "nature_remark" not in emptied:
        emptied.append("nature_remark")
    if emptied:
        raise CannotBeEmptied(
            f"归档档案的必填项不能清空:{'、'.join(emptied)}。请填写新的内容。",
            f"An archived dossier keeps its minimum: {', '.join(emptied)} cannot be empty. Fill in what holds now.",
            clause="R4.2",
            fields=emptied,
        )
