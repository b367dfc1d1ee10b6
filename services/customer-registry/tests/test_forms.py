"""What people fill in: the dossier form, the volumes file, and how personal data is shown in outline."""

from __future__ import annotations

import contextlib
import io
from datetime import date, datetime
from typing import Any

import pytest
import xlsxwriter
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from kehu.calendar import Month
from kehu.contracts.customers import IdentityKind
from kehu.spreadsheets import SpreadsheetInvalid, write_rows
from kehu_customer_registry.dossiers.form import ChangeForm, DraftForm, EditForm, Identity, identity_warning
from kehu_customer_registry.history import mask
from kehu_customer_registry.settings import RegistrySettings
from kehu_customer_registry.testing import USCC
from kehu_customer_registry.volumes.sheet import COLUMNS, read_volumes

IDS = ["new-1", "new-2", "new-3"]
PERSON: dict[str, Any] = {"name": "王小明", "phone": "13800138000"}


def refusal(**fields: Any) -> set[str]:
    with pytest.raises(ValidationError) as refused:
        DraftForm.model_validate({"name": "甲公司", "department": "east", **fields})
    return {error["type"] for error in refused.value.errors()}


def test_only_what_was_sent_is_given() -> None:
    assert EditForm.model_validate({}).given([]) == {}
    assert EditForm.model_validate({"address": None}).given([]) == {"address": None}
    sent = ChangeForm.model_validate({"identity": None, "occurred_on": "2026-11-01T00:00:00+08:00"})
    assert sent.given([]) == {"identity": None, "identity_kind": None}


def test_a_name_cannot_be_emptied() -> None:
    with pytest.raises(ValidationError, match="cannot be emptied"):
        EditForm.model_validate({"name": None})


def test_full_width_input_has_one_form() -> None:
    form = DraftForm.model_validate(
        {
            "name": "ＡＢＣ（北京）有限公司",
            "department": "east",
            "identity": {"kind": "uscc", "number": "９１１１０００0 600037341l"},
            "contacts": [{"name": "王小明", "phone": "（０１０）６２３４ ５６７８"}],
        }
    )
    given_ = form.given(IDS)
    assert given_["name"] == "ABC(北京)有限公司"
    assert given_["identity"] == USCC
    assert given_["contacts"][0].phone == "+861062345678"


@pytest.mark.parametrize(
    ("kind", "number", "kept"),
    [
        ("uscc", "91440300708461136T", "91440300708461136T"),
        ("individual_business_number", "110108600000010", "110108600000010"),
        ("foreign_registration", "hrb 12345", "HRB12345"),
        ("public_body_code", "1234-5678", "12345678"),
    ],
)
def test_identities_of_each_kind(kind: str, number: str, kept: str) -> None:
    identity = Identity.model_validate({"kind": kind, "number": number})
    assert identity.number == kept
    assert identity.claim == f"{kind}:{kept}"


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"identity": {"kind": "uscc", "number": "91110000600037341X"}}, "uscc_check_digit"),
        ({"identity": {"kind": "uscc", "number": "9" * 101}}, "string_too_long"),
        ({"identity": {"kind": "individual_business_number", "number": "1"}}, "individual_number_format"),
        ({"identity": {"kind": "foreign_registration", "number": "=1+1"}}, "identity_code"),
        ({"identity": {"kind": "tax", "number": "1"}}, "enum"),
        ({"contacts": [{**PERSON, "phone": "12"}]}, "phone_unknown"),
        ({"contacts": [{**PERSON, "person": "../other"}]}, "string_pattern_mismatch"),
        ({"contacts": [PERSON] * 31}, "too_long"),
        ({"name": "\u202egnp.exe"}, "text_control"),
        ({"department": "East"}, "string_pattern_mismatch"),
        ({"owner": "somebody"}, "extra_forbidden"),
        ({"affiliation": "joint_venture"}, "extra_forbidden"),
        ({"nature": "company"}, "enum"),
    ],
)
def test_what_cannot_be_is_refused_by_name(fields: dict[str, Any], code: str) -> None:
    assert code in refusal(**fields)


