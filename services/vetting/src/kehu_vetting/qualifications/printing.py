"""F1 on paper (客户资质审核表): what was vetted, every paper, finding and signature, and room for the real ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fastapi import APIRouter, Response

from kehu.contracts.customers import IdentityKind
from kehu.contracts.vetting import QualificationStepPassed, Step
from kehu.facts import Fact, RecordedFact
from kehu.http import Acting, StreamId
from kehu.printing import (
    Column,
    Field,
    Fields,
    Form,
    Label,
    Printed,
    Printing,
    Room,
    Signatures,
    Table,
    printed_answer,
    staff_names,
)
from kehu.printing.forms import shown, yuan
from kehu.printing.words import IDENTITIES, KINDS, STEPS, word
from kehu_vetting.customer_files.finding import load_surviving_file
from kehu_vetting.qualifications.api import show_qualification
from kehu_vetting.qualifications.decisions import policy_of
from kehu_vetting.qualifications.facts import QUALIFICATIONS, Status
from kehu_vetting.qualifications.form import CreditRating, Document
from kehu_vetting.qualifications.requirements import RequiredDocuments
from kehu_vetting.qualifications.shown import AgreementShown, QualificationShown, SignOffShown
from kehu_vetting.sight import Sight, sight

router = APIRouter(tags=["qualifications"])

_STATUSES = {
    Status.DRAFT: Label("草稿", "draft"),
    Status.IN_REVIEW: Label("审核中", "in review"),
    Status.RETURNED: Label("已退回", "returned"),
    Status.APPROVED: Label("已批准,待签协议", "approved, agreement to be signed"),
    Status.SIGNED: Label("协议已签,未到生效日", "signed, begins later"),
    Status.ACTIVE: Label("已生效", "active"),
    Status.REJECTED: Label("已否决", "rejected"),
    Status.WITHDRAWN: Label("已撤回", "withdrawn"),
}
_RATINGS = {
    CreditRating.GOOD: Label("良好", "good"),
    CreditRating.ACCEPTABLE: Label("可以接受", "acceptable"),
    CreditRating.POOR: Label("较差", "poor"),
}
_OUTCOMES = {
    "returned": "退回 returned",
    "rejected": "否决 rejected",
    "withdrawn": "撤回 withdrawn",
}


@dataclass(frozen=True, slots=True)
class Vetted:
    """What F1 says of the customer, from what vetting knows of it."""

    identity_kind: IdentityKind | None
    identity: str


@router.get("/qualifications/{qualification}/print", response_class=Response)
async def print_qualification(qualification: StreamId, request: Acting, format_: Printing) -> Response:
    """F1 as a PDF or docx; recorded. Of other people's customers it takes a reason (header `Kehu-Reason`)."""
    found = await show_qualification(qualification, request)
    history = await request.history(QUALIFICATIONS, qualification)
    file = await load_surviving_file(request, found.customer)
    people = [found.owner, *(one.signed_by for one in found.sign_offs), *(one.noted_by for one in found.remarks)]
    people += [one.by for one in found.outcomes] + [found.agreement.ours if found.agreement else ""]
    people += [behalf for behalf in on_behalf_of(history) if behalf]
    names = await staff_names(request, people)
    form = qualification_form(
        found,
        Vetted(file.identity_kind, file.identity),
        on_behalf_of(history),
        policy_of(await request.context()),
        names,
        Printed(
            request.now,
            names[request.actor.id],
            tuple(str(one.id) for one in history),
            masked=sight(file, request.actor) is Sight.MASKED,
        ),
    )
    own = request.actor.id == file.owner or request.actor.id in file.collaborators
    return await printed_answer(request, form, format_, reason=None if own else request.reason)


def on_behalf_of(history: Sequence[RecordedFact[Fact]]) -> list[str | None]:
    """For whom each signature was given, where a delegate gave it; in the order of `QualificationShown.sign_offs`."""
    return [one.fact.on_behalf_of for one in history if isinstance(one.fact, QualificationStepPassed)]


