"""F4 and F5 on paper: one customer's dossier (客户档案表), and the register as a list (客户信息一览表)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import APIRouter, Response

from kehu.contracts.customers import ConsentPurpose, ContactPost
from kehu.http import Acting, StreamId
from kehu.printing import (
    Column,
    Field,
    Fields,
    Form,
    FormTooLarge,
    Label,
    Printed,
    Printing,
    Room,
    Signatures,
    Table,
    Text,
    printed_answer,
    staff_names,
)
from kehu.printing.words import AFFILIATIONS, IDENTITIES, KINDS, word
from kehu_customer_registry.dossiers.content import Nature
from kehu_customer_registry.dossiers.facts import DOSSIERS, Status
from kehu_customer_registry.dossiers.finding import visible_dossier
from kehu_customer_registry.dossiers.register import Filtered, RegisterRow
from kehu_customer_registry.dossiers.rights import Sight, check_may_list, is_own, scope
from kehu_customer_registry.dossiers.shown import DayShown, DossierShown
from kehu_customer_registry.dossiers.views import list_register
from kehu_customer_registry.staff.decisions import check_may_export

router = APIRouter(tags=["printing"])

#: Some sixty pages; who wants more wants a spreadsheet.
MOST_ROWS = 1_000

NATURES = {
    Nature.STATE_OWNED: Label("国有企业", "state-owned"),
    Nature.COLLECTIVE: Label("集体企业", "collective"),
    Nature.LIMITED_LIABILITY: Label("有限责任公司", "limited liability"),
    Nature.JOINT_STOCK: Label("股份有限公司", "joint stock"),
    Nature.SOLE_PROPRIETORSHIP: Label("个人独资企业", "sole proprietorship"),
    Nature.PARTNERSHIP: Label("合伙企业", "partnership"),
    Nature.INDIVIDUAL_BUSINESS: Label("个体工商户", "individual business"),
    Nature.FOREIGN_INVESTED: Label("外商投资企业", "foreign-invested"),
    Nature.FOREIGN: Label("境外企业", "foreign"),
    Nature.PUBLIC_BODY: Label("机关、事业单位、社会团体", "public body"),
    Nature.OTHER: Label("其他", "other"),
}
STATUSES = {
    Status.DRAFT: Label("草稿", "draft"),
    Status.SUBMITTED: Label("待审", "submitted"),
    Status.RETURNED: Label("退回", "returned"),
    Status.ARCHIVED: Label("已归档", "archived"),
    Status.CLOSED: Label("已终止", "closed"),
}
POSTS = {
    ContactPost.CHAIRMAN: Label("董事长", "chairman"),
    ContactPost.GENERAL_MANAGER: Label("总经理", "general manager"),
    ContactPost.DEPUTY_GENERAL_MANAGER: Label("副总经理", "deputy general manager"),
    ContactPost.MANAGER: Label("部门负责人", "manager"),
    ContactPost.MIDDLE_MANAGER: Label("中层管理人员", "middle manager"),
    ContactPost.KEY_BUSINESS: Label("业务骨干", "key business"),
    ContactPost.WORKING_LEVEL: Label("经办人员", "working level"),
    ContactPost.OTHER: Label("其他", "other"),
}
PURPOSES = {
    ConsentPurpose.MARKETING: Label("节日问候、资讯", "marketing"),
    ConsentPurpose.BIRTHDAY: Label("生日、纪念日问候", "birthdays"),
    ConsentPurpose.IDENTITY_DOCUMENT: Label("留存身份证件", "identity documents"),
}


@router.get("/dossiers/{customer}/print", response_class=Response)
async def print_dossier(customer: StreamId, request: Acting, format_: Printing) -> Response:
    """F4 as a PDF or docx; recorded. Of other people's customers it takes a reason (header `Kehu-Reason`)."""
    dossier, seen = await visible_dossier(request, customer)
    history = await request.history(DOSSIERS, dossier.customer)
    found = DossierShown.of(dossier, seen)
    people = [found.owner, found.submitted_by, found.registered_by, *found.collaborators]
    people += [one.salesperson for one in found.relations]
    names = await staff_names(request, people)
    facts = tuple(str(one.id) for one in history)
    printed = Printed(request.now, names[request.actor.id], facts, masked=seen is Sight.MASKED)
    reason = None if is_own(dossier, request.actor) else request.reason
    return await printed_answer(request, dossier_form(found, names, printed), format_, reason=reason)


