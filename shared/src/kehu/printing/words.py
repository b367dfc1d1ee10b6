"""What codes of the published language are called on a form."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import TypeVar

from kehu.contracts.customers import Affiliation, CustomerKind, IdentityKind
from kehu.contracts.trade import InvoiceKind
from kehu.contracts.vetting import Step
from kehu.printing.forms import Label

S = TypeVar("S", bound=StrEnum)

KINDS: Mapping[CustomerKind, Label] = {
    CustomerKind.PROVINCIAL_AGENT: Label("省外省级代理", "provincial agent"),
    CustomerKind.PREFECTURE_AGENT: Label("省内地级代理", "prefecture agent"),
    CustomerKind.DEALER: Label("经销商", "dealer"),
    CustomerKind.KEY_END_USER: Label("重点终端用户", "key end user"),
    CustomerKind.OTHER_PROSPECT: Label("其他潜在客户", "other prospect"),
}
IDENTITIES: Mapping[IdentityKind, Label] = {
    IdentityKind.USCC: Label("统一社会信用代码", "USCC"),
    IdentityKind.INDIVIDUAL_BUSINESS: Label("个体工商户注册号", "individual-business number"),
    IdentityKind.FOREIGN_REGISTRATION: Label("境外注册号", "foreign registration"),
    IdentityKind.PUBLIC_BODY: Label("机关、事业单位代码", "public-body code"),
}
AFFILIATIONS: Mapping[Affiliation, Label] = {
    Affiliation.JOINT_VENTURE: Label("本公司合资公司", "our joint venture"),
    Affiliation.WHOLLY_OWNED: Label("本公司全资子公司", "our wholly-owned subsidiary"),
}
STEPS: Mapping[Step, Label] = {
    Step.VETTING: Label("营销部审核", "vetting by the department"),
    Step.FINANCE: Label("财务部复核", "finance re-checks"),
    Step.MANAGER: Label("部门经理同意", "department's manager agrees"),
    Step.REGISTRATION: Label("总经理办公室登记", "GM office registers receipt"),
    Step.GENERAL_MANAGER: Label("总经理批准", "general manager approves"),
    Step.AGREEMENT: Label("签订协议", "agreement signed"),
}
INVOICE_KINDS: Mapping[InvoiceKind, Label] = {
    InvoiceKind.PAPER: Label("纸质专用发票", "paper"),
    InvoiceKind.DIGITAL: Label("数电专用发票", "fully digital"),
    InvoiceKind.DIGITAL_ON_PAPER: Label("数电纸质专用发票", "digital on paper"),
}


def word(words: Mapping[S, Label], code: S | None) -> str:
    """What a code is called, in both languages; nothing where there is none, and itself where it has no name yet."""
    if code is None:
        return ""
    found = words.get(code)
    return f"{found.zh} {found.en}" if found else str(code)