def qualification_form(
    found: QualificationShown,
    vetted: Vetted,
    behalf: Sequence[str | None],
    policy: RequiredDocuments,
    names: Mapping[str, str],
    printed: Printed,
) -> Form:
    """F1 as it is printed, in the order of the policy's list.

    Args:
        found: as whoever prints it sees it.
        vetted: the customer's identity.
        behalf: for whom each of its signatures was given, where a delegate gave it.
        policy: the list of papers, for what their types are called.
        names: of members of the staff, by person.
        printed: when and by whom, from which facts.

    """
    types = {one.code: f"{one.zh} {one.en}" for one in policy.types}
    payer = found.form.settlement_unit
    return Form(
        "F1",
        Label("客户资质审核表", "Qualification review"),
        found.number,
        (
            _customer(found, vetted, names),
            _papers(Label("证照与文件", "Documents"), found.form.documents, types),
            *([_papers(Label("结算单位的文件", "Documents of the settlement unit"), payer.documents, types)]
              if payer and payer.documents else []),
            _findings(found, names),
            _signatures(found, behalf, names),
            *([_agreement(found.agreement, names)] if found.agreement else []),
            _rooms(found, behalf, names),
        ),
        printed,
    )  # fmt: skip


def _customer(found: QualificationShown, vetted: Vetted, names: Mapping[str, str]) -> Fields:
    form = found.form
    channel, payer, person, credit = form.channel, form.settlement_unit, form.legal_representative, form.credit
    bundle = found.bundle
    return Fields(
        Label("客户与审核内容", "Customer and what is vetted"),
        (
            Field(Label("客户名称", "Customer"), found.name, wide=True),
            Field(Label("客户类别", "Kind"), word(KINDS, found.kind)),
            Field(Label("负责营销员", "Owner"), names.get(found.owner, found.owner)),
            Field(Label("证照种类", "Identity"), word(IDENTITIES, vetted.identity_kind)),
            Field(Label("证照号码", "Identity number"), vetted.identity),
            Field(Label("销售区域", "Territory"), channel and channel.territory),
            Field(Label("部门", "Department"), found.department),
            Field(Label("销售渠道", "Sales channel"), channel and channel.description, wide=True),
            Field(Label("结算单位", "Settlement unit"), payer and payer.name, wide=True),
            Field(Label("结算单位证照", "Its identity"), payer and payer.identity),
            Field(Label("开户银行", "Bank"), payer and payer.bank),
            Field(Label("银行账号", "Account"), payer and payer.account),
            Field(Label("法定代表人", "Legal representative"), person and person.name),
            Field(Label("身份证号", "ID number"), person and person.id_number),
            Field(Label("注册资本(元)", "Capital (yuan)"), yuan(form.capital_fen)),
            Field(Label("委托代理", "Agent acts for it"), form.represented),
            Field(Label("审核状态", "Status"), word(_STATUSES, found.status)),
            Field(Label("经营范围", "Scope"), form.scope, wide=True),
            Field(Label("信用结论", "Credit conclusion"), credit and word(_RATINGS, credit.rating)),
            Field(Label("未结信用事件", "Open incidents"), found.open_credit_incidents),
            Field(Label("信用分析", "Analysis of credit"), credit and credit.conclusion, wide=True),
            Field(Label("依据", "Evidence"), credit and credit.evidence, wide=True),
            Field(Label("财务复核意见", "Finance's review"), found.finance and found.finance.credit_review, wide=True),
            Field(Label("财务复核依据", "Its evidence"), found.finance and found.finance.evidence, wide=True),
            Field(Label("提交稿", "Bundle"), bundle and f"第 {bundle.number} 稿 {bundle.digest}", wide=True),
        ),
    )


def _papers(heading: Label, papers: Sequence[Document], types: Mapping[str, str]) -> Table:
    return Table(
        heading,
        (
            Column(Label("文件", "Document"), 1.5),
            Column(Label("号码", "Number"), 1.95),  # a USCC on one line
            Column(Label("发证机关", "Issuer"), 1.5),
            Column(Label("有效期至", "Valid until"), 1.0),
            Column(Label("复印件", "Copy"), 0.7),
            Column(Label("公章", "Seal"), 0.6),
            Column(Label("原件", "Original"), 0.7),
            Column(Label("文件摘要 SHA-256", "File digest"), 2.3),
        ),
        [
            (
                types.get(paper.type, paper.type),
                paper.number,
                paper.issuer,
                paper.valid_until,
                _tick(paper.copy_held),
                _tick(paper.company_seal),
                _tick(paper.original_seen),
                paper.file_digest,
            )
            for paper in papers
        ],
    )