@router.get("/register/print", response_class=Response)
async def print_register(request: Acting, filters: Filtered, format_: Printing) -> Response:
    """F5 as a PDF or docx, A4 across. Takes a reason (header `Kehu-Reason`), which is recorded."""
    check_may_list(request.actor)
    context = await request.context()
    check_may_export(context)
    reason = request.reason
    found = await list_register(request.pool, scope(request.actor), filters, None, MOST_ROWS + 1)
    if len(found) > MOST_ROWS:
        raise FormTooLarge
    rows = [RegisterRow.model_validate(dict(row)) for row in found]
    names = await staff_names(request, [row.owner for row in rows])
    form = register_form(rows, names, Printed(request.now, names[request.actor.id]), str(context.today))
    return await printed_answer(request, form, format_, reason=reason)


def dossier_form(found: DossierShown, names: Mapping[str, str], printed: Printed) -> Form:
    """F4 as it is printed: R4.2's fields in their order, then the rest.

    Args:
        found: as whoever prints it sees it.
        names: of members of the staff, by person.
        printed: when and by whom, from which facts.

    """
    main = next((one for one in found.contacts if one.main), None)
    return Form(
        "F4",
        Label("客户档案表", "Customer dossier"),
        found.number,
        (
            Fields(
                Label("基本信息", "Particulars"),
                (
                    Field(Label("客户名称", "Name"), found.name, wide=True),
                    Field(Label("客户类别", "Category"), word(KINDS, found.kind)),
                    Field(Label("企业性质", "Nature"), _with(word(NATURES, found.nature), found.nature_remark)),
                    Field(Label("主管单位", "Supervising body"), found.supervising_body, wide=True),
                    Field(Label("地址", "Address"), found.address, wide=True),
                    Field(Label("联系人", "Contact"), main and main.name),
                    Field(Label("联系电话", "Phone"), main and main.phone),
                    Field(Label("证照种类", "Identity"), word(IDENTITIES, found.identity_kind)),
                    Field(Label("证照号码", "Identity number"), _with(found.identity, found.no_identity_reason)),
                    Field(Label("关联关系", "Affiliation"), word(AFFILIATIONS, found.affiliation)),
                    Field(Label("区域", "Region"), _with(found.region, found.region_remark)),
                    Field(Label("部门", "Department"), found.department),
                    Field(Label("负责营销员", "Owner"), names.get(found.owner, found.owner)),
                    Field(Label("协作营销员", "Collaborators"), _people(found.collaborators, names)),
                    Field(Label("重要潜力客户", "Important potential"), found.important_potential),
                    Field(Label("档案状态", "Status"), word(STATUSES, found.status)),
                ),
            ),
            _contacts(found),
            _consents(found),
            _bank_and_tax(found),
            *([_relations(found, names)] if found.relations else []),
            Text(Label("业务交往", "Dealings"), found.dealings or ""),
            *([Text(Label("退回意见", "Returned with"), found.remarks)] if found.remarks else []),
            Signatures(
                Label("填报与审核", "Filled in and reviewed"),
                (
                    Room(
                        Label("营销员(对真实性负责)", "Salesperson, who answers for it"),
                        _person(found.submitted_by, names),
                    ),
                    Room(Label("部门经理", "Department's manager"), _person(found.registered_by, names), stamp=True),
                ),
            ),
        ),
        printed,
    )


def register_form(rows: Sequence[RegisterRow], names: Mapping[str, str], printed: Printed, day: str) -> Form:
    """F5 as it is printed: a line per customer, by number.

    Args:
        rows: the lines that whoever prints it may see.
        names: of members of the staff, by person.
        printed: when and by whom.
        day: stands in place of a number.

    """
    return Form(
        "F5",
        Label("客户信息一览表", "Customer register"),
        day,
        (
            Table(
                Label(f"客户 {len(rows)} 家", f"{len(rows)} customers"),
                (
                    Column(Label("客户编号", "Number"), 0.9),
                    Column(Label("客户名称", "Name"), 2.6),
                    Column(Label("类别", "Kind"), 1.2),
                    Column(Label("性质", "Nature"), 1.5),
                    Column(Label("关联关系", "Affiliation"), 1.0),
                    Column(Label("证照号码", "Identity number"), 1.7),
                    Column(Label("区域", "Region"), 0.8),
                    Column(Label("部门", "Department"), 0.8),
                    Column(Label("营销员", "Owner"), 1.2),
                    Column(Label("状态", "Status"), 1.0),
                    Column(Label("归档日期", "Registered"), 0.9),
                ),
                [_line(row, names) for row in rows],
            ),
            Signatures(
                Label("审阅", "Read by"),
                (Room(Label("制表人", "Made by")), Room(Label("部门负责人", "Head of department"), stamp=True)),
            ),
        ),
        printed,
        landscape=True,
    )


