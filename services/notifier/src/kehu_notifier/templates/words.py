"""How values that reasons tell are said in messages, in both languages."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Literal

from kehu.contracts.staff import DelegableStep
from kehu.contracts.vetting import Step

Language = Literal["zh", "en"]
#: Between the values of a list, as reasons tell it.
BETWEEN = ","
#: A last day that the reason does not know (facts older than that rule).
SOON = "soon"

#: The chain's steps (R3.1.3), and the salesperson whom something is given back to.
STEPS: Mapping[str, tuple[str, str]] = {
    Step.VETTING: ("营销部审核", "vetting by the department"),
    Step.FINANCE: ("财务部复核", "finance's re-check"),
    Step.MANAGER: ("部门经理同意", "the department manager's consent"),
    Step.REGISTRATION: ("总经理办公室登记", "registration by the general manager's office"),
    Step.GENERAL_MANAGER: ("总经理批准", "the general manager's approval"),
    Step.AGREEMENT: ("签订协议", "the agreement"),
    "salesperson": ("营销员", "the salesperson"),
    DelegableStep.DOSSIER_REVIEW: ("客户档案审核", "reviews of dossiers"),
    DelegableStep.DOSSIER_CHANGE: ("重大变更审批", "major changes of dossiers"),
    DelegableStep.QUALIFICATION_VETTING: ("资质审核（营销部审核）", "vetting of qualifications"),
    DelegableStep.QUALIFICATION_FINANCE: ("资质审核（财务部复核）", "finance's re-check of qualifications"),
    DelegableStep.QUALIFICATION_MANAGER: ("资质审核（部门经理同意）", "the manager's consent to qualifications"),
    DelegableStep.QUALIFICATION_REGISTRATION: ("资质审核（办公室登记）", "registration of qualifications"),
    DelegableStep.QUALIFICATION_GENERAL_MANAGER: ("资质审核（总经理批准）", "approval of qualifications"),
    DelegableStep.STOP_SHIPPING: ("停止发货", "stops of shipping"),
    DelegableStep.INVOICE_MARKETING: ("开票申请审核（营销）", "reviews of invoice requests (marketing)"),
    DelegableStep.INVOICE_FINANCE: ("开票申请审核（财务）", "reviews of invoice requests (finance)"),
    DelegableStep.DEPARTURE_ASSIGN: ("离职交接指派", "assigning customers of a leaver"),
    DelegableStep.MONTHLY_REPORT: ("月度报告提交", "monthly reports"),
    # No delegation names these, but superiors are told of them.
    "renewal:vetting": ("换新资料审核（营销部审核）", "vetting of renewed papers"),
    "renewal:finance": ("换新资料审核（财务部复核）", "finance's re-check of renewed papers"),
}
#: How an invoice request or a red letter ended without an invoice (R3.2.3).
OUTCOMES: Mapping[str, tuple[str, str]] = {
    "refused": ("未获通过", "refused"),
    "withdrawn": ("已撤回", "withdrawn"),
    "lapsed": ("已过期失效", "lapsed"),
}
#: The papers that the software comes with (R3.1.2); one that 市场部 adds is said by its code.
DOCUMENTS: Mapping[str, tuple[str, str]] = {
    "business_licence": ("营业执照", "business licence"),
    "tax_registration": ("税务登记证", "tax registration certificate"),
    "organisation_code": ("组织机构代码证", "organisation code certificate"),
    "public_body_certificate": ("事业单位法人证书", "public body certificate"),
    "foreign_registration": ("境外注册证明", "foreign registration certificate"),
    "account_opening_permit": ("开户许可证", "account-opening permit"),
    "basic_account": ("基本存款账户信息", "basic-account information"),
    "taxpayer_registration": ("一般纳税人登记表", "general taxpayer registration form"),
    "taxpayer_query": ("一般纳税人查询结果", "general taxpayer query"),
    "invoicing_information": ("开票信息", "invoicing information"),
    "legal_representative_id": ("法定代表人身份证复印件", "copy of the legal representative's ID"),
    "power_of_attorney": ("授权委托书", "power of attorney"),
    "three_party_agreement": ("三方协议", "three-party agreement"),
    "agreement": ("合作协议", "agreement"),
}
#: What the end of a paper does (R3.1.2).
EFFECTS: Mapping[str, tuple[str, str]] = {
    "suspends": ("到期未换新的，次日起暂停接受新订单", "without a new one no orders are taken from the next day on"),
    "warns": ("到期未换新的，下单时将予以提示", "without a new one orders carry a warning"),
}
#: Fields of a dossier whose changes are major ones (R4.4).
FIELDS: Mapping[str, tuple[str, str]] = {
    "name": ("名称", "name"),
    "kind": ("类别", "kind"),
    "owner": ("负责人", "owner"),
    "collaborators": ("协作人", "collaborators"),
    "relations": ("区域与类别关系", "relations"),
    "identity": ("证件号码", "identity"),
    "identity_kind": ("证件种类", "kind of identity"),
    "legal_representative": ("法定代表人", "legal representative"),
    "bank_tax": ("银行与税务信息", "bank and tax"),
}
#: Messages to customers, as somebody is told that one was not delivered.
TO_CUSTOMERS: Mapping[str, tuple[str, str]] = {
    "customer-handover": ("更换营销员通知", "the notice of its new salesperson"),
    "customer-activated": ("可以下单的通知", "the notice that it may order"),
    "payment-received": ("收款通知", "the notice of payment"),
    "goods-shipped": ("发货通知", "the notice of shipping"),
    "invoice-issued": ("开票通知", "the notice of an invoice"),
    "red-letter-to-confirm": ("红字发票确认提醒", "the request to confirm a red letter"),
}
_WORDED: Mapping[str, Mapping[str, tuple[str, str]]] = {
    "step": STEPS,
    "steps": STEPS,
    "back_to": STEPS,
    "outcome": OUTCOMES,
    "document": DOCUMENTS,
    "documents": DOCUMENTS,
    "effect": EFFECTS,
    "fields": FIELDS,
    "notice": TO_CUSTOMERS,
    "due": {SOON: ("尽快", "soon")},
}
#: These hold several values.
_LISTS = frozenset({"steps", "documents", "fields"})
_QUARTER = re.compile(r"(\d{4})Q(\d)")
_MONTH = re.compile(r"(\d{4})-(\d{2})")
_DAY = re.compile(r"(\d{4})-(\d{2})-(\d{2})")


def _quarter(value: str, language: Language) -> str:
    found = _QUARTER.fullmatch(value)
    return f"{found[1]}年第{found[2]}季度" if found and language == "zh" else value


def _month(value: str, language: Language) -> str:
    found = _MONTH.fullmatch(value)
    return f"{found[1]}年{int(found[2])}月" if found and language == "zh" else value


def _day(value: str, language: Language) -> str:
    found = _DAY.fullmatch(value)
    return f"{found[1]}年{int(found[2])}月{int(found[3])}日" if found and language == "zh" else value


_SAID: Mapping[str, Callable[[str, Language], str]] = {
    "quarter": _quarter,
    "month": _month,
    "day": _day,
    "first_day": _day,
    "last_day": _day,
    "due": _day,
}


def worded(variable: str, value: str, language: Language) -> str:
    """A variable's value as a reader of that language is told it."""
    if variable in _LISTS:
        one_by_one = [_one(variable, one, language) for one in value.split(BETWEEN)]
        return ("、" if language == "zh" else ", ").join(one_by_one)
    return _one(variable, value, language)


def _one(variable: str, value: str, language: Language) -> str:
    words = _WORDED.get(variable, {}).get(value)
    if words is not None:
        return words[0 if language == "zh" else 1]
    said = _SAID.get(variable)
    return said(value, language) if said else value
