"""Verifying archived dossiers quarter by quarter: what falls due, who is appointed, what they found (R4.5.1)."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from kehu.calendar import Quarter
from kehu.contracts.customers import VerificationDone, VerificationDue, VerificationReminded, VerifierNeeded
from kehu.contracts.staff import Role
from kehu.deciding import Context, Decision
from kehu.errors import Forbidden, Invalid, NotFound, Refused
from kehu.facts import Fact
from kehu_customer_registry.verification.facts import (
    Method,
    Verification,
    VerificationAttempted,
    VerificationMark,
    Verifications,
    verification_id,
)
from kehu_customer_registry.verification.policy import CLAUSE, VERIFYING, Verifying

#: Verifiers without whom an appointment cannot be tried: nobody of the department has the role.
NOBODY: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Kept:
    """The dossier that is verified, as the decision needs it.

    `live` is whether it is archived, and neither closed nor merged; `own` are its owner and collaborators.
    """

    customer: str
    department: str
    live: bool
    own: frozenset[str]
    registered_on: date | None = None


@dataclass(frozen=True, slots=True)
class Company:
    """What is known of the people: who has the role of verifier in the department, and who works here at all."""

    verifiers: Sequence[str] = NOBODY
    at_work: Collection[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Around:
    """What is looked up for a decision: the dossier, the people, and which of its facts changed it (version, day)."""

    kept: Kept
    company: Company = Company()
    changes: Mapping[int, date] | None = None


@dataclass(frozen=True, slots=True)
class RecordVerification:
    """What the verifier has found, by which means and on which day; `change` is the version that updated the dossier.

    `found` is ``unchanged``, ``changed`` or ``failed`` (nobody was reached).
    """

    quarter: str
    method: Method
    found: str
    verified_on: date
    change: int | None = None
    remark: str = ""


@dataclass(frozen=True, slots=True)
class AppointVerifier:
    """The manager names who verifies."""

    quarter: str
    person: str


class NotTheVerifier(Forbidden):
    """Somebody else is appointed."""

    code = "not-the-verifier"


class OwnCustomer(Forbidden):
    """A customer's own salesperson would verify its dossier."""

    code = "own-customer"


class VerificationClosed(Refused):
    """There is nothing left to verify."""

    code = "verification-closed"


class ChangeUnknown(Refused):
    """The dossier was not changed as the verification says."""

    code = "change-unknown"


def plan(quarter: Quarter, state: Verifications, context: Context) -> Decision:
    """Make a dossier due for a quarter: only one that was archived before the quarter began, and once.

    Args:
        quarter: which one.
        state: the customer's verifications.
        context: `gathered` is the `Around`.

    """
    around: Around = context.gathered
    kept = around.kept
    archived = kept.registered_on is not None and kept.registered_on < quarter.first_day
    if str(quarter) in state.items or not kept.live or not archived:
        return Decision()
    return Decision([appoint(kept, str(quarter), quarter.last_day, around.company, context)])


def ask_for(state: Verifications, context: Context) -> Decision:
    """Make a dossier due for the present quarter though it was archived during it, such as one taken over at go-live.

    Raises:
        Forbidden: the actor is neither the department's manager nor of 市场部, or is leaving.
        Refused: it is due already, or the customer is not kept any more.

    """
    around: Around = context.gathered
    kept, actor, quarter = around.kept, context.actor, Quarter.of(context.today)
    may = actor.has(Role.MARKET_DEPT) or actor.has(Role.DEPT_MANAGER, department=kept.department)
    if not may or actor.departing:
        raise Forbidden(
            f"提前核实由市场部或部门 {kept.department} 的经理安排。",
            f"市场部 or the manager of the department {kept.department} asks for one before the next quarter.",
            clause=CLAUSE,
        )
    if not kept.live:
        raise Refused(
            "该客户的档案未归档,或客户已关闭或被合并,无需核实。",
            "The dossier is not archived, or the customer is closed or merged: there is nothing to verify.",
            clause=CLAUSE,
            code="not-archived",
        )
    if str(quarter) in state.items:
        raise Refused(
            f"{quarter} 的核实已经安排,请查看核实清单。",
            f"It is due for {quarter} already: see the worklist of verifications.",
            clause=CLAUSE,
            code="verification-exists",
        )
    return Decision([appoint(kept, str(quarter), quarter.last_day, around.company, context)])


def reappoint(state: Verifications, context: Context) -> Decision:
    """Appoint another verifier wherever the present one may not do it any more, or there was nobody.

    A customer's own salesperson never verifies; nor does who is leaving, or has lost the role. Whom a manager named
    needs no role.
    """
    around: Around = context.gathered
    facts: list[Fact] = []
    for item in state.open():
        if item.verifier and item.department == around.kept.department and _may_stay(item, around):
            continue
        told = appoint(around.kept, item.quarter, item.due_on, around.company, context, overdue=item.overdue)
        if isinstance(told, VerificationDue) or item.verifier or item.department != around.kept.department:
            facts.append(told)
    return Decision(facts)


