"""The list of papers that holds until 市场部 adopts another one (R3.1.2)."""

from __future__ import annotations

from kehu.contracts.customers import CustomerKind, IdentityKind
from kehu.policies import PolicyKind
from kehu_vetting.qualifications.requirements import DocumentType, RequiredDocuments, Requirement, Way, When

POLICY_NAME = "required-documents"
#: The paper that links a payer with a customer (R3.1.1); decisions look for it by this code.
THREE_PARTY_AGREEMENT = "three_party_agreement"

_TYPES = (
    DocumentType(code="business_licence", zh="营业执照", en="business licence"),
    DocumentType(code="tax_registration", zh="税务登记证", en="tax registration certificate"),
    DocumentType(code="organisation_code", zh="组织机构代码证", en="organisation code certificate"),
    DocumentType(code="public_body_certificate", zh="事业单位法人证书", en="public body certificate"),
    DocumentType(code="foreign_registration", zh="境外注册证明", en="foreign registration certificate"),
    # A change of name or representative demands new account information (R3.1.2).
    DocumentType(
        code="account_opening_permit",
        zh="开户许可证",
        en="account-opening permit",
        on_expiry="warns",
        renewed_on_change=True,
    ),
    DocumentType(
        code="basic_account",
        zh="基本存款账户信息",
        en="basic-account information",
        on_expiry="warns",
        renewed_on_change=True,
    ),
    # Taxpayer proof has its date and is asked again yearly (R3.1.2).
    DocumentType(
        code="taxpayer_registration",
        zh="增值税一般纳税人登记表",
        en="general taxpayer registration form",
        on_expiry="warns",
        dated=True,
        renewed_after_months=12,
    ),
    DocumentType(
        code="taxpayer_query",
        zh="税务局一般纳税人查询结果",
        en="tax bureau's general taxpayer query",
        on_expiry="warns",
        dated=True,
        renewed_after_months=12,
    ),
    DocumentType(code="invoicing_information", zh="开票信息", en="invoicing information", on_expiry="warns"),
    DocumentType(
        code="legal_representative_id",
        zh="法定代表人身份证复印件",
        en="copy of the legal representative's ID",
        personal_number=True,
        on_expiry="warns",
    ),
    # The original itself is brought (R3.1.2), so there is no copy to be sealed.
    DocumentType(
        code="power_of_attorney", zh="授权委托书", en="power of attorney", company_seal=False, original_seen=True
    ),
    # Its end closes the payer's link with the customer, not the customer's other ways to pay (R3.1.1).
    DocumentType(
        code=THREE_PARTY_AGREEMENT,
        zh="三方协议",
        en="three-party agreement",
        company_seal=False,
        original_seen=True,
        on_expiry="warns",
        dated=True,
    ),
)

_PUBLIC = (IdentityKind.PUBLIC_BODY, IdentityKind.USCC)
_FOREIGN = (IdentityKind.FOREIGN_REGISTRATION,)
# 三证合一: a licence with the unified code has been all three certificates since 2015.
_THREE_IN_ONE = (
    Way(document="business_licence", valid_uscc=True),
    Way(document="public_body_certificate", valid_uscc=True, identities=_PUBLIC),
    Way(document="foreign_registration", identities=_FOREIGN),
)

_REQUIREMENTS = (
    Requirement(
        code="business_licence",
        zh="营业执照",
        en="business licence",
        satisfied_by=(
            Way(document="business_licence"),
            Way(document="public_body_certificate", identities=_PUBLIC),
            Way(document="foreign_registration", identities=_FOREIGN),
        ),
    ),
    Requirement(
        code="tax_registration",
        zh="税务登记证",
        en="tax registration",
        satisfied_by=(Way(document="tax_registration"), *_THREE_IN_ONE),
    ),
    Requirement(
        code="organisation_code",
        zh="组织机构代码证",
        en="organisation code certificate",
        satisfied_by=(Way(document="organisation_code"), *_THREE_IN_ONE),
    ),
    Requirement(
        code="account_opening_permit",
        zh="开户许可证",
        en="account-opening permit",
        # Abolished in 2019 for enterprises and individual businesses; public bodies still have it.
        satisfied_by=(Way(document="account_opening_permit"), Way(document="basic_account")),
    ),
    Requirement(
        code="general_taxpayer_proof",
        zh="一般纳税人证明",
        en="general VAT taxpayer proof",
        satisfied_by=(Way(document="taxpayer_registration"), Way(document="taxpayer_query")),
    ),
    Requirement(
        code="invoicing_information",
        zh="开票信息",
        en="invoicing information",
        satisfied_by=(Way(document="invoicing_information"),),
    ),
    Requirement(
        code="legal_representative_id",
        zh="法定代表人身份证复印件",
        en="copy of the legal representative's ID",
        satisfied_by=(Way(document="legal_representative_id"),),
    ),
    Requirement(
        code="power_of_attorney",
        zh="授权委托书原件",
        en="original power of attorney",
        satisfied_by=(Way(document="power_of_attorney"),),
        when=When.REPRESENTED,
    ),
    Requirement(
        code="three_party_agreement",
        zh="三方协议",
        en="three-party agreement",
        satisfied_by=(Way(document=THREE_PARTY_AGREEMENT),),
        when=When.THIRD_PARTY_PAYER,
    ),
)

REQUIRED_DOCUMENTS = PolicyKind(
    name=POLICY_NAME,
    model=RequiredDocuments,
    initial=RequiredDocuments(
        fields=("channel", "settlement_unit", "legal_representative", "capital_fen", "scope", "credit"),
        types=_TYPES,
        requirements=_REQUIREMENTS,
        # The source names one list for whoever buys; a kind can get a list of its own.
        required_of={kind: tuple(one.code for one in _REQUIREMENTS) for kind in CustomerKind},
    ),
    clause="R3.1.2",
)
