"""Explanations in sentences, in Chinese with English beside it: for people who ask why a customer has its grade."""

from __future__ import annotations

from pydantic import BaseModel

from kehu.contracts.customers import Affiliation, CustomerKind
from kehu.contracts.grading import Grade
from kehu.money import show_yuan
from kehu_grading.rules.explanation import CountedIncident, Explanation, Figures, Limb, LimbName, Missing, Reason


class Sentence(BaseModel):
    """The same in both languages."""

    zh: str
    en: str


GRADES = {
    Grade.A: Sentence(zh="A 类（重要）", en="class A (important)"),
    Grade.B: Sentence(zh="B 类（次重要）", en="class B (less important)"),
    Grade.C: Sentence(zh="C 类（潜在客户）", en="class C (potential)"),
}
KINDS = {
    CustomerKind.PROVINCIAL_AGENT: Sentence(zh="省外省级代理", en="provincial agent"),
    CustomerKind.PREFECTURE_AGENT: Sentence(zh="省内地级代理", en="prefecture agent"),
    CustomerKind.DEALER: Sentence(zh="经销商", en="dealer"),
    CustomerKind.KEY_END_USER: Sentence(zh="重点终端用户", en="key end user"),
    CustomerKind.OTHER_PROSPECT: Sentence(zh="其他潜在客户", en="other prospect"),
}
AFFILIATIONS = {
    Affiliation.JOINT_VENTURE: Sentence(zh="本公司的合资公司", en="our joint venture"),
    Affiliation.WHOLLY_OWNED: Sentence(zh="本公司的全资子公司", en="our wholly-owned subsidiary"),
}
_REASONS = {
    Reason.NOT_AFFILIATED: Sentence(
        zh="不是本公司的合资公司或全资子公司", en="neither our joint venture nor our wholly-owned subsidiary"
    ),
    Reason.NOT_AN_AGENT: Sentence(zh="不是代理商", en="not an agent"),
    Reason.NOT_A_DEALER: Sentence(zh="不是经销商", en="not a dealer"),
    Reason.NOT_A_PROSPECT: Sentence(
        zh="不是重点终端用户或其他潜在客户", en="neither a key end user nor another prospect"
    ),
    Reason.NOT_ACTIVATED: Sentence(
        zh="资质尚未审批生效，没有可计的月份", en="not activated yet, so there is no month to count"
    ),
    Reason.NO_FULL_MONTH: Sentence(zh="生效后尚无已截止的整月", en="no full month since activation has closed yet"),
    Reason.BAD_CREDIT: Sentence(zh="有不良信用记录", en="a record of bad credit"),
    Reason.MATCHES_ANOTHER: Sentence(zh="已符合前面的条件", en="an earlier limb passed"),
}
_DEALER = Sentence(zh="是经销商", en="a dealer")
_NOTHING_ELSE = Sentence(
    zh="不符合其他任何条件，列入关注名单", en="nothing else matches; the customer is on the watch list"
)


def tell(explanation: Explanation) -> list[Sentence]:
    """The grade, what it lacks for the next better one, and what is to be known besides; most important first."""
    return [
        _grade(explanation),
        *([_missing(explanation.missing)] if explanation.missing else []),
        *([_missing_months(explanation)] if explanation.missing_months else []),
        *([_provisional(explanation)] if explanation.provisional else []),
        *(_incident(incident, explanation) for incident in explanation.incidents if incident.counts),
    ]


def tell_limb(limb: Limb, explanation: Explanation) -> Sentence:
    """Why one limb passed or failed."""
    if limb.passed:
        return _passed(limb, explanation)
    parts = [_reason(reason, limb.figures) for reason in limb.reasons]
    return Sentence(zh="；".join(part.zh for part in parts), en="; ".join(part.en for part in parts))


def _grade(explanation: Explanation) -> Sentence:
    grade = GRADES[explanation.grade]
    limb = next(limb for limb in explanation.limbs if limb.limb is explanation.limb)
    why = _passed(limb, explanation)
    return Sentence(
        zh=f"{grade.zh}，依据 {explanation.clause}：{why.zh}。",
        en=f"{grade.en[0].upper()}{grade.en[1:]} by {explanation.clause}: {why.en}.",
    )


