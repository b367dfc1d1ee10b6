"""Words about orders, receipts, shipments, invoices and credit (R3.2)."""

from __future__ import annotations

from collections.abc import Mapping

from kehu_notifier.templates.initial.wording import CUSTOMER, TWO_WEEKS, to_customer, to_staff
from kehu_notifier.templates.template import Template, TemplateName

WORDS: Mapping[TemplateName, Template] = {
    TemplateName.ORDER_ENTERED: to_staff(
        f"客户 {CUSTOMER} 的订单 {{order}} 已登记，款到后方可发货，请提醒客户付款。",
        f"Order {{order}} of {CUSTOMER} is entered. Payment comes first: remind the customer.",
    ),
    TemplateName.ORDER_AMENDED: to_staff(
        f"客户 {CUSTOMER} 的订单 {{order}} 已变更，请核对批次、金额和结算单位。",
        f"Order {{order}} of {CUSTOMER} was amended: see its batches, amounts and payer.",
    ),
    TemplateName.ORDER_CANCELLED: to_staff(
        f"客户 {CUSTOMER} 的订单 {{order}} 未发货部分已取消，请勿再发货。",
        f"What had not been shipped of order {{order}} of {CUSTOMER} is cancelled: ship no more of it.",
    ),
    TemplateName.BATCH_TO_SHIP: to_staff(
        f"客户 {CUSTOMER} 的订单 {{order}} 第 {{batch}} 批货款已到，请安排发货并登记发货单。",
        f"Batch {{batch}} of order {{order}} of {CUSTOMER} is paid: ship it, and record the shipment.",
        TWO_WEEKS,
    ),
    TemplateName.RELEASE_BLOCKED: to_staff(
        f"客户 {CUSTOMER} 的订单 {{order}} 第 {{batch}} 批已停止放行，请勿发货；货款补足后另行通知。",
        f"Batch {{batch}} of order {{order}} of {CUSTOMER} is no longer released: do not ship it until it is paid "
        "again.",
    ),
    TemplateName.SHIPMENT_LEFT: to_staff(
        f"客户 {CUSTOMER} 的订单 {{order}} 第 {{batch}} 批已于{{day}}发货。",
        f"Goods of batch {{batch}} of order {{order}} of {CUSTOMER} were shipped on {{day}}.",
    ),
    TemplateName.DELIVERY_OVERDUE: to_staff(
        f"客户 {CUSTOMER} 的订单 {{order}} 第 {{batch}} 批应于{{day}}交货，货款已到而尚未全部发出，"
        "请立即安排发货并告知客户。",
        f"Batch {{batch}} of order {{order}} of {CUSTOMER} was due on {{day}} and is paid: ship it now, and tell "
        "the customer.",
        TWO_WEEKS,
    ),
    TemplateName.PAYMENT_OVERDUE: to_staff(
        f"客户 {CUSTOMER} 的订单 {{order}} 第 {{batch}} 批应于{{day}}交货，但货款未到，请催款或与客户另议交货日期。",
        f"Batch {{batch}} of order {{order}} of {CUSTOMER} was due on {{day}} and is not paid: ask for the money, "
        "or agree on another day.",
        TWO_WEEKS,
    ),
    TemplateName.STOP_TO_AGREE: to_staff(
        f"有人提出停止客户 {CUSTOMER} 订单 {{order}} 的发货，须财务与部门经理共同决定，请答复：同意或不同意。",
        f"Somebody wants shipping stopped for order {{order}} of {CUSTOMER}; finance and the manager decide "
        "together. Agree, or decline.",
        TWO_WEEKS,
    ),
    TemplateName.RESUMPTION_TO_AGREE: to_staff(
        f"有人提出恢复客户 {CUSTOMER} 订单 {{order}} 的发货，须财务与部门经理共同决定，请答复：同意或不同意。",
        f"Somebody wants shipping resumed for order {{order}} of {CUSTOMER}; finance and the manager decide "
        "together. Agree, or decline.",
        TWO_WEEKS,
    ),
    TemplateName.STOP_DECLINED: to_staff(
        f"关于客户 {CUSTOMER} 订单 {{order}} 停止或恢复发货的提议未获同意，现状不变。",
        f"The proposal to stop or resume shipping for order {{order}} of {CUSTOMER} was declined: nothing changes.",
    ),
    TemplateName.SHIPPING_STOPPED: to_staff(
        f"客户 {CUSTOMER} 的订单 {{order}} 已停止发货，已付款的批次也请勿发出。",
        f"Shipping is stopped for order {{order}} of {CUSTOMER}, paid batches included.",
    ),
    TemplateName.SHIPPING_RESUMED: to_staff(
        f"客户 {CUSTOMER} 的订单 {{order}} 已恢复发货，请安排已付款的批次。",
        f"Shipping goes on for order {{order}} of {CUSTOMER}: ship the batches that are paid.",
    ),
    TemplateName.GOODS_RETURNED: to_staff(
        f"客户 {CUSTOMER} 的订单 {{order}} 于{{day}}有退货，请核对货款和发票。",
        f"Goods of order {{order}} of {CUSTOMER} came back on {{day}}: see to money and invoices.",
    ),
    TemplateName.RECEIPT_TO_ALLOCATE: to_staff(
        "收款 {receipt}（{amount} 元）已到账，请分配到订单。",
        "Receipt {receipt} ({amount} yuan) has come in: allocate it to orders.",
        TWO_WEEKS,
    ),
    TemplateName.RECEIPT_UNIDENTIFIED: to_staff(
        "收款 {receipt}（{amount} 元）的付款单位无法识别，请查明后认领。",
        "The payer of receipt {receipt} ({amount} yuan) is not known: find out who it is.",
        TWO_WEEKS,
    ),
    TemplateName.RECEIPT_REVERSED: to_staff(
        "收款 {receipt} 被银行退回 {amount} 元，请核对已分配的订单和已开的发票。",
        "The bank has taken {amount} yuan of receipt {receipt} back: see to the orders and invoices that it paid for.",
    ),
    TemplateName.CREDIT_INCIDENT: to_staff(
        f"客户 {CUSTOMER} 有一条不良信用记录，会影响其定级，请督促客户尽快结清。",
        f"Bad credit has been recorded for {CUSTOMER}, and counts in its grade: see that it is settled.",
    ),
    TemplateName.CREDIT_RESOLVED: to_staff(
        f"客户 {CUSTOMER} 的一条不良信用记录已结清。",
        f"Bad credit of {CUSTOMER} has been settled.",
    ),
    TemplateName.CREDIT_WITHDRAWN: to_staff(
        f"客户 {CUSTOMER} 的一条不良信用记录系误记，已撤销，自始不计。",
        f"Bad credit was recorded for {CUSTOMER} by mistake: it never counted.",
    ),
    TemplateName.INVOICE_TO_REVIEW: to_staff(
        f"客户 {CUSTOMER} 的开票申请 {{request}} 待您审核：通过，或写明意见退回。",
        f"The invoice request {{request}} of {CUSTOMER} waits for your review: pass it, or give it back with remarks.",
        TWO_WEEKS,
    ),
    TemplateName.INVOICE_RETURNED: to_staff(
        f"客户 {CUSTOMER} 的开票申请 {{request}} 被退回，请按意见修改后重新提交。",
        f"The invoice request {{request}} of {CUSTOMER} was given back: mend what the remarks say, and hand it in "
        "again.",
        TWO_WEEKS,
    ),
    TemplateName.INVOICE_TO_ISSUE: to_staff(
        f"客户 {CUSTOMER} 的开票申请 {{request}} 已通过审核，请在{{day}}前开具，逾期须重新审核。",
        f"The invoice request {{request}} of {CUSTOMER} has been passed: issue it by {{day}}, or it lapses.",
        TWO_WEEKS,
    ),
    TemplateName.INVOICE_REQUEST_CLOSED: to_staff(
        f"客户 {CUSTOMER} 的开票申请 {{request}} 已终止：{{outcome}}。如仍需开票，请重新申请。",
        f"The invoice request {{request}} of {CUSTOMER} is closed: {{outcome}}. Ask anew if the invoice is still "
        "wanted.",
    ),
    TemplateName.INVOICE_TO_COLLECT: to_staff(
        f"客户 {CUSTOMER} 的发票 {{invoice}} 已开具，请签领（数电发票请确认送达）。",
        f"Invoice {{invoice}} of {CUSTOMER} has been issued: sign for it, or acknowledge its delivery.",
        TWO_WEEKS,
    ),
    TemplateName.INVOICE_VOIDED: to_staff(
        f"客户 {CUSTOMER} 的一张发票已作废，请告知客户并收回原件。",
        f"An invoice of {CUSTOMER} is void: tell the customer, and get the original back.",
    ),
    TemplateName.RED_LETTER_ISSUED: to_staff(
        f"客户 {CUSTOMER} 已开具红字发票 {{invoice}}。",
        f"A red letter, {{invoice}}, was issued for {CUSTOMER}.",
    ),
    TemplateName.RED_LETTER_DUE: to_staff(
        f"客户 {CUSTOMER} 的订单 {{order}} 已开票金额超出 {{amount}} 元，须开具红字发票。",
        f"For order {{order}} of {CUSTOMER} {{amount}} yuan more are invoiced than may be: a red letter is due.",
        TWO_WEEKS,
    ),
    TemplateName.RED_LETTER_ASKED: to_staff(
        f"客户 {CUSTOMER} 的一张发票拟开红字，请提醒客户在{{day}}前于税务平台确认，逾期须重新申请。",
        f"An invoice of {CUSTOMER} is to be taken back by a red letter: have the customer confirm it on the tax "
        f"platform by {{day}}, or it lapses.",
        72,
    ),
    TemplateName.RED_LETTER_TO_ISSUE: to_staff(
        f"客户 {CUSTOMER} 的红字发票可以开具，请办理。",
        f"A red letter for {CUSTOMER} can be issued now: issue it.",
        TWO_WEEKS,
    ),
    TemplateName.RED_LETTER_DROPPED: to_staff(
        f"客户 {CUSTOMER} 的红字申请已终止：{{outcome}}。如仍需冲红，请重新申请。",
        f"A red letter for {CUSTOMER} will not be issued: {{outcome}}. Ask anew if it is still wanted.",
    ),
    TemplateName.RED_LETTER_TO_CONFIRM: to_customer(
        "尊敬的{recipient_name}：我公司已就{customer_name}的一张发票发起红字确认，请于{day}前在税务平台确认，谢谢。"
    ),
    TemplateName.PAYMENT_RECEIVED: to_customer(
        "尊敬的{recipient_name}：订单{order}的货款已收到，第{batch}批将安排发货。"
    ),
    TemplateName.GOODS_SHIPPED: to_customer(
        "尊敬的{recipient_name}：订单{order}的货物（第{batch}批）已于{day}发出，请注意查收。"
    ),
    TemplateName.INVOICE_ISSUED: to_customer(
        "尊敬的{recipient_name}：{customer_name}的发票{invoice}已开具，请联系您的营销员领取或查收。"
    ),
}
