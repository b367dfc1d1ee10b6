"""Taking over customers at go-live as they stand (R4.3): with evidence, by one person, confirmed by another."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from kehu.contracts.customers import ContractVolumeReported, CustomerTakenOver
from kehu.contracts.grading import Grade
from kehu.contracts.staff import Role
from kehu.deciding import Context, Decision
from kehu.errors import Invalid
from kehu.standing_in import Signature
from kehu_customer_registry.dossiers import rights
from kehu_customer_registry.dossiers.decisions import (
    WrongStatus,
    check_open,
    check_submittable,
    check_submitted,
    registered,
    sign_review,
    submitted,
)
from kehu_customer_registry.dossiers.facts import Dossier, MonthTakenOver, TakeOverProposed
from kehu_customer_registry.volumes.facts import Volumes

CLAUSE = "R4.3"


@dataclass(frozen=True, slots=True)
class ProposeTakeOver:
    """Say how an existing customer stands. What is None was not the case.

    Args:
        evidence_digest: of the file that shows all of it.
        active_since: the day from which it may order; takes a signed agreement.
        agreement_signed_on: of the agreement that is in force.
        agreement_valid_until: its last day; None without an end.
        agreement_digest: of its file.
        visited_on: the last visit.
        grade: the official grade, with `graded_year`, the year for which it was given.
        graded_year: see `grade`.
        volumes: contract volumes of the months before.

    """

    evidence_digest: str
    active_since: date | None = None
    agreement_signed_on: date | None = None
    agreement_valid_until: date | None = None
    agreement_digest: str | None = None
    visited_on: date | None = None
    grade: Grade | None = None
    graded_year: int | None = None
    volumes: tuple[MonthTakenOver, ...] = ()


def propose_take_over(command: ProposeTakeOver, state: Dossier, context: Context) -> Decision:
    """Hand a complete dossier in, to be taken over as it stands.

    Args:
        command: how it stands.
        state: the dossier, a draft or returned.
        context: with the dossiers that resemble it (`Around`) as `gathered`.

    Raises:
        Forbidden: the actor is none of its keepers, or is leaving.
        WrongStatus: it is submitted or archived already.
        DossierIncomplete, DuplicatesUndecided: as for a submission.
        Invalid: what is said cannot be so.

    """
    rights.check_keeper(state, context.actor)
    check_open(state)
    check_submittable(state, context)
    check_standing(command, context)
    proposed = TakeOverProposed(
        customer=state.customer,
        active_since=command.active_since,
        agreement_signed_on=command.agreement_signed_on,
        agreement_valid_until=command.agreement_valid_until,
        agreement_digest=command.agreement_digest,
        visited_on=command.visited_on,
        grade=command.grade,
        graded_year=command.graded_year,
        volumes=command.volumes,
        evidence_digest=command.evidence_digest,
        proposed_by=context.actor.id,
    )
    return Decision([proposed, submitted(state, context).model_copy(update={"take_over": True})])


def confirm_take_over(states: tuple[Dossier, Volumes], context: Context) -> list[Decision]:
    """Confirm it as the second person: the customer is registered as it stands, with its volumes.

    Args:
        states: the dossier, and the customer's volumes.
        context: who confirms.

    Returns:
        A decision for each of the two.

    Raises:
        Forbidden: the actor is neither the manager of its department nor of 市场部.
        OwnSubmission: the actor proposed it, or owns the customer.
        WrongStatus: nothing is to be taken over here.

    """
    state, volumes = states
    check_submitted(state)
    proposed = state.take_over
    if proposed is None:
        raise WrongStatus(
            "该档案没有申请按现状接收。请按审核流程办理。",
            "Nobody has asked to take this customer over as it stands. Review it as any other.",
            clause=CLAUSE,
            status=state.status.value,
        )
    signature = _sign_second(state, context, proposed.proposed_by)
    taken_over = CustomerTakenOver(
        customer=state.customer,
        active_since=proposed.active_since,
        agreement_signed_on=proposed.agreement_signed_on,
        agreement_valid_until=proposed.agreement_valid_until,
        agreement_digest=proposed.agreement_digest,
        visited_on=proposed.visited_on,
        grade=proposed.grade,
        graded_year=proposed.graded_year,
        evidence_digest=proposed.evidence_digest,
        proposed_by=proposed.proposed_by,
        confirmed_by=signature.signed_by,
    )
    # Not late: these months closed before anybody could report them here.
    reported = [
        ContractVolumeReported(
            customer=state.customer, month=one.month, amount_fen=one.amount_fen, department=state.department
        )
        for one in sorted(proposed.volumes, key=lambda one: one.month)
        if one.month not in volumes.months
    ]
    return [Decision([registered(state, signature, taken_over=True), taken_over]), Decision(reported)]


def _sign_second(state: Dossier, context: Context, proposed_by: str) -> Signature:
    """How the second person signs: the department's manager or a delegate, or anybody of 市场部."""
    actor = context.actor
    if not actor.has(Role.MARKET_DEPT):
        return sign_review(state, context, proposed_by)
    rights.check_staying(actor)
    if actor.id in (proposed_by, state.owner):
        raise rights.OwnSubmission(
            "提议人和负责人不能自行确认接收。请由部门经理或市场部的其他人确认。",
            "Who proposed it, or owns the customer, cannot confirm it: the manager or somebody else of 市场部 has to.",
            clause=CLAUSE,
        )
    return Signature(actor.id)


