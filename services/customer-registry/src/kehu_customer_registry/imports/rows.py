"""A row of the file: its columns, and what may stand in them. The same form as everywhere (F4), in one line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from pydantic import ValidationError

from kehu.spreadsheets import Cell, SheetRow
from kehu.text import normalise
from kehu_customer_registry.dossiers.content import LISTS
from kehu_customer_registry.dossiers.form import DraftForm
from kehu_customer_registry.dossiers.taking_over_api import TakeOverForm
from kehu_customer_registry.imports.facts import RowProblem

#: A company's customers at go-live, with room.
MOST_ROWS = 100_001
MOST_BYTES = 20 << 20

#: Heading -> place in the form. Every heading has to be there; a cell may be empty where R4.2 does not ask for it.
COLUMNS: dict[str, str] = {
    "客户名称": "name",
    "客户类别": "kind",
    "企业性质": "nature",
    "企业性质说明": "nature_remark",
    "主管单位": "supervising_body",
    "地址": "address",
    "区域": "region",
    "区域说明": "region_remark",
    "证照种类": "identity.kind",
    "证照号码": "identity.number",
    "负责营销员": "owner",
    "联系人": "contacts.0.name",
    "职务": "contacts.0.title",
    "联系电话": "contacts.0.phone",
    "受众": "contacts.0.audience",
    "法定代表人": "legal_representative.name",
    "开户行": "bank_tax.bank",
    "银行账号": "bank_tax.account",
    "税号": "bank_tax.tax_number",
    "业务交往": "dealings",
    "生效日期": "standing.active_since",
    "协议签订日期": "standing.agreement_signed_on",
    "协议有效期止": "standing.agreement_valid_until",
    "协议文件摘要": "standing.agreement_digest",
    "最近拜访日期": "standing.visited_on",
    "等级": "standing.grade",
    "等级年度": "standing.graded_year",
}
HEADINGS = {place: heading for heading, place in COLUMNS.items()}
_CODED = {"kind": "kind", "nature": "nature", "identity.kind": "identity_kind"}
_CODES = {
    place: {normalise(word): code for code, (zh, _) in LISTS[name].items() for word in (zh, code)}
    for place, name in _CODED.items()
}
_DAYS = ("active_since", "agreement_signed_on", "agreement_valid_until", "visited_on")


@dataclass(frozen=True, slots=True)
class Row:
    """A row that holds: its number in the file, the owner as written, the form, and how the customer stands."""

    number: int
    owner: str
    form: DraftForm
    standing: TakeOverForm


class RowWrong(Exception):
    """A row does not hold; `problems` says why, column by column."""

    def __init__(self, problems: list[RowProblem]) -> None:
        super().__init__(f"{len(problems)} problems")
        self.problems = problems


def parse_row(row: SheetRow, department: str, file_digest: str) -> Row:
    """Read a row as the form F4 and how the customer stands.

    Args:
        row: as it stands in the file, by place.
        department: whose customers they are.
        file_digest: of the file, which is the evidence for how they stand.

    Raises:
        RowWrong: with every problem of the row.

    """
    found: dict[str, Any] = {"department": department}
    standing: dict[str, Any] = {"evidence_digest": file_digest}
    problems: list[RowProblem] = []
    for place, cell in row.values.items():
        if place in _CODES:
            code = _CODES[place].get(normalise(str(cell)))
            if code is None:
                problems.append(_unlisted(row.number, place))
                continue
            cell = code  # noqa: PLW2901 - the cell in its one form
        _put(standing if place.startswith("standing.") else found, place.removeprefix("standing."), _text(place, cell))
    owner = found.pop("owner", "")
    if not owner:
        problems.append(problem(row.number, "owner", "missing", "必填,不能为空。", "This must not be empty."))
    form = _checked(DraftForm, found, row.number, "", problems)
    stands = _checked(TakeOverForm, standing, row.number, "standing.", problems)
    if problems or form is None or stands is None:
        raise RowWrong(problems)
    return Row(row.number, owner, form, stands)


def problem(row: int, place: str, code: str, zh: str, en: str) -> RowProblem:
    """What is wrong with a cell; of the whole row where the place is no column's."""
    return RowProblem(row=row, column=HEADINGS.get(place, ""), code=code, zh=zh, en=en)


def _unlisted(row: int, place: str) -> RowProblem:
    words = "、".join(zh for zh, _ in LISTS[_CODED[place]].values())
    zh, en = f"不在标准列表中,可填:{words}。", f"Not on the standard list; use: {words}."
    return problem(row, place, "not-listed", zh, en)


def _text(place: str, cell: Cell) -> Any:
    """Excel makes numbers of whatever looks like one, and dates of days; the form takes text and days."""
    if isinstance(cell, datetime):
        return cell.date() if place.removeprefix("standing.") in _DAYS else f"{cell:%Y-%m-%d}"
    if isinstance(cell, date) or place == "standing.graded_year":
        return cell
    return normalise(str(cell)).replace("/", "-") if place.removeprefix("standing.") in _DAYS else str(cell)


def _put(target: dict[str, Any], place: str, value: Any) -> None:
    """Put a value where a dotted place says; a number in it is a place in a list."""
    first, _, rest = place.partition(".")
    if not rest:
        target[first] = value
    elif rest.startswith("0."):
        _put(target.setdefault(first, [{}])[0], rest.removeprefix("0."), value)
    else:
        _put(target.setdefault(first, {}), rest, value)


def _checked(model: Any, values: Mapping[str, Any], row: int, prefix: str, problems: list[RowProblem]) -> Any:
    try:
        return model.model_validate(values)
    except ValidationError as error:
        problems.extend(_told(error, row, prefix))
        return None


def _told(error: ValidationError, row: int, prefix: str) -> Iterator[RowProblem]:
    for one in error.errors(include_url=False, include_context=False, include_input=False):
        place = prefix + ".".join(str(step) for step in one["loc"])
        if one["type"] == "missing":
            yield problem(row, place, "missing", "必填,不能为空。", "This must not be empty.")
        else:
            yield problem(row, place, one["type"], one["msg"], one["msg"])
