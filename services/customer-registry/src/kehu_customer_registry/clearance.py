"""The certificate of clearance (离职交接结清证明): each customer of who left, its successor, and the proof (R4.6)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

from kehu.printing import Column, Field, Fields, Form, Label, Printed, Room, Signatures, Table
from kehu.printing.forms import shown

_PROOFS: Mapping[str, str] = {
    "delivery": "送达回执 delivery receipt",
    "letter": "签收函 signed letter",
    "call": "他人电话告知 call by someone else",
    "visit": "他人走访告知 visit by someone else",
    "waived": "经理免除 waived by the manager",
    # Never archived, so a prospect; or the leaver only helped with it.
    "none": "无须告知 no notice due",
}


@dataclass(frozen=True, slots=True)
class HandedOver:
    """One customer of whoever left: who has it now, since when, and how it is proved that the customer knows.

    `accepted_by` is the successor, or the manager who confirmed for them.
    """

    number: str
    name: str
    successor: str
    accepted_by: str
    accepted_at: datetime
    proof: Literal["delivery", "letter", "call", "visit", "waived", "none"] = "none"
    evidence: str = ""
    proved_by: str | None = None
    proved_at: datetime | None = None
    #: For whom, where a delegate did it (B代A).
    accepted_for: str | None = None
    proved_for: str | None = None


@dataclass(frozen=True, slots=True)
class WorkMoved:
    """Open work that went to somebody else: what it is (F6, F7, F8, an approval, a delegation, …), and to whom."""

    what: str
    number: str
    to: str


@dataclass(frozen=True, slots=True)
class Clearance:
    """A departure that was cleared."""

    number: str
    person: str
    staff_number: str
    department: str
    started_on: date
    last_day: date
    cleared_by: str
    cleared_at: datetime
    customers: Sequence[HandedOver]
    work: Sequence[WorkMoved] = ()


def clearance_form(clearance: Clearance, names: Mapping[str, str], printed: Printed) -> Form:
    """The certificate as it is printed.

    Args:
        clearance: the departure with its evidence.
        names: of members of the staff, by person.
        printed: when and by whom, from which facts.

    """

    def name(person: str) -> str:
        # Access ended, or a receipt came: the registry's own part did it.
        return "系统 system" if person.startswith("system:") else names.get(person, person)

    def signed(person: str | None, on_behalf_of: str | None, at: datetime | None) -> str:
        if person is None:
            return ""
        return f"{name(person)}{f' 代 {name(on_behalf_of)}' if on_behalf_of else ''}\n{shown(at)}"

    return Form(
        "",
        Label("离职交接结清证明", "Certificate of clearance"),
        clearance.number,
        (
            Fields(
                Label("离职人员", "Who leaves"),
                (
                    Field(Label("姓名", "Name"), name(clearance.person)),
                    Field(Label("工号", "Staff number"), clearance.staff_number),
                    Field(Label("部门", "Department"), clearance.department),
                    Field(Label("手续开始", "Started on"), clearance.started_on),
                    Field(Label("最后工作日", "Last working day"), clearance.last_day),
                    Field(Label("结清时间", "Cleared at"), clearance.cleared_at),
                ),
            ),
            Table(
                Label(f"客户交接 {len(clearance.customers)} 家", f"{len(clearance.customers)} customers handed over"),
                (
                    Column(Label("客户编号", "Number"), 1.1),
                    Column(Label("客户名称", "Customer"), 2.2),
                    Column(Label("接手人", "Successor"), 1.1),
                    Column(Label("确认", "Accepted"), 1.3),
                    Column(Label("告知方式", "Proof of notice"), 1.1),
                    Column(Label("凭据", "Evidence"), 2.0),
                    Column(Label("告知人及时间", "By and at"), 1.3),
                ),
                [
                    (
                        one.number,
                        one.name,
                        name(one.successor),
                        signed(one.accepted_by, one.accepted_for, one.accepted_at),
                        _PROOFS[one.proof],
                        one.evidence,
                        signed(one.proved_by, one.proved_for, one.proved_at),
                    )
                    for one in clearance.customers
                ],
            ),
            Table(
                Label("移交的未办事项", "Open work that moved"),
                (
                    Column(Label("事项", "What"), 2),
                    Column(Label("编号", "Number"), 1.5),
                    Column(Label("移交给", "To"), 1.2),
                ),
                [(one.what, one.number, name(one.to)) for one in clearance.work],
            ),
            Signatures(
                Label("签字", "Signatures"),
                (
                    Room(Label("离职人员", "Who leaves"), name(clearance.person)),
                    Room(Label("部门经理", "Department's manager"), stamp=True),
                    Room(
                        Label("人事", "HR"), f"{name(clearance.cleared_by)} {shown(clearance.cleared_at)}", stamp=True
                    ),
                ),
            ),
        ),
        printed,
    )
