"""Facts as one sentence in Chinese and in English, from templates that name their fields.

A template writes a field as ``{number}``, an amount as ``{amount_fen:yuan}``, a code as ``{method:word}``, and the
first of several that is set as ``{order_number|order}``; ``{changed}`` is what a fact of changes changes. Personal
fields and the free text of others have no place in them, so nothing personal is kept with a timeline.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from string import Formatter
from typing import Any

from kehu.facts import Fact
from kehu.money import show_yuan
from kehu.privacy.fields import personal_paths

#: What stands where there is nothing.
NOTHING = "—"
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


class _Sentences(Formatter):
    """Fills a template from a fact, in one language."""

    def __init__(self, tongue: Tongue) -> None:
        self._tongue = tongue

    def get_field(self, field_name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[Any, str]:
        del args  # every field has a name
        fact: Fact = kwargs["fact"]
        if field_name == "changed":
            return changed(fact), field_name
        named = [getattr(fact, name, None) for name in field_name.split("|")]
        return next((value for value in named if value is not None), None), field_name

    def format_field(self, value: Any, format_spec: str) -> str:
        if isinstance(value, tuple | list):
            shown = [self.format_field(one, format_spec) for one in value]
            return ("、" if self._tongue is Tongue.ZH else ", ").join(shown) or NOTHING
        if value is None:
            return NOTHING
        if format_spec == "yuan":
            return show_yuan(value)
        if format_spec == "word":
            zh, en = WORDS.get(str(value), (str(value), str(value)))
            return zh if self._tongue is Tongue.ZH else en
        return str(value)


_FORMATS = {tongue: _Sentences(tongue) for tongue in Tongue}


def sentence(template: str, fact: Fact, tongue: Tongue) -> str:
    """A template filled from a fact."""
    return _FORMATS[tongue].vformat(template, (), {"fact": fact})


def changed(fact: Fact) -> list[str]:
    """The fields that a fact of changes sets; never their values."""
    return [
        name for name in type(fact).model_fields if name not in _NO_CHANGE and getattr(fact, name) not in (None, False)
    ]


def fields_of(template: str) -> set[str]:
    """The fields that a template names."""
    named = {name for _, name, _, _ in Formatter().parse(template) if name}
    return {one for name in named for one in name.split("|")} - {"changed"}


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
