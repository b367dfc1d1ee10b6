"""F4, F5 and the certificate of clearance as they are printed."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import date
from typing import Any

import docx
import pytest

from kehu.contracts.customers import Anniversary, BankTax, Consent, ConsentPurpose, Contact, ContactPost
from kehu.ids import new_id
from kehu.printing import Form, Format, Printed, render
from kehu.printing.forms import plain
from kehu.printing.words import KINDS
from kehu_customer_registry.clearance import Clearance, HandedOver, WorkMoved, clearance_form
from kehu_customer_registry.dossiers.content import Nature
from kehu_customer_registry.dossiers.facts import Status
from kehu_customer_registry.dossiers.printing import (
    NATURES,
    POSTS,
    PURPOSES,
    STATUSES,
    dossier_form,
    register_form,
)
from kehu_customer_registry.dossiers.register import RegisterRow
from kehu_customer_registry.dossiers.rights import Sight
from kehu_customer_registry.dossiers.shown import DossierShown
from kehu_customer_registry.testing import COMPLETE, NOW, archived, dossier

PRINTED = Printed(NOW, "孙一 (sales)", (str(new_id()),))
NAMES = {"sales": "孙一 (sales)", "manager": "钱二 (manager)", "helper": "李三 (helper)"}
FULL = Contact(
    person="p-1",
    name="王小明",
    phone="+8613800138000",
    further_phones=("+861062345678",),
    title="",
    post=ContactPost.GENERAL_MANAGER,
    audience="I",
    main=True,
    birthday="lunar:06-15:leap",
    anniversaries=(Anniversary(person="p-1", what="结婚纪念日", day="solar:10-01"),),
    consents=(Consent(purpose=ConsentPurpose.MARKETING, given_at=NOW, evidence="签字同意书"),),
)
ROW: dict[str, Any] = {
    "customer": "c-1",
    "number": "K000001",
    "name": "杭州甲乙贸易有限公司",
    "kind": "dealer",
    "nature": "limited_liability",
    "affiliation": None,
    "identity_kind": "uscc",
    "identity": "91110000600037341L",
    "region": "浙江",
    "department": "east",
    "owner": "sales",
    "collaborators": [],
    "status": "archived",
    "important_potential": False,
    "drafted_at": NOW,
    "registered_at": NOW,
    "version": 3,
    "serial": 1,
}
CLEARANCE = Clearance(
    number="LZ000001",
    person="sales",
    staff_number="1001",
    department="east",
    started_on=date(2026, 11, 1),
    last_day=date(2026, 11, 30),
    cleared_by="manager",
    cleared_at=NOW,
    customers=(
        HandedOver(
            "K000001", "杭州甲乙贸易有限公司", "helper", "helper", NOW, "letter", "签收函 2026-11-20", "manager", NOW
        ),
        HandedOver(
            "K000002", "宁波丙丁贸易有限公司", "helper", "manager", NOW, "waived", "两次联系未果", "manager", NOW
        ),
    ),
    work=(WorkMoved("F7 拜访记录", "BF000003", "helper"),),
)


def f4(seen: Sight = Sight.ALL, **content: Any) -> Form:
    found = DossierShown.of(archived(**content).state, seen)
    return dossier_form(found, NAMES, replace(PRINTED, masked=seen is Sight.MASKED))


def words(form: Form) -> str:
    """Everything that stands on a form, as one text, in its order."""

    def flat(value: Any) -> list[str]:
        if isinstance(value, dict):
            return [text for below in value.values() for text in flat(below)]
        if isinstance(value, list):
            return [text for below in value for text in flat(below)]
        return [str(value)]

    return "\n".join(flat(plain(form)))


def in_order(text: str, *parts: str) -> bool:
    """Whether parts stand in a text, each behind the one before."""
    place = 0
    for part in parts:
        place = text.find(part, place) + len(part)
        if place < len(part):
            return False
    return True


def test_f4_has_the_fields_of_r4_2_in_their_order_and_then_the_rest() -> None:
    bank = BankTax(person="p-1", bank="工商银行杭州分行", account="1202021234567890", tax_number="91110000600037341L")
    text = words(f4(contacts=(FULL,), bank_tax=bank, dealings="自 2019 年起往来。"))
    assert in_order(
        text,
        "客户名称",
        "杭州甲乙贸易有限公司",
        "客户类别",
        "省外省级代理",
        "企业性质",
        "有限责任公司",
        "主管单位",
        "地址",
        "文三路",
        "联系人",
        "王小明",
        "联系电话",
        "+8613800138000",
        "证照号码",
        "91110000600037341L",
        "区域",
        "负责营销员",
        "孙一 (sales)",
        "总经理",
        "+861062345678",
        "农历闰6月15日",
        "结婚纪念日 10月1日",
        "节日问候",
        "签字同意书",
        "工商银行杭州分行",
        "1202021234567890",
        "自 2019 年起往来。",
        "孙一 (sales)",
        "钱二 (manager)",
    )


def test_who_sees_it_masked_prints_it_masked() -> None:
    bank = BankTax(person="p-1", bank="工商银行", account="1202021234567890")
    text = words(f4(Sight.MASKED, contacts=(FULL,), bank_tax=bank))
    for personal in ("王小明", "8613800138000", "861062345678", "1202021234567890", "6月15日"):
        assert personal not in text
    assert "王**" in text


def test_a_prospect_with_little_more_than_a_name_is_printed() -> None:
    case = dossier(**dict.fromkeys(COMPLETE, None) | {"name": "某客户", "contacts": ()})
    form = dossier_form(DossierShown.of(case.state, Sight.ALL), NAMES, PRINTED)
    assert words(form).count("—") > 10
    assert render(form, Format.PDF).startswith(b"%PDF-")


def test_f5_has_a_line_per_customer_across_the_page() -> None:
    rows = [RegisterRow.model_validate(ROW | {"number": f"K{number:06}", "serial": number}) for number in range(1, 41)]
    form = register_form(rows, NAMES, PRINTED, "2026-11-24")
    assert form.landscape
    text = words(form)
    assert in_order(text, "客户 40 家", "K000001", "经销商", "有限责任公司", "K000040", "孙一 (sales)", "已归档")


def test_the_certificate_lists_the_evidence_for_each_customer() -> None:
    text = words(clearance_form(CLEARANCE, NAMES, PRINTED))
    assert in_order(text, "孙一 (sales)", "2026-11-30", "K000001", "李三 (helper)", "签收函", "钱二 (manager)")
    assert in_order(text, "K000002", "经理免除", "两次联系未果", "BF000003", "人事")


@pytest.mark.parametrize("words_", [KINDS, NATURES, POSTS, PURPOSES, STATUSES])
def test_every_code_has_a_name(words_: Any) -> None:
    kind: Any = type(next(iter(words_)))
    codes = set(kind) - {Status.NONE}
    assert codes == set(words_)
    assert all(label.zh and label.en for label in words_.values())


@pytest.mark.parametrize("format_", Format)
def test_they_are_printed(format_: Format) -> None:
    forms = (
        f4(contacts=(FULL,)),
        register_form([RegisterRow.model_validate(ROW)], NAMES, PRINTED, "2026-11-24"),
        clearance_form(CLEARANCE, NAMES, PRINTED),
    )
    for form in forms:
        made = render(form, format_)
        if format_ is Format.DOCX:
            assert form.title.zh in "".join(docx.Document(io.BytesIO(made)).element.itertext())


def test_natures_are_told_with_their_remark() -> None:
    assert "其他 other (合作社)" in words(f4(nature=Nature.OTHER, nature_remark="合作社"))
