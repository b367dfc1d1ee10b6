"""Templates as policy data: what each message says, through which channel, and until when it is worth saying.

A template's name and variables are the software's, since reactions fill them; its words are 市场部's. A version names
the templates that it words anew; of all others the words that came with the software hold.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from kehu.deciding import Context
from kehu.policies import PolicyKind
from kehu.text import Paragraph

#: The channel that a template is written for; where it is not set up, the sandbox stands in.
Outlet = Literal["sms", "wecom"]

_PLACE = re.compile(r"\{(\w+)\}", re.ASCII)
_BRACES = re.compile(r"[{}]")


class TemplateName(StrEnum):
    """Every template there is. Names are kept for ever: old versions and old messages refer to them."""

    DOSSIER_TO_REVIEW = "dossier-to-review"
    DOSSIER_RETURNED = "dossier-returned"
    TURN_TO_SIGN = "turn-to-sign"
    QUALIFICATION_APPROVED = "qualification-approved"
    QUALIFICATION_RETURNED = "qualification-returned"
    QUALIFICATION_REJECTED = "qualification-rejected"
    GRADE_ASSIGNED = "grade-assigned"
    INDICATIVE_GRADE_CHANGED = "indicative-grade-changed"
    GRADE_DRIFT = "grade-drift"
    GRADE_DRIFT_ENDED = "grade-drift-ended"
    VISIT_PLANNED = "visit-planned"
    VISIT_CANCELLED = "visit-cancelled"
    VISIT_RECORD_OVERDUE = "visit-record-overdue"
    CUSTOMER_ACTIVATED = "customer-activated"


#: Known of every message about a customer, and looked up when it is sent.
LIVE_VARIABLES = frozenset({"customer_number", "customer_name", "recipient_name"})
#: What the reason for the message tells besides; may only grow.
TOLD_VARIABLES: Mapping[TemplateName, frozenset[str]] = {
    TemplateName.TURN_TO_SIGN: frozenset({"step"}),
    TemplateName.QUALIFICATION_RETURNED: frozenset({"step", "back_to"}),
    TemplateName.QUALIFICATION_REJECTED: frozenset({"step"}),
    TemplateName.GRADE_ASSIGNED: frozenset({"grade"}),
    TemplateName.INDICATIVE_GRADE_CHANGED: frozenset({"grade", "previous"}),
    TemplateName.GRADE_DRIFT: frozenset({"official", "indicative"}),
    TemplateName.GRADE_DRIFT_ENDED: frozenset({"official", "indicative"}),
    TemplateName.VISIT_PLANNED: frozenset({"day"}),
    TemplateName.VISIT_CANCELLED: frozenset({"day"}),
    TemplateName.VISIT_RECORD_OVERDUE: frozenset({"day"}),
}


class Template(BaseModel):
    """One message's words. ``{customer_name}`` and the like are replaced when it is sent.

    Args:
        channel: what it is written for.
        zh: in Chinese; an SMS is this alone.
        en: in English, beside it where employees read it.
        urgent: sent in quiet hours too.
        expires_after_hours: not sent later than so long after what it tells of happened.
        sms_code: the provider's id of the approved template with the same words; an SMS needs one.

    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    channel: Outlet
    zh: Annotated[Paragraph, Field(min_length=1)]
    en: Paragraph = ""
    urgent: bool = False
    expires_after_hours: Annotated[int, Field(ge=1, le=8760)]
    sms_code: Annotated[str, Field(max_length=64)] = ""

    @property
    def variables(self) -> list[str]:
        """What its words ask for, in the order of their first places in the Chinese text."""
        return list(dict.fromkeys(_PLACE.findall(self.zh) + _PLACE.findall(self.en)))


class Templates(BaseModel):
    """The templates that a version words anew."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    templates: dict[TemplateName, Template] = Field(default_factory=dict[TemplateName, Template])

    def of(self, name: TemplateName) -> Template:
        """The words of a template under this version."""
        return self.templates.get(name) or WORDS[name]

    @model_validator(mode="after")
    def _only_known_variables(self) -> Self:
        for name, template in self.templates.items():
            known = LIVE_VARIABLES | TOLD_VARIABLES.get(name, frozenset())
            unknown = sorted(set(template.variables) - known)
            if unknown or any(_BRACES.search(_PLACE.sub("", text)) for text in (template.zh, template.en)):
                raise PydanticCustomError(
                    "template_variables",
                    "模板 {name} 只能使用这些变量（写作 {{变量}}）：{known}。"
                    "The template {name} can use these variables, in braces: {known}.",
                    {"name": name.value, "known": ", ".join(sorted(known))},
                )
        return self


def fill(text: str, values: Mapping[str, str]) -> str:
    """A template's text with its places filled; the values are taken as they are, braces included."""
    return _PLACE.sub(lambda place: values[place.group(1)], text)