def _may_stay(item: Verification, around: Around) -> bool:
    if item.verifier in around.kept.own or item.verifier not in around.company.at_work:
        return False
    return item.appointed_by is not None or item.verifier in around.company.verifiers


def appoint(
    kept: Kept, quarter: str, due_on: date, company: Company, context: Context, *, overdue: bool = False
) -> VerificationDue | VerifierNeeded:
    """Appoint one of the department's verifiers, never the customer's own salesperson; or say that there is none.

    Whose turn it is follows from customer and quarter alone, so the work spreads evenly and the same question has the
    same answer in every process.
    """
    verification = verification_id(kept.customer, quarter)
    policy: Verifying = context.policies[VERIFYING.name]
    remind_on = policy.next_reminder(due_on, context.today)
    may = sorted(set(company.verifiers) - kept.own)
    if not may:
        return VerifierNeeded(
            verification=verification,
            customer=kept.customer,
            department=kept.department,
            quarter=quarter,
            due_on=due_on,
            overdue=overdue,
            remind_on=remind_on,
        )
    turn = int.from_bytes(hashlib.sha256(verification.encode()).digest()[:8], "big")
    return VerificationDue(
        verification=verification,
        customer=kept.customer,
        department=kept.department,
        quarter=quarter,
        verifier=may[turn % len(may)],
        due_on=due_on,
        remind_on=remind_on,
    )


def remind(quarter: str, customer: str, state: Verifications, context: Context) -> Decision:
    """Remind of what is still open; say once that it is overdue, from 24:00 of the quarter's last day on."""
    item = state.items.get(quarter)
    if item is None or not item.is_open or item.overdue:
        return Decision()
    policy: Verifying = context.policies[VERIFYING.name]
    overdue = context.today > item.due_on
    remind_on = None if overdue else policy.next_reminder(item.due_on, context.today)
    verification = verification_id(customer, quarter)
    if item.verifier is None:
        needed = VerifierNeeded(
            verification=verification,
            customer=customer,
            department=item.department,
            quarter=quarter,
            due_on=item.due_on,
            overdue=overdue,
            remind_on=remind_on,
        )
        return Decision([needed])
    reminded = VerificationReminded(
        verification=verification,
        customer=customer,
        department=item.department,
        quarter=quarter,
        verifier=item.verifier,
        overdue=overdue,
        remind_on=remind_on,
    )
    return Decision([reminded])


def appoint_verifier(command: AppointVerifier, state: Verifications, context: Context) -> Decision:
    """Name the verifier; the department's manager does, and names nobody who sells to the customer.

    Raises:
        NotFound: nothing is due of that customer in that quarter.
        Forbidden: the actor is not the manager of the department.
        VerificationClosed: it is done.
        OwnCustomer: they are owner or collaborator.
        Refused: they do not work here, or are leaving.

    """
    around: Around = context.gathered
    item = _item(state, command.quarter)
    if not context.actor.has(Role.DEPT_MANAGER, department=around.kept.department) or context.actor.departing:
        raise Forbidden(
            f"核实人由部门 {around.kept.department} 的经理指定。",
            f"The verifier is named by the manager of the department {around.kept.department}.",
            clause=CLAUSE,
        )
    _check_open(item)
    _check_not_own(command.person, around.kept)
    if command.person not in around.company.at_work:
        raise Refused(
            f"{command.person} 不在职或正在办理离职。请另行指定。",
            f"{command.person} does not work here, or is leaving. Name somebody else.",
            clause="R4.6",
            code="not-at-work",
        )
    if command.person == item.verifier:
        return Decision()
    policy: Verifying = context.policies[VERIFYING.name]
    due = VerificationDue(
        verification=verification_id(around.kept.customer, item.quarter),
        customer=around.kept.customer,
        department=around.kept.department,
        quarter=item.quarter,
        verifier=command.person,
        due_on=item.due_on,
        appointed_by=context.actor.id,
        remind_on=policy.next_reminder(item.due_on, context.today),
    )
    return Decision([due])


def record_verification(command: RecordVerification, state: Verifications, context: Context) -> Decision:
    """Record what the verifier found; after the last attempt in vain the customer counts as out of reach.

    Who is out of reach may still be reached: then the verification is done after all.

    Raises:
        NotFound: nothing is due of that customer in that quarter.
        NotTheVerifier, OwnCustomer: the actor may not verify it.
        VerificationClosed: it is done, or needs to be no more.
        Invalid: the day cannot be; the outcome and the change do not fit.
        ChangeUnknown: the dossier was not changed in that version, or not since the quarter began.

    """
    around: Around = context.gathered
    item = _item(state, command.quarter)
    _check_verifier(item, around, context)
    if item.mark is not VerificationMark.UNREACHABLE:
        _check_open(item)
    _check_day(command, context)
    if command.found == "failed":
        return _failed(command, item, around, context)
    _check_change(command, around)
    return Decision([_done(command, item, around.kept.customer, command.found)])


