"""Finance records bad credit with evidence, says when it is settled, and takes back what was a mistake (R5.2)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

from kehu.contracts.vetting import CreditIncidentRecorded, CreditIncidentResolved, CreditIncidentWithdrawn
from kehu.deciding import Actor, Context, Decision
from kehu.errors import Forbidden, Invalid, NotFound, Refused
from kehu_vetting.credit.facts import CreditRecord, Incident, IncidentStatus
from kehu_vetting.customer_files.facts import CustomerFile

CLAUSE = "R5.2"


@dataclass(frozen=True, slots=True)
class RecordCreditIncident:
    """Put an incident on record."""

    incident: str
    customer: str
    occurred_on: date
    description: str
    evidence: str
    amount_fen: int | None = None


@dataclass(frozen=True, slots=True)
class ResolveCreditIncident:
    """Say that an incident is settled."""

    customer: str
    incident: str
    resolved_on: date
    evidence: str


@dataclass(frozen=True, slots=True)
class WithdrawCreditIncident:
    """Take back what was recorded by mistake."""

    customer: str
    incident: str
    reason: str


def record_incident(command: RecordCreditIncident, state: CreditRecord, context: Context) -> Decision:
    """Record bad credit of a registered customer; it counts from the day on which it occurred."""
    file = _known(context.gathered)
    _check_finance(context.actor, file)
    if command.incident in state.incidents:
        raise Refused("该编号的失信记录已存在。", "There is an incident of this id already.", clause=CLAUSE)
    if command.occurred_on > context.today:
        raise Invalid(
            f"发生日期不能晚于今天({context.today})。",
            f"It cannot occur after today ({context.today}): correct the date.",
            clause=CLAUSE,
            code="date-in-future",
        )
    if not command.evidence.strip() or not command.description.strip():
        raise Invalid(
            "失信记录须写明事由和证据。",
            "An incident takes a description and evidence: fill in both.",
            clause=CLAUSE,
            code="evidence-missing",
        )
    return Decision(
        [
            CreditIncidentRecorded(
                incident=command.incident,
                customer=command.customer,
                occurred_on=command.occurred_on,
                description=command.description,
                evidence=command.evidence,
                amount_fen=command.amount_fen,
                recorded_by=context.actor.id,
            )
        ]
    )


def resolve_incident(command: ResolveCreditIncident, state: CreditRecord, context: Context) -> Decision:
    """Settle an open incident, on a day from its occurrence to today."""
    _check_finance(context.actor, _known(context.gathered))
    incident = _incident(state, command.incident)
    if incident.status is not IncidentStatus.OPEN:
        raise _not_open(incident)
    if not incident.occurred_on <= command.resolved_on <= context.today:
        raise Invalid(
            f"解决日期应在发生日期({incident.occurred_on})与今天({context.today})之间。",
            f"It is settled between its occurrence ({incident.occurred_on}) and today ({context.today}).",
            clause=CLAUSE,
            code="resolved-date",
        )
    if not command.evidence.strip():
        raise Invalid(
            "解决须写明证据。", "Settling it takes evidence: fill it in.", clause=CLAUSE, code="evidence-missing"
        )
    return Decision(
        [
            CreditIncidentResolved(
                incident=incident.id,
                customer=command.customer,
                resolved_on=command.resolved_on,
                evidence=command.evidence,
            )
        ]
    )


def withdraw_incident(command: WithdrawCreditIncident, state: CreditRecord, context: Context) -> Decision:
    """Take back an incident, settled or not: it never counted, also back in time."""
    _check_finance(context.actor, _known(context.gathered))
    incident = _incident(state, command.incident)
    if incident.status is IncidentStatus.WITHDRAWN:
        raise _not_open(incident)
    if not command.reason.strip():
        raise Invalid("撤销须写明原因。", "Taking it back takes a reason.", clause=CLAUSE, code="reason-missing")
    return Decision([CreditIncidentWithdrawn(incident=incident.id, customer=command.customer, reason=command.reason)])


def _known(gathered: Any) -> CustomerFile:
    file: CustomerFile = gathered
    if not file.registered:
        raise NotFound(
            "没有这一客户,或其档案尚未归档;刚归档的,请稍候再试。",
            "There is no such customer, or its dossier has not been passed. Just passed, try again in a moment.",
            clause=CLAUSE,
            code="customer-unknown",
        )
    file.check_apart()
    return file


def _check_finance(actor: Actor, file: CustomerFile) -> None:
    if actor.departing:
        raise Forbidden(
            "离职手续办理期间不能办理信用事项。",
            "Whoever is leaving records no credit incidents any more.",
            clause="R4.6",
            code="departing",
        )
    if not actor.has("finance", department=file.department):
        raise Forbidden(
            "失信记录由财务部办理,您没有这一岗位。",
            "Credit incidents are finance's: you do not have that role.",
            clause=CLAUSE,
            code="role-required",
            roles=["finance"],
        )


def _incident(state: CreditRecord, incident: str) -> Incident:
    try:
        return state.incidents[incident]
    except KeyError:
        raise NotFound("该客户没有这条失信记录。", "This customer has no such incident.", clause=CLAUSE) from None


def _not_open(incident: Incident) -> Refused:
    return Refused(
        f"该失信记录状态为 {incident.status.value},不能再办理。",
        f"This incident is {incident.status.value}; nothing more can be done to it.",
        clause=CLAUSE,
        code="incident-closed",
        status=incident.status.value,
    )
