"""F1, F2 and F3 as they are printed: everything that was vetted, requested and signed, under the names people know."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import Any

import docx
import pytest

from kehu.contracts.vetting import QualificationStepPassed, Step
from kehu.facts import Fact, RecordedFact
from kehu.ids import new_id
from kehu.printing import Form, Format, Printed, render
from kehu.printing.forms import plain
from kehu_vetting.invoices.printing import Customer, ReceiptNamed, collection_form, request_form
from kehu_vetting.invoices.testing import Invoices, digital, paper
from kehu_vetting.qualifications import signing
from kehu_vetting.qualifications.facts import Finding
from kehu_vetting.qualifications.form import SettlementUnit
from kehu_vetting.qualifications.printing import Vetted, on_behalf_of, qualification_form
from kehu_vetting.qualifications.required_documents import REQUIRED_DOCUMENTS
from kehu_vetting.qualifications.shown import describe
from kehu_vetting.sight import Sight
from kehu_vetting.testing import DOCUMENTS, FILE, NOW, SALES, TODAY, VETTER, Case, agreement, complete_form

PRINTED = Printed(NOW, "孙一 (sales)", (str(new_id()),))
NAMES = {"sales": "孙一 (sales)", "vetter": "钱二 (vetter)", "finance": "李三 (finance)", "boss": "周总 (boss)"}
CUSTOMER = Customer(FILE.name, FILE.number)


def recorded(facts: list[Fact]) -> list[RecordedFact[Any]]:
    return [
        RecordedFact(
            fact=fact,
            id=new_id(),
            stream="qualification-q-1",
            version=version,
            sequence=version,
            key=FILE.customer,
            service="vetting",
            actor="sales",
            clause=fact.clause,
            correlation=new_id(),
            causation=None,
            occurred_at=NOW,
            recorded_at=NOW,
        )
        for version, fact in enumerate(facts, 1)
    ]


def f1(case: Case, *, seen: Sight = Sight.ALL) -> Form:
    history = recorded(case.facts)
    found = describe(history, case.state, case.file, case.context(SALES), seen=seen, open_incidents=0)
    vetted = Vetted(case.file.identity_kind, case.file.identity)
    policy = REQUIRED_DOCUMENTS.initial
    printed = replace(PRINTED, masked=seen is Sight.MASKED)
    return qualification_form(found, vetted, on_behalf_of(history), policy, NAMES, printed)


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


def test_f1_has_the_fields_in_the_policys_order() -> None:
    assert in_order(
        words(f1(Case().approved())),
        "客户名称",
        "证照号码",
        "销售渠道",
        "结算单位",
        "法定代表人",
        "注册资本",
        "经营范围",
        "信用结论",
        "依据",
        "证照与文件",
        "审核意见",
        "签署记录",
        "签字盖章",
    )


def test_f1_has_every_line_of_the_documents() -> None:
    text = words(f1(Case().submitted()))
    for document in DOCUMENTS:
        assert document.file_digest in text
    assert in_order(text, "营业执照", "杭州市市场监督管理局", "√")
    assert "2030-01-01" in text


def test_f1_has_the_papers_of_another_payer() -> None:
    payer = complete_form().settlement_unit
    assert payer is not None
    other = SettlementUnit.model_validate({**payer.model_dump(), "documents": DOCUMENTS[:1]})
    text = words(f1(Case().drafted(complete_form(settlement_unit=other))))
    assert "结算单位的文件" in text
    assert text.count(DOCUMENTS[0].file_digest) == 2


def test_f1_has_findings_and_what_became_of_them() -> None:
    case = Case().submitted()
    remark = (Finding(field="documents.business_licence", text="印章不清"),)
    case.do(signing.return_qualification, VETTER, signing.ReturnQualification(Step.VETTING, None, remark))
    text = words(f1(case))
    assert "印章不清" in text
    assert "退回 returned" in text


def test_f1_has_every_sign_off_with_name_and_time_also_one_that_no_longer_holds() -> None:
    case = Case().submitted().passed(Step.VETTING)
    text = words(f1(case))
    assert in_order(text, "签署记录", "营销部审核", "钱二 (vetter)", "2026-11-24 10:00", "有效")
    assert "已失效" not in text


def test_a_delegates_signature_reads_b_for_a() -> None:
    case = Case().submitted().passed(Step.VETTING)
    case.facts = [
        fact.model_copy(update={"on_behalf_of": "boss"}) if isinstance(fact, QualificationStepPassed) else fact
        for fact in case.facts
    ]
    assert words(f1(case)).count("钱二 (vetter) 代 周总 (boss)") == 2


def test_f1_of_a_signed_agreement_says_who_signed_it() -> None:
    case = Case().approved()
    case.do(signing.sign_agreement, SALES, agreement())
    assert in_order(words(f1(case)), "签订协议", "周总 (boss) / 李四")


def test_who_sees_it_masked_prints_it_masked() -> None:
    text = words(f1(Case().submitted(), seen=Sight.MASKED))
    assert "王小明" not in text
    assert "110101199003070011" not in text
    assert "王**" in text
    assert plain(f1(Case().submitted(), seen=Sight.MASKED))["printed"]["masked"]


def test_an_empty_draft_is_printed_with_its_empty_fields() -> None:
    empty = complete_form(
        channel=None,
        settlement_unit=None,
        legal_representative=None,
        capital_fen=None,
        scope="",
        credit=None,
        documents=(),
    )
    form = f1(Case().drafted(empty))
    assert words(form).count("—") > 10
    assert render(form, Format.PDF).startswith(b"%PDF-")


# --- F2 and F3 -------------------------------------------------------------------------------------------------------

RECEIPTS = {"r-1": ReceiptNamed("SK000001", "BANK-1"), "r-2": ReceiptNamed("SK000002", "BANK-2")}


def test_f2_has_buyer_order_lines_rates_sums_receipts_applicant_and_reviewers() -> None:
    case = Invoices().passed()
    text = words(request_form(case.request(), recorded(case.requests["q-1"]), CUSTOMER, RECEIPTS, NAMES, PRINTED))
    assert in_order(
        text,
        "购买方",
        "文三路 1 号",
        "DD000001",
        "钢管",
        "13%",
        "¥44,247.79",
        "¥5,752.21",
        "¥50,000.00",
        "合计",
        "SK000001",
        "BANK-1",
        "申请人",
        "孙一 (sales) 2026-11-24 10:00",
        "营销部审核",
        "钱二 (vetter)",
        "财务部审核",
        "李三 (finance)",
    )


def test_a_receipt_that_is_not_known_is_named_by_its_id() -> None:
    text = words(request_form(Invoices().passed().request(), [], CUSTOMER, {}, NAMES, PRINTED))
    assert "r-1" in text


@pytest.mark.parametrize("numbers", [digital(1), paper(1)], ids=["digital", "paper"])
def test_f3_has_numbers_date_amount_issuer_collector_and_delivery(numbers: Any) -> None:
    case = Invoices().passed()
    case.issue(numbers)
    (invoice,) = case.account.invoices
    case.collect(invoice, SALES, TODAY, TODAY)
    form = collection_form(list(case.account.invoices.values()), recorded(case.facts), CUSTOMER, NAMES, PRINTED)
    text = words(form)
    number = numbers.digital_number or f"{numbers.code} {numbers.number}"
    assert in_order(text, number, "2026-11-24", "¥50,000.00", "issuer", "孙一 (sales)", "2026-11-24 10:00", "客户签收")
    assert ("delivery acknowledged" in text) is (numbers.digital_number is not None)


@pytest.mark.parametrize("format_", Format)
def test_they_are_printed(format_: Format) -> None:
    case = Invoices().passed()
    case.issue(digital(1))
    for form in (
        f1(Case().approved()),
        request_form(case.request(), recorded(case.requests["q-1"]), CUSTOMER, RECEIPTS, NAMES, PRINTED),
        collection_form(list(case.account.invoices.values()), recorded(case.facts), CUSTOMER, NAMES, PRINTED),
    ):
        made = render(form, format_)
        if format_ is Format.DOCX:
            assert form.title.zh in "".join(docx.Document(io.BytesIO(made)).element.itertext())