def _failed(command: RecordVerification, item: Verification, around: Around, context: Context) -> Decision:
    _check_open(item)
    if any(one.attempted_on == command.verified_on and one.method == command.method for one in item.attempts):
        raise Refused(
            "同一天以同一方式的失败尝试已登记。请改日或换一种方式再联系客户。",
            "An attempt by this means is noted for that day already. Try on another day, or by other means.",
            clause=CLAUSE,
            code="attempt-noted",
        )
    policy: Verifying = context.policies[VERIFYING.name]
    number = len(item.attempts) + 1
    attempted = VerificationAttempted(
        verification=verification_id(around.kept.customer, item.quarter),
        customer=around.kept.customer,
        quarter=item.quarter,
        method=command.method,
        attempted_on=command.verified_on,
        remark=command.remark,
        number=number,
    )
    if number < policy.attempts:
        return Decision([attempted])
    return Decision([attempted, _done(command, item, around.kept.customer, "unreachable")])


def _done(command: RecordVerification, item: Verification, customer: str, outcome: str) -> VerificationDone:
    return VerificationDone.model_validate(
        {
            "verification": verification_id(customer, item.quarter),
            "customer": customer,
            "department": item.department,
            "quarter": item.quarter,
            "verifier": item.verifier,
            "outcome": outcome,
            "method": command.method,
            "verified_on": command.verified_on,
            "change": command.change,
        }
    )


def _item(state: Verifications, quarter: str) -> Verification:
    item = state.items.get(quarter)
    if item is None:
        raise NotFound(
            "该客户在这一季度没有待核实的档案。季度中归档的客户从下一季度起核实,也可由市场部或部门经理提前安排。",
            "Nothing is due of this customer in that quarter. Archived during a quarter, it is due from the next one, "
            "unless 市场部 or the manager asks for it before.",
            clause=CLAUSE,
            code="verification-unknown",
        )
    return item


def _check_open(item: Verification) -> None:
    if not item.is_open:
        raise VerificationClosed(
            f"该项核实已结束({item.mark.value})。请从待办列表中选择未完成的项目。",
            f"This verification is {item.mark.value}. Choose an open one from the worklist.",
            clause=CLAUSE,
            status=item.mark.value,
        )


def _check_verifier(item: Verification, around: Around, context: Context) -> None:
    if context.actor.id != item.verifier:
        raise NotTheVerifier(
            "只有被指定的核实人可以登记核实结果。如需更换,请部门经理重新指定。",
            "Only the appointed verifier records it. To have another, ask the department's manager.",
            clause=CLAUSE,
        )
    _check_not_own(context.actor.id, around.kept)
    if context.actor.departing:
        raise Forbidden(
            "离职手续已开始,核实工作将移交他人。",
            "Your departure has started: your verifications pass to somebody else.",
            clause="R4.6",
            code="departing",
        )


def _check_not_own(person: str, kept: Kept) -> None:
    if person in kept.own:
        raise OwnCustomer(
            "客户的营销员(负责人或协作人)不能核实自己的客户。请由他人核实。",
            "Its own salespeople (owner and collaborators) do not verify a customer. Somebody else has to.",
            clause=CLAUSE,
        )


def _check_day(command: RecordVerification, context: Context) -> None:
    first = Quarter.parse(command.quarter).first_day
    if not first <= command.verified_on <= context.today:
        raise Invalid(
            f"核实日期应在 {first}(季度首日)与今天({context.today})之间。",
            f"The day lies between {first}, the quarter's first, and today ({context.today}).",
            clause=CLAUSE,
            code="verified-on",
        )


def _check_change(command: RecordVerification, around: Around) -> None:
    if (command.change is not None) != (command.found == "changed"):
        raise Invalid(
            "“有变更并已更新”须注明客户档案的变更版本(change);“无变更”则不填。",
            "With `changed`, name the version that updated the dossier (change); with `unchanged`, leave it out.",
            clause=CLAUSE,
            code="change-required",
        )
    if command.change is None:
        return
    changed_on = (around.changes or {}).get(command.change)
    if changed_on is None or changed_on < Quarter.parse(command.quarter).first_day:
        raise ChangeUnknown(
            f"客户档案的第 {command.change} 版不是本季度以来的变更。请先更新档案,再以其版本号登记。",
            f"Version {command.change} of the dossier is no change since the quarter began. Update the dossier first, "
            "then name its version.",
            clause=CLAUSE,
            change=command.change,
        )