def check_standing(command: ProposeTakeOver, context: Context) -> None:
    """Refuse what cannot be so.

    Raises:
        Invalid: the evidence names the fields.

    """
    _check_days(command, context)
    _check_consistent(command)
    _check_months(command, context)


def _check_days(command: ProposeTakeOver, context: Context) -> None:
    days = {
        "active_since": command.active_since,
        "agreement_signed_on": command.agreement_signed_on,
        "visited_on": command.visited_on,
    }
    future = [name for name, day in days.items() if day is not None and day > context.today]
    if command.graded_year is not None and command.graded_year > context.today.year:
        future.append("graded_year")
    if future:
        raise Invalid(
            f"以下日期晚于今天:{'、'.join(future)}。请更正。",
            f"These lie in the future: {', '.join(future)}. What is taken over has happened. Correct them.",
            clause=CLAUSE,
            code="occurred-in-future",
            fields=future,
        )


def _check_consistent(command: ProposeTakeOver) -> None:
    agreement = (command.agreement_signed_on, command.agreement_digest)
    wrong: list[str] = []
    if (command.active_since is not None or command.agreement_valid_until is not None) and None in agreement:
        wrong.append("agreement")  # no order without a signed agreement (R3.1.3)
    if (command.agreement_signed_on is None) != (command.agreement_digest is None):
        wrong.append("agreement")
    if (command.grade is None) != (command.graded_year is None):
        wrong.append("grade")
    signed, until = command.agreement_signed_on, command.agreement_valid_until
    if signed and until and until < signed:
        wrong.append("agreement_valid_until")
    wrong = list(dict.fromkeys(wrong))
    if wrong:
        raise Invalid(
            f"所填现状不完整或前后不符:{'、'.join(wrong)}。已生效的客户须有协议的签订日期和文件摘要;分类须注明年度。请补正。",
            f"What is said does not go together: {', '.join(wrong)}. An active customer has an agreement "
            "with its date and file digest; a grade has its year. Correct it.",
            clause=CLAUSE,
            code="take-over-inconsistent",
            fields=wrong,
        )


def _check_months(command: ProposeTakeOver, context: Context) -> None:
    months = [one.month for one in command.volumes]
    wrong = sorted({str(month) for month in months if context.now < month.end or months.count(month) > 1})
    if wrong:
        raise Invalid(
            f"以下月份尚未结束或重复:{'、'.join(wrong)}。请更正。",
            f"These months are not over, or are there twice: {', '.join(wrong)}. Correct them.",
            clause=CLAUSE,
            code="months-invalid",
            months=wrong,
        )