def test_contacts_get_ids_and_somebody_is_the_main_one() -> None:
    form = DraftForm.model_validate(
        {"name": "甲", "department": "east", "contacts": [{**PERSON, "person": "p-1"}, PERSON]}
    )
    first, second = form.given(IDS)["contacts"]
    assert (first.person, first.main, second.person, second.main) == ("p-1", True, "new-2", False)


def test_an_odd_organisation_code_warns() -> None:
    assert identity_warning(IdentityKind.USCC, USCC) is None
    assert identity_warning(None, None) is None


@given(st.text(min_size=1, max_size=40))
def test_a_mask_shows_little_and_keeps_the_length(text: str) -> None:
    masked = mask(text)
    assert len(masked) == len(text)
    assert sum(shown != "*" for shown in masked) <= 3
    assert mask("+8613800138000") == "+***********00"
    assert mask("王小明") == "王**"
    assert mask("已删除") == "已删除"


def book(*rows: tuple[Any, ...], headings: tuple[str, ...] = tuple(COLUMNS)) -> bytes:
    return write_rows(headings, rows)


@pytest.mark.parametrize(
    "month", ["2026-10", "2026年10月", "2026/10", "202610", 202610, "２０２６－１０", date(2026, 10, 1)]
)
def test_a_month_may_be_written_as_people_write_it(month: Any) -> None:
    ((number, row),) = read_volumes(book(("k000001", month, "5,000,000.00")))
    assert number == 2
    assert (row.customer, row.month, row.amount_fen) == ("K000001", Month(2026, 10), 500_000_000)


def test_a_date_cell_is_its_month() -> None:
    target = io.BytesIO()
    with xlsxwriter.Workbook(target) as workbook:
        sheet = workbook.add_worksheet()
        sheet.write_row(0, 0, ["备注", *COLUMNS])
        day = workbook.add_format({"num_format": "yyyy-mm"})
        sheet.write_string(1, 1, "K000001")
        sheet.write_datetime(1, 2, datetime(2026, 10, 31), day)  # noqa: DTZ001 - Excel knows no zones
        sheet.write_number(1, 3, -0.01)
    ((_, row),) = read_volumes(target.getvalue())
    assert (row.month, row.amount_fen) == (Month(2026, 10), -1)


def test_every_wrong_cell_is_named_with_its_row_and_column() -> None:
    with pytest.raises(SpreadsheetInvalid) as refused:
        read_volumes(
            book(
                ("K000001", "2026-10", 1),
                ("公司甲", "2026-10", 1),
                ("K000002", "2026-13", 1),
                ("K000003", "2026-10", "一百"),
                ("K000004", "2026-10", 1.005),
                ("K000005", None, 1),
            )
        )
    assert [(one["row"], one["column"]) for one in refused.value.evidence["problems"]] == [
        (3, "客户编号"),
        (4, "月份"),
        (5, "合同额(元)"),
        (6, "合同额(元)"),
        (7, "月份"),
    ]
    assert "第 3 行" in refused.value.zh
    assert "row 3" in refused.value.en


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["K000001", "", "=1+1", "x" * 300, "K１"]) | st.integers(-5, 5),
            st.sampled_from(["2026-10", "", "9999-99", "二零二六", True])
            | st.floats(allow_nan=False, allow_infinity=False, width=32),
            st.sampled_from(["1", "", "1e9", "￥12.5", "-0", "9" * 40]) | st.integers(-(10**16), 10**16),
        ),
        min_size=1,
        max_size=5,
    )
)
def test_any_file_is_read_or_refused(rows: list[tuple[Any, ...]]) -> None:
    with contextlib.suppress(SpreadsheetInvalid):
        assert all(row.customer == "K000001" for _, row in read_volumes(book(*rows)))


def test_sources_are_a_list_in_one_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    assert RegistrySettings().volume_sources == {"/contract-system"}
    monkeypatch.setenv("KEHU_REGISTRY_VOLUME_SOURCES", "/contract-system, https://erp.example/contracts")
    assert RegistrySettings().volume_sources == {"/contract-system", "https://erp.example/contracts"}
