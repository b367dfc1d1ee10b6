"""People read why a customer has its grade: in both languages, with the figures, and what is missing to the fen."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

from kehu.calendar import Month, start_of_day
from kehu.contracts.customers import CustomerKind
from kehu.ids import new_id
from kehu_grading.rules.engine import grade
from kehu_grading.rules.explanation import Explanation
from kehu_grading.rules.policy import GradingPolicy
from kehu_grading.rules.standing import Incident, Standing, Volume
from kehu_grading.rules.words import tell, tell_limb

AGENT = Standing(
    kind=CustomerKind.PROVINCIAL_AGENT,
    kind_fact=new_id(),
    registered_on=date(2026, 3, 1),
    activated_on=date(2026, 9, 1),
    volumes={
        Month(2026, 9): Volume(500_000_000, new_id()),
        Month(2026, 10): Volume(499_999_999, new_id()),
        Month(2026, 11): Volume(500_000_000, new_id()),
    },
)


def graded(standing: Standing) -> Explanation:
    return grade(standing, GradingPolicy(), 0, start_of_day(date(2026, 12, 10)))


def test_a_fen_that_is_missing_is_told_as_such() -> None:
    first, missing = tell(graded(AGENT))
    assert first.zh == (
        "B 类（次重要），依据 R5.2.B：省外省级代理，3 个整月合同量合计 14,999,999.99 元，"
        "门槛为每月 3,000,000.00 元 × 3 = 9,000,000.00 元，已达到，且无不良信用记录。"
    )
    assert first.en.startswith("Class B (less important) by R5.2.B: provincial agent; contract volume of 3 full months")
    assert missing.zh == "距 A 类（重要）：合计还差合同量 0.01 元。"
    assert missing.en == "For class A (important): 0.01 yuan of contract volume is missing in total."


def test_missing_months_a_provisional_grade_and_bad_credit_are_told() -> None:
    standing = replace(
        AGENT,
        activated_on=date(2026, 10, 1),
        volumes={Month(2026, 11): Volume(1, new_id())},
        incidents={"C-7": Incident("C-7", date(2026, 9, 9), date(2026, 10, 1))},
    )
    told = [sentence.en for sentence in tell(graded(standing))]
    assert told == [
        "Class C (potential) by R5.2.C: nothing else matches; the customer is on the watch list.",
        (
            "For class B (less important): 5,999,999.99 yuan of contract volume is missing in total;"
            " bad credit ends to count on 2028-10-01."
        ),
        "No contract volume is reported for 2026-10: they count 0.",
        "The grade is provisional: 2 full months so far.",
        "Bad credit C-7 (of 2026-09-09; it counts until 2028-10-01 (that day no longer)): it bars A and B by volume.",
    ]


def test_every_limb_of_every_kind_can_be_told() -> None:
    for kind in CustomerKind:
        for activated_on in (None, date(2026, 9, 1), date(2026, 11, 20)):
            explanation = graded(replace(AGENT, kind=kind, activated_on=activated_on))
            for limb in explanation.limbs:
                sentence = tell_limb(limb, explanation)
                assert sentence.zh
                assert sentence.en
