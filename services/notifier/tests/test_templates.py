"""What messages say: the words that come with the software, and whatever 市场部 makes of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from kehu.contracts.staff import DelegableStep
from kehu.contracts.vetting import Step
from kehu_notifier.templates.initial import WORDS
from kehu_notifier.templates.policy import Templates
from kehu_notifier.templates.rendering import CannotRenderError, cut, render
from kehu_notifier.templates.template import LIVE_VARIABLES, TOLD_VARIABLES, Template, TemplateName
from kehu_notifier.templates.words import STEPS, TO_CUSTOMERS, worded

LONGEST = 35
SMS = WORDS[TemplateName.CUSTOMER_ACTIVATED]
TURN = WORDS[TemplateName.TURN_TO_SIGN]


def test_every_template_comes_with_words_that_use_known_variables_only() -> None:
    assert set(WORDS) == set(TemplateName)
    assert Templates(templates=dict(WORDS)).templates == WORDS


def test_every_message_to_customers_has_a_name_to_say_that_it_was_not_delivered() -> None:
    assert set(TO_CUSTOMERS) == {name.value for name, template in WORDS.items() if template.channel == "sms"}


def test_every_step_that_can_be_asked_for_is_said_in_words() -> None:
    assert {*map(str, DelegableStep), *map(str, Step)} <= set(STEPS)


@pytest.mark.parametrize(
    ("variable", "value", "zh", "en"),
    [
        ("day", "2026-02-05", "2026年2月5日", "2026-02-05"),
        ("month", "2026-10", "2026年10月", "2026-10"),
        ("quarter", "2026Q4", "2026年第4季度", "2026Q4"),
        ("due", "soon", "尽快", "soon"),
        ("due", "2026-02-05", "2026年2月5日", "2026-02-05"),
        ("documents", "business_licence,own_code", "营业执照、own_code", "business licence, own_code"),
        ("order", "2026-02-05", "2026-02-05", "2026-02-05"),
        ("day", "whenever", "whenever", "whenever"),
    ],
)
def test_a_value_is_said_as_people_say_it_and_what_is_not_known_as_it_is(
    variable: str, value: str, zh: str, en: str
) -> None:
    assert (worded(variable, value, "zh"), worded(variable, value, "en")) == (zh, en)


def test_employees_read_both_languages_each_in_its_own_words() -> None:
    values = {"customer_number": "K1", "customer_name": "甲乙", "step": "finance", "due": "2026-12-01"}
    told = render(TURN, values, longest=LONGEST)
    zh, en = told.text.splitlines()
    assert zh == "客户 K1 甲乙 的资质审核轮到您办理：财务部复核。办理期限：2026年12月1日，逾期将提醒上级。"
    assert en.startswith("The qualification of K1 甲乙 waits for you: finance's re-check. Until: 2026-12-01;")


def test_an_sms_is_chinese_with_its_values_cut() -> None:
    told = render(SMS, {"recipient_name": "王小明", "customer_name": "甲" * 40}, longest=LONGEST)
    assert told.variables == {"recipient_name": "王小明", "customer_name": "甲" * 34 + "…"}
    assert told.text.startswith("尊敬的王小明：甲")


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"recipient_name": "王小明"}, "variable-missing"),
        ({"recipient_name": "王小明", "customer_name": " \n"}, "variable-empty"),
    ],
)
def test_a_value_that_is_missing_or_blank_cannot_be_sent(values: dict[str, str], problem: str) -> None:
    with pytest.raises(CannotRenderError) as refused:
        render(SMS, values, longest=LONGEST)
    assert (refused.value.problem, refused.value.variable) == (problem, "customer_name")


# NUL is the mark below; no text that comes in through an API holds one.
@given(
    st.dictionaries(st.sampled_from(sorted(LIVE_VARIABLES)), st.text(st.characters(exclude_characters="\0"))),
    st.integers(2, LONGEST),
)
def test_an_sms_has_values_of_one_character_to_the_longest_or_is_not_made(values: dict[str, str], longest: int) -> None:
    try:
        told = render(SMS, values, longest=longest)
    except CannotRenderError:
        return
    assert all(1 <= len(value) <= longest for value in told.variables.values())
    assert all("\n" not in value for value in told.variables.values())
    # Whatever stands in a value, braces included, is not taken for another place.
    first, second = told.variables["recipient_name"], told.variables["customer_name"]
    assert told.text == SMS.zh.replace("{recipient_name}", "\0").replace("{customer_name}", second).replace("\0", first)


@given(st.text(min_size=1), st.integers(2, LONGEST))
def test_what_is_cut_off_shows(value: str, longest: int) -> None:
    told = cut(value, longest)
    assert told == " ".join(value.split()) or (len(told) == longest and told.endswith("…"))


def test_a_version_words_anew_what_it_names_and_leaves_the_rest() -> None:
    worded = Template(channel="wecom", zh="请签：{customer_name} {step}", expires_after_hours=1)
    version = Templates(templates={TemplateName.TURN_TO_SIGN: worded})
    assert version.of(TemplateName.TURN_TO_SIGN) == worded
    assert version.of(TemplateName.GRADE_DRIFT) == WORDS[TemplateName.GRADE_DRIFT]


@pytest.mark.parametrize("text", ["{grade}", "{unknown}", "{customer_name", "}", "{customer_name.owner}", "{}"])
def test_words_with_other_places_than_the_known_are_refused(text: str) -> None:
    assert "grade" not in TOLD_VARIABLES[TemplateName.TURN_TO_SIGN]
    with pytest.raises(ValidationError, match="turn-to-sign"):
        Templates(templates={TemplateName.TURN_TO_SIGN: Template(channel="wecom", zh=text, expires_after_hours=1)})
