"""The words that come with the software; 市场部 words them anew as policy data."""

from __future__ import annotations

from collections.abc import Mapping

from kehu_notifier.templates.template import Template, TemplateName

_CUSTOMER = "{customer_number} {customer_name}"
_WEEK = 7 * 24
_TWO_WEEKS = 2 * _WEEK
_QUARTER = 13 * _WEEK


def _to_staff(zh: str, en: str, hours: int = _WEEK) -> Template:
    return Template(channel="wecom", zh=zh, en=en, expires_after_hours=hours)


WORDS: Mapping[TemplateName, Template] = {
    TemplateName.DOSSIER_TO_REVIEW: _to_staff(
        f"客户档案 {_CUSTOMER} 已提交，请审核：通过，或写明意见退回。",
        f"The dossier {_CUSTOMER} has been submitted: review it, and pass it or give it back with remarks.",
        _TWO_WEEKS,
    ),
    TemplateName.DOSSIER_RETURNED: _to_staff(
        f"客户档案 {_CUSTOMER} 被退回，请按退回意见修改后再提交。",
        f"The dossier {_CUSTOMER} was given back: mend what the remarks say, and submit it again.",
        _TWO_WEEKS,
    ),
    TemplateName.TURN_TO_SIGN: _to_staff(
        f"客户 {_CUSTOMER} 的资质审核轮到您办理：{{step}}。",
        f"The qualification of {_CUSTOMER} waits for you: {{step}}.",
        _TWO_WEEKS,
    ),
    TemplateName.QUALIFICATION_APPROVED: _to_staff(
        f"客户 {_CUSTOMER} 的资质审核已获总经理批准，请办理协议签订。",
        f"The general manager has approved the qualification of {_CUSTOMER}: have the agreement signed now.",
        _TWO_WEEKS,
    ),
    TemplateName.QUALIFICATION_RETURNED: _to_staff(
        f"客户 {_CUSTOMER} 的资质审核在“{{step}}”被退回至“{{back_to}}”，请查看意见。",
        f"The qualification of {_CUSTOMER} was given back at {{step}} to {{back_to}}: see the remarks.",
        _TWO_WEEKS,
    ),
    TemplateName.QUALIFICATION_REJECTED: _to_staff(
        f"客户 {_CUSTOMER} 的资质审核在“{{step}}”未获通过，原因见审核表。",
        f"The qualification of {_CUSTOMER} was refused at {{step}}; the reason stands in the review.",
        _TWO_WEEKS,
    ),
    TemplateName.GRADE_ASSIGNED: _to_staff(
        f"客户 {_CUSTOMER} 的正式等级为 {{grade}} 类。",
        f"The official grade of {_CUSTOMER} is {{grade}}.",
    ),
    TemplateName.INDICATIVE_GRADE_CHANGED: _to_staff(
        f"客户 {_CUSTOMER} 的动态等级由 {{previous}} 类变为 {{grade}} 类，正式等级不变。",
        f"The indicative grade of {_CUSTOMER} has gone from {{previous}} to {{grade}}; the official one stays.",
    ),
    TemplateName.GRADE_DRIFT: _to_staff(
        f"客户 {_CUSTOMER} 的动态等级 {{indicative}} 与正式等级 {{official}} 不一致，已列入关注名单。",
        f"{_CUSTOMER} is on the watch list: its indicative grade is {{indicative}}, the official one {{official}}.",
    ),
    TemplateName.GRADE_DRIFT_ENDED: _to_staff(
        f"客户 {_CUSTOMER} 的动态等级与正式等级 {{official}} 恢复一致。",
        f"The indicative grade of {_CUSTOMER} agrees with the official one, {{official}}, again.",
    ),
    TemplateName.VISIT_PLANNED: _to_staff(
        f"您已列入 {{day}} 拜访客户 {_CUSTOMER} 的人员，请查看拜访登记表并做好准备。",
        f"You are to visit {_CUSTOMER} on {{day}}: see the visit register, and prepare.",
    ),
    TemplateName.VISIT_CANCELLED: _to_staff(
        f"原定 {{day}} 对客户 {_CUSTOMER} 的拜访已取消。",
        f"The visit to {_CUSTOMER} on {{day}} has been cancelled.",
    ),
    TemplateName.VISIT_RECORD_OVERDUE: _to_staff(
        f"{{day}} 拜访客户 {_CUSTOMER} 的记录表逾期未交，请尽快补填。",
        f"The record of the visit to {_CUSTOMER} on {{day}} is overdue: fill it in.",
    ),
    TemplateName.CUSTOMER_ACTIVATED: Template(
        channel="sms",
        zh="尊敬的{recipient_name}：{customer_name}的合作手续已办妥，即日起可以下单。如有需要，请联系您的营销员。",
        expires_after_hours=72,
    ),
    TemplateName.CHANGE_TO_REVIEW: _to_staff(
        f"客户 {_CUSTOMER} 有一项重大变更待您审批：通过，或写明意见退回。",
        f"A major change of {_CUSTOMER} waits for you: pass it, or say why not.",
        _TWO_WEEKS,
    ),
    TemplateName.CHANGE_DECLINED: _to_staff(
        f"客户 {_CUSTOMER} 的重大变更未获通过，意见见档案。",
        f"The major change of {_CUSTOMER} was not passed; the remarks stand in the dossier.",
    ),
    TemplateName.VERIFICATION_DUE: _to_staff(
        f"请在 {{day}} 前核实客户 {_CUSTOMER} 的档案（{{quarter}}）：电话、传真、信函或回访。",
        f"Verify the dossier of {_CUSTOMER} for {{quarter}} by {{day}}: by phone, fax, mail or a visit.",
        _QUARTER,
    ),
    TemplateName.VERIFICATION_REMINDER: _to_staff(
        f"客户 {_CUSTOMER} 的档案 {{quarter}} 尚未核实，请尽快办理。",
        f"The dossier of {_CUSTOMER} is still to be verified for {{quarter}}.",
        _TWO_WEEKS,
    ),
    TemplateName.VERIFICATION_OVERDUE: _to_staff(
        f"客户 {_CUSTOMER} 的档案 {{quarter}} 核实已逾期。",
        f"The verification of {_CUSTOMER} for {{quarter}} is overdue.",
        _TWO_WEEKS,
    ),
    TemplateName.REPORT_MISSING: _to_staff(
        "{department} {month} 的月度报告逾期未交，请尽快补报（无内容也须零报告）。",
        "The report of {department} for {month} is missing: submit it, also if it is nil.",
        _TWO_WEEKS,
    ),
    TemplateName.REPORT_NOT_RECEIVED: _to_staff(
        "{department} 未按时提交 {month} 的月度报告。",
        "{department} has not submitted its report for {month}.",
    ),
    TemplateName.DELEGATE_APPOINTED: _to_staff(
        "您受委托代为审批，自 {first_day} 至 {last_day}；具体步骤见委托记录。",
        "You act as a delegate from {first_day} to {last_day}; the delegation names the steps.",
    ),
    TemplateName.STEP_ESCALATED: _to_staff(
        "有一项审批自 {day} 起无人答复，请督促办理；不答复不等于同意。",
        "A step has waited for an answer since {day}: see that somebody gives one. Silence approves nothing.",
    ),
    TemplateName.DEPARTURE_STARTED: _to_staff(
        "一名员工的离职交接已开始，最后工作日 {day}。",
        "A departure has started; the last working day is {day}.",
    ),
    TemplateName.SUCCESSORS_TO_PROPOSE: _to_staff(
        "请为离职员工的客户指定接手人，最后工作日 {day}。",
        "Propose successors for the customers of whoever is leaving; the last working day is {day}.",
        _TWO_WEEKS,
    ),
    TemplateName.SUCCESSION_TO_ACCEPT: _to_staff(
        f"请在 {{day}} 前确认接手客户 {_CUSTOMER}；逾期由部门经理确认。",
        f"You are to take over {_CUSTOMER}: accept by {{day}}, or the manager confirms it.",
    ),
    TemplateName.DOCUMENT_EXPIRING: _to_staff(
        f"客户 {_CUSTOMER} 的证件“{{document}}”将于 {{day}} 到期，请及时换新。",
        f"A paper of {_CUSTOMER} ({{document}}) is valid until {{day}}: have it renewed.",
        _TWO_WEEKS,
    ),
    TemplateName.DOCUMENT_LAST_DAY: _to_staff(
        f"客户 {_CUSTOMER} 的证件“{{document}}”今天（{{day}}）为最后有效日。",
        f"A paper of {_CUSTOMER} ({{document}}) is valid until today, {{day}}.",
        24,
    ),
    TemplateName.CUSTOMER_SUSPENDED: _to_staff(
        f"客户 {_CUSTOMER} 已暂停接受新订单，原因见资质档案。",
        f"{_CUSTOMER} may place no new orders for now; the reason stands with its qualification.",
    ),
    TemplateName.SUSPENSION_LIFTED: _to_staff(
        f"客户 {_CUSTOMER} 已恢复接受订单。",
        f"{_CUSTOMER} may place orders again.",
    ),
    TemplateName.BATCH_TO_SHIP: _to_staff(
        f"客户 {_CUSTOMER} 的订单 {{order}} 第 {{batch}} 批货款已到，请安排发货。",
        f"Batch {{batch}} of order {{order}} of {_CUSTOMER} is paid: ship it.",
        _TWO_WEEKS,
    ),
    TemplateName.RELEASE_BLOCKED: _to_staff(
        f"客户 {_CUSTOMER} 的订单 {{order}} 第 {{batch}} 批已停止放行，请勿发货。",
        f"Batch {{batch}} of order {{order}} of {_CUSTOMER} is no longer released: do not ship it.",
    ),
    TemplateName.SHIPMENT_LEFT: _to_staff(
        f"客户 {_CUSTOMER} 的订单 {{order}} 第 {{batch}} 批已于 {{day}} 发货。",
        f"Goods of batch {{batch}} of order {{order}} of {_CUSTOMER} were shipped on {{day}}.",
    ),
    TemplateName.SHIPPING_STOPPED: _to_staff(
        f"客户 {_CUSTOMER} 的订单 {{order}} 已停止发货。",
        f"Shipping is stopped for order {{order}} of {_CUSTOMER}.",
    ),
    TemplateName.RECEIPT_TO_ALLOCATE: _to_staff(
        "收款 {receipt} 已到账，请分配到订单。",
        "Receipt {receipt} has come in: allocate it to orders.",
        _TWO_WEEKS,
    ),
    TemplateName.RECEIPT_UNIDENTIFIED: _to_staff(
        "收款 {receipt} 的付款单位无法识别，请核对。",
        "The payer of receipt {receipt} is not known: find out who it is.",
        _TWO_WEEKS,
    ),
    TemplateName.CREDIT_INCIDENT: _to_staff(
        f"客户 {_CUSTOMER} 有一条不良信用记录。",
        f"Bad credit has been recorded for {_CUSTOMER}.",
    ),
    TemplateName.INVOICE_TO_REVIEW: _to_staff(
        f"客户 {_CUSTOMER} 的开票申请 {{request}} 待您审核。",
        f"The invoice request {{request}} of {_CUSTOMER} waits for your review.",
        _TWO_WEEKS,
    ),
    TemplateName.INVOICE_TO_ISSUE: _to_staff(
        f"客户 {_CUSTOMER} 的开票申请已通过审核，请在 {{day}} 前开具。",
        f"An invoice request of {_CUSTOMER} has been passed: issue it by {{day}}.",
        _TWO_WEEKS,
    ),
    TemplateName.INVOICE_REQUEST_CLOSED: _to_staff(
        f"客户 {_CUSTOMER} 的开票申请已终止：{{outcome}}。",
        f"The invoice request of {_CUSTOMER} is closed: {{outcome}}.",
    ),
    TemplateName.INVOICE_TO_COLLECT: _to_staff(
        f"客户 {_CUSTOMER} 的发票 {{invoice}} 已开具，请签领（或确认送达）。",
        f"Invoice {{invoice}} of {_CUSTOMER} has been issued: sign for it, or acknowledge its delivery.",
        _TWO_WEEKS,
    ),
    TemplateName.RED_LETTER_ISSUED: _to_staff(
        f"客户 {_CUSTOMER} 已开具红字发票 {{invoice}}。",
        f"A red letter, {{invoice}}, was issued for {_CUSTOMER}.",
    ),
    TemplateName.RED_LETTER_DUE: _to_staff(
        f"客户 {_CUSTOMER} 的订单 {{order}} 已开票金额超出可开票金额，须开具红字发票。",
        f"More is invoiced for order {{order}} of {_CUSTOMER} than may be: a red letter is due.",
        _TWO_WEEKS,
    ),
    TemplateName.CUSTOMER_HANDOVER: Template(
        channel="sms",
        zh="尊敬的{recipient_name}：{customer_name}的业务已由我公司新的营销员负责，将与您联系，感谢支持。",
        expires_after_hours=_WEEK,
    ),
    TemplateName.PAYMENT_RECEIVED: Template(
        channel="sms",
        zh="尊敬的{recipient_name}：订单{order}的货款已收到，第{batch}批将安排发货。",
        expires_after_hours=72,
    ),
    TemplateName.GOODS_SHIPPED: Template(
        channel="sms",
        zh="尊敬的{recipient_name}：订单{order}的货物（第{batch}批）已于{day}发出，请注意查收。",
        expires_after_hours=72,
    ),
    TemplateName.INVOICE_ISSUED: Template(
        channel="sms",
        zh="尊敬的{recipient_name}：{customer_name}的发票{invoice}已开具，请联系您的营销员领取或查收。",
        expires_after_hours=72,
    ),
}
