"""Facts as one sentence in Chinese and in English, from templates that name their fields.

A template writes a field as ``{number}``, an amount as ``{amount_fen:yuan}``, a code as ``{method:word}``, and the
first of several that is set as ``{order_number|order}``; ``{changed}`` is what a fact of changes changes. Personal
fields and the free text of others have no place in them, so nothing personal is kept with a timeline.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from string import Formatter
from typing import Any

from kehu.facts import Fact
from kehu.money import show_yuan
from kehu.privacy.fields import personal_paths

#: What stands where there is nothing.
NOTHING = "—"
_CHANGED = "changed"
#: Set in every fact, or no change of the customer.
_NO_CHANGE = frozenset({"customer", "change", "occurred_on", "on_behalf_of", "affiliation_proof"})

WORDS: Mapping[str, tuple[str, str]] = {
    "name": ("名称", "name"),
    "kind": ("类别", "kind"),
    "nature": ("企业性质", "nature"),
    "nature_remark": ("企业性质说明", "remark on the nature"),
    "supervising_body": ("主管单位", "supervising body"),
    "address": ("地址", "address"),
    "affiliation": ("关联关系", "affiliation"),
    "affiliation_ended": ("关联关系终止", "end of the affiliation"),
    "identity_kind": ("证照种类", "kind of identity"),
    "identity": ("证照号码", "identity"),
    "region": ("区域", "region"),
    "contacts": ("联系人", "contacts"),
    "important_potential": ("重要潜力", "important potential"),
    "owner": ("负责人", "owner"),
    "phone": ("电话", "phone"),
    "fax": ("传真", "fax"),
    "mail": ("信函", "mail"),
    "revisit": ("回访", "a revisit"),
    "unchanged": ("无变更", "unchanged"),
    "changed": ("有变更并已更新", "changed and updated"),
    "unreachable": ("无法联系", "out of reach"),
    "cancelled": ("取消", "cancelled"),
    "done": ("完成", "done"),
    "withdrawn": ("撤回", "withdrawn"),
    "refused": ("拒绝", "refused"),
    "lapsed": ("失效", "lapsed"),
    "marketing": ("营销", "marketing"),
    "finance": ("财务", "finance"),
    "vetting": ("审核", "vetting"),
    "manager": ("部门经理", "the manager"),
    "registration": ("登记", "registration"),
    "general_manager": ("总经理", "the general manager"),
    "agreement": ("签订协议", "the agreement"),
    "initial": ("初次", "initial"),
    "annual": ("年度", "annual"),
    "taken_over": ("接收时已有", "taken over"),
    "override": ("人工调整", "overridden"),
    "paper": ("纸质", "paper"),
    "digital": ("数电", "digital"),
    "digital_on_paper": ("数电纸质", "digital on paper"),
    "delivery": ("送达回执", "delivery"),
    "letter": ("签收函", "a signed letter"),
    "call": ("电话", "a call"),
    "visit": ("拜访", "a visit"),
    "waived": ("豁免", "waived"),
}


class Tongue(StrEnum):
    """The language of a sentence."""

    ZH = "zh"
    EN = "en"


@dataclass(frozen=True, slots=True)
class _Piece:
    """A part of a template: what is said before a field, and which of the fact's fields it is, as what."""

    said: str
    fields: tuple[str, ...]
    shown_as: str


@cache
def _pieces(template: str) -> tuple[_Piece, ...]:
    """A template taken apart, once; there are some hundred of them, and millions of facts."""
    return tuple(
        _Piece(said, tuple(named.split("|")) if named else (), shown_as or "")
        for said, named, shown_as, _ in Formatter().parse(template)
    )


def sentence(template: str, fact: Fact, tongue: Tongue) -> str:
    """A template filled from a fact."""
    parts: list[str] = []
    for piece in _pieces(template):
        parts.append(piece.said)
        if piece.fields:
            parts.append(_shown(_value(fact, piece.fields), piece.shown_as, tongue))
    return "".join(parts)


def _value(fact: Fact, fields: tuple[str, ...]) -> Any:
    if fields == (_CHANGED,):
        return changed(fact)
    for name in fields:
        if (value := getattr(fact, name, None)) is not None:
            return value
    return None


def _shown(value: Any, shown_as: str, tongue: Tongue) -> str:
    if isinstance(value, tuple | list):
        shown = [_shown(one, shown_as, tongue) for one in value]
        return ("、" if tongue is Tongue.ZH else ", ").join(shown) or NOTHING
    if value is None:
        return NOTHING
    if shown_as == "yuan":
        return show_yuan(value)
    if shown_as == "word":
        zh, en = WORDS.get(str(value), (str(value), str(value)))
        return zh if tongue is Tongue.ZH else en
    return str(value)


def changed(fact: Fact) -> list[str]:
    """The fields that a fact of changes sets; never their values."""
    return [
        name for name in type(fact).model_fields if name not in _NO_CHANGE and getattr(fact, name) not in (None, False)
    ]


def fields_of(template: str) -> set[str]:
    """The fields that a template names."""
    named = {name for _, name, _, _ in Formatter().parse(template) if name}
    return {one for name in named for one in name.split("|")} - {_CHANGED}


def check_template(template: str, fact: type[Fact]) -> None:
    """Refuse a template with fields that the fact does not have, or that are personal.

    Raises:
        ValueError: so it is.

    """
    unknown = fields_of(template) - set(fact.model_fields)
    if unknown:
        raise ValueError(f"{fact.__name__} has no {', '.join(sorted(unknown))}: {template!r}.")
    personal = {path.removeprefix("$.").partition(".")[0].partition("[")[0] for path in personal_paths(fact)}
    if personal & fields_of(template):
        raise ValueError(f"{', '.join(sorted(personal))} of {fact.__name__} is personal: {template!r}.")
