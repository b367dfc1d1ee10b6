"""Which facts stand on a customer's timeline, as what, and in which words: a new published fact is one line to add.

`tests/contract/test_timeline.py` says when a published fact about a customer has no line. After adding one, the view
of its topic is rebuilt (`kehu rebuild`), so that facts of before show too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from kehu.contracts import customers as c
from kehu.contracts import engagement as e
from kehu.contracts import grading as g
from kehu.contracts import messages as m
from kehu.contracts import staff as s
from kehu.contracts import trade as t
from kehu.contracts import vetting as v
from kehu.facts import Fact
from kehu.service import OWN_LOG
from kehu_customer_registry.dossiers.facts import DossierDrafted, ParticularsChanged
from kehu_customer_registry.timeline.facts import NoteWritten
from kehu_customer_registry.timeline.sentences import check_template
from kehu_customer_registry.verification.facts import VerificationAttempted


class Kind(StrEnum):
    """What a line is about, for filtering."""

    DOSSIER = "dossier"  # 档案
    CHANGE = "change"  # 变更
    VERIFICATION = "verification"  # 核实
    QUALIFICATION = "qualification"  # 资质
    SETTLEMENT = "settlement"  # 结算单位
    ORDER = "order"  # 订单
    RECEIPT = "receipt"  # 收款
    SHIPMENT = "shipment"  # 发货
    RETURN = "return"  # 退货
    INVOICE = "invoice"  # 发票
    VISIT = "visit"  # 拜访
    FEEDBACK = "feedback"  # 反馈
    CREDIT = "credit"  # 信用
    GRADE = "grade"  # 分类
    VOLUME = "volume"  # 合同量、采购量
    HANDOVER = "handover"  # 交接
    MESSAGE = "message"  # 消息
    NOTE = "note"  # 备注


@dataclass(frozen=True, slots=True)
class Line:
    """A fact's line: its kind, and its sentence in both languages (see `sentences`).

    `also` names services that publish the fact besides the one whose contract it is.

    Raises:
        ValueError: a template names a field that the fact has not, or one that is personal.

    """

    fact: type[Fact]
    kind: Kind
    zh: str
    en: str
    also: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for template in (self.zh, self.en):
            check_template(template, self.fact)

    @property
    def sources(self) -> frozenset[str]:
        """Where its fact comes from: the own log, or the topics of services by their names."""
        return frozenset((SOURCES.get(self.fact.__module__, OWN_LOG), *self.also))


#: By the module of its contract: the service whose topic carries a fact; own facts are in the own log.
SOURCES: Mapping[str, str] = {
    c.__name__: OWN_LOG,
    s.__name__: OWN_LOG,
    v.__name__: "vetting",
    t.__name__: "vetting",
    g.__name__: "grading",
    e.__name__: "engagement",
    m.__name__: "notifier",
}


K = Kind
LINES: tuple[Line, ...] = (
    # --- this service: dossiers, changes, verification, volumes, handovers, notes
    Line(DossierDrafted, K.DOSSIER, "建立客户档案 {number}。", "Dossier {number} was opened."),
    Line(c.DossierSubmitted, K.DOSSIER, "档案 {number} 提交审核。", "Dossier {number} was submitted."),
    Line(c.DossierReturned, K.DOSSIER, "档案 {number} 被退回。", "Dossier {number} was returned."),
    Line(
        c.CustomerRegistered,
        K.DOSSIER,
        "档案 {number} 归档,负责人 {owner}。",
        "Dossier {number} was archived; its owner is {owner}.",
    ),
    Line(
        c.CustomerTakenOver,
        K.DOSSIER,
        "作为既有客户接管,自 {active_since} 起合作。",
        "Taken over as an existing customer, active since {active_since}.",
    ),
    Line(c.CustomerClosed, K.DOSSIER, "客户关系终止。", "The relation with the customer has ended."),
    Line(c.CustomerReopened, K.DOSSIER, "客户关系恢复。", "The customer is one again."),
    Line(
        c.CustomersMerged,
        K.DOSSIER,
        "{merged_number} 并入 {survivor_number}。",
        "{merged_number} was merged into {survivor_number}.",
    ),
    Line(
        c.CustomerMergeProposed,
        K.DOSSIER,
        "提议合并(或撤销合并):{merged_number} 与 {survivor_number}。",
        "A merge, or its undoing, was proposed: {merged_number} and {survivor_number}.",
    ),
    Line(
        c.CustomerMergeDeclined,
        K.DOSSIER,
        "合并或撤销合并的提议未通过。",
        "A proposed merge, or its undoing, was declined.",
    ),
    Line(c.RelationRequested, K.CHANGE, "{requested_by} 申请与该客户往来。", "{requested_by} asks to deal with it."),
    Line(c.RelationDeclined, K.CHANGE, "往来申请未通过。", "A request to deal with it was declined."),
    Line(c.CustomersUnmerged, K.DOSSIER, "撤销合并。", "A merge was undone."),
    Line(c.CustomerChanged, K.CHANGE, "档案变更:{changed:word}。", "The dossier changed: {changed:word}."),
    Line(ParticularsChanged, K.CHANGE, "档案变更:{changed:word}。", "The dossier changed: {changed:word}."),
    Line(
        c.CustomerChangeProposed,
        K.CHANGE,
        "重大变更待部门经理通过:{fields:word}。",
        "A major change waits for the manager: {fields:word}.",
    ),
    Line(c.CustomerChangeDeclined, K.CHANGE, "重大变更未通过。", "A major change was not passed."),
    Line(c.OwnerAssigned, K.CHANGE, "负责人为 {owner}。", "The owner is {owner}."),
    Line(
        c.VerificationDue,
        K.VERIFICATION,
        "{quarter} 档案核实由 {verifier} 在 {due_on} 前完成。",
        "{verifier} is to verify the dossier for {quarter} by {due_on}.",
    ),
    Line(
        c.VerifierNeeded,
        K.VERIFICATION,
        "{quarter} 档案核实待部门经理指定核实人。",
        "The manager is to name a verifier for {quarter}.",
    ),
    Line(
        c.VerificationReminded,
        K.VERIFICATION,
        "{quarter} 档案核实尚未完成,已提醒 {verifier}。",
        "The verification for {quarter} is open; {verifier} was reminded.",
    ),
    Line(
        VerificationAttempted,
        K.VERIFICATION,
        "{quarter} 档案核实第 {number} 次联系({method:word})未成。",
        "Attempt {number} to verify for {quarter} ({method:word}) was in vain.",
    ),
    Line(
        c.VerificationDone,
        K.VERIFICATION,
        "{quarter} 档案核实:{outcome:word}。",
        "Verification for {quarter}: {outcome:word}.",
    ),
    Line(
        c.ContractVolumeReported,
        K.VOLUME,
        "{month} 合同额 {amount_fen:yuan} 元。",
        "Contract volume of {month}: {amount_fen:yuan} yuan.",
    ),
    Line(
        c.ContractVolumeCorrected,
        K.VOLUME,
        "{month} 合同额由 {previous_fen:yuan} 元更正为 {amount_fen:yuan} 元。",
        "Contract volume of {month} corrected from {previous_fen:yuan} to {amount_fen:yuan} yuan.",
    ),
    Line(
        c.PurchaseMeasureAssigned,
        K.VOLUME,
        "{quarter} 采购量措施由 {responsible} 在 {due_on} 前落实。",
        "{responsible} is to act on the purchases of {quarter} by {due_on}.",
    ),
    Line(
        c.PurchaseMeasureOverdue,
        K.VOLUME,
        "{quarter} 采购量措施逾期,负责人 {responsible}。",
        "The measure on the purchases of {quarter} is overdue ({responsible}).",
    ),
    Line(
        c.PurchaseMeasureClosed,
        K.VOLUME,
        "{quarter} 采购量措施{outcome:word}。",
        "The measure on the purchases of {quarter}: {outcome:word}.",
    ),
    Line(
        s.StepEscalated,
        K.DOSSIER,
        "事项自 {since} 起无人处理,已上报 {superior}。",
        "Nobody has answered since {since}: {superior} was told.",
        also=("vetting",),
    ),
    Line(
        s.SuccessorProposed,
        K.HANDOVER,
        "{leaver} 离职,拟由 {successor} 接手。",
        "{leaver} is leaving; {successor} is to take over.",
    ),
    Line(
        s.SuccessorAccepted,
        K.HANDOVER,
        "{successor} 接手 {leaver} 的客户。",
        "{successor} takes over from {leaver}.",
    ),
    Line(s.SuccessorDeclined, K.HANDOVER, "{successor} 未接受接手。", "{successor} does not take it over."),
    Line(
        s.HandoverNoticeDue, K.HANDOVER, "需告知客户由 {successor} 接手。", "The customer is to be told of {successor}."
    ),
    Line(s.OpenWorkMoved, K.HANDOVER, "{leaver} 的未办事项移交给 {to}。", "Open work of {leaver} is moved to {to}."),
    Line(s.HandoverProved, K.HANDOVER, "交接告知凭证:{proof:word}。", "Proof of the handover notice: {proof:word}."),
    Line(NoteWritten, K.NOTE, "备注:{text}", "Note: {text}"),
    # --- vetting: qualification and credit
    Line(
        v.QualificationSubmitted, K.QUALIFICATION, "资质审核提交(第 {bundle} 版)。", "F1 submitted (bundle {bundle})."
    ),
    Line(v.QualificationStepPassed, K.QUALIFICATION, "资质审核通过:{step:word}。", "F1 passed: {step:word}."),
    Line(
        v.QualificationReturned, K.QUALIFICATION, "资质审核由{from_step:word}退回。", "F1 returned by {from_step:word}."
    ),
    Line(v.QualificationRejected, K.QUALIFICATION, "资质审核不予通过({step:word})。", "F1 rejected ({step:word})."),
    Line(v.QualificationWithdrawn, K.QUALIFICATION, "资质审核撤回。", "F1 was withdrawn."),
    Line(
        v.SignoffsVoided,
        K.QUALIFICATION,
        "审核意见自{from_step:word}起失效。",
        "Signatures void from {from_step:word} on.",
    ),
    Line(
        v.DocumentExpiring, K.QUALIFICATION, "证件有效期至 {valid_until}。", "A document is valid until {valid_until}."
    ),
    Line(
        v.DocumentRenewalDue,
        K.QUALIFICATION,
        "证件自 {since} 起须重新提交。",
        "Papers are asked for since {since}.",
    ),
    Line(v.RenewalSubmitted, K.QUALIFICATION, "更新的证件提交审核。", "Renewed papers were handed in."),
    Line(v.RenewalStepPassed, K.QUALIFICATION, "更新的证件通过{step:word}。", "Renewed papers passed: {step:word}."),
    Line(v.RenewalReturned, K.QUALIFICATION, "更新的证件由{step:word}退回。", "Renewed papers returned: {step:word}."),
    Line(v.RenewalWithdrawn, K.QUALIFICATION, "更新的证件撤回。", "Renewed papers were taken back."),
    Line(v.AgreementRenewed, K.QUALIFICATION, "协议于 {signed_on} 续签。", "The agreement was renewed on {signed_on}."),
    Line(v.QualificationRenewed, K.QUALIFICATION, "资质于 {renewed_on} 更新。", "Qualified anew on {renewed_on}."),
    Line(v.QualificationSuspended, K.QUALIFICATION, "客户资质暂停。", "The customer's qualification is suspended."),
    Line(v.QualificationRestored, K.QUALIFICATION, "客户资质恢复。", "The customer's qualification is restored."),
    Line(
        v.QualificationApproved, K.QUALIFICATION, "总经理批准资质。", "The general manager approved the qualification."
    ),
    Line(v.AgreementSigned, K.QUALIFICATION, "协议于 {signed_on} 签订。", "The agreement was signed on {signed_on}."),
    Line(v.AgentActivated, K.QUALIFICATION, "自 {activated_on} 起可以下单。", "May order from {activated_on} on."),
    Line(
        v.CreditIncidentRecorded, K.CREDIT, "失信记录,发生于 {occurred_on}。", "Bad credit, occurred on {occurred_on}."
    ),
    Line(v.CreditIncidentResolved, K.CREDIT, "失信事项于 {resolved_on} 解决。", "Bad credit settled on {resolved_on}."),
    Line(v.CreditIncidentWithdrawn, K.CREDIT, "失信记录撤销。", "A record of bad credit was taken back."),
    # --- vetting: who pays, orders, money, goods, invoices
    Line(t.SettlementUnitLinked, K.SETTLEMENT, "关联结算单位 {unit}。", "Settlement unit {unit} was linked."),
    Line(t.SettlementUnitUnlinked, K.SETTLEMENT, "解除结算单位 {unit}。", "Settlement unit {unit} was unlinked."),
    Line(
        t.OrderSigned,
        K.ORDER,
        "订单 {number} 签订,金额 {amount_fen:yuan} 元。",
        "Order {number} signed: {amount_fen:yuan} yuan.",
    ),
    Line(
        t.OrderAmended,
        K.ORDER,
        "订单 {order} 变更,金额 {amount_fen:yuan} 元。",
        "Order {order} amended: {amount_fen:yuan} yuan.",
    ),
    Line(
        t.OrderCancelled,
        K.ORDER,
        "订单 {order} 取消 {cancelled_fen:yuan} 元,已发货 {shipped_fen:yuan} 元。",
        "Order {order}: {cancelled_fen:yuan} yuan cancelled, {shipped_fen:yuan} yuan had shipped.",
    ),
    Line(
        t.OrderReleased,
        K.ORDER,
        "订单 {order_number|order} 第 {batch} 批可以发货。",
        "Batch {batch} of order {order_number|order} is released.",
    ),
    Line(
        t.ReleaseBlocked,
        K.ORDER,
        "订单 {order_number|order} 第 {batch} 批暂停发货。",
        "Batch {batch} of order {order_number|order} is blocked.",
    ),
    Line(
        t.ShippingStopped, K.ORDER, "订单 {order_number|order} 停止发货。", "Shipping of {order_number|order} stopped."
    ),
    Line(
        t.DeliveryOverdue,
        K.ORDER,
        "订单 {order_number|order} 第 {batch} 批应于 {due_on} 交货,已逾期。",
        "Batch {batch} of order {order_number|order} was due on {due_on} and is overdue.",
    ),
    Line(
        t.ShippingStopProposed,
        K.ORDER,
        "订单 {order_number|order}:{side:word}提议停止或恢复发货。",
        "Order {order_number|order}: {side:word} proposes to stop or resume shipping.",
    ),
    Line(
        t.ShippingStopDeclined,
        K.ORDER,
        "订单 {order_number|order}:停止或恢复发货的提议未通过。",
        "Order {order_number|order}: to stop or resume shipping was declined.",
    ),
    Line(t.ShippingResumed, K.ORDER, "订单 {order} 恢复发货。", "Shipping of order {order} resumed."),
    Line(
        t.ReceiptAllocated,
        K.RECEIPT,
        "收款 {amount_fen:yuan} 元分配到订单 {order}。",
        "{amount_fen:yuan} yuan of a receipt put to order {order}.",
    ),
    Line(
        t.GoodsShipped,
        K.SHIPMENT,
        "订单 {order_number|order} 于 {shipped_on} 发货 {value_fen:yuan} 元。",
        "Goods of {value_fen:yuan} yuan shipped on {shipped_on} (order {order_number|order}).",
    ),
    Line(
        t.GoodsReturned,
        K.RETURN,
        "订单 {order_number|order} 于 {returned_on} 退货 {value_fen:yuan} 元。",
        "Goods of {value_fen:yuan} yuan returned on {returned_on} (order {order_number|order}).",
    ),
    Line(
        t.InvoiceRequested,
        K.INVOICE,
        "申请开具专用发票 {gross_fen:yuan} 元({number})。",
        "Special VAT invoice of {gross_fen:yuan} yuan requested ({number}).",
    ),
    Line(t.InvoiceRequestReviewed, K.INVOICE, "开票申请通过({side:word})。", "Invoice request passed by {side:word}."),
    Line(t.InvoiceRequestClosed, K.INVOICE, "开票申请结束:{outcome:word}。", "Invoice request closed: {outcome:word}."),
    Line(
        t.InvoiceIssued,
        K.INVOICE,
        "开具发票 {digital_number|number} {gross_fen:yuan} 元({kind:word})。",
        "Invoice {digital_number|number} issued: {gross_fen:yuan} yuan ({kind:word}).",
    ),
    Line(t.InvoiceVoided, K.INVOICE, "发票于 {voided_on} 作废。", "An invoice was voided on {voided_on}."),
    Line(t.InvoiceCollected, K.INVOICE, "发票由 {collected_by} 领取。", "An invoice was collected by {collected_by}."),
    Line(
        t.RedLetterDue,
        K.INVOICE,
        "订单 {order_number|order} 应开红字发票 {excess_fen:yuan} 元。",
        "A red letter of {excess_fen:yuan} yuan is due for order {order_number|order}.",
    ),
    Line(t.InvoiceRequestReturned, K.INVOICE, "开票申请 {number} 被退回。", "Invoice request {number} was returned."),
    Line(
        t.RedLetterCovered,
        K.INVOICE,
        "订单 {order_number|order} 不再需要红字发票。",
        "No red letter is due for order {order_number|order} any more.",
    ),
    Line(
        t.RedLetterAsked,
        K.INVOICE,
        "申请开具红字发票 {gross_fen:yuan} 元。",
        "A red letter of {gross_fen:yuan} yuan was asked for.",
    ),
    Line(t.RedLetterConfirmed, K.INVOICE, "购方确认红字发票。", "The buyer has confirmed a red letter."),
    Line(t.RedLetterDropped, K.INVOICE, "红字发票申请终止:{outcome:word}。", "A red letter dropped: {outcome:word}."),
    # --- grading
    Line(g.GradeAssigned, K.GRADE, "客户分类 {grade}({basis:word})。", "Graded {grade} ({basis:word})."),
    Line(g.IndicativeGradeChanged, K.GRADE, "参考分类变为 {grade}。", "The indicative grade is {grade} now."),
    Line(
        g.GradeDriftNoticed,
        K.GRADE,
        "正式分类 {official},参考分类 {indicative}。",
        "Official grade {official}, indicative {indicative}.",
    ),
    # --- engagement
    Line(
        e.VisitPlanned,
        K.VISIT,
        "计划于 {planned_on} 拜访({visitors})。",
        "A visit is planned on {planned_on} ({visitors}).",
    ),
    Line(e.VisitLogged, K.VISIT, "拜访客户({attendees})。", "The customer was visited ({attendees})."),
    Line(
        e.VisitRecordOverdue,
        K.VISIT,
        "{planned_on} 的拜访记录逾期。",
        "The record of the visit on {planned_on} is overdue.",
    ),
    Line(e.VisitCancelled, K.VISIT, "{planned_on} 的拜访取消。", "The visit on {planned_on} was cancelled."),
    # --- notifier
    Line(
        m.MessageRequested,
        K.MESSAGE,
        "待发消息({template},{channel})。",
        "A message is to go out ({template}, {channel}).",
    ),
    Line(m.MessageDelivered, K.MESSAGE, "消息已送达({channel})。", "A message was delivered ({channel})."),
    Line(m.MessageFailed, K.MESSAGE, "消息未能送达({channel})。", "A message could not be delivered ({channel})."),
)
