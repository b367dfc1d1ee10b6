"""Words about qualifications, papers, agreements and settlement units (R3.1)."""

from __future__ import annotations

from collections.abc import Mapping

from kehu_notifier.templates.initial.wording import CUSTOMER, TWO_WEEKS, to_customer, to_staff
from kehu_notifier.templates.template import Template, TemplateName

WORDS: Mapping[TemplateName, Template] = {
    TemplateName.TURN_TO_SIGN: to_staff(
        f"客户 {CUSTOMER} 的资质审核轮到您办理：{{step}}。办理期限：{{due}}，逾期将提醒上级。",
        f"The qualification of {CUSTOMER} waits for you: {{step}}. Until: {{due}}; after that your superior is told.",
        TWO_WEEKS,
    ),
    TemplateName.QUALIFICATION_APPROVED: to_staff(
        f"客户 {CUSTOMER} 的资质审核已获总经理批准，请办理协议签订；协议签订后客户方可下单。",
        f"The general manager has approved the qualification of {CUSTOMER}: have the agreement signed now, before "
        "which it cannot order.",
        TWO_WEEKS,
    ),
    TemplateName.QUALIFICATION_RETURNED: to_staff(
        f"客户 {CUSTOMER} 的资质审核在“{{step}}”被退回至“{{back_to}}”，请查看意见并按意见补正。",
        f"The qualification of {CUSTOMER} was given back at {{step}} to {{back_to}}: see the remarks, and mend it.",
        TWO_WEEKS,
    ),
    TemplateName.QUALIFICATION_REJECTED: to_staff(
        f"客户 {CUSTOMER} 的资质审核在“{{step}}”未获通过，原因见审核表。",
        f"The qualification of {CUSTOMER} was refused at {{step}}; the reason stands in the review.",
        TWO_WEEKS,
    ),
    TemplateName.CUSTOMER_ACTIVATED: to_customer(
        "尊敬的{recipient_name}：{customer_name}的合作手续已办妥，即日起可以下单。如有需要，请联系您的营销员。"
    ),
    TemplateName.CUSTOMER_MAY_ORDER: to_staff(
        f"客户 {CUSTOMER} 的协议已签订，即日起可以下单（先款后货）。",
        f"The agreement with {CUSTOMER} is signed: it may order from now on, payment first.",
    ),
    TemplateName.QUALIFICATION_RENEWED: to_staff(
        f"客户 {CUSTOMER} 已重新通过资质审核，新的审核表即时生效。",
        f"{CUSTOMER} was qualified anew; the new review is in force.",
    ),
    TemplateName.AGREEMENT_RENEWED: to_staff(
        f"客户 {CUSTOMER} 的协议已续签。",
        f"The agreement with {CUSTOMER} was renewed.",
    ),
    TemplateName.DOCUMENT_EXPIRING: to_staff(
        f"客户 {CUSTOMER} 的“{{document}}”将于{{day}}到期，请提前换新并提交审核；{{effect}}。",
        f"The {{document}} of {CUSTOMER} is valid until {{day}}: have it renewed and handed in; {{effect}}.",
        TWO_WEEKS,
    ),
    TemplateName.DOCUMENT_LAST_DAY: to_staff(
        f"客户 {CUSTOMER} 的“{{document}}”今天（{{day}}）为最后有效日，请立即提交新件；{{effect}}。",
        f"The {{document}} of {CUSTOMER} is valid until today, {{day}}: hand a new one in; {{effect}}.",
        24,
    ),
    TemplateName.DOCUMENT_RENEWAL_DUE: to_staff(
        f"客户 {CUSTOMER} 的名称或法定代表人已变更，请重新提交：{{documents}}。",
        f"The name or representative of {CUSTOMER} has changed: hand in anew its {{documents}}.",
        TWO_WEEKS,
    ),
    TemplateName.RENEWAL_TO_REVIEW: to_staff(
        f"客户 {CUSTOMER} 的换新资料待您审核：{{step}}。通过，或写明意见退回。办理期限：{{due}}。",
        f"Renewed papers of {CUSTOMER} wait for you: {{step}}. Pass them, or give them back with remarks. Until: "
        f"{{due}}.",
        TWO_WEEKS,
    ),
    TemplateName.RENEWAL_RETURNED: to_staff(
        f"客户 {CUSTOMER} 的换新资料被退回，请按意见补正后重新提交。",
        f"Renewed papers of {CUSTOMER} were given back: mend what the remarks say, and hand them in again.",
        TWO_WEEKS,
    ),
    TemplateName.RENEWAL_PASSED: to_staff(
        f"客户 {CUSTOMER} 的换新资料已通过审核，即时生效。",
        f"Renewed papers of {CUSTOMER} were passed and are in force.",
    ),
    TemplateName.CUSTOMER_SUSPENDED: to_staff(
        f"客户 {CUSTOMER} 已暂停接受新订单（已付款的批次照常发货），原因见客户资质；请尽快办理恢复。",
        f"{CUSTOMER} may place no new orders for now (paid batches still ship); the reason stands with its "
        "qualification. See that it is lifted.",
    ),
    TemplateName.SUSPENSION_LIFTED: to_staff(
        f"客户 {CUSTOMER} 已恢复接受订单。",
        f"{CUSTOMER} may place orders again.",
    ),
    TemplateName.PAYER_SUSPENDED: to_staff(
        "结算单位 {payer_number} {payer_name} 已暂停，由其付款的客户暂不能以该单位下单；"
        "请提供其他结算单位或尽快办理恢复。",
        "Settlement unit {payer_number} {payer_name} is suspended: no new orders name it for now. Find another "
        "payer, or see that it is lifted.",
    ),
    TemplateName.PAYER_RESTORED: to_staff(
        "结算单位 {payer_number} {payer_name} 已恢复，可以继续以该单位下单。",
        "Settlement unit {payer_number} {payer_name} may pay for orders again.",
    ),
}
