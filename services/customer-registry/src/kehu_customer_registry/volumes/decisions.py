"""Reporting what a customer contracted in a month, and correcting it (R5.3.5)."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, Field

from kehu.calendar import Month, month_closes_at
from kehu.contracts.customers import ContractVolumeCorrected, ContractVolumeReported
from kehu.contracts.staff import Role
from kehu.deciding import Context, Decision
from kehu.errors import Forbidden, NotFound, Refused
from kehu.facts import RecordedFact
from kehu.money import show_yuan
from kehu.policies import PolicyKind
from kehu_customer_registry.staff.decisions import check_not_leaving
from kehu_customer_registry.volumes.facts import Volumes

CLAUSE = "R5.3.5"


class VolumeReporting(BaseModel):
    """When a month closes: at 24:00 of this day of the next month."""

    model_config = ConfigDict(frozen=True)

    closing_day: int = Field(ge=1, le=28)


VOLUME_REPORTING = PolicyKind(
    name="volume_reporting", model=VolumeReporting, initial=VolumeReporting(closing_day=5), clause=CLAUSE
)


@dataclass(frozen=True, slots=True)
class Reporting:
    """The customer that is reported on: in whose department, and whether its dossier has been passed."""

    customer: str
    number: str
    department: str
    registered: bool


@dataclass(frozen=True, slots=True)
class ReportVolume:
    """Say what was signed in a month, in fen; cancellations negative in their month.

    `reference` is the sender's own number of the report, where another system sent it.
    """

    month: Month
    amount_fen: int
    reference: str | None = None


@dataclass(frozen=True, slots=True)
class CorrectVolume:
    """State a reported month anew, with the reason."""

    month: Month
    amount_fen: int
    reason: str
    reference: str | None = None


class CustomerUnknown(NotFound):
    """There is no customer of that id or number."""

    code = "customer-unknown"

    def __init__(self) -> None:
        super().__init__(
            "没有这个客户编号。请对照客户信息一览表核对。",
            "There is no customer of this number. Compare it with the register.",
            clause=CLAUSE,
        )


class CustomerNotRegistered(Refused):
    """The customer's dossier has not been passed."""

    code = "customer-not-registered"


class MonthNotEnded(Refused):
    """The month is not over."""

    code = "month-not-ended"


class AlreadyReported(Refused):
    """The month was reported with another amount."""

    code = "already-reported"


class NotReported(Refused):
    """There is nothing to correct."""

    code = "not-reported"


class PreviousDiffers(Refused):
    """Another system corrects from an amount that does not stand here."""

    code = "previous-differs"


def report_volume(command: ReportVolume, state: Volumes, context: Context) -> Decision:
    """Report a month; the same amount again is no new fact.

    Raises:
        CustomerUnknown, CustomerNotRegistered: there is nobody to report on (`context.gathered` is the `Reporting`).
        Forbidden: the actor is not the manager of the customer's department, or is leaving (R4.6).
        MonthNotEnded: the month is not over.
        AlreadyReported: with another amount.

    """
    return _report(command, state, context, _reporting(context, by_person=True))


def correct_volume(command: CorrectVolume, state: Volumes, context: Context) -> Decision:
    """Correct a month; the amount that stands already is no new fact.

    Raises:
        CustomerUnknown, CustomerNotRegistered, Forbidden: as for a report.
        NotReported: the month was never reported.

    """
    return _correct(command, state, _reporting(context, by_person=True))


def accept_report(recorded: RecordedFact[ContractVolumeReported], state: Volumes, context: Context) -> Decision:
    """Take a report of another system, under the same rules.

    Raises:
        KehuError: as `report_volume`, but for the roles: the sender is on the allow-list.

    """
    fact = recorded.fact
    command = ReportVolume(fact.month, fact.amount_fen, fact.reference or _external_id(recorded))
    return _report(command, state, context, _reporting(context, by_person=False))


