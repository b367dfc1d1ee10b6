"""An example of every published fact that the notifier reacts to; a new one is added with its reaction."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from kehu.calendar import Month
from kehu.contracts.customers import (
    CustomerChanged,
    CustomerChangeDeclined,
    CustomerChangeProposed,
    CustomerClosed,
    CustomerKind,
    CustomerMergeDeclined,
    CustomerMergeProposed,
    CustomerRegistered,
    CustomerReopened,
    CustomersMerged,
    CustomersUnmerged,
    DossierReturned,
    DossierSubmitted,
    IdentityKind,
    MonthlyReportDue,
    MonthlyReportMissing,
    MonthlyReportSubmitted,
    OwnerAssigned,
    PurchaseMeasureAssigned,
    PurchaseMeasureClosed,
    PurchaseMeasureOverdue,
    RelationDeclined,
    RelationRequested,
    VerificationDone,
    VerificationDue,
    VerificationReminded,
    VerifierNeeded,
)
from kehu.contracts.engagement import (
    VisitCancelled,
    VisitLogged,
    VisitPlanned,
    VisitRecordOverdue,
)
from kehu.contracts.grading import (
    Grade,
    GradeAssigned,
    GradeDriftNoticed,
    IndicativeGradeChanged,
)
from kehu.contracts.messages import (
    MessageFailed,
)
from kehu.contracts.staff import (
    DelegateAppointed,
    DelegationEnded,
    DepartureCancelled,
    DepartureCleared,
    DepartureStarted,
    HandoverNoticeDue,
    OpenWorkMoved,
    Role,
    RoleGranted,
    RoleProposalDeclined,
    RoleProposed,
    StaffAccessEnded,
    StepEscalated,
    SuccessorAccepted,
    SuccessorDeclined,
    SuccessorProposed,
)
from kehu.contracts.trade import (
    DeliveryBatch,
    DeliveryOverdue,
    GoodsReturned,
    GoodsShipped,
    InvoiceCollected,
    InvoiceIssued,
    InvoiceKind,
    InvoiceRequestClosed,
    InvoiceRequested,
    InvoiceRequestReturned,
    InvoiceRequestReviewed,
    InvoiceVoided,
    OrderAmended,
    OrderCancelled,
    OrderLine,
    OrderReleased,
    OrderSigned,
    ReceiptAllocated,
    ReceiptConfirmed,
    ReceiptIdentified,
    ReceiptReversed,
    RedLetterAsked,
    RedLetterConfirmed,
    RedLetterCovered,
    RedLetterDropped,
    RedLetterDue,
    ReleaseBlocked,
    SettlementUnitRestored,
    SettlementUnitSuspended,
    ShippingResumed,
    ShippingStopDeclined,
    ShippingStopped,
    ShippingStopProposed,
)
from kehu.contracts.vetting import (
    AgentActivated,
    AgreementRenewed,
    AgreementSigned,
    CreditIncidentRecorded,
    CreditIncidentResolved,
    CreditIncidentWithdrawn,
    DocumentExpiring,
    DocumentRenewalDue,
    QualificationApproved,
    QualificationRejected,
    QualificationRenewed,
    QualificationRestored,
    QualificationReturned,
    QualificationStepPassed,
    QualificationSubmitted,
    QualificationSuspended,
    QualificationWithdrawn,
    RenewalReturned,
    RenewalStepPassed,
    RenewalSubmitted,
    RenewalWithdrawn,
    SignoffsVoided,
    Step,
)
from kehu.facts import Fact
from kehu_notifier.testing import CUSTOMER, NOW

DAY = date(2026, 12, 1)
#: What all facts about the one qualification, and about the one visit, say.
Q: dict[str, Any] = {"qualification": "q-1", "customer": CUSTOMER, "department": "east"}
V: dict[str, Any] = {"visit": "v-1", "customer": CUSTOMER, "department": "east"}

DOSSIER_SUBMITTED = DossierSubmitted(
    customer=CUSTOMER, number="K000001", name="甲乙商贸", department="east", submitted_by="li"
)
TAKE_OVER = DOSSIER_SUBMITTED.model_copy(update={"take_over": True})
DOSSIER_RETURNED = DossierReturned(
    customer=CUSTOMER,
    number="K000001",
    name="甲乙商贸",
    department="east",
    submitted_by="li",
    returned_by="zhao",
    remarks="补充",
)
REGISTERED = CustomerRegistered(
    customer=CUSTOMER,
    number="K000001",
    name="甲乙商贸",
    kind=CustomerKind.DEALER,
    nature="limited",
    identity_kind=IdentityKind.USCC,
    identity="91110000600037341L",
    region="湖北",
    department="east",
    owner="li",
    registered_by="zhao",
)
SUBMITTED = QualificationSubmitted(**Q, bundle=1, digest="d", submitted_by="li")
APPROVED = QualificationApproved(**Q, approved_by="boss", submitted_by="li")
REJECTED = QualificationRejected(**Q, step=Step.FINANCE, reason="x", submitted_by="li")
ACTIVATED = AgentActivated(**Q, agent=True, activated_on=DAY)
ASSIGNED = GradeAssigned(
    customer=CUSTOMER, grade=Grade.B, basis="initial", grade_clause="R5.2.B", provisional=False, policy_version=0
)
PLANNED = VisitPlanned(**V, planned_on=DAY, visitors=("li", "wang"), purpose="x", first_visit=True)
LONE_VISIT = PLANNED.model_copy(update={"visitors": ("li",)})
OVERDUE = VisitRecordOverdue(**V, planned_on=DAY, visitors=("li", "wang"))
UNPLANNED = VisitLogged(**V, visited_at=NOW, attendees=("li",), planned=False, first_visit=False, deviation="x")
LOGGED = VisitLogged(**V, visited_at=NOW, attendees=("li", "wang"), planned=True, first_visit=True)
CANCELLED = VisitCancelled(**V, planned_on=DAY, visitors=("li", "wang"), reason="x", cancelled_by="li")


def passed(step: Step, by: str, **more: Any) -> QualificationStepPassed:
    """A step of the qualification, signed."""
    steps = list(Step)
    return QualificationStepPassed(**Q, step=step, next_step=steps[steps.index(step) + 1], signed_by=by, **more)


def returned(from_step: Step, to_step: Step | None) -> QualificationReturned:
    """The qualification, given back."""
    return QualificationReturned(**Q, from_step=from_step, to_step=to_step, remarks="x", submitted_by="li")


def drift(*, drifting: bool) -> GradeDriftNoticed:
    """The two grades differ, or agree again."""
    return GradeDriftNoticed(customer=CUSTOMER, official=Grade.B, indicative=Grade.C, drifting=drifting)


def indicative(previous: Grade | None) -> IndicativeGradeChanged:
    """The indicative grade, the first one or another."""
    return IndicativeGradeChanged(
        customer=CUSTOMER, grade=Grade.C, previous=previous, official=Grade.B, grade_clause="R5.2.C", policy_version=0
    )


DAYS: dict[str, Any] = {"department": "east", "customer": CUSTOMER}
LINE = OrderLine(item="泵", quantity=Decimal(1), amount_fen=100)
CHANGE_PROPOSED = CustomerChangeProposed(
    **DAYS, change="ch-1", number="K000001", name="甲乙商贸", fields=("name",), proposed_by="li"
)
CHANGE_DECLINED = CustomerChangeDeclined(**DAYS, change="ch-1", remarks="x", proposed_by="li", declined_by="zhao")
CHANGE_PASSED = CustomerChanged(customer=CUSTOMER, name="丙丁商贸", change="ch-1", proposed_by="li")
OWNER_PASSED = OwnerAssigned(**DAYS, owner="wang", change="ch-2")
CHANGE_OF_OWNER = OwnerAssigned(**DAYS, owner="wang", previous_owner="li", change="ch-2")
RELATION: dict[str, Any] = {**DAYS, "relation": "re-1", "number": "K000001", "requested_by": "wang"}
RELATION_REQUESTED = RelationRequested(
    **RELATION, name="甲乙商贸", kind=CustomerKind.DEALER, region="湖南", reason="x", answer_due_on=DAY
)
RELATION_DECLINED = RelationDeclined(**RELATION, remarks="x", declined_by="zhao")
RELATION_AGREED = OwnerAssigned(**DAYS, owner="li", collaborators=("wang",), change="re-1")
CLOSED = CustomerClosed(**DAYS, reason="x", closed_by="zhao")
REOPENED = CustomerReopened(**DAYS, reason="x", reopened_by="zhao")
MERGE: dict[str, Any] = {"customer": CUSTOMER, "merged": "c-2", "reason": "x"}
MERGE_PROPOSED = CustomerMergeProposed(
    **MERGE,
    merge="me-1",
    survivor_number="K000001",
    merged_number="K000002",
    department="east",
    merged_department="west",
    proposed_by="zhao",
)
UNDO_PROPOSED = MERGE_PROPOSED.model_copy(update={"undo": True})
MERGE_DECLINED = CustomerMergeDeclined(
    customer=CUSTOMER,
    merge="me-1",
    merged="c-2",
    department="east",
    remarks="x",
    proposed_by="zhao",
    declined_by="market",
)
MERGED = CustomersMerged(
    **MERGE,
    survivor=CUSTOMER,
    survivor_number="K000001",
    merged_number="K000002",
    proposed_by="zhao",
    merged_by="market",
)
UNMERGED = CustomersUnmerged(**MERGE, survivor=CUSTOMER, undone_by="market")
VERIFICATION: dict[str, Any] = {**DAYS, "verification": "ve-1", "quarter": "2026Q4", "verifier": "ver"}
VERIFY = VerificationDue(**VERIFICATION, due_on=DAY)
VERIFY_REMINDED = VerificationReminded(**VERIFICATION, overdue=False)
VERIFY_OVERDUE = VerificationReminded(**VERIFICATION, overdue=True)
VERIFIER_NEEDED = VerifierNeeded(**DAYS, verification="ve-1", quarter="2026Q4", due_on=DAY)
UNREACHABLE = VerificationDone(**VERIFICATION, outcome="unreachable", method="phone")
VERIFIED = VerificationDone(**VERIFICATION, outcome="unchanged", method="phone")
MEASURE: dict[str, Any] = {**DAYS, "measure": "pm-1", "quarter": "2026Q3", "responsible": "li"}
MEASURE_ASSIGNED = PurchaseMeasureAssigned(**MEASURE, due_on=DAY, assigned_by="zhao", previous_responsible="wang")
MEASURE_OVERDUE = PurchaseMeasureOverdue(**MEASURE, due_on=DAY)
MEASURE_WITHDRAWN = PurchaseMeasureClosed(**MEASURE, outcome="withdrawn", closed_by="zhao")
#: Until 24:00 of 5 November in Shanghai.
REPORT_DUE = MonthlyReportDue(
    department="east", month=Month(2026, 10), closes_at=datetime(2026, 11, 5, 16, 0, tzinfo=UTC)
)
REPORT_MISSING = MonthlyReportMissing(department="east", month=Month(2026, 10))
REPORT_SUBMITTED = MonthlyReportSubmitted(
    department="east", month=Month(2026, 10), late=True, nil=True, submitted_by="zhao"
)
ROLE_PROPOSED = RoleProposed(person="wang", role=Role.FINANCE, proposed_by="admin")
ROLE_DECLINED = RoleProposalDeclined(person="wang", role=Role.FINANCE, declined_by="admin")
ROLE_GRANTED = RoleGranted(person="wang", role=Role.FINANCE, granted_by="admin", second_by="admin2")
DELEGATED = DelegateAppointed(
    delegation="de-1",
    principal="zhao",
    delegate="wang",
    steps=("dossier:review",),
    first_day=DAY,
    last_day=DAY,
    reason="x",
)
DELEGATION_ENDED = DelegationEnded(delegation="de-1", principal="zhao", delegate="wang", ended_by="admin")
ESCALATED = StepEscalated(
    **DAYS,
    thing="ch-1",
    step="dossier:change",
    waiting_for=(Role.DEPT_MANAGER,),
    superior=Role.GENERAL_MANAGER,
    since=DAY,
)
ESCALATED_DOSSIER = ESCALATED.model_copy(update={"thing": "K000001", "step": "dossier:review"})
ESCALATED_REVIEW = ESCALATED.model_copy(update={"thing": "q-1", "step": "qualification:finance"})
ESCALATED_RENEWAL = ESCALATED.model_copy(update={"thing": "rn-1", "step": "renewal:finance"})
ESCALATED_STEP = ESCALATED.model_copy(update={"customer": None})
DEPARTURE: dict[str, Any] = {"person": "li", "departure": "dp-1", "number": "LZ000001"}
LEAVING = DepartureStarted(**DEPARTURE, last_day=DAY, department="east", started_by="hr")
STAYS = DepartureCancelled(**DEPARTURE, department="east", reason="x", cancelled_by="hr")
CLEARED = DepartureCleared(**DEPARTURE, cleared_by="zhao")
ACCESS_ENDED = StaffAccessEnded(**DEPARTURE, cleared=False)
HANDOVER: dict[str, Any] = {**DAYS, "departure": "dp-1", "leaver": "li", "successor": "wang"}
PROPOSED = SuccessorProposed(**HANDOVER, due_on=DAY)
ACCEPTED = SuccessorAccepted(**HANDOVER, accepted_by="wang")
NOTICE_DUE = HandoverNoticeDue(**HANDOVER)
WORK_MOVED = OpenWorkMoved.model_validate(
    HANDOVER | {"number": "LZ000001", "kind": "visit", "thing": "v-1", "to": "wang", "remark": "x", "moved_by": "zhao"}
)
DECLINED = SuccessorDeclined(**HANDOVER, reason="x")
FAILED = MessageFailed(
    message="m-1", customer=CUSTOMER, channel="sms", reason="no-address", template="customer-handover", cause="f-1"
)
VOIDED = SignoffsVoided(**Q, from_step=Step.FINANCE, steps=(Step.FINANCE,), because_of="finance")
WITHDRAWN = QualificationWithdrawn(qualification="q-1", customer=CUSTOMER, reason="x", withdrawn_by="li")
EXPIRING = DocumentExpiring(
    **Q, owner="li", document="business_licence", valid_until=DAY, last_day=False, suspends=True
)
LAST_DAY = EXPIRING.model_copy(update={"last_day": True})
SUSPENDED = QualificationSuspended(**Q, documents=("business_licence",), reason="x")
RESTORED = QualificationRestored(**Q)
AGREEMENT: dict[str, Any] = {
    "signed_on": DAY,
    "valid_from": DAY,
    "valid_until": None,
    "file_digest": "d",
    "customer": CUSTOMER,
}
AGREED = AgreementSigned(**AGREEMENT, qualification="q-1")
AGREED_ANEW = AgreementRenewed(**AGREEMENT, department="east", recorded_by="sun")
QUALIFIED_ANEW = QualificationRenewed(**Q, previous="q-0", agent=True, renewed_on=DAY)
RENEWAL_DUE = DocumentRenewalDue(
    customer=CUSTOMER, department="east", owner="li", documents=("basic_account", "invoicing_information"), since=DAY
)
RENEWAL: dict[str, Any] = {**DAYS, "renewal": "rn-1"}
RENEWAL_SUBMITTED = RenewalSubmitted(**RENEWAL, documents=("business_licence",), submitted_by="li")
RENEWAL_VETTED = RenewalStepPassed(**RENEWAL, step=Step.VETTING, next_step=Step.FINANCE, signed_by="sun")
RENEWAL_PASSED = RenewalStepPassed(**RENEWAL, step=Step.FINANCE, next_step=None, signed_by="fin")
RENEWAL_RETURNED = RenewalReturned(**RENEWAL, step=Step.VETTING, remarks="x", submitted_by="li", returned_by="sun")
RENEWAL_WITHDRAWN = RenewalWithdrawn(renewal="rn-1", customer=CUSTOMER, withdrawn_by="li")
UNIT_SUSPENDED = SettlementUnitSuspended(unit="u-1", reason="x")
UNIT_RESTORED = SettlementUnitRestored(unit="u-1")
ORDER: dict[str, Any] = {"order": "o-1", "order_number": "DD000001", "customer": CUSTOMER}
SIGNED = OrderSigned(
    order="o-1",
    number="DD000001",
    customer=CUSTOMER,
    unit="u-1",
    department="east",
    owner="li",
    signed_on=DAY,
    file_digest="d",
    amount_fen=100,
    batches=(DeliveryBatch(batch=1, amount_fen=100, lines=(LINE,)),),
)
AMENDED = OrderAmended(
    **ORDER, unit="u-1", amount_fen=100, batches=SIGNED.batches, signed_on=DAY, file_digest="d", reason="x"
)
ORDER_CANCELLED = OrderCancelled(**ORDER, cancelled_fen=100, shipped_fen=0, cancelled_on=DAY, reason="x")
LATE = DeliveryOverdue(**ORDER, department="east", owner="li", batch=1, due_on=DAY, released=True)
LATE_UNPAID = LATE.model_copy(update={"released": False})
STOP: dict[str, Any] = {**ORDER, "department": "east", "reason": "x", "proposed_by": "fin"}
STOP_PROPOSED = ShippingStopProposed(**STOP, side="finance", lift=False)
RESUMPTION_PROPOSED = STOP_PROPOSED.model_copy(update={"lift": True, "side": "manager", "proposed_by": "zhao"})
STOP_DECLINED = ShippingStopDeclined(**STOP, declined_by="zhao")
RETURNED_GOODS = GoodsReturned(
    **ORDER,
    returned="rt-1",
    shipment="s-1",
    department="east",
    returned_on=DAY,
    value_fen=100,
    lines=(LINE,),
    reason="x",
)
RELEASED = OrderReleased(**ORDER, batch=1, amount_fen=100, receipts=("r",))
BLOCKED = ReleaseBlocked(**ORDER, batch=1, amount_fen=100, reason="x")
SHIPPED = GoodsShipped(
    **ORDER, shipment="s-1", department="east", batch=1, shipped_on=DAY, value_fen=100, lines=(LINE,), receipts=("r",)
)
STOPPED = ShippingStopped(**ORDER, reason="x")
RECEIPT = ReceiptConfirmed(
    receipt="r-1", number="SK000001", unit=None, payer="x", bank_reference="b", amount_fen=100, received_on=DAY
)
RECEIPT_OF_UNIT = RECEIPT.model_copy(update={"unit": "u-1"})
RESUMED = ShippingResumed(**ORDER)
IDENTIFIED = ReceiptIdentified(receipt="r-1", number="SK000001", unit="u-1", payer="x", evidence="x")
REVERSED = ReceiptReversed(receipt="r-1", number="SK000001", amount_fen=100, reversed_on=DAY, reason="x")
ALLOCATED = ReceiptAllocated(receipt="r-1", order="o-1", customer=CUSTOMER, amount_fen=100)
INCIDENT = CreditIncidentRecorded(
    incident="i-1", customer=CUSTOMER, occurred_on=DAY, description="x", evidence="x", recorded_by="fin"
)
RESOLVED = CreditIncidentResolved(incident="i-1", customer=CUSTOMER, resolved_on=DAY, evidence="x")
MISTAKEN = CreditIncidentWithdrawn(incident="i-1", customer=CUSTOMER, reason="x")
F2: dict[str, Any] = {
    "request": "f-1",
    "order": "o-1",
    "customer": CUSTOMER,
    "department": "east",
    "requested_by": "li",
}
REQUESTED = InvoiceRequested(**F2, number="KP000001", gross_fen=113)
REVIEWED = InvoiceRequestReviewed(**F2, side="marketing", reviewed_by="sun", both=False)
BOTH_REVIEWED = InvoiceRequestReviewed(**F2, side="finance", reviewed_by="fin", both=True, lapses_on=DAY)
SENT_BACK = InvoiceRequestReturned(**F2, number="KP000001", remarks="x", returned_by="sun")
LAPSED = InvoiceRequestClosed(**F2, outcome="lapsed", reason="x")
ISSUED = InvoiceIssued(
    **ORDER,
    invoice="iv-1",
    request="f-1",
    unit="u-1",
    department="east",
    kind=InvoiceKind.DIGITAL,
    digital_number="26330000000000000001",
    issued_on=DAY,
    net_fen=100,
    tax_fen=13,
    gross_fen=113,
    lines=(),
    issued_by="fin2",
    collector="li",
)
RED = ISSUED.model_copy(update={"invoice": "iv-2", "red_of": "iv-1", "request": None, "collector": None})
COLLECTED = InvoiceCollected(invoice="iv-1", order="o-1", customer=CUSTOMER, collected_by="li", collected_on=DAY)
VOID = InvoiceVoided(invoice="iv-1", order="o-1", customer=CUSTOMER, voided_on=DAY, reason="x")
RED_LETTER: dict[str, Any] = {
    "red": "rd-1",
    "invoice": "iv-1",
    "order": "o-1",
    "customer": CUSTOMER,
    "department": "east",
}
RED_ASKED = RedLetterAsked(
    **RED_LETTER,
    kind=InvoiceKind.DIGITAL,
    net_fen=-100,
    tax_fen=-13,
    gross_fen=-113,
    lines=(),
    reason="x",
    lapses_at=datetime(2026, 11, 27, 2, 0, tzinfo=UTC),
    asked_by="fin",
)
RED_ASKED_ON_PAPER = RED_ASKED.model_copy(update={"kind": InvoiceKind.PAPER, "lapses_at": None})
RED_CONFIRMED = RedLetterConfirmed(**RED_LETTER, confirmation="x", confirmed_by="fin")
RED_DROPPED = RedLetterDropped(**RED_LETTER, outcome="lapsed", reason="x", asked_by="fin")
RED_SETTLED = RedLetterCovered(**ORDER, department="east")
RED_DUE = RedLetterDue(**ORDER, department="east", excess_fen=100)
RED_COVERED = RedLetterDue(**ORDER, department="east", excess_fen=0)


EXAMPLES: Sequence[Fact] = (
    DOSSIER_SUBMITTED,
    TAKE_OVER,
    DOSSIER_RETURNED,
    REGISTERED,
    SUBMITTED,
    passed(Step.VETTING, "sun"),
    returned(Step.FINANCE, None),
    returned(Step.FINANCE, Step.VETTING),
    REJECTED,
    APPROVED,
    ACTIVATED,
    ASSIGNED,
    indicative(Grade.B),
    drift(drifting=True),
    drift(drifting=False),
    PLANNED,
    OVERDUE,
    LOGGED,
    CANCELLED,
    CHANGE_PROPOSED,
    CHANGE_DECLINED,
    CHANGE_PASSED,
    OWNER_PASSED,
    VERIFY,
    VERIFY_REMINDED,
    VERIFY_OVERDUE,
    VERIFIED,
    REPORT_MISSING,
    REPORT_SUBMITTED,
    ROLE_PROPOSED,
    ROLE_DECLINED,
    ROLE_GRANTED,
    DELEGATED,
    ESCALATED,
    LEAVING,
    CLEARED,
    PROPOSED,
    ACCEPTED,
    NOTICE_DUE,
    WORK_MOVED,
    VOIDED,
    WITHDRAWN,
    EXPIRING,
    LAST_DAY,
    SUSPENDED,
    RESTORED,
    RELEASED,
    BLOCKED,
    SHIPPED,
    STOPPED,
    RECEIPT,
    RECEIPT_OF_UNIT,
    ALLOCATED,
    INCIDENT,
    REQUESTED,
    REVIEWED,
    BOTH_REVIEWED,
    LAPSED,
    ISSUED,
    RED,
    COLLECTED,
    VOID,
    RED_DUE,
    RED_COVERED,
    CHANGE_OF_OWNER,
    RELATION_REQUESTED,
    RELATION_DECLINED,
    RELATION_AGREED,
    CLOSED,
    REOPENED,
    MERGE_PROPOSED,
    UNDO_PROPOSED,
    MERGE_DECLINED,
    MERGED,
    UNMERGED,
    VERIFIER_NEEDED,
    UNREACHABLE,
    MEASURE_ASSIGNED,
    MEASURE_OVERDUE,
    MEASURE_WITHDRAWN,
    REPORT_DUE,
    DELEGATION_ENDED,
    ESCALATED_STEP,
    ESCALATED_REVIEW,
    ESCALATED_DOSSIER,
    ESCALATED_RENEWAL,
    STAYS,
    ACCESS_ENDED,
    DECLINED,
    FAILED,
    AGREED,
    AGREED_ANEW,
    QUALIFIED_ANEW,
    RENEWAL_DUE,
    RENEWAL_SUBMITTED,
    RENEWAL_VETTED,
    RENEWAL_PASSED,
    RENEWAL_RETURNED,
    RENEWAL_WITHDRAWN,
    UNIT_SUSPENDED,
    UNIT_RESTORED,
    SIGNED,
    AMENDED,
    ORDER_CANCELLED,
    LATE,
    LATE_UNPAID,
    STOP_PROPOSED,
    RESUMPTION_PROPOSED,
    STOP_DECLINED,
    RETURNED_GOODS,
    RESUMED,
    IDENTIFIED,
    REVERSED,
    RESOLVED,
    MISTAKEN,
    SENT_BACK,
    RED_ASKED,
    RED_ASKED_ON_PAPER,
    RED_CONFIRMED,
    RED_DROPPED,
    RED_SETTLED,
    UNPLANNED,
)
