"""Words about delegations, escalations and departures (People, R4.6)."""

from __future__ import annotations

from collections.abc import Mapping

from kehu_notifier.templates.initial.wording import CUSTOMER, TWO_WEEKS, WEEK, to_customer, to_staff
from kehu_notifier.templates.template import Template, TemplateName

#: The same words with three lists to go to.
_ESCALATED = to_staff(
    f"客户 {CUSTOMER} 的“{{step}}”自{{day}}起无人答复，请督促办理；不答复不等于同意。",
    f"A step of {CUSTOMER} ({{step}}) has waited for an answer since {{day}}: see that somebody gives one. Silence "
    "approves nothing.",
    TWO_WEEKS,
)

WORDS: Mapping[TemplateName, Template] = {
    TemplateName.ROLE_TO_CONFIRM: to_staff(
        "有人提议授予关键角色 {role}，请另一位管理员确认或拒绝。提议人不能自行确认。",
        "The key role {role} was proposed for somebody: a second admin confirms or declines it, never the proposer.",
        TWO_WEEKS,
    ),
    TemplateName.DELEGATE_APPOINTED: to_staff(
        "{first_day}至{last_day}由受托人代为办理：{steps}。代办以“B代A”列示，双方均不得审批本人提交的事项。",
        "From {first_day} to {last_day} the delegate acts in: {steps}. It is shown as “B代A”; neither passes what "
        "either of them submitted.",
    ),
    TemplateName.DELEGATION_ENDED: to_staff(
        "一项委托已提前终止，此后由委托人本人办理。",
        "A delegation has ended before its last day: the principal acts in person from now on.",
    ),
    TemplateName.STEP_ESCALATED: to_staff(
        "“{step}”一项自{day}起无人答复，请督促办理；不答复不等于同意。",
        "A step ({step}) has waited for an answer since {day}: see that somebody gives one. Silence approves nothing.",
    ),
    TemplateName.CUSTOMER_STEP_ESCALATED: _ESCALATED,
    TemplateName.QUALIFICATION_ESCALATED: _ESCALATED,
    TemplateName.RENEWAL_ESCALATED: _ESCALATED,
    TemplateName.DEPARTURE_STARTED: to_staff(
        "离职交接 {departure} 已开始，最后工作日{day}；客户全部交接并留有告知凭据后，方可办结。",
        "Departure {departure} has started; the last working day is {day}. It is cleared once every customer has a "
        "successor and proof of notice.",
    ),
    TemplateName.DEPARTURE_OF_YOURS: to_staff(
        "您的离职交接已开始，最后工作日{day}。请在此之前补齐拜访记录和反馈表，并填写交接说明；其他事项由部门经理安排。",
        "Your departure has started; your last working day is {day}. Until then finish your visit records and "
        "feedback, and write handover notes; the manager sees to the rest.",
        TWO_WEEKS,
    ),
    TemplateName.DEPARTURE_CANCELLED: to_staff(
        "离职交接 {departure} 已撤销，当事人权限恢复；已交接的客户仍由接手人负责。",
        "Departure {departure} was cancelled: the person stays, with all rights. What was handed over stays with "
        "its successors.",
    ),
    TemplateName.DEPARTURE_CLEARED: to_staff(
        "离职交接 {departure} 已办结，可出具交接证明。",
        "Departure {departure} is cleared: its certificate can be printed.",
    ),
    TemplateName.ACCESS_ENDED: to_staff(
        "离职交接 {departure} 未办结，当事人权限已于最后工作日 24:00 终止；未交接的客户和事项转由部门经理处理。",
        "Access has ended while departure {departure} is open: what was not handed over passes to the manager.",
        TWO_WEEKS,
    ),
    TemplateName.SUCCESSORS_TO_PROPOSE: to_staff(
        "请为离职交接 {departure} 所涉客户逐一指定接手人，最后工作日{day}。",
        "Propose a successor for every customer of departure {departure}; the last working day is {day}.",
        TWO_WEEKS,
    ),
    TemplateName.SUCCESSION_TO_ACCEPT: to_staff(
        f"请在{{day}}前答复是否接手客户 {CUSTOMER}；逾期未答复的，由部门经理确认。",
        f"You are to take over {CUSTOMER}: answer by {{day}}, or the manager confirms it.",
        TWO_WEEKS,
    ),
    TemplateName.SUCCESSION_DECLINED: to_staff(
        f"接手人未同意接手客户 {CUSTOMER}，请另行指定。",
        f"The successor does not take {CUSTOMER} over: propose somebody else.",
        TWO_WEEKS,
    ),
    TemplateName.SUCCESSION_SETTLED: to_staff(
        f"客户 {CUSTOMER} 的接手人已确认，请告知客户并留存凭据。",
        f"The successor for {CUSTOMER} is settled: see that the customer is told, and keep the proof.",
    ),
    TemplateName.OPEN_WORK_MOVED: to_staff(
        "离职交接 {departure} 中有一项未办事项移交给您，请办理。",
        "Open work of departure {departure} is yours now: see to it.",
        TWO_WEEKS,
    ),
    TemplateName.CUSTOMER_HANDOVER: to_customer(
        "尊敬的{recipient_name}：{customer_name}的业务已由我公司新的营销员负责，将与您联系，感谢支持。", WEEK
    ),
    TemplateName.NOTICE_UNDELIVERED: to_staff(
        f"发给客户 {CUSTOMER} 联系人的“{{notice}}”未能送达，请用电话、信函或当面告知，并留存凭据；同时核对联系方式。",
        f"A message to the contact of {CUSTOMER} ({{notice}}) could not be delivered: tell them by phone, letter or "
        "in person, keep the proof, and check the dossier's phone.",
        TWO_WEEKS,
    ),
}