def accept_correction(recorded: RecordedFact[ContractVolumeCorrected], state: Volumes, context: Context) -> Decision:
    """Take a correction of another system, which must start from the amount that stands here.

    Raises:
        PreviousDiffers: it does not.
        KehuError: as `correct_volume`, but for the roles.

    """
    fact = recorded.fact
    reporting = _reporting(context, by_person=False)
    standing = state.months.get(fact.month)
    if standing and fact.previous_fen != standing.amount_fen != fact.amount_fen:
        raise PreviousDiffers(
            f"{fact.month} 现有合同额为 {show_yuan(standing.amount_fen)} 元,与所述原值不符。请核对后重新更正。",
            f"{fact.month} stands at {show_yuan(standing.amount_fen)} yuan, not at the previous amount stated. "
            "Check it and correct again.",
            clause=CLAUSE,
        )
    command = CorrectVolume(fact.month, fact.amount_fen, fact.reason, fact.reference or _external_id(recorded))
    return _correct(command, state, reporting)


def _report(command: ReportVolume, state: Volumes, context: Context, reporting: Reporting) -> Decision:
    if context.now < command.month.end:
        raise MonthNotEnded(
            f"{command.month} 尚未结束,不能上报。请在当月结束后上报。",
            f"{command.month} is not over, so it cannot be reported yet. Report it once the month has ended.",
            clause=CLAUSE,
            month=str(command.month),
        )
    standing = state.months.get(command.month)
    if standing is not None:
        if standing.amount_fen == command.amount_fen:
            return Decision()
        raise AlreadyReported(
            f"{command.month} 已上报 {show_yuan(standing.amount_fen)} 元。金额有变请使用“更正”,并写明原因。",
            f"{command.month} was reported with {show_yuan(standing.amount_fen)} yuan. If the amount is another, "
            "use a correction, with the reason.",
            clause=CLAUSE,
            month=str(command.month),
            amount_fen=standing.amount_fen,
        )
    policy: VolumeReporting = context.policies[VOLUME_REPORTING.name]
    return Decision(
        [
            ContractVolumeReported(
                customer=reporting.customer,
                month=command.month,
                amount_fen=command.amount_fen,
                department=reporting.department,
                late=context.now >= month_closes_at(command.month, closing_day=policy.closing_day),
                reference=command.reference,
            )
        ]
    )


def _correct(command: CorrectVolume, state: Volumes, reporting: Reporting) -> Decision:
    standing = state.months.get(command.month)
    if standing is None:
        raise NotReported(
            f"{command.month} 尚未上报,无可更正。请直接上报。",
            f"{command.month} has not been reported, so there is nothing to correct. Report it.",
            clause=CLAUSE,
            month=str(command.month),
        )
    if standing.amount_fen == command.amount_fen:
        return Decision()
    return Decision(
        [
            ContractVolumeCorrected(
                customer=reporting.customer,
                month=command.month,
                amount_fen=command.amount_fen,
                previous_fen=standing.amount_fen,
                reason=command.reason,
                reference=command.reference,
            )
        ]
    )


def _reporting(context: Context, *, by_person: bool) -> Reporting:
    """The customer that is reported on, if whoever acts may report on it."""
    reporting: Reporting | None = context.gathered
    if reporting is None:
        raise CustomerUnknown
    if by_person and not context.actor.has(Role.DEPT_MANAGER, department=reporting.department):
        raise Forbidden(
            "合同额由客户所属部门的经理上报。请由该部门经理办理。",
            "Contract volumes are reported by the manager of the customer's department. Ask them to.",
            clause=CLAUSE,
            code="not-your-department",
        )
    if by_person:
        check_not_leaving(context.actor)
    if not reporting.registered:
        raise CustomerNotRegistered(
            f"客户 {reporting.number} 的档案尚未归档,不能上报合同额。请先完成档案审核。",
            f"The dossier of {reporting.number} has not been passed, so there is no volume to report. "
            "Have the dossier reviewed first.",
            clause=CLAUSE,
            number=reporting.number,
        )
    return reporting


def _external_id(recorded: RecordedFact[ContractVolumeReported] | RecordedFact[ContractVolumeCorrected]) -> str | None:
    found: str | None = (recorded.metadata or {}).get("external_id")
    return found
