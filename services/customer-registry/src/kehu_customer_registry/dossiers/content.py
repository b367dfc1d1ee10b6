"""What the form F4 says, and the standard lists that its fields are taken from (R4.2)."""

from __future__ import annotations

from enum import StrEnum

from pydantic import BaseModel, ConfigDict

from kehu.contracts.customers import (
    BankTax,
    ConsentPurpose,
    Contact,
    ContactPost,
    CustomerKind,
    IdentityKind,
    LegalRepresentative,
    Relation,
)
from kehu.text import normalise


class Nature(StrEnum):
    """The nature of an enterprise (企业性质, R4.2); free text only beside `other`."""

    STATE_OWNED = "state_owned"  # 国有企业
    COLLECTIVE = "collective"  # 集体企业
    LIMITED_LIABILITY = "limited_liability"  # 有限责任公司
    JOINT_STOCK = "joint_stock"  # 股份有限公司
    SOLE_PROPRIETORSHIP = "sole_proprietorship"  # 个人独资企业
    PARTNERSHIP = "partnership"  # 合伙企业
    INDIVIDUAL_BUSINESS = "individual_business"  # 个体工商户
    FOREIGN_INVESTED = "foreign_invested"  # 外商投资企业
    FOREIGN = "foreign"  # 境外企业
    PUBLIC_BODY = "public_body"  # 机关、事业单位、社会团体
    OTHER = "other"  # 其他,须说明


#: The province-level divisions by their codes (GB/T 2260), and the two entries for whatever lies in none of them.
REGIONS: dict[str, str] = {
    "110000": "北京",
    "120000": "天津",
    "130000": "河北",
    "140000": "山西",
    "150000": "内蒙古",
    "210000": "辽宁",
    "220000": "吉林",
    "230000": "黑龙江",
    "310000": "上海",
    "320000": "江苏",
    "330000": "浙江",
    "340000": "安徽",
    "350000": "福建",
    "360000": "江西",
    "370000": "山东",
    "410000": "河南",
    "420000": "湖北",
    "430000": "湖南",
    "440000": "广东",
    "450000": "广西",
    "460000": "海南",
    "500000": "重庆",
    "510000": "四川",
    "520000": "贵州",
    "530000": "云南",
    "540000": "西藏",
    "610000": "陕西",
    "620000": "甘肃",
    "630000": "青海",
    "640000": "宁夏",
    "650000": "新疆",
    "710000": "台湾",
    "810000": "香港",
    "820000": "澳门",
    "abroad": "境外",
    "other": "其他",
}
#: Needs a remark, like every "other".
OTHER_REGION = REGIONS["other"]
_NAMES = frozenset(REGIONS.values())
_SUFFIXES = ("壮族自治区", "回族自治区", "维吾尔自治区", "特别行政区", "自治区", "省", "市")


def standard_region(text: str) -> str | None:
    """The name on the standard list for what was written: a code, a short or a full name; None where it is on none."""
    written = normalise(text)
    if name := REGIONS.get(written.lower()):
        return name
    for suffix in _SUFFIXES:
        if written.endswith(suffix):
            written = written.removesuffix(suffix)
            break
    return written if written in _NAMES else None


class DossierContent(BaseModel):
    """What the form says; a prospect's may have little more than a name (R2)."""

    model_config = ConfigDict(frozen=True, extra="allow")

    name: str
    kind: CustomerKind | None = None
    nature: Nature | None = None
    nature_remark: str | None = None
    supervising_body: str | None = None
    address: str | None = None
    region: str | None = None
    region_remark: str | None = None
    identity_kind: IdentityKind | None = None
    identity: str | None = None
    no_identity_reason: str | None = None
    legal_representative: LegalRepresentative | None = None
    bank_tax: BankTax | None = None
    contacts: tuple[Contact, ...] = ()
    collaborators: tuple[str, ...] = ()
    relations: tuple[Relation, ...] = ()
    #: 业务交往: how business with the customer has gone, in words; what can be counted is on the timeline.
    dealings: str | None = None
    important_potential: bool = False


_KINDS = {
    CustomerKind.PROVINCIAL_AGENT: ("省外省级代理", "provincial agent outside the home province"),
    CustomerKind.PREFECTURE_AGENT: ("省内地级代理", "prefecture agent inside it"),
    CustomerKind.DEALER: ("经销商", "dealer"),
    CustomerKind.KEY_END_USER: ("重点终端用户", "key end user"),
    CustomerKind.OTHER_PROSPECT: ("其他潜在客户", "other prospect"),
}
_NATURES = {
    Nature.STATE_OWNED: ("国有企业", "state-owned enterprise"),
    Nature.COLLECTIVE: ("集体企业", "collective enterprise"),
    Nature.LIMITED_LIABILITY: ("有限责任公司", "limited liability company"),
    Nature.JOINT_STOCK: ("股份有限公司", "joint-stock company"),
    Nature.SOLE_PROPRIETORSHIP: ("个人独资企业", "sole proprietorship"),
    Nature.PARTNERSHIP: ("合伙企业", "partnership"),
    Nature.INDIVIDUAL_BUSINESS: ("个体工商户", "individual business"),
    Nature.FOREIGN_INVESTED: ("外商投资企业", "foreign-invested enterprise"),
    Nature.FOREIGN: ("境外企业", "enterprise abroad"),
    Nature.PUBLIC_BODY: ("机关、事业单位、社会团体", "public body"),
    Nature.OTHER: ("其他(须说明)", "other (with a remark)"),
}
_IDENTITIES = {
    IdentityKind.USCC: ("统一社会信用代码", "unified social credit code"),
    IdentityKind.INDIVIDUAL_BUSINESS: ("个体工商户注册号(15 位)", "number of an individual business (15 digits)"),
    IdentityKind.FOREIGN_REGISTRATION: ("境外注册号", "registration abroad"),
    IdentityKind.PUBLIC_BODY: ("机关事业单位代码", "code of a public body"),
}
_POSTS = {
    ContactPost.CHAIRMAN: ("董事长", "chairman"),
    ContactPost.GENERAL_MANAGER: ("总经理", "general manager"),
    ContactPost.DEPUTY_GENERAL_MANAGER: ("副总经理", "deputy general manager"),
    ContactPost.MANAGER: ("部门负责人", "manager"),
    ContactPost.MIDDLE_MANAGER: ("中层管理人员", "middle manager"),
    ContactPost.KEY_BUSINESS: ("业务骨干", "key business person"),
    ContactPost.WORKING_LEVEL: ("经办人员", "working level"),
    ContactPost.OTHER: ("其他(职务写在 title)", "other (said in title)"),
}
_PURPOSES = {
    ConsentPurpose.MARKETING: ("节日问候、资讯", "greetings and bulletins"),
    ConsentPurpose.BIRTHDAY: ("生日、纪念日问候", "birthdays and anniversaries"),
    ConsentPurpose.IDENTITY_DOCUMENT: ("留存身份证件", "keeping a copy of an identity document"),
}
#: Every standard list of the form: per code its words in Chinese and English.
LISTS: dict[str, dict[str, tuple[str, str]]] = {
    "kind": {code.value: words for code, words in _KINDS.items()},
    "nature": {code.value: words for code, words in _NATURES.items()},
    "identity_kind": {code.value: words for code, words in _IDENTITIES.items()},
    "post": {code.value: words for code, words in _POSTS.items()},
    "consent_purpose": {code.value: words for code, words in _PURPOSES.items()},
    "region": {code: (name, name) for code, name in REGIONS.items()},
}