def _passed(limb: Limb, explanation: Explanation) -> Sentence:
    kind = KINDS[explanation.kind]
    if explanation.taken_over and limb.limb is LimbName.TAKEN_OVER:
        year = explanation.taken_over.year
        return Sentence(
            zh=f"上线时按现状接收，{year} 年度已评为此类，附有证据并经两人确认",
            en=f"taken over as it stood at go-live, with the grade of {year}, on evidence and by two people",
        )
    if limb.limb is LimbName.AFFILIATION and explanation.affiliation:
        return AFFILIATIONS[explanation.affiliation]
    if limb.figures:
        volume = _volume(limb.figures)
        return Sentence(
            zh=f"{kind.zh}，{volume.zh}，已达到，且无不良信用记录",
            en=f"{kind.en}; {volume.en}, which is reached, and no bad credit",
        )
    if limb.limb is LimbName.DEALER:
        return _DEALER
    return _NOTHING_ELSE if limb.limb is LimbName.NOTHING_ELSE else kind


def _reason(reason: Reason, figures: Figures | None) -> Sentence:
    if reason is Reason.VOLUME_SHORT and figures:
        volume, short = _volume(figures), show_yuan(figures.short_fen)
        return Sentence(zh=f"{volume.zh}，合计还差 {short} 元", en=f"{volume.en}: {short} yuan short in total")
    return _REASONS[reason]


def _volume(figures: Figures) -> Sentence:
    total, threshold, required = (
        show_yuan(fen) for fen in (figures.sum_fen, figures.threshold_fen, figures.required_fen)
    )
    months = figures.months
    return Sentence(
        zh=f"{months} 个整月合同量合计 {total} 元，门槛为每月 {threshold} 元 × {months} = {required} 元",
        en=f"contract volume of {months} full months is {total} yuan,"
        f" against {threshold} a month x {months} = {required} yuan",
    )


def _missing(missing: Missing) -> Sentence:
    grade = GRADES[missing.grade]
    parts = [_lack(reason, missing) for reason in missing.reasons]
    return Sentence(
        zh=f"距 {grade.zh}：{'；'.join(part.zh for part in parts)}。",
        en=f"For {grade.en}: {'; '.join(part.en for part in parts)}.",
    )


def _lack(reason: Reason, missing: Missing) -> Sentence:
    if reason is Reason.VOLUME_SHORT and missing.short_fen is not None:
        short = show_yuan(missing.short_fen)
        return Sentence(zh=f"合计还差合同量 {short} 元", en=f"{short} yuan of contract volume is missing in total")
    if reason is Reason.BAD_CREDIT:
        until = missing.credit_until
        return Sentence(
            zh=f"不良信用记录自 {until} 起不再计" if until else "不良信用尚未解决",
            en=f"bad credit ends to count on {until}" if until else "bad credit is not resolved yet",
        )
    return _REASONS[reason]


def _missing_months(explanation: Explanation) -> Sentence:
    months = "、".join(map(str, explanation.missing_months))
    return Sentence(
        zh=f"{months} 未上报合同量，按 0 计。",
        en=f"No contract volume is reported for {months.replace('、', ', ')}: they count 0.",
    )


def _provisional(explanation: Explanation) -> Sentence:
    months = len(explanation.months)
    return Sentence(
        zh=f"整月数仅 {months} 个，分类为暂定。", en=f"The grade is provisional: {months} full months so far."
    )


def _incident(incident: CountedIncident, explanation: Explanation) -> Sentence:
    until = f"，计至 {incident.ends_on}（当日起不再计）" if incident.ends_on else "，尚未解决"
    until_en = f"; it counts until {incident.ends_on} (that day no longer)" if incident.ends_on else "; not resolved"
    effect = "提示，不影响本分类" if explanation.credit_warning else "不能按合同量评为 A 类或 B 类"
    effect_en = "a warning that changes no grade" if explanation.credit_warning else "it bars A and B by volume"
    return Sentence(
        zh=f"不良信用记录 {incident.incident}（{incident.occurred_on} 发生{until}）：{effect}。",
        en=f"Bad credit {incident.incident} (of {incident.occurred_on}{until_en}): {effect_en}.",
    )