_CUSTOMER = "{customer_number} {customer_name}"
_WEEK = 7 * 24
_TWO_WEEKS = 2 * _WEEK


def _to_staff(zh: str, en: str, hours: int = _WEEK) -> Template:
    return Template(channel="wecom", zh=zh, en=en, expires_after_hours=hours)


#: The words that come with the software.
WORDS: Mapping[TemplateName, Template] = {
    TemplateName.DOSSIER_TO_REVIEW: _to_staff(
        f"客户档案 {_CUSTOMER} 已提交，请审核：通过，或写明意见退回。",
        f"The dossier {_CUSTOMER} has been submitted: review it, and pass it or give it back with remarks.",
        _TWO_WEEKS,
    ),
    TemplateName.DOSSIER_RETURNED: _to_staff(
        f"客户档案 {_CUSTOMER} 被退回，请按退回意见修改后再提交。",
        f"The dossier {_CUSTOMER} was given back: mend what the remarks say, and submit it again.",
        _TWO_WEEKS,
    ),
    TemplateName.TURN_TO_SIGN: _to_staff(
        f"客户 {_CUSTOMER} 的资质审核轮到您办理：{{step}}。",
        f"The qualification of {_CUSTOMER} waits for you: {{step}}.",
        _TWO_WEEKS,
    ),
    TemplateName.QUALIFICATION_APPROVED: _to_staff(
        f"客户 {_CUSTOMER} 的资质审核已获总经理批准，请办理协议签订。",
        f"The general manager has approved the qualification of {_CUSTOMER}: have the agreement signed now.",
        _TWO_WEEKS,
    ),
    TemplateName.QUALIFICATION_RETURNED: _to_staff(
        f"客户 {_CUSTOMER} 的资质审核在“{{step}}”被退回至“{{back_to}}”，请查看意见。",
        f"The qualification of {_CUSTOMER} was given back at {{step}} to {{back_to}}: see the remarks.",
        _TWO_WEEKS,
    ),
    TemplateName.QUALIFICATION_REJECTED: _to_staff(
        f"客户 {_CUSTOMER} 的资质审核在“{{step}}”未获通过，原因见审核表。",
        f"The qualification of {_CUSTOMER} was refused at {{step}}; the reason stands in the review.",
        _TWO_WEEKS,
    ),
    TemplateName.GRADE_ASSIGNED: _to_staff(
        f"客户 {_CUSTOMER} 的正式等级为 {{grade}} 类。",
        f"The official grade of {_CUSTOMER} is {{grade}}.",
    ),
    TemplateName.INDICATIVE_GRADE_CHANGED: _to_staff(
        f"客户 {_CUSTOMER} 的动态等级由 {{previous}} 类变为 {{grade}} 类，正式等级不变。",
        f"The indicative grade of {_CUSTOMER} has gone from {{previous}} to {{grade}}; the official one stays.",
    ),
    TemplateName.GRADE_DRIFT: _to_staff(
        f"客户 {_CUSTOMER} 的动态等级 {{indicative}} 与正式等级 {{official}} 不一致，已列入关注名单。",
        f"{_CUSTOMER} is on the watch list: its indicative grade is {{indicative}}, the official one {{official}}.",
    ),
    TemplateName.GRADE_DRIFT_ENDED: _to_staff(
        f"客户 {_CUSTOMER} 的动态等级与正式等级 {{official}} 恢复一致。",
        f"The indicative grade of {_CUSTOMER} agrees with the official one, {{official}}, again.",
    ),
    TemplateName.VISIT_PLANNED: _to_staff(
        f"您已列入 {{day}} 拜访客户 {_CUSTOMER} 的人员，请查看拜访登记表并做好准备。",
        f"You are to visit {_CUSTOMER} on {{day}}: see the visit register, and prepare.",
    ),
    TemplateName.VISIT_CANCELLED: _to_staff(
        f"原定 {{day}} 对客户 {_CUSTOMER} 的拜访已取消。",
        f"The visit to {_CUSTOMER} on {{day}} has been cancelled.",
    ),
    TemplateName.VISIT_RECORD_OVERDUE: _to_staff(
        f"{{day}} 拜访客户 {_CUSTOMER} 的记录表逾期未交，请尽快补填。",
        f"The record of the visit to {_CUSTOMER} on {{day}} is overdue: fill it in.",
    ),
    TemplateName.CUSTOMER_ACTIVATED: Template(
        channel="sms",
        zh="尊敬的{recipient_name}：{customer_name}的合作手续已办妥，即日起可以下单。如有需要，请联系您的营销员。",
        expires_after_hours=72,
    ),
}

TEMPLATES = PolicyKind(name="templates", model=Templates, initial=Templates(), clause="Notifications")


def templates_in_force(context: Context) -> Templates:
    """The version that a decision is made under."""
    found: Templates = context.policies[TEMPLATES.name]
    return found