def _tick(done: bool) -> str:  # noqa: FBT001 - what is ticked, not an option
    return "√" if done else "×"


def _findings(found: QualificationShown, names: Mapping[str, str]) -> Table:
    remarks = [
        (
            one.noted_at,
            word(STEPS, one.step),
            one.field or "整体 whole",
            one.text,
            names.get(one.noted_by, one.noted_by),
        )
        for one in found.remarks
    ]
    outcomes = [
        (one.at, word(STEPS, one.step), _OUTCOMES.get(one.what, one.what), one.text, names.get(one.by, one.by))
        for one in found.outcomes
    ]
    return Table(
        Label("审核意见", "Findings"),
        (
            Column(Label("时间", "Time"), 1.0),
            Column(Label("环节", "Step"), 1.2),
            Column(Label("栏目", "Field"), 1.0),
            Column(Label("意见", "Remark"), 3.2),
            Column(Label("提出人", "By"), 1.2),
        ),
        sorted([*remarks, *outcomes], key=lambda row: row[0]),
    )


def _signatures(found: QualificationShown, behalf: Sequence[str | None], names: Mapping[str, str]) -> Table:
    return Table(
        Label("签署记录", "Sign-offs"),
        (
            Column(Label("环节", "Step"), 1.4),
            Column(Label("签署人", "Signed by"), 1.3),
            Column(Label("时间", "Time"), 1.0),
            Column(Label("提交稿", "Bundle"), 0.6),
            Column(Label("所见摘要", "Digest seen"), 2.6),  # 64 characters on two lines
            Column(Label("效力", "Holds"), 0.8),
        ),
        [
            (
                word(STEPS, one.step),
                _signed_by(one, principal, names)
                + (f"\n缺位登记 in absence: {one.in_absence}" if one.in_absence else ""),
                one.signed_at,
                one.bundle,
                one.digest,
                "有效 holds" if one.holds else "已失效 void",
            )
            for one, principal in zip(found.sign_offs, behalf, strict=True)
        ],
    )


def _signed_by(one: SignOffShown, principal: str | None, names: Mapping[str, str]) -> str:
    """Who signed; a delegate as B代A."""
    signed = names.get(one.signed_by, one.signed_by)
    return f"{signed} 代 {names.get(principal, principal)}" if principal else signed


def _agreement(agreement: AgreementShown, names: Mapping[str, str]) -> Fields:
    return Fields(
        Label("协议", "Agreement"),
        (
            Field(Label("签订日期", "Signed on"), agreement.signed_on),
            Field(Label("有效期", "Valid"), f"{agreement.valid_from} – {shown(agreement.valid_until)}"),
            Field(Label("我方签字人", "For us"), names.get(agreement.ours, agreement.ours)),
            Field(Label("对方签字人", "For the customer"), f"{shown(agreement.theirs)} {agreement.title}"),
            Field(Label("文件摘要 SHA-256", "File digest"), agreement.file_digest, wide=True),
        ),
    )


def _rooms(found: QualificationShown, behalf: Sequence[str | None], names: Mapping[str, str]) -> Signatures:
    """A room for each step of the chain, with the signature that holds."""
    holding = {
        one.step: f"{_signed_by(one, principal, names)} {shown(one.signed_at)}"
        for one, principal in zip(found.sign_offs, behalf, strict=True)
        if one.holds
    }
    agreement = found.agreement
    if agreement:
        ours = names.get(agreement.ours, agreement.ours)
        holding[Step.AGREEMENT] = f"{ours} / {shown(agreement.theirs)} {agreement.title} {agreement.signed_on}"
    stamped = {Step.MANAGER, Step.FINANCE, Step.GENERAL_MANAGER, Step.AGREEMENT}
    return Signatures(
        Label("签字盖章", "Signatures and stamps"),
        [Room(STEPS[step], holding.get(step, ""), stamp=step in stamped) for step in Step],
    )


__all__ = ["Vetted", "on_behalf_of", "print_qualification", "qualification_form", "router"]