def _line(row: RegisterRow, names: Mapping[str, str]) -> tuple[Any, ...]:
    return (
        row.number,
        row.name,
        word(KINDS, row.kind),
        word(NATURES, row.nature),
        word(AFFILIATIONS, row.affiliation),
        row.identity,
        row.region,
        row.department,
        names.get(row.owner, row.owner),
        word(STATUSES, row.status),
        row.registered_at and row.registered_at.date(),
    )


def _contacts(found: DossierShown) -> Table:
    return Table(
        Label("联系人", "Contacts"),
        (
            Column(Label("姓名", "Name"), 1.0),
            Column(Label("职务", "Title"), 1.25),
            Column(Label("受众", "Audience"), 0.55),
            Column(Label("电话", "Phones"), 1.2),
            Column(Label("生日", "Birthday"), 1.1),
            Column(Label("纪念日", "Anniversaries"), 1.5),
            Column(Label("主要", "Main"), 0.45),
        ),
        [
            (
                one.name,
                _with(word(POSTS, one.post), one.title) if one.post else one.title,
                one.audience,
                "\n".join((one.phone, *one.further_phones)),
                _day(one.birthday),
                "\n".join(f"{day.what} {_day(day)}" for day in one.anniversaries),
                "√" if one.main else "",
            )
            for one in found.contacts
        ],
    )


def _consents(found: DossierShown) -> Table:
    return Table(
        Label("联系人的同意", "Consents of contacts"),
        (
            Column(Label("姓名", "Name"), 1.2),
            Column(Label("用途", "Purpose"), 1.4),
            Column(Label("同意时间", "Given at"), 1.0),
            Column(Label("凭据", "Evidence"), 1.8),
            Column(Label("撤回时间", "Withdrawn at"), 1.0),
        ),
        [
            (one.name, word(PURPOSES, consent.purpose), consent.given_at, consent.evidence, consent.withdrawn_at)
            for one in found.contacts
            for consent in one.consents
        ],
    )


def _bank_and_tax(found: DossierShown) -> Fields:
    block, representative = found.bank_tax, found.legal_representative
    return Fields(
        Label("银行与税务", "Bank and tax"),
        (
            Field(Label("法定代表人", "Legal representative"), representative and representative.name),
            Field(Label("税号", "Tax number"), block and block.tax_number),
            Field(Label("开户银行", "Bank"), block and block.bank),
            Field(Label("银行账号", "Account"), block and block.account),
            Field(Label("开票地址", "Invoicing address"), block and block.invoicing_address, wide=True),
            Field(Label("开票电话", "Invoicing phone"), block and block.invoicing_phone),
        ),
    )


def _relations(found: DossierShown, names: Mapping[str, str]) -> Table:
    return Table(
        Label("其他区域或类别的往来", "Relations in other regions or kinds"),
        (
            Column(Label("类别", "Kind"), 1.5),
            Column(Label("区域", "Region"), 1.0),
            Column(Label("协作营销员", "Collaborator"), 1.2),
        ),
        [(word(KINDS, one.kind), one.region, names.get(one.salesperson, one.salesperson)) for one in found.relations],
    )


def _day(day: DayShown | None) -> str:
    """A day of the year, as people write it."""
    if day is None:
        return ""
    if day.calendar == "lunar":
        return f"农历{'闰' if day.leap else ''}{day.month}月{day.day}日"
    return f"{day.month}月{day.day}日"


def _people(people: Sequence[str], names: Mapping[str, str]) -> str:
    return "、".join(names.get(person, person) for person in people)


def _person(person: str | None, names: Mapping[str, str]) -> str:
    return names.get(person, person) if person else ""


def _with(text: str | None, remark: str | None) -> str:
    return f"{text or ''} ({remark})" if remark else text or ""
