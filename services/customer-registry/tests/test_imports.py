"""Existing dossiers from Excel (R4.3): what a row says, who may, and that progress is never counted twice."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kehu.contracts.customers import CustomerRegistered, CustomerTakenOver
from kehu.deciding import Context
from kehu.errors import Forbidden, Invalid, KehuError
from kehu.spreadsheets import SheetRow
from kehu_customer_registry.dossiers.facts import DOSSIERS, Status
from kehu_customer_registry.dossiers.rights import OwnSubmission
from kehu_customer_registry.imports import decisions
from kehu_customer_registry.imports.decisions import Made, Salespeople, UploadImport
from kehu_customer_registry.imports.facts import (
    IMPORTS,
    Import,
    ImportAdvanced,
    ImportChecked,
    ImportFinished,
    RowProblem,
)
from kehu_customer_registry.imports.facts import Status as ImportStatus
from kehu_customer_registry.imports.rows import COLUMNS, RowWrong, parse_row
from kehu_customer_registry.testing import ADMIN, AUDITOR, MANAGER, MARKET, NOW, SALES, WEST_MANAGER, Case, person

DIGEST = "a" * 64
PEOPLE = Salespeople({"sales": "sales", "E001": "sales"})
UPLOAD = UploadImport("u-1", "DR000001", "east", DIGEST)
GOOD: dict[str, Any] = {
    "客户名称": "杭州甲乙贸易有限公司",
    "客户类别": "经销商",
    "企业性质": "有限责任公司",
    "主管单位": "无",
    "地址": "杭州市西湖区文三路 1 号",
    "区域": "浙江",
    "证照种类": "统一社会信用代码",
    "证照号码": "91110000600037341L",
    "负责营销员": "E001",
    "联系人": "王小明",
    "联系电话": 13800138000,
}
STANDING: dict[str, Any] = {
    "生效日期": "2024-01-01",
    "协议签订日期": "2023/12/20",
    "协议文件摘要": "b" * 64,
    "等级": "B",
    "等级年度": 2025,
    "最近拜访日期": "2026-10-01",
}


def a_row(number: int = 2, **cells: Any) -> SheetRow:
    """A row of the file with these cells; None leaves one empty."""
    filled = {**GOOD, **cells}
    return SheetRow(number, {COLUMNS[heading]: cell for heading, cell in filled.items() if cell is not None})


def context() -> Context:
    return Context(person("imports"), NOW)


def wrong(**cells: Any) -> list[tuple[str, str]]:
    """What a row is refused for: column and code."""
    try:
        row = parse_row(a_row(**cells), "east", DIGEST)
    except RowWrong as refused:
        problems = refused.problems
    else:
        problems = decisions.row_problems(row, PEOPLE, context())
    assert all(one.row == 2 and one.zh and one.en for one in problems)
    return [(one.column, one.code) for one in problems]


def test_a_row_becomes_a_registered_customer_as_it_stands() -> None:
    row = parse_row(a_row(**STANDING), "east", DIGEST)
    assert decisions.row_problems(row, PEOPLE, context()) == []
    state = Import(upload="u-1", department="east", file_digest=DIGEST, uploaded_by="manager", confirmed_by="market")
    made = Made("c-1", "K000007", ["p-1", "p-2", "p-3"])
    decision = decisions.take_over_row(row, made, state, PEOPLE, context())
    dossier = DOSSIERS.fold(decision.facts)
    assert (dossier.status, dossier.owner, dossier.department) == (Status.ARCHIVED, "sales", "east")
    assert dossier.content.contacts[0].phone == "+8613800138000"
    _, registered, taken_over = decision.facts
    assert isinstance(registered, CustomerRegistered)
    assert (registered.taken_over, registered.registered_by) == (True, "market")
    assert isinstance(taken_over, CustomerTakenOver)
    assert (taken_over.grade, taken_over.graded_year, taken_over.evidence_digest) == ("B", 2025, DIGEST)
    assert (taken_over.proposed_by, taken_over.confirmed_by) == ("manager", "market")
    assert {(claim.scope, claim.value) for claim in decision.claims} == {
        ("customer-number", "K000007"),
        ("identity", "uscc:91110000600037341L"),
    }


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        ({"客户名称": None}, [("客户名称", "missing")]),
        ({"客户类别": "大客户"}, [("客户类别", "not-listed")]),
        ({"证照号码": "91110000600037341M"}, [("证照号码", "uscc_check_digit")]),
        ({"联系电话": "12345"}, [("联系电话", "phone_unknown")]),
        ({"负责营销员": None}, [("负责营销员", "missing")]),
        ({"负责营销员": "nobody"}, [("负责营销员", "salesperson-unknown")]),
        ({"地址": None}, [("地址", "missing")]),
        ({"证照种类": None, "证照号码": None}, [("证照号码", "missing")]),
        ({"区域": "火星"}, [("区域", "region_unknown")]),
        ({"生效日期": "2024-01-01"}, [("", "take-over-inconsistent")]),
        ({**STANDING, "等级": "D"}, [("等级", "enum")]),
        ({**STANDING, "最近拜访日期": "2027-01-01"}, [("最近拜访日期", "occurred-in-future")]),
        ({"客户名称": "甲\0乙"}, [("客户名称", "text_control")]),
        ({"客户名称": "甲" * 500}, [("客户名称", "text_long")]),
    ],
)
def test_what_is_wrong_is_told_by_column_in_the_users_words(
    cells: dict[str, Any], expected: list[tuple[str, str]]
) -> None:
    found = wrong(**cells)
    assert [column for column, _ in found] == [column for column, _ in expected]
    assert [code for _, code in found] == [code for _, code in expected]


@given(
    st.dictionaries(st.sampled_from(sorted(COLUMNS)), st.text(max_size=40) | st.integers() | st.floats() | st.dates())
)
def test_whatever_stands_in_a_row_is_taken_or_refused_with_reasons(cells: dict[str, Any]) -> None:
    assert all(code for _, code in wrong(**cells))


def test_it_takes_two_who_keep_the_departments_customers_and_own_none_of_them() -> None:
    case = Case(IMPORTS)
    for stranger in (SALES, WEST_MANAGER, ADMIN, AUDITOR, person("gone", "dept_manager", departing=True)):
        with pytest.raises(Forbidden):
            Case(IMPORTS).do(decisions.upload_import, stranger, UPLOAD)
    case.do(decisions.upload_import, MANAGER, UPLOAD)
    checked = ImportChecked(
        upload="u-1", rows=1, existing=(), existing_count=0, owners=("market2",), problems=(), problem_count=0
    )
    case.facts.append(checked)
    owning = person("market2", "market_dept", department=None)
    for own in (MANAGER, owning):
        with pytest.raises(OwnSubmission):
            case.do(decisions.confirm_import, own)
    case.do(decisions.confirm_import, MARKET)
    assert case.state.status is ImportStatus.RUNNING
    with pytest.raises(KehuError):
        case.do(decisions.confirm_import, MARKET)


def test_a_file_with_problems_is_not_confirmed() -> None:
    case = Case(IMPORTS)
    case.do(decisions.upload_import, MANAGER, UPLOAD)
    problem = RowProblem(row=2, column="地址", code="missing", zh="必填", en="Required")
    case.facts.append(
        ImportChecked(
            upload="u-1", rows=1, existing=(), existing_count=0, owners=(), problems=(problem,), problem_count=1
        )
    )
    with pytest.raises(Invalid, match="1 problems"):
        case.do(decisions.confirm_import, MARKET)


@given(st.lists(st.integers(0, 50), max_size=20))
def test_progress_goes_forward_only_and_ends_once(steps: list[int]) -> None:
    state = Import(upload="u-1", status=ImportStatus.RUNNING)
    facts: list[Any] = []
    for done in steps:
        made = decisions.advance(done, 1, (), state, last=done == 50)
        facts += made
        state = IMPORTS.fold(made, state)
    dones = [fact.done for fact in facts if isinstance(fact, ImportAdvanced)]
    assert dones == sorted(set(dones))
    assert sum(isinstance(fact, ImportFinished) for fact in facts) <= 1
